// SPDX-License-Identifier: GPL-2.0

//! The AccECN option (RFC 9768, 3.2.3): how many bytes arrived with each ECN codepoint.

/// Which counter comes first; the one of CE is the second in either.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Order {
    /// AccECN0: ECT(0), CE, ECT(1).
    #[default]
    Ect0First,
    /// AccECN1: ECT(1), CE, ECT(0).
    Ect1First,
}

/// Bytes of a field.
const FIELD: usize = 3;
/// What a field can say.
pub(crate) const FIELD_MASK: u32 = 0x00ff_ffff;

/// An AccECN option: none to three counters of 24 bits.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct AccEcn {
    order: Order,
    /// In the order of the wire; zero if it is not there.
    fields: [u32; 3],
    /// How many are there.
    len: u8,
}

impl AccEcn {
    /// An option with the first `len` of these counters, of which 24 bits are taken.
    pub(crate) fn new(order: Order, counters: [u32; 3], len: u8) -> Self {
        let mut fields = [0; 3];
        for (field, counter) in fields.iter_mut().zip(counters).take(usize::from(len)) {
            *field = counter & FIELD_MASK;
        }
        Self {
            order,
            fields,
            len: len.min(3),
        }
    }

    /// From the option's bytes behind its length. Whole fields count, the rest is padding
    /// (RFC 9768, 3.2.3).
    pub(super) fn parse(order: Order, bytes: &[u8]) -> Self {
        let mut option = Self {
            order,
            ..Self::default()
        };
        for (field, bytes) in option.fields.iter_mut().zip(bytes.chunks_exact(FIELD)) {
            if let &[a, b, c] = bytes {
                *field = u32::from_be_bytes([0, a, b, c]);
                option.len = option.len.saturating_add(1);
            }
        }
        option
    }

    /// The order of the fields.
    pub(crate) fn order(&self) -> Order {
        self.order
    }

    /// The fields in the order of the wire.
    pub(crate) fn fields(&self) -> impl Iterator<Item = u32> + '_ {
        self.fields.iter().copied().take(usize::from(self.len))
    }

    /// How many fields there are.
    pub(crate) fn count(&self) -> u8 {
        self.len
    }

    /// Bytes on the wire without padding: 2, 5, 8 or 11.
    pub(crate) fn len(&self) -> usize {
        Self::len_of(self.len)
    }

    /// Bytes on the wire of an option with so many fields, without padding.
    pub(crate) fn len_of(fields: u8) -> usize {
        usize::from(fields).saturating_mul(FIELD).saturating_add(2)
    }

    fn first(&self) -> Option<u32> {
        let [first, _, _] = self.fields;
        (self.len > 0).then_some(first)
    }

    fn last(&self) -> Option<u32> {
        let [_, _, last] = self.fields;
        (self.len > 2).then_some(last)
    }

    /// EE1B: bytes that arrived with ECT(1), 24 bits of it.
    pub(crate) fn ect1(&self) -> Option<u32> {
        match self.order {
            Order::Ect0First => self.last(),
            Order::Ect1First => self.first(),
        }
    }

    /// EE0B: bytes that arrived with ECT(0), 24 bits of it.
    pub(crate) fn ect0(&self) -> Option<u32> {
        match self.order {
            Order::Ect0First => self.first(),
            Order::Ect1First => self.last(),
        }
    }

    /// ECEB: bytes that arrived with CE, 24 bits of it.
    pub(crate) fn ce(&self) -> Option<u32> {
        let [_, ce, _] = self.fields;
        (self.len > 1).then_some(ce)
    }
}
