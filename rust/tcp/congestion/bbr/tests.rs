// SPDX-License-Identifier: GPL-2.0

//! Tests of BBR's parts against the draft's arithmetic; whole flows are in
//! selftests/host/src/bottleneck.rs.

use super::*;
use crate::tcp::congestion::{Algorithm, Congestion};

const MS: fn(u64) -> Instant = |ms| Instant::from_nanos(ms * 1_000_000);
const RTT: Duration = Duration::from_millis(40);

/// A path of fixed rate and delay without a queue, seen by its acknowledgments: each carries 1,000
/// bytes, and the samples say what the path delivers.
struct PathModel {
    cc: Congestion,
    now: u64,
    total: u32,
    rate: u64,
    pipe: u32,
    /// The user has no more to send.
    app_limited: bool,
    /// What is lost of the next ACKs.
    too_much: Option<TooMuch>,
    lost: u32,
}

impl PathModel {
    fn new(rate: u64) -> Self {
        Self {
            cc: Congestion::new(Algorithm::Bbr, 1000),
            now: 1000,
            total: 0,
            rate,
            pipe: 10_000,
            app_limited: false,
            too_much: None,
            lost: 0,
        }
    }

    fn bbr(&self) -> Bbr {
        match self.cc.law {
            super::super::Law::Bbr(bbr) => bbr,
            _ => panic!(),
        }
    }

    /// A round trip of ten ACKs, each of a tenth of what the path delivers in that time.
    fn round(&mut self) {
        let per_ack = cut(volume(self.rate, RTT) / 10);
        let begin = self.total;
        for _ in 0..10 {
            self.now += 4;
            self.total += per_ack;
            self.cc.on_ack(&Ack {
                now: MS(self.now),
                acked: per_ack,
                delivered: per_ack,
                lost: self.lost,
                pipe: self.pipe,
                rtt: Some(RTT),
                srtt: RTT,
                total: self.total,
                too_much: self.too_much.take(),
                sample: Some(RateSample {
                    rate: self.rate,
                    delivered: per_ack * 10,
                    interval: RTT,
                    prior_delivered: begin
                        .wrapping_sub(per_ack * 10)
                        .wrapping_add(self.total - begin),
                    app_limited: self.app_limited,
                    lost: self.lost,
                    in_flight: per_ack * 10,
                }),
                ..Ack::for_tests()
            });
        }
    }
}

/// 5.3.1.2: three rounds without a quarter more end STARTUP; DRAIN ends when the queue has gone.
#[test]
fn bbr_draft_5_3_1_startup_and_drain() {
    let mut path = PathModel::new(500_000);
    path.pipe = 100_000;
    path.round();
    assert_eq!(path.bbr().state, State::Startup);
    path.rate = 1_000_000;
    for _ in 0..2 {
        path.round();
    }
    assert_eq!(path.bbr().state, State::Startup);
    assert!(
        path.cc.pacing_rate(RTT, 0, (200, 120)) > 2_700_000,
        "2.77 times the rate, less 1 %"
    );
    path.round();
    assert_eq!(path.bbr().state, State::Drain);
    assert_eq!(
        path.cc.pacing_rate(RTT, 0, (200, 120)),
        1_000_000 * 50 / 100 * 99 / 100
    );
    // TCP_CC_INFO tells the same.
    let told = path.cc.state();
    let Told::Bbr {
        rate,
        min_rtt,
        gains,
    } = told
    else {
        panic!("{told:?}");
    };
    assert_eq!((rate, min_rtt, gains), (1_000_000, Some(RTT), (50, 200)));
    path.pipe = 40_000;
    path.round();
    assert!(path.bbr().state.probes_bw());
}

/// A path in ProbeBW with a bandwidth-delay product of 40,000 bytes.
fn probing() -> PathModel {
    let mut path = PathModel::new(1_000_000);
    path.pipe = 38_000;
    for _ in 0..8 {
        path.round();
    }
    assert!(path.bbr().state.probes_bw());
    path
}

/// 5.3.3: DOWN, CRUISE, REFILL, UP and down again; a probe after 2 to 3 s, or after as many rounds
/// as Reno would need.
#[test]
fn bbr_draft_5_3_3_the_cycle() {
    let mut path = probing();
    let mut seen = vec![path.bbr().state];
    let start = path.now;
    while path.now < start + 6_000 && seen.len() < 9 {
        // In UP a little more is in flight.
        path.pipe = if path.bbr().state == State::Up {
            50_000
        } else {
            38_000
        };
        path.round();
        let state = path.bbr().state;
        if seen.last() != Some(&state) && state != State::ProbeRtt {
            seen.push(state);
        }
    }
    let cycle = [State::Cruise, State::Refill, State::Up];
    for (n, state) in cycle.iter().enumerate() {
        let at = seen.iter().position(|s| s == state).expect("met");
        assert!(at >= n, "{seen:?}");
        let next = seen[at + 1];
        let allowed = match state {
            State::Cruise => next == State::Refill,
            State::Refill => next == State::Up,
            _ => next == State::Down || next == State::Cruise,
        };
        assert!(allowed, "{seen:?}");
    }
}

