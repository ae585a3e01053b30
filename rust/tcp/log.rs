// SPDX-License-Identifier: GPL-2.0

//! What a connection can tell of itself: a log of records of one size, kept in memory that the
//! caller gives.
//!
//! Two kinds of things can be in it. Events explain: what was sent and received, why nothing more
//! was sent, what became of window, time-out and state. Inputs repeat: every call with its
//! arguments, what the buffers answered, and what came out; fed to another connection, in another
//! program, they make it do the very same (`selftests/host`, `replay`).
//!
//! A connection without a log asks one question, whether there is one, at each place.

mod codec;
mod ring;

pub(crate) use codec::{choices, fields, put, Field, Sink, Source};
#[allow(unused_imports)] // For the replay.
pub(crate) use codec::{words_of, Reader};
pub(crate) use ring::{Ring, Slots};

use super::{
    seq::SeqNum,
    time::Instant,
    wire::{
        accecn::{AccEcn, Order},
        Codepoint, FastOpen, Flags, Header, Options, SackBlocks, Timestamps,
    },
};

macro_rules! codes {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $code:ident = $value:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
        #[repr(u8)]
        pub(crate) enum $name { #[default] $($(#[$doc])* $code = $value),+ }

        impl $name {
            /// All of them, with their numbers in the order of the declaration.
            #[allow(dead_code)] // For tests and the replay.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$code),+];

            /// The one with that number.
            #[allow(dead_code)] // For the replay.
            pub(crate) fn from_code(code: u8) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| *one as u8 == code)
            }
        }
    };
}

codes! {
    /// What a record is of. The numbers are part of the interface (`linux/rusttcp.h`).
    Kind {
        /// The log begins: version, kinds of records in it.
        Start = 0,
        /// Records that had no room: how many, low and high word.
        Lost = 1,
        /// A segment was sent; the cause is a [`Reason`].
        Sent = 2,
        /// A segment arrived.
        Received = 3,
        /// No more is sent now; the cause is a [`Why`].
        Held = 4,
        /// The state changed: the cause is the new one, `more` the old one.
        State = 5,
        /// Window, threshold, time-out or round-trip time changed.
        Metrics = 6,
        /// Data was taken to be lost; `len` bytes, the cause is a [`LossBy`].
        Loss = 7,
        /// Loss recovery changed: the cause is the new phase, `more` the old one (0 none, 1 fast
        /// recovery, 2 after a time-out).
        Recovery = 8,
        /// A recovery was a mistake and is undone; the cause says what showed it: 1 a time stamp, 2
        /// duplicates, 3 F-RTO.
        Undone = 9,
        /// The retransmission timer expired; `len` is the row of time-outs.
        Timeout = 10,
        /// The size of segments changed; `len` is the new one.
        Path = 11,
        /// Input: the namespace's settings.
        InNet = 64,
        /// Input: the socket's options.
        InSocket = 65,
        /// Input: the half-open entry that the connection was made from.
        InHalfOpen = 66,
        /// Input: buffer sizes and whether they are fixed.
        InBuffers = 67,
        /// Input: what the route takes.
        InPath = 68,
        /// Input: who paces, and the most.
        InPacing = 69,
        /// Input: OPEN.
        InOpen = 70,
        /// Input: a segment; `more` tells how many SACK blocks are in the next record.
        InSegment = 71,
        /// The SACK blocks of the record before.
        Sack = 72,
        /// Input: the timer.
        InTimeout = 73,
        /// Input: an ICMP error.
        InIcmp = 74,
        /// Input: ICMP, too big.
        InMtu = 75,
        /// Input: a buffer was queued.
        InQueue = 76,
        /// Input: the last buffer grew.
        InAppend = 77,
        /// Input: MSG_MORE.
        InMore = 78,
        /// Input: the end of a write.
        InPush = 79,
        /// Input: the last byte is urgent.
        InUrgent = 80,
        /// Input: the end of a record.
        InEnd = 81,
        /// Input: bytes were read.
        InRead = 82,
        /// Input: the sending side was shut.
        InShutSend = 83,
        /// Input: the receiving side was shut.
        InShutRecv = 84,
        /// Input: CLOSE.
        InClose = 85,
        /// Input: ABORT.
        InAbort = 86,
        /// Input: TCP_QUICKACK.
        InQuick = 87,
        /// Input: the urgent byte.
        InUrgentIs = 88,
        /// Input: the urgent byte was read.
        InUrgentRead = 89,
        /// Input: another congestion control.
        InAlgorithm = 90,
        /// Input: what is held back goes.
        InLetGo = 91,
        /// Input: how memory stands.
        InMemory = 92,
        /// Input: the SYN that made a connection of the half-open entry at once (Fast Open).
        InFastSyn = 93,
        /// Input: how many orphans there are.
        InCrowd = 94,
        /// Input: what of Fast Open the SYN gets, which goes now.
        InSyn = 100,
        /// The Fast Open option of the segment before: length and form, and the cookie.
        Cookie = 101,
        /// Input: when the AccECN option is sent.
        InEcn = 102,
        /// Input: the user has more to write than there is room for.
        InWant = 103,
        /// Input: the local queue refused what was sent last.
        InRefused = 104,
        /// Input: the user wants to know when the last byte is acknowledged, or only when it leaves.
        InStamp = 105,
        /// Input: what the route says.
        InMetrics = 106,
        /// A buffer was split, or could not be: true sizes of both parts.
        Split = 96,
        /// Two buffers were joined, or not: true size of the first.
        Merge = 97,
        /// The end of a buffer was dropped: its true size.
        Trim = 98,
        /// A buffer's data was copied behind another's, or there was no room.
        Append = 99,
        /// An empty buffer was made, or could not be: its true size.
        Room = 107,
        /// Output: a segment to send.
        OutSegment = 112,
        /// Output: nothing to send, and where the connection stands.
        OutNothing = 113,
        /// Output: an answer that is sent as it is.
        OutReply = 114,
    }
}

