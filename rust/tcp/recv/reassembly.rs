// SPDX-License-Identifier: GPL-2.0

//! Data out of order: the tree that holds it, and the SACK blocks that tell the sender of it
//! (RFC 2018, RFC 2883). Buffers in the tree never overlap.

use super::{trim_back, Recv, Stored};
use crate::tcp::{
    platform::{Buffer, Platform, RxBuffer, SegList, SegTree},
    seq::{SeqNum, SeqRange},
    wire::SackBlocks,
};

/// What to report.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct SackState {
    /// What came twice: reported once.
    duplicate: Option<SeqRange>,
    /// What is in the tree, the most recent first (RFC 2018, section 4), as far as it fits.
    blocks: [SeqRange; 4],
    len: u8,
    /// What came last did no more than carry on where the farthest block ended.
    grew: bool,
}

impl SackState {
    fn iter(&self) -> impl Iterator<Item = SeqRange> + '_ {
        let kept = self.blocks.get(..usize::from(self.len));
        kept.unwrap_or_default().iter().copied()
    }

    /// Takes the blocks of an iterator in their order.
    fn refill(&mut self, blocks: impl Iterator<Item = SeqRange>) {
        let mut kept = [SeqRange::default(); 4];
        let mut len = 0u8;
        for (slot, block) in kept.iter_mut().zip(blocks) {
            *slot = block;
            len = len.saturating_add(1);
        }
        self.blocks = kept;
        self.len = len;
    }

    /// RFC 2018, section 4: the block with the latest segment goes first.
    fn note(&mut self, range: SeqRange) {
        let old = *self;
        self.grew = old.iter().any(|b| b.end == range.start)
            && old.iter().all(|b| b.end.before_or_eq(range.start));
        // Old blocks keep apart from one another, so one pass finds all that the range joins.
        let merged = old
            .iter()
            .filter(|b| b.touches(range))
            .fold(range, SeqRange::union);
        self.refill(core::iter::once(merged).chain(old.iter().filter(|b| !b.touches(range))));
    }

    /// The block that holds all of `range`, if one does.
    fn run_around(&self, range: SeqRange) -> Option<SeqRange> {
        self.iter()
            .find(|b| b.start.before_or_eq(range.start) && b.end.after_or_eq(range.end))
    }

    /// Forgets what lies before `nxt`.
    fn pass(&mut self, nxt: SeqNum) {
        let old = *self;
        self.refill(old.iter().filter(|b| b.start.after(nxt)));
    }

    /// Forgets what lies behind `from`: it was dropped, and won't be reported on (RFC 2018,
    /// section 8).
    fn cut(&mut self, from: SeqNum) {
        let old = *self;
        let shortened = old
            .iter()
            .map(|b| SeqRange::new(b.start, b.end.earliest(from)));
        self.refill(shortened.filter(|b| b.len() > 0));
    }
}

impl<P: Platform> Recv<P> {
    /// Whether something waits out of order.
    #[inline]
    pub(crate) fn has_holes(&self) -> bool {
        self.sack.len > 0 || !self.ofo.is_empty()
    }

    /// Whether there is something for a SACK option.
    #[inline]
    pub(crate) fn wants_sack(&self) -> bool {
        self.sack.len > 0 || self.sack.duplicate.is_some()
    }

    /// Whether what came last opened no gap and filled none, nor a part of one (RFC 5681, 4.2): the
    /// farthest block is longer now, and that is all.
    pub(crate) fn only_grew(&self) -> bool {
        self.sack.grew
    }

    /// How many blocks there are to report.
    pub(crate) fn sack_blocks(&self) -> usize {
        usize::from(self.sack.len).saturating_add(usize::from(self.sack.duplicate.is_some()))
    }

    /// The blocks to report, at most `most`.
    pub(crate) fn take_sack_blocks(&mut self, most: usize) -> SackBlocks {
        let mut blocks = SackBlocks::default();
        if let Some(duplicate) = self.sack.duplicate.take() {
            blocks.push(duplicate);
        }
        for block in self.sack.iter() {
            if blocks.len() >= most {
                break;
            }
            blocks.push(block);
        }
        blocks
    }

