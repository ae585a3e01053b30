// SPDX-License-Identifier: GPL-2.0

//! What a connection tells of itself, and that it does the same again.

use crate::platform::{make_memory_scarce, HostLog};
use crate::raw::*;
use crate::replay::{replay, replay_records};
use crate::tcp::{
    connection::{Connection, Crowd, IcmpError, Origin},
    context::Cx,
    ecn::Policy,
    log::{Kind, Kinds, LossBy, Reason, Record, Recorder, Why, BYTES},
    mib::Mib,
    pacing::Pacer,
    platform::Memory,
    state::ConnState,
    wire::{Codepoint, Flags},
};

fn explained(peer: Peer) -> Raw {
    let mut raw = Raw::established_with(peer);
    logged(&mut raw, Kinds::EVENTS);
    raw
}

fn logged(raw: &mut Raw, kinds: Kinds) {
    let now = raw.now;
    raw.with(|conn, cx| conn.start_log(cx, HostLog::new(kinds, 4096, now), Origin::New));
    records(raw);
}

pub(crate) fn records(raw: &mut Raw) -> Vec<Record> {
    let ring = raw.conn.log().ring().expect("a log");
    std::iter::from_fn(|| ring.take()).collect()
}

fn of(records: &[Record], kind: Kind) -> Vec<Record> {
    let found = records.iter().filter(|record| record.kind == kind as u8);
    found.copied().collect()
}

/// Why the sender stopped last.
fn held(raw: &mut Raw) -> Option<Why> {
    let all = of(&records(raw), Kind::Held);
    all.last().and_then(|record| Why::from_code(record.cause))
}

fn configure(raw: &mut Raw, change: impl FnOnce(&mut crate::tcp::config::SocketConfig)) {
    raw.with(|conn, cx| {
        let mut config = *conn.config();
        change(&mut config);
        conn.configure(cx, config);
    });
}

/// RFC 5681, 3.1: the initial window is out, ten segments of twelve.
#[test]
fn held_by_the_congestion_window() {
    let mut raw = explained(SACK);
    raw.write(12_000);
    assert_eq!(held(&mut raw), Some(Why::Cwnd));
    raw.feed(ACK, 1, 10_001, 0);
    assert_eq!(held(&mut raw), Some(Why::Nothing));
}

/// RFC 9293, 3.8.6: the peer offers 5000 bytes, and later none.
#[test]
fn held_by_the_peers_window() {
    let peer = Peer { wnd: 5_000, ..SACK };
    let mut raw = explained(peer);
    raw.write(8_000);
    assert_eq!(held(&mut raw), Some(Why::Rwnd));
    raw.peer.wnd = 0;
    raw.feed(ACK, 1, 5_001, 0);
    // Nothing was sent since, so that is not told again. The probe says what it is.
    raw.pass(ms(400));
    let sent = of(&records(&mut raw), Kind::Sent);
    assert_eq!(sent.last().unwrap().cause, Reason::Window as u8);
}

/// RFC 9293, 3.8.6.2.1 (SHLD-7, MUST-38): less than a segment of window is left open.
#[test]
fn held_by_a_silly_window() {
    let mut raw = explained(Peer { wnd: 2_500, ..SACK });
    raw.write(4_000);
    assert_eq!(held(&mut raw), Some(Why::Rwnd));
}

/// RFC 9293, 3.7.4: a partial segment is out.
#[test]
fn held_by_nagle() {
    let mut raw = explained(SACK);
    configure(&mut raw, |config| config.nodelay = false);
    raw.write(10);
    raw.write(10);
    assert_eq!(held(&mut raw), Some(Why::Nagle));
}

/// TCP_CORK, and MSG_MORE.
#[test]
fn held_by_cork() {
    let mut raw = explained(SACK);
    configure(&mut raw, |config| config.cork = true);
    raw.write(10);
    assert_eq!(held(&mut raw), Some(Why::Cork));
    let mut raw = explained(SACK);
    raw.with(|conn, _| conn.set_more(true));
    raw.write(10);
    assert_eq!(held(&mut raw), Some(Why::Cork));
}

/// 100,000 bytes a second, by our own timer.
#[test]
fn held_by_pacing() {
    let mut raw = explained(SACK);
    raw.with(|conn, _| conn.set_pacing(Pacer::Timer, 100_000));
    raw.write(5_000);
    assert_eq!(held(&mut raw), Some(Why::Pacing));
}

