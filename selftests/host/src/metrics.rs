// SPDX-License-Identifier: GPL-2.0

//! What a route says (ip-route(8)), and what IP is told of it.

use crate::log::records;
use crate::platform::{Counters, Host, HostLog};
use crate::raw::*;
use crate::replay::replay_records;
use crate::tcp::{
    config::{NetConfig, SocketConfig},
    congestion::Algorithm,
    connection::{Connection, Origin},
    context::Cx,
    ecn::Policy,
    handshake::{SynParams, SynRcvd},
    log::{Kind, Kinds},
    metrics::{Advice, Metrics},
    seq::SeqNum,
    state::ConnState,
    time::{Duration, Instant},
    wire::{Flags, Header, Options, Segment, Timestamps},
};

const WIDE: Peer = Peer {
    wnd: 60_000,
    mss: 1000,
    sack: true,
    wscale: None,
    ts: None,
};

fn configured(metrics: Metrics, config: SocketConfig) -> Raw {
    let mut raw = Raw::closed(WIDE, config);
    raw.with(|conn, cx| conn.set_metrics(cx, metrics));
    raw
}

/// A connection over a route that says this, whose SYN went out.
fn opening(metrics: Metrics) -> Raw {
    let config = SocketConfig {
        nodelay: true,
        ..SocketConfig::default()
    };
    let mut raw = configured(metrics, config);
    raw.open();
    raw
}

fn answered(mut raw: Raw) -> Raw {
    raw.now = raw.now.add(ms(20));
    raw.answer_syn();
    assert_eq!(raw.state(), ConnState::Established);
    raw
}

/// An open one.
fn open(metrics: Metrics) -> Raw {
    answered(opening(metrics))
}

/// How many bytes a long write sends at once.
fn first_flight(raw: &mut Raw) -> u32 {
    raw.write(40_000).iter().map(|out| out.len).sum()
}

fn rto(raw: &mut Raw) -> Duration {
    let mut rto = Duration::ZERO;
    raw.with(|conn, cx| rto = conn.info(cx).rto);
    rto
}

/// RFC 6928, 2, has ten segments, and lets an administrator choose others: `initcwnd`.
#[test]
fn rfc6928_2_initcwnd_is_the_first_flight() {
    for (said, sent) in [(0, 10_000), (1, 1_000), (4, 4_000), (20, 20_000)] {
        let metrics = Metrics {
            init_cwnd: said,
            ..Metrics::NONE
        };
        assert_eq!(first_flight(&mut open(metrics)), sent, "initcwnd {said}");
    }
}

/// RFC 5681, 4.1: after idling for longer than a time-out the window is the initial one, that of the
/// route.
#[test]
fn rfc5681_4_1_initcwnd_after_a_pause() {
    let mut raw = open(Metrics {
        init_cwnd: 4,
        ..Metrics::NONE
    });
    for round in 0..3 {
        raw.write(4_000);
        raw.now = raw.now.add(ms(20));
        raw.feed(ACK, 1, 1 + 4_000 * (round + 1), 0);
    }
    assert!(raw.conn.cwnd() > 4_000);
    raw.now = raw.now.add(ms(5_000));
    assert_eq!(first_flight(&mut raw), 4_000);
}

/// `cwnd lock`: the congestion window never grows beyond, whatever the controller.
#[test]
fn cwnd_lock_bounds_the_window() {
    for algorithm in Algorithm::ALL {
        let mut raw = opening(Metrics {
            most_cwnd: 7,
            congestion: Some(*algorithm),
            ..Metrics::NONE
        });
        raw = answered(raw);
        assert_eq!(raw.conn.congestion(&raw.net), *algorithm);
        let mut acked = 1;
        for _ in 0..30 {
            raw.write(10_000);
            raw.now = raw.now.add(ms(20));
            let (una, nxt, ..) = raw.conn.numbers();
            let out = nxt.distance_from(una);
            assert!(out <= 7_000, "{algorithm:?}: {out} are out");
            assert!(raw.conn.cwnd() <= 7_000, "{algorithm:?}");
            acked += out;
            raw.feed(ACK, 1, acked, 0);
        }
        // And is all used where pacing lets it.
        if !algorithm.needs_pacing() {
            assert_eq!(raw.conn.cwnd(), 7_000, "{algorithm:?}");
        }
    }
}

