// SPDX-License-Identifier: GPL-2.0

//! Settings: of a namespace (a snapshot of its sysctls), and of one socket (its options).

use super::{
    congestion::Algorithm,
    ecn,
    log::{Field, Sink, Source},
    time::Duration,
};

/// A namespace's settings, named as Linux' sysctls without `tcp_`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NetConfig {
    /// Retransmissions of a SYN.
    pub(crate) syn_retries: u8,
    /// How many of a SYN's time-outs are not doubled.
    pub(crate) syn_linear_timeouts: u8,
    /// Retransmissions of a SYN-ACK.
    pub(crate) synack_retries: u8,
    /// Retransmissions of data before a connection is given up.
    pub(crate) retries2: u8,
    /// The same for a connection that nobody holds open any more; 0: as many as have passed when
    /// the time-out reaches its bound, and 8 before.
    pub(crate) orphan_retries: u8,
    /// How long an orphan waits in FIN-WAIT-2.
    pub(crate) fin_timeout: Duration,
    /// Idle time before the first keepalive probe.
    pub(crate) keepalive_time: Duration,
    /// Time between keepalive probes.
    pub(crate) keepalive_intvl: Duration,
    /// Unanswered probes before a connection is given up.
    pub(crate) keepalive_probes: u8,
    /// Offer and accept SACK.
    pub(crate) sack: bool,
    /// Offer and accept window scaling.
    pub(crate) window_scaling: bool,
    /// Offer and accept timestamps.
    pub(crate) timestamps: bool,
    /// Half-open entries per listener.
    pub(crate) max_syn_backlog: u32,
    /// The least time between two answers to what moves nothing: challenge ACKs and ACKs of
    /// duplicates (RFC 5961, section 7).
    pub(crate) invalid_ratelimit: Duration,
    /// SYN cookies: 0 never, 1 while the half-open queue is full, 2 always.
    pub(crate) syncookies: u8,
    /// Receive buffer: least, initial, most; bytes.
    pub(crate) rmem: [u32; 3],
    /// Send buffer: least, initial, most; bytes.
    pub(crate) wmem: [u32; 3],
    /// Bytes that a segment's buffer takes beside its payload, where each has one of its own: in one
    /// block with it, whose size is a power of two, and apart from it. (Of the platform's, not a sysctl.)
    pub(crate) overhead: [u32; 2],
    /// Grow the receive buffer with the rate at which it is read.
    pub(crate) moderate_rcvbuf: bool,
    /// A window that was offered may be taken back.
    pub(crate) shrink_window: bool,
    /// Reset a peer whose connection does not fit the accept queue.
    pub(crate) abort_on_overflow: bool,
    /// Ignore RST in TIME-WAIT.
    pub(crate) rfc1337: bool,
    /// Shrink the congestion window after idling.
    pub(crate) slow_start_after_idle: bool,
    /// Explicit congestion notification.
    pub(crate) ecn: ecn::Policy,
    /// The option of accurate ECN, and doing without ECN.
    pub(crate) ecn_option: ecn::OptionPolicy,
    /// The congestion control of sockets that did not choose one.
    pub(crate) congestion: Algorithm,
    /// Fast Open, as the bits of [`super::handshake::fast_open::bits`].
    pub(crate) fastopen: u32,
    /// Segments of a burst that pacing does not make smaller.
    pub(crate) min_tso_segs: u8,
    /// Bounds of the retransmission time-out.
    pub(crate) rto_min: Duration,
    /// Upper bound of the retransmission time-out.
    pub(crate) rto_max: Duration,
    /// The longest delay of an ACK.
    pub(crate) delack: Duration,
    /// The longest time that duplicate ACKs are held back; zero: not at all.
    pub(crate) comp_sack_delay: Duration,
    /// How much later than that they may go, if that saves an interrupt.
    pub(crate) comp_sack_slack: Duration,
    /// The share of the round-trip time that they are held back at most, percent.
    pub(crate) comp_sack_rtt_percent: u16,
    /// How many are held back in a row at most; 0: none.
    pub(crate) comp_sack_nr: u8,
    /// Time-outs in a row after which the path is suspected.
    pub(crate) retries1: u8,
    /// Search for the path's MTU: 0 never, 1 when stuck, 2 always.
    pub(crate) mtu_probing: u8,
    /// The payload of a segment that the search begins with, bytes.
    pub(crate) base_mss: u16,
    /// The smallest payload that it goes down to.
    pub(crate) mtu_probe_floor: u16,
    /// The smallest MSS that a peer or a path may talk us into, at least 48.
    pub(crate) min_snd_mss: u16,
    /// How many bytes the search leaves open.
    pub(crate) probe_threshold: u16,
    /// How long until the search begins again.
    pub(crate) probe_interval: Duration,
    /// Length of TIME-WAIT: 2 MSL.
    pub(crate) time_wait: Duration,
    /// Whether an active open may search out a port that is in TIME-WAIT: 0 never, 1 always, 2 on
    /// loopback.
    pub(crate) tw_reuse: u8,
    /// How long it has to have been so.
    pub(crate) tw_reuse_delay: Duration,
    /// Report what came twice (RFC 2883).
    pub(crate) dsack: bool,
    /// Probe for a lost tail (RFC 8985, section 7); Linux' name for it is older than that.
    pub(crate) early_retrans: bool,
    /// Look for time-outs that were mistakes (RFC 5682).
    pub(crate) frto: bool,
    /// How losses are told: [`recovery`].
    pub(crate) recovery: u8,
    /// DupThresh: how many duplicates tell of a loss at once.
    pub(crate) reordering: u16,
    /// The farthest that reordering is said to go, segments.
    pub(crate) max_reordering: u32,
    /// Streams with little in flight do not back off at once, whatever their user says.
    pub(crate) thin_linear_timeouts: bool,
    /// TCP_NOTSENT_LOWAT of who did not set it, bytes; `u32::MAX`: none.
    pub(crate) notsent_lowat: u32,
    /// How many answers in a row let ACKs wait for the next one.
    pub(crate) pingpong_thresh: u8,
    /// The pace in slow start, percent of a window each round trip.
    pub(crate) pacing_ss_ratio: u16,
    /// The pace otherwise.
    pub(crate) pacing_ca_ratio: u16,
    /// The urgent pointer is taken to point at the byte, not behind it.
    pub(crate) stdurg: bool,
    /// Who scales no windows takes them for signed numbers.
    pub(crate) workaround_signed_windows: bool,
    /// With less round-trip time than this the receive buffer does not run ahead of the sender.
    pub(crate) rcvbuf_low_rtt: Duration,
    /// Bursts are larger on short paths: by what they may be, halved for each two to the power of so
    /// many microseconds of round-trip time; 0: they are not.
    pub(crate) tso_rtt_log: u8,
    /// The part of the window that is worth waiting for (one divided by this); 0: three segments.
    pub(crate) tso_win_divisor: u8,
    /// For how long the least round-trip time counts.
    pub(crate) min_rtt_wlen: Duration,
}

