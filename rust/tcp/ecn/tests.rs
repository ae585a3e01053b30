// SPDX-License-Identifier: GPL-2.0

//! Both kinds of ECN, and both halves of the accurate one.

use super::*;

const DATA: Flags = Flags::ACK;
const NONE: Flags = Flags::from_bits(0);
const POLICY: OptionPolicy = OptionPolicy {
    sending: Sending::Always,
    beacon: 3,
    fallback: true,
};

fn agreed(kind: Kind) -> Ecn {
    let opening = Opening {
        kind,
        ..Opening::default()
    };
    Ecn::from_opening(opening, POLICY)
}

fn ms(n: u64) -> Instant {
    Instant::from_nanos(n * 1_000_000)
}

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
        let ours = ecn.syn_flags(kind, 0);
        assert_eq!(ours, if asked { SETUP } else { NONE });
        ecn.on_syn(flags, Codepoint::NotEct, None);
        assert_eq!(ecn.enabled(), enabled, "{asked} {flags:?}");
    }
    // RFC 3168, 6.1.1.1: a SYN sent again does not ask, and an answer to the first is too late.
    let mut ecn = Ecn::default();
    ecn.syn_flags(Kind::Classic, 0);
    assert_eq!(ecn.syn_flags(Kind::Classic, 1), NONE);
    ecn.on_syn(syn_ack.with(Flags::ECE), Codepoint::NotEct, None);
    assert!(!ecn.enabled());
}

#[test]
fn rfc3168_6_1_3_echo_until_cwr() {
    let mut ecn = agreed(Kind::Classic);
    ecn.on_packet(DATA, Codepoint::Ect0, 1, 1_000, false);
    assert_eq!(ecn.take_ack_flags(true), NONE);
    ecn.on_packet(DATA, Codepoint::Ce, 1, 1_000, false);
    ecn.on_packet(DATA, Codepoint::Ect0, 1, 1_000, false);
    assert_eq!(ecn.take_ack_flags(true), Flags::ECE);
    ecn.on_packet(DATA.with(Flags::CWR), Codepoint::Ect0, 1, 1_000, false);
    assert_eq!(ecn.take_ack_flags(true), NONE);
    // A segment with CWR that is itself marked.
    ecn.on_packet(DATA.with(Flags::CWR), Codepoint::Ce, 1, 1_000, false);
    assert_eq!(ecn.take_ack_flags(true), Flags::ECE);
    let mut off = agreed(Kind::None);
    off.on_packet(DATA, Codepoint::Ce, 1, 1_000, false);
    assert_eq!(off.take_ack_flags(true), NONE);
    assert_eq!(off.mark(Outbound::Fresh), (NONE, Codepoint::NotEct));
}

#[test]
fn rfc3168_6_1_2_one_reduction_a_window() {
    let mut ecn = agreed(Kind::Classic);
    assert_eq!(ecn.mark(Outbound::Fresh), (NONE, Codepoint::Ect0));
    assert!(ecn.may_reduce(SeqNum::new(100)));
    ecn.on_reduced(SeqNum::new(500));
    assert_eq!(ecn.mark(Outbound::Fresh), (Flags::CWR, Codepoint::Ect0));
    assert_eq!(ecn.mark(Outbound::Fresh), (NONE, Codepoint::Ect0));
    assert!(!ecn.may_reduce(SeqNum::new(500)));
    assert!(ecn.may_reduce(SeqNum::new(501)));
}

#[test]
fn rfc8257_3_2_exact_echo() {
    let mut ecn = agreed(Kind::Classic);
    ecn.set_exact(true);
    assert_eq!(
        ecn.on_packet(DATA, Codepoint::Ect0, 1, 1_000, false),
        Arrival::Plain
    );
    assert_eq!(
        ecn.on_packet(DATA, Codepoint::Ce, 1, 1_000, false),
        Arrival::Changed
    );
    assert_eq!(ecn.take_ack_flags(true), Flags::ECE);
    assert_eq!(
        ecn.on_packet(DATA, Codepoint::Ce, 1, 1_000, false),
        Arrival::Plain
    );
    assert_eq!(
        ecn.on_packet(DATA, Codepoint::NotEct, 1, 1_000, false),
        Arrival::Plain
    );
    assert_eq!(ecn.take_ack_flags(true), Flags::ECE);
    assert_eq!(
        ecn.on_packet(DATA.with(Flags::CWR), Codepoint::Ect0, 1, 1_000, false),
        Arrival::Changed
    );
    assert_eq!(ecn.take_ack_flags(true), NONE);
}

fn accurate(flags: u8, codepoint: Codepoint) -> Opening {
    let flags = Flags::SYN.with_ace(flags);
    Opening::from_syn(Kind::Accurate, POLICY, flags, codepoint)
}

