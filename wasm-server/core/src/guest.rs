// SPDX-License-Identifier: BSD-2-Clause
//! One guest, from its start to its end.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::{
    fmt,
    sync::atomic::{AtomicU32, Ordering},
};

use atoll_abi::{Error, Handle, Level, Params, Pid, Rights};
use wasmtime::{ResourceLimiter, Store, UpdateDeadline};

use crate::{
    Lock,
    description::Description,
    handle::HandleTable,
    mailbox::{Mailbox, NoMailbox},
    modules::Prepared,
    platform::{Home, Platform},
    region::Region,
    report::{self, Ending},
    server::Server,
};

/// Elements of one table: what an ordinary program needs for its function pointers.
const MAX_TABLE_ELEMENTS: usize = 16 * 1024;

/// How a guest ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Returned from its entry point, or exited with this code.
    Exited(u32),
    /// Trapped, panicked, was ended or did not start; the text is for people, and may have several
    /// lines.
    Failed(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exited with code {code}"),
            Self::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}

/// Why the server ends a guest. In [`Guest::ending`], 0 is none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Reason {
    /// It ran for longer than its spec allows.
    Deadline = 1,
}

/// Where a guest is in its life.
enum State<P: Platform> {
    /// Its thread runs, or sleeps in a hostcall.
    Alive(Vec<<P::Home as Home>::Waker>),
    /// Its thread has finished, what it held is not reclaimed yet.
    Ended(Outcome, Vec<<P::Home as Home>::Waker>),
    /// Nothing of it is left.
    Gone(Outcome),
}

/// A capability in a guest's table.
pub(crate) struct RegionCap<P: Platform> {
    /// What it designates.
    pub region: Arc<Region<P>>,
    /// What it allows.
    pub rights: Rights,
}

impl<P: Platform> Clone for RegionCap<P> {
    fn clone(&self) -> Self {
        Self {
            region: self.region.clone(),
            rights: self.rights,
        }
    }
}

/// A guest.
pub struct Guest<P: Platform> {
    /// What the platform keeps for it.
    pub home: P::Home,
    pub(crate) server: Arc<Server<P>>,
    pub(crate) pid: Pid,
    pub(crate) description: Arc<Description>,
    pub(crate) handles: Lock<P, HandleTable<RegionCap<P>>>,
    pub(crate) params: Vec<u8>,
    prepared: Arc<Prepared<P>>,
    ending: AtomicU32,
    state: Lock<P, State<P>>,
    mailbox: Lock<P, Mailbox>,
}

/// What wasmtime keeps for a guest.
pub(crate) struct Context<P: Platform> {
    pub guest: Arc<Guest<P>>,
}

impl<P: Platform> Guest<P> {
    /// Puts a guest together; nothing runs yet.
    pub(crate) fn new(
        server: Arc<Server<P>>,
        pid: Pid,
        description: Arc<Description>,
        prepared: Arc<Prepared<P>>,
        home: P::Home,
        channels: &[(String, RegionCap<P>)],
    ) -> Result<Arc<Self>, Error> {
        let mut handles = HandleTable::<RegionCap<P>>::new();
        let mut caps = Vec::with_capacity(channels.len());
        for (name, cap) in channels {
            caps.push(atoll_abi::Cap {
                name: name.clone(),
                handle: handles.insert(cap.clone())?,
            });
        }
        let params = Params {
            name: description.name.clone(),
            args: description.args.clone(),
            env: description.env.clone(),
            caps,
        };
        let params = postcard::to_allocvec(&params).map_err(|_| Error::NoMemory)?;
        Ok(Arc::new(Self {
            home,
            server,
            pid,
            description,
            handles: Lock::<P, _>::new(handles),
            params,
            prepared,
            ending: AtomicU32::new(0),
            state: Lock::<P, _>::new(State::Alive(Vec::new())),
            mailbox: Lock::<P, _>::new(Mailbox::default()),
        }))
    }

    /// Its name in the spec.
    pub fn name(&self) -> &str {
        &self.description.name
    }

    /// Runs the guest to its end, on its own thread. Afterwards the platform drops its reference, has
    /// [`Home::finished`] say so, and nudges the service thread.
    pub fn run(self: &Arc<Self>) {
        let outcome = match self.execute() {
            Ok(()) => Outcome::Exited(0),
            Err(error) => report::outcome(&error, &self.description.module),
        };
        self.finish(outcome);
    }

    /// Ends the guest from within a hostcall or one of wasmtime's own functions that its code called,
    /// without returning to it: its thread touched a page of its memory in a way that the page's rights
    /// forbid, where no trap can be taken. The instance is not dropped; what the server keeps for it on
    /// its heap is lost. The thread holds no lock there (see [`Home`]).
    pub fn abandon(&self, why: &str) {
        self.finish(Outcome::Failed(why.into()));
    }

