// SPDX-License-Identifier: GPL-2.0

//! The mechanisms of a connection one by one, named after the rule that each test checks. Long as a
//! list is: tests that share nothing but the few helpers at the top.

use crate::raw::*;
use crate::tcp::{
    connection::{CloseReason, Events, IcmpError},
    mib::Mib,
    recv::QUICK_ACKS,
    seq::SeqNum,
    state::ConnState::{self, *},
    time::Duration,
    wire::Flags,
};

fn lens(outs: &[Out]) -> Vec<u32> {
    outs.iter().map(|o| o.len).collect()
}

fn seqs(outs: &[Out]) -> Vec<u32> {
    outs.iter().map(|o| o.seq).collect()
}

/// RFC 9293, 3.7.4 (SHLD-7), in Minshall's variant: one partial segment out at most.
/// RFC 9293, MUST-17.
#[test]
fn rfc9293_3_7_4_nagle() {
    let nagle = |nodelay: bool| {
        let mut raw = Raw::established();
        raw.with(|conn, cx| {
            let mut config = *conn.config();
            config.nodelay = nodelay;
            conn.configure(cx, config);
        });
        raw
    };
    let mut raw = nagle(false);
    assert_eq!(lens(&raw.write(10)), [10], "nothing is out");
    assert_eq!(lens(&raw.write(10)), [], "a partial segment is out");
    assert_eq!(lens(&raw.write(990)), [1_000], "a full segment may go");
    assert_eq!(lens(&raw.write(10)), []);
    assert_eq!(
        lens(&raw.feed(ACK, 1, 11, 0)),
        [10],
        "the partial one is acknowledged"
    );
    let mut raw = nagle(true);
    assert_eq!(lens(&raw.write(10)), [10]);
    assert_eq!(lens(&raw.write(10)), [10]);
    // The end of the stream holds nothing back.
    let mut raw = nagle(false);
    raw.write(10);
    raw.write(10);
    assert_eq!(raw.shutdown(), [out(Flags::FIN.with(PSH_ACK), 11, 1, 10)]);
}

/// TCP_CORK and MSG_MORE: no partial segment for 200 ms at least, then all the same.
#[test]
fn cork_holds_partial_segments_back() {
    let mut raw = Raw::established();
    raw.with(|conn, cx| {
        let mut config = *conn.config();
        config.cork = true;
        conn.configure(cx, config);
    });
    assert_eq!(lens(&raw.write(1_010)), [1_000]);
    raw.feed(ACK, 1, 1_001, 0);
    assert_eq!(lens(&raw.pass(ms(199))), []);
    assert_eq!(lens(&raw.pass(ms(30))), [10]);
    assert_eq!(
        raw.mib.get(Mib::TCPWinProbe),
        0,
        "it was not the peer's window"
    );
    let timeout = raw.conn.poll_timeout().unwrap().since(raw.now);
    assert!(
        timeout < ms(220),
        "and nothing to back off from: {timeout:?}"
    );
    raw.feed(ACK, 1, 1_011, 0);
    assert_eq!(lens(&raw.write(10)), []);
    let outs = raw.with(|conn, cx| {
        let mut config = *conn.config();
        config.cork = false;
        conn.configure(cx, config);
    });
    assert_eq!(lens(&outs), [10], "uncorked");
}

/// RFC 9293, 3.8.6.2.1: the sender's silly window avoidance.
/// RFC 9293, MUST-38.
#[test]
fn rfc9293_3_8_6_2_1_sender_avoids_silly_windows() {
    let mut raw = Raw::established();
    raw.peer.wnd = 300;
    raw.feed(ACK, 1, 1, 1);
    // Less than a segment, less than half of 20,000.
    assert_eq!(lens(&raw.write(5_000)), []);
    // The override time-out, so that it does not wait for ever.
    assert_eq!(lens(&raw.pass(ms(230))), [300]);
    raw.peer.wnd = 10_000;
    assert_eq!(
        lens(&raw.feed(ACK, 2, 301, 0)),
        [700, 1_000, 1_000, 1_000, 1_000]
    );
}

/// RFC 9293, 3.8.6.2.2: the receiver opens the window by a segment or half of its buffer only.
/// RFC 9293, MUST-39.
#[test]
fn rfc9293_3_8_6_2_2_receiver_avoids_silly_windows() {
    let mut raw = Raw::established();
    let mut at = 1;
    loop {
        let (_, _, _, next, edge) = raw.conn.numbers();
        let window = edge.distance_from(next);
        if window == 0 {
            break;
        }
        raw.feed(ACK, at, 1, window.min(1_000));
        at += window.min(1_000);
    }
    let edge = raw.conn.numbers().4;
    let (_, outs) = raw.read(100);
    assert_eq!(outs, [], "100 bytes are not worth an update");
    assert_eq!(raw.conn.numbers().4, edge);
    let (_, outs) = raw.read(u32::MAX);
    assert_eq!(outs.len(), 1, "one update for all of it");
    assert!(raw.conn.numbers().4.distance_from(edge) > 10_000);
}

/// RFC 9293, 3.8.6.3 and RFC 5681, 4.2: at least every second full segment, within 500 ms.
/// RFC 9293, SHLD-18, SHLD-19, MUST-40.
#[test]
fn rfc9293_3_8_6_3_delayed_ack() {
    let mut raw = Raw::established();
    // The user answers, so that an ACK is worth waiting for.
    for n in 0..20 {
        raw.feed(PSH_ACK, 1 + n * 10, 1 + n, 10);
        raw.read(100);
        raw.write(1);
    }
    raw.feed(ACK, 201, 21, 0);
    assert_eq!(raw.feed(PSH_ACK, 201, 21, 10), []);
    let outs = raw.pass(ms(40));
    assert_eq!(outs, [out(ACK, 21, 211, 0)]);
    assert_eq!(raw.feed(ACK, 211, 21, 1_000), []);
    assert_eq!(raw.feed(ACK, 1_211, 21, 1_000), [out(ACK, 21, 2_211, 0)]);
    // Data on its way takes the ACK along.
    assert_eq!(raw.feed(PSH_ACK, 2_211, 21, 10), []);
    assert_eq!(raw.write(5), [out(PSH_ACK, 21, 2_221, 5)]);
    assert_eq!(raw.pass(ms(100)), []);
}

