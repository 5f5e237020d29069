// SPDX-License-Identifier: BSD-2-Clause
//! `sel4-sync`.

use alloc::{sync::Arc, vec::Vec};

use lock_api::{Mutex, RawMutex};
use sel4::cap;
use sel4_sync::{
    NotificationAlreadySetError, RawDeferredNotificationMutex, RawLazyNotificationMutex,
    RawNotificationMutex,
};

use crate::{
    env::{Env, PRIORITY},
    outcome::{Outcome, check, check_eq},
};

/// Several threads that give up the processor inside the mutex, at equal and at different priorities.
fn contend<R: RawMutex + Send + Sync + 'static>(env: &mut Env<'_>, raw: R, rounds: u64) -> Outcome {
    let mutex = Arc::new(Mutex::from_raw(raw, (0_u64, false)));
    let mut threads = Vec::new();
    for priority in [PRIORITY, PRIORITY, PRIORITY, PRIORITY + 1, PRIORITY - 1] {
        let mutex = mutex.clone();
        threads.push(env.spawn(priority, move || {
            for round in 0..rounds {
                let mut guard = mutex.lock();
                assert!(!guard.1, "two owners");
                guard.1 = true;
                let count = guard.0;
                if round % 3 != 0 {
                    sel4::r#yield();
                }
                guard.0 = count + 1;
                guard.1 = false;
                drop(guard);
                if round % 2 == 0 {
                    sel4::r#yield();
                }
            }
        })?);
    }
    threads.iter().for_each(|thread| thread.join());
    check_eq!(mutex.lock().0, rounds * threads.len() as u64);
    let guard = mutex.lock();
    check!(mutex.try_lock().is_none());
    drop(guard);
    check!(mutex.try_lock().is_some());
    check!(!mutex.is_locked());
    Ok(())
}

/// Only one owner at a time, and everyone's turn comes.
pub fn mutex_contention(env: &mut Env<'_>) -> Outcome {
    let notification: cap::Notification = env.new_object()?;
    contend(env, RawNotificationMutex::new(notification), 500)
}

/// The mutexes that learn of their notification later.
pub fn mutex_kinds(env: &mut Env<'_>) -> Outcome {
    let notification: cap::Notification = env.new_object()?;
    contend(env, RawLazyNotificationMutex::new(move || notification), 50)?;

    let notification: cap::Notification = env.new_object()?;
    let deferred = RawDeferredNotificationMutex::new();
    check_eq!(deferred.set_notification(notification), Ok(()));
    check_eq!(
        deferred.set_notification(notification),
        Err(NotificationAlreadySetError)
    );
    contend(env, deferred, 50)
}
