// SPDX-License-Identifier: GPL-2.0

//! Explicit congestion notification (RFC 3168), the exact echo that DCTCP needs (RFC 8257), and
//! accurate ECN (RFC 9768) by its ACE field.

use super::{
    info::segments,
    seq::SeqNum,
    wire::{Codepoint, Flags},
};

/// How much two ends tell each other of marks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(crate) enum Kind {
    /// Nothing.
    #[default]
    None,
    /// That there were some (RFC 3168).
    Classic,
    /// How many (RFC 9768).
    Accurate,
}

/// What to do about ECN (`net.ipv4.tcp_ecn`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Policy {
    /// What to ask a listener for.
    pub(crate) ask: Kind,
    /// The most to agree to as a listener.
    pub(crate) accept: Kind,
}

crate::tcp::log::choices!(Kind {
    None = 0,
    Classic = 1,
    Accurate = 2,
});
crate::tcp::log::fields!(Policy { ask, accept });

impl Policy {
    /// Neither.
    pub(crate) const OFF: Self = Self::new(Kind::None, Kind::None);
    /// Ask for it, and agree to it.
    pub(crate) const ASK: Self = Self::new(Kind::Classic, Kind::Classic);
    /// Agree to it: the default.
    pub(crate) const ACCEPT: Self = Self::new(Kind::None, Kind::Classic);
    /// Ask for the accurate kind, and agree to it.
    pub(crate) const ASK_ACCURATE: Self = Self::new(Kind::Accurate, Kind::Accurate);

    const fn new(ask: Kind, accept: Kind) -> Self {
        Self { ask, accept }
    }

    /// From the sysctl.
    pub(crate) fn from_sysctl(value: u8) -> Self {
        match value {
            0 => Self::OFF,
            1 => Self::ASK,
            3 => Self::ASK_ACCURATE,
            4 => Self::new(Kind::Classic, Kind::Accurate),
            5 => Self::new(Kind::None, Kind::Accurate),
            _ => Self::ACCEPT,
        }
    }
}

/// Both bits that negotiate ECN.
const SETUP: Flags = Flags::ECE.with(Flags::CWR);
/// r.cep and s.cep at the start (RFC 9768, 3.2.1).
const FIRST_COUNT: u8 = 5;

/// What the IP header of a SYN or SYN-ACK said, for the answer's ACE field (RFC 9768, 3.1.1, table
/// 2, and 3.2.2.1, table 3).
const fn reflection(codepoint: Codepoint) -> u8 {
    match codepoint {
        Codepoint::NotEct => 0b010,
        Codepoint::Ect1 => 0b011,
        Codepoint::Ect0 => 0b100,
        Codepoint::Ce => 0b110,
    }
}

/// What a packet tells the receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arrival {
    /// Nothing to do at once.
    Plain,
    /// The sender should know soon.
    Marked,
    /// The mark changed: what was received before has to be acknowledged with the old one first,
    /// and what is received now at once (RFC 8257, 3.2).
    Changed,
}

/// The state of a connection.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Ecn {
    /// What we asked for with our SYN.
    asked: Kind,
    /// What both sides agreed to.
    kind: Kind,
    /// Each ACK tells whether what it acknowledges was marked, no more (RFC 8257, 3.2).
    exact: bool,
    /// ECE goes on ACKs.
    echo: bool,
    /// Something with ECT arrived.
    seen: bool,
    /// CWR goes on the next new data.
    cwr: bool,
    /// r.cep: marked packets that arrived, modulo 8.
    arrived: u8,
    /// s.cep: marked packets that the peer reported, modulo 8.
    reported: u8,
    /// What the peer's SYN or SYN-ACK said, until that is told.
    reflect: Option<Codepoint>,
    /// Until that is acknowledged the window is not reduced for a mark again.
    point: Option<SeqNum>,
}

crate::tcp::log::fields!(Ecn {
    asked,
    kind,
    exact,
    echo,
    seen,
    cwr,
    arrived,
    reported,
    reflect,
    point,
});

impl Ecn {
    fn agreed(kind: Kind) -> Self {
        Self {
            kind,
            arrived: FIRST_COUNT,
            reported: FIRST_COUNT,
            ..Self::default()
        }
    }

