// SPDX-License-Identifier: GPL-2.0

//! /proc/net/rusttcp and /proc/net/rusttcp6, in the formats of /proc/net/tcp and /proc/net/tcp6 (so
//! that `PROC_NET_TCP=/proc/net/rusttcp PROC_NET_TCP6=/proc/net/rusttcp6 ss -tan` reads them), and
//! /proc/net/rusttcp_stat, in the format of /proc/net/netstat; `sockstat.rs` has another one.

use super::sockstat::SockStat;
use crate::net::{
    addr::Endpoint,
    netns::{
        Net,
        PerNet, //
    },
    proc::{
        Listing,
        ProcFile, //
    },
    proto_ops::abi, //
};
use crate::stack::{
    demux::{
        Conn,
        ConnState,
        Kind,
        Listener, //
    },
    netns::{
        net_config,
        NetState, //
    },
    sock::{
        kernel_state,
        now,
        TcpShared,
        TcpSock, //
    },
};
use crate::tcp::{
    info::full_segments,
    mib::Mib,
    time::{
        Duration,
        Instant, //
    },
};
use core::net::IpAddr;
use kernel::{
    fmt,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{
        atomic::Relaxed,
        rcu, //
    },
};

/// The files of a namespace.
pub(crate) struct Files {
    _connections: ProcFile<Connections<false>>,
    _connections6: ProcFile<Connections<true>>,
    _stat: ProcFile<Stat>,
    _sockstat: ProcFile<SockStat>,
}

impl PerNet for Files {
    const SLOT: usize = 1;

    fn init(net: Net) -> Result<Pin<KBox<Self>>> {
        let files = Self {
            _connections: ProcFile::new(net, c"rusttcp")?,
            _connections6: ProcFile::new(net, c"rusttcp6")?,
            _stat: ProcFile::new(net, c"rusttcp_stat")?,
            _sockstat: ProcFile::new(net, c"rusttcp_sockstat")?,
        };
        Ok(KBox::pin(files, GFP_KERNEL)?)
    }

    fn exit(&self, _net: Net) {}
}

/// /proc/net/rusttcp, or (`V6`) rusttcp6: the heading, then bucket after bucket of listeners and
/// connections. The latter
/// lists an IPv6 socket with an IPv4 peer too.
struct Connections<const V6: bool>;

const HEADING: &str =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   \
                       uid  timeout inode";
const HEADING6: &str = concat!(
    "  sl  ",
    "local_address                         ",
    "remote_address                        ",
    "st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
);

impl<const V6: bool> Listing for Connections<V6> {
    fn exists(net: Net, index: usize) -> bool {
        NetState::of(net).is_some_and(|s| {
            index
                < s.listeners
                    .buckets()
                    .wrapping_add(s.conns.buckets())
                    .wrapping_add(1)
        })
    }

    fn show(net: Net, index: usize, out: &SeqFile) -> bool {
        let Some(state) = NetState::of(net) else {
            return false;
        };
        let Some(index) = index.checked_sub(1) else {
            if V6 {
                seq_print!(out, "{}\n", HEADING6);
            } else {
                seq_print!(out, "{:<149}\n", HEADING);
            }
            return true;
        };
        let rcu = rcu::read_lock();
        match index.checked_sub(state.listeners.buckets()) {
            None => state.listeners.for_bucket(index, &rcu, |node| {
                let listener: &Listener = node.value();
                if listener.sk.is_v6() == V6 {
                    show_sock(out, index, &listener.sk);
                }
            }),
            Some(index) => state.conns.for_bucket(index, &rcu, |node| {
                let conn: &Conn = node.value();
                // A socket may be one of IPv4 since (IPV6_ADDRFORM).
                let v6 = match &conn.kind {
                    Kind::Sock(sk) => sk.is_v6(),
                    Kind::HalfOpen(..) | Kind::TimeWait => conn.v6,
                };
                if v6 != V6 {
                    return;
                }
                match &conn.kind {
                    Kind::Sock(sk) => show_sock(out, index, sk),
                    Kind::HalfOpen(..) | Kind::TimeWait => {
                        let (code, timer) = match &*node.state().lock() {
                            ConnState::HalfOpen(entry) => (
                                abi::TCP_SYN_RECV,
                                Shown::new(1, entry.deadline(), entry.retries),
                            ),
                            ConnState::TimeWait(tw) => {
                                (kernel_state(tw.state()), Shown::new(3, tw.deadline(), 0))
                            }
                            ConnState::Sock => (abi::TCP_CLOSE, Shown::default()),
                        };
                        let uid = match &conn.kind {
                            Kind::HalfOpen(listener, _) => listener.owner_ids(out).0,
                            _ => 0,
                        };
                        let ends = [conn.local, conn.remote].map(|end| End(end, V6));
                        line(out, index, ends, code, (0, 0), timer, (uid, 0), 0, None);
                    }
                }
            }),
        }
    }
}