/// RFC 9768, 3.1.2, table 2; RFC 9768, 3.1.3: what is not used yet is as good as what is.
#[test]
fn rfc9768_3_1_2_negotiation() {
    for (ask, ace, kind) in [
        (Kind::Accurate, 0b000, Kind::None),
        (Kind::Accurate, 0b001, Kind::Classic),
        (Kind::Accurate, 0b010, Kind::Accurate),
        (Kind::Accurate, 0b011, Kind::Accurate),
        (Kind::Accurate, 0b100, Kind::Accurate),
        (Kind::Accurate, 0b101, Kind::Accurate),
        (Kind::Accurate, 0b110, Kind::Accurate),
        (Kind::Accurate, 0b111, Kind::None),
        (Kind::Classic, 0b010, Kind::None),
        (Kind::Classic, 0b001, Kind::Classic),
        (Kind::None, 0b001, Kind::None),
    ] {
        let mut ecn = Ecn::default();
        ecn.syn_flags(ask, 0);
        let flags = Flags::SYN.with(Flags::ACK).with_ace(ace);
        ecn.on_syn(flags, Codepoint::NotEct, None);
        assert_eq!(ecn.kind(), kind, "{ask:?} {ace:03b}");
    }
    // The listener agrees to the lesser of what is asked and what it knows.
    for (accept, ace, kind) in [
        (Kind::Accurate, 0b111, Kind::Accurate),
        (Kind::Accurate, 0b011, Kind::Classic),
        (Kind::Accurate, 0b000, Kind::None),
        (Kind::Accurate, 0b100, Kind::Accurate),
        (Kind::Accurate, 0b001, Kind::Accurate),
        (Kind::Classic, 0b111, Kind::Classic),
        (Kind::Classic, 0b100, Kind::None),
        (Kind::None, 0b111, Kind::None),
    ] {
        let flags = Flags::SYN.with_ace(ace);
        let opening = Opening::from_syn(accept, POLICY, flags, Codepoint::NotEct);
        assert_eq!(opening.kind, kind, "{accept:?} {ace:03b}");
    }
}

/// RFC 9768, 3.1.1 and 3.2.2.1: both say what happened to the other's SYN.
/// RFC 9768, 3.2.2.3: neither SYN had ECT, so what says otherwise tells of tampering, and
/// nothing is sent with ECT, while feedback goes on.
#[test]
fn rfc9768_3_2_2_1_the_handshake_is_reflected() {
    for (codepoint, ace) in [
        (Codepoint::NotEct, 0b010),
        (Codepoint::Ect1, 0b011),
        (Codepoint::Ect0, 0b100),
        (Codepoint::Ce, 0b110),
    ] {
        let opening = accurate(0b111, codepoint);
        assert_eq!(opening.syn_ack().0.ace(), ace);
        let server = Ecn::from_opening(opening, POLICY);
        let mut client = Ecn::default();
        client.syn_flags(Kind::Accurate, 0);
        let flags = Flags::SYN.with(Flags::ACK).with_ace(0b010);
        client.on_syn(flags, codepoint, None);
        assert!(client.wants_pure_ack());
        // What has data carries the counter.
        let mut other = client;
        let counter = if codepoint == Codepoint::Ce { 6 } else { 5 };
        assert_eq!(other.take_ack_flags(false).ace(), counter);
        assert_eq!(client.take_ack_flags(true).ace(), ace);
        assert_eq!(
            client.take_ack_flags(true).ace(),
            counter,
            "then the counter"
        );
        let mut server = server;
        let marked = server.on_third_ack(DATA.with_ace(ace), true, None);
        assert_eq!(marked, codepoint == Codepoint::Ce);
        assert_eq!(report(&mut server, counter, 1000), 0, "told already");
        let ect = server.mark(Outbound::Fresh).1;
        assert_eq!(ect == Codepoint::Ect0, codepoint == Codepoint::NotEct);
        assert_eq!(
            server.account().failed & fail::ACE_RECV != 0,
            ect != Codepoint::Ect0
        );
        assert!(server.is_accurate());
    }
    // Without the fallback that is nobody's business.
    let policy = OptionPolicy {
        fallback: false,
        ..POLICY
    };
    let mut server = Ecn::from_opening(accurate(0b111, Codepoint::NotEct), policy);
    server.on_third_ack(DATA.with_ace(0b110), true, None);
    assert_eq!(server.mark(Outbound::Fresh).1, Codepoint::Ect0);
    assert_eq!(server.account().delivered_ce, 1);
}

