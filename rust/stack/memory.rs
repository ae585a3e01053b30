// SPDX-License-Identifier: GPL-2.0

//! What the sockets of a namespace hold in their queues, and how much that may be:
//! `net.rusttcp.mem_max`. The host's pool and the memory cgroup, which are charged as well, are the
//! business of `net/sock/memory.rs`.

use super::{
    netns::NetState,
    sock::LockedTcp, //
};
use crate::net::{
    percpu::PerCpuCount,
    sock::Charge, //
};
use crate::tcp::platform::Memory;
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

/// The account of a namespace.
pub(crate) struct Account {
    /// Bytes of true size in the queues of its sockets.
    held: PerCpuCount,
    /// How many there may be; zero: as many as the host has.
    most: Atomic<u64>,
}

/// How much there is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    Plenty,
    Short,
    None,
}

impl Account {
    /// Nothing is held. Context: process.
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            held: PerCpuCount::new()?,
            most: Atomic::new(0),
        })
    }

    /// Bytes that the namespace's sockets hold now.
    pub(crate) fn held(&self) -> u64 {
        u64::try_from(self.held.sum()).unwrap_or(0)
    }

    /// How many they may hold; zero: as many as the host has.
    pub(crate) fn most(&self) -> u64 {
        self.most.load(Relaxed)
    }

    /// Changes that. What is there stays.
    pub(crate) fn set_most(&self, bytes: u64) {
        self.most.store(bytes, Relaxed);
    }

    /// How much room there is once `bytes` more are held. Beyond two thirds it gets short, as with
    /// the pool's bounds.
    fn room(&self, bytes: u32) -> Room {
        let most = self.most();
        if most == 0 {
            return Room::Plenty;
        }
        let exceeds = |bound: u64| {
            let bound = i64::try_from(bound).unwrap_or(i64::MAX);
            self.held.exceeds(bound.saturating_sub(i64::from(bytes)))
        };
        if !exceeds(most.saturating_sub(most / 3)) {
            Room::Plenty
        } else if !exceeds(most) {
            Room::Short
        } else {
            Room::None
        }
    }
}

/// What a socket has of its namespace's account, guarded by the socket lock. It is given back with the
/// socket, which holds a reference to its namespace until then.
#[derive(Default)]
pub(crate) struct Share {
    account: Option<&'static Account>,
    bytes: u64,
}

impl Share {
    fn becomes(&mut self, bytes: u64) {
        let Some(account) = self.account else {
            return;
        };
        // Queues end far below 2^63.
        account
            .held
            .add(bytes.wrapping_sub(self.bytes).cast_signed());
        self.bytes = bytes;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.becomes(0);
    }
}

/// The account of the socket's namespace.
fn account(sk: &LockedTcp<'_>) -> Option<&'static Account> {
    let known = sk.peek().share.account;
    known.or_else(|| NetState::of(sk.sk().net()).map(|state| &state.memory))
}

/// Charges the socket for what its queues hold.
pub(crate) fn charge(sk: &mut LockedTcp<'_>) {
    let (tx, rx) = sk.peek().conn.memory();
    sk.set_charge(Charge { tx, rx });
    let bytes = u64::from(tx).saturating_add(u64::from(rx));
    if sk.peek().share.bytes != bytes {
        let account = account(sk);
        let share = &mut sk.data().share;
        share.account = account;
        share.becomes(bytes);
    }
}

/// So much each socket may have to send, and so much to be read, whatever there is: a namespace in which
/// some hold all there is stands still for nobody else. As `tcp_wmem` and `tcp_rmem` begin.
const EACH: u32 = 4096;

/// How many of `bytes` more to be sent there is memory for. If none, SO_SNDBUF may be smaller now.
///
/// Who has nothing under way hears of no ACK that would wake it: some may always go, which is as much as a
/// buffer takes once it has begun.
pub(crate) fn may_send(sk: &mut LockedTcp<'_>, bytes: u32) -> u32 {
    let (tx, _) = sk.peek().conn.memory();
    let least = EACH.saturating_sub(tx);
    let there = sk.may_send(bytes)
        && (least > 0 || account(sk).is_none_or(|a| a.room(bytes) != Room::None));
    if there {
        bytes
    } else {
        bytes.min(least)
    }
}

/// Whether there is memory for `bytes` more that were received.
pub(super) fn look(sk: &mut LockedTcp<'_>, bytes: u32) -> Memory {
    let (_, rx) = sk.peek().conn.memory();
    let room = account(sk).map_or(Room::Plenty, |a| a.room(bytes));
    if !sk.may_receive(bytes) || (rx >= EACH && room == Room::None) {
        Memory::Gone
    } else if sk.memory_is_short() || room != Room::Plenty {
        Memory::Short
    } else {
        Memory::Plenty
    }
}

/// Whether the socket has more to send than each may, and there is no memory at all.
pub(super) fn is_gone(sk: &LockedTcp<'_>) -> bool {
    let (tx, _) = sk.peek().conn.memory();
    sk.is_out_of_memory() || (tx > EACH && account(sk).is_some_and(|a| a.room(0) == Room::None))
}
