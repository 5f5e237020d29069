// SPDX-License-Identifier: BSD-2-Clause
//! What is to be done now, and who has to wait.

use alloc::vec::Vec;

use super::{Action, End, Member, Process, Supervisor};
use crate::policy::Kind;

impl Supervisor {
    /// The guests that run before this one, by its own word and its groups'.
    pub(super) fn needs(&self, id: usize) -> Vec<usize> {
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
        self.needs(id).into_iter().all(|other| self.is_there(other))
    }

    /// Whether those that need a guest can be started: it runs, or has done what it had to do.
    fn is_there(&self, id: usize) -> bool {
        self.members.get(id).is_none_or(|member| {
            (member.process == Process::Runs && !member.is_to_end)
                || member.finished == Some(End::Well)
        })
    }

    /// The guest that a member waits for and that does not come by itself: somebody has to start it.
    pub fn waits_for(&self, id: usize) -> Option<usize> {
        let member = self.members.get(id)?;
        if !member.is_wanted || member.process != Process::None {
            return None;
        }
        let stays_away = |member: &Member| !member.is_wanted && member.process == Process::None;
        self.needs(id).into_iter().find(|other| {
            !self.is_there(*other) && self.members.get(*other).is_some_and(stays_away)
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
        if let Some(then) = self.ending {
            let is_done = self
                .members
                .iter()
                .all(|member| member.process == Process::None);
            if is_done && !self.is_over {
                self.is_over = true;
                return Some(then);
            }
            return None;
        }
        let id = (0..self.members.len()).find(|id| self.may_start(*id, now))?;
        self.changes = self.changes.wrapping_add(1);
        if let Some(member) = self.members.get_mut(id) {
            member.process = Process::Starting;
            // Also if nothing comes of it: then it did not run for long.
            member.last_start = now;
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
