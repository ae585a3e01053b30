// SPDX-License-Identifier: GPL-2.0

//! Timers: which is due when, and what happens then.

use super::{nonzero_or, CloseReason, Connection, Probe};
use crate::tcp::{
    context::Cx,
    log::{Kind, LossBy},
    mib::Mib,
    platform::Platform,
    recv::AckOwed,
    rtt::INITIAL_RTO,
    send::Recovery,
    seq::SeqNum,
    state::ConnState,
    time::{Duration, Instant},
    timers::Timer,
};

impl<P: Platform> Connection<P> {
    /// The earliest deadline.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// When ACKs that are held back go, which mostly is much sooner than in a tick.
    pub(crate) fn poll_held(&self) -> Option<Instant> {
        self.timers.get(Timer::HeldAck)
    }

    /// The earliest deadline but [`Self::poll_held`].
    #[allow(dead_code)] // For the kernel.
    pub(crate) fn poll_timeout_but_held(&self) -> Option<Instant> {
        self.timers.next_but(Timer::HeldAck)
    }

    /// The timer that is due first.
    #[allow(dead_code)] // For the simulator and the fuzz targets.
    pub(crate) fn next_timer(&self) -> Option<Timer> {
        self.timers.first()
    }

    /// Works off every timer that is due.
    pub(crate) fn handle_timeout(&mut self, cx: &Cx<'_, P>) {
        self.input_at(cx, Kind::InTimeout, &[]);
        if self.timers.take_expired(Timer::DelayedAck, cx.now) && self.recv.owed == AckOwed::Delayed
        {
            self.recv.owed = AckOwed::Now;
            self.interactive = false;
            self.answers = 0;
            cx.count(Mib::DelayedACKs);
        }
        if self.timers.take_expired(Timer::HeldAck, cx.now) {
            self.let_held_go();
        }
        if self.timers.take_expired(Timer::LossProbe, cx.now)
            && self.send.recovery == Recovery::Open
            && self.send.in_flight() > 0
        {
            // RFC 8985, 7.3: the time-out is counted from the probe.
            self.tail_due = true;
            self.rearm_retransmit(cx);
        }
        if self.timers.take_expired(Timer::Retransmit, cx.now) {
            self.on_retransmit_timeout(cx);
        }
        if self.timers.take_expired(Timer::Persist, cx.now) {
            self.on_persist(cx);
        }
        if self.timers.take_expired(Timer::Keepalive, cx.now) {
            self.on_keepalive(cx);
        }
        if self.timers.take_expired(Timer::Reorder, cx.now) && self.send.in_flight() > 0 {
            self.detect_losses(cx, self.send.in_flight());
        }
        // The purpose of these is that the caller polls again.
        let _ = self.timers.take_expired(Timer::Retry, cx.now);
        let _ = self.timers.take_expired(Timer::Pace, cx.now);
    }

    /// A time-out, or a probe of a shut window: if it is the first since something got through, a row begins.
    fn begin_row(&mut self, cx: &Cx<'_, P>) {
        let opening = self.retries == 0 && !self.state.is_synchronized();
        if opening || self.retries_since == Instant::default() {
            self.retries_since = cx.now;
        }
    }

    /// How many retries without an answer are too many.
    fn too_many_retries(&self, cx: &Cx<'_, P>) -> bool {
        if self.config.user_timeout != Duration::ZERO {
            if cx.now.since(self.retries_since) >= self.config.user_timeout {
                return true;
            }
            // For data the user's patience counts in place of the number (MUST-21; RFC 5482).
            if self.state.is_synchronized() && self.send.in_flight() > 0 {
                return false;
            }
        }
        let most = match self.state {
            ConnState::SynReceived if self.fast_open => cx.net.synack_retries,
            ConnState::SynSent => return self.syn_waited_enough(cx),
            ConnState::SynReceived => self.syn_retries(cx),
            // Once in any case, as in Linux: one loss is no sign that nobody is there.
            _ if self.orphan => self.orphan_retries(cx).max(1),
            _ => cx.net.retries2,
        };
        self.retries >= most
    }

