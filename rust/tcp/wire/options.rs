// SPDX-License-Identifier: GPL-2.0

//! Options: MSS (RFC 9293, 3.7.1), window scale and timestamps (RFC 7323), SACK (RFC 2018), Fast
//! Open (RFC 7413), accurate ECN (RFC 9768).

use super::accecn::{AccEcn, Order};
use crate::tcp::seq::{SeqNum, SeqRange};

/// Option kinds.
mod kind {
    pub(super) const END: u8 = 0;
    pub(super) const NOP: u8 = 1;
    pub(super) const MSS: u8 = 2;
    pub(super) const WSCALE: u8 = 3;
    pub(super) const SACK_PERMITTED: u8 = 4;
    pub(super) const SACK: u8 = 5;
    pub(super) const TIMESTAMPS: u8 = 8;
    pub(super) const FAST_OPEN: u8 = 34;
    /// AccECN0, then AccECN1 (RFC 9768, section 7).
    pub(super) const ACC_ECN_0: u8 = 172;
    pub(super) const ACC_ECN_1: u8 = 174;
    /// Shared by experiments (RFC 6994).
    pub(super) const EXPERIMENT: u8 = 254;
}

/// What an experimental option begins with if it is Fast Open's (RFC 7413, appendix A.. RFC 6994).
const FAST_OPEN_MAGIC: [u8; 2] = [0xf9, 0x89];
/// The shortest cookie and the longest, bytes (RFC 7413, 4.1.1).
const COOKIE_MIN: usize = 4;
const COOKIE_MAX: usize = 16;

/// Bytes for options in the longest header.
pub(crate) const MAX_LEN: usize = 40;

/// A timestamps option.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Timestamps {
    /// TSval.
    pub(crate) val: u32,
    /// TSecr.
    pub(crate) ecr: u32,
}

/// The ranges of a SACK option, at most four.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct SackBlocks {
    blocks: [SeqRange; 4],
    len: u8,
}

impl SackBlocks {
    /// Appends a range; `false` if there is no room.
    pub(crate) fn push(&mut self, range: SeqRange) -> bool {
        match self.blocks.get_mut(usize::from(self.len)) {
            Some(slot) => {
                *slot = range;
                self.len = self.len.saturating_add(1);
                true
            }
            None => false,
        }
    }

    /// The ranges in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = SeqRange> + '_ {
        self.blocks.iter().copied().take(usize::from(self.len))
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.len)
    }
}

/// `len` rounded up to a word.
pub(crate) fn padded(len: usize) -> usize {
    len.saturating_add(3) & !3
}

/// A Fast Open option: a cookie, or the wish for one (RFC 7413, 4.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct FastOpen {
    cookie: [u8; COOKIE_MAX],
    len: u8,
    /// In the form that was used before the option had a number of its own.
    pub(crate) experimental: bool,
}

impl FastOpen {
    /// An option with that cookie; without one if it is empty. `None`: no cookie has that length.
    pub(crate) fn new(cookie: &[u8], experimental: bool) -> Option<Self> {
        let fits = cookie.is_empty()
            || ((COOKIE_MIN..=COOKIE_MAX).contains(&cookie.len()) && cookie.len() % 2 == 0);
        let mut option = Self {
            cookie: [0; COOKIE_MAX],
            len: u8::try_from(cookie.len()).ok().filter(|_| fits)?,
            experimental,
        };
        for (to, from) in option.cookie.iter_mut().zip(cookie) {
            *to = *from;
        }
        Some(option)
    }

    /// In words, for a log: length and form in eight bits, then the cookie.
    pub(crate) fn words(&self) -> [u32; 5] {
        let whole = u128::from_be_bytes(self.cookie);
        [
            u32::from(self.len) | u32::from(self.experimental) << 7,
            (whole >> 96) as u32,
            (whole >> 64) as u32,
            (whole >> 32) as u32,
            whole as u32,
        ]
    }

    /// From the words.
    #[allow(dead_code)] // For the replay.
    pub(crate) fn from_words(words: [u32; 5]) -> Self {
        let [form, rest @ ..] = words;
        let mut cookie = [0; COOKIE_MAX];
        for (to, from) in cookie.chunks_exact_mut(4).zip(rest) {
            to.copy_from_slice(&from.to_be_bytes());
        }
        let len = (form as usize & 0x7f).min(COOKIE_MAX);
        let cookie = cookie.get(..len).unwrap_or(&[]);
        Self::new(cookie, form & 0x80 != 0).unwrap_or_default()
    }

