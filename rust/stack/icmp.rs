// SPDX-License-Identifier: GPL-2.0

//! What ICMP says of a connection's segments.

use super::{
    egress,
    error::errno,
    sock::{
        with_cx,
        TcpSock, //
    },
};
use crate::net::{
    ingress::{
        IcmpKind,
        IcmpReport, //
    },
    ip::mss_of,
    proto_ops::abi, //
};
use crate::tcp::{
    connection::IcmpError,
    mib::Mib,
    seq::SeqNum, //
};

/// Tells the socket. Context: softirq, RCU read side.
pub(super) fn to_sock(sk: &TcpSock, report: &IcmpReport<'_>) {
    let mut guard = sk.bh_lock();
    // A socket that a task owns misses the report, as in Linux: it is a hint, and comes again.
    let Some(locked) = guard.unowned() else {
        return;
    };
    // The connection is over, or a small entry took over since it was found.
    if !locked.peek().hashed {
        return;
    }
    let seq = SeqNum::new(report.seq);
    if !locked.peek().conn.concerns(seq) {
        with_cx(locked, |_, cx| cx.count(Mib::OutOfWindowIcmps));
        return;
    }
    let error = match report.kind {
        IcmpKind::TooBig(mtu) => {
            // The route remembers it too, if it is about a segment that is out (and the user does
            // not hold on to the device's MTU).
            if locked.peek().conn.is_out(seq) && locked.note_mtu(mtu) {
                let mss = mss_of(mtu, !report.remote.is_v4());
                with_cx(locked, |conn, cx| conn.handle_mtu(cx, seq, mss));
                egress::flush(locked);
            }
            return;
        }
        IcmpKind::Redirect => {
            report.redirect(locked);
            return;
        }
        IcmpKind::Net => IcmpError::Net,
        IcmpKind::Refused => IcmpError::Refused,
        IcmpKind::Host => IcmpError::Host,
        IcmpKind::Prohibited => IcmpError::Prohibited,
        IcmpKind::NoProtocol => IcmpError::NoProtocol,
        IcmpKind::BadHeader => IcmpError::BadHeader,
        IcmpKind::Other => return,
    };
    // Of what ends connect() the error queue has more to tell (IP_RECVERR).
    let opening = matches!(locked.sk().state(), abi::TCP_SYN_SENT | abi::TCP_SYN_RECV);
    if opening && !locked.peek().conn.is_fast_open() {
        report.queue(locked, errno(error.reason()));
    }
    with_cx(locked, |conn, cx| conn.handle_icmp(cx, seq, error));
    egress::flush(locked);
}
