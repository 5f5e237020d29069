// SPDX-License-Identifier: BSD-2-Clause
//! What is to be done when.
//!
//! What a member is to be (to run or not), and what it is, are kept apart; [`Supervisor::next`] names one step that
//! brings the two closer, in the right order, until there is none. So events may come at any time and in any
//! order.
//!
//! * `events`: what happens.
//! * `requests`: what is asked for.
//! * `steps`: what is to be done.

mod events;
mod requests;
mod steps;

use alloc::{collections::VecDeque, string::String, vec::Vec};

use atoll_abi::init::Condition;

use crate::policy::{Kind, Policy};

/// Something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start the guest; what comes of it is [told](Supervisor::runs).
    Start(usize),
    /// Ask the guest to stop, and end it by force after so many milliseconds.
    Stop(usize, u32),
    /// The group of all has failed too often: the supervisor has to give up. Under another one all have ended by now.
    GiveUp,
    /// All have ended, as a client has asked for.
    SwitchOff,
    /// All have ended, as whoever started the supervisor has asked for.
    Leave,
}

/// What becomes of a group in which restarts came too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// This group, around it, decides: it starts all of the other again, or fails itself.
    Escalates {
        /// The one that failed.
        group: usize,
        /// The one around it.
        to: usize,
    },
    /// It stays down until somebody starts it.
    GivenUp(usize),
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
    /// It ended by itself in this way, and was not to be started again.
    finished: Option<End>,
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
    /// Another one starts and ends this one, and so decides what comes of the members.
    is_below: bool,
    /// All are being ended, for this to be done then.
    ending: Option<Action>,
    /// That was named.
    is_over: bool,
    /// It gives up, and leaves those that run.
    has_given_up: bool,
    /// Groups that have failed since somebody looked.
    failures: Vec<Failure>,
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
            finished: None,
            has_given_up: false,
            is_hung: false,
            failures: VecDeque::new(),
            streak: 0,
            last_start: 0,
        });
        Self {
            members: members.collect(),
            policy,
            is_below: false,
            ending: None,
            is_over: false,
            has_given_up: false,
            failures: Vec::new(),
            changes: 1,
        }
    }

    /// As [`Supervisor::new`], of a supervisor that is a member of another one: who does not go on leaves nobody behind.
    pub fn below_another(policy: Policy) -> Self {
        Self {
            is_below: true,
            ..Self::new(policy)
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
            .is_some_and(|member| member.finished.is_some())
    }

    /// Whether it is ending everything.
    pub fn is_shutting_down(&self) -> bool {
        self.ending.is_some()
    }

    /// Whether it gives up: nobody is started any more.
    pub fn has_given_up(&self) -> bool {
        self.has_given_up || self.ending == Some(Action::GiveUp)
    }

    /// The groups that have failed since this was last asked, in the order in which they did.
    pub fn take_failures(&mut self) -> Vec<Failure> {
        core::mem::take(&mut self.failures)
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
}
