// SPDX-License-Identifier: GPL-2.0

//! Two ends and the link between them, in virtual time.
//!
//! Long, since a step moves ends, link and clock together, and whoever meddles with one needs the rest.

pub(crate) mod invariants;

use crate::platform::{Buf, Counters, Host, HostLog};
use crate::tcp::{
    config::{NetConfig, SocketConfig},
    connection::{Connection, Disposition, Events, FastSyn, OpenParams, Origin},
    context::Cx,
    handshake::{
        fast_open::{on_syn, OnSyn},
        on_listen_segment, OnListen, SynParams, SynRcvd, SynRcvdOn, SynRcvdTimeout,
    },
    log::{Kinds, Record, Recorder},
    metrics::Metrics,
    pacing::{Pacer, UNLIMITED},
    platform::{Memory, SegList},
    seq::{SeqNum, SeqRange},
    state::ConnState,
    time::{Duration, Instant},
    time_wait::{TimeWait, TimeWaitOn},
    wire::{AccEcn, Codepoint, FastOpen, Flags, Header, Packet, SackBlocks, Segment},
};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A small random generator (xorshift*): reproducible everywhere.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            rng.next();
        }
        rng
    }
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 11) % n.max(1)
    }
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }
}

/// What the link does to segments, chances in 1/1000.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Link {
    pub(crate) delay_us: u64,
    pub(crate) jitter_us: u64,
    pub(crate) loss: u64,
    pub(crate) reorder: u64,
    pub(crate) duplicate: u64,
    /// Adjacent segments that arrive in a row are joined, as receive offload does.
    pub(crate) joins: bool,
    /// The path takes segments of that many bytes (without the fixed headers) only; 0: of any size.
    /// Larger ones are answered by ICMP.
    pub(crate) path_mss: u16,
    /// No ICMP comes of that.
    pub(crate) black_hole: bool,
    /// What takes part in ECN is marked.
    pub(crate) mark: u64,
    /// Now and then everything stands still for up to 300 ms, and goes on in order.
    pub(crate) stall: u64,
}

/// One control block of an end.
pub(crate) enum Block {
    Listen,
    HalfOpen(SynRcvd),
    Conn(Box<Connection<Host>>),
    Gone,
}

/// One end.
pub(crate) struct End {
    pub(crate) block: Block,
    /// What answers in place of a connection that is in TIME-WAIT; its user may still read.
    pub(crate) tw: Option<TimeWait>,
    /// TIME-WAIT is over.
    pub(crate) tw_over: bool,
    pub(crate) config: SocketConfig,
    pub(crate) net: NetConfig,
    pub(crate) mib: Counters,
    pub(crate) iss: u32,
    pub(crate) events: Events,
    pub(crate) rcvbuf: u32,
    pub(crate) gso_max: u32,
    pub(crate) mss: u16,
    pub(crate) right_edge: Option<SeqNum>,
    /// The farthest right edge that it ever offered.
    farthest: Option<SeqNum>,
    /// One beyond the last byte that it ever sent.
    sent_to: Option<SeqNum>,
    /// How far it may send, by what arrived.
    told: Option<SeqNum>,
    /// The window scale on its SYN, and on the peer's as it arrived.
    scales: (Option<u8>, Option<u8>),
    /// The last acknowledgment that it sent.
    acked: Option<SeqNum>,
    /// Since when it owes another one.
    owes_since: Option<Instant>,
    /// TCPRcvQDrop when it sent last.
    drops: u64,
    /// Who paces, and the most bytes a second.
    pub(crate) pacing: (Pacer, u64),
    /// Records that the log of its connection has room for, and their kinds.
    pub(crate) log: (usize, Kinds),
    /// A listener that takes data on the SYN.
    pub(crate) takes_early: bool,
    /// The largest segment of the peer's that a SYN with data goes by; 0: not known.
    pub(crate) known_mss: u16,
    /// What its route says.
    pub(crate) metrics: Metrics,
}

/// The cookie of all ends.
pub(crate) const COOKIE: [u8; 8] = *b"one 4all";

