// SPDX-License-Identifier: GPL-2.0

//! What is left of a connection in TIME-WAIT, or in FIN-WAIT-2 when its user is gone: a small
//! entry that answers late segments (RFC 9293, section 3.10.7.4; RFC 1337; RFC 6191).

use super::{
    connection::Timestamping,
    context::Cx,
    mib::Mib,
    platform::Platform,
    seq::SeqNum,
    state::ConnState,
    time::{Duration, Instant},
    wire::{Flags, Header, Options, Segment, Timestamps},
};

/// The entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeWait {
    waits_for_fin: bool,
    snd_nxt: SeqNum,
    rcv_nxt: SeqNum,
    /// The window as offered last, bytes and header's field.
    window: u32,
    wnd: u16,
    /// The ACE field of accurate ECN, if that was agreed to.
    count: Flags,
    ts: Timestamping,
    deadline: Instant,
    /// When it became TIME-WAIT (or FIN-WAIT-2).
    since: Instant,
    last_reply: Instant,
}

const _: () = assert!(core::mem::size_of::<TimeWait>() <= 160);

/// What became of a segment.
#[must_use]
pub(crate) enum TimeWaitOn {
    /// Nothing.
    Drop,
    /// Send this.
    Reply(Header),
    /// The entry ends, and this goes to the peer if there is something to say.
    Remove(Option<Header>),
    /// A SYN that may start a new connection (RFC 9293, MAY-2; RFC 6191): remove the entry, give
    /// the SYN to the listener, and let it number from here.
    NewConnection(SeqNum),
}

impl TimeWait {
    /// The entry of a connection that ends now.
    pub(crate) fn new(
        waits_for_fin: bool,
        snd_nxt: SeqNum,
        rcv_nxt: SeqNum,
        (window, wscale): (u32, u8),
        ts: Timestamping,
        now: Instant,
        lasts: Duration,
    ) -> Self {
        Self {
            waits_for_fin,
            snd_nxt,
            rcv_nxt,
            window,
            wnd: u16::try_from(window >> wscale.min(14)).unwrap_or(u16::MAX),
            count: Flags::default(),
            ts,
            deadline: now.add(lasts),
            since: now,
            last_reply: Instant::default(),
        }
    }

    /// With these flags on each ACK: the counter of accurate ECN (RFC 9768, 3.2.2.2), which stands
    /// still from now on.
    pub(crate) fn counting(self, count: Flags) -> Self {
        Self { count, ..self }
    }

    /// When the entry ends by itself.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// FIN-WAIT-2 or TIME-WAIT.
    pub(crate) fn state(&self) -> ConnState {
        if self.waits_for_fin {
            ConnState::FinWait2
        } else {
            ConnState::TimeWait
        }
    }

    /// The acknowledgment of everything.
    pub(crate) fn ack(&self, now: Instant) -> Header {
        Header {
            seq: self.snd_nxt,
            ack: self.rcv_nxt,
            flags: Flags::ACK.with(self.count),
            wnd: self.wnd,
            urg: 0,
            options: Options {
                timestamps: self.ts.enabled.then(|| Timestamps {
                    val: self.ts.val(now),
                    ecr: self.ts.recent,
                }),
                ..Options::default()
            },
        }
    }

    /// Where another connection between the same ends numbers from: beyond what a window that is not
    /// scaled could still hold of this one.
    fn next_iss(&self) -> SeqNum {
        self.snd_nxt.add(65_535).add(2)
    }

    /// Whether an active open between the same ends may take the entry's place, and from where it
    /// numbers then. RFC 6191, section 2, from the other side: the peer lets a SYN in whose timestamp
    /// is later than any of this connection's, and PAWS keeps what is left of it out. So both have to
    /// use timestamps, and our clock has to have moved on since (tcp_tw_reuse_delay), unless the
    /// user `chose` the port. `on_loopback`: neither end is another host.
    pub(crate) fn successor<P: Platform>(
        &self,
        cx: &Cx<'_, P>,
        chose: bool,
        on_loopback: bool,
    ) -> Option<SeqNum> {
        let allowed = match cx.net.tw_reuse {
            0 => false,
            1 => true,
            _ => on_loopback,
        };
        let waited = cx.now.since(self.since) > cx.net.tw_reuse_delay;
        let searched = allowed && waited && !self.waits_for_fin;
        (self.ts.enabled && (chose || searched)).then(|| self.next_iss())
    }

    /// An ACK, unless one went out just now: two TIME-WAITs must not talk for ever.
    fn limited_ack<P: Platform>(&mut self, cx: &Cx<'_, P>) -> TimeWaitOn {
        if self.last_reply != Instant::default()
            && cx.now.since(self.last_reply) < cx.net.invalid_ratelimit
        {
            return TimeWaitOn::Drop;
        }
        self.last_reply = cx.now;
        TimeWaitOn::Reply(self.ack(cx.now))
    }

