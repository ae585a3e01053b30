// SPDX-License-Identifier: GPL-2.0

//! What a connection takes over from its SYN, where the namespace or the listener say so: the
//! traffic class (`tcp_reflect_tos`), the mark (`tcp_fwmark_accept`) and the routing domain
//! (`tcp_l3mdev_accept`).

use super::{
    netns::syn_policy,
    sock::{
        LockedTcp,
        RustTcp,
        TcpSock, //
    },
};
use crate::net::{
    ingress::Flow,
    inherit::{
        domain_of,
        Way, //
    },
    ip::Route,
    skbuff::SkBuff,
    source_route::SourceRoute, //
};

/// What a connection has of its SYN, or else of its listener.
#[derive(Clone, Copy)]
pub(crate) struct Inherited {
    /// The traffic class; `None`: the listener's.
    tos: Option<u8>,
    mark: u32,
    dev: i32,
}

impl Inherited {
    /// Of a SYN for `listener`, or of what a SYN cookie came back with. Context: softirq.
    pub(crate) fn of(listener: &TcpSock, flow: &Flow, skb: &SkBuff) -> Self {
        let policy = syn_policy(flow.net);
        Self {
            tos: policy.reflect_tos.then(|| skb.ip_tos() & !3),
            mark: match listener.mark() {
                0 if policy.fwmark_accept => skb.mark(),
                own => own,
            },
            dev: match listener.bound_dev_if() {
                0 if policy.l3mdev_accept => domain_of(flow.net, flow.iif),
                own => own,
            },
        }
    }

    /// The interface that it is bound to; 0: none.
    pub(crate) fn dev(&self) -> i32 {
        self.dev
    }

    /// The way of what the listener answers, with the traffic class that it has.
    pub(crate) fn dress(&self, route: Route, listener: &TcpSock) -> Route {
        let route = route.for_sock(listener);
        match self.tos {
            Some(tos) => route.with_tos(tos),
            None => route,
        }
    }

    /// How the listener's answers go.
    pub(crate) fn way<'a>(
        &self,
        listener: &'a TcpSock,
        source_route: Option<&'a SourceRoute>,
    ) -> Way<'a, RustTcp> {
        Way {
            sk: Some(listener),
            dev: self.dev,
            mark: self.mark,
            delay: listener.shared().accept.lock().config.tx_delay,
            source_route,
        }
    }

    /// A listener's child has it from now on. Its peer is set already.
    pub(crate) fn give(&self, child: &mut LockedTcp<'_>) {
        child.set_mark(self.mark);
        child.set_bound_dev_if(self.dev);
        if let Some(tos) = self.tos {
            child.set_tos(tos);
        }
    }
}
