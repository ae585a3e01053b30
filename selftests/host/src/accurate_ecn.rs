// SPDX-License-Identifier: GPL-2.0

//! Accurate ECN (RFC 9768) as a peer sees it: the handshake and its fallbacks, the option, the room
//! that it takes, what comes back. What Linux' packetdrill scripts (`tcp_accecn_*`) expect is here
//! too, by the name of the script.

use crate::platform::{Buf, Counters, Host};
use crate::raw::*;
use crate::tcp::{
    config::{NetConfig, SocketConfig},
    congestion::Algorithm,
    connection::{Connection, Disposition, DropReason},
    context::Cx,
    ecn::{Bytes, OptionPolicy, Policy, Seen},
    handshake::{cookie, SynParams, SynRcvd, SynRcvdOn, SynRcvdTimeout},
    log::{header_of, header_words},
    metrics::Metrics,
    seq::{SeqNum, SeqRange},
    state::ConnState,
    time::Instant,
    wire::{
        accecn::{AccEcn, Order},
        Codepoint, Flags, Header, Options, Segment, Timestamps,
    },
};

const PEER: Peer = Peer {
    wnd: 60_000,
    mss: 1000,
    sack: true,
    wscale: None,
    ts: None,
};
const STAMPED: Peer = Peer {
    ts: Some(1_000),
    ..PEER
};

/// As Linux sends it, in the order of its scripts: e1b, ceb, e0b.
fn ecn(e1b: u32, ceb: u32, e0b: u32) -> Option<AccEcn> {
    Some(AccEcn::new(Order::Ect1First, [e1b, ceb, e0b], 3))
}

/// A connection whose peer sends options.
fn with_option(peer: Peer) -> Raw {
    Raw::established_accurate(peer, ecn(1, 0, 1), |_| {})
}

/// The option of the last answer.
fn said(raw: &Raw) -> Option<AccEcn> {
    raw.headers.last().expect("an answer").options.acc_ecn
}

/// Data from the peer with that codepoint; the option of the answer.
fn data(raw: &mut Raw, codepoint: Codepoint, seq: u32) -> Option<AccEcn> {
    raw.codepoint = codepoint;
    let options = raw.options();
    raw.feed_with(ACK.with_ace(5), seq, 1, 1_000, options);
    if let Some(ts) = &mut raw.peer.ts {
        *ts += 1;
    }
    said(raw)
}

fn ack_with(raw: &mut Raw, ace: u8, ack: u32, option: Option<AccEcn>) -> Vec<Out> {
    let mut options = raw.options();
    options.acc_ecn = option;
    let seq = raw.their_next();
    raw.feed_with(ACK.with_ace(ace), seq, ack, 0, options)
}

fn delivered_ce(raw: &Raw) -> u32 {
    raw.conn.ecn_account().delivered_ce
}

/// RFC 9768, 3.2.3.2.1: no option on the SYN, one on the last ACK of the handshake and on the first
/// data. RFC 8311, 4.3: ECT on both, and on a FIN.
#[test]
fn rfc9768_3_2_3_2_1_the_openers_side() {
    let mut raw = Raw::closed(PEER, Default::default());
    raw.net.ecn = Policy::ASK_ACCURATE;
    raw.open();
    assert_eq!(said(&raw), None);
    let mut raw = with_option(PEER);
    assert_eq!(said(&raw), ecn(1, 0, 1));
    assert_eq!(raw.codepoints, [Codepoint::Ect0]);
    let outs = raw.write(1_000);
    // The option's twelve bytes are missing in the first segment.
    assert_eq!(outs[0], out(ACK.with_ace(5), 1, 1, 988));
    assert!(raw
        .headers
        .iter()
        .all(|h| h.options.acc_ecn == ecn(1, 0, 1)));
    raw.close();
    assert_eq!(raw.codepoints, [Codepoint::Ect0]);
    assert_eq!(said(&raw), ecn(1, 0, 1));
}

/// RFC 9768, 3.2.3.2.3: without an option on the SYN-ACK none is expected, and (as in Linux, which
/// leaves a SHOULD undone there) none sent until one comes (tcp_accecn_negotiation_optenable).
#[test]
fn rfc9768_3_2_3_2_3_an_option_that_comes_late() {
    let mut raw = Raw::established_accurate(PEER, None, |_| {});
    assert_eq!(said(&raw), None);
    assert_eq!(raw.write(1_000), [out(PSH_ACK.with_ace(5), 1, 1, 1_000)]);
    assert_eq!(said(&raw), None);
    ack_with(
        &mut raw,
        5,
        1_001,
        Some(AccEcn::new(Order::Ect0First, [1_001, 0, 0], 3)),
    );
    assert_eq!(raw.conn.ecn_account().option, Seen::Counters);
    raw.write(900);
    assert_eq!(said(&raw), ecn(1, 0, 1));
    assert_eq!(delivered_ce(&raw), 0);
}

