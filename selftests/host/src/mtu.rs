// SPDX-License-Identifier: GPL-2.0

//! The search for the path's MTU by probes in the stream of data: RFC 4821, section 7, by number;
//! tcp_mtu_probing and its relatives as Linux' Documentation/networking/ip-sysctl.rst has them.

use crate::platform::HostLog;
use crate::raw::{out, Out, Peer, Raw, ACK, SYN_ACK};
use crate::replay::replay_records;
use crate::tcp::{
    connection::Origin,
    log::{Kind, Kinds, Record, Recorder},
    mib::Mib,
    time::Duration,
    wire::Flags,
};

const PEER: Peer = Peer {
    wnd: 65_535,
    mss: 1_460,
    sack: true,
    wscale: None,
    ts: None,
};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// An open connection that probes as the sysctl says.
fn open(probing: u8, peer: Peer) -> Raw {
    let mut raw = Raw::syn_sent(peer);
    raw.net.mtu_probing = probing;
    raw.now = raw.now.add(ms(20));
    raw.answer_syn();
    raw
}

/// One that has just sent a probe of 1460 bytes and 588 more behind nine segments of 1024, the first
/// of which starts at 1025.
fn probed() -> Raw {
    let mut raw = open(2, PEER);
    let first = raw.write(60_000);
    assert!(first.iter().all(|out| out.len == 1_024) && first.len() == 10);
    raw.now = raw.now.add(ms(20));
    let outs = raw.feed(ACK, 1, 1_025, 0);
    assert_eq!(outs, [out(ACK, 10_241, 1, 1_460), out(ACK, 11_701, 1, 588)]);
    raw
}

fn found(raw: &Raw) -> (u64, u64) {
    (
        raw.mib.get(Mib::TCPMTUPSuccess),
        raw.mib.get(Mib::TCPMTUPFail),
    )
}

/// SND.NXT.
fn next(raw: &Raw) -> u32 {
    raw.conn.numbers().1.distance_from(raw.zeros().0)
}

/// Acknowledges everything until nothing is left; tells what was sent meanwhile.
fn drain(raw: &mut Raw) -> Vec<Out> {
    let mut outs = Vec::new();
    while raw.conn.unacked() > 0 {
        raw.now = raw.now.add(ms(20));
        let ack = next(raw);
        outs.extend(raw.feed(ACK, 1, ack, 0));
    }
    outs
}

fn lens(outs: &[Out]) -> Vec<u32> {
    outs.iter().map(|out| out.len).collect()
}

/// RFC 4821, 7.2 and 7.6.1: with 2 a connection begins with tcp_base_mss; a probe that arrives
/// makes segments as large.
#[test]
fn rfc4821_7_6_1_a_probe_that_arrives_raises_the_size() {
    let mut raw = probed();
    assert_eq!(raw.conn.mss(), 1_024);
    // Everything up to the probe, then the probe.
    raw.now = raw.now.add(ms(20));
    raw.feed(ACK, 1, 10_241, 0);
    assert_eq!((raw.conn.mss(), found(&raw)), (1_024, (0, 0)));
    raw.feed(ACK, 1, 11_701, 0);
    assert_eq!((raw.conn.mss(), found(&raw)), (1_460, (1, 0)));
    // What is written from now on goes out in such segments; nothing is left to be found.
    drain(&mut raw);
    assert_eq!(lens(&raw.write(4_380)), [1_460; 3]);
}

/// tcp_base_mss counts payload: timestamps come on top.
#[test]
fn the_base_is_payload() {
    let ts = Some(1_000);
    let mut raw = open(2, Peer { ts, ..PEER });
    assert_eq!(lens(&raw.write(2_048)), [1_024; 2]);
    let mut raw = open(2, Peer { mss: 600, ..PEER });
    assert_eq!(lens(&raw.write(1_200)), [600; 2]);
}

/// Off: no probe, and segments as large as route and peer have it.
#[test]
fn without_probing_nothing_is_probed() {
    for probing in [0, 1] {
        let mut raw = open(probing, PEER);
        assert_eq!(lens(&raw.write(14_600)), [1_460; 10]);
    }
}

