// SPDX-License-Identifier: BSD-2-Clause
//! The doors at which this guest knocks. A guest listens to a region once: so all its clients of a door share
//! what hears of it.

use alloc::{
    rc::{Rc, Weak},
    vec::Vec,
};
use core::cell::RefCell;

use crate::{
    Error, Handle, Rights,
    channel::{Channel, OpenError, Place},
    handle::Capability as _,
    shm::Region,
    sys::local::local,
};

/// A door from outside.
pub(super) struct Porch {
    region: Region,
    place: Place,
}

local! {
    /// Those that are in use.
    static PORCHES: RefCell<Vec<(Handle, Weak<Porch>)>> = RefCell::new(Vec::new());
}

impl Porch {
    /// The one at this door.
    pub fn at(door: &Region) -> Result<Rc<Self>, Error> {
        let found = PORCHES.with(|all| {
            let mut all = all.borrow_mut();
            all.retain(|(_, porch)| porch.strong_count() > 0);
            let same = all.iter().find(|(handle, _)| *handle == door.handle());
            same.and_then(|(_, porch)| porch.upgrade())
        });
        if let Some(porch) = found {
            return Ok(porch);
        }
        let porch = Rc::new(Self {
            region: Region::from_handle(door.handle()),
            place: Place::new(door, Rights::READ_WRITE)?,
        });
        let entry = (door.handle(), Rc::downgrade(&porch));
        PORCHES.with(|all| all.borrow_mut().push(entry));
        Ok(porch)
    }

    pub const fn region(&self) -> &Region {
        &self.region
    }

    /// The channel at the door, once there is one.
    pub async fn channel(&self) -> Result<Channel, OpenError> {
        self.place.opened().await
    }
}
