// SPDX-License-Identifier: GPL-2.0

//! The way out: routes, and packets through the IPv4 layer.
//!
//! C headers: [`include/net/ip.h`](srctree/include/net/ip.h),
//! [`include/net/route.h`](srctree/include/net/route.h)

use super::{
    addr::{
        addr_from_be,
        addr_to_be,
        Endpoint, //
    },
    bindings,
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
        Wire, //
    },
};
use core::{
    net::IpAddr,
    ptr::NonNull, //
};
use kernel::prelude::*;

const IPPROTO_TCP: u8 = 6;
/// Bytes of an IPv4 header without options.
const IP_HEADER: u32 = 20;
/// Bytes of a TCP header without options.
const TCP_HEADER: u32 = 20;

/// What a route takes.
#[derive(Clone, Copy)]
pub(crate) struct Path {
    /// Largest TCP payload in one packet, TCP options not subtracted.
    pub(crate) mss: u16,
    /// Most bytes in one buffer that the device (or software in front of it) cuts; 0: none.
    pub(crate) gso_max: u32,
}

fn mss_of(mtu: u32) -> u16 {
    u16::try_from(mtu.saturating_sub(IP_HEADER + TCP_HEADER))
        .unwrap_or(u16::MAX)
        .max(48)
}

fn to_result<T>(ptr: *mut T) -> Result<NonNull<T>> {
    // SAFETY: Only looks at the value of the pointer.
    if unsafe { bindings::is_err(ptr.cast()) } {
        return Err(Error::from_errno(ptr as isize as i32));
    }
    NonNull::new(ptr).ok_or(EHOSTUNREACH)
}