/// RFC 9768, 3.2.3.2.4: counters cleared on the SYN-ACK.
#[test]
fn rfc9768_3_2_3_2_4_a_cleared_option_is_not_looked_at() {
    let mut raw = Raw::established_accurate(PEER, ecn(0, 0, 0), |_| {});
    raw.write(2_000);
    ack_with(&mut raw, 6, 989, ecn(0, 988, 0));
    let account = raw.conn.ecn_account();
    assert_eq!((account.option, account.failed), (Seen::Cleared, 8));
    assert_eq!((account.delivered_ce, account.delivered.ce), (1, 0));
}

/// RFC 9768, 3.2.3.3: SACK blocks and the option share the room: two blocks come first, then what of
/// the option has changed, then the other blocks (tcp_accecn_sack_space_grab).
#[test]
fn rfc9768_3_2_3_3_room_beside_sack_blocks() {
    let mut raw = with_option(PEER);
    assert_eq!(data(&mut raw, Codepoint::Ect1, 1_001), ecn(1_001, 0, 1));
    assert_eq!(raw.sacked(), [(1_001, 2_001)]);
    assert_eq!(data(&mut raw, Codepoint::Ect0, 3_001), ecn(1_001, 0, 1_001));
    assert_eq!(raw.sacked(), [(3_001, 4_001), (1_001, 2_001)]);
    assert_eq!(
        data(&mut raw, Codepoint::Ce, 5_001),
        ecn(1_001, 1_000, 1_001)
    );
    let three = [(5_001, 6_001), (3_001, 4_001), (1_001, 2_001)];
    assert_eq!(raw.sacked(), three);
    assert_eq!(
        data(&mut raw, Codepoint::Ect0, 5_001),
        ecn(1_001, 1_000, 2_001)
    );
    let three = [(5_001, 6_001), (5_001, 6_001), (3_001, 4_001)];
    assert_eq!(raw.sacked(), three);
    // RFC 2018, 3: without the option there would be four.
    assert_eq!(
        data(&mut raw, Codepoint::Ect1, 7_001),
        ecn(2_001, 1_000, 2_001)
    );
    assert_eq!(raw.sacked().len(), 3);
}

/// The same beside timestamps (tcp_accecn_sack_space_grab_with_ts).
#[test]
fn rfc9768_3_2_3_3_room_beside_sack_blocks_and_timestamps() {
    let two = |e1b, ceb| Some(AccEcn::new(Order::Ect1First, [e1b, ceb, 0], 2));
    let mut raw = with_option(STAMPED);
    assert_eq!(data(&mut raw, Codepoint::Ect1, 1_001), ecn(1_001, 0, 1));
    assert_eq!(raw.sacked(), [(1_001, 2_001)]);
    assert_eq!(data(&mut raw, Codepoint::Ect1, 3_001), two(2_001, 0));
    assert_eq!(raw.sacked(), [(3_001, 4_001), (1_001, 2_001)]);
    assert_eq!(data(&mut raw, Codepoint::Ce, 5_001), two(2_001, 1_000));
    assert_eq!(raw.sacked(), [(5_001, 6_001), (3_001, 4_001)]);
    assert_eq!(data(&mut raw, Codepoint::Ect1, 5_001), two(3_001, 1_000));
    assert_eq!(raw.sacked(), [(5_001, 6_001), (5_001, 6_001)]);
    // What changed is the third field, for which there is no room.
    assert_eq!(data(&mut raw, Codepoint::Ect0, 6_001), None);
    let three = [(5_001, 7_001), (3_001, 4_001), (1_001, 2_001)];
    assert_eq!(raw.sacked(), three);
    assert!(raw.headers.iter().all(|h| h.options.len() <= 40));
}

/// RFC 9293, 3.7.1 (RFC 6691): what options take is not there for data, offload or not.
#[test]
fn rfc9293_3_7_1_segments_are_shorter_by_the_option() {
    for gso in [0, 60_000] {
        for (peer, len) in [(PEER, 988), (STAMPED, 976)] {
            let mut raw = with_option(peer);
            raw.with(|conn, _| conn.set_path(1460, gso));
            let outs = raw.write(6_000);
            let cuts = core::mem::take(&mut raw.cuts);
            assert!(cuts.iter().all(|cut| u32::from(*cut) == len), "{cuts:?}");
            assert_eq!(cuts.is_empty(), gso == 0);
            let whole = outs.iter().filter(|o| o.len % len != 0).count();
            assert!(whole <= 1, "one short segment at the end: {outs:?}");
        }
    }
}