    /// A SYN arrived at a listener that agrees to `accept` at most (RFC 3168, 6.1.1: an ECN-setup
    /// SYN; RFC 9768, 3.1.2).
    pub(crate) fn from_syn(accept: Kind, flags: Flags, codepoint: Codepoint) -> Self {
        let offered = match (flags.contains(SETUP), flags.contains(Flags::AE)) {
            (true, true) => Kind::Accurate,
            (true, false) => Kind::Classic,
            (false, _) => Kind::None,
        };
        Self {
            reflect: Some(codepoint),
            ..Self::agreed(offered.min(accept))
        }
    }

    /// The flags of our SYN. Not again if it had no answer: something on the way may drop it
    /// for the flags (RFC 3168, 6.1.1.1; RFC 9768, 3.1.4).
    pub(crate) fn syn_flags(&mut self, ask: Kind, again: bool) -> Flags {
        self.asked = if again { Kind::None } else { ask };
        match self.asked {
            Kind::None => Flags::default(),
            Kind::Classic => SETUP,
            Kind::Accurate => SETUP.with(Flags::AE),
        }
    }

    /// The flags of our SYN-ACK.
    pub(crate) fn syn_ack_flags(&self) -> Flags {
        match self.kind {
            Kind::None => Flags::default(),
            Kind::Classic => Flags::ECE,
            Kind::Accurate => {
                Flags::default().with_ace(reflection(self.reflect.unwrap_or_default()))
            }
        }
    }

    /// What the peer's SYN or SYN-ACK says, in SYN-SENT (RFC 9768, 3.1.2, table 2).
    pub(crate) fn on_syn(&mut self, flags: Flags, codepoint: Codepoint) {
        let asked = self.asked;
        if !flags.contains(Flags::ACK) {
            // Simultaneous open.
            *self = Self::from_syn(asked, flags, codepoint);
            return;
        }
        let kind = match (asked, flags.ace()) {
            (Kind::None, _) => Kind::None,
            (Kind::Accurate, 0b010 | 0b011 | 0b100 | 0b110) => Kind::Accurate,
            (_, 0b001 | 0b101) => Kind::Classic,
            // What reflects all that it got does not know ECN.
            _ => Kind::None,
        };
        *self = Self::agreed(kind);
        self.reflect = Some(codepoint);
        if codepoint == Codepoint::Ce {
            self.arrived = FIRST_COUNT.wrapping_add(1);
        }
    }

    /// The segment that completes the handshake of a listener's child (RFC 9768, 3.2.2.1).
    pub(crate) fn on_third_ack(&mut self, flags: Flags) {
        self.reflect = None;
        if self.kind != Kind::Accurate || flags.contains(Flags::SYN) {
            return;
        }
        match flags.ace() {
            // Something on the way clears the field.
            0 => self.kind = Kind::None,
            0b110 => self.reported = 0b110,
            _ => {}
        }
    }

    /// Whether both sides agreed.
    pub(crate) fn enabled(&self) -> bool {
        self.kind != Kind::None
    }

    /// Whether both sides agreed to the accurate kind.
    #[inline]
    pub(crate) fn is_accurate(&self) -> bool {
        self.kind == Kind::Accurate
    }

    /// Whether anything with ECT arrived.
    pub(crate) fn seen(&self) -> bool {
        self.seen
    }

    /// Chooses between the two ways to echo in the classic kind.
    pub(crate) fn set_exact(&mut self, exact: bool) {
        self.exact = exact;
    }

    /// An acceptable packet of `segments` segments arrived, with these flags and that in its IP
    /// header.
    pub(crate) fn on_packet(
        &mut self,
        flags: Flags,
        codepoint: Codepoint,
        segments: u32,
        has_data: bool,
    ) -> Arrival {
        self.seen |= self.enabled() && codepoint != Codepoint::NotEct;
        let marked = codepoint == Codepoint::Ce;
        match self.kind {
            Kind::Classic if has_data => self.on_data(flags, codepoint),
            Kind::Accurate if marked => {
                // RFC 9768, 3.2.2: every packet counts, only those with data are answered.
                self.arrived = self.arrived.wrapping_add((segments & 7) as u8) & 7;
                if has_data {
                    Arrival::Marked
                } else {
                    Arrival::Plain
                }
            }
            _ => Arrival::Plain,
        }
    }

