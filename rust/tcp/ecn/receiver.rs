// SPDX-License-Identifier: GPL-2.0

//! The data receiver's half of accurate ECN (RFC 9768, 3.2): what arrived with which codepoint, and
//! when the AccECN option tells of it.

use super::{Arrival, OptionPolicy, Sending, FIRST_COUNT};
use crate::tcp::{
    seq::SeqNum,
    time::{Duration, Instant},
    wire::{
        accecn::{AccEcn, Order},
        options::padded,
        Codepoint,
    },
};

/// Payload by codepoint, bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bytes {
    /// With ECT(1).
    pub(crate) ect1: u32,
    /// With CE.
    pub(crate) ce: u32,
    /// With ECT(0).
    pub(crate) ect0: u32,
}

impl Bytes {
    /// Where the counters begin (RFC 9768, 3.2.1).
    pub(crate) const FIRST: Self = Self {
        ect1: 1,
        ce: 0,
        ect0: 1,
    };

    /// What was counted since the beginning.
    pub(crate) fn since_first(self) -> Self {
        Self {
            ect1: self.ect1.wrapping_sub(Self::FIRST.ect1),
            ce: self.ce.wrapping_sub(Self::FIRST.ce),
            ect0: self.ect0.wrapping_sub(Self::FIRST.ect0),
        }
    }

    fn counter(&mut self, codepoint: Codepoint) -> Option<&mut u32> {
        match codepoint {
            Codepoint::NotEct => None,
            Codepoint::Ect1 => Some(&mut self.ect1),
            Codepoint::Ect0 => Some(&mut self.ect0),
            Codepoint::Ce => Some(&mut self.ce),
        }
    }
}

/// Which field of the option, in the order in which it is sent here, counts that codepoint.
fn place(codepoint: Codepoint) -> u8 {
    match codepoint {
        Codepoint::NotEct => 0,
        Codepoint::Ect1 => 1,
        Codepoint::Ce => 2,
        Codepoint::Ect0 => 3,
    }
}

/// The option of a SYN-ACK: nothing was counted yet.
pub(super) fn first_option() -> AccEcn {
    let Bytes { ect1, ce, ect0 } = Bytes::FIRST;
    AccEcn::new(Order::Ect1First, [ect1, ce, ect0], 3)
}

/// A counter is told of at least once for that many bytes, or it could wrap unseen (RFC 9768,
/// 3.2.3.3), as a power of two.
const REPEAT_SHIFT: u32 = 22;
/// Marked packets without data that are answered together, if nothing else has to be acknowledged
/// (RFC 9768, 3.2.2.5.1: three).
const MARKS_ANSWERED: u32 = 3;
/// The same if something has.
const MARKS_ANSWERED_SOON: u32 = 2;
/// So many time-outs in a row are for the option, if it is there.
const IN_VAIN: u8 = 5;
/// ACKs with the option from a change on: the second tells which counter it is that still grows
/// (RFC 9768, 3.2.3.3).
const AFTER_CHANGE: u8 = 2;

/// The counters and what was told of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receiver {
    /// r.cep: marked packets.
    pub(super) packets: u32,
    /// r.e1b, r.ceb, r.e0b.
    pub(super) bytes: Bytes,
    /// How many fields of the option, from the first on, hold what was not told yet.
    needed: u8,
    /// What the last packet with payload carried, but for Not-ECT, which counts nowhere.
    last: Codepoint,
    /// Marked packets since the last ACK.
    marks: u32,
    /// So many of the next headers carry the option, whatever else.
    owed: u8,
    /// When the option was last sent.
    sent_at: Instant,
    /// What the last ACK with the option answered that came twice, from this number on (and no new
    /// data came since).
    told_duplicate: Option<SeqNum>,
    /// Data with the option was sent.
    carried: bool,
    /// Some of that arrived.
    proven: bool,
    /// The first segment that is out had the option when it was sent last.
    first_carried: bool,
    /// What carries the option seems to be lost: it is not sent any more.
    pub(super) failed: bool,
}

impl Default for Receiver {
    fn default() -> Self {
        Self {
            packets: FIRST_COUNT,
            bytes: Bytes::FIRST,
            needed: 0,
            last: Codepoint::NotEct,
            marks: 0,
            owed: 0,
            sent_at: Instant::default(),
            told_duplicate: None,
            carried: false,
            proven: false,
            first_carried: false,
            failed: false,
        }
    }
}

impl Receiver {
    /// At least so many of the next headers carry the option.
    pub(super) fn owe(&mut self, headers: u8) {
        self.owed = self.owed.max(headers);
    }