/// 5.5.10.3: loss while the pace is not raised cuts both short-term bounds to 70 %, or to what was
/// delivered all the same.
#[test]
fn bbr_draft_5_5_10_3_short_term_bounds() {
    let mut path = probing();
    while path.bbr().state != State::Cruise {
        path.round();
    }
    path.rate = 500_000;
    path.lost = 1;
    for _ in 0..3 {
        path.round();
    }
    let bbr = path.bbr();
    assert!(
        bbr.bw_lo < 1_000_000 && bbr.bw_lo >= 700_000,
        "{}",
        bbr.bw_lo
    );
    assert!(path.cc.pacing_rate(RTT, 0, (200, 120)) < 1_000_000);
}

/// 5.5.10.2: too much loss in a probe bounds what may be in flight, and ends the probe.
#[test]
fn bbr_draft_5_5_10_2_long_term_bound() {
    let mut path = probing();
    while path.bbr().state != State::Up {
        path.round();
    }
    path.too_much = Some(TooMuch {
        in_flight: 44_000,
        app_limited: false,
    });
    path.round();
    let bbr = path.bbr();
    assert_eq!(bbr.inflight_hi, 44_000);
    assert!(matches!(bbr.state, State::Down | State::Cruise));
    assert_eq!(
        bbr.with_headroom(),
        44_000 - 6_600,
        "15 % are left to others"
    );
}

/// 5.3.4: after five seconds without a lower round-trip time, 200 ms with half of the window.
#[test]
fn bbr_draft_5_3_4_probe_rtt() {
    let mut path = probing();
    let mut least = u32::MAX;
    let mut in_probe = 0;
    let start = path.now;
    while path.now < start + 6_000 {
        path.pipe = if path.bbr().state == State::ProbeRtt {
            18_000
        } else {
            38_000
        };
        path.round();
        if path.bbr().state == State::ProbeRtt {
            in_probe += 1;
            least = least.min(path.cc.cwnd());
        }
    }
    assert!((5..=8).contains(&in_probe), "{in_probe} rounds of 40 ms");
    assert_eq!(least, 20_000, "half of 40,000");
    assert!(path.cc.cwnd() > 40_000, "and the window is back");
}

/// 5.3.1.2 and 5.3.4: an application that sends little keeps STARTUP open; the low rates while its own window of
/// ProbeRTT holds it back don't end that.
#[test]
fn bbr_draft_5_3_1_2_probe_rtt_ends_no_startup() {
    let mut path = PathModel::new(500_000);
    path.app_limited = true;
    let mut probed = false;
    while path.now < 9_000 {
        let in_probe = path.bbr().state == State::ProbeRtt;
        probed |= in_probe;
        (path.app_limited, path.pipe) = (!in_probe, if in_probe { 2_000 } else { 10_000 });
        path.rate = if in_probe { 250_000 } else { 500_000 };
        path.round();
    }
    assert!(probed);
    assert!(!path.bbr().full_bw_reached);
    assert_eq!(path.bbr().state, State::Startup);
}

/// Numbers at the ends of their ranges don't overflow.
#[test]
fn extremes_are_survived() {
    for rate in [0, 1, u64::MAX] {
        for delivered in [1, u32::MAX] {
            for rtt in [
                Duration::ZERO,
                Duration::from_nanos(1),
                Duration::from_secs(600),
            ] {
                let mut cc = Congestion::new(Algorithm::Bbr, 65_483);
                for n in 0..200u64 {
                    cc.on_ack(&Ack {
                        now: Instant::from_nanos(n << 55),
                        acked: delivered,
                        delivered,
                        lost: delivered,
                        pipe: delivered,
                        mss: 65_483,
                        rtt: Some(rtt),
                        srtt: rtt,
                        total: (n as u32).wrapping_mul(delivered),
                        too_much: Some(TooMuch {
                            in_flight: u32::MAX,
                            app_limited: false,
                        }),
                        sample: Some(RateSample {
                            rate,
                            delivered,
                            interval: rtt,
                            prior_delivered: (n as u32).wrapping_mul(delivered),
                            app_limited: false,
                            lost: delivered,
                            in_flight: delivered,
                        }),
                        ..Ack::for_tests()
                    });
                    assert!(cc.cwnd() > 0 && cc.cwnd() <= MAX_WINDOW);
                    assert!(cc.pacing_rate(rtt, 0, (200, 120)) > 0);
                }
            }
        }
    }
}