/// RFC 9768, 3.2.2.3, for the opener.
#[test]
fn rfc9768_3_2_2_3_a_syn_that_was_changed_on_the_way() {
    for (ace, intact) in [
        (0b010, true),
        (0b101, true),
        (0b011, false),
        (0b100, false),
        (0b110, false),
    ] {
        let mut ecn = Ecn::default();
        ecn.syn_flags(Kind::Accurate, 0);
        let flags = Flags::SYN.with(Flags::ACK).with_ace(ace);
        let marked = ecn.on_syn(flags, Codepoint::NotEct, None);
        assert_eq!(marked, ace == 0b110);
        // RFC 9768, 3.2.2.2: s.cep stays where it is.
        assert_eq!(ecn.account().delivered_ce, 0);
        assert_eq!(ecn.mark(Outbound::Fresh).1 == Codepoint::Ect0, intact);
    }
}

/// A report by which `bytes` arrived, in segments of 1000.
fn report(ecn: &mut Ecn, ace: u8, bytes: u32) -> u32 {
    report_with(ecn, ace, bytes, None)
}

fn report_with(ecn: &mut Ecn, ace: u8, bytes: u32, option: Option<AccEcn>) -> u32 {
    let feedback = Feedback {
        ace,
        option,
        delivered: bytes,
        segments: bytes.div_ceil(1000),
        most: bytes.div_ceil(1000),
        mss: 1000,
    };
    ecn.on_ack(DATA.with_ace(ace), false, &feedback)
}

fn counters(ect0: u32, ce: u32, ect1: u32) -> Option<AccEcn> {
    Some(AccEcn::new(
        crate::tcp::wire::accecn::Order::Ect0First,
        [ect0, ce, ect1],
        3,
    ))
}

/// RFC 9768, 3.2.2.1, note 1, and 3.2.2.4: an ACE field that is zero at first was cleared.
#[test]
fn rfc9768_3_2_2_4_a_cleared_field() {
    for pure in [false, true] {
        let mut ecn = Ecn::from_opening(accurate(0b111, Codepoint::NotEct), POLICY);
        ecn.on_third_ack(DATA, pure, None);
        assert_eq!(ecn.mark(Outbound::Fresh).1, Codepoint::NotEct);
        assert_eq!(report(&mut ecn, 3, 4000), 0, "not looked at");
        // The peer gets its feedback all the same.
        ecn.on_packet(DATA, Codepoint::Ce, 1, 100, false);
        assert_eq!(ecn.take_ack_flags(true).ace(), 6);
    }
    let mut client = Ecn::default();
    client.syn_flags(Kind::Accurate, 0);
    let flags = Flags::SYN.with(Flags::ACK).with_ace(0b010);
    client.on_syn(flags, Codepoint::NotEct, None);
    let mut fine = client;
    assert_eq!(report(&mut client, 0, 3000), 0);
    assert_eq!(client.mark(Outbound::Fresh).1, Codepoint::NotEct);
    // Only the first.
    assert_eq!(report(&mut fine, 5, 1000), 0);
    assert_eq!(report(&mut fine, 0, 3000), 3000, "5 + 3 modulo 8");
    assert_eq!(fine.mark(Outbound::Fresh).1, Codepoint::Ect0);
}

/// RFC 9768, 3.1.4.1: the second SYN asks again, the third does not; what is answered then
/// counts (3.1.5).
#[test]
fn rfc9768_3_1_4_1_syns_sent_again() {
    let mut ecn = Ecn::default();
    let asked = SETUP.with(Flags::AE);
    assert_eq!(ecn.syn_flags(Kind::Accurate, 0), asked);
    assert_eq!(ecn.syn_flags(Kind::Accurate, 1), asked);
    assert_eq!(ecn.syn_flags(Kind::Accurate, 2), NONE);
    assert_eq!(ecn.syn_flags(Kind::Accurate, 3), NONE);
    ecn.on_syn(
        Flags::SYN.with(Flags::ACK).with_ace(0b010),
        Codepoint::NotEct,
        None,
    );
    assert_eq!(ecn.kind(), Kind::Accurate);
    // An opener may send ECT in spite of it.
    assert_eq!(ecn.mark(Outbound::Fresh).1, Codepoint::Ect0);
}

