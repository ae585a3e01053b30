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

/// How many there were of late: they count until nothing was added for [`Late::LASTS`] seconds.
pub(crate) struct Late {
    count: Atomic<u32>,
    /// When one was added last, seconds since boot.
    at: Atomic<u32>,
}

impl Late {
    const LASTS: u32 = 60;

    /// None yet.
    pub(crate) const fn new() -> Self {
        Self {
            count: Atomic::new(0),
            at: Atomic::new(0),
        }
    }

    /// One more, `now`. Of two at the same moment after a pause one may be missed. Context: any.
    pub(crate) fn add(&self, now: u32) {
        if self.count(now) == 0 {
            self.count.store(0, Relaxed);
        }
        self.at.store(now, Relaxed);
        self.count.fetch_add(1, Relaxed);
    }

    /// How many there are, `now`.
    pub(crate) fn count(&self, now: u32) -> u32 {
        if now.wrapping_sub(self.at.load(Relaxed)) > Self::LASTS {
            0
        } else {
            self.count.load(Relaxed)
        }
    }
}