fn show_sock(out: &SeqFile, index: usize, sk: &TcpSock) {
    let state = sk.state();
    let shared = sk.shared();
    // Send-Q and Recv-Q of a listener are the accept queue's bound and length. (/proc/net/tcp has
    // no bound and says 0; ss gets it from sock_diag there.)
    let queues = if state == abi::TCP_LISTEN {
        let queue = shared.accept.lock();
        (queue.limit(), queue.len())
    } else {
        // A FIN that nobody has read counts, as in Linux.
        let end = u32::from(shared.end_unread.load(Relaxed));
        let unread = shared.readable.load(Relaxed).saturating_add(end);
        (shared.unacked.load(Relaxed), unread)
    };
    let kind = shared.timer_kind.load(Relaxed).to_le_bytes();
    let timer = Shown::new(
        kind[0],
        Instant::from_nanos(shared.timer_at.load(Relaxed)),
        kind[1],
    );
    let more = if state == abi::TCP_LISTEN {
        More::of_listener(shared.accept.lock().user.fast_open)
    } else {
        More::of(shared)
    };
    line(
        out,
        index,
        [sk.local(), sk.remote()].map(|end| End(end, sk.is_v6())),
        state,
        queues,
        timer,
        sk.owner_ids(out),
        sk.refcount(),
        Some(more),
    );
}

/// The columns behind the last one that has a name, as far as they are numbers: time-out and delay of an
/// ACK in hundredths of a second; twice the ACKs that go out at once, odd if ACKs wait for data;
/// congestion window and slow-start threshold in segments (-1: none yet).
struct More {
    rto: u64,
    ato: u64,
    quick: u64,
    cwnd: u32,
    ssthresh: i64,
}

impl More {
    fn of(shared: &TcpShared) -> Self {
        let times = shared.shown_times.load(Relaxed);
        let windows = shared.shown_windows.load(Relaxed);
        let mss = shared.shown_mss.load(Relaxed).max(1);
        let [a, b, c, d, e, f, g, h] = windows.to_le_bytes();
        let cwnd = u32::from_le_bytes([a, b, c, d]);
        let ssthresh = u32::from_le_bytes([e, f, g, h]);
        Self {
            rto: (times & 0xffff_ffff) / 10,
            ato: (times >> 32 & 0xffff) / 10,
            quick: (times >> 48 & 0xff) << 1 | (times >> 56 & 1),
            cwnd: full_segments(cwnd, mss),
            ssthresh: match ssthresh {
                u32::MAX => -1,
                bytes => i64::from(full_segments(bytes, mss)),
            },
        }
    }

    /// Of a listener /proc/net/tcp tells what its connections begin with, and how many may wait by Fast
    /// Open.
    fn of_listener(fast_open: u32) -> Self {
        Self {
            rto: 100,
            ato: 0,
            quick: 0,
            cwnd: 10,
            ssthresh: i64::from(fast_open),
        }
    }
}

