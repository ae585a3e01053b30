// SPDX-License-Identifier: GPL-2.0

//! The way out: routes, and packets through the IPv4 and IPv6 layers.
//!
//! Which of the two a packet takes is decided by its addresses: an IPv6 socket with an IPv4 peer
//! sends IPv4.
//!
//! C headers: [`include/net/ip.h`](srctree/include/net/ip.h),
//! [`include/net/ipv6.h`](srctree/include/net/ipv6.h),
//! [`include/net/route.h`](srctree/include/net/route.h)

use super::{
    addr::{
        addr_from_be,
        addr_to_be,
        from_in6,
        to_in6,
        Endpoint, //
    },
    bindings,
    inherit::Way,
    netns::Net,
    skbuff::{
        ControlBlock,
        Gfp,
        NoCb,
        SkBuff, //
    },
    sock::{
        Locked,
        Protocol,
        Sock,
        Wire, //
    },
    source_route::{
        SourceRoute,
        MAX_OPTIONS, //
    },
};
use core::{
    net::IpAddr,
    ptr::NonNull, //
};
use kernel::prelude::*;

const IPPROTO_TCP: u8 = 6;
/// Most payload in what the stack cuts: an IP packet with room for all headers.
const SOFT_GSO_MAX: u32 = bindings::GSO_LEGACY_MAX_SIZE - 512;

/// Bytes of an IPv4 header without options.
const IP_HEADER: u32 = 20;
/// Bytes of an IPv6 header without extensions.
const IPV6_HEADER: u32 = 40;
/// Bytes of a TCP header without options.
const TCP_HEADER: u32 = 20;

/// What a route takes.
#[derive(Clone, Copy)]
pub(crate) struct Path {
    /// Largest TCP payload in one packet, options of TCP and IP not subtracted.
    pub(crate) mss: u16,
    /// Bytes of IP's options, or extension headers, that the user has put into each packet.
    pub(crate) options: u16,
    /// Most bytes in one buffer that the device (or software in front of it) cuts; 0: none.
    pub(crate) gso_max: u32,
    /// The route was looked up just now.
    pub(crate) fresh: bool,
}

/// The largest TCP payload in a packet of `mtu` bytes, TCP options not subtracted.
pub(crate) fn mss_of(mtu: u32, v6: bool) -> u16 {
    let ip = if v6 { IPV6_HEADER } else { IP_HEADER };
    u16::try_from(mtu.saturating_sub(ip + TCP_HEADER))
        .unwrap_or(u16::MAX)
        .max(48)
}

/// The other way round: the MTU that leaves so much of a packet to the payload.
pub(crate) fn mtu_of(mss: u16, v6: bool) -> u32 {
    let ip = if v6 { IPV6_HEADER } else { IP_HEADER };
    u32::from(mss).saturating_add(ip + TCP_HEADER)
}

fn to_result<T>(ptr: *mut T) -> Result<NonNull<T>> {
    // SAFETY: Only looks at the value of the pointer.
    if unsafe { bindings::is_err(ptr.cast()) } {
        return Err(Error::from_errno(ptr as isize as i32));
    }
    NonNull::new(ptr).ok_or(EHOSTUNREACH)
}

