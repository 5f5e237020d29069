// SPDX-License-Identifier: BSD-2-Clause
//! What happens: members run, end and hang, and what follows from it.

use alloc::{string::ToString, vec::Vec};

use atoll_abi::init::{Restart, Strategy};

use super::{Action, End, Failure, Process, Supervisor};
use crate::policy::Kind;

/// Milliseconds of the first pause before a restart; each restart that follows soon doubles it.
const PAUSE: u64 = 20;
/// Milliseconds of the longest.
const LONGEST_PAUSE: u64 = 1_000;

impl Supervisor {
    /// A guest runs: it was started, or is found running.
    pub fn runs(&mut self, id: usize, now: u64) {
        self.changes = self.changes.wrapping_add(1);
        let is_shutting_down = self.is_shutting_down();
        if let Some(member) = self.members.get_mut(id) {
            if member.process != Process::Ending {
                member.process = Process::Runs;
            }
            member.together = None;
            member.finished = None;
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
        let is_shutting_down = self.is_shutting_down();
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
            member.finished = Some(match is_failure {
                true => End::Failed,
                false => End::Well,
            });
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
            let around = self.policy.nodes.get(group).and_then(|node| node.parent);
            let Some(to) = around else {
                match self.is_below {
                    true => self.end_all(Action::GiveUp),
                    false => self.has_given_up = true,
                }
                return;
            };
            if is_for_good {
                self.failures.push(Failure::GivenUp(group));
                self.give_up(group);
                return;
            }
            self.failures.push(Failure::Escalates { group, to });
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
    pub(super) fn start_again(&mut self, group: usize, child: usize, strategy: Strategy, now: u64) {
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
}
