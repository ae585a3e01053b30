// SPDX-License-Identifier: GPL-2.0

//! The passive side of the handshake: what a listener does with a segment, and the half-open
//! entry that waits for the last ACK (RFC 9293, sections 3.5 and 3.10.7.2 to 3.10.7.4).
//!
//! A half-open connection is not a [`Connection`](super::connection::Connection): all that it has
//! to remember fits in [`SynRcvd`], so that a flood of SYNs costs little memory.

pub(crate) mod cookie;
pub(crate) mod fast_open;

use super::{
    config::SocketConfig,
    congestion::Algorithm,
    connection::{reset_for, DropReason, Timestamping},
    context::Cx,
    ecn::{Kind, Opening},
    metrics::Metrics,
    mib::Mib,
    platform::Platform,
    recv::SIGNED,
    seq::SeqNum,
    time::{Duration, Instant},
    wire::{Flags, Header, Options, Segment, Timestamps},
};

/// What a listener does with a segment.
#[must_use]
pub(crate) enum OnListen {
    /// A SYN: make a [`SynRcvd`] of it.
    Syn,
    /// Answer with this header.
    Reset(Header),
    /// Nothing.
    Drop(DropReason),
}

/// RFC 9293, 3.10.7.2.
pub(crate) fn on_listen_segment(seg: &Segment) -> OnListen {
    if seg.has(Flags::RST) {
        return OnListen::Drop(DropReason::BadState);
    }
    if seg.has(Flags::ACK) {
        return match reset_for(seg) {
            Some(header) => OnListen::Reset(header),
            None => OnListen::Drop(DropReason::BadState),
        };
    }
    if seg.has(Flags::SYN) && !seg.has(Flags::FIN) {
        return OnListen::Syn;
    }
    OnListen::Drop(DropReason::BadState)
}

/// What the listener's side brings to a new half-open connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SynParams {
    /// Initial send sequence number.
    pub(crate) iss: SeqNum,
    /// Added to the clock to make timestamps.
    pub(crate) ts_offset: u32,
    /// Largest segment that the route takes, bytes.
    pub(crate) mss_route: u16,
    /// What a peer takes that does not say: [`default_mss`] of the family.
    ///
    /// [`default_mss`]: super::connection::default_mss
    pub(crate) mss_default: u16,
    /// The listener's receive buffer, bytes of true size.
    pub(crate) rcvbuf: u32,
    /// The user fixed that size.
    pub(crate) fixed: bool,
    /// What the route says.
    pub(crate) metrics: Metrics,
}

/// A half-open connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SynRcvd {
    /// Initial send sequence number.
    pub(crate) iss: SeqNum,
    /// Initial receive sequence number.
    pub(crate) irs: SeqNum,
    /// The window that the SYN-ACK offers, bytes.
    pub(crate) wnd: u16,
    /// The peer's MSS option.
    pub(crate) mss_peer: u16,
    /// What the route takes.
    pub(crate) mss_route: u16,
    /// What the MSS option says.
    pub(crate) mss_ours: u16,
    /// Our window scale, if the peer offered one.
    pub(crate) wscale_ours: Option<u8>,
    /// The peer's window scale.
    pub(crate) wscale_peer: Option<u8>,
    /// Both sides offered SACK.
    pub(crate) sack_ok: bool,
    /// ECN as both sides agreed.
    pub(crate) ecn: Opening,
    /// Timestamps.
    pub(crate) ts: Timestamping,
    /// SYN-ACKs sent again.
    pub(crate) retries: u8,
    /// When something that moved nothing was last answered, or zero.
    last_reply: Instant,
    /// When the first SYN-ACK was sent.
    pub(crate) sent_at: Instant,
    /// TCP_DEFER_ACCEPT: time-outs to wait for data.
    defer: u8,
    /// The handshake is complete, only that no data came yet.
    acked: bool,
    /// When the SYN-ACK is due again.
    deadline: Instant,
}

