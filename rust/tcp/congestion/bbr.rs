// SPDX-License-Identifier: GPL-2.0

//! BBR version 3 (draft-ietf-ccwg-bbr-02): a model of the path - the rate that it delivers, the
//! time that it takes, the data that it holds without losing more than 2 % - sets pace and window.
//! Names are the draft's; `hi` and `lo` are its `longterm` and `shortterm`.
//!
//! The state machine is in [`cycle`]. Rates are bytes a second, amounts bytes, gains percent.

mod cycle;

use super::{
    rate::{ahead, TooMuch, LOSS_PART},
    Ack, Cause, Controller, Phase, RateSample, Told, Window, MAX_WINDOW,
};
use crate::tcp::{
    pacing::{rate_of, volume, UNLIMITED},
    time::{Duration, Instant},
};

const MIN_RTT_FILTER: Duration = Duration::from_secs(10);
/// BBR.MaxBwFilterLen is two cycles, BBR.ExtraAckedFilterLen ten rounds: two halves of five.
const EXTRA_ACKED_HALF: u8 = 5;
/// BBR.Beta, percent.
const BETA: u64 = 70;
/// BBR.Headroom, percent.
const HEADROOM: u64 = 15;
/// BBR.PacingMarginPercent.
const MARGIN: u64 = 1;
/// BBR.MinPipeCwnd, segments.
const MIN_PIPE: u32 = 4;
/// BBR.StartupFullLossCnt.
const FULL_LOSSES: u8 = 6;
/// The gain of the first pacing rate (BBR.StartupPacingGain).
const STARTUP_GAIN: u64 = 277;
/// Infinity, for a bound.
const NONE: u32 = u32::MAX;

/// BBR.state.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum State {
    #[default]
    Startup,
    Drain,
    Down,
    Cruise,
    Refill,
    Up,
    ProbeRtt,
}

impl State {
    /// IsInAProbeBWState.
    fn probes_bw(self) -> bool {
        matches!(self, Self::Down | Self::Cruise | Self::Refill | Self::Up)
    }

    /// BBRIsProbingBW: more is sent than the path is known to take.
    fn accelerates(self) -> bool {
        matches!(self, Self::Startup | Self::Refill | Self::Up)
    }

    fn pacing_gain(self) -> u64 {
        match self {
            Self::Startup => STARTUP_GAIN,
            Self::Drain => 50,
            Self::Down => 90,
            Self::Up => 125,
            Self::Cruise | Self::Refill | Self::ProbeRtt => 100,
        }
    }

    fn cwnd_gain(self) -> u64 {
        match self {
            Self::Up => 225,
            Self::ProbeRtt => 50,
            _ => 200,
        }
    }
}

/// BBR.ack_phase.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum AckPhase {
    #[default]
    Init,
    Refilling,
    Starting,
    Feedback,
    Stopping,
}

/// The controller.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Bbr {
    state: State,
    started: bool,
    mss: u32,
    // The round.
    next_round: u32,
    round_start: bool,
    rounds_since_probe: u32,
    // The rate: of the cycle before this one, and of this one.
    max_bw: [u64; 2],
    bw_lo: u64,
    bw: u64,
    // The time.
    min_rtt: Option<Duration>,
    min_rtt_at: Instant,
    probe_rtt_min: Option<Duration>,
    probe_rtt_min_at: Instant,
    probe_rtt_expired: bool,
    probe_rtt_done_at: Option<Instant>,
    probe_rtt_round_done: bool,
    // What may be in flight.
    inflight_hi: u32,
    inflight_lo: u32,
    // What the last round delivered and lost.
    bw_latest: u64,
    inflight_latest: u32,
    loss_round: u32,
    loss_round_start: bool,
    loss_in_round: bool,
    losses_in_round: u8,
    // Whether the pipe is full.
    full_bw: u64,
    full_bw_count: u8,
    full_bw_now: bool,
    full_bw_reached: bool,
    // How far the acknowledgments run ahead of the rate.
    extra_start: Instant,
    extra_delivered: u32,
    extra_max: [u32; 2],
    extra_rounds: u8,
    // The cycle.
    cycle_at: Instant,
    wait: Duration,
    ack_phase: AckPhase,
    samples_count: bool,
    up_count: u32,
    up_acked: u32,
    up_rounds: u8,
    // The rest.
    idle_restart: bool,
    pacing_rate: u64,
    prior_cwnd: u32,
    /// Packet conservation, in the first round of a recovery.
    conserves: bool,
    /// What a time-out lost is being repaired.
    repairs: bool,
}

