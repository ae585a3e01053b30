// SPDX-License-Identifier: GPL-2.0

//! Ports: reservations for bind(), and the search for an ephemeral one for connect().

use super::{
    bound::{
        is_bound,
        Hold,
        PortHold, //
    },
    demux::{
        ConnState,
        Kind, //
    },
    netns::{
        net_config,
        NetState, //
    },
    sock::{
        now,
        LockedTcp,
        Phase,
        TcpSock, //
    },
};
use crate::net::{
    addr::{
        Endpoint,
        ANY4,
        ANY6,
        LOOPBACK_INDEX, //
    },
    inherit::domain_of,
    reserve::{
        self,
        ReservationBox, //
    },
};
use crate::tcp::{
    port::candidates,
    seq::SeqNum, //
};
use core::net::IpAddr;
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};

/// So many ports that are waited out bind() to any passes over: each costs a look at all connections.
const MOST_PASSED: usize = 16;

/// Reserves what bind() asks for; port 0 means any. The kernel's own bind() decides.
pub(crate) fn bind(sk: &LockedTcp<'_>, local: Endpoint) -> Result<PortHold> {
    let this = sk.sk();
    let shares = this.reuse_addr() || this.reuse_port();
    if local.port != 0 && !shares && is_waited_out(this, local) {
        return Err(EADDRINUSE);
    }
    let mut reservation = ReservationBox::bind(this, local)?;
    if local.port == 0 && !shares {
        // The kernel may find a port whose TIME-WAIT it can't know of. That is held until another is found, or it
        // would be found again.
        let mut passed = [const { None }; MOST_PASSED];
        for place in &mut passed {
            if !is_waited_out(this, local.with_port(reservation.port())) {
                break;
            }
            let next = ReservationBox::bind(this, local)?;
            *place = Some(core::mem::replace(&mut reservation, next));
        }
    }
    Hold::by_bind(reservation, this.net())
}

/// An option that counts in bind() was set: it counts for a port that is held already, too.
pub(crate) fn follow(sk: &mut LockedTcp<'_>) {
    let alone = matches!(sk.peek().phase, Phase::Idle | Phase::Listening);
    if let Some(hold) = sk.peek().port.as_ref().filter(|_| alone) {
        hold.follow(sk.sk());
    }
}

/// What bind() says to a socket that is bound already: that, unless the address is wrong anyway, which
/// Linux looks at first (of IPv6 at the port only, and at multicast). A port that the kernel finds takes the
/// place of the wanted one, which somebody else may want right now.
pub(crate) fn refusal(sk: &LockedTcp<'_>, local: Endpoint) -> Error {
    let this = sk.sk();
    if this.is_v6() {
        let guarded = this.net().guards_port(local.port) && !local.addr.is_multicast();
        return if guarded { EACCES } else { EINVAL };
    }
    match ReservationBox::try_bind(this, local.with_port(0), true) {
        Err(e) if e != EADDRINUSE => e,
        _ if this.net().guards_port(local.port) => EACCES,
        _ => EINVAL,
    }
}

/// Whether a connection on this port is in TIME-WAIT. Such an entry holds no reservation, so the
/// kernel's bind() does not know. A walk over the table, if there are any at all; only bind() without
/// SO_REUSEADDR takes it.
fn is_waited_out(sk: &TcpSock, local: Endpoint) -> bool {
    let Some(state) = NetState::of(sk.net()).filter(|state| state.census.time_waits() > 0) else {
        return false;
    };
    let mut found = false;
    for index in 0..state.conns.buckets() {
        let rcu = kernel::sync::rcu::read_lock();
        state.conns.for_bucket(index, &rcu, |node| {
            let conn = node.value();
            found |= matches!(conn.kind, Kind::TimeWait)
                && conn.local.port == local.port
                && covers(sk, local.addr, conn.local.addr);
        });
        if found {
            break;
        }
    }
    found
}

/// Whether a socket that binds to `bound` would have `addr` too.
fn covers(sk: &TcpSock, bound: IpAddr, addr: IpAddr) -> bool {
    match bound {
        bound if bound == addr => true,
        ANY4 => addr.is_ipv4(),
        ANY6 => addr.is_ipv6() || !sk.is_v6_only(),
        _ => false,
    }
}

/// Whether a connection between these ends may begin: not while another one is there, unless that
/// only waits out TIME-WAIT and lets it. Where it has to number from then, if so. `chose`: the user
/// chose the port.
pub(crate) fn may_connect(
    sk: &LockedTcp<'_>,
    local: Endpoint,
    remote: Endpoint,
    chose: bool,
) -> Result<Option<SeqNum>> {
    let net = sk.sk().net();
    let state = NetState::of(net).ok_or(ENETDOWN)?;
    let rcu = kernel::sync::rcu::read_lock();
    let hash = state.hash(local, remote);
    let dev = sk.sk().bound_dev_if();
    let domain = domain_of(net, dev);
    let Some(node) = state
        .conns
        .find(hash, &rcu, |c| c.is((local, remote), dev, domain))
    else {
        return Ok(None);
    };
    let config = net_config(net);
    let cx = state.cx(now(), &config);
    let on_loopback = is_loopback(local.addr)
        || is_loopback(remote.addr)
        || sk.sk().bound_dev_if() == LOOPBACK_INDEX;
    let next = match &*node.state().lock() {
        ConnState::TimeWait(tw) => tw.successor(&cx, chose, on_loopback),
        ConnState::Sock | ConnState::HalfOpen(_) => None,
    };
    next.map(Some).ok_or(EADDRNOTAVAIL)
}

fn is_loopback(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(addr) => addr.is_loopback(),
        IpAddr::V6(addr) => addr.is_loopback(),
    }
}

/// Reserves an ephemeral port for a connection from `local.addr` to `remote` (RFC 6056, 3.3.3); and
/// where that has to number from, if another one between these ends is in TIME-WAIT.
pub(crate) fn ephemeral(
    sk: &LockedTcp<'_>,
    local: Endpoint,
    remote: Endpoint,
) -> Result<(PortHold, Option<SeqNum>)> {
    match try_ephemeral(sk, local, remote) {
        // Perhaps the last ones are reservations that are on their way back.
        Err(e) if e == EADDRNOTAVAIL => {
            reserve::flush();
            try_ephemeral(sk, local, remote)
        }
        result => result,
    }
}

fn try_ephemeral(
    sk: &LockedTcp<'_>,
    local: Endpoint,
    remote: Endpoint,
) -> Result<(PortHold, Option<SeqNum>)> {
    let this = sk.sk();
    let state = NetState::of(this.net()).ok_or(ENETDOWN)?;
    let (low, high) = this.local_port_range();
    let (hash, _) = state.secret_hashes(local, remote);
    let step = state
        .port_step
        .fetch_add(1 + (crate::net::clock::random_u32() & 3), Relaxed);
    for port in candidates(low, high, hash.wrapping_add(step)) {
        if this.net().is_reserved_port(port) || is_bound(state, port) {
            continue;
        }
        let wanted = local.with_port(port);
        let Ok(iss) = may_connect(sk, wanted, remote, false) else {
            continue;
        };
        match ReservationBox::try_bind(this, wanted, false) {
            Ok(hold) => return Ok((Hold::by_connect(hold)?, iss)),
            Err(e) if e == EADDRINUSE => {}
            Err(e) => return Err(e),
        }
    }
    Err(EADDRNOTAVAIL)
}
