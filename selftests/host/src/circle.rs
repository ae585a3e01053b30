// SPDX-License-Identifier: GPL-2.0

//! Numbers that a connection keeps for long (RFC 9293, 3.4): half of the circle, 2 GiB, after it was
//! passed a number seems to lie ahead.

use crate::pair::{Link, Pair};
use crate::raw::*;
use crate::tcp::{
    config::SocketConfig,
    ecn::Policy,
    mib::Mib,
    state::ConnState,
    time::Duration,
    wire::Flags, //
};

const FAST: Peer = Peer {
    wnd: 60_000,
    mss: 1000,
    sack: true,
    wscale: Some(4),
    ts: None,
};

/// Sends that much and has it acknowledged. Tells what the last number is.
fn pump(raw: &mut Raw, mut at: u32, bytes: u64) -> u32 {
    raw.with(|conn, _| conn.set_path(1460, 65_000));
    let mut left = bytes;
    while left > 0 {
        let n = left.min(60_000) as u32;
        raw.write(n as usize);
        at = at.wrapping_add(n);
        while raw.conn.unacked() > 0 {
            raw.now = raw.now.add(Duration::from_millis(1));
            let end = raw.conn.numbers().1.distance_from(raw.zeros().0);
            raw.feed(ACK, 1, end, 0);
        }
        left -= u64::from(n);
    }
    raw.with(|conn, _| conn.set_path(1460, 0));
    at
}

/// A little more than half of the circle, so that what was passed at the start seems ahead.
const HALF: u64 = (1 << 31) + (1 << 22);

/// RFC 9293, 3.4: urgent data, a partial segment (Nagle) and a reduction for a mark (RFC 3168, 6.1.2)
/// of more than 2 GiB ago are not of now.
#[test]
fn rfc9293_3_4_old_numbers_do_not_come_back() {
    let mut raw = Raw::closed(
        FAST,
        SocketConfig {
            nodelay: false,
            ..SocketConfig::default()
        },
    );
    raw.net.ecn = Policy::ASK;
    raw.open();
    raw.now = raw.now.add(Duration::from_millis(20));
    let options = raw.syn_options();
    raw.feed_with(SYN_ACK.with(Flags::ECE), 0, 1, 0, options);
    assert_eq!(raw.state(), ConnState::Established);
    // A partial segment, urgent, whose ACK reports a mark.
    raw.write(100);
    raw.with(|conn, _| conn.mark_urgent());
    raw.write(5_000);
    raw.feed(ACK.with(Flags::ECE), 1, 5_101, 0);
    let reduced = raw.conn.ssthresh();
    assert!(reduced < u32::MAX);
    raw.write(2_000);
    raw.feed(ACK, 1, 7_101, 0);
    let at = pump(&mut raw, 7_101, HALF);
    // Nagle: no partial segment is out.
    raw.write(1_000);
    assert_eq!(raw.write(10).len(), 1);
    assert!(!raw.headers.iter().any(|h| h.flags.contains(Flags::URG)));
    // A mark counts.
    let before = raw.conn.cwnd();
    raw.feed(ACK.with(Flags::ECE), 1, at.wrapping_add(1_010), 0);
    assert!(
        raw.conn.cwnd() < before,
        "{} after {before}",
        raw.conn.cwnd()
    );
    // All the way round: the pointer does not reach what was urgent once.
    let left = (1u64 << 32) - u64::from(at.wrapping_add(1_010)) - 20_000;
    let at = pump(&mut raw, at.wrapping_add(1_010), left);
    raw.write(30_000);
    assert!(!raw.headers.iter().any(|h| h.flags.contains(Flags::URG)));
    assert_eq!(
        raw.conn.numbers().1.distance_from(raw.zeros().0),
        at.wrapping_add(30_000)
    );
}

/// RFC 9293, 3.8.6.3: with the smallest receive buffers, a reader who reads at once gets everything
/// without an ACK that waits for its timer.
#[test]
fn rfc9293_3_8_6_3_no_ack_waits_for_its_timer_at_a_tiny_buffer() {
    for rcvbuf in [2_304, 4_096, 8_192, 16_384] {
        let link = Link {
            delay_us: 1_000,
            ..Link::default()
        };
        let mut pair = Pair::new(5, link);
        pair.ends[1].rcvbuf = rcvbuf;
        pair.listen(1);
        pair.connect(0);
        let data = vec![7u8; 200_000];
        let (mut sent, mut got) = (0, 0);
        let start = pair.now;
        let done = pair.run(Duration::from_secs(60), |pair| {
            if pair.ends[0].state() == ConnState::Established && sent < data.len() {
                sent += pair.write(0, &data[sent..]);
            }
            got += pair.read(1, usize::MAX).len();
            got == data.len()
        });
        let delayed = pair.ends[1].mib.get(Mib::DelayedACKs);
        assert!(done, "{got} of {}", data.len());
        assert_eq!(delayed, 0, "{rcvbuf}: after {:?}", pair.now.since(start));
    }
}
