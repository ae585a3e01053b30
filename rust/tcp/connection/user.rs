// SPDX-License-Identifier: GPL-2.0

//! The user's commands (RFC 9293, section 3.10.1 to 3.10.6).

use super::{Connection, Events, OpenParams, SendError};
use crate::tcp::{
    config::{Linger2, SocketConfig},
    congestion::{Algorithm, Congestion},
    context::Cx,
    ecn::OptionPolicy,
    handshake::opening_window,
    log::{put, Kind, Kinds, LossBy},
    mib::Mib,
    pacing::Pacer,
    platform::{Buffer, Platform, SegFlags, SegList, SegTree, TxBuffer},
    recv::{AckOwed, QUICK_ACKS},
    state::{ConnState, Event},
};

impl<P: Platform> Connection<P> {
    /// Active OPEN: the SYN comes out of the next poll.
    pub(crate) fn open_active(&mut self, cx: &Cx<'_, P>, params: OpenParams) {
        let [a, b, c, d, e] = params.fast.words();
        let words = [
            params.iss.raw(),
            params.ts_offset,
            u32::from(params.mss_route),
            u32::from(params.mss_default),
            a,
            b,
            c,
            d,
            e,
        ];
        self.input_at(cx, Kind::InOpen, &words);
        self.change(Event::OpenActive);
        self.send.synchronize(params.iss);
        self.ts.enabled = cx.net.timestamps;
        self.ts.offset = params.ts_offset;
        self.mss_route = params.mss_route;
        self.mss_peer = params.mss_default;
        self.sack_ok = cx.net.sack;
        self.adopt_settings(cx);
        self.bound_windows();
        self.recv.wscale = if cx.net.window_scaling {
            let (rcvbuf, fixed) = (self.recv.rcvbuf, self.rcvbuf_locked);
            let clamp = self.metrics.window_clamp(&self.config);
            window_scale(opening_window(cx, clamp, rcvbuf, fixed, params.mss_route).1)
        } else {
            0
        };
        self.begin_syn(cx, params.fast);
        cx.count(Mib::ActiveOpens);
    }

    /// Most bytes that one buffer should hold: a multiple of the MSS, and no more than half of the
    /// largest window that was offered, or the rest of it would wait for all of that.
    pub(crate) fn size_goal(&self) -> u32 {
        let mss = self.segment_size();
        let most = u32::from(self.gso_max).max(mss);
        let most = most.min((self.send.wnd_max / 2).max(mss));
        most.saturating_sub(most.checked_rem(mss).unwrap_or(0))
            .max(mss)
    }

    /// Payload of a segment, as a rule: less the AccECN option if each has it.
    pub(super) fn segment_size(&self) -> u32 {
        let option = if self.ecn.is_steady() { 12 } else { 0 };
        self.mss().saturating_sub(option).max(1)
    }

    /// Whether data may be queued.
    pub(crate) fn send_check(&self) -> Result<(), SendError> {
        match self.state {
            ConnState::SynReceived if self.fast_open && !self.fin_queued => Ok(()),
            ConnState::SynSent | ConnState::SynReceived if !self.fin_queued => {
                Err(SendError::Connecting)
            }
            state if state.can_send() && !self.fin_queued => Ok(()),
            _ => Err(SendError::Shut),
        }
    }

    /// Room in the send buffer, bytes of true size; 0: full.
    pub(crate) fn send_space(&self) -> u32 {
        let lowat = self.notsent_lowat();
        if lowat != 0 && self.unsent() >= lowat {
            return 0;
        }
        self.send.sndbuf.saturating_sub(self.send.mem)
    }

    /// Whether it is worth waking a writer: a third of the buffer is free, and less than half of
    /// TCP_NOTSENT_LOWAT waits to be sent (Linux' rules).
    pub(crate) fn is_writeable(&self) -> bool {
        let lowat = self.notsent_lowat();
        self.send_space() >= self.send.mem / 2
            && self.send_space() > 0
            && (lowat == 0 || self.unsent() < lowat.div_ceil(2))
    }

    /// TCP_NOTSENT_LOWAT, the user's or the namespace's, bytes; 0: none.
    fn notsent_lowat(&self) -> u32 {
        match self.config.notsent_lowat {
            0 => self.lowat,
            own => own,
        }
    }

