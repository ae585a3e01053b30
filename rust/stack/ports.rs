// SPDX-License-Identifier: GPL-2.0

//! Ports: reservations for bind(), and the search for an ephemeral one for connect().

use super::{
    demux::Kind,
    netns::NetState,
    sock::{
        LockedTcp,
        PortHold,
        TcpSock, //
    },
};
use crate::net::{
    addr::{
        Endpoint,
        ANY4,
        ANY6, //
    },
    reserve::ReservationBox, //
};
use crate::tcp::port::candidates;
use core::net::IpAddr;
use kernel::{
    prelude::*,
    sync::{
        atomic::Relaxed,
        Arc, //
    },
};

/// Reserves what bind() asks for; port 0 means any. The kernel's own bind() decides.
pub(crate) fn bind(sk: &LockedTcp<'_>, local: Endpoint) -> Result<PortHold> {
    let this = sk.sk();
    let shares = this.reuse_addr() || this.reuse_port();
    if local.port != 0 && !shares && is_waited_out(this, local) {
        return Err(EADDRINUSE);
    }
    let hold = ReservationBox::bind(this, local)?;
    Ok(Arc::new(hold, GFP_KERNEL)?)
}

/// Whether a connection on this port is in TIME-WAIT. Such an entry holds no reservation, so the
/// kernel's bind() does not know. A walk over the table; only bind() to a port by number, without
/// SO_REUSEADDR, takes it.
fn is_waited_out(sk: &TcpSock, local: Endpoint) -> bool {
    let Some(state) = NetState::of(sk.net()) else {
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

/// Reserves an ephemeral port for a connection from `local.addr` to `remote` (RFC 6056, 3.3.3).
pub(crate) fn ephemeral(sk: &LockedTcp<'_>, local: Endpoint, remote: Endpoint) -> Result<PortHold> {
    let this = sk.sk();
    let state = NetState::of(this.net()).ok_or(ENETDOWN)?;
    let (low, high) = this.local_port_range();
    let (hash, _) = state.secret_hashes(local, remote);
    let step = state
        .port_step
        .fetch_add(1 + (crate::net::clock::random_u32() & 3), Relaxed);
    for port in candidates(low, high, hash.wrapping_add(step)) {
        let wanted = local.with_port(port);
        let waits = {
            let rcu = kernel::sync::rcu::read_lock();
            let hash = state.hash(wanted, remote);
            state
                .conns
                .find(hash, &rcu, |c| c.is(wanted, remote))
                .is_some()
        };
        if waits {
            continue;
        }
        match ReservationBox::try_bind(this, wanted, false) {
            Ok(hold) => return Ok(Arc::new(hold, GFP_KERNEL)?),
            Err(e) if e == EADDRINUSE => {}
            Err(e) => return Err(e),
        }
    }
    Err(EADDRNOTAVAIL)
}
