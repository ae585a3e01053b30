// SPDX-License-Identifier: GPL-2.0

//! Owned socket buffers with a typed control block, and the two containers that TCP keeps them in.
//!
//! A [`SkBuff<C>`] owns one reference to an sk_buff and knows that `skb->cb` holds a `C`. The
//! control block is ours only while the buffer is in our hands: what goes out to the IP layer is
//! always a copy of the descriptor ([`SkBuff::copy_for_transmit`]), because lower layers use `cb`
//! for themselves.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)

use super::bindings;
use core::{
    marker::PhantomData,
    mem::{align_of, size_of, ManuallyDrop},
    ptr::{self, NonNull},
};
use kernel::prelude::*;

/// A control block that may live in `skb->cb`.
///
/// # Safety
///
/// `Self` must be at most 48 bytes (the size of `cb`), aligned to at most 8, and plain data.
pub(crate) unsafe trait ControlBlock: Copy + Default + 'static {
    /// Whether this buffer goes before `other` in a [`SkTree`].
    fn before(&self, other: &Self) -> bool;
}

/// No control block: a buffer that came from, or goes to, another layer.
#[derive(Clone, Copy, Default)]
pub(crate) struct NoCb;

// SAFETY: Zero-sized plain data.
unsafe impl ControlBlock for NoCb {
    fn before(&self, _other: &Self) -> bool {
        false
    }
}

/// An owned sk_buff whose control block holds a `C`.
///
/// # Invariants
///
/// The pointer is a valid sk_buff, of which `self` owns one reference; no one else changes its
/// descriptor. `skb->cb` holds an initialised `C`. References to a `SkBuff` inside a container
/// are to the container's own link and must not be used to exchange it for another buffer.
#[repr(transparent)]
pub(crate) struct SkBuff<C: ControlBlock = NoCb> {
    skb: NonNull<bindings::sk_buff>,
    _cb: PhantomData<C>,
}

// SAFETY: The reference is exclusive and sk_buffs may be freed from any context.
unsafe impl<C: ControlBlock> Send for SkBuff<C> {}
// SAFETY: A shared reference only allows reading.
unsafe impl<C: ControlBlock> Sync for SkBuff<C> {}

/// What a packet takes beside its data: headers and what is shared with it in one block, and the descriptor.
/// Bytes.
pub(crate) const OVERHEAD: [u32; 2] = [
    bindings::MAX_TCP_HEADER + bindings::SKB_SHARED_SIZE,
    bindings::SKB_DESCRIPTOR_SIZE,
];

impl<C: ControlBlock> SkBuff<C> {
    const CB_FITS: () = assert!(size_of::<C>() <= 48 && align_of::<C>() <= 8);

    /// Takes over a buffer from C and gives it a fresh control block.
    ///
    /// # Safety
    ///
    /// `skb` must be valid and the caller must own the reference that it hands over.
    pub(super) unsafe fn from_raw(skb: NonNull<bindings::sk_buff>) -> Self {
        let () = Self::CB_FITS;
        // SAFETY: `cb` is 48 bytes aligned to 8, which holds a `C` by `CB_FITS`; we own the buffer.
        unsafe {
            (&raw mut (*skb.as_ptr()).cb)
                .cast::<C>()
                .write(C::default())
        };
        // INVARIANT: The caller hands over its reference, and the control block was just written.
        Self {
            skb,
            _cb: PhantomData,
        }
    }

