// SPDX-License-Identifier: GPL-2.0

//! A connection from SYN-SENT to LAST-ACK.
//!
//! Methods are of four kinds: getters; input (`handle_*`); commands of the user; and the polls.
//! After any input or command the caller polls in this order: [`Connection::poll_transmit`] until
//! it gives nothing, [`Connection::poll_timeout`], [`Connection::poll_events`]. The caller holds
//! the socket's lock throughout.

mod ack;
mod explain;
mod fast_client;
mod fast_path;
mod held;
mod input;
mod mtu;
mod orphan;
mod output;
mod refused;
mod route;
mod syn_sent;
mod timeout;
mod undo;
mod user;

pub(crate) use explain::Origin;
use fast_client::FastClient;
#[allow(unused_imports)] // For the caller.
pub(crate) use fast_client::{FastAnswer, FastFail, FastNews, FastSyn};
use held::HeldAcks;
pub(crate) use orphan::Crowd;
pub(crate) use refused::Leaving;
use refused::Refused;
pub(crate) use user::window_scale;

use super::{
    config::{Linger2, NetConfig, SocketConfig},
    congestion::{Algorithm, Congestion, Told},
    context::Cx,
    ecn::{Account, Ecn},
    handshake::SynRcvd,
    info::Stats,
    log::{Kind, Why},
    metrics::{Advice, Metrics},
    mib::Mib,
    mtu_probe::MtuSearch,
    pacing::Pacing,
    platform::{Memory, Platform},
    recv::{AckOwed, Recv},
    rtt::RttEstimator,
    send::Send,
    seq::SeqNum,
    state::{ConnState, Event},
    time::{Duration, Instant},
    time_wait::TimeWait,
    timers::{Timer, TimerTable},
    urgent::Urgent,
    wire::{Codepoint, Flags, Header, Segment},
};

/// What happened that the user may want to know: drained by [`Connection::poll_events`].
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Events(u8);

impl Events {
    /// Data in order, or the end of the stream, is there to be read.
    pub(crate) const READABLE: Self = Self(1);
    /// Room in the send buffer came free.
    pub(crate) const WRITABLE: Self = Self(2);
    /// The handshake is complete.
    pub(crate) const CONNECTED: Self = Self(4);
    /// The peer's FIN is in order.
    pub(crate) const PEER_CLOSED: Self = Self(8);
    /// The connection failed; [`Connection::error`] says how.
    pub(crate) const ERROR: Self = Self(16);
    /// Nothing is left to do: the connection is CLOSED.
    pub(crate) const CLOSED: Self = Self(32);
    /// A [`TimeWait`] takes over; see [`Connection::time_wait`].
    pub(crate) const TIME_WAIT: Self = Self(64);
    /// The peer announced urgent data.
    pub(crate) const URGENT: Self = Self(128);

    /// Whether any of `other` is set.
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Sets `other`.
    pub(crate) fn set(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// Why a connection failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CloseReason {
    /// RST in SYN-SENT, or ICMP said that no one listens.
    ConnectionRefused,
    /// RST in a synchronized state.
    ConnectionReset,
    /// RST after the peer's FIN.
    BrokenPipe,
    /// No answer.
    TimedOut,
    /// ICMP: the host can't be reached.
    HostUnreachable,
    /// ICMP: the network can't be reached.
    NetUnreachable,
    /// ICMP: somebody on the way does not allow it.
    Prohibited,
    /// ICMP: the host knows no TCP.
    NoProtocol,
    /// ICMP: somebody could make nothing of the packet's header.
    BadHeader,
}

/// Why a segment was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DropReason {
    /// Nothing in it for this state.
    BadState,
    /// Not in the window.
    OutOfWindow,
    /// An old duplicate by its timestamp (RFC 7323, section 5).
    Paws,
    /// Acknowledges what was never sent, or long ago (RFC 5961, section 5).
    BadAck,
    /// A RST or SYN that has to be confirmed (RFC 5961, sections 3 and 4).
    Challenge,
    /// No ACK bit.
    NoAck,
    /// The data was there already.
    Duplicate,
    /// No room.
    NoRoom,
    /// The handshake's last ACK has no data, and the listener wants some.
    Deferred,
    /// Data for a user who is gone.
    NoReader,
    /// A valid RST.
    Reset,
}

