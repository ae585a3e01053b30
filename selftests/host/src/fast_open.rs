// SPDX-License-Identifier: GPL-2.0

//! Fast Open (RFC 7413), the listener's side: what a SYN gets, and a connection before its ACK.

use crate::log::records;
use crate::platform::{Counters, Host, HostLog};
use crate::raw::*;
use crate::replay::replay_records;
use crate::tcp::{
    config::{NetConfig, SocketConfig},
    connection::{Connection, Events, Origin},
    context::Cx,
    handshake::{
        fast_open::{bits, on_syn, OnSyn},
        SynParams, SynRcvd,
    },
    log::Kinds,
    metrics::Metrics,
    mib::Mib,
    state::ConnState,
    time::{Duration, Instant},
    wire::{FastOpen, Options, Segment},
};

const GOOD: [u8; 8] = *b"cookies!";
const OLD: [u8; 8] = *b"stale...";

fn syn(cookie: Option<&[u8]>, len: u32) -> Segment {
    let raw = Raw::closed(Peer::default(), SocketConfig::default());
    let options = Options {
        fast_open: cookie.map(|c| FastOpen::new(c, false).unwrap()),
        ..raw.syn_options()
    };
    raw.segment(SYN, 0, 0, len, options)
}

fn decide(net: u32, offered: bool, room: bool, cookie: Option<&[u8]>, len: u32) -> OnSyn {
    let net = NetConfig {
        fastopen: net,
        ..NetConfig::default()
    };
    let mib = Counters::default();
    let cx: Cx<'_, Host> = Cx {
        now: Instant::from_nanos(1_000_000_000),
        net: &net,
        mib: &mib,
    };
    on_syn(&cx, &syn(cookie, len), offered, &[GOOD, OLD], room)
}

/// RFC 7413, 4.2.2: who asks for a cookie or has a wrong one gets one with an ordinary SYN-ACK,
/// whose data is not taken; a good one is accepted, one of the last key too (4.1.3.1).
#[test]
fn rfc7413_4_2_2_what_a_syn_gets() {
    let grant = OnSyn::Ordinary(FastOpen::new(&GOOD, false));
    let plain = OnSyn::Ordinary(None);
    let on = bits::SERVER;
    assert_eq!(decide(on, true, true, Some(&[]), 0), grant);
    assert_eq!(decide(on, true, true, Some(&[]), 10), grant);
    assert_eq!(decide(on, true, true, Some(b"nonsense"), 10), grant);
    assert_eq!(decide(on, true, true, Some(b"nons"), 10), grant);
    assert_eq!(decide(on, true, true, None, 10), plain);
    for cookie in [&GOOD, &OLD] {
        for len in [0, 10] {
            assert_eq!(decide(on, true, true, Some(cookie), len), OnSyn::Accept);
        }
        // RFC 7413, 5.1: bounded, and a SYN beyond the bound is an ordinary one.
        assert_eq!(decide(on, true, false, Some(cookie), 10), plain);
        // Neither the namespace nor the listener wants it.
        assert_eq!(decide(0, true, true, Some(cookie), 10), plain);
        assert_eq!(decide(bits::CLIENT, true, true, Some(cookie), 10), plain);
        assert_eq!(decide(on, false, true, Some(cookie), 10), plain);
        let all = on | bits::ALL_LISTENERS;
        assert_eq!(decide(all, false, true, Some(cookie), 10), OnSyn::Accept);
    }
    let free = on | bits::SERVER_NO_COOKIE;
    assert_eq!(decide(free, true, true, None, 10), OnSyn::Accept);
    assert_eq!(decide(free, true, true, None, 0), plain);
    assert_eq!(
        decide(free, true, true, Some(b"nonsense"), 10),
        OnSyn::Accept
    );
    assert_eq!(decide(free, true, false, None, 10), plain);
}

