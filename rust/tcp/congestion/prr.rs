// SPDX-License-Identifier: GPL-2.0

//! Proportional Rate Reduction (RFC 9937): in recovery the window shrinks to its target as data
//! arrives, so that sending neither stops nor bursts.

/// The state of a recovery.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prr {
    /// prr_delivered.
    delivered: u32,
    /// prr_out.
    out: u32,
    /// RecoverFS.
    flight: u32,
}

impl Prr {
    /// A recovery begins. `flight`: what is in flight and not reported as arrived. RecoverFS is
    /// that plus what the ACK that began the recovery reported: [`Self::include`] (RFC 9937, 5).
    pub(super) fn new(flight: u32) -> Self {
        Self {
            delivered: 0,
            out: 0,
            flight: flight.max(1),
        }
    }

    /// The ACK that began the recovery told that `delivered` bytes arrived: these were in flight.
    pub(super) fn include(&mut self, delivered: u32) {
        self.flight = self.flight.saturating_add(delivered);
    }

    /// Data is sent, again or for the first time.
    pub(super) fn on_sent(&mut self, bytes: u32) {
        self.out = self.out.saturating_add(bytes);
    }

    /// An ACK in recovery told that `delivered` bytes arrived, leaving `pipe` in flight. `safe`:
    /// SND.UNA moved and nothing more was lost. Gives the window (RFC 9937, 5).
    pub(super) fn on_ack(
        &mut self,
        delivered: u32,
        pipe: u32,
        safe: bool,
        ssthresh: u32,
        mss: u32,
    ) -> Option<u32> {
        if delivered == 0 {
            return None;
        }
        self.delivered = self.delivered.saturating_add(delivered);
        let mut send = if pipe > ssthresh {
            let share = u64::from(self.delivered)
                .saturating_mul(u64::from(ssthresh))
                .div_ceil(u64::from(self.flight.max(1)));
            u32::try_from(share)
                .unwrap_or(u32::MAX)
                .saturating_sub(self.out)
        } else {
            // PRR-CRB, and PRR-SSRB while the repair makes progress.
            let mut bound = self.delivered.saturating_sub(self.out).max(delivered);
            if safe {
                bound = bound.saturating_add(mss);
            }
            bound.min(ssthresh.saturating_sub(pipe))
        };
        if self.out == 0 && send == 0 {
            // The first retransmission goes out in any case.
            send = mss;
        }
        Some(pipe.saturating_add(send))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1000;

    /// RFC 9937, 5: 100 segments in flight, target 50: one segment out for every two that arrive.
    #[test]
    fn rfc9937_5_half_as_much_as_arrives() {
        let mut prr = Prr::new(100_000);
        let mut pipe = 96_000;
        let mut sent = 0;
        for n in 1..=40u32 {
            pipe -= MSS;
            let cwnd = prr.on_ack(MSS, pipe, false, 50_000, MSS).unwrap();
            while pipe + MSS <= cwnd {
                prr.on_sent(MSS);
                pipe += MSS;
                sent += 1;
            }
            assert_eq!(sent, n / 2, "after {n}");
        }
    }

    /// RFC 9937, 5: below the target no more goes out than arrives, plus a segment if it is safe.
    #[test]
    fn rfc9937_5_reduction_bounds() {
        for (safe, bound) in [(false, 2_000), (true, 3_000)] {
            let mut prr = Prr::new(20_000);
            prr.on_sent(3_000);
            prr.delivered = 3_000;
            assert_eq!(
                prr.on_ack(2_000, 4_000, safe, 10_000, MSS),
                Some(4_000 + bound)
            );
            // Never beyond the target.
            assert_eq!(prr.on_ack(9_000, 9_500, safe, 10_000, MSS), Some(10_000));
        }
    }

    /// RFC 9937, 5: the fast retransmission is forced.
    #[test]
    fn rfc9937_5_the_first_retransmission_is_forced() {
        let mut prr = Prr::new(20_000);
        assert_eq!(prr.on_ack(1, 10_000, false, 10_000, MSS), Some(11_000));
        prr.on_sent(MSS);
        assert_eq!(prr.on_ack(0, 10_000, false, 10_000, MSS), None);
    }

    #[test]
    fn extremes_are_survived() {
        let mut prr = Prr::new(0);
        for n in [1, u32::MAX] {
            let _ = prr.on_ack(n, n, true, n, n);
            prr.on_sent(n);
            let _ = prr.on_ack(n, 0, true, n, n);
        }
    }
}
