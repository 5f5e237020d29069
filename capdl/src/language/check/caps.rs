// SPDX-License-Identifier: BSD-2-Clause
//! The `caps` and `irq maps` sections.

use super::kinds::PLANNED_OBJECTS;
use super::{Checker, group_named};
use crate::blob::{HostcallGroup, MAX_CAPS, Rights};
use crate::language::ast::{CapDecl, CapEntry, IrqMapping, NameRef, Param, ParamKind, Slot};
use crate::language::diagnostic::{Diagnostic, nearest};
use crate::language::model::{Cap, Kind, Target};
use crate::language::span::{Span, Spanned};

/// The slots of a process server: name, what goes there, an example.
const SERVER_SLOTS: [&str; 3] = ["memory", "console", "timer"];

/// Highest interrupt number of a GIC (SPIs end at 1019; GIC architecture specification, 2.2.1).
const MAX_IRQ: u64 = 1019;
/// The kernel's own timer, the virtual one.
const KERNEL_TIMER_IRQ: u64 = 27;

impl<'a> Checker<'a> {
    /// Adds the capabilities of one declaration.
    pub(super) fn caps(&mut self, decl: &'a CapDecl) {
        let (name, entries) = match decl {
            CapDecl::Holder(name, entries) => (name, entries),
            CapDecl::Name(span) => {
                self.push(Diagnostic::new(
                    *span,
                    "names for capabilities are not supported yet",
                ));
                return;
            }
        };
        if group_named(&name.name.value).is_some() {
            let message = format!(
                "`{}` is a group of hostcalls: it holds nothing",
                name.name.value
            );
            self.push(Diagnostic::new(name.span, message));
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
                self.push(
                    Diagnostic::new(name.span, message).help("it signals the server that holds it"),
                );
                return;
            }
            other => {
                let message = format!(
                    "`{}` is {}: it holds nothing",
                    name.name.value,
                    other.describe()
                );
                let declared = self.objects[first].span;
                self.push(Diagnostic::new(name.span, message).other(declared, "declared here"));
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
            Some((entry.target.span, "copies of capabilities are"))
        } else if let Some(name) = &entry.name {
            Some((name.span, "names for capabilities are"))
        } else {
            entry.parent.map(|span| (span, "`child_of` is"))
        };
        if let Some((span, what)) = unsupported {
            self.push(Diagnostic::new(span, format!("{what} not supported yet")));
            return;
        }
        let name = &*entry.target.name.value;
        if let Some(group) = group_named(name) {
            self.hostcalls(holders, entry, group);
            return;
        }
        if PLANNED_OBJECTS.contains(&name) {
            let message = format!("`{name}` is not supported yet");
            self.push(Diagnostic::new(entry.target.span, message));
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
            self.push(
                Diagnostic::new(entry.target.span, message).help(
                    "name one object, or as many as there are holders: each gets one of them",
                ),
            );
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

    /// A group of hostcalls for a guest.
    fn hostcalls(&mut self, holders: &[usize], entry: &'a CapEntry, group: HostcallGroup) {
        let name = group.name();
        let holder = &self.objects[holders[0]];
        if !matches!(holder.kind, Kind::Guest(_)) {
            let message = format!("{} makes no hostcalls", holder.kind.describe());
            self.push(
                Diagnostic::new(entry.span, message)
                    .label(format!("`{name}` is a group of hostcalls")),
            );
            return;
        }
        if entry.slot.is_some() || !entry.params.is_empty() || entry.target.ranges.is_some() {
            let message = "a group of hostcalls has neither slot nor parameters";
            self.push(Diagnostic::new(entry.span, message).help(format!("write `{name}`")));
            return;
        }
        for &holder in holders {
            let cap = Cap {
                slot: name.into(),
                span: entry.span,
                target: Target::Hostcalls(group),
                rights: Rights::default(),
            };
            self.add(holder, cap);
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
                self.push(
                    Diagnostic::new(*span, message).help(format!("write `memory: {target}`, say")),
                );
                None
            }
            None => {
                let groups = HostcallGroup::ALL.iter().map(|group| group.name());
                let near = nearest(target, groups).map(|near| format!("did you mean `{near}`?"));
                let help = near.unwrap_or_else(|| format!("write `memory: {target}`, say"));
                let message = format!("`{target}` needs a slot");
                self.push(Diagnostic::new(entry.span, message).help(help));
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
        let is_guest = matches!(self.objects[holder].kind, Kind::Guest(_));
        let wanted = match (&self.objects[holder].kind, &*slot.value) {
            (_, "memory") => "an untyped",
            (Kind::Server(_), "console") => "a frame",
            (Kind::Server(_), "timer") => "an interrupt",
            (Kind::Guest(_), _) => "a channel",
            (Kind::Server(_), _) => {
                let message = format!("{what} has no slot `{}`", slot.value);
                self.push(
                    Diagnostic::new(slot.span, message)
                        .help("the slots of a process server are `memory`, `console` and `timer`")
                        .suggest(nearest(&slot.value, SERVER_SLOTS)),
                );
                return;
            }
            _ => {
                let message = format!("{what} has no slot `{}`", slot.value);
                let help = format!("the only slot of {what} is `memory`");
                self.push(Diagnostic::new(slot.span, message).help(help));
                return;
            }
        };
        if kind.describe() != wanted {
            let found = kind.describe();
            let message = format!(
                "slot `{}` of {what} takes {wanted}, not {found}",
                slot.value
            );
            let declared = self.objects[target].span;
            let mut diagnostic = Diagnostic::new(entry.target.span, message);
            diagnostic = diagnostic.other(
                declared,
                format!("`{}` is {found}", entry.target.name.value),
            );
            if is_guest && found == "an untyped" {
                diagnostic = diagnostic.help("its budget goes into the slot `memory`");
            } else if is_guest && slot.value != "memory" {
                diagnostic = diagnostic
                    .help("besides its memory a guest can hold channels and hostcall groups");
            }
            self.push(diagnostic);
            return;
        }
        let rights = self.rights(target, entry);
        let cap = Cap {
            slot: slot.value.clone(),
            span: entry.span,
            target: Target::Object(target),
            rights,
        };
        self.add(holder, cap);
    }

    /// Adds a capability, unless its slot is taken.
    fn add(&mut self, holder: usize, cap: Cap) {
        let object = &self.objects[holder];
        if let Some(first) = object.caps.iter().find(|other| other.slot == cap.slot) {
            let message = match cap.target {
                Target::Hostcalls(_) => format!("`{}` is granted twice", cap.slot),
                Target::Object(_) => format!("slot `{}` is filled twice", cap.slot),
            };
            let first = first.span;
            self.push(Diagnostic::new(cap.span, message).other(first, "the first time"));
            return;
        }
        if object.caps.len() == MAX_CAPS {
            let message = format!("`{}` holds more than {MAX_CAPS} capabilities", object.name);
            self.push(Diagnostic::new(cap.span, message));
            return;
        }
        self.objects[holder].caps.push(cap);
    }

    /// The rights of a capability, compared with what its object can do.
    fn rights(&mut self, target: usize, entry: &'a CapEntry) -> Rights {
        let mut rights = Rights::default();
        let mut given: Option<Span> = None;
        let complaints = self.diagnostics.len();
        for param in &entry.params {
            match rights_of(param) {
                Some(more) => {
                    rights.read |= more.read;
                    rights.write |= more.write;
                    rights.grant |= more.grant;
                    rights.grant_reply |= more.grant_reply;
                    given = Some(given.map_or(param.span, |span| span.to(param.span)));
                }
                None => self.cap_param(target, param),
            }
        }

        let kind = &self.objects[target].kind;
        let what = kind.describe();
        let name = &entry.target.name.value;
        let span = given.unwrap_or(entry.target.span);
        let wrong = match (kind, given) {
            (Kind::Frame { .. } | Kind::Channel { .. }, None) => Some((
                format!("this capability to {what} allows nothing"),
                format!("add rights: `{name} (R)` or `{name} (RW)`"),
            )),
            (Kind::Frame { .. }, _) if rights.grant || rights.grant_reply => Some((
                "on a frame there are only the rights R and W".into(),
                "write `(R)` or `(RW)`".into(),
            )),
            (Kind::Frame { .. }, _) if !rights.read => Some((
                "a frame cannot be written without being read".into(),
                "write `(RW)`".into(),
            )),
            (Kind::Channel { .. }, _) if rights.grant_reply => Some((
                "on a channel there are only the rights R, W and G".into(),
                "R reads, W writes, G shares it with others".into(),
            )),
            (Kind::Channel { .. }, _) if !rights.read && !rights.write => Some((
                "the right to share a channel needs one to share".into(),
                "add R or W".into(),
            )),
            (Kind::Untyped { .. } | Kind::Irq { .. }, Some(_)) => Some((
                format!("there are no rights on {what}"),
                format!("write `{name}` alone"),
            )),
            _ => None,
        };
        // Rights that were written wrongly are not missing as well.
        if let Some((message, help)) = wrong
            && self.diagnostics.len() == complaints
        {
            self.push(Diagnostic::new(span, message).help(help));
        }
        rights
    }

    /// A parameter that is not rights.
    fn cap_param(&mut self, target: usize, param: &Param) {
        const NAMED: [&str; 8] = [
            "masked",
            "guard",
            "guard_size",
            "asid",
            "core",
            "mapping",
            "target",
            "irq",
        ];
        const FLAGS: [&str; 4] = ["cached", "uncached", "reply", "master_reply"];
        let name = match &param.kind {
            ParamKind::Named(name, _) => &*name.value,
            ParamKind::Flag(name) => name,
            ParamKind::Bits(_) | ParamKind::Quantity(_) => "",
        };
        let diagnostic = if name == "badge" {
            let what = self.objects[target].kind.describe();
            Diagnostic::new(param.span, format!("a capability to {what} has no badge"))
        } else if NAMED.contains(&name) || FLAGS.contains(&name) {
            Diagnostic::new(param.span, format!("`{name}` is not supported yet"))
        } else {
            Diagnostic::new(param.span, "this is no parameter of a capability")
                .help("the rights are R (read), W (write) and G (grant), as in `(RW)`")
        };
        self.push(diagnostic);
    }

    /// Gives interrupts their numbers.
    pub(super) fn irq_map(&mut self, mapping: &'a IrqMapping) {
        let Some(found) = self.resolve(&mapping.irq) else {
            return;
        };
        let Some(number) = &mapping.number else {
            let message = "this interrupt has no number";
            let help = format!("write `30: {}`, say", mapping.irq.name.value);
            self.push(Diagnostic::new(mapping.irq.span, message).help(help));
            return;
        };
        let [id] = found[..] else {
            let message = format!("one number for {} interrupts", found.len());
            self.push(
                Diagnostic::new(mapping.irq.span, message).help("map each element by itself"),
            );
            return;
        };
        if number.value > MAX_IRQ {
            let message = format!("there is no interrupt {}", number.value);
            self.push(Diagnostic::new(number.span, message).help("their numbers go up to 1019"));
            return;
        }
        if number.value == KERNEL_TIMER_IRQ {
            let message = "interrupt 27 is the kernel's";
            self.push(
                Diagnostic::new(number.span, message).label("the timer that ends time slices"),
            );
            return;
        }
        if let Some(&(_, first)) = self
            .irq_numbers
            .iter()
            .find(|(other, _)| *other == number.value)
        {
            let message = format!("interrupt {} is mapped twice", number.value);
            self.push(Diagnostic::new(number.span, message).other(first, "the first time"));
            return;
        }
        self.irq_numbers.push((number.value, number.span));
        let name = &mapping.irq.name.value;
        let declared = self.objects[id].span;
        match &mut self.objects[id].kind {
            Kind::Irq {
                number: slot @ None,
            } => {
                *slot = Some(Spanned::new(number.value as u32, number.span));
            }
            Kind::Irq {
                number: Some(first),
            } => {
                let first = first.span;
                let message = format!("`{name}` has two numbers");
                self.push(Diagnostic::new(number.span, message).other(first, "the first one"));
            }
            Kind::Broken => {}
            other => {
                let message = format!("`{name}` is {}, not an interrupt", other.describe());
                self.push(
                    Diagnostic::new(mapping.irq.span, message).other(declared, "declared here"),
                );
            }
        }
    }

    /// The objects that a name means.
    pub(super) fn resolve(&mut self, name: &NameRef) -> Option<Vec<usize>> {
        let text = &*name.name.value;
        let Some(named) = self.names.get(text).copied() else {
            let names = self.names.keys().copied();
            let groups = HostcallGroup::ALL.iter().map(|group| group.name());
            let suggestion = nearest(text, names.chain(groups)).map(str::to_owned);
            self.push(
                Diagnostic::new(name.name.span, format!("there is no object `{text}`"))
                    .suggest(suggestion.as_deref()),
            );
            return None;
        };
        let (count, ranges) = match (named.count, &name.ranges) {
            (None, None) => return Some(vec![named.first]),
            (None, Some(_)) => {
                let message = format!("`{text}` is one object, not an array");
                self.push(Diagnostic::new(name.span, message).other(named.span, "declared here"));
                return None;
            }
            (Some(count), None) => {
                let message = format!("`{text}` is an array of {count}");
                self.push(
                    Diagnostic::new(name.span, message)
                        .other(named.span, "declared here")
                        .help(format!("write `{text}[]` for all of it, or `{text}[0]`")),
                );
                return None;
            }
            (Some(count), Some(ranges)) => (count, ranges),
        };
        let mut elements = Vec::new();
        if ranges.is_empty() {
            elements.extend(named.first..named.first + count);
        }
        for range in ranges {
            let first = range.first.unwrap_or(0);
            let last = range.last.unwrap_or(count as u64 - 1);
            if first > last || last >= count as u64 {
                let message = format!("`{text}` has no such elements");
                self.push(
                    Diagnostic::new(range.span, message)
                        .other(named.span, format!("its elements are 0 to {}", count - 1)),
                );
                return None;
            }
            elements.extend(named.first + first as usize..=named.first + last as usize);
        }
        Some(elements)
    }
}

/// The rights that a parameter stands for, if it is letters for rights.
fn rights_of(param: &Param) -> Option<Rights> {
    let ParamKind::Flag(letters) = &param.kind else {
        return None;
    };
    let mut rights = Rights::default();
    for letter in letters.chars() {
        match letter {
            'R' => rights.read = true,
            'W' => rights.write = true,
            'G' | 'X' => rights.grant = true,
            'P' => rights.grant_reply = true,
            _ => return None,
        }
    }
    Some(rights)
}
