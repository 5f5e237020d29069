// SPDX-License-Identifier: BSD-2-Clause
//! The compiled spec: what the host tool writes and the root task and the servers read.
//!
//! A postcard message that needs no heap to be read: [`MAGIC`], [`VERSION`], the name of the text, the
//! key of the archive, then the objects, each with its capabilities behind it ([`Caps`]). Strings borrow from
//! the message. Objects refer to each other by [`ObjectId`], their place in the message; the checker has
//! resolved every name, range and array of the text before this is written, but a reader still treats
//! an id without an object as an error ([`Reader::object`]).

mod caps;
mod reader;
#[cfg(feature = "write")]
mod writer;

pub use atoll_abi::{Group, Groups, Limits};
use heapless::Vec;
use serde::{Deserialize, Serialize};

pub use caps::{Cap, CapData, Caps, Rights};
pub use reader::Reader;
#[cfg(feature = "write")]
pub use writer::Writer;

/// First bytes of the blob, so that a wrong payload is named as such.
pub const MAGIC: [u8; 4] = *b"CDLB";
/// Changes whenever a type below does.
pub const VERSION: u32 = 7;

/// Most objects in one system.
pub const MAX_OBJECTS: usize = 1024;
/// Most process servers and native tasks together.
pub const MAX_PROGRAMS: usize = 16;
/// Most capabilities of one program or guest; CNodes and page tables have as many as slots.
pub const MAX_CAPS: usize = 32;
/// Most arguments, and most environment entries, of one guest or native task.
pub const MAX_STRINGS: usize = 16;
/// Most parts of files that one frame is filled with.
pub const MAX_FILLS: usize = 4;
/// Most words that a thread starts with on its stack (`init: […]`).
pub const MAX_INIT: usize = 8;

/// Bytes of registers of one virtio-mmio device, and how far apart two are in a frame: the whole
/// layout of virtio 1.2, section 4.2.2, and the configuration space from 0x100 on.
pub const VIRTIO_SLOT: u32 = 0x200;
/// Bytes of registers of a device that has its frame to itself.
pub const REGISTER_BYTES: u32 = 0x1000;

/// Place of an object in the spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectId(pub u16);

/// One named object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Object<'a> {
    /// Its name in the text; elements of an array are `name[i]`.
    pub name: &'a str,
    /// Line of its declaration, from 1.
    pub line: u32,
    /// The untyped that the text declares it in; none: any memory will do.
    pub within: Option<ObjectId>,
    /// What it is.
    #[serde(borrow)]
    pub kind: Kind<'a>,
    /// The capabilities it holds.
    #[serde(borrow)]
    pub caps: Caps<'a>,
}

/// What an object is. Sizes are powers of two, in bits.
#[expect(
    clippy::large_enum_variant,
    reason = "readers have no heap to box the guests in"
)]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Kind<'a> {
    /// Untyped memory; `paddr` where the text fixes it.
    Untyped {
        /// log2 of the size in bytes.
        size_bits: u8,
        /// Physical address, if the text names one.
        paddr: Option<u64>,
    },
    /// What is left of the machine's untypeds when everything else has been made. Its capabilities
    /// in a holder stand for all of them; one object only holds it.
    Leftover,
    /// A frame of 4K (12), 2M (21) or 1G (30); with `paddr` usually a device's registers.
    Frame {
        /// log2 of the size in bytes.
        size_bits: u8,
        /// Physical address, if the text names one.
        paddr: Option<u64>,
        /// What is in it from the start; the rest is zero.
        #[serde(borrow)]
        fill: Vec<Fill<'a>, MAX_FILLS>,
    },
    /// An endpoint.
    Endpoint,
    /// A notification.
    Notification,
    /// A CNode; the slots of its capabilities are numbers.
    CNode {
        /// log2 of its slots.
        size_bits: u8,
    },
    /// A page table; the slots of its capabilities are the numbers of its entries, and what they
    /// designate are the tables of the next level or frames.
    PageTable {
        /// 0: a VSpace (`pgd`), 1: `pud`, 2: `pd`, 3: `pt`.
        level: u8,
    },
    /// An ASID pool. Its capabilities are VSpaces that get their identifiers from it.
    AsidPool,
    /// A thread. Its capabilities have the slots `cspace`, `vspace`, `ipc_buffer_slot`,
    /// `bound_notification` and `fault_ep_slot`; what the last is for, `fault_ep` says as well.
    Tcb(Tcb),
    /// An interrupt line. Its capability `0`, if it has one, is the notification that it signals.
    Irq {
        /// Number at the interrupt controller.
        number: u32,
        /// How the line tells; none: as the kernel finds it.
        trigger: Option<Trigger>,
    },
    /// Memory that several guests have windows onto.
    Channel {
        /// Bytes; a multiple of the 64 KiB wasm page.
        bytes: u32,
    },
    /// A name that one guest at a time provides a service under, and that others look up. On the
    /// capabilities to it R looks up, W provides and G shares.
    Service,
    /// A device behind a virtio-mmio slot (virtio 1.2, section 4.2), driven by the guest that holds
    /// it. The guest's server must hold `frame` and `irq` itself: it keeps the device's real
    /// virtqueues, and no guest sees the registers. On the capabilities to it R looks at the
    /// device and W drives it.
    VirtioDevice {
        /// The device frame that the slot's registers are in.
        frame: ObjectId,
        /// Bytes from the start of `frame` to the registers, a multiple of [`VIRTIO_SLOT`].
        offset: u32,
        /// Its interrupt.
        irq: ObjectId,
    },
    /// A device that is registers and an interrupt, without a way to memory, driven by the guest that holds
    /// it. The guest's server must hold `frame` and `irq` itself: it makes each access to a register in the
    /// guest's place. On the capabilities to it there are R and W, together.
    MmioDevice {
        /// The device frame that is its registers: [`REGISTER_BYTES`].
        frame: ObjectId,
        /// Its interrupt.
        irq: ObjectId,
    },
    /// A program for seL4, given as an ELF file, that the root task starts beside the servers.
    NativeTask(#[serde(borrow)] NativeTask<'a>),
    /// A process server.
    WasmServer(WasmServer),
    /// A guest. On the capabilities to it R sees it, W starts and stops it, G gives to it and takes from it.
    WasmGuest(#[serde(borrow)] WasmGuest<'a>),
}

/// A part of a file in a frame: `{offset len CDL_FrameFill_FileData "file" file_offset}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill<'a> {
    /// Bytes from the start of the frame.
    pub offset: u32,
    /// How many bytes; what the file has less stays zero.
    pub len: u32,
    /// Name of the file in the boot image.
    pub file: &'a str,
    /// Bytes from the start of the file.
    pub file_offset: u64,
}

