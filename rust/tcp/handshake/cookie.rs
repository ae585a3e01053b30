// SPDX-License-Identifier: GPL-2.0

//! SYN cookies (RFC 4987, section 3.6): while the half-open queue is full, a SYN-ACK's sequence
//! number carries what an entry would have kept, and the ACK brings it back.
//!
//! The number is the peer's initial sequence number plus five bits of time (units of 64 seconds),
//! three bits of MSS, and 24 bits of a keyed hash over addresses, time, MSS and the peer's number.
//! Window scale, SACK and ECN come back in the low six bits of the timestamp, if the peer sends
//! timestamps, and are not offered if it does not.

use super::{SynParams, SynRcvd};
use crate::tcp::{
    config::SocketConfig,
    context::Cx,
    platform::Platform,
    seq::SeqNum,
    time::Instant,
    wire::{Flags, Header, Options, Segment},
};

/// What the three bits can say of the peer's MSS, ascending: IPv4's default, IPv6's least MTU less
/// headers, what tunnels leave of Ethernet, PPPoE, Ethernet, and jumbo frames of 9,000 bytes over IPv6.
/// (IPv4's 20 bytes more have no number of their own. With 8,960 here IPv6 would get Ethernet's.)
const MSS: [u16; 8] = [536, 1_220, 1_300, 1_400, 1_440, 1_452, 1_460, 8_940];

/// How long a unit of the cookie's clock is, seconds. A cookie is good for one to two of them.
const UNIT: u64 = 64;

/// The timestamp's bits that carry options: four of window scale, one of SACK, one of ECN.
const OPTION_BITS: u32 = 0x3f;
/// The window scale that says that there is none.
const NO_SCALE: u32 = 0xf;
const SACK_BIT: u32 = 0x10;
const ECN_BIT: u32 = 0x20;

/// A keyed hash over the connection's addresses and ports and these two words.
pub(crate) trait Keyed {
    /// The hash.
    fn hash(&self, a: u32, b: u32) -> u32;
}

/// The 24 bits that only we can make.
fn proof<K: Keyed>(keyed: &K, unit: u64, mss_at: u32, irs: SeqNum) -> u32 {
    let moment = (unit as u32 & 0x00ff_ffff) << 8 | mss_at;
    keyed.hash(moment, irs.raw()) & 0x00ff_ffff
}

/// The unit of time at `now`.
fn unit(now: Instant) -> u64 {
    (now.as_nanos() / 1_000_000_000) / UNIT
}

/// The SYN-ACK for a SYN of which nothing is kept. `params.iss` does not count.
pub(crate) fn answer<P: Platform, K: Keyed>(
    cx: &Cx<'_, P>,
    config: &SocketConfig,
    syn: &Segment,
    params: SynParams,
    keyed: &K,
) -> Header {
    let mut syn = *syn;
    if !cx.net.timestamps || syn.header.options.timestamps.is_none() {
        // Nothing would bring these back.
        syn.header.options.wscale = None;
        syn.header.options.sack_permitted = false;
        syn.header.flags = Flags::SYN;
    }
    let offered = syn.header.options.mss.unwrap_or(params.mss_default);
    let mss_at = MSS.iter().rposition(|mss| *mss <= offered).unwrap_or(0) as u32;
    let irs = syn.header.seq;
    let at = unit(cx.now);
    let iss = irs
        .add(((at & 31) as u32) << 27 | mss_at << 24)
        .add(proof(keyed, at, mss_at, irs));
    let entry = SynRcvd::new(cx, config, &syn, SynParams { iss, ..params });
    let mut header = entry.syn_ack(cx.now);
    if let Some(ts) = &mut header.options.timestamps {
        let bits = entry.wscale_peer.map_or(NO_SCALE, u32::from)
            | if entry.sack_ok { SACK_BIT } else { 0 }
            | if entry.ecn.enabled() { ECN_BIT } else { 0 };
        // Never ahead of the clock: the connection's next one must not be smaller (RFC 7323, 4.3).
        let now = cx.now.as_millis_u32();
        let mut clock = now & !OPTION_BITS | bits;
        if clock > now {
            clock = clock.wrapping_sub(OPTION_BITS.wrapping_add(1));
        }
        ts.val = clock.wrapping_add(entry.ts.offset);
    }
    header
}

