// SPDX-License-Identifier: GPL-2.0

//! Between routes and connections: what a route says, in the core's terms, and what the core wants IP to
//! know.

use super::sock::{
    with_cx,
    LockedTcp, //
};
use crate::net::route::{
    congestion_key,
    RouteMetrics, //
};
use crate::tcp::{
    congestion::Algorithm,
    metrics::{
        Advice,
        Metrics, //
    },
};

/// What a route says, in the core's terms.
pub(crate) fn metrics(said: &RouteMetrics) -> Metrics {
    // One that we don't have is none of ours.
    let congestion = match said.congestion {
        0 => None,
        key => {
            let mut all = Algorithm::ALL.iter().copied();
            all.find(|algorithm| congestion_key(algorithm.name()) == key)
        }
    };
    let short = |word: u32| u16::try_from(word).unwrap_or(u16::MAX);
    Metrics {
        init_cwnd: short(said.init_cwnd),
        init_rwnd: short(said.init_rwnd),
        window: said.window,
        // More than a window ever has is no bound.
        most_cwnd: u16::try_from(said.most_cwnd).unwrap_or(0),
        ssthresh: short(said.ssthresh),
        rto_min_ms: short(said.rto_min_ms),
        reordering: short(said.reordering),
        adv_mss: short(said.adv_mss),
        quick_ack: said.quick_ack,
        ecn: said.ecn,
        congestion,
        congestion_locked: congestion.is_some() && said.congestion_locked,
    }
}

/// The connection learns what the socket's route says.
pub(crate) fn follow(sk: &mut LockedTcp<'_>) {
    if let Some(said) = sk.route_metrics() {
        let metrics = metrics(&said);
        with_cx(sk, |conn, cx| conn.set_metrics(cx, metrics));
    }
}

/// IP learns what the connection found out about the route.
pub(crate) fn advise(sk: &mut LockedTcp<'_>) {
    match sk.data().conn.take_advice() {
        None => {}
        Some(Advice::Arrives) => sk.confirm_neighbour(),
        Some(Advice::Doubtful) => sk.doubt_route(),
    }
}
