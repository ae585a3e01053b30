// SPDX-License-Identifier: GPL-2.0

//! Messages: the application's bytes, copied once, straight between user memory and pages.
//!
//! C header: [`include/linux/socket.h`](srctree/include/linux/socket.h)

use super::{
    addr::{
        read_sockaddr,
        Name, //
    },
    bindings,
    skbuff::{
        ControlBlock,
        Gfp,
        NoCb,
        SkBuff, //
    },
    sock::{
        Locked,
        Protocol,
        Sock,
        Wire, //
    },
};
use core::ptr::NonNull;
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

    /// Whether a caller in the kernel (io_uring) waits for its memory in a way of its own, and not
    /// for a message in the socket's error queue.
    pub(crate) fn has_notifier(&self) -> bool {
        // SAFETY: Valid by the type invariants.
        unsafe { !(*self.msg).msg_ubuf.is_null() }
    }

    /// Sets MSG_* flags in what the caller gets.
    pub(crate) fn add_flags(&mut self, flags: u32) {
        // SAFETY: Valid by the type invariants.
        unsafe { (*self.msg).msg_flags |= flags };
    }

    /// Says who sent (nobody: a stream has no message's sender).
    pub(crate) fn no_name(&mut self) {
        // SAFETY: Valid by the type invariants.
        unsafe { (*self.msg).msg_namelen = 0 };
    }

    /// Whom the call names; `None` for AF_UNSPEC. EINVAL if nobody.
    pub(crate) fn remote<P: Protocol>(&self, sk: &Sock<P>) -> Result<Option<Name>> {
        // SAFETY: Valid by the type invariants; the name is the kernel's copy, valid for its
        // length, and without one the length counts as 0.
        unsafe {
            let name = (*self.msg).msg_name;
            let len = if name.is_null() {
                0
            } else {
                (*self.msg).msg_namelen
            };
            let family = (*sk.as_ptr()).__sk_common.skc_family;
            read_sockaddr(name.cast(), len, family, sk.is_v6(), true)
        }
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

    /// Copies bytes to the caller. EFAULT if not all could be.
    pub(crate) fn copy_bytes(&mut self, bytes: &[u8]) -> Result {
        // SAFETY: Valid by the type invariants; `bytes` is valid for its length.
        let n = unsafe {
            bindings::_copy_to_iter(
                bytes.as_ptr().cast(),
                bytes.len(),
                &raw mut (*self.msg).msg_iter,
            )
        };
        if n == bytes.len() {
            Ok(())
        } else {
            Err(EFAULT)
        }
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

/// A pipe that splice() fills.
///
/// # Invariants
///
/// The pipe is valid and locked by the call.
pub(crate) struct Pipe<'a> {
    pipe: *mut bindings::pipe_inode_info,
    flags: c_uint,
    _call: core::marker::PhantomData<&'a mut ()>,
}

impl Pipe<'_> {
    /// # Safety
    ///
    /// As the type's invariants.
    pub(super) unsafe fn from_raw(pipe: *mut bindings::pipe_inode_info, flags: c_uint) -> Self {
        // INVARIANT: By the caller's promise.
        Self {
            pipe,
            flags,
            _call: core::marker::PhantomData,
        }
    }

    /// Moves up to `len` bytes of `skb` from `offset` on into the pipe, pages and not bytes. EAGAIN
    /// if it is full.
    pub(crate) fn fill<P: Protocol, C: ControlBlock>(
        &mut self,
        sk: &Sock<P>,
        skb: &SkBuff<C>,
        offset: u32,
        len: u32,
    ) -> Result<u32> {
        // SAFETY: All are valid; the function takes references to the pages.
        let n = unsafe {
            bindings::skb_splice_bits(
                skb.as_ptr(),
                sk.as_ptr(),
                offset,
                self.pipe,
                len,
                self.flags,
            )
        };
        u32::try_from(n).map_err(|_| Error::from_errno(n))
    }
}

impl<P: Protocol> Sock<P> {
    /// The next message of the error queue: its data, and a control message that says what it is
    /// about (no address: none of ours is about a packet). EAGAIN if there is none.
    pub(crate) fn recv_error(&self, msg: &mut Message<'_>, len: usize) -> Result<usize> {
        const ERR: usize = core::mem::size_of::<bindings::sock_extended_err>();
        const OFFENDER: usize = core::mem::size_of::<bindings::sockaddr_in>();
        const OFFENDER6: usize = core::mem::size_of::<bindings::sockaddr_in6>();
        // SAFETY: Valid; the queue has a lock of its own, and gives the buffer away.
        let skb = unsafe { bindings::sock_dequeue_err_skb(self.as_ptr()) };
        let skb = core::ptr::NonNull::new(skb).ok_or(EAGAIN)?;
        // SAFETY: As above. The error is a plain structure in the buffer's control block, without
        // padding, which `SkBuff<NoCb>` does not write.
        let (skb, err) = unsafe {
            bindings::sk_relate_key(self.as_ptr(), skb.as_ptr());
            let err = bindings::skb_ext_err(skb.as_ptr())
                .cast::<[u8; ERR]>()
                .read();
            (SkBuff::<NoCb>::from_raw(skb), err)
        };
        let most = u32::try_from(len).unwrap_or(u32::MAX);
        let n = skb.len().min(most);
        if n < skb.len() {
            msg.add_flags(bindings::MSG_TRUNC);
        }
        msg.copy_out(&skb, 0, n)?;
        // SAFETY: All are valid.
        unsafe { bindings::sock_recv_timestamp(msg.msg, self.as_ptr(), skb.as_ptr()) };
        // Who reported it is nobody: it is about this host.
        let mut control = [0u8; ERR + OFFENDER6];
        for (to, from) in control.iter_mut().zip(err) {
            *to = from;
        }
        let (level, name, len) = if self.is_v6() {
            (bindings::SOL_IPV6, bindings::IPV6_RECVERR, ERR + OFFENDER6)
        } else {
            (bindings::SOL_IP, bindings::IP_RECVERR, ERR + OFFENDER)
        };
        if let Some(control) = control.get(..len) {
            msg.put_control(level as i32, name as i32, control);
        }
        msg.add_flags(bindings::MSG_ERRQUEUE);
        skb.consume();
        Ok(n as usize)
    }

