// SPDX-License-Identifier: GPL-2.0

//! What socket options change in the core, and urgent data.

use crate::platform::{Counters, Host};
use crate::raw::{out, Raw, ACK, FIN_ACK, PSH_ACK, RST_ACK, SYN};
use crate::tcp::{
    config::{Linger2, NetConfig, SocketConfig},
    connection::{CloseReason, Events, IcmpError},
    context::Cx,
    handshake::{SynParams, SynRcvd, SynRcvdOn, SynRcvdTimeout},
    metrics::Metrics,
    seq::SeqNum,
    state::ConnState,
    time::{Duration, Instant},
    urgent::Byte,
    wire::{Flags, Header, Segment},
};

const URG_ACK: Flags = Flags::URG.with(Flags::ACK);

fn configured(change: impl FnOnce(&mut SocketConfig)) -> Raw {
    let mut raw = Raw::established();
    let mut config = *raw.conn.config();
    change(&mut config);
    raw.with(|conn, cx| conn.configure(cx, config));
    raw
}

// --- urgent data --------------------------------------------------------------------------------

/// RFC 9293, MUST-30 and MUST-62; RFC 6093, 3.1: the pointer points behind the urgent byte, and is
/// there until that is acknowledged.
#[test]
fn rfc6093_3_1_pointer_points_behind_the_urgent_byte() {
    let mut raw = configured(|c| c.nodelay = true);
    let _ = raw.with(|conn, _| {
        conn.queue(crate::platform::Buf::new(vec![0; 7]));
        conn.mark_urgent();
    });
    let header = raw.headers.last().expect("a segment");
    assert!(header.flags.contains(Flags::URG));
    assert_eq!(header.urg, 7);
    // More data behind it is not urgent, but the mark stands.
    let _ = raw.write(100);
    assert!(!raw
        .headers
        .last()
        .expect("a segment")
        .flags
        .contains(Flags::URG));
    let _ = raw.feed(ACK, 1, 8, 0);
    let _ = raw.write(100);
    assert!(!raw
        .headers
        .last()
        .expect("a segment")
        .flags
        .contains(Flags::URG));
}

/// RFC 9293, MUST-31: urgent data may be of any length. Nagle does not hold urgent data back, and super-segments are not made: offload would copy the
/// pointer to each of their segments.
#[test]
fn urgent_data_goes_at_once_and_in_single_segments() {
    let mut raw = configured(|c| c.nodelay = false);
    raw.conn.set_path(1460, 64_000);
    let _ = raw.write(10);
    let _ = raw.with(|conn, _| {
        conn.queue(crate::platform::Buf::new(vec![0; 10]));
        conn.mark_urgent();
    });
    assert_eq!(raw.headers.len(), 1, "a second partial segment went out");
    raw.cuts.clear();
    let outs = raw.with(|conn, _| {
        conn.queue(crate::platform::Buf::new(vec![0; 5000]));
        conn.mark_urgent();
    });
    assert!(
        outs.len() >= 5 && outs.iter().all(|o| o.len <= 1000),
        "{outs:?}"
    );
}

fn feed_urgent(raw: &mut Raw, seq: u32, len: u32, pointer: u16) {
    raw.urg = pointer;
    let _ = raw.feed(URG_ACK, seq, 1, len);
}

/// RFC 9293, MUST-32 and MUST-33: the user is told, and can ask how far it is to the mark; 3.10.7.4,
/// sixth; RFC 6093, 3.1.
#[test]
fn rfc9293_3_10_7_4_urg_marks_the_byte_before_the_pointer() {
    let mut raw = configured(|_| {});
    feed_urgent(&mut raw, 1, 5, 3);
    assert!(raw.events.has(Events::URGENT));
    assert_eq!(raw.conn.urgent(), Some(Byte::Ahead));
    assert_eq!(raw.conn.urgent_wanted(), Some(2));
    raw.conn.urgent_is(b'U');
    assert_eq!(raw.conn.urgent(), Some(Byte::Here(b'U')));
    assert_eq!(raw.conn.urgent_wanted(), None);
    assert_eq!(raw.conn.urgent_distance(), Some(2));
    let _ = raw.read(2);
    assert_eq!(raw.conn.urgent_distance(), Some(0));
    raw.conn.urgent_read();
    assert_eq!(raw.conn.urgent(), Some(Byte::Read));
    let _ = raw.read(1);
    assert_eq!(raw.conn.urgent(), None, "the mark is passed");
}

