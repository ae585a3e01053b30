// SPDX-License-Identifier: GPL-2.0

//! What a socket's queues hold is charged to the protocol's pool, which the whole host shares, and
//! to the memory cgroup of whoever made (or accepted) the socket.

use super::{
    Locked,
    Protocol,
    Sock, //
};
use crate::net::bindings;
use kernel::prelude::*;

/// Bytes of true size that a socket is charged for: what is to be sent, and what was received.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Charge {
    /// In the queues of the sending side.
    pub(crate) tx: u32,
    /// In those of the receiving side.
    pub(crate) rx: u32,
}

/// `to - from`. Buffers end far below 2 GiB.
fn moved(to: u32, from: u32) -> c_int {
    to.wrapping_sub(from).cast_signed()
}

/// The bounds of the protocol's pool, pages: up to the first there is plenty, beyond the second it is
/// short, and beyond the third there is none.
pub(crate) fn pool_limits() -> [u64; 3] {
    [0, 1, 2].map(|which| {
        // SAFETY: Reads a word.
        u64::try_from(unsafe { bindings::pool_limit(which) }).unwrap_or(0)
    })
}

/// Bytes of the pages that memory is counted in.
pub(crate) const PAGE_SIZE: u64 = kernel::page::PAGE_SIZE as u64;

/// How many sockets the host has.
pub(crate) fn pool_sockets() -> u64 {
    // SAFETY: The counter is there for as long as the protocol is registered, as the files are that ask.
    u64::try_from(unsafe { bindings::pool_sockets() }).unwrap_or(0)
}

/// Sets these bounds; `None`: to what the host's memory gives.
pub(crate) fn set_pool_limits(limits: Option<[u64; 3]>) {
    let Some(limits) = limits else {
        // SAFETY: Writes the words that sockets read one at a time.
        unsafe { bindings::pool_default_limits() };
        return;
    };
    for (which, pages) in [0, 1, 2].into_iter().zip(limits) {
        let pages = c_long::try_from(pages).unwrap_or(c_long::MAX);
        // SAFETY: As above.
        unsafe { bindings::pool_set_limit(which, pages) };
    }
}

impl<P: Protocol> Sock<P> {
    /// # Safety
    ///
    /// The caller must hold the socket lock or the socket's last reference.
    pub(super) unsafe fn move_charge(&self, to: Charge) {
        // SAFETY: Exclusive, by the caller's promise; `sk_mem_moved` needs no more than that.
        unsafe {
            let from = self.charge.get().replace(to);
            if from != to {
                bindings::sk_mem_moved(self.as_ptr(), moved(to.tx, from.tx), moved(to.rx, from.rx));
            }
        }
    }
}

impl<P: Protocol> Locked<'_, P> {
    /// Charges the socket for what its queues hold now.
    #[inline]
    pub(crate) fn set_charge(&mut self, to: Charge) {
        // SAFETY: A `Locked` exists only while the socket lock is held.
        unsafe { self.sk.move_charge(to) };
    }

    /// Whether pool and cgroup have `bytes` more for what is to be sent. If not, SO_SNDBUF is
    /// smaller now, unless the user fixed it.
    pub(crate) fn may_send(&mut self, bytes: u32) -> bool {
        let bytes = c_int::try_from(bytes).unwrap_or(c_int::MAX);
        // SAFETY: Valid, and the lock is held.
        unsafe { bindings::sk_wmem_schedule(self.sk.as_ptr(), bytes) }
    }

    /// Whether pool and cgroup have `bytes` more for what was received.
    pub(crate) fn may_receive(&mut self, bytes: u32) -> bool {
        let bytes = c_int::try_from(bytes).unwrap_or(c_int::MAX);
        // SAFETY: Valid, and the lock is held.
        unsafe { bindings::sk_rmem_schedule(self.sk.as_ptr(), bytes) }
    }

    /// Whether pool or cgroup are getting short: no time for buffers to grow.
    pub(crate) fn memory_is_short(&self) -> bool {
        // SAFETY: Valid.
        unsafe { bindings::sk_under_memory_pressure(self.sk.as_ptr()) }
    }

    /// Whether the pool is used up, and the socket has more to send than each of them may.
    pub(crate) fn is_out_of_memory(&self) -> bool {
        // SAFETY: Valid.
        unsafe { bindings::sk_out_of_memory(self.sk.as_ptr()) }
    }
}
