// SPDX-License-Identifier: GPL-2.0

//! A port that the kernel's TCP knows to be taken: held by a kernel socket bound to it.
//!
//! The kernel's own rules for bind() decide then, for both stacks alike: EADDRINUSE,
//! EADDRNOTAVAIL, EACCES below 1024, SO_REUSEADDR. A listener's reservation listens too (it never
//! sees a SYN, ours come first), since that is what keeps a second listener from the port.

use super::{
    addr::{
        write_sockaddr,
        Endpoint,
        Name, //
    },
    bindings,
    lifo::{
        Lifo,
        Link, //
    },
    sock::{
        Protocol,
        Sock, //
    },
};
use core::ptr::NonNull;
use kernel::{
    error::to_result,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Full,
            Release, //
        },
        global_lock, //
    },
    types::Opaque, //
};

/// The kernel socket that holds a port.
///
/// # Invariants
///
/// Valid, and released by [`flush`], or where it was made if nobody came to know it.
struct Holder(NonNull<bindings::socket>);

// SAFETY: A kernel socket may be used and released by any task.
unsafe impl Send for Holder {}
// SAFETY: The calls take the kernel socket's own lock.
unsafe impl Sync for Holder {}

/// A reserved port, which is given back by way of a workqueue, because that sleeps. May be dropped in
/// any context.
pub(crate) struct ReservationBox(Option<KBox<Link<Holder>>>);

/// Those to be given back. One work item for all of them, so that many that end at a time cost one
/// wake-up.
static GIVEN_UP: Lifo<Holder> = Lifo::new();

global_lock! {
    // SAFETY: `ReserveQueue::new` initialises it, before there is a socket.
    unsafe(uninit) static GIVING_BACK: Mutex<()> = ();
}

/// The workqueue that gives reservations back, and its only work.
struct Queue {
    queue: Atomic<*mut bindings::workqueue_struct>,
    work: Opaque<bindings::work_struct>,
}

// SAFETY: `queue` is atomic, and workqueues may be used by all CPUs at once; `work` is initialised
// before `queue` is set, and touched only by the workqueue's functions.
unsafe impl Sync for Queue {}

static QUEUE: Queue = Queue {
    queue: Atomic::new(core::ptr::null_mut()),
    work: Opaque::uninit(),
};

/// Keeps the workqueue; dropped last.
pub(crate) struct ReserveQueue(());

impl ReserveQueue {
    /// Makes the workqueue. The module does so once.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: Plain call; the name is a literal format without arguments.
        let queue = unsafe {
            bindings::alloc_workqueue_noprof(
                c"rusttcp".as_char_ptr(),
                bindings::wq_flags_WQ_UNBOUND,
                0,
            )
        };
        if queue.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: Called once, and nothing gives anything back before.
        unsafe { GIVING_BACK.init() };
        // SAFETY: A static, which nothing uses before `queue` is set.
        unsafe { bindings::init_work(QUEUE.work.get(), Some(ReservationBox::release)) };
        QUEUE.queue.store(queue, Release);
        Ok(Self(()))
    }
}

impl Drop for ReserveQueue {
    fn drop(&mut self) {
        let queue = QUEUE.queue.xchg(core::ptr::null_mut(), Full);
        // SAFETY: Made by `new`; nothing queues any more. Waits for what is queued.
        unsafe { bindings::destroy_workqueue(queue) };
    }
}

/// Gives back the reservations that were dropped; when it returns, all that were dropped before are given
/// back. Whoever takes some from the list releases them before he lets go of the lock. To wait for the queue
/// instead would not do: the work may be marked as pending by a CPU that has yet to put it there
/// (`selftests/loom` has a model of both). Context: process.
pub(crate) fn flush() {
    let _turn = GIVING_BACK.lock();
    for given_up in GIVEN_UP.take() {
        // SAFETY: By the type invariants it is valid; it was dropped, so nobody else knows it.
        unsafe { bindings::sock_release(given_up.value().0.as_ptr()) };
    }
}

impl ReservationBox {
    /// Reserves `local` (port 0: any) with the rules of bind() and the options of `sk` that count
    /// there. Context: process.
    pub(crate) fn bind<P: Protocol>(sk: &Sock<P>, local: Endpoint) -> Result<Self> {
        match Self::try_bind(sk, local, true) {
            // Perhaps taken by a reservation that is on its way back.
            Err(e) if e == EADDRINUSE => {
                flush();
                Self::try_bind(sk, local, true)
            }
            result => result,
        }
    }

