// SPDX-License-Identifier: GPL-2.0

//! Pacing: segments leave one after the other at a rate, not in bursts.
//!
//! The rate is data: who carries the segments out may hold each back until its departure time (the
//! fq queueing discipline does), or the connection holds them back itself by a timer.

use super::time::{Duration, Instant};

/// Who sees to it that segments leave no earlier than they should.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Pacer {
    /// Nobody.
    #[default]
    None,
    /// The connection, by a timer of its own.
    Timer,
    /// The queueing discipline, by the departure time of each segment.
    Qdisc,
}

/// No limit.
pub(crate) const UNLIMITED: u64 = u64::MAX;

/// How far ahead of time segments are given to the queueing discipline, which bounds its queue.
const AHEAD: Duration = Duration::from_millis(2);
/// How much of the time that a late timer lost may be made up for.
const CREDIT: Duration = Duration::from_millis(5);
/// Segments in the least burst, unless the namespace says otherwise.
const LEAST_SEGMENTS: u8 = 2;

/// How a connection is paced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pacing {
    /// Bytes a second.
    rate: u64,
    /// The user's limit (SO_MAX_PACING_RATE), bytes a second.
    most: u64,
    pacer: Pacer,
    /// Segments in the least burst.
    least: u8,
    /// Two to the power of this are the microseconds of round-trip time for which what is added to a
    /// burst is halved; 0: nothing is added.
    short: u8,
    /// The congestion control can't do without.
    needed: bool,
    /// When the next segment may leave.
    next: Instant,
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            rate: UNLIMITED,
            most: UNLIMITED,
            pacer: Pacer::None,
            least: LEAST_SEGMENTS,
            short: 9,
            needed: false,
            next: Instant::default(),
        }
    }
}

/// `bytes` in `span`, as bytes a second; [`UNLIMITED`] for no span.
pub(crate) fn rate_of(bytes: u64, span: Duration) -> u64 {
    // Beyond 18 GB in one go the product is cut, which makes the rate smaller.
    bytes
        .saturating_mul(1_000_000_000)
        .checked_div(span.as_nanos())
        .unwrap_or(UNLIMITED)
}

/// How much goes at `rate` in `span`. Exact to a part in a thousand or better.
pub(crate) fn volume(rate: u64, span: Duration) -> u64 {
    let us = span.as_micros();
    match rate.checked_mul(us) {
        Some(product) => product / 1_000_000,
        None => (rate / 1_000_000).saturating_mul(us),
    }
}

/// How long `bytes` take at `rate`.
pub(crate) fn span_of(bytes: u64, rate: u64) -> Duration {
    Duration::from_nanos(
        bytes
            .saturating_mul(1_000_000_000)
            .checked_div(rate)
            .unwrap_or(0),
    )
}

impl Pacing {
    /// The rate in force, bytes a second; [`UNLIMITED`]: none.
    pub(crate) fn rate(&self) -> u64 {
        self.rate.min(self.most)
    }

    /// What the shell found: who paces, and the user's limit.
    pub(crate) fn set_pacer(&mut self, pacer: Pacer, most: u64) {
        self.pacer = pacer;
        self.most = most.max(1);
    }

    /// Who was asked to pace, and the user's limit.
    pub(crate) fn asked(&self) -> (Pacer, u64) {
        (self.pacer, self.most)
    }

    /// Whether the congestion control can't do without.
    pub(crate) fn set_needed(&mut self, needed: bool) {
        self.needed = needed;
    }

    /// The congestion control's rate.
    pub(crate) fn set_rate(&mut self, rate: u64) {
        self.rate = rate.max(1);
    }

    /// Who paces.
    fn pacer(&self) -> Pacer {
        match self.pacer {
            Pacer::None if self.needed || self.most != UNLIMITED => Pacer::Timer,
            pacer => pacer,
        }
    }

    /// When the next segment may be given out, if not now.
    pub(crate) fn wait_until(&self, now: Instant) -> Option<Instant> {
        let until = match self.pacer() {
            Pacer::None => return None,
            Pacer::Timer => self.next,
            Pacer::Qdisc => {
                Instant::from_nanos(self.next.as_nanos().saturating_sub(AHEAD.as_nanos()))
            }
        };
        (until > now).then_some(until)
    }

