// SPDX-License-Identifier: GPL-2.0

//! A hash table that is read under RCU and written under one lock a bucket.
//!
//! The table owns its entries. A reader inside an RCU read-side section may use an entry until the
//! section ends, even if the entry is removed meanwhile; the memory is dropped a grace period
//! after its removal. Every entry has a timer, which is what half-open and TIME-WAIT entries live
//! by; it is stopped by the removal.

use super::{
    bindings,
    lock::{
        new_bh_spinlock,
        BhSpinLock, //
    },
    skbuff::Gfp, //
};
use core::{cell::UnsafeCell, mem::offset_of, ptr::NonNull};
use kernel::{
    alloc::allocator::KVmalloc,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu, //
    },
    types::Opaque, //
};

/// What can be kept in an [`RcuTable`].
pub(crate) trait Entry: Send + Sync + Sized + 'static {
    /// What the entry's own lock guards.
    type State: Send;
    /// The entry's timer expired. Context: softirq; the entry may be removed at any moment.
    fn on_timer(node: &Node<Self>);
}

/// An entry with its links.
///
/// # Invariants
///
/// `link` is guarded by the bucket's lock; `dead` is set under `state`'s lock by the removal;
/// `timer` is initialised, and is not armed by anybody once `dead` is set.
#[pin_data]
#[repr(C)]
pub(crate) struct Node<T: Entry> {
    link: UnsafeCell<bindings::hlist_node>,
    rcu: UnsafeCell<bindings::callback_head>,
    #[pin]
    timer: Opaque<bindings::timer_list>,
    hash: u32,
    dead: Atomic<bool>,
    #[pin]
    state: BhSpinLock<T::State>,
    value: T,
}

// SAFETY: The cells are accessed as the type invariants and RCU say; `T` is `Sync` by `Entry`.
unsafe impl<T: Entry> Sync for Node<T> {}
// SAFETY: Nodes may be freed on any CPU; `T` is `Send` by `Entry`.
unsafe impl<T: Entry> Send for Node<T> {}

/// A node that is in no table.
pub(crate) type OwnedNode<T> = Pin<KBox<Node<T>>>;

impl<T: Entry> Node<T> {
    /// Makes an entry for a table. May be called in any context with a fitting `gfp`.
    pub(crate) fn new(hash: u32, value: T, state: T::State, gfp: Gfp) -> Option<OwnedNode<T>> {
        let init = pin_init!(Self {
            link: UnsafeCell::new(bindings::hlist_node::default()),
            rcu: UnsafeCell::new(bindings::callback_head::default()),
            // SAFETY: `timer_setup` initialises the timer, which stays where it is.
            timer <- unsafe {
                pin_init::pin_init_from_closure(|slot: *mut Opaque<bindings::timer_list>| {
                    bindings::timer_setup(slot.cast(), Some(Self::timer_callback), 0);
                    Ok::<(), core::convert::Infallible>(())
                })
            },
            hash,
            dead: Atomic::new(false),
            state <- new_bh_spinlock!(state, "Node::state"),
            value,
        });
        KBox::pin_init(init, gfp.flags()).ok()
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn timer_callback(timer: *mut bindings::timer_list) {
        // SAFETY: The timer is embedded in a node, which outlives the callback: it is freed only
        // a grace period after its timer was stopped, and this softirq is a read-side section.
        let node = unsafe { &*timer.byte_sub(offset_of!(Self, timer)).cast::<Self>() };
        T::on_timer(node);
    }

    /// The entry.
    #[inline]
    pub(crate) fn value(&self) -> &T {
        &self.value
    }

    /// What the entry's lock guards. The lock must not be held when the entry is removed.
    #[inline]
    pub(crate) fn state(&self) -> &BhSpinLock<T::State> {
        &self.state
    }

    /// The hash under which the entry is kept.
    pub(crate) fn hash(&self) -> u32 {
        self.hash
    }

    /// Whether the entry was removed from its table.
    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Relaxed)
    }

    /// Arms the timer `delay_ms` milliseconds from now unless the entry was removed. `_state`
    /// proves that the entry's lock is held, which its removal takes too.
    pub(crate) fn arm_timer(&self, _state: &mut T::State, delay_ms: u64) {
        if self.dead.load(Relaxed) {
            return;
        }
        // SAFETY: The timer is initialised.
        unsafe { bindings::mod_timer(self.timer.get(), super::clock::jiffies_after_ms(delay_ms)) };
    }
}

/// The head of one chain.
struct Bucket(UnsafeCell<bindings::hlist_head>);

// SAFETY: Written under the bucket's lock, read under RCU.
unsafe impl Send for Bucket {}
// SAFETY: As above.
unsafe impl Sync for Bucket {}

/// Number of locks; a power of two. Several buckets share one.
const LOCKS: usize = 256;

