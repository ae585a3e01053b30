// SPDX-License-Identifier: GPL-2.0

//! Buffers of real bytes, so that the simulator can check what arrives.

use crate::tcp::{
    log::{Kinds, Record, Recorder, Ring, Slots},
    mib::Mib,
    platform::*,
    seq::SeqNum,
    time::Instant,
};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};

thread_local! {
    /// One in how many splits fails for want of memory (0: none), and a count to choose by.
    static SCARCITY: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
    /// How often a tree was searched or changed.
    static WORK: Cell<u64> = const { Cell::new(0) };
}

/// From now on, on this thread, one in `every` splits fails; 0: none.
pub(crate) fn make_memory_scarce(every: u32) {
    SCARCITY.set((every, 0));
}

/// How often trees were searched or changed on this thread so far.
pub(crate) fn work() -> u64 {
    WORK.get()
}

/// What a buffer takes beyond its bytes.
pub(crate) const OVERHEAD: u32 = 256;

/// A buffer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buf {
    pub(crate) bytes: Vec<u8>,
    pub(crate) overhead: u32,
    pub(crate) meta: SegMeta,
    pub(crate) key: SeqNum,
    /// Room behind the bytes, which the overhead has in it.
    pub(crate) room: u32,
}

impl Buf {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            overhead: OVERHEAD,
            meta: SegMeta::default(),
            key: SeqNum::default(),
            room: 0,
        }
    }
}

impl Buffer for Buf {
    fn len(&self) -> u32 {
        self.bytes.len() as u32
    }
    fn truesize(&self) -> u32 {
        self.bytes.len() as u32 + self.overhead
    }
    fn meta(&self) -> &SegMeta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut SegMeta {
        &mut self.meta
    }
}

impl TxBuffer for Buf {
    fn split_off(&mut self, n: u32) -> Result<Self, NoMemory> {
        assert!(n > 0 && n < self.len(), "split at {n} of {}", self.len());
        let (every, count) = SCARCITY.get();
        SCARCITY.set((every, count.wrapping_add(1)));
        if every > 0 && count % every == every - 1 {
            return Err(NoMemory);
        }
        let mut rest = Self::new(self.bytes.split_off(n as usize));
        rest.key = self.key;
        Ok(rest)
    }
    fn join(&mut self, mut next: Self) -> Result<(), Self> {
        let (every, count) = SCARCITY.get();
        if every > 0 && count % every == 1 {
            return Err(next);
        }
        self.bytes.append(&mut next.bytes);
        Ok(())
    }
    fn key(&self) -> SeqNum {
        self.key
    }
    fn set_key(&mut self, key: SeqNum) {
        self.key = key;
    }
}

impl RxBuffer for Buf {
    fn trim_front(&mut self, n: u32) {
        self.bytes.drain(..n as usize);
        self.overhead += n;
    }
    fn trim_back(&mut self, n: u32) {
        self.bytes.truncate(self.bytes.len() - n as usize);
        // What little is left moves to where the headers were, and the rest is freed, as
        // skb_condense() does.
        if self.bytes.len() > 192 {
            self.overhead += n;
        }
    }
    fn try_merge(&mut self, mut next: Self) -> Result<(), Self> {
        if self.bytes.len() + next.bytes.len() > 3000 {
            return Err(next);
        }
        self.bytes.append(&mut next.bytes);
        self.room = 0;
        Ok(())
    }
    fn with_room(n: u32) -> Result<Self, NoMemory> {
        let (every, count) = SCARCITY.get();
        SCARCITY.set((every, count.wrapping_add(1)));
        if every > 0 && count % every == every - 1 {
            return Err(NoMemory);
        }
        // As slabs have it.
        let room = n.max(64).next_power_of_two();
        let mut buf = Self::new(Vec::new());
        buf.overhead += room;
        buf.room = room;
        Ok(buf)
    }
    fn append(&mut self, from: &Self) -> bool {
        let n = from.len();
        if n > self.room {
            return false;
        }
        self.bytes.extend_from_slice(&from.bytes);
        self.room -= n;
        self.overhead -= n;
        true
    }
}

/// A list.
pub(crate) struct List<B>(pub(crate) VecDeque<B>);

impl<B> Default for List<B> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<B> SegList<B> for List<B> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    fn front(&self) -> Option<&B> {
        self.0.front()
    }
    fn front_mut(&mut self) -> Option<&mut B> {
        self.0.front_mut()
    }
    fn back_mut(&mut self) -> Option<&mut B> {
        self.0.back_mut()
    }
    fn push_back(&mut self, buf: B) {
        self.0.push_back(buf);
    }
    fn push_front(&mut self, buf: B) {
        self.0.push_front(buf);
    }
    fn pop_front(&mut self) -> Option<B> {
        self.0.pop_front()
    }
}

