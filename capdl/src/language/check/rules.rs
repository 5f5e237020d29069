// SPDX-License-Identifier: BSD-2-Clause
//! What must hold between objects.

use std::collections::BTreeSet;

use atoll_abi::message::Name;

use super::Checker;
use super::guests::DECLARE_SERVER;
use crate::blob::MAX_PROGRAMS;
use crate::language::Options;
use crate::language::ast::File;
use crate::language::diagnostic::Diagnostic;
use crate::language::model::{Kind, Object};

/// Most objects that a server and its guests hold together (`wasm_handoff::Handoff::given`).
const MAX_GIVEN: usize = 64;

impl Checker<'_> {
    /// Applies all rules.
    pub(super) fn rules(&mut self, file: &File, options: &Options<'_>) {
        // Guests without a server have been complained about one by one.
        let runs = |object: &Object| {
            matches!(
                object.kind,
                Kind::Server(_) | Kind::Guest(_) | Kind::Native(_) | Kind::Tcb(_) | Kind::Broken
            )
        };
        if !self.objects.iter().any(runs) {
            let message = "nothing runs in this system";
            self.push(Diagnostic::new(file.arch.span, message, DECLARE_SERVER));
        }
        self.programs();
        self.services();
        self.guests();
        self.distinct_devices();
        self.drivers();
        self.memory();
        self.covered();
        self.owners();
        self.leftover();
        self.budgets();
        self.priorities();
        self.physical_memory();
        self.interrupts();
        self.power();
        self.spaces();
        self.threads();
        self.order();
        self.given();
        self.handles();
        self.names();
        if let Some(modules) = options.modules {
            self.modules(modules);
        }
        if let Some(bytes) = options.memory {
            self.machine(bytes);
        }
    }

    /// Servers, guests and channels are made of memory.
    fn memory(&mut self) {
        for id in 0..self.objects.len() {
            let object = &self.objects[id];
            let needs = matches!(
                object.kind,
                Kind::Server(_) | Kind::Guest(_) | Kind::Channel { .. }
            );
            if !needs || object.memory().is_some() || self.complained_about_memory(id) {
                continue;
            }
            let name = &object.name;
            let message = format!("`{name}` has no memory");
            let help = format!("give it an untyped: `caps {{ {name} {{ memory: … }} }}`");
            let mut diagnostic = Diagnostic::new(object.span, message, help);
            if let Some(&section) = self.sections.get(&id) {
                diagnostic = diagnostic.other(section, "its capabilities");
            }
            self.push(diagnostic);
        }
    }

    /// Whether something is already wrong with the capabilities of an object: its memory may be what
    /// is missing because of that.
    fn complained_about_memory(&self, id: usize) -> bool {
        let Some(section) = self.sections.get(&id) else {
            return false;
        };
        // The section goes on at least to where the next one starts.
        let next = self
            .sections
            .values()
            .filter(|other| other.start > section.start)
            .min();
        let end = next.map_or(usize::MAX, |next| next.start);
        self.diagnostics
            .iter()
            .any(|diagnostic| (section.start..end).contains(&diagnostic.span.start))
    }

    /// A guest that spins must not keep its server from ending it.
    fn priorities(&mut self) {
        for object in &self.objects {
            let Kind::Guest(guest) = &object.kind else {
                continue;
            };
            let Some(server) = guest.server.map(|id| &self.objects[id]) else {
                continue;
            };
            let Kind::Server(settings) = &server.kind else {
                continue;
            };
            if guest.prio.value >= settings.prio {
                let message = format!(
                    "the priority of a guest must be below its server's: {} is not below {}",
                    guest.prio.value, settings.prio
                );
                let help = "lower it, or raise its server's";
                let wrong = Diagnostic::new(guest.prio.span, message, help);
                let theirs = format!("its server, with priority {}", settings.prio);
                self.diagnostics.push(wrong.other(server.span, theirs));
            }
        }
    }

    /// The message that tells a server what it has is of limited length.
    fn given(&mut self) {
        for id in 0..self.objects.len() {
            if !matches!(self.objects[id].kind, Kind::Server(_)) {
                continue;
            }
            let mut given = BTreeSet::new();
            for object in &self.objects {
                let concerned = match &object.kind {
                    Kind::Guest(guest) => guest.server == Some(id),
                    _ => {
                        object.span == self.objects[id].span && object.name == self.objects[id].name
                    }
                };
                if !concerned {
                    continue;
                }
                for cap in &object.caps {
                    let target = &self.objects[cap.target];
                    // These are nothing that the kernel knows.
                    if !matches!(target.kind, Kind::Service | Kind::Guest(_))
                        && target.kind.device().is_none()
                    {
                        given.insert(target.memory().map_or(cap.target, |(memory, _)| memory));
                    }
                }
            }
            if given.len() > MAX_GIVEN {
                let object = &self.objects[id];
                let message = format!(
                    "`{}` and its guests hold {} objects, {MAX_GIVEN} are possible",
                    object.name,
                    given.len()
                );
                let help = "give some of its guests to another server";
                self.push(Diagnostic::new(object.span, message, help));
            }
        }
    }

    /// A guest has a handle of each capability besides its memory from the start.
    fn handles(&mut self) {
        for object in &self.objects {
            let Kind::Guest(guest) = &object.kind else {
                continue;
            };
            let needed = object
                .caps
                .iter()
                .filter(|cap| cap.slot != "memory")
                .count();
            let Some(span) = guest.handles else { continue };
            if needed > guest.limits.handles as usize {
                let message = format!(
                    "`{}` starts with {needed} capabilities, and can have {} handles",
                    object.name, guest.limits.handles
                );
                let help = format!("write `handles: {needed}` or more");
                let mut wrong = Diagnostic::new(span, message, help);
                if let Some(cap) = object.caps.last() {
                    wrong = wrong.other(cap.span, "the last of them");
                }
                self.diagnostics.push(wrong);
            }
        }
    }

    /// The root task keeps what it starts in a table.
    fn programs(&mut self) {
        let is_program =
            |object: &&Object| matches!(object.kind, Kind::Server(_) | Kind::Native(_));
        let mut programs = self.objects.iter().filter(is_program);
        if let Some(object) = programs.nth(MAX_PROGRAMS) {
            let message =
                format!("there are more than {MAX_PROGRAMS} process servers and native tasks");
            let help = "run more guests in one server, or have one task do the work of two";
            self.diagnostics
                .push(Diagnostic::new(object.span, message, help));
        }
    }

    /// Servers and native tasks keep names in tables.
    fn names(&mut self) {
        let mut long = Vec::new();
        for object in &self.objects {
            match &object.kind {
                Kind::Guest(guest) => {
                    long.push((&object.name, object.span));
                    long.push((&guest.module.value, guest.module.span));
                }
                Kind::Native(task) => {
                    long.push((&object.name, object.span));
                    long.push((&task.program.value, task.program.span));
                }
                _ => continue,
            }
            long.extend(object.caps.iter().map(|cap| (&cap.slot, cap.span)));
        }
        for (name, span) in long {
            let most = Name::new().capacity();
            if name.len() > most {
                let message = format!("the name `{name}` is too long");
                let help = format!("it has {} bytes, {most} are possible", name.len());
                self.diagnostics.push(Diagnostic::new(span, message, help));
            }
        }
    }

    /// A service is known in one server, and is of use only where somebody can provide it.
    fn services(&mut self) {
        // A holder that could not be made out may be the one that is missed.
        let complete = self.diagnostics.is_empty();
        for id in 0..self.objects.len() {
            if !matches!(self.objects[id].kind, Kind::Service) {
                continue;
            }
            let mut holders = Vec::new();
            for object in &self.objects {
                if let Kind::Guest(guest) = &object.kind {
                    let caps = object.caps.iter().filter(|cap| cap.target == id);
                    holders.extend(caps.map(|cap| (object, guest.server, cap)));
                }
            }
            let Some(&(first, server, cap)) = holders.first() else {
                continue;
            };
            let name = &self.objects[id].name;
            let stranger = holders.iter().find(|(_, theirs, _)| *theirs != server);
            if let Some(&(other, Some(theirs), their_cap)) = stranger
                && let Some(ours) = server
            {
                let [ours, theirs] = [ours, theirs].map(|server| &self.objects[server].name);
                let message = format!(
                    "service `{name}` is held in two servers, by `{}` of `{ours}` and `{}` of `{theirs}`",
                    first.name, other.name
                );
                let help = "run its holders in one server, or declare a service for each";
                let wrong = Diagnostic::new(their_cap.span, message, help);
                let wrong = wrong.label(format!("held in `{theirs}`"));
                self.diagnostics
                    .push(wrong.other(cap.span, format!("held in `{ours}`")));
                continue;
            }
            if complete && !holders.iter().any(|(_, _, cap)| cap.rights.write) {
                let message = format!("no guest may provide service `{name}`");
                let help = format!("give a guest W on it: `{}: {name} (W)`", cap.slot);
                let wrong = Diagnostic::new(self.objects[id].span, message, help);
                self.diagnostics
                    .push(wrong.other(cap.span, format!("`{}` may look it up", first.name)));
            }
        }
    }

    /// Who holds a guest runs in the same server.
    fn guests(&mut self) {
        for id in 0..self.objects.len() {
            let Kind::Guest(guest) = &self.objects[id].kind else {
                continue;
            };
            let server = guest.server;
            let name = &self.objects[id].name;
            let mut strangers = Vec::new();
            for object in &self.objects {
                let Kind::Guest(holder) = &object.kind else {
                    continue;
                };
                for cap in object.caps.iter().filter(|cap| cap.target == id) {
                    if let (Some(theirs), Some(ours)) = (holder.server, server)
                        && theirs != ours
                    {
                        let message = format!(
                            "`{}` of `{}` cannot hold `{name}`, a guest of `{}`",
                            object.name, self.objects[theirs].name, self.objects[ours].name
                        );
                        let help = "a server starts and stops its own guests only: let a guest of the same server \
                             hold it, and share a channel with that one";
                        let wrong = Diagnostic::new(cap.span, message, help);
                        strangers.push(wrong.other(self.objects[id].span, "declared here"));
                    }
                }
            }
            self.diagnostics.extend(strangers);
        }
    }
}
