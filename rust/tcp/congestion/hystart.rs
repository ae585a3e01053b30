// SPDX-License-Identifier: GPL-2.0

//! HyStart++ (RFC 9406): slow start ends when the round-trip time rises, before anything is lost.
//! Between the two lies conservative slow start (CSS), which finds out whether that was right.

use super::Ack;
use crate::tcp::{seq::SeqNum, time::Duration};

/// RFC 9406, 4.3, in nanoseconds where it is a time.
const MIN_RTT_THRESH: u64 = 4_000_000;
const MAX_RTT_THRESH: u64 = 16_000_000;
const MIN_RTT_DIVISOR: u64 = 8;
const N_RTT_SAMPLE: u8 = 8;
const CSS_GROWTH_DIVISOR: u32 = 4;
const CSS_ROUNDS: u8 = 5;

/// What slow start shall do now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pace {
    /// Grow by that many bytes.
    Grow(u32),
    /// Go on with congestion avoidance.
    Exit,
}

/// Where it stands.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct HyStart {
    /// The round ends when this is acknowledged (windowEnd).
    round_end: Option<SeqNum>,
    /// Samples taken in this round.
    samples: u8,
    /// lastRoundMinRTT; `None`: infinity.
    last: Option<Duration>,
    /// currentRoundMinRTT.
    current: Option<Duration>,
    /// cssBaselineMinRtt, if this is CSS.
    baseline: Option<Duration>,
    /// Rounds of CSS begun.
    css_rounds: u8,
}

impl HyStart {
    /// An ACK in the initial slow start. RFC 9406, 4.2. The limit L on what one ACK may add is
    /// for senders that nothing paces; stretched ACKs (receive offload) would make it a brake on
    /// all growth, so it is not kept, as in Linux' slow start.
    pub(super) fn on_ack(&mut self, ack: &Ack) -> Pace {
        match self.round_end {
            None => self.round_end = Some(ack.nxt),
            Some(end) if ack.una.after_or_eq(end) => {
                self.round_end = Some(ack.nxt);
                self.last = self.current.take();
                self.samples = 0;
                if self.baseline.is_some() {
                    self.css_rounds = self.css_rounds.saturating_add(1);
                    if self.css_rounds >= CSS_ROUNDS {
                        return Pace::Exit;
                    }
                }
            }
            Some(_) => {}
        }
        if let Some(rtt) = ack.rtt {
            self.current = Some(self.current.map_or(rtt, |least| least.min(rtt)));
            self.samples = self.samples.saturating_add(1);
        }
        self.judge();
        Pace::Grow(if self.baseline.is_some() {
            ack.acked / CSS_GROWTH_DIVISOR
        } else {
            ack.acked
        })
    }

    /// Forgets a round that ended while the window was not in use: half of the circle later its end would
    /// seem to lie ahead.
    pub(super) fn pass(&mut self, una: SeqNum) {
        self.round_end = self.round_end.filter(|end| una.before(*end));
    }

    /// Enters or leaves CSS once the round has samples enough.
    fn judge(&mut self) {
        let (true, Some(current)) = (self.samples >= N_RTT_SAMPLE, self.current) else {
            return;
        };
        match (self.baseline, self.last) {
            (Some(baseline), _) if current < baseline => {
                self.baseline = None;
            }
            (None, Some(last)) => {
                let step = last.as_nanos() / MIN_RTT_DIVISOR;
                let threshold = step.clamp(MIN_RTT_THRESH, MAX_RTT_THRESH);
                if current >= last.add(Duration::from_nanos(threshold)) {
                    self.baseline = Some(current);
                    self.css_rounds = 0;
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was acknowledged while the window was not in use ends a round, or its end would lie ahead again after
    /// half of the circle.
    #[test]
    fn a_round_ends_while_the_window_is_not_in_use() {
        let mut hystart = HyStart::default();
        let mut start = 0;
        round(&mut hystart, &mut start, 10, 20);
        let end = hystart.round_end.unwrap();
        hystart.pass(end.sub(1));
        assert_eq!(hystart.round_end, Some(end), "not yet");
        hystart.pass(end);
        assert_eq!(hystart.round_end, None);
    }

    /// One round of `count` ACKs of 1,000 bytes with one round-trip time; tells the growths.
    fn round(hystart: &mut HyStart, start: &mut u32, count: u32, rtt_ms: u64) -> Vec<Pace> {
        (0..count)
            .map(|_| {
                *start += 1000;
                hystart.on_ack(&Ack {
                    acked: 1000,
                    rtt: Some(Duration::from_millis(rtt_ms)),
                    una: SeqNum::new(*start),
                    nxt: SeqNum::new(*start + 1000 * count),
                    ..Ack::for_tests()
                })
            })
            .collect()
    }

    /// RFC 9406, 4.2: RttThresh = clamp(4 ms, 44/8 = 5.5 ms, 16 ms).
    #[test]
    fn rfc9406_4_2_a_rise_of_an_eighth_leads_to_css() {
        let mut at = 0;
        let mut hystart = HyStart::default();
        let fast = vec![Pace::Grow(1000); 20];
        assert_eq!(round(&mut hystart, &mut at, 20, 40), fast);
        assert_eq!(round(&mut hystart, &mut at, 20, 44), fast);
        assert_eq!(round(&mut hystart, &mut at, 20, 49), fast);
        let rise = round(&mut hystart, &mut at, 20, 56);
        assert_eq!(
            rise[..7],
            [Pace::Grow(1000); 7],
            "until there are eight samples"
        );
        assert_eq!(rise[7..], [Pace::Grow(250); 13]);
    }

    /// RFC 9406, 4.2: five rounds of CSS, then congestion avoidance.
    #[test]
    fn rfc9406_4_2_css_ends_after_five_rounds() {
        let mut at = 0;
        let mut hystart = HyStart::default();
        round(&mut hystart, &mut at, 10, 40);
        assert!(round(&mut hystart, &mut at, 10, 60).contains(&Pace::Grow(250)));
        for n in 1..CSS_ROUNDS {
            let paces = round(&mut hystart, &mut at, 10, 60);
            assert!(!paces.contains(&Pace::Exit), "round {n}");
        }
        assert_eq!(
            round(&mut hystart, &mut at, 10, 60).first(),
            Some(&Pace::Exit)
        );
    }

    /// RFC 9406, 4.2: if the round-trip time falls again, the rise was noise.
    #[test]
    fn rfc9406_4_2_a_spurious_exit_is_resumed() {
        let mut at = 0;
        let mut hystart = HyStart::default();
        round(&mut hystart, &mut at, 10, 40);
        let css = round(&mut hystart, &mut at, 10, 60);
        assert_eq!(css.last(), Some(&Pace::Grow(250)));
        let paces = round(&mut hystart, &mut at, 10, 50);
        assert_eq!(paces.first(), Some(&Pace::Grow(250)));
        assert_eq!(paces.last(), Some(&Pace::Grow(1000)));
    }

    /// RFC 9406, 4.3: below 4 ms no rise counts, above 16 ms every one does.
    #[test]
    fn rfc9406_4_3_bounds_of_the_threshold() {
        let css = |first: u64, then: u64| {
            let (mut at, mut hystart) = (0, HyStart::default());
            round(&mut hystart, &mut at, 10, first);
            round(&mut hystart, &mut at, 10, then);
            hystart.baseline.is_some()
        };
        assert!(!css(1, 4) && css(1, 5));
        assert!(!css(400, 415) && css(400, 416));
    }
}
