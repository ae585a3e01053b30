// SPDX-License-Identifier: GPL-2.0

//! What to send next (RFC 9293, section 3.8; RFC 6675, section 5).

use super::{explain::Outgoing, mtu::Turn, Connection, Probe, Transmit};
use crate::tcp::{
    context::Cx,
    ecn::Outbound,
    handshake::{least_ecn, opening_window},
    info::Limit,
    log::{Kinds, Reason, Recorder, Why},
    mib::Mib,
    platform::{Buffer, MibSink, NoMemory, Platform, SegFlags, SegList, SegTree},
    recv::AckOwed,
    send::{Recovery, TailProbe},
    seq::{SeqNum, SeqRange},
    state::ConnState,
    time::{Duration, Instant},
    timers::Timer,
    wire::{
        options::{padded, MAX_LEN},
        Codepoint, Flags, Header, Options, Timestamps,
    },
};

/// How soon to try again after memory ran out.
const RETRY: Duration = Duration::from_millis(10);

/// What the next data segment is.
pub(super) enum Next {
    /// The buffer that starts here, sent again.
    Again(SeqNum),
    /// The buffer that was just moved to the retransmission tree.
    Fresh(SeqNum),
    /// As [`Self::Fresh`], larger than a segment and in one piece all the same (RFC 4821).
    Probe(SeqNum),
    /// A FIN without data.
    BareFin { again: bool },
}

