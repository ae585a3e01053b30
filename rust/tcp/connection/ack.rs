// SPDX-License-Identifier: GPL-2.0

//! What an acknowledgment changes: windows, scoreboard, round-trip time, loss recovery, congestion
//! control and timers.

use super::{Connection, Events};
use crate::tcp::{
    congestion::{Ack, Cause, Phase, INITIAL_SEGMENTS},
    context::Cx,
    ecn::Feedback,
    info::segments,
    log::LossBy,
    metrics::Advice,
    mib::Mib,
    platform::{Memory, MibSink, Platform},
    send::{Moment, Recovery, LOOKS_IN_VAIN},
    seq::{SeqNum, SeqRange},
    time::{Duration, Instant},
    timers::Timer,
    wire::{AccEcn, Flags, SackBlocks, Segment},
};

/// What the SACK option of an ACK said.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Sacked {
    /// Bytes reported for the first time.
    pub(super) newly: u32,
    /// The peer reported a duplicate (RFC 2883).
    pub(super) duplicate: bool,
}

/// The sending half before an ACK changed it, and what the ACK measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prior {
    pub(super) una: SeqNum,
    /// Sequence numbers out.
    flight: u32,
    pub(super) recovery: Recovery,
    /// Bytes reported as arrived beyond SND.UNA.
    sacked: u32,
    /// C.lost.
    lost: u32,
    /// Buffers of data out.
    buffers: u32,
    /// The latest-sent data that had arrived ([`Rack::newest`](crate::tcp::recovery::Rack::newest)).
    newest: (Instant, SeqNum),
    /// The ACK's flags.
    flags: Flags,
    /// Its AccECN option.
    acc_ecn: Option<AccEcn>,
    /// It is a new one by its timestamp.
    fresh: bool,
    /// The round-trip time that the ACK measured, if it did.
    pub(super) rtt: Option<Duration>,
}

impl<P: Platform> Connection<P> {
    /// The sending half, before an ACK is looked at.
    pub(super) fn prior(&self, seg: &Segment) -> Prior {
        Prior {
            una: self.send.una,
            flight: self.send.in_flight(),
            recovery: self.send.recovery,
            sacked: self.send.sacked,
            lost: self.send.rate.lost(),
            buffers: self.send.buffers(),
            newest: self.send.rack.newest(),
            flags: seg.header.flags,
            acc_ecn: seg.header.options.acc_ecn,
            fresh: self.is_newest(seg),
            rtt: None,
        }
    }

    /// Whether a segment's timestamp is one that did not come before.
    fn is_newest(&self, seg: &Segment) -> bool {
        let ts = seg.header.options.timestamps.filter(|_| self.ts.enabled);
        ts.is_some_and(|ts| {
            let ahead = ts.val.wrapping_sub(self.ts.recent);
            ahead > 0 && ahead <= i32::MAX as u32
        })
    }

    /// The moment of an ACK.
    pub(super) fn moment(&self, cx: &Cx<'_, P>) -> Moment {
        Moment {
            now: cx.now,
            srtt: self.rtt.srtt().unwrap_or(Duration::from_secs(1)),
            least: self.rtt.min().unwrap_or_default(),
            mss: self.mss().max(1),
            highest: self.send.high_sacked,
        }
    }