    /// The last buffer that was not sent yet, and how many bytes it may still take.
    pub(crate) fn tail_room(&mut self) -> Option<(&mut P::TxBuf, u32)> {
        let goal = self.size_goal();
        let buf = self.send.unsent.back_mut()?;
        if buf.meta().flags.has(SegFlags::END) {
            return None;
        }
        let room = goal.saturating_sub(buf.len());
        (room > 0).then_some((buf, room))
    }

    /// The buffer of [`Self::tail_room`] grew.
    pub(crate) fn appended(&mut self, bytes: u32, truesize: u32) {
        self.send.write_seq = self.send.write_seq.add(bytes);
        self.send.mem = self.send.mem.saturating_add(truesize);
        let end = self.send.write_seq;
        let mut size = 0;
        if let Some(buf) = self.send.unsent.back_mut() {
            buf.meta_mut().end = end;
            size = buf.truesize();
        }
        self.input(Kind::InAppend, &[bytes, truesize, size]);
        self.push_half();
    }

    /// Queues a buffer.
    pub(crate) fn queue(&mut self, mut buf: P::TxBuf) {
        let len = buf.len();
        self.input(Kind::InQueue, &[len, buf.truesize()]);
        self.send.mem = self.send.mem.saturating_add(buf.truesize());
        let meta = buf.meta_mut();
        meta.seq = self.send.write_seq;
        meta.end = self.send.write_seq.add(len);
        meta.flags = SegFlags::default();
        self.send.write_seq = meta.end;
        self.send.unsent.push_back(buf);
        self.push_half();
    }

    /// In a long write PSH is in what fills a buffer once more than half of the largest window was
    /// queued since the last: the reader shall not wait for the rest of what the window takes
    /// (RFC 9293, 3.9.1.2, leaves that to the sender).
    fn push_half(&mut self) {
        // A reason to ask the local queue again.
        self.refused.waits = false;
        let since = self.send.write_seq.distance_from(self.send.pushed);
        if since <= self.send.wnd_max / 2 {
            return;
        }
        let goal = self.size_goal();
        if self
            .send
            .unsent
            .back_mut()
            .is_some_and(|last| last.len() >= goal)
        {
            self.push_last();
        }
    }

    /// What is held back goes now, whatever held it back: TCP_NODELAY is set, TCP_CORK cleared.
    pub(crate) fn push_out(&mut self) {
        self.input(Kind::InLetGo, &[]);
        self.let_go();
    }

    fn let_go(&mut self) {
        self.flush |= self.unsent() > 0;
    }

    /// The user had more to write than there was room for, until there is room again.
    pub(crate) fn want_room(&mut self) {
        self.input(Kind::InWant, &[]);
        self.wants_room = true;
    }

    /// MSG_MORE, or the end of it.
    pub(crate) fn set_more(&mut self, more: bool) {
        self.input(Kind::InMore, &[u32::from(more)]);
        self.more = more;
    }

    /// The last byte queued is the end of a write: PSH (RFC 9293, 3.8.6.3.. SHLD-27).
    pub(crate) fn mark_push(&mut self) {
        self.input(Kind::InPush, &[]);
        self.push_last();
    }

    pub(super) fn push_last(&mut self) {
        if let Some(buf) = self.send.unsent.back_mut() {
            buf.meta_mut().flags.set(SegFlags::PSH);
            self.send.pushed = self.send.write_seq;
        }
    }

    /// The last byte queued is the end of a record (MSG_EOR): what follows goes in a segment of its
    /// own.
    pub(crate) fn mark_end(&mut self) {
        self.input(Kind::InEnd, &[]);
        if let Some(buf) = self.send.unsent.back_mut() {
            buf.meta_mut().flags.set(SegFlags::END);
        }
    }

    /// The user wants to know when the last byte queued leaves, and when it is acknowledged if
    /// `acked`: the buffer that it is in, unless that is gone.
    pub(crate) fn stamp_last(&mut self, acked: bool) -> Option<&mut P::TxBuf> {
        self.input(Kind::InStamp, &[u32::from(acked)]);
        let last = self.send.write_seq.sub(1);
        let buf = match self.send.unsent.back_mut() {
            Some(buf) => buf,
            None => self.send.rtx.at_or_after_mut(last)?,
        };
        buf.set_key(last);
        if acked {
            buf.meta_mut().flags.set(SegFlags::STAMP);
        }
        Some(buf)
    }

