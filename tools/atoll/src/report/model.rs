// SPDX-License-Identifier: BSD-2-Clause
//! Who holds what: the facts of a checked spec, by the names of its text.
//!
//! Text, JSON and picture show these facts; none looks at the spec itself.

use std::collections::BTreeSet;

use capdl::blob::{CapData, Restart, Rights, Start, Trigger};
use capdl::language::{line, model};
use model::{Cap, Kind};
use serde::Serialize;

use super::reach::{self, Peer, Reach};

/// Where QEMU's machine `virt` has its memory, and how much of it a report takes for granted.
pub const RAM: u64 = 0x4000_0000;
/// See [`RAM`].
pub const RAM_BYTES: u64 = 512 << 20;

/// What the program of a server, its tables and its stack take beside its heap, about (docs/root-task.md).
const PROGRAM: u64 = 2 << 20;

/// A system.
#[derive(Debug, Serialize)]
pub struct Facts {
    /// The spec's file.
    pub spec: String,
    /// Every process server.
    pub servers: Vec<Server>,
    /// Every guest.
    pub guests: Vec<Guest>,
    /// Every native task.
    pub tasks: Vec<Task>,
    /// What brings something from outside, or takes it there.
    pub devices: Vec<Device>,
    /// Channels and services.
    pub links: Vec<Link>,
    /// Every object, in the order of the text.
    pub objects: Vec<Object>,
    /// Memory.
    pub memory: Memory,
}

/// An object, and who holds it.
#[derive(Debug, Serialize)]
pub struct Object {
    /// Its name.
    pub name: String,
    /// Its type, as the text has it: `ut`, `frame`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What it is, in words.
    pub what: String,
    /// The line of its declaration.
    pub line: u32,
    /// The capabilities to it.
    pub holders: Vec<Holder>,
    /// All that it holds.
    pub holds: Vec<Held>,
    /// The objects that are made with it or of it, such as the device whose registers a frame has.
    pub used_by: Vec<String>,
}

/// A capability, from the side of its object.
#[derive(Clone, Debug, Serialize)]
pub struct Holder {
    /// Who holds it.
    pub holder: String,
    /// In which slot.
    pub slot: String,
    /// Letters; empty where there is nothing to choose.
    pub rights: String,
    /// What else there is to it, such as a badge; mostly empty.
    pub data: String,
    /// Its line.
    pub line: u32,
}

/// A capability, from the side of its holder.
#[derive(Clone, Debug, Serialize)]
pub struct Held {
    /// Its slot.
    pub slot: String,
    /// The object.
    pub object: String,
    /// What the object is, in words.
    pub what: String,
    /// Letters; empty where there is nothing to choose.
    pub rights: String,
    /// What else there is to it, such as a badge; mostly empty.
    pub data: String,
    /// Its line.
    pub line: u32,
}

/// A process server.
#[derive(Debug, Serialize)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// The line of its declaration.
    pub line: u32,
    /// Priority of its service threads.
    pub priority: u8,
    /// Bytes of heap.
    pub heap: u64,
    /// What happens when it faults.
    pub restart: &'static str,
    /// Bytes of untyped memory of its own.
    pub memory: u64,
    /// Bytes that the root task makes the server itself of, about.
    pub made_of: u64,
    /// All that it holds.
    pub holds: Vec<Held>,
}

/// A program for seL4.
#[derive(Debug, Serialize)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// The line of its declaration.
    pub line: u32,
    /// Its program.
    pub program: String,
    /// Priority of its first thread.
    pub priority: u8,
    /// Bytes of its first thread's stack.
    pub stack: u64,
    /// Bytes of heap.
    pub heap: u64,
    /// What happens when it faults.
    pub restart: &'static str,
    /// Arguments.
    pub args: Vec<String>,
    /// All that it holds.
    pub holds: Vec<Held>,
    /// Whom it can talk to.
    pub peers: Vec<Peer>,
    /// Devices that it can reach, by the shortest way.
    pub reaches: Vec<Reach>,
}

