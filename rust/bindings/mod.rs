// SPDX-License-Identifier: GPL-2.0

//! What bindgen made of `bindings_helper.h` and of `../helpers/helpers.c`.
//!
//! Private to `rust/net`: no other layer can name this module. The kernel crate's own bindings
//! hold `sock`, `proto`, `sk_buff` and most of networking as opaque types or not at all, so the
//! types here are distinct from those; pointers cross with `.cast()` where the two meet.

#![allow(
    clippy::all,
    dead_code,
    missing_docs,
    non_camel_case_types,
    non_upper_case_globals,
    non_snake_case,
    improper_ctypes,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    clippy::as_underscore,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    unknown_lints,
    unnecessary_transmutes
)]

use kernel::ffi;
use pin_init::{MaybeZeroable, Zeroable};

// Types that bindgen is told to leave out (`rust/bindgen_parameters` in the kernel).
type __kernel_size_t = usize;
type __kernel_ssize_t = isize;
type __kernel_ptrdiff_t = isize;

// SAFETY: `__BindgenBitfieldUnit<Storage>` is a newtype around `Storage`.
unsafe impl<Storage> Zeroable for __BindgenBitfieldUnit<Storage> where Storage: Zeroable {}

/// Blocklisted: see `bindgen_parameters`. Nobody looks inside.
#[repr(C, align(8))]
#[derive(Copy, Clone, MaybeZeroable)]
pub struct socket_lock_t([u8; SIZEOF_SOCKET_LOCK as usize]);

impl Default for socket_lock_t {
    fn default() -> Self {
        Self([0; SIZEOF_SOCKET_LOCK as usize])
    }
}

include!(concat!(
    env!("RUSTTCP_OBJ"),
    "/rust/bindings/bindings_generated.rs"
));

mod helpers_raw {
    use super::*;
    include!(concat!(
        env!("RUSTTCP_OBJ"),
        "/rust/bindings/helpers_generated.rs"
    ));
}
#[allow(unused_imports)]
pub use helpers_raw::*;
