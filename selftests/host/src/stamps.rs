// SPDX-License-Identifier: GPL-2.0

//! SOF_TIMESTAMPING_TX_ACK: the buffer with a byte that the user asked about is given back when that
//! byte is acknowledged, and only then.

use crate::platform::Buf;
use crate::raw::*;
use crate::tcp::time::Duration;

fn peer() -> Peer {
    Peer {
        wnd: 60_000,
        sack: true,
        ..Peer::default()
    }
}

/// Queues a buffer of `len` bytes whose last one is asked about; tells what went out.
fn write_stamped(raw: &mut Raw, len: usize) -> Vec<Out> {
    raw.with(|conn, _| {
        conn.queue(Buf::new(vec![1; len]));
        conn.mark_push();
        let buf = conn.stamp_last(true).expect("a buffer");
        assert_eq!(buf.bytes.len(), len);
    })
}

/// The lengths of the buffers that are given back.
fn given(raw: &mut Raw) -> Vec<usize> {
    std::iter::from_fn(|| raw.conn.take_stamped())
        .map(|buf| buf.bytes.len())
        .collect()
}

#[test]
fn a_byte_is_acknowledged_once() {
    let mut raw = Raw::established_with(peer());
    write_stamped(&mut raw, 300);
    raw.write(100);
    assert_eq!(given(&mut raw), []);
    raw.feed(ACK, 1, 300, 0);
    assert_eq!(given(&mut raw), [], "one byte is missing");
    raw.feed(ACK, 1, 301, 0);
    assert_eq!(given(&mut raw), [300]);
    raw.feed(ACK, 1, 401, 0);
    assert_eq!(given(&mut raw), [], "nobody asked");
    assert_eq!(raw.conn.memory().0, 0);
}

/// A selective acknowledgment can be taken back (RFC 2018, 8); what is sent again is still asked
/// about.
#[test]
fn a_byte_that_was_sent_again() {
    let mut raw = Raw::established_with(peer());
    raw.write(1000);
    write_stamped(&mut raw, 1000);
    raw.feed_sack(1, &[(1001, 2001)]);
    assert_eq!(given(&mut raw), []);
    raw.pass(Duration::from_secs(3));
    raw.feed(ACK, 1, 2001, 0);
    assert_eq!(given(&mut raw), [1000]);
}

/// A buffer that is cut: the byte is in the last part.
#[test]
fn a_byte_in_a_buffer_that_is_cut() {
    let mut raw = Raw::established_with(peer());
    raw.with(|conn, _| conn.set_path(1460, 65_000));
    let outs = write_stamped(&mut raw, 12_500);
    assert!(outs.len() > 1, "{outs:?}");
    let sent: u32 = outs.iter().map(|o| o.len).sum();
    raw.feed(ACK, 1, sent, 0);
    assert_eq!(given(&mut raw), []);
    raw.pass(Duration::from_secs(2));
    raw.feed(ACK, 1, 12_501, 0);
    assert_eq!(given(&mut raw).len(), 1);
}

/// Queues a buffer of 300 bytes whose last one is asked about, and that grows by 5,000 before it is
/// sent; tells what went out.
fn write_stamped_and_more(raw: &mut Raw) -> Vec<Out> {
    raw.with(|conn, _| {
        conn.set_path(1460, 65_000);
        conn.set_more(true);
    });
    assert_eq!(write_stamped(raw, 300), []);
    raw.with(|conn, _| {
        let (buf, room) = conn.tail_room().expect("a buffer");
        assert!(room >= 5000, "{room}");
        buf.bytes.extend([2; 5000]);
        conn.appended(5000, 5000);
        conn.set_more(false);
        conn.mark_push();
    })
}

/// What follows in the same buffer does not delay the news of the byte.
#[test]
fn a_byte_in_the_middle_of_a_buffer() {
    let mut raw = Raw::established_with(peer());
    let sent: u32 = write_stamped_and_more(&mut raw).iter().map(|o| o.len).sum();
    assert_eq!(sent, 5300);
    raw.feed(ACK, 1, 300, 0);
    assert_eq!(given(&mut raw), []);
    raw.feed(ACK, 1, 301, 0);
    assert_eq!(given(&mut raw), [300]);
    raw.feed(ACK, 1, 5301, 0);
    assert_eq!(given(&mut raw), [], "once");
    assert_eq!(raw.conn.memory().0, 0);
}

/// A buffer that is cut behind the byte: the news is not about the rest.
#[test]
fn a_byte_in_front_of_a_cut() {
    let mut raw = Raw::established_with(peer());
    write_stamped_and_more(&mut raw);
    raw.feed_sack(1, &[(1461, 5301)]);
    assert_eq!(given(&mut raw), []);
    raw.feed(ACK, 1, 1461, 0);
    assert_eq!(given(&mut raw), [1460]);
    raw.feed(ACK, 1, 5301, 0);
    assert_eq!(given(&mut raw), []);
    assert_eq!(raw.conn.memory().0, 0);
}

/// What is dropped was not acknowledged.
#[test]
fn a_byte_that_never_arrives() {
    let mut raw = Raw::established_with(peer());
    write_stamped(&mut raw, 300);
    raw.with(|conn, cx| conn.abort(cx));
    assert_eq!(given(&mut raw), []);
}
