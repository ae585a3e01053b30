// SPDX-License-Identifier: GPL-2.0

//! Everything at a small width, against a model that is too simple to be wrong.
//!
//! What is checked is the shipped code, not a copy: multiplying by 2^24 embeds the circle of 256
//! numbers in that of 2^32 and keeps sums, differences and halves, so all pairs of eight-bit numbers
//! say all there is to say about arithmetic that only adds, subtracts and compares. Ranges and
//! windows are tried over all small values, across the wrap.

use crate::platform::{Buf, Host};
use crate::raw::*;
use crate::tcp::{
    connection::window_scale,
    platform::SegList,
    recv::{Recv, Stored},
    seq::{SeqNum, SeqRange},
};

/// The embedding.
fn wide(n: u8) -> SeqNum {
    SeqNum::new(u32::from(n) << 24)
}

/// Steps from `a` forward to `b` on the small circle.
fn walk(a: u8, b: u8) -> u32 {
    (0..256u32)
        .find(|n| a.wrapping_add(*n as u8) == b)
        .expect("a circle")
}

/// RFC 9293, 3.4: every pair of numbers.
#[test]
fn rfc9293_3_4_sequence_arithmetic_exhaustively() {
    for a in 0..=255u8 {
        for b in 0..=255u8 {
            let (x, y, steps) = (wide(a), wide(b), walk(a, b));
            assert_eq!(x.add(steps << 24), y);
            assert_eq!(y.sub(steps << 24), x);
            assert_eq!(y.distance_from(x), steps << 24);
            // Opposite numbers are neither before nor after in any useful sense.
            if steps == 128 {
                continue;
            }
            let ahead = (1..128).contains(&steps);
            let behind = steps > 128;
            assert_eq!(x.before(y), ahead, "{a} {b}");
            assert_eq!(x.after(y), behind);
            assert_eq!(x.before_or_eq(y), ahead || steps == 0);
            assert_eq!(x.after_or_eq(y), behind || steps == 0);
            assert_eq!(x.latest(y), if ahead { y } else { x });
            assert_eq!(x.earliest(y), if behind { y } else { x });
            let forward = if ahead { steps << 24 } else { 0 };
            assert_eq!(y.saturating_distance_from(x), forward);
        }
    }
}

/// Every pair of ranges within half of a circle, against sets of numbers.
#[test]
fn ranges_exhaustively() {
    const BASE: u8 = 250;
    const MOST: u8 = 12;
    let members = |a: u8, b: u8| (a..b).fold(0u32, |set, n| set | 1 << n);
    let range =
        |a: u8, b: u8| SeqRange::new(wide(BASE.wrapping_add(a)), wide(BASE.wrapping_add(b)));
    for (a, b) in pairs(MOST) {
        assert_eq!(range(a, b).len(), u32::from(b - a) << 24);
        for (c, d) in pairs(MOST) {
            let (one, two) = (members(a, b), members(c, d));
            // The union is one run if there is no gap in it.
            let union = one | two;
            let run = union >> union.trailing_zeros();
            let joined = run & (run + 1) == 0;
            assert_eq!(range(a, b).touches(range(c, d)), joined, "{a} {b} {c} {d}");
            if joined {
                let expected = range(a.min(c), b.max(d));
                assert_eq!(range(a, b).union(range(c, d)), expected);
            }
        }
    }
}

/// All `a < b <= most`.
fn pairs(most: u8) -> impl Iterator<Item = (u8, u8)> {
    (0..most).flat_map(move |a| (a + 1..=most).map(move |b| (a, b)))
}

/// RFC 7323, 2.2 and 2.3: the least shift after which 16 bits are enough, and never more than 14.
#[test]
fn rfc7323_2_2_window_scale_exhaustively() {
    let naive = |space: u32| {
        (0..=14)
            .find(|shift| space >> shift <= u32::from(u16::MAX))
            .unwrap_or(14)
    };
    // Every value around every boundary, and every value below 2^20.
    let near =
        (16..32).flat_map(|bit| (0..2_000u32).map(move |n| (1u32 << bit).wrapping_add(n) - 1_000));
    for space in (0..1 << 20).chain(near).chain([u32::MAX]) {
        assert_eq!(u32::from(window_scale(space)), naive(space), "{space}");
    }
}

