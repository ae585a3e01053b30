// SPDX-License-Identifier: GPL-2.0

//! A second timer of a socket, for what waits for microseconds. Its real timer counts ticks, of which
//! one may be the whole of a round trip.

use super::{
    Locked,
    Protocol,
    Sock, //
};
use crate::net::bindings;
use core::mem::offset_of;
use kernel::types::Opaque;

impl<P: Protocol> Sock<P> {
    /// # Safety
    ///
    /// `this` must be the memory of a new socket that nobody else can reach.
    pub(super) unsafe fn init_fine_timer(this: *mut Self) {
        // SAFETY: By the caller's promise; the field's address is taken without reading it.
        unsafe {
            bindings::fine_timer_setup(
                Opaque::cast_into(&raw const (*this).fine),
                Some(Self::fine_timer),
            );
        }
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn fine_timer(timer: *mut bindings::hrtimer) -> bindings::hrtimer_restart {
        // SAFETY: The timer is `fine` of a socket that the armed timer holds a reference to.
        let this = unsafe { Self::from_raw(timer.byte_sub(offset_of!(Sock<P>, fine)).cast()) };
        this.expired();
        // SAFETY: Gives up the timer's reference. The memory lasts for a grace period more, and this
        // is a softirq.
        unsafe { bindings::sock_put(this.as_ptr()) };
        bindings::hrtimer_restart_HRTIMER_NORESTART
    }
}

impl<P: Protocol> Locked<'_, P> {
    /// Arms the fine timer `delay_ns` nanoseconds from now, or up to `slack_ns` later; if it runs
    /// already, it is left as it is, and whoever it calls looks again. The armed timer holds a
    /// reference.
    pub(crate) fn arm_fine_timer(&mut self, delay_ns: u64, slack_ns: u64) {
        // SAFETY: The timer is initialised, by the type invariants; the lock is held, so nobody else
        // arms it. `fine_timer` and `stop_fine_timer` give up the reference that is taken.
        unsafe {
            bindings::sk_arm_fine_timer(self.sk.as_ptr(), self.sk.fine.get(), delay_ns, slack_ns);
        }
    }

    /// Stops the fine timer.
    pub(super) fn stop_fine_timer(&mut self) {
        // SAFETY: As in `arm_fine_timer`.
        unsafe { bindings::sk_stop_fine_timer(self.sk.as_ptr(), self.sk.fine.get()) };
    }
}