    /// As [`Self::bind`], without a second try; with `share` the socket's SO_REUSEADDR and
    /// SO_REUSEPORT count.
    pub(crate) fn try_bind<P: Protocol>(
        sk: &Sock<P>,
        local: Endpoint,
        share: bool,
    ) -> Result<Self> {
        let net = sk.net();
        let mut socket: *mut bindings::socket = core::ptr::null_mut();
        let family = if sk.is_v6() {
            bindings::AF_INET6
        } else {
            bindings::AF_INET
        };
        // SAFETY: The namespace is alive; the result is a valid place.
        to_result(unsafe {
            bindings::sock_create_kern(
                net.as_ptr(),
                family as c_int,
                bindings::sock_type_SOCK_STREAM as c_int,
                bindings::IPPROTO_TCP as c_int,
                &mut socket,
            )
        })
        // No inode for it: nothing that the user has too many of.
        .map_err(|e| if e == ENFILE { ENOBUFS } else { e })?;
        let socket = NonNull::new(socket).ok_or(ENOMEM)?;
        // INVARIANT: The socket is only known to the box.
        let Ok(boxed) = KBox::new(Link::new(Holder(socket)), GFP_KERNEL) else {
            // SAFETY: Just made.
            unsafe { bindings::sock_release(socket.as_ptr()) };
            return Err(ENOMEM);
        };
        let this = Self(Some(boxed));
        let mut addr = bindings::sockaddr_in6::default();
        let name = Name {
            endpoint: local,
            flow: 0,
        };
        // SAFETY: A valid kernel socket, not yet bound; the address is valid for its length.
        unsafe {
            let len = write_sockaddr((&raw mut addr).cast(), name, sk.is_v6());
            let holder = (*socket.as_ptr()).sk;
            bindings::sk_copy_bind_options(holder, sk.as_ptr(), share, false);
            to_result(bindings::kernel_bind(
                socket.as_ptr(),
                (&raw mut addr).cast(),
                len,
            ))?;
            // Whoever chose the port: it is kept when a listener ends (see `unlisten`).
            bindings::sk_lock_port((*socket.as_ptr()).sk);
            if share {
                bindings::sk_copy_reuseport(holder, sk.as_ptr());
            }
        }
        Ok(this)
    }

    /// The options of `sk`, which bound this one and is locked, have changed: those that count in bind() count
    /// live where another binds, and which device a listener is for decides on each SYN. (One that comes
    /// between the two changes may see the old device.) A listener's children share its reservation, and with it these
    /// options.
    pub(crate) fn follow<P: Protocol>(&self, sk: &Sock<P>) {
        if let Some(r) = &self.0 {
            // SAFETY: Two valid sockets; nobody else writes these of the reservation's.
            unsafe {
                let holder = (*r.value().0.as_ptr()).sk;
                bindings::sk_copy_bind_options(holder, sk.as_ptr(), true, true);
            }
        }
    }

    /// What bind() made of the interface and of IPV6_V6ONLY: a link-local address brings an
    /// interface, and a socket that is bound to an address of IPv6 is for IPv6 only.
    pub(crate) fn outcome(&self) -> (c_int, bool) {
        match &self.0 {
            // SAFETY: A valid, bound kernel socket.
            Some(r) => unsafe {
                let sk = (*r.value().0.as_ptr()).sk;
                let dev = (*sk).__sk_common.skc_bound_dev_if;
                (dev, bindings::sk_ipv6only(sk))
            },
            None => (0, false),
        }
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        match &self.0 {
            // SAFETY: A valid, bound kernel socket.
            Some(r) => unsafe {
                (*(*r.value().0.as_ptr()).sk)
                    .__sk_common
                    .__bindgen_anon_3
                    .__bindgen_anon_1
                    .skc_num
            },
            None => 0,
        }
    }

    /// Lets it listen: from now on no one else may listen there. Context: process.
    pub(crate) fn listen(&self) -> Result {
        match &self.0 {
            // SAFETY: A valid, bound kernel socket.
            Some(r) => to_result(unsafe { bindings::kernel_listen(r.value().0.as_ptr(), 1) }),
            None => Err(EINVAL),
        }
    }

    /// The listener is gone and connections go on: the port stays bound, as theirs do.
    pub(crate) fn unlisten(&self) {
        if let Some(r) = &self.0 {
            // SAFETY: A valid kernel socket. A listener that is shut becomes unconnected and, its
            // port being locked, keeps it.
            unsafe {
                bindings::kernel_sock_shutdown(
                    r.value().0.as_ptr(),
                    bindings::sock_shutdown_cmd_SHUT_RDWR,
                );
            }
        }
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn release(_work: *mut bindings::work_struct) {
        flush();
    }
}

impl Drop for ReservationBox {
    fn drop(&mut self) {
        let Some(boxed) = self.0.take() else {
            return;
        };
        GIVEN_UP.push(boxed);
        let queue = QUEUE.queue.load(Acquire);
        // SAFETY: The queue outlives every socket, and the work is initialised once it is set. If
        // the work is pending already, it has yet to take the list, and finds this one on it:
        // queue_work() and the start of a work item are full barriers to each other.
        unsafe { bindings::queue_work(queue, QUEUE.work.get()) };
    }
}
