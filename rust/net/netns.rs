// SPDX-License-Identifier: GPL-2.0

//! Network namespaces: a handle, per-namespace state, and what the namespace's IP layer says.
//!
//! C header: [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h)

use super::{
    bindings,
    clock::SipKey, //
};
use core::{
    cell::UnsafeCell,
    ptr::NonNull, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

/// A network namespace.
///
/// # Invariants
///
/// The namespace is alive. Whoever keeps a `Net` guarantees that: a socket holds a reference to
/// its namespace, a packet's device belongs to one, and entries of the tables are removed by
/// [`PerNet::exit`] before their namespace goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Net(NonNull<bindings::net>);

// SAFETY: A namespace is shared between all CPUs; what we read of it is constant or atomic.
unsafe impl Send for Net {}
// SAFETY: As above.
unsafe impl Sync for Net {}

impl Net {
    /// # Safety
    ///
    /// The namespace must stay alive for as long as the handle is used.
    pub(super) unsafe fn from_raw(net: *mut bindings::net) -> Option<Self> {
        NonNull::new(net).map(Self)
    }

    pub(super) fn as_ptr(self) -> *mut bindings::net {
        self.0.as_ptr()
    }

    /// The first namespace.
    pub(crate) fn init() -> Self {
        // SAFETY: A static's address.
        // INVARIANT: It is always alive.
        Self(unsafe { NonNull::new_unchecked(&raw mut bindings::init_net) })
    }

    /// `net.core.somaxconn`.
    pub(crate) fn somaxconn(self) -> u32 {
        // SAFETY: Alive by the type invariants.
        unsafe { bindings::somaxconn(self.as_ptr()) }
    }

    /// `net.ipv4.ip_local_reserved_ports`: whether `port` is on it.
    pub(crate) fn is_reserved_port(self, port: u16) -> bool {
        // SAFETY: Alive by the type invariants.
        unsafe { bindings::is_reserved_port(self.as_ptr(), port) }
    }

    /// Whether `port` is a privileged one and the caller has no right to it.
    pub(crate) fn guards_port(self, port: u16) -> bool {
        // SAFETY: Alive by the type invariants.
        unsafe { bindings::guards_port(self.as_ptr(), port) }
    }

    /// The state that [`PerNet::init`] made for this namespace.
    pub(crate) fn state<P: PerNet>(self) -> Option<&'static P> {
        // SAFETY: The namespace is alive and the registration of `P` wrote a valid pointer or
        // null; the state is freed only after everything that could ask for it is gone.
        unsafe {
            let slot = bindings::net_generic(self.as_ptr(), (*slot::<P>()).0);
            (*slot.cast::<*const P>()).as_ref()
        }
    }

    /// `net.ipv4.tcp_fastopen_key`: the key to make cookies by, and one that was in use before.
    /// None: nobody has set or used one.
    pub(crate) fn fastopen_keys(self) -> [Option<SipKey>; 2] {
        let mut keys = [bindings::siphash_key_t::default(); 2];
        // SAFETY: Alive by the type invariants; there is room for two keys.
        let n = unsafe { bindings::fastopen_keys(self.as_ptr(), keys.as_mut_ptr(), 2) };
        let [first, second] = keys;
        [
            (n > 0).then(|| SipKey::from_raw(first)),
            (n > 1).then(|| SipKey::from_raw(second)),
        ]
    }

    /// `net.ipv4.tcp_ecn_option`, `tcp_ecn_option_beacon` and `tcp_ecn_fallback`.
    #[inline]
    pub(crate) fn ecn_option(self) -> (u8, u8, bool) {
        // SAFETY: Alive by the type invariants. The fields are bytes that a sysctl may change at any
        // time.
        let v4 = unsafe { &(*self.as_ptr()).ipv4 };
        (
            v4.sysctl_tcp_ecn_option,
            v4.sysctl_tcp_ecn_option_beacon,
            v4.sysctl_tcp_ecn_fallback != 0,
        )
    }

    /// `net.ipv4.tcp_reflect_tos`, `tcp_fwmark_accept` and `tcp_l3mdev_accept`.
    pub(crate) fn syn_policy(self) -> SynPolicy {
        // SAFETY: Alive by the type invariants. The fields are bytes that a sysctl may change at any
        // time.
        let v4 = unsafe { &(*self.as_ptr()).ipv4 };
        SynPolicy {
            reflect_tos: v4.sysctl_tcp_reflect_tos != 0,
            fwmark_accept: v4.sysctl_tcp_fwmark_accept != 0,
            l3mdev_accept: v4.sysctl_tcp_l3mdev_accept != 0,
        }
    }

    /// `net.ipv4.fwmark_reflect`, or `net.ipv6`'s: whether what no socket sends has the mark of what
    /// it answers.
    pub(crate) fn reflects_mark(self, v6: bool) -> bool {
        // SAFETY: As above.
        let net = unsafe { &*self.as_ptr() };
        if v6 {
            net.ipv6.sysctl.fwmark_reflect != 0
        } else {
            net.ipv4.sysctl_fwmark_reflect != 0
        }
    }

    /// `net.ipv4.tcp_max_orphans`.
    pub(crate) fn max_orphans(self) -> u32 {
        // SAFETY: Plain call.
        unsafe { bindings::max_orphans() }
    }

    /// `net.ipv4.tcp_max_tw_buckets`.
    pub(crate) fn max_tw_buckets(self) -> u32 {
        // SAFETY: Alive by the type invariants.
        let most = unsafe { bindings::max_tw_buckets(self.as_ptr()) };
        u32::try_from(most).unwrap_or(0)
    }

    /// The namespace's own TCP settings, so that an administrator's choices hold here too.
    pub(crate) fn tcp_sysctls(self) -> TcpSysctls {
        // SAFETY: Alive by the type invariants. The fields are single words that a sysctl may
        // change at any time; a torn set of them is as good as one taken a moment later.
        let v4 = unsafe { &(*self.as_ptr()).ipv4 };
        let mut congestion = [0u8; CONGESTION_NAME];
        // SAFETY: Alive by the type invariants; there is room for a name.
        unsafe { bindings::tcp_congestion_name(self.as_ptr(), congestion.as_mut_ptr()) };
        TcpSysctls {
            congestion,
            syn_retries: v4.sysctl_tcp_syn_retries,
            syn_linear_timeouts: v4.sysctl_tcp_syn_linear_timeouts,
            synack_retries: v4.sysctl_tcp_synack_retries,
            retries2: v4.sysctl_tcp_retries2,
            orphan_retries: v4.sysctl_tcp_orphan_retries,
            fin_timeout_ms: jiffies_to_ms(v4.sysctl_tcp_fin_timeout),
            keepalive_time_ms: jiffies_to_ms(v4.sysctl_tcp_keepalive_time),
            keepalive_intvl_ms: jiffies_to_ms(v4.sysctl_tcp_keepalive_intvl),
            keepalive_probes: v4.sysctl_tcp_keepalive_probes,
            sack: v4.sysctl_tcp_sack != 0,
            window_scaling: v4.sysctl_tcp_window_scaling != 0,
            timestamps: v4.sysctl_tcp_timestamps != 0,
            max_orphans: self.max_orphans(),
            max_tw_buckets: self.max_tw_buckets(),
            retries1: v4.sysctl_tcp_retries1,
            mtu_probing: v4.sysctl_tcp_mtu_probing,
            base_mss: mss(v4.sysctl_tcp_base_mss),
            mtu_probe_floor: mss(v4.sysctl_tcp_mtu_probe_floor),
            min_snd_mss: mss(v4.sysctl_tcp_min_snd_mss),
            probe_threshold: u16::try_from(v4.sysctl_tcp_probe_threshold).unwrap_or(0),
            probe_interval_s: u64::from(v4.sysctl_tcp_probe_interval),
            tw_reuse: v4.sysctl_tcp_tw_reuse,
            tw_reuse_delay_ms: u64::from(v4.sysctl_tcp_tw_reuse_delay),
            max_syn_backlog: u32::try_from(v4.sysctl_max_syn_backlog).unwrap_or(0),
            syncookies: v4.sysctl_tcp_syncookies,
            invalid_ratelimit_ms: jiffies_to_ms(v4.sysctl_tcp_invalid_ratelimit),
            rmem: v4.sysctl_tcp_rmem.map(|v| u32::try_from(v).unwrap_or(0)),
            wmem: v4.sysctl_tcp_wmem.map(|v| u32::try_from(v).unwrap_or(0)),
            moderate_rcvbuf: v4.sysctl_tcp_moderate_rcvbuf != 0,
            shrink_window: v4.sysctl_tcp_shrink_window != 0,
            abort_on_overflow: v4.sysctl_tcp_abort_on_overflow != 0,
            rfc1337: v4.sysctl_tcp_rfc1337 != 0,
            slow_start_after_idle: v4.sysctl_tcp_slow_start_after_idle != 0,
            ecn: v4.sysctl_tcp_ecn,
            ecn_option: v4.sysctl_tcp_ecn_option,
            ecn_option_beacon: v4.sysctl_tcp_ecn_option_beacon,
            ecn_fallback: v4.sysctl_tcp_ecn_fallback != 0,
            fastopen: u32::try_from(v4.sysctl_tcp_fastopen).unwrap_or(0),
            fastopen_blackhole_timeout: v4.sysctl_tcp_fastopen_blackhole_timeout,
            min_tso_segs: v4.sysctl_tcp_min_tso_segs,
            comp_sack_delay_ns: v4.sysctl_tcp_comp_sack_delay_ns as u64,
            comp_sack_slack_ns: v4.sysctl_tcp_comp_sack_slack_ns as u64,
            comp_sack_rtt_percent: u16::try_from(v4.sysctl_tcp_comp_sack_rtt_percent).unwrap_or(0),
            comp_sack_nr: v4.sysctl_tcp_comp_sack_nr,
            rto_min_us: u64::try_from(v4.sysctl_tcp_rto_min_us).unwrap_or(0),
            rto_max_ms: u64::try_from(v4.sysctl_tcp_rto_max_ms).unwrap_or(0),
            early_retrans: v4.sysctl_tcp_early_retrans,
            frto: v4.sysctl_tcp_frto,
            recovery: v4.sysctl_tcp_recovery,
            pingpong_thresh: v4.sysctl_tcp_pingpong_thresh,
            tso_rtt_log: v4.sysctl_tcp_tso_rtt_log,
            tso_win_divisor: v4.sysctl_tcp_tso_win_divisor,
            dsack: v4.sysctl_tcp_dsack != 0,
            thin_linear_timeouts: v4.sysctl_tcp_thin_linear_timeouts != 0,
            stdurg: v4.sysctl_tcp_stdurg != 0,
            workaround_signed_windows: v4.sysctl_tcp_workaround_signed_windows != 0,
            reflect_tos: v4.sysctl_tcp_reflect_tos != 0,
            fwmark_accept: v4.sysctl_tcp_fwmark_accept != 0,
            l3mdev_accept: v4.sysctl_tcp_l3mdev_accept != 0,
            reordering: u32::try_from(v4.sysctl_tcp_reordering).unwrap_or(0),
            max_reordering: u32::try_from(v4.sysctl_tcp_max_reordering).unwrap_or(0),
            rcvbuf_low_rtt_us: u32::try_from(v4.sysctl_tcp_rcvbuf_low_rtt).unwrap_or(0),
            min_rtt_wlen_s: u32::try_from(v4.sysctl_tcp_min_rtt_wlen).unwrap_or(0),
            pacing_ss_ratio: u16::try_from(v4.sysctl_tcp_pacing_ss_ratio).unwrap_or(0),
            pacing_ca_ratio: u16::try_from(v4.sysctl_tcp_pacing_ca_ratio).unwrap_or(0),
            notsent_lowat: v4.sysctl_tcp_notsent_lowat,
        }
    }
}

