// SPDX-License-Identifier: BSD-2-Clause
//! Processes as others see them: ids, states, and who waits for what.
//!
//! A [`Process`] outlives the [`Guest`] that runs in it, for as long as somebody holds it.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::{fmt, sync::atomic::AtomicU32};

use atoll_abi::{
    Error, FAILED, Limits, Pid, ProcessState,
    message::{Name, StateChange},
};
use wasm_handoff::pid;

use crate::{
    Guest, Lock,
    loaded::Loader,
    platform::{Home, Platform, Program},
    session::Session,
    watch::Watchers,
};

const INDEX_MASK: u32 = (1 << pid::INDEX_BITS) - 1;
const GENERATION_MASK: u32 = (1 << pid::GENERATION_BITS) - 1;

/// The program that a process is one of.
pub(crate) const fn program_of(pid: Pid) -> u8 {
    pid::program(pid.0)
}

/// Changes of state that are remembered, which is as many as a life can have.
const MAX_CHANGES: usize = 8;

/// How a guest ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Returned from its entry point, or exited with this code.
    Exited(u32),
    /// Trapped, panicked, was ended or did not start; the text is for people, and may have several
    /// lines.
    Failed(String),
}

impl Outcome {
    /// As `process::wait` answers it.
    pub(crate) const fn to_wire(&self) -> u64 {
        match self {
            Self::Exited(code) => *code as u64,
            Self::Failed(_) => FAILED,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exited with code {code}"),
            Self::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}

/// A process.
pub(crate) struct Process<P: Platform> {
    pub pid: Pid,
    pub name: Name,
    /// Name of its module.
    pub module: Name,
    /// Who loaded that; none: it is in the archive.
    pub loader: Option<Arc<Loader>>,
    /// Who started it, if a process did.
    pub parent: Option<Pid>,
    /// Whether its memory is a part of its parent's, so that it ends with it.
    pub is_part: bool,
    pub session: Option<Arc<Session<P>>>,
    pub prio: u8,
    pub limits: Limits,
    /// The guest of the spec that it runs, by its place; none: it is of no place.
    pub place: Option<usize>,
    /// In the grants for it; 0: there were none yet.
    pub number: AtomicU32,
    life: Lock<P, Life<P>>,
    /// Who watches for changes of its state.
    pub watchers: Watchers<P>,
}

struct Life<P: Platform> {
    state: ProcessState,
    changes: heapless::Vec<StateChange, MAX_CHANGES>,
    outcome: Option<Outcome>,
    guest: Option<Arc<Guest<P>>>,
    /// Of its module, once that was looked up.
    version: Name,
    waiting: Vec<Waiter<P>>,
}

struct Waiter<P: Platform> {
    pid: Pid,
    waker: <P::Home as Home>::Waker,
}

/// What a process is made with.
pub(crate) struct ProcessParams<P: Platform> {
    pub name: Name,
    pub module: Name,
    pub loader: Option<Arc<Loader>>,
    pub parent: Option<Pid>,
    pub is_part: bool,
    pub session: Option<Arc<Session<P>>>,
    pub prio: u8,
    pub limits: Limits,
    pub place: Option<usize>,
}

impl<P: Platform> Process<P> {
    fn new(pid: Pid, params: ProcessParams<P>, now: u64) -> Self {
        let mut changes = heapless::Vec::new();
        let state = ProcessState::Created;
        // There is room for the first.
        let _ = changes.push(StateChange { state, at: now });
        Self {
            pid,
            name: params.name,
            module: params.module,
            loader: params.loader,
            parent: params.parent,
            is_part: params.is_part,
            session: params.session,
            prio: params.prio,
            limits: params.limits,
            place: params.place,
            number: AtomicU32::new(0),
            life: Lock::<P, _>::new(Life {
                state,
                changes,
                outcome: None,
                guest: None,
                version: Name::new(),
                waiting: Vec::new(),
            }),
            watchers: Watchers::new(),
        }
    }

    /// The guest that runs in it, until nothing is left of that.
    pub fn guest(&self) -> Option<Arc<Guest<P>>> {
        self.life.lock().guest.clone()
    }

    /// It is to run this, of a module of this version.
    pub fn set_guest(&self, guest: Arc<Guest<P>>, version: Name) {
        let mut life = self.life.lock();
        life.guest = Some(guest);
        life.version = version;
    }

    /// The version of its module, or nothing.
    pub fn version(&self) -> Name {
        self.life.lock().version.clone()
    }

    /// Changes the state, unless it is the same or the process has ended. Answers whether it changed; then
    /// the watchers are to be woken.
    pub fn change(&self, state: ProcessState, now: u64) -> bool {
        self.life.lock().change(state, now)
    }

    /// Changes the state from one to another.
    pub fn change_from(&self, from: ProcessState, state: ProcessState, now: u64) -> bool {
        let mut life = self.life.lock();
        life.state == from && life.change(state, now)
    }

    /// Nothing is left of it but this.
    pub fn end(&self, outcome: Outcome, now: u64) {
        let mut life = self.life.lock();
        let state = match outcome {
            Outcome::Exited(_) => ProcessState::Stopped,
            Outcome::Failed(_) => ProcessState::Failed,
        };
        life.change(state, now);
        life.outcome = Some(outcome);
        let guest = life.guest.take();
        let waiting = core::mem::take(&mut life.waiting);
        drop(life);
        for waiter in waiting {
            P::Home::wake(&waiter.waker);
        }
        drop(guest);
    }

    /// How it ended, once nothing is left of it.
    pub fn outcome(&self) -> Option<Outcome> {
        self.life.lock().outcome.clone()
    }

    /// As `process::wait` answers it.
    pub fn outcome_on_wire(&self) -> Option<u64> {
        self.life.lock().outcome.as_ref().map(Outcome::to_wire)
    }

    /// As [`Self::outcome_on_wire`]; if it has not ended, the waker is woken when it has.
    ///
    /// # Errors
    /// `TooMany` if the server has no memory to remember the waker.
    pub fn outcome_or_wait(
        &self,
        pid: Pid,
        waker: &<P::Home as Home>::Waker,
    ) -> Result<Option<u64>, Error> {
        let mut life = self.life.lock();
        if life.outcome.is_none() && life.waiting.iter().all(|w| w.pid != pid) {
            life.waiting.try_reserve(1).map_err(|_| Error::TooMany)?;
            life.waiting.push(Waiter {
                pid,
                waker: waker.clone(),
            });
        }
        Ok(life.outcome.as_ref().map(Outcome::to_wire))
    }

    /// The process waits no longer.
    pub fn wait_no_longer(&self, pid: Pid) {
        self.life.lock().waiting.retain(|w| w.pid != pid);
    }

    /// Wakes those who wait for its end, to find out whether they still may.
    pub fn wake_waiting(&self) {
        // From the last to the first: who is woken may leave the list at once, and nobody before it moves.
        let mut n = self.life.lock().waiting.len();
        while n > 0 {
            n -= 1;
            let waker = self.life.lock().waiting.get(n).map(|w| w.waker.clone());
            if let Some(waker) = waker {
                P::Home::wake(&waker);
            }
        }
    }

    /// Where it is in its life.
    pub fn state(&self) -> ProcessState {
        let life = self.life.lock();
        match (life.state, &life.guest) {
            (ProcessState::Running, Some(guest)) if guest.sleeps() => ProcessState::Blocked,
            (state, _) => state,
        }
    }

    /// Its changes of state behind the n-th.
    pub fn changes(&self, after: usize) -> heapless::Vec<StateChange, MAX_CHANGES> {
        let life = self.life.lock();
        life.changes.iter().skip(after).cloned().collect()
    }
}

impl<P: Platform> Life<P> {
    fn change(&mut self, state: ProcessState, at: u64) -> bool {
        if self.state == state || self.outcome.is_some() {
            return false;
        }
        self.state = state;
        self.changes.push(StateChange { state, at }).is_ok()
    }
}

/// The processes of a server.
pub(crate) struct Processes<P: Platform> {
    entries: Vec<Entry<P>>,
    /// The program that they are processes of.
    program: u8,
    /// What generations begin behind.
    first: u32,
}

struct Entry<P: Platform> {
    /// Starts at 1, so that no id is 0; wraps past 0.
    generation: u32,
    process: Option<Arc<Process<P>>>,
}

impl<P: Platform> Processes<P> {
    /// None yet, in this program.
    pub const fn new(program: Program) -> Self {
        Self {
            entries: Vec::new(),
            program: program.number,
            first: pid::before(program.life),
        }
    }

    /// A new process.
    ///
    /// # Errors
    /// `TooMany`.
    pub fn insert(&mut self, params: ProcessParams<P>, now: u64) -> Result<Arc<Process<P>>, Error> {
        let index = match self.entries.iter().position(|e| e.process.is_none()) {
            Some(index) => index,
            None if self.entries.len() < INDEX_MASK as usize => {
                self.entries.try_reserve(1).map_err(|_| Error::TooMany)?;
                self.entries.push(Entry {
                    generation: self.first,
                    process: None,
                });
                self.entries.len() - 1
            }
            None => return Err(Error::TooMany),
        };
        let entry = self.entries.get_mut(index).ok_or(Error::TooMany)?;
        entry.generation = ((entry.generation + 1) & GENERATION_MASK).max(1);
        let pid = Pid(pid::of(self.program, entry.generation, index as u32));
        let process = Arc::new(Process::new(pid, params, now));
        entry.process = Some(process.clone());
        Ok(process)
    }

    /// The process with this id.
    ///
    /// # Errors
    /// `NotFound`, also if it has ended.
    pub fn get(&self, pid: Pid) -> Result<&Arc<Process<P>>, Error> {
        self.entries
            .get((pid.0 & INDEX_MASK) as usize)
            .and_then(|entry| entry.process.as_ref())
            .filter(|process| process.pid == pid)
            .ok_or(Error::NotFound)
    }

    /// Forgets a process.
    pub fn remove(&mut self, pid: Pid) -> Option<Arc<Process<P>>> {
        self.get(pid).ok()?;
        self.entries
            .get_mut((pid.0 & INDEX_MASK) as usize)?
            .process
            .take()
    }

    /// The processes from this place of the table on, with their places.
    pub fn iter_from(&self, index: usize) -> impl Iterator<Item = (usize, &Arc<Process<P>>)> {
        self.entries
            .iter()
            .enumerate()
            .skip(index)
            .filter_map(|(index, entry)| Some((index, entry.process.as_ref()?)))
    }

    /// The place behind that of a process.
    pub const fn behind(pid: Pid) -> usize {
        if pid.0 == 0 {
            0
        } else {
            (pid.0 & INDEX_MASK) as usize + 1
        }
    }
}
