// SPDX-License-Identifier: GPL-2.0

//! One connection in any state, fed arbitrary segments, user calls, ICMP errors and time.
//!
//! `script` is long as a table is: an arm for each thing that can happen.

use super::Bytes;
use crate::pair::invariants::{cuts, most_received};
use crate::platform::OVERHEAD;
use crate::raw::*;
use crate::tcp::{
    config::SocketConfig,
    congestion::Algorithm,
    connection::IcmpError,
    ecn::{Account, OptionPolicy},
    mib::Mib,
    seq::{SeqNum, SeqRange},
    state::ConnState,
    time::Duration,
    wire::{
        accecn::{AccEcn, Order},
        Codepoint, Flags, Options, Timestamps,
    },
};

/// The longest script.
const STEPS: u32 = 400;

/// A number near one of the connection's own, or any.
fn near(bytes: &mut Bytes<'_>, raw: &Raw) -> Option<SeqNum> {
    let (una, nxt, write, rcv, adv) = raw.conn.numbers();
    let base = match bytes.below(6)? {
        0 => una,
        1 => nxt,
        2 => write,
        3 => rcv,
        4 => adv,
        _ => return Some(SeqNum::new(bytes.u32()?)),
    };
    Some(match bytes.below(4)? {
        0 => base,
        1 => base.add(u32::from(bytes.u8()?)),
        2 => base.sub(u32::from(bytes.u8()?)),
        _ => base.add(u32::from(bytes.u16()?)),
    })
}

/// Flags, the usual ones more often.
fn flags(bytes: &mut Bytes<'_>) -> Option<Flags> {
    Some(match bytes.below(12)? {
        0..=5 => ACK,
        6 => PSH_ACK,
        7 => FIN_ACK,
        8 => SYN_ACK,
        9 => SYN,
        10 => RST_ACK,
        _ => {
            let bits = bytes.u8()?;
            Flags::from_bits(bits & 0x3f).with_ace(bits >> 5)
        }
    })
}

/// An AccECN option whose counters are any, or (mostly) what they were and a little more.
fn acc_ecn(bytes: &mut Bytes<'_>, raw: &Raw) -> Option<AccEcn> {
    let bits = bytes.u8()?;
    let before = raw.conn.ecn_account().delivered;
    // What they began with (RFC 9768, 3.2.1).
    let one = |count: u32| count.wrapping_add(1);
    let (order, base) = match bits & 1 {
        0 => (
            Order::Ect0First,
            [one(before.ect0), before.ce, one(before.ect1)],
        ),
        _ => (
            Order::Ect1First,
            [one(before.ect1), before.ce, one(before.ect0)],
        ),
    };
    let mut fields = [0; 3];
    for (field, base) in fields.iter_mut().zip(base) {
        *field = if bits & 0x18 != 0 {
            base.wrapping_add(u32::from(bytes.u8()?) * 10)
        } else {
            u32::from(bytes.u16()?) << (bits >> 4 & 8)
        };
    }
    Some(AccEcn::new(order, fields, bits >> 1 & 3))
}

/// An ACE field that is any, or (mostly) the peer's count or a little more.
fn ace(bytes: &mut Bytes<'_>, raw: &Raw, flags: Flags) -> Option<Flags> {
    if !raw.conn.is_accurate() || flags.contains(SYN) {
        return Some(flags);
    }
    let bits = bytes.u8()?;
    let count = if bits & 0xc0 == 0 {
        bits
    } else {
        plain_ace(raw).wrapping_add([0, 0, 1, 2][usize::from(bits & 3)])
    };
    Some(flags.without(Flags::ACE).with_ace(count))
}

/// The ACE field of a peer that has nothing new to tell (RFC 9768, 3.2.1).
fn plain_ace(raw: &Raw) -> u8 {
    (raw.conn.ecn_account().delivered_ce.wrapping_add(5) & 7) as u8
}