    /// The next buffer whose byte with its key was acknowledged, if the user wants to know that.
    #[inline]
    pub(crate) fn take_stamped(&mut self) -> Option<P::TxBuf> {
        self.send.stamped.pop_front()
    }

    /// Unread bytes in order.
    pub(crate) fn recv_len(&self) -> u32 {
        self.recv.unread
    }

    /// Whether the peer can't send a full segment before something is read.
    pub(crate) fn is_recv_full(&self) -> bool {
        self.recv.unread > 0 && self.recv.wnd() < self.recv.peer_mss(self.mss())
    }

    /// Whether the peer's FIN is in order (unread data may be left).
    pub(crate) fn peer_closed(&self) -> bool {
        self.recv.fin_reached
    }

    /// The data to read.
    pub(crate) fn recv_list(&mut self) -> &mut P::RxList {
        &mut self.recv.ready
    }

    /// The user read `n` bytes. May owe a window update (RFC 9293, 3.8.6.2.2).
    pub(crate) fn consume(&mut self, cx: &Cx<'_, P>, n: u32) {
        self.input_at(cx, Kind::InRead, &[n]);
        self.skip(cx, n);
    }

    /// As [`Self::consume`], of what the user will never read.
    pub(in crate::tcp) fn skip(&mut self, cx: &Cx<'_, P>, n: u32) {
        let mss = self.mss();
        let before = self.recv.window_available(mss);
        self.recv.consume(n);
        self.pass_urgent();
        if self.may_grow_rcvbuf(cx) {
            let rtt = self.rtt.srtt().unwrap_or_default();
            let short = cx.net.rcvbuf_low_rtt;
            self.recv.tune(n, cx.now, (rtt, short), cx.net.rmem[2], mss);
        }
        if !self.state.can_receive() {
            return;
        }
        let current = self.recv.wnd();
        let available = self.recv.window_available(mss);
        let twice = current.saturating_mul(2);
        // What would have been offered before the read as well can wait for the next ACK, if the
        // sender has room for some: as behind a SYN-ACK, whose window could not be scaled.
        let waits = before >= twice && current >= mss.saturating_mul(2);
        let opened = available >= twice && available > current && !waits;
        // A user who reads everything and does not answer is a sink: the sender of a last, or of a small,
        // segment waits for the ACK (RFC 9293, 3.7.4). One amid a stream is followed by the second.
        let drained = self.recv.unread == 0 && self.recv.pushed && !self.interactive;
        let full = self.recv.owes_full_segments(self.advertised_mss());
        if opened || (self.recv.owed == AckOwed::Delayed && (full || drained)) {
            self.recv.owed = AckOwed::Now;
        }
    }

    /// Ends the sending side: a FIN follows what is queued.
    pub(crate) fn shutdown_send(&mut self, cx: &Cx<'_, P>) {
        self.input_at(cx, Kind::InShutSend, &[]);
        self.queue_fin(cx);
    }

    fn queue_fin(&mut self, cx: &Cx<'_, P>) {
        match self.state {
            ConnState::SynSent => self.finish(),
            ConnState::SynReceived | ConnState::Established | ConnState::CloseWait => {
                self.fin_queued = true;
                // RFC 9293, 3.10.4 lets the FIN wait in SYN-RECEIVED: until our SYN is
                // acknowledged, that is what has to be sent again.
                if self.state != ConnState::SynReceived {
                    self.change(Event::Close);
                }
                self.flush = true;
                self.more = false;
                self.last_recv = self.last_recv.max(cx.now);
            }
            _ => {}
        }
    }

    /// Ends the receiving side: nothing more is read.
    pub(crate) fn shutdown_recv(&mut self) {
        self.input(Kind::InShutRecv, &[]);
        self.recv_shut = true;
    }