    /// Gives the buffer back to C.
    pub(super) fn into_raw(self) -> *mut bindings::sk_buff {
        ManuallyDrop::new(self).skb.as_ptr()
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::sk_buff {
        self.skb.as_ptr()
    }

    /// The same buffer with another kind of control block, which starts at its default.
    pub(crate) fn with_cb<D: ControlBlock>(self) -> SkBuff<D> {
        let skb = ManuallyDrop::new(self).skb;
        // SAFETY: `self` owned the reference and was not dropped.
        unsafe { SkBuff::from_raw(skb) }
    }

    /// A buffer with `headroom` bytes reserved and no data. May sleep if `gfp` says so.
    pub(crate) fn new(headroom: u32, gfp: Gfp) -> Option<Self> {
        // SAFETY: FFI call without preconditions in the contexts that `gfp` allows.
        let skb = NonNull::new(unsafe { bindings::alloc_skb(headroom, gfp.bits()) })?;
        // SAFETY: The buffer is fresh and has `headroom` bytes of room.
        unsafe { bindings::skb_reserve(skb.as_ptr(), headroom.min(1 << 16) as i32) };
        // SAFETY: The buffer is fresh and ours.
        Some(unsafe { Self::from_raw(skb) })
    }

    /// A buffer with room for `n` bytes of data and none of it. May sleep if `gfp` says so.
    pub(crate) fn with_room(n: u32, gfp: Gfp) -> Option<Self> {
        // SAFETY: FFI call without preconditions in the contexts that `gfp` allows.
        let skb = NonNull::new(unsafe { bindings::alloc_skb(n, gfp.bits()) })?;
        // SAFETY: The buffer is fresh and ours.
        Some(unsafe { Self::from_raw(skb) })
    }

    /// The control block.
    #[inline]
    pub(crate) fn cb(&self) -> &C {
        // SAFETY: By the type invariants `cb` holds an initialised `C`.
        unsafe { &*(&raw const (*self.skb.as_ptr()).cb).cast::<C>() }
    }

    /// The control block.
    #[inline]
    pub(crate) fn cb_mut(&mut self) -> &mut C {
        // SAFETY: By the type invariants `cb` holds an initialised `C`, and `self` is exclusive.
        unsafe { &mut *(&raw mut (*self.skb.as_ptr()).cb).cast::<C>() }
    }

    /// Bytes of data, linear and paged.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        // SAFETY: Valid by the type invariants.
        unsafe { (*self.skb.as_ptr()).len }
    }

    /// Bytes of memory that the buffer holds on to, as the kernel accounts them.
    #[inline]
    pub(crate) fn truesize(&self) -> u32 {
        // SAFETY: Valid by the type invariants.
        unsafe { (*self.skb.as_ptr()).truesize }
    }

    /// The first `n` bytes of data as one slice, pulled into the linear part if need be.
    /// `None` if the buffer is shorter or memory ran out.
    pub(crate) fn pull_head(&mut self, n: usize) -> Option<&[u8]> {
        let len = u32::try_from(n).ok()?;
        // SAFETY: Valid by the type invariants, and ours to rearrange.
        if !unsafe { bindings::pskb_may_pull(self.as_ptr(), len) } {
            return None;
        }
        // SAFETY: `pskb_may_pull` made the first `n` bytes linear.
        Some(unsafe { core::slice::from_raw_parts((*self.as_ptr()).data, n) })
    }

    /// The first `n` bytes of data, if they are linear.
    pub(crate) fn head(&self, n: usize) -> Option<&[u8]> {
        // SAFETY: Valid by the type invariants; the linear part has `skb_headlen` bytes.
        unsafe {
            if n > bindings::skb_headlen(self.as_ptr()) as usize {
                return None;
            }
            Some(core::slice::from_raw_parts((*self.as_ptr()).data, n))
        }
    }

    /// The octet with DSCP and ECN of the IPv4 header in front of the data. For packets on their way
    /// in only.
    pub(crate) fn ip_tos(&self) -> u8 {
        // SAFETY: Valid by the type invariants. The receive path set the network header, and the
        // headers stay in the linear part.
        unsafe { bindings::skb_rx_tos(self.as_ptr()) }
    }

    /// Where a packet of IPv4 came from. For packets on their way in only.
    pub(super) fn ip4_source(&self) -> core::net::Ipv4Addr {
        // SAFETY: As in `ip_tos`.
        u32::from_be(unsafe { bindings::skb_rx_ip4_source(self.as_ptr()) }).into()
    }

    /// The TTL or hop limit of the IP header in front of the data. For packets on their way in only.
    pub(crate) fn hops(&self) -> u8 {
        // SAFETY: As in `ip_tos`.
        unsafe { bindings::skb_rx_hops(self.as_ptr()) }
    }

