// SPDX-License-Identifier: GPL-2.0

//! The memory of a connection's log.

use crate::tcp::{
    log::{
        Kinds,
        Record,
        Recorder,
        Ring,
        Slots,
        BYTES, //
    },
    time::Instant, //
};
use kernel::{
    alloc::{
        Flags,
        KBox,
        KVVec,
        KVec, //
    },
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// The most records of a log that anybody may have: 256 KiB.
pub(crate) const MOST_RECORDS: u32 = 1 << 12;
/// The most that an administrator may have: 16 MiB.
pub(crate) const MOST_RECORDS_ADMIN: u32 = 1 << 18;
/// The most that a listener's child gets, whose memory can't be waited for: 1 MiB, if an
/// administrator asked.
pub(crate) const MOST_RECORDS_CHILD_ADMIN: u32 = 1 << 14;
/// And if anybody else did: 16 KiB.
pub(crate) const MOST_RECORDS_CHILD: u32 = 1 << 8;
/// Bytes that the logs of all children together may take: it is the peer who makes children, and
/// nobody is charged for them.
const MOST_OF_CHILDREN: u32 = 16 << 20;

/// Bytes that they take.
static OF_CHILDREN: Atomic<u32> = Atomic::new(0);

/// A log of this kind, with room for so many records.
#[derive(Clone, Copy)]
pub(crate) struct LogOrder {
    /// What goes into it.
    pub(crate) kinds: Kinds,
    /// How many records fit.
    pub(crate) records: u32,
}

/// Slots for records.
pub(crate) enum Memory {
    /// Of a log that its user asked for, and is charged for.
    Own(KVVec<Record>),
    /// Of a child's, made in softirq, where there is no vmalloc.
    Child(
        KVec<Record>,
        #[expect(dead_code, reason = "given back when dropped")] Share,
    ),
}

impl Slots for Memory {
    fn slots(&self) -> &[Record] {
        match self {
            Self::Own(slots) => slots,
            Self::Child(slots, _) => slots,
        }
    }
    fn slots_mut(&mut self) -> &mut [Record] {
        match self {
            Self::Own(slots) => slots,
            Self::Child(slots, _) => slots,
        }
    }
}

/// A part of what all children's logs may take, in bytes; given back when it is dropped.
pub(crate) struct Share(u32);

impl Share {
    /// Takes so many bytes, if there are as many left.
    fn take(bytes: u32) -> Option<Self> {
        let share = Self(bytes);
        let before = OF_CHILDREN.fetch_add(bytes, Relaxed);
        (before.saturating_add(bytes) <= MOST_OF_CHILDREN).then_some(share)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        OF_CHILDREN.fetch_sub(self.0, Relaxed);
    }
}

/// A log, or none: all that a connection without one has is a null pointer.
#[derive(Default)]
pub(crate) struct Log(Option<KBox<Ring<Memory>>>);

impl Log {
    /// An empty log, if there is memory for it, which is charged to the caller. Context: process.
    pub(crate) fn new(order: LogOrder, now: Instant) -> Option<Self> {
        let mut slots = KVVec::with_capacity(order.records as usize, GFP_KERNEL_ACCOUNT).ok()?;
        for _ in 0..order.records {
            slots.push_within_capacity(Record::default()).ok()?;
        }
        Self::with(Memory::Own(slots), order, now, GFP_KERNEL_ACCOUNT)
    }

    /// An empty log for a listener's child, if there is memory for it. Context: softirq.
    pub(crate) fn for_child(order: LogOrder, now: Instant) -> Option<Self> {
        let flags = GFP_ATOMIC | __GFP_NOWARN;
        let records = order.records as usize;
        let share = Share::take(order.records.saturating_mul(BYTES as u32))?;
        let mut slots = KVec::with_capacity(records, flags).ok()?;
        for _ in 0..records {
            slots.push_within_capacity(Record::default()).ok()?;
        }
        Self::with(Memory::Child(slots, share), order, now, flags)
    }

    fn with(memory: Memory, order: LogOrder, now: Instant, flags: Flags) -> Option<Self> {
        let ring = Ring::new(memory, order.kinds, now);
        Some(Self(Some(KBox::new(ring, flags).ok()?)))
    }
}

impl Recorder for Log {
    type Slots = Memory;

    #[inline]
    fn kinds(&self) -> Kinds {
        match &self.0 {
            None => Kinds::NONE,
            Some(ring) => ring.kinds(),
        }
    }

    fn ring(&mut self) -> Option<&mut Ring<Memory>> {
        self.0.as_deref_mut()
    }
}