/// The table.
#[pin_data(PinnedDrop)]
pub(crate) struct RcuTable<T: Entry> {
    buckets: Vec<Bucket, KVmalloc>,
    mask: u32,
    #[pin]
    locks: [BhSpinLock<()>; LOCKS],
    _entries: core::marker::PhantomData<T>,
}

/// Proof of being inside an RCU read-side section: either a guard of one, or a softirq callback
/// of the network stack, which runs inside one.
pub(crate) trait ReadSide {}
impl ReadSide for rcu::Guard {}

impl<T: Entry> RcuTable<T> {
    /// A table with `1 << order` buckets.
    pub(crate) fn new(order: u32) -> impl PinInit<Self, Error> {
        let size = 1usize << order.clamp(4, 20);
        try_pin_init!(Self {
            buckets: {
                let mut buckets = Vec::<Bucket, KVmalloc>::with_capacity(size, GFP_KERNEL)?;
                for _ in 0..size {
                    buckets.push(
                        Bucket(UnsafeCell::new(bindings::hlist_head::default())),
                        GFP_KERNEL,
                    )?;
                }
                buckets
            },
            mask: (size as u32).wrapping_sub(1),
            locks <- pin_init::pin_init_array_from_fn(|_| new_bh_spinlock!((), "RcuTable::locks")),
            _entries: core::marker::PhantomData,
        })
    }

    fn bucket(&self, hash: u32) -> Option<(*mut bindings::hlist_head, &BhSpinLock<()>)> {
        let index = (hash & self.mask) as usize;
        Some((
            self.buckets.get(index)?.0.get(),
            self.locks.get(index % LOCKS)?,
        ))
    }

