// SPDX-License-Identifier: GPL-2.0

//! The simulator: a seed decides link, options, buffers and what the users do; invariants hold.
//!
//! Every byte arrives once and in order; the right window edge never moves left, and nothing new goes
//! beyond it, nor beyond what the sender was told of it; memory stays within what the buffers allow; the
//! scoreboard's sums are right; whatever waits has a timer, an ACK one within half a second; the transfer
//! never stalls for good; both ends get to CLOSED or TIME-WAIT.
//!
//! Each seed is one of a pair, and one of a network: several connections, some with peers that lie, through
//! one queue ([`network`]).
//!
//! `simulate` is one function since the order in which it draws numbers is what a seed means: what is
//! added draws from a generator of its own.

mod network;

use crate::pair::{Block, Fate, Link, Pair, Rng};
use crate::platform::make_memory_scarce;
use crate::tcp::{
    congestion::Algorithm,
    connection::Events,
    context::Cx,
    ecn::{OptionPolicy, Policy},
    log::{Kinds, Record},
    metrics::Metrics,
    mib::Mib,
    pacing::Pacer,
    state::ConnState,
    time::{Duration, Instant},
};
use crate::with_conn;

/// No transfer takes longer. Without SACK and timestamps each loss behind a time-out costs the longest time-out
/// (RFC 6298, 5: it stays backed off until there is a sample), and one in twelve of 6,000 tiny segments may be lost.
const LIMIT: Duration = Duration::from_secs(100_000);

/// What one user does.
struct User {
    to_send: Vec<u8>,
    sent: usize,
    received: Vec<u8>,
    closes_after_send: bool,
    shut: bool,
    eof: bool,
    next_read: Instant,
    slow: bool,
}

impl User {
    fn new(to_send: Vec<u8>, slow: bool) -> Self {
        Self {
            to_send,
            sent: 0,
            received: Vec::new(),
            closes_after_send: true,
            shut: false,
            eof: false,
            next_read: Instant::default(),
            slow,
        }
    }
}

/// What a route says: mostly nothing.
fn route(rng: &mut Rng) -> Metrics {
    if !rng.chance(200) {
        return Metrics::NONE;
    }
    let mut some = |least: u64, span: u64| match rng.below(3) {
        0 => (least + rng.below(span)) as u16,
        _ => 0,
    };
    Metrics {
        init_cwnd: some(1, 30),
        init_rwnd: some(1, 30),
        window: u32::from(some(2_000, 60_000)),
        most_cwnd: some(4, 40),
        ssthresh: some(1, 40),
        rto_min_ms: some(20, 500),
        reordering: some(1, 20),
        adv_mss: some(400, 130),
        quick_ack: some(1, 1) != 0,
        ecn: some(1, 1) != 0,
        congestion: match some(1, 4) {
            0 => None,
            n => Algorithm::ALL.get(n as usize - 1).copied(),
        },
        congestion_locked: false,
    }
}

fn stream(rng: &mut Rng, len: usize) -> Vec<u8> {
    let mut x = rng.next() | 1;
    (0..len)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            x as u8
        })
        .collect()
}

/// Runs one seed; the error is a story of what went wrong.
pub fn run(seed: u64) -> Result<(), String> {
    run_way(seed, false)?;
    guarded(|| network::simulate(seed))
}

/// Runs that; a panic is an error.
fn guarded<T>(
    run: impl FnOnce() -> Result<T, String> + std::panic::UnwindSafe,
) -> Result<T, String> {
    let result = std::panic::catch_unwind(run);
    make_memory_scarce(0);
    match result {
        Ok(outcome) => outcome,
        Err(panic) => Err(panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string()))
            .unwrap_or_else(|| "panic".into())),
    }
}

/// What came of a seed: a hash of all that was sent, and the counters of both ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    pub(crate) digest: u64,
    /// Segments that noise spoilt.
    pub(crate) spoilt: u64,
    pub(crate) counters: [[u64; Mib::COUNT]; 2],
}

