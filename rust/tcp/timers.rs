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

/// The deadlines.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct TimerTable {
    retransmit: Option<Instant>,
    persist: Option<Instant>,
    delayed_ack: Option<Instant>,
    keepalive: Option<Instant>,
    retry: Option<Instant>,
    reorder: Option<Instant>,
    loss_probe: Option<Instant>,
    pace: Option<Instant>,
}

impl TimerTable {
    fn slot(&mut self, timer: Timer) -> &mut Option<Instant> {
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
        match timer {
            Timer::Retransmit => self.retransmit,
            Timer::Persist => self.persist,
            Timer::DelayedAck => self.delayed_ack,
            Timer::Keepalive => self.keepalive,
            Timer::Retry => self.retry,
            Timer::Reorder => self.reorder,
            Timer::LossProbe => self.loss_probe,
            Timer::Pace => self.pace,
        }
    }

    /// Starts or moves a timer.
    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        *self.slot(timer) = Some(at);
    }

    /// Stops a timer.
    pub(crate) fn stop(&mut self, timer: Timer) {
        *self.slot(timer) = None;
    }

    /// Stops all timers.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Stops `timer` and says so if it is due.
    pub(crate) fn take_expired(&mut self, timer: Timer, now: Instant) -> bool {
        let slot = self.slot(timer);
        match *slot {
            Some(at) if at <= now => {
                *slot = None;
                true
            }
            _ => false,
        }
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
