// SPDX-License-Identifier: GPL-2.0

//! The receiving half: what came in, what may come, and what is to be acknowledged.
//!
//! Memory is counted as the buffers' true size against the receive buffer; the window promises
//! only as much payload as is expected to fit, by the ratio of the two seen so far.

mod autotune;
mod pack;
mod reassembly;

use super::{
    info::segments,
    log::{Kind, Kinds, Recorder},
    platform::{Buffer, Memory, Platform, RxBuffer, SegList},
    seq::{SeqNum, SeqRange},
};
use autotune::Autotune;
use pack::{pack, Packed};
use reassembly::SackState;

/// How urgently an ACK is owed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(crate) enum AckOwed {
    /// Nothing to acknowledge.
    #[default]
    None,
    /// With the next segment, or when the delayed-ACK timer expires.
    Delayed,
    /// With the next segment, or after a moment: it would only repeat what the last one said, and
    /// that more came since.
    Held,
    /// At once.
    Now,
}

/// What became of a piece of data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stored {
    /// It was next in order (and may have joined what waited out of order).
    InOrder,
    /// It waits for what is missing before it.
    OutOfOrder,
    /// Everything in it was there already.
    Duplicate,
    /// There was no room.
    NoRoom,
    /// It is next in order, and the window is shut.
    Shut,
    /// It lies outside the window.
    Beyond,
}

/// ACKs sent at once at the start of a connection, so that the peer's window opens quickly.
pub(crate) const QUICK_ACKS: u8 = 16;

/// What is taken to be a full-sized segment at least (RFC 9293, 3.7.1: what every host takes).
const SMALLEST: u32 = 536;

/// The largest window that is a positive number of 16 bits.
pub(crate) const SIGNED: u32 = 0x7fff;

/// What a buffer was like when it came.
#[derive(Clone, Copy)]
struct Piece {
    len: u32,
    segment: u32,
    truesize: u32,
}

impl Piece {
    fn of(buf: &impl RxBuffer, packets: u32) -> Self {
        Self {
            len: buf.len(),
            // A share of each, rounded up: the last one may be shorter.
            segment: segments(buf.len(), packets),
            truesize: buf.truesize(),
        }
    }
}

/// The receiving half of a connection.
pub(crate) struct Recv<P: Platform> {
    /// RCV.NXT.
    pub(crate) nxt: SeqNum,
    /// The right edge of the window as advertised last: RCV.NXT + RCV.WND. Moves left only if memory
    /// that was promised is not there after all, or if the namespace lets it (`shrinks`).
    pub(crate) adv: SeqNum,
    /// The farthest right edge ever advertised: what lies before it was allowed for (RFC 7323, 2.4).
    pub(crate) far: SeqNum,
    /// Keepalive probes since the peer was heard of last.
    pub(crate) unheard: u8,
    /// The window may be taken back as memory gets less (tcp_shrink_window).
    pub(crate) shrinks: bool,
    /// The peer is told of what came twice (RFC 2883).
    pub(crate) reports_twice: bool,
    /// A peer that scales no windows takes them for signed numbers.
    pub(crate) signed: bool,
    /// The window that was advertised last is zero.
    pub(crate) shut: bool,
    /// RCV.NXT as last acknowledged (Last.ACK.sent).
    pub(crate) last_ack_sent: SeqNum,
    /// IRS.
    pub(crate) irs: SeqNum,
    /// Our window scale.
    pub(crate) wscale: u8,
    /// In order, unread.
    pub(crate) ready: P::RxList,
    /// Out of order.
    ofo: P::OfoTree,
    /// What to report of it.
    sack: SackState,
    /// Unread bytes in order.
    pub(crate) unread: u32,
    /// Bytes that came in order so far.
    pub(crate) received: u64,
    /// True size of all buffers held.
    mem: u32,
    /// How memory stood when the last segment came.
    pub(crate) memory: Memory,
    /// Receive buffer, bytes of true size.
    pub(crate) rcvbuf: u32,
    /// The largest window to offer, bytes; 0: no bound.
    pub(crate) clamp: u32,
    /// What is offered at first, bytes; `u32::MAX`: as much as there is room for.
    pub(crate) first: u32,
    /// Where the peer's stream ends, if its FIN was seen.
    pub(crate) fin: Option<SeqNum>,
    /// The FIN is in order: RCV.NXT is beyond it.
    pub(crate) fin_reached: bool,
    /// Buffers that were copied behind others, not told yet.
    packed: u32,
    /// Buffers that came out of order and were dropped, not told yet.
    dropped: u32,
    /// Payload over true size, in 1/256.
    ratio: u32,
    /// What is owed.
    pub(crate) owed: AckOwed,
    /// Since the last ACK the peer pushed, or sent less than a full segment: it may have nothing to send
    /// before that is acknowledged.
    pub(crate) pushed: bool,
    /// How many more ACKs go out at once.
    pub(crate) quick: u8,
    /// Largest payload of a packet so far: what a full-sized segment is (RFC 9293, 3.8.6.3).
    peer_mss: u32,
    /// Largest payload of a buffer so far, which may be of several packets.
    longest: u32,
    /// How fast the user reads.
    tuning: Autotune,
}

