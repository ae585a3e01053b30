// SPDX-License-Identifier: GPL-2.0

//! Congestion control against a queue of 10 Mbit/s with a round-trip time of 40 ms: how much of the
//! link is used, how it is shared, how long the queue gets.

use crate::pair::{Bottleneck, Link, Pair};
use crate::tcp::{
    congestion::Algorithm,
    ecn::Policy,
    mib::Mib,
    state::ConnState,
    time::{Duration, Instant},
};
use std::cell::RefCell;
use std::rc::Rc;

/// Bytes a second.
const RATE: u64 = 1_250_000;
/// The bandwidth-delay product: 10 Mbit/s for 40 ms.
const BDP: u64 = RATE * 40 / 1000;
const LINK: Link = Link {
    delay_us: 20_000,
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

/// One flow.
struct Flow {
    pair: Pair,
    got: u64,
}

struct Report {
    /// Bytes that each flow delivered.
    got: Vec<u64>,
    /// Share of the link that payload could have had (headers and options subtracted).
    utilisation: f64,
    drops: u64,
    timeouts: u64,
    longest: u64,
}

/// A link and what is asked of it.
#[derive(Clone, Copy)]
struct Scenario {
    /// Bytes that the queue takes.
    buffer: u64,
    /// With more bytes than that in the queue, what takes part in ECN is marked; 0: never.
    mark_at: u64,
    /// Segments lost at random, of 1,000.
    loss: u64,
    seconds: u64,
    /// Super-segments.
    gso: bool,
    ecn: Policy,
}

const PLAIN: Scenario = Scenario {
    buffer: BDP,
    mark_at: 0,
    loss: 0,
    seconds: 20,
    gso: true,
    ecn: Policy::ACCEPT,
};

/// Runs a flow with each algorithm.
fn run(algorithms: &[Algorithm], scenario: Scenario) -> Report {
    let Scenario {
        buffer,
        mark_at,
        loss,
        seconds,
        gso,
        ecn,
    } = scenario;
    let queue = Rc::new(RefCell::new(Bottleneck::new(RATE, buffer)));
    queue.borrow_mut().mark_at = mark_at;
    let start = Instant::from_nanos(50_000_000_000);
    let mut flows: Vec<Flow> = algorithms
        .iter()
        .enumerate()
        .map(|(n, algorithm)| {
            let mut pair = Pair::new(77 + n as u64, Link { loss, ..LINK });
            pair.now = start.add(Duration::from_millis(13 * n as u64));
            pair.bottleneck = Some(queue.clone());
            for end in &mut pair.ends {
                end.net.congestion = *algorithm;
                end.net.ecn = ecn;
                end.rcvbuf = 4 << 20;
                end.gso_max = if gso { 65_000 } else { 0 };
            }
            pair.listen(1);
            pair.connect(0);
            Flow { pair, got: 0 }
        })
        .collect();
    let until = start.add(Duration::from_secs(seconds));
    let data = vec![0u8; 1 << 16];
    loop {
        let next = flows
            .iter()
            .enumerate()
            .filter_map(|(n, f)| f.pair.next_event().map(|at| (at, n)))
            .min();
        let Some((at, n)) = next.filter(|(at, _)| *at <= until) else {
            break;
        };
        let flow = &mut flows[n];
        assert!(flow.pair.step(at));
        if flow.pair.ends[0].state() == ConnState::Established {
            while flow.pair.write(0, &data) > 0 {}
        }
        flow.got += flow.pair.read(1, usize::MAX).len() as u64;
    }
    let got: Vec<u64> = flows.iter().map(|f| f.got).collect();
    let sum = |counter| flows.iter().map(|f| f.pair.ends[0].mib.get(counter)).sum();
    let queue = queue.borrow();
    // 1,448 of 1,500 bytes are payload.
    let most = (RATE * seconds) as f64 * 1448.0 / 1500.0;
    let report = Report {
        utilisation: got.iter().sum::<u64>() as f64 / most,
        got,
        drops: queue.drops,
        timeouts: sum(Mib::TCPTimeouts),
        longest: queue.longest,
    };
    println!(
        "{algorithms:?} buffer {buffer}: {:.1} % of the link, {:?}, {} dropped, {} time-outs, {} resent, queue up to {}",
        report.utilisation * 100.0,
        report.got,
        report.drops,
        report.timeouts,
        sum(Mib::RetransSegs),
        report.longest,
    );
    report
}

/// Jain's index of fairness.
fn jain(got: &[u64]) -> f64 {
    let sum: f64 = got.iter().map(|x| *x as f64).sum();
    let squares: f64 = got.iter().map(|x| (*x as f64).powi(2)).sum();
    sum * sum / (got.len() as f64 * squares)
}

/// 20 seconds, slow start included: at least 90 % of the link, and no time-out.
/// RFC 9293, MAY-18: congestion control of other kinds.
#[test]
fn every_algorithm_fills_the_link() {
    for gso in [false, true] {
        for algorithm in Algorithm::ALL {
            let report = run(&[*algorithm], Scenario { gso, ..PLAIN });
            assert!(report.utilisation >= 0.9, "{algorithm:?}");
            assert_eq!(report.timeouts, 0, "{algorithm:?}");
        }
    }
}

/// Two flows of a kind share the link evenly.
#[test]
fn two_flows_are_fair() {
    for algorithm in [Algorithm::Cubic, Algorithm::Reno, Algorithm::Bbr] {
        let report = run(
            &[algorithm; 2],
            Scenario {
                seconds: 40,
                ..PLAIN
            },
        );
        assert!(report.utilisation >= 0.9, "{algorithm:?}");
        let fairness = jain(&report.got);
        assert!(fairness >= 0.95, "{algorithm:?}: {fairness}");
    }
}

/// RFC 9406: HyStart++ keeps the first slow start from overflowing a deep queue.
#[test]
fn rfc9406_slow_start_ends_before_the_queue_overflows() {
    let deep = Scenario {
        buffer: 8 * BDP,
        seconds: 4,
        gso: false,
        ..PLAIN
    };
    let cubic = run(&[Algorithm::Cubic], deep);
    let reno = run(&[Algorithm::Reno], deep);
    assert_eq!(cubic.drops, 0);
    assert!(reno.drops > 0 && cubic.utilisation > 0.95);
}

/// RFC 8985, 6.3: a lost retransmission is found by what was sent after it, and needs no time-out,
/// though the queue holds more than the time-out's margin. Eight times the bandwidth-delay product
/// is overrun by slow start, so that hundreds of segments are lost, retransmissions too.
#[test]
fn an_overrun_deep_queue_needs_no_timeout() {
    for gso in [false, true] {
        let report = run(
            &[Algorithm::Reno],
            Scenario {
                buffer: 8 * BDP,
                seconds: 5,
                gso,
                ..PLAIN
            },
        );
        assert!(report.drops > 100);
        assert_eq!(report.timeouts, 0);
    }
}

/// RFC 3168: with marks instead of losses nothing is dropped, and the link stays full.
#[test]
fn rfc3168_marks_replace_losses() {
    for algorithm in [Algorithm::Reno, Algorithm::Cubic] {
        let report = run(
            &[algorithm],
            Scenario {
                buffer: 4 * BDP,
                mark_at: BDP,
                ecn: Policy::ASK,
                ..PLAIN
            },
        );
        assert_eq!(report.drops, 0, "{algorithm:?}");
        assert!(report.utilisation >= 0.9, "{algorithm:?}");
    }
}

/// RFC 8257: DCTCP keeps the queue at the marking threshold: a sixth of the bandwidth-delay
/// product is enough for a full link, while Reno would halve its window and leave it idle.
#[test]
fn rfc8257_short_queue_full_link() {
    let marking = Scenario {
        buffer: 4 * BDP,
        mark_at: BDP / 6,
        ecn: Policy::ASK,
        gso: false,
        ..PLAIN
    };
    let dctcp = run(&[Algorithm::Dctcp], marking);
    // RFC 9768 tells it the same.
    let accurate = run(
        &[Algorithm::Dctcp],
        Scenario {
            ecn: Policy::ASK_ACCURATE,
            gso: true,
            ..marking
        },
    );
    assert!(accurate.utilisation >= 0.95 && accurate.drops == 0);
    let reno = run(&[Algorithm::Reno], marking);
    assert!(dctcp.utilisation >= 0.95 && dctcp.drops == 0);
    assert!(reno.utilisation < dctcp.utilisation - 0.03);
}

/// BBR (draft-ietf-ccwg-bbr, 1): a loss of 1 % that is not congestion costs little (what
/// version 3 gives up for the sake of others), and a deep
/// queue is not filled.
#[test]
fn bbr_neither_fears_loss_nor_fills_queues() {
    let lossy = Scenario { loss: 10, ..PLAIN };
    let bbr = run(&[Algorithm::Bbr], lossy);
    let cubic = run(&[Algorithm::Cubic], lossy);
    assert!(bbr.utilisation >= 0.8);
    assert!(cubic.utilisation < 0.6);
    let deep = run(
        &[Algorithm::Bbr],
        Scenario {
            buffer: 16 * BDP,
            ..PLAIN
        },
    );
    assert!(deep.utilisation >= 0.9 && deep.drops == 0);
    // STARTUP lets the queue grow to about twice the bandwidth-delay product.
    assert!(deep.longest < 4 * BDP, "{}", deep.longest);
}
