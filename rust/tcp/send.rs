// SPDX-License-Identifier: GPL-2.0

//! The sending half: what is queued, what is out, and the scoreboard of what arrived.
//!
//! Data moves from the list of unsent buffers to the tree of unacknowledged ones as it is sent,
//! one buffer a (super-)segment. The scoreboard is in the buffers' notes; the sums kept here make
//! the pipe (RFC 6675, section 4) a subtraction.

use super::{
    platform::{Buffer, NoMemory, Platform, SegFlags, SegList, SegTree, TxBuffer},
    seq::{SeqNum, SeqRange},
    time::{Duration, Instant},
};

/// Where loss recovery stands.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Recovery {
    /// No loss.
    #[default]
    Open,
    /// Fast recovery until the number is acknowledged (RFC 6582, RFC 6675: RecoveryPoint).
    Fast(SeqNum),
    /// After a time-out, until the number is acknowledged.
    Loss(SeqNum),
}

/// The sending half of a connection.
pub(crate) struct Send<P: Platform> {
    /// SND.UNA.
    pub(crate) una: SeqNum,
    /// SND.NXT; never moves back.
    pub(crate) nxt: SeqNum,
    /// One beyond the last byte queued.
    pub(crate) write_seq: SeqNum,
    /// ISS.
    pub(crate) iss: SeqNum,
    /// SND.WND.
    pub(crate) wnd: u32,
    /// SND.WL1.
    pub(crate) wl1: SeqNum,
    /// SND.WL2.
    pub(crate) wl2: SeqNum,
    /// The largest window seen (RFC 9293, 3.8.6.2.1).
    pub(crate) wnd_max: u32,
    /// The peer's window scale.
    pub(crate) wscale: u8,
    /// Queued, not sent.
    pub(crate) unsent: P::TxList,
    /// Sent, not acknowledged.
    pub(crate) rtx: P::RtxTree,
    /// True size of all buffers.
    pub(crate) mem: u32,
    /// Send buffer, bytes of true size.
    pub(crate) sndbuf: u32,
    /// Our FIN was sent: SND.NXT is beyond it.
    pub(crate) fin_sent: bool,
    /// A FIN that was sent is taken to be lost.
    pub(crate) fin_lost: bool,
    /// Bytes in buffers marked SACKED; without SACK, an estimate from duplicate ACKs.
    pub(crate) sacked: u32,
    /// Bytes in buffers marked LOST.
    pub(crate) lost: u32,
    /// Bytes in buffers marked LOST and RETRANS.
    pub(crate) retrans: u32,
    /// One beyond the highest byte selectively acknowledged.
    pub(crate) high_sacked: SeqNum,
    /// Consecutive duplicate ACKs.
    pub(crate) dupacks: u32,
    /// Loss recovery.
    pub(crate) recovery: Recovery,
    /// The first retransmission of a recovery goes out whatever the window says.
    pub(crate) force_one: bool,
    /// When the latest-sent segment that arrived was sent (RFC 8985: RACK.xmit_ts).
    pub(crate) rack_sent_at: Instant,
    /// End of the last partial segment sent: Minshall's variant of Nagle.
    pub(crate) small_end: SeqNum,
}

/// What an acknowledgment removed.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Acked {
    /// When the last removed buffer that was sent only once was sent.
    pub(crate) sent_at: Option<Instant>,
    /// Whether a retransmitted buffer was among them.
    pub(crate) retransmitted: bool,
}

impl<P: Platform> Send<P> {
    /// A half with nothing in it.
    pub(crate) fn new() -> Self {
        Self {
            una: SeqNum::default(),
            nxt: SeqNum::default(),
            write_seq: SeqNum::default(),
            iss: SeqNum::default(),
            wnd: 0,
            wl1: SeqNum::default(),
            wl2: SeqNum::default(),
            wnd_max: 0,
            wscale: 0,
            unsent: P::TxList::default(),
            rtx: P::RtxTree::default(),
            mem: 0,
            sndbuf: 16_384,
            fin_sent: false,
            fin_lost: false,
            sacked: 0,
            lost: 0,
            retrans: 0,
            high_sacked: SeqNum::default(),
            dupacks: 0,
            recovery: Recovery::Open,
            force_one: false,
            rack_sent_at: Instant::default(),
            small_end: SeqNum::default(),
        }
    }

    /// Starts numbering at `iss`; the SYN is sent (or about to be).
    pub(crate) fn synchronize(&mut self, iss: SeqNum) {
        self.iss = iss;
        self.una = iss;
        self.nxt = iss.add(1);
        self.write_seq = self.nxt;
        self.high_sacked = self.nxt;
        self.small_end = iss;
    }

    /// Sequence numbers out and not acknowledged, SYN and FIN included.
    #[inline]
    pub(crate) fn in_flight(&self) -> u32 {
        self.nxt.distance_from(self.una)
    }