/// RFC 9768, 3.1.4.2 and 3.2.3.2.2: the second SYN-ACK does without the option, the third without
/// the flags, and from then on nothing has ECT (3.1.5).
#[test]
fn rfc9768_3_2_3_2_2_syn_acks_sent_again() {
    let mut opening = accurate(0b111, Codepoint::NotEct);
    let (flags, option) = opening.syn_ack();
    assert_eq!((flags.ace(), option), (0b010, counters_first()));
    opening.on_timeout();
    let (flags, option) = opening.syn_ack();
    assert_eq!((flags.ace(), option), (0b010, None));
    let mut ecn = Ecn::from_opening(opening, POLICY);
    assert_eq!(ecn.mark(Outbound::Fresh).1, Codepoint::Ect0);
    opening.on_timeout();
    assert_eq!(opening.syn_ack(), (NONE, None));
    let mut ecn = Ecn::from_opening(opening, POLICY);
    assert!(ecn.is_accurate(), "the mode stays");
    assert_eq!(ecn.mark(Outbound::Fresh).1, Codepoint::NotEct);
    assert_eq!(ecn.account().failed, fail::ACE_SEND);
}

fn counters_first() -> Option<AccEcn> {
    let order = crate::tcp::wire::accecn::Order::Ect1First;
    Some(AccEcn::new(order, [1, 0, 1], 3))
}

/// RFC 9768, 3.1.5: the mode is that of the first SYN; the answer reflects the last one.
#[test]
fn rfc9768_3_1_5_other_syns() {
    let mut opening = accurate(0b111, Codepoint::Ect0);
    opening.on_syn_again(Flags::SYN.with_ace(0b111), Codepoint::NotEct);
    assert_eq!(opening.syn_ack(), (NONE.with_ace(0b010), None));
    assert!(!opening.plain);
    // A SYN that asks for nothing: accurate all the same, but no ECT.
    opening.on_syn_again(Flags::SYN, Codepoint::Ect1);
    assert_eq!(opening.syn_ack(), (NONE.with_ace(0b011), None));
    let mut ecn = Ecn::from_opening(opening, POLICY);
    assert_eq!(ecn.mark(Outbound::Fresh).1, Codepoint::NotEct);
    let mut opening = accurate(0b000, Codepoint::NotEct);
    opening.on_syn_again(Flags::SYN.with_ace(0b111), Codepoint::NotEct);
    assert_eq!(opening.syn_ack(), (NONE, None));
    // Both kinds in one handshake are a contradiction, for whoever knows both.
    for (first, second, reset) in [
        (0b111, 0b011, true),
        (0b011, 0b111, true),
        (0b111, 0b111, false),
        (0b111, 0b000, false),
        (0b000, 0b011, false),
    ] {
        let opening = accurate(first, Codepoint::NotEct);
        let flags = Flags::SYN.with_ace(second);
        assert_eq!(
            opening.contradicts(Kind::Accurate, flags),
            reset,
            "{first} {second}"
        );
        assert!(!opening.contradicts(Kind::Classic, flags));
    }
}

/// RFC 9768, 3.2.2 and A.2: packets are counted modulo 8.
#[test]
fn rfc9768_3_2_2_counting() {
    let mut receiver = agreed(Kind::Accurate);
    let mut sender = agreed(Kind::Accurate);
    let arrive = |ecn: &mut Ecn, n: u32| ecn.on_packet(DATA, Codepoint::Ce, n, 1, false);
    assert_eq!(arrive(&mut receiver, 1), Arrival::Marked);
    assert_eq!(receiver.take_ack_flags(true).ace(), 6);
    assert_eq!(report(&mut sender, 6, 2_000), 1_000);
    assert_eq!(report(&mut sender, 6, 2_000), 0);
    arrive(&mut receiver, 4);
    assert_eq!(receiver.take_ack_flags(true).ace(), 2, "5 + 5 modulo 8");
    assert_eq!(report(&mut sender, 1, 0), 0, "nothing new: may be old");
    assert_eq!(report(&mut sender, 2, 4_000), 4_000);
    // Ten of twelve: two, or ten, and the latter is the safe guess.
    arrive(&mut receiver, 10);
    let ace = receiver.take_ack_flags(true).ace();
    assert_eq!(report(&mut sender, ace, 12_000), 10_000);
    // Not more than what arrived.
    assert_eq!(report(&mut sender, ace.wrapping_add(3) & 7, 1_000), 1_000);
    assert_eq!(sender.account().delivered_ce, 18);
    assert_eq!(receiver.account().received_ce, 15);
}

/// RFC 9768, 3.2.2.5.2 and A.2.1: one ACK for nine segments among ACKs for one may hide eight
/// marks; where ACKs are for ten it does not. (Linux' packetdrill scripts have these figures.)
#[test]
fn rfc9768_3_2_2_5_2_prevailing_conditions() {
    let mut sender = agreed(Kind::Accurate);
    report(&mut sender, 5, 1_000);
    report(&mut sender, 5, 9_000);
    assert_eq!(sender.account().delivered_ce, 8);
    for (ace, marks) in [(5, 0), (6, 1), (4, 7)] {
        let mut sender = agreed(Kind::Accurate);
        report(&mut sender, ace, 10_000);
        assert_eq!(sender.account().delivered_ce, marks);
    }
}