fn options(bytes: &mut Bytes<'_>, raw: &Raw) -> Option<Options> {
    let what = bytes.u8()?;
    let mut options = raw.options();
    if what & 1 != 0 {
        for _ in 0..1 + bytes.below(4)? {
            let start = near(bytes, raw)?;
            let end = if what & 2 != 0 {
                near(bytes, raw)?
            } else {
                start.add(u32::from(bytes.u16()?))
            };
            options.sack.push(SeqRange::new(start, end));
        }
    }
    match (what >> 2) & 7 {
        0 => {
            options.timestamps = Some(Timestamps {
                val: bytes.u32()?,
                ecr: bytes.u32()?,
            });
        }
        1 => options.timestamps = None,
        2 => {
            if let Some(ts) = &mut options.timestamps {
                ts.val = ts.val.wrapping_add(u32::from(bytes.u8()?));
                ts.ecr = ts.ecr.wrapping_sub(u32::from(bytes.u8()?));
            }
        }
        _ => {}
    }
    if what & 128 != 0 {
        options.acc_ecn = Some(acc_ecn(bytes, raw)?);
    }
    if what & 32 != 0 {
        options.mss = Some(bytes.u16()?);
        options.wscale = Some(bytes.u8()?);
        options.sack_permitted = what & 64 != 0;
    }
    Some(options)
}

/// The window's right edge after the last step, the farthest so far, and what was dropped for want of
/// room until then.
#[derive(Default)]
struct Edge {
    at: Option<SeqNum>,
    far: Option<SeqNum>,
    drops: u64,
    /// Bytes that waited for the reader.
    unread: u32,
}

/// What has to hold after every step.
fn check(raw: &Raw, outs: &[Out], edge: &mut Edge) {
    // One event sends what the windows let go, and little else. A buffer may have been cut when the options
    // took up to 40 bytes less, and is two segments now.
    let least = raw.conn.mss().saturating_sub(40).max(1);
    let segments = (raw.conn.unacked() / least) as usize;
    assert!(
        outs.len() <= 64 + 2 * segments,
        "{} segments at once, {segments} wait",
        outs.len()
    );
    assert!(raw.conn.is_consistent(), "the scoreboard's sums are wrong");
    let (send, recv) = raw.conn.memory();
    // What is not acknowledged (of the first buffer a part may be), with the notes of a buffer for each of the
    // script's steps and for what SACK may cut.
    let queued = raw.conn.unacked();
    assert!(
        send <= queued + 65_536 + OVERHEAD * (STEPS + cuts(&raw.conn)),
        "memory: {send} for {queued} bytes"
    );
    assert!(
        recv <= most_received(&raw.conn, 65_536, raw.overhead),
        "memory: {recv} received"
    );
    let state = raw.state();
    if matches!(state, ConnState::Closed | ConnState::TimeWait) {
        let timer = raw.conn.next_timer();
        assert_eq!(timer, None, "a timer in {state:?}");
        return;
    }
    let (una, nxt, write, rcv, adv) = raw.conn.numbers();
    assert!(
        una.before_or_eq(nxt) && nxt.before_or_eq(write.add(1)),
        "order"
    );
    if state != ConnState::SynSent {
        // What was offered is honoured after the window shut (RFC 7323, 2.4).
        let far = edge.far.map_or(adv, |far| far.latest(adv));
        // A reader who is not behind gets what is here already.
        let taken = rcv.before_or_eq(far) || edge.unread == 0;
        assert!(taken, "more than was ever offered");
        // Unless what came took twice the receive buffer: then the window shuts.
        let drops = raw.mib.get(Mib::TCPRcvQDrop);
        let shut = adv == rcv && drops > edge.drops;
        if let Some(old) = edge.at {
            assert!(
                shut || old.before_or_eq(adv),
                "the right edge moved left in {state:?}"
            );
        }
        *edge = Edge {
            at: Some(adv),
            far: Some(far.latest(rcv)),
            drops,
            unread: raw.conn.recv_len(),
        };
    }
    if una != nxt || raw.conn.unsent() > 0 {
        assert!(raw.conn.poll_timeout().is_some(), "no timer and data waits");
    }
    assert!(raw.conn.cwnd() >= 1, "no window");
}

