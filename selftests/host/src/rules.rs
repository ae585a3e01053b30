// SPDX-License-Identifier: GPL-2.0

//! Rules of RFC 9293 by their identifiers, as far as no test of a mechanism covers them.

use crate::raw::*;
use crate::tcp::{
    config::{NetConfig, SocketConfig},
    connection::{default_mss, CloseReason, Events, IcmpError},
    handshake::{SynParams, SynRcvd, SynRcvdOn},
    metrics::Metrics,
    state::ConnState::*,
    time::Duration,
    time_wait::TimeWaitOn,
    wire::{Flags, Header, Options, Segment, Timestamps},
};

const WIDE: Peer = Peer {
    wnd: 60_000,
    mss: 1000,
    sack: false,
    wscale: None,
    ts: None,
};

fn lens(outs: &[Out]) -> Vec<u32> {
    outs.iter().map(|o| o.len).collect()
}

/// RFC 9293, MUST-1 and REC-1: a window with its highest bit set is large, and scaled it exceeds
/// 16 bits.
#[test]
fn rfc9293_3_1_windows_are_unsigned_and_wide() {
    let mut raw = Raw::established_with(Peer {
        wnd: 0xffff,
        wscale: Some(2),
        ..WIDE
    });
    // A window update, scaled: 262,140 bytes.
    raw.feed(ACK, 1, 1, 0);
    let (mut acked, mut flight) = (1, 0);
    raw.write(1_000_000);
    for _ in 0..12 {
        let nxt = raw.conn.numbers().1.distance_from(raw.zeros().0);
        flight = flight.max(nxt - acked);
        raw.now = raw.now.add(ms(20));
        acked = nxt;
        raw.feed(ACK, 1, acked, 0);
    }
    let nxt = raw.conn.numbers().1.distance_from(raw.zeros().0);
    flight = flight.max(nxt - acked);
    assert!((200_000..=262_140).contains(&flight), "{flight}");
}

/// RFC 9293, MUST-5: options in any segment, here in data, FIN and ACK, are read or skipped.
#[test]
fn rfc9293_3_1_options_in_any_segment() {
    let mut raw = Raw::established();
    let options = Options {
        mss: Some(9_000),
        wscale: Some(9),
        sack_permitted: true,
        ..Options::default()
    };
    assert_eq!(raw.feed_with(ACK, 1, 1, 500, options).len(), 1);
    let (mss, _) = (raw.conn.mss(), raw.write(1_000));
    assert_eq!(mss, 1_000, "options of a SYN mean nothing later");
    raw.feed_with(ACK, 501, 1_001, 0, options);
    assert_eq!(raw.conn.unacked(), 0);
    raw.feed_with(FIN_ACK, 501, 1_001, 0, options);
    assert_eq!(raw.state(), CloseWait);
}

/// RFC 9293, MUST-14, MAY-3, SHLD-5, MUST-67, MUST-65: our SYN and SYN-ACK say what the route can
/// bring us, and nothing else does.
#[test]
fn rfc9293_3_7_1_the_mss_option_goes_with_syns_only() {
    let raw = Raw::syn_sent(Peer::default());
    assert_eq!(raw.headers[0].options.mss, Some(1_460));
    let raw = Raw::syn_received();
    assert_eq!(raw.headers[0].options.mss, Some(1_460));
    let mut raw = Raw::established();
    assert_eq!(raw.headers[0].options.mss, None, "the handshake's last ACK");
    raw.write(10);
    assert_eq!(raw.headers[0].options.mss, None, "data");
    raw.shutdown();
    assert_eq!(raw.headers[0].options.mss, None, "FIN");
    raw.pass(ms(300));
    assert_eq!(raw.headers[0].options.mss, None, "sent again");
    raw.with(|conn, cx| conn.abort(cx));
    assert_eq!(raw.headers[0].options.mss, None, "RST");
}

