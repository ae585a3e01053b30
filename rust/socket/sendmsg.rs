// SPDX-License-Identifier: GPL-2.0

//! Sending: the application's bytes go straight into the pages that will be transmitted, or are in
//! them already.

use super::fast_open;
use crate::net::{
    clock,
    iter::{
        Appended,
        Message,
        Way, //
    },
    proto_ops::{
        abi,
        send_sigpipe, //
    },
    skbuff::{
        Gfp,
        SkBuff, //
    },
    sock::{
        SockGuard,
        WaitEnd, //
    },
};
use crate::stack::{
    egress,
    kernel::SegBuf,
    memory,
    sock::{
        sync_buffers,
        RustTcp,
        TcpSock, //
    },
};
use crate::tcp::connection::SendError;
use kernel::prelude::*;

/// How long a writer sleeps before it asks for memory again.
const MEMORY_NAP_MS: u64 = 20;

/// sendmsg() and its kin.
pub(super) fn sendmsg(sk: &TcpSock, msg: &mut Message<'_>, len: usize) -> Result<usize> {
    let flags = msg.flags();
    let mut guard = sk.lock();
    sync_buffers(&mut guard);
    let mut sent = 0;
    // Made first: with data on its way nobody may be told that it failed.
    let notifier = if flags & abi::MSG_ZEROCOPY != 0 && len > 0 {
        let (wire, data) = guard.parts();
        let tail = data.conn.tail_room().map(|(buf, _)| &*buf);
        wire.notifier(msg, len, tail)?
    } else {
        None
    };
    let way = match &notifier {
        Some(notifier) if notifier.takes_pages() => Way::Pages(notifier),
        None if flags & abi::MSG_SPLICE_PAGES != 0 => Way::Splice,
        _ => Way::Copy,
    };
    let control = sk.check_control(msg);
    let result = fast_open::first_write(&mut guard, msg, len, way, &mut sent)
        .and_then(|()| send_loop(&mut guard, msg, len, way, control, &mut sent));
    if sent > 0 {
        let more = flags & abi::MSG_MORE != 0;
        let conn = &mut guard.data().conn;
        conn.set_more(more);
        if !more {
            conn.mark_push();
        }
        if flags & abi::MSG_OOB != 0 {
            conn.mark_urgent();
        }
        if flags & abi::MSG_EOR != 0 {
            conn.mark_end();
        }
        // Other flags say how times are told, not that one is: the key of a buffer that this write was
        // added to stays that of the write which asked.
        let records = |stamps: &u32| stamps & abi::SOF_TIMESTAMPING_TX_RECORD_MASK != 0;
        if let Some(stamps) = control.ok().filter(records) {
            let (wire, data) = guard.parts();
            let acked = stamps & abi::SOF_TIMESTAMPING_TX_ACK != 0;
            if let Some(buf) = data.conn.stamp_last(acked) {
                wire.want_stamps(buf, stamps);
            }
        }
        egress::flush(&mut guard);
        if let Some(notifier) = notifier {
            notifier.sent();
        }
        return Ok(sent);
    }
    match result {
        Ok(()) => Ok(0),
        Err(e) => {
            if e == EPIPE && flags & abi::MSG_NOSIGNAL == 0 {
                send_sigpipe();
            }
            Err(e)
        }
    }
}

fn send_loop(
    sk: &mut SockGuard<'_, RustTcp>,
    msg: &mut Message<'_>,
    len: usize,
    way: Way<'_>,
    control: Result<u32>,
    sent: &mut usize,
) -> Result {
    let flags = msg.flags();
    let mut timeout = sk.sk().sndtimeo(flags & abi::MSG_DONTWAIT != 0);
    loop {
        match look(sk) {
            Verdict::Go => break,
            Verdict::Over => return Err(take_reason(sk)),
            // The handshake is under way.
            Verdict::Wait => match sk.wait(&mut timeout, false, |sk| look(sk) != Verdict::Wait) {
                WaitEnd::Ready => {}
                WaitEnd::TimedOut => return Err(EAGAIN),
                WaitEnd::Interrupted(error) => return Err(interrupted(sk, error)),
            },
        }
    }
    control?;
    while *sent < len {
        if look(sk) != Verdict::Go {
            // Who has sent something hears of that; the next call is told the reason.
            return if *sent > 0 {
                Ok(())
            } else {
                Err(take_reason(sk))
            };
        }
        if is_full(sk) {
            sk.data().conn.mark_push();
            egress::flush(sk);
            if is_full(sk) {
                sk.sk().want_room();
                sk.data().conn.want_room();
                let ready = |sk: &mut crate::stack::sock::LockedTcp<'_>| {
                    look(sk) != Verdict::Go || {
                        sk.sk().want_room();
                        sk.peek().conn.is_writeable()
                    }
                };
                match sk.wait(&mut timeout, false, ready) {
                    WaitEnd::Ready => {}
                    WaitEnd::TimedOut => return Err(EAGAIN),
                    WaitEnd::Interrupted(error) => return Err(interrupted(sk, error)),
                }
                continue;
            }
        }
        let left = u32::try_from(len.wrapping_sub(*sent)).unwrap_or(u32::MAX);
        match append(sk, msg, left, way)? {
            None => wait_for_memory(sk, &mut timeout)?,
            Some(n) => *sent = sent.wrapping_add(n as usize),
        }
    }
    Ok(())
}

