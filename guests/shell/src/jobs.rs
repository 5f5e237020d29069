// SPDX-License-Identifier: BSD-2-Clause
//! What runs in the background.

use alloc::{format, string::String, vec::Vec};
use core::cell::{Cell, RefCell};

use userland::task::JoinHandle;

/// Most at a time.
const MAX_JOBS: usize = 16;

struct Job {
    number: u32,
    text: String,
    handle: JoinHandle<bool>,
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
    pub fn add(&self, text: &str, handle: JoinHandle<bool>) -> u32 {
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
        });
        number
    }

    /// What there is, in lines.
    pub fn list(&self) -> Vec<String> {
        let jobs = self.jobs.borrow();
        jobs.iter()
            .map(|job| {
                let state = if job.handle.is_finished() {
                    "done"
                } else {
                    "running"
                };
                format!("%{}  {state}  {}\n", job.number, job.text)
            })
            .collect()
    }

    /// Forgets those that have ended; answers lines that tell of them.
    pub fn ended(&self) -> Vec<String> {
        let mut jobs = self.jobs.borrow_mut();
        let (ended, running) = core::mem::take(&mut *jobs)
            .into_iter()
            .partition::<Vec<_>, _>(|job| job.handle.is_finished());
        *jobs = running;
        ended
            .iter()
            .map(|job| format!("%{}  done  {}\n", job.number, job.text))
            .collect()
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
