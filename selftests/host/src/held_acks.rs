// SPDX-License-Identifier: GPL-2.0

//! ACKs of data out of order that are held back, so that one goes for many. RFC 5681, 4.2, asks for
//! one at once for each segment; what the sender finds a loss by still goes at once.

use crate::raw::*;
use crate::tcp::{mib::Mib, time::Duration};

/// What answers data behind the hole.
const DUPLICATE: Out = Out {
    flags: ACK,
    seq: 1,
    ack: 1_001,
    len: 0,
};

fn us(n: u64) -> Duration {
    Duration::from_micros(n)
}

/// The segment number `n` behind the hole.
fn behind(raw: &mut Raw, n: u32) -> Vec<Out> {
    raw.feed(ACK, 2_001 + n * 1_000, 1, 1_000)
}

/// Byte 1001 to 2000 are missing, and so many segments that follow were answered at once.
fn hole(mut raw: Raw, answered: u32) -> Raw {
    assert_eq!(raw.feed(ACK, 1, 1, 1_000), [out(ACK, 1, 1_001, 0)]);
    for n in 0..answered {
        assert_eq!(behind(&mut raw, n), [DUPLICATE], "duplicate {n}");
    }
    raw
}

/// The peer is 20 ms away; two ACKs are held back.
fn two_held() -> Raw {
    let mut raw = hole(Raw::established_with(SACK), 3);
    assert_eq!(behind(&mut raw, 3), []);
    assert_eq!(behind(&mut raw, 4), []);
    raw
}

fn spared(raw: &Raw) -> u64 {
    raw.mib.get(Mib::TCPAckCompressed)
}

/// RFC 5681, 3.2: the third duplicate ACK tells of a loss. Those that follow wait for a millisecond.
#[test]
fn rfc5681_3_2_three_duplicates_go_at_once_and_then_one_for_many() {
    let mut raw = hole(Raw::established_with(SACK), 3);
    for n in 3..8 {
        assert_eq!(behind(&mut raw, n), [], "held {n}");
    }
    assert_eq!(raw.pass(us(999)), []);
    assert_eq!(raw.pass(us(1)), [DUPLICATE]);
    assert_eq!(raw.sacked(), [(2_001, 10_001)]);
    assert_eq!(spared(&raw), 4);
    // One that waited alone is not spared; and nothing goes without reason.
    assert_eq!(behind(&mut raw, 8), []);
    assert_eq!(raw.pass(us(1_000)), [DUPLICATE]);
    assert_eq!(spared(&raw), 4);
    assert_eq!(raw.pass(Duration::from_secs(1)), []);
}

/// RFC 5681, 4.2: what fills a gap, or a part of it, is acknowledged at once; a later hole begins anew.
#[test]
fn rfc5681_4_2_a_gap_that_is_filled_ends_it() {
    let mut raw = two_held();
    assert_eq!(raw.feed(ACK, 1_001, 1, 1_000), [out(ACK, 1, 7_001, 0)]);
    assert_eq!(spared(&raw), 2);
    assert_eq!(raw.pass(Duration::from_secs(1)), []);
    for n in 0..3 {
        let outs = raw.feed(ACK, 8_001 + n * 1_000, 1, 1_000);
        assert_eq!(outs, [out(ACK, 1, 7_001, 0)]);
    }
    assert_eq!(raw.feed(ACK, 11_001, 1, 1_000), []);
    // A part of it.
    assert_eq!(raw.feed(ACK, 7_001, 1, 500), [out(ACK, 1, 7_501, 0)]);
    assert_eq!(raw.sacked(), [(8_001, 12_001)]);
}

