// SPDX-License-Identifier: GPL-2.0

//! Work to count the instructions of: two connections and a link that loses nothing, with a record
//! (Documentation/log.rst) of one kind or another, or none, or compiled without. Buffers have no bytes, so
//! that nearly all of the work is the core's. scripts/record_cost.sh counts.

use crate::platform::{Counters, HostLog, List, Tree};
use crate::tcp::{
    config::{NetConfig, SocketConfig},
    connection::{default_mss, Connection, FastSyn, OpenParams, Origin},
    context::Cx,
    log::{Kinds, Record, Recorder, Ring},
    platform::*,
    seq::SeqNum,
    state::ConnState,
    time::{Duration, Instant},
    wire::Segment,
};
use std::{collections::VecDeque, marker::PhantomData};

/// A buffer without bytes.
#[derive(Default)]
struct Light {
    len: u32,
    meta: SegMeta,
    key: SeqNum,
}

impl Light {
    fn new(len: u32) -> Self {
        Self {
            len,
            ..Self::default()
        }
    }
}

impl Buffer for Light {
    fn len(&self) -> u32 {
        self.len
    }
    fn truesize(&self) -> u32 {
        self.len + 256
    }
    fn meta(&self) -> &SegMeta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut SegMeta {
        &mut self.meta
    }
}

impl TxBuffer for Light {
    fn split_off(&mut self, n: u32) -> Result<Self, NoMemory> {
        let rest = Self::new(self.len - n);
        self.len = n;
        Ok(rest)
    }
    fn join(&mut self, next: Self) -> Result<(), Self> {
        Err(next)
    }
    fn key(&self) -> SeqNum {
        self.key
    }
    fn set_key(&mut self, key: SeqNum) {
        self.key = key;
    }
}

impl RxBuffer for Light {
    fn trim_front(&mut self, n: u32) {
        self.len -= n;
    }
    fn trim_back(&mut self, n: u32) {
        self.len -= n;
    }
    fn try_merge(&mut self, next: Self) -> Result<(), Self> {
        Err(next)
    }
    fn with_room(_n: u32) -> Result<Self, NoMemory> {
        Err(NoMemory)
    }
    fn append(&mut self, _from: &Self) -> bool {
        false
    }
}

/// The core, and where what it tells of itself goes.
struct Core<L>(PhantomData<L>);

impl<L: Recorder + 'static> Platform for Core<L> {
    type TxBuf = Light;
    type RxBuf = Light;
    type TxList = List<Light>;
    type RtxTree = Tree<Light>;
    type RxList = List<Light>;
    type OfoTree = Tree<Light>;
    type Mib = Counters;
    type Log = L;
}

/// Nowhere: the compiler knows that there never is a record.
#[derive(Default)]
struct Nothing;

impl Recorder for Nothing {
    type Slots = Vec<Record>;
    #[inline(always)]
    fn kinds(&self) -> Kinds {
        Kinds::NONE
    }
    #[inline(always)]
    fn ring(&mut self) -> Option<&mut Ring<Vec<Record>>> {
        None
    }
}

/// Two ends.
struct Two<P: Platform> {
    ends: [Connection<P>; 2],
    /// What each of them sent and the other one does not have yet.
    links: [VecDeque<Segment>; 2],
    net: NetConfig,
    mib: Counters,
    now: Instant,
}

impl<P: Platform<TxBuf = Light, RxBuf = Light, Mib = Counters>> Two<P> {
    /// An open connection, both ends of which have such a record.
    fn open(log: impl Fn(Instant) -> P::Log) -> Self {
        let config = SocketConfig {
            nodelay: true,
            ..SocketConfig::default()
        };
        let mut two = Self {
            ends: [Connection::new(config), Connection::new(config)],
            links: Default::default(),
            net: NetConfig::default(),
            mib: Counters::default(),
            now: Instant::from_nanos(1_000_000_000),
        };
        for n in 0..2 {
            let log = log(two.now);
            two.at(n, |conn, cx| {
                conn.set_buffers(1 << 20, 4 << 20, (true, true));
                // No offload: each segment alone.
                conn.set_path(1460, 0);
                conn.start_log(cx, log, Origin::New);
                let params = OpenParams {
                    iss: SeqNum::new(n as u32 * 1_000_000),
                    ts_offset: 0,
                    mss_route: 1460,
                    mss_default: default_mss(false),
                    fast: FastSyn::Plain,
                };
                conn.open_active(cx, params);
            });
        }
        while two.ends.iter().any(|c| c.state() != ConnState::Established) {
            two.step();
        }
        two
    }