/// RFC 9768, 3.2.3.2.2: ACKs that don't arrive for their option
/// (tcp_accecn_client_accecn_options_drop).
#[test]
fn rfc9768_3_2_3_2_2_acks_lost_for_the_option() {
    for peer in [
        PEER,
        Peer {
            sack: false,
            ..PEER
        },
    ] {
        let mut raw = with_option(peer);
        assert_eq!(data(&mut raw, Codepoint::Ect0, 1), ecn(1, 0, 1_001));
        assert_eq!(data(&mut raw, Codepoint::Ect0, 1), ecn(1, 0, 2_001));
        assert_eq!(data(&mut raw, Codepoint::Ect0, 1), None);
        assert_eq!(data(&mut raw, Codepoint::Ect0, 1_001), None);
        assert_eq!(
            raw.headers[0].flags,
            ACK.with_ace(5),
            "the field is still there"
        );
    }
}

/// RFC 9768, 3.2.3.2.2: a SYN-ACK that keeps coming although it was acknowledged with the option.
#[test]
fn rfc9768_3_2_3_2_2_the_last_ack_lost_for_the_option() {
    let mut raw = with_option(PEER);
    for expected in [ecn(1, 0, 1), None] {
        raw.now = raw.now.add(ms(1000));
        let options = raw.syn_options();
        let outs = raw.feed_with(SYN_ACK.with_ace(0b010), 0, 1, 0, options);
        assert_eq!(outs, [out(ACK.with_ace(0b010), 1, 1, 0)]);
        assert_eq!(said(&raw), expected);
    }
}

/// RFC 9768, 3.2.3.2.2: the first data with the option is lost, and sent again without.
#[test]
fn rfc9768_3_2_3_2_2_the_first_data_lost_for_the_option() {
    let mut raw = with_option(PEER);
    raw.write(500);
    assert!(said(&raw).is_some());
    raw.now = raw.now.add(ms(5));
    // The tail probe, then the time-out.
    raw.pass(ms(2000));
    assert_eq!(said(&raw), None);
    assert_eq!(raw.conn.ecn_account().failed, 4);
    // Not if later data with the option arrived (tcp_accecn_client_accecn_options_lost).
    let mut raw = with_option(PEER);
    raw.write(3_000);
    let options = Options {
        acc_ecn: ecn(1, 0, 1_012),
        sack: {
            let (ours, _) = raw.zeros();
            let mut sack = crate::tcp::wire::SackBlocks::default();
            sack.push(SeqRange::new(ours.add(1_977), ours.add(2_965)));
            sack
        },
        ..raw.options()
    };
    raw.feed_with(ACK.with_ace(5), 1, 1, 0, options);
    raw.pass(ms(3000));
    assert!(said(&raw).is_some());
    assert!(
        raw.codepoints.iter().all(|c| *c == Codepoint::Ect0),
        "retransmissions"
    );
}

/// RFC 9768, 3.2.3.2.2: a path that drops whatever has the option, found out late: by a FIN without data, and
/// after data without it arrived (the simulator's seeds 3608, 5350 and 39473).
#[test]
fn rfc9768_3_2_3_2_2_what_goes_in_vain_again_and_again() {
    let mut raw = with_option(PEER);
    raw.shutdown();
    assert!(said(&raw).is_some());
    raw.pass(ms(2000));
    assert_eq!((said(&raw), raw.conn.ecn_account().failed), (None, 4));
    let mut raw = with_option(PEER);
    raw.write(500);
    let ack = Options {
        acc_ecn: ecn(1, 0, 501),
        ..raw.options()
    };
    raw.feed_with(ACK.with_ace(5), 1, 501, 0, ack);
    raw.write(500);
    raw.pass(ms(3_000));
    assert!(said(&raw).is_some(), "a loss or two");
    raw.pass(ms(60_000));
    assert_eq!((said(&raw), raw.conn.ecn_account().failed), (None, 4));
}

/// RFC 9768, 3.2.2.1: the pure ACK of a SYN-ACK that came again says what that one came with, whatever
/// its flags (tcp_accecn_3rd_ack_after_synack_rxmt, tcp_accecn_no_ecn_after_accecn); data does not.
#[test]
fn rfc9768_3_2_2_1_a_syn_ack_again() {
    for (codepoint, ace) in [
        (Codepoint::NotEct, 0b010),
        (Codepoint::Ect1, 0b011),
        (Codepoint::Ect0, 0b100),
        (Codepoint::Ce, 0b110),
    ] {
        for flags in [SYN_ACK.with_ace(0b010), SYN_ACK] {
            let mut raw = with_option(PEER);
            raw.codepoint = codepoint;
            let options = raw.syn_options();
            let outs = raw.feed_with(flags, 0, 1, 0, options);
            assert_eq!(outs, [out(ACK.with_ace(ace), 1, 1, 0)]);
            assert_eq!(said(&raw), ecn(1, 0, 1));
            assert_eq!(raw.conn.ecn_account().received_ce, 0);
            assert_eq!(raw.write(5)[0].flags, PSH_ACK.with_ace(5));
        }
    }
}

