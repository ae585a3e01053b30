// SPDX-License-Identifier: GPL-2.0

//! After every input or command: what the connection wants sent is sent, its timer is armed, who
//! waits is told, and entries of the tables follow its state.

use super::{
    demux::{
        Conn,
        ConnState as EntryState,
        Kind,
        Left, //
    },
    error::errno,
    fast_open,
    kernel::Kernel,
    memory,
    netns::{
        ecn_option,
        max_tw_buckets,
        NetState, //
    },
    route,
    sock::{
        enter,
        kernel_state,
        now,
        LockedTcp,
        Phase,
        RustTcp,
        TcpShared,
        TcpSock, //
    },
    stats::Stats,
};
use crate::net::{
    addr::Endpoint,
    hashtable::Node,
    inherit::Way,
    ip::{
        Route,
        Sent, //
    },
    netns::Net,
    proto_ops::abi,
    skbuff::Gfp,
    sock::Change, //
};
use crate::tcp::{
    connection::{
        Connection,
        Events,
        Leaving, //
    },
    context::Cx,
    mib::Mib,
    pacing::Pacer,
    platform::{
        MibSink,
        SegFlags, //
    },
    time::{
        Duration,
        Instant, //
    },
    time_wait::TimeWait,
    urgent::Byte,
    wire::Header, //
};
use kernel::sync::atomic::Relaxed;

/// Bytes of the longest TCP header.
const MAX_HEADER: usize = 60;

/// Polls the connection dry. The socket is locked in either form.
pub(crate) fn flush(sk: &mut LockedTcp<'_>) {
    let Some(state) = NetState::of(sk.sk().net()) else {
        return;
    };
    if sk.peek().phase == Phase::Listening {
        return;
    }
    route::advise(sk);
    // Who has not sent yet keeps a route all the same: IP_MTU and others ask for it, and the first write
    // is cut as it takes.
    let is_idle = sk.peek().conn.is_quiet() && sk.peek().conn.knows_path();
    if !(is_idle && sk.has_route()) {
        look_at_path(sk, state);
    }
    let (local, remote) = (sk.sk().local(), sk.sk().remote());
    let stats = wanted_stats(sk);
    let mut last = now();
    let (mut wire, data) = sk.parts();
    let mut bytes = [0u8; MAX_HEADER];
    if let Some(stats) = stats {
        let cx = state.cx(last, &data.net);
        note(stats, wire.sk(), &data.conn, &cx);
    }
    while let Some(buf) = data.conn.take_stamped() {
        if let Some(stats) = stats {
            stats.note_departure(buf.cb().meta.sent_at.as_nanos());
        }
        wire.stamp_acked(buf);
    }
    loop {
        let cx = state.cx(last, &data.net);
        let Some(transmit) = data.conn.poll_transmit(&cx) else {
            publish_inside(wire.sk().shared(), &data.conn, &cx);
            break;
        };
        let seq = transmit.header.seq;
        let len = transmit.header.emit(local.port, remote.port, &mut bytes);
        let (gso_size, departure) = (transmit.gso_size, transmit.departure.as_nanos());
        let ecn = (transmit.codepoint.bits(), transmit.ace);
        let has_data = transmit.payload.is_some();
        let fresh = transmit.payload.as_ref().map_or(0, |buf| {
            let again = buf.cb().meta.flags.has(SegFlags::EVER_RETRANS);
            if again {
                0
            } else {
                buf.cb().len
            }
        });
        let packet = wire.packet(transmit.payload.map(|p| &*p));
        let header = len.and_then(|len| bytes.get(..len));
        // Without memory for a descriptor nothing leaves.
        let mut leaving = Some(Leaving::Never);
        if let (Some(packet), Some(header)) = (packet, header) {
            if let Some(stats) = stats.filter(|_| packet.has_stamps()) {
                note(stats, wire.sk(), &data.conn, &cx);
                stats.note_departure(departure);
                stats.note_leaving(fresh);
            }
            let left = wire.transmit(packet, header, gso_size, departure, ecn);
            leaving = match left {
                Sent::Left => None,
                Sent::Crowded => Some(Leaving::Crowded),
                Sent::Dropped => Some(Leaving::NoRoom),
                Sent::Failed => Some(Leaving::Never),
            };
        }
        if let (true, Some(leaving)) = (has_data, leaving) {
            data.conn.refuse(&cx, seq, leaving);
        }
        last = now();
    }
    let events = data.conn.poll_events();
    let news = data.conn.take_fast_news();
    let early = data.conn.is_fast_open();
    let confirmed = if early { None } else { data.unconfirmed.take() };
    if let (Some(unconfirmed), true) = (&confirmed, data.conn.was_reset()) {
        unconfirmed.was_reset(last);
    }
    let early = early || data.conn.is_held();
    sk.sk().shared().early.store(early, Relaxed);
    if let Some(news) = news {
        fast_open::learn(sk, state, (local, remote), &news);
    }
    settle(sk);
    // The listener's count is one less.
    drop(confirmed);
    if events != Events::default() {
        on_events(sk, state, events);
    }
    arm(sk, last);
    // Last: who wakes wants the lock at once.
    wake(sk, events);
}