/// RFC 4821, 7.6.2: a probe that alone is lost is no sign of congestion. It is sent again in
/// segments that arrive, and larger ones are not tried.
#[test]
fn rfc4821_7_6_2_a_lost_probe_is_not_congestion() {
    let mut raw = probed();
    raw.now = raw.now.add(ms(20));
    raw.feed(ACK, 1, 10_241, 0);
    let window = raw.conn.cwnd();
    // Three segments behind the probe arrive.
    raw.now = raw.now.add(ms(20));
    let mut outs = Vec::new();
    for end in [12_289, 13_313, 14_337] {
        outs.extend(raw.feed_sack(10_241, &[(11_701, end)]));
    }
    let again: Vec<_> = outs.iter().filter(|out| out.seq < 11_701).collect();
    assert_eq!(
        again,
        [&out(ACK, 10_241, 1, 1_024), &out(ACK, 11_265, 1, 436)]
    );
    assert_eq!(found(&raw), (0, 1));
    assert!(raw.conn.cwnd() >= window);
    assert_eq!(raw.conn.ssthresh(), u32::MAX);
    assert_eq!(raw.mib.get(Mib::TCPSackRecovery), 0);
    assert!(raw.conn.is_consistent());
    // The next probe is in the middle of what is left.
    raw.now = raw.now.add(ms(20));
    let outs = raw.feed(ACK, 1, 25_000, 0);
    assert_eq!(outs.iter().map(|out| out.len).max(), Some(1_242));
}

/// RFC 4821, 7.6.2: what is lost with the probe is; the probe tells nothing then (7.6.4).
#[test]
fn rfc4821_7_6_4_more_than_the_probe_is_lost() {
    let mut raw = probed();
    raw.now = raw.now.add(ms(20));
    raw.feed(ACK, 1, 9_217, 0);
    raw.now = raw.now.add(ms(20));
    for end in [12_289, 13_313, 14_337] {
        raw.feed_sack(9_217, &[(11_701, end)]);
    }
    assert_eq!(found(&raw), (0, 0));
    assert_eq!(raw.mib.get(Mib::TCPSackRecovery), 1);
    // The probe's bytes arrive at last, in other segments: no success.
    raw.now = raw.now.add(ms(20));
    raw.feed(ACK, 1, 14_337, 0);
    assert_eq!((found(&raw), raw.conn.mss()), ((0, 0), 1_024));
}

/// A retransmission of the probe's data that is lost again is lost by congestion.
#[test]
fn the_probes_data_lost_again_is_congestion() {
    let mut raw = probed();
    raw.now = raw.now.add(ms(20));
    raw.feed(ACK, 1, 10_241, 0);
    raw.now = raw.now.add(ms(20));
    raw.feed_sack(10_241, &[(11_701, 14_337)]);
    assert_eq!(found(&raw), (0, 1));
    raw.now = raw.now.add(ms(60));
    let end = next(&raw);
    raw.feed_sack(10_241, &[(11_701, end)]);
    raw.pass(ms(10));
    assert_eq!(raw.mib.get(Mib::TCPSackRecovery), 1);
    assert!(raw.conn.ssthresh() < u32::MAX);
}

/// RFC 4821, 7.4: no probe without enough data behind it, without SACK, with a small window, with
/// something lost.
#[test]
fn rfc4821_7_4_what_a_probe_needs() {
    let largest = |raw: &mut Raw, data: usize| {
        let mut outs = raw.write(data);
        for _ in 0..6 {
            raw.now = raw.now.add(ms(20));
            let (una, nxt, ..) = raw.conn.numbers();
            let (ours, _) = raw.zeros();
            let acked = (nxt.distance_from(una) / 2).max(1);
            outs.extend(raw.feed(ACK, 1, una.distance_from(ours) + acked, 0));
        }
        outs.iter().map(|out| out.len).max()
    };
    let rows = [
        (PEER, 60_000, 1_460),
        (PEER, 15_000, 1_024),
        (
            Peer {
                sack: false,
                ..PEER
            },
            60_000,
            1_024,
        ),
        (Peer { wnd: 5_000, ..PEER }, 60_000, 1_024),
    ];
    for (peer, data, want) in rows {
        let mut raw = open(2, peer);
        assert_eq!(largest(&mut raw, data), Some(want), "{} {data}", peer.wnd);
    }
}

