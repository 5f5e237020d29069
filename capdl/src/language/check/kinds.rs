// SPDX-License-Identifier: BSD-2-Clause
//! The object types and their parameters.

/// An object type that a spec can use.
#[derive(Debug)]
pub struct KindInfo {
    /// Its name in the text.
    pub name: &'static str,
    /// The parameter without a name, if it has one.
    pub positional: Positional,
    /// Parameters with a name.
    pub params: &'static [&'static str],
    /// Parameters that are one word.
    pub flags: &'static [&'static str],
    /// Parameters, with or without a value, that capDL or the design has and this does not.
    pub planned: &'static [&'static str],
}

/// The parameter without a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Positional {
    /// There is none.
    None,
    /// `12 bits`
    Bits,
    /// `4k`
    Bytes,
}

/// The object types.
pub const KINDS: [KindInfo; 20] = [
    KindInfo {
        name: "ut",
        positional: Positional::Bits,
        params: &["paddr"],
        flags: &["leftover"],
        planned: &[],
    },
    KindInfo {
        name: "frame",
        positional: Positional::Bytes,
        params: &["paddr", "fill"],
        flags: &[],
        planned: &[],
    },
    KindInfo {
        name: "ep",
        positional: Positional::None,
        params: &[],
        flags: &[],
        planned: &[],
    },
    KindInfo {
        name: "notification",
        positional: Positional::None,
        params: &[],
        flags: &[],
        planned: &[],
    },
    KindInfo {
        name: "cnode",
        positional: Positional::Bits,
        params: &[],
        flags: &[],
        planned: &[],
    },
    KindInfo {
        name: "tcb",
        positional: Positional::None,
        params: &[
            "addr", "ip", "sp", "prio", "max_prio", "affinity", "dom", "resume", "fault_ep", "init",
        ],
        flags: &[],
        planned: &[],
    },
    KindInfo {
        name: "pgd",
        positional: Positional::None,
        params: &[],
        flags: &[],
        planned: &[],
    },
    KindInfo {
        name: "pud",
        positional: Positional::None,
        params: &[],
        flags: &[],
        planned: &[],
    },
    KindInfo {
        name: "pd",
        positional: Positional::None,
        params: &[],
        flags: &[],
        planned: &[],
    },
    KindInfo {
        name: "pt",
        positional: Positional::None,
        params: &[],
        flags: &[],
        planned: &[],
    },
    KindInfo {
        name: "asid_pool",
        positional: Positional::None,
        params: &["asid_high"],
        flags: &[],
        planned: &[],
    },
    KindInfo {
        name: "irq",
        positional: Positional::None,
        params: &[],
        flags: &[],
        planned: &[],
    },
    KindInfo {
        name: "arm_irq",
        positional: Positional::None,
        params: &["trigger", "target"],
        flags: &[],
        planned: &[],
    },
    KindInfo {
        name: "channel",
        positional: Positional::Bytes,
        params: &[],
        flags: &[],
        planned: &["park", "drop", "single_writer"],
    },
    KindInfo {
        name: "service",
        positional: Positional::None,
        params: &[],
        flags: &[],
        planned: &[],
    },
    KindInfo {
        name: "virtio_device",
        positional: Positional::None,
        params: &["mmio", "irq"],
        flags: &[],
        planned: &[],
    },
    KindInfo {
        name: "mmio_device",
        positional: Positional::None,
        params: &["registers", "irq"],
        flags: &[],
        planned: &[],
    },
    KindInfo {
        name: "native_task",
        positional: Positional::None,
        params: &["program", "prio", "stack", "heap", "restart", "args"],
        flags: &[],
        planned: &[],
    },
    KindInfo {
        name: "wasm_server",
        positional: Positional::None,
        params: &["prio", "heap", "restart"],
        flags: &[],
        planned: &[],
    },
    KindInfo {
        name: "wasm_guest",
        positional: Positional::None,
        params: &[
            "server",
            "module",
            "prio",
            "stack",
            "deadline",
            "start",
            "after",
            "restart",
            "args",
            "env",
            "handles",
            "timers",
            "regions",
            "windows",
            "children",
            "tokens",
            "table_elements",
            "modules",
        ],
        flags: &[],
        planned: &["group"],
    },
];

