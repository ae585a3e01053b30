// SPDX-License-Identifier: GPL-2.0

//! What people look at and turn: files in /proc/net, sysctls.

#![forbid(unsafe_code)]

pub(crate) mod proc;
mod sockstat;
pub(crate) mod sysctl;
