// SPDX-License-Identifier: BSD-2-Clause
//! From a start to the end of a process, and to its next life if its spec wants one.

use alloc::{format, string::String, sync::Arc, vec::Vec};
use core::sync::atomic::Ordering;

use atoll_abi::{
    Error, Groups, Handle, Level, Limits, Params, Pid, ProcessState, Rights,
    message::{Give, MAX_GIVES, ModuleRequest, Name},
};
use capdl::blob::{Restart, Start};

use crate::{
    Guest, Lock,
    authority::Receipt,
    description::Description,
    grant::Grant,
    guest::{Reason, count, uncount},
    modules::Prepared,
    platform::{Budget, Home, HomeParams, Platform},
    process::{Outcome, Process, ProcessParams},
    server::{Due, Server},
    session::Session,
};

/// A guest that ended this often within [`RESTART_PERIOD`] is not started again.
const MAX_RESTARTS: u32 = 5;
/// Nanoseconds.
const RESTART_PERIOD: u64 = 10_000_000_000;
/// Nanoseconds until a guest that is to end is asked again.
const END_AGAIN: u64 = 5_000_000;
/// Alarms of a guest besides its timers: the end of a wait, of its time, and of a grace.
const OWN_ALARMS: usize = 3;
/// Least and most bits of a child's memory budget.
const MEMORY_BITS: core::ops::RangeInclusive<u8> = 16..=40;

/// The place of one guest of the spec, for its lives one after the other.
pub(crate) struct Place<P: Platform> {
    description: Arc<Description>,
    life: Lock<P, Life<P>>,
}

struct Life<P: Platform> {
    /// Claimed by whoever makes the next process of this place.
    starting: bool,
    process: Option<Arc<Process<P>>>,
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

/// What another process asks for in a start.
pub(crate) struct Asked<'a, P: Platform> {
    pub by: &'a Arc<Guest<P>>,
    /// None: those of the spec.
    pub args: Vec<String>,
    /// None: that of the spec.
    pub env: Vec<String>,
    pub gives: heapless::Vec<Give, MAX_GIVES>,
    pub session: Option<Arc<Session<P>>>,
}

/// A process to be made.
struct Plan<'a, P: Platform> {
    asked: Option<Asked<'a, P>>,
    name: Name,
    module: Name,
    budget: Budget<'a, P::Home>,
    stack: u32,
    prio: u8,
    groups: Groups,
    limits: Limits,
    deadline_ms: Option<u32>,
    /// The guest of the spec, if it is one.
    description: Option<&'a Description>,
}

impl<P: Platform> Server<P> {
    pub(crate) fn place_of(&self, name: &str) -> Option<usize> {
        self.places.iter().position(|p| p.description.name == name)
    }

    /// Starts the guest of a place with the server.
    pub(crate) fn start_place(self: &Arc<Self>, place: usize) -> Result<Arc<Process<P>>, Error> {
        self.start_in(place, None)
    }

    /// Starts the guest of the spec with this name.
    ///
    /// # Errors
    /// `NotFound` if there is none that starts on demand, `Busy` if it lives, and what keeps it from
    /// starting.
    pub(crate) fn start_guest(
        self: &Arc<Self>,
        name: &str,
        asked: Asked<'_, P>,
    ) -> Result<Arc<Process<P>>, Error> {
        let place = self
            .place_of(name)
            .filter(|place| {
                self.places
                    .get(*place)
                    .is_some_and(|p| p.starts(Start::Demand))
            })
            .ok_or(Error::NotFound)?;
        self.start_in(place, Some(asked))
    }

