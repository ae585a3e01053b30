// SPDX-License-Identifier: GPL-2.0

//! Congestion control as a peer sees it: ECN, DCTCP, recovery, the choice of the algorithm.

use crate::raw::*;
use crate::tcp::{
    congestion::Algorithm,
    ecn::Policy,
    time::Duration,
    wire::{Codepoint, Flags},
};

const WIDE: Peer = Peer {
    wnd: 60_000,
    mss: 1000,
    sack: true,
    wscale: None,
    ts: None,
};
const SETUP: Flags = Flags::ECE.with(Flags::CWR);

/// A connection that asked for ECN, and whose peer agreed.
fn with_ecn(algorithm: Algorithm) -> Raw {
    let mut raw = Raw::closed(WIDE, Default::default());
    raw.net.ecn = Policy::ASK;
    raw.net.congestion = algorithm;
    raw.open();
    assert_eq!(raw.headers[0].flags, SYN.with(SETUP));
    assert_eq!(raw.codepoints, [Codepoint::NotEct]);
    raw.now = raw.now.add(ms(20));
    let options = raw.syn_options();
    raw.feed_with(SYN_ACK.with(Flags::ECE), 0, 1, 0, options);
    assert_eq!(raw.conn.ecn(), (true, false));
    raw
}

/// RFC 3168, 6.1.1 (RFC 9293, SHLD-8): nothing is asked for unless told so, and a peer that does not agree gets
/// none. RFC 3168, 6.1.1.1: nor does one that does not answer.
#[test]
fn rfc3168_6_1_1_active_open() {
    let mut raw = Raw::established_with(WIDE);
    assert!(!raw.conn.ecn().0);
    raw.write(1000);
    assert_eq!(raw.codepoints, [Codepoint::NotEct]);
    for (flags, agreed) in [
        (SYN_ACK, false),
        (SYN_ACK.with(Flags::ECE), true),
        (SYN_ACK.with(SETUP), false),
    ] {
        let mut raw = Raw::closed(WIDE, Default::default());
        raw.net.ecn = Policy::ASK;
        raw.open();
        let options = raw.syn_options();
        raw.feed_with(flags, 0, 1, 0, options);
        assert_eq!(raw.conn.ecn().0, agreed, "{flags:?}");
    }
    // RFC 3168, 6.1.1.1: the second SYN does without.
    let mut raw = Raw::closed(WIDE, Default::default());
    raw.net.ecn = Policy::ASK;
    raw.open();
    raw.pass(Duration::from_secs(1));
    assert_eq!(raw.headers[0].flags, SYN);
}

/// RFC 3168, 6.1.5, and RFC 3168, 6.1.4: ECT(0) on new data, on nothing else.
#[test]
fn rfc3168_6_1_5_what_has_ect() {
    let mut raw = with_ecn(Algorithm::Reno);
    raw.write(2_000);
    assert_eq!(raw.codepoints, [Codepoint::Ect0; 2]);
    raw.feed(ACK, 1, 1, 1_000);
    assert_eq!(raw.codepoints, [Codepoint::NotEct], "a pure ACK");
    raw.pass(ms(900));
    assert!(!raw.codepoints.is_empty());
    assert!(
        raw.codepoints.iter().all(|c| *c == Codepoint::NotEct),
        "retransmissions"
    );
}

/// RFC 3168, 6.1.2: a mark and then a drop, both of one flight, lower the window once; the drop is repaired.
#[test]
fn rfc3168_6_1_2_a_mark_and_then_a_loss() {
    let mut raw = with_ecn(Algorithm::Reno);
    raw.write(10_000);
    raw.pass(ms(20));
    raw.feed(ACK.with(Flags::ECE), 1, 1_001, 0);
    let marked = raw.conn.ssthresh();
    assert!(marked <= 5_000, "{marked}");
    let mut again = vec![];
    for n in 4..=10 {
        again.extend(raw.feed_sack(1_001, &[(2_001, n * 1_000 + 1)]));
    }
    again.extend(raw.pass(ms(6)));
    assert!(again.iter().any(|out| out.seq == 1_001), "{again:?}");
    assert_eq!(raw.conn.ssthresh(), marked);
    raw.pass(ms(20));
    raw.feed_sack(10_001, &[]);
    // The next flight's loss is another.
    raw.write(20_000);
    raw.pass(ms(20));
    raw.feed_sack(10_001, &[(11_001, 14_001)]);
    raw.pass(ms(6));
    assert!(raw.conn.ssthresh() < marked, "{}", raw.conn.ssthresh());
}