/// RFC 9768, A.1: an ACK that brings nothing new counts if its timestamp is new.
#[test]
fn rfc9768_a_1_overtaken_reports() {
    let mut sender = agreed(Kind::Accurate);
    let feedback = Feedback {
        ace: 6,
        option: None,
        delivered: 0,
        segments: 0,
        most: 0,
        mss: 1000,
    };
    assert_eq!(sender.on_ack(DATA.with_ace(6), false, &feedback), 0);
    assert_eq!(sender.account().delivered_ce, 0);
    sender.on_ack(DATA.with_ace(6), true, &feedback);
    assert_eq!(sender.account().delivered_ce, 1);
    // A SYN has no counter.
    sender.on_ack(Flags::SYN.with(DATA).with_ace(7), true, &feedback);
    assert_eq!(sender.account().delivered_ce, 1);
}

/// RFC 9768, 3.2.2.5.1: marks on data are answered at once, those on other packets two or three
/// at a time.
#[test]
fn rfc9768_3_2_2_5_1_increment_triggered() {
    for (waits, enough) in [(true, 2), (false, 3)] {
        let mut ecn = agreed(Kind::Accurate);
        for n in 1..=2 * enough {
            let arrival = ecn.on_packet(DATA, Codepoint::Ce, 1, 0, waits);
            let answered = n % enough == 0;
            assert_eq!(arrival == Arrival::Marked, answered, "{waits} {n}");
            if answered {
                ecn.take_ack_flags(true);
            }
        }
        let arrival = ecn.on_packet(DATA, Codepoint::Ce, 1, 1, waits);
        assert_eq!(arrival, Arrival::Marked);
        let arrival = ecn.on_packet(DATA, Codepoint::Ect0, 1, 1, waits);
        assert_eq!(arrival, Arrival::Plain);
    }
}

/// An option that has room for everything.
fn told(ecn: &mut Ecn, now: Instant) -> Option<[Option<u32>; 3]> {
    ecn.plan(now, Duration::from_millis(30));
    let option = ecn.take_option(40, now)?;
    Some([option.ect0(), option.ce(), option.ect1()])
}

/// One whose peer sends options.
fn with_option(sending: Sending) -> Ecn {
    let policy = OptionPolicy { sending, ..POLICY };
    let mut ecn = Ecn::from_opening(accurate(0b111, Codepoint::NotEct), policy);
    ecn.on_third_ack(DATA.with_ace(0b010), true, counters(1, 0, 1));
    ecn
}

/// RFC 9768, 3.2 and 3.2.1: payload by codepoint, from 1, 0 and 1 on; Not-ECT counts nowhere, and
/// neither does what has no payload.
#[test]
fn rfc9768_3_2_1_byte_counters() {
    let mut ecn = with_option(Sending::Always);
    assert_eq!(told(&mut ecn, ms(1)), Some([Some(1), Some(0), Some(1)]));
    for (codepoint, len) in [
        (Codepoint::Ect0, 100),
        (Codepoint::Ect1, 20),
        (Codepoint::Ce, 3),
        (Codepoint::NotEct, 5000),
        (Codepoint::Ce, 0),
    ] {
        ecn.on_packet(DATA, codepoint, 1, len, false);
    }
    assert_eq!(told(&mut ecn, ms(1)), Some([Some(101), Some(3), Some(21)]));
    let account = ecn.account();
    assert_eq!(
        account.received,
        Bytes {
            ect1: 20,
            ce: 3,
            ect0: 100
        }
    );
    assert_eq!(account.received_ce, 2);
    // RFC 9768, 3.2.3.1: the low 24 bits.
    ecn.on_packet(DATA, Codepoint::Ect0, 1, 1 << 24, false);
    assert_eq!(told(&mut ecn, ms(1)), Some([Some(101), Some(3), Some(21)]));
}

/// RFC 9768, 3.2.3.3: what changed must not be left out, else the option is.
#[test]
fn rfc9768_3_2_3_3_necessary_length() {
    for (codepoint, needed) in [
        (Codepoint::NotEct, 1),
        (Codepoint::Ect1, 1),
        (Codepoint::Ce, 2),
        (Codepoint::Ect0, 3),
    ] {
        for (room, fit) in [(0, 0), (4, 0), (8, 2), (11, 2), (12, 3), (40, 3)] {
            let mut ecn = with_option(Sending::Always);
            ecn.on_packet(DATA, codepoint, 1, 9, false);
            ecn.plan(ms(1), Duration::ZERO);
            let option = ecn.take_option(room, ms(1));
            let expected = (fit >= needed).then_some(fit);
            assert_eq!(option.map(|o| o.count()), expected, "{codepoint:?} {room}");
        }
    }
}

