// SPDX-License-Identifier: GPL-2.0

//! The way back along a source route (RFC 791, 3.1; RFC 1122, 3.2.1.8 (c)): what the routers recorded in a
//! packet that came, backwards.
//!
//! C header: [`include/net/ip.h`](srctree/include/net/ip.h)

use super::{
    bindings,
    skbuff::SkBuff,
    sock::{
        Locked,
        Protocol, //
    },
};
use core::net::Ipv4Addr;

/// Bytes of all options of an IPv4 header.
pub(super) const MAX_OPTIONS: usize = 40;
/// The end of the list, and what takes a byte and says nothing.
const END: u8 = 0;
const NOTHING: u8 = 1;
/// LSRR and SSRR.
const LOOSE: u8 = 131;
const STRICT: u8 = 137;

/// A source route to send by, as IP_OPTIONS has it: the routers in their order.
///
/// # Invariants
///
/// `bytes[..len]` is one option: its type, its length, which is `len`, a pointer to its first address, and
/// that address and others.
#[derive(Clone, Copy)]
pub(crate) struct SourceRoute {
    bytes: [u8; MAX_OPTIONS],
    len: u8,
}

impl SourceRoute {
    /// The way back to the sender of a packet that came by a source route; `None`: it did not.
    pub(crate) fn back(skb: &SkBuff) -> Option<Self> {
        let mut bytes = [0; MAX_OPTIONS];
        // SAFETY: A packet on its way in, with its IP header in place; there is room for all options.
        let len = unsafe { bindings::skb_rx_ip4_options(skb.as_ptr(), bytes.as_mut_ptr()) };
        Self::reverse(bytes.get(..len as usize)?, skb.ip4_source())
    }

    /// The way back to `source`, out of the options of a packet of its.
    fn reverse(mut options: &[u8], source: Ipv4Addr) -> Option<Self> {
        let route = loop {
            options = match *options {
                [] | [END, ..] => return None,
                [NOTHING, ref rest @ ..] => rest,
                [kind, len, ..] => {
                    let option = options.get(..usize::from(len.max(2)))?;
                    if kind == LOOSE || kind == STRICT {
                        break option;
                    }
                    options.get(option.len()..)?
                }
                [_] => return None,
            };
        };
        let [kind, _, pointer, addresses @ ..] = route else {
            return None;
        };
        // Those in front of the pointer (which counts from 1, and from the type) were visited.
        let visited = usize::from(pointer.saturating_sub(4)).min(addresses.len());
        let mut bytes = [0; MAX_OPTIONS];
        let mut len = 3usize;
        for hop in addresses.get(..visited)?.chunks_exact(4).rev() {
            // RFC 1812, 5.2.4.1: some name themselves first.
            if hop == source.octets() && len > 3 {
                continue;
            }
            let end = len.checked_add(4)?;
            bytes.get_mut(len..end)?.copy_from_slice(hop);
            len = end;
        }
        if len == 3 {
            return None;
        }
        let [first, second, third, ..] = &mut bytes;
        // INVARIANT: At least one address is behind these.
        (*first, *second, *third) = (*kind, u8::try_from(len).ok()?, 4);
        let len = *second;
        Some(Self { bytes, len })
    }

    /// As IP_OPTIONS has it.
    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// Where a packet goes first.
    pub(super) fn first_hop(&self) -> Ipv4Addr {
        let [_, _, _, a, b, c, d, ..] = self.bytes;
        Ipv4Addr::new(a, b, c, d)
    }

    /// What is in the header of a packet that goes to `destination` by it, and how many bytes that takes:
    /// the first router is the address of the packet, and the destination the last of the route.
    pub(super) fn option_to(&self, destination: Ipv4Addr) -> ([u8; MAX_OPTIONS], usize) {
        let mut option = [END; MAX_OPTIONS];
        let hops = self.as_bytes();
        let rest = hops.get(7..).unwrap_or(&[]).iter();
        let on_wire = hops.iter().take(3).chain(rest);
        for (to, from) in option
            .iter_mut()
            .zip(on_wire.copied().chain(destination.octets()))
        {
            *to = from;
        }
        // Whole words.
        (option, hops.len().saturating_add(3) & !3)
    }
}

impl<P: Protocol> Locked<'_, P> {
    /// From now on the socket, a new one of IPv4, sends by this route, like one whose user set
    /// IP_OPTIONS. Without memory it does not, and the peer hears nothing. Context: any.
    pub(crate) fn set_source_route(&mut self, route: &SourceRoute) -> bool {
        let bytes = route.as_bytes();
        // SAFETY: The socket is locked, and nobody sends from it yet; the bytes are valid.
        unsafe {
            bindings::sk_set_ip4_options(self.sk().as_ptr(), bytes.as_ptr(), u32::from(route.len))
        }
    }
}
