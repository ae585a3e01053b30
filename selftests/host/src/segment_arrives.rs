// SPDX-License-Identifier: GPL-2.0

//! RFC 9293, section 3.10.7, "SEGMENT ARRIVES": a function for each of its steps, a row for each
//! case. RFC 5961 changes what RST and SYN do, and limits which ACKs are believed.

use crate::raw::*;
use crate::tcp::{
    connection::{reset_for, CloseReason, Events},
    handshake::{on_listen_segment, OnListen},
    seq::SeqNum,
    state::ConnState::{self, *},
    time::Duration,
    wire::{Flags, Header, Options, Segment},
};

fn segment(flags: Flags, seq: u32, ack: u32, len: u32) -> Segment {
    let (seq, ack) = (SeqNum::new(seq), SeqNum::new(ack));
    Segment {
        header: Header {
            flags,
            seq,
            ack,
            ..Header::default()
        },
        payload_len: len,
        ..Segment::default()
    }
}

/// All states that [`Raw`] can be put into after the handshake; RCV.NXT and SND.NXT in each.
pub(crate) fn synchronized() -> Vec<(Raw, ConnState, u32, u32)> {
    vec![
        (Raw::established(), Established, 1, 1),
        (Raw::fin_wait_1(), FinWait1, 1, 2),
        (Raw::fin_wait_2(), FinWait2, 1, 2),
        (Raw::close_wait(), CloseWait, 2, 1),
        (Raw::closing(), Closing, 2, 2),
        (Raw::last_ack(), LastAck, 2, 2),
    ]
}

#[test]
fn rfc9293_3_10_7_1_closed() {
    // (case, segment, the RST's flags, SEQ and ACK)
    for (case, seg, expected) in [
        ("RST is ignored", segment(RST, 5, 0, 0), None),
        ("RST with ACK is ignored", segment(RST_ACK, 5, 9, 0), None),
        (
            "no ACK: SEQ=0, ACK=SEG.SEQ+SEG.LEN",
            segment(SYN, 5, 0, 0),
            Some((RST_ACK, 0, 6)),
        ),
        (
            "length counts data and FIN",
            segment(Flags::FIN, 5, 0, 10),
            Some((RST_ACK, 0, 16)),
        ),
        ("ACK: SEQ=SEG.ACK", segment(ACK, 5, 9, 3), Some((RST, 9, 0))),
        (
            "SYN-ACK: SEQ=SEG.ACK",
            segment(SYN_ACK, 5, 9, 0),
            Some((RST, 9, 0)),
        ),
    ] {
        let reply = reset_for(&seg).map(|h| (h.flags, h.seq.raw(), h.ack.raw()));
        assert_eq!(reply, expected, "{case}");
    }
}

#[test]
fn rfc9293_3_10_7_2_listen() {
    for (case, seg, expected) in [
        ("first: RST is ignored", segment(RST, 5, 0, 0), "drop"),
        ("second: any ACK is bad", segment(ACK, 5, 9, 0), "reset"),
        ("second: SYN-ACK is bad", segment(SYN_ACK, 5, 9, 0), "reset"),
        ("third: SYN", segment(SYN, 5, 0, 0), "syn"),
        ("third: SYN with data", segment(SYN, 5, 0, 20), "syn"),
        (
            "fourth: data without ACK",
            segment(Flags::PSH, 5, 0, 20),
            "drop",
        ),
        (
            "fourth: nothing",
            segment(Flags::default(), 5, 0, 0),
            "drop",
        ),
        (
            "no flag that makes sense",
            segment(SYN.with(Flags::FIN), 5, 0, 0),
            "drop",
        ),
    ] {
        let outcome = match on_listen_segment(&seg) {
            OnListen::Syn => "syn",
            OnListen::Reset(_) => "reset",
            OnListen::Drop(_) => "drop",
        };
        assert_eq!(outcome, expected, "{case}");
    }
}

