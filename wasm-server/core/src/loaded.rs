// SPDX-License-Identifier: BSD-2-Clause
//! Modules that guests have loaded.
//!
//! The memory of a loaded module is its loader's, whoever runs it: so it comes back when the last of these
//! has ended, and none of them outlives the loader. What the server itself keeps of it is on its own heap, and
//! bounded by the loader's limit.

use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use atoll_abi::{
    Error, Pid,
    message::{ModuleInfo, Name},
};

use crate::{
    Guest, Lock,
    guest::{count, uncount},
    modules::{Prepared, Refused},
    platform::{Blank, Home, Image, Platform},
    server::Server,
    session::Session,
};

/// Bytes of an image for each byte of the server's heap that is set aside to load it: it takes one for about 20.
const IMAGE_TO_HEAP: u64 = 4;

/// A guest as the owner of modules.
#[derive(Debug)]
pub(crate) struct Loader {
    pub pid: Pid,
    /// Most modules at once.
    limit: u32,
    modules: AtomicU32,
    /// Processes that run one of them or are about to, and [`Loader::CLOSED`] when nothing may start any more.
    users: AtomicU32,
}

impl Loader {
    const CLOSED: u32 = 1 << 31;

    pub const fn new(pid: Pid, limit: u32) -> Self {
        Self {
            pid,
            limit,
            modules: AtomicU32::new(0),
            users: AtomicU32::new(0),
        }
    }

    /// Modules that take memory.
    pub fn modules(&self) -> u32 {
        self.modules.load(Ordering::Relaxed)
    }

    /// Counts a process that is to run one of them: until it leaves, the memory of all of them stays.
    ///
    /// # Errors
    /// `Revoked` if the guest has ended.
    pub fn enter(&self) -> Result<(), Error> {
        let enter = |users: u32| (users & Self::CLOSED == 0).then(|| users + 1);
        self.users
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, enter)
            .map(drop)
            .map_err(|_| Error::Revoked)
    }

    /// Counts one less. Answers whether the guest has ended and waits for this.
    #[must_use = "the service thread is to be told"]
    pub fn leave(&self) -> bool {
        self.users.fetch_sub(1, Ordering::AcqRel) == Self::CLOSED + 1
    }

    /// Lets no further process in; answers whether there is none.
    pub fn close(&self) -> bool {
        self.users.fetch_or(Self::CLOSED, Ordering::AcqRel) & !Self::CLOSED == 0
    }

    pub fn is_closed(&self) -> bool {
        self.users.load(Ordering::Acquire) & Self::CLOSED != 0
    }
}

/// One of as many modules as a loader may have.
#[derive(Debug)]
pub(crate) struct Slot(Arc<Loader>);

impl Slot {
    fn of(loader: &Arc<Loader>) -> Result<Self, Error> {
        count(&loader.modules, loader.limit, Error::TooManyModules)?;
        Ok(Self(loader.clone()))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        uncount(&self.0.modules);
    }
}

/// A part of the server's heap that is spoken for.
struct Share<'a> {
    all: &'a AtomicU64,
    bytes: u64,
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// A loaded module.
pub(crate) struct Loaded<P: Platform> {
    pub name: Name,
    pub version: Name,
    pub loader: Arc<Loader>,
    /// The session that the loader is in.
    pub session: Option<Arc<Session<P>>>,
    /// None: nothing starts from it any more.
    code: Lock<P, Option<Code<P>>>,
}

struct Code<P: Platform> {
    image: Arc<P::Image>,
    /// One for each size of stack, the first of them in the image, the others in copies of it: code at one
    /// address belongs to one engine.
    prepared: Vec<Arc<Prepared<P>>>,
}

impl<P: Platform> Loaded<P> {
    /// Copies a module, then checks it.
    ///
    /// # Errors
    /// Whatever is wrong with it, and those of `copy`.
    pub fn new<E: From<Refused>>(
        guest: &Guest<P>,
        bytes: u32,
        copy: impl FnOnce(&mut <P::Home as Home>::Blank) -> Result<(), E>,
    ) -> Result<Self, E> {
        let server = &guest.server;
        let loader = guest.loader();
        let slot = Slot::of(&loader).map_err(Refused::from)?;
        let share = server.share_of_heap(bytes)?;
        let blank = guest.home.make_blank(bytes);
        let mut blank = blank.map_err(|failure| Refused::from(Error::from(failure)))?;
        copy(&mut blank)?;
        let image = blank.seal();
        let image = Arc::new(image.map_err(|failure| Refused::from(Error::from(failure)))?);
        let prepared = server
            .modules
            .load_image(&server.platform, &image, guest.stack, slot)?;
        drop(share);
        let mut all = Vec::new();
        all.try_reserve(1)
            .map_err(|_| Refused::from(Error::TooMany))?;
        let (name, version) = (prepared.name.clone(), prepared.version.clone());
        all.push(Arc::new(prepared));
        Ok(Self {
            name,
            version,
            loader,
            session: guest.process.session.clone(),
            code: Lock::<P, _>::new(Some(Code {
                image,
                prepared: all,
            })),
        })
    }

