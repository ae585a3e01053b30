// SPDX-License-Identifier: GPL-2.0

//! connect(), also to nowhere.

use super::listen;
use crate::net::{
    addr::{
        is_link_local,
        Endpoint,
        Name, //
    },
    hashtable::Node,
    inherit::domain_of,
    proto_ops::abi,
    skbuff::Gfp,
    sock::{
        SockGuard,
        WaitEnd, //
    },
};
use crate::stack::{
    demux::{
        Conn,
        ConnState,
        Kind, //
    },
    egress, fast_open,
    netns::NetState,
    ports, route,
    sock::{
        now,
        sync_buffers,
        with_cx,
        LockedTcp,
        Phase,
        RustTcp,
        TcpSock, //
    },
};
use crate::tcp::{
    connection::{
        default_mss,
        Connection,
        FastSyn,
        OpenParams, //
    },
    isn::isn,
    mib::Mib,
    platform::MibSink, //
};
use core::net::{
    IpAddr,
    Ipv4Addr,
    Ipv6Addr, //
};
use kernel::prelude::*;

/// connect() to `remote`. What is wrong with the address counts only where it is needed.
pub(super) fn connect(sk: &TcpSock, remote: Result<Name>, nonblock: bool) -> Result {
    let mut sk = sk.lock();
    match sk.peek().phase {
        Phase::Connected | Phase::Listening => return Err(EISCONN),
        // It waits for the first write.
        Phase::Connecting if sk.peek().conn.is_held() => return Err(EISCONN),
        Phase::Connecting => {
            if nonblock && is_connecting(&sk) {
                return Err(EALREADY);
            }
            return finish(&mut sk, nonblock, EALREADY);
        }
        Phase::Idle => {
            begin(&mut sk, remote?, fast_syn)?;
            if sk.peek().conn.is_held() {
                return Ok(());
            }
            if nonblock && is_connecting(&sk) {
                return Err(EINPROGRESS);
            }
        }
    }
    finish(&mut sk, nonblock, EINPROGRESS)
}

/// What the SYN of connect() gets: with TCP_FASTOPEN_CONNECT it waits for data if it may have any.
fn fast_syn(sk: &mut LockedTcp<'_>, state: &NetState) -> FastSyn {
    if !sk.peek().user.fast_connect {
        return FastSyn::Plain;
    }
    match fast_open::choose(sk, state) {
        FastSyn::Carry { .. } => FastSyn::Wait,
        other => other,
    }
}

/// Waits for the end of the handshake; `late` is what to say if it does not come in time.
pub(super) fn finish(sk: &mut SockGuard<'_, RustTcp>, nonblock: bool, late: Error) -> Result {
    let mut timeout = sk.sk().sndtimeo(nonblock);
    match sk.wait(&mut timeout, false, |sk| !is_connecting(sk)) {
        WaitEnd::Ready => {}
        WaitEnd::TimedOut => return Err(late),
        WaitEnd::Interrupted(error) => return Err(error),
    }
    let phase = sk.peek().phase;
    let ours = matches!(phase, Phase::Connecting | Phase::Connected);
    if ours && sk.sk().state() != abi::TCP_CLOSE {
        // Told once; from now on it is EISCONN.
        sk.data().phase = Phase::Connected;
        return Ok(());
    }
    let error = match sk.sk().take_error() {
        Ok(()) => ECONNABORTED,
        Err(error) => error,
    };
    // Another thread may have given the connection up (shutdown()), and made a listener of the socket since.
    if ours {
        reset(sk);
    }
    Err(error)
}

pub(super) fn is_connecting(sk: &LockedTcp<'_>) -> bool {
    matches!(sk.sk().state(), abi::TCP_SYN_SENT | abi::TCP_SYN_RECV)
}