    /// A segment arrived.
    pub(crate) fn handle_segment<P: Platform>(
        &mut self,
        cx: &Cx<'_, P>,
        seg: &Segment,
    ) -> TimeWaitOn {
        let ts = if self.ts.enabled {
            seg.header.options.timestamps
        } else {
            None
        };
        let old = ts.is_some_and(|ts| self.ts.is_old(ts.val, cx.now));
        if self.waits_for_fin {
            return self.in_fin_wait_2(cx, seg, old);
        }
        if seg.has(Flags::RST) {
            // RFC 1337: the assassin's RST is not obeyed if the administrator says so.
            return if seg.header.seq == self.rcv_nxt && !cx.net.rfc1337 {
                TimeWaitOn::Remove(None)
            } else {
                TimeWaitOn::Drop
            };
        }
        if seg.has(Flags::SYN) && !seg.has(Flags::ACK) {
            let newer = match ts {
                // RFC 6191, section 2: by timestamp if there are any, else by sequence number.
                Some(ts) => ts.val.wrapping_sub(self.ts.recent).wrapping_sub(1) < i32::MAX as u32,
                None => false,
            };
            // SYN and FIN together open nothing: no listener would take it.
            if (newer || seg.header.seq.after(self.rcv_nxt) && !old) && !seg.has(Flags::FIN) {
                cx.count(Mib::TWRecycled);
                return TimeWaitOn::NewConnection(self.next_iss());
            }
            return self.limited_ack(cx);
        }
        if old {
            cx.count(Mib::PAWSEstab);
            return self.limited_ack(cx);
        }
        if seg.has(Flags::FIN) && seg.end() == self.rcv_nxt {
            // The peer missed our last ACK.
            self.deadline = cx.now.add(cx.net.time_wait);
            return TimeWaitOn::Reply(self.ack(cx.now));
        }
        if seg.len() > 0 || seg.header.seq != self.rcv_nxt {
            return self.limited_ack(cx);
        }
        TimeWaitOn::Drop
    }

    /// The user is gone and the peer has not closed.
    fn in_fin_wait_2<P: Platform>(
        &mut self,
        cx: &Cx<'_, P>,
        seg: &Segment,
        old: bool,
    ) -> TimeWaitOn {
        let window_end = self.rcv_nxt.add(self.window.max(1));
        // RFC 7323, 5.3, R1: a RST is not judged by its timestamp. RFC 9293, 3.10.7.4: what has
        // length and ends where we are is a repetition, and is acknowledged.
        let repeated = if seg.len() > 0 {
            seg.end().before_or_eq(self.rcv_nxt)
        } else {
            seg.end().before(self.rcv_nxt)
        };
        if (old && !seg.has(Flags::RST)) || repeated || seg.header.seq.after(window_end) {
            return if seg.has(Flags::RST) {
                TimeWaitOn::Drop
            } else {
                self.limited_ack(cx)
            };
        }
        if seg.has(Flags::RST) {
            return if seg.header.seq == self.rcv_nxt {
                TimeWaitOn::Remove(None)
            } else {
                self.limited_ack(cx)
            };
        }
        if seg.has(Flags::SYN) {
            return self.limited_ack(cx);
        }
        if !seg.has(Flags::ACK) {
            return TimeWaitOn::Drop;
        }
        // RFC 5961, 5.2. Everything of ours is acknowledged; the largest window of the peer's is not known any more.
        let ack = seg.header.ack;
        if ack.after(self.snd_nxt) || ack.before(self.snd_nxt.sub(1 << 30)) {
            return self.limited_ack(cx);
        }
        // A FIN may come with a repetition of data that was read long ago; only data behind
        // RCV.NXT is lost on the user.
        let data_end = seg.header.seq.add(seg.payload_len);
        if seg.payload_len > 0 && data_end.after(self.rcv_nxt) {
            // RFC 9293, 3.6.1: nobody is left to read it.
            cx.count(Mib::TCPAbortOnData);
            let header = Header {
                seq: seg.header.ack,
                flags: Flags::RST,
                ..Header::default()
            };
            return TimeWaitOn::Remove(Some(header));
        }
        if seg.has(Flags::FIN) && data_end == self.rcv_nxt {
            self.rcv_nxt = self.rcv_nxt.add(1);
            self.waits_for_fin = false;
            self.since = cx.now;
            self.deadline = cx.now.add(cx.net.time_wait);
            if let Some(ts) = seg.header.options.timestamps {
                self.ts.recent = ts.val;
                self.ts.recent_at = cx.now;
            }
            return TimeWaitOn::Reply(self.ack(cx.now));
        }
        TimeWaitOn::Drop
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Host;
    use crate::tcp::config::NetConfig;

    fn run(seq: u32, payload_len: u32, flags: Flags, tsval: Option<u32>) -> (TimeWaitOn, TimeWait) {
        run_with(seq, 500, payload_len, flags, tsval)
    }

    fn run_with(
        seq: u32,
        ack: u32,
        payload_len: u32,
        flags: Flags,
        tsval: Option<u32>,
    ) -> (TimeWaitOn, TimeWait) {
        let net = NetConfig::default();
        let mib = Default::default();
        let now = Instant::from_nanos(5_000_000_000);
        let cx: Cx<'_, Host> = Cx {
            now,
            net: &net,
            mib: &mib,
        };
        let ts = Timestamping {
            enabled: tsval.is_some(),
            offset: 0,
            recent: 1000,
            recent_at: now,
        };
        let mut tw = TimeWait::new(
            true,
            SeqNum::new(500),
            SeqNum::new(10_000),
            (65535, 0),
            ts,
            now,
            Duration::from_secs(60),
        );
        let options = Options {
            timestamps: tsval.map(|val| Timestamps { val, ecr: 0 }),
            ..Options::default()
        };
        let header = Header {
            seq: SeqNum::new(seq),
            ack: SeqNum::new(ack),
            flags,
            wnd: 100,
            urg: 0,
            options,
        };
        let on = tw.handle_segment(
            &cx,
            &Segment {
                header,
                payload_len,
                ..Segment::default()
            },
        );
        (on, tw)
    }