    fn at<R>(&mut self, n: usize, call: impl FnOnce(&mut Connection<P>, &Cx<'_, P>) -> R) -> R {
        let cx = Cx {
            now: self.now,
            net: &self.net,
            mib: &self.mib,
        };
        call(&mut self.ends[n], &cx)
    }

    /// What is on its way arrives, one segment at a time, each of which may be answered; and the timers that
    /// are due. Returns how many segments there were.
    fn step(&mut self) -> u64 {
        let mut count = 0;
        for n in 0..2 {
            self.at(n, |conn, cx| {
                if conn.poll_timeout().is_some_and(|at| at <= cx.now) {
                    conn.handle_timeout(cx);
                }
            });
            self.send(n);
        }
        for n in 0..2 {
            for _ in 0..self.links[n].len() {
                let Some(seg) = self.links[n].pop_front() else {
                    break;
                };
                count += 1;
                self.now = self.now.add(Duration::from_micros(20));
                self.at(1 - n, |conn, cx| {
                    let buf = (seg.payload_len > 0).then(|| Light::new(seg.payload_len));
                    let _ = conn.handle_segment(cx, &seg, buf);
                    conn.poll_events();
                });
                self.send(1 - n);
            }
        }
        self.now = self.now.add(Duration::from_micros(500));
        count
    }

    /// Puts what the end has to say on its way.
    fn send(&mut self, n: usize) {
        let cx = Cx {
            now: self.now,
            net: &self.net,
            mib: &self.mib,
        };
        while let Some(out) = self.ends[n].poll_transmit(&cx) {
            self.links[n].push_back(Segment {
                header: out.header,
                payload_len: out.payload.map_or(0, |buf| buf.len),
                codepoint: out.codepoint,
                joined: 1,
            });
        }
    }

    /// Bytes that the end read.
    fn read(&mut self, n: usize) -> u64 {
        self.at(n, |conn, cx| {
            let mut bytes = 0;
            while let Some(len) = conn.recv_list().front().map(|buf| buf.len) {
                conn.consume(cx, len);
                bytes += u64::from(len);
            }
            bytes
        })
    }

    fn write(&mut self, n: usize, len: u32) {
        self.at(n, |conn, _| {
            conn.queue(Light::new(len));
            conn.mark_push();
        });
    }

    /// So many segments of data one way, as many as the windows let out at a time.
    fn bulk(&mut self, segments: u64) -> u64 {
        let size = self.ends[0].size_goal();
        let (mut read, mut count) = (0, 0);
        let mut written = 0;
        while read < segments * u64::from(size) {
            while written < segments && written < read / u64::from(size) + 300 {
                self.write(0, size);
                written += 1;
            }
            count += self.step();
            read += self.read(1);
        }
        count
    }

    /// So many requests of a byte, each with an answer.
    fn exchange(&mut self, requests: u64) -> u64 {
        let mut count = 0;
        for _ in 0..requests {
            for n in 0..2 {
                self.write(n, 1);
                count += self.step();
                while self.read(1 - n) == 0 {
                    count += self.step();
                }
            }
        }
        count
    }
}

/// How much of what: `work` is `bulk` or `exchange`, `record` is `out`, `off`, `events` or `inputs`.
/// Returns the segments that there were.
pub fn work(work: &str, record: &str, times: u64) -> Option<u64> {
    fn go<P: Platform<TxBuf = Light, RxBuf = Light, Mib = Counters>>(
        log: impl Fn(Instant) -> P::Log,
        work: &str,
        times: u64,
    ) -> Option<u64> {
        let mut two = Two::<P>::open(log);
        match work {
            "bulk" => Some(two.bulk(times)),
            "exchange" => Some(two.exchange(times)),
            _ => None,
        }
    }
    let telling = |kinds, records| {
        go::<Core<HostLog>>(move |now| HostLog::new(kinds, records, now), work, times)
    };
    match record {
        "out" => go::<Core<Nothing>>(|_| Nothing, work, times),
        "off" => go::<Core<HostLog>>(|_| HostLog::default(), work, times),
        "events" => telling(Kinds::EVENTS, 4096),
        "inputs" => telling(Kinds::INPUTS, 1 << 18),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::work;

    /// A record changes nothing of what is sent, and neither does doing without: what is compared is the
    /// same work.
    #[test]
    fn the_same_work_with_and_without_a_record() {
        for what in ["bulk", "exchange"] {
            let segments = work(what, "out", 500);
            assert!(segments > Some(500));
            for record in ["off", "events", "inputs"] {
                assert_eq!(work(what, record, 500), segments, "{what}, {record}");
            }
        }
        assert_eq!(work("nothing", "off", 1), None);
    }
}
