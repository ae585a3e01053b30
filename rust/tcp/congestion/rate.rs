// SPDX-License-Identifier: GPL-2.0

//! Delivery rate: how fast data arrives, measured at every ACK
//! (draft-cheng-iccrg-delivery-rate-estimation-02; the names in capitals are the draft's).
//!
//! What has to be known of a segment is noted on it when it is sent: [`Stamp`]. Counters are in
//! bytes and wrap; only their differences count.

use crate::tcp::{
    pacing::rate_of,
    seq::SeqNum,
    time::{Duration, Instant},
};

/// Where the connection stood when a segment was sent.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Stamp {
    /// P.delivered.
    pub(crate) delivered: u32,
    /// P.sent_time - P.delivered_time, microseconds.
    pub(crate) delivered_ago: u32,
    /// P.sent_time - P.first_sent_time, microseconds.
    pub(crate) first_sent_ago: u32,
    /// P.lost: bytes lost until then.
    pub(crate) lost: u32,
    /// P.tx_in_flight: bytes in flight, the segment included.
    pub(crate) in_flight: u32,
}

/// A segment as the estimator sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// When it was last sent.
    pub(crate) at: Instant,
    /// One beyond its last sequence number.
    pub(crate) end: SeqNum,
    /// What was noted then.
    pub(crate) stamp: Stamp,
    /// P.is_app_limited.
    pub(crate) app_limited: bool,
}

/// What an ACK tells of the delivery rate: rs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RateSample {
    /// rs.delivery_rate, bytes a second; 0: the time was too short to tell.
    pub(crate) rate: u64,
    /// rs.delivered, bytes.
    pub(crate) delivered: u32,
    /// rs.interval.
    pub(crate) interval: Duration,
    /// rs.prior_delivered.
    pub(crate) prior_delivered: u32,
    /// rs.is_app_limited.
    pub(crate) app_limited: bool,
    /// rs.lost: bytes lost since the segment was sent.
    pub(crate) lost: u32,
    /// rs.tx_in_flight.
    pub(crate) in_flight: u32,
}

/// More was lost than is acceptable, of what was sent when this much was in flight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TooMuch {
    /// Bytes in flight at which the loss got too high (BBRInflightAtLoss).
    pub(crate) in_flight: u32,
    /// Whether the segment was sent while the user gave too little.
    pub(crate) app_limited: bool,
}

/// One lost part in this many is acceptable (BBR.LossThresh = 2%).
pub(crate) const LOSS_PART: u32 = 50;
/// The parts that are not lost then.
const OTHER_PARTS: u64 = LOSS_PART as u64 - 1;

/// The estimator.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Rate {
    /// C.delivered.
    delivered: u32,
    /// C.delivered_time.
    delivered_at: Instant,
    /// C.first_sent_time.
    first_sent_at: Instant,
    /// C.app_limited: until that much is delivered the user is what limits.
    app_limited: Option<u32>,
    /// C.lost.
    lost: u32,
    /// The latest-sent segment that the ACK at hand delivered.
    newest: Option<Sent>,
    too_much: Option<TooMuch>,
    /// The last sample that was not limited by the user, or was faster: for TCP_INFO.
    last: (u64, bool),
}

/// Whether the wrapping counter `a` is ahead of `b`.
pub(super) fn ahead(a: u32, b: u32) -> bool {
    let distance = a.wrapping_sub(b);
    distance != 0 && distance <= i32::MAX as u32
}

fn micros(span: Duration) -> u32 {
    u32::try_from(span.as_micros()).unwrap_or(u32::MAX)
}

fn before(at: Instant, us: u32) -> Instant {
    Instant::from_nanos(
        at.as_nanos()
            .saturating_sub(Duration::from_micros(u64::from(us)).as_nanos()),
    )
}

impl Rate {
    /// C.delivered.
    pub(crate) fn delivered(&self) -> u32 {
        self.delivered
    }

    /// C.lost.
    pub(crate) fn lost(&self) -> u32 {
        self.lost
    }

    /// The last rate, bytes a second, and whether the user was what limited it.
    pub(crate) fn last(&self) -> (u64, bool) {
        self.last
    }

