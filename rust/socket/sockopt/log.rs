// SPDX-License-Identifier: GPL-2.0

//! RUSTTCP_LOG: a connection's log of itself (`include/uapi/linux/rusttcp.h`).

use crate::net::sockopt::{
    is_host_net_admin,
    OptIn,
    OptOut, //
};
use crate::stack::{
    log::{
        Log,
        LogOrder,
        MOST_RECORDS,
        MOST_RECORDS_ADMIN,
        MOST_RECORDS_CHILD,
        MOST_RECORDS_CHILD_ADMIN, //
    },
    sock::{
        now,
        with_cx,
        Phase,
        TcpSock, //
    },
};
use crate::tcp::{
    connection::Origin,
    log::{
        Kinds,
        Recorder,
        BYTES, //
    },
};
use kernel::{
    alloc::KVVec,
    prelude::*, //
};

/// The most bytes that one call reads.
const MOST_BYTES: usize = 1 << 16;

/// setsockopt(): `struct rusttcp_log`. The log begins now. A listener's children begin with one.
pub(super) fn set(sk: &TcpSock, value: &OptIn) -> Result {
    let mut bytes = [0; 8];
    value.bytes(&mut bytes)?;
    let [a, b, c, d, e, f, g, h] = bytes;
    let kinds = Kinds::from_bits(u32::from_ne_bytes([a, b, c, d])).ok_or(EINVAL)?;
    let records = u32::from_ne_bytes([e, f, g, h]);
    let order = if kinds == Kinds::NONE || records == 0 {
        None
    } else {
        Some(LogOrder { kinds, records })
    };
    let (most, most_child) = if is_host_net_admin() {
        (MOST_RECORDS_ADMIN, MOST_RECORDS_CHILD_ADMIN)
    } else {
        (MOST_RECORDS, MOST_RECORDS_CHILD)
    };
    if records > most {
        return Err(EPERM);
    }
    // Without the lock: it may take a while.
    let log = match order {
        None => Log::default(),
        Some(order) => Log::new(order, now()).ok_or(ENOMEM)?,
    };
    let mut sk = sk.lock();
    let fresh = matches!(sk.peek().phase, Phase::Idle | Phase::Listening);
    if !fresh && kinds.has(Kinds::INPUTS) {
        // What came so far is not in it, so it could not be replayed.
        return Err(EISCONN);
    }
    sk.data().user.log = order.map(|order| LogOrder {
        records: records.min(most_child),
        ..order
    });
    super::tcp::publish_user(&mut sk);
    with_cx(&mut sk, |conn, cx| conn.start_log(cx, log, Origin::New));
    Ok(())
}

/// getsockopt(): takes records out, the oldest first, as many as there is room for.
pub(super) fn get(sk: &TcpSock, room: usize, out: OptOut) -> Result {
    let count = room.min(MOST_BYTES) / BYTES;
    let mut bytes = KVVec::with_capacity(count.saturating_mul(BYTES), GFP_KERNEL)?;
    {
        let mut sk = sk.lock();
        let log = sk.data().conn.log();
        for _ in 0..count {
            let Some(record) = log.ring().and_then(|ring| ring.take()) else {
                break;
            };
            for byte in record.to_bytes() {
                bytes.push_within_capacity(byte).map_err(|_| ENOMEM)?;
            }
        }
    }
    // What does not get there is told as lost: a log of inputs without it is no replay.
    out.all(&bytes).inspect_err(|_| {
        let records = (bytes.len() / BYTES) as u64;
        if let Some(ring) = sk.lock().data().conn.log().ring() {
            ring.lose(records);
        }
    })
}
