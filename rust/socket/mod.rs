// SPDX-License-Identifier: GPL-2.0

//! POSIX: what each call on a socket means, and which errno it gives.
//!
//! One file a call (or a pair that belongs together). Errors are those of the kernel's TCP.

#![forbid(unsafe_code)]

mod connect;
mod fast_open;
mod lifecycle;
mod listen;
mod poll;
mod recvmsg;
mod sendmsg;
mod sockopt;

use crate::net::{
    addr::{
        Endpoint,
        Name, //
    },
    iter::{
        Message,
        Pipe, //
    },
    proto_ops::{
        Accepted,
        StreamOps,
        Which, //
    },
    sockopt::{
        OptIn,
        OptOut, //
    },
};
use crate::stack::sock::{
    RustTcp,
    TcpSock, //
};
use kernel::prelude::*;

impl StreamOps for RustTcp {
    fn created(sk: &TcpSock) -> Result {
        crate::stack::sock::init(&mut sk.lock());
        Ok(())
    }

    fn release(sk: &TcpSock) {
        lifecycle::release(sk);
    }

    fn bind(sk: &TcpSock, local: Endpoint) -> Result {
        lifecycle::bind(sk, local)
    }

    fn connect(sk: &TcpSock, remote: Result<Option<Name>>, nonblock: bool) -> Result {
        match remote.transpose() {
            Some(remote) => connect::connect(sk, remote, nonblock),
            None => connect::disconnect(sk),
        }
    }

    fn accept(sk: &TcpSock, nonblock: bool) -> Result<Accepted<Self>> {
        listen::accept(sk, nonblock)
    }

    fn listen(sk: &TcpSock, backlog: i32) -> Result {
        listen::listen(sk, backlog)
    }

    fn shutdown(sk: &TcpSock, how: i32) -> Result {
        lifecycle::shutdown(sk, how)
    }

    fn name(sk: &TcpSock, which: Which) -> Result<Endpoint> {
        lifecycle::name(sk, which)
    }

    fn poll(sk: &TcpSock) -> u32 {
        poll::poll(sk)
    }

    fn ioctl(sk: &TcpSock, cmd: u32) -> Result<i32> {
        poll::ioctl(sk, cmd)
    }

    fn sendmsg(sk: &TcpSock, msg: &mut Message<'_>, len: usize) -> Result<usize> {
        sendmsg::sendmsg(sk, msg, len)
    }

    fn recvmsg(sk: &TcpSock, msg: &mut Message<'_>, len: usize, flags: u32) -> Result<usize> {
        recvmsg::recvmsg(sk, msg, len, flags)
    }

    fn splice_read(sk: &TcpSock, pipe: &mut Pipe<'_>, len: usize, nonblock: bool) -> Result<usize> {
        recvmsg::splice_read(sk, pipe, len, nonblock)
    }

    fn splice_eof(sk: &TcpSock) {
        sendmsg::splice_eof(sk);
    }

    fn setsockopt(sk: &TcpSock, level: i32, name: i32, value: OptIn) -> Result {
        sockopt::set(sk, level, name, value)
    }

    fn getsockopt(sk: &TcpSock, level: i32, name: i32, value: OptOut) -> Result {
        sockopt::get(sk, level, name, value)
    }
}