/// A guest.
#[derive(Debug, Serialize)]
pub struct Guest {
    /// Its name.
    pub name: String,
    /// The line of its declaration.
    pub line: u32,
    /// The server that runs it.
    pub server: String,
    /// Its module.
    pub module: String,
    /// Priority of its thread.
    pub priority: u8,
    /// `boot` or `demand`.
    pub start: &'static str,
    /// Guests that are started before it.
    pub after: Vec<String>,
    /// What happens when it ends.
    pub restart: &'static str,
    /// Milliseconds until it is ended.
    pub deadline_ms: Option<u32>,
    /// Arguments.
    pub args: Vec<String>,
    /// Environment.
    pub env: Vec<String>,
    /// Its memory.
    pub budget: Budget,
    /// The groups of hostcalls that it is granted.
    pub groups: Vec<&'static str>,
    /// All that it holds.
    pub holds: Vec<Held>,
    /// Guests that hold it: W starts and stops it, G gives to it and takes from it.
    pub controlled_by: Vec<Holder>,
    /// Guests that it can talk to.
    pub peers: Vec<Peer>,
    /// Devices that it can reach, by the shortest way.
    pub reaches: Vec<Reach>,
}

/// What is certainly taken out of a guest's memory.
#[derive(Debug, Serialize)]
pub struct Budget {
    /// Bytes of its untyped.
    pub bytes: u64,
    /// Bytes of its native stack.
    pub stack: u64,
    /// Bytes of linear memory that its module starts with, where the module is known.
    pub linear: Option<u64>,
}

/// A channel or a service.
#[derive(Debug, Serialize)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// The line of its declaration.
    pub line: u32,
    /// Bytes of a channel; none: it is a service.
    pub bytes: Option<u64>,
    /// Who holds it.
    pub holders: Vec<Holder>,
}

/// Something that stands between the machine and what is outside.
#[derive(Debug, Serialize)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// The line of its declaration.
    pub line: u32,
    /// What it is, in words.
    pub what: String,
    /// What it is, in two short lines.
    #[serde(skip)]
    pub short: Vec<String>,
    /// Who holds it.
    pub holders: Vec<Holder>,
}

/// Memory.
#[derive(Debug, Serialize)]
pub struct Memory {
    /// Bytes that the machine has.
    pub machine: u64,
    /// Untypeds and frames at addresses, by address.
    pub placed: Vec<Piece>,
    /// Untypeds that may be anywhere.
    pub anywhere: Vec<Piece>,
    /// Bytes of all untypeds.
    pub untyped: u64,
    /// Bytes of what the servers are made of, about.
    pub servers: u64,
}

/// A piece of memory.
#[derive(Debug, Serialize)]
pub struct Piece {
    /// Its name.
    pub name: String,
    /// Its type, as the text has it.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// First address, if the text names it.
    pub start: Option<u64>,
    /// Bytes.
    pub bytes: u64,
    /// Who holds it.
    pub holders: Vec<Holder>,
    /// What is made of it is of use to: the guests or servers behind its holder.
    pub owner: Owner,
}

/// What kind of holder a piece of memory has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// A server.
    Server,
    /// A guest.
    Guest,
    /// A channel.
    Channel,
    /// A native task, or something of the kernel's.
    Other,
    /// Nobody.
    Nobody,
}

impl Link {
    /// `channel` or `service`.
    pub fn kind(&self) -> &'static str {
        match self.bytes {
            Some(_) => "channel",
            None => "service",
        }
    }
}

impl Facts {
    /// Collects them. `linear` tells the bytes of memory that a module starts with.
    pub fn new(
        file: &str,
        text: &str,
        objects: &[model::Object],
        linear: impl Fn(&str) -> Option<u64>,
    ) -> Self {
        let spec = Spec { text, objects };
        let mut facts = Self {
            spec: file.into(),
            servers: Vec::new(),
            guests: Vec::new(),
            tasks: Vec::new(),
            devices: spec.devices(),
            links: Vec::new(),
            objects: (0..objects.len()).map(|id| spec.object(id)).collect(),
            memory: spec.memory(),
        };
        for (id, object) in objects.iter().enumerate() {
            match &object.kind {
                Kind::Server(server) => facts.servers.push(spec.server(object, server)),
                Kind::Guest(guest) => {
                    let mut guest = spec.guest(object, guest);
                    guest.budget.linear = linear(&guest.module);
                    facts.guests.push(guest);
                }
                Kind::Native(task) => facts.tasks.push(spec.task(object, task)),
                Kind::Channel { .. } | Kind::Service => facts.links.push(spec.link(id)),
                _ => {}
            }
        }
        facts.memory.servers = facts.servers.iter().map(|server| server.made_of).sum();
        let mut ways = reach::ways(&facts).into_iter();
        for (guest, ways) in facts.guests.iter_mut().zip(&mut ways) {
            (guest.peers, guest.reaches) = (ways.peers, ways.reaches);
        }
        for (task, ways) in facts.tasks.iter_mut().zip(&mut ways) {
            (task.peers, task.reaches) = (ways.peers, ways.reaches);
        }
        facts
    }

