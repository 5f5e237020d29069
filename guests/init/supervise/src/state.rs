// SPDX-License-Identifier: BSD-2-Clause
//! What is to be done when.
//!
//! What a member is to be (to run or not), and what it is, are kept apart; [`Supervisor::next`] names one step that
//! brings the two closer, in the right order, until there is none. So events may come at any time and in any
//! order.

use alloc::{
    collections::VecDeque,
    string::{String, ToString},
    vec::Vec,
};

use atoll_abi::init::{Condition, Restart, Strategy};

use crate::policy::{Kind, Policy};

/// Milliseconds of the first pause before a restart; each restart that follows soon doubles it.
const PAUSE: u64 = 20;
/// Milliseconds of the longest.
const LONGEST_PAUSE: u64 = 1_000;

/// Something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start the guest; what comes of it is [told](Supervisor::runs).
    Start(usize),
    /// Ask the guest to stop, and end it by force after so many milliseconds.
    Stop(usize, u32),
    /// The group of all has failed too often: the supervisor has to give up.
    GiveUp,
    /// All have ended, as was asked for.
    SwitchOff,
}

/// How a guest has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It exited with code 0.
    Well,
    /// It did not, trapped, was ended by somebody else, or could not be started.
    Failed,
}

/// Why something is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It runs.
    Running,
    /// It does not.
    NotRunning,
    /// Everything is being ended.
    ShuttingDown,
}

/// What a guest's process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Process {
    None,
    /// The action was named, what came of it not told.
    Starting,
    Runs,
    /// It was asked to end.
    Ending,
}

/// A member.
#[derive(Clone, Debug)]
pub struct Member {
    /// How often it was started again.
    pub restarts: u32,
    /// Why it last ended; empty if it has not.
    pub last_end: String,
    process: Process,
    /// Whether it is to run.
    is_wanted: bool,
    /// Whether it is to end first, be it to be started again.
    is_to_end: bool,
    /// It is started again together with others of this group, when all of them have ended.
    together: Option<usize>,
    /// It is not started before.
    not_before: u64,
    /// It ended by itself, and was not to be started again.
    has_finished: bool,
    has_given_up: bool,
    /// It did not answer, and is being ended.
    is_hung: bool,
    /// When restarts in this group came, as far as they count.
    failures: VecDeque<u64>,
    /// Restarts of this guest that followed each other soon.
    streak: u32,
    last_start: u64,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Supervisor {
    policy: Policy,
    members: Vec<Member>,
    is_shutting_down: bool,
    has_given_up: bool,
    is_off: bool,
    /// How often something has changed.
    changes: u32,
}

impl Supervisor {
    /// Of these members, of which none runs yet.
    pub fn new(policy: Policy) -> Self {
        let members = policy.nodes.iter().map(|node| Member {
            restarts: 0,
            last_end: String::new(),
            process: Process::None,
            is_wanted: match &node.kind {
                Kind::Guest(guest) => !guest.is_manual,
                Kind::Group { .. } => false,
            },
            is_to_end: false,
            together: None,
            not_before: 0,
            has_finished: false,
            has_given_up: false,
            is_hung: false,
            failures: VecDeque::new(),
            streak: 0,
            last_start: 0,
        });
        Self {
            members: members.collect(),
            policy,
            is_shutting_down: false,
            has_given_up: false,
            is_off: false,
            changes: 1,
        }
    }

    /// What it goes by.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// How often something has changed.
    pub fn changes(&self) -> u32 {
        self.changes
    }

    /// A member, by its place among the nodes of the policy.
    pub fn member(&self, id: usize) -> Option<&Member> {
        self.members.get(id)
    }

    /// How a member does.
    pub fn condition(&self, id: usize) -> Condition {
        let Some(member) = self.members.get(id) else {
            return Condition::Down;
        };
        if !self.is_guest(id) {
            let mut inner = self
                .guests_in(id)
                .map(|guest| self.condition(guest))
                .peekable();
            if member.has_given_up {
                return Condition::GivenUp;
            }
            let all: Vec<_> = inner.by_ref().collect();
            let has = |condition| all.contains(&condition);
            return if has(Condition::Stopping) {
                Condition::Stopping
            } else if has(Condition::Waiting) {
                Condition::Waiting
            } else if has(Condition::Up) {
                Condition::Up
            } else {
                Condition::Down
            };
        }
        match member.process {
            Process::Ending => Condition::Stopping,
            Process::Runs if member.is_to_end => Condition::Stopping,
            Process::Runs => Condition::Up,
            Process::Starting => Condition::Waiting,
            Process::None if member.is_wanted => Condition::Waiting,
            Process::None if member.has_given_up => Condition::GivenUp,
            Process::None => Condition::Down,
        }
    }

