// SPDX-License-Identifier: GPL-2.0

//! The scoreboard: which sent data arrived, which is lost, which is on its way again.
//!
//! The marks are in the buffers' notes; the sums kept in [`Send`] make the pipe (RFC 6675,
//! section 4) a subtraction. A peer chooses what it acknowledges, so the work that one ACK can
//! cause is bounded: buffers are cut only up to a number that follows from the data in flight, what
//! the last ACK reported is not looked at again, and a long tree is searched for losses only now
//! and then.

use super::{Recovery, Send};
use crate::tcp::{
    platform::{Buffer, Platform, SegFlags, SegMeta, SegTree, TxBuffer},
    seq::{SeqNum, SeqRange},
    time::{Duration, Instant},
};

/// A tree with more buffers than this is not searched at every ACK.
const SEARCH_FREELY: u32 = 192;
/// How many buffers one ACK may have looked at in vain, that is, which were marked already.
pub(crate) const LOOKS_IN_VAIN: u32 = 256;

/// The moment of an ACK: what the scoreboard needs to judge delays.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Now.
    pub(crate) now: Instant,
    /// The smoothed round-trip time.
    pub(crate) srtt: Duration,
    /// The least round-trip time.
    pub(crate) least: Duration,
    /// Bytes in a segment.
    pub(crate) mss: u32,
    /// One beyond the highest byte that had arrived before this ACK.
    pub(crate) highest: SeqNum,
}

/// What an acknowledgment removed.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Acked {
    /// When the last acknowledged buffer was sent, if none of them was ambiguous.
    pub(crate) sent_at: Option<Instant>,
    /// Whether a retransmitted buffer was among them (Karn).
    pub(crate) retransmitted: bool,
}

/// What a search for losses found.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Losses {
    /// Data not known to be lost before.
    pub(crate) fresh: bool,
    /// Retransmissions that are lost.
    pub(crate) again: u32,
    /// When to search again.
    pub(crate) look_at: Option<Instant>,
}

impl<P: Platform> Send<P> {
    /// Notes that a buffer arrived, or what of it was not acknowledged before and ends at `end`.
    fn delivered(&mut self, meta: &SegMeta, end: SeqNum, at: Moment) {
        let again = meta.flags.has(SegFlags::EVER_RETRANS);
        self.rate.on_delivered(meta.sent());
        let data = SeqRange::new(meta.seq.latest(self.una), end);
        self.rack
            .delivered(meta.sent_at, data, again, at.highest, at.now, at.least);
    }

    /// Removes what `ack` covers from the tree and moves SND.UNA there.
    pub(crate) fn remove_acked(&mut self, ack: SeqNum, at: Moment) -> Acked {
        let mut acked = Acked::default();
        let mut tells_early = false;
        while let Some(first) = self.rtx.first() {
            let meta = *first.meta();
            if meta.seq.after_or_eq(ack) {
                break;
            }
            // The byte that the user asked about may be acknowledged before the rest is.
            tells_early = meta.flags.has(SegFlags::STAMP) && first.key().before(ack);
            if !meta.flags.has(SegFlags::SACKED) {
                // A later segment of the same buffer is news of its own.
                self.delivered(&meta, meta.end.earliest(ack), at);
                if meta.flags.has(SegFlags::EVER_RETRANS) {
                    acked.retransmitted = true;
                } else {
                    acked.sent_at = Some(meta.sent_at);
                }
            }
            if meta.end.after(ack) {
                break;
            }
            let _ = self.pop_rtx();
        }
        self.una = ack;
        self.high_sacked = self.high_sacked.latest(ack);
        if self.rtx.is_empty() {
            self.sacked = 0;
            self.lost = 0;
            self.retrans = 0;
        } else if tells_early || self.sacked > 0 || self.lost > 0 || self.retrans > 0 {
            self.trim_rtx();
        }
        acked
    }

