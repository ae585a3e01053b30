// SPDX-License-Identifier: GPL-2.0

//! Recoveries that were a mistake are noticed and undone, and real ones are not.

use crate::raw::*;
use crate::tcp::{
    config::SocketConfig, mib::Mib, state::ConnState::*, time::Duration, wire::Flags,
};

const PLAIN: Peer = Peer {
    sack: false,
    ..SACK
};
const STAMPED: Peer = Peer {
    ts: Some(5),
    ..PLAIN
};
const STAMPED_SACK: Peer = Peer {
    sack: true,
    ..STAMPED
};

fn seqs(outs: &[Out]) -> Vec<u32> {
    outs.iter().map(|o| o.seq).collect()
}

/// Ten segments are out, five more wait, and the timer expires.
fn timed_out(peer: Peer) -> Raw {
    let mut raw = Raw::established_with(peer);
    let mss = raw.conn.mss();
    assert_eq!(raw.write(15 * mss as usize).len(), 10);
    while raw.mib.get(Mib::TCPTimeouts) == 0 {
        let at = raw.conn.poll_timeout().expect("a timer");
        let outs = raw.pass(at.since(raw.now));
        let timeouts = raw.mib.get(Mib::TCPTimeouts);
        assert!(outs.is_empty() || timeouts == 1 || peer.sack, "{outs:?}");
    }
    assert_eq!(raw.conn.cwnd(), mss);
    raw
}

/// RFC 5682, 2.1: the ACKs of what was only late go on coming after new data went out.
#[test]
fn rfc5682_2_1_a_late_flight_is_not_sent_again() {
    let mut raw = timed_out(PLAIN);
    assert_eq!(seqs(&raw.feed(ACK, 1, 1_001, 0)), [10_001, 11_001], "2b");
    assert_eq!(seqs(&raw.feed(ACK, 1, 2_001, 0)), [12_001], "3b: undone");
    assert_eq!(raw.mib.get(Mib::TCPSpuriousRTOs), 1);
    assert!(raw.conn.cwnd() >= 10_000, "{}", raw.conn.cwnd());
    for n in 3..=15 {
        raw.feed(ACK, 1, n * 1_000 + 1, 0);
    }
    assert_eq!(raw.mib.get(Mib::RetransSegs), 1);
    assert!(raw.conn.is_consistent());
}

/// RFC 5682, 2.1, where the peer's window is what held the new data back.
#[test]
fn rfc5682_2_1_new_data_that_the_window_held_back() {
    let mut raw = Raw::established_with(Peer { wnd: 400, ..PLAIN });
    raw.with(|conn, cx| {
        let config = *conn.config();
        conn.configure(
            cx,
            crate::tcp::config::SocketConfig {
                nodelay: true,
                ..config
            },
        );
    });
    for _ in 0..4 {
        raw.write(100);
    }
    assert!(raw.write(600).is_empty());
    while raw.mib.get(Mib::TCPTimeouts) == 0 {
        let at = raw.conn.poll_timeout().expect("a timer");
        raw.pass(at.since(raw.now));
    }
    raw.peer.wnd = 2_000;
    assert_eq!(seqs(&raw.feed(ACK, 1, 101, 0)), [401]);
}

/// RFC 5682, 2.1, step 3a: a duplicate ACK instead, and the rest is sent again.
/// RFC 9293, MUST-19.
#[test]
fn rfc5682_2_1_a_lost_flight_is_sent_again() {
    let mut raw = timed_out(PLAIN);
    assert_eq!(seqs(&raw.feed(ACK, 1, 1_001, 0)), [10_001, 11_001]);
    let outs = raw.feed(ACK, 1, 1_001, 0);
    assert_eq!(outs.first().map(|o| o.seq), Some(1_001), "{outs:?}");
    assert_eq!(raw.mib.get(Mib::TCPSpuriousRTOs), 0);
    assert!(raw.conn.cwnd() < 5_000);
    // Step 2a: a duplicate at once.
    let mut raw = timed_out(PLAIN);
    raw.feed(ACK, 1, 1, 0);
    assert_eq!(seqs(&raw.feed(ACK, 1, 1_001, 0)), [1_001, 2_001]);
    // Step 2b: nothing new to be sent.
    let mut raw = Raw::established_with(PLAIN);
    raw.write(5_000);
    raw.pass(ms(220));
    assert_eq!(seqs(&raw.feed(ACK, 1, 1_001, 0)), [1_001, 2_001]);
}

