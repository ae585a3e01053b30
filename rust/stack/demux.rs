// SPDX-License-Identifier: GPL-2.0

//! The two tables that segments are looked up in: connections of every kind, and listeners.

use super::{
    ingress,
    inherit::Inherited,
    netns::{
        syn_policy,
        NetState, //
    },
    sock::TcpSock, //
};
use crate::net::{
    addr::{
        Endpoint,
        ANY4,
        ANY6, //
    },
    hashtable::{
        Entry,
        Node,
        RcuTable,
        ReadSide, //
    },
    ingress::Flow,
    netns::Net,
    proto_ops::abi,
    source_route::SourceRoute, //
};
use crate::tcp::{
    handshake::SynRcvd,
    time_wait::TimeWait, //
};
use core::net::IpAddr;
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        }, //
    },
};

/// What an entry stands for.
pub(crate) enum Kind {
    /// A socket.
    Sock(ARef<TcpSock>),
    /// A half-open connection of this listener, and what it has of its SYN.
    HalfOpen(ARef<TcpSock>, Inherited),
    /// TIME-WAIT, or FIN-WAIT-2 without a user.
    TimeWait,
}

/// An entry of the connection table.
pub(crate) struct Conn {
    /// The namespace.
    pub(crate) net: Net,
    /// Our end.
    pub(crate) local: Endpoint,
    /// The peer.
    pub(crate) remote: Endpoint,
    /// What it is.
    pub(crate) kind: Kind,
    /// Whether its socket is one of IPv6 (the peer may be of IPv4 then).
    pub(crate) v6: bool,
    /// What TIME-WAIT has of its socket.
    pub(crate) left: Left,
    /// A half-open connection's SYN, if its listener wants it kept.
    pub(crate) saved_syn: Option<KVec<u8>>,
    /// The way back along the source route by which that came.
    pub(crate) source_route: Option<KBox<SourceRoute>>,
    /// Its listener counts it (1), or not any more (0).
    counted: Atomic<u32>,
}

/// What TIME-WAIT has of its socket.
#[derive(Clone, Copy, Default)]
pub(crate) struct Left {
    /// The interface that it was bound to; 0: none.
    pub(crate) dev: i32,
    /// For how long what it sends is held back, microseconds (TCP_TX_DELAY).
    pub(crate) tx_delay: u32,
}

/// What a connection entry's lock guards.
pub(crate) enum ConnState {
    /// A socket has a lock of its own.
    Sock,
    /// A half-open connection.
    HalfOpen(SynRcvd),
    /// TIME-WAIT.
    TimeWait(TimeWait),
}

impl Conn {
    /// An entry. A half-open one is counted by its listener already.
    pub(crate) fn new(net: Net, local: Endpoint, remote: Endpoint, kind: Kind, v6: bool) -> Self {
        let counted = matches!(kind, Kind::HalfOpen(..));
        Self {
            net,
            local,
            remote,
            kind,
            v6,
            left: Left::default(),
            saved_syn: None,
            source_route: None,
            counted: Atomic::new(u32::from(counted)),
        }
    }

    /// The entry is out of the table: a half-open one makes room at its listener, though readers may
    /// still see it for a grace period. May be called twice.
    pub(crate) fn leave_listener(&self) {
        if let Kind::HalfOpen(listener, _) = &self.kind {
            if self.counted.xchg(0, Relaxed) != 0 {
                listener.shared().half_open_done();
            }
        }
    }

    /// Whether the entry is for these endpoints, as packets name them that come by the interface `dif`, and
    /// if that is a routing domain's really by `sdif`. Domains may have connections with the same ends. (An
    /// entry is found as in Linux, by what it is bound to.)
    pub(crate) fn is(&self, (local, remote): (Endpoint, Endpoint), dif: i32, sdif: i32) -> bool {
        if !self.local.is_same_place(local) || !self.remote.is_same_place(remote) {
            return false;
        }
        // A socket with a link-local peer is bound to the link. One whose own address alone is link-local
        // (RFC 6724 takes it where there is no better one) is reached by any.
        let bound = match &self.kind {
            Kind::Sock(sk) => sk.bound_dev_if(),
            Kind::HalfOpen(_, inherited) => link_of(inherited.dev(), self.remote),
            Kind::TimeWait => self.left.dev,
        };
        match bound {
            0 => sdif == 0 || syn_policy(self.net).l3mdev_accept,
            bound => bound == dif || bound == sdif,
        }
    }

    /// Whether the entry is a half-open connection of this listener between these ends.
    pub(crate) fn is_ours_at(&self, listener: &TcpSock, local: Endpoint, remote: Endpoint) -> bool {
        self.local == local
            && self.remote == remote
            && matches!(&self.kind, Kind::HalfOpen(l, _) if core::ptr::eq(&**l, listener))
    }

