// SPDX-License-Identifier: GPL-2.0

//! The protocol: TCP as RFC 9293 and its companions have it, as a library of state machines.
//!
//! Segments, user calls and expired timers go in, with the time as an argument; dispositions,
//! transmit descriptors, a deadline and events come out. Nothing here reads a clock, allocates,
//! sleeps, logs, calls back or looks into payload, and nothing can panic: a panic in the kernel
//! would be an oops that a remote packet could cause. `make layers` proves the latter on the
//! linked object.
//!
//! Three control blocks, by size and lifetime: [`handshake::SynRcvd`] for a half-open connection,
//! [`connection::Connection`] from SYN-SENT to LAST-ACK, [`time_wait::TimeWait`] for what is left.
//!
//! The very same files are built into the module and into the host crate (`selftests/host`).

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

pub(crate) mod config;
pub(crate) mod congestion;
pub(crate) mod connection;
pub(crate) mod context;
pub(crate) mod ecn;
pub(crate) mod handshake;
pub(crate) mod info;
pub(crate) mod isn;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod mib;
pub(crate) mod mtu_probe;
pub(crate) mod pacing;
pub(crate) mod platform;
pub(crate) mod port;
pub(crate) mod recovery;
pub(crate) mod recv;
pub(crate) mod rtt;
pub(crate) mod send;
pub(crate) mod seq;
pub(crate) mod state;
pub(crate) mod time;
pub(crate) mod time_wait;
pub(crate) mod timers;
pub(crate) mod urgent;
pub(crate) mod wire;