    /// The user's last CLOSE. Unread data means that something was lost, and the peer shall know:
    /// RST (RFC 9293, 3.6.1; RFC 2525, 2.17). Otherwise FIN, and the connection goes on alone.
    pub(crate) fn close(&mut self, cx: &Cx<'_, P>) {
        self.input_at(cx, Kind::InClose, &[]);
        self.orphan = true;
        self.recv_shut = true;
        let unread = self.recv.unread > 0;
        self.recv.purge();
        match self.state {
            ConnState::SynSent => self.finish(),
            ConnState::Closed | ConnState::Listen | ConnState::TimeWait => {}
            _ if unread => {
                cx.count(Mib::TCPAbortOnClose);
                self.reset_now(cx);
            }
            ConnState::FinWait2 if self.config.linger2 == Linger2::Never => {
                cx.count(Mib::TCPAbortOnLinger);
                self.reset_now(cx);
            }
            ConnState::FinWait2 => self.events.set(Events::TIME_WAIT),
            _ => {
                if !self.yields_to_crowd(cx) {
                    self.queue_fin(cx);
                }
            }
        }
    }

    /// ABORT: RST, and everything is dropped.
    pub(crate) fn abort(&mut self, cx: &Cx<'_, P>) {
        self.input_at(cx, Kind::InAbort, &[]);
        self.reset_now(cx);
    }

    pub(super) fn reset_now(&mut self, cx: &Cx<'_, P>) {
        match self.state {
            ConnState::SynReceived
            | ConnState::Established
            | ConnState::FinWait1
            | ConnState::FinWait2
            | ConnState::CloseWait => {
                cx.count(Mib::EstabResets);
                self.rst_pending = Some(self.send.nxt);
            }
            _ => {}
        }
        self.finish();
    }

    /// Whether the user is gone.
    pub(crate) fn is_orphan(&self) -> bool {
        self.orphan
    }

    /// Chooses the congestion control, at any time (TCP_CONGESTION). The window stays.
    #[allow(dead_code)] // For the simulator; the kernel's way is `configure()`.
    pub(crate) fn set_congestion(&mut self, algorithm: Algorithm) {
        put(&mut self.send.log, Kind::InAlgorithm, &algorithm);
        self.exchange_congestion(algorithm);
    }

    pub(super) fn exchange_congestion(&mut self, algorithm: Algorithm) {
        self.config.congestion = Some(algorithm);
        self.cc.switch(algorithm);
        self.adopt(algorithm);
    }

    /// What a congestion control asks of the rest of the connection.
    fn adopt(&mut self, algorithm: Algorithm) {
        self.ecn.set_exact(algorithm.needs_ecn());
        self.pacing.set_needed(algorithm.needs_pacing());
    }

    /// Who paces segments, and the most bytes a second (SO_MAX_PACING_RATE; `u64::MAX`: any). As
    /// in Linux a limit is reason enough to pace.
    pub(crate) fn set_pacing(&mut self, pacer: Pacer, most: u64) {
        if self.logs(Kinds::INPUTS) && self.pacing.asked() != (pacer, most) {
            let words = [pacer as u32, most as u32, (most >> 32) as u32];
            self.input(Kind::InPacing, &words);
        }
        self.pacing.set_pacer(pacer, most);
    }

    /// When the AccECN option is sent, which a namespace may change at any time.
    pub(crate) fn set_ecn_option(&mut self, policy: OptionPolicy) {
        if self.ecn.policy() == policy {
            return;
        }
        put(&mut self.send.log, Kind::InEcn, &policy);
        self.ecn.set_policy(policy);
    }

    /// Sets the options.
    pub(crate) fn configure(&mut self, cx: &Cx<'_, P>, config: SocketConfig) {
        if self.logs(Kinds::INPUTS) {
            self.tick(cx);
            put(&mut self.send.log, Kind::InSocket, &config);
        }
        let old = core::mem::replace(&mut self.config, config);
        if (old.cork && !config.cork) || (!old.nodelay && config.nodelay) {
            self.let_go();
        }
        self.recv.clamp = self.metrics.window_clamp(&config);
        if old.notsent_lowat != config.notsent_lowat {
            self.events.set(Events::WRITABLE);
        }
        if self.state.is_synchronized() {
            // The MSS was agreed on; TCP_MAXSEG comes too late, as in Linux.
            self.config.user_mss = old.user_mss;
        }
        if let Some(algorithm) = config.congestion {
            self.exchange_congestion(algorithm);
        }
        if old.tx_delay != config.tx_delay {
            self.rtt.shift(old.tx_delay(), config.tx_delay());
        }
        if old.keepalive != config.keepalive || old.keepidle != config.keepidle {
            self.touch_keepalive(cx);
        }
    }

