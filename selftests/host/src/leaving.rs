// SPDX-License-Identifier: GPL-2.0

//! Segments that a local queue does not take. What Linux does was read off `__tcp_transmit_skb` and
//! `tcp_write_xmit`: NET_XMIT_DROP and NET_XMIT_CN make it enter CWR, what was not taken counts as not
//! sent, and the next ACK is the next try.

use crate::raw::*;
use crate::tcp::{
    config::SocketConfig,
    connection::{CloseReason, Leaving},
};

fn seqs(outs: &[Out]) -> Vec<(u32, u32)> {
    let data = outs.iter().filter(|o| o.len > 0);
    data.map(|o| (o.seq, o.len)).collect()
}

/// Four segments left, and the queue has no room for the fifth.
fn four_out(leaving: Leaving) -> Raw {
    let mut raw = Raw::established_with(SACK);
    raw.write(4_000);
    raw.leaving = leaving;
    raw.refuses = true;
    assert_eq!(seqs(&raw.write(3_000)), [(4_001, 1_000)]);
    raw
}

/// RFC 3168, 6.1.2: the window is halved once for what is out, as for a mark; and what the queue did not
/// take was neither sent nor lost.
#[test]
fn rfc3168_6_1_2_a_local_queue_without_room() {
    let mut raw = four_out(Leaving::NoRoom);
    assert_eq!((raw.conn.unacked(), raw.conn.unsent()), (7_000, 3_000));
    assert_eq!((raw.conn.cwnd(), raw.conn.ssthresh()), (5_000, 5_000));
    // The next ACK is the next try; the window has been reduced for this flight.
    raw.pass(ms(20));
    assert_eq!(seqs(&raw.feed(ACK, 1, 1_001, 0)), [(4_001, 1_000)]);
    assert_eq!(raw.conn.ssthresh(), 5_000);
    raw.refuses = false;
    let outs = raw.feed(ACK, 1, 2_001, 0);
    assert_eq!(
        seqs(&outs),
        [(4_001, 1_000), (5_001, 1_000), (6_001, 1_000)]
    );
    // The next flight may be too long again.
    raw.feed(ACK, 1, 4_001, 0);
    raw.refuses = true;
    raw.write(2_000);
    assert_eq!(
        raw.conn.ssthresh(),
        5_000,
        "what was out then is not acknowledged"
    );
    let outs = raw.feed(ACK, 1, 5_001, 0);
    assert_eq!(seqs(&outs), [(7_001, 1_000)]);
    assert!(raw.conn.ssthresh() < 5_000);
    raw.refuses = false;
    raw.feed(ACK, 1, 7_001, 0);
    raw.feed(ACK, 1, 9_001, 0);
    let info = raw.info();
    assert_eq!((raw.conn.unacked(), raw.conn.unsent()), (0, 0));
    assert_eq!((info.retransmits, info.lost), (0, 0));
}

/// NET_XMIT_CN: it left, and the window is halved.
#[test]
fn rfc3168_6_1_2_a_local_queue_that_is_too_long() {
    let mut raw = Raw::established_with(SACK);
    raw.write(4_000);
    raw.leaving = Leaving::Crowded;
    raw.refuses = true;
    // No more than the reduced window.
    assert_eq!(seqs(&raw.write(3_000)), [(4_001, 1_000)]);
    assert_eq!((raw.conn.unsent(), raw.conn.cwnd()), (2_000, 5_000));
}

/// No memory for a descriptor: no congestion and no loss. Alone it is left to the timer.
#[test]
fn what_there_is_no_memory_for_was_not_lost() {
    let mut raw = four_out(Leaving::Never);
    assert_eq!((raw.conn.unsent(), raw.conn.cwnd()), (3_000, 10_000));
    raw.refuses = false;
    let outs = raw.feed(ACK, 1, 1_001, 0);
    assert_eq!(
        seqs(&outs),
        [(4_001, 1_000), (5_001, 1_000), (6_001, 1_000)]
    );
    let mut raw = Raw::established_with(SACK);
    raw.leaving = Leaving::Never;
    raw.refuses = true;
    raw.write(1_000);
    assert_eq!((raw.conn.unacked(), raw.conn.unsent()), (1_000, 0));
    assert!(raw.conn.poll_timeout().is_some());
}

/// What was lost and found no room when it was to go again is still to go, with the next ACK.
#[test]
fn a_retransmission_that_did_not_leave() {
    let mut raw = Raw::established_with(SACK);
    raw.write(8_000);
    raw.pass(ms(20));
    raw.feed_sack(1, &[(1_001, 2_001)]);
    raw.feed_sack(1, &[(1_001, 3_001)]);
    raw.refuses = true;
    let outs = raw.feed_sack(1, &[(1_001, 4_001)]);
    assert_eq!(seqs(&outs), [(1, 1_000)]);
    raw.refuses = false;
    let outs = raw.feed_sack(1, &[(1_001, 5_001)]);
    assert_eq!(seqs(&outs), [(1, 1_000)]);
    let outs = raw.feed_sack(1, &[(1_001, 6_001)]);
    assert_eq!(seqs(&outs), [], "it is on its way");
    assert!(raw.conn.is_consistent());
}

/// RFC 9293, 3.7.4: a partial segment that did not leave is none that is out, so that Nagle's rule does
/// not hold it back.
#[test]
fn nagle_does_not_wait_for_what_did_not_leave() {
    let mut raw = Raw::established_with(SACK);
    raw.with(|conn, cx| {
        let config = SocketConfig {
            nodelay: false,
            ..*conn.config()
        };
        conn.configure(cx, config);
    });
    raw.write(2_000);
    raw.refuses = true;
    assert_eq!(seqs(&raw.write(100)), [(2_001, 100)]);
    raw.refuses = false;
    assert_eq!(seqs(&raw.feed(ACK, 1, 1_001, 0)), [(2_001, 100)]);
}

/// RFC 5482, 3: a user who keeps writing tries again each time, and does not put off the end of the
/// patience that was asked for.
#[test]
fn rfc5482_3_writing_does_not_postpone_the_time_out() {
    let mut raw = Raw::established_near(SACK);
    raw.set_user_timeout(ms(3_000));
    raw.refuses = true;
    let start = raw.now;
    let mut error = None;
    for _ in 0..200 {
        if raw.conn.send_check().is_ok() {
            raw.write(1);
        }
        raw.pass(ms(50));
        error = raw.error();
        if error.is_some() {
            break;
        }
    }
    assert_eq!(error, Some(CloseReason::TimedOut));
    assert!(
        raw.now.since(start) < ms(3_500),
        "{:?}",
        raw.now.since(start)
    );
}