    /// The cookie; empty: one is asked for.
    pub(crate) fn cookie(&self) -> &[u8] {
        self.cookie.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// Bytes on the wire without padding.
    fn len(&self) -> usize {
        let head = if self.experimental { 4usize } else { 2 };
        head.saturating_add(usize::from(self.len))
    }
}

/// The options of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Options {
    /// Maximum segment size, bytes.
    pub(crate) mss: Option<u16>,
    /// Shift count of the window scale.
    pub(crate) wscale: Option<u8>,
    /// SACK-permitted.
    pub(crate) sack_permitted: bool,
    /// Timestamps.
    pub(crate) timestamps: Option<Timestamps>,
    /// Selective acknowledgments.
    pub(crate) sack: SackBlocks,
    /// Fast Open.
    pub(crate) fast_open: Option<FastOpen>,
    /// Accurate ECN.
    pub(crate) acc_ecn: Option<AccEcn>,
}

impl Options {
    /// Reads an option list. Unknown options are skipped and the rest of the list is ignored from
    /// a malformed length on (RFC 9293, MUST-6 and MUST-7).
    pub(crate) fn parse(mut bytes: &[u8]) -> Self {
        let mut options = Self::default();
        while let Some((&first, rest)) = bytes.split_first() {
            match first {
                kind::END => break,
                kind::NOP => {
                    bytes = rest;
                    continue;
                }
                _ => {}
            }
            let Some(&len) = rest.first() else {
                break;
            };
            let len = usize::from(len);
            let (Some(body), Some(next)) = (bytes.get(2..len), bytes.get(len..)) else {
                break;
            };
            bytes = next;
            match (first, body) {
                (kind::MSS, &[a, b]) => options.mss = Some(u16::from_be_bytes([a, b])),
                (kind::WSCALE, &[shift]) => options.wscale = Some(shift),
                (kind::SACK_PERMITTED, []) => options.sack_permitted = true,
                (kind::TIMESTAMPS, &[a, b, c, d, e, f, g, h]) => {
                    options.timestamps = Some(Timestamps {
                        val: u32::from_be_bytes([a, b, c, d]),
                        ecr: u32::from_be_bytes([e, f, g, h]),
                    });
                }
                (kind::ACC_ECN_0, fields) => {
                    options.acc_ecn = Some(AccEcn::parse(Order::Ect0First, fields));
                }
                (kind::ACC_ECN_1, fields) => {
                    options.acc_ecn = Some(AccEcn::parse(Order::Ect1First, fields));
                }
                (kind::FAST_OPEN, cookie) => {
                    options.fast_open = FastOpen::new(cookie, false);
                }
                (kind::EXPERIMENT, body) => {
                    if let Some(cookie) = body.strip_prefix(&FAST_OPEN_MAGIC) {
                        options.fast_open = FastOpen::new(cookie, true);
                    }
                }
                (kind::SACK, blocks) => {
                    let mut sack = SackBlocks::default();
                    for block in blocks.chunks_exact(8) {
                        if let &[a, b, c, d, e, f, g, h] = block {
                            sack.push(SeqRange::new(
                                SeqNum::new(u32::from_be_bytes([a, b, c, d])),
                                SeqNum::new(u32::from_be_bytes([e, f, g, h])),
                            ));
                        }
                    }
                    options.sack = sack;
                }
                _ => {}
            }
        }
        options
    }

    /// Bytes of everything but SACK and accurate ECN: a multiple of 4, at most 40.
    fn firm_len(&self) -> usize {
        let mss = if self.mss.is_some() { 4usize } else { 0 };
        let middle = match (self.timestamps.is_some(), self.sack_permitted) {
            (true, _) => 12usize,
            (false, true) => 4,
            (false, false) => 0,
        };
        let wscale = if self.wscale.is_some() { 4usize } else { 0 };
        let fast_open = self.fast_open.map_or(0, |fo| fo.len());
        mss.saturating_add(middle)
            .saturating_add(wscale)
            .saturating_add(padded(fast_open))
    }

    /// The AccECN option if it fits beside what is always there; it may be left out (RFC 9768,
    /// 3.2.3.2.1).
    fn acc_ecn_fitting(&self) -> Option<&AccEcn> {
        let room = MAX_LEN.saturating_sub(self.firm_len());
        self.acc_ecn
            .as_ref()
            .filter(|option| padded(option.len()) <= room)
    }

    /// Bytes of everything but SACK: a multiple of 4, at most 40.
    fn fixed_len(&self) -> usize {
        let acc_ecn = self.acc_ecn_fitting().map_or(0, AccEcn::len);
        self.firm_len().saturating_add(padded(acc_ecn))
    }

