// SPDX-License-Identifier: GPL-2.0

//! Receiving: bytes go straight from the packets' pages to the application.

use crate::net::{
    iter::{
        Message,
        Pipe, //
    },
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
use crate::tcp::{
    platform::Buffer,
    urgent::Byte, //
};
use kernel::prelude::*;

/// recvmsg() and its kin.
pub(super) fn recvmsg(
    sk: &TcpSock,
    msg: &mut Message<'_>,
    len: usize,
    flags: u32,
) -> Result<usize> {
    msg.no_name();
    if flags & abi::MSG_ERRQUEUE != 0 {
        return sk.recv_error(msg, len);
    }
    if sk.state() == abi::TCP_ESTABLISHED {
        sk.busy_poll(flags & abi::MSG_DONTWAIT != 0);
    }
    let mut guard = sk.lock();
    if guard.peek().phase == Phase::Listening {
        return Err(ENOTCONN);
    }
    guard.set_reads();
    if flags & abi::MSG_OOB != 0 {
        let read = recv_urgent(&mut guard, msg, len, flags)?;
        tell_left(&guard, msg);
        return Ok(read);
    }
    let mut copied = 0;
    let mut came = 0;
    let result = receive_loop(&mut guard, msg, len, flags, &mut copied, &mut came);
    if flags & abi::MSG_PEEK == 0 && copied < len {
        note_end(&mut guard);
    }
    // Reading may have opened the window.
    egress::flush_read(&mut guard);
    let copied = match result {
        _ if copied > 0 => copied,
        Ok(()) => 0,
        Err(e) => return Err(e),
    };
    if came != 0 && sk.wants_rx_time() {
        sk.put_rx_time(msg, came);
    }
    tell_left(&guard, msg);
    Ok(copied)
}

/// Who has room left has read the end of the stream, if it is there.
fn note_end(sk: &mut SockGuard<'_, RustTcp>) {
    let conn = &sk.peek().conn;
    if conn.peer_closed() && conn.recv_len() == 0 {
        sk.data().end_read = true;
    }
}

/// How much is left, for who wants to know. The end of the stream counts as a byte, so that it is read, and still
/// does when it was.
fn tell_left(sk: &LockedTcp<'_>, msg: &mut Message<'_>) {
    let wants = msg.wants_left();
    if !wants && !sk.peek().user.inq {
        return;
    }
    let conn = &sk.peek().conn;
    let left = conn
        .recv_len()
        .saturating_add(u32::from(conn.peer_closed()));
    let left = i32::try_from(left).unwrap_or(i32::MAX);
    if wants {
        msg.set_left(left);
    }
    if sk.peek().user.inq {
        msg.put_control(abi::SOL_TCP, abi::TCP_INQ, &left.to_ne_bytes());
    }
}

/// MSG_OOB: the urgent byte, which is read once.
fn recv_urgent(
    sk: &mut SockGuard<'_, RustTcp>,
    msg: &mut Message<'_>,
    len: usize,
    flags: u32,
) -> Result<usize> {
    let closed = sk.sk().state() == abi::TCP_CLOSE;
    let conn = &mut sk.data().conn;
    let byte = match conn.urgent() {
        _ if conn.config().oob_inline => return Err(EINVAL),
        None | Some(Byte::Read) => return Err(EINVAL),
        // After a reset nothing is left of the connection.
        Some(_) if closed && !conn.peer_closed() => return Err(ENOTCONN),
        Some(Byte::Here(byte)) => byte,
        Some(Byte::Ahead) => {
            let over = closed || sk.sk().shutdown_bits() & abi::RCV_SHUTDOWN != 0;
            return if over { Ok(0) } else { Err(EAGAIN) };
        }
    };
    if flags & abi::MSG_PEEK == 0 {
        conn.urgent_read();
    }
    egress::flush_read(sk);
    msg.add_flags(abi::MSG_OOB);
    if len == 0 {
        msg.add_flags(abi::MSG_TRUNC);
        return Ok(0);
    }
    if flags & abi::MSG_TRUNC == 0 {
        msg.copy_bytes(&[byte])?;
    }
    Ok(1)
}

/// What a read may take before it has to stop at the urgent mark, and whether it stands there. The
/// byte at the mark itself is not part of the stream, unless SO_OOBINLINE says so: who stands
/// there steps over it.
fn until_mark(sk: &mut SockGuard<'_, RustTcp>, copied: usize) -> Option<u32> {
    let conn = &sk.peek().conn;
    let inline = conn.config().oob_inline;
    let distance = conn.urgent_distance()?;
    if distance > 0 {
        return Some(distance);
    }
    if copied > 0 {
        return Some(0);
    }
    if !inline && conn.recv_len() > 0 {
        with_cx(sk, |conn, cx| conn.consume(cx, 1));
    }
    None
}

/// Why there is nothing to wait for.
fn end_of_data(sk: &LockedTcp<'_>) -> Option<Result> {
    if sk.peek().conn.recv_len() > 0 {
        return None;
    }
    end_of_stream(sk)
}

/// Why nothing more will come.
fn end_of_stream(sk: &LockedTcp<'_>) -> Option<Result> {
    // The peer's FIN was in order: whatever happened then (a RST, say) is for who sends, or asks (SO_ERROR).
    if sk.peek().conn.peer_closed() {
        return Some(Ok(()));
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
    came: &mut i64,
) -> Result {
    let peek = flags & abi::MSG_PEEK != 0;
    let mut timeout = sk.sk().rcvtimeo(flags & abi::MSG_DONTWAIT != 0);
    // Who asks for nothing waits for something all the same.
    let target = if flags & abi::MSG_WAITALL != 0 {
        len.max(1)
    } else {
        len.min(sk.sk().rcvlowat() as usize).max(1)
    };
    loop {
        if peek {
            *copied = 0;
            // Each look starts anew: what was copied before is overwritten by the same bytes.
            let base = sk.sk().peek_offset().unwrap_or(0);
            let result = peek_at(sk, msg, len, flags, target, &mut timeout, copied);
            if sk.sk().wants_rx_time() {
                *came = peeked_time(sk, base, *copied);
            }
            return result;
        }
        take(sk, msg, len, flags, copied, came)?;
        if *copied > 0 && sk.peek().conn.urgent_distance() == Some(0) {
            // A read stops at the mark.
            return Ok(());
        }
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
        if *copied > 0 {
            egress::flush_read(sk);
        }
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
    came: &mut i64,
) -> Result {
    while *copied < len {
        let left = u32::try_from(len.wrapping_sub(*copied)).unwrap_or(u32::MAX);
        let left = match until_mark(sk, *copied) {
            Some(0) => break,
            Some(distance) => left.min(distance),
            None => left,
        };
        let Some(front) = sk.data().conn.recv_list().front() else {
            break;
        };
        let n = Buffer::len(front).min(left);
        // MSG_TRUNC on a stream: the bytes are thrown away.
        if flags & abi::MSG_TRUNC == 0 {
            msg.copy_out(front, front.cb().offset, n)?;
        }
        *came = front.time();
        with_cx(sk, |conn, cx| conn.consume(cx, n));
        move_peek_offset(sk, n as usize, false);
        *copied = copied.wrapping_add(n as usize);
    }
    Ok(())
}

/// Where a look that begins at `base` begins, and how far it may go: as a read it stops at the urgent
/// mark, or steps over it if it stands there.
fn peek_window(sk: &LockedTcp<'_>, base: u32) -> (u32, u32) {
    let conn = &sk.peek().conn;
    match conn.urgent_distance() {
        Some(distance) if distance > base => (base, distance.saturating_sub(base)),
        Some(distance) if distance == base && !conn.config().oob_inline => {
            (base.saturating_add(1), u32::MAX)
        }
        _ => (base, u32::MAX),
    }
}

/// When the last of the bytes came that a look from `base` on has just copied; 0 if there are none.
fn peeked_time(sk: &mut SockGuard<'_, RustTcp>, base: u32, copied: usize) -> i64 {
    let Some(last) = copied.checked_sub(1) else {
        return 0;
    };
    let (skip, _) = peek_window(sk, base);
    let mut last = skip.saturating_add(u32::try_from(last).unwrap_or(u32::MAX));
    for buf in sk.data().conn.recv_list().iter() {
        match last.checked_sub(Buffer::len(buf)) {
            Some(rest) => last = rest,
            None => return buf.time(),
        }
    }
    0
}

/// MSG_PEEK: copies without reading, from SO_PEEK_OFF on. It waits as a read does: for SO_RCVLOWAT bytes, or
/// for all of it with MSG_WAITALL.
fn peek_at(
    sk: &mut SockGuard<'_, RustTcp>,
    msg: &mut Message<'_>,
    len: usize,
    flags: u32,
    target: usize,
    timeout: &mut c_long,
    copied: &mut usize,
) -> Result {
    let base = sk.sk().peek_offset().unwrap_or(0);
    let in_view = |sk: &LockedTcp<'_>| {
        let (skip, most) = peek_window(sk, base);
        let have = sk.peek().conn.recv_len().saturating_sub(skip).min(most);
        let left = have.min(u32::try_from(len).unwrap_or(u32::MAX));
        (skip, most, have, left)
    };
    let (mut skip, mut left) = loop {
        let (skip, most, have, left) = in_view(sk);
        if have as usize >= target.min(most as usize) {
            break (skip, left);
        }
        if have == 0 {
            if let Some(end) = end_of_stream(sk) {
                return end;
            }
        }
        // An error that is pending is for the next call.
        let closing = sk.sk().pending_error() != 0
            || sk.sk().shutdown_bits() & abi::RCV_SHUTDOWN != 0
            || sk.sk().state() == abi::TCP_CLOSE;
        if closing || (have > 0 && *timeout == 0) {
            break (skip, left);
        }
        if *timeout == 0 {
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
            WaitEnd::Interrupted(error) => {
                // What was there may have been read meanwhile, or its connection taken away (EPIPE).
                let (skip, _, _, left) = in_view(sk);
                if left == 0 || error == EPIPE {
                    return Err(error);
                }
                break (skip, left);
            }
        }
    };
    for buf in sk.data().conn.recv_list().iter() {
        let here = Buffer::len(buf);
        if skip >= here {
            skip = skip.saturating_sub(here);
            continue;
        }
        let n = here.saturating_sub(skip).min(left);
        if n == 0 {
            break;
        }
        if flags & abi::MSG_TRUNC == 0 {
            msg.copy_out(buf, buf.cb().offset.saturating_add(skip), n)?;
        }
        *copied = copied.wrapping_add(n as usize);
        left = left.saturating_sub(n);
        skip = 0;
    }
    move_peek_offset(sk, *copied, true);
    Ok(())
}

/// SO_PEEK_OFF follows what was peeked at, and what was read.
fn move_peek_offset(sk: &mut SockGuard<'_, RustTcp>, bytes: usize, on: bool) {
    let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
    if bytes != 0 {
        sk.move_peek_offset(if on { bytes } else { -bytes });
    }
}

/// splice() from the socket: pages move, bytes stay where they are.
pub(super) fn splice_read(
    sk: &TcpSock,
    pipe: &mut Pipe<'_>,
    len: usize,
    nonblock: bool,
) -> Result<usize> {
    let mut guard = sk.lock();
    if guard.peek().phase == Phase::Listening {
        return Err(ENOTCONN);
    }
    guard.set_reads();
    let mut timeout = sk.rcvtimeo(nonblock);
    let mut moved = 0;
    let result = splice_loop(&mut guard, pipe, len, &mut timeout, &mut moved);
    if moved < len {
        note_end(&mut guard);
    }
    egress::flush_read(&mut guard);
    match result {
        _ if moved > 0 => Ok(moved),
        Ok(()) => Ok(0),
        Err(e) => Err(e),
    }
}

fn splice_loop(
    sk: &mut SockGuard<'_, RustTcp>,
    pipe: &mut Pipe<'_>,
    len: usize,
    timeout: &mut c_long,
    moved: &mut usize,
) -> Result {
    while *moved < len {
        let this = sk.sk();
        let left = u32::try_from(len.wrapping_sub(*moved)).unwrap_or(u32::MAX);
        if !sk.peek().conn.config().oob_inline && sk.peek().conn.urgent_distance() == Some(0) {
            // What follows the mark is for a read(), as in Linux: a pipe can't tell where it was. Who does not
            // wait is not told that it is the end, unless it is.
            return match end_of_data(sk) {
                Some(end) => end,
                None if *timeout == 0 => Err(EAGAIN),
                None => Ok(()),
            };
        }
        let left = match until_mark(sk, *moved) {
            Some(0) => break,
            Some(distance) => left.min(distance),
            None => left,
        };
        if let Some(front) = sk.data().conn.recv_list().front() {
            let n = Buffer::len(front).min(left);
            let n = pipe.fill(this, front, front.cb().offset, n)?;
            if n == 0 {
                return Err(EAGAIN);
            }
            with_cx(sk, |conn, cx| conn.consume(cx, n));
            move_peek_offset(sk, n as usize, false);
            *moved = moved.wrapping_add(n as usize);
            continue;
        }
        if *moved > 0 {
            break;
        }
        if let Some(end) = end_of_data(sk) {
            return end;
        }
        if *timeout == 0 {
            return Err(EAGAIN);
        }
        wait(sk, timeout)?;
    }
    Ok(())
}
