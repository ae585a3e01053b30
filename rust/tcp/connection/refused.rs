// SPDX-License-Identifier: GPL-2.0

//! What did not leave: a local queue that has no room, or no memory for the packet's descriptor. That
//! is no loss on the path. New data is taken back, as if it had never been sent; data that was sent
//! before is still to be sent again. With nothing else out, no ACK would ever come, so a timer tries
//! again, at the same pace each time as the queue's state says nothing of the path's (Linux:
//! TCP_RESOURCE_PROBE_INTERVAL).
//!
//! A queue of this host that overflows is congestion all the same, and is answered like a mark (RFC
//! 3168, 6.1.2), as Linux does (CWR): once for what is out.

use super::Connection;
use crate::tcp::{
    congestion::Cause,
    context::Cx,
    info::segments,
    log::Kind,
    platform::Platform,
    send::Recovery,
    seq::SeqNum,
    time::{Duration, Instant},
    timers::Timer,
};

/// How soon to try again.
const AGAIN: Duration = Duration::from_millis(500);
/// How soon to try again at first, at least.
const FIRST: Duration = Duration::from_millis(200);

/// What became of a segment with data that was given to the local queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Leaving {
    /// It left, and the queue tells that it is too long (NET_XMIT_CN).
    Crowded,
    /// The queue had no room for it (NET_XMIT_DROP).
    NoRoom,
    /// It did not get that far: no memory, a filter, no route, a device that is down.
    Never,
}

impl Leaving {
    const ALL: [Self; 3] = [Self::Crowded, Self::NoRoom, Self::Never];

    /// From what the log says.
    #[allow(dead_code)] // For the replay.
    pub(crate) fn from_word(word: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|this| *this as u32 == word)
    }
}

/// What the local queue refused.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Refused {
    /// Data waits for its next try.
    pub(super) waits: bool,
    /// How often the timer let it try in vain.
    tries: u8,
    /// When it did so first; before that, when data was refused first.
    since: Instant,
}

impl<P: Platform> Connection<P> {
    /// The data of the last poll, whose segment is numbered `seq`, did not leave as it should have.
    pub(crate) fn refuse(&mut self, cx: &Cx<'_, P>, seq: SeqNum, leaving: Leaving) {
        self.input_at(cx, Kind::InRefused, &[seq.raw(), leaving as u32]);
        if !self.state.is_synchronized() {
            return;
        }
        // What failed for another reason, and has nothing else out, is left to the retransmission timer,
        // whose patience is longer.
        if leaving == Leaving::NoRoom || (leaving == Leaving::Never && self.send.buffers() > 1) {
            self.take_back(cx, seq);
        }
        if leaving != Leaving::Never {
            self.yield_to_queue();
        }
    }

    /// A queue of this host overflows.
    fn yield_to_queue(&mut self) {
        let una = self.send.una;
        if self.send.recovery != Recovery::Open || self.ecn.was_reduced(una) {
            return;
        }
        // Not by what is out, which may be nothing: the queue holds what others sent, too.
        self.cc
            .on_congestion(Cause::Mark, self.cc.cwnd(), self.mss());
        self.ecn.on_reduced(self.send.nxt);
    }

    /// What never left is to be sent again, and was not lost. A probe (of a tail, of the path's MTU, of a
    /// time-out) counts as sent: what is acknowledged tells of it as of any loss.
    fn take_back(&mut self, cx: &Cx<'_, P>, seq: SeqNum) {
        let plain = matches!(self.send.recovery, Recovery::Open | Recovery::Fast(_))
            && self.send.tail_probe.is_none()
            && self.search.out().is_none();
        if !plain {
            return;
        }
        let Some(len) = self.send.take_back(seq) else {
            if self.send.unsend_again(seq) {
                self.refused.waits = true;
            }
            return;
        };
        let mss = self.mss();
        self.stats.took_back(segments(len, mss));
        // Until something happens: with other data out that is an ACK, or its time-out.
        self.refused.waits = true;
        if self.send.in_flight() > 0 {
            return;
        }
        for timer in [Timer::Retransmit, Timer::LossProbe, Timer::Reorder] {
            self.timers.stop(timer);
        }
        // Who writes makes another try at once, which is not to put off the timer's.
        if self.refused.since == Instant::default() {
            self.refused.since = cx.now;
        }
        let mut at = if self.refused.tries == 0 {
            self.refused.since.add(self.rto(cx).max(FIRST))
        } else {
            cx.now.add(AGAIN)
        };
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