/// As [`flush`], after bytes were read. Mostly that owes the peer nothing, and then there is
/// nothing to poll for.
pub(crate) fn flush_read(sk: &mut LockedTcp<'_>) {
    if sk.peek().conn.owes_ack_now() {
        flush(sk);
    } else {
        settle(sk);
    }
}

/// Charges and publishes what there is in the socket's queues, where nothing is to be sent.
pub(crate) fn settle(sk: &mut LockedTcp<'_>) {
    // Who waited for a connection may come here when the socket has become a listener.
    if sk.peek().phase == Phase::Listening {
        return;
    }
    memory::charge(sk);
    publish(sk);
}

/// What the connection has to know of the world before it sends.
fn look_at_path(sk: &mut LockedTcp<'_>, state: &NetState) {
    if sk.peek().hashed {
        if let Some(path) = sk.path() {
            let conn = &mut sk.data().conn;
            conn.set_path(path.mss, path.gso_max);
            conn.set_ip_options(path.options);
            if path.fresh {
                route::follow(sk);
            }
        }
        let (by_qdisc, most) = sk.sk().pacing();
        let pacer = if by_qdisc { Pacer::Qdisc } else { Pacer::None };
        sk.data().conn.set_pacing(pacer, most);
    }
    if sk.peek().conn.is_accurate() {
        let policy = ecn_option(sk.sk().net(), state);
        sk.data().conn.set_ecn_option(policy);
    }
}

/// Where to note what the times that the user asked for come with, if that is wanted.
fn wanted_stats<'a>(sk: &mut LockedTcp<'a>) -> Option<&'a Stats> {
    let this = sk.sk();
    if !this.wants_stats() {
        return None;
    }
    let stats = this.shared().stats.get_or_make(Stats::new)?;
    sk.add_stats_to_times();
    Some(stats)
}

fn note(stats: &Stats, sk: &TcpSock, conn: &Connection<Kernel>, cx: &Cx<'_, Kernel>) {
    stats.note(&conn.info(cx), conn.send_queue(), sk.pacing().1);
}

/// Writes what is read without the lock.
fn publish(sk: &mut LockedTcp<'_>) {
    let shared = sk.sk().shared();
    let (sndbuf, rcvbuf) = (sk.sk().sndbuf(), sk.sk().rcvbuf());
    let conn = &sk.peek().conn;
    let urgent = conn.urgent();
    // Who stands at the urgent byte, and can't read it with the rest, has one byte less.
    let apart = conn.urgent_distance() == Some(0) && !conn.config().oob_inline;
    let readable = conn.recv_len().saturating_sub(u32::from(apart));
    shared.readable.store(readable, Relaxed);
    shared.full.store(conn.is_recv_full(), Relaxed);
    shared
        .urgent
        .store(matches!(urgent, Some(Byte::Here(_))), Relaxed);
    shared.unacked.store(conn.send_queue(), Relaxed);
    let end = conn.peer_closed() && !sk.peek().end_read;
    shared.end_unread.store(end, Relaxed);
    shared.writable.store(conn.is_writeable(), Relaxed);
    let tuned = conn.buffers();
    let state = kernel_state(conn.state());
    let known = sk.peek().buffers;
    if tuned != known {
        // What the connection did not change may be what the user just did (SO_RCVBUF), who tells it next.
        let sndbuf = if tuned.0 == known.0 { sndbuf } else { tuned.0 };
        let rcvbuf = if tuned.1 == known.1 { rcvbuf } else { tuned.1 };
        sk.set_buffers(sndbuf, rcvbuf);
        sk.data().buffers = tuned;
    }
    // A connection in TIME-WAIT is an entry of its own, and one in FIN-WAIT-2 without a user; the socket is
    // done with it, whatever comes late (a timer that had expired). One in another state than CLOSED
    // when it is freed would not be.
    let given_away = state == abi::TCP_FIN_WAIT2 && !sk.peek().hashed;
    let state = if state == abi::TCP_TIME_WAIT || given_away {
        abi::TCP_CLOSE
    } else {
        state
    };
    if sk.sk().state() != state {
        enter(sk, state);
    }
}

