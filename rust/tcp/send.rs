// SPDX-License-Identifier: GPL-2.0

//! The sending half: what is queued and what is out.
//!
//! Data moves from the list of unsent buffers to the tree of unacknowledged ones as it is sent,
//! one buffer a (super-)segment. What is known of the fate of sent data is in [`scoreboard`].

mod scoreboard;

pub(crate) use scoreboard::{Moment, LOOKS_IN_VAIN};

use super::{
    congestion::Rate,
    log::{Kind, Kinds, Recorder},
    platform::{Buffer, NoMemory, Platform, SegFlags, SegList, SegMeta, SegTree, TxBuffer},
    recovery::{Rack, Undo},
    seq::{SeqNum, SeqRange},
    time::Instant,
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

/// A probe for a lost tail that is out (RFC 8985, section 7).
#[derive(Clone, Copy, Debug)]
pub(crate) struct TailProbe {
    /// TLP.end_seq.
    pub(crate) end: SeqNum,
    /// TLP.is_retrans.
    pub(crate) again: bool,
}

/// The sending half of a connection.
pub(crate) struct Send<P: Platform> {
    /// SND.UNA.
    pub(crate) una: SeqNum,
    /// SND.NXT; moves back only over what did not leave ([`Self::take_back`]).
    pub(crate) nxt: SeqNum,
    /// One beyond the last byte queued.
    pub(crate) write_seq: SeqNum,
    /// One beyond the last byte that PSH was asked for.
    pub(crate) pushed: SeqNum,
    /// ISS.
    pub(crate) iss: SeqNum,
    /// SND.WND.
    pub(crate) wnd: u32,
    /// SND.WL1.
    pub(crate) wl1: SeqNum,
    /// The largest window seen (RFC 9293, 3.8.6.2.1).
    pub(crate) wnd_max: u32,
    /// The peer's window scale.
    pub(crate) wscale: u8,
    /// Queued, not sent.
    pub(crate) unsent: P::TxList,
    /// Sent, not acknowledged. The first buffer may begin before SND.UNA: it is cut only when
    /// something has to be retransmitted.
    pub(crate) rtx: P::RtxTree,
    /// Acknowledged, and the user wants to know.
    pub(crate) stamped: P::TxList,
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
    /// Bytes in buffers marked RETRANS.
    pub(crate) retrans: u32,
    /// Buffers in the tree.
    buffers: u32,
    /// One beyond the highest byte selectively acknowledged.
    pub(crate) high_sacked: SeqNum,
    /// Nothing before this number waits for retransmission.
    rtx_hint: SeqNum,
    /// The SACK blocks of the last ACK: what is in them is marked already.
    seen: [SeqRange; 4],
    /// Consecutive duplicate ACKs.
    pub(crate) dupacks: u32,
    /// Loss recovery.
    pub(crate) recovery: Recovery,
    /// The first retransmission of a recovery goes out whatever the window says.
    pub(crate) force_one: bool,
    /// SND.NXT when data was last sent again.
    pub(crate) resent: SeqNum,
    /// Without SACK: from where on three duplicate ACKs tell of a loss (RFC 6582: more than recover).
    pub(crate) believes: SeqNum,
    /// Loss detection by time.
    pub(crate) rack: Rack,
    /// Whether the latest recovery was a mistake.
    pub(crate) undo: Undo,
    /// The delivery rate.
    pub(crate) rate: Rate,
    /// When the whole tree was last looked through for losses.
    scanned_at: Instant,
    /// A probe for a lost tail that is out.
    pub(crate) tail_probe: Option<TailProbe>,
    /// One beyond the last urgent byte queued.
    pub(crate) urgent: Option<SeqNum>,
    /// End of the last partial segment sent: Minshall's variant of Nagle.
    pub(crate) small_end: SeqNum,
    /// What is told of the connection, if anything.
    pub(crate) log: P::Log,
}

impl<P: Platform> Send<P> {
    /// A half with nothing in it.
    pub(crate) fn new() -> Self {
        Self {
            una: SeqNum::default(),
            nxt: SeqNum::default(),
            write_seq: SeqNum::default(),
            pushed: SeqNum::default(),
            iss: SeqNum::default(),
            wnd: 0,
            wl1: SeqNum::default(),
            wnd_max: 0,
            wscale: 0,
            unsent: P::TxList::default(),
            rtx: P::RtxTree::default(),
            stamped: P::TxList::default(),
            mem: 0,
            sndbuf: 16_384,
            fin_sent: false,
            fin_lost: false,
            sacked: 0,
            lost: 0,
            retrans: 0,
            buffers: 0,
            high_sacked: SeqNum::default(),
            rtx_hint: SeqNum::default(),
            seen: [SeqRange::default(); 4],
            dupacks: 0,
            recovery: Recovery::Open,
            force_one: false,
            resent: SeqNum::default(),
            believes: SeqNum::default(),
            rack: Rack::default(),
            undo: Undo::default(),
            rate: Rate::default(),
            scanned_at: Instant::default(),
            tail_probe: None,
            urgent: None,
            small_end: SeqNum::default(),
            log: P::Log::default(),
        }
    }

    /// Starts numbering at `iss`; the SYN is sent (or about to be).
    pub(crate) fn synchronize(&mut self, iss: SeqNum) {
        self.iss = iss;
        self.una = iss;
        self.nxt = iss.add(1);
        self.write_seq = self.nxt;
        self.pushed = self.nxt;
        self.high_sacked = self.nxt;
        self.rtx_hint = self.nxt;
        self.small_end = iss;
        self.resent = iss;
        self.believes = iss;
    }

    /// Sequence numbers out and not acknowledged, SYN and FIN included.
    #[inline]
    pub(crate) fn in_flight(&self) -> u32 {
        self.nxt.distance_from(self.una)
    }

    /// Whether a partial segment is out. Where the last one ended may be so long ago that it lies ahead
    /// on the circle.
    pub(crate) fn has_small_out(&self) -> bool {
        self.small_end.after(self.una) && self.small_end.before_or_eq(self.nxt)
    }

    /// Buffers out.
    pub(crate) fn buffers(&self) -> u32 {
        self.buffers
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

    /// The next unsent buffer, or its first `take` bytes, is sent: moves it to the tree.
    pub(crate) fn advance(&mut self, take: u32) -> Result<Option<SegMeta>, NoMemory> {
        let Some(mut buf) = self.unsent.pop_front() else {
            return Ok(None);
        };
        if take < buf.len() {
            match self.cut(&mut buf, take) {
                Ok(rest) => self.unsent.push_front(rest),
                Err(NoMemory) => {
                    self.unsent.push_front(buf);
                    return Err(NoMemory);
                }
            }
        }
        let meta = *buf.meta();
        self.nxt = meta.end;
        self.buffers = self.buffers.saturating_add(1);
        self.rtx.insert(buf);
        Ok(Some(meta))
    }

    /// The buffer that was sent last, for the first time, begins at `seq` and did not leave after all:
    /// it is to be sent as if it had never been. Tells how long it is, if that is how things are.
    pub(crate) fn take_back(&mut self, seq: SeqNum) -> Option<u32> {
        let meta = *self.rtx.last()?.meta();
        if meta.seq != seq || meta.flags.has(SegFlags::EVER_RETRANS) {
            return None;
        }
        let buf = self.rtx.pop_last()?;
        let len = buf.len();
        self.buffers = self.buffers.saturating_sub(1);
        if self.small_end == meta.end {
            self.small_end = self.una;
        }
        self.nxt = meta.seq;
        self.fin_sent = false;
        self.unsent.push_front(buf);
        Some(len)
    }

    /// The buffer at `seq` was lost, was to go again, and did not leave: it still has to. `false`: that is
    /// not how things are.
    pub(crate) fn unsend_again(&mut self, seq: SeqNum) -> bool {
        let Some(buf) = self.rtx.at_or_after_mut(seq) else {
            return false;
        };
        let len = buf.len();
        let meta = buf.meta_mut();
        if meta.seq != seq || !meta.flags.has(SegFlags::LOST) || !meta.flags.has(SegFlags::RETRANS)
        {
            return false;
        }
        meta.flags.clear(SegFlags::RETRANS);
        self.retrans = self.retrans.saturating_sub(len);
        self.rtx_hint = self.rtx_hint.earliest(seq);
        true
    }

    /// Joins unsent buffers until the first one has `len` bytes. `false`: that is not to be had.
    pub(crate) fn gather(&mut self, len: u32) -> bool {
        let Some(mut first) = self.unsent.pop_front() else {
            return false;
        };
        let mut good = true;
        while good && first.len() < len {
            // The end of a record (MSG_EOR) stays the end of a segment.
            let ends = first.meta().flags.has(SegFlags::END);
            let next = if ends { None } else { self.unsent.pop_front() };
            let Some(next) = next else {
                good = false;
                break;
            };
            let (meta, before) = (
                *next.meta(),
                first.truesize().saturating_add(next.truesize()),
            );
            let joined = first.join(next);
            if self.log.kinds().has(Kinds::INPUTS) {
                let words = [u32::from(joined.is_ok()), first.truesize()];
                self.log.note(Kinds::INPUTS, Kind::Merge, 0, 0, &words);
            }
            match joined {
                Ok(()) => {
                    let saved = before.saturating_sub(first.truesize());
                    self.mem = self.mem.saturating_sub(saved);
                    first.meta_mut().end = meta.end;
                    first.meta_mut().flags = meta.flags;
                }
                Err(next) => {
                    self.unsent.push_front(next);
                    good = false;
                }
            }
        }
        self.unsent.push_front(first);
        good
    }

    /// Cuts a buffer and its notes at `n` bytes, `0 < n < len`, and counts what that costs.
    fn cut(&mut self, buf: &mut P::TxBuf, n: u32) -> Result<P::TxBuf, NoMemory> {
        let before = buf.truesize();
        let rest = split::<P>(buf, n, &mut self.log)?;
        let after = buf.truesize().saturating_add(rest.truesize());
        self.mem = self.mem.saturating_add(after.saturating_sub(before));
        Ok(rest)
    }

    /// Cuts the sent buffer that holds `at` so that one starts there. `false`: out of memory.
    pub(crate) fn split_rtx(&mut self, at: SeqNum) -> bool {
        let Some(buf) = self.rtx.at_or_after_mut(at) else {
            return true;
        };
        let meta = *buf.meta();
        if meta.seq.after_or_eq(at) {
            return true;
        }
        let before = buf.truesize();
        match split::<P>(buf, at.distance_from(meta.seq), &mut self.log) {
            Ok(rest) => {
                let after = buf.truesize().saturating_add(rest.truesize());
                self.mem = self.mem.saturating_add(after.saturating_sub(before));
                self.buffers = self.buffers.saturating_add(1);
                self.rtx.insert(rest);
                true
            }
            Err(NoMemory) => false,
        }
    }

    /// Takes the first buffer out of the tree and of the sums that its flags put it in.
    fn pop_rtx(&mut self) -> Option<SegMeta> {
        let buf = self.rtx.pop_first()?;
        let (meta, len) = (*buf.meta(), buf.len());
        self.mem = self.mem.saturating_sub(buf.truesize());
        self.buffers = self.buffers.saturating_sub(1);
        if meta.flags.has(SegFlags::SACKED) {
            self.sacked = self.sacked.saturating_sub(len);
        }
        if meta.flags.has(SegFlags::LOST) {
            self.lost = self.lost.saturating_sub(len);
        }
        if meta.flags.has(SegFlags::RETRANS) {
            self.retrans = self.retrans.saturating_sub(len);
        }
        if meta.flags.has(SegFlags::STAMP) {
            self.stamped.push_back(buf);
        }
        Some(meta)
    }

    /// Drops what of the first buffer is acknowledged already. To be done before it is sent again
    /// or marked; until then the cut is not worth its cost. Without memory it stays.
    pub(crate) fn trim_rtx(&mut self) {
        let una = self.una;
        if self
            .rtx
            .first()
            .is_some_and(|first| first.meta().seq.before(una))
        {
            let _ = self.split_rtx(una);
            while self
                .rtx
                .first()
                .is_some_and(|first| first.meta().end.before_or_eq(una))
            {
                let _ = self.pop_rtx();
            }
        }
    }

    /// Drops everything.
    pub(crate) fn purge(&mut self) {
        while self.unsent.pop_front().is_some() {}
        while self.rtx.pop_first().is_some() {}
        self.mem = 0;
        self.buffers = 0;
        self.sacked = 0;
        self.lost = 0;
        self.retrans = 0;
    }
}

/// Splits a buffer and its notes at `n` bytes, `0 < n < len`.
fn split<P: Platform>(buf: &mut P::TxBuf, n: u32, log: &mut P::Log) -> Result<P::TxBuf, NoMemory> {
    let meta = *buf.meta();
    let rest = buf.split_off(n);
    if log.kinds().has(Kinds::INPUTS) {
        let sizes = match &rest {
            Ok(rest) => [1, buf.truesize(), rest.truesize()],
            Err(NoMemory) => [0; 3],
        };
        log.note(Kinds::INPUTS, Kind::Split, 0, 0, &sizes);
    }
    let mut rest = rest?;
    let middle = meta.seq.add(n);
    let stamp_behind = buf.key_is_behind(n);
    buf.meta_mut().end = middle;
    *rest.meta_mut() = meta;
    rest.meta_mut().seq = middle;
    // This belongs to the last byte, that to the one with the key.
    buf.meta_mut().flags.clear(SegFlags::PSH);
    let other = if stamp_behind { buf } else { &mut rest };
    other.meta_mut().flags.clear(SegFlags::STAMP);
    Ok(rest)
}