    /// The pipe: what is believed to be in the network, bytes.
    #[inline]
    pub(crate) fn pipe(&self) -> u32 {
        self.in_flight()
            .saturating_sub(self.sacked)
            .saturating_sub(self.lost)
            .saturating_add(self.retrans)
    }

    /// How much the peer's window still takes.
    #[inline]
    pub(crate) fn window_left(&self) -> u32 {
        self.una.add(self.wnd).saturating_distance_from(self.nxt)
    }

    /// Splits the sent buffer that holds `at` so that one starts there. `false`: out of memory.
    pub(crate) fn split_rtx(&mut self, at: SeqNum) -> bool {
        let Some(buf) = self.rtx.at_or_after_mut(at) else {
            return true;
        };
        let meta = *buf.meta();
        if meta.seq.after_or_eq(at) {
            return true;
        }
        let before = buf.truesize();
        match split::<P>(buf, at.distance_from(meta.seq)) {
            Ok(rest) => {
                let after = buf.truesize().saturating_add(rest.truesize());
                self.mem = self.mem.saturating_add(after.saturating_sub(before));
                self.rtx.insert(rest);
                true
            }
            Err(NoMemory) => false,
        }
    }

    /// Takes a buffer's bytes out of the sums that its flags put them in.
    fn uncount(&mut self, flags: SegFlags, len: u32) {
        if flags.has(SegFlags::SACKED) {
            self.sacked = self.sacked.saturating_sub(len);
        }
        if flags.has(SegFlags::LOST) {
            self.lost = self.lost.saturating_sub(len);
        }
        if flags.has(SegFlags::RETRANS) {
            self.retrans = self.retrans.saturating_sub(len);
        }
    }

    /// Removes what `ack` covers from the tree and moves SND.UNA there.
    pub(crate) fn remove_acked(&mut self, ack: SeqNum) -> Acked {
        let mut acked = Acked::default();
        // A buffer that is acknowledged in part keeps its place until all of it is, unless it can
        // be split.
        let _ = self.split_rtx(ack);
        while let Some(first) = self.rtx.first() {
            let meta = *first.meta();
            if meta.end.after(ack) {
                break;
            }
            let Some(buf) = self.rtx.pop_first() else {
                break;
            };
            self.mem = self.mem.saturating_sub(buf.truesize());
            self.uncount(meta.flags, buf.len());
            if meta.flags.has(SegFlags::EVER_RETRANS) {
                acked.retransmitted = true;
            } else if !meta.flags.has(SegFlags::SACKED) {
                acked.sent_at = Some(meta.sent_at);
            }
            self.rack_sent_at = self.rack_sent_at.max(meta.sent_at);
        }
        self.una = ack;
        self.high_sacked = self.high_sacked.latest(ack);
        if self.rtx.is_empty() {
            self.sacked = 0;
            self.lost = 0;
            self.retrans = 0;
        }
        acked
    }

    /// Marks what a SACK block covers; tells how many bytes are newly covered. RFC 6675, Update().
    /// Work is bounded by the number of buffers in the block that are not yet marked.
    pub(crate) fn mark_sacked(&mut self, block: SeqRange) -> u32 {
        let mut newly = 0u32;
        if !self.split_rtx(block.start) || !self.split_rtx(block.end) {
            return 0;
        }
        let mut at = block.start;
        let mut sums = (0u32, 0u32);
        let mut sent_at = self.rack_sent_at;
        while let Some(buf) = self.rtx.at_or_after_mut(at) {
            let meta = *buf.meta();
            if meta.end.after(block.end) {
                break;
            }
            if meta.seq.after_or_eq(block.start) && !meta.flags.has(SegFlags::SACKED) {
                let len = buf.len();
                newly = newly.saturating_add(len);
                if meta.flags.has(SegFlags::LOST) {
                    sums.0 = sums.0.saturating_add(len);
                }
                if meta.flags.has(SegFlags::RETRANS) {
                    sums.1 = sums.1.saturating_add(len);
                }
                sent_at = sent_at.max(meta.sent_at);
                let flags = &mut buf.meta_mut().flags;
                flags.clear(SegFlags::LOST);
                flags.clear(SegFlags::RETRANS);
                flags.set(SegFlags::SACKED);
            }
            at = meta.end;
        }
        self.sacked = self.sacked.saturating_add(newly);
        self.lost = self.lost.saturating_sub(sums.0);
        self.retrans = self.retrans.saturating_sub(sums.1);
        self.rack_sent_at = sent_at;
        if newly > 0 {
            self.high_sacked = self.high_sacked.latest(block.end);
        }
        newly
    }

