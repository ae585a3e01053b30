// SPDX-License-Identifier: GPL-2.0

//! The fixed part of the header: [`Packet`] is a view of bytes, [`Header`] what they mean.
//!
//! Ports are not in [`Header`]: a connection knows none, the layer that finds connections does.

use super::options::Options;
use crate::tcp::seq::SeqNum;

/// Bytes of a header without options.
pub(crate) const MIN_LEN: usize = 20;
/// Bytes of the longest header.
pub(crate) const MAX_LEN: usize = 60;

/// The control bits.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Flags(u16);

impl Flags {
    /// No more data from the sender.
    pub(crate) const FIN: Self = Self(0x01);
    /// Synchronise sequence numbers.
    pub(crate) const SYN: Self = Self(0x02);
    /// Reset the connection.
    pub(crate) const RST: Self = Self(0x04);
    /// Push.
    pub(crate) const PSH: Self = Self(0x08);
    /// The acknowledgment field is significant.
    pub(crate) const ACK: Self = Self(0x10);
    /// The urgent pointer is significant.
    pub(crate) const URG: Self = Self(0x20);
    /// ECN-Echo (RFC 3168).
    pub(crate) const ECE: Self = Self(0x40);
    /// Congestion window reduced (RFC 3168).
    pub(crate) const CWR: Self = Self(0x80);
    /// Accurate ECN (RFC 9768): the upper bit of the ACE field, of which CWR and ECE are the rest.
    pub(crate) const AE: Self = Self(0x100);
    /// The ACE field.
    pub(crate) const ACE: Self = Self(0x1c0);

    /// From the header's octet.
    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(bits as u16)
    }

    /// All bits.
    pub(crate) const fn word(self) -> u16 {
        self.0
    }

    /// From all bits.
    #[allow(dead_code)] // For the replay.
    pub(crate) const fn from_word(word: u16) -> Self {
        Self(word & 0x1ff)
    }

    /// From the header's octet and the one before it.
    const fn from_octets(offset: u8, bits: u8) -> Self {
        Self(((offset as u16 & 1) << 8) | bits as u16)
    }

    /// For the header's octet.
    const fn bits(self) -> u8 {
        (self.0 & 0xff) as u8
    }

    /// For the octet before it.
    const fn upper_bit(self) -> u8 {
        (self.0 >> 8) as u8 & 1
    }

    /// With that in the ACE field, whose bits are clear.
    pub(crate) const fn with_ace(self, ace: u8) -> Self {
        Self(self.0 | ((ace as u16 & 7) << 6))
    }

    /// The ACE field.
    pub(crate) const fn ace(self) -> u8 {
        ((self.0 >> 6) & 7) as u8
    }

    /// Whether all of `other` are set.
    #[inline]
    pub(crate) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is set.
    #[inline]
    pub(crate) const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// With `other` set too.
    #[inline]
    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// With `other` cleared.
    #[inline]
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// Why bytes are not a TCP header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ParseError {
    /// Fewer bytes than the fixed header, or than the data offset says.
    Truncated,
    /// The data offset is below five words.
    BadDataOffset,
}

/// A view of a whole TCP header, options included.
#[derive(Clone, Copy)]
pub(crate) struct Packet<'a> {
    fixed: &'a [u8; MIN_LEN],
    options: &'a [u8],
}

impl<'a> Packet<'a> {
    /// How long the header is that starts with `fixed`, bytes (20 to 60).
    pub(crate) fn header_len(fixed: &[u8]) -> Result<usize, ParseError> {
        let fixed: &[u8; MIN_LEN] = fixed.first_chunk().ok_or(ParseError::Truncated)?;
        let [.., offset, _, _, _, _, _, _, _] = fixed;
        let len = usize::from(offset >> 4) << 2;
        if len < MIN_LEN {
            return Err(ParseError::BadDataOffset);
        }
        Ok(len)
    }