#[test]
fn rfc9293_3_10_7_3_syn_sent() {
    let none: &[Out] = &[];
    for (case, flags, ack, outs, state, error) in [
        (
            "first: ACK=<ISS",
            ACK,
            0,
            &[out(RST, 0, 0, 0)][..],
            SynSent,
            None,
        ),
        (
            "first: ACK>SND.NXT",
            SYN_ACK,
            2,
            &[out(RST, 2, 0, 0)][..],
            SynSent,
            None,
        ),
        ("first: bad ACK with RST", RST_ACK, 2, none, SynSent, None),
        (
            "second: RST with a good ACK",
            RST_ACK,
            1,
            none,
            Closed,
            Some(CloseReason::ConnectionRefused),
        ),
        ("second: RST without ACK", RST, 0, none, SynSent, None),
        (
            "fourth: SYN-ACK",
            SYN_ACK,
            1,
            &[out(ACK, 1, 1, 0)][..],
            Established,
            None,
        ),
        (
            "fourth: SYN",
            SYN,
            0,
            &[out(SYN_ACK, 0, 1, 0)][..],
            SynReceived,
            None,
        ),
        ("fifth: neither SYN nor RST", ACK, 1, none, SynSent, None),
        ("fifth: FIN", FIN_ACK, 1, none, SynSent, None),
    ] {
        let mut raw = Raw::syn_sent(Peer::default());
        assert_eq!(raw.feed(flags, 0, ack, 0), outs, "{case}");
        assert_eq!(raw.state(), state, "{case}");
        assert_eq!(raw.error(), error, "{case}");
        assert_eq!(
            raw.events.has(Events::CONNECTED),
            state == Established,
            "{case}"
        );
    }
}

/// First: the four cases of the acceptability test; what is not acceptable is answered by an ACK
/// unless it is a RST.
#[test]
fn rfc9293_3_10_7_4_first_check_sequence_number() {
    let fresh = |shut: bool| {
        let mut raw = Raw::established();
        if shut {
            // Unread data fills the buffer until the window is shut.
            let mut at = 1;
            while raw.conn.numbers().4 != raw.conn.numbers().3 {
                let window = raw.conn.numbers().4.distance_from(raw.conn.numbers().3);
                let len = window.min(1000);
                raw.feed(ACK, at, 1, len);
                at += len;
                assert!(at < 1_000_000);
            }
        }
        let next = raw.their_next();
        // So that no limit on the rate of answers matters.
        raw.pass(Duration::from_secs(2));
        (raw, next)
    };
    let window = {
        let (raw, _) = fresh(false);
        raw.conn.numbers().4.distance_from(raw.conn.numbers().3)
    };
    // (case, window shut, offset from RCV.NXT, length, acceptable)
    for (case, shut, offset, len, acceptable) in [
        ("LEN=0 WND=0 SEQ=RCV.NXT", true, 0i64, 0, true),
        ("LEN=0 WND=0 SEQ<RCV.NXT", true, -2, 0, false),
        ("LEN=0 WND=0 SEQ>RCV.NXT", true, 1, 0, false),
        ("LEN=0 WND>0 left", false, -2, 0, false),
        ("LEN=0 WND>0 inside", false, 5, 0, true),
        ("LEN=0 WND>0 right", false, i64::from(window) + 1, 0, false),
        ("LEN>0 WND=0", true, 0, 5, false),
        ("LEN>0 WND>0 all left", false, -9, 5, false),
        (
            "LEN>0 WND>0 all right",
            false,
            i64::from(window) + 1,
            5,
            false,
        ),
    ] {
        let (mut raw, next) = fresh(shut);
        let seq = (i64::from(next) + offset) as u32;
        let before = raw.conn.recv_len();
        let outs = raw.feed(ACK, seq, 1, len);
        let answer = out(ACK, 1, next, 0);
        assert_eq!(outs == [answer], !acceptable, "{case}: {outs:?}");
        assert_eq!(raw.conn.recv_len(), before, "{case}: nothing may be taken");
        if !acceptable {
            let (mut raw, _) = fresh(shut);
            if seq != next {
                assert_eq!(raw.feed(RST, seq, 0, 0), [], "{case}: RST");
                assert_eq!(raw.state(), Established, "{case}: RST");
            }
        }
    }
    // Overlaps with the window are cut to it.
    let (mut raw, next) = fresh(false);
    assert_eq!(next, 1);
    raw.feed(ACK, 1, 1, 100);
    raw.feed(ACK, 51, 1, 100);
    let (data, _) = raw.read(1000);
    assert_eq!(data, (1..151).map(|i| i as u8).collect::<Vec<u8>>());
}