/// RFC 9768, 3.2.3.3, sparingly: on two ACKs from a change of the codepoint on, while there are
/// marks, once in 2^22 bytes, and a few times a round trip.
#[test]
fn rfc9768_3_2_3_3_sparingly() {
    let mut ecn = with_option(Sending::Sparing);
    let mut now = 1000;
    let next = |ecn: &mut Ecn| told(ecn, ms(now)).is_some();
    assert!(next(&mut ecn), "the first");
    assert!(!next(&mut ecn));
    let packet = |ecn: &mut Ecn, codepoint: Codepoint, len| {
        ecn.on_packet(DATA, codepoint, 1, len, false);
    };
    packet(&mut ecn, Codepoint::Ect0, 10);
    packet(&mut ecn, Codepoint::Ect0, 10);
    assert!(next(&mut ecn), "changed");
    packet(&mut ecn, Codepoint::Ect0, 10);
    assert!(next(&mut ecn), "which one still grows");
    packet(&mut ecn, Codepoint::Ect0, 10);
    packet(&mut ecn, Codepoint::NotEct, 10);
    assert!(!next(&mut ecn), "no change");
    for _ in 0..5 {
        packet(&mut ecn, Codepoint::Ce, 10);
        assert!(next(&mut ecn), "marks");
    }
    assert!(next(&mut ecn));
    assert!(!next(&mut ecn));
    packet(&mut ecn, Codepoint::Ce, 0);
    assert!(!next(&mut ecn), "no payload, no change");
    packet(&mut ecn, Codepoint::Ect0, 10);
    assert!(next(&mut ecn) && next(&mut ecn) && !next(&mut ecn));
    packet(&mut ecn, Codepoint::Ect0, 1 << 22);
    assert!(next(&mut ecn), "before it wraps");
    assert!(!next(&mut ecn));
    // Three times in 30 ms.
    now += 9;
    assert!(told(&mut ecn, ms(now)).is_none());
    now += 1;
    assert!(told(&mut ecn, ms(now)).is_some());
    assert!(told(&mut ecn, ms(now)).is_none());
}

/// `tcp_ecn_option`: 0 none, 1 see above, 2 and 3 always.
#[test]
fn the_sysctl_chooses_when_the_option_is_sent() {
    for (option, first, later) in [(0, 0, 0), (1, 1, 0), (2, 1, 5), (3, 1, 5)] {
        let policy = OptionPolicy::from_sysctls(option, 3, true);
        let flags = Flags::SYN.with_ace(0b111);
        let opening = Opening::from_syn(Kind::Accurate, policy, flags, Codepoint::NotEct);
        assert_eq!(opening.syn_ack().1.is_some(), option != 0);
        let mut ecn = Ecn::from_opening(opening, policy);
        ecn.on_third_ack(DATA.with_ace(0b010), true, counters(1, 0, 1));
        let count = |ecn: &mut Ecn, n| (0..n).filter(|_| told(ecn, ms(1)).is_some()).count();
        // The clock stands still, so that no beacon is due.
        assert_eq!(count(&mut ecn, 1), first, "{option}");
        assert_eq!(count(&mut ecn, 5), later, "{option}");
    }
}

/// RFC 9768, 3.2.3.2.3 and 3.2.3.2.4: no option, an empty one, one whose counters were cleared.
#[test]
fn rfc9768_3_2_3_2_absent_and_cleared_options() {
    let order = crate::tcp::wire::accecn::Order::Ect1First;
    let first = |fields, len| Some(AccEcn::new(order, fields, len));
    for (option, seen, sends) in [
        (None, Seen::No, false),
        (first([0; 3], 0), Seen::Empty, true),
        (first([1, 0, 1], 3), Seen::Counters, true),
        (first([1, 0, 0], 2), Seen::Counters, true),
        (first([0, 0, 1], 3), Seen::Cleared, true),
        (first([1, 0, 0], 3), Seen::Cleared, true),
        // Other values than ours are welcome.
        (first([77, 5, 9], 3), Seen::Counters, true),
    ] {
        for opener in [false, true] {
            let mut ecn = Ecn::from_opening(accurate(0b111, Codepoint::NotEct), POLICY);
            if opener {
                ecn = Ecn::default();
                ecn.syn_flags(Kind::Accurate, 0);
                let flags = Flags::SYN.with(Flags::ACK).with_ace(0b010);
                ecn.on_syn(flags, Codepoint::NotEct, option);
            } else {
                ecn.on_third_ack(DATA.with_ace(0b010), true, option);
            }
            let account = ecn.account();
            assert_eq!(account.option, seen);
            assert_eq!(account.failed == fail::OPT_RECV, seen == Seen::Cleared);
            assert_eq!(told(&mut ecn, ms(1)).is_some(), sends, "{option:?}");
            // What comes later counts, unless the first was cleared.
            report_with(&mut ecn, 6, 1000, counters(1, 1000, 1));
            let counted = ecn.account().delivered.ce == 1000;
            assert_eq!(counted, seen != Seen::Cleared, "{option:?}");
            assert_eq!(ecn.account().delivered_ce, 1, "the field counts anyway");
        }
    }
}

