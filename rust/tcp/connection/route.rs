// SPDX-License-Identifier: GPL-2.0

//! The route: what it says of the connection ([`Metrics`]), and what IP should know of it
//! ([`Advice`]).

use super::{nonzero_or, Connection};
use crate::tcp::{
    context::Cx,
    log::{put, Kind, Kinds},
    metrics::{Advice, Metrics},
    platform::Platform,
    time::Duration,
};

/// By how much a delayed ACK comes before the least time-out.
const TICK: Duration = Duration::from_millis(1);

impl<P: Platform> Connection<P> {
    /// What the route says. To be told before OPEN, to a listener's child before it is fed anything,
    /// and whenever the route is another. Once the handshake is complete only the least time-out and
    /// `quickack` follow the route: the rest was agreed on, or has had its effect.
    pub(crate) fn set_metrics(&mut self, cx: &Cx<'_, P>, metrics: Metrics) {
        if self.metrics == metrics {
            return;
        }
        if self.logs(Kinds::INPUTS) {
            self.tick(cx);
            put(&mut self.send.log, Kind::InMetrics, &metrics);
        }
        if self.state.is_synchronized() {
            self.metrics.rto_min_ms = metrics.rto_min_ms;
            self.metrics.quick_ack = metrics.quick_ack;
            return;
        }
        self.metrics = metrics;
        if let Some(algorithm) = metrics.congestion {
            self.exchange_congestion(algorithm);
        }
        self.bound_windows();
    }

    /// Applies what the route says of windows, before the handshake is complete.
    pub(super) fn bound_windows(&mut self) {
        let (mss, offered) = (self.mss(), self.offered_mss());
        self.recv.clamp = self.metrics.window_clamp(&self.config);
        self.recv.first = self.metrics.first_window(offered);
        self.send.rack.set_threshold(self.metrics.reordering);
        let options = self.option_bytes();
        self.cc.follow_route(&self.metrics, mss, options);
    }

    /// What the MSS option says.
    pub(super) fn offered_mss(&self) -> u16 {
        self.metrics
            .offered_mss(self.mss_route, self.config.user_mss)
    }

    /// The MSS that the peer was told, less the options that every segment carries, bytes.
    pub(in crate::tcp) fn advertised_mss(&self) -> u32 {
        u32::from(self.offered_mss().saturating_sub(self.option_bytes()))
    }

    /// Whether the route does not let the user exchange the congestion control.
    pub(crate) fn congestion_is_locked(&self) -> bool {
        self.metrics.congestion_locked
    }

    /// The retransmission time-out now.
    pub(in crate::tcp) fn rto(&self, cx: &Cx<'_, P>) -> Duration {
        self.rtt.rto(self.rto_min(cx), self.rto_max(cx))
    }

    /// The least time-out: the route's, the user's or the namespace's.
    pub(super) fn rto_min(&self, cx: &Cx<'_, P>) -> Duration {
        self.metrics
            .rto_min()
            .unwrap_or(nonzero_or(self.config.rto_min, cx.net.rto_min))
    }

    /// The longest delay of an ACK. A peer may expect the same of the path as we do: the ACK shall come
    /// before its time-out.
    pub(in crate::tcp) fn delack(&self, cx: &Cx<'_, P>) -> Duration {
        let least = self.rto_min(cx).as_nanos();
        let before = Duration::from_nanos(least.saturating_sub(TICK.as_nanos())).max(TICK);
        nonzero_or(self.config.delack_max, cx.net.delack)
            .min(cx.net.delack)
            .min(before)
    }

    /// What IP should know of the route, if there is news. Taken; to be asked for before
    /// [`Self::poll_transmit`], so that what goes out next goes by the route that IP chooses then.
    #[inline]
    pub(crate) fn take_advice(&mut self) -> Option<Advice> {
        self.advice.take()
    }

    /// A time-out; `row` came before it without an answer. RFC 9293, 3.8.3 (MUST-20): from R1 on IP is
    /// told. The same counts for a SYN (MUST-22).
    pub(super) fn doubt_route(&mut self, cx: &Cx<'_, P>, row: u8) {
        if row >= cx.net.retries1 {
            self.advice = Some(Advice::Doubtful);
        }
    }
}
