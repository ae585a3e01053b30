// SPDX-License-Identifier: GPL-2.0

//! The small entries, half-open and TIME-WAIT, fed with single segments.

use crate::platform::{Counters, Host};
use crate::raw::{ACK, FIN_ACK, RST, SYN};
use crate::tcp::{
    config::{NetConfig, SocketConfig},
    connection::{DropReason, Timestamping},
    context::Cx,
    handshake::{SynParams, SynRcvd, SynRcvdOn},
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
    TimeWait::new(false, OURS.add(2), THEIRS.add(2), 1_000, none, now, lasts)
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
