// SPDX-License-Identifier: GPL-2.0

//! SOL_IPV6: the kernel's, but for the options that it sets under the socket's lock, where it looks
//! at the socket's family: those are set here, or on a socket of the kernel's own in place of this one.
//! Of them, what would join groups is EPROTO or ENOPROTOOPT.

use crate::net::{
    proto_ops::abi,
    sockopt::{
        OptIn,
        OptOut, //
    },
};
use crate::stack::sock::{
    TcpSock, //
};
use kernel::prelude::*;

/// Bytes of a `struct ipv6_mreq`.
const MREQ: usize = 20;

/// setsockopt() on a socket of IPv6.
pub(super) fn set(sk: &TcpSock, name: i32, value: OptIn) -> Result {
    let number = value.int_or_zero()?;
    let on = number != 0;
    let whole = if value.len() < core::mem::size_of::<i32>() {
        Err(EINVAL)
    } else {
        Ok(())
    };
    match name {
        abi::IPV6_ADDRFORM => {
            whole?;
            addrform(sk, number)
        }
        abi::IPV6_V6ONLY => {
            whole?;
            let mut sk = sk.lock();
            if sk.sk().local().port != 0 {
                return Err(EINVAL);
            }
            sk.set_v6_only(on);
            Ok(())
        }
        abi::IPV6_TCLASS => {
            whole?;
            // RFC 3542, 6.5: -1 is the default, 0.
            let class = if number == -1 { 0 } else { number };
            let class = u8::try_from(class).map_err(|_| EINVAL)?;
            sk.lock().set_tclass(class);
            Ok(())
        }
        abi::IPV6_TRANSPARENT => {
            if on && !sk.is_net_raw() && !sk.is_net_admin() {
                return Err(EPERM);
            }
            whole?;
            sk.lock().set_transparent(on);
            Ok(())
        }
        abi::IPV6_FREEBIND => {
            whole?;
            sk.lock().set_freebind(on);
            Ok(())
        }
        abi::IPV6_PKTINFO => set_pktinfo(sk, &value),
        abi::IPV6_HOPOPTS
        | abi::IPV6_RTHDRDSTOPTS
        | abi::IPV6_RTHDR
        | abi::IPV6_DSTOPTS
        | abi::IPV6_2292PKTOPTIONS
        | abi::IPV6_FLOWLABEL_MGR => value.by_proxy(&mut sk.lock()),
        // A connection has one peer: no multicast.
        abi::IPV6_ADD_MEMBERSHIP | abi::IPV6_DROP_MEMBERSHIP => {
            if value.len() < MREQ {
                return Err(EINVAL);
            }
            Err(EPROTO)
        }
        abi::MCAST_JOIN_GROUP..=abi::MCAST_MSFILTER => Err(EPROTO),
        abi::IPV6_ROUTER_ALERT => whole.and(Err(ENOPROTOOPT)),
        _ => {
            // Without effect on a stream, but for what IPV6_2292PKTOPTIONS tells.
            let result = sk.lock().set_recv_option6(name, value.len(), on);
            match result {
                Err(e) if e == ENOPROTOOPT => value.generic(),
                result => result,
            }
        }
    }
}

/// IPV6_ADDRFORM to AF_INET: a connection to a v4-mapped peer becomes one of an IPv4 socket.
fn addrform(sk: &TcpSock, family: i32) -> Result {
    if family != abi::AF_INET {
        return Err(EINVAL);
    }
    let mut sk = sk.lock();
    if sk.sk().state() != abi::TCP_ESTABLISHED {
        return Err(ENOTCONN);
    }
    if sk.sk().is_v6_only() || !sk.sk().remote().is_v4() {
        return Err(EADDRNOTAVAIL);
    }
    sk.become_v4();
    Ok(())
}

/// IPV6_PKTINFO, which IPV6_2292PKTOPTIONS gives back.
fn set_pktinfo(sk: &TcpSock, value: &OptIn) -> Result {
    if value.is_null() {
        return Err(EINVAL);
    }
    let (mut address, mut bytes) = ([0; 16], [0; 20]);
    value.bytes(&mut bytes)?;
    let (head, index) = bytes.split_last_chunk::<4>().ok_or(EINVAL)?;
    address.copy_from_slice(head.first_chunk::<16>().ok_or(EINVAL)?);
    sk.lock().set_pktinfo(address, u32::from_ne_bytes(*index))
}

/// getsockopt() on a socket of IPv6.
pub(super) fn get(sk: &TcpSock, name: i32, out: OptOut) -> Result {
    if name == abi::IPV6_ADDRFORM {
        match out.room() {
            Err(e) if e == EFAULT => return Err(e),
            _ if sk.state() != abi::TCP_ESTABLISHED => return Err(ENOTCONN),
            _ => {}
        }
        return out.int(abi::AF_INET6);
    }
    out.generic()
}
