// SPDX-License-Identifier: GPL-2.0

//! The way in: handlers in front of TCP's in `inet_protos[]` and `inet6_protos[]`.
//!
//! Firewall, conntrack, defragmentation and GRO have done their work when a segment gets here, and
//! what is not ours goes on to the handler that was there before, untouched.
//!
//! C header: [`include/net/protocol.h`](srctree/include/net/protocol.h)

use super::{
    addr::{
        addr_from_be,
        addr_to_be,
        from_in6,
        to_in6,
        Endpoint, //
    },
    bindings,
    hashtable::ReadSide,
    netns::Net,
    skbuff::SkBuff,
    sock::{
        Locked,
        Protocol,
        Sock, //
    },
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    net::IpAddr,
    ptr::NonNull, //
};
use kernel::prelude::*;

/// Inside the network stack's receive path, which is an RCU read-side section.
pub(crate) struct RxContext(PhantomData<*mut ()>);
impl ReadSide for RxContext {}

/// Where a packet came from and goes to.
#[derive(Clone, Copy)]
pub(crate) struct Flow {
    /// The namespace.
    pub(crate) net: Net,
    /// The receiver: the packet's destination. The port is still to be read.
    pub(crate) local: IpAddr,
    /// The sender.
    pub(crate) remote: IpAddr,
    /// The interface it came in by.
    pub(crate) iif: c_int,
    /// The interface that sockets that are bound to one are matched by: of what this host sent to itself
    /// the one that was asked for.
    pub(crate) dif: c_int,
    /// If it came by a routing domain's (VRF), the one that it really came by; else 0.
    pub(crate) sdif: c_int,
}

/// What the hook made of a packet.
pub(crate) enum Verdict {
    /// It was ours.
    Taken,
    /// It is for the kernel's TCP.
    Pass(SkBuff),
}

/// An ICMP error about a segment that we may have sent.
pub(crate) struct IcmpReport<'a> {
    /// The namespace.
    pub(crate) net: Net,
    /// Our side of the segment that it is about.
    pub(crate) local: Endpoint,
    /// The other side.
    pub(crate) remote: Endpoint,
    /// The segment's sequence number.
    pub(crate) seq: u32,
    /// What sockets that are bound to an interface are matched by; see [`Flow`].
    pub(crate) dif: c_int,
    /// The same.
    pub(crate) sdif: c_int,
    /// What it says.
    pub(crate) kind: IcmpKind,
    /// Whether a half-open connection ends by it.
    pub(crate) ends_opening: bool,
    /// What it said it with.
    packet: IcmpPacket<'a>,
}

/// An ICMP packet.
///
/// # Invariants
///
/// `skb` is a packet as ICMP hands it to a protocol's error handler, of IPv6 if `v6`, and `tcp` the place
/// in it where the header of the segment that it is about begins; both valid for `'a`.
struct IcmpPacket<'a> {
    skb: *mut bindings::sk_buff,
    tcp: *mut u8,
    /// The number that came with it, in host order.
    info: u32,
    v6: bool,
    _skb: PhantomData<&'a ()>,
}

impl IcmpReport<'_> {
    /// Whether it comes from further away than the user of `sk` allows (IP_MINTTL, IPV6_MINHOPCOUNT).
    pub(crate) fn is_from_too_far<P: Protocol>(&self, sk: &Sock<P>) -> bool {
        let IcmpPacket { skb, v6, .. } = self.packet;
        if v6 && !sk.is_v6() {
            return false;
        }
        // SAFETY: By the type invariants; the socket is valid, and of IPv6 where that is asked for.
        unsafe { bindings::sk_refuses_icmp(sk.as_ptr(), skb, v6) }
    }

    /// Whether the user of `sk` is told of errors of this family at once: IP_RECVERR or IPV6_RECVERR.
    pub(crate) fn is_asked_for<P: Protocol>(&self, sk: &Sock<P>) -> bool {
        let v6 = self.packet.v6;
        // SAFETY: Valid; of IPv6 where that is asked for.
        unsafe {
            if v6 {
                sk.is_v6() && bindings::inet6_recverr(sk.as_ptr())
            } else {
                bindings::inet_recverr(sk.as_ptr())
            }
        }
    }

    /// Queues it for the user of `sk` (IP_RECVERR), who is told `error`.
    pub(crate) fn queue<P: Protocol>(&self, sk: &mut Locked<'_, P>, error: Error) {
        let IcmpPacket {
            skb, tcp, info, v6, ..
        } = self.packet;
        if v6 && !sk.sk().is_v6() {
            return;
        }
        // SAFETY: By the type invariants; the socket is valid, and of IPv6 where that is asked for.
        unsafe {
            bindings::sk_queue_icmp(sk.sk().as_ptr(), skb, v6, -error.to_errno(), info, tcp);
        }
    }

    /// Lets the route of `sk` follow a redirect.
    pub(crate) fn redirect<P: Protocol>(&self, sk: &mut Locked<'_, P>) {
        let cookie = if self.packet.v6 {
            sk.sk().dst_cookie()
        } else {
            0
        };
        // SAFETY: By the type invariants; the socket is locked.
        unsafe { bindings::sk_redirect(sk.sk().as_ptr(), self.packet.skb, cookie) };
    }
}

