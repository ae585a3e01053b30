// SPDX-License-Identifier: GPL-2.0

//! The arguments of setsockopt() and getsockopt(), and the kernel's own handlers of the levels that
//! any socket has.
//!
//! C headers: [`include/linux/sockptr.h`](srctree/include/linux/sockptr.h),
//! [`include/net/sock.h`](srctree/include/net/sock.h)

use super::{
    addr::to_in6,
    bindings,
    skbuff::SkBuff,
    sock::{
        Locked,
        Protocol,
        Sock, //
    },
};
use core::net::IpAddr;
use kernel::{
    error::to_result,
    prelude::*,
    sync::atomic::Relaxed, //
};

/// `struct tcp_info`, as TCP_INFO gives it.
pub(crate) type TcpInfo = bindings::tcp_info;

/// What setsockopt() was called with.
///
/// # Invariants
///
/// `socket` is a socket with our operations, for the time of the call; `value` is what the call
/// gave for `len` bytes.
pub(crate) struct OptIn {
    socket: *mut bindings::socket,
    level: c_int,
    name: c_int,
    value: bindings::sockptr_t,
    len: u32,
}

impl OptIn {
    /// # Safety
    ///
    /// As the type's invariants.
    pub(super) unsafe fn from_raw(
        socket: *mut bindings::socket,
        level: c_int,
        name: c_int,
        value: bindings::sockptr_t,
        len: u32,
    ) -> Self {
        // INVARIANT: By the caller's promise.
        Self {
            socket,
            level,
            name,
            value,
            len,
        }
    }

    /// The option as an int: EINVAL if it is shorter, EFAULT if it can't be read.
    pub(crate) fn int(&self) -> Result<i32> {
        let mut value = [0; core::mem::size_of::<i32>()];
        self.bytes(&mut value)?;
        Ok(i32::from_ne_bytes(value))
    }

    /// The first bytes of the option: EINVAL if it has less, EFAULT if they can't be read.
    pub(crate) fn bytes(&self, to: &mut [u8]) -> Result {
        if (self.len as usize) < to.len() {
            return Err(EINVAL);
        }
        // SAFETY: The destination is valid for its length; a user pointer is checked.
        let left =
            unsafe { bindings::copy_from_sockptr(to.as_mut_ptr().cast(), self.value, to.len()) };
        if left != 0 {
            return Err(EFAULT);
        }
        Ok(())
    }

    /// The option as a name, zero-terminated or as long as the option: its bytes up to the zero.
    /// EINVAL if it is empty memory, EFAULT if it can't be read.
    pub(crate) fn name<'a>(&self, to: &'a mut [u8]) -> Result<&'a [u8]> {
        let len = to.len().min(self.len as usize);
        if len == 0 {
            return Err(EINVAL);
        }
        let to = to.get_mut(..len).ok_or(EINVAL)?;
        self.bytes(to)?;
        let end = to.iter().position(|byte| *byte == 0).unwrap_or(len);
        to.get(..end).ok_or(EINVAL)
    }

    /// Bytes that the option has.
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there is no option at all.
    pub(crate) fn is_null(&self) -> bool {
        // SAFETY: Only looks at the pointer.
        unsafe { bindings::sockptr_is_null(self.value) }
    }

    /// The option as an int as SOL_IPV6 reads it: 0 if it is missing or shorter, EFAULT if it can't
    /// be read.
    pub(crate) fn int_or_zero(&self) -> Result<i32> {
        if self.is_null() || self.len() < core::mem::size_of::<i32>() {
            return Ok(0);
        }
        self.int()
    }

    /// Lets the kernel handle an option of SOL_SOCKET, SOL_IP or SOL_IPV6, as for any socket. The
    /// socket must not be locked, and for SOL_IPV6 be one of IPv6.
    pub(crate) fn generic(self) -> Result {
        const SOL_SOCKET: c_int = bindings::SOL_SOCKET as c_int;
        const SOL_IPV6: c_int = bindings::SOL_IPV6 as c_int;
        // SAFETY: By the type invariants; the socket is an `inet_sock` (of IPv6, with an
        // `ipv6_pinfo`) that is no `tcp_sock`, which is what these handlers need.
        unsafe {
            let sk = (*self.socket).sk;
            to_result(match self.level {
                SOL_SOCKET => bindings::sock_setsockopt(
                    self.socket,
                    self.level,
                    self.name,
                    self.value,
                    self.len,
                ),
                SOL_IPV6 => {
                    bindings::ipv6_setsockopt(sk, self.level, self.name, self.value, self.len)
                }
                _ => bindings::ip_setsockopt(sk, self.level, self.name, self.value, self.len),
            })
        }
    }
}

