// SPDX-License-Identifier: GPL-2.0

//! The socket: what it consists of, and what may be known of it without its lock.

use super::{
    accept_queue::AcceptQueue,
    bound::PortHold,
    census::{
        tell_crowd,
        Orphan, //
    },
    egress,
    icmp,
    ingress,
    kernel::Kernel,
    log::LogOrder,
    memory::Share,
    netns::{
        net_config,
        NetState, //
    },
    quota::{
        Late,
        Quota, //
    },
    stats::Stats, //
};
use crate::net::{
    clock,
    lock::{
        new_bh_spinlock,
        BhSpinLock,
        LazyBox, //
    },
    proto_ops::abi,
    skbuff::SkBuff,
    sock::{
        Locked,
        Protocol,
        Sock, //
    },
};
use crate::tcp::{
    config::{
        NetConfig,
        SocketConfig, //
    },
    connection::Connection,
    context::Cx,
    mib::Mib,
    platform::MibSink,
    state::ConnState,
    time::Instant, //
};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
    },
};

/// The protocol.
pub(crate) struct RustTcp;

/// A socket of ours.
pub(crate) type TcpSock = Sock<RustTcp>;
/// A socket of ours, locked.
pub(crate) type LockedTcp<'a> = Locked<'a, RustTcp>;

/// What the user has done with a socket so far.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Neither connected nor listening.
    Idle,
    /// connect() has begun.
    Connecting,
    /// Connected once.
    Connected,
    /// Listening.
    Listening,
}

/// Options that the core does not know of. A listener's children take them along.
#[derive(Clone, Copy, Default)]
pub(crate) struct UserOptions {
    /// TCP_INQ: reading tells how much is left.
    pub(crate) inq: bool,
    /// TCP_SAVE_SYN: keep the SYN's headers; 2: with the link layer's.
    pub(crate) save_syn: u8,
    /// TCP_FASTOPEN: how many connections may be open that nobody confirmed; 0: not offered.
    pub(crate) fast_open: u32,
    /// TCP_FASTOPEN_KEY: the keys of cookies, the first to make them by; none: the namespace's.
    pub(crate) fast_open_keys: [Option<[u8; 16]>; 2],
    /// TCP_FASTOPEN_CONNECT: connect() waits for the first write if the SYN can carry it.
    pub(crate) fast_connect: bool,
    /// TCP_FASTOPEN_NO_COOKIE: data on the SYN needs none, sent or received.
    pub(crate) no_cookie: bool,
    /// RUSTTCP_LOG: what a listener's children tell of themselves.
    pub(crate) log: Option<LogOrder>,
}

/// The part under the socket lock.
pub(crate) struct TcpLocked {
    /// The connection.
    pub(crate) conn: Connection<Kernel>,
    /// The namespace's settings when the socket was made.
    pub(crate) net: NetConfig,
    /// What the user has done.
    pub(crate) phase: Phase,
    /// The port, if there is one.
    pub(crate) port: Option<PortHold>,
    /// bind() asked for the port by number.
    pub(crate) user_port: bool,
    /// bind() asked for the address.
    pub(crate) user_addr: bool,
    /// The socket is in the connection table.
    pub(crate) hashed: bool,
    /// The sizes of the buffers, to send and to receive, as socket and connection knew them last.
    pub(super) buffers: (u32, u32),
    /// When the armed timer expires.
    pub(crate) armed: Option<Instant>,
    /// A connection was there: reading gives the end of the stream, not ENOTCONN.
    pub(crate) was_connected: bool,
    /// The user has read to the end of the stream.
    pub(crate) end_read: bool,
    /// Options that the core does not know of.
    pub(crate) user: UserOptions,
    /// A connection by Fast Open that is not confirmed yet.
    pub(crate) unconfirmed: Option<Unconfirmed>,
    /// The user is gone, and the connection goes on.
    pub(crate) orphan: Option<Orphan>,
    /// What its queues hold of the namespace's account.
    pub(super) share: Share,
    /// If data gets through, what seemed a black hole for Fast Open is none (any more).
    pub(crate) tests_path: bool,
    /// The headers of the SYN that this connection began with, for TCP_SAVED_SYN.
    pub(crate) saved_syn: Option<KVec<u8>>,
}