/// Second: RST, as RFC 5961, 3.2 has it.
#[test]
fn rfc9293_3_10_7_4_second_check_rst() {
    for (mut raw, state, next, sent) in synchronized() {
        raw.pass(Duration::from_millis(1));
        // In the window but not exact: an ACK to make sure.
        assert_eq!(
            raw.feed(RST, next + 1, 0, 0),
            [out(ACK, sent, next, 0)],
            "{state:?}"
        );
        assert_eq!(raw.state(), state, "{state:?}");
        assert_eq!(raw.feed(RST, next, 0, 0), [], "{state:?}");
        assert_eq!(raw.state(), Closed, "{state:?}");
        let expected = match state {
            CloseWait => CloseReason::BrokenPipe,
            _ => CloseReason::ConnectionReset,
        };
        assert_eq!(raw.error(), Some(expected), "{state:?}");
        assert!(raw.events.has(Events::CLOSED), "{state:?}");
        assert_eq!(raw.conn.poll_timeout(), None, "{state:?}: a timer runs");
    }
    let mut raw = Raw::syn_received();
    assert_eq!(raw.feed(RST, 1, 0, 0), []);
    assert_eq!(
        (raw.state(), raw.error()),
        (Closed, Some(CloseReason::ConnectionRefused))
    );
}

/// Fourth: SYN in the window is challenged (RFC 5961, 4.2), whatever else the segment holds.
#[test]
fn rfc9293_3_10_7_4_fourth_check_syn() {
    for flags in [SYN, SYN_ACK] {
        for (mut raw, state, next, sent) in synchronized() {
            assert_eq!(
                raw.feed(flags, next + 1, 1, 0),
                [out(ACK, sent, next, 0)],
                "{state:?}"
            );
            assert_eq!(raw.state(), state, "{state:?}");
            // And again at once: the limit of section 7.
            assert_eq!(raw.feed(flags, next + 1, 1, 0), [], "{state:?}");
        }
    }
    // The peer's own SYN again: our SYN-ACK was lost.
    let mut raw = Raw::syn_received();
    assert_eq!(raw.feed(SYN, 0, 0, 0), [out(SYN_ACK, 0, 1, 0)]);
    assert_eq!(raw.state(), SynReceived);
}

/// Fifth: the ACK bit and the ACK.
#[test]
fn rfc9293_3_10_7_4_fifth_check_ack() {
    for (mut raw, state, next, _) in synchronized() {
        assert_eq!(
            raw.feed(Flags::PSH, next, 0, 10),
            [],
            "{state:?}: no ACK bit"
        );
        assert_eq!(
            (raw.state(), raw.conn.recv_len()),
            (state, 0),
            "{state:?}: no ACK bit"
        );
    }
    for (mut raw, state, next, sent) in synchronized() {
        // SEG.ACK > SND.NXT.
        assert_eq!(
            raw.feed(ACK, next, sent + 1, 10),
            [out(ACK, sent, next, 0)],
            "{state:?}"
        );
        assert_eq!(
            (raw.state(), raw.conn.recv_len()),
            (state, 0),
            "{state:?}: ACK too new"
        );
    }
    for (mut raw, state, next, sent) in synchronized() {
        // RFC 5961, 5.2: older than any window that was ever open.
        let old = 1u32.wrapping_sub(65_536 + 1);
        assert_eq!(
            raw.feed(ACK, next, old, 10),
            [out(ACK, sent, next, 0)],
            "{state:?}"
        );
        assert_eq!(
            (raw.state(), raw.conn.recv_len()),
            (state, 0),
            "{state:?}: ACK too old"
        );
    }
    // SYN-RECEIVED: SND.UNA < SEG.ACK =< SND.NXT, else RST.
    for (ack, outs, state) in [
        (0, vec![out(RST, 0, 0, 0)], SynReceived),
        (2, vec![out(RST, 2, 0, 0)], SynReceived),
        (1, vec![], Established),
    ] {
        let mut raw = Raw::syn_received();
        assert_eq!(raw.feed(ACK, 1, ack, 0), outs, "ACK={ack}");
        assert_eq!(raw.state(), state, "ACK={ack}");
    }
    // The ACK of our FIN.
    for (mut raw, next, state, event) in [
        (Raw::fin_wait_1(), 1, FinWait2, None),
        (Raw::closing(), 2, TimeWait, Some(Events::TIME_WAIT)),
        (Raw::last_ack(), 2, Closed, Some(Events::CLOSED)),
    ] {
        assert_eq!(raw.feed(ACK, next, 2, 0), [], "{state:?}");
        assert_eq!(raw.state(), state);
        assert!(event.is_none_or(|e| raw.events.has(e)), "{state:?}");
        assert_eq!(raw.conn.poll_timeout(), None, "{state:?}: a timer runs");
    }
}

