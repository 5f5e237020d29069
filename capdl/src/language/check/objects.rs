// SPDX-License-Identifier: BSD-2-Clause
//! The `objects` sections.

use super::covers::Covering;
use super::devices::{DeviceRef, mmio_device, virtio_device};
use super::kinds::{FOREIGN_KINDS, KINDS, KindInfo, REFUSED_KINDS, RESERVED_OBJECTS};
use super::params::Params;
use super::{Checker, Named, guests, raw};
use crate::blob::{Group, MAX_OBJECTS};
use crate::language::ast::{Covered, NameRef, ObjectDecl};
use crate::language::diagnostic::{Diagnostic, nearest};
use crate::language::model::{Kind, Object};
use crate::language::span::Spanned;

impl<'a> Checker<'a> {
    /// Declares an object, or the elements of an array, and what it covers. Returns what the untyped that it is
    /// written in covers: it, or the first untyped of its path.
    pub(super) fn declare(&mut self, decl: &'a ObjectDecl) -> Option<Covering<'a>> {
        let (name, outer) = decl.path.split_last()?;
        // An untyped may be named again to say what else it covers.
        let again = decl.kind.value == "ut"
            && decl.params.is_empty()
            && decl.covers.is_some()
            && self.names.contains_key(&*name.name.value);
        let this = match again {
            true => Some(Covering::Name(name)),
            false => self.declare_one(decl, name),
        };
        for covered in decl.covers.iter().flat_map(|covers| &covers.objects) {
            let inner = match covered {
                Covered::Decl(inner) => self.declare(inner),
                Covered::Ref(name) => Some(Covering::Name(name)),
            };
            if let (Some(this), Some(inner)) = (this, inner) {
                self.covers.push((this, inner));
            }
        }
        let mut first = this;
        for outer in outer.iter().rev() {
            let outer = Covering::Name(outer);
            self.covers.extend(first.map(|inner| (outer, inner)));
            first = Some(outer);
        }
        first
    }

    /// Declares an object, or the elements of an array.
    fn declare_one(&mut self, decl: &'a ObjectDecl, name: &'a NameRef) -> Option<Covering<'a>> {
        let text = &*name.name.value;
        let reserved = if Group::named(text).is_some() {
            Some("a group of hostcalls")
        } else if RESERVED_OBJECTS.iter().any(|&(name, ..)| name == text) {
            Some("authority of the kernel")
        } else {
            None
        };
        if let Some(meaning) = reserved {
            let message = format!("`{text}` is a reserved name");
            let reserved = Diagnostic::new(name.span, message, "give the object another name");
            // It is declared all the same: where it is used it is no news.
            self.push(reserved.label(format!("it stands for {meaning}")));
        }
        if let Some(first) = self.names.get(text) {
            let message = format!("there are two objects named `{text}`");
            let first = first.span;
            let twice = Diagnostic::new(name.span, message, "give one of them another name");
            self.push(twice.other(first, "the first one"));
            return None;
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
                within: None,
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
        Some(Covering::Objects {
            first,
            count: elements,
            span: name.span,
        })
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
            if let Some((_, message, help)) = REFUSED_KINDS.iter().find(|kind| kind.0 == name) {
                self.push(Diagnostic::new(span, *message, *help));
                return Kind::Broken;
            }
            let known = FOREIGN_KINDS.contains(&name);
            let message = if known {
                format!("there are no `{name}` objects on this architecture")
            } else {
                format!("there is no object type `{name}`")
            };
            let names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
            let help = format!("the object types are `{}`", names.join("`, `"));
            let near = nearest(name, names).filter(|_| !known);
            self.push(Diagnostic::new(span, message, help).suggest(near));
            return Kind::Broken;
        };
        let mut params = Params::new(kind, span, &decl.params, &mut self.diagnostics);
        let Some((kind, names)) = kind_of(kind, &mut params) else {
            self.devices_wrong |= matches!(name, "virtio_device" | "mmio_device");
            return Kind::Broken;
        };
        let first = self.objects.len();
        match names {
            Names::None => {}
            Names::Guest(server, after) => {
                self.server_refs.push((first, server, span));
                self.after_refs.push((first, after));
            }
            Names::Device(names) => self.device_refs.push((first, names)),
        }
        kind
    }
}

/// The objects that an object names in its parameters.
enum Names<'a> {
    /// None.
    None,
    /// A guest its server, or none: the only one; and the guests that it comes after.
    Guest(Option<&'a NameRef>, Vec<&'a NameRef>),
    /// A device its registers and its interrupt.
    Device(DeviceRef<'a>),
}

/// The object and what it names.
fn kind_of<'a>(info: &KindInfo, params: &mut Params<'a, '_>) -> Option<(Kind, Names<'a>)> {
    let kind = match info.name {
        "ut" => raw::untyped(params)?,
        "frame" => raw::frame(params)?,
        "ep" => Kind::Endpoint,
        "notification" => Kind::Notification,
        "cnode" => raw::cnode(params)?,
        "tcb" => Kind::Tcb(raw::tcb(params)),
        "pgd" => Kind::PageTable { level: 0 },
        "pud" => Kind::PageTable { level: 1 },
        "pd" => Kind::PageTable { level: 2 },
        "pt" => Kind::PageTable { level: 3 },
        "asid_pool" => raw::asid_pool(params),
        "irq" | "arm_irq" => raw::irq(params),
        "channel" => channel(params)?,
        "service" => Kind::Service,
        "virtio_device" => {
            let (device, names) = virtio_device(params)?;
            return Some((Kind::VirtioDevice(device), Names::Device(names)));
        }
        "mmio_device" => {
            let (device, names) = mmio_device(params)?;
            return Some((Kind::MmioDevice(device), Names::Device(names)));
        }
        "native_task" => Kind::Native(guests::native(params)?),
        "wasm_server" => Kind::Server(guests::server(params)),
        "wasm_guest" => {
            let names = Names::Guest(params.object("server"), params.objects("after"));
            return Some((Kind::Guest(Box::new(guests::guest(params)?)), names));
        }
        _ => return None,
    };
    Some((kind, Names::None))
}

fn channel(params: &mut Params<'_, '_>) -> Option<Kind> {
    let bytes = params.bytes_positional("a channel", "64k")?;
    let page = u64::from(atoll_abi::PAGE);
    let fitting = u32::try_from(bytes.value).ok();
    match fitting.filter(|&fitting| fitting > 0 && bytes.value.is_multiple_of(page)) {
        Some(fitting) => Some(Kind::Channel {
            bytes: Spanned::new(fitting, bytes.span),
        }),
        None => {
            let message = format!("a channel cannot have {} bytes", bytes.value);
            let help = "its size is a multiple of 64k, the page of WebAssembly, and less than 4G";
            params.wrong(bytes.span, message, help);
            None
        }
    }
}