impl End {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        Self {
            block: Block::Gone,
            tw: None,
            tw_over: false,
            config: SocketConfig::default(),
            net: NetConfig::default(),
            mib: Counters::default(),
            iss: rng.next() as u32,
            events: Events::default(),
            rcvbuf: 131_072,
            gso_max: 65_000,
            mss: 1460,
            right_edge: None,
            farthest: None,
            sent_to: None,
            told: None,
            scales: (None, None),
            acked: None,
            owes_since: None,
            drops: 0,
            pacing: (Pacer::None, UNLIMITED),
            log: (0, Kinds::NONE),
            takes_early: false,
            known_mss: 0,
            metrics: Metrics::NONE,
        }
    }

    pub(crate) fn conn(&mut self) -> Option<&mut Connection<Host>> {
        match &mut self.block {
            Block::Conn(conn) => Some(conn),
            _ => None,
        }
    }

    /// Another connection begins: what the last one offered and sent does not count.
    fn begin(&mut self) {
        (self.farthest, self.sent_to, self.told) = (None, None, None);
        (self.acked, self.owes_since, self.scales) = (None, None, (None, None));
    }

    /// The host loses its memory: nothing is left of the connection, and the next one numbers from
    /// elsewhere.
    pub(crate) fn forget(&mut self) {
        self.begin();
        self.block = Block::Gone;
        (self.tw, self.tw_over, self.right_edge) = (None, false, None);
        self.iss = self.iss.wrapping_add(1 << 30);
    }

    /// What the log of its connection holds.
    pub(crate) fn records(&mut self) -> Vec<Record> {
        let Some(ring) = self.conn().and_then(|conn| conn.log().ring()) else {
            return Vec::new();
        };
        std::iter::from_fn(|| ring.take()).collect()
    }

    pub(crate) fn state(&self) -> ConnState {
        if let Some(tw) = &self.tw {
            return tw.state();
        }
        if self.tw_over {
            return ConnState::Closed;
        }
        match &self.block {
            Block::Listen => ConnState::Listen,
            Block::HalfOpen(_) => ConnState::SynReceived,
            Block::Conn(conn) => conn.state(),
            Block::Gone => ConnState::Closed,
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        if let Some(tw) = &self.tw {
            return Some(tw.deadline());
        }
        match &self.block {
            Block::HalfOpen(entry) => Some(entry.deadline()),
            Block::Conn(conn) => conn.poll_timeout(),
            _ => None,
        }
    }
}

/// Calls `f` with the end's connection and its context, if it has one.
#[macro_export]
macro_rules! with_conn {
    ($end:expr, $now:expr, |$conn:ident, $cx:ident| $body:expr) => {{
        let end = &mut $end;
        let $cx = Cx {
            now: $now,
            net: &end.net,
            mib: &end.mib,
        };
        match &mut end.block {
            Block::Conn($conn) => Some($body),
            _ => None,
        }
    }};
}

/// A segment on the wire.
pub(crate) type Wire = (Vec<u8>, Vec<u8>, Codepoint);

/// A queue that empties at a rate; what does not fit is dropped.
pub(crate) struct Bottleneck {
    /// Bytes a second.
    pub(crate) rate: u64,
    /// Bytes that fit.
    pub(crate) buffer: u64,
    /// With more bytes than that in it, what takes part in ECN is marked; 0: never.
    pub(crate) mark_at: u64,
    /// When the last byte in it will have left.
    free_at: Instant,
    /// Bytes in it when the last segment was queued.
    queued: u64,
    pub(crate) drops: u64,
    /// The longest queue, bytes.
    pub(crate) longest: u64,
}

impl Bottleneck {
    pub(crate) fn new(rate: u64, buffer: u64) -> Self {
        Self {
            rate,
            buffer,
            mark_at: 0,
            free_at: Instant::default(),
            queued: 0,
            drops: 0,
            longest: 0,
        }
    }

    /// Whether the segment that was just queued is to be marked.
    fn marks(&self) -> bool {
        self.mark_at > 0 && self.queued > self.mark_at
    }

    /// When `len` bytes that come now have left, if there is room for them.
    fn pass(&mut self, now: Instant, len: usize) -> Option<Instant> {
        let waits = self.free_at.since(now).as_nanos() as u128;
        let queued = (waits * u128::from(self.rate) / 1_000_000_000) as u64 + len as u64;
        if queued > self.buffer {
            self.drops += 1;
            return None;
        }
        self.longest = self.longest.max(queued);
        self.queued = queued;
        let takes = Duration::from_nanos(len as u64 * 1_000_000_000 / self.rate);
        self.free_at = self.free_at.max(now).add(takes);
        Some(self.free_at)
    }
}

/// What a box on the way does with an option that it does not know.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Fate {
    /// Nothing.
    #[default]
    Passes,
    /// It takes it off.
    Stripped,
    /// It clears its counters.
    Cleared,
    /// It drops the segment.
    Dropped,
}