/// RFC 9293, MUST-15: a peer whose SYN has no MSS option gets segments of 536 bytes, over IPv6 of
/// 1220. One that says 0 says nothing.
#[test]
fn rfc9293_3_7_1_the_default_mss() {
    for (v6, mss, expected) in [
        (false, None, [536, 536, 28]),
        (false, Some(0), [536, 536, 28]),
        (true, None, [1_220, 1_220, 60]),
        (true, Some(0), [1_220, 1_220, 60]),
        (true, Some(700), [700, 700, 100]),
    ] {
        let config = SocketConfig {
            nodelay: true,
            ..SocketConfig::default()
        };
        let mut raw = Raw::closed(WIDE, config);
        raw.open_over(v6);
        let options = Options {
            mss,
            ..Options::default()
        };
        raw.feed_with(SYN_ACK, 0, 1, 0, options);
        assert_eq!(raw.state(), Established);
        let all = expected.iter().sum::<u32>();
        assert_eq!(lens(&raw.write(all as usize)), expected);
    }
}

/// RFC 9293, MUST-15, at a listener.
#[test]
fn rfc9293_3_7_1_the_default_mss_of_a_half_open_connection() {
    let mut raw = Raw::established();
    let (ours, theirs) = raw.zeros();
    raw.with(|_, cx| {
        for (v6, mss, expected) in [
            (false, None, 536),
            (true, None, 1_220),
            (true, Some(0), 1_220),
            (true, Some(1_000), 1_000),
        ] {
            let syn = Segment {
                header: Header {
                    seq: theirs,
                    flags: SYN,
                    options: Options {
                        mss,
                        ..Options::default()
                    },
                    ..Header::default()
                },
                ..Segment::default()
            };
            let params = SynParams {
                iss: ours,
                ts_offset: 0,
                mss_route: 1_440,
                mss_default: default_mss(v6),
                rcvbuf: 65_536,
                fixed: false,
                metrics: Metrics::NONE,
            };
            let entry = SynRcvd::new(cx, &SocketConfig::default(), &syn, params);
            assert_eq!(entry.mss_peer, expected);
        }
    });
}

/// RFC 9293, MUST-16 and SHLD-6: the least of what peer and route take, less the options that every
/// segment has.
#[test]
fn rfc9293_3_7_1_the_effective_mss() {
    for (mss, ts, expected) in [
        (1_000, None, 1_000),
        (1_000, Some(1), 988),
        (9_000, None, 1_460),
        (9_000, Some(1), 1_448),
    ] {
        let mut raw = Raw::established_with(Peer { mss, ts, ..WIDE });
        assert_eq!(raw.write(3_000)[0].len, expected);
        // A narrower route.
        let una = raw.conn.numbers().0;
        raw.with(|conn, cx| conn.handle_mtu(cx, una, 700));
        let options = if ts.is_some() { 12 } else { 0 };
        assert_eq!(raw.conn.mss(), 700 - options);
    }
}

/// RFC 9293, MUST-66: our window is shut, and a RST counts all the same; so does an ACK.
#[test]
fn rfc9293_3_4_a_reset_counts_with_a_shut_window() {
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
    raw.write(100);
    assert_eq!(raw.conn.unacked(), 100);
    raw.feed(ACK, at, 101, 0);
    assert_eq!(raw.conn.unacked(), 0);
    raw.feed(RST, at, 0, 0);
    assert_eq!(
        (raw.state(), raw.error()),
        (Closed, Some(CloseReason::ConnectionReset))
    );
}

/// RFC 9293, MUST-66: our window is shut, and URG counts all the same.
#[test]
fn rfc9293_3_4_urg_counts_with_a_shut_window() {
    let mut raw = Raw::established();
    loop {
        let (_, _, _, next, edge) = raw.conn.numbers();
        let window = edge.distance_from(next);
        if window == 0 {
            break;
        }
        let at = raw.their_next();
        raw.feed(ACK, at, 1, window.min(1_000));
    }
    let at = raw.their_next();
    raw.urg = 1;
    raw.feed(ACK.with(Flags::URG), at, 1, 0);
    assert!(raw.events.has(Events::URGENT));
    // Everything before the mark is still to be read.
    assert_eq!(raw.conn.urgent_distance(), Some(at - 1));
}

/// RFC 9293, SHLD-2: a RST with data, whatever it says, is a RST.
#[test]
fn rfc9293_3_5_3_a_reset_may_carry_data() {
    let mut raw = Raw::established();
    raw.feed(RST, 1, 0, 25);
    assert_eq!((raw.state(), raw.conn.recv_len()), (Closed, 0));
    assert_eq!(raw.error(), Some(CloseReason::ConnectionReset));
}