    /// RFC 3168, 6.1.3: a mark is echoed until the sender says that it took notice.
    fn on_data(&mut self, flags: Flags, codepoint: Codepoint) -> Arrival {
        let marked = codepoint == Codepoint::Ce;
        if self.exact {
            // What carries no ECT (a retransmission) could not be marked, and tells nothing.
            if marked == self.echo || codepoint == Codepoint::NotEct {
                return Arrival::Plain;
            }
            self.echo = marked;
            return Arrival::Changed;
        }
        if flags.contains(Flags::CWR) {
            self.echo = false;
        }
        self.echo |= marked;
        Arrival::Plain
    }

    /// ECE or not, for an ACK in the classic kind.
    pub(crate) fn echo_flags(&self) -> Flags {
        if self.kind == Kind::Classic && self.echo {
            Flags::ECE
        } else {
            Flags::default()
        }
    }

    /// What goes on an ACK, with data or without, after the handshake.
    pub(crate) fn take_ack_flags(&mut self) -> Flags {
        if self.kind != Kind::Accurate {
            return self.echo_flags();
        }
        let ace = match self.reflect.take() {
            Some(codepoint) => reflection(codepoint),
            None => self.arrived,
        };
        Flags::default().with_ace(ace)
    }

    /// The flag and the codepoint of new data. Data that is sent again has neither (RFC 3168,
    /// 6.1.5).
    pub(crate) fn mark_data(&mut self) -> (Flags, Codepoint) {
        if !self.enabled() {
            return (Flags::default(), Codepoint::NotEct);
        }
        let flags = if core::mem::take(&mut self.cwr) {
            Flags::CWR
        } else {
            Flags::default()
        };
        (flags, Codepoint::Ect0)
    }

    /// An ACK by which `bytes` arrived, in segments of `mss`: how many of them were marked. ACKs
    /// that bring nothing new may be old, and their counters with them.
    pub(crate) fn on_ack(&mut self, flags: Flags, bytes: u32, mss: u32) -> u32 {
        match self.kind {
            Kind::Classic if flags.contains(Flags::ECE) && !flags.contains(Flags::SYN) => {
                bytes.max(1)
            }
            Kind::Accurate if bytes > 0 && !flags.contains(Flags::SYN) => {
                let more = flags.ace().wrapping_sub(self.reported) & 7;
                self.reported = flags.ace();
                if more == 0 {
                    return 0;
                }
                // RFC 9768, 3.2.2.5.1 and A.2.1: the counter may have wrapped; the safe guess is the most
                // that the segments allow.
                let segments = segments(bytes, mss).max(u32::from(more));
                let wraps = segments.saturating_sub(u32::from(more)) / 8;
                u32::from(more)
                    .saturating_add(wraps.saturating_mul(8))
                    .saturating_mul(mss)
                    .min(bytes)
            }
            _ => 0,
        }
    }

    /// Whether the window has to shrink for a mark that was reported with an ACK up to `una`. Once
    /// for what was in flight (RFC 3168, 6.1.2).
    pub(crate) fn may_reduce(&self, una: SeqNum) -> bool {
        // What was sent before the reduction ends at the point.
        self.enabled() && self.point.is_none_or(|point| una.after(point))
    }

