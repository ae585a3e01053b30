// SPDX-License-Identifier: GPL-2.0

//! One connection, and a test in the place of its peer: segments by number, answers by value.
//!
//! Numbers are relative: 0 is the SYN of whoever sends, 1 the first byte.

use crate::platform::{Buf, Counters, Host};
use crate::tcp::{
    config::{NetConfig, SocketConfig},
    congestion::Algorithm,
    connection::{
        default_mss, CloseReason, Connection, Disposition, Events, FastSyn, IcmpError, Leaving,
        OpenParams,
    },
    context::Cx,
    ecn::Policy,
    info::Info,
    platform::SegList,
    seq::{SeqNum, SeqRange},
    state::ConnState,
    time::{Duration, Instant},
    wire::{AccEcn, Codepoint, Flags, Header, Options, SackBlocks, Segment, Timestamps},
};

pub(crate) const SYN: Flags = Flags::SYN;
pub(crate) const ACK: Flags = Flags::ACK;
pub(crate) const RST: Flags = Flags::RST;
pub(crate) const FIN_ACK: Flags = Flags::FIN.with(Flags::ACK);
pub(crate) const SYN_ACK: Flags = Flags::SYN.with(Flags::ACK);
pub(crate) const RST_ACK: Flags = Flags::RST.with(Flags::ACK);
pub(crate) const PSH_ACK: Flags = Flags::PSH.with(Flags::ACK);

/// Near the end of the circle, so that every test crosses it.
const OURS: SeqNum = SeqNum::new(u32::MAX - 2_345);
const THEIRS: SeqNum = SeqNum::new(u32::MAX - 777);

/// A segment of the connection's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Out {
    pub(crate) flags: Flags,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) len: u32,
}

/// Shorthand for the segments that a test expects.
pub(crate) fn out(flags: Flags, seq: u32, ack: u32, len: u32) -> Out {
    Out {
        flags,
        seq,
        ack,
        len,
    }
}

/// What the peer offers and says.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) wnd: u16,
    pub(crate) mss: u16,
    pub(crate) sack: bool,
    pub(crate) wscale: Option<u8>,
    /// TSval to send; `None`: no timestamps.
    pub(crate) ts: Option<u32>,
}

/// A peer with SACK and nothing else.
pub(crate) const SACK: Peer = Peer {
    wnd: 60_000,
    mss: 1000,
    sack: true,
    wscale: None,
    ts: None,
};

/// So many milliseconds.
pub(crate) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

impl Default for Peer {
    fn default() -> Self {
        Self {
            wnd: 20_000,
            mss: 1000,
            sack: false,
            wscale: None,
            ts: None,
        }
    }
}

/// The connection and its surroundings.
pub(crate) struct Raw {
    pub(crate) conn: Connection<Host>,
    pub(crate) net: NetConfig,
    pub(crate) mib: Counters,
    pub(crate) now: Instant,
    pub(crate) peer: Peer,
    pub(crate) events: Events,
    /// The full headers of the last answers.
    pub(crate) headers: Vec<Header>,
    /// TSecr to send.
    pub(crate) echo: u32,
    /// The sizes that super-segments were to be cut to.
    pub(crate) cuts: Vec<u16>,
    /// Memory that a received buffer takes beyond its payload.
    pub(crate) overhead: u32,
    /// The ECN field of what the peer sends.
    pub(crate) codepoint: Codepoint,
    /// Payload of the packets that were joined to what the peer sends; 0: see `joined`.
    pub(crate) gso_size: u32,
    /// How many packets were joined to what the peer sends.
    pub(crate) joined: u16,
    /// The ECN fields of the last answers.
    pub(crate) codepoints: Vec<Codepoint>,
    /// The urgent pointer of what the peer sends.
    pub(crate) urg: u16,
    /// The local queue takes no data.
    pub(crate) refuses: bool,
    /// What it says then.
    pub(crate) leaving: Leaving,
    /// Without header prediction.
    pub(crate) slowly: bool,
}

impl Raw {
    pub(crate) fn closed(peer: Peer, config: SocketConfig) -> Self {
        let mut conn = Connection::new(config);
        conn.set_buffers(1 << 20, 131_072, (true, true));
        conn.set_path(1460, 0);
        Self {
            conn,
            // What most tests count on is Reno's arithmetic.
            net: NetConfig {
                congestion: Algorithm::Reno,
                ..NetConfig::default()
            },
            mib: Counters::default(),
            now: Instant::from_nanos(77_000_000_000),
            peer,
            events: Events::default(),
            headers: Vec::new(),
            echo: 0,
            cuts: Vec::new(),
            overhead: 256,
            codepoint: Codepoint::NotEct,
            gso_size: 0,
            joined: 1,
            codepoints: Vec::new(),
            urg: 0,
            refuses: false,
            leaving: Leaving::NoRoom,
            slowly: false,
        }
    }