    /// TCP_QUICKACK: `on` ends the mode in which ACKs wait for data to ride on, and sends what is
    /// owed; otherwise that mode begins. Neither lasts: the connection goes on learning
    /// (RFC 9293, 3.8.6.3 leaves the choice to us). Tells whether an ACK was owed.
    pub(crate) fn set_quickack(&mut self, on: bool) -> bool {
        self.input(Kind::InQuick, &[u32::from(on)]);
        self.interactive = !on;
        let owed = self.recv.owed == AckOwed::Delayed;
        if on {
            self.recv.quick = self.recv.quick.max(QUICK_ACKS);
            if owed {
                self.recv.owed = AckOwed::Now;
            }
        } else {
            self.recv.quick = 0;
        }
        owed
    }

    /// Whether ACKs do not wait for data to ride on.
    pub(crate) fn quickack(&self) -> bool {
        !self.interactive
    }

    /// The largest window that will be offered, bytes.
    pub(crate) fn window_bound(&self) -> u32 {
        self.recv.window_bound()
    }

    /// TSval as a segment sent now would carry it.
    pub(crate) fn timestamp(&self, cx: &Cx<'_, P>) -> u32 {
        self.ts.val(cx.now)
    }

    /// Sets the sizes of the buffers, bytes of true size, and whether the user fixed them.
    pub(crate) fn set_buffers(&mut self, sndbuf: u32, rcvbuf: u32, locked: (bool, bool)) {
        let new = (sndbuf, rcvbuf, locked);
        let old = (
            self.send.sndbuf,
            self.recv.rcvbuf,
            (self.sndbuf_locked, self.rcvbuf_locked),
        );
        if self.logs(Kinds::INPUTS) && new != old {
            let (send, receive) = (u32::from(locked.0), u32::from(locked.1));
            self.input(Kind::InBuffers, &[sndbuf, rcvbuf, send, receive]);
        }
        self.send.sndbuf = sndbuf;
        self.recv.rcvbuf = rcvbuf;
        self.sndbuf_locked = locked.0;
        self.rcvbuf_locked = locked.1;
    }

    /// The sizes of the buffers, which autotuning may have moved.
    pub(crate) fn buffers(&self) -> (u32, u32) {
        (self.send.sndbuf, self.recv.rcvbuf)
    }

    /// What the route takes: segment size, and bytes in one super-segment (0: no offload).
    pub(crate) fn set_path(&mut self, mss_route: u16, gso_max: u32) {
        let gso_max = u16::try_from(gso_max).unwrap_or(u16::MAX).min(MOST_IN_ONE);
        if (self.mss_route, self.gso_max) != (mss_route, gso_max) {
            self.note_path(mss_route, gso_max, self.ip_options);
        }
        self.gso_max = gso_max;
        if self.mss_route != mss_route {
            self.mss_route = mss_route;
            self.limit_segments();
        }
    }

    /// Bytes of options, or extension headers, that each packet has between IP's header and TCP's. They
    /// leave less for data (RFC 9293, 3.7.1, MUST-16), and the MSS that the peer is told as it is (RFC
    /// 6691, 3).
    pub(crate) fn set_ip_options(&mut self, bytes: u16) {
        if self.ip_options != bytes {
            self.note_path(self.mss_route, self.gso_max, bytes);
            self.ip_options = bytes;
            self.limit_segments();
        }
    }

    /// Packets have room for more, or less, than before.
    fn limit_segments(&mut self) {
        self.search
            .limit(self.mss_route.saturating_sub(self.ip_options));
        // What the peer takes is known.
        if self.state.is_synchronized() || self.state == ConnState::SynReceived {
            self.update_mss();
        }
    }

    /// An ICMP error came for a segment with sequence number `seq` (RFC 5927, section 4).
    pub(crate) fn handle_icmp(
        &mut self,
        cx: &Cx<'_, P>,
        seq: crate::tcp::seq::SeqNum,
        error: super::IcmpError,
    ) {
        self.input_at(cx, Kind::InIcmp, &[seq.raw(), error as u32]);
        if !self.concerns(seq) {
            return;
        }
        if matches!(error, super::IcmpError::Host | super::IcmpError::Net) {
            self.ease_backoff(cx, seq);
        }
        let fast = self.is_fast_open();
        let reason = error.reason();
        // RFC 9293, 3.9.2.2 (MUST-56): not an abort once the connection is open. Its user hears of it, as
        // of an error of one call, if asked to; else when the connection ends for it.
        if matches!(self.state, ConnState::SynSent) || fast {
            self.fail(reason);
        } else if self.config.tells_icmp && self.state.is_synchronized() {
            self.error = Some(reason);
            self.events.set(Events::ERROR);
        } else {
            self.soft_error = Some(reason);
        }
    }

