// SPDX-License-Identifier: GPL-2.0

//! bind(), shutdown(), close(), and the names of both ends.

use super::{
    connect,
    listen, //
};
use crate::net::{
    addr::Endpoint,
    proto_ops::{
        abi,
        task_exits,
        Which, //
    },
};
use crate::stack::{
    bound::PortHold,
    census, egress, ports,
    sock::{
        with_cx,
        LockedTcp,
        Phase,
        TcpSock, //
    },
};
use crate::tcp::mib::Mib;
use kernel::prelude::*;

/// bind(): EINVAL if the socket has a port or a connection already; the rest is the kernel's. Where a
/// connection is over, or a listener was shut down, and the port with it, there may be another.
pub(super) fn bind(sk: &TcpSock, local: Endpoint) -> Result {
    let mut sk = sk.lock();
    if sk.sk().state() != abi::TCP_CLOSE || sk.peek().port.is_some() {
        return Err(ports::refusal(&sk, local));
    }
    let result = bind_locked(&mut sk, local, true);
    if result == Err(EADDRINUSE) {
        // As in Linux the address is lost.
        let nowhere = sk.sk().nowhere();
        sk.lose_port(nowhere.addr);
    }
    result
}

/// Binds a socket without a port; `by_user`: for bind().
pub(super) fn bind_locked(sk: &mut LockedTcp<'_>, local: Endpoint, by_user: bool) -> Result {
    let hold = ports::bind(sk, local)?;
    if by_user {
        sk.data().user_addr = !local.addr.is_unspecified();
    }
    if by_user && local.port == 0 && sk.sk().bind_no_port() {
        // Only the address was asked for; connect() finds a port.
        take_outcome(sk, &hold);
        sk.set_local(local, local.addr);
        return Ok(());
    }
    let bound = local.with_port(hold.port());
    take_outcome(sk, &hold);
    sk.set_local(bound, bound.addr);
    let data = sk.data();
    data.port = Some(hold);
    data.user_port = by_user && local.port != 0;
    Ok(())
}

/// What bind() changes besides address and port.
fn take_outcome(sk: &mut LockedTcp<'_>, hold: &PortHold) {
    if sk.sk().is_v6() {
        let (dev, v6_only) = hold.outcome();
        sk.set_bound_dev_if(dev);
        sk.set_v6_only(v6_only);
    }
}

/// getsockname() and getpeername().
pub(super) fn name(sk: &TcpSock, which: Which) -> Result<Endpoint> {
    match which {
        Which::Local => Ok(sk.local().with_port(sk.shown_port())),
        Which::Accepted if sk.remote().port == 0 => Err(ENOTCONN),
        Which::Accepted => Ok(sk.remote()),
        Which::Peer => {
            let state = sk.state();
            if sk.remote().port == 0 || state == abi::TCP_CLOSE || state == abi::TCP_SYN_SENT {
                return Err(ENOTCONN);
            }
            Ok(sk.remote())
        }
    }
}

/// shutdown().
pub(super) fn shutdown(sk: &TcpSock, how: i32) -> Result {
    let bits = match how {
        0 => abi::RCV_SHUTDOWN,
        1 => abi::SEND_SHUTDOWN,
        2 => abi::RCV_SHUTDOWN | abi::SEND_SHUTDOWN,
        _ => return Err(EINVAL),
    };
    let mut sk = sk.lock();
    let receive = bits & abi::RCV_SHUTDOWN != 0;
    let send = bits & abi::SEND_SHUTDOWN != 0;
    let result = match sk.sk().state() {
        abi::TCP_CLOSE => {
            sk.add_shutdown(bits);
            Err(ENOTCONN)
        }
        abi::TCP_LISTEN => {
            if receive {
                listen::stop(&mut sk);
            }
            Ok(())
        }
        abi::TCP_SYN_SENT => {
            connect::reset(&mut sk);
            // Who waits for the connection, or uses the socket next, shall know.
            sk.report_error(-ECONNRESET.to_errno());
            Ok(())
        }
        _ => {
            sk.add_shutdown(bits);
            if receive {
                sk.data().conn.shutdown_recv();
            }
            if send {
                with_cx(&mut sk, |conn, cx| conn.shutdown_send(cx));
                egress::flush(&mut sk);
            }
            Ok(())
        }
    };
    // Whoever sleeps in a call looks again.
    sk.sk().wake_all();
    result
}

/// close() of the last descriptor.
pub(super) fn release(sk: &TcpSock) {
    let mut guard = sk.lock();
    guard.add_shutdown(abi::RCV_SHUTDOWN | abi::SEND_SHUTDOWN);
    if guard.peek().phase == Phase::Listening {
        listen::stop(&mut guard);
        guard.data().port = None;
    } else {
        let linger = guard.sk().linger();
        census::orphan(&mut guard);
        with_cx(&mut guard, |conn, cx| {
            if linger == Some(0) {
                // SO_LINGER with zero: ABORT (RFC 9293, 3.10.5). Counted as in Linux.
                if conn.recv_len() == 0 {
                    cx.count(Mib::TCPAbortOnData);
                }
                conn.abort(cx);
            }
            conn.close(cx);
        });
        egress::flush(&mut guard);
        if let Some(ticks) = linger.filter(|ticks| *ticks > 0 && !task_exits()) {
            let mut timeout = c_long::try_from(ticks).unwrap_or(c_long::MAX);
            let _ = guard.wait(&mut timeout, false, |sk| {
                !matches!(
                    sk.sk().state(),
                    abi::TCP_FIN_WAIT1 | abi::TCP_CLOSING | abi::TCP_LAST_ACK
                )
            });
        }
        if guard.sk().state() == abi::TCP_CLOSE {
            guard.data().port = None;
            guard.data().orphan = None;
        }
    }
    sk.abandon();
}
