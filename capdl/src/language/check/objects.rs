// SPDX-License-Identifier: BSD-2-Clause
//! The `objects` sections.

use super::devices::{DeviceRef, device};
use super::kinds::{FOREIGN_KINDS, KINDS, KindInfo, PLANNED_KINDS, PLANNED_OBJECTS};
use super::params::Params;
use super::{Checker, Named};
use crate::blob::{Group, Limits, MAX_OBJECTS, MAX_STRINGS, Restart, Start};
use crate::language::ast::{Covered, NameRef, ObjectDecl};
use crate::language::diagnostic::{Diagnostic, nearest};
use crate::language::model::{Guest, Kind, Object, Server};
use crate::language::span::{Span, Spanned};

/// Least and largest size of an untyped, in bits (seL4's `seL4_MinUntypedBits`, `seL4_MaxUntypedBits`
/// on 64-bit Arm).
const UNTYPED_BITS: std::ops::RangeInclusive<u64> = 4..=47;
/// Frame sizes of AArch64 with 4 KiB pages, in bits.
const FRAME_BITS: [u32; 3] = [12, 21, 30];
/// seL4 5.0.0 takes no physical address from here on.
const PADDR_LIMIT: u64 = 0x80_0000_0000;

const RESTART: [(&str, Restart); 3] = [
    ("permanent", Restart::Permanent),
    ("transient", Restart::Transient),
    ("temporary", Restart::Temporary),
];
const START: [(&str, Start); 2] = [("boot", Start::Boot), ("demand", Start::Demand)];

/// What to do where there is no server.
pub(super) const DECLARE_SERVER: &str = "declare one: `server = wasm_server (prio: 200)`";
const NAME_SERVER: &str = "name a `wasm_server` object: `server: …`";

/// A field of limits.
type Limit = fn(&mut Limits) -> &mut u32;

/// How much a guest may have: parameter, the least that makes sense, the field.
///
/// Without handles a guest can hold nothing, and hardly any module does without a table.
const LIMITS: [(&str, u32, Limit); 8] = [
    ("handles", 1, |limits| &mut limits.handles),
    ("timers", 0, |limits| &mut limits.timers),
    ("regions", 0, |limits| &mut limits.regions),
    ("windows", 0, |limits| &mut limits.windows),
    ("children", 0, |limits| &mut limits.children),
    ("tokens", 0, |limits| &mut limits.tokens),
    ("table_elements", 1, |limits| &mut limits.table_elements),
    ("modules", 0, |limits| &mut limits.modules),
];

// What a spec does not say.
const SERVER_PRIO: u8 = 200;
const SERVER_HEAP: u32 = 8 << 20;
const GUEST_PRIO: u8 = 100;
const GUEST_STACK: u32 = 64 << 10;

impl<'a> Checker<'a> {
    /// Declares an object, or the elements of an array.
    pub(super) fn declare(&mut self, decl: &'a ObjectDecl) {
        let inside = match &decl.path[..] {
            [untyped, _, ..] => Some(untyped.span),
            _ => decl.covers.as_ref().map(|covers| covers.span),
        };
        if let Some(span) = inside {
            let message = "objects inside untypeds are not supported yet";
            let help = "declare the object by itself, and give it an untyped under `caps`";
            self.push(Diagnostic::new(span, message, help));
        }
        for inner in decl.covers.iter().flat_map(|covers| &covers.objects) {
            if let Covered::Decl(inner) = inner {
                self.declare(inner);
            }
        }
        let Some(name) = decl.path.last() else { return };
        let text = &*name.name.value;
        let reserved = if Group::named(text).is_some() {
            Some("a group of hostcalls")
        } else if PLANNED_OBJECTS.contains(&text) {
            Some("authority of the kernel")
        } else {
            None
        };
        if let Some(meaning) = reserved {
            let message = format!("`{text}` is a reserved name");
            let reserved = Diagnostic::new(name.span, message, "give the object another name");
            self.push(reserved.label(format!("it stands for {meaning}")));
            return;
        }
        if let Some(first) = self.names.get(text) {
            let message = format!("there are two objects named `{text}`");
            let first = first.span;
            let twice = Diagnostic::new(name.span, message, "give one of them another name");
            self.push(twice.other(first, "the first one"));
            return;
        }

        let count = self.count(name);
        let kind = self.kind(decl);
        let first = self.objects.len();
        let elements = count.unwrap_or(1);
        if elements.saturating_add(first as u64) > MAX_OBJECTS as u64 {
            let message = format!("there are more than {MAX_OBJECTS} objects");
            let help = "have fewer of them; each element of an array counts";
            self.push(Diagnostic::new(name.span, message, help));
        }
        // What is too much has been refused; do not make it, nor complain about its uses.
        let elements = elements.min(MAX_OBJECTS as u64) as usize;
        for index in 0..elements {
            let name_of_element = match count {
                None => text.to_owned(),
                Some(_) => format!("{text}[{index}]"),
            };
            self.objects.push(Object {
                name: name_of_element,
                span: name.span,
                kind: kind.clone(),
                caps: Vec::new(),
            });
        }
        let named = Named {
            first,
            count: count.map(|_| elements),
            span: name.span,
        };
        self.names.insert(text, named);
    }