/// What an ICMP error says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum IcmpKind {
    /// The packet was too big for a link with this MTU, in bytes with the IP header.
    TooBig(u32),
    /// No route to the network.
    Net,
    /// The host can't be reached.
    Host,
    /// The host has no such port.
    Refused,
    /// Somebody on the way does not allow it.
    Prohibited,
    /// The host has no such protocol.
    NoProtocol,
    /// Somebody could make nothing of the header.
    BadHeader,
    /// There is a better way.
    Redirect,
    /// Something that is not about reachability.
    Other,
}

/// ICMP types and codes (RFC 792, RFC 1122, RFC 1191). What is prohibited is unreachable, as Linux
/// has it for IPv4.
fn icmp4_kind(kind: u8, code: u8, mtu: u32) -> IcmpKind {
    const UNREACHABLE: u8 = 3;
    const TIME_EXCEEDED: u8 = 11;
    const PARAMETER_PROBLEM: u8 = 12;
    const REDIRECT: u8 = 5;
    match (kind, code) {
        (REDIRECT, _) => IcmpKind::Redirect,
        (UNREACHABLE, 0 | 6 | 9 | 11) => IcmpKind::Net,
        (UNREACHABLE, 2) => IcmpKind::NoProtocol,
        (UNREACHABLE, 3) => IcmpKind::Refused,
        (UNREACHABLE, 4) => IcmpKind::TooBig(mtu),
        (UNREACHABLE | TIME_EXCEEDED, _) => IcmpKind::Host,
        (PARAMETER_PROBLEM, _) => IcmpKind::BadHeader,
        _ => IcmpKind::Other,
    }
}

/// ICMPv6 types and codes (RFC 4443, section 3; RFC 4861, 4.5).
fn icmp6_kind(kind: u8, code: u8, mtu: u32) -> IcmpKind {
    const UNREACHABLE: u8 = 1;
    const PACKET_TOO_BIG: u8 = 2;
    const TIME_EXCEEDED: u8 = 3;
    const PARAMETER_PROBLEM: u8 = 4;
    /// RFC 8200, section 5: no link has less.
    const MIN_MTU: u32 = 1280;
    const REDIRECT: u8 = 137;
    match (kind, code) {
        (REDIRECT, _) => IcmpKind::Redirect,
        (UNREACHABLE, 0) => IcmpKind::Net,
        (UNREACHABLE, 4) => IcmpKind::Refused,
        // Source address failed policy, and route rejected, are the same with another reason.
        (UNREACHABLE, 1 | 5 | 6) => IcmpKind::Prohibited,
        (PARAMETER_PROBLEM, _) => IcmpKind::BadHeader,
        (UNREACHABLE, _) | (TIME_EXCEEDED, _) => IcmpKind::Host,
        // RFC 8201, section 4: not to be believed.
        (PACKET_TOO_BIG, _) if mtu >= MIN_MTU => IcmpKind::TooBig(mtu),
        _ => IcmpKind::Other,
    }
}

/// Whether a half-open connection ends by ICMP's message, as with the kernel's TCP: not by what a router
/// may say for a while, over IPv6, and over IPv4 by nothing else.
fn icmp4_ends_opening(kind: u8, code: u8) -> bool {
    matches!((kind, code), (3, 0 | 1) | (11 | 12, _))
}

/// The same for ICMPv6.
fn icmp6_ends_opening(kind: u8, code: u8) -> bool {
    matches!((kind, code), (1, 1 | 4..) | (4, _))
}

