// SPDX-License-Identifier: GPL-2.0

//! Fast Open (RFC 7413), the opener's side: what is on a SYN, and what its answer teaches.

use crate::log::records;
use crate::pair::{Link, Pair};
use crate::platform::{Buf, HostLog};
use crate::raw::*;
use crate::replay::replay_records;
use crate::tcp::{
    config::SocketConfig,
    connection::{CloseReason, Events, FastAnswer, FastFail, FastNews, FastSyn, IcmpError, Origin},
    log::{Kind, Kinds},
    mib::Mib,
    state::ConnState,
    time::Duration,
    wire::{FastOpen, Options},
};

const COOKIE: [u8; 8] = *b"cookies!";

fn cookie() -> FastOpen {
    FastOpen::new(&COOKIE, false).unwrap()
}

fn carry(mss: u16) -> FastSyn {
    FastSyn::Carry {
        cookie: Some(cookie()),
        mss,
    }
}

/// A connection that waits for its SYN, with a log.
fn held(peer: Peer) -> Raw {
    let config = SocketConfig {
        nodelay: true,
        ..SocketConfig::default()
    };
    let mut raw = Raw::closed(peer, config);
    let now = raw.now;
    raw.with(|conn, cx| {
        let log = HostLog::new(Kinds::INPUTS, 4096, now);
        conn.start_log(cx, log, Origin::New);
    });
    assert_eq!(raw.open_fast(false, FastSyn::Wait), []);
    assert_eq!(raw.state(), ConnState::SynSent);
    assert!(raw.conn.is_held());
    raw
}

/// Sends the SYN with `len` bytes of data, or as much of it as goes.
fn send(raw: &mut Raw, syn: FastSyn, len: u32) -> Vec<Out> {
    raw.with(|conn, cx| {
        let n = len.min(conn.syn_room(syn));
        if n > 0 {
            conn.queue(Buf::new(vec![7; n as usize]));
        }
        conn.send_syn(cx, syn);
    })
}

/// A connection whose SYN had `len` bytes.
fn sent(peer: Peer, len: u32) -> Raw {
    let mut raw = held(peer);
    assert_eq!(send(&mut raw, carry(1460), len), [out(SYN, 0, 0, len)]);
    raw
}

fn news(raw: &mut Raw) -> FastNews {
    raw.conn.take_fast_news().unwrap_or_default()
}

/// The SYN-ACK's options with a Fast Open option of these bytes.
fn grant(raw: &Raw, bytes: Option<&[u8]>) -> Options {
    Options {
        fast_open: bytes.map(|bytes| FastOpen::new(bytes, false).unwrap()),
        ..raw.syn_options()
    }
}

fn fail(raw: &Raw) -> FastFail {
    raw.info().fast_fail
}

/// What was recorded makes another connection do the same.
fn replays(raw: &mut Raw) {
    replay_records(&records(raw)).unwrap();
}

/// RFC 7413, 4.2.1: a SYN with an empty option asks for a cookie, and carries no data; the answer's
/// cookie and MSS are to be remembered (4.1.3).
#[test]
fn rfc7413_4_2_1_a_cookie_is_asked_for() {
    for experimental in [false, true] {
        let mut raw = held(Peer::default());
        let outs = send(&mut raw, FastSyn::Ask { experimental }, 500);
        assert_eq!(outs, [out(SYN, 0, 0, 0)]);
        let option = raw.headers[0].options.fast_open.unwrap();
        assert_eq!(option, FastOpen::new(&[], experimental).unwrap());
        let options = grant(&raw, Some(&COOKIE));
        assert_eq!(
            raw.feed_with(SYN_ACK, 0, 1, 0, options),
            [out(ACK, 1, 1, 0)]
        );
        assert_eq!(fail(&raw), FastFail::NoCookie);
        let expected = FastAnswer {
            mss: 1000,
            cookie: Some(cookie()),
            lost: false,
            denied: None,
        };
        assert_eq!(news(&mut raw).answer, Some(expected));
        assert_eq!(raw.conn.take_fast_news(), None, "told once");
        replays(&mut raw);
        // None came: the other form may be understood.
        let mut raw = held(Peer::default());
        send(&mut raw, FastSyn::Ask { experimental }, 0);
        raw.answer_syn();
        let answer = news(&mut raw).answer.unwrap();
        assert_eq!((answer.cookie, answer.denied), (None, Some(experimental)));
        assert!(!answer.lost);
    }
}

