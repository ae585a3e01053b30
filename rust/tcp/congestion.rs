// SPDX-License-Identifier: GPL-2.0

//! Congestion control: how much may be in the network.
//!
//! [`Congestion`] is what a connection holds: the window, and one of the closed list of
//! controllers, which can be exchanged at any time. A controller is a set of hooks
//! ([`Controller`]); what all of them share (when to call which hook, the window in recovery) is
//! here. Windows are in bytes.

mod bbr;
mod cubic;
mod dctcp;
mod hystart;
mod prr;
mod rate;
mod reno;
mod validation;

pub(crate) use rate::{Rate, RateSample, Sent, Stamp, TooMuch};

use super::{
    metrics::Metrics,
    pacing::rate_of,
    seq::SeqNum,
    time::{Duration, Instant},
};
use bbr::Bbr;
use cubic::Cubic;
use dctcp::Dctcp;
use prr::Prr;
use reno::Reno;
use validation::Validation;

/// Segments in the initial window (RFC 6928).
pub(crate) const INITIAL_SEGMENTS: u16 = 10;
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
    /// DCTCP (RFC 8257).
    Dctcp,
    /// BBR, version 3 (draft-ietf-ccwg-bbr).
    Bbr,
}

crate::tcp::log::choices!(Algorithm {
    Reno = 0,
    Cubic = 1,
    Dctcp = 2,
    Bbr = 3,
});

impl Algorithm {
    /// All of them.
    pub(crate) const ALL: &'static [Self] = &[Self::Reno, Self::Cubic, Self::Dctcp, Self::Bbr];

    /// Its name.
    pub(crate) const fn name(self) -> &'static [u8] {
        match self {
            Self::Reno => b"reno",
            Self::Cubic => b"cubic",
            Self::Dctcp => b"dctcp",
            Self::Bbr => b"bbr",
        }
    }

    /// Whether it makes no sense without ECN: it is asked for, and echoed exactly.
    pub(crate) const fn needs_ecn(self) -> bool {
        matches!(self, Self::Dctcp)
    }

    /// Whether it sets a pace that has to be kept.
    pub(crate) const fn needs_pacing(self) -> bool {
        matches!(self, Self::Bbr)
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

/// Where loss recovery stands when an ACK has been worked off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// No loss.
    Open,
    /// This ACK began fast recovery.
    Entered,
    /// Fast recovery goes on.
    Fast,
    /// This ACK ended fast recovery.
    Left,
    /// What a time-out lost is being repaired, or was by this ACK.
    Loss,
}

/// What an acknowledgment means for the window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ack {
    /// Now.
    pub(crate) now: Instant,
    /// Where that leaves loss recovery.
    pub(crate) phase: Phase,
    /// Bytes of new data acknowledged in order.
    pub(crate) acked: u32,
    /// Bytes that are known to have arrived now and were not before.
    pub(crate) delivered: u32,
    /// Bytes that were taken to be lost.
    pub(crate) lost: u32,
    /// Bytes believed to be in the network now.
    pub(crate) pipe: u32,
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
    /// The window was what limited the sender, or half of it was out.
    pub(crate) in_use: bool,
    /// C.delivered: a counter that wraps.
    pub(crate) total: u32,
    /// The delivery rate that this ACK measured, if it did.
    pub(crate) sample: Option<RateSample>,
    /// Too much was lost of what was in flight.
    pub(crate) too_much: Option<TooMuch>,
    /// Bytes that the peer reports as marked.
    pub(crate) marked: u32,
    /// The window is to be reduced for that, now.
    pub(crate) reduce: bool,
}

#[cfg(test)]
impl Ack {
    /// An ACK of nothing.
    pub(crate) fn for_tests() -> Self {
        Self {
            now: Instant::default(),
            phase: Phase::Open,
            acked: 0,
            delivered: 0,
            lost: 0,
            pipe: 0,
            mss: 1000,
            rtt: None,
            srtt: Duration::from_millis(40),
            una: SeqNum::default(),
            nxt: SeqNum::default(),
            in_use: true,
            total: 0,
            sample: None,
            too_much: None,
            marked: 0,
            reduce: false,
        }
    }
}

/// Why a window shrinks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cause {
    /// Lost data, found by acknowledgments.
    Loss,
    /// A router marked data (RFC 3168).
    Mark,
    /// The retransmission timer.
    Timeout,
}

