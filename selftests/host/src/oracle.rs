// SPDX-License-Identifier: GPL-2.0

//! What the kernel's packetdrill scripts found (Documentation/packetdrill.rst): each test is the
//! rule behind a script, without sockets and in virtual time.

use crate::raw::*;
use crate::tcp::{
    config::SocketConfig,
    congestion::Algorithm,
    mib::Mib,
    state::ConnState,
    time::Duration, //
};

fn lens(outs: &[Out]) -> Vec<u32> {
    outs.iter().map(|o| o.len).collect()
}

/// tcp_basic_server: the ACK of a FIN that follows data waits for the user's own, as any ACK may
/// (RFC 9293, 3.8.6.3), and rides on it. tcp_close_close-remote-fin-then-close: a lone one not.
#[test]
fn rfc9293_3_8_6_3_a_fin_is_acknowledged_with_ours() {
    let mut raw = Raw::established();
    raw.feed(ACK, 1, 1, 1_000);
    raw.read(1_000);
    assert_eq!(raw.feed(FIN_ACK, 1_001, 1, 0), []);
    assert_eq!(raw.close(), [out(FIN_ACK, 1, 1_002, 0)]);
    let mut raw = Raw::established();
    assert_eq!(raw.feed(FIN_ACK, 1, 1, 0), [out(ACK, 1, 2, 0)]);
    // Out of order it is answered at once, and so is one that comes again.
    let mut raw = Raw::established_with(SACK);
    assert_eq!(raw.feed(FIN_ACK, 1_001, 1, 0), [out(ACK, 1, 1, 0)]);
    assert_eq!(raw.feed(ACK, 1, 1, 1_000).last().unwrap().ack, 1_002);
    assert_eq!(raw.feed(FIN_ACK, 1_001, 1, 0), [out(ACK, 1, 1_002, 0)]);
}

/// tcp_close_no_rst: without window scaling the field can't say more than 65,535; reading opens
/// no window that could be told, and sends nothing.
#[test]
fn rfc9293_3_8_6_2_2_reading_announces_nothing_that_cannot_be_said() {
    let mut raw = Raw::established();
    raw.with(|conn, _| conn.set_buffers(1 << 20, 1 << 20, (true, true)));
    for n in 0..4 {
        raw.feed(ACK, 1 + n * 1_000, 1, 1_000);
        raw.pass(ms(50));
        assert_eq!(raw.read(1_000).1, [], "read {n}");
    }
}

/// tcp_dsack_mult: a segment that repeats parts of what came is reported by the first of them.
#[test]
fn rfc2883_4_2_partial_duplicates_are_reported() {
    let mut raw = Raw::established_with(SACK);
    raw.feed(ACK, 1_001, 1, 2_000);
    raw.feed(ACK, 4_001, 1, 1_000);
    raw.feed(ACK, 7_001, 1, 1_000);
    raw.feed(ACK, 1, 1, 6_000);
    assert_eq!(raw.sacked(), [(1_001, 3_001), (7_001, 8_001)]);
    raw.feed(ACK, 6_001, 1, 2_000);
    assert_eq!(raw.sacked(), [(7_001, 8_001)]);
    // Across RCV.NXT: the part before it.
    raw.feed(ACK, 7_501, 1, 1_000);
    assert_eq!(raw.sacked(), [(7_501, 8_001)]);
}

/// tcp_user_timeout_user_timeout: a probe for a lost tail comes in place of the time-out if that
/// would be earlier, and the time-out a full RTO after it (RFC 8985, 7.2 and 7.3).
#[test]
fn rfc8985_7_2_the_probe_comes_no_later_than_the_timeout() {
    let mut raw = Raw::established_with(SACK);
    raw.write(1_000);
    let rto = raw.conn.poll_timeout().unwrap().since(raw.now);
    assert_eq!(lens(&raw.pass(rto)), [1_000]);
    assert_eq!(
        (
            raw.mib.get(Mib::TCPLossProbes),
            raw.mib.get(Mib::TCPTimeouts)
        ),
        (1, 0)
    );
    assert_eq!(lens(&raw.pass(rto)), [1_000]);
    assert_eq!(raw.mib.get(Mib::TCPTimeouts), 1);
}

/// tcp_slow_start_slow-start-app-limited: a window that was full when the round began doubles in
/// it; one of which half was in use does not grow at all (RFC 7661, 4.3).
#[test]
fn rfc7661_4_3_growth_in_slow_start() {
    let windows = |bytes: u32| {
        let mut raw = Raw::established_with(SACK);
        raw.write(bytes as usize);
        raw.pass(ms(20));
        let mut windows = Vec::new();
        for ack in (1..=bytes).step_by(2_000) {
            raw.feed(ACK, 1, (ack + 2_000).min(bytes + 1), 0);
            windows.push(raw.conn.cwnd() / 1_000);
        }
        windows
    };
    assert_eq!(windows(10_000), [12, 14, 16, 18, 20]);
    assert_eq!(windows(5_000), [10, 10, 10]);
}