/// Drops the last `n` bytes of a buffer; the log is told what is left of its true size.
fn trim_back<P: Platform>(buf: &mut P::RxBuf, n: u32, log: &mut P::Log) {
    buf.trim_back(n);
    log.note(Kinds::INPUTS, Kind::Trim, 0, 0, &[buf.truesize()]);
}

impl<P: Platform> Recv<P> {
    /// A half that knows nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            nxt: SeqNum::default(),
            adv: SeqNum::default(),
            far: SeqNum::default(),
            unheard: 0,
            shrinks: false,
            reports_twice: true,
            signed: false,
            shut: false,
            last_ack_sent: SeqNum::default(),
            irs: SeqNum::default(),
            wscale: 0,
            ready: P::RxList::default(),
            ofo: P::OfoTree::default(),
            sack: SackState::default(),
            unread: 0,
            received: 0,
            mem: 0,
            memory: Memory::Plenty,
            rcvbuf: 131_072,
            clamp: 0,
            first: u32::MAX,
            fin: None,
            fin_reached: false,
            packed: 0,
            dropped: 0,
            ratio: 128,
            owed: AckOwed::None,
            pushed: false,
            quick: QUICK_ACKS,
            peer_mss: SMALLEST,
            longest: SMALLEST,
            tuning: Autotune::default(),
        }
    }

    /// The peer's SYN had sequence number `irs`; `wnd` bytes were offered in answer.
    pub(crate) fn synchronize(&mut self, irs: SeqNum, wnd: u32) {
        self.irs = irs;
        self.nxt = irs.add(1);
        self.last_ack_sent = self.nxt;
        self.adv = self.nxt.add(wnd);
        self.far = self.adv;
    }

    /// RCV.WND as advertised.
    pub(crate) fn wnd(&self) -> u32 {
        self.adv.saturating_distance_from(self.nxt)
    }

    /// Whether `len` bytes that are next in order have room.
    #[inline]
    pub(crate) fn takes(&self, len: u32) -> bool {
        len <= self.wnd() && self.mem < self.most_in_order() && self.memory != Memory::Gone
    }

    /// How much memory data may take before it is dropped. The window promised as much payload as
    /// was expected to fit; if the sender then cuts it smaller, dropping it would look like
    /// congestion. So the promise is kept up to twice the memory, which bounds what a peer can
    /// gain by sending crumbs.
    fn most_in_order(&self) -> u32 {
        self.rcvbuf.saturating_mul(2)
    }

    /// The same for data out of order, which has to leave room for what fills the holes.
    fn most_out_of_order(&self) -> u32 {
        self.rcvbuf.saturating_add(self.rcvbuf / 2)
    }

    /// `window`, as far as the user lets it be offered.
    pub(crate) fn clamped(&self, window: u32) -> u32 {
        if self.clamp == 0 {
            window
        } else {
            window.min(self.clamp)
        }
    }

    /// The largest window that may be offered, bytes: what the buffer holds, or the user's bound.
    pub(crate) fn window_bound(&self) -> u32 {
        let field = if self.signed && self.wscale == 0 {
            SIGNED
        } else {
            u32::from(u16::MAX)
        };
        self.clamped(field << self.wscale.min(14))
    }

    /// A small first window (`initrwnd`) opens by twice what comes: it bounds the sender's first flight,
    /// and a sender in slow start, which doubles what it sends, is not held back from then on.
    fn opening_bound(&self) -> u32 {
        let came = u32::try_from(self.received).unwrap_or(u32::MAX);
        self.first.saturating_add(came.saturating_mul(2))
    }

    /// Payload that `space` bytes of memory are expected to hold.
    fn payload_of(&self, space: u32) -> u32 {
        u32::try_from(u64::from(space).saturating_mul(u64::from(self.ratio)) / 256)
            .unwrap_or(u32::MAX)
    }

    /// The window to advertise now, before scaling and rounding. RFC 9293, 3.8.6.2.2: the right
    /// edge moves by at least a segment or half the buffer, and to the left only if it `shrinks`.
    pub(crate) fn window_available(&self, mss: u32) -> u32 {
        let current = self.wnd();
        // What the field can't say can't be offered either.
        let most = self.window_bound().min(self.opening_bound());
        let full = self.payload_of(self.rcvbuf).min(most);
        let free = self.payload_of(self.rcvbuf.saturating_sub(self.mem));
        // A window that follows the memory down to the last byte would get silly at the end. (Half of a buffer
        // that is smaller than a segment is worth it.)
        let least = if self.shrinks {
            mss.min(full / 2).max(full / 16)
        } else {
            mss.min(full / 16)
        };
        let window = if free < least { 0 } else { free };
        let window = match self.memory {
            Memory::Plenty => window.min(most),
            // What was promised stays so (RFC 9293, 3.8.6: no shrinking), but nothing much is added.
            Memory::Short | Memory::Gone => window.min(most).min(mss.saturating_mul(4)),
        };
        let unit = 1u32 << self.wscale.min(14);
        if window < current && self.shrinks {
            return window.saturating_sub(window.checked_rem(unit).unwrap_or(0));
        }
        // Without scaling the window can be a whole number of the peer's segments, and its edge may
        // move by any part of one: what is offered is never a silly one.
        let segment = self.peer_mss(mss);
        let known = self.peer_mss > SMALLEST && self.wscale == 0 && window >= segment;
        let window = if known {
            window.saturating_sub(window.checked_rem(segment).unwrap_or(0))
        } else {
            window
        };
        let least = if known { 0 } else { mss.min(full / 2) };
        if window <= current || window.saturating_sub(current) < least {
            return current;
        }
        window
    }

    /// Advertises a window: moves the edge and gives the header's field.
    pub(crate) fn advertise(&mut self, mss: u32) -> u16 {
        let unit = 1u32 << self.wscale.min(14);
        let most = u32::from(u16::MAX) << self.wscale.min(14);
        let current = self.wnd();
        let window = self.window_available(mss).min(most);
        let mut field = window >> self.wscale.min(14);
        let shrinks = self.shrinks && window < current;
        if !shrinks && (field << self.wscale.min(14)) < current {
            // Rounding must not take back what was promised.
            field = current.saturating_add(unit.saturating_sub(1)) >> self.wscale.min(14);
        }
        if field == 0 && window > 0 && !shrinks {
            // What scaling would make nothing of would be nothing for ever (RFC 7323, 2.3).
            field = 1;
        }
        let field = field.min(u32::from(u16::MAX));
        let edge = self.nxt.add(field << self.wscale.min(14));
        self.adv = if shrinks { edge } else { self.adv.latest(edge) };
        self.far = self.far.latest(self.adv);
        self.last_ack_sent = self.nxt;
        self.owed = AckOwed::None;
        self.pushed = false;
        u16::try_from(field).unwrap_or(u16::MAX)
    }

    /// The header's field for an ACK of `ack`, at most RCV.NXT, with the window's edge as it is.
    pub(crate) fn repeat_window(&mut self, ack: SeqNum) -> u16 {
        let shift = self.wscale.min(14);
        let unit = 1u32 << shift;
        let rest = self.adv.saturating_distance_from(ack);
        // Rounding must not take back what was promised.
        let field = rest.saturating_add(unit.saturating_sub(1)) >> shift;
        let field = field.min(u32::from(u16::MAX));
        self.adv = self.adv.latest(ack.add(field << shift));
        self.far = self.far.latest(self.adv);
        u16::try_from(field).unwrap_or(u16::MAX)
    }

    /// Stores the payload `seq..` of a segment, which came in so many packets. Notes on the buffer
    /// are written here.
    pub(crate) fn store(
        &mut self,
        seq: SeqNum,
        mut buf: P::RxBuf,
        packets: u32,
        log: &mut P::Log,
    ) -> (Stored, Option<P::RxBuf>) {
        let mut range = SeqRange::new(seq, seq.add(buf.len()));
        if range.end.before_or_eq(self.nxt) {
            return (Stored::Duplicate, Some(buf));
        }
        let again = self.part_that_came(range);
        let piece = Piece::of(&buf, packets);
        if range.start.before(self.nxt) {
            buf.trim_front(self.nxt.distance_from(range.start));
            range.start = self.nxt;
        }
        // RFC 7323, 2.4: what was in any window that was offered is honoured, although it shrank. (A user
        // who has something to read can open it again.)
        let honoured = self.shrinks && range.start.before(self.far);
        let starves = honoured && self.ready.is_empty();
        if range.start == self.nxt && self.wnd() == 0 && !starves {
            // RFC 2883, 4.2: of what lies before, the sender is told all the same.
            self.note_part(again);
            return (Stored::Shut, Some(buf));
        }
        // A sender that fills a window of a moment ago, or looks at none, is not made to send again
        // what is here already, unless the reader is behind: then it is refused, as in Linux (RFC
        // 9293, 3.10.7.4, lets a receiver trim it, and that of RFC 7323, 2.4, is honoured).
        let refused = range.end.after(self.far.latest(self.nxt)) && self.unread > 0;
        if refused || (range.start.after_or_eq(self.adv) && !honoured) {
            return (Stored::Beyond, Some(buf));
        }
        if range.start == self.nxt {
            if self.mem >= self.most_in_order() && !self.make_room() {
                // The promise can't be kept. A sender that knows probes the window; one that does
                // not takes the loss for congestion (RFC 9293, 3.8.6: SHLD-14 is no must).
                self.adv = self.nxt;
                return (Stored::NoRoom, Some(buf));
            }
            // A user who has nothing to read can free nothing, so the first gets in.
            if self.memory == Memory::Gone && !self.ready.is_empty() && !self.give_up_ofo() {
                return (Stored::NoRoom, Some(buf));
            }
            self.observe(piece);
            self.deliver(range, buf, log);
            self.drain_ofo(log);
            self.note_part(again);
            return (Stored::InOrder, None);
        }
        if self.memory == Memory::Gone {
            return (Stored::NoRoom, Some(buf));
        }
        self.observe(piece);
        let (stored, back) = self.store_ofo(range, buf, log);
        if stored == Stored::OutOfOrder {
            self.note_part(again);
        }
        (stored, back)
    }

    /// Learns the size of the peer's segments and how well payload fills memory.
    fn observe(&mut self, piece: Piece) {
        let Piece {
            len,
            segment,
            truesize,
        } = piece;
        self.peer_mss = self.peer_mss.max(segment.min(65_535));
        let longest = len > self.longest;
        if longest {
            self.longest = len.min(65_535);
        }
        // What ends in a part of a segment is the end of something: others are fuller.
        let full = len.checked_rem(segment) == Some(0);
        if len >= SMALLEST && (longest || full) {
            let seen = u64::from(len)
                .saturating_mul(256)
                .checked_div(u64::from(truesize));
            let seen = seen
                .and_then(|r| u32::try_from(r).ok())
                .unwrap_or(128)
                .clamp(16, 240);
            // Falls fast and rises slowly: promising too little costs less than too much. The
            // longest segment so far is what most of those to come will be like.
            self.ratio = if longest {
                seen
            } else if seen < self.ratio {
                self.ratio.saturating_add(seen) / 2
            } else {
                self.ratio.saturating_mul(15).saturating_add(seen) / 16
            };
        }
    }

    /// Whether more than one full-sized segment is unacknowledged. `offered`: the MSS that the peer
    /// was told (RMSS in RFC 9293, 3.8.6.3).
    pub(crate) fn owes_full_segments(&self, offered: u32) -> bool {
        self.nxt.distance_from(self.last_ack_sent) > self.peer_mss(offered)
    }

    /// Whether what waits takes more than half of the buffer.
    pub(crate) fn is_half_full(&self) -> bool {
        self.mem > self.rcvbuf / 2
    }

    /// Appends data that is next in order.
    fn deliver(&mut self, range: SeqRange, mut buf: P::RxBuf, log: &mut P::Log) {
        let meta = buf.meta_mut();
        meta.seq = range.start;
        meta.end = range.end;
        self.nxt = range.end;
        self.unread = self.unread.saturating_add(range.len());
        self.received = self.received.saturating_add(u64::from(range.len()));
        let worth = self.is_worth_packing(&buf);
        if let Some(last) = self.ready.back_mut() {
            let before = last.truesize();
            let joined = last.try_merge(buf);
            if log.kinds().has(Kinds::INPUTS) {
                let words = [u32::from(joined.is_ok()), last.truesize()];
                log.note(Kinds::INPUTS, Kind::Merge, 0, 0, &words);
            }
            match joined {
                Ok(()) => {
                    last.meta_mut().end = range.end;
                    let grown = last.truesize().saturating_sub(before);
                    self.mem = self.mem.saturating_add(grown);
                    return;
                }
                Err(back) => buf = back,
            }
            if worth {
                match pack::<P>(last, &buf, log) {
                    Packed::No => {}
                    Packed::Behind => {
                        last.meta_mut().end = range.end;
                        self.packed = self.packed.saturating_add(1);
                        return;
                    }
                    Packed::Into(mut new) => {
                        *new.meta_mut() = *buf.meta();
                        buf = new;
                        self.packed = self.packed.saturating_add(1);
                    }
                }
            }
        }
        self.mem = self.mem.saturating_add(buf.truesize());
        self.ready.push_back(buf);
    }

    /// The user read `n` bytes from the front of the list.
    pub(crate) fn consume(&mut self, n: u32) {
        let mut left = n.min(self.unread);
        self.unread = self.unread.saturating_sub(left);
        while let Some(front) = self.ready.front_mut() {
            let len = front.len();
            if left < len {
                front.trim_front(left);
                let meta = front.meta_mut();
                meta.seq = meta.seq.add(left);
                break;
            }
            left = left.saturating_sub(len);
            let truesize = front.truesize();
            self.mem = self.mem.saturating_sub(truesize);
            drop(self.ready.pop_front());
            if left == 0 {
                break;
            }
        }
    }

    /// Drops everything held (the user is gone, or the connection is).
    pub(crate) fn purge(&mut self) {
        while self.ready.pop_front().is_some() {}
        self.purge_ofo();
        self.unread = 0;
        self.mem = 0;
    }

    /// Largest payload of a segment of the peer's. It is at most the MSS that it was told, `offered`,
    /// if nobody said how many packets were joined.
    pub(crate) fn peer_mss(&self, offered: u32) -> u32 {
        self.peer_mss.min(offered)
    }

    /// What the user reads in a round trip, at most; bytes.
    pub(crate) fn space(&self) -> u32 {
        self.tuning.most_copied()
    }

    /// True size of everything held.
    pub(crate) fn mem(&self) -> u32 {
        self.mem
    }
}
