// SPDX-License-Identifier: GPL-2.0

//! What a connection tells its log, if it has one.

use super::{CloseReason, Connection};
use crate::tcp::{
    context::Cx,
    handshake::SynRcvd,
    log::{halves, header_words, put, HeaderWords, Kind, Kinds, LossBy, Reason, Recorder, WORDS},
    platform::{Buffer, Platform},
    send::Recovery,
    time::Duration,
    wire::{Header, Segment},
};

/// What goes out, without the payload itself.
pub(super) struct Outgoing {
    pub(super) header: Header,
    /// Where the payload is, and how long it is.
    pub(super) payload: Option<crate::tcp::seq::SeqNum>,
    pub(super) len: u32,
    pub(super) gso_size: u16,
    pub(super) departure: crate::tcp::time::Instant,
    pub(super) codepoint: crate::tcp::wire::Codepoint,
    pub(super) ace: bool,
    pub(super) reason: Reason,
}

fn micros(span: Duration) -> u32 {
    u32::try_from(span.as_micros()).unwrap_or(u32::MAX)
}

/// Which phase of loss recovery it is, as a number.
fn phase(recovery: Recovery) -> u8 {
    match recovery {
        Recovery::Open => 0,
        Recovery::Fast(_) => 1,
        Recovery::Loss(_) => 2,
    }
}

/// What a connection was made of.
#[derive(Clone, Copy)]
pub(crate) enum Origin<'a> {
    /// Of nothing.
    New,
    /// Of a half-open entry.
    HalfOpen(&'a SynRcvd),
    /// Of a half-open entry and the SYN that it came of, at once (RFC 7413).
    FastSyn(&'a SynRcvd, &'a Segment),
}

impl<P: Platform> Connection<P> {
    /// Gives the connection a log. For one that can be replayed it has to be a new one, or one
    /// just made, of what `origin` tells.
    pub(crate) fn start_log(&mut self, cx: &Cx<'_, P>, log: P::Log, origin: Origin<'_>) {
        self.send.log = log;
        if !self.logs(Kinds::INPUTS) {
            return;
        }
        self.tick(cx);
        put(&mut self.send.log, Kind::InNet, cx.net);
        put(&mut self.send.log, Kind::InSocket, &self.config);
        if let Origin::HalfOpen(entry) | Origin::FastSyn(entry, _) = origin {
            put(&mut self.send.log, Kind::InHalfOpen, entry);
        }
        if let Origin::FastSyn(_, seg) = origin {
            self.note_segment(Kind::InFastSyn, seg, None);
        }
        let words = [
            self.send.sndbuf,
            self.recv.rcvbuf,
            u32::from(self.sndbuf_locked),
            u32::from(self.rcvbuf_locked),
        ];
        self.input(Kind::InBuffers, &words);
        self.note_path(self.mss_route, self.gso_max, self.ip_options);
        let (pacer, most) = self.pacing.asked();
        let words = [pacer as u32, most as u32, (most >> 32) as u32];
        self.input(Kind::InPacing, &words);
    }

    /// The log, to be read.
    pub(crate) fn log(&mut self) -> &mut P::Log {
        &mut self.send.log
    }

    /// Whether any of these is wanted.
    #[inline]
    pub(super) fn logs(&self, kinds: Kinds) -> bool {
        self.send.log.kinds().has(kinds)
    }

    /// Sets the log's clock.
    #[inline]
    pub(super) fn tick(&mut self, cx: &Cx<'_, P>) {
        if self.send.log.kinds() != Kinds::NONE {
            if let Some(ring) = self.send.log.ring() {
                ring.now = cx.now;
            }
        }
    }

    /// A call, with its arguments.
    #[inline]
    pub(in crate::tcp) fn input(&mut self, kind: Kind, words: &[u32]) {
        if self.logs(Kinds::INPUTS) {
            self.send.log.note(Kinds::INPUTS, kind, 0, 0, words);
        }
    }

    /// What the route takes, as the connection is told it.
    pub(super) fn note_path(&mut self, mss_route: u16, gso_max: u16, ip_options: u16) {
        let words = [mss_route, gso_max, ip_options].map(u32::from);
        self.input(Kind::InPath, &words);
    }

    /// A call at a time, with its arguments.
    #[inline]
    pub(super) fn input_at(&mut self, cx: &Cx<'_, P>, kind: Kind, words: &[u32]) {
        if self.send.log.kinds() != Kinds::NONE {
            self.tick(cx);
            self.input(kind, words);
        }
    }

