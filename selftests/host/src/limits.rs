// SPDX-License-Identifier: GPL-2.0

//! What bounds a connection, and what lets it grow: windows, buffers, patience. Each test fails if
//! the line that it is about is taken out.

use crate::raw::*;
use crate::tcp::{
    config::SocketConfig,
    congestion::Algorithm,
    connection::{CloseReason, Events, OpenParams},
    pacing::Pacer,
    platform::Memory,
    seq::SeqNum,
    state::ConnState::*,
    time::Duration,
    wire::{Flags, Options, Timestamps},
};

const WIDE: Peer = Peer {
    wnd: 60_000,
    mss: 1000,
    sack: false,
    wscale: None,
    ts: None,
};

/// RFC 6298, 5 and RFC 9293, 3.8.1 (Karn): there is no sample of what was sent twice, and the time-out that was
/// doubled stays so until there is one.
/// RFC 9293, MUST-18.
#[test]
fn rfc6298_3_karn_and_the_end_of_backoff() {
    let mut raw = Raw::established();
    raw.write(5_000);
    raw.pass(ms(220 + 440));
    raw.now = raw.now.add(ms(20));
    raw.feed(ACK, 1, 1_001, 0);
    // SRTT is 20 ms from the handshake, and 4 RTTVAR less than the floor of 200 ms.
    let timer = |raw: &Raw| raw.conn.poll_timeout().expect("a timer").since(raw.now);
    assert_eq!(timer(&raw), ms(4 * 220));
    raw.feed(ACK, 1, 5_001, 0);
    assert_eq!(raw.conn.srtt(), Some(ms(20)), "no sample");
    raw.write(2_000);
    assert_eq!(timer(&raw), ms(4 * 220));
    raw.now = raw.now.add(ms(20));
    raw.feed(ACK, 1, 6_001, 0);
    assert_eq!(timer(&raw), ms(220), "no backoff any more");
}

/// RFC 6298, 5: a path that became longer than the time-out is measured as soon as the time-out, doubled a few
/// times, lets one request through that is sent once.
#[test]
fn rfc6298_5_a_path_that_got_longer_is_learnt() {
    let mut raw = Raw::established_after(WIDE, ms(20));
    let (mut acked, mut again) = (1, vec![]);
    for _ in 0..6 {
        let sent = raw.write(500).len();
        assert_eq!(sent, 1);
        again.push(raw.pass(ms(1_000)).len());
        acked += 500;
        raw.feed(ACK, 1, acked, 0);
        raw.pass(ms(4_000));
    }
    assert_eq!(again[3..], [0, 0, 0], "{again:?}");
    assert!(raw.conn.srtt() > Some(ms(300)), "{:?}", raw.conn.srtt());
}

/// RFC 6298, 3: what waited behind a hole that was repaired measures the wait and not the path, although it was
/// sent once only. A peer that acknowledges it bit by bit has it measured apart from the repair; by timestamp
/// the answer is still known. Without the rule the simulation's seed 3089268 came to an SRTT of ten hours.
#[test]
fn rfc6298_3_what_waited_behind_a_hole_measures_nothing() {
    for ts in [None, Some(5)] {
        let mut raw = Raw::established_after(Peer { ts, ..WIDE }, ms(20));
        raw.write(5_000);
        raw.now = raw.now.add(ms(20));
        raw.feed(ACK, 1, 1, 0);
        raw.feed(ACK, 1, 1, 0);
        let mss = raw.conn.mss();
        assert_eq!(raw.feed(ACK, 1, 1, 0), [out(ACK, 1, 1, mss)]);
        // Duplicate ACKs let new data out.
        let mut outs = raw.write(2 * mss as usize);
        outs.extend((0..4).flat_map(|_| raw.feed(ACK, 1, 1, 0)));
        assert_eq!(outs.iter().map(|out| out.len).sum::<u32>(), 2 * mss);
        raw.now = raw.now.add(ms(150));
        let outs = raw.feed(ACK, 1, 1 + mss, 0);
        assert_eq!(outs[0].seq, 1 + mss, "another hole");
        let before = raw.conn.srtt();
        raw.now = raw.now.add(ms(20));
        raw.feed(ACK, 1, 5_001, 0);
        for bit in 1..20 {
            raw.feed(ACK, 1, 5_001 + bit * 50, 0);
        }
        let after = raw.conn.srtt();
        match ts {
            None => assert_eq!((before, after), (Some(ms(20)), Some(ms(20)))),
            Some(_) => assert!(after < before && after < Some(ms(25)), "{after:?}"),
        }
        // What is sent from now on is measured again.
        raw.feed(ACK, 1, 5_001 + 2 * mss, 0);
        raw.write(500);
        raw.now = raw.now.add(ms(100));
        raw.feed(ACK, 1, 5_501 + 2 * mss, 0);
        assert!(raw.conn.srtt() >= Some(ms(30)), "{ts:?}");
    }
}