/// RFC 7413, 4.2.2: data up to the cached MSS, or what each peer takes if that is not known, less
/// the space of options; never more than the route or TCP_MAXSEG lets go.
#[test]
fn rfc7413_4_2_2_as_much_data_as_the_peer_took() {
    for (known, user, room) in [
        (1460, 0, 1420),
        (1000, 0, 960),
        (0, 0, 496),
        (9000, 0, 1420),
        (1460, 700, 660),
        (30, 0, 0),
    ] {
        let mut raw = held(Peer::default());
        let config = SocketConfig {
            user_mss: user,
            ..*raw.conn.config()
        };
        raw.with(|conn, cx| conn.configure(cx, config));
        assert_eq!(raw.conn.syn_room(carry(known)), room);
        // The core sends no more either, whatever is queued.
        let outs = raw.with(|conn, cx| {
            conn.queue(Buf::new(vec![1; 3000]));
            conn.send_syn(cx, carry(known));
        });
        assert_eq!(outs, [out(SYN, 0, 0, room)]);
        assert_eq!(raw.headers[0].options.fast_open, Some(cookie()));
    }
    let raw = held(Peer::default());
    assert_eq!(
        raw.conn.syn_room(FastSyn::Ask {
            experimental: false
        }),
        0
    );
    assert_eq!(raw.conn.syn_room(FastSyn::Plain), 0);
}

/// RFC 7413, 4.2.2: a SYN-ACK that acknowledges the data completes the handshake; its ACK is one of
/// all. Data on it counts (3, figure 2).
#[test]
fn rfc7413_4_2_2_the_data_is_acknowledged() {
    let mut raw = sent(Peer::default(), 500);
    let options = grant(&raw, None);
    let outs = raw.feed_with(SYN_ACK, 0, 501, 300, options);
    assert_eq!(outs, [out(ACK, 501, 301, 0)]);
    assert_eq!(raw.state(), ConnState::Established);
    assert!(raw.events.has(Events::CONNECTED) && raw.events.has(Events::READABLE));
    assert_eq!(raw.conn.unacked(), 0);
    assert_eq!(raw.conn.memory().0, 0);
    assert_eq!(raw.conn.poll_timeout(), None);
    assert_eq!(raw.read(1000).0.len(), 300);
    assert_eq!(raw.mib.get(Mib::TCPFastOpenActive), 1);
    assert_eq!(fail(&raw), FastFail::None);
    let info = raw.info();
    assert!(info.syn_data && info.bytes_acked == 500 && info.bytes_sent == 500);
    let answer = news(&mut raw).answer.unwrap();
    assert_eq!(
        (answer.mss, answer.cookie, answer.lost),
        (1000, None, false)
    );
    // The next data follows.
    assert_eq!(raw.write(100), [out(PSH_ACK, 501, 301, 100)]);
    raw.feed(ACK, 301, 601, 0);
    assert_eq!(raw.conn.unacked(), 0);
    replays(&mut raw);
}

