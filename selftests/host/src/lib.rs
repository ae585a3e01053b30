// SPDX-License-Identifier: GPL-2.0

//! The protocol core (`rust/tcp`) on the host: its unit tests, and a simulator that runs pairs of
//! connections through a hostile network in virtual time, from a seed.

#![allow(dead_code)] // What only the kernel shell calls.

#[path = "../../../rust/tcp/mod.rs"]
pub(crate) mod tcp;

#[cfg(test)]
mod accurate_ecn;
pub mod cost;
#[cfg(test)]
mod fast_client;
#[cfg(test)]
mod fast_open;
pub mod fuzz;
#[cfg(test)]
mod options;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod orphans;
mod pair;
mod platform;
mod raw;
pub mod replay;
pub mod sim;

#[cfg(test)]
mod bottleneck;
#[cfg(test)]
mod circle;
#[cfg(test)]
mod congestion;
#[cfg(test)]
mod crumbs;
#[cfg(test)]
mod exhaustive;
#[cfg(test)]
mod features;
#[cfg(test)]
mod findings;
#[cfg(test)]
mod held_acks;
#[cfg(test)]
mod leaving;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod log;
#[cfg(test)]
mod mechanisms;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod mtu;
#[cfg(test)]
mod rightsize;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod segment_arrives;
#[cfg(test)]
mod small_entries;
#[cfg(test)]
mod spurious;
#[cfg(test)]
mod stamps;
#[cfg(test)]
mod tests;
