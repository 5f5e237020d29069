// SPDX-License-Identifier: BSD-2-Clause
//! What must hold for threads.

use std::collections::BTreeMap;

use super::Checker;
use crate::blob::CapData;
use crate::language::diagnostic::Diagnostic;
use crate::language::model::{Cap, Kind, Object, Tcb};
use crate::language::span::Spanned;

/// Bits of an address of a capability.
const WORD_BITS: u32 = 64;

impl Checker<'_> {
    /// Applies all rules for threads.
    pub(super) fn threads(&mut self) {
        let mut found = Vec::new();
        let mut fault_endpoints = Vec::new();
        let mut bound: BTreeMap<usize, &Cap> = BTreeMap::new();
        for (id, object) in self.objects.iter().enumerate() {
            let Kind::Tcb(tcb) = &object.kind else {
                continue;
            };
            for cap in object
                .caps
                .iter()
                .filter(|cap| cap.slot == "bound_notification")
            {
                match bound.get(&cap.target) {
                    Some(first) => found.push(self.bound_twice(cap, first)),
                    None => {
                        bound.insert(cap.target, cap);
                    }
                }
            }
            found.extend(self.incomplete(object, tcb));
            found.extend(self.ipc_buffer(object, tcb));
            match self.fault_endpoint(object, tcb) {
                Ok(Some(address)) => fault_endpoints.push((id, address)),
                Ok(None) => {}
                Err(wrong) => found.push(wrong),
            }
        }
        // What is missing may have been refused.
        if self.diagnostics.is_empty() {
            self.diagnostics.extend(found);
        }
        for (id, address) in fault_endpoints {
            if let Kind::Tcb(tcb) = &mut self.objects[id].kind {
                tcb.fault_ep = Some(address);
            }
        }
    }

    /// A notification is bound to one thread.
    fn bound_twice(&self, cap: &Cap, first: &Cap) -> Diagnostic {
        let message = format!(
            "notification `{}` is bound to two threads",
            self.objects[cap.target].name
        );
        let help = "declare one for each";
        let wrong = Diagnostic::new(cap.span, message, help);
        match cap.span == first.span {
            true => wrong,
            false => wrong.other(first.span, "the first one"),
        }
    }

    /// A thread that runs has a CSpace, a VSpace, and a place to start at; the kernel is told the spaces together with
    /// the IPC buffer and the endpoint for faults.
    fn incomplete(&self, object: &Object, tcb: &Tcb) -> Option<Diagnostic> {
        let name = &object.name;
        let lacks = |slot: &str| !object.caps.iter().any(|cap| cap.slot == slot);
        let configured = !object
            .caps
            .iter()
            .all(|cap| cap.slot == "bound_notification")
            || tcb.addr.is_some()
            || tcb.fault_ep.is_some();
        let instead = match tcb.resume {
            true => "or write `resume: false`",
            false => "or leave everything else out",
        };
        let (message, help) = if (tcb.resume || configured) && lacks("cspace") {
            (
                format!("thread `{name}` has no CSpace"),
                format!("give it a CNode: `caps {{ {name} {{ cspace: … }} }}`, {instead}"),
            )
        } else if (tcb.resume || configured) && lacks("vspace") {
            (
                format!("thread `{name}` has no VSpace"),
                format!("give it a `pgd`: `caps {{ {name} {{ vspace: … }} }}`, {instead}"),
            )
        } else if tcb.resume && tcb.ip.is_none() {
            (
                format!("thread `{name}` starts nowhere"),
                "say where: `ip: 0x400000`, or write `resume: false`".into(),
            )
        } else {
            return None;
        };
        Some(Diagnostic::new(object.span, message, help))
    }

    /// The IPC buffer has an address and a frame, and the one is where the other is mapped.
    fn ipc_buffer(&self, object: &Object, tcb: &Tcb) -> Option<Diagnostic> {
        let cap = object.caps.iter().find(|cap| cap.slot == "ipc_buffer_slot");
        let (cap, addr) = match (cap, &tcb.addr) {
            (None, None) => return None,
            (Some(cap), Some(addr)) => (cap, addr),
            (Some(cap), None) => {
                let message = format!("the IPC buffer of `{}` has no address", object.name);
                let help = "say where its VSpace has it: `tcb (addr: 0x10000000, …)`";
                return Some(Diagnostic::new(cap.span, message, help));
            }
            (None, Some(addr)) => {
                let message = format!("the IPC buffer of `{}` has no frame", object.name);
                let help = format!(
                    "name it: `caps {{ {} {{ ipc_buffer_slot: … (RW) }} }}`",
                    object.name
                );
                return Some(Diagnostic::new(addr.span, message, help));
            }
        };
        let vspace = object.caps.iter().find(|cap| cap.slot == "vspace")?;
        let mapped = self.mapped(vspace.target, addr.value)?;
        if mapped.target == cap.target {
            return None;
        }
        let [frame, other] = [cap.target, mapped.target].map(|id| &self.objects[id].name);
        let message = format!(
            "at {:#x} is `{other}`, and the IPC buffer is in `{frame}`",
            addr.value
        );
        let help = "name the address and the frame of one place";
        let wrong = Diagnostic::new(addr.span, message, help);
        Some(
            wrong
                .other(mapped.span, "mapped here")
                .other(cap.span, "the IPC buffer"),
        )
    }

    /// The frame at an address of a VSpace.
    fn mapped(&self, vspace: usize, address: u64) -> Option<&Cap> {
        // Arm ARM, D8.2: 4 KiB granule, 48-bit addresses.
        let mut table = vspace;
        for shift in [39, 30, 21, 12] {
            let index = address >> shift & 0x1ff;
            let mut entries = self.objects[table].caps.iter();
            let entry = entries.find(|cap| cap.number() == Some(index))?;
            match self.objects[entry.target].kind {
                Kind::PageTable { .. } => table = entry.target,
                _ => return Some(entry),
            }
        }
        None
    }

    /// The address of the endpoint for faults in the thread's CSpace, if the text names an endpoint or an address.
    ///
    /// This kernel looks the endpoint up in there at each fault: a capability of the thread itself is none that it
    /// knows, so one that says the same must be there.
    fn fault_endpoint(
        &self,
        object: &Object,
        tcb: &Tcb,
    ) -> Result<Option<Spanned<u64>>, Diagnostic> {
        let slot = |name: &str| object.caps.iter().find(|cap| cap.slot == name);
        let named = slot("fault_ep_slot");
        // 0 is nothing to the kernel.
        let address = tcb.fault_ep.as_ref().filter(|address| address.value != 0);
        let Some(cspace) = slot("cspace") else {
            // That has been complained about.
            return Ok(None);
        };
        match (named, address) {
            (None, None) => Ok(None),
            (None, Some(address)) => {
                let found = self.lookup(cspace, address.value);
                self.is_fault_endpoint(object, address, found)?;
                Ok(None)
            }
            (Some(cap), Some(address)) => {
                let found = self.lookup(cspace, address.value);
                let found = self.is_fault_endpoint(object, address, found)?;
                if same(found, cap) {
                    return Ok(None);
                }
                let message = format!("`{}` has two endpoints for its faults", object.name);
                let help = "leave `fault_ep` out, or name the place of the same capability";
                let wrong = Diagnostic::new(address.span, message, help);
                Err(wrong
                    .other(found.span, "this is at `fault_ep`")
                    .other(cap.span, "the other one"))
            }
            (Some(cap), None) => {
                let address = self.address_of(cspace, cap);
                address.map(|address| Some(Spanned::new(address, cap.span))).ok_or_else(|| {
                    let message = format!("the CSpace of `{}` has no such capability", object.name);
                    let CNode { name, .. } = self.cnode(cspace);
                    let badge = match cap.data {
                        CapData::Badge(badge) => format!(", badge: {badge}"),
                        _ => String::new(),
                    };
                    let target = &self.objects[cap.target].name;
                    let help = format!(
                        "this kernel looks the endpoint up there: add `{target} (WG{badge})` to `{name}`"
                    );
                    Diagnostic::new(cap.span, message, help).other(cspace.span, "its CSpace")
                })
            }
        }
    }

    /// What is at `fault_ep`, if the kernel can send faults to it.
    fn is_fault_endpoint<'c>(
        &self,
        object: &Object,
        address: &Spanned<u64>,
        found: Option<&'c Cap>,
    ) -> Result<&'c Cap, Diagnostic> {
        let help = "name the place of an endpoint with the rights W and G";
        let Some(cap) = found else {
            let message = format!(
                "there is nothing at {:#x} in the CSpace of `{}`",
                address.value, object.name
            );
            return Err(Diagnostic::new(address.span, message, help));
        };
        let target = &self.objects[cap.target];
        let wrong = if !matches!(target.kind, Kind::Endpoint) {
            format!(
                "at {:#x} is `{}`, {}, not an endpoint",
                address.value,
                target.name,
                target.kind.describe()
            )
        } else if !(cap.rights.write && cap.rights.grant) {
            format!(
                "faults cannot be sent to `{}`: its capability has not both W and G",
                target.name
            )
        } else {
            return Ok(cap);
        };
        Err(Diagnostic::new(address.span, wrong, help).other(cap.span, "this capability"))
    }

    fn cnode(&self, cap: &Cap) -> CNode<'_> {
        let object = &self.objects[cap.target];
        let (guard_bits, guard) = match cap.data {
            CapData::Guard { bits, value } => (u32::from(bits), value),
            _ => (0, 0),
        };
        let bits = match object.kind {
            Kind::CNode { bits } => u32::from(bits),
            _ => 0,
        };
        CNode {
            name: &object.name,
            caps: &object.caps,
            bits,
            guard_bits,
            guard,
        }
    }

    /// What is at an address of a CSpace, as the kernel finds it (seL4 manual, 3.3).
    fn lookup<'c>(&'c self, root: &'c Cap, address: u64) -> Option<&'c Cap> {
        let mut left = WORD_BITS;
        let mut at = root;
        loop {
            let node = self.cnode(at);
            let rest = left.checked_sub(node.guard_bits + node.bits)?;
            if field(address, left - node.guard_bits, node.guard_bits) != node.guard
                || node.bits == 0
            {
                return None;
            }
            let index = field(address, rest, node.bits);
            at = node.caps.iter().find(|cap| cap.number() == Some(index))?;
            left = rest;
            if left == 0 || !matches!(self.objects[at.target].kind, Kind::CNode { .. }) {
                return Some(at);
            }
        }
    }

    /// The address of a slot of a CSpace's first CNode that has the same capability.
    fn address_of(&self, root: &Cap, cap: &Cap) -> Option<u64> {
        let node = self.cnode(root);
        let found = node.caps.iter().find(|other| same(other, cap))?;
        let rest = WORD_BITS.checked_sub(node.guard_bits + node.bits)?;
        let guard = node.guard.checked_shl(rest + node.bits).unwrap_or(0);
        // 0 would mean the root task's.
        Some(guard | found.number()?.checked_shl(rest)?).filter(|&address| address != 0)
    }
}

/// A CNode as a capability designates it.
struct CNode<'c> {
    name: &'c str,
    caps: &'c [Cap],
    bits: u32,
    guard_bits: u32,
    guard: u64,
}

/// So many bits of an address from `low` on.
fn field(address: u64, low: u32, bits: u32) -> u64 {
    let shifted = address.checked_shr(low).unwrap_or(0);
    match bits {
        0 => 0,
        bits => shifted & (u64::MAX >> (WORD_BITS - bits)),
    }
}

/// Whether faults that are sent to one reach the other: the same endpoint with the same badge, and allowed to.
fn same(cap: &Cap, other: &Cap) -> bool {
    cap.target == other.target && cap.data == other.data && cap.rights.write && cap.rights.grant
}