/// The Internet checksum (RFC 1071), of header and payload alone.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0u64;
    for pair in bytes.chunks(2) {
        let low = pair.get(1).map_or(0, |byte| u64::from(*byte));
        sum += u64::from(pair[0]) << 8 | low;
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

/// A header without the AccECN option.
pub(crate) fn without_acc_ecn(bytes: &mut Vec<u8>) {
    meddle_with_acc_ecn(bytes, Fate::Stripped);
}

/// Does that to a header with the AccECN option; `false`: the segment is gone.
fn meddle_with_acc_ecn(bytes: &mut Vec<u8>, fate: Fate) -> bool {
    let packet = Packet::new(bytes).expect("own header");
    let mut header = packet.header();
    let Some(option) = header.options.acc_ecn else {
        return true;
    };
    header.options.acc_ecn = match fate {
        Fate::Passes => return true,
        Fate::Dropped => return false,
        Fate::Stripped => None,
        Fate::Cleared => Some(AccEcn::new(option.order(), [0; 3], option.count())),
    };
    let mut again = vec![0; 60];
    let len = header
        .emit(packet.src_port(), packet.dst_port(), &mut again)
        .expect("room");
    again.truncate(len);
    *bytes = again;
    true
}

/// Puts a SACK block into a header that may have one, as far as there is room.
fn claim(bytes: &mut Vec<u8>, range: SeqRange) {
    let packet = Packet::new(bytes).expect("own header");
    let mut header = packet.header();
    header.options.sack = SackBlocks::default();
    header.options.sack.push(range);
    let mut again = vec![0; 60];
    let len = header
        .emit(packet.src_port(), packet.dst_port(), &mut again)
        .expect("room");
    again.truncate(len);
    *bytes = again;
}

/// What peers and boxes on the way do that no honest one does; chances in 1/1000.
#[derive(Default)]
pub(crate) struct Meddling {
    /// An ACK comes in many small steps.
    pub(crate) divide: u64,
    /// The window is said to be smaller than it is, or shut.
    pub(crate) shrink: u64,
    /// The path's MTU changes, by event.
    pub(crate) reroute: u64,
    /// An ACK comes several times (ACK spoofing by duplicates).
    pub(crate) repeat: u64,
    /// A SACK block tells of what may never have come. A receiver that reneges looks the same (RFC
    /// 2018, 8).
    pub(crate) claim: u64,
    /// What was never sent is acknowledged (RFC 5961, 5).
    pub(crate) beyond: u64,
    /// The window is said to be as large as the field can say.
    pub(crate) widen: u64,
    /// What is on its way is acknowledged, or what was lost (optimistic ACKs): the stream will have holes.
    pub(crate) ahead: u64,
    /// A segment comes when there is no memory for it, or hardly any.
    pub(crate) pressure: u64,
    /// What becomes of segments with the AccECN option that either end sends.
    pub(crate) acc_ecn: [Fate; 2],
    /// How often bits are others when a segment arrives, and a generator that chooses them.
    pub(crate) noise: Option<(u64, Rng)>,
    /// A generator of its own.
    pub(crate) rng: Option<Rng>,
}

/// Two ends, the first being the client, and the link.
pub(crate) struct Pair {
    /// What the first end's segments pass, possibly with those of other pairs.
    pub(crate) bottleneck: Option<Rc<RefCell<Bottleneck>>>,
    /// The same for the second end's.
    pub(crate) back: Option<Rc<RefCell<Bottleneck>>>,
    pub(crate) now: Instant,
    pub(crate) ends: [End; 2],
    pub(crate) link: Link,
    pub(crate) rng: Rng,
    pub(crate) wire: BTreeMap<(Instant, u64), (usize, Wire)>,
    pub(crate) serial: u64,
    pub(crate) log: Vec<String>,
    pub(crate) sent: u64,
    /// ICMP "too big" on its way: when, to whom, what fits, for what.
    pub(crate) icmp: Vec<(Instant, usize, u16, SeqNum)>,
    /// The link stands still until then.
    pub(crate) frozen: Instant,
    /// Without header prediction.
    pub(crate) slowly: bool,
    /// Neither end's windows are forged: that they are kept is checked.
    pub(crate) strict: bool,
    /// What the network does on purpose.
    pub(crate) meddling: Meddling,
    /// Segments that noise spoilt.
    pub(crate) spoilt: u64,
    /// A hash of all that was ever sent, and when.
    pub(crate) digest: u64,
}

impl Pair {
    pub(crate) fn new(seed: u64, link: Link) -> Self {
        let mut rng = Rng::new(seed);
        let ends = [End::new(&mut rng), End::new(&mut rng)];
        Self {
            bottleneck: None,
            back: None,
            now: Instant::from_nanos(1_000_000_000 + rng.below(1 << 50)),
            ends,
            link,
            rng,
            wire: BTreeMap::new(),
            serial: 0,
            log: Vec::new(),
            sent: 0,
            icmp: Vec::new(),
            frozen: Instant::default(),
            slowly: false,
            strict: false,
            meddling: Meddling::default(),
            spoilt: 0,
            digest: 0xcbf2_9ce4_8422_2325,
        }
    }

    fn cx(end: &End, now: Instant) -> Cx<'_, Host> {
        Cx {
            now,
            net: &end.net,
            mib: &end.mib,
        }
    }

    /// Active open on end `i`.
    pub(crate) fn connect(&mut self, i: usize) {
        self.open(i, FastSyn::Plain);
    }

    /// Active open on end `i` with the start of `data` on the SYN; tells how much that is.
    pub(crate) fn connect_with(&mut self, i: usize, data: &[u8]) -> usize {
        self.open(i, FastSyn::Wait);
        let syn = FastSyn::Carry {
            cookie: FastOpen::new(&COOKIE, false),
            mss: self.ends[i].known_mss,
        };
        let sent = with_conn!(self.ends[i], self.now, |conn, cx| {
            let n = data.len().min(conn.syn_room(syn) as usize);
            if n > 0 {
                conn.queue(Buf::new(data[..n].to_vec()));
            }
            conn.send_syn(&cx, syn);
            n
        });
        self.flush(i);
        sent.unwrap_or(0)
    }

    fn open(&mut self, i: usize, fast: FastSyn) {
        let now = self.now;
        let end = &mut self.ends[i];
        end.begin();
        let mut conn = Connection::new(end.config);
        if end.log.0 > 0 {
            let log = HostLog::new(end.log.1, end.log.0, now);
            conn.start_log(&Self::cx(end, now), log, Origin::New);
        }
        conn.set_buffers(262_144, end.rcvbuf, (false, false));
        conn.set_path(end.mss, end.gso_max);
        conn.set_pacing(end.pacing.0, end.pacing.1);
        conn.set_metrics(&Self::cx(end, now), end.metrics);
        let params = OpenParams {
            iss: SeqNum::new(end.iss),
            ts_offset: end.iss ^ 0x5555,
            mss_route: end.mss,
            mss_default: 536,
            fast,
        };
        conn.open_active(&Self::cx(end, now), params);
        end.block = Block::Conn(Box::new(conn));
        self.flush(i);
    }

    pub(crate) fn listen(&mut self, i: usize) {
        self.ends[i].begin();
        self.ends[i].block = Block::Listen;
    }

    fn transmit(
        &mut self,
        i: usize,
        header: Header,
        payload: &[u8],
        gso: usize,
        (at, codepoint, ace): (Instant, Codepoint, bool),
    ) {
        let step = if gso == 0 { payload.len().max(1) } else { gso };
        let chunks: Vec<&[u8]> = if payload.is_empty() {
            vec![&[]]
        } else {
            payload.chunks(step).collect()
        };
        let count = chunks.len();
        let mut header = header;
        let flags = header.flags;
        for (n, chunk) in chunks.into_iter().enumerate() {
            // What segmentation offload does: FIN and PSH on the last segment only, CWR on the
            // first.
            header.flags = if n + 1 < count {
                flags.without(Flags::FIN.with(Flags::PSH))
            } else {
                flags
            };
            if n > 0 && !ace {
                header.flags = header.flags.without(Flags::CWR);
            }
            let mut bytes = vec![0; 60];
            let len = header.emit(1, 2, &mut bytes).expect("room");
            bytes.truncate(len);
            assert!(
                len + chunk.len() <= usize::from(self.ends[i].mss) + 20,
                "a segment of {} + {} bytes on a path for {}",
                len,
                chunk.len(),
                self.ends[i].mss
            );
            self.put(i, (bytes, chunk.to_vec(), codepoint), at);
            header.seq = header.seq.add(chunk.len() as u32);
        }
    }

    fn put(&mut self, i: usize, wire: Wire, leaves: Instant) {
        self.sent += 1;
        let header = Packet::new(&wire.0).expect("own header").header();
        if self.strict {
            self.check_window(i, &header, wire.1.len() as u32);
        }
        if header.flags.contains(Flags::SYN) {
            self.ends[i].scales.0 = header.options.wscale;
        }
        if header.flags.contains(Flags::ACK) {
            (self.ends[i].acked, self.ends[i].owes_since) = (Some(header.ack), None);
        }
        let now = self.now.as_nanos().to_le_bytes();
        for byte in now.iter().chain(&wire.0).chain(&wire.1).chain(&[i as u8]) {
            self.digest = (self.digest ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
        // The latest are the story of what went wrong.
        if self.log.len() == 20_000 {
            self.log.drain(..10_000);
        }
        self.log.push(format!(
            "{:>12} {} {:?} seq {} ack {} wnd {} len {} sack {:?}",
            self.now.as_nanos() / 1000 % 1_000_000_000_000,
            ["->", "<-"][i],
            header.flags,
            header.seq.raw(),
            header.ack.raw(),
            header.wnd,
            wire.1.len(),
            header.options.sack.len(),
        ));
        let link = self.link;
        if link.path_mss != 0 && wire.0.len() + wire.1.len() > usize::from(link.path_mss) + 20 {
            if link.black_hole {
                return;
            }
            let at = self.now.add(Duration::from_micros(link.delay_us));
            self.icmp.push((at, i, link.path_mss, header.seq));
            return;
        }
        let copies = if self.rng.chance(link.duplicate) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            if self.rng.chance(link.loss) || self.is_spoilt(&wire) {
                continue;
            }
            let mut delay = link.delay_us + self.rng.below(link.jitter_us + 1);
            if self.rng.chance(link.reorder) {
                delay = delay * 2 + self.rng.below(5_000);
            }
            let mut wire = wire.clone();
            if !meddle_with_acc_ecn(&mut wire.0, self.meddling.acc_ecn[i]) {
                continue;
            }
            if link.mark > 0 && wire.2 != Codepoint::NotEct && self.rng.chance(link.mark) {
                wire.2 = Codepoint::Ce;
            }
            self.serial += 1;
            if link.stall > 0 && self.rng.chance(link.stall) {
                let still = Duration::from_micros(self.rng.below(300_000));
                self.frozen = self.frozen.max(self.now.add(still));
            }
            let mut at = self.now.max(leaves).max(self.frozen);
            let queue = [&self.bottleneck, &self.back][i];
            if let Some(bottleneck) = queue {
                let len = wire.0.len() + wire.1.len() + 20;
                let mut bottleneck = bottleneck.borrow_mut();
                match bottleneck.pass(at, len) {
                    Some(left) => at = left,
                    None => continue,
                }
                if bottleneck.marks() && wire.2 != Codepoint::NotEct {
                    wire.2 = Codepoint::Ce;
                }
            }
            let at = at.add(Duration::from_micros(delay));
            self.wire.insert((at, self.serial), (1 - i, wire));
        }
    }

    /// Whether noise on the way spoils a segment: some bits in a row, fewer than 16, are others, and any
    /// such row shows in the checksum, for which the kernel drops the segment before the core sees it
    /// (the VM's suite has that). The module looks at the header before that, so that has to be harmless.
    fn is_spoilt(&mut self, wire: &Wire) -> bool {
        let Some((often, rng)) = &mut self.meddling.noise else {
            return false;
        };
        if !rng.chance(*often) {
            return false;
        }
        let mut bytes = [wire.0.as_slice(), wire.1.as_slice()].concat();
        let sum = checksum(&bytes);
        let bits = bytes.len() as u64 * 8;
        let first = rng.below(bits);
        let end = (first + 1 + rng.below(15)).min(bits);
        for bit in first..end {
            bytes[(bit / 8) as usize] ^= 0x80u8 >> (bit % 8);
        }
        let _ = Packet::new(&bytes).map(|packet| packet.header());
        assert_ne!(checksum(&bytes), sum, "bits {first} to {end}");
        self.spoilt += 1;
        true
    }

    /// Polls end `i` dry.
    pub(crate) fn flush(&mut self, i: usize) {
        for round in 0.. {
            assert!(round < 20_000, "poll_transmit never ends");
            let now = self.now;
            let end = &mut self.ends[i];
            let cx = Cx {
                now,
                net: &end.net,
                mib: &end.mib,
            };
            let Block::Conn(conn) = &mut end.block else {
                return;
            };
            let Some(transmit) = conn.poll_transmit(&cx) else {
                break;
            };
            let payload = transmit
                .payload
                .map(|b| b.bytes.clone())
                .unwrap_or_default();
            let (header, gso) = (transmit.header, usize::from(transmit.gso_size));
            let fate = (transmit.departure, transmit.codepoint, transmit.ace);
            self.check_edge(i);
            self.transmit(i, header, &payload, gso, fate);
        }
        let now = self.now;
        let end = &mut self.ends[i];
        let cx = Cx {
            now,
            net: &end.net,
            mib: &end.mib,
        };
        let Block::Conn(conn) = &mut end.block else {
            return;
        };
        let events = conn.poll_events();
        let tw = events.has(Events::TIME_WAIT).then(|| conn.time_wait(&cx));
        end.events.set(events);
        if tw.is_some() {
            end.tw = tw;
        }
    }

    /// Delivers a segment to end `i`, or what is made of it.
    fn meddle(&mut self, i: usize, mut wire: Wire) {
        let Some(mut rng) = self.meddling.rng.take() else {
            self.deliver(i, wire);
            return;
        };
        // Bytes 8 to 11 are the acknowledgment, 13 the flags, 14 and 15 the window.
        let header = Packet::new(&wire.0).expect("own").header();
        let plain = header.flags.contains(Flags::ACK)
            && !header.flags.intersects(Flags::SYN.with(Flags::RST));
        let una = self.ends[i].conn().map(|conn| conn.numbers().0);
        if let (true, Some(una)) = (plain, una) {
            let news = header.ack.saturating_distance_from(una);
            if news > 1 && rng.chance(self.meddling.divide) {
                let parts = 2 + rng.below(30) as u32;
                for n in 1..parts.min(news) {
                    let mut part = (wire.0.clone(), Vec::new(), wire.2);
                    let ack = una.add((u64::from(news) * u64::from(n) / u64::from(parts)) as u32);
                    part.0[8..12].copy_from_slice(&ack.raw().to_be_bytes());
                    part.0[13] = 0x10;
                    self.deliver(i, part);
                }
            }
            if rng.chance(self.meddling.shrink) {
                let less = [0, header.wnd / 2, header.wnd.saturating_sub(1)];
                let wnd = less[rng.below(3) as usize];
                wire.0[14..16].copy_from_slice(&wnd.to_be_bytes());
            }
        }
        let numbers = self.ends[i].conn().map(|conn| conn.numbers());
        if let (true, Some((una, nxt, ..))) = (plain, numbers) {
            let left = nxt.saturating_distance_from(header.ack.latest(una));
            if left > 2 && rng.chance(self.meddling.claim) {
                let start = header
                    .ack
                    .latest(una)
                    .add(1 + rng.below(u64::from(left) - 1) as u32);
                let room = u64::from(nxt.distance_from(start));
                let end = start.add(1 + rng.below(room) as u32);
                claim(&mut wire.0, SeqRange::new(start, end));
            }
            let lie = if rng.chance(self.meddling.ahead) {
                Some(header.ack.add(rng.below(u64::from(left) + 1) as u32))
            } else if rng.chance(self.meddling.beyond) {
                Some(nxt.add(1 + rng.below(100_000) as u32))
            } else {
                None
            };
            if let Some(ack) = lie {
                wire.0[8..12].copy_from_slice(&ack.raw().to_be_bytes());
            }
            if rng.chance(self.meddling.widen) {
                wire.0[14..16].copy_from_slice(&[0xff; 2]);
            }
            // (A lie about what was not sent yet would come true between two copies of it.)
            if rng.chance(self.meddling.repeat) && lie.is_none() {
                for _ in 0..1 + rng.below(12) {
                    let mut again = (wire.0.clone(), Vec::new(), wire.2);
                    again.0[13] = 0x10;
                    self.deliver(i, again);
                }
            }
        }
        if rng.chance(self.meddling.reroute) {
            self.link.path_mss = 536 + rng.below(1_500) as u16;
        }
        self.meddling.rng = Some(rng);
        self.deliver(i, wire);
    }

    /// Delivers a segment to end `i`.
    pub(crate) fn deliver(&mut self, i: usize, wire: Wire) {
        let now = self.now;
        let header = Packet::new(&wire.0).expect("valid").header();
        if header.flags.contains(Flags::SYN) {
            self.ends[i].scales.1 = header.options.wscale;
        }
        let before = self.ends[i].conn().map(|conn| conn.numbers().0);
        let seg = Segment {
            header,
            payload_len: wire.1.len() as u32,
            codepoint: wire.2,
            joined: 1,
        };
        let end = &mut self.ends[i];
        let cx = Cx {
            now,
            net: &end.net,
            mib: &end.mib,
        };
        let mut reply = None;
        let mut next = None;
        let mut again = false;
        if let Some(tw) = &mut end.tw {
            match tw.handle_segment(&cx, &seg) {
                TimeWaitOn::Reply(header) => reply = Some(header),
                TimeWaitOn::Remove(header) => {
                    reply = header;
                    end.tw = None;
                    end.tw_over = true;
                }
                TimeWaitOn::NewConnection(_) | TimeWaitOn::Drop => {}
            }
            if let Some(header) = reply {
                self.transmit(i, header, &[], 0, (now, Codepoint::NotEct, false));
            }
            return;
        }
        match &mut end.block {
            Block::Listen => match on_listen_segment(&seg) {
                OnListen::Syn => {
                    let params = SynParams {
                        iss: SeqNum::new(end.iss),
                        ts_offset: end.iss ^ 0x3333,
                        mss_route: end.mss,
                        mss_default: 536,
                        rcvbuf: end.rcvbuf,
                        fixed: false,
                        metrics: end.metrics,
                    };
                    let entry = SynRcvd::new(&cx, &end.config, &seg, params);
                    let early = end.takes_early
                        && on_syn(&cx, &seg, true, &[COOKIE], true) == OnSyn::Accept;
                    if early {
                        let mut conn = Connection::from_fast_syn(&cx, end.config, &entry, &seg);
                        if end.log.0 > 0 {
                            let log = HostLog::new(end.log.1, end.log.0, now);
                            conn.start_log(&cx, log, Origin::FastSyn(&entry, &seg));
                        }
                        conn.set_buffers(262_144, end.rcvbuf, (false, false));
                        conn.set_path(end.mss, end.gso_max);
                        conn.set_pacing(end.pacing.0, end.pacing.1);
                        conn.set_metrics(&cx, end.metrics);
                        next = Some(Block::Conn(Box::new(conn)));
                        again = true;
                    } else {
                        reply = Some(entry.syn_ack(now));
                        next = Some(Block::HalfOpen(entry));
                    }
                }
                OnListen::Reset(header) => reply = Some(header),
                OnListen::Drop(_) => {}
            },
            Block::HalfOpen(entry) => match entry.handle_segment(&cx, &seg) {
                SynRcvdOn::Establish => {
                    let mut conn = Connection::from_syn_rcvd(&cx, end.config, entry);
                    if end.log.0 > 0 {
                        let log = HostLog::new(end.log.1, end.log.0, now);
                        conn.start_log(&cx, log, Origin::HalfOpen(entry));
                    }
                    conn.set_buffers(262_144, end.rcvbuf, (false, false));
                    conn.set_path(end.mss, end.gso_max);
                    conn.set_pacing(end.pacing.0, end.pacing.1);
                    conn.set_metrics(&cx, end.metrics);
                    next = Some(Block::Conn(Box::new(conn)));
                    again = true;
                }
                SynRcvdOn::Reply(header, _) => reply = Some(header),
                SynRcvdOn::Remove => next = Some(Block::Listen),
                SynRcvdOn::Abort(header) => {
                    reply = Some(header);
                    next = Some(Block::Listen);
                }
                SynRcvdOn::Drop(_) => {}
            },
            Block::Conn(conn) => {
                let buf = (!wire.1.is_empty()).then(|| Buf::new(wire.1.clone()));
                if let Some(rng) = &mut self.meddling.rng {
                    conn.set_memory(match rng.below(1000) {
                        n if n < self.meddling.pressure => Memory::Gone,
                        n if n < 2 * self.meddling.pressure => Memory::Short,
                        _ => Memory::Plenty,
                    });
                }
                let done = if self.slowly {
                    conn.handle_segment_slowly(&cx, &seg, buf)
                } else {
                    conn.handle_segment(&cx, &seg, buf)
                };
                match done {
                    Disposition::Reply(header, _, _) => reply = Some(header),
                    Disposition::Done | Disposition::Drop(..) => {}
                }
            }
            Block::Gone => reply = crate::tcp::connection::reset_for(&seg),
        }
        if let Some(next) = next {
            end.block = next;
        }
        self.note_told(i, &header, before);
        if let Some(header) = reply {
            self.transmit(i, header, &[], 0, (now, Codepoint::NotEct, false));
        }
        if again {
            self.deliver(i, wire);
            return;
        }
        self.flush(i);
    }

    /// Runs timers of end `i` that are due.
    pub(crate) fn timeouts(&mut self, i: usize) {
        let now = self.now;
        let end = &mut self.ends[i];
        if end.deadline().is_none_or(|at| at > now) {
            return;
        }
        let cx = Cx {
            now,
            net: &end.net,
            mib: &end.mib,
        };
        if end.tw.is_some() {
            end.tw = None;
            end.tw_over = true;
            return;
        }
        let mut reply = None;
        let mut gone = false;
        match &mut end.block {
            Block::HalfOpen(entry) => match entry.handle_timeout(&cx) {
                SynRcvdTimeout::Retransmit(header) => reply = Some(header),
                SynRcvdTimeout::Wait => {}
                SynRcvdTimeout::Expired => gone = true,
            },
            Block::Conn(conn) => conn.handle_timeout(&cx),
            _ => {}
        }
        if gone {
            end.block = Block::Gone;
        }
        if let Some(header) = reply {
            self.transmit(i, header, &[], 0, (now, Codepoint::NotEct, false));
        }
        self.flush(i);
    }

    /// The next moment at which something happens by itself.
    pub(crate) fn next_event(&self) -> Option<Instant> {
        let wire = self.wire.keys().next().map(|k| k.0);
        let timers = self.ends.iter().filter_map(|e| e.deadline()).min();
        let icmp = self.icmp.iter().map(|i| i.0).min();
        [wire, timers, icmp].into_iter().flatten().min()
    }

    /// Goes to the next event and works it off; `false` if there is none before `until`.
    pub(crate) fn step(&mut self, until: Instant) -> bool {
        let Some(at) = self.next_event() else {
            return false;
        };
        if at > until {
            return false;
        }
        self.now = self.now.max(at);
        while let Some(entry) = self.wire.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let (to, mut wire) = entry.remove();
            while self.link.joins && self.joins_next(to, &mut wire) {}
            self.meddle(to, wire);
        }
        let due: Vec<_> = self
            .icmp
            .iter()
            .copied()
            .filter(|icmp| icmp.0 <= self.now)
            .collect();
        self.icmp.retain(|icmp| icmp.0 > self.now);
        for (_, i, mss, seq) in due {
            let now = self.now;
            with_conn!(self.ends[i], now, |conn, cx| {
                conn.handle_mtu(&cx, seq, mss);
            });
            self.flush(i);
        }
        for i in 0..2 {
            self.timeouts(i);
        }
        true
    }

    /// Joins the next segment on the wire to `wire` if receive offload would.
    fn joins_next(&mut self, to: usize, wire: &mut Wire) -> bool {
        let Some(next) = self.wire.first_entry() else {
            return false;
        };
        let (key, value) = (*next.key(), next.get());
        let (a, b) = (
            Packet::new(&wire.0).expect("own"),
            Packet::new(&value.1 .0).expect("own"),
        );
        let (a, b) = (a.header(), b.header());
        let plain = |h: &Header| h.flags.without(Flags::PSH) == Flags::ACK;
        let fits = key.0 <= self.now
            && value.0 == to
            && plain(&a)
            && plain(&b)
            && !a.flags.contains(Flags::PSH)
            && !wire.1.is_empty()
            && !value.1 .1.is_empty()
            && a.seq.add(wire.1.len() as u32) == b.seq
            && (a.ack, a.wnd, a.options) == (b.ack, b.wnd, b.options)
            && wire.2 == value.1 .2
            && wire.1.len() + value.1 .1.len() <= 65_000;
        if !fits {
            return false;
        }
        let (_, (bytes, payload, _)) = next.remove();
        wire.1.extend(payload);
        if b.flags.contains(Flags::PSH) {
            // Byte 13 holds the flags.
            wire.0[13] = bytes[13];
        }
        true
    }

    /// Runs until `done` or nothing happens for `limit` of virtual time.
    pub(crate) fn run(&mut self, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let until = self.now.add(limit);
        loop {
            if done(self) {
                return true;
            }
            if !self.step(until) {
                return done(self);
            }
        }
    }

    /// Queues as much of `data` as fits on end `i`; tells how much.
    pub(crate) fn write(&mut self, i: usize, data: &[u8]) -> usize {
        let mut written = 0;
        if let Block::Conn(conn) = &mut self.ends[i].block {
            while written < data.len() && conn.send_check().is_ok() && conn.send_space() > 0 {
                let rest = &data[written..];
                if let Some((buf, room)) = conn.tail_room() {
                    let n = rest.len().min(room as usize);
                    buf.bytes.extend_from_slice(&rest[..n]);
                    conn.appended(n as u32, n as u32);
                    written += n;
                } else {
                    let n = rest.len().min(conn.size_goal() as usize);
                    conn.queue(Buf::new(rest[..n].to_vec()));
                    written += n;
                }
            }
            conn.mark_push();
        }
        self.flush(i);
        written
    }

    /// Reads up to `max` bytes on end `i`.
    pub(crate) fn read(&mut self, i: usize, max: usize) -> Vec<u8> {
        let mut data = Vec::new();
        let now = self.now;
        let end = &mut self.ends[i];
        let cx = Cx {
            now,
            net: &end.net,
            mib: &end.mib,
        };
        if let Block::Conn(conn) = &mut end.block {
            while data.len() < max {
                let Some(front) = conn.recv_list().front() else {
                    break;
                };
                let n = front.bytes.len().min(max - data.len());
                data.extend_from_slice(&front.bytes[..n]);
                conn.consume(&cx, n as u32);
            }
            // As the module does.
            if !conn.owes_ack_now() {
                return data;
            }
        }
        self.flush(i);
        data
    }
}