/// Fifth: SND.WND follows SND.WL1 and SND.WL2, so that old segments don't take it back.
#[test]
fn rfc9293_3_10_7_4_fifth_send_window() {
    let mut raw = Raw::established();
    raw.peer.wnd = 2_000;
    raw.feed(ACK, 1, 1, 10);
    // An older segment with an old, larger window changes nothing.
    raw.peer.wnd = 9_000;
    raw.feed(ACK, 0, 1, 1);
    let sent: u32 = raw.write(5_000).iter().map(|o| o.len).sum();
    assert_eq!(sent, 2_000);
    // An ACK that moves SND.UNA always counts.
    raw.peer.wnd = 1_500;
    assert_eq!(raw.feed(ACK, 11, 2_001, 0), [out(ACK, 2_001, 11, 1_000)]);
}

/// Seventh: text.
#[test]
fn rfc9293_3_10_7_4_seventh_segment_text() {
    for (mut raw, state, next, sent) in synchronized() {
        let takes = matches!(state, Established | FinWait1 | FinWait2);
        raw.events = Events::default();
        let outs = raw.feed(PSH_ACK, next, sent, 100);
        if matches!(state, Closing | LastAck) {
            // The segment's ACK was of our FIN, too.
            assert_eq!(raw.conn.recv_len(), 0, "{state:?}");
            continue;
        }
        let (len, ack) = if takes { (100, next + 100) } else { (0, next) };
        assert_eq!(outs, [out(ACK, sent, ack, 0)], "{state:?}");
        assert_eq!(raw.conn.recv_len(), len, "{state:?}");
        assert_eq!(raw.events.has(Events::READABLE), takes, "{state:?}");
    }
}

/// Eighth: FIN.
#[test]
fn rfc9293_3_10_7_4_eighth_check_fin() {
    // (state, SEG.ACK, state after, in order, what follows)
    for (mut raw, from, ack, to) in [
        (Raw::syn_received(), SynReceived, 1, CloseWait),
        (Raw::established(), Established, 1, CloseWait),
        (Raw::fin_wait_1(), FinWait1, 1, Closing),
        (Raw::fin_wait_1(), FinWait1, 2, TimeWait),
        (Raw::fin_wait_2(), FinWait2, 2, TimeWait),
    ] {
        let sent = if matches!(from, FinWait1 | FinWait2) {
            2
        } else {
            1
        };
        // With data, and all of it counts.
        assert_eq!(
            raw.feed(FIN_ACK, 1, ack, 10),
            [out(ACK, sent, 12, 0)],
            "{from:?}"
        );
        assert_eq!(raw.state(), to, "{from:?} ACK={ack}");
        assert!(raw.events.has(Events::PEER_CLOSED), "{from:?}");
        assert_eq!(
            raw.events.has(Events::TIME_WAIT),
            to == TimeWait,
            "{from:?}"
        );
        assert_eq!(raw.read(100).0.len(), 10, "{from:?}");
        assert!(raw.conn.peer_closed(), "{from:?}");
    }
    // Remain where they are, and answer.
    for (mut raw, state) in [
        (Raw::close_wait(), CloseWait),
        (Raw::closing(), Closing),
        (Raw::last_ack(), LastAck),
    ] {
        let sent = if state == CloseWait { 1 } else { 2 };
        assert_eq!(
            raw.feed(FIN_ACK, 1, 1, 0),
            [out(ACK, sent, 2, 0)],
            "{state:?}"
        );
        assert_eq!(raw.state(), state);
    }
    // Out of order: waits for what is missing.
    let mut raw = Raw::established();
    assert_eq!(raw.feed(FIN_ACK, 11, 1, 10), [out(ACK, 1, 1, 0)]);
    assert_eq!(raw.state(), Established);
    assert_eq!(raw.feed(ACK, 1, 1, 10), [out(ACK, 1, 22, 0)]);
    assert_eq!(raw.state(), CloseWait);
}

