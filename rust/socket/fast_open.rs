// SPDX-License-Identifier: GPL-2.0

//! Fast Open (RFC 7413) for who connects: MSG_FASTOPEN, and the first write after connect() with
//! TCP_FASTOPEN_CONNECT.

use super::connect;
use crate::net::{
    iter::{
        Appended,
        Message,
        Way, //
    },
    proto_ops::abi,
    skbuff::{
        Gfp,
        SkBuff, //
    },
    sock::SockGuard, //
};
use crate::stack::{
    egress, fast_open,
    kernel::SegBuf,
    memory,
    netns::NetState,
    sock::{
        with_cx,
        Phase,
        RustTcp, //
    },
};
use crate::tcp::connection::FastSyn;
use kernel::prelude::*;

/// Opens the connection if this is the write to do so; `sent` becomes how much went with the SYN.
/// EINPROGRESS: the rest has to wait for the answer.
pub(super) fn first_write(
    sk: &mut SockGuard<'_, RustTcp>,
    msg: &mut Message<'_>,
    len: usize,
    way: Way<'_>,
    sent: &mut usize,
) -> Result {
    let flags = msg.flags();
    if flags & abi::MSG_FASTOPEN == 0 && !sk.peek().conn.is_held() {
        return Ok(());
    }
    let name = msg.remote(sk.sk());
    if !fast_open::is_allowed(sk) || matches!(name, Ok(None)) {
        return Err(EOPNOTSUPP);
    }
    // A security module has not been asked, and modules can't ask it: who may connect has to say so
    // by connect() (with TCP_FASTOPEN_CONNECT).
    if sk.sk().is_labelled() && sk.peek().phase == Phase::Idle {
        return Err(EOPNOTSUPP);
    }
    let nonblock = flags & abi::MSG_DONTWAIT != 0;
    match sk.peek().phase {
        Phase::Idle => {
            let name = name?.ok_or(EOPNOTSUPP)?;
            connect::begin(sk, name, |_, _| FastSyn::Wait)?;
        }
        Phase::Connecting if sk.peek().conn.is_held() => {}
        Phase::Connecting if nonblock && connect::is_connecting(sk) => return Err(EALREADY),
        Phase::Connecting => return connect::finish(sk, nonblock, EALREADY),
        Phase::Connected | Phase::Listening => return Err(EISCONN),
    }
    let state = NetState::of(sk.sk().net()).ok_or(ENETDOWN)?;
    let mut syn = fast_open::choose(sk, state);
    if matches!(syn, FastSyn::Carry { .. }) {
        match load(sk, msg, len, syn, way) {
            Ok(n) => *sent = n,
            // Without data; what is wrong with it is told when the handshake is complete.
            Err(_) if matches!(syn, FastSyn::Carry { cookie: None, .. }) => syn = FastSyn::Plain,
            Err(_) => {
                syn = FastSyn::Ask {
                    experimental: false,
                }
            }
        }
    }
    with_cx(sk, |conn, cx| conn.send_syn(cx, syn));
    egress::flush(sk);
    if nonblock && connect::is_connecting(sk) {
        return Err(EINPROGRESS);
    }
    let result = connect::finish(sk, nonblock, EINPROGRESS);
    if result.is_err() && sk.sk().state() == abi::TCP_CLOSE {
        *sent = 0;
    }
    result
}

/// Queues as much of the message as goes with the SYN; tells how much.
fn load(
    sk: &mut SockGuard<'_, RustTcp>,
    msg: &mut Message<'_>,
    len: usize,
    syn: FastSyn,
    way: Way<'_>,
) -> Result<usize> {
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    let room = sk.peek().conn.syn_room(syn).min(len);
    let most = memory::may_send(sk, room);
    if most == 0 {
        return Ok(0);
    }
    let (wire, data) = sk.parts();
    let mut buf: SegBuf = SkBuff::new(0, Gfp::KERNEL).ok_or(ENOBUFS)?;
    let mut loaded = 0u32;
    while loaded < most {
        match wire.append(msg, &mut buf, most.saturating_sub(loaded), way) {
            Ok(Appended::Bytes(n)) => loaded = loaded.saturating_add(n),
            Ok(Appended::Full | Appended::NoMemory) => break,
            Err(_) if loaded > 0 => break,
            Err(error) => return Err(error),
        }
    }
    if loaded == 0 {
        return Ok(0);
    }
    buf.cb_mut().len = loaded;
    data.conn.queue(buf);
    memory::charge(sk);
    Ok(loaded as usize)
}
