// SPDX-License-Identifier: GPL-2.0

//! Tests of whole connections, named after the rule they check.

use crate::pair::{Block, Link, Pair};
use crate::tcp::{connection::Events, context::Cx, mib::Mib, state::ConnState, time::Duration};
use crate::with_conn;

const CLEAN: Link = Link {
    delay_us: 1_000,
    jitter_us: 0,
    loss: 0,
    reorder: 0,
    duplicate: 0,
    joins: false,
    path_mss: 0,
    black_hole: false,
    stall: 0,
    mark: 0,
};

fn established() -> Pair {
    let mut pair = Pair::new(1, CLEAN);
    pair.listen(1);
    pair.connect(0);
    assert!(pair.run(Duration::from_secs(1), |p| {
        (0..2).all(|i| p.ends[i].state() == ConnState::Established)
    }));
    pair
}

/// Seeds through the simulator: RUSTTCP_SIM_SEEDS of them (2,000 unless told otherwise).
#[test]
fn simulation_of_many_seeds() {
    let count: u64 = std::env::var("RUSTTCP_SIM_SEEDS")
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(2_000);
    let first: u64 = std::env::var("RUSTTCP_SIM_FIRST")
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(0);
    let threads = 2;
    let failures: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|t| {
                scope.spawn(move || {
                    (first..first + count)
                        .filter(|seed| seed % threads == t)
                        .filter_map(|seed| {
                            crate::sim::run(seed)
                                .err()
                                .map(|e| format!("seed {seed}: {e}"))
                        })
                        .take(3)
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|w| w.join().unwrap())
            .collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Header prediction is an optimisation: without it every segment sent is the same, to the byte
/// and the nanosecond.
#[test]
fn header_prediction_changes_nothing() {
    for seed in 50_000..50_400 {
        let digest = |slowly| crate::sim::run_way(seed, slowly).map(|outcome| outcome.digest);
        assert_eq!(digest(false), digest(true), "seed {seed}");
    }
}

/// A simulation that never meets what it is for proves nothing.
#[test]
fn the_simulator_meets_every_mechanism() {
    let (mut sums, mut spoilt) = ([0u64; Mib::COUNT], 0);
    for seed in 0..400 {
        let outcome = crate::sim::run_way(seed, false).unwrap();
        spoilt += outcome.spoilt;
        for counters in &outcome.counters {
            for (sum, n) in sums.iter_mut().zip(counters) {
                *sum += n;
            }
        }
    }
    assert!(spoilt > 0, "no noise");
    for counter in [
        Mib::RetransSegs,
        Mib::DelayedACKs,
        Mib::PAWSEstab,
        Mib::OutOfWindow,
        Mib::TCPChallengeACK,
        Mib::TCPHPHits,
        Mib::TCPHPAcks,
        Mib::TCPTimeouts,
        Mib::TCPSackRecovery,
        Mib::TCPRenoRecovery,
        Mib::TCPOFOQueue,
        Mib::TCPToZeroWindowAdv,
        Mib::TCPWinProbe,
        Mib::TCPDSACKOldSent,
        Mib::TCPDSACKRecv,
        Mib::TCPLostRetransmit,
        Mib::TCPLossProbes,
        Mib::TCPSpuriousRTOs,
        Mib::TCPLossUndo,
        Mib::TCPFullUndo,
        Mib::TCPDSACKUndo,
    ] {
        println!(
            "{} {}",
            Mib::NAMES[counter as usize],
            sums[counter as usize]
        );
        assert!(
            sums[counter as usize] > 0,
            "{} never",
            Mib::NAMES[counter as usize]
        );
    }
}

/// A link that loses and reorders nothing, but stands still now and then, gives no reason to
/// slow down for: what was sent again in vain is reported as such.
#[test]
fn a_stalling_link_is_no_congestion() {
    for seed in 0..100 {
        let link = Link { stall: 20, ..CLEAN };
        let mut pair = Pair::new(seed, link);
        for end in &mut pair.ends {
            end.rcvbuf = 1 << 20;
            end.gso_max = if seed % 2 == 0 { 0 } else { 65_000 };
        }
        pair.listen(1);
        pair.connect(0);
        assert!(pair.run(Duration::from_secs(20), |p| {
            (0..2).all(|i| p.ends[i].state() == ConnState::Established)
        }));
        let data = vec![1u8; 300_000];
        let (mut sent, mut got) = (0, 0);
        while got < data.len() {
            sent += pair.write(0, &data[sent..]);
            let until = pair.now.add(Duration::from_millis(300));
            assert!(pair.step(until.add(Duration::from_secs(2))), "stalled");
            got += pair.read(1, usize::MAX).len();
        }
        let mib = &pair.ends[0].mib;
        assert_eq!(mib.get(Mib::TCPSackRecovery), 0, "seed {seed}");
        assert_eq!(mib.get(Mib::TCPLossProbeRecovery), 0, "seed {seed}");
    }
}

/// RFC 9293, figure 6.
#[test]
fn rfc9293_3_5_basic_handshake_takes_three_segments() {
    let pair = established();
    assert_eq!(pair.sent, 3);
}

/// RFC 9293, figure 7 (MUST-10).
#[test]
fn rfc9293_3_5_simultaneous_open() {
    let mut pair = Pair::new(2, CLEAN);
    pair.connect(0);
    pair.connect(1);
    assert!(pair.run(Duration::from_secs(5), |p| {
        (0..2).all(|i| p.ends[i].state() == ConnState::Established)
    }));
    assert_eq!(pair.write(0, b"hello"), 5);
    pair.run(Duration::from_secs(1), |_| false);
    assert_eq!(pair.read(1, 100), b"hello");
}

/// RFC 9293, 3.5, figure 8: an old SYN reaches the listener before the right one. The opener resets what
/// it is answered by, and then the right one is taken.
#[test]
fn rfc9293_3_5_an_old_syn_is_reset() {
    use crate::tcp::wire::{Codepoint, Header, Packet};
    let mut pair = Pair::new(6, CLEAN);
    pair.listen(1);
    pair.connect(0);
    let (_, (_, syn)) = pair.wire.pop_first().expect("a SYN");
    let header = Packet::new(&syn.0).expect("a header").header();
    let old = Header {
        seq: header.seq.sub(10_000),
        ..header
    };
    let mut bytes = vec![0; 60];
    let len = old.emit(1, 2, &mut bytes).expect("room");
    bytes.truncate(len);
    pair.deliver(1, (bytes, Vec::new(), Codepoint::NotEct));
    assert_eq!(pair.ends[1].state(), ConnState::SynReceived);
    pair.run(Duration::from_millis(100), |p| {
        p.ends[1].state() == ConnState::Listen
    });
    assert_eq!(pair.ends[1].state(), ConnState::Listen);
    assert_eq!(pair.ends[0].state(), ConnState::SynSent);
    pair.deliver(1, syn);
    assert!(pair.run(Duration::from_millis(100), |p| {
        (0..2).all(|i| p.ends[i].state() == ConnState::Established)
    }));
}

/// RFC 9293, 3.5.1, figure 9: one end has lost its memory and opens anew. The other one acknowledges what
/// it knows (RFC 5961, 4.2), is reset for that, and the SYN that comes again finds a listener.
#[test]
fn rfc9293_3_5_1_a_syn_finds_a_half_open_connection() {
    let mut pair = established();
    pair.ends[0].forget();
    pair.connect(0);
    pair.run(Duration::from_millis(100), |p| {
        p.ends[1].state() == ConnState::Closed
    });
    assert_eq!(pair.ends[1].state(), ConnState::Closed);
    assert!(pair.ends[1].events.has(Events::ERROR));
    assert_eq!(pair.ends[0].state(), ConnState::SynSent);
    pair.ends[1].forget();
    pair.listen(1);
    assert!(pair.run(Duration::from_secs(5), |p| {
        (0..2).all(|i| p.ends[i].state() == ConnState::Established)
    }));
}

/// RFC 9293, 3.5.1, figure 10: the one that still knows the connection sends, and is reset.
#[test]
fn rfc9293_3_5_1_data_finds_a_half_open_connection() {
    let mut pair = established();
    pair.ends[0].forget();
    assert_eq!(pair.write(1, b"anybody there?"), 14);
    pair.run(Duration::from_millis(100), |_| false);
    assert_eq!(pair.ends[1].state(), ConnState::Closed);
    assert!(pair.ends[1].events.has(Events::ERROR));
}

/// RFC 9293, figure 12: the closer ends in TIME-WAIT, the other in CLOSED.
#[test]
fn rfc9293_3_6_normal_close() {
    let mut pair = established();
    let now = pair.now;
    with_conn!(pair.ends[0], now, |conn, cx| conn.close(&cx));
    pair.flush(0);
    assert_eq!(pair.ends[0].state(), ConnState::FinWait1);
    pair.run(Duration::from_millis(100), |p| {
        p.ends[1].state() == ConnState::CloseWait
    });
    assert_eq!(pair.ends[1].state(), ConnState::CloseWait);
    pair.run(Duration::from_millis(100), |p| {
        p.ends[0].state() == ConnState::FinWait2
    });
    assert_eq!(pair.ends[0].state(), ConnState::FinWait2);
    let now = pair.now;
    with_conn!(pair.ends[1], now, |conn, cx| conn.close(&cx));
    pair.flush(1);
    assert_eq!(pair.ends[1].state(), ConnState::LastAck);
    pair.run(Duration::from_millis(100), |p| {
        p.ends[1].state() == ConnState::Closed
    });
    assert_eq!(pair.ends[0].state(), ConnState::TimeWait);
    assert_eq!(pair.ends[1].state(), ConnState::Closed);
    // 2 MSL later nothing is left.
    pair.run(Duration::from_secs(61), |p| {
        p.ends[0].state() == ConnState::Closed
    });
    assert_eq!(pair.ends[0].state(), ConnState::Closed);
}

/// RFC 9293, figure 13: both in CLOSING, then TIME-WAIT.
#[test]
fn rfc9293_3_6_simultaneous_close() {
    let mut pair = established();
    let now = pair.now;
    for i in 0..2 {
        with_conn!(pair.ends[i], now, |conn, cx| conn.close(&cx));
        pair.flush(i);
    }
    let mut closing = [false; 2];
    pair.run(Duration::from_secs(1), |p| {
        for (seen, end) in closing.iter_mut().zip(&p.ends) {
            *seen |= end.state() == ConnState::Closing;
        }
        (0..2).all(|i| p.ends[i].state() == ConnState::TimeWait)
    });
    assert_eq!(closing, [true; 2]);
    assert!((0..2).all(|i| pair.ends[i].state() == ConnState::TimeWait));
}

/// RFC 9293, 3.6.1 (and RFC 2525, 2.17): closing with unread data resets.
/// RFC 9293, SHLD-3, MAY-1.
#[test]
fn rfc9293_3_6_1_close_with_unread_data_resets() {
    let mut pair = established();
    pair.write(1, b"unread");
    pair.run(Duration::from_millis(50), |_| false);
    let now = pair.now;
    with_conn!(pair.ends[0], now, |conn, cx| conn.close(&cx));
    pair.flush(0);
    pair.run(Duration::from_millis(50), |_| false);
    assert_eq!(pair.ends[1].state(), ConnState::Closed);
    assert!(pair.ends[1].events.has(Events::ERROR));
}

/// RFC 9293, 3.10.7.1: a SYN to nobody is refused.
#[test]
fn rfc9293_3_10_7_1_connect_to_closed_port_is_refused() {
    let mut pair = Pair::new(3, CLEAN);
    pair.connect(0);
    pair.run(Duration::from_secs(1), |_| false);
    assert_eq!(pair.ends[0].state(), ConnState::Closed);
    let error = match &mut pair.ends[0].block {
        Block::Conn(conn) => conn.take_error(),
        _ => None,
    };
    assert_eq!(
        error,
        Some(crate::tcp::connection::CloseReason::ConnectionRefused)
    );
}

/// RFC 9293, 3.8.6.1: a shut window is probed until it opens.
/// RFC 9293, MAY-8: half a minute later it is shut still.
#[test]
fn rfc9293_3_8_6_1_zero_window_is_probed() {
    let mut pair = established();
    let data = vec![7u8; 400_000];
    let mut sent = pair.write(0, &data);
    pair.run(Duration::from_secs(30), |_| false);
    assert!(pair.ends[0].mib.get(Mib::TCPWinProbe) >= 3, "probes");
    assert_eq!(pair.ends[0].state(), ConnState::Established);
    let mut got = Vec::new();
    for _ in 0..1000 {
        got.extend(pair.read(1, usize::MAX));
        sent += pair.write(0, &data[sent..]);
        pair.run(Duration::from_millis(10), |_| false);
    }
    assert_eq!(got, data);
}

/// RFC 6298, 5.5 and RFC 9293, 3.8.3: a silent peer ends the connection, after backing off.
/// RFC 9293, MUST-20, SHLD-11.
#[test]
fn rfc9293_3_8_3_silent_peer_times_out() {
    let mut pair = established();
    pair.link.loss = 1000;
    pair.write(0, b"into the void");
    let before = pair.now;
    pair.run(Duration::from_secs(3600), |p| {
        p.ends[0].state() == ConnState::Closed
    });
    assert_eq!(pair.ends[0].state(), ConnState::Closed);
    // R2 must be at least 100 seconds (RFC 9293, 3.8.3).
    assert!(pair.now.since(before) >= Duration::from_secs(100));
    // A tail probe in place of the first time-out, then tcp_retries2.
    assert_eq!(pair.ends[0].mib.get(Mib::RetransSegs), 1 + 15);
}

/// RFC 6582 and RFC 6675: one loss in a long transfer costs no time-out, with SACK and without.
#[test]
fn rfc6582_and_rfc6675_a_single_loss_costs_no_timeout() {
    for sack in [true, false] {
        let mut pair = Pair::new(4, CLEAN);
        for end in &mut pair.ends {
            end.net.sack = sack;
            end.rcvbuf = 1 << 20;
        }
        pair.listen(1);
        pair.connect(0);
        pair.run(Duration::from_secs(1), |p| {
            p.ends[1].state() == ConnState::Established
        });
        let data = vec![1u8; 200_000];
        let mut sent = 0;
        let mut got = Vec::new();
        let mut dropped = false;
        for _ in 0..2_000 {
            sent += pair.write(0, &data[sent..]);
            if !dropped && got.len() > 50_000 {
                // The first data segment on the wire vanishes.
                let key = pair
                    .wire
                    .iter()
                    .find(|(_, v)| v.0 == 1 && !v.1 .1.is_empty());
                if let Some(key) = key.map(|(k, _)| *k) {
                    pair.wire.remove(&key);
                    dropped = true;
                }
            }
            let until = pair.now.add(Duration::from_millis(1));
            pair.step(until);
            got.extend(pair.read(1, usize::MAX));
            if got.len() == data.len() {
                break;
            }
        }
        assert!(dropped);
        assert_eq!(got, data);
        assert_eq!(pair.ends[0].mib.get(Mib::TCPTimeouts), 0, "sack {sack}");
        assert_eq!(pair.ends[0].mib.get(Mib::RetransSegs), 1, "sack {sack}");
    }
}

/// RFC 5961, 3.2: a RST in the window, but not at its edge, is challenged, not obeyed.
#[test]
fn rfc5961_3_2_inexact_rst_is_challenged() {
    use crate::tcp::wire::{Codepoint, Flags, Header};
    let mut pair = established();
    let nxt = match &pair.ends[1].block {
        Block::Conn(conn) => conn.numbers().3,
        _ => unreachable!(),
    };
    for (offset, survives) in [(1u32, true), (100, true), (0, false)] {
        let header = Header {
            seq: nxt.add(offset),
            flags: Flags::RST,
            ..Header::default()
        };
        let mut bytes = vec![0; 60];
        let len = header.emit(1, 2, &mut bytes).unwrap();
        bytes.truncate(len);
        pair.deliver(1, (bytes, Vec::new(), Codepoint::NotEct));
        assert_eq!(
            pair.ends[1].state() == ConnState::Established,
            survives,
            "{offset}"
        );
    }
    assert_eq!(
        pair.ends[1].mib.get(Mib::TCPChallengeACK),
        1,
        "limited to one at a time"
    );
}

/// RFC 9293, 3.8.4 (MAY-5): a dead peer is found by keepalives.
#[test]
fn rfc9293_3_8_4_keepalive_finds_a_dead_peer() {
    let mut pair = established();
    let now = pair.now;
    with_conn!(pair.ends[0], now, |conn, cx| {
        let mut config = *conn.config();
        config.keepalive = true;
        config.keepidle = Duration::from_secs(10);
        config.keepintvl = Duration::from_secs(2);
        config.keepcnt = 3;
        conn.configure(&cx, config);
    });
    // Alive: probes are answered.
    pair.run(Duration::from_secs(60), |_| false);
    assert_eq!(pair.ends[0].state(), ConnState::Established);
    assert!(pair.ends[0].mib.get(Mib::TCPKeepAlive) >= 4);
    pair.link.loss = 1000;
    pair.run(Duration::from_secs(30), |_| false);
    assert_eq!(pair.ends[0].state(), ConnState::Closed);
}