/// RFC 7413, 4.1.1: an even number of bytes from 4 to 16, or none; the rest is no such option.
/// Appendix A's predecessor is kind 254 with 0xF989 (RFC 6994).
#[test]
fn rfc7413_4_1_1_the_option() {
    let parse = |bytes: &[u8]| Options::parse(bytes).fast_open;
    assert_eq!(parse(&[34, 2]), FastOpen::new(&[], false));
    assert!(parse(&[34, 2]).is_some());
    for len in 1..=18u8 {
        let mut bytes = vec![34, len + 2];
        bytes.extend(1..=len);
        let cookie = parse(&bytes);
        let good = len % 2 == 0 && (4..=16).contains(&len);
        assert_eq!(cookie.is_some(), good, "{len}");
        if let Some(option) = cookie {
            assert_eq!(option.cookie(), &bytes[2..]);
        }
    }
    assert_eq!(
        parse(&[254, 8, 0xf9, 0x89, 1, 2, 3, 4]),
        FastOpen::new(&[1, 2, 3, 4], true)
    );
    assert_eq!(parse(&[254, 8, 0xf9, 0x8a, 1, 2, 3, 4]), None);
    // What is written is understood, beside everything else that a SYN has.
    for (len, experimental) in [(0, false), (8, false), (16, false), (0, true), (8, true)] {
        let cookie: Vec<u8> = (1..=len).collect();
        let options = Options {
            mss: Some(1_460),
            wscale: Some(8),
            sack_permitted: true,
            timestamps: Some(Default::default()),
            fast_open: FastOpen::new(&cookie, experimental),
            ..Options::default()
        };
        let mut out = vec![0; options.len()];
        assert!(out.len() % 4 == 0 && out.len() <= 40, "{}", out.len());
        options.emit(&mut out);
        assert_eq!(Options::parse(&out), options, "{len} {experimental}");
    }
}

/// A listener's connection of a SYN with `len` bytes of data, fed that SYN; what it sent.
fn accepted(len: u32) -> (Raw, Vec<Out>) {
    let mut raw = Raw::closed(Peer::default(), SocketConfig::default());
    let options = raw.syn_options();
    let seg = raw.segment(SYN, 0, 0, len, options);
    let cx = Cx {
        now: raw.now,
        net: &raw.net,
        mib: &raw.mib,
    };
    let params = SynParams {
        iss: raw.zeros().0,
        ts_offset: 0,
        mss_route: 1460,
        mss_default: 536,
        rcvbuf: 131_072,
        fixed: false,
        metrics: Metrics::NONE,
    };
    let config = SocketConfig {
        nodelay: true,
        ..SocketConfig::default()
    };
    let entry = SynRcvd::new(&cx, &config, &seg, params);
    raw.conn = Connection::from_fast_syn(&cx, config, &entry, &seg);
    let log = HostLog::new(Kinds::INPUTS, 4096, raw.now);
    raw.conn.start_log(&cx, log, Origin::FastSyn(&entry, &seg));
    raw.conn.set_buffers(1 << 20, 131_072, (true, true));
    raw.conn.set_path(1460, 0);
    let outs = raw.feed_with(SYN, 0, 0, len, options);
    (raw, outs)
}

/// RFC 7413, 3 and 4.2.2: the SYN-ACK acknowledges the data, which is there to be read, and ours
/// goes out before the handshake is complete, within the initial window; then its ACK counts.
#[test]
fn rfc7413_4_2_2_data_before_the_handshake() {
    let (mut raw, outs) = accepted(100);
    assert_eq!(outs, [out(SYN_ACK, 0, 101, 0)]);
    assert_eq!(raw.state(), ConnState::SynReceived);
    assert!(raw.events.has(Events::READABLE));
    assert_eq!(raw.read(200).0.len(), 100);
    let outs = raw.write(12_000);
    assert_eq!(outs.len(), 10, "ten segments (RFC 6928)");
    assert_eq!(outs[0], out(ACK, 1, 101, 1_000));
    raw.now = raw.now.add(Duration::from_millis(20));
    let outs = raw.feed(ACK, 101, 2_001, 0);
    assert_eq!(raw.state(), ConnState::Established);
    assert_eq!(outs.first().map(|o| (o.seq, o.len)), Some((10_001, 1_000)));
    raw.feed(ACK, 101, 12_001, 0);
    assert_eq!(raw.conn.unacked(), 0);
    assert_eq!(raw.conn.poll_timeout().map(|_| ()), None);
    let report = replay_records(&records(&mut raw)).unwrap();
    assert_eq!((report.segments, report.sent), (3, 13));
}

