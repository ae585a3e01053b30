// SPDX-License-Identifier: GPL-2.0

//! The kernel's monotonic clock, its tick, and its random numbers.

use super::bindings;
use core::net::IpAddr;

/// Nanoseconds of CLOCK_MONOTONIC. Context: any.
#[inline]
pub(crate) fn now_ns() -> u64 {
    // SAFETY: No preconditions. The monotonic clock is not negative.
    unsafe { bindings::ktime_get() as u64 }
}

/// `ms` milliseconds in ticks, rounded up and at least one.
pub(crate) fn ticks(ms: u64) -> u64 {
    ms.saturating_mul(u64::from(bindings::KERNEL_HZ))
        .div_ceil(1000)
        .clamp(1, 1 << 40)
}

/// The tick `ms` milliseconds from now, rounded up and at least one tick ahead.
pub(crate) fn jiffies_after_ms(ms: u64) -> usize {
    let ticks = ticks(ms);
    // SAFETY: A volatile word that only grows; reading it needs no lock.
    let now = unsafe { core::ptr::read_volatile(&raw const bindings::jiffies) };
    now.wrapping_add(ticks as usize)
}

/// A uniformly distributed word. Context: any.
pub(crate) fn random_u32() -> u32 {
    // SAFETY: No preconditions.
    unsafe { bindings::get_random_u32() }
}

/// A key for [`SipKey::hash`].
#[derive(Clone, Copy)]
pub(crate) struct SipKey(bindings::siphash_key_t);

impl SipKey {
    /// A fresh random key.
    pub(crate) fn random() -> Self {
        let word = || (u64::from(random_u32()) << 32) | u64::from(random_u32());
        Self(bindings::siphash_key_t {
            key: [word(), word()],
        })
    }

    pub(super) fn from_raw(key: bindings::siphash_key_t) -> Self {
        Self(key)
    }

    /// The key that sysctls and options write as 16 bytes.
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        let whole = u128::from_le_bytes(bytes);
        Self(bindings::siphash_key_t {
            key: [whole as u64, (whole >> 64) as u64],
        })
    }

    /// SipHash of a pair of addresses, both IPv4's or both IPv6's, as bytes. Linux makes Fast Open
    /// cookies so; both stacks take each other's.
    pub(crate) fn hash_pair(&self, from: IpAddr, to: IpAddr) -> [u8; 8] {
        let mut bytes = [0u8; 32];
        let mut len = 0;
        let mut put = |octets: &[u8]| {
            for (to, from) in bytes.iter_mut().skip(len).zip(octets) {
                *to = *from;
            }
            len = len.wrapping_add(octets.len());
        };
        for addr in [from, to] {
            match addr {
                IpAddr::V4(addr) => put(&addr.octets()),
                IpAddr::V6(addr) => put(&addr.octets()),
            }
        }
        let len = len.min(bytes.len());
        // SAFETY: `len` bytes and the key are valid for reading.
        unsafe { bindings::__siphash_unaligned(bytes.as_ptr().cast(), len, &self.0) }.to_le_bytes()
    }

    /// SipHash of three words.
    pub(crate) fn hash(&self, a: u32, b: u32, c: u32) -> u64 {
        // SAFETY: The key is valid for reading.
        unsafe { bindings::siphash_3u32(a, b, c, &self.0) }
    }

    /// SipHash of five longer words.
    pub(crate) fn hash_long(&self, words: [u64; 5]) -> u64 {
        let len = core::mem::size_of_val(&words);
        // SAFETY: Words and key are valid for reading.
        unsafe { bindings::__siphash_unaligned(words.as_ptr().cast(), len, &self.0) }
    }
}