/// A buffer of two segments can't be cut.
#[test]
fn held_by_memory() {
    let mut raw = explained(SACK);
    raw.with(|conn, _| conn.set_path(1460, 60_000));
    raw.write(12_000);
    records(&mut raw);
    make_memory_scarce(1);
    raw.feed(ACK, 1, 5_001, 0);
    raw.write(30_000);
    make_memory_scarce(0);
    assert_eq!(held(&mut raw), Some(Why::Memory));
}

/// All of the send buffer is out, and the user has to wait.
#[test]
fn held_by_the_send_buffer() {
    let mut raw = explained(SACK);
    raw.with(|conn, _| conn.set_buffers(4_000, 131_072, (true, true)));
    raw.write(4_000);
    assert_eq!(held(&mut raw), Some(Why::Buffer));
}

/// RFC 5682, 2.1, step 2b: until the next ACK no one knows whether the time-out was a mistake.
#[test]
fn held_until_the_time_out_is_proved() {
    let mut raw = explained(Peer {
        sack: false,
        ..SACK
    });
    raw.write(10_000);
    raw.pass(ms(300));
    raw.write(30_000);
    raw.feed(ACK, 1, 1_001, 0);
    let all = records(&mut raw);
    let held = of(&all, Kind::Held);
    assert_eq!(held.last().unwrap().cause, Why::Proof as u8);
}

/// RFC 9293, 3.3.2: every state on the way from SYN-SENT to the end, each once.
#[test]
fn every_change_of_state_is_told() {
    let mut raw = Raw::closed(Peer::default(), Default::default());
    logged(&mut raw, Kinds::EVENTS);
    raw.open();
    let options = raw.syn_options();
    raw.feed_with(Flags::SYN.with(ACK), 0, 1, 0, options);
    raw.shutdown();
    raw.feed(ACK, 1, 2, 0);
    raw.feed(Flags::FIN.with(ACK), 1, 2, 0);
    let states: Vec<(u8, u16)> = of(&records(&mut raw), Kind::State)
        .iter()
        .map(|record| (record.cause, record.more))
        .collect();
    use ConnState::*;
    let way = [Closed, SynSent, Established, FinWait1, FinWait2, TimeWait];
    let expected: Vec<(u8, u16)> = way
        .windows(2)
        .map(|pair| (pair[1] as u8, pair[0] as u16))
        .collect();
    assert_eq!(states, expected);
}

/// RFC 8985, 6.2: one segment of ten is lost: told as lost, sent again for that reason, recovery
/// begins and ends, and the window goes down.
#[test]
fn a_loss_and_its_repair_are_told() {
    let mut raw = explained(SACK);
    raw.write(10_000);
    raw.now = raw.now.add(ms(20));
    raw.feed_sack(1, &[(1_001, 10_001)]);
    raw.pass(ms(40));
    raw.feed(ACK, 1, 10_001, 0);
    let all = records(&mut raw);
    let losses: Vec<(u8, u32)> = of(&all, Kind::Loss)
        .iter()
        .map(|record| (record.cause, record.words[1]))
        .collect();
    assert_eq!(losses, [(LossBy::Rack as u8, 1_000)]);
    let again: Vec<Record> = of(&all, Kind::Sent)
        .into_iter()
        .filter(|record| record.cause == Reason::Lost as u8)
        .collect();
    assert_eq!(again.len() as u64, raw.mib.get(Mib::RetransSegs));
    assert_eq!(again[0].words[1], 1_000);
    let phases: Vec<u8> = of(&all, Kind::Recovery).iter().map(|r| r.cause).collect();
    assert_eq!(phases, [1, 0]);
    let windows: Vec<u32> = of(&all, Kind::Metrics).iter().map(|r| r.words[4]).collect();
    assert_eq!(windows.last(), Some(&raw.conn.cwnd()));
    assert!(windows.iter().any(|cwnd| *cwnd < 10_000), "{windows:?}");
}

/// RFC 6298, 5.4 to 5.6: each time-out doubles what the next record of metrics says.
#[test]
fn time_outs_are_told() {
    let mut raw = explained(SACK);
    raw.write(1_000);
    raw.pass(ms(10_000));
    let all = records(&mut raw);
    let rows: Vec<u32> = of(&all, Kind::Timeout).iter().map(|r| r.words[1]).collect();
    assert_eq!(rows.len() as u64, raw.mib.get(Mib::TCPTimeouts));
    assert!(rows.len() >= 3 && rows.windows(2).all(|two| two[1] == two[0] + 1));
    let rto: Vec<u32> = of(&all, Kind::Metrics).iter().map(|r| r.words[9]).collect();
    let last = &rto[rto.len() - 2..];
    assert_eq!(last[1], last[0] * 2);
}