/// RFC 6298, 2.1: a sender that knows nothing of the path waits for a second. Whatever was measured, the pace is no
/// slower than that, so that it can't make itself true.
#[test]
fn rfc6298_2_1_the_slowest_pace_is_a_segment_a_second() {
    for algorithm in [Algorithm::Reno, Algorithm::Bbr] {
        let mut raw = Raw::closed(WIDE, SocketConfig::default());
        raw.net.congestion = algorithm;
        raw.open();
        raw.answer_syn();
        // A path of an hour.
        let mut acked = 1;
        for _ in 0..20 {
            acked += raw.write(1_000).iter().map(|out| out.len).sum::<u32>();
            raw.now = raw.now.add(Duration::from_secs(3_600));
            raw.feed(ACK, 1, acked, 0);
        }
        assert!(raw.conn.srtt() > Some(Duration::from_secs(1_800)));
        assert_eq!(
            raw.conn.pacing_rate(),
            u64::from(raw.conn.mss()),
            "{algorithm:?}"
        );
    }
}

/// RFC 7661, 4.3: a window that is not in use does not grow.
#[test]
fn rfc7661_4_3_an_idle_window_does_not_grow() {
    let mut raw = Raw::established_with(WIDE);
    for n in 0..50 {
        raw.write(1_000);
        raw.feed(ACK, 1, 1_001 + n * 1_000, 0);
    }
    assert_eq!(raw.conn.cwnd(), 10_000);
    // In full use it does.
    raw.write(20_000);
    raw.feed(ACK, 1, 60_001, 0);
    assert_eq!(raw.conn.cwnd(), 20_000);
}

/// RFC 3465, 1 (Savage's ACK division): many ACKs for one segment open the window no further than
/// one does.
#[test]
fn rfc3465_1_divided_acks_gain_nothing() {
    let grown = |step: u32| {
        let mut raw = Raw::established_with(WIDE);
        raw.write(40_000);
        let mut ack = 1;
        while ack < 5_001 {
            ack += step;
            raw.feed(ACK, 1, ack, 0);
        }
        raw.conn.cwnd()
    };
    assert_eq!(grown(5_000), 15_000);
    assert_eq!(grown(1_000), 15_000);
    assert_eq!(grown(10), 15_000);
}

/// RFC 5681, 4.1: after an idle RTO a burst is an initial window's, unless switched off
/// (tcp_slow_start_after_idle).
#[test]
fn rfc5681_4_1_restart_after_idling() {
    // 40 segments, and 10 more for the last ACK: pipeACK is half of the window (RFC 7661, 4.3).
    for (restarts, segments) in [(true, 10), (false, 50)] {
        let mut raw = Raw::established_with(WIDE);
        raw.net.slow_start_after_idle = restarts;
        assert_eq!(raw.write(40_000).len(), 10);
        assert_eq!(raw.feed(ACK, 1, 10_001, 0).len(), 20);
        assert_eq!(raw.feed(ACK, 1, 30_001, 0).len(), 10);
        raw.feed(ACK, 1, 40_001, 0);
        raw.pass(Duration::from_secs(5));
        assert_eq!(raw.write(60_000).len(), segments);
    }
}

/// A connection that nobody holds open is given up sooner.
#[test]
fn orphans_are_given_up_sooner() {
    for (closes, retransmissions) in [(true, 3), (false, 6)] {
        let mut raw = Raw::established();
        (raw.net.orphan_retries, raw.net.retries2) = (3, 6);
        raw.write(100);
        if closes {
            raw.close();
        }
        assert_eq!(raw.pass(Duration::from_secs(3_600)).len(), retransmissions);
        assert_eq!(raw.state(), Closed);
    }
}

