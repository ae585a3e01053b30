// SPDX-License-Identifier: GPL-2.0

//! CUBIC (RFC 9438) in integers: times in milliseconds, windows in bytes, C = 2/5, beta = 7/10.

use super::{
    hystart::{HyStart, Pace},
    Ack, Cause, Controller, Window, MAX_WINDOW, NO_THRESHOLD,
};
use crate::tcp::time::{Duration, Instant};

/// The longest time from the curve's middle that is told apart, ms: beyond it the cube leaves
/// what a window can be (0.4 * 131^3 segments of a single byte would be 900,000 of them).
const FARTHEST: u64 = 1 << 17;

/// A stage of congestion avoidance.
#[derive(Clone, Copy, Debug)]
struct Epoch {
    /// t_epoch; moved ahead by the time for which the window was not in use.
    start: Instant,
    /// K, ms.
    k: u64,
    /// Where the curve is flat: W_max.
    origin: u32,
    /// W_est: the window that Reno would have.
    w_est: u32,
    /// What of a byte is left over from the last growth, for the window (in 1/cwnd) and for W_est
    /// (in 1/17 cwnd).
    left: (u64, u64),
}

/// The controller.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Cubic {
    /// W_max of the last congestion, bytes; 0: none, or it was a time-out.
    w_max: u32,
    /// cwnd_prior, bytes.
    prior: u32,
    epoch: Option<Epoch>,
    /// When the last ACK came.
    last_ack: Instant,
    hystart: HyStart,
    /// The first three, as they were before the last reduction.
    undo: (u32, u32, Option<Epoch>),
}

/// The cube root, rounded down: bit by bit from the top.
fn cube_root(n: u64) -> u64 {
    let mut root = 0u64;
    let mut bit = 1u64 << 21;
    while bit > 0 {
        let tried = root | bit;
        // At most (2^22 - 1)^3 < 2^66: the check keeps it below 2^64.
        let cube = tried
            .checked_mul(tried)
            .and_then(|square| square.checked_mul(tried));
        if cube.is_some_and(|cube| cube <= n) {
            root = tried;
        }
        bit >>= 1;
    }
    root
}

/// C * t^3 in bytes: 2/5 * mss * (ms/1000)^3, rounded down to about a byte.
fn rise(ms: u64, mss: u32) -> u32 {
    const MILLION: u64 = 1_000_000;
    let ms = ms.min(FARTHEST);
    let cube = ms.saturating_mul(ms).saturating_mul(ms);
    let twice = u64::from(mss).saturating_mul(2);
    // In two parts, since cube * mss would not fit.
    let whole = (cube / MILLION).saturating_mul(twice) / 5_000;
    let part = (cube % MILLION).saturating_mul(twice) / 5_000_000_000;
    u32::try_from(whole.saturating_add(part)).unwrap_or(u32::MAX)
}

/// K in ms for a window that is `gap` bytes below W_max: the inverse of [`rise`] (equation 2).
fn rise_time(gap: u32, mss: u32) -> u64 {
    // Less than 2^30 * 5 * 10^9 < 2^63.
    let scaled = u64::from(gap.min(MAX_WINDOW)).saturating_mul(5_000_000_000);
    let twice = u64::from(mss.max(1)).saturating_mul(2);
    cube_root(scaled.checked_div(twice).unwrap_or(0))
}

impl Epoch {
    /// A stage that starts with `cwnd` (RFC 9438, 4.2; 4.8 and 4.10 where there is no W_max).
    fn new(now: Instant, cwnd: u32, w_max: u32, mss: u32) -> Self {
        let origin = cwnd.max(w_max);
        Self {
            start: now,
            k: rise_time(origin.saturating_sub(cwnd), mss),
            origin,
            w_est: cwnd,
            left: (0, 0),
        }
    }

    /// W_cubic(t), equation 1.
    fn curve(&self, t: Duration, mss: u32) -> u32 {
        let ms = t.as_micros() / 1000;
        if ms >= self.k {
            self.origin
                .saturating_add(rise(ms.saturating_sub(self.k), mss))
        } else {
            self.origin
                .saturating_sub(rise(self.k.saturating_sub(ms), mss))
        }
    }

