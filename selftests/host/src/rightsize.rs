// SPDX-License-Identifier: GPL-2.0

//! The receive buffer of who only receives: the round-trip time that it measures, and the buffer
//! that follows (dynamic right-sizing).

use crate::raw::{Peer, Raw, ACK};
use crate::tcp::{platform::Memory, time::Duration, wire::Timestamps};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The window's right edge, as a number of the peer's.
fn edge(raw: &Raw) -> u32 {
    raw.conn.numbers().4.distance_from(raw.zeros().1)
}

/// A sender that fills the window once in `rtt`, to a user that reads at once.
fn fill_windows(raw: &mut Raw, rtt: Duration, times: u32) {
    for _ in 0..times {
        let end = edge(raw);
        while raw.their_next() < end {
            let seq = raw.their_next();
            raw.feed(ACK, seq, 1, (end - seq).min(1_000));
            raw.read(u32::MAX);
        }
        raw.now = raw.now.add(rtt);
    }
}

/// Without timestamps: from when a window's edge is offered until data beyond it comes at least a
/// round trip passes; the least counts.
#[test]
fn a_windows_edge_measures_the_round_trip() {
    let mut raw = Raw::established();
    assert_eq!(raw.info().rcv_rtt, Duration::ZERO);
    fill_windows(&mut raw, ms(80), 4);
    assert_eq!(raw.info().rcv_rtt, ms(80));
    fill_windows(&mut raw, ms(50), 4);
    assert_eq!(raw.info().rcv_rtt, ms(50));
    // A sender that pauses takes longer, the path does not.
    fill_windows(&mut raw, ms(900), 4);
    assert_eq!(raw.info().rcv_rtt, ms(50));
}

/// With timestamps: from the sending of one until it comes back (RFC 7323, 4), on full segments,
/// once for each; the estimate goes up slowly.
#[test]
fn rfc7323_4_an_echo_measures_the_round_trip() {
    let ts = Some(5_000);
    let mut raw = Raw::established_with(Peer {
        ts,
        ..Peer::default()
    });
    let mut seq = 1;
    let mut come = |raw: &mut Raw, after: u64, len: u32| {
        let echo = raw.echo;
        raw.now = raw.now.add(ms(after));
        let mut options = raw.options();
        options.timestamps = Some(Timestamps {
            val: 5_000,
            ecr: echo,
        });
        raw.feed_with(ACK, seq, 1, len, options);
        raw.read(u32::MAX);
        seq += len;
        raw.info().rcv_rtt
    };
    assert_eq!(come(&mut raw, 40, 1_000), ms(40));
    assert_eq!(come(&mut raw, 24, 1_000), ms(24));
    // 7/8 of 24 and 1/8 of 64.
    assert_eq!(come(&mut raw, 64, 1_000), ms(29));
    // Many segments at once, joined by receive offload; and then fewer of them.
    let before = come(&mut raw, 29, 20_000);
    assert!(come(&mut raw, 200, 5_000) > before);
    while come(&mut raw, 29, 5_000) > ms(29) {}
    // What is not full may have waited for its user.
    assert_eq!(come(&mut raw, 500, 999), ms(29));
}

/// While nobody reads, the sender may have waited for the window: no reason for a longer time.
#[test]
fn an_unread_queue_makes_no_time_longer() {
    let ts = Some(5_000);
    let mut raw = Raw::established_with(Peer {
        ts,
        ..Peer::default()
    });
    for (n, after) in [(0, 40), (1, 400), (2, 30)] {
        raw.now = raw.now.add(ms(after));
        raw.feed(ACK, 1 + n * 1_000, 1, 1_000);
        let want = if n < 2 { ms(40) } else { ms(30) };
        assert_eq!(raw.info().rcv_rtt, want);
    }
}

/// The handshake took 20 ms, and the path takes 100 now. What counts is what is read in 100 ms.
#[test]
fn a_receivers_buffer_follows_its_own_measurement() {
    let ts = Some(5_000);
    let mut raw = Raw::established_with(Peer {
        ts,
        ..Peer::default()
    });
    raw.conn.set_buffers(1 << 20, 131_072, (false, false));
    let before = raw.info().rcv_space;
    let mut seq = 1;
    // 10,000 bytes each 10 ms, that is 100,000 in a round trip; echoes of 100 ms ago.
    let mut sent = Vec::new();
    for _ in 0..100 {
        raw.now = raw.now.add(ms(10));
        let mut options = raw.options();
        sent.push(raw.echo);
        let ecr = sent[sent.len().saturating_sub(10)];
        options.timestamps = Some(Timestamps { val: 5_000, ecr });
        for _ in 0..10 {
            raw.feed_with(ACK, seq, 1, 1_000, options);
            seq += 1_000;
        }
        raw.read(u32::MAX);
    }
    let after = raw.info();
    assert!(after.rcv_rtt > ms(60), "{:?}", after.rcv_rtt);
    assert!(after.rcv_space > 60_000 && after.rcv_space > before);
    assert!(raw.conn.buffers().1 > 200_000, "{}", raw.conn.buffers().1);
}

/// What is out of order has room beside what the reader takes, unless the user fixed the buffer or
/// memory is short.
#[test]
fn the_buffer_grows_for_what_is_out_of_order() {
    for (locked, memory, grows) in [
        (false, Memory::Plenty, true),
        (true, Memory::Plenty, false),
        (false, Memory::Short, false),
    ] {
        let mut raw = Raw::established();
        raw.conn.set_buffers(1 << 20, 80_000, (false, locked));
        raw.conn.set_memory(memory);
        raw.overhead = 256;
        for n in 0..60 {
            raw.feed(ACK, 2_001 + n * 1_000, 1, 1_000);
        }
        let rcvbuf = raw.conn.buffers().1;
        assert_eq!(rcvbuf > 80_000, grows, "{rcvbuf}");
        // And no more than the namespace's bound.
        assert!(rcvbuf <= raw.net.rmem[2]);
    }
}

/// The first measure of a reader is what ten segments bring (RFC 6928).
#[test]
fn rcv_space_begins_with_ten_segments() {
    let raw = Raw::established();
    assert_eq!(raw.info().rcv_space, 14_600);
}