impl<P: Protocol> Locked<'_, P> {
    /// Finds a route to `remote`, the source address that goes with it, and of IPv6 the interface that it
    /// leads out by. The route is kept by [`Self::set_route`] only. Context: process.
    pub(crate) fn route_source(
        &mut self,
        remote: Endpoint,
        source: IpAddr,
    ) -> Result<(IpAddr, c_int)> {
        let sk = self.sk();
        if !remote.is_v4() {
            if remote.addr.is_multicast() {
                return Err(ENETUNREACH);
            }
            // SAFETY: The socket is locked and of IPv6, since only such have such peers; the
            // reference that the lookup gives is dropped.
            unsafe {
                let dst = to_result(bindings::ip6_route_connect(
                    sk.as_ptr(),
                    &to_in6(remote.addr),
                    &to_in6(source),
                    0,
                    remote.port.to_be(),
                ))?;
                let link = bindings::dst_ifindex(dst.as_ptr());
                bindings::dst_release(dst.as_ptr());
                return Ok((from_in6(&(*sk.inet()).cork.fl.u.ip6.saddr), link));
            }
        }
        // SAFETY: The socket is locked; `fl` is the place in it that is meant for this.
        unsafe {
            let fl = &raw mut (*sk.inet()).cork.fl.u.ip4;
            let rt = to_result(bindings::ip_route_connect(
                fl,
                bindings::sk_first_hop(sk.as_ptr(), addr_to_be(remote.addr)),
                addr_to_be(source),
                sk.bound_dev_if(),
                IPPROTO_TCP,
                0,
                remote.port.to_be(),
                sk.as_ptr(),
            ))?;
            let flags = (*rt.as_ptr()).rt_flags;
            bindings::ip_rt_put(rt.as_ptr());
            if flags & (bindings::RTCF_MULTICAST | bindings::RTCF_BROADCAST) != 0 {
                return Err(ENETUNREACH);
            }
            Ok((addr_from_be((*fl).saddr), 0))
        }
    }

    /// Looks the socket's route up with its final addresses and ports, and keeps it.
    pub(crate) fn set_route(&mut self) -> Result {
        let (sk, local, remote) = (self.sk(), self.sk().local(), self.sk().remote());
        // SAFETY: The socket is locked; `sk_setup_caps` takes over the route's reference.
        unsafe {
            if !remote.is_v4() {
                let dst = to_result(bindings::ip6_route_connect(
                    sk.as_ptr(),
                    &to_in6(remote.addr),
                    &to_in6(local.addr),
                    local.port.to_be(),
                    remote.port.to_be(),
                ))?;
                (*sk.as_ptr()).sk_gso_type = bindings::SKB_GSO_TCPV6 as u16;
                bindings::ip6_dst_store(sk.as_ptr(), dst.as_ptr());
                return Ok(());
            }
            (*sk.as_ptr()).sk_gso_type = bindings::SKB_GSO_TCPV4 as u16;
            let fl = &raw mut (*sk.inet()).cork.fl.u.ip4;
            let rt = to_result(bindings::ip_route_connect(
                fl,
                bindings::sk_first_hop(sk.as_ptr(), addr_to_be(remote.addr)),
                addr_to_be(local.addr),
                sk.bound_dev_if(),
                IPPROTO_TCP,
                local.port.to_be(),
                remote.port.to_be(),
                sk.as_ptr(),
            ))?;
            bindings::sk_setup_caps(sk.as_ptr(), &raw mut (*rt.as_ptr()).dst);
        }
        Ok(())
    }

    /// ICMP says that the path takes packets of `mtu` bytes: the route remembers it. `false`: the
    /// user wants none of it (IP_PMTUDISC_INTERFACE and its kin).
    pub(crate) fn note_mtu(&mut self, mtu: u32) -> bool {
        // A route that went stale is looked up again.
        let _ = self.path();
        let v6 = !self.sk().remote().is_v4();
        let cookie = if v6 { self.sk().dst_cookie() } else { 0 };
        // SAFETY: The socket is locked.
        unsafe { bindings::sk_update_pmtu(self.sk().as_ptr(), v6, cookie, mtu) }
    }

    /// Whether the socket's route leads to this host.
    pub(crate) fn route_is_loopback(&mut self) -> bool {
        // SAFETY: The socket is locked.
        unsafe { bindings::sk_dst_is_loopback(self.sk().as_ptr()) }
    }

    /// Whether the socket's route says that Fast Open needs no cookie.
    pub(crate) fn route_needs_no_cookie(&mut self) -> bool {
        // SAFETY: The socket is locked.
        unsafe { bindings::sk_dst_no_cookie(self.sk().as_ptr()) }
    }

    /// Whether the socket keeps a route, be it an old one.
    pub(crate) fn has_route(&self) -> bool {
        // SAFETY: A valid socket. A word that may be cleared at any time, and is only looked at.
        unsafe {
            !core::ptr::read_volatile(&raw const (*self.sk().as_ptr()).sk_dst_cache).is_null()
        }
    }

    /// What the socket's route takes; looks one up if there is none (any more).
    pub(crate) fn path(&mut self) -> Option<Path> {
        let v6 = !self.sk().remote().is_v4();
        let cookie = if v6 { self.sk().dst_cookie() } else { 0 };
        let sk = self.sk().as_ptr();
        // SAFETY: The socket is locked, so its cached route stays while we look at it.
        unsafe {
            let mut dst = bindings::__sk_dst_check(sk, cookie);
            let fresh = dst.is_null();
            if fresh {
                self.set_route().ok()?;
                let cookie = if v6 { self.sk().dst_cookie() } else { 0 };
                dst = bindings::__sk_dst_check(sk, cookie);
            }
            if dst.is_null() {
                return None;
            }
            // What the device can't cut, the stack cuts in front of it: one walk through IP for
            // many segments either way.
            let mss = mss_of(bindings::dst_mtu(dst), v6);
            let options = u16::try_from(bindings::sk_ip_extra(sk, v6)).unwrap_or(u16::MAX);
            let gso_max = if bindings::sk_can_gso(sk) {
                // The device may also bound how many (`ip link set gso_max_segs`).
                let each = u32::from(mss.saturating_sub(options));
                let most = u32::from((*sk).sk_gso_max_segs).saturating_mul(each);
                (*sk).sk_gso_max_size.min(most)
            } else {
                SOFT_GSO_MAX
            };
            Some(Path {
                mss,
                options,
                gso_max,
                fresh,
            })
        }
    }
}

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It left, as far as this host knows.
    Left,
    /// It left, and a local queue tells that it is too long.
    Crowded,
    /// A local queue had no room for it.
    Dropped,
    /// It did not get to one.
    Failed,
}

