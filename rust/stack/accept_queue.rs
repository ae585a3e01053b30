// SPDX-License-Identifier: GPL-2.0

//! The accept queue: connections that are complete and wait for accept(), first in, first out.
//!
//! Its ring is made by listen() with room for the backlog, so that a completed handshake needs no
//! memory for it.

use super::{
    bound::PortHold,
    sock::{
        TcpSock,
        UserOptions, //
    }, //
};
use crate::tcp::config::SocketConfig;
use kernel::{
    alloc::{
        flags::__GFP_NOWARN,
        KVVec, //
    },
    prelude::*,
    sync::aref::ARef, //
};

/// The queue of a listener, and what its children start from.
#[derive(Default)]
pub(crate) struct AcceptQueue {
    ring: KVVec<Option<ARef<TcpSock>>>,
    head: usize,
    len: usize,
    /// The bound: one less than the connections that fit, as Linux counts it.
    limit: u32,
    /// Whether connections are taken.
    pub(crate) open: bool,
    /// How often it was closed: a socket may listen again.
    pub(crate) round: u32,
    /// The listener's options.
    pub(crate) config: SocketConfig,
    /// The listener's options that the core does not know of.
    pub(crate) user: UserOptions,
    /// The listener's port.
    pub(crate) port: Option<PortHold>,
}

impl AcceptQueue {
    /// Room for a backlog of `limit` (Linux lets in one more), and at least for `waiting`. May sleep.
    pub(crate) fn ring_for(limit: u32, waiting: usize) -> Result<KVVec<Option<ARef<TcpSock>>>> {
        let size = (limit as usize).saturating_add(1).max(waiting);
        let flags = GFP_KERNEL_ACCOUNT | __GFP_NOWARN;
        let mut ring = KVVec::with_capacity(size, flags)?;
        for _ in 0..size {
            ring.push(None, flags)?;
        }
        Ok(ring)
    }

    /// How many may wait until the backlog is changed: also who came while it was larger.
    pub(crate) fn most(&self) -> usize {
        self.len.max((self.limit as usize).saturating_add(1))
    }

    /// Takes a new ring, for `limit` and for as many as [wait](Self::most), who move over. The old ring is
    /// given back.
    pub(crate) fn resize(
        &mut self,
        mut ring: KVVec<Option<ARef<TcpSock>>>,
        limit: u32,
    ) -> KVVec<Option<ARef<TcpSock>>> {
        let mut moved = 0usize;
        for slot in ring.iter_mut() {
            match self.pop() {
                Some(child) => {
                    *slot = Some(child);
                    moved = moved.wrapping_add(1);
                }
                None => break,
            }
        }
        self.head = 0;
        self.len = moved;
        self.limit = limit;
        core::mem::replace(&mut self.ring, ring)
    }

    /// How many wait.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.len).unwrap_or(u32::MAX)
    }

    /// The backlog in force.
    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// Closes it.
    pub(crate) fn close(&mut self) {
        self.open = false;
        self.round = self.round.wrapping_add(1);
    }

    /// Whether it is open, and was not closed since `round` was read.
    pub(crate) fn is_open_since(&self, round: u32) -> bool {
        self.open && self.round == round
    }

    /// Whether one more would be too many.
    pub(crate) fn is_full(&self) -> bool {
        self.len > self.limit as usize
    }

    /// Appends; gives the child back if the queue is full or closed.
    pub(crate) fn push(&mut self, child: ARef<TcpSock>) -> Result<(), ARef<TcpSock>> {
        let size = self.ring.len();
        if !self.open || self.is_full() || self.len >= size {
            return Err(child);
        }
        let at = self.head.wrapping_add(self.len);
        let at = if at >= size {
            at.wrapping_sub(size)
        } else {
            at
        };
        match self.ring.get_mut(at) {
            Some(slot) => *slot = Some(child),
            None => return Err(child),
        }
        self.len = self.len.wrapping_add(1);
        Ok(())
    }

    /// Takes the first out.
    pub(crate) fn pop(&mut self) -> Option<ARef<TcpSock>> {
        if self.len == 0 {
            return None;
        }
        let child = self.ring.get_mut(self.head)?.take();
        self.len = self.len.wrapping_sub(1);
        let next = self.head.wrapping_add(1);
        self.head = if next >= self.ring.len() { 0 } else { next };
        child
    }
}
