// SPDX-License-Identifier: GPL-2.0

//! Receive autotuning: the window follows the rate at which the user reads (dynamic right-sizing,
//! Fisk and Feng 2001). That rate is so much a round trip, and who only receives has to find out by
//! what it receives how long one takes.

use super::Recv;
use crate::tcp::{
    platform::{Buffer, Platform, SegTree},
    seq::SeqNum,
    time::{Duration, Instant},
};

/// What was learnt of the sender and of the reader.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Autotune {
    /// Bytes read in the current round trip, and the most in any before.
    copied: u32,
    most_copied: u32,
    since: Instant,
    /// The round-trip time, nanoseconds; 0: not known.
    rtt: u64,
    /// What is sent by now was sent before this number was offered, and when that was.
    edge: SeqNum,
    edge_at: Instant,
    /// The last timestamp that was echoed.
    last_ecr: u32,
}

impl Autotune {
    /// The most bytes read in a round trip.
    pub(super) fn most_copied(&self) -> u32 {
        self.most_copied.max(self.copied)
    }
}

impl<P: Platform> Recv<P> {
    /// The connection is open: a sender may begin with ten segments (RFC 6928).
    pub(crate) fn begin_tuning(&mut self, mss: u32) {
        self.tuning.most_copied = self.wnd().min(mss.saturating_mul(10));
    }

    /// The round-trip time as far as what came tells of it.
    pub(crate) fn rtt(&self) -> Option<Duration> {
        (self.tuning.rtt != 0).then_some(Duration::from_nanos(self.tuning.rtt))
    }

    /// Data came in order. What is beyond the window's edge of some moment was sent after the edge
    /// was heard of, so from that moment on at least a round trip has passed. Since it may be more,
    /// only the least counts.
    pub(crate) fn measure_window(&mut self, now: Instant) {
        let begun = self.tuning.edge_at != Instant::default();
        if begun && self.nxt.before_or_eq(self.tuning.edge) {
            return;
        }
        if begun {
            let sample = now.since(self.tuning.edge_at).as_nanos().max(1000);
            if self.tuning.rtt == 0 || sample < self.tuning.rtt {
                self.tuning.rtt = sample;
            }
        }
        // What lies before the farthest edge may be on its way, even if the window shrank since.
        self.tuning.edge = self.far.latest(self.nxt);
        self.tuning.edge_at = now;
    }

    /// A segment of `len` bytes echoes the timestamp `ecr` (RFC 7323, section 4), which we sent `ago`.
    /// The first that does so, if the sender had a full segment to send: others may have waited for
    /// their user. While ours does not read, the sender may have waited for the window. `offered`:
    /// the MSS that the peer was told.
    pub(crate) fn measure_echo(&mut self, len: u32, ecr: u32, ago: Duration, offered: u32) {
        let full = self.peer_mss(offered);
        if ecr == core::mem::replace(&mut self.tuning.last_ecr, ecr) || len < full {
            return;
        }
        let (old, sample) = (self.tuning.rtt, ago.as_nanos().max(1));
        if old == 0 || sample < old {
            self.tuning.rtt = sample;
        } else if self.unread == 0 {
            self.tuning.rtt = old.saturating_sub(old / 8).saturating_add(sample / 8);
        }
    }

    /// The user read `n` bytes. If that makes more in a round trip than in the ones before, lets the
    /// buffer hold twice that, so that the window does not limit the sender; and, as the sender in
    /// slow start doubles what it sends while the larger window is on its way, more of it by as
    /// much as the rate grew; not on a path that is `short`. `rtt`: as the sending half knows it.
    pub(crate) fn tune(
        &mut self,
        n: u32,
        now: Instant,
        (rtt, short): (Duration, Duration),
        most: u32,
        mss: u32,
    ) {
        self.tuning.copied = self.tuning.copied.saturating_add(n);
        let rtt = self.rtt().unwrap_or(rtt);
        if now.since(self.tuning.since) < rtt.max(Duration::from_micros(500)) {
            return;
        }
        let copied = self.tuning.copied;
        let before = self.tuning.most_copied;
        if copied > before {
            let twice = u64::from(copied).saturating_mul(2);
            let ahead = if rtt < short {
                0
            } else {
                twice
                    .saturating_mul(2)
                    .saturating_mul(u64::from(copied.saturating_sub(before)))
                    .checked_div(u64::from(before))
                    .unwrap_or(0)
            };
            let spare = u64::from(mss).saturating_mul(16);
            self.tuning.most_copied = copied;
            self.grow(twice.saturating_add(ahead).saturating_add(spare), most);
        }
        self.tuning.copied = 0;
        self.tuning.since = now;
    }

    /// Data came out of order. It keeps its room for as long as something is missing, and what the
    /// reader takes in two round trips shall fit besides.
    pub(crate) fn tune_for_holes(&mut self, most: u32) {
        let end = self.ofo.last().map_or(self.nxt, |last| last.meta().end);
        let held = u64::from(end.saturating_distance_from(self.nxt));
        let read = u64::from(self.tuning.most_copied).saturating_mul(2);
        self.grow(held.saturating_add(read), most);
    }

    /// Lets the buffer hold `payload` bytes, at most `most` of true size.
    fn grow(&mut self, payload: u64, most: u32) {
        let memory = payload
            .saturating_mul(256)
            .checked_div(u64::from(self.ratio))
            .unwrap_or(payload);
        let memory = u32::try_from(memory).unwrap_or(u32::MAX).min(most);
        self.rcvbuf = self.rcvbuf.max(memory);
    }
}
