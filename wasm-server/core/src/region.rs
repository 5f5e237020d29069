// SPDX-License-Identifier: BSD-2-Clause
//! Regions: frames that several guests can have windows onto, and the doorbell that goes with them.

use alloc::{sync::Arc, vec::Vec};
use core::{ops::Deref, ptr};

use atoll_abi::{Error, Pid};
use wasm_state::holders::Holders;

use crate::{
    Guest, Lock,
    common::Common,
    grant::{Dependents, Grant},
    platform::{Failure, Home, Platform, SharedRegion, Woken},
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
    holders: Lock<P, Holders>,
    listeners: Dependents<P, Listener<P>>,
    windows: Dependents<P, Window<P>>,
    /// If other programs hold it, too.
    common: Option<Common<P>>,
}

/// Some of a region's bells, at least one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bells(u32);

impl Bells {
    /// All of them.
    const ALL: Self = Self(u32::MAX);

    /// # Errors
    /// `InvalidArgument` if there are none in the mask.
    pub fn new(mask: u32) -> Result<Self, Error> {
        if mask == 0 {
            return Err(Error::InvalidArgument);
        }
        Ok(Self(mask))
    }

    fn meet(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Guests that are to be woken when no lock is held: a woken thread may run at once, and would have to wait
/// for it.
#[must_use = "they are to be woken"]
pub(crate) struct Sleepers<P: Platform> {
    /// Mostly there is one at most.
    first: Option<<P::Home as Home>::Waker>,
    others: heapless::Vec<<P::Home as Home>::Waker, 7>,
}

impl<P: Platform> Sleepers<P> {
    /// Nobody.
    pub const fn none() -> Self {
        Self {
            first: None,
            others: heapless::Vec::new(),
        }
    }

    #[inline]
    pub fn add(&mut self, waker: impl FnOnce() -> <P::Home as Home>::Waker) {
        if self.first.is_none() {
            self.first = Some(waker());
        } else {
            self.add_other(waker());
        }
    }

    #[cold]
    fn add_other(&mut self, waker: <P::Home as Home>::Waker) {
        // Of more than there is room for, each is woken at once: that is slower, not wrong.
        if let Err(waker) = self.others.push(waker) {
            P::Home::wake(&waker);
        }
    }

    /// Wakes them.
    #[inline]
    pub fn wake(&mut self) {
        if let Some(first) = self.take() {
            P::Home::wake(&first);
        }
    }

    /// Wakes them, if that was not done, and has the thread of this home, which is the caller's, sleep.
    #[inline]
    pub fn wake_and_park(&mut self, home: &P::Home) -> u32 {
        match self.take() {
            Some(first) => home.wake_and_park(&first),
            None => home.park(),
        }
    }

    /// Wakes them, and has the service thread sleep, which is the caller.
    pub fn wake_and_serve(&mut self, platform: &P) -> Woken {
        platform.serve(self.take().as_ref())
    }

    /// Wakes all but the first, which is to be woken.
    #[inline]
    fn take(&mut self) -> Option<<P::Home as Home>::Waker> {
        let first = self.first.take()?;
        while let Some(waker) = self.others.pop() {
            P::Home::wake(&waker);
        }
        Some(first)
    }
}

struct Listener<P: Platform> {
    guest: Arc<Guest<P>>,
    task: u32,
    bells: Bells,
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
            holders: Lock::<P, _>::new(Holders::default()),
            listeners: Dependents::new(Lock::<P, _>::new(Vec::new())),
            windows: Dependents::new(Lock::<P, _>::new(Vec::new())),
            common: None,
        }
    }

    /// A region of the spec.
    pub fn of_spec(backing: P::Region, bytes: u32, shared: Option<SharedRegion<P>>) -> Self {
        Self {
            common: shared.map(Common::new),
            ..Self::new(backing, bytes, None, None)
        }
    }

