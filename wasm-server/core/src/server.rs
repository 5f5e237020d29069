// SPDX-License-Identifier: BSD-2-Clause
//! The server: its guests, and what they share.

use alloc::{
    collections::{BTreeMap, btree_map::Entry},
    format,
    string::String,
    sync::Arc,
    vec::Vec,
};
use core::sync::atomic::{AtomicBool, Ordering};

use atoll_abi::{Error, Level, Pid};
use capdl::blob::{Kind, ObjectId, Reader, Restart, Start, Target};
use wasm_archive::Archive;

use crate::{
    Guest, Lock,
    description::Description,
    guest::{Outcome, Reason, RegionCap},
    modules::Modules,
    platform::{Budget, Home, HomeParams, Platform},
    region::Region,
    timer::{Alarm, Timers},
    token::Tokens,
};

/// Bits of a process id that are the place in the server; the rest is the generation.
const INDEX_BITS: u32 = 12;

/// A guest that ended this often within [`RESTART_PERIOD`] is not started again.
const MAX_RESTARTS: u32 = 5;
/// Nanoseconds.
const RESTART_PERIOD: u64 = 10_000_000_000;

/// Nanoseconds until a guest that is to end is asked again.
const END_AGAIN: u64 = 5_000_000;

/// Why a server cannot be set up; the text is for people.
pub type SetupError = String;

/// A process server.
pub struct Server<P: Platform> {
    pub(crate) platform: P,
    pub(crate) tokens: Lock<P, Tokens<P>>,
    modules: Modules<P>,
    places: Vec<Place<P>>,
    channels: BTreeMap<ObjectId, Arc<Region<P>>>,
    timers: Lock<P, Timers<Due<P>>>,
    /// A guest's thread has finished since the service thread last looked.
    ended: AtomicBool,
}

/// The place of one guest of the spec, for its lives one after the other.
struct Place<P: Platform> {
    description: Arc<Description>,
    life: Lock<P, Life<P>>,
}

struct Life<P: Platform> {
    generation: u32,
    /// Claimed by whoever makes the next guest of this place.
    starting: bool,
    guest: Option<Arc<Guest<P>>>,
    deadline: Option<Alarm>,
    restarts: Restarts,
}

/// Restarts within the present period.
#[derive(Default)]
struct Restarts {
    since: u64,
    count: u32,
}

/// What an alarm does.
enum Due<P: Platform> {
    /// Wakes a guest that waits with a deadline.
    Wake(<P::Home as Home>::Waker),
    /// Ends a guest that has run for too long.
    End(Pid),
}

impl<P: Platform> Server<P> {
    /// Sets up the server that object `id` of the spec describes. Nothing runs yet.
    ///
    /// # Errors
    /// What is wrong with the spec or missing, for people.
    pub fn new(
        platform: P,
        spec: &Reader<'_>,
        id: ObjectId,
        archive: Archive<'static>,
    ) -> Result<Arc<Self>, SetupError> {
        let mut places = Vec::new();
        let mut channels = BTreeMap::new();
        for (_, object) in spec.iter() {
            let Some(description) = Description::of(spec, &object, id)? else {
                continue;
            };
            for cap in &description.channels {
                if let Entry::Vacant(entry) = channels.entry(cap.channel) {
                    entry.insert(Arc::new(make_channel(&platform, spec, cap.channel)?));
                }
            }
            let life = Life {
                generation: 0,
                starting: false,
                guest: None,
                deadline: None,
                restarts: Restarts::default(),
            };
            places.push(Place {
                description: Arc::new(description),
                life: Lock::<P, _>::new(life),
            });
        }
        if places.len() >= 1 << INDEX_BITS {
            return Err(format!(
                "{}: more than {} guests",
                spec.file,
                (1 << INDEX_BITS) - 1
            ));
        }
        let seed = [
            platform.now().to_le_bytes(),
            platform.cycles().to_le_bytes(),
        ]
        .concat();
        Ok(Arc::new(Self {
            platform,
            tokens: Lock::<P, _>::new(Tokens::new(&[&seed, &spec.archive_key])),
            modules: Modules::new(archive),
            places,
            channels,
            timers: Lock::<P, _>::new(Timers::new()),
            ended: AtomicBool::new(false),
        }))
    }

    /// The platform.
    pub fn platform(&self) -> &P {
        &self.platform
    }

    /// Starts every guest that starts with the server. One that cannot start is reported; the others
    /// start all the same.
    pub fn boot(self: &Arc<Self>) {
        for index in 0..self.places.len() {
            if self.places[index].description.start == Start::Boot {
                // A refusal is in the log.
                let _ = self.start_place(index);
            }
        }
    }

    /// The service thread's work: does what is due, then sleeps, for ever.
    pub fn serve(self: &Arc<Self>) -> ! {
        loop {
            self.serve_once();
        }
    }

    /// One turn of [`Self::serve`].
    pub fn serve_once(self: &Arc<Self>) {
        self.fire_alarms();
        if self.ended.swap(false, Ordering::AcqRel) {
            self.reap();
        }
        self.platform.serve();
    }

