// SPDX-License-Identifier: GPL-2.0

//! setsockopt() and getsockopt(), by level. What any socket of the kernel has is the kernel's to
//! handle; reading an option of SOL_SOCKET never comes here.

mod info;
mod ip;
mod ipv6;
mod log;
mod sol_socket;
mod tcp;

use crate::net::{
    proto_ops::abi,
    sockopt::{
        OptIn,
        OptOut, //
    },
};
use crate::stack::sock::TcpSock;
use kernel::prelude::*;

/// setsockopt().
pub(super) fn set(sk: &TcpSock, level: i32, name: i32, value: OptIn) -> Result {
    match level {
        abi::SOL_SOCKET => sol_socket::set(sk, name, value),
        abi::SOL_IP => ip::set(sk, name, value),
        abi::SOL_IPV6 if sk.is_v6() => ipv6::set(sk, name, value),
        abi::SOL_TCP => tcp::set(sk, name, value),
        _ => Err(ENOPROTOOPT),
    }
}

/// getsockopt().
pub(super) fn get(sk: &TcpSock, level: i32, name: i32, out: OptOut) -> Result {
    match level {
        abi::SOL_IP => out.generic(),
        abi::SOL_IPV6 if sk.is_v6() => ipv6::get(sk, name, out),
        abi::SOL_TCP => tcp::get(sk, name, out),
        _ if sk.is_v6() => Err(ENOPROTOOPT),
        _ => Err(EOPNOTSUPP),
    }
}
