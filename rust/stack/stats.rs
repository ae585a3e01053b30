// SPDX-License-Identifier: GPL-2.0

//! SOF_TIMESTAMPING_OPT_STATS: how a connection stood when a time was taken, as attributes of netlink.
//!
//! Times are taken in any context, and mostly without the socket's lock; what they come with is what
//! the lock's holder noted last: after each event, and before each packet whose time is wanted.

use crate::tcp::{
    info::{
        Info,
        Phase, //
    },
    time::Duration, //
};
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// TCP_NLA_*, less those that are always zero.
mod nla {
    pub(super) const BUSY: usize = 1;
    pub(super) const RWND_LIMITED: usize = 2;
    pub(super) const SNDBUF_LIMITED: usize = 3;
    pub(super) const DATA_SEGS_OUT: usize = 4;
    pub(super) const TOTAL_RETRANS: usize = 5;
    pub(super) const PACING_RATE: usize = 6;
    pub(super) const DELIVERY_RATE: usize = 7;
    pub(super) const SND_CWND: usize = 8;
    pub(super) const REORDERING: usize = 9;
    pub(super) const MIN_RTT: usize = 10;
    pub(super) const RECUR_RETRANS: usize = 11;
    pub(super) const DELIVERY_RATE_APP_LMT: usize = 12;
    pub(super) const SNDQ_SIZE: usize = 13;
    pub(super) const CA_STATE: usize = 14;
    pub(super) const SND_SSTHRESH: usize = 15;
    pub(super) const DELIVERED: usize = 16;
    pub(super) const DELIVERED_CE: usize = 17;
    pub(super) const BYTES_SENT: usize = 18;
    pub(super) const BYTES_RETRANS: usize = 19;
    pub(super) const DSACK_DUPS: usize = 20;
    pub(super) const REORD_SEEN: usize = 21;
    pub(super) const SRTT: usize = 22;
    pub(super) const BYTES_NOTSENT: usize = 24;
    pub(super) const EDT: usize = 25;
    pub(super) const TTL: usize = 26;
}

/// Bytes of the attribute of each number; 0: there is none.
const WIDTHS: [usize; COUNT] = [
    0, 8, 8, 8, 8, 8, 8, 8, 4, 4, 4, 1, 1, 4, 1, 4, 4, 4, 8, 8, 4, 4, 4, 2, 4, 8, 1, 4,
];
const COUNT: usize = 28;
/// Bytes in front of each attribute's value: its length and number.
const HEADER: usize = 4;

/// "Infinite", as Linux writes a threshold that was never set.
pub(crate) const NO_THRESHOLD: u32 = 0x7fff_ffff;

/// TCP_CA_*.
pub(crate) fn ca_state(phase: Phase) -> u8 {
    match phase {
        Phase::Open => 0,
        Phase::Disorder => 1,
        Phase::Recovery => 3,
        Phase::Loss => 4,
    }
}