    /// The object of this name.
    pub fn object(&self, name: &str) -> Option<&Object> {
        self.objects.iter().find(|object| object.name == name)
    }
}

/// What the facts are taken from.
struct Spec<'a> {
    text: &'a str,
    objects: &'a [model::Object],
}

impl Spec<'_> {
    fn line(&self, at: usize) -> u32 {
        line(self.text, at)
    }

    fn name(&self, id: usize) -> &str {
        self.objects.get(id).map_or("?", |object| &object.name)
    }

    fn holders(&self, id: usize) -> Vec<Holder> {
        let mut holders = Vec::new();
        for object in self.objects {
            let caps = object.caps.iter().filter(|cap| cap.target == id);
            holders.extend(caps.map(|cap| Holder {
                holder: object.name.clone(),
                slot: cap.slot.clone(),
                rights: letters(cap.rights),
                data: data(cap.data),
                line: self.line(cap.span.start),
            }));
        }
        holders
    }

    fn holds(&self, object: &model::Object) -> Vec<Held> {
        let held = |cap: &Cap| Held {
            slot: cap.slot.clone(),
            object: self.name(cap.target).into(),
            what: self.what(cap.target),
            rights: letters(cap.rights),
            data: data(cap.data),
            line: self.line(cap.span.start),
        };
        object.caps.iter().map(held).collect()
    }

    fn object(&self, id: usize) -> Object {
        let object = &self.objects[id];
        let users = self.objects.iter().filter(|user| match &user.kind {
            Kind::VirtioDevice(device) | Kind::MmioDevice(device) => {
                device.frame == Some(id) || device.irq == Some(id)
            }
            Kind::Guest(guest) => guest.server == Some(id),
            _ => user
                .within
                .as_ref()
                .is_some_and(|within| within.value == id),
        });
        Object {
            name: object.name.clone(),
            kind: type_name(&object.kind),
            what: self.what(id),
            line: self.line(object.span.start),
            holders: self.holders(id),
            holds: self.holds(object),
            used_by: users.map(|user| user.name.clone()).collect(),
        }
    }

    /// What an object is, in words.
    fn what(&self, id: usize) -> String {
        let Some(object) = self.objects.get(id) else {
            return String::new();
        };
        match &object.kind {
            Kind::Untyped { bits, paddr } => {
                format!("{} of untyped memory{}", bytes(1 << bits), at(*paddr))
            }
            Kind::Frame { bits, paddr, fill } => {
                let mut text = format!("frame of {}{}", bytes(1 << bits), at(*paddr));
                let mut files: Vec<&str> = fill.iter().map(|part| &*part.file.value).collect();
                files.dedup();
                if !files.is_empty() {
                    text += &format!(" with {}", files.join(", "));
                }
                text
            }
            Kind::Irq { number, trigger } => {
                let mut text = "interrupt".to_owned();
                if let Some(number) = number {
                    text += &format!(" {}", number.value);
                }
                text += match trigger {
                    Some(Trigger::Level) => " (level)",
                    Some(Trigger::Edge) => " (edge)",
                    None => "",
                };
                text
            }
            Kind::Leftover => "what is left of the machine's memory".into(),
            Kind::CNode { bits } => format!("CNode of {} slots", 1u64 << bits),
            Kind::PageTable { level } => format!("page table of level {level}"),
            Kind::Tcb(tcb) => {
                let state = if tcb.resume {
                    ""
                } else {
                    ", which waits to be resumed"
                };
                format!("thread at priority {}{state}", tcb.prio)
            }
            Kind::Native(task) => format!("native task that runs `{}`", task.program.value),
            Kind::Channel { bytes: size } => format!("channel of {}", bytes(size.value.into())),
            Kind::VirtioDevice(device) => {
                let frame = device.frame.map_or("?", |frame| self.name(frame));
                let irq = device.irq.map_or_else(String::new, |irq| self.what(irq));
                format!("virtio device at {frame} + {:#x}, {irq}", device.offset)
            }
            Kind::MmioDevice(device) => {
                let frame = device.frame.map_or("?", |frame| self.name(frame));
                let irq = device.irq.map_or_else(String::new, |irq| self.what(irq));
                format!("MMIO device at {frame}, {irq}")
            }
            Kind::Guest(guest) => format!("guest that runs `{}`", guest.module.value),
            other => bare(other.describe()).into(),
        }
    }

    fn server(&self, object: &model::Object, server: &model::Server) -> Server {
        let heap = u64::from(server.heap);
        Server {
            name: object.name.clone(),
            line: self.line(object.span.start),
            priority: server.prio,
            heap,
            restart: restart(server.restart),
            memory: self.budget(object),
            made_of: (heap + PROGRAM).next_power_of_two(),
            holds: self.holds(object),
        }
    }

    fn task(&self, object: &model::Object, task: &model::Native) -> Task {
        Task {
            name: object.name.clone(),
            line: self.line(object.span.start),
            program: task.program.value.clone(),
            priority: task.prio,
            stack: task.stack.into(),
            heap: task.heap.into(),
            restart: restart(task.restart),
            args: task.args.clone(),
            holds: self.holds(object),
            peers: Vec::new(),
            reaches: Vec::new(),
        }
    }

    fn guest(&self, object: &model::Object, guest: &model::Guest) -> Guest {
        let groups = guest.groups.iter().filter_map(|(group, _)| group.grant());
        Guest {
            name: object.name.clone(),
            line: self.line(object.span.start),
            server: guest.server.map_or("?", |id| self.name(id)).into(),
            module: guest.module.value.clone(),
            priority: guest.prio.value,
            start: match guest.start {
                Start::Boot => "boot",
                Start::Demand => "demand",
            },
            after: guest
                .after
                .iter()
                .map(|id| self.name(id.value).into())
                .collect(),
            restart: restart(guest.restart),
            deadline_ms: guest.deadline_ms,
            args: guest.args.clone(),
            env: guest.env.clone(),
            budget: Budget {
                bytes: self.budget(object),
                stack: guest.stack.value.into(),
                linear: None,
            },
            groups: groups.collect(),
            holds: self.holds(object),
            controlled_by: self.holders_of(object),
            peers: Vec::new(),
            reaches: Vec::new(),
        }
    }

    fn holders_of(&self, object: &model::Object) -> Vec<Holder> {
        let id = self
            .objects
            .iter()
            .position(|other| other.name == object.name);
        id.map_or_else(Vec::new, |id| self.holders(id))
    }

    /// Bytes of the untyped in the slot `memory`.
    fn budget(&self, object: &model::Object) -> u64 {
        let memory = object.memory().and_then(|(id, _)| self.objects.get(id));
        match memory.map(|memory| &memory.kind) {
            Some(Kind::Untyped { bits, .. }) => 1 << bits,
            _ => 0,
        }
    }

    fn link(&self, id: usize) -> Link {
        let object = &self.objects[id];
        Link {
            name: object.name.clone(),
            line: self.line(object.span.start),
            bytes: match &object.kind {
                Kind::Channel { bytes } => Some(bytes.value.into()),
                _ => None,
            },
            holders: self.holders(id),
        }
    }

    /// Devices that guests drive, then registers and interrupts that are no such device's.
    fn devices(&self) -> Vec<Device> {
        let mut devices = Vec::new();
        let mut parts = BTreeSet::new();
        for (id, object) in self.objects.iter().enumerate() {
            if let Kind::VirtioDevice(device) = &object.kind {
                parts.extend(device.frame);
                parts.extend(device.irq);
                let frame = device.frame.map_or("?", |frame| self.name(frame));
                let irq = device.irq.map_or_else(String::new, |irq| self.what(irq));
                let registers = format!("{frame} + {:#x}", device.offset);
                devices.push(self.device(id, vec![format!("virtio, {irq}"), registers]));
            }
            if let Kind::MmioDevice(device) = &object.kind {
                parts.extend(device.frame);
                parts.extend(device.irq);
                let frame = device.frame.map_or("?", |frame| self.name(frame));
                let irq = device.irq.map_or_else(String::new, |irq| self.what(irq));
                devices.push(self.device(id, vec![irq, frame.into()]));
            }
        }
        for (id, object) in self.objects.iter().enumerate() {
            let short = match object.kind {
                _ if parts.contains(&id) => continue,
                Kind::Frame {
                    bits,
                    paddr: Some(paddr),
                    ..
                } if paddr < RAM => vec![format!("registers, {}", bytes(1 << bits)), hex(paddr)],
                Kind::Irq { .. } => vec![self.what(id)],
                _ => continue,
            };
            devices.push(self.device(id, short));
        }
        devices
    }

    fn device(&self, id: usize, short: Vec<String>) -> Device {
        let object = &self.objects[id];
        Device {
            name: object.name.clone(),
            line: self.line(object.span.start),
            what: self.what(id),
            short,
            holders: self.holders(id),
        }
    }

    fn memory(&self) -> Memory {
        let (mut placed, mut anywhere) = (Vec::new(), Vec::new());
        let mut untyped = 0;
        for (id, object) in self.objects.iter().enumerate() {
            let (bits, start) = match object.kind {
                Kind::Untyped { bits, paddr } => {
                    untyped += 1u64 << bits;
                    (bits, paddr)
                }
                Kind::Frame { bits, paddr, .. } => (bits, paddr),
                _ => continue,
            };
            let piece = Piece {
                name: object.name.clone(),
                kind: type_name(&object.kind),
                start,
                bytes: 1 << bits,
                holders: self.holders(id),
                owner: self.owner(id),
            };
            match start {
                Some(_) => placed.push(piece),
                None => anywhere.push(piece),
            }
        }
        placed.sort_by_key(|piece| piece.start);
        Memory {
            machine: RAM_BYTES,
            placed,
            anywhere,
            untyped,
            servers: 0,
        }
    }

    fn owner(&self, id: usize) -> Owner {
        let mut holders = self.objects.iter();
        let holder = holders.find(|object| object.caps.iter().any(|cap| cap.target == id));
        match holder.map(|holder| &holder.kind) {
            None => Owner::Nobody,
            Some(Kind::Server(_)) => Owner::Server,
            Some(Kind::Guest(_)) => Owner::Guest,
            Some(Kind::Channel { .. }) => Owner::Channel,
            Some(_) => Owner::Other,
        }
    }
}