    /// Whether an ICMP error came of which nothing that was acknowledged since took the sting.
    pub(crate) fn has_soft_error(&self) -> bool {
        self.soft_error.is_some()
    }

    /// Whether an ICMP error about `seq` may be about this connection.
    pub(crate) fn concerns(&self, seq: crate::tcp::seq::SeqNum) -> bool {
        self.is_out(seq) || (self.is_fast_open() && seq == self.send.iss)
    }

    /// Whether `seq` is out and not acknowledged: an ICMP error about anything else is a forgery
    /// or too late (RFC 5927, section 4).
    pub(crate) fn is_out(&self, seq: crate::tcp::seq::SeqNum) -> bool {
        seq.after_or_eq(self.send.una) && seq.before(self.send.nxt)
    }

    /// ICMP says of the segment numbered `seq` that the path takes less than was thought, segments
    /// of `mss_route` bytes: what is out is cut anew and sent again. What was never sent, or has
    /// arrived, can't have been too large: a forgery (RFC 5927, section 7.2).
    pub(crate) fn handle_mtu(
        &mut self,
        cx: &Cx<'_, P>,
        seq: crate::tcp::seq::SeqNum,
        mss_route: u16,
    ) {
        self.input_at(cx, Kind::InMtu, &[seq.raw(), u32::from(mss_route)]);
        if mss_route >= self.mss_route || !self.is_out(seq) {
            return;
        }
        self.mss_route = mss_route.max(MIN_ROUTE_MSS);
        self.search
            .limit(self.mss_route.saturating_sub(self.ip_options));
        let before = self.mss_eff;
        self.update_mss();
        self.unload_syn();
        if self.mss_eff == before {
            // Segments are smaller than that already: the probe alone can be too large.
            self.on_mtu_probe_refused(cx);
        } else if self.send.in_flight() > 0 && self.state.is_synchronized() {
            self.search.inconclusive();
            // Not a sign of congestion: the window stays (RFC 1191, section 6.4).
            let _ = self.send.mark_all_lost();
            self.log_loss(cx, LossBy::Size, self.send.lost);
            self.send.force_one = true;
            self.rearm_retransmit(cx);
        }
    }

    /// The congestion state of a connection that starts now.
    pub(super) fn start_congestion(&mut self, cx: &Cx<'_, P>) {
        let algorithm = self.congestion(cx.net);
        self.cc = Congestion::new(algorithm, self.mss());
        self.adopt(algorithm);
        self.adopt_settings(cx);
        self.bound_windows();
    }

    /// What the namespace says, for the parts that don't see its settings.
    pub(super) fn adopt_settings(&mut self, cx: &Cx<'_, P>) {
        let net = cx.net;
        self.send.rack.set_rules(net.recovery, net.reordering);
        self.recv.reports_twice = net.dsack;
        self.recv.signed = net.workaround_signed_windows;
        self.lowat = match net.notsent_lowat {
            u32::MAX => 0,
            // With none at all nobody could ever write.
            bytes => bytes.max(1),
        };
    }
}

/// Most payload of a packet, with the longest headers of IPv4 and TCP.
const MOST_IN_ONE: u16 = 65_535 - 60 - 60;

/// The smallest route MSS that ICMP may talk us into: 552 less headers, as Linux' min_pmtu.
const MIN_ROUTE_MSS: u16 = 512;

/// The smallest shift with which 16 bits reach `space`.
pub(crate) fn window_scale(space: u32) -> u8 {
    let mut shift = 0u8;
    let mut space = space;
    while space > 65_535 && shift < 14 {
        space >>= 1;
        shift = shift.saturating_add(1);
    }
    shift
}

#[cfg(test)]
mod tests {
    use super::window_scale;

    #[test]
    fn rfc7323_2_2_window_scale_reaches_the_buffer() {
        assert_eq!(window_scale(65_535), 0);
        assert_eq!(window_scale(65_536), 1);
        assert_eq!(window_scale(6_291_456), 7);
        assert_eq!(window_scale(u32::MAX), 14);
    }
}
