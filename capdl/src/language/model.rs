// SPDX-License-Identifier: BSD-2-Clause
//! What a spec means: names resolved, arrays expanded, defaults filled in.

use super::span::{Span, Spanned};
use crate::blob::{CapData, Group, Limits, Restart, Rights, Start, Trigger};

/// An object.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its name; `name[i]` for an element of an array.
    pub name: String,
    /// Where its name is declared.
    pub span: Span,
    /// The untyped that the text declares it in, by its index, and where.
    pub within: Option<Spanned<usize>>,
    /// What it is.
    pub kind: Kind,
    /// The capabilities it holds.
    pub caps: Vec<Cap>,
}

/// What an object is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// `ut`
    Untyped {
        /// log2 of its bytes.
        bits: u8,
        /// Physical address, if the text names one.
        paddr: Option<u64>,
    },
    /// `ut (leftover)`
    Leftover,
    /// `frame`
    Frame {
        /// log2 of its bytes.
        bits: u8,
        /// Physical address, if the text names one.
        paddr: Option<u64>,
        /// What is in it from the start.
        fill: Vec<Fill>,
    },
    /// `ep`
    Endpoint,
    /// `notification`
    Notification,
    /// `cnode`
    CNode {
        /// log2 of its slots.
        bits: u8,
    },
    /// `pgd`, `pud`, `pd`, `pt`: a page table of level 0 to 3
    PageTable {
        /// 0: the root of a VSpace.
        level: u8,
    },
    /// `asid_pool`
    AsidPool,
    /// `tcb`
    Tcb(Tcb),
    /// `irq` and `arm_irq`
    Irq {
        /// Its number, once `irq maps` has given one.
        number: Option<Spanned<u32>>,
        /// How it tells, if the text says so.
        trigger: Option<Trigger>,
    },
    /// `channel`
    Channel {
        /// Its bytes.
        bytes: Spanned<u32>,
    },
    /// `service`
    Service,
    /// `virtio_device`
    VirtioDevice(Device),
    /// `mmio_device`
    MmioDevice(Device),
    /// `native_task`
    Native(Native),
    /// `wasm_server`
    Server(Server),
    /// `wasm_guest`
    Guest(Box<Guest>),
    /// Declared, but wrongly: nothing more is said about it.
    Broken,
}

/// A part of a file in a frame.
#[derive(Clone, Debug)]
pub struct Fill {
    /// Bytes from the start of the frame.
    pub offset: u32,
    /// How many bytes.
    pub len: u32,
    /// Name of the file.
    pub file: Spanned<String>,
    /// Bytes from the start of the file.
    pub file_offset: u64,
}

/// A thread.
#[derive(Clone, Debug)]
pub struct Tcb {
    /// Address of its IPC buffer, if it has one.
    pub addr: Option<Spanned<u64>>,
    /// Where it starts, if the text says so.
    pub ip: Option<Spanned<u64>>,
    /// Its stack pointer.
    pub sp: u64,
    /// Its priority.
    pub prio: u8,
    /// The highest priority that it may give.
    pub max_prio: u8,
    /// Whether it runs at once.
    pub resume: bool,
    /// Address in its CSpace of the endpoint for its faults; none: a fault stops it.
    pub fault_ep: Option<Spanned<u64>>,
    /// Its first registers.
    pub init: Vec<u64>,
}

/// A program for seL4 that the root task starts.
#[derive(Clone, Debug)]
pub struct Native {
    /// Name of its ELF file.
    pub program: Spanned<String>,
    /// Priority of its first thread.
    pub prio: u8,
    /// Bytes of the first thread's stack.
    pub stack: u32,
    /// Bytes of heap.
    pub heap: u32,
    /// What happens when it faults.
    pub restart: Restart,
    /// Arguments.
    pub args: Vec<String>,
}

/// A device that a guest drives.
#[derive(Clone, Debug)]
pub struct Device {
    /// The frame of its registers; none: that has been complained about.
    pub frame: Option<usize>,
    /// Where in the frame they start.
    pub offset: u32,
    /// Where the frame is named.
    pub registers: Span,
    /// Its interrupt; none: that has been complained about.
    pub irq: Option<usize>,
    /// Where the interrupt is named.
    pub interrupt: Span,
}

