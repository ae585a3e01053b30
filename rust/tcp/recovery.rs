// SPDX-License-Identifier: GPL-2.0

//! RACK (RFC 8985): losses are told by time. Data counts as lost once something sent later has
//! arrived and the data has had time enough to arrive out of order.

mod undo;

pub(crate) use undo::{Undo, Verdict};

use super::{
    config::recovery::{NO_DUP_THRESH, STATIC_WINDOW},
    seq::{SeqNum, SeqRange},
    time::{Duration, Instant},
};

/// D-SACKs stretch the reordering window for this many recoveries (RFC 8985, 6.2, step 4).
const PERSIST: u8 = 16;

/// Whether data arrived that was sent before other data that had arrived: RACK.reordering_seen, and
/// whether the ACK that is being looked at says so.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Reordering {
    #[default]
    Never,
    Before,
    Now,
}

/// What RACK knows of a connection.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Rack {
    /// When the latest-sent data that arrived was sent, and where it ends: RACK.xmit_ts,
    /// RACK.end_seq.
    sent_at: Instant,
    end: SeqNum,
    /// Its round-trip time: RACK.rtt.
    rtt: Duration,
    /// RACK.reordering_seen.
    reordering: Reordering,
    /// The reordering window in quarters of the least round-trip time, less one.
    stretch: u8,
    /// How far ahead of the first byte of what was overtaken something had arrived, at most.
    distance: u32,
    /// Recoveries left for which the window stays stretched.
    persist: u8,
    /// What the route says of reordering, segments; 0: nothing.
    usual: u16,
    /// What the namespace says of it; 0: nothing.
    ordinary: u16,
    /// The namespace's bits of [`super::config::recovery`].
    rules: u8,
    /// Where the round ends in which a D-SACK has been answered already.
    dsack_round: Option<SeqNum>,
}

impl Rack {
    /// `data` arrived. RFC 8985, 6.2, steps 1 to 3.
    pub(crate) fn delivered(
        &mut self,
        sent_at: Instant,
        data: SeqRange,
        retransmitted: bool,
        highest: SeqNum,
        now: Instant,
        least_rtt: Duration,
    ) {
        let rtt = now.since(sent_at);
        if retransmitted && rtt < least_rtt {
            // What arrived was the original, and when that was sent is not known any more.
            return;
        }
        let end = data.end;
        if !retransmitted && end.before(highest) {
            self.reordering = Reordering::Now;
            self.distance = self.distance.max(highest.distance_from(data.start));
        }
        if self.is_older(sent_at, end) {
            return;
        }
        self.sent_at = sent_at;
        self.end = end;
        self.rtt = rtt;
    }

    /// The latest-sent data that arrived: when it was sent, and where it ends.
    pub(crate) fn newest(&self) -> (Instant, SeqNum) {
        (self.sent_at, self.end)
    }

    /// What the route says of reordering, segments; 0: nothing.
    pub(crate) fn set_threshold(&mut self, segments: u16) {
        self.usual = segments;
    }

    /// What the namespace says: bits of [`super::config::recovery`], and DupThresh.
    pub(crate) fn set_rules(&mut self, rules: u8, threshold: u16) {
        self.rules = rules;
        self.ordinary = threshold;
    }

    /// DupThresh: how many duplicates tell of a loss at once, as long as nothing was ever seen out of
    /// order. RFC 8985, 6.2, step 4, has it three; a route may say that it takes more, a namespace
    /// anything.
    pub(crate) fn threshold(&self) -> u32 {
        match (self.usual, self.ordinary) {
            (0, 0) => 3,
            (0, ordinary) => u32::from(ordinary),
            (usual, _) => u32::from(usual).max(3),
        }
    }

    /// How far ahead of the first byte of what was overtaken something had arrived, at most.
    pub(crate) fn distance(&self) -> u32 {
        self.distance
    }

    /// All that an ACK tells of has been [`Self::delivered`]: whether it told that anything overtook
    /// anything.
    #[inline]
    pub(crate) fn end_ack(&mut self) -> bool {
        let now = self.reordering == Reordering::Now;
        if now {
            self.reordering = Reordering::Before;
        }
        now
    }

    /// RACK_sent_after, the other way round: whether data sent then was sent before what arrived.
    #[inline]
    pub(crate) fn is_older(&self, sent_at: Instant, end: SeqNum) -> bool {
        sent_at < self.sent_at || (sent_at == self.sent_at && end.before(self.end))
    }

    /// How long data may be overtaken. RFC 8985, 6.2, step 4: not at all while nothing was ever
    /// seen out of order and the duplicates are `many`, or recovery has `begun` anyway.
    pub(crate) fn window(
        &self,
        many: bool,
        begun: bool,
        least_rtt: Duration,
        srtt: Duration,
    ) -> Duration {
        let many = many && self.rules & NO_DUP_THRESH == 0;
        if self.reordering == Reordering::Never && (many || begun) {
            return Duration::ZERO;
        }
        let quarter = least_rtt.as_nanos() / 4;
        let window = quarter.saturating_mul(u64::from(self.stretch).saturating_add(1));
        Duration::from_nanos(window).min(srtt)
    }

    /// When data that was sent at `sent_at` counts as lost.
    #[inline]
    pub(crate) fn lost_at(&self, sent_at: Instant, window: Duration) -> Instant {
        sent_at.add(self.rtt).add(window)
    }

