// SPDX-License-Identifier: BSD-2-Clause
//! Memory: whose it is, whether it is enough, and where it is.

use std::collections::BTreeMap;

use super::Checker;
use crate::language::diagnostic::Diagnostic;
use crate::language::model::{Cap, Kind, Object};
use crate::language::span::Span;

impl Checker<'_> {
    /// The kernel gives out an untyped once.
    pub(super) fn owners(&mut self) {
        let mut owners: BTreeMap<usize, (String, Span)> = BTreeMap::new();
        let mut given = Vec::new();
        for object in &self.objects {
            for cap in &object.caps {
                if matches!(
                    self.objects[cap.target].kind,
                    Kind::Untyped { .. } | Kind::Leftover
                ) {
                    given.push((object.name.clone(), cap.target, cap.span));
                }
            }
        }
        for (name, memory, span) in given {
            if let Some(inner) = self.objects.iter().find(|inner| {
                let within = inner.within.as_ref();
                within.is_some_and(|within| within.value == memory)
            }) {
                let memory = &self.objects[memory].name;
                let message = format!(
                    "`{memory}` cannot be given away: `{}` is inside it",
                    inner.name
                );
                let help = "give away an untyped beside it: the kernel copies none that something was made of";
                let inner = inner.span;
                let wrong = Diagnostic::new(span, message, help);
                self.push(wrong.other(inner, "made of it"));
                continue;
            }
            if let Some((owner, first)) = owners.get(&memory) {
                let memory = &self.objects[memory].name;
                let message = format!("`{memory}` already belongs to `{owner}`");
                let first = *first;
                self.push(if first == span {
                    let help = "declare an array of untypeds, one for each element of this one";
                    Diagnostic::new(span, message, help)
                } else {
                    let help = "an untyped can be given to one object only";
                    Diagnostic::new(span, message, help).other(first, "given away here")
                });
            } else {
                owners.insert(memory, (name, span));
            }
        }
    }

    /// What is certainly taken out of an untyped must fit.
    pub(super) fn budgets(&mut self) {
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
                    Diagnostic::new(span, message, enough(bytes.into()))
                        .label(format!("{} KiB", bytes >> 10))
                        .other(untyped.span, format!("{} KiB", (1u64 << bits) >> 10))
                        .other(given, "given here"),
                );
            }
        }
    }

    /// What is left is one thing, and takes the slots that are left.
    pub(super) fn leftover(&mut self) {
        let mut first: Option<Span> = None;
        let mut found = Vec::new();
        for object in &self.objects {
            if matches!(object.kind, Kind::Leftover) {
                if let Some(first) = first {
                    let message = "what is left of memory is declared twice";
                    let help = "hold one object: it stands for all untypeds that are left";
                    let twice = Diagnostic::new(object.span, message, help);
                    found.push(match first == object.span {
                        true => twice,
                        false => twice.other(first, "the first time"),
                    });
                }
                first.get_or_insert(object.span);
            }
            if !matches!(object.kind, Kind::CNode { .. }) {
                continue;
            }
            let leftover = |cap: &&Cap| matches!(self.objects[cap.target].kind, Kind::Leftover);
            let Some(cap) = object.caps.iter().find(leftover) else {
                continue;
            };
            if let Some(behind) = object
                .caps
                .iter()
                .find(|other| other.number() > cap.number())
            {
                let message = format!(
                    "slot {} of `{}` is behind what is left of memory",
                    behind.slot, object.name
                );
                let help = "put what is left behind everything else: its untypeds take all slots from there on";
                let wrong = Diagnostic::new(behind.span, message, help);
                found.push(wrong.other(cap.span, "from here on"));
            }
        }
        self.diagnostics.extend(found);
    }

    /// No two objects at the same physical address.
    pub(super) fn physical_memory(&mut self) {
        let mut placed: Vec<(u64, u64, usize)> = Vec::new();
        let apart = |(_, object): &(usize, &Object)| object.within.is_none();
        for (id, object) in self.objects.iter().enumerate().filter(apart) {
            if let Kind::Untyped {
                bits,
                paddr: Some(start),
            }
            | Kind::Frame {
                bits,
                paddr: Some(start),
                ..
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
                self.diagnostics.push(if object.span == other.span {
                    let help = "declare each by itself, with an address of its own";
                    Diagnostic::new(object.span, message, help)
                } else {
                    let help = "move one of them, or remove it";
                    Diagnostic::new(object.span, message, help).other(other.span, "the other one")
                });
            }
            if reach.is_none_or(|(reached, _)| end > reached) {
                reach = Some((end, id));
            }
        }
    }

    /// All that is certainly made must fit in the machine.
    pub(super) fn machine(&mut self, bytes: u64) {
        let mut taken = 0u64;
        for object in &self.objects {
            let made = match &object.kind {
                // Those with an address need not be memory.
                Kind::Untyped { paddr: Some(_), .. } | Kind::Frame { paddr: Some(_), .. } => 0,
                Kind::Server(server) => u64::from(server.heap),
                Kind::Native(task) => u64::from(task.heap) + u64::from(task.stack),
                _ if object.within.is_some() => 0,
                kind => kind.size_bits().map_or(0, |bits| 1 << bits),
            };
            let before = taken;
            taken = taken.saturating_add(made);
            if before <= bytes && taken > bytes {
                let message = format!(
                    "this system takes more than the {} MiB of the machine",
                    bytes >> 20
                );
                let help = "make untypeds smaller, or run it on a machine with more memory";
                let label = format!(
                    "with `{}` it is {} MiB",
                    object.name,
                    taken.div_ceil(1 << 20)
                );
                self.diagnostics
                    .push(Diagnostic::new(object.span, message, help).label(label));
            }
        }
    }
}

/// What to do about an untyped that has fewer than these bytes.
pub(super) fn enough(bytes: u64) -> String {
    let bits = bytes.next_power_of_two().ilog2();
    format!("give it an untyped of {bits} bits or more")
}
