// SPDX-License-Identifier: GPL-2.0

//! `struct sock`: allocation, references, the socket lock in its two forms, waiting and waking.
//!
//! A [`Sock<P>`] is an `inet_sock` (with an `ipv6_pinfo`) with two Rust parts behind it: `P::Shared`, which anybody with
//! a reference may use, and `P::Locked`, which only the holder of the socket lock may touch. The
//! lock is the kernel's: process context *owns* the socket ([`Sock::lock`], may sleep) and softirq
//! context holds its spinlock ([`Sock::bh_lock`]); a softirq that finds the socket owned puts its
//! packet into the backlog, which the owner works off before it lets go. Either way the holder has
//! a [`Locked`], and that is the only road to `P::Locked`.
//!
//! C header: [`include/net/sock.h`](srctree/include/net/sock.h)

mod backlog;
mod ends;
mod fine_timer;
mod memory;
mod wait;
mod wake;

pub(crate) use memory::{pool_limits, pool_sockets, set_pool_limits, Charge, PAGE_SIZE};
pub(crate) use wait::WaitEnd;
pub(crate) use wake::Change;

use super::{
    bindings,
    netns::Net,
    skbuff::{
        Gfp,
        SkBuff, //
    },
};
use core::{
    cell::UnsafeCell,
    mem::offset_of,
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::NonNull,
};
use kernel::{
    error::to_result,
    prelude::*,
    seq_file::SeqFile,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        atomic::{
            Atomic,
            Relaxed, //
        },
    },
    types::Opaque, //
};