/// RFC 9293, 3.8.6 and RFC 7323, 2.3: for every small buffer, load, promise and scale, what the
/// peer reads from the header is exactly what we remember to have promised, and no less than before.
#[test]
fn rfc7323_2_3_advertised_windows_exhaustively() {
    for (wscale, mss) in (0..=4u8).flat_map(|s| [(s, 1), (s, 4), (s, 9)]) {
        for (rcvbuf, load) in (0..=96u32).flat_map(|b| (1..=100u32).step_by(3).map(move |l| (b, l)))
        {
            for promised in 1..=48u32 {
                let mut recv = Recv::<Host>::new();
                recv.wscale = wscale;
                recv.rcvbuf = rcvbuf;
                recv.synchronize(SeqNum::new(u32::MAX - 20), promised);
                let buf = Buf {
                    overhead: load - 1,
                    ..Buf::new(vec![0])
                };
                let _ = recv.store(recv.nxt, buf, 1, &mut Default::default());
                let old = recv.adv;
                let field = u32::from(recv.advertise(mss));
                let read = recv.nxt.add(field << wscale);
                assert_eq!(read, recv.adv, "{wscale} {mss} {rcvbuf} {load} {promised}");
                assert!(old.before_or_eq(read), "it shrank");
                // By a segment or half of the buffer, less what rounding takes, or by what
                // rounding adds to the old promise.
                let (grown, unit) = (read.distance_from(old), 1 << wscale);
                let half = rcvbuf / 2 / 2;
                assert!(
                    grown < unit || grown + unit > mss.min(half),
                    "{grown} {wscale} {mss} {rcvbuf} {load} {promised}"
                );
            }
        }
    }
}

/// RFC 9293, 3.10.7.4, and RFC 2018, 4: every row of four segments within seven bytes: what is in
/// order, what is reported, and the bytes.
#[test]
fn rfc2018_4_reassembly_exhaustively() {
    const LEN: u8 = 7;
    let all: Vec<(u8, u8)> = pairs(LEN).collect();
    // Across the wrap.
    let zero = SeqNum::new(u32::MAX - 2);
    let mut rows = 0u64;
    let mut row = [0usize; 4];
    'rows: loop {
        let mut recv = Recv::<Host>::new();
        recv.synchronize(zero.sub(1), 1_000);
        let mut have = 0u32;
        for (a, b) in row.map(|n| all[n]) {
            let bytes = (a..b).collect();
            let (stored, back) = recv.store(
                zero.add(u32::from(a)),
                Buf::new(bytes),
                1,
                &mut Default::default(),
            );
            let before = have;
            have |= (a..b).fold(0, |set, n| set | 1 << n);
            let in_order = have.trailing_ones();
            assert_eq!(recv.nxt, zero.add(in_order), "{row:?}");
            assert_eq!(recv.unread, in_order);
            let expected = if have == before {
                Stored::Duplicate
            } else if before.trailing_ones() < in_order {
                Stored::InOrder
            } else {
                Stored::OutOfOrder
            };
            assert_eq!(stored, expected, "{row:?}");
            assert_eq!(back.is_some(), stored == Stored::Duplicate);
            // The report: whole runs, each once, none twice, and with one that holds the segment
            // in front if the segment is out of order.
            let mut reported = 0u32;
            // RFC 2883, 4.2: before that, the first part of it that was there already.
            let again = (u32::from(a)..u32::from(b)).find(|n| before & (1 << n) != 0);
            let again = again.filter(|_| stored != Stored::Duplicate);
            let blocks = recv.take_sack_blocks(4);
            if let Some(first) = again {
                let block = blocks.iter().next().expect("a report");
                let (c, d) = (
                    block.start.distance_from(zero),
                    block.end.distance_from(zero),
                );
                let set = (c..d).fold(0u32, |set, n| set | 1 << n);
                assert_eq!((c, set & before), (first, set), "{row:?}: the duplicate");
                assert!(d <= u32::from(b), "{row:?}: the duplicate");
            }
            for (n, block) in blocks.iter().skip(again.iter().len()).enumerate() {
                let (c, d) = (
                    block.start.distance_from(zero),
                    block.end.distance_from(zero),
                );
                let set = (c..d).fold(0u32, |set, n| set | 1 << n);
                assert_eq!(set & have, set, "{row:?}: reports what is not there");
                assert_eq!(set & reported, 0, "{row:?}: reports twice");
                assert!(c > in_order, "{row:?}: reports what is acknowledged");
                assert!(
                    have & (1 << (c - 1)) == 0 && have & (1 << d) == 0,
                    "part of a run"
                );
                if n == 0 && stored == Stored::OutOfOrder {
                    assert!(c <= u32::from(a) && u32::from(b) <= d, "{row:?}: not first");
                }
                reported |= set;
            }
            let waits = have >> in_order << in_order;
            assert_eq!(reported, waits, "{row:?}: at most four runs fit");
        }
        let in_order = have.trailing_ones() as usize;
        let mut data = Vec::new();
        while let Some(buf) = recv.ready.pop_front() {
            data.extend(buf.bytes);
        }
        assert_eq!(data, (0..in_order as u8).collect::<Vec<u8>>(), "{row:?}");
        rows += 1;
        for digit in &mut row {
            *digit += 1;
            if *digit < all.len() {
                continue 'rows;
            }
            *digit = 0;
        }
        break;
    }
    assert_eq!(rows, 28u64.pow(4));
}