/// RFC 9293, MUST-11: a RST in SYN-RECEIVED brings a listener's entry to an end without a word, and
/// refuses what the user opened.
#[test]
fn rfc9293_3_5_syn_received_knows_where_it_came_from() {
    let mut raw = Raw::syn_received();
    raw.feed(RST, 1, 0, 0);
    assert_eq!(raw.error(), Some(CloseReason::ConnectionRefused));
    let (ours, theirs) = raw.zeros();
    raw.with(|_, cx| {
        let header = |flags, seq| Segment {
            header: Header {
                seq: theirs.add(seq),
                flags,
                wnd: 1_000,
                ..Header::default()
            },
            ..Segment::default()
        };
        let params = SynParams {
            iss: ours,
            ts_offset: 0,
            mss_route: 1_460,
            mss_default: 536,
            rcvbuf: 65_536,
            fixed: false,
            metrics: Metrics::NONE,
        };
        let mut entry = SynRcvd::new(cx, &SocketConfig::default(), &header(SYN, 0), params);
        let on = entry.handle_segment(cx, &header(RST, 1));
        assert!(matches!(on, SynRcvdOn::Remove));
    });
}

/// RFC 9293, MUST-12: the user can tell the peer's CLOSE from its abort.
#[test]
fn rfc9293_3_6_an_abort_is_not_a_close() {
    let mut raw = Raw::established();
    raw.feed(FIN_ACK, 1, 1, 0);
    assert!(raw.conn.peer_closed() && raw.error().is_none());
    assert!(!raw.events.has(Events::ERROR));
    let mut raw = Raw::established();
    raw.feed(RST, 1, 0, 0);
    assert!(!raw.conn.peer_closed());
    assert!(raw.events.has(Events::ERROR));
    assert_eq!(raw.error(), Some(CloseReason::ConnectionReset));
}

/// RFC 9293, MUST-13: TIME-WAIT lasts 2 MSL, which is a minute (an MSL of 30 seconds, as in Linux),
/// and longer if the peer's FIN comes again.
#[test]
fn rfc9293_3_6_1_time_wait_lasts_two_msl() {
    let mut raw = Raw::fin_wait_2();
    raw.feed(FIN_ACK, 1, 2, 0);
    assert!(raw.events.has(Events::TIME_WAIT));
    raw.with(|conn, cx| {
        let tw = conn.time_wait(cx);
        assert_eq!(tw.deadline().since(cx.now), Duration::from_secs(60));
    });
}

/// RFC 9293, SHLD-4 and RFC 6191, 2: a SYN with a later timestamp may open anew, whatever its number.
#[test]
fn rfc6191_2_a_later_timestamp_ends_time_wait() {
    for (val, opens) in [(500, true), (5, false), (4, false)] {
        let mut raw = Raw::established_with(Peer {
            ts: Some(5),
            ..WIDE
        });
        raw.shutdown();
        raw.feed(ACK, 1, 2, 0);
        raw.feed(FIN_ACK, 1, 2, 0);
        assert_eq!(raw.state(), TimeWait);
        let (_, theirs) = raw.zeros();
        raw.with(|conn, cx| {
            let mut tw = conn.time_wait(cx);
            let seg = Segment {
                header: Header {
                    // Before what was received last: by number alone it is an old one.
                    seq: theirs.sub(1_000),
                    flags: SYN,
                    options: Options {
                        timestamps: Some(Timestamps { val, ecr: 0 }),
                        ..Options::default()
                    },
                    ..Header::default()
                },
                ..Segment::default()
            };
            let on = tw.handle_segment(cx, &seg);
            assert_eq!(matches!(on, TimeWaitOn::NewConnection(_)), opens, "{val}");
        });
    }
}

/// RFC 9293, MUST-21 and MUST-22: the user sets R2, of data by time and of a SYN by number.
#[test]
fn rfc9293_3_8_3_the_user_sets_r2() {
    let mut raw = Raw::established();
    raw.set_user_timeout(ms(3_000));
    raw.write(100);
    let start = raw.now;
    raw.pass(ms(3_000));
    assert_eq!(raw.state(), Established);
    while let Some(at) = raw.conn.poll_timeout() {
        raw.pass(at.since(raw.now));
    }
    assert_eq!(raw.error(), Some(CloseReason::TimedOut));
    assert!(raw.now.since(start) <= ms(3_500));
    let mut raw = Raw::syn_sent(Peer::default());
    raw.net.syn_linear_timeouts = 0;
    raw.with(|conn, cx| {
        let config = SocketConfig {
            syn_retries: 2,
            ..*conn.config()
        };
        conn.configure(cx, config);
    });
    let outs = raw.pass(Duration::from_secs(600));
    assert_eq!(outs, [out(SYN, 0, 0, 0); 2]);
    assert_eq!(raw.error(), Some(CloseReason::TimedOut));
}

