// SPDX-License-Identifier: GPL-2.0

//! What features.tsv asks for and no other file is about: settings of a namespace and their effect, and
//! rules that need a longer story.

use crate::platform::Host;
use crate::raw::*;
use crate::segment_arrives::synchronized;
use crate::tcp::{
    config::SocketConfig,
    congestion::Algorithm,
    connection::{reset_for, Connection},
    handshake::{on_listen_segment, OnListen, SynRcvd},
    metrics::Metrics,
    state::ConnState::*,
    time::{Duration, Instant},
    time_wait::TimeWait,
    wire::Segment,
};

/// Segments of 1000 bytes beside timestamps.
const WIDE: Peer = Peer {
    mss: 1_012,
    ts: Some(4_000),
    ..SACK
};

/// RFC 9293, 3.5.2: who sends a RST. Where there is no connection, for anything but a RST; before the
/// handshake is complete, for an ACK of what was not sent, and the state stays; later for nothing that
/// comes with a wrong number, which is answered by an ACK, and the state stays.
#[test]
fn rfc9293_3_5_2_who_sends_a_reset() {
    let raw = Raw::established();
    for flags in [SYN, ACK, SYN_ACK, FIN_ACK, PSH_ACK, RST, RST_ACK] {
        let seg: Segment = raw.segment(flags, 7, 9, 0, Default::default());
        let reset = reset_for(&seg);
        assert_eq!(reset.is_some(), !flags.contains(RST), "{flags:?}");
        // An ACK is all that tells a listener of a connection that is no more.
        let refused = matches!(on_listen_segment(&seg), OnListen::Reset(_));
        let acks = flags.contains(ACK) && !flags.contains(RST);
        assert_eq!(refused, acks, "LISTEN, {flags:?}");
    }
    for (mut raw, state) in [
        (Raw::syn_sent(Peer::default()), SynSent),
        (Raw::syn_received(), SynReceived),
    ] {
        assert_eq!(raw.feed(ACK, 1, 77, 0), [out(RST, 77, 0, 0)], "{state:?}");
        assert_eq!(raw.state(), state);
        assert_eq!(raw.feed(RST_ACK, 1, 77, 0), [], "a RST is never answered");
    }
    for (mut raw, state, next, sent) in synchronized() {
        for (flags, seq, ack) in [(ACK, 100_000_000, 1), (ACK, next, 50_000)] {
            raw.net.invalid_ratelimit = Duration::ZERO;
            let outs = raw.feed(flags, seq, ack, 0);
            assert_eq!(outs, [out(ACK, sent, next, 0)], "{state:?}");
            assert_eq!(raw.state(), state);
        }
    }
}

/// What nobody holds open any more, or not yet, is smaller than a connection: TIME-WAIT by nine tenths, a
/// half-open one by more than four fifths.
#[test]
fn small_entries_are_small() {
    let whole = size_of::<Connection<Host>>();
    assert!(size_of::<TimeWait>() * 10 <= whole, "{whole}");
    assert!(size_of::<SynRcvd>() * 5 <= whole, "{whole}");
}

/// RFC 5961, 7: how often a connection answers what moves nothing: twice a second, or as often as
/// tcp_invalid_ratelimit says.
#[test]
fn rfc5961_7_challenges_are_limited() {
    for (limit, answers) in [(500, 4), (100, 20), (5_000, 1), (0, 200)] {
        let mut raw = Raw::established();
        raw.net.invalid_ratelimit = ms(limit);
        let mut seen = 0;
        for _ in 0..200 {
            // In turn what RFC 5961, 3.2, 4.2 and 5.2 have challenged.
            let (flags, seq, ack) = [
                (RST, 5, 0),
                (SYN, 5, 0),
                (SYN, 9_000_000, 0),
                (ACK, 1, 60_000),
            ][seen % 4];
            let outs = raw.feed(flags, seq, ack, 0);
            assert!(outs.iter().all(|o| *o == out(ACK, 1, 1, 0)), "{outs:?}");
            seen += outs.len();
            raw.now = raw.now.add(ms(10));
        }
        assert_eq!(seen, answers, "one in {limit} ms, for two seconds");
    }
}