    fn start_in(
        self: &Arc<Self>,
        place: usize,
        asked: Option<Asked<'_, P>>,
    ) -> Result<Arc<Process<P>>, Error> {
        let place = self.places.get(place).ok_or(Error::NotFound)?;
        {
            let mut life = place.life.lock();
            let lives = |process: &Arc<Process<P>>| process.outcome().is_none();
            if life.starting || life.process.as_ref().is_some_and(lives) {
                return Err(Error::Busy);
            }
            life.starting = true;
        }
        let description = &*place.description;
        let made = self.start(Plan {
            asked,
            name: description.name.clone(),
            module: description.module.clone(),
            budget: Budget::Untyped(description.budget),
            stack: description.stack,
            prio: description.prio,
            groups: description.groups,
            limits: description.limits.clone(),
            deadline_ms: description.deadline_ms,
            description: Some(description),
        });
        let mut life = place.life.lock();
        life.starting = false;
        let process = made?;
        life.process = Some(process.clone());
        drop(life);
        self.launch(&process)
    }

    /// Starts a module of the archive as a child of the process that asks.
    ///
    /// # Errors
    /// `TooLarge` or `NotGranted` if it asks for more than it may give, and what keeps it from starting.
    pub(crate) fn start_module(
        self: &Arc<Self>,
        request: &ModuleRequest,
        asked: Asked<'_, P>,
    ) -> Result<Arc<Process<P>>, Error> {
        let parent = asked.by;
        let parent_home = &parent.home;
        let prio = match request.prio {
            0 => parent.process.prio,
            prio if prio <= parent.process.prio => prio,
            _ => return Err(Error::TooLarge),
        };
        if !request.limits.are_within(&parent.process.limits) {
            return Err(Error::TooLarge);
        }
        if !request.groups.is_subset_of(parent.groups()) {
            return Err(Error::NotGranted);
        }
        if !MEMORY_BITS.contains(&request.memory_bits) {
            return Err(Error::InvalidArgument);
        }
        let stack = match request.stack {
            0 => parent.prepared.stack,
            // Each size takes an engine of its own.
            stack if self.places.iter().any(|p| p.description.stack == stack) => stack,
            _ => return Err(Error::InvalidArgument),
        };
        let process = self.start(Plan {
            name: request.name.clone(),
            module: request.module.clone(),
            budget: Budget::Part {
                of: parent_home,
                bits: request.memory_bits,
            },
            stack,
            prio,
            groups: request.groups,
            limits: request.limits.clone(),
            deadline_ms: request.deadline_ms,
            description: None,
            asked: Some(asked),
        })?;
        self.launch(&process)
    }

    /// Makes a process with all it holds; its thread does not run yet.
    fn start(self: &Arc<Self>, plan: Plan<'_, P>) -> Result<Arc<Process<P>>, Error> {
        self.room()?;
        let parent = plan.asked.as_ref().map(|asked| asked.by);
        let session = match &plan.asked {
            Some(asked) => asked
                .session
                .clone()
                .or_else(|| asked.by.process.session.clone()),
            None => None,
        };
        if let Some(session) = &session {
            if !plan.groups.is_subset_of(session.groups) {
                return Err(Error::NotEntitled);
            }
            session.enter()?;
        }
        let entered = session.clone();
        let leave = |_: &Error| {
            if let Some(session) = &entered {
                session.leave();
            }
        };
        if let Some(parent) = parent {
            let limit = parent.process.limits.children;
            count(&parent.counters.children, limit, Error::TooManyChildren).inspect_err(leave)?;
        }
        let params = ProcessParams {
            name: plan.name.clone(),
            module: plan.module.clone(),
            parent: parent.map(|parent| parent.pid()),
            is_part: plan.description.is_none(),
            session,
            prio: plan.prio,
            limits: plan.limits.clone(),
        };
        let now = self.platform.now();
        let process = self.processes.lock().insert(params, now);
        let process = process.inspect_err(|error| {
            leave(error);
            if let Some(parent) = parent {
                uncount(&parent.counters.children);
            }
        })?;
        match self.make(&process, plan) {
            Ok(()) => Ok(process),
            Err((error, why)) => {
                self.log(
                    &process.name,
                    Level::Error,
                    &format!("did not start: {why}"),
                );
                self.bury(&process, Outcome::Failed(format!("did not start: {why}")));
                Err(error)
            }
        }
    }