impl OptIn {
    /// As [`Self::generic`], for the options of SOL_IPV6 that the kernel sets for AF_INET6 alone:
    /// extension headers and flow labels. `sk` is the socket that the call is for, of IPv6.
    pub(crate) fn by_proxy<P: Protocol>(self, sk: &mut Locked<'_, P>) -> Result {
        if !sk.sk().is_v6() {
            return Err(ENOPROTOOPT);
        }
        // SAFETY: Valid, of IPv6 and locked by a task; the value is the call's.
        to_result(unsafe {
            bindings::inet6_set_by_proxy(sk.sk().as_ptr(), self.name, self.value, self.len)
        })
    }
}

/// Where a getsockopt() wants its value.
///
/// # Invariants
///
/// `socket` is as in [`OptIn`]; the pointers are what the call gave.
pub(crate) struct OptOut {
    socket: *mut bindings::socket,
    level: c_int,
    name: c_int,
    value: *mut c_char,
    len: *mut c_int,
}

impl OptOut {
    /// # Safety
    ///
    /// As the type's invariants.
    pub(super) unsafe fn from_raw(
        socket: *mut bindings::socket,
        level: c_int,
        name: c_int,
        value: *mut c_char,
        len: *mut c_int,
    ) -> Self {
        // INVARIANT: By the caller's promise.
        Self {
            socket,
            level,
            name,
            value,
            len,
        }
    }

    /// Bytes that the caller has room for: EINVAL if that is negative.
    pub(crate) fn room(&self) -> Result<usize> {
        let mut room = 0;
        // SAFETY: A user pointer, which the function checks.
        if unsafe { bindings::get_user_int(&mut room, self.len) } != 0 {
            return Err(EFAULT);
        }
        usize::try_from(room).map_err(|_| EINVAL)
    }

    /// Tells a length.
    pub(crate) fn put_len(&self, len: usize) -> Result {
        // SAFETY: A user pointer, which the function checks.
        if unsafe { bindings::put_user_int(len as c_int, self.len) } != 0 {
            return Err(EFAULT);
        }
        Ok(())
    }

    /// Gives an int, or as much of it as the caller has room for.
    pub(crate) fn int(self, value: i32) -> Result {
        self.bytes(&value.to_ne_bytes())
    }

    /// Gives bytes, or as many of them as the caller has room for.
    pub(crate) fn bytes(self, value: &[u8]) -> Result {
        let room = self.room()?;
        self.all(value.get(..room).unwrap_or(value))
    }

    /// Gives bytes that the caller said to have [room](Self::room) for.
    pub(crate) fn all(self, value: &[u8]) -> Result {
        let len = value.len();
        self.put_len(len)?;
        // SAFETY: A user pointer, which the function checks; `value` has `len` bytes.
        if unsafe { bindings::copy_to_user(self.value.cast(), value.as_ptr().cast(), len) } != 0 {
            return Err(EFAULT);
        }
        Ok(())
    }

    /// Gives TCP_INFO.
    pub(crate) fn tcp_info(self, info: &TcpInfo) -> Result {
        // SAFETY: A plain structure without padding but at its end, made by `Default` (zeroed)
        // before its fields were set.
        let bytes = unsafe {
            core::slice::from_raw_parts(
                core::ptr::from_ref(info).cast::<u8>(),
                core::mem::size_of::<TcpInfo>(),
            )
        };
        self.bytes(bytes)
    }

    /// Lets the kernel handle an option of SOL_IP or SOL_IPV6, as for any socket. The socket must
    /// not be locked, and for SOL_IPV6 be one of IPv6.
    pub(crate) fn generic(self) -> Result {
        let value = self.value.cast();
        // SAFETY: As for `OptIn::generic`.
        unsafe {
            let sk = (*self.socket).sk;
            to_result(if self.level == bindings::SOL_IPV6 as c_int {
                bindings::ipv6_getsockopt(sk, self.level, self.name, value, self.len)
            } else {
                bindings::ip_getsockopt(sk, self.level, self.name, value, self.len)
            })
        }
    }
}

