// SPDX-License-Identifier: GPL-2.0

//! Feeds a log of inputs to the core: every call at its time with its arguments, and the buffers'
//! answers as they were. What comes out has to be what the log says came out, and where the
//! connection stands after each poll has to be the same.
//!
//! `play` is long as a table is: an arm for each kind of record.

use crate::platform::{Counters, HostLog, List, Tree};
use crate::tcp::{
    config::{NetConfig, SocketConfig},
    congestion::Algorithm,
    connection::{Connection, Crowd, Disposition, FastSyn, IcmpError, Leaving, OpenParams, Origin},
    context::Cx,
    handshake::SynRcvd,
    log::{
        codepoint_of, halves, header_of, header_words, words_of, Field, HeaderWords, Kind, Kinds,
        Reader, Record, Recorder, BYTES, HAS_COOKIE, VERSION,
    },
    pacing::Pacer,
    platform::*,
    seq::SeqNum,
    time::Instant,
    wire::{FastOpen, Segment},
};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;

thread_local! {
    /// What the buffers will answer.
    static ANSWERS: RefCell<VecDeque<Record>> = const { RefCell::new(VecDeque::new()) };
    /// What they were asked and had no answer to.
    static ASTRAY: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The next answer, which has to be of that kind.
fn answer(kind: Kind) -> [u32; 3] {
    let record = ANSWERS.with_borrow_mut(VecDeque::pop_front);
    match record {
        Some(record) if record.kind == kind as u8 => {
            let [a, b, c, ..] = record.words;
            [a, b, c]
        }
        other => {
            ASTRAY.with_borrow_mut(|astray| {
                astray.get_or_insert_with(|| format!("{kind:?} is asked for, {other:?} is logged"));
            });
            [0; 3]
        }
    }
}

/// A buffer without bytes.
pub(crate) struct Blank {
    len: u32,
    truesize: u32,
    meta: SegMeta,
    key: SeqNum,
}

impl Buffer for Blank {
    fn len(&self) -> u32 {
        self.len
    }
    fn truesize(&self) -> u32 {
        self.truesize
    }
    fn meta(&self) -> &SegMeta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut SegMeta {
        &mut self.meta
    }
}

impl TxBuffer for Blank {
    fn split_off(&mut self, n: u32) -> Result<Self, NoMemory> {
        let [ok, left, right] = answer(Kind::Split);
        if ok == 0 {
            return Err(NoMemory);
        }
        let rest = Self {
            len: self.len - n,
            truesize: right,
            meta: SegMeta::default(),
            key: self.key,
        };
        self.len = n;
        self.truesize = left;
        Ok(rest)
    }
    fn join(&mut self, next: Self) -> Result<(), Self> {
        self.merge(next)
    }
    fn key(&self) -> SeqNum {
        self.key
    }
    fn set_key(&mut self, key: SeqNum) {
        self.key = key;
    }
}

impl Blank {
    /// As it was when it was recorded.
    fn merge(&mut self, next: Self) -> Result<(), Self> {
        let [joined, truesize, _] = answer(Kind::Merge);
        self.truesize = truesize;
        if joined == 0 {
            return Err(next);
        }
        self.len += next.len;
        Ok(())
    }
}

impl RxBuffer for Blank {
    fn trim_front(&mut self, n: u32) {
        self.len -= n;
    }
    fn trim_back(&mut self, n: u32) {
        let [truesize, ..] = answer(Kind::Trim);
        self.len -= n;
        self.truesize = truesize;
    }
    fn try_merge(&mut self, next: Self) -> Result<(), Self> {
        self.merge(next)
    }
    fn with_room(_n: u32) -> Result<Self, NoMemory> {
        let [made, truesize, _] = answer(Kind::Room);
        if made == 0 {
            return Err(NoMemory);
        }
        Ok(Self {
            len: 0,
            truesize,
            meta: SegMeta::default(),
            key: SeqNum::default(),
        })
    }
    fn append(&mut self, from: &Self) -> bool {
        let [done, ..] = answer(Kind::Append);
        if done != 0 {
            self.len += from.len;
        }
        done != 0
    }
}

/// The platform of a replay.
pub(crate) struct Replay;

impl Platform for Replay {
    type TxBuf = Blank;
    type RxBuf = Blank;
    type TxList = List<Blank>;
    type RtxTree = Tree<Blank>;
    type RxList = List<Blank>;
    type OfoTree = Tree<Blank>;
    type Mib = Counters;
    type Log = HostLog;
}

/// What a replay came to.
#[derive(Default)]
pub struct Report {
    /// Calls.
    pub inputs: usize,
    /// Segments that arrived.
    pub segments: usize,
    /// Segments that went out, as they did before.
    pub sent: usize,
    /// Moments at which the connection stood as it did before.
    pub standing: usize,
    /// Whether the log ended for want of room.
    pub cut: bool,
    /// What the core tells of it: records of events.
    pub events: Vec<u8>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "replayed: {} inputs, {} of them segments; {} segments out and {} standings, all identical{}",
            self.inputs,
            self.segments,
            self.sent,
            self.standing,
            if self.cut { "; the log ended early" } else { "" },
        )
    }
}

