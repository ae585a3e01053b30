// SPDX-License-Identifier: GPL-2.0

//! What can be told of a connection (RFC 9293, 3.10.6: STATUS; RFC 4898 for most counters).
//!
//! Counting is done where things happen; this file keeps the counters and takes the snapshot.

use super::{
    connection::{Connection, FastFail},
    context::Cx,
    ecn::Account,
    platform::Platform,
    send::Recovery,
    state::ConnState,
    time::{Duration, Instant},
};

/// What keeps a sender from sending, or that nothing does.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Limit {
    /// There is nothing to send and nothing out.
    #[default]
    Idle,
    /// The network: the congestion window, or segments that are under way.
    Network,
    /// The peer's window.
    Window,
    /// The send buffer: everything in it is out, and the user has more.
    Buffer,
}

/// How long a sender was limited by what.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Limits {
    now: Limit,
    since: Instant,
    network: Duration,
    window: Duration,
    buffer: Duration,
}

impl Limits {
    /// From `now` on the sender is limited by `limit`.
    pub(crate) fn note(&mut self, limit: Limit, now: Instant) {
        if limit != self.now {
            *self = self.until(now);
            self.now = limit;
            self.since = now;
        }
    }

    /// The sums up to `now`.
    fn until(mut self, now: Instant) -> Self {
        let span = now.since(self.since);
        match self.now {
            Limit::Idle => {}
            Limit::Network => self.network = self.network.add(span),
            Limit::Window => self.window = self.window.add(span),
            Limit::Buffer => self.buffer = self.buffer.add(span),
        }
        self.since = now;
        self
    }
}

/// Counters of one connection.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Stats {
    /// Segments that came in, also those that were dropped.
    segs_in: u32,
    /// Of these, those with payload.
    data_segs_in: u32,
    /// Segments sent, retransmissions included.
    segs_out: u32,
    /// Of these, those with payload.
    data_segs_out: u32,
    /// Segments of data (or a FIN) sent for the first time.
    fresh: u32,
    /// Segments retransmitted.
    retrans: u32,
    /// Payload sent, retransmissions included, bytes.
    bytes_sent: u64,
    /// Payload retransmitted, bytes.
    bytes_retrans: u64,
    /// Sequence numbers acknowledged.
    pub(super) bytes_acked: u64,
    /// Segments that the peer reported to have got twice (RFC 2883).
    pub(crate) dsacks: u32,
    /// ACKs that told of reordering.
    pub(crate) reordered: u32,
    /// Segments that came out of order.
    pub(crate) out_of_order: u32,
    /// Time-outs, of a SYN too.
    rtos: u16,
    /// Rows of time-outs.
    rto_rows: u16,
    /// How long the rows that are over lasted.
    rto_time: Duration,
    /// When the row that is not over began.
    rto_since: Option<Instant>,
    /// What the sender was limited by.
    pub(crate) limits: Limits,
}

impl Stats {
    /// `segs` segments came in as one, with `payload` bytes.
    pub(crate) fn came_in(&mut self, segs: u32, payload: u32) {
        self.segs_in = self.segs_in.wrapping_add(segs);
        if payload > 0 {
            self.data_segs_in = self.data_segs_in.wrapping_add(segs);
        }
    }

    /// Whether any payload came in.
    pub(crate) fn got_data(&self) -> bool {
        self.data_segs_in > 0
    }

    /// A segment without payload goes out; `again`: a SYN or FIN, retransmitted.
    pub(crate) fn went_out(&mut self, again: bool) {
        self.segs_out = self.segs_out.wrapping_add(1);
        self.retrans = self.retrans.wrapping_add(u32::from(again));
    }

    /// Whether anything went out.
    pub(crate) fn has_sent(&self) -> bool {
        self.segs_out > 0
    }

    /// `len` bytes go out in segments of `mss`, behind a header that [`Self::went_out`] counted.
    pub(crate) fn data_went_out(&mut self, len: u32, mss: u32, again: bool) {
        let segs = segments(len, mss);
        self.segs_out = self.segs_out.wrapping_add(segs.saturating_sub(1));
        self.data_segs_out = self.data_segs_out.wrapping_add(segs);
        self.bytes_sent = self.bytes_sent.saturating_add(u64::from(len));
        if again {
            self.retrans = self.retrans.wrapping_add(segs);
            self.bytes_retrans = self.bytes_retrans.saturating_add(u64::from(len));
        } else {
            self.fresh = self.fresh.wrapping_add(segs);
        }
    }

