// SPDX-License-Identifier: GPL-2.0

//! Points and spans of time, in nanoseconds of whatever monotonic clock the caller keeps.
//! All arithmetic saturates.

/// A point in time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(crate) struct Instant(u64);

/// A span of time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(crate) struct Duration(u64);

impl Instant {
    /// `ns` nanoseconds after the clock's zero.
    pub(crate) const fn from_nanos(ns: u64) -> Self {
        Self(ns)
    }

    /// Nanoseconds since the clock's zero.
    pub(crate) const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Milliseconds since the clock's zero, modulo 2^32: the timestamp clock (RFC 7323, 5.4).
    pub(crate) const fn as_millis_u32(self) -> u32 {
        (self.0 / 1_000_000) as u32
    }

    /// `span` later.
    pub(crate) const fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The span since `earlier`; zero if that lies ahead.
    pub(crate) const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

impl Duration {
    /// No time at all.
    pub(crate) const ZERO: Self = Self(0);

    /// From nanoseconds.
    pub(crate) const fn from_nanos(ns: u64) -> Self {
        Self(ns)
    }

    /// From microseconds.
    pub(crate) const fn from_micros(us: u64) -> Self {
        Self(us.saturating_mul(1_000))
    }

    /// From milliseconds.
    pub(crate) const fn from_millis(ms: u64) -> Self {
        Self(ms.saturating_mul(1_000_000))
    }

    /// From seconds.
    pub(crate) const fn from_secs(s: u64) -> Self {
        Self(s.saturating_mul(1_000_000_000))
    }

    /// In nanoseconds.
    pub(crate) const fn as_nanos(self) -> u64 {
        self.0
    }

    /// In whole microseconds.
    pub(crate) const fn as_micros(self) -> u64 {
        self.0 / 1_000
    }

    /// In milliseconds, rounded up, so that a timer of that length never fires early.
    pub(crate) const fn as_millis_ceil(self) -> u64 {
        self.0.div_ceil(1_000_000)
    }

    /// The sum.
    pub(crate) const fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// `2^n` times as long.
    pub(crate) const fn shl(self, n: u32) -> Self {
        Self(self.0.saturating_mul(1 << if n > 32 { 32 } else { n }))
    }

    /// The shorter of two.
    pub(crate) const fn min(self, other: Self) -> Self {
        if self.0 < other.0 {
            self
        } else {
            other
        }
    }

    /// The longer of two.
    pub(crate) const fn max(self, other: Self) -> Self {
        if self.0 > other.0 {
            self
        } else {
            other
        }
    }
}
