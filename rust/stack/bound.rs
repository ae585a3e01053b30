// SPDX-License-Identifier: GPL-2.0

//! Shares in reserved ports, and which ports bind() holds: connect() picks none of those, whatever
//! their addresses are, as in Linux.

use super::netns::NetState;
use crate::net::{
    hashtable::{
        Entry,
        Node,
        RcuTable, //
    },
    netns::Net,
    reserve::ReservationBox,
    skbuff::Gfp, //
};
use core::ops::Deref;
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu,
        Arc, //
    },
};

/// A share in a reserved port.
pub(crate) type PortHold = Arc<Hold>;

/// A reserved port.
pub(crate) struct Hold {
    reservation: ReservationBox,
    /// Where it is marked as one that bind() holds.
    marked: Option<(Net, u16)>,
}

impl Hold {
    /// Of connect(): others may have the port at other addresses.
    pub(super) fn by_connect(reservation: ReservationBox) -> Result<PortHold> {
        let hold = Self {
            reservation,
            marked: None,
        };
        Ok(Arc::new(hold, GFP_KERNEL)?)
    }

    /// Of bind(): from now on connect() picks another port. Context: process.
    pub(super) fn by_bind(reservation: ReservationBox, net: Net) -> Result<PortHold> {
        let port = reservation.port();
        // None was asked for but the address (IP_BIND_ADDRESS_NO_PORT).
        if port == 0 {
            return Self::by_connect(reservation);
        }
        let state = NetState::of(net).ok_or(ENETDOWN)?;
        let node = Node::new(Bound::hash(port), Bound::new(port), (), Gfp::KERNEL).ok_or(ENOMEM)?;
        // There may be many of a port, which are counted. Where there is one the new entry isn't needed.
        let _ = state.bound.insert(node, |b| b.is_one_more(port), |_| {});
        // From here on dropping it takes the mark away.
        let hold = Self {
            reservation,
            marked: Some((net, port)),
        };
        Ok(Arc::new(hold, GFP_KERNEL)?)
    }
}

impl Deref for Hold {
    type Target = ReservationBox;

    fn deref(&self) -> &ReservationBox {
        &self.reservation
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let Some((net, port)) = self.marked else {
            return;
        };
        let Some(state) = NetState::of(net) else {
            return;
        };
        state
            .bound
            .remove(Bound::hash(port), |b| b.is_last_of(port));
    }
}

/// The mark of a port that bind() holds.
pub(crate) struct Bound {
    port: u16,
    /// How many hold it. Changed under the bucket's lock.
    holders: Atomic<u32>,
}

impl Bound {
    fn new(port: u16) -> Self {
        Self {
            port,
            holders: Atomic::new(1),
        }
    }

    fn hash(port: u16) -> u32 {
        u32::from(port)
    }

    /// Whether it is the mark of `port`, which has one holder more then.
    fn is_one_more(&self, port: u16) -> bool {
        let is_it = self.port == port;
        if is_it {
            self.holders.fetch_add(1, Relaxed);
        }
        is_it
    }

    /// Whether it is the mark of `port`, which has one holder less then, and that was the last one.
    fn is_last_of(&self, port: u16) -> bool {
        self.port == port && self.holders.fetch_sub(1, Relaxed) == 1
    }
}

impl Entry for Bound {
    type State = ();

    fn on_timer(_node: &Node<Self>) {}
}

/// The ports that bind() holds, of a namespace.
pub(crate) type BoundTable = RcuTable<Bound>;

/// Whether bind() holds the port, at any address.
pub(super) fn is_bound(state: &NetState, port: u16) -> bool {
    let rcu = rcu::read_lock();
    let found = state
        .bound
        .find(Bound::hash(port), &rcu, |b| b.port == port);
    found.is_some()
}