codes! {
    /// Why no more is sent.
    Why {
        /// Nothing is queued.
        Nothing = 0,
        /// The congestion window.
        Cwnd = 1,
        /// The peer's window, or that so little of it is open (RFC 9293, 3.8.6.2.1).
        Rwnd = 2,
        /// Nagle: a partial segment waits for the ACK of another (RFC 9293, 3.7.4).
        Nagle = 3,
        /// TCP_CORK or MSG_MORE: a partial segment waits for more.
        Cork = 4,
        /// Pacing: not yet.
        Pacing = 5,
        /// Memory ran out, or the local queue is full.
        Memory = 6,
        /// Nothing is queued because the send buffer is full of what is out.
        Buffer = 7,
        /// A little is allowed; a larger super-segment will be soon.
        Batch = 8,
        /// Whether the time-out was a mistake is not known yet (RFC 5682).
        Proof = 9,
        /// The handshake is not complete, or the connection is over.
        Closed = 10,
    }
}

codes! {
    /// Why a segment was sent.
    Reason {
        /// New data.
        Data = 0,
        /// Data that was lost.
        Lost = 1,
        /// Data after a time-out.
        Timeout = 2,
        /// A probe for a lost tail (RFC 8985, section 7).
        Tail = 3,
        /// The end of the stream, alone.
        Fin = 4,
        /// An acknowledgment.
        Ack = 5,
        /// A probe of a shut window.
        Window = 6,
        /// A keepalive probe.
        Keepalive = 7,
        /// SYN or SYN-ACK.
        Syn = 8,
        /// RST.
        Reset = 9,
        /// A probe of the path's MTU (RFC 4821).
        Mtu = 10,
    }
}

codes! {
    /// What told of a loss.
    LossBy {
        /// Later data arrived (RFC 8985).
        Rack = 0,
        /// Duplicate ACKs (RFC 6582).
        Duplicates = 1,
        /// The retransmission timer.
        Timer = 2,
        /// ICMP, or a probe: the segments were too large.
        Size = 3,
    }
}

/// Which kinds of records go into a log.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Kinds(u8);

impl Kinds {
    /// None.
    pub(crate) const NONE: Self = Self(0);
    /// What explains.
    pub(crate) const EVENTS: Self = Self(1);
    /// What can be repeated.
    pub(crate) const INPUTS: Self = Self(2);

