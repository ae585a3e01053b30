// SPDX-License-Identifier: GPL-2.0

//! SOL_IP: the kernel's, but for what makes no sense for a stream.

use crate::net::{
    proto_ops::abi,
    sockopt::OptIn, //
};
use crate::stack::sock::TcpSock;
use kernel::prelude::*;

/// setsockopt().
pub(super) fn set(_sk: &TcpSock, name: i32, value: OptIn) -> Result {
    // A connection has one peer: no multicast.
    if (abi::IP_ADD_MEMBERSHIP..=abi::MCAST_MSFILTER).contains(&name) {
        return Err(EPROTO);
    }
    value.generic()
}