    /// Whether the next ACK reports what came twice.
    pub(crate) fn reports_duplicate(&self) -> bool {
        self.sack.duplicate.is_some()
    }

    /// RFC 2883, section 4: the next ACK reports what came twice.
    pub(crate) fn note_duplicate(&mut self, range: SeqRange) {
        self.sack.duplicate = Some(range);
    }

    /// The first part of `range` that was there already, as far as the blocks to report tell.
    /// RFC 2883, 4.2: such a part is reported too.
    pub(super) fn part_that_came(&self, range: SeqRange) -> Option<SeqRange> {
        if range.start.before(self.nxt) {
            return Some(SeqRange::new(range.start, self.nxt.earliest(range.end)));
        }
        if self.sack.len == 0 {
            return None;
        }
        let parts = self
            .sack
            .iter()
            .map(|b| SeqRange::new(b.start.latest(range.start), b.end.earliest(range.end)))
            .filter(|part| part.start.before(part.end));
        parts.reduce(|first, part| {
            if part.start.before(first.start) {
                part
            } else {
                first
            }
        })
    }

    /// Nothing is reported about what came twice.
    pub(crate) fn forget_duplicate(&mut self) {
        self.sack.duplicate = None;
    }

    /// The next ACK reports a part that came twice.
    pub(super) fn note_part(&mut self, again: Option<SeqRange>) {
        if again.is_some() && self.reports_twice {
            self.sack.duplicate = again;
        }
    }

    /// Takes the farthest buffer out of the tree, if it begins after `from`.
    fn drop_last(&mut self, from: SeqNum) -> bool {
        if !self
            .ofo
            .last()
            .is_some_and(|last| last.meta().seq.after(from))
        {
            return false;
        }
        let Some(buf) = self.ofo.pop_last() else {
            return false;
        };
        self.mem = self.mem.saturating_sub(buf.truesize());
        self.sack.cut(buf.meta().seq);
        self.dropped = self.dropped.saturating_add(1);
        true
    }

    /// How many buffers that had come out of order were dropped since the last time that was asked.
    pub(crate) fn take_dropped(&mut self) -> u32 {
        core::mem::take(&mut self.dropped)
    }

    /// Frees out-of-order data, the farthest first, until something fits. Data in order is never
    /// dropped: it was acknowledged.
    pub(super) fn make_room(&mut self) -> bool {
        while self.mem >= self.most_in_order() {
            if !self.drop_last(self.nxt) {
                return self.ready.is_empty();
            }
        }
        true
    }

    /// Moves what RCV.NXT has reached from the out-of-order tree to the list.
    pub(super) fn drain_ofo(&mut self, log: &mut P::Log) {
        while let Some(first) = self.ofo.first() {
            let (seq, end) = (first.meta().seq, first.meta().end);
            if seq.after(self.nxt) {
                break;
            }
            let Some(mut buf) = self.ofo.pop_first() else {
                break;
            };
            self.mem = self.mem.saturating_sub(buf.truesize());
            if end.after(self.nxt) {
                if seq.before(self.nxt) {
                    buf.trim_front(self.nxt.distance_from(seq));
                }
                self.deliver(SeqRange::new(self.nxt, end), buf, log);
            }
        }
        self.sack.pass(self.nxt);
    }