/// RFC 9293, 3.8.6.3 (SHLD-18): a user who reads each segment as it comes, and answers nothing, makes no
/// more ACKs than one for every second segment of a stream. What the peer pushed, or what is smaller, is
/// likely the last for now: its sender is told at once.
#[test]
fn rfc9293_3_8_6_3_a_reader_does_not_make_acks() {
    let mut raw = Raw::established();
    let mut at = 1;
    let mut feed = |raw: &mut Raw, flags, len| {
        let mut acks = raw.feed(flags, at, 1, len).len();
        at += len;
        acks += raw.read(u32::MAX).1.len();
        acks
    };
    // The first ones have their ACKs at once (RFC 5681, 4.2 lets them).
    for _ in 0..=QUICK_ACKS {
        feed(&mut raw, ACK, 1_000);
    }
    let acks: Vec<_> = (0..6).map(|_| feed(&mut raw, ACK, 1_000)).collect();
    assert_eq!(acks, [0, 1, 0, 1, 0, 1], "one for two");
    assert_eq!(feed(&mut raw, PSH_ACK, 1_000), 1, "pushed");
    assert_eq!(feed(&mut raw, ACK, 1_000), 0, "what was pushed has its ACK");
    assert_eq!(feed(&mut raw, ACK, 999), 1, "the second");
    assert_eq!(feed(&mut raw, ACK, 999), 1, "less than a full segment");
}

/// RFC 2018, 4 and RFC 2883, 4: what is out of order, and what came twice.
/// RFC 9293, SHLD-31, MAY-13.
#[test]
fn rfc2018_4_and_rfc2883_4_blocks() {
    let mut raw = Raw::established_with(SACK);
    assert_eq!(
        raw.feed(ACK, 1_001, 1, 1_000),
        [out(ACK, 1, 1, 0)],
        "at once"
    );
    assert_eq!(raw.sacked(), [(1_001, 2_001)]);
    raw.feed(ACK, 3_001, 1, 1_000);
    assert_eq!(raw.sacked(), [(3_001, 4_001), (1_001, 2_001)]);
    // A duplicate of what waits: first the duplicate, then the block that it lies in.
    raw.feed(ACK, 1_001, 1, 1_000);
    assert_eq!(
        raw.sacked(),
        [(1_001, 2_001), (1_001, 2_001), (3_001, 4_001)]
    );
    raw.feed(ACK, 2_001, 1, 1_000);
    assert_eq!(raw.sacked(), [(1_001, 4_001)]);
    assert_eq!(
        raw.feed(ACK, 1, 1, 1_000),
        [out(ACK, 1, 4_001, 0)],
        "the hole is filled"
    );
    assert_eq!(raw.sacked(), []);
    // A duplicate of what was acknowledged.
    raw.feed(ACK, 1, 1, 1_000);
    assert_eq!(raw.sacked(), [(1, 1_001)]);
    raw.feed(ACK, 4_001, 1, 1_000);
    assert_eq!(raw.sacked(), [], "reported once");
}

/// RFC 6928, section 2: the initial window is in SMSS, which options are a part of (RFC 5681, section 2): ten
/// full segments go out behind a small request.
#[test]
fn rfc6928_2_ten_segments_behind_a_small_one() {
    for (ts, request, full) in [
        (None, 0, 10),
        (None, 100, 9),
        (Some(1), 0, 10),
        (Some(1), 100, 10),
    ] {
        let mut raw = Raw::established_with(Peer { ts, ..SACK });
        let mss = raw.conn.mss();
        assert_eq!(raw.info().cwnd, 10, "as TCP_INFO tells it");
        raw.write(request);
        let sent = raw.write(30_000);
        let whole = sent.iter().filter(|out| out.len == mss).count();
        assert_eq!(whole, full, "{request} bytes, then segments of {mss}");
    }
}

/// RFC 5681, 3.2 and RFC 6582, 3.2: three duplicate ACKs; a partial ACK; the full ACK.
#[test]
fn rfc6582_3_2_newreno() {
    let mut raw = Raw::established_with(Peer {
        wnd: 60_000,
        ..Peer::default()
    });
    assert_eq!(raw.write(30_000).len(), 10, "the initial window (RFC 6928)");
    // RFC 3042: two new segments for two duplicates.
    assert_eq!(seqs(&raw.feed(ACK, 1, 1, 0)), [10_001]);
    assert_eq!(seqs(&raw.feed(ACK, 1, 1, 0)), [11_001]);
    assert_eq!(seqs(&raw.feed(ACK, 1, 1, 0)), [1]);
    // Half of what was out, without what limited transmit sent (RFC 5681, 3.2, step 2).
    assert_eq!(raw.conn.ssthresh(), 5_000);
    // RFC 9937, 5: RecoverFS is 12,000 - 2,000, 8,000 are in flight, and for 1,000 delivered 500
    // may go out.
    assert_eq!(raw.conn.cwnd(), 8_500);
    assert_eq!(raw.mib.get(Mib::TCPRenoRecovery), 1);
    // Partial: the next hole at once.
    assert_eq!(seqs(&raw.feed(ACK, 1, 3_001, 0))[0], 3_001);
    // Full.
    raw.feed(ACK, 1, 12_001, 0);
    assert_eq!(raw.conn.cwnd(), 5_000);
    assert_eq!(raw.mib.get(Mib::RetransSegs), 2);
    assert_eq!(raw.mib.get(Mib::TCPTimeouts), 0);
}

/// RFC 3042, 2: each of the first two duplicate ACKs lets one new segment out, if there is one that the
/// peer's window takes, and the congestion window stays what it is.
#[test]
fn rfc3042_2_limited_transmit() {
    let none: &[u32] = &[];
    for (wnd, bytes, first, second) in [
        (60_000, 30_000, &[10_001][..], &[11_001][..]),
        (11_000, 30_000, &[10_001][..], none),
        (10_000, 30_000, none, none),
        (60_000, 10_000, none, none),
    ] {
        let mut raw = Raw::established_with(Peer {
            wnd,
            ..Peer::default()
        });
        assert_eq!(raw.write(bytes).len(), 10);
        let cwnd = raw.conn.cwnd();
        assert_eq!(seqs(&raw.feed(ACK, 1, 1, 0)), first, "{wnd} {bytes}");
        assert_eq!(seqs(&raw.feed(ACK, 1, 1, 0)), second, "{wnd} {bytes}");
        assert_eq!(raw.conn.cwnd(), cwnd, "{wnd} {bytes}");
        assert_eq!(raw.mib.get(Mib::RetransSegs), 0, "{wnd} {bytes}");
        // The third is the one that counts (RFC 5681, 3.2).
        assert_eq!(seqs(&raw.feed(ACK, 1, 1, 0))[0], 1, "{wnd} {bytes}");
    }
}