/// RFC 5682, 3.1: with SACK, the report of anything old that was not sent again is enough.
#[test]
fn rfc5682_3_1_with_sack() {
    let mut raw = timed_out(SACK);
    let (first, probes) = (1_001, seqs(&raw.feed_sack(1_001, &[])));
    assert!(probes.iter().all(|seq| *seq > 10_000), "{probes:?}");
    assert!(!probes.is_empty());
    raw.feed_sack(first, &[(4_001, 5_001)]);
    assert_eq!(raw.mib.get(Mib::TCPSpuriousRTOs), 1);
    assert!(raw.conn.cwnd() >= 10_000);
    assert!(raw.conn.is_consistent());
    // What arrives is the new data: the old is lost.
    let mut raw = timed_out(SACK);
    let probes = seqs(&raw.feed_sack(1_001, &[]));
    let outs = raw.feed_sack(1_001, &[(probes[0], probes[0] + 1_000)]);
    assert_eq!(outs.first().map(|o| o.seq), Some(1_001), "{outs:?}");
    assert_eq!(raw.mib.get(Mib::TCPSpuriousRTOs), 0);
    assert!(raw.conn.cwnd() < 5_000);
}

/// RFC 3522 and RFC 4015: the first ACK echoes the original's time; nothing more is sent again, the
/// windows are what they were, and the next time-out comes later.
#[test]
fn rfc3522_3_2_and_rfc4015_3_timestamps_show_a_late_flight() {
    for late in [true, false] {
        let mut raw = Raw::established_with(STAMPED);
        let mss = raw.conn.mss();
        raw.write(15 * mss as usize);
        let original = raw.echo;
        let (cwnd, ssthresh) = (raw.conn.cwnd(), raw.conn.ssthresh());
        raw.pass(ms(220));
        assert_eq!(raw.mib.get(Mib::TCPTimeouts), 1);
        assert!(raw.echo != original);
        raw.now = raw.now.add(ms(300));
        if late {
            raw.echo = original;
        }
        raw.feed(ACK, 1, 1 + mss, 0);
        assert_eq!(raw.mib.get(Mib::TCPLossUndo), u64::from(late));
        let restored = raw.conn.cwnd() >= cwnd && raw.conn.ssthresh() == ssthresh;
        assert_eq!(restored, late);
        if late {
            assert_eq!(raw.mib.get(Mib::RetransSegs), 1);
            // SRTT is at least the 520 ms that it took, RTTVAR half of that (RFC 4015, 3.3).
            let at = raw.conn.poll_timeout().expect("a timer");
            assert!(at.since(raw.now) >= ms(520 + 4 * 260));
        }
        assert!(raw.conn.is_consistent());
    }
}

/// RFC 3522: a fast retransmission of what was overtaken only.
#[test]
fn rfc3522_3_2_a_fast_retransmission() {
    for late in [true, false] {
        let mut raw = Raw::established_with(STAMPED_SACK);
        let mss = raw.conn.mss();
        raw.write(10 * mss as usize);
        let original = raw.echo;
        let cwnd = raw.conn.cwnd();
        raw.pass(ms(20));
        let outs = raw.feed_sack(1, &[(1 + mss, 1 + 4 * mss)]);
        assert_eq!(outs.first().map(|o| o.seq), Some(1));
        raw.now = raw.now.add(ms(20));
        if late {
            raw.echo = original;
        }
        raw.feed_sack(1 + 10 * mss, &[]);
        assert_eq!(raw.mib.get(Mib::TCPFullUndo), u64::from(late));
        assert_eq!(raw.conn.cwnd() >= cwnd, late, "{}", raw.conn.cwnd());
    }
}

/// RFC 8985, 6.2, and RFC 3522: one segment overtakes a queue. That leads to one recovery, which the next ACK
/// shows to be a mistake, and not to another with each ACK of what was overtaken.
#[test]
fn rfc8985_6_2_one_overtaker_leads_to_one_recovery() {
    let mut raw = Raw::established_with(STAMPED_SACK);
    let mss = raw.conn.mss();
    raw.write(5 * mss as usize);
    let original = raw.echo;
    raw.now = raw.now.add(ms(90));
    raw.write(5 * mss as usize);
    raw.now = raw.now.add(ms(10));
    let last = (1 + 9 * mss, 1 + 10 * mss);
    raw.echo = original;
    let outs = raw.feed_sack(1, &[last]);
    assert_eq!(outs.first().map(|out| out.seq), Some(1));
    let again = raw.mib.get(Mib::RetransSegs);
    for n in 1..=5 {
        raw.now = raw.now.add(ms(1));
        raw.echo = original;
        raw.feed_sack(1 + n * mss, &[last]);
    }
    assert_eq!(raw.mib.get(Mib::TCPFastRetrans), 1);
    assert_eq!(raw.mib.get(Mib::RetransSegs), again);
    assert!(raw.conn.is_consistent());
}