/// RFC 3522: the ACK was for the original, as its time stamp shows.
#[test]
fn an_undo_is_told() {
    let mut raw = explained(Peer {
        ts: Some(500),
        ..SACK
    });
    raw.write(5_000);
    let first = raw.echo;
    raw.pass(ms(1_300));
    raw.echo = first;
    raw.feed(ACK, 1, 5_001, 0);
    let undone = of(&records(&mut raw), Kind::Undone);
    assert_eq!(undone.len(), 1);
    assert_eq!(undone[0].cause, 1);
    assert_eq!(raw.mib.get(Mib::TCPLossUndo), 1);
}

/// A connection without a log asks one question: nothing is kept.
#[test]
fn off_is_off() {
    let mut raw = Raw::established();
    raw.write(10_000);
    assert!(raw.conn.log().ring().is_none());
    assert_eq!(raw.conn.log().kinds(), Kinds::NONE);
}

/// A log explains and does not change what happens: the same is sent with events, with inputs,
/// with both and without.
#[test]
fn a_log_changes_nothing() {
    for seed in 0..40 {
        let plain = crate::sim::run_way(seed, false).unwrap();
        for bits in 1..=3 {
            let kinds = Kinds::from_bits(bits).unwrap();
            let (outcome, _) = crate::sim::run_logged(seed, kinds).unwrap();
            assert_eq!(outcome, plain, "seed {seed}, kinds {bits}");
        }
    }
}

/// Whole simulated connections, both ends of each, are replayed from their logs: every header, every
/// deadline and every sum is the same.
#[test]
fn what_was_recorded_is_replayed() {
    let (mut sent, mut segments) = (0, 0);
    for seed in 0..150 {
        let (_, logs) = crate::sim::run_logged(seed, Kinds::INPUTS).unwrap();
        for (end, log) in logs.iter().enumerate() {
            let bytes: Vec<u8> = log.iter().flat_map(|record| record.to_bytes()).collect();
            let report =
                replay(&bytes).unwrap_or_else(|story| panic!("seed {seed}, end {end}: {story}"));
            assert!(!report.cut, "seed {seed}");
            sent += report.sent;
            segments += report.segments;
        }
    }
    assert!(sent > 10_000 && segments > 10_000, "{sent} {segments}");
}

/// A byte that came out differently is found: each word of a header, a deadline, the window.
#[test]
fn a_difference_is_found() {
    let (_, [log, _]) = crate::sim::run_logged(3, Kinds::INPUTS).unwrap();
    replay_records(&log).unwrap();
    let spoil = |kind: Kind, word: usize| {
        let mut log = log.clone();
        let last = log.iter().rposition(|r| r.kind == kind as u8).unwrap();
        log[last].words[word] ^= 1;
        replay_records(&log).err()
    };
    for word in 0..11 {
        assert!(
            spoil(Kind::OutSegment, word).is_some(),
            "header, word {word}"
        );
    }
    for word in 0..13 {
        assert!(
            spoil(Kind::OutNothing, word).is_some(),
            "standing, word {word}"
        );
    }
    assert!(spoil(Kind::InSegment, 0).is_some(), "a FIN out of place");
    // What answers out of turn (challenge ACKs, RST) is compared as well.
    let (mut log, at) = (0..200)
        .flat_map(|seed| crate::sim::run_logged(seed, Kinds::INPUTS).unwrap().1)
        .find_map(|log| {
            let at = log.iter().position(|r| r.kind == Kind::OutReply as u8)?;
            replay_records(&log).unwrap();
            Some((log, at))
        })
        .expect("a reply");
    for word in 0..7 {
        log[at].words[word] ^= 1;
        assert!(replay_records(&log).is_err(), "reply, word {word}");
        log[at].words[word] ^= 1;
    }
    assert!(replay(&[0; BYTES]).is_err());
    assert!(replay(&[]).is_err());
}

