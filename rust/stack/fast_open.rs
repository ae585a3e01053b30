// SPDX-License-Identifier: GPL-2.0

//! What a namespace remembers of peers for Fast Open (RFC 7413, 4.1.3): cookies, the largest segment
//! that a SYN with data goes by, and where none of it works.
//!
//! Room is bounded: a peer has one of few places, and who was asked for last keeps its own.

use super::{
    netns::{
        sysctls,
        NetState, //
    },
    sock::{
        now,
        LockedTcp, //
    },
};
use crate::net::{
    addr::Endpoint,
    clock::SipKey,
    lock::{
        new_bh_spinlock,
        BhSpinLock, //
    },
};
use crate::tcp::{
    connection::{
        FastAnswer,
        FastNews,
        FastSyn, //
    },
    handshake::fast_open::bits,
    mib::Mib,
    platform::MibSink,
    time::{
        Duration,
        Instant, //
    },
    wire::FastOpen, //
};
use core::net::IpAddr;
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

/// How many places a peer may be in.
const WAYS: usize = 4;
/// How many such groups there are.
const SETS: usize = 64;
/// After the second SYN in a row whose data did not get through, so long times two to the power of
/// their number nothing is tried (RFC 7413, 4.1.3.1).
const REST: Duration = Duration::from_secs(60);
/// The most losses that make that longer: 17 hours.
const MOST_LOSSES: u8 = 10;
/// The most often that the rest after a black hole is doubled, as in Linux.
const MOST_DOUBLINGS: u32 = 6;

/// What is known of a pair of addresses.
struct Peer {
    local: IpAddr,
    remote: IpAddr,
    /// The largest segment that the peer takes, bytes; 0: not known.
    mss: u16,
    cookie: Option<FastOpen>,
    /// Which form of the option to ask in: 0 the standard's; 1 the experimental one, since the
    /// first was not answered; 2 the standard's again.
    form: u8,
    /// SYNs in a row whose data did not get through, and when the last one was.
    losses: u8,
    lost_at: Instant,
    /// When it was last asked for or changed.
    used_at: Instant,
}

impl Peer {
    /// Whether it is better not to try.
    fn rests(&self, now: Instant) -> bool {
        let losses = self.losses.min(MOST_LOSSES);
        losses > 1 && now.since(self.lost_at) < REST.shl(losses.into())
    }

    fn learn(&mut self, answer: &FastAnswer, now: Instant) {
        if answer.mss != 0 {
            self.mss = answer.mss;
        }
        if answer.cookie.is_some() {
            self.cookie = answer.cookie;
        }
        if let (Some(experimental), None) = (answer.denied, self.cookie) {
            self.form = self.form.max(if experimental { 2 } else { 1 });
        }
        if answer.lost {
            self.losses = self.losses.saturating_add(1);
            self.lost_at = now;
        } else {
            self.losses = 0;
        }
    }
}

type Place = Option<KBox<Peer>>;

/// What a namespace remembers.
#[pin_data]
pub(crate) struct Memory {
    #[pin]
    places: BhSpinLock<KVec<Place>>,
    key: SipKey,
    /// When a black hole was last met, and how often in a row.
    met_at: Atomic<u64>,
    times: Atomic<u32>,
}

impl Memory {
    /// An empty memory. May sleep.
    pub(super) fn new() -> Result<impl PinInit<Self>> {
        let mut places: KVec<Place> = KVec::with_capacity(SETS * WAYS, GFP_KERNEL)?;
        for _ in 0..SETS * WAYS {
            places.push(None, GFP_KERNEL)?;
        }
        Ok(pin_init!(Self {
            places <- new_bh_spinlock!(places, "fast_open::Memory::places"),
            key: SipKey::random(),
            met_at: Atomic::new(0),
            times: Atomic::new(0),
        }))
    }

    /// The group of places of a pair of addresses.
    fn set_of(&self, local: IpAddr, remote: IpAddr) -> usize {
        let [byte, ..] = self.key.hash_pair(remote, local);
        usize::from(byte) % SETS * WAYS
    }

    /// What is known of a pair of addresses, looked at by `f`.
    fn find<R>(&self, local: IpAddr, remote: IpAddr, f: impl FnOnce(&mut Peer) -> R) -> Option<R> {
        let first = self.set_of(local, remote);
        let mut places = self.places.lock();
        let set = places.get_mut(first..)?.iter_mut().take(WAYS);
        let mut known = set.flatten();
        let peer = known.find(|peer| peer.local == local && peer.remote == remote)?;
        Some(f(peer))
    }