    /// Views the header at the start of `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let len = Self::header_len(bytes)?;
        let header = bytes.get(..len).ok_or(ParseError::Truncated)?;
        let (fixed, options) = header.split_first_chunk().ok_or(ParseError::Truncated)?;
        Ok(Self { fixed, options })
    }

    /// The sender's port.
    pub(crate) fn src_port(&self) -> u16 {
        let [a, b, ..] = *self.fixed;
        u16::from_be_bytes([a, b])
    }

    /// The receiver's port.
    pub(crate) fn dst_port(&self) -> u16 {
        let [_, _, a, b, ..] = *self.fixed;
        u16::from_be_bytes([a, b])
    }

    /// Whether the segment that this header is of does no more than carry on where that of `first`,
    /// with `len` bytes of payload, ends: but for the sequence number and PSH the headers say the
    /// same. Both have payload. What says the same again and is counted (RFC 2883) carries on
    /// nothing.
    pub(crate) fn carries_on(&self, first: &Packet<'_>, len: u32) -> bool {
        let (before, after) = (first.header(), self.header());
        let without_push = |header: Header| Header {
            flags: header.flags.without(Flags::PSH),
            ..header
        };
        let (before, after) = (without_push(before), without_push(after));
        after.flags.without(Flags::ACE) == Flags::ACK
            && after.options.sack.is_empty()
            && self.src_port() == first.src_port()
            && self.dst_port() == first.dst_port()
            && self.options == first.options
            && after
                == Header {
                    seq: before.seq.add(len),
                    ..before
                }
    }

    /// What the header says.
    pub(crate) fn header(&self) -> Header {
        let [_, _, _, _, s0, s1, s2, s3, a0, a1, a2, a3, offset, flags, w0, w1, _, _, u0, u1] =
            *self.fixed;
        Header {
            seq: SeqNum::new(u32::from_be_bytes([s0, s1, s2, s3])),
            ack: SeqNum::new(u32::from_be_bytes([a0, a1, a2, a3])),
            flags: Flags::from_octets(offset, flags),
            wnd: u16::from_be_bytes([w0, w1]),
            urg: u16::from_be_bytes([u0, u1]),
            options: Options::parse(self.options),
        }
    }
}

/// What a header says, or shall say.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Header {
    /// SEG.SEQ.
    pub(crate) seq: SeqNum,
    /// SEG.ACK; meaningful if the ACK bit is set.
    pub(crate) ack: SeqNum,
    /// The control bits.
    pub(crate) flags: Flags,
    /// SEG.WND as on the wire, not scaled.
    pub(crate) wnd: u16,
    /// SEG.UP; meaningful if the URG bit is set.
    pub(crate) urg: u16,
    /// The options.
    pub(crate) options: Options,
}

impl Header {
    /// Bytes on the wire, options included: a multiple of 4, at most 60.
    pub(crate) fn len(&self) -> usize {
        MIN_LEN.saturating_add(self.options.len())
    }

    /// Writes the header with a zero checksum to the start of `out`; tells how long it is, or
    /// `None` if `out` is too short.
    pub(crate) fn emit(&self, src_port: u16, dst_port: u16, out: &mut [u8]) -> Option<usize> {
        let len = self.len();
        let (fixed, rest) = out.split_first_chunk_mut::<MIN_LEN>()?;
        let options = rest.get_mut(..self.options.len())?;
        let [p0, p1] = src_port.to_be_bytes();
        let [q0, q1] = dst_port.to_be_bytes();
        let [s0, s1, s2, s3] = self.seq.raw().to_be_bytes();
        let [a0, a1, a2, a3] = self.ack.raw().to_be_bytes();
        let [w0, w1] = self.wnd.to_be_bytes();
        let [u0, u1] = self.urg.to_be_bytes();
        let offset = u8::try_from(len << 2).unwrap_or(0xf0) & 0xf0;
        *fixed = [
            p0,
            p1,
            q0,
            q1,
            s0,
            s1,
            s2,
            s3,
            a0,
            a1,
            a2,
            a3,
            offset | self.flags.upper_bit(),
            self.flags.bits(),
            w0,
            w1,
            0,
            0,
            u0,
            u1,
        ];
        self.options.emit(options);
        Some(len)
    }
}

/// The ECN field of the IP header (RFC 3168, 5).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Codepoint {
    /// The transport does not take part.
    #[default]
    NotEct,
    /// ECT(1).
    Ect1,
    /// ECT(0).
    Ect0,
    /// Congestion experienced.
    Ce,
}

crate::tcp::log::choices!(Codepoint {
    NotEct = 0,
    Ect1 = 1,
    Ect0 = 2,
    Ce = 3,
});