/// What became of a segment.
#[must_use]
pub(crate) enum Disposition<P: Platform> {
    /// It was used.
    Done,
    /// It was dropped, and here is its payload.
    Drop(DropReason, Option<P::RxBuf>),
    /// It was dropped, and this header is to be sent in answer as it is.
    Reply(Header, DropReason, Option<P::RxBuf>),
}

/// What an ICMP error means for a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum IcmpError {
    /// Host unreachable: soft once a connection is open.
    Host,
    /// Network unreachable: soft once a connection is open.
    Net,
    /// Port unreachable.
    Refused,
    /// Administratively prohibited.
    Prohibited,
    /// Protocol unreachable.
    NoProtocol,
    /// Parameter problem.
    BadHeader,
}

impl IcmpError {
    /// What it is to the user, if it ends the connection.
    pub(crate) fn reason(self) -> CloseReason {
        match self {
            Self::Host => CloseReason::HostUnreachable,
            Self::Net => CloseReason::NetUnreachable,
            Self::Refused => CloseReason::ConnectionRefused,
            Self::Prohibited => CloseReason::Prohibited,
            Self::NoProtocol => CloseReason::NoProtocol,
            Self::BadHeader => CloseReason::BadHeader,
        }
    }
}

/// What the opener chose and found out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenParams {
    /// Initial send sequence number.
    pub(crate) iss: SeqNum,
    /// Added to the clock to make timestamps (RFC 7323, section 5.4).
    pub(crate) ts_offset: u32,
    /// Largest segment that the route takes: its MTU less the fixed headers, bytes.
    pub(crate) mss_route: u16,
    /// What a peer takes that does not say: [`default_mss`] of the family.
    pub(crate) mss_default: u16,
    /// What of Fast Open the SYN gets.
    pub(crate) fast: FastSyn,
}

/// A segment to send. The whole of `payload` goes out behind `header`.
pub(crate) struct Transmit<'a, P: Platform> {
    /// The header of the first segment.
    pub(crate) header: Header,
    /// The payload; it stays in the connection's queue.
    pub(crate) payload: Option<&'a mut P::TxBuf>,
    /// Payload bytes a segment if it has to be cut; 0: it is one segment.
    pub(crate) gso_size: u16,
    /// When it is to leave: now, or later if something else does the pacing.
    pub(crate) departure: Instant,
    /// The ECN field of its IP header.
    pub(crate) codepoint: Codepoint,
    /// CWR and ECE are part of a counter (RFC 9768), and go on each segment of a super-segment.
    pub(crate) ace: bool,
}

/// Why data can't be queued.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SendError {
    /// The handshake is not complete.
    Connecting,
    /// There is no connection, or its sending side is shut.
    Shut,
}

/// Timestamps of a connection (RFC 7323).
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Timestamping {
    /// Both sides offered them.
    pub(crate) enabled: bool,
    /// Added to the clock.
    pub(crate) offset: u32,
    /// TS.Recent.
    pub(crate) recent: u32,
    /// When TS.Recent was set.
    pub(crate) recent_at: Instant,
}

crate::tcp::log::fields!(Timestamping {
    enabled,
    offset,
    recent,
    recent_at,
});

impl Timestamping {
    /// TSval now.
    pub(crate) fn val(&self, now: Instant) -> u32 {
        now.as_millis_u32().wrapping_add(self.offset)
    }

    /// RFC 7323, 5.3: whether `val` is older than TS.Recent, unless that is outdated itself.
    pub(crate) fn is_old(&self, val: u32, now: Instant) -> bool {
        const OUTDATED: Duration = Duration::from_secs(24 * 24 * 3600);
        val.wrapping_sub(self.recent) > i32::MAX as u32 && now.since(self.recent_at) < OUTDATED
    }
}

