// SPDX-License-Identifier: BSD-2-Clause
//! What must hold for the guests that drive devices, and for their servers.

use super::Checker;
use crate::blob::{Group, Start};
use crate::language::diagnostic::Diagnostic;
use crate::language::model::{Cap, Device, Guest, Kind, Object};

/// A guest with a capability to a device.
#[derive(Clone, Copy)]
struct Driver<'a> {
    object: &'a Object,
    guest: &'a Guest,
    cap: &'a Cap,
}

impl Checker<'_> {
    /// Applies the rules for devices that somebody holds.
    pub(super) fn drivers(&mut self) {
        let mut found = Vec::new();
        for (id, object) in self.objects.iter().enumerate() {
            let Some(device) = object.kind.device() else {
                continue;
            };
            let drivers = self.drivers_of(id);
            found.extend(
                drivers
                    .iter()
                    .flat_map(|driver| lacks_hostcalls(object, driver)),
            );
            found.extend(two_at_boot(object, &drivers));
            match self.in_two_servers(object, &drivers) {
                Some(diagnostic) => found.push(diagnostic),
                None => found.extend(self.out_of_reach(object, device, &drivers)),
            }
            found.extend(self.registers_in_two_servers(object, device, &drivers));
            found.extend(self.used_otherwise(object, device));
        }
        self.diagnostics.extend(found);
    }

    fn drivers_of(&self, id: usize) -> Vec<Driver<'_>> {
        let mut drivers = Vec::new();
        for object in &self.objects {
            if let Kind::Guest(guest) = &object.kind {
                let caps = object.caps.iter().filter(|cap| cap.target == id);
                drivers.extend(caps.map(|cap| Driver { object, guest, cap }));
            }
        }
        drivers
    }

    /// The real virtqueues of a device are in one server.
    fn in_two_servers(&self, device: &Object, drivers: &[Driver<'_>]) -> Option<Diagnostic> {
        let first = drivers.first()?;
        let ours = first.guest.server?;
        let other = drivers
            .iter()
            .find(|driver| driver.guest.server != Some(ours))?;
        let [ours, theirs] = [ours, other.guest.server?].map(|server| &self.objects[server].name);
        let message = format!(
            "device `{}` is held in two servers, by `{}` of `{ours}` and `{}` of `{theirs}`",
            device.name, first.object.name, other.object.name
        );
        let help = "run its holders in one server";
        let wrong = Diagnostic::new(other.cap.span, message, help);
        let wrong = wrong.label(format!("held in `{theirs}`"));
        Some(wrong.other(first.cap.span, format!("held in `{ours}`")))
    }

    /// A guest reaches its device through its server, which therefore holds registers and interrupt.
    fn out_of_reach(
        &self,
        device: &Object,
        parts: &Device,
        drivers: &[Driver<'_>],
    ) -> Vec<Diagnostic> {
        let Some((driver, server)) = drivers
            .iter()
            .find_map(|driver| Some((driver, &self.objects[driver.guest.server?])))
        else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (part, what, rights) in [
            (parts.frame, "registers", " (RW)"),
            (parts.irq, "interrupt", ""),
        ] {
            let Some(part) = part else { continue };
            let name = &self.objects[part].name;
            // An element of an array is no name for a slot.
            let slot = name.replace(['[', ']'], "");
            let mut caps = server.caps.iter().filter(|cap| cap.target == part);
            match caps.next() {
                None => {
                    let message = format!(
                        "server `{}` does not hold the {what} of device `{}`",
                        server.name, device.name
                    );
                    let help = format!(
                        "a guest reaches a device through its server: `{} {{ {slot}: {name}{rights} }}`",
                        server.name
                    );
                    let wrong = Diagnostic::new(driver.cap.span, message, help);
                    found.push(wrong.other(server.span, "the server"));
                }
                Some(cap) if !rights.is_empty() && !cap.rights.write && caps.next().is_none() => {
                    let message = format!(
                        "server `{}` may only read the registers of device `{}`",
                        server.name, device.name
                    );
                    let help = format!("write `{}: {name}{rights}`", cap.slot);
                    let wrong = Diagnostic::new(cap.span, message, help);
                    let label = format!("`{}` holds the device", driver.object.name);
                    found.push(wrong.other(driver.cap.span, label));
                }
                Some(_) => {}
            }
        }
        found
    }

    /// Without an IOMMU, who writes a device's registers can have it write anywhere: a frame of them
    /// is in one server, which is started again without the other noticing.
    fn registers_in_two_servers(
        &self,
        device: &Object,
        parts: &Device,
        drivers: &[Driver<'_>],
    ) -> Option<Diagnostic> {
        let frame = parts.frame?;
        let mut holders = self.objects.iter().enumerate().filter_map(|(id, object)| {
            let cap = object.caps.iter().find(|cap| cap.target == frame)?;
            // Others may print through a device that cannot reach memory.
            let prints = cap.slot == "console" && matches!(device.kind, Kind::MmioDevice(_));
            let is_own = drivers.iter().any(|it| it.guest.server == Some(id));
            (is_own || !prints).then_some((object, cap))
        });
        let (first, first_cap) = holders.next()?;
        let (other, other_cap) = holders.next()?;
        let is_server = |object: &Object| matches!(object.kind, Kind::Server(_));
        let (message, help) = if is_server(first) && is_server(other) {
            (
                format!(
                    "the registers of device `{}` are in two servers, `{}` and `{}`",
                    device.name, first.name, other.name
                ),
                "give the frame to the server of the guest that drives the device",
            )
        } else {
            (
                format!(
                    "the registers of device `{}` are in `{}` and in `{}`",
                    device.name, first.name, other.name
                ),
                "give the frame to one of them: who writes it can have the device write anywhere",
            )
        };
        let wrong = Diagnostic::new(other_cap.span, message, help);
        Some(wrong.other(first_cap.span, "the first one"))
    }

    /// A server's console and timer are its own. But with a guest that drives an MMIO device it can share the console:
    /// it prints as long as no guest does.
    fn used_otherwise(&self, device: &Object, parts: &Device) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for server in &self.objects {
            if !matches!(server.kind, Kind::Server(_)) {
                continue;
            }
            for (part, span, slot, help) in [
                (
                    parts.frame,
                    parts.registers,
                    "console",
                    "name the frame that the device's registers are in: `mmio: … + 0xe00`",
                ),
                (
                    parts.irq,
                    parts.interrupt,
                    "timer",
                    "name the device's own interrupt: `irq: …`",
                ),
            ] {
                let uses = |cap: &&Cap| Some(cap.target) == part && cap.slot == slot;
                let is_shared = slot == "console" && matches!(device.kind, Kind::MmioDevice(_));
                if let Some(cap) = server.caps.iter().find(uses)
                    && !is_shared
                {
                    let target = &self.objects[cap.target].name;
                    let message = format!("`{target}` is the {slot} of server `{}`", server.name);
                    let wrong = Diagnostic::new(span, message, help);
                    found.push(wrong.other(cap.span, "used here"));
                }
            }
        }
        found
    }
}

/// The groups that a driver makes its calls by.
fn lacks_hostcalls(device: &Object, driver: &Driver<'_>) -> Vec<Diagnostic> {
    let groups = [Group::Devices, Group::Wake].into_iter();
    let missing = groups.filter(|&group| driver.guest.granted(group).is_none());
    let names = missing.filter_map(Group::grant);
    names
        .map(|name| {
            let message = format!(
                "`{}` holds {} and is not granted `{name}`",
                driver.object.name,
                device.kind.describe()
            );
            let help = format!("grant it: `{} {{ {name} }}`", driver.object.name);
            Diagnostic::new(driver.cap.span, message, help)
        })
        .collect()
}

/// A device has one driver at a time.
fn two_at_boot(device: &Object, drivers: &[Driver<'_>]) -> Option<Diagnostic> {
    let mut at_boot = drivers
        .iter()
        .filter(|driver| driver.guest.start == Start::Boot);
    let first = at_boot.next()?;
    let other = at_boot.find(|other| other.object.name != first.object.name)?;
    let message = format!(
        "device `{}` has two drivers that start at boot, `{}` and `{}`",
        device.name, first.object.name, other.object.name
    );
    let help = "take it from one of them, or let one start on demand: `start: demand`";
    let wrong = Diagnostic::new(other.cap.span, message, help);
    Some(wrong.other(first.cap.span, "the first one"))
}
