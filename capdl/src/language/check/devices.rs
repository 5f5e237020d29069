// SPDX-License-Identifier: BSD-2-Clause
//! Devices that guests drive: where they are, and what must hold for those who drive them.

use std::ops::Range;

use super::Checker;
use super::params::Params;
use crate::blob::VIRTIO_SLOT;
use crate::language::ast::NameRef;
use crate::language::diagnostic::Diagnostic;
use crate::language::model::{Device, Kind};
use crate::language::span::{Span, Spanned};

/// Bits of the frames that the registers of devices are in: a page, the least that a server
/// can map.
const REGISTER_BITS: u8 = 12;

const NAME_REGISTERS: &str =
    "name the frame of its registers and the place in it: `mmio: … + 0xe00`";
const NAME_FRAME: &str = "name the frame that is its registers: `registers: …`";
const NAME_INTERRUPT: &str = "name an `irq` object: `irq: …`";

/// Where the machine `virt` has what an MMIO device must not be: who writes such registers reaches memory, or what
/// others rely on.
const NO_DEVICES: [(Range<u64>, &str); 7] = [
    (0x0800_0000..0x0900_0000, "the interrupt controller"),
    (
        0x0902_0000..0x0903_0000,
        "the firmware's configuration device, which reads and writes memory",
    ),
    (0x0905_0000..0x0907_0000, "the IOMMU"),
    (
        0x0a00_0000..0x0a00_4000,
        "virtio devices, which read and write memory",
    ),
    (
        0x0c00_0000..0x0e00_0000,
        "the platform bus, whose devices may read and write memory",
    ),
    (
        0x1000_0000..0x4000_0000,
        "PCI devices, which read and write memory",
    ),
    (
        0x4000_0000..u64::MAX,
        "memory, or PCI devices, which read and write memory",
    ),
];

/// The objects that a device names.
pub(super) struct DeviceRef<'a> {
    /// `mmio: …` of a virtio device, `registers: …` of another.
    pub registers: &'a NameRef,
    /// It is a virtio device.
    pub is_virtio: bool,
    /// `irq: …`
    pub irq: &'a NameRef,
}

/// A virtio device, as far as its own text tells.
pub(super) fn virtio_device<'a>(params: &mut Params<'a, '_>) -> Option<(Device, DeviceRef<'a>)> {
    if !params.has("mmio") {
        params.missing("this virtio device has no registers", NAME_REGISTERS);
    }
    if !params.has("irq") {
        params.missing("this virtio device has no interrupt", NAME_INTERRUPT);
    }
    let place = params.place("mmio");
    let offset = place
        .as_ref()
        .and_then(|(_, offset)| offset_in_frame(params, offset));
    let irq = params.object("irq");
    let (mmio, _) = place?;
    let irq = irq?;
    let device = Device {
        frame: None,
        offset: offset?,
        registers: mmio.span,
        irq: None,
        interrupt: irq.span,
    };
    let names = DeviceRef {
        registers: mmio,
        is_virtio: true,
        irq,
    };
    Some((device, names))
}

/// An MMIO device, as far as its own text tells.
pub(super) fn mmio_device<'a>(params: &mut Params<'a, '_>) -> Option<(Device, DeviceRef<'a>)> {
    if !params.has("registers") {
        params.missing("this MMIO device has no registers", NAME_FRAME);
    }
    if !params.has("irq") {
        params.missing("this MMIO device has no interrupt", NAME_INTERRUPT);
    }
    let registers = params.object("registers");
    let irq = params.object("irq");
    let (registers, irq) = (registers?, irq?);
    let device = Device {
        frame: None,
        offset: 0,
        registers: registers.span,
        irq: None,
        interrupt: irq.span,
    };
    let names = DeviceRef {
        registers,
        is_virtio: false,
        irq,
    };
    Some((device, names))
}

/// Where the registers start in their frame.
fn offset_in_frame(params: &mut Params<'_, '_>, offset: &Spanned<u64>) -> Option<u32> {
    let slot = u64::from(VIRTIO_SLOT);
    let last = (1 << REGISTER_BITS) - slot;
    if offset.value > last + slot - 1 {
        let message = format!("{:#x} is behind the end of the frame", offset.value);
        let help = format!("name the frame that the registers are in; places go up to {last:#x}");
        params.wrong(offset.span, message, help);
        return None;
    }
    let below = offset.value / slot * slot;
    if below != offset.value {
        let message = format!(
            "{:#x} is not a multiple of {slot:#x}, the size of a virtio device's registers",
            offset.value
        );
        let help = if below == last {
            format!("write {below:#x}")
        } else {
            format!("write {below:#x} or {:#x}", below + slot)
        };
        params.wrong(offset.span, message, help);
        return None;
    }
    u32::try_from(offset.value).ok()
}