/// A process server.
#[derive(Clone, Debug)]
pub struct Server {
    /// Priority of its service threads.
    pub prio: u8,
    /// Bytes of heap.
    pub heap: u32,
    /// What happens when it faults.
    pub restart: Restart,
}

/// A guest.
#[derive(Clone, Debug)]
pub struct Guest {
    /// The server that runs it; none: that has been complained about.
    pub server: Option<usize>,
    /// Name of its module.
    pub module: Spanned<String>,
    /// Priority of its thread.
    pub prio: Spanned<u8>,
    /// Bytes of native stack.
    pub stack: Spanned<u32>,
    /// Milliseconds it may run.
    pub deadline_ms: Option<u32>,
    /// When it starts.
    pub start: Start,
    /// The guests that are started before it, by their indices.
    pub after: Vec<Spanned<usize>>,
    /// How many guests one after the other are started before it.
    pub rank: u16,
    /// What happens when it ends.
    pub restart: Restart,
    /// The groups of hostcalls that it is granted, each with the place where.
    pub groups: Vec<(Group, Span)>,
    /// How much it may have of what.
    pub limits: Limits,
    /// Where `handles` is given, if it is.
    pub handles: Option<Span>,
    /// Arguments.
    pub args: Vec<String>,
    /// Environment.
    pub env: Vec<String>,
}

/// A capability.
#[derive(Clone, Debug)]
pub struct Cap {
    /// Its slot.
    pub slot: String,
    /// Where it is written.
    pub span: Span,
    /// The object that it designates, by its index.
    pub target: usize,
    /// What it allows.
    pub rights: Rights,
    /// What else there is to it.
    pub data: CapData,
}

impl Cap {
    /// The number of its slot, if that is one.
    pub fn number(&self) -> Option<u64> {
        self.slot.parse().ok()
    }
}

impl Guest {
    /// Where it is granted a group of hostcalls, if it is.
    pub fn granted(&self, group: Group) -> Option<Span> {
        let mut groups = self.groups.iter();
        groups.find_map(|&(granted, span)| (granted == group).then_some(span))
    }
}

impl Kind {
    /// log2 of the bytes that the kernel makes the object of; none: it is not made of memory, or of several objects.
    pub fn size_bits(&self) -> Option<u8> {
        // `seL4_SlotBits` and the `seL4_…Bits` of each object, AArch64 without hypervisor and MCS.
        Some(match self {
            Self::Untyped { bits, .. } | Self::Frame { bits, .. } => *bits,
            Self::Endpoint => 4,
            Self::Notification => 5,
            Self::CNode { bits } => bits + 5,
            Self::PageTable { .. } | Self::AsidPool => 12,
            Self::Tcb(_) => 11,
            _ => return None,
        })
    }

    /// The parts of a device, if it is one.
    pub const fn device(&self) -> Option<&Device> {
        match self {
            Self::VirtioDevice(device) | Self::MmioDevice(device) => Some(device),
            _ => None,
        }
    }

    /// The object type, with its article.
    pub fn describe(&self) -> &'static str {
        match self {
            Self::Untyped { .. } => "an untyped",
            Self::Leftover => "what is left of memory",
            Self::Frame { .. } => "a frame",
            Self::Endpoint => "an endpoint",
            Self::Notification => "a notification",
            Self::CNode { .. } => "a CNode",
            Self::PageTable { level: 0 } => "a VSpace",
            Self::PageTable { .. } => "a page table",
            Self::AsidPool => "an ASID pool",
            Self::Tcb(_) => "a thread",
            Self::Irq { .. } => "an interrupt",
            Self::Channel { .. } => "a channel",
            Self::Service => "a service",
            Self::VirtioDevice(_) => "a virtio device",
            Self::MmioDevice(_) => "an MMIO device",
            Self::Native(_) => "a native task",
            Self::Server(_) => "a process server",
            Self::Guest(_) => "a guest",
            Self::Broken => "an object",
        }
    }
}

impl Object {
    /// Its name, for an element that of its array.
    pub fn array(&self) -> &str {
        self.name.split('[').next().unwrap_or_default()
    }

    /// The object in the slot `memory`.
    pub fn memory(&self) -> Option<(usize, Span)> {
        let memory = self.caps.iter().find(|cap| cap.slot == "memory")?;
        Some((memory.target, memory.span))
    }
}
