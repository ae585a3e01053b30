// SPDX-License-Identifier: GPL-2.0

//! The ends of a socket's connection: addresses, ports, interface, flow label. They are written
//! under the socket lock, before the socket can be found by them.

use super::{
    Locked,
    Protocol,
    Sock, //
};
use crate::net::{
    addr::{
        addr_from_be,
        addr_to_be,
        from_in6,
        to_in6,
        Endpoint,
        ANY4,
        ANY6, //
    },
    bindings, //
};
use core::net::IpAddr;
use kernel::prelude::*;

impl<P: Protocol> Sock<P> {
    /// The local endpoint. The address is that of the bound or connected socket.
    pub(crate) fn local(&self) -> Endpoint {
        // SAFETY: Single words of a valid socket.
        unsafe {
            let inet = self.inet();
            let common = &(*self.as_ptr()).__sk_common;
            let addr = match self.inet6() {
                Some(np) => from_in6(&(*np.as_ptr()).saddr),
                None => addr_from_be((*inet).inet_saddr),
            };
            Endpoint::new(
                addr,
                common.__bindgen_anon_3.__bindgen_anon_1.skc_num,
                self.bound_dev_if(),
            )
        }
    }

    /// The port that getsockname() tells: that of [`Self::local`], or the last one.
    pub(crate) fn shown_port(&self) -> u16 {
        // SAFETY: A single word of a valid socket.
        u16::from_be(unsafe { (*self.inet()).inet_sport })
    }

    /// The address that the socket was bound to; unspecified for any.
    pub(crate) fn bound_addr(&self) -> IpAddr {
        // SAFETY: Words of a valid socket.
        unsafe {
            let common = &(*self.as_ptr()).__sk_common;
            if self.is_v6() {
                from_in6(&common.skc_v6_rcv_saddr)
            } else {
                addr_from_be(common.__bindgen_anon_1.__bindgen_anon_1.skc_rcv_saddr)
            }
        }
    }

    /// The peer.
    pub(crate) fn remote(&self) -> Endpoint {
        // SAFETY: Single words of a valid socket.
        unsafe {
            let common = &(*self.as_ptr()).__sk_common;
            let addr = if self.is_v6() {
                from_in6(&common.skc_v6_daddr)
            } else {
                addr_from_be(common.__bindgen_anon_1.__bindgen_anon_1.skc_daddr)
            };
            Endpoint::new(
                addr,
                u16::from_be(common.__bindgen_anon_3.__bindgen_anon_1.skc_dport),
                self.bound_dev_if(),
            )
        }
    }

    /// No place: what an unbound socket is bound to, and an unconnected one connected to.
    pub(crate) fn nowhere(&self) -> Endpoint {
        Endpoint::new(if self.is_v6() { ANY6 } else { ANY4 }, 0, 0)
    }

    /// What the socket's IPv6 route is checked with.
    pub(in crate::net) fn dst_cookie(&self) -> u32 {
        // SAFETY: A single word of a valid socket's IPv6 part.
        self.inet6()
            .map_or(0, |np| unsafe { (*np.as_ptr()).dst_cookie })
    }

    /// The flow label (network order) that getpeername() tells; 0 unless the user wants one.
    pub(in crate::net) fn flow(&self) -> u32 {
        if !self.is_v6() {
            return 0;
        }
        // SAFETY: A valid socket of IPv6.
        unsafe { bindings::inet6_flow(self.as_ptr()) }
    }

    /// IPV6_V6ONLY, or bound to an address of IPv6.
    pub(crate) fn is_v6_only(&self) -> bool {
        // SAFETY: A bit field of a valid socket.
        unsafe { bindings::sk_ipv6only(self.as_ptr()) }
    }

    /// The interface index of SO_BINDTODEVICE or of a link-local address; 0 for none.
    pub(crate) fn bound_dev_if(&self) -> c_int {
        // SAFETY: A single word of a valid socket, which may change at any time.
        unsafe { (&raw const (*self.as_ptr()).__sk_common.skc_bound_dev_if).read_volatile() }
    }
}

impl<P: Protocol> Locked<'_, P> {
    /// Sets the local endpoint. `bound` is whether the address was asked for by bind().
    pub(crate) fn set_local(&mut self, local: Endpoint, bound: IpAddr) {
        self.set_local_but_shown_port(local, bound);
        // SAFETY: As there.
        unsafe { (*self.sk.inet()).inet_sport = local.port.to_be() };
    }

    /// [`Self::set_local`], but getsockname(), which takes no lock, goes on telling the port of before.
    fn set_local_but_shown_port(&mut self, local: Endpoint, bound: IpAddr) {
        // SAFETY: Valid, and the lock is held; readers without the lock read single words.
        unsafe {
            (*self.sk.inet()).inet_saddr = addr_to_be(local.addr);
            let common = &mut (*self.sk.as_ptr()).__sk_common;
            common.__bindgen_anon_1.__bindgen_anon_1.skc_rcv_saddr = addr_to_be(bound);
            if let Some(np) = self.sk.inet6() {
                (*np.as_ptr()).saddr = to_in6(local.addr);
                common.skc_v6_rcv_saddr = to_in6(bound);
            }
            common.__bindgen_anon_3.__bindgen_anon_1.skc_num = local.port;
        }
    }

    /// The socket has no port any more; getsockname() tells the last one.
    pub(crate) fn lose_port(&mut self, addr: IpAddr) {
        self.set_local_but_shown_port(Endpoint::new(addr, 0, 0), addr);
    }

    /// Sets the peer.
    pub(crate) fn set_remote(&mut self, remote: Endpoint) {
        // SAFETY: As in `set_local`.
        unsafe {
            let common = &mut (*self.sk.as_ptr()).__sk_common;
            common.__bindgen_anon_1.__bindgen_anon_1.skc_daddr = addr_to_be(remote.addr);
            if self.sk.is_v6() {
                common.skc_v6_daddr = to_in6(remote.addr);
            }
            common.__bindgen_anon_3.__bindgen_anon_1.skc_dport = remote.port.to_be();
        }
    }

    /// Binds to an interface, as a link-local address does; 0: to none.
    pub(crate) fn set_bound_dev_if(&mut self, dev: c_int) {
        // SAFETY: Valid, and the lock is held; readers without the lock read a single word.
        unsafe {
            (&raw mut (*self.sk.as_ptr()).__sk_common.skc_bound_dev_if).write_volatile(dev);
        }
    }

    /// Sets IPV6_V6ONLY.
    pub(crate) fn set_v6_only(&mut self, on: bool) {
        // SAFETY: Valid, and the lock is held.
        unsafe { bindings::sk_set_ipv6only(self.sk.as_ptr(), on) };
    }

    /// Takes the flow label that connect() was called with, if the user wants it to count. EINVAL
    /// if somebody else has leased it.
    pub(crate) fn set_flow(&mut self, flow: u32) -> Result {
        // SAFETY: Valid, an IPv6 socket, and the lock is held.
        if self.sk.is_v6() && !unsafe { bindings::inet6_set_flow(self.sk.as_ptr(), flow) } {
            return Err(EINVAL);
        }
        Ok(())
    }
}
