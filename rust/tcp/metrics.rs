// SPDX-License-Identifier: GPL-2.0

//! What IP tells TCP of a route, and what TCP tells IP of it. Facts about the kernel's use of the
//! metrics are from ip-route(8) and ip-sysctl.

use super::{config::SocketConfig, congestion::Algorithm, log::fields, time::Duration};

/// What a route says of the connections along it (ip-route(8)); 0 and `None`: nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Metrics {
    /// `initcwnd`: the initial congestion window, segments.
    pub(crate) init_cwnd: u16,
    /// `initrwnd`: the window to offer at first, segments.
    pub(crate) init_rwnd: u16,
    /// `window`: the largest window to offer, bytes.
    pub(crate) window: u32,
    /// `cwnd lock`: the largest congestion window, segments.
    pub(crate) most_cwnd: u16,
    /// `ssthresh`: the first slow-start threshold, segments.
    pub(crate) ssthresh: u16,
    /// `rto_min lock`: the least retransmission time-out, milliseconds.
    pub(crate) rto_min_ms: u16,
    /// `reordering`: by how many segments one has to be overtaken to count as lost at once.
    pub(crate) reordering: u16,
    /// `advmss`: the MSS option to send, bytes.
    pub(crate) adv_mss: u16,
    /// `quickack`: no ACK is delayed.
    pub(crate) quick_ack: bool,
    /// `features ecn`: ECN is asked for and accepted.
    pub(crate) ecn: bool,
    /// `congctl`: the congestion control.
    pub(crate) congestion: Option<Algorithm>,
    /// `congctl lock`: which the user can't exchange.
    pub(crate) congestion_locked: bool,
}

fields!(Metrics {
    init_cwnd,
    init_rwnd,
    window,
    most_cwnd,
    ssthresh,
    rto_min_ms,
    reordering,
    adv_mss,
    quick_ack,
    ecn,
    congestion,
    congestion_locked,
});

impl Default for Metrics {
    fn default() -> Self {
        Self::NONE
    }
}

impl Metrics {
    /// A route that says nothing.
    pub(crate) const NONE: Self = Self {
        init_cwnd: 0,
        init_rwnd: 0,
        window: 0,
        most_cwnd: 0,
        ssthresh: 0,
        rto_min_ms: 0,
        reordering: 0,
        adv_mss: 0,
        quick_ack: false,
        ecn: false,
        congestion: None,
        congestion_locked: false,
    };

    /// The largest window to offer, bytes; 0: no bound. The user's (TCP_WINDOW_CLAMP) comes first.
    pub(crate) fn window_clamp(&self, config: &SocketConfig) -> u32 {
        match config.window_clamp {
            0 => self.window,
            own => own,
        }
    }

    /// The most that is offered at first in segments of `segment` bytes; `u32::MAX`: any.
    pub(crate) fn first_window(&self, segment: u16) -> u32 {
        match self.init_rwnd {
            0 => u32::MAX,
            segments => u32::from(segments).saturating_mul(u32::from(segment)),
        }
    }

    /// What the MSS option says: what the route takes, unless the route says what else, and no more
    /// than the user wants (TCP_MAXSEG; 0: any).
    pub(crate) fn offered_mss(&self, mss_route: u16, user_mss: u16) -> u16 {
        let mss = match self.adv_mss {
            0 => mss_route,
            said => said,
        };
        match user_mss {
            0 => mss,
            user => mss.min(user),
        }
    }

    /// The least time-out, if the route says it. It comes before the user's (TCP_RTO_MIN_US), as in
    /// Linux.
    pub(crate) fn rto_min(&self) -> Option<Duration> {
        (self.rto_min_ms != 0).then_some(Duration::from_millis(u64::from(self.rto_min_ms)))
    }
}

/// What IP should know of a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Advice {
    /// What is sent arrives, so the neighbour is there: no need to ask it (RFC 4861, 7.3.1; RFC 1122,
    /// 2.3.2.1).
    Arrives,
    /// Nothing was heard after R1 time-outs in a row: the route may be dead (RFC 9293, 3.8.3; RFC 1122,
    /// 3.3.1.4).
    Doubtful,
}
