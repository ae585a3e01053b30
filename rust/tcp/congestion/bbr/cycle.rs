// SPDX-License-Identifier: GPL-2.0

//! BBR's states and what leads from one to the other (draft-ietf-ccwg-bbr-02, 5.3).

use super::{
    super::{Ack, Phase, RateSample, Window},
    AckPhase, Bbr, State, FULL_LOSSES, LOSS_PART, NONE,
};
use crate::tcp::time::{Duration, Instant};

/// BBR.ProbeRTTInterval.
pub(super) const PROBE_RTT_INTERVAL: Duration = Duration::from_secs(5);
/// BBR.ProbeRTTDuration.
const PROBE_RTT_DURATION: Duration = Duration::from_millis(200);
/// The longest time between probes, in the round trips that Reno would take: 63.
const RENO_ROUNDS: u32 = 63;

impl Bbr {
    /// BBRCheckFullBWReached (5.3.1.2).
    pub(super) fn check_full_bw(&mut self, sample: &RateSample) {
        // The low rates of ProbeRTT are by its own window.
        if self.full_bw_now || sample.app_limited || self.state == State::ProbeRtt {
            return;
        }
        if sample.rate >= self.full_bw.saturating_mul(125) / 100 {
            self.reset_full_bw(sample);
            return;
        }
        if !self.round_start {
            return;
        }
        self.full_bw_count = self.full_bw_count.saturating_add(1);
        self.full_bw_now = self.full_bw_count >= 3;
        self.full_bw_reached |= self.full_bw_now;
    }

    /// BBRResetFullBW, and the sample to beat.
    fn reset_full_bw(&mut self, sample: &RateSample) {
        self.full_bw = sample.rate;
        self.full_bw_count = 0;
        self.full_bw_now = false;
    }

    /// BBRCheckStartupHighLoss (5.3.1.3): a round in recovery that lost too much, in many places.
    pub(super) fn check_startup_loss(&mut self, ack: &Ack, sample: &RateSample) {
        let high = self.state == State::Startup
            && !self.full_bw_reached
            && self.loss_round_start
            && matches!(ack.phase, Phase::Fast | Phase::Entered | Phase::Loss)
            && self.losses_in_round >= FULL_LOSSES
            && sample.lost > sample.in_flight / LOSS_PART;
        if high {
            self.full_bw_reached = true;
            self.inflight_hi = self.bdp(self.max_bw(), 100).max(self.inflight_latest);
        }
    }

    /// BBRCheckStartupDone, BBRCheckDrainDone, BBRUpdateProbeBWCyclePhase.
    pub(super) fn advance(&mut self, window: &Window, ack: &Ack, sample: &RateSample) {
        if self.state == State::Startup && self.full_bw_reached {
            self.state = State::Drain;
        }
        let target = self.target(self.max_bw());
        if self.state == State::Drain && ack.pipe <= target {
            self.start_down(ack);
        }
        if !self.full_bw_reached {
            return;
        }
        self.adapt_upper_bounds(window, ack, sample);
        match self.state {
            State::Down => {
                if !self.maybe_refill(window, ack)
                    && ack.pipe <= self.with_headroom()
                    && ack.pipe <= target
                {
                    self.state = State::Cruise;
                }
            }
            State::Cruise => {
                self.maybe_refill(window, ack);
            }
            State::Refill => {
                // After one round of it the pipe is full, and what is lost is our doing.
                if self.round_start {
                    self.samples_count = true;
                    self.start_up(window, ack, sample);
                }
            }
            State::Up => {
                // BBRIsTimeToGoDown.
                if ack.in_use && window.cwnd >= self.inflight_hi {
                    self.reset_full_bw(sample);
                } else if self.full_bw_now {
                    self.start_down(ack);
                }
            }
            State::Startup | State::Drain | State::ProbeRtt => {}
        }
    }

    fn start_round(&mut self, ack: &Ack) {
        self.next_round = ack.total;
    }

    /// BBRStartProbeBW_DOWN.
    pub(super) fn start_down(&mut self, ack: &Ack) {
        self.loss_in_round = false;
        self.losses_in_round = 0;
        self.bw_latest = 0;
        self.inflight_latest = 0;
        self.up_count = NONE;
        // BBRPickProbeWait: chance comes from the clock, which is good enough to keep flows apart.
        let chance = ack
            .now
            .as_nanos()
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(u64::from(ack.total))
            .wrapping_mul(0xd134_2543_de82_ef95);
        self.rounds_since_probe = u32::from(chance >> 63 != 0);
        let fraction = (chance >> 32) % 1_000_000;
        self.wait = Duration::from_secs(2).add(Duration::from_micros(fraction));
        self.cycle_at = ack.now;
        self.ack_phase = AckPhase::Stopping;
        self.start_round(ack);
        self.state = State::Down;
    }

