// SPDX-License-Identifier: BSD-2-Clause
//! From a process's first state to its end.

use alloc::{format, sync::Arc};
use core::sync::atomic::Ordering;

use atoll_abi::{Level, Pid, ProcessState};

use crate::{
    Guest,
    guest::{Reason, uncount},
    platform::{Home, Platform},
    process::{Outcome, Process},
    server::Server,
    session::Session,
};

/// Nanoseconds until a guest that is to end is asked again.
const END_AGAIN: u64 = 5_000_000;

impl<P: Platform> Server<P> {
    // ---- States

    pub(crate) fn note_starting(&self, process: &Process<P>) {
        self.change(process, ProcessState::Created, ProcessState::Starting);
    }

    pub(crate) fn note_running(&self, process: &Process<P>) {
        self.change(process, ProcessState::Starting, ProcessState::Running);
    }

    fn change(&self, process: &Process<P>, from: ProcessState, to: ProcessState) {
        if process.change_from(from, to, self.platform.now()) {
            self.tell_of_change(process);
        }
    }

    /// Tells those who watch a process, or the guest of the spec that it runs.
    fn tell_of_change(&self, process: &Process<P>) {
        self.tell_all(&process.watchers);
        if let Some(place) = process.place.and_then(|place| self.places.get(place)) {
            self.tell_all(&place.watchers);
        }
    }

    // ---- The end

    /// A guest's thread is done with the guest's code.
    pub(crate) fn note_ended(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Asks a process to stop, and ends it by force after `grace` nanoseconds.
    pub(crate) fn stop(&self, process: &Process<P>, grace: u64) {
        let Some(guest) = process.guest() else { return };
        if process.change(ProcessState::Stopping, self.platform.now()) {
            self.tell_of_change(process);
        }
        if grace == 0 {
            self.force(&guest, Reason::Stopped);
            return;
        }
        guest.ask_to_stop();
        let at = self.platform.now().saturating_add(grace);
        guest.set_stop(at);
    }

    /// Has a guest end, and asks again until its thread is done: between looking for a reason to end and
    /// having the next epoch interrupt it, a thread does not see that there is one.
    fn force(&self, guest: &Guest<P>, reason: Reason) {
        if !guest.is_alive() {
            return;
        }
        guest.end(reason);
        let again = self.platform.now().saturating_add(END_AGAIN);
        match reason {
            Reason::Deadline => guest.set_deadline(again),
            _ => guest.set_stop(again),
        }
    }

    pub(crate) fn end_late(&self, pid: Pid) {
        if let Ok(guest) = self.guest(pid) {
            self.force(&guest, Reason::Deadline);
        }
    }

    pub(crate) fn end_stopped(&self, pid: Pid) {
        if let Ok(guest) = self.guest(pid) {
            self.force(&guest, Reason::Stopped);
        }
    }

    /// Ends every process of a session.
    pub(crate) fn end_session(&self, session: &Arc<Session<P>>) {
        session.end();
        self.end_all(Reason::SessionEnded, |process| {
            let own = process.session.as_ref();
            own.is_some_and(|own| own.is_within(session))
        });
    }

    /// Has every process end for which `is_it`; answers whether there is one.
    fn end_all(&self, reason: Reason, is_it: impl Fn(&Process<P>) -> bool) -> bool {
        let mut found = false;
        let mut place = 0;
        while let Some((at, process)) = self.next_process(place) {
            place = at + 1;
            if is_it(&process) {
                found = true;
                match process.guest() {
                    Some(guest) if guest.ending().is_none() => self.force(&guest, reason),
                    _ => {}
                }
            }
        }
        found
    }

    pub(crate) fn next_process(&self, place: usize) -> Option<(usize, Arc<Process<P>>)> {
        let processes = self.processes.lock();
        let next = processes.iter_from(place).next();
        next.map(|(place, process)| (place, process.clone()))
    }

    /// Takes back what ended guests held.
    pub(crate) fn reap(self: &Arc<Self>) {
        // Those whose memory was a part of another's may have had a place behind it.
        while self.reap_once() {}
    }

    /// Answers whether anything was taken back.
    fn reap_once(self: &Arc<Self>) -> bool {
        let mut found = false;
        let mut place = 0;
        while let Some((at, process)) = self.next_process(place) {
            place = at + 1;
            let Some(guest) = process.guest() else {
                continue;
            };
            let Some(outcome) = guest.ended() else {
                continue;
            };
            // Those whose memory is a part of its go first.
            let parent = Some(process.pid);
            let has_parts = self.end_all(Reason::ParentEnded, |child| {
                child.is_part && child.parent == parent
            });
            // And those that run modules in its memory, so many of them as there are yet.
            let runs_none = guest.closes_modules();
            if !runs_none {
                self.end_all(Reason::LoaderEnded, |other| {
                    let loader = other.loader.as_ref();
                    loader.is_some_and(|loader| loader.pid == process.pid)
                });
            }
            if has_parts || !runs_none || !guest.home.finished() {
                // It, or they, have a few instructions to go, and nudge when those are done.
                self.note_ended();
                continue;
            }
            drop(guest);
            found = true;
            self.report(&process, &outcome);
            self.bury(&process, outcome);
            self.start_again(&process);
        }
        found
    }

    /// Takes back everything of a process whose thread has finished or never ran.
    pub(crate) fn bury(&self, process: &Arc<Process<P>>, outcome: Outcome) {
        if let Some(guest) = process.guest() {
            guest.release_devices();
            self.leave_log(process.pid);
            guest.dispose();
            guest.release_alarms();
            guest.give_up_code();
            debug_assert!(guest.has_nothing(), "{} is not disposed of", process.name);
            if self.quarantine.load(Ordering::Acquire) {
                self.quarantined.lock().push(guest);
            } else {
                self.platform.evict(&guest);
            }
        }
        if let Some(loader) = &process.loader {
            self.leave(loader);
        }
        if let Some(parent) = process.parent.and_then(|pid| self.guest(pid).ok()) {
            uncount(&parent.counters.children);
        }
        if let Some(session) = &process.session {
            session.leave();
        }
        // Who is woken by its end finds it nowhere any more.
        self.processes.lock().remove(process.pid);
        process.end(outcome, self.platform.now());
        self.tell_of_change(process);
    }

    fn report(&self, process: &Process<P>, outcome: &Outcome) {
        let level = match outcome {
            // Who started it, or stopped it, is told, and may do so by the thousand.
            Outcome::Exited(_) if process.parent.is_some() => return,
            Outcome::Failed(_) if process.state() == ProcessState::Stopping => return,
            Outcome::Exited(_) => Level::Debug,
            Outcome::Failed(_) => Level::Error,
        };
        self.log(&process.name, level, &format!("{outcome}"));
    }
}