/// tcp_slow_start_slow-start-after-idle: at most half of the window in one piece, and PSH at the
/// end of what offload cuts; a single segment has none of its own.
#[test]
fn rfc9293_3_9_1_2_super_segments_are_pushed() {
    let mut raw = Raw::established_near(SACK);
    raw.with(|conn, _| conn.set_path(1460, 65_000));
    assert_eq!(
        raw.write(20_000),
        [out(PSH_ACK, 1, 1, 5_000), out(PSH_ACK, 5_001, 1, 5_000)]
    );
    let mut raw = Raw::established_with(SACK);
    let outs = raw.write(2_000);
    assert_eq!(outs[0].flags, ACK);
}

/// tcp_nagle_sockopt_cork_nodelay, tcp_nagle_sendmsg_msg_more: setting TCP_NODELAY sends what is
/// held back, and says nothing about what is written later.
#[test]
fn nodelay_sends_what_waits() {
    let mut raw = Raw::established();
    raw.with(|conn, cx| {
        let mut config = *conn.config();
        config.nodelay = true;
        conn.configure(cx, config);
        conn.push_out();
    });
    raw.with(|conn, _| conn.set_more(true));
    assert_eq!(lens(&raw.write(40)), [], "MSG_MORE counts more");
    assert_eq!(lens(&raw.with(|conn, _| conn.push_out())), [40]);
}

/// tcp_rcv_neg_window, tcp_rcv_big_endseq: a buffer whose size the user fixed needs no larger
/// window scale than it can fill.
#[test]
fn rfc7323_2_2_the_scale_follows_a_fixed_buffer() {
    let scale = |rcvbuf: u32, fixed: bool| {
        let mut raw = Raw::closed(SACK, SocketConfig::default());
        raw.with(|conn, _| conn.set_buffers(1 << 20, rcvbuf, (false, fixed)));
        raw.open();
        let header = raw.headers[0];
        (header.options.wscale, header.wnd)
    };
    assert_eq!(scale(40_000, true), (Some(0), 18_980));
    assert_eq!(scale(2_000_000, true), (Some(4), 65_535));
    assert_eq!(
        scale(131_072, false).0,
        Some(7),
        "autotuning may fill 6 MiB"
    );
}

/// tcp_rfc5961_ack-out-of-window: RFC 5961, 5.2, to the byte.
#[test]
fn rfc5961_5_2_old_acks_are_challenged() {
    let mut raw = Raw::established_with(Peer { wnd: 1_000, ..SACK });
    raw.net.invalid_ratelimit = Duration::ZERO;
    for at in [1, 1_001] {
        assert_eq!(lens(&raw.write(1_000)), [1_000]);
        raw.feed(ACK, 1, at + 1_000, 0);
    }
    assert_eq!(raw.feed(ACK, 1, 1_001, 0), []);
    assert_eq!(raw.feed(ACK, 1, 1_000, 0), [out(ACK, 2_001, 1, 0)]);
    assert_eq!(raw.state(), ConnState::Established);
}

/// tcp_fast_recovery_prr-ss-ack-below-snd_una-cubic: what an ACK below SND.UNA reports counts.
#[test]
fn rfc9937_5_sack_in_an_old_ack_counts() {
    let mut raw = Raw::established_with(SACK);
    raw.pass(ms(10));
    assert_eq!(raw.write(10_000).len(), 10);
    raw.pass(ms(10));
    raw.feed_sack(1, &[(1_001, 2_001)]);
    raw.feed_sack(1, &[(1_001, 3_001)]);
    assert_eq!(
        raw.feed_sack(1, &[(1_001, 3_001), (8_001, 9_001)]),
        [out(ACK, 1, 1, 1_000)]
    );
    raw.pass(ms(12));
    let sent = raw.feed_sack(4_001, &[(8_001, 9_001)]);
    assert_eq!(
        sent.iter().map(|o| o.seq).collect::<Vec<_>>(),
        [4_001, 5_001, 6_001]
    );
    raw.write(10_000);
    raw.pass(ms(2));
    let sent = raw.feed_sack(3_001, &[(5_001, 7_001)]);
    assert_eq!(
        sent.iter().map(|o| o.seq).collect::<Vec<_>>(),
        [7_001, 10_001]
    );
}

/// tcp_user_timeout_user_timeout: data for a user who is gone is answered by a RST that the peer
/// can take, although it has not got our FIN (RFC 9293, 3.6.1; RFC 5961, 3.2).
#[test]
fn rfc9293_3_6_1_the_reset_has_the_number_that_is_expected() {
    let mut raw = Raw::established();
    assert_eq!(raw.close(), [out(FIN_ACK, 1, 1, 0)]);
    assert_eq!(raw.feed(ACK, 1, 1, 1), [out(RST, 1, 0, 0)]);
    assert_eq!(raw.state(), ConnState::Closed);
}

