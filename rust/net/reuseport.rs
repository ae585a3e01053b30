// SPDX-License-Identifier: GPL-2.0

//! SO_REUSEPORT: the kernel's groups of listeners, with their balance by hash, SO_INCOMING_CPU and
//! BPF programs (SO_ATTACH_REUSEPORT_CBPF, SO_ATTACH_REUSEPORT_EBPF).
//!
//! C header: [`include/net/sock_reuseport.h`](srctree/include/net/sock_reuseport.h)

use super::{
    bindings,
    skbuff::SkBuff,
    sock::{
        Protocol,
        Sock, //
    },
};
use kernel::{
    error::to_result,
    prelude::*, //
};

impl<P: Protocol> Sock<P> {
    /// Joins the group of `other`, a listener at the same place, or begins one. `any`: bound to any
    /// address. The caller sees to it that `other` does not leave its group meanwhile. Context: process.
    pub(crate) fn join_group(&self, other: Option<&Self>, any: bool) -> Result {
        // SAFETY: Both are valid sockets of one protocol, and `other` stays in its group, if it is in one, until
        // the function returns, by the caller. The group does not count references: a
        // socket leaves it by `leave_group`, or when it is destroyed, a grace period before its
        // memory goes.
        let result = to_result(unsafe {
            match other {
                Some(other) => bindings::reuseport_add_sock(self.as_ptr(), other.as_ptr(), any),
                None => bindings::reuseport_alloc(self.as_ptr(), any),
            }
        });
        match result {
            // Two that came at once: each is in the other's group already.
            Err(e) if e == EBUSY => Ok(()),
            result => result,
        }
    }

    /// Leaves its group, if it is in one.
    pub(crate) fn leave_group(&self) {
        // SAFETY: A valid socket.
        unsafe { bindings::reuseport_detach_sock(self.as_ptr()) };
    }

    /// The member of this listener's group that a connection with that hash goes to. `skb`'s data
    /// starts at a TCP header of `header` bytes. Context: RCU read side, which the result is good
    /// for.
    pub(crate) fn pick<'a>(&'a self, hash: u32, skb: &SkBuff, header: usize) -> &'a Self {
        // SAFETY: A valid socket and packet; groups have sockets of our protocol only, since only
        // `join_group` makes them of more than one. They are freed by RCU.
        unsafe {
            let picked = bindings::reuseport_select_sock(
                self.as_ptr(),
                hash,
                skb.as_ptr(),
                c_int::try_from(header).unwrap_or(0),
            );
            // An `ERR_PTR` is what a BPF program that refuses gives.
            if picked.is_null() || bindings::is_err(picked.cast()) {
                self
            } else {
                Self::from_raw(picked)
            }
        }
    }
}
