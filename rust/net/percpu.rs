// SPDX-License-Identifier: GPL-2.0

//! A count that all CPUs change often and that is seldom read.
//!
//! C header: [`include/linux/percpu_counter.h`](srctree/include/linux/percpu_counter.h)

use super::bindings;
use core::cell::UnsafeCell;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// The count. Each CPU keeps up to [`PerCpuCount::BATCH`] to itself.
///
/// # Invariants
///
/// The counter is initialised, and stays where it is until it is dropped.
pub(crate) struct PerCpuCount(KBox<UnsafeCell<bindings::percpu_counter>>);

// SAFETY: The counter is made for use on all CPUs at once; who frees it doesn't matter.
unsafe impl Send for PerCpuCount {}
// SAFETY: As above.
unsafe impl Sync for PerCpuCount {}

impl PerCpuCount {
    /// So much may be known to one CPU alone.
    const BATCH: i32 = 32 << 10;

    /// Zero. Context: process.
    pub(crate) fn new() -> Result<Self> {
        let counter = KBox::new(
            UnsafeCell::new(bindings::percpu_counter::default()),
            GFP_KERNEL,
        )?;
        // SAFETY: Memory of its own, in which nothing is yet.
        to_result(unsafe { bindings::percpu_counter_start(counter.get()) })?;
        // INVARIANT: It was initialised just now, in a box that is given to nobody else.
        Ok(Self(counter))
    }

    /// Adds `n`, which may be negative. Context: any.
    #[inline]
    pub(crate) fn add(&self, n: i64) {
        // SAFETY: Initialised, by the type invariants.
        unsafe { bindings::percpu_counter_add_batch(self.0.get(), n, Self::BATCH) };
    }

    /// Whether the count is above `most`: exactly, if it is near. Context: any.
    pub(crate) fn exceeds(&self, most: i64) -> bool {
        // SAFETY: As above.
        unsafe { bindings::__percpu_counter_compare(self.0.get(), most, Self::BATCH) > 0 }
    }

    /// The count. Context: any; it looks at all CPUs.
    pub(crate) fn sum(&self) -> i64 {
        // SAFETY: As above.
        unsafe { bindings::__percpu_counter_sum(self.0.get()) }
    }
}

impl Drop for PerCpuCount {
    fn drop(&mut self) {
        // SAFETY: Initialised, by the type invariants, and not used again.
        unsafe { bindings::percpu_counter_end(self.0.get()) };
    }
}