/// The part that needs no lock.
#[pin_data]
pub(crate) struct TcpShared {
    /// A listener's accept queue.
    #[pin]
    pub(crate) accept: BhSpinLock<AcceptQueue>,
    /// Half-open connections of a listener.
    half_open: Quota,
    /// When the last SYN was answered with a cookie, in seconds, or zero.
    cookies_at: Atomic<u32>,
    /// Connections of a listener by Fast Open that are not confirmed yet.
    fast_open: Atomic<u32>,
    /// Of a listener: those that their peer reset of late, which count as well.
    fast_resets: Late,
    /// The handshake is under way, and data may be written all the same; for poll().
    pub(crate) early: Atomic<bool>,
    /// Unread bytes, for poll() and /proc; written by the lock's holder.
    pub(crate) readable: Atomic<u32>,
    /// No more will come before something is read, however little it is; for poll(), written by
    /// the lock's holder.
    pub(crate) full: Atomic<bool>,
    /// The end of the stream came and was not read, for /proc; written by the lock's holder.
    pub(crate) end_unread: Atomic<bool>,
    /// What is not acknowledged, SYN and FIN too, for /proc; written by the lock's holder.
    pub(crate) unacked: Atomic<u32>,
    /// An urgent byte waits to be read, for poll(); written by the lock's holder.
    pub(crate) urgent: Atomic<bool>,
    /// There is room to write, for poll(); written by the lock's holder.
    pub(crate) writable: Atomic<bool>,
    /// When the timer that /proc shows is due, nanoseconds; written by the lock's holder.
    pub(crate) timer_at: Atomic<u64>,
    /// Which timer that is, and above 8 bits the retries in a row; written by the lock's holder.
    pub(crate) timer_kind: Atomic<u32>,
    /// For /proc: the time-out and the delay of an ACK, milliseconds (32 and 16 bits), how many ACKs
    /// go out at once (8 bits), and whether they wait for data; written by the lock's holder.
    pub(crate) shown_times: Atomic<u64>,
    /// For /proc: congestion window and slow-start threshold, bytes, 32 bits each; written by the
    /// lock's holder.
    pub(crate) shown_windows: Atomic<u64>,
    /// For /proc: bytes of a segment; written by the lock's holder.
    pub(crate) shown_mss: Atomic<u32>,
    /// What ICMP said was too big while a task owned the socket: the segment's number, and what the link
    /// takes, 32 bits each; written and read under the spinlock.
    pub(crate) too_big: Atomic<u64>,
    /// How the connection stands, for who wants that with the times of segments; written by the
    /// lock's holder.
    pub(crate) stats: LazyBox<Stats>,
}

/// Whole seconds of the clock; they come round after a century.
fn seconds(now: Instant) -> u32 {
    (now.as_nanos() / 1_000_000_000) as u32
}

/// Counts a connection by Fast Open at its listener until it is confirmed, or over (RFC 7413, 5.1).
pub(crate) struct Unconfirmed(ARef<TcpSock>);

impl Unconfirmed {
    pub(super) fn new(listener: &TcpSock) -> Self {
        listener.shared().fast_open.fetch_add(1, Relaxed);
        Self(listener.into())
    }

    /// The peer reset it. Who is made to answer SYN-ACKs that it never asked for does that, so that it takes up
    /// its place for a while: or the limit would bound nothing (RFC 7413, 5.1).
    pub(super) fn was_reset(&self, now: Instant) {
        self.0.shared().fast_resets.add(seconds(now));
    }
}

impl Drop for Unconfirmed {
    fn drop(&mut self) {
        self.0.shared().fast_open.fetch_sub(1, Relaxed);
    }
}

impl TcpShared {
    /// Counts a half-open connection if there are less than `limit`.
    pub(crate) fn half_open_begins(&self, limit: u32) -> bool {
        self.half_open.take(limit)
    }

    /// A half-open connection is no more.
    pub(crate) fn half_open_done(&self) {
        self.half_open.give_back();
    }

    /// A SYN is answered with a cookie.
    pub(crate) fn cookie_sent(&self, now: Instant) {
        self.cookies_at.store(seconds(now), Relaxed);
    }

    /// Whether a cookie that is still good may be out.
    pub(crate) fn cookies_out(&self, now: Instant) -> bool {
        let at = self.cookies_at.load(Relaxed);
        at != 0 && seconds(now).wrapping_sub(at) <= 128
    }

    /// Whether a listener has fewer than `most` connections by Fast Open that are not confirmed.
    pub(crate) fn has_fast_open(&self, most: u32, now: Instant) -> bool {
        let resets = self.fast_resets.count(seconds(now));
        self.fast_open.load(Relaxed).saturating_add(resets) < most
    }

    /// How many half-open connections there are.
    pub(crate) fn half_open(&self) -> u32 {
        self.half_open.used()
    }
}

impl Protocol for RustTcp {
    type Shared = TcpShared;
    type Locked = TcpLocked;

    fn new_shared() -> impl PinInit<TcpShared> {
        pin_init!(TcpShared {
            accept <- new_bh_spinlock!(AcceptQueue::default(), "TcpShared::accept"),
            half_open: Quota::new(),
            cookies_at: Atomic::new(0),
            fast_open: Atomic::new(0),
            fast_resets: Late::new(),
            early: Atomic::new(false),
            readable: Atomic::new(0),
            end_unread: Atomic::new(false),
            full: Atomic::new(false),
            unacked: Atomic::new(0),
            urgent: Atomic::new(false),
            writable: Atomic::new(true),
            timer_at: Atomic::new(0),
            timer_kind: Atomic::new(0),
            shown_times: Atomic::new(1000),
            shown_windows: Atomic::new(0),
            shown_mss: Atomic::new(0),
            too_big: Atomic::new(0),
            stats: LazyBox::new(),
        })
    }