/// RFC 3168, 6.1.3: ECE on every ACK from the mark until CWR.
#[test]
fn rfc3168_6_1_3_receiver() {
    let mut raw = with_ecn(Algorithm::Reno);
    raw.codepoint = Codepoint::Ect0;
    assert_eq!(raw.feed(ACK, 1, 1, 1_000)[0].flags, ACK);
    raw.codepoint = Codepoint::Ce;
    assert_eq!(
        raw.feed(ACK, 1_001, 1, 1_000)[0].flags,
        ACK.with(Flags::ECE)
    );
    raw.codepoint = Codepoint::Ect0;
    assert_eq!(
        raw.feed(ACK, 2_001, 1, 1_000)[0].flags,
        ACK.with(Flags::ECE)
    );
    assert_eq!(raw.write(10)[0].flags, PSH_ACK.with(Flags::ECE), "data too");
    raw.feed(ACK.with(Flags::CWR), 3_001, 11, 1_000);
    assert_eq!(raw.pass(ms(50))[0].flags, ACK);
    assert_eq!(raw.conn.ecn(), (true, true));
}

/// RFC 3168, 6.1.2: one reduction a window, announced by CWR on the next new data.
#[test]
fn rfc3168_6_1_2_sender() {
    let mut raw = with_ecn(Algorithm::Reno);
    raw.write(30_000);
    assert_eq!(raw.conn.cwnd(), 10_000);
    let outs = raw.feed(ACK.with(Flags::ECE), 1, 1_001, 0);
    assert_eq!(raw.conn.cwnd(), 5_000, "half");
    assert_eq!(outs, []);
    for n in 2..6 {
        assert_eq!(raw.feed(ACK.with(Flags::ECE), 1, n * 1_000 + 1, 0), []);
    }
    assert_eq!(raw.conn.cwnd(), 5_000, "once for what was in flight");
    let outs = raw.feed(ACK, 1, 6_001, 0);
    assert_eq!(outs, [out(ACK.with(Flags::CWR), 10_001, 1, 1_000)]);
    let outs = raw.feed(ACK, 1, 7_001, 0);
    assert_eq!(outs, [out(ACK, 11_001, 1, 1_000)], "CWR once");
    // What was sent after the reduction may be marked anew.
    raw.feed(ACK.with(Flags::ECE), 1, 11_001, 0);
    assert!(raw.conn.cwnd() < 5_000);
}

/// RFC 3168, 6.1.2: a loss and a mark in one window are one congestion.
#[test]
fn rfc3168_6_1_2_loss_and_mark_together() {
    let mut raw = with_ecn(Algorithm::Reno);
    raw.write(10_000);
    raw.now = raw.now.add(ms(20));
    raw.feed_sack(1, &[(1_001, 4_001)]);
    let threshold = raw.conn.ssthresh();
    assert_eq!(threshold, 5_000);
    let mut options = raw.options();
    options.sack = Default::default();
    raw.feed_with(ACK.with(Flags::ECE), 1, 5_001, 0, options);
    raw.feed_with(ACK.with(Flags::ECE), 1, 10_001, 0, options);
    assert_eq!(raw.conn.ssthresh(), threshold);
}

/// RFC 8257, 3.2: when the mark changes, what came before is acknowledged on its own.
#[test]
fn rfc8257_3_2_exact_echo() {
    let mut raw = with_ecn(Algorithm::Dctcp);
    raw.codepoint = Codepoint::Ect0;
    let mut at = 1;
    // Past the ACKs that go out at once, to delayed ones.
    while !raw.feed(ACK, at, 1, 500).is_empty() || at < 20_000 {
        at += 500;
        raw.read(u32::MAX);
    }
    at += 500;
    raw.codepoint = Codepoint::Ce;
    let outs = raw.feed(ACK, at, 1, 500);
    assert_eq!(
        outs,
        [
            out(ACK, 1, at, 0),
            out(ACK.with(Flags::ECE), 1, at + 500, 0)
        ]
    );
    let edge = |h: &crate::tcp::wire::Header| h.ack.add(u32::from(h.wnd));
    assert!(
        edge(&raw.headers[0]).before_or_eq(edge(&raw.headers[1])),
        "the edge does not move left"
    );
}

