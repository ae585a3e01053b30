// SPDX-License-Identifier: GPL-2.0

//! Safe abstractions over kernel networking: all `unsafe` code of the module is here (and in the
//! bindings, which nobody else sees).
//!
//! What C calls, it calls through the traits that this layer defines ([`sock::Protocol`],
//! [`proto_ops::StreamOps`], [`ingress::IngressHook`], [`hashtable::Entry`], [`netns::PerNet`],
//! [`proc::Listing`]); nothing above is named here.

#[path = "../bindings/mod.rs"]
mod bindings;

pub(crate) mod addr;
pub(crate) mod clock;
pub(crate) mod hashtable;
pub(crate) mod ingress;
pub(crate) mod inherit;
pub(crate) mod ip;
pub(crate) mod iter;
mod lifo;
pub(crate) mod lock;
pub(crate) mod netns;
pub(crate) mod percpu;
pub(crate) mod proc;
pub(crate) mod proto_ops;
pub(crate) mod reserve;
pub(crate) mod reuseport;
pub(crate) mod route;
pub(crate) mod segcb;
pub(crate) mod skbuff;
pub(crate) mod sock;
pub(crate) mod sockopt;
pub(crate) mod source_route;
pub(crate) mod sysctl;

// bindgen computes layouts by itself, and a construct that it does not know makes it wrong in
// silence (a named struct without declarator in `socket_lock_t` did, with lockdep only).
const _: () = {
    use core::mem::{
        offset_of,
        size_of, //
    };
    assert!(size_of::<bindings::sock>() == bindings::SIZEOF_SOCK);
    assert!(size_of::<bindings::inet_sock>() == bindings::SIZEOF_INET_SOCK);
    assert!(size_of::<bindings::ipv6_pinfo>() == bindings::SIZEOF_IPV6_PINFO);
    assert!(offset_of!(bindings::inet_sock, pinet6) == bindings::OFFSETOF_PINET6);
    assert!(
        offset_of!(bindings::sock, __sk_common) + offset_of!(bindings::sock_common, skc_v6_daddr)
            == bindings::OFFSETOF_SK_V6_DADDR
    );
    assert!(offset_of!(bindings::ipv6_pinfo, dst_cookie) == bindings::OFFSETOF_DST_COOKIE);
    assert!(size_of::<bindings::sk_buff>() == bindings::SIZEOF_SK_BUFF);
    assert!(size_of::<bindings::proto>() == bindings::SIZEOF_PROTO);
    assert!(size_of::<bindings::proto_ops>() == bindings::SIZEOF_PROTO_OPS);
    assert!(size_of::<bindings::net>() == bindings::SIZEOF_NET);
    assert!(offset_of!(bindings::sock, sk_protocol) == bindings::OFFSETOF_SK_PROTOCOL);
    assert!(offset_of!(bindings::sock, sk_destruct) == bindings::OFFSETOF_SK_DESTRUCT);
    assert!(offset_of!(bindings::sock, __bindgen_anon_3) == bindings::OFFSETOF_SK_TIMER);
    assert!(offset_of!(bindings::inet_sock, cork) == bindings::OFFSETOF_CORK);
    assert!(offset_of!(bindings::sk_buff, cb) == bindings::OFFSETOF_CB);
    assert!(
        offset_of!(bindings::net, ipv4) + offset_of!(bindings::netns_ipv4, sysctl_tcp_rmem)
            == bindings::OFFSETOF_TCP_RMEM
    );
};
