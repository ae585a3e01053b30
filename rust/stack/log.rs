// SPDX-License-Identifier: GPL-2.0

//! The memory of a connection's log.

use crate::net::skbuff::Gfp;
use crate::tcp::{
    log::{
        Kinds,
        Record,
        Recorder,
        Ring,
        Slots, //
    },
    time::Instant, //
};
use kernel::{
    alloc::{
        KBox,
        KVVec, //
    },
    prelude::*, //
};

/// The most records of a log that anybody may have: 256 KiB.
pub(crate) const MOST_RECORDS: u32 = 1 << 12;
/// The most that an administrator may have: 16 MiB.
pub(crate) const MOST_RECORDS_ADMIN: u32 = 1 << 18;
/// The most that a listener's child gets, whose memory can't be waited for: 1 MiB, if an
/// administrator asked.
pub(crate) const MOST_RECORDS_CHILD_ADMIN: u32 = 1 << 14;
/// And if anybody else did: 16 KiB, since it is the peer who makes children, and nobody is charged.
pub(crate) const MOST_RECORDS_CHILD: u32 = 1 << 8;

/// A log of this kind, with room for so many records.
#[derive(Clone, Copy)]
pub(crate) struct LogOrder {
    /// What goes into it.
    pub(crate) kinds: Kinds,
    /// How many records fit.
    pub(crate) records: u32,
}

/// Slots for records.
pub(crate) struct Memory(KVVec<Record>);

impl Slots for Memory {
    fn slots(&self) -> &[Record] {
        &self.0
    }
    fn slots_mut(&mut self) -> &mut [Record] {
        &mut self.0
    }
}

/// A log, or none: all that a connection without one has is a null pointer.
#[derive(Default)]
pub(crate) struct Log(Option<KBox<Ring<Memory>>>);

impl Log {
    /// An empty log, if there is memory for it. With [`Gfp::KERNEL`] it is charged to the caller.
    pub(crate) fn new(order: LogOrder, now: Instant, gfp: Gfp) -> Option<Self> {
        let flags = match gfp {
            Gfp::KERNEL => GFP_KERNEL_ACCOUNT,
            _ => GFP_ATOMIC | __GFP_NOWARN,
        };
        let mut slots = KVVec::with_capacity(order.records as usize, flags).ok()?;
        for _ in 0..order.records {
            slots.push_within_capacity(Record::default()).ok()?;
        }
        let ring = Ring::new(Memory(slots), order.kinds, now);
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