/// RFC 9293, SHLD-11 and MUST-22: without the user's say, 100 seconds for data; for a SYN as many
/// retransmissions as net.ipv4.tcp_syn_retries says, with a doubled time-out each, after those in even
/// time that tcp_syn_linear_timeouts asks for (ip-sysctl.rst has the times of the default), but in no
/// more than the time of the doubled ones alone.
#[test]
fn rfc9293_3_8_3_r2_by_default() {
    let mut raw = Raw::established();
    raw.write(100);
    raw.pass(Duration::from_secs(100));
    assert_eq!(raw.state(), Established);
    let times = |linear: u8, retries: u8| {
        let mut raw = Raw::syn_sent(Peer::default());
        raw.net.syn_linear_timeouts = linear;
        raw.net.syn_retries = retries;
        let start = raw.now;
        let mut at = Vec::new();
        while let Some(due) = raw.conn.poll_timeout() {
            raw.pass(due.since(raw.now));
            at.push(raw.now.since(start).as_millis_ceil() / 1_000);
        }
        assert_eq!(raw.error(), Some(CloseReason::TimedOut));
        at
    };
    assert_eq!(times(0, 6), [1, 3, 7, 15, 31, 63, 127]);
    assert_eq!(times(4, 6), [1, 2, 3, 4, 5, 7, 11, 19, 35, 67, 131]);
    assert_eq!(times(4, 1), [1, 2, 3]);
    assert_eq!(times(1, 8), [1, 2, 4, 8, 16, 32, 64, 128, 248, 368]);
}

/// RFC 9293, MUST-23: a SYN is tried for three minutes if TCP_SYNCNT, or tcp_syn_retries for all, says so.
/// By default it is not, as in Linux.
#[test]
fn rfc9293_3_8_3_r2_of_a_syn() {
    let tried = |all: u8, own: u8| {
        let mut raw = Raw::syn_sent(Peer::default());
        raw.net.syn_retries = all;
        raw.with(|conn, cx| {
            let config = SocketConfig {
                syn_retries: own,
                ..*conn.config()
            };
            conn.configure(cx, config);
        });
        let start = raw.now;
        while raw.state() == SynSent {
            let at = raw.conn.poll_timeout().expect("a timer");
            raw.pass(at.since(raw.now));
        }
        assert_eq!(raw.error(), Some(CloseReason::TimedOut));
        raw.now.since(start)
    };
    for (all, own) in [(7, 0), (6, 7)] {
        assert!(tried(all, own) >= Duration::from_secs(180), "{all} {own}");
    }
    assert_eq!(tried(NetConfig::default().syn_retries, 0), ms(131_000));
}

/// RFC 9293, SHLD-10: R1 is three retransmissions. Before that nothing is done about the path; then
/// smaller segments are tried, if tcp_mtu_probing lets them.
#[test]
fn rfc9293_3_8_3_r1_is_three_retransmissions() {
    assert!(NetConfig::default().retries1 >= 3);
    let mut raw = Raw::syn_sent(Peer { mss: 1_460, ..WIDE });
    raw.net.mtu_probing = 1;
    raw.now = raw.now.add(ms(20));
    raw.answer_syn();
    assert_eq!(lens(&raw.write(1_460)), [1_460]);
    let again = lens(&raw.pass(Duration::from_secs(10)));
    assert_eq!(again[..3], [1_460; 3]);
    assert!(again[3] < 1_460, "{again:?}");
}

