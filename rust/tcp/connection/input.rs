// SPDX-License-Identifier: GPL-2.0

//! SEGMENT ARRIVES (RFC 9293, section 3.10.7), for every state that a [`Connection`] can be in.

use super::{reset_for, CloseReason, Connection, Disposition, DropReason, Events};
use crate::tcp::{
    config::Linger2,
    context::Cx,
    ecn::Arrival,
    mib::Mib,
    platform::{Memory, MibSink, Platform},
    recv::{AckOwed, Stored},
    seq::SeqRange,
    state::{ConnState, Event},
    time::Duration,
    wire::{Flags, Header, Segment},
};

impl<P: Platform> Connection<P> {
    /// A segment arrived. `buf` is its payload, and `None` if it has none.
    pub(crate) fn handle_segment(
        &mut self,
        cx: &Cx<'_, P>,
        seg: &Segment,
        buf: Option<P::RxBuf>,
    ) -> Disposition<P> {
        self.log_segment(cx, seg, buf.as_ref());
        self.stats.came_in(seg.packets(), seg.payload_len);
        let done = self.segment_arrives(cx, seg, buf);
        let reply = match &done {
            Disposition::Reply(header, ..) => Some(header),
            Disposition::Done | Disposition::Drop(..) => None,
        };
        self.log_received(cx, seg, reply);
        done
    }

    /// RFC 9293, 3.10.7.
    fn segment_arrives(
        &mut self,
        cx: &Cx<'_, P>,
        seg: &Segment,
        buf: Option<P::RxBuf>,
    ) -> Disposition<P> {
        match self.state {
            ConnState::Closed | ConnState::Listen | ConnState::TimeWait => match reset_for(seg) {
                Some(reply) => Disposition::Reply(reply, DropReason::BadState, buf),
                None => Disposition::Drop(DropReason::BadState, buf),
            },
            ConnState::SynSent => self.in_syn_sent(cx, seg, buf),
            ConnState::Established if self.is_predicted(cx, seg) => self.fast_path(cx, seg, buf),
            _ => self.in_synchronized(cx, seg, buf),
        }
    }

    /// As [`Self::handle_segment`], without header prediction: what the simulator compares with.
    #[allow(dead_code)] // For the simulator.
    pub(crate) fn handle_segment_slowly(
        &mut self,
        cx: &Cx<'_, P>,
        seg: &Segment,
        buf: Option<P::RxBuf>,
    ) -> Disposition<P> {
        match self.state {
            ConnState::Established => {
                self.stats.came_in(seg.packets(), seg.payload_len);
                self.in_synchronized(cx, seg, buf)
            }
            _ => self.handle_segment(cx, seg, buf),
        }
    }

