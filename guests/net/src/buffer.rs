// SPDX-License-Identifier: BSD-2-Clause
//! The buffers of a client: regions that it hands in, each for one socket at a time.

use alloc::{collections::BTreeMap, rc::Rc, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    task::{Poll, Waker},
};

use atoll_abi::net::{Buffer, Error, MAX_BUFFER_PAGES, MIN_BUFFER_PAGES};
use userland::{
    PAGE, Pid,
    channel::{Duplex, Input, Output},
    handle::{self, Capability as _, Token},
    shm::Region,
};

use crate::{datagrams::Datagrams, stream::Stream};

/// Something that happens once, and those who wait for it.
#[derive(Default)]
pub struct Flag {
    is_raised: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

impl Flag {
    pub fn raise(&self) {
        self.is_raised.set(true);
        for waker in self.waiting.take() {
            waker.wake();
        }
    }

    pub const fn is_raised(&self) -> bool {
        self.is_raised.get()
    }

    pub fn wait(self: &Rc<Self>) -> impl Future<Output = ()> + use<> {
        let this = self.clone();
        poll_fn(move |cx| {
            if this.is_raised.get() {
                return Poll::Ready(());
            }
            let mut waiting = this.waiting.borrow_mut();
            if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
    }
}

/// A capability that is given up with this.
struct Held(Region);

impl Drop for Held {
    fn drop(&mut self) {
        // It may be lost already.
        let _ = Region::from_handle(self.0.handle()).close();
    }
}

/// What a buffer is used for.
pub enum State {
    Free,
    /// A request about it is under way, which is to end when the flag is raised.
    Asked(Rc<Flag>),
    Stream(Stream),
    Datagrams(Datagrams),
    /// A socket that ends, and sooner when the first flag is raised; the second one says that it has.
    Ending(Rc<Flag>, Rc<Flag>),
}

/// A buffer. The parts are dropped in this order: sockets, then the window, then the handle.
struct Slot {
    state: State,
    duplex: Rc<Duplex>,
    _region: Held,
}

/// The buffers of one client.
#[derive(Default)]
pub struct Buffers {
    slots: RefCell<BTreeMap<u32, Slot>>,
    next: Cell<u32>,
}

impl Buffers {
    pub fn count(&self) -> usize {
        self.slots.borrow().len()
    }

    /// Takes up a region. What it is, the server says, and not the client.
    pub fn attach(&self, token: [u8; 16], client: Pid) -> Result<Buffer, Error> {
        let unsuitable = |_| Error::UnsuitableBuffer;
        let token = Token::from_bytes(token);
        let region = Held(handle::accept::<Region>(&token).map_err(unsuitable)?);
        let size = region.0.size().map_err(unsuitable)?;
        let sizes = MIN_BUFFER_PAGES * PAGE..=MAX_BUFFER_PAGES * PAGE;
        // Whose memory it is, counts: nobody else's end is waited for.
        let is_clients = region.0.is_held_by(client) == Ok(true);
        if !sizes.contains(&size) || !is_clients {
            return Err(Error::UnsuitableBuffer);
        }
        let duplex = Duplex::new(&region.0).map_err(|_| Error::UnsuitableBuffer)?;
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        let slot = Slot {
            state: State::Free,
            duplex: Rc::new(duplex),
            _region: region,
        };
        self.slots.borrow_mut().insert(number, slot);
        Ok(Buffer(number))
    }

    /// Lets go of one that is free.
    pub fn detach(&self, buffer: Buffer) -> Result<(), Error> {
        let mut slots = self.slots.borrow_mut();
        match slots.get(&buffer.0) {
            Some(slot) if matches!(slot.state, State::Free) => {}
            _ => return Err(Error::BadBuffer),
        }
        let slot = slots.remove(&buffer.0);
        drop(slots);
        drop(slot);
        Ok(())
    }

    /// Begins with a request about one that is free.
    pub fn ask(self: &Rc<Self>, buffer: Buffer) -> Result<Ask, Error> {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get_mut(&buffer.0).ok_or(Error::BadBuffer)?;
        if !matches!(slot.state, State::Free) {
            return Err(Error::BadBuffer);
        }
        let aborted = Rc::new(Flag::default());
        slot.state = State::Asked(aborted.clone());
        Ok(Ask {
            buffers: self.clone(),
            buffer,
            aborted,
        })
    }

    /// Lets `f` look at one, and answers what it does.
    pub fn with<R>(
        &self,
        buffer: Buffer,
        f: impl FnOnce(&mut State) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let mut slots = self.slots.borrow_mut();
        f(&mut slots.get_mut(&buffer.0).ok_or(Error::BadBuffer)?.state)
    }

    /// Frees those of which `ends` says so.
    pub fn end_those(&self, ends: impl Fn(&State) -> bool) {
        let mut ended = Vec::new();
        for slot in self.slots.borrow_mut().values_mut() {
            if ends(&slot.state) {
                ended.push(core::mem::replace(&mut slot.state, State::Free));
            }
        }
        drop(ended);
    }

    /// Says that one is free, and drops what was there.
    pub fn free(&self, buffer: Buffer) {
        let before = self.with(buffer, |state| Ok(core::mem::replace(state, State::Free)));
        drop(before);
    }

    /// Ends everything.
    pub fn clear(&self) {
        let slots = self.slots.take();
        for slot in slots.values() {
            if let State::Asked(flag) | State::Ending(flag, _) = &slot.state {
                flag.raise();
            }
        }
        drop(slots);
    }
}

/// A request about a buffer that is under way. When it is dropped without having come to something, the buffer is
/// free.
pub struct Ask {
    buffers: Rc<Buffers>,
    buffer: Buffer,
    pub aborted: Rc<Flag>,
}

impl Ask {
    /// The net guest's ends of the pipes that the client has made there.
    pub fn ends(&self) -> Result<(Input, Output), Error> {
        let duplex = {
            let slots = self.buffers.slots.borrow();
            let slot = slots.get(&self.buffer.0).ok_or(Error::BadBuffer)?;
            slot.duplex.clone()
        };
        duplex.join("net").map_err(|_| Error::UnsuitableBuffer)
    }

    /// What it has come to. If it was aborted meanwhile, that is dropped.
    pub fn become_used(&self, used: State) -> Result<(), Error> {
        self.replace(used).map_err(|used| {
            drop(used);
            Error::Aborted
        })
    }

    fn replace(&self, by: State) -> Result<(), State> {
        let mut slots = self.buffers.slots.borrow_mut();
        match slots.get_mut(&self.buffer.0) {
            Some(slot) if is_of(&slot.state, &self.aborted) => {
                slot.state = by;
                Ok(())
            }
            _ => Err(by),
        }
    }
}

fn is_of(state: &State, flag: &Rc<Flag>) -> bool {
    matches!(state, State::Asked(other) if Rc::ptr_eq(other, flag))
}

impl Drop for Ask {
    fn drop(&mut self) {
        let _ = self.replace(State::Free);
    }
}
