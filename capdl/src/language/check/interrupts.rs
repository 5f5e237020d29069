// SPDX-License-Identifier: BSD-2-Clause
//! Interrupts: the `irq maps` section, and what must hold for them.

use std::collections::BTreeMap;

use super::Checker;
use super::params::ONE_OF_THEM;
use crate::language::ast::IrqMapping;
use crate::language::diagnostic::Diagnostic;
use crate::language::model::Kind;
use crate::language::span::{Span, Spanned};

/// Highest interrupt number of a GIC (SPIs end at 1019; GIC architecture specification, 2.2.1).
const MAX_IRQ: u64 = 1019;
/// The kernel's own timer, the virtual one.
const KERNEL_TIMER_IRQ: u64 = 27;

impl Checker<'_> {
    /// Gives interrupts their numbers.
    pub(super) fn irq_map(&mut self, mapping: &IrqMapping) {
        let Some(found) = self.resolve(&mapping.irq) else {
            return;
        };
        let Some(number) = &mapping.number else {
            let message = "this interrupt has no number";
            let help = format!("write `30: {}`, say", mapping.irq.name.value);
            self.push(Diagnostic::new(mapping.irq.span, message, help));
            return;
        };
        let [id] = found[..] else {
            let message = format!("one number for {} interrupts", found.len());
            let help = "map each element by itself";
            self.push(Diagnostic::new(mapping.irq.span, message, help));
            return;
        };
        if number.value > MAX_IRQ {
            let message = format!("there is no interrupt {}", number.value);
            let help = "their numbers go up to 1019";
            self.push(Diagnostic::new(number.span, message, help));
            return;
        }
        if number.value == KERNEL_TIMER_IRQ {
            let message = "interrupt 27 is the kernel's";
            let help = "take the physical timer, interrupt 30";
            let taken = Diagnostic::new(number.span, message, help);
            self.push(taken.label("the timer that ends time slices"));
            return;
        }
        if let Some(&(_, first)) = self
            .irq_numbers
            .iter()
            .find(|(other, _)| *other == number.value)
        {
            let message = format!("interrupt {} is mapped twice", number.value);
            let help = "give one of them another number";
            let twice = Diagnostic::new(number.span, message, help);
            self.push(twice.other(first, "the first time"));
            return;
        }
        self.irq_numbers.push((number.value, number.span));
        let name = &mapping.irq.name.value;
        let declared = self.objects[id].span;
        match &mut self.objects[id].kind {
            Kind::Irq {
                number: slot @ None,
                ..
            } => {
                *slot = Some(Spanned::new(number.value as u32, number.span));
            }
            Kind::Irq {
                number: Some(first),
                ..
            } => {
                let first = first.span;
                let message = format!("`{name}` has two numbers");
                let twice = Diagnostic::new(number.span, message, ONE_OF_THEM);
                self.push(twice.other(first, "the first one"));
            }
            Kind::Broken => {}
            other => {
                let message = format!("`{name}` is {}, not an interrupt", other.describe());
                let help = "name an `irq` object: `30: …`";
                let wrong = Diagnostic::new(mapping.irq.span, message, help);
                self.push(wrong.other(declared, "declared here"));
            }
        }
    }

    /// An interrupt is its number, and signals one holder.
    pub(super) fn interrupts(&mut self) {
        let mut holders: BTreeMap<usize, Span> = BTreeMap::new();
        for id in 0..self.objects.len() {
            let object = &self.objects[id];
            if !self.irq_maps_wrong && matches!(object.kind, Kind::Irq { number: None, .. }) {
                let name = &object.name;
                let message = format!("interrupt `{name}` has no number");
                let help = format!("give it one: `irq maps {{ 30: {name} }}`");
                self.push(Diagnostic::new(object.span, message, help));
            }
            for cap in self.objects[id].caps.clone() {
                if !matches!(self.objects[cap.target].kind, Kind::Irq { .. }) {
                    continue;
                }
                if let Some(&first) = holders.get(&cap.target) {
                    let name = &self.objects[cap.target].name;
                    let message = format!("interrupt `{name}` has two holders");
                    let twice = Diagnostic::new(cap.span, message, ONE_OF_THEM);
                    self.push(twice.other(first, "the first one"));
                } else {
                    holders.insert(cap.target, cap.span);
                }
            }
        }
    }
}