    /// RFC 9293, 3.10.7.4: SYN-RECEIVED and all synchronized states.
    fn in_synchronized(
        &mut self,
        cx: &Cx<'_, P>,
        seg: &Segment,
        buf: Option<P::RxBuf>,
    ) -> Disposition<P> {
        // RFC 7323, 5.3, R1: PAWS comes before the window; RST is exempt.
        if let (true, Some(ts)) = (self.ts.enabled, seg.header.options.timestamps) {
            if self.ts.is_old(ts.val, cx.now) && !seg.has(Flags::RST) {
                cx.count(Mib::PAWSEstab);
                self.answer_unacceptable(cx, seg);
                return Disposition::Drop(DropReason::Paws, buf);
            }
        }
        // First, the sequence number. What ends before the last acknowledged number, or starts
        // beyond the window, is not acceptable.
        let seq = seg.header.seq;
        // RFC 7323, 2.4: what was inside any window that was offered is inside.
        let beyond = seq.after(self.recv.far.latest(self.recv.nxt));
        if seg.end().before(self.recv.last_ack_sent) || beyond {
            cx.count(Mib::OutOfWindow);
            if beyond && !seg.has(Flags::RST) {
                cx.count(Mib::BeyondWindow);
            }
            if !seg.has(Flags::RST) {
                if seq.before(self.recv.nxt) {
                    self.report_duplicate(cx, seg);
                }
                self.answer_unacceptable(cx, seg);
                self.note_syn_ack_again(seg);
            }
            return Disposition::Drop(DropReason::OutOfWindow, buf);
        }
        // Second, RST (RFC 5961, 3.2): exact or challenged.
        if seg.has(Flags::RST) {
            if seq == self.recv.nxt {
                self.on_reset(cx);
                return Disposition::Drop(DropReason::Reset, buf);
            }
            self.fast_misled();
            self.challenge(cx);
            return Disposition::Drop(DropReason::Challenge, buf);
        }
        // Fourth, SYN (RFC 5961, 4.2), also the peer's SYN again in SYN-RECEIVED.
        if seg.has(Flags::SYN) {
            if self.state == ConnState::SynReceived && seq == self.recv.irs {
                if !seg.has(Flags::ACK) {
                    self.syn_pending = true;
                    self.ecn.on_syn_again(seg.header.flags, seg.codepoint);
                    return self.take_fast_syn(seg, buf);
                }
                // The SYN-ACK of a simultaneous open: its ACK counts, its SYN was counted.
            } else {
                cx.count(Mib::TCPSYNChallenge);
                self.challenge(cx);
                self.note_syn_ack_again(seg);
                return Disposition::Drop(DropReason::Challenge, buf);
            }
        }
        // Fifth, ACK.
        if !seg.has(Flags::ACK) {
            return Disposition::Drop(DropReason::NoAck, buf);
        }
        let ack = seg.header.ack;
        if self.state == ConnState::SynReceived {
            if ack.before_or_eq(self.send.iss) || ack.after(self.send.nxt) {
                let reply = Header {
                    seq: ack,
                    flags: Flags::RST,
                    ..Header::default()
                };
                return Disposition::Reply(reply, DropReason::BadAck, buf);
            }
            self.send.wnd = self.scaled(seg);
            let options = &seg.header.options;
            let pure = seg.payload_len == 0 && !seg.has(Flags::FIN) && options.sack.is_empty();
            if self
                .ecn
                .on_third_ack(seg.header.flags, pure, options.acc_ecn)
            {
                self.cc.on_handshake_congestion(self.mss());
            }
            if self.fast_open {
                self.synchronized(cx, seg);
                // Data went out before: the ACK may be of that as well.
                self.rearm_retransmit(cx);
                if ack.after(self.send.una) || !seg.header.options.sack.is_empty() {
                    let mut seg = *seg;
                    if pure && self.ecn.is_accurate() {
                        // What its ACE field said is no count.
                        seg.header.flags = self.ecn.without_report(seg.header.flags);
                    }
                    self.on_ack(cx, &seg);
                }
            } else {
                self.syn_acked(cx, ack);
                self.synchronized(cx, seg);
                self.fast_answered(cx, seg);
            }
        } else {
            // RFC 5961, 5.2: SND.UNA - MAX.SND.WND =< SEG.ACK =< SND.NXT. What is before our first
            // byte was never acknowledged by anybody, however large the window.
            let acked = u32::try_from(self.stats.bytes_acked).unwrap_or(u32::MAX);
            let oldest = self.send.una.sub(self.send.wnd_max.min(acked));
            if ack.after(self.send.nxt) || ack.before(oldest) {
                self.challenge(cx);
                return Disposition::Drop(DropReason::BadAck, buf);
            }
            self.last_recv = cx.now;
            self.on_ack(cx, seg);
        }
        self.note_mark(seg);
        self.update_ts_recent(cx, seg);
        self.measure_echo(cx, seg);
        self.after_ack(cx);
        if matches!(self.state, ConnState::Closed | ConnState::TimeWait) {
            return match buf {
                Some(buf) => Disposition::Drop(DropReason::BadState, Some(buf)),
                None => Disposition::Done,
            };
        }
        self.on_urgent(cx, seg);
        self.on_payload(cx, seg, buf)
    }

    /// The SYN of a connection that Fast Open made: its data counts at once (RFC 7413, 4.2.2). Its
    /// window is not scaled.
    fn take_fast_syn(&mut self, seg: &Segment, buf: Option<P::RxBuf>) -> Disposition<P> {
        let Some(buf) = buf.filter(|_| self.fast_open) else {
            return Disposition::Done;
        };
        match self.recv.store(
            seg.header.seq.add(1),
            buf,
            seg.packets(),
            &mut self.send.log,
        ) {
            (Stored::InOrder, _) => {
                self.syn_data = true;
                self.events.set(Events::READABLE);
                Disposition::Done
            }
            (_, back) => Disposition::Drop(DropReason::Duplicate, back),
        }
    }