fn cut(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(MAX_WINDOW).min(MAX_WINDOW)
}

fn percent(n: u32, part: u64) -> u32 {
    cut(u64::from(n).saturating_mul(part) / 100)
}

impl Bbr {
    fn max_bw(&self) -> u64 {
        let [before, now] = self.max_bw;
        before.max(now)
    }

    fn least(&self) -> u32 {
        self.mss.saturating_mul(MIN_PIPE)
    }

    /// BBRBDPMultiple: `gain` times what the path holds at `bw`.
    fn bdp(&self, bw: u64, gain: u64) -> u32 {
        match self.min_rtt {
            Some(rtt) => cut(volume(bw, rtt).saturating_mul(gain) / 100),
            None => super::initial(self.mss),
        }
    }

    /// BBRQuantizationBudget: enough for what offload takes at once to be under way three times.
    fn quantize(&self, inflight: u32) -> u32 {
        let quantum = cut(self.pacing_rate / 1000)
            .max(self.mss.saturating_mul(2))
            .min(65_536);
        let inflight = inflight.max(quantum.saturating_mul(3)).max(self.least());
        if self.state == State::Up {
            inflight.saturating_add(self.mss.saturating_mul(2))
        } else {
            inflight
        }
    }

    /// BBRInflight with a gain of one.
    fn target(&self, bw: u64) -> u32 {
        self.quantize(self.bdp(bw, 100))
    }

    /// BBRInflightWithHeadroom.
    fn with_headroom(&self) -> u32 {
        if self.inflight_hi == NONE {
            return NONE;
        }
        let room = percent(self.inflight_hi, HEADROOM).max(self.mss);
        self.inflight_hi.saturating_sub(room).max(self.least())
    }

    fn start(&mut self, window: &Window, ack: &Ack) {
        self.started = true;
        self.bw_lo = UNLIMITED;
        self.inflight_hi = NONE;
        self.inflight_lo = NONE;
        self.min_rtt_at = ack.now;
        self.probe_rtt_min_at = ack.now;
        self.extra_start = ack.now;
        self.next_round = ack.total;
        self.loss_round = ack.total;
        self.up_count = NONE;
        // BBRInitPacingRate.
        let srtt = ack.srtt.max(Duration::from_millis(1));
        self.pacing_rate = rate_of(u64::from(window.cwnd), srtt).saturating_mul(STARTUP_GAIN) / 100;
    }

    /// BBRUpdateRound.
    fn update_round(&mut self, ack: &Ack, sample: &RateSample) {
        self.round_start = !ahead(self.next_round, sample.prior_delivered);
        if self.round_start {
            self.next_round = ack.total;
            self.rounds_since_probe = self.rounds_since_probe.saturating_add(1);
            self.conserves = false;
        }
    }

    /// BBRUpdateLatestDeliverySignals, BBRUpdateCongestionSignals.
    fn update_signals(&mut self, window: &Window, ack: &Ack, sample: &RateSample) {
        self.bw_latest = self.bw_latest.max(sample.rate);
        self.inflight_latest = self.inflight_latest.max(sample.delivered);
        self.loss_round_start = !ahead(self.loss_round, sample.prior_delivered);
        if self.loss_round_start {
            self.loss_round = ack.total;
        }
        self.update_round(ack, sample);
        if sample.rate >= self.max_bw() || !sample.app_limited {
            let [_, now] = &mut self.max_bw;
            *now = sample.rate.max(*now);
        }
        if !self.loss_round_start {
            return;
        }
        if self.loss_in_round && !self.state.accelerates() {
            // BBRInitLowerBounds, BBRLossLowerBounds.
            if self.bw_lo == UNLIMITED {
                self.bw_lo = self.max_bw();
            }
            if self.inflight_lo == NONE {
                self.inflight_lo = window.cwnd;
            }
            self.bw_lo = self.bw_latest.max(self.bw_lo.saturating_mul(BETA) / 100);
            self.inflight_lo = self.inflight_latest.max(percent(self.inflight_lo, BETA));
        }
    }