/// RFC 6675, 4: every pair of ACKs with a block each, over six segments, sent one by one and as one
/// buffer: sums and marks agree, and nothing that arrived is sent again.
#[test]
fn rfc6675_4_scoreboard_exhaustively() {
    const SEGMENTS: u8 = 6;
    const MSS: u32 = 100;
    let mut acks: Vec<(u8, Option<(u8, u8)>)> = Vec::new();
    for ack in 0..=SEGMENTS {
        acks.push((ack, None));
        acks.extend(pairs(SEGMENTS).map(|block| (ack, Some(block))));
    }
    let peer = Peer {
        wnd: 60_000,
        mss: MSS as u16,
        sack: true,
        ..Peer::default()
    };
    for gso in [0, 65_000] {
        for first in &acks {
            for second in &acks {
                let mut raw = Raw::established_with(peer);
                raw.conn.set_path(1_460, gso);
                raw.write(usize::from(SEGMENTS) * MSS as usize);
                raw.now = raw.now.add(crate::tcp::time::Duration::from_millis(20));
                let (mut una, mut arrived) = (0u8, 0u32);
                for (ack, block) in [first, second] {
                    let at = |n: u8| 1 + u32::from(n) * MSS;
                    let blocks: Vec<_> = block.iter().map(|(a, b)| (at(*a), at(*b))).collect();
                    let outs = raw.feed_sack(at(*ack), &blocks);
                    una = una.max(*ack);
                    arrived |= (0..una).fold(0, |set, n| set | 1 << n);
                    if let Some((a, b)) = block.filter(|(a, _)| *a >= una) {
                        arrived |= (a..b).fold(0, |set, n| set | 1 << n);
                    }
                    let what = || format!("gso {gso}, {first:?}, {second:?}: {outs:?}");
                    assert!(raw.conn.is_consistent(), "{}", what());
                    let left = u32::from(SEGMENTS - una) * MSS;
                    assert_eq!(raw.conn.unacked(), left, "{}", what());
                    for out in &outs {
                        for n in 0..out.len.div_ceil(MSS) {
                            let segment = (out.seq - 1) / MSS + n;
                            assert_eq!(arrived & 1 << segment, 0, "{}", what());
                        }
                    }
                }
                raw.feed_sack(1 + u32::from(SEGMENTS) * MSS, &[]);
                assert_eq!(raw.conn.unacked(), 0);
            }
        }
    }
}
