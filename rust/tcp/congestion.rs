// SPDX-License-Identifier: GPL-2.0

//! Congestion control: NewReno (RFC 5681, RFC 6582) with an initial window of ten segments
//! (RFC 6928) and byte counting (RFC 3465).
//!
//! The hooks are the closed list that other controllers will share. Windows are in bytes.

/// Segments in the initial window (RFC 6928).
const INITIAL_SEGMENTS: u32 = 10;

/// The NewReno controller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reno {
    cwnd: u32,
    ssthresh: u32,
    /// Bytes acknowledged in congestion avoidance since the window last grew.
    counted: u32,
}

impl Reno {
    /// A controller at the start of a connection with segments of `mss` bytes.
    pub(crate) fn new(mss: u32) -> Self {
        Self {
            cwnd: mss.saturating_mul(INITIAL_SEGMENTS),
            ssthresh: u32::MAX,
            counted: 0,
        }
    }

    /// The congestion window, bytes.
    pub(crate) fn cwnd(&self) -> u32 {
        self.cwnd
    }

    /// The slow-start threshold, bytes.
    pub(crate) fn ssthresh(&self) -> u32 {
        self.ssthresh
    }

    /// `acked` bytes of new data were acknowledged while the window was in full use.
    pub(crate) fn on_ack(&mut self, acked: u32, mss: u32) {
        let mut acked = acked;
        if self.cwnd < self.ssthresh {
            // Slow start: one byte more for each byte acknowledged.
            let grow = acked.min(self.ssthresh.saturating_sub(self.cwnd));
            self.cwnd = self.cwnd.saturating_add(grow);
            acked = acked.saturating_sub(grow);
        }
        if acked > 0 {
            // Congestion avoidance: one segment more for each window acknowledged.
            self.counted = self.counted.saturating_add(acked);
            if self.counted >= self.cwnd {
                self.counted = self.counted.saturating_sub(self.cwnd);
                self.cwnd = self.cwnd.saturating_add(mss);
            }
        }
        self.cwnd = self.cwnd.min(1 << 30);
    }

    /// A round with loss begins, `in_flight` bytes being out (RFC 5681, equation 4).
    pub(crate) fn on_loss(&mut self, in_flight: u32, mss: u32) {
        self.ssthresh = (in_flight / 2).max(mss.saturating_mul(2));
        self.cwnd = self.ssthresh;
        self.counted = 0;
    }

    /// The retransmission timer expired (RFC 5681, section 3.1). `first`: not a backed-off one.
    pub(crate) fn on_rto(&mut self, in_flight: u32, mss: u32, first: bool) {
        if first {
            self.ssthresh = (in_flight / 2).max(mss.saturating_mul(2));
        }
        self.cwnd = mss;
        self.counted = 0;
    }

    /// Recovery is over; at most `in_flight` plus a burst may stand (RFC 6582, step 3).
    pub(crate) fn on_recovered(&mut self, in_flight: u32, mss: u32) {
        let burst = in_flight.saturating_add(mss.saturating_mul(3));
        self.cwnd = self.ssthresh.min(burst.max(mss.saturating_mul(2)));
    }

    /// The connection idled for at least an RTO (RFC 5681, section 4.1).
    pub(crate) fn on_idle_restart(&mut self, mss: u32) {
        let initial = mss.saturating_mul(INITIAL_SEGMENTS);
        self.ssthresh = self
            .ssthresh
            .max((self.cwnd / 2).saturating_add(self.cwnd / 4));
        self.cwnd = self.cwnd.min(initial);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6928_initial_window_and_rfc5681_slow_start() {
        let mut reno = Reno::new(1000);
        assert_eq!(reno.cwnd(), 10_000);
        reno.on_ack(10_000, 1000);
        assert_eq!(reno.cwnd(), 20_000);
    }

    #[test]
    fn rfc5681_3_1_congestion_avoidance_grows_one_segment_a_window() {
        let mut reno = Reno::new(1000);
        reno.on_loss(20_000, 1000);
        assert_eq!((reno.cwnd(), reno.ssthresh()), (10_000, 10_000));
        for _ in 0..10 {
            reno.on_ack(1000, 1000);
        }
        assert_eq!(reno.cwnd(), 11_000);
    }

    #[test]
    fn rfc5681_3_1_timeout_leaves_one_segment() {
        let mut reno = Reno::new(1000);
        reno.on_rto(9_000, 1000, true);
        assert_eq!((reno.cwnd(), reno.ssthresh()), (1_000, 4_500));
        reno.on_rto(1_000, 1000, false);
        assert_eq!(reno.ssthresh(), 4_500);
        reno.on_rto(1_000, 1000, true);
        assert_eq!(reno.ssthresh(), 2_000);
    }
}
