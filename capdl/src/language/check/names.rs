// SPDX-License-Identifier: BSD-2-Clause
//! What names mean.

use super::{Checker, group_names};
use crate::blob::Group;
use crate::language::ast::NameRef;
use crate::language::diagnostic::{Diagnostic, nearest};

/// How many mistakes are met with a suggestion.
const MANY: usize = 100;

impl Checker<'_> {
    /// The objects that a name means.
    pub(super) fn resolve(&mut self, name: &NameRef) -> Option<Vec<usize>> {
        let text = &*name.name.value;
        let Some(named) = self.names.get(text).copied() else {
            if Group::named(text).is_some() {
                let message = format!("`{text}` is a group of hostcalls, not an object");
                let help = format!("grant it in the section of a guest: `guest {{ {text} }}`");
                self.push(Diagnostic::new(name.name.span, message, help));
                return None;
            }
            let names = self.names.keys().copied().chain(group_names());
            // To compare with all names takes a while, for a mistake that is made again and again.
            let near = match self.diagnostics.len() {
                0..MANY => nearest(text, names).map(str::to_owned),
                _ => None,
            };
            let message = format!("there is no object `{text}`");
            let help = "declare it under `objects`";
            self.push(Diagnostic::new(name.name.span, message, help).suggest(near.as_deref()));
            return None;
        };
        let (count, ranges) = match (named.count, &name.ranges) {
            (None, None) => return Some(vec![named.first]),
            (None, Some(_)) => {
                let message = format!("`{text}` is one object, not an array");
                let help = format!("write `{text}` alone");
                let wrong = Diagnostic::new(name.span, message, help);
                self.push(wrong.other(named.span, "declared here"));
                return None;
            }
            (Some(count), None) => {
                let message = format!("`{text}` is an array of {count}");
                let help = format!("write `{text}[]` for all of it, or `{text}[0]`");
                let wrong = Diagnostic::new(name.span, message, help);
                self.push(wrong.other(named.span, "declared here"));
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
                let help = "name the first and the last of those that it has, in this order";
                let wrong = Diagnostic::new(range.span, message, help);
                let elements = format!("its elements are 0 to {}", count - 1);
                self.push(wrong.other(named.span, elements));
                return None;
            }
            elements.extend(named.first + first as usize..=named.first + last as usize);
        }
        Some(elements)
    }
}
