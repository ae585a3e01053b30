// SPDX-License-Identifier: GPL-2.0

//! Connections whose user is gone, and too many of them: tcp_max_orphans and tcp_orphan_retries as
//! Documentation/networking/ip-sysctl.rst of Linux has them. RFC 6429, section 3, lets a host end
//! connections that a peer holds open by a shut window.

use crate::raw::{out, Raw, ACK, FIN_ACK, PSH_ACK, RST_ACK};
use crate::tcp::{
    connection::{Crowd, IcmpError},
    mib::Mib,
    state::ConnState::{Closed, Established, FinWait1},
    time::Duration,
};

fn aborted(raw: &Raw) -> u64 {
    raw.mib.get(Mib::TCPAbortOnMemory)
}

fn tell(raw: &mut Raw, crowd: Crowd) {
    raw.with(|conn, _| conn.set_crowd(crowd));
}

/// The user of one too many closes: RST in place of the FIN.
#[test]
fn one_orphan_too_many_is_reset() {
    for (crowd, answer, state) in [
        (Crowd::Half, out(FIN_ACK, 1, 1, 0), FinWait1),
        (Crowd::TooMany, out(RST_ACK, 1, 1, 0), Closed),
    ] {
        let mut raw = Raw::established();
        tell(&mut raw, crowd);
        assert_eq!(raw.close(), [answer]);
        assert_eq!(raw.state(), state);
        assert_eq!(aborted(&raw), u64::from(state == Closed));
    }
}

/// An orphan in FIN-WAIT-2 becomes a small entry, and is none too many.
#[test]
fn one_in_fin_wait_2_is_none_too_many() {
    let mut raw = Raw::fin_wait_2();
    tell(&mut raw, Crowd::TooMany);
    assert_eq!(raw.close(), []);
    assert_eq!(aborted(&raw), 0);
}

/// While there are too many an orphan ends at its next time-out, by a RST; a connection with a
/// user does not.
#[test]
fn a_crowd_ends_orphans_at_their_time_outs() {
    for closes in [true, false] {
        let mut raw = Raw::established();
        raw.write(100);
        if closes {
            raw.close();
        }
        tell(&mut raw, Crowd::TooMany);
        let outs = raw.pass(Duration::from_secs(2));
        assert_eq!(outs.last().map(|out| out.flags == RST_ACK), Some(closes));
        assert_eq!(raw.state(), if closes { Closed } else { Established });
        assert_eq!(aborted(&raw), u64::from(closes));
    }
}

/// So it is with one that probes a shut window (RFC 6429, 3).
#[test]
fn rfc6429_3_a_crowd_ends_orphans_before_a_shut_window() {
    let mut raw = Raw::established();
    raw.peer.wnd = 0;
    raw.feed(ACK, 1, 1, 0);
    raw.write(100);
    raw.close();
    tell(&mut raw, Crowd::Half);
    let probes = raw.pass(Duration::from_secs(2));
    assert!(!probes.is_empty() && probes.iter().all(|out| out.flags == ACK));
    tell(&mut raw, Crowd::TooMany);
    let outs = raw.pass(Duration::from_secs(4));
    assert_eq!(outs.last(), Some(&out(RST_ACK, 1, 1, 0)));
    assert_eq!(aborted(&raw), 1);
}

/// Of whom ICMP said that it is in trouble, half of the limit ends; and who has sent nothing for
/// twice the longest time-out counts double too.
#[test]
fn who_is_in_trouble_counts_double() {
    let rows = [
        // The crowd; ICMP, or silence before a shut window; whether it ends.
        (Crowd::Half, true, true),
        (Crowd::Half, false, true),
        (Crowd::Quarter, true, false),
        (Crowd::Quarter, false, false),
    ];
    for (crowd, icmp, ends) in rows {
        let mut raw = Raw::established();
        // Neither retries nor a growing time-out end it.
        raw.net.orphan_retries = 200;
        raw.net.rto_max = Duration::from_secs(1);
        raw.write(100);
        if icmp {
            raw.close();
            let (ours, _) = raw.zeros();
            raw.icmp(ours.add(1), IcmpError::Host);
        } else {
            raw.peer.wnd = 0;
            raw.feed(ACK, 1, 101, 0);
            raw.write(100);
            raw.close();
            raw.pass(Duration::from_millis(2_100));
        }
        tell(&mut raw, crowd);
        raw.pass(Duration::from_millis(1_100));
        assert_eq!(raw.state() == Closed, ends, "{crowd:?} {icmp}");
    }
}

