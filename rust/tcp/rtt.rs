// SPDX-License-Identifier: GPL-2.0

//! Round-trip time and the retransmission time-out (RFC 6298).

use super::time::{Duration, Instant};

/// The estimator. Times in nanoseconds.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct RttEstimator {
    srtt: u64,
    rttvar: u64,
    /// The least sample of the current half of the window that it counts for, and of the half before.
    min: u64,
    min_before: u64,
    /// When the current half began.
    min_since: Instant,
    backoff: u8,
    /// The handshake gave no sample because something of it was sent again.
    careful: bool,
}

/// RFC 6298, 2.1, before any sample: one second.
pub(crate) const INITIAL_RTO: Duration = Duration::from_secs(1);
/// RFC 6298, 5.7, where that was too short for the handshake.
const CAREFUL_RTO: Duration = Duration::from_secs(3);

impl RttEstimator {
    /// Takes a sample (RFC 6298, 2.2 and 2.3). The caller keeps Karn's rule. The least one counts for
    /// `window`, or half of that at least.
    pub(crate) fn sample(&mut self, rtt: Duration, now: Instant, window: Duration) {
        let r = rtt.as_nanos().max(1);
        if self.srtt == 0 {
            self.srtt = r;
            self.rttvar = r / 2;
        } else {
            // RTTVAR <- 3/4 RTTVAR + 1/4 |SRTT - R'|, then SRTT <- 7/8 SRTT + 1/8 R'.
            let diff = self.srtt.abs_diff(r);
            self.rttvar = self
                .rttvar
                .saturating_sub(self.rttvar / 4)
                .saturating_add(diff / 4);
            self.srtt = self
                .srtt
                .saturating_sub(self.srtt / 8)
                .saturating_add(r / 8);
        }
        self.note_least(r, now, window);
    }

    /// RFC 8985, 6.2, step 4, wants the least round-trip time of late: a path may get longer.
    fn note_least(&mut self, r: u64, now: Instant, window: Duration) {
        let age = now.since(self.min_since).as_nanos();
        if self.min == 0 || age >= window.as_nanos() {
            self.min = r;
            self.min_before = r;
            self.min_since = now;
        } else if age >= window.as_nanos() / 2 {
            self.min_before = self.min;
            self.min = r;
            self.min_since = now;
        } else {
            self.min = self.min.min(r);
        }
    }

    /// A time-out was a mistake, and this sample says how long the path takes at times: the next one
    /// shall come later. RFC 4015, section 3.3.
    pub(crate) fn after_spurious(&mut self, rtt: Duration) {
        let r = rtt.as_nanos();
        self.srtt = self.srtt.max(r);
        self.rttvar = self.rttvar.max(r / 2);
    }

    /// The path takes `to` where it took `from` until now, by our own doing (TCP_TX_DELAY): without that
    /// the time-out would find out too late. What the least is has to be seen anew.
    pub(crate) fn shift(&mut self, from: Duration, to: Duration) {
        if self.srtt == 0 {
            return;
        }
        let srtt = self.srtt.saturating_add(to.as_nanos());
        self.srtt = srtt.saturating_sub(from.as_nanos()).max(1);
        self.min = 0;
    }

    /// RFC 6298, 5.7: the timer of a SYN ran out, and data is about to be sent. Until there is a
    /// sample the time-out is three seconds.
    pub(crate) fn after_slow_handshake(&mut self) {
        self.careful = true;
    }

    /// The smoothed round-trip time, if there was a sample.
    pub(crate) fn srtt(&self) -> Option<Duration> {
        (self.srtt != 0).then_some(Duration::from_nanos(self.srtt))
    }

    /// The least sample of late, if there was one.
    pub(crate) fn min(&self) -> Option<Duration> {
        (self.min != 0).then_some(Duration::from_nanos(self.min.min(self.min_before)))
    }

    /// The variation.
    pub(crate) fn rttvar(&self) -> Duration {
        Duration::from_nanos(self.rttvar)
    }

    /// The time-out in force, backoff included, within `[min, max]`. As in Linux the lower bound
    /// applies to the variation's share, so that RTO >= SRTT + min.
    pub(crate) fn rto(&self, min: Duration, max: Duration) -> Duration {
        let base = match self.srtt() {
            None if self.careful => CAREFUL_RTO,
            None => INITIAL_RTO,
            Some(srtt) => srtt.add(self.rttvar().shl(2).max(min)),
        };
        base.shl(u32::from(self.backoff)).min(max)
    }

    /// RFC 6298, 5.5: doubles the time-out.
    pub(crate) fn back_off(&mut self) {
        self.backoff = self.backoff.saturating_add(1).min(20);
    }