impl<P: Protocol> Wire<'_, P> {
    /// What carries a segment: a copy of `payload`'s descriptor, or of nothing, with room for headers.
    /// `None`: there is no memory.
    pub(crate) fn packet<C: ControlBlock>(&self, payload: Option<&SkBuff<C>>) -> Option<SkBuff> {
        let headroom = bindings::MAX_TCP_HEADER;
        match payload {
            Some(payload) => payload.copy_for_transmit(headroom),
            None => SkBuff::new(headroom, Gfp::ATOMIC),
        }
    }

    /// Sends a segment, a [`Self::packet`] behind `header`, whose checksum is completed on the way.
    /// `gso_size`: bytes a segment, 0 if it is just one.
    /// `departure`: when it shall leave if the queueing discipline minds, CLOCK_MONOTONIC, ns.
    /// `ecn`: the two bits of the IP header; the rest of that octet is IP_TOS. `ace`: CWR is not for
    /// the first segment only.
    pub(crate) fn transmit(
        &mut self,
        skb: SkBuff,
        header: &[u8],
        gso_size: u16,
        departure: u64,
        (ecn, ace): (u8, bool),
    ) -> Sent {
        let sk = self.sk();
        let (local, remote) = (sk.local(), sk.remote());
        // SAFETY: `skb` is ours with room for the headers in front of its data; the socket is
        // locked, and `__ip_queue_xmit` or `ip6_queue_xmit` takes the packet over.
        let said = unsafe {
            finish(&skb, header, local, remote, gso_size, ace);
            if skb.has_stamps() {
                bindings::skb_relate_key(skb.as_ptr(), sk.as_ptr());
            }
            bindings::skb_charge_to(skb.as_ptr(), sk.as_ptr());
            bindings::skb_set_departure(skb.as_ptr(), departure);
            if self.is_confirming() {
                bindings::skb_set_dst_pending_confirm(skb.as_ptr());
            }
            if remote.is_v4() {
                let inet = sk.inet();
                let fl = &raw mut (*inet).cork.fl;
                let tos = ((*inet).tos & !3) | (ecn & 3);
                bindings::__ip_queue_xmit(sk.as_ptr(), skb.into_raw(), fl, tos)
            } else {
                bindings::ip6_queue_xmit(sk.as_ptr(), skb.into_raw(), ecn & 3)
            }
        };
        match said {
            0 => Sent::Left,
            said if said < 0 => Sent::Failed,
            said if said == bindings::NET_XMIT_DROP as c_int => Sent::Dropped,
            _ => Sent::Crowded,
        }
    }
}

/// Puts a TCP header in front of a packet between these ends; see `skb_finish_tcp4`.
///
/// # Safety
///
/// The packet must be the caller's, with room for the header in front of its data.
unsafe fn finish<C: ControlBlock>(
    skb: &SkBuff<C>,
    header: &[u8],
    local: Endpoint,
    remote: Endpoint,
    gso_size: u16,
    ace: bool,
) {
    // SAFETY: By the caller's promise; `header` is valid for its length.
    unsafe {
        if remote.is_v4() {
            bindings::skb_finish_tcp4(
                skb.as_ptr(),
                header.as_ptr().cast(),
                header.len() as c_uint,
                addr_to_be(local.addr),
                addr_to_be(remote.addr),
                gso_size,
                ace,
            );
        } else {
            bindings::skb_finish_tcp6(
                skb.as_ptr(),
                header.as_ptr().cast(),
                header.len() as c_uint,
                &to_in6(local.addr),
                &to_in6(remote.addr),
                gso_size,
                ace,
            );
        }
    }
}

