// SPDX-License-Identifier: GPL-2.0

//! What each namespace has: tables, counters, secrets.

use super::{
    bound::BoundTable,
    census::Census,
    demux::{
        Conn,
        ConnTable,
        ListenTable, //
    },
    fast_open,
    kernel::Kernel,
    memory::Account,
    settings::Overrides, //
};
use crate::net::{
    addr::Endpoint,
    clock::SipKey,
    hashtable::Node,
    lock::{
        new_bh_spinlock,
        BhSpinLock, //
    },
    netns::{
        Net,
        PerNet,
        SynPolicy,
        TcpSysctls, //
    },
    reserve,
    skbuff, //
};
use crate::tcp::{
    config::NetConfig,
    congestion::Algorithm,
    context::Cx,
    ecn::{
        OptionPolicy,
        Policy, //
    },
    handshake::cookie::Keyed,
    mib::Mib,
    platform::MibSink,
    time::{
        Duration,
        Instant, //
    }, //
};
use core::net::IpAddr;
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

/// The counters of a namespace.
pub(crate) struct Counters([Atomic<u64>; Mib::COUNT]);

impl Counters {
    fn new() -> Self {
        Self(core::array::from_fn(|_| Atomic::new(0)))
    }

    /// The value of the counter at `index` of [`Mib::NAMES`].
    pub(crate) fn get(&self, index: usize) -> u64 {
        self.0.get(index).map_or(0, |c| c.load(Relaxed))
    }
}

impl MibSink for Counters {
    #[inline]
    fn add(&self, counter: Mib, n: u64) {
        if let Some(c) = self.0.get(counter as usize) {
            c.fetch_add(n, Relaxed);
        }
    }
}

/// State of a namespace.
#[pin_data]
pub(crate) struct NetState {
    /// Connections of all kinds.
    #[pin]
    pub(crate) conns: ConnTable,
    /// Listeners.
    #[pin]
    pub(crate) listeners: ListenTable,
    /// Held while a listener joins the group of one that is in the table (SO_REUSEPORT), and while one leaves
    /// table and group: reuseport_add_sock() wants the other to be in its group until it returns.
    #[pin]
    pub(crate) groups: BhSpinLock<()>,
    /// Ports that bind() holds.
    #[pin]
    pub(super) bound: BoundTable,
    /// Counters.
    pub(crate) mib: Counters,
    /// Keys the hashes of addresses.
    hash_key: SipKey,
    /// Keys sequence numbers, timestamps and ports.
    secret: SipKey,
    /// Keys SYN cookies.
    cookie_key: SipKey,
    /// Makes Fast Open cookies where `net.ipv4` has no key.
    fast_open_key: SipKey,
    /// Advances the search for ephemeral ports (RFC 6056, algorithm 5's increment).
    pub(crate) port_step: Atomic<u32>,
    /// What was written to `net.rusttcp`.
    pub(crate) overrides: Overrides,
    /// How many of what costs without a user.
    pub(crate) census: Census,
    /// What its sockets hold.
    pub(crate) memory: Account,
    /// What is remembered of peers for Fast Open.
    #[pin]
    pub(crate) fast_open: fast_open::Memory,
}

/// Buckets of a connection table, as a power of two.
const CONN_ORDER: u32 = 12;
/// Buckets of a listener table, as a power of two.
const LISTEN_ORDER: u32 = 8;
/// Buckets of the table of ports that bind() holds, as a power of two.
const BOUND_ORDER: u32 = 8;