    /// The peer reported a duplicate: something was retransmitted that was only late. Once a
    /// round trip, the window grows.
    pub(crate) fn on_dsack(&mut self, una: SeqNum, nxt: SeqNum) {
        let fixed = self.rules & STATIC_WINDOW != 0;
        if fixed || self.dsack_round.is_some_and(|end| una.before(end)) {
            return;
        }
        self.dsack_round = Some(nxt);
        self.stretch = self.stretch.saturating_add(1);
        self.persist = PERSIST;
    }

    /// SND.UNA moved: perhaps beyond the round in which a D-SACK has been answered.
    pub(crate) fn end_round(&mut self, una: SeqNum) {
        self.dsack_round = self.dsack_round.filter(|end| una.before(*end));
    }

    /// A recovery is over.
    pub(crate) fn on_recovered(&mut self) {
        self.persist = self.persist.saturating_sub(1);
        if self.persist == 0 {
            self.stretch = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Instant = |ms| Instant::from_nanos(ms * 1_000_000);
    const RTT: Duration = Duration::from_millis(40);

    fn seq(n: u32) -> SeqNum {
        SeqNum::new(n)
    }

    /// Five bytes that end there.
    fn to(end: u32) -> SeqRange {
        SeqRange::new(seq(end - 5), seq(end))
    }

    /// RFC 8985, 6.2, step 2: the latest-sent segment counts, ties by sequence number.
    #[test]
    fn rfc8985_6_2_step_2_keeps_the_latest_sent() {
        let mut rack = Rack::default();
        rack.delivered(MS(100), to(10), false, seq(0), MS(140), RTT);
        assert!(rack.is_older(MS(99), seq(20)) && rack.is_older(MS(100), seq(9)));
        assert!(!rack.is_older(MS(100), seq(10)) && !rack.is_older(MS(101), seq(1)));
        rack.delivered(MS(90), to(30), false, seq(10), MS(150), RTT);
        assert!(
            !rack.is_older(MS(100), seq(10)),
            "an earlier-sent one changes nothing"
        );
        assert_eq!(rack.rtt, Duration::from_millis(40));
    }

    /// RFC 8985, 6.2, step 2: faster than the path can be, so it was the original that arrived.
    #[test]
    fn rfc8985_6_2_step_2_ignores_spurious_retransmissions() {
        let mut rack = Rack::default();
        rack.delivered(MS(100), to(10), true, seq(0), MS(139), RTT);
        assert_eq!(rack.rtt, Duration::ZERO);
        rack.delivered(MS(100), to(10), true, seq(0), MS(141), RTT);
        assert_eq!(rack.rtt, Duration::from_millis(41));
    }

    /// RFC 8985, 6.2, step 4.
    #[test]
    fn rfc8985_6_2_step_4_reordering_window() {
        let mut rack = Rack::default();
        let srtt = Duration::from_millis(50);
        assert_eq!(rack.window(true, false, RTT, srtt), Duration::ZERO);
        assert_eq!(
            rack.window(false, false, RTT, srtt),
            Duration::from_millis(10)
        );
        // Something arrives from below what had arrived.
        rack.delivered(MS(100), to(10), false, seq(20), MS(140), RTT);
        assert_eq!(
            rack.window(true, false, RTT, srtt),
            Duration::from_millis(10)
        );
        // Two segments, of which one ACK tells.
        rack.delivered(MS(100), to(15), false, seq(20), MS(140), RTT);
        assert!(rack.end_ack() && !rack.end_ack());
        // The first of them ends at 10, and 20 was there.
        assert_eq!(rack.distance(), 15);
        // Two D-SACKs in one round count once.
        rack.on_dsack(seq(10), seq(50));
        rack.on_dsack(seq(30), seq(70));
        assert_eq!(
            rack.window(true, false, RTT, srtt),
            Duration::from_millis(20)
        );
        rack.on_dsack(seq(50), seq(90));
        assert_eq!(
            rack.window(true, false, RTT, srtt),
            Duration::from_millis(30)
        );
        for round in 0..20u32 {
            rack.on_dsack(seq(100 + round * 50), seq(150 + round * 50));
        }
        assert_eq!(
            rack.window(true, false, RTT, srtt),
            srtt,
            "never more than a round trip"
        );
        for _ in 0..16 {
            rack.on_recovered();
        }
        assert_eq!(
            rack.window(true, false, RTT, srtt),
            Duration::from_millis(10)
        );
    }

    /// RFC 8985, 6.2, step 4, as tcp_recovery and tcp_reordering have it: duplicates are not counted,
    /// the window does not grow, and how many duplicates are many.
    #[test]
    fn rfc8985_6_2_step_4_by_the_namespaces_rules() {
        let srtt = Duration::from_millis(50);
        let mut rack = Rack::default();
        rack.set_rules(1 | NO_DUP_THRESH, 3);
        let quarter = Duration::from_millis(10);
        assert_eq!(rack.window(true, false, RTT, srtt), quarter);
        assert_eq!(rack.window(true, true, RTT, srtt), Duration::ZERO);
        let mut rack = Rack::default();
        rack.set_rules(1 | STATIC_WINDOW, 3);
        rack.on_dsack(seq(10), seq(50));
        assert_eq!(rack.window(false, false, RTT, srtt), quarter);
        rack.set_rules(1, 7);
        assert_eq!(rack.threshold(), 7);
        rack.set_rules(1, 1);
        assert_eq!(rack.threshold(), 1);
        rack.set_threshold(5);
        assert_eq!(rack.threshold(), 5, "the route comes first");
    }
}