/// A route, of IPv4 or IPv6.
///
/// # Invariants
///
/// Holds a reference to a valid `dst_entry`, of IPv6 if `v6`, and one to `listener`, which is of IPv6, if
/// that is there.
pub(crate) struct Route {
    dst: NonNull<bindings::dst_entry>,
    v6: bool,
    /// Traffic class, without ECN.
    tos: u8,
    /// Hop limit; 0: the route's.
    ttl: u8,
    /// Whose extension headers a packet of IPv6 gets.
    listener: Option<NonNull<bindings::sock>>,
    /// The mark of what goes along it, and its priority.
    mark: u32,
    priority: u32,
    /// For how long that is held back, microseconds.
    delay: u32,
    /// By which routers it goes.
    source_route: Option<SourceRoute>,
}

impl Route {
    /// The route from `local` to `remote`.
    pub(crate) fn lookup<P: Protocol>(
        net: Net,
        local: Endpoint,
        remote: Endpoint,
        way: &Way<'_, P>,
    ) -> Option<Self> {
        let v6 = !remote.is_v4();
        // INVARIANT: The lookups give a reference.
        let dst = if v6 {
            Self::lookup6(net, local, remote, way)
        } else {
            Self::lookup4(net, local, remote, way)
        };
        dst.ok().map(|dst| Self {
            dst,
            v6,
            tos: 0,
            ttl: 0,
            listener: None,
            mark: way.mark,
            priority: 0,
            delay: way.delay,
            source_route: way.source_route.copied(),
        })
    }

    /// What goes along it has this traffic class, without ECN.
    pub(crate) fn with_tos(mut self, tos: u8) -> Self {
        self.tos = tos;
        self
    }

    /// What goes along it has the priority, traffic class, hop limit and extension headers that the user of
    /// `sk` wants. A socket of IPv4 has no routes of IPv6.
    pub(crate) fn for_sock<P: Protocol>(mut self, sk: &Sock<P>) -> Self {
        self.priority = sk.priority();
        if !self.v6 || sk.is_v6() {
            // SAFETY: Valid, and of IPv6 where that is asked for.
            unsafe {
                bindings::sk_ip_fields(sk.as_ptr(), self.v6, &mut self.tos, &mut self.ttl);
                if self.v6 && self.listener.is_none() && bindings::inet6_has_options(sk.as_ptr()) {
                    // INVARIANT: The reference is this value's.
                    bindings::sock_hold(sk.as_ptr());
                    self.listener = NonNull::new(sk.as_ptr());
                }
            }
        }
        self
    }

    fn lookup4<P: Protocol>(
        net: Net,
        local: Endpoint,
        remote: Endpoint,
        way: &Way<'_, P>,
    ) -> Result<NonNull<bindings::dst_entry>> {
        let sk = way
            .sk
            .map_or(core::ptr::null(), |sk| sk.as_ptr().cast_const());
        // SAFETY: The namespace is alive; the socket is valid, if there is one.
        to_result(unsafe {
            bindings::ip_route_control(
                net.as_ptr(),
                sk,
                addr_to_be(
                    way.source_route
                        .map_or(remote.addr, |by| by.first_hop().into()),
                ),
                addr_to_be(local.addr),
                remote.port.to_be(),
                local.port.to_be(),
                way.dev,
                way.mark,
            )
        })
    }

    fn lookup6<P: Protocol>(
        net: Net,
        local: Endpoint,
        remote: Endpoint,
        way: &Way<'_, P>,
    ) -> Result<NonNull<bindings::dst_entry>> {
        let oif = match (way.dev, remote.scope()) {
            (0, 0) => local.scope(),
            (0, scope) => scope,
            (oif, _) => oif,
        };
        let sk = way
            .sk
            .map_or(core::ptr::null(), |sk| sk.as_ptr().cast_const());
        // SAFETY: The addresses are valid; the namespace is alive, and the socket valid, if there is
        // one.
        to_result(unsafe {
            bindings::ip6_route_control(
                net.as_ptr(),
                sk,
                &to_in6(remote.addr),
                &to_in6(local.addr),
                remote.port.to_be(),
                local.port.to_be(),
                oif,
                way.mark,
            )
        })
    }

