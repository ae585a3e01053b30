// SPDX-License-Identifier: GPL-2.0

//! Messages: the application's bytes, copied once, straight between user memory and pages, or not at
//! all (MSG_ZEROCOPY, MSG_SPLICE_PAGES).
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
    /// The next message of the error queue: its data, and control messages that say what it is about.
    /// EAGAIN if there is none.
    pub(crate) fn recv_error(&self, msg: &mut Message<'_>, len: usize) -> Result<usize> {
        const ERR: usize = core::mem::size_of::<bindings::sock_extended_err>();
        const OFFENDER: usize = core::mem::size_of::<bindings::sockaddr_in>();
        if self.is_v6() {
            let len = c_int::try_from(len).unwrap_or(c_int::MAX);
            // SAFETY: Valid, and of IPv6; the message is the call's.
            let n = unsafe { bindings::ipv6_recv_error(self.as_ptr(), msg.msg, len) };
            return usize::try_from(n).map_err(|_| Error::from_errno(n));
        }
        // SAFETY: Valid; the queue has a lock of its own, and gives the buffer away.
        let skb = unsafe { bindings::sock_dequeue_err_skb(self.as_ptr()) };
        let skb = core::ptr::NonNull::new(skb).ok_or(EAGAIN)?;
        // SAFETY: As above. The error is a plain structure in the buffer's control block, without
        // padding, which `SkBuff<NoCb>` does not write.
        let (skb, err) = unsafe {
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
        // Who reported it is nobody, unless a packet is there: all is about this host.
        let mut control = [0u8; ERR + OFFENDER];
        for (to, from) in control.iter_mut().zip(err) {
            *to = from;
        }
        if let Some(offender) = control.get_mut(ERR..) {
            let offender = offender.as_mut_ptr().cast();
            // SAFETY: All are valid; there is room for an address here, and for any in the message.
            unsafe {
                let named =
                    bindings::sk_error_packet(self.as_ptr(), msg.msg, skb.as_ptr(), offender);
                if named != 0 {
                    (*msg.msg).msg_namelen = named;
                }
            }
        }
        msg.put_control(
            bindings::SOL_IP as i32,
            bindings::IP_RECVERR as i32,
            &control,
        );
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

/// Who is told when the pages of a call with MSG_ZEROCOPY are free again: the socket's user, by its
/// error queue, or a caller in the kernel (io_uring), in a way of its own. Dropped, it tells the user
/// nothing; see [`Self::sent`].
///
/// # Invariants
///
/// The pointer is valid. With `ours` a reference is this value's, which keeps the socket too; otherwise
/// the caller keeps one while the call lasts.
pub(crate) struct Notifier<'a> {
    uarg: NonNull<bindings::ubuf_info>,
    ours: bool,
    pages: bool,
    _call: core::marker::PhantomData<&'a mut ()>,
}

impl Notifier<'_> {
    /// Whether the way out takes pages that are not the kernel's; otherwise the data is copied.
    pub(crate) fn takes_pages(&self) -> bool {
        self.pages
    }

    /// Data was queued: it is told as soon as no buffer has the pages, or now if none has. Context:
    /// process, socket owned.
    pub(crate) fn sent(self) {
        let this = core::mem::ManuallyDrop::new(self);
        if this.ours {
            // SAFETY: By the type's invariants; the reference is given up, and not dropped again.
            unsafe { bindings::zerocopy_put(this.uarg.as_ptr()) };
        }
    }
}

impl Drop for Notifier<'_> {
    fn drop(&mut self) {
        if self.ours {
            // SAFETY: By the type's invariants; the reference is given up. Whoever has a notifier owns
            // the socket but while it waits.
            unsafe { bindings::zerocopy_abort(self.uarg.as_ptr()) };
        }
    }
}

/// How a call's bytes get into buffers.
#[derive(Clone, Copy)]
pub(crate) enum Way<'a> {
    /// They are copied.
    Copy,
    /// The caller's pages are kept, who leaves them as they are (MSG_SPLICE_PAGES).
    Splice,
    /// The user's pages are kept, who is told when they are free again (MSG_ZEROCOPY).
    Pages(&'a Notifier<'a>),
}

/// What appending to a buffer came to.
pub(crate) enum Appended {
    /// So many bytes.
    Bytes(u32),
    /// The buffer has no fragment left, or belongs to another call's notifier.
    Full,
    /// There is no page for it now.
    NoMemory,
}

