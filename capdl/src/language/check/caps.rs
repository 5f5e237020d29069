// SPDX-License-Identifier: BSD-2-Clause
//! The `caps` sections.

use super::copies::Copy;
use super::kinds::RESERVED_OBJECTS;
use super::params::ONE_OF_THEM;
use super::{Checker, group_names};
use crate::blob::{Group, MAX_CAPS};
use crate::language::ast::{CapDecl, CapEntry, Slot};
use crate::language::diagnostic::{Diagnostic, nearest};
use crate::language::model::{Cap, Kind};
use crate::language::span::Spanned;

impl<'a> Checker<'a> {
    /// Adds the capabilities of one declaration.
    pub(super) fn caps(&mut self, decl: &'a CapDecl) {
        let (name, entries) = match decl {
            CapDecl::Holder(name, entries) => (name, entries),
            CapDecl::Name(name) => {
                self.name_place(name);
                return;
            }
        };
        let group = Group::named(&name.name.value).and_then(Group::grant);
        if let Some(group) = group.filter(|group| !self.names.contains_key(group)) {
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
        if !self.holds(first) {
            if !matches!(self.objects[first].kind, Kind::Broken) {
                let what = self.objects[first].kind.describe();
                let message = format!("`{}` is {what}: it holds nothing", name.name.value);
                let help = match self.objects[first].kind {
                    Kind::Untyped { .. } => {
                        "what is made of it goes in its declaration: `pool = ut (24 bits) { … }`"
                    }
                    _ => {
                        "what holds capabilities are servers, guests, native tasks, channels, and the kernel's CNodes, threads, page tables and interrupts"
                    }
                };
                let declared = self.objects[first].span;
                let wrong = Diagnostic::new(name.span, message, help);
                self.push(wrong.other(declared, "declared here"));
            }
            return;
        }
        for &holder in &holders {
            // Only to explain what a guest lacks.
            self.sections.entry(holder).or_insert(name.span);
        }
        let mut next = 0;
        for entry in entries {
            self.cap(&holders, entry, &mut next);
        }
    }

    /// Whether an object holds capabilities.
    fn holds(&self, id: usize) -> bool {
        matches!(
            self.objects[id].kind,
            Kind::Server(_)
                | Kind::Guest(_)
                | Kind::Native(_)
                | Kind::Channel { .. }
                | Kind::CNode { .. }
                | Kind::PageTable { .. }
                | Kind::AsidPool
                | Kind::Tcb(_)
                | Kind::Irq { .. }
        )
    }

    /// Whether the slots of an object have numbers.
    fn is_numbered(&self, id: usize) -> bool {
        matches!(
            self.objects[id].kind,
            Kind::CNode { .. } | Kind::PageTable { .. } | Kind::AsidPool | Kind::Irq { .. }
        )
    }

    /// One capability of each holder, or several in slots that follow each other; `next` is the first slot for those
    /// whose number is left out.
    fn cap(&mut self, holders: &[usize], entry: &'a CapEntry, next: &mut u64) {
        if let Some(parent) = &entry.parent {
            self.derived(parent.span);
            return;
        }
        if !entry.copy {
            let name = &*entry.target.name.value;
            // An object of such a name has been refused, and is what is meant where a group does not go.
            let is_object = self.names.contains_key(name);
            let group = Group::named(name).filter(|_| !is_object || entry.slot.is_none());
            if let Some(group) = group {
                self.hostcalls(holders, entry, group);
                return;
            }
            let mut reserved = RESERVED_OBJECTS.iter();
            if let Some((_, message, help)) = reserved.find(|known| known.0 == name && !is_object) {
                self.push(Diagnostic::new(entry.target.span, *message, *help));
                return;
            }
        }
        let targets = match entry.copy {
            true => Vec::new(),
            false => match self.resolve(&entry.target) {
                Some(targets) => targets,
                None => return,
            },
        };
        let numbered = self.is_numbered(holders[0]);
        let Some(slot) = self.slot(holders[0], entry, *next) else {
            return;
        };
        if entry.copy {
            *next = slot
                .value
                .parse()
                .map_or(0, |number: u64| number.saturating_add(1));
            for &holder in holders {
                self.copies.push(Copy {
                    holder,
                    slot: slot.clone(),
                    entry,
                });
            }
            self.name_caps(entry, holders, &[&slot.value]);
            return;
        }
        if numbered {
            self.consecutive(holders, &slot, &targets, entry, next);
            return;
        }
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
            self.give(holder, &slot, target, entry, None);
        }
        self.name_caps(entry, holders, &[&slot.value]);
    }

