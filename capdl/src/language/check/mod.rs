// SPDX-License-Identifier: BSD-2-Clause
//! Whether a spec makes sense, and what it means.

mod caps;
mod copies;
mod covers;
mod devices;
mod drivers;
mod guests;
mod interrupts;
mod kinds;
mod memory;
mod modules;
mod names;
mod objects;
mod order;
mod params;
mod raw;
mod rights;
mod rules;
mod slots;
mod spaces;
mod threads;

use std::collections::BTreeMap;

use super::Options;
use super::ast::{Cdt, Domains, File, NameRef, Section};
use super::diagnostic::Diagnostic;
use super::model::Object;
use super::span::Span;
use crate::blob::Group;

/// Architectures of capDL's own parser.
const FOREIGN_ARCHITECTURES: [&str; 5] = ["ia32", "arm11", "x86_64", "aarch32", "riscv"];

/// Finds out what a spec means.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check(file: &File, options: &Options<'_>) -> Result<Vec<Object>, Vec<Diagnostic>> {
    let mut checker = Checker {
        diagnostics: file.doubts.clone(),
        ..Checker::default()
    };
    checker.architecture(file);
    // Sections may repeat and stand in any order, so all objects come first.
    for section in &file.sections {
        match section {
            Section::Objects(decls) => decls.iter().for_each(|decl| {
                checker.declare(decl);
            }),
            Section::Cdt(Cdt { span, .. }) => checker.derived(keyword(*span, "cdt")),
            Section::Domains(Domains { span, .. }) => {
                let message = "this kernel has one domain";
                let help = "remove the section: who runs is decided by priorities, `prio: 100`";
                let span = keyword(*span, "domains");
                checker.push(Diagnostic::new(span, message, help));
            }
            Section::Caps(_) | Section::IrqMaps(_) => {}
        }
    }
    checker.find_covers();
    checker.find_servers();
    checker.find_orders();
    checker.find_devices();
    for section in &file.sections {
        match section {
            Section::Caps(decls) => decls.iter().for_each(|decl| checker.caps(decl)),
            Section::IrqMaps(mappings) => {
                let complaints = checker.diagnostics.len();
                mappings.iter().for_each(|mapping| checker.irq_map(mapping));
                checker.irq_maps_wrong |= checker.diagnostics.len() > complaints;
            }
            _ => {}
        }
    }
    checker.make_copies();
    checker.named_places();
    checker.rules(file, options);
    if checker.diagnostics.is_empty() {
        Ok(checker.objects)
    } else {
        Err(checker.diagnostics)
    }
}

/// A name and the objects it stands for.
#[derive(Clone, Copy, Debug)]
struct Named {
    /// Index of the object, or of the first element.
    first: usize,
    /// How many elements an array has; none: it is no array.
    count: Option<usize>,
    /// Where it is declared.
    span: Span,
}

#[derive(Default)]
struct Checker<'a> {
    diagnostics: Vec<Diagnostic>,
    objects: Vec<Object>,
    names: BTreeMap<&'a str, Named>,
    /// The servers that guests name, until all objects are known.
    server_refs: Vec<guests::ServerRef<'a>>,
    /// The guests that guests come after, each with the first object declared so.
    after_refs: Vec<(usize, Vec<&'a NameRef>)>,
    /// What is inside which untyped.
    covers: Vec<(covers::Covering<'a>, covers::Covering<'a>)>,
    /// The names of capabilities.
    cap_names: BTreeMap<&'a str, copies::NamedCaps<'a>>,
    /// Copies that wait for what they are copies of.
    copies: Vec<copies::Copy<'a>>,
    /// The frames and interrupts that devices name, each with the first object declared so.
    device_refs: Vec<(usize, devices::DeviceRef<'a>)>,
    /// Whether something is wrong with a device: then what only devices need may well be its.
    devices_wrong: bool,
    /// Whether something is wrong with `irq maps`: then what it lacks is no news.
    irq_maps_wrong: bool,
    /// The interrupt numbers that are taken.
    irq_numbers: Vec<(u64, Span)>,
    /// Where the capabilities of an object start.
    sections: BTreeMap<usize, Span>,
}

impl Checker<'_> {
    fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn architecture(&mut self, file: &File) {
        let arch = &*file.arch.value;
        if arch == "aarch64" {
            return;
        }
        let message = if FOREIGN_ARCHITECTURES.contains(&arch) {
            format!("architecture `{arch}` is not supported")
        } else {
            format!("there is no architecture `{arch}`")
        };
        self.push(Diagnostic::new(
            file.arch.span,
            message,
            "write `arch aarch64`",
        ));
    }
}

/// The first word of a section.
fn keyword(section: Span, word: &str) -> Span {
    Span {
        start: section.start,
        end: section.start + word.len(),
    }
}

/// The names that groups of hostcalls are granted by.
fn group_names<'a>() -> impl Iterator<Item = &'a str> {
    Group::ALL.iter().filter_map(|group| group.grant())
}