/// TCP_NODELAY set on a corked socket sends what is queued, and nothing that is queued later.
#[test]
fn nodelay_pushes_once_through_a_cork() {
    let mut raw = Raw::established();
    let set = |raw: &mut Raw, nodelay, cork| {
        raw.with(|conn, cx| {
            let config = SocketConfig {
                nodelay,
                cork,
                ..*conn.config()
            };
            conn.configure(cx, config);
        })
    };
    set(&mut raw, false, true);
    assert_eq!(raw.write(10), []);
    assert_eq!(set(&mut raw, true, true), [out(PSH_ACK, 1, 1, 10)]);
    assert_eq!(raw.write(10), []);
    assert_eq!(set(&mut raw, true, false), [out(PSH_ACK, 11, 1, 10)]);
    // With nothing queued it is not kept for later.
    set(&mut raw, false, true);
    set(&mut raw, true, true);
    assert_eq!(raw.write(10), []);
}

/// RFC 7323, 3.2: a SYN-ACK that echoes a time which has not come is no answer to our SYN.
#[test]
fn rfc7323_3_2_a_syn_ack_has_to_echo_our_time() {
    let mut raw = Raw::syn_sent(Peer {
        ts: Some(5),
        ..Peer::default()
    });
    let good = raw.syn_options();
    let ecr = raw.echo.wrapping_add(1_000);
    let bad = Options {
        timestamps: Some(Timestamps { val: 5, ecr }),
        ..good
    };
    let _ = raw.feed_with(SYN_ACK, 0, 1, 0, bad);
    assert_eq!(raw.state(), SynSent);
    let _ = raw.feed_with(SYN_ACK, 0, 1, 0, good);
    assert_eq!(raw.state(), Established);
}

/// RFC 7323, 5.4: timestamps count milliseconds, from an offset that each connection has of its own; an
/// echo of them is taken for what it is.
#[test]
fn rfc7323_5_4_each_connection_has_its_own_offset() {
    let stamps = |ts_offset: u32| {
        let peer = Peer {
            ts: Some(5),
            ..WIDE
        };
        let mut raw = Raw::closed(peer, SocketConfig::default());
        let params = OpenParams {
            iss: raw.zeros().0,
            ts_offset,
            mss_route: 1460,
            mss_default: 536,
            fast: Default::default(),
        };
        let val = |raw: &Raw| raw.headers[0].options.timestamps.expect("one").val;
        raw.with(|conn, cx| conn.open_active(cx, params));
        let syn = val(&raw);
        raw.now = raw.now.add(ms(30));
        let _ = raw.answer_syn();
        assert_eq!(raw.state(), Established);
        let ack = val(&raw);
        raw.now = raw.now.add(ms(1_000));
        raw.write(10);
        (syn, ack.wrapping_sub(syn), val(&raw).wrapping_sub(ack))
    };
    let (first, _, _) = stamps(0);
    for offset in [0, 1, 1 << 31, u32::MAX] {
        let (syn, ack, data) = stamps(offset);
        assert_eq!((syn.wrapping_sub(first), ack, data), (offset, 30, 1_000));
    }
}

/// RFC 9293, 3.6.1: both directions shut by the user, and the peer goes on sending.
/// RFC 9293, SHLD-3.
#[test]
fn rfc9293_3_6_1_data_after_both_shutdowns_resets() {
    let mut raw = Raw::fin_wait_2();
    raw.with(|conn, _| conn.shutdown_recv());
    assert_eq!(raw.feed(PSH_ACK, 1, 2, 10), [out(RST, 2, 0, 0)]);
    assert_eq!(raw.state(), Closed);
    // With the sending side open it is only not read.
    let mut raw = Raw::established();
    raw.with(|conn, _| conn.shutdown_recv());
    raw.feed(PSH_ACK, 1, 1, 10);
    assert_eq!(raw.state(), Established);
}

/// RFC 2018, 8: a receiver may drop what it reported; the time-out sends it again.
#[test]
fn rfc2018_8_a_time_out_forgets_what_was_reported() {
    let mut raw = Raw::established_with(Peer { sack: true, ..WIDE });
    raw.write(5_000);
    raw.feed_sack(1, &[(1_001, 3_001)]);
    // The next in order is not acknowledged although it was reported: it is not there any more.
    raw.feed(ACK, 1, 1_001, 0);
    let outs = raw.pass(Duration::from_secs(10));
    assert!(outs.iter().any(|o| o.seq == 1_001 && o.len > 0), "{outs:?}");
}