/// RFC 9293, 3.4: a FIN that lies behind what came since is no end, nor once the numbers have come round.
#[test]
fn rfc9293_3_4_an_old_fin_is_forgotten() {
    let mut raw = Raw::established();
    let mut at = 1u32;
    // Until an ACK is delayed, so that the number is within what the last one asked for.
    while !raw.feed(ACK, at, 1, 1_000).is_empty() {
        at += 1_000;
        raw.read(1_000);
    }
    at += 1_000;
    let fin = at - 500;
    raw.feed(FIN_ACK, fin, 1, 0);
    assert_eq!(raw.state(), Established);
    raw.read(1_000);
    let mut left = (1u64 << 32) - 500;
    while left > 0 {
        let len = left.min(60_000) as u32;
        raw.feed(PSH_ACK, at, 1, len);
        raw.read(len);
        at = at.wrapping_add(len);
        left -= u64::from(len);
    }
    assert_eq!(raw.their_next(), fin);
    assert_eq!(raw.state(), Established);
}

/// RFC 7323, 5.3: PAWS. RFC 7323, 4.3: which segments TS.Recent follows, and what is echoed.
#[test]
fn rfc7323_5_3_paws() {
    let peer = Peer {
        ts: Some(1_000),
        ..Peer::default()
    };
    let mut raw = Raw::established_with(peer);
    let stamp = |raw: &Raw, val: u32| {
        let mut options: Options = raw.options();
        if let Some(ts) = &mut options.timestamps {
            ts.val = val;
        }
        options
    };
    let options = stamp(&raw, 1_010);
    raw.feed_with(PSH_ACK, 1, 1, 10, options);
    raw.pass(Duration::from_secs(1));
    assert_eq!(raw.conn.recv_len(), 10);
    // R1: older than TS.Recent is dropped and answered.
    let options = stamp(&raw, 1_009);
    assert_eq!(
        raw.feed_with(PSH_ACK, 11, 1, 10, options),
        [out(ACK, 1, 11, 0)]
    );
    assert_eq!(raw.conn.recv_len(), 10);
    let echoed = |raw: &Raw| {
        raw.headers
            .last()
            .and_then(|h| h.options.timestamps)
            .map(|t| t.ecr)
    };
    assert_eq!(echoed(&raw), Some(1_010));
    // RST is exempt.
    let options = stamp(&raw, 1);
    raw.feed_with(RST, 12, 0, 0, options);
    assert_eq!(raw.state(), Established);
    // R3: a segment beyond a hole does not move TS.Recent, the one that fills the hole does.
    let options = stamp(&raw, 1_030);
    raw.feed_with(PSH_ACK, 21, 1, 10, options);
    assert_eq!(echoed(&raw), Some(1_010));
    let options = stamp(&raw, 1_020);
    assert_eq!(
        raw.feed_with(PSH_ACK, 11, 1, 10, options),
        [out(ACK, 1, 31, 0)]
    );
    assert_eq!(echoed(&raw), Some(1_020));
    // The clock wraps.
    let mut raw = Raw::established_with(Peer {
        ts: Some(u32::MAX),
        ..Peer::default()
    });
    let options = stamp(&raw, 5);
    raw.feed_with(PSH_ACK, 1, 1, 10, options);
    assert_eq!(raw.conn.recv_len(), 10);
    // 24 days later TS.Recent means nothing any more.
    raw.read(10);
    raw.pass(Duration::from_secs(25 * 24 * 3600));
    let options = stamp(&raw, u32::MAX - 5);
    if raw.feed_with(PSH_ACK, 11, 1, 10, options).is_empty() {
        raw.pass(ms(1_000));
    }
    assert_eq!(raw.conn.recv_len(), 10);
    // RFC 7323, 5.5: and is replaced, so that what is echoed and compared with is of this time again.
    assert_eq!(echoed(&raw), Some(u32::MAX - 5));
    let options = stamp(&raw, u32::MAX - 6);
    raw.feed_with(PSH_ACK, 21, 1, 10, options);
    assert_eq!(raw.conn.recv_len(), 10);
}
