// SPDX-License-Identifier: GPL-2.0

//! Addresses: what both families' sockets and packets are named by.
//!
//! C headers: [`include/uapi/linux/in.h`](srctree/include/uapi/linux/in.h),
//! [`include/uapi/linux/in6.h`](srctree/include/uapi/linux/in6.h)

use super::bindings;
use core::net::{
    IpAddr,
    Ipv4Addr,
    Ipv6Addr, //
};
use kernel::prelude::*;

/// One end of a connection, or the place where a socket listens.
///
/// # Invariants
///
/// Whatever is IPv4 on the wire is `IpAddr::V4` here, on IPv6 sockets too: a v4-mapped address
/// never occurs, so that one lookup serves both. `scope` is 0 for all but link-local addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The address; unspecified means any.
    pub(crate) addr: IpAddr,
    /// The port in host order; 0 means none.
    pub(crate) port: u16,
    /// The interface that a link-local address belongs to.
    scope: u32,
}

/// The number of the loopback interface in each namespace.
pub(crate) const LOOPBACK_INDEX: c_int = 1;
/// Any IPv4 address.
pub(crate) const ANY4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
/// Any IPv6 address (and, but for IPV6_V6ONLY, any IPv4 one).
pub(crate) const ANY6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

impl Endpoint {
    /// The endpoint of that address and port. `dev`: the interface it is reached by, which counts
    /// if the address is link-local.
    pub(crate) fn new(addr: IpAddr, port: u16, dev: c_int) -> Self {
        // INVARIANT: Mapped addresses are unmapped here, and other scopes are zeroed.
        let addr = addr.to_canonical();
        let scope = if is_link_local(addr) {
            u32::try_from(dev).unwrap_or(0)
        } else {
            0
        };
        Self { addr, port, scope }
    }

    /// The same address with another port.
    pub(crate) fn with_port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// Whether both are the same address and port, whatever link it is on.
    pub(crate) fn is_same_place(&self, other: Self) -> bool {
        self.addr == other.addr && self.port == other.port
    }

    /// Whether it is of IPv4.
    pub(crate) fn is_v4(&self) -> bool {
        self.addr.is_ipv4()
    }

    /// The interface of a link-local address; 0 for other addresses.
    pub(crate) fn scope(&self) -> c_int {
        c_int::try_from(self.scope).unwrap_or(0)
    }
}

/// Whether an address says something on its link only: fe80::/10 and ff02::/16 (RFC 4007, 4).
pub(crate) fn is_link_local(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(_) => false,
        IpAddr::V6(addr) => {
            let top = addr.to_bits() >> 112;
            top & 0xffc0 == 0xfe80 || top & 0xff0f == 0xff02
        }
    }
}

/// IPv4 address from network order.
pub(super) fn addr_from_be(be: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(u32::from_be(be)))
}

/// IPv4 address to network order. An IPv6 one has no such form: 0.
pub(super) fn addr_to_be(addr: IpAddr) -> u32 {
    match addr {
        IpAddr::V4(addr) => u32::from(addr).to_be(),
        IpAddr::V6(_) => 0,
    }
}

/// An address as the kernel keeps it on IPv6 sockets: IPv4 ones v4-mapped.
pub(super) fn to_in6(addr: IpAddr) -> bindings::in6_addr {
    let bytes = match addr {
        IpAddr::V4(addr) => addr.to_ipv6_mapped().octets(),
        IpAddr::V6(addr) => addr.octets(),
    };
    bindings::in6_addr {
        in6_u: bindings::in6_addr__bindgen_ty_1 { u6_addr8: bytes },
    }
}

/// An address from where the kernel keeps it on an IPv6 socket or in a header.
pub(super) fn from_in6(addr: &bindings::in6_addr) -> IpAddr {
    // SAFETY: All fields of the union are of the same size and take any value.
    let bytes = unsafe { addr.in6_u.u6_addr8 };
    IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
}

/// What a call named: an endpoint, and the flow label (with traffic class, network order) that
/// IPV6_FLOWINFO_SEND asks for.
#[derive(Clone, Copy)]
pub(crate) struct Name {
    /// The endpoint.
    pub(crate) endpoint: Endpoint,
    /// `sin6_flowinfo`; 0 for IPv4.
    pub(crate) flow: u32,
}

/// Bytes of the family at the start of an address: a shorter one is none.
pub(super) const FAMILY_LEN: c_int = core::mem::size_of::<bindings::sa_family_t>() as c_int;

