// SPDX-License-Identifier: GPL-2.0

//! Explicit congestion notification (RFC 3168), and the exact echo that DCTCP needs (RFC 8257).

use super::{
    seq::SeqNum,
    wire::{Codepoint, Flags},
};

/// What to do about ECN (`net.ipv4.tcp_ecn`).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Policy {
    /// Neither ask for it nor agree to it.
    Off,
    /// Ask for it, and agree to it.
    Ask,
    /// Agree to it.
    #[default]
    Accept,
}

impl Policy {
    /// From the sysctl. Its values 3 to 5 are about AccECN, which falls back to what is here.
    pub(crate) fn from_sysctl(value: u8) -> Self {
        match value {
            0 => Self::Off,
            1 | 3 | 4 => Self::Ask,
            _ => Self::Accept,
        }
    }
}

/// Both bits that negotiate ECN.
const SETUP: Flags = Flags::ECE.with(Flags::CWR);

/// Whether a SYN (without ACK) asks for ECN (RFC 3168, 6.1.1: an ECN-setup SYN).
pub(crate) fn is_setup_syn(flags: Flags) -> bool {
    flags.contains(SETUP)
}

/// Whether a SYN-ACK agrees (RFC 3168, 6.1.1: an ECN-setup SYN-ACK).
pub(crate) fn is_setup_syn_ack(flags: Flags) -> bool {
    flags.contains(Flags::ECE) && !flags.intersects(Flags::CWR)
}

/// What data tells the receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arrival {
    /// Nothing to do at once.
    Plain,
    /// The mark changed: what was received before has to be acknowledged with the old one first,
    /// and what is received now at once (RFC 8257, 3.2).
    Changed,
}

/// The state of a connection.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Ecn {
    /// We asked for it with our SYN.
    asked: bool,
    /// Both sides agreed.
    enabled: bool,
    /// Each ACK tells whether what it acknowledges was marked, no more (RFC 8257, 3.2).
    exact: bool,
    /// ECE goes on ACKs.
    echo: bool,
    /// Something with ECT arrived.
    seen: bool,
    /// CWR goes on the next new data.
    cwr: bool,
    /// Until that is acknowledged the window is not reduced for a mark again.
    point: Option<SeqNum>,
}

impl Ecn {
    /// The state of a connection whose handshake decided.
    pub(crate) fn agreed(enabled: bool) -> Self {
        Self {
            enabled,
            ..Self::default()
        }
    }

    /// The flags of our SYN. Not again if it had no answer: something on the way may drop it
    /// for the flags (RFC 3168, 6.1.1.1).
    pub(crate) fn syn_flags(&mut self, wanted: bool, again: bool) -> Flags {
        self.asked = wanted && !again;
        if self.asked {
            SETUP
        } else {
            Flags::default()
        }
    }

    /// The flags of our SYN-ACK.
    pub(crate) fn syn_ack_flags(&self) -> Flags {
        if self.enabled {
            Flags::ECE
        } else {
            Flags::default()
        }
    }

    /// What the peer's SYN or SYN-ACK says, in SYN-SENT.
    pub(crate) fn on_syn(&mut self, flags: Flags) {
        self.enabled = self.asked
            && if flags.contains(Flags::ACK) {
                is_setup_syn_ack(flags)
            } else {
                is_setup_syn(flags)
            };
    }

    /// Whether both sides agreed.
    pub(crate) fn enabled(&self) -> bool {
        self.enabled
    }

    /// Whether anything with ECT arrived.
    pub(crate) fn seen(&self) -> bool {
        self.seen
    }

    /// Chooses between the two ways to echo.
    pub(crate) fn set_exact(&mut self, exact: bool) {
        self.exact = exact;
    }