/// RFC 9768, 3.2.2.1: a pure ACK goes first if there is data to send with the last ACK of the handshake.
#[test]
fn rfc9768_3_2_2_1_a_pure_ack_goes_first() {
    let mut raw = Raw::closed(PEER, Default::default());
    raw.net.ecn = Policy::ASK_ACCURATE;
    raw.open();
    let options = raw.syn_options();
    let seg = raw.segment(SYN_ACK.with_ace(0b010), 0, 1, 0, options);
    let outs = raw.with(|conn, cx| {
        let _ = conn.handle_segment(cx, &seg, None);
        conn.queue(Buf::new(vec![0; 10]));
        conn.mark_push();
    });
    let expected = [
        out(ACK.with_ace(0b010), 1, 1, 0),
        out(PSH_ACK.with_ace(5), 1, 1, 10),
    ];
    assert_eq!(outs, expected);
}

/// RFC 9768, A.1: without new data an ACK counts if its timestamp is new (tcp_accecn_tsprogress,
/// tcp_accecn_tsnoprogress, tcp_accecn_noprogress); with header prediction or without.
#[test]
fn rfc9768_a_1_progress_by_timestamps() {
    for slowly in [false, true] {
        for (peer, newer, expected) in [(PEER, false, 0), (STAMPED, false, 0), (STAMPED, true, 1)] {
            for len in [0, 10] {
                let mut raw = with_option(peer);
                raw.slowly = slowly;
                raw.write(900);
                if let (true, Some(ts)) = (newer, &mut raw.peer.ts) {
                    *ts += 1;
                }
                let mut options = raw.options();
                options.acc_ecn = ecn(1, 900, 1);
                raw.feed_with(ACK.with_ace(6), 1, 1, len, options);
                let account = raw.conn.ecn_account();
                assert_eq!(account.delivered_ce, expected);
                assert_eq!(account.delivered.ce, 900 * expected);
            }
        }
    }
}

/// RFC 9768, 3.2.3.1: what the peer counts (tcp_accecn_delivered_updates), and the reduction that a
/// mark causes (RFC 3168, 6.1.2).
#[test]
fn rfc9768_3_2_3_1_reports() {
    let mut raw = with_option(PEER);
    let mut sent = 0;
    let mut next = |raw: &mut Raw, ace, option| {
        raw.now = raw.now.add(ms(70));
        raw.write(900);
        sent += 900;
        ack_with(raw, ace, 1 + sent, option);
        raw.conn.ecn_account()
    };
    let expect = |account: crate::tcp::ecn::Account, packets, ect1, ce, ect0| {
        assert_eq!(account.delivered_ce, packets);
        assert_eq!(account.delivered, Bytes { ect1, ce, ect0 });
        assert_eq!(account.failed, 0);
    };
    expect(next(&mut raw, 6, ecn(1, 900, 1)), 1, 0, 900, 0);
    let cwnd = raw.conn.cwnd();
    assert!(cwnd < 10_000, "{cwnd}");
    expect(next(&mut raw, 6, ecn(1, 900, 901)), 1, 0, 900, 900);
    expect(next(&mut raw, 7, ecn(1, 1_800, 901)), 2, 0, 1_800, 900);
    // The other order, and a shorter one.
    let other = Some(AccEcn::new(Order::Ect0First, [901, 1_800, 901], 3));
    expect(next(&mut raw, 7, other), 2, 900, 1_800, 900);
    let short = Some(AccEcn::new(Order::Ect0First, [1_801, 1_800, 0], 2));
    expect(next(&mut raw, 7, short), 2, 900, 1_800, 1_800);
    expect(
        next(&mut raw, 0, ecn(901, 2_700, 1_801)),
        3,
        900,
        2_700,
        1_800,
    );
}