/// RFC 2018, 4: another hole is told of at once, and so is what gets smaller, wherever it is.
#[test]
fn rfc2018_4_another_block_goes_at_once() {
    let mut raw = two_held();
    assert_eq!(raw.feed(ACK, 9_001, 1, 1_000), [DUPLICATE]);
    assert_eq!(raw.sacked(), [(9_001, 10_001), (2_001, 7_001)]);
    assert_eq!(raw.feed(ACK, 10_001, 1, 1_000), [], "only grew");
    // The upper end of the lower block, the lower end of the upper one, and all between.
    assert_eq!(raw.feed(ACK, 7_001, 1, 500), [DUPLICATE]);
    assert_eq!(raw.feed(ACK, 8_501, 1, 500), [DUPLICATE]);
    assert_eq!(raw.feed(ACK, 7_501, 1, 1_000), [DUPLICATE]);
    assert_eq!(raw.sacked(), [(2_001, 11_001)]);
    // All of it is the farthest block now.
    assert_eq!(raw.feed(ACK, 11_001, 1, 1_000), []);
}

/// RFC 2883, 4: what came twice is reported at once.
#[test]
fn rfc2883_4_duplicates_are_reported_at_once() {
    let mut raw = two_held();
    assert_eq!(behind(&mut raw, 1), [DUPLICATE]);
    assert_eq!(raw.sacked(), [(3_001, 4_001), (2_001, 7_001)]);
    // Half of it.
    assert_eq!(raw.feed(ACK, 6_501, 1, 1_000), [DUPLICATE]);
    assert_eq!(raw.sacked(), [(6_501, 7_001), (2_001, 7_501)]);
}

/// A FIN, too, whether it can be taken or not.
#[test]
fn a_fin_goes_at_once() {
    let mut raw = two_held();
    assert_eq!(raw.feed(FIN_ACK, 7_001, 1, 1_000), [DUPLICATE]);
    assert_eq!(spared(&raw), 2);
}

/// Data of ours says it all, and nothing is left to be said.
#[test]
fn what_is_held_rides_on_data() {
    let mut raw = two_held();
    assert_eq!(raw.write(500), [out(PSH_ACK, 1, 1_001, 500)]);
    assert_eq!(raw.sacked(), [(2_001, 7_001)]);
    assert_eq!(spared(&raw), 2);
    assert_eq!(raw.pass(us(2_000)), []);
}

/// tcp_comp_sack_rtt_percent: a share of the round trip, of which there are 20 us.
#[test]
fn near_peers_wait_for_less() {
    for (percent, ns) in [(33, 6_600), (1, 200), (1_000, 200_000)] {
        let mut raw = Raw::established_near(SACK);
        raw.net.comp_sack_rtt_percent = percent;
        let mut raw = hole(raw, 3);
        assert_eq!(behind(&mut raw, 3), []);
        assert_eq!(raw.pass(Duration::from_nanos(ns - 1)), [], "{percent} %");
        assert_eq!(raw.pass(Duration::from_nanos(1)), [DUPLICATE]);
    }
}

/// tcp_comp_sack_nr: so many in a row, and then one goes.
#[test]
fn a_row_of_held_acks_is_bounded() {
    let mut raw = Raw::established_with(SACK);
    raw.net.comp_sack_nr = 4;
    let mut raw = hole(raw, 3);
    for n in 0..3 {
        for m in 0..4 {
            assert_eq!(behind(&mut raw, 3 + n * 5 + m), []);
        }
        assert_eq!(behind(&mut raw, 7 + n * 5), [DUPLICATE]);
    }
    assert_eq!(spared(&raw), 12);
    assert_eq!(raw.pass(Duration::from_secs(1)), []);
}

/// RFC 5681, 4.2 to the letter: without SACK, where each duplicate ACK counts a segment that left the
/// network, and if it is switched off.
#[test]
fn rfc5681_4_2_each_at_once() {
    let off: [fn(&mut Raw); 3] = [
        |raw| raw.net.comp_sack_nr = 0,
        |raw| raw.net.comp_sack_delay = Duration::ZERO,
        |raw| raw.net.comp_sack_rtt_percent = 0,
    ];
    for switch in off {
        let mut raw = Raw::established_with(SACK);
        switch(&mut raw);
        hole(raw, 20);
    }
    let raw = hole(Raw::established(), 20);
    assert_eq!(spared(&raw), 0);
}
