// SPDX-License-Identifier: BSD-2-Clause
//! What can be in which slot.

use super::Checker;
use crate::language::ast::CapEntry;
use crate::language::diagnostic::{Diagnostic, nearest};
use crate::language::model::Kind;
use crate::language::span::Spanned;

/// The slots of a process server.
const SERVER_SLOTS: [&str; 4] = ["memory", "console", "timer", "power"];

/// The slots of a thread, each with what it takes and what to do about anything else.
const THREAD_SLOTS: [(&str, &str, &str); 5] = [
    ("cspace", "a CNode", "name one: `slots = cnode (8 bits)`"),
    ("vspace", "a VSpace", "name one: `space = pgd`"),
    (
        "ipc_buffer_slot",
        "a frame",
        "name the one that the IPC buffer is in: `buffer = frame (4k)`",
    ),
    (
        "bound_notification",
        "a notification",
        "name one: `bell = notification`",
    ),
    (
        "fault_ep_slot",
        "an endpoint",
        "name the one that its faults are sent to: `faults = ep`",
    ),
];

/// The slots of a thread that are of no use with this kernel, each with the reason.
const REFUSED_THREAD_SLOTS: [(&str, &str, &str); 5] = [
    (
        "sc_slot",
        "this kernel has no scheduling contexts",
        "remove it: who runs is decided by priorities, `prio: 100`",
    ),
    (
        "temp_fault_ep_slot",
        "this kernel has no endpoints for timeouts",
        "remove it: faults go to the endpoint in `fault_ep_slot`",
    ),
    (
        "bound_vcpu",
        "this kernel has no virtual machines",
        "remove it",
    ),
    (
        "reply_slot",
        "the kernel fills the slot `reply_slot` itself",
        "remove it: a reply capability is made at each call",
    ),
    (
        "caller_slot",
        "the kernel fills the slot `caller_slot` itself",
        "remove it: a reply capability is made at each call",
    ),
];