impl Codepoint {
    /// From the octet that also holds the DSCP.
    pub(crate) const fn from_tos(tos: u8) -> Self {
        match tos & 3 {
            0 => Self::NotEct,
            1 => Self::Ect1,
            2 => Self::Ect0,
            _ => Self::Ce,
        }
    }

    /// The two bits.
    pub(crate) const fn bits(self) -> u8 {
        match self {
            Self::NotEct => 0,
            Self::Ect1 => 1,
            Self::Ect0 => 2,
            Self::Ce => 3,
        }
    }
}

/// A segment: a header and how much payload follows it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Segment {
    /// The header.
    pub(crate) header: Header,
    /// Bytes of payload. May exceed the MSS: receive offload joins segments.
    pub(crate) payload_len: u32,
    /// The ECN field of its IP header: of each of its packets, since receive offload joins only
    /// what agrees in it.
    pub(crate) codepoint: Codepoint,
    /// How many packets receive offload joined, as it says; 0 and 1: none. [`Self::packets`] tells
    /// what to believe of that.
    pub(crate) joined: u16,
}

impl Segment {
    /// How many packets it was on the wire, at least 1. Each of several had payload, whatever a
    /// device claims.
    #[inline]
    pub(crate) fn packets(&self) -> u32 {
        u32::from(self.joined).min(self.payload_len).max(1)
    }