    /// Whether the user wants to know when data came (SO_TIMESTAMP, SO_TIMESTAMPING).
    pub(crate) fn wants_rx_time(&self) -> bool {
        // SAFETY: Valid.
        unsafe { bindings::sk_wants_rx_time(self.as_ptr()) }
    }

    /// Tells that the data came at `ns` (of the clock of received packets; 0: not known).
    pub(crate) fn put_rx_time(&self, msg: &mut Message<'_>, ns: i64) {
        // The kernel takes the time from a packet; the one it came with may be gone by now.
        let Some(skb) = SkBuff::<NoCb>::new(0, Gfp::KERNEL) else {
            return;
        };
        // SAFETY: All are valid, and the packet is ours.
        unsafe {
            bindings::skb_set_time(skb.as_ptr(), ns);
            bindings::sock_recv_timestamp(msg.msg, self.as_ptr(), skb.as_ptr());
        }
    }

    /// Checks the control messages of a call that sends; gives SO_TIMESTAMPING's flags for it.
    pub(crate) fn check_control(&self, msg: &Message<'_>) -> Result<u32> {
        let mut flags = 0;
        // SAFETY: All are valid.
        let checked = unsafe { bindings::sk_check_control(self.as_ptr(), msg.msg, &mut flags) };
        kernel::error::to_result(checked).map(|()| flags)
    }
}

impl<P: Protocol> Locked<'_, P> {
    /// A notice for a call with MSG_ZEROCOPY; ENOBUFS if there is no memory for it. Context:
    /// process, socket owned.
    pub(crate) fn zerocopy_notice(&mut self) -> Result<ZerocopyNotice> {
        // SAFETY: Valid and owned.
        let uarg = unsafe { bindings::sk_zerocopy_notice(self.sk().as_ptr()) };
        NonNull::new(uarg).map(ZerocopyNotice).ok_or(ENOBUFS)
    }
}

/// What tells a user of MSG_ZEROCOPY that the memory is free again. Dropped, it tells nobody.
///
/// # Invariants
///
/// The pointer is valid, with a reference that is ours; it holds its socket.
pub(crate) struct ZerocopyNotice(NonNull<bindings::ubuf_info>);

impl ZerocopyNotice {
    /// The data was sent, as a copy: the notice is queued now, and says so.
    pub(crate) fn copied(self) {
        // SAFETY: By the type's invariant; the reference is given up, and not dropped again.
        unsafe { bindings::zerocopy_copied(self.0.as_ptr()) };
        core::mem::forget(self);
    }
}

impl Drop for ZerocopyNotice {
    fn drop(&mut self) {
        // SAFETY: By the type's invariant; the reference is given up.
        unsafe { bindings::zerocopy_abort(self.0.as_ptr()) };
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
    /// The user wants to know when the byte numbered `seq`, the last one of `skb`, leaves; `flags`
    /// are SO_TIMESTAMPING's.
    pub(crate) fn want_stamps<C: ControlBlock>(&self, skb: &mut SkBuff<C>, flags: u32, seq: u32) {
        // SAFETY: The buffer is ours.
        unsafe { bindings::skb_want_stamps(skb.as_ptr(), flags, seq) };
    }

    /// Tells the user that the end of `skb` was acknowledged now.
    pub(crate) fn stamp_acked<C: ControlBlock>(&self, skb: SkBuff<C>) {
        let skb = skb.with_cb::<NoCb>();
        // SAFETY: The buffer is ours, in no queue, and its control block nobody's; the socket is
        // valid.
        unsafe { bindings::skb_stamp_acked(skb.as_ptr(), self.sk().as_ptr()) };
        skb.consume();
    }

    /// Takes up to `most` bytes of the caller's pages to the end of `skb` without copying
    /// (MSG_SPLICE_PAGES). The caller leaves them as they are.
    pub(crate) fn append_pages<C: ControlBlock>(
        &self,
        msg: &mut Message<'_>,
        skb: &mut SkBuff<C>,
        most: u32,
    ) -> Result<Appended> {
        // SAFETY: The message and the buffer are ours; the function takes references to the pages.
        let n = unsafe {
            bindings::skb_splice_from_iter(
                skb.as_ptr(),
                &raw mut (*msg.msg).msg_iter,
                most as isize,
            )
        };
        if n == -(bindings::EMSGSIZE as isize) {
            return Ok(Appended::Full);
        }
        let n = u32::try_from(n).map_err(|_| Error::from_errno(n as i32))?;
        // SAFETY: The buffer is ours.
        unsafe { bindings::skb_share_frags(skb.as_ptr()) };
        Ok(Appended::Bytes(n))
    }

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