    /// A segment arrived and is about to be looked at.
    #[inline]
    pub(super) fn log_segment(&mut self, cx: &Cx<'_, P>, seg: &Segment, buf: Option<&P::RxBuf>) {
        if self.send.log.kinds() != Kinds::NONE {
            self.log_segment_now(cx, seg, buf);
        }
    }

    #[cold]
    fn log_segment_now(&mut self, cx: &Cx<'_, P>, seg: &Segment, buf: Option<&P::RxBuf>) {
        self.tick(cx);
        if self.logs(Kinds::INPUTS) {
            self.note_segment(Kind::InSegment, seg, buf);
        }
    }

    fn note_segment(&mut self, kind: Kind, seg: &Segment, buf: Option<&P::RxBuf>) {
        let HeaderWords {
            fixed: [a, b, c, d, e, f, g],
            acc_ecn: [h, i],
            sack,
            blocks,
        } = header_words(&seg.header);
        let codepoint = u32::from(seg.codepoint.bits()) | u32::from(buf.is_some()) << 8;
        let size = buf.map_or(0, Buffer::truesize);
        let len = seg.payload_len;
        let joined = u32::from(seg.joined);
        let words = [a, b, c, d, e, f, g, len, size, codepoint, h, i, joined];
        let log = &mut self.send.log;
        log.note(Kinds::INPUTS, kind, 0, blocks, &words);
        if blocks > 0 {
            log.note(Kinds::INPUTS, Kind::Sack, 0, blocks, &sack);
        }
        self.note_cookie(&seg.header);
    }

    /// The Fast Open option of the header just noted.
    fn note_cookie(&mut self, header: &Header) {
        if let Some(option) = &header.options.fast_open {
            self.input(Kind::Cookie, &option.words());
        }
    }

    /// A segment was worked off.
    #[inline]
    pub(super) fn log_received(&mut self, cx: &Cx<'_, P>, seg: &Segment, reply: Option<&Header>) {
        if self.send.log.kinds() != Kinds::NONE {
            self.log_received_now(cx, seg, reply);
        }
    }

    #[cold]
    fn log_received_now(&mut self, cx: &Cx<'_, P>, seg: &Segment, reply: Option<&Header>) {
        if let Some(reply) = reply {
            let words = header_words(reply).fixed;
            self.send
                .log
                .note(Kinds::INPUTS, Kind::OutReply, 0, 0, &words);
        }
        if self.logs(Kinds::EVENTS) {
            let flags = seg.header.flags.word();
            self.event(
                cx,
                Kind::Received,
                0,
                flags,
                seg.header.seq.raw(),
                seg.payload_len,
            );
            self.settle(cx);
        }
    }

    /// The result of a poll.
    #[cold]
    pub(super) fn log_polled(&mut self, cx: &Cx<'_, P>, out: Option<&Outgoing>) {
        self.tick(cx);
        if self.logs(Kinds::EVENTS) {
            self.settle(cx);
            match out {
                Some(out) => {
                    let (header, cause) = (&out.header, out.reason as u8);
                    let flags = header.flags.word();
                    self.event(cx, Kind::Sent, cause, flags, header.seq.raw(), out.len);
                }
                None => self.log_held(cx),
            }
        }
        if !self.logs(Kinds::INPUTS) {
            return;
        }
        let Some(out) = out else {
            let words = self.standing();
            let state = self.state as u8;
            let log = &mut self.send.log;
            log.note(Kinds::INPUTS, Kind::OutNothing, state, 0, &words);
            return;
        };
        let HeaderWords {
            fixed: [a, b, c, d, e, f, g],
            acc_ecn: [h, i],
            sack,
            blocks,
        } = header_words(&out.header);
        let bits = u32::from(out.gso_size)
            | u32::from(out.codepoint.bits()) << 16
            | u32::from(out.ace) << 24;
        let (low, high) = halves(out.departure);
        let words = [a, b, c, d, e, f, g, out.len, bits, low, high, h, i];
        let log = &mut self.send.log;
        let reason = out.reason as u8;
        log.note(Kinds::INPUTS, Kind::OutSegment, reason, blocks, &words);
        if blocks > 0 {
            log.note(Kinds::INPUTS, Kind::Sack, 0, blocks, &sack);
        }
        self.note_cookie(&out.header);
    }

    /// Where the connection stands: what has to be the same in a replay.
    pub(crate) fn standing(&self) -> [u32; WORDS] {
        let (low, high) = halves(self.timers.next().unwrap_or_default());
        [
            low,
            high,
            self.send.una.raw(),
            self.send.nxt.raw(),
            self.cc.cwnd(),
            self.cc.ssthresh(),
            self.send.pipe(),
            self.send.mem,
            self.recv.nxt.raw(),
            self.recv.adv.raw(),
            self.recv.mem(),
            self.send.sndbuf,
            self.recv.rcvbuf,
        ]
    }