    /// Stores data that is not next in order, less what is there already.
    pub(super) fn store_ofo(
        &mut self,
        range: SeqRange,
        mut buf: P::RxBuf,
        log: &mut P::Log,
    ) -> (Stored, Option<P::RxBuf>) {
        let mut range = range;
        let whole = range;
        if let Some(run) = self.sack.run_around(range) {
            // Perhaps in several buffers that adjoin.
            self.sack.note(run);
            return (Stored::Duplicate, Some(buf));
        }
        while self.mem >= self.most_out_of_order() {
            // Nearer data is worth more than farther data. Before anything else is dropped: what
            // is reported stays.
            if !self.drop_last(range.start) {
                return (Stored::NoRoom, Some(buf));
            }
        }
        if let Some(at) = self.ofo.at_or_after(range.start) {
            let (seq, end) = (at.meta().seq, at.meta().end);
            if seq.before_or_eq(range.start) {
                if end.after_or_eq(range.end) {
                    self.sack.note(SeqRange::new(seq, end));
                    return (Stored::Duplicate, Some(buf));
                }
                buf.trim_front(end.distance_from(range.start));
                range.start = end;
            }
        }
        while let Some(at) = self.ofo.at_or_after(range.start) {
            let (seq, end) = (at.meta().seq, at.meta().end);
            if seq.after_or_eq(range.end) {
                break;
            }
            if end.after(range.end) {
                trim_back::<P>(&mut buf, range.end.distance_from(seq), log);
                range.end = seq;
                break;
            }
            // The new segment covers it whole.
            match self.ofo.remove(seq) {
                Some(old) => self.mem = self.mem.saturating_sub(old.truesize()),
                None => break,
            }
        }
        if range.len() == 0 {
            return (Stored::Duplicate, Some(buf));
        }
        if let Some(mut buf) = self.pack_out_of_order(range, buf, log) {
            let meta = buf.meta_mut();
            meta.seq = range.start;
            meta.end = range.end;
            self.mem = self.mem.saturating_add(buf.truesize());
            self.ofo.insert(buf);
        }
        self.sack.note(whole);
        (Stored::OutOfOrder, None)
    }

    /// Drops what is out of order in favour of what is in order (RFC 2018, section 8, lets a
    /// receiver do so). `false`: there was nothing.
    pub(super) fn give_up_ofo(&mut self) -> bool {
        let any = !self.ofo.is_empty();
        self.purge_ofo();
        any
    }

    /// Drops what is out of order.
    pub(crate) fn purge_ofo(&mut self) {
        while let Some(buf) = self.ofo.pop_last() {
            self.mem = self.mem.saturating_sub(buf.truesize());
        }
        self.sack = SackState::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u32, end: u32) -> SeqRange {
        SeqRange::new(SeqNum::new(start), SeqNum::new(end))
    }

    fn blocks(state: &SackState) -> Vec<SeqRange> {
        state.iter().collect()
    }

    /// RFC 2018, section 4: most recent first, blocks joined, repeats of the others after it.
    #[test]
    fn rfc2018_4_the_most_recent_block_is_first() {
        let mut state = SackState::default();
        state.note(range(100, 200));
        state.note(range(300, 400));
        assert_eq!(blocks(&state), [range(300, 400), range(100, 200)]);
        state.note(range(200, 250));
        assert_eq!(blocks(&state), [range(100, 250), range(300, 400)]);
        state.note(range(250, 300));
        assert_eq!(blocks(&state), [range(100, 400)]);
        for n in 0..6 {
            state.note(range(1000 + 100 * n, 1010 + 100 * n));
        }
        assert_eq!(
            blocks(&state),
            [4u32, 3, 2]
                .iter()
                .fold(vec![range(1500, 1510)], |mut v, n| {
                    v.push(range(1000 + 100 * n, 1010 + 100 * n));
                    v
                })
        );
        state.pass(SeqNum::new(1300));
        assert_eq!(blocks(&state), [range(1500, 1510), range(1400, 1410)]);
    }

    /// RFC 2018, section 8: what was dropped must not be reported any more.
    #[test]
    fn rfc2018_8_dropped_data_is_not_reported() {
        let mut state = SackState::default();
        state.note(range(100, 200));
        state.note(range(300, 400));
        state.cut(SeqNum::new(350));
        assert_eq!(blocks(&state), [range(300, 350), range(100, 200)]);
        state.cut(SeqNum::new(300));
        assert_eq!(blocks(&state), [range(100, 200)]);
    }
}
