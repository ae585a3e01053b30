// SPDX-License-Identifier: GPL-2.0

//! Segments for a socket that a task owns. They wait until it lets go; those that carry on where the
//! last one ends are joined to it, so that whoever owned the socket for long handles few. Context:
//! softirq.

use super::{
    netns::NetState,
    sock::{
        RustTcp,
        TcpSock, //
    },
};
use crate::net::{
    skbuff::{
        Drop as SkbDrop,
        SkBuff, //
    },
    sock::BhGuard, //
};
use crate::tcp::{
    mib::Mib,
    platform::MibSink,
    wire::Packet, //
};

/// Leaves a segment to the task that owns `sk`.
pub(super) fn leave(
    state: &'static NetState,
    sk: &TcpSock,
    guard: &mut BhGuard<'_, RustTcp>,
    skb: SkBuff,
) {
    let skb = match guard.join_backlog(skb, carries_on) {
        Ok(()) => {
            state.mib.add(Mib::TCPBacklogCoalesce, 1);
            return;
        }
        Err(skb) => skb,
    };
    // What waits to be read counts here too, so there is room for as much again, and for ACKs.
    let limit = sk
        .rcvbuf()
        .saturating_mul(2)
        .saturating_add(sk.sndbuf())
        .saturating_add(64 << 10);
    if let Err(skb) = guard.add_backlog(skb, limit) {
        state.mib.add(Mib::TCPBacklogDrop, 1);
        skb.drop_with(SkbDrop::SocketBacklog);
    }
}

/// How long the header of `next` is, if that does no more than carry on where `last` ends. The data of
/// both starts at the TCP header.
fn carries_on(last: &SkBuff, next: &SkBuff) -> Option<u32> {
    /// Together they are no longer than what receive offload joins.
    const MOST: u32 = 65_535;
    let len = Packet::header_len(next.head(20)?).ok()?;
    let header = u32::try_from(len).ok()?;
    let before = Packet::new(last.head(len)?).ok()?;
    let after = Packet::new(next.head(len)?).ok()?;
    let payload = |skb: &SkBuff| skb.len().checked_sub(header).filter(|len| *len > 0);
    let (first, second) = (payload(last)?, payload(next)?);
    let fits = first.checked_add(second)? <= MOST;
    (fits && last.ip_tos() == next.ip_tos() && after.carries_on(&before, first)).then_some(header)
}
