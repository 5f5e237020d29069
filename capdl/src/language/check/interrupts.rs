// SPDX-License-Identifier: BSD-2-Clause
//! Interrupts: the `irq maps` section, and what must hold for them.

use std::collections::BTreeMap;

use super::Checker;
use super::params::ONE_OF_THEM;
use crate::language::ast::IrqMapping;
use crate::language::diagnostic::Diagnostic;
use crate::language::model::Kind;
use crate::language::span::{Span, Spanned};

/// Highest interrupt number that the kernel knows (`maxIRQ` of its platform).
const MAX_IRQ: u64 = 159;
/// The kernel's own timer, the virtual one.
const KERNEL_TIMER_IRQ: u64 = 27;

/// The power switch (`INTERRUPT_POWER_SWITCH` of the kernel's platform): to acknowledge it switches the machine off.
pub const POWER_SWITCH_IRQ: u32 = 159;
/// The slot that it is in, and nothing else is.
const POWER: &str = "power";

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
        for (number, &id) in (number.value..).zip(&found) {
            self.map_number(number, id, mapping);
        }
    }

    /// Gives one interrupt its number.
    fn map_number(&mut self, number: u64, id: usize, mapping: &IrqMapping) {
        let span = mapping
            .number
            .as_ref()
            .map_or(mapping.irq.span, |number| number.span);
        let wrong = if number > MAX_IRQ {
            let message = format!("there is no interrupt {number}");
            let help = format!("the kernel knows interrupts up to {MAX_IRQ}");
            Some(Diagnostic::new(span, message, help))
        } else if number == KERNEL_TIMER_IRQ {
            let help = "take the physical timer, interrupt 30";
            let taken = Diagnostic::new(span, "interrupt 27 is the kernel's", help);
            Some(taken.label("the timer that ends time slices"))
        } else {
            let first = self.irq_numbers.iter().find(|(other, _)| *other == number);
            first.map(|&(_, first)| {
                let message = format!("interrupt {number} is mapped twice");
                let twice = Diagnostic::new(span, message, "give one of them another number");
                twice.other(first, "the first time")
            })
        };
        if let Some(wrong) = wrong {
            self.push(wrong);
            return;
        }
        self.irq_numbers.push((number, span));
        let object = &mut self.objects[id];
        let (name, declared) = (&object.name, object.span);
        let wrong = match &mut object.kind {
            Kind::Irq {
                number: Some(first),
                ..
            } => {
                let message = format!("`{name}` has two numbers");
                let twice = Diagnostic::new(span, message, ONE_OF_THEM);
                twice.other(first.span, "the first one")
            }
            Kind::Irq { number: slot, .. } => {
                *slot = Some(Spanned::new(number as u32, span));
                return;
            }
            Kind::Broken => return,
            other => {
                let message = format!("`{name}` is {}, not an interrupt", other.describe());
                let help = "name an `irq` object: `30: …`";
                let wrong = Diagnostic::new(mapping.irq.span, message, help);
                wrong.other(declared, "declared here")
            }
        };
        self.push(wrong);
    }

    /// An interrupt is its number, and signals one holder; but servers can have one timer in common.
    pub(super) fn interrupts(&mut self) {
        let mut holders: BTreeMap<usize, (Span, bool)> = BTreeMap::new();
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
                if let (Kind::Server(_), Some(signals)) = (
                    &self.objects[id].kind,
                    self.objects[cap.target].caps.first(),
                ) {
                    let [server, name] = [id, cap.target].map(|id| &self.objects[id].name);
                    let message = format!(
                        "interrupt `{name}` signals `{server}`, and has a notification besides"
                    );
                    let help = format!("remove it from `{name}`: the server has its own");
                    let wrong = Diagnostic::new(signals.span, message, help);
                    self.push(wrong.other(cap.span, "held by the server"));
                }
                let is_timer =
                    cap.slot == "timer" && matches!(self.objects[id].kind, Kind::Server(_));
                if let Some(&(first, first_is_timer)) = holders.get(&cap.target) {
                    if is_timer && first_is_timer {
                        continue;
                    }
                    let name = &self.objects[cap.target].name;
                    let message = format!("interrupt `{name}` has two holders");
                    let twice = Diagnostic::new(cap.span, message, ONE_OF_THEM);
                    self.push(twice.other(first, "the first one"));
                } else {
                    holders.insert(cap.target, (cap.span, is_timer));
                }
            }
        }
    }

    /// The power switch is what it is called.
    pub(super) fn power(&mut self) {
        let mut wrong = Vec::new();
        for object in &self.objects {
            for cap in &object.caps {
                let target = &self.objects[cap.target];
                let Kind::Irq { number, .. } = &target.kind else {
                    continue;
                };
                let Some(number) = number else { continue };
                let is_switch = number.value == POWER_SWITCH_IRQ;
                let is_called_so = cap.slot == POWER;
                if is_switch && !is_called_so {
                    let message = format!(
                        "interrupt {POWER_SWITCH_IRQ} is the power switch: to acknowledge it switches the machine off"
                    );
                    let help =
                        "hold it in a slot `power` if that is meant; devices have other numbers";
                    let found = Diagnostic::new(cap.span, message, help);
                    wrong.push(found.other(number.span, "its number"));
                }
                if is_called_so && !is_switch && matches!(object.kind, Kind::Server(_)) {
                    let message = format!("interrupt {} is no power switch", number.value);
                    let help =
                        format!("write `irq maps {{ {POWER_SWITCH_IRQ}: {} }}`", target.name);
                    let found = Diagnostic::new(number.span, message, help);
                    wrong.push(found.other(cap.span, "in the slot of the power switch"));
                }
            }
        }
        self.diagnostics.extend(wrong);
    }
}