    /// Capabilities to each of the objects, in slots that follow each other; each holder gets all of them.
    fn consecutive(
        &mut self,
        holders: &[usize],
        slot: &Spanned<String>,
        targets: &[usize],
        entry: &'a CapEntry,
        next: &mut u64,
    ) {
        let Ok(first) = slot.value.parse::<u64>() else {
            return;
        };
        let slots: Vec<_> = (0..targets.len() as u64)
            .map(|i| first.saturating_add(i).to_string())
            .collect();
        *next = first.saturating_add(targets.len() as u64);
        for &holder in holders {
            for (number, &target) in slots.iter().zip(targets) {
                let slot = Spanned::new(number.clone(), slot.span);
                if !self.in_range(holder, &slot, targets.len()) {
                    return;
                }
                self.give(holder, &slot, target, entry, None);
            }
        }
        let slots: Vec<_> = slots.iter().map(|slot| &**slot).collect();
        self.name_caps(entry, holders, &slots);
    }

    /// Whether there is a slot of this number.
    fn in_range(&mut self, holder: usize, slot: &Spanned<String>, several: usize) -> bool {
        let object = &self.objects[holder];
        let slots = match object.kind {
            Kind::CNode { bits } => 1u64 << bits,
            Kind::PageTable { .. } | Kind::AsidPool => 512,
            _ => 1,
        };
        if slot.value.parse::<u64>().is_ok_and(|number| number < slots) {
            return true;
        }
        let message = format!("`{}` has no slot {}", object.name, slot.value);
        let last = slots - 1;
        let help = match (&object.kind, several) {
            (Kind::Irq { .. }, _) => {
                "the only slot of an interrupt is 0, for the notification that it signals".into()
            }
            (_, 2..) => format!(
                "{several} capabilities go into slots that follow each other, and the last slot is {last:#x}"
            ),
            _ => format!("its slots are 0 to {last:#x}"),
        };
        let declared = object.span;
        let wrong = Diagnostic::new(slot.span, message, help);
        self.push(wrong.other(declared, "declared here"));
        false
    }

    /// `- child_of` and `cdt` say what nobody but the root task can bring about.
    pub(super) fn derived(&mut self, span: crate::language::span::Span) {
        let message = "capabilities of a spec do not derive from each other";
        let help = "remove it: the root task keeps the first capability to each object, and all others derive from that";
        self.push(Diagnostic::new(span, message, help));
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

    /// The slot: its name, or its number.
    fn slot(&mut self, holder: usize, entry: &'a CapEntry, next: u64) -> Option<Spanned<String>> {
        let object = &self.objects[holder];
        let what = object.kind.describe();
        let target = &*entry.target.name.value;
        if self.is_numbered(holder) {
            let number = match &entry.slot {
                None => Spanned::new(next, entry.span),
                Some(Spanned {
                    value: Slot::Number(number),
                    span,
                }) => Spanned::new(*number, *span),
                Some(Spanned { span, .. }) => {
                    let message = format!("the slots of {what} have numbers");
                    let help = format!("write `{next:#x}: {target}`, say");
                    self.push(Diagnostic::new(*span, message, help));
                    return None;
                }
            };
            let slot = Spanned::new(number.value.to_string(), number.span);
            return self.in_range(holder, &slot, 1).then_some(slot);
        }
        let example = match object.kind {
            Kind::Tcb(_) => "cspace",
            Kind::Native(_) => "port",
            _ => "memory",
        };
        let help = format!("write `{example}: {target}`, say");
        match &entry.slot {
            Some(Spanned {
                value: Slot::Name(name),
                span,
            }) => Some(Spanned::new(name.clone(), *span)),
            Some(Spanned { span, .. }) => {
                let message = format!("the slots of {what} have names");
                self.push(Diagnostic::new(*span, message, help));
                None
            }
            None => {
                let message = format!("`{target}` needs a slot");
                let near = match object.kind {
                    Kind::Guest(_) => nearest(target, group_names()),
                    _ => None,
                };
                self.push(Diagnostic::new(entry.span, message, help).suggest(near));
                None
            }
        }
    }

    /// Puts a capability to an object, or a copy of one to it, into a slot, if it can go there.
    pub(super) fn give(
        &mut self,
        holder: usize,
        slot: &Spanned<String>,
        target: usize,
        entry: &'a CapEntry,
        source: Option<&Cap>,
    ) {
        if matches!(self.objects[target].kind, Kind::Broken)
            || !self.fits(holder, slot, target, entry)
        {
            return;
        }
        let (rights, data) = self.rights(holder, target, entry, source);
        let cap = Cap {
            slot: slot.value.clone(),
            span: entry.span,
            target,
            rights,
            data,
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
        if object.caps.len() == MAX_CAPS && !self.is_numbered(holder) {
            let message = format!("`{}` holds more than {MAX_CAPS} capabilities", object.name);
            let help = match object.kind {
                Kind::Native(_) => "put more of them into a CNode, and hold that",
                _ => "remove it; a guest can be given more while it runs",
            };
            self.push(Diagnostic::new(cap.span, message, help));
            return;
        }
        self.objects[holder].caps.push(cap);
    }
}