/// RFC 7413, 4.2.2: what of the data was not acknowledged goes with the first ACK, all of it or the
/// rest, in segments that the peer takes, and the window stays what it was.
#[test]
fn rfc7413_4_2_2_what_was_not_taken_goes_again() {
    for taken in [0, 1, 333, 1199] {
        let peer = Peer {
            mss: 1000,
            ..Peer::default()
        };
        let mut raw = sent(peer, 1200);
        let options = grant(&raw, Some(b"newcooky"));
        let outs = raw.feed_with(SYN_ACK, 0, 1 + taken, 0, options);
        let left = 1200 - taken;
        let first = left.min(1000);
        assert_eq!(outs[0].seq, 1 + taken);
        assert_eq!((outs[0].ack, outs[0].len), (1, first));
        assert_eq!(outs.iter().map(|o| o.len).sum::<u32>(), left, "{outs:?}");
        assert_eq!(raw.conn.cwnd(), 10 * 1000);
        assert_eq!(raw.conn.ssthresh(), u32::MAX);
        assert_eq!(fail(&raw), FastFail::NotAcked);
        assert_eq!(raw.mib.get(Mib::TCPFastOpenActiveFail), 1);
        assert_eq!(raw.mib.get(Mib::TCPFastOpenActive), 0);
        let answer = news(&mut raw).answer.unwrap();
        assert_eq!(answer.cookie, FastOpen::new(b"newcooky", false));
        assert!(!answer.lost, "a new cookie is an answer");
        raw.feed(ACK, 1, 1201, 0);
        assert_eq!(raw.conn.unacked(), 0);
        assert_eq!(raw.conn.poll_timeout(), None);
        replays(&mut raw);
    }
}

/// RFC 7413, 4.2.2: a SYN that is sent again has neither option nor data. If its answer says
/// nothing of them either, they are dropped on the way (4.1.3.1).
#[test]
fn rfc7413_4_2_2_a_syn_sent_again_is_a_plain_one() {
    let mut raw = sent(Peer::default(), 500);
    assert_eq!(raw.pass(Duration::from_millis(1_100)), [out(SYN, 0, 0, 0)]);
    assert_eq!(raw.headers.last().unwrap().options.fast_open, None);
    let options = raw.syn_options();
    let outs = raw.feed_with(SYN_ACK, 0, 1, 0, options);
    assert_eq!(outs, [out(ACK, 1, 1, 500)]);
    assert_eq!(fail(&raw), FastFail::Again);
    assert!(news(&mut raw).answer.unwrap().lost);
    replays(&mut raw);
    // The first SYN got there after all.
    let mut raw = sent(Peer::default(), 500);
    raw.pass(Duration::from_millis(1_100));
    let outs = raw.feed_with(SYN_ACK, 0, 501, 0, options);
    assert_eq!(outs, [out(ACK, 501, 1, 0)]);
    assert!(!news(&mut raw).answer.unwrap().lost);
    assert_eq!(raw.mib.get(Mib::TCPFastOpenActive), 1);
    // A cookie that nobody asked for, in the answer to a plain SYN, does not count.
    let mut raw = Raw::syn_sent(Peer::default());
    let options = grant(&raw, Some(&COOKIE));
    raw.feed_with(SYN_ACK, 0, 1, 0, options);
    assert_eq!(raw.conn.take_fast_news(), None);
    // Nor does one in the answer to data without a cookie.
    let mut raw = held(Peer::default());
    let free = FastSyn::Carry {
        cookie: None,
        mss: 0,
    };
    assert_eq!(send(&mut raw, free, 10), [out(SYN, 0, 0, 10)]);
    assert_eq!(raw.headers[0].options.fast_open, None);
    raw.feed_with(SYN_ACK, 0, 11, 0, options);
    assert_eq!(news(&mut raw).answer.unwrap().cookie, None);
}

/// RFC 9293, 3.10.7.3: only what was sent can be acknowledged, data included; nothing before the
/// SYN is.
#[test]
fn rfc9293_3_10_7_3_an_ack_of_what_was_not_sent() {
    let mut raw = sent(Peer::default(), 500);
    let options = raw.syn_options();
    assert_eq!(
        raw.feed_with(SYN_ACK, 0, 502, 0, options),
        [out(RST, 502, 0, 0)]
    );
    assert_eq!(raw.state(), ConnState::SynSent);
    let mut raw = held(Peer::default());
    assert_eq!(
        raw.feed_with(SYN_ACK, 0, 1, 0, options),
        [out(RST, 1, 0, 0)]
    );
    assert!(raw.conn.is_held());
    assert_eq!(raw.pass(Duration::from_secs(500)), []);
    replays(&mut raw);
    assert_eq!(raw.close(), []);
    assert_eq!(raw.state(), ConnState::Closed);
}