/// RFC 8985, 6.2: what is known of a large buffer's first segment tells nothing of its others; when those arrive,
/// they are news by which a loss between them is found.
#[test]
fn rfc8985_6_2_segments_of_one_buffer_arrive_one_by_one() {
    let mut raw = Raw::closed(SACK, SocketConfig::default());
    raw.net.min_tso_segs = 8;
    raw.open();
    raw.pass(ms(100));
    raw.answer_syn();
    raw.with(|conn, _| conn.set_path(1460, 65_000));
    let mss = raw.conn.mss();
    // The second flight has a window that is large enough.
    raw.write(10 * mss as usize);
    raw.pass(ms(100));
    raw.feed(ACK, 1, 1 + 10 * mss, 0);
    let at = |n: u32| 1 + (10 + n) * mss;
    let outs = raw.write(8 * mss as usize);
    assert_eq!((outs[0].seq, outs[0].len), (at(0), 8 * mss), "one buffer");
    raw.now = raw.now.add(ms(100));
    assert_eq!(raw.feed(ACK, 1, at(1), 0), []);
    assert_eq!(raw.feed_sack(at(1), &[(at(2), at(3))]), []);
    assert_eq!(raw.feed_sack(at(1), &[(at(2), at(4))]), []);
    let outs = raw.feed_sack(at(1), &[(at(2), at(5))]);
    let first = outs.first().map(|out| (out.seq, out.len));
    assert_eq!(first, Some((at(1), mss)));
}

/// RFC 3708: every retransmission was reported as a duplicate, after the recovery was over.
#[test]
fn rfc3708_3_duplicates_show_a_mistake() {
    for reported in [1, 2] {
        let mut raw = Raw::established_with(SACK);
        raw.write(10_000);
        let cwnd = raw.conn.cwnd();
        raw.pass(ms(20));
        // The first two were overtaken.
        let mut outs = raw.feed_sack(1, &[(2_001, 8_001)]);
        outs.extend(raw.feed_sack(1, &[(2_001, 10_001)]));
        outs.extend(raw.pass(ms(6)));
        let mut again = seqs(&outs);
        again.dedup();
        assert_eq!(again, [1, 1_001]);
        raw.feed_sack(10_001, &[]);
        assert!(raw.conn.cwnd() < cwnd, "halved");
        for n in 0..reported {
            raw.feed_sack(10_001, &[(1 + n * 1_000, 1_001 + n * 1_000)]);
        }
        assert_eq!(raw.mib.get(Mib::TCPDSACKUndo), u64::from(reported == 2));
        assert_eq!(raw.conn.cwnd() >= cwnd, reported == 2);
    }
}

/// RFC 2018, 8 and RFC 6675, 5.1: what a peer reported and then dropped is sent again (TCPSACKReneging).
#[test]
fn rfc2018_8_reneging_is_counted_and_repaired() {
    let mut raw = Raw::established_with(SACK);
    raw.write(5_000);
    raw.feed_sack(1, &[(1_001, 3_001)]);
    raw.feed(ACK, 1, 1_001, 0);
    let mut again = Vec::new();
    for _ in 0..20 {
        let Some(at) = raw.conn.poll_timeout() else {
            break;
        };
        again.extend(seqs(&raw.pass(at.since(raw.now))));
        if raw.mib.get(Mib::TCPSACKReneging) > 0 {
            break;
        }
    }
    assert_eq!(raw.mib.get(Mib::TCPSACKReneging), 1);
    for end in [2_001, 3_001, 4_001, 5_001] {
        again.extend(seqs(&raw.feed(ACK, 1, end, 0)));
    }
    assert!(
        again.contains(&1_001) && again.contains(&2_001),
        "{again:?}"
    );
    assert_eq!(raw.conn.unacked(), 0);
}

/// RFC 8985, 7.3: a FIN without data is lost, with data before it or alone.
#[test]
fn rfc8985_7_3_a_lost_bare_fin_is_repaired() {
    let mut raw = Raw::established_with(SACK);
    raw.write(2_000);
    assert_eq!(raw.shutdown(), [out(FIN_ACK, 2_001, 1, 0)]);
    // The probe, after two round-trips: the last data, and the FIN rides on it.
    let fin = out(FIN_ACK.with(Flags::PSH), 1_001, 1, 1_000);
    assert_eq!(raw.pass(ms(45)), [fin]);
    raw.pass(ms(20));
    raw.feed_sack(1_001, &[(1_001, 2_001)]);
    raw.feed_sack(2_002, &[]);
    assert_eq!(raw.state(), FinWait2);
    assert_eq!(raw.mib.get(Mib::TCPTimeouts), 0);
    // Alone: its ACK might be delayed, so that the time-out comes first.
    let mut raw = Raw::established_with(SACK);
    assert_eq!(raw.shutdown(), [out(FIN_ACK, 1, 1, 0)]);
    assert_eq!(raw.pass(ms(225)), [out(FIN_ACK, 1, 1, 0)]);
    raw.feed_sack(2, &[]);
    assert_eq!(raw.state(), FinWait2);
    assert_eq!(raw.conn.poll_timeout(), None);
}

