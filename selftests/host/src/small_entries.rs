// SPDX-License-Identifier: GPL-2.0

//! The small entries, half-open and TIME-WAIT, fed with single segments.

use crate::pair::Rng;
use crate::platform::{Counters, Host};
use crate::raw::{ACK, FIN_ACK, RST, SYN};
use crate::tcp::{
    config::{NetConfig, SocketConfig},
    connection::{DropReason, Timestamping},
    context::Cx,
    handshake::{SynParams, SynRcvd, SynRcvdOn, SynRcvdTimeout},
    metrics::Metrics,
    seq::SeqNum,
    time::{Duration, Instant},
    time_wait::{TimeWait, TimeWaitOn},
    wire::{Flags, Header, Segment},
};

const OURS: SeqNum = SeqNum::new(u32::MAX - 5);
const THEIRS: SeqNum = SeqNum::new(u32::MAX - 9);

/// Calls `f` at `ms` milliseconds.
fn at<R>(ms: u64, f: impl FnOnce(&Cx<'_, Host>) -> R) -> R {
    let (net, mib) = (NetConfig::default(), Counters::default());
    f(&Cx {
        now: Instant::from_nanos(ms * 1_000_000),
        net: &net,
        mib: &mib,
    })
}

/// A segment `seq` bytes past the peer's SYN, acknowledging `ack` bytes past ours.
fn seg(flags: Flags, seq: u32, ack: u32) -> Segment {
    Segment {
        header: Header {
            seq: THEIRS.add(seq),
            ack: OURS.add(ack),
            flags,
            wnd: 1_000,
            ..Header::default()
        },
        payload_len: 0,
        ..Segment::default()
    }
}

fn half_open() -> SynRcvd {
    let params = SynParams {
        iss: OURS,
        ts_offset: 0,
        mss_route: 1_460,
        mss_default: 536,
        rcvbuf: 65_536,
        fixed: false,
        metrics: Metrics::NONE,
    };
    at(1_000, |cx| {
        SynRcvd::new(cx, &SocketConfig::default(), &seg(SYN, 0, 0), params)
    })
}

/// RFC 5961, 7: whatever a stranger can send at will to a half-open entry is answered twice a
/// second at most: a SYN again, a RST off the edge, a segment outside the window.
#[test]
fn rfc5961_7_half_open_answers_are_limited() {
    for (segment, flags) in [
        (seg(SYN, 0, 0), SYN.with(ACK)),
        (seg(SYN, 2, 0), ACK),
        (seg(RST, 2, 0), ACK),
        (seg(ACK, 4_000_000, 1), ACK),
    ] {
        let mut entry = half_open();
        let mut answers = Vec::new();
        for ms in (2_000..3_100).step_by(10) {
            match at(ms, |cx| entry.handle_segment(cx, &segment)) {
                SynRcvdOn::Reply(header, _) => answers.push((ms, header.flags)),
                SynRcvdOn::Drop(DropReason::BadState) | SynRcvdOn::Remove => unreachable!(),
                SynRcvdOn::Drop(_) => {}
                SynRcvdOn::Establish | SynRcvdOn::Abort(_) => unreachable!(),
            }
        }
        assert_eq!(answers, [(2_000, flags), (2_500, flags), (3_000, flags)]);
    }
}

/// The last ACK is taken at once however many were refused before it.
#[test]
fn rfc5961_7_limits_do_not_delay_the_last_ack() {
    let mut entry = half_open();
    for _ in 0..3 {
        let _ = at(2_000, |cx| entry.handle_segment(cx, &seg(SYN, 2, 0)));
    }
    let outcome = at(2_001, |cx| entry.handle_segment(cx, &seg(ACK, 1, 1)));
    assert!(matches!(outcome, SynRcvdOn::Establish));
}

fn time_wait() -> TimeWait {
    let none = Timestamping {
        enabled: false,
        offset: 0,
        recent: 0,
        recent_at: Instant::default(),
    };
    let now = Instant::from_nanos(1_000_000_000);
    let lasts = Duration::from_secs(60);
    TimeWait::new(
        false,
        OURS.add(2),
        THEIRS.add(2),
        (1_000, 0),
        none,
        now,
        lasts,
    )
}

/// RFC 9293, 3.10.7.4, TIME-WAIT, and MAY-2: a SYN beyond what was received may open anew, but
/// not together with a FIN, which no listener takes: it gets the ACK that the state owes it.
#[test]
fn rfc9293_3_10_7_4_time_wait_and_syns() {
    let on = |flags, seq| {
        at(2_000, |cx| {
            time_wait().handle_segment(cx, &self::seg(flags, seq, 0))
        })
    };
    assert!(matches!(on(SYN, 1_000), TimeWaitOn::NewConnection(iss) if iss.after(OURS.add(2))));
    for (flags, seq) in [(SYN.with(Flags::FIN), 1_000), (SYN, 0), (FIN_ACK, 1)] {
        match on(flags, seq) {
            TimeWaitOn::Reply(header) => assert_eq!(
                (header.flags, header.seq, header.ack),
                (ACK, OURS.add(2), THEIRS.add(2))
            ),
            _ => panic!("{flags:?} at {seq}"),
        }
    }
}

/// RFC 1337 (F1): with tcp_rfc1337 no RST ends TIME-WAIT. Without, one with the number that is expected
/// next does, and no other (RFC 5961, 3.2).
#[test]
fn rfc1337_a_reset_does_not_end_time_wait() {
    for (rfc1337, seq, ends) in [
        (false, 2, true),
        (false, 1, false),
        (false, 3, false),
        (true, 2, false),
        (true, 1, false),
        (true, 3, false),
    ] {
        let (net, mib) = (
            NetConfig {
                rfc1337,
                ..NetConfig::default()
            },
            Counters::default(),
        );
        let cx: Cx<'_, Host> = Cx {
            now: Instant::from_nanos(2_000_000_000),
            net: &net,
            mib: &mib,
        };
        match time_wait().handle_segment(&cx, &seg(RST, seq, 0)) {
            TimeWaitOn::Remove(None) => assert!(ends, "{rfc1337} {seq}"),
            TimeWaitOn::Drop => assert!(!ends, "{rfc1337} {seq}"),
            _ => panic!("{rfc1337} {seq}: an answer"),
        }
    }
}