/// The mark may be announced before its byte comes, and an old announcement changes nothing.
#[test]
fn urgent_mark_ahead_of_its_byte_and_old_marks() {
    let mut raw = configured(|_| {});
    feed_urgent(&mut raw, 1, 5, 10);
    assert_eq!(raw.conn.urgent_wanted(), None, "not there yet");
    assert_eq!(raw.conn.urgent_distance(), Some(9));
    raw.events = Events::default();
    feed_urgent(&mut raw, 6, 1, 2);
    assert!(
        !raw.events.has(Events::URGENT),
        "before the mark that is known"
    );
    feed_urgent(&mut raw, 7, 4, 4);
    assert!(!raw.events.has(Events::URGENT), "the same mark");
    assert_eq!(raw.conn.urgent_wanted(), Some(9));
    // A retransmission points at what is here already.
    let _ = raw.read(10);
    assert_eq!(raw.conn.urgent(), None);
    feed_urgent(&mut raw, 7, 4, 4);
    assert_eq!(raw.conn.urgent(), None);
}

// --- options ------------------------------------------------------------------------------------

/// TCP_LINGER2 below zero: an orphan in FIN-WAIT-2 is aborted, not kept.
#[test]
fn linger2_never_aborts_in_fin_wait_2() {
    let mut raw = configured(|c| c.linger2 = Linger2::Never);
    let _ = raw.shutdown();
    let _ = raw.feed(ACK, 1, 2, 0);
    assert_eq!(raw.state(), ConnState::FinWait2);
    assert_eq!(raw.close(), [out(RST_ACK, 2, 1, 0)]);
    assert_eq!(raw.state(), ConnState::Closed);
    // Closed first, acknowledged later.
    let mut raw = configured(|c| c.linger2 = Linger2::Never);
    assert_eq!(raw.close(), [out(FIN_ACK, 1, 1, 0)]);
    let _ = raw.feed(ACK, 1, 2, 0);
    assert_eq!(raw.state(), ConnState::Closed);
    assert!(!raw.events.has(Events::TIME_WAIT));
}

/// TCP_LINGER2 above zero: that long.
#[test]
fn linger2_sets_the_time_in_fin_wait_2() {
    let mut raw = configured(|c| c.linger2 = Linger2::For(Duration::from_secs(7)));
    let _ = raw.close();
    let _ = raw.feed(ACK, 1, 2, 0);
    assert_eq!(raw.state(), ConnState::FinWait2);
    let mut deadline = Instant::default();
    let now = raw.now;
    let _ = raw.with(|conn, cx| deadline = conn.time_wait(cx).deadline());
    assert_eq!(deadline.since(now), Duration::from_secs(7));
}

/// TCP_WINDOW_CLAMP bounds what is offered from then on; what was promised stays.
#[test]
fn window_clamp_bounds_the_window() {
    let mut raw = configured(|c| c.window_clamp = 3_000);
    let promised = raw.conn.numbers().4;
    for i in 0..80 {
        let _ = raw.feed(PSH_ACK, 1 + i * 1000, 1, 1000);
        let _ = raw.read(1000);
        let (_, _, _, nxt, adv) = raw.conn.numbers();
        let window = adv.distance_from(nxt);
        assert!(window <= 3_000 || adv == promised, "{window} is offered");
    }
    assert_ne!(raw.conn.numbers().4, promised, "the window moved");
}

/// TCP_NOTSENT_LOWAT: no room to write while so much waits to be sent.
#[test]
fn notsent_lowat_bounds_what_waits() {
    let mut raw = configured(|c| c.notsent_lowat = 4_000);
    // The congestion window takes ten segments of a thousand.
    let _ = raw.write(10_000);
    assert!(raw.conn.send_space() > 0);
    let _ = raw.write(3_999);
    assert!(raw.conn.send_space() > 0 && !raw.conn.is_writeable());
    let _ = raw.write(1);
    assert_eq!(raw.conn.send_space(), 0);
}

/// TCP_RTO_MIN_US and TCP_RTO_MAX_MS take the place of the namespace's bounds.
#[test]
fn rto_bounds_of_the_socket() {
    let mut raw = configured(|c| {
        c.rto_min = Duration::from_millis(20);
        c.rto_max = Duration::from_secs(1);
        c.nodelay = true;
    });
    for i in 0..20 {
        let _ = raw.write(10);
        raw.now = raw.now.add(Duration::from_millis(1));
        let _ = raw.feed(ACK, 1, 1 + (i + 1) * 10, 0);
    }
    let mut info = None;
    let _ = raw.with(|conn, cx| info = Some(conn.info(cx)));
    let rto = info.expect("a snapshot").rto;
    assert!(rto < Duration::from_millis(30), "{rto:?}");
    let _ = raw.write(10);
    let _ = raw.pass(Duration::from_secs(20));
    let _ = raw.with(|conn, cx| info = Some(conn.info(cx)));
    assert_eq!(info.expect("a snapshot").rto, Duration::from_secs(1));
}