/// What connect() on an IPv6 socket means: ::1 for any address, IPv4 for a v4-mapped one, and the
/// interface that a link-local one is on.
fn aim6(sk: &mut LockedTcp<'_>, name: Name) -> Result<Endpoint> {
    let remote = name.endpoint;
    sk.set_flow(name.flow)?;
    if remote.is_v4() {
        return if sk.sk().is_v6_only() {
            Err(ENETUNREACH)
        } else {
            Ok(remote)
        };
    }
    if remote.addr.is_unspecified() {
        let addr = if sk.sk().bound_addr().is_ipv4() {
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        } else {
            IpAddr::V6(Ipv6Addr::LOCALHOST)
        };
        return Ok(Endpoint::new(addr, remote.port, 0));
    }
    if remote.addr.is_multicast() {
        return Err(ENETUNREACH);
    }
    if !is_link_local(remote.addr) {
        return Ok(remote);
    }
    match (remote.scope(), sk.sk().bound_dev_if()) {
        (0, 0) => Err(EINVAL),
        (0, dev) => Ok(Endpoint::new(remote.addr, remote.port, dev)),
        // Bound to a routing domain, it may take an interface of that.
        (scope, dev) if dev != 0 && dev != scope && domain_of(sk.sk().net(), scope) != dev => {
            Err(EINVAL)
        }
        (scope, _) => {
            sk.set_bound_dev_if(scope);
            Ok(remote)
        }
    }
}

