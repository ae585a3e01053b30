// SPDX-License-Identifier: GPL-2.0

//! Messages: the application's bytes, copied once, straight between user memory and pages.
//!
//! C header: [`include/linux/socket.h`](srctree/include/linux/socket.h)

use super::{
    bindings,
    skbuff::{
        ControlBlock,
        SkBuff, //
    },
    sock::{
        addr_to_be,
        Endpoint,
        Protocol,
        Wire, //
    },
};
use kernel::prelude::*;

/// A `struct msghdr` for the time of a call.
///
/// # Invariants
///
/// The pointer is valid and only used by this call.
pub(crate) struct Message<'a> {
    msg: *mut bindings::msghdr,
    _call: core::marker::PhantomData<&'a mut ()>,
}

impl Message<'_> {
    /// # Safety
    ///
    /// `msg` must be valid and not used otherwise while the value lives.
    pub(super) unsafe fn from_raw(msg: *mut bindings::msghdr) -> Self {
        Self {
            msg,
            _call: core::marker::PhantomData,
        }
    }

    /// MSG_* flags of the call (sending).
    pub(crate) fn flags(&self) -> u32 {
        // SAFETY: Valid by the type invariants.
        unsafe { (*self.msg).msg_flags }
    }

    /// Says who sent (nobody: a stream has no message's sender).
    pub(crate) fn no_name(&mut self) {
        // SAFETY: Valid by the type invariants.
        unsafe { (*self.msg).msg_namelen = 0 };
    }

    /// Adds a control message, if the caller has room for one (otherwise the message says so).
    pub(crate) fn put_control(&mut self, level: i32, kind: i32, value: &[u8]) {
        // SAFETY: Valid by the type invariants; `value` is valid for its length.
        unsafe {
            bindings::put_cmsg(
                self.msg,
                level,
                kind,
                c_int::try_from(value.len()).unwrap_or(0),
                value.as_ptr().cast_mut().cast(),
            );
        }
    }

    /// Whether the caller (io_uring) asks how much is left.
    pub(crate) fn wants_left(&self) -> bool {
        // SAFETY: Valid by the type invariants.
        unsafe { bindings::msg_wants_inq(self.msg) }
    }

    /// Tells how much is left.
    pub(crate) fn set_left(&mut self, bytes: i32) {
        // SAFETY: Valid by the type invariants.
        unsafe { bindings::msg_set_inq(self.msg, bytes) };
    }

    /// Copies `len` bytes of `skb` from `offset` on to the caller. EFAULT if not all could be.
    pub(crate) fn copy_out<C: ControlBlock>(
        &mut self,
        skb: &SkBuff<C>,
        offset: u32,
        len: u32,
    ) -> Result {
        // SAFETY: Both are valid; the range is checked by the function against the buffer.
        let r = unsafe {
            bindings::skb_copy_datagram_iter(
                skb.as_ptr(),
                c_int::try_from(offset).unwrap_or(c_int::MAX),
                &raw mut (*self.msg).msg_iter,
                c_int::try_from(len).unwrap_or(c_int::MAX),
            )
        };
        if r == 0 {
            Ok(())
        } else {
            Err(EFAULT)
        }
    }
}

/// What appending to a buffer came to.
pub(crate) enum Appended {
    /// So many bytes, and so much more true size.
    Bytes(u32),
    /// The buffer has no fragment left.
    Full,
}

impl<P: Protocol> Wire<'_, P> {
    /// Copies up to `most` bytes from the caller to the end of `skb`. May sleep: the socket is
    /// owned by the task.
    pub(crate) fn append_from<C: ControlBlock>(
        &self,
        msg: &mut Message<'_>,
        skb: &mut SkBuff<C>,
        most: u32,
    ) -> Result<Appended> {
        // SAFETY: The socket is owned by this task, so its page fragment (or the task's) is ours;
        // the buffer is ours; `copy_page_from_iter` writes within the fragment.
        unsafe {
            let sk = self.sk().as_ptr();
            let frag = bindings::sk_page_frag(sk);
            if !bindings::sk_page_frag_refill(sk, frag) {
                return Err(ENOMEM);
            }
            let (page, offset) = ((*frag).page, (*frag).offset);
            if !bindings::skb_can_append_page(skb.as_ptr(), page, offset) {
                return Ok(Appended::Full);
            }
            let room = (*frag).size.saturating_sub(offset).min(most);
            let copied = bindings::copy_page_from_iter(
                page,
                offset as usize,
                room as usize,
                &raw mut (*msg.msg).msg_iter,
            ) as u32;
            if copied == 0 {
                return Err(EFAULT);
            }
            if !bindings::skb_append_page(skb.as_ptr(), page, offset, copied) {
                return Ok(Appended::Full);
            }
            (*frag).offset = offset.wrapping_add(copied);
            Ok(Appended::Bytes(copied))
        }
    }
}

/// Reads the `sockaddr` of a call. `own` is the family's number, which may stand for AF_INET.
/// EINVAL for a short one, EAFNOSUPPORT for another family; AF_UNSPEC is `None`.
///
/// # Safety
///
/// `addr` must be valid for `len` bytes.
pub(super) unsafe fn read_sockaddr(
    addr: *const bindings::sockaddr_unsized,
    len: c_int,
    own: u16,
    unspec_ok: bool,
) -> Result<Option<Endpoint>> {
    const FAMILY_LEN: c_int = 2;
    if len < FAMILY_LEN {
        return Err(EINVAL);
    }
    // SAFETY: At least two bytes are valid, and the kernel's copy of an address is aligned.
    let family = unsafe { addr.cast::<u16>().read() };
    if family == bindings::AF_UNSPEC as u16 && unspec_ok {
        return Ok(None);
    }
    if len < core::mem::size_of::<bindings::sockaddr_in>() as c_int {
        return Err(EINVAL);
    }
    // SAFETY: The whole address is valid.
    let sin = unsafe { addr.cast::<bindings::sockaddr_in>().read() };
    let endpoint = Endpoint {
        addr: super::sock::addr_from_be(sin.sin_addr.s_addr),
        port: u16::from_be(sin.sin_port),
    };
    if family == bindings::AF_INET as u16 || family == own {
        return Ok(Some(endpoint));
    }
    // Historical: bind() takes AF_UNSPEC with a wildcard address.
    if family == bindings::AF_UNSPEC as u16 && endpoint.addr.is_unspecified() {
        return Ok(Some(endpoint));
    }
    Err(EAFNOSUPPORT)
}

/// Writes an endpoint as a `sockaddr_in`; gives its length.
///
/// # Safety
///
/// `addr` must be valid for a `sockaddr_storage`.
pub(super) unsafe fn write_sockaddr(addr: *mut bindings::sockaddr, endpoint: Endpoint) -> c_int {
    let sin = bindings::sockaddr_in {
        sin_family: bindings::AF_INET as u16,
        sin_port: endpoint.port.to_be(),
        sin_addr: bindings::in_addr {
            s_addr: addr_to_be(endpoint.addr),
        },
        ..Default::default()
    };
    // SAFETY: By the caller's promise.
    unsafe { addr.cast::<bindings::sockaddr_in>().write(sin) };
    core::mem::size_of::<bindings::sockaddr_in>() as c_int
}