    fn new_locked() -> TcpLocked {
        TcpLocked {
            conn: Connection::new(SocketConfig::default()),
            net: NetConfig::default(),
            phase: Phase::Idle,
            port: None,
            user_port: false,
            user_addr: false,
            hashed: false,
            buffers: (0, 0),
            armed: None,
            was_connected: false,
            end_read: false,
            user: UserOptions::default(),
            unconfirmed: None,
            orphan: None,
            share: Share::default(),
            tests_path: false,
            saved_syn: None,
        }
    }

    fn backlog_rcv(sk: &mut LockedTcp<'_>, skb: SkBuff) {
        ingress::segment(sk, skb);
    }

    fn on_news(sk: &mut LockedTcp<'_>) {
        icmp::after_ownership(sk);
    }

    fn on_keepalive(sk: &mut LockedTcp<'_>, on: bool) {
        configure(sk, |config| config.keepalive = on);
    }

    fn is_readable(sk: &TcpSock) -> bool {
        sk.shared().readable.load(Relaxed) > 0 || sk.shared().end_unread.load(Relaxed)
    }

    fn write_stats(sk: &TcpSock, to: &mut [u8]) -> (usize, usize) {
        sk.shared()
            .stats
            .get()
            .map_or((0, 0), |stats| stats.write(to))
    }

    fn on_timer(sk: &mut LockedTcp<'_>) {
        sk.data().armed = None;
        // It expired while the connection ended, or a small entry took over.
        if !sk.peek().hashed {
            return;
        }
        if sk.peek().orphan.is_some() {
            tell_crowd(sk);
        }
        with_cx(sk, |data, cx| data.handle_timeout(cx));
        egress::flush(sk);
    }
}

/// Calls `f` with the connection and its context.
pub(crate) fn with_cx<R>(
    sk: &mut LockedTcp<'_>,
    f: impl FnOnce(&mut Connection<Kernel>, &Cx<'_, Kernel>) -> R,
) -> Option<R> {
    let state = NetState::of(sk.sk().net())?;
    let data = sk.data();
    let cx = state.cx(now(), &data.net);
    Some(f(&mut data.conn, &cx))
}

/// The time.
pub(crate) fn now() -> Instant {
    Instant::from_nanos(clock::now_ns())
}

/// Changes the socket's options.
pub(crate) fn configure(sk: &mut LockedTcp<'_>, change: impl FnOnce(&mut SocketConfig)) {
    let mut config = *sk.peek().conn.config();
    change(&mut config);
    with_cx(sk, |conn, cx| conn.configure(cx, config));
    if sk.peek().phase == Phase::Listening {
        sk.sk().shared().accept.lock().config = config;
    } else {
        egress::flush(sk);
    }
}

/// Takes the sizes of the buffers from where SO_SNDBUF and SO_RCVBUF put them.
pub(crate) fn sync_buffers(sk: &mut LockedTcp<'_>) {
    let (sndbuf, rcvbuf, locks) = (sk.sk().sndbuf(), sk.sk().rcvbuf(), sk.sk().buffer_locks());
    // Nobody reads yet, or any more: what a peer sends is no reason for a larger buffer.
    let fixed = locks.1 || !sk.sk().has_user();
    let data = sk.data();
    data.conn.set_buffers(sndbuf, rcvbuf, (locks.0, fixed));
    data.buffers = (sndbuf, rcvbuf);
}

/// Settings of a fresh socket.
pub(crate) fn init(sk: &mut LockedTcp<'_>) {
    let net = net_config(sk.sk().net());
    sk.set_buffers(net.wmem[1], net.rmem[1]);
    sk.data().net = net;
    sync_buffers(sk);
}

/// The socket's state is another, and counted.
pub(crate) fn enter(sk: &mut LockedTcp<'_>, state: u8) {
    let open = |state| matches!(state, abi::TCP_ESTABLISHED | abi::TCP_CLOSE_WAIT);
    let (before, after) = (open(sk.sk().state()), open(state));
    if before != after {
        if let Some(ns) = NetState::of(sk.sk().net()) {
            // The sum is right whichever of them wraps.
            let change = if after { 1 } else { u64::MAX };
            ns.mib.add(Mib::CurrEstab, change);
        }
    }
    sk.set_state(state);
}

/// Settings of a child.
pub(crate) fn init_child(sk: &mut LockedTcp<'_>, net: &NetConfig) {
    sk.data().net = *net;
}

/// The kernel's number of a state.
pub(crate) fn kernel_state(state: ConnState) -> u8 {
    match state {
        ConnState::Closed => abi::TCP_CLOSE,
        ConnState::Listen => abi::TCP_LISTEN,
        ConnState::SynSent => abi::TCP_SYN_SENT,
        ConnState::SynReceived => abi::TCP_SYN_RECV,
        ConnState::Established => abi::TCP_ESTABLISHED,
        ConnState::FinWait1 => abi::TCP_FIN_WAIT1,
        ConnState::FinWait2 => abi::TCP_FIN_WAIT2,
        ConnState::CloseWait => abi::TCP_CLOSE_WAIT,
        ConnState::Closing => abi::TCP_CLOSING,
        ConnState::LastAck => abi::TCP_LAST_ACK,
        ConnState::TimeWait => abi::TCP_TIME_WAIT,
    }
}