/// Replays a log as getsockopt() gave it.
pub fn replay(bytes: &[u8]) -> Result<Report, String> {
    if bytes.is_empty() || bytes.len() % BYTES != 0 {
        return Err(format!("{} bytes are no log", bytes.len()));
    }
    let records: Vec<Record> = bytes
        .chunks_exact(BYTES)
        .map(|chunk| Record::from_bytes(chunk.try_into().expect("a whole record")))
        .collect();
    replay_records(&records)
}

/// Replays a log.
pub(crate) fn replay_records(records: &[Record]) -> Result<Report, String> {
    let mut player = Player {
        records,
        at: 0,
        conn: None,
        net: NetConfig::default(),
        config: SocketConfig::default(),
        mib: Counters::default(),
        report: Report::default(),
    };
    let result = player.run();
    ANSWERS.take();
    let astray = ASTRAY.take();
    match (result, astray) {
        (Err(story), astray) => {
            Err(player.place(&format!("{story} {}", astray.unwrap_or_default())))
        }
        (Ok(()), Some(story)) => Err(player.place(&story)),
        (Ok(()), None) => {
            if let Some(ring) = player.conn.as_mut().and_then(|conn| conn.log().ring()) {
                while let Some(record) = ring.take() {
                    player.report.events.extend(record.to_bytes());
                }
            }
            Ok(player.report)
        }
    }
}

struct Player<'a> {
    records: &'a [Record],
    /// The next record.
    at: usize,
    conn: Option<Connection<Replay>>,
    net: NetConfig,
    config: SocketConfig,
    mib: Counters,
    report: Report,
}

/// Whether a record is a buffer's answer.
fn is_answer(record: &Record) -> bool {
    [
        Kind::Split,
        Kind::Merge,
        Kind::Trim,
        Kind::Append,
        Kind::Room,
    ]
    .iter()
    .any(|kind| record.kind == *kind as u8)
}

/// Whether a record is an event: of no interest here.
fn is_event(record: &Record) -> bool {
    record.kind > Kind::Lost as u8 && record.kind < Kind::InNet as u8
}

