// SPDX-License-Identifier: GPL-2.0

//! The data sender's half of accurate ECN (RFC 9768, 3.2): what the peer reports.

use super::{receiver::Bytes, FIRST_COUNT};
use crate::tcp::{
    seq::SeqNum,
    wire::accecn::{AccEcn, FIELD_MASK},
};

/// What was seen of the peer's options. The numbers are those of TCP_INFO.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Seen {
    /// None.
    #[default]
    No = 0,
    /// One without a counter.
    Empty = 1,
    /// One with counters.
    Counters = 2,
    /// The first one's counters were cleared on the way: options are not looked at.
    Cleared = 3,
}

/// What an ACK says, and what it is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Feedback {
    /// The ACE field.
    pub(crate) ace: u8,
    /// The option.
    pub(crate) option: Option<AccEcn>,
    /// Bytes that are known to have arrived by this ACK.
    pub(crate) delivered: u32,
    /// Segments that these are, if all were as long as they can be.
    pub(crate) segments: u32,
    /// Segments that these are at most; `u32::MAX`: not known.
    pub(crate) most: u32,
    /// Bytes in a segment.
    pub(crate) mss: u32,
}

/// What an ACK told.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Told {
    /// Marked packets.
    pub(super) packets: u32,
    /// Bytes of data in them, of those that arrived by this ACK.
    pub(super) bytes: u32,
    /// Counter and option contradict each other.
    pub(super) mangled: bool,
}

/// A step of this much or more is one backwards.
const BACKWARDS: u32 = 1 << 23;
/// The average of [`Sender::stretch`] is in parts of a segment.
const PART: u32 = 16;
/// If an ACK is for more segments than that on average, such ACKs tell nothing of lost ones
/// (RFC 9768, A.2.1: well below 8).
const STRETCHED: u32 = 4 * PART;

/// What the peer reported so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender {
    /// s.cep: marked packets.
    pub(super) packets: u32,
    /// s.e1b, s.ceb, s.e0b.
    pub(super) bytes: Bytes,
    /// What was seen of options.
    pub(super) seen: Seen,
    /// The last report had an option, and none was passed over since: both kinds of counters are of
    /// one moment.
    in_step: bool,
    /// Packets with ECT that no acknowledgment is about (without data, or sent again): those of this
    /// round trip and of the one before.
    aside: [u8; 2],
    /// SND.NXT when this round trip began.
    round: Option<SeqNum>,
    /// Marked packets that were counted since an option last told of marked bytes.
    unexplained: u32,
    /// Segments that an ACK is for, a moving average in [`PART`]s; 0: none came yet.
    stretch: u32,
}

impl Default for Sender {
    fn default() -> Self {
        Self {
            packets: FIRST_COUNT,
            bytes: Bytes::FIRST,
            seen: Seen::No,
            in_step: false,
            aside: [0; 2],
            round: None,
            unexplained: 0,
            stretch: 0,
        }
    }
}

impl Sender {
    /// The option, or that there was none, of the packet of the handshake that may have one.
    /// Counters begin above zero, so one that is zero was cleared (RFC 9768, 3.2.3.2.4).
    pub(super) fn on_first_option(&mut self, option: Option<AccEcn>) {
        self.seen = match option {
            None => Seen::No,
            Some(option) if option.count() == 0 => Seen::Empty,
            Some(option) if option.ect0() == Some(0) || option.ect1() == Some(0) => Seen::Cleared,
            Some(_) => Seen::Counters,
        };
        self.in_step = self.seen == Seen::Counters;
    }

    /// How far each counter moved, if the option is not an old one: all move forwards.
    fn decode(&self, option: &AccEcn) -> Option<(Bytes, Option<u32>)> {
        let step = |field: Option<u32>, local: u32| match field {
            Some(field) => field.wrapping_sub(local) & FIELD_MASK,
            None => 0,
        };
        let steps = Bytes {
            ect1: step(option.ect1(), self.bytes.ect1),
            ce: step(option.ce(), self.bytes.ce),
            ect0: step(option.ect0(), self.bytes.ect0),
        };
        let forwards = steps.ect1 < BACKWARDS && steps.ce < BACKWARDS && steps.ect0 < BACKWARDS;
        forwards.then_some((steps, option.ce().map(|_| steps.ce)))
    }