/// Writes what /proc tells of the connection's inside, which reading does not change.
fn publish_inside(shared: &TcpShared, conn: &Connection<Kernel>, cx: &Cx<'_, Kernel>) {
    let (kind, at, retries) = conn.shown_timer();
    shared.timer_at.store(at.as_nanos(), Relaxed);
    shared
        .timer_kind
        .store(u32::from(kind) | u32::from(retries) << 8, Relaxed);
    let brief = conn.brief(cx);
    let ms = |time: Duration| time.as_nanos() / 1_000_000;
    let times = ms(brief.rto).min(u64::from(u32::MAX))
        | ms(brief.ato).min(0xffff) << 32
        | u64::from(brief.quick) << 48
        | u64::from(brief.interactive) << 56;
    shared.shown_times.store(times, Relaxed);
    let windows = u64::from(brief.cwnd) | u64::from(brief.ssthresh) << 32;
    shared.shown_windows.store(windows, Relaxed);
    shared.shown_mss.store(brief.mss, Relaxed);
}

/// The socket and the tables follow the connection.
fn on_events(sk: &mut LockedTcp<'_>, state: &'static NetState, events: Events) {
    if events.has(Events::CONNECTED) {
        sk.data().was_connected = true;
    }
    if events.has(Events::PEER_CLOSED) {
        sk.add_shutdown(abi::RCV_SHUTDOWN);
    }
    // One segment may bring the ACK of our FIN and data for a user who is gone: it is reset, and
    // nothing takes its place.
    if events.has(Events::TIME_WAIT) && !events.has(Events::CLOSED) && sk.peek().hashed {
        enter_time_wait(sk, state);
    }
    if events.has(Events::CLOSED) {
        unhash(sk, state);
        sk.add_shutdown(abi::RCV_SHUTDOWN | abi::SEND_SHUTDOWN);
    }
    if events.has(Events::ERROR) {
        if let Some(reason) = sk.data().conn.take_error() {
            let errno = -errno(reason).to_errno();
            sk.report_error(errno);
        }
    }
}

/// Tells who waits.
fn wake(sk: &mut LockedTcp<'_>, events: Events) {
    if events.has(Events::CONNECTED) {
        sk.sk().wake_all();
        sk.sk().wake_async(Change::Connected);
    }
    if events.has(Events::URGENT) {
        sk.sk().send_sigurg();
    }
    if events.has(Events::PEER_CLOSED) {
        sk.sk().wake_all();
        let both = abi::RCV_SHUTDOWN | abi::SEND_SHUTDOWN;
        let over = sk.sk().shutdown_bits() & both == both || sk.sk().state() == abi::TCP_CLOSE;
        sk.sk().wake_async(if over {
            Change::HungUp
        } else {
            Change::PeerClosed
        });
    }
    if events.has(Events::CLOSED) {
        sk.sk().wake_all();
    } else if events.has(Events::READABLE) {
        sk.sk().wake_reader();
    }
    if events.has(Events::WRITABLE) && sk.peek().conn.is_writeable() {
        sk.wake_writer();
    }
}