/// Runs one seed with or without header prediction.
pub(crate) fn run_way(seed: u64, slowly: bool) -> Result<Outcome, String> {
    guarded(|| simulate(seed, slowly, (0, Kinds::NONE)).map(|both| both.0))
}

/// Runs one seed, with logs of both connections.
#[cfg(test)]
pub(crate) fn run_logged(seed: u64, kinds: Kinds) -> Result<(Outcome, [Vec<Record>; 2]), String> {
    let outcome = simulate(seed, false, (1 << 17, kinds));
    make_memory_scarce(0);
    outcome
}

fn simulate(
    seed: u64,
    slowly: bool,
    log: (usize, Kinds),
) -> Result<(Outcome, [Vec<Record>; 2]), String> {
    let mut rng = Rng::new(seed ^ 0xabcd_ef01);
    let harsh = rng.below(4);
    let farthest = if rng.chance(400) { 5_000 } else { 100_000 };
    // A generator of its own, so that what is added does not change all the rest of a seed.
    let mut choice = Rng::new(seed ^ 0x00cc_00cc);
    let link = Link {
        mark: if choice.chance(300) {
            choice.below(300)
        } else {
            0
        },
        delay_us: 10 + rng.below(farthest),
        jitter_us: if rng.chance(500) { rng.below(2_000) } else { 0 },
        loss: [0, 10, 50, 200][harsh as usize],
        reorder: if rng.chance(500) { rng.below(200) } else { 0 },
        duplicate: if rng.chance(300) { rng.below(100) } else { 0 },
        joins: rng.chance(400),
        stall: if rng.chance(200) { rng.below(10) } else { 0 },
        path_mss: if rng.chance(150) {
            536 + rng.below(900) as u16
        } else {
            0
        },
        black_hole: false,
    };
    let mut pair = Pair::new(seed, link);
    pair.slowly = slowly;
    pair.strict = true;
    let mut tricks = Rng::new(seed ^ 0x0dd_ba11);
    if tricks.chance(300) {
        pair.meddling.divide = [0, 300][tricks.below(2) as usize];
        pair.meddling.shrink = [0, 100][tricks.below(2) as usize];
        pair.meddling.reroute = [0, 5][tricks.below(2) as usize];
        pair.meddling.pressure = [0, 50, 200][tricks.below(3) as usize];
        // Lies that leave the stream whole.
        let mut lies = Rng::new(seed ^ 0x11e5_11e5);
        pair.meddling.repeat = [0, 0, 100][lies.below(3) as usize];
        pair.meddling.claim = [0, 0, 100][lies.below(3) as usize];
        pair.meddling.beyond = [0, 0, 50][lies.below(3) as usize];
        pair.meddling.rng = Some(tricks);
    }
    // Probes of the path's MTU; and a path whose MTU falls at some time without a word, which only
    // they can get past.
    let mut search = Rng::new(seed ^ 0xb1ac_401e);
    let probing = if search.chance(300) {
        1 + search.below(2) as u8
    } else {
        0
    };
    pair.link.black_hole = probing > 0 && search.chance(500);
    let falls = (pair.link.black_hole && search.chance(700))
        .then(|| (search.below(300), 200 + search.below(1_200) as u16));
    // The same for accurate ECN's option.
    let mut boxes = Rng::new(seed ^ 0xacc_ec4);
    if boxes.chance(300) {
        let fates = [Fate::Passes, Fate::Stripped, Fate::Cleared, Fate::Dropped];
        pair.meddling.acc_ecn = [0, 1].map(|_| fates[boxes.below(4) as usize]);
    }
    // And for noise on the way: what is not as it was sent is dropped for its checksum.
    let mut noise = Rng::new(seed ^ 0x0040_015e);
    if noise.chance(200) {
        let often = 1 + noise.below(30);
        pair.meddling.noise = Some((often, noise));
    }
    // And for what routes say.
    let mut routes = Rng::new(seed ^ 0x0004_073e);
    if rng.chance(200) {
        make_memory_scarce(2 + rng.below(10) as u32);
    }
    for end in &mut pair.ends {
        end.log = log;
        let n = choice.below(Algorithm::ALL.len() as u64) as usize;
        end.net.congestion = Algorithm::ALL[n];
        end.net.ecn = [
            Policy::OFF,
            Policy::ASK,
            Policy::ACCEPT,
            Policy::ASK_ACCURATE,
        ][choice.below(4) as usize];
        let option = [2, 2, 1, 0][boxes.below(4) as usize];
        let beacon = boxes.below(4) as u8;
        end.net.ecn_option = OptionPolicy::from_sysctls(option, beacon, boxes.chance(900));
        if boxes.chance(300) {
            end.net.ecn = Policy::ASK_ACCURATE;
        }
        end.pacing.0 =
            [Pacer::None, Pacer::None, Pacer::Timer, Pacer::Qdisc][choice.below(4) as usize];
        if choice.chance(100) {
            end.pacing.1 = 100_000 + choice.below(10_000_000);
        }
        end.net.mtu_probing = probing;
        end.net.probe_interval = Duration::from_secs(1 + search.below(100));
        end.config.nodelay = rng.chance(500);
        end.net.sack = rng.chance(700);
        end.net.timestamps = rng.chance(700);
        end.net.window_scaling = rng.chance(800);
        end.rcvbuf = [4_096, 16_384, 131_072, 1 << 20][rng.below(4) as usize];
        end.gso_max = if rng.chance(700) { 65_000 } else { 0 };
        end.mss = [536, 1460, 8960][rng.below(3) as usize];
        end.metrics = route(&mut routes);
        if rng.chance(200) {
            // Numbers wrap during the transfer.
            end.iss = u32::MAX - rng.below(50_000) as u32;
        }
        // Enough for the harshest link: the test is about recovery, not about giving up.
        end.net.retries2 = 60;
        end.net.syn_retries = 60;
        end.net.synack_retries = 60;
        end.net.orphan_retries = 60;
        // Longer than the longest row of lost last ACKs, which TCP itself can't survive.
        end.net.time_wait = Duration::from_secs(3_000);
    }
    let simultaneous = rng.chance(100);
    let most = if harsh == 3 { 30_000 } else { 400_000 };
    let mut users: Vec<User> = (0..2)
        .map(|_| {
            let len = if rng.chance(200) {
                0
            } else {
                rng.below(most) as usize
            };
            User::new(stream(&mut rng, len), rng.chance(300))
        })
        .collect();
    let mut early = Rng::new(seed ^ 0x0fa5_70b3);
    let with_data = early.chance(250);
    if with_data {
        pair.ends[1].takes_early = early.chance(700);
        for end in &mut pair.ends {
            end.net.fastopen = 3;
            end.known_mss = [0, 536, 1460, 8960][early.below(4) as usize];
        }
    }
    let clients: &[usize] = if simultaneous { &[0, 1] } else { &[0] };
    if !simultaneous {
        pair.listen(1);
    }
    for i in clients {
        if with_data {
            users[*i].sent = pair.connect_with(*i, &users[*i].to_send);
        } else {
            pair.connect(*i);
        }
    }
    let start = pair.now;
    let (mut steps, mut events) = (0u64, 0u64);
    loop {
        steps += 1;
        if events > 3_000_000 {
            return Err(tell(&pair, "endless"));
        }
        if let Some((at, mss)) = falls.filter(|(at, _)| *at == steps) {
            pair.link.path_mss = mss;
            pair.log
                .push(format!("step {at}: segments of {mss} at most"));
        }
        for i in 0..2 {
            act(&mut pair, &mut users, &mut rng, i)?;
            if choice.chance(5) {
                let n = choice.below(Algorithm::ALL.len() as u64) as usize;
                if let Some(conn) = pair.ends[i].conn() {
                    conn.set_congestion(Algorithm::ALL[n]);
                }
            }
            if let Some(conn) = pair.ends[i].conn() {
                let cwnd = conn.cwnd();
                if cwnd == 0 || cwnd > 1 << 30 {
                    return Err(tell(&pair, &format!("cwnd: {cwnd}")));
                }
            }
        }
        let over = (0..2).all(|i| {
            users[i].eof
                && users[i].shut
                && matches!(
                    pair.ends[i].state(),
                    ConnState::Closed | ConnState::TimeWait | ConnState::FinWait2
                )
        });
        if over {
            break;
        }
        let until = start.add(LIMIT);
        let reader = users
            .iter()
            .filter(|u| u.slow && !u.eof)
            .map(|u| u.next_read)
            .min();
        let next = pair.next_event();
        match (next, reader) {
            (None, None) => return Err(tell(&pair, "stalled: no timer, nothing on the wire")),
            // A slow reader's turns are no talk: they end with the time.
            (next, Some(at)) if next.is_none_or(|n| at < n) && at > pair.now => {
                if at > until {
                    return Err(tell(&pair, "time is up"));
                }
                pair.now = at;
            }
            _ => {
                events += 1;
                if !pair.step(until) && reader.is_none_or(|at| at <= pair.now) {
                    return Err(tell(&pair, "time is up"));
                }
            }
        }
    }
    for i in 0..2 {
        if users[i].received != users[1 - i].to_send {
            return Err(tell(&pair, "the streams differ"));
        }
    }
    // Both have closed: whatever the link does, both must come to an end, by timers alone if
    // need be, and nothing may be on its way then.
    let until = pair.now.add(LIMIT);
    while pair.step(until) {
        events += 1;
        if events > 3_000_000 {
            return Err(tell(&pair, "endless talk after the end"));
        }
    }
    if (0..2).any(|i| pair.ends[i].state() != ConnState::Closed) || pair.next_event().is_some() {
        return Err(tell(&pair, "not over"));
    }
    let counters = [0, 1].map(|i: usize| *pair.ends[i].mib.0.borrow());
    let records = [0, 1].map(|i: usize| pair.ends[i].records());
    let outcome = Outcome {
        digest: pair.digest,
        spoilt: pair.spoilt,
        counters,
    };
    Ok((outcome, records))
}