    /// Takes the option's counters; gives by how much the one of CE rose, if it was there.
    fn take_option(&mut self, option: Option<AccEcn>) -> Option<u32> {
        let option = option.filter(|option| option.count() > 0 && self.seen != Seen::Cleared)?;
        // One that comes although there was none at first is as good (RFC 9768, 3.2.3.2.3).
        self.seen = Seen::Counters;
        let (steps, ce) = self.decode(&option)?;
        self.bytes.ect1 = self.bytes.ect1.wrapping_add(steps.ect1);
        self.bytes.ce = self.bytes.ce.wrapping_add(steps.ce);
        self.bytes.ect0 = self.bytes.ect0.wrapping_add(steps.ect0);
        ce
    }

    /// So many packets go out with ECT that no acknowledgment is about: the peer counts their marks
    /// all the same (RFC 9768, 3.2.1).
    pub(super) fn on_aside(&mut self, packets: u32) {
        let [now, _] = &mut self.aside;
        *now = now.saturating_add(u8::try_from(packets).unwrap_or(u8::MAX));
    }

    /// An ACK was looked at, after which the numbers are these. Once something is acknowledged that
    /// was sent after a moment, what was sent before that moment has arrived or never will, and the
    /// counters of that ACK are of later.
    pub(super) fn end_round(&mut self, una: SeqNum, nxt: SeqNum) {
        if self.round.is_none_or(|round| una.after(round)) {
            let [now, _] = self.aside;
            self.aside = [0, now];
            self.round = Some(nxt);
        }
    }

    /// A report came and is not looked at.
    pub(super) fn pass_over(&mut self) {
        self.in_step = false;
    }

    /// How many of our packets the peer may have counted between the last report and this one, at
    /// most: those that it acknowledges, and those on which acknowledgments say nothing.
    fn countable(&self, acknowledged: u32) -> u32 {
        let [now, before] = self.aside;
        acknowledged
            .saturating_add(u32::from(now))
            .saturating_add(u32::from(before))
    }

    /// An ACK that no later one overtook (RFC 9768, 3.2.2.2 and 3.2.3.1).
    pub(super) fn on_ack(&mut self, feedback: &Feedback) -> Told {
        let was_in_step = self.in_step;
        let marked_bytes = self.take_option(feedback.option);
        self.in_step = marked_bytes.is_some();
        if feedback.delivered > 0 {
            self.note_stretch(feedback.segments);
        }
        let least = u32::from(feedback.ace).wrapping_sub(self.packets) & 7;
        let packets = match marked_bytes {
            Some(bytes) => self.explain(least, bytes, feedback.mss),
            None => self.safest(least, feedback.segments),
        };
        self.packets = self.packets.wrapping_add(packets);
        self.unexplained = match marked_bytes {
            Some(_) => 0,
            None => self.unexplained.saturating_add(packets),
        };
        // What was counted before by its packets is not counted again.
        let bytes = packets.saturating_mul(feedback.mss);
        let bytes = marked_bytes.map_or(bytes, |marked| marked.min(bytes));
        Told {
            packets,
            // A packet without data that was marked is congestion all the same.
            bytes: bytes.max(u32::from(packets > 0)).min(feedback.delivered),
            // RFC 9768, 3.2.3.2.5: it can't have wrapped.
            mangled: was_in_step
                && marked_bytes.is_some_and(|bytes| bytes > 0)
                && least == 0
                && self.countable(feedback.most) < 8,
        }
    }

    /// The least number of packets that fits both the counter's step and that many marked bytes,
    /// of which some may have been in packets counted before (RFC 9768, A.2.2).
    fn explain(&self, least: u32, bytes: u32, mss: u32) -> u32 {
        let missing = crate::tcp::info::segments(bytes, mss)
            .saturating_sub(self.unexplained)
            .saturating_sub(least);
        least.saturating_add(missing.div_ceil(8).saturating_mul(8))
    }

    /// RFC 9768, 3.2.2.5.2 and A.2.1: the counter may have wrapped, and the safe guess is the most
    /// that the segments allow. Where ACKs are for many segments anyway, that they are tells
    /// nothing of lost ones, and a peer in order acknowledges before its counter wraps.
    fn safest(&self, least: u32, segments: u32) -> u32 {
        if self.stretch > STRETCHED {
            return least;
        }
        let wraps = segments.saturating_sub(least) / 8;
        least.saturating_add(wraps.saturating_mul(8))
    }

    /// An ACK was for so many segments.
    fn note_stretch(&mut self, segments: u32) {
        let now = segments.clamp(1, 4096).saturating_mul(PART);
        self.stretch = match self.stretch {
            0 => now,
            before => before.saturating_mul(7).saturating_add(now) / 8,
        };
    }
}