    /// `bytes` are given out now: when they are to leave.
    pub(crate) fn depart(&mut self, now: Instant, bytes: u32) -> Instant {
        let rate = self.rate();
        let pacer = self.pacer();
        if pacer == Pacer::None || rate == UNLIMITED {
            self.next = now;
            return now;
        }
        let earliest = Instant::from_nanos(now.as_nanos().saturating_sub(match pacer {
            Pacer::Timer => CREDIT.as_nanos(),
            _ => 0,
        }));
        let at = self.next.max(earliest);
        let span = span_of(u64::from(bytes), rate);
        // Who comes late to a queue that keeps the time loses no more than that: up to half of the
        // span to the next burst is made up for, as in Linux.
        let credit = if pacer == Pacer::Qdisc && self.next != Instant::default() {
            now.since(self.next).as_nanos().min(span.as_nanos() / 2)
        } else {
            0
        };
        let rest = span.as_nanos().saturating_sub(credit);
        self.next = at.add(Duration::from_nanos(rest));
        at.max(now)
    }

    /// The same for what a timer has to send: it does not wait for its turn, but uses it up.
    pub(crate) fn depart_at_once(&mut self, now: Instant, bytes: u32) -> Instant {
        self.next = match self.rate() {
            UNLIMITED => now,
            rate => self.next.max(now).add(span_of(u64::from(bytes), rate)),
        };
        now
    }

    /// Bursts are of at least that many segments.
    pub(crate) fn set_least(&mut self, segments: u8) {
        self.least = segments.max(1);
    }

    /// How short a path has to be for larger bursts (tcp_tso_rtt_log).
    pub(crate) fn set_short(&mut self, log: u8) {
        self.short = log;
    }

