// SPDX-License-Identifier: BSD-2-Clause
//! The members, the processes that run them, and what is done about them.

use alloc::{
    format,
    rc::Rc,
    string::{String, ToString},
    vec::Vec,
};
use core::{
    cell::{Cell, RefCell},
    time::Duration,
};

use atoll_abi::init;
use supervise::{Action, End, Failure, Kind, Policy, Supervisor};
use userland::{
    Error as Refused, Group, Pid, ProcessState, error,
    future::select,
    handle::{Any, Capability as _},
    health::Probe,
    info,
    process::{Command, Guest, Outcome, Process},
    start::{self, Start},
    task::{Event, spawn},
    time::{Instant, sleep_until},
    warn,
};

use crate::{
    Failure as Fault, Place,
    flag::Flag,
    health::{self, Pulse},
};

/// Nanoseconds.
const MILLISECOND: u64 = 1_000_000;
/// Most capabilities that a member is given for clients at a time.
const MAX_LENT: usize = 16;

/// A member that is a guest.
pub struct Ward {
    /// The capability for it.
    pub guest: Guest,
    process: RefCell<Option<Process>>,
    pid: Cell<Option<Pid>>,
    /// What it was given for clients, which lasts as long as it runs.
    lent: RefCell<Vec<Any>>,
    pulse: Cell<Pulse>,
    /// Whom it was said to wait for.
    waits_for: Cell<Option<usize>>,
}

/// See the module.
pub struct Keeper {
    supervisor: RefCell<Supervisor>,
    place: Place,
    /// In the order of the policy's nodes; none: a group.
    wards: Vec<Option<Ward>>,
    /// Some guest's state has changed.
    news: Event,
    /// A client has asked for something.
    asked: Flag,
    /// Those who wait for a change, each with an event of their own.
    waiting: RefCell<Vec<Rc<Flag>>>,
}

fn now() -> u64 {
    Instant::now().nanoseconds() / MILLISECOND
}

impl Keeper {
    /// Takes up the guests of its slots, and goes on with those that run.
    pub fn new(policy: Policy, start: &Start, place: Place) -> Result<Self, Fault> {
        let news = Event::new();
        let mut wards = Vec::new();
        for node in &policy.nodes {
            if matches!(node.kind, Kind::Group { .. }) {
                wards.push(None);
                continue;
            }
            let name = &node.name;
            let Some(guest) = start.capability::<Guest>(name) else {
                return Err(format!(
                    "an argument names the guest `{name}`, and there is none in a slot of this name: let the spec give it, \
                     `{name}: {name} (RWG)`"
                )
                .into());
            };
            guest
                .watch(news.task())
                .map_err(|error| format!("the guest `{name}`: {error}"))?;
            wards.push(Some(Ward {
                guest,
                process: RefCell::default(),
                pid: Cell::default(),
                lent: RefCell::default(),
                pulse: Cell::default(),
                waits_for: Cell::default(),
            }));
        }
        let (members, most) = (wards.iter().flatten().count(), start.limits().children);
        if members > most as usize {
            warn!(
                "there are {members} guests to start, and the spec lets this one have started {most} at a time: let it \
                 say `children: {members}`"
            );
        }
        let supervisor = match place {
            Place::Top(_) => Supervisor::new(policy),
            Place::BelowAnother => Supervisor::below_another(policy),
        };
        Ok(Self {
            supervisor: RefCell::new(supervisor),
            place,
            wards,
            news,
            asked: Flag::default(),
            waiting: RefCell::default(),
        })
    }

    /// Looks after the members until all have ended since it is to [leave](Supervisor::leave).
    ///
    /// # Errors
    /// It gives up.
    pub async fn run(self: &Rc<Self>) -> Result<(), Fault> {
        loop {
            self.look();
            loop {
                let action = self.supervisor.borrow_mut().next(now());
                match action {
                    None => break,
                    Some(Action::Start(id)) => self.start(id),
                    Some(Action::Stop(id, grace)) => self.stop(id, grace),
                    Some(Action::GiveUp) => {
                        let others = match self.place {
                            Place::Top(_) => "what runs goes on",
                            Place::BelowAnother => "all have ended",
                        };
                        error!("restarts come too often: gives up; {others}");
                        return Err("restarts came too often".into());
                    }
                    Some(Action::SwitchOff) => self.switch_off(),
                    Some(Action::Leave) => {
                        info!("all have ended");
                        return Ok(());
                    }
                }
            }
            self.tell();
            self.tell_who_waits();
            let wakes_at = self.supervisor.borrow().wakes_at(now());
            let at = wakes_at.map_or(Instant::NEVER, |at| {
                Instant::from_nanoseconds(at.saturating_mul(MILLISECOND))
            });
            // Whichever it is, all is looked at.
            select(select(self.news.wait(), self.asked.wait()), sleep_until(at)).await;
        }
    }

