// SPDX-License-Identifier: BSD-2-Clause
//! Services: names that at most one process provides at a time.

use alloc::{collections::VecDeque, sync::Arc, vec::Vec};

use atoll_abi::{Error, Pid};

use crate::{Lock, platform::Platform, registry::Grant};

/// Most processes that stand by for one service.
const MAX_STAND_BY: usize = 16;
/// Most processes that watch one service.
const MAX_WATCHERS: usize = 256;

/// A service.
pub(crate) struct Service<P: Platform> {
    state: Lock<P, State<P>>,
}

struct State<P: Platform> {
    /// The provider, and those who stand by, in turn.
    line: VecDeque<Provider<P>>,
    watchers: Vec<Watcher<P>>,
    generation: u32,
}

/// Who provides a service or stands by.
pub(crate) struct Provider<P: Platform> {
    pub pid: Pid,
    /// The right to provide.
    pub by: Arc<Grant<P>>,
    /// What is offered; those who look it up get grants below.
    pub offer: Arc<Grant<P>>,
}

struct Watcher<P: Platform> {
    pid: Pid,
    task: u32,
    grant: Arc<Grant<P>>,
}

/// Whom to wake after a change of the provider.
pub(crate) type Watchers = Vec<(Pid, u32)>;

impl<P: Platform> Service<P> {
    pub fn new() -> Self {
        Self {
            state: Lock::<P, _>::new(State {
                line: VecDeque::new(),
                watchers: Vec::new(),
                generation: 0,
            }),
        }
    }

    /// Whether this process provides it or stands by.
    pub fn has(&self, pid: Pid) -> bool {
        self.state.lock().line.iter().any(|p| p.pid == pid)
    }

    /// Puts a provider at the end of the line. Answers whom to wake if it is the first.
    ///
    /// # Errors
    /// `Busy` if there is another and the provider is not to stand by, or it is in the line already;
    /// `TooManyListeners`; and as [`Grant::live`], if its right or its offer was cut meanwhile.
    pub fn provide(&self, provider: Provider<P>, stand_by: bool) -> Result<Watchers, Error> {
        let mut state = self.state.lock();
        // Under the lock: who cuts one of them afterwards finds the provider in the line.
        provider.by.live()?;
        provider.offer.live()?;
        let busy = !stand_by && !state.line.is_empty();
        if busy || state.line.iter().any(|p| p.pid == provider.pid) {
            return Err(Error::Busy);
        }
        if state.line.len() > MAX_STAND_BY {
            return Err(Error::TooManyListeners);
        }
        state.line.try_reserve(1).map_err(|_| Error::TooMany)?;
        state.line.push_back(provider);
        Ok(if state.line.len() == 1 {
            state.changed()
        } else {
            Watchers::new()
        })
    }

    /// Takes providers out of the line. Answers one of them, if there is one, and whom to wake.
    pub fn withdraw(
        &self,
        is_it: impl Fn(&Provider<P>) -> bool,
    ) -> Option<(Provider<P>, Watchers)> {
        let mut state = self.state.lock();
        let place = state.line.iter().position(is_it)?;
        let provider = state.line.remove(place)?;
        let watchers = if place == 0 {
            state.changed()
        } else {
            Watchers::new()
        };
        Some((provider, watchers))
    }

    /// What the present provider offers.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    pub fn offer(&self) -> Result<Arc<Grant<P>>, Error> {
        let state = self.state.lock();
        state
            .line
            .front()
            .map(|provider| provider.offer.clone())
            .ok_or(Error::NotFound)
    }

    /// How often the provider has changed.
    pub fn generation(&self) -> u32 {
        self.state.lock().generation
    }

    /// Has `task` put into the process's mailbox at every change of the provider.
    ///
    /// # Errors
    /// `Revoked`, `TooManyListeners`.
    pub fn watch(&self, pid: Pid, task: u32, grant: &Arc<Grant<P>>) -> Result<(), Error> {
        let mut state = self.state.lock();
        grant.live()?;
        if let Some(watcher) = state.watchers.iter_mut().find(|w| w.pid == pid) {
            watcher.task = task;
            return Ok(());
        }
        if state.watchers.len() >= MAX_WATCHERS {
            return Err(Error::TooManyListeners);
        }
        state.watchers.try_reserve(1).map_err(|_| Error::TooMany)?;
        state.watchers.push(Watcher {
            pid,
            task,
            grant: grant.clone(),
        });
        Ok(())
    }

    /// Forgets the watchers whose grants were cut.
    pub fn strip_watchers(&self) {
        self.state
            .lock()
            .watchers
            .retain(|w| w.grant.lost().is_none());
    }
}

impl<P: Platform> State<P> {
    fn changed(&mut self) -> Watchers {
        self.generation = self.generation.wrapping_add(1);
        self.watchers.iter().map(|w| (w.pid, w.task)).collect()
    }
}
