// SPDX-License-Identifier: BSD-2-Clause
//! Mutexes that sleep on seL4 notifications: raw mutexes for [`lock_api`].
//!
//! One atomic operation takes a free mutex and one releases it; only contention enters the kernel.
//! The notification must be used for nothing else: a signal from elsewhere would let a second owner in.
//!
//! ```ignore
//! let mutex = lock_api::Mutex::from_raw(RawNotificationMutex::new(notification), value);
//! ```
#![no_std]

mod algorithm;
mod mutex;

pub use lock_api;
pub use mutex::{
    NotificationAlreadySetError, RawDeferredNotificationMutex, RawLazyNotificationMutex,
    RawNotificationMutex,
};
