// SPDX-License-Identifier: GPL-2.0

//! The order in which ephemeral ports are tried (RFC 6056, section 3.3.3: algorithm 3, simple
//! hash-based selection, with a random increment as in algorithm 5).

/// Candidates between `low` and `high` (both included), each once: from an offset that a keyed
/// hash of the peer and a counter give, upwards, around the end.
pub(crate) fn candidates(low: u16, high: u16, offset: u32) -> impl Iterator<Item = u16> {
    let (low, high) = (u32::from(low.min(high)), u32::from(high.max(low)));
    let count = high.saturating_sub(low).saturating_add(1);
    let start = offset.checked_rem(count).unwrap_or(0);
    (0..count).filter_map(move |i| {
        let at = start.saturating_add(i);
        let at = if at >= count {
            at.saturating_sub(count)
        } else {
            at
        };
        u16::try_from(low.saturating_add(at)).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6056, 3.3.3: from where the hash points, upwards, around the end, and each port once.
    #[test]
    fn every_port_comes_once() {
        let mut seen: Vec<u16> = candidates(100, 109, 4_000_000_007).collect();
        assert_eq!(seen, [107, 108, 109, 100, 101, 102, 103, 104, 105, 106]);
        seen.sort_unstable();
        assert_eq!(seen, (100..=109).collect::<Vec<u16>>());
        assert_eq!(candidates(65535, 65535, 3).collect::<Vec<_>>(), [65535]);
    }
}