/// RFC 9768, 3.2.1: r.cep counts packets: as many as receive offload joined, however long our own
/// segments are. A claim of more of them than there are bytes is not believed.
#[test]
fn rfc9768_3_2_1_packets_that_were_joined() {
    for (mss, len, joined, packets) in [
        (1_000, 1_800, 3, 3),
        (536, 1_460, 1, 1),
        (1_000, 2_000, 0, 1),
        (1_000, 5, u16::MAX, 5),
        (1_000, 0, 7, 1),
    ] {
        for slowly in [false, true] {
            let mut raw = with_option(Peer { mss, ..PEER });
            raw.slowly = slowly;
            raw.codepoint = Codepoint::Ce;
            raw.joined = joined;
            raw.feed(ACK.with_ace(5), 1, 1, len);
            let account = raw.conn.ecn_account();
            assert_eq!(account.received_ce, packets, "{len} bytes in {joined}");
            assert_eq!(account.received.ce, len);
            let outs = raw.write(1);
            assert_eq!(u32::from(outs[0].flags.ace()), (5 + packets) & 7);
        }
    }
}

/// RFC 9768, 3.2.3.2.5: marked bytes without a marked packet are an invention of the path, unless the
/// field may have wrapped: by ACKs of ours that were marked. Without timestamps the reports of these
/// are not looked at; with them they may be lost.
#[test]
fn rfc9768_3_2_3_2_5_marked_acks_are_no_contradiction() {
    for peer in [PEER, STAMPED] {
        for acks in [0, 8] {
            let mut raw = with_option(peer);
            raw.write(900);
            ack_with(&mut raw, 5, 901, ecn(1, 0, 901));
            for n in 0..acks {
                if let Some(ts) = &mut raw.peer.ts {
                    *ts += 1;
                }
                let mut options = raw.options();
                options.acc_ecn = ecn(1, 0, 901);
                raw.feed_with(ACK.with_ace(5), 1 + n * 1_000, 901, 1_000, options);
                assert_eq!(raw.codepoints, [Codepoint::Ect0]);
            }
            raw.write(900);
            // Seven of our ACKs, and the data.
            ack_with(&mut raw, 5, 1_801, ecn(1, 900, 901));
            raw.write(1);
            let honest = raw.codepoints[0] == Codepoint::Ect0;
            assert_eq!(honest, acks > 0, "{acks} ACKs, {:?}", peer.ts);
        }
    }
}

/// RFC 9768, 3.2.2.5.2: one ACK for ten segments; the option tells that nothing was marked
/// (tcp_accecn_delivered_falseoverflow_detect, tcp_accecn_delivered_2ndlargeack).
#[test]
fn rfc9768_3_2_2_5_2_a_large_ack() {
    for (options, expected) in [(true, 0), (false, 8)] {
        let mut raw = with_option(PEER);
        raw.net.slow_start_after_idle = false;
        raw.write(9_880);
        let first = ecn(1, 0, 989).filter(|_| options);
        ack_with(&mut raw, 5, 989, first);
        ack_with(&mut raw, 5, 9_881, ecn(1, 0, 9_881).filter(|_| options));
        assert_eq!(delivered_ce(&raw), expected);
    }
}

/// RFC 9768, 3.2.2.2: a marked SYN or SYN-ACK is congestion before there is data (RFC 5562, 3.1): the
/// window begins with one segment.
#[test]
fn rfc9768_3_2_2_2_a_marked_handshake() {
    let mut raw = Raw::closed(PEER, Default::default());
    raw.net.ecn = Policy::ASK_ACCURATE;
    raw.open();
    let options = raw.syn_options();
    raw.feed_with(SYN_ACK.with_ace(0b110), 0, 1, 0, options);
    assert_eq!((raw.conn.cwnd(), delivered_ce(&raw)), (1_000, 0));
    let mut server = Server::new(|_| {});
    assert!(matches!(
        server.feed(SYN.with_ace(0b111), 0, None),
        SynRcvdOn::Reply(..)
    ));
    let conn = server.establish(ACK.with_ace(0b110), 0, ecn(1, 0, 1));
    assert_eq!((conn.cwnd(), conn.ecn_account().delivered_ce), (1_460, 1));
}

/// RFC 9768, 3.2.2.5.1: marked packets without data are answered three at a time.
#[test]
fn rfc9768_3_2_2_5_1_marked_acks_are_answered() {
    let mut raw = with_option(PEER);
    raw.codepoint = Codepoint::Ce;
    for _ in 0..2 {
        assert_eq!(raw.feed(ACK.with_ace(5), 1, 1, 0), []);
        assert_eq!(raw.feed(ACK.with_ace(5), 1, 1, 0), []);
        assert_eq!(raw.feed(ACK.with_ace(5), 1, 1, 0).len(), 1);
        assert!(raw.headers[0].options.sack.is_empty());
    }
}

