// SPDX-License-Identifier: GPL-2.0

//! Congestion control: how much may be in the network.
//!
//! [`Congestion`] is what a connection holds: the window, and one of the closed list of
//! controllers, which can be exchanged at any time. A controller is a set of hooks
//! ([`Controller`]); what all of them share (when to call which hook, the window in recovery) is
//! here. Windows are in bytes.

mod cubic;
mod hystart;
mod reno;

use super::{
    seq::SeqNum,
    time::{Duration, Instant},
};
use cubic::Cubic;
use reno::Reno;

/// Segments in the initial window (RFC 6928).
const INITIAL_SEGMENTS: u32 = 10;
/// No window is larger: what the peer's window can be at most (RFC 7323, 2.3).
const MAX_WINDOW: u32 = 1 << 30;
/// The slow-start threshold before the first congestion (RFC 5681, 3.1: arbitrarily high).
pub(crate) const NO_THRESHOLD: u32 = u32::MAX;

/// A congestion control algorithm, by the names that TCP_CONGESTION knows.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Algorithm {
    /// NewReno (RFC 5681).
    Reno,
    /// CUBIC (RFC 9438) with HyStart++ (RFC 9406).
    #[default]
    Cubic,
}

impl Algorithm {
    /// All of them.
    pub(crate) const ALL: &'static [Self] = &[Self::Reno, Self::Cubic];

    /// Its name.
    pub(crate) const fn name(self) -> &'static [u8] {
        match self {
            Self::Reno => b"reno",
            Self::Cubic => b"cubic",
        }
    }

    /// The algorithm called `name`.
    pub(crate) fn parse(name: &[u8]) -> Option<Self> {
        Self::ALL.iter().copied().find(|alg| alg.name() == name)
    }
}

/// The window and its threshold, bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Window {
    /// cwnd.
    pub(crate) cwnd: u32,
    /// ssthresh.
    pub(crate) ssthresh: u32,
}

impl Window {
    /// Whether the window is below the threshold.
    pub(crate) fn in_slow_start(&self) -> bool {
        self.cwnd < self.ssthresh
    }

    /// Slow start with byte counting (RFC 5681, 3.1; RFC 3465): a byte more for each byte
    /// acknowledged, up to the threshold. Gives what is left of `acked`. The limit of RFC 3465 to
    /// two segments an ACK is not kept: with receive offload one ACK stands for many.
    fn slow_start(&mut self, acked: u32) -> u32 {
        let grow = acked.min(self.ssthresh.saturating_sub(self.cwnd));
        self.cwnd = self.cwnd.saturating_add(grow).min(MAX_WINDOW);
        acked.saturating_sub(grow)
    }
}

/// What an acknowledgment means for the window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ack {
    /// Now.
    pub(crate) now: Instant,
    /// Bytes of new data acknowledged in order.
    pub(crate) acked: u32,
    /// Bytes in a segment.
    pub(crate) mss: u32,
    /// The round-trip time that this ACK measured, if it did.
    pub(crate) rtt: Option<Duration>,
    /// The smoothed round-trip time.
    pub(crate) srtt: Duration,
    /// SND.UNA.
    pub(crate) una: SeqNum,
    /// SND.NXT.
    pub(crate) nxt: SeqNum,
    /// The window was in use: it may grow (RFC 7661, 4.3).
    pub(crate) validated: bool,
}

/// Why a window shrinks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cause {
    /// Lost data, found by acknowledgments.
    Loss,
    /// The retransmission timer.
    Timeout,
}

/// The hooks of a controller. Each is called with the window that it may change.
trait Controller {
    /// New data was acknowledged, and no loss is being repaired (or after a time-out).
    fn on_ack(&mut self, window: &mut Window, ack: &Ack);

    /// Congestion: what the threshold shall be now. `flight`: bytes in the network, at most cwnd.
    fn reduce(&mut self, window: &Window, cause: Cause, flight: u32, mss: u32) -> u32;

    /// The last reduction was a mistake: the window is as it was before.
    fn on_undo(&mut self) {}

    /// Nothing was sent for that long, and now something is.
    fn on_resume(&mut self, idle: Duration) {
        let _ = idle;
    }
}

/// The controllers.
#[derive(Clone, Copy, Debug)]
enum Law {
    Reno(Reno),
    Cubic(Cubic),
}

impl Law {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Reno => Self::Reno(Reno::default()),
            Algorithm::Cubic => Self::Cubic(Cubic::default()),
        }
    }

    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Reno(_) => Algorithm::Reno,
            Self::Cubic(_) => Algorithm::Cubic,
        }
    }

    fn hooks(&mut self) -> &mut dyn Controller {
        match self {
            Self::Reno(law) => law,
            Self::Cubic(law) => law,
        }
    }
}

/// Two segments: no threshold is lower (RFC 5681, equation 4).
fn least(mss: u32) -> u32 {
    mss.saturating_mul(2)
}

/// The congestion control of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Congestion {
    window: Window,
    /// The window before the current row of reductions.
    before: Option<Window>,
    law: Law,
}