/// A DCTCP connection asks for ECN by itself (RFC 8257, 3.1 needs it).
#[test]
fn rfc8257_3_dctcp_asks_for_ecn() {
    let mut raw = Raw::closed(WIDE, Default::default());
    raw.net.congestion = Algorithm::Dctcp;
    raw.open();
    assert_eq!(raw.headers[0].flags, SYN.with(SETUP));
}

/// TCP_CONGESTION in mid-connection: the window stays (as in Linux), the next loss is answered by
/// the new algorithm.
#[test]
fn a_switch_in_mid_connection() {
    let mut raw = Raw::established_with(WIDE);
    raw.write(20_000);
    raw.feed(ACK, 1, 10_001, 0);
    assert_eq!(raw.conn.cwnd(), 20_000);
    assert_eq!(raw.conn.congestion(&raw.net), Algorithm::Reno);
    raw.with(|conn, _| conn.set_congestion(Algorithm::Cubic));
    assert_eq!(raw.conn.congestion(&raw.net), Algorithm::Cubic);
    assert_eq!(raw.conn.cwnd(), 20_000);
    raw.write(20_000);
    raw.now = raw.now.add(ms(20));
    raw.feed_sack(20_001, &[(21_001, 24_001)]);
    // 0.7 of the 20,000 that the window was.
    assert_eq!(raw.conn.ssthresh(), 14_000);
}

/// A connection with accurate ECN (RFC 9768), whose SYN arrived without a mark.
fn with_accurate_ecn(algorithm: Algorithm) -> Raw {
    let mut raw = Raw::closed(WIDE, Default::default());
    raw.net.ecn = Policy::ASK_ACCURATE;
    raw.net.congestion = algorithm;
    raw.open();
    assert_eq!(raw.headers[0].flags, SYN.with_ace(0b111));
    raw.now = raw.now.add(ms(20));
    let options = raw.syn_options();
    // The SYN-ACK came with ECT(0), which the ACK of it says.
    raw.codepoint = Codepoint::Ect0;
    let outs = raw.feed_with(SYN_ACK.with_ace(0b010), 0, 1, 0, options);
    assert_eq!(outs, [out(ACK.with_ace(0b100), 1, 1, 0)]);
    raw
}

/// RFC 9768, 3.2: each segment carries the count of marked packets, five at first.
#[test]
fn rfc9768_3_2_receiver() {
    let mut raw = with_accurate_ecn(Algorithm::Reno);
    assert_eq!(
        raw.feed(ACK.with_ace(5), 1, 1, 1_000),
        [out(ACK.with_ace(5), 1, 1_001, 0)]
    );
    raw.codepoint = Codepoint::Ce;
    assert_eq!(
        raw.feed(ACK.with_ace(5), 1_001, 1, 1_000),
        [out(ACK.with_ace(6), 1, 2_001, 0)]
    );
    // Receive offload joined three segments.
    raw.joined = 3;
    raw.feed(ACK.with_ace(5), 2_001, 1, 3_000);
    assert_eq!(raw.headers[0].flags.ace(), 1, "6 + 3 modulo 8");
    raw.codepoint = Codepoint::Ect0;
    let outs = raw.write(1_000);
    assert_eq!(outs[0].flags.ace(), 1, "data too");
    assert_eq!(raw.codepoints, [Codepoint::Ect0]);
}

/// RFC 9768, 3.2.2.5 and 3.3: a rise of the count is congestion, once a window; there is no CWR.
#[test]
fn rfc9768_3_3_sender() {
    let mut raw = with_accurate_ecn(Algorithm::Reno);
    raw.write(30_000);
    assert_eq!(raw.feed(ACK.with_ace(5), 1, 1_001, 0).len(), 2);
    assert_eq!(raw.conn.cwnd(), 11_000);
    raw.feed(ACK.with_ace(6), 1, 2_001, 0);
    assert_eq!(raw.conn.cwnd(), 5_500);
    raw.feed(ACK.with_ace(7), 1, 3_001, 0);
    assert_eq!(raw.conn.cwnd(), 5_500, "once");
    let outs = raw.feed(ACK.with_ace(7), 1, 9_001, 0);
    assert!(!outs.is_empty());
    assert!(
        outs.iter().all(|o| o.flags.ace() == 5),
        "the count, not CWR"
    );
}