    /// Most bytes in one burst that is cut on the way out: what takes a millisecond, so that a
    /// queue on the way has time to drain; more where the path is so short that there is none.
    pub(crate) fn burst(&self, most: u32, mss: u32, least_rtt: Option<Duration>) -> u32 {
        let rate = self.rate();
        if rate == UNLIMITED {
            return most;
        }
        let bytes = u32::try_from(rate / 1000).unwrap_or(u32::MAX);
        let near = match least_rtt {
            Some(rtt) if self.short != 0 => {
                let halvings = rtt
                    .as_micros()
                    .checked_shr(u32::from(self.short))
                    .unwrap_or(0);
                let halvings = u32::try_from(halvings).unwrap_or(u32::MAX);
                most.checked_shr(halvings).unwrap_or(0)
            }
            _ => 0,
        };
        let bytes = bytes.saturating_add(near);
        let whole = bytes.saturating_sub(bytes.checked_rem(mss).unwrap_or(0));
        whole
            .max(mss.saturating_mul(u32::from(self.least)))
            .min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Instant = Instant::from_nanos(1_000_000_000);

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn unpaced_unless_somebody_wants_it() {
        let mut pacing = Pacing::default();
        pacing.set_rate(1_000_000);
        assert_eq!(pacing.depart(T0, 100_000), T0);
        assert_eq!(pacing.wait_until(T0), None);
        pacing.set_needed(true);
        pacing.depart(T0, 100_000);
        assert!(pacing.wait_until(T0).is_some());
    }

    /// 1 MB/s: 10,000 bytes are 10 ms; a timer that is 3 ms late is made up for, idle time is not.
    #[test]
    fn a_timer_paces_on_average() {
        let mut pacing = Pacing::default();
        pacing.set_rate(1_000_000);
        pacing.set_pacer(Pacer::Timer, UNLIMITED);
        let mut now = T0;
        pacing.depart(now, 10_000);
        let first = pacing.wait_until(now).unwrap();
        assert_eq!(
            first,
            T0.add(ms(5)),
            "10 ms less the credit for a late timer"
        );
        now = first.add(ms(3));
        pacing.depart(now, 10_000);
        assert_eq!(pacing.wait_until(now), Some(first.add(ms(10))));
        now = now.add(Duration::from_secs(10));
        pacing.depart(now, 10_000);
        assert_eq!(pacing.wait_until(now), Some(now.add(ms(5))));
    }

    #[test]
    fn the_qdisc_gets_departure_times() {
        let mut pacing = Pacing::default();
        pacing.set_rate(1_000_000);
        pacing.set_pacer(Pacer::Qdisc, UNLIMITED);
        assert_eq!(pacing.depart(T0, 1_000), T0);
        assert_eq!(pacing.depart(T0, 1_000), T0.add(ms(1)));
        assert_eq!(pacing.wait_until(T0), None);
        assert_eq!(pacing.depart(T0, 1_000), T0.add(ms(2)));
        assert_eq!(pacing.wait_until(T0), Some(T0.add(ms(1))));
    }

    /// A timer's segment leaves at once, and what comes next later by as much.
    #[test]
    fn what_is_overdue_leaves_at_once() {
        let mut pacing = Pacing::default();
        pacing.set_rate(1_000_000);
        pacing.set_pacer(Pacer::Qdisc, UNLIMITED);
        pacing.depart(T0, 10_000);
        assert_eq!(pacing.depart_at_once(T0.add(ms(1)), 1_000), T0.add(ms(1)));
        assert_eq!(pacing.depart(T0.add(ms(2)), 1_000), T0.add(ms(11)));
        let later = T0.add(ms(100));
        assert_eq!(pacing.depart_at_once(later, 1_000), later);
        assert_eq!(pacing.depart(later, 1_000), later.add(ms(1)));
        pacing.set_rate(UNLIMITED);
        assert_eq!(pacing.depart_at_once(later, 1_000), later);
        assert_eq!(pacing.wait_until(later), None);
    }

    /// What tcp_slow_start_slow-start-fq-ack-per-2pkt shows of the kernel's TCP: after a pause the second
    /// burst leaves half a span after the first, and the others a whole one after each other.
    #[test]
    fn a_pause_is_made_up_for_by_half_a_span() {
        let mut pacing = Pacing::default();
        pacing.set_rate(1_000_000);
        // Nobody paced yet.
        assert_eq!(pacing.depart(T0, 14_000), T0);
        pacing.set_pacer(Pacer::Qdisc, UNLIMITED);
        let late = T0.add(ms(105));
        assert_eq!(pacing.depart(late, 8_000), late);
        assert_eq!(pacing.depart(late, 8_000), late.add(ms(4)));
        assert_eq!(pacing.depart(late, 8_000), late.add(ms(12)));
        let late = late.add(ms(21));
        assert_eq!(pacing.depart(late, 8_000), late, "1 ms late");
        assert_eq!(pacing.depart(late, 8_000), late.add(ms(7)));
    }

    #[test]
    fn the_users_limit_holds() {
        let mut pacing = Pacing::default();
        pacing.set_rate(1_000_000_000);
        pacing.set_pacer(Pacer::None, 500_000);
        assert_eq!(pacing.rate(), 500_000);
        pacing.depart(T0, 5_000);
        assert_eq!(pacing.wait_until(T0), Some(T0.add(ms(5))));
    }

    #[test]
    fn bursts_take_a_millisecond() {
        let mut pacing = Pacing::default();
        assert_eq!(
            pacing.burst(64_000, 1000, Some(ms(40))),
            64_000,
            "no rate yet"
        );
        pacing.set_rate(10_000_000);
        assert_eq!(pacing.burst(64_000, 1000, Some(ms(40))), 10_000);
        assert_eq!(
            pacing.burst(64_000, 1000, Some(Duration::from_micros(100))),
            64_000
        );
        // Half of what can be on top for each 512 us, none where nobody wants that.
        let us = |n| Some(Duration::from_micros(n));
        assert_eq!(pacing.burst(64_000, 1000, us(600)), 42_000);
        assert_eq!(pacing.burst(64_000, 1000, us(1_100)), 26_000);
        pacing.set_short(0);
        assert_eq!(pacing.burst(64_000, 1000, us(100)), 10_000);
        pacing.set_rate(1_000);
        assert_eq!(pacing.burst(64_000, 1000, Some(ms(40))), 2_000);
    }

    #[test]
    fn conversions() {
        assert_eq!(rate_of(1000, ms(1)), 1_000_000);
        assert_eq!(rate_of(1, Duration::ZERO), UNLIMITED);
        assert_eq!(volume(1_000_000, ms(5)), 5_000);
        assert_eq!(
            volume(u64::MAX, Duration::from_micros(1)),
            u64::MAX / 1_000_000
        );
        assert_eq!(span_of(1000, 1_000_000), ms(1));
        assert_eq!(span_of(1000, 0), Duration::ZERO);
    }
}