    /// Data arrived, with these flags and that in its IP header. RFC 3168, 6.1.3: a mark is echoed
    /// until the sender says that it took notice.
    pub(crate) fn on_data(&mut self, flags: Flags, codepoint: Codepoint) -> Arrival {
        if !self.enabled {
            return Arrival::Plain;
        }
        self.seen |= codepoint != Codepoint::NotEct;
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

    /// ECE or not, for an ACK.
    pub(crate) fn ack_flags(&self) -> Flags {
        if self.enabled && self.echo {
            Flags::ECE
        } else {
            Flags::default()
        }
    }

    /// The flag and the codepoint of new data. Data that is sent again has neither (RFC 3168,
    /// 6.1.5).
    pub(crate) fn mark_data(&mut self) -> (Flags, Codepoint) {
        if !self.enabled {
            return (Flags::default(), Codepoint::NotEct);
        }
        let flags = if core::mem::take(&mut self.cwr) {
            Flags::CWR
        } else {
            Flags::default()
        };
        (flags, Codepoint::Ect0)
    }

    /// An ACK up to `una` with ECE arrived: whether the window has to shrink for it. Once for
    /// what was in flight (RFC 3168, 6.1.2).
    pub(crate) fn on_echo(&mut self, una: SeqNum) -> bool {
        // What was sent before the reduction ends at the point.
        self.enabled && self.point.is_none_or(|point| una.after(point))
    }

    /// The window was reduced, for whatever reason, with SND.NXT at `nxt`.
    pub(crate) fn on_reduced(&mut self, nxt: SeqNum) {
        if self.enabled {
            self.point = Some(nxt);
            self.cwr = true;
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
            let ours = ecn.syn_flags(asked, false);
            assert_eq!(ours, if asked { SETUP } else { NONE });
            ecn.on_syn(flags);
            assert_eq!(ecn.enabled(), enabled, "{asked} {flags:?}");
        }
        // RFC 3168, 6.1.1.1: a SYN sent again does not ask, and an answer to the first is too late.
        let mut ecn = Ecn::default();
        ecn.syn_flags(true, false);
        assert_eq!(ecn.syn_flags(true, true), NONE);
        ecn.on_syn(syn_ack.with(Flags::ECE));
        assert!(!ecn.enabled());
    }

    #[test]
    fn rfc3168_6_1_3_echo_until_cwr() {
        let mut ecn = Ecn::agreed(true);
        ecn.on_data(DATA, Codepoint::Ect0);
        assert_eq!(ecn.ack_flags(), NONE);
        ecn.on_data(DATA, Codepoint::Ce);
        ecn.on_data(DATA, Codepoint::Ect0);
        assert_eq!(ecn.ack_flags(), Flags::ECE);
        ecn.on_data(DATA.with(Flags::CWR), Codepoint::Ect0);
        assert_eq!(ecn.ack_flags(), NONE);
        // A segment with CWR that is itself marked.
        ecn.on_data(DATA.with(Flags::CWR), Codepoint::Ce);
        assert_eq!(ecn.ack_flags(), Flags::ECE);
        let mut off = Ecn::agreed(false);
        off.on_data(DATA, Codepoint::Ce);
        assert_eq!(off.ack_flags(), NONE);
        assert_eq!(off.mark_data(), (NONE, Codepoint::NotEct));
    }

    #[test]
    fn rfc3168_6_1_2_one_reduction_a_window() {
        let mut ecn = Ecn::agreed(true);
        assert_eq!(ecn.mark_data(), (NONE, Codepoint::Ect0));
        assert!(ecn.on_echo(SeqNum::new(100)));
        ecn.on_reduced(SeqNum::new(500));
        assert_eq!(ecn.mark_data(), (Flags::CWR, Codepoint::Ect0));
        assert_eq!(ecn.mark_data(), (NONE, Codepoint::Ect0));
        assert!(!ecn.on_echo(SeqNum::new(500)));
        assert!(ecn.on_echo(SeqNum::new(501)));
    }

    #[test]
    fn rfc8257_3_2_exact_echo() {
        let mut ecn = Ecn::agreed(true);
        ecn.set_exact(true);
        assert_eq!(ecn.on_data(DATA, Codepoint::Ect0), Arrival::Plain);
        assert_eq!(ecn.on_data(DATA, Codepoint::Ce), Arrival::Changed);
        assert_eq!(ecn.ack_flags(), Flags::ECE);
        assert_eq!(ecn.on_data(DATA, Codepoint::Ce), Arrival::Plain);
        assert_eq!(ecn.on_data(DATA, Codepoint::NotEct), Arrival::Plain);
        assert_eq!(ecn.ack_flags(), Flags::ECE);
        assert_eq!(
            ecn.on_data(DATA.with(Flags::CWR), Codepoint::Ect0),
            Arrival::Changed
        );
        assert_eq!(ecn.ack_flags(), NONE);
    }
}