    /// An acceptable ACK. RFC 9293, 3.10.7.4, fifth.
    pub(super) fn on_ack(&mut self, cx: &Cx<'_, P>, seg: &Segment) {
        let ack = seg.header.ack;
        let mut prior = self.prior(seg);
        let (prior_una, prior_flight) = (prior.una, prior.flight);
        let prior_wnd = self.send.wnd;
        // Both kinds of acknowledgment in a segment are of one moment: neither overtook the other.
        let moment = self.moment(cx);
        self.update_send_window(seg);
        // What MSG_MORE announced did not come in time: from now on the other rules count.
        self.more = false;
        let sacked = if self.sack_ok && !seg.header.options.sack.is_empty() {
            self.take_sack(cx, seg, moment)
        } else {
            Sacked::default()
        };
        self.recv.unheard = 0;
        // An answer of any kind to a probe: as long as the peer answers with a shut window, it is
        // alive (RFC 9293, 3.8.6.1, MUST-37). Whom nobody waits for has to get rid of what is out (RFC
        // 6429, 3).
        if prior_flight == 0 || (self.send.wnd == 0 && !self.orphan) {
            self.retries = 0;
        }
        if self.send.tail_probe.is_some() {
            self.end_tail_probe(cx, seg, sacked.duplicate);
        }
        if ack.after(prior_una) {
            self.advance_una(cx, seg, &mut prior, moment);
        } else if ack == prior_una && prior_flight > 0 {
            let duplicate =
                seg.len() == 0 && self.send.wnd == prior_wnd && (!self.sack_ok || sacked.newly > 0);
            if duplicate {
                self.send.dupacks = self.send.dupacks.saturating_add(1);
                if !self.sack_ok {
                    self.on_duplicate(cx, prior_flight);
                }
            }
        }
        if self.send.rack.end_ack() {
            self.stats.reordered = self.stats.reordered.wrapping_add(1);
        }
        self.judge_recovery(cx, seg, &prior, sacked);
        let ended = prior.recovery != Recovery::Open && self.send.recovery == Recovery::Open;
        if ended && self.sack_ok && self.send.lost > 0 {
            // What was lost of the data that was sent meanwhile is of another window (RFC 5681, 4.3).
            cx.count(Mib::TCPSackRecovery);
            self.enter_recovery(cx, prior_flight, false);
        }
        let waits = self.send.sacked > 0 || self.send.recovery != Recovery::Open;
        // Unless something newer arrived, an ACK tells of no other losses than those that the timer waits
        // for: when a recovery turned out to be a mistake, what led to it would lead to the next at once.
        let advanced = self.send.rack.newest() != prior.newest;
        if advanced && self.sack_ok && waits {
            self.detect_losses(cx, prior_flight);
        }
        self.steer(cx, &prior);
        if self.send.wnd > prior_wnd && prior_wnd == 0 {
            // The window opened: no probe is needed.
            self.end_row();
            self.timers.stop(Timer::Persist);
            self.rtt.reset_backoff();
        }
    }

    /// The part of [`Self::on_ack`] for an ACK of new data.
    pub(super) fn advance_una(
        &mut self,
        cx: &Cx<'_, P>,
        seg: &Segment,
        prior: &mut Prior,
        moment: Moment,
    ) {
        let prior_mem = self.send.mem;
        let bytes = seg.header.ack.distance_from(self.send.una);
        let acked = self.send.remove_acked(seg.header.ack, moment);
        self.stats.acked(bytes, cx.now);
        self.end_row();
        // Without SACK nothing tells what of that waited behind a hole, nor for how long: a peer that
        // acknowledges it bit by bit would have each bit measured as if the path had been that slow.
        let waited = !self.sack_ok && !seg.header.ack.after(self.send.resent);
        prior.rtt = self.take_rtt(cx, seg, acked.sent_at, acked.retransmitted || waited);
        self.advice = Some(Advice::Arrives);
        self.soft_error = None;
        if prior.rtt.is_some() {
            // RFC 6298, 5: a time-out that turned out to be too short stays long until the path was
            // measured, or what is sent next would not be measured either.
            self.rtt.reset_backoff();
        }
        self.send.dupacks = 0;
        if self.search.out().is_some() {
            self.look_at_mtu_probe(cx);
        }
        self.pass_marks();
        self.on_progress(cx, bytes);
        self.rearm_retransmit(cx);
        self.arm_tail_probe(cx);
        self.touch_keepalive(cx);
        if self.send.mem < prior_mem {
            self.events.set(Events::WRITABLE);
        }
    }

    /// Forgets numbers that SND.UNA passed: half of the circle later they would seem to lie ahead.
    fn pass_marks(&mut self) {
        let una = self.send.una;
        self.send.urgent = self.send.urgent.filter(|mark| mark.after(una));
        self.send.resent = self.send.resent.latest(una);
        self.send.believes = self.send.believes.latest(una);
        self.ecn.pass(una);
        self.send.rack.end_round(una);
    }