    /// Makes what runs in a process. What is made when it fails goes with the process.
    fn make(
        self: &Arc<Self>,
        process: &Arc<Process<P>>,
        plan: Plan<'_, P>,
    ) -> Result<(), (Error, String)> {
        let refuse = |error: Error| (error, format!("{error}"));
        let place = plan
            .description
            .map_or_else(String::new, |d| format!(" ({})", d.place));
        let prepared: Arc<Prepared<P>> = self
            .modules
            .prepare(&self.platform, &plan.module, plan.stack, plan.groups)
            .map_err(|why| (Error::BadModule, format!("{why}{place}")))?;
        let home = self
            .platform
            .settle(HomeParams {
                budget: plan.budget,
                stack: plan.stack,
                prio: plan.prio,
            })
            .map_err(|failure| {
                let why = format!("{failure}{place}");
                (Error::from(failure), why)
            })?;
        let guest = Arc::new(Guest::new(
            self.clone(),
            process.clone(),
            prepared,
            home,
            plan.groups,
            plan.description.map(|d| d.place.clone()),
        ));
        let timers = plan.limits.timers as usize + OWN_ALARMS;
        let reserved = self.alarms.reserve(timers);
        process.set_guest(guest.clone());
        reserved.map_err(|_| (Error::TooMany, "the server has no more timers".into()))?;
        guest.has_alarms();
        // Whoever ends the session from here on finds the guest.
        if process.session.as_ref().is_some_and(|s| s.has_ended()) {
            return Err(refuse(Error::Ended));
        }
        let mut caps = Vec::new();
        let mut add = |name: &Name, handle: Handle| {
            caps.push(atoll_abi::Cap {
                name: name.as_str().into(),
                handle,
            });
        };
        for cap in plan.description.iter().flat_map(|d| &d.caps) {
            let Some(root) = self.objects.get(&cap.target) else {
                continue;
            };
            let handle = self.give(&guest, None, &cap.slot, root, cap.rights);
            add(&cap.slot, handle.map_err(refuse)?);
        }
        for give in plan.asked.iter().flat_map(|asked| &asked.gives) {
            let by = plan.asked.as_ref().map(|asked| asked.by);
            let Some(by) = by else { continue };
            let source = by.grant_allowing(give.handle, give.rights.union(Rights::GRANT));
            let source = source.map_err(refuse)?;
            let handle = self.give(&guest, Some(by.pid()), &give.name, &source, give.rights);
            add(&give.name, handle.map_err(refuse)?);
        }
        let (mut args, mut env) = plan
            .asked
            .map_or_else(Default::default, |asked| (asked.args, asked.env));
        if let Some(description) = plan.description {
            if args.is_empty() {
                args.clone_from(&description.args);
            }
            if env.is_empty() {
                env.clone_from(&description.env);
            }
        }
        let params = Params {
            pid: process.pid,
            name: process.name.as_str().into(),
            args,
            env,
            caps,
            groups: plan.groups,
            limits: plan.limits,
        };
        let params = postcard::to_allocvec(&params)
            .map_err(|_| (Error::TooMany, "no memory for its parameters".into()))?;
        guest.set_params(params.into());
        if let Some(milliseconds) = plan.deadline_ms {
            let after = u64::from(milliseconds) * 1_000_000;
            let at = self.platform.now().saturating_add(after);
            // There is room: it was reserved.
            let _ = self.set_alarm(at, Due::Deadline(process.pid));
        }
        Ok(())
    }

    fn give(
        &self,
        guest: &Guest<P>,
        by: Option<Pid>,
        name: &Name,
        source: &Grant<P>,
        rights: Rights,
    ) -> Result<Handle, Error> {
        let receipt = Receipt {
            name: name.clone(),
            by,
            is_news: false,
        };
        guest.receive_from(receipt, source, rights)
    }

    fn launch(self: &Arc<Self>, process: &Arc<Process<P>>) -> Result<Arc<Process<P>>, Error> {
        let guest = process.guest().ok_or(Error::Ended)?;
        // The platform may run it before this returns.
        self.platform.launch(guest.clone()).map_err(|failure| {
            let why = format!("did not start: {failure}");
            self.log(&process.name, Level::Error, &why);
            drop(guest);
            self.bury(process, Outcome::Failed(why));
            Error::from(failure)
        })?;
        Ok(process.clone())
    }