/// RFC 5681, 3.1: slow start up to the threshold; the route says where that is.
#[test]
fn rfc5681_3_1_ssthresh_of_the_route_ends_slow_start() {
    let mut raw = open(Metrics {
        init_cwnd: 4,
        ssthresh: 5,
        ..Metrics::NONE
    });
    assert_eq!((raw.conn.cwnd(), raw.conn.ssthresh()), (4_000, 5_000));
    raw.write(20_000);
    raw.now = raw.now.add(ms(20));
    raw.feed(ACK, 1, 4_001, 0);
    // One of the four bytes by slow start; congestion avoidance has no whole window yet.
    assert_eq!(raw.conn.cwnd(), 5_000);
    // It is not below two segments (equation 4), and no larger than the largest window.
    for (said, most, threshold) in [(1, 0, 2_000), (9, 6, 6_000)] {
        let raw = open(Metrics {
            ssthresh: said,
            most_cwnd: most,
            ..Metrics::NONE
        });
        assert_eq!(raw.conn.ssthresh(), threshold);
    }
}

/// `rto_min` takes the place of the user's (TCP_RTO_MIN_US) and the namespace's lower bound
/// (ip-sysctl, tcp_rto_min_us). The path takes 20 ms: RTO = SRTT + max(4 RTTVAR, bound).
#[test]
fn rfc6298_2_4_rto_min_of_the_route() {
    let metrics = |rto_min_ms| Metrics {
        rto_min_ms,
        ..Metrics::NONE
    };
    assert_eq!(rto(&mut open(Metrics::NONE)), ms(220));
    assert_eq!(rto(&mut open(metrics(500))), ms(520));
    let mut raw = configured(
        metrics(500),
        SocketConfig {
            rto_min: ms(100),
            ..SocketConfig::default()
        },
    );
    raw.open();
    let mut raw = answered(raw);
    assert_eq!(rto(&mut raw), ms(520));
    // It follows the route, as ACKs do that are waited with; a peer's bound may be the same.
    raw.with(|conn, cx| conn.set_metrics(cx, metrics(50)));
    assert_eq!(rto(&mut raw), ms(70));
    raw.with(|conn, cx| conn.set_metrics(cx, Metrics::NONE));
    assert_eq!(rto(&mut raw), ms(120));
    let mut ato = ms(0);
    raw.with(|conn, cx| {
        conn.set_metrics(cx, metrics(10));
        ato = conn.info(cx).ato;
    });
    assert_eq!(ato, ms(9));
}

/// What the connection began with is not taken back when the route changes.
#[test]
fn a_route_that_changes_later() {
    let mut raw = open(Metrics {
        init_cwnd: 20,
        window: 9_000,
        ..Metrics::NONE
    });
    raw.with(|conn, cx| {
        let metrics = Metrics {
            init_cwnd: 2,
            most_cwnd: 3,
            window: 3_000,
            congestion: Some(Algorithm::Cubic),
            ..Metrics::NONE
        };
        conn.set_metrics(cx, metrics);
    });
    assert_eq!(first_flight(&mut raw), 20_000);
    assert_eq!(raw.conn.window_bound(), 9_000);
    assert_eq!(raw.conn.congestion(&raw.net), Algorithm::Reno);
}

/// The window that the last header offers.
fn offered(raw: &Raw) -> u32 {
    u32::from(raw.headers.last().expect("a header").wnd)
}

/// `window`: from the SYN on no window is larger; the scale follows from it (RFC 7323, 2.3).
/// TCP_WINDOW_CLAMP comes first.
#[test]
fn window_of_the_route_bounds_what_is_offered() {
    let metrics = Metrics {
        window: 5_000,
        ..Metrics::NONE
    };
    let raw = opening(metrics);
    let syn = raw.headers.last().expect("a SYN");
    assert_eq!((syn.wnd, syn.options.wscale), (5_000, Some(0)));
    let mut raw = answered(raw);
    for n in 0..40 {
        raw.feed(PSH_ACK, 1 + n * 1_000, 1, 1_000);
        let (_, outs) = raw.read(1_000);
        if !outs.is_empty() {
            assert!(offered(&raw) <= 5_000);
        }
    }
    let config = SocketConfig {
        window_clamp: 3_000,
        ..SocketConfig::default()
    };
    let mut raw = configured(metrics, config);
    raw.open();
    assert_eq!(offered(&raw), 3_000);
    assert_eq!(raw.conn.window_bound(), 3_000);
}