    /// So many packets arrived with `len` bytes of payload. Who may not be told of it (RFC 3168) counts too.
    pub(super) fn count(&mut self, codepoint: Codepoint, packets: u32, len: u32) {
        if codepoint == Codepoint::Ce {
            self.packets = self.packets.wrapping_add(packets);
        }
        if let Some(counter) = self.bytes.counter(codepoint) {
            *counter = counter.wrapping_add(len);
        }
    }

    /// A segment of so many packets with `len` bytes of payload arrived and is acceptable.
    /// `waits`: something has to be acknowledged anyway.
    pub(super) fn on_packet(
        &mut self,
        codepoint: Codepoint,
        packets: u32,
        len: u32,
        waits: bool,
    ) -> Arrival {
        let before = self.bytes.counter(codepoint).map(|counter| *counter);
        self.count(codepoint, packets, len);
        let marked = codepoint == Codepoint::Ce;
        if marked {
            self.marks = self.marks.saturating_add(packets);
        }
        if len > 0 {
            if let Some(before) = before {
                self.needed = self.needed.max(place(codepoint));
                let passed = before >> REPEAT_SHIFT != before.wrapping_add(len) >> REPEAT_SHIFT;
                if self.last != codepoint || marked {
                    self.owed = AFTER_CHANGE;
                } else if passed {
                    self.owe(1);
                }
                self.last = codepoint;
            }
        }
        // RFC 9768, 3.2.2.5.1: a mark on data is answered at once, others when there are some.
        let enough = if waits {
            MARKS_ANSWERED_SOON
        } else {
            MARKS_ANSWERED
        };
        if marked && (len > 0 || self.marks >= enough) {
            Arrival::Marked
        } else {
            Arrival::Plain
        }
    }

    /// Data came that was not there before.
    pub(super) fn on_news(&mut self) {
        self.told_duplicate = None;
    }

    /// What begins with `seq` came again. If the ACK that said that it was there had the option, and
    /// it comes a third time, ACKs with the option don't seem to arrive (RFC 9768, 3.2.3.2.2).
    /// Something else that comes twice says nothing: segments that were overtaken do so in a row.
    pub(super) fn on_duplicate(&mut self, seq: SeqNum) {
        self.failed |= self.told_duplicate == Some(seq);
    }

    /// The retransmission timer expired, so many `times` in a row. If nothing that had the option ever
    /// arrived, it may be for the option (RFC 9768, 3.2.3.2.2). What arrived since need not be what had
    /// it: so it may too if the option is on what goes in vain again and again.
    pub(super) fn on_timeout(&mut self, times: u8) {
        let in_vain = self.first_carried && times >= IN_VAIN;
        self.failed |= self.carried && (!self.proven || in_vain);
    }

    /// Data or a FIN was sent, with the option or without; `first`: before all that is out.
    pub(super) fn on_left(&mut self, with_option: bool, first: bool) {
        self.carried |= with_option;
        if first {
            self.first_carried = with_option;
        }
    }

    /// Some of our data arrived.
    pub(super) fn on_delivered(&mut self) {
        self.proven |= self.carried;
    }

    /// Whether the next header carries the option. `srtt`: zero if it is not known.
    pub(super) fn is_due(&self, policy: OptionPolicy, now: Instant, srtt: Duration) -> bool {
        if self.failed && policy.sending != Sending::Stubborn {
            return false;
        }
        match policy.sending {
            Sending::Never => false,
            Sending::Sparing => self.owed > 0 || self.beacon_is_due(policy.beacon, now, srtt),
            Sending::Always | Sending::Stubborn => true,
        }
    }

    fn beacon_is_due(&self, beacon: u8, now: Instant, srtt: Duration) -> bool {
        let ns = now.since(self.sent_at).as_nanos();
        beacon > 0 && ns.saturating_mul(u64::from(beacon)) >= srtt.as_nanos()
    }

    /// The option for a header, with as many fields as fit into `room` bytes; none if what changed
    /// does not (RFC 9768, 3.2.3.3). `answers`: the header answers what came twice.
    pub(super) fn take_option(
        &mut self,
        room: usize,
        now: Instant,
        answers: Option<SeqNum>,
    ) -> Option<AccEcn> {
        let fields = (1..=3u8)
            .rev()
            .find(|fields| padded(AccEcn::len_of(*fields)) <= room)?;
        if fields < self.needed {
            return None;
        }
        let Bytes { ect1, ce, ect0 } = self.bytes;
        self.needed = 0;
        self.owed = self.owed.saturating_sub(1);
        self.sent_at = now;
        self.told_duplicate = answers;
        Some(AccEcn::new(Order::Ect1First, [ect1, ce, ect0], fields))
    }

    /// Whether headers to come have to have the option.
    pub(super) fn owes(&self) -> bool {
        self.owed > 0
    }

    /// A header goes out, with the counter of packets in it.
    pub(super) fn take_count(&mut self) -> u8 {
        self.marks = 0;
        (self.packets & 7) as u8
    }
}