    /// Takes the last doubling back (RFC 6069, 4.2, step 4).
    pub(crate) fn ease(&mut self) {
        self.backoff = self.backoff.saturating_sub(1);
    }

    /// New data was acknowledged: no backoff any more.
    pub(crate) fn reset_backoff(&mut self) {
        self.backoff = 0;
    }

    /// How often the time-out was doubled.
    pub(crate) fn backoff(&self) -> u8 {
        self.backoff
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: Duration = Duration::from_millis(200);
    const MAX: Duration = Duration::from_secs(120);
    const WINDOW: Duration = Duration::from_secs(300);
    const AT: Instant = Instant::from_nanos(1_000_000_000);

    /// RFC 8985, 6.2, step 4 (and tcp_min_rtt_wlen): the least sample is forgotten when it is older
    /// than the window, and not before it is half as old.
    #[test]
    fn rfc8985_6_2_step_4_the_least_sample_is_of_late() {
        let ms = Duration::from_millis;
        let at = |s| AT.add(Duration::from_secs(s));
        let mut rtt = RttEstimator::default();
        rtt.sample(ms(10), at(0), WINDOW);
        for s in 1..150 {
            rtt.sample(ms(40), at(s), WINDOW);
        }
        assert_eq!(rtt.min(), Some(ms(10)));
        for s in 150..300 {
            rtt.sample(ms(40), at(s), WINDOW);
            assert_eq!(rtt.min(), Some(ms(10)), "{s}");
        }
        rtt.sample(ms(40), at(301), WINDOW);
        assert_eq!(rtt.min(), Some(ms(40)));
        rtt.sample(ms(30), at(302), WINDOW);
        assert_eq!(rtt.min(), Some(ms(30)));
        // After a pause as long as the window nothing of before counts.
        rtt.sample(ms(50), at(700), WINDOW);
        assert_eq!(rtt.min(), Some(ms(50)));
        // No window: the last one.
        rtt.sample(ms(60), at(701), Duration::ZERO);
        assert_eq!(rtt.min(), Some(ms(60)));
    }

    /// RFC 6298, 2.1 to 2.3 and 5.5, by hand with round numbers.
    #[test]
    fn rfc6298_section_2() {
        let mut rtt = RttEstimator::default();
        assert_eq!(rtt.rto(MIN, MAX), Duration::from_secs(1));
        rtt.sample(Duration::from_millis(800), AT, WINDOW);
        // SRTT = R, RTTVAR = R/2, RTO = SRTT + 4 RTTVAR.
        assert_eq!(rtt.rto(MIN, MAX), Duration::from_millis(800 + 4 * 400));
        rtt.sample(Duration::from_millis(1600), AT, WINDOW);
        // RTTVAR = 3/4*400 + 1/4*800 = 500; SRTT = 7/8*800 + 1/8*1600 = 900.
        assert_eq!(rtt.srtt(), Some(Duration::from_millis(900)));
        assert_eq!(rtt.rttvar(), Duration::from_millis(500));
        rtt.back_off();
        assert_eq!(
            rtt.rto(MIN, MAX),
            Duration::from_millis(2 * (900 + 4 * 500))
        );
        for _ in 0..40 {
            rtt.back_off();
        }
        assert_eq!(rtt.rto(MIN, MAX), MAX);
        rtt.reset_backoff();
        assert_eq!(rtt.rto(MIN, MAX), Duration::from_millis(900 + 4 * 500));
    }

    /// TCP_TX_DELAY, set on a connection that is open and taken back.
    #[test]
    fn a_delay_of_our_own_moves_the_time_out() {
        let ms = Duration::from_millis;
        let mut rtt = RttEstimator::default();
        rtt.shift(Duration::ZERO, ms(50));
        assert_eq!((rtt.srtt(), rtt.rto(MIN, MAX)), (None, INITIAL_RTO));
        rtt.sample(ms(10), AT, WINDOW);
        let before = rtt.rto(MIN, MAX);
        rtt.shift(Duration::ZERO, ms(300));
        assert_eq!(rtt.srtt(), Some(ms(310)));
        assert_eq!(rtt.rto(MIN, MAX), before.add(ms(300)));
        assert_eq!(rtt.min(), None);
        rtt.shift(ms(300), ms(100));
        assert_eq!(rtt.srtt(), Some(ms(110)));
        // It never had a delay so long.
        rtt.shift(ms(500), Duration::ZERO);
        assert_eq!(rtt.srtt(), Some(Duration::from_nanos(1)));
    }

    #[test]
    fn a_quiet_path_keeps_the_lower_bound() {
        let mut rtt = RttEstimator::default();
        for _ in 0..100 {
            rtt.sample(Duration::from_micros(50), AT, WINDOW);
        }
        assert_eq!(rtt.rto(MIN, MAX).as_millis_ceil(), 201);
    }
}