    /// From the bits; `None` if one is not known.
    pub(crate) const fn from_bits(bits: u32) -> Option<Self> {
        if bits > 3 {
            None
        } else {
            Some(Self(bits as u8))
        }
    }

    /// The bits.
    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// Whether any of `other` is in it.
    #[inline]
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Words in a record.
pub(crate) const WORDS: usize = 13;
/// Bytes of a record.
pub(crate) const BYTES: usize = 64;
/// The version of the format.
pub(crate) const VERSION: u32 = 2;

/// A record.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(C)]
pub(crate) struct Record {
    /// When, nanoseconds.
    pub(crate) at: u64,
    /// What ([`Kind`]).
    pub(crate) kind: u8,
    /// Why, or how.
    pub(crate) cause: u8,
    /// As the kind has it.
    pub(crate) more: u16,
    /// As the kind has it.
    pub(crate) words: [u32; WORDS],
}

const _: () = assert!(core::mem::size_of::<Record>() == BYTES);

impl Record {
    /// As bytes, in the machine's order.
    pub(crate) fn to_bytes(self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        let (head, tail) = bytes.split_at_mut(12);
        let fixed = self
            .at
            .to_ne_bytes()
            .into_iter()
            .chain([self.kind, self.cause])
            .chain(self.more.to_ne_bytes());
        for (to, from) in head.iter_mut().zip(fixed) {
            *to = from;
        }
        for (to, word) in tail.chunks_exact_mut(4).zip(self.words) {
            to.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    /// From bytes.
    #[allow(dead_code)] // For the replay.
    pub(crate) fn from_bytes(bytes: &[u8; BYTES]) -> Self {
        let mut record = Self::default();
        let (head, tail) = bytes.split_at(12);
        if let &[a, b, c, d, e, f, g, h, kind, cause, x, y] = head {
            record.at = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
            record.kind = kind;
            record.cause = cause;
            record.more = u16::from_ne_bytes([x, y]);
        }
        for (word, from) in record.words.iter_mut().zip(tail.chunks_exact(4)) {
            if let &[a, b, c, d] = from {
                *word = u32::from_ne_bytes([a, b, c, d]);
            }
        }
        record
    }
}

/// Where the records of a connection go, if anywhere.
pub(crate) trait Recorder: Default {
    /// Whose memory it is.
    type Slots: Slots;
    /// Which kinds are wanted; none without a log.
    fn kinds(&self) -> Kinds;
    /// The log.
    fn ring(&mut self) -> Option<&mut Ring<Self::Slots>>;

    /// Appends a record if its kind is wanted.
    fn note(&mut self, wanted: Kinds, kind: Kind, cause: u8, more: u16, words: &[u32]) {
        if !self.kinds().has(wanted) {
            return;
        }
        if let Some(ring) = self.ring() {
            ring.put(kind, cause, more, words);
        }
    }
}

/// In the last word of a header: a record with the Fast Open option follows.
#[allow(dead_code)] // For the replay.
pub(crate) const HAS_COOKIE: u32 = 1 << 5;

/// What of a header does not fit the first record.
pub(crate) type SackWords = [u32; 8];

/// Where the words of the AccECN option are in `has`: that there is one, its order, how many fields it
/// has, and eight bits of the last.
const ACC_ECN: u32 = 1 << 4;
const ACC_ECN_ORDER: u32 = 1 << 24;
const ACC_ECN_COUNT: u32 = 6;
const ACC_ECN_REST: u32 = 16;

/// The AccECN option in two words and some bits.
fn acc_ecn_words(option: &AccEcn) -> ([u32; 2], u32) {
    let mut fields = option.fields();
    let mut next = || fields.next().unwrap_or(0);
    let (a, b, c) = (next(), next(), next());
    let order = match option.order() {
        Order::Ect0First => 0,
        Order::Ect1First => ACC_ECN_ORDER,
    };
    let has =
        ACC_ECN | order | u32::from(option.count()) << ACC_ECN_COUNT | (c & 0xff) << ACC_ECN_REST;
    ([a | b << 24, (b >> 8) & 0xffff | (c >> 8) << 16], has)
}

/// The option again.
fn acc_ecn_of(has: u32, words: [u32; 2]) -> Option<AccEcn> {
    let [low, high] = words;
    let order = if has & ACC_ECN_ORDER != 0 {
        Order::Ect1First
    } else {
        Order::Ect0First
    };
    let fields = [
        low & 0xff_ffff,
        low >> 24 | (high & 0xffff) << 8,
        has >> ACC_ECN_REST & 0xff | (high >> 16) << 8,
    ];
    let count = (has >> ACC_ECN_COUNT & 3) as u8;
    (has & ACC_ECN != 0).then(|| AccEcn::new(order, fields, count))
}

/// A header in words.
pub(crate) struct HeaderWords {
    /// All but what follows.
    pub(crate) fixed: [u32; 7],
    /// What of the AccECN option is not in there.
    pub(crate) acc_ecn: [u32; 2],
    /// The SACK blocks.
    pub(crate) sack: SackWords,
    /// How many there are.
    pub(crate) blocks: u16,
}

/// A header in words.
pub(crate) fn header_words(header: &Header) -> HeaderWords {
    let options = &header.options;
    let ts = options.timestamps.unwrap_or_default();
    let has = u32::from(options.mss.is_some())
        | u32::from(options.wscale.is_some()) << 1
        | u32::from(options.sack_permitted) << 2
        | u32::from(options.timestamps.is_some()) << 3
        | u32::from(options.fast_open.is_some()) << 5
        | u32::from(options.wscale.unwrap_or(0)) << 8;
    let (acc_ecn, also) = options.acc_ecn.as_ref().map_or(([0; 2], 0), acc_ecn_words);
    let mut sack = SackWords::default();
    for (to, block) in sack.chunks_exact_mut(2).zip(options.sack.iter()) {
        if let [start, end] = to {
            *start = block.start.raw();
            *end = block.end.raw();
        }
    }
    let words = [
        header.seq.raw(),
        header.ack.raw(),
        u32::from(header.flags.word()) | u32::from(header.wnd) << 16,
        u32::from(header.urg) | u32::from(options.mss.unwrap_or(0)) << 16,
        ts.val,
        ts.ecr,
        has | also,
    ];
    HeaderWords {
        fixed: words,
        acc_ecn,
        sack,
        blocks: options.sack.len() as u16,
    }
}

/// The header again.
#[allow(dead_code)] // For the replay.
pub(crate) fn header_of(
    words: &[u32; WORDS],
    acc_ecn: [u32; 2],
    sack: &[u32],
    blocks: u16,
) -> Header {
    let [seq, ack, flags, urg, val, ecr, has, ..] = *words;
    let mut list = SackBlocks::default();
    for block in sack.chunks_exact(2).take(usize::from(blocks)) {
        if let &[start, end] = block {
            let range = super::seq::SeqRange::new(SeqNum::new(start), SeqNum::new(end));
            list.push(range);
        }
    }
    Header {
        seq: SeqNum::new(seq),
        ack: SeqNum::new(ack),
        flags: Flags::from_word(flags as u16),
        wnd: (flags >> 16) as u16,
        urg: urg as u16,
        options: Options {
            mss: (has & 1 != 0).then_some((urg >> 16) as u16),
            wscale: (has & 2 != 0).then_some((has >> 8) as u8),
            sack_permitted: has & 4 != 0,
            timestamps: (has & 8 != 0).then_some(Timestamps { val, ecr }),
            sack: list,
            // In a record of its own.
            fast_open: (has & HAS_COOKIE != 0).then(FastOpen::default),
            acc_ecn: acc_ecn_of(has, acc_ecn),
        },
    }
}

/// The codepoint with that number.
#[allow(dead_code)] // For the replay.
pub(crate) fn codepoint_of(bits: u32) -> Codepoint {
    Codepoint::from_tos(bits as u8)
}

/// Both halves of an instant.
pub(crate) const fn halves(at: Instant) -> (u32, u32) {
    let ns = at.as_nanos();
    (ns as u32, (ns >> 32) as u32)
}