    /// Whether it was sent to an address that is this host's alone. For packets on their way in only.
    pub(crate) fn is_to_own(&self) -> bool {
        // SAFETY: Valid by the type invariants. The receive path set the route, which stays until the
        // packet is queued.
        unsafe { bindings::skb_is_to_own(self.as_ptr()) }
    }

    /// Drops the first `n` bytes, which must be linear (see [`Self::pull_head`]).
    pub(crate) fn advance(&mut self, n: u32) {
        // SAFETY: Valid by the type invariants.
        if n <= unsafe { bindings::skb_headlen(self.as_ptr()) } {
            // SAFETY: As checked, the linear part has `n` bytes.
            unsafe { bindings::__skb_pull(self.as_ptr(), n) };
        }
    }

    /// Cuts the data to `n` bytes.
    pub(crate) fn truncate(&mut self, n: u32) {
        if n < self.len() {
            // SAFETY: Valid by the type invariants. A failure leaves the buffer longer than asked,
            // which the readers of the control block's length never notice.
            let _ = unsafe { bindings::___pskb_trim(self.as_ptr(), n) };
        }
    }

    /// Moves everything behind the first `n` bytes into a new buffer, and with `with_times` that
    /// somebody wants to know when it leaves. Context: any (atomic).
    pub(crate) fn split_off(&mut self, n: u32, with_times: bool) -> Option<Self> {
        let rest = Self::new(0, Gfp::ATOMIC)?;
        let before = self.len();
        if n >= before {
            return None;
        }
        let moved = before.wrapping_sub(n);
        // SAFETY: Both buffers are valid and exclusively ours; our transmit buffers hold their
        // data in page fragments whose descriptors are not shared (transmitted copies have their
        // own), which is what `skb_split` asks for. It writes to no page, and who waits for the
        // pages (MSG_ZEROCOPY) waits for both.
        unsafe {
            bindings::skb_split(self.as_ptr(), rest.as_ptr(), n);
            if with_times {
                bindings::skb_move_stamps(self.as_ptr(), rest.as_ptr());
            }
            let (a, b) = (&mut *self.as_ptr(), &mut *rest.as_ptr());
            let moved = moved.min(a.truesize);
            a.truesize = a.truesize.wrapping_sub(moved);
            b.truesize = b.truesize.wrapping_add(moved);
        }
        Some(rest)
    }

    /// Whether somebody wants to know when it leaves (SO_TIMESTAMPING).
    pub(crate) fn has_stamps(&self) -> bool {
        // SAFETY: Valid by the type invariants.
        unsafe { bindings::skb_has_stamps(self.as_ptr()) }
    }

    /// The number of the byte whose times somebody wants to know.
    pub(crate) fn stamp_key(&self) -> u32 {
        // SAFETY: Valid by the type invariants.
        unsafe { bindings::skb_stamp_key(self.as_ptr()) }
    }

    /// Sets that number.
    pub(crate) fn set_stamp_key(&mut self, key: u32) {
        // SAFETY: Valid by the type invariants, and ours alone.
        unsafe { bindings::skb_set_stamp_key(self.as_ptr(), key) };
    }

    /// Joins the data of `next` to this buffer's if that needs no copy; gives it back otherwise.
    pub(crate) fn try_coalesce(&mut self, next: Self) -> core::result::Result<(), Self> {
        let mut stolen = false;
        let mut delta: c_int = 0;
        // SAFETY: Both buffers are valid and exclusively ours.
        let joined = unsafe {
            bindings::skb_try_coalesce(self.as_ptr(), next.as_ptr(), &mut stolen, &mut delta)
        };
        if !joined {
            return Err(next);
        }
        // SAFETY: The data moved to `self`; what is left of `next` is its descriptor (and its head
        // unless that was stolen too), which `kfree_skb_partial` releases. `truesize` has moved.
        unsafe { bindings::kfree_skb_partial(next.into_raw(), stolen) };
        Ok(())
    }

