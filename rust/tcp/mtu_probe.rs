// SPDX-License-Identifier: GPL-2.0

//! How large a segment the path takes, found out by trying: RFC 4821 (and RFC 8899, which says the
//! same of datagrams). ICMP may never come; what arrives is proof.
//!
//! Sizes are those of segments without the fixed headers: payload and options, bytes.

use super::{
    seq::SeqNum,
    time::{Duration, Instant},
};

/// tcp_mtu_probing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Probing {
    /// Never.
    Off,
    /// Once a connection is stuck, so that a black hole is likely.
    WhenStuck,
    /// From the beginning.
    Always,
}

impl Probing {
    /// What the number in the sysctl means.
    pub(crate) fn from_sysctl(value: u8) -> Self {
        match value {
            0 => Self::Off,
            1 => Self::WhenStuck,
            _ => Self::Always,
        }
    }
}

/// A probe that is out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Probe {
    /// Where it starts.
    pub(crate) start: SeqNum,
    /// One beyond its last byte.
    pub(crate) end: SeqNum,
    size: u16,
}

/// The search of a connection.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct MtuSearch {
    enabled: bool,
    /// The largest size was not tried yet: it comes first.
    fresh: bool,
    /// search_low: the largest size that arrives, as far as is known.
    low: u16,
    /// search_high: no larger one does.
    high: u16,
    out: Option<Probe>,
    /// When the search began.
    since: Instant,
}

impl MtuSearch {
    /// A connection begins: segments of `base` arrive, it is hoped, and of more than `most` none.
    pub(crate) fn begin(probing: Probing, base: u16, most: u16, now: Instant) -> Self {
        Self {
            enabled: probing == Probing::Always,
            fresh: true,
            low: base.min(most),
            high: most,
            out: None,
            since: now,
        }
    }

    /// The size not to go beyond, if there is a search.
    pub(crate) fn bound(&self) -> Option<u16> {
        self.enabled.then_some(self.low)
    }

    /// The probe that is out.
    pub(crate) fn out(&self) -> Option<Probe> {
        self.out
    }

    /// The size of the next probe, if there is reason for one: `most` is what route and peer allow, and
    /// what is narrower than `enough` needs no search (RFC 4821, 7.3). The largest comes first, since
    /// most paths take it; from then on the middle.
    pub(crate) fn next(&self, most: u16, enough: u16) -> Option<u16> {
        let high = self.high.min(most);
        let width = high.saturating_sub(self.low);
        if !self.enabled || self.out.is_some() || width < enough.max(1) {
            return None;
        }
        Some(if self.fresh {
            high
        } else {
            self.low.saturating_add(width.div_ceil(2))
        })
    }

    /// A probe was sent.
    pub(crate) fn sent(&mut self, size: u16, start: SeqNum, end: SeqNum) {
        self.out = Some(Probe { start, end, size });
    }

    /// Everything before `una` has arrived. True if the probe is among it (RFC 4821, 7.6.1).
    pub(crate) fn arrived(&mut self, una: SeqNum) -> bool {
        match self.out {
            Some(probe) if probe.end.before_or_eq(una) => {
                self.low = self.low.max(probe.size);
                self.fresh = false;
                self.out = None;
                true
            }
            _ => false,
        }
    }

    /// The probe alone was lost: it was too large (RFC 4821, 7.6.2).
    pub(crate) fn failed(&mut self) {
        if let Some(probe) = self.out.take() {
            self.high = self.high.min(probe.size.saturating_sub(1));
            self.fresh = false;
        }
    }

    /// The route takes no more than `most` now: until the search is renewed more is not tried.
    pub(crate) fn limit(&mut self, most: u16) {
        self.high = self.high.min(most);
    }

    /// What becomes of the probe will tell nothing: it was sent again, or everything was lost
    /// (RFC 4821, 7.6.4).
    pub(crate) fn inconclusive(&mut self) {
        self.out = None;
    }

    /// One time-out follows another: perhaps nothing of this size arrives any more, and no ICMP says
    /// so (RFC 4821, 7.7). At first `base` is tried, then half as much and so on, down to `least`.
    pub(crate) fn stuck(&mut self, base: u16, least: u16, most: u16, now: Instant) {
        self.out = None;
        self.fresh = false;
        if self.enabled {
            self.low = (self.low / 2).min(base).max(least);
        } else {
            self.enabled = true;
            self.low = base.min(most).max(least);
            self.high = most;
        }
        self.since = now;
    }

