// SPDX-License-Identifier: GPL-2.0

//! Congestion window validation (RFC 7661): a window that was not in use says nothing about the
//! path. It does not grow, and is not believed when something is lost.

use super::Ack;
use crate::tcp::{
    seq::SeqNum,
    time::{Duration, Instant},
};

/// The non-validated phase lasts that long at most (RFC 7661, 4.1: NVP).
pub(super) const NVP: Duration = Duration::from_secs(300);
/// The sampling period is divided into that many parts (RFC 7661, 4.2).
const BINS: usize = 3;
/// The same, to divide by.
const PARTS: u64 = BINS as u64;

/// What was in use lately.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Validation {
    /// Bytes acknowledged in the current round so far, and where it ends.
    round: u32,
    round_end: Option<SeqNum>,
    /// The most in a round, of each part of the sampling period; the first is the current one.
    bins: [u32; BINS],
    /// When the current part began.
    bin_start: Instant,
    /// Whether there was a round yet: until then pipeACK is undefined.
    known: bool,
    /// Since when the window is not validated.
    idle_since: Option<Instant>,
}

impl Validation {
    /// An ACK that reports `ack.acked` bytes of progress. RFC 7661, 4.2.
    pub(super) fn on_ack(&mut self, ack: &Ack) {
        let period =
            Duration::from_nanos(ack.srtt.as_nanos().saturating_mul(3)).max(Duration::from_secs(1));
        let part = Duration::from_nanos(period.as_nanos() / PARTS);
        if ack.now.since(self.bin_start) >= part {
            let [a, b, _] = self.bins;
            // After a long silence nothing of it is left.
            self.bins = if ack.now.since(self.bin_start) >= period {
                [0, 0, 0]
            } else {
                [0, a, b]
            };
            self.bin_start = ack.now;
        }
        self.round = self.round.saturating_add(ack.acked);
        if self.round_end.is_none_or(|end| ack.una.after_or_eq(end)) {
            let [a, b, c] = self.bins;
            self.bins = [a.max(self.round), b, c];
            self.known |= self.round_end.is_some();
            self.round = 0;
            self.round_end = Some(ack.nxt);
        }
    }

    /// pipeACK, bytes; `None`: undefined.
    pub(super) fn pipe_ack(&self) -> Option<u32> {
        let [a, b, c] = self.bins;
        self.known.then_some(a.max(b).max(c))
    }

    /// Whether the window is in the validated phase (RFC 7661, 4.3). `in_use`: it is what limits
    /// the sender at this very moment. An undefined pipeACK says nothing, which is stricter than
    /// the RFC and what Linux does.
    pub(super) fn is_validated(&self, cwnd: u32, in_use: bool) -> bool {
        in_use || self.pipe_ack().is_some_and(|pipe| pipe >= cwnd / 2)
    }

    /// Whether the non-validated phase has lasted for too long (RFC 7661, 4.4.3). Begins anew then.
    pub(super) fn is_over(&mut self, now: Instant, validated: bool) -> bool {
        if validated {
            self.idle_since = None;
            return false;
        }
        let since = *self.idle_since.get_or_insert(now);
        let over = now.since(since) >= NVP;
        if over {
            self.idle_since = Some(now);
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(ms: u64, una: u32, acked: u32, nxt: u32) -> Ack {
        Ack {
            now: Instant::from_nanos(ms * 1_000_000),
            acked,
            una: SeqNum::new(una),
            nxt: SeqNum::new(nxt),
            ..Ack::for_tests()
        }
    }

    /// RFC 7661, 4.2: pipeACK is what one round acknowledged, the most of the last second or so.
    #[test]
    fn rfc7661_4_2_pipe_ack() {
        let mut v = Validation::default();
        assert_eq!(v.pipe_ack(), None, "undefined at first");
        let mut una = 0;
        for n in 0..50u32 {
            // Rounds of 10 ACKs, 40 ms each.
            una += 1000;
            v.on_ack(&ack(1000 + u64::from(n) * 4, una, 1000, una + 10_000));
        }
        assert_eq!(v.pipe_ack(), Some(10_000));
        assert!(v.is_validated(20_000, false) && !v.is_validated(20_002, false));
        assert!(v.is_validated(20_002, true));
        // A slow second later the sample is history.
        for n in 0..50u32 {
            una += 100;
            v.on_ack(&ack(1200 + u64::from(n) * 40, una, 100, una));
        }
        assert_eq!(v.pipe_ack(), Some(100));
    }

    /// RFC 7661, 4.4.3: five minutes.
    #[test]
    fn rfc7661_4_4_3_the_non_validated_phase_ends() {
        let mut v = Validation::default();
        let at = |s: u64| Instant::from_nanos(s * 1_000_000_000);
        assert!(!v.is_over(at(1), false));
        assert!(!v.is_over(at(300), false));
        assert!(v.is_over(at(301), false));
        assert!(!v.is_over(at(302), false));
        assert!(!v.is_over(at(500), true));
        assert!(!v.is_over(at(700), false), "counted anew");
    }
}
