// SPDX-License-Identifier: GPL-2.0

//! Explicit congestion notification (RFC 3168), the exact echo that DCTCP needs (RFC 8257), and
//! accurate ECN (RFC 9768) by its ACE field and its option.

mod receiver;
mod sender;
#[cfg(test)]
mod tests;

pub(crate) use receiver::Bytes;
pub(crate) use sender::{Feedback, Seen};

use super::{
    seq::SeqNum,
    time::{Duration, Instant},
    wire::{AccEcn, Codepoint, Flags},
};
use receiver::Receiver;
use sender::Sender;

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

/// When the AccECN option is sent (`net.ipv4.tcp_ecn_option`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(crate) enum Sending {
    /// Not at all, not with the handshake either.
    Never,
    /// When the rules of RFC 9768, 3.2.3.3, ask for it, and a few times a round trip.
    Sparing,
    /// With each segment that has room, unless such segments seem to be lost for it.
    #[default]
    Always,
    /// The same, even if they do.
    Stubborn,
}

/// `net.ipv4.tcp_ecn_option`, `tcp_ecn_option_beacon` and `tcp_ecn_fallback`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OptionPolicy {
    /// When the option is sent.
    pub(crate) sending: Sending,
    /// How often it is sent in a round trip if nothing asks for it, at least; 0: then never.
    pub(crate) beacon: u8,
    /// Do without ECN if it seems to be in the way, or is tampered with.
    pub(crate) fallback: bool,
}

crate::tcp::log::choices!(Sending {
    Never = 0,
    Sparing = 1,
    Always = 2,
    Stubborn = 3,
});
crate::tcp::log::fields!(OptionPolicy {
    sending,
    beacon,
    fallback,
});

impl Default for OptionPolicy {
    fn default() -> Self {
        Self {
            sending: Sending::default(),
            beacon: 3,
            fallback: true,
        }
    }
}

impl OptionPolicy {
    /// From the sysctls.
    pub(crate) fn from_sysctls(option: u8, beacon: u8, fallback: bool) -> Self {
        let sending = match option {
            0 => Sending::Never,
            1 => Sending::Sparing,
            2 => Sending::Always,
            _ => Sending::Stubborn,
        };
        Self {
            sending,
            beacon,
            fallback,
        }
    }
}

/// Both bits that negotiate ECN.
const SETUP: Flags = Flags::ECE.with(Flags::CWR);
/// r.cep and s.cep at the start (RFC 9768, 3.2.1).
const FIRST_COUNT: u32 = 5;
/// The ACE field of an answer to a packet of the handshake that came with CE.
const REFLECTED_CE: u8 = 0b110;

/// What the IP header of a SYN or SYN-ACK said, for the answer's ACE field (RFC 9768, 3.1.1, table
/// 2, and 3.2.2.1, table 3).
const fn reflection(codepoint: Codepoint) -> u8 {
    match codepoint {
        Codepoint::NotEct => 0b010,
        Codepoint::Ect1 => 0b011,
        Codepoint::Ect0 => 0b100,
        Codepoint::Ce => REFLECTED_CE,
    }
}

/// Whether that ACE field of an answer says that the ECN field of our SYN or SYN-ACK, which was
/// clear, was changed on the way (RFC 9768, 3.2.2.3).
const fn tells_of_change(ace: u8) -> bool {
    matches!(ace, 0b011 | 0b100 | REFLECTED_CE)
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

/// What goes out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outbound {
    /// Data for the first time.
    Fresh,
    /// Data again.
    Again,
    /// No data.
    Control,
}

/// What whoever answers a SYN remembers of it.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Opening {
    /// What both sides agreed to.
    kind: Kind,
    /// What the IP header of the last SYN said.
    said: Codepoint,
    /// SYN-ACKs that may not have arrived.
    unanswered: u8,
    /// A SYN came, or a SYN-ACK went, that knows nothing of ECN: nothing is sent with ECT
    /// (RFC 9768, 3.1.5).
    plain: bool,
    /// The first SYN-ACK has the AccECN option.
    option: bool,
    /// SYN-ACKs that are not answered are followed by others that do without ECN.
    fallback: bool,
}

crate::tcp::log::fields!(Opening {
    kind,
    said,
    unanswered,
    plain,
    option,
    fallback,
});

