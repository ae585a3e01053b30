// SPDX-License-Identifier: GPL-2.0

//! The backlog: packets that came while a task owned the socket, which works them off before it lets
//! go.

use super::{
    BhGuard,
    Protocol, //
};
use crate::net::{
    bindings,
    skbuff::SkBuff, //
};
use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};

impl<P: Protocol> BhGuard<'_, P> {
    /// Leaves a packet to the task that owns the socket; gives it back if too much waits already.
    pub(crate) fn add_backlog(
        &mut self,
        mut skb: SkBuff,
        limit: u32,
    ) -> core::result::Result<(), SkBuff> {
        let sk = self.inner.sk.as_ptr();
        // SAFETY: The spinlock is held. The route of a packet in the receive path is borrowed
        // from an RCU section that the backlog outlives, so it is dropped.
        unsafe {
            skb.detach();
            if bindings::sk_add_backlog(sk, skb.as_ptr(), limit) != 0 {
                return Err(skb);
            }
        }
        let _ = skb.into_raw();
        Ok(())
    }

    /// Joins a packet to the one that came into the backlog last, if one waits there and that needs
    /// no copy; gives it back otherwise. `joins(last, next)` says whether the two may be joined, and
    /// how many bytes of `next`, which are linear, are its header and go.
    pub(crate) fn join_backlog(
        &mut self,
        skb: SkBuff,
        joins: impl FnOnce(&SkBuff, &SkBuff) -> Option<u32>,
    ) -> core::result::Result<(), SkBuff> {
        let sk = self.inner.sk.as_ptr();
        // SAFETY: The spinlock is held, which guards the backlog's links.
        let Some(last) = NonNull::new(unsafe { (*sk).sk_backlog.tail }) else {
            return Err(skb);
        };
        // SAFETY: Who works the backlog off takes the whole of it out under the spinlock first, so
        // what is in it is valid and in nobody's hands. It is not dropped here, and a control block
        // without bytes overwrites nothing.
        let last: ManuallyDrop<SkBuff> = ManuallyDrop::new(unsafe { SkBuff::from_raw(last) });
        let Some(header) = joins(&last, &skb) else {
            return Err(skb);
        };
        // SAFETY: As above for the last one; `skb` is ours, and its header is linear, by what `joins`
        // promises.
        if !unsafe { bindings::sk_backlog_join(sk, skb.as_ptr(), header) } {
            return Err(skb);
        }
        // The helper used it up.
        let _ = skb.into_raw();
        Ok(())
    }
}