/// Bytes of the longest name of a congestion control, with the zero at its end.
const CONGESTION_NAME: usize = bindings::TCP_CA_NAME_MAX as usize;

/// A segment size within what the core takes.
fn mss(bytes: c_int) -> u16 {
    u16::try_from(bytes.clamp(48, 65_535)).unwrap_or(48)
}

/// Ticks to milliseconds.
fn jiffies_to_ms(ticks: c_int) -> u64 {
    u64::try_from(ticks).unwrap_or(0).saturating_mul(1000) / u64::from(bindings::KERNEL_HZ)
}

/// What a listener takes over from a SYN.
#[derive(Clone, Copy)]
pub(crate) struct SynPolicy {
    /// Its traffic class.
    pub(crate) reflect_tos: bool,
    /// Its mark, if the listener has none.
    pub(crate) fwmark_accept: bool,
    /// The routing domain that it came from, which it may come from only then.
    pub(crate) l3mdev_accept: bool,
}

/// What `net.ipv4.tcp_*` says in a namespace. Named as the sysctls are; times in milliseconds.
pub(crate) struct TcpSysctls {
    /// `tcp_congestion_control`, padded with zeros.
    pub(crate) congestion: [u8; CONGESTION_NAME],
    pub(crate) syn_retries: u8,
    pub(crate) syn_linear_timeouts: u8,
    pub(crate) synack_retries: u8,
    pub(crate) retries2: u8,
    pub(crate) orphan_retries: u8,
    pub(crate) fin_timeout_ms: u64,
    pub(crate) keepalive_time_ms: u64,
    pub(crate) keepalive_intvl_ms: u64,
    pub(crate) keepalive_probes: u8,
    pub(crate) sack: bool,
    pub(crate) window_scaling: bool,
    pub(crate) timestamps: bool,
    /// As it was at boot: what was written since can't be read.
    pub(crate) max_orphans: u32,
    pub(crate) max_tw_buckets: u32,
    pub(crate) retries1: u8,
    pub(crate) mtu_probing: u8,
    pub(crate) base_mss: u16,
    pub(crate) mtu_probe_floor: u16,
    pub(crate) min_snd_mss: u16,
    pub(crate) probe_threshold: u16,
    pub(crate) probe_interval_s: u64,
    pub(crate) tw_reuse: u8,
    pub(crate) tw_reuse_delay_ms: u64,
    pub(crate) max_syn_backlog: u32,
    pub(crate) syncookies: u8,
    pub(crate) invalid_ratelimit_ms: u64,
    pub(crate) rmem: [u32; 3],
    pub(crate) wmem: [u32; 3],
    pub(crate) moderate_rcvbuf: bool,
    pub(crate) shrink_window: bool,
    pub(crate) abort_on_overflow: bool,
    pub(crate) rfc1337: bool,
    pub(crate) slow_start_after_idle: bool,
    pub(crate) ecn: u8,
    pub(crate) ecn_option: u8,
    pub(crate) ecn_option_beacon: u8,
    pub(crate) ecn_fallback: bool,
    pub(crate) fastopen: u32,
    pub(crate) fastopen_blackhole_timeout: u32,
    pub(crate) min_tso_segs: u8,
    pub(crate) comp_sack_delay_ns: u64,
    pub(crate) comp_sack_slack_ns: u64,
    pub(crate) comp_sack_rtt_percent: u16,
    pub(crate) comp_sack_nr: u8,
    pub(crate) rto_min_us: u64,
    pub(crate) rto_max_ms: u64,
    pub(crate) early_retrans: u8,
    pub(crate) frto: u8,
    pub(crate) recovery: u8,
    pub(crate) pingpong_thresh: u8,
    pub(crate) tso_rtt_log: u8,
    pub(crate) tso_win_divisor: u8,
    pub(crate) dsack: bool,
    pub(crate) thin_linear_timeouts: bool,
    pub(crate) stdurg: bool,
    pub(crate) workaround_signed_windows: bool,
    pub(crate) reflect_tos: bool,
    pub(crate) fwmark_accept: bool,
    pub(crate) l3mdev_accept: bool,
    pub(crate) reordering: u32,
    pub(crate) max_reordering: u32,
    pub(crate) rcvbuf_low_rtt_us: u32,
    pub(crate) min_rtt_wlen_s: u32,
    pub(crate) pacing_ss_ratio: u16,
    pub(crate) pacing_ca_ratio: u16,
    pub(crate) notsent_lowat: u32,
}