/// The columns tr, tm->when and retrnsmt.
#[derive(Clone, Copy, Default)]
struct Shown {
    kind: u8,
    /// Hundredths of a second that are left.
    left: u64,
    retries: u8,
}

impl Shown {
    fn new(kind: u8, at: Instant, retries: u8) -> Self {
        let left = at.since(now()).as_millis_ceil() / 10;
        Self {
            kind,
            left: if kind == 0 { 0 } else { left },
            retries,
        }
    }
}

/// An end of an IPv4 or (`true`) IPv6 socket.
struct End(Endpoint, bool);

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Addresses are shown as the numbers that their bytes in memory make.
        match self.0.addr {
            IpAddr::V4(addr) if !self.1 => write!(f, "{:08X}", u32::from(addr).to_be())?,
            addr => {
                let addr = match addr {
                    IpAddr::V4(addr) => addr.to_ipv6_mapped(),
                    IpAddr::V6(addr) => addr,
                };
                for word in addr.octets().as_chunks::<4>().0 {
                    write!(f, "{:08X}", u32::from_ne_bytes(*word))?;
                }
            }
        }
        write!(f, ":{:04X}", self.0.port)
    }
}

#[expect(clippy::too_many_arguments)]
fn line(
    out: &SeqFile,
    index: usize,
    [local, remote]: [End; 2],
    state: u8,
    queues: (u32, u32),
    timer: Shown,
    (uid, inode): (u32, u64),
    refs: c_int,
    more: Option<More>,
) {
    // What was sent without an answer is a probe or something sent again, by the timer that runs.
    let (again, probes) = match timer.kind {
        2 | 4 => (0, timer.retries),
        _ => (timer.retries, 0),
    };
    seq_print!(
        out,
        "{:4}: {} {} {:02X} {:08X}:{:08X} {:02X}:{:08X} {:08X} {:5} {:8} {} {} {:016x}",
        index,
        local,
        remote,
        state,
        queues.0,
        queues.1,
        timer.kind,
        timer.left,
        again,
        uid,
        probes,
        inode,
        refs,
        0,
    );
    if let Some(more) = more {
        seq_print!(
            out,
            " {} {} {} {} {}",
            more.rto,
            more.ato,
            more.quick,
            more.cwnd,
            more.ssthresh
        );
    }
    seq_print!(out, "\n");
}

/// /proc/net/rusttcp_stat: the group `Tcp` as /proc/net/snmp has it, and the group `TcpExt` as
/// /proc/net/netstat has it, so that nstat shows them by the same names.
struct Stat;

/// What the group `Tcp` begins with: RFC 4022's tcpRtoAlgorithm (1, "other", as in Linux), tcpRtoMin and
/// tcpRtoMax in milliseconds, tcpMaxConn (-1: it varies).
const LIMITS: [&str; 4] = ["RtoAlgorithm", "RtoMin", "RtoMax", "MaxConn"];

impl Listing for Stat {
    fn exists(_net: Net, index: usize) -> bool {
        index < 4
    }

    fn show(net: Net, index: usize, out: &SeqFile) -> bool {
        let Some(state) = NetState::of(net) else {
            return false;
        };
        let standard = index < 2;
        let values = index & 1 == 1;
        seq_print!(out, "{}", if standard { "Tcp:" } else { "TcpExt:" });
        if standard && values {
            let config = net_config(net);
            let ms = |time: Duration| time.as_millis_ceil();
            seq_print!(out, " 1 {} {} -1", ms(config.rto_min), ms(config.rto_max));
        } else if standard {
            for name in LIMITS {
                seq_print!(out, " {}", name);
            }
        }
        for (at, name) in Mib::NAMES.iter().enumerate() {
            if (at < Mib::STANDARD) != standard {
                continue;
            }
            if values {
                seq_print!(out, " {}", state.mib.get(at));
            } else {
                seq_print!(out, " {}", name);
            }
        }
        seq_print!(out, "\n");
        true
    }
}