/// `initrwnd`: so many segments at first, which is what a sender's first flight can be; then more and
/// more, and what the sender's slow start does to its window is not held back.
#[test]
fn initrwnd_bounds_the_first_window() {
    let first = 4 * 1_460;
    let raw = opening(Metrics {
        init_rwnd: 4,
        ..Metrics::NONE
    });
    assert_eq!(offered(&raw), first);
    let mut raw = answered(raw);
    assert_eq!(offered(&raw), first, "and not more on the last ACK");
    let (mut next, mut flight) = (1, first);
    for _ in 0..3 {
        for _ in 0..flight / 1_460 {
            raw.feed(PSH_ACK, next, 1, 1_460);
            raw.read(1_460);
            next += 1_460;
        }
        let (_, _, _, nxt, adv) = raw.conn.numbers();
        flight = (flight * 2).min(20_000);
        assert!(adv.distance_from(nxt) >= flight, "after {next}");
    }
    // More than there is room for is none.
    let raw = opening(Metrics {
        init_rwnd: 60_000,
        ..Metrics::NONE
    });
    assert_eq!(offered(&raw), offered(&opening(Metrics::NONE)));
}

/// RFC 9293, MUST-14 and MUST-67: the MSS option says what can be received: by the MTU of the way out, unless the
/// route says that the way back takes something else (`advmss`). TCP_MAXSEG bounds it.
#[test]
fn rfc9293_3_7_1_advmss_is_in_the_syn() {
    let mss = |said, user| {
        let config = SocketConfig {
            user_mss: user,
            ..SocketConfig::default()
        };
        let metrics = Metrics {
            adv_mss: said,
            ..Metrics::NONE
        };
        let mut raw = configured(metrics, config);
        raw.open();
        raw.headers[0].options.mss.expect("an MSS option")
    };
    assert_eq!(mss(0, 0), 1_460);
    assert_eq!(mss(1_000, 0), 1_000);
    assert_eq!(mss(8_960, 0), 8_960);
    assert_eq!(mss(1_000, 800), 800);
    assert_eq!(mss(1_000, 1_200), 1_000);
    // What is sent is no smaller for it.
    let mut raw = open(Metrics {
        adv_mss: 600,
        ..Metrics::NONE
    });
    assert_eq!(raw.write(5_000)[0].len, 1_000);
}

/// `quickack`: no ACK waits, also where the user would have it so (RFC 9293, 3.8.6.3, lets them wait).
#[test]
fn rfc9293_3_8_6_3_quickack_of_the_route() {
    for quick in [false, true] {
        let mut raw = open(Metrics {
            quick_ack: quick,
            ..Metrics::NONE
        });
        raw.with(|conn, _| {
            conn.set_quickack(false);
        });
        for n in 0..5 {
            // Read at once, or an ACK would be owed for what was not.
            let acks = raw.feed(PSH_ACK, 1 + n * 10, 1, 10).len();
            assert_eq!(acks, usize::from(quick), "segment {n}");
            if !quick {
                break;
            }
        }
    }
}

/// `congctl` takes the place of the namespace's choice and the user's; without `lock` the user may
/// choose again.
#[test]
fn congctl_of_the_route() {
    let config = SocketConfig {
        congestion: Some(Algorithm::Bbr),
        ..SocketConfig::default()
    };
    let metrics = Metrics {
        congestion: Some(Algorithm::Cubic),
        ..Metrics::NONE
    };
    let mut raw = configured(metrics, config);
    raw.open();
    let mut raw = answered(raw);
    assert_eq!(raw.conn.congestion(&raw.net), Algorithm::Cubic);
    assert!(!raw.conn.congestion_is_locked());
    raw.with(|conn, cx| {
        let config = SocketConfig {
            congestion: Some(Algorithm::Reno),
            ..*conn.config()
        };
        conn.configure(cx, config);
    });
    assert_eq!(raw.conn.congestion(&raw.net), Algorithm::Reno);
    let locked = Metrics {
        congestion_locked: true,
        ..metrics
    };
    assert!(open(locked).conn.congestion_is_locked());
}

/// RFC 3168, 6.1.1: `features ecn` asks for ECN where the namespace does not, and so does DCTCP as
/// `congctl` (RFC 8257, 3.1).
#[test]
fn rfc3168_6_1_1_a_route_with_ecn() {
    let asks = |metrics| {
        let raw = opening(metrics);
        raw.headers[0].flags.contains(Flags::ECE.with(Flags::CWR))
    };
    assert!(!asks(Metrics::NONE));
    assert!(asks(Metrics {
        ecn: true,
        ..Metrics::NONE
    }));
    assert!(asks(Metrics {
        congestion: Some(Algorithm::Dctcp),
        ..Metrics::NONE
    }));
}