impl NetState {
    /// The state of a namespace. There is one for as long as anything of ours is in it.
    #[inline]
    pub(crate) fn of(net: Net) -> Option<&'static Self> {
        net.state::<Self>()
    }

    /// The world as an event at `now` finds it, with the settings of this namespace or of a socket in it.
    #[inline]
    pub(super) fn cx<'a>(&'a self, now: Instant, net: &'a NetConfig) -> Cx<'a, Kernel> {
        Cx {
            now,
            net,
            mib: &self.mib,
        }
    }

    /// Takes an entry out of the connection table. `false`: somebody else has.
    pub(crate) fn remove(&self, node: &Node<Conn>) -> bool {
        let ours = self
            .conns
            .remove(node.hash(), |c| core::ptr::eq(c, node.value()));
        if ours {
            node.value().leave_listener();
        }
        ours
    }

    fn keyed(key: &SipKey, local: Endpoint, remote: Endpoint) -> u64 {
        let ports = (u32::from(local.port) << 16) | u32::from(remote.port);
        match (local.addr, remote.addr) {
            (IpAddr::V4(a), IpAddr::V4(b)) => key.hash(u32::from(a), u32::from(b), ports),
            (a, b) => {
                // Both are of IPv6.
                let bits = |addr| match addr {
                    IpAddr::V4(_) => 0,
                    IpAddr::V6(addr) => addr.to_bits(),
                };
                let (a, b) = (bits(a), bits(b));
                let ports = u64::from(ports);
                key.hash_long([
                    (a >> 64) as u64,
                    a as u64,
                    (b >> 64) as u64,
                    b as u64,
                    ports,
                ])
            }
        }
    }

    /// The hash of a connection.
    pub(crate) fn hash(&self, local: Endpoint, remote: Endpoint) -> u32 {
        Self::keyed(&self.hash_key, local, remote) as u32
    }

    /// Secret hashes of a connection: for its sequence numbers and for its timestamps.
    pub(crate) fn secret_hashes(&self, local: Endpoint, remote: Endpoint) -> (u32, u32) {
        let hash = Self::keyed(&self.secret, local, remote);
        (hash as u32, (hash >> 32) as u32)
    }

    /// The namespace's Fast Open keys, as [`Net::fastopen_keys`]; there always is a first one.
    pub(crate) fn fast_open_keys(&self, net: Net) -> [Option<SipKey>; 2] {
        match net.fastopen_keys() {
            [None, _] => [Some(self.fast_open_key), None],
            keys => keys,
        }
    }

    /// The hash that proves that a SYN cookie for these endpoints is ours.
    pub(crate) fn cookie_hash(&self, local: Endpoint, remote: Endpoint) -> CookieHash<'_> {
        CookieHash {
            key: &self.cookie_key,
            ends: Self::keyed(&self.cookie_key, local, remote),
        }
    }
}

/// A keyed hash over the endpoints of a connection, and what else a cookie holds.
pub(crate) struct CookieHash<'a> {
    key: &'a SipKey,
    ends: u64,
}

impl Keyed for CookieHash<'_> {
    fn hash(&self, a: u32, b: u32) -> u32 {
        let (low, high) = (self.ends as u32, (self.ends >> 32) as u32);
        self.key.hash(low ^ a, high, b) as u32
    }
}

impl PerNet for NetState {
    const SLOT: usize = 0;

    fn init(_net: Net) -> Result<Pin<KBox<Self>>> {
        let fast_open = fast_open::Memory::new()?;
        let memory = Account::new()?;
        KBox::try_pin_init(
            try_pin_init!(Self {
                conns <- ConnTable::new(CONN_ORDER),
                listeners <- ListenTable::new(LISTEN_ORDER),
                groups <- new_bh_spinlock!((), "NetState::groups"),
                bound <- BoundTable::new(BOUND_ORDER),
                mib: Counters::new(),
                hash_key: SipKey::random(),
                secret: SipKey::random(),
                cookie_key: SipKey::random(),
                fast_open_key: SipKey::random(),
                port_step: Atomic::new(crate::net::clock::random_u32()),
                overrides: Overrides::new(),
                census: Census::new(),
                memory,
                fast_open <- fast_open,
            }),
            GFP_KERNEL,
        )
    }

    fn exit(&self, _net: Net) {
        // No socket is left (each holds a reference to its namespace), but half-open and
        // TIME-WAIT entries may be, and they name the namespace.
        self.conns.retain_not(|_| true);
        self.listeners.retain_not(|_| true);
        // The kernel sockets that held ports hold no reference, and are given back a little later than
        // the sockets that they were reserved for.
        reserve::flush();
    }
}

/// The settings of a namespace as its sysctls have them: those of its own TCP, but for what was
/// written to `net.rusttcp`.
pub(crate) fn sysctls(net: Net) -> TcpSysctls {
    let mut sysctls = net.tcp_sysctls();
    if let Some(state) = NetState::of(net) {
        state.overrides.apply(&mut sysctls);
    }
    sysctls
}

/// `tcp_max_orphans` alone, which every close() asks for.
pub(crate) fn max_orphans(net: Net) -> u32 {
    match NetState::of(net) {
        Some(state) if state.overrides.any() => sysctls(net).max_orphans,
        _ => net.max_orphans(),
    }
}

/// `tcp_max_tw_buckets` alone, which every end of a connection asks for.
pub(crate) fn max_tw_buckets(net: Net) -> u32 {
    match NetState::of(net) {
        Some(state) if state.overrides.any() => sysctls(net).max_tw_buckets,
        _ => net.max_tw_buckets(),
    }
}

