// SPDX-License-Identifier: BSD-2-Clause
//! Which guests are started after which.

use super::Checker;
use crate::blob::Start;
use crate::language::ast::NameRef;
use crate::language::diagnostic::Diagnostic;
use crate::language::model::Kind;
use crate::language::span::Spanned;

const NAME_GUEST: &str = "name a guest of the same server that starts at boot: `after: …`";

impl Checker<'_> {
    /// Resolves the guests that guests come after.
    pub(super) fn find_orders(&mut self) {
        for (first, names) in std::mem::take(&mut self.after_refs) {
            let mut after = Vec::new();
            for name in names {
                for id in self.resolve(name).unwrap_or_default() {
                    self.comes_after(first, id, name);
                    if matches!(self.objects[id].kind, Kind::Guest(_)) {
                        after.push(Spanned::new(id, name.span));
                    }
                }
            }
            // All elements of an array were declared with the same parameters.
            let declared = self.objects.get(first).map(|object| object.span);
            for object in self.objects.iter_mut().skip(first) {
                match &mut object.kind {
                    Kind::Guest(guest) if Some(object.span) == declared => {
                        guest.after.clone_from(&after);
                    }
                    _ => break,
                }
            }
        }
    }

    /// Whether a guest can come after this object.
    fn comes_after(&mut self, guest: usize, id: usize, name: &NameRef) {
        let object = &self.objects[id];
        let Kind::Guest(ours) = &self.objects[guest].kind else {
            return;
        };
        let (message, help) = match &object.kind {
            Kind::Broken => return,
            Kind::Guest(_) if ours.start == Start::Demand => (
                "a guest that starts on demand comes after nobody".into(),
                "leave `after` out, or let it start at boot",
            ),
            Kind::Guest(other) if other.start == Start::Demand => (
                format!("`{}` starts on demand, perhaps never", object.name),
                NAME_GUEST,
            ),
            Kind::Guest(other)
                if other.server.is_some()
                    && ours.server.is_some()
                    && other.server != ours.server =>
            {
                (
                    format!("`{}` runs in another server", object.name),
                    NAME_GUEST,
                )
            }
            Kind::Guest(_) => return,
            _ => (
                format!(
                    "`{}` is {}, not a guest",
                    object.name,
                    object.kind.describe()
                ),
                NAME_GUEST,
            ),
        };
        let declared = object.span;
        let wrong = Diagnostic::new(name.span, message, help);
        self.push(wrong.other(declared, "declared here"));
    }

    /// Gives each guest its turn, which a cycle has none of.
    pub(super) fn order(&mut self) {
        let mut ranks: Vec<Option<u16>> = vec![None; self.objects.len()];
        loop {
            let mut found = Vec::new();
            for (id, object) in self.objects.iter().enumerate() {
                let Kind::Guest(guest) = &object.kind else {
                    continue;
                };
                if ranks[id].is_none() {
                    let mut before = guest.after.iter().map(|other| ranks[other.value]);
                    let rank = before.try_fold(0u16, |rank, other| Some(rank.max(other? + 1)));
                    found.extend(rank.map(|rank| (id, rank)));
                }
            }
            if found.is_empty() {
                break;
            }
            for (id, rank) in found {
                ranks[id] = Some(rank);
            }
        }
        let mut cycle = None;
        for (id, object) in self.objects.iter_mut().enumerate() {
            if let Kind::Guest(guest) = &mut object.kind {
                match ranks[id] {
                    Some(rank) => guest.rank = rank,
                    None => cycle = cycle.or(Some(id)),
                }
            }
        }
        if let Some(start) = cycle {
            self.cycle(start, &ranks);
        }
    }

    /// Shows guests of which each comes after the next, and the last after the first.
    fn cycle(&mut self, start: usize, ranks: &[Option<u16>]) {
        let next = |from: usize| match &self.objects[from].kind {
            Kind::Guest(guest) => {
                let mut after = guest.after.iter();
                after.find(|other| ranks[other.value].is_none())
            }
            _ => None,
        };
        // Who comes after whom, and where that is written.
        let mut edges: Vec<(usize, &Spanned<usize>)> = Vec::new();
        let mut at = start;
        while let Some(to) = next(at) {
            edges.push((at, to));
            at = to.value;
            if let Some(first) = edges.iter().position(|&(from, _)| from == at) {
                edges.drain(..first);
                break;
            }
        }
        let name = |id: usize| &self.objects[id].name;
        let label = |&(from, to): &(usize, &Spanned<usize>)| {
            format!("`{}` after `{}`", name(from), name(to.value))
        };
        let Some((first, others)) = edges.split_first() else {
            return;
        };
        let all: Vec<_> = edges.iter().map(label).collect();
        let message = format!("nobody can start first: {}", all.join(", "));
        let mut wrong = Diagnostic::new(first.1.span, message, "take one `after` out");
        for edge in others {
            wrong = wrong.other(edge.1.span, label(edge));
        }
        self.diagnostics.push(wrong);
    }
}