/// tcp_fast_recovery_prr-ss-30pkt-lost1_4: the rest of the window is not held back for the sake of
/// larger pieces if nothing is acknowledged soon.
#[test]
fn the_rest_of_the_window_waits_for_a_near_ack_only() {
    let rest = |age: u64| {
        let mut raw = Raw::established_with(SACK);
        raw.with(|conn, _| conn.set_path(1460, 65_000));
        raw.write(8_000);
        raw.pass(ms(20));
        raw.feed(ACK, 1, 8_001, 0);
        let mut left = raw.conn.cwnd();
        left -= raw
            .write(left as usize - 1_000)
            .iter()
            .map(|o| o.len)
            .sum::<u32>();
        raw.pass(ms(age));
        lens(&raw.write(2_000)).iter().sum::<u32>() == left
    };
    assert!(rest(1), "the ACK is far");
    assert!(!rest(18), "it is near");
}

/// tcp_eor_no-coalesce-retrans: a lost segment that is smaller than others needs no more room in
/// the window than it takes.
#[test]
fn rfc6675_5_small_losses_need_little_room() {
    let mut raw = Raw::established_with(SACK);
    raw.write(10_000);
    raw.pass(ms(10));
    raw.feed(ACK, 1, 10_001, 0);
    for _ in 0..6 {
        raw.with(|conn, _| conn.mark_end());
        let outs = raw.with(|conn, _| {
            conn.queue(crate::platform::Buf::new(vec![0; 400]));
            conn.mark_push();
            conn.mark_end();
            conn.push_out();
        });
        assert_eq!(lens(&outs), [400]);
    }
    raw.pass(ms(10));
    let mut again = raw.feed_sack(10_001, &[(11_201, 12_401)]);
    again.extend(raw.pass(ms(8)));
    // PRR lets out a segment's worth of bytes, 1,000, at once: two of the three.
    let seqs: Vec<u32> = again.iter().map(|o| o.seq).collect();
    assert_eq!(seqs, [10_001, 10_401]);
    assert_eq!(lens(&raw.feed_sack(10_401, &[(11_201, 12_401)])), [400]);
}

/// tcp_close_no_rst: a FIN that repeats what came completes the stream; nothing is left to report.
#[test]
fn rfc2883_4_no_report_once_all_came() {
    let mut raw = Raw::established_with(SACK);
    raw.feed(ACK, 1, 1, 1_000);
    raw.read(1_000);
    raw.pass(ms(50));
    let mut outs = raw.feed(FIN_ACK, 1, 1, 1_000);
    if outs.is_empty() {
        outs = raw.pass(ms(50));
    }
    assert_eq!(outs, [out(ACK, 1, 1_002, 0)]);
    assert_eq!(raw.sacked(), []);
}

/// tcp_nagle_sendmsg_msg_more: MSG_MORE holds a partial segment back until the next ACK: from then
/// on Nagle's rule alone does (RFC 9293, 3.7.4).
#[test]
fn rfc9293_3_7_4_more_is_not_forever() {
    let sent = |nodelay: bool, len: usize| {
        let mut raw = Raw::established_with(SACK);
        raw.with(|conn, cx| {
            let config = SocketConfig {
                nodelay,
                ..*conn.config()
            };
            conn.configure(cx, config);
        });
        raw.with(|conn, _| conn.set_more(true));
        let first = lens(&raw.write(len));
        (first, lens(&raw.feed(ACK, 1, 1_001, 0)))
    };
    assert_eq!(sent(true, 3_150), (vec![1_000; 3], vec![150]));
    // Nothing small is out, so Minshall's variant lets it go too.
    assert_eq!(sent(false, 3_150), (vec![1_000; 3], vec![150]));
}

/// tcp_limited_transmit_limited-transmit-sack: an ACK lets the window grow by what it is the first
/// to report (RFC 5681, 3.1; RFC 6675, 5): here a segment, not three.
#[test]
fn rfc5681_3_1_what_was_reported_does_not_count_again() {
    let mut raw = Raw::established_with(SACK);
    raw.pass(ms(10));
    assert_eq!(raw.write(15_000).len(), 10);
    raw.pass(ms(10));
    assert_eq!(lens(&raw.feed_sack(1, &[(1_001, 2_001)])), [1_000]);
    assert_eq!(lens(&raw.feed_sack(1, &[(1_001, 3_001)])), [1_000]);
    assert_eq!(raw.conn.cwnd(), 10_000);
    assert_eq!(lens(&raw.feed_sack(3_001, &[])), [1_000; 2]);
    assert_eq!(raw.conn.cwnd(), 11_000);
}

/// tcp_blocking_blocking-write: no buffer is larger than half of the largest window, or all of it
/// would wait for that much room.
#[test]
fn rfc9293_3_8_6_2_1_a_buffer_takes_half_of_the_window() {
    for (wnd, goal) in [(60_000, 30_000), (20_500, 10_000), (900, 1_000)] {
        let mut raw = Raw::established_with(Peer { wnd, ..SACK });
        raw.with(|conn, _| conn.set_path(1460, 65_000));
        assert_eq!(raw.conn.size_goal(), goal, "{wnd}");
    }
}