/// A log that ended for want of room is replayed as far as it goes, wherever that is: in the
/// middle of a setting, between a header and its SACK blocks, between a call and what it gave.
#[test]
fn a_log_that_ended_is_replayed_to_its_end() {
    let logs = (0..20).map(|seed| crate::sim::run_logged(seed, Kinds::INPUTS).unwrap().1);
    let log = logs
        .flatten()
        .find(|log| of(log, Kind::Sack).len() > 5 && of(log, Kind::Split).len() > 5)
        .expect("one that has it all");
    for len in 1..log.len().min(2_000) {
        let mut log = log.clone();
        log.truncate(len);
        log.push(Record {
            kind: Kind::Lost as u8,
            ..Record::default()
        });
        match replay_records(&log) {
            Ok(report) => assert!(report.cut, "{len} records"),
            Err(story) => panic!("{len} records: {story}"),
        }
    }
}

/// Opens a connection that logs its inputs from the beginning on; `answer` is what the peer's SYN-ACK has.
fn opened(mut raw: Raw, answer: Flags) -> Raw {
    let now = raw.now;
    raw.with(|conn, cx| conn.start_log(cx, HostLog::new(Kinds::INPUTS, 4096, now), Origin::New));
    raw.open();
    let options = raw.syn_options();
    raw.feed_with(answer, 0, 1, 0, options);
    raw
}

/// Accurate ECN counts the packets that receive offload joined: the log has their number.
#[test]
fn joined_packets_are_replayed() {
    let mut raw = Raw::closed(SACK, Default::default());
    raw.net.ecn = Policy::ASK_ACCURATE;
    let mut raw = opened(raw, Flags::SYN.with(ACK).with_ace(0b010));
    raw.codepoint = Codepoint::Ce;
    raw.joined = 3;
    raw.feed(ACK.with_ace(5), 1, 1, 1_500);
    assert_eq!(raw.headers[0].flags.ace(), 0, "5 + 3 modulo 8");
    let report = replay_records(&records(&mut raw)).unwrap();
    assert_eq!((report.segments, report.sent), (2, 3));
}

/// A buffer whose end is cut off may take less memory, or as much as before: the log says how much.
#[test]
fn buffers_that_were_cut_are_replayed() {
    let mut raw = opened(Raw::closed(SACK, Default::default()), Flags::SYN.with(ACK));
    // Of a thousand bytes the first few are new.
    for (next, new, size) in [(1_001, 100, 256 + 100), (5_001, 700, 256 + 1_000)] {
        raw.feed(ACK, next, 1, 1_000);
        let before = raw.conn.memory().1;
        raw.feed(ACK, next - new, 1, 1_000);
        assert_eq!(raw.conn.memory().1 - before, size);
    }
    let log = records(&mut raw);
    assert_eq!(of(&log, Kind::Trim).len(), 2);
    replay_records(&log).unwrap();
}

/// What no simulation does: urgent data, ICMP, TCP_QUICKACK, records, ABORT.
#[test]
fn rare_calls_are_replayed() {
    let mut raw = opened(Raw::closed(SACK, Default::default()), Flags::SYN.with(ACK));
    raw.with(|conn, _| conn.mark_end());
    raw.write(3_000);
    raw.with(|conn, _| {
        conn.mark_end();
        conn.mark_urgent();
    });
    raw.urg = 10;
    raw.feed(ACK.with(Flags::URG), 1, 1, 20);
    raw.with(|conn, _| conn.urgent_is(7));
    raw.with(|conn, _| conn.urgent_read());
    raw.read(5);
    raw.with(|conn, _| {
        conn.set_quickack(true);
    });
    let (ours, _) = raw.zeros();
    raw.with(|conn: &mut Connection<_>, cx: &Cx<'_, _>| {
        conn.handle_icmp(cx, ours.add(1), IcmpError::Net);
        conn.handle_mtu(cx, ours.add(1), 700);
        conn.shutdown_recv();
    });
    configure(&mut raw, |config| config.cork = true);
    raw.write(10);
    raw.with(|conn, _| {
        conn.push_out();
        conn.set_memory(Memory::Short);
        conn.set_crowd(Crowd::Half);
    });
    configure(&mut raw, |config| config.nodelay = true);
    raw.pass(ms(3_000));
    raw.with(|conn, cx| conn.abort(cx));
    let log = records(&mut raw);
    for kind in [
        Kind::InUrgent,
        Kind::InIcmp,
        Kind::InMtu,
        Kind::InLetGo,
        Kind::InMemory,
        Kind::InCrowd,
        Kind::InAbort,
    ] {
        assert_eq!(of(&log, kind).len(), 1, "{kind:?}");
    }
    let report = replay_records(&log).unwrap();
    assert!(report.sent > 5);
}