    /// TCP_USER_TIMEOUT.
    pub(crate) fn set_user_timeout(&mut self, time: Duration) {
        self.with(|conn, cx| {
            let config = SocketConfig {
                user_timeout: time,
                ..*conn.config()
            };
            conn.configure(cx, config);
        });
    }

    /// Runs a command, then polls dry.
    pub(crate) fn with(
        &mut self,
        command: impl FnOnce(&mut Connection<Host>, &Cx<'_, Host>),
    ) -> Vec<Out> {
        let cx = Cx {
            now: self.now,
            net: &self.net,
            mib: &self.mib,
        };
        command(&mut self.conn, &cx);
        self.headers.clear();
        self.codepoints.clear();
        self.poll()
    }

    /// What TCP_INFO tells.
    pub(crate) fn info(&self) -> Info {
        self.conn.info(&Cx {
            now: self.now,
            net: &self.net,
            mib: &self.mib,
        })
    }

    pub(crate) fn poll(&mut self) -> Vec<Out> {
        let mut outs = Vec::new();
        let quiet = self.conn.is_quiet();
        loop {
            assert!(outs.len() < 10_000, "poll_transmit never ends");
            let cx = Cx {
                now: self.now,
                net: &self.net,
                mib: &self.mib,
            };
            let Some(transmit) = self.conn.poll_transmit(&cx) else {
                break;
            };
            let len = transmit.payload.map_or(0, |b| b.bytes.len() as u32);
            let header = transmit.header;
            if transmit.gso_size != 0 {
                self.cuts.push(transmit.gso_size);
            }
            self.codepoints.push(transmit.codepoint);
            outs.push(self.note(header, len));
            if self.refuses && len > 0 {
                let cx = Cx {
                    now: self.now,
                    net: &self.net,
                    mib: &self.mib,
                };
                self.conn.refuse(&cx, header.seq, self.leaving);
            }
        }
        self.events.set(self.conn.poll_events());
        assert!(!quiet || outs.is_empty(), "quiet, but sent {outs:?}");
        outs
    }

    fn note(&mut self, header: Header, len: u32) -> Out {
        self.headers.push(header);
        if let Some(ts) = header.options.timestamps {
            self.echo = ts.val;
        }
        let relative = |n: SeqNum, zero: SeqNum| {
            if n == SeqNum::default() {
                0
            } else {
                n.distance_from(zero)
            }
        };
        Out {
            flags: header.flags,
            seq: relative(header.seq, OURS),
            ack: relative(header.ack, THEIRS),
            len,
        }
    }

    /// What numbers are relative to: the connection's and the peer's.
    pub(crate) fn zeros(&self) -> (SeqNum, SeqNum) {
        (OURS, THEIRS)
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            timestamps: self.peer.ts.map(|val| Timestamps {
                val,
                ecr: self.echo,
            }),
            ..Options::default()
        }
    }

    /// A segment from the peer.
    pub(crate) fn feed(&mut self, flags: Flags, seq: u32, ack: u32, len: u32) -> Vec<Out> {
        let options = self.options();
        self.feed_with(flags, seq, ack, len, options)
    }

    /// A segment from the peer with options of its own.
    pub(crate) fn feed_with(
        &mut self,
        flags: Flags,
        seq: u32,
        ack: u32,
        len: u32,
        options: Options,
    ) -> Vec<Out> {
        let seg = self.segment(flags, seq, ack, len, options);
        let bytes = (0..len).map(|i| seq.wrapping_add(i) as u8).collect();
        let buf = (len > 0).then(|| Buf {
            overhead: self.overhead,
            ..Buf::new(bytes)
        });
        let cx = Cx {
            now: self.now,
            net: &self.net,
            mib: &self.mib,
        };
        self.headers.clear();
        self.codepoints.clear();
        let mut outs = Vec::new();
        let done = if self.slowly {
            self.conn.handle_segment_slowly(&cx, &seg, buf)
        } else {
            self.conn.handle_segment(&cx, &seg, buf)
        };
        if let Disposition::Reply(header, _, _) = done {
            outs.push(self.note(header, 0));
        }
        outs.extend(self.poll());
        outs
    }