/// tcp_slow_start_slow-start-after-idle: tcp_min_tso_segs.
#[test]
fn the_least_burst_is_as_configured() {
    let first = |least: u8| {
        let mut raw = Raw::closed(SACK, SocketConfig::default());
        raw.net.min_tso_segs = least;
        raw.open();
        raw.pass(ms(100));
        raw.answer_syn();
        raw.with(|conn, _| conn.set_path(1460, 65_000));
        raw.write(10_000)[0].len
    };
    assert_eq!((first(1), first(2), first(4)), (1_000, 2_000, 4_000));
}

/// tcp_fast_recovery_prr-ss-ack-below-snd_una-cubic: what PRR lets out goes whole, in bursts as
/// large as pacing has them, with CUBIC as with Reno.
#[test]
fn rfc9937_5_retransmissions_in_one_piece() {
    for algorithm in [Algorithm::Reno, Algorithm::Cubic] {
        let mut raw = Raw::closed(SACK, SocketConfig::default());
        raw.net.congestion = algorithm;
        raw.open();
        raw.pass(ms(20));
        raw.answer_syn();
        raw.with(|conn, _| conn.set_path(1460, 65_000));
        raw.write(10_000);
        raw.pass(ms(20));
        raw.feed_sack(1, &[(1_001, 2_001)]);
        raw.feed_sack(1, &[(1_001, 3_001)]);
        let sent = raw.feed_sack(1, &[(1_001, 3_001), (8_001, 9_001)]);
        assert_eq!(sent, [out(ACK, 1, 1, 1_000)]);
        raw.pass(ms(12));
        let sent = raw.feed_sack(4_001, &[(8_001, 9_001)]);
        let whole = [out(PSH_ACK, 4_001, 1, 2_000), out(ACK, 6_001, 1, 1_000)];
        assert_eq!(sent, whole, "{algorithm:?}");
    }
}

/// A connection with a receive buffer of `rcvbuf` bytes whose size is fixed.
fn with_rcvbuf(rcvbuf: u32, peer: Peer) -> Raw {
    let mut raw = Raw::closed(peer, SocketConfig::default());
    raw.with(|conn, _| conn.set_buffers(1 << 20, rcvbuf, (false, true)));
    raw
}

fn establish(raw: &mut Raw) {
    raw.open();
    raw.answer_syn();
}

/// The window of the last answer, as it is in the header.
fn window(raw: &Raw) -> u16 {
    raw.headers.last().expect("an answer").wnd
}

/// tcp_rcv_neg_window, tcp_rcv_zero_wnd_fin, tcp_rcv_big_endseq: what begins inside the window and
/// ends beyond is taken whole while the reader is not behind, else refused (RFC 9293, 3.10.7.4); a
/// FIN needs no room.
#[test]
fn rfc9293_3_10_7_4_beyond_the_window() {
    let mut raw = with_rcvbuf(40_000, SACK);
    establish(&mut raw);
    let edge = |raw: &Raw| {
        let (_, _, _, next, edge) = raw.conn.numbers();
        edge.distance_from(next) + raw.their_next()
    };
    let end = edge(&raw) + 500;
    raw.feed(ACK, 1, 1, end - 1);
    raw.pass(ms(50));
    assert_eq!(raw.their_next(), end);
    // Now it is behind.
    let cut = edge(&raw);
    let refused = raw.feed(ACK, end, 1, cut + 500 - end);
    assert_eq!(refused, [out(ACK, 1, end, 0)]);
    assert_eq!(raw.mib.get(Mib::BeyondWindow), 1);
    raw.feed(ACK, end, 1, cut - end);
    assert_eq!(raw.their_next(), cut);
    raw.feed(FIN_ACK, cut, 1, 0);
    assert_eq!(raw.their_next(), cut + 1);
}

/// tcp_rcv_big_endseq: without scaling the window is a whole number of the peer's segments, once one
/// was seen (RFC 9293, 3.8.6.2.2, MUST-39: another way to keep silly windows away), and what is refused
/// teaches nothing.
#[test]
fn rfc9293_3_8_6_2_2_whole_segments() {
    let mut raw = with_rcvbuf(
        17_520,
        Peer {
            sack: false,
            ..SACK
        },
    );
    establish(&mut raw);
    assert_eq!(
        raw.conn.numbers().4.distance_from(raw.conn.numbers().3),
        8_760
    );
    raw.with(|conn, _| conn.set_buffers(1 << 20, 20_000, (false, true)));
    // As such a packet of four segments comes through tun: 8,448 bytes of memory.
    raw.overhead = 4_448;
    raw.gso_size = 1_000;
    assert_eq!(raw.feed(PSH_ACK, 1, 1, 4_000), [out(ACK, 1, 4_001, 0)]);
    assert_eq!(window(&raw), 5_000);
    for (seq, len) in [(4_001, 50_000), (5_001, 50_000), (70_001, 10_000)] {
        assert_eq!(raw.feed(PSH_ACK, seq, 1, len), [out(ACK, 1, 4_001, 0)]);
        assert_eq!(window(&raw), 5_000);
    }
    assert_eq!(raw.mib.get(Mib::BeyondWindow), 3);
    assert_eq!(raw.read(4_000).1, []);
    raw.feed(PSH_ACK, 4_001, 1, 50_000);
    raw.pass(ms(50));
    assert_eq!((raw.their_next(), window(&raw)), (54_001, 0));
}

