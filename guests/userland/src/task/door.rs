// SPDX-License-Identifier: BSD-2-Clause
//! A ring that waits for the end of a poll.

use core::cell::Cell;

use atoll_abi::Handle;

use crate::{
    sys::{calls, local::local},
    wake::Bells,
};

/// Bells of a region.
type Ring = (Handle, Bells);

struct Door {
    waiting: Cell<Option<Ring>>,
    /// A poll is under way.
    polling: Cell<bool>,
}

local! {
    /// What the guest has to ring.
    static DOOR: Door = Door {
        waiting: Cell::new(None),
        polling: Cell::new(false),
    };
}

/// Rings at the end of the poll, or now if there is none under way.
#[inline]
pub(super) fn ring_later(handle: Handle, bells: Bells) {
    DOOR.with(|door| {
        let ring = match door.waiting.take() {
            None => (handle, bells),
            Some((present, other)) if present == handle => (handle, other | bells),
            Some(other) => {
                ring(other);
                (handle, bells)
            }
        };
        if door.polling.get() {
            door.waiting.set(Some(ring));
        } else {
            self::ring(ring);
        }
    });
}

fn ring((handle, bells): Ring) {
    // Refused when the region is lost: then there is nobody to hear it.
    let _ = calls::wake::notify(handle, bells.0);
}

/// Says whether a poll is under way.
#[inline]
pub(super) fn set_polling(polling: bool) {
    DOOR.with(|door| door.polling.set(polling));
}

/// Takes the ring that waits.
#[inline]
pub(super) fn take() -> Option<Ring> {
    DOOR.with(|door| door.waiting.take())
}

/// Rings now what was left for the end of the poll.
pub(crate) fn flush() {
    if let Some(waiting) = take() {
        ring(waiting);
    }
}
