// SPDX-License-Identifier: BSD-2-Clause
//! Objects inside untypeds.

use super::Checker;
use crate::language::ast::NameRef;
use crate::language::diagnostic::Diagnostic;
use crate::language::model::Kind;
use crate::language::span::{Span, Spanned};

/// An untyped that covers objects, or objects that one covers.
#[derive(Clone, Copy)]
pub(super) enum Covering<'a> {
    /// Those that are declared there.
    Objects {
        /// Index of the first.
        first: usize,
        /// How many.
        count: usize,
        /// Where their name is.
        span: Span,
    },
    /// Those with this name.
    Name(&'a NameRef),
}

impl Covering<'_> {
    fn span(&self) -> Span {
        match self {
            Self::Objects { span, .. } => *span,
            Self::Name(name) => name.span,
        }
    }
}

impl Checker<'_> {
    /// Finds out which objects are inside which untypeds, once all are known.
    pub(super) fn find_covers(&mut self) {
        for (outer, inner) in std::mem::take(&mut self.covers) {
            let Some(untyped) = self.covering_untyped(outer) else {
                continue;
            };
            for id in self.members(inner).unwrap_or_default() {
                self.cover(untyped, id, inner.span());
            }
        }
    }

    fn members(&mut self, covering: Covering<'_>) -> Option<Vec<usize>> {
        match covering {
            Covering::Objects { first, count, .. } => Some((first..first + count).collect()),
            Covering::Name(name) => self.resolve(name),
        }
    }

    fn covering_untyped(&mut self, outer: Covering<'_>) -> Option<usize> {
        let found = self.members(outer)?;
        let [id] = found[..] else {
            if let Some(&first) = found.first() {
                let name = self.objects[first].array();
                let message = "objects are inside one untyped, not several";
                let help = format!("name the element: `{name}[0]/object = …`");
                self.push(Diagnostic::new(outer.span(), message, help));
            }
            return None;
        };
        let object = &self.objects[id];
        match object.kind {
            Kind::Untyped { .. } => Some(id),
            Kind::Broken => None,
            _ => {
                let what = object.kind.describe();
                let message = format!("`{}` is {what}: only untypeds cover objects", object.name);
                let help = "name one of a size, as in `pool = ut (24 bits) { … }`";
                let wrong = Diagnostic::new(outer.span(), message, help);
                let declared = object.span;
                self.push(match declared == outer.span() {
                    true => wrong,
                    false => wrong.other(declared, "declared here"),
                });
                None
            }
        }
    }

    /// Puts an object into an untyped.
    fn cover(&mut self, untyped: usize, id: usize, span: Span) {
        let object = &self.objects[id];
        let name = &object.name;
        let what = object.kind.describe();
        let outer = &self.objects[untyped];
        if matches!(object.kind, Kind::Broken) {
            return;
        }
        let Some(_) = object.kind.size_bits() else {
            let message = format!("`{name}` is {what}: untypeds cover objects of the kernel");
            let help = match object.kind {
                Kind::Channel { .. } | Kind::Guest(_) | Kind::Server(_) => {
                    format!(
                        "declare it by itself, and give it an untyped: `caps {{ {name} {{ memory: … }} }}`"
                    )
                }
                _ => "declare it by itself".into(),
            };
            self.push(Diagnostic::new(span, message, help));
            return;
        };
        if let Kind::Untyped { paddr: Some(_), .. } | Kind::Frame { paddr: Some(_), .. } =
            object.kind
        {
            let message = format!("`{name}` has a physical address, and is inside an untyped");
            let help = "declare it by itself: its address says which memory it is made of";
            let wrong = Diagnostic::new(span, message, help);
            self.push(wrong.other(outer.span, format!("`{}`", outer.name)));
            self.objects[id].within = Some(Spanned::new(untyped, span));
            return;
        }
        if let Some(first) = &object.within {
            if first.value != untyped {
                let message = format!(
                    "`{name}` is inside two untypeds, `{}` and `{}`",
                    self.objects[first.value].name, outer.name
                );
                let wrong = Diagnostic::new(span, message, "name the one that it is made of");
                let first = first.span;
                self.push(wrong.other(first, "the first one"));
            }
            return;
        }
        if self.is_within(untyped, id) {
            let message = match untyped == id {
                true => format!("`{name}` is inside itself"),
                false => format!(
                    "`{name}` is inside `{}`, which is inside `{name}`",
                    outer.name
                ),
            };
            self.push(Diagnostic::new(
                span,
                message,
                "name one of them only inside the other",
            ));
            return;
        }
        self.objects[id].within = Some(Spanned::new(untyped, span));
    }

    /// Whether an object is the other one, or inside it.
    fn is_within(&self, id: usize, other: usize) -> bool {
        let within = |&id: &usize| self.objects[id].within.as_ref().map(|outer| outer.value);
        std::iter::successors(Some(id), within).any(|id| id == other)
    }

    /// What an untyped covers must fit in it.
    pub(super) fn covered(&mut self) {
        let mut taken = vec![0u64; self.objects.len()];
        let mut too_small = Vec::new();
        for object in &self.objects {
            let (Some(within), Some(bits)) = (&object.within, object.kind.size_bits()) else {
                continue;
            };
            let untyped = &self.objects[within.value];
            let Kind::Untyped { bits: room, .. } = untyped.kind else {
                continue;
            };
            let before = taken[within.value];
            // Made by decreasing size, nothing is lost to alignment.
            let after = before.saturating_add(1 << bits);
            taken[within.value] = after;
            if before <= 1 << room && after > 1 << room {
                too_small.push((within.clone(), object.name.clone(), object.kind.describe()));
            }
        }
        for (within, name, what) in too_small {
            let Kind::Untyped { bits, .. } = self.objects[within.value].kind else {
                continue;
            };
            let untyped = &self.objects[within.value];
            let needed = taken[within.value];
            let message = format!("what is inside `{}` does not fit in it", untyped.name);
            let help = format!(
                "make it one of {} bits or more",
                needed.next_power_of_two().ilog2()
            );
            let wrong = Diagnostic::new(within.span, message, help).label(format!(
                "from {what}, `{name}`, on: all of it takes {needed} bytes"
            ));
            let has = format!("{} bytes", 1u64 << bits);
            self.diagnostics.push(wrong.other(untyped.span, has));
        }
    }
}