/// RFC 8985, 6.2, step 4: three duplicates tell of a loss at once while nothing was ever out of order;
/// `reordering` says that on this path it takes more. RFC 5681, 3.2, for a peer without SACK.
#[test]
fn rfc8985_6_2_reordering_of_the_route() {
    let resent = |reordering, sack, duplicates: u32| {
        let mut raw = opening(Metrics {
            reordering,
            ..Metrics::NONE
        });
        raw.peer.sack = sack;
        let mut raw = answered(raw);
        raw.write(10_000);
        raw.now = raw.now.add(ms(20));
        let mut again = false;
        for n in 1..=duplicates {
            let outs = if sack {
                raw.feed_sack(1, &[(1_001, 1_001 + n * 1_000)])
            } else {
                raw.feed(ACK, 1, 1, 0)
            };
            again |= outs.iter().any(|out| out.seq == 1 && out.len > 0);
        }
        again
    };
    for sack in [true, false] {
        assert!(!resent(0, sack, 2), "SACK {sack}");
        assert!(resent(0, sack, 3), "SACK {sack}");
        assert!(!resent(6, sack, 5), "SACK {sack}");
        assert!(resent(6, sack, 6), "SACK {sack}");
        // Less than RFC 5681's three is none.
        assert!(!resent(1, sack, 2), "SACK {sack}");
    }
}

/// A listener's answer, and the child that comes of it: window, MSS and ECN are the route's, and so is
/// the window that the child begins with.
#[test]
fn a_listeners_answer_follows_the_route() {
    let metrics = Metrics {
        init_cwnd: 3,
        init_rwnd: 2,
        window: 50_000,
        adv_mss: 1_200,
        ecn: true,
        congestion: Some(Algorithm::Cubic),
        ..Metrics::NONE
    };
    let net = NetConfig {
        ecn: Policy::OFF,
        ..NetConfig::default()
    };
    let mib = Counters::default();
    let cx: Cx<'_, Host> = Cx {
        now: Instant::from_nanos(5_000_000_000),
        net: &net,
        mib: &mib,
    };
    let syn = Segment {
        header: Header {
            seq: SeqNum::new(9),
            flags: SYN.with(Flags::ECE).with(Flags::CWR),
            wnd: 60_000,
            options: Options {
                mss: Some(1_000),
                wscale: Some(3),
                timestamps: Some(Timestamps { val: 1, ecr: 0 }),
                ..Options::default()
            },
            ..Header::default()
        },
        ..Segment::default()
    };
    let params = SynParams {
        iss: SeqNum::new(77),
        ts_offset: 0,
        mss_route: 1_460,
        mss_default: 536,
        rcvbuf: 131_072,
        fixed: false,
        metrics,
    };
    let config = SocketConfig::default();
    let entry = SynRcvd::new(&cx, &config, &syn, params);
    let answer = entry.syn_ack(cx.now);
    assert_eq!(answer.options.mss, Some(1_200));
    // Two segments less the timestamps that each carries; 50,000 bytes need no scale.
    assert_eq!((answer.wnd, answer.options.wscale), (2 * 1_188, Some(0)));
    assert_eq!(answer.flags, SYN_ACK.with(Flags::ECE));
    let mut child = Connection::from_syn_rcvd(&cx, config, &entry);
    child.set_metrics(&cx, metrics);
    // Segments with their options (RFC 5681, section 2).
    assert_eq!(child.cwnd(), 3 * 1_000);
    assert_eq!(child.congestion(&net), Algorithm::Cubic);
    assert_eq!(child.window_bound(), 50_000);
    // Without the route ten segments, and half of the buffer.
    let params = SynParams {
        metrics: Metrics::NONE,
        ..params
    };
    let entry = SynRcvd::new(&cx, &config, &syn, params);
    assert!(entry.syn_ack(cx.now).wnd > 60_000);
    let child = Connection::from_syn_rcvd(&cx, config, &entry);
    assert_eq!(child.cwnd(), 10 * 1_000);
}

// --- what IP is told ----------------------------------------------------------------------------

