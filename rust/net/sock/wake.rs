// SPDX-License-Identifier: GPL-2.0

//! Who waits is told, or looks at the device himself; and what the messages of the error queue about times carry with them.

use super::{
    Locked,
    Protocol,
    Sock, //
};
use crate::net::bindings;
use kernel::prelude::*;

/// Most bytes of SOF_TIMESTAMPING_OPT_STATS's attributes.
const STATS: usize = 320;

/// A change of a connection's state that SIGIO tells.
#[derive(Clone, Copy)]
pub(crate) enum Change {
    /// It may be written to.
    Connected,
    /// The peer sends no more.
    PeerClosed,
    /// Nor can anything be sent.
    HungUp,
}

impl<P: Protocol> Sock<P> {
    /// Wakes readers: data, an end of file or a connection to accept is there.
    pub(crate) fn wake_reader(&self) {
        // SAFETY: Valid; the callback was set by `sock_init_data` (or its replacement by a user
        // that follows the same rules).
        unsafe {
            if let Some(data_ready) = (*self.as_ptr()).sk_data_ready {
                data_ready(self.as_ptr());
            }
        }
    }

    /// Wakes everybody: the state of the connection changed.
    pub(crate) fn wake_all(&self) {
        // SAFETY: As in `wake_reader`.
        unsafe {
            if let Some(state_change) = (*self.as_ptr()).sk_state_change {
                state_change(self.as_ptr());
            }
        }
    }

    /// SIGIO for a state change.
    pub(crate) fn wake_async(&self, change: Change) {
        let (how, band) = match change {
            Change::Connected => (bindings::SOCK_WAKE_IO, bindings::POLL_OUT),
            Change::PeerClosed => (bindings::SOCK_WAKE_WAITD, bindings::POLL_IN),
            Change::HungUp => (bindings::SOCK_WAKE_WAITD, bindings::POLL_HUP),
        };
        // SAFETY: Valid.
        unsafe { bindings::sk_wake_async(self.as_ptr(), how as c_int, band as c_int) };
    }

    /// Waits for packets at the device that the last one came by, as long as SO_BUSY_POLL says, or
    /// looks `once`. Context: process, socket not locked.
    pub(crate) fn busy_poll(&self, once: bool) {
        let sk = self.as_ptr();
        // SAFETY: Valid.
        if unsafe { bindings::sk_can_busy_loop(sk) } && !P::is_readable(self) {
            // SAFETY: Valid; the callback is for sockets of `P`.
            unsafe { bindings::sk_busy_poll(sk, once, Some(Self::busy_end)) };
        }
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn busy_end(sk: *mut c_void, start: c_ulong) -> bool {
        let sk: *mut bindings::sock = sk.cast();
        // SAFETY: The socket that `busy_poll` was called on.
        P::is_readable(unsafe { Self::from_raw(sk) })
            // SAFETY: As above.
            || unsafe { bindings::sk_busy_loop_timeout(sk, start) }
    }

    /// Whether the user wants to know how the connection stands with each time that it is told
    /// (SOF_TIMESTAMPING_OPT_STATS).
    #[inline]
    pub(crate) fn wants_stats(&self) -> bool {
        self.timestamping() & bindings::SOF_OPT_STATS != 0
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn error_report(sk: *mut bindings::sock) {
        // SAFETY: Called by C with a socket of ours that is alive.
        let this = unsafe { Self::from_raw(sk) };
        let mut bytes = [0u8; STATS];
        let (all, late) = if this.wants_stats() {
            P::write_stats(this, &mut bytes)
        } else {
            (0, 0)
        };
        let all = all.min(STATS);
        // SAFETY: Valid; so many bytes are there.
        unsafe {
            bindings::sk_report_with_stats(
                sk,
                bytes.as_ptr().cast(),
                all as c_uint,
                late.min(all) as c_uint,
            );
        }
    }
}

impl<P: Protocol> Locked<'_, P> {
    /// From now on the times that the error queue tells come with what [`Protocol::write_stats`]
    /// gives, if the user wants that.
    pub(crate) fn add_stats_to_times(&mut self) {
        // SAFETY: Valid; the callback lives as long as the module, which the socket holds.
        unsafe { bindings::sk_watch_errors(self.sk.as_ptr(), Some(Sock::<P>::error_report)) };
    }
}
