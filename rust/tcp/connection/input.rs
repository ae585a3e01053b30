// SPDX-License-Identifier: GPL-2.0

//! SEGMENT ARRIVES (RFC 9293, section 3.10.7), for every state that a [`Connection`] can be in.

use super::{reset_for, CloseReason, Connection, Disposition, DropReason, Events, DEFAULT_MSS};
use crate::tcp::{
    context::Cx,
    mib::Mib,
    platform::Platform,
    recv::{AckOwed, Stored},
    send::Recovery,
    seq::SeqNum,
    state::{ConnState, Event},
    time::{Duration, Instant},
    timers::Timer,
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
        match self.state {
            ConnState::Closed | ConnState::Listen | ConnState::TimeWait => match reset_for(seg) {
                Some(reply) => Disposition::Reply(reply, DropReason::BadState, buf),
                None => Disposition::Drop(DropReason::BadState, buf),
            },
            ConnState::SynSent => self.in_syn_sent(cx, seg, buf),
            _ => self.in_synchronized(cx, seg, buf),
        }
    }

    /// RFC 9293, 3.10.7.3.
    fn in_syn_sent(
        &mut self,
        cx: &Cx<'_, P>,
        seg: &Segment,
        buf: Option<P::RxBuf>,
    ) -> Disposition<P> {
        let ack = seg.header.ack;
        let has_ack = seg.has(Flags::ACK);
        if has_ack && (ack.before_or_eq(self.send.iss) || ack.after(self.send.nxt)) {
            if seg.has(Flags::RST) {
                return Disposition::Drop(DropReason::BadAck, buf);
            }
            let reply = Header { seq: ack, flags: Flags::RST, ..Header::default() };
            return Disposition::Reply(reply, DropReason::BadAck, buf);
        }
        if has_ack && self.ts.enabled {
            // RFC 7323, 3.2: an echo of what was never sent is not an answer to our SYN.
            if let Some(ts) = seg.header.options.timestamps {
                let now = self.ts.val(cx.now);
                if ts.ecr != 0 && now.wrapping_sub(ts.ecr) > i32::MAX as u32 {
                    return Disposition::Drop(DropReason::Paws, buf);
                }
            }
        }
        if seg.has(Flags::RST) {
            if has_ack {
                cx.count(Mib::AttemptFails);
                self.fail(CloseReason::ConnectionRefused);
                return Disposition::Drop(DropReason::Reset, buf);
            }
            return Disposition::Drop(DropReason::BadState, buf);
        }
        if !seg.has(Flags::SYN) {
            return Disposition::Drop(DropReason::BadState, buf);
        }
        self.last_recv = cx.now;
        self.learn_syn(cx, seg);
        if has_ack {
            self.send.una = ack;
            self.send.wnd = u32::from(seg.header.wnd);
            self.synchronized(cx, seg);
            self.recv.owed = AckOwed::Now;
            // Data on a SYN-ACK is not acknowledged and comes again.
            return match buf {
                Some(buf) => Disposition::Drop(DropReason::BadState, Some(buf)),
                None => Disposition::Done,
            };
        }
        // SYNs crossed: simultaneous open (RFC 9293, figure 7).
        self.change(Event::RecvSyn);
        self.syn_pending = true;
        self.retries = 0;
        self.timers.stop(Timer::Retransmit);
        Disposition::Drop(DropReason::BadState, buf)
    }

    /// Takes what a SYN says: numbers and options.
    fn learn_syn(&mut self, cx: &Cx<'_, P>, seg: &Segment) {
        let options = &seg.header.options;
        let offered = self.recv.wnd();
        self.recv.synchronize(seg.header.seq, offered);
        self.mss_peer = match options.mss {
            None | Some(0) => DEFAULT_MSS,
            Some(mss) => mss,
        };
        match options.wscale {
            // RFC 7323, 2.3: a shift above 14 is taken as 14.
            Some(shift) if cx.net.window_scaling => self.send.wscale = shift.min(14),
            _ => {
                self.send.wscale = 0;
                self.recv.wscale = 0;
            }
        }
        self.sack_ok &= options.sack_permitted;
        match options.timestamps {
            Some(ts) if self.ts.enabled => {
                self.ts.recent = ts.val;
                self.ts.recent_at = cx.now;
            }
            _ => self.ts.enabled = false,
        }
        self.update_mss();
        self.start_congestion();
    }

    /// The handshake is complete.
    fn synchronized(&mut self, cx: &Cx<'_, P>, seg: &Segment) {
        self.change(Event::Synchronized);
        self.send.wl1 = seg.header.seq;
        self.send.wl2 = seg.header.ack;
        self.send.wnd_max = self.send.wnd_max.max(self.send.wnd);
        if self.syn_sent_at != Instant::default() {
            self.rtt.sample(cx.now.since(self.syn_sent_at));
        }
        self.retries = 0;
        self.rtt.reset_backoff();
        self.syn_pending = false;
        self.send.high_sacked = self.send.una;
        self.timers.stop(Timer::Retransmit);
        self.events.set(Events::CONNECTED);
        self.events.set(Events::WRITABLE);
        self.touch_keepalive(cx);
        if self.fin_queued {
            // The user closed before the handshake was complete.
            self.change(Event::Close);
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
        if seg.end().before(self.recv.last_ack_sent) || seq.after(self.recv.adv.latest(self.recv.nxt))
        {
            cx.count(Mib::OutOfWindow);
            if !seg.has(Flags::RST) {
                self.answer_unacceptable(cx, seg);
            }
            return Disposition::Drop(DropReason::OutOfWindow, buf);
        }
        // Second, RST (RFC 5961, 3.2): exact or challenged.
        if seg.has(Flags::RST) {
            if seq == self.recv.nxt {
                self.on_reset(cx);
                return Disposition::Drop(DropReason::Reset, buf);
            }
            self.challenge(cx);
            return Disposition::Drop(DropReason::Challenge, buf);
        }
        // Fourth, SYN (RFC 5961, 4.2), also the peer's SYN again in SYN-RECEIVED.
        if seg.has(Flags::SYN) {
            if self.state == ConnState::SynReceived && seq == self.recv.irs {
                if !seg.has(Flags::ACK) {
                    self.syn_pending = true;
                    return Disposition::Drop(DropReason::Duplicate, buf);
                }
                // The SYN-ACK of a simultaneous open: its ACK counts, its SYN was counted.
            } else {
                self.challenge(cx);
                return Disposition::Drop(DropReason::Challenge, buf);
            }
        }
        // Fifth, ACK.
        if !seg.has(Flags::ACK) {
            return Disposition::Drop(DropReason::NoAck, buf);
        }
        let ack = seg.header.ack;
        if self.state == ConnState::SynReceived {
            if ack.before_or_eq(self.send.una) || ack.after(self.send.nxt) {
                let reply = Header { seq: ack, flags: Flags::RST, ..Header::default() };
                return Disposition::Reply(reply, DropReason::BadAck, buf);
            }
            self.send.una = ack;
            self.send.wnd = self.scaled(seg);
            self.synchronized(cx, seg);
        } else {
            // RFC 5961, 5.2: SND.UNA - MAX.SND.WND =< SEG.ACK =< SND.NXT.
            if ack.after(self.send.nxt)
                || ack.before(self.send.una.sub(self.send.wnd_max.max(65_535)))
            {
                self.challenge(cx);
                return Disposition::Drop(DropReason::BadAck, buf);
            }
            self.last_recv = cx.now;
            self.on_ack(cx, seg);
        }
        self.update_ts_recent(cx, seg);
        self.after_ack(cx);
        if matches!(self.state, ConnState::Closed | ConnState::TimeWait) {
            return match buf {
                Some(buf) => Disposition::Drop(DropReason::BadState, Some(buf)),
                None => Disposition::Done,
            };
        }
        self.on_payload(cx, seg, buf)
    }

    /// SEG.WND in bytes.
    fn scaled(&self, seg: &Segment) -> u32 {
        let shift = if seg.has(Flags::SYN) { 0 } else { self.send.wscale.min(14) };
        u32::from(seg.header.wnd) << shift
    }

    /// RFC 7323, 4.3: TS.Recent follows segments that the last ACK sent points at.
    fn update_ts_recent(&mut self, cx: &Cx<'_, P>, seg: &Segment) {
        if let (true, Some(ts)) = (self.ts.enabled, seg.header.options.timestamps) {
            if seg.header.seq.before_or_eq(self.recv.last_ack_sent)
                && ts.val.wrapping_sub(self.ts.recent) <= i32::MAX as u32
            {
                self.ts.recent = ts.val;
                self.ts.recent_at = cx.now;
            }
        }
    }

    /// An unacceptable segment is answered with an ACK, at once if it carries data (our ACK may
    /// have been lost), limited otherwise.
    fn answer_unacceptable(&mut self, cx: &Cx<'_, P>, seg: &Segment) {
        if seg.len() > 0 {
            self.recv.owed = AckOwed::Now;
        } else {
            self.challenge(cx);
        }
        // A retransmitted FIN in LAST-ACK and the like restarts nothing here.
    }

    /// A valid RST.
    fn on_reset(&mut self, cx: &Cx<'_, P>) {
        let reason = match self.state {
            ConnState::SynReceived => CloseReason::ConnectionRefused,
            ConnState::CloseWait => CloseReason::BrokenPipe,
            _ => CloseReason::ConnectionReset,
        };
        if matches!(self.state, ConnState::Established | ConnState::CloseWait) {
            cx.count(Mib::EstabResets);
        }
        self.fail(reason);
    }

    /// ACK processing: windows, scoreboard, congestion control, timers.
    fn on_ack(&mut self, cx: &Cx<'_, P>, seg: &Segment) {
        let ack = seg.header.ack;
        let prior_una = self.send.una;
        let prior_flight = self.send.in_flight();
        let prior_wnd = self.send.wnd;
        let prior_mem = self.send.mem;
        let mss = self.mss();
        self.update_send_window(seg);
        let mut newly_sacked = 0u32;
        if self.sack_ok && prior_flight > 0 && !seg.header.options.sack.is_empty() {
            for block in seg.header.options.sack.iter() {
                // D-SACKs (RFC 2883) and nonsense lie outside what is out.
                if block.start.after_or_eq(ack)
                    && block.start.before(block.end)
                    && block.end.before_or_eq(self.send.nxt)
                    && block.start.after_or_eq(self.send.una)
                {
                    newly_sacked = newly_sacked.saturating_add(self.send.mark_sacked(block));
                }
            }
        }
        // An answer of any kind to a probe (MUST-37: as long as the peer answers).
        if prior_flight == 0 {
            self.retries = 0;
        }
        if ack.after(prior_una) {
            let acked_bytes = ack.distance_from(prior_una);
            let acked = self.send.remove_acked(ack);
            self.take_rtt(cx, seg, acked.sent_at, acked.retransmitted);
            self.retries = 0;
            self.rtt.reset_backoff();
            self.send.dupacks = 0;
            self.on_progress(cx, acked_bytes, prior_flight, mss);
            self.rearm_retransmit(cx);
            self.touch_keepalive(cx);
            if self.send.mem < prior_mem {
                self.events.set(Events::WRITABLE);
            }
        } else if ack == prior_una && prior_flight > 0 {
            let duplicate = seg.len() == 0
                && self.send.wnd == prior_wnd
                && (!self.sack_ok || newly_sacked > 0);
            if duplicate {
                self.send.dupacks = self.send.dupacks.saturating_add(1);
            }
            self.on_duplicate(cx, duplicate, newly_sacked, mss);
        }
        if self.send.wnd > prior_wnd && prior_wnd == 0 {
            // The window opened: no probe is needed.
            self.timers.stop(Timer::Persist);
            self.rtt.reset_backoff();
        }
    }

    /// RFC 9293, 3.10.7.4, fifth: SND.WND, SND.WL1, SND.WL2.
    fn update_send_window(&mut self, seg: &Segment) {
        let wnd = self.scaled(seg);
        let (seq, ack) = (seg.header.seq, seg.header.ack);
        if ack.after(self.send.una)
            || seq.after(self.send.wl1)
            || (seq == self.send.wl1 && wnd > self.send.wnd)
        {
            if ack.before(self.send.una) {
                return;
            }
            self.send.wnd = wnd;
            self.send.wl1 = seq;
            self.send.wl2 = ack;
            self.send.wnd_max = self.send.wnd_max.max(wnd);
        }
    }

    /// An RTT sample: by timestamp (RFC 7323, 4.2), else by Karn's rule.
    fn take_rtt(&mut self, cx: &Cx<'_, P>, seg: &Segment, at: Option<Instant>, ambiguous: bool) {
        if let (Some(at), false) = (at, ambiguous) {
            self.rtt.sample(cx.now.since(at));
        } else if let (true, Some(ts)) = (self.ts.enabled, seg.header.options.timestamps) {
            if ts.ecr != 0 {
                let ms = self.ts.val(cx.now).wrapping_sub(ts.ecr);
                if ms < 600_000 {
                    self.rtt.sample(Duration::from_millis(u64::from(ms.max(1))));
                }
            }
        }
    }

    /// How long a segment may be overtaken before it counts as lost (RFC 8985, 6.2.1).
    fn reo_wnd(&self) -> Duration {
        let quarter = self.rtt.srtt().unwrap_or_default().as_nanos() / 4;
        Duration::from_nanos(quarter).max(Duration::from_millis(1))
    }

    /// SND.UNA moved.
    fn on_progress(&mut self, cx: &Cx<'_, P>, acked: u32, prior_flight: u32, mss: u32) {
        let una = self.send.una;
        match self.send.recovery {
            Recovery::Open => {
                // RFC 7661 in spirit: grow only while the window is what limits us.
                if self.cwnd_limited || prior_flight >= self.cc.cwnd() / 2 {
                    self.cc.on_ack(acked, mss);
                    self.grow_sndbuf(cx);
                }
                if self.sack_ok && self.send.sacked > 0 {
                    self.on_duplicate(cx, false, 0, mss);
                }
            }
            Recovery::Fast(point) => {
                if una.after_or_eq(point) {
                    self.send.recovery = Recovery::Open;
                    if !self.sack_ok {
                        self.send.sacked = 0;
                    }
                    let in_flight = self.send.in_flight();
                    self.cc.on_recovered(in_flight, mss);
                } else if self.sack_ok {
                    let reo_wnd = self.reo_wnd();
                    self.send.detect_lost(mss, reo_wnd);
                } else {
                    // RFC 6582, 3.2, step 3: a partial ACK points at the next hole.
                    self.send.sacked = self.send.sacked.saturating_sub(acked);
                    self.send.mark_first_lost(mss);
                    self.send.force_one = true;
                }
            }
            Recovery::Loss(point) => {
                self.cc.on_ack(acked, mss);
                if una.after_or_eq(point) {
                    self.send.recovery = Recovery::Open;
                } else if self.sack_ok && self.send.sacked > 0 {
                    let reo_wnd = self.reo_wnd();
                    self.send.detect_lost(mss, reo_wnd);
                }
            }
        }
    }

    /// SND.UNA stood still (or something above it was selectively acknowledged).
    fn on_duplicate(&mut self, cx: &Cx<'_, P>, duplicate: bool, newly_sacked: u32, mss: u32) {
        if self.sack_ok {
            if self.send.sacked == 0 {
                return;
            }
            let reo_wnd = self.reo_wnd();
            self.send.detect_lost(mss, reo_wnd);
            let _ = newly_sacked;
            if self.send.lost > 0 && self.send.recovery == Recovery::Open {
                self.enter_recovery(cx, mss);
                cx.count(Mib::TCPSackRecovery);
            }
            return;
        }
        if !duplicate {
            return;
        }
        match self.send.recovery {
            Recovery::Open if self.send.dupacks == 3 => {
                self.send.sacked = mss.saturating_mul(3).min(self.send.in_flight());
                self.send.mark_first_lost(mss);
                self.enter_recovery(cx, mss);
                cx.count(Mib::TCPRenoRecovery);
            }
            // RFC 6582, 3.2, step 2: each further one means that a segment left the network.
            Recovery::Fast(_) => {
                let most = self.send.in_flight().saturating_sub(mss);
                self.send.sacked = self.send.sacked.saturating_add(mss).min(most);
            }
            _ => {}
        }
    }

    fn enter_recovery(&mut self, cx: &Cx<'_, P>, mss: u32) {
        let flight = self.send.in_flight();
        self.cc.on_loss(flight, mss);
        self.send.recovery = Recovery::Fast(self.send.nxt);
        self.send.force_one = true;
        cx.count(Mib::TCPFastRetrans);
    }

    /// Send autotuning: room for twice the window, so that the user is never what limits it.
    fn grow_sndbuf(&mut self, cx: &Cx<'_, P>) {
        if self.sndbuf_locked {
            return;
        }
        let want = self.cc.cwnd().saturating_mul(2).saturating_add(65_536);
        if want > self.send.sndbuf {
            self.send.sndbuf = want.min(cx.net.wmem[2]).max(self.send.sndbuf);
        }
    }

    /// What an ACK of our FIN changes (RFC 9293, 3.10.7.4, fifth).
    fn after_ack(&mut self, _cx: &Cx<'_, P>) {
        if !self.fin_acked() {
            return;
        }
        match self.state {
            ConnState::FinWait1 => {
                self.change(Event::FinAcked);
                self.events.set(Events::WRITABLE);
                if self.orphan {
                    self.events.set(Events::TIME_WAIT);
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
    fn on_payload(
        &mut self,
        cx: &Cx<'_, P>,
        seg: &Segment,
        buf: Option<P::RxBuf>,
    ) -> Disposition<P> {
        let data_end = seg.header.seq.add(u32::from(seg.has(Flags::SYN))).add(seg.payload_len);
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
            return Disposition::Drop(DropReason::BadState, buf);
        }
        if buf.is_some()
            && data_end.after(self.recv.nxt)
            && (self.orphan || (self.recv_shut && self.state != ConnState::Established))
        {
            // RFC 9293, 3.6.1: data for a user who is gone is lost, and the peer shall know.
            cx.count(Mib::TCPAbortOnData);
            let nxt = self.send.nxt;
            self.fail(CloseReason::ConnectionReset);
            self.rst_pending = Some(nxt);
            return Disposition::Drop(DropReason::NoReader, buf);
        }
        if has_fin && data_end.before_or_eq(self.recv.adv.add(1)) {
            self.recv.fin = Some(data_end);
        }
        let mut outcome = Disposition::Done;
        if let Some(buf) = buf {
            let seq = seg.header.seq.add(u32::from(seg.has(Flags::SYN)));
            let had_holes = self.recv.has_holes();
            let (stored, back) = self.recv.store(seq, buf);
            match stored {
                Stored::InOrder => {
                    if !had_holes {
                        cx.count(Mib::TCPHPHits);
                    }
                    self.last_data = cx.now;
                    self.owe_ack_for_data(had_holes);
                    self.events.set(Events::READABLE);
                }
                Stored::OutOfOrder => {
                    cx.count(Mib::TCPOFOQueue);
                    self.recv.owed = AckOwed::Now;
                }
                Stored::Duplicate => {
                    self.recv.owed = AckOwed::Now;
                    outcome = Disposition::Drop(DropReason::Duplicate, back);
                }
                Stored::NoRoom => {
                    cx.count(Mib::TCPRcvQDrop);
                    self.recv.owed = AckOwed::Now;
                    outcome = Disposition::Drop(DropReason::NoRoom, back);
                }
            }
        }
        self.check_fin(data_end, has_fin);
        outcome
    }

    /// RFC 9293, 3.8.6.3 and RFC 5681, 4.2: at least every second full-sized segment is
    /// acknowledged, what fills a hole at once, the rest within the delayed-ACK time.
    fn owe_ack_for_data(&mut self, filled_hole: bool) {
        let mss = self.mss();
        let now = filled_hole || self.recv.quick > 0 || self.recv.owes_full_segments(mss);
        let owed = if now { AckOwed::Now } else { AckOwed::Delayed };
        self.recv.owed = self.recv.owed.max(owed);
    }

    /// Eighth: the FIN, once everything before it is there.
    fn check_fin(&mut self, data_end: SeqNum, has_fin: bool) {
        if has_fin {
            // A FIN is acknowledged at once, whether it is in order or not.
            self.recv.owed = AckOwed::Now;
        }
        if self.recv.fin != Some(self.recv.nxt) || self.recv.fin_reached {
            let _ = data_end;
            return;
        }
        self.recv.nxt = self.recv.nxt.add(1);
        self.recv.adv = self.recv.adv.latest(self.recv.nxt);
        self.recv.fin_reached = true;
        self.recv.owed = AckOwed::Now;
        self.events.set(Events::PEER_CLOSED);
        self.events.set(Events::READABLE);
        if self.state == ConnState::FinWait2 {
            self.enter_time_wait();
        } else {
            self.change(Event::RecvFin);
        }
    }
}
