// SPDX-License-Identifier: BSD-2-Clause
//! The compiled form of a spec.

use super::model::{self, Object};
use super::span::line;
use crate::blob;

/// Encodes a checked spec; none if it does not fit the blob's tables, which the checker has made sure of.
pub fn emit(file: &str, text: &str, key: &[u8; 32], objects: &[Object]) -> Option<Vec<u8>> {
    let mut writer = blob::Writer::new(file, key, objects.len())?;
    for object in objects {
        let mut caps = Vec::new();
        for cap in &object.caps {
            caps.push(blob::Cap {
                slot: &cap.slot,
                line: line(text, cap.span.start),
                target: object_id(objects, cap.target)?,
                rights: cap.rights,
                data: blob::CapData::None,
            });
        }
        let place = (&*object.name, line(text, object.span.start));
        writer.object(place, None, kind(objects, object)?, caps)?;
    }
    Some(writer.finish())
}

fn kind<'a>(objects: &'a [Object], object: &'a Object) -> Option<blob::Kind<'a>> {
    Some(match &object.kind {
        model::Kind::Untyped { bits, paddr } => blob::Kind::Untyped {
            size_bits: *bits,
            paddr: *paddr,
        },
        model::Kind::Frame { bits, paddr } => blob::Kind::Frame {
            size_bits: *bits,
            paddr: *paddr,
            fill: heapless::Vec::new(),
        },
        model::Kind::Endpoint => blob::Kind::Endpoint,
        model::Kind::Notification => blob::Kind::Notification,
        model::Kind::Irq { number } => blob::Kind::Irq {
            number: number.as_ref()?.value,
            trigger: None,
        },
        model::Kind::Channel { bytes } => blob::Kind::Channel { bytes: bytes.value },
        model::Kind::Service => blob::Kind::Service,
        model::Kind::VirtioDevice(device) => blob::Kind::VirtioDevice {
            frame: object_id(objects, device.frame?)?,
            offset: device.offset,
            irq: object_id(objects, device.irq?)?,
        },
        model::Kind::Server(server) => blob::Kind::WasmServer(blob::WasmServer {
            prio: server.prio,
            heap: server.heap,
            restart: server.restart,
        }),
        model::Kind::Guest(guest) => blob::Kind::WasmGuest(blob::WasmGuest {
            server: object_id(objects, guest.server?)?,
            module: &guest.module.value,
            prio: guest.prio.value,
            stack: guest.stack.value,
            deadline_ms: guest.deadline_ms,
            start: guest.start,
            restart: guest.restart,
            groups: guest.groups.iter().map(|&(group, _)| group).collect(),
            limits: guest.limits.clone(),
            args: strings(&guest.args)?,
            env: strings(&guest.env)?,
        }),
        model::Kind::Broken => return None,
    })
}

fn strings(strings: &[String]) -> Option<heapless::Vec<&str, { blob::MAX_STRINGS }>> {
    let mut all = heapless::Vec::new();
    for string in strings {
        all.push(&**string).ok()?;
    }
    Some(all)
}

fn object_id(objects: &[Object], id: usize) -> Option<blob::ObjectId> {
    objects.get(id)?;
    u16::try_from(id).ok().map(blob::ObjectId)
}
