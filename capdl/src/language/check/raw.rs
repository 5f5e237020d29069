// SPDX-License-Identifier: BSD-2-Clause
//! The parameters of the kernel's own objects.

use super::params::Params;
use crate::blob::{MAX_FILLS, MAX_INIT, Trigger};
use crate::language::ast::{Quantity, Value, ValueKind};
use crate::language::model::{Fill, Kind, Tcb};
use crate::language::span::Spanned;

/// Least and largest size of an untyped, in bits (seL4's `seL4_MinUntypedBits`, `seL4_MaxUntypedBits`
/// on 64-bit Arm).
const UNTYPED_BITS: std::ops::RangeInclusive<u64> = 4..=47;
/// Frame sizes of AArch64 with 4 KiB pages, in bits.
const FRAME_BITS: [u32; 3] = [12, 21, 30];
/// seL4 5.0.0 takes no physical address from here on.
const PADDR_LIMIT: u64 = 0x80_0000_0000;
/// Least and largest size of a CNode, in bits: two slots, and as many as the largest untyped has room for.
const CNODE_BITS: std::ops::RangeInclusive<u64> = 1..=42;
/// IPC buffers are aligned to their size, in bits (seL4's `seL4_IPCBufferSizeBits`).
const IPC_BUFFER_BITS: u32 = 10;

const THREAD_PRIO: u8 = 100;
const TRIGGER: [(&str, Trigger); 2] = [("level", Trigger::Level), ("edge", Trigger::Edge)];
const BOOL: [(&str, bool); 2] = [("true", true), ("false", false)];

/// An untyped, or all that are left.
pub fn untyped(params: &mut Params<'_, '_>) -> Option<Kind> {
    if params.flag("leftover").is_some() {
        let place = params.value("paddr").map(|value| value.span);
        if let Some(span) = params.size().or(place) {
            let message = "what is left has the size and the place that it has";
            params.wrong(span, message, "write `ut (leftover)`");
            return None;
        }
        return Some(Kind::Leftover);
    }
    if params.has("leftover") {
        // That has been complained about.
        return None;
    }
    let bits = params.bits("an untyped", "24 bits")?;
    if !UNTYPED_BITS.contains(&bits.value) {
        let message = format!("an untyped cannot have {} bits", bits.value);
        params.wrong(bits.span, message, "its size goes from 4 to 47 bits");
        return None;
    }
    let paddr = paddr(params, bits.value as u8);
    Some(Kind::Untyped {
        bits: bits.value as u8,
        paddr,
    })
}

/// A frame.
pub fn frame(params: &mut Params<'_, '_>) -> Option<Kind> {
    let bytes = params.bytes_positional("a frame", "4k")?;
    let bits = bytes.value.checked_ilog2().unwrap_or(0);
    if !FRAME_BITS.contains(&bits) || bytes.value != 1 << bits {
        let message = format!("a frame cannot have {} bytes", bytes.value);
        params.wrong(bytes.span, message, "its size is 4k, 2M or 1G");
        return None;
    }
    let paddr = paddr(params, bits as u8);
    let fill = fills(params, bytes.value);
    if let (Some(value), Some(_)) = (params.value("fill"), params.value("paddr")) {
        let message = "a frame with a `paddr` is not filled: it may be a device's";
        params.wrong(value.span, message, "leave `paddr` out: any memory will do");
    }
    Some(Kind::Frame {
        bits: bits as u8,
        paddr,
        fill,
    })
}

/// How what a frame is filled with is written.
const FILL: &str = "write `fill: [{0 4096 CDL_FrameFill_FileData \"file\" 0}]`: place in the frame, bytes, file, place in the file";

fn fills(params: &mut Params<'_, '_>, bytes: u64) -> Vec<Fill> {
    let Some(value) = params.value("fill") else {
        return Vec::new();
    };
    let ValueKind::List(values) = &value.kind else {
        params.wrong(value.span, "`fill` is a list of parts of files", FILL);
        return Vec::new();
    };
    if values.len() > MAX_FILLS {
        let message = format!(
            "`fill` has {} entries, {MAX_FILLS} are possible",
            values.len()
        );
        params.wrong(
            value.span,
            message,
            "put what belongs together into one file",
        );
        return Vec::new();
    }
    let mut fills: Vec<Fill> = Vec::new();
    for value in values {
        let Some(fill) = fill(params, value, bytes) else {
            continue;
        };
        let end = |fill: &Fill| fill.offset + fill.len;
        let overlap = |other: &&Fill| fill.offset < end(other) && other.offset < end(&fill);
        if fills.iter().any(|other| overlap(&other)) {
            let message = "this part of the frame is filled twice";
            params.wrong(
                value.span,
                message,
                "move one of the parts, or make it shorter",
            );
        }
        fills.push(fill);
    }
    fills
}