/// tcp_rcv_neg_window: one packet that fills more than half of the buffer is acknowledged when the
/// reader reads, or as late as any ACK may be (RFC 9293, 3.8.6.3, SHLD-18); a second one at once.
#[test]
fn rfc9293_3_8_6_3_the_ack_waits_for_a_reader_who_is_behind() {
    let full = || {
        let mut raw = with_rcvbuf(40_000, SACK);
        establish(&mut raw);
        raw.overhead = 736;
        raw.gso_size = 1_000;
        assert_eq!(raw.feed(PSH_ACK, 1, 1, 20_000), []);
        raw
    };
    let mut raw = full();
    assert_eq!(raw.read(20_000).1, [out(ACK, 1, 20_001, 0)]);
    let mut raw = full();
    assert_eq!(raw.pass(ms(40)), [out(ACK, 1, 20_001, 0)]);
    let mut raw = with_rcvbuf(40_000, SACK);
    establish(&mut raw);
    raw.overhead = 11_000;
    assert_eq!(raw.feed(PSH_ACK, 1, 1, 9_000).len(), 1, "half is free");
    assert_eq!(raw.feed(PSH_ACK, 9_001, 1, 1_000).len(), 0);
    assert_eq!(raw.feed(PSH_ACK, 10_001, 1, 1_000).len(), 1, "the second");
}

/// tcp_rcv_wnd_shrink_allowed: with tcp_shrink_window an edge may move left; what was inside any window
/// that was offered still is (RFC 7323, 2.4).
#[test]
fn rfc7323_2_4_what_was_offered_is_honoured() {
    let windows = |shrink: bool| {
        let mut raw = with_rcvbuf(
            32_768,
            Peer {
                wscale: Some(7),
                ..SACK
            },
        );
        raw.net.shrink_window = shrink;
        raw.net.rmem[2] = 32 << 20;
        raw.with(|conn, _| conn.set_buffers(1 << 20, 32_768, (false, false)));
        establish(&mut raw);
        raw.gso_size = 1_000;
        // The memory is that of packets through tun.
        raw.overhead = 2_544;
        raw.feed(PSH_ACK, 1, 1, 10_000);
        let first = window(&raw);
        raw.overhead = 1_281;
        raw.feed(PSH_ACK, 10_001, 1, 1_023);
        let second = window(&raw);
        raw.overhead = 2_302;
        raw.feed(PSH_ACK, 11_024, 1, 14_338);
        let refused = (raw.their_next(), raw.mib.get(Mib::BeyondWindow));
        if raw.feed(PSH_ACK, 11_024, 1, 14_337).is_empty() {
            raw.pass(ms(50));
        }
        (first, second, refused, raw.their_next(), window(&raw))
    };
    assert_eq!(windows(true), (15, 13, (11_024, 1), 25_361, 0));
    // Without it the edge stays: 14,337 bytes are a little more than 14 times 1,024.
    assert_eq!(windows(false).1, 15);
}

/// RFC 7323, 2.4: so is what begins beyond the edge of now. And what fills a hole has to be taken, or nothing would
/// ever be freed: the user has nothing to read.
#[test]
fn rfc7323_2_4_a_hole_is_filled_although_the_window_shrank() {
    let peer = Peer {
        wscale: Some(7),
        ..SACK
    };
    let mut raw = with_rcvbuf(2_000_000, peer);
    raw.net.shrink_window = true;
    establish(&mut raw);
    raw.gso_size = 1_000;
    for n in 1..=6 {
        raw.feed(ACK, 1 + n * 10_000, 1, 10_000);
    }
    raw.with(|conn, _| conn.set_buffers(1 << 20, 50_000, (true, true)));
    raw.feed(ACK, 70_001, 1, 1_000);
    assert_eq!(window(&raw), 0, "the buffer is full");
    raw.feed(ACK, 1, 1, 10_000);
    assert_eq!(raw.their_next(), 71_001);
    raw.read(71_000);
    assert!(window(&raw) > 0);
    // A part of the window's memory is used up behind a hole, and the edge moves left; what was on its way by
    // then arrives.
    let mut raw = with_rcvbuf(131_072, peer);
    raw.net.shrink_window = true;
    establish(&mut raw);
    raw.gso_size = 1_000;
    let edge = |raw: &Raw| {
        let (_, _, _, next, edge) = raw.conn.numbers();
        edge.distance_from(next)
    };
    let offered = edge(&raw);
    raw.overhead = 400;
    let mut at = 1_001;
    while at + 1_000 <= 1 + offered {
        raw.feed(ACK, at, 1, 1_000);
        at += 1_000;
    }
    assert!(edge(&raw) + 1_000 < at, "it moved left");
    assert_eq!(raw.mib.get(Mib::BeyondWindow), 0);
    raw.feed(ACK, 1, 1, 1_000);
    assert_eq!(raw.their_next(), at);
}

