// SPDX-License-Identifier: GPL-2.0

//! `struct proto_ops` and `struct net_proto_family`: the socket layer's calls as a safe trait.
//!
//! C header: [`include/linux/net.h`](srctree/include/linux/net.h)

use super::{
    addr::{
        read_sockaddr,
        write_sockaddr,
        Endpoint,
        Name,
        FAMILY_LEN, //
    },
    bindings,
    iter::{
        Message,
        Pipe, //
    },
    netns::Net,
    sock::{
        proto_ptr,
        Protocol,
        Sock, //
    },
    sockopt::{
        OptIn,
        OptOut, //
    },
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData, //
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::aref::ARef, //
};

/// Which end getsockname() and getpeername() ask for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Our end.
    Local,
    /// The peer.
    Peer,
    /// The peer of a socket that was just accepted, whatever became of it since.
    Accepted,
}

/// A connection that accept() takes.
pub(crate) struct Accepted<P: Protocol> {
    /// Its socket.
    pub(crate) child: ARef<Sock<P>>,
    /// No other waits.
    pub(crate) last: bool,
}

/// The calls of a stream socket. Context of all: process.
pub(crate) trait StreamOps: Protocol {
    /// A socket was made. Options that the namespace sets are to be taken.
    fn created(sk: &Sock<Self>) -> Result;
    /// The last descriptor is gone.
    fn release(sk: &Sock<Self>);
    /// bind().
    fn bind(sk: &Sock<Self>, local: Endpoint) -> Result;
    /// connect(); `None` for AF_UNSPEC. What is wrong with the address is told to whom it matters: a socket
    /// that has a connection does not look at it.
    fn connect(sk: &Sock<Self>, remote: Result<Option<Name>>, nonblock: bool) -> Result;
    /// accept(): a connected child.
    fn accept(sk: &Sock<Self>, nonblock: bool) -> Result<Accepted<Self>>;
    /// listen().
    fn listen(sk: &Sock<Self>, backlog: i32) -> Result;
    /// shutdown(): 0, 1 or 2.
    fn shutdown(sk: &Sock<Self>, how: i32) -> Result;
    /// getsockname() and getpeername().
    fn name(sk: &Sock<Self>, which: Which) -> Result<Endpoint>;
    /// The events that are there now; says on the side that somebody waits for room.
    fn poll(sk: &Sock<Self>) -> u32;
    /// ioctl() with an int as result.
    fn ioctl(sk: &Sock<Self>, cmd: u32) -> Result<i32>;
    /// sendmsg() of `len` bytes.
    fn sendmsg(sk: &Sock<Self>, msg: &mut Message<'_>, len: usize) -> Result<usize>;
    /// recvmsg() of up to `len` bytes.
    fn recvmsg(sk: &Sock<Self>, msg: &mut Message<'_>, len: usize, flags: u32) -> Result<usize>;
    /// splice() of up to `len` bytes into a pipe.
    fn splice_read(
        sk: &Sock<Self>,
        pipe: &mut Pipe<'_>,
        len: usize,
        nonblock: bool,
    ) -> Result<usize>;
    /// The end of a sendfile() or splice() into the socket: nothing more will follow soon.
    fn splice_eof(sk: &Sock<Self>);
    /// setsockopt().
    fn setsockopt(sk: &Sock<Self>, level: i32, name: i32, value: OptIn) -> Result;
    /// getsockopt() at a level other than SOL_SOCKET, which the kernel answers itself.
    fn getsockopt(sk: &Sock<Self>, level: i32, name: i32, value: OptOut) -> Result;
}

fn ret(result: Result) -> c_int {
    match result {
        Ok(()) => 0,
        Err(e) => e.to_errno(),
    }
}

fn ret_len(result: Result<usize>) -> c_int {
    match result {
        Ok(len) => c_int::try_from(len).unwrap_or(c_int::MAX),
        Err(e) => e.to_errno(),
    }
}

/// `-ENOIOCTLCMD`: not ours.
const ENOIOCTLCMD: c_int = -515;

struct Statics(
    UnsafeCell<(
        Option<bindings::proto_ops>,
        Option<bindings::net_proto_family>,
    )>,
);
// SAFETY: Written by the (only) registration before anything can read it.
unsafe impl Sync for Statics {}
static STATICS: Statics = Statics(UnsafeCell::new((None, None)));

/// The address family's registration.
///
/// # Invariants
///
/// The family `number` is registered with `STATICS`.
pub(crate) struct FamilyRegistration<T: StreamOps> {
    number: u16,
    _ops: PhantomData<T>,
}

impl<T: StreamOps> FamilyRegistration<T> {
    /// Registers `T` as the family `number`.
    pub(crate) fn new(number: u16, module: &'static ThisModule) -> Result<Self> {
        // AF_UNSPEC is nobody's, but the socket layer does not mind. It does mind the others.
        if number == 0 {
            return Err(EINVAL);
        }
        let owner = module.as_ptr().cast();
        let ops = bindings::proto_ops {
            family: c_int::from(number),
            owner,
            release: Some(Self::release),
            bind: Some(Self::bind),
            connect: Some(Self::connect),
            socketpair: Some(bindings::sock_no_socketpair),
            accept: Some(Self::accept),
            getname: Some(Self::getname),
            poll: Some(Self::poll),
            ioctl: Some(Self::ioctl),
            gettstamp: Some(bindings::sock_gettstamp),
            listen: Some(Self::listen),
            shutdown: Some(Self::shutdown),
            setsockopt: Some(Self::setsockopt),
            getsockopt: Some(Self::getsockopt),
            sendmsg: Some(Self::sendmsg),
            recvmsg: Some(Self::recvmsg),
            mmap: Some(bindings::sock_no_mmap),
            splice_read: Some(Self::splice_read),
            splice_eof: Some(Self::splice_eof),
            set_peek_off: Some(bindings::sk_set_peek_off),
            ..Default::default()
        };
        let family = bindings::net_proto_family {
            family: c_int::from(number),
            create: Some(Self::create),
            owner,
        };
        // SAFETY: The module registers once, after the protocol; the statics are written before
        // they are published, and the protocol's while there is no socket.
        unsafe {
            (*proto_ptr()).ioctl = Some(Self::proto_ioctl);
            *STATICS.0.get() = (Some(ops), Some(family));
            let Some(family) = &(*STATICS.0.get()).1 else {
                return Err(EINVAL);
            };
            to_result(bindings::sock_register(family))?;
        }
        // INVARIANT: Just registered.
        Ok(Self {
            number,
            _ops: PhantomData,
        })
    }

    fn ops() -> *const bindings::proto_ops {
        // SAFETY: Written before any socket can be made.
        match unsafe { &(*STATICS.0.get()).0 } {
            Some(ops) => ops,
            None => core::ptr::null(),
        }
    }

    fn number() -> u16 {
        // SAFETY: As in `ops`.
        unsafe { &(*STATICS.0.get()).0 }
            .as_ref()
            .map_or(0, |ops| ops.family as u16)
    }

    /// The socket behind a call.
    ///
    /// # Safety
    ///
    /// `socket` must be a socket with our operations, for the time of a call.
    unsafe fn sk<'a>(socket: *mut bindings::socket) -> &'a Sock<T> {
        // SAFETY: A socket with our operations has a sock of ours until it is released.
        unsafe { Sock::from_raw((*socket).sk) }
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn create(
        net: *mut bindings::net,
        socket: *mut bindings::socket,
        protocol: c_int,
        kern: c_int,
    ) -> c_int {
        // SAFETY: The socket layer calls with a fresh socket and a live namespace.
        ret(unsafe {
            (|| {
                if c_uint::try_from((*socket).type_)
                    != Ok(bindings::sock_type_SOCK_STREAM as c_uint)
                {
                    return Err(ESOCKTNOSUPPORT);
                }
                const IPV4: c_int = bindings::RUSTTCP_IPV4 as c_int;
                const IPV6: c_int = bindings::RUSTTCP_IPV6 as c_int;
                const TCP: c_int = bindings::IPPROTO_TCP as c_int;
                let v6 = match protocol {
                    IPV4 | TCP => false,
                    IPV6 if bindings::ipv6_enabled() => true,
                    IPV6 => return Err(EAFNOSUPPORT),
                    _ => return Err(EPROTONOSUPPORT),
                };
                let net = Net::from_raw(net).ok_or(EINVAL)?;
                Sock::<T>::alloc(
                    net,
                    socket,
                    bindings::IPPROTO_TCP as u16,
                    Self::number(),
                    v6,
                    kern != 0,
                )?;
                (*socket).ops = Self::ops();
                bindings::socket_set_abilities(socket);
                T::created(Self::sk(socket))
            })()
        })
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn release(socket: *mut bindings::socket) -> c_int {
        // SAFETY: The socket layer calls with the socket's last use.
        unsafe {
            if let Some(sk) = core::ptr::NonNull::new((*socket).sk) {
                T::release(Sock::from_raw(sk.as_ptr()));
                (*socket).sk = core::ptr::null_mut();
                // The socket's own reference.
                bindings::sock_put(sk.as_ptr());
            }
        }
        0
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn bind(
        socket: *mut bindings::socket,
        addr: *mut bindings::sockaddr_unsized,
        len: c_int,
    ) -> c_int {
        // SAFETY: The socket layer calls with a kernel copy of the address.
        ret(unsafe {
            let sk = Self::sk(socket);
            read_sockaddr(addr, len, Self::number(), sk.is_v6(), false)
                .and_then(|local| T::bind(sk, local.ok_or(EAFNOSUPPORT)?.endpoint))
        })
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn connect(
        socket: *mut bindings::socket,
        addr: *mut bindings::sockaddr_unsized,
        len: c_int,
        flags: c_int,
    ) -> c_int {
        let nonblock = flags & bindings::O_NONBLOCK as c_int != 0;
        // SAFETY: As in `bind`.
        ret(unsafe {
            let sk = Self::sk(socket);
            if len < FAMILY_LEN {
                Err(EINVAL)
            } else {
                let remote = read_sockaddr(addr, len, Self::number(), sk.is_v6(), true);
                T::connect(sk, remote, nonblock)
            }
        })
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn accept(
        socket: *mut bindings::socket,
        new: *mut bindings::socket,
        arg: *mut bindings::proto_accept_arg,
    ) -> c_int {
        // SAFETY: The socket layer calls with a fresh socket to attach the child to.
        unsafe {
            let nonblock = (*arg).flags & bindings::O_NONBLOCK as c_int != 0;
            match T::accept(Self::sk(socket), nonblock) {
                Ok(Accepted { child, last }) => {
                    (*arg).is_empty = c_int::from(last);
                    let mut guard = child.lock();
                    guard.graft(socket, new);
                    bindings::socket_set_abilities(new);
                    drop(guard);
                    // The reference is the new socket's now.
                    let _ = ARef::into_raw(child);
                    0
                }
                Err(e) => e.to_errno(),
            }
        }
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn getname(
        socket: *mut bindings::socket,
        addr: *mut bindings::sockaddr,
        peer: c_int,
    ) -> c_int {
        let which = match peer {
            0 => Which::Local,
            2 => Which::Accepted,
            _ => Which::Peer,
        };
        // SAFETY: The socket layer calls with room for any address.
        unsafe {
            let sk = Self::sk(socket);
            let flow = if which == Which::Local { 0 } else { sk.flow() };
            match T::name(sk, which) {
                Ok(endpoint) => write_sockaddr(addr, Name { endpoint, flow }, sk.is_v6()),
                Err(e) => e.to_errno(),
            }
        }
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn poll(
        file: *mut bindings::file,
        socket: *mut bindings::socket,
        wait: *mut bindings::poll_table_struct,
    ) -> bindings::__poll_t {
        // SAFETY: The socket layer calls with a valid file and table.
        unsafe {
            bindings::sock_poll_wait(file, socket, wait);
            T::poll(Self::sk(socket)) as bindings::__poll_t
        }
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn ioctl(socket: *mut bindings::socket, cmd: c_uint, arg: c_ulong) -> c_int {
        // SAFETY: As above; the user pointer is checked by `put_user`.
        unsafe {
            match T::ioctl(Self::sk(socket), cmd) {
                Ok(value) => bindings::put_user_int(value, arg as *mut c_int),
                // Not about TCP: addresses, routes and the like, as any socket of its family.
                Err(e) if e.to_errno() == ENOIOCTLCMD && Self::sk(socket).is_v6() => {
                    bindings::inet6_ioctl(socket, cmd, arg)
                }
                Err(e) if e.to_errno() == ENOIOCTLCMD => bindings::inet_ioctl(socket, cmd, arg),
                Err(e) => e.to_errno(),
            }
        }
    }

    /// What io_uring asks in its own way (SOCKET_URING_OP_SIOCINQ).
    ///
    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn proto_ioctl(
        sk: *mut bindings::sock,
        cmd: c_int,
        value: *mut c_int,
    ) -> c_int {
        // SAFETY: Called in process context with a socket of ours and room for the answer.
        unsafe {
            match T::ioctl(Sock::from_raw(sk), cmd as c_uint) {
                Ok(answer) => {
                    *value = answer;
                    0
                }
                Err(e) => e.to_errno(),
            }
        }
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn listen(socket: *mut bindings::socket, backlog: c_int) -> c_int {
        // SAFETY: As above.
        ret(T::listen(unsafe { Self::sk(socket) }, backlog))
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn shutdown(socket: *mut bindings::socket, how: c_int) -> c_int {
        // SAFETY: As above.
        ret(T::shutdown(unsafe { Self::sk(socket) }, how))
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn setsockopt(
        socket: *mut bindings::socket,
        level: c_int,
        name: c_int,
        value: bindings::sockptr_t,
        len: c_uint,
    ) -> c_int {
        // SAFETY: As above; the arguments are the call's.
        ret(unsafe {
            let value = OptIn::from_raw(socket, level, name, value, len);
            T::setsockopt(Self::sk(socket), level, name, value)
        })
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn getsockopt(
        socket: *mut bindings::socket,
        level: c_int,
        name: c_int,
        value: *mut c_char,
        len: *mut c_int,
    ) -> c_int {
        // SAFETY: As above; the arguments are the call's.
        ret(unsafe {
            let out = OptOut::from_raw(socket, level, name, value, len);
            T::getsockopt(Self::sk(socket), level, name, out)
        })
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn sendmsg(
        socket: *mut bindings::socket,
        msg: *mut bindings::msghdr,
        len: usize,
    ) -> c_int {
        // SAFETY: The message is the call's.
        ret_len(unsafe {
            let sk = Self::sk(socket);
            // Who finds no room from here on says so anew.
            sk.room_not_wanted();
            T::sendmsg(sk, &mut Message::from_raw(msg), len)
        })
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn recvmsg(
        socket: *mut bindings::socket,
        msg: *mut bindings::msghdr,
        len: usize,
        flags: c_int,
    ) -> c_int {
        // SAFETY: The message is the call's.
        ret_len(unsafe {
            T::recvmsg(
                Self::sk(socket),
                &mut Message::from_raw(msg),
                len,
                flags as u32,
            )
        })
    }
}

impl<T: StreamOps> FamilyRegistration<T> {
    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn splice_read(
        socket: *mut bindings::socket,
        pos: *mut bindings::loff_t,
        pipe: *mut bindings::pipe_inode_info,
        len: usize,
        flags: c_uint,
    ) -> isize {
        // SAFETY: The socket layer calls with a valid position, a locked pipe and a socket that
        // has a file.
        unsafe {
            if *pos != 0 {
                return ESPIPE.to_errno() as isize;
            }
            let nonblock = bindings::socket_is_nonblock(socket);
            let mut pipe = Pipe::from_raw(pipe, flags);
            match T::splice_read(Self::sk(socket), &mut pipe, len, nonblock) {
                Ok(n) => isize::try_from(n).unwrap_or(isize::MAX),
                Err(e) => e.to_errno() as isize,
            }
        }
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn splice_eof(socket: *mut bindings::socket) {
        // SAFETY: As above.
        T::splice_eof(unsafe { Self::sk(socket) });
    }
}

impl<T: StreamOps> Drop for FamilyRegistration<T> {
    fn drop(&mut self) {
        // SAFETY: Registered by the type invariants.
        unsafe { bindings::sock_unregister(c_int::from(self.number)) };
    }
}

/// Whether the calling task is about to end. It waits for nothing then, and no signal would end that.
pub(crate) fn task_exits() -> bool {
    // SAFETY: Asks about `current`.
    unsafe { bindings::current_exits() }
}

/// SIGPIPE to the calling task.
pub(crate) fn send_sigpipe() {
    // SAFETY: Sends to `current`.
    unsafe { bindings::send_sigpipe_current() };
}

/// The kernel's numbers that the upper layers speak with.
pub(crate) mod abi {
    use super::bindings as b;

    pub(crate) const EPOLLIN: u32 = b::EPOLLIN;
    pub(crate) const EPOLLRDNORM: u32 = b::EPOLLRDNORM;
    pub(crate) const EPOLLOUT: u32 = b::EPOLLOUT;
    pub(crate) const EPOLLWRNORM: u32 = b::EPOLLWRNORM;
    pub(crate) const EPOLLPRI: u32 = b::EPOLLPRI;
    pub(crate) const EPOLLERR: u32 = b::EPOLLERR;
    pub(crate) const EPOLLHUP: u32 = b::EPOLLHUP;
    pub(crate) const EPOLLRDHUP: u32 = b::EPOLLRDHUP;

    pub(crate) const MSG_OOB: u32 = b::MSG_OOB;
    pub(crate) const MSG_PEEK: u32 = b::MSG_PEEK;
    pub(crate) const MSG_TRUNC: u32 = b::MSG_TRUNC;
    pub(crate) const MSG_DONTWAIT: u32 = b::MSG_DONTWAIT;
    pub(crate) const MSG_WAITALL: u32 = b::MSG_WAITALL;
    pub(crate) const MSG_NOSIGNAL: u32 = b::MSG_NOSIGNAL;
    pub(crate) const MSG_MORE: u32 = b::MSG_MORE;
    pub(crate) const MSG_ERRQUEUE: u32 = b::MSG_ERRQUEUE;
    pub(crate) const MSG_EOR: u32 = b::MSG_EOR;
    pub(crate) const MSG_FASTOPEN: u32 = b::MSG_FASTOPEN;
    pub(crate) const MSG_ZEROCOPY: u32 = b::MSG_ZEROCOPY;
    pub(crate) const MSG_SPLICE_PAGES: u32 = b::MSG_SPLICE_PAGES;

    pub(crate) const SOL_SOCKET: i32 = b::SOL_SOCKET as i32;
    pub(crate) const SO_REUSEADDR: i32 = b::SO_REUSEADDR as i32;
    pub(crate) const SO_REUSEPORT: i32 = b::SO_REUSEPORT as i32;
    pub(crate) const SO_BINDTODEVICE: i32 = b::SO_BINDTODEVICE as i32;
    pub(crate) const SO_BINDTOIFINDEX: i32 = b::SO_BINDTOIFINDEX as i32;
    pub(crate) const SO_ZEROCOPY: i32 = b::SO_ZEROCOPY as i32;
    pub(crate) const SO_OOBINLINE: i32 = b::SO_OOBINLINE as i32;
    pub(crate) const SO_RCVLOWAT: i32 = b::SO_RCVLOWAT as i32;
    pub(crate) const SO_RCVBUF: i32 = b::SO_RCVBUF as i32;
    pub(crate) const SO_RCVBUFFORCE: i32 = b::SO_RCVBUFFORCE as i32;
    pub(crate) const SO_BUF_LOCK: i32 = b::SO_BUF_LOCK as i32;
    pub(crate) const SO_SNDBUF: i32 = b::SO_SNDBUF as i32;
    pub(crate) const SO_SNDBUFFORCE: i32 = b::SO_SNDBUFFORCE as i32;
    pub(crate) const SO_ATTACH_FILTER: i32 = b::SO_ATTACH_FILTER as i32;
    pub(crate) const SO_TIMESTAMPING_OLD: i32 = b::SO_TIMESTAMPING_OLD as i32;
    pub(crate) const SO_TIMESTAMPING_NEW: i32 = b::SO_TIMESTAMPING_NEW as i32;
    pub(crate) const SOF_TIMESTAMPING_OPT_ID: u32 = b::SOF_OPT_ID;
    pub(crate) const SOF_TIMESTAMPING_OPT_ID_TCP: u32 = b::SOF_OPT_ID_TCP;
    pub(crate) const SOF_TIMESTAMPING_TX_ACK: u32 = b::SOF_TX_ACK;
    pub(crate) const SOF_TIMESTAMPING_TX_RECORD_MASK: u32 = b::SOF_TX_RECORD;

    pub(crate) const RUSTTCP_LOG: i32 = b::RUSTTCP_LOG as i32;

    pub(crate) const SOL_IP: i32 = b::SOL_IP as i32;
    pub(crate) const IP_ADD_MEMBERSHIP: i32 = b::IP_ADD_MEMBERSHIP as i32;
    pub(crate) const MCAST_JOIN_GROUP: i32 = b::MCAST_JOIN_GROUP as i32;
    pub(crate) const MCAST_MSFILTER: i32 = b::MCAST_MSFILTER as i32;

    pub(crate) const AF_INET: i32 = b::AF_INET as i32;
    pub(crate) const AF_INET6: i32 = b::AF_INET6 as i32;
    pub(crate) const SOL_IPV6: i32 = b::SOL_IPV6 as i32;
    pub(crate) const IPV6_ADDRFORM: i32 = b::IPV6_ADDRFORM as i32;
    pub(crate) const IPV6_V6ONLY: i32 = b::IPV6_V6ONLY as i32;
    pub(crate) const IPV6_ADD_MEMBERSHIP: i32 = b::IPV6_ADD_MEMBERSHIP as i32;
    pub(crate) const IPV6_DROP_MEMBERSHIP: i32 = b::IPV6_DROP_MEMBERSHIP as i32;
    pub(crate) const IPV6_PKTINFO: i32 = b::IPV6_PKTINFO as i32;
    pub(crate) const IPV6_TCLASS: i32 = b::IPV6_TCLASS as i32;
    pub(crate) const IPV6_TRANSPARENT: i32 = b::IPV6_TRANSPARENT as i32;
    pub(crate) const IPV6_FREEBIND: i32 = b::IPV6_FREEBIND as i32;
    pub(crate) const IPV6_HOPOPTS: i32 = b::IPV6_HOPOPTS as i32;
    pub(crate) const IPV6_RTHDRDSTOPTS: i32 = b::IPV6_RTHDRDSTOPTS as i32;
    pub(crate) const IPV6_RTHDR: i32 = b::IPV6_RTHDR as i32;
    pub(crate) const IPV6_DSTOPTS: i32 = b::IPV6_DSTOPTS as i32;
    pub(crate) const IPV6_2292PKTOPTIONS: i32 = b::IPV6_2292PKTOPTIONS as i32;
    pub(crate) const IPV6_FLOWLABEL_MGR: i32 = b::IPV6_FLOWLABEL_MGR as i32;
    pub(crate) const IPV6_ROUTER_ALERT: i32 = b::IPV6_ROUTER_ALERT as i32;

    pub(crate) const SOL_TCP: i32 = b::SOL_TCP as i32;
    pub(crate) const TCP_NODELAY: i32 = b::TCP_NODELAY as i32;
    pub(crate) const TCP_MAXSEG: i32 = b::TCP_MAXSEG as i32;
    pub(crate) const TCP_CORK: i32 = b::TCP_CORK as i32;
    pub(crate) const TCP_KEEPIDLE: i32 = b::TCP_KEEPIDLE as i32;
    pub(crate) const TCP_KEEPINTVL: i32 = b::TCP_KEEPINTVL as i32;
    pub(crate) const TCP_KEEPCNT: i32 = b::TCP_KEEPCNT as i32;
    pub(crate) const TCP_SYNCNT: i32 = b::TCP_SYNCNT as i32;
    pub(crate) const TCP_QUICKACK: i32 = b::TCP_QUICKACK as i32;
    pub(crate) const TCP_USER_TIMEOUT: i32 = b::TCP_USER_TIMEOUT as i32;
    pub(crate) const TCP_LINGER2: i32 = b::TCP_LINGER2 as i32;
    pub(crate) const TCP_DEFER_ACCEPT: i32 = b::TCP_DEFER_ACCEPT as i32;
    pub(crate) const TCP_WINDOW_CLAMP: i32 = b::TCP_WINDOW_CLAMP as i32;
    pub(crate) const TCP_INFO: i32 = b::TCP_INFO as i32;
    pub(crate) const TCP_CONGESTION: i32 = b::TCP_CONGESTION as i32;
    pub(crate) const TCP_THIN_LINEAR_TIMEOUTS: i32 = b::TCP_THIN_LINEAR_TIMEOUTS as i32;
    pub(crate) const TCP_THIN_DUPACK: i32 = b::TCP_THIN_DUPACK as i32;
    pub(crate) const TCP_REPAIR: i32 = b::TCP_REPAIR as i32;
    pub(crate) const TCP_REPAIR_QUEUE: i32 = b::TCP_REPAIR_QUEUE as i32;
    pub(crate) const TCP_QUEUE_SEQ: i32 = b::TCP_QUEUE_SEQ as i32;
    pub(crate) const TCP_REPAIR_OPTIONS: i32 = b::TCP_REPAIR_OPTIONS as i32;
    pub(crate) const TCP_REPAIR_WINDOW: i32 = b::TCP_REPAIR_WINDOW as i32;
    pub(crate) const TCP_TIMESTAMP: i32 = b::TCP_TIMESTAMP as i32;
    pub(crate) const TCP_NOTSENT_LOWAT: i32 = b::TCP_NOTSENT_LOWAT as i32;
    pub(crate) const TCP_CC_INFO: i32 = b::TCP_CC_INFO as i32;
    pub(crate) const TCP_SAVE_SYN: i32 = b::TCP_SAVE_SYN as i32;
    pub(crate) const TCP_SAVED_SYN: i32 = b::TCP_SAVED_SYN as i32;
    pub(crate) const TCP_FASTOPEN: i32 = b::TCP_FASTOPEN as i32;
    pub(crate) const TCP_FASTOPEN_CONNECT: i32 = b::TCP_FASTOPEN_CONNECT as i32;
    pub(crate) const TCP_FASTOPEN_NO_COOKIE: i32 = b::TCP_FASTOPEN_NO_COOKIE as i32;
    pub(crate) const TCP_FASTOPEN_KEY: i32 = b::TCP_FASTOPEN_KEY as i32;
    pub(crate) const TCP_ULP: i32 = b::TCP_ULP as i32;
    pub(crate) const TCP_INQ: i32 = b::TCP_INQ as i32;
    pub(crate) const TCP_TX_DELAY: i32 = b::TCP_TX_DELAY as i32;
    pub(crate) const TCP_IS_MPTCP: i32 = b::TCP_IS_MPTCP as i32;
    pub(crate) const TCP_RTO_MAX_MS: i32 = b::TCP_RTO_MAX_MS as i32;
    pub(crate) const TCP_RTO_MIN_US: i32 = b::TCP_RTO_MIN_US as i32;
    pub(crate) const TCP_DELACK_MAX_US: i32 = b::TCP_DELACK_MAX_US as i32;
    /// Ticks in a second.
    pub(crate) const HZ: u32 = b::KERNEL_HZ;

    pub(crate) const FIONREAD: u32 = b::FIONREAD;
    pub(crate) const SIOCOUTQ: u32 = b::TIOCOUTQ;
    pub(crate) const SIOCOUTQNSD: u32 = b::SIOCOUTQNSD;
    pub(crate) const SIOCATMARK: u32 = b::SIOCATMARK;

    pub(crate) const RCV_SHUTDOWN: u8 = b::RCV_SHUTDOWN as u8;
    pub(crate) const SEND_SHUTDOWN: u8 = b::SEND_SHUTDOWN as u8;

    pub(crate) const TCP_ESTABLISHED: u8 = b::TCP_ESTABLISHED as u8;
    pub(crate) const TCP_SYN_SENT: u8 = b::TCP_SYN_SENT as u8;
    pub(crate) const TCP_SYN_RECV: u8 = b::TCP_SYN_RECV as u8;
    pub(crate) const TCP_FIN_WAIT1: u8 = b::TCP_FIN_WAIT1 as u8;
    pub(crate) const TCP_FIN_WAIT2: u8 = b::TCP_FIN_WAIT2 as u8;
    pub(crate) const TCP_TIME_WAIT: u8 = b::TCP_TIME_WAIT as u8;
    pub(crate) const TCP_CLOSE: u8 = b::TCP_CLOSE as u8;
    pub(crate) const TCP_CLOSE_WAIT: u8 = b::TCP_CLOSE_WAIT as u8;
    pub(crate) const TCP_LAST_ACK: u8 = b::TCP_LAST_ACK as u8;
    pub(crate) const TCP_LISTEN: u8 = b::TCP_LISTEN as u8;
    pub(crate) const TCP_CLOSING: u8 = b::TCP_CLOSING as u8;
}