impl Checker<'_> {
    /// Whether a slot takes this kind of object; complains if it does not.
    pub(super) fn fits(
        &mut self,
        holder: usize,
        slot: &Spanned<String>,
        target: usize,
        entry: &CapEntry,
    ) -> bool {
        let kind = &self.objects[target].kind;
        let what = self.objects[holder].kind.describe();
        if let Kind::PageTable { level } = self.objects[holder].kind {
            return self.maps(holder, level, slot, target, entry);
        }
        let (wanted, help) = match (&self.objects[holder].kind, &*slot.value) {
            (Kind::Guest(_), "memory") => {
                ("an untyped", "name its budget: `budget = ut (20 bits)`")
            }
            (Kind::Native(_), _)
                if is_kernel_object(kind) || matches!(kind, Kind::Channel { .. }) =>
            {
                (kind.describe(), "")
            }
            (Kind::Native(_), _) if kind.device().is_some() => (
                "a kernel object or a channel",
                "a native task drives a device itself: give it the frame of its registers and its interrupt",
            ),
            (Kind::Native(_), _) => (
                "a kernel object or a channel",
                "a native task makes no hostcalls: it works with what the kernel knows, and shares channels with guests",
            ),
            (Kind::CNode { .. }, _) if is_kernel_object(kind) => (kind.describe(), ""),
            (Kind::CNode { .. }, _) => (
                "a kernel object",
                "the kernel knows untypeds, frames, endpoints, notifications, CNodes, threads, page tables, ASID pools and interrupts",
            ),
            (Kind::AsidPool, _) => (
                "a VSpace",
                "name the `pgd` objects that get their identifiers from this pool",
            ),
            (Kind::Irq { .. }, _) => (
                "a notification",
                "name the one that the interrupt signals: `0: … (W)`",
            ),
            (Kind::Tcb(_), name) => match THREAD_SLOTS.iter().find(|known| known.0 == name) {
                Some(&(_, wanted, help)) => (wanted, help),
                None => {
                    self.no_thread_slot(slot);
                    return false;
                }
            },
            (_, "memory") => ("an untyped", "name one: `pool = ut (24 bits)`"),
            (Kind::Server(_), "console") => (
                "a frame",
                "name the registers of a PL011: `uart = frame (4k, paddr: 0x09000000)`",
            ),
            (Kind::Server(_), "timer") => ("an interrupt", "name one: `timer = irq`"),
            (Kind::Server(_), "power") => ("an interrupt", "name the power switch: `switch = irq`"),
            (Kind::Server(_), _) if matches!(kind, Kind::Leftover) => (kind.describe(), ""),
            (Kind::Guest(_), _) if matches!(kind, Kind::Service) => ("a service", ""),
            (Kind::Guest(_), _) if matches!(kind, Kind::Channel { .. }) => ("a channel", ""),
            (Kind::Guest(_), _) if kind.device().is_some() => (kind.describe(), ""),
            (Kind::Guest(_), _) if target == holder => (
                "another guest",
                "a guest needs no capability to end itself, and cannot be started while it runs: remove it",
            ),
            (Kind::Guest(_), _) if matches!(kind, Kind::Guest(_)) => ("a guest", ""),
            (Kind::Guest(_), _) if matches!(kind, Kind::Untyped { .. }) => (
                "a channel, a service, a device or a guest",
                "its budget goes into the slot `memory`",
            ),
            (Kind::Guest(_), _) => (
                "a channel, a service, a device or a guest",
                "besides its memory a guest can hold channels, services, devices, other guests and hostcall groups",
            ),
            (Kind::Server(_), _) if self.of_a_device(target) => (kind.describe(), ""),
            (Kind::Server(_), _) => {
                let message = format!("{what} has no slot `{}`", slot.value);
                let help = "the slots of a process server are `memory`, `console`, `timer`, `power`, and any for the \
                     registers and interrupts of devices and for what is left of memory";
                let near = nearest(&slot.value, SERVER_SLOTS);
                self.push(Diagnostic::new(slot.span, message, help).suggest(near));
                return false;
            }
            _ => {
                let message = format!("{what} has no slot `{}`", slot.value);
                let help = format!("the only slot of {what} is `memory`");
                self.push(Diagnostic::new(slot.span, message, help));
                return false;
            }
        };
        let is_itself = target == holder && matches!(kind, Kind::Guest(_));
        let found = match is_itself {
            true => "the guest itself",
            false => kind.describe(),
        };
        let buffer =
            matches!(self.objects[holder].kind, Kind::Tcb(_)) && slot.value == "ipc_buffer_slot";
        let small = matches!(kind, Kind::Frame { bits: 12, .. });
        if found == wanted && (!buffer || small) {
            return true;
        }
        if found == wanted {
            let message = "the frame of an IPC buffer has 4k".to_owned();
            self.wrong_target(target, entry, message, "declare one: `buffer = frame (4k)`");
            return false;
        }
        let message = format!(
            "slot `{}` of {what} takes {wanted}, not {found}",
            slot.value
        );
        self.wrong_target(target, entry, message, help);
        false
    }

    fn wrong_target(&mut self, target: usize, entry: &CapEntry, message: String, help: &str) {
        let object = &self.objects[target];
        let label = format!("`{}` is {}", object.name, object.kind.describe());
        let declared = object.span;
        let wrong = Diagnostic::new(entry.target.span, message, help);
        self.push(wrong.other(declared, label));
    }

    fn no_thread_slot(&mut self, slot: &Spanned<String>) {
        let name = &*slot.value;
        if let Some((_, message, help)) = REFUSED_THREAD_SLOTS.iter().find(|known| known.0 == name)
        {
            self.push(Diagnostic::new(slot.span, *message, *help));
            return;
        }
        let names = THREAD_SLOTS.map(|known| known.0);
        let message = format!("a thread has no slot `{name}`");
        let help = format!("the slots of a thread are `{}`", names.join("`, `"));
        let near = nearest(name, names);
        self.push(Diagnostic::new(slot.span, message, help).suggest(near));
    }

    /// Whether an entry of a page table of this level can be this.
    fn maps(
        &mut self,
        holder: usize,
        level: u8,
        slot: &Spanned<String>,
        target: usize,
        entry: &CapEntry,
    ) -> bool {
        // Arm ARM, D8.2: 4 KiB granule.
        let (table, takes, below, frame) = match level {
            0 => ("pgd", "a `pud`", Some(1), None),
            1 => ("pud", "a `pd` or a frame of 1G", Some(2), Some(30)),
            2 => ("pd", "a `pt` or a frame of 2M", Some(3), Some(21)),
            _ => ("pt", "a frame of 4k", None, Some(12)),
        };
        let kind = &self.objects[target].kind;
        let found = match *kind {
            Kind::PageTable { level } if Some(level) == below => return true,
            Kind::Frame { bits, .. } if Some(bits) == frame => return true,
            Kind::PageTable { level } => {
                format!(
                    "a `{}`",
                    ["pgd", "pud", "pd", "pt"][usize::from(level.min(3))]
                )
            }
            Kind::Frame { bits: 12, .. } => "a frame of 4k".into(),
            Kind::Frame { bits: 21, .. } => "a frame of 2M".into(),
            Kind::Frame { .. } => "a frame of 1G".into(),
            _ => kind.describe().into(),
        };
        let holder = &self.objects[holder].name;
        let message = format!(
            "entry {} of `{holder}`, a `{table}`, takes {takes}, not {found}",
            slot.value
        );
        let help = "a `pgd` has entries of 512G, a `pud` of 1G, a `pd` of 2M, a `pt` of 4k: name what is as large";
        self.wrong_target(target, entry, message, help);
        false
    }
}

/// Whether the kernel knows such objects.
fn is_kernel_object(kind: &Kind) -> bool {
    kind.size_bits().is_some() || matches!(kind, Kind::Leftover | Kind::Irq { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page that describes the language has every slot of servers and threads.
    #[test]
    fn the_readme_has_every_slot() {
        let page = include_str!("../../../README.md");
        let threads = THREAD_SLOTS.iter().chain(&REFUSED_THREAD_SLOTS);
        for slot in threads.map(|slot| slot.0).chain(SERVER_SLOTS) {
            assert!(page.contains(&format!("`{slot}`")), "{slot}");
        }
    }
}