impl<P: Protocol> Locked<'_, P> {
    /// Sets IPV6_TCLASS, less the bits of ECN. The socket is one of IPv6.
    pub(crate) fn set_tclass(&mut self, tclass: u8) {
        if self.sk().is_v6() {
            // SAFETY: Valid, of IPv6, and the lock is held.
            unsafe { bindings::inet6_set_tclass(self.sk().as_ptr(), tclass) };
        }
    }

    /// Sets one of IPV6_RECVPKTINFO and its kin, given in `len` bytes. ENOPROTOOPT if `name` is
    /// none of them, or the socket none of IPv6; EINVAL if that is too short.
    pub(crate) fn set_recv_option6(&mut self, name: i32, len: usize, on: bool) -> Result {
        if !self.sk().is_v6() {
            return Err(ENOPROTOOPT);
        }
        // SAFETY: Valid, of IPv6, and the lock is held.
        to_result(unsafe { bindings::inet6_set_recv_option(self.sk().as_ptr(), name, len, on) })
    }

    /// Sets IPV6_PKTINFO, a `struct in6_pktinfo`. EINVAL if the socket is bound to another
    /// interface, or is none of IPv6.
    pub(crate) fn set_pktinfo(&mut self, address: [u8; 16], interface: u32) -> Result {
        let info = bindings::in6_pktinfo {
            ipi6_addr: to_in6(IpAddr::V6(address.into())),
            ipi6_ifindex: interface as c_int,
        };
        // SAFETY: Valid, of IPv6, and the lock is held.
        if self.sk().is_v6() && unsafe { bindings::inet6_set_pktinfo(self.sk().as_ptr(), &info) } {
            return Ok(());
        }
        Err(EINVAL)
    }

    /// IPV6_ADDRFORM: from now on it is a socket of IPv4, as its peer is.
    pub(crate) fn become_v4(&mut self) {
        if self.sk().is_v6() {
            self.sk().as_v4.store(true, Relaxed);
            // SAFETY: Valid, made for IPv6, and the lock is held.
            unsafe { bindings::inet6_shed(self.sk().as_ptr()) };
        }
    }

    /// Sets IP_TRANSPARENT, which is IPV6_TRANSPARENT too.
    pub(crate) fn set_transparent(&mut self, on: bool) {
        // SAFETY: Valid, and the lock is held.
        unsafe { bindings::inet_set_transparent(self.sk().as_ptr(), on) };
    }

    /// Sets IP_FREEBIND, which is IPV6_FREEBIND too.
    pub(crate) fn set_freebind(&mut self, on: bool) {
        // SAFETY: Valid, and the lock is held.
        unsafe { bindings::inet_set_freebind(self.sk().as_ptr(), on) };
    }

    /// Sets SO_REUSEPORT.
    pub(crate) fn set_reuse_port(&mut self, on: bool) {
        // SAFETY: Valid, and the lock is held.
        unsafe {
            (*self.sk().as_ptr())
                .__sk_common
                .set_skc_reuseport(u8::from(on));
        }
    }

    /// Sets SO_ZEROCOPY.
    pub(crate) fn set_zerocopy(&mut self, on: bool) {
        let flag = bindings::sock_flags_SOCK_ZEROCOPY as c_int;
        // SAFETY: Valid, and the lock is held.
        unsafe {
            if on {
                bindings::sock_set_flag(self.sk().as_ptr(), flag);
            } else {
                bindings::sock_reset_flag(self.sk().as_ptr(), flag);
            }
        }
    }

    /// Sets SO_RCVLOWAT, at least one.
    pub(crate) fn set_rcvlowat(&mut self, bytes: u32) {
        // SAFETY: Valid, and the lock is held; readers without it read a single word.
        unsafe {
            (*self.sk().as_ptr()).sk_rcvlowat = c_int::try_from(bytes.max(1)).unwrap_or(c_int::MAX);
        }
    }

    /// Moves SO_PEEK_OFF, if it is set: on by what was peeked at, or back by what was read.
    pub(crate) fn move_peek_offset(&mut self, by: i32) {
        // SAFETY: Valid, and the lock is held.
        unsafe { bindings::sk_peek_offset_move(self.sk().as_ptr(), by) };
    }

    /// Takes SO_PEEK_OFF back.
    pub(crate) fn reset_peek_offset(&mut self) {
        // SAFETY: Valid, and the lock is held; readers without it read a single word.
        unsafe { core::ptr::write_volatile(&raw mut (*self.sk().as_ptr()).sk_peek_off, -1) };
    }

    /// Takes note of the packet that the connection began with, for IP_PKTOPTIONS and
    /// IPV6_2292PKTOPTIONS.
    pub(crate) fn note_first_packet(&mut self, skb: &SkBuff) {
        // SAFETY: Valid, and the lock is held; a packet that came in has its IP header.
        unsafe {
            bindings::inet_note_packet(self.sk().as_ptr(), skb.as_ptr());
            if self.sk().is_v6() {
                bindings::inet6_note_packet(self.sk().as_ptr(), skb.as_ptr());
            }
        }
    }

    /// Sets where SO_TIMESTAMPING's keys are counted from.
    pub(crate) fn set_timestamp_key(&mut self, key: u32) {
        // SAFETY: Valid, and the lock is held.
        unsafe { bindings::sk_set_tskey(self.sk().as_ptr(), key) };
    }
}

