// SPDX-License-Identifier: BSD-2-Clause
//! What runs in the background.

use alloc::{format, rc::Rc, string::String, vec::Vec};
use core::cell::{Cell, RefCell};

use userland::task::JoinHandle;

/// Most at a time.
const MAX_JOBS: usize = 16;

struct Job {
    number: u32,
    text: String,
    handle: JoinHandle<bool>,
    /// Whether it succeeded, when it is over.
    outcome: Rc<Cell<Option<bool>>>,
}

impl Job {
    fn line(&self) -> String {
        let state = match (self.handle.is_finished(), self.outcome.get()) {
            (false, _) => "running",
            (true, Some(true)) => "done",
            (true, _) => "failed",
        };
        format!("%{}  {state}  {}\n", self.number, self.text)
    }
}

/// Pipelines that nobody waits for.
#[derive(Default)]
pub struct Jobs {
    jobs: RefCell<Vec<Job>>,
    last: Cell<u32>,
}

impl Jobs {
    /// Whether there is room for another.
    pub fn has_room(&self) -> bool {
        self.jobs.borrow().len() < MAX_JOBS
    }

    /// Adds one; answers its number.
    pub fn add(
        &self,
        text: &str,
        handle: JoinHandle<bool>,
        outcome: Rc<Cell<Option<bool>>>,
    ) -> u32 {
        let mut jobs = self.jobs.borrow_mut();
        if jobs.is_empty() {
            self.last.set(0);
        }
        let number = self.last.get().wrapping_add(1);
        self.last.set(number);
        jobs.push(Job {
            number,
            text: text.into(),
            handle,
            outcome,
        });
        number
    }

    /// What there is, in lines.
    pub fn list(&self) -> Vec<String> {
        let jobs = self.jobs.borrow();
        jobs.iter().map(Job::line).collect()
    }

    /// Their numbers, as they are written.
    pub fn names(&self) -> Vec<String> {
        let jobs = self.jobs.borrow();
        jobs.iter().map(|job| format!("%{}", job.number)).collect()
    }

    /// Forgets those that have ended; answers lines that tell of them.
    pub fn ended(&self) -> Vec<String> {
        let mut jobs = self.jobs.borrow_mut();
        let (ended, running) = core::mem::take(&mut *jobs)
            .into_iter()
            .partition::<Vec<_>, _>(|job| job.handle.is_finished());
        *jobs = running;
        ended.iter().map(Job::line).collect()
    }

    /// Takes one out: the one with this number, or the last.
    pub fn take(&self, number: Option<u32>) -> Option<(String, JoinHandle<bool>)> {
        let mut jobs = self.jobs.borrow_mut();
        let at = match number {
            Some(number) => jobs.iter().position(|job| job.number == number)?,
            None => jobs.len().checked_sub(1)?,
        };
        let job = jobs.remove(at);
        Some((job.text, job.handle))
    }

    /// Ends all of them.
    pub fn end(&self) {
        for job in core::mem::take(&mut *self.jobs.borrow_mut()) {
            job.handle.cancel();
        }
    }
}
