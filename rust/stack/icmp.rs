// SPDX-License-Identifier: GPL-2.0

//! What ICMP says of a connection's segments.

use super::{
    demux::{
        Conn,
        ConnState as EntryState, //
    },
    egress,
    error::errno,
    netns::NetState,
    sock::{
        configure,
        with_cx,
        LockedTcp,
        TcpSock, //
    },
};
use crate::net::{
    hashtable::Node,
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
    platform::MibSink,
    seq::SeqNum, //
};
use kernel::sync::atomic::Relaxed;

/// Tells the socket. Context: softirq, RCU read side.
pub(super) fn to_sock(state: &NetState, sk: &TcpSock, report: &IcmpReport<'_>) {
    let mut guard = sk.bh_lock();
    let Some(locked) = guard.unowned() else {
        // A socket that a task owns misses the report, as in Linux: it is a hint, and comes again. What a
        // router near by finds too big, it says while the call that sent it goes on: that has to wait.
        match report.kind {
            IcmpKind::TooBig(mtu) => {
                let word = u64::from(report.seq) << 32 | u64::from(mtu);
                sk.shared().too_big.store(word, Relaxed);
                guard.leave_news();
            }
            _ => state.mib.add(Mib::LockDroppedIcmps, 1),
        }
        return;
    };
    if report.is_from_too_far(sk) {
        state.mib.add(Mib::TCPMinTTLDrop, 1);
        return;
    }
    let seq = SeqNum::new(report.seq);
    if !concerns(locked, seq) {
        return;
    }
    let error = match report.kind {
        IcmpKind::TooBig(mtu) => return too_big(locked, seq, mtu),
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
    let tells = report.is_asked_for(sk);
    if locked.peek().conn.config().tells_icmp != tells {
        configure(locked, |c| c.tells_icmp = tells);
    }
    with_cx(locked, |conn, cx| conn.handle_icmp(cx, seq, error));
    if !tells && locked.peek().conn.has_soft_error() {
        locked.set_soft_error(-errno(error.reason()).to_errno());
    }
    egress::flush(locked);
}

/// What came while a task owned the socket, which it lets go of now. Context: softirq, or process.
pub(super) fn after_ownership(sk: &mut LockedTcp<'_>) {
    let word = sk.sk().shared().too_big.load(Relaxed);
    let seq = SeqNum::new((word >> 32) as u32);
    if concerns(sk, seq) {
        too_big(sk, seq, word as u32);
    }
}

/// Whether a report about the segment numbered `seq` may be true (RFC 5927, section 4).
fn concerns(sk: &mut LockedTcp<'_>, seq: SeqNum) -> bool {
    // The connection is over, or a small entry took over since it was found.
    if !sk.peek().hashed {
        return false;
    }
    let may_be = sk.peek().conn.concerns(seq);
    if !may_be {
        with_cx(sk, |_, cx| cx.count(Mib::OutOfWindowIcmps));
    }
    may_be
}

/// The segment numbered `seq` was too big for a link that takes packets of `mtu` bytes.
fn too_big(sk: &mut LockedTcp<'_>, seq: SeqNum, mtu: u32) {
    // The route remembers it too, if it is about a segment that is out (and the user does not hold on
    // to the device's MTU).
    if sk.peek().conn.is_out(seq) && sk.note_mtu(mtu) {
        // A route whose MTU is locked takes no such advice, and then there is nothing to send anew.
        let said = mss_of(mtu, !sk.sk().remote().is_v4());
        let mss = sk.path().map_or(said, |path| path.mss);
        with_cx(sk, |conn, cx| conn.handle_mtu(cx, seq, mss));
        egress::flush(sk);
    }
}

/// Tells a half-open connection: it ends in silence, if the report may be about its SYN-ACK. The user
/// learns nothing, since accept() has no errors of the network. Context: softirq, RCU read side.
pub(super) fn to_half_open(state: &NetState, node: &Node<Conn>, report: &IcmpReport<'_>) {
    let is_it = match &*node.state().lock() {
        EntryState::HalfOpen(entry) => entry.iss == SeqNum::new(report.seq),
        _ => return,
    };
    if !is_it {
        state.mib.add(Mib::OutOfWindowIcmps, 1);
    } else if report.ends_opening && state.remove(node) {
        state.mib.add(Mib::ListenDrops, 1);
    }
}
