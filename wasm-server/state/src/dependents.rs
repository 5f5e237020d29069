// SPDX-License-Identifier: BSD-2-Clause
//! What hangs on grants: windows, listeners, watchers.
//!
//! That a cut reaches all of it rests on one order: who adds looks at the grant under the lock here; who
//! cuts marks the grants first, and looks for dependents of marked grants then, under the same lock.

use alloc::{sync::Arc, vec::Vec};

use atoll_abi::Error;

use crate::{Lock, registry::Grant};

/// What hangs on grants, and goes when they are cut.
#[derive(Debug)]
pub struct Dependents<L>(L);

impl<R, T, L: Lock<Data = Vec<(Arc<Grant<R>>, T)>>> Dependents<L> {
    /// With nothing in the lock.
    pub const fn new(lock: L) -> Self {
        Self(lock)
    }

    /// Adds one.
    ///
    /// # Errors
    /// `Revoked` if the grant was cut, `full` if there are `most` of them, `TooMany` if the server has no
    /// memory.
    pub fn add(
        &self,
        grant: &Arc<Grant<R>>,
        dependent: T,
        most: usize,
        full: Error,
    ) -> Result<(), Error> {
        let mut all = self.0.lock();
        grant.live()?;
        if all.len() >= most {
            return Err(full);
        }
        all.try_reserve(1).map_err(|_| Error::TooMany)?;
        all.push((grant.clone(), dependent));
        Ok(())
    }

    /// Takes the first out for which `is_it`, after `undo` under the lock.
    pub fn take(
        &self,
        is_it: impl Fn(&Arc<Grant<R>>, &T) -> bool,
        undo: impl FnOnce(&T),
    ) -> Option<T> {
        let mut all = self.0.lock();
        let place = all.iter().position(|(grant, one)| is_it(grant, one))?;
        let (_grant, dependent) = all.swap_remove(place);
        undo(&dependent);
        // The last of a grant is dropped after this lock is free.
        drop(all);
        Some(dependent)
    }

    /// As [`Self::take`], one whose grant was cut.
    pub fn take_cut(&self, undo: impl FnOnce(&T)) -> Option<T> {
        self.take(|grant, _| grant.lost().is_some(), undo)
    }

    /// Looks at each, under the lock.
    pub fn for_each(&self, mut f: impl FnMut(&T)) {
        for (_, dependent) in self.0.lock().iter() {
            f(dependent);
        }
    }

    /// What `f` makes of the n-th.
    pub fn nth<U>(&self, n: usize, f: impl FnOnce(&T) -> U) -> Option<U> {
        self.0.lock().get(n).map(|(_, dependent)| f(dependent))
    }
}
