// SPDX-License-Identifier: GPL-2.0

//! What holds of both ends at any time, whatever the link does.

use super::{Block, Pair};
use crate::platform::{Host, OVERHEAD};
use crate::tcp::{
    connection::Connection,
    mib::Mib,
    seq::SeqNum,
    state::ConnState,
    time::Duration,
    wire::{Flags, Header},
};

/// Buffers that SACK may have cut out of others, each with notes of its own.
pub(crate) fn cuts(conn: &Connection<Host>) -> u32 {
    64 + 2 * (conn.unacked() / conn.mss().max(1))
}

/// Memory that what was received may take, if the largest segment is of so many bytes: twice the buffer may be in
/// use when the last one comes (`most_in_order`).
pub(crate) fn most_received(conn: &Connection<Host>, largest: u32, overhead: u32) -> u32 {
    2 * conn.buffers().1 + largest + overhead
}

impl Pair {
    /// RFC 9293, 3.8.6: what end `i` sends for the first time lies in a window that the other one
    /// offered, and in the one that `i` was told of last.
    pub(super) fn check_window(&mut self, i: usize, header: &Header, len: u32) {
        let end = &mut self.ends[i];
        if let Block::Conn(conn) = &end.block {
            if conn.state().is_synchronized() {
                let edge = conn.numbers().4;
                end.farthest = Some(end.farthest.map_or(edge, |far| far.latest(edge)));
            }
        }
        let syn = u32::from(header.flags.contains(Flags::SYN));
        let to = header.seq.add(syn).add(len);
        if len == 0 || end.sent_to.is_some_and(|sent| to.before_or_eq(sent)) {
            return;
        }
        end.sent_to = Some(to);
        let beyond = end.told.map_or(0, |told| to.saturating_distance_from(told));
        assert_eq!(
            beyond, 0,
            "bytes of end {i} beyond the window that it was told of"
        );
        let peer = &self.ends[1 - i];
        let (Block::Conn(conn), Some(far)) = (&peer.block, peer.farthest) else {
            return;
        };
        if conn.state().is_synchronized() {
            let far = far.latest(conn.numbers().4);
            let beyond = to.saturating_distance_from(far);
            assert_eq!(beyond, 0, "bytes of end {i} beyond the window");
        }
    }

    /// RFC 9293, 3.8.6 (SHLD-14): the right window edge never moves left.
    pub(super) fn check_edge(&mut self, i: usize) {
        let end = &mut self.ends[i];
        if let Block::Conn(conn) = &end.block {
            if matches!(conn.state(), ConnState::SynSent | ConnState::Closed) {
                return;
            }
            let (una, nxt, write, theirs, adv) = conn.numbers();
            assert!(
                una.before_or_eq(nxt) && nxt.before_or_eq(write.add(1)),
                "una, nxt, write"
            );
            if let Some(old) = end.right_edge {
                // Unless what was promised is not there: then the window shuts.
                let shut = adv.before_or_eq(theirs) && end.mib.get(Mib::TCPRcvQDrop) > end.drops;
                assert!(
                    shut || old.before_or_eq(adv),
                    "the window's right edge moved left"
                );
            }
            end.right_edge = Some(adv);
            end.drops = end.mib.get(Mib::TCPRcvQDrop);
        }
    }

    /// Notes how far end `i` may send, a segment having arrived whose predecessor left SND.UNA at `before`. Only
    /// an ACK of new data has the last word (RFC 9293, 3.10.7.4): whether another one that offers less comes
    /// after the last one or overtook it is for `i` to judge.
    pub(super) fn note_told(&mut self, i: usize, header: &Header, before: Option<SeqNum>) {
        let end = &mut self.ends[i];
        let Block::Conn(conn) = &end.block else {
            return;
        };
        let una = conn.numbers().0;
        if !header.flags.contains(Flags::ACK) || header.ack != una {
            return;
        }
        let shift = match end.scales {
            (Some(_), Some(theirs)) if !header.flags.contains(Flags::SYN) => theirs.min(14),
            _ => 0,
        };
        let edge = una.add(u32::from(header.wnd) << shift);
        end.told = match end.told {
            Some(told) if before == Some(una) => Some(told.latest(edge)),
            _ => Some(edge),
        };
    }

    /// What is wrong with end `i` between two steps, if anything is: the memory that it takes, its scoreboard, or
    /// that something waits for which there is no timer.
    pub(crate) fn fault(&mut self, i: usize) -> Option<String> {
        let now = self.now;
        // What arrives in one piece at most.
        let largest = if self.link.joins {
            65_536
        } else {
            u32::from(self.ends[1 - i].mss)
        };
        let end = &mut self.ends[i];
        let Block::Conn(conn) = &end.block else {
            return None;
        };
        // (In FIN-WAIT-2 too another block may have taken over.)
        let over = matches!(conn.state(), ConnState::Closed | ConnState::TimeWait)
            || end.tw.is_some()
            || end.tw_over;
        let ((send, recv), (sndbuf, rcvbuf)) = (conn.memory(), conn.buffers());
        if send > sndbuf + 65_536 + OVERHEAD * (1 + cuts(conn)) {
            return Some(format!("memory: {send} to send, of {sndbuf}"));
        }
        if recv > most_received(conn, largest, OVERHEAD) {
            return Some(format!("memory: {recv} received, of {rcvbuf}"));
        }
        if !conn.is_consistent() {
            return Some("the scoreboard's sums are wrong".into());
        }
        let (una, nxt, _, theirs, _) = conn.numbers();
        let waits = una != nxt || conn.unsent() > 0;
        if waits && !over && conn.poll_timeout().is_none() {
            return Some(format!("end {i}: data waits, and no timer runs"));
        }
        // RFC 9293, 3.8.6.3 (MUST-40): an ACK is less than half a second late.
        let owes =
            !over && conn.state().is_synchronized() && end.acked.is_some_and(|n| n != theirs);
        end.owes_since = owes.then(|| end.owes_since.unwrap_or(now));
        let late = end
            .owes_since
            .map(|since| since.add(Duration::from_millis(500)));
        if late.is_some_and(|late| conn.poll_timeout().is_none_or(|at| at >= late)) {
            return Some(format!(
                "end {i}: an ACK is owed, and nothing will send it in time"
            ));
        }
        None
    }
}