    /// Copies `len` bytes at `offset` of `from`'s data behind this buffer's, if there is room for them.
    pub(crate) fn append_copy(&mut self, from: &Self, offset: u32, len: u32) -> bool {
        // SAFETY: Both are valid, `self` is exclusively ours, and they are not the same. The helper
        // checks offset and length against the data, and the room that nobody else has a hand on.
        unsafe { bindings::skb_append_copy(self.as_ptr(), from.as_ptr(), offset, len) }
    }

    /// A copy with a descriptor and `headroom` of its own that shares the data pages, fit to be
    /// handed to lower layers. Context: any (atomic).
    pub(crate) fn copy_for_transmit(&self, headroom: u32) -> Option<SkBuff> {
        // SAFETY: Valid by the type invariants.
        let copy = unsafe {
            bindings::__pskb_copy(
                self.as_ptr(),
                headroom.min(1 << 16) as i32,
                Gfp::ATOMIC.bits(),
            )
        };
        // SAFETY: A fresh buffer, ours.
        NonNull::new(copy).map(|skb| unsafe { SkBuff::from_raw(skb) })
    }

    /// The byte at `offset` of the data.
    pub(crate) fn byte_at(&self, offset: u32) -> Option<u8> {
        let mut byte = 0u8;
        let offset = c_int::try_from(offset).ok()?;
        // SAFETY: Valid by the type invariants; the function checks the offset against the length.
        let failed = unsafe {
            bindings::skb_copy_bits(self.as_ptr(), offset, (&raw mut byte).cast(), 1) != 0
        };
        (!failed).then_some(byte)
    }

    /// When the packet came, if somebody wanted that to be noted: of its clock, nanoseconds.
    pub(crate) fn time(&self) -> i64 {
        // SAFETY: Valid by the type invariants.
        unsafe { bindings::skb_time(self.as_ptr()) }
    }

    /// Data that came at `time` (0: not known) was joined to this buffer's: the last of them counts, as in Linux.
    pub(crate) fn joined_at(&mut self, time: i64) {
        if time != 0 {
            // SAFETY: Valid by the type invariants, and ours alone.
            unsafe { bindings::skb_set_time(self.as_ptr(), time) };
        }
    }

    /// How many segments the packet, which has `payload` bytes, was joined from, at least one. What
    /// comes from another machine's memory (virtio, tap) may say anything: a bound is the caller's.
    pub(crate) fn segments(&self, payload: u32) -> u16 {
        // SAFETY: Valid by the type invariants.
        unsafe { bindings::skb_gso_segs(self.as_ptr(), payload) }
    }

    /// The headers of a received packet whose data starts at its TCP header: from the network's
    /// (or with `link` the link layer's) to the end of TCP's. `None` without memory.
    pub(crate) fn headers(&self, link: bool) -> Option<KVec<u8>> {
        // SAFETY: Valid by the type invariants; the receive path pulled these headers, so they are
        // linear, and the helper gives where they start and how long they are.
        let bytes = unsafe {
            let mut start = core::ptr::null();
            let len = bindings::skb_rx_headers(self.as_ptr(), link, &mut start);
            core::slice::from_raw_parts(start.cast::<u8>(), len as usize)
        };
        copy_of(bytes, Gfp::ATOMIC)
    }

    /// Frees the buffer and tells the drop monitor why.
    pub(crate) fn drop_with(self, reason: Drop) {
        // SAFETY: We own the reference.
        unsafe { bindings::kfree_skb_reason(self.into_raw(), reason.raw()) };
    }

    /// Frees a buffer whose data was used (no drop is reported).
    pub(crate) fn consume(self) {
        // SAFETY: We own the reference.
        unsafe { bindings::consume_skb(self.into_raw()) };
    }

    /// Takes the buffer out of the receive path: no route, no conntrack entry, no other owner.
    pub(crate) fn detach(&mut self) {
        // SAFETY: Valid by the type invariants.
        unsafe {
            bindings::skb_dst_drop(self.as_ptr());
            bindings::nf_reset_ct(self.as_ptr());
            bindings::skb_orphan(self.as_ptr());
        }
    }
}