    /// The SYN-ACK came again: the ACK that was just decided on, if one was, says what it came with
    /// (RFC 9768, 3.2.2.1).
    fn note_syn_ack_again(&mut self, seg: &Segment) {
        if seg.has(Flags::SYN)
            && seg.has(Flags::ACK)
            && seg.header.seq == self.recv.irs
            && self.recv.owed == AckOwed::Now
        {
            self.ecn.on_syn_ack_again(seg.codepoint, seg.header.seq);
        }
    }

    /// RFC 7323, 4.3: TS.Recent follows segments that the last ACK sent points at; 5.5: one that is outdated
    /// itself follows any.
    pub(super) fn update_ts_recent(&mut self, cx: &Cx<'_, P>, seg: &Segment) {
        if let (true, Some(ts)) = (self.ts.enabled, seg.header.options.timestamps) {
            if seg.header.seq.before_or_eq(self.recv.last_ack_sent)
                && !self.ts.is_old(ts.val, cx.now)
            {
                self.ts.recent = ts.val;
                self.ts.recent_at = cx.now;
            }
        }
    }

    /// Who only receives learns of the round-trip time by its own timestamps that come back.
    pub(super) fn measure_echo(&mut self, cx: &Cx<'_, P>, seg: &Segment) {
        if let (true, Some(ts), 1..) = (
            self.ts.enabled,
            seg.header.options.timestamps,
            seg.payload_len,
        ) {
            let ms = self.ts.val(cx.now).wrapping_sub(ts.ecr);
            if ts.ecr != 0 && ms < 600_000 {
                let ago = Duration::from_millis(u64::from(ms.max(1)));
                let mss = self.advertised_mss();
                self.recv.measure_echo(seg.payload_len, ts.ecr, ago, mss);
            }
        }
    }

    /// Whether the receive buffer may grow by itself.
    pub(super) fn may_grow_rcvbuf(&self, cx: &Cx<'_, P>) -> bool {
        cx.net.moderate_rcvbuf && !self.rcvbuf_locked && self.recv.memory == Memory::Plenty
    }

    /// An unacceptable segment is answered with an ACK, at once if it carries data (our ACK may
    /// have been lost), limited otherwise: a SYN too (RFC 5961, 4.2 and 7).
    fn answer_unacceptable(&mut self, cx: &Cx<'_, P>, seg: &Segment) {
        if seg.len() > 0 && !seg.has(Flags::SYN) {
            self.recv.owed = AckOwed::Now;
        } else {
            self.challenge(cx);
        }
    }

    /// A valid RST.
    fn on_reset(&mut self, cx: &Cx<'_, P>) {
        let reason = match self.state {
            ConnState::SynReceived if !self.fast_open => CloseReason::ConnectionRefused,
            ConnState::CloseWait => CloseReason::BrokenPipe,
            _ => CloseReason::ConnectionReset,
        };
        if matches!(self.state, ConnState::Established | ConnState::CloseWait) {
            cx.count(Mib::EstabResets);
        }
        self.fail(reason);
    }

    /// What an ACK of our FIN changes (RFC 9293, 3.10.7.4, fifth).
    fn after_ack(&mut self, cx: &Cx<'_, P>) {
        if !self.fin_acked() {
            return;
        }
        match self.state {
            ConnState::FinWait1 => {
                self.change(Event::FinAcked);
                self.events.set(Events::WRITABLE);
                if self.orphan {
                    if self.config.linger2 == Linger2::Never {
                        cx.count(Mib::TCPAbortOnData);
                        self.finish();
                    } else {
                        self.events.set(Events::TIME_WAIT);
                    }
                }
            }
            ConnState::Closing => self.enter_time_wait(),
            ConnState::LastAck => self.finish(),
            _ => {}
        }
    }

    fn enter_time_wait(&mut self) {
        if self.state == ConnState::Closing {
            self.change(Event::FinAcked);
        } else {
            self.change(Event::RecvFin);
        }
        self.timers.clear();
        self.events.set(Events::TIME_WAIT);
        self.events.set(Events::READABLE);
    }