/// The hooks of a controller. Each is called with the window that it may change.
trait Controller {
    /// An ACK arrived, whatever it says; called before the other hooks.
    fn observe(&mut self, window: &mut Window, ack: &Ack) {
        let _ = (window, ack);
    }

    /// New data was acknowledged, and no loss is being repaired (or after a time-out).
    /// `validated`: the window was in use and may grow (RFC 7661, 4.3).
    fn on_ack(&mut self, window: &mut Window, ack: &Ack, validated: bool);

    /// Congestion: what the threshold shall be now. `flight`: bytes in the network, at most cwnd.
    fn reduce(&mut self, window: &Window, cause: Cause, flight: u32, mss: u32) -> u32;

    /// The last reduction was a mistake: the window is as it was before.
    fn on_undo(&mut self) {}

    /// Nothing was sent for that long, and now something is.
    fn on_resume(&mut self, idle: Duration) {
        let _ = idle;
    }

    /// Whether `observe` alone sets the window, in recovery and out of it.
    fn owns_window(&self) -> bool {
        false
    }

    /// The pace, bytes a second, if the controller sets one.
    fn pacing_rate(&self) -> Option<u64> {
        None
    }
}

/// What a controller tells of itself (TCP_CC_INFO).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    /// Nothing.
    Nothing,
    /// DCTCP: the estimate of what part is marked in 1/1024, and of the window that is not over yet
    /// bytes marked and bytes acknowledged.
    Dctcp(u32, u32, u32),
    /// BBR.
    Bbr {
        /// The estimate of the path's rate, bytes a second.
        rate: u64,
        /// The least round-trip time; `None`: none was measured.
        min_rtt: Option<Duration>,
        /// Gains of pace and window, percent.
        gains: (u32, u32),
    },
}

/// The controllers.
#[derive(Clone, Copy, Debug)]
enum Law {
    Reno(Reno),
    Cubic(Cubic),
    Dctcp(Dctcp),
    Bbr(Bbr),
}

impl Law {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Reno => Self::Reno(Reno::default()),
            Algorithm::Cubic => Self::Cubic(Cubic::default()),
            Algorithm::Dctcp => Self::Dctcp(Dctcp::default()),
            Algorithm::Bbr => Self::Bbr(Bbr::default()),
        }
    }

    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Reno(_) => Algorithm::Reno,
            Self::Cubic(_) => Algorithm::Cubic,
            Self::Dctcp(_) => Algorithm::Dctcp,
            Self::Bbr(_) => Algorithm::Bbr,
        }
    }

    fn hooks(&mut self) -> &mut dyn Controller {
        match self {
            Self::Reno(law) => law,
            Self::Cubic(law) => law,
            Self::Dctcp(law) => law,
            Self::Bbr(law) => law,
        }
    }

    fn rules(&self) -> &dyn Controller {
        match self {
            Self::Reno(law) => law,
            Self::Cubic(law) => law,
            Self::Dctcp(law) => law,
            Self::Bbr(law) => law,
        }
    }
}

/// The initial window (RFC 6928).
fn initial(mss: u32) -> u32 {
    mss.saturating_mul(u32::from(INITIAL_SEGMENTS))
}

/// Two segments: no threshold is lower (RFC 5681, equation 4).
fn least(mss: u32) -> u32 {
    mss.saturating_mul(2)
}

/// The congestion control of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Congestion {
    window: Window,
    /// The window before the current row of reductions, or before the last one if that is over.
    before: Option<Window>,
    /// That row is over: what it did may still turn out to be a mistake (RFC 3708).
    over: bool,
    /// Fast recovery.
    prr: Option<Prr>,
    validation: Validation,
    law: Law,
    /// Segments in the initial window.
    first: u16,
    /// Bytes of options in each segment.
    options: u16,
    /// The most segments that a window has; 0: any.
    most: u16,
}

impl Congestion {
    /// The state at the start of a connection with segments of `mss` bytes (RFC 6928).
    pub(crate) fn new(algorithm: Algorithm, mss: u32) -> Self {
        Self {
            window: Window {
                cwnd: initial(mss),
                ssthresh: NO_THRESHOLD,
            },
            before: None,
            over: false,
            prr: None,
            validation: Validation::default(),
            law: Law::new(algorithm),
            first: INITIAL_SEGMENTS,
            options: 0,
            most: 0,
        }
    }