/// A copy of `bytes`, or nothing if memory ran out.
pub(crate) fn copy_of(bytes: &[u8], gfp: Gfp) -> Option<KVec<u8>> {
    let flags = gfp.flags();
    let mut copy = KVec::with_capacity(bytes.len(), flags).ok()?;
    for byte in bytes {
        copy.push_within_capacity(*byte).ok()?;
    }
    Some(copy)
}

impl<C: ControlBlock> core::ops::Drop for SkBuff<C> {
    fn drop(&mut self) {
        // SAFETY: We own the reference. `consume_skb` may be called in any context.
        unsafe { bindings::consume_skb(self.as_ptr()) };
    }
}

/// How an allocation may behave.
#[derive(Clone, Copy)]
pub(crate) struct Gfp(bindings::gfp_t);

impl Gfp {
    /// Never sleeps.
    pub(crate) const ATOMIC: Self = Self(bindings::GFP_ATOMIC);
    /// May sleep.
    pub(crate) const KERNEL: Self = Self(bindings::GFP_KERNEL);

    pub(super) fn bits(self) -> bindings::gfp_t {
        self.0
    }

    /// The same for the kernel crate's allocators.
    pub(crate) fn flags(self) -> kernel::alloc::Flags {
        if self.0 == Self::KERNEL.0 {
            GFP_KERNEL
        } else {
            GFP_ATOMIC
        }
    }
}

/// Reasons for a drop, as the kernel's drop monitor names them.
#[derive(Clone, Copy)]
pub(crate) enum Drop {
    /// No memory, or the socket's share of it is used up.
    SocketRcvbuff,
    /// The socket's backlog was full.
    SocketBacklog,
    /// Malformed header.
    Header,
    /// Wrong checksum.
    Checksum,
    /// The accept or half-open queue is full.
    ListenOverflow,
    /// IPsec's policy does not allow it.
    Policy,
    /// Not acceptable in the connection's state, outside the window, or a duplicate.
    Protocol,
}

impl Drop {
    fn raw(self) -> bindings::skb_drop_reason {
        match self {
            Self::SocketRcvbuff => bindings::skb_drop_reason_SKB_DROP_REASON_SOCKET_RCVBUFF,
            Self::SocketBacklog => bindings::skb_drop_reason_SKB_DROP_REASON_SOCKET_BACKLOG,
            Self::Header => bindings::skb_drop_reason_SKB_DROP_REASON_HDR_TRUNC,
            Self::Checksum => bindings::skb_drop_reason_SKB_DROP_REASON_TCP_CSUM,
            Self::ListenOverflow => bindings::skb_drop_reason_SKB_DROP_REASON_TCP_LISTEN_OVERFLOW,
            Self::Policy => bindings::skb_drop_reason_SKB_DROP_REASON_XFRM_POLICY,
            Self::Protocol => bindings::skb_drop_reason_SKB_DROP_REASON_TCP_INVALID_SEQUENCE,
        }
    }
}

/// The `next` link of a buffer that is in a [`SkList`].
///
/// # Safety
///
/// `skb` must be valid.
unsafe fn next_link(skb: *mut bindings::sk_buff) -> *mut *mut bindings::sk_buff {
    // SAFETY: By the caller's promise; taking a field's address reads nothing.
    unsafe { &raw mut (*skb).__bindgen_anon_1.__bindgen_anon_1.next }
}

/// The `prev` link of a buffer that is in a [`SkList`].
///
/// # Safety
///
/// `skb` must be valid.
unsafe fn prev_link(skb: *mut bindings::sk_buff) -> *mut *mut bindings::sk_buff {
    // SAFETY: By the caller's promise; taking a field's address reads nothing.
    unsafe { &raw mut (*skb).__bindgen_anon_1.__bindgen_anon_1.prev }
}

/// A first-in, first-out list of buffers, linked through `skb->next` and `skb->prev`.
///
/// # Invariants
///
/// `head` and `tail` are both null, or the two ends of a chain of valid buffers that the list owns
/// a reference of each; `next` of the tail and `prev` of the head are null.
pub(crate) struct SkList<C: ControlBlock> {
    head: *mut bindings::sk_buff,
    tail: *mut bindings::sk_buff,
    _cb: PhantomData<C>,
}

