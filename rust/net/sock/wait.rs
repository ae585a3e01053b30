// SPDX-License-Identifier: GPL-2.0

//! Sleeping in a call; and which news of room and data are for who sleeps, and not for SIGIO (O_ASYNC).

use super::{
    Locked,
    Protocol,
    Sock,
    SockGuard, //
};
use crate::net::bindings;
use kernel::{
    prelude::*,
    types::Opaque, //
};

impl<P: Protocol> Sock<P> {
    /// Says that somebody waits for room, before the room is looked at once more. Context: a call
    /// of the socket's user.
    pub(crate) fn want_room(&self) {
        if !self.is_dead() {
            // SAFETY: Valid, with a file attached for as long as the call lasts.
            unsafe { bindings::sk_set_nospace(self.as_ptr()) };
        }
    }

    /// A call of the socket's user goes on, or sleeps for room: nobody is to be told of that by SIGIO.
    pub(crate) fn room_not_wanted(&self) {
        if !self.is_dead() {
            // SAFETY: As in `want_room`.
            unsafe { bindings::sk_clear_async_nospace(self.as_ptr()) };
        }
    }
}

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitEnd {
    /// The condition holds.
    Ready,
    /// The time is up.
    TimedOut,
    /// A signal is pending; the error is what the call returns (EINTR or a restart).
    Interrupted(Error),
}

impl<'a, P: Protocol> SockGuard<'a, P> {
    /// The call is one that reads.
    pub(crate) fn set_reads(&mut self) {
        self.reads = true;
    }

    /// Lets go of the socket and sleeps until `ready` holds, `timeout` ticks have passed or a
    /// signal comes. `timeout` is left at what remains. With `exclusive`, a wake-up for one
    /// sleeper wakes only one.
    ///
    /// What it waits for is not told to the user by SIGIO (O_ASYNC) as well. That is so for data as long as a
    /// reader sleeps; that there is no room counts as told only by a call that returns for it.
    pub(crate) fn wait(
        &mut self,
        timeout: &mut c_long,
        exclusive: bool,
        mut ready: impl FnMut(&mut Locked<'a, P>) -> bool,
    ) -> WaitEnd {
        let sk = self.inner.sk.as_ptr();
        if ready(&mut self.inner) {
            if !self.reads {
                self.inner.sk.room_not_wanted();
            }
            return WaitEnd::Ready;
        }
        let wait = Opaque::<bindings::wait_queue_entry>::uninit();
        // SAFETY: `wait` stays in place until it is removed below; a socket that a task owns has
        // a file and so a wait queue. Ownership is given up and taken back in pairs.
        unsafe {
            bindings::init_woken_wait(wait.get());
            let queue = bindings::sk_sleep(sk);
            if exclusive {
                bindings::add_wait_queue_exclusive(queue, wait.get());
            } else {
                bindings::add_wait_queue(queue, wait.get());
            }
            if self.reads {
                bindings::sk_set_async_waitdata(sk);
            }
            let disconnects = (*sk).sk_disconnects;
            let end = loop {
                if (*sk).sk_disconnects != disconnects {
                    // What was waited for belongs to a connection that somebody took away.
                    break WaitEnd::Interrupted(EPIPE);
                }
                if ready(&mut self.inner) {
                    break WaitEnd::Ready;
                }
                if *timeout == 0 {
                    break WaitEnd::TimedOut;
                }
                if bindings::signal_pending_current() {
                    let errno = bindings::sock_intr_errno(*timeout);
                    break WaitEnd::Interrupted(Error::from_errno(errno));
                }
                if !self.reads {
                    self.inner.sk.room_not_wanted();
                }
                bindings::release_sock(sk);
                *timeout = bindings::wait_woken(
                    wait.get(),
                    bindings::TASK_INTERRUPTIBLE as c_uint,
                    *timeout,
                );
                bindings::lock_sock(sk);
            };
            if self.reads {
                bindings::sk_clear_async_waitdata(sk);
            } else if end == WaitEnd::Ready {
                self.inner.sk.room_not_wanted();
            }
            bindings::remove_wait_queue(queue, wait.get());
            end
        }
    }
}
