// SPDX-License-Identifier: BSD-2-Clause
//! Words and numbers of the report.

use capdl::blob::{CapData, Restart, Rights};
use capdl::language::model::Kind;

/// An object type, as the text has it.
pub fn type_name(kind: &Kind) -> &'static str {
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
pub fn bare(described: &'static str) -> &'static str {
    let words = described.split_once(' ');
    words.map_or(described, |(_, name)| name)
}

/// A restart policy, as the text has it.
pub fn restart(restart: Restart) -> &'static str {
    match restart {
        Restart::Permanent => "permanent",
        Restart::Transient => "transient",
        Restart::Temporary => "temporary",
    }
}

/// Rights as the letters of the text.
pub fn letters(rights: Rights) -> String {
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
pub fn data(data: CapData) -> String {
    match data {
        CapData::None => String::new(),
        CapData::Badge(badge) => format!("badge {badge:#x}"),
        CapData::Guard { bits, value } => format!("guard {value:#x} of {bits} bits"),
        CapData::Uncached => "uncached".into(),
    }
}

/// An address that the text names, behind what is there.
pub fn at(paddr: Option<u64>) -> String {
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