// SAFETY: The list owns its buffers.
unsafe impl<C: ControlBlock> Send for SkList<C> {}

impl<C: ControlBlock> Default for SkList<C> {
    fn default() -> Self {
        // INVARIANT: Both ends are null.
        Self {
            head: ptr::null_mut(),
            tail: ptr::null_mut(),
            _cb: PhantomData,
        }
    }
}

impl<C: ControlBlock> SkList<C> {
    /// Whether nothing is in the list.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_null()
    }

    /// The link that points to the last buffer.
    fn tail_link(&self) -> *const *mut bindings::sk_buff {
        if self.head == self.tail {
            return &raw const self.head;
        }
        // SAFETY: By the type invariants the tail is valid and, not being the head, has a
        // predecessor in the list.
        unsafe { next_link(*prev_link(self.tail)) }
    }

    /// Reads a link as the buffer behind it.
    ///
    /// # Safety
    ///
    /// The link must be one of this list's and must stay as it is while the reference lives.
    unsafe fn at<'a>(link: *const *mut bindings::sk_buff) -> Option<&'a SkBuff<C>> {
        // SAFETY: `Option<SkBuff>` is a nullable pointer, and the list's links are such.
        unsafe { (*link.cast::<Option<SkBuff<C>>>()).as_ref() }
    }

    /// As [`Self::at`], to change the buffer.
    ///
    /// # Safety
    ///
    /// As for [`Self::at`], and the caller must have exclusive access to the list.
    unsafe fn at_mut<'a>(link: *mut *mut bindings::sk_buff) -> Option<&'a mut SkBuff<C>> {
        // SAFETY: As in `at`.
        unsafe { (*link.cast::<Option<SkBuff<C>>>()).as_mut() }
    }

    /// The first buffer.
    #[inline]
    pub(crate) fn front(&self) -> Option<&SkBuff<C>> {
        // SAFETY: Our link, borrowed with `self`.
        unsafe { Self::at(&raw const self.head) }
    }

    /// The first buffer.
    #[inline]
    pub(crate) fn front_mut(&mut self) -> Option<&mut SkBuff<C>> {
        // SAFETY: Our link, borrowed exclusively with `self`.
        unsafe { Self::at_mut(&raw mut self.head) }
    }

    /// The last buffer.
    pub(crate) fn back_mut(&mut self) -> Option<&mut SkBuff<C>> {
        // SAFETY: Our link, borrowed exclusively with `self`.
        unsafe { Self::at_mut(self.tail_link().cast_mut()) }
    }

    /// Appends a buffer.
    pub(crate) fn push_back(&mut self, buf: SkBuff<C>) {
        let skb = buf.into_raw();
        // SAFETY: `skb` is ours; the tail is valid if the list is not empty.
        unsafe {
            *next_link(skb) = ptr::null_mut();
            *prev_link(skb) = self.tail;
            if self.tail.is_null() {
                self.head = skb;
            } else {
                *next_link(self.tail) = skb;
            }
        }
        self.tail = skb;
    }

    /// Puts a buffer in front of all others.
    pub(crate) fn push_front(&mut self, buf: SkBuff<C>) {
        let skb = buf.into_raw();
        // SAFETY: `skb` is ours; the head is valid if the list is not empty.
        unsafe {
            *prev_link(skb) = ptr::null_mut();
            *next_link(skb) = self.head;
            if self.head.is_null() {
                self.tail = skb;
            } else {
                *prev_link(self.head) = skb;
            }
        }
        self.head = skb;
    }

    /// Takes the first buffer out.
    pub(crate) fn pop_front(&mut self) -> Option<SkBuff<C>> {
        let skb = NonNull::new(self.head)?;
        // SAFETY: The head is valid, and so is its successor if there is one.
        unsafe {
            self.head = *next_link(skb.as_ptr());
            if self.head.is_null() {
                self.tail = ptr::null_mut();
            } else {
                *prev_link(self.head) = ptr::null_mut();
            }
            *next_link(skb.as_ptr()) = ptr::null_mut();
        }
        // INVARIANT: The list's reference passes to the caller; the control block stayed a `C`.
        Some(SkBuff {
            skb,
            _cb: PhantomData,
        })
    }

    /// The buffers from front to back.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &SkBuff<C>> {
        let mut link = &raw const self.head;
        core::iter::from_fn(move || {
            // SAFETY: `link` is a link of this list, borrowed with `self`.
            let buf = unsafe { Self::at(link) }?;
            // SAFETY: The buffer is valid.
            link = unsafe { next_link(buf.as_ptr()) };
            Some(buf)
        })
    }
}