/// RFC 9768, 3.2.2.5.1: without SACK an ACK of an ACK could be taken for a duplicate, so pure ACKs have
/// no ECT then.
#[test]
fn rfc9768_3_2_2_5_1_no_marked_acks_without_sack() {
    let mut raw = with_option(Peer {
        sack: false,
        ..PEER
    });
    assert_eq!(raw.codepoints, [Codepoint::NotEct]);
    raw.write(10);
    assert_eq!(raw.codepoints, [Codepoint::Ect0]);
}

/// RFC 9768, 3.2.2.2: the ACKs of TIME-WAIT, and of FIN-WAIT-2 without a user, have the counter.
#[test]
fn rfc9768_3_2_2_2_who_answers_in_its_place() {
    let mut raw = with_option(PEER);
    raw.codepoint = Codepoint::Ce;
    raw.feed(ACK.with_ace(5), 1, 1, 10);
    raw.read(10);
    raw.close();
    raw.feed(ACK.with_ace(5), 11, 2, 0);
    let cx: Cx<'_, Host> = Cx {
        now: raw.now,
        net: &raw.net,
        mib: &raw.mib,
    };
    let header = raw.conn.time_wait(&cx).ack(raw.now);
    assert_eq!(header.flags, ACK.with_ace(7));
}

/// `tcp_ecn_option` may change while a connection lives.
#[test]
fn the_option_can_be_switched_off() {
    let mut raw = with_option(PEER);
    let off = OptionPolicy::from_sysctls(0, 3, true);
    raw.with(|conn, _| conn.set_ecn_option(off));
    assert_eq!(raw.write(1_000), [out(PSH_ACK.with_ace(5), 1, 1, 1_000)]);
    assert_eq!(said(&raw), None);
}

// --- the listener's side -------------------------------------------------------------------------

/// A half-open connection of a listener that knows accurate ECN.
struct Server {
    net: NetConfig,
    mib: Counters,
    entry: SynRcvd,
    now: Instant,
}

const IRS: SeqNum = SeqNum::new(700);
const ISS: SeqNum = SeqNum::new(900);

fn segment(flags: Flags, seq: u32, len: u32, option: Option<AccEcn>) -> Segment {
    let acked = if flags.contains(ACK) { 1 } else { 0 };
    Segment {
        header: Header {
            seq: IRS.add(seq),
            ack: ISS.add(acked),
            flags,
            wnd: 60_000,
            urg: 0,
            options: Options {
                mss: flags.contains(SYN).then_some(1_460),
                sack_permitted: flags.contains(SYN),
                wscale: flags.contains(SYN).then_some(8),
                acc_ecn: option,
                ..Options::default()
            },
        },
        payload_len: len,
        ..Segment::default()
    }
}

impl Server {
    /// After a SYN that asks for accurate ECN.
    fn new(change: impl FnOnce(&mut NetConfig)) -> Self {
        Self::after(0b111, change)
    }

    fn after(ace: u8, change: impl FnOnce(&mut NetConfig)) -> Self {
        let mut net = NetConfig {
            ecn: Policy::ASK_ACCURATE,
            congestion: Algorithm::Reno,
            ..NetConfig::default()
        };
        change(&mut net);
        let (mib, now) = (Counters::default(), Instant::from_nanos(5_000_000_000));
        let cx: Cx<'_, Host> = Cx {
            now,
            net: &net,
            mib: &mib,
        };
        let syn = segment(SYN.with_ace(ace), 0, 0, None);
        let params = SynParams {
            iss: ISS,
            ts_offset: 0,
            mss_route: 1_460,
            mss_default: 536,
            rcvbuf: 131_072,
            fixed: false,
            metrics: Metrics::NONE,
        };
        let entry = SynRcvd::new(&cx, &SocketConfig::default(), &syn, params);
        Self {
            net,
            mib,
            entry,
            now,
        }
    }

    fn feed(&mut self, flags: Flags, seq: u32, option: Option<AccEcn>) -> SynRcvdOn {
        let cx: Cx<'_, Host> = Cx {
            now: self.now,
            net: &self.net,
            mib: &self.mib,
        };
        self.entry
            .handle_segment(&cx, &segment(flags, seq, 0, option))
    }

    /// The timer expires: the SYN-ACK that goes out.
    fn timeout(&mut self) -> Header {
        self.now = self.entry.deadline();
        let cx: Cx<'_, Host> = Cx {
            now: self.now,
            net: &self.net,
            mib: &self.mib,
        };
        match self.entry.handle_timeout(&cx) {
            SynRcvdTimeout::Retransmit(header) => header,
            _ => panic!("no SYN-ACK"),
        }
    }

    /// The connection after the last ACK.
    fn establish(&mut self, flags: Flags, len: u32, option: Option<AccEcn>) -> Connection<Host> {
        let cx: Cx<'_, Host> = Cx {
            now: self.now,
            net: &self.net,
            mib: &self.mib,
        };
        let mut conn = Connection::from_syn_rcvd(&cx, SocketConfig::default(), &self.entry);
        conn.set_path(1460, 0);
        let seg = segment(flags, 1, len, option);
        let buf = (len > 0).then(|| Buf::new(vec![0; len as usize]));
        let done = conn.handle_segment(&cx, &seg, buf);
        assert!(matches!(done, Disposition::Done));
        assert_eq!(conn.state(), ConnState::Established);
        conn
    }

    /// What a write sends first.
    fn write(&self, conn: &mut Connection<Host>) -> (Header, Codepoint) {
        let cx: Cx<'_, Host> = Cx {
            now: self.now,
            net: &self.net,
            mib: &self.mib,
        };
        conn.queue(Buf::new(vec![0; 100]));
        conn.mark_push();
        let transmit = conn.poll_transmit(&cx).expect("data");
        assert_eq!(transmit.payload.map(|buf| buf.bytes.len()), Some(100));
        (transmit.header, transmit.codepoint)
    }
}