    /// A segment of `len` bytes is sent with `pipe` bytes in flight before it: the draft's 3.2.
    /// Gives what to note on it, and whether the user is what limits.
    pub(crate) fn on_sent(&mut self, at: Instant, len: u32, pipe: u32) -> (Stamp, bool) {
        if pipe == 0 {
            self.first_sent_at = at;
            self.delivered_at = at;
        }
        let stamp = Stamp {
            delivered: self.delivered,
            delivered_ago: micros(at.since(self.delivered_at)),
            first_sent_ago: micros(at.since(self.first_sent_at)),
            lost: self.lost,
            in_flight: pipe.saturating_add(len),
        };
        (stamp, self.app_limited.is_some())
    }

    /// Less is queued than the window would take, `pipe` bytes being in flight: 3.4.
    pub(crate) fn on_app_limited(&mut self, pipe: u32) {
        self.app_limited = Some(self.delivered.wrapping_add(pipe));
    }

    /// A segment arrived, or a part of one: 3.3, UpdateRateSample().
    pub(crate) fn on_delivered(&mut self, sent: Sent) {
        let newer = self
            .newest
            .is_none_or(|old| sent.at > old.at || (sent.at == old.at && sent.end.after(old.end)));
        if newer {
            self.newest = Some(sent);
        }
    }

    /// `len` bytes are lost, sent as `stamp` says (BBRHandleLostPacket).
    pub(crate) fn on_lost(&mut self, len: u32, stamp: Stamp, app_limited: bool) {
        self.lost = self.lost.wrapping_add(len);
        let lost = self.lost.wrapping_sub(stamp.lost);
        let acceptable = stamp.in_flight / LOSS_PART;
        if self.too_much.is_some() || lost <= acceptable {
            return;
        }
        // BBRInflightAtLoss: where within the segment the threshold was crossed.
        let before = stamp.in_flight.saturating_sub(len);
        let lost_before = lost.saturating_sub(len);
        let part = (before / LOSS_PART).saturating_sub(lost_before);
        // (thresh * before - lost_before) / (1 - thresh)
        let prefix = u64::from(part).saturating_mul(u64::from(LOSS_PART)) / OTHER_PARTS;
        self.too_much = Some(TooMuch {
            in_flight: before.saturating_add(u32::try_from(prefix).unwrap_or(0)),
            app_limited,
        });
    }

    /// The `len` bytes that were just found lost tell nothing of congestion.
    pub(crate) fn forgive(&mut self, len: u32) {
        self.lost = self.lost.wrapping_sub(len);
        self.too_much = None;
    }

    /// The ACK is worked off; `delivered` bytes arrived by it: 3.3, GenerateRateSample().
    pub(crate) fn on_ack(
        &mut self,
        now: Instant,
        delivered: u32,
        least_rtt: Duration,
    ) -> Option<RateSample> {
        self.delivered = self.delivered.wrapping_add(delivered);
        if delivered > 0 {
            self.delivered_at = now;
        }
        if self
            .app_limited
            .is_some_and(|until| ahead(self.delivered, until))
        {
            self.app_limited = None;
        }
        let sent = self.newest.take()?;
        let stamp = sent.stamp;
        self.first_sent_at = self.first_sent_at.max(core::cmp::min(sent.at, now));
        let delivered_at = before(sent.at, stamp.delivered_ago);
        let send_elapsed = Duration::from_micros(u64::from(stamp.first_sent_ago));
        let interval = send_elapsed.max(now.since(delivered_at));
        let delivered = self.delivered.wrapping_sub(stamp.delivered);
        let known = interval >= least_rtt && interval != Duration::ZERO;
        let sample = RateSample {
            rate: if known {
                rate_of(u64::from(delivered), interval)
            } else {
                0
            },
            delivered,
            interval,
            prior_delivered: stamp.delivered,
            app_limited: sent.app_limited,
            lost: self.lost.wrapping_sub(stamp.lost),
            in_flight: stamp.in_flight,
        };
        if sample.rate > 0 && (!sample.app_limited || sample.rate >= self.last.0) {
            self.last = (sample.rate, sample.app_limited);
        }
        Some(sample)
    }

