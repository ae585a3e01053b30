// SPDX-License-Identifier: GPL-2.0

//! The timers of a connection: a fixed table of deadlines. Whoever runs the connection arms one
//! real timer for the earliest.

use super::time::Instant;

/// A timer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Timer {
    /// Retransmission (RFC 6298), of SYN, data or FIN.
    Retransmit,
    /// Zero-window probes (RFC 9293, 3.8.6.1).
    Persist,
    /// Delayed ACK (RFC 9293, 3.8.6.3).
    DelayedAck,
    /// Keepalive (RFC 9293, 3.8.4).
    Keepalive,
    /// Another try after memory ran out.
    Retry,
    /// Data overtaken by later data counts as lost now (RFC 8985, section 6.3).
    Reorder,
    /// A probe for a lost tail (RFC 8985, section 7).
    LossProbe,
    /// A segment may leave.
    Pace,
}

/// All timers.
pub(crate) const ALL: [Timer; 8] = [
    Timer::Retransmit,
    Timer::Persist,
    Timer::DelayedAck,
    Timer::Keepalive,
    Timer::Retry,
    Timer::Reorder,
    Timer::LossProbe,
    Timer::Pace,
];

/// The deadlines; zero: the timer does not run.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct TimerTable {
    retransmit: Instant,
    persist: Instant,
    delayed_ack: Instant,
    keepalive: Instant,
    retry: Instant,
    reorder: Instant,
    loss_probe: Instant,
    pace: Instant,
}

impl TimerTable {
    fn slot(&mut self, timer: Timer) -> &mut Instant {
        match timer {
            Timer::Retransmit => &mut self.retransmit,
            Timer::Persist => &mut self.persist,
            Timer::DelayedAck => &mut self.delayed_ack,
            Timer::Keepalive => &mut self.keepalive,
            Timer::Retry => &mut self.retry,
            Timer::Reorder => &mut self.reorder,
            Timer::LossProbe => &mut self.loss_probe,
            Timer::Pace => &mut self.pace,
        }
    }

    /// When `timer` is due, if it runs.
    pub(crate) fn get(&self, timer: Timer) -> Option<Instant> {
        let at = match timer {
            Timer::Retransmit => self.retransmit,
            Timer::Persist => self.persist,
            Timer::DelayedAck => self.delayed_ack,
            Timer::Keepalive => self.keepalive,
            Timer::Retry => self.retry,
            Timer::Reorder => self.reorder,
            Timer::LossProbe => self.loss_probe,
            Timer::Pace => self.pace,
        };
        (at != Instant::default()).then_some(at)
    }

    /// Starts or moves a timer.
    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        *self.slot(timer) = at.max(Instant::from_nanos(1));
    }

    /// Stops a timer.
    pub(crate) fn stop(&mut self, timer: Timer) {
        *self.slot(timer) = Instant::default();
    }

    /// Stops all timers.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Stops `timer` and says so if it is due.
    pub(crate) fn take_expired(&mut self, timer: Timer, now: Instant) -> bool {
        let is_due = self.get(timer).is_some_and(|at| at <= now);
        if is_due {
            self.stop(timer);
        }
        is_due
    }

    /// Which timer is due first.
    #[allow(dead_code)] // For the simulator and the fuzz targets.
    pub(crate) fn first(&self) -> Option<Timer> {
        let running = ALL
            .iter()
            .copied()
            .filter(|timer| self.get(*timer).is_some());
        running.min_by_key(|timer| self.get(*timer))
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        ALL.iter().filter_map(|timer| self.get(*timer)).min()
    }
}