/// RFC 9768, 3.2.3.2.2: an unanswered SYN-ACK comes again without the option, then without the flags
/// (tcp_accecn_listen_opt_drop).
#[test]
fn rfc9768_3_2_3_2_2_a_syn_ack_that_is_not_answered() {
    let mut server = Server::new(|_| {});
    let first = server.entry.syn_ack(server.now);
    assert_eq!(
        (first.flags.ace(), first.options.acc_ecn),
        (0b010, ecn(1, 0, 1))
    );
    let expected = [0b010, 0, 0];
    for ace in expected {
        let header = server.timeout();
        assert_eq!((header.flags.ace(), header.options.acc_ecn), (ace, None));
    }
    // RFC 9768, 3.1.5: accurate feedback, and no ECT.
    let mut conn = server.establish(ACK.with_ace(0b010), 0, ecn(1, 0, 1));
    let (header, codepoint) = server.write(&mut conn);
    assert_eq!((header.flags.ace(), codepoint), (5, Codepoint::NotEct));
    assert_eq!(header.options.acc_ecn, ecn(1, 0, 1));
    // After the first of them there is ECT (tcp_accecn_synack_rxmt).
    let mut server = Server::new(|_| {});
    server.timeout();
    let mut conn = server.establish(ACK.with_ace(0b010), 0, ecn(1, 0, 1));
    let (header, codepoint) = server.write(&mut conn);
    assert_eq!(codepoint, Codepoint::Ect0);
    assert_eq!(header.options.acc_ecn, ecn(1, 0, 1));
}

/// RFC 9768, 3.1.5: a SYN again that asks for nothing is answered as before, without the option, and
/// nothing has ECT from then on (tcp_accecn_accecn_then_notecn_syn); one that asks for the classic
/// kind is a contradiction and resets.
#[test]
fn rfc9768_3_1_5_a_syn_again() {
    let mut server = Server::new(|_| {});
    let SynRcvdOn::Reply(header, DropReason::Duplicate) = server.feed(SYN, 0, None) else {
        panic!("no answer");
    };
    assert_eq!((header.flags.ace(), header.options.acc_ecn), (0b010, None));
    let mut conn = server.establish(ACK.with_ace(0b010), 0, ecn(1, 0, 1));
    let (header, codepoint) = server.write(&mut conn);
    assert_eq!((header.flags.ace(), codepoint), (5, Codepoint::NotEct));
    assert_eq!(header.options.acc_ecn, ecn(1, 0, 1));
    for (first, second) in [(0b111, 0b011), (0b011, 0b111)] {
        let mut server = Server::after(first, |_| {});
        let SynRcvdOn::Abort(header) = server.feed(SYN.with_ace(second), 0, None) else {
            panic!("no reset");
        };
        assert_eq!(header.flags, RST_ACK);
    }
    // A listener that does not know the accurate kind sees no difference.
    let mut server = Server::after(0b111, |net| net.ecn = Policy::ASK);
    let on = server.feed(SYN.with_ace(0b011), 0, None);
    assert!(matches!(on, SynRcvdOn::Reply(..)));
}

