// SPDX-License-Identifier: GPL-2.0

//! ACKs of data out of order that are held back for a moment, so that one goes for many.
//!
//! Each segment behind a hole is answered with an ACK at once (RFC 5681, 4.2: SHOULD), so that the
//! sender finds the loss. When it had the ACKs that it needs for that (RFC 5681, 3.2; RFC 6675, 5),
//! those that follow only say with each segment that the farthest SACK block got longer, and the last
//! of them says it for all. `net.ipv4.tcp_comp_sack_*` bounds for how long, and how many.
//!
//! Nothing waits that says anything else: another hole, a gap that is filled or is smaller, what came
//! twice (RFC 2883), progress of RCV.NXT, a FIN, a mark.

use super::Connection;
use crate::tcp::{
    context::Cx,
    mib::Mib,
    platform::{MibSink, Platform},
    recv::AckOwed,
    seq::SeqNum,
    time::Duration,
    timers::Timer,
};

/// So many duplicate ACKs tell of a loss (RFC 5681, 3.2; DupThresh in RFC 6675, 2).
const DUP_THRESH: u8 = 3;

/// The ACKs of one hole.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct HeldAcks {
    /// RCV.NXT that [`Self::sent`] counts for.
    nxt: SeqNum,
    /// How many duplicates of its ACK went.
    sent: u8,
    /// How many are held back.
    count: u8,
}

impl<P: Platform> Connection<P> {
    /// New data out of order was stored.
    pub(super) fn owe_ack_for_hole(&mut self, cx: &Cx<'_, P>) {
        if self.recv.owed == AckOwed::Now {
            return;
        }
        let Some(time) = self.holding_time(cx) else {
            self.recv.owed = AckOwed::Now;
            return;
        };
        self.recv.owed = AckOwed::Held;
        self.held.count = self.held.count.saturating_add(1);
        if self.timers.get(Timer::HeldAck).is_none() {
            self.timers.set(Timer::HeldAck, cx.now.add(time));
        }
    }

    /// How long the ACK of what was just stored is held back; `None`: not at all.
    fn holding_time(&self, cx: &Cx<'_, P>) -> Option<Duration> {
        let nxt = self.recv.nxt;
        let suffices = self.held.nxt == nxt && self.held.sent >= DUP_THRESH;
        let repeats = self.recv.last_ack_sent == nxt
            && self.recv.only_grew()
            && !self.recv.reports_duplicate()
            && !self.ecn.owes_counters()
            && self.reports_sack();
        if !suffices || !repeats || self.held.count >= cx.net.comp_sack_nr {
            return None;
        }
        // The sender's window is clocked by these ACKs: what they wait is a part of a round trip.
        let rtt = match (self.srtt(), self.recv.rtt()) {
            (Some(ours), Some(theirs)) => ours.min(theirs),
            (ours, theirs) => ours.or(theirs)?,
        };
        let percent = u64::from(cx.net.comp_sack_rtt_percent);
        let share = Duration::from_nanos(rtt.as_nanos().saturating_mul(percent) / 100);
        let time = share.min(cx.net.comp_sack_delay).min(self.delack(cx));
        (time != Duration::ZERO).then_some(time)
    }

    /// They waited long enough: one goes.
    pub(super) fn let_held_go(&mut self) {
        if self.recv.owed == AckOwed::Held {
            self.recv.owed = AckOwed::Now;
            // It is not spared.
            self.held.count = self.held.count.saturating_sub(1);
        }
    }

    /// An ACK that carries no data is about to leave.
    pub(super) fn note_lone_ack(&mut self) {
        let nxt = self.recv.nxt;
        if self.held.nxt != nxt {
            self.held.nxt = nxt;
            self.held.sent = 0;
        }
        if self.recv.last_ack_sent == nxt && self.recv.has_holes() {
            self.held.sent = self.held.sent.saturating_add(1);
        }
    }

    /// Something leaves that says what is held back.
    pub(super) fn forget_held(&mut self, cx: &Cx<'_, P>) {
        self.timers.stop(Timer::HeldAck);
        let count = core::mem::take(&mut self.held.count);
        if count > 0 {
            cx.mib.add(Mib::TCPAckCompressed, u64::from(count));
        }
    }
}