    /// BBRResetLowerBounds.
    fn reset_lower_bounds(&mut self) {
        self.bw_lo = UNLIMITED;
        self.inflight_lo = NONE;
    }

    /// BBRUpdateACKAggregation.
    fn update_aggregation(&mut self, window: &Window, ack: &Ack) {
        if self.round_start {
            self.extra_rounds = self.extra_rounds.saturating_add(1);
            let half = if self.full_bw_reached {
                EXTRA_ACKED_HALF
            } else {
                1
            };
            if self.extra_rounds >= half {
                let [now, _] = self.extra_max;
                self.extra_max = [0, now];
                self.extra_rounds = 0;
            }
        }
        let interval = ack.now.since(self.extra_start);
        let mut expected = cut(volume(self.bw, interval));
        if self.extra_delivered <= expected {
            self.extra_delivered = 0;
            self.extra_start = ack.now;
            expected = 0;
        }
        self.extra_delivered = self.extra_delivered.saturating_add(ack.delivered);
        let extra = self
            .extra_delivered
            .saturating_sub(expected)
            .min(window.cwnd);
        let [now, _] = &mut self.extra_max;
        *now = extra.max(*now);
    }

    /// BBRUpdateMinRTT.
    fn update_min_rtt(&mut self, ack: &Ack) {
        self.probe_rtt_expired = ack.now.since(self.probe_rtt_min_at) > cycle::PROBE_RTT_INTERVAL;
        if let Some(rtt) = ack.rtt {
            if self.probe_rtt_expired || self.probe_rtt_min.is_none_or(|least| rtt < least) {
                self.probe_rtt_min = Some(rtt);
                self.probe_rtt_min_at = ack.now;
            }
        }
        let expired = ack.now.since(self.min_rtt_at) > MIN_RTT_FILTER;
        if let Some(rtt) = self.probe_rtt_min {
            if expired || self.min_rtt.is_none_or(|least| rtt < least) {
                self.min_rtt = Some(rtt);
                self.min_rtt_at = self.probe_rtt_min_at;
            }
        }
    }

    /// BBRHandleInflightTooHigh.
    fn on_too_much(&mut self, window: &Window, ack: &Ack, too_much: TooMuch) {
        if !self.samples_count {
            return;
        }
        self.samples_count = false;
        if !too_much.app_limited {
            let target = self.bdp(self.bw, 100).min(window.cwnd);
            self.inflight_hi = too_much.in_flight.max(percent(target, BETA));
        }
        if self.state == State::Up {
            self.start_down(ack);
        }
    }

    /// BBRSetPacingRateWithGain.
    fn set_pacing_rate(&mut self, gain: u64) {
        let part = gain.saturating_mul(100u64.saturating_sub(MARGIN));
        let rate = self.bw.saturating_mul(part) / 10_000;
        if rate > 0 && (self.full_bw_reached || rate > self.pacing_rate) {
            self.pacing_rate = rate;
        }
    }

    /// BBRSetCwnd.
    fn set_cwnd(&mut self, window: &mut Window, ack: &Ack) {
        let [a, b] = self.extra_max;
        let most = self
            .bdp(self.bw, self.state.cwnd_gain().max(100))
            .saturating_add(a.max(b));
        let most = self.quantize(most);
        let mut cwnd = window.cwnd;
        if ack.phase == Phase::Entered || ack.phase == Phase::Fast {
            cwnd = cwnd.saturating_sub(ack.lost).max(self.mss);
        }
        if self.conserves {
            cwnd = cwnd.max(ack.pipe.saturating_add(ack.delivered));
        } else if self.full_bw_reached {
            cwnd = cwnd.saturating_add(ack.delivered).min(most);
        } else if cwnd < most || ack.total < super::initial(self.mss) {
            cwnd = cwnd.saturating_add(ack.delivered);
        }
        cwnd = cwnd.max(self.least());
        if self.state == State::ProbeRtt {
            cwnd = cwnd.min(self.probe_rtt_cwnd());
        }
        // BBRBoundCwndForModel.
        let cap = match self.state {
            State::Down | State::Refill | State::Up => self.inflight_hi,
            State::Cruise | State::ProbeRtt => self.with_headroom(),
            State::Startup | State::Drain => NONE,
        };
        let cap = cap.min(self.inflight_lo).max(self.least());
        window.cwnd = cwnd.min(cap).min(MAX_WINDOW);
    }