/// Lets the next timer expire; tells what IP would hear.
fn after_timer(raw: &mut Raw) -> Option<Advice> {
    let at = raw.conn.poll_timeout().expect("a timer");
    raw.pass(at.since(raw.now));
    raw.conn.take_advice()
}

/// RFC 9293, 3.8.3, MUST-20 (b): after R1 time-outs in a row (tcp_retries1) IP is told that the route may
/// be dead, at each that follows as well, until something is acknowledged.
#[test]
fn rfc9293_3_8_3_ip_is_told_at_r1() {
    for r1 in [3, 5] {
        let mut raw = Raw::established();
        raw.net.retries1 = r1;
        raw.conn.take_advice();
        raw.write(100);
        for row in 0..u32::from(r1) + 3 {
            let doubt = (row >= u32::from(r1)).then_some(Advice::Doubtful);
            assert_eq!(after_timer(&mut raw), doubt, "R1 {r1}, {row} before it");
        }
        raw.feed(ACK, 1, 101, 0);
        assert_eq!(raw.conn.take_advice(), Some(Advice::Arrives));
        raw.write(100);
        assert_eq!(after_timer(&mut raw), None, "the row is over");
    }
}

/// RFC 9293, 3.8.3, MUST-22: the same for a SYN.
#[test]
fn rfc9293_3_8_3_ip_is_told_of_syns() {
    let mut raw = Raw::syn_sent(Peer::default());
    for row in 0..5 {
        let doubt = (row >= 3).then_some(Advice::Doubtful);
        assert_eq!(after_timer(&mut raw), doubt, "{row} before it");
    }
}

/// RFC 4861, 7.3.1: an acknowledgment of something new shows that the neighbour passes on what it gets. So
/// does the end of the handshake; a duplicate, and data alone, do not.
#[test]
fn rfc4861_7_3_1_progress_confirms_the_neighbour() {
    let mut raw = Raw::syn_sent(Peer::default());
    assert_eq!(raw.conn.take_advice(), None);
    raw.answer_syn();
    assert_eq!(raw.conn.take_advice(), Some(Advice::Arrives));
    assert_eq!(raw.conn.take_advice(), None, "taken");
    raw.feed(PSH_ACK, 1, 1, 100);
    assert_eq!(raw.conn.take_advice(), None, "data alone");
    raw.write(3_000);
    raw.feed(ACK, 101, 1, 0);
    assert_eq!(raw.conn.take_advice(), None, "a duplicate");
    for (slowly, ack) in [(false, 1_001), (true, 2_001)] {
        raw.slowly = slowly;
        raw.feed(ACK, 101, ack, 0);
        assert_eq!(raw.conn.take_advice(), Some(Advice::Arrives), "{ack}");
    }
}

/// What a route says is an input like others: a log that has it is replayed.
#[test]
fn metrics_are_replayed() {
    let mut raw = Raw::closed(WIDE, SocketConfig::default());
    let now = raw.now;
    raw.with(|conn, cx| {
        conn.start_log(cx, HostLog::new(Kinds::INPUTS, 4_096, now), Origin::New);
        let metrics = Metrics {
            init_cwnd: 3,
            init_rwnd: 5,
            window: 40_000,
            most_cwnd: 6,
            ssthresh: 4,
            rto_min_ms: 333,
            reordering: 5,
            adv_mss: 1_100,
            quick_ack: true,
            ecn: true,
            congestion: Some(Algorithm::Cubic),
            congestion_locked: true,
        };
        conn.set_metrics(cx, metrics);
        // Told again it is no news.
        conn.set_metrics(cx, metrics);
    });
    raw.open();
    let mut raw = answered(raw);
    raw.write(12_000);
    raw.feed(PSH_ACK, 1, 2_001, 1_000);
    raw.pass(ms(3_000));
    raw.with(|conn, cx| conn.set_metrics(cx, Metrics::NONE));
    raw.pass(ms(3_000));
    let log = records(&mut raw);
    let told = |kind: Kind| log.iter().filter(|r| r.kind == kind as u8).count();
    // Thirteen words fill one record and begin another, twelve don't.
    assert_eq!(told(Kind::InMetrics), 3);
    let report = replay_records(&log).unwrap();
    assert!(report.sent > 5);
    // Without them the replay comes to something else.
    let kind = Kind::InMetrics as u8;
    let without: Vec<_> = log.iter().copied().filter(|r| r.kind != kind).collect();
    assert!(replay_records(&without).is_err());
}
