// SPDX-License-Identifier: GPL-2.0

//! A module that does what ours must never do: it draws a warning when it is inserted, so that
//! selftests/lib/vm-selftest.sh can see tools/vm fail.

use kernel::prelude::*;

module! {
    type: Complain,
    name: "complain",
    authors: ["AF_RUSTTCP founders"],
    description: "Draws a warning",
    license: "GPL",
}

struct Complain;

impl kernel::Module for Complain {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        kernel::warn_on!(core::hint::black_box(true));
        Ok(Self)
    }
}