    /// SEG.LEN: payload plus one each for SYN and FIN.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.payload_len
            .saturating_add(u32::from(self.header.flags.contains(Flags::SYN)))
            .saturating_add(u32::from(self.header.flags.contains(Flags::FIN)))
    }

    /// One beyond the last sequence number that the segment occupies.
    #[inline]
    pub(crate) fn end(&self) -> SeqNum {
        self.header.seq.add(self.len())
    }

    /// Whether `flags` are all set.
    #[inline]
    pub(crate) fn has(&self, flags: Flags) -> bool {
        self.header.flags.contains(flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::seq::SeqRange;
    use crate::tcp::wire::{SackBlocks, Timestamps};

    /// RFC 9293, 3.1: a data offset below five or beyond the bytes that are there is malformed.
    #[test]
    fn bad_data_offsets_are_refused() {
        let mut bytes = [0u8; 24];
        for words in 0..5u8 {
            bytes[12] = words << 4;
            assert_eq!(Packet::new(&bytes).err(), Some(ParseError::BadDataOffset));
        }
        bytes[12] = 6 << 4;
        assert!(Packet::new(&bytes).is_ok());
        bytes[12] = 7 << 4;
        assert_eq!(Packet::new(&bytes).err(), Some(ParseError::Truncated));
        assert_eq!(Packet::new(&bytes[..19]).err(), Some(ParseError::Truncated));
    }

    /// A segment that is joined to the one before it must not have anything else to say.
    #[test]
    fn what_says_more_does_not_carry_on() {
        let first = Header {
            seq: SeqNum::new(u32::MAX - 99),
            ack: SeqNum::new(7),
            flags: Flags::ACK,
            wnd: 500,
            urg: 0,
            options: Options {
                timestamps: Some(Timestamps { val: 5, ecr: 6 }),
                ..Options::default()
            },
        };
        let next = Header {
            seq: first.seq.add(1_000),
            ..first
        };
        let carries_on = |next: Header, port: u16| {
            let (mut a, mut b) = ([0; 60], [0; 60]);
            let a_len = first.emit(1, 2, &mut a).unwrap();
            let b_len = next.emit(port, 2, &mut b).unwrap();
            let first = Packet::new(&a[..a_len]).unwrap();
            let next = Packet::new(&b[..b_len]).unwrap();
            next.carries_on(&first, 1_000)
        };
        let flags = |flags: Flags| Header { flags, ..next };
        assert!(carries_on(next, 1));
        assert!(carries_on(flags(Flags::ACK.with(Flags::PSH)), 1));
        assert!(!carries_on(next, 3));
        let mut sack = SackBlocks::default();
        sack.push(SeqRange::new(SeqNum::new(5), SeqNum::new(9)));
        let ts = Some(Timestamps { val: 6, ecr: 6 });
        for other in [
            first,
            flags(Flags::default()),
            flags(Flags::ACK.with(Flags::FIN)),
            flags(Flags::ACK.with(Flags::SYN)),
            flags(Flags::ACK.with(Flags::RST)),
            flags(Flags::ACK.with(Flags::URG)),
            flags(Flags::ACK.with(Flags::CWR)),
            flags(Flags::ACK.with_ace(1)),
            Header {
                seq: next.seq.add(1),
                ..next
            },
            Header {
                ack: SeqNum::new(8),
                ..next
            },
            Header { wnd: 501, ..next },
            Header {
                options: Options::default(),
                ..next
            },
            Header {
                options: Options {
                    timestamps: ts,
                    ..next.options
                },
                ..next
            },
            Header {
                options: Options {
                    sack,
                    ..next.options
                },
                ..next
            },
        ] {
            assert!(!carries_on(other, 1), "{other:?}");
        }
    }

    /// RFC 9768, 3.1: the ACE field is the last bit of the octet with the data offset, CWR and ECE.
    #[test]
    fn rfc9768_3_1_the_ace_field() {
        for ace in 0..8u8 {
            let header = Header {
                flags: Flags::ACK.with_ace(ace),
                ..Header::default()
            };
            let mut bytes = [0u8; 20];
            header.emit(1, 2, &mut bytes).unwrap();
            assert_eq!(bytes[12], 0x50 | (ace >> 2));
            assert_eq!(bytes[13], 0x10 | ((ace & 3) << 6));
            let parsed = Packet::new(&bytes).unwrap().header();
            assert_eq!(parsed.flags.ace(), ace);
            assert_eq!(parsed, header);
        }
        // The other reserved bits are ignored.
        let mut bytes = [0u8; 20];
        bytes[12] = 0x5e;
        assert_eq!(Packet::new(&bytes).unwrap().header(), Header::default());
    }

    /// The bytes of a SYN as tshark decodes them: an independent layout of the fields.
    #[test]
    fn emits_known_bytes() {
        let header = Header {
            seq: SeqNum::new(0x01020304),
            ack: SeqNum::new(0x0a0b0c0d),
            flags: Flags::SYN.with(Flags::ACK),
            wnd: 0xfaf0,
            urg: 0,
            options: Options {
                mss: Some(1460),
                wscale: Some(7),
                ..Options::default()
            },
        };
        let mut out = [0xffu8; 60];
        assert_eq!(header.emit(0x1234, 0x0050, &mut out), Some(28));
        let expected: [u8; 28] = [
            0x12, 0x34, 0x00, 0x50, 1, 2, 3, 4, 0x0a, 0x0b, 0x0c, 0x0d, 0x70, 0x12, 0xfa, 0xf0, 0,
            0, 0, 0, 2, 4, 0x05, 0xb4, 1, 3, 3, 7,
        ];
        assert_eq!(out[..28], expected);
    }

    /// RFC 9293, MUST-4, MUST-68, MUST-69: every option with its length, and nothing left to pad.
    #[test]
    fn parse_undoes_emit() {
        let mut sack = SackBlocks::default();
        sack.push(SeqRange::new(SeqNum::new(5), SeqNum::new(9)));
        sack.push(SeqRange::new(SeqNum::new(u32::MAX), SeqNum::new(2)));
        let every = [
            Options::default(),
            Options {
                mss: Some(536),
                sack_permitted: true,
                ..Options::default()
            },
            Options {
                mss: Some(1460),
                sack_permitted: true,
                wscale: Some(14),
                timestamps: Some(Timestamps { val: 7, ecr: 0 }),
                sack: SackBlocks::default(),
                ..Options::default()
            },
            Options {
                timestamps: Some(Timestamps {
                    val: 1,
                    ecr: u32::MAX,
                }),
                sack,
                ..Options::default()
            },
        ];
        for options in every {
            let header = Header {
                options,
                wnd: 1,
                ..Header::default()
            };
            let mut out = [0u8; 60];
            let len = header.emit(1, 2, &mut out).unwrap();
            assert_eq!(len % 4, 0);
            assert_eq!(Packet::new(&out[..len]).unwrap().header(), header);
            assert_eq!(header.emit(1, 2, &mut out[..len - 1]), None);
        }
    }
}