fn act(pair: &mut Pair, users: &mut [User], rng: &mut Rng, i: usize) -> Result<(), String> {
    let now = pair.now;
    let user = &mut users[i];
    if pair.ends[i].events.has(Events::ERROR) {
        return Err(tell(pair, &format!("end {i} failed")));
    }
    if let Some(fault) = pair.fault(i) {
        return Err(tell(pair, &fault));
    }
    // Reading.
    if !user.slow || user.next_read <= now {
        let max = if user.slow {
            1 + rng.below(20_000) as usize
        } else {
            usize::MAX
        };
        let data = pair.read(i, max);
        user.received.extend(data);
        user.next_read = now.add(Duration::from_millis(1 + rng.below(300)));
        let ended = match &mut pair.ends[i].block {
            Block::Conn(conn) => conn.peer_closed() && conn.recv_len() == 0,
            _ => false,
        };
        user.eof |= ended;
        if ended {
            pair.flush(i);
        }
    }
    // Writing, then the end of the stream.
    if user.sent < user.to_send.len() {
        let n = (1 + rng.below(60_000) as usize).min(user.to_send.len() - user.sent);
        user.sent += pair.write(i, &user.to_send[user.sent..user.sent + n]);
    } else if !user.shut && user.closes_after_send {
        let ready = with_conn!(pair.ends[i], now, |conn, cx| {
            let ready = conn.state().can_send();
            if ready {
                conn.shutdown_send(&cx);
            }
            ready
        });
        user.shut = ready == Some(true);
        pair.flush(i);
    }
    Ok(())
}

fn tell(pair: &Pair, what: &str) -> String {
    let tail: Vec<String> = pair.log.iter().rev().take(30).rev().cloned().collect();
    format!(
        "{what}; states {:?} {:?}; {:?}\n{}",
        pair.ends[0].state(),
        pair.ends[1].state(),
        pair.link,
        tail.join("\n")
    )
}