/// RFC 6675, 5: the holes, and nothing but the holes, are sent again.
#[test]
fn rfc6675_5_holes_only() {
    let mut raw = Raw::established_with(SACK);
    raw.write(10_000);
    raw.pass(ms(20));
    // 2 and 5 of ten are missing.
    assert_eq!(raw.feed_sack(1_001, &[(2_001, 3_001)]), []);
    assert_eq!(raw.feed_sack(1_001, &[(2_001, 4_001)]), []);
    assert_eq!(
        seqs(&raw.feed_sack(1_001, &[(5_001, 6_001), (2_001, 4_001)])),
        [1_001]
    );
    let mut again = Vec::new();
    for end in [7_001, 8_001, 9_001, 10_001] {
        again.extend(seqs(&raw.feed_sack(1_001, &[(5_001, end), (2_001, 4_001)])));
    }
    assert_eq!(again, [4_001]);
    raw.feed_sack(10_001, &[]);
    assert_eq!(raw.conn.unacked(), 0);
    assert_eq!(raw.mib.get(Mib::TCPSackRecovery), 1);
}

/// RFC 8985, 6.2: with few segments out, a quarter of a round-trip stands in for three duplicates.
#[test]
fn rfc8985_6_2_step_5_reordering_timer() {
    let mut raw = Raw::established_with(SACK);
    raw.write(2_000);
    raw.pass(ms(20));
    assert_eq!(raw.feed_sack(1, &[(1_001, 2_001)]), []);
    assert_eq!(raw.pass(ms(4)), []);
    assert_eq!(seqs(&raw.pass(ms(2))), [1]);
    assert_eq!(raw.mib.get(Mib::TCPTimeouts), 0);
    // And if it was only late, nothing is ever sent again.
    let mut raw = Raw::established_with(SACK);
    raw.write(2_000);
    raw.pass(ms(20));
    raw.feed_sack(1, &[(1_001, 2_001)]);
    raw.pass(ms(4));
    raw.feed_sack(2_001, &[]);
    assert_eq!(raw.pass(ms(5_000)), []);
    assert_eq!(raw.mib.get(Mib::RetransSegs), 0);
}

/// RFC 8985, 6.2: where reordering was seen, three duplicates are no loss.
#[test]
fn rfc8985_6_2_step_4_reordering_is_remembered() {
    let mut raw = Raw::established_with(SACK);
    raw.write(1_000);
    raw.write(1_000);
    raw.pass(ms(20));
    raw.feed_sack(1, &[(1_001, 2_001)]);
    raw.feed_sack(2_001, &[]);
    raw.write(6_000);
    raw.pass(ms(20));
    for end in [4_001, 5_001, 6_001, 7_001, 8_001] {
        assert_eq!(raw.feed_sack(2_001, &[(3_001, end)]), []);
    }
    raw.feed_sack(8_001, &[]);
    assert_eq!(raw.mib.get(Mib::RetransSegs), 0);
    assert_eq!(raw.mib.get(Mib::TCPSackRecovery), 0);
}

/// RFC 8985, 6.2: a retransmission that is lost itself is found without a time-out.
#[test]
fn rfc8985_6_2_lost_retransmission() {
    let mut raw = Raw::established_with(SACK);
    raw.write(20_000);
    raw.pass(ms(20));
    assert_eq!(seqs(&raw.feed_sack(1, &[(1_001, 6_001)]))[0], 1);
    // New data sent after the retransmission arrives, a round-trip later.
    raw.pass(ms(1));
    let outs = raw.feed_sack(1, &[(1_001, 10_001)]);
    assert!(!outs.is_empty(), "new data");
    let (first, end) = (outs[0].seq, outs[0].seq + outs[0].len);
    assert_eq!(first, 10_001);
    raw.pass(ms(25));
    assert_eq!(seqs(&raw.feed_sack(1, &[(1_001, end)]))[0], 1);
    assert_eq!(raw.mib.get(Mib::TCPLostRetransmit), 1);
    assert_eq!(raw.mib.get(Mib::TCPTimeouts), 0);
}

/// RFC 8985, 7.2: a lost tail is probed after two round-trips, and SACK does the rest. RFC 8985, 7.4:
/// what the probe's ACK says of the loss.
#[test]
fn rfc8985_7_tail_loss_probe() {
    let mut raw = Raw::established_with(SACK);
    raw.write(5_000);
    raw.pass(ms(20));
    raw.feed_sack(1_001, &[]);
    let heard = raw.now;
    assert_eq!(raw.conn.srtt(), Some(ms(20)));
    let outs = raw.pass(ms(42));
    assert_eq!(
        outs,
        [out(PSH_ACK, 4_001, 1, 1_000)],
        "the last segment, after 2 SRTT and what a clock may lack"
    );
    assert_eq!(raw.mib.get(Mib::TCPTimeouts), 0);
    // All but the probe were lost.
    raw.pass(ms(20));
    let outs = raw.feed_sack(1_001, &[(4_001, 5_001)]);
    let later = raw.pass(ms(6));
    let again: Vec<u32> = [seqs(&outs), seqs(&later)].concat();
    assert_eq!(again[0], 1_001);
    // A round trip for the probe, and a reordering window: the time-out would come after 220 ms.
    assert_eq!(raw.now.since(heard), ms(68));
    raw.feed_sack(5_001, &[]);
    assert_eq!(raw.mib.get(Mib::TCPTimeouts), 0);
    // 7.4.2: a probe that repaired the only loss is answered by a smaller window.
    let mut raw = Raw::established_with(SACK);
    raw.write(3_000);
    raw.pass(ms(20));
    raw.feed_sack(1_001, &[]);
    assert_eq!(seqs(&raw.pass(ms(60))), [2_001]);
    let before = raw.conn.cwnd();
    raw.feed_sack(3_001, &[]);
    raw.write(1_000);
    raw.feed_sack(4_001, &[]);
    assert_eq!(raw.mib.get(Mib::TCPLossProbeRecovery), 1);
    assert!(raw.conn.cwnd() < before);
    // And one that was not needed, the duplicate being reported, by nothing.
    let mut raw = Raw::established_with(SACK);
    raw.write(3_000);
    raw.pass(ms(20));
    raw.feed_sack(1_001, &[]);
    assert_eq!(seqs(&raw.pass(ms(60))), [2_001]);
    let before = raw.conn.cwnd();
    raw.feed_sack(3_001, &[(2_001, 3_001)]);
    raw.write(1_000);
    raw.feed_sack(4_001, &[]);
    assert_eq!(raw.mib.get(Mib::TCPLossProbeRecovery), 0);
    assert!(raw.conn.cwnd() >= before);
}

