// SPDX-License-Identifier: GPL-2.0

//! DCTCP (RFC 8257): the window shrinks by as much of it as was marked. Without ECN it is Reno.

use super::{reno::Reno, Ack, Cause, Controller, Told, Window};
use crate::tcp::seq::SeqNum;

/// One, for DCTCP.Alpha.
const ONE: u32 = 1 << 20;
/// Twice that.
const TWO: u64 = 2 << 20;
/// g = 1/16 (RFC 8257, 4.2).
const GAIN_SHIFT: u32 = 4;

/// The controller.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dctcp {
    reno: Reno,
    /// DCTCP.Alpha in 1/[`ONE`].
    alpha: u32,
    /// DCTCP.WindowEnd.
    end: Option<SeqNum>,
    /// DCTCP.BytesAcked.
    acked: u32,
    /// DCTCP.BytesMarked.
    marked: u32,
}

impl Default for Dctcp {
    fn default() -> Self {
        Self {
            reno: Reno::default(),
            // RFC 8257, 4.2: as if all were marked.
            alpha: ONE,
            end: None,
            acked: 0,
            marked: 0,
        }
    }
}

impl Dctcp {
    /// What it tells of itself.
    pub(super) fn state(&self) -> Told {
        Told::Dctcp(self.alpha >> 10, self.marked, self.acked)
    }
}

impl Controller for Dctcp {
    /// RFC 8257, 3.3, steps 1 to 8.
    fn observe(&mut self, _window: &mut Window, ack: &Ack) {
        self.acked = self.acked.saturating_add(ack.delivered);
        self.marked = self.marked.saturating_add(ack.marked.min(ack.delivered));
        if self.end.is_some_and(|end| ack.una.before_or_eq(end)) {
            return;
        }
        if self.end.is_some() && self.acked > 0 {
            let part = u64::from(self.marked)
                .saturating_mul(u64::from(ONE))
                .checked_div(u64::from(self.acked))
                .unwrap_or(0);
            let part = u32::try_from(part).unwrap_or(ONE).min(ONE);
            // Alpha = Alpha * (1 - g) + g * M
            self.alpha = self
                .alpha
                .saturating_sub(self.alpha >> GAIN_SHIFT)
                .saturating_add(part >> GAIN_SHIFT)
                .min(ONE);
        }
        self.end = Some(ack.nxt);
        self.acked = 0;
        self.marked = 0;
    }

    fn on_ack(&mut self, window: &mut Window, ack: &Ack, validated: bool) {
        self.reno.on_ack(window, ack, validated);
    }

    /// RFC 8257, 3.3, step 9: cwnd * (1 - Alpha / 2); 3.4: a loss is answered as ever.
    fn reduce(&mut self, window: &Window, cause: Cause, flight: u32, mss: u32) -> u32 {
        let half = self.reno.reduce(window, cause, flight, mss);
        if cause != Cause::Mark {
            return half;
        }
        let less = u64::from(window.cwnd).saturating_mul(u64::from(self.alpha)) / TWO;
        window
            .cwnd
            .saturating_sub(u32::try_from(less).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Algorithm, Congestion, Law};
    use super::*;

    fn alpha(cc: &Congestion) -> f64 {
        match cc.law {
            Law::Dctcp(dctcp) => f64::from(dctcp.alpha) / f64::from(ONE),
            _ => panic!(),
        }
    }

    /// RFC 8257, 3.3 with numbers: alpha follows the marked part, and the window goes down by
    /// half of alpha, once a window.
    #[test]
    fn rfc8257_3_3_alpha_and_the_window() {
        let mut cc = Congestion::new(Algorithm::Dctcp, 1000);
        cc.window = Window {
            cwnd: 100_000,
            ssthresh: 50_000,
        };
        let mut una = 0u32;
        let mut expected = 1.0f64;
        for round in 0..60 {
            // A quarter of each window of 100 segments is marked.
            for n in 0..100 {
                una += 1000;
                cc.on_ack(&Ack {
                    acked: 1000,
                    delivered: 1000,
                    marked: if n % 4 == 0 { 1000 } else { 0 },
                    una: SeqNum::new(una),
                    nxt: SeqNum::new(una + 100_000),
                    in_use: false,
                    ..Ack::for_tests()
                });
            }
            if round > 0 {
                expected = expected * 15.0 / 16.0 + 0.25 / 16.0;
            }
        }
        assert!((alpha(&cc) - expected).abs() < 0.01, "{}", alpha(&cc));
        cc.window.cwnd = 100_000;
        cc.on_congestion(Cause::Mark, 100_000, 1000);
        let shrunk = 100_000.0 * (1.0 - alpha(&cc) / 2.0);
        assert!((f64::from(cc.cwnd()) - shrunk).abs() < 2.0);
        assert!(cc.cwnd() > 85_000);
        let before = cc.cwnd();
        cc.on_congestion(Cause::Loss, 100_000, 1000);
        assert_eq!(cc.cwnd(), before / 2);
        let in_kilo = (alpha(&cc) * 1024.0) as u32;
        assert!(matches!(cc.state(), Told::Dctcp(told, _, _) if told == in_kilo));
    }

    /// RFC 8257, 4.2: alpha begins at one, so that the first mark halves the window.
    #[test]
    fn rfc8257_4_2_the_first_mark_halves() {
        let mut cc = Congestion::new(Algorithm::Dctcp, 1000);
        cc.on_congestion(Cause::Mark, 10_000, 1000);
        assert_eq!(cc.cwnd(), 5_000);
    }
}
