// SPDX-License-Identifier: BSD-2-Clause
//! The `caps` sections.

use super::kinds::PLANNED_OBJECTS;
use super::params::ONE_OF_THEM;
use super::{Checker, group_names};
use crate::blob::{Group, MAX_CAPS};
use crate::language::ast::{CapDecl, CapEntry, Slot};
use crate::language::diagnostic::{Diagnostic, nearest};
use crate::language::model::{Cap, Kind};
use crate::language::span::Spanned;

/// The slots of a process server.
const SERVER_SLOTS: [&str; 3] = ["memory", "console", "timer"];

impl<'a> Checker<'a> {
    /// Adds the capabilities of one declaration.
    pub(super) fn caps(&mut self, decl: &'a CapDecl) {
        let (name, entries) = match decl {
            CapDecl::Holder(name, entries) => (name, entries),
            CapDecl::Name(name) => {
                let message = "names for capabilities are not supported yet";
                self.push(Diagnostic::new(name.span, message, "remove the name"));
                return;
            }
        };
        if let Some(group) = Group::named(&name.name.value).and_then(Group::grant) {
            let message = format!("`{group}` is a group of hostcalls: it holds nothing");
            let help = format!("name it in the section of a guest: `guest {{ {group} }}`");
            self.push(Diagnostic::new(name.span, message, help));
            return;
        }
        let Some(holders) = self.resolve(name) else {
            return;
        };
        let Some(&first) = holders.first() else {
            return;
        };
        match &self.objects[first].kind {
            Kind::Server(_) | Kind::Guest(_) | Kind::Channel { .. } => {}
            Kind::Broken => return,
            Kind::Irq { .. } => {
                let message = "capabilities of an interrupt are not supported yet";
                let help = "it signals the server that holds it";
                self.push(Diagnostic::new(name.span, message, help));
                return;
            }
            other => {
                let message = format!(
                    "`{}` is {}: it holds nothing",
                    name.name.value,
                    other.describe()
                );
                let help = "what holds capabilities are servers, guests and channels";
                let declared = self.objects[first].span;
                let wrong = Diagnostic::new(name.span, message, help);
                self.push(wrong.other(declared, "declared here"));
                return;
            }
        }
        for &holder in &holders {
            // Only to explain what a guest lacks.
            self.sections.entry(holder).or_insert(name.span);
        }
        for entry in entries {
            self.cap(&holders, entry);
        }
    }

    fn cap(&mut self, holders: &[usize], entry: &'a CapEntry) {
        let unsupported = if entry.copy {
            let help = "name the object, and the rights to it: `slot: object (R)`";
            Some((entry.target.span, "copies of capabilities are", help))
        } else if let Some(name) = &entry.name {
            Some((name.span, "names for capabilities are", "remove the name"))
        } else {
            let help = "remove it: every capability derives from the root task's";
            let parent = entry.parent.as_ref();
            parent.map(|parent| (parent.span, "`child_of` is", help))
        };
        if let Some((span, what, help)) = unsupported {
            let message = format!("{what} not supported yet");
            self.push(Diagnostic::new(span, message, help));
            return;
        }
        let name = &*entry.target.name.value;
        if let Some(group) = Group::named(name) {
            self.hostcalls(holders, entry, group);
            return;
        }
        if PLANNED_OBJECTS.contains(&name) {
            let message = format!("`{name}` is not supported yet");
            let help = "remove it: this authority stays with the root task";
            self.push(Diagnostic::new(entry.target.span, message, help));
            return;
        }
        let Some(targets) = self.resolve(&entry.target) else {
            return;
        };
        let Some(slot) = self.slot(holders[0], entry) else {
            return;
        };
        if targets.len() != 1 && targets.len() != holders.len() {
            let message = format!("{} objects for {} slots", targets.len(), holders.len());
            let help = "name one object, or as many as there are holders: each gets one of them";
            self.push(Diagnostic::new(entry.target.span, message, help));
            return;
        }
        for (i, &holder) in holders.iter().enumerate() {
            let target = if targets.len() == 1 {
                targets[0]
            } else {
                targets[i]
            };
            self.give(holder, &slot, target, entry);
        }
    }

    /// A group of hostcalls for guests.
    fn hostcalls(&mut self, holders: &[usize], entry: &'a CapEntry, group: Group) {
        let name = &*entry.target.name.value;
        let holder = &self.objects[holders[0]];
        if !matches!(holder.kind, Kind::Guest(_)) {
            let message = format!("{} makes no hostcalls", holder.kind.describe());
            let help = format!("grant `{name}` to guests");
            let wrong = Diagnostic::new(entry.span, message, help);
            self.push(wrong.label(format!("`{name}` is a group of hostcalls")));
            return;
        }
        if entry.slot.is_some() || !entry.params.is_empty() || entry.target.ranges.is_some() {
            let message = "a group of hostcalls has neither slot nor parameters";
            self.push(Diagnostic::new(
                entry.span,
                message,
                format!("write `{name}`"),
            ));
            return;
        }
        for &holder in holders {
            let Kind::Guest(guest) = &mut self.objects[holder].kind else {
                continue;
            };
            match guest.granted(group) {
                None => guest.groups.push((group, entry.span)),
                Some(first) => {
                    let message = format!("`{name}` is granted twice");
                    let twice = Diagnostic::new(entry.span, message, ONE_OF_THEM);
                    self.push(twice.other(first, "the first time"));
                }
            }
        }
    }

