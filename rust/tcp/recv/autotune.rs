// SPDX-License-Identifier: GPL-2.0

//! Receive autotuning: the window follows the rate at which the user reads.

use super::Recv;
use crate::tcp::{
    platform::Platform,
    time::{Duration, Instant},
};

/// Bytes read in the current round-trip, and the most in any before.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Autotune {
    copied: u32,
    most_copied: u32,
    since: Instant,
}

impl Autotune {
    /// The most bytes read in a round trip.
    pub(super) fn most_copied(&self) -> u32 {
        self.most_copied.max(self.copied)
    }
}

impl<P: Platform> Recv<P> {
    /// The user read `n` bytes. If that makes more in a round-trip than in the ones before, lets
    /// the buffer hold twice that, so that the window does not limit the sender.
    pub(crate) fn tune(&mut self, n: u32, now: Instant, rtt: Duration, most: u32, mss: u32) {
        self.tuning.copied = self.tuning.copied.saturating_add(n);
        if now.since(self.tuning.since) < rtt.max(Duration::from_micros(500)) {
            return;
        }
        let copied = self.tuning.copied;
        if copied > self.tuning.most_copied {
            let want = u64::from(copied)
                .saturating_mul(2)
                .saturating_add(u64::from(mss).saturating_mul(16));
            let memory = want
                .saturating_mul(256)
                .checked_div(u64::from(self.ratio))
                .unwrap_or(want);
            let memory = u32::try_from(memory).unwrap_or(u32::MAX).min(most);
            self.rcvbuf = self.rcvbuf.max(memory);
            self.tuning.most_copied = copied;
        }
        self.tuning.copied = 0;
        self.tuning.since = now;
    }
}