/// An object type, as the text has it.
fn type_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Untyped { .. } | Kind::Leftover => "ut",
        Kind::Frame { .. } => "frame",
        Kind::Endpoint => "ep",
        Kind::Notification => "notification",
        Kind::Irq { .. } => "irq",
        Kind::Channel { .. } => "channel",
        Kind::Service => "service",
        Kind::VirtioDevice(_) => "virtio_device",
        Kind::MmioDevice(_) => "mmio_device",
        Kind::Server(_) => "wasm_server",
        Kind::Guest(_) => "wasm_guest",
        Kind::Native(_) => "native_task",
        Kind::CNode { .. } => "cnode",
        Kind::Tcb(_) => "tcb",
        Kind::AsidPool => "asid_pool",
        Kind::PageTable { level } => ["pgd", "pud", "pd", "pt"][usize::from(*level).min(3)],
        other => bare(other.describe()),
    }
}

/// Without its article.
fn bare(described: &'static str) -> &'static str {
    let words = described.split_once(' ');
    words.map_or(described, |(_, name)| name)
}

fn restart(restart: Restart) -> &'static str {
    match restart {
        Restart::Permanent => "permanent",
        Restart::Transient => "transient",
        Restart::Temporary => "temporary",
    }
}

/// Rights as the letters of the text.
fn letters(rights: Rights) -> String {
    let Rights {
        read,
        write,
        grant,
        grant_reply,
    } = rights;
    [(read, 'R'), (write, 'W'), (grant, 'G'), (grant_reply, 'P')]
        .into_iter()
        .filter_map(|(given, letter)| given.then_some(letter))
        .collect()
}

