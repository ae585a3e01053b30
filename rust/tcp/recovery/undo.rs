// SPDX-License-Identifier: GPL-2.0

//! Was the recovery a mistake? Three witnesses, each good for a different case:
//!
//! - timestamps: the ACK of what was sent again echoes a time before that (RFC 3522, Eifel);
//! - D-SACK: the peer reports everything that was sent again as a duplicate (RFC 3708);
//! - F-RTO: after a time-out new data goes out in place of what seems lost, and the next ACK is
//!   for what was sent before the time-out (RFC 5682).
//!
//! What follows from a mistake is in the connection (RFC 4015).

use crate::tcp::seq::{SeqNum, SeqRange};

/// Where F-RTO stands.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Probe {
    /// Not in use.
    #[default]
    Off,
    /// RFC 5682, step 2: the first segment was sent again.
    Waits,
    /// Step 2b: new data is to go out, that many segments at most.
    Sends(u8),
    /// Step 3: it went out.
    Sent,
}

/// What F-RTO makes of an ACK.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// Nothing yet.
    Open,
    /// The time-out was a mistake.
    Mistake,
    /// The time-out was right (step 3a).
    Loss,
}

/// What is known of the latest recovery.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Undo {
    /// SND.UNA when it began, as long as it may be undone.
    since: Option<SeqNum>,
    /// One beyond the highest byte that was sent again.
    high: SeqNum,
    /// Bytes sent again and not reported as duplicates.
    pending: u32,
    /// Something was sent again.
    resent: bool,
    /// RFC 3522's RetransmitTS: TSval of the first retransmission, until it is judged.
    stamp: Option<u32>,
    probe: Probe,
}

/// New data that F-RTO sends to find out (RFC 5682, step 2b).
const PROBES: u8 = 2;

impl Undo {
    /// A fast recovery begins.
    pub(crate) fn begin(&mut self, una: SeqNum) {
        *self = Self {
            since: Some(una),
            high: una,
            ..Self::default()
        };
    }

    /// The retransmission timer expired. `first`: it began the recovery, so that F-RTO may be used
    /// (RFC 5682, step 1), if it is `wanted`.
    pub(crate) fn begin_timeout(&mut self, una: SeqNum, first: bool, wanted: bool) {
        if first || self.since.is_none() {
            self.begin(una);
        }
        self.probe = if first && wanted {
            Probe::Waits
        } else {
            Probe::Off
        };
    }

    /// `range` was sent again in a recovery, with this TSval if there are timestamps.
    pub(crate) fn on_resent(&mut self, range: SeqRange, tsval: Option<u32>) {
        if self.since.is_none() {
            return;
        }
        if !self.resent {
            self.stamp = tsval;
        }
        self.resent = true;
        self.pending = self.pending.saturating_add(range.len());
        self.high = self.high.latest(range.end);
    }

    /// The peer reported a duplicate. What was never sent again was doubled by the network, and
    /// tells nothing (RFC 3708, section 3).
    pub(crate) fn on_duplicate(&mut self, range: SeqRange) {
        let Some(since) = self.since else {
            return;
        };
        if range.start.after_or_eq(since) && range.end.before_or_eq(self.high) {
            self.pending = self.pending.saturating_sub(range.len());
        }
    }

    /// RFC 3708: everything that was sent again had arrived.
    pub(crate) fn all_duplicates(&self) -> bool {
        self.since.is_some() && self.resent && self.pending == 0
    }

    /// Whether [`Self::echoes_original`] has to see the next ACK of new data.
    #[inline]
    pub(crate) fn awaits_echo(&self) -> bool {
        self.stamp.is_some()
    }

    /// RFC 3522, steps 3 to 5: `ack` is the first ACK of new data since something was sent again,
    /// and `ecr` what it echoes. True if it was caused by what had been sent before. Asks once.
    pub(crate) fn echoes_original(&mut self, ack: SeqNum, ecr: u32) -> bool {
        let Some(stamp) = self.stamp.take() else {
            return false;
        };
        // Less than all that was sent again says nothing about the rest of it.
        ecr != 0 && ecr.wrapping_sub(stamp) > i32::MAX as u32 && ack.after_or_eq(self.high)
    }

    /// Whether new data shall go out in place of what seems lost, and how many segments.
    #[inline]
    pub(crate) fn wants_new(&self) -> Option<u8> {
        match self.probe {
            Probe::Sends(left) => Some(left),
            Probe::Sent => Some(0),
            Probe::Off | Probe::Waits => None,
        }
    }

    /// New data went out, or (`segments` is 0) there is none that may.
    pub(crate) fn on_new(&mut self, segments: u32) {
        self.probe = match self.probe {
            Probe::Sends(PROBES) if segments == 0 => Probe::Off,
            Probe::Sends(left) => {
                let left = u32::from(left).saturating_sub(segments);
                match u8::try_from(left) {
                    Ok(left) if left > 0 && segments > 0 => Probe::Sends(left),
                    _ => Probe::Sent,
                }
            }
            other => other,
        };
    }