    // ---- States

    pub(crate) fn note_starting(&self, process: &Process<P>) {
        self.change(process, ProcessState::Created, ProcessState::Starting);
    }

    pub(crate) fn note_running(&self, process: &Process<P>) {
        self.change(process, ProcessState::Starting, ProcessState::Running);
    }

    fn change(&self, process: &Process<P>, from: ProcessState, to: ProcessState) {
        if process.change_from(from, to, self.platform.now()) {
            self.tell_watchers(process);
        }
    }

    fn tell_watchers(&self, process: &Process<P>) {
        let mut n = 0;
        while let Some(watcher) = process.watcher(n) {
            self.tell_watcher(watcher);
            n += 1;
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
            self.tell_watchers(process);
        }
        if grace == 0 {
            self.force(&guest, Reason::Stopped);
            return;
        }
        guest.ask_to_stop();
        let at = self.platform.now().saturating_add(grace);
        guest.set_own_alarm(
            at,
            Due::Stop(process.pid),
            |due| matches!(due, Due::Stop(pid) if *pid == process.pid),
        );
    }

    /// Has a guest end, and asks again until its thread is done: between looking for a reason to end and
    /// having the next epoch interrupt it, a thread does not see that there is one.
    fn force(&self, guest: &Guest<P>, reason: Reason) {
        if !guest.is_alive() {
            return;
        }
        guest.end(reason);
        let pid = guest.pid();
        let is_it = |due: &Due<P>| match due {
            Due::Deadline(other) | Due::Stop(other) => *other == pid,
            _ => false,
        };
        let again = match reason {
            Reason::Deadline => Due::Deadline(pid),
            _ => Due::Stop(pid),
        };
        let at = self.platform.now().saturating_add(END_AGAIN);
        guest.set_own_alarm(at, again, is_it);
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

    fn next_process(&self, place: usize) -> Option<(usize, Arc<Process<P>>)> {
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
            if has_parts || !guest.home.finished() {
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
    fn bury(&self, process: &Arc<Process<P>>, outcome: Outcome) {
        if let Some(guest) = process.guest() {
            guest.dispose();
            // First, so that no alarm is set behind the others' end.
            let had_alarms = guest.takes_alarms();
            guest.cancel_timers(|_| true);
            debug_assert!(guest.has_nothing(), "{} is not disposed of", process.name);
            self.alarms.cancel_all(|due| match due {
                Due::Deadline(pid) | Due::Stop(pid) => *pid == process.pid,
                _ => false,
            });
            if had_alarms {
                self.alarms
                    .release(process.limits.timers as usize + OWN_ALARMS);
            }
            self.platform.evict(&guest);
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
        self.tell_watchers(process);
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

    fn start_again(self: &Arc<Self>, process: &Arc<Process<P>>) {
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

impl<P: Platform> Guest<P> {
    /// Sets a timer, which counts as one of the guest's until it fires or is cancelled.
    ///
    /// # Errors
    /// `TooManyTimers`.
    pub(crate) fn set_timer(&self, at: u64, due: Due<P>) -> Result<u64, Error> {
        let limit = self.process.limits.timers;
        count(&self.counters.timers, limit, Error::TooManyTimers)?;
        match self.server.set_alarm(at, due) {
            Ok(alarm) => Ok(alarm.to_wire()),
            Err(_) => {
                uncount(&self.counters.timers);
                Err(Error::TooManyTimers)
            }
        }
    }

    /// Takes those of the guest's timers back for which `is_it`.
    pub(crate) fn cancel_timers(&self, is_it: impl Fn(&Due<P>) -> bool) {
        if self.counters.timers.load(Ordering::Acquire) == 0 {
            return;
        }
        let pid = Some(self.pid());
        self.server.alarms.cancel_all(|due| {
            let found = due.timer_of() == pid && is_it(due);
            if found {
                uncount(&self.counters.timers);
            }
            found
        });
    }
}