    /// The module for a stack size. The caller has entered.
    ///
    /// # Errors
    /// `Revoked`, `NoMemory` and `TooManyModules` for a size that it was not prepared for yet, and what is wrong
    /// with it.
    pub fn prepare(&self, server: &Server<P>, stack: u32) -> Result<Arc<Prepared<P>>, Refused> {
        let image = match &*self.code.lock() {
            None => return Err(Error::Revoked.into()),
            Some(code) => match code.prepared_for(stack) {
                Some(prepared) => return Ok(prepared),
                None => code.image.clone(),
            },
        };
        let bytes = image.bytes();
        let len = u32::try_from(bytes.len()).map_err(|_| Error::TooLong)?;
        let slot = Slot::of(&self.loader)?;
        let share = server.share_of_heap(len)?;
        // It is there for as long as somebody has entered.
        let owner = server.guest(self.loader.pid)?;
        let mut blank = owner.home.make_blank(len).map_err(Error::from)?;
        blank.write(0, bytes).map_err(Error::from)?;
        let copy = Arc::new(blank.seal().map_err(Error::from)?);
        let prepared = server
            .modules
            .load_image(&server.platform, &copy, stack, slot)?;
        drop(share);
        let prepared = Arc::new(prepared);
        let mut code = self.code.lock();
        let code = code.as_mut().ok_or(Error::Revoked)?;
        // Another may have been faster.
        if let Some(prepared) = code.prepared_for(stack) {
            return Ok(prepared);
        }
        code.prepared.try_reserve(1).map_err(|_| Error::TooMany)?;
        code.prepared.push(prepared.clone());
        Ok(prepared)
    }

    /// Lets nothing start from it any more. What nobody runs of it is gone when this returns.
    pub fn close(&self) {
        let code = self.code.lock().take();
        drop(code);
    }

    /// # Errors
    /// `Revoked`.
    pub fn info(&self) -> Result<ModuleInfo, Error> {
        let code = self.code.lock();
        let code = code.as_ref().ok_or(Error::Revoked)?;
        Ok(ModuleInfo {
            name: self.name.clone(),
            version: self.version.clone(),
            memory: code.image.memory() * code.prepared.len() as u64,
            loader: self.loader.pid,
        })
    }
}

impl<P: Platform> Code<P> {
    fn prepared_for(&self, stack: u32) -> Option<Arc<Prepared<P>>> {
        self.prepared.iter().find(|p| p.stack == stack).cloned()
    }
}

impl<P: Platform> Guest<P> {
    /// This guest as the owner of modules.
    fn loader(&self) -> Arc<Loader> {
        let mut loader = self.loader.lock();
        let make = || Arc::new(Loader::new(self.pid(), self.process.limits.modules));
        loader.get_or_insert_with(make).clone()
    }

    /// Modules of its that take memory.
    pub(crate) fn modules(&self) -> u32 {
        self.loader.lock().as_ref().map_or(0, |l| l.modules())
    }

    /// Lets nothing start from modules of its any more; answers whether nothing runs any.
    pub(crate) fn closes_modules(&self) -> bool {
        let loader = self.loader.lock().clone();
        loader.is_none_or(|loader| loader.close())
    }
}

impl<P: Platform> Server<P> {
    /// What loading an image may take of the server's heap, until it is dropped.
    ///
    /// # Errors
    /// `TooMany` if there is not as much.
    fn share_of_heap(&self, image: u32) -> Result<Share<'_>, Refused> {
        let bytes = u64::from(image) / IMAGE_TO_HEAP;
        let all = &self.heap_shares;
        let before = all.fetch_add(bytes, Ordering::AcqRel);
        let share = Share { all, bytes };
        self.room_for(before + bytes)?;
        Ok(share)
    }

    /// A process no longer runs a module of this loader.
    pub(crate) fn leave(&self, loader: &Loader) {
        if loader.leave() {
            self.note_ended();
            self.platform.nudge();
        }
    }
}
