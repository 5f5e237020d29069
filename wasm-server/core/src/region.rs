// SPDX-License-Identifier: BSD-2-Clause
//! Regions: frames that several guests can have windows onto, and the doorbell that goes with them.

use alloc::{sync::Arc, vec::Vec};
use core::ops::Deref;

use atoll_abi::{Error, Pid};
use smallvec::SmallVec;

use crate::{
    Guest, Lock,
    grant::{Dependents, Grant},
    platform::{Failure, Home, Platform},
    session::Session,
};

/// Most guests that listen to one doorbell.
const MAX_LISTENERS: usize = 256;

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
    listeners: Dependents<P, Listener<P>>,
    windows: Dependents<P, Window<P>>,
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
            listeners: Dependents::new(Lock::<P, _>::new(Vec::new())),
            windows: Dependents::new(Lock::<P, _>::new(Vec::new())),
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
    ///
    /// # Errors
    /// `Revoked`, `TooManyListeners`.
    pub fn listen(
        &self,
        guest: &Arc<Guest<P>>,
        task: u32,
        grant: &Arc<Grant<P>>,
    ) -> Result<(), Error> {
        // One for each guest, however many handles it has: nobody takes up the room of others.
        self.forget(|_, listener| Arc::ptr_eq(&listener.guest, guest));
        let listener = Listener {
            guest: guest.clone(),
            task,
        };
        self.listeners
            .add(grant, listener, MAX_LISTENERS, Error::TooManyListeners)
    }

    /// Takes that back.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn unlisten(&self, grant: &Arc<Grant<P>>) -> Result<(), Error> {
        if self.forget(|other, _| Arc::ptr_eq(other, grant)) {
            Ok(())
        } else {
            Err(Error::NotFound)
        }
    }

    fn forget(&self, is_it: impl Fn(&Arc<Grant<P>>, &Listener<P>) -> bool) -> bool {
        self.listeners.take(is_it, |_| {}).is_some()
    }

    /// Rings: every listener but `by` finds its task in its mailbox, and is woken if it sleeps.
    pub fn ring(&self, by: &Guest<P>) {
        // Nobody is woken under a lock: the woken thread may run at once, and would have to wait.
        let mut sleepers: SmallVec<[<P::Home as Home>::Waker; 4]> = SmallVec::new();
        self.listeners.for_each(|listener| {
            if !core::ptr::eq(&*listener.guest, by) {
                sleepers.extend(listener.guest.put_wake(listener.task));
            }
        });
        for waker in &sleepers {
            P::Home::wake(waker);
        }
    }

    /// Notes a window that is mapped.
    ///
    /// # Errors
    /// `Revoked` if the grant was cut meanwhile, `TooMany`: the window is to be unmapped.
    pub fn add_window(
        &self,
        guest: &Arc<Guest<P>>,
        address: u32,
        grant: &Arc<Grant<P>>,
    ) -> Result<(), Error> {
        let window = Window {
            guest: guest.clone(),
            address,
        };
        // The guests' limits bound them.
        self.windows.add(grant, window, usize::MAX, Error::TooMany)
    }

    /// Takes a guest's window away, if this is one.
    pub fn remove_window(&self, guest: &Guest<P>, address: u32) -> bool {
        let is_it = |_: &Arc<Grant<P>>, window: &Window<P>| {
            core::ptr::eq(&*window.guest, guest) && window.address == address
        };
        self.windows
            .take(is_it, |window| self.unmap(window))
            .is_some()
    }

    /// Takes the windows and listeners away whose grants were cut. When this returns, none of those
    /// windows reaches the frames any more. Each listener is woken one last time, to find out.
    pub fn strip(&self) {
        while self.windows.take_cut(|window| self.unmap(window)).is_some() {}
        while let Some(listener) = self.listeners.take_cut(|_| {}) {
            listener.guest.wake_for(listener.task);
        }
    }

    fn unmap(&self, window: &Window<P>) {
        window.guest.unmap(window.address, self.bytes);
    }

    /// Takes the frames: nobody has a window any more, nor will have.
    pub fn take_backing(&self) -> Option<Arc<P::Region>> {
        self.backing.lock().take()
    }
}