/// RFC 9293, 3.8.6.2.2: no ACK moves the right edge by less than a segment.
/// RFC 9293, MUST-39.
#[test]
fn rfc9293_3_8_6_2_2_the_edge_moves_by_segments() {
    let mut raw = Raw::closed(Peer::default(), SocketConfig::default());
    raw.conn.set_buffers(1 << 20, 32_768, (true, true));
    let params = OpenParams {
        iss: raw.zeros().0,
        ts_offset: 0,
        mss_route: 1460,
        mss_default: 536,
        fast: Default::default(),
    };
    raw.with(|conn, cx| conn.open_active(cx, params));
    let _ = raw.answer_syn();
    assert_eq!(raw.state(), Established);
    let mut moves = 0;
    for n in 0..1_000 {
        let edge = raw.conn.numbers().4;
        raw.feed(PSH_ACK, 1 + n * 100, 1, 100);
        raw.read(100);
        let moved = raw.conn.numbers().4.distance_from(edge);
        assert!(moved == 0 || moved >= 1_000, "{moved} at {n}");
        moves += u32::from(moved > 0);
    }
    assert!(moves > 0, "the window never opened");
}

/// The receive buffer follows the reader up to the namespace's bound, unless the user fixed it.
#[test]
fn the_receive_buffer_follows_the_reader() {
    for (locked, grows) in [(false, true), (true, false)] {
        let mut raw = Raw::established();
        raw.conn.set_buffers(1 << 20, 131_072, (locked, locked));
        raw.net.rmem[2] = 200_000;
        let mut at = 1;
        for _ in 0..5 {
            for _ in 0..60 {
                raw.feed(ACK, at, 1, 1_000);
                at += 1_000;
            }
            raw.read(u32::MAX);
            raw.pass(ms(30));
        }
        let rcvbuf = raw.conn.buffers().1;
        assert_eq!(rcvbuf > 131_072, grows, "{rcvbuf}");
        assert!(rcvbuf <= 200_000, "{rcvbuf}");
    }
}

/// The send buffer holds two windows of segments that have a buffer each, up to the namespace's bound
/// (tcp_wmem), unless the user fixed it.
#[test]
fn the_send_buffer_follows_the_window() {
    for (locked, most, expected) in [
        // 1,000 bytes and what is in the same block, rounded up, and what is apart.
        (false, 4 << 20, 2 * 20 * (2_048 + 100)),
        (false, 70_000, 70_000),
        (true, 4 << 20, 30_000),
    ] {
        let mut raw = Raw::established_with(WIDE);
        raw.conn.set_buffers(30_000, 131_072, (locked, locked));
        raw.net.wmem[2] = most;
        raw.net.overhead = [500, 100];
        raw.write(20_000);
        raw.feed(ACK, 1, 10_001, 0);
        assert_eq!(raw.conn.cwnd(), 20_000);
        let sndbuf = raw.conn.buffers().0;
        assert_eq!(sndbuf, expected);
    }
}

/// Probes after ten seconds of silence, each second, so many at most.
fn keep_alive(raw: &mut Raw, keepcnt: u8, user_timeout: Duration) {
    raw.with(|conn, cx| {
        let config = SocketConfig {
            keepalive: true,
            keepidle: ms(10_000),
            keepintvl: ms(1_000),
            keepcnt,
            user_timeout,
            ..*conn.config()
        };
        conn.configure(cx, config);
    });
}

/// RFC 9293, 3.8.4: silence counts from the last segment; a dead peer is told so.
/// RFC 9293, MUST-24, MUST-26, MUST-27, MUST-29, SHLD-12.
#[test]
fn rfc9293_3_8_4_keepalive_counts_silence() {
    // RFC 5482: with a user timeout of 12.5 s the number of probes does not matter.
    for (keepcnt, user_timeout) in [(3, ms(0)), (100, ms(12_500))] {
        let mut raw = Raw::established();
        keep_alive(&mut raw, keepcnt, user_timeout);
        raw.pass(ms(5_000));
        assert_eq!(raw.feed(PSH_ACK, 1, 1, 10), [out(ACK, 1, 11, 0)]);
        assert_eq!(raw.pass(ms(9_999)), []);
        let probe = out(ACK, 0, 11, 0);
        assert_eq!(raw.pass(ms(1)), [probe]);
        assert_eq!(raw.pass(ms(3_000)), [probe, probe, out(RST_ACK, 1, 11, 0)]);
        assert_eq!(
            (raw.state(), raw.error()),
            (Closed, Some(CloseReason::TimedOut))
        );
    }
}

/// CLOSE in FIN-WAIT-2: a small entry waits for the peer's FIN, not the connection.
#[test]
fn close_in_fin_wait_2_hands_over() {
    let mut raw = Raw::fin_wait_2();
    assert!(!raw.events.has(Events::TIME_WAIT));
    assert_eq!(raw.close(), []);
    assert!(raw.events.has(Events::TIME_WAIT));
}