/// Whether IPsec's inbound policy lets a packet through to `sk`, or to nobody in particular. Its
/// data starts at the TCP header. Without CONFIG_XFRM everything passes. Context: softirq.
pub(crate) fn policy_allows<P: Protocol>(sk: Option<&Sock<P>>, skb: &mut SkBuff) -> bool {
    let sk = sk.map_or(core::ptr::null_mut(), Sock::as_ptr);
    // SAFETY: A packet of ours with its IP header in place; the socket, if there is one, is valid.
    unsafe { bindings::xfrm_policy_allows(sk, skb.as_ptr()) }
}

/// Who takes segments.
pub(crate) trait IngressHook: 'static {
    /// A packet of protocol 6 for this host arrived; its data starts at the TCP header.
    /// Context: softirq, RCU read side.
    fn receive(context: &RxContext, flow: &Flow, skb: SkBuff) -> Verdict;
    /// An ICMP error arrived; `false` if it is not about a connection of ours.
    fn icmp(context: &RxContext, report: &IcmpReport<'_>) -> bool;
}

/// The addresses of a packet of IPv6. None of ours has a v4-mapped one: it would name a connection
/// over IPv4.
fn on_wire6(local: &bindings::in6_addr, remote: &bindings::in6_addr) -> Option<(IpAddr, IpAddr)> {
    let (local, remote) = (from_in6(local), from_in6(remote));
    (local.is_ipv6() && remote.is_ipv6()).then_some((local, remote))
}

/// An entry of a table of protocols: ours, and what was there before.
struct Slot<E>(UnsafeCell<(Option<E>, *const E)>);
// SAFETY: Written by the (only) registration before it is published.
unsafe impl<E> Sync for Slot<E> {}

impl<E> Slot<E> {
    const fn new() -> Self {
        Self(UnsafeCell::new((None, core::ptr::null())))
    }

    /// What was there before.
    ///
    /// # Safety
    ///
    /// Our entry must be published.
    unsafe fn previous(&self) -> &E {
        // SAFETY: Written before ours was published; entries of the kernel's TCP stay for good.
        unsafe { &*(*self.0.get()).1 }
    }
}

static V4: Slot<bindings::net_protocol> = Slot::new();
static V6: Slot<bindings::inet6_protocol> = Slot::new();

/// The handlers' registration.
///
/// # Invariants
///
/// `inet_protos[IPPROTO_TCP]` is `V4`'s entry, and `inet6_protos[IPPROTO_TCP]` `V6`'s unless there
/// was none before.
pub(crate) struct IngressRegistration<H: IngressHook>(PhantomData<H>);

const TCP: c_int = bindings::IPPROTO_TCP as c_int;