    /// SND.WND, SND.WL1, SND.WL2 (RFC 9293, 3.10.7.4, fifth).
    pub(super) fn update_send_window(&mut self, seg: &Segment) {
        let wnd = self.scaled(seg);
        let (seq, ack) = (seg.header.seq, seg.header.ack);
        if ack.before(self.send.una) {
            return;
        }
        if ack.after(self.send.una)
            || seq.after(self.send.wl1)
            || (seq == self.send.wl1 && (wnd > self.send.wnd || wnd == 0))
        {
            // Of two that differ in nothing else the larger one is the later, unless the buffer is
            // full: that is believed at once.
            self.send.wnd = wnd;
            self.send.wl1 = seq;
            self.send.wnd_max = self.send.wnd_max.max(wnd);
        }
    }

    /// SEG.WND in bytes.
    pub(super) fn scaled(&self, seg: &Segment) -> u32 {
        let shift = if seg.has(Flags::SYN) {
            0
        } else {
            self.send.wscale.min(14)
        };
        u32::from(seg.header.wnd) << shift
    }

    /// Takes the SACK blocks of an ACK to the scoreboard.
    fn take_sack(&mut self, cx: &Cx<'_, P>, seg: &Segment, moment: Moment) -> Sacked {
        let blocks = seg.header.options.sack;
        let (una, nxt, ack) = (self.send.una, self.send.nxt, seg.header.ack);
        let mut sacked = Sacked::default();
        let second = blocks.iter().nth(1);
        let mut is_first = true;
        let mut looks = LOOKS_IN_VAIN;
        let mut seen = SackBlocks::default();
        for block in blocks.iter() {
            let first = core::mem::take(&mut is_first);
            if !block.start.before(block.end) || block.end.after(nxt) {
                continue;
            }
            // RFC 2883, 4: the first block may report a duplicate, below the ACK or inside of the
            // second block.
            if first && (block.end.before_or_eq(ack) || second.is_some_and(|s| within(block, s))) {
                cx.count(if block.start.before(ack) {
                    Mib::TCPDSACKRecv
                } else {
                    Mib::TCPDSACKOfoRecv
                });
                // No segment was longer than the window: who tells of more makes it up.
                let told = block.end.distance_from(block.start);
                let segments = segments(told.min(self.send.wnd_max), moment.mss);
                self.stats.dsacks = self.stats.dsacks.wrapping_add(segments);
                sacked.duplicate = true;
                self.send.undo.on_duplicate(block);
                self.send.rack.on_dsack(una, nxt);
                continue;
            }
            if block.start.after_or_eq(una.latest(ack)) {
                let (newly, reached) = self.send.mark_sacked(block, moment, &mut looks);
                sacked.newly = sacked.newly.saturating_add(newly);
                seen.push(SeqRange::new(block.start, reached));
            }
        }
        self.send.note_blocks(seen.iter());
        sacked
    }

    /// An RTT sample: from what was sent once (Karn), else by timestamp (RFC 7323, 4.2).
    pub(super) fn take_rtt(
        &mut self,
        cx: &Cx<'_, P>,
        seg: &Segment,
        at: Option<Instant>,
        ambiguous: bool,
    ) -> Option<Duration> {
        let mut sample = None;
        if let (Some(at), false) = (at, ambiguous) {
            sample = Some(cx.now.since(at));
        } else if let (true, Some(ts)) = (self.ts.enabled, seg.header.options.timestamps) {
            let ms = self.ts.val(cx.now).wrapping_sub(ts.ecr);
            if ts.ecr != 0 && ms < 600_000 {
                sample = Some(Duration::from_millis(u64::from(ms.max(1))));
            }
        }
        if let Some(rtt) = sample {
            self.rtt.sample(rtt, cx.now, cx.net.min_rtt_wlen);
        }
        sample
    }