    /// How many of the SACK blocks fit beside the rest (RFC 2018, section 3): the first ones, which
    /// are the most recent.
    fn sack_fitting(&self) -> usize {
        let room = MAX_LEN.saturating_sub(self.fixed_len()).saturating_sub(4);
        self.sack.len().min(room / 8)
    }

    /// Bytes on the wire: a multiple of 4, at most 40.
    pub(crate) fn len(&self) -> usize {
        let sack = match self.sack_fitting() {
            0 => 0,
            blocks => blocks.saturating_mul(8).saturating_add(4),
        };
        self.fixed_len().saturating_add(sack)
    }

    /// Writes the options to `out`, which [`Self::len`] bytes fit into, each aligned to a word.
    /// SACK blocks for which there is no room are left out.
    pub(crate) fn emit(&self, out: &mut [u8]) {
        let mut rest = out.iter_mut();
        let mut put = |bytes: &[u8]| {
            for (from, to) in bytes.iter().zip(rest.by_ref()) {
                *to = *from;
            }
        };
        if let Some(mss) = self.mss {
            let [a, b] = mss.to_be_bytes();
            put(&[kind::MSS, 4, a, b]);
        }
        if let Some(ts) = self.timestamps {
            // SACK-permitted takes the place of the padding that aligns the timestamps.
            if self.sack_permitted {
                put(&[kind::SACK_PERMITTED, 2]);
            } else {
                put(&[kind::NOP, kind::NOP]);
            }
            put(&[kind::TIMESTAMPS, 10]);
            put(&ts.val.to_be_bytes());
            put(&ts.ecr.to_be_bytes());
        }
        if let Some(option) = self.acc_ecn_fitting() {
            let kind = match option.order() {
                Order::Ect0First => kind::ACC_ECN_0,
                Order::Ect1First => kind::ACC_ECN_1,
            };
            put(&[kind, u8::try_from(option.len()).unwrap_or(2)]);
            for field in option.fields() {
                let [_, a, b, c] = field.to_be_bytes();
                put(&[a, b, c]);
            }
            for _ in option.len()..padded(option.len()) {
                put(&[kind::NOP]);
            }
        }
        if self.timestamps.is_none() && self.sack_permitted {
            put(&[kind::NOP, kind::NOP, kind::SACK_PERMITTED, 2]);
        }
        if let Some(shift) = self.wscale {
            put(&[kind::NOP, kind::WSCALE, 3, shift]);
        }
        if let Some(fast_open) = &self.fast_open {
            let len = u8::try_from(fast_open.len()).unwrap_or(0);
            if fast_open.experimental {
                put(&[kind::EXPERIMENT, len]);
                put(&FAST_OPEN_MAGIC);
            } else {
                put(&[kind::FAST_OPEN, len]);
            }
            put(fast_open.cookie());
            for _ in fast_open.len()..padded(fast_open.len()) {
                put(&[kind::NOP]);
            }
        }
        let blocks = self.sack_fitting();
        if blocks > 0 {
            let len = u8::try_from(blocks)
                .unwrap_or(4)
                .saturating_mul(8)
                .saturating_add(2);
            put(&[kind::NOP, kind::NOP, kind::SACK, len]);
            for block in self.sack.iter().take(blocks) {
                put(&block.start.raw().to_be_bytes());
                put(&block.end.raw().to_be_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9293, MUST-7: illegal option lengths must not be a way to crash, nor to be misread.
    #[test]
    fn malformed_lengths_end_the_list() {
        let mss = [2, 4, 5, 0xb4];
        for bad in [[8, 0], [8, 1], [8, 200], [254, 1]] {
            let mut list = mss.to_vec();
            list.extend(bad);
            list.extend([3, 3, 7]);
            let options = Options::parse(&list);
            assert_eq!(options.mss, Some(1460));
            assert_eq!(options.wscale, None, "{bad:?}");
        }
        assert_eq!(Options::parse(&[2]), Options::default());
        assert_eq!(Options::parse(&[2, 4, 5]), Options::default());
    }

    /// RFC 9293, MUST-6: an option that is not understood is skipped by its length.
    /// RFC 9293, MUST-64: and none has to be aligned.
    #[test]
    fn unknown_options_are_skipped() {
        let options = Options::parse(&[253, 4, 9, 9, 1, 3, 3, 9, 0, 2, 4, 1, 1]);
        assert_eq!(
            options,
            Options {
                wscale: Some(9),
                ..Options::default()
            }
        );
    }

    /// RFC 2018, section 3: four blocks alone, three beside timestamps; nothing beyond 40 bytes.
    #[test]
    fn rfc2018_section_3_no_more_blocks_than_fit() {
        for (mss, wscale, timestamps, fits) in [
            (false, false, false, 4),
            (false, false, true, 3),
            (true, false, false, 4),
            (true, true, false, 3),
            (true, true, true, 2),
        ] {
            let mut options = Options {
                mss: mss.then_some(1460),
                wscale: wscale.then_some(7),
                timestamps: timestamps.then(Timestamps::default),
                ..Options::default()
            };
            for n in 0..4 {
                let start = SeqNum::new(n * 100);
                assert!(options.sack.push(SeqRange::new(start, start.add(10))));
            }
            assert!(options.len() <= 40 && options.len().is_multiple_of(4));
            let mut out = [0u8; 64];
            options.emit(&mut out[..]);
            assert!(out[options.len()..].iter().all(|b| *b == 0), "past the end");
            let again = Options::parse(&out[..options.len()]);
            assert_eq!(again.sack.len(), fits);
            assert!(again.sack.iter().eq(options.sack.iter().take(fits)));
            assert_eq!((again.mss, again.wscale), (options.mss, options.wscale));
        }
    }

    /// RFC 9768, 3.2.3 (figure 4 and table 5): both orders, and every length; what does not fit
    /// three-byte fields is padding.
    #[test]
    fn rfc9768_3_2_3_orders_and_lengths() {
        const ALL: [u8; 9] = [0, 0, 1, 0x12, 0x34, 0x56, 0xff, 0xff, 0xff];
        let (one, two, three) = (Some(1), Some(0x12_3456), Some(0xff_ffff));
        for (len, first, second, third) in [
            (2, None, None, None),
            (3, None, None, None),
            (4, None, None, None),
            (5, one, None, None),
            (7, one, None, None),
            (8, one, two, None),
            (10, one, two, None),
            (11, one, two, three),
        ] {
            for kind in [172, 174] {
                let mut list = vec![kind, len];
                list.extend(&ALL[..usize::from(len) - 2]);
                // What follows is understood all the same.
                list.extend([3, 3, 7]);
                let options = Options::parse(&list);
                let option = options.acc_ecn.expect("an AccECN option");
                let (ect0, ect1) = if kind == 172 {
                    (first, third)
                } else {
                    (third, first)
                };
                let found = (option.ect0(), option.ce(), option.ect1());
                assert_eq!(found, (ect0, second, ect1), "kind {kind}, length {len}");
                assert_eq!(options.wscale, Some(7));
            }
        }
        // A longer one of the future: its first three fields.
        let mut list = vec![174, 14];
        list.extend(ALL);
        list.extend([9, 9, 9]);
        let option = Options::parse(&list).acc_ecn.unwrap();
        assert_eq!(
            (option.ect1(), option.ce(), option.ect0()),
            (one, two, three)
        );
    }

    /// RFC 9768, 3.2.3: what is written is read the same; the layout is that of Linux' SYN-ACK, in
    /// which the option is padded by one NOP and stands before SACK-permitted.
    #[test]
    fn rfc9768_3_2_3_written_and_read() {
        for order in [Order::Ect0First, Order::Ect1First] {
            for fields in 0..=3 {
                let options = Options {
                    timestamps: Some(Timestamps { val: 7, ecr: 8 }),
                    acc_ecn: Some(AccEcn::new(order, [1, 0xab_cdef, 0xff_ffff], fields)),
                    ..Options::default()
                };
                let mut out = [0u8; 40];
                options.emit(&mut out[..]);
                assert_eq!(options.len(), 12 + [4, 8, 8, 12][usize::from(fields)]);
                assert_eq!(Options::parse(&out[..options.len()]), options);
            }
        }
        let syn_ack = Options {
            mss: Some(1460),
            wscale: Some(8),
            sack_permitted: true,
            acc_ecn: Some(AccEcn::new(Order::Ect1First, [1, 0, 1], 3)),
            ..Options::default()
        };
        let mut out = [0u8; 40];
        syn_ack.emit(&mut out[..]);
        let expected = [
            2, 4, 5, 0xb4, 174, 11, 0, 0, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 4, 2, 1, 3, 3, 8,
        ];
        assert_eq!(out[..syn_ack.len()], expected);
    }

    #[test]
    fn any_bytes_parse_without_panic() {
        let mut x = 0x9e3779b97f4a7c15u64;
        for _ in 0..200_000 {
            let mut bytes = [0u8; 40];
            for b in &mut bytes {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                *b = if x & 0x300 == 0 {
                    (x % 12) as u8
                } else if x & 0x300 == 0x100 {
                    [172, 174, 5, 11][(x & 3) as usize]
                } else {
                    x as u8
                };
            }
            let options = Options::parse(&bytes);
            assert!(options.sack.len() <= 4);
        }
    }
}