impl Opening {
    /// A SYN arrived at a listener that agrees to `accept` at most (RFC 3168, 6.1.1: an ECN-setup
    /// SYN; RFC 9768, 3.1.2 and 3.1.3).
    pub(crate) fn from_syn(
        accept: Kind,
        policy: OptionPolicy,
        flags: Flags,
        codepoint: Codepoint,
    ) -> Self {
        Self {
            kind: Self::offered(accept, flags).min(accept),
            said: codepoint,
            unanswered: 0,
            plain: false,
            option: policy.sending != Sending::Never,
            fallback: policy.fallback,
        }
    }

    /// What the flags of a SYN offer to whoever knows of `known` at most.
    fn offered(known: Kind, flags: Flags) -> Kind {
        match (known, flags.ace()) {
            (_, 0) => Kind::None,
            (_, 0b011) | (Kind::Classic, 0b111) => Kind::Classic,
            // RFC 9768, 3.1.3: what is not used yet is as good as what is.
            (Kind::Accurate, _) => Kind::Accurate,
            (Kind::None | Kind::Classic, _) => Kind::None,
        }
    }

    /// Whether both sides agreed to any kind.
    pub(crate) fn enabled(&self) -> bool {
        self.kind != Kind::None
    }

    /// Whether the SYN, sent again, asks for the other kind, for which the connection has to be
    /// reset (RFC 9768, 3.1.5).
    pub(crate) fn contradicts(&self, accept: Kind, flags: Flags) -> bool {
        let asks = Self::offered(accept, flags);
        accept == Kind::Accurate && asks != Kind::None && self.enabled() && asks != self.kind
    }

    /// The SYN came again: the answer was lost, or the option on it was in the way (RFC 9768, 3.1.5
    /// and 3.2.3.2.2).
    pub(crate) fn on_syn_again(&mut self, flags: Flags, codepoint: Codepoint) {
        self.said = codepoint;
        self.unanswered = self.unanswered.max(1);
        self.plain |= flags.ace() == 0;
    }

    /// A SYN-ACK was not answered in time, and will be sent again (RFC 9768, 3.2.3.2.2).
    pub(crate) fn on_timeout(&mut self) {
        self.unanswered = self.unanswered.saturating_add(1);
        self.plain |= self.gives_up();
    }

    /// The next SYN-ACK does without the flags.
    fn gives_up(&self) -> bool {
        self.fallback && self.kind == Kind::Accurate && self.unanswered > 1
    }

    /// The flags of the SYN-ACK, and its option.
    pub(crate) fn syn_ack(&self) -> (Flags, Option<AccEcn>) {
        match self.kind {
            Kind::None => (Flags::default(), None),
            Kind::Classic => (Flags::ECE, None),
            Kind::Accurate if self.gives_up() => (Flags::default(), None),
            Kind::Accurate => {
                let option = self.option && self.unanswered == 0;
                (
                    Flags::default().with_ace(reflection(self.said)),
                    option.then(receiver::first_option),
                )
            }
        }
    }

    /// The flags of an ACK that is sent before there is a connection, which has counted nothing.
    pub(crate) fn ack_flags(&self) -> Flags {
        match self.kind {
            Kind::Accurate => Flags::default().with_ace((FIRST_COUNT & 7) as u8),
            Kind::None | Kind::Classic => Flags::default(),
        }
    }
}

/// What TCP_INFO tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    /// What our SYN asked for.
    pub(crate) asked: Kind,
    /// What both sides agreed to.
    pub(crate) kind: Kind,
    /// A packet with ECT arrived.
    pub(crate) seen: bool,
    /// Marked packets that the peer reported, and that arrived.
    pub(crate) delivered_ce: u32,
    /// See above.
    pub(crate) received_ce: u32,
    /// Bytes that the peer reported, by codepoint, and that arrived.
    pub(crate) delivered: Bytes,
    /// See above.
    pub(crate) received: Bytes,
    /// What was seen of the peer's options.
    pub(crate) option: Seen,
    /// What does not work, as the bits of `tcpi_accecn_fail_mode`.
    pub(crate) failed: u8,
}