/// Microseconds, as many as 32 bits hold.
pub(crate) fn us(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

/// The pace, bytes a second, where the user wants `most` at most.
pub(crate) fn pacing_rate(info: &Info, most: u64) -> u64 {
    // Without a round-trip time nothing is known of a rate.
    if info.rtt == Duration::ZERO {
        most
    } else {
        info.pacing_rate.min(most)
    }
}

/// What was noted last, by the attribute's number.
pub(crate) struct Stats([Atomic<u64>; COUNT]);

impl Stats {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self(core::array::from_fn(|_| Atomic::new(0)))
    }

    fn set(&self, number: usize, value: impl Into<u64>) {
        if let Some(place) = self.0.get(number) {
            place.store(value.into(), Relaxed);
        }
    }

    /// Notes how the connection stands; `queued`: bytes that are not acknowledged, `most`: the
    /// highest pace, bytes a second.
    pub(crate) fn note(&self, info: &Info, queued: u32, most: u64) {
        self.set(nla::BUSY, info.busy.as_micros());
        self.set(nla::RWND_LIMITED, info.rwnd_limited.as_micros());
        self.set(nla::SNDBUF_LIMITED, info.sndbuf_limited.as_micros());
        self.set(nla::DATA_SEGS_OUT, info.data_segs_out);
        self.set(nla::TOTAL_RETRANS, info.total_retrans);
        self.set(nla::PACING_RATE, pacing_rate(info, most));
        self.set(nla::DELIVERY_RATE, info.delivery_rate);
        self.set(nla::SND_CWND, info.cwnd);
        self.set(nla::REORDERING, info.reordering);
        self.set(nla::MIN_RTT, info.min_rtt.map_or(u32::MAX, us));
        self.set(nla::RECUR_RETRANS, info.retransmits);
        self.set(nla::DELIVERY_RATE_APP_LMT, info.app_limited);
        self.set(nla::SNDQ_SIZE, queued);
        self.set(nla::CA_STATE, ca_state(info.phase));
        self.set(nla::SND_SSTHRESH, info.ssthresh.unwrap_or(NO_THRESHOLD));
        self.set(nla::DELIVERED, info.delivered);
        self.set(nla::DELIVERED_CE, info.ecn.delivered_ce);
        self.set(nla::BYTES_SENT, info.bytes_sent);
        self.set(nla::BYTES_RETRANS, info.bytes_retrans);
        self.set(nla::DSACK_DUPS, info.dsack_dups);
        self.set(nla::REORD_SEEN, info.reord_seen);
        self.set(nla::SRTT, us(info.rtt));
        self.set(nla::BYTES_NOTSENT, info.notsent);
    }

    /// The time that is taken next is of a segment that leaves (or left) at `ns`.
    pub(crate) fn note_departure(&self, ns: u64) {
        self.set(nla::EDT, ns);
    }

    /// So many bytes leave for the first time with the packet whose time is taken next. As in Linux they
    /// count as sent, and as not sent yet.
    pub(crate) fn note_leaving(&self, bytes: u32) {
        if let Some(place) = self.0.get(nla::BYTES_NOTSENT) {
            place.fetch_add(bytes.into(), Relaxed);
        }
    }

    /// The packet that came last had this TTL or hop limit.
    pub(crate) fn note_hops(&self, hops: u8) {
        self.set(nla::TTL, hops);
    }

    /// Writes the attributes: how many bytes, and how many of them, at the end, belong to an
    /// acknowledgment alone.
    pub(crate) fn write(&self, to: &mut [u8]) -> (usize, usize) {
        let mut len = 0;
        for number in (0..COUNT).filter(|number| *number != nla::TTL) {
            len = self.write_one(number, to, len);
        }
        let all = self.write_one(nla::TTL, to, len);
        (all, all.saturating_sub(len))
    }

    /// Writes one at `at`, padded to four bytes; tells where it ends.
    fn write_one(&self, number: usize, to: &mut [u8], at: usize) -> usize {
        let width = WIDTHS.get(number).copied();
        let (Some(place), Some(width @ 1..)) = (self.0.get(number), width) else {
            return at;
        };
        let len = width.saturating_add(HEADER);
        let end = at.saturating_add(len.saturating_add(3) & !3);
        let Some(room) = to.get_mut(at..end) else {
            return at;
        };
        let value = place.load(Relaxed);
        let mut put = |offset: usize, bytes: &[u8]| {
            for (to, from) in room.iter_mut().skip(offset).zip(bytes) {
                *to = *from;
            }
        };
        put(0, &(len as u16).to_ne_bytes());
        put(2, &(number as u16).to_ne_bytes());
        match width {
            8 => put(HEADER, &value.to_ne_bytes()),
            4 => put(HEADER, &(value as u32).to_ne_bytes()),
            2 => put(HEADER, &(value as u16).to_ne_bytes()),
            _ => put(HEADER, &[value as u8]),
        }
        end
    }
}