impl Checker<'_> {
    /// Resolves the frames and interrupts that devices name.
    pub(super) fn find_devices(&mut self) {
        for (first, names) in std::mem::take(&mut self.device_refs) {
            let frame = self.registers(&names);
            let irq = self.interrupt(names.irq);
            self.devices_wrong |= frame.is_none() || irq.is_none();
            // All elements of an array were declared with the same parameters.
            let declared = self.objects.get(first).map(|object| object.span);
            for object in self.objects.iter_mut().skip(first) {
                match &mut object.kind {
                    Kind::VirtioDevice(device) | Kind::MmioDevice(device)
                        if Some(object.span) == declared =>
                    {
                        (device.frame, device.irq) = (frame, irq);
                    }
                    _ => break,
                }
            }
        }
    }

    fn registers(&mut self, names: &DeviceRef<'_>) -> Option<usize> {
        let name = names.registers;
        let (device, how) = if names.is_virtio {
            ("a virtio device", NAME_REGISTERS)
        } else {
            ("an MMIO device", NAME_FRAME)
        };
        let found = self.resolve(name)?;
        let [id] = found[..] else {
            let message = format!("the registers of {device} are in one frame");
            self.push(Diagnostic::new(name.span, message, how));
            return None;
        };
        let object = &self.objects[id];
        let text = &name.name.value;
        let (message, help) = match object.kind {
            Kind::Broken => return None,
            Kind::Frame {
                bits: REGISTER_BITS,
                paddr: Some(paddr),
                ..
            } => match NO_DEVICES.iter().find(|(range, _)| range.contains(&paddr)) {
                Some((_, what)) if !names.is_virtio => (
                    format!("{paddr:#x} belongs to {what}"),
                    "only a device that does not read or write memory can be an `mmio_device`: without an IOMMU nothing \
                     else keeps it from that"
                        .into(),
                ),
                _ => return Some(id),
            },
            Kind::Frame { paddr: None, .. } => (
                format!("`{text}` is ordinary memory: it has no `paddr`"),
                if names.is_virtio {
                    format!("give it that of the registers: `{text} = frame (4k, paddr: 0x0a003000)`")
                } else {
                    format!("give it that of the registers: `{text} = frame (4k, paddr: 0x09000000)`")
                },
            ),
            Kind::Frame { .. } => (
                format!("`{text}` is too large for the registers of {device}"),
                "declare a frame of 4k with the `paddr` of the page that they are in".into(),
            ),
            _ => (
                format!("`{text}` is {}, not a frame", object.kind.describe()),
                how.into(),
            ),
        };
        let wrong = Diagnostic::new(name.span, message, help);
        let declared = object.span;
        self.push(wrong.other(declared, "declared here"));
        None
    }

    fn interrupt(&mut self, name: &NameRef) -> Option<usize> {
        let found = self.resolve(name)?;
        let [id] = found[..] else {
            let message = "a device has one interrupt";
            self.push(Diagnostic::new(name.span, message, NAME_INTERRUPT));
            return None;
        };
        let object = &self.objects[id];
        match object.kind {
            Kind::Irq { .. } => Some(id),
            Kind::Broken => None,
            _ => {
                let what = object.kind.describe();
                let message = format!("`{}` is {what}, not an interrupt", name.name.value);
                let wrong = Diagnostic::new(name.span, message, NAME_INTERRUPT);
                let declared = object.span;
                self.push(wrong.other(declared, "declared here"));
                None
            }
        }
    }

    /// Whether an object is the registers or the interrupt of a device.
    pub(super) fn of_a_device(&self, id: usize) -> bool {
        let kind = &self.objects[id].kind;
        if self.devices_wrong && matches!(kind, Kind::Frame { .. } | Kind::Irq { .. }) {
            return true;
        }
        let mut devices = self.objects.iter().filter_map(|it| it.kind.device());
        devices.any(|device| [device.frame, device.irq].contains(&Some(id)))
    }

    /// Each device is one piece of hardware.
    pub(super) fn distinct_devices(&mut self) {
        let mut seen: Vec<(&str, Span, &Device, bool)> = Vec::new();
        for object in &self.objects {
            let Some(device) = object.kind.device() else {
                continue;
            };
            let is_virtio = matches!(object.kind, Kind::VirtioDevice(_));
            let same = |other: Option<usize>, this| other.is_some() && other == this;
            // Who is not a virtio device has the frame to himself.
            let registers = seen.iter().find(|(_, _, other, shares)| {
                let apart = is_virtio && *shares && other.offset != device.offset;
                same(other.frame, device.frame) && !apart
            });
            let interrupt = seen
                .iter()
                .find(|(_, _, other, _)| same(other.irq, device.irq));
            if let Some((_, first, ..)) = registers.or(interrupt)
                && *first == object.span
            {
                let array = object.name.split('[').next().unwrap_or_default();
                let message = format!("all elements of `{array}` would be the same device");
                let help = "declare each by itself, with registers and an interrupt of its own";
                self.diagnostics
                    .push(Diagnostic::new(object.span, message, help));
                continue;
            }
            if let Some((name, _, other, shares)) = registers {
                let message = format!("`{name}` and `{}` have the same registers", object.name);
                let help = if is_virtio && *shares {
                    "name another place in the frame, or remove one of the devices"
                } else {
                    "an MMIO device has its frame to itself: name another one, or remove one of the devices"
                };
                let twice = Diagnostic::new(device.registers, message, help);
                self.diagnostics
                    .push(twice.other(other.registers, "the other one"));
            }
            if let Some((name, _, other, _)) = interrupt {
                let message = format!("`{name}` and `{}` have the same interrupt", object.name);
                let help = "declare an `irq` for each, with a number of its own";
                let twice = Diagnostic::new(device.interrupt, message, help);
                self.diagnostics
                    .push(twice.other(other.interrupt, "the other one"));
            }
            seen.push((&object.name, object.span, device, is_virtio));
        }
    }
}