/// RFC 9293, SHLD-9: who asks (TCP_INFO) hears of the trouble from the first time-out on; nobody is told
/// unasked, as in Linux.
#[test]
fn rfc9293_3_8_3_who_asks_hears_of_trouble() {
    let told = |raw: &mut Raw| {
        let mut told = (0, 0);
        raw.with(|conn, cx| {
            let info = conn.info(cx);
            told = (info.retransmits, info.backoff);
        });
        told
    };
    let mut raw = Raw::established();
    raw.write(100);
    assert_eq!(told(&mut raw), (0, 0));
    for row in 1..=4 {
        let at = raw.conn.poll_timeout().expect("a timer");
        raw.pass(at.since(raw.now));
        assert_eq!(told(&mut raw), (row, row));
        assert_eq!((raw.state(), raw.error()), (Established, None));
    }
    // The time-out stays as long as it is until there is a sample (RFC 6298, 5).
    raw.feed(ACK, 1, 101, 0);
    assert_eq!(told(&mut raw), (0, 4));
    raw.write(100);
    raw.feed(ACK, 1, 201, 0);
    assert_eq!(told(&mut raw), (0, 0));
}

/// RFC 9293, MUST-25 and MUST-28: no keepalives unless asked for, and then after two hours.
#[test]
fn rfc9293_3_8_4_keepalive_is_off_by_default() {
    let mut raw = Raw::established();
    assert_eq!(raw.conn.poll_timeout(), None);
    raw.with(|conn, cx| {
        let config = SocketConfig {
            keepalive: true,
            ..*conn.config()
        };
        conn.configure(cx, config);
    });
    let due = raw.conn.poll_timeout().expect("a timer").since(raw.now);
    assert!(due >= Duration::from_secs(2 * 3_600), "{due:?}");
    assert_eq!(
        NetConfig::default().keepalive_time,
        Duration::from_secs(7_200)
    );
}

/// RFC 9293, MUST-34, SHLD-15, SHLD-16, SHLD-17: the peer takes window back over data in flight.
#[test]
fn rfc9293_3_8_6_a_window_that_shrinks() {
    let mut raw = Raw::established_with(WIDE);
    assert_eq!(raw.write(20_000).len(), 10);
    raw.peer.wnd = 3_000;
    // A later segment, so that its window is believed: much of what is out lies beyond now.
    assert_eq!(raw.feed(PSH_ACK, 1, 1, 1), [out(ACK, 10_001, 2, 0)]);
    let at = raw.conn.poll_timeout().expect("a timer");
    assert_eq!(raw.pass(at.since(raw.now))[0].seq, 1, "sent again");
    // What lay in the window arrived, and the window is shut.
    raw.peer.wnd = 0;
    raw.feed(ACK, 2, 3_001, 0);
    let mut again = Vec::new();
    for _ in 0..40 {
        let at = raw.conn.poll_timeout().expect("a timer");
        again.extend(raw.pass(at.since(raw.now)));
        raw.feed(ACK, 2, 3_001, 0);
    }
    assert_eq!(raw.state(), Established, "the peer answers");
    assert!(again.iter().any(|o| o.seq == 3_001), "it is probed");
    assert!(again.iter().all(|o| o.seq + o.len <= 10_001), "new data");
    // The window opens again and the connection has lost nothing.
    raw.peer.wnd = 60_000;
    raw.feed(ACK, 2, 10_001, 0);
    for _ in 0..20 {
        let nxt = raw.conn.numbers().1.distance_from(raw.zeros().0);
        raw.feed(ACK, 2, nxt, 0);
    }
    assert_eq!((raw.conn.unacked(), raw.state()), (0, Established));
}

/// RFC 9293, MUST-34, MUST-37: that the window is shut is believed although nothing else in the segment is new. The
/// peer answers, so that however long that lasts the connection lives.
#[test]
fn rfc9293_3_8_6_a_window_that_shuts_without_an_ack() {
    let mut raw = Raw::established_with(WIDE);
    let window = |raw: &mut Raw| {
        let mut window = 0;
        raw.with(|conn, cx| window = conn.info(cx).snd_wnd);
        window
    };
    raw.write(1_000);
    raw.feed(ACK, 1, 1_001, 0);
    assert_eq!(raw.write(10_000).len(), 10);
    raw.peer.wnd = 0;
    raw.feed(ACK, 1, 1_001, 0);
    assert_eq!(window(&mut raw), 0);
    for _ in 0..40 {
        let at = raw.conn.poll_timeout().expect("a timer");
        raw.pass(at.since(raw.now));
        raw.feed(ACK, 1, 1_001, 0);
    }
    assert_eq!((raw.state(), raw.error()), (Established, None));
    // A smaller one is not believed: the segment may be an older one.
    for wnd in [60_000, 500] {
        raw.peer.wnd = wnd;
        raw.feed(ACK, 1, 1_001, 0);
        assert_eq!(window(&mut raw), 60_000);
    }
}