    /// So many segments of what went out did not leave.
    pub(crate) fn took_back(&mut self, segs: u32) {
        self.fresh = self.fresh.wrapping_sub(segs);
    }

    /// `n` sequence numbers were acknowledged, which ends a row of time-outs.
    pub(crate) fn acked(&mut self, n: u32, now: Instant) {
        self.bytes_acked = self.bytes_acked.saturating_add(u64::from(n));
        if let Some(since) = self.rto_since.take() {
            self.rto_time = self.rto_time.add(now.since(since));
        }
    }

    /// Before there was a connection its SYN-ACK was sent again so many `times`; `lasted`: for how long
    /// its answer was waited for.
    pub(crate) fn began_late(&mut self, times: u8, lasted: Duration) {
        if times > 0 {
            self.segs_out = self.segs_out.wrapping_add(u32::from(times));
            self.retrans = u32::from(times);
            self.rtos = u16::from(times);
            self.rto_rows = 1;
            self.rto_time = lasted;
        }
    }

    /// A retransmission time-out.
    pub(crate) fn timed_out(&mut self, now: Instant) {
        self.rtos = self.rtos.saturating_add(1);
        if self.rto_since.is_none() {
            self.rto_since = Some(now);
            self.rto_rows = self.rto_rows.saturating_add(1);
        }
    }
}

/// `bytes` in segments of `mss`, rounded up.
pub(crate) fn segments(bytes: u32, mss: u32) -> u32 {
    bytes
        .checked_add(mss.saturating_sub(1))
        .and_then(|n| n.checked_div(mss))
        .unwrap_or(bytes)
}

/// The full segments of `mss` that go into a window of `bytes`: at least one, as a crumb goes out too.
pub(crate) fn full_segments(bytes: u32, mss: u32) -> u32 {
    bytes.checked_div(mss).unwrap_or(bytes).max(1)
}

/// Where loss recovery stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// No trouble.
    Open,
    /// Duplicate ACKs or SACK blocks, and no loss found yet.
    Disorder,
    /// Fast recovery.
    Recovery,
    /// After a time-out.
    Loss,
}

/// A snapshot of a connection. Windows and data in bytes unless a field says segments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Info {
    /// Loss recovery.
    pub(crate) phase: Phase,
    /// Time-outs in a row; probes of a shut window; doublings of the time-out.
    pub(crate) retransmits: u8,
    /// Window and keepalive probes without an answer, or tries to get past a full local queue.
    pub(crate) probes: u8,
    /// How often the time-out was doubled.
    pub(crate) backoff: u8,
    /// Timestamps are in use.
    pub(crate) timestamps: bool,
    /// SACK is in use.
    pub(crate) sack: bool,
    /// ECN.
    pub(crate) ecn: Account,
    /// The peer's window scale and ours, if scaling is in use.
    pub(crate) wscale: Option<(u8, u8)>,
    /// The retransmission time-out.
    pub(crate) rto: Duration,
    /// The time that an ACK may be delayed.
    pub(crate) ato: Duration,
    /// Most payload in a segment of ours.
    pub(crate) snd_mss: u32,
    /// Largest payload in a segment of the peer's.
    pub(crate) rcv_mss: u32,
    /// The MSS that we advertise, less the options of every segment.
    pub(crate) advmss: u32,
    /// Largest segment that the route takes, TCP options not subtracted.
    pub(crate) mss_route: u16,
    /// Segments out.
    pub(crate) unacked: u32,
    /// Segments selectively acknowledged.
    pub(crate) sacked: u32,
    /// Segments taken to be lost.
    pub(crate) lost: u32,
    /// Retransmitted segments out.
    pub(crate) retrans: u32,
    /// How long ago data was last sent, last came, and anything last came.
    pub(crate) since_data_sent: Duration,
    /// See above.
    pub(crate) since_data_recv: Duration,
    /// See above.
    pub(crate) since_recv: Duration,
    /// Smoothed round-trip time and its variation.
    pub(crate) rtt: Duration,
    /// See above.
    pub(crate) rttvar: Duration,
    /// Least round-trip time seen; `None`: none measured.
    pub(crate) min_rtt: Option<Duration>,
    /// Slow-start threshold, segments; `None`: none yet.
    pub(crate) ssthresh: Option<u32>,
    /// Congestion window, segments.
    pub(crate) cwnd: u32,
    /// Data read in a round trip, at most.
    pub(crate) rcv_space: u32,
    /// The round-trip time as far as what was received tells of it; zero: not at all.
    pub(crate) rcv_rtt: Duration,
    /// The window that the receiver would offer now.
    pub(crate) rcv_ssthresh: u32,
    /// Retransmitted segments in all.
    pub(crate) total_retrans: u32,
    /// The rate at which the window is meant to be sent, bytes a second.
    pub(crate) pacing_rate: u64,
    /// The rate at which data was delivered last, bytes a second; 0: not known.
    pub(crate) delivery_rate: u64,
    /// That rate was bounded by how much there was to send.
    pub(crate) app_limited: bool,
    /// Sequence numbers acknowledged.
    pub(crate) bytes_acked: u64,
    /// Payload received in order.
    pub(crate) bytes_received: u64,
    /// Payload sent, retransmissions included.
    pub(crate) bytes_sent: u64,
    /// Payload retransmitted.
    pub(crate) bytes_retrans: u64,
    /// Payload queued and not sent.
    pub(crate) notsent: u32,
    /// Segments sent and received, and those of them with payload.
    pub(crate) segs_out: u32,
    /// See above.
    pub(crate) segs_in: u32,
    /// See above.
    pub(crate) data_segs_out: u32,
    /// See above.
    pub(crate) data_segs_in: u32,
    /// Segments that arrived at the peer, as far as it told.
    pub(crate) delivered: u32,
    /// How long there was something to send; of this, how long the peer's window, and how long
    /// the send buffer, was what limited it.
    pub(crate) busy: Duration,
    /// See above.
    pub(crate) rwnd_limited: Duration,
    /// See above.
    pub(crate) sndbuf_limited: Duration,
    /// Segments that the peer reported to have got twice.
    pub(crate) dsack_dups: u32,
    /// Data on the SYN was taken.
    pub(crate) syn_data: bool,
    /// A listener's Fast Open made the connection.
    pub(crate) fast_child: bool,
    /// Why there was no data on our SYN, or it was not taken.
    pub(crate) fast_fail: FastFail,
    /// How many ACKs told of reordering.
    pub(crate) reord_seen: u32,
    /// How many segments are overtaken at most, as far as was seen.
    pub(crate) reordering: u32,
    /// Segments that came out of order.
    pub(crate) out_of_order: u32,
    /// The peer's window and ours.
    pub(crate) snd_wnd: u32,
    /// See above.
    pub(crate) rcv_wnd: u32,
    /// Time-outs, rows of them, and how long these lasted.
    pub(crate) total_rto: u16,
    /// See above.
    pub(crate) rto_rows: u16,
    /// See above.
    pub(crate) rto_time: Duration,
}