    /// Whether a SACK block may cut one buffer more. Honest blocks end at segments' ends, so that
    /// there are about as many buffers as segments in flight.
    fn may_cut(&self, mss: u32) -> bool {
        let segments = self.in_flight().checked_div(mss).unwrap_or(0);
        self.buffers < segments.saturating_mul(2).saturating_add(64)
    }

    /// Marks what a SACK block covers; tells how many bytes are newly covered, and how far it got:
    /// once `looks` are used up, what is left of the block has to wait for another ACK. RFC 6675,
    /// Update().
    pub(crate) fn mark_sacked(
        &mut self,
        block: SeqRange,
        at: Moment,
        looks: &mut u32,
    ) -> (u32, SeqNum) {
        // What the last ACK reported is marked already: begin where this block is longer.
        let known = self
            .seen
            .iter()
            .find(|old| old.start == block.start && old.len() > 0);
        let mut pos = match known {
            Some(old) if old.end.after_or_eq(block.end) => return (0, block.end),
            Some(old) => old.end,
            None => block.start,
        };
        for edge in [block.start, block.end] {
            if self.may_cut(at.mss) {
                let _ = self.split_rtx(edge);
            }
        }
        let mut newly = 0u32;
        let mut reached = block.end;
        while let Some(buf) = self.rtx.at_or_after_mut(pos) {
            let meta = *buf.meta();
            if meta.end.after(block.end) {
                break;
            }
            if meta.seq.before(block.start) || meta.flags.has(SegFlags::SACKED) {
                let Some(left) = looks.checked_sub(1) else {
                    reached = pos;
                    break;
                };
                *looks = left;
                pos = meta.end;
                continue;
            }
            pos = meta.end;
            let len = buf.len();
            let flags = &mut buf.meta_mut().flags;
            flags.clear(SegFlags::LOST);
            flags.clear(SegFlags::RETRANS);
            flags.set(SegFlags::SACKED);
            newly = newly.saturating_add(len);
            if meta.flags.has(SegFlags::LOST) {
                self.lost = self.lost.saturating_sub(len);
            }
            if meta.flags.has(SegFlags::RETRANS) {
                self.retrans = self.retrans.saturating_sub(len);
            }
            self.delivered(&meta, meta.end, at);
            self.high_sacked = self.high_sacked.latest(meta.end);
        }
        self.sacked = self.sacked.saturating_add(newly);
        (newly, reached)
    }

    /// Remembers the blocks of an ACK, as far as they were looked at.
    pub(crate) fn note_blocks(&mut self, blocks: impl Iterator<Item = SeqRange>) {
        let mut seen = [SeqRange::default(); 4];
        if self.sacked > 0 {
            for (slot, block) in seen.iter_mut().zip(blocks) {
                *slot = block;
            }
        }
        self.seen = seen;
    }

    /// Marks as lost what was overtaken for too long, retransmissions too: RFC 8985, section 6.2,
    /// step 5.
    pub(crate) fn detect_lost(&mut self, at: Moment) -> Losses {
        let mut losses = Losses::default();
        // A peer that acknowledges what did not come yet has a short round-trip time; what a search costs
        // goes by the buffers.
        let pause = Duration::from_nanos(at.srtt.as_nanos() / 32)
            .max(Duration::from_micros(u64::from(self.buffers)));
        if self.buffers > SEARCH_FREELY && at.now.since(self.scanned_at) < pause {
            losses.look_at = Some(self.scanned_at.add(pause));
            return losses;
        }
        self.scanned_at = at.now;
        self.trim_rtx();
        let threshold = self.rack.threshold();
        let many = self.dupacks >= threshold || self.sacked >= at.mss.saturating_mul(threshold);
        let begun = self.recovery != Recovery::Open;
        let window = self.rack.window(many, begun, at.least, at.srtt);
        let mut pos = self.una;
        while let Some(buf) = self.rtx.at_or_after_mut(pos) {
            let meta = *buf.meta();
            pos = meta.end;
            let waits = meta.flags.has(SegFlags::LOST) && !meta.flags.has(SegFlags::RETRANS);
            if meta.flags.has(SegFlags::SACKED)
                || waits
                || !self.rack.is_older(meta.sent_at, meta.end)
            {
                continue;
            }
            let due = self.rack.lost_at(meta.sent_at, window);
            if due > at.now {
                losses.look_at = losses.look_at.max(Some(due));
                continue;
            }
            let len = buf.len();
            let flags = &mut buf.meta_mut().flags;
            if meta.flags.has(SegFlags::RETRANS) {
                flags.clear(SegFlags::RETRANS);
                self.retrans = self.retrans.saturating_sub(len);
                losses.again = losses.again.saturating_add(1);
            }
            self.rate
                .on_lost(len, meta.stamp, meta.flags.has(SegFlags::APP_LIMITED));
            if !meta.flags.has(SegFlags::LOST) {
                flags.set(SegFlags::LOST);
                self.lost = self.lost.saturating_add(len);
                losses.fresh = true;
            }
            self.rtx_hint = self.rtx_hint.earliest(meta.seq);
        }
        losses
    }

