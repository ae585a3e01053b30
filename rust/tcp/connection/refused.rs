// SPDX-License-Identifier: GPL-2.0

//! A local queue that has no room: what it refuses never left, which is no loss on the path. With
//! nothing else out, no ACK would ever come, so a timer tries again, at the same pace each time as the
//! queue's state says nothing of the path's (Linux: TCP_RESOURCE_PROBE_INTERVAL).

use super::Connection;
use crate::tcp::{
    context::Cx,
    info::segments,
    log::Kind,
    platform::Platform,
    send::Recovery,
    time::{Duration, Instant},
    timers::Timer,
};

/// How soon to try again.
const AGAIN: Duration = Duration::from_millis(500);
/// How soon to try again at first, at least.
const FIRST: Duration = Duration::from_millis(200);

/// What the local queue refused.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Refused {
    /// Data waits for its next try.
    pub(super) waits: bool,
    /// How often the timer let it try in vain.
    tries: u8,
    /// When it did so first.
    since: Instant,
}

impl<P: Platform> Connection<P> {
    /// The local queue refused the data that the last poll gave. If nothing else is out, it has not
    /// been sent; else what is acknowledged tells of it as of any loss.
    pub(crate) fn refuse(&mut self, cx: &Cx<'_, P>) {
        self.input_at(cx, Kind::InRefused, &[]);
        let plain = self.state.is_synchronized()
            && self.send.recovery == Recovery::Open
            && self.send.tail_probe.is_none()
            && self.search.out().is_none();
        if !plain {
            return;
        }
        let Some(len) = self.send.take_back() else {
            return;
        };
        let mss = self.mss();
        self.stats.took_back(segments(len, mss));
        for timer in [Timer::Retransmit, Timer::LossProbe, Timer::Reorder] {
            self.timers.stop(timer);
        }
        self.refused.waits = true;
        let again = if self.refused.tries == 0 {
            self.rto(cx).max(FIRST)
        } else {
            AGAIN
        };
        let mut at = cx.now.add(again);
        if self.refused.tries > 0 && self.config.user_timeout != Duration::ZERO {
            at = at.min(self.refused.since.add(self.config.user_timeout));
        }
        self.timers.set(Timer::Persist, at);
    }

    /// Something left, or nothing is left to send.
    pub(super) fn forget_refusals(&mut self) {
        self.refused = Refused::default();
    }

    /// The persist timer expired: whether it ran because of a refusal.
    pub(super) fn retry_refused(&mut self, cx: &Cx<'_, P>) -> bool {
        if !self.refused.waits {
            return false;
        }
        if self.refused.tries == 0 {
            self.refused.since = cx.now;
        }
        let patience = self.config.user_timeout;
        let over = patience != Duration::ZERO && cx.now.since(self.refused.since) >= patience;
        // RFC 9293, 3.8.3, SHLD-11: for 100 seconds at least.
        let most = if self.orphan {
            self.orphan_retries(cx).max(1)
        } else {
            u8::MAX
        };
        if over || self.refused.tries >= most {
            self.give_up(cx);
        } else {
            self.refused.waits = false;
            self.refused.tries = self.refused.tries.saturating_add(1);
        }
        true
    }

    /// Tries in vain to get rid of something.
    pub(in crate::tcp) fn refusals(&self) -> u8 {
        self.refused.tries
    }
}