impl Player<'_> {
    fn place(&self, story: &str) -> String {
        format!("record {} of {}: {story}", self.at, self.records.len())
    }

    fn next(&mut self) -> Option<Record> {
        let record = *self.records.get(self.at)?;
        self.at += 1;
        Some(record)
    }

    /// The SACK blocks that belong to a record.
    fn sack(&mut self, record: &Record) -> Result<[u32; 8], String> {
        let mut words = [0; 8];
        if record.more > 0 {
            let next = self.next().filter(|next| next.kind == Kind::Sack as u8);
            let next = next.ok_or("the SACK blocks are missing")?;
            words.copy_from_slice(&next.words[..8]);
        }
        Ok(words)
    }

    /// The Fast Open option that belongs to a record.
    fn cookie(&mut self, record: &Record) -> Result<Option<FastOpen>, String> {
        if record.words[6] & HAS_COOKIE == 0 {
            return Ok(None);
        }
        let next = self.next().filter(|next| next.kind == Kind::Cookie as u8);
        let words = next.ok_or("the cookie is missing")?.words;
        Ok(Some(FastOpen::from_words(std::array::from_fn(|n| {
            words[n]
        }))))
    }

    /// The segment of a record, and its payload.
    fn segment(&mut self, record: &Record) -> Result<(Segment, Option<Blank>), String> {
        let sack = self.sack(record)?;
        let [.., payload_len, truesize, bits, ecn, more, joined] = record.words;
        let mut header = header_of(&record.words, [ecn, more], &sack, record.more);
        header.options.fast_open = self.cookie(record)?;
        let seg = Segment {
            header,
            payload_len,
            codepoint: codepoint_of(bits & 3),
            joined: joined as u16,
        };
        let buf = (bits & 0x100 != 0).then(|| Blank {
            len: payload_len,
            truesize,
            meta: SegMeta::default(),
            key: SeqNum::default(),
        });
        Ok((seg, buf))
    }

    /// A value in a row of records.
    fn blob<F: Field>(&mut self, first: Record) -> Result<F, String> {
        let mut words: Vec<u32> = words_of(&first).collect();
        let mut last = first;
        while last.more != 0 {
            let next = self.next().filter(|next| next.kind == first.kind);
            last = next.ok_or("a row of records is torn")?;
            words.extend(words_of(&last));
        }
        Ok(F::take(&mut Reader(words.into_iter())))
    }

    /// Takes the answers that belong to the call just read.
    fn gather(&mut self) {
        ANSWERS.with_borrow_mut(|answers| {
            while let Some(record) = self.records.get(self.at) {
                if is_answer(record) {
                    answers.push_back(*record);
                } else if !is_event(record) {
                    break;
                }
                self.at += 1;
            }
        });
    }

    /// Whether the log ended for want of room with the record just played.
    fn is_last(&self) -> bool {
        let is_lost = |at: usize| {
            let record = self.records.get(at);
            record.is_some_and(|record| record.kind == Kind::Lost as u8)
        };
        is_lost(self.at) || is_lost(self.at.wrapping_sub(1))
    }

    fn run(&mut self) -> Result<(), String> {
        let start = self.next().ok_or("empty")?;
        if start.kind != Kind::Start as u8
            || start.words[0] != VERSION
            || start.words[1] & u32::from(Kinds::INPUTS.bits()) == 0
        {
            return Err("not a log of inputs of this version".into());
        }
        loop {
            self.gather();
            let Some(record) = self.next() else {
                break;
            };
            let kind = Kind::from_code(record.kind).ok_or("a kind that is not known")?;
            if kind == Kind::Lost {
                self.report.cut = true;
                break;
            }
            let played = self.play(kind, record);
            if self.is_last() {
                // What belongs to this one may not have had room any more.
                ASTRAY.take();
                self.report.cut = true;
                break;
            }
            played?;
            // What follows a call may belong to the poll behind it.
            let polled = matches!(kind, Kind::OutSegment | Kind::OutNothing);
            let left = ANSWERS.with_borrow(VecDeque::len);
            if polled && left > 0 {
                return Err(format!("{kind:?}: {left} answers were not asked for"));
            }
            if let Some(story) = ASTRAY.take() {
                return Err(format!("{kind:?}: {story}"));
            }
        }
        Ok(())
    }

    fn play(&mut self, kind: Kind, record: Record) -> Result<(), String> {
        let now = Instant::from_nanos(record.at);
        match kind {
            Kind::InNet => {
                self.net = self.blob(record)?;
                return Ok(());
            }
            Kind::InSocket => {
                let config: SocketConfig = self.blob(record)?;
                self.gather();
                if self.conn.is_none() {
                    self.config = config;
                    let mut conn = Connection::new(SocketConfig::default());
                    let (net, mib) = (&self.net, &self.mib);
                    conn.configure(&Cx { now, net, mib }, config);
                    self.adopt(conn, now);
                    return Ok(());
                }
                let (net, mib) = (&self.net, &self.mib);
                let cx = Cx { now, net, mib };
                if let Some(conn) = &mut self.conn {
                    conn.configure(&cx, config);
                }
                return Ok(());
            }
            Kind::InHalfOpen => {
                let entry: SynRcvd = self.blob(record)?;
                let fast = self
                    .records
                    .get(self.at)
                    .filter(|next| next.kind == Kind::InFastSyn as u8)
                    .copied();
                let syn = match fast {
                    Some(record) => {
                        self.at += 1;
                        Some(self.segment(&record)?.0)
                    }
                    None => None,
                };
                let (net, mib) = (&self.net, &self.mib);
                let cx = Cx { now, net, mib };
                let conn = match syn {
                    Some(seg) => Connection::from_fast_syn(&cx, self.config, &entry, &seg),
                    None => Connection::from_syn_rcvd(&cx, self.config, &entry),
                };
                self.adopt(conn, now);
                return Ok(());
            }
            Kind::InEcn => {
                let policy = self.blob(record)?;
                let conn = self.conn.as_mut().ok_or("no connection yet")?;
                conn.set_ecn_option(policy);
                return Ok(());
            }
            Kind::InMetrics => {
                let metrics = self.blob(record)?;
                let (net, mib) = (&self.net, &self.mib);
                let conn = self.conn.as_mut().ok_or("no connection yet")?;
                conn.set_metrics(&Cx { now, net, mib }, metrics);
                return Ok(());
            }
            Kind::InAlgorithm => {
                let algorithm: Algorithm = self.blob(record)?;
                let conn = self.conn.as_mut().ok_or("no connection yet")?;
                conn.set_congestion(algorithm);
                return Ok(());
            }
            _ => {}
        }
        if kind == Kind::OutSegment || kind == Kind::OutNothing {
            return self.poll(kind, record);
        }
        let segment = match kind {
            Kind::InSegment => Some(self.segment(&record)?),
            _ => None,
        };
        // Answers come right behind the call.
        self.gather();
        self.report.inputs += 1;
        let (net, mib) = (&self.net, &self.mib);
        let cx: Cx<'_, Replay> = Cx { now, net, mib };
        let conn = self.conn.as_mut().ok_or("no connection yet")?;
        let [a, b, c, d, ..] = record.words;
        match kind {
            Kind::InBuffers => conn.set_buffers(a, b, (c != 0, d != 0)),
            Kind::InPath => {
                conn.set_path(a as u16, b);
                conn.set_ip_options(c as u16);
            }
            Kind::InPacing => {
                let pacers = [Pacer::None, Pacer::Timer, Pacer::Qdisc];
                let pacer = pacers.get(a as usize).ok_or("no such pacer")?;
                conn.set_pacing(*pacer, u64::from(b) | u64::from(c) << 32);
            }
            Kind::InOpen => conn.open_active(
                &cx,
                OpenParams {
                    iss: SeqNum::new(a),
                    ts_offset: b,
                    mss_route: c as u16,
                    mss_default: d as u16,
                    fast: FastSyn::from_words(std::array::from_fn(|n| record.words[4 + n])),
                },
            ),
            Kind::InSyn => {
                let words = std::array::from_fn(|n| record.words[n]);
                conn.send_syn(&cx, FastSyn::from_words(words));
            }
            Kind::InSegment => {
                self.report.segments += 1;
                let (seg, buf) = segment.ok_or("no segment")?;
                let reply = match conn.handle_segment(&cx, &seg, buf) {
                    Disposition::Reply(header, ..) => Some(header_words(&header).fixed),
                    Disposition::Done | Disposition::Drop(..) => None,
                };
                let logged = self
                    .records
                    .get(self.at)
                    .filter(|next| next.kind == Kind::OutReply as u8)
                    .map(|next| next.words);
                self.at += usize::from(logged.is_some());
                let logged: Option<[u32; 7]> =
                    logged.map(|words| std::array::from_fn(|n| words[n]));
                if reply != logged {
                    return Err(format!("logged reply {logged:x?}, replayed {reply:x?}"));
                }
            }
            Kind::InTimeout => conn.handle_timeout(&cx),
            Kind::InIcmp => {
                let errors = [
                    IcmpError::Host,
                    IcmpError::Net,
                    IcmpError::Refused,
                    IcmpError::Prohibited,
                    IcmpError::NoProtocol,
                    IcmpError::BadHeader,
                ];
                let error = errors.get(b as usize).ok_or("no such error")?;
                conn.handle_icmp(&cx, SeqNum::new(a), *error);
            }
            Kind::InMtu => conn.handle_mtu(&cx, SeqNum::new(a), b as u16),
            Kind::InQueue => conn.queue(Blank {
                len: a,
                truesize: b,
                meta: SegMeta::default(),
                key: SeqNum::default(),
            }),
            Kind::InAppend => {
                let (buf, _) = conn.tail_room().ok_or("no room at the end of the queue")?;
                buf.len += a;
                buf.truesize = c;
                conn.appended(a, b);
            }
            Kind::InMore => conn.set_more(a != 0),
            Kind::InRefused => {
                let leaving = Leaving::from_word(b).ok_or("no such way to leave")?;
                conn.refuse(&cx, SeqNum::new(a), leaving);
            }
            Kind::InWant => conn.want_room(),
            Kind::InLetGo => conn.push_out(),
            Kind::InMemory => {
                let kinds = [Memory::Plenty, Memory::Short, Memory::Gone];
                conn.set_memory(*kinds.get(a as usize).ok_or("no such memory")?);
            }
            Kind::InCrowd => {
                let kinds = [Crowd::Few, Crowd::Quarter, Crowd::Half, Crowd::TooMany];
                conn.set_crowd(*kinds.get(a as usize).ok_or("no such crowd")?);
            }
            Kind::InPush => conn.mark_push(),
            Kind::InUrgent => conn.mark_urgent(),
            Kind::InEnd => conn.mark_end(),
            Kind::InStamp => {
                let _ = conn.stamp_last(a != 0);
            }
            Kind::InRead => conn.consume(&cx, a),
            Kind::InShutSend => conn.shutdown_send(&cx),
            Kind::InShutRecv => conn.shutdown_recv(),
            Kind::InClose => conn.close(&cx),
            Kind::InAbort => conn.abort(&cx),
            Kind::InQuick => {
                conn.set_quickack(a != 0);
            }
            Kind::InUrgentIs => conn.urgent_is(a as u8),
            Kind::InUrgentRead => conn.urgent_read(),
            other => return Err(format!("{other:?} is out of place")),
        }
        Ok(())
    }

    /// Takes a new connection over, with a log of events of its own.
    fn adopt(&mut self, mut conn: Connection<Replay>, now: Instant) {
        let (net, mib) = (&self.net, &self.mib);
        let cx = Cx { now, net, mib };
        let log = HostLog::new(Kinds::EVENTS, 1 << 18, now);
        conn.start_log(&cx, log, Origin::New);
        self.conn = Some(conn);
    }

    /// A poll, and what it gave.
    fn poll(&mut self, kind: Kind, record: Record) -> Result<(), String> {
        let sack = match kind {
            Kind::OutSegment => self.sack(&record)?,
            _ => [0; 8],
        };
        let cookie = match kind {
            Kind::OutSegment => self.cookie(&record)?,
            _ => None,
        };
        let now = Instant::from_nanos(record.at);
        let (net, mib) = (&self.net, &self.mib);
        let cx: Cx<'_, Replay> = Cx { now, net, mib };
        let conn = self.conn.as_mut().ok_or("no connection yet")?;
        let out = conn.poll_transmit(&cx).map(|transmit| {
            let HeaderWords {
                fixed: [a, b, c, d, e, f, g],
                acc_ecn: [h, i],
                sack,
                blocks,
            } = header_words(&transmit.header);
            let len = transmit.payload.map_or(0, |buf| buf.len());
            let bits = u32::from(transmit.gso_size)
                | u32::from(transmit.codepoint.bits()) << 16
                | u32::from(transmit.ace) << 24;
            let (low, high) = halves(transmit.departure);
            let words = [a, b, c, d, e, f, g, len, bits, low, high, h, i];
            (words, sack, blocks, transmit.header.options.fast_open)
        });
        let _ = conn.poll_events();
        match (out, kind) {
            (Some((words, blocks, count, option)), Kind::OutSegment) => {
                let logged = record.words;
                if (logged, sack, record.more, cookie) != (words, blocks, count, option) {
                    return Err(format!(
                        "logged {logged:x?} {sack:x?}, replayed {words:x?} {blocks:x?}"
                    ));
                }
                self.report.sent += 1;
            }
            (None, Kind::OutNothing) => {
                let stands = (conn.standing(), conn.state() as u8);
                if stands != (record.words, record.cause) {
                    let (words, state) = (record.words, record.cause);
                    return Err(format!("logged {words:x?} {state}, replayed {stands:x?}"));
                }
                self.report.standing += 1;
            }
            (out, _) => return Err(format!("logged {record:x?}, replayed {out:x?}")),
        }
        Ok(())
    }
}
