// SPDX-License-Identifier: GPL-2.0

//! What a connection takes over from its SYN: mark, traffic class, routing domain (VRF); and what
//! security modules say of it.
//!
//! C headers: [`include/linux/security.h`](srctree/include/linux/security.h),
//! [`include/net/l3mdev.h`](srctree/include/net/l3mdev.h)

use super::{
    bindings,
    netns::Net,
    skbuff::SkBuff,
    sock::{
        Locked,
        Protocol,
        Sock, //
    },
    source_route::SourceRoute, //
};
use kernel::prelude::*;

/// How a packet is sent that no socket sends.
pub(crate) struct Way<'a, P: Protocol> {
    /// The socket that it is sent for, if there is one.
    pub(crate) sk: Option<&'a Sock<P>>,
    /// The device that it is bound to; 0: none.
    pub(crate) dev: c_int,
    /// The packet's mark.
    pub(crate) mark: u32,
    /// For how long it is held back where the queueing discipline minds, microseconds.
    pub(crate) delay: u32,
    /// By which routers it goes, if anybody said so.
    pub(crate) source_route: Option<&'a SourceRoute>,
}

impl<'a, P: Protocol> Way<'a, P> {
    /// As the packets of `sk`.
    pub(crate) fn of(sk: &'a Sock<P>) -> Self {
        Self {
            sk: Some(sk),
            dev: sk.bound_dev_if(),
            mark: sk.mark(),
            delay: 0,
            source_route: None,
        }
    }
}

impl<P: Protocol> Sock<P> {
    /// SO_MARK.
    pub(crate) fn mark(&self) -> u32 {
        // SAFETY: A single word of a valid socket.
        unsafe { core::ptr::read_volatile(&raw const (*self.as_ptr()).sk_mark) }
    }

    /// The priority of what it sends (SO_PRIORITY).
    pub(crate) fn priority(&self) -> u32 {
        // SAFETY: A single word of a valid socket.
        unsafe { core::ptr::read_volatile(&raw const (*self.as_ptr()).sk_priority) }
    }

    /// Whether security modules let the sender of a SYN, or of what a SYN cookie came back with,
    /// begin a connection with this listener. The packet's data starts at the TCP header.
    pub(crate) fn lets_in(&self, skb: &SkBuff) -> bool {
        // SAFETY: A valid socket, and a packet with its headers in place.
        unsafe { bindings::sk_lets_in(self.as_ptr(), skb.as_ptr()) }
    }
}

impl<P: Protocol> Locked<'_, P> {
    /// Tells security modules of the packet that answered the SYN.
    pub(crate) fn note_answer(&mut self, skb: &SkBuff) {
        // SAFETY: The socket is locked; a packet with its headers in place.
        unsafe { bindings::sk_conn_established(self.sk().as_ptr(), skb.as_ptr()) };
    }

    /// Sets SO_MARK.
    pub(crate) fn set_mark(&mut self, mark: u32) {
        // SAFETY: The socket is locked; readers without the lock read a single word.
        unsafe { (&raw mut (*self.sk().as_ptr()).sk_mark).write_volatile(mark) };
    }

    /// Sets the traffic class, without ECN, of what goes to the peer.
    pub(crate) fn set_tos(&mut self, tos: u8) {
        let v6 = !self.sk().remote().is_v4();
        // SAFETY: The socket is locked, and one of IPv6 if its peer is.
        unsafe { bindings::sk_set_tos(self.sk().as_ptr(), v6, tos) };
    }
}

impl SkBuff {
    /// The mark that netfilter or a route gave the packet.
    pub(crate) fn mark(&self) -> u32 {
        // SAFETY: Valid by the type invariants.
        unsafe { bindings::skb_mark(self.as_ptr()) }
    }
}

/// The device of the routing domain that device `iif` is in, or is; 0: none.
pub(crate) fn domain_of(net: Net, iif: c_int) -> c_int {
    // SAFETY: The namespace is alive, by its type's invariants.
    unsafe { bindings::l3mdev_of(net.as_ptr(), iif) }
}