/// `tcpi_accecn_fail_mode`.
mod fail {
    /// SYN-ACKs with the flags were not answered.
    pub(super) const ACE_SEND: u8 = 1;
    /// The peer's ACE field was cleared, or tells of tampering.
    pub(super) const ACE_RECV: u8 = 2;
    /// What carries our option is lost.
    pub(super) const OPT_SEND: u8 = 4;
    /// The peer's option was cleared.
    pub(super) const OPT_RECV: u8 = 8;
}

/// The state of a connection.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Ecn {
    /// What we asked for with our SYN.
    asked: Kind,
    /// What both sides agreed to, and how.
    opening: Opening,
    /// When the option is sent.
    policy: OptionPolicy,
    /// Each ACK tells whether what it acknowledges was marked, no more (RFC 8257, 3.2).
    exact: bool,
    /// ECE goes on ACKs.
    echo: bool,
    /// Something with ECT arrived.
    seen: bool,
    /// CWR goes on the next new data.
    cwr: bool,
    /// Nothing is sent with ECT.
    mute: bool,
    /// What the peer reports is not looked at.
    deaf: bool,
    /// The peer's ACE field told of tampering.
    tampered: bool,
    /// The next report is the first one.
    unreported: bool,
    /// What the peer's SYN-ACK said, until that is told.
    reflect: Option<Codepoint>,
    /// Until that is acknowledged the window is not reduced for a mark again.
    point: Option<SeqNum>,
    receiver: Receiver,
    sender: Sender,
    /// The next header has the option, if there is room.
    due: bool,
    /// It answers this, which came twice.
    repeated: Option<SeqNum>,
}

impl Ecn {
    /// Of whoever answered a SYN.
    pub(crate) fn from_opening(opening: Opening, policy: OptionPolicy) -> Self {
        let mut ecn = Self {
            opening,
            policy,
            mute: opening.plain,
            ..Self::default()
        };
        // RFC 9768, 3.2.3.2.1 asks that of the opener: its counterpart does so too.
        ecn.receiver.owe(1);
        ecn
    }

    fn kind(&self) -> Kind {
        self.opening.kind
    }

    /// When the option is sent.
    pub(crate) fn policy(&self) -> OptionPolicy {
        self.policy
    }

    /// From now on the option is sent by these rules.
    pub(crate) fn set_policy(&mut self, policy: OptionPolicy) {
        self.policy = policy;
    }

    /// The flags of our SYN, which was sent `retries` times before. If it has no answer, something
    /// on the way may drop it for the flags (RFC 3168, 6.1.1.1; RFC 9768, 3.1.4.1).
    pub(crate) fn syn_flags(&mut self, ask: Kind, retries: u8) -> Flags {
        let again = retries > 0 && self.policy.fallback;
        match ask {
            // An answer to the SYN before is too late then.
            Kind::Classic if again => self.asked = Kind::None,
            _ => self.asked = ask,
        }
        match self.asked {
            Kind::None => Flags::default(),
            Kind::Classic => SETUP,
            // One attempt more; what is answered then counts, whichever SYN it answers.
            Kind::Accurate if again && retries > 1 => Flags::default(),
            Kind::Accurate => SETUP.with(Flags::AE),
        }
    }

    /// The flags of our SYN-ACK where there is a connection already, and its option.
    pub(crate) fn syn_ack(&self) -> (Flags, Option<AccEcn>) {
        self.opening.syn_ack()
    }

    /// That SYN-ACK was not answered in time.
    pub(crate) fn on_syn_ack_timeout(&mut self) {
        self.opening.on_timeout();
        self.mute |= self.opening.plain;
    }

    /// The SYN that it answers came again.
    pub(crate) fn on_syn_again(&mut self, flags: Flags, codepoint: Codepoint) {
        self.opening.on_syn_again(flags, codepoint);
        self.mute |= self.opening.plain;
    }