    /// Takes an answer to memory.
    fn learn(&self, local: IpAddr, remote: IpAddr, answer: &FastAnswer, now: Instant) {
        let known = self.find(local, remote, |peer| {
            peer.learn(answer, now);
            peer.used_at = now;
        });
        if known.is_some() {
            return;
        }
        let mut peer = Peer {
            local,
            remote,
            mss: 0,
            cookie: None,
            form: 0,
            losses: 0,
            lost_at: now,
            used_at: now,
        };
        peer.learn(answer, now);
        // Without memory it is not remembered.
        let Ok(peer) = KBox::new(peer, GFP_ATOMIC | __GFP_NOWARN) else {
            return;
        };
        let first = self.set_of(local, remote);
        let mut places = self.places.lock();
        let Some(set) = places.get_mut(first..) else {
            return;
        };
        // A free place, or the one that was not asked for longest.
        let oldest = set.iter_mut().take(WAYS).min_by_key(|place| {
            place
                .as_ref()
                .map_or(Instant::default(), |peer| peer.used_at)
        });
        let old = oldest.and_then(|place| place.replace(peer));
        drop(places);
        drop(old);
    }

    /// Whether a black hole was met so short a time ago that nothing is tried; `None`: none was.
    fn shuns(&self, now: Instant, timeout: Duration) -> Option<bool> {
        let times = self.times.load(Relaxed);
        if times == 0 || timeout == Duration::ZERO {
            return None;
        }
        let rest = timeout.shl(times.saturating_sub(1).min(MOST_DOUBLINGS));
        Some(now.since(Instant::from_nanos(self.met_at.load(Relaxed))) < rest)
    }
}

/// The time of tcp_fastopen_blackhole_timeout_sec.
fn timeout(sk: &LockedTcp<'_>) -> Duration {
    let s = sysctls(sk.sk().net()).fastopen_blackhole_timeout;
    Duration::from_secs(u64::from(s))
}

/// A listener begins: where the namespace lets all offer Fast Open, it does as if it had asked for as many as
/// its backlog (TCP_FASTOPEN tells them).
pub(crate) fn offer_to_all(sk: &mut LockedTcp<'_>, backlog: u32) {
    let all = bits::SERVER | bits::ALL_LISTENERS;
    if sk.peek().user.fast_open == 0 && sysctls(sk.sk().net()).fastopen & all == all {
        sk.data().user.fast_open = backlog;
    }
}

/// Whether connections of this socket's namespace may begin with data.
pub(crate) fn is_allowed(sk: &LockedTcp<'_>) -> bool {
    sysctls(sk.sk().net()).fastopen & bits::CLIENT != 0
}

/// What the SYN of a socket with addresses and route gets.
pub(crate) fn choose(sk: &mut LockedTcp<'_>, state: &NetState) -> FastSyn {
    let (local, remote) = (sk.sk().local().addr, sk.sk().remote().addr);
    let now = now();
    let known = state.fast_open.find(local, remote, |peer| {
        peer.used_at = now;
        (peer.mss, peer.cookie, peer.form == 1, peer.rests(now))
    });
    let (mss, cookie, experimental, rests) = known.unwrap_or_default();
    let shuns = state.fast_open.shuns(now, timeout(sk));
    if shuns == Some(true) || rests {
        return FastSyn::Plain;
    }
    // If this one works, the black hole is gone.
    sk.data().tests_path = shuns == Some(false);
    let free = sysctls(sk.sk().net()).fastopen & bits::CLIENT_NO_COOKIE != 0
        || sk.peek().user.no_cookie
        || sk.route_needs_no_cookie();
    match cookie {
        _ if free => FastSyn::Carry { cookie: None, mss },
        Some(_) => FastSyn::Carry { cookie, mss },
        None => FastSyn::Ask { experimental },
    }
}

/// Takes to memory what a connection between these ends told.
pub(super) fn learn(
    sk: &mut LockedTcp<'_>,
    state: &NetState,
    (local, remote): (Endpoint, Endpoint),
    news: &FastNews,
) {
    let memory = &state.fast_open;
    if let Some(answer) = &news.answer {
        memory.learn(local.addr, remote.addr, answer, now());
    }
    if news.black_hole && timeout(sk) != Duration::ZERO {
        memory.met_at.store(now().as_nanos(), Relaxed);
        memory.times.fetch_add(1, Relaxed);
        state.mib.add(Mib::TCPFastOpenBlackhole, 1);
    }
    if news.proven && sk.peek().tests_path && !sk.route_is_loopback() {
        memory.times.store(0, Relaxed);
    }
}
