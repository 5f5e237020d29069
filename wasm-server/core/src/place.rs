// SPDX-License-Identifier: BSD-2-Clause
//! The places of the spec's guests, where they live one life after the other.

use alloc::{format, sync::Arc, vec, vec::Vec};

use atoll_abi::{Error, Handle, Level, ProcessState, message::Name};
use capdl::blob::{ObjectId, Restart, Start};

use crate::{
    Guest, Lock,
    authority::Receipt,
    description::{Cap, Description},
    platform::Platform,
    process::Process,
    server::Server,
    watch::Watchers,
};

/// A guest that ended this often within [`RESTART_PERIOD`] is not started again.
const MAX_RESTARTS: u32 = 5;
/// Nanoseconds.
const RESTART_PERIOD: u64 = 10_000_000_000;

/// The place of one guest of the spec, for its lives one after the other.
pub(crate) struct Place<P: Platform> {
    /// The guest's object in the spec.
    pub object: ObjectId,
    /// Its place among the places.
    pub index: usize,
    pub description: Arc<Description>,
    pub life: Lock<P, Life<P>>,
    /// Who watches for changes of its processes' states.
    pub watchers: Watchers<P>,
    /// Which of the capabilities that the spec gives it were taken from it.
    taken: Lock<P, Vec<bool>>,
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
    pub fn new(object: ObjectId, index: usize, description: Description) -> Self {
        Self {
            object,
            index,
            watchers: Watchers::new(),
            taken: Lock::<P, _>::new(vec![false; description.caps.len()]),
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

    /// What the spec gives its guest in a slot, and where among its capabilities.
    fn slot(&self, name: &Name) -> Option<(usize, &Cap)> {
        let mut caps = self.description.caps.iter().enumerate();
        caps.find(|(_, cap)| cap.slot == *name)
    }

    /// Whether its n-th capability was taken from it.
    fn is_taken(&self, n: usize) -> bool {
        self.taken.lock().get(n).is_some_and(|taken| *taken)
    }

    /// Notes whether its n-th capability is taken; answers whether it was.
    fn note_taken(&self, n: usize, is_taken: bool) -> bool {
        let mut taken = self.taken.lock();
        let entry = taken.get_mut(n);
        entry.is_some_and(|taken| core::mem::replace(taken, is_taken))
    }

    /// The process that runs here, or the last that did.
    pub fn last(&self) -> Option<Arc<Process<P>>> {
        self.life.lock().process.clone()
    }
}

/// What the spec gives, and what is taken from that.
///
/// A capability that was taken is with no process of its guest, whenever these are started: who takes it notes that
/// first and looks for processes then; who gives it to a process looks at the note afterwards, and takes it back.
impl<P: Platform> Server<P> {
    /// Gives a process of a guest all that the spec does; answers the names and handles.
    pub(crate) fn give_all(
        &self,
        place: &Place<P>,
        guest: &Guest<P>,
        mut each: impl FnMut(&Name, Handle),
    ) -> Result<(), Error> {
        for (n, cap) in place.description.caps.iter().enumerate() {
            if let Some(handle) = self.give_slot(place, guest, (n, cap), false)? {
                each(&cap.slot, handle);
            }
        }
        Ok(())
    }

    /// Gives a process of a guest what the spec does in one slot, unless that was taken.
    fn give_slot(
        &self,
        place: &Place<P>,
        guest: &Guest<P>,
        (n, cap): (usize, &Cap),
        is_news: bool,
    ) -> Result<Option<Handle>, Error> {
        let Some(root) = self.objects.get(&cap.target) else {
            return Ok(None);
        };
        if place.is_taken(n) {
            return Ok(None);
        }
        let receipt = Receipt {
            name: cap.slot.clone(),
            by: None,
            is_news,
        };
        let handle = guest.receive_from(receipt, root, cap.rights)?;
        if place.is_taken(n) {
            // Whoever took it may have been faster.
            let _ = self.take(guest, None, &cap.slot);
            return Ok(None);
        }
        Ok(Some(handle))
    }

    /// Takes what the spec gives a guest in a slot from all its processes, until it is restored.
    ///
    /// # Errors
    /// `NotFound` if that is nothing, or was taken before.
    pub(crate) fn take_slot(&self, place: &Place<P>, slot: &Name) -> Result<(), Error> {
        let (n, _) = place.slot(slot).ok_or(Error::NotFound)?;
        let was_taken = place.note_taken(n, true);
        self.each_of(place, |guest| {
            // One that gave it up has nothing to lose.
            let _ = self.take(guest, None, slot);
            Ok(())
        })?;
        if was_taken {
            return Err(Error::NotFound);
        }
        Ok(())
    }

    /// Gives a guest back what was taken from it, with the rights of the spec.
    ///
    /// # Errors
    /// `NotFound` if nothing was taken, and what keeps the process that runs it from receiving that.
    pub(crate) fn restore_slot(&self, place: &Place<P>, slot: &Name) -> Result<(), Error> {
        let (n, cap) = place.slot(slot).ok_or(Error::NotFound)?;
        if !place.note_taken(n, false) {
            return Err(Error::NotFound);
        }
        self.each_of(place, |guest| {
            match self.give_slot(place, guest, (n, cap), true) {
                // It takes note of nothing any more.
                Err(Error::Ended) => Ok(()),
                answer => answer.map(drop),
            }
        })
        // Who has no room for it has it taken as before.
        .inspect_err(|_| {
            place.note_taken(n, true);
        })
    }

    /// Has `f` look at what runs the guest of a place.
    fn each_of(
        &self,
        place: &Place<P>,
        mut f: impl FnMut(&Guest<P>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut next = 0;
        while let Some((at, process)) = self.next_process(next) {
            next = at + 1;
            if process.place == Some(place.index)
                && let Some(guest) = process.guest()
            {
                f(&guest)?;
            }
        }
        Ok(())
    }
}

impl<P: Platform> Server<P> {
    pub(crate) fn start_again(self: &Arc<Self>, process: &Arc<Process<P>>) {
        let Some(index) = process.place else {
            return;
        };
        let Some(place) = self.places.get(index) else {
            return;
        };
        // A refusal is in the log.
        if self.is_to_restart(place, process) {
            let _ = self.start_place(place);
        }
    }

    fn is_to_restart(&self, place: &Place<P>, process: &Process<P>) -> bool {
        let failed = process.state() == ProcessState::Failed;
        let wanted = match place.description.restart {
            Restart::Permanent => true,
            Restart::Transient => failed,
            Restart::Temporary => false,
        };
        // What was stopped stays so.
        let changes = process.changes(0);
        let stopped = changes.iter().any(|c| c.state == ProcessState::Stopping);
        // Outside its session it could be given more than within.
        if !wanted || stopped || process.session.is_some() {
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