    /// Whether a guest did not answer and is being ended for that.
    pub fn is_hung(&self, id: usize) -> bool {
        self.members.get(id).is_some_and(|member| member.is_hung)
    }

    /// Whether a guest's process is there, as far as was told.
    pub fn is_alive(&self, id: usize) -> bool {
        let process = self.members.get(id).map(|member| member.process);
        !matches!(process, None | Some(Process::None))
    }

    /// Whether a guest has ended by itself, and is not started again.
    pub fn has_finished(&self, id: usize) -> bool {
        self.members
            .get(id)
            .is_some_and(|member| member.has_finished)
    }

    /// Whether it is ending everything.
    pub fn is_shutting_down(&self) -> bool {
        self.is_shutting_down
    }

    fn is_guest(&self, id: usize) -> bool {
        matches!(
            self.policy.nodes.get(id).map(|node| &node.kind),
            Some(Kind::Guest(_))
        )
    }

    fn guests_in(&self, group: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.members.len())
            .filter(move |&id| self.is_guest(id) && self.policy.is_within(id, group))
    }

    // ---- What happens

    /// A guest runs: it was started, or is found running.
    pub fn runs(&mut self, id: usize, now: u64) {
        self.changes = self.changes.wrapping_add(1);
        let is_shutting_down = self.is_shutting_down;
        if let Some(member) = self.members.get_mut(id) {
            if member.process != Process::Ending {
                member.process = Process::Runs;
            }
            member.together = None;
            member.has_finished = false;
            member.is_hung = false;
            member.last_start = now;
            // Whoever started it wants it.
            if is_shutting_down {
                member.is_to_end = true;
            } else if !member.is_to_end {
                member.is_wanted = true;
            }
        }
    }

    /// A guest has ended, or could not be started; `why` is for people.
    pub fn ended(&mut self, id: usize, end: End, why: &str, now: u64) {
        self.changes = self.changes.wrapping_add(1);
        let restart = match self.policy.nodes.get(id) {
            Some(node) => node.restart,
            None => return,
        };
        let is_shutting_down = self.is_shutting_down;
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        let was_asked = member.is_to_end && !member.is_hung;
        member.process = Process::None;
        member.is_to_end = false;
        member.last_end = why.to_string();
        let is_failure = end == End::Failed || member.is_hung;
        member.is_hung = false;
        if was_asked || is_shutting_down || !member.is_wanted {
            return;
        }
        let is_due = match restart {
            Restart::Permanent => true,
            Restart::Transient => is_failure,
            Restart::Temporary => false,
        };
        if !is_due {
            member.is_wanted = false;
            member.has_finished = true;
            return;
        }
        member.restarts = member.restarts.saturating_add(1);
        self.fail(id, now);
    }

    /// A guest does not answer when it is asked for its health.
    pub fn hangs(&mut self, id: usize) {
        if let Some(member) = self.members.get_mut(id)
            && member.process == Process::Runs
        {
            self.changes = self.changes.wrapping_add(1);
            member.is_hung = true;
            member.is_to_end = true;
        }
    }

    /// A member is to be started again: by its group's rules, unless that has failed too often.
    fn fail(&mut self, mut child: usize, now: u64) {
        let mut is_first = true;
        while let Some(group) = self.policy.nodes.get(child).and_then(|node| node.parent) {
            let Some(Kind::Group {
                strategy,
                most,
                within,
            }) = self.policy.nodes.get(group).map(|node| node.kind.clone())
            else {
                return;
            };
            let Some(keeper) = self.members.get_mut(group) else {
                return;
            };
            let since = now.saturating_sub(within.into());
            while keeper.failures.front().is_some_and(|at| *at < since) {
                keeper.failures.pop_front();
            }
            if keeper.failures.len() < usize::from(most) {
                keeper.failures.push_back(now);
                if !is_first {
                    keeper.restarts = keeper.restarts.saturating_add(1);
                }
                self.start_again(group, child, strategy, now);
                return;
            }
            keeper.failures.clear();
            // The whole group fails; the one around it decides.
            keeper.restarts = keeper.restarts.saturating_add(1);
            let is_for_good =
                self.policy.nodes.get(group).map(|node| node.restart) == Some(Restart::Temporary);
            if group == 0 {
                self.has_given_up = true;
                return;
            }
            if is_for_good {
                self.give_up(group);
                return;
            }
            child = group;
            is_first = false;
        }
    }

