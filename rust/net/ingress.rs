// SPDX-License-Identifier: GPL-2.0

//! The way in: a handler in front of TCP's in `inet_protos[]`.
//!
//! Firewall, conntrack, defragmentation and GRO have done their work when a segment gets here, and
//! what is not ours goes on to the handler that was there before, untouched.
//!
//! C header: [`include/net/protocol.h`](srctree/include/net/protocol.h)

use super::{
    addr::{
        addr_from_be,
        addr_to_be,
        Endpoint, //
    },
    bindings,
    hashtable::ReadSide,
    netns::Net,
    skbuff::SkBuff, //
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
}

/// What the hook made of a packet.
pub(crate) enum Verdict {
    /// It was ours.
    Taken,
    /// It is for the kernel's TCP.
    Pass(SkBuff),
}

/// An ICMP error about a segment that we may have sent.
pub(crate) struct IcmpReport {
    /// The namespace.
    pub(crate) net: Net,
    /// Our side of the segment that it is about.
    pub(crate) local: Endpoint,
    /// The other side.
    pub(crate) remote: Endpoint,
    /// The segment's sequence number.
    pub(crate) seq: u32,
    /// ICMP type and code.
    pub(crate) kind: (u8, u8),
    /// The next hop's MTU, for "fragmentation needed".
    pub(crate) mtu: u32,
    /// The ICMP packet, its data at the IP header of the segment: valid as long as the report.
    skb: *mut bindings::sk_buff,
}

impl IcmpReport {
    /// Lets the routing table know of the MTU, so that every route to the peer has it.
    pub(crate) fn update_pmtu(&self) {
        // SAFETY: The packet is the error handler's for as long as the report lives, with the
        // embedded IP header linear; the namespace is alive.
        unsafe {
            bindings::ipv4_update_pmtu(self.skb, self.net.as_ptr(), self.mtu, 0, TCP as u8);
        }
    }
}

/// Who takes segments.
pub(crate) trait IngressHook: 'static {
    /// A packet of protocol 6 for this host arrived; its data starts at the TCP header.
    /// Context: softirq, RCU read side.
    fn receive(context: &RxContext, flow: &Flow, skb: SkBuff) -> Verdict;
    /// An ICMP error arrived; `false` if it is not about a connection of ours.
    fn icmp(context: &RxContext, report: &IcmpReport) -> bool;
}

struct StaticProtocol(UnsafeCell<Option<bindings::net_protocol>>);
// SAFETY: Written by the (only) registration before it is published.
unsafe impl Sync for StaticProtocol {}
static OURS: StaticProtocol = StaticProtocol(UnsafeCell::new(None));

struct Previous(UnsafeCell<*const bindings::net_protocol>);
// SAFETY: As above.
unsafe impl Sync for Previous {}
static PREVIOUS: Previous = Previous(UnsafeCell::new(core::ptr::null()));

/// The handler's registration.
///
/// # Invariants
///
/// `inet_protos[IPPROTO_TCP]` is `OURS`, and `PREVIOUS` is what was there before.
pub(crate) struct IngressRegistration<H: IngressHook>(PhantomData<H>);

const TCP: c_int = bindings::IPPROTO_TCP as c_int;

