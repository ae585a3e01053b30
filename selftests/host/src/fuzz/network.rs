// SPDX-License-Identifier: GPL-2.0

//! Two cores and a network that the bytes are: it holds segments back, drops, doubles, reorders
//! and forges them as it likes, and in the end it heals.

use super::Bytes;
use crate::pair::{without_acc_ecn, Block, Link, Pair};
use crate::tcp::{
    connection::Events,
    ecn::{Account, OptionPolicy, Policy},
    pacing::Pacer,
    state::ConnState,
    time::Duration,
    wire::Codepoint,
};
use crate::with_conn;
use crate::{platform::make_memory_scarce, tcp::context::Cx};

/// Byte `n` of each stream.
fn byte(i: usize, n: usize) -> u8 {
    (n * 31 + n / 251 + i * 17) as u8
}

struct Script {
    pair: Pair,
    sent: [usize; 2],
    received: [usize; 2],
    shut: [bool; 2],
    /// Something was forged, or a side gave up: delivery is not promised any more.
    spoilt: bool,
    /// What each end knew of ECN last.
    ecn: [Option<Account>; 2],
}

impl Script {
    fn read(&mut self, i: usize, max: usize) {
        let data = self.pair.read(i, max);
        if !self.spoilt {
            for (n, got) in data.iter().enumerate() {
                let at = self.received[i] + n;
                assert!(at < self.sent[1 - i], "more than was ever sent");
                assert_eq!(*got, byte(1 - i, at), "byte {at} of end {i}");
            }
        }
        self.received[i] += data.len();
    }

    fn write(&mut self, i: usize, len: usize) {
        if self.shut[i] || self.sent[i] > 300_000 {
            return;
        }
        let data: Vec<u8> = (0..len).map(|n| byte(i, self.sent[i] + n)).collect();
        self.sent[i] += self.pair.write(i, &data);
    }

    fn check(&mut self) {
        for i in 0..2 {
            if self.pair.ends[i].events.has(Events::ERROR) {
                self.spoilt = true;
            }
            if let Some(conn) = self.pair.ends[i].conn() {
                self.ecn[i] = Some(conn.ecn_account());
            }
            if let Some(fault) = self.pair.fault(i) {
                panic!("{fault}");
            }
        }
    }

    /// Moves to the next timer.
    fn fire(&mut self) {
        let now = self.pair.now;
        let next = self.pair.ends.iter().filter_map(|e| e.deadline()).min();
        if let Some(at) = next {
            self.pair.now = now.max(at);
            self.pair.timeouts(0);
            self.pair.timeouts(1);
        }
    }

    /// The `n`th segment on the wire, with what becomes of it.
    fn segment(&mut self, n: usize, what: u8, bytes: &mut Bytes<'_>) -> Option<()> {
        let key = *self.pair.wire.keys().nth(n % self.pair.wire.len().max(1))?;
        let (to, mut wire) = self.pair.wire.remove(&key)?;
        match what {
            // Lost.
            0 => return Some(()),
            // Doubled: it stays.
            1 => {
                self.pair.wire.insert(key, (to, wire.clone()));
            }
            // Forged: any bit of the header but the data offset.
            2 => {
                let (at, bit) = (usize::from(bytes.u8()?), bytes.below(8)?);
                let at = 4 + at % (wire.0.len() - 4);
                if at != 12 {
                    wire.0[at] ^= 1 << bit;
                    self.spoilt = true;
                    self.pair.strict = false;
                }
            }
            // Marked: only what takes part in ECN may be.
            3 if wire.2 != Codepoint::NotEct => wire.2 = Codepoint::Ce,
            // Without the AccECN option.
            4 => without_acc_ecn(&mut wire.0),
            _ => {}
        }
        self.pair.deliver(to, wire);
        Some(())
    }

    fn script(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        for _ in 0..2_000 {
            let step = bytes.u8()?;
            let i = usize::from(step & 1);
            match (step >> 1) % 24 {
                // Mostly segments arrive, in order or not.
                0..=9 => {
                    let _ = self.segment(0, 9, bytes);
                }
                10 | 11 => {
                    let n = usize::from(bytes.u8()?);
                    {
                        let _ = self.segment(n, 9, bytes);
                    };
                }
                13 if step & 1 == 0 => {
                    let _ = self.segment(0, 3, bytes);
                }
                12 if step & 0xc0 == 0xc0 => {
                    let _ = self.segment(0, 4, bytes);
                }
                12 | 13 => {
                    let _ = self.segment(0, 0, bytes);
                }
                14 => {
                    let _ = self.segment(0, 1, bytes);
                }
                // Forgeries seldom, or no script would be about anything else.
                15 if bytes.u8()? > 200 => {
                    let _ = self.segment(0, 2, bytes);
                }
                16 => {
                    let len = usize::from(bytes.u16()?);
                    self.write(i, len);
                }
                17 => {
                    let max = usize::from(bytes.u16()?);
                    self.read(i, max);
                }
                18 => self.fire(),
                19 => {
                    let ms = u64::from(bytes.u8()?);
                    self.pair.now = self.pair.now.add(Duration::from_millis(ms));
                    self.pair.timeouts(0);
                    self.pair.timeouts(1);
                }
                20 => {
                    let mss = 300 + bytes.u16()? % 1_200;
                    let now = self.pair.now;
                    with_conn!(self.pair.ends[i], now, |conn, cx| {
                        let una = conn.numbers().0;
                        conn.handle_mtu(&cx, una, mss);
                    });
                    self.pair.flush(i);
                }
                21 if bytes.u8()? > 128 => self.shut(i),
                22 if bytes.u8()? > 250 => {
                    let now = self.pair.now;
                    with_conn!(self.pair.ends[i], now, |conn, cx| conn.abort(&cx));
                    self.spoilt = true;
                    self.pair.flush(i);
                }
                23 if bytes.u8()? > 200 => self.pair.wire.clear(),
                _ => {}
            }
            self.check();
        }
        Some(())
    }

