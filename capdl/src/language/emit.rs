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
                data: cap.data,
            });
        }
        let place = (&*object.name, line(text, object.span.start));
        let within = match &object.within {
            Some(untyped) => Some(object_id(objects, untyped.value)?),
            None => None,
        };
        writer.object(place, within, kind(objects, object)?, caps)?;
    }
    Some(writer.finish())
}

fn kind<'a>(objects: &'a [Object], object: &'a Object) -> Option<blob::Kind<'a>> {
    Some(match &object.kind {
        model::Kind::Untyped { bits, paddr } => blob::Kind::Untyped {
            size_bits: *bits,
            paddr: *paddr,
        },
        model::Kind::Leftover => blob::Kind::Leftover,
        model::Kind::Frame { bits, paddr, fill } => blob::Kind::Frame {
            size_bits: *bits,
            paddr: *paddr,
            fill: fills(fill)?,
        },
        model::Kind::Endpoint => blob::Kind::Endpoint,
        model::Kind::Notification => blob::Kind::Notification,
        model::Kind::CNode { bits } => blob::Kind::CNode { size_bits: *bits },
        model::Kind::PageTable { level } => blob::Kind::PageTable { level: *level },
        model::Kind::AsidPool => blob::Kind::AsidPool,
        model::Kind::Tcb(tcb) => blob::Kind::Tcb(thread(tcb)?),
        model::Kind::Irq { number, trigger } => blob::Kind::Irq {
            number: number.as_ref()?.value,
            trigger: *trigger,
        },
        model::Kind::Channel { bytes } => blob::Kind::Channel { bytes: bytes.value },
        model::Kind::Service => blob::Kind::Service,
        model::Kind::VirtioDevice(device) => blob::Kind::VirtioDevice {
            frame: object_id(objects, device.frame?)?,
            offset: device.offset,
            irq: object_id(objects, device.irq?)?,
        },
        model::Kind::MmioDevice(device) => blob::Kind::MmioDevice {
            frame: object_id(objects, device.frame?)?,
            irq: object_id(objects, device.irq?)?,
        },
        model::Kind::Native(task) => blob::Kind::NativeTask(blob::NativeTask {
            program: &task.program.value,
            prio: task.prio,
            stack: task.stack,
            heap: task.heap,
            restart: task.restart,
            args: strings(&task.args)?,
        }),
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
            rank: guest.rank,
            restart: guest.restart,
            groups: guest.groups.iter().map(|&(group, _)| group).collect(),
            limits: guest.limits.clone(),
            args: strings(&guest.args)?,
            env: strings(&guest.env)?,
        }),
        model::Kind::Broken => return None,
    })
}

fn fills(fills: &[model::Fill]) -> Option<heapless::Vec<blob::Fill<'_>, { blob::MAX_FILLS }>> {
    let mut all = heapless::Vec::new();
    for fill in fills {
        let fill = blob::Fill {
            offset: fill.offset,
            len: fill.len,
            file: &fill.file.value,
            file_offset: fill.file_offset,
        };
        all.push(fill).ok()?;
    }
    Some(all)
}

fn thread(tcb: &model::Tcb) -> Option<blob::Tcb> {
    let number = |value: &Option<super::Spanned<u64>>| value.as_ref().map_or(0, |v| v.value);
    Some(blob::Tcb {
        addr: number(&tcb.addr),
        ip: number(&tcb.ip),
        sp: tcb.sp,
        prio: tcb.prio,
        max_prio: tcb.max_prio,
        resume: tcb.resume,
        fault_ep: number(&tcb.fault_ep),
        init: heapless::Vec::from_slice(&tcb.init).ok()?,
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