/// RFC 6298, 2.1 and 5.5: a SYN-ACK that nobody answers is sent again after a second, then after twice
/// the time each, as often as tcp_synack_retries says (5: for 31 seconds, and the entry goes after 63, as
/// ip-sysctl.rst has it).
#[test]
fn rfc6298_5_5_syn_acks_are_sent_again() {
    let mut entry = half_open();
    let mut times = Vec::new();
    loop {
        let ms = entry.deadline().as_nanos() / 1_000_000;
        times.push(ms - 1_000);
        match at(ms, |cx| entry.handle_timeout(cx)) {
            SynRcvdTimeout::Retransmit(header) => {
                assert_eq!(
                    (header.flags, header.seq, header.ack),
                    (SYN.with(ACK), OURS, THEIRS.add(1))
                );
            }
            SynRcvdTimeout::Wait => unreachable!(),
            SynRcvdTimeout::Expired => break,
        }
    }
    assert_eq!(times, [1_000, 3_000, 7_000, 15_000, 31_000, 63_000]);
}

/// Whatever comes to an entry (RFC 9293, 3.10.7.4): only a good ACK makes a connection, only a RST with
/// the number that is expected next ends an entry, only a lone and later SYN opens anew out of TIME-WAIT,
/// and no RST is answered by one.
#[test]
fn any_segments_at_small_entries() {
    let mut rng = Rng::new(793);
    for _ in 0..5_000 {
        let (mut entry, mut tw) = (half_open(), time_wait());
        let mut ms = 2_000;
        for _ in 0..20 {
            ms += rng.below(700);
            let mut near = || match rng.below(4) {
                0 => rng.next() as u32,
                1 => (rng.below(4) as u32).wrapping_neg(),
                _ => rng.below(4) as u32,
            };
            let (seq, ack) = (near(), near());
            let flags = Flags::from_bits(rng.next() as u8 & 0x3f);
            let mut segment = seg(flags, seq, ack);
            segment.payload_len = [0, 0, 1, 1_000][rng.below(4) as usize];
            segment.header.wnd = rng.next() as u16;
            let what = || format!("{flags:?}, {seq}, {ack}, {}", segment.payload_len);
            let has = |flag: Flags| flags.contains(flag);
            match at(ms, |cx| entry.handle_segment(cx, &segment)) {
                SynRcvdOn::Establish => {
                    assert!(has(ACK) && !has(RST) && !has(SYN), "{}", what());
                    assert_eq!(ack, 1, "{}", what());
                    entry = half_open();
                }
                SynRcvdOn::Remove => {
                    assert!(has(RST) && seq == 1, "{}", what());
                    entry = half_open();
                }
                SynRcvdOn::Reply(header, _) | SynRcvdOn::Abort(header) => {
                    assert!(!has(RST) || header.flags == ACK, "{}", what());
                }
                SynRcvdOn::Drop(_) => {}
            }
            match at(ms, |cx| tw.handle_segment(cx, &segment)) {
                TimeWaitOn::Reply(header) => {
                    assert!(!has(RST) && header.flags == ACK, "{}", what());
                }
                TimeWaitOn::Remove(header) => {
                    assert!(has(RST) && seq == 2 && header.is_none(), "{}", what());
                    tw = time_wait();
                }
                TimeWaitOn::NewConnection(iss) => {
                    let plain = !flags.intersects(ACK.with(RST).with(Flags::FIN));
                    assert!(has(SYN) && plain, "{}", what());
                    assert!(segment.header.seq.after(THEIRS.add(2)), "{}", what());
                    assert!(iss.after(OURS.add(2)), "{}", what());
                    tw = time_wait();
                }
                TimeWaitOn::Drop => {}
            }
            let left = tw.deadline().since(Instant::from_nanos(ms * 1_000_000));
            assert!(left <= Duration::from_secs(60), "{}: {left:?}", what());
        }
    }
}
