// SPDX-License-Identifier: BSD-2-Clause
//! What is asked for: by clients, and by who ends the supervisor.

use alloc::vec::Vec;

use atoll_abi::init::{Condition, Strategy};

use super::{Action, Process, Refusal, Supervisor};
use crate::policy::Kind;

impl Supervisor {
    /// Starts a member and what it needs; of a group, all that is in it.
    ///
    /// # Errors
    /// `Running`, `ShuttingDown`.
    pub fn start(&mut self, id: usize) -> Result<(), Refusal> {
        if self.is_shutting_down() {
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
        if self.is_shutting_down() {
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
                member.finished = None;
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
        if self.is_shutting_down() {
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

    /// Ends everything, to switch the machine off then.
    pub fn shut_down(&mut self) {
        self.end_all(Action::SwitchOff);
    }

    /// Ends everything, since whoever started the supervisor has asked it to end.
    pub fn leave(&mut self) {
        self.end_all(Action::Leave);
    }

    pub(super) fn end_all(&mut self, then: Action) {
        self.changes = self.changes.wrapping_add(1);
        self.ending = Some(then);
        for member in &mut self.members {
            member.is_wanted = false;
            member.is_to_end = member.process != Process::None;
        }
    }

    /// The switch did nothing: the supervisor goes on, with nobody running.
    pub fn stays_on(&mut self) {
        self.changes = self.changes.wrapping_add(1);
        self.ending = None;
        self.is_over = false;
    }
}
