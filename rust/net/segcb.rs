// SPDX-License-Identifier: GPL-2.0

//! The control block of a segment: a protocol's notes, and which part of the data they are about.

use super::skbuff::ControlBlock;

/// Notes that put segments in order.
pub(crate) trait Ordered: Copy + Default + 'static {
    /// Whether `self` goes before `other`.
    fn before(&self, other: &Self) -> bool;
}

/// The control block.
#[derive(Clone, Copy, Default)]
pub(crate) struct SegCb<M> {
    /// The protocol's notes.
    pub(crate) meta: M,
    /// Bytes of the buffer's data that were cut off at the front.
    pub(crate) offset: u32,
    /// Bytes of payload from there on.
    pub(crate) len: u32,
}

// SAFETY: `SkBuff` asserts size and alignment for each instance; the fields are plain data, since
// they are `Copy`.
unsafe impl<M: Ordered> ControlBlock for SegCb<M> {
    fn before(&self, other: &Self) -> bool {
        self.meta.before(&other.meta)
    }
}
