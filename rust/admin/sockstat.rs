// SPDX-License-Identifier: GPL-2.0

//! /proc/net/rusttcp_sockstat: how many sockets there are, and what they hold, in the format of the
//! line for TCP in /proc/net/sockstat (so that `PROC_NET_SOCKSTAT=/proc/net/rusttcp_sockstat ss -s`
//! reads it). Unlike there, `mem` is the namespace's own.

use crate::net::{
    netns::Net,
    proc::Listing,
    sock::{
        pool_sockets,
        PAGE_SIZE, //
    },
};
use crate::stack::{
    demux::Kind,
    netns::NetState, //
};
use kernel::{
    seq_file::SeqFile,
    seq_print,
    sync::rcu, //
};

/// The file.
pub(super) struct SockStat;

/// Sockets in the tables of a namespace: listeners, and connections that are more than an entry.
fn in_use(state: &NetState) -> u64 {
    let rcu = rcu::read_lock();
    let mut count = 0u64;
    for bucket in 0..state.listeners.buckets() {
        state
            .listeners
            .for_bucket(bucket, &rcu, |_| count = count.saturating_add(1));
    }
    for bucket in 0..state.conns.buckets() {
        state.conns.for_bucket(bucket, &rcu, |node| {
            if matches!(node.value().kind, Kind::Sock(_)) {
                count = count.saturating_add(1);
            }
        });
    }
    count
}

impl Listing for SockStat {
    fn exists(_net: Net, index: usize) -> bool {
        index < 1
    }

    fn show(net: Net, _index: usize, out: &SeqFile) -> bool {
        let Some(state) = NetState::of(net) else {
            return false;
        };
        seq_print!(
            out,
            "TCP: inuse {} orphan {} tw {} alloc {} mem {}\n",
            in_use(state),
            state.census.orphans(),
            state.census.time_waits(),
            pool_sockets(),
            state.memory.held().div_ceil(PAGE_SIZE),
        );
        true
    }
}