    /// The window was reduced, for whatever reason, with SND.NXT at `nxt`.
    pub(crate) fn on_reduced(&mut self, nxt: SeqNum) {
        if self.enabled() {
            self.point = Some(nxt);
            self.cwr = self.kind == Kind::Classic;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: Flags = Flags::ACK;
    const NONE: Flags = Flags::from_bits(0);

    #[test]
    fn rfc3168_6_1_1_negotiation() {
        let syn_ack = Flags::SYN.with(Flags::ACK);
        for (asked, flags, enabled) in [
            (true, syn_ack.with(Flags::ECE), true),
            (true, syn_ack, false),
            // An old or broken peer reflects what it got.
            (true, syn_ack.with(SETUP), false),
            (false, syn_ack.with(Flags::ECE), false),
            // Simultaneous open.
            (true, Flags::SYN.with(SETUP), true),
            (true, Flags::SYN, false),
            (true, Flags::SYN.with(Flags::ECE), false),
        ] {
            let mut ecn = Ecn::default();
            let kind = if asked { Kind::Classic } else { Kind::None };
            let ours = ecn.syn_flags(kind, false);
            assert_eq!(ours, if asked { SETUP } else { NONE });
            ecn.on_syn(flags, Codepoint::NotEct);
            assert_eq!(ecn.enabled(), enabled, "{asked} {flags:?}");
        }
        // RFC 3168, 6.1.1.1: a SYN sent again does not ask, and an answer to the first is too late.
        let mut ecn = Ecn::default();
        ecn.syn_flags(Kind::Classic, false);
        assert_eq!(ecn.syn_flags(Kind::Classic, true), NONE);
        ecn.on_syn(syn_ack.with(Flags::ECE), Codepoint::NotEct);
        assert!(!ecn.enabled());
    }

    #[test]
    fn rfc3168_6_1_3_echo_until_cwr() {
        let mut ecn = Ecn::agreed(Kind::Classic);
        ecn.on_packet(DATA, Codepoint::Ect0, 1, true);
        assert_eq!(ecn.take_ack_flags(), NONE);
        ecn.on_packet(DATA, Codepoint::Ce, 1, true);
        ecn.on_packet(DATA, Codepoint::Ect0, 1, true);
        assert_eq!(ecn.take_ack_flags(), Flags::ECE);
        ecn.on_packet(DATA.with(Flags::CWR), Codepoint::Ect0, 1, true);
        assert_eq!(ecn.take_ack_flags(), NONE);
        // A segment with CWR that is itself marked.
        ecn.on_packet(DATA.with(Flags::CWR), Codepoint::Ce, 1, true);
        assert_eq!(ecn.take_ack_flags(), Flags::ECE);
        let mut off = Ecn::agreed(Kind::None);
        off.on_packet(DATA, Codepoint::Ce, 1, true);
        assert_eq!(off.take_ack_flags(), NONE);
        assert_eq!(off.mark_data(), (NONE, Codepoint::NotEct));
    }

    #[test]
    fn rfc3168_6_1_2_one_reduction_a_window() {
        let mut ecn = Ecn::agreed(Kind::Classic);
        assert_eq!(ecn.mark_data(), (NONE, Codepoint::Ect0));
        assert!(ecn.may_reduce(SeqNum::new(100)));
        ecn.on_reduced(SeqNum::new(500));
        assert_eq!(ecn.mark_data(), (Flags::CWR, Codepoint::Ect0));
        assert_eq!(ecn.mark_data(), (NONE, Codepoint::Ect0));
        assert!(!ecn.may_reduce(SeqNum::new(500)));
        assert!(ecn.may_reduce(SeqNum::new(501)));
    }

    #[test]
    fn rfc8257_3_2_exact_echo() {
        let mut ecn = Ecn::agreed(Kind::Classic);
        ecn.set_exact(true);
        assert_eq!(
            ecn.on_packet(DATA, Codepoint::Ect0, 1, true),
            Arrival::Plain
        );
        assert_eq!(
            ecn.on_packet(DATA, Codepoint::Ce, 1, true),
            Arrival::Changed
        );
        assert_eq!(ecn.take_ack_flags(), Flags::ECE);
        assert_eq!(ecn.on_packet(DATA, Codepoint::Ce, 1, true), Arrival::Plain);
        assert_eq!(
            ecn.on_packet(DATA, Codepoint::NotEct, 1, true),
            Arrival::Plain
        );
        assert_eq!(ecn.take_ack_flags(), Flags::ECE);
        assert_eq!(
            ecn.on_packet(DATA.with(Flags::CWR), Codepoint::Ect0, 1, true),
            Arrival::Changed
        );
        assert_eq!(ecn.take_ack_flags(), NONE);
    }

    /// RFC 9768, 3.1.2, table 2.
    #[test]
    fn rfc9768_3_1_2_negotiation() {
        for (ask, ace, kind) in [
            (Kind::Accurate, 0b000, Kind::None),
            (Kind::Accurate, 0b001, Kind::Classic),
            (Kind::Accurate, 0b010, Kind::Accurate),
            (Kind::Accurate, 0b011, Kind::Accurate),
            (Kind::Accurate, 0b100, Kind::Accurate),
            (Kind::Accurate, 0b101, Kind::Classic),
            (Kind::Accurate, 0b110, Kind::Accurate),
            (Kind::Accurate, 0b111, Kind::None),
            (Kind::Classic, 0b010, Kind::None),
            (Kind::Classic, 0b001, Kind::Classic),
        ] {
            let mut ecn = Ecn::default();
            ecn.syn_flags(ask, false);
            let flags = Flags::SYN.with(Flags::ACK).with_ace(ace);
            ecn.on_syn(flags, Codepoint::NotEct);
            assert_eq!(ecn.kind, kind, "{ask:?} {ace:03b}");
        }
        // The listener agrees to the lesser of what is asked and what it knows.
        for (accept, ace, kind) in [
            (Kind::Accurate, 0b111, Kind::Accurate),
            (Kind::Accurate, 0b011, Kind::Classic),
            (Kind::Classic, 0b111, Kind::Classic),
            (Kind::None, 0b111, Kind::None),
            (Kind::Accurate, 0b100, Kind::None),
        ] {
            let ecn = Ecn::from_syn(accept, Flags::SYN.with_ace(ace), Codepoint::NotEct);
            assert_eq!(ecn.kind, kind, "{accept:?} {ace:03b}");
        }
    }

    /// RFC 9768, 3.1.1 and 3.2.2.1: both say what happened to the other's SYN.
    #[test]
    fn rfc9768_3_2_2_1_the_handshake_is_reflected() {
        for (codepoint, ace) in [
            (Codepoint::NotEct, 0b010),
            (Codepoint::Ect1, 0b011),
            (Codepoint::Ect0, 0b100),
            (Codepoint::Ce, 0b110),
        ] {
            let server = Ecn::from_syn(Kind::Accurate, Flags::SYN.with_ace(0b111), codepoint);
            assert_eq!(server.syn_ack_flags().ace(), ace);
            let mut client = Ecn::default();
            client.syn_flags(Kind::Accurate, false);
            client.on_syn(Flags::SYN.with(Flags::ACK).with_ace(0b010), codepoint);
            assert_eq!(client.take_ack_flags().ace(), ace);
            let counter = if codepoint == Codepoint::Ce { 6 } else { 5 };
            assert_eq!(client.take_ack_flags().ace(), counter, "then the counter");
            let mut server = server;
            server.on_third_ack(DATA.with_ace(ace));
            assert_eq!(server.on_ack(DATA.with_ace(counter), 1000, 1000), 0);
            server.on_third_ack(DATA);
            assert_eq!(server.kind, Kind::None, "the field is cleared on the way");
        }
    }

    /// RFC 9768, 3.2.2 and A.2: packets are counted modulo 8.
    #[test]
    fn rfc9768_3_2_2_counting() {
        let mut receiver = Ecn::agreed(Kind::Accurate);
        let mut sender = Ecn::agreed(Kind::Accurate);
        let arrive = |ecn: &mut Ecn, n: u32| ecn.on_packet(DATA, Codepoint::Ce, n, true);
        assert_eq!(arrive(&mut receiver, 1), Arrival::Marked);
        assert_eq!(receiver.take_ack_flags().ace(), 6);
        assert_eq!(sender.on_ack(DATA.with_ace(6), 2_000, 1000), 1_000);
        assert_eq!(sender.on_ack(DATA.with_ace(6), 2_000, 1000), 0);
        arrive(&mut receiver, 4);
        assert_eq!(receiver.take_ack_flags().ace(), 2, "5 + 5 modulo 8");
        assert_eq!(
            sender.on_ack(DATA.with_ace(1), 0, 1000),
            0,
            "nothing new: may be old"
        );
        assert_eq!(sender.on_ack(DATA.with_ace(2), 4_000, 1000), 4_000);
        // Ten of twelve: two, or ten, and the latter is the safe guess.
        arrive(&mut receiver, 10);
        let flags = receiver.take_ack_flags();
        assert_eq!(sender.on_ack(flags, 12_000, 1000), 10_000);
        // Not more than what arrived.
        assert_eq!(
            sender.on_ack(DATA.with_ace(flags.ace() + 3), 1_000, 1000),
            1_000
        );
        // A pure ACK counts, and is not answered.
        assert_eq!(
            receiver.on_packet(DATA, Codepoint::Ce, 1, false),
            Arrival::Plain
        );
        assert_eq!(receiver.take_ack_flags().ace(), (flags.ace() + 1) & 7);
    }
}
