// SPDX-License-Identifier: GPL-2.0

//! What a route says of TCP, and what IP is told of it.
//!
//! C headers: [`include/net/dst.h`](srctree/include/net/dst.h),
//! [`include/net/sock.h`](srctree/include/net/sock.h)

use super::{
    bindings,
    ip::Route,
    sock::{
        Locked,
        Protocol,
        Wire, //
    },
};

/// What a route says of the connections along it (ip-route(8)); zero: nothing.
#[derive(Clone, Copy)]
pub(crate) struct RouteMetrics {
    /// `initcwnd`, segments.
    pub(crate) init_cwnd: u32,
    /// `initrwnd`, segments.
    pub(crate) init_rwnd: u32,
    /// `window`, bytes.
    pub(crate) window: u32,
    /// `cwnd lock`, segments.
    pub(crate) most_cwnd: u32,
    /// `ssthresh`, segments.
    pub(crate) ssthresh: u32,
    /// `rto_min lock`, milliseconds.
    pub(crate) rto_min_ms: u32,
    /// `reordering`, segments.
    pub(crate) reordering: u32,
    /// `advmss`, bytes.
    pub(crate) adv_mss: u32,
    /// `quickack`.
    pub(crate) quick_ack: bool,
    /// `features ecn`.
    pub(crate) ecn: bool,
    /// `congctl`, as a [`congestion_key`].
    pub(crate) congestion: u32,
    /// `congctl lock`.
    pub(crate) congestion_locked: bool,
}

/// How many words `dst_tcp_metrics` fills.
const WORDS: usize = 12;

impl RouteMetrics {
    /// From what `dst_tcp_metrics` filled.
    fn from_words(words: [u32; WORDS]) -> Self {
        let [init_cwnd, init_rwnd, window, most_cwnd, ssthresh, rto_min_ms, rest @ ..] = words;
        let [reordering, adv_mss, quick_ack, ecn, congestion, locked] = rest;
        Self {
            init_cwnd,
            init_rwnd,
            window,
            most_cwnd,
            ssthresh,
            rto_min_ms,
            reordering,
            adv_mss,
            quick_ack: quick_ack != 0,
            ecn: ecn != 0,
            congestion,
            congestion_locked: locked != 0,
        }
    }
}

/// By what number a route names the congestion control called `name`.
pub(crate) fn congestion_key(name: &[u8]) -> u32 {
    // SAFETY: Valid for its length.
    unsafe { bindings::tcp_ca_key(name.as_ptr(), name.len()) }
}

impl Route {
    /// What it says.
    pub(crate) fn metrics(&self) -> RouteMetrics {
        let mut words = [0; WORDS];
        // SAFETY: The route is held by the type invariants; there are as many words as are filled.
        unsafe { bindings::dst_tcp_metrics(self.as_dst(), words.as_mut_ptr()) };
        RouteMetrics::from_words(words)
    }
}

impl<P: Protocol> Locked<'_, P> {
    /// What the socket's route says, if it keeps one.
    pub(crate) fn route_metrics(&self) -> Option<RouteMetrics> {
        let mut words = [0; WORDS];
        // SAFETY: The socket is locked; there are as many words as are filled.
        let has = unsafe { bindings::sk_tcp_metrics(self.sk().as_ptr(), words.as_mut_ptr()) };
        has.then(|| RouteMetrics::from_words(words))
    }

    /// What was sent by the socket's route arrived: what goes out next tells the neighbour's entry.
    pub(crate) fn confirm_neighbour(&mut self) {
        // SAFETY: A word of a valid socket, which the lock's holder sets and IP clears; each at once.
        unsafe {
            let word = &raw mut (*self.sk().as_ptr()).sk_dst_pending_confirm;
            if word.read_volatile() == 0 {
                word.write_volatile(1);
            }
        }
    }

    /// The socket's route may be dead: IP drops it if it is one of those that come and go (by ICMP).
    pub(crate) fn doubt_route(&mut self) {
        // SAFETY: The socket is locked.
        unsafe { bindings::dst_negative_advice(self.sk().as_ptr()) };
    }
}

impl<P: Protocol> Wire<'_, P> {
    /// Whether what goes out next tells the neighbour's entry that the neighbour is there.
    pub(super) fn is_confirming(&self) -> bool {
        // SAFETY: As in `Locked::confirm_neighbour`.
        unsafe {
            let word = &raw const (*self.sk().as_ptr()).sk_dst_pending_confirm;
            word.read_volatile() != 0
        }
    }
}