/// Object types of capDL for this architecture, or of the design, that a spec cannot use, each with the reason.
pub const REFUSED_KINDS: [(&str, &str, &str); 7] = [
    (
        "vcpu",
        "this kernel has no virtual machines",
        "run the program as a `native_task`",
    ),
    (
        "sc",
        "this kernel has no scheduling contexts",
        "who runs is decided by priorities: `prio: 100`",
    ),
    (
        "rtreply",
        "this kernel has no reply objects",
        "remove it: the kernel makes a reply capability at each call",
    ),
    (
        "smc",
        "this kernel has no calls of the firmware",
        "remove it: the kernel is built without them",
    ),
    (
        "arm_sgi_signal",
        "this kernel has no capabilities for interrupts between cores",
        "use a `notification`",
    ),
    (
        "streamid",
        "this kernel has no IOMMU",
        "let a guest drive the device: `virtio_device (mmio: …, irq: …)`",
    ),
    (
        "contextbank",
        "this kernel has no IOMMU",
        "let a guest drive the device: `virtio_device (mmio: …, irq: …)`",
    ),
];

/// Object types of capDL for other architectures.
pub const FOREIGN_KINDS: [&str; 8] = [
    "ioapic_irq",
    "msi_irq",
    "pml4",
    "pdpt",
    "io_ports",
    "io_device",
    "io_pt",
    "arm_io_device",
];

/// Names that capDL reserves for authorities of the kernel, each with why nobody is given it.
pub const RESERVED_OBJECTS: [(&str, &str, &str); 6] = [
    (
        "irq_control",
        "who holds `irq_control` could take every interrupt",
        "name the interrupts that are meant: `uart = irq`",
    ),
    (
        "asid_control",
        "`asid_control` stays with the root task, which makes all pools",
        "declare a pool and hold it: `pool = asid_pool`",
    ),
    (
        "io_space_master",
        "this kernel has no IOMMU",
        "let a guest drive the device: `virtio_device (mmio: …, irq: …)`",
    ),
    (
        "sched_control",
        "this kernel has no scheduling contexts",
        "who runs is decided by priorities: `prio: 100`",
    ),
    (
        "sgi_signal",
        "this kernel has no capabilities for interrupts between cores",
        "use a `notification`",
    ),
    (
        "domain",
        "this kernel has one domain",
        "who runs is decided by priorities: `prio: 100`",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../README.md");

    /// The page that describes the language has a row for every object type, with each parameter somewhere.
    #[test]
    fn the_readme_has_every_type_and_parameter() {
        for kind in &KINDS {
            let row = |line: &str| {
                let types = line
                    .strip_prefix("| ")
                    .and_then(|line| line.split(" |").next());
                types.is_some_and(|types| types.contains(&format!("`{}`", kind.name)))
            };
            assert!(PAGE.lines().any(row), "{}", kind.name);
            for name in kind.params.iter().chain(kind.flags).chain(kind.planned) {
                let named = [
                    format!("`{name}`"),
                    format!("`{name}:"),
                    format!(" {name}:"),
                ];
                assert!(
                    named.iter().any(|named| PAGE.contains(named)),
                    "{} {name}",
                    kind.name
                );
            }
        }
    }

    #[test]
    fn the_readme_says_what_is_refused() {
        let (_, refused) = PAGE
            .split_once("## What capDL has and this has not")
            .unwrap();
        let kinds = REFUSED_KINDS.iter().map(|kind| kind.0);
        for name in kinds.chain(RESERVED_OBJECTS.iter().map(|object| object.0)) {
            assert!(refused.contains(&format!("`{name}`")), "{name}");
        }
    }
}