    /// Seventh and eighth: payload and FIN.
    pub(super) fn on_payload(
        &mut self,
        cx: &Cx<'_, P>,
        seg: &Segment,
        buf: Option<P::RxBuf>,
    ) -> Disposition<P> {
        let data_end = seg
            .header
            .seq
            .add(u32::from(seg.has(Flags::SYN)))
            .add(seg.payload_len);
        let has_fin = seg.has(Flags::FIN);
        if buf.is_none() && !has_fin {
            if seg.end().before(self.recv.nxt) || seg.header.seq.before(self.recv.nxt) {
                // A probe with an old number wants an answer (RFC 9293, 3.8.4 and 3.8.6.1).
                self.recv.owed = AckOwed::Now;
            }
            return Disposition::Done;
        }
        if !self.state.can_receive() {
            // Beyond the peer's FIN, or while we wait for the last ACK: only the answer counts.
            self.recv.owed = AckOwed::Now;
            self.ecn.on_duplicate(seg.header.seq);
            return Disposition::Drop(DropReason::BadState, buf);
        }
        if buf.is_some()
            && data_end.after(self.recv.nxt)
            && (self.orphan || (self.recv_shut && self.state != ConnState::Established))
        {
            // RFC 9293, 3.6.1: data for a user who is gone is lost, and the peer shall know.
            cx.count(Mib::TCPAbortOnData);
            cx.count(Mib::OutRsts);
            self.fail(CloseReason::ConnectionReset);
            // At the number that the peer expects, even if it has not got our FIN: any other one it
            // would challenge (RFC 5961, 3.2), and nobody would be here to answer.
            return match reset_for(seg) {
                Some(reply) => Disposition::Reply(reply, DropReason::NoReader, buf),
                None => Disposition::Drop(DropReason::NoReader, buf),
            };
        }
        let edge = self.recv.far.latest(self.recv.nxt);
        // One that lies behind contradicts what came since, and would lie ahead after half of the circle.
        if has_fin && data_end.after_or_eq(self.recv.nxt) && data_end.before_or_eq(edge.add(1)) {
            self.recv.fin = Some(data_end);
        }
        let mut outcome = Disposition::Done;
        if let Some(buf) = buf {
            let seq = seg.header.seq.add(u32::from(seg.has(Flags::SYN)));
            let had_holes = self.recv.has_holes();
            let had_report = self.recv.reports_duplicate();
            let (stored, back) = self.recv.store(seq, buf, seg.packets(), &mut self.send.log);
            self.count_packed(cx);
            let dropped = self.recv.take_dropped();
            if dropped > 0 {
                cx.mib.add(Mib::TCPOFODrop, u64::from(dropped));
            }
            match stored {
                Stored::InOrder => {
                    if !had_holes {
                        cx.count(Mib::TCPHPHits);
                    }
                    self.last_data = cx.now;
                    self.recv.measure_window(cx.now);
                    self.ecn.on_news();
                    // RFC 2883, 4: a report is of the segment that came last.
                    let repeats = !had_report && self.recv.reports_duplicate();
                    let now = had_holes || repeats;
                    self.owe_ack_for_data(now, seg);
                    self.events.set(Events::READABLE);
                }
                Stored::OutOfOrder => {
                    cx.count(Mib::TCPOFOQueue);
                    self.ecn.on_news();
                    self.stats.out_of_order = self.stats.out_of_order.wrapping_add(1);
                    if self.may_grow_rcvbuf(cx) {
                        self.recv.tune_for_holes(cx.net.rmem[2]);
                    }
                    if has_fin {
                        self.recv.owed = AckOwed::Now;
                    }
                    self.owe_ack_for_hole(cx);
                }
                Stored::Duplicate => {
                    self.report_duplicate(cx, seg);
                    self.recv.owed = AckOwed::Now;
                    outcome = Disposition::Drop(DropReason::Duplicate, back);
                }
                Stored::NoRoom | Stored::Shut | Stored::Beyond => {
                    cx.count(match stored {
                        Stored::Shut => Mib::TCPZeroWindowDrop,
                        Stored::Beyond => Mib::BeyondWindow,
                        Stored::NoRoom if seq.after(self.recv.nxt) => Mib::TCPOFODrop,
                        _ => Mib::TCPRcvQDrop,
                    });
                    self.recv.owed = AckOwed::Now;
                    outcome = Disposition::Drop(DropReason::NoRoom, back);
                }
            }
        }
        self.check_fin(has_fin);
        outcome
    }