/// The bits of [`NetConfig::recovery`]. The first one, RACK itself, is always on, as in Linux.
pub(crate) mod recovery {
    /// The reordering window is a quarter of the least round-trip time, and stays so.
    pub(crate) const STATIC_WINDOW: u8 = 2;
    /// Duplicates are not counted.
    pub(crate) const NO_DUP_THRESH: u8 = 4;
}

crate::tcp::log::fields!(NetConfig {
    syn_retries,
    synack_retries,
    retries2,
    orphan_retries,
    fin_timeout,
    keepalive_time,
    keepalive_intvl,
    keepalive_probes,
    sack,
    window_scaling,
    timestamps,
    max_syn_backlog,
    invalid_ratelimit,
    syncookies,
    rmem,
    wmem,
    overhead,
    moderate_rcvbuf,
    abort_on_overflow,
    rfc1337,
    slow_start_after_idle,
    ecn,
    congestion,
    rto_min,
    rto_max,
    delack,
    retries1,
    mtu_probing,
    base_mss,
    mtu_probe_floor,
    min_snd_mss,
    probe_threshold,
    probe_interval,
    time_wait,
    tw_reuse,
    tw_reuse_delay,
    fastopen,
    min_tso_segs,
    ecn_option,
    syn_linear_timeouts,
    shrink_window,
    comp_sack_delay,
    comp_sack_slack,
    comp_sack_rtt_percent,
    comp_sack_nr,
    dsack,
    early_retrans,
    frto,
    recovery,
    reordering,
    max_reordering,
    thin_linear_timeouts,
    notsent_lowat,
    pingpong_thresh,
    pacing_ss_ratio,
    pacing_ca_ratio,
    stdurg,
    workaround_signed_windows,
    rcvbuf_low_rtt,
    tso_rtt_log,
    tso_win_divisor,
    min_rtt_wlen,
});

impl Default for NetConfig {
    fn default() -> Self {
        Self {
            syn_retries: 6,
            syn_linear_timeouts: 4,
            synack_retries: 5,
            retries2: 15,
            orphan_retries: 8,
            fin_timeout: Duration::from_secs(60),
            keepalive_time: Duration::from_secs(7200),
            keepalive_intvl: Duration::from_secs(75),
            keepalive_probes: 9,
            sack: true,
            window_scaling: true,
            timestamps: true,
            max_syn_backlog: 1024,
            invalid_ratelimit: Duration::from_millis(500),
            syncookies: 1,
            rmem: [4096, 131_072, 6_291_456],
            wmem: [4096, 16_384, 4_194_304],
            overhead: [640, 256],
            moderate_rcvbuf: true,
            shrink_window: false,
            abort_on_overflow: false,
            rfc1337: false,
            slow_start_after_idle: true,
            ecn: ecn::Policy::ACCEPT,
            ecn_option: ecn::OptionPolicy::default(),
            congestion: Algorithm::Cubic,
            fastopen: 1,
            min_tso_segs: 2,
            rto_min: Duration::from_millis(200),
            rto_max: Duration::from_secs(120),
            delack: Duration::from_millis(40),
            comp_sack_delay: Duration::from_millis(1),
            comp_sack_slack: Duration::from_micros(10),
            comp_sack_rtt_percent: 33,
            comp_sack_nr: 44,
            retries1: 3,
            mtu_probing: 0,
            base_mss: 1024,
            mtu_probe_floor: 48,
            min_snd_mss: 48,
            probe_threshold: 8,
            probe_interval: Duration::from_secs(600),
            time_wait: Duration::from_secs(60),
            tw_reuse: 2,
            tw_reuse_delay: Duration::from_secs(1),
            dsack: true,
            early_retrans: true,
            frto: true,
            recovery: 1,
            reordering: 3,
            max_reordering: 300,
            thin_linear_timeouts: false,
            notsent_lowat: u32::MAX,
            pingpong_thresh: 1,
            pacing_ss_ratio: 200,
            pacing_ca_ratio: 120,
            stdurg: false,
            workaround_signed_windows: false,
            rcvbuf_low_rtt: Duration::from_millis(1),
            tso_rtt_log: 9,
            tso_win_divisor: 3,
            min_rtt_wlen: Duration::from_secs(300),
        }
    }
}

