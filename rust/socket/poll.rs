// SPDX-License-Identifier: GPL-2.0

//! Readiness, without the lock: poll(), select() and epoll; and the ioctls that ask how much.

use crate::net::proto_ops::abi;
use crate::stack::sock::{
    Phase,
    TcpSock, //
};
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};

/// The events that are there now.
pub(super) fn poll(sk: &TcpSock) -> u32 {
    let state = sk.state();
    if state == abi::TCP_LISTEN {
        return if sk.shared().accept.lock().len() > 0 {
            abi::EPOLLIN | abi::EPOLLRDNORM
        } else {
            0
        };
    }
    let shutdown = sk.shutdown_bits();
    let both = abi::RCV_SHUTDOWN | abi::SEND_SHUTDOWN;
    let mut events = 0;
    if shutdown & both == both || state == abi::TCP_CLOSE {
        events |= abi::EPOLLHUP;
    }
    if shutdown & abi::RCV_SHUTDOWN != 0 {
        events |= abi::EPOLLIN | abi::EPOLLRDNORM | abi::EPOLLRDHUP;
    }
    let early = sk.shared().early.load(Relaxed);
    if state != abi::TCP_SYN_SENT && (state != abi::TCP_SYN_RECV || early) {
        if sk.shared().urgent.load(Relaxed) {
            events |= abi::EPOLLPRI;
        }
        let readable = sk.shared().readable.load(Relaxed);
        // Who waits for more than the buffer takes would wait for ever.
        if readable >= sk.rcvlowat() || (readable > 0 && sk.shared().full.load(Relaxed)) {
            events |= abi::EPOLLIN | abi::EPOLLRDNORM;
        }
        if shutdown & abi::SEND_SHUTDOWN != 0 || sk.shared().writable.load(Relaxed) || {
            sk.want_room();
            sk.shared().writable.load(Relaxed)
        } {
            events |= abi::EPOLLOUT | abi::EPOLLWRNORM;
        }
    }
    if state == abi::TCP_SYN_SENT && early {
        // The SYN waits for something to carry.
        events |= abi::EPOLLOUT | abi::EPOLLWRNORM;
    }
    if sk.pending_error() != 0 || sk.has_error_queue() {
        events |= abi::EPOLLERR;
    }
    events
}

/// FIONREAD (SIOCINQ), SIOCOUTQ and SIOCOUTQNSD.
pub(super) fn ioctl(sk: &TcpSock, cmd: u32) -> Result<i32> {
    if !matches!(
        cmd,
        abi::FIONREAD | abi::SIOCOUTQ | abi::SIOCOUTQNSD | abi::SIOCATMARK
    ) {
        return Err(Error::from_errno(-515)); // ENOIOCTLCMD: the socket layer goes on.
    }
    let sk = sk.lock();
    if sk.peek().phase == Phase::Listening {
        // A listener is at no mark.
        return if cmd == abi::SIOCATMARK {
            Ok(0)
        } else {
            Err(EINVAL)
        };
    }
    let conn = &sk.peek().conn;
    let mark = conn.urgent_distance();
    let bytes = match cmd {
        // As far as one read goes: to the urgent mark.
        abi::FIONREAD => match mark.filter(|_| !conn.config().oob_inline) {
            Some(distance) => conn.recv_len().min(distance),
            None => conn.recv_len(),
        },
        abi::SIOCATMARK => u32::from(mark == Some(0)),
        abi::SIOCOUTQ => conn.unacked(),
        _ => conn.not_sent(),
    };
    Ok(i32::try_from(bytes).unwrap_or(i32::MAX))
}