/// RFC 9293, 3.5, figure 7: SYNs cross, one of them with data: it goes again once the other's ACK
/// tells that the SYN alone arrived.
#[test]
fn rfc9293_3_5_simultaneous_open_with_data() {
    for taken in [0, 200, 500] {
        let mut raw = sent(Peer::default(), 500);
        let options = raw.syn_options();
        assert_eq!(
            raw.feed_with(SYN, 0, 0, 0, options),
            [out(SYN_ACK, 0, 1, 0)]
        );
        assert_eq!(raw.headers[0].options.fast_open, None);
        let outs = raw.feed_with(SYN_ACK, 0, 1 + taken, 0, options);
        assert_eq!(raw.state(), ConnState::Established);
        let lens: u32 = outs.iter().map(|o| o.len).sum();
        assert_eq!(lens, 500 - taken, "{outs:?}");
        raw.feed(ACK, 1, 501, 0);
        assert_eq!(raw.conn.unacked(), 0);
        replays(&mut raw);
    }
}

/// RFC 1191, 6.4, for a SYN: it was too large for the path, so it goes again at once, without data.
#[test]
fn rfc1191_6_4_a_syn_too_large() {
    let mut raw = sent(Peer::default(), 1_400);
    let iss = raw.zeros().0;
    let outs = raw.with(|conn, cx| conn.handle_mtu(cx, iss, 1_000));
    assert_eq!(outs, [out(SYN, 0, 0, 0)]);
    let outs = raw.answer_syn();
    assert_eq!(outs.iter().map(|o| o.len).sum::<u32>(), 1_400);
    assert!(outs.iter().all(|o| o.len <= 1_000), "{outs:?}");
    replays(&mut raw);
}

/// RFC 7413, 4.1.3.1: no answer at all, or an error on the way, is remembered; a refusal is the
/// peer's.
#[test]
fn rfc7413_4_1_3_1_no_answer_is_remembered() {
    let mut raw = sent(Peer::default(), 100);
    raw.pass(Duration::from_secs(400));
    assert_eq!(raw.error(), Some(CloseReason::TimedOut));
    let told = news(&mut raw);
    assert!(told.answer.unwrap().lost && told.black_hole && !told.proven);
    assert_eq!(raw.mib.get(Mib::TCPFastOpenActiveFail), 1);
    let mut raw = sent(Peer::default(), 100);
    let iss = raw.zeros().0;
    raw.icmp(iss, IcmpError::Prohibited);
    assert!(news(&mut raw).answer.unwrap().lost);
    let mut raw = sent(Peer::default(), 100);
    raw.feed(RST_ACK, 0, 101, 0);
    assert_eq!(raw.error(), Some(CloseReason::ConnectionRefused));
    assert_eq!(raw.conn.take_fast_news(), None);
}