/// How an interrupt line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trigger {
    /// By a level, until it is handled.
    Level,
    /// By an edge.
    Edge,
}

/// Parameters of a thread.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tcb {
    /// Address of its IPC buffer, 0 if it has none.
    pub addr: u64,
    /// Where it starts.
    pub ip: u64,
    /// Its stack pointer.
    pub sp: u64,
    /// Its priority.
    pub prio: u8,
    /// The highest priority that it may give.
    pub max_prio: u8,
    /// Whether it runs at once.
    pub resume: bool,
    /// Capability pointer, in its own CSpace, of the endpoint for its faults; 0: none, a fault stops it.
    pub fault_ep: u64,
    /// Its first registers from x0 on.
    pub init: Vec<u64, MAX_INIT>,
}

/// Parameters of a native task.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NativeTask<'a> {
    /// Name of its ELF file in the boot image.
    pub program: &'a str,
    /// Priority of its first thread, and the highest that it may give.
    pub prio: u8,
    /// Bytes of the first thread's stack.
    pub stack: u32,
    /// Bytes of heap.
    pub heap: u32,
    /// What happens when it faults.
    pub restart: Restart,
    /// Its arguments.
    pub args: Vec<&'a str, MAX_STRINGS>,
}

/// Parameters of a process server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WasmServer {
    /// Priority of its service threads; every guest of it runs below.
    pub prio: u8,
    /// Bytes of heap.
    pub heap: u32,
    /// What happens when it faults.
    pub restart: Restart,
}

/// What happens when a server or guest ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Restart {
    /// Always started again.
    Permanent,
    /// Started again when it failed.
    Transient,
    /// Never started again.
    Temporary,
}

/// When a guest is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Start {
    /// With the server.
    Boot,
    /// When a guest asks for it that holds it with W, and is granted `processes`.
    Demand,
}

/// Parameters of a guest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WasmGuest<'a> {
    /// The server that runs it.
    pub server: ObjectId,
    /// Name of its module in the archive.
    pub module: &'a str,
    /// Priority of its thread.
    pub prio: u8,
    /// Bytes of its native stack.
    pub stack: u32,
    /// Milliseconds after its start when it is ended by force; none: never.
    pub deadline_ms: Option<u32>,
    /// When it starts: `start: boot` (the default) or `start: demand`, by another guest.
    pub start: Start,
    /// Its turn among the guests of its server that start at boot: those with lower numbers start first.
    pub rank: u16,
    /// What happens when it ends.
    pub restart: Restart,
    /// The groups of hostcalls that it is granted.
    pub groups: Groups,
    /// How much of each thing of the server it may have at a time.
    pub limits: Limits,
    /// Its arguments.
    pub args: Vec<&'a str, MAX_STRINGS>,
    /// Its environment, `KEY=value`.
    pub env: Vec<&'a str, MAX_STRINGS>,
}

/// Why a blob was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobError {
    /// Not a postcard message of this form.
    Undecodable,
    /// [`MAGIC`] is missing.
    NotASpec,
    /// [`VERSION`] differs: the tool and this program are of different builds.
    OtherVersion(u32),
}

/// Decodes the value that `bytes` start with; returns what is behind it as well.
fn take<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<(T, &'a [u8]), BlobError> {
    postcard::take_from_bytes(bytes).map_err(|_| BlobError::Undecodable)
}
