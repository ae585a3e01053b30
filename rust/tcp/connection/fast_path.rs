// SPDX-License-Identifier: GPL-2.0

//! Header prediction: an established connection without losses gets the next data in order, or an
//! ACK of new data, and nothing else. What happens here is what `in_synchronized` would do, less
//! the questions whose answers are known; the simulator compares the two on every seed.

use super::{Connection, Disposition, DropReason, Events};
use crate::tcp::{
    context::Cx,
    mib::Mib,
    platform::Platform,
    recv::{AckOwed, Stored},
    send::Recovery,
    wire::{Flags, Segment},
};

impl<P: Platform> Connection<P> {
    /// Whether `seg` is what the connection, which is ESTABLISHED, expects next.
    #[inline]
    pub(super) fn is_predicted(&self, cx: &Cx<'_, P>, seg: &Segment) -> bool {
        let header = &seg.header;
        let ignored = if self.ecn.is_accurate() {
            Flags::PSH.with(Flags::ACE)
        } else {
            Flags::PSH
        };
        let plain = header.flags.without(ignored) == Flags::ACK
            && header.seq == self.recv.nxt
            && header.options.sack.is_empty()
            && header.wnd > 0
            && self.send.wnd > 0
            && self.send.recovery == Recovery::Open
            && self.send.sacked == 0
            && self.send.lost == 0
            && self.send.tail_probe.is_none()
            && !self.send.undo.awaits_echo()
            && !self.orphan
            && !self.recv.has_holes()
            && self.recv.fin.is_none()
            && header.ack.before_or_eq(self.send.nxt);
        if !plain {
            return false;
        }
        if seg.payload_len == 0 {
            // An ACK that acknowledges nothing new is a duplicate, and those are judged elsewhere.
            if !header.ack.after(self.send.una) {
                return false;
            }
        } else if header.ack.before(self.send.una) || !self.recv.takes(seg.payload_len) {
            return false;
        }
        match (self.ts.enabled, header.options.timestamps) {
            (true, Some(ts)) => !self.ts.is_old(ts.val, cx.now),
            (true, None) => false,
            (false, _) => true,
        }
    }

    /// A segment that [`Self::is_predicted`].
    pub(super) fn fast_path(
        &mut self,
        cx: &Cx<'_, P>,
        seg: &Segment,
        buf: Option<P::RxBuf>,
    ) -> Disposition<P> {
        self.last_recv = cx.now;
        let mut prior = self.prior(seg);
        self.update_send_window(seg);
        self.more = false;
        self.recv.unheard = 0;
        if self.send.in_flight() == 0 {
            self.retries = 0;
        }
        if seg.header.ack.after(self.send.una) {
            cx.count(Mib::TCPHPAcks);
            let moment = self.moment(cx);
            self.advance_una(cx, seg, &mut prior, moment);
            self.steer(cx, &prior);
        } else if self.ecn.is_accurate() {
            // Data may bring news of marks as well.
            self.steer(cx, &prior);
        }
        self.update_ts_recent(cx, seg);
        self.measure_echo(cx, seg);
        self.note_mark(seg);
        let Some(buf) = buf else {
            return Disposition::Done;
        };
        let stored = self
            .recv
            .store(seg.header.seq, buf, seg.packets(), &mut self.send.log);
        self.count_packed(cx);
        match stored {
            (Stored::InOrder, _) => {
                cx.count(Mib::TCPHPHits);
                self.last_data = cx.now;
                self.recv.measure_window(cx.now);
                self.ecn.on_news();
                self.owe_ack_for_data(false, seg);
                self.events.set(Events::READABLE);
                Disposition::Done
            }
            (_, back) => {
                // `takes` said that there is room.
                self.recv.owed = AckOwed::Now;
                Disposition::Drop(DropReason::NoRoom, back)
            }
        }
    }
}
