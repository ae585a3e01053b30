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
    /// Duplicate ACKs that were held back go as one (tcp_comp_sack_delay_ns).
    HeldAck,
}

/// All timers.
pub(crate) const ALL: [Timer; 9] = [
    Timer::Retransmit,
    Timer::Persist,
    Timer::DelayedAck,
    Timer::Keepalive,
    Timer::Retry,
    Timer::Reorder,
    Timer::LossProbe,
    Timer::Pace,
    Timer::HeldAck,
];

/// The deadlines, in the order of [`ALL`]; zero: the timer does not run.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct TimerTable([Instant; ALL.len()]);

impl TimerTable {
    fn put(&mut self, timer: Timer, at: Instant) {
        if let Some(slot) = self.0.get_mut(timer as usize) {
            *slot = at;
        }
    }

    /// When `timer` is due, if it runs.
    pub(crate) fn get(&self, timer: Timer) -> Option<Instant> {
        let at = self.0.get(timer as usize).copied()?;
        (at != Instant::default()).then_some(at)
    }

    /// Starts or moves a timer.
    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        self.put(timer, at.max(Instant::from_nanos(1)));
    }

    /// Stops a timer.
    pub(crate) fn stop(&mut self, timer: Timer) {
        self.put(timer, Instant::default());
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
        // Asked after every segment and call. Zero becomes the latest of all, so that nothing
        // branches.
        let soonest = self
            .0
            .iter()
            .map(|at| at.as_nanos().wrapping_sub(1))
            .min()?;
        (soonest != u64::MAX).then(|| Instant::from_nanos(soonest.saturating_add(1)))
    }

    /// The earliest deadline but that of `timer`.
    pub(crate) fn next_but(mut self, timer: Timer) -> Option<Instant> {
        self.stop(timer);
        self.next()
    }
}