/// What /proc/net/tcp tells of a connection besides queues and timers.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code)] // For the kernel.
pub(crate) struct Brief {
    /// The retransmission time-out.
    pub(crate) rto: Duration,
    /// The delay of an ACK.
    pub(crate) ato: Duration,
    /// How many more ACKs go out at once.
    pub(crate) quick: u8,
    /// ACKs wait for data to ride on.
    pub(crate) interactive: bool,
    /// The congestion window, bytes.
    pub(crate) cwnd: u32,
    /// The slow-start threshold, bytes; `u32::MAX` before the first congestion.
    pub(crate) ssthresh: u32,
    /// What both are divided by to count segments.
    pub(crate) mss: u32,
}

impl<P: Platform> Connection<P> {
    /// The snapshot for /proc.
    #[allow(dead_code)] // For the kernel.
    pub(crate) fn brief(&self, cx: &Cx<'_, P>) -> Brief {
        Brief {
            rto: self.rto(cx),
            ato: self.delack(cx),
            quick: self.recv.quick,
            interactive: !self.quickack(),
            cwnd: self.cwnd(),
            ssthresh: self.ssthresh(),
            mss: self.mss().max(1),
        }
    }

    /// The snapshot.
    pub(crate) fn info(&self, cx: &Cx<'_, P>) -> Info {
        let (send, stats, now) = (&self.send, &self.stats, cx.now);
        let mss = self.mss().max(1);
        let synchronized = self.state().is_synchronized();
        // Until the peer answered, options are what was offered, and none is in use.
        let answered = self.state() != ConnState::SynSent;
        let limits = if synchronized {
            stats.limits.until(now)
        } else {
            stats.limits
        };
        let unacked = segments(send.in_flight(), mss).max(send.buffers());
        let sacked = segments(send.sacked, mss);
        let srtt = self.srtt().unwrap_or_default();
        let (delivery_rate, app_limited) = self.delivery_rate();
        let probing = send.in_flight() == 0;
        Info {
            phase: match send.recovery {
                Recovery::Open if send.sacked > 0 || send.dupacks > 0 => Phase::Disorder,
                Recovery::Open => Phase::Open,
                Recovery::Fast(_) => Phase::Recovery,
                Recovery::Loss(_) => Phase::Loss,
            },
            retransmits: if probing { 0 } else { self.retries() },
            probes: if probing {
                self.probes().max(self.refusals())
            } else {
                0
            },
            backoff: self.backoff(),
            timestamps: answered && self.ts_enabled(),
            sack: answered && self.sack_enabled(),
            ecn: self.ecn_account(),
            wscale: (answered && self.scales()).then_some((send.wscale, self.recv.wscale)),
            rto: self.rto(cx),
            ato: self.delack(cx),
            snd_mss: mss,
            rcv_mss: self.recv.peer_mss(self.advertised_mss()),
            advmss: self.advertised_mss(),
            mss_route: self.mss_route(),
            unacked,
            sacked,
            lost: segments(send.lost, mss),
            retrans: segments(send.retrans, mss),
            since_data_sent: now.since(self.last_sent()),
            since_data_recv: now.since(self.last_data()),
            since_recv: now.since(self.last_recv()),
            rtt: srtt,
            rttvar: self.rttvar(),
            min_rtt: self.min_rtt(),
            ssthresh: (self.ssthresh() < u32::MAX).then(|| full_segments(self.ssthresh(), mss)),
            cwnd: full_segments(self.cwnd(), mss),
            rcv_rtt: self.recv.rtt().unwrap_or_default(),
            rcv_space: self.recv.space(),
            rcv_ssthresh: self.recv.window_available(mss),
            total_retrans: stats.retrans,
            pacing_rate: self.pacing_rate(),
            delivery_rate,
            // What is not known is not the network's rate.
            app_limited: app_limited || delivery_rate == 0,
            bytes_acked: stats.bytes_acked,
            bytes_received: self.recv.received,
            bytes_sent: stats.bytes_sent,
            bytes_retrans: stats.bytes_retrans,
            notsent: self.unsent(),
            segs_out: stats.segs_out,
            segs_in: stats.segs_in,
            data_segs_out: stats.data_segs_out,
            data_segs_in: stats.data_segs_in,
            // The SYN counts too, as in Linux.
            delivered: if synchronized {
                stats
                    .fresh
                    .wrapping_add(1)
                    .wrapping_sub(unacked)
                    .wrapping_add(sacked)
            } else {
                0
            },
            busy: limits.network.add(limits.window).add(limits.buffer),
            rwnd_limited: limits.window,
            sndbuf_limited: limits.buffer,
            dsack_dups: stats.dsacks,
            syn_data: self.syn_data,
            fast_child: self.is_fast_child(),
            fast_fail: self.fast_fail(),
            reord_seen: stats.reordered,
            reordering: segments(send.rack.distance(), mss)
                .max(send.rack.threshold())
                .min(cx.net.max_reordering),
            out_of_order: stats.out_of_order,
            snd_wnd: send.wnd,
            rcv_wnd: self.recv.wnd(),
            total_rto: stats.rtos,
            rto_rows: stats.rto_rows,
            rto_time: match stats.rto_since {
                Some(since) => stats.rto_time.add(now.since(since)),
                None => stats.rto_time,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn limits_add_up_what_was_between_the_changes() {
        let mut limits = Limits::default();
        limits.note(Limit::Network, at(10));
        limits.note(Limit::Network, at(15));
        limits.note(Limit::Window, at(30));
        limits.note(Limit::Idle, at(70));
        limits.note(Limit::Buffer, at(100));
        let sums = limits.until(at(105));
        assert_eq!(sums.network, Duration::from_millis(20));
        assert_eq!(sums.window, Duration::from_millis(40));
        assert_eq!(sums.buffer, Duration::from_millis(5));
    }

    #[test]
    fn segments_are_rounded_up() {
        assert_eq!(segments(0, 1000), 0);
        assert_eq!(segments(1, 1000), 1);
        assert_eq!(segments(1000, 1000), 1);
        assert_eq!(segments(1001, 1000), 2);
        assert_eq!(segments(7, 0), 7);
    }

    #[test]
    fn a_row_of_timeouts_lasts_until_something_is_acknowledged() {
        let mut stats = Stats::default();
        stats.timed_out(at(100));
        stats.timed_out(at(300));
        stats.acked(5, at(450));
        stats.timed_out(at(1000));
        assert_eq!((stats.rtos, stats.rto_rows), (3, 2));
        assert_eq!(stats.rto_time, Duration::from_millis(350));
        assert_eq!(stats.bytes_acked, 5);
    }
}