impl<H: IngressHook> IngressRegistration<H> {
    /// Puts `H` in front of the kernel's TCP, over IPv4 and IPv6.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: The module registers once. Our entries take the flags (no policy, ...) of those
        // that they stand in for. What was there before is written before ours can be called.
        unsafe {
            let table = (&raw mut bindings::inet_protos).cast::<*mut bindings::net_protocol>();
            let previous = table.add(TCP as usize).read_volatile();
            let Some(old) = previous.as_ref() else {
                return Err(ENOENT);
            };
            let mut entry: bindings::net_protocol = core::ptr::read(old);
            entry.handler = Some(Self::handler);
            entry.err_handler = Some(Self::err_handler);
            *V4.0.get() = (Some(entry), previous);
            if let Some(ours) = (*V4.0.get()).0.as_ref() {
                bindings::inet_protos_swap(TCP, ours);
            }

            let table = (&raw mut bindings::inet6_protos).cast::<*mut bindings::inet6_protocol>();
            let previous = table.add(TCP as usize).read_volatile();
            // Null where IPv6 was switched off at boot.
            if let Some(old) = previous.as_ref() {
                let mut entry: bindings::inet6_protocol = core::ptr::read(old);
                entry.handler = Some(Self::handler6);
                entry.err_handler = Some(Self::err_handler6);
                *V6.0.get() = (Some(entry), previous);
                if let Some(ours) = (*V6.0.get()).0.as_ref() {
                    bindings::inet6_protos_swap(TCP, ours);
                }
            }
        }
        // INVARIANT: Just done.
        Ok(Self(PhantomData))
    }

    /// Hands a packet to the hook: `true` if it took it, otherwise it is as it was.
    ///
    /// # Safety
    ///
    /// `raw` must be a packet that the IP layer hands over, with its IP header in place, which
    /// `ends` tells destination, source and interface of.
    unsafe fn receive(
        raw: *mut bindings::sk_buff,
        ends: impl FnOnce() -> Option<(IpAddr, IpAddr, c_int, c_int)>,
    ) -> bool {
        let Some(skb) = NonNull::new(raw) else {
            return true;
        };
        // SAFETY: A valid packet, by the caller's promise, of type "for this host" or not. Its
        // control block is IP's own and the old handler reads it, so ours is written only to
        // packets that are taken: `from_raw` of `NoCb` writes no byte.
        unsafe {
            let for_host = bindings::skb_is_for_host(raw);
            let net = Net::from_raw(bindings::dev_net(bindings::skb_dev(raw)));
            if let (true, Some(net)) = (for_host, net) {
                let Some((local, remote, iif, dif)) = ends() else {
                    return false;
                };
                let flow = Flow {
                    net,
                    local,
                    remote,
                    iif,
                    dif,
                    sdif: bindings::skb_sdif(raw),
                };
                let context = RxContext(PhantomData);
                match H::receive(&context, &flow, SkBuff::from_raw(skb)) {
                    Verdict::Taken => return true,
                    Verdict::Pass(skb) => {
                        let _ = skb.into_raw();
                    }
                }
            }
        }
        false
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn handler(raw: *mut bindings::sk_buff) -> c_int {
        // SAFETY: The IP layer hands a valid packet over.
        unsafe {
            let taken = Self::receive(raw, || {
                let addrs = (*bindings::ip_hdr(raw)).__bindgen_anon_1.addrs;
                Some((
                    addr_from_be(addrs.daddr),
                    addr_from_be(addrs.saddr),
                    bindings::skb_iif(raw),
                    bindings::skb_dif(raw),
                ))
            });
            match V4.previous().handler {
                Some(handler) if !taken => handler(raw),
                _ => 0,
            }
        }
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn handler6(raw: *mut bindings::sk_buff) -> c_int {
        // SAFETY: The IPv6 layer hands a valid packet over, behind all extension headers.
        unsafe {
            let taken = Self::receive(raw, || {
                let addrs = &(*bindings::ipv6_hdr(raw)).__bindgen_anon_1.addrs;
                let (local, remote) = on_wire6(&addrs.daddr, &addrs.saddr)?;
                let iif = bindings::inet6_iif(raw);
                Some((local, remote, iif, iif))
            });
            match V6.previous().handler {
                Some(handler) if !taken => handler(raw),
                _ => 0,
            }
        }
    }

    /// Tells the hook of an ICMP error about the segment whose TCP header begins at `packet.tcp`.
    ///
    /// # Safety
    ///
    /// The packet must have a device, and eight bytes of that header.
    unsafe fn error(
        packet: IcmpPacket<'_>,
        (local, remote, dev): (IpAddr, IpAddr, c_int),
        (kind, ends_opening): (IcmpKind, bool),
    ) -> bool {
        let (skb, tcp) = (packet.skb, packet.tcp);
        // SAFETY: By the caller's promise; ICMP's control block is IP's. As for the kernel's TCP what comes
        // by a routing domain counts as any over IPv4.
        let (net, [a, b, c, d, e, f, g, h], (dif, sdif)) = unsafe {
            (
                Net::from_raw(bindings::dev_net(bindings::skb_dev(skb))),
                tcp.cast::<[u8; 8]>().read(),
                if packet.v6 {
                    (dev, bindings::skb_sdif(skb))
                } else {
                    (bindings::skb_dif(skb), 0)
                },
            )
        };
        let Some(net) = net else {
            return false;
        };
        let report = IcmpReport {
            net,
            local: Endpoint::new(local, u16::from_be_bytes([a, b]), dev),
            remote: Endpoint::new(remote, u16::from_be_bytes([c, d]), dev),
            seq: u32::from_be_bytes([e, f, g, h]),
            dif,
            sdif,
            kind,
            ends_opening,
            packet,
        };
        H::icmp(&RxContext(PhantomData), &report)
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn err_handler(skb: *mut bindings::sk_buff, info: u32) -> c_int {
        // SAFETY: The ICMP layer made sure that the embedded IP header and eight bytes behind it
        // are linear; the transport header is ICMP's.
        unsafe {
            let iph = (*skb).data.cast::<bindings::iphdr>();
            let tcp = (*skb).data.add(usize::from((*iph).ihl()) << 2);
            let icmp = bindings::icmp_hdr(skb);
            let addrs = (*iph).__bindgen_anon_1.addrs;
            let ends = (addr_from_be(addrs.saddr), addr_from_be(addrs.daddr), 0);
            let (kind, code) = ((*icmp).type_, (*icmp).code);
            let says = (icmp4_kind(kind, code, info), icmp4_ends_opening(kind, code));
            // INVARIANT: As IPv4's ICMP hands it over.
            let packet = IcmpPacket {
                skb,
                tcp,
                info,
                v6: false,
                _skb: PhantomData,
            };
            if Self::error(packet, ends, says) {
                return 0;
            }
            match V4.previous().err_handler {
                Some(handler) => handler(skb, info),
                None => 0,
            }
        }
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn err_handler6(
        skb: *mut bindings::sk_buff,
        opt: *mut bindings::inet6_skb_parm,
        kind: u8,
        code: u8,
        offset: c_int,
        info: u32,
    ) -> c_int {
        // SAFETY: The ICMPv6 layer made sure that the embedded IPv6 header, its extension headers
        // and eight bytes from `offset` on, where TCP's begins, are linear.
        unsafe {
            let hdr = (*skb).data.cast::<bindings::ipv6hdr>();
            let tcp = (*skb).data.offset(offset as isize);
            let addrs = &(*hdr).__bindgen_anon_1.addrs;
            if let Some((local, remote)) = on_wire6(&addrs.saddr, &addrs.daddr) {
                let ends = (local, remote, (*bindings::skb_dev(skb)).ifindex);
                let ends_opening = icmp6_ends_opening(kind, code);
                let says = (icmp6_kind(kind, code, u32::from_be(info)), ends_opening);
                // INVARIANT: As ICMPv6 hands it over.
                let packet = IcmpPacket {
                    skb,
                    tcp,
                    info: u32::from_be(info),
                    v6: true,
                    _skb: PhantomData,
                };
                if Self::error(packet, ends, says) {
                    return 0;
                }
            }
            match V6.previous().err_handler {
                Some(handler) => handler(skb, opt, kind, code, offset, info),
                None => 0,
            }
        }
    }
}

impl<H: IngressHook> Drop for IngressRegistration<H> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the entries are ours to put back. Afterwards nobody runs
        // our handlers any more.
        unsafe {
            bindings::inet_protos_swap(TCP, (*V4.0.get()).1);
            if (*V6.0.get()).0.is_some() {
                bindings::inet6_protos_swap(TCP, (*V6.0.get()).1);
            }
            bindings::synchronize_net();
        }
    }
}

/// Whether the checksum of a segment that came in by `flow` is right (checked by the device, or
/// now). The packet's data starts at the TCP header.
pub(crate) fn checksum_ok(flow: &Flow, skb: &mut SkBuff) -> bool {
    // SAFETY: A valid packet with its IP header in place, as the IP layer handed it over.
    unsafe {
        if flow.local.is_ipv4() {
            bindings::tcp4_checksum_ok(skb.as_ptr())
        } else {
            bindings::tcp6_checksum_ok(skb.as_ptr())
        }
    }
}

/// Whether the kernel's own TCP has a connection with these endpoints, one in TIME-WAIT aside.
pub(crate) fn kernel_has(flow: &Flow, local_port: u16, remote_port: u16) -> bool {
    // SAFETY: The namespace is alive, and we are in an RCU read-side section.
    unsafe {
        if !flow.local.is_ipv4() {
            return bindings::inet6_established(
                flow.net.as_ptr(),
                &to_in6(flow.remote),
                remote_port.to_be(),
                &to_in6(flow.local),
                local_port.to_be(),
                flow.dif,
            );
        }
        bindings::inet_established(
            flow.net.as_ptr(),
            addr_to_be(flow.remote),
            remote_port.to_be(),
            addr_to_be(flow.local),
            local_port.to_be(),
            flow.dif,
            0,
        )
    }
}

/// Whether the kernel's own TCP listens for this segment, whose data starts at the TCP header.
pub(crate) fn kernel_listens(flow: &Flow, skb: &SkBuff, local_port: u16, remote_port: u16) -> bool {
    // SAFETY: The namespace is alive, the packet's TCP header is in place, and we are in an RCU
    // read-side section, which the listener that is found needs (it is not kept).
    unsafe {
        if !flow.local.is_ipv4() {
            return bindings::inet6_listens(
                flow.net.as_ptr(),
                skb.as_ptr(),
                &to_in6(flow.remote),
                remote_port.to_be(),
                &to_in6(flow.local),
                local_port.to_be(),
                flow.dif,
            );
        }
        bindings::inet_listens(
            flow.net.as_ptr(),
            skb.as_ptr(),
            addr_to_be(flow.remote),
            remote_port.to_be(),
            addr_to_be(flow.local),
            local_port.to_be(),
            flow.dif,
        )
    }
}
