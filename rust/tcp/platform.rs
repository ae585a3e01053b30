// SPDX-License-Identifier: GPL-2.0

//! What the core asks of whoever runs it: buffers it can't look into, queues of them, counters.

use super::{
    congestion::{Sent, Stamp},
    log::Recorder,
    mib::Mib,
    seq::SeqNum,
    time::Instant,
};

/// The types that a [`Connection`](super::connection::Connection) is built from.
pub(crate) trait Platform: Sized + 'static {
    /// Data on its way out.
    type TxBuf: TxBuffer;
    /// Data that came in.
    type RxBuf: RxBuffer;
    /// Data not sent yet.
    type TxList: SegList<Self::TxBuf>;
    /// Data sent and not acknowledged.
    type RtxTree: SegTree<Self::TxBuf>;
    /// Data in order, not read yet.
    type RxList: SegList<Self::RxBuf>;
    /// Data out of order.
    type OfoTree: SegTree<Self::RxBuf>;
    /// Counters.
    type Mib: MibSink;
    /// Where a connection tells of itself.
    type Log: Recorder;
}

/// How memory stands for what a connection would like to queue.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Memory {
    /// There is enough.
    #[default]
    Plenty,
    /// The host or the owner's share of it is getting short: no time to let buffers grow.
    Short,
    /// There is none for the segment at hand.
    Gone,
}

/// Why an operation on a buffer failed: memory ran out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NoMemory;

/// A buffer with payload that the core never reads.
pub(crate) trait Buffer {
    /// Bytes of payload.
    fn len(&self) -> u32;
    /// Bytes of memory that the buffer holds on to.
    fn truesize(&self) -> u32;
    /// The core's notes.
    fn meta(&self) -> &SegMeta;
    /// The core's notes.
    fn meta_mut(&mut self) -> &mut SegMeta;
}

/// A buffer for sending.
pub(crate) trait TxBuffer: Buffer + Sized {
    /// Splits off everything behind the first `n` bytes, `0 < n < len`. The notes are not split; who
    /// asked for the times of a byte has asked for them of the part that it is in.
    fn split_off(&mut self, n: u32) -> Result<Self, NoMemory>;
    /// Appends the payload of `next` if that is cheap; gives it back otherwise. The notes are not
    /// joined.
    fn join(&mut self, next: Self) -> Result<(), Self>;
    /// The number of the byte whose times the user asked for last.
    fn key(&self) -> SeqNum;
    /// Sets it.
    fn set_key(&mut self, key: SeqNum);
    /// Whether that byte is behind the first `n`.
    fn key_is_behind(&self, n: u32) -> bool {
        !self.key().before(self.meta().seq.add(n))
    }
}

/// A received buffer.
pub(crate) trait RxBuffer: Buffer + Sized {
    /// Drops the first `n` bytes of payload.
    fn trim_front(&mut self, n: u32);
    /// Drops the last `n` bytes of payload. What is left may take less memory.
    fn trim_back(&mut self, n: u32);
    /// Appends the payload of `next` if that is cheap; gives it back otherwise.
    fn try_merge(&mut self, next: Self) -> Result<(), Self>;
    /// An empty buffer with room for `n` bytes, and little that it holds on to besides.
    fn with_room(n: u32) -> Result<Self, NoMemory>;
    /// Appends a copy of the payload of `from` if there is room for it. Takes no more memory then.
    fn append(&mut self, from: &Self) -> bool;
}

/// A first-in, first-out list.
pub(crate) trait SegList<B>: Default {
    /// Whether nothing is in it.
    fn is_empty(&self) -> bool;
    /// The first.
    fn front(&self) -> Option<&B>;
    /// The first.
    fn front_mut(&mut self) -> Option<&mut B>;
    /// The last.
    fn back_mut(&mut self) -> Option<&mut B>;
    /// Appends.
    fn push_back(&mut self, buf: B);
    /// Puts in front.
    fn push_front(&mut self, buf: B);
    /// Takes the first out.
    fn pop_front(&mut self) -> Option<B>;
}

/// A set ordered by `meta().seq`; the ranges of its buffers don't overlap.
pub(crate) trait SegTree<B>: Default {
    /// Whether nothing is in it.
    fn is_empty(&self) -> bool;
    /// The first.
    fn first(&self) -> Option<&B>;
    /// The last.
    fn last(&self) -> Option<&B>;
    /// Takes the first out.
    fn pop_first(&mut self) -> Option<B>;
    /// Takes the last out.
    fn pop_last(&mut self) -> Option<B>;
    /// Inserts.
    fn insert(&mut self, buf: B);
    /// The first buffer whose end is after `seq`: the one that holds `seq`, or else the next.
    fn at_or_after(&self, seq: SeqNum) -> Option<&B>;
    /// As [`Self::at_or_after`].
    fn at_or_after_mut(&mut self, seq: SeqNum) -> Option<&mut B>;
    /// Takes out the buffer that starts at `seq`.
    fn remove(&mut self, seq: SeqNum) -> Option<B>;
}

/// Where counters go.
pub(crate) trait MibSink {
    /// Adds to a counter.
    fn add(&self, counter: Mib, n: u64);
}

/// Flags of a segment in flight.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct SegFlags(u8);

impl SegFlags {
    /// Selectively acknowledged.
    pub(crate) const SACKED: Self = Self(1);
    /// Taken to be lost.
    pub(crate) const LOST: Self = Self(2);
    /// Retransmitted since it was taken to be lost.
    pub(crate) const RETRANS: Self = Self(4);
    /// Retransmitted at some time: no RTT sample from it (Karn).
    pub(crate) const EVER_RETRANS: Self = Self(8);
    /// PSH when it is sent.
    pub(crate) const PSH: Self = Self(16);
    /// The user wants to know when the byte with the buffer's key is acknowledged.
    pub(crate) const STAMP: Self = Self(64);
    /// The end of a record (MSG_EOR): nothing is appended.
    pub(crate) const END: Self = Self(128);
    /// Sent while the user gave less than the window would have taken.
    pub(crate) const APP_LIMITED: Self = Self(32);

    /// Whether any of `other` is set.
    #[inline]
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Sets `other`.
    #[inline]
    pub(crate) fn set(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Clears `other`.
    #[inline]
    pub(crate) fn clear(&mut self, other: Self) {
        self.0 &= !other.0;
    }
}

/// What the core notes on a buffer: it lives in `skb->cb` while our queue owns the buffer.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct SegMeta {
    /// The first sequence number.
    pub(crate) seq: SeqNum,
    /// One beyond the last.
    pub(crate) end: SeqNum,
    /// When it was last sent.
    pub(crate) sent_at: Instant,
    /// What the delivery rate is measured by.
    pub(crate) stamp: Stamp,
    /// Its fate so far.
    pub(crate) flags: SegFlags,
}

impl SegMeta {
    /// As the delivery rate's estimator sees it.
    pub(crate) fn sent(&self) -> Sent {
        Sent {
            at: self.sent_at,
            end: self.end,
            stamp: self.stamp,
            app_limited: self.flags.has(SegFlags::APP_LIMITED),
        }
    }
}

const _: () = assert!(core::mem::size_of::<SegMeta>() <= 40);