    /// What [`Platform::serve`] answers when another program has rung; none: no other program holds it.
    pub fn signal(&self) -> Option<u32> {
        self.common.as_ref().map(|common| common.signal)
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

    /// Counts a handle of a process.
    ///
    /// # Errors
    /// `TooMany`.
    pub fn note_holder(&self, pid: Pid) -> Result<(), Error> {
        self.holders.lock().add(pid)?;
        match &self.common {
            // Who is not counted any more is not told of, either.
            Some(common) => common.add(pid).inspect_err(|_| {
                self.forget_holder(pid);
            }),
            None => Ok(()),
        }
    }

    /// Counts one less. Answers whether it was the process's last: then the listeners are to be told
    /// ([`Self::tell_of_departure`]), once its windows are gone.
    pub fn forget_holder(&self, pid: Pid) -> bool {
        self.holders.lock().remove(pid)
    }

    /// Whether a process has a handle, or a window, which goes after the handle: until then it can write.
    pub fn is_held_by(&self, pid: Pid) -> bool {
        self.is_held_here_by(pid) || (self.common.as_ref()).is_some_and(|common| common.holds(pid))
    }

    fn is_held_here_by(&self, pid: Pid) -> bool {
        let mut holds = self.holders.lock().contains(pid);
        self.windows
            .for_each(|window| holds |= window.guest.pid() == pid);
        holds
    }

    /// Has `task` put into the guest's mailbox whenever somebody else rings one of the bells, and when the
    /// grant is lost.
    ///
    /// # Errors
    /// `Revoked`, `TooManyListeners`.
    pub fn listen(
        &self,
        guest: &Arc<Guest<P>>,
        task: u32,
        bells: Bells,
        grant: &Arc<Grant<P>>,
    ) -> Result<(), Error> {
        // One for each guest, however many handles it has: nobody takes up the room of others.
        self.forget(|_, listener| Arc::ptr_eq(&listener.guest, guest));
        let listener = Listener {
            guest: guest.clone(),
            task,
            bells,
        };
        let added = self
            .listeners
            .add(grant, listener, MAX_LISTENERS, Error::TooManyListeners);
        self.publish_listeners();
        added
    }

    /// Takes that back.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn unlisten(&self, grant: &Arc<Grant<P>>) -> Result<(), Error> {
        if self.forget(|other, _| Arc::ptr_eq(other, grant)) {
            self.publish_listeners();
            Ok(())
        } else {
            Err(Error::NotFound)
        }
    }

    fn forget(&self, is_it: impl Fn(&Arc<Grant<P>>, &Listener<P>) -> bool) -> bool {
        self.listeners.take(is_it, |_| {}).is_some()
    }

    /// Has the other programs know which bells are listened to here.
    fn publish_listeners(&self) {
        if let Some(common) = &self.common {
            common.listen(|| {
                let mut bells = 0;
                self.listeners
                    .for_each(|listener| bells |= listener.bells.0);
                bells
            });
        }
    }

    /// Rings: every listener to one of the bells but `by` finds its task in its mailbox. Those who sleep are
    /// added to the others who are to be woken.
    #[inline]
    pub fn ring(&self, by: &Guest<P>, bells: Bells, sleepers: &mut Sleepers<P>) {
        self.tell(bells, |guest| !ptr::eq(guest, by), sleepers);
        if let Some(common) = &self.common {
            common.ring(bells.0, sleepers);
        }
    }

    /// Tells every listener that somebody holds the region no more.
    pub fn tell_of_departure(&self) {
        let mut sleepers = Sleepers::none();
        self.tell(Bells::ALL, |_| true, &mut sleepers);
        if let Some(common) = &self.common {
            common.retain(|pid| self.is_held_here_by(pid));
            common.ring(Bells::ALL.0, &mut sleepers);
        }
        sleepers.wake();
    }

    /// Tells the listeners here of what other programs have rung. Those who sleep are added to the others who are to be
    /// woken.
    pub fn hear(&self, sleepers: &mut Sleepers<P>) {
        let heard = self.common.as_ref().map(Common::heard);
        if let Some(Ok(bells)) = heard.map(Bells::new) {
            self.tell(bells, |_| true, sleepers);
        }
    }

    #[inline]
    fn tell(&self, bells: Bells, is_told: impl Fn(&Guest<P>) -> bool, sleepers: &mut Sleepers<P>) {
        self.listeners.for_each(|listener| {
            if listener.bells.meet(bells)
                && is_told(&listener.guest)
                && listener.guest.put_wake(listener.task)
            {
                sleepers.add(|| listener.guest.home.waker());
            }
        });
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
            ptr::eq(&*window.guest, guest) && window.address == address
        };
        self.windows
            .take(is_it, |window| self.unmap(window))
            .is_some()
    }

    /// Takes the windows and listeners away whose grants were cut. When this returns, none of those
    /// windows reaches the frames any more. Each listener is woken one last time, to find out.
    pub fn strip(&self) {
        while self.windows.take_cut(|window| self.unmap(window)).is_some() {}
        let mut has_stripped = false;
        while let Some(listener) = self.listeners.take_cut(|_| {}) {
            listener.guest.wake_for(listener.task);
            has_stripped = true;
        }
        if has_stripped {
            self.publish_listeners();
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