/// State of the module in each namespace.
pub(crate) trait PerNet: Send + Sync + Sized + 'static {
    /// Which of the module's registrations this is: each type has a number of its own below
    /// [`SLOTS`].
    const SLOT: usize;
    /// A namespace appears (or the module does). Context: process.
    fn init(net: Net) -> Result<Pin<KBox<Self>>>;
    /// The namespace goes: everything of ours that names it must go first. Context: process.
    fn exit(&self, net: Net);
}

struct StaticCell<T>(UnsafeCell<T>);
// SAFETY: Written by the (only) registration before anything reads it.
unsafe impl<T> Sync for StaticCell<T> {}

/// How many types can be registered.
const SLOTS: usize = 3;

/// The registration of one type: the number that the kernel gave it, and its operations.
type Slot = (c_uint, Option<bindings::pernet_operations>);
static REGISTERED: [StaticCell<Slot>; SLOTS] =
    [const { StaticCell(UnsafeCell::new((0, None))) }; SLOTS];

/// The registration of `P`.
fn slot<P: PerNet>() -> *mut Slot {
    const { assert!(P::SLOT < SLOTS) };
    REGISTERED[P::SLOT].0.get()
}

/// The registration of `P` for all namespaces; the module keeps one.
///
/// # Invariants
///
/// The operations in `P`'s slot are registered.
pub(crate) struct PerNetRegistration<P: PerNet>(core::marker::PhantomData<P>);

