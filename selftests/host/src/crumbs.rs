// SPDX-License-Identifier: GPL-2.0

//! A peer that sends crumbs: each takes a buffer of its own, which holds on to hundreds of times as
//! much memory as there is payload in it.

use crate::log::records;
use crate::platform::{make_memory_scarce, HostLog};
use crate::raw::*;
use crate::replay::replay_records;
use crate::tcp::{
    connection::Origin,
    log::{Kind, Kinds},
    mib::Mib,
    wire::Flags,
};

/// What the buffers of Raw take at most: data in order, and out of order.
const BUFFER: u32 = 131_072;

/// Bytes that Raw numbers.
fn numbered(first: u32, len: u32) -> Vec<u8> {
    (first..first + len).map(|n| n as u8).collect()
}

/// Each crumb takes 768 bytes.
fn crumbling() -> Raw {
    let mut raw = Raw::established_with(SACK);
    raw.overhead = 767;
    raw
}

/// 20,000 bytes, one at a time behind a hole, would take 15 MB. They are kept in what the buffer has
/// for data out of order, none is dropped, and they are what was sent.
#[test]
fn crumbs_behind_a_hole_are_kept() {
    let mut raw = crumbling();
    for n in 0..20_000 {
        raw.feed(ACK, 1_001 + n, 1, 1);
        assert!(raw.conn.memory().1 <= BUFFER * 3 / 2);
    }
    let copied = raw.mib.get(Mib::TCPRcvCollapsed);
    assert!(copied > 19_000, "{copied}");
    raw.overhead = 256;
    assert_eq!(raw.feed(ACK, 1, 1, 1_000), [out(ACK, 1, 21_001, 0)]);
    assert_eq!(raw.read(30_000).0, numbered(1, 21_000));
    assert_eq!(raw.conn.memory().1, 0);
}

/// Crumbs that adjoin nothing can't be joined: memory stays bounded, and what is dropped is what lies
/// farthest (RFC 2018, 8), so that what is reported at last is there. TCPOFODrop counts it.
#[test]
fn crumbs_that_lie_apart_are_bounded() {
    let mut raw = crumbling();
    for n in 0..10_000 {
        raw.feed(ACK, 1_001 + 2 * n, 1, 1);
        assert!(raw.conn.memory().1 <= BUFFER * 3 / 2 + 768);
    }
    assert_eq!(raw.mib.get(Mib::TCPRcvCollapsed), 0);
    let kept = u64::from(raw.conn.memory().1 / 768);
    assert_eq!(raw.mib.get(Mib::TCPOFODrop), 10_000 - kept, "those behind");
    // What is nearer takes the place of what is farther.
    raw.feed(ACK, 500, 1, 1);
    assert_eq!(u64::from(raw.conn.memory().1 / 768), kept);
    assert_eq!(raw.mib.get(Mib::TCPOFODrop), 10_001 - kept);
    assert_eq!(raw.mib.get(Mib::TCPRcvQDrop), 0, "nothing was in order");
}

/// Without memory for the copies all is as it was: bounded, and the stream stays whole.
#[test]
fn crumbs_without_memory_are_dropped() {
    let mut raw = crumbling();
    make_memory_scarce(1);
    for n in 0..2_000 {
        raw.feed(ACK, 1_001 + n, 1, 1);
        assert!(raw.conn.memory().1 <= BUFFER * 3 / 2 + 768);
    }
    make_memory_scarce(0);
    raw.overhead = 256;
    let ack = raw.feed(ACK, 1, 1, 1_000)[0].ack;
    assert!((1_201..1_400).contains(&ack), "{ack}");
    assert_eq!(raw.read(30_000).0, numbered(1, ack - 1));
}

/// The same in order, while nobody reads.
#[test]
fn crumbs_in_order_are_kept() {
    let mut raw = crumbling();
    for n in 0..60_000 {
        raw.feed(ACK, 1 + n, 1, 1);
    }
    assert!(raw.conn.memory().1 <= 2 * BUFFER);
    assert!(raw.mib.get(Mib::TCPRcvCollapsed) > 0);
    assert_eq!(raw.read(70_000).0, numbered(1, 60_000));
    assert_eq!(raw.conn.memory().1, 0);
}

/// What comes in segments of a usual size is not copied, however full the buffer is.
#[test]
fn whole_segments_are_not_copied() {
    let mut raw = Raw::established_with(SACK);
    raw.overhead = 900;
    for n in 0..50 {
        raw.feed(ACK, 1_001 + n * 1_000, 1, 1_000);
    }
    assert!(raw.conn.memory().1 > BUFFER / 2);
    assert_eq!(raw.mib.get(Mib::TCPRcvCollapsed), 0);
}

/// Whether there was memory, and how much the copies took, is in the log.
#[test]
fn packing_is_replayed() {
    let mut raw = Raw::closed(SACK, Default::default());
    let now = raw.now;
    raw.with(|conn, cx| conn.start_log(cx, HostLog::new(Kinds::INPUTS, 4096, now), Origin::New));
    raw.open();
    let options = raw.syn_options();
    raw.feed_with(Flags::SYN.with(ACK), 0, 1, 0, options);
    raw.overhead = 4_999;
    make_memory_scarce(3);
    for n in 0..40 {
        raw.feed(ACK, 1_001 + n * 50, 1, 50);
    }
    make_memory_scarce(0);
    raw.feed(ACK, 1, 1, 1_000);
    raw.read(5_000);
    let log = records(&mut raw);
    let made = |ok: u32| {
        let is = |r: &&crate::tcp::log::Record| r.kind == Kind::Room as u8 && r.words[0] == ok;
        log.iter().filter(is).count()
    };
    assert!(made(0) > 0 && made(1) > 0);
    assert!(log.iter().any(|r| r.kind == Kind::Append as u8));
    replay_records(&log).unwrap();
}