/// tcp_orphan_retries: 8 in place of 0 while the time-out has not reached its bound; from then on 0
/// is 0, and what ICMP said of the path makes it 0.
#[test]
fn orphan_retries_of_none_are_eight_at_first() {
    let sent_ms = |retries: u8, longest: u64| {
        let mut raw = Raw::established();
        raw.net.orphan_retries = retries;
        raw.net.rto_max = Duration::from_millis(longest);
        raw.write(100);
        raw.close();
        let outs = raw.pass(Duration::from_secs(7_200));
        assert_eq!(raw.state(), Closed);
        outs.iter().filter(|out| out.len > 0).count()
    };
    let sent = |retries: u8, longest: u64| sent_ms(retries, longest * 1_000);
    // 200 ms doubled eight times is less than 1000 s; doubled five times, it is more than 4 s.
    assert_eq!(sent(0, 1_000), 8);
    assert_eq!(sent(0, 4), 5);
    // At its bound from the start (200 ms is the least): not without having tried again.
    assert_eq!(sent_ms(0, 200), 1);
    assert_eq!(sent(3, 4), 3);
}

/// An orphan whose peer answers every probe of its shut window is given up all the same, once the
/// time-out is at its bound.
#[test]
fn an_orphan_does_not_probe_for_ever() {
    let mut raw = Raw::established();
    raw.net.rto_max = Duration::from_secs(8);
    raw.net.orphan_retries = 3;
    raw.peer.wnd = 0;
    raw.feed(ACK, 1, 1, 0);
    raw.write(100);
    raw.close();
    let mut probes = 0;
    while raw.state() != Closed && probes < 50 {
        if !raw.pass(Duration::from_millis(100)).is_empty() {
            probes += 1;
            raw.feed(ACK, 1, 1, 0);
        }
    }
    // After 200 ms, 400, 800, 1600, 3200 and 6400; the next would come after 8 s.
    assert_eq!(probes, 6);
    assert_eq!(raw.mib.get(Mib::TCPAbortOnTimeout), 1);
}

/// The same with data out: it goes again, and a peer that only ever says that its window is shut holds nothing for
/// ever (RFC 6429, 3). Whose user is there waits.
#[test]
fn an_orphan_does_not_wait_for_a_shut_window() {
    for (closes, lives) in [(false, true), (true, false)] {
        let mut raw = Raw::established();
        raw.write(3_000);
        raw.peer.wnd = 0;
        if closes {
            raw.close();
        }
        raw.feed(ACK, 1, 1_001, 0);
        for _ in 0..30 {
            let Some(at) = raw.conn.poll_timeout() else {
                break;
            };
            raw.pass(at.since(raw.now));
            raw.feed(ACK, 1, 1_001, 0);
        }
        assert_eq!(raw.state() != Closed, lives);
        assert_eq!(raw.mib.get(Mib::TCPAbortOnTimeout), u64::from(!lives));
    }
}

/// Data is written on a corked socket and closed: not a word of the crowd without one.
#[test]
fn a_user_who_closes_in_time_is_none_too_many() {
    let mut raw = Raw::established();
    tell(&mut raw, Crowd::Quarter);
    assert_eq!(raw.write(10), [out(PSH_ACK, 1, 1, 10)]);
    assert_eq!(raw.close(), [out(FIN_ACK, 11, 1, 0)]);
}