/// RFC 5681, 4.3: the loss of what was sent again after a time-out lowers the window once more.
#[test]
fn rfc5681_4_3_lost_retransmissions_after_a_time_out() {
    let mut raw = Raw::established_with(SACK);
    raw.write(10_000);
    // All is lost; one goes again, then two, of which the first is lost too.
    let at = raw.conn.poll_timeout().unwrap();
    raw.pass(at.since(raw.now));
    while raw.mib.get(Mib::TCPTimeouts) == 0 {
        let at = raw.conn.poll_timeout().unwrap();
        raw.pass(at.since(raw.now));
    }
    raw.pass(ms(20));
    raw.feed_sack(1_001, &[]);
    raw.pass(ms(20));
    raw.feed_sack(2_001, &[]);
    raw.pass(ms(20));
    let before = raw.conn.ssthresh();
    let recoveries = raw.mib.get(Mib::TCPSackRecovery);
    let again = raw.feed_sack(2_001, &[(3_001, 4_001)]);
    let later = raw.pass(ms(30));
    assert_eq!(
        raw.mib.get(Mib::TCPLostRetransmit),
        1,
        "{again:?} {later:?}"
    );
    assert_eq!(raw.mib.get(Mib::TCPSackRecovery), recoveries + 1);
    assert!(raw.conn.ssthresh() < before || before == 2_000, "{before}");
}

/// RFC 5681, 4.3, RFC 6675, 5: what of the data that was sent during a recovery is lost is another window's loss, also
/// if it was found before the recovery ended.
#[test]
fn rfc5681_4_3_losses_of_the_next_window() {
    let mut raw = Raw::established_with(SACK);
    raw.write(40_000);
    raw.pass(ms(20));
    let sent = |raw: &Raw| raw.conn.numbers().1.distance_from(raw.zeros().0);
    // The first is lost.
    raw.feed_sack(1, &[(1_001, 5_001)]);
    raw.pass(ms(6));
    assert_eq!(raw.mib.get(Mib::TCPSackRecovery), 1);
    let (point, first) = (sent(&raw), raw.conn.ssthresh());
    raw.feed_sack(1, &[(1_001, point)]);
    for _ in 0..3 {
        raw.pass(ms(10));
        raw.feed_sack(1, &[(1_001, point)]);
    }
    // Of what is new the first is lost too, and found before the repair of the old loss is acknowledged.
    let top = sent(&raw);
    assert!(top >= point + 2_000, "{point} {top}");
    raw.feed_sack(1, &[(point + 1_000, top), (1_001, point)]);
    raw.pass(ms(10));
    assert_eq!(raw.mib.get(Mib::TCPSackRecovery), 1);
    raw.feed_sack(point, &[(point + 1_000, top)]);
    assert_eq!(raw.mib.get(Mib::TCPSackRecovery), 2);
    assert!(raw.conn.ssthresh() < first, "{first}");
}

/// RFC 5681, 3.1 (equation 4): a time-out during fast recovery takes half of what was in flight, not of the window that
/// RFC 9937 has at that moment.
#[test]
fn rfc5681_3_1_a_time_out_in_recovery() {
    let mut raw = Raw::established_with(Peer {
        wnd: 65_000,
        ..SACK
    });
    let mut acked = 1;
    for _ in 0..3 {
        raw.write(60_000);
        raw.pass(ms(20));
        let nxt = raw.conn.numbers().1.distance_from(raw.zeros().0);
        acked = nxt;
        raw.feed_sack(acked, &[]);
    }
    let cwnd = raw.conn.cwnd();
    assert!(cwnd >= 40_000, "{cwnd}");
    raw.write(60_000);
    raw.pass(ms(20));
    let nxt = raw.conn.numbers().1.distance_from(raw.zeros().0);
    assert!(nxt - acked >= 40_000);
    // All but the last four are lost, and so is what is sent again.
    for n in (1..=4).rev() {
        raw.feed_sack(acked, &[(nxt - 4_000, nxt - (n - 1) * 1_000)]);
    }
    assert_eq!(raw.mib.get(Mib::TCPSackRecovery), 1);
    assert!(raw.conn.cwnd() < 15_000, "{}", raw.conn.cwnd());
    raw.pass(ms(400));
    assert_eq!(raw.mib.get(Mib::TCPTimeouts), 1);
    assert!(raw.conn.ssthresh() >= 10_000, "{}", raw.conn.ssthresh());
}

/// RFC 6298, 5.4 to 5.6: the earliest segment, one at a time, twice as late each time.
/// RFC 9293, MUST-19.
#[test]
fn rfc6298_5_retransmission_timer() {
    let mut raw = Raw::established();
    raw.write(5_000);
    let mut times = Vec::new();
    let start = raw.now;
    for _ in 0..4 {
        let at = raw.conn.poll_timeout().expect("a timer");
        let outs = raw.pass(at.since(raw.now));
        assert_eq!(outs, [out(ACK, 1, 1, 1_000)]);
        times.push(raw.now.since(start).as_millis_ceil());
    }
    // SRTT 20 ms, RTTVAR 10 ms with a floor of 200 ms: 220, then twice, four times, eight times.
    assert_eq!(
        times,
        [220, 220 + 440, 220 + 440 + 880, 220 + 440 + 880 + 1760]
    );
    // An answer: slow start from one segment, and no backoff any more.
    assert_eq!(seqs(&raw.feed(ACK, 1, 1_001, 0)), [1_001, 2_001]);
}

/// RFC 9293, 3.8.3 and the queue: a FIN is sent again when nothing else is left to be.
#[test]
fn a_lost_fin_is_sent_again() {
    let mut raw = Raw::established();
    raw.write(100);
    raw.feed(ACK, 1, 101, 0);
    assert_eq!(raw.shutdown(), [out(FIN_ACK, 101, 1, 0)]);
    let outs = raw.pass(ms(900));
    assert_eq!(outs, [out(FIN_ACK, 101, 1, 0); 2]);
    raw.feed(ACK, 1, 102, 0);
    assert_eq!(raw.state(), FinWait2);
    assert_eq!(raw.conn.poll_timeout(), None);
}