    /// Equation 4: W_est grows by alpha segments a window, alpha being 9/17, and 1 once W_est
    /// has reached what the window was before the reduction.
    fn grow_reno(&mut self, cwnd: u32, prior: u32, acked: u32, mss: u32) {
        let alpha = if self.w_est >= prior { 17 } else { 9 };
        let sum = u64::from(acked)
            .saturating_mul(u64::from(mss))
            .saturating_mul(alpha)
            .saturating_add(self.left.1);
        let unit = u64::from(cwnd.max(1)).saturating_mul(17);
        let (grow, left) = div_rem(sum, unit);
        self.left.1 = left;
        self.w_est = self.w_est.saturating_add(grow).min(MAX_WINDOW);
    }
}

/// Quotient and remainder; a quotient beyond 32 bits is cut.
fn div_rem(n: u64, by: u64) -> (u32, u64) {
    let quotient = n.checked_div(by).unwrap_or(0);
    let rest = n.checked_rem(by).unwrap_or(0);
    (u32::try_from(quotient).unwrap_or(u32::MAX), rest)
}

impl Cubic {
    fn avoid(&mut self, window: &mut Window, ack: &Ack, acked: u32) {
        let (cwnd, mss) = (window.cwnd, ack.mss);
        let mut epoch = self
            .epoch
            .unwrap_or_else(|| Epoch::new(ack.now, cwnd, self.w_max, mss));
        epoch.start = epoch.start.min(ack.now);
        let t = ack.now.since(epoch.start);
        epoch.grow_reno(cwnd, self.prior, acked, mss);
        if epoch.curve(t, mss) < epoch.w_est {
            // 4.3: where Reno would be faster, be Reno.
            window.cwnd = cwnd.max(epoch.w_est);
        } else {
            // 4.2, 4.4, 4.5: (target - cwnd) / cwnd a segment, with at most half as much again.
            let target = epoch
                .curve(t.add(ack.srtt), mss)
                .clamp(cwnd, cwnd.saturating_add(cwnd / 2));
            let sum = u64::from(target.saturating_sub(cwnd))
                .saturating_mul(u64::from(acked))
                .saturating_add(epoch.left.0);
            let (grow, left) = div_rem(sum, u64::from(cwnd.max(1)));
            epoch.left.0 = left;
            window.cwnd = cwnd.saturating_add(grow).min(target.max(cwnd));
        }
        window.cwnd = window.cwnd.min(MAX_WINDOW);
        self.epoch = Some(epoch);
    }

    /// Moves the stage's start: the time that passed does not count (RFC 9438, 5.8).
    fn skip(&mut self, time: Duration) {
        if let Some(epoch) = &mut self.epoch {
            epoch.start = epoch.start.add(time);
        }
    }
}

impl Controller for Cubic {
    fn on_ack(&mut self, window: &mut Window, ack: &Ack, validated: bool) {
        let last = core::mem::replace(&mut self.last_ack, ack.now);
        if !validated {
            self.skip(ack.now.since(last));
            self.hystart.pass(ack.una);
            return;
        }
        let mut acked = ack.acked;
        if window.in_slow_start() {
            // What comes after slow start is a new stage (4.2): where the last one had got to before the user
            // paused is not for one ACK to jump to.
            self.epoch = None;
            if window.ssthresh == NO_THRESHOLD {
                // RFC 9406, 4.3: in the first slow start only.
                match self.hystart.on_ack(ack) {
                    Pace::Grow(bytes) => acked = bytes,
                    Pace::Exit => {
                        window.ssthresh = window.cwnd;
                        return;
                    }
                }
            }
            acked = window.slow_start(acked);
        }
        if acked > 0 {
            self.avoid(window, ack, acked);
        }
    }