/// The least that tcp_min_snd_mss can be: room for all options, and 8 bytes (CVE-2019-11479).
pub(crate) const MIN_MSS: u16 = 48;
/// The MSS of a peer over IPv4 that names none.
const DEFAULT_MSS: u16 = 536;

/// The MSS of a peer that names none, over IPv4 or (`v6`) IPv6 (RFC 9293, 3.7.1).
pub(crate) const fn default_mss(v6: bool) -> u16 {
    if v6 {
        1_220
    } else {
        DEFAULT_MSS
    }
}

/// The most that was out in the current round: a window that is not in use does not grow.
#[derive(Clone, Copy, Default, Debug)]
struct Used {
    most: u32,
    /// SND.NXT when that was out: when it is acknowledged, another round begins.
    until: SeqNum,
}

impl Used {
    /// Something was sent, after which `una..nxt` is out.
    fn on_sent(&mut self, una: SeqNum, nxt: SeqNum) {
        let out = nxt.distance_from(una);
        if out >= self.most || una.after_or_eq(self.until) {
            self.most = out;
            self.until = nxt;
        }
    }

    /// Whether more than half of a window was: in slow start it doubles in a round, so half of it
    /// is all that one that was full at the round's start can be (RFC 7661, 4.3, in the spirit).
    fn is_half(self, cwnd: u32) -> bool {
        cwnd < self.most.saturating_mul(2)
    }
}

/// Why a probe is to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Probe {
    #[default]
    None,
    Window,
    Keepalive,
}

/// A connection.
pub(crate) struct Connection<P: Platform> {
    state: ConnState,
    events: Events,
    error: Option<CloseReason>,
    /// What ICMP said of the path: the better reason if the connection times out.
    soft_error: Option<CloseReason>,
    config: SocketConfig,
    /// What the route says.
    metrics: Metrics,
    /// What IP should know of it.
    advice: Option<Advice>,
    pub(super) send: Send<P>,
    pub(super) recv: Recv<P>,
    pub(super) stats: Stats,
    /// Urgent data that the peer announced.
    pub(super) urgent: Option<Urgent>,
    timers: TimerTable,
    rtt: RttEstimator,
    cc: Congestion,
    pacing: Pacing,
    ecn: Ecn,
    /// To be acknowledged before anything else, with ECE or not (RFC 8257, 3.2).
    first_ack: Option<(SeqNum, Flags)>,
    /// ACKs that are held back.
    held: HeldAcks,
    ts: Timestamping,
    /// Both sides offered SACK.
    sack_ok: bool,
    /// A SYN or SYN-ACK is to be (re)sent.
    syn_pending: bool,
    /// A RST is to be sent; the connection is CLOSED already.
    rst_pending: Option<SeqNum>,
    probe: Probe,
    /// MSG_MORE: hold a partial segment back.
    more: bool,
    /// The user had more to write than there was room for.
    wants_room: bool,
    /// Send a partial segment in spite of Nagle (a timer or an uncork said so).
    flush: bool,
    /// The user closed: nobody will read.
    orphan: bool,
    /// How many other orphans there were when that was last told.
    crowd: Crowd,
    /// The user shut the receiving side.
    recv_shut: bool,
    /// The user queued the end of the stream.
    fin_queued: bool,
    /// The user fixed the buffer's size.
    sndbuf_locked: bool,
    rcvbuf_locked: bool,
    /// The congestion window was what limited the last transmission.
    cwnd_limited: bool,
    /// How much of the congestion window was in use.
    used: Used,
    /// A tail probe is due.
    tail_due: bool,
    /// Time-outs or probes of a shut window in a row without an answer.
    retries: u8,
    /// When the current row of retries began: answers that say that the window is still shut don't end it, only
    /// what gets through does (tcp(7), TCP_USER_TIMEOUT). Zero: there is none.
    retries_since: Instant,
    mss_route: u16,
    /// Bytes of options between IP's header and TCP's.
    ip_options: u16,
    mss_peer: u16,
    /// Most payload in a segment: Eff.snd.MSS (RFC 9293, 3.7.1), timestamps subtracted.
    mss_eff: u16,
    /// The smallest MSS that a peer or a path may talk us into.
    least_mss: u16,
    /// The search for the path's MTU.
    search: MtuSearch,
    gso_max: u16,
    /// When something last came from the peer.
    last_recv: Instant,
    /// When data was last sent.
    last_sent: Instant,
    /// When the idle time before the next data was last taken into account.
    resumed: Instant,
    /// When data last came.
    last_data: Instant,
    /// When the handshake was complete.
    opened: Instant,
    /// A listener made it of a SYN: data goes both ways before the handshake is complete (RFC 7413).
    fast_open: bool,
    /// There was data on the SYN that was taken.
    pub(super) syn_data: bool,
    /// Fast Open, if it is our SYN.
    fast: FastClient,
    /// Both sides offered window scaling.
    scaling: bool,
    /// The user answers what it reads: an ACK can ride on the answer. Set by an answer within the
    /// delayed-ACK time, cleared when the delayed ACK had to go alone.
    interactive: bool,
    /// How many answers in a row came so soon.
    answers: u8,
    /// TCP_NOTSENT_LOWAT of the namespace, bytes; 0: none.
    lowat: u32,
    /// When the SYN or SYN-ACK was sent, for the first RTT sample; zero: retransmitted.
    syn_sent_at: Instant,
    /// Challenge ACKs and duplicate ACKs are limited (RFC 5961, section 7).
    last_challenge: Instant,
    /// What the local queue refused to take.
    refused: Refused,
    /// What kept the last poll from sending more.
    why: Why,
}