/// RFC 9293, 3.8.6.1 (MUST-36, MUST-37, SHLD-30): probes back off, and as long as they are
/// answered the connection lives.
/// RFC 9293, SHLD-29.
#[test]
fn rfc9293_3_8_6_1_probes_of_a_shut_window() {
    let mut raw = Raw::established();
    raw.peer.wnd = 0;
    raw.feed(ACK, 1, 1, 1);
    raw.write(1_000);
    let mut spans = Vec::new();
    for _ in 0..40 {
        let before = raw.now;
        let at = raw.conn.poll_timeout().expect("a timer");
        let outs = raw.pass(at.since(raw.now));
        assert_eq!(
            outs,
            [out(ACK, 0, 2, 0)],
            "a number that has to be answered"
        );
        spans.push(raw.now.since(before).as_millis_ceil());
        assert_eq!(raw.feed(ACK, 2, 1, 0), []);
    }
    assert_eq!(spans[..4], [220, 440, 880, 1_760]);
    assert_eq!(spans[39], 120_000);
    raw.peer.wnd = 1_000;
    assert_eq!(lens(&raw.feed(ACK, 2, 1, 0)), [1_000]);
    // Without answers it ends.
    let mut raw = Raw::established();
    raw.peer.wnd = 0;
    raw.feed(ACK, 1, 1, 1);
    raw.write(1_000);
    raw.pass(Duration::from_secs(3_600));
    assert_eq!(
        (raw.state(), raw.error()),
        (Closed, Some(CloseReason::TimedOut))
    );
    // And nobody is left to wait, an answer is not enough: the peer could hold memory for ever.
    let mut raw = Raw::established();
    raw.peer.wnd = 0;
    raw.feed(ACK, 1, 1, 0);
    raw.write(1_000);
    raw.close();
    for _ in 0..40 {
        let Some(at) = raw.conn.poll_timeout() else {
            break;
        };
        raw.pass(at.since(raw.now));
        raw.feed(ACK, 1, 1, 0);
    }
    assert_eq!(raw.state(), Closed);
}

/// A window that shuts over data in flight: retransmissions stand in for probes.
/// RFC 9293, MUST-35.
#[test]
fn rfc9293_3_8_6_1_a_window_shut_over_data_in_flight() {
    let mut raw = Raw::established();
    raw.write(1_000);
    raw.peer.wnd = 0;
    raw.feed(ACK, 1, 1, 1);
    for _ in 0..40 {
        let at = raw.conn.poll_timeout().expect("a timer");
        assert_eq!(lens(&raw.pass(at.since(raw.now))), [1_000]);
        raw.feed(ACK, 2, 1, 0);
    }
    assert_eq!(raw.state(), Established);
}

/// RFC 5482: the user's patience, to the millisecond.
#[test]
fn rfc5482_user_timeout() {
    let mut raw = Raw::established();
    raw.set_user_timeout(ms(3_000));
    raw.write(100);
    let start = raw.now;
    let mut ended = None;
    while ended.is_none() {
        let at = raw.conn.poll_timeout().expect("a timer");
        raw.pass(at.since(raw.now));
        ended = (raw.state() == Closed).then_some(raw.now);
    }
    assert_eq!(raw.error(), Some(CloseReason::TimedOut));
    // Counted from the first retransmission, 220 ms after the data.
    assert_eq!(ended.unwrap().since(start), ms(3_220));
}

/// RFC 9293, 3.9.2.2 and RFC 5927, 4: ICMP ends an open, and is a hint afterwards.
/// RFC 9293, MUST-54, MUST-56, MUST-47.
#[test]
fn rfc9293_3_9_2_2_icmp() {
    let number = |raw: &Raw| raw.conn.numbers().0;
    let mut raw = Raw::syn_sent(Peer::default());
    let una = number(&raw);
    raw.icmp(una.sub(1), IcmpError::Host);
    raw.icmp(una.add(1), IcmpError::Host);
    assert_eq!(raw.state(), SynSent, "about nothing that is out");
    for (error, reason) in [
        (IcmpError::Host, CloseReason::HostUnreachable),
        (IcmpError::Prohibited, CloseReason::Prohibited),
        (IcmpError::NoProtocol, CloseReason::NoProtocol),
        (IcmpError::BadHeader, CloseReason::BadHeader),
    ] {
        let mut raw = Raw::syn_sent(Peer::default());
        let at = number(&raw);
        raw.icmp(at, error);
        assert_eq!((raw.state(), raw.error()), (Closed, Some(reason)));
    }
    let mut raw = Raw::established();
    raw.write(100);
    let una = number(&raw);
    raw.icmp(una, IcmpError::Refused);
    assert_eq!(raw.state(), Established);
    raw.icmp(una, IcmpError::Net);
    raw.pass(Duration::from_secs(3_600));
    assert_eq!(
        (raw.state(), raw.error()),
        (Closed, Some(CloseReason::NetUnreachable))
    );
}

/// RFC 1191, 6.4, and RFC 8201, 5.4: what is too large for the path is cut and sent again, and it is
/// no congestion.
#[test]
fn rfc1191_6_4_a_narrower_path() {
    let mut raw = Raw::established();
    raw.write(3_000);
    let (before, mss) = (raw.conn.cwnd(), raw.conn.mss());
    // RFC 5927, 7.2: about what was never sent, or has arrived already, it is a forgery.
    let (una, nxt) = {
        let n = raw.conn.numbers();
        (n.0, n.1)
    };
    for seq in [una.sub(1), nxt] {
        assert!(raw
            .with(|conn, cx| conn.handle_mtu(cx, seq, 600))
            .is_empty());
        assert_eq!(raw.conn.mss(), mss);
    }
    let mut outs = raw.with(|conn, cx| conn.handle_mtu(cx, una, 700));
    for ack in [701, 1_001, 1_701, 2_001, 2_701] {
        outs.extend(raw.feed(ACK, 1, ack, 0));
    }
    assert!(outs.iter().all(|o| o.len <= 700), "{outs:?}");
    assert!(raw.conn.cwnd() >= before);
    let end = outs.iter().map(|o| o.seq + o.len).max();
    assert_eq!((outs[0].seq, end), (1, Some(3_001)));
    // A forger can't make segments tiny.
    raw.write(100);
    let una = raw.conn.numbers().0;
    raw.with(|conn, cx| conn.handle_mtu(cx, una, 1));
    assert!(raw.conn.mss() >= 500);
}