    /// RFC 9438, 4.6 and 4.7 (fast convergence); 4.8 after a time-out.
    fn reduce(&mut self, window: &Window, cause: Cause, flight: u32, _mss: u32) -> u32 {
        self.undo = (self.w_max, self.prior, self.epoch);
        self.prior = window.cwnd;
        self.w_max = match cause {
            Cause::Timeout => 0,
            _ if window.cwnd < self.w_max => {
                let part = u64::from(window.cwnd).saturating_mul(17) / 20;
                u32::try_from(part).unwrap_or(u32::MAX)
            }
            _ => window.cwnd,
        };
        self.epoch = None;
        u32::try_from(u64::from(flight).saturating_mul(7) / 10).unwrap_or(u32::MAX)
    }

    /// RFC 9438, 4.9.
    fn on_undo(&mut self) {
        (self.w_max, self.prior, self.epoch) = self.undo;
    }

    fn on_resume(&mut self, idle: Duration) {
        self.skip(idle);
        // The next ACK does not skip that once more.
        self.last_ack = self.last_ack.add(idle);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Algorithm, Congestion};
    use super::*;

    fn ack(now: Instant, acked: u32, mss: u32, srtt: Duration) -> Ack {
        Ack {
            now,
            acked,
            delivered: acked,
            mss,
            rtt: Some(srtt),
            srtt,
            ..Ack::for_tests()
        }
    }

    #[test]
    fn cube_root_is_exact() {
        let probe = |n: u64| {
            let root = u128::from(cube_root(n));
            assert!(root.pow(3) <= u128::from(n), "{n}");
            assert!((root + 1).pow(3) > u128::from(n), "{n}");
        };
        (0..100_000).for_each(probe);
        for n in [1u64, 2, 100, 1000, 65_535, 2_642_245] {
            let cube = n.pow(3);
            probe(cube - 1);
            probe(cube);
            probe(cube + 1);
        }
        probe(u64::MAX);
        let mut x = 1u64;
        for _ in 0..100_000 {
            x = x
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            probe(x);
            probe(x >> (x % 60));
        }
    }

    /// No input overflows (the host build checks all arithmetic).
    #[test]
    fn extremes_are_survived() {
        for mss in [1, 48, 536, 1460, 65_483] {
            for cwnd in [1, mss, 1 << 20, MAX_WINDOW] {
                let mut cubic = Cubic::default();
                let mut window = Window {
                    cwnd,
                    ssthresh: cwnd,
                };
                let _ = cubic.reduce(&window, Cause::Loss, cwnd, mss);
                window.cwnd = (cwnd / 10).max(1);
                for at in [0, 1, 1_000_000_000, 1 << 45, u64::MAX] {
                    for acked in [1, 1460, 1 << 30] {
                        let now = Instant::from_nanos(at);
                        let ack = ack(now, acked, mss, Duration::from_secs(600));
                        cubic.on_ack(&mut window, &ack, true);
                        assert!(window.cwnd <= MAX_WINDOW && window.cwnd > 0);
                    }
                }
            }
        }
    }

    /// RFC 9438, 5.8: time in which the user sends little is skipped, once, and the stage goes on where it was. 4.2: what
    /// comes after slow start is a stage of its own.
    #[test]
    fn rfc9438_5_8_a_pause_is_skipped_once() {
        let ms = |n: u64| Instant::from_nanos(n * 1_000_000);
        let rtt = Duration::from_millis(10);
        let mut cubic = Cubic::default();
        let mut window = Window {
            cwnd: 100_000,
            ssthresh: 100_000,
        };
        let mut now = 1_000;
        for _ in 0..50 {
            now += 10;
            cubic.on_ack(&mut window, &ack(ms(now), 1_000, 1_000, rtt), true);
        }
        let began = |cubic: &Cubic, now: u64| ms(now).since(cubic.epoch.unwrap().start);
        let before = began(&cubic, now);
        // A request each 100 ms, whose ACK comes after a round trip.
        for _ in 0..600 {
            now += 100;
            cubic.on_resume(Duration::from_millis(90));
            cubic.on_ack(&mut window, &ack(ms(now), 1_000, 1_000, rtt), false);
        }
        let after = began(&cubic, now);
        assert!(
            after >= before && after < before.add(Duration::from_millis(20)),
            "{before:?} {after:?}"
        );
        let w_est = cubic.epoch.unwrap().w_est;
        assert!(w_est > 100_000);
        window = Window {
            cwnd: 10_000,
            ssthresh: 75_000,
        };
        let mut most = 0;
        while window.cwnd < 80_000 {
            let old = window.cwnd;
            now += 1;
            cubic.on_ack(&mut window, &ack(ms(now), 1_000, 1_000, rtt), true);
            most = most.max(window.cwnd - old);
        }
        assert!(most <= 1_000, "{most} bytes by one ACK");
    }