    /// Retransmissions of a SYN, each after twice the time.
    fn syn_retries(&self, cx: &Cx<'_, P>) -> u8 {
        match self.config.syn_retries {
            0 => cx.net.syn_retries,
            own => own,
        }
    }

    /// Whether a SYN was sent as often as it may be, those in even time besides, or for as long as
    /// that would have taken with each time-out doubled (as in Linux).
    fn syn_waited_enough(&self, cx: &Cx<'_, P>) -> bool {
        let retries = self.syn_retries(cx);
        let most = retries.saturating_add(cx.net.syn_linear_timeouts);
        // From the first time-out on.
        let patience = (1..=retries).fold(Duration::ZERO, |sum, n| {
            sum.add(INITIAL_RTO.shl(u32::from(n)).min(self.rto_max(cx)))
        });
        self.retries >= most || cx.now.since(self.retries_since) >= patience
    }

    /// Whether the time-out that is about to begin is as long as the last one. RFC 6298, 5.5, would
    /// have it doubled (MUST); a SYN is small, and nobody ever sent many (tcp_syn_linear_timeouts).
    fn stays_linear(&self, cx: &Cx<'_, P>) -> bool {
        if self.state == ConnState::SynSent {
            self.retries <= cx.net.syn_linear_timeouts
        } else {
            (self.config.thin_linear || cx.net.thin_linear_timeouts) && self.is_thin()
        }
    }

    /// RFC 6069, 4.2: ICMP says that what was sent again after a time-out, the first segment that is
    /// out, found no way. So it was not congestion that took it, and the doubling for it is taken back.
    pub(super) fn ease_backoff(&mut self, cx: &Cx<'_, P>, seq: SeqNum) {
        let repairs = matches!(self.send.recovery, Recovery::Loss(_)) && self.rtt.backoff() > 0;
        if !repairs || seq != self.send.una {
            return;
        }
        let Some(at) = self.timers.get(Timer::Retransmit) else {
            return;
        };
        let before = self.rto(cx);
        self.rtt.ease();
        let sooner = before.as_nanos().saturating_sub(self.rto(cx).as_nanos());
        let at = Instant::from_nanos(at.as_nanos().saturating_sub(sooner));
        // If that has passed it is now.
        self.timers.set(Timer::Retransmit, at.max(cx.now));
    }

    /// RFC 6298, 5.4 to 5.6; for 5.7 see the handshake's end.
    fn on_retransmit_timeout(&mut self, cx: &Cx<'_, P>) {
        if self.send.in_flight() == 0 && !self.is_fast_open() {
            return;
        }
        self.begin_row(cx);
        if self.yields_to_crowd(cx) {
            return;
        }
        let over = self.too_many_retries(cx);
        self.fast_timed_out(cx, over);
        if over {
            self.give_up(cx);
            return;
        }
        cx.count(Mib::TCPTimeouts);
        self.stats.timed_out(cx.now);
        self.doubt_route(cx, self.retries);
        if self.state.is_synchronized() {
            self.look_for_black_hole(cx, self.retries);
        }
        self.retries = self.retries.saturating_add(1);
        self.log_event(cx, Kind::Timeout, 0, u32::from(self.retries));
        if matches!(self.state, ConnState::SynSent | ConnState::SynReceived) {
            self.syn_pending = true;
            if self.state == ConnState::SynReceived {
                self.ecn.on_syn_ack_timeout();
            }
            self.syn_sent_at = Instant::default();
        } else {
            // RFC 5681, 3.1: ssthresh is set by what was out when the segment went for the first time.
            let first = self.retries == 1;
            let in_flight = self.send.pipe();
            self.cc.on_rto(in_flight, self.mss(), first);
            self.ecn.on_reduced(self.send.nxt);
            self.ecn.on_timeout(self.retries);
            if self.send.mark_all_lost() {
                cx.count(Mib::TCPSACKReneging);
            }
            self.log_loss(cx, LossBy::Timer, self.send.lost);
            let begins = first && self.send.recovery == Recovery::Open;
            self.send
                .undo
                .begin_timeout(self.send.una, begins, cx.net.frto);
            self.send.recovery = Recovery::Loss(self.send.nxt);
            self.send.dupacks = 0;
            self.send.force_one = true;
            self.tail_due = false;
            self.timers.stop(Timer::Reorder);
            self.timers.stop(Timer::LossProbe);
        }
        if !self.stays_linear(cx) {
            self.rtt.back_off();
        }
        self.rearm_retransmit(cx);
    }