/// RFC 9293, 3.7.1 and CVE-2019-11479: a peer can't make segments tiny either.
#[test]
fn rfc9293_3_7_1_a_tiny_mss() {
    for mss in [0, 1, 47, 48] {
        let peer = Peer {
            mss,
            ts: Some(1),
            sack: true,
            ..Peer::default()
        };
        let mut raw = Raw::established_with(peer);
        // SACK blocks on every segment, too.
        raw.feed(ACK, 101, 1, 100);
        let outs = raw.write(5_000);
        assert!(outs.iter().all(|o| o.len >= 36), "{mss}: {outs:?}");
        assert_eq!(raw.cuts, [], "there is no offload");
    }
}

/// RFC 9293, 3.6.1: after CLOSE nobody reads, and a peer that sends learns it.
#[test]
fn rfc9293_3_6_1_data_after_close_resets() {
    for (state, close_first) in [(FinWait1, 1), (FinWait2, 2)] {
        let mut raw = Raw::established();
        raw.close();
        if state == FinWait2 {
            raw.feed(ACK, 1, 2, 0);
            // The small entry takes over there.
            assert!(raw.events.has(Events::TIME_WAIT));
            continue;
        }
        let outs = raw.feed(PSH_ACK, 1, close_first, 10);
        assert_eq!(outs, [out(RST, close_first, 0, 0)]);
        assert_eq!(raw.state(), Closed);
    }
}

/// RFC 9293, 3.10.5: ABORT.
#[test]
fn rfc9293_3_10_5_abort() {
    type Make = fn() -> Raw;
    let cases: [(Make, bool); 8] = [
        (|| Raw::syn_sent(Peer::default()), false),
        (Raw::syn_received, true),
        (Raw::established, true),
        (Raw::fin_wait_1, true),
        (Raw::fin_wait_2, true),
        (Raw::close_wait, true),
        (Raw::closing, false),
        (Raw::last_ack, false),
    ];
    for (make, resets) in cases {
        let mut raw = make();
        let state = raw.state();
        let outs = raw.with(|conn, cx| conn.abort(cx));
        let sent = outs.iter().any(|o| o.flags.contains(RST));
        assert_eq!(sent, resets, "{state:?}");
        assert_eq!(raw.state(), Closed, "{state:?}");
        assert_eq!(raw.conn.poll_timeout(), None, "{state:?}");
        assert_eq!(raw.conn.memory().0, 0, "{state:?}");
    }
}

/// RFC 9293, 3.10.4: CLOSE in SYN-RECEIVED waits for the handshake, which still recovers.
#[test]
fn rfc9293_3_10_4_close_in_syn_received() {
    let mut raw = Raw::syn_received();
    assert_eq!(raw.close(), []);
    assert_eq!(
        raw.pass(ms(1_000)),
        [out(SYN_ACK, 0, 1, 0)],
        "the SYN is not given up"
    );
    assert_eq!(raw.feed(ACK, 1, 1, 0), [out(FIN_ACK, 1, 1, 0)]);
    assert_eq!(raw.state(), FinWait1);
}

/// RFC 7323, 2: scaled windows both ways; a SYN's window never is.
#[test]
fn rfc7323_2_window_scale() {
    let peer = Peer {
        wscale: Some(3),
        wnd: 4_000,
        ..Peer::default()
    };
    let mut raw = Raw::established_with(peer);
    assert_eq!(raw.write(40_000).iter().map(|o| o.len).sum::<u32>(), 4_000);
    // 4,000 << 3, and ten segments of congestion window, less those just acknowledged.
    let outs = raw.feed(ACK, 1, 4_001, 0);
    assert!(outs.iter().map(|o| o.len).sum::<u32>() >= 10_000);
    let (_, _, _, next, edge) = raw.conn.numbers();
    let field = raw.headers.last().unwrap().wnd;
    // 128 KiB of memory that the user fixed, half of it for payload: a shift of 1.
    assert_eq!(u32::from(field) << 1, edge.distance_from(next));
}

/// RFC 8985, 6.2, step 4: a retransmission that was not needed makes for more patience.
#[test]
fn rfc8985_6_2_step_4_duplicates_stretch_the_window() {
    let lost_after = |duplicate: bool| {
        let mut raw = Raw::established_with(SACK);
        raw.write(2_000);
        raw.pass(ms(20));
        raw.feed_sack(1, &[(1_001, 2_001)]);
        assert_eq!(seqs(&raw.pass(ms(5))), [1], "a quarter of 20 ms");
        let blocks = [(1, 1_001)];
        raw.feed_sack(2_001, if duplicate { &blocks } else { &[] });
        raw.write(2_000);
        raw.pass(ms(20));
        raw.feed_sack(2_001, &[(3_001, 4_001)]);
        let mut waited = 0;
        while raw.pass(ms(1)).is_empty() {
            waited += 1;
        }
        waited
    };
    assert_eq!(lost_after(false), 4);
    assert_eq!(lost_after(true), 9);
}

/// What was selectively acknowledged arrived then, not when the hole before it was filled.
#[test]
fn a_filled_hole_is_not_reordering() {
    let mut raw = Raw::established_with(SACK);
    raw.write(5_000);
    raw.pass(ms(20));
    raw.feed_sack(1, &[(1_001, 4_001)]);
    raw.pass(ms(20));
    raw.feed_sack(5_001, &[]);
    let mut at = 5_001;
    while raw.conn.cwnd() < 6_000 {
        let mut outs = raw.write(3_000);
        while !outs.is_empty() {
            at += lens(&outs).iter().sum::<u32>();
            raw.pass(ms(20));
            outs = raw.feed_sack(at, &[]);
        }
    }
    assert_eq!(lens(&raw.write(5_000)), [1_000; 5]);
    raw.pass(ms(20));
    assert_eq!(
        seqs(&raw.feed_sack(at, &[(at + 1_000, at + 4_000)]))[..1],
        [at],
        "at once"
    );
}