/// TCP_THIN_LINEAR_TIMEOUTS: a thin stream's first time-outs come at an even pace.
#[test]
fn thin_streams_time_out_linearly() {
    for thin in [true, false] {
        let mut raw = configured(|c| {
            c.thin_linear = thin;
            c.nodelay = true;
        });
        let _ = raw.write(10);
        let outs = raw.pass(Duration::from_millis(1_500));
        // The handshake took 20 ms: the first time-out is 220 ms, then 440 and 880 doubled.
        assert_eq!(outs.len(), if thin { 6 } else { 2 });
    }
}

/// IP_RECVERR: ICMP's word about an open connection is told at once; it is no more than a hint (MUST-56).
#[test]
fn rfc9293_3_9_2_2_icmp_is_told_only_on_request() {
    for asked in [false, true] {
        let mut raw = configured(|c| c.tells_icmp = asked);
        let _ = raw.write(100);
        let una = raw.conn.numbers().0;
        raw.icmp(una, IcmpError::Host);
        let error = raw.error();
        assert_eq!(error, asked.then_some(CloseReason::HostUnreachable));
        assert_eq!(raw.state(), ConnState::Established);
    }
}

/// TCP_QUICKACK: what is owed goes at once, and the mode in which ACKs wait for an answer ends.
#[test]
fn quickack_sends_what_is_owed() {
    let mut raw = configured(|_| {});
    let _ = raw.with(|conn, _| {
        conn.set_quickack(false);
    });
    assert!(!raw.conn.quickack());
    assert_eq!(raw.feed(PSH_ACK, 1, 1, 100), []);
    let outs = raw.with(|conn, _| {
        assert!(conn.set_quickack(true), "one was owed");
    });
    assert_eq!(outs, [out(ACK, 1, 101, 0)]);
    assert_eq!(raw.feed(PSH_ACK, 101, 1, 100), [out(ACK, 1, 201, 0)]);
}

/// MSG_EOR: nothing joins the record's last segment.
#[test]
fn end_of_record_is_not_appended_to() {
    let mut raw = configured(|c| c.cork = true);
    let _ = raw.write(10);
    raw.conn.mark_end();
    assert!(raw.conn.tail_room().is_none());
}

// --- TCP_DEFER_ACCEPT ---------------------------------------------------------------------------

const OURS: SeqNum = SeqNum::new(u32::MAX - 5);
const THEIRS: SeqNum = SeqNum::new(u32::MAX - 9);

fn at<R>(ms: u64, f: impl FnOnce(&Cx<'_, Host>) -> R) -> R {
    let (net, mib) = (NetConfig::default(), Counters::default());
    f(&Cx {
        now: Instant::from_nanos(ms * 1_000_000),
        net: &net,
        mib: &mib,
    })
}

fn seg(flags: Flags, seq: u32, ack: u32, payload_len: u32) -> Segment {
    Segment {
        header: Header {
            seq: THEIRS.add(seq),
            ack: OURS.add(ack),
            flags,
            wnd: 1_000,
            ..Header::default()
        },
        payload_len,
        ..Segment::default()
    }
}

fn deferring(timeouts: u8) -> SynRcvd {
    let config = SocketConfig {
        defer_accept: timeouts,
        ..SocketConfig::default()
    };
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
        SynRcvd::new(cx, &config, &seg(SYN, 0, 0, 0), params)
    })
}

fn feed(entry: &mut SynRcvd, ms: u64, segment: &Segment) -> bool {
    matches!(
        at(ms, |cx| entry.handle_segment(cx, segment)),
        SynRcvdOn::Establish
    )
}

#[test]
fn defer_accept_waits_for_data() {
    let mut entry = deferring(2);
    assert!(!feed(&mut entry, 1_010, &seg(ACK, 1, 1, 0)));
    assert!(feed(&mut entry, 1_020, &seg(PSH_ACK, 1, 1, 10)));
    // Without the option the ACK is enough.
    let mut entry = deferring(0);
    assert!(feed(&mut entry, 1_010, &seg(ACK, 1, 1, 0)));
}

#[test]
fn defer_accept_is_silent_until_the_last_timeout() {
    let mut entry = deferring(2);
    assert!(!feed(&mut entry, 1_010, &seg(ACK, 1, 1, 0)));
    // The first time-out asks nothing of the peer, which believes to be connected.
    let first = at(2_000, |cx| entry.handle_timeout(cx));
    assert!(matches!(first, SynRcvdTimeout::Wait));
    assert!(!feed(&mut entry, 2_010, &seg(ACK, 1, 1, 0)));
    // The second sends the SYN-ACK again, whose ACK makes the connection.
    let second = at(4_000, |cx| entry.handle_timeout(cx));
    assert!(matches!(second, SynRcvdTimeout::Retransmit(_)));
    assert!(feed(&mut entry, 4_010, &seg(ACK, 1, 1, 0)));
}