    /// What the route says, before there is data, and how many bytes of options each segment has. A
    /// window that something was made of already, and a threshold, stay.
    pub(crate) fn follow_route(&mut self, route: &Metrics, mss: u32, options: u16) {
        let is_first = self.window.cwnd == self.initial(mss);
        self.options = options;
        self.most = route.most_cwnd;
        self.first = match route.init_cwnd {
            0 => INITIAL_SEGMENTS,
            said => said,
        };
        if is_first {
            self.window.cwnd = self.initial(mss);
        }
        self.bound(mss);
        let knows_none = self.window.ssthresh == NO_THRESHOLD && !self.law.rules().owns_window();
        if route.ssthresh != 0 && knows_none {
            let said = mss
                .saturating_mul(u32::from(route.ssthresh))
                .min(self.largest(mss));
            self.window.ssthresh = said.max(least(mss));
        }
    }

    /// The initial window (RFC 6928), or what the route says. It is in SMSS, which options are a part
    /// of (RFC 5681, section 2): a small request does not cost one of the ten segments behind it.
    fn initial(&self, mss: u32) -> u32 {
        mss.saturating_add(u32::from(self.options))
            .saturating_mul(u32::from(self.first))
            .min(self.largest(mss))
    }

    /// No window is larger.
    fn largest(&self, mss: u32) -> u32 {
        match self.most {
            0 => MAX_WINDOW,
            most => mss.saturating_mul(u32::from(most)).min(MAX_WINDOW),
        }
    }

    /// Keeps the window within what the route says.
    fn bound(&mut self, mss: u32) {
        self.window.cwnd = self.window.cwnd.min(self.largest(mss));
    }