/// RFC 2018, 8: a receiver may drop what it has reported; the time-out finds out, and reports made
/// afterwards count again.
#[test]
fn rfc2018_8_reneging() {
    let mut raw = Raw::established_with(SACK);
    raw.write(4_000);
    raw.pass(ms(20));
    raw.feed_sack(1, &[(1, 1_001), (2_001, 3_001)]);
    let mut again = Vec::new();
    for ack in [1, 1, 1_001, 2_001, 3_001] {
        if let Some(at) = raw.conn.poll_timeout() {
            again.extend(seqs(&raw.pass(at.since(raw.now))));
        }
        again.extend(seqs(&raw.feed_sack(ack, &[])));
    }
    for seq in [1, 1_001, 2_001, 3_001] {
        assert!(again.contains(&seq), "{seq} in {again:?}");
    }
    let mut raw = Raw::established_with(SACK);
    raw.write(4_000);
    raw.pass(ms(20));
    raw.feed_sack(1, &[(1, 2_001)]);
    while raw.mib.get(Mib::TCPTimeouts) == 0 {
        let at = raw.conn.poll_timeout().expect("a timer");
        raw.pass(at.since(raw.now));
    }
    // The same report again: it counts, and only the rest has to be sent.
    assert_eq!(
        seqs(&raw.feed_sack(1, &[(1, 2_001), (3_001, 4_001)])),
        [2_001]
    );
}

/// A super-segment is cut where SACK blocks end, however long the connection has lived.
#[test]
fn super_segments_are_cut_by_reports() {
    let mut raw = Raw::established_with(SACK);
    raw.with(|conn, _| conn.set_path(1460, 65_000));
    let mut at = 1;
    for _ in 0..500 {
        for out in raw.write(1_000) {
            at += out.len;
        }
        raw.feed_sack(at, &[]);
    }
    let outs = raw.write(10_000);
    assert_eq!(
        (lens(&outs), raw.cuts.last()),
        (vec![5_000, 5_000], Some(&1_000))
    );
    raw.pass(ms(20));
    let outs = raw.feed_sack(at, &[(at + 1_000, at + 4_000)]);
    assert_eq!(
        (outs[0].seq, outs[0].len),
        (at, 1_000),
        "the hole and no more"
    );
    // Acknowledged in part: nothing is cut for that, and nothing of it is sent again.
    let mut raw = Raw::established_near(SACK);
    raw.with(|conn, _| conn.set_path(1460, 65_000));
    assert_eq!(lens(&raw.write(10_000)), [5_000, 5_000]);
    let memory = raw.conn.memory().0;
    raw.feed_sack(3_001, &[]);
    assert_eq!(raw.conn.memory().0, memory);
    let mut outs = Vec::new();
    while raw.mib.get(Mib::TCPTimeouts) == 0 {
        let at = raw.conn.poll_timeout().expect("a timer");
        outs.extend(raw.pass(at.since(raw.now)));
    }
    assert_eq!(outs.last().map(|o| o.seq), Some(3_001));
}

/// Memory for what a peer sends is bounded, in order and out of order, whatever it is cut into;
/// and what had to be dropped is not reported as received (RFC 2018, 8).
#[test]
fn crumbs_do_not_eat_the_memory() {
    let mut raw = Raw::established_with(SACK);
    raw.overhead = 5_000;
    // None to copy them together (crumbs.rs).
    crate::platform::make_memory_scarce(1);
    let mut at = 1;
    for _ in 0..60 {
        raw.feed(ACK, at, 1, 1_501);
        at = raw.their_next();
    }
    crate::platform::make_memory_scarce(0);
    assert!(raw.mib.get(Mib::TCPRcvQDrop) > 0);
    assert!(raw.conn.memory().1 <= 2 * 131_072 + 6_501);
    // Dropped data was not acknowledged.
    assert_eq!(raw.conn.recv_len(), at - 1);

    let mut raw = Raw::established_with(SACK);
    let mut last = 0;
    for n in 0..2_000 {
        let before = raw.conn.memory().1;
        raw.feed(ACK, 11 + 2 * n, 1, 1);
        if raw.conn.memory().1 > before {
            last = 11 + 2 * n;
        }
    }
    assert!(last > 1_000 && last < 4_000, "{last}");
    assert!(raw.conn.memory().1 <= 131_072 * 3 / 2 + 257);
    // Nearer data takes the place of the farthest.
    raw.feed(ACK, 5, 1, 1);
    let blocks = raw.sacked();
    assert_eq!(blocks[0], (5, 6));
    assert!(
        blocks.iter().all(|b| b.1 <= last),
        "{blocks:?} beyond {last}"
    );
}

/// A receiver may report nonsense: nothing of it may be believed, and nothing may break.
#[test]
fn rfc2018_nonsense_blocks_are_ignored() {
    let mut raw = Raw::established_with(SACK);
    raw.write(5_000);
    for blocks in [
        &[(5_001, 9_001)][..],
        &[(3_001, 2_001)],
        &[(2_001, 2_001)],
        &[(0, 1_001)],
        &[(u32::MAX / 2, 2_001)],
        &[(5_002, 5_003), (4_294_960_000, 1)],
    ] {
        raw.feed_sack(1, blocks);
        assert_eq!(raw.mib.get(Mib::RetransSegs), 0, "{blocks:?}");
    }
    // A block for every other byte: few cuts, and all of it is delivered in the end.
    for n in 0..2_000 {
        raw.feed_sack(1, &[(2 + 2 * n, 3 + 2 * n)]);
    }
    let (send, _) = raw.conn.memory();
    assert!(send < 100_000, "{send}");
    raw.feed_sack(5_001, &[]);
    assert_eq!(raw.conn.unacked(), 0);
    assert_eq!(raw.conn.memory().0, 0);
}