    /// Whether no guest is alive and none will start by itself.
    pub fn is_idle(&self) -> bool {
        self.places
            .iter()
            .all(|place| place.life.lock().guest.as_ref().is_none_or(|g| g.is_gone()))
    }

    /// How the last life of a guest ended, if it has.
    pub fn outcome(&self, name: &str) -> Option<Outcome> {
        let place = self.places.iter().find(|p| p.description.name == name)?;
        let guest = place.life.lock().guest.clone()?;
        guest.outcome()
    }

    /// Starts the guest of the spec with this name.
    ///
    /// # Errors
    /// `NotFound` if there is none that starts on demand, `Busy` if it lives, and what keeps it from
    /// starting.
    pub(crate) fn start(self: &Arc<Self>, name: &str) -> Result<Pid, Error> {
        let index = self
            .places
            .iter()
            .position(|p| p.description.name == name && p.description.start == Start::Demand)
            .ok_or(Error::NotFound)?;
        self.start_place(index)
    }

    /// The guest with this id, alive or gone; not one whose place was taken since.
    pub(crate) fn guest(&self, pid: Pid) -> Result<Arc<Guest<P>>, Error> {
        let place = self
            .places
            .get(Self::index_of(pid))
            .ok_or(Error::NotFound)?;
        place
            .life
            .lock()
            .guest
            .clone()
            .filter(|g| g.pid == pid)
            .ok_or(Error::NotFound)
    }

    /// The place that a process id names.
    pub(crate) fn index_of(pid: Pid) -> usize {
        (pid.0 & ((1 << INDEX_BITS) - 1)) as usize
    }

    fn start_place(self: &Arc<Self>, index: usize) -> Result<Pid, Error> {
        let place = &self.places[index];
        let pid = {
            let mut life = place.life.lock();
            if life.starting || life.guest.as_ref().is_some_and(|g| !g.is_gone()) {
                return Err(Error::Busy);
            }
            life.starting = true;
            life.generation = (life.generation + 1) & (u32::MAX >> INDEX_BITS);
            life.generation = life.generation.max(1);
            Pid(life.generation << INDEX_BITS | index as u32)
        };
        let made = self.make(pid, &place.description);
        let mut life = place.life.lock();
        life.starting = false;
        let guest = made?;
        life.guest = Some(guest.clone());
        if let Some(milliseconds) = place.description.deadline_ms {
            let at = self
                .platform
                .now()
                .saturating_add(u64::from(milliseconds) * 1_000_000);
            life.deadline = Some(self.set_alarm(at, Due::End(pid)));
        }
        drop(life);
        self.platform.launch(guest.clone()).map_err(|failure| {
            guest.abandon(&format!("did not start: {failure}"));
            self.take_back(place, &guest);
            Error::from(failure)
        })?;
        Ok(pid)
    }

    fn make(
        self: &Arc<Self>,
        pid: Pid,
        description: &Arc<Description>,
    ) -> Result<Arc<Guest<P>>, Error> {
        let refuse = |why: &str| {
            self.log(
                &description.name,
                Level::Error,
                &format!("did not start: {why}"),
            )
        };
        let prepared = self
            .modules
            .prepare(&self.platform, description)
            .map_err(|why| {
                refuse(&why);
                Error::BadModule
            })?;
        let params = HomeParams {
            budget: Budget::Untyped(description.budget),
            stack: description.stack,
            prio: description.prio,
        };
        let home = self.platform.settle(params).map_err(|failure| {
            refuse(&format!("{failure} ({})", description.place));
            Error::from(failure)
        })?;
        let channels: Vec<_> = description
            .channels
            .iter()
            .filter_map(|cap| {
                let region = self.channels.get(&cap.channel)?.clone();
                Some((
                    cap.slot.clone(),
                    RegionCap {
                        region,
                        rights: cap.rights,
                    },
                ))
            })
            .collect();
        Guest::new(
            self.clone(),
            pid,
            description.clone(),
            prepared,
            home,
            &channels,
        )
    }

    /// A guest's thread has finished.
    pub(crate) fn note_ended(&self) {
        self.ended.store(true, Ordering::Release);
    }

    fn reap(self: &Arc<Self>) {
        for (index, place) in self.places.iter().enumerate() {
            let guest = place.life.lock().guest.clone();
            let Some(guest) = guest else { continue };
            if guest.ended().is_none() {
                continue;
            }
            if !guest.home.finished() {
                // Its thread has a few instructions to go; it nudges when they are done.
                self.ended.store(true, Ordering::Release);
                continue;
            }
            let outcome = self.take_back(place, &guest);
            if self.is_to_restart(place, &outcome) {
                // A refusal is in the log.
                let _ = self.start_place(index);
            }
        }
    }

