// SPDX-License-Identifier: GPL-2.0

//! The log itself: records in a row of slots that the caller owns.
//!
//! A log of events keeps the latest, one that can be replayed the first: it is of no use from the
//! first gap on, so there it ends.

use super::{Kind, Kinds, Record, VERSION};
use crate::tcp::{send::Recovery, state::ConnState, time::Instant};

/// The caller's memory.
pub(crate) trait Slots {
    /// All slots.
    fn slots(&self) -> &[Record];
    /// All slots.
    fn slots_mut(&mut self) -> &mut [Record];
}

/// What was last told of a connection: only changes are told.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Seen {
    /// The state.
    pub(crate) state: ConnState,
    /// Where loss recovery stands.
    pub(crate) recovery: Recovery,
    /// Congestion window, threshold, both in bytes; time-out and round-trip time in microseconds.
    pub(crate) metrics: [u32; 4],
    /// Why nothing more was sent, and SND.NXT then.
    pub(crate) held: Option<(super::Why, u32)>,
    /// Bytes in a segment.
    pub(crate) mss: u32,
}

/// A log.
pub(crate) struct Ring<S> {
    slots: S,
    first: usize,
    len: usize,
    /// Records dropped and not told of yet.
    lost: u64,
    /// Nothing more is taken.
    ended: bool,
    kinds: Kinds,
    /// The time of the records to come.
    pub(crate) now: Instant,
    /// What was last told.
    pub(crate) seen: Seen,
}

impl<S: Slots> Ring<S> {
    /// An empty log of these kinds of records.
    pub(crate) fn new(slots: S, kinds: Kinds, now: Instant) -> Self {
        let mut ring = Self {
            slots,
            first: 0,
            len: 0,
            lost: 0,
            ended: false,
            kinds,
            now,
            seen: Seen::default(),
        };
        ring.put(Kind::Start, 0, 0, &[VERSION, u32::from(kinds.bits())]);
        ring
    }

    /// The kinds of records that are wanted.
    #[inline]
    pub(crate) fn kinds(&self) -> Kinds {
        self.kinds
    }

    /// Where the record `n` places behind the first is.
    fn place(&self, n: usize) -> usize {
        let capacity = self.slots.slots().len();
        self.first
            .wrapping_add(n)
            .checked_rem(capacity)
            .unwrap_or(0)
    }

    /// Appends a record.
    pub(crate) fn put(&mut self, kind: Kind, cause: u8, more: u16, words: &[u32]) {
        let mut record = Record {
            at: self.now.as_nanos(),
            kind: kind as u8,
            cause,
            more,
            ..Record::default()
        };
        for (to, from) in record.words.iter_mut().zip(words) {
            *to = *from;
        }
        if self.ended {
            self.lost = self.lost.saturating_add(1);
            return;
        }
        if self.len >= self.slots.slots().len() {
            self.lost = self.lost.saturating_add(1);
            if self.kinds.has(Kinds::INPUTS) {
                self.ended = true;
                return;
            }
            self.first = self.place(1);
            self.len = self.len.saturating_sub(1);
        }
        let place = self.place(self.len);
        if let Some(slot) = self.slots.slots_mut().get_mut(place) {
            *slot = record;
            self.len = self.len.saturating_add(1);
        }
    }

    /// So many records that were taken out got nowhere.
    pub(crate) fn lose(&mut self, records: u64) {
        self.lost = self.lost.saturating_add(records);
    }

    /// Takes the oldest record out. Where records are missing, one says how many.
    pub(crate) fn take(&mut self) -> Option<Record> {
        if self.lost > 0 && (!self.ended || self.len == 0) {
            let lost = core::mem::take(&mut self.lost);
            let mut words = [0; super::WORDS];
            let [low, high, ..] = &mut words;
            *low = lost as u32;
            *high = (lost >> 32) as u32;
            return Some(Record {
                at: self.now.as_nanos(),
                kind: Kind::Lost as u8,
                words,
                ..Record::default()
            });
        }
        if self.len == 0 {
            return None;
        }
        let record = self.slots.slots().get(self.first).copied();
        self.first = self.place(1);
        self.len = self.len.saturating_sub(1);
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(kinds: Kinds) -> Ring<Vec<Record>> {
        let mut ring = Ring::new(vec![Record::default(); 4], kinds, Instant::from_nanos(7));
        let start = ring.take().unwrap();
        assert_eq!((start.kind, start.words[0]), (Kind::Start as u8, VERSION));
        for n in 0..6 {
            ring.put(Kind::Sent, 0, 0, &[n]);
        }
        ring
    }

    fn all(ring: &mut Ring<Vec<Record>>) -> Vec<(u8, u32)> {
        std::iter::from_fn(|| ring.take().map(|r| (r.kind, r.words[0]))).collect()
    }

    /// Six records in four slots: the last four are kept, and two are known to be lost.
    #[test]
    fn a_log_of_events_keeps_the_latest() {
        let mut ring = ring(Kinds::EVENTS);
        let sent = Kind::Sent as u8;
        let lost = Kind::Lost as u8;
        let expected = [(lost, 2), (sent, 2), (sent, 3), (sent, 4), (sent, 5)];
        assert_eq!(all(&mut ring), expected);
        ring.put(Kind::Sent, 0, 0, &[9]);
        assert_eq!(all(&mut ring), [(sent, 9)]);
    }

    /// One that shall be replayed keeps the first four, and takes nothing behind the gap.
    #[test]
    fn a_log_of_inputs_keeps_the_first() {
        let mut ring = ring(Kinds::INPUTS);
        let sent = Kind::Sent as u8;
        let expected = [
            (sent, 0),
            (sent, 1),
            (sent, 2),
            (sent, 3),
            (Kind::Lost as u8, 2),
        ];
        assert_eq!(all(&mut ring), expected);
        ring.put(Kind::Sent, 0, 0, &[9]);
        assert_eq!(all(&mut ring), [(Kind::Lost as u8, 1)]);
    }

    /// What was taken out and got nowhere is told before what follows.
    #[test]
    fn what_gets_lost_outside_is_told() {
        let mut ring = Ring::new(
            vec![Record::default(); 4],
            Kinds::INPUTS,
            Instant::default(),
        );
        ring.put(Kind::Sent, 0, 0, &[1]);
        ring.put(Kind::Sent, 0, 0, &[2]);
        ring.take();
        ring.take();
        ring.lose(2);
        assert_eq!(
            all(&mut ring),
            [(Kind::Lost as u8, 2), (Kind::Sent as u8, 2)]
        );
    }

    #[test]
    fn without_memory_nothing_is_kept() {
        let mut ring = Ring::new(Vec::new(), Kinds::EVENTS, Instant::default());
        ring.put(Kind::Sent, 0, 0, &[1]);
        assert_eq!(ring.take().map(|r| r.kind), Some(Kind::Lost as u8));
        assert_eq!(ring.take(), None);
    }

    #[test]
    fn bytes_and_back() {
        let record = Record {
            at: 0x0102_0304_0506_0708,
            kind: 9,
            cause: 10,
            more: 0x0b0c,
            words: core::array::from_fn(|n| 0x0d00_0000 + n as u32),
        };
        assert_eq!(Record::from_bytes(&record.to_bytes()), record);
    }
}