impl<P: Platform> Connection<P> {
    /// A CLOSED connection.
    pub(crate) fn new(config: SocketConfig) -> Self {
        Self {
            state: ConnState::Closed,
            events: Events::default(),
            error: None,
            soft_error: None,
            config,
            metrics: Metrics::NONE,
            advice: None,
            send: Send::new(),
            recv: Recv::new(),
            stats: Stats::default(),
            urgent: None,
            timers: TimerTable::default(),
            rtt: RttEstimator::default(),
            cc: Congestion::new(Algorithm::default(), u32::from(DEFAULT_MSS)),
            pacing: Pacing::default(),
            ecn: Ecn::default(),
            first_ack: None,
            held: HeldAcks::default(),
            ts: Timestamping::default(),
            sack_ok: false,
            syn_pending: false,
            rst_pending: None,
            probe: Probe::None,
            more: false,
            wants_room: false,
            flush: false,
            orphan: false,
            crowd: Crowd::default(),
            recv_shut: false,
            fin_queued: false,
            sndbuf_locked: false,
            rcvbuf_locked: false,
            cwnd_limited: false,
            used: Used::default(),
            tail_due: false,
            retries: 0,
            retries_since: Instant::default(),
            mss_route: 1460,
            ip_options: 0,
            mss_peer: DEFAULT_MSS,
            mss_eff: DEFAULT_MSS,
            least_mss: MIN_MSS,
            search: MtuSearch::default(),
            gso_max: 0,
            last_recv: Instant::default(),
            last_sent: Instant::default(),
            resumed: Instant::default(),
            last_data: Instant::default(),
            opened: Instant::default(),
            fast_open: false,
            syn_data: false,
            fast: FastClient::default(),
            scaling: false,
            interactive: false,
            answers: 0,
            lowat: 0,
            syn_sent_at: Instant::default(),
            last_challenge: Instant::default(),
            refused: Refused::default(),
            why: Why::Closed,
        }
    }

