// SPDX-License-Identifier: BSD-2-Clause
//! Regions: frames that several guests can have windows onto, and the doorbell that goes with them.

use alloc::{sync::Arc, vec::Vec};
use core::ops::Deref;

use atoll_abi::{Error, Pid};
use smallvec::SmallVec;

use crate::{
    Guest, Lock,
    platform::{Failure, Home, Platform},
    registry::Grant,
    session::Session,
};

/// Most guests that listen to one doorbell.
const MAX_LISTENERS: usize = 256;
/// Most windows onto one region.
const MAX_WINDOWS: usize = 4096;

/// A region of shared memory.
pub(crate) struct Region<P: Platform> {
    /// Bytes; whole wasm pages.
    pub bytes: u32,
    /// The guest whose budget the frames come from; none for a channel of the spec.
    pub owner: Option<Pid>,
    /// The session that guest is in.
    pub session: Option<Arc<Session<P>>>,
    /// Locked while somebody maps or copies, so that the frames do not go away meanwhile.
    backing: Lock<P, Option<Arc<P::Region>>>,
    listeners: Lock<P, Vec<Listener<P>>>,
    windows: Lock<P, Vec<Window<P>>>,
}

struct Listener<P: Platform> {
    guest: Arc<Guest<P>>,
    task: u32,
    grant: Arc<Grant<P>>,
}

struct Window<P: Platform> {
    guest: Arc<Guest<P>>,
    address: u32,
    grant: Arc<Grant<P>>,
}

impl<P: Platform> Region<P> {
    pub fn new(
        backing: P::Region,
        bytes: u32,
        owner: Option<Pid>,
        session: Option<Arc<Session<P>>>,
    ) -> Self {
        Self {
            bytes,
            owner,
            session,
            backing: Lock::<P, _>::new(Some(Arc::new(backing))),
            listeners: Lock::<P, _>::new(Vec::new()),
            windows: Lock::<P, _>::new(Vec::new()),
        }
    }

    /// The frames, if they are there, which stay for as long as the answer is held.
    pub fn hold(&self) -> impl Deref<Target = Option<Arc<P::Region>>> {
        self.backing.lock()
    }

    /// Has `f` copy, which touches no guest's memory.
    ///
    /// # Errors
    /// `Revoked` once the frames are gone, `OutOfRange` if it fails.
    pub fn copy(&self, f: impl FnOnce(&P::Region) -> Result<(), Failure>) -> Result<(), Error> {
        let backing = self.hold();
        f(backing.as_ref().ok_or(Error::Revoked)?).map_err(|_| Error::OutOfRange)
    }

    /// Whether `len` bytes at this offset are inside.
    pub fn has(&self, offset: u32, len: u32) -> bool {
        offset.checked_add(len).is_some_and(|end| end <= self.bytes)
    }

    /// Has `task` put into the guest's mailbox at every ring by somebody else, and when the grant is lost.
    pub fn listen(
        &self,
        guest: &Arc<Guest<P>>,
        task: u32,
        grant: &Arc<Grant<P>>,
    ) -> Result<(), Error> {
        let mut listeners = self.listeners.lock();
        // Looked at under the lock: who cuts the grant afterwards finds the listener.
        grant.live()?;
        let own = listeners
            .iter_mut()
            .find(|l| Arc::ptr_eq(&l.guest, guest) && Arc::ptr_eq(&l.grant, grant));
        if let Some(listener) = own {
            listener.task = task;
            return Ok(());
        }
        if listeners.len() >= MAX_LISTENERS {
            return Err(Error::TooManyListeners);
        }
        listeners.try_reserve(1).map_err(|_| Error::TooMany)?;
        listeners.push(Listener {
            guest: guest.clone(),
            task,
            grant: grant.clone(),
        });
        Ok(())
    }

    /// Takes that back.
    pub fn unlisten(&self, grant: &Arc<Grant<P>>) -> Result<(), Error> {
        let mut listeners = self.listeners.lock();
        let place = listeners
            .iter()
            .position(|l| Arc::ptr_eq(&l.grant, grant))
            .ok_or(Error::NotFound)?;
        let listener = listeners.swap_remove(place);
        // Nothing is dropped under a lock that may free the last of a guest.
        drop(listeners);
        drop(listener);
        Ok(())
    }

    /// Rings: every listener but `by` finds its task in its mailbox, and is woken if it sleeps.
    pub fn ring(&self, by: &Guest<P>) {
        // Nobody is woken under a lock: the woken thread may run at once, and would have to wait.
        let mut sleepers: SmallVec<[<P::Home as Home>::Waker; 4]> = SmallVec::new();
        for listener in self.listeners.lock().iter() {
            if !core::ptr::eq(&*listener.guest, by) {
                sleepers.extend(listener.guest.put_wake(listener.task));
            }
        }
        for waker in &sleepers {
            P::Home::wake(waker);
        }
    }

    /// Notes a window that is mapped.
    ///
    /// # Errors
    /// `Revoked` if the grant was cut meanwhile, `TooManyWindows`: the window is to be unmapped.
    pub fn add_window(
        &self,
        guest: &Arc<Guest<P>>,
        address: u32,
        grant: &Arc<Grant<P>>,
    ) -> Result<(), Error> {
        let mut windows = self.windows.lock();
        grant.live()?;
        if windows.len() >= MAX_WINDOWS {
            return Err(Error::TooManyWindows);
        }
        windows.try_reserve(1).map_err(|_| Error::TooMany)?;
        windows.push(Window {
            guest: guest.clone(),
            address,
            grant: grant.clone(),
        });
        Ok(())
    }

    /// Takes a guest's window away, if this is one.
    pub fn remove_window(&self, guest: &Guest<P>, address: u32) -> bool {
        let mut windows = self.windows.lock();
        let found = windows
            .iter()
            .position(|w| core::ptr::eq(&*w.guest, guest) && w.address == address);
        let window = found.map(|place| windows.swap_remove(place));
        if let Some(window) = &window {
            window.guest.unmap(address, self.bytes);
        }
        drop(windows);
        window.is_some()
    }

    /// Takes the windows and listeners away whose grants were cut. When this returns, none of those
    /// windows reaches the frames any more. Each listener is woken one last time, to find out.
    pub fn strip(&self) {
        loop {
            // One at a time, so that nothing has to be allocated.
            let mut windows = self.windows.lock();
            let place = windows.iter().position(|w| w.grant.lost().is_some());
            let Some(window) = place.map(|place| windows.swap_remove(place)) else {
                break;
            };
            window.guest.unmap(window.address, self.bytes);
            drop(windows);
        }
        loop {
            let mut listeners = self.listeners.lock();
            let place = listeners.iter().position(|l| l.grant.lost().is_some());
            let Some(listener) = place.map(|place| listeners.swap_remove(place)) else {
                break;
            };
            drop(listeners);
            listener.guest.wake_for(listener.task);
        }
    }

    /// Takes the frames: nobody has a window any more, nor will have.
    pub fn take_backing(&self) -> Option<Arc<P::Region>> {
        self.backing.lock().take()
    }
}
