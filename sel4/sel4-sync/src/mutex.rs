// SPDX-License-Identifier: BSD-2-Clause
//! Mutexes by the time at which they learn of their notification.

use core::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use lock_api::{GuardNoSend, RawMutex};
use sel4::{cap, init_thread::slot};

use crate::algorithm::State;

/// A mutex that has its notification from the start.
#[derive(Debug)]
pub struct RawNotificationMutex {
    notification: cap::Notification,
    state: State,
}

impl RawNotificationMutex {
    /// A free mutex; its waiters sleep on `notification`.
    pub const fn new(notification: cap::Notification) -> Self {
        Self {
            notification,
            state: State::new(),
        }
    }
}

/// A mutex whose notification is set later; until then contention panics.
#[derive(Debug)]
pub struct RawDeferredNotificationMutex {
    /// 0, the empty slot, until set.
    notification: AtomicU64,
    state: State,
}

/// The notification of a deferred mutex can be set only once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotificationAlreadySetError;

impl fmt::Display for NotificationAlreadySetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the mutex already has a notification")
    }
}

impl core::error::Error for NotificationAlreadySetError {}

impl RawDeferredNotificationMutex {
    /// A free mutex without a notification.
    pub const fn new() -> Self {
        Self {
            notification: AtomicU64::new(slot::NULL.cptr_bits()),
            state: State::new(),
        }
    }

    /// Sets the notification on which waiters sleep.
    ///
    /// # Errors
    /// When it was set before.
    pub fn set_notification(
        &self,
        notification: cap::Notification,
    ) -> Result<(), NotificationAlreadySetError> {
        let (unset, bits) = (slot::NULL.cptr_bits(), notification.bits());
        self.notification
            .compare_exchange(unset, bits, Ordering::Relaxed, Ordering::Relaxed)
            .map(|_| ())
            .map_err(|_| NotificationAlreadySetError)
    }

    fn notification(&self) -> cap::Notification {
        let bits = self.notification.load(Ordering::Relaxed);
        assert!(
            bits != slot::NULL.cptr_bits(),
            "contention on a mutex that has no notification yet"
        );
        cap::Notification::from_bits(bits)
    }
}

impl Default for RawDeferredNotificationMutex {
    fn default() -> Self {
        Self::new()
    }
}

/// A mutex that asks a function for its notification, on contention only.
#[derive(Debug)]
pub struct RawLazyNotificationMutex<F = fn() -> cap::Notification> {
    notification: F,
    state: State,
}

impl<F> RawLazyNotificationMutex<F> {
    /// A free mutex. `notification` returns the same capability each time.
    pub const fn new(notification: F) -> Self {
        Self {
            notification,
            state: State::new(),
        }
    }
}

macro_rules! raw_mutex {
    ([$($generics:tt)*] $ty:ty, $init:expr, |$mutex:ident| $notification:expr) => {
        // SAFETY: `State` lets one owner in at a time: `lock` returns when the counter was 1, or when
        // the owner before it signalled; an owner signals once, and only with waiters present.
        unsafe impl<$($generics)*> RawMutex for $ty {
            const INIT: Self = $init;

            /// The notification's signal may go to any waiter, but guards stay with their thread.
            type GuardMarker = GuardNoSend;

            #[inline]
            fn lock(&self) {
                let $mutex = self;
                self.state.lock(|| $notification);
            }

            #[inline]
            fn try_lock(&self) -> bool {
                self.state.try_lock()
            }

            #[inline]
            unsafe fn unlock(&self) {
                let $mutex = self;
                self.state.unlock(|| $notification);
            }

            #[inline]
            fn is_locked(&self) -> bool {
                self.state.is_locked()
            }
        }
    };
}

raw_mutex!([] RawNotificationMutex, panic!("a notification mutex has no initial value"), |mutex| mutex.notification);
raw_mutex!([] RawDeferredNotificationMutex, Self::new(), |mutex| mutex.notification());
raw_mutex!([F: Fn() -> cap::Notification] RawLazyNotificationMutex<F>, panic!("a lazy mutex has no initial value"), |mutex| (mutex.notification)());