crate::tcp::log::fields!(SynRcvd {
    iss,
    irs,
    wnd,
    mss_peer,
    mss_route,
    mss_ours,
    wscale_ours,
    wscale_peer,
    sack_ok,
    ecn,
    ts,
    retries,
    last_reply,
    sent_at,
    defer,
    acked,
    deadline,
});

const _: () = assert!(core::mem::size_of::<SynRcvd>() <= 192);

/// What became of a segment for a half-open connection.
#[must_use]
pub(crate) enum SynRcvdOn {
    /// The handshake is complete: make a connection, and feed it this segment.
    Establish,
    /// Send this.
    Reply(Header, DropReason),
    /// The peer reset it.
    Remove,
    /// The peer is to be reset with this.
    Abort(Header),
    /// Nothing.
    Drop(DropReason),
}

/// What an expired timer means for a half-open connection.
#[must_use]
pub(crate) enum SynRcvdTimeout {
    /// Send the SYN-ACK again.
    Retransmit(Header),
    /// Not due yet.
    Wait,
    /// Give it up.
    Expired,
}

/// The first time-out of a SYN-ACK (RFC 6298, 2.1).
const SYNACK_TIMEOUT: Duration = Duration::from_secs(1);

impl SynRcvd {
    /// A SYN arrived at a listener. RFC 9293, 3.10.7.2, third; options as RFC 7323, 2.2 and 3.2.
    pub(crate) fn new<P: Platform>(
        cx: &Cx<'_, P>,
        config: &SocketConfig,
        seg: &Segment,
        params: SynParams,
    ) -> Self {
        let options = &seg.header.options;
        let scaling = cx.net.window_scaling && options.wscale.is_some();
        let timestamps = if cx.net.timestamps {
            options.timestamps
        } else {
            None
        };
        let metrics = &params.metrics;
        let clamp = metrics.window_clamp(config);
        let (wnd, space) = opening_window(cx, clamp, params.rcvbuf, params.fixed, params.mss_route);
        let mss_ours = metrics.offered_mss(params.mss_route, config.user_mss);
        // In segments that carry what was agreed on.
        let segment = mss_ours.saturating_sub(if timestamps.is_some() { 12 } else { 0 });
        let first = u16::try_from(metrics.first_window(segment)).unwrap_or(u16::MAX);
        Self {
            iss: params.iss,
            irs: seg.header.seq,
            wnd: wnd.min(first),
            mss_peer: match options.mss {
                None | Some(0) => params.mss_default,
                Some(mss) => mss,
            },
            mss_route: params.mss_route,
            mss_ours,
            wscale_ours: scaling.then(|| super::connection::window_scale(space)),
            wscale_peer: if scaling {
                options.wscale.map(|s| s.min(14))
            } else {
                None
            },
            sack_ok: cx.net.sack && options.sack_permitted,
            ecn: {
                let chosen = metrics.congestion.or(config.congestion);
                let algorithm = chosen.unwrap_or(cx.net.congestion);
                let accept = cx.net.ecn.accept.max(least_ecn(algorithm, metrics));
                Opening::from_syn(accept, cx.net.ecn_option, seg.header.flags, seg.codepoint)
            },
            ts: Timestamping {
                enabled: timestamps.is_some(),
                offset: params.ts_offset,
                recent: timestamps.map_or(0, |ts| ts.val),
                recent_at: cx.now,
            },
            retries: 0,
            defer: config.defer_accept,
            acked: false,
            sent_at: cx.now,
            deadline: cx.now.add(SYNACK_TIMEOUT.min(cx.net.rto_max)),
            last_reply: Instant::default(),
        }
    }