/// tcp_fin_timeout: how long a connection without a user waits in FIN-WAIT-2 for the peer's FIN.
#[test]
fn fin_wait_2_lasts_as_the_namespace_says() {
    for seconds in [17, 60] {
        let mut raw = Raw::established();
        raw.net.fin_timeout = Duration::from_secs(seconds);
        raw.close();
        raw.feed(ACK, 1, 2, 0);
        assert_eq!(raw.state(), FinWait2);
        let mut deadline = Instant::default();
        let now = raw.now;
        raw.with(|conn, cx| deadline = conn.time_wait(cx).deadline());
        assert_eq!(deadline.since(now), Duration::from_secs(seconds));
    }
}

/// RFC 7323, 4.1: an echo is a sample of the round-trip time only if the ACK acknowledges something new,
/// and then also of what was sent twice, which without timestamps gives none (RFC 6298, 3).
#[test]
fn rfc7323_4_1_echoes_are_samples() {
    for (ts, sampled) in [(Some(4_000), true), (None, false)] {
        let mut raw = Raw::established_with(Peer { ts, ..SACK });
        raw.write(1_000);
        // The tail probe and the time-out.
        raw.pass(ms(400));
        let srtt = raw.conn.srtt();
        assert_eq!(srtt, Some(ms(20)));
        // The echo of 60 ms ago, on a segment that brings data and acknowledges nothing.
        let echo = raw.echo;
        raw.now = raw.now.add(ms(60));
        raw.feed(ACK, 1, 1, 10);
        assert_eq!(raw.conn.srtt(), srtt, "nothing new is acknowledged");
        raw.echo = echo;
        raw.feed(ACK, 11, 1_001, 0);
        let after = raw.conn.srtt().unwrap();
        assert_eq!(after > ms(20), sampled, "{after:?}");
        assert!(after < ms(80), "of the last transmission: {after:?}");
    }
}

/// tcp_max_reordering bounds what TCP_INFO says of how far segments were overtaken.
#[test]
fn max_reordering_bounds_what_is_told() {
    for (most, told) in [(300, 10), (5, 5)] {
        let mut raw = Raw::established_with(WIDE);
        raw.net.max_reordering = most;
        for _ in 0..10 {
            raw.write(1_000);
        }
        raw.now = raw.now.add(ms(20));
        assert_eq!(raw.feed_sack(1, &[(9_001, 10_001)]), []);
        assert_eq!(raw.feed_sack(1_001, &[(9_001, 10_001)]), []);
        let info = raw.info();
        assert!(info.reord_seen > 0);
        assert_eq!(info.reordering, told);
    }
}

/// tcp_congestion_control has no say in what TCP_CONGESTION chose, and all of it otherwise.
#[test]
fn the_choice_of_the_namespace_and_of_the_socket() {
    for &namespace in Algorithm::ALL {
        for &socket in Algorithm::ALL {
            for congestion in [None, Some(socket)] {
                let config = SocketConfig {
                    congestion,
                    ..SocketConfig::default()
                };
                let mut raw = Raw::closed(SACK, config);
                raw.net.congestion = namespace;
                raw.open();
                raw.answer_syn();
                let want = congestion.unwrap_or(namespace);
                assert_eq!(raw.conn.congestion(&raw.net), want);
            }
        }
    }
}

/// tcp_pacing_ss_ratio and tcp_pacing_ca_ratio: the pace, in percent of a window each round trip, in slow
/// start and otherwise.
#[test]
fn the_paces_ratios_are_the_namespaces() {
    for (slow_start, avoidance) in [(200, 120), (400, 150)] {
        let mut raw = Raw::established_with(WIDE);
        raw.net.pacing_ss_ratio = slow_start;
        raw.net.pacing_ca_ratio = avoidance;
        let percent = |raw: &mut Raw| {
            let window = u64::from(raw.conn.cwnd()) * 1_000_000_000;
            let rtt = raw.conn.srtt().unwrap().as_nanos();
            (raw.info().pacing_rate * rtt * 100 + window / 2) / window
        };
        raw.write(60_000);
        raw.now = raw.now.add(ms(20));
        raw.feed(ACK, 1, 10_001, 0);
        assert_eq!(percent(&mut raw), u64::from(slow_start));
        // A loss ends slow start.
        raw.now = raw.now.add(ms(20));
        raw.feed_sack(10_001, &[(11_001, 20_001)]);
        raw.now = raw.now.add(ms(20));
        raw.feed(ACK, 1, 30_001, 0);
        raw.now = raw.now.add(ms(20));
        raw.feed(ACK, 1, 31_001, 0);
        assert_eq!(percent(&mut raw), u64::from(avoidance));
    }
}

