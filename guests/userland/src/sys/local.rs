// SPDX-License-Identifier: BSD-2-Clause
//! What a guest has one of, for all its code to see.

/// Defines a static that code of this crate reaches with `NAME.with(|value| ...)`. Its initial value is a
/// constant. A guest has one thread, so a plain static serves; elsewhere, where tests run on several, each
/// thread has one of its own, which is never dropped, as no static is.
macro_rules! local {
    ($(#[doc = $doc:literal])+ $vis:vis static $name:ident: $ty:ty = $value:expr;) => {
        $(#[doc = $doc])+
        #[cfg(target_family = "wasm")]
        $vis static $name: $crate::sys::local::Local<$ty> = $crate::sys::local::Local::new($value);

        $(#[doc = $doc])+
        #[cfg(not(target_family = "wasm"))]
        $vis static $name: $crate::sys::local::Local<$ty> = {
            std::thread_local! {
                static KEY: core::mem::ManuallyDrop<$ty> = const { core::mem::ManuallyDrop::new($value) };
            }
            $crate::sys::local::Local::new(&KEY)
        };
    };
}

pub(crate) use local;

/// A static of the only thread.
#[cfg(target_family = "wasm")]
pub(crate) struct Local<T>(T);

// SAFETY: a guest has one thread, so there is nobody to share it with.
#[cfg(target_family = "wasm")]
unsafe impl<T> Sync for Local<T> {}

#[cfg(target_family = "wasm")]
impl<T> Local<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(value)
    }

    #[inline(always)]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        f(&self.0)
    }
}

/// A static of each thread.
#[cfg(not(target_family = "wasm"))]
pub(crate) struct Local<T: 'static>(&'static std::thread::LocalKey<core::mem::ManuallyDrop<T>>);

#[cfg(not(target_family = "wasm"))]
impl<T> Local<T> {
    pub(crate) const fn new(
        key: &'static std::thread::LocalKey<core::mem::ManuallyDrop<T>>,
    ) -> Self {
        Self(key)
    }

    pub(crate) fn with<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        self.0.with(|value| f(value))
    }
}