/// What looks like a box on the way that drops what follows (RFC 7413, 7.1, "middleboxes"): three
/// time-outs in a row, during the handshake or after it; a reset, or the end of the stream, with
/// nothing before it.
#[test]
fn rfc7413_7_1_black_holes() {
    fn open(peer: Peer) -> Raw {
        let mut raw = sent(peer, 100);
        let options = grant(&raw, None);
        raw.feed_with(SYN_ACK, 0, 101, 0, options);
        news(&mut raw);
        raw
    }
    let mut raw = sent(Peer::default(), 100);
    raw.pass(Duration::from_millis(2_100));
    assert!(!news(&mut raw).black_hole, "two time-outs");
    raw.pass(Duration::from_millis(1_100));
    assert!(news(&mut raw).black_hole, "three");
    let mut raw = open(Peer::default());
    raw.write(100);
    raw.pass(Duration::from_secs(60));
    assert!(news(&mut raw).black_hole);
    // A connection like any other knows of no such thing.
    let mut raw = Raw::established();
    raw.write(100);
    raw.pass(Duration::from_secs(60));
    assert_eq!(raw.conn.take_fast_news(), None);
    let mut raw = open(Peer::default());
    raw.feed(RST, 50, 0, 0);
    assert!(news(&mut raw).black_hole, "a reset from nowhere");
    let mut raw = open(Peer::default());
    raw.feed(ACK, 1, 101, 20);
    raw.feed(RST, 50, 0, 0);
    assert!(
        !news(&mut raw).black_hole,
        "what came tells that the path is good"
    );
    let mut raw = open(Peer::default());
    raw.feed(FIN_ACK, 500, 101, 0);
    assert_eq!(raw.conn.take_fast_news(), None);
    raw.with(|conn, cx| conn.abort(cx));
    assert!(news(&mut raw).black_hole, "an end without a beginning");
    // Data came: nothing drops it.
    let mut raw = open(Peer::default());
    raw.feed(ACK, 1, 101, 20);
    raw.with(|conn, cx| conn.abort(cx));
    let told = news(&mut raw);
    assert!(told.proven && !told.black_hole);
}

/// A log keeps what a SYN got and the cookies of both sides.
#[test]
fn a_log_keeps_the_cookies() {
    for syn in [
        FastSyn::Plain,
        FastSyn::Wait,
        FastSyn::Ask { experimental: true },
        FastSyn::Ask {
            experimental: false,
        },
        FastSyn::Carry {
            cookie: None,
            mss: 0,
        },
        FastSyn::Carry {
            cookie: FastOpen::new(b"sixteen bytes...", true),
            mss: u16::MAX,
        },
        carry(1460),
    ] {
        assert_eq!(FastSyn::from_words(syn.words()), syn);
    }
    let mut raw = sent(Peer::default(), 10);
    let options = grant(&raw, Some(b"another1"));
    raw.feed_with(SYN_ACK, 0, 11, 0, options);
    let all = records(&mut raw);
    let cookies = all.iter().filter(|r| r.kind == Kind::Cookie as u8).count();
    assert_eq!(cookies, 2);
    replay_records(&all).unwrap();
    // One that is not the same does not pass.
    let mut wrong = all.clone();
    let at = wrong
        .iter()
        .position(|r| r.kind == Kind::InSyn as u8)
        .unwrap();
    wrong[at].words[1] ^= 1;
    assert!(replay_records(&wrong).is_err());
}

/// The simulator's seeds try all of it: data that is taken, and data that is not.
#[test]
fn rfc7413_4_2_2_seeds_with_data_on_the_syn() {
    let mut taken = 0;
    let mut left = 0;
    for seed in 0..60 {
        let outcome = crate::sim::run_way(seed, false).unwrap();
        for counters in outcome.counters {
            taken += counters[Mib::TCPFastOpenActive as usize];
            left += counters[Mib::TCPFastOpenActiveFail as usize];
        }
    }
    assert!(taken > 3 && left > 2, "{taken} {left}");
}

/// Both sides of it, over a link that loses nothing: the request is answered before the handshake
/// is complete, in one round trip.
#[test]
fn rfc7413_3_one_round_trip() {
    let link = Link {
        delay_us: 10_000,
        ..Link::default()
    };
    let mut pair = Pair::new(5, link);
    pair.ends[1].takes_early = true;
    for end in &mut pair.ends {
        end.net.fastopen = 3;
    }
    pair.listen(1);
    let start = pair.now;
    assert_eq!(pair.connect_with(0, b"request"), 7);
    let mut asked = Vec::new();
    let mut answer = Vec::new();
    pair.run(Duration::from_secs(1), |pair| {
        asked.extend(pair.read(1, 100));
        if asked == b"request" && answer.is_empty() {
            pair.write(1, b"answer");
            asked.push(b'.');
        }
        answer.extend(pair.read(0, 100));
        answer == b"answer"
    });
    assert_eq!(answer, b"answer");
    assert_eq!(pair.now.since(start), Duration::from_millis(20));
}