    /// Takes the report of too much loss.
    pub(crate) fn take_too_much(&mut self) -> Option<TooMuch> {
        self.too_much.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Instant = |ms| Instant::from_nanos(ms * 1_000_000);
    const RTT: Duration = Duration::from_millis(40);

    fn send(rate: &mut Rate, at: u64, end: u32, pipe: u32) -> Sent {
        let (stamp, app_limited) = rate.on_sent(MS(at), 1000, pipe);
        Sent {
            at: MS(at),
            end: SeqNum::new(end),
            stamp,
            app_limited,
        }
    }

    /// 3.1: a steady flow of 1,000 bytes each 10 ms, 40 ms away, is 100,000 bytes a second.
    #[test]
    fn rate_draft_3_1_a_steady_flow() {
        let mut rate = Rate::default();
        let mut out = Vec::new();
        for n in 0..40u64 {
            let at = 1000 + n * 10;
            if n >= 4 {
                rate.on_delivered(out[n as usize - 4]);
                let sample = rate.on_ack(MS(at), 1000, RTT).unwrap();
                if n >= 8 {
                    assert_eq!(sample.rate, 100_000);
                    assert_eq!((sample.delivered, sample.interval), (4000, RTT));
                    assert!(!sample.app_limited);
                }
            }
            let pipe = n.min(3) as u32 * 1000;
            out.push(send(&mut rate, at, n as u32, pipe));
        }
    }

    /// 2.3: acknowledgments that come in a bunch don't make the path faster: the rate at which
    /// the data was sent bounds it.
    #[test]
    fn rate_draft_2_2_ack_compression() {
        let mut rate = Rate::default();
        let out: Vec<Sent> = (0..20)
            .map(|n| send(&mut rate, 1000 + n * 10, n as u32, n as u32 * 1000))
            .collect();
        let mut last = 0;
        for sent in out {
            rate.on_delivered(sent);
            if let Some(sample) = rate.on_ack(MS(1300), 1000, RTT) {
                last = sample.rate;
            }
        }
        assert!(last <= 101_000, "{last}");
    }

    /// 3.3: over less than the least round-trip time there is no telling.
    #[test]
    fn rate_draft_3_3_too_short_an_interval() {
        let mut rate = Rate::default();
        let sent = send(&mut rate, 1000, 1, 0);
        rate.on_delivered(sent);
        assert_eq!(rate.on_ack(MS(1020), 1000, RTT).unwrap().rate, 0);
        assert_eq!(rate.on_ack(MS(1021), 0, RTT), None, "nothing arrived");
    }

    /// 3.4: the mark stays until everything that was in flight then has arrived.
    #[test]
    fn rate_draft_3_4_app_limited() {
        let mut rate = Rate::default();
        let first = send(&mut rate, 1000, 1, 0);
        rate.on_app_limited(1000);
        let second = send(&mut rate, 1010, 2, 1000);
        assert!(!first.app_limited && second.app_limited);
        rate.on_delivered(first);
        rate.on_ack(MS(1040), 1000, RTT);
        assert!(send(&mut rate, 1041, 3, 1000).app_limited);
        rate.on_delivered(second);
        assert!(rate.on_ack(MS(1050), 1000, RTT).unwrap().app_limited);
        assert!(!send(&mut rate, 1051, 4, 1000).app_limited);
    }

    /// Counters wrap.
    #[test]
    fn counters_wrap() {
        let mut rate = Rate {
            delivered: u32::MAX - 500,
            lost: u32::MAX,
            ..Rate::default()
        };
        let sent = send(&mut rate, 1000, 1, 0);
        rate.on_delivered(sent);
        rate.on_lost(10, sent.stamp, false);
        let sample = rate.on_ack(MS(1100), 1000, RTT).unwrap();
        assert_eq!(
            (sample.delivered, sample.lost, sample.rate),
            (1000, 10, 10_000)
        );
    }

    /// BBRInflightAtLoss: 100 segments in flight, the third lost one crosses 2 %.
    #[test]
    fn bbr_draft_inflight_at_loss() {
        let mut rate = Rate::default();
        let sent = send(&mut rate, 1000, 1, 99_000);
        rate.on_lost(1000, sent.stamp, false);
        rate.on_lost(1000, sent.stamp, false);
        assert_eq!(rate.take_too_much(), None);
        rate.on_lost(1000, sent.stamp, false);
        assert_eq!(
            rate.take_too_much(),
            Some(TooMuch {
                in_flight: 99_000,
                app_limited: false
            })
        );
    }
}
