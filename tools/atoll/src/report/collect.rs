// SPDX-License-Identifier: BSD-2-Clause
//! The facts of a spec, collected from what its checker knows.

use std::collections::BTreeSet;

use capdl::blob::{Start, Trigger};
use capdl::language::{line, model};
use model::{Cap, Kind};

use super::model::{
    Budget, Device, Facts, Guest, Held, Holder, Link, LinkKind, Memory, Object, Owner, Piece, RAM,
    RAM_BYTES, Server, Task,
};
use super::reach;
use super::words::{at, bare, bytes, data, hex, letters, restart, type_name};

/// What the program of a server, its tables and its stack take beside its heap, about (docs/root-task.md).
const PROGRAM: u64 = 2 << 20;

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
                Kind::Channel { .. } => facts.links.push(spec.link(id, LinkKind::Channel)),
                Kind::Service => facts.links.push(spec.link(id, LinkKind::Service)),
                Kind::Endpoint if spec.tasks_with(id) > 0 => {
                    facts.links.push(spec.link(id, LinkKind::Endpoint));
                }
                Kind::Notification if spec.tasks_with(id) > 0 => {
                    facts.links.push(spec.link(id, LinkKind::Notification));
                }
                Kind::Frame { paddr, .. }
                    if paddr.is_none_or(|paddr| paddr >= RAM) && spec.tasks_with(id) > 1 =>
                {
                    facts.links.push(spec.link(id, LinkKind::Frame));
                }
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

    /// How many native tasks hold an object.
    fn tasks_with(&self, id: usize) -> usize {
        let tasks = self.objects.iter().filter(|task| {
            matches!(task.kind, Kind::Native(_)) && task.caps.iter().any(|cap| cap.target == id)
        });
        tasks.count()
    }

    fn link(&self, id: usize, kind: LinkKind) -> Link {
        let object = &self.objects[id];
        Link {
            name: object.name.clone(),
            line: self.line(object.span.start),
            kind,
            bytes: match &object.kind {
                Kind::Channel { bytes } => Some(bytes.value.into()),
                Kind::Frame { bits, .. } => Some(1 << bits),
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