impl<P: Protocol> Wire<'_, P> {
    /// The user wants to know when the byte with `skb`'s key leaves; `flags` are SO_TIMESTAMPING's.
    pub(crate) fn want_stamps<C: ControlBlock>(&self, skb: &mut SkBuff<C>, flags: u32) {
        // SAFETY: The buffer is ours.
        unsafe { bindings::skb_want_stamps(skb.as_ptr(), flags) };
    }

    /// Tells the user that the byte with `skb`'s key was acknowledged now.
    pub(crate) fn stamp_acked<C: ControlBlock>(&self, skb: SkBuff<C>) {
        let skb = skb.with_cb::<NoCb>();
        // SAFETY: The buffer is ours, in no queue, and its control block nobody's; the socket is
        // valid.
        unsafe { bindings::skb_stamp_acked(skb.as_ptr(), self.sk().as_ptr()) };
        skb.consume();
    }

    /// The notifier of a call with MSG_ZEROCOPY that sends `size` bytes; `None` if nobody wants to be
    /// told, and everything is copied. `tail` is the last buffer queued that was not sent, if there is
    /// one: calls whose data goes in one buffer share one notice. ENOBUFS if there is no memory for
    /// that, or the user may not pin more. Context: process, socket owned.
    pub(crate) fn notifier<'a, C: ControlBlock>(
        &self,
        msg: &Message<'a>,
        size: usize,
        tail: Option<&SkBuff<C>>,
    ) -> Result<Option<Notifier<'a>>> {
        let sk = self.sk().as_ptr();
        // SAFETY: A single word of a valid socket, and a field of a valid message.
        let (caps, theirs) = unsafe { ((*sk).sk_route_caps, (*msg.msg).msg_ubuf) };
        // A device that can't gather would get a copy anyway.
        let pages = caps & bindings::NETIF_F_SG != 0;
        if let Some(uarg) = NonNull::new(theirs) {
            // INVARIANT: The caller's, who waits for the end of the call.
            return Ok(Some(Notifier {
                uarg,
                ours: false,
                pages,
                _call: core::marker::PhantomData,
            }));
        }
        if !self.sk().zerocopy() {
            return Ok(None);
        }
        let tail = tail.map_or(core::ptr::null_mut(), SkBuff::as_ptr);
        // SAFETY: All are valid, and the socket is owned.
        let uarg = unsafe { bindings::sk_zerocopy_notice(sk, size, tail) };
        let uarg = NonNull::new(uarg).ok_or(ENOBUFS)?;
        if !pages {
            // SAFETY: Valid, just made.
            unsafe { bindings::zerocopy_copies(uarg.as_ptr()) };
        }
        // INVARIANT: A reference was made for us.
        Ok(Some(Notifier {
            uarg,
            ours: true,
            pages,
            _call: core::marker::PhantomData,
        }))
    }

    /// Takes up to `most` bytes of the caller to the end of `skb`. May sleep: the socket is owned by
    /// the task.
    pub(crate) fn append<C: ControlBlock>(
        &self,
        msg: &mut Message<'_>,
        skb: &mut SkBuff<C>,
        most: u32,
        way: Way<'_>,
    ) -> Result<Appended> {
        match way {
            Way::Copy => self.append_copy(msg, skb, most),
            Way::Splice => self.append_pages(msg, skb, most),
            Way::Pages(notifier) => self.append_user(msg, skb, most, notifier),
        }
    }

    /// Takes up to `most` bytes of the user's pages to the end of `skb` without copying. Nobody writes
    /// to them, nor is anything cut off in place: `notifier` waits for the buffer, whatever it is split
    /// into and each copy that is sent; a packet that comes back to this host gets pages of its own
    /// first (`skb_orphan_frags_rx`).
    fn append_user<C: ControlBlock>(
        &self,
        msg: &mut Message<'_>,
        skb: &mut SkBuff<C>,
        most: u32,
        notifier: &Notifier<'_>,
    ) -> Result<Appended> {
        const EMSGSIZE: c_int = -(bindings::EMSGSIZE as c_int);
        const EEXIST: c_int = -(bindings::EEXIST as c_int);
        let most = c_int::try_from(most).unwrap_or(c_int::MAX);
        // SAFETY: Message, buffer and notifier are valid, and the socket is owned by this task.
        let n = unsafe {
            bindings::skb_append_user(
                self.sk().as_ptr(),
                skb.as_ptr(),
                msg.msg,
                most,
                notifier.uarg.as_ptr(),
            )
        };
        match n {
            EMSGSIZE | EEXIST => Ok(Appended::Full),
            0 => Err(EFAULT),
            n => u32::try_from(n)
                .map(Appended::Bytes)
                .map_err(|_| Error::from_errno(n)),
        }
    }

    /// Takes up to `most` bytes of the caller's pages to the end of `skb` without copying
    /// (MSG_SPLICE_PAGES). The caller leaves them as they are.
    fn append_pages<C: ControlBlock>(
        &self,
        msg: &mut Message<'_>,
        skb: &mut SkBuff<C>,
        most: u32,
    ) -> Result<Appended> {
        // SAFETY: The message and the buffer are ours; the function takes references to the pages.
        let n = unsafe {
            bindings::skb_splice_pages(skb.as_ptr(), &raw mut (*msg.msg).msg_iter, most as isize)
        };
        if n == -(bindings::EMSGSIZE as isize) {
            return Ok(Appended::Full);
        }
        u32::try_from(n)
            .map(Appended::Bytes)
            .map_err(|_| Error::from_errno(n as i32))
    }

    /// Copies up to `most` bytes from the caller to the end of `skb`.
    fn append_copy<C: ControlBlock>(
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
                return Ok(Appended::NoMemory);
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