/// The half-open connection whose SYN-ACK was the cookie that `ack` acknowledges; `None` if it is
/// none of ours, or too old.
pub(crate) fn accept<P: Platform, K: Keyed>(
    cx: &Cx<'_, P>,
    config: &SocketConfig,
    ack: &Segment,
    params: SynParams,
    keyed: &K,
) -> Option<SynRcvd> {
    let irs = ack.header.seq.sub(1);
    let iss = ack.header.ack.sub(1);
    let cookie = iss.distance_from(irs);
    let age = (unit(cx.now) as u32).wrapping_sub(cookie >> 27) & 31;
    if age > 1 {
        return None;
    }
    let at = unit(cx.now).checked_sub(u64::from(age))?;
    let mss_at = cookie >> 24 & 7;
    if proof(keyed, at, mss_at, irs) != cookie & 0x00ff_ffff {
        return None;
    }
    let echoed = ack.header.options.timestamps.filter(|_| cx.net.timestamps);
    let bits = echoed.map(|ts| ts.ecr.wrapping_sub(params.ts_offset) & OPTION_BITS);
    let scale = bits.map_or(NO_SCALE, |bits| bits & NO_SCALE);
    let ecn = bits.is_some_and(|bits| bits & ECN_BIT != 0);
    let syn = Segment {
        header: Header {
            seq: irs,
            flags: match ecn {
                // One bit does not tell the kinds of ECN apart, but the ACK does: what knows of the
                // accurate kind has neither of these values (RFC 9768, 5.1).
                true if ack.header.flags.ace() > 1 => Flags::SYN.with(Flags::ACE),
                true => Flags::SYN.with(Flags::ECE).with(Flags::CWR),
                false => Flags::SYN,
            },
            options: Options {
                mss: MSS.get(mss_at as usize).copied(),
                wscale: (scale != NO_SCALE).then_some(scale as u8),
                sack_permitted: bits.is_some_and(|bits| bits & SACK_BIT != 0),
                timestamps: echoed,
                ..Options::default()
            },
            ..Header::default()
        },
        ..Segment::default()
    };
    let mut entry = SynRcvd::new(cx, config, &syn, SynParams { iss, ..params });
    // When the SYN-ACK was sent is not known any more: no RTT from it.
    entry.sent_at = Instant::default();
    Some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::{Counters, Host};
    use crate::tcp::config::NetConfig;
    use crate::tcp::metrics::Metrics;
    use crate::tcp::wire::Timestamps;

    /// Not a good hash, but one that depends on everything.
    struct Key(u32);
    impl Keyed for Key {
        fn hash(&self, a: u32, b: u32) -> u32 {
            let mut x = u64::from(a) << 32 | u64::from(b ^ self.0);
            for _ in 0..3 {
                x = (x ^ x >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            }
            (x >> 32) as u32
        }
    }

    const KEY: Key = Key(77);
    const PARAMS: SynParams = SynParams {
        iss: SeqNum::new(0),
        ts_offset: 0xffff_ff00,
        mss_route: 1_460,
        mss_default: 536,
        rcvbuf: 131_072,
        fixed: false,
        metrics: Metrics::NONE,
    };

    fn at<R>(ms: u64, f: impl FnOnce(&Cx<'_, Host>) -> R) -> R {
        let (net, mib) = (NetConfig::default(), Counters::default());
        f(&Cx {
            now: Instant::from_nanos(ms * 1_000_000),
            net: &net,
            mib: &mib,
        })
    }

    fn syn(irs: u32, mss: Option<u16>, wscale: Option<u8>, sack: bool, ts: bool) -> Segment {
        Segment {
            header: Header {
                seq: SeqNum::new(irs),
                flags: Flags::SYN,
                options: Options {
                    mss,
                    wscale,
                    sack_permitted: sack,
                    timestamps: ts.then_some(Timestamps { val: 5, ecr: 0 }),
                    ..Options::default()
                },
                ..Header::default()
            },
            ..Segment::default()
        }
    }

    /// The ACK that an honest peer sends for a SYN-ACK.
    fn ack(answer: &Header) -> Segment {
        let echo = answer.options.timestamps.map(|ts| Timestamps {
            val: 9,
            ecr: ts.val,
        });
        Segment {
            header: Header {
                seq: answer.ack,
                ack: answer.seq.add(1),
                flags: Flags::ACK,
                options: Options {
                    timestamps: echo,
                    ..Options::default()
                },
                ..Header::default()
            },
            ..Segment::default()
        }
    }

    fn answer_at(ms: u64, syn: &Segment) -> Header {
        at(ms, |cx| {
            answer(cx, &SocketConfig::default(), syn, PARAMS, &KEY)
        })
    }

    fn accept_at(ms: u64, ack: &Segment, key: &Key) -> Option<SynRcvd> {
        at(ms, |cx| {
            accept(cx, &SocketConfig::default(), ack, PARAMS, key)
        })
    }

    /// RFC 4987, 3.6: everything that was negotiated comes back, the MSS rounded down.
    #[test]
    fn rfc4987_3_6_a_cookie_brings_everything_back() {
        for (mss, kept) in [
            (None, 536),
            (Some(100), 536),
            (Some(536), 536),
            (Some(1_459), 1_452),
            (Some(1_460), 1_460),
            (Some(8_939), 1_460),
            (Some(9_000 - 60), 8_940),
            (Some(9_000 - 40), 8_940),
            (Some(65_535), 8_940),
        ] {
            for scale in [None, Some(0), Some(7), Some(14)] {
                for sack in [false, true] {
                    for irs in [0, 7, u32::MAX] {
                        let header = answer_at(1_000_000, &syn(irs, mss, scale, sack, true));
                        assert_eq!(header.options.sack_permitted, sack);
                        assert_eq!(header.options.wscale.is_some(), scale.is_some());
                        let entry = accept_at(1_000_200, &ack(&header), &KEY).unwrap();
                        assert_eq!(entry.mss_peer, kept);
                        assert_eq!((entry.wscale_peer, entry.sack_ok), (scale, sack));
                        assert_eq!(entry.wscale_ours, header.options.wscale);
                        assert_eq!((entry.irs, entry.iss), (SeqNum::new(irs), header.seq));
                        assert_eq!(entry.wnd, header.wnd);
                        assert_eq!(entry.ts.recent, 9);
                    }
                }
            }
        }
    }

    /// RFC 9293, MUST-15: over IPv6 a peer that names no MSS takes 1220 bytes.
    #[test]
    fn rfc9293_must_15_a_cookie_for_a_peer_without_an_mss() {
        let params = SynParams {
            mss_default: 1_220,
            ..PARAMS
        };
        at(1_000_000, |cx| {
            let config = SocketConfig::default();
            let header = answer(cx, &config, &syn(3, None, None, true, true), params, &KEY);
            let entry = accept(cx, &config, &ack(&header), params, &KEY).unwrap();
            assert_eq!(entry.mss_peer, 1_220);
        });
    }

    /// Without timestamps nothing that needs them is offered.
    #[test]
    fn rfc4987_3_6_without_timestamps_only_the_mss() {
        let header = answer_at(1_000_000, &syn(3, Some(1_300), Some(7), true, false));
        assert_eq!(header.options.wscale, None);
        assert!(!header.options.sack_permitted && header.options.timestamps.is_none());
        let entry = accept_at(1_000_000, &ack(&header), &KEY).unwrap();
        assert_eq!((entry.mss_peer, entry.wscale_peer), (1_300, None));
        assert!(!entry.sack_ok && !entry.ts.enabled);
    }

    /// A cookie is good for one to two units of time, and for nothing else.
    #[test]
    fn rfc4987_3_6_what_is_not_a_cookie_of_ours() {
        let header = answer_at(64_000, &syn(3, Some(1_460), None, false, false));
        let good = ack(&header);
        assert!(accept_at(64_000, &good, &KEY).is_some());
        assert!(accept_at(191_999, &good, &KEY).is_some(), "the next unit");
        assert!(
            accept_at(192_000, &good, &KEY).is_none(),
            "the one after it"
        );
        assert!(
            accept_at(63_999, &good, &KEY).is_none(),
            "before it was made"
        );
        assert!(accept_at(64_000, &good, &Key(78)).is_none(), "another's");
        for bit in 0..32 {
            let mut bad = good;
            bad.header.ack = SeqNum::new(good.header.ack.sub(1).raw() ^ 1 << bit).add(1);
            assert!(
                accept_at(64_000, &bad, &KEY).is_none(),
                "bit {bit} of the cookie"
            );
            let mut bad = good;
            bad.header.seq = SeqNum::new(good.header.seq.sub(1).raw() ^ 1 << bit).add(1);
            assert!(
                accept_at(64_000, &bad, &KEY).is_none(),
                "bit {bit} of the peer's number"
            );
        }
    }

    /// RFC 7323, 4.3: the timestamp with the options in it is at most 64 ms behind the clock, and
    /// never ahead of it.
    #[test]
    fn rfc7323_4_3_the_timestamp_is_not_ahead() {
        for ms in 1_000_000..1_000_200 {
            let header = answer_at(ms, &syn(3, None, Some(14), true, true));
            let ts = header.options.timestamps.unwrap();
            let clock = ts.val.wrapping_sub(PARAMS.ts_offset);
            let behind = (ms as u32).wrapping_sub(clock);
            assert!(behind <= 64, "{behind} ms behind at {ms}");
        }
    }
}