/// SO_MAX_PACING_RATE: segments leave at that rate, retransmissions and the FIN included.
#[test]
fn a_pacing_limit_spreads_segments() {
    let mut raw = Raw::established_with(WIDE);
    raw.with(|conn, _| conn.set_pacing(Pacer::None, 100_000));
    // A segment each 10 ms, the credit for a late timer being 5 ms.
    assert_eq!(raw.write(10_000).len(), 1);
    assert_eq!(raw.pass(ms(5)).len(), 1);
    assert_eq!(raw.pass(ms(9)).len(), 0);
    assert_eq!(raw.pass(ms(1)).len(), 1);
    assert_eq!(raw.shutdown().len(), 0);
    let outs = raw.pass(ms(70));
    assert_eq!(outs.len(), 7);
    assert!(outs[6].flags.contains(Flags::FIN));
    // The queueing discipline takes over: it gets two milliseconds' worth ahead of time.
    let mut raw = Raw::established_with(WIDE);
    raw.with(|conn, _| conn.set_pacing(Pacer::Qdisc, 1_000_000));
    assert_eq!(raw.write(10_000).len(), 3);
    assert_eq!(raw.pass(ms(1)).len(), 1);
}

/// RFC 6298, 5.4, and RFC 8985, 7.3: what a timer has to send waits for no pace, since the timer and the count of
/// retries take it to be out. Here the pace of the first burst would let nothing go for four seconds.
#[test]
fn rfc6298_5_4_a_time_out_waits_for_no_pace() {
    for (peer, after) in [(WIDE, ms(220)), (SACK, ms(60))] {
        let mut raw = Raw::established_after(peer, ms(20));
        raw.with(|conn, _| {
            conn.set_path(1460, 65_000);
            conn.set_pacing(Pacer::Timer, 2_000);
        });
        let sent = raw.write(8_000).iter().map(|out| out.len).sum::<u32>();
        assert!(sent >= 2_000, "a burst");
        let outs = raw.pass(after);
        assert_eq!(outs.len(), 1, "{outs:?}");
        assert_eq!(raw.pass(ms(100)), [], "and no more");
    }
}

/// RFC 9293, 3.8.3 (MUST-21), RFC 5482: whose patience is longer than tcp_retries2 is not told before it ends.
#[test]
fn rfc5482_patience_counts_in_place_of_retries() {
    let mut raw = Raw::established();
    raw.net.retries2 = 3;
    raw.set_user_timeout(Duration::from_secs(600));
    raw.write(100);
    let start = raw.now;
    raw.pass(Duration::from_secs(590));
    assert_eq!((raw.state(), raw.error()), (Established, None));
    raw.pass(Duration::from_secs(20));
    assert_eq!(raw.error(), Some(CloseReason::TimedOut));
    assert!(raw.now.since(start) >= Duration::from_secs(600));
}

/// tcp(7), TCP_USER_TIMEOUT: also what may not be sent since the window is shut counts, whatever the peer answers
/// (RFC 6429, 3: that is for the user to say); without the option it may stay shut (MUST-37).
#[test]
fn rfc6429_3_patience_with_a_shut_window() {
    for (in_flight, patience, lives) in [
        (false, ms(0), true),
        (false, ms(10_000), false),
        (true, ms(0), true),
        (true, ms(10_000), false),
    ] {
        let mut raw = Raw::established();
        if patience != ms(0) {
            raw.set_user_timeout(patience);
        }
        if in_flight {
            raw.write(3_000);
        }
        raw.peer.wnd = 0;
        let acked = if in_flight { 1_001 } else { 1 };
        raw.feed(PSH_ACK, 1, acked, 1);
        if !in_flight {
            raw.write(3_000);
        }
        let shut = raw.now;
        while raw.now.since(shut) < ms(60_000) {
            let Some(at) = raw.conn.poll_timeout() else {
                break;
            };
            raw.pass(at.since(raw.now));
            if raw.error().is_some() {
                break;
            }
            raw.feed(ACK, 2, acked, 0);
        }
        assert_eq!(
            raw.state() == Established,
            lives,
            "{in_flight} {patience:?}"
        );
        if !lives {
            let ended = raw.now.since(shut);
            assert!(
                ended >= ms(10_000) && ended <= ms(10_500),
                "{in_flight} {ended:?}"
            );
        }
    }
    // What gets through begins a new row.
    let mut raw = Raw::established();
    raw.set_user_timeout(ms(10_000));
    for n in 0..5 {
        raw.write(100);
        raw.pass(ms(8_000));
        raw.feed(ACK, 1, 101 + n * 100, 0);
    }
    assert_eq!(raw.state(), Established);
}