    /// What it takes.
    pub(crate) fn path(&self) -> Path {
        // SAFETY: Valid by the type invariants.
        let mtu = unsafe { bindings::dst_mtu(self.dst.as_ptr()) };
        Path {
            mss: mss_of(mtu, self.v6),
            options: 0,
            gso_max: 0,
            fresh: true,
        }
    }

    /// Sends a segment that no socket sends (SYN-ACK, RST, TIME-WAIT's ACK) along this route.
    /// Context: softirq or process.
    pub(crate) fn send(self, net: Net, local: Endpoint, remote: Endpoint, header: &[u8]) {
        let Some(skb) = SkBuff::<NoCb>::new(bindings::MAX_TCP_HEADER, Gfp::ATOMIC) else {
            return;
        };
        if self.delay != 0 {
            let at = super::clock::now_ns().saturating_add(u64::from(self.delay) * 1_000);
            // SAFETY: `skb` is ours.
            unsafe { bindings::skb_set_departure(skb.as_ptr(), at) };
        }
        if let Some(listener) = self.listener {
            let oif = match remote.scope() {
                0 => local.scope(),
                scope => scope,
            };
            // SAFETY: `skb` is ours with room for the headers; a reference to the listener, which is of
            // IPv6, is held. The packet passes to `ip6_xmit`.
            unsafe {
                finish(&skb, header, local, remote, 0, false);
                let bound = (*listener.as_ptr()).__sk_common.skc_bound_dev_if;
                bindings::inet6_xmit_for(
                    listener.as_ptr(),
                    skb.into_raw(),
                    &to_in6(remote.addr),
                    &to_in6(local.addr),
                    remote.port.to_be(),
                    local.port.to_be(),
                    if bound == 0 { oif } else { bound },
                    self.tos,
                );
            }
            return;
        }
        // SAFETY: `skb` is ours with room for the headers; the route's reference passes to it, and
        // the packet to `ip_local_out` or `ip6_local_out`.
        unsafe {
            finish(&skb, header, local, remote, 0, false);
            bindings::skb_label(skb.as_ptr(), self.mark, self.priority);
            let (tos, ttl, by) = (self.tos, self.ttl, self.source_route);
            let (dst, v6) = self.into_dst();
            let or = |route: c_int| match ttl {
                0 => u8::try_from(route).unwrap_or(64),
                ttl => ttl,
            };
            if v6 {
                bindings::skb_push_ip6(
                    net.as_ptr(),
                    skb.as_ptr(),
                    &to_in6(remote.addr),
                    &to_in6(local.addr),
                    remote.port.to_be(),
                    local.port.to_be(),
                    tos,
                    or(bindings::ip6_dst_hoplimit(dst)),
                );
                bindings::skb_dst_set(skb.as_ptr(), dst);
                bindings::ip6_local_out(net.as_ptr(), core::ptr::null_mut(), skb.into_raw());
                return;
            }
            let to = by.map_or(remote.addr, |by| by.first_hop().into());
            let (option, len) = match (by, remote.addr) {
                (Some(by), IpAddr::V4(remote)) => by.option_to(remote),
                _ => ([0; MAX_OPTIONS], 0),
            };
            bindings::skb_push_ip4(
                skb.as_ptr(),
                addr_to_be(local.addr),
                addr_to_be(to),
                tos,
                or(bindings::ip4_dst_hoplimit(dst)),
                option.as_ptr(),
                len as c_uint,
            );
            bindings::skb_dst_set(skb.as_ptr(), dst);
            bindings::ip_local_out(net.as_ptr(), core::ptr::null_mut(), skb.into_raw());
        }
    }

    /// The entry, which lives as long as the route.
    pub(super) fn as_dst(&self) -> *const bindings::dst_entry {
        self.dst.as_ptr()
    }

    /// The route's reference goes with the pointer.
    fn into_dst(self) -> (*mut bindings::dst_entry, bool) {
        let mut this = core::mem::ManuallyDrop::new(self);
        this.forget_listener();
        (this.dst.as_ptr(), this.v6)
    }
}

impl Route {
    fn forget_listener(&mut self) {
        if let Some(listener) = self.listener.take() {
            // SAFETY: We held a reference.
            unsafe { bindings::sock_put(listener.as_ptr()) };
        }
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        self.forget_listener();
        // SAFETY: We hold a reference.
        unsafe { bindings::dst_release(self.dst.as_ptr()) };
    }
}