    /// Marks as lost what the scoreboard says is: data with at least three segments above it
    /// selectively acknowledged (RFC 6675, IsLost), and data sent more than `reo_wnd` before
    /// something that arrived (RFC 8985, section 6.2), which also finds lost retransmissions.
    pub(crate) fn detect_lost(&mut self, mss: u32, reo_wnd: Duration) {
        let mut at = self.una;
        let threshold = self.high_sacked.sub(mss.saturating_mul(3));
        let rack = self.rack_sent_at;
        let (mut lost, mut unretrans) = (0u32, 0u32);
        while let Some(buf) = self.rtx.at_or_after_mut(at) {
            let meta = *buf.meta();
            at = meta.end;
            if meta.seq.after_or_eq(self.high_sacked) {
                break;
            }
            if meta.flags.has(SegFlags::SACKED) {
                continue;
            }
            let overtaken = meta.sent_at.add(reo_wnd) < rack;
            let is_lost = meta.flags.has(SegFlags::LOST);
            let len = buf.len();
            if !is_lost && (overtaken || meta.end.before_or_eq(threshold)) {
                buf.meta_mut().flags.set(SegFlags::LOST);
                lost = lost.saturating_add(len);
            } else if is_lost && meta.flags.has(SegFlags::RETRANS) && overtaken {
                buf.meta_mut().flags.clear(SegFlags::RETRANS);
                unretrans = unretrans.saturating_add(len);
            }
        }
        self.lost = self.lost.saturating_add(lost);
        self.retrans = self.retrans.saturating_sub(unretrans);
    }

    /// Without SACK: marks the first segment as lost (RFC 6582, steps 2 and 3).
    pub(crate) fn mark_first_lost(&mut self, mss: u32) {
        let una = self.una;
        let end = una.add(mss);
        if !self.split_rtx(end) {
            return;
        }
        if let Some(buf) = self.rtx.at_or_after_mut(una) {
            let len = buf.len();
            let flags = &mut buf.meta_mut().flags;
            if flags.has(SegFlags::RETRANS) {
                flags.clear(SegFlags::RETRANS);
                self.retrans = self.retrans.saturating_sub(len);
            }
            if !flags.has(SegFlags::LOST) {
                flags.set(SegFlags::LOST);
                self.lost = self.lost.saturating_add(len);
            }
        } else if self.fin_sent {
            self.fin_lost = true;
        }
    }

    /// After a time-out: all that is not selectively acknowledged is lost. If the first buffer
    /// is marked as acknowledged, the peer dropped what it had reported (RFC 2018, section 8), and
    /// the marks mean nothing.
    pub(crate) fn mark_all_lost(&mut self) {
        let reneged = self.rtx.first().is_some_and(|b| b.meta().flags.has(SegFlags::SACKED));
        let mut at = self.una;
        let mut sacked = 0u32;
        let mut lost = 0u32;
        while let Some(buf) = self.rtx.at_or_after_mut(at) {
            let end = buf.meta().end;
            let len = buf.len();
            let flags = &mut buf.meta_mut().flags;
            flags.clear(SegFlags::RETRANS);
            if reneged {
                flags.clear(SegFlags::SACKED);
            }
            if flags.has(SegFlags::SACKED) {
                sacked = sacked.saturating_add(len);
            } else {
                flags.set(SegFlags::LOST);
                lost = lost.saturating_add(len);
            }
            at = end;
        }
        self.sacked = sacked;
        self.lost = lost;
        self.retrans = 0;
        self.high_sacked = if reneged { self.una } else { self.high_sacked };
        self.fin_lost = self.fin_sent;
    }

    /// The first buffer to retransmit.
    pub(crate) fn first_lost(&self) -> Option<SeqRange> {
        if self.lost <= self.retrans {
            return None;
        }
        let mut at = self.una;
        while let Some(buf) = self.rtx.at_or_after(at) {
            let meta = buf.meta();
            if meta.flags.has(SegFlags::LOST) && !meta.flags.has(SegFlags::RETRANS) {
                return Some(SeqRange::new(meta.seq, meta.end));
            }
            at = meta.end;
        }
        None
    }

    /// Drops everything.
    pub(crate) fn purge(&mut self) {
        while self.unsent.pop_front().is_some() {}
        while self.rtx.pop_first().is_some() {}
        self.mem = 0;
        self.sacked = 0;
        self.lost = 0;
        self.retrans = 0;
    }
}

/// Splits a buffer and its notes at `n` bytes, `0 < n < len`.
pub(crate) fn split<P: Platform>(buf: &mut P::TxBuf, n: u32) -> Result<P::TxBuf, NoMemory> {
    let meta = *buf.meta();
    let mut rest = buf.split_off(n)?;
    let middle = meta.seq.add(n);
    buf.meta_mut().end = middle;
    // PSH belongs to the last byte.
    buf.meta_mut().flags.clear(SegFlags::PSH);
    *rest.meta_mut() = meta;
    rest.meta_mut().seq = middle;
    Ok(rest)
}