    /// Finds out which guests run, and which have ended.
    fn look(self: &Rc<Self>) {
        for id in 0..self.wards.len() {
            let Some(ward) = self.ward(id) else { continue };
            let end = ward.process.borrow().as_ref().and_then(how_it_ended);
            if let Some((end, why)) = end {
                if let Some(process) = ward.process.take() {
                    let _ = process.close();
                }
                ward.pid.set(None);
                for lent in ward.lent.take() {
                    let _ = lent.close();
                }
                self.note_end(id, end, &why);
            }
            // Somebody else may have started it, or this guest in its life before.
            if ward.process.borrow().is_none()
                && let Ok(process) = ward.guest.process()
            {
                match process.is_alive() {
                    Ok(true) => {
                        info!("{} runs already", self.name(id));
                        self.adopt(id, ward, process);
                    }
                    _ => {
                        let _ = process.close();
                    }
                }
            }
        }
    }

    fn note_end(&self, id: usize, end: End, why: &str) {
        let mut supervisor = self.supervisor.borrow_mut();
        let is_asked = supervisor.condition(id) == init::Condition::Stopping;
        let was_hung = supervisor.is_hung(id);
        let why = match was_hung {
            true => "it did not answer when it was asked for its health",
            false => why,
        };
        supervisor.ended(id, end, why, now());
        let is_again =
            supervisor.condition(id) == init::Condition::Waiting && !supervisor.has_given_up();
        drop(supervisor);
        let name = self.name(id);
        let first = why.lines().next().unwrap_or_default();
        match (is_asked && !was_hung, is_again) {
            (true, _) if end == End::Well => info!("{name} has ended"),
            (true, _) => warn!("{name} has ended ({first})"),
            (false, true) => warn!("{name} has ended ({first}) and is started again"),
            (false, false) => info!("{name} has ended ({first})"),
        }
        let failures = self.supervisor.borrow_mut().take_failures();
        for failure in failures {
            match failure {
                Failure::Escalates { group, to } => warn!(
                    "restarts in {} come too often: {} decides",
                    self.name(group),
                    self.name(to)
                ),
                Failure::GivenUp(group) => error!(
                    "restarts in {} come too often: it is given up until somebody starts it",
                    self.name(group)
                ),
            }
        }
    }

    /// Says, once, who is not started for want of another one that does not come by itself.
    fn tell_who_waits(&self) {
        for (id, ward) in self.wards.iter().enumerate() {
            let Some(ward) = ward else { continue };
            let (waits_for, condition) = self.with(|it| {
                let other = it.waits_for(id);
                (other, other.map(|other| it.condition(other)))
            });
            if ward.waits_for.replace(waits_for) == waits_for {
                continue;
            }
            if let Some(other) = waits_for {
                let how = match condition {
                    Some(init::Condition::GivenUp) => "is given up",
                    _ => "is down",
                };
                warn!(
                    "{} waits for {}, which {how} until somebody starts it",
                    self.name(id),
                    self.name(other)
                );
            }
        }
    }

    fn adopt(self: &Rc<Self>, id: usize, ward: &Ward, process: Process) {
        let pid = process.info().map(|info| info.pid).unwrap_or_default();
        ward.pid.set(Some(pid));
        ward.pulse.set(Pulse::Unknown);
        ward.process.replace(Some(process));
        self.supervisor.borrow_mut().runs(id, now());
        let within = self.with_policy(|policy| match policy.nodes.get(id).map(|node| &node.kind) {
            Some(Kind::Guest(guest)) => guest.health,
            _ => None,
        });
        if let Some(within) = within {
            let within = Duration::from_millis(within.into());
            spawn(health::watch(self.clone(), id, pid, within));
        }
    }

    fn start(self: &Rc<Self>, id: usize) {
        let Some(ward) = self.ward(id) else { return };
        match Command::guest(&self.name(id)).start() {
            Ok(process) => self.adopt(id, ward, process),
            // Somebody was faster: the next look finds it.
            Err(Refused::Busy) => {
                let found = ward.guest.process().ok();
                match found.filter(|process| process.is_alive() == Ok(true)) {
                    Some(process) => self.adopt(id, ward, process),
                    None => self.note_end(id, End::Failed, "it could not be started: busy"),
                }
            }
            Err(error) => {
                let why = format!("it could not be started: {error}");
                self.note_end(id, End::Failed, &why);
            }
        }
    }

    fn stop(&self, id: usize, grace: u32) {
        let Some(ward) = self.ward(id) else { return };
        if let Some(process) = &*ward.process.borrow()
            && let Err(error) = process.stop(Duration::from_millis(grace.into()))
        {
            error!("{} cannot be stopped: {error}", self.name(id));
        }
    }

    fn switch_off(&self) {
        if let Place::Top(switch) = self.place {
            info!("all have ended: switches the machine off");
            let error = switch();
            error!("the machine cannot be switched off: {error}");
        }
        self.supervisor.borrow_mut().stays_on();
    }