impl<P: PerNet> PerNetRegistration<P> {
    /// Registers `P`: its `init` runs for every namespace there is and will be.
    pub(crate) fn new() -> Result<Self> {
        let ops = bindings::pernet_operations {
            init: Some(Self::init),
            exit: Some(Self::exit),
            // SAFETY: Taking a static's address.
            id: unsafe { &raw mut (*slot::<P>()).0 },
            size: core::mem::size_of::<*const P>(),
            ..Default::default()
        };
        // SAFETY: The module registers once, before anything else of it runs.
        unsafe {
            (*slot::<P>()).1 = Some(ops);
            let Some(ops) = (*slot::<P>()).1.as_mut() else {
                return Err(EINVAL);
            };
            to_result(bindings::register_pernet_subsys(ops))?;
        }
        // INVARIANT: Just registered.
        Ok(Self(core::marker::PhantomData))
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn init(net: *mut bindings::net) -> c_int {
        // SAFETY: The namespace is alive during the call and until `exit`.
        let Some(handle) = (unsafe { Net::from_raw(net) }) else {
            return EINVAL.to_errno();
        };
        match P::init(handle) {
            Ok(state) => {
                // SAFETY: The slot has room for a pointer, as registered.
                unsafe {
                    *bindings::net_generic(net, (*slot::<P>()).0).cast::<*mut P>() =
                        KBox::into_raw(Pin::into_inner_unchecked(state));
                }
                0
            }
            Err(e) => e.to_errno(),
        }
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn exit(net: *mut bindings::net) {
        // SAFETY: The namespace is alive during the call; the slot holds what `init` put there.
        unsafe {
            let slot = bindings::net_generic(net, (*slot::<P>()).0).cast::<*mut P>();
            if (*slot).is_null() {
                return;
            }
            if let Some(handle) = Net::from_raw(net) {
                (**slot).exit(handle);
            }
            // Whoever found the state through the namespace did so in an RCU section.
            bindings::synchronize_rcu();
            kernel::sync::rcu::rcu_barrier();
            drop(Pin::new_unchecked(KBox::from_raw(*slot)));
            *slot = core::ptr::null_mut();
        }
    }
}

impl<P: PerNet> Drop for PerNetRegistration<P> {
    fn drop(&mut self) {
        // SAFETY: Registered by the type invariants.
        unsafe {
            if let Some(ops) = (*slot::<P>()).1.as_mut() {
                bindings::unregister_pernet_subsys(ops);
            }
        }
    }
}
