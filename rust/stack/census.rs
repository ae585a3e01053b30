// SPDX-License-Identifier: GPL-2.0

//! How many connections without a user, and how many entries in TIME-WAIT, there are and may be.

use super::{
    memory,
    netns::{
        max_orphans,
        NetState, //
    },
    quota::Quota,
    sock::LockedTcp, //
};
use crate::net::netns::Net;
use crate::tcp::connection::Crowd;
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// Orphans of the host.
static ORPHANS: Atomic<u32> = Atomic::new(0);

/// The counts of a namespace.
pub(crate) struct Census {
    orphans: Atomic<u32>,
    time_waits: Quota,
}

impl Census {
    pub(super) fn new() -> Self {
        Self {
            orphans: Atomic::new(0),
            time_waits: Quota::new(),
        }
    }

    /// Counts an entry in TIME-WAIT (or FIN-WAIT-2 without a user) if there are fewer than `most`.
    pub(super) fn time_wait_begins(&self, most: u32) -> bool {
        self.time_waits.take(most)
    }

    /// Connections without a user.
    pub(crate) fn orphans(&self) -> u32 {
        self.orphans.load(Relaxed)
    }

    /// Entries in TIME-WAIT (or FIN-WAIT-2 without a user).
    pub(crate) fn time_waits(&self) -> u32 {
        self.time_waits.used()
    }

    /// Such an entry is no more.
    pub(super) fn time_wait_done(&self) {
        self.time_waits.give_back();
    }
}

/// Counts a connection without a user until it is over.
pub(crate) struct Orphan(&'static Census);

impl Drop for Orphan {
    fn drop(&mut self) {
        self.0.orphans.fetch_sub(1, Relaxed);
        ORPHANS.fetch_sub(1, Relaxed);
    }
}

/// The user of a socket goes.
pub(crate) fn orphan(sk: &mut LockedTcp<'_>) {
    let Some(state) = NetState::of(sk.sk().net()) else {
        return;
    };
    state.census.orphans.fetch_add(1, Relaxed);
    ORPHANS.fetch_add(1, Relaxed);
    sk.data().orphan = Some(Orphan(&state.census));
    tell_crowd(sk);
}

/// Tells the connection how many orphans there are. What the host has is held against the first
/// namespace's setting, since the memory is the host's; what a namespace has, against its own.
pub(crate) fn tell_crowd(sk: &mut LockedTcp<'_>) {
    let net = sk.sk().net();
    let Some(state) = NetState::of(net) else {
        return;
    };
    let crowd = |count: &Atomic<u32>, net| {
        Crowd::of(u64::from(count.load(Relaxed)), u64::from(max_orphans(net)))
    };
    let crowd = if memory::is_gone(sk) {
        Crowd::TooMany
    } else {
        crowd(&ORPHANS, Net::init()).max(crowd(&state.census.orphans, net))
    };
    sk.data().conn.set_crowd(crowd);
}
