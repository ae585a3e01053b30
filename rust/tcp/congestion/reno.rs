// SPDX-License-Identifier: GPL-2.0

//! NewReno (RFC 5681) with byte counting (RFC 3465).

use super::{Ack, Cause, Controller, Window, MAX_WINDOW};

/// The controller.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Reno {
    /// Bytes acknowledged in congestion avoidance since the window last grew.
    counted: u32,
}

impl Reno {
    /// Congestion avoidance: one segment more for each window acknowledged (RFC 3465, 2.1).
    fn avoid(&mut self, window: &mut Window, acked: u32, mss: u32) {
        self.counted = self.counted.saturating_add(acked);
        if self.counted >= window.cwnd {
            self.counted = self.counted.saturating_sub(window.cwnd);
            window.cwnd = window.cwnd.saturating_add(mss).min(MAX_WINDOW);
        }
    }
}

impl Controller for Reno {
    fn on_ack(&mut self, window: &mut Window, ack: &Ack, validated: bool) {
        if !validated {
            return;
        }
        let rest = window.slow_start(ack.acked);
        if rest > 0 {
            self.avoid(window, rest, ack.mss);
        }
    }

    /// RFC 5681, equation 4.
    fn reduce(&mut self, _window: &Window, _cause: Cause, flight: u32, _mss: u32) -> u32 {
        self.counted = 0;
        flight / 2
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Algorithm, Congestion};
    use super::*;

    fn ack(acked: u32) -> Ack {
        Ack {
            acked,
            delivered: acked,
            ..Ack::for_tests()
        }
    }

    #[test]
    fn rfc6928_initial_window_and_rfc5681_slow_start() {
        let mut reno = Congestion::new(Algorithm::Reno, 1000);
        assert_eq!(reno.cwnd(), 10_000);
        reno.on_ack(&ack(10_000));
        assert_eq!(reno.cwnd(), 20_000);
        let mut window = reno.window;
        Reno::default().on_ack(&mut window, &ack(10_000), false);
        assert_eq!(window.cwnd, 20_000, "not validated");
    }

    #[test]
    fn rfc5681_3_1_congestion_avoidance_grows_one_segment_a_window() {
        let mut reno = Congestion::new(Algorithm::Reno, 1000);
        reno.on_ack(&ack(10_000));
        reno.on_congestion(Cause::Loss, 20_000, 1000);
        assert_eq!((reno.cwnd(), reno.ssthresh()), (10_000, 10_000));
        for _ in 0..10 {
            reno.on_ack(&ack(1000));
        }
        assert_eq!(reno.cwnd(), 11_000);
    }

    #[test]
    fn rfc5681_3_1_timeout_leaves_one_segment() {
        let mut reno = Congestion::new(Algorithm::Reno, 1000);
        reno.on_rto(9_000, 1000, true);
        assert_eq!((reno.cwnd(), reno.ssthresh()), (1_000, 4_500));
        reno.on_rto(1_000, 1000, false);
        assert_eq!(reno.ssthresh(), 4_500);
        reno.on_rto(1_000, 1000, true);
        assert_eq!(reno.ssthresh(), 2_000);
    }

    #[test]
    fn rfc4015_3_2_undo_restores_the_window() {
        let mut reno = Congestion::new(Algorithm::Reno, 1000);
        reno.on_ack(&ack(30_000));
        reno.on_loss(40_000, 1000);
        reno.begin_recovery(37_000, 36_000, 1000);
        reno.on_rto(20_000, 1000, true);
        reno.undo();
        assert_eq!(reno.cwnd(), 40_000);
        assert_eq!(reno.ssthresh(), super::super::NO_THRESHOLD);
        reno.undo();
        assert_eq!(reno.cwnd(), 40_000);
    }
}