    /// The child of a listener, in SYN-RECEIVED: to be fed the segment that completed the
    /// handshake next.
    pub(crate) fn from_syn_rcvd(cx: &Cx<'_, P>, config: SocketConfig, entry: &SynRcvd) -> Self {
        let mut conn = Self::new(config);
        // The handshake's own segments.
        conn.stats.came_in(1, 0);
        conn.stats.went_out(false);
        conn.state = ConnState::SynReceived;
        conn.send.synchronize(entry.iss);
        conn.recv.synchronize(entry.irs, u32::from(entry.wnd));
        conn.recv.clamp = config.window_clamp;
        conn.recv.wscale = entry.wscale_ours.unwrap_or(0);
        conn.send.wscale = entry.wscale_peer.unwrap_or(0);
        conn.scaling = entry.wscale_ours.is_some();
        conn.sack_ok = entry.sack_ok;
        conn.ts = entry.ts;
        conn.ecn = Ecn::from_opening(entry.ecn, cx.net.ecn_option);
        conn.mss_route = entry.mss_route;
        conn.mss_peer = entry.mss_peer;
        conn.syn_sent_at = if entry.retries == 0 {
            entry.sent_at
        } else {
            Instant::default()
        };
        if !entry.waits_for_data() {
            conn.retries = entry.retries;
            let unknown = entry.sent_at == Instant::default();
            let since = if unknown { cx.now } else { entry.sent_at };
            conn.stats.began_late(entry.retries, cx.now.since(since));
        }
        conn.last_recv = cx.now;
        conn.begin_mtu_search(cx);
        conn.update_mss();
        conn.start_congestion(cx);
        conn
    }

    /// A connection of a SYN with a good cookie (RFC 7413, 4.2.2), to be fed that SYN next. What
    /// its last ACK would bring is taken from it.
    pub(crate) fn from_fast_syn(
        cx: &Cx<'_, P>,
        config: SocketConfig,
        entry: &SynRcvd,
        seg: &Segment,
    ) -> Self {
        let mut conn = Self::from_syn_rcvd(cx, config, entry);
        conn.fast_open = true;
        // Nothing but our SYN is out, and its acknowledgment is not waited for.
        conn.send.una = entry.iss.add(1);
        // RFC 7323, 2.2: the window of a SYN is not scaled.
        conn.send.wnd = u32::from(seg.header.wnd);
        conn.send.wnd_max = conn.send.wnd;
        conn.syn_sent_at = Instant::default();
        // The SYN and its answer are counted when they are handled.
        conn.stats = Stats::default();
        conn.grow_sndbuf(cx);
        conn
    }

    /// Whether data goes both ways although the handshake is not complete.
    pub(crate) fn is_fast_open(&self) -> bool {
        self.fast_open && self.state == ConnState::SynReceived
    }

    // --- getters ---------------------------------------------------------------------------------

    /// The state.
    pub(crate) fn state(&self) -> ConnState {
        self.state
    }

    /// Whether the peer reset it, of which nobody was told yet.
    #[allow(dead_code)] // For the kernel.
    pub(crate) fn was_reset(&self) -> bool {
        matches!(
            self.error,
            Some(
                CloseReason::ConnectionRefused
                    | CloseReason::ConnectionReset
                    | CloseReason::BrokenPipe
            )
        )
    }

    /// Why the connection failed, if it did. Taken.
    pub(crate) fn take_error(&mut self) -> Option<CloseReason> {
        self.error.take()
    }

    /// The options.
    pub(crate) fn config(&self) -> &SocketConfig {
        &self.config
    }

    /// Most payload in a segment, bytes.
    #[inline]
    pub(crate) fn mss(&self) -> u32 {
        u32::from(self.mss_eff)
    }

    /// Bytes queued or sent and not acknowledged; a FIN counts as one, as in Linux (SIOCOUTQ).
    pub(crate) fn unacked(&self) -> u32 {
        match self.state {
            ConnState::SynSent | ConnState::SynReceived => 0,
            _ => self.send_queue(),
        }
    }