    /// RFC 9438 in floating point, straight from its equations, one ACK a segment.
    struct Reference {
        w_max: f64,
        cwnd: f64,
        prior: f64,
        w_est: f64,
        k: f64,
        reno: bool,
    }

    impl Reference {
        fn new(w_max: f64) -> Self {
            let cwnd = w_max * 0.7;
            Self {
                w_max,
                cwnd,
                prior: w_max,
                w_est: cwnd,
                k: ((w_max - cwnd) / 0.4).cbrt(),
                reno: false,
            }
        }
        fn curve(&self, t: f64) -> f64 {
            0.4 * (t - self.k).powi(3) + self.w_max
        }
        fn ack(&mut self, t: f64, rtt: f64) {
            let alpha = if self.w_est >= self.prior {
                1.0
            } else {
                3.0 * 0.3 / 1.7
            };
            self.w_est += alpha / self.cwnd;
            self.reno = self.curve(t) < self.w_est;
            if self.reno {
                self.cwnd = self.cwnd.max(self.w_est);
            } else {
                let target = self.curve(t + rtt).clamp(self.cwnd, 1.5 * self.cwnd);
                self.cwnd += (target - self.cwnd) / self.cwnd;
            }
        }
    }

    /// The window follows RFC 9438's equations to within half a percent (and half a segment): the
    /// concave part (RFC 9438, 4.4), the plateau, the convex part (RFC 9438, 4.5), and the Reno-friendly
    /// region (RFC 9438, 4.3).
    #[test]
    fn rfc9438_4_2_to_4_5_the_curve() {
        let mut met_reno = [false; 2];
        for (w_max, rtt_ms, seconds) in [
            (1000u32, 100u64, 20.0f64),
            (100, 40, 15.0),
            (20, 10, 5.0),
            (5000, 200, 25.0),
        ] {
            let mss = 1448;
            let mut cc = Congestion::new(Algorithm::Cubic, mss);
            cc.window.cwnd = w_max * mss;
            cc.on_congestion(Cause::Loss, w_max * mss, mss);
            let mut reference = Reference::new(f64::from(w_max));
            let close = |cc: &Congestion, r: &Reference, t: f64| {
                let ours = f64::from(cc.cwnd()) / f64::from(mss);
                assert!(
                    (ours - r.cwnd).abs() <= r.cwnd * 0.005 + 0.5,
                    "W_max {w_max}, {rtt_ms} ms, t {t}: {ours} for {}",
                    r.cwnd
                );
            };
            close(&cc, &reference, 0.0);
            let rtt = rtt_ms as f64 / 1000.0;
            let (mut t, zero) = (0.0f64, 5_000_000_000u64);
            while t < seconds {
                let now = Instant::from_nanos(zero + (t * 1e9) as u64);
                cc.on_ack(&ack(now, mss, mss, Duration::from_millis(rtt_ms)));
                reference.ack(t, rtt);
                met_reno[usize::from(reference.reno)] = true;
                close(&cc, &reference, t);
                t += rtt / reference.cwnd;
            }
        }
        assert_eq!(met_reno, [true; 2], "both regions");
    }