/// What a listener takes over from a SYN in a namespace.
pub(crate) fn syn_policy(net: Net) -> SynPolicy {
    match NetState::of(net) {
        Some(state) if state.overrides.any() => {
            let s = sysctls(net);
            SynPolicy {
                reflect_tos: s.reflect_tos,
                fwmark_accept: s.fwmark_accept,
                l3mdev_accept: s.l3mdev_accept,
            }
        }
        _ => net.syn_policy(),
    }
}

/// When the AccECN option is sent in a namespace, now: that one follows the settings at once.
pub(crate) fn ecn_option(net: Net, state: &NetState) -> OptionPolicy {
    if state.overrides.any() {
        return net_config(net).ecn_option;
    }
    let (option, beacon, fallback) = net.ecn_option();
    OptionPolicy::from_sysctls(option, beacon, fallback)
}

/// The settings of a namespace.
pub(crate) fn net_config(net: Net) -> NetConfig {
    let s = sysctls(net);
    NetConfig {
        syn_retries: s.syn_retries,
        syn_linear_timeouts: s.syn_linear_timeouts,
        synack_retries: s.synack_retries,
        retries2: s.retries2,
        orphan_retries: s.orphan_retries,
        fin_timeout: Duration::from_millis(s.fin_timeout_ms),
        keepalive_time: Duration::from_millis(s.keepalive_time_ms),
        keepalive_intvl: Duration::from_millis(s.keepalive_intvl_ms),
        keepalive_probes: s.keepalive_probes,
        sack: s.sack,
        window_scaling: s.window_scaling,
        timestamps: s.timestamps,
        max_syn_backlog: s.max_syn_backlog,
        syncookies: s.syncookies,
        invalid_ratelimit: Duration::from_millis(s.invalid_ratelimit_ms),
        rmem: s.rmem,
        wmem: s.wmem,
        overhead: skbuff::OVERHEAD,
        moderate_rcvbuf: s.moderate_rcvbuf,
        shrink_window: s.shrink_window,
        abort_on_overflow: s.abort_on_overflow,
        rfc1337: s.rfc1337,
        slow_start_after_idle: s.slow_start_after_idle,
        ecn: Policy::from_sysctl(s.ecn),
        ecn_option: OptionPolicy::from_sysctls(s.ecn_option, s.ecn_option_beacon, s.ecn_fallback),
        congestion: congestion(&s.congestion),
        fastopen: s.fastopen,
        min_tso_segs: s.min_tso_segs,
        comp_sack_delay: Duration::from_nanos(s.comp_sack_delay_ns),
        comp_sack_slack: Duration::from_nanos(s.comp_sack_slack_ns),
        comp_sack_rtt_percent: s.comp_sack_rtt_percent,
        comp_sack_nr: s.comp_sack_nr,
        rto_min: Duration::from_micros(s.rto_min_us),
        rto_max: Duration::from_millis(s.rto_max_ms),
        retries1: s.retries1,
        mtu_probing: s.mtu_probing,
        base_mss: s.base_mss,
        mtu_probe_floor: s.mtu_probe_floor,
        min_snd_mss: s.min_snd_mss,
        probe_threshold: s.probe_threshold,
        probe_interval: Duration::from_secs(s.probe_interval_s),
        tw_reuse: s.tw_reuse,
        tw_reuse_delay: Duration::from_millis(s.tw_reuse_delay_ms),
        dsack: s.dsack,
        // Of the others Linux knows nothing any more.
        early_retrans: matches!(s.early_retrans, 3 | 4),
        frto: s.frto != 0,
        recovery: s.recovery,
        reordering: u16::try_from(s.reordering).unwrap_or(u16::MAX),
        max_reordering: s.max_reordering,
        thin_linear_timeouts: s.thin_linear_timeouts,
        notsent_lowat: s.notsent_lowat,
        pingpong_thresh: s.pingpong_thresh,
        pacing_ss_ratio: s.pacing_ss_ratio,
        pacing_ca_ratio: s.pacing_ca_ratio,
        stdurg: s.stdurg,
        workaround_signed_windows: s.workaround_signed_windows,
        rcvbuf_low_rtt: Duration::from_micros(u64::from(s.rcvbuf_low_rtt_us)),
        tso_rtt_log: s.tso_rtt_log,
        tso_win_divisor: s.tso_win_divisor,
        min_rtt_wlen: Duration::from_secs(u64::from(s.min_rtt_wlen_s)),
        ..NetConfig::default()
    }
}

/// The congestion control of that name, padded with zeros; the default if we have none like it.
fn congestion(name: &[u8]) -> Algorithm {
    let name = name.split(|byte| *byte == 0).next().unwrap_or(name);
    Algorithm::parse(name).unwrap_or_default()
}