    /// The name of the slot.
    fn slot(&mut self, holder: usize, entry: &'a CapEntry) -> Option<Spanned<String>> {
        let what = self.objects[holder].kind.describe();
        let target = &*entry.target.name.value;
        match &entry.slot {
            Some(Spanned {
                value: Slot::Name(name),
                span,
            }) => Some(Spanned::new(name.clone(), *span)),
            Some(Spanned {
                value: Slot::Number(_),
                span,
            }) => {
                let message = format!("the slots of {what} have names");
                let help = format!("write `memory: {target}`, say");
                self.push(Diagnostic::new(*span, message, help));
                None
            }
            None => {
                let help = format!("write `memory: {target}`, say");
                let message = format!("`{target}` needs a slot");
                let near = nearest(target, group_names());
                self.push(Diagnostic::new(entry.span, message, help).suggest(near));
                None
            }
        }
    }

    /// Puts a capability to an object into a slot, if it can go there.
    fn give(&mut self, holder: usize, slot: &Spanned<String>, target: usize, entry: &'a CapEntry) {
        let kind = &self.objects[target].kind;
        if matches!(kind, Kind::Broken) {
            return;
        }
        let what = self.objects[holder].kind.describe();
        let (wanted, help) = match (&self.objects[holder].kind, &*slot.value) {
            (Kind::Guest(_), "memory") => {
                ("an untyped", "name its budget: `budget = ut (20 bits)`")
            }
            (_, "memory") => ("an untyped", "name one: `pool = ut (24 bits)`"),
            (Kind::Server(_), "console") => (
                "a frame",
                "name the registers of a PL011: `uart = frame (4k, paddr: 0x09000000)`",
            ),
            (Kind::Server(_), "timer") => ("an interrupt", "name one: `timer = irq`"),
            (Kind::Guest(_), _) if matches!(kind, Kind::Service) => ("a service", ""),
            (Kind::Guest(_), _) if matches!(kind, Kind::Channel { .. }) => ("a channel", ""),
            (Kind::Guest(_), _) if matches!(kind, Kind::VirtioDevice(_)) => ("a virtio device", ""),
            (Kind::Guest(_), _) if matches!(kind, Kind::Untyped { .. }) => (
                "a channel, a service or a virtio device",
                "its budget goes into the slot `memory`",
            ),
            (Kind::Guest(_), _) => (
                "a channel, a service or a virtio device",
                "besides its memory a guest can hold channels, services, virtio devices and hostcall groups",
            ),
            (Kind::Server(_), _) if self.of_a_device(target) => (kind.describe(), ""),
            (Kind::Server(_), _) => {
                let message = format!("{what} has no slot `{}`", slot.value);
                let help = "the slots of a process server are `memory`, `console`, `timer`, and any for the \
                     registers and interrupts of virtio devices";
                let near = nearest(&slot.value, SERVER_SLOTS);
                self.push(Diagnostic::new(slot.span, message, help).suggest(near));
                return;
            }
            _ => {
                let message = format!("{what} has no slot `{}`", slot.value);
                let help = format!("the only slot of {what} is `memory`");
                self.push(Diagnostic::new(slot.span, message, help));
                return;
            }
        };
        let found = kind.describe();
        if found != wanted {
            let message = format!(
                "slot `{}` of {what} takes {wanted}, not {found}",
                slot.value
            );
            let declared = self.objects[target].span;
            let label = format!("`{}` is {found}", entry.target.name.value);
            let wrong = Diagnostic::new(entry.target.span, message, help);
            self.push(wrong.other(declared, label));
            return;
        }
        let rights = self.rights(target, entry);
        let cap = Cap {
            slot: slot.value.clone(),
            span: entry.span,
            target,
            rights,
        };
        self.add(holder, cap);
    }

    /// Adds a capability, unless its slot is taken.
    fn add(&mut self, holder: usize, cap: Cap) {
        let object = &self.objects[holder];
        if let Some(first) = object.caps.iter().find(|other| other.slot == cap.slot) {
            let message = format!("slot `{}` is filled twice", cap.slot);
            let first = first.span;
            let help = "remove one of them, or name another slot";
            let twice = Diagnostic::new(cap.span, message, help);
            self.push(twice.other(first, "the first time"));
            return;
        }
        if object.caps.len() == MAX_CAPS {
            let message = format!("`{}` holds more than {MAX_CAPS} capabilities", object.name);
            let help = "remove it; a guest can be given more while it runs";
            self.push(Diagnostic::new(cap.span, message, help));
            return;
        }
        self.objects[holder].caps.push(cap);
    }
}