    /// The end of a guest whose thread has finished, or never ran.
    fn take_back(&self, place: &Place<P>, guest: &Arc<Guest<P>>) -> Option<Outcome> {
        if let Some(alarm) = place.life.lock().deadline.take() {
            self.timers.lock().cancel(alarm);
        }
        self.reclaim(guest);
        let outcome = guest.ended();
        if let Some(outcome) = &outcome {
            let level = if matches!(outcome, Outcome::Exited(_)) {
                Level::Debug
            } else {
                Level::Error
            };
            self.log(guest.name(), level, &format!("{outcome}"));
        }
        guest.gone();
        outcome
    }

    fn is_to_restart(&self, place: &Place<P>, outcome: &Option<Outcome>) -> bool {
        let wanted = match place.description.restart {
            Restart::Permanent => true,
            Restart::Transient => matches!(outcome, Some(Outcome::Failed(_))),
            Restart::Temporary => false,
        };
        if !wanted {
            return false;
        }
        let now = self.platform.now();
        let restarts = &mut place.life.lock().restarts;
        if now - restarts.since > RESTART_PERIOD {
            *restarts = Restarts {
                since: now,
                count: 0,
            };
        }
        restarts.count += 1;
        if restarts.count <= MAX_RESTARTS {
            return true;
        }
        let text = format!(
            "not started again: ended {} times within {} s",
            restarts.count,
            RESTART_PERIOD / 1_000_000_000
        );
        self.log(&place.description.name, Level::Error, &text);
        false
    }

    /// Takes back everything a guest held: first what others could still reach, then the memory.
    fn reclaim(&self, guest: &Arc<Guest<P>>) {
        self.tokens.lock().forget(guest.pid);
        let held = guest.handles.lock().clear();
        for cap in &held {
            cap.region.forget(guest);
            if cap.region.owner == Some(guest.pid) {
                cap.region.revoke();
            }
        }
        drop(held);
        self.platform.evict(guest);
    }

    fn fire_alarms(&self) {
        loop {
            let due = {
                let mut timers = self.timers.lock();
                let due = timers.expired(self.platform.now());
                if due.is_none() {
                    self.platform.arm(timers.next());
                }
                due
            };
            match due {
                None => return,
                Some(Due::Wake(waker)) => P::Home::wake(&waker),
                Some(Due::End(pid)) => self.end(pid),
            }
        }
    }

    /// Has a guest end, and asks again until its thread has finished: between looking for a reason to
    /// end and having the next epoch interrupt it, a thread does not see that there is one.
    fn end(&self, pid: Pid) {
        let Ok(guest) = self.guest(pid) else { return };
        if guest.is_alive() {
            guest.end(Reason::Deadline);
            let again = self.set_alarm(self.platform.now() + END_AGAIN, Due::End(pid));
            if let Some(place) = self.places.get(Self::index_of(pid)) {
                place.life.lock().deadline = Some(again);
            }
        }
    }

    /// Has the guest woken at this time.
    pub(crate) fn wake_at(&self, at: u64, waker: <P::Home as Home>::Waker) -> Alarm {
        self.set_alarm(at, Due::Wake(waker))
    }

    /// Takes an alarm back.
    pub(crate) fn cancel(&self, alarm: Alarm) {
        self.timers.lock().cancel(alarm);
    }

    fn set_alarm(&self, at: u64, due: Due<P>) -> Alarm {
        let mut timers = self.timers.lock();
        let alarm = timers.set(at, due);
        // An alarm that is not the next has no need of the hardware, and a cancelled one that was
        // costs one early turn of the service thread.
        if timers.next() == Some(at) {
            self.platform.arm(Some(at));
        }
        alarm
    }

    /// Writes a line, or several, under a name.
    pub(crate) fn log(&self, name: &str, level: Level, text: &str) {
        let now = self.platform.now() / 1000;
        let (seconds, micros) = (now / 1_000_000, now % 1_000_000);
        let mark = match level {
            Level::Error => "error: ",
            Level::Warn => "warning: ",
            Level::Info => "",
            Level::Debug => "debug: ",
        };
        for (i, line) in text.lines().enumerate() {
            let mark = if i == 0 { mark } else { "" };
            self.platform.console(format_args!(
                "[{seconds:5}.{micros:06}] {name}: {mark}{line}"
            ));
        }
    }
}

fn make_channel<P: Platform>(
    platform: &P,
    spec: &Reader<'_>,
    id: ObjectId,
) -> Result<Region<P>, SetupError> {
    let object = spec
        .object(id)
        .ok_or("the spec is broken: no such object")?;
    let place = format!("{}:{}: channel {}", spec.file, object.line, object.name);
    let Kind::Channel { bytes } = object.kind else {
        return Err(format!("{place} is none"));
    };
    let memory = object.caps.iter().find_map(|cap| match cap.target {
        Target::Object(target) if cap.slot == "memory" => Some(target),
        _ => None,
    });
    let memory = memory.ok_or_else(|| format!("{place} has no memory"))?;
    let backing = platform
        .make_region(memory, bytes)
        .map_err(|failure| format!("{place}: {failure}"))?;
    Ok(Region::new(backing, bytes, None))
}
