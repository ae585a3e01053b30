// SPDX-License-Identifier: GPL-2.0

//! What the fuzz targets and the simulator found: each test is the least that shows the fault.

use crate::raw::*;
use crate::tcp::{config::SocketConfig, connection::Events, state::ConnState::*};

/// A socket option is set in TIME-WAIT: no timer may end with an error what ended well.
#[test]
fn keepalive_is_of_no_use_in_time_wait() {
    let mut raw = Raw::fin_wait_2();
    raw.feed(FIN_ACK, 1, 2, 0);
    assert_eq!(raw.state(), TimeWait);
    raw.with(|conn, cx| {
        let config = SocketConfig {
            keepalive: true,
            keepidle: ms(1_000),
            ..*conn.config()
        };
        conn.configure(cx, config);
    });
    assert_eq!(raw.conn.poll_timeout(), None);
    assert!(!raw.events.has(Events::ERROR));
}

/// RFC 8985, 7.3: a tail probe may repeat what is on its way again already (ICMP had it cut anew
/// and resent); it counts once, or the pipe would never run empty.
#[test]
fn a_tail_probe_of_a_retransmission_counts_once() {
    let mut raw = Raw::established_with(Peer {
        sack: true,
        wnd: 60_000,
        ..Peer::default()
    });
    raw.write(5_000);
    let una = raw.conn.numbers().0;
    let outs = raw.with(|conn, cx| conn.handle_mtu(cx, una, 600));
    assert!(!outs.is_empty(), "resent in smaller segments");
    for _ in 0..4 {
        let at = raw.conn.poll_timeout().expect("a timer");
        raw.pass(at.since(raw.now));
        assert!(raw.conn.is_consistent());
    }
}

/// RFC 9293, 3.8.6 (SHLD-14): a SYN-ACK that is sent again takes back nothing, neither when the
/// user made the buffer smaller nor because its own window is not scaled.
#[test]
fn a_repeated_syn_ack_does_not_shrink_the_window() {
    let mut raw = Raw::syn_received();
    let edge = raw.conn.numbers().4;
    raw.conn.set_buffers(1 << 20, 4_096, (true, true));
    let outs = raw.pass(ms(1_000));
    assert_eq!(outs, [out(SYN_ACK, 0, 1, 0)]);
    assert_eq!(raw.conn.numbers().4, edge);
}