/// What a capability has besides an object and rights.
fn data(data: CapData) -> String {
    match data {
        CapData::None => String::new(),
        CapData::Badge(badge) => format!("badge {badge:#x}"),
        CapData::Guard { bits, value } => format!("guard {value:#x} of {bits} bits"),
        CapData::Uncached => "uncached".into(),
    }
}

fn at(paddr: Option<u64>) -> String {
    paddr.map_or_else(String::new, |paddr| format!(" at {}", hex(paddr)))
}

/// An address.
pub fn hex(address: u64) -> String {
    format!("{address:#010x}")
}

/// A size in its largest unit, with two digits at most behind the point.
pub fn bytes(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let unit = (0..units.len())
        .rev()
        .find(|&unit| bytes >> (10 * unit) > 0)
        .unwrap_or(0);
    let hundredths = (u128::from(bytes) * 100) >> (10 * unit);
    let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_readable() {
        for (size, text) in [
            (0, "0 bytes"),
            (16, "16 bytes"),
            (1 << 12, "4 KiB"),
            ((1 << 20) + (1 << 19), "1.5 MiB"),
            ((1 << 20) + 11 * 1024, "1.01 MiB"),
            (1 << 30, "1 GiB"),
            (u64::MAX, "16777215.99 TiB"),
        ] {
            assert_eq!(bytes(size), text);
        }
    }

    #[test]
    fn types_that_are_not_known_have_names() {
        assert_eq!(bare("an endpoint"), "endpoint");
        assert_eq!(bare("a page table"), "page table");
    }
}