/// The SYN again, or no answer: the SYN-ACK again, and the data counts once. Data of ours waits
/// for the handshake (RFC 7413, 4.2.2: the SYN-ACK is what is retransmitted).
#[test]
fn rfc7413_4_2_2_the_syn_ack_is_sent_again() {
    let (mut raw, _) = accepted(100);
    raw.write(500);
    let options = raw.syn_options();
    assert_eq!(
        raw.feed_with(SYN, 0, 0, 100, options),
        [out(SYN_ACK, 0, 101, 0)]
    );
    assert_eq!(raw.conn.recv_len(), 100);
    assert_eq!(
        raw.pass(Duration::from_millis(3_100)),
        [out(SYN_ACK, 0, 101, 0), out(SYN_ACK, 0, 101, 0)]
    );
    assert_eq!(raw.mib.get(Mib::TCPLossProbes), 0);
    // (Which of the two is acknowledged nobody knows: Karn.)
    let (mut twice, _) = accepted(100);
    for _ in 0..2 {
        twice.now = twice.now.add(Duration::from_millis(300));
        twice.feed_with(SYN, 0, 0, 100, options);
    }
    assert_eq!(twice.mib.get(Mib::TCPSynRetrans), 2);
    twice.now = twice.now.add(Duration::from_millis(50));
    twice.feed(ACK, 101, 1, 0);
    assert_eq!(
        (twice.state(), twice.conn.srtt()),
        (ConnState::Established, None)
    );
    // The ACK of the SYN-ACK alone: what was lost is sent again by its own timer.
    raw.feed(ACK, 101, 1, 0);
    let outs = raw.pass(Duration::from_secs(10));
    assert_eq!(outs.first().map(|o| (o.seq, o.len)), Some((1, 500)));
    // Nobody answers: as often as a SYN-ACK is sent, then it is over.
    let (mut raw, _) = accepted(100);
    raw.net.synack_retries = 2;
    let outs = raw.pass(Duration::from_secs(100));
    assert_eq!(outs, [out(SYN_ACK, 0, 101, 0); 2]);
    assert_eq!(raw.state(), ConnState::Closed);
}

/// A reset is one of a connection (not a refusal); a FIN waits for the handshake; closing with
/// data unread resets.
#[test]
fn rfc7413_4_2_2_ends_before_the_handshake() {
    use crate::tcp::connection::CloseReason;
    let (mut raw, _) = accepted(10);
    raw.feed(RST, 11, 0, 0);
    assert_eq!(raw.state(), ConnState::Closed);
    assert_eq!(raw.error(), Some(CloseReason::ConnectionReset));
    let (mut raw, _) = accepted(10);
    assert_eq!(raw.close(), [out(RST_ACK, 1, 11, 0)]);
    let (mut raw, _) = accepted(10);
    raw.read(10);
    assert_eq!(raw.close(), []);
    assert_eq!(raw.feed(ACK, 11, 1, 0), [out(FIN_ACK, 1, 11, 0)]);
    // Its FIN with the ACK.
    let (mut raw, _) = accepted(10);
    assert_eq!(raw.feed(FIN_ACK, 11, 1, 0), [out(ACK, 1, 12, 0)]);
    assert_eq!(raw.state(), ConnState::CloseWait);
    // A wrong acknowledgment is refused, as in any handshake (RFC 9293, 3.10.7.4).
    let (mut raw, _) = accepted(10);
    assert_eq!(raw.feed(ACK, 11, 5, 0), [out(RST, 5, 0, 0)]);
    assert_eq!(raw.state(), ConnState::SynReceived);
}