/// tcp_tso_win_divisor: an ACK that opens less than that part of the window lets nothing go yet, if the next
/// one must come soon; 0: less than three segments. What is waited for goes with the next ACK.
#[test]
fn small_bursts_wait_as_the_namespace_says() {
    // Window 10 segments and then 11 of 1,000 bytes, the room after the first ACK 2: a part of 5.5.
    for (divisor, goes) in [(0, 0), (3, 0), (5, 0), (6, 2), (255, 2)] {
        let mut raw = Raw::established_after(SACK, ms(1));
        raw.with(|conn, _| conn.set_path(1460, 65_000));
        raw.net.tso_win_divisor = divisor;
        let first: u32 = raw.write(60_000).iter().map(|out| out.len).sum();
        assert_eq!(first, 10_000);
        raw.pass(ms(1));
        let sent = |outs: &[Out]| outs.iter().map(|out| out.len / 1_000).sum::<u32>();
        let outs = raw.feed(ACK, 1, 1_001, 0);
        assert_eq!(raw.conn.cwnd(), 11_000);
        assert_eq!(sent(&outs), goes, "divisor {divisor}");
        let outs = raw.feed(ACK, 1, 3_001, 0);
        assert_eq!(sent(&outs), 6 - goes, "divisor {divisor}, and more");
    }
}

/// RFC 3465, 2.1: in congestion avoidance the window grows by a segment for each window of bytes that was
/// acknowledged, in however many ACKs. RFC 3465, 2.2: in slow start by what was acknowledged.
#[test]
fn rfc3465_2_1_bytes_count_and_not_acks() {
    for step in [50, 500, 1_000, 2_000, 10_000] {
        let mut raw = Raw::closed(SACK, SocketConfig::default());
        // The route says where congestion avoidance begins: twice the initial window.
        raw.with(|conn, cx| {
            let metrics = Metrics {
                ssthresh: 20,
                ..Metrics::NONE
            };
            conn.set_metrics(cx, metrics);
        });
        raw.open();
        raw.answer_syn();
        raw.write(200_000);
        let mut acked = 1;
        let mut windows = vec![];
        for window in [10_000, 20_000, 21_000] {
            let end = acked + window;
            while acked < end {
                acked = end.min(acked + step);
                raw.feed(ACK, 1, acked, 0);
            }
            windows.push(raw.conn.cwnd());
        }
        assert_eq!(windows, [20_000, 21_000, 22_000], "{step} bytes an ACK");
    }
}

/// tcp_moderate_rcvbuf: a reader who reads much gets a larger buffer, or not. tcp_rmem says how large at most.
/// tcp_rcvbuf_low_rtt: on a path that is so short the buffer holds twice what is read in a round trip, on
/// others it runs ahead of a sender in slow start.
#[test]
fn the_receive_buffer_follows_as_the_namespace_says() {
    let grown = |moderate: bool, most: u32, low_rtt: Duration| {
        let mut raw = Raw::established();
        raw.conn.set_buffers(1 << 20, 100_000, (false, false));
        raw.net.moderate_rcvbuf = moderate;
        raw.net.rmem[2] = most;
        raw.net.rcvbuf_low_rtt = low_rtt;
        let mut at = 1;
        // Twice as much in each round trip.
        for segments in [10, 20, 40, 80] {
            for _ in 0..segments {
                raw.feed(ACK, at, 1, 1_000);
                raw.read(u32::MAX);
                at += 1_000;
            }
            raw.now = raw.now.add(ms(25));
        }
        raw.feed(ACK, at, 1, 1_000);
        raw.read(u32::MAX);
        raw.conn.buffers().1
    };
    assert_eq!(grown(false, 4 << 20, ms(1)), 100_000);
    assert_eq!(grown(true, 150_000, ms(1)), 150_000);
    let (ahead, beside) = (grown(true, 4 << 20, ms(1)), grown(true, 4 << 20, ms(30)));
    assert!(beside > 160_000, "twice 80 segments: {beside}");
    assert!(ahead > beside + 100_000, "{ahead} for {beside}");
}
