// SPDX-License-Identifier: GPL-2.0

//! Connections whose user is gone: how long they may go on, and what happens when there are too
//! many of them. A peer that takes nothing can hold each of them open (RFC 6429, section 3, says
//! that the host may end such a connection then).

use super::Connection;
use crate::tcp::{
    context::Cx,
    log::Kind,
    mib::Mib,
    platform::Platform,
    time::{Duration, Instant},
};

/// How many connections without a user there are, by what may be (tcp_max_orphans).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(crate) enum Crowd {
    /// At most a quarter.
    #[default]
    Few,
    /// More than a quarter.
    Quarter,
    /// More than half.
    Half,
    /// More than may be, or there is no memory for what this one wants to send.
    TooMany,
}

impl Crowd {
    /// What `count` of at most `most` is.
    pub(crate) fn of(count: u64, most: u64) -> Self {
        if count > most {
            Self::TooMany
        } else if count.saturating_mul(2) > most {
            Self::Half
        } else if count.saturating_mul(4) > most {
            Self::Quarter
        } else {
            Self::Few
        }
    }
}

/// Retries of an orphan whose time-out has not reached its bound, if tcp_orphan_retries is 0.
const DEFAULT_RETRIES: u8 = 8;

impl<P: Platform> Connection<P> {
    /// How many other orphans there are; to be told before close() and before an orphan's timer.
    pub(crate) fn set_crowd(&mut self, crowd: Crowd) {
        if self.crowd != crowd {
            self.input(Kind::InCrowd, &[crowd as u32]);
        }
        self.crowd = crowd;
    }

    /// Whether the time-out is still below its bound: the peer was heard of not too long ago.
    fn is_lively(&self, cx: &Cx<'_, P>) -> bool {
        self.rto(cx) < self.rto_max(cx)
    }

    /// How many retries without an answer an orphan has. As Linux: none once the time-out is at its
    /// bound and ICMP said that something is wrong, or the administrator asked for 0.
    pub(super) fn orphan_retries(&self, cx: &Cx<'_, P>) -> u8 {
        let lively = self.is_lively(cx);
        let most = if self.soft_error.is_some() && !lively {
            0
        } else {
            cx.net.orphan_retries
        };
        if most == 0 && lively {
            DEFAULT_RETRIES
        } else {
            most
        }
    }

    /// Whether an orphan has probed a shut window for long enough, although the peer answers.
    pub(super) fn has_waited_alone(&self, cx: &Cx<'_, P>) -> bool {
        self.orphan && !self.is_lively(cx) && self.rtt.backoff() >= self.orphan_retries(cx)
    }

    /// Whether this is one orphan too many. Who has sent nothing for twice the longest time-out, and
    /// who ICMP says is in trouble, counts double each, as in Linux.
    fn is_too_many(&self, cx: &Cx<'_, P>) -> bool {
        let longest = self.rto_max(cx);
        let quiet =
            self.last_sent != Instant::default() && cx.now.since(self.last_sent) > longest.shl(1);
        let least = match (quiet, self.soft_error.is_some()) {
            (false, false) => Crowd::TooMany,
            (true, true) => Crowd::Quarter,
            _ => Crowd::Half,
        };
        self.crowd >= least
    }

    /// Resets the connection if it is an orphan too many; true if so.
    pub(super) fn yields_to_crowd(&mut self, cx: &Cx<'_, P>) -> bool {
        if !self.orphan || !self.is_too_many(cx) {
            return false;
        }
        cx.count(Mib::TCPAbortOnMemory);
        self.reset_now(cx);
        true
    }

    /// The upper bound of the time-out.
    pub(super) fn rto_max(&self, cx: &Cx<'_, P>) -> Duration {
        super::nonzero_or(self.config.rto_max, cx.net.rto_max)
    }
}

#[cfg(test)]
mod tests {
    use super::Crowd;

    /// Documentation/networking/ip-sysctl.rst, tcp_max_orphans: the limit itself is allowed.
    #[test]
    fn a_crowd_begins_above_the_limit() {
        let levels = [0, 16, 17, 32, 33, 64, 65].map(|count| Crowd::of(count, 64));
        let want = [
            Crowd::Few,
            Crowd::Few,
            Crowd::Quarter,
            Crowd::Quarter,
            Crowd::Half,
            Crowd::Half,
            Crowd::TooMany,
        ];
        assert_eq!(levels, want);
        assert_eq!(Crowd::of(1, 0), Crowd::TooMany);
        assert_eq!(Crowd::of(0, 0), Crowd::Few);
    }
}
