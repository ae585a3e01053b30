// SPDX-License-Identifier: GPL-2.0

//! How many of something there are, where there may be so many at most. Counted on all CPUs at once.
//!
//! `selftests/loom` has a model of it, of this very file.

use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// The count.
pub(crate) struct Quota(Atomic<u32>);

impl Quota {
    /// None yet.
    pub(crate) const fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// Counts one more if there are fewer than `most`. Context: any.
    pub(crate) fn take(&self, most: u32) -> bool {
        let mut used = self.0.load(Relaxed);
        while used < most {
            match self.0.cmpxchg(used, used.wrapping_add(1), Relaxed) {
                Ok(_) => return true,
                Err(now) => used = now,
            }
        }
        false
    }

    /// One that was counted is no more. Context: any.
    pub(crate) fn give_back(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// How many there are.
    pub(crate) fn used(&self) -> u32 {
        self.0.load(Relaxed)
    }
}
