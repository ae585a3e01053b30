// SPDX-License-Identifier: GPL-2.0

//! Several connections through one queue (and one for the way back), in one virtual time.
//!
//! Peers of some of them lie: they claim by SACK what never came (and so renege), repeat ACKs, divide
//! them, acknowledge what was not sent, say windows that they don't have, and shut them. All of that
//! leaves a stream whole, and it has to arrive. Who acknowledges what was lost has holes: then the sender
//! has to keep its bounds, and everybody else on the same link has to get through.

use super::{act, stream, tell, User, LIMIT};
use crate::pair::{Bottleneck, Link, Pair, Rng};
use crate::platform::make_memory_scarce;
use crate::tcp::{
    congestion::Algorithm,
    ecn::Policy,
    pacing::Pacer,
    state::ConnState,
    time::{Duration, Instant},
};
use std::cell::RefCell;
use std::rc::Rc;

const MOST_STEPS: u64 = 3_000_000;

struct Flow {
    pair: Pair,
    users: Vec<User>,
    rng: Rng,
    /// A peer acknowledges what was lost.
    has_holes: bool,
    done: bool,
    /// It may end without its streams: see [`is_stuck`].
    stuck: bool,
}

impl Flow {
    /// When something happens next: on the wire, by a timer, or because a reader is slow.
    fn next(&self) -> Option<Instant> {
        let slow = self.users.iter().filter(|u| u.slow && !u.eof);
        let reader = slow.map(|u| u.next_read).filter(|at| *at > self.pair.now);
        [self.pair.next_event(), reader.min()]
            .into_iter()
            .flatten()
            .min()
    }

    fn is_over(&self) -> bool {
        (0..2).all(|i| {
            self.users[i].eof
                && self.users[i].shut
                && matches!(
                    self.pair.ends[i].state(),
                    ConnState::Closed | ConnState::TimeWait | ConnState::FinWait2
                )
        })
    }

    fn act(&mut self) -> Result<(), String> {
        for i in 0..2 {
            act(&mut self.pair, &mut self.users, &mut self.rng, i)?;
            if let Some(conn) = self.pair.ends[i].conn() {
                let cwnd = conn.cwnd();
                if cwnd == 0 || cwnd > 1 << 30 {
                    return Err(tell(&self.pair, &format!("cwnd: {cwnd}")));
                }
            }
        }
        Ok(())
    }
}

fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.below(from.len() as u64) as usize]
}

fn lies(rng: &mut Rng, pair: &mut Pair) -> bool {
    if !rng.chance(500) {
        return false;
    }
    let meddling = &mut pair.meddling;
    meddling.divide = pick(rng, &[0, 0, 300]);
    meddling.shrink = pick(rng, &[0, 0, 100]);
    meddling.repeat = pick(rng, &[0, 0, 200]);
    meddling.claim = pick(rng, &[0, 0, 200]);
    meddling.beyond = pick(rng, &[0, 0, 100]);
    meddling.widen = pick(rng, &[0, 0, 300]);
    meddling.reroute = pick(rng, &[0, 0, 5]);
    meddling.pressure = pick(rng, &[0, 0, 50]);
    meddling.ahead = pick(rng, &[0, 0, 0, 0, 200]);
    // Windows that are not there are made use of.
    pair.strict = meddling.widen == 0 && meddling.ahead == 0;
    meddling.rng = Some(Rng::new(rng.next()));
    meddling.ahead > 0
}