    /// The number in `name[number]`.
    fn count(&mut self, name: &NameRef) -> Option<u64> {
        let ranges = name.ranges.as_ref()?;
        match ranges[..] {
            [range] if range.first == range.last && range.first.is_some_and(|n| n > 0) => {
                range.first
            }
            _ => {
                let help = format!("write `{}[4]` for an array of four", name.name.value);
                let message = "an array is declared with the number of its elements";
                self.push(Diagnostic::new(name.span, message, help));
                Some(1)
            }
        }
    }

    fn kind(&mut self, decl: &'a ObjectDecl) -> Kind {
        let name = &*decl.kind.value;
        let span = decl.kind.span;
        let Some(kind) = KINDS.iter().find(|kind| kind.name == name) else {
            let message = if PLANNED_KINDS.contains(&name) {
                format!("`{name}` objects are not supported yet")
            } else if FOREIGN_KINDS.contains(&name) {
                format!("there are no `{name}` objects on this architecture")
            } else {
                format!("there is no object type `{name}`")
            };
            let known = PLANNED_KINDS.contains(&name) || FOREIGN_KINDS.contains(&name);
            let names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
            let help = format!("the object types are `{}`", names.join("`, `"));
            let near = nearest(name, names).filter(|_| !known);
            self.push(Diagnostic::new(span, message, help).suggest(near));
            return Kind::Broken;
        };
        let mut params = Params::new(kind, span, &decl.params, &mut self.diagnostics);
        let Some((kind, names)) = kind_of(kind, &mut params) else {
            self.devices_wrong |= name == "virtio_device";
            return Kind::Broken;
        };
        let first = self.objects.len();
        match names {
            Names::None => {}
            Names::Server(server) => self.server_refs.push((first, server, span)),
            Names::Device(names) => self.device_refs.push((first, names)),
        }
        kind
    }

    /// Resolves the servers that guests name, or means the only one.
    pub(super) fn find_servers(&mut self) {
        let is_server = |object: &Object| matches!(object.kind, Kind::Server(_));
        let servers: Vec<usize> = (0..self.objects.len())
            .filter(|&id| is_server(&self.objects[id]))
            .collect();
        for (first, name, span) in std::mem::take(&mut self.server_refs) {
            let server = match (name, &servers[..]) {
                (Some(name), _) => self.server_named(name),
                (None, [only]) => Some(*only),
                (None, []) => {
                    let message = "this guest has no process server to run it";
                    self.push(Diagnostic::new(span, message, DECLARE_SERVER));
                    None
                }
                (None, _) => {
                    let message = "there are several process servers that could run this guest";
                    self.push(Diagnostic::new(
                        span,
                        message,
                        "name one of them: `server: …`",
                    ));
                    None
                }
            };
            // All elements of an array were declared with the same parameters.
            let declared = self.objects.get(first).map(|object| object.span);
            for object in self.objects.iter_mut().skip(first) {
                match &mut object.kind {
                    Kind::Guest(guest) if Some(object.span) == declared => guest.server = server,
                    _ => break,
                }
            }
        }
    }

    fn server_named(&mut self, name: &NameRef) -> Option<usize> {
        let found = self.resolve(name)?;
        match found[..] {
            [id] if matches!(self.objects[id].kind, Kind::Server(_)) => Some(id),
            [id] => {
                if !matches!(self.objects[id].kind, Kind::Broken) {
                    let what = self.objects[id].kind.describe();
                    let message = format!("`{}` is {what}, not a process server", name.name.value);
                    let declared = self.objects[id].span;
                    let wrong = Diagnostic::new(name.span, message, NAME_SERVER);
                    self.push(wrong.other(declared, "declared here"));
                }
                None
            }
            _ => {
                let message = "a guest has one process server";
                self.push(Diagnostic::new(name.span, message, NAME_SERVER));
                None
            }
        }
    }
}

