// SPDX-License-Identifier: GPL-2.0

//! A module that forgets memory when it is inserted, so that selftests/lib/vm-selftest.sh can see
//! tools/vm fail, though the module is gone when kmemleak looks.

use kernel::prelude::*;

module! {
    type: Leak,
    name: "leak",
    authors: ["AF_RUSTTCP founders"],
    description: "Forgets memory",
    license: "GPL",
}

struct Leak;

impl kernel::Module for Leak {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        for _ in 0..4 {
            core::mem::forget(KBox::new([1u8; 300], GFP_KERNEL)?);
        }
        Ok(Self)
    }
}