    #[test]
    fn retransmitted_data_with_new_fin_closes() {
        let (on, tw) = run(9_900, 100, Flags::ACK.with(Flags::FIN), None);
        assert!(
            matches!(on, TimeWaitOn::Reply(h) if h.flags == Flags::ACK && h.ack == SeqNum::new(10_001))
        );
        assert_eq!(tw.state(), ConnState::TimeWait);
    }
    #[test]
    fn retransmitted_last_data_is_acked() {
        let (on, _) = run(9_900, 100, Flags::ACK, None);
        assert!(matches!(on, TimeWaitOn::Reply(_)));
    }
    /// RFC 9293, 3.10.7.4, first and fifth, and RFC 5961, 5.2: data that is in the window as it was offered, and
    /// acknowledges what was sent, tells that the peer writes to nobody; what a blind attacker makes up does not.
    #[test]
    fn rfc5961_5_2_blind_data_ends_no_fin_wait_2() {
        let ends = |seq, ack| {
            let (on, _) = run_with(seq, ack, 1, Flags::ACK, None);
            assert!(matches!(
                on,
                TimeWaitOn::Remove(Some(_)) | TimeWaitOn::Reply(_)
            ));
            matches!(on, TimeWaitOn::Remove(_))
        };
        assert!(ends(10_000, 500) && ends(10_000 + 65_535, 500));
        assert!(ends(10_000, 400), "overtaken");
        assert!(!ends(10_000 + 65_536, 500) && !ends(500_000_000, 500));
        assert!(!ends(10_000, 501) && !ends(10_000, 500 + (1 << 31) - 1));
        assert!(!ends(10_000, 499u32.wrapping_sub(1 << 30)));
    }
    #[test]
    fn paws_spares_rst() {
        let (on, _) = run(10_000, 0, Flags::RST, Some(900));
        assert!(matches!(on, TimeWaitOn::Remove(None)));
    }
    /// RFC 6191, 2: a new connection between the same ends needs timestamps that tell the two
    /// apart. Documentation/networking/ip-sysctl.rst, tcp_tw_reuse and tcp_tw_reuse_delay.
    #[test]
    fn rfc6191_2_an_active_open_may_take_the_place() {
        let mib = Default::default();
        let entered = Instant::from_nanos(5_000_000_000);
        let ask = |reuse: u8, chose: bool, loopback: bool, ms: u64, ts: bool, fin: bool| {
            let (_, mut tw) = run(10_000, 0, Flags::ACK.with(Flags::FIN), ts.then_some(2_000));
            tw.waits_for_fin = fin;
            let net = NetConfig {
                tw_reuse: reuse,
                ..NetConfig::default()
            };
            let cx: Cx<'_, Host> = Cx {
                now: entered.add(Duration::from_millis(ms)),
                net: &net,
                mib: &mib,
            };
            tw.successor(&cx, chose, loopback).is_some()
        };
        let rows = [
            // reuse, chosen, loopback, ms, timestamps, FIN-WAIT-2: the answer
            (1, false, false, 1_001, true, false, true),
            (1, false, false, 1_000, true, false, false),
            (1, false, false, 1_001, false, false, false),
            (1, false, false, 1_001, true, true, false),
            (0, false, true, 5_000, true, false, false),
            (2, false, true, 1_001, true, false, true),
            (2, false, false, 1_001, true, false, false),
            (0, true, false, 0, true, false, true),
            (0, true, false, 0, true, true, true),
            (1, true, true, 9_000, false, false, false),
        ];
        for (reuse, chose, loopback, ms, ts, fin, want) in rows {
            let got = ask(reuse, chose, loopback, ms, ts, fin);
            assert_eq!(got, want, "{reuse} {chose} {loopback} {ms} {ts} {fin}");
        }
        let (_, tw) = run(10_000, 0, Flags::ACK.with(Flags::FIN), None);
        assert_eq!(tw.next_iss(), SeqNum::new(500 + 65_537));
    }
    #[test]
    fn control_plain_fin() {
        let (on, tw) = run(10_000, 0, Flags::ACK.with(Flags::FIN), None);
        assert!(matches!(on, TimeWaitOn::Reply(_)));
        assert_eq!(tw.state(), ConnState::TimeWait);
    }
}
