// SPDX-License-Identifier: BSD-2-Clause
//! Names for capabilities, and copies of those.

use super::Checker;
use crate::language::ast::{CapEntry, CapName, NameRef, Place, Slot};
use crate::language::diagnostic::{Diagnostic, nearest};
use crate::language::span::{Span, Spanned};

/// A slot of an object.
type At = (usize, String);

/// A copy that waits for its source.
#[derive(Clone)]
pub(super) struct Copy<'a> {
    /// The object that gets it.
    pub holder: usize,
    /// Its slot there.
    pub slot: Spanned<String>,
    /// What is written.
    pub entry: &'a CapEntry,
}

/// What a name for capabilities stands for.
pub(super) struct NamedCaps<'a> {
    /// Where the name is given.
    span: Span,
    caps: Caps<'a>,
}

enum Caps<'a> {
    /// `name = (object, slot)`
    Place(&'a Place),
    /// `slot: name = object`; whether it was written `name[]`.
    Slots(Vec<At>, bool),
}

impl<'a> Checker<'a> {
    /// `name = (object, slot)`
    pub(super) fn name_place(&mut self, name: &'a CapName) {
        self.name(&name.name.value, name.name.span, Caps::Place(&name.place));
    }

    /// The name in `slot: name = object`, if there is one.
    pub(super) fn name_caps(&mut self, entry: &'a CapEntry, holders: &[usize], slots: &[&str]) {
        let Some(name) = &entry.name else { return };
        let mut caps = Vec::new();
        for &holder in holders {
            caps.extend(slots.iter().map(|&slot| (holder, slot.to_owned())));
        }
        let is_array = name.ranges.is_some();
        if caps.len() > 1 && !is_array {
            let text = &name.name.value;
            let message = format!("`{text}` would name {} capabilities", caps.len());
            let help = format!("write `{text}[] = …`, and `<{text}[0]>` for the first of them");
            self.push(Diagnostic::new(name.span, message, help));
            return;
        }
        self.name(&name.name.value, name.span, Caps::Slots(caps, is_array));
    }

    fn name(&mut self, text: &'a str, span: Span, caps: Caps<'a>) {
        if let Some(first) = self.cap_names.get(text) {
            let message = format!("there are two capabilities named `{text}`");
            let first = first.span;
            let twice = Diagnostic::new(span, message, "give one of them another name");
            self.push(twice.other(first, "the first one"));
            return;
        }
        self.cap_names.insert(text, NamedCaps { span, caps });
    }

