// SPDX-License-Identifier: GPL-2.0

//! The active side of the handshake, simultaneous open included (RFC 9293, section 3.10.7.3).

use super::{CloseReason, Connection, Disposition, DropReason, Events};
use crate::tcp::{
    context::Cx,
    metrics::Advice,
    mib::Mib,
    platform::Platform,
    recv::AckOwed,
    state::{ConnState, Event},
    time::Instant,
    timers::Timer,
    wire::{Flags, Header, Segment},
};

impl<P: Platform> Connection<P> {
    /// RFC 9293, 3.10.7.3.
    pub(super) fn in_syn_sent(
        &mut self,
        cx: &Cx<'_, P>,
        seg: &Segment,
        buf: Option<P::RxBuf>,
    ) -> Disposition<P> {
        let ack = seg.header.ack;
        let has_ack = seg.has(Flags::ACK);
        let is_ours = ack.after(self.send.iss) && ack.before_or_eq(self.send.nxt);
        if has_ack && (!is_ours || self.is_held()) {
            if seg.has(Flags::RST) {
                return Disposition::Drop(DropReason::BadAck, buf);
            }
            let reply = Header {
                seq: ack,
                flags: Flags::RST,
                ..Header::default()
            };
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
            self.syn_acked(cx, ack);
            self.send.wnd = u32::from(seg.header.wnd);
            self.synchronized(cx, seg);
            self.fast_answered(cx, seg);
            let done = match self.take_synack_data(cx, seg, buf) {
                Ok(done) => done,
                // Data on another SYN-ACK is not acknowledged and comes again.
                Err(Some(buf)) => Disposition::Drop(DropReason::BadState, Some(buf)),
                Err(None) => Disposition::Done,
            };
            self.recv.owed = AckOwed::Now;
            return done;
        }
        // SYNs crossed: simultaneous open (RFC 9293, figure 7).
        self.change(Event::RecvSyn);
        self.syn_pending = true;
        self.end_row();
        self.timers.stop(Timer::Retransmit);
        Disposition::Drop(DropReason::BadState, buf)
    }

    /// Takes what a SYN says: numbers and options.
    fn learn_syn(&mut self, cx: &Cx<'_, P>, seg: &Segment) {
        let options = &seg.header.options;
        let offered = self.recv.wnd();
        self.recv.synchronize(seg.header.seq, offered);
        // Without the option it stays what its family's peers take.
        if let Some(mss) = options.mss.filter(|mss| *mss != 0) {
            self.mss_peer = mss;
        }
        match options.wscale {
            // RFC 7323, 2.3: a shift above 14 is taken as 14.
            Some(shift) if cx.net.window_scaling => {
                self.send.wscale = shift.min(14);
                self.scaling = true;
            }
            _ => {
                self.send.wscale = 0;
                self.recv.wscale = 0;
            }
        }
        self.sack_ok &= options.sack_permitted;
        let marked = self
            .ecn
            .on_syn(seg.header.flags, seg.codepoint, options.acc_ecn);
        match options.timestamps {
            Some(ts) if self.ts.enabled => {
                self.ts.recent = ts.val;
                self.ts.recent_at = cx.now;
            }
            _ => self.ts.enabled = false,
        }
        self.begin_mtu_search(cx);
        self.update_mss();
        self.start_congestion(cx);
        if marked {
            self.cc.on_handshake_congestion(self.mss());
        }
    }

    /// Whether a segment answers our SYN, so that the connection is open once it was handled (RFC
    /// 9293, 3.10.7.3).
    pub(crate) fn is_answer(&self, seg: &Segment) -> bool {
        let ack = seg.header.ack;
        self.state == ConnState::SynSent
            && seg.has(Flags::SYN)
            && seg.has(Flags::ACK)
            && !seg.has(Flags::RST)
            && ack.after(self.send.iss)
            && !ack.after(self.send.nxt)
    }

    /// What the handshake's round trip tells: the first sample, and whether the path is bad.
    fn measure_handshake(&mut self, cx: &Cx<'_, P>, seg: &Segment) {
        // None if the SYN was sent again: then by timestamp, or not at all (Karn).
        let sent_at = Some(self.syn_sent_at).filter(|at| *at != Instant::default());
        let sample = self.take_rtt(cx, seg, sent_at, sent_at.is_none());
        if self.retries == 0 {
            return;
        }
        if sample.is_none() {
            self.rtt.after_slow_handshake();
        }
        // RFC 5681, 3.1: one segment, if a SYN or its answer was lost. As in Linux not for the first:
        // a time-out of a second is easily too short (RFC 6298, 2.1), nor if all were too short.
        let since_first = cx.now.since(self.retries_since);
        let mistaken = sample.is_some_and(|rtt| rtt > since_first);
        if self.retries > 1 && !mistaken {
            self.cc.on_handshake_congestion(self.mss());
        }
    }

    /// The handshake is complete.
    pub(super) fn synchronized(&mut self, cx: &Cx<'_, P>, seg: &Segment) {
        self.change(Event::Synchronized);
        self.send.wl1 = seg.header.seq;
        self.send.wnd_max = self.send.wnd_max.max(self.send.wnd);
        self.measure_handshake(cx, seg);
        self.advice = Some(Advice::Arrives);
        let srtt = self.rtt.srtt().unwrap_or_default();
        self.pacing.set_least(cx.net.min_tso_segs);
        self.pacing.set_short(cx.net.tso_rtt_log);
        self.set_pace(cx, srtt);
        self.end_row();
        self.rtt.reset_backoff();
        self.syn_pending = false;
        self.opened = cx.now;
        self.recv.shrinks = cx.net.shrink_window && self.recv.wscale > 0;
        self.recv.begin_tuning(self.advertised_mss());
        self.send.high_sacked = self.send.una;
        self.timers.stop(Timer::Retransmit);
        self.events.set(Events::CONNECTED);
        self.events.set(Events::WRITABLE);
        // Room for the initial window and as much again, from the first byte on.
        self.grow_sndbuf(cx);
        self.touch_keepalive(cx);
        if self.fin_queued {
            // The user closed before the handshake was complete.
            self.change(Event::Close);
        }
    }
}