/// Anything at all may arrive: no panic, no endless talk, no unbounded memory, and no timer that
/// outlives the connection.
#[test]
fn any_segments_are_survived() {
    let mut rng = crate::pair::Rng::new(2_026);
    for round in 0..400 {
        let peer = Peer {
            sack: round % 2 == 0,
            ts: (round % 3 == 0).then_some(9),
            wscale: (round % 5 == 0).then_some(round as u8),
            ..Peer::default()
        };
        let mut raw = match round % 7 {
            0 => Raw::syn_sent(peer),
            1 => Raw::syn_received(),
            2 => Raw::fin_wait_1(),
            3 => Raw::close_wait(),
            _ => Raw::established_with(peer),
        };
        for _ in 0..300 {
            match rng.below(12) {
                0 => drop(raw.write(rng.below(3_000) as usize)),
                1 => drop(raw.read(rng.below(5_000) as u32)),
                2 => drop(raw.pass(ms(rng.below(2_000)))),
                _ => {}
            }
            let near = |rng: &mut crate::pair::Rng, at: SeqNum, zero: SeqNum| {
                let offset = match rng.below(4) {
                    0 => 0,
                    1 => rng.below(10) as u32,
                    2 => rng.below(70_000) as u32,
                    _ => rng.next() as u32,
                };
                let at = at.distance_from(zero);
                if rng.chance(500) {
                    at.wrapping_add(offset)
                } else {
                    at.wrapping_sub(offset)
                }
            };
            let (una, nxt, _, rcv, _) = raw.conn.numbers();
            let (ours, theirs) = raw.zeros();
            let seq = near(&mut rng, rcv, theirs);
            let base = if rng.chance(500) { una } else { nxt };
            let ack = near(&mut rng, base, ours);
            let mut options = raw.options();
            for _ in 0..rng.below(5) {
                let start = near(&mut rng, una, ours);
                let end = near(&mut rng, nxt, ours);
                let block = crate::tcp::seq::SeqRange::new(ours.add(start), ours.add(end));
                options.sack.push(block);
            }
            // Mostly plausible flags, RST seldom, or nothing would live long.
            let flags = match rng.below(20) {
                0 => Flags::from_bits(rng.next() as u8),
                1 => SYN,
                2 => SYN_ACK,
                3 => FIN_ACK,
                _ => ACK,
            };
            raw.peer.wnd = if rng.chance(200) {
                0
            } else {
                rng.next() as u16
            };
            let len = if rng.chance(500) {
                0
            } else {
                rng.below(3_000) as u32
            };
            let outs = raw.feed_with(flags, seq, ack, len, options);
            assert!(outs.len() < 200, "{} segments in answer to one", outs.len());
            let (send, recv) = raw.conn.memory();
            assert!(send < 3 << 20 && recv < 400_000, "memory: {send} {recv}");
            if raw.state() == ConnState::Closed {
                assert_eq!(raw.conn.poll_timeout(), None);
            }
        }
    }
}

/// A connection whose SYN was answered after `lost` time-outs of a second; `echo` is what the answer
/// echoes: the timestamp of the SYN with that number, if there are timestamps.
fn opened_late(mut peer: Peer, lost: usize, echo: Option<usize>) -> Raw {
    peer.wnd = 60_000;
    peer.ts = echo.map(|_| 1);
    let mut raw = Raw::syn_sent(peer);
    let val = |raw: &Raw| raw.headers[0].options.timestamps.map_or(0, |ts| ts.val);
    let mut sent = vec![val(&raw)];
    for _ in 0..lost {
        assert_eq!(raw.pass(ms(1_000)), [out(SYN, 0, 0, 0)]);
        sent.push(val(&raw));
    }
    raw.now = raw.now.add(ms(100));
    raw.echo = echo.map_or(0, |n| sent[n]);
    let options = raw.syn_options();
    assert_eq!(
        raw.feed_with(SYN_ACK, 0, 1, 0, options),
        [out(ACK, 1, 1, 0)]
    );
    raw
}

/// RFC 6298, 5.7 (MUST): after a time-out of the SYN the first time-out of data is three seconds, unless
/// a timestamp told the round trip (RFC 7323, 4.2): 100 ms, so 300 ms (2.2), and SRTT + 200 ms at least.
#[test]
fn rfc6298_5_7_three_seconds_after_a_lost_syn() {
    for (lost, echo, rto) in [
        (0, None, 300),
        (1, None, 3_000),
        (3, None, 3_000),
        (1, Some(1), 300),
    ] {
        let mut raw = opened_late(Peer::default(), lost, echo);
        assert_eq!(raw.write(500).len(), 1);
        assert_eq!(raw.pass(ms(rto - 2)), [], "{lost} lost");
        assert_eq!(raw.pass(ms(4)).len(), 1, "{lost} lost");
        // Its acknowledgment is no sample, but the time-out doubles from there.
        assert_eq!(raw.pass(ms(2 * rto - 10)), []);
        assert_eq!(raw.pass(ms(20)).len(), 1);
    }
}

/// RFC 5681, 3.1 (MUST): the window begins with one segment if a SYN was lost; as in Linux, if more than
/// one was, and not if the answer is to the first, so that none was.
#[test]
fn rfc5681_3_1_one_segment_after_lost_syns() {
    let first = |lost, echo| opened_late(Peer::default(), lost, echo).write(30_000).len();
    assert_eq!(first(0, None), 10);
    assert_eq!(first(1, None), 10);
    assert_eq!(first(2, None), 1);
    assert_eq!(first(2, Some(2)), 1);
    assert_eq!(first(2, Some(0)), 10);
}

/// RFC 6069, 4.2: a retransmission that found no way, as ICMP says of the very segment, was not lost to
/// congestion: its time-out is not doubled. SRTT is 20 ms, so the time-out 220 ms.
#[test]
fn rfc6069_4_2_no_way_is_no_congestion() {
    let timed_out = || {
        let mut raw = Raw::established_with(Peer::default());
        assert_eq!(raw.write(2_000).len(), 2);
        assert_eq!(raw.pass(ms(219)), []);
        assert_eq!(raw.pass(ms(2)), [out(Flags::ACK, 1, 1, 1_000)]);
        let una = raw.conn.numbers().0;
        (raw, una)
    };
    // The next one comes after 440 ms.
    let (mut raw, _) = timed_out();
    assert_eq!(raw.pass(ms(436)), []);
    assert_eq!(raw.pass(ms(4)).len(), 1);
    for error in [IcmpError::Host, IcmpError::Net] {
        let (mut raw, una) = timed_out();
        assert_eq!(raw.pass(ms(100)), []);
        assert_eq!(raw.icmp(una, error), []);
        assert_eq!(raw.pass(ms(116)), []);
        assert_eq!(raw.pass(ms(4)).len(), 1);
        // As often as it is said, but a time-out without it doubles.
        assert_eq!(raw.pass(ms(216)), []);
        assert_eq!(raw.pass(ms(200)), []);
        assert_eq!(raw.icmp(una, error), []);
        assert_eq!(raw.pass(ms(1)).len(), 1, "it is late already");
    }
    // Not by what is about another segment, or no matter of the way.
    for (offset, error) in [(1_000, IcmpError::Host), (0, IcmpError::Refused)] {
        let (mut raw, una) = timed_out();
        assert_eq!(raw.icmp(una.add(offset), error), []);
        assert_eq!(raw.pass(ms(436)), []);
        assert_eq!(raw.pass(ms(4)).len(), 1);
    }
}