impl Congestion {
    /// The state at the start of a connection with segments of `mss` bytes (RFC 6928).
    pub(crate) fn new(algorithm: Algorithm, mss: u32) -> Self {
        Self {
            window: Window {
                cwnd: mss.saturating_mul(INITIAL_SEGMENTS),
                ssthresh: NO_THRESHOLD,
            },
            before: None,
            law: Law::new(algorithm),
        }
    }

    /// Which algorithm it is.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.law.algorithm()
    }

    /// Exchanges the algorithm. The new one starts from the window as it is, as in Linux.
    pub(crate) fn switch(&mut self, algorithm: Algorithm) {
        if algorithm != self.algorithm() {
            self.law = Law::new(algorithm);
        }
    }

    /// The congestion window, bytes.
    #[inline]
    pub(crate) fn cwnd(&self) -> u32 {
        self.window.cwnd
    }

    /// The slow-start threshold, bytes; [`NO_THRESHOLD`] before the first congestion.
    pub(crate) fn ssthresh(&self) -> u32 {
        self.window.ssthresh
    }

    /// New data was acknowledged outside of fast recovery.
    pub(crate) fn on_ack(&mut self, ack: &Ack) {
        self.law.hooks().on_ack(&mut self.window, ack);
    }

    /// Data was lost, `flight` bytes being out (RFC 5681, 3.2).
    pub(crate) fn on_loss(&mut self, flight: u32, mss: u32) {
        self.reduce(Cause::Loss, flight, mss);
        self.window.cwnd = self.window.ssthresh;
    }

    /// The retransmission timer expired (RFC 5681, 3.1). `first`: not a backed-off one.
    pub(crate) fn on_rto(&mut self, flight: u32, mss: u32, first: bool) {
        if first {
            self.reduce(Cause::Timeout, flight, mss);
        }
        self.window.cwnd = mss;
    }

    fn reduce(&mut self, cause: Cause, flight: u32, mss: u32) {
        if self.before.is_none() {
            self.before = Some(self.window);
        }
        let flight = flight.min(self.window.cwnd);
        let ssthresh = self.law.hooks().reduce(&self.window, cause, flight, mss);
        self.window.ssthresh = ssthresh.max(least(mss));
    }

    /// Recovery is over; at most `in_flight` plus a burst may stand (RFC 6582, step 3).
    pub(crate) fn on_recovered(&mut self, in_flight: u32, mss: u32) {
        let burst = in_flight.saturating_add(mss.saturating_mul(3));
        self.window.cwnd = self.window.ssthresh.min(burst.max(least(mss)));
        self.before = None;
    }

    /// Repair after a time-out is over.
    pub(crate) fn on_repaired(&mut self) {
        self.before = None;
    }

    /// The reductions since the last recovery (or the one that goes on) were a mistake: the
    /// window is again what it was, if it was larger (RFC 9438, 4.9; RFC 4015, 3.2).
    pub(crate) fn undo(&mut self) {
        if let Some(before) = self.before.take() {
            self.window.cwnd = self.window.cwnd.max(before.cwnd);
            self.window.ssthresh = self.window.ssthresh.max(before.ssthresh);
            self.law.hooks().on_undo();
        }
    }

    /// Nothing was out for that long, and now something will be.
    pub(crate) fn on_resume(&mut self, idle: Duration) {
        self.law.hooks().on_resume(idle);
    }

    /// The connection idled for at least an RTO (RFC 5681, 4.1).
    pub(crate) fn on_idle_restart(&mut self, mss: u32) {
        let window = &mut self.window;
        let initial = mss.saturating_mul(INITIAL_SEGMENTS);
        window.ssthresh = window
            .ssthresh
            .max((window.cwnd / 2).saturating_add(window.cwnd / 4));
        window.cwnd = window.cwnd.min(initial);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_linux_names() {
        assert_eq!(Algorithm::parse(b"reno"), Some(Algorithm::Reno));
        assert_eq!(Algorithm::parse(b"cubic"), Some(Algorithm::Cubic));
        assert_eq!(Algorithm::parse(b"Reno"), None);
        assert_eq!(Algorithm::parse(b"ren"), None);
        assert_eq!(Algorithm::parse(b""), None);
        for alg in Algorithm::ALL {
            assert_eq!(Algorithm::parse(alg.name()), Some(*alg));
        }
        assert_eq!(Algorithm::default().name(), b"cubic");
    }

    #[test]
    fn a_switch_keeps_the_window() {
        let mut cc = Congestion::new(Algorithm::Reno, 1000);
        cc.on_loss(8_000, 1000);
        let window = cc.window;
        cc.switch(Algorithm::Cubic);
        assert_eq!(cc.algorithm(), Algorithm::Cubic);
        assert_eq!(cc.window, window);
    }

    #[test]
    fn rfc5681_4_1_idle_restart() {
        for alg in Algorithm::ALL {
            let mut cc = Congestion::new(*alg, 1000);
            cc.window.cwnd = 40_000;
            cc.window.ssthresh = 20_000;
            cc.on_idle_restart(1000);
            assert_eq!((cc.cwnd(), cc.ssthresh()), (10_000, 30_000));
        }
    }
}