    /// Why nothing more is sent, unless that was told and nothing was sent since.
    fn log_held(&mut self, cx: &Cx<'_, P>) {
        let held = Some((self.why, self.send.nxt.raw()));
        let Some(ring) = self.send.log.ring() else {
            return;
        };
        if ring.seen.held == held {
            return;
        }
        ring.seen.held = held;
        let unsent = self.unsent();
        let nxt = self.send.nxt.raw();
        self.event(cx, Kind::Held, self.why as u8, 0, nxt, unsent);
    }

    /// Tells what changed since the last time: state, window, time-out, recovery, segment size.
    pub(super) fn settle(&mut self, cx: &Cx<'_, P>) {
        let srtt = self.rtt.srtt().unwrap_or_default();
        let rto = self.rto(cx);
        let metrics = [
            self.cc.cwnd(),
            self.cc.ssthresh(),
            micros(rto),
            micros(srtt),
        ];
        let (state, recovery, mss) = (self.state, self.send.recovery, self.mss());
        let Some(ring) = self.send.log.ring() else {
            return;
        };
        let old = ring.seen;
        ring.seen.state = state;
        ring.seen.recovery = recovery;
        ring.seen.metrics = metrics;
        ring.seen.mss = mss;
        if old.state != state {
            let reason = match self.error {
                None => 0,
                Some(CloseReason::ConnectionRefused) => 1,
                Some(CloseReason::ConnectionReset) => 2,
                Some(CloseReason::BrokenPipe) => 3,
                Some(CloseReason::TimedOut) => 4,
                Some(CloseReason::HostUnreachable) => 5,
                Some(CloseReason::NetUnreachable) => 6,
                Some(CloseReason::Prohibited) => 7,
                Some(CloseReason::NoProtocol) => 8,
                Some(CloseReason::BadHeader) => 9,
            };
            self.event(cx, Kind::State, state as u8, old.state as u16, 0, reason);
        }
        if old.mss != mss {
            self.event(cx, Kind::Path, 0, 0, 0, mss);
        }
        if old.recovery != recovery {
            let (now, before) = (phase(recovery), phase(old.recovery));
            let point = match recovery {
                Recovery::Open => self.send.una,
                Recovery::Fast(point) | Recovery::Loss(point) => point,
            };
            self.event(cx, Kind::Recovery, now, u16::from(before), point.raw(), 0);
        }
        if old.metrics != metrics {
            self.event(cx, Kind::Metrics, 0, 0, 0, 0);
        }
    }

    /// So many bytes were taken to be lost.
    #[inline]
    pub(super) fn log_loss(&mut self, cx: &Cx<'_, P>, by: LossBy, bytes: u32) {
        if bytes > 0 && self.logs(Kinds::EVENTS) {
            let una = self.send.una.raw();
            self.event(cx, Kind::Loss, by as u8, 0, una, bytes);
        }
    }

    /// An event that is rare.
    #[inline]
    pub(super) fn log_event(&mut self, cx: &Cx<'_, P>, kind: Kind, cause: u8, len: u32) {
        if self.logs(Kinds::EVENTS) {
            let una = self.send.una.raw();
            self.event(cx, kind, cause, 0, una, len);
        }
    }

    /// Appends an event, with where the connection stands.
    #[cold]
    fn event(&mut self, cx: &Cx<'_, P>, kind: Kind, cause: u8, more: u16, seq: u32, len: u32) {
        let words = [
            seq,
            len,
            self.send.una.raw(),
            self.send.nxt.raw(),
            self.cc.cwnd(),
            self.cc.ssthresh(),
            self.send.pipe(),
            self.send.window_left(),
            micros(self.rtt.srtt().unwrap_or_default()),
            micros(self.rto(cx)),
            self.unsent(),
            self.recv.nxt.raw(),
            self.recv.wnd(),
        ];
        self.send.log.note(Kinds::EVENTS, kind, cause, more, &words);
    }
}

impl Outgoing {
    /// A segment without payload.
    pub(super) fn bare<P: Platform>(cx: &Cx<'_, P>, header: Header, reason: Reason) -> Self {
        Self {
            header,
            payload: None,
            len: 0,
            gso_size: 0,
            departure: cx.now,
            codepoint: crate::tcp::wire::Codepoint::NotEct,
            ace: false,
            reason,
        }
    }
}