fn fill(params: &mut Params<'_, '_>, value: &Value, bytes: u64) -> Option<Fill> {
    let number = |value: &Value| match &value.kind {
        ValueKind::Quantity(Quantity { number, unit: None }) => Some(*number),
        _ => None,
    };
    let entries = match &value.kind {
        ValueKind::Record(entries) => &entries[..],
        _ => &[],
    };
    if let [_, _, kind, ..] = entries
        && let ValueKind::Name(word) = &kind.kind
        && word.name.value == "CDL_FrameFill_BootInfo"
    {
        let message = "frames are not filled with the kernel's boot information";
        let help =
            "it stays with the root task; fill the frame with a file: `CDL_FrameFill_FileData`";
        params.wrong(kind.span, message, help);
        return None;
    }
    let parts = match entries {
        [offset, len, kind, file, file_offset] => (|| {
            let ValueKind::Name(word) = &kind.kind else {
                return None;
            };
            let ValueKind::Text(name) = &file.kind else {
                return None;
            };
            let is_file = word.name.value == "CDL_FrameFill_FileData";
            let name = Spanned::new(name.clone(), file.span);
            is_file.then_some((number(offset)?, number(len)?, name, number(file_offset)?))
        })(),
        _ => None,
    };
    let Some((offset, len, file, file_offset)) = parts else {
        params.wrong(value.span, "this is no part of a file", FILL);
        return None;
    };
    if offset.checked_add(len).is_none_or(|end| end > bytes) {
        let message = format!("{len:#x} bytes from {offset:#x} on are more than the frame has");
        let help = format!("the frame has {bytes:#x} bytes: fill the next one with the rest");
        params.wrong(value.span, message, help);
        return None;
    }
    Some(Fill {
        offset: u32::try_from(offset).ok()?,
        len: u32::try_from(len).ok()?,
        file,
        file_offset,
    })
}

/// A CNode.
pub fn cnode(params: &mut Params<'_, '_>) -> Option<Kind> {
    let bits = params.bits("a CNode", "8 bits")?;
    if !CNODE_BITS.contains(&bits.value) {
        let message = format!("a CNode cannot have {} bits", bits.value);
        params.wrong(
            bits.span,
            message,
            "it has 2 slots to the power of its bits, which go from 1 to 42",
        );
        return None;
    }
    Some(Kind::CNode {
        bits: bits.value as u8,
    })
}

/// An ASID pool.
pub fn asid_pool(params: &mut Params<'_, '_>) -> Kind {
    if let Some(value) = params.value("asid_high") {
        let message = "address space identifiers are not chosen";
        let help = "leave `asid_high` out: the root task makes each pool of the next ones";
        params.wrong(value.span, message, help);
    }
    Kind::AsidPool
}

/// A thread.
pub fn tcb(params: &mut Params<'_, '_>) -> Tcb {
    for (name, what) in [("affinity", "core"), ("dom", "domain")] {
        if let Some(number) = params.number(name, "0")
            && number.value != 0
        {
            let message = format!(
                "this kernel has one {what}: there is no {what} {}",
                number.value
            );
            params.wrong(
                number.span,
                message,
                format!("write `{name}: 0`, or leave it out"),
            );
        }
    }
    let addr = params.number("addr", "0x10000000");
    if let Some(addr) = &addr
        && !addr.value.is_multiple_of(1 << IPC_BUFFER_BITS)
    {
        let message = format!("{:#x} is no address for an IPC buffer", addr.value);
        params.wrong(addr.span, message, "it is a multiple of 0x400");
    }
    Tcb {
        addr,
        ip: params.number("ip", "0x400000"),
        sp: params.number("sp", "0x500000").map_or(0, |sp| sp.value),
        prio: params.priority_from("prio", 0, THREAD_PRIO).value,
        max_prio: params.priority_from("max_prio", 0, 0).value,
        resume: params.choice("resume", &BOOL, true),
        fault_ep: params.number("fault_ep", "1"),
        init: params.numbers("init", MAX_INIT),
    }
}

/// An interrupt.
pub fn irq(params: &mut Params<'_, '_>) -> Kind {
    if let Some(target) = params.number("target", "0")
        && target.value != 0
    {
        let message = format!(
            "this kernel has one core: there is no core {}",
            target.value
        );
        params.wrong(target.span, message, "write `target: 0`, or leave it out");
    }
    let trigger = params.value("trigger").map(|value| {
        let trigger = params.choice("trigger", &TRIGGER, Trigger::Level);
        if trigger == Trigger::Edge {
            let message = "on this kernel all interrupts tell by their level";
            params.wrong(value.span, message, "write `trigger: level`");
        }
        trigger
    });
    Kind::Irq {
        number: None,
        trigger,
    }
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
