// SPDX-License-Identifier: GPL-2.0

//! The core's platform in the kernel: buffers are sk_buffs, notes are in their control blocks.

use crate::net::skbuff::{
    ControlBlock,
    Gfp,
    SkBuff,
    SkList,
    SkTree, //
};
use crate::tcp::{
    connection::Connection,
    platform::{
        Buffer,
        NoMemory,
        Platform,
        RxBuffer,
        SegFlags,
        SegList,
        SegMeta,
        SegTree,
        TxBuffer, //
    },
    seq::SeqNum,
};

/// The control block of a segment in one of our queues.
pub(crate) use crate::net::segcb::SegCb;

/// A segment in one of our queues.
pub(crate) type SegBuf = SkBuff<SegCb<SegMeta>>;

impl crate::net::segcb::Ordered for SegMeta {
    fn before(&self, other: &Self) -> bool {
        self.seq.before(other.seq)
    }
}

impl Buffer for SegBuf {
    #[inline]
    fn len(&self) -> u32 {
        self.cb().len
    }
    #[inline]
    fn truesize(&self) -> u32 {
        SkBuff::truesize(self)
    }
    #[inline]
    fn meta(&self) -> &SegMeta {
        &self.cb().meta
    }
    #[inline]
    fn meta_mut(&mut self) -> &mut SegMeta {
        &mut self.cb_mut().meta
    }
}

impl TxBuffer for SegBuf {
    fn split_off(&mut self, n: u32) -> Result<Self, NoMemory> {
        let with_times = self.key_is_behind(n);
        let mut rest = SkBuff::split_off(self, n, with_times).ok_or(NoMemory)?;
        rest.cb_mut().len = SkBuff::len(&rest);
        self.cb_mut().len = SkBuff::len(self);
        Ok(rest)
    }

    fn join(&mut self, next: Self) -> Result<(), Self> {
        // A buffer has one byte whose times are told.
        let told = |buf: &Self| buf.has_stamps() || buf.meta().flags.has(SegFlags::STAMP);
        if told(self) || told(&next) {
            return Err(next);
        }
        self.try_merge(next)
    }

    fn key(&self) -> SeqNum {
        SeqNum::new(self.stamp_key())
    }

    fn set_key(&mut self, key: SeqNum) {
        self.set_stamp_key(key.raw());
    }
}

impl RxBuffer for SegBuf {
    fn trim_front(&mut self, n: u32) {
        let cb = self.cb_mut();
        let n = n.min(cb.len);
        cb.offset = cb.offset.saturating_add(n);
        cb.len = cb.len.saturating_sub(n);
    }

    fn trim_back(&mut self, n: u32) {
        let cb = self.cb_mut();
        cb.len = cb.len.saturating_sub(n);
        let end = cb.offset.saturating_add(cb.len);
        self.truncate(end);
    }

    fn try_merge(&mut self, next: Self) -> Result<(), Self> {
        // Data is joined end to end, so nothing may be cut off at the seam.
        if next.cb().offset != 0
            || self.cb().offset.saturating_add(self.cb().len) != SkBuff::len(self)
        {
            return Err(next);
        }
        let (len, time) = (next.cb().len, next.time());
        self.try_coalesce(next)?;
        self.joined_at(time);
        let cb = self.cb_mut();
        cb.len = cb.len.saturating_add(len);
        Ok(())
    }

    fn with_room(n: u32) -> Result<Self, NoMemory> {
        SkBuff::with_room(n, Gfp::ATOMIC).ok_or(NoMemory)
    }

    fn append(&mut self, from: &Self) -> bool {
        // As above.
        if self.cb().offset.saturating_add(self.cb().len) != SkBuff::len(self) {
            return false;
        }
        let len = from.cb().len;
        if !self.append_copy(from, from.cb().offset, len) {
            return false;
        }
        self.joined_at(from.time());
        let cb = self.cb_mut();
        cb.len = cb.len.saturating_add(len);
        true
    }
}

impl<C: ControlBlock> SegList<SkBuff<C>> for SkList<C> {
    #[inline]
    fn is_empty(&self) -> bool {
        SkList::is_empty(self)
    }
    #[inline]
    fn front(&self) -> Option<&SkBuff<C>> {
        SkList::front(self)
    }
    #[inline]
    fn front_mut(&mut self) -> Option<&mut SkBuff<C>> {
        SkList::front_mut(self)
    }
    #[inline]
    fn back_mut(&mut self) -> Option<&mut SkBuff<C>> {
        SkList::back_mut(self)
    }
    #[inline]
    fn push_back(&mut self, buf: SkBuff<C>) {
        SkList::push_back(self, buf);
    }
    #[inline]
    fn push_front(&mut self, buf: SkBuff<C>) {
        SkList::push_front(self, buf);
    }
    #[inline]
    fn pop_front(&mut self) -> Option<SkBuff<C>> {
        SkList::pop_front(self)
    }
}

impl SegTree<SegBuf> for SkTree<SegCb<SegMeta>> {
    fn is_empty(&self) -> bool {
        SkTree::is_empty(self)
    }
    fn first(&self) -> Option<&SegBuf> {
        SkTree::first(self)
    }
    fn last(&self) -> Option<&SegBuf> {
        SkTree::last(self)
    }
    fn pop_first(&mut self) -> Option<SegBuf> {
        SkTree::pop_first(self)
    }
    fn pop_last(&mut self) -> Option<SegBuf> {
        SkTree::pop_last(self)
    }
    fn insert(&mut self, buf: SegBuf) {
        SkTree::insert(self, buf);
    }
    fn at_or_after(&self, seq: SeqNum) -> Option<&SegBuf> {
        self.find(|cb| cb.meta.end.before_or_eq(seq))
    }
    fn at_or_after_mut(&mut self, seq: SeqNum) -> Option<&mut SegBuf> {
        self.find_mut(|cb| cb.meta.end.before_or_eq(seq))
    }
    fn remove(&mut self, seq: SeqNum) -> Option<SegBuf> {
        SkTree::remove(self, |cb| cb.meta.seq.before(seq), |cb| cb.meta.seq == seq)
    }
}

/// The platform.
pub(crate) struct Kernel;

impl Platform for Kernel {
    type TxBuf = SegBuf;
    type RxBuf = SegBuf;
    type TxList = SkList<SegCb<SegMeta>>;
    type RtxTree = SkTree<SegCb<SegMeta>>;
    type RxList = SkList<SegCb<SegMeta>>;
    type OfoTree = SkTree<SegCb<SegMeta>>;
    type Mib = super::netns::Counters;
    type Log = super::log::Log;
}

// What every socket costs beyond the kernel's own: 26 lines of cache at most.
const _: () = assert!(core::mem::size_of::<Connection<Kernel>>() <= 1664);
