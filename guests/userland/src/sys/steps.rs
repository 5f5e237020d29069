// SPDX-License-Identifier: BSD-2-Clause
//! The atomics of memory that others write, in tests: a test learns of each access before it happens, and
//! can have something else happen in between.

use core::{cell::RefCell, sync::atomic::Ordering};
use std::boxed::Box;

/// Is told the address and the bytes of an access.
type Watch = Box<dyn FnMut(usize, usize)>;

std::thread_local! {
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

/// Before an access. One that the watch makes itself is not watched.
fn step(address: usize, len: usize) {
    let _ = WATCH.try_with(|watch| {
        if let Ok(mut watch) = watch.try_borrow_mut()
            && let Some(watch) = &mut *watch
        {
            watch(address, len);
        }
    });
}

/// Watches the accesses of this thread from now on; none any more with `None`.
pub(crate) fn watch(watch: Option<Watch>) {
    WATCH.with(|present| *present.borrow_mut() = watch);
}

macro_rules! watched {
    ($($name:ident: $int:ty;)+) => { $(
        #[doc = concat!("As `core::sync::atomic::", stringify!($name), "`.")]
        #[derive(Debug, Default)]
        #[repr(transparent)]
        pub(crate) struct $name(core::sync::atomic::$name);

        #[allow(dead_code, reason = "each has what one of them needs")]
        impl $name {
            pub(crate) const fn new(value: $int) -> Self {
                Self(core::sync::atomic::$name::new(value))
            }

            /// # Safety
            /// As that of the original.
            pub(crate) const unsafe fn from_ptr<'a>(place: *mut $int) -> &'a Self {
                // SAFETY: as promised; this is transparent.
                unsafe { &*place.cast::<Self>() }
            }

            fn step(&self) -> &core::sync::atomic::$name {
                step(self.0.as_ptr().addr(), size_of::<$int>());
                &self.0
            }

            pub(crate) fn load(&self, order: Ordering) -> $int {
                self.step().load(order)
            }

            pub(crate) fn store(&self, value: $int, order: Ordering) {
                self.step().store(value, order);
            }

            pub(crate) fn swap(&self, value: $int, order: Ordering) -> $int {
                self.step().swap(value, order)
            }

            pub(crate) fn fetch_or(&self, value: $int, order: Ordering) -> $int {
                self.step().fetch_or(value, order)
            }

            pub(crate) fn fetch_and(&self, value: $int, order: Ordering) -> $int {
                self.step().fetch_and(value, order)
            }

            pub(crate) fn fetch_add(&self, value: $int, order: Ordering) -> $int {
                self.step().fetch_add(value, order)
            }

            pub(crate) fn compare_exchange(
                &self,
                present: $int,
                value: $int,
                done: Ordering,
                not_done: Ordering,
            ) -> Result<$int, $int> {
                self.step().compare_exchange(present, value, done, not_done)
            }
        }
    )+ };
}

watched! {
    AtomicU8: u8;
    AtomicU32: u32;
    AtomicU64: u64;
}