/// What became of a script.
#[derive(Default)]
struct Story {
    /// Everything that was sent.
    sent: Vec<Out>,
    /// What is known of ECN at the end.
    ecn: Option<Account>,
}

/// Runs the script that the bytes are.
pub fn connection(data: &[u8]) {
    told(data);
}

/// The same, and tells what is known of ECN at the end, if a connection got so far.
pub(crate) fn told(data: &[u8]) -> Option<Account> {
    let fast = run(data, false);
    let slow = run(data, true).sent;
    // Header prediction is an optimisation.
    if fast.sent != slow {
        let at = fast.sent.iter().zip(&slow).position(|(a, b)| a != b);
        panic!("header prediction changes something: {at:?}");
    }
    fast.ecn
}

fn run(data: &[u8], slowly: bool) -> Story {
    let mut story = Story::default();
    let _ = script(&mut Bytes(data), slowly, &mut story);
    story
}

fn script(bytes: &mut Bytes<'_>, slowly: bool, story: &mut Story) -> Option<()> {
    let setup = bytes.u8()?;
    let peer = Peer {
        wnd: bytes.u16()?,
        mss: bytes.u16()?,
        sack: setup & 1 != 0,
        wscale: (setup & 2 != 0).then_some(setup >> 4),
        ts: (setup & 4 != 0).then_some(setup.into()),
    };
    let mut raw = match bytes.below(11)? {
        0 => Raw::syn_sent(peer),
        1 => Raw::syn_received(),
        2 => Raw::fin_wait_1(),
        3 => Raw::fin_wait_2(),
        4 => Raw::close_wait(),
        5 => Raw::closing(),
        6 => Raw::last_ack(),
        // With accurate ECN, whose option is there mostly.
        10 => {
            let bits = bytes.u8()?;
            let option = AccEcn::new(Order::Ect1First, [1, 0, u32::from(bits >> 2 & 1)], 3);
            Raw::established_accurate(peer, (bits & 3 != 0).then_some(option), |net| {
                net.ecn_option =
                    OptionPolicy::from_sysctls(bits >> 4 & 3, bits >> 6, bits & 8 != 0);
            })
        }
        _ => Raw::established_with(peer),
    };
    raw.slowly = slowly;
    let path = bytes.u8()?;
    if path & 1 != 0 {
        raw.conn.set_path(1460, 65_000);
    }
    if path & 2 != 0 {
        raw.conn.set_buffers(1 << 20, 4_096, (true, path & 4 != 0));
    }
    let n = usize::from(path >> 4) % Algorithm::ALL.len();
    let algorithm = Algorithm::ALL[n];
    raw.net.orphan_retries = 3;
    raw.net.retries2 = 5;
    let mut edge = Edge::default();
    let mut written = 0u32;
    for _ in 0..STEPS {
        let outs = match bytes.below(16)? {
            0..=6 => {
                let flags = flags(bytes)?;
                let flags = ace(bytes, &raw, flags)?;
                let (seq, ack) = (near(bytes, &raw)?, near(bytes, &raw)?);
                // Mostly in order, or hardly anything would get in.
                let seq = if bytes.below(2)? == 0 {
                    raw.conn.numbers().3
                } else {
                    seq
                };
                let options = options(bytes, &raw)?;
                raw.joined = 1;
                let len = match bytes.below(4)? {
                    0 | 1 => 0,
                    2 => u32::from(bytes.u8()?),
                    _ => {
                        let len = bytes.u16()?;
                        raw.joined = len >> 13;
                        u32::from(len & 0x1fff)
                    }
                };
                raw.peer.wnd = match bytes.below(4)? {
                    0 => 0,
                    1 => u16::from(bytes.u8()?),
                    2 => bytes.u16()?,
                    _ => raw.peer.wnd,
                };
                let (ours, theirs) = raw.zeros();
                let (seq, ack) = (seq.distance_from(theirs), ack.distance_from(ours));
                raw.feed_with(flags, seq, ack, len, options)
            }
            7 => {
                // An honest ACK of everything, so that scripts get somewhere.
                let ack = raw.conn.numbers().1.distance_from(raw.zeros().0);
                let seq = raw.their_next();
                let accurate = raw.conn.is_accurate();
                let ace = if accurate { plain_ace(&raw) } else { 0 };
                raw.joined = 1;
                raw.feed(ACK.with_ace(ace), seq, ack, 0)
            }
            8 => {
                let len = u32::from(bytes.u16()?);
                if written < 1 << 17 && raw.conn.send_check().is_ok() {
                    written += len;
                    raw.write(len as usize)
                } else {
                    Vec::new()
                }
            }
            9 => raw.read(u32::from(bytes.u16()?)).1,
            10 => raw.pass(Duration::from_millis(u64::from(bytes.u8()?))),
            11 => {
                // To the next timer.
                let at = raw.conn.poll_timeout().unwrap_or(raw.now);
                raw.pass(at.since(raw.now))
            }
            12 => {
                let bits = bytes.u8()?;
                raw.with(|conn, cx| {
                    let config = SocketConfig {
                        nodelay: bits & 1 != 0,
                        cork: bits & 2 != 0,
                        keepalive: bits & 4 != 0,
                        thin_linear: bits & 8 != 0,
                        congestion: (bits & 16 != 0).then_some(algorithm),
                        user_timeout: Duration::from_millis(u64::from(bits >> 5) * 300),
                        ..*conn.config()
                    };
                    conn.configure(cx, config);
                })
            }
            13 => {
                let (seq, mss) = (near(bytes, &raw)?, bytes.u16()?);
                let error = [
                    IcmpError::Host,
                    IcmpError::Net,
                    IcmpError::Refused,
                    IcmpError::Prohibited,
                    IcmpError::NoProtocol,
                    IcmpError::BadHeader,
                ][usize::from(bytes.below(6)?)];
                raw.with(|conn, cx| {
                    if mss & 1 == 0 {
                        conn.handle_mtu(cx, seq, mss);
                    } else {
                        conn.handle_icmp(cx, seq, error);
                    }
                })
            }
            14 => match bytes.below(4)? {
                0 => raw.close(),
                1 => raw.shutdown(),
                2 => raw.with(|conn, _| conn.shutdown_recv()),
                _ => raw.with(|conn, cx| conn.abort(cx)),
            },
            _ => {
                let bits = bytes.u8()?;
                raw.codepoint = [Codepoint::NotEct, Codepoint::Ce][usize::from(bits >> 7)];
                if bits & 9 == 9 {
                    raw.codepoint = [Codepoint::Ect0, Codepoint::Ect1][usize::from(bits >> 7)];
                }
                raw.urg = if bits & 4 != 0 { bytes.u16()? } else { 0 };
                let small = u32::from(bits >> 3 & 7) * 700;
                raw.with(|conn, cx| {
                    conn.set_more(bits & 1 != 0);
                    if bits & 2 != 0 && conn.send_check().is_ok() {
                        conn.mark_urgent();
                    }
                    if bits & 64 != 0 {
                        let config = SocketConfig {
                            window_clamp: small,
                            notsent_lowat: small,
                            rto_max: Duration::from_millis(u64::from(small)),
                            delack_max: Duration::from_millis(u64::from(small) / 50),
                            tells_icmp: bits & 8 != 0,
                            oob_inline: bits & 16 != 0,
                            ..*conn.config()
                        };
                        conn.configure(cx, config);
                    }
                })
            }
        };
        check(&raw, &outs, &mut edge);
        story.sent.extend(outs);
        story.ecn = Some(raw.conn.ecn_account());
    }
    Some(())
}
