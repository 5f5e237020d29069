// SPDX-License-Identifier: BSD-2-Clause
//! Services: names that at most one process provides at a time.

use alloc::{collections::VecDeque, sync::Arc};

use atoll_abi::{Error, Pid};

use crate::{Lock, grant::Grant, platform::Platform, watch::Watchers};

/// Most processes that stand by for one service.
const MAX_STAND_BY: usize = 16;

/// A service.
pub(crate) struct Service<P: Platform> {
    state: Lock<P, State<P>>,
    /// Who watches for changes of the provider.
    pub watchers: Watchers<P>,
}

struct State<P: Platform> {
    /// The provider, and those who stand by, in turn.
    line: VecDeque<Provider<P>>,
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

impl<P: Platform> Service<P> {
    pub fn new() -> Self {
        Self {
            state: Lock::<P, _>::new(State {
                line: VecDeque::new(),
                generation: 0,
            }),
            watchers: Watchers::new(),
        }
    }

    /// Whether this process provides it or stands by.
    pub fn has(&self, pid: Pid) -> bool {
        self.state.lock().line.iter().any(|p| p.pid == pid)
    }

    /// Puts a provider at the end of the line. Answers whether it is the first; then the watchers are to be told.
    ///
    /// # Errors
    /// `Busy` if there is another and the provider is not to stand by, or it is in the line already;
    /// `TooManyListeners`; and as [`Grant::live`], if its right or its offer was cut meanwhile.
    pub fn provide(&self, provider: Provider<P>, stand_by: bool) -> Result<bool, Error> {
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
        let is_first = state.line.len() == 1;
        if is_first {
            state.generation = state.generation.wrapping_add(1);
        }
        Ok(is_first)
    }

    /// Takes a provider out of the line. Answers it, and whether it was the first; then the watchers are to
    /// be told.
    pub fn withdraw(&self, is_it: impl Fn(&Provider<P>) -> bool) -> Option<(Provider<P>, bool)> {
        let mut state = self.state.lock();
        let place = state.line.iter().position(is_it)?;
        let provider = state.line.remove(place)?;
        if place == 0 {
            state.generation = state.generation.wrapping_add(1);
        }
        Some((provider, place == 0))
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
}