/// RFC 9293, 3.8.6.2.2: a window that was shut opens again once everything was read, also if the buffer is smaller
/// than our segments with tcp_shrink_window, or than the unit that windows are told in.
#[test]
fn rfc9293_3_8_6_2_2_a_small_buffer_opens_its_window() {
    // Over loopback a segment may be as large as half of the buffer, and what came fills a quarter of its memory.
    let mut raw = Raw::closed(
        Peer {
            wscale: Some(7),
            mss: 65_483,
            ..SACK
        },
        SocketConfig::default(),
    );
    raw.net.shrink_window = true;
    raw.with(|conn, _| conn.set_buffers(1 << 20, 131_072, (false, false)));
    establish(&mut raw);
    raw.with(|conn, _| conn.set_path(65_495, 0));
    assert!(raw.conn.mss() > 65_000);
    raw.overhead = 1_704;
    raw.feed(PSH_ACK, 1, 1, 600);
    raw.pass(ms(50));
    raw.read(600);
    raw.pass(ms(50));
    let offered = |raw: &Raw| {
        let (_, _, _, next, edge) = raw.conn.numbers();
        edge.saturating_distance_from(next)
    };
    assert!(offered(&raw) > 10_000, "{}", offered(&raw));
    // A window scale of 14, and then a buffer of half of that unit's payload.
    let mut raw = Raw::closed(
        Peer {
            wscale: Some(7),
            ..SACK
        },
        SocketConfig::default(),
    );
    raw.net.rmem[2] = 1 << 30;
    raw.with(|conn, _| conn.set_buffers(1 << 20, 131_072, (false, false)));
    establish(&mut raw);
    raw.with(|conn, _| conn.set_buffers(1 << 20, 16_384, (false, true)));
    let mut at = 1;
    while offered(&raw) > 0 {
        let len = offered(&raw).min(1_000);
        raw.overhead = len;
        raw.feed(PSH_ACK, at, 1, len);
        raw.pass(ms(50));
        at += len;
        assert!(at < 1_000_000);
    }
    raw.read(at);
    assert!(offered(&raw) > 0, "nothing is offered");
    let wnd = raw.headers.last().map(|header| header.wnd);
    assert!(wnd > Some(0), "{wnd:?}");
}

/// tcp_rcv_wnd_shrink_nomem: the user makes the receive buffer smaller than what is in it. The sender is
/// told that there is no room, and what was offered before is taken as far as there is.
#[test]
fn rfc9293_3_8_6_a_buffer_that_shrinks() {
    let mut raw = with_rcvbuf(
        2_000_000,
        Peer {
            wscale: Some(7),
            ..SACK
        },
    );
    establish(&mut raw);
    (raw.gso_size, raw.overhead) = (1_000, 4_000);
    for n in 0..16 {
        raw.feed(PSH_ACK, 1 + n * 65_000, 1, 65_000);
        raw.pass(ms(50));
    }
    assert_eq!(raw.their_next(), 1_040_001);
    raw.with(|conn, _| conn.set_buffers(1 << 20, 32_000, (false, true)));
    let refused = [out(ACK, 1, 1_040_001, 0)];
    assert_eq!(raw.feed(PSH_ACK, 1_040_001, 1, 65_000), refused);
    assert_eq!((window(&raw), raw.mib.get(Mib::TCPRcvQDrop)), (0, 1));
    // An ACK from within what was offered counts.
    raw.write(1_000);
    assert_eq!(raw.feed(ACK, 1_105_001, 1_001, 0), []);
    assert_eq!(raw.conn.unacked(), 0);
    raw.overhead = 1_304;
    let refused = [out(ACK, 1_001, 1_040_001, 0)];
    assert_eq!(raw.feed(PSH_ACK, 1_040_001, 1_001, 1_000), refused);
    assert_eq!((window(&raw), raw.sacked()), (0, vec![]));
    assert_eq!(raw.feed(PSH_ACK, 1_039_001, 1_001, 2_000), refused);
    assert_eq!(
        (window(&raw), raw.sacked()),
        (0, vec![(1_039_001, 1_040_001)])
    );
    assert_eq!(raw.mib.get(Mib::TCPZeroWindowDrop), 2);
    for seq in [1_105_001, 2_000_001] {
        assert_eq!(raw.feed(PSH_ACK, seq, 1_001, 1_000), refused);
        assert_eq!((window(&raw), raw.sacked()), (0, vec![]));
    }
    assert_eq!(raw.mib.get(Mib::BeyondWindow), 2);
    assert_eq!(raw.read(1_040_000).1, refused);
    let open = u32::from(window(&raw)) << 4;
    assert!(open > 2_000 && open < 32_000, "{open}");
    raw.feed(PSH_ACK, 1_040_001, 1_001, 1_000);
    raw.pass(ms(50));
    assert_eq!(
        raw.feed(PSH_ACK, 1_040_001, 1_001, 2_000).len(),
        1,
        "at once"
    );
    assert_eq!(raw.sacked(), [(1_040_001, 1_041_001)]);
    for seq in [1_105_001, 2_000_001] {
        assert_eq!(
            raw.feed(PSH_ACK, seq, 1_001, 1_000),
            [out(ACK, 1_001, 1_042_001, 0)]
        );
    }
    assert_eq!(raw.mib.get(Mib::BeyondWindow), 4);
    // Beyond the window of now, and inside that of before.
    raw.overhead = 736;
    for seq in [1_042_001, 1_062_001] {
        raw.feed(PSH_ACK, seq, 1_001, 20_000);
        raw.pass(ms(50));
    }
    assert_eq!((raw.their_next(), window(&raw)), (1_082_001, 0));
    raw.feed(PSH_ACK, 1_082_001, 1_001, 1_000);
    assert_eq!(
        (raw.their_next(), raw.mib.get(Mib::TCPZeroWindowDrop)),
        (1_082_001, 3)
    );
}

