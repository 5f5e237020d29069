// SPDX-License-Identifier: BSD-2-Clause
//! What must hold between objects.

use std::collections::{BTreeMap, BTreeSet};

use atoll_abi::TABLE;

use super::{Checker, group_named};
use crate::language::ast::File;
use crate::language::diagnostic::{Diagnostic, nearest};
use crate::language::model::{Guest, Kind, Object, Target};
use crate::language::span::Span;
use crate::language::{Import, Module, Options};

/// Most objects that a server and its guests hold together (`wasm_handoff::Handoff::given`).
const MAX_GIVEN: usize = 64;

impl Checker<'_> {
    /// Applies all rules.
    pub(super) fn rules(&mut self, file: &File, options: &Options<'_>) {
        // Guests without a server have been complained about one by one.
        let excused = |object: &Object| {
            matches!(object.kind, Kind::Server(_) | Kind::Guest(_) | Kind::Broken)
        };
        if !self.objects.iter().any(excused) {
            self.push(
                Diagnostic::new(file.arch.span, "this system has no process server")
                    .help("declare one: `server = wasm_server (prio: 200)`"),
            );
        }
        self.memory();
        self.owners();
        self.budgets();
        self.priorities();
        self.physical_memory();
        self.interrupts();
        self.given();
        if let Some(modules) = options.modules {
            self.modules(modules);
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
            let mut diagnostic = Diagnostic::new(object.span, message).help(help);
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

    /// The kernel gives out an untyped once.
    fn owners(&mut self) {
        let mut owners: BTreeMap<usize, (String, Span)> = BTreeMap::new();
        for id in 0..self.objects.len() {
            let Some((memory, span)) = self.objects[id].memory() else {
                continue;
            };
            let name = self.objects[id].name.clone();
            if let Some((owner, first)) = owners.get(&memory) {
                let memory = &self.objects[memory].name;
                let message = format!("`{memory}` already belongs to `{owner}`");
                let first = *first;
                let diagnostic = Diagnostic::new(span, message);
                self.push(if first == span {
                    diagnostic
                        .help("declare an array of untypeds, one for each element of this one")
                } else {
                    diagnostic
                        .other(first, "given away here")
                        .help("an untyped can be given to one object only")
                });
            } else {
                owners.insert(memory, (name, span));
            }
        }
    }

    /// What is certainly taken out of an untyped must fit.
    fn budgets(&mut self) {
        for object in &self.objects {
            let Some((memory, given)) = object.memory() else {
                continue;
            };
            let Kind::Untyped { bits, .. } = self.objects[memory].kind else {
                continue;
            };
            let (bytes, span, what) = match &object.kind {
                Kind::Channel { bytes } => (bytes.value, bytes.span, "the channel"),
                Kind::Guest(guest) => (
                    guest.stack.value,
                    guest.stack.span,
                    "the stack of this guest",
                ),
                _ => continue,
            };
            if u64::from(bytes) > 1 << bits {
                let untyped = &self.objects[memory];
                let message = format!("{what} is larger than its untyped");
                self.diagnostics.push(
                    Diagnostic::new(span, message)
                        .label(format!("{} KiB", bytes >> 10))
                        .other(untyped.span, format!("{} KiB", (1u64 << bits) >> 10))
                        .other(given, "given here"),
                );
            }
        }
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
                self.diagnostics
                    .push(Diagnostic::new(guest.prio.span, message).other(
                        server.span,
                        format!("its server, with priority {}", settings.prio),
                    ));
            }
        }
    }

    /// No two objects at the same physical address.
    fn physical_memory(&mut self) {
        let mut placed: Vec<(u64, u64, usize)> = Vec::new();
        for (id, object) in self.objects.iter().enumerate() {
            if let Kind::Untyped {
                bits,
                paddr: Some(start),
            }
            | Kind::Frame {
                bits,
                paddr: Some(start),
            } = object.kind
            {
                placed.push((start, start + (1 << bits), id));
            }
        }
        placed.sort_unstable();
        let mut reach: Option<(u64, usize)> = None;
        for &(start, end, id) in &placed {
            let object = &self.objects[id];
            if let Some((_, other)) = reach.filter(|&(reached, _)| start < reached) {
                let other = &self.objects[other];
                let message = if object.span == other.span {
                    let array = object.name.split('[').next().unwrap_or_default();
                    format!("all elements of `{array}` would be at the same address")
                } else {
                    format!(
                        "`{}` and `{}` overlap at {start:#x}",
                        other.name, object.name
                    )
                };
                let mut diagnostic = Diagnostic::new(object.span, message);
                if object.span != other.span {
                    diagnostic = diagnostic.other(other.span, "the other one");
                }
                self.diagnostics.push(diagnostic);
            }
            if reach.is_none_or(|(reached, _)| end > reached) {
                reach = Some((end, id));
            }
        }
    }

    /// An interrupt is its number, and signals one holder.
    fn interrupts(&mut self) {
        let mut holders: BTreeMap<usize, Span> = BTreeMap::new();
        for id in 0..self.objects.len() {
            let object = &self.objects[id];
            if !self.irq_maps_wrong && matches!(object.kind, Kind::Irq { number: None }) {
                let name = &object.name;
                let message = format!("interrupt `{name}` has no number");
                let help = format!("give it one: `irq maps {{ 30: {name} }}`");
                self.push(Diagnostic::new(object.span, message).help(help));
            }
            for cap in self.objects[id].caps.clone() {
                let Target::Object(target) = cap.target else {
                    continue;
                };
                if !matches!(self.objects[target].kind, Kind::Irq { .. }) {
                    continue;
                }
                if let Some(&first) = holders.get(&target) {
                    let name = &self.objects[target].name;
                    let message = format!("interrupt `{name}` has two holders");
                    self.push(Diagnostic::new(cap.span, message).other(first, "the first one"));
                } else {
                    holders.insert(target, cap.span);
                }
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
                    if let Target::Object(target) = cap.target {
                        let through = self.objects[target].memory();
                        given.insert(through.map_or(target, |(memory, _)| memory));
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
                self.push(
                    Diagnostic::new(object.span, message)
                        .help("give some of its guests to another server"),
                );
            }
        }
    }

    /// Every module is there, fits its budget, and imports only what its guest is granted.
    fn modules(&mut self, modules: &[Module]) {
        for id in 0..self.objects.len() {
            let Kind::Guest(guest) = self.objects[id].kind.clone() else {
                continue;
            };
            let name = &*guest.module.value;
            let Some(module) = modules.iter().find(|module| module.name == name) else {
                let names = modules.iter().map(|module| &*module.name);
                let suggestion = nearest(name, names);
                let message = format!("there is no module `{name}`");
                self.push(Diagnostic::new(guest.module.span, message).suggest(suggestion));
                continue;
            };
            self.module_memory(id, &guest, module);
            let mut missing = BTreeSet::new();
            for import in module.imports.iter().flatten() {
                self.import(id, &guest, import, &mut missing);
            }
        }
    }

    fn module_memory(&mut self, id: usize, guest: &Guest, module: &Module) {
        let (Some(bytes), Some((memory, _))) = (module.memory, self.objects[id].memory()) else {
            return;
        };
        let Kind::Untyped { bits, .. } = self.objects[memory].kind else {
            return;
        };
        let needed = bytes.saturating_add(u64::from(guest.stack.value));
        // A stack that alone is too large has its own message.
        if needed > 1 << bits && u64::from(guest.stack.value) <= 1 << bits {
            let message = format!(
                "module `{}` needs more memory than `{}` has",
                module.name, self.objects[id].name
            );
            let untyped = &self.objects[memory];
            self.diagnostics.push(
                Diagnostic::new(guest.module.span, message)
                    .label(format!(
                        "{} KiB of linear memory and {} KiB of stack",
                        bytes >> 10,
                        guest.stack.value >> 10
                    ))
                    .other(untyped.span, format!("{} KiB", (1u64 << bits) >> 10)),
            );
        }
    }

    fn import(
        &mut self,
        id: usize,
        guest: &Guest,
        import: &Import,
        missing: &mut BTreeSet<&'static str>,
    ) {
        let module = &*guest.module.value;
        let Import { module: from, name } = import;
        let Some(call) = TABLE
            .iter()
            .find(|call| call.module == from && call.name == name)
        else {
            let message =
                format!("module `{module}` imports `{from}` `{name}`, which does not exist");
            let near = TABLE
                .iter()
                .filter(|call| call.module == from)
                .map(|call| call.name);
            let near = nearest(name, near).map(str::to_owned);
            self.push(Diagnostic::new(guest.module.span, message).suggest(near.as_deref()));
            return;
        };
        let Some(grant) = call.group.grant() else {
            return;
        };
        let granted = group_named(grant).is_some_and(|group| self.objects[id].has_hostcalls(group));
        // One complaint for each group will do.
        if granted || !missing.insert(grant) {
            return;
        }
        let guest_name = &self.objects[id].name;
        let message = format!("guest `{guest_name}` is not granted `{grant}`");
        let mut diagnostic = Diagnostic::new(guest.module.span, message)
            .label(format!("this module imports `{from}` `{name}`"))
            .help(format!(
                "add `{grant}` to the capabilities of `{guest_name}`"
            ));
        if let Some(&section) = self.sections.get(&id) {
            diagnostic = diagnostic.other(section, "its capabilities");
        }
        self.push(diagnostic);
    }
}