/// The objects that an object names in its parameters.
enum Names<'a> {
    /// None.
    None,
    /// A guest its server, or none: the only one.
    Server(Option<&'a NameRef>),
    /// A device its registers and its interrupt.
    Device(DeviceRef<'a>),
}

/// The object and what it names.
fn kind_of<'a>(info: &KindInfo, params: &mut Params<'a, '_>) -> Option<(Kind, Names<'a>)> {
    let kind = match info.name {
        "ut" => {
            let bits = params.bits("an untyped", "24 bits")?;
            if !UNTYPED_BITS.contains(&bits.value) {
                let message = format!("an untyped cannot have {} bits", bits.value);
                params.wrong(bits.span, message, "its size goes from 4 to 47 bits");
                return None;
            }
            let paddr = paddr(params, bits.value as u8);
            Kind::Untyped {
                bits: bits.value as u8,
                paddr,
            }
        }
        "frame" => {
            let bytes = params.bytes_positional("a frame", "4k")?;
            let bits = bytes.value.checked_ilog2().unwrap_or(0);
            if !FRAME_BITS.contains(&bits) || bytes.value != 1 << bits {
                let message = format!("a frame cannot have {} bytes", bytes.value);
                params.wrong(bytes.span, message, "its size is 4k, 2M or 1G");
                return None;
            }
            let paddr = paddr(params, bits as u8);
            Kind::Frame {
                bits: bits as u8,
                paddr,
            }
        }
        "ep" => Kind::Endpoint,
        "notification" => Kind::Notification,
        "irq" => Kind::Irq { number: None },
        "channel" => {
            let bytes = params.bytes_positional("a channel", "64k")?;
            let page = u64::from(atoll_abi::PAGE);
            let fitting = u32::try_from(bytes.value).ok();
            match fitting.filter(|&fitting| fitting > 0 && bytes.value.is_multiple_of(page)) {
                Some(fitting) => Kind::Channel {
                    bytes: Spanned::new(fitting, bytes.span),
                },
                None => {
                    let message = format!("a channel cannot have {} bytes", bytes.value);
                    let help =
                        "its size is a multiple of 64k, the page of WebAssembly, and less than 4G";
                    params.wrong(bytes.span, message, help);
                    return None;
                }
            }
        }
        "service" => Kind::Service,
        "virtio_device" => {
            let (device, names) = device(params)?;
            return Some((Kind::VirtioDevice(device), Names::Device(names)));
        }
        "wasm_server" => Kind::Server(Server {
            prio: params.priority(SERVER_PRIO).value,
            heap: params.bytes("heap", 1 << 20, SERVER_HEAP).value,
            restart: params.choice("restart", &RESTART, Restart::Permanent),
        }),
        "wasm_guest" => {
            let server = params.object("server");
            let guest = Kind::Guest(Box::new(guest(params)?));
            return Some((guest, Names::Server(server)));
        }
        _ => return None,
    };
    Some((kind, Names::None))
}

fn guest(params: &mut Params<'_, '_>) -> Option<Guest> {
    let module = params.text("module");
    if !params.has("module") {
        params.missing("this guest has no module", "name it: `module: \"…\"`");
    }
    let prio = params.priority(GUEST_PRIO);
    let stack = params.bytes("stack", 16 << 10, GUEST_STACK);
    let deadline_ms = params.milliseconds("deadline");
    let start = params.choice("start", &START, Start::Boot);
    let restart = params.choice("restart", &RESTART, Restart::Temporary);
    let args = params.texts("args", MAX_STRINGS);
    let env = params.texts("env", MAX_STRINGS);
    for entry in &env {
        if entry
            .value
            .split_once('=')
            .is_none_or(|(key, _)| key.is_empty())
        {
            let message = "this is no entry of an environment";
            params.wrong(entry.span, message, "write `\"NAME=value\"`");
        }
    }
    let mut limits = Limits::DEFAULT;
    let mut most = Limits::MOST;
    let mut handles = None;
    for (name, least, field) in LIMITS {
        if let Some(limit) = params.limit(name, least..=*field(&mut most)) {
            *field(&mut limits) = limit.value;
            if name == "handles" {
                handles = Some(limit.span);
            }
        }
    }
    let texts = |texts: Vec<Spanned<String>>| texts.into_iter().map(|text| text.value).collect();
    Some(Guest {
        server: None,
        module: module?,
        prio,
        stack,
        deadline_ms,
        start,
        restart,
        groups: Vec::new(),
        limits,
        handles,
        args: texts(args),
        env: texts(env),
    })
}

/// The physical address of something of `2^bits` bytes.
fn paddr(params: &mut Params<'_, '_>, bits: u8) -> Option<u64> {
    let paddr = params.number("paddr", "0x09000000")?;
    let bytes = 1u64 << bits;
    let below = paddr.value & !(bytes - 1);
    if below != paddr.value {
        let message = format!(
            "{:#x} is not a multiple of the object's size, {bytes:#x}",
            paddr.value
        );
        let help = format!("write {below:#x} or {:#x}", below.saturating_add(bytes));
        params.wrong(paddr.span, message, help);
        return None;
    }
    if paddr
        .value
        .checked_add(bytes)
        .is_none_or(|end| end > PADDR_LIMIT)
    {
        let message = format!("there are no physical addresses from {PADDR_LIMIT:#x} on");
        let help = format!(
            "write an address up to {:#x}",
            PADDR_LIMIT.saturating_sub(bytes)
        );
        params.wrong(paddr.span, message, help);
        return None;
    }
    Some(paddr.value)
}

/// Where a guest's module was expected to be named.
pub(super) type ServerRef<'a> = (usize, Option<&'a NameRef>, Span);