    /// How many windows the send buffer shall hold: BBR goes on at its pace while a loss is repaired.
    pub(crate) fn windows_to_hold(&self) -> u32 {
        if self.law.rules().owns_window() {
            3
        } else {
            2
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

    /// What the controller tells of itself.
    pub(crate) fn state(&self) -> Told {
        match &self.law {
            Law::Dctcp(law) => law.state(),
            Law::Bbr(law) => law.state(),
            Law::Reno(_) | Law::Cubic(_) => Told::Nothing,
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

    /// The rate at which segments should leave, bytes a second: faster than a window each
    /// round-trip time, so that pacing is not what limits (twice that in slow start, where the
    /// window doubles). `percent`: how much faster, in slow start and otherwise; `flight`: what is out, which counts
    /// while a recovery's window is less.
    pub(crate) fn pacing_rate(&self, srtt: Duration, flight: u32, percent: (u16, u16)) -> u64 {
        if let Some(rate) = self.law.rules().pacing_rate() {
            return rate;
        }
        let Window { cwnd, ssthresh } = self.window;
        let percent = if cwnd < ssthresh / 2 {
            percent.0
        } else {
            percent.1
        };
        let bytes = u64::from(cwnd.max(flight)).saturating_mul(u64::from(percent));
        rate_of(bytes / 100, srtt)
    }

    /// An ACK was worked off.
    pub(crate) fn on_ack(&mut self, ack: &Ack) {
        self.follow(ack);
        self.bound(ack.mss.max(1));
    }

    fn follow(&mut self, ack: &Ack) {
        if ack.acked > 0 {
            self.validation.on_ack(ack);
        }
        self.law.hooks().observe(&mut self.window, ack);
        if self.law.rules().owns_window() {
            return;
        }
        if ack.reduce {
            self.on_congestion(Cause::Mark, ack.pipe.saturating_add(ack.delivered), ack.mss);
            return;
        }
        match ack.phase {
            // RFC 3168, 6.1.2: not on an ACK that reports a mark.
            Phase::Open | Phase::Loss if ack.acked > 0 && ack.marked == 0 => self.grow(ack),
            Phase::Entered => {
                if let Some(prr) = &mut self.prr {
                    prr.include(ack.delivered);
                }
                self.reduce_by_share(ack);
            }
            Phase::Fast => self.reduce_by_share(ack),
            Phase::Open | Phase::Loss | Phase::Left => {}
        }
    }

    /// New data was acknowledged outside of fast recovery.
    fn grow(&mut self, ack: &Ack) {
        let cwnd = self.window.cwnd;
        let in_use = ack.in_use || ack.phase == Phase::Loss;
        let validated = self.validation.is_validated(cwnd, in_use);
        if self.validation.is_over(ack.now, validated) {
            self.end_non_validated(ack.mss);
        }
        // What was reported before has left the network then, not now.
        let ack = Ack {
            acked: ack.acked.min(ack.delivered),
            ..*ack
        };
        self.law.hooks().on_ack(&mut self.window, &ack, validated);
    }

    /// RFC 7661, 4.4.3.
    fn end_non_validated(&mut self, mss: u32) {
        let initial = self.initial(mss);
        let window = &mut self.window;
        window.ssthresh = window
            .ssthresh
            .max((window.cwnd / 2).saturating_add(window.cwnd / 4));
        window.cwnd = (window.cwnd / 2).max(initial).min(window.cwnd);
    }

    /// An ACK in fast recovery.
    fn reduce_by_share(&mut self, ack: &Ack) {
        let ssthresh = self.window.ssthresh;
        let safe = ack.acked > 0 && ack.lost == 0;
        let cwnd = self
            .prr
            .as_mut()
            .and_then(|prr| prr.on_ack(ack.delivered, ack.pipe, safe, ssthresh, ack.mss));
        if let Some(cwnd) = cwnd {
            self.window.cwnd = cwnd.min(MAX_WINDOW);
        }
    }

    /// Something is lost of a window that was not reduced yet (RFC 5681, 3.2). `flight`: FlightSize before
    /// the ACK that says so.
    pub(crate) fn on_loss(&mut self, flight: u32, mss: u32) {
        self.reduce(Cause::Loss, flight, mss);
    }

    /// Fast recovery begins (RFC 9937, 5). `out`: what is out now and not reported as arrived; `pipe`: bytes in
    /// the network.
    pub(crate) fn begin_recovery(&mut self, out: u32, pipe: u32, mss: u32) {
        self.prr = Some(Prr::new(out));
        // Until the next ACK there is room for what is lost first.
        self.window.cwnd = pipe.saturating_add(mss).min(MAX_WINDOW);
    }

    /// Congestion without (or before) recovery: the window goes down at once.
    pub(crate) fn on_congestion(&mut self, cause: Cause, flight: u32, mss: u32) {
        if self.law.rules().owns_window() {
            return;
        }
        self.reduce(cause, flight, mss);
        self.window.cwnd = self.window.cwnd.min(self.window.ssthresh);
        self.before = None;
    }

    /// The retransmission timer expired (RFC 5681, 3.1). `first`: not a backed-off one.
    pub(crate) fn on_rto(&mut self, flight: u32, mss: u32, first: bool) {
        if self.prr.take().is_some() && self.window.ssthresh != NO_THRESHOLD {
            // PRR's window of the moment is no measure of the path: what it works towards is.
            self.window.cwnd = self.window.cwnd.max(self.window.ssthresh);
        }
        if first {
            self.reduce(Cause::Timeout, flight, mss);
        }
        self.window.cwnd = mss;
    }

    fn reduce(&mut self, cause: Cause, flight: u32, mss: u32) {
        if self.before.is_none() || self.over {
            self.before = Some(self.window);
            self.over = false;
        }
        // RFC 7661, 4.4.1: a window that was not in use does not count.
        let used = self.validation.pipe_ack().unwrap_or(0).max(flight);
        let used = used.min(self.window.cwnd);
        let ssthresh = self.law.hooks().reduce(&self.window, cause, used, mss);
        self.window.ssthresh = ssthresh.max(least(mss));
    }

    /// A packet of the handshake was marked or lost, before there was any data: the window begins with
    /// one segment (RFC 5562, 3.1, for a SYN-ACK; RFC 9768, 3.2.2.2; RFC 5681, 3.1).
    pub(crate) fn on_handshake_congestion(&mut self, mss: u32) {
        if !self.law.rules().owns_window() {
            self.window.cwnd = mss;
        }
    }

    /// Data is sent, again or for the first time.
    pub(crate) fn on_sent(&mut self, bytes: u32) {
        if let Some(prr) = &mut self.prr {
            prr.on_sent(bytes);
        }
    }

    /// Fast recovery is over (RFC 9937, 5: at its end the window is the threshold).
    pub(crate) fn on_recovered(&mut self) {
        self.prr = None;
        self.over = true;
        // The recovery may have begun under a controller that knows no threshold.
        if !self.law.rules().owns_window() && self.window.ssthresh != NO_THRESHOLD {
            self.window.cwnd = self.window.ssthresh.min(MAX_WINDOW);
        }
    }

    /// Repair after a time-out is over.
    pub(crate) fn on_repaired(&mut self) {
        self.over = true;
    }

    /// The reductions since the last recovery (or the one that goes on) were a mistake: the
    /// window is again what it was, if it was larger (RFC 9438, 4.9; RFC 4015, 3.2).
    /// `false`: there was another reason for them.
    pub(crate) fn undo(&mut self) -> bool {
        let Some(before) = self.before.take() else {
            if self.prr.is_some() {
                self.on_recovered();
            }
            return false;
        };
        self.window.cwnd = self.window.cwnd.max(before.cwnd);
        self.window.ssthresh = self.window.ssthresh.max(before.ssthresh);
        self.prr = None;
        self.law.hooks().on_undo();
        true
    }

    /// Marks came in a window that is reduced already: whatever led to that, it stays so (RFC 3168, 6.1.2).
    pub(crate) fn forget_before(&mut self) {
        self.before = None;
    }

    /// Nothing was out for that long, and now something will be.
    pub(crate) fn on_resume(&mut self, idle: Duration, mss: u32) {
        self.law.hooks().on_resume(idle);
        if idle >= validation::NVP && !self.law.rules().owns_window() {
            self.end_non_validated(mss);
        }
    }

    /// The connection idled for at least an RTO (RFC 5681, 4.1).
    pub(crate) fn on_idle_restart(&mut self, mss: u32) {
        if self.law.rules().owns_window() {
            return;
        }
        let initial = self.initial(mss);
        let window = &mut self.window;
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
        cc.on_congestion(Cause::Loss, 8_000, 1000);
        let window = cc.window;
        cc.switch(Algorithm::Cubic);
        assert_eq!(cc.algorithm(), Algorithm::Cubic);
        assert_eq!(cc.window, window);
    }

    /// The pace is by what is out, not by the little that a recovery's window may be for a moment.
    #[test]
    fn the_pace_in_recovery_is_by_what_is_out() {
        let mut cc = Congestion::new(Algorithm::Reno, 1000);
        cc.on_loss(10_000, 1000);
        cc.begin_recovery(9_000, 0, 1000);
        let rtt = Duration::from_millis(100);
        assert_eq!(cc.cwnd(), 1000);
        // Twice as fast as that, the window being less than half of the threshold.
        assert_eq!(cc.pacing_rate(rtt, 10_000, (200, 100)), 200_000);
        assert_eq!(cc.pacing_rate(rtt, 500, (200, 100)), 20_000);
    }

    /// RFC 3168, 6.1.2: an undo takes back what it was mistaken about, and not what a mark asked for besides.
    #[test]
    fn rfc3168_6_1_2_a_mark_outlives_an_undo() {
        for marked in [false, true] {
            let mut cc = Congestion::new(Algorithm::Reno, 1000);
            let before = cc.cwnd();
            cc.on_loss(10_000, 1000);
            cc.begin_recovery(9_000, 2_000, 1000);
            if marked {
                cc.forget_before();
            }
            assert_eq!(cc.undo(), !marked);
            assert_eq!(cc.cwnd(), if marked { cc.ssthresh() } else { before });
        }
    }

    /// BBR knows no threshold: a window of that size would be no window at all.
    #[test]
    fn a_switch_in_recovery_keeps_a_window() {
        let mut cc = Congestion::new(Algorithm::Bbr, 1000);
        cc.on_loss(10_000, 1000);
        cc.begin_recovery(9_000, 8_000, 1000);
        cc.switch(Algorithm::Reno);
        cc.on_recovered();
        assert_eq!(cc.cwnd(), 9_000);
    }

    #[test]
    fn rfc5681_4_1_idle_restart() {
        for alg in [Algorithm::Reno, Algorithm::Cubic, Algorithm::Dctcp] {
            let mut cc = Congestion::new(alg, 1000);
            cc.window.cwnd = 40_000;
            cc.window.ssthresh = 20_000;
            cc.on_idle_restart(1000);
            assert_eq!((cc.cwnd(), cc.ssthresh()), (10_000, 30_000));
        }
    }
}
