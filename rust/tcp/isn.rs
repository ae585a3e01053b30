// SPDX-License-Identifier: GPL-2.0

//! Initial sequence numbers (RFC 6528; RFC 9293, section 3.4.1).

use super::{seq::SeqNum, time::Instant};

/// ISN = M + F(connection, secret): `hash` is F, and M counts up every 4 microseconds.
pub(crate) fn isn(hash: u32, now: Instant) -> SeqNum {
    let m = (now.as_nanos() / 4_000) as u32;
    SeqNum::new(m.wrapping_add(hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::time::Duration;

    /// RFC 9293, MUST-8: four microseconds a number. RFC 6528, 3: plus the hash.
    #[test]
    fn rfc9293_must_8_the_clock_ticks_every_4_microseconds() {
        let t = Instant::from_nanos(1 << 50);
        let later = t.add(Duration::from_micros(4 * 1000));
        assert_eq!(isn(7, later).distance_from(isn(7, t)), 1000);
        assert_eq!(isn(9, t).distance_from(isn(7, t)), 2);
    }
}
