// SPDX-License-Identifier: BSD-2-Clause
//! Sessions: bounds on what the processes started in them can ever hold.

use alloc::{sync::Arc, vec::Vec};

use atoll_abi::{
    Error, Groups, Rights,
    message::{Name, SessionInfo},
};

use crate::{Lock, platform::Platform, resource::Resource};

/// Most sessions within sessions.
const MAX_DEPTH: usize = 8;

/// A session.
pub(crate) struct Session<P: Platform> {
    pub name: Name,
    /// The session it was made in, whose bounds hold for it too.
    pub parent: Option<Arc<Self>>,
    /// The groups that its processes may have.
    pub groups: Groups,
    processes: u32,
    /// What its processes may hold, besides what is made in it.
    holds: Vec<(Resource<P>, Rights)>,
    state: Lock<P, State>,
}

#[derive(Default)]
struct State {
    running: u32,
    ended: bool,
}

impl<P: Platform> Session<P> {
    /// # Errors
    /// `TooLarge` if there are too many within each other.
    pub fn new(
        name: Name,
        parent: Option<Arc<Self>>,
        groups: Groups,
        processes: u32,
        holds: Vec<(Resource<P>, Rights)>,
    ) -> Result<Self, Error> {
        if core::iter::successors(parent.as_ref(), |s| s.parent.as_ref()).count() >= MAX_DEPTH {
            return Err(Error::TooLarge);
        }
        Ok(Self {
            name,
            parent,
            groups,
            processes,
            holds,
            state: Lock::<P, _>::new(State::default()),
        })
    }

    /// Whether a process of the session may hold this.
    pub fn allows(self: &Arc<Self>, resource: &Resource<P>, rights: Rights) -> bool {
        core::iter::successors(Some(self), |s| s.parent.as_ref()).all(|session| {
            let held = session
                .holds
                .iter()
                .any(|(held, most)| held.is(resource) && most.contains(rights));
            held || resource
                .made_in()
                .is_some_and(|maker| maker.is_within(session))
        })
    }

    /// Whether it is `other`, or was made in it.
    pub fn is_within(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        core::iter::successors(Some(self), |s| s.parent.as_ref()).any(|s| Arc::ptr_eq(s, other))
    }

    /// Counts a process that starts, here and in those around it.
    ///
    /// # Errors
    /// `Ended`, `NotEntitled` if as many run as may.
    pub fn enter(&self) -> Result<(), Error> {
        {
            let mut state = self.state.lock();
            if state.ended {
                return Err(Error::Ended);
            }
            if state.running >= self.processes {
                return Err(Error::NotEntitled);
            }
            state.running += 1;
        }
        let around = self.parent.as_ref().map_or(Ok(()), |parent| parent.enter());
        if around.is_err() {
            self.state.lock().running -= 1;
        }
        around
    }

    /// Counts a process that has ended.
    pub fn leave(&self) {
        for session in core::iter::successors(Some(self), |s| s.parent.as_deref()) {
            let mut state = session.state.lock();
            state.running = state.running.saturating_sub(1);
        }
    }

    /// Nothing starts in it any more.
    pub fn end(&self) {
        self.state.lock().ended = true;
    }

    /// Whether it, or one around it, has ended.
    pub fn has_ended(&self) -> bool {
        core::iter::successors(Some(self), |s| s.parent.as_deref()).any(|s| s.state.lock().ended)
    }

    pub fn info(&self) -> SessionInfo {
        let ended = self.has_ended();
        let state = self.state.lock();
        SessionInfo {
            name: self.name.clone(),
            groups: self.groups,
            running: state.running,
            processes: self.processes,
            ended,
        }
    }
}
