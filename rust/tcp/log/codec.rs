// SPDX-License-Identifier: GPL-2.0

//! Settings in words, for a log that can be replayed. `fields!` names every
//! field of a structure once; one that is forgotten does not compile.

use super::{Kind, Kinds, Recorder, WORDS};
use crate::tcp::{
    seq::SeqNum,
    time::{Duration, Instant},
};

/// Where words go: into records of one kind, in a row.
pub(crate) struct Writer<'a, R: Recorder> {
    log: &'a mut R,
    kind: Kind,
    words: [u32; WORDS],
    len: usize,
}

/// Takes words.
pub(crate) trait Sink {
    /// Takes a word.
    fn word(&mut self, word: u32);
}

impl<R: Recorder> Sink for Writer<'_, R> {
    fn word(&mut self, word: u32) {
        if let Some(slot) = self.words.get_mut(self.len) {
            *slot = word;
            self.len = self.len.wrapping_add(1);
        }
        if self.len >= WORDS {
            self.flush(true);
        }
    }
}

impl<R: Recorder> Writer<'_, R> {
    /// `more` follows.
    fn flush(&mut self, more: bool) {
        let words = core::mem::take(&mut self.words);
        let len = core::mem::take(&mut self.len) as u8;
        self.log
            .note(Kinds::INPUTS, self.kind, len, u16::from(more), &words);
    }
}

/// Writes a value into records of one kind.
pub(crate) fn put<R: Recorder, F: Field>(log: &mut R, kind: Kind, value: &F) {
    let mut writer = Writer {
        log,
        kind,
        words: [0; WORDS],
        len: 0,
    };
    value.put(&mut writer);
    writer.flush(false);
}

/// Gives words back.
pub(crate) trait Source {
    /// The next word.
    fn word(&mut self) -> u32;
}

/// Words in a row; zeros behind its end.
#[allow(dead_code)] // For the replay.
pub(crate) struct Reader<I>(pub(crate) I);

impl<I: Iterator<Item = u32>> Source for Reader<I> {
    fn word(&mut self) -> u32 {
        self.0.next().unwrap_or(0)
    }
}

/// How many words a record of a row holds.
#[allow(dead_code)] // For the replay.
pub(crate) fn words_of(record: &super::Record) -> impl Iterator<Item = u32> + '_ {
    record.words.iter().copied().take(usize::from(record.cause))
}

/// What can be written in words.
pub(crate) trait Field: Sized {
    /// Writes it.
    fn put(&self, to: &mut impl Sink);
    /// Reads it.
    #[allow(dead_code)] // For the replay.
    fn take(from: &mut impl Source) -> Self;
}

macro_rules! small {
    ($($type:ty),+) => { $(
        impl Field for $type {
            fn put(&self, to: &mut impl Sink) {
                to.word(u32::from(*self));
            }
            fn take(from: &mut impl Source) -> Self {
                from.word() as Self
            }
        }
    )+ };
}

small!(u8, u16, u32);

impl Field for bool {
    fn put(&self, to: &mut impl Sink) {
        to.word(u32::from(*self));
    }
    fn take(from: &mut impl Source) -> Self {
        from.word() != 0
    }
}

impl Field for u64 {
    fn put(&self, to: &mut impl Sink) {
        to.word(*self as u32);
        to.word((*self >> 32) as u32);
    }
    fn take(from: &mut impl Source) -> Self {
        let low = u64::from(from.word());
        low | u64::from(from.word()) << 32
    }
}

impl Field for Duration {
    fn put(&self, to: &mut impl Sink) {
        self.as_nanos().put(to);
    }
    fn take(from: &mut impl Source) -> Self {
        Self::from_nanos(u64::take(from))
    }
}

impl Field for Instant {
    fn put(&self, to: &mut impl Sink) {
        self.as_nanos().put(to);
    }
    fn take(from: &mut impl Source) -> Self {
        Self::from_nanos(u64::take(from))
    }
}

impl Field for SeqNum {
    fn put(&self, to: &mut impl Sink) {
        to.word(self.raw());
    }
    fn take(from: &mut impl Source) -> Self {
        Self::new(from.word())
    }
}

impl<F: Field + Default> Field for Option<F> {
    fn put(&self, to: &mut impl Sink) {
        self.is_some().put(to);
        if let Some(value) = self {
            value.put(to);
        }
    }
    fn take(from: &mut impl Source) -> Self {
        bool::take(from).then(|| F::take(from))
    }
}

impl<F: Field + Default + Copy, const N: usize> Field for [F; N] {
    fn put(&self, to: &mut impl Sink) {
        for value in self {
            value.put(to);
        }
    }
    fn take(from: &mut impl Source) -> Self {
        let mut all = [F::default(); N];
        for value in &mut all {
            *value = F::take(from);
        }
        all
    }
}

/// [`Field`] for a structure of fields.
macro_rules! fields {
    ($type:ident { $($field:ident),+ $(,)? }) => {
        impl $crate::tcp::log::Field for $type {
            fn put(&self, to: &mut impl $crate::tcp::log::Sink) {
                let Self { $($field),+ } = self;
                $($field.put(to);)+
            }
            fn take(from: &mut impl $crate::tcp::log::Source) -> Self {
                Self { $($field: $crate::tcp::log::Field::take(from)),+ }
            }
        }
    };
}

/// [`Field`] for an enumeration without data.
macro_rules! choices {
    ($type:ident { $($choice:ident = $code:literal),+ $(,)? }) => {
        impl $crate::tcp::log::Field for $type {
            fn put(&self, to: &mut impl $crate::tcp::log::Sink) {
                to.word(match self { $(Self::$choice => $code),+ });
            }
            fn take(from: &mut impl $crate::tcp::log::Source) -> Self {
                match from.word() { $($code => Self::$choice,)+ _ => Self::default() }
            }
        }
    };
}

pub(crate) use {choices, fields};
