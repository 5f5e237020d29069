// SPDX-License-Identifier: BSD-2-Clause
//! Starting a process: with the server, or when another asks.

use alloc::{format, string::String, sync::Arc, vec::Vec};

use atoll_abi::{
    Error, Groups, Handle, Level, Limits, Params, Rights,
    message::{Code, Give, MAX_GIVES, ModuleRequest, Name},
};

use crate::{
    Guest,
    authority::Receipt,
    guest::{count, uncount},
    loaded::Loaded,
    modules::{Prepared, Refused},
    place::Place,
    platform::{Budget, HomeParams, Platform},
    process::{Outcome, Process, ProcessParams},
    server::Server,
    session::Session,
};

/// Least and most bits of a child's memory budget.
const MEMORY_BITS: core::ops::RangeInclusive<u8> = 16..=40;

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

/// Where a process's code is.
enum Source<P: Platform> {
    /// In the archive, under this name.
    Archive(Name),
    Loaded(Arc<Loaded<P>>),
}

impl<P: Platform> Source<P> {
    fn name(&self) -> &Name {
        match self {
            Self::Archive(name) => name,
            Self::Loaded(loaded) => &loaded.name,
        }
    }
}

/// A process to be made.
struct Plan<'a, P: Platform> {
    asked: Option<Asked<'a, P>>,
    name: Name,
    source: Source<P>,
    budget: Budget<'a, P::Home>,
    stack: u32,
    prio: u8,
    groups: Groups,
    limits: Limits,
    deadline_ms: Option<u32>,
    /// Where a guest of the spec lives, if it is one.
    place: Option<&'a Place<P>>,
}

impl<P: Platform> Server<P> {
    pub(crate) fn place_of(&self, name: &str) -> Option<&Arc<Place<P>>> {
        self.places.iter().find(|p| p.description.name == name)
    }

    /// Starts the guest of a place with the server.
    pub(crate) fn start_place(
        self: &Arc<Self>,
        place: &Place<P>,
    ) -> Result<Arc<Process<P>>, Error> {
        self.start_in(place, None)
    }

    /// Starts the guest of a place for another, which may.
    ///
    /// # Errors
    /// `Busy` if it lives, and what keeps it from starting.
    pub(crate) fn start_guest(
        self: &Arc<Self>,
        place: &Place<P>,
        asked: Asked<'_, P>,
    ) -> Result<Arc<Process<P>>, Error> {
        self.start_in(place, Some(asked))
    }

    fn start_in(
        self: &Arc<Self>,
        place: &Place<P>,
        asked: Option<Asked<'_, P>>,
    ) -> Result<Arc<Process<P>>, Error> {
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
            source: Source::Archive(description.module.clone()),
            budget: Budget::Untyped(description.budget),
            stack: description.stack,
            prio: description.prio,
            groups: description.groups,
            limits: description.limits.clone(),
            deadline_ms: description.deadline_ms,
            place: Some(place),
        });
        let mut life = place.life.lock();
        life.starting = false;
        let process = made?;
        life.process = Some(process.clone());
        drop(life);
        self.launch(&process)
    }

    /// Starts a module as a child of the process that asks.
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
            0 => parent.stack,
            // Each size takes an engine of its own.
            stack if self.places.iter().any(|p| p.description.stack == stack) => stack,
            _ => return Err(Error::InvalidArgument),
        };
        let source = match &request.module {
            Code::Archive(name) => Source::Archive(name.clone()),
            Code::Loaded(handle) => {
                let grant = parent.grant_allowing(*handle, Rights::READ)?;
                Source::Loaded(grant.resource.module()?.clone())
            }
        };
        let process = self.start(Plan {
            name: request.name.clone(),
            source,
            budget: Budget::Part {
                of: parent_home,
                bits: request.memory_bits,
            },
            stack,
            prio,
            groups: request.groups,
            limits: request.limits.clone(),
            deadline_ms: request.deadline_ms,
            place: None,
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
        let leave = |error: &Error| {
            leave(error);
            if let Some(parent) = parent {
                uncount(&parent.counters.children);
            }
        };
        // From here on the code stays where it is.
        let loader = match &plan.source {
            Source::Archive(_) => None,
            Source::Loaded(loaded) => {
                loaded.loader.enter().inspect_err(leave)?;
                Some(loaded.loader.clone())
            }
        };
        let params = ProcessParams {
            name: plan.name.clone(),
            module: plan.source.name().clone(),
            loader: loader.clone(),
            parent: parent.map(|parent| parent.pid()),
            is_part: plan.place.is_none(),
            place: plan.place.map(|place| place.index),
            session,
            prio: plan.prio,
            limits: plan.limits.clone(),
        };
        let now = self.platform.now();
        let process = self.processes.lock().insert(params, now);
        let process = process.inspect_err(|error| {
            leave(error);
            if let Some(loader) = &loader {
                self.leave(loader);
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
        let description = plan.place.map(|place| &*place.description);
        let place = description.map_or_else(String::new, |d| format!(" ({})", d.place));
        let bad_module = |why: String| (Error::BadModule, format!("{why}{place}"));
        let prepared: Arc<Prepared<P>> = match &plan.source {
            Source::Archive(name) => self
                .modules
                .prepare(&self.platform, name, plan.stack)
                .map_err(bad_module)?,
            Source::Loaded(loaded) => {
                let prepared = loaded.prepare(self, plan.stack);
                prepared.map_err(|Refused { error, why }| {
                    (error, why.unwrap_or_else(|| format!("its module: {error}")))
                })?
            }
        };
        prepared.check(plan.groups).map_err(bad_module)?;
        let version = prepared.version.clone();
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
            description.map(|d| d.place.clone()),
        ));
        process.set_guest(guest.clone(), version);
        guest
            .reserve_alarms()
            .map_err(|error| (error, "the server has no more timers".into()))?;
        // Whoever ends the session from here on finds the guest.
        if process.session.as_ref().is_some_and(|s| s.has_ended()) {
            return Err(refuse(Error::Ended));
        }
        // And whoever ends those that run the modules of a loader that has ended.
        if process.loader.as_ref().is_some_and(|l| l.is_closed()) {
            return Err(refuse(Error::Revoked));
        }
        let mut caps = Vec::new();
        let mut add = |name: &Name, handle: Handle| {
            caps.push(atoll_abi::Cap {
                name: name.as_str().into(),
                handle,
            });
        };
        if let Some(place) = plan.place {
            self.give_all(place, &guest, &mut add).map_err(refuse)?;
        }
        for give in plan.asked.iter().flat_map(|asked| &asked.gives) {
            let by = plan.asked.as_ref().map(|asked| asked.by);
            let Some(by) = by else { continue };
            let source = by.grant_allowing(give.handle, give.rights.union(Rights::GRANT));
            let source = source.map_err(refuse)?;
            let receipt = Receipt {
                name: give.name.clone(),
                by: Some(by.pid()),
                is_news: false,
            };
            let handle = guest.receive_from(receipt, &source, give.rights);
            add(&give.name, handle.map_err(refuse)?);
        }
        let (mut args, mut env) = plan
            .asked
            .map_or_else(Default::default, |asked| (asked.args, asked.env));
        if let Some(description) = description {
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
            version: process.version().as_str().into(),
        };
        let params = postcard::to_allocvec(&params)
            .map_err(|_| (Error::TooMany, "no memory for its parameters".into()))?;
        guest.set_params(params.into());
        if let Some(milliseconds) = plan.deadline_ms {
            let after = u64::from(milliseconds) * 1_000_000;
            let at = self.platform.now().saturating_add(after);
            guest.set_deadline(at);
        }
        Ok(())
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
}