    /// Makes the copies, once all other capabilities are there.
    pub(super) fn make_copies(&mut self) {
        let mut copies = Vec::new();
        for copy in std::mem::take(&mut self.copies) {
            if let Some(source) = self.source(&copy.entry.target) {
                copies.push((copy, source));
            }
        }
        // A copy of a copy is made after it.
        loop {
            let waiting = copies.len();
            for (copy, at) in std::mem::take(&mut copies) {
                let (owner, slot) = &at;
                let mut caps = self.objects[*owner].caps.iter();
                match caps.find(|cap| cap.slot == *slot).cloned() {
                    Some(cap) => {
                        self.give(copy.holder, &copy.slot, cap.target, copy.entry, Some(&cap));
                    }
                    None => copies.push((copy, at)),
                }
            }
            if copies.len() == waiting {
                break;
            }
        }
        // Who holds capabilities gets them in the order of the text.
        for object in &mut self.objects {
            object.caps.sort_by_key(|cap| cap.span.start);
        }
        let made = |(owner, slot): &At| {
            let copied =
                |(copy, _): &&(Copy<'_>, At)| copy.holder == *owner && copy.slot.value == *slot;
            copies.iter().find(copied)
        };
        let mut wrong = Vec::new();
        for (copy, at) in &copies {
            let name = &copy.entry.target.name.value;
            let span = copy.entry.target.span;
            wrong.push(if made(at).is_some() {
                let message = format!("`{name}` is copied from itself, in the end");
                let help = "name the object in one of the slots";
                Diagnostic::new(span, message, help)
            } else {
                let owner = &self.objects[at.0].name;
                let message = format!("there is no capability in slot `{}` of `{owner}`", at.1);
                let help = "name a slot that has one";
                let wrong = Diagnostic::new(span, message, help);
                match self.cap_names.get(&**name) {
                    Some(named) => wrong.other(named.span, "named here"),
                    None => wrong,
                }
            });
        }
        // What is missing may have been refused.
        if self.diagnostics.is_empty() {
            self.diagnostics.extend(wrong);
        }
    }

    /// Complains about names for nothing.
    pub(super) fn named_places(&mut self) {
        if !self.diagnostics.is_empty() {
            return;
        }
        let names = std::mem::take(&mut self.cap_names);
        for named in names.values() {
            let Caps::Place(place) = named.caps else {
                continue;
            };
            let Some((owner, slot)) = self.place(place) else {
                continue;
            };
            let object = &self.objects[owner];
            if !object.caps.iter().any(|cap| cap.slot == slot) {
                let message = format!(
                    "there is no capability in slot `{slot}` of `{}`",
                    object.name
                );
                let help = "name a slot that has one";
                self.push(Diagnostic::new(place.span, message, help));
            }
        }
        self.cap_names = names;
    }

    /// The slot of the capability that a copy is made of.
    fn source(&mut self, name: &NameRef) -> Option<At> {
        let text = &*name.name.value;
        let Some(named) = self.cap_names.get(text) else {
            let near = nearest(text, self.cap_names.keys().copied()).map(str::to_owned);
            let message = format!("there is no capability named `{text}`");
            let help = match self.names.contains_key(text) {
                true => format!(
                    "name the object without `<` and `>`, and the rights to it: `{text} (R)`"
                ),
                false => {
                    format!("name one: `slot: {text} = object (R)` or `{text} = (owner, slot)`")
                }
            };
            let near = near.filter(|_| !self.names.contains_key(text));
            self.push(Diagnostic::new(name.span, message, help).suggest(near.as_deref()));
            return None;
        };
        let declared = named.span;
        let (caps, is_array) = match &named.caps {
            Caps::Place(place) => {
                let place = *place;
                if name.ranges.is_none() {
                    return self.place(place);
                }
                (Vec::new(), false)
            }
            Caps::Slots(caps, is_array) => (caps.clone(), *is_array),
        };
        let wrong = match (&name.ranges, is_array, &caps[..]) {
            (None, false, [only]) => return Some(only.clone()),
            (Some(ranges), true, _) => match ranges[..] {
                [range] if range.first == range.last && range.first.is_some() => {
                    let index = range.first.and_then(|first| usize::try_from(first).ok());
                    if let Some(at) = index.and_then(|index| caps.get(index)) {
                        return Some(at.clone());
                    }
                    let message = format!("`{text}` has no such element");
                    let last = caps.len().saturating_sub(1);
                    Diagnostic::new(name.span, message, format!("its elements are 0 to {last}"))
                }
                _ => {
                    let message = "one capability is copied at a time";
                    Diagnostic::new(name.span, message, format!("write `<{text}[0]>`, say"))
                }
            },
            (Some(_), _, _) => {
                let message = format!("`{text}` names one capability");
                Diagnostic::new(name.span, message, format!("write `<{text}>`"))
            }
            (None, _, _) => {
                let message = format!("`{text}` names {} capabilities", caps.len());
                Diagnostic::new(name.span, message, format!("write `<{text}[0]>`, say"))
            }
        };
        self.push(wrong.other(declared, "named here"));
        None
    }

    /// `(object, slot)`
    fn place(&mut self, place: &Place) -> Option<At> {
        let owners = self.resolve(&place.owner)?;
        let [owner] = owners[..] else {
            let message = "one object has the slot";
            let help = format!("name one element: `{}[0]`", place.owner.name.value);
            self.push(Diagnostic::new(place.owner.span, message, help));
            return None;
        };
        let slot = match &place.slot.value {
            Slot::Number(number) => number.to_string(),
            Slot::Name(name) => name.clone(),
        };
        Some((owner, slot))
    }
}
