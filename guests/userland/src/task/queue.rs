// SPDX-License-Identifier: BSD-2-Clause
//! The tasks, and which of them are to be polled.

use alloc::{boxed::Box, collections::VecDeque};
use core::{future::Future, pin::Pin, task::Waker};

use super::{sleeper::Sleeper, slots::Slots};

/// What a task runs.
pub(super) type Work = Pin<Box<dyn Future<Output = ()>>>;

/// Tasks by key.
pub(super) struct Queue {
    tasks: Slots<Task>,
    /// Keys of tasks to poll, each at most once. Some of them may be gone since.
    ready: VecDeque<u32>,
    /// How many of these belong to the present round.
    round: usize,
    /// Wakers of another make, to be woken where nothing is borrowed.
    others: VecDeque<Waker>,
}

struct Task {
    queued: bool,
    /// None while it is polled, and of the task that [`block_on`](super::block_on) polls itself.
    work: Option<Work>,
}

impl Queue {
    pub(super) const fn new() -> Self {
        Self {
            tasks: Slots::new(),
            ready: VecDeque::new(),
            round: 0,
            others: VecDeque::new(),
        }
    }

    /// Takes a task on, to be polled soon; its key, or none if there are too many.
    pub(super) fn add(&mut self, work: Option<Work>) -> Option<u32> {
        let queued = false;
        let key = self.tasks.insert(Task { queued, work })?;
        self.wake(key);
        Some(key)
    }

    /// Forgets a task; answers its work, to be dropped where nothing is borrowed. Of one that is polled
    /// just now there is none: [`Queue::put_back`] hands it over.
    #[must_use = "to be dropped where nothing is borrowed"]
    pub(super) fn remove(&mut self, key: u32) -> Option<Work> {
        self.tasks.remove(key)?.work
    }

    /// The key of any task.
    pub(super) fn any(&self) -> Option<u32> {
        self.tasks.keys().next()
    }

    /// Has a task be polled, unless it is gone.
    #[inline]
    pub(super) fn wake(&mut self, key: u32) {
        if let Some(task) = self.tasks.get_mut(key)
            && !task.queued
        {
            task.queued = true;
            self.ready.push_back(key);
        }
    }

    /// Wakes who sleeps.
    #[inline]
    pub(super) fn wake_sleeper(&mut self, sleeper: Sleeper) {
        match sleeper {
            Sleeper::Nobody => {}
            Sleeper::Task(key) => self.wake(key),
            Sleeper::Other(waker) => self.others.push_back(waker),
        }
    }

    /// Whether there is nothing to poll and nobody to wake.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.ready.is_empty() && self.others.is_empty()
    }

    /// Takes out the work of a task to be polled at once, unless it is gone, or in the queue. It is to be put
    /// back.
    #[inline]
    pub(super) fn claim(&mut self, key: u32) -> Option<(u32, Option<Work>)> {
        let task = self.tasks.get_mut(key)?;
        (!task.queued).then(|| (key, task.work.take()))
    }

    /// The next waker of another make to be woken.
    #[inline]
    pub(super) fn next_other(&mut self) -> Option<Waker> {
        self.others.pop_front()
    }

    /// Begins a round, of those that are ready now. Who becomes ready in it is polled in the next one.
    pub(super) fn begin_round(&mut self) {
        self.round = self.ready.len();
    }

    /// The next task of this round, and its work, which is to be put back; none when the round is over.
    #[inline]
    pub(super) fn next(&mut self) -> Option<(u32, Option<Work>)> {
        while self.round > 0 {
            self.round -= 1;
            let key = self.ready.pop_front()?;
            if let Some(task) = self.tasks.get_mut(key) {
                task.queued = false;
                return Some((key, task.work.take()));
            }
        }
        None
    }

    /// Takes back the work of a task that is not done; answers it, to be dropped, if the task was
    /// forgotten since.
    #[inline]
    #[must_use = "to be dropped where nothing is borrowed"]
    pub(super) fn put_back(&mut self, key: u32, work: Work) -> Option<Work> {
        match self.tasks.get_mut(key) {
            Some(task) => task.work.replace(work),
            None => Some(work),
        }
    }
}
