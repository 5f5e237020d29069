// SPDX-License-Identifier: BSD-2-Clause
//! What must hold for page tables, and for frames wherever they are mapped.

use std::collections::BTreeMap;

use super::Checker;
use crate::blob::CapData;
use crate::language::diagnostic::Diagnostic;
use crate::language::model::Kind;
use crate::language::span::Span;

impl Checker<'_> {
    /// Applies all rules for VSpaces.
    pub(super) fn spaces(&mut self) {
        // Where each table hangs, which pool each VSpace is in, and how each frame is mapped first.
        let mut tables: BTreeMap<usize, Span> = BTreeMap::new();
        let mut frames: BTreeMap<usize, (bool, Span)> = BTreeMap::new();
        let mut found = Vec::new();
        for object in &self.objects {
            for cap in &object.caps {
                let target = &self.objects[cap.target];
                let name = &target.name;
                let uncached = match (&object.kind, &target.kind) {
                    (Kind::PageTable { .. } | Kind::AsidPool, Kind::PageTable { level }) => {
                        if let Some(&first) = tables.get(&cap.target) {
                            let (message, help) = match level {
                                0 => (
                                    format!("VSpace `{name}` is in two pools"),
                                    "name it in one: it has one identifier",
                                ),
                                _ => (
                                    format!("page table `{name}` is in two places"),
                                    "declare a table for each: the kernel maps one in one place only",
                                ),
                            };
                            let twice = Diagnostic::new(cap.span, message, help);
                            found.push(match first == cap.span {
                                true => twice,
                                false => twice.other(first, "the first one"),
                            });
                        }
                        tables.entry(cap.target).or_insert(cap.span);
                        continue;
                    }
                    (Kind::PageTable { .. }, Kind::Frame { .. }) => cap.data == CapData::Uncached,
                    // The root task maps these as memory of a device.
                    (Kind::Server(_) | Kind::Native(_), Kind::Frame { paddr, .. }) => {
                        paddr.is_some()
                    }
                    _ => continue,
                };
                match frames.get(&cap.target) {
                    Some(&(first, span)) if first != uncached => {
                        let how = |uncached| match uncached {
                            true => "without caches",
                            false => "with caches",
                        };
                        let message = format!(
                            "frame `{name}` is mapped {}, and elsewhere {}",
                            how(uncached),
                            how(first)
                        );
                        let help = "write `uncached` in all page tables that hold it, or in none; programs have what has a `paddr` without caches";
                        let wrong = Diagnostic::new(cap.span, message, help);
                        found.push(wrong.other(span, "elsewhere"));
                    }
                    _ => {
                        frames.entry(cap.target).or_insert((uncached, cap.span));
                    }
                }
            }
        }
        // What is missing may have been refused.
        if self.diagnostics.is_empty() && found.is_empty() {
            found.extend(self.unmapped(&tables));
        }
        self.diagnostics.extend(found);
    }

    /// A table that is in no VSpace maps nothing.
    fn unmapped(&self, tables: &BTreeMap<usize, Span>) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for (id, object) in self.objects.iter().enumerate() {
            if let (Kind::PageTable { level: 1.. }, Some(first)) =
                (&object.kind, object.caps.first())
                && !tables.contains_key(&id)
            {
                let name = &object.name;
                let message = format!("page table `{name}` has entries, and is in no VSpace");
                let help = "name it in a table of the level above, or take its entries out";
                let wrong = Diagnostic::new(object.span, message, help);
                found.push(wrong.other(first.span, "this would not be mapped"));
            }
        }
        found
    }
}