/// RFC 9768, 3.2.3.2.2: ACKs with the option that don't arrive.
#[test]
fn rfc9768_3_2_3_2_2_data_that_always_comes_again() {
    let mut ecn = with_option(Sending::Always);
    let duplicate_of = |ecn: &mut Ecn, seq: u32| {
        ecn.on_duplicate(SeqNum::new(seq));
        ecn.plan(ms(1), Duration::ZERO);
        ecn.take_option(40, ms(1)).is_some()
    };
    let duplicate = |ecn: &mut Ecn| duplicate_of(ecn, 1);
    ecn.on_news();
    assert!(duplicate(&mut ecn), "by chance");
    for seq in 2..9 {
        assert!(duplicate_of(&mut ecn, seq), "others, all overtaken");
    }
    ecn.on_news();
    assert!(duplicate(&mut ecn));
    assert!(!duplicate(&mut ecn), "twice in a row");
    ecn.on_news();
    assert!(told(&mut ecn, ms(9000)).is_none(), "for good");
    assert_eq!(ecn.account().failed, fail::OPT_SEND);
    ecn.set_policy(OptionPolicy::from_sysctls(3, 3, true));
    assert!(told(&mut ecn, ms(9000)).is_some(), "unless told to");
}

/// RFC 9768, 3.2.3.2.2: the first data with the option that does not arrive.
#[test]
fn rfc9768_3_2_3_2_2_first_data_lost() {
    let mut lost = with_option(Sending::Always);
    lost.on_timeout(1);
    assert!(told(&mut lost, ms(1)).is_some(), "it had none");
    lost.on_left(true, true);
    let mut arrived = lost;
    lost.on_timeout(1);
    assert!(told(&mut lost, ms(1)).is_none());
    report(&mut arrived, 5, 1000);
    arrived.on_timeout(1);
    assert!(told(&mut arrived, ms(1)).is_some(), "the path takes it");
}

/// RFC 9768, 3.2.3.1 and A.2.2: counters that wrap, old ones, and how many packets were marked.
#[test]
fn rfc9768_3_2_3_1_what_the_peer_counts() {
    let mut ecn = with_option(Sending::Always);
    // Eight of ten, by the bytes, where the field alone says none.
    assert_eq!(
        report_with(&mut ecn, 5, 10_000, counters(2001, 8000, 1)),
        8000
    );
    assert_eq!(ecn.account().delivered_ce, 8);
    let delivered = Bytes {
        ect1: 0,
        ce: 8000,
        ect0: 2000,
    };
    assert_eq!(ecn.account().delivered, delivered);
    // None of ten, where the field alone may have wrapped.
    let mut plain = with_option(Sending::Always);
    report_with(&mut plain, 5, 1000, counters(1001, 0, 1));
    assert_eq!(report_with(&mut plain, 5, 9000, counters(10_001, 0, 1)), 0);
    assert_eq!(plain.account().delivered_ce, 0);
    // RFC 9768, A.2.2: two of 730 bytes, not ten of 146; fifteen if two can't be.
    assert_eq!(
        report_with(&mut plain, 7, 10_000, counters(18_541, 1460, 1)),
        1460
    );
    assert_eq!(plain.account().delivered_ce, 2);
    // An old one: nothing moves backwards.
    report_with(&mut plain, 7, 1000, counters(10_001, 0, 1));
    assert_eq!(plain.account().delivered.ce, 1460);
    // 24 bits wrap.
    let near = 0xff_fff0;
    let mut ecn = with_option(Sending::Always);
    report_with(&mut ecn, 5, 1000, counters(near >> 1, 0, 1));
    report_with(&mut ecn, 5, 1000, counters(near, 0, 1));
    report_with(&mut ecn, 5, 1000, counters(0x10, 0, 1));
    assert_eq!(ecn.account().delivered.ect0, near + 0x20 - 1);
}