/// A socket's options.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct SocketConfig {
    /// TCP_NODELAY: no Nagle.
    pub(crate) nodelay: bool,
    /// TCP_CORK: hold partial segments back.
    pub(crate) cork: bool,
    /// TCP_MAXSEG, bytes; 0: not set.
    pub(crate) user_mss: u16,
    /// SO_KEEPALIVE.
    pub(crate) keepalive: bool,
    /// TCP_KEEPIDLE; zero: the namespace's.
    pub(crate) keepidle: Duration,
    /// TCP_KEEPINTVL; zero: the namespace's.
    pub(crate) keepintvl: Duration,
    /// TCP_KEEPCNT; 0: the namespace's.
    pub(crate) keepcnt: u8,
    /// TCP_SYNCNT; 0: the namespace's.
    pub(crate) syn_retries: u8,
    /// TCP_USER_TIMEOUT; zero: none.
    pub(crate) user_timeout: Duration,
    /// TCP_CONGESTION; `None`: the namespace's.
    pub(crate) congestion: Option<Algorithm>,
    /// TCP_LINGER2: how long an orphan waits in FIN-WAIT-2.
    pub(crate) linger2: Linger2,
    /// TCP_DEFER_ACCEPT, as the number of time-outs of a SYN-ACK to wait for data; 0: off.
    pub(crate) defer_accept: u8,
    /// TCP_WINDOW_CLAMP: the largest window to offer, bytes; 0: not set.
    pub(crate) window_clamp: u32,
    /// TCP_NOTSENT_LOWAT: there is room to write only below so many unsent bytes; 0: not set.
    pub(crate) notsent_lowat: u32,
    /// TCP_RTO_MIN_US; zero: the namespace's.
    pub(crate) rto_min: Duration,
    /// TCP_RTO_MAX_MS; zero: the namespace's.
    pub(crate) rto_max: Duration,
    /// TCP_DELACK_MAX_US; zero: the namespace's.
    pub(crate) delack_max: Duration,
    /// TCP_THIN_LINEAR_TIMEOUTS: a stream with little in flight does not back off at once.
    pub(crate) thin_linear: bool,
    /// SO_OOBINLINE: urgent data is read with the rest.
    pub(crate) oob_inline: bool,
    /// IP_RECVERR, or IPV6_RECVERR where the peer is of IPv6: the user of a connection that is open is told of
    /// an ICMP error at once.
    pub(crate) tells_icmp: bool,
    /// TCP_TX_DELAY: how much later than otherwise each segment leaves, microseconds.
    pub(crate) tx_delay: u32,
}

crate::tcp::log::fields!(SocketConfig {
    nodelay,
    cork,
    user_mss,
    keepalive,
    keepidle,
    keepintvl,
    keepcnt,
    syn_retries,
    user_timeout,
    congestion,
    linger2,
    defer_accept,
    window_clamp,
    notsent_lowat,
    rto_min,
    rto_max,
    delack_max,
    thin_linear,
    oob_inline,
    tells_icmp,
    tx_delay,
});

impl SocketConfig {
    /// TCP_TX_DELAY.
    pub(crate) fn tx_delay(&self) -> Duration {
        Duration::from_micros(u64::from(self.tx_delay))
    }
}

/// TCP_LINGER2.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Linger2 {
    /// As long as the namespace says.
    #[default]
    Default,
    /// Not at all: the orphan is aborted instead.
    Never,
    /// So long.
    For(Duration),
}

impl Field for Linger2 {
    fn put(&self, to: &mut impl Sink) {
        match self {
            Self::Default => to.word(0),
            Self::Never => to.word(1),
            Self::For(time) => {
                to.word(2);
                time.put(to);
            }
        }
    }
    fn take(from: &mut impl Source) -> Self {
        match from.word() {
            1 => Self::Never,
            2 => Self::For(Duration::take(from)),
            _ => Self::Default,
        }
    }
}
