// SPDX-License-Identifier: GPL-2.0

//! A list without a lock: pushed to in any context, and taken as a whole.
//!
//! `selftests/loom` has a model of it, of this very file.

use core::{
    marker::PhantomData,
    ptr::null_mut, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    },
};

/// What is on a list.
pub(super) struct Link<T> {
    /// The one that was pushed before. Of no meaning but on a list.
    next: *mut Link<T>,
    value: T,
}

impl<T> Link<T> {
    pub(super) fn new(value: T) -> Self {
        Self {
            next: null_mut(),
            value,
        }
    }

    pub(super) fn value(&self) -> &T {
        &self.value
    }
}

// SAFETY: `next` is used by the list alone, which is shared between CPUs if the values may be sent.
unsafe impl<T: Send> Send for Link<T> {}
// SAFETY: As above; a shared reference gives the value alone.
unsafe impl<T: Sync> Sync for Link<T> {}

/// The list, the last one first.
///
/// # Invariants
///
/// The head is null or came from [`KBox::into_raw`], as did each `next` that can be reached from it;
/// all of them belong to the list, and to nobody else.
pub(super) struct Lifo<T> {
    head: Atomic<*mut Link<T>>,
    _owns: PhantomData<*mut Link<T>>,
}

// SAFETY: The head is atomic. Values go from who pushes to who takes.
unsafe impl<T: Send> Send for Lifo<T> {}
// SAFETY: As above.
unsafe impl<T: Send> Sync for Lifo<T> {}

impl<T> Lifo<T> {
    /// An empty one.
    pub(super) const fn new() -> Self {
        // INVARIANT: Nothing is on it.
        Self {
            head: Atomic::new(null_mut()),
            _owns: PhantomData,
        }
    }

    /// Puts one in front. Context: any.
    pub(super) fn push(&self, link: KBox<Link<T>>) {
        let link = KBox::into_raw(link);
        let mut first = self.head.load(Relaxed);
        loop {
            // SAFETY: Ours until it is the head.
            unsafe { (*link).next = first };
            // INVARIANT: It came from a box, and what it points to was the head until now. Release:
            // who takes it sees what it holds.
            match self.head.cmpxchg(first, link, Release) {
                Ok(_) => return,
                Err(now) => first = now,
            }
        }
    }

    /// Takes all there are. Context: any.
    pub(super) fn take(&self) -> Taken<T> {
        // INVARIANT: The list is empty, and what was on it is the caller's.
        Taken(self.head.xchg(null_mut(), Acquire))
    }
}

impl<T> Drop for Lifo<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

/// What was taken off a list.
///
/// # Invariants
///
/// As the head of a [`Lifo`] that nobody else knows.
pub(super) struct Taken<T>(*mut Link<T>);

impl<T> Iterator for Taken<T> {
    type Item = KBox<Link<T>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_null() {
            return None;
        }
        // SAFETY: By the type invariants it came from a box and is ours.
        let link = unsafe { KBox::from_raw(self.0) };
        // INVARIANT: What follows was ours as well.
        self.0 = link.next;
        Some(link)
    }
}

impl<T> Drop for Taken<T> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}
