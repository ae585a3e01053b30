// SPDX-License-Identifier: GPL-2.0

//! Not part of the module: functions that can panic, each in its own way, and one that can't.
//! scripts/check_layers.sh has to find all of the former and not the latter.
#![no_std]

/// As the core is called.
pub mod tcp {
    use core::cell::RefCell;

    #[inline(never)]
    pub fn has_no_panic(a: &[u8], i: usize) -> u8 {
        a.get(i).copied().unwrap_or(0).wrapping_add(1)
    }

    #[inline(never)]
    pub fn indexes(a: &[u8], i: usize) -> u8 {
        a[i]
    }

    #[inline(never)]
    pub fn slices(a: &[u8], i: usize) -> &[u8] {
        &a[i..]
    }

    #[inline(never)]
    pub fn slices_str(a: &str, i: usize) -> &str {
        &a[..i]
    }

    #[inline(never)]
    pub fn unwraps(a: Option<u32>) -> u32 {
        a.unwrap()
    }

    #[inline(never)]
    pub fn unwraps_result(a: Result<u32, u8>) -> u32 {
        a.unwrap()
    }

    #[inline(never)]
    pub fn expects(a: Option<u32>) -> u32 {
        a.expect("something")
    }

    #[inline(never)]
    pub fn adds(a: u32, b: u32) -> u32 {
        a + b
    }

    #[inline(never)]
    pub fn divides(a: u32, b: u32) -> u32 {
        a / b
    }

    #[inline(never)]
    pub fn shifts(a: u32, b: u32) -> u32 {
        a << b
    }

    #[inline(never)]
    pub fn copies(a: &mut [u8], b: &[u8]) {
        a.copy_from_slice(b);
    }

    #[inline(never)]
    pub fn splits(a: &[u8], i: usize) -> (&[u8], &[u8]) {
        a.split_at(i)
    }

    #[inline(never)]
    pub fn borrows(a: &RefCell<u32>) -> u32 {
        *a.borrow_mut()
    }

    #[inline(never)]
    pub fn says_so(a: u32) {
        if a == 7 {
            panic!("seven");
        }
    }

    #[inline(never)]
    pub fn asserts(a: u32, b: u32) {
        assert_eq!(a, b);
    }

    #[inline(never)]
    pub fn is_unreachable(a: u32) -> u32 {
        match a {
            0 => 1,
            _ => unreachable!(),
        }
    }
}