impl<P: Protocol> Locked<'_, P> {
    /// Finds a route to `remote` and the source address that goes with it. The route is kept by
    /// [`Self::set_route`] only. Context: process.
    pub(crate) fn route_source(&mut self, remote: Endpoint, source: IpAddr) -> Result<IpAddr> {
        let sk = self.sk();
        // SAFETY: The socket is locked; `fl` is the place in it that is meant for this.
        unsafe {
            let fl = &raw mut (*sk.inet()).cork.fl.u.ip4;
            let rt = to_result(bindings::ip_route_connect(
                fl,
                addr_to_be(remote.addr),
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
            Ok(addr_from_be((*fl).saddr))
        }
    }

    /// Looks the socket's route up with its final addresses and ports, and keeps it.
    pub(crate) fn set_route(&mut self) -> Result {
        let (sk, local, remote) = (self.sk(), self.sk().local(), self.sk().remote());
        // SAFETY: The socket is locked; `sk_setup_caps` takes over the route's reference.
        unsafe {
            let fl = &raw mut (*sk.inet()).cork.fl.u.ip4;
            let rt = to_result(bindings::ip_route_connect(
                fl,
                addr_to_be(remote.addr),
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

    /// What the socket's route takes; looks one up if there is none (any more).
    pub(crate) fn path(&mut self) -> Option<Path> {
        let sk = self.sk().as_ptr();
        // SAFETY: The socket is locked, so its cached route stays while we look at it.
        unsafe {
            let mut dst = bindings::__sk_dst_check(sk, 0);
            if dst.is_null() {
                self.set_route().ok()?;
                dst = bindings::__sk_dst_check(sk, 0);
            }
            if dst.is_null() {
                return None;
            }
            let gso_max = if bindings::sk_can_gso(sk) {
                (*sk).sk_gso_max_size
            } else {
                0
            };
            Some(Path {
                mss: mss_of(bindings::dst_mtu(dst)),
                gso_max,
            })
        }
    }
}

impl<P: Protocol> Wire<'_, P> {
    /// Sends a segment: a copy of `payload`'s descriptor (or nothing) behind `header`, whose
    /// checksum is completed on the way. `gso_size`: bytes a segment, 0 if it is just one.
    /// `departure`: when it shall leave if the queueing discipline minds, CLOCK_MONOTONIC, ns.
    /// `ecn`: the two bits of the IP header; the rest of that octet is IP_TOS. `ace`: CWR is not for
    /// the first segment only.
    /// Losing the packet for want of memory is as good as losing it on the way.
    pub(crate) fn transmit<C: ControlBlock>(
        &mut self,
        header: &[u8],
        payload: Option<&SkBuff<C>>,
        gso_size: u16,
        departure: u64,
        (ecn, ace): (u8, bool),
    ) {
        let headroom = bindings::MAX_TCP_HEADER;
        let skb = match payload {
            Some(payload) => payload.copy_for_transmit(headroom),
            None => SkBuff::new(headroom, Gfp::ATOMIC),
        };
        let Some(skb) = skb else {
            return;
        };
        let sk = self.sk();
        let (local, remote) = (sk.local(), sk.remote());
        // SAFETY: `skb` is ours with room for the headers in front of its data; the socket is
        // locked, and `__ip_queue_xmit` takes the packet over.
        unsafe {
            bindings::skb_finish_tcp4(
                skb.as_ptr(),
                header.as_ptr().cast(),
                header.len() as c_uint,
                addr_to_be(local.addr),
                addr_to_be(remote.addr),
                gso_size,
                ace,
            );
            bindings::skb_set_owner_w(skb.as_ptr(), sk.as_ptr());
            bindings::skb_set_departure(skb.as_ptr(), departure);
            let inet = sk.inet();
            let fl = &raw mut (*inet).cork.fl;
            let tos = ((*inet).tos & !3) | (ecn & 3);
            bindings::__ip_queue_xmit(sk.as_ptr(), skb.into_raw(), fl, tos);
        }
    }
}

/// A route.
///
/// # Invariants
///
/// Holds a reference to a valid `rtable`.
pub(crate) struct Route(NonNull<bindings::rtable>);

impl Route {
    /// The route from `local` to `remote`.
    pub(crate) fn lookup(net: Net, local: Endpoint, remote: Endpoint, oif: c_int) -> Option<Self> {
        let mut fl = bindings::flowi4::default();
        // SAFETY: `fl` is a valid place; the namespace is alive.
        unsafe {
            bindings::flowi4_init_output(
                &mut fl,
                oif,
                0,
                0,
                bindings::rt_scope_t_RT_SCOPE_UNIVERSE as u8,
                IPPROTO_TCP,
                0,
                addr_to_be(remote.addr),
                addr_to_be(local.addr),
                remote.port.to_be(),
                local.port.to_be(),
                bindings::kuid_t { val: 0 },
            );
            let rt = bindings::ip_route_output_flow(net.as_ptr(), &mut fl, core::ptr::null());
            // INVARIANT: The lookup gives a reference.
            to_result(rt).ok().map(Self)
        }
    }

    /// What it takes.
    pub(crate) fn path(&self) -> Path {
        // SAFETY: Valid by the type invariants.
        let mtu = unsafe { bindings::dst_mtu(&raw const (*self.0.as_ptr()).dst) };
        Path {
            mss: mss_of(mtu),
            gso_max: 0,
        }
    }

    /// Sends a segment that no socket sends (SYN-ACK, RST, TIME-WAIT's ACK) along this route.
    /// Context: softirq or process.
    pub(crate) fn send(self, net: Net, local: Endpoint, remote: Endpoint, header: &[u8]) {
        let Some(skb) = SkBuff::<NoCb>::new(bindings::MAX_TCP_HEADER, Gfp::ATOMIC) else {
            return;
        };
        // SAFETY: `skb` is ours with room for the headers; the route's reference passes to it, and
        // the packet to `ip_local_out`.
        unsafe {
            bindings::skb_finish_tcp4(
                skb.as_ptr(),
                header.as_ptr().cast(),
                header.len() as c_uint,
                addr_to_be(local.addr),
                addr_to_be(remote.addr),
                0,
                false,
            );
            let dst = self.into_dst();
            let ttl = bindings::ip4_dst_hoplimit(dst);
            bindings::skb_push_ip4(
                skb.as_ptr(),
                addr_to_be(local.addr),
                addr_to_be(remote.addr),
                0,
                u8::try_from(ttl).unwrap_or(64),
            );
            bindings::skb_dst_set(skb.as_ptr(), dst);
            bindings::ip_local_out(net.as_ptr(), core::ptr::null_mut(), skb.into_raw());
        }
    }

    fn into_dst(self) -> *mut bindings::dst_entry {
        let this = core::mem::ManuallyDrop::new(self);
        // SAFETY: Valid by the type invariants; the reference goes with the pointer.
        unsafe { &raw mut (*this.0.as_ptr()).dst }
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        // SAFETY: We hold a reference.
        unsafe { bindings::ip_rt_put(self.0.as_ptr()) };
    }
}
