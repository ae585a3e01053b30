// SPDX-License-Identifier: GPL-2.0

//! Receiving: bytes go straight from the packets' pages to the application.

use crate::net::{
    iter::Message,
    proto_ops::abi,
    sock::{
        SockGuard,
        WaitEnd, //
    },
};
use crate::stack::{
    egress,
    sock::{
        with_cx,
        LockedTcp,
        Phase,
        RustTcp,
        TcpSock, //
    },
};
use crate::tcp::platform::Buffer;
use kernel::prelude::*;

/// recvmsg() and its kin.
pub(super) fn recvmsg(
    sk: &TcpSock,
    msg: &mut Message<'_>,
    len: usize,
    flags: u32,
) -> Result<usize> {
    if flags & abi::MSG_ERRQUEUE != 0 {
        return Err(EAGAIN);
    }
    msg.no_name();
    let mut guard = sk.lock();
    if guard.peek().phase == Phase::Listening {
        return Err(ENOTCONN);
    }
    if flags & abi::MSG_OOB != 0 {
        return Err(EINVAL);
    }
    let mut copied = 0;
    let result = receive_loop(&mut guard, msg, len, flags, &mut copied);
    // Reading may have opened the window.
    egress::flush(&mut guard);
    match result {
        _ if copied > 0 => Ok(copied),
        Ok(()) => Ok(0),
        Err(e) => Err(e),
    }
}

/// Why there is nothing to wait for.
fn end_of_data(sk: &LockedTcp<'_>) -> Option<Result> {
    if sk.peek().conn.recv_len() > 0 {
        return None;
    }
    if sk.sk().pending_error() != 0 {
        return Some(match sk.sk().take_error() {
            Err(e) => Err(e),
            Ok(()) => Ok(()),
        });
    }
    if sk.sk().shutdown_bits() & abi::RCV_SHUTDOWN != 0 {
        return Some(Ok(()));
    }
    if sk.sk().state() == abi::TCP_CLOSE {
        return Some(if sk.peek().was_connected {
            Ok(())
        } else {
            Err(ENOTCONN)
        });
    }
    None
}

fn receive_loop(
    sk: &mut SockGuard<'_, RustTcp>,
    msg: &mut Message<'_>,
    len: usize,
    flags: u32,
    copied: &mut usize,
) -> Result {
    let peek = flags & abi::MSG_PEEK != 0;
    let mut timeout = sk.sk().rcvtimeo(flags & abi::MSG_DONTWAIT != 0);
    let target = if flags & abi::MSG_WAITALL != 0 {
        len
    } else {
        len.min(sk.sk().rcvlowat() as usize).max(1)
    };
    loop {
        if peek {
            *copied = 0;
            // Each look starts anew: what was copied before is overwritten by the same bytes.
            return peek_at(sk, msg, len, flags, target, &mut timeout, copied);
        }
        take(sk, msg, len, flags, copied)?;
        if *copied >= target || (len == 0 && sk.peek().conn.recv_len() > 0) {
            return Ok(());
        }
        if sk.sk().shutdown_bits() & abi::RCV_SHUTDOWN != 0 && *copied > 0 {
            return Ok(());
        }
        if *copied > 0 && (sk.sk().pending_error() != 0 || sk.sk().state() == abi::TCP_CLOSE) {
            return Ok(());
        }
        if let Some(end) = end_of_data(sk) {
            return end;
        }
        if timeout == 0 {
            return Err(EAGAIN);
        }
        // What was read so far may open the window for the rest.
        egress::flush(sk);
        wait(sk, &mut timeout)?;
    }
}

/// Waits for data or the end of it.
fn wait(sk: &mut SockGuard<'_, RustTcp>, timeout: &mut c_long) -> Result {
    let ready = |sk: &mut LockedTcp<'_>| {
        sk.peek().conn.recv_len() > 0
            || sk.sk().pending_error() != 0
            || sk.sk().shutdown_bits() & abi::RCV_SHUTDOWN != 0
            || sk.sk().state() == abi::TCP_CLOSE
    };
    match sk.wait(timeout, false, ready) {
        WaitEnd::Ready => Ok(()),
        WaitEnd::TimedOut => Err(EAGAIN),
        WaitEnd::Interrupted(error) => Err(error),
    }
}

/// Reads what is there.
fn take(
    sk: &mut SockGuard<'_, RustTcp>,
    msg: &mut Message<'_>,
    len: usize,
    flags: u32,
    copied: &mut usize,
) -> Result {
    while *copied < len {
        let left = u32::try_from(len.wrapping_sub(*copied)).unwrap_or(u32::MAX);
        let Some(front) = sk.data().conn.recv_list().front() else {
            break;
        };
        let n = Buffer::len(front).min(left);
        // MSG_TRUNC on a stream: the bytes are thrown away.
        if flags & abi::MSG_TRUNC == 0 {
            msg.copy_out(front, front.cb().offset, n)?;
        }
        with_cx(sk, |conn, cx| conn.consume(cx, n));
        *copied = copied.wrapping_add(n as usize);
    }
    Ok(())
}

/// MSG_PEEK: copies without reading. With MSG_WAITALL it waits until all of it is there.
fn peek_at(
    sk: &mut SockGuard<'_, RustTcp>,
    msg: &mut Message<'_>,
    len: usize,
    flags: u32,
    target: usize,
    timeout: &mut c_long,
    copied: &mut usize,
) -> Result {
    while (sk.peek().conn.recv_len() as usize) < target {
        if sk.peek().conn.recv_len() > 0 && flags & abi::MSG_WAITALL == 0 {
            break;
        }
        if let Some(end) = end_of_data(sk) {
            return end;
        }
        let closing =
            sk.sk().shutdown_bits() & abi::RCV_SHUTDOWN != 0 || sk.sk().state() == abi::TCP_CLOSE;
        if closing {
            break;
        }
        if *timeout == 0 {
            if sk.peek().conn.recv_len() > 0 {
                break;
            }
            return Err(EAGAIN);
        }
        let before = sk.peek().conn.recv_len();
        let ready = |sk: &mut LockedTcp<'_>| {
            sk.peek().conn.recv_len() > before
                || sk.sk().pending_error() != 0
                || sk.sk().shutdown_bits() & abi::RCV_SHUTDOWN != 0
                || sk.sk().state() == abi::TCP_CLOSE
        };
        match sk.wait(timeout, false, ready) {
            WaitEnd::Ready | WaitEnd::TimedOut => {}
            WaitEnd::Interrupted(error) => return Err(error),
        }
    }
    for buf in sk.data().conn.recv_list().iter() {
        let left = u32::try_from(len.wrapping_sub(*copied)).unwrap_or(u32::MAX);
        let n = Buffer::len(buf).min(left);
        if n == 0 {
            break;
        }
        msg.copy_out(buf, buf.cb().offset, n)?;
        *copied = copied.wrapping_add(n as usize);
    }
    Ok(())
}