impl<C: ControlBlock> core::ops::Drop for SkList<C> {
    fn drop(&mut self) {
        while self.pop_front().is_some() {}
    }
}

/// Buffers ordered by [`ControlBlock::before`], in a red-black tree through `skb->rbnode`.
///
/// # Invariants
///
/// The tree's nodes are the `rbnode`s (at offset 0) of valid buffers that the tree owns a
/// reference of each.
pub(crate) struct SkTree<C: ControlBlock> {
    root: bindings::rb_root,
    _cb: PhantomData<C>,
}

// SAFETY: The tree owns its buffers.
unsafe impl<C: ControlBlock> Send for SkTree<C> {}

impl<C: ControlBlock> Default for SkTree<C> {
    fn default() -> Self {
        // INVARIANT: An empty tree.
        Self {
            root: bindings::rb_root {
                rb_node: ptr::null_mut(),
            },
            _cb: PhantomData,
        }
    }
}

/// Which end of a tree.
#[derive(Clone, Copy)]
enum End {
    First,
    Last,
}

impl<C: ControlBlock> SkTree<C> {
    const RBNODE_AT_0: () =
        assert!(core::mem::offset_of!(bindings::sk_buff, __bindgen_anon_1) == 0);

    /// Whether nothing is in the tree.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.root.rb_node.is_null()
    }

    /// The link to the first or the last node; null inside if the tree is empty.
    fn end_link(&self, end: End) -> *const *mut bindings::rb_node {
        let mut link: *const *mut bindings::rb_node = &raw const self.root.rb_node;
        // SAFETY: All nodes that are reached are of the tree and valid.
        unsafe {
            if (*link).is_null() {
                return link;
            }
            loop {
                let next: *const *mut bindings::rb_node = match end {
                    End::First => &raw const (**link).rb_left,
                    End::Last => &raw const (**link).rb_right,
                };
                if (*next).is_null() {
                    return link;
                }
                link = next;
            }
        }
    }

    /// The link to the first node whose control block does not satisfy `is_before`, given that
    /// those which do are all in front of those which don't.
    fn partition_link(
        &self,
        mut is_before: impl FnMut(&C) -> bool,
    ) -> Option<*const *mut bindings::rb_node> {
        let () = Self::RBNODE_AT_0;
        let mut link: *const *mut bindings::rb_node = &raw const self.root.rb_node;
        let mut found = None;
        // SAFETY: All nodes that are reached are of the tree and valid, with a `C` as control
        // block, and at offset 0 of their buffers.
        unsafe {
            while !(*link).is_null() {
                let skb = (*link).cast::<bindings::sk_buff>();
                if is_before(&*(&raw const (*skb).cb).cast::<C>()) {
                    link = &raw const (**link).rb_right;
                } else {
                    found = Some(link);
                    link = &raw const (**link).rb_left;
                }
            }
        }
        found
    }

    /// The first buffer.
    pub(crate) fn first(&self) -> Option<&SkBuff<C>> {
        // SAFETY: `Option<SkBuff>` is a nullable pointer to a buffer, and so, by the type
        // invariants, is a link of the tree; it is borrowed with `self`.
        unsafe { (*self.end_link(End::First).cast::<Option<SkBuff<C>>>()).as_ref() }
    }

    /// The last buffer.
    pub(crate) fn last(&self) -> Option<&SkBuff<C>> {
        // SAFETY: As in `first`.
        unsafe { (*self.end_link(End::Last).cast::<Option<SkBuff<C>>>()).as_ref() }
    }

    /// The first buffer whose control block does not satisfy `is_before`.
    pub(crate) fn find(&self, is_before: impl FnMut(&C) -> bool) -> Option<&SkBuff<C>> {
        let link = self.partition_link(is_before)?;
        // SAFETY: As in `first`.
        unsafe { (*link.cast::<Option<SkBuff<C>>>()).as_ref() }
    }

    /// As [`Self::find`], to change the buffer (but not its place in the order).
    pub(crate) fn find_mut(&mut self, is_before: impl FnMut(&C) -> bool) -> Option<&mut SkBuff<C>> {
        let link = self.partition_link(is_before)?;
        // SAFETY: As in `first`, borrowed exclusively.
        unsafe { (*link.cast_mut().cast::<Option<SkBuff<C>>>()).as_mut() }
    }

    /// Inserts a buffer at its place.
    pub(crate) fn insert(&mut self, buf: SkBuff<C>) {
        let cb = *buf.cb();
        let node = buf.into_raw().cast::<bindings::rb_node>();
        let mut parent: *mut bindings::rb_node = ptr::null_mut();
        let mut link: *mut *mut bindings::rb_node = &raw mut self.root.rb_node;
        // SAFETY: All nodes that are reached are of the tree and valid; `node` is the rbnode of a
        // buffer that we own, linked at an empty link below `parent`.
        unsafe {
            while !(*link).is_null() {
                parent = *link;
                let other = &*(&raw const (*parent.cast::<bindings::sk_buff>()).cb).cast::<C>();
                link = if cb.before(other) {
                    &raw mut (*parent).rb_left
                } else {
                    &raw mut (*parent).rb_right
                };
            }
            node.write(bindings::rb_node {
                __rb_parent_color: parent as usize,
                rb_right: ptr::null_mut(),
                rb_left: ptr::null_mut(),
            });
            *link = node;
            bindings::rb_insert_color(node, &mut self.root);
        }
    }

    /// Takes the node behind `link` out.
    ///
    /// # Safety
    ///
    /// `link` must be a link of this tree.
    unsafe fn take(&mut self, link: *const *mut bindings::rb_node) -> Option<SkBuff<C>> {
        // SAFETY: By the caller's promise.
        let node = NonNull::new(unsafe { *link })?;
        let skb = node.cast::<bindings::sk_buff>();
        // SAFETY: The node is in this tree. Afterwards its links are the list's again: cleared.
        unsafe {
            bindings::rb_erase(node.as_ptr(), &mut self.root);
            *next_link(skb.as_ptr()) = ptr::null_mut();
            *prev_link(skb.as_ptr()) = ptr::null_mut();
            // The third word of the node shares its place with `skb->dev`.
            node.as_ptr().write_bytes(0, 1);
        }
        // INVARIANT: The tree's reference passes to the caller; the control block stayed a `C`.
        Some(SkBuff {
            skb,
            _cb: PhantomData,
        })
    }

    /// Takes the first buffer out.
    pub(crate) fn pop_first(&mut self) -> Option<SkBuff<C>> {
        let link = self.end_link(End::First);
        // SAFETY: A link of this tree.
        unsafe { self.take(link) }
    }

    /// Takes the last buffer out.
    pub(crate) fn pop_last(&mut self) -> Option<SkBuff<C>> {
        let link = self.end_link(End::Last);
        // SAFETY: A link of this tree.
        unsafe { self.take(link) }
    }

    /// Takes out the first buffer that does not satisfy `is_before`, if it satisfies `is_it`.
    pub(crate) fn remove(
        &mut self,
        is_before: impl FnMut(&C) -> bool,
        is_it: impl FnOnce(&C) -> bool,
    ) -> Option<SkBuff<C>> {
        let link = self.partition_link(is_before)?;
        // SAFETY: A link of this tree, with a node behind it.
        unsafe {
            let skb = (*link).cast::<bindings::sk_buff>();
            if !is_it(&*(&raw const (*skb).cb).cast::<C>()) {
                return None;
            }
            self.take(link)
        }
    }
}

impl<C: ControlBlock> core::ops::Drop for SkTree<C> {
    fn drop(&mut self) {
        while self.pop_first().is_some() {}
    }
}
