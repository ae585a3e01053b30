// SPDX-License-Identifier: GPL-2.0

//! Urgent data (RFC 9293, 3.8.5), as RFC 6093 found it to be: a mark in the stream, and the one
//! byte there that a receiver may read out of band. The pointer points behind that byte (RFC
//! 6093, 3.1: what every stack does, whatever RFC 1122 said).

use super::{
    connection::{Connection, Events},
    context::Cx,
    log::Kind,
    platform::Platform,
    seq::SeqNum,
    wire::{Flags, Segment},
};

/// How far the urgent pointer reaches.
const REACH: u32 = 0xffff;

/// The byte at the mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Byte {
    /// It did not come yet.
    Ahead,
    /// This is it.
    Here(u8),
    /// It was read out of band.
    Read,
}

/// The receiver's side: where the mark is and what is known of its byte. It lasts until the stream
/// is read beyond it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Urgent {
    mark: SeqNum,
    byte: Byte,
}

impl<P: Platform> Connection<P> {
    /// The next byte that the user will read.
    fn read_seq(&self) -> SeqNum {
        let fin = u32::from(self.recv.fin_reached);
        self.recv.nxt.sub(self.recv.unread.saturating_add(fin))
    }

    /// The last byte queued is urgent: the pointer goes with every segment until it is
    /// acknowledged (RFC 9293, MUST-30 and MUST-31).
    pub(crate) fn mark_urgent(&mut self) {
        self.input(Kind::InUrgent, &[]);
        self.send.urgent = Some(self.send.write_seq);
    }

    /// Whether there is a mark that the peer did not acknowledge.
    pub(super) fn is_urgent(&self) -> bool {
        self.send
            .urgent
            .is_some_and(|mark| mark.after(self.send.una))
    }

    /// The urgent pointer of a segment that starts at `seq`, if it has one and reaches so far.
    pub(super) fn urgent_pointer(&self, seq: SeqNum) -> Option<u16> {
        let mark = self.send.urgent.filter(|mark| mark.after(seq))?;
        let distance = mark.distance_from(seq);
        if distance > REACH || !self.is_urgent() {
            return None;
        }
        u16::try_from(distance).ok()
    }

    /// RFC 9293, 3.10.7.4, sixth: a segment that may say where urgent data is.
    pub(super) fn on_urgent(&mut self, cx: &Cx<'_, P>, seg: &Segment) {
        if !seg.has(Flags::URG) || !self.state().can_receive() {
            return;
        }
        // At the byte, as RFC 1122, 4.2.2.4, had it, or behind it, as RFC 6093 found it in use.
        let behind = u16::from(!cx.net.stdurg);
        let distance = seg.header.urg.saturating_sub(behind);
        let mark = seg.header.seq.add(u32::from(distance));
        // Nothing new: read already, passed already, or not beyond the mark that we know of.
        if self.read_seq().after(mark) || mark.before(self.recv.nxt) {
            return;
        }
        if let Some(old) = self.urgent {
            if !mark.after(old.mark) {
                return;
            }
            // The old byte, if the user stands before it, was read out of band or never will be:
            // it is not part of the stream.
            if old.mark == self.read_seq() && !self.config().oob_inline && self.recv.unread > 0 {
                self.skip(cx, 1);
            }
        }
        self.urgent = Some(Urgent {
            mark,
            byte: Byte::Ahead,
        });
        self.note(Events::URGENT);
    }

    /// How far behind the next unread byte the urgent byte is, if it is there to be looked at and
    /// nobody did: the caller tells it by [`Self::urgent_is`].
    pub(crate) fn urgent_wanted(&self) -> Option<u32> {
        let urgent = self.urgent.filter(|u| u.byte == Byte::Ahead)?;
        let distance = urgent.mark.saturating_distance_from(self.read_seq());
        (distance < self.recv.unread).then_some(distance)
    }

    /// The urgent byte.
    pub(crate) fn urgent_is(&mut self, byte: u8) {
        self.input(Kind::InUrgentIs, &[u32::from(byte)]);
        if let Some(urgent) = &mut self.urgent {
            urgent.byte = Byte::Here(byte);
            self.note(Events::READABLE);
        }
    }

    /// What is known of the urgent byte; `None`: there is no mark.
    pub(crate) fn urgent(&self) -> Option<Byte> {
        self.urgent.map(|urgent| urgent.byte)
    }

    /// The urgent byte was read out of band.
    pub(crate) fn urgent_read(&mut self) {
        self.input(Kind::InUrgentRead, &[]);
        if let Some(urgent) = &mut self.urgent {
            urgent.byte = Byte::Read;
        }
    }

    /// How far it is from the next unread byte to the mark.
    pub(crate) fn urgent_distance(&self) -> Option<u32> {
        self.urgent
            .map(|urgent| urgent.mark.saturating_distance_from(self.read_seq()))
    }

    /// The user read on: a mark that is passed is none.
    pub(super) fn pass_urgent(&mut self) {
        if self
            .urgent
            .is_some_and(|urgent| self.read_seq().after(urgent.mark))
        {
            self.urgent = None;
        }
    }
}