fn flow(rng: &mut Rng, start: Instant, queues: &[Rc<RefCell<Bottleneck>>; 2]) -> Flow {
    let harsh = rng.below(4);
    let link = Link {
        delay_us: 10 + rng.below(30_000),
        jitter_us: pick(rng, &[0, 0, 2_000]),
        loss: pick(rng, &[0, 0, 10, 50]),
        reorder: pick(rng, &[0, 0, 100]),
        duplicate: pick(rng, &[0, 0, 50]),
        joins: rng.chance(400),
        stall: pick(rng, &[0, 0, 0, 5]),
        path_mss: pick(rng, &[0, 0, 0, 900]),
        mark: pick(rng, &[0, 0, 100]),
        black_hole: false,
    };
    let mut pair = Pair::new(rng.next(), link);
    pair.now = start.add(Duration::from_micros(rng.below(500_000)));
    pair.bottleneck = Some(queues[0].clone());
    pair.back = Some(queues[1].clone());
    pair.strict = true;
    let has_holes = lies(rng, &mut pair);
    let probing = pick(rng, &[0, 0, 1, 2]);
    // A black hole: only probes get past it.
    pair.link.black_hole = probing > 0 && link.path_mss > 0 && rng.chance(500);
    for end in &mut pair.ends {
        end.net.congestion = pick(rng, Algorithm::ALL);
        end.net.ecn = pick(
            rng,
            &[
                Policy::OFF,
                Policy::ASK,
                Policy::ACCEPT,
                Policy::ASK_ACCURATE,
            ],
        );
        end.net.mtu_probing = probing;
        end.pacing.0 = pick(rng, &[Pacer::None, Pacer::None, Pacer::Timer, Pacer::Qdisc]);
        end.net.sack = rng.chance(800);
        end.net.timestamps = rng.chance(700);
        end.net.window_scaling = rng.chance(800);
        end.config.nodelay = rng.chance(500);
        end.rcvbuf = pick(rng, &[4_096, 16_384, 131_072]);
        end.gso_max = pick(rng, &[0, 65_000]);
        end.mss = pick(rng, &[536, 1460]);
        (end.net.retries2, end.net.syn_retries) = (60, 60);
        (end.net.synack_retries, end.net.orphan_retries) = (60, 60);
        end.net.time_wait = Duration::from_secs(3_000);
    }
    let most = [60_000, 60_000, 30_000, 10_000][harsh as usize];
    let users = (0..2).map(|_| {
        let len = rng.below(most) as usize;
        User::new(stream(rng, len), rng.chance(200))
    });
    let mut users: Vec<User> = users.collect();
    // Generators of their own: noise, little memory for buffers' notes, and how it begins.
    let mut noise = Rng::new(rng.0 ^ 0x0040_015e);
    if noise.chance(300) {
        let often = 1 + noise.below(30);
        pair.meddling.noise = Some((often, noise));
    }
    let mut early = Rng::new(rng.0 ^ 0x0fa5_70b3);
    match early.below(10) {
        0 => {
            pair.connect(0);
            pair.connect(1);
        }
        1 | 2 => {
            pair.ends[1].takes_early = early.chance(700);
            for end in &mut pair.ends {
                end.net.fastopen = 3;
                end.known_mss = pick(&mut early, &[0, 536, 1460]);
            }
            pair.listen(1);
            users[0].sent = pair.connect_with(0, &users[0].to_send);
        }
        _ => {
            pair.listen(1);
            pair.connect(0);
        }
    }
    Flow {
        pair,
        users,
        rng: Rng::new(rng.next()),
        has_holes,
        done: false,
        stuck: false,
    }
}

/// Runs the network of a seed.
pub(super) fn simulate(seed: u64) -> Result<(), String> {
    let mut rng = Rng::new(seed ^ 0x0e70_fa11);
    let start = Instant::from_nanos(1_000_000_000 + rng.below(1 << 50));
    let queues = [0, 1].map(|_| {
        let rate = pick(&mut rng, &[125_000, 1_250_000, 12_500_000]);
        let mut queue = Bottleneck::new(rate, pick(&mut rng, &[7_500, 30_000, 150_000]));
        queue.mark_at = pick(&mut rng, &[0, 0, 6_000]);
        Rc::new(RefCell::new(queue))
    });
    let count = 2 + rng.below(5);
    let mut scarce = Rng::new(seed ^ 0x05ca_5ce5);
    if scarce.chance(200) {
        make_memory_scarce(2 + scarce.below(10) as u32);
    }
    let mut flows: Vec<Flow> = (0..count).map(|_| flow(&mut rng, start, &queues)).collect();
    let until = start.add(LIMIT);
    for step in 0.. {
        if step > MOST_STEPS {
            return Err(tell(&flows[0].pair, "network: endless"));
        }
        let next = flows.iter().enumerate().filter(|(_, flow)| !flow.done);
        let next = next
            .filter_map(|(n, flow)| flow.next().map(|at| (at, n)))
            .min();
        let Some((at, n)) = next.filter(|(at, _)| *at <= until) else {
            break;
        };
        let flow = &mut flows[n];
        let has_holes = flow.has_holes;
        if !flow.pair.step(at) {
            flow.pair.now = at;
        }
        match flow.act() {
            Ok(()) => flow.done = flow.is_over(),
            // Whom the peer deceived may give up.
            Err(_) if has_holes && failed(flow) => flow.done = true,
            Err(_) if is_stuck(flow) => (flow.done, flow.stuck) = (true, true),
            Err(story) => return Err(format!("network, flow {n}: {story}")),
        }
    }
    for (n, flow) in flows.iter().enumerate() {
        if flow.has_holes || flow.stuck {
            continue;
        }
        let fault = if !flow.done {
            "does not end"
        } else if (0..2).any(|i| flow.users[i].received != flow.users[1 - i].to_send) {
            "the streams differ"
        } else {
            continue;
        };
        return Err(tell(
            &flow.pair,
            &format!("network, flow {n} of {count}: {fault}"),
        ));
    }
    Ok(())
}

/// Whether an end gave up since both sent beyond what the other had offered, somebody on the way having
/// widened the windows. The numbers of their ACKs are outside then, and so are those of what is sent again:
/// neither takes anything from the other (RFC 9293, 3.10.7.4, first), whatever TCP it is.
fn is_stuck(flow: &mut Flow) -> bool {
    let ends = &mut flow.pair.ends;
    let numbers = [0, 1].map(|i| ends[i].conn().map(|conn| conn.numbers()));
    let [Some(a), Some(b)] = numbers else {
        return false;
    };
    flow.pair.meddling.widen > 0 && a.1.after(b.4) && b.1.after(a.4) && failed(flow)
}

/// Whether an end gave up.
fn failed(flow: &Flow) -> bool {
    use crate::tcp::connection::Events;
    let ends = flow.pair.ends.iter();
    ends.into_iter().any(|end| end.events.has(Events::ERROR))
}