    fn finish(&self, outcome: Outcome) {
        // Whoever would wake it from here on finds no mailbox.
        self.mailbox.lock().close();
        let mut state = self.state.lock();
        if let State::Alive(waiting) = &mut *state {
            let waiting = core::mem::take(waiting);
            *state = State::Ended(outcome, waiting);
        }
        drop(state);
        self.server.note_ended();
    }

    fn execute(self: &Arc<Self>) -> wasmtime::Result<()> {
        let mut store = Store::new(
            &self.prepared.engine,
            Context {
                guest: self.clone(),
            },
        );
        store.limiter(|context| context);
        store.epoch_deadline_callback(|context| match context.data().guest.ending() {
            Some(reason) => Err(Ending::Ended(reason).into()),
            None => Ok(UpdateDeadline::Continue(1)),
        });
        store.set_epoch_deadline(1);
        // Its end may have come before this thread did: the epoch that was to say so has passed.
        self.check_ending()?;
        let instance = self.prepared.instance.instantiate(&mut store)?;
        let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
        start.call(&mut store, ())
    }

    /// Has the guest end as soon as its thread gets to it: at the next loop or call in wasm, or at
    /// once if it sleeps. The caller moves the epoch of the guest's engine afterwards.
    pub(crate) fn end(&self, reason: Reason) {
        self.ending.store(reason as u32, Ordering::Release);
        self.prepared.engine.increment_epoch();
        P::Home::wake(&self.home.waker());
    }

    fn ending(&self) -> Option<Reason> {
        (self.ending.load(Ordering::Acquire) == Reason::Deadline as u32).then_some(Reason::Deadline)
    }

    /// Ends a blocking hostcall if the guest is to end.
    pub(crate) fn check_ending(&self) -> Result<(), Ending> {
        self.ending()
            .map_or(Ok(()), |reason| Err(Ending::Ended(reason)))
    }

    /// Whether its thread has not finished.
    pub(crate) fn is_alive(&self) -> bool {
        matches!(&*self.state.lock(), State::Alive(_))
    }

    /// The outcome, once the thread has finished.
    pub(crate) fn ended(&self) -> Option<Outcome> {
        match &*self.state.lock() {
            State::Ended(outcome, _) => Some(outcome.clone()),
            _ => None,
        }
    }

    /// Everything is reclaimed: those who waited for it learn the outcome.
    pub(crate) fn gone(&self) {
        let mut state = self.state.lock();
        let State::Ended(outcome, waiting) = &mut *state else {
            return;
        };
        let waiting = core::mem::take(waiting);
        let outcome = outcome.clone();
        *state = State::Gone(outcome);
        drop(state);
        for waker in &waiting {
            P::Home::wake(waker);
        }
    }

    /// How it ended, once nothing is left of it.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        match &*self.state.lock() {
            State::Gone(outcome) => Some(outcome.clone()),
            _ => None,
        }
    }

    /// Whether nothing is left of it.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(&*self.state.lock(), State::Gone(_))
    }

    /// The outcome if nothing is left of it, else the waker is woken when that is so.
    pub(crate) fn outcome_or_wake(&self, waker: &<P::Home as Home>::Waker) -> Option<Outcome> {
        match &mut *self.state.lock() {
            State::Gone(outcome) => Some(outcome.clone()),
            State::Alive(waiting) | State::Ended(_, waiting) => {
                waiting.push(waker.clone());
                None
            }
        }
    }

    /// Puts a wake into the mailbox; answers the waker if the guest sleeps and has to be woken.
    pub(crate) fn put_wake(&self, task: u32) -> Option<<P::Home as Home>::Waker> {
        let asleep = self.mailbox.lock().put(&self.home, task);
        asleep.then(|| self.home.waker())
    }

    /// See [`Mailbox::register`].
    pub(crate) fn register_mailbox(&self, address: u32) -> Result<(), NoMailbox> {
        self.mailbox.lock().register(&self.home, address)
    }

    /// Ids in the mailbox; 0 and the guest counts as asleep; none if there is no mailbox.
    pub(crate) fn pending_or_park(&self) -> Option<u32> {
        let mut mailbox = self.mailbox.lock();
        mailbox
            .is_registered()
            .then(|| mailbox.pending_or_park(&self.home))
    }

    /// See [`Mailbox::unpark`].
    pub(crate) fn unpark(&self) {
        self.mailbox.lock().unpark();
    }

    /// A capability of it.
    pub(crate) fn cap(&self, handle: u32) -> Result<RegionCap<P>, Error> {
        self.handles.lock().get(Handle(handle)).cloned()
    }

    /// Writes lines under the guest's name.
    pub(crate) fn log(&self, level: Level, text: &str) {
        self.server.log(self.name(), level, text);
    }
}

impl<P: Platform> ResourceLimiter for Context<P> {
    /// Memory is limited by the budget: the platform refuses frames that it does not cover.
    fn memory_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }

    /// Tables are on the server's heap.
    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        4
    }

    fn memories(&self) -> usize {
        1
    }
}