    /// SND.UNA moved by `acked` bytes: where that leaves loss recovery.
    fn on_progress(&mut self, cx: &Cx<'_, P>, acked: u32) {
        let una = self.send.una;
        let mss = self.mss();
        match self.send.recovery {
            Recovery::Open => {
                if !self.sack_ok {
                    // What was left the network by duplicate ACKs is acknowledged now.
                    self.send.sacked = 0;
                }
            }
            Recovery::Fast(point) if una.after_or_eq(point) => {
                if !self.sack_ok {
                    self.send.sacked = 0;
                }
                self.cc.on_recovered();
                self.send.believes = point.add(1);
                self.end_recovery();
            }
            Recovery::Fast(_) if !self.sack_ok => {
                // RFC 6582, 3.2, step 3: a partial ACK points at the next hole.
                self.send.sacked = self.send.sacked.saturating_sub(acked);
                self.send.mark_first_lost(mss);
                self.log_loss(cx, LossBy::Duplicates, mss);
                self.send.force_one = true;
            }
            Recovery::Fast(_) => {}
            Recovery::Loss(point) => {
                if una.after_or_eq(point) {
                    self.cc.on_repaired();
                    self.send.believes = point.add(1);
                    self.end_recovery();
                }
            }
        }
    }

    /// What an ACK by which `delivered` bytes arrived tells of marks: how many of them had one.
    fn learn_marks(&mut self, prior: &Prior, delivered: u32) -> u32 {
        let mss = self.segment_size();
        let count = segments(delivered, mss);
        // No segment was shorter than with all options, but for the last one of each buffer.
        let shortest = self.mss().saturating_sub(40).max(1);
        let buffers = prior.buffers.saturating_sub(self.send.buffers());
        let in_order = prior.sacked == 0 && self.send.sacked == 0;
        let feedback = Feedback {
            ace: prior.flags.ace(),
            option: prior.acc_ecn,
            delivered,
            segments: count,
            most: if in_order && prior.recovery == Recovery::Open {
                segments(delivered, shortest)
                    .saturating_add(buffers)
                    .saturating_add(1)
            } else {
                u32::MAX
            },
            mss,
        };
        let marked = self.ecn.on_ack(prior.flags, prior.fresh, &feedback);
        self.ecn.end_round(self.send.una, self.send.nxt);
        marked
    }

    /// Lets the window and the pace follow what an ACK told, after everything else has.
    pub(super) fn steer(&mut self, cx: &Cx<'_, P>, prior: &Prior) {
        let acked = self.send.una.saturating_distance_from(prior.una);
        let delivered = acked
            .saturating_add(self.send.sacked)
            .saturating_sub(prior.sacked);
        let lost = self.send.rate.lost().wrapping_sub(prior.lost);
        let mss = self.mss();
        let marked = if self.ecn.enabled() {
            self.learn_marks(prior, delivered)
        } else {
            0
        };
        let reduce = marked > 0
            && self.send.recovery == Recovery::Open
            && self.send.in_flight().saturating_add(acked) > 0
            && self.ecn.may_reduce(self.send.una);
        if marked > 0 && !reduce {
            self.cc.forget_before();
        }
        if delivered == 0 && lost == 0 && !reduce {
            return;
        }
        let least = self.rtt.min().unwrap_or_default();
        let phase = match (prior.recovery, self.send.recovery) {
            (Recovery::Fast(old), Recovery::Fast(new)) if old == new => Phase::Fast,
            (_, Recovery::Fast(_)) => Phase::Entered,
            (Recovery::Loss(_), _) | (_, Recovery::Loss(_)) => Phase::Loss,
            (Recovery::Open, Recovery::Open) => Phase::Open,
            (Recovery::Fast(_), Recovery::Open) => Phase::Left,
        };
        let sample = self.send.rate.on_ack(cx.now, delivered, least);
        let srtt = self.rtt.srtt().unwrap_or_default();
        let ack = Ack {
            now: cx.now,
            phase,
            acked,
            delivered,
            lost,
            pipe: self.send.pipe(),
            mss,
            rtt: prior.rtt,
            srtt,
            una: self.send.una,
            nxt: self.send.nxt,
            in_use: self.cwnd_limited || self.used.is_half(self.cc.cwnd()),
            total: self.send.rate.delivered(),
            sample,
            too_much: self.send.rate.take_too_much(),
            marked,
            reduce,
        };
        self.cc.on_ack(&ack);
        if reduce {
            self.ecn.on_reduced(self.send.nxt);
        }
        self.set_pace(cx, srtt);
        if acked > 0 {
            self.grow_sndbuf(cx);
        }
    }