    /// The recovery was a mistake: what was taken to be lost is on its way, and what was sent again
    /// is so twice.
    pub(crate) fn forget_losses(&mut self) {
        let mut pos = self.una;
        while self.lost > 0 {
            let Some(buf) = self.rtx.at_or_after_mut(pos) else {
                break;
            };
            let len = buf.len();
            let meta = buf.meta_mut();
            pos = meta.end;
            if meta.flags.has(SegFlags::LOST) {
                meta.flags.clear(SegFlags::LOST);
                self.lost = self.lost.saturating_sub(len);
            }
        }
        self.lost = 0;
        self.fin_lost = false;
        self.force_one = false;
    }

    /// Without SACK: marks the first segment as lost (RFC 6582, steps 2 and 3).
    pub(crate) fn mark_first_lost(&mut self, mss: u32) {
        self.trim_rtx();
        let una = self.una;
        if !self.split_rtx(una.add(mss)) {
            return;
        }
        self.rtx_hint = una;
        if let Some(buf) = self.rtx.at_or_after_mut(una) {
            let len = buf.len();
            let meta = *buf.meta();
            let flags = &mut buf.meta_mut().flags;
            if flags.has(SegFlags::RETRANS) {
                flags.clear(SegFlags::RETRANS);
                self.retrans = self.retrans.saturating_sub(len);
            }
            if !flags.has(SegFlags::LOST) {
                flags.set(SegFlags::LOST);
                self.lost = self.lost.saturating_add(len);
            }
            self.rate
                .on_lost(len, meta.stamp, meta.flags.has(SegFlags::APP_LIMITED));
        } else if self.fin_sent {
            self.fin_lost = true;
        }
    }

    /// Takes the buffers from `start` to `end` to be lost; tells how many bytes that makes.
    pub(crate) fn mark_range_lost(&mut self, start: SeqNum, end: SeqNum) -> u32 {
        let mut newly = 0u32;
        let mut pos = start;
        while let Some(buf) = self.rtx.at_or_after_mut(pos) {
            let (meta, len) = (*buf.meta(), buf.len());
            if meta.seq.after_or_eq(end) {
                break;
            }
            pos = meta.end;
            if meta.flags.has(SegFlags::SACKED) || meta.flags.has(SegFlags::LOST) {
                continue;
            }
            let flags = &mut buf.meta_mut().flags;
            if meta.flags.has(SegFlags::RETRANS) {
                flags.clear(SegFlags::RETRANS);
                self.retrans = self.retrans.saturating_sub(len);
            }
            flags.set(SegFlags::LOST);
            newly = newly.saturating_add(len);
            self.rtx_hint = self.rtx_hint.earliest(meta.seq);
        }
        self.lost = self.lost.saturating_add(newly);
        newly
    }