    /// RFC 5682, steps 2 and 3, with SACK (section 3) or without (section 2). `advanced`: SND.UNA
    /// moved; `beyond`: something is acknowledged that was sent after the time-out; `news`: SACK
    /// reported something new.
    pub(crate) fn on_ack(
        &mut self,
        sack: bool,
        advanced: bool,
        beyond: bool,
        news: bool,
    ) -> Verdict {
        match self.probe {
            Probe::Off => {}
            // Step 2: with SACK, duplicate ACKs are waited out.
            Probe::Waits if beyond || (!advanced && !sack) => self.probe = Probe::Off,
            Probe::Waits if advanced => self.probe = Probe::Sends(PROBES),
            Probe::Waits => {}
            // Step 3 needs new data to be out.
            Probe::Sends(PROBES) => self.probe = Probe::Off,
            Probe::Sends(_) | Probe::Sent => {
                self.probe = Probe::Off;
                return if !beyond && (advanced || (sack && news)) {
                    Verdict::Mistake
                } else {
                    Verdict::Loss
                };
            }
        }
        Verdict::Open
    }

    /// The recovery was undone, or can't be any more.
    pub(crate) fn end(&mut self) {
        *self = Self::default();
    }

    /// SND.UNA went past all that the recovery was about; D-SACKs may still come.
    pub(crate) fn on_recovered(&mut self) {
        self.probe = Probe::Off;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(n: u32) -> SeqNum {
        SeqNum::new(n)
    }

    fn range(a: u32, b: u32) -> SeqRange {
        SeqRange::new(seq(a), seq(b))
    }

    /// RFC 3522: strictly older than the retransmission, on the circle, and asked once.
    #[test]
    fn rfc3522_section_3_2_older_echo() {
        for (stamp, ecr, spurious) in [
            (100u32, 99u32, true),
            (100, 100, false),
            (100, 101, false),
            (3, u32::MAX, true),
            (u32::MAX, 3, false),
        ] {
            let mut undo = Undo::default();
            undo.begin(seq(1));
            undo.on_resent(range(1, 1001), Some(stamp));
            undo.on_resent(range(1, 1001), Some(stamp.wrapping_add(50)));
            assert_eq!(undo.echoes_original(seq(1001), ecr), spurious);
            assert!(!undo.echoes_original(seq(1001), ecr), "once");
        }
        let mut undo = Undo::default();
        undo.begin(seq(1));
        undo.on_resent(range(1, 1001), Some(100));
        undo.on_resent(range(2001, 3001), Some(100));
        assert!(!undo.echoes_original(seq(1001), 50), "not all of it");
    }

    /// RFC 3708, section 3: all that was sent again, and nothing else, counts.
    #[test]
    fn rfc3708_section_3_every_retransmission_reported() {
        let mut undo = Undo::default();
        assert!(!undo.all_duplicates());
        undo.begin(seq(1));
        assert!(!undo.all_duplicates(), "nothing was sent again");
        undo.on_resent(range(1, 1001), None);
        undo.on_resent(range(3001, 5001), None);
        undo.on_duplicate(range(1, 1001));
        assert!(!undo.all_duplicates());
        undo.on_duplicate(range(5001, 6001));
        assert!(!undo.all_duplicates(), "never sent again");
        undo.on_duplicate(range(3001, 4001));
        undo.on_duplicate(range(4001, 5001));
        assert!(undo.all_duplicates());
    }

    /// RFC 5682, section 2.1 and 3.1, step by step.
    #[test]
    fn rfc5682_steps() {
        let waits = || {
            let mut undo = Undo::default();
            undo.begin_timeout(seq(1), true, true);
            undo
        };
        let probing = || {
            let mut undo = waits();
            assert_eq!(undo.on_ack(false, true, false, false), Verdict::Open);
            assert_eq!(undo.wants_new(), Some(2));
            undo.on_new(1);
            assert_eq!(undo.wants_new(), Some(1));
            undo.on_new(1);
            assert_eq!(undo.wants_new(), Some(0));
            undo
        };
        // 2a: a duplicate; with SACK it is waited out.
        let mut undo = waits();
        assert_eq!(undo.on_ack(false, false, false, false), Verdict::Open);
        assert_eq!(undo.on_ack(false, true, false, false), Verdict::Open);
        assert_eq!(undo.wants_new(), None);
        let mut undo = waits();
        assert_eq!(undo.on_ack(true, false, false, true), Verdict::Open);
        assert_eq!(undo.on_ack(true, true, false, false), Verdict::Open);
        assert_eq!(undo.wants_new(), Some(2));
        // 2b: nothing new may go out.
        undo.on_new(0);
        assert_eq!(undo.wants_new(), None);
        assert_eq!(undo.on_ack(true, true, false, false), Verdict::Open);
        // 3b, by number and by SACK.
        assert_eq!(
            probing().on_ack(false, true, false, false),
            Verdict::Mistake
        );
        assert_eq!(probing().on_ack(true, false, false, true), Verdict::Mistake);
        // 3a: a duplicate, or the new data arrived and the old did not.
        assert_eq!(probing().on_ack(false, false, false, false), Verdict::Loss);
        assert_eq!(probing().on_ack(true, false, true, true), Verdict::Loss);
        // Not where nobody wants it (tcp_frto).
        let mut undo = Undo::default();
        undo.begin_timeout(seq(1), true, false);
        assert_eq!(undo.on_ack(false, true, false, false), Verdict::Open);
        assert_eq!(undo.wants_new(), None);
        // Not after a second time-out.
        let mut undo = probing();
        undo.begin_timeout(seq(1), false, true);
        assert_eq!(undo.on_ack(true, true, false, true), Verdict::Open);
        assert_eq!(undo.wants_new(), None);
    }
}