    /// The path may have changed since the search began: look again (RFC 4821, 7.7; RFC 8899, 5.1.1,
    /// PMTU_RAISE_TIMER).
    pub(crate) fn renew(&mut self, most: u16, interval: Duration, now: Instant) {
        if self.enabled && self.out.is_none() && now.since(self.since) >= interval {
            self.high = most;
            self.fresh = true;
            self.since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    /// What a path that takes `limit` lets a search find: the sizes tried, and the one found.
    fn find(search: &mut MtuSearch, most: u16, limit: u16, enough: u16) -> (Vec<u16>, Option<u16>) {
        let mut tried = Vec::new();
        while let Some(size) = search.next(most, enough) {
            assert!(tried.len() < 20, "{tried:?}");
            tried.push(size);
            search.sent(size, SeqNum::new(0), SeqNum::new(u32::from(size)));
            assert_eq!(search.next(most, enough), None, "one at a time");
            if size <= limit {
                assert!(search.arrived(SeqNum::new(u32::from(size))));
            } else {
                assert!(!search.arrived(SeqNum::new(0)));
                search.failed();
            }
        }
        (tried, search.bound())
    }

    /// RFC 4821, 7.3: the search ends once the range is narrow, whatever the path takes.
    #[test]
    fn rfc4821_7_3_the_search_comes_within_the_threshold() {
        for limit in 512..=1_460 {
            let mut search = MtuSearch::begin(Probing::Always, 512, 1_460, at(0));
            let (tried, found) = find(&mut search, 1_460, limit, 8);
            let found = found.unwrap();
            assert!(found <= limit && limit - found < 8, "{limit}: {found}");
            // The largest first, then at most log2(948) halves.
            assert_eq!(tried[0], 1_460);
            assert!(tried.len() <= 1 + 10, "{limit}: {tried:?}");
            if limit == 1_460 {
                assert_eq!(tried, [1_460]);
            }
        }
    }

    /// Documentation/networking/ip-sysctl.rst, tcp_mtu_probing: 0 never, 1 when stuck, 2 always.
    #[test]
    fn probing_is_off_until_stuck() {
        let mut search = MtuSearch::begin(Probing::WhenStuck, 1_024, 1_460, at(0));
        assert_eq!((search.bound(), search.next(1_460, 8)), (None, None));
        search.stuck(1_024, 48, 1_460, at(1));
        assert_eq!(search.bound(), Some(1_024));
        // What it was stuck with is not what it tries first.
        assert_eq!(search.next(1_460, 8), Some(1_242));
        let search = MtuSearch::begin(Probing::Always, 1_024, 1_460, at(0));
        assert_eq!(search.bound(), Some(1_024));
        let search = MtuSearch::begin(Probing::from_sysctl(0), 1_024, 1_460, at(0));
        assert_eq!(search.bound(), None);
    }

    /// RFC 4821, 7.7: each full stop halves the size, but never below the floor.
    #[test]
    fn rfc4821_7_7_full_stops_halve_the_size() {
        let mut search = MtuSearch::begin(Probing::Always, 1_024, 8_960, at(0));
        let (_, found) = find(&mut search, 8_960, 8_960, 8);
        assert_eq!(found, Some(8_960));
        let mut sizes = Vec::new();
        for _ in 0..6 {
            search.stuck(1_024, 100, 8_960, at(1));
            sizes.push(search.bound().unwrap());
        }
        assert_eq!(sizes, [1_024, 512, 256, 128, 100, 100]);
        // A peer that takes less than the floor sets the bound.
        let mut search = MtuSearch::begin(Probing::WhenStuck, 1_024, 536, at(0));
        search.stuck(1_024, 48, 536, at(1));
        assert_eq!(search.bound(), Some(536));
    }

    /// RFC 4821, 7.6.4: what is inconclusive moves neither bound.
    #[test]
    fn rfc4821_7_6_4_an_inconclusive_probe_moves_nothing() {
        let mut search = MtuSearch::begin(Probing::Always, 1_000, 1_400, at(0));
        search.sent(1_400, SeqNum::new(5), SeqNum::new(1_405));
        search.inconclusive();
        assert!(!search.arrived(SeqNum::new(2_000)));
        search.failed();
        assert_eq!(
            (search.bound(), search.next(1_400, 8)),
            (Some(1_000), Some(1_400))
        );
    }

    /// RFC 8899, 5.1.1: after the interval the search begins again.
    #[test]
    fn rfc8899_5_1_1_the_search_is_renewed() {
        let mut search = MtuSearch::begin(Probing::Always, 1_000, 1_400, at(0));
        let (_, found) = find(&mut search, 1_400, 1_200, 8);
        let interval = Duration::from_secs(600);
        search.renew(1_400, interval, at(599_999));
        assert_eq!(search.next(1_400, 8), None);
        search.renew(1_400, interval, at(600_000));
        assert_eq!(search.next(1_400, 8), Some(1_400));
        assert_eq!(search.bound(), found);
    }

    /// Route and peer bound a search that began with more.
    #[test]
    fn the_route_bounds_the_search() {
        let search = MtuSearch::begin(Probing::Always, 1_000, 8_960, at(0));
        assert_eq!(search.next(1_400, 8), Some(1_400));
        assert_eq!(search.next(1_007, 8), None);
        assert_eq!(search.next(900, 0), None);
    }
}
