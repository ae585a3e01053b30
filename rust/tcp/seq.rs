// SPDX-License-Identifier: GPL-2.0

//! Sequence numbers: arithmetic modulo 2^32 (RFC 9293, section 3.4).
//!
//! There is no `Ord` on purpose: "less than" on a circle only means something within half of it,
//! and the names say which comparison is meant.

/// A sequence number.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(transparent)]
pub(crate) struct SeqNum(u32);

impl SeqNum {
    /// From the number on the wire (host order).
    #[inline]
    pub(crate) const fn new(raw: u32) -> Self {
        Self(raw)
    }

    /// The number for the wire (host order).
    #[inline]
    pub(crate) const fn raw(self) -> u32 {
        self.0
    }

    /// `self` < `other` on the circle.
    #[inline]
    pub(crate) const fn before(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0)) as i32 <= -1
    }

    /// `self` =< `other` on the circle.
    #[inline]
    pub(crate) const fn before_or_eq(self, other: Self) -> bool {
        !other.before(self)
    }

    /// `self` > `other` on the circle.
    #[inline]
    pub(crate) const fn after(self, other: Self) -> bool {
        other.before(self)
    }

    /// `self` >= `other` on the circle.
    #[inline]
    pub(crate) const fn after_or_eq(self, other: Self) -> bool {
        !self.before(other)
    }

    /// `n` further on.
    #[inline]
    pub(crate) const fn add(self, n: u32) -> Self {
        Self(self.0.wrapping_add(n))
    }

    /// `n` further back.
    #[inline]
    pub(crate) const fn sub(self, n: u32) -> Self {
        Self(self.0.wrapping_sub(n))
    }

    /// How far `self` is beyond `earlier`.
    #[inline]
    pub(crate) const fn distance_from(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    /// As [`Self::distance_from`], but 0 if `self` is not beyond `earlier`.
    #[inline]
    pub(crate) const fn saturating_distance_from(self, earlier: Self) -> u32 {
        if self.after(earlier) {
            self.distance_from(earlier)
        } else {
            0
        }
    }

    /// The later of two.
    #[inline]
    pub(crate) const fn latest(self, other: Self) -> Self {
        if self.before(other) {
            other
        } else {
            self
        }
    }

    /// The earlier of two.
    #[inline]
    pub(crate) const fn earliest(self, other: Self) -> Self {
        if self.before(other) {
            self
        } else {
            other
        }
    }
}

/// The numbers from `start` up to, not including, `end`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct SeqRange {
    /// The first number.
    pub(crate) start: SeqNum,
    /// One beyond the last number.
    pub(crate) end: SeqNum,
}

impl SeqRange {
    /// The range `start..end`.
    pub(crate) const fn new(start: SeqNum, end: SeqNum) -> Self {
        Self { start, end }
    }

    /// How many numbers are in it.
    pub(crate) const fn len(self) -> u32 {
        self.end.saturating_distance_from(self.start)
    }

    /// Whether the two ranges share or adjoin numbers, so that their union is one range.
    pub(crate) const fn touches(self, other: Self) -> bool {
        self.start.before_or_eq(other.end) && other.start.before_or_eq(self.end)
    }

    /// The smallest range that holds both.
    pub(crate) const fn union(self, other: Self) -> Self {
        Self {
            start: self.start.earliest(other.start),
            end: self.end.latest(other.end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_wrap() {
        let top = SeqNum::new(u32::MAX);
        let zero = top.add(1);
        assert_eq!(zero.raw(), 0);
        assert!(top.before(zero) && zero.after(top));
        assert!(!top.before(top) && top.before_or_eq(top) && top.after_or_eq(top));
        assert_eq!(zero.distance_from(top), 1);
        assert_eq!(top.saturating_distance_from(zero), 0);
        assert_eq!(top.latest(zero), zero);
        assert_eq!(top.earliest(zero), top);
    }

    /// The same definitions at eight bits, checked for every pair against the plain meaning:
    /// `a` is before `b` if walking from `a` reaches `b` within half the circle.
    #[test]
    fn before_agrees_with_walking_exhaustively() {
        for a in 0..=255u8 {
            for d in 0..=255u8 {
                let b = a.wrapping_add(d);
                let walked = (1..=127).contains(&d);
                let at32 = |x: u8| SeqNum::new(u32::from(x) << 24);
                if d != 128 {
                    assert_eq!(at32(a).before(at32(b)), walked, "{a} {b}");
                }
            }
        }
    }

    #[test]
    fn ranges_touch_and_join() {
        let r = |a: u32, b: u32| SeqRange::new(SeqNum::new(a), SeqNum::new(b));
        assert!(r(10, 20).touches(r(20, 30)));
        assert!(!r(10, 20).touches(r(21, 30)));
        assert_eq!(r(10, 20).union(r(15, 30)), r(10, 30));
        assert_eq!(r(u32::MAX, 4).len(), 5);
    }
}
