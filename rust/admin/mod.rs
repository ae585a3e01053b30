// SPDX-License-Identifier: GPL-2.0

//! What people look at: files in /proc/net.

#![forbid(unsafe_code)]

pub(crate) mod proc;