/// RFC 5961, 5.2: however large the window, nothing before our first byte was acknowledged by
/// anybody; with such a number data is not taken. (`make differ`, seed 37.)
#[test]
fn rfc5961_5_2_nothing_before_the_first_byte_is_acknowledged() {
    let mut raw = Raw::established();
    assert_eq!(raw.feed(ACK, 1, 0, 10), [out(ACK, 1, 1, 0)]);
    assert_eq!(raw.conn.recv_len(), 0);
    // Of what was acknowledged an old ACK may be.
    raw.write(100);
    raw.feed(ACK, 1, 101, 0);
    raw.feed(ACK, 1, 1, 10);
    assert_eq!(raw.conn.recv_len(), 10);
}

/// RFC 2883, 4: a report of what came twice is none of what is beyond the window. (Seed 31.)
#[test]
fn rfc2883_4_data_beyond_the_window_is_no_duplicate() {
    let mut raw = Raw::established_with(Peer {
        sack: true,
        ..Peer::default()
    });
    assert_eq!(raw.feed(ACK, 1 << 30, 1, 1), [out(ACK, 1, 1, 0)]);
    assert_eq!(raw.sacked(), []);
    assert_eq!(raw.mib.get(Mib::TCPDSACKOldSent), 0);
}

/// RFC 9293, 3.10.7.4, eighth: the stream ends with the FIN, and what came beyond it is not reported
/// any more. (Seed 48.)
#[test]
fn rfc9293_3_10_7_4_nothing_is_beyond_the_end() {
    let mut raw = Raw::established_with(Peer {
        sack: true,
        ..Peer::default()
    });
    raw.feed(ACK, 101, 1, 10);
    assert_eq!(raw.sacked(), [(101, 111)]);
    assert_eq!(raw.feed(FIN_ACK, 1, 1, 0), [out(ACK, 1, 2, 0)]);
    assert_eq!(raw.sacked(), []);
}

/// RFC 9293, 3.7.4: the tail behind the full segments of one buffer is a partial segment too, and
/// the next one waits for its ACK. (Seed 70.)
#[test]
fn rfc9293_3_7_4_a_tail_counts_for_nagle() {
    let mut raw = Raw::established();
    raw.conn.set_path(1_460, 65_000);
    raw.with(|conn, cx| {
        let config = SocketConfig {
            nodelay: false,
            ..*conn.config()
        };
        conn.configure(cx, config);
    });
    assert_eq!(lens(&raw.write(1_200)), [1_200]);
    assert_eq!(raw.write(10), []);
    assert_eq!(lens(&raw.feed(ACK, 1, 1_201, 0)), [10]);
}

/// What tcp_tcp_info_tcp-info-sndbuf-limited is about: a full send buffer is what limits the sender
/// only if the congestion window would let more go, and the user has more (RFC 4898's SndLimTimeSnd).
#[test]
fn a_full_buffer_limits_only_below_the_congestion_window() {
    for (segments, waits, limited) in [(5, true, 30), (10, true, 0), (5, false, 0)] {
        let mut raw = Raw::established_near(SACK);
        raw.with(|conn, _| conn.set_buffers(segments * 1_256, 131_072, (true, true)));
        raw.write(1_000 * segments as usize);
        if waits {
            raw.with(|conn, _| conn.want_room());
        }
        raw.now = raw.now.add(ms(30));
        let info = raw.info();
        assert_eq!((info.sndbuf_limited, info.busy), (ms(limited), ms(30)));
    }
}

