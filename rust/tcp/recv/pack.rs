// SPDX-License-Identifier: GPL-2.0

//! While memory gets short, what came in small pieces is copied together: a buffer holds on to some
//! hundred bytes besides its payload, so a sender of crumbs would fill the receive buffer with next
//! to nothing, and what is out of order would have to be dropped.
//!
//! That is done piece by piece, as they come, so that each segment costs the copy of its own payload
//! at most. (A search through all that waits for what could be joined is work that a peer can order
//! with every segment.)

use super::Recv;
use crate::tcp::{
    log::{Kind, Kinds, Recorder},
    platform::{Buffer, Memory, Platform, RxBuffer, SegTree},
    seq::SeqRange,
};

/// The most room in a buffer that is made for this: with what it holds on to besides, a page.
const MOST: u32 = 3_500;

/// Whether most of the memory that `buf` holds on to is not payload.
fn is_wasteful(buf: &impl Buffer) -> bool {
    buf.len() < buf.truesize() / 2
}

/// What became of a buffer.
pub(super) enum Packed<B> {
    /// It stays as it is.
    No,
    /// Its data is in the buffer before it.
    Behind,
    /// Its data is in another one, which has room for more.
    Into(B),
}

/// Appends a copy, and tells the log whether there was room.
fn append<P: Platform>(to: &mut P::RxBuf, from: &P::RxBuf, log: &mut P::Log) -> bool {
    let done = to.append(from);
    log.note(Kinds::INPUTS, Kind::Append, 0, 0, &[u32::from(done)]);
    done
}

/// Copies the data of `buf` behind that of `last`, where it adjoins; if there is no room, to a new
/// buffer with room for what may follow. That doubles as it goes, so that few pieces cost little.
pub(super) fn pack<P: Platform>(
    last: &mut P::RxBuf,
    buf: &P::RxBuf,
    log: &mut P::Log,
) -> Packed<P::RxBuf> {
    if append::<P>(last, buf, log) {
        return Packed::Behind;
    }
    let so_far = if is_wasteful(last) { last.len() } else { 0 };
    let room = so_far.saturating_add(buf.len()).saturating_mul(2).min(MOST);
    let made = P::RxBuf::with_room(room);
    let size = made.as_ref().map_or(0, Buffer::truesize);
    log.note(
        Kinds::INPUTS,
        Kind::Room,
        0,
        0,
        &[u32::from(made.is_ok()), size],
    );
    let Ok(mut new) = made else {
        return Packed::No;
    };
    if append::<P>(&mut new, buf, log) {
        Packed::Into(new)
    } else {
        Packed::No
    }
}

impl<P: Platform> Recv<P> {
    /// Whether `buf` is to be copied to where it takes less.
    #[inline]
    pub(super) fn is_worth_packing(&self, buf: &P::RxBuf) -> bool {
        (self.is_half_full() || self.memory != Memory::Plenty) && is_wasteful(buf)
    }

    /// Data out of order: copies `buf`, which has `range`, behind what ends where it begins. `None`:
    /// that holds it now.
    pub(super) fn pack_out_of_order(
        &mut self,
        range: SeqRange,
        buf: P::RxBuf,
        log: &mut P::Log,
    ) -> Option<P::RxBuf> {
        if !self.is_worth_packing(&buf) {
            return Some(buf);
        }
        let last = self.ofo.at_or_after_mut(range.start.sub(1));
        let Some(last) = last.filter(|last| last.meta().end == range.start) else {
            return Some(buf);
        };
        match pack::<P>(last, &buf, log) {
            Packed::No => Some(buf),
            Packed::Behind => {
                last.meta_mut().end = range.end;
                self.packed = self.packed.saturating_add(1);
                None
            }
            Packed::Into(new) => {
                self.packed = self.packed.saturating_add(1);
                Some(new)
            }
        }
    }

    /// How many buffers were copied since the last time that was asked.
    #[inline]
    pub(crate) fn take_packed(&mut self) -> u32 {
        core::mem::take(&mut self.packed)
    }
}