/// RFC 9293, SHLD-27, SHLD-28, MUST-60, MUST-61, MAY-16: writes are joined to full segments, the
/// last one queued goes with PSH, and none waits for ever.
#[test]
fn rfc9293_3_9_1_2_push() {
    let mut raw = Raw::established_with(WIDE);
    raw.with(|conn, cx| {
        let config = SocketConfig {
            nodelay: false,
            ..*conn.config()
        };
        conn.configure(cx, config);
    });
    assert_eq!(raw.write(100), [out(PSH_ACK, 1, 1, 100)]);
    // Ten writes, each with its PSH, while Nagle waits.
    for _ in 0..9 {
        assert_eq!(raw.write(100), []);
    }
    assert_eq!(
        raw.feed(ACK, 1, 101, 0),
        [out(PSH_ACK, 101, 1, 900)],
        "one segment, one PSH"
    );
    assert_eq!(
        raw.write(2_000),
        [out(ACK, 1_001, 1, 1_000), out(PSH_ACK, 2_001, 1, 1_000)]
    );
}

/// RFC 9293, SHLD-19: every second full-sized segment is acknowledged. How long that is tell the
/// packets that receive offload joined, and the MSS that we offered; our own segments tell nothing.
#[test]
fn rfc9293_3_8_6_3_full_sized_is_what_the_peer_sends() {
    let now = |raw: &mut Raw, packets: u16, len: u32| {
        raw.joined = packets;
        let seq = raw.their_next();
        raw.feed(ACK, seq, 1, u32::from(packets) * len).len()
    };
    // tcpi_rcv_mss
    let seen = |raw: &mut Raw| {
        let mut seen = 0;
        raw.with(|conn, cx| seen = conn.info(cx).rcv_mss);
        seen
    };
    // The first ones are acknowledged anyway.
    let begun = |mss, len| {
        let mut raw = Raw::established_with(Peer { mss, ..WIDE });
        for _ in 0..15 {
            assert_eq!(now(&mut raw, 1, len), 1);
        }
        raw
    };
    // Segments of 600 bytes, one at a time or joined; ours have 1460.
    let mut raw = begun(1_460, 600);
    assert_eq!(now(&mut raw, 3, 600), 1);
    for _ in 0..3 {
        assert_eq!(now(&mut raw, 2, 600), 1, "two joined");
        assert_eq!([now(&mut raw, 1, 600), now(&mut raw, 1, 600)], [0, 1]);
    }
    assert_eq!(seen(&mut raw), 600);
    // Segments of 1460 bytes; ours have 536.
    let mut raw = begun(536, 1_460);
    for _ in 0..3 {
        assert_eq!([now(&mut raw, 1, 1_460), now(&mut raw, 1, 1_460)], [0, 1]);
    }
    // Joined, and nobody says how many: no segment is longer than we offered.
    assert_eq!(now(&mut raw, 1, 7_300), 1);
    assert_eq!([now(&mut raw, 1, 1_460), now(&mut raw, 1, 1_460)], [0, 1]);
    assert_eq!(seen(&mut raw), 1_460);
}

/// RFC 9293, MUST-47, SHLD-20, SHLD-25: what ICMP calls a soft error (no route to net or host, time
/// exceeded, a problem with the header) is what the user hears if the connection comes to nothing.
/// Without IP_RECVERR nothing is said before that, and nothing at all if an answer came after all.
#[test]
fn rfc9293_3_9_2_2_soft_errors() {
    for (error, reason) in [
        (IcmpError::Net, CloseReason::NetUnreachable),
        (IcmpError::Host, CloseReason::HostUnreachable),
        (IcmpError::BadHeader, CloseReason::BadHeader),
    ] {
        for (answered, heard) in [(false, reason), (true, CloseReason::TimedOut)] {
            let mut raw = Raw::established();
            raw.write(100);
            let una = raw.conn.numbers().0;
            raw.icmp(una, error);
            assert_eq!((raw.state(), raw.error()), (Established, None));
            assert!(!raw.events.has(Events::ERROR));
            if answered {
                raw.feed(ACK, 1, 101, 0);
                raw.write(100);
            }
            raw.pass(Duration::from_secs(3_600));
            assert_eq!((raw.state(), raw.error()), (Closed, Some(heard)));
        }
    }
}