/// A tree. Keys are distances from an arbitrary point half the circle behind the first entry, so
/// that wrapping numbers keep their order.
pub(crate) struct Tree<B> {
    base: u32,
    map: BTreeMap<u32, B>,
}

impl<B> Default for Tree<B> {
    fn default() -> Self {
        Self {
            base: 0,
            map: BTreeMap::new(),
        }
    }
}

impl<B: Buffer> Tree<B> {
    fn key(&self, seq: SeqNum) -> u32 {
        seq.raw().wrapping_sub(self.base)
    }
    fn rebase(&mut self, seq: SeqNum) {
        let base = seq.raw().wrapping_sub(1 << 31);
        if self.map.is_empty() {
            self.base = base;
        } else if self.key(seq) > 3 << 30 {
            let map = std::mem::take(&mut self.map);
            self.base = base;
            self.map = map
                .into_values()
                .map(|b| (self.key(b.meta().seq), b))
                .collect();
        }
    }
    fn find(&self, seq: SeqNum) -> Option<u32> {
        WORK.set(WORK.get() + 1);
        let key = self.key(seq);
        if let Some((k, b)) = self.map.range(..=key).next_back() {
            if b.meta().end.after(seq) {
                return Some(*k);
            }
        }
        self.map.range(key..).next().map(|(k, _)| *k)
    }
}

impl<B: Buffer> SegTree<B> for Tree<B> {
    fn is_empty(&self) -> bool {
        self.map.is_empty()
    }
    fn first(&self) -> Option<&B> {
        self.map.values().next()
    }
    fn last(&self) -> Option<&B> {
        self.map.values().next_back()
    }
    fn pop_first(&mut self) -> Option<B> {
        self.map.pop_first().map(|e| e.1)
    }
    fn pop_last(&mut self) -> Option<B> {
        self.map.pop_last().map(|e| e.1)
    }
    fn insert(&mut self, buf: B) {
        WORK.set(WORK.get() + 1);
        self.rebase(buf.meta().seq);
        assert_eq!(
            buf.meta().end,
            buf.meta().seq.add(buf.len()),
            "notes of a wrong length"
        );
        let old = self.map.insert(self.key(buf.meta().seq), buf);
        assert!(old.is_none(), "two buffers with one sequence number");
    }
    fn at_or_after(&self, seq: SeqNum) -> Option<&B> {
        self.find(seq).and_then(|k| self.map.get(&k))
    }
    fn at_or_after_mut(&mut self, seq: SeqNum) -> Option<&mut B> {
        self.find(seq).and_then(|k| self.map.get_mut(&k))
    }
    fn remove(&mut self, seq: SeqNum) -> Option<B> {
        let key = self.key(seq);
        self.map.remove(&key)
    }
}

/// Counters.
pub(crate) struct Counters(pub(crate) RefCell<[u64; Mib::COUNT]>);

impl Default for Counters {
    fn default() -> Self {
        Self(RefCell::new([0; Mib::COUNT]))
    }
}

impl Counters {
    pub(crate) fn get(&self, counter: Mib) -> u64 {
        self.0.borrow()[counter as usize]
    }
}

impl MibSink for Counters {
    fn add(&self, counter: Mib, n: u64) {
        self.0.borrow_mut()[counter as usize] += n;
    }
}

/// A log, if the test wants one.
#[derive(Default)]
pub(crate) struct HostLog(pub(crate) Option<Box<Ring<Vec<Record>>>>);

impl Slots for Vec<Record> {
    fn slots(&self) -> &[Record] {
        self
    }
    fn slots_mut(&mut self) -> &mut [Record] {
        self
    }
}

impl HostLog {
    /// A log with room for `records`.
    pub(crate) fn new(kinds: Kinds, records: usize, now: Instant) -> Self {
        let slots = vec![Record::default(); records];
        Self(Some(Box::new(Ring::new(slots, kinds, now))))
    }
}

impl Recorder for HostLog {
    type Slots = Vec<Record>;
    fn kinds(&self) -> Kinds {
        self.0.as_ref().map_or(Kinds::NONE, |ring| ring.kinds())
    }
    fn ring(&mut self) -> Option<&mut Ring<Self::Slots>> {
        self.0.as_deref_mut()
    }
}

/// The host's platform.
pub(crate) struct Host;

impl Platform for Host {
    type TxBuf = Buf;
    type RxBuf = Buf;
    type TxList = List<Buf>;
    type RtxTree = Tree<Buf>;
    type RxList = List<Buf>;
    type OfoTree = Tree<Buf>;
    type Mib = Counters;
    type Log = HostLog;
}