    /// Whether so little is out that duplicate ACKs can't tell of a loss: less than four segments,
    /// and a time-out has not happened too often to be chance (TCP_THIN_LINEAR_TIMEOUTS).
    fn is_thin(&self) -> bool {
        const MOST_LINEAR: u8 = 6;
        self.state.is_synchronized()
            && self.retries <= MOST_LINEAR
            && self.send.in_flight() < self.mss().saturating_mul(4)
    }

    /// RFC 9293, 3.8.6.1: the window is shut and something waits to be sent.
    fn on_persist(&mut self, cx: &Cx<'_, P>) {
        if self.send.in_flight() > 0 || !self.state.is_synchronized() {
            return;
        }
        if self.retry_refused(cx) {
            return;
        }
        self.flush = true;
        if self.send.window_left() > 0 {
            // It was not the peer that held the data back, but the user, who has no more of it.
            self.push_last();
            return;
        }
        self.begin_row(cx);
        // A peer that keeps answering may keep its window shut for ever (MUST-37), unless nobody
        // is left to wait for it.
        if self.has_waited_alone(cx) {
            self.give_up(cx);
            return;
        }
        if self.yields_to_crowd(cx) {
            return;
        }
        if self.too_many_retries(cx) {
            self.give_up(cx);
            return;
        }
        self.retries = self.retries.saturating_add(1);
        self.rtt.back_off();
        self.probe = Probe::Window;
    }

    /// No answer for too long. What ICMP said of the path is the better reason, if it said
    /// anything.
    pub(super) fn give_up(&mut self, cx: &Cx<'_, P>) {
        cx.count(Mib::TCPAbortOnTimeout);
        // RFC 4022, tcpAttemptFails and tcpEstabResets.
        match self.state {
            ConnState::SynSent | ConnState::SynReceived => cx.count(Mib::AttemptFails),
            ConnState::Established | ConnState::CloseWait => cx.count(Mib::EstabResets),
            _ => {}
        }
        let reason = self.soft_error.unwrap_or(CloseReason::TimedOut);
        self.fail(reason);
    }

    /// RFC 9293, 3.8.4.
    fn on_keepalive(&mut self, cx: &Cx<'_, P>) {
        if !self.config.keepalive || !self.state.is_synchronized() {
            return;
        }
        let idle = nonzero_or(self.config.keepidle, cx.net.keepalive_time);
        let interval = nonzero_or(self.config.keepintvl, cx.net.keepalive_intvl);
        let most = if self.config.keepcnt != 0 {
            self.config.keepcnt
        } else {
            cx.net.keepalive_probes
        };
        if self.send.in_flight() > 0 || self.unsent() > 0 {
            // Data is on its way: its own timer finds a dead peer.
            self.timers.set(Timer::Keepalive, cx.now.add(idle));
            return;
        }
        let silent = cx.now.since(self.last_recv);
        if silent < idle {
            self.timers.set(Timer::Keepalive, self.last_recv.add(idle));
            return;
        }
        // RFC 5482: a user timeout counts in place of the number of probes.
        let patience = self.config.user_timeout;
        let dead = if patience == Duration::ZERO {
            self.recv.unheard >= most
        } else {
            self.recv.unheard > 0 && silent >= patience
        };
        if dead {
            let nxt = self.send.nxt;
            self.give_up(cx);
            self.rst_pending = Some(nxt);
            return;
        }
        self.recv.unheard = self.recv.unheard.saturating_add(1);
        self.probe = Probe::Keepalive;
        self.timers.set(Timer::Keepalive, cx.now.add(interval));
    }
}