/// Reads the `sockaddr` of a call on a socket of IPv4 or (`v6`) IPv6. `own` is the family's number,
/// which may stand for AF_INET or AF_INET6. EINVAL for a short one, EAFNOSUPPORT for another
/// family; AF_UNSPEC is `None`.
///
/// # Safety
///
/// `addr` must be valid for `len` bytes.
pub(super) unsafe fn read_sockaddr(
    addr: *const bindings::sockaddr_unsized,
    len: c_int,
    own: u16,
    v6: bool,
    unspec_ok: bool,
) -> Result<Option<Name>> {
    if len < FAMILY_LEN {
        return Err(EINVAL);
    }
    // SAFETY: At least two bytes are valid, and the kernel's copy of an address is aligned.
    let family = unsafe { addr.cast::<u16>().read() };
    if family == bindings::AF_UNSPEC as u16 && unspec_ok {
        return Ok(None);
    }
    if v6 {
        // SAFETY: By the caller's promise.
        return unsafe { read_sockaddr6(addr, len, own, family) }.map(Some);
    }
    if len < core::mem::size_of::<bindings::sockaddr_in>() as c_int {
        return Err(EINVAL);
    }
    // SAFETY: The whole address is valid.
    let sin = unsafe { addr.cast::<bindings::sockaddr_in>().read() };
    let endpoint = Endpoint::new(
        addr_from_be(sin.sin_addr.s_addr),
        u16::from_be(sin.sin_port),
        0,
    );
    let name = Name { endpoint, flow: 0 };
    if family == bindings::AF_INET as u16 || family == own {
        return Ok(Some(name));
    }
    // Historical: bind() takes AF_UNSPEC with a wildcard address.
    if family == bindings::AF_UNSPEC as u16 && endpoint.addr.is_unspecified() {
        return Ok(Some(name));
    }
    Err(EAFNOSUPPORT)
}

/// # Safety
///
/// As for `read_sockaddr`.
unsafe fn read_sockaddr6(
    addr: *const bindings::sockaddr_unsized,
    len: c_int,
    own: u16,
    family: u16,
) -> Result<Name> {
    /// RFC 2133 knew no scope.
    const WITHOUT_SCOPE: usize = core::mem::offset_of!(bindings::sockaddr_in6, sin6_scope_id);
    const SIZE: usize = core::mem::size_of::<bindings::sockaddr_in6>();
    let len = usize::try_from(len).unwrap_or(0);
    if len < WITHOUT_SCOPE {
        return Err(EINVAL);
    }
    if family != bindings::AF_INET6 as u16 && family != own {
        return Err(EAFNOSUPPORT);
    }
    // SAFETY: So much of the address is valid, and it is aligned.
    let (port, flow, ip, scope) = unsafe {
        let sin6 = addr.cast::<bindings::sockaddr_in6>();
        let scope = if len >= SIZE {
            (*sin6).sin6_scope_id
        } else {
            0
        };
        (
            u16::from_be((*sin6).sin6_port),
            (*sin6).sin6_flowinfo,
            from_in6(&(*sin6).sin6_addr),
            scope,
        )
    };
    Ok(Name {
        endpoint: Endpoint::new(ip, port, c_int::try_from(scope).unwrap_or(0)),
        flow,
    })
}

/// Writes an endpoint as a `sockaddr_in`, or for an IPv6 socket as a `sockaddr_in6`; gives its
/// length.
///
/// # Safety
///
/// `addr` must be valid for a `sockaddr_in6`.
pub(super) unsafe fn write_sockaddr(addr: *mut bindings::sockaddr, name: Name, v6: bool) -> c_int {
    let Name { endpoint, flow } = name;
    if v6 {
        let sin6 = bindings::sockaddr_in6 {
            sin6_family: bindings::AF_INET6 as u16,
            sin6_port: endpoint.port.to_be(),
            sin6_flowinfo: flow,
            sin6_addr: to_in6(endpoint.addr),
            sin6_scope_id: endpoint.scope,
        };
        // SAFETY: By the caller's promise.
        unsafe { addr.cast::<bindings::sockaddr_in6>().write(sin6) };
        return core::mem::size_of::<bindings::sockaddr_in6>() as c_int;
    }
    let sin = bindings::sockaddr_in {
        sin_family: bindings::AF_INET as u16,
        sin_port: endpoint.port.to_be(),
        sin_addr: bindings::in_addr {
            s_addr: addr_to_be(endpoint.addr),
        },
        ..Default::default()
    };
    // SAFETY: By the caller's promise.
    unsafe { addr.cast::<bindings::sockaddr_in>().write(sin) };
    core::mem::size_of::<bindings::sockaddr_in>() as c_int
}
