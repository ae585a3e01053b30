// SPDX-License-Identifier: GPL-2.0

//! AF_RUSTTCP: TCP in Rust, behind an address family of its own.
//!
//! Five layers, each using only those below it: [`socket`] (POSIX) and [`admin`] (what people look
//! at) over [`stack`] (tables, queues, timers) over [`net`] (safe abstractions over the kernel's
//! networking) and [`tcp`] (the protocol, pure). See Documentation/ for the whole.

mod admin;
mod net;
mod socket;
mod stack;
// The host's tests, and observers to come, use more of the core than the module does.
#[allow(dead_code)]
mod tcp;

use crate::net::{
    ingress::IngressRegistration,
    netns::PerNetRegistration,
    proto_ops::FamilyRegistration,
    reserve::ReserveQueue,
    sock::ProtoRegistration, //
};
use kernel::prelude::*;

module! {
    type: RustTcpModule,
    name: "rusttcp",
    authors: ["AF_RUSTTCP founders"],
    description: "TCP in Rust, as an address family",
    license: "GPL",
    alias: ["net-pf-19"],
    params: {
        family: u16 {
            default: 19,
            description: "Number of the address family (a retired one; default 19)",
        },
    },
}

/// What is registered, undone from top to bottom: no new sockets, no packets, then the rest.
struct RustTcpModule {
    _family: FamilyRegistration<stack::sock::RustTcp>,
    _ingress: IngressRegistration<stack::ingress::Hook>,
    _files: PerNetRegistration<admin::proc::Files>,
    _sysctls: PerNetRegistration<admin::sysctl::Dir>,
    _netns: PerNetRegistration<stack::netns::NetState>,
    _proto: ProtoRegistration<stack::sock::RustTcp>,
    _reserve: ReserveQueue,
}

impl kernel::Module for RustTcpModule {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let reserve = ReserveQueue::new()?;
        let proto = ProtoRegistration::new(c"RUSTTCP", module)?;
        let netns = PerNetRegistration::new()?;
        let files = PerNetRegistration::new()?;
        let sysctls = PerNetRegistration::new()?;
        let ingress = IngressRegistration::new()?;
        let family = FamilyRegistration::new(module_parameters::family.value(), module)?;
        Ok(Self {
            _family: family,
            _ingress: ingress,
            _files: files,
            _sysctls: sysctls,
            _netns: netns,
            _proto: proto,
            _reserve: reserve,
        })
    }
}