    /// After a time-out: all that is not selectively acknowledged is lost. If the first buffer
    /// is marked as acknowledged, the peer dropped what it had reported (RFC 2018, section 8), and
    /// the marks mean nothing; true if that is so.
    pub(crate) fn mark_all_lost(&mut self) -> bool {
        self.trim_rtx();
        let reneged = self
            .rtx
            .first()
            .is_some_and(|b| b.meta().flags.has(SegFlags::SACKED));
        let mut pos = self.una;
        let mut sacked = 0u32;
        let mut lost = 0u32;
        while let Some(buf) = self.rtx.at_or_after_mut(pos) {
            let len = buf.len();
            let meta = buf.meta_mut();
            pos = meta.end;
            meta.flags.clear(SegFlags::RETRANS);
            if reneged {
                meta.flags.clear(SegFlags::SACKED);
            }
            if meta.flags.has(SegFlags::SACKED) {
                sacked = sacked.saturating_add(len);
            } else {
                meta.flags.set(SegFlags::LOST);
                lost = lost.saturating_add(len);
            }
        }
        self.sacked = sacked;
        self.lost = lost;
        self.retrans = 0;
        self.rtx_hint = self.una;
        self.tail_probe = None;
        if reneged {
            self.high_sacked = self.una;
            self.seen = [SeqRange::default(); 4];
        }
        self.fin_lost = self.fin_sent;
        reneged
    }

    /// Whether the sums are what the marks say: for tests. `counts_sacked`: SACK is in use, so that
    /// `sacked` is a sum and no estimate.
    #[allow(dead_code)] // For the simulator and the fuzz targets.
    pub(crate) fn is_consistent(&self, counts_sacked: bool) -> bool {
        let (mut sacked, mut lost, mut retrans, mut buffers) = (0u32, 0u32, 0u32, 0u32);
        let mut pos = None;
        let mut next = self.rtx.first();
        while let Some(buf) = next {
            let (meta, len) = (*buf.meta(), buf.len());
            if len == 0
                || meta.end.distance_from(meta.seq) != len
                || pos.is_some_and(|pos| pos != meta.seq)
            {
                return false;
            }
            for (flag, sum) in [
                (SegFlags::SACKED, &mut sacked),
                (SegFlags::LOST, &mut lost),
                (SegFlags::RETRANS, &mut retrans),
            ] {
                if meta.flags.has(flag) {
                    *sum = sum.saturating_add(len);
                }
            }
            buffers = buffers.saturating_add(1);
            pos = Some(meta.end);
            next = self.rtx.at_or_after(meta.end);
        }
        (sacked == self.sacked || !counts_sacked)
            && lost == self.lost
            && retrans == self.retrans
            && buffers == self.buffers
    }

    /// The first buffer to retransmit.
    pub(crate) fn first_lost(&mut self) -> Option<SeqRange> {
        if self.lost == 0 {
            return None;
        }
        self.trim_rtx();
        let mut pos = self.una.latest(self.rtx_hint);
        while let Some(buf) = self.rtx.at_or_after(pos) {
            let meta = buf.meta();
            if meta.flags.has(SegFlags::LOST) && !meta.flags.has(SegFlags::RETRANS) {
                let range = SeqRange::new(meta.seq, meta.end);
                self.rtx_hint = range.start;
                return Some(range);
            }
            pos = meta.end;
        }
        self.rtx_hint = self.nxt;
        None
    }

    /// The last segment sent, for a tail probe: cuts it off its buffer if need be.
    pub(crate) fn last_sent(&mut self, mss: u32) -> Option<SeqNum> {
        let last = *self.rtx.last()?.meta();
        let len = last.end.distance_from(last.seq);
        if len <= mss {
            return Some(last.seq);
        }
        let tail = match len.checked_rem(mss).unwrap_or(0) {
            0 => mss,
            part => part,
        };
        let start = last.end.sub(tail);
        self.split_rtx(start).then_some(start)
    }
}