    /// Sequence numbers queued or sent and not acknowledged: SYN and FIN count (Send-Q).
    pub(crate) fn send_queue(&self) -> u32 {
        match self.state {
            ConnState::Closed | ConnState::Listen => 0,
            _ => {
                let fin = self.fin_queued && !self.fin_acked();
                let bytes = self.send.write_seq.saturating_distance_from(self.send.una);
                bytes.saturating_add(u32::from(fin))
            }
        }
    }

    /// As [`Self::unacked`], of what was not sent (SIOCOUTQNSD).
    pub(crate) fn not_sent(&self) -> u32 {
        match self.state {
            ConnState::SynSent | ConnState::SynReceived => 0,
            _ => {
                let fin = self.fin_queued && !self.send.fin_sent;
                self.unsent().saturating_add(u32::from(fin))
            }
        }
    }

    /// Bytes queued and not sent.
    pub(crate) fn unsent(&self) -> u32 {
        self.send.write_seq.saturating_distance_from(self.send.nxt)
    }

    /// The smoothed round-trip time, if known.
    pub(crate) fn srtt(&self) -> Option<Duration> {
        self.rtt.srtt()
    }

    /// The congestion window, bytes.
    pub(crate) fn cwnd(&self) -> u32 {
        self.cc.cwnd()
    }

    /// The slow-start threshold, bytes; `u32::MAX` before the first congestion.
    pub(crate) fn ssthresh(&self) -> u32 {
        self.cc.ssthresh()
    }

    /// The rate at which segments leave if something paces them, bytes a second; `u64::MAX`: any.
    pub(crate) fn pacing_rate(&self) -> u64 {
        self.pacing.rate()
    }

    /// The rate at which data arrived last, bytes a second, and whether the user's data was what
    /// limited it.
    pub(crate) fn delivery_rate(&self) -> (u64, bool) {
        self.send.rate.last()
    }

    /// Whether both sides agreed to ECN, and whether a segment with ECT arrived.
    #[allow(dead_code)] // For tests.
    pub(crate) fn ecn(&self) -> (bool, bool) {
        (self.ecn.enabled(), self.ecn.seen())
    }

    /// What TCP_INFO tells of ECN.
    pub(crate) fn ecn_account(&self) -> Account {
        self.ecn.account()
    }

    /// Whether both sides agreed to accurate ECN.
    #[inline]
    pub(crate) fn is_accurate(&self) -> bool {
        self.ecn.is_accurate()
    }

    /// The congestion control in force (before a connection begins: the one to come).
    /// [`Self::configure`] with another one exchanges it at any time; cwnd and ssthresh stay.
    pub(crate) fn congestion(&self, net: &NetConfig) -> Algorithm {
        self.config.congestion.unwrap_or(net.congestion)
    }

    /// What the congestion control tells of itself, and whether the last packet that came was
    /// marked.
    pub(crate) fn congestion_state(&self) -> (Told, bool) {
        (self.cc.state(), self.ecn.echo_flags().contains(Flags::ECE))
    }

    /// The round-trip time's variation.
    pub(super) fn rttvar(&self) -> Duration {
        self.rtt.rttvar()
    }

    /// The least round-trip time, if one was measured.
    pub(super) fn min_rtt(&self) -> Option<Duration> {
        self.rtt.min()
    }

    /// How often the time-out was doubled.
    pub(super) fn backoff(&self) -> u8 {
        self.rtt.backoff()
    }

    /// Whether timestamps are in use.
    pub(super) fn ts_enabled(&self) -> bool {
        self.ts.enabled
    }

    /// Whether both sides scale windows.
    pub(super) fn scales(&self) -> bool {
        self.scaling
    }

    /// Whether SACK is in use.
    pub(super) fn sack_enabled(&self) -> bool {
        self.sack_ok
    }

    /// Largest segment that the route takes, bytes.
    pub(super) fn mss_route(&self) -> u16 {
        self.mss_route
    }