    /// The first entry of `hash`'s chain for which `is_it` holds.
    pub(crate) fn find<'a>(
        &'a self,
        hash: u32,
        _rcu: &'a impl ReadSide,
        mut is_it: impl FnMut(&T) -> bool,
    ) -> Option<&'a Node<T>> {
        let (head, _) = self.bucket(hash)?;
        // SAFETY: The chain's nodes are freed a grace period after their removal, and we are in a
        // read-side section while `'a` lasts.
        unsafe {
            let mut link = bindings::hlist_first_rcu(head);
            while let Some(at) = NonNull::new(link) {
                // CAST: `link` is the first field of a `repr(C)` node.
                let node = &*at.as_ptr().cast::<Node<T>>();
                if node.hash == hash && is_it(&node.value) {
                    return Some(node);
                }
                link = bindings::hlist_next_rcu(link);
            }
        }
        None
    }

    /// Calls `f` on every entry of the `index`-th bucket; `false` if there is no such bucket.
    pub(crate) fn for_bucket(
        &self,
        index: usize,
        _rcu: &impl ReadSide,
        mut f: impl FnMut(&Node<T>),
    ) -> bool {
        let Some(bucket) = self.buckets.get(index) else {
            return false;
        };
        // SAFETY: As in `find`.
        unsafe {
            let mut link = bindings::hlist_first_rcu(bucket.0.get());
            while let Some(at) = NonNull::new(link) {
                f(&*at.as_ptr().cast::<Node<T>>());
                link = bindings::hlist_next_rcu(link);
            }
        }
        true
    }

    /// Inserts an entry unless `conflicts` holds for one of the same hash, in which case the new
    /// entry is given back. `before_visible` runs under the lock, right before the insertion.
    pub(crate) fn insert(
        &self,
        node: OwnedNode<T>,
        mut conflicts: impl FnMut(&T) -> bool,
        before_visible: impl FnOnce(&Node<T>),
    ) -> core::result::Result<(), OwnedNode<T>> {
        let Some((head, lock)) = self.bucket(node.hash) else {
            return Err(node);
        };
        let _guard = lock.lock();
        // SAFETY: The bucket's lock is held, so the chain does not change.
        unsafe {
            let mut link = (*head).first;
            while let Some(at) = NonNull::new(link) {
                let other = &*at.as_ptr().cast::<Node<T>>();
                if other.hash == node.hash && conflicts(&other.value) {
                    return Err(node);
                }
                link = (*link).next;
            }
            before_visible(&node);
            let raw = KBox::into_raw(Pin::into_inner_unchecked(node));
            bindings::hlist_add_head_rcu((*raw).link.get(), head);
        }
        Ok(())
    }

    /// Removes the first entry of `hash` for which `is_it` holds. `false` if there is none.
    pub(crate) fn remove(&self, hash: u32, is_it: impl FnMut(&T) -> bool) -> bool {
        self.replace(hash, is_it, None, |_| {})
    }

    /// As [`Self::remove`], and puts `with` in its place in the same step, so that no reader finds
    /// neither. `before_visible` runs on `with` under the lock, right before that: the place to arm
    /// its timer, since a node that never gets into the table must not have one armed. If nothing
    /// is removed, `with` is dropped and the result is `false`.
    pub(crate) fn replace(
        &self,
        hash: u32,
        is_it: impl FnMut(&T) -> bool,
        mut with: Option<OwnedNode<T>>,
        before_visible: impl FnOnce(&Node<T>),
    ) -> bool {
        self.swap(hash, is_it, &mut with, before_visible)
    }

    /// Puts `with` in the place of the first entry of `hash` for which `is_it` holds, so that no reader
    /// finds neither. Gives it back if there is none.
    pub(crate) fn exchange(
        &self,
        hash: u32,
        is_it: impl FnMut(&T) -> bool,
        with: OwnedNode<T>,
    ) -> core::result::Result<(), OwnedNode<T>> {
        let mut with = Some(with);
        self.swap(hash, is_it, &mut with, |_| {});
        with.map_or(Ok(()), Err)
    }

    /// [`Self::replace`]; leaves `with` alone if nothing is removed.
    fn swap(
        &self,
        hash: u32,
        mut is_it: impl FnMut(&T) -> bool,
        with: &mut Option<OwnedNode<T>>,
        before_visible: impl FnOnce(&Node<T>),
    ) -> bool {
        let Some((head, lock)) = self.bucket(hash) else {
            return false;
        };
        let guard = lock.lock();
        let mut removed: Option<NonNull<Node<T>>> = None;
        // SAFETY: The bucket's lock is held, so the chain does not change but by us.
        unsafe {
            let mut link = (*head).first;
            while let Some(at) = NonNull::new(link) {
                let node = at.cast::<Node<T>>();
                if node.as_ref().hash == hash && is_it(&node.as_ref().value) {
                    if let Some(with) = with.take() {
                        before_visible(&with);
                        let raw = KBox::into_raw(Pin::into_inner_unchecked(with));
                        bindings::hlist_add_head_rcu((*raw).link.get(), head);
                    }
                    bindings::hlist_del_init_rcu(at.as_ptr());
                    removed = Some(node);
                    break;
                }
                link = (*link).next;
            }
        }
        drop(guard);
        match removed {
            Some(node) => {
                // SAFETY: The node was in the table and now belongs to nobody.
                unsafe { Self::retire(node) };
                true
            }
            None => false,
        }
    }

    /// Removes every entry for which `is_it` holds; tells how many there were.
    pub(crate) fn retain_not(&self, mut is_it: impl FnMut(&T) -> bool) -> usize {
        let mut count = 0usize;
        for (index, bucket) in self.buckets.iter().enumerate() {
            loop {
                let mut removed: Option<NonNull<Node<T>>> = None;
                let Some(lock) = self.locks.get(index % LOCKS) else {
                    break;
                };
                {
                    // SAFETY: Reading the head pointer without the lock; an entry that is just
                    // being inserted may be missed, as it could have come a moment later.
                    if unsafe { (*bucket.0.get()).first.is_null() } {
                        break;
                    }
                    let _guard = lock.lock();
                    // SAFETY: The bucket's lock is held.
                    unsafe {
                        let mut link = (*bucket.0.get()).first;
                        while let Some(at) = NonNull::new(link) {
                            let node = at.cast::<Node<T>>();
                            if is_it(&node.as_ref().value) {
                                bindings::hlist_del_init_rcu(at.as_ptr());
                                removed = Some(node);
                                break;
                            }
                            link = (*link).next;
                        }
                    }
                }
                match removed {
                    // SAFETY: The node was in the table and now belongs to nobody.
                    Some(node) => unsafe { Self::retire(node) },
                    None => break,
                }
                count = count.wrapping_add(1);
            }
        }
        count
    }

    /// Stops a removed node's timer and drops the node after a grace period.
    ///
    /// # Safety
    ///
    /// The node must have just been removed from the table by the caller.
    unsafe fn retire(node: NonNull<Node<T>>) {
        // SAFETY: The node is valid until the callback below. `dead` keeps the timer from being
        // armed again; a callback that runs right now ends before the grace period does.
        unsafe {
            {
                let _state = node.as_ref().state.lock();
                node.as_ref().dead.store(true, Relaxed);
            }
            bindings::timer_delete(node.as_ref().timer.get());
            bindings::call_rcu(node.as_ref().rcu.get(), Some(Self::free));
        }
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn free(head: *mut bindings::callback_head) {
        // SAFETY: `head` is the `rcu` field of a node that came out of a box and that no reader
        // can hold any more.
        unsafe {
            let node = head.byte_sub(offset_of!(Node<T>, rcu)).cast::<Node<T>>();
            drop(KBox::from_raw(node));
        }
    }

    /// Number of buckets.
    pub(crate) fn buckets(&self) -> usize {
        self.buckets.len()
    }
}

#[pinned_drop]
impl<T: Entry> PinnedDrop for RcuTable<T> {
    fn drop(self: Pin<&mut Self>) {
        self.retain_not(|_| true);
        // The callbacks run code of this module and may use what the table's owner owns.
        rcu::rcu_barrier();
    }
}
