// SPDX-License-Identifier: GPL-2.0

//! Storage, locks and the order of events: what makes connections out of the protocol core.
//!
//! # Objects
//!
//! - A *socket* ([`sock::TcpSock`]) is a `struct sock` with a [`Connection`] under its lock. One
//!   that listens has an accept queue besides, under a spinlock of its own.
//! - The *connection table* ([`demux::ConnTable`], one a namespace) maps addresses and ports to
//!   entries of three kinds: a socket, a half-open connection, a connection in TIME-WAIT. The
//!   latter two are no sockets but a few hundred bytes.
//! - The *listener table* ([`demux::ListenTable`], one a namespace) maps ports to listeners.
//! - A *reservation* is a kernel socket that holds a port against the kernel's own TCP; it is
//!   shared by a bound socket and the children of a listener.
//!
//! # References
//!
//! A table's entry for a socket holds a reference; so do a socket's armed timer, an accept queue
//! and a half-open entry (to its listener). A file holds one from socket() or accept() to close().
//! Entries are freed an RCU grace period after their removal, sockets after their last reference.
//!
//! # Locks, outermost first
//!
//! 1. a socket (owned by a task, or its spinlock in softirq); a listener's child after it
//! 2. a listener's accept queue
//! 3. a bucket of a table
//! 4. the state of a half-open or TIME-WAIT entry
//! 5. what a namespace remembers of peers for Fast Open ([`fast_open`])
//!
//! The state of an entry is let go before the entry is removed. Nothing above is taken inside
//! something below. Lookups take none of them.
//!
//! [`Connection`]: crate::tcp::connection::Connection

#![forbid(unsafe_code)]

pub(crate) mod accept_queue;
pub(crate) mod backlog;
pub(crate) mod bound;
pub(crate) mod census;
pub(crate) mod demux;
pub(crate) mod egress;
pub(crate) mod error;
pub(crate) mod fast_open;
mod icmp;
pub(crate) mod ingress;
pub(crate) mod inherit;
pub(crate) mod kernel;
pub(crate) mod log;
pub(crate) mod memory;
pub(crate) mod netns;
pub(crate) mod ports;
pub(crate) mod quota;
pub(crate) mod route;
pub(crate) mod settings;
pub(crate) mod sock;
pub(crate) mod stats;