impl<P: Platform> Connection<P> {
    /// The next segment to send. To be called until it gives `None`.
    pub(crate) fn poll_transmit(&mut self, cx: &Cx<'_, P>) -> Option<Transmit<'_, P>> {
        let out = self.next_out(cx);
        if self.send.log.kinds() != Kinds::NONE {
            self.log_polled(cx, out.as_ref());
        }
        let out = out?;
        let payload = match out.payload {
            Some(seq) => self.send.rtx.at_or_after_mut(seq),
            None => None,
        };
        Some(Transmit {
            header: out.header,
            payload,
            gso_size: out.gso_size,
            departure: out.departure.add(self.config.tx_delay()),
            codepoint: out.codepoint,
            ace: out.ace,
        })
    }

    fn next_out(&mut self, cx: &Cx<'_, P>) -> Option<Outgoing> {
        if let Some(seq) = self.rst_pending.take() {
            cx.count(Mib::OutRsts);
            let header = self.header(cx, seq, Flags::RST.with(Flags::ACK), false);
            return Some(Outgoing::bare(cx, header, Reason::Reset));
        }
        if let Some((ack, flags)) = self.first_ack.take() {
            return Some(self.emit_first_ack(cx, ack, flags));
        }
        if self.ecn.is_accurate() {
            self.ecn.plan(cx.now, self.rtt.srtt().unwrap_or_default());
            if self.ecn.wants_pure_ack() && self.recv.owed == AckOwed::Now {
                return self.poll_ack(cx);
            }
        }
        self.why = Why::Closed;
        match self.state {
            ConnState::Closed | ConnState::Listen | ConnState::TimeWait => {
                return self.poll_ack(cx);
            }
            ConnState::SynReceived if self.fast_open && !self.syn_pending => {}
            ConnState::SynSent | ConnState::SynReceived => return self.poll_syn(cx),
            _ => {}
        }
        match self.next_data(cx) {
            Ok(Some((next, reason))) => return self.emit_data(cx, next, reason),
            Ok(None) => {}
            Err(NoMemory) => {
                self.why = Why::Memory;
                self.timers.set(Timer::Retry, cx.now.add(RETRY));
            }
        }
        self.arm_persist(cx);
        if let Some((header, reason)) = self.poll_probe(cx) {
            return Some(Outgoing::bare(cx, header, reason));
        }
        self.poll_ack(cx)
    }

    /// An ACK of what came before the mark changed: RFC 8257, 3.2. What the next header will say
    /// (window, SACK) is not anticipated; the window's edge stays where it is.
    fn emit_first_ack(&mut self, cx: &Cx<'_, P>, ack: SeqNum, flags: Flags) -> Outgoing {
        let header = Header {
            seq: self.send.nxt,
            ack,
            flags: Flags::ACK.with(flags),
            wnd: self.recv.repeat_window(ack),
            urg: 0,
            options: Options {
                timestamps: self.ts.enabled.then(|| Timestamps {
                    val: self.ts.val(cx.now),
                    ecr: self.ts.recent,
                }),
                ..Options::default()
            },
        };
        cx.count(Mib::OutSegs);
        self.stats.went_out(false);
        Outgoing::bare(cx, header, Reason::Ack)
    }

    /// Whether an ACK is to leave with the next [`Self::poll_transmit`], whatever else does.
    pub(crate) fn owes_ack_now(&self) -> bool {
        self.recv.owed == AckOwed::Now
    }

    /// Whether nothing waits to be sent and nothing that was sent waits for its ACK, so that the next
    /// [`Self::poll_transmit`] needs to know nothing new of path and pace.
    pub(crate) fn is_quiet(&self) -> bool {
        self.state.is_synchronized()
            && self.recv.owed != AckOwed::Now
            && self.send.unsent.is_empty()
            && self.send.in_flight() == 0
            && self.probe == Probe::None
            && !self.fin_queued
            && self.rst_pending.is_none()
            && self.first_ack.is_none()
    }

    /// Whether the path was told since the connection is there: without, the first write would be cut at
    /// one segment.
    pub(crate) fn knows_path(&self) -> bool {
        self.gso_max > 0
    }

    /// A pure ACK if one is owed now; otherwise sees to the delayed-ACK timer.
    fn poll_ack(&mut self, cx: &Cx<'_, P>) -> Option<Outgoing> {
        match self.recv.owed {
            AckOwed::Now => {
                self.note_lone_ack();
                let header = self.header(cx, self.send.nxt, Flags::ACK, true);
                let mut out = Outgoing::bare(cx, header, Reason::Ack);
                out.codepoint = self.control_codepoint();
                Some(out)
            }
            AckOwed::Delayed => {
                if self.timers.get(Timer::DelayedAck).is_none() {
                    self.timers
                        .set(Timer::DelayedAck, cx.now.add(self.delack(cx)));
                }
                None
            }
            // Its timer runs.
            AckOwed::None | AckOwed::Held => None,
        }
    }

    /// The SYN or SYN-ACK.
    fn poll_syn(&mut self, cx: &Cx<'_, P>) -> Option<Outgoing> {
        if !self.syn_pending {
            return self.poll_ack_in_syn_received(cx);
        }
        self.syn_pending = false;
        let passive = self.state == ConnState::SynReceived;
        let before = self.stats.has_sent();
        let again =
            self.retries > 0 || (!passive && self.fast.was_sent()) || (self.fast_open && before);
        self.stats.went_out(again);
        if again {
            cx.count(Mib::RetransSegs);
            cx.count(Mib::TCPSynRetrans);
        }
        // A peer that acknowledges our SYN may mean any of them (Karn).
        self.syn_sent_at = if again || before {
            Instant::default()
        } else {
            cx.now
        };
        let mss = self.offered_mss();
        // Before the SYN is answered our side of each option is an offer.
        let scale = !passive && cx.net.window_scaling || passive && self.scaling;
        let first = !passive && !again;
        let (ecn, acc_ecn) = if passive {
            self.ecn.syn_ack()
        } else {
            let least = least_ecn(self.congestion(cx.net), &self.metrics);
            let ask = cx.net.ecn.ask.max(least);
            self.ecn.set_policy(cx.net.ecn_option);
            (self.ecn.syn_flags(ask, self.retries), None)
        };
        let options = Options {
            mss: Some(mss),
            acc_ecn,
            wscale: scale.then_some(self.recv.wscale),
            sack_permitted: self.sack_ok,
            timestamps: self.ts.enabled.then(|| Timestamps {
                val: self.ts.val(cx.now),
                ecr: self.ts.recent,
            }),
            fast_open: if first { self.syn_option() } else { None },
            ..Options::default()
        };
        let (rcvbuf, fixed) = (self.recv.rcvbuf, self.rcvbuf_locked);
        let clamp = self.metrics.window_clamp(&self.config);
        let wnd = u32::from(opening_window(cx, clamp, rcvbuf, fixed, mss).0);
        let wnd = wnd.min(self.recv.first);
        // A SYN sent again takes back nothing that was promised (RFC 9293, 3.8.6, SHLD-14),
        // whatever happened to the buffer, and although its window can't be scaled.
        let promised = if passive || self.retries > 0 {
            self.recv.wnd()
        } else {
            0
        };
        let wnd = wnd.max(promised.min(u32::from(u16::MAX)));
        self.recv.adv = self.recv.nxt.add(wnd.max(promised));
        self.recv.far = self.recv.far.latest(self.recv.adv);
        if self.timers.get(Timer::Retransmit).is_none() {
            self.rearm_retransmit(cx);
        }
        let header = Header {
            seq: self.send.iss,
            ack: if passive {
                self.recv.nxt
            } else {
                SeqNum::default()
            },
            flags: if passive {
                Flags::SYN.with(Flags::ACK).with(ecn)
            } else {
                Flags::SYN.with(ecn)
            },
            wnd: u16::try_from(wnd).unwrap_or(u16::MAX),
            urg: 0,
            options,
        };
        if passive {
            self.recv.owed = AckOwed::None;
            self.recv.last_ack_sent = self.recv.nxt;
        }
        cx.count(Mib::OutSegs);
        let mut out = Outgoing::bare(cx, header, Reason::Syn);
        if first {
            if let Some((seq, len)) = self.load_syn(cx, options.fast_open) {
                out.payload = Some(seq);
                out.len = len;
            }
        }
        Some(out)
    }

    fn poll_ack_in_syn_received(&mut self, cx: &Cx<'_, P>) -> Option<Outgoing> {
        if self.state == ConnState::SynReceived {
            self.poll_ack(cx)
        } else {
            None
        }
    }

    /// The codepoint of what has no data. Without SACK an ACK that a mark on one of ours caused
    /// would look like a duplicate to us (RFC 9768, 3.2.2.5.1).
    fn control_codepoint(&mut self) -> Codepoint {
        if self.sack_ok && self.ecn.is_accurate() {
            self.ecn.on_aside(1);
            self.ecn.mark(Outbound::Control).1
        } else {
            Codepoint::NotEct
        }
    }

    /// Room for options in a header without timestamps.
    fn option_room(&self) -> usize {
        let timestamps = if self.ts.enabled { 12 } else { 0 };
        MAX_LEN.saturating_sub(timestamps)
    }

    /// Puts SACK blocks and the AccECN option into a header. Two blocks have precedence, the others
    /// stand back (RFC 9768, 3.2.3.3). `false`: no SACK blocks.
    fn put_feedback(&mut self, cx: &Cx<'_, P>, options: &mut Options) -> bool {
        let room = self.option_room();
        let reports = self.reports_sack();
        if self.ecn.is_due() {
            let blocks = if reports {
                self.recv
                    .sack_blocks()
                    .min(2)
                    .saturating_mul(8)
                    .saturating_add(4)
            } else {
                0
            };
            let left = room.saturating_sub(blocks);
            options.acc_ecn = self.ecn.take_option(left, cx.now);
        }
        if reports {
            let taken = options.acc_ecn.map_or(0, |option| padded(option.len()));
            let left = room.saturating_sub(taken).saturating_sub(4);
            options.sack = self.recv.take_sack_blocks((left / 8).min(4));
        }
        reports
    }

    /// A header with acknowledgment, window, timestamps, SACK blocks and marks of this moment.
    /// `bare`: it is an ACK without data.
    fn header(&mut self, cx: &Cx<'_, P>, seq: SeqNum, flags: Flags, bare: bool) -> Header {
        let mss = self.mss();
        let wnd = self.recv.advertise(mss);
        match (core::mem::replace(&mut self.recv.shut, wnd == 0), wnd) {
            (false, 0) => cx.count(Mib::TCPToZeroWindowAdv),
            (true, 1..) => cx.count(Mib::TCPFromZeroWindowAdv),
            _ => {}
        }
        self.timers.stop(Timer::DelayedAck);
        self.forget_held(cx);
        self.recv.quick = self.recv.quick.saturating_sub(1);
        let timestamps = self.ts.enabled.then(|| Timestamps {
            val: self.ts.val(cx.now),
            ecr: self.ts.recent,
        });
        let mut options = Options {
            timestamps,
            ..Options::default()
        };
        cx.count(Mib::OutSegs);
        self.stats.went_out(false);
        let echo = if flags.contains(Flags::RST) {
            Flags::default()
        } else {
            let reports = self.put_feedback(cx, &mut options);
            self.ecn.take_ack_flags(bare && !reports)
        };
        let urgent = self.urgent_pointer(seq);
        let flags = if urgent.is_some() {
            flags.with(Flags::URG)
        } else {
            flags
        };
        Header {
            seq,
            ack: self.recv.nxt,
            flags: flags.with(echo),
            wnd,
            urg: urgent.unwrap_or(0),
            options,
        }
    }

    /// Whether the next header has a SACK option. With a tiny MSS there is no room for one.
    pub(super) fn reports_sack(&self) -> bool {
        self.sack_ok && self.recv.wants_sack() && self.mss() >= 128
    }

    /// Payload that fits a segment now, SACK blocks and the AccECN option subtracted.
    fn mss_now(&self) -> u32 {
        let sack = if self.reports_sack() { 36usize } else { 0 };
        let options = if self.ecn.is_due() {
            sack.saturating_add(12).min(self.option_room())
        } else {
            sack
        };
        let options = u32::try_from(options).unwrap_or(0);
        self.mss().saturating_sub(options).max(1)
    }

    /// Decides on the next data segment and brings its buffer to size.
    fn next_data(&mut self, cx: &Cx<'_, P>) -> Result<Option<(Next, Reason)>, NoMemory> {
        if self.refused.waits {
            self.why = Why::Memory;
            return Ok(None);
        }
        let turn = self.pacing.wait_until(cx.now);
        if let Some(at) = turn.filter(|_| !self.tail_due && !self.is_timed_out()) {
            self.why = Why::Pacing;
            self.timers.set(Timer::Pace, at);
            return Ok(None);
        }
        if let Some(left) = self.send.undo.wants_new() {
            // RFC 5682, step 2b: new data tells whether the time-out was a mistake.
            if left > 0 {
                if let Some(next) = self.next_fresh(cx)? {
                    return Ok(Some((next, Reason::Data)));
                }
                self.send.undo.on_new(0);
            }
            if self.send.undo.wants_new().is_some() {
                self.why = Why::Proof;
                return Ok(None);
            }
        }
        if let Some(next) = self.next_again()? {
            let reason = match self.send.recovery {
                Recovery::Loss(_) => Reason::Timeout,
                _ => Reason::Lost,
            };
            return Ok(Some((next, reason)));
        }
        if core::mem::take(&mut self.tail_due) {
            if let Some(next) = self.next_tail(cx)? {
                return Ok(Some((next, Reason::Tail)));
            }
        }
        match self.next_mtu_probe(cx)? {
            Turn::Pass => Ok(self.next_fresh(cx)?.map(|next| (next, Reason::Data))),
            Turn::Send(next) => Ok(Some((next, Reason::Mtu))),
            Turn::Wait => {
                self.why = Why::Batch;
                Ok(None)
            }
        }
    }

    /// Whether a time-out's retransmission is still to be sent. That waits for no pace: the timer, which
    /// runs again, and the count of retries take it to be out (RFC 6298, 5.4).
    fn is_timed_out(&self) -> bool {
        self.send.force_one && matches!(self.send.recovery, Recovery::Loss(_))
    }

    /// RFC 8985, 7.3: a probe for a lost tail is a segment of new data if there is one that the
    /// peer's window takes, and the last segment again otherwise.
    fn next_tail(&mut self, cx: &Cx<'_, P>) -> Result<Option<Next>, NoMemory> {
        let mss = self.mss_now();
        let fresh = self.send.unsent.front().map(|front| front.len().min(mss));
        let next = match fresh {
            Some(len) if len <= self.send.window_left() => {
                let sent = self.send.advance(len)?;
                sent.map(|meta| Next::Fresh(meta.seq))
            }
            _ => match self.send.last_sent(mss) {
                Some(seq) => Some(Next::Again(seq)),
                None => self.send.fin_sent.then_some(Next::BareFin { again: true }),
            },
        };
        let again = !matches!(next, Some(Next::Fresh(_)));
        if next.is_some() {
            cx.count(Mib::TCPLossProbes);
            self.send.tail_probe = Some(TailProbe {
                end: self.send.nxt,
                again,
            });
            // The time-out is counted from the probe.
            self.timers.stop(Timer::Retransmit);
        }
        Ok(next)
    }

    /// What is lost goes first.
    fn next_again(&mut self) -> Result<Option<Next>, NoMemory> {
        let mss = self.mss_now();
        let force = self.send.force_one;
        let Some(range) = self.send.first_lost() else {
            if self.send.fin_lost && self.send.fin_sent {
                return Ok(Some(Next::BareFin { again: true }));
            }
            return Ok(None);
        };
        // What is acknowledged could not be cut off, and does not go again: its sums are done with.
        if range.start.before(self.send.una) {
            return Err(NoMemory);
        }
        let room = self.cc.cwnd().saturating_sub(self.send.pipe());
        if room < mss.min(range.len()) && !force {
            return Ok(None);
        }
        // One segment more than the rest of the window, cut at a segment's end.
        let most = self.whole_segments(room.max(mss).min(self.burst(mss)), mss);
        if range.len() > most && !self.send.split_rtx(range.start.add(most)) {
            return Err(NoMemory);
        }
        Ok(Some(Next::Again(range.start)))
    }

    /// Most payload that may go out in one piece: a segment, or what offload cuts into segments.
    fn burst(&self, mss: u32) -> u32 {
        // The pointer counts from the segment that it is in, and offload copies it.
        if u32::from(self.gso_max) > mss && !self.is_urgent() {
            self.pacing.burst(self.size_goal(), mss, self.rtt.min())
        } else {
            mss
        }
    }

    /// `bytes` rounded down to whole segments, at least one.
    fn whole_segments(&self, bytes: u32, mss: u32) -> u32 {
        bytes
            .saturating_sub(bytes.checked_rem(mss).unwrap_or(0))
            .max(mss)
    }

    /// New data, as far as both windows, Nagle and silly-window avoidance let it go.
    fn next_fresh(&mut self, cx: &Cx<'_, P>) -> Result<Option<Next>, NoMemory> {
        let mss = self.mss_now();
        let last = self.send.nxt;
        self.why = Why::Nothing;
        if self.send.fin_sent {
            return Ok(None);
        }
        let fin_now = self.fin_queued && self.state.fin_queued();
        if self.unsent() < mss && self.send.pipe() < self.cc.cwnd() {
            let pipe = self.send.pipe();
            self.send.rate.on_app_limited(pipe);
        }
        let Some(front) = self.send.unsent.front() else {
            self.cwnd_limited = false;
            if self.send.mem >= self.send.sndbuf {
                self.why = Why::Buffer;
            }
            return Ok(
                (fin_now && last == self.send.write_seq).then_some(Next::BareFin { again: false })
            );
        };
        let len = front.len();
        if self.send.in_flight() == 0 {
            self.resume(cx);
        }
        let cwnd_room = self.cc.cwnd().saturating_sub(self.send.pipe());
        let wnd_room = self.send.window_left();
        // Half of the window at most in one piece: the ACKs of the first half clock out the next.
        let half = self.whole_segments(self.cc.cwnd() / 2, mss);
        let mut room = cwnd_room.min(wnd_room).min(self.burst(mss)).min(half);
        if let Some(left) = self.send.undo.wants_new() {
            room = room.min(mss.saturating_mul(u32::from(left)));
        }
        self.cwnd_limited = cwnd_room < len && cwnd_room <= wnd_room;
        let tightest = if cwnd_room <= wnd_room {
            Why::Cwnd
        } else {
            Why::Rwnd
        };
        if room < len && self.is_worth_waiting(cx, cwnd_room.min(wnd_room)) {
            self.why = if cwnd_room.min(wnd_room) < mss {
                tightest
            } else {
                Why::Batch
            };
            return Ok(None);
        }
        let mut take = len;
        if len > room {
            if room < mss {
                // RFC 9293, 3.8.6.2.1: a part of the window only if it is at least half of the
                // largest one ever offered, or if nothing is out and a probe timer expired.
                let half = wnd_room >= self.send.wnd_max / 2 && cwnd_room >= room && room > 0;
                let alone = self.send.in_flight() == 0;
                if room == 0 || !(alone && (half || self.flush)) {
                    self.why = tightest;
                    return Ok(None);
                }
                take = room;
            } else {
                take = self.whole_segments(room, mss);
            }
        } else if len > mss {
            // The tail of a super-segment waits by the same rules as any partial segment.
            let partial = len.checked_rem(mss).unwrap_or(0);
            if partial != 0 && !self.may_send_partial(len) {
                take = len.saturating_sub(partial);
            }
        } else if len < mss && !self.may_send_partial(len) {
            self.why = if self.config.cork || self.more {
                Why::Cork
            } else {
                Why::Nagle
            };
            return Ok(None);
        }
        let Some(sent) = self.send.advance(take)? else {
            return Ok(None);
        };
        // Also behind the full segments that offload makes of a large buffer.
        if take.checked_rem(mss) != Some(0) {
            self.send.small_end = sent.end;
        }
        Ok(Some(Next::Fresh(sent.seq)))
    }

    /// Nothing is out: what the time without data means for the window. May be called again before
    /// something is sent.
    fn resume(&mut self, cx: &Cx<'_, P>) {
        if self.last_sent == Instant::default() {
            return;
        }
        let idle = cx.now.since(self.last_sent.max(self.resumed));
        self.resumed = cx.now;
        let mss = self.mss();
        self.cc.on_resume(idle, mss);
        // RFC 5681, 4.1.
        if cx.net.slow_start_after_idle && cx.now.since(self.last_sent) > self.rto(cx) {
            self.cc.on_idle_restart(mss);
        }
    }

    /// Whether a larger segment will be possible soon: cutting a large buffer for every ACK costs
    /// more than it brings. Most of the window has to be out already, and the first of it for at
    /// least half of a round-trip time, so that ACKs keep coming and the next one comes soon.
    fn is_worth_waiting(&self, cx: &Cx<'_, P>, room: u32) -> bool {
        let window = self.cc.cwnd().min(self.send.wnd);
        let worth = match cx.net.tso_win_divisor {
            0 => self.mss().saturating_mul(3),
            divisor => window.checked_div(u32::from(divisor)).unwrap_or(window),
        };
        let half = Duration::from_nanos(self.rtt.srtt().unwrap_or_default().as_nanos() / 2);
        let is_soon = |first: &P::TxBuf| cx.now.since(first.meta().sent_at) >= half;
        self.gso_max > 0
            && self.send.rtx.first().is_some_and(is_soon)
            && self.send.recovery == Recovery::Open
            && self.send.sacked == 0
            && room < self.burst(self.mss()).min(worth)
            && self.send.in_flight() > 0
    }

    /// Nagle's rule in Minshall's variant, cork and MSG_MORE: may the end of what is queued,
    /// less than a segment, go out now? `len`: the first unsent buffer's length.
    fn may_send_partial(&self, len: u32) -> bool {
        if self.flush || self.fin_queued || self.unsent() > len || self.is_urgent() {
            // More data follows in another buffer, or never will.
            return true;
        }
        if self.config.cork || self.more {
            return false;
        }
        self.config.nodelay || self.send.in_flight() == 0 || !self.send.has_small_out()
    }

    /// Makes the header and notes what goes out.
    fn emit_data(&mut self, cx: &Cx<'_, P>, next: Next, reason: Reason) -> Option<Outgoing> {
        let mut mss = self.mss_now();
        let fin_seq = self.send.write_seq;
        let (seq, again) = match next {
            Next::BareFin { again } => {
                self.send.fin_sent = true;
                self.send.fin_lost = false;
                self.send.nxt = fin_seq.add(1);
                self.note_for_undo(cx, SeqRange::new(fin_seq, self.send.nxt), mss, again);
                self.note_sent(cx, again);
                let header = self.header(cx, fin_seq, Flags::FIN.with(Flags::ACK), false);
                let first = fin_seq == self.send.una;
                self.ecn.on_left(header.options.acc_ecn.is_some(), first);
                let mut out = Outgoing::bare(cx, header, Reason::Fin);
                out.codepoint = self.control_codepoint();
                return Some(out);
            }
            Next::Again(seq) => (seq, true),
            Next::Fresh(seq) | Next::Probe(seq) => (seq, false),
        };
        let is_probe = matches!(next, Next::Probe(_));
        let overdue = matches!(reason, Reason::Tail) || (again && self.is_timed_out());
        let pipe = self.send.pipe();
        let buf = self.send.rtx.at_or_after_mut(seq)?;
        let len = buf.len();
        if is_probe {
            mss = len;
        }
        let departure = if overdue {
            self.pacing.depart_at_once(cx.now, len)
        } else {
            self.pacing.depart(cx.now, len)
        };
        let before = if again {
            pipe
        } else {
            pipe.saturating_sub(len)
        };
        let (stamp, app_limited) = self.send.rate.on_sent(departure, len, before);
        self.cc.on_sent(len);
        let meta = buf.meta_mut();
        meta.sent_at = departure;
        meta.stamp = stamp;
        meta.flags.clear(SegFlags::APP_LIMITED);
        if app_limited {
            meta.flags.set(SegFlags::APP_LIMITED);
        }
        if again {
            // A tail probe may repeat what was on its way again already.
            if !meta.flags.has(SegFlags::RETRANS) {
                self.send.retrans = self.send.retrans.saturating_add(len);
            }
            meta.flags.set(SegFlags::RETRANS);
            meta.flags.set(SegFlags::EVER_RETRANS);
            self.send.force_one = false;
            self.send.resent = self.send.nxt;
        }
        let range = SeqRange::new(meta.seq, meta.end);
        // What is cut on the way out ends with PSH too, so that a receiver that joins segments does
        // not wait for more of them (RFC 9293, 3.9.1.2 asks for PSH at the end of a write only).
        let push = meta.flags.has(SegFlags::PSH) || len > mss;
        let (mark, codepoint) = self.ecn.mark(if again {
            Outbound::Again
        } else {
            Outbound::Fresh
        });
        let mut flags = Flags::ACK.with(mark);
        if push {
            flags = flags.with(Flags::PSH);
        }
        // The FIN rides on the last data, now if it may, and again whenever that is resent.
        let is_last = range.end == fin_seq;
        if is_last && self.fin_queued && self.state.fin_queued() && (!again || self.send.fin_sent) {
            flags = flags.with(Flags::FIN);
            self.send.fin_sent = true;
            self.send.fin_lost = false;
            self.send.nxt = fin_seq.add(1);
        }
        if again
            && self
                .search
                .out()
                .is_some_and(|probe| range.start.before(probe.end))
        {
            self.search.inconclusive();
        }
        self.note_for_undo(cx, range, mss, again);
        self.note_sent(cx, again);
        // Super-segments count by the segments that they are cut into.
        let more = len.saturating_sub(1).checked_div(mss).unwrap_or(0);
        cx.mib.add(Mib::OutSegs, u64::from(more));
        if again {
            cx.mib.add(Mib::RetransSegs, u64::from(more));
            self.ecn.on_aside(more.saturating_add(1));
        }
        if again && seq == self.send.una {
            // What is waited for now is the answer to this one (RFC 6298, 5.3 in spirit; Linux
            // does so too): with a long queue it comes later than the old deadline.
            self.rearm_retransmit(cx);
        }
        if cx.now.since(self.last_data) < self.delack(cx) {
            self.answered(cx);
        }
        self.stats.data_went_out(len, mss, again);
        let header = self.header(cx, seq, flags, false);
        let first = seq == self.send.una;
        self.ecn.on_left(header.options.acc_ecn.is_some(), first);
        let gso_size = if len > mss {
            u16::try_from(mss).unwrap_or(0)
        } else {
            0
        };
        Some(Outgoing {
            header,
            payload: Some(seq),
            len,
            gso_size,
            departure,
            codepoint,
            ace: self.ecn.is_accurate(),
            reason,
        })
    }

    /// The user answered within the time that an ACK may wait: after so many answers in a row
    /// (tcp_pingpong_thresh) ACKs wait for the next one.
    fn answered(&mut self, cx: &Cx<'_, P>) {
        self.answers = self.answers.saturating_add(1);
        if self.answers >= cx.net.pingpong_thresh {
            self.interactive = true;
            self.recv.quick = 0;
        }
    }

    /// What goes out decides whether a recovery can be told to be a mistake.
    fn note_for_undo(&mut self, cx: &Cx<'_, P>, range: SeqRange, mss: u32, again: bool) {
        if !again {
            let up = range.len().saturating_add(mss).saturating_sub(1);
            let segments = up.checked_div(mss).unwrap_or(1);
            self.send.undo.on_new(segments);
        } else if self.send.recovery != Recovery::Open {
            let tsval = self.ts.enabled.then(|| self.ts.val(cx.now));
            self.send.undo.on_resent(range, tsval);
        }
    }

    /// Something that has to be acknowledged goes out.
    fn note_sent(&mut self, cx: &Cx<'_, P>, again: bool) {
        if again {
            cx.count(Mib::RetransSegs);
        }
        self.last_sent = cx.now;
        self.used.on_sent(self.send.una, self.send.nxt);
        if self.unsent() == 0 {
            self.flush = false;
        }
        self.timers.stop(Timer::Persist);
        if self.timers.get(Timer::Retransmit).is_none() {
            self.rearm_retransmit(cx);
        }
        if !again {
            self.arm_tail_probe(cx);
        }
    }

    /// Nothing is out, something is queued and may not go: a timer sees that it will.
    fn arm_persist(&mut self, cx: &Cx<'_, P>) {
        self.note_limit(cx);
        let waits = self.send.in_flight() == 0
            && (self.unsent() > 0 || (self.fin_queued && !self.send.fin_sent));
        if !waits {
            self.timers.stop(Timer::Persist);
            self.forget_refusals();
        } else if self.timers.get(Timer::Persist).is_none() && self.probe == Probe::None {
            // A partial segment held back by cork goes out after 200 ms, as in Linux.
            let at = cx.now.add(self.rto(cx).max(Duration::from_millis(200)));
            self.timers
                .set(Timer::Persist, at.min(self.patience_ends()));
        }
    }

    /// Everything that may go is out: notes what holds the rest back.
    fn note_limit(&mut self, cx: &Cx<'_, P>) {
        let (queued, out) = (self.unsent(), self.send.in_flight());
        let next = self.mss().min(queued);
        let cwnd_room = self.cc.cwnd().saturating_sub(self.send.pipe());
        self.wants_room &= !self.is_writeable();
        let limit = if queued == 0 && out == 0 {
            Limit::Idle
        } else if queued == 0 && self.send.pipe() < self.cc.cwnd() && self.wants_room {
            // With a full congestion window more room would not have helped.
            Limit::Buffer
        } else if queued > 0 && self.send.window_left() < next && cwnd_room >= next {
            // Nor would a larger window of the peer's.
            Limit::Window
        } else {
            Limit::Network
        };
        self.stats.limits.note(limit, cx.now);
    }

    /// A probe: an ACK with a sequence number that the peer has to answer.
    fn poll_probe(&mut self, cx: &Cx<'_, P>) -> Option<(Header, Reason)> {
        let reason = match core::mem::take(&mut self.probe) {
            Probe::None => return None,
            Probe::Window => {
                if self.send.in_flight() > 0 {
                    return None;
                }
                cx.count(Mib::TCPWinProbe);
                let at = cx.now.add(self.rto(cx));
                self.timers
                    .set(Timer::Persist, at.min(self.patience_ends()));
                Reason::Window
            }
            Probe::Keepalive => {
                cx.count(Mib::TCPKeepAlive);
                Reason::Keepalive
            }
        };
        Some((
            self.header(cx, self.send.una.sub(1), Flags::ACK, false),
            reason,
        ))
    }
}