    /// When data was last sent, or the connection began.
    pub(super) fn last_sent(&self) -> Instant {
        self.last_sent.max(self.opened)
    }

    /// When data last came, or the connection began.
    pub(super) fn last_data(&self) -> Instant {
        self.last_data.max(self.opened)
    }

    /// When anything last came.
    pub(super) fn last_recv(&self) -> Instant {
        self.last_recv
    }

    /// Retries in a row.
    pub(crate) fn retries(&self) -> u8 {
        self.retries
    }

    /// Probes without an answer, of a shut window or of a silent peer.
    pub(crate) fn probes(&self) -> u8 {
        self.retries.max(self.recv.unheard)
    }

    /// What /proc/net/tcp tells of timers: which one runs (1 retransmission, 4 window probe,
    /// 2 keepalive, 0 none), until when, and the retries in a row.
    pub(crate) fn shown_timer(&self) -> (u8, Instant, u8) {
        let kinds: [(u8, &[Timer]); 3] = [
            (1, &[Timer::Retransmit, Timer::Reorder, Timer::LossProbe]),
            (4, &[Timer::Persist]),
            (2, &[Timer::Keepalive]),
        ];
        for (code, timers) in kinds {
            let at = timers.iter().filter_map(|timer| self.timers.get(*timer));
            if let Some(at) = at.min() {
                return (code, at, self.probes());
            }
        }
        (0, Instant::default(), self.probes())
    }

    /// What happened since the last call.
    pub(crate) fn poll_events(&mut self) -> Events {
        core::mem::take(&mut self.events)
    }

    /// What takes over when the events say TIME_WAIT.
    pub(crate) fn time_wait(&self, cx: &Cx<'_, P>) -> TimeWait {
        let waits_for_fin = self.state == ConnState::FinWait2;
        TimeWait::new(
            waits_for_fin,
            self.send.nxt,
            self.recv.nxt,
            (self.recv.wnd(), self.recv.wscale),
            self.ts,
            cx.now,
            if waits_for_fin {
                match self.config.linger2 {
                    Linger2::For(time) => time,
                    _ => cx.net.fin_timeout,
                }
            } else {
                cx.net.time_wait
            },
        )
        .counting(self.ecn.count_flags())
    }

    /// Send and receive next, and the windows: what an invariant can be checked on.
    #[allow(dead_code)] // For the simulator.
    pub(crate) fn numbers(&self) -> (SeqNum, SeqNum, SeqNum, SeqNum, SeqNum) {
        (
            self.send.una,
            self.send.nxt,
            self.send.write_seq,
            self.recv.nxt,
            self.recv.adv,
        )
    }

    /// Whether the scoreboard's sums and marks agree.
    #[allow(dead_code)] // For the simulator and the fuzz targets.
    pub(crate) fn is_consistent(&self) -> bool {
        self.send.is_consistent(self.sack_ok)
    }

    /// How memory stands; to be told before a segment is handled.
    pub(crate) fn set_memory(&mut self, memory: Memory) {
        if self.recv.memory != memory {
            self.input(Kind::InMemory, &[memory as u32]);
        }
        self.recv.memory = memory;
    }

    /// Memory held by both halves, bytes of true size.
    pub(crate) fn memory(&self) -> (u32, u32) {
        (self.send.mem, self.recv.mem())
    }

    /// Notes an event.
    pub(super) fn note(&mut self, event: Events) {
        self.events.set(event);
    }

    // --- shared by the parts -----------------------------------------------------------------------

    /// Applies an event to the state.
    fn change(&mut self, event: Event) {
        if let Some(next) = self.state.on(event) {
            self.state = next;
        }
    }

    /// Eff.snd.MSS = min(SendMSS, route) less the options that every segment carries
    /// (RFC 9293, 3.7.1).
    fn update_mss(&mut self) {
        let most = self.most_segment();
        let mss = self.search.bound().map_or(most, |bound| most.min(bound));
        let mss = mss.max(self.least_mss);
        self.mss_eff = mss.saturating_sub(self.option_bytes());
    }