    /// The congestion control's pace, but a segment a second at least, as from a sender that knows nothing of
    /// the path (RFC 6298, 2.1): the next round trips and rates are measured of what the pace let out, so that
    /// a slower one would confirm itself for ever. The window holds all the same.
    pub(super) fn set_pace(&mut self, cx: &Cx<'_, P>, srtt: Duration) {
        let percent = (cx.net.pacing_ss_ratio, cx.net.pacing_ca_ratio);
        let (least, flight) = (u64::from(self.mss()), self.send.in_flight());
        self.pacing
            .set_rate(self.cc.pacing_rate(srtt, flight, percent).max(least));
    }

    /// Without SACK: another duplicate ACK.
    fn on_duplicate(&mut self, cx: &Cx<'_, P>, flight: u32) {
        let mss = self.mss();
        // Each one means that a segment left the network.
        let most = self.send.in_flight().saturating_sub(mss);
        let threshold = self.send.rack.threshold();
        match self.send.recovery {
            Recovery::Open if self.send.dupacks < threshold => {
                // RFC 3042: the first (two, as a rule) let new data out, without touching the window.
                self.send.sacked = self.send.sacked.saturating_add(mss).min(most);
            }
            // RFC 6582, 3.2, step 2: what was sent again in vain, and came twice, is answered by them too.
            Recovery::Open if self.send.una.before(self.send.believes) => {}
            Recovery::Open => {
                let left = mss.saturating_mul(threshold);
                self.send.sacked = left.min(self.send.in_flight());
                self.send.mark_first_lost(mss);
                self.log_loss(cx, LossBy::Duplicates, mss);
                cx.count(Mib::TCPRenoRecovery);
                self.enter_recovery(cx, flight, false);
            }
            // RFC 6582, 3.2, step 2.
            Recovery::Fast(_) => {
                self.send.sacked = self.send.sacked.saturating_add(mss).min(most);
            }
            Recovery::Loss(_) => {}
        }
    }

    /// Searches for losses, and sees to the time at which more may be found.
    /// `flight`: FlightSize before the ACK that asks.
    pub(super) fn detect_losses(&mut self, cx: &Cx<'_, P>, flight: u32) {
        let moment = self.moment(cx);
        let lost = self.send.rate.lost();
        let losses = self.send.detect_lost(moment);
        let newly = self.send.rate.lost().wrapping_sub(lost);
        let by_size =
            losses.fresh && self.send.recovery == Recovery::Open && self.is_mtu_probe_lost(cx);
        if !by_size {
            self.log_loss(cx, LossBy::Rack, newly);
        }
        match losses.look_at {
            Some(at) => self.timers.set(Timer::Reorder, at.max(cx.now)),
            None => self.timers.stop(Timer::Reorder),
        }
        if losses.again > 0 {
            cx.mib.add(Mib::TCPLostRetransmit, u64::from(losses.again));
        }
        let any = losses.fresh || losses.again > 0;
        // The loss of what was sent again after a time-out is a sign of congestion of its own (RFC 5681, 4.3).
        let once_more = losses.again > 0 && matches!(self.send.recovery, Recovery::Loss(_));
        if any && !by_size && self.send.recovery == Recovery::Open || once_more {
            cx.count(Mib::TCPSackRecovery);
            self.enter_recovery(cx, flight, losses.again > 0);
        }
    }

    /// Fast recovery begins; `flight`: FlightSize before the ACK that says so; `again`: what was sent again is lost.
    fn enter_recovery(&mut self, cx: &Cx<'_, P>, flight: u32, again: bool) {
        let (pipe, mss) = (self.send.pipe(), self.mss());
        let out = self.send.in_flight().saturating_sub(self.send.sacked);
        // RFC 3168, 6.1.2: drops and marks of one window lower the window once.
        if again || !self.ecn.predates_reduction(self.send.una) {
            self.cc.on_loss(flight, mss);
        }
        self.cc.begin_recovery(out, pipe, mss);
        self.send.undo.begin(self.send.una);
        self.ecn.on_reduced(self.send.nxt);
        self.send.recovery = Recovery::Fast(self.send.nxt);
        self.send.force_one = true;
        self.send.tail_probe = None;
        self.timers.stop(Timer::LossProbe);
        cx.count(Mib::TCPFastRetrans);
    }