    fn ward(&self, id: usize) -> Option<&Ward> {
        self.wards.get(id)?.as_ref()
    }

    /// The member's name.
    pub fn name(&self, id: usize) -> String {
        self.with_policy(|policy| {
            policy
                .nodes
                .get(id)
                .map_or_else(String::new, |node| node.name.to_string())
        })
    }

    fn with_policy<R>(&self, f: impl FnOnce(&Policy) -> R) -> R {
        f(self.supervisor.borrow().policy())
    }

    /// Wakes those who wait for a change.
    fn tell(&self) {
        for event in self.waiting.take() {
            event.raise();
        }
    }

    /// Has the members looked at, after a client has asked for something.
    pub fn nudge(self: &Rc<Self>) {
        self.asked.raise();
    }

    /// Asks or changes the supervisor.
    pub fn with<R>(&self, f: impl FnOnce(&mut Supervisor) -> R) -> R {
        f(&mut self.supervisor.borrow_mut())
    }

    /// Waits until something is another than when it was this count.
    pub async fn changed(&self, seen: u32) -> u32 {
        loop {
            let count = self.supervisor.borrow().changes();
            if count != seen {
                return count;
            }
            let event = Rc::new(Flag::default());
            self.waiting.borrow_mut().push(event.clone());
            event.wait().await;
        }
    }

    // ---- What clients and those who ask for health need

    /// The guest of a member.
    pub fn guest(&self, id: usize) -> Option<&Guest> {
        self.ward(id).map(|ward| &ward.guest)
    }

    /// Has `f` use the process of a member that runs.
    pub fn with_process<R>(&self, id: usize, f: impl FnOnce(&Process) -> R) -> Option<R> {
        let process = self.ward(id)?.process.borrow();
        process.as_ref().map(f)
    }

    /// The process that runs a member, and how it was when it was last asked.
    pub fn process_of(&self, id: usize) -> (Option<Pid>, Option<ProcessState>, Pulse) {
        let Some(ward) = self.ward(id) else {
            return (None, None, Pulse::Unknown);
        };
        let process = ward.process.borrow();
        let state = process.as_ref().and_then(|process| process.state().ok());
        (ward.pid.get(), state, ward.pulse.get())
    }

    /// Keeps what a member was given for a client, until its process ends.
    ///
    /// # Errors
    /// Hands it back if there is no room.
    pub fn keep(&self, id: usize, lent: Any) -> Result<(), Any> {
        match self.ward(id) {
            Some(ward) if ward.lent.borrow().len() < MAX_LENT => {
                ward.lent.borrow_mut().push(lent);
                Ok(())
            }
            _ => Err(lent),
        }
    }

    /// Whether there is a switch to end everything with.
    pub fn may_switch_off(&self) -> bool {
        let may = || start::groups_now().is_ok_and(|groups| groups.contains(Group::Power));
        matches!(self.place, Place::Top(_)) && may()
    }

    /// Whether this process runs the member, still.
    pub fn runs(&self, id: usize, pid: Pid) -> bool {
        self.ward(id)
            .is_some_and(|ward| ward.pid.get() == Some(pid))
    }

    /// Gives a member what it is asked for its health by.
    pub fn give_probe(&self, id: usize, probe: &Probe) -> Result<(), Refused> {
        self.with_process(id, |process| probe.give_to(process))
            .unwrap_or(Err(Refused::Ended))
    }

    /// The process answered.
    pub fn has_answered(&self, id: usize, pid: Pid) {
        if let Some(ward) = self.ward(id).filter(|ward| ward.pid.get() == Some(pid)) {
            ward.pulse.set(Pulse::Well);
        }
    }

    /// The process did not answer.
    pub fn hangs(self: &Rc<Self>, id: usize, pid: Pid, within: Duration) {
        if self.runs(id, pid) {
            let name = self.name(id);
            match self.ward(id).map(|ward| ward.pulse.get()) {
                Some(Pulse::Well) => warn!("{name} did not answer within {within:?}: it is ended"),
                _ => warn!(
                    "{name} did not answer within {within:?}, nor ever before: it is ended. Who is asked for its health \
                     serves `userland::health`, with the grants `shared_memory` and `wake`"
                ),
            }
            self.supervisor.borrow_mut().hangs(id);
            self.nudge();
        }
    }
}

/// How a process has ended, if it has.
fn how_it_ended(process: &Process) -> Option<(End, String)> {
    if process.is_alive().unwrap_or(false) {
        return None;
    }
    Some(match process.wait_until(Instant::now()) {
        Ok(Outcome::Exited(code)) if code.0 == 0 => (End::Well, "exited with code 0".into()),
        Ok(outcome @ Outcome::Exited(_)) => (End::Failed, outcome.to_string()),
        _ => {
            let report = process.report().map(|report| report.text.to_string());
            (
                End::Failed,
                report.unwrap_or_else(|error| error.to_string()),
            )
        }
    })
}
