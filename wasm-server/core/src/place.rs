// SPDX-License-Identifier: BSD-2-Clause
//! The places of the spec's guests, where they live one life after the other.

use alloc::{format, sync::Arc};

use atoll_abi::{Level, ProcessState};
use capdl::blob::{Restart, Start};

use crate::{Lock, description::Description, platform::Platform, process::Process, server::Server};

/// A guest that ended this often within [`RESTART_PERIOD`] is not started again.
const MAX_RESTARTS: u32 = 5;
/// Nanoseconds.
const RESTART_PERIOD: u64 = 10_000_000_000;

/// The place of one guest of the spec, for its lives one after the other.
pub(crate) struct Place<P: Platform> {
    pub description: Arc<Description>,
    pub life: Lock<P, Life<P>>,
}

pub(crate) struct Life<P: Platform> {
    /// Claimed by whoever makes the next process of this place.
    pub starting: bool,
    pub process: Option<Arc<Process<P>>>,
    restarts: Restarts,
}

/// Restarts within the present period.
#[derive(Default)]
struct Restarts {
    since: u64,
    count: u32,
}

impl<P: Platform> Place<P> {
    pub fn new(description: Description) -> Self {
        Self {
            description: Arc::new(description),
            life: Lock::<P, _>::new(Life {
                starting: false,
                process: None,
                restarts: Restarts::default(),
            }),
        }
    }

    /// Whether its guest starts like this.
    pub fn starts(&self, start: Start) -> bool {
        self.description.start == start
    }

    /// The process that runs here, or the last that did.
    pub fn last(&self) -> Option<Arc<Process<P>>> {
        self.life.lock().process.clone()
    }
}

impl<P: Platform> Server<P> {
    pub(crate) fn start_again(self: &Arc<Self>, process: &Arc<Process<P>>) {
        let is_it = |place: &Place<P>| place.last().is_some_and(|last| Arc::ptr_eq(&last, process));
        let Some(index) = self.places.iter().position(is_it) else {
            return;
        };
        // A refusal is in the log.
        if self.is_to_restart(index, process) {
            let _ = self.start_place(index);
        }
    }

    fn is_to_restart(&self, index: usize, process: &Process<P>) -> bool {
        let Some(place) = self.places.get(index) else {
            return false;
        };
        let failed = process.state() == ProcessState::Failed;
        let wanted = match place.description.restart {
            Restart::Permanent => true,
            Restart::Transient => failed,
            Restart::Temporary => false,
        };
        // What was stopped stays so.
        let changes = process.changes(0);
        let stopped = changes.iter().any(|c| c.state == ProcessState::Stopping);
        if !wanted || stopped {
            return false;
        }
        let now = self.platform.now();
        let count = {
            let restarts = &mut place.life.lock().restarts;
            if now - restarts.since > RESTART_PERIOD {
                *restarts = Restarts {
                    since: now,
                    count: 0,
                };
            }
            restarts.count += 1;
            restarts.count
        };
        if count <= MAX_RESTARTS {
            return true;
        }
        let text = format!(
            "not started again: ended {count} times within {} s",
            RESTART_PERIOD / 1_000_000_000
        );
        self.log(&place.description.name, Level::Error, &text);
        false
    }
}