/// A transport protocol whose sockets are [`Sock<Self>`].
pub(crate) trait Protocol: Sized + 'static {
    /// State that is safe to use without the socket lock.
    type Shared: Send + Sync;
    /// State under the socket lock.
    type Locked: Send;

    /// Makes the shared part of a new socket.
    fn new_shared() -> impl PinInit<Self::Shared>;
    /// Makes the locked part of a new socket.
    fn new_locked() -> Self::Locked;
    /// Handles a packet that waited in the backlog. Context: process, socket owned.
    fn backlog_rcv(sk: &mut Locked<'_, Self>, skb: SkBuff);
    /// Something was left for the owner by [`BhGuard::leave_news`]. Context: the end of an ownership.
    fn on_news(sk: &mut Locked<'_, Self>);
    /// SO_KEEPALIVE was set. Context: process, socket owned.
    fn on_keepalive(sk: &mut Locked<'_, Self>, on: bool);
    /// One of the socket's timers expired. Context: softirq, or the end of an ownership.
    fn on_timer(sk: &mut Locked<'_, Self>);
    /// Whether a read would not block. Context: any.
    fn is_readable(sk: &Sock<Self>) -> bool;
    /// Writes the attributes of SOF_TIMESTAMPING_OPT_STATS into `to`: how many bytes, and how many of
    /// them, at the end, only the news of an acknowledgment has. Context: any.
    fn write_stats(sk: &Sock<Self>, to: &mut [u8]) -> (usize, usize);
}

/// A socket of protocol `P`.
///
/// # Invariants
///
/// `inet` is an initialised `inet_sock` whose memory is of `P`'s `proto`, so `sk_alloc` made room
/// for the whole of `Self`; its `pinet6` is null for a socket of IPv4 and `inet6` here, initialised,
/// for one made for IPv6, and never changes; `fine`, `shared` and `locked` are initialised from [`Sock::alloc`] (or
/// [`Sock::clone_child`]) until `sk_destruct`. `locked` is accessed by the holder of the socket
/// lock only. The memory is freed an RCU grace period after the last reference (SOCK_RCU_FREE).
#[repr(C)]
pub(crate) struct Sock<P: Protocol> {
    inet: Opaque<bindings::inet_sock>,
    /// A timer expired while the socket was owned; `release_cb` makes up for it.
    timer_deferred: Atomic<bool>,
    /// The protocol left something for the owner; `release_cb` tells it. Under the spinlock.
    news: Atomic<bool>,
    /// Made for IPv6, and one of IPv4 since (IPV6_ADDRFORM).
    pub(super) as_v4: Atomic<bool>,
    /// For what is sooner than in a tick; see `fine_timer.rs`.
    fine: Opaque<bindings::hrtimer>,
    /// What the socket is charged for; under the socket lock.
    charge: UnsafeCell<Charge>,
    locked: UnsafeCell<P::Locked>,
    shared: P::Shared,
    inet6: Opaque<bindings::ipv6_pinfo>,
}

// SAFETY: References may be used from any CPU; `locked` is guarded by the socket lock.
unsafe impl<P: Protocol> Sync for Sock<P> {}
// SAFETY: A socket may be released on any CPU.
unsafe impl<P: Protocol> Send for Sock<P> {}

// SAFETY: `sock_hold` and `sock_put` count references to the socket.
unsafe impl<P: Protocol> AlwaysRefCounted for Sock<P> {
    fn inc_ref(&self) {
        // SAFETY: `self` is a valid socket with at least one reference.
        unsafe { bindings::sock_hold(self.as_ptr()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: By the caller's promise `obj` is valid and a reference is given up.
        unsafe { bindings::sock_put(obj.as_ref().as_ptr()) };
    }
}

/// The `proto` of the module's (only) protocol; see [`ProtoRegistration`].
struct StaticProto(UnsafeCell<Option<bindings::proto>>);
// SAFETY: Written once by the registration before any socket exists.
unsafe impl Sync for StaticProto {}
static PROTO: StaticProto = StaticProto(UnsafeCell::new(None));

pub(super) fn proto_ptr() -> *mut bindings::proto {
    // SAFETY: Written before any socket exists.
    match unsafe { (*PROTO.0.get()).as_mut() } {
        Some(proto) => proto,
        None => core::ptr::null_mut(),
    }
}

/// The registration of `P` with the socket layer: a slab cache and an entry in /proc/net/protocols.
///
/// # Invariants
///
/// `PROTO` is registered.
pub(crate) struct ProtoRegistration<P: Protocol>(core::marker::PhantomData<P>);

impl<P: Protocol> ProtoRegistration<P> {
    /// Registers `P` under `name`. The module does so once.
    pub(crate) fn new(name: &'static CStr, module: &'static ThisModule) -> Result<Self> {
        let mut proto = bindings::proto {
            owner: module.as_ptr().cast(),
            obj_size: core::mem::size_of::<Sock<P>>() as c_uint,
            slab_flags: bindings::SLAB_HWCACHE_ALIGN,
            backlog_rcv: Some(Sock::<P>::backlog_rcv),
            release_cb: Some(Sock::<P>::release_cb),
            keepalive: Some(Sock::<P>::keepalive_cb),
            max_header: bindings::MAX_TCP_HEADER as c_int,
            ipv6_pinfo_offset: offset_of!(Sock<P>, inet6) as c_uint,
            ..Default::default()
        };
        for (to, from) in proto.name.iter_mut().zip(name.to_bytes()) {
            *to = *from;
        }
        // SAFETY: The module registers once, before any socket exists.
        unsafe {
            *PROTO.0.get() = Some(proto);
            to_result(bindings::pool_init(proto_ptr()))?;
            if let Err(e) = to_result(bindings::proto_register(proto_ptr(), 1)) {
                bindings::pool_exit();
                return Err(e);
            }
        }
        // INVARIANT: Just registered.
        Ok(Self(core::marker::PhantomData))
    }
}

impl<P: Protocol> Drop for ProtoRegistration<P> {
    fn drop(&mut self) {
        // Sockets are freed by RCU callbacks, and the slab cache must be empty.
        kernel::sync::rcu::rcu_barrier();
        // SAFETY: Registered by the type invariants; no socket is left, since each holds a
        // reference to the module.
        unsafe {
            bindings::proto_unregister(proto_ptr());
            bindings::pool_exit();
        }
    }
}

impl<P: Protocol> Sock<P> {
    /// # Safety
    ///
    /// `sk` must be a socket of protocol `P`, alive (or RCU-protected) for `'a`.
    #[inline]
    pub(super) unsafe fn from_raw<'a>(sk: *mut bindings::sock) -> &'a Self {
        // SAFETY: By the caller's promise. CAST: `inet_sock` starts with `sock` and is first here.
        unsafe { &*sk.cast() }
    }

    /// The C socket.
    #[inline]
    pub(super) fn as_ptr(&self) -> *mut bindings::sock {
        self.inet.get().cast()
    }

    #[inline]
    pub(super) fn inet(&self) -> *mut bindings::inet_sock {
        self.inet.get()
    }

    /// The IPv6 part of an IPv6 socket.
    #[inline]
    fn inet6(&self) -> Option<NonNull<bindings::ipv6_pinfo>> {
        // SAFETY: A pointer that does not change, by the type invariants.
        NonNull::new(unsafe { (*self.inet()).pinet6 })
    }

    /// Whether it is a socket of IPv6 (which may have an IPv4 peer).
    #[inline]
    pub(crate) fn is_v6(&self) -> bool {
        self.inet6().is_some() && !self.as_v4.load(Relaxed)
    }

    /// Makes a socket of IPv4 or (`v6`) IPv6 and attaches it to `socket`. May sleep.
    ///
    /// # Safety
    ///
    /// `socket` must be a valid socket without a sock, being created by the caller.
    pub(super) unsafe fn alloc(
        net: Net,
        socket: *mut bindings::socket,
        protocol: u16,
        family: u16,
        v6: bool,
        kern: bool,
    ) -> Result<()> {
        // SAFETY: The proto is registered and the namespace alive.
        let sk = unsafe {
            bindings::sk_alloc(
                net.as_ptr(),
                c_int::from(family),
                bindings::GFP_KERNEL,
                proto_ptr(),
                c_int::from(kern),
            )
        };
        let Some(sk) = NonNull::new(sk) else {
            // As socket() says it over IPv6, and over IPv4.
            return Err(if v6 { ENOBUFS } else { ENOMEM });
        };
        // SAFETY: `sk` is fresh and has room for `Self`, by the registration.
        unsafe {
            bindings::sock_init_data(socket, sk.as_ptr());
            bindings::sk_note_error_report(sk.as_ptr());
            bindings::inet_sock_defaults(sk.as_ptr());
            if v6 {
                let this = sk.as_ptr().cast::<Self>();
                bindings::inet6_sock_defaults(
                    sk.as_ptr(),
                    Opaque::cast_into(&raw const (*this).inet6),
                );
            }
            Self::init_rust_parts(sk.as_ptr());
            (*sk.as_ptr()).sk_protocol = protocol;
            (*sk.as_ptr()).sk_backlog_rcv = Some(Self::backlog_rcv);
            bindings::sock_set_flag(
                sk.as_ptr(),
                bindings::sock_flags_SOCK_USE_WRITE_QUEUE as c_int,
            );
            bindings::sock_set_flag(sk.as_ptr(), bindings::sock_flags_SOCK_RCU_FREE as c_int);
            // (`sk_clone` does so itself.)
            bindings::sk_sockets_allocated_inc(sk.as_ptr());
        }
        Ok(())
    }

    /// Writes the parts behind the `inet_sock` of a new socket.
    ///
    /// # Safety
    ///
    /// `sk` must be a new socket of protocol `P` that nobody else can reach.
    unsafe fn init_rust_parts(sk: *mut bindings::sock) {
        let this = sk.cast::<Self>();
        // SAFETY: The caller has the socket for itself; the memory is `Self`'s. `new_shared`
        // can't fail, and the slot is never moved.
        unsafe {
            (&raw mut (*this).timer_deferred).write(Atomic::new(false));
            (&raw mut (*this).news).write(Atomic::new(false));
            (&raw mut (*this).as_v4).write(Atomic::new(false));
            (&raw mut (*this).charge).write(UnsafeCell::new(Charge::default()));
            (&raw mut (*this).locked).write(UnsafeCell::new(P::new_locked()));
            let Ok(()) = P::new_shared().__init(&raw mut (*this).shared);
            bindings::timer_setup(
                &raw mut (*sk).__bindgen_anon_3.sk_timer,
                Some(Self::timer),
                0,
            );
            Self::init_fine_timer(this);
            (*sk).sk_destruct = Some(Self::destruct);
        }
    }

    /// A new socket with this (listening) socket's options, not yet attached to a file.
    /// Context: softirq. The caller owns the only reference and must [`Self::abandon`] it if it
    /// comes to nothing.
    pub(crate) fn clone_child(&self) -> Option<ARef<Self>> {
        // SAFETY: `self` is valid. `sk_clone` copies the whole object, our parts included, as
        // bytes; they are overwritten without being dropped before anybody can see them.
        unsafe {
            let sk = NonNull::new(bindings::sk_clone(self.as_ptr(), Gfp::ATOMIC.bits(), false))?;
            let inet = sk.as_ptr().cast::<bindings::inet_sock>();
            // A number of its own, and identifiers that say nothing about others'.
            bindings::sk_is_another(sk.as_ptr());
            (*inet).inet_opt = core::ptr::null_mut();
            (*inet).mc_list = core::ptr::null_mut();
            (*inet).ipv6_fl_list = core::ptr::null_mut();
            let this = sk.as_ptr().cast::<Self>();
            // Also where IPV6_ADDRFORM made it one of IPv4: the copied pointer is to the listener's.
            if self.inet6().is_some() {
                // INVARIANT: The copy's own, no longer the listener's.
                bindings::inet6_sock_copied(
                    self.as_ptr(),
                    sk.as_ptr(),
                    Opaque::cast_into(&raw const (*this).inet6),
                );
            }
            (*sk.as_ptr()).sk_rx_dst = core::ptr::null_mut();
            // A page that the listener sent from when it was connected is the listener's.
            (*sk.as_ptr()).sk_frag.page = core::ptr::null_mut();
            (*sk.as_ptr()).sk_max_ack_backlog = 0;
            // Not the listener's: a child that never becomes a connection goes as it is.
            bindings::sk_state_store(sk.as_ptr(), bindings::TCP_CLOSE as c_int);
            Self::init_rust_parts(sk.as_ptr());
            (*this).as_v4.store(self.as_v4.load(Relaxed), Relaxed);
            // `sk_clone` counts one reference for itself and one for a hash table of its own kind.
            bindings::sock_put(sk.as_ptr());
            Some(ARef::from_raw(sk.cast()))
        }
    }

    /// Marks a socket that no file will be attached to (any more) as dead.
    pub(crate) fn abandon(&self) {
        // SAFETY: Valid.
        unsafe { bindings::sock_orphan(self.as_ptr()) };
    }

    /// Whether no file is attached.
    pub(crate) fn is_dead(&self) -> bool {
        // SAFETY: Valid.
        unsafe { bindings::sock_flag(self.as_ptr(), bindings::sock_flags_SOCK_DEAD as c_int) }
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn destruct(sk: *mut bindings::sock) {
        // SAFETY: The last reference is gone and a grace period has passed, so nobody uses the
        // parts any more; they were initialised together with this callback.
        unsafe {
            let this = sk.cast::<Self>();
            core::ptr::drop_in_place(&raw mut (*this).locked);
            core::ptr::drop_in_place(&raw mut (*this).shared);
            (*this).move_charge(Charge::default());
            bindings::sk_sockets_allocated_dec(sk);
            bindings::sk_free_policies(sk);
            if (*this).inet6().is_some() {
                bindings::inet6_sock_destruct(sk);
            } else {
                bindings::inet_sock_destruct(sk);
            }
        }
    }

    /// The part that needs no lock.
    #[inline]
    pub(crate) fn shared(&self) -> &P::Shared {
        &self.shared
    }

    /// The namespace that the socket lives in.
    pub(crate) fn net(&self) -> Net {
        // SAFETY: The socket holds a reference to its namespace (or is a kernel socket that the
        // namespace's exit waits for).
        unsafe { Net::from_raw(bindings::sock_net(self.as_ptr())) }.unwrap_or_else(Net::init)
    }

    /// Whether a file holds the socket: not before accept() takes it, nor after close().
    pub(crate) fn has_user(&self) -> bool {
        // SAFETY: A single word of a valid socket, of which it only counts whether it is null.
        unsafe { !core::ptr::read_volatile(&raw const (*self.as_ptr()).sk_socket).is_null() }
    }

    // --- what may be read without the lock ------------------------------------------------------

    /// `sk_state`, one of the kernel's TCP_* numbers.
    pub(crate) fn state(&self) -> u8 {
        // SAFETY: A single byte of a valid socket.
        unsafe { core::ptr::read_volatile(&raw const (*self.as_ptr()).__sk_common.skc_state) }
    }

    /// `sk_shutdown`: RCV_SHUTDOWN and SEND_SHUTDOWN bits.
    pub(crate) fn shutdown_bits(&self) -> u8 {
        // SAFETY: Valid.
        unsafe { bindings::sk_shutdown(self.as_ptr()) }
    }

    /// The pending error as a positive errno; 0 for none.
    pub(crate) fn pending_error(&self) -> c_int {
        // SAFETY: Valid.
        unsafe { bindings::sk_err(self.as_ptr()) }
    }

    /// Whether messages wait in the error queue.
    pub(crate) fn has_error_queue(&self) -> bool {
        // SAFETY: Valid.
        unsafe { !bindings::sk_errqueue_empty(self.as_ptr()) }
    }

    /// Takes the pending error.
    pub(crate) fn take_error(&self) -> Result {
        // SAFETY: Valid.
        to_result(unsafe { bindings::sock_error(self.as_ptr()) })
    }

    /// SO_SNDBUF as it stands, bytes.
    pub(crate) fn sndbuf(&self) -> u32 {
        // SAFETY: A single word of a valid socket.
        unsafe { u32::try_from((*self.as_ptr()).sk_sndbuf).unwrap_or(0) }
    }

    /// SO_RCVBUF as it stands, bytes.
    pub(crate) fn rcvbuf(&self) -> u32 {
        // SAFETY: A single word of a valid socket.
        unsafe { u32::try_from((*self.as_ptr()).sk_rcvbuf).unwrap_or(0) }
    }

    /// Whether the queueing discipline paces what this socket sends, and SO_MAX_PACING_RATE,
    /// bytes a second (`u64::MAX`: any).
    pub(crate) fn pacing(&self) -> (bool, u64) {
        // SAFETY: Two single words of a valid socket, which others may change at any time.
        let (status, most) = unsafe {
            let sk = self.as_ptr();
            (
                (&raw const (*sk).sk_pacing_status).read_volatile(),
                (&raw const (*sk).sk_max_pacing_rate).read_volatile(),
            )
        };
        (status == bindings::sk_pacing_SK_PACING_FQ, most as u64)
    }

    /// SO_RCVLOWAT.
    pub(crate) fn rcvlowat(&self) -> u32 {
        // SAFETY: A single word of a valid socket.
        unsafe {
            u32::try_from((*self.as_ptr()).sk_rcvlowat)
                .unwrap_or(1)
                .max(1)
        }
    }

    /// Whether the user fixed SO_SNDBUF and SO_RCVBUF.
    pub(crate) fn buffer_locks(&self) -> (bool, bool) {
        // SAFETY: A single byte of a valid socket.
        let locks = u32::from(unsafe { (*self.as_ptr()).sk_userlocks });
        (
            locks & bindings::SOCK_SNDBUF_LOCK != 0,
            locks & bindings::SOCK_RCVBUF_LOCK != 0,
        )
    }

    /// SO_REUSEADDR.
    pub(crate) fn reuse_addr(&self) -> bool {
        // SAFETY: A bit field of a valid socket.
        unsafe { (*self.as_ptr()).__sk_common.skc_reuse() != 0 }
    }

    /// SO_LINGER: the time in ticks if it is on.
    pub(crate) fn linger(&self) -> Option<usize> {
        // SAFETY: Valid.
        unsafe {
            bindings::sock_flag(self.as_ptr(), bindings::sock_flags_SOCK_LINGER as c_int)
                .then(|| (*self.as_ptr()).sk_lingertime)
        }
    }

    /// How long a call to receive, accept or the like may block, in ticks.
    pub(crate) fn rcvtimeo(&self, nonblock: bool) -> c_long {
        // SAFETY: Valid.
        unsafe { bindings::sock_rcvtimeo(self.as_ptr(), nonblock) }
    }

    /// How long a call to send or connect may block, in ticks.
    pub(crate) fn sndtimeo(&self, nonblock: bool) -> c_long {
        // SAFETY: Valid.
        unsafe { bindings::sock_sndtimeo(self.as_ptr(), nonblock) }
    }

    /// User, as who reads the file knows him, and inode number for /proc/net.
    pub(crate) fn owner_ids(&self, reader: &SeqFile) -> (u32, u64) {
        // SAFETY: A valid socket and an open file; `sk_ino` is a single word.
        unsafe {
            // CAST: The layouts are the same.
            let reader = core::ptr::from_ref(reader).cast::<bindings::seq_file>();
            let uid = bindings::sk_uid_for(self.as_ptr(), reader);
            (uid, (*self.as_ptr()).sk_ino)
        }
    }

    /// What [`Locked::set_soft_error`] set, and nobody was told yet.
    #[inline]
    pub(crate) fn soft_error(&self) -> c_int {
        // SAFETY: A single word of a valid socket.
        unsafe { (&raw const (*self.as_ptr()).sk_err_soft).read_volatile() }
    }

    /// The number of references, for /proc/net.
    pub(crate) fn refcount(&self) -> c_int {
        // SAFETY: A single word of a valid socket.
        unsafe { (*self.as_ptr()).__sk_common.skc_refcnt.refs.counter }
    }

    // --- the lock ---------------------------------------------------------------------------------

    /// Takes ownership. Context: process; sleeps while another task owns the socket.
    pub(crate) fn lock(&self) -> SockGuard<'_, P> {
        // SAFETY: Valid.
        unsafe { bindings::lock_sock(self.as_ptr()) };
        SockGuard {
            inner: Locked { sk: self },
            reads: false,
        }
    }

    /// As [`Self::lock`] for a child while its listener is owned.
    pub(crate) fn lock_nested(&self) -> SockGuard<'_, P> {
        const SINGLE_DEPTH_NESTING: c_int = 1;
        // SAFETY: Valid.
        unsafe { bindings::lock_sock_nested(self.as_ptr(), SINGLE_DEPTH_NESTING) };
        SockGuard {
            inner: Locked { sk: self },
            reads: false,
        }
    }

    /// Takes the spinlock. Context: softirq (or process with bottom halves off).
    pub(crate) fn bh_lock(&self) -> BhGuard<'_, P> {
        // SAFETY: Valid.
        unsafe { bindings::bh_lock_sock(self.as_ptr()) };
        BhGuard {
            inner: Locked { sk: self },
        }
    }

    /// As [`Self::bh_lock`] for a child while its listener is locked.
    pub(crate) fn bh_lock_nested(&self) -> BhGuard<'_, P> {
        // SAFETY: Valid.
        unsafe { bindings::bh_lock_sock_nested(self.as_ptr()) };
        BhGuard {
            inner: Locked { sk: self },
        }
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn backlog_rcv(
        sk: *mut bindings::sock,
        skb: *mut bindings::sk_buff,
    ) -> c_int {
        if let Some(skb) = NonNull::new(skb) {
            // SAFETY: Called by the owner of the socket with a packet that it hands over.
            unsafe {
                let mut locked = Locked {
                    sk: Self::from_raw(sk),
                };
                P::backlog_rcv(&mut locked, SkBuff::from_raw(skb));
            }
        }
        0
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn release_cb(sk: *mut bindings::sock) {
        // SAFETY: Called by the owner of the socket.
        let this = unsafe { Self::from_raw(sk) };
        if this.news.load(Relaxed) {
            this.news.store(false, Relaxed);
            P::on_news(&mut Locked { sk: this });
        }
        if this.timer_deferred.load(Relaxed) {
            this.timer_deferred.store(false, Relaxed);
            P::on_timer(&mut Locked { sk: this });
        }
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn keepalive_cb(sk: *mut bindings::sock, on: c_int) {
        // SAFETY: Called by the owner of the socket.
        let this = unsafe { Self::from_raw(sk) };
        P::on_keepalive(&mut Locked { sk: this }, on != 0);
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn timer(timer: *mut bindings::timer_list) {
        // SAFETY: The timer is `sk_timer` of a socket that the armed timer holds a reference to.
        let this = unsafe {
            Self::from_raw(
                timer
                    .byte_sub(offset_of!(bindings::sock, __bindgen_anon_3))
                    .cast(),
            )
        };
        this.expired();
        // SAFETY: Gives up the timer's reference.
        unsafe { bindings::sock_put(this.as_ptr()) };
    }

    /// A timer expired. Context: softirq.
    fn expired(&self) {
        let mut guard = self.bh_lock();
        match guard.unowned() {
            Some(locked) => P::on_timer(locked),
            None => self.timer_deferred.store(true, Relaxed),
        }
    }
}

/// The right to use `P::Locked`: whoever has one holds the socket lock in one of its forms.
pub(crate) struct Locked<'a, P: Protocol> {
    sk: &'a Sock<P>,
}

impl<'a, P: Protocol> Locked<'a, P> {
    /// The socket.
    #[inline]
    pub(crate) fn sk(&self) -> &'a Sock<P> {
        self.sk
    }

    /// The part under the lock.
    #[inline]
    pub(crate) fn data(&mut self) -> &mut P::Locked {
        // SAFETY: A `Locked` exists only while the socket lock is held, and `self` is exclusive.
        unsafe { &mut *self.sk.locked.get() }
    }

    /// The part under the lock, to look at.
    #[inline]
    pub(crate) fn peek(&self) -> &P::Locked {
        // SAFETY: As in `data`.
        unsafe { &*self.sk.locked.get() }
    }

    /// The part under the lock together with what sends and copies for it.
    #[inline]
    pub(crate) fn parts(&mut self) -> (Wire<'_, P>, &mut P::Locked) {
        // SAFETY: As in `data`; `Wire` does not touch the locked part.
        (Wire { sk: self.sk }, unsafe { &mut *self.sk.locked.get() })
    }

    /// Sets `sk_state` to one of the kernel's TCP_* numbers.
    pub(crate) fn set_state(&mut self, state: u8) {
        // SAFETY: Valid, and the lock is held.
        unsafe { bindings::sk_state_store(self.sk.as_ptr(), c_int::from(state)) };
    }

    /// Adds RCV_SHUTDOWN or SEND_SHUTDOWN bits.
    pub(crate) fn add_shutdown(&mut self, bits: u8) {
        // SAFETY: Valid, and the lock is held.
        unsafe { bindings::sk_set_shutdown(self.sk.as_ptr(), bits) };
    }

    /// Clears both shutdown bits (a listener that stops listening starts anew).
    pub(crate) fn clear_shutdown(&mut self) {
        // SAFETY: Valid, and the lock is held.
        unsafe { (*self.sk.as_ptr()).sk_shutdown = 0 };
    }

    /// Sets the pending error (a positive errno) and tells who waits.
    pub(crate) fn report_error(&mut self, errno: c_int) {
        // SAFETY: Valid, and the lock is held.
        unsafe { bindings::sk_set_error(self.sk.as_ptr(), errno) };
    }

    /// An ICMP error that does not end the connection (a positive errno), which SO_ERROR tells once if nothing
    /// worse is pending; 0: what came since made up for it.
    pub(crate) fn set_soft_error(&mut self, errno: c_int) {
        // SAFETY: A single word of a valid socket.
        unsafe { (&raw mut (*self.sk.as_ptr()).sk_err_soft).write_volatile(errno) };
    }

    /// Its packets are numbered from anywhere (`net.ipv4`'s identifiers).
    pub(crate) fn choose_id(&mut self) {
        // SAFETY: Valid.
        unsafe { bindings::sk_choose_id(self.sk.as_ptr()) };
    }

    /// Writers that wait for room may go on.
    pub(crate) fn wake_writer(&mut self) {
        // SAFETY: Valid, and the lock keeps `sk_socket` in place.
        unsafe { bindings::sk_wake_writer(self.sk.as_ptr()) };
    }

    /// Writes back a buffer size that autotuning moved.
    pub(crate) fn set_buffers(&mut self, sndbuf: u32, rcvbuf: u32) {
        // SAFETY: Valid, and the lock is held.
        unsafe {
            (*self.sk.as_ptr()).sk_sndbuf = c_int::try_from(sndbuf).unwrap_or(c_int::MAX);
            (*self.sk.as_ptr()).sk_rcvbuf = c_int::try_from(rcvbuf).unwrap_or(c_int::MAX);
        }
    }

    /// The connection was taken away by its user: calls that wait for it end.
    pub(crate) fn note_disconnect(&mut self) {
        // SAFETY: Valid, and the lock is held.
        unsafe {
            (*self.sk.as_ptr()).sk_disconnects = (*self.sk.as_ptr()).sk_disconnects.wrapping_add(1)
        };
    }

    /// Sets the listen backlog that `ss` shows.
    pub(crate) fn set_max_ack_backlog(&mut self, backlog: u32) {
        // SAFETY: Valid, and the lock is held.
        unsafe { (*self.sk.as_ptr()).sk_max_ack_backlog = backlog };
    }

    /// Arms the socket's timer `delay_ms` milliseconds from now. The armed timer holds a reference.
    pub(crate) fn arm_timer(&mut self, delay_ms: u64) {
        // SAFETY: The timer is initialised; `sk_reset_timer` takes the reference that `timer` and
        // `stop_timer` give up.
        unsafe {
            let sk = self.sk.as_ptr();
            bindings::sk_reset_timer(
                sk,
                &raw mut (*sk).__bindgen_anon_3.sk_timer,
                super::clock::jiffies_after_ms(delay_ms),
            );
        }
    }

    /// Stops the socket's timers.
    pub(crate) fn stop_timer(&mut self) {
        self.stop_fine_timer();
        // SAFETY: As in `arm_timer`.
        unsafe {
            let sk = self.sk.as_ptr();
            bindings::sk_stop_timer(sk, &raw mut (*sk).__bindgen_anon_3.sk_timer);
        }
        self.sk.timer_deferred.store(false, Relaxed);
    }

    /// Attaches a child to the socket `new` that accept() made for it. What it holds already is
    /// charged to the caller's memory cgroup from now on.
    ///
    /// # Safety
    ///
    /// `listener` must be the listener's socket and `new` a new one without a sock.
    pub(super) unsafe fn graft(
        &mut self,
        listener: *mut bindings::socket,
        new: *mut bindings::socket,
    ) {
        // SAFETY: By the caller's promise; the lock is held by a task.
        unsafe { bindings::__inet_accept(listener, new, self.sk.as_ptr()) };
    }
}

/// A locked socket less its locked part, which is borrowed at the same time.
pub(crate) struct Wire<'a, P: Protocol> {
    sk: &'a Sock<P>,
}

impl<'a, P: Protocol> Wire<'a, P> {
    /// The socket.
    pub(crate) fn sk(&self) -> &'a Sock<P> {
        self.sk
    }
}

/// Ownership of a socket by a task; let go on drop, after the backlog was worked off.
pub(crate) struct SockGuard<'a, P: Protocol> {
    inner: Locked<'a, P>,
    /// What the call that has it waits for is something to read; see [`Self::wait`].
    reads: bool,
}

impl<'a, P: Protocol> Deref for SockGuard<'a, P> {
    type Target = Locked<'a, P>;
    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl<P: Protocol> DerefMut for SockGuard<'_, P> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.inner
    }
}

impl<P: Protocol> Drop for SockGuard<'_, P> {
    fn drop(&mut self) {
        // SAFETY: We own the socket.
        unsafe { bindings::release_sock(self.inner.sk.as_ptr()) };
    }
}

/// The spinlock of a socket, held.
pub(crate) struct BhGuard<'a, P: Protocol> {
    inner: Locked<'a, P>,
}

impl<'a, P: Protocol> BhGuard<'a, P> {
    /// The right to the locked part, unless a task owns the socket.
    pub(crate) fn unowned(&mut self) -> Option<&mut Locked<'a, P>> {
        // SAFETY: Valid, and the spinlock is held.
        if unsafe { bindings::sock_owned_by_user(self.inner.sk.as_ptr()) } {
            None
        } else {
            Some(&mut self.inner)
        }
    }

    /// A task owns the socket: when it lets go it calls [`Protocol::on_news`].
    pub(crate) fn leave_news(&mut self) {
        self.inner.sk.news.store(true, Relaxed);
    }
}

impl<P: Protocol> Drop for BhGuard<'_, P> {
    fn drop(&mut self) {
        // SAFETY: We hold the spinlock.
        unsafe { bindings::bh_unlock_sock(self.inner.sk.as_ptr()) };
    }
}
