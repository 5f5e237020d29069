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
        // Where each table hangs, and how each frame is mapped first.
        let mut tables: BTreeMap<usize, Span> = BTreeMap::new();
        let mut frames: BTreeMap<usize, (bool, Span)> = BTreeMap::new();
        let mut found = Vec::new();
        for object in &self.objects {
            for cap in &object.caps {
                let target = &self.objects[cap.target];
                let name = &target.name;
                let uncached = match (&object.kind, &target.kind) {
                    (Kind::PageTable { .. }, Kind::PageTable { .. }) => {
                        if let Some(&first) = tables.get(&cap.target) {
                            let message = format!("page table `{name}` is in two places");
                            let help =
                                "declare a table for each: the kernel maps one in one place only";
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
        self.diagnostics.extend(found);
    }
}