    /// Whether the entry is for this socket.
    pub(crate) fn is_sock(&self, sk: &TcpSock) -> bool {
        matches!(&self.kind, Kind::Sock(other) if core::ptr::eq(&**other, sk))
    }
}

/// What a half-open connection is bound to whose listener is bound to `dev` (0: nothing): a link-local peer is
/// on its link.
pub(crate) fn link_of(dev: i32, remote: Endpoint) -> i32 {
    if dev != 0 {
        dev
    } else {
        remote.scope()
    }
}

impl Entry for Conn {
    type State = ConnState;

    fn on_timer(node: &Node<Self>) {
        ingress::entry_timer(node);
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        match &self.kind {
            Kind::Sock(_) => {}
            Kind::HalfOpen(..) => self.leave_listener(),
            Kind::TimeWait => {
                if let Some(state) = NetState::of(self.net) {
                    state.census.time_wait_done();
                }
            }
        }
    }
}

/// Connections.
pub(crate) type ConnTable = RcuTable<Conn>;

/// An entry of the listener table.
pub(crate) struct Listener {
    /// The port.
    port: u16,
    /// The address it listens on; unspecified for all of its family.
    addr: IpAddr,
    /// It listens on all addresses, of IPv4 too.
    dual: bool,
    /// The socket.
    pub(crate) sk: ARef<TcpSock>,
}

impl Listener {
    /// The entry of a bound socket.
    pub(crate) fn new(sk: ARef<TcpSock>) -> Self {
        Self {
            port: sk.local().port,
            addr: sk.bound_addr(),
            dual: sk.is_v6() && !sk.is_v6_only() && sk.bound_addr() == ANY6,
            sk,
        }
    }

    /// The hash of a port.
    pub(crate) fn hash(port: u16) -> u32 {
        u32::from(port)
    }

    /// Whether the entry is for this socket.
    pub(crate) fn is_sock(&self, sk: &TcpSock) -> bool {
        core::ptr::eq(&*self.sk, sk)
    }

    /// Whether this bound socket would listen at the same place.
    pub(crate) fn is_at(&self, sk: &TcpSock) -> bool {
        self.port == sk.local().port
            && self.addr == sk.bound_addr()
            && self.sk.is_v6_only() == sk.is_v6_only()
            && self.sk.bound_dev_if() == sk.bound_dev_if()
    }
}

impl Entry for Listener {
    type State = ();

    fn on_timer(_node: &Node<Self>) {}
}

/// Listeners.
pub(crate) type ListenTable = RcuTable<Listener>;

/// The listener for packets to `local` that came in by `flow`: one bound to the address before
/// one bound to all, one of IPv4 before one of both families, and of those one that listens on that
/// interface (or its routing domain) only before one that listens on all.
///
/// Who does not listen yet (its listen() may still fail) or any more is found if there is nobody else, so
/// that the kernel does not see the SYN: its socket that holds the port may listen already.
pub(crate) fn find_listener<'a>(
    table: &'a ListenTable,
    rcu: &'a impl ReadSide,
    local: Endpoint,
    flow: &Flow,
) -> Option<&'a TcpSock> {
    find_at(table, rcu, local, flow, |sk| sk.state() == abi::TCP_LISTEN)
        .or_else(|| find_at(table, rcu, local, flow, |_| true))
}

/// [`find_listener`] among those for which `is_it` holds.
fn find_at<'a>(
    table: &'a ListenTable,
    rcu: &'a impl ReadSide,
    local: Endpoint,
    flow: &Flow,
    is_it: impl Fn(&TcpSock) -> bool,
) -> Option<&'a TcpSock> {
    let hash = Listener::hash(local.port);
    // Who listens on all devices does so outside of routing domains (VRFs), unless the namespace
    // says otherwise.
    let (dif, sdif) = (flow.dif, flow.sdif);
    let anywhere = sdif == 0 || syn_policy(flow.net).l3mdev_accept;
    let at = |addr: IpAddr, dual: bool, dev: i32| {
        table
            .find(hash, rcu, |l| {
                l.port == local.port
                    && l.addr == addr
                    && (l.dual || !dual)
                    && l.sk.bound_dev_if() == dev
                    && is_it(&l.sk)
            })
            .map(|node| &*node.value().sk)
    };
    let find = |addr: IpAddr, dual: bool| {
        let devices = [dif, sdif].into_iter().filter(|dev| *dev != 0);
        let own = devices.filter_map(|dev| at(addr, dual, dev)).next();
        own.or_else(|| if anywhere { at(addr, dual, 0) } else { None })
    };
    let on = |addr| find(addr, false);
    if local.is_v4() {
        on(local.addr)
            .or_else(|| on(ANY4))
            .or_else(|| find(ANY6, true))
    } else {
        on(local.addr).or_else(|| on(ANY6))
    }
}
