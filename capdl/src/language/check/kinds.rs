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
pub const KINDS: [KindInfo; 10] = [
    KindInfo {
        name: "ut",
        positional: Positional::Bits,
        params: &["paddr"],
        planned: &[],
    },
    KindInfo {
        name: "frame",
        positional: Positional::Bytes,
        params: &["paddr"],
        planned: &["fill"],
    },
    KindInfo {
        name: "ep",
        positional: Positional::None,
        params: &[],
        planned: &[],
    },
    KindInfo {
        name: "notification",
        positional: Positional::None,
        params: &[],
        planned: &[],
    },
    KindInfo {
        name: "irq",
        positional: Positional::None,
        params: &[],
        planned: &[],
    },
    KindInfo {
        name: "channel",
        positional: Positional::Bytes,
        params: &[],
        planned: &["park", "drop", "single_writer"],
    },
    KindInfo {
        name: "service",
        positional: Positional::None,
        params: &[],
        planned: &[],
    },
    KindInfo {
        name: "virtio_device",
        positional: Positional::None,
        params: &["mmio", "irq"],
        planned: &[],
    },
    KindInfo {
        name: "wasm_server",
        positional: Positional::None,
        params: &["prio", "heap", "restart"],
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
        planned: &["group", "after"],
    },
];

/// Object types of capDL for this architecture, or of the design, that a spec cannot use.
pub const PLANNED_KINDS: [&str; 16] = [
    "tcb",
    "cnode",
    "pt",
    "pd",
    "pud",
    "pgd",
    "asid_pool",
    "vcpu",
    "sc",
    "rtreply",
    "smc",
    "arm_irq",
    "arm_sgi_signal",
    "streamid",
    "contextbank",
    "mmio_device",
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

/// Object names that capDL reserves for authority that this cannot hand out.
pub const PLANNED_OBJECTS: [&str; 5] = [
    "irq_control",
    "asid_control",
    "io_space_master",
    "sched_control",
    "sgi_signal",
];
