// SPDX-License-Identifier: GPL-2.0

//! A spinlock that keeps softirqs off while it is held; and a box that is made only when it is needed.
//!
//! What process context and the receive path share (tables, accept queues) is guarded by one of
//! these; the kernel crate has no `_bh` variant.
//!
//! C header: [`include/linux/spinlock.h`](srctree/include/linux/spinlock.h)

use super::bindings;
use kernel::{
    ffi::c_char,
    prelude::*,
    sync::{
        lock::{
            Backend,
            Lock, //
        },
        SetOnce, //
    },
};

/// A spinlock taken with `spin_lock_bh()`.
pub(crate) type BhSpinLock<T> = Lock<T, BhSpinLockBackend>;

/// The backend of [`BhSpinLock`].
pub(crate) struct BhSpinLockBackend;

// SAFETY: `spin_lock_bh()` gives mutual exclusion between all contexts that may take the lock
// (process and softirq); `unlock` undoes exactly what `lock` did.
unsafe impl Backend for BhSpinLockBackend {
    type State = kernel::bindings::spinlock_t;
    type GuardState = ();

    unsafe fn init(
        ptr: *mut Self::State,
        name: *const c_char,
        key: *mut kernel::bindings::lock_class_key,
    ) {
        // SAFETY: By the caller's promise.
        unsafe { kernel::bindings::__spin_lock_init(ptr, name, key) }
    }

    unsafe fn lock(ptr: *mut Self::State) -> Self::GuardState {
        // SAFETY: By the caller's promise. CAST: The same C type.
        unsafe { bindings::spin_lock_bh(ptr.cast()) }
    }

    unsafe fn try_lock(ptr: *mut Self::State) -> Option<Self::GuardState> {
        // SAFETY: By the caller's promise. CAST: The same C type.
        if unsafe { bindings::spin_trylock_bh(ptr.cast()) } != 0 {
            Some(())
        } else {
            None
        }
    }

    unsafe fn unlock(ptr: *mut Self::State, _guard_state: &Self::GuardState) {
        // SAFETY: By the caller's promise. CAST: The same C type.
        unsafe { bindings::spin_unlock_bh(ptr.cast()) }
    }

    unsafe fn assert_is_held(ptr: *mut Self::State) {
        // SAFETY: By the caller's promise.
        unsafe { kernel::bindings::spin_assert_is_held(ptr) }
    }
}

/// Initialises a [`BhSpinLock`] with a lockdep class of its own at the place of the call.
macro_rules! new_bh_spinlock {
    ($inner:expr, $name:literal) => {
        $crate::net::lock::BhSpinLock::new(
            $inner,
            ::kernel::c_str!($name),
            ::kernel::static_lock_class!(),
        )
    };
}
pub(crate) use new_bh_spinlock;

/// A box that is made when somebody first needs it, and stays.
pub(crate) struct LazyBox<T>(SetOnce<KBox<T>>);

impl<T> LazyBox<T> {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self(SetOnce::new())
    }

    /// What is in it, if it was made. Context: any.
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.as_ref().map(|inner| &**inner)
    }

    /// What is in it, which `make` gives the first time; `None` if memory ran out. Context: any
    /// (atomic).
    pub(crate) fn get_or_make(&self, make: impl FnOnce() -> T) -> Option<&T> {
        if self.get().is_none() {
            let fresh = KBox::new(make(), GFP_ATOMIC).ok()?;
            self.0.populate(fresh);
        }
        self.get()
    }
}