/// MSG_EOR: the end of a record stays the end of a segment, so nothing is joined across it.
#[test]
fn records_are_not_joined() {
    let mut raw = open(2, PEER);
    let mut outs = Vec::new();
    for _ in 0..60 {
        outs.extend(raw.write(1_024));
        raw.with(|conn, _| conn.mark_end());
    }
    raw.now = raw.now.add(ms(20));
    outs.extend(raw.feed(ACK, 1, 1_025, 0));
    assert!(outs.iter().all(|out| out.len == 1_024));
}

/// A probe that is waited for is sent: the last ACK makes room for it.
#[test]
fn data_waits_for_a_probe_and_not_for_ever() {
    let mut raw = open(2, PEER);
    raw.write(60_000);
    raw.now = raw.now.add(ms(20));
    // The window is too small for probes; then large enough, but full.
    assert_eq!(lens(&raw.feed(ACK, 1, 501, 0)), [0u32; 0]);
    assert_eq!(lens(&raw.feed(ACK, 1, 1_001, 0)), [1_024]);
    assert_eq!(lens(&raw.feed(ACK, 1, 1_031, 0)), [0u32; 0]);
    assert_eq!(lens(&raw.feed(ACK, 1, 1_301, 0)), [1_460]);
}

/// RFC 4821, 7.7: with 1, time-outs in a row begin the search at tcp_base_mss, and further ones
/// halve the size down to tcp_mtu_probe_floor. Everything arrives in the end.
#[test]
fn rfc4821_7_7_a_black_hole_is_found() {
    let mut raw = open(1, PEER);
    raw.net.mtu_probe_floor = 200;
    raw.write(14_600);
    let outs = raw.pass(ms(60_000));
    // What each time-out sent, from the first on; a tail probe may come before that.
    let sizes: Vec<u32> = outs
        .iter()
        .filter(|out| out.seq == 1)
        .map(|out| out.len)
        .collect();
    assert_eq!(sizes, [1_460, 1_460, 1_460, 1_024, 512, 256, 200, 200]);
    // It goes on with that size, and searches upwards.
    raw.feed(ACK, 1, 201, 0);
    assert_eq!(raw.conn.mss(), 200);
    // Without it the size stays what it is.
    let mut raw = open(0, PEER);
    raw.write(1_460);
    let outs = raw.pass(ms(60_000));
    assert!(outs.iter().all(|out| out.len == 1_460));
}

/// RFC 9293, 3.7.1 (MUST-16): the route changes to one that takes less, and later to one that takes more.
/// What is sent follows, and so does what is sent again.
#[test]
fn rfc9293_3_7_1_a_route_that_changes() {
    let peer = Peer {
        sack: false,
        ..PEER
    };
    let mut raw = open(0, peer);
    assert_eq!(lens(&raw.write(2_920)), [1_460; 2]);
    raw.with(|conn, _| conn.set_path(700, 0));
    raw.feed(ACK, 1, 2_921, 0);
    assert_eq!(lens(&raw.write(1_400)), [700; 2]);
    raw.feed(ACK, 1, 4_321, 0);
    raw.with(|conn, _| conn.set_path(1_460, 0));
    assert_eq!(lens(&raw.write(2_920)), [1_460; 2]);
    // What was under way by the old route is lost.
    let mut raw = open(0, peer);
    raw.write(2_920);
    raw.with(|conn, _| conn.set_path(700, 0));
    let mut outs = raw.pass(ms(230));
    for ack in [701, 1_401, 2_101, 2_801, 2_921] {
        outs.extend(raw.feed(ACK, 1, ack, 0));
    }
    assert_eq!((outs[0].seq, outs[0].len), (1, 700));
    assert!(outs.iter().all(|out| out.len <= 700), "{outs:?}");
    assert_eq!(raw.conn.unacked(), 0);
}

