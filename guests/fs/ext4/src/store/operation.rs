// SPDX-License-Identifier: BSD-2-Clause
//! Operations: what is done as a whole or not at all, as seen by who calls. They are never on the disk by themselves.

use alloc::vec::Vec;

use crate::{
    Disk, Error,
    store::{Cached, State, Store},
};

/// The running operation: what it changed, as it was before, oldest first. None: it was not cached.
pub(super) struct Operation {
    undo: Vec<(u64, Option<Cached>)>,
}

impl<D: Disk> Store<D> {
    /// Begins an operation. Commits first, when the transaction is large.
    pub(crate) fn begin(&mut self) -> Result<(), Error> {
        debug_assert!(self.operation.is_none(), "an operation in another");
        self.abort();
        if self.journal.is_none() {
            return Err(Error::ReadOnly);
        }
        // What is to be written fills half of the cache at most, and what an operation adds to a transaction that is
        // not large finds room in the journal.
        let cached = self.cache.capacity() / 2;
        if self.changed.len() > (self.limit() / 4).min(cached)
            || self.data.len() + self.written.len() > cached
        {
            self.commit()?;
        }
        self.operations += 1;
        self.operation = Some(Operation { undo: Vec::new() });
        Ok(())
    }

    /// Ends the operation: what it changed belongs to the transaction.
    pub(crate) fn finish(&mut self) {
        self.operation = None;
    }

    /// Takes the operation back: metadata are as they were when it began.
    pub(crate) fn abort(&mut self) {
        let Some(operation) = self.operation.take() else {
            return;
        };
        for (block, before) in operation.undo.into_iter().rev() {
            self.enlist(block, before.as_ref().map_or(State::Clean, |it| it.state));
            match before {
                Some(before) => {
                    self.cache.put(block, before);
                }
                None => {
                    self.cache.remove(block);
                }
            }
        }
    }

    /// Keeps what a block is, if the operation has not yet.
    pub(super) fn keep(&mut self, block: u64) {
        let Some(operation) = &mut self.operation else {
            return;
        };
        let cached = self.cache.get(block);
        if cached
            .as_ref()
            .is_some_and(|it| it.kept_by == self.operations)
        {
            return;
        }
        operation.undo.push((block, cached.as_deref().cloned()));
        if let Some(cached) = cached {
            cached.kept_by = self.operations;
        }
    }
}