    /// RFC 9438, 4.6, and RFC 9438, 4.7.
    #[test]
    fn rfc9438_4_6_and_4_7_decrease_and_fast_convergence() {
        let mut cc = Congestion::new(Algorithm::Cubic, 1000);
        cc.window.cwnd = 100_000;
        cc.on_congestion(Cause::Loss, 100_000, 1000);
        assert_eq!((cc.cwnd(), cc.ssthresh()), (70_000, 70_000));
        let w_max = |cc: &Congestion| match cc.law {
            super::super::Law::Cubic(c) => c.w_max,
            _ => 0,
        };
        assert_eq!(w_max(&cc), 100_000);
        cc.window.cwnd = 80_000;
        cc.on_congestion(Cause::Loss, 80_000, 1000);
        assert_eq!(w_max(&cc), 68_000, "80,000 * (1 + 0.7) / 2");
        cc.window.cwnd = 90_000;
        cc.on_congestion(Cause::Loss, 90_000, 1000);
        assert_eq!(w_max(&cc), 90_000);
        // Never less than two segments.
        cc.window.cwnd = 2_000;
        cc.on_congestion(Cause::Loss, 2_000, 1000);
        assert_eq!(cc.cwnd(), 2_000);
    }

    /// RFC 9438, 4.8: after a time-out the curve starts flat where congestion avoidance does.
    #[test]
    fn rfc9438_4_8_timeout() {
        let mut cc = Congestion::new(Algorithm::Cubic, 1000);
        cc.window.cwnd = 100_000;
        cc.on_rto(100_000, 1000, true);
        assert_eq!((cc.cwnd(), cc.ssthresh()), (1_000, 70_000));
        let now = Instant::from_nanos(1_000_000_000);
        cc.on_ack(&ack(now, 69_000, 1000, Duration::from_millis(40)));
        assert_eq!(cc.cwnd(), 70_000, "slow start up to the threshold");
        cc.on_ack(&ack(now, 1_000, 1000, Duration::from_millis(40)));
        match cc.law {
            super::super::Law::Cubic(Cubic {
                epoch: Some(epoch), ..
            }) => assert_eq!((epoch.k, epoch.origin), (0, 70_000)),
            other => panic!("{other:?}"),
        }
    }

    /// RFC 9438, 4.9: everything is as before.
    #[test]
    fn rfc9438_4_9_spurious_congestion() {
        let mut cc = Congestion::new(Algorithm::Cubic, 1000);
        cc.window.cwnd = 100_000;
        cc.on_loss(100_000, 1000);
        cc.begin_recovery(97_000, 96_000, 1000);
        cc.on_recovered();
        cc.window.cwnd = 90_000;
        cc.on_loss(90_000, 1000);
        cc.begin_recovery(87_000, 86_000, 1000);
        cc.undo();
        assert_eq!((cc.cwnd(), cc.ssthresh()), (90_000, 70_000));
        match cc.law {
            super::super::Law::Cubic(cubic) => assert_eq!(cubic.w_max, 100_000),
            other => panic!("{other:?}"),
        }
    }

    /// RFC 9438, 5.8: time without need for the window is no time on the curve.
    #[test]
    fn rfc9438_5_8_application_limited_time_does_not_count() {
        let grown = |pause_ms: u64, by_acks: bool| {
            let mut window = Window {
                cwnd: 100_000,
                ssthresh: 70_000,
            };
            let mut cubic = Cubic::default();
            let _ = cubic.reduce(&window, Cause::Loss, 100_000, 1000);
            window.cwnd = 70_000;
            let mut ms = 1_000;
            let mut step = |cubic: &mut Cubic, ms: u64, validated: bool| {
                let now = Instant::from_nanos(ms * 1_000_000);
                let ack = ack(now, 1000, 1000, Duration::from_millis(40));
                cubic.on_ack(&mut window, &ack, validated);
            };
            for _ in 0..100 {
                step(&mut cubic, ms, true);
                ms += 10;
            }
            if by_acks {
                for _ in 0..pause_ms / 10 {
                    step(&mut cubic, ms, false);
                    ms += 10;
                }
            } else {
                cubic.on_resume(Duration::from_millis(pause_ms));
                ms += pause_ms;
            }
            for _ in 0..100 {
                step(&mut cubic, ms, true);
                ms += 10;
            }
            window.cwnd
        };
        assert_eq!(grown(20_000, true), grown(0, true));
        assert_eq!(grown(20_000, false), grown(0, false));
    }
}