    /// BBRIsTimeToProbeBW, BBRStartProbeBW_REFILL.
    fn maybe_refill(&mut self, window: &Window, ack: &Ack) -> bool {
        let segments = self
            .bdp(self.bw, 100)
            .min(window.cwnd)
            .checked_div(self.mss)
            .unwrap_or(0);
        let due = ack.now.since(self.cycle_at) > self.wait
            || self.rounds_since_probe >= segments.min(RENO_ROUNDS);
        if due {
            self.reset_lower_bounds();
            self.up_rounds = 0;
            self.up_acked = 0;
            self.ack_phase = AckPhase::Refilling;
            self.start_round(ack);
            self.state = State::Refill;
        }
        due
    }

    /// BBRStartProbeBW_UP.
    fn start_up(&mut self, window: &Window, ack: &Ack, sample: &RateSample) {
        self.ack_phase = AckPhase::Starting;
        self.start_round(ack);
        self.reset_full_bw(sample);
        self.cycle_at = ack.now;
        self.state = State::Up;
        self.raise_slope(window);
    }

    /// BBRRaiseInflightHiSlope: bytes to be acknowledged for one segment more.
    fn raise_slope(&mut self, window: &Window) {
        let growth = 1u32
            .checked_shl(u32::from(self.up_rounds))
            .unwrap_or(u32::MAX);
        self.up_rounds = self.up_rounds.saturating_add(1).min(30);
        self.up_count = window.cwnd.checked_div(growth).unwrap_or(0).max(self.mss);
    }

    /// BBRProbeInflightHiUpward.
    fn probe_upward(&mut self, window: &Window, ack: &Ack) {
        if ack.in_use && window.cwnd >= self.inflight_hi {
            self.up_acked = self.up_acked.saturating_add(ack.delivered);
            if self.up_acked >= self.up_count {
                let steps = self.up_acked.checked_div(self.up_count).unwrap_or(0);
                self.up_acked = self
                    .up_acked
                    .saturating_sub(steps.saturating_mul(self.up_count));
                self.inflight_hi = self
                    .inflight_hi
                    .saturating_add(steps.saturating_mul(self.mss));
            }
        }
        if self.round_start {
            self.raise_slope(window);
        }
    }

    /// BBRAdaptUpperBounds.
    fn adapt_upper_bounds(&mut self, window: &Window, ack: &Ack, sample: &RateSample) {
        if self.round_start {
            match self.ack_phase {
                AckPhase::Starting => self.ack_phase = AckPhase::Feedback,
                AckPhase::Stopping => {
                    self.samples_count = false;
                    self.ack_phase = AckPhase::Init;
                    if self.state.probes_bw() && !sample.app_limited {
                        // BBRAdvanceMaxBwFilter.
                        let [_, now] = self.max_bw;
                        if now > 0 {
                            self.max_bw = [now, 0];
                        }
                    }
                }
                _ => {}
            }
        }
        if sample.lost > sample.in_flight / LOSS_PART || self.inflight_hi == NONE {
            return;
        }
        if sample.in_flight > self.inflight_hi {
            self.inflight_hi = sample.in_flight;
        }
        if self.state == State::Up {
            self.probe_upward(window, ack);
        }
    }

    /// BBRProbeRTTCwnd.
    pub(super) fn probe_rtt_cwnd(&self) -> u32 {
        self.bdp(self.bw, State::ProbeRtt.cwnd_gain())
            .max(self.least())
    }

    /// BBRCheckProbeRTT (5.3.4).
    pub(super) fn check_probe_rtt(&mut self, window: &mut Window, ack: &Ack) {
        if self.state != State::ProbeRtt && self.probe_rtt_expired && !self.idle_restart {
            self.save_cwnd(window, ack.phase != Phase::Open);
            self.state = State::ProbeRtt;
            self.probe_rtt_done_at = None;
            self.ack_phase = AckPhase::Stopping;
            self.start_round(ack);
        }
        if self.state == State::ProbeRtt {
            self.handle_probe_rtt(window, ack);
        }
        if ack.delivered > 0 {
            self.idle_restart = false;
        }
    }

    fn handle_probe_rtt(&mut self, window: &mut Window, ack: &Ack) {
        let Some(done_at) = self.probe_rtt_done_at else {
            if ack.pipe <= self.probe_rtt_cwnd() {
                self.probe_rtt_done_at = Some(ack.now.add(PROBE_RTT_DURATION));
                self.probe_rtt_round_done = false;
                self.start_round(ack);
            }
            return;
        };
        self.probe_rtt_round_done |= self.round_start;
        if self.probe_rtt_round_done && ack.now > done_at {
            self.end_probe_rtt(window, ack, ack.now);
        }
    }

    /// BBRCheckProbeRTTDone, BBRExitProbeRTT.
    fn end_probe_rtt(&mut self, window: &mut Window, ack: &Ack, now: Instant) {
        self.probe_rtt_min_at = now;
        self.restore_cwnd(window);
        self.reset_lower_bounds();
        if self.full_bw_reached {
            self.start_down(ack);
            self.state = State::Cruise;
        } else {
            self.state = State::Startup;
        }
    }
}