/// RFC 6582, 3.2, step 2: a time-out was a mistake, and without SACK nothing tells so. What went again draws
/// duplicate ACKs, which tell of no loss beyond.
#[test]
fn rfc6582_3_2_step_2_duplicates_after_a_mistake() {
    let mut raw = Raw::established_after(PLAIN, ms(20));
    raw.net.frto = false;
    raw.write(8_000);
    assert_eq!(seqs(&raw.pass(ms(220))), [1]);
    for n in 1..=8 {
        raw.feed(ACK, 1, 1 + n * 1_000, 0);
    }
    let cwnd = raw.conn.cwnd();
    let outs = raw.write(5_000);
    assert_eq!(outs.first().map(|out| out.seq), Some(8_001));
    for _ in 0..7 {
        let outs = raw.feed(ACK, 1, 8_001, 0);
        assert!(outs.iter().all(|out| out.seq > 8_001), "{outs:?}");
    }
    assert_eq!(raw.mib.get(Mib::TCPRenoRecovery), 0);
    assert!(raw.conn.cwnd() >= cwnd);
    // As soon as more than that is acknowledged they do.
    raw.feed(ACK, 1, 9_001, 0);
    let outs: Vec<_> = (0..3).flat_map(|_| raw.feed(ACK, 1, 9_001, 0)).collect();
    assert!(seqs(&outs).contains(&9_001), "{outs:?}");
    assert_eq!(raw.mib.get(Mib::TCPRenoRecovery), 1);
}

/// A peer that acknowledges what it did not get yet has a short round-trip time. How often a long tree is searched
/// goes by its length all the same: a buffer for each microsecond that passes.
#[test]
fn searches_cost_no_more_than_time_passes() {
    let mut raw = Raw::established_after(
        Peer {
            wscale: Some(6),
            ..SACK
        },
        Duration::from_micros(50),
    );
    raw.conn.set_buffers(64 << 20, 131_072, (true, true));
    raw.write(8_000_000);
    let mut acked = 1;
    while raw.conn.cwnd() < 4_000_000 {
        let nxt = raw.conn.numbers().1.distance_from(raw.zeros().0);
        raw.now = raw.now.add(Duration::from_micros(50));
        acked = nxt.min(acked + 100_000);
        raw.feed_sack(acked, &[]);
    }
    let (before, count, each) = (crate::platform::work(), 1_000, 20);
    for n in 0..count {
        raw.now = raw.now.add(Duration::from_micros(each));
        let start = acked + 1_000 + n * 2_000;
        raw.feed_sack(acked, &[(start, start + 1_000)]);
    }
    let work = crate::platform::work() - before;
    assert!(work <= u64::from(count) * (each + 30), "{work}");
}

/// Whatever a peer reports, one ACK makes us look at a bounded number of buffers: those that it is
/// the first to report, 192 in a search for losses, 256 that were reported before, and two cuts a
/// block. Only every 32nd of a round-trip time may a longer tree be searched. (CVE-2019-11478.)
#[test]
fn hostile_sack_streams_cost_little() {
    let mut raw = Raw::established_with(Peer {
        sack: true,
        wscale: Some(6),
        ..PLAIN
    });
    // 4,000 segments in flight.
    let (mut acked, total) = (1, 8_000_000);
    raw.conn.set_buffers(64 << 20, 131_072, (true, true));
    raw.write(total);
    while raw.conn.cwnd() < 4_000_000 {
        let nxt = raw.conn.numbers().1.distance_from(raw.zeros().0);
        raw.now = raw.now.add(ms(1));
        acked = nxt.min(acked + 100_000);
        raw.feed_sack(acked, &[]);
    }
    let nxt = raw.conn.numbers().1.distance_from(raw.zeros().0);
    assert!(nxt - acked > 3_500_000, "{}", nxt - acked);
    // Everything but the first segment is reported, so that all that follows is in vain.
    raw.feed_sack(acked, &[(acked + 1_000, nxt)]);
    let mut rng = crate::pair::Rng::new(5);
    let mut most = 0;
    for n in 0..2_000u32 {
        let mut blocks = Vec::new();
        for _ in 0..4 {
            // Always a start that was not seen before, and a cut in the middle of a segment.
            let start = acked + 1_001 + (n * 7 + rng.below(1_000) as u32) % 50_000;
            blocks.push((start, nxt - rng.below(1_000) as u32));
        }
        let before = crate::platform::work();
        raw.feed_sack(acked, &blocks);
        most = most.max(crate::platform::work() - before);
    }
    println!("most work for an ACK: {most}");
    assert!(most <= 256 + 192 + 2 * 4 * 3 + 100, "{most}");
    assert!(raw.conn.is_consistent());
}