/// Whether nothing more may be queued. SO_SNDBUF bounds when a buffer begins: one that has begun is
/// filled, as in Linux.
fn is_full(sk: &mut SockGuard<'_, RustTcp>) -> bool {
    sk.peek().conn.send_space() == 0 && sk.data().conn.tail_room().is_none()
}

/// What a writer may do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Data may be queued.
    Go,
    /// The handshake is under way.
    Wait,
    /// It can't any more, and [`take_reason`] tells why.
    Over,
}

/// Whether data may be queued. Takes nothing, so it can be asked again and again.
fn look(sk: &crate::stack::sock::LockedTcp<'_>) -> Verdict {
    // A socket that was shut down before it was connected stays so.
    let shut = sk.sk().shutdown_bits() & abi::SEND_SHUTDOWN != 0;
    match sk.peek().conn.send_check() {
        Err(SendError::Connecting) => Verdict::Wait,
        Ok(()) if !shut && sk.sk().pending_error() == 0 => Verdict::Go,
        _ => Verdict::Over,
    }
}

/// A pending error comes before EPIPE, once: for who returns it.
fn take_reason(sk: &crate::stack::sock::LockedTcp<'_>) -> Error {
    sk.sk().take_error().err().unwrap_or(EPIPE)
}

/// What a writer is told whose sleep ended early: of a connection that somebody took away (EPIPE) the reason.
fn interrupted(sk: &crate::stack::sock::LockedTcp<'_>, error: Error) -> Error {
    if error == EPIPE {
        take_reason(sk)
    } else {
        error
    }
}

/// Takes up to `most` bytes to the end of the send queue; tells how many, which may be none. `None`:
/// there is no memory now.
fn append(
    sk: &mut SockGuard<'_, RustTcp>,
    msg: &mut Message<'_>,
    most: u32,
    way: Way<'_>,
) -> Result<Option<u32>> {
    let mut full = false;
    {
        let (wire, data) = sk.parts();
        if let Some((buf, room)) = data.conn.tail_room() {
            let before = buf.truesize();
            match wire.append(msg, buf, room.min(most), way)? {
                Appended::Bytes(n) => {
                    let cb = buf.cb_mut();
                    cb.len = cb.len.wrapping_add(n);
                    // A byte of a page that is kept costs the page.
                    let grown = buf.truesize().saturating_sub(before);
                    data.conn.appended(n, grown);
                    if n >= room && n < most {
                        egress::flush(sk);
                    }
                    return Ok((n > 0).then_some(n));
                }
                Appended::Full => full = true,
                Appended::NoMemory => return Ok(None),
            }
        }
    }
    if full {
        // It takes no more fragments: what follows begins another one, if SO_SNDBUF lets it.
        sk.data().conn.mark_push();
        sk.data().conn.mark_end();
        egress::flush(sk);
        return Ok(Some(0));
    }
    let goal = sk.peek().conn.size_goal();
    let take = memory::may_send(sk, goal.min(most));
    if take == 0 {
        // SO_SNDBUF may be smaller now.
        sync_buffers(sk);
        return Ok(None);
    }
    let (wire, data) = sk.parts();
    let Some(mut buf): Option<SegBuf> = SkBuff::new(0, Gfp::KERNEL) else {
        return Ok(None);
    };
    let n = match wire.append(msg, &mut buf, take, way)? {
        Appended::Bytes(n) => n,
        Appended::Full | Appended::NoMemory => return Ok(None),
    };
    buf.cb_mut().len = n;
    data.conn.queue(buf);
    if n >= goal && n < most && data.conn.unsent() == n {
        // It goes while the rest is copied, and so does the window's part of a longer one, which
        // then takes more.
        egress::flush(sk);
    } else {
        memory::charge(sk);
    }
    Ok(Some(n))
}

/// Sleeps until memory that others hold may have come back, or what is sent was acknowledged.
fn wait_for_memory(sk: &mut SockGuard<'_, RustTcp>, timeout: &mut c_long) -> Result {
    sk.data().conn.mark_push();
    egress::flush(sk);
    if *timeout == 0 {
        // What is under way is acknowledged some time, and then EPOLLET is told.
        sk.sk().want_room();
        sk.data().conn.want_room();
        if sk.peek().conn.memory().0 == 0 {
            // Nothing is: who waits for an edge shall try again, as in Linux.
            sk.wake_writer();
        }
        return Err(EAGAIN);
    }
    let whole = (clock::ticks(MEMORY_NAP_MS) as c_long).min(*timeout);
    let mut nap = whole;
    let end = sk.wait(&mut nap, false, |sk| look(sk) != Verdict::Go);
    *timeout = timeout.saturating_sub(whole.saturating_sub(nap));
    match end {
        WaitEnd::Interrupted(error) => Err(interrupted(sk, error)),
        WaitEnd::Ready | WaitEnd::TimedOut => Ok(()),
    }
}

/// The end of a sendfile() or splice(): what MSG_MORE held back goes.
pub(super) fn splice_eof(sk: &TcpSock) {
    let mut sk = sk.lock();
    let conn = &mut sk.data().conn;
    conn.set_more(false);
    conn.mark_push();
    egress::flush(&mut sk);
}