    /// The SYN-ACK. Options only in answer to the same option in the SYN.
    pub(crate) fn syn_ack(&self, now: Instant) -> Header {
        let (ecn, acc_ecn) = self.ecn.syn_ack();
        Header {
            seq: self.iss,
            ack: self.irs.add(1),
            flags: Flags::SYN.with(Flags::ACK).with(ecn),
            wnd: self.wnd,
            urg: 0,
            options: Options {
                mss: Some(self.mss_ours),
                wscale: self.wscale_ours,
                sack_permitted: self.sack_ok,
                timestamps: self.ts.enabled.then(|| Timestamps {
                    val: self.ts.val(now),
                    ecr: self.ts.recent,
                }),
                acc_ecn,
                ..Options::default()
            },
        }
    }

    /// Whether the handshake is complete but for data (TCP_DEFER_ACCEPT): `retries` counts the wait, not
    /// what was lost.
    pub(crate) fn waits_for_data(&self) -> bool {
        self.acked
    }

    /// When the timer is due.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The timer expired.
    pub(crate) fn handle_timeout<P: Platform>(&mut self, cx: &Cx<'_, P>) -> SynRcvdTimeout {
        if cx.now < self.deadline {
            return SynRcvdTimeout::Wait;
        }
        let waits_for_data = self.acked && self.retries < self.defer;
        if self.retries >= cx.net.synack_retries && !waits_for_data {
            return SynRcvdTimeout::Expired;
        }
        // While data is waited for, the SYN-ACK goes out again only at the end: its ACK then makes
        // the connection, data or not.
        let silent = self.acked && self.retries < self.defer.saturating_sub(1);
        self.retries = self.retries.saturating_add(1);
        if !self.acked {
            self.ecn.on_timeout();
        }
        self.deadline = cx.now.add(
            SYNACK_TIMEOUT
                .shl(u32::from(self.retries))
                .min(cx.net.rto_max),
        );
        if silent {
            return SynRcvdTimeout::Wait;
        }
        cx.count(Mib::RetransSegs);
        cx.count(Mib::TCPSynRetrans);
        SynRcvdTimeout::Retransmit(self.syn_ack(cx.now))
    }

    /// A segment for the half-open connection (RFC 9293, 3.10.7.4, SYN-RECEIVED).
    pub(crate) fn handle_segment<P: Platform>(
        &mut self,
        cx: &Cx<'_, P>,
        seg: &Segment,
    ) -> SynRcvdOn {
        let nxt = self.irs.add(1);
        let adv = nxt.add(u32::from(self.wnd));
        let seq = seg.header.seq;
        // The peer's SYN again: our answer was lost. The timer is not touched.
        if seg.has(Flags::SYN) && !seg.intersects_rst_ack() && seq == self.irs {
            // Which of the SYN-ACKs gets acknowledged can't be told any more: no RTT from it (Karn).
            self.sent_at = Instant::default();
            if self.ecn.contradicts(cx.net.ecn.accept, seg.header.flags) {
                cx.count(Mib::AttemptFails);
                return match reset_for(seg) {
                    Some(header) => SynRcvdOn::Abort(header),
                    None => SynRcvdOn::Remove,
                };
            }
            self.ecn.on_syn_again(seg.header.flags, seg.codepoint);
            return self.limited(cx, DropReason::Duplicate, Self::syn_ack);
        }
        if let (true, Some(ts)) = (self.ts.enabled, seg.header.options.timestamps) {
            if self.ts.is_old(ts.val, cx.now) && !seg.has(Flags::RST) {
                cx.count(Mib::PAWSEstab);
                return self.limited(cx, DropReason::Paws, Self::ack_now);
            }
        }
        if seg.end().before(nxt) || seq.after(adv) {
            cx.count(Mib::OutOfWindow);
            return if seg.has(Flags::RST) {
                SynRcvdOn::Drop(DropReason::OutOfWindow)
            } else {
                self.limited(cx, DropReason::OutOfWindow, Self::ack_now)
            };
        }
        if seg.has(Flags::RST) {
            return if seq == nxt {
                cx.count(Mib::AttemptFails);
                cx.count(Mib::EmbryonicRsts);
                SynRcvdOn::Remove
            } else {
                self.limited(cx, DropReason::Challenge, Self::ack_now)
            };
        }
        if seg.has(Flags::SYN) {
            cx.count(Mib::TCPSYNChallenge);
            return self.limited(cx, DropReason::Challenge, Self::ack_now);
        }
        if !seg.has(Flags::ACK) {
            return SynRcvdOn::Drop(DropReason::NoAck);
        }
        if seg.header.ack != self.iss.add(1) {
            return match reset_for(seg) {
                Some(header) => SynRcvdOn::Reply(header, DropReason::BadAck),
                None => SynRcvdOn::Drop(DropReason::BadAck),
            };
        }
        if self.retries < self.defer && seg.len() == 0 {
            // TCP_DEFER_ACCEPT: accept() shall find data.
            self.acked = true;
            cx.count(Mib::TCPDeferAcceptDrop);
            return SynRcvdOn::Drop(DropReason::Deferred);
        }
        SynRcvdOn::Establish
    }