/// RFC 9768, 3.2.3.2.5: marked bytes without marked packets were made up by the path.
#[test]
fn rfc9768_3_2_3_2_5_a_contradiction() {
    let mut ecn = with_option(Sending::Always);
    report_with(&mut ecn, 5, 2000, counters(1001, 1000, 1));
    assert_eq!(ecn.mark(Outbound::Fresh).1, Codepoint::NotEct);
    assert!(ecn.is_accurate());
    // Eight segments may have been marked.
    let mut ecn = with_option(Sending::Always);
    report_with(&mut ecn, 5, 9000, counters(1001, 8000, 1));
    assert_eq!(ecn.mark(Outbound::Fresh).1, Codepoint::Ect0);
}

/// RFC 9768, 3.2.3.2.5: it has to be certain how far the ACE field went. It is not after a report that
/// was not looked at: seven of our ACKs were marked, and then data.
#[test]
fn rfc9768_3_2_3_2_5_a_report_passed_over() {
    let mut ecn = with_option(Sending::Always);
    report_with(&mut ecn, 5, 1000, counters(1001, 0, 1));
    report_with(&mut ecn, 5 + 7 - 8, 0, counters(1001, 0, 1));
    report_with(&mut ecn, 5 + 8 - 8, 1000, counters(1001, 1000, 1));
    assert_eq!(ecn.mark(Outbound::Fresh).1, Codepoint::Ect0);
    assert_eq!(ecn.account().failed, 0);
    assert_eq!(ecn.account().delivered_ce, 8);
    // From here on it is certain again.
    report_with(&mut ecn, 5, 1000, counters(1001, 2000, 1));
    assert_eq!(ecn.mark(Outbound::Fresh).1, Codepoint::NotEct);
}

/// RFC 9768, 3.2.3.2.5: nor is it if there was no such report, because it was lost. What was sent
/// before data that was acknowledged a round trip ago is counted in what is known.
#[test]
fn rfc9768_3_2_3_2_5_marks_that_nobody_told() {
    for (aside, rounds, certain) in [
        (6, 0, true),
        (7, 0, false),
        (300, 0, false),
        (7, 1, false),
        (7, 2, true),
    ] {
        let mut ecn = with_option(Sending::Always);
        ecn.on_aside(aside);
        for round in 0..rounds {
            let una = SeqNum::new(1 + 1000 * round);
            ecn.end_round(una, una.add(999));
            // Part of a round ends none.
            ecn.end_round(una.add(999), una.add(2000));
        }
        report_with(&mut ecn, 5, 1000, counters(1001, 1000, 1));
        let trusted = ecn.mark(Outbound::Fresh).1 == Codepoint::Ect0;
        assert_eq!(trusted, !certain, "{aside} packets, {rounds} rounds ago");
    }
}

/// RFC 3168, 6.1.4 and 6.1.5; RFC 8311, 4.3: what takes part in ECN besides new data.
#[test]
fn rfc8311_4_3_what_takes_part() {
    let all = [Outbound::Fresh, Outbound::Again, Outbound::Control];
    for (kind, expected) in [
        (Kind::None, [false; 3]),
        (Kind::Classic, [true, false, false]),
        (Kind::Accurate, [true; 3]),
    ] {
        let mut ecn = agreed(kind);
        ecn.on_reduced(SeqNum::new(5));
        let marks = all.map(|what| ecn.mark(what));
        assert_eq!(marks.map(|(_, point)| point == Codepoint::Ect0), expected);
        // RFC 9768, 3.1.5: CWR is not for the accurate kind.
        let cwr = marks.iter().any(|(flags, _)| *flags != NONE);
        assert_eq!(cwr, kind == Kind::Classic);
    }
}

/// RFC 9768, A.2.2: marked bytes explain packets that were counted before, without an option, and tell
/// how often the field wrapped since.
#[test]
fn rfc9768_a_2_2_an_option_after_one_that_was_left_out() {
    let mut ecn = with_option(Sending::Always);
    assert_eq!(report(&mut ecn, 6, 1000), 1000);
    assert_eq!(report_with(&mut ecn, 6, 1000, counters(1001, 1000, 1)), 0);
    assert_eq!(ecn.account().delivered_ce, 1);
    assert_eq!(ecn.account().delivered.ce, 1000);
    assert_eq!(
        report_with(&mut ecn, 7, 1000, counters(1001, 2000, 1)),
        1000
    );
    assert_eq!(ecn.account().delivered_ce, 2);
    // Stretched ACKs; three marks, then 22 more, of which the field shows 6.
    let mut ecn = with_option(Sending::Always);
    report(&mut ecn, 5, 20_000);
    assert_eq!(report(&mut ecn, 0, 20_000), 3000);
    let option = counters(1001, 25_000, 1);
    assert_eq!(report_with(&mut ecn, 6, 22_000, option), 22_000);
    assert_eq!(ecn.account().delivered_ce, 25);
}