    /// A segment as the peer sends it.
    pub(crate) fn segment(
        &self,
        flags: Flags,
        seq: u32,
        ack: u32,
        len: u32,
        options: Options,
    ) -> Segment {
        let header = Header {
            seq: THEIRS.add(seq),
            ack: if flags.contains(ACK) {
                OURS.add(ack)
            } else {
                SeqNum::default()
            },
            flags,
            wnd: self.peer.wnd,
            urg: self.urg,
            options,
        };
        Segment {
            header,
            payload_len: len,
            codepoint: self.codepoint,
            joined: match self.gso_size {
                0 => self.joined,
                size => len.div_ceil(size) as u16,
            },
        }
    }

    /// An ACK with SACK blocks.
    pub(crate) fn feed_sack(&mut self, ack: u32, blocks: &[(u32, u32)]) -> Vec<Out> {
        let mut options = self.options();
        options.sack = SackBlocks::default();
        for (start, end) in blocks {
            options
                .sack
                .push(SeqRange::new(OURS.add(*start), OURS.add(*end)));
        }
        self.feed_with(ACK, self.their_next(), ack, 0, options)
    }

    /// The peer's next number as the connection knows it.
    pub(crate) fn their_next(&self) -> u32 {
        self.conn.numbers().3.distance_from(THEIRS)
    }

    /// The SACK blocks of the last answer.
    pub(crate) fn sacked(&self) -> Vec<(u32, u32)> {
        let header = self.headers.last().expect("an answer");
        let relative = |n: SeqNum| n.distance_from(THEIRS);
        header
            .options
            .sack
            .iter()
            .map(|b| (relative(b.start), relative(b.end)))
            .collect()
    }