    /// An answer to what moves nothing, unless one went out just now (RFC 5961, section 7): nobody
    /// shall make us send as fast as they do.
    fn limited<P: Platform>(
        &mut self,
        cx: &Cx<'_, P>,
        reason: DropReason,
        header: fn(&Self, Instant) -> Header,
    ) -> SynRcvdOn {
        if self.last_reply != Instant::default()
            && cx.now.since(self.last_reply) < cx.net.invalid_ratelimit
        {
            return SynRcvdOn::Drop(reason);
        }
        self.last_reply = cx.now;
        SynRcvdOn::Reply(header(self, cx.now), reason)
    }

    /// An ACK of what came so far.
    fn ack_now(&self, now: Instant) -> Header {
        Header {
            seq: self.iss.add(1),
            ack: self.irs.add(1),
            flags: Flags::ACK.with(self.ecn.ack_flags()),
            wnd: self.wnd >> self.wscale_ours.unwrap_or(0).min(14),
            urg: 0,
            options: Options {
                timestamps: self.ts.enabled.then(|| Timestamps {
                    val: self.ts.val(now),
                    ecr: self.ts.recent,
                }),
                ..Options::default()
            },
        }
    }
}

/// The window of a SYN or SYN-ACK for a buffer of `rcvbuf` bytes of true size, in whole segments,
/// and what the largest window will be: autotuning's bound, unless the user fixed the size
/// (`fixed`) or something bounds the window (`clamp`; 0: nothing).
pub(crate) fn opening_window<P: Platform>(
    cx: &Cx<'_, P>,
    clamp: u32,
    rcvbuf: u32,
    fixed: bool,
    mss: u16,
) -> (u16, u32) {
    let clamp = match clamp {
        0 => u32::MAX,
        clamp => clamp,
    };
    // Half of the memory is expected to hold payload.
    let half = rcvbuf / 2;
    let most = if fixed {
        half
    } else {
        rcvbuf.max(cx.net.rmem[2])
    };
    let part = half.checked_rem(u32::from(mss)).unwrap_or(0);
    let whole = if half > u32::from(mss) {
        half.saturating_sub(part)
    } else {
        half
    };
    let field = if cx.net.workaround_signed_windows {
        SIGNED
    } else {
        u32::from(u16::MAX)
    };
    let wnd = whole.min(clamp).min(field);
    (u16::try_from(wnd).unwrap_or(u16::MAX), most.min(clamp))
}

/// The kind of ECN that a connection's congestion control can't do without, or its route wants.
pub(crate) fn least_ecn(algorithm: Algorithm, metrics: &Metrics) -> Kind {
    if algorithm.needs_ecn() || metrics.ecn {
        Kind::Classic
    } else {
        Kind::None
    }
}

impl Segment {
    /// Whether RST or ACK is set.
    fn intersects_rst_ack(&self) -> bool {
        self.header.flags.intersects(Flags::RST.with(Flags::ACK))
    }
}