/// RFC 9293, SHLD-26: what ICMP calls a hard error (no such protocol, no such port) ends a connection that
/// opens. One that is open goes on: its user may ask to be told (IP_RECVERR), as Linux has it.
#[test]
fn rfc9293_3_9_2_2_hard_errors() {
    for (error, reason) in [
        (IcmpError::NoProtocol, CloseReason::NoProtocol),
        (IcmpError::Refused, CloseReason::ConnectionRefused),
    ] {
        let mut raw = Raw::syn_sent(Peer::default());
        let una = raw.conn.numbers().0;
        raw.icmp(una, error);
        assert_eq!((raw.state(), raw.error()), (Closed, Some(reason)));
        for asked in [true, false] {
            let mut raw = with_recverr(asked);
            let una = raw.conn.numbers().0;
            raw.icmp(una, error);
            assert_eq!(raw.state(), Established, "{error:?}");
            assert_eq!(raw.error(), asked.then_some(reason), "{error:?}");
            let (ours, _) = raw.zeros();
            assert_eq!(una, ours.add(1));
            assert_eq!(raw.feed(ACK, 1, 101, 0), []);
            assert_eq!(raw.conn.numbers().0, ours.add(101), "{error:?}: it goes on");
        }
    }
}

/// A connection with 100 bytes out, whose user is told of ICMP's errors if `asked`.
fn with_recverr(asked: bool) -> Raw {
    let mut raw = Raw::established();
    raw.with(|conn, cx| {
        let config = SocketConfig {
            tells_icmp: asked,
            ..*conn.config()
        };
        conn.configure(cx, config);
    });
    raw.write(100);
    raw
}

/// RFC 5927, 4.1: an ICMP error counts if SND.UNA =< SEG.SEQ < SND.NXT; anybody could send others.
#[test]
fn rfc5927_4_1_errors_about_nothing_that_is_out() {
    for (offset, counts) in [
        (0, true),
        (99, true),
        (100, false),
        (1 << 20, false),
        (1 << 31, false),
        (u32::MAX, false),
    ] {
        let mut raw = with_recverr(true);
        let una = raw.conn.numbers().0;
        raw.icmp(una.add(offset), IcmpError::Host);
        assert_eq!(raw.error().is_some(), counts, "{offset}");
    }
}

/// RFC 9293, MUST-58 and MUST-59: what came before the next poll is answered by one ACK.
#[test]
fn rfc9293_3_10_7_4_acks_are_joined() {
    let mut raw = Raw::established();
    let (ours, theirs) = raw.zeros();
    let outs = raw.with(|conn, cx| {
        for n in 0..8u32 {
            let seg = Segment {
                header: Header {
                    seq: theirs.add(1 + n * 1_000),
                    ack: ours.add(1),
                    flags: ACK,
                    wnd: 20_000,
                    ..Header::default()
                },
                payload_len: 1_000,
                ..Segment::default()
            };
            let buf = crate::platform::Buf::new(vec![0; 1_000]);
            let _ = conn.handle_segment(cx, &seg, Some(buf));
        }
    });
    assert_eq!(outs, [out(ACK, 1, 8_001, 0)]);
}

/// RFC 9293, MAY-12 and RFC 5961, 5: an ACK that is too old or too new lets no data in.
#[test]
fn rfc9293_3_10_7_4_blind_data_is_refused() {
    for ack in [1u32.wrapping_sub(70_000), 2] {
        let mut raw = Raw::established();
        let outs = raw.feed(PSH_ACK, 1, ack, 100);
        assert_eq!(raw.conn.recv_len(), 0);
        assert!(outs.len() <= 1, "{outs:?}");
        assert_eq!(raw.state(), Established);
    }
}

/// The core leaves urgent data in the stream, in order: to step over the byte at the mark is the
/// caller's choice (SO_OOBINLINE).
#[test]
fn urgent_data_is_delivered_in_line() {
    let mut raw = Raw::established();
    raw.feed(PSH_ACK.with(Flags::URG), 1, 1, 10);
    assert_eq!(raw.read(100).0.len(), 10);
}
