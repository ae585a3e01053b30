// SPDX-License-Identifier: GPL-2.0

//! What the modelled files use of the kernel crate, over loom.

pub mod prelude {
    //! The box of `kernel::alloc`.
    pub type KBox<T> = Box<T>;
}

pub mod sync {
    pub mod atomic {
        //! `kernel::sync::atomic`: the kernel's operations, by loom's atomics.

        use loom::sync::atomic as inner;
        use std::sync::OnceLock;

        /// An ordering, as a type.
        pub trait Ordering {
            /// What it is for a read, a write, and both in one.
            const LOAD: inner::Ordering;
            const STORE: inner::Ordering;
            const BOTH: inner::Ordering;
        }

        macro_rules! ordering {
            ($name:ident, $load:ident, $store:ident, $both:ident) => {
                pub struct $name;

                impl Ordering for $name {
                    const LOAD: inner::Ordering = inner::Ordering::$load;
                    const STORE: inner::Ordering = inner::Ordering::$store;
                    const BOTH: inner::Ordering = inner::Ordering::$both;
                }
            };
        }

        ordering!(Relaxed, Relaxed, Relaxed, Relaxed);
        ordering!(Acquire, Acquire, Relaxed, Acquire);
        ordering!(Release, Relaxed, Release, Release);
        ordering!(Full, SeqCst, SeqCst, SeqCst);

        /// What can be atomic.
        pub trait AtomicType: Copy {
            type Inner;
            fn wrap(self) -> Self::Inner;
            fn load(inner: &Self::Inner, order: inner::Ordering) -> Self;
            fn store(inner: &Self::Inner, value: Self, order: inner::Ordering);
            fn swap(inner: &Self::Inner, value: Self, order: inner::Ordering) -> Self;
            fn exchange(
                inner: &Self::Inner,
                old: Self,
                new: Self,
                order: inner::Ordering,
            ) -> Result<Self, Self>;
        }

        macro_rules! atomic_type {
            ([$($generics:tt)*] $name:ty, $inner:ty) => {
                impl $($generics)* AtomicType for $name {
                    type Inner = $inner;

                    fn wrap(self) -> Self::Inner {
                        <$inner>::new(self)
                    }
                    fn load(inner: &Self::Inner, order: inner::Ordering) -> Self {
                        inner.load(order)
                    }
                    fn store(inner: &Self::Inner, value: Self, order: inner::Ordering) {
                        inner.store(value, order)
                    }
                    fn swap(inner: &Self::Inner, value: Self, order: inner::Ordering) -> Self {
                        inner.swap(value, order)
                    }
                    fn exchange(
                        inner: &Self::Inner,
                        old: Self,
                        new: Self,
                        order: inner::Ordering,
                    ) -> Result<Self, Self> {
                        // A failure orders nothing in the kernel.
                        inner.compare_exchange(old, new, order, inner::Ordering::Relaxed)
                    }
                }
            };
        }

        atomic_type!([] u32, inner::AtomicU32);
        atomic_type!([<T>] *mut T, inner::AtomicPtr<T>);

        /// The kernel's can be made in a constant, loom's can't: it is made when it is first used.
        pub struct Atomic<T: AtomicType> {
            first: T,
            inner: OnceLock<T::Inner>,
        }

        // SAFETY: As the kernel's: `first` is only copied.
        unsafe impl<T: AtomicType> Send for Atomic<T> {}
        // SAFETY: As above.
        unsafe impl<T: AtomicType> Sync for Atomic<T> {}

        impl<T: AtomicType> Atomic<T> {
            pub const fn new(value: T) -> Self {
                Self {
                    first: value,
                    inner: OnceLock::new(),
                }
            }

            fn inner(&self) -> &T::Inner {
                self.inner.get_or_init(|| self.first.wrap())
            }

            pub fn load<O: Ordering>(&self, _: O) -> T {
                T::load(self.inner(), O::LOAD)
            }

            pub fn store<O: Ordering>(&self, value: T, _: O) {
                T::store(self.inner(), value, O::STORE)
            }

            pub fn xchg<O: Ordering>(&self, value: T, _: O) -> T {
                T::swap(self.inner(), value, O::BOTH)
            }

            pub fn cmpxchg<O: Ordering>(&self, old: T, new: T, _: O) -> Result<T, T> {
                T::exchange(self.inner(), old, new, O::BOTH)
            }
        }

        impl Atomic<u32> {
            pub fn fetch_add<O: Ordering>(&self, value: u32, _: O) -> u32 {
                self.inner().fetch_add(value, O::BOTH)
            }

            pub fn fetch_sub<O: Ordering>(&self, value: u32, _: O) -> u32 {
                self.inner().fetch_sub(value, O::BOTH)
            }
        }
    }
}