impl<P: Protocol> Sock<P> {
    /// SO_REUSEPORT.
    pub(crate) fn reuse_port(&self) -> bool {
        // SAFETY: A bit field of a valid socket.
        unsafe { (*self.as_ptr()).__sk_common.skc_reuseport() != 0 }
    }

    /// SO_PEEK_OFF: where MSG_PEEK begins; `None`: at the front.
    pub(crate) fn peek_offset(&self) -> Option<u32> {
        // SAFETY: A single word of a valid socket.
        u32::try_from(unsafe { core::ptr::read_volatile(&raw const (*self.as_ptr()).sk_peek_off) })
            .ok()
    }

    /// SO_ZEROCOPY.
    pub(crate) fn zerocopy(&self) -> bool {
        let flag = bindings::sock_flags_SOCK_ZEROCOPY as c_int;
        // SAFETY: Valid.
        unsafe { bindings::sock_flag(self.as_ptr(), flag) }
    }

    /// The range of ephemeral ports: IP_LOCAL_PORT_RANGE within `net.ipv4.ip_local_port_range`.
    pub(crate) fn local_port_range(&self) -> (u16, u16) {
        let (mut low, mut high) = (0, 0);
        // SAFETY: Valid.
        unsafe { bindings::inet_sk_get_local_port_range(self.as_ptr(), &mut low, &mut high) };
        (low as u16, high as u16)
    }

    /// IP_BIND_ADDRESS_NO_PORT.
    pub(crate) fn bind_no_port(&self) -> bool {
        // SAFETY: Valid.
        unsafe { bindings::inet_bind_no_port(self.as_ptr()) }
    }

    /// SO_TIMESTAMPING's flags.
    pub(crate) fn timestamping(&self) -> u32 {
        // SAFETY: A single word of a valid socket, which may change at any time.
        unsafe { (&raw const (*self.as_ptr()).sk_tsflags).read_volatile() }
    }

    /// Connections that wait for accept(), and the backlog, as `ss` shows them.
    pub(crate) fn max_ack_backlog(&self) -> u32 {
        // SAFETY: A single word of a valid socket.
        unsafe { (*self.as_ptr()).sk_max_ack_backlog }
    }

    /// The socket is served on this CPU (SO_INCOMING_CPU), and by that queue of a device
    /// (SO_INCOMING_NAPI_ID).
    #[inline]
    pub(crate) fn note_arrival(&self, skb: &SkBuff) {
        // SAFETY: Both are valid.
        unsafe { bindings::sk_note_arrival(self.as_ptr(), skb.as_ptr()) };
    }

    /// Whether the socket's user does not want this packet, whose data starts at a TCP header of
    /// `header` bytes: SO_ATTACH_FILTER (which may also cut payload off), or IP_MINTTL, which `far` tells.
    /// Context: softirq.
    pub(crate) fn refuses(&self, skb: &mut SkBuff, header: usize, far: &mut bool) -> bool {
        let header = c_uint::try_from(header).unwrap_or(20);
        // SAFETY: A valid socket, and a packet of ours with its IP header in place.
        unsafe { bindings::sk_refuses(self.as_ptr(), skb.as_ptr(), header, far) }
    }

    /// SIGURG to the owner (F_SETOWN), and POLLPRI to who polls.
    pub(crate) fn send_sigurg(&self) {
        // SAFETY: Valid; a file, if one is attached, stays while the lock is held.
        unsafe { bindings::sk_send_sigurg(self.as_ptr()) };
    }

    /// Whether a security module (SELinux, AppArmor, Smack) keeps something of its own with the
    /// socket, and so may have rules about whom it connects to.
    pub(crate) fn is_labelled(&self) -> bool {
        // SAFETY: A single word of a valid socket, set when it is made.
        unsafe { bindings::sk_is_labelled(self.as_ptr()) }
    }

    /// Whether the caller may send packets of any kind in the socket's namespace.
    pub(crate) fn is_net_raw(&self) -> bool {
        // SAFETY: Valid; asks about `current`.
        unsafe { bindings::sk_net_raw(self.as_ptr()) }
    }

    /// Whether the caller may administer the network of the socket's namespace.
    pub(crate) fn is_net_admin(&self) -> bool {
        // SAFETY: Valid; asks about `current`.
        unsafe { bindings::sk_net_admin(self.as_ptr()) }
    }
}

/// Whether the caller may administer the network of the whole host (not just of a user namespace).
/// Context: process.
pub(crate) fn is_host_net_admin() -> bool {
    // SAFETY: Asks about `current`.
    unsafe { bindings::is_net_admin() }
}
