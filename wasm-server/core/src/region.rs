// SPDX-License-Identifier: BSD-2-Clause
//! Regions: frames that several guests have windows onto, and the doorbell that goes with them.

use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicBool, Ordering};

use atoll_abi::{Error, Pid};
use smallvec::SmallVec;

use crate::{
    Guest, Lock,
    platform::{Home, Platform},
};

/// Most guests that listen to one doorbell.
const MAX_LISTENERS: usize = 256;
/// Most windows onto one region.
const MAX_WINDOWS: usize = 256;

/// A region of shared memory.
pub(crate) struct Region<P: Platform> {
    /// Bytes; whole wasm pages.
    pub bytes: u32,
    /// The guest whose budget the frames come from; none for a channel of the spec.
    pub owner: Option<Pid>,
    backing: Lock<P, Option<Arc<P::Region>>>,
    revoked: AtomicBool,
    listeners: Lock<P, Vec<Listener<P>>>,
    windows: Lock<P, Vec<Window<P>>>,
}

struct Listener<P: Platform> {
    guest: Arc<Guest<P>>,
    task: u32,
}

struct Window<P: Platform> {
    guest: Arc<Guest<P>>,
    address: u32,
}

impl<P: Platform> Region<P> {
    pub fn new(backing: P::Region, bytes: u32, owner: Option<Pid>) -> Self {
        Self {
            bytes,
            owner,
            backing: Lock::<P, _>::new(Some(Arc::new(backing))),
            revoked: AtomicBool::new(false),
            listeners: Lock::<P, _>::new(Vec::new()),
            windows: Lock::<P, _>::new(Vec::new()),
        }
    }

    /// The frames.
    ///
    /// # Errors
    /// `Revoked` once they are gone.
    pub fn backing(&self) -> Result<Arc<P::Region>, Error> {
        self.backing.lock().clone().ok_or(Error::Revoked)
    }

    /// Has `task` put into the guest's mailbox at every ring by somebody else.
    pub fn listen(&self, guest: &Arc<Guest<P>>, task: u32) -> Result<(), Error> {
        let mut listeners = self.listeners.lock();
        if self.revoked.load(Ordering::Acquire) {
            return Err(Error::Revoked);
        }
        if let Some(listener) = listeners.iter_mut().find(|l| Arc::ptr_eq(&l.guest, guest)) {
            listener.task = task;
        } else if listeners.len() < MAX_LISTENERS {
            listeners.push(Listener {
                guest: guest.clone(),
                task,
            });
        } else {
            return Err(Error::TooMany);
        }
        Ok(())
    }

    /// Rings: every listener but `by` finds its task in its mailbox, and is woken if it sleeps.
    pub fn ring(&self, by: &Guest<P>) -> Result<(), Error> {
        if self.revoked.load(Ordering::Acquire) {
            return Err(Error::Revoked);
        }
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
        Ok(())
    }

    /// Notes a window.
    pub fn add_window(&self, guest: &Arc<Guest<P>>, address: u32) -> Result<(), Error> {
        let mut windows = self.windows.lock();
        if self.revoked.load(Ordering::Acquire) {
            return Err(Error::Revoked);
        }
        if windows.len() >= MAX_WINDOWS {
            return Err(Error::TooMany);
        }
        windows.push(Window {
            guest: guest.clone(),
            address,
        });
        Ok(())
    }

    /// Takes a guest's window away, if this is one.
    pub fn remove_window(&self, guest: &Guest<P>, address: u32) -> bool {
        let mut windows = self.windows.lock();
        let found = windows
            .iter()
            .position(|w| core::ptr::eq(&*w.guest, guest) && w.address == address);
        if let Some(window) = found.map(|i| windows.swap_remove(i)) {
            window.guest.home.unmap(address, self.bytes);
        }
        found.is_some()
    }

    /// Forgets a guest that ends: nothing of it is touched or woken from here any more.
    pub fn forget(&self, guest: &Guest<P>) {
        self.listeners
            .lock()
            .retain(|l| !core::ptr::eq(&*l.guest, guest));
        self.windows
            .lock()
            .retain(|w| !core::ptr::eq(&*w.guest, guest));
    }

    /// The frames go away: every window shows private zeros from now on, every call answers `Revoked`,
    /// and the listeners are woken one last time, to find out.
    pub fn revoke(&self) {
        self.revoked.store(true, Ordering::Release);
        let windows = core::mem::take(&mut *self.windows.lock());
        for window in windows {
            window.guest.home.unmap(window.address, self.bytes);
        }
        let listeners = core::mem::take(&mut *self.listeners.lock());
        for listener in listeners {
            if let Some(waker) = listener.guest.put_wake(listener.task) {
                P::Home::wake(&waker);
            }
        }
        self.backing.lock().take();
    }
}
