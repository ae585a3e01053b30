// SPDX-License-Identifier: GPL-2.0

//! Recoveries that turn out to be mistakes are undone: the windows are again what they were, and
//! what seemed lost is on its way (RFC 4015, the Eifel response). What shows a mistake is in
//! [`Undo`](crate::tcp::recovery::Undo).

use super::{
    ack::{Prior, Sacked},
    Connection,
};
use crate::tcp::{
    context::Cx, log::Kind, mib::Mib, platform::Platform, recovery::Verdict, send::Recovery,
    timers::Timer, wire::Segment,
};

impl<P: Platform> Connection<P> {
    /// An ACK was worked off, but for the search for losses: does it show that the recovery was a
    /// mistake?
    pub(super) fn judge_recovery(
        &mut self,
        cx: &Cx<'_, P>,
        seg: &Segment,
        prior: &Prior,
        sacked: Sacked,
    ) {
        let una = self.send.una;
        let advanced = una.after(prior.una);
        let timeout = match prior.recovery {
            Recovery::Loss(point) => Some(point),
            _ => None,
        };
        if let (true, true, Some(ts)) = (advanced, self.ts.enabled, seg.header.options.timestamps) {
            if self.send.undo.echoes_original(una, ts.ecr) {
                let counter = if timeout.is_some() {
                    Mib::TCPLossUndo
                } else {
                    Mib::TCPFullUndo
                };
                self.undo_recovery(cx, prior, counter);
                return;
            }
        }
        if sacked.duplicate && self.send.undo.all_duplicates() {
            self.undo_recovery(cx, prior, Mib::TCPDSACKUndo);
            return;
        }
        let Some(point) = timeout else {
            return;
        };
        let moves = advanced || (seg.len() == 0 && seg.header.ack == prior.una);
        let beyond = una.after_or_eq(point) || self.send.high_sacked.after(point);
        let news = sacked.newly > 0;
        if !moves {
            return;
        }
        match self.send.undo.on_ack(self.sack_ok, advanced, beyond, news) {
            Verdict::Mistake => self.undo_recovery(cx, prior, Mib::TCPSpuriousRTOs),
            // Retransmission goes on at once, whatever the new data takes of the window.
            Verdict::Loss => self.send.force_one = self.send.recovery != Recovery::Open,
            Verdict::Open => {}
        }
    }

    /// RFC 4015, section 3.
    fn undo_recovery(&mut self, cx: &Cx<'_, P>, prior: &Prior, counter: Mib) {
        cx.count(counter);
        let shown_by = match counter {
            Mib::TCPDSACKUndo => 2,
            Mib::TCPSpuriousRTOs => 3,
            _ => 1,
        };
        self.log_event(cx, Kind::Undone, shown_by, self.send.lost);
        if self.cc.undo() {
            self.ecn.on_undone();
        }
        if self.send.recovery != Recovery::Open {
            self.send.forget_losses();
            if !self.sack_ok {
                self.send.sacked = 0;
            }
            self.timers.stop(Timer::Reorder);
            self.end_recovery();
        }
        if let (Recovery::Loss(_), Some(rtt)) = (prior.recovery, prior.rtt) {
            self.rtt.after_spurious(rtt);
            self.rearm_retransmit(cx);
        }
        self.send.undo.end();
        self.arm_tail_probe(cx);
    }
}
