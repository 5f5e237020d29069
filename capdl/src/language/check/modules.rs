// SPDX-License-Identifier: BSD-2-Clause
//! What must hold between a guest and its module.

use std::collections::BTreeSet;

use atoll_abi::TABLE;

use super::Checker;
use super::memory::enough;
use crate::language::diagnostic::{Diagnostic, nearest};
use crate::language::model::{Guest, Kind};
use crate::language::{Import, Module};

impl Checker<'_> {
    /// Every module is there, fits its budget, and imports only what its guest is granted.
    pub(super) fn modules(&mut self, modules: &[Module]) {
        for id in 0..self.objects.len() {
            let Kind::Guest(guest) = self.objects[id].kind.clone() else {
                continue;
            };
            let name = &*guest.module.value;
            let Some(module) = modules.iter().find(|module| module.name == name) else {
                let names = modules.iter().map(|module| &*module.name);
                let suggestion = nearest(name, names);
                let message = format!("there is no module `{name}`");
                let help = "name a module of the archive";
                self.push(Diagnostic::new(guest.module.span, message, help).suggest(suggestion));
                continue;
            };
            self.module_memory(id, &guest, module);
            let mut missing = BTreeSet::new();
            for import in module.imports.iter().flatten() {
                self.import(id, &guest, import, &mut missing);
            }
        }
    }

    fn module_memory(&mut self, id: usize, guest: &Guest, module: &Module) {
        let (Some(bytes), Some((memory, _))) = (module.memory, self.objects[id].memory()) else {
            return;
        };
        let Kind::Untyped { bits, .. } = self.objects[memory].kind else {
            return;
        };
        let needed = bytes.saturating_add(u64::from(guest.stack.value));
        // A stack that alone is too large has its own message.
        if needed > 1 << bits && u64::from(guest.stack.value) <= 1 << bits {
            let message = format!(
                "module `{}` needs more memory than `{}` has",
                module.name, self.objects[id].name
            );
            let untyped = &self.objects[memory];
            self.diagnostics.push(
                Diagnostic::new(guest.module.span, message, enough(needed))
                    .label(format!(
                        "{} KiB of linear memory and {} KiB of stack",
                        bytes >> 10,
                        guest.stack.value >> 10
                    ))
                    .other(untyped.span, format!("{} KiB", (1u64 << bits) >> 10)),
            );
        }
    }

    fn import(
        &mut self,
        id: usize,
        guest: &Guest,
        import: &Import,
        missing: &mut BTreeSet<&'static str>,
    ) {
        let module = &*guest.module.value;
        let Import { module: from, name } = import;
        let Some(call) = TABLE
            .iter()
            .find(|call| call.module == from && call.name == name)
        else {
            let message =
                format!("module `{module}` imports `{from}` `{name}`, which does not exist");
            let near = TABLE
                .iter()
                .filter(|call| call.module == from)
                .map(|call| call.name);
            let near = nearest(name, near).map(str::to_owned);
            let help = "build the module with the guest library of this version";
            self.push(Diagnostic::new(guest.module.span, message, help).suggest(near.as_deref()));
            return;
        };
        let Some(grant) = call.group.grant() else {
            return;
        };
        // One complaint for each group will do.
        if guest.granted(call.group).is_some() || !missing.insert(grant) {
            return;
        }
        let guest_name = &self.objects[id].name;
        let message = format!("guest `{guest_name}` is not granted `{grant}`");
        let help = format!("add `{grant}` to the capabilities of `{guest_name}`");
        let mut diagnostic = Diagnostic::new(guest.module.span, message, help)
            .label(format!("this module imports `{from}` `{name}`"));
        if let Some(&section) = self.sections.get(&id) {
            diagnostic = diagnostic.other(section, "its capabilities");
        }
        self.push(diagnostic);
    }
}