    /// Ends a group for good.
    fn give_up(&mut self, group: usize) {
        let all: Vec<usize> = (0..self.members.len())
            .filter(|id| self.policy.is_within(*id, group))
            .collect();
        for id in all {
            if let Some(member) = self.members.get_mut(id) {
                member.has_given_up = true;
                member.is_wanted = false;
                member.is_to_end = member.process != Process::None;
            }
        }
    }

    /// Has a child of a group, and who else the strategy names, start again.
    fn start_again(&mut self, group: usize, child: usize, strategy: Strategy, now: u64) {
        for id in 0..self.members.len() {
            if !self.is_guest(id) || !self.policy.is_within(id, group) {
                continue;
            }
            let is_child = self.policy.is_within(id, child);
            let is_meant = is_child
                || match strategy {
                    Strategy::OneForOne => false,
                    Strategy::OneForAll => true,
                    Strategy::RestForOne => id > child,
                };
            let Some(member) = self.members.get_mut(id).filter(|_| is_meant) else {
                continue;
            };
            if !member.is_wanted {
                continue;
            }
            member.together = Some(group);
            if member.process != Process::None {
                member.is_to_end = true;
            } else if is_child {
                // One that ran for long begins anew.
                let soon = now.saturating_sub(member.last_start) < 10 * LONGEST_PAUSE;
                member.streak = if soon {
                    member.streak.saturating_add(1)
                } else {
                    0
                };
                let pause = match member.streak {
                    0 | 1 => 0,
                    n => (PAUSE << (n - 2).min(16)).min(LONGEST_PAUSE),
                };
                member.not_before = now.saturating_add(pause);
            }
        }
    }

    // ---- What is asked

    /// Starts a member and what it needs; of a group, all that is in it.
    ///
    /// # Errors
    /// `Running`, `ShuttingDown`.
    pub fn start(&mut self, id: usize) -> Result<(), Refusal> {
        if self.is_shutting_down {
            return Err(Refusal::ShuttingDown);
        }
        let meant: Vec<usize> = self.guests_in(id).collect();
        let runs = |id: &usize| self.condition(*id) == Condition::Up;
        if meant.iter().all(runs) {
            return Err(Refusal::Running);
        }
        let mut wanted = meant;
        let mut next = 0;
        while let Some(&guest) = wanted.get(next) {
            next += 1;
            for other in self.needs(guest) {
                if !wanted.contains(&other) {
                    wanted.push(other);
                }
            }
        }
        self.want(&wanted);
        Ok(())
    }

    fn want(&mut self, guests: &[usize]) {
        self.changes = self.changes.wrapping_add(1);
        for &id in guests {
            // The groups around it begin anew, too.
            let mut around = Some(id);
            while let Some(place) = around {
                if let Some(member) = self.members.get_mut(place) {
                    if member.has_given_up {
                        member.failures.clear();
                    }
                    member.has_given_up = false;
                }
                around = self.policy.nodes.get(place).and_then(|node| node.parent);
            }
            if let Some(member) = self.members.get_mut(id) {
                member.is_wanted = true;
                member.not_before = 0;
                member.streak = 0;
            }
        }
    }

    /// Stops a member, or all of a group, and those that need one of them, until somebody asks.
    ///
    /// # Errors
    /// `NotRunning` if none is to run, `ShuttingDown`.
    pub fn stop(&mut self, id: usize) -> Result<(), Refusal> {
        if self.is_shutting_down {
            return Err(Refusal::ShuttingDown);
        }
        let mut meant: Vec<usize> = self.guests_in(id).collect();
        let idles = |id: &usize| {
            let member = self.members.get(*id);
            member.is_none_or(|member| !member.is_wanted && member.process == Process::None)
        };
        if meant.iter().all(idles) {
            return Err(Refusal::NotRunning);
        }
        let mut next = 0;
        while let Some(&guest) = meant.get(next) {
            next += 1;
            for other in 0..self.members.len() {
                if self.is_guest(other)
                    && !meant.contains(&other)
                    && self.needs(other).contains(&guest)
                {
                    meant.push(other);
                }
            }
        }
        self.changes = self.changes.wrapping_add(1);
        for id in meant {
            if let Some(member) = self.members.get_mut(id) {
                member.is_wanted = false;
                member.has_finished = false;
                member.is_to_end = member.process != Process::None;
            }
        }
        Ok(())
    }