    /// Lets time pass; tells what timers sent.
    pub(crate) fn pass(&mut self, time: Duration) -> Vec<Out> {
        let until = self.now.add(time);
        let mut outs = Vec::new();
        self.headers.clear();
        self.codepoints.clear();
        while let Some(at) = self.conn.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            let cx = Cx {
                now: self.now,
                net: &self.net,
                mib: &self.mib,
            };
            self.conn.handle_timeout(&cx);
            outs.extend(self.poll());
        }
        self.now = until;
        outs
    }

    pub(crate) fn write(&mut self, len: usize) -> Vec<Out> {
        self.with(|conn, _| {
            let mut left = len;
            while left > 0 {
                let n;
                if let Some((buf, room)) = conn.tail_room() {
                    n = left.min(room as usize);
                    buf.bytes.resize(buf.bytes.len() + n, 0);
                    conn.appended(n as u32, n as u32);
                } else {
                    n = left.min(conn.size_goal() as usize);
                    conn.queue(Buf::new(vec![0; n]));
                }
                left -= n;
            }
            conn.mark_push();
        })
    }

    /// Reads up to `max` bytes; tells what that sent.
    pub(crate) fn read(&mut self, max: u32) -> (Vec<u8>, Vec<Out>) {
        let mut data = Vec::new();
        let mut owes = false;
        let outs = self.with(|conn, cx| {
            while (data.len() as u32) < max {
                let Some(front) = conn.recv_list().front() else {
                    break;
                };
                let n = front.bytes.len().min(max as usize - data.len());
                data.extend_from_slice(&front.bytes[..n]);
                conn.consume(cx, n as u32);
            }
            owes = conn.owes_ack_now();
        });
        // Data may go since the last poll because the AccECN option, which is due by time, leaves less
        // room: then what is lost fits the window. It has its timers.
        let data_alone = self.conn.is_accurate() && outs.iter().all(|o| o.len > 0);
        assert!(
            owes != outs.is_empty() || data_alone,
            "what a read owes is an ACK: {outs:?}"
        );
        (data, outs)
    }

    /// ICMP about what was sent as `seq`.
    pub(crate) fn icmp(&mut self, seq: SeqNum, error: IcmpError) -> Vec<Out> {
        self.with(|conn, cx| conn.handle_icmp(cx, seq, error))
    }

    pub(crate) fn close(&mut self) -> Vec<Out> {
        self.with(|conn, cx| conn.close(cx))
    }

    pub(crate) fn shutdown(&mut self) -> Vec<Out> {
        self.with(|conn, cx| conn.shutdown_send(cx))
    }

    pub(crate) fn state(&self) -> ConnState {
        self.conn.state()
    }

    pub(crate) fn error(&mut self) -> Option<CloseReason> {
        self.conn.take_error()
    }

    // --- one of each state -------------------------------------------------------------------

    pub(crate) fn syn_sent(peer: Peer) -> Self {
        let mut raw = Self::closed(
            peer,
            SocketConfig {
                nodelay: true,
                ..Default::default()
            },
        );
        assert_eq!(raw.open(), [out(SYN, 0, 0, 0)]);
        raw
    }

    /// Active open, over IPv4.
    pub(crate) fn open(&mut self) -> Vec<Out> {
        self.open_over(false)
    }

    /// Active open, over IPv4 or (`v6`) IPv6.
    pub(crate) fn open_over(&mut self, v6: bool) -> Vec<Out> {
        self.open_fast(v6, FastSyn::Plain)
    }

    /// Active open with Fast Open.
    pub(crate) fn open_fast(&mut self, v6: bool, fast: FastSyn) -> Vec<Out> {
        let params = OpenParams {
            iss: OURS,
            ts_offset: 0,
            mss_route: 1460,
            mss_default: default_mss(v6),
            fast,
        };
        self.with(|conn, cx| conn.open_active(cx, params))
    }

    /// The options of the peer's SYN.
    pub(crate) fn syn_options(&self) -> Options {
        Options {
            mss: Some(self.peer.mss),
            wscale: self.peer.wscale,
            sack_permitted: self.peer.sack,
            ..self.options()
        }
    }

    /// The peer answers the SYN.
    pub(crate) fn answer_syn(&mut self) -> Vec<Out> {
        let options = self.syn_options();
        self.feed_with(SYN_ACK, 0, 1, 0, options)
    }

    pub(crate) fn syn_received() -> Self {
        let mut raw = Self::syn_sent(Peer::default());
        let options = raw.syn_options();
        let outs = raw.feed_with(SYN, 0, 0, 0, options);
        assert_eq!(outs, [out(SYN_ACK, 0, 1, 0)]);
        assert_eq!(raw.state(), ConnState::SynReceived);
        raw
    }

    pub(crate) fn established_with(peer: Peer) -> Self {
        Self::established_after(peer, Duration::from_millis(20))
    }

    /// A connection with accurate ECN (RFC 9768), whose SYN arrived without a mark. `option`: on the
    /// peer's SYN-ACK.
    pub(crate) fn established_accurate(
        peer: Peer,
        option: Option<AccEcn>,
        change: impl FnOnce(&mut NetConfig),
    ) -> Self {
        let config = SocketConfig {
            nodelay: true,
            ..Default::default()
        };
        let mut raw = Self::closed(peer, config);
        raw.net.ecn = Policy::ASK_ACCURATE;
        change(&mut raw.net);
        raw.open();
        assert_eq!(raw.headers[0].flags, SYN.with_ace(0b111));
        raw.now = raw.now.add(Duration::from_millis(20));
        let mut options = raw.syn_options();
        options.acc_ecn = option;
        let outs = raw.feed_with(SYN_ACK.with_ace(0b010), 0, 1, 0, options);
        assert_eq!(outs, [out(ACK.with_ace(0b010), 1, 1, 0)]);
        raw
    }

    /// A peer so near that the length of a burst does not matter.
    pub(crate) fn established_near(peer: Peer) -> Self {
        Self::established_after(peer, Duration::from_micros(20))
    }

    pub(crate) fn established_after(peer: Peer, rtt: Duration) -> Self {
        let mut raw = Self::syn_sent(peer);
        raw.now = raw.now.add(rtt);
        let outs = raw.answer_syn();
        assert_eq!(outs, [out(ACK, 1, 1, 0)]);
        assert_eq!(raw.state(), ConnState::Established);
        raw
    }

    pub(crate) fn established() -> Self {
        Self::established_with(Peer::default())
    }

    pub(crate) fn fin_wait_1() -> Self {
        let mut raw = Self::established();
        assert_eq!(raw.shutdown(), [out(FIN_ACK, 1, 1, 0)]);
        assert_eq!(raw.state(), ConnState::FinWait1);
        raw
    }

    pub(crate) fn fin_wait_2() -> Self {
        let mut raw = Self::fin_wait_1();
        assert_eq!(raw.feed(ACK, 1, 2, 0), []);
        assert_eq!(raw.state(), ConnState::FinWait2);
        raw
    }

    pub(crate) fn close_wait() -> Self {
        let mut raw = Self::established();
        assert_eq!(raw.feed(FIN_ACK, 1, 1, 0), [out(ACK, 1, 2, 0)]);
        assert_eq!(raw.state(), ConnState::CloseWait);
        raw
    }

    pub(crate) fn closing() -> Self {
        let mut raw = Self::fin_wait_1();
        assert_eq!(raw.feed(FIN_ACK, 1, 1, 0), [out(ACK, 2, 2, 0)]);
        assert_eq!(raw.state(), ConnState::Closing);
        raw
    }

    pub(crate) fn last_ack() -> Self {
        let mut raw = Self::close_wait();
        assert_eq!(raw.shutdown(), [out(FIN_ACK, 1, 2, 0)]);
        assert_eq!(raw.state(), ConnState::LastAck);
        raw
    }
}