/// RFC 9768, 3.2.2.1, table 4: what completes the handshake, and what it says of the path
/// (tcp_accecn_negotiation_bleach, tcp_accecn_3rd_ack_lost_data_ce).
#[test]
fn rfc9768_3_2_2_1_the_last_ack() {
    for (ace, len, codepoint, marks) in [
        (0b010, 0, Codepoint::Ect0, 0),
        (0b001, 0, Codepoint::Ect0, 0),
        (0b111, 0, Codepoint::Ect0, 0),
        (0b110, 0, Codepoint::NotEct, 1),
        (0b100, 0, Codepoint::NotEct, 0),
        (0b000, 0, Codepoint::NotEct, 0),
        // The counter, on data.
        (0b101, 10, Codepoint::Ect0, 0),
        (0b110, 10, Codepoint::Ect0, 0),
        (0b000, 10, Codepoint::NotEct, 0),
    ] {
        let mut server = Server::new(|_| {});
        let mut conn = server.establish(ACK.with_ace(ace), len, None);
        assert_eq!(conn.ecn_account().delivered_ce, marks, "{ace:03b}");
        let (header, found) = server.write(&mut conn);
        assert_eq!(
            (header.flags.ace(), found),
            (5, codepoint),
            "{ace:03b} {len}"
        );
    }
    // `tcp_ecn_fallback=0`: tampering is nobody's business.
    let off = |net: &mut NetConfig| net.ecn_option = OptionPolicy::from_sysctls(2, 3, false);
    let mut server = Server::new(off);
    let mut conn = server.establish(ACK.with_ace(0b110), 0, None);
    assert_eq!(server.write(&mut conn).1, Codepoint::Ect0);
}

/// RFC 9768, 3.2.2.2: an ACK that is sent before there is a connection has the counter as well.
#[test]
fn rfc9768_3_2_2_2_acks_of_a_half_open_connection() {
    let mut server = Server::new(|_| {});
    let on = server.feed(ACK, 4_000_000, None);
    assert!(matches!(on, SynRcvdOn::Reply(header, _) if header.flags == ACK.with_ace(5)));
}

/// A hash for cookies.
struct Key;
impl cookie::Keyed for Key {
    fn hash(&self, a: u32, b: u32) -> u32 {
        a.wrapping_mul(0x9e37_79b9) ^ b.rotate_left(9)
    }
}

/// RFC 9768, 5.1: a SYN cookie has no room for the kind of ECN, but the last ACK tells it.
#[test]
fn rfc9768_5_1_syn_cookies() {
    for (ace, last, kind) in [
        (0b111, 0b010, 2),
        (0b111, 0b101, 2),
        (0b011, 0b000, 1),
        (0b011, 0b001, 1),
        (0b000, 0b000, 0),
    ] {
        let server = Server::new(|_| {});
        let cx: Cx<'_, Host> = Cx {
            now: server.now,
            net: &server.net,
            mib: &server.mib,
        };
        let params = SynParams {
            iss: SeqNum::default(),
            ts_offset: 0,
            mss_route: 1_460,
            mss_default: 536,
            rcvbuf: 131_072,
            fixed: false,
            metrics: Metrics::NONE,
        };
        let mut syn = segment(SYN.with_ace(ace), 0, 0, None);
        syn.header.options.timestamps = Some(Timestamps { val: 5, ecr: 0 });
        let config = SocketConfig::default();
        let header = cookie::answer(&cx, &config, &syn, params, &Key);
        assert_eq!(header.flags.ace(), [0, 0b001, 0b010][kind]);
        let mut ack = segment(ACK.with_ace(last), 1, 0, None);
        ack.header.ack = header.seq.add(1);
        ack.header.options.timestamps = Some(Timestamps {
            val: 6,
            ecr: header.options.timestamps.expect("timestamps").val,
        });
        let entry = cookie::accept(&cx, &config, &ack, params, &Key).expect("our cookie");
        let conn: Connection<Host> = Connection::from_syn_rcvd(&cx, config, &entry);
        assert_eq!(
            conn.ecn_account().kind as usize,
            kind,
            "{ace:03b} {last:03b}"
        );
    }
}

/// The log's words hold the option, whatever is in it.
#[test]
fn the_log_holds_the_option() {
    let mut options = vec![Options::default()];
    for order in [Order::Ect0First, Order::Ect1First] {
        for len in 0..=3 {
            for fields in [
                [0; 3],
                [1, 0, 1],
                [0xff_ffff; 3],
                [0x12_3456, 0xab_cdef, 0x98_7654],
            ] {
                options.push(Options {
                    wscale: Some(14),
                    acc_ecn: Some(AccEcn::new(order, fields, len)),
                    ..Options::default()
                });
            }
        }
    }
    for options in options {
        let header = Header {
            options,
            ..Header::default()
        };
        let words = header_words(&header);
        let mut fixed = [0; crate::tcp::log::WORDS];
        fixed[..7].copy_from_slice(&words.fixed);
        assert_eq!(
            header_of(&fixed, words.acc_ecn, &words.sack, words.blocks),
            header
        );
    }
}