impl<H: IngressHook> IngressRegistration<H> {
    /// Puts `H` in front of the kernel's TCP.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: The module registers once. Our entry takes the flags (no policy, ...) of the one
        // that it stands in for. `PREVIOUS` is written before the entry can be called.
        unsafe {
            let slot = (&raw mut bindings::inet_protos).cast::<*mut bindings::net_protocol>();
            let previous = slot.add(TCP as usize).read_volatile();
            let Some(old) = previous.as_ref() else {
                return Err(ENOENT);
            };
            let mut entry: bindings::net_protocol = core::ptr::read(old);
            entry.handler = Some(Self::handler);
            entry.err_handler = Some(Self::err_handler);
            *OURS.0.get() = Some(entry);
            *PREVIOUS.0.get() = previous;
            let Some(ours) = (*OURS.0.get()).as_ref() else {
                return Err(EINVAL);
            };
            bindings::inet_protos_swap(TCP, ours);
        }
        // INVARIANT: Just done.
        Ok(Self(PhantomData))
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn handler(raw: *mut bindings::sk_buff) -> c_int {
        let Some(skb) = NonNull::new(raw) else {
            return 0;
        };
        // SAFETY: The IP layer hands a valid packet over, of type "for this host" or not, with
        // the IP header in place. Its control block is IP's own and the old handler reads it, so
        // ours is written only to packets that are taken: `from_raw` of `NoCb` writes no byte.
        unsafe {
            let for_host = bindings::skb_is_for_host(raw);
            let iph = bindings::ip_hdr(raw);
            let net = Net::from_raw(bindings::dev_net(bindings::skb_dev(raw)));
            if let (true, Some(net)) = (for_host, net) {
                let addrs = (*iph).__bindgen_anon_1.addrs;
                let flow = Flow {
                    net,
                    local: addr_from_be(addrs.daddr),
                    remote: addr_from_be(addrs.saddr),
                    iif: bindings::skb_iif(raw),
                };
                let context = RxContext(PhantomData);
                match H::receive(&context, &flow, SkBuff::from_raw(skb)) {
                    Verdict::Taken => return 0,
                    Verdict::Pass(skb) => {
                        let _ = skb.into_raw();
                    }
                }
            }
            let previous = *PREVIOUS.0.get();
            match (*previous).handler {
                Some(handler) => handler(raw),
                None => 0,
            }
        }
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn err_handler(skb: *mut bindings::sk_buff, info: u32) -> c_int {
        // SAFETY: The ICMP layer made sure that the embedded IP header and eight bytes behind it
        // are linear; the transport header is ICMP's.
        unsafe {
            let iph = (*skb).data.cast::<bindings::iphdr>();
            let ports = (*skb).data.add(usize::from((*iph).ihl()) << 2);
            let word = |at: usize| {
                u32::from_be_bytes([
                    *ports.add(at),
                    *ports.add(at + 1),
                    *ports.add(at + 2),
                    *ports.add(at + 3),
                ])
            };
            let icmp = bindings::icmp_hdr(skb);
            if let Some(net) = Net::from_raw(bindings::dev_net(bindings::skb_dev(skb))) {
                let addrs = (*iph).__bindgen_anon_1.addrs;
                let report = IcmpReport {
                    net,
                    local: Endpoint::new(addr_from_be(addrs.saddr), (word(0) >> 16) as u16, 0),
                    remote: Endpoint::new(addr_from_be(addrs.daddr), word(0) as u16, 0),
                    seq: word(4),
                    kind: ((*icmp).type_, (*icmp).code),
                    mtu: info,
                    skb,
                };
                if H::icmp(&RxContext(PhantomData), &report) {
                    return 0;
                }
            }
            match (*(*PREVIOUS.0.get())).err_handler {
                Some(handler) => handler(skb, info),
                None => 0,
            }
        }
    }
}

impl<H: IngressHook> Drop for IngressRegistration<H> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the entry is ours to put back. Afterwards nobody runs our
        // handler any more.
        unsafe {
            bindings::inet_protos_swap(TCP, *PREVIOUS.0.get());
            bindings::synchronize_net();
        }
    }
}

/// Whether the checksum of a segment that came in by `flow` is right (checked by the device, or
/// now). The packet's data starts at the TCP header.
pub(crate) fn checksum_ok(skb: &mut SkBuff) -> bool {
    // SAFETY: A valid packet with its IP header in place, as the IP layer handed it over.
    unsafe { bindings::tcp4_checksum_ok(skb.as_ptr()) }
}

/// Whether the kernel's own TCP has a connection with these endpoints, one in TIME-WAIT aside.
pub(crate) fn kernel_has(flow: &Flow, local_port: u16, remote_port: u16) -> bool {
    // SAFETY: The namespace is alive, and we are in an RCU read-side section.
    unsafe {
        bindings::inet_established(
            flow.net.as_ptr(),
            addr_to_be(flow.remote),
            remote_port.to_be(),
            addr_to_be(flow.local),
            local_port.to_be(),
            flow.iif,
            0,
        )
    }
}

/// Whether the kernel's own TCP listens for this segment, whose data starts at the TCP header.
pub(crate) fn kernel_listens(flow: &Flow, skb: &SkBuff, local_port: u16, remote_port: u16) -> bool {
    // SAFETY: The namespace is alive, the packet's TCP header is in place, and we are in an RCU
    // read-side section, which the listener that is found needs (it is not kept).
    unsafe {
        bindings::inet_listens(
            flow.net.as_ptr(),
            skb.as_ptr(),
            addr_to_be(flow.remote),
            remote_port.to_be(),
            addr_to_be(flow.local),
            local_port.to_be(),
            flow.iif,
        )
    }
}