/// Finds route and port, and sends the SYN with what of Fast Open `fast` chooses, once both ends are
/// known.
pub(super) fn begin(
    sk: &mut LockedTcp<'_>,
    name: Name,
    fast: impl FnOnce(&mut LockedTcp<'_>, &NetState) -> FastSyn,
) -> Result {
    let state = NetState::of(sk.sk().net()).ok_or(ENETDOWN)?;
    let remote = if sk.sk().is_v6() {
        aim6(sk, name)?
    } else {
        name.endpoint
    };
    // RFC 1122, 3.2.1.3: 0.0.0.0 is this host, and as in Linux at the address that connects: the bound one,
    // or else the one that routing finds, which is loopback's if no device is asked for.
    let bound = sk.sk().bound_addr();
    let (source, link) = sk.route_source(remote, bound)?;
    let source = match source {
        source if !source.is_unspecified() => source,
        _ if remote.addr.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        _ => remote.addr,
    };
    let remote = if remote.addr.is_unspecified() {
        Endpoint::new(source, remote.port, 0)
    } else {
        remote
    };
    let dev = sk.sk().bound_dev_if();
    let mut local = Endpoint::new(source, sk.sk().local().port, dev);
    let mut hold = None;
    let after = if local.port == 0 {
        // What is link-local is so on the link that the route leads to. The socket is not bound to that.
        let there = if dev == 0 { link } else { dev };
        let (new, after) = ports::ephemeral(sk, Endpoint::new(source, 0, there), remote)?;
        local.port = new.port();
        hold = Some(new);
        after
    } else {
        ports::may_connect(sk, local, remote, true)?
    };
    let old = sk.sk().local();
    sk.choose_id();
    sk.set_local(local, source);
    sk.set_remote(remote);
    let hash = state.hash(local, remote);
    let domain = domain_of(sk.sk().net(), dev);
    let is_same = |c: &Conn| c.is((local, remote), dev, domain);
    let mut recycled = false;
    let result = sk.set_route().and_then(|()| {
        let node = Node::new(
            hash,
            Conn::new(
                sk.sk().net(),
                local,
                remote,
                Kind::Sock(sk.sk().into()),
                sk.sk().is_v6(),
            ),
            ConnState::Sock,
            Gfp::KERNEL,
        )
        .ok_or(ENOBUFS)?;
        let node = if after.is_some() {
            let waits = |c: &Conn| is_same(c) && matches!(c.kind, Kind::TimeWait);
            match state.conns.exchange(hash, waits, node) {
                Ok(()) => {
                    recycled = true;
                    return Ok(());
                }
                // TIME-WAIT ended meanwhile: nothing is in the way any more.
                Err(node) => node,
            }
        } else {
            node
        };
        let inserted = state.conns.insert(node, is_same, |_| {});
        inserted.map_err(|_| EADDRNOTAVAIL)
    });
    if let Err(e) = result {
        sk.set_local(old, bound);
        sk.set_remote(sk.sk().nowhere());
        return Err(e);
    }
    if recycled {
        state.mib.add(Mib::TWRecycled, 1);
    }
    // What became of another connection (AF_UNSPEC) is nothing of this one's.
    let _ = sk.sk().take_error();
    let path = sk.path();
    route::follow(sk);
    sync_buffers(sk);
    let (seq_hash, ts_offset) = state.secret_hashes(local, remote);
    let mss_default = default_mss(!remote.is_v4());
    let fast = fast(sk, state);
    let params = OpenParams {
        iss: after.unwrap_or_else(|| isn(seq_hash, now())),
        ts_offset,
        mss_route: path.map_or(mss_default, |p| p.mss),
        mss_default,
        fast,
    };
    let data = sk.data();
    data.hashed = true;
    data.phase = Phase::Connecting;
    if hold.is_some() {
        data.port = hold;
        data.user_port = false;
    }
    with_cx(sk, |conn, cx| conn.open_active(cx, params));
    egress::flush(sk);
    Ok(())
}

/// connect(AF_UNSPEC): back to a fresh socket; a connection is aborted.
pub(super) fn disconnect(sk: &TcpSock) -> Result {
    let mut sk = sk.lock();
    if sk.peek().phase == Phase::Listening {
        listen::stop(&mut sk);
    } else {
        let error = match sk.sk().state() {
            // What became of a connection is told nevertheless; and nothing is lost where both ends are closed.
            abi::TCP_CLOSE => sk.sk().pending_error(),
            abi::TCP_CLOSING | abi::TCP_LAST_ACK if sk.peek().conn.unsent() == 0 => {
                sk.sk().pending_error()
            }
            _ => -ECONNRESET.to_errno(),
        };
        sk.note_disconnect();
        reset(&mut sk);
        if error != 0 {
            sk.report_error(error);
        }
    }
    // Whoever sleeps in a call, in accept() say, looks again.
    sk.sk().wake_all();
    Ok(())
}

/// Forgets the connection. What was asked for by bind() stays: an address, a port by number, and any port
/// that no connection has used. As in Linux getsockname() tells any other port until there is a new one.
pub(super) fn reset(sk: &mut LockedTcp<'_>) {
    let was_closed = sk.sk().state() == abi::TCP_CLOSE;
    with_cx(sk, |conn, cx| conn.abort(cx));
    egress::flush(sk);
    let config = *sk.peek().conn.config();
    let data = sk.data();
    data.conn = Connection::new(config);
    data.phase = Phase::Idle;
    data.was_connected = false;
    data.end_read = false;
    data.armed = None;
    let keeps_addr = data.user_addr;
    // The end of a connection took any other (see `egress`).
    let keeps_port = data.port.is_some() && (data.user_port || was_closed);
    if !keeps_port {
        data.port = None;
    }
    sk.stop_timer();
    sk.reset_peek_offset();
    let _ = sk.sk().take_error();
    sk.clear_shutdown();
    sk.set_state(abi::TCP_CLOSE);
    sk.set_remote(sk.sk().nowhere());
    let local = sk.sk().local();
    let addr = if keeps_addr {
        local.addr
    } else {
        sk.sk().nowhere().addr
    };
    if keeps_port {
        let dev = sk.sk().bound_dev_if();
        sk.set_local(Endpoint::new(addr, local.port, dev), addr);
    } else {
        sk.lose_port(addr);
    }
    sync_buffers(sk);
    // What was not read went with the old connection: nobody holds it, or is to be told of it.
    egress::settle(sk);
}
