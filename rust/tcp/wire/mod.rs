// SPDX-License-Identifier: GPL-2.0

//! The TCP header on the wire (RFC 9293, section 3.1) and its options.

pub(crate) mod accecn;
pub(crate) mod header;
pub(crate) mod options;

pub(crate) use accecn::AccEcn;
pub(crate) use header::{Codepoint, Flags, Header, Packet, Segment};
pub(crate) use options::{FastOpen, Options, SackBlocks, Timestamps};
