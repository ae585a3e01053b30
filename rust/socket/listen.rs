// SPDX-License-Identifier: GPL-2.0

//! listen() and accept().

use super::lifecycle;
use crate::net::{
    addr::Endpoint,
    hashtable::Node,
    proto_ops::{
        abi,
        Accepted, //
    },
    skbuff::Gfp,
    sock::WaitEnd, //
};
use crate::stack::{
    accept_queue::AcceptQueue,
    demux::{
        Conn,
        Kind,
        Listener, //
    },
    egress, fast_open,
    netns::NetState,
    sock::{
        with_cx,
        LockedTcp,
        Phase,
        RustTcp,
        TcpSock, //
    },
};
use kernel::prelude::*;

/// The longest backlog.
const MOST: u32 = 65_535;

/// listen(): also on a listener, to change the backlog; binds to any port if there is none.
pub(super) fn listen(sk: &TcpSock, backlog: i32) -> Result {
    let mut sk = sk.lock();
    if !matches!(sk.peek().phase, Phase::Idle | Phase::Listening) {
        return Err(EINVAL);
    }
    // A negative backlog is a huge one, as it always was; somaxconn bounds both.
    // The queue has a place for each, so that there is a bound of our own: whoever has a namespace may set somaxconn.
    let limit = (backlog as u32).min(sk.sk().net().somaxconn()).min(MOST);
    // Who waits already goes on waiting, though a smaller backlog has no room for him.
    let waiting = if sk.peek().phase == Phase::Listening {
        sk.sk().shared().accept.lock().most()
    } else {
        0
    };
    let ring = AcceptQueue::ring_for(limit, waiting)?;
    if sk.peek().phase == Phase::Listening {
        let old = sk.sk().shared().accept.lock().resize(ring, limit);
        drop(old);
        sk.set_max_ack_backlog(limit);
        return Ok(());
    }
    if sk.peek().port.is_none() {
        // IP_BIND_ADDRESS_NO_PORT left the address.
        let local = Endpoint::new(sk.sk().bound_addr(), 0, sk.sk().bound_dev_if());
        lifecycle::bind_locked(&mut sk, local, false)?;
    }
    let state = NetState::of(sk.sk().net()).ok_or(ENETDOWN)?;
    let hold = sk.peek().port.clone().ok_or(EINVAL)?;
    let this = sk.sk();
    // Findable before the reservation listens, so that no SYN gets past us; closed until after.
    let node = Node::new(
        Listener::hash(this.local().port),
        Listener::new(this.into()),
        (),
        Gfp::KERNEL,
    )
    .ok_or(ENOMEM)?;
    fast_open::offer_to_all(&mut sk, limit);
    let (config, user) = (*sk.peek().conn.config(), sk.peek().user);
    {
        let mut queue = this.shared().accept.lock();
        queue.open = false;
        queue.config = config;
        queue.user = user;
        queue.port = Some(hold.clone());
        let old = queue.resize(ring, limit);
        drop(queue);
        drop(old);
    }
    state
        .listeners
        .insert(node, |_| false, |_| {})
        .map_err(|_| EADDRINUSE)?;
    // Of the group only once the kernel agrees and SYNs are taken: others of it would lose theirs to one that
    // does not listen.
    let joined = hold.listen().and_then(|()| {
        this.shared().accept.lock().open = true;
        if !this.reuse_port() {
            return Ok(());
        }
        join_group(state, this).inspect_err(|_| hold.unlisten())
    });
    if let Err(e) = joined {
        leave(state, this);
        forget(Some(state), this);
        return Err(e);
    }
    sk.data().phase = Phase::Listening;
    sk.set_max_ack_backlog(limit);
    sk.set_state(abi::TCP_LISTEN);
    Ok(())
}

/// SO_REUSEPORT: with the other listeners at the same place, if there are any.
fn join_group(state: &NetState, sk: &TcpSock) -> Result {
    let _guard = state.groups.lock();
    let other = {
        let rcu = kernel::sync::rcu::read_lock();
        let shares = |l: &Listener| !l.is_sock(sk) && l.sk.reuse_port() && l.is_at(sk);
        state
            .listeners
            .find(Listener::hash(sk.local().port), &rcu, shares)
            .map(|node| node.value().sk.clone())
    };
    sk.join_group(other.as_deref(), sk.bound_addr().is_unspecified())
}

/// Out of the table, and of its group.
fn leave(state: &NetState, sk: &TcpSock) {
    let _guard = state.groups.lock();
    state
        .listeners
        .remove(Listener::hash(sk.local().port), |l| l.is_sock(sk));
    sk.leave_group();
}

/// Stops listening: connections that wait are reset, half-open ones forgotten, and a port that nobody asked
/// for by number is given up, as in Linux.
pub(super) fn stop(sk: &mut LockedTcp<'_>) {
    let this = sk.sk();
    sk.set_state(abi::TCP_CLOSE);
    sk.data().phase = Phase::Idle;
    let state = NetState::of(this.net());
    if let Some(state) = state {
        // Others of the group get what is to come.
        let _guard = state.groups.lock();
        this.leave_group();
    }
    if let Some(hold) = &sk.peek().port {
        hold.unlisten();
    }
    if let Some(state) = state {
        leave(state, this);
    }
    forget(state, this);
    sk.reset_peek_offset();
    if !sk.peek().user_port {
        egress::give_up_port(sk);
    }
}

/// Takes no more SYNs; resets the connections that wait, and forgets half-open ones.
fn forget(state: Option<&NetState>, this: &TcpSock) {
    this.shared().accept.lock().close();
    if let Some(state) = state.filter(|_| this.shared().half_open() > 0) {
        state.conns.retain_not(
            |c: &Conn| matches!(&c.kind, Kind::HalfOpen(l, _) if core::ptr::eq(&**l, this)),
        );
    }
    loop {
        let child = this.shared().accept.lock().pop();
        let Some(child) = child else {
            break;
        };
        {
            let mut child = child.lock_nested();
            with_cx(&mut child, |conn, cx| {
                conn.abort(cx);
                conn.close(cx);
            });
            egress::flush(&mut child);
            child.data().port = None;
        }
        child.abandon();
    }
    // The queue would hold the port for as long as somebody may look at the listener's entry.
    this.shared().accept.lock().port = None;
}

/// accept().
pub(super) fn accept(sk: &TcpSock, nonblock: bool) -> Result<Accepted<RustTcp>> {
    let mut sk = sk.lock();
    if sk.peek().phase != Phase::Listening {
        return Err(EINVAL);
    }
    let this = sk.sk();
    let mut timeout = this.rcvtimeo(nonblock);
    let mut child = None;
    let end = sk.wait(&mut timeout, true, |sk| {
        if sk.peek().phase != Phase::Listening {
            return true;
        }
        let mut queue = this.shared().accept.lock();
        child = queue.pop().map(|child| Accepted {
            child,
            last: queue.len() == 0,
        });
        child.is_some()
    });
    match (child, end) {
        (Some(child), _) => Ok(child),
        (None, WaitEnd::Ready) => Err(EINVAL),
        (None, WaitEnd::TimedOut) => Err(EAGAIN),
        (None, WaitEnd::Interrupted(error)) => Err(error),
    }
}