    /// What the peer's SYN or SYN-ACK says, in SYN-SENT (RFC 9768, 3.1.2, table 2). Gives whether
    /// our SYN was marked.
    pub(crate) fn on_syn(
        &mut self,
        flags: Flags,
        codepoint: Codepoint,
        option: Option<AccEcn>,
    ) -> bool {
        let asked = self.asked;
        if !flags.contains(Flags::ACK) {
            // Simultaneous open: as if we had listened (RFC 9768, 3.1.2).
            self.opening = Opening::from_syn(asked, self.policy, flags, codepoint);
            self.receiver.owe(1);
            return false;
        }
        let ace = flags.ace();
        self.opening.kind = match (asked, ace) {
            (Kind::None, _) => Kind::None,
            (_, 0b001) | (Kind::Classic, 0b101) => Kind::Classic,
            // What reflects all that it got does not know ECN.
            (_, 0 | 0b111) | (Kind::Classic, _) => Kind::None,
            // RFC 9768, 3.1.3: 0b101 is not used yet, and confirms all the same.
            (Kind::Accurate, _) => Kind::Accurate,
        };
        if self.kind() != Kind::Accurate {
            return false;
        }
        self.reflect = Some(codepoint);
        self.unreported = true;
        if codepoint == Codepoint::Ce {
            // Once, whatever else comes with a mark (RFC 9768, 3.2.2.2).
            self.receiver.packets = FIRST_COUNT.wrapping_add(1);
        }
        // RFC 9768, 3.2.3.2.1: on the last ACK of the handshake and on the first data.
        self.receiver.owe(2);
        self.sender.on_first_option(option);
        self.judge_reflection(ace);
        ace == REFLECTED_CE
    }

    /// The SYN-ACK came again in a later state: its pure ACK reflects that one (RFC 9768, 3.2.2.1).
    pub(crate) fn on_syn_ack_again(&mut self, codepoint: Codepoint, seq: SeqNum) {
        if self.is_accurate() && self.asked == Kind::Accurate {
            self.reflect = Some(codepoint);
            self.receiver.owe(1);
            // The ACK of the last one may have been lost for its option.
            self.on_duplicate(seq);
        }
    }

    /// The segment that completes the handshake of a listener's child: `pure` if it has neither
    /// data nor SACK blocks (RFC 9768, 3.2.2.1, table 4). Gives whether our SYN-ACK was marked.
    pub(crate) fn on_third_ack(
        &mut self,
        flags: Flags,
        pure: bool,
        option: Option<AccEcn>,
    ) -> bool {
        if !self.is_accurate() || flags.contains(Flags::SYN) {
            return false;
        }
        self.sender.on_first_option(option);
        let ace = flags.ace();
        if ace == 0 {
            self.disbelieve();
            return false;
        }
        if !pure {
            // It is the counter then, which the next ACK has as well.
            return false;
        }
        self.judge_reflection(ace);
        if ace == REFLECTED_CE {
            self.sender.packets = FIRST_COUNT.wrapping_add(1);
        }
        ace == REFLECTED_CE
    }

    /// These flags with the ACE field of a peer that reports nothing new.
    pub(crate) fn without_report(&self, flags: Flags) -> Flags {
        let count = (self.sender.packets & 7) as u8;
        flags.without(Flags::ACE).with_ace(count)
    }

    /// RFC 9768, 3.2.2.3: a path that changes the ECN field of what does not take part in ECN is not
    /// to be trusted with what does.
    fn judge_reflection(&mut self, ace: u8) {
        if self.policy.fallback && tells_of_change(ace) {
            self.mute = true;
            self.tampered = true;
        }
    }

    /// The ACE field is cleared on the way, or the peer is not in this mode (RFC 9768, 3.2.2.1 note
    /// 1, and 3.2.2.4).
    fn disbelieve(&mut self) {
        self.mute = true;
        self.deaf = true;
        self.tampered = true;
    }

    /// Whether both sides agreed.
    pub(crate) fn enabled(&self) -> bool {
        self.opening.enabled()
    }

    /// Whether both sides agreed to the accurate kind.
    #[inline]
    pub(crate) fn is_accurate(&self) -> bool {
        self.kind() == Kind::Accurate
    }

    /// Whether anything with ECT arrived.
    pub(crate) fn seen(&self) -> bool {
        self.seen
    }

    /// Chooses between the two ways to echo in the classic kind.
    pub(crate) fn set_exact(&mut self, exact: bool) {
        self.exact = exact;
    }