    /// Tells how much was copied together for want of memory.
    pub(super) fn count_packed(&mut self, cx: &Cx<'_, P>) {
        let packed = self.recv.take_packed();
        if packed > 0 {
            cx.mib.add(Mib::TCPRcvCollapsed, u64::from(packed));
        }
    }

    /// What an acceptable segment tells of marks on the way. To be called before its data is stored.
    pub(super) fn note_mark(&mut self, seg: &Segment) {
        let before = self.ecn.echo_flags();
        let waits = self.recv.nxt != self.recv.last_ack_sent;
        let arrival = self.ecn.on_packet(
            seg.header.flags,
            seg.codepoint,
            seg.packets(),
            seg.payload_len,
            waits,
        );
        if arrival == Arrival::Plain {
            return;
        }
        if arrival == Arrival::Changed && self.recv.nxt != self.recv.last_ack_sent {
            self.first_ack = Some((self.recv.nxt, before));
        }
        self.recv.owed = AckOwed::Now;
    }

    /// RFC 2883: the next ACK tells the sender what came twice.
    fn report_duplicate(&mut self, cx: &Cx<'_, P>, seg: &Segment) {
        if seg.payload_len == 0 || seg.has(Flags::SYN) {
            return;
        }
        self.ecn.on_duplicate(seg.header.seq);
        let old = seg.header.seq.before(self.recv.nxt);
        if old {
            cx.count(Mib::DelayedACKLost);
        }
        if self.sack_ok && cx.net.dsack {
            let end = seg.header.seq.add(seg.payload_len);
            self.recv.note_duplicate(SeqRange::new(seg.header.seq, end));
            cx.count(if old {
                Mib::TCPDSACKOldSent
            } else {
                Mib::TCPDSACKOfoSent
            });
        }
    }

    /// RFC 9293, 3.8.6.3 and RFC 5681, 4.2: at least every second full-sized segment is
    /// acknowledged, what fills a hole (`now`) at once, the rest within the delayed-ACK time. The data of
    /// `seg` just came.
    pub(super) fn owe_ack_for_data(&mut self, now: bool, seg: &Segment) {
        let offered = self.advertised_mss();
        let len = seg.payload_len;
        self.recv.pushed |= seg.has(Flags::PSH) || len < self.recv.peer_mss(offered);
        // What fills most of the buffer at once, be it many segments that offload joined, waits for
        // the reader as a single segment may: an ACK now could only tell that there is little room,
        // and would be followed by another that tells of more.
        let alone = self.recv.nxt.distance_from(self.recv.last_ack_sent) <= len;
        let waits = alone && self.recv.is_half_full();
        let quick = self.recv.quick > 0 || self.metrics.quick_ack;
        let full = quick || self.recv.owes_full_segments(offered);
        let owed = if now || (full && !waits) {
            AckOwed::Now
        } else {
            AckOwed::Delayed
        };
        self.recv.owed = self.recv.owed.max(owed);
    }

    /// Eighth: the FIN, once everything before it is there.
    fn check_fin(&mut self, has_fin: bool) {
        if self.recv.fin != Some(self.recv.nxt) || self.recv.fin_reached {
            if has_fin {
                // Out of order, or again: the peer has to know at once.
                self.recv.owed = AckOwed::Now;
            }
            return;
        }
        self.recv.nxt = self.recv.nxt.add(1);
        self.recv.adv = self.recv.adv.latest(self.recv.nxt);
        self.recv.fin_reached = true;
        // Nothing is missing any more: a duplicate tells the peer nothing that it could use.
        self.recv.forget_duplicate();
        // What came beyond the end is none of the stream's.
        self.recv.purge_ofo();
        let was_read = u64::from(self.recv.unread) < self.recv.received;
        if self.state == ConnState::Established && was_read {
            // The user, who has read something, is likely to answer, if only by a close: the ACK
            // can ride on that.
            self.interactive = true;
            self.recv.quick = 0;
            self.recv.owed = self.recv.owed.max(AckOwed::Delayed);
        } else {
            self.recv.owed = AckOwed::Now;
        }
        self.events.set(Events::PEER_CLOSED);
        self.events.set(Events::READABLE);
        if self.state == ConnState::FinWait2 {
            self.enter_time_wait();
        } else {
            self.change(Event::RecvFin);
        }
    }
}