/// A small entry takes the socket's place.
fn enter_time_wait(sk: &mut LockedTcp<'_>, state: &'static NetState) {
    let net = sk.sk().net();
    let (local, remote) = (sk.sk().local(), sk.sk().remote());
    let data = sk.data();
    let tw = {
        let cx = state.cx(now(), &data.net);
        data.conn.time_wait(&cx)
    };
    let lasts = tw.deadline().since(now()).as_millis_ceil();
    let hash = state.hash(local, remote);
    let v6 = sk.sk().is_v6();
    let node = if state.census.time_wait_begins(max_tw_buckets(net)) {
        // From here on dropping the entry's value counts it out again.
        let mut conn = Conn::new(net, local, remote, Kind::TimeWait, v6);
        conn.left = Left {
            dev: sk.sk().bound_dev_if(),
            tx_delay: sk.peek().conn.config().tx_delay,
        };
        Node::new(hash, conn, EntryState::TimeWait(tw), Gfp::ATOMIC)
    } else {
        None
    };
    if node.is_none() {
        state.mib.add(Mib::TCPTimeWaitOverflow, 1);
    }
    // Without memory, or with too many of them, the connection is over a little early, as in Linux.
    let this = sk.sk();
    state.conns.replace(
        hash,
        |c: &Conn| c.is_sock(this),
        node,
        |node| {
            state.mib.add(Mib::TW, 1);
            node.arm_timer(&mut node.state().lock(), lasts);
        },
    );
    sk.data().hashed = false;
    enter(sk, abi::TCP_CLOSE);
    sk.add_shutdown(abi::RCV_SHUTDOWN | abi::SEND_SHUTDOWN);
    finish(sk);
    // close() may linger until the FIN is acknowledged.
    sk.sk().wake_all();
}

/// Takes the socket out of the connection table.
pub(crate) fn unhash(sk: &mut LockedTcp<'_>, state: &'static NetState) {
    if !sk.peek().hashed {
        return;
    }
    sk.data().hashed = false;
    let this = sk.sk();
    let hash = state.hash(this.local(), this.remote());
    state.conns.remove(hash, |c| c.is_sock(this));
    finish(sk);
}

/// The connection is over: no timer, and the port goes if nobody asked for it by number.
fn finish(sk: &mut LockedTcp<'_>) {
    sk.data().armed = None;
    sk.data().orphan = None;
    sk.stop_timer();
    if sk.peek().conn.is_orphan() {
        sk.data().port = None;
    } else if !sk.peek().user_port {
        give_up_port(sk);
    }
}

/// The port goes back, though there is a user; getsockname() goes on telling it, as in Linux.
pub(crate) fn give_up_port(sk: &mut LockedTcp<'_>) {
    sk.data().port = None;
    let addr = sk.sk().local().addr;
    sk.lose_port(addr);
}

/// One timer for the earliest deadline, which is moved only to come sooner, and a finer one for ACKs
/// that are held back: a tick is as long as they may wait at most, and longer than many round trips.
fn arm(sk: &mut LockedTcp<'_>, now: Instant) {
    // Out of the table it is over, or a small entry has taken over (which may be in FIN-WAIT-2): a
    // keepalive timer that is left would hold the socket for hours.
    if !sk.peek().hashed {
        return;
    }
    let at = match sk.peek().conn.poll_held() {
        None => sk.peek().conn.poll_timeout(),
        Some(held) => {
            let slack = sk.peek().net.comp_sack_slack;
            sk.arm_fine_timer(held.since(now).as_nanos(), slack.as_nanos());
            sk.peek().conn.poll_timeout_but_held()
        }
    };
    let Some(at) = at else {
        return;
    };
    if sk.peek().armed.is_some_and(|armed| armed <= at) {
        return;
    }
    sk.data().armed = Some(at);
    let delay = at.since(now).as_millis_ceil();
    sk.arm_timer(delay);
}

/// Sends a segment that no socket sends.
pub(crate) fn send_control(
    net: Net,
    local: Endpoint,
    remote: Endpoint,
    way: &Way<'_, RustTcp>,
    header: &Header,
) {
    if let Some(route) = Route::lookup(net, local, remote, way) {
        send_along(route, net, local, remote, header);
    }
}

/// As [`send_control`], with the route at hand.
pub(crate) fn send_along(
    route: Route,
    net: Net,
    local: Endpoint,
    remote: Endpoint,
    header: &Header,
) {
    let mut bytes = [0u8; MAX_HEADER];
    let len = header.emit(local.port, remote.port, &mut bytes);
    if let Some(header) = len.and_then(|len| bytes.get(..len)) {
        route.send(net, local, remote, header);
    }
}

/// How long until an entry in TIME-WAIT ends, milliseconds.
pub(crate) fn time_left(tw: &TimeWait) -> u64 {
    tw.deadline().since(now()).as_millis_ceil()
}