    /// Stops a member, if it runs, and starts it, with those that its group's strategy names.
    ///
    /// # Errors
    /// `ShuttingDown`.
    pub fn restart(&mut self, id: usize, now: u64) -> Result<(), Refusal> {
        if self.is_shutting_down {
            return Err(Refusal::ShuttingDown);
        }
        let guests: Vec<usize> = self.guests_in(id).collect();
        self.want(&guests);
        let Some(group) = self.policy.nodes.get(id).and_then(|node| node.parent) else {
            self.start_again(id, id, Strategy::OneForAll, now);
            return Ok(());
        };
        if let Some(Kind::Group { strategy, .. }) = self.policy.nodes.get(group).map(|it| &it.kind)
        {
            let strategy = *strategy;
            self.start_again(group, id, strategy, now);
        }
        // It was asked for: there is no pause.
        for guest in guests {
            if let Some(member) = self.members.get_mut(guest) {
                (member.not_before, member.streak) = (0, 0);
            }
        }
        Ok(())
    }

    /// Ends everything.
    pub fn shut_down(&mut self) {
        self.changes = self.changes.wrapping_add(1);
        self.is_shutting_down = true;
        for member in &mut self.members {
            member.is_wanted = false;
            member.is_to_end = member.process != Process::None;
        }
    }

    /// The switch did nothing: the supervisor goes on, with nobody running.
    pub fn stays_on(&mut self) {
        self.changes = self.changes.wrapping_add(1);
        self.is_shutting_down = false;
        self.is_off = false;
    }

    // ---- What is to be done

    /// The guests that run before this one, by its own word and its groups'.
    fn needs(&self, id: usize) -> Vec<usize> {
        let mut needs = Vec::new();
        let mut around = Some(id);
        while let Some(node) = around.and_then(|place| self.policy.nodes.get(place)) {
            for &other in &node.after {
                needs.extend(
                    self.guests_in(other)
                        .filter(|guest| !needs.contains(guest))
                        .collect::<Vec<_>>(),
                );
            }
            around = node.parent;
        }
        needs
    }

    fn may_start(&self, id: usize, now: u64) -> bool {
        let Some(member) = self.members.get(id) else {
            return false;
        };
        if !member.is_wanted || member.process != Process::None || now < member.not_before {
            return false;
        }
        let is_leaving = |id: usize| {
            let member = self.members.get(id);
            member.is_some_and(|member| member.is_to_end && member.process != Process::None)
        };
        if let Some(group) = member.together
            && self.guests_in(group).any(is_leaving)
        {
            return false;
        }
        self.needs(id).into_iter().all(|other| {
            self.members.get(other).is_none_or(|needed| {
                (needed.process == Process::Runs && !needed.is_to_end) || needed.has_finished
            })
        })
    }

    /// The next thing to do, if there is one; it is taken for done.
    pub fn next(&mut self, now: u64) -> Option<Action> {
        if self.has_given_up {
            return Some(Action::GiveUp);
        }
        // The last that is to end, first; and one after the other.
        let ends = |member: &&Member| member.is_to_end && member.process != Process::None;
        let last = (0..self.members.len())
            .rev()
            .find(|id| self.members.get(*id).as_ref().is_some_and(ends));
        if let Some(id) = last
            && let Some(member) = self.members.get_mut(id)
            && member.process == Process::Runs
        {
            member.process = Process::Ending;
            self.changes = self.changes.wrapping_add(1);
            let grace = match self.policy.nodes.get(id).map(|node| &node.kind) {
                Some(Kind::Guest(guest)) if !member.is_hung => guest.grace,
                _ => 0,
            };
            return Some(Action::Stop(id, grace));
        }
        if self.is_shutting_down {
            let is_done = self
                .members
                .iter()
                .all(|member| member.process == Process::None);
            if is_done && !self.is_off {
                self.is_off = true;
                return Some(Action::SwitchOff);
            }
            return None;
        }
        let id = (0..self.members.len()).find(|id| self.may_start(*id, now))?;
        self.changes = self.changes.wrapping_add(1);
        if let Some(member) = self.members.get_mut(id) {
            member.process = Process::Starting;
        }
        Some(Action::Start(id))
    }

    /// When there may be something to do although nothing happens; milliseconds, as all times here.
    pub fn wakes_at(&self, now: u64) -> Option<u64> {
        let waits = |member: &&Member| {
            member.is_wanted && member.process == Process::None && member.not_before > now
        };
        self.members
            .iter()
            .filter(waits)
            .map(|member| member.not_before)
            .min()
    }
}