/// RFC 6691, 3: options of IP shorten what is sent, whoever bounds that, and not what the peer is told.
/// RFC 9293, 3.7.1 (MUST-16).
#[test]
fn rfc6691_3_options_of_ip_are_not_announced() {
    for (mss, want) in [(1_460, 1_452), (9_000, 1_452), (1_000, 992)] {
        let mut raw = Raw::closed(Peer { mss, ..PEER }, Default::default());
        raw.conn.set_ip_options(8);
        raw.open();
        assert_eq!(raw.headers[0].options.mss, Some(1_460));
        raw.answer_syn();
        assert_eq!(lens(&raw.write(2 * want as usize)), [want; 2]);
        assert_eq!(raw.conn.mss(), want);
        // ICMP tells of packets, whatever is in them.
        let una = raw.conn.numbers().0;
        raw.with(|conn, cx| conn.handle_mtu(cx, una, 800));
        assert_eq!(raw.conn.mss(), 792);
        // They may come and go.
        raw.with(|conn, _| conn.set_ip_options(0));
        assert_eq!(raw.conn.mss(), 800);
    }
    // A listener's: its child learns of them before the last ACK is looked at.
    let mut raw = Raw::syn_received();
    raw.with(|conn, _| conn.set_ip_options(8));
    raw.feed(ACK, 1, 1, 0);
    assert_eq!(raw.conn.mss(), 992);
}

/// tcp_min_snd_mss bounds what a peer may ask for.
#[test]
fn the_least_segment_size_is_the_sysctls() {
    for (least, want) in [(48, 100), (300, 300)] {
        let mut raw = Raw::syn_sent(Peer { mss: 100, ..PEER });
        raw.net.min_snd_mss = least;
        raw.answer_syn();
        assert_eq!(raw.conn.mss(), want);
    }
}

/// ICMP about the probe: it alone is sent again (RFC 4821, 7.6.2; RFC 1191, 6.4).
#[test]
fn rfc4821_7_6_2_icmp_refuses_the_probe() {
    let mut raw = probed();
    let (ours, _) = raw.zeros();
    let outs = raw.with(|conn, cx| conn.handle_mtu(cx, ours.add(10_241), 1_300));
    assert_eq!(outs, [out(ACK, 10_241, 1, 1_024), out(ACK, 11_265, 1, 436)]);
    assert_eq!((raw.conn.mss(), found(&raw)), (1_024, (0, 1)));
    assert!(raw.conn.is_consistent());
}

/// RFC 8899, 5.1.1: the search begins again after tcp_probe_interval.
#[test]
fn rfc8899_5_1_1_the_search_is_renewed() {
    let mut raw = probed();
    raw.net.probe_interval = Duration::from_secs(5);
    raw.now = raw.now.add(ms(20));
    let (ours, _) = raw.zeros();
    raw.with(|conn, cx| conn.handle_mtu(cx, ours.add(10_241), 1_030));
    drain(&mut raw);
    // The route forgot what ICMP said, but the search is over.
    raw.with(|conn, _| conn.set_path(1_460, 0));
    let largest = |raw: &mut Raw| {
        let mut outs = raw.write(20_000);
        outs.extend(drain(raw));
        outs.iter().map(|out| out.len).max()
    };
    assert_eq!(largest(&mut raw), Some(1_024));
    raw.now = raw.now.add(Duration::from_secs(6));
    raw.net.slow_start_after_idle = false;
    assert_eq!(largest(&mut raw), Some(1_460));
}

/// The end of the stream behind a probe, and a probe in a log.
#[test]
fn a_probe_is_replayed() {
    let mut raw = Raw::closed(PEER, Default::default());
    raw.net.mtu_probing = 2;
    let now = raw.now;
    raw.with(|conn, cx| {
        let log = HostLog::new(Kinds::INPUTS, 4_096, now);
        conn.start_log(cx, log, Origin::New);
    });
    raw.open();
    let options = raw.syn_options();
    raw.with(|conn, _| conn.set_ip_options(8));
    raw.feed_with(SYN_ACK, 0, 1, 0, options);
    raw.write(60_000);
    raw.close();
    let outs = drain(&mut raw);
    assert!(lens(&outs).contains(&1_452));
    assert!(outs.iter().any(|out| out.flags.contains(Flags::FIN)));
    let ring = raw.conn.log().ring().unwrap();
    let log: Vec<Record> = std::iter::from_fn(|| ring.take()).collect();
    assert!(log.iter().any(|record| record.kind == Kind::Merge as u8));
    assert!(replay_records(&log).unwrap().sent > 20);
}