/// RFC 5482, RFC 9293, 3.8.3: what a keepalive probe waits for is no retry of what is written meanwhile.
#[test]
fn rfc5482_a_probe_that_is_out_takes_no_patience() {
    for (user_timeout, closes) in [(ms(3_000), false), (ms(0), true)] {
        let mut raw = Raw::established();
        keep_alive(&mut raw, 20, user_timeout);
        let probe = out(ACK, 0, 1, 0);
        let silent = if closes { 9_000 } else { 0 };
        assert_eq!(raw.pass(ms(10_000 + silent))[0], probe);
        if closes {
            assert_eq!(raw.close().len(), 1);
        } else {
            raw.pass(ms(5));
            assert_eq!(raw.write(100).len(), 1);
        }
        let again = raw.pass(ms(700));
        assert_eq!(again.len(), 2, "{again:?}");
        assert_eq!(raw.error(), None);
        raw.feed(ACK, 1, 101, 0);
        assert_ne!(raw.state(), Closed);
    }
}

/// The right edge of the window, and the window, as last said.
fn last_window(raw: &Raw) -> (SeqNum, u32) {
    let header = raw.headers.last().expect("a segment");
    let wnd = u32::from(header.wnd);
    (header.ack.add(wnd), wnd)
}

/// Without memory for it data is not taken, as if it had been lost, and the peer hears of it at
/// once; but what was promised stays promised (RFC 9293, 3.8.6: the window does not shrink), and a
/// user who has nothing to read gets what comes, or nothing would ever free memory.
#[test]
fn no_memory_is_like_a_loss() {
    let mut raw = Raw::established_with(WIDE);
    raw.conn.set_memory(Memory::Gone);
    raw.feed(ACK, 1, 1, 1_000);
    assert_eq!(raw.conn.recv_len(), 1_000, "the first is taken");
    let (edge, _) = last_window(&raw);
    let answer = raw.feed(ACK, 1_001, 1, 1_000);
    assert_eq!(raw.conn.recv_len(), 1_000);
    assert_eq!(answer.len(), 1, "at once");
    assert_eq!(answer[0].ack, 1_001);
    assert_eq!(last_window(&raw).0, edge);
    // Neither what comes later in the stream.
    raw.feed(ACK, 3_001, 1, 1_000);
    raw.conn.set_memory(Memory::Plenty);
    raw.feed(ACK, 1_001, 1, 2_000);
    assert_eq!(raw.conn.recv_len(), 3_000);
}

/// RFC 2018, 8: what is in order is worth more than what is not, which may be given up.
#[test]
fn rfc2018_8_without_memory_data_out_of_order_goes_first() {
    let mut raw = Raw::established_with(Peer { sack: true, ..WIDE });
    raw.feed(ACK, 1, 1, 1_000);
    raw.feed(ACK, 3_001, 1, 1_000);
    assert_eq!(raw.sacked(), [(3_001, 4_001)]);
    raw.conn.set_memory(Memory::Gone);
    let answer = raw.feed(ACK, 1_001, 1, 1_000);
    assert_eq!(raw.conn.recv_len(), 2_000, "its memory served");
    assert_eq!(answer[0].ack, 2_001);
    assert_eq!(raw.sacked(), [], "and it is no longer reported");
    raw.feed(ACK, 2_001, 1, 1_000);
    assert_eq!(
        raw.conn.recv_len(),
        2_000,
        "now there is nothing left to give"
    );
}

/// While memory is short no window opens wide: four segments, whatever the buffer has room for.
#[test]
fn short_of_memory_windows_stay_small() {
    let window = |memory| {
        let mut raw = Raw::established_with(WIDE);
        // More than was promised at first, read as it comes.
        for n in 0..200 {
            raw.conn.set_memory(memory);
            raw.feed(PSH_ACK, 1 + n * 1_000, 1, 1_000);
            raw.read(u32::MAX);
        }
        last_window(&raw).1
    };
    assert!(window(Memory::Plenty) > 20_000);
    let short = window(Memory::Short);
    assert!((1_000..=4_000).contains(&short), "{short}");
}