    /// Ends the connection with an error: both queues of sent data go, unread data stays.
    fn fail(&mut self, reason: CloseReason) {
        self.error = Some(reason);
        self.events.set(Events::ERROR);
        self.finish();
    }

    /// CLOSED: no timer, nothing to send.
    fn finish(&mut self) {
        let failed = self.state == ConnState::SynSent
            && !matches!(self.error, None | Some(CloseReason::ConnectionRefused));
        self.fast_over(failed);
        self.change(Event::Delete);
        self.timers.clear();
        self.send.purge();
        self.recv.purge_ofo();
        self.recv.owed = AckOwed::None;
        self.syn_pending = false;
        self.probe = Probe::None;
        self.events.set(Events::CLOSED);
        self.events.set(Events::READABLE);
        self.events.set(Events::WRITABLE);
    }

    /// Whether our FIN is acknowledged.
    fn fin_acked(&self) -> bool {
        self.send.fin_sent && self.send.una == self.send.nxt
    }

    /// (Re)starts the retransmission timer if something is out, stops it otherwise (RFC 6298, 5).
    fn rearm_retransmit(&mut self, cx: &Cx<'_, P>) {
        if self.send.in_flight() == 0 && !self.is_fast_open() {
            self.timers.stop(Timer::Retransmit);
            self.timers.stop(Timer::Reorder);
            return;
        }
        let mut at = cx.now.add(self.rto(cx));
        at = at.min(self.patience_ends());
        self.timers.set(Timer::Retransmit, at);
    }

    /// When the user's patience ends, in the current row of retries (RFC 5482): not with the next backed-off
    /// time-out.
    fn patience_ends(&self) -> Instant {
        let patience = self.config.user_timeout;
        if patience == Duration::ZERO || self.retries_since == Instant::default() {
            Instant::from_nanos(u64::MAX)
        } else {
            self.retries_since.add(patience)
        }
    }

    /// Something got through: no row of retries goes on.
    fn end_row(&mut self) {
        (self.retries, self.retries_since) = (0, Instant::default());
    }

    /// RFC 5961, section 7, and the like for duplicates: an ACK, unless one went out just now.
    fn challenge(&mut self, cx: &Cx<'_, P>) {
        if self.last_challenge == Instant::default()
            || cx.now.since(self.last_challenge) >= cx.net.invalid_ratelimit
        {
            self.last_challenge = cx.now;
            self.recv.owed = AckOwed::Now;
            cx.count(Mib::TCPChallengeACK);
        }
    }

    /// Restarts the keepalive timer.
    fn touch_keepalive(&mut self, cx: &Cx<'_, P>) {
        // In TIME-WAIT nothing is left to be kept alive, and no timer of ours runs.
        let lives = self.state.is_synchronized() && self.state != ConnState::TimeWait;
        if self.config.keepalive && lives {
            let idle = nonzero_or(self.config.keepidle, cx.net.keepalive_time);
            self.timers.set(Timer::Keepalive, cx.now.add(idle));
        } else {
            self.timers.stop(Timer::Keepalive);
        }
    }
}

/// `value` unless it is zero.
fn nonzero_or(value: Duration, default: Duration) -> Duration {
    if value == Duration::ZERO {
        default
    } else {
        value
    }
}

/// RFC 9293, 3.10.7.1: the RST that answers a segment which belongs to no connection.
pub(crate) fn reset_for(seg: &Segment) -> Option<Header> {
    if seg.has(Flags::RST) {
        return None;
    }
    Some(if seg.has(Flags::ACK) {
        Header {
            seq: seg.header.ack,
            flags: Flags::RST,
            ..Header::default()
        }
    } else {
        Header {
            ack: seg.end(),
            flags: Flags::RST.with(Flags::ACK),
            ..Header::default()
        }
    })
}