/// What tcp_tcp_info_tcp-info-sndbuf-limited and -rwnd-limited are about: the peer's window is what limits
/// the sender only if the congestion window would let more go (RFC 4898's SndLimTimeRwin).
#[test]
fn a_full_window_limits_only_below_the_congestion_window() {
    for (wnd, limited) in [(5_000, 30), (10_000, 0), (20_000, 0)] {
        let mut raw = Raw::established_near(Peer { wnd, ..SACK });
        raw.write(15_000);
        raw.now = raw.now.add(ms(30));
        let info = raw.info();
        assert_eq!(
            (info.rwnd_limited, info.busy),
            (ms(limited), ms(30)),
            "{wnd}"
        );
    }
}

/// tcp_timestamping_partial: in a write of more than half of the largest window PSH is at the end of
/// each such part (RFC 9293, 3.9.1.2), not in each segment.
#[test]
fn rfc9293_3_9_1_2_half_of_the_window_is_pushed() {
    let flags = |wnd: u16, len: usize| {
        let mut raw = Raw::established_with(Peer { wnd, ..SACK });
        let outs = raw.write(len);
        outs.iter()
            .map(|o| o.flags == PSH_ACK)
            .collect::<Vec<bool>>()
    };
    assert_eq!(flags(2_000, 2_500), [false, true]);
    assert_eq!(
        flags(6_000, 6_500),
        [false, false, false, true, false, false]
    );
    assert_eq!(flags(6_000, 3_000), [false, false, true], "the end");
}

/// tcp_fastopen_server_sockopt-fastopen-key: a window update tells of room that a read made (RFC 9293,
/// 3.8.6.2.2); of room that was there before tells the next ACK.
#[test]
fn rfc9293_3_8_6_2_2_updates_tell_of_reads() {
    let scaled = Peer {
        wscale: Some(7),
        ..SACK
    };
    let mut raw = Raw::established_with(scaled);
    raw.with(|conn, _| {
        conn.set_quickack(false);
        conn.set_buffers(1 << 20, 1 << 20, (true, true));
    });
    assert_eq!(raw.feed(PSH_ACK, 1, 1, 500), []);
    assert_eq!(raw.read(500).1, []);
    // A shut window opens.
    let mut raw = Raw::established_with(scaled);
    let mut at = 1;
    while raw.conn.numbers().4 != raw.conn.numbers().3 {
        let left = raw.conn.numbers().4.distance_from(raw.conn.numbers().3);
        let len = left.min(1_000);
        raw.feed(PSH_ACK, at, 1, len);
        raw.pass(ms(50));
        at += len;
    }
    assert_eq!(raw.read(at).1, [out(ACK, 1, at, 0)]);
}

/// tcp_user_timeout_user-timeout-probe: data that the local queue refuses, with nothing else out, was not
/// sent. It is tried again each half second without a doubling (RFC 6298, 5.5, is about the path), until
/// the user's patience ends (RFC 5482).
#[test]
fn rfc5482_3_what_does_not_leave() {
    let mut raw = Raw::established_near(SACK);
    raw.set_user_timeout(ms(3_000));
    raw.write(24);
    raw.pass(ms(100));
    raw.feed(ACK, 1, 25, 0);
    let start = raw.now;
    raw.refuses = true;
    raw.write(24);
    assert_eq!((raw.conn.unacked(), raw.conn.unsent()), (24, 24));
    let mut tries = Vec::new();
    while let Some(at) = raw.conn.poll_timeout() {
        let outs = raw.pass(at.since(raw.now));
        tries.extend(outs.iter().map(|o| (o.seq, o.len)));
        if tries.len() == 4 && raw.conn.unsent() == 24 {
            // What the user writes is another reason to try.
            assert_eq!(lens(&raw.write(24)), [48]);
        }
        let info = raw.info();
        assert_eq!((usize::from(info.probes), info.backoff), (tries.len(), 0));
    }
    let len = |n| if n < 4 { 24 } else { 48 };
    assert_eq!(tries, (0..6).map(|n| (25, len(n))).collect::<Vec<_>>());
    assert!(raw.now.since(start) < ms(3_500));
    assert_eq!(
        raw.error(),
        Some(crate::tcp::connection::CloseReason::TimedOut)
    );
    // Room again: it goes, and counts as sent once.
    let mut raw = Raw::established_near(SACK);
    raw.refuses = true;
    raw.write(24);
    raw.pass(ms(1_000));
    raw.refuses = false;
    assert_eq!(lens(&raw.pass(ms(250))), [24]);
    raw.feed(ACK, 1, 25, 0);
    assert_eq!((raw.conn.unacked(), raw.conn.poll_timeout()), (0, None));
    let info = raw.info();
    assert_eq!((info.delivered, info.probes, info.retransmits), (2, 0, 0));
}
