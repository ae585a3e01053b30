// SPDX-License-Identifier: GPL-2.0

//! A module that does what ours must never do, for the tests of the tools that would tell: it
//! warns when it is inserted (selftests/lib/vm-selftest.sh: tools/vm must fail), and a function of
//! it can panic (scripts/check_layers.sh must see that).

use kernel::prelude::*;

module! {
    type: Complain,
    name: "complain",
    authors: ["AF_RUSTTCP founders"],
    description: "Warns, and could panic",
    license: "GPL",
}

struct Complain;

/// Panics if `at` is not in `bytes`.
#[inline(never)]
#[no_mangle]
fn complain_could_panic(bytes: &[u8], at: usize) -> u8 {
    bytes[at]
}

impl kernel::Module for Complain {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let first = complain_could_panic(b"complain", core::hint::black_box(3));
        kernel::warn_on!(first != 0);
        Ok(Self)
    }
}