    pub(super) fn end_recovery(&mut self) {
        self.send.recovery = Recovery::Open;
        self.send.force_one = false;
        self.send.rack.on_recovered();
        self.send.undo.on_recovered();
    }

    /// RFC 8985, 7.4.2: what an ACK says about a tail probe that is out.
    fn end_tail_probe(&mut self, cx: &Cx<'_, P>, seg: &Segment, duplicate: bool) {
        let Some(probe) = self.send.tail_probe else {
            return;
        };
        let ack = seg.header.ack;
        if ack.before(probe.end) {
            return;
        }
        if !probe.again || duplicate {
            // New data, or a probe of what had arrived: nothing was lost.
            self.send.tail_probe = None;
        } else if ack.after(probe.end) {
            // The probe repaired a loss, which is a sign of congestion all the same.
            self.send.tail_probe = None;
            cx.count(Mib::TCPLossProbeRecovery);
            let (flight, mss) = (self.send.in_flight(), self.mss());
            if self.send.recovery == Recovery::Open {
                self.cc.on_congestion(Cause::Loss, flight, mss);
                self.ecn.on_reduced(self.send.nxt);
            }
        } else if seg.len() == 0 && ack == self.send.una && seg.header.options.sack.is_empty() {
            self.send.tail_probe = None;
        }
    }

    /// RFC 8985, 7.2: (re)starts the timer of the tail probe.
    pub(super) fn arm_tail_probe(&mut self, cx: &Cx<'_, P>) {
        let wanted = self.sack_ok
            && cx.net.early_retrans
            && self.send.recovery == Recovery::Open
            && self.send.sacked == 0
            && self.send.lost == 0
            && self.send.tail_probe.is_none()
            && self.send.in_flight() > 0
            && self.retries == 0
            && self.state.is_synchronized();
        let (true, Some(srtt)) = (wanted, self.rtt.srtt()) else {
            self.timers.stop(Timer::LossProbe);
            return;
        };
        // A lone segment's ACK may be delayed.
        let delay = if self.send.in_flight() <= self.mss() {
            self.rto_min(cx)
        } else {
            Duration::from_millis(2)
        };
        let at = cx.now.add(srtt.shl(1)).add(delay);
        // Not later than the time-out, in whose place it comes then.
        let rto = self.timers.get(Timer::Retransmit).unwrap_or(at);
        self.timers.set(Timer::LossProbe, at.min(rto));
    }

    /// Send autotuning: room for twice the window (BBR: three times), so that the user is never what limits it: while a
    /// window's first loss is repaired (a round trip) nothing of it is freed. As in Linux a segment counts
    /// for what it takes if it has a buffer of its own.
    pub(super) fn grow_sndbuf(&mut self, cx: &Cx<'_, P>) {
        if self.sndbuf_locked || self.recv.memory != Memory::Plenty {
            return;
        }
        let [_, _, most] = cx.net.wmem;
        let [within, apart] = cx.net.overhead;
        let mss = self.mss();
        let segment = mss.saturating_add(u32::from(self.option_bytes()));
        let each = segment
            .saturating_add(within)
            .checked_next_power_of_two()
            .unwrap_or(u32::MAX)
            .saturating_add(apart);
        let window = self.cc.cwnd().checked_div(mss).unwrap_or(0);
        let want = window
            .max(u32::from(INITIAL_SEGMENTS))
            .saturating_mul(self.cc.windows_to_hold())
            .saturating_mul(each);
        self.send.sndbuf = self.send.sndbuf.max(want.min(most));
    }
}

/// Whether `inner` lies in `outer`.
fn within(inner: SeqRange, outer: SeqRange) -> bool {
    inner.start.after_or_eq(outer.start) && inner.end.before_or_eq(outer.end)
}