    fn save_cwnd(&mut self, window: &Window, repairing: bool) {
        self.prior_cwnd = if !repairing && self.state != State::ProbeRtt {
            window.cwnd
        } else {
            self.prior_cwnd.max(window.cwnd)
        };
    }

    fn restore_cwnd(&mut self, window: &mut Window) {
        window.cwnd = window.cwnd.max(self.prior_cwnd);
    }
}

impl Bbr {
    /// What it tells of itself.
    pub(super) fn state(&self) -> Told {
        Told::Bbr {
            rate: self.bw,
            min_rtt: self.min_rtt,
            gains: (cut(self.state.pacing_gain()), cut(self.state.cwnd_gain())),
        }
    }
}

impl Controller for Bbr {
    fn owns_window(&self) -> bool {
        true
    }

    /// BBRUpdateModelAndState, BBRUpdateControlParameters.
    fn observe(&mut self, window: &mut Window, ack: &Ack) {
        self.mss = ack.mss;
        if !self.started {
            self.start(window, ack);
        }
        // BBROnExitRecovery.
        if ack.phase == Phase::Left || (self.repairs && ack.phase == Phase::Open) {
            self.conserves = false;
            self.repairs = false;
            self.restore_cwnd(window);
        }
        if ack.lost > 0 || ack.marked > 0 {
            // A mark counts as a loss: the draft says nothing of ECN.
            if !self.loss_in_round {
                self.loss_round = ack.total;
            }
            self.loss_in_round = true;
            self.losses_in_round = self.losses_in_round.saturating_add(1);
        }
        if let Some(too_much) = ack.too_much {
            self.on_too_much(window, ack, too_much);
        }
        if let Some(sample) = &ack.sample {
            self.update_signals(window, ack, sample);
            self.update_aggregation(window, ack);
            self.check_full_bw(sample);
            self.check_startup_loss(ack, sample);
            self.advance(window, ack, sample);
            self.update_min_rtt(ack);
            self.check_probe_rtt(window, ack);
            if self.loss_round_start {
                self.loss_in_round = false;
                self.losses_in_round = 0;
                self.bw_latest = sample.rate;
                self.inflight_latest = sample.delivered;
            }
            self.bw = self.max_bw().min(self.bw_lo);
        }
        self.set_pacing_rate(self.state.pacing_gain());
        self.set_cwnd(window, ack);
    }

    fn on_ack(&mut self, _window: &mut Window, _ack: &Ack, _validated: bool) {}

    fn reduce(&mut self, window: &Window, cause: Cause, _flight: u32, _mss: u32) -> u32 {
        // BBROnEnterFastRecovery, BBROnEnterRTO.
        self.save_cwnd(window, self.conserves || self.repairs);
        self.conserves = cause == Cause::Loss;
        self.repairs = cause == Cause::Timeout;
        window.ssthresh
    }

    fn on_undo(&mut self) {
        self.conserves = false;
        self.reset_lower_bounds();
    }

    /// BBRHandleRestartFromIdle.
    fn on_resume(&mut self, idle: Duration) {
        if idle > self.min_rtt.unwrap_or_default() {
            self.idle_restart = true;
            if self.state.probes_bw() {
                self.set_pacing_rate(100);
            }
        }
    }

    fn pacing_rate(&self) -> Option<u64> {
        self.started.then_some(self.pacing_rate)
    }
}

#[cfg(test)]
mod tests;