    fn shut(&mut self, i: usize) {
        let now = self.pair.now;
        let done = with_conn!(self.pair.ends[i], now, |conn, cx| {
            let ready = conn.state().can_send();
            if ready {
                conn.shutdown_send(&cx);
            }
            ready
        });
        self.shut[i] |= done == Some(true);
        self.pair.flush(i);
    }

    /// The network heals: all that was written arrives, and both ends close.
    fn heal(&mut self) {
        make_memory_scarce(0);
        self.pair.link.delay_us = 1_000;
        let over = |pair: &Pair, i: usize| {
            matches!(
                pair.ends[i].state(),
                ConnState::Closed | ConnState::TimeWait | ConnState::FinWait2
            )
        };
        for _ in 0..200_000 {
            for i in 0..2 {
                self.read(i, usize::MAX);
                self.shut(i);
            }
            self.check();
            let done = (0..2).all(|i| over(&self.pair, i));
            if done && (0..2).all(|i| self.received[i] == self.sent[1 - i]) {
                return;
            }
            let until = self.pair.now.add(Duration::from_secs(100_000));
            if !self.pair.step(until) {
                break;
            }
        }
        if !self.spoilt && (0..2).all(|i| self.pair.ends[i].state() != ConnState::Listen) {
            panic!(
                "never done: {:?} {:?}, sent {:?}, received {:?}",
                self.pair.ends[0].state(),
                self.pair.ends[1].state(),
                self.sent,
                self.received
            );
        }
    }
}

/// Runs the script that the bytes are.
pub fn pair(data: &[u8]) {
    told(data);
}

/// The same, and tells what each end knew of ECN last, if it got so far.
pub(crate) fn told(data: &[u8]) -> [Option<Account>; 2] {
    make_memory_scarce(0);
    let told = run(&mut Bytes(data));
    make_memory_scarce(0);
    told.unwrap_or_default()
}

fn run(bytes: &mut Bytes<'_>) -> Option<[Option<Account>; 2]> {
    let seed = u64::from(bytes.u16()?);
    let mut pair = Pair::new(seed, Link::default());
    pair.strict = true;
    for end in &mut pair.ends {
        let bits = bytes.u16()?;
        end.net.sack = bits & 1 != 0;
        end.net.timestamps = bits & 2 != 0;
        end.net.window_scaling = bits & 4 != 0;
        end.config.nodelay = bits & 8 != 0;
        end.gso_max = if bits & 16 != 0 { 65_000 } else { 0 };
        end.rcvbuf = [4_096, 16_384, 131_072, 1 << 20][usize::from(bits >> 5 & 3)];
        end.mss = [536, 1460, 8960, 1000][usize::from(bits >> 7 & 3)];
        end.pacing.0 = [Pacer::None, Pacer::Timer][usize::from(bits >> 9 & 1)];
        let algorithms = crate::tcp::congestion::Algorithm::ALL;
        end.net.congestion = algorithms[usize::from(bits >> 10) % algorithms.len()];
        end.net.ecn = [
            Policy::OFF,
            Policy::ASK,
            Policy::ACCEPT,
            Policy::ASK_ACCURATE,
        ][usize::from(bits >> 12 & 3)];
        // When the option of the accurate kind is sent goes with whatever else was chosen.
        end.net.ecn_option =
            OptionPolicy::from_sysctls([2, 1, 2, 0][usize::from(bits >> 3 & 3)], 3, bits & 1 != 0);
        if bits & 0x8000 != 0 {
            end.iss = u32::MAX - 5_000;
        }
        // The script is about recovery: nobody gives up while it runs.
        end.net.retries2 = 200;
        end.net.syn_retries = 200;
        end.net.synack_retries = 200;
        end.net.orphan_retries = 200;
        end.net.time_wait = Duration::from_secs(3_000);
    }
    let start = bytes.u8()?;
    if start & 1 != 0 {
        pair.connect(0);
        pair.connect(1);
    } else {
        pair.listen(1);
        pair.connect(0);
    }
    if start & 6 == 6 {
        make_memory_scarce(2 + u32::from(start >> 4));
    }
    let mut script = Script {
        pair,
        sent: [0; 2],
        received: [0; 2],
        shut: [false; 2],
        spoilt: false,
        ecn: [None; 2],
    };
    let _ = script.script(bytes);
    script.heal();
    Some(script.ecn)
}