    /// A segment of so many packets with `len` bytes of payload arrived and is acceptable, with these
    /// flags and that in each IP header. `waits`: something has to be acknowledged anyway.
    pub(crate) fn on_packet(
        &mut self,
        flags: Flags,
        codepoint: Codepoint,
        packets: u32,
        len: u32,
        waits: bool,
    ) -> Arrival {
        self.seen |= self.enabled() && codepoint != Codepoint::NotEct;
        match self.kind() {
            Kind::Classic if len > 0 => {
                self.receiver.count(codepoint, packets, len);
                self.on_data(flags, codepoint)
            }
            // RFC 9768, 3.2: every packet counts.
            Kind::Accurate => self.receiver.on_packet(codepoint, packets, len, waits),
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

    /// Data came that was not there before.
    pub(crate) fn on_news(&mut self) {
        self.receiver.on_news();
    }

    /// Data came, or a FIN, that was there, beginning with `seq`.
    pub(crate) fn on_duplicate(&mut self, seq: SeqNum) {
        self.receiver.on_duplicate(seq);
        self.repeated = Some(seq);
    }

    /// The retransmission timer of data or a FIN expired, so many `times` in a row.
    pub(crate) fn on_timeout(&mut self, times: u8) {
        self.receiver.on_timeout(times);
    }

    /// Data or a FIN went out, with the option or without; `first`: before all that is out.
    pub(crate) fn on_left(&mut self, with_option: bool, first: bool) {
        self.receiver.on_left(with_option, first);
    }

    /// Headers are about to be made: whether they have the option, if there is room. `srtt`: zero if
    /// it is not known. What the peer does not send it hardly understands, or the path eats it: as
    /// in Linux it gets none (RFC 9768, 3.2.3.2.3 would rather have it tried).
    pub(crate) fn plan(&mut self, now: Instant, srtt: Duration) {
        self.due = self.is_accurate()
            && self.sender.seen != Seen::No
            && self.receiver.is_due(self.policy, now, srtt);
    }

    /// Whether the next header has the option, if there is room.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.due
    }

    /// Whether data segments have the option as a rule.
    pub(crate) fn is_steady(&self) -> bool {
        self.due && self.policy.sending >= Sending::Always
    }

    /// The option for a header that has `room` bytes for it.
    pub(crate) fn take_option(&mut self, room: usize, now: Instant) -> Option<AccEcn> {
        let answers = core::mem::take(&mut self.repeated);
        if !self.due {
            return None;
        }
        self.receiver.take_option(room, now, answers)
    }

    /// The counter in its field, for who answers in the connection's place.
    pub(crate) fn count_flags(&self) -> Flags {
        if self.is_accurate() {
            Flags::default().with_ace((self.receiver.packets & 7) as u8)
        } else {
            Flags::default()
        }
    }

    /// ECE or not, for an ACK in the classic kind.
    pub(crate) fn echo_flags(&self) -> Flags {
        if self.kind() == Kind::Classic && self.echo {
            Flags::ECE
        } else {
            Flags::default()
        }
    }

    /// Whether a counter of bytes changed that did not change before, which the next ACKs tell of (RFC
    /// 9768, 3.2.3.3: at once).
    pub(crate) fn owes_counters(&self) -> bool {
        self.is_accurate() && self.receiver.owes()
    }

    /// Whether the next ACK has to be a pure one, which alone can tell what the SYN-ACK came with
    /// (RFC 9768, 3.2.2.1).
    pub(crate) fn wants_pure_ack(&self) -> bool {
        self.reflect.is_some()
    }

    /// What goes on an ACK, with data or without, after the handshake. `pure`: it has neither data
    /// nor SACK blocks.
    pub(crate) fn take_ack_flags(&mut self, pure: bool) -> Flags {
        if self.kind() != Kind::Accurate {
            return self.echo_flags();
        }
        let count = self.receiver.take_count();
        let ace = match self.reflect.take().filter(|_| pure) {
            Some(codepoint) => reflection(codepoint),
            None => count,
        };
        Flags::default().with_ace(ace)
    }

    /// The codepoint of what goes out, and the flag of new data.
    ///
    /// In the classic kind neither retransmissions nor what has no data takes part in ECN (RFC 3168,
    /// 6.1.4 and 6.1.5). With the accurate kind both do, as in Linux: RFC 8311, 4.3, allows that as
    /// an experiment.
    pub(crate) fn mark(&mut self, what: Outbound) -> (Flags, Codepoint) {
        let takes_part = match self.kind() {
            Kind::None => false,
            Kind::Classic => what == Outbound::Fresh,
            Kind::Accurate => !self.mute,
        };
        if !takes_part {
            return (Flags::default(), Codepoint::NotEct);
        }
        let flags = if what == Outbound::Fresh && core::mem::take(&mut self.cwr) {
            Flags::CWR
        } else {
            Flags::default()
        };
        (flags, Codepoint::Ect0)
    }

    /// An ACK with these flags: how many of the bytes that arrived by it were marked. `fresh`: it is
    /// a new one by its timestamp. ACKs that bring nothing new may be old, and their counters with
    /// them (RFC 9768, A.1).
    pub(crate) fn on_ack(&mut self, flags: Flags, fresh: bool, feedback: &Feedback) -> u32 {
        if flags.contains(Flags::SYN) {
            return 0;
        }
        let delivered = feedback.delivered;
        match self.kind() {
            Kind::Classic if flags.contains(Flags::ECE) => {
                self.sender.packets = self.sender.packets.wrapping_add(feedback.segments);
                delivered.max(1)
            }
            Kind::Accurate if (delivered > 0 || fresh) && !self.deaf => {
                if core::mem::take(&mut self.unreported) && feedback.ace == 0 {
                    self.disbelieve();
                    return 0;
                }
                if delivered > 0 {
                    self.receiver.on_delivered();
                }
                let told = self.sender.on_ack(feedback);
                // RFC 9768, 3.2.3.2.5.
                self.mute |= told.mangled;
                self.tampered |= told.mangled;
                told.bytes
            }
            Kind::Accurate => {
                self.sender.pass_over();
                0
            }
            _ => 0,
        }
    }

    /// So many packets without data, or with data that was sent before, go out with ECT.
    pub(crate) fn on_aside(&mut self, packets: u32) {
        self.sender.on_aside(packets);
    }

    /// An ACK was looked at, after which SND.UNA and SND.NXT are these.
    pub(crate) fn end_round(&mut self, una: SeqNum, nxt: SeqNum) {
        self.sender.end_round(una, nxt);
    }

    /// Whether the window has to shrink for a mark that was reported with an ACK up to `una`. Once
    /// for what was in flight (RFC 3168, 6.1.2).
    pub(crate) fn may_reduce(&self, una: SeqNum) -> bool {
        self.enabled() && !self.was_reduced(una)
    }

    /// Whether the window was reduced for what is out, with SND.UNA at `una`; with ECN or without.
    pub(crate) fn was_reduced(&self, una: SeqNum) -> bool {
        // What was sent before the reduction ends at the point.
        self.point.is_some_and(|point| !una.after(point))
    }

    /// Whether the data at `una` was sent before the window was reduced; with ECN or without. (At the point itself,
    /// where [`Self::was_reduced`] still holds, new data begins.)
    pub(crate) fn predates_reduction(&self, una: SeqNum) -> bool {
        self.point.is_some_and(|point| una.before(point))
    }

    /// The reduction was a mistake, and is taken back: the next mark is of a window that was not reduced.
    pub(crate) fn on_undone(&mut self) {
        (self.point, self.cwr) = (None, false);
    }

    /// SND.UNA moved: half of the circle later the point of a reduction would seem to lie ahead.
    pub(crate) fn pass(&mut self, una: SeqNum) {
        self.point = self.point.filter(|point| !una.after(*point));
    }

    /// The window was reduced, for whatever reason, with SND.NXT at `nxt`.
    pub(crate) fn on_reduced(&mut self, nxt: SeqNum) {
        self.point = Some(nxt);
        if self.enabled() {
            self.cwr = self.kind() == Kind::Classic;
        }
    }

    /// What TCP_INFO tells.
    pub(crate) fn account(&self) -> Account {
        let mut failed = 0;
        for (has, bit) in [
            (self.opening.gives_up(), fail::ACE_SEND),
            (self.tampered, fail::ACE_RECV),
            (self.receiver.failed, fail::OPT_SEND),
            (self.sender.seen == Seen::Cleared, fail::OPT_RECV),
        ] {
            if has {
                failed |= bit;
            }
        }
        Account {
            asked: self.asked,
            kind: self.kind(),
            seen: self.seen,
            delivered_ce: self.sender.packets.wrapping_sub(FIRST_COUNT),
            received_ce: self.receiver.packets.wrapping_sub(FIRST_COUNT),
            delivered: self.sender.bytes.since_first(),
            received: self.receiver.bytes.since_first(),
            option: self.sender.seen,
            failed,
        }
    }
}
