// SPDX-License-Identifier: BSD-2-Clause
//! The compiled spec: what the host tool writes and the root task and the servers read.
//!
//! One postcard message. Strings borrow from the message and tables are bounded, so that a reader
//! needs no heap. Objects refer to each other by [`ObjectId`], their index in [`Spec::objects`];
//! the checker has resolved every name, range and array of the text before this is written, but a
//! reader still treats an index out of range as an error ([`Spec::object`]).

mod reader;

pub use atoll_abi::{Group, Groups, Limits};
use heapless::Vec;
use serde::{Deserialize, Serialize};

pub use reader::Reader;

/// First bytes of the blob, so that a wrong payload is named as such.
pub const MAGIC: [u8; 4] = *b"CDLB";
/// Changes whenever a type below does.
pub const VERSION: u32 = 4;

/// Most objects in one system.
pub const MAX_OBJECTS: usize = 192;
/// Most capabilities in one object.
pub const MAX_CAPS: usize = 32;
/// Most arguments, and most environment entries, of one guest.
pub const MAX_STRINGS: usize = 16;

/// Bytes of registers of one virtio-mmio device, and how far apart two are in a frame: the whole
/// layout of virtio 1.2, section 4.2.2, and the configuration space from 0x100 on.
pub const VIRTIO_SLOT: u32 = 0x200;

/// Index into [`Spec::objects`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectId(pub u16);

/// A whole system.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec<'a> {
    /// [`MAGIC`].
    pub magic: [u8; 4],
    /// [`VERSION`].
    pub version: u32,
    /// Name of the source file, for messages.
    pub file: &'a str,
    /// ed25519 public key that the module archive must be signed with.
    pub archive_key: [u8; 32],
    /// Every object, in the order of the text.
    #[serde(borrow)]
    pub objects: Vec<Object<'a>, MAX_OBJECTS>,
}

/// One named object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Object<'a> {
    /// Its name in the text; elements of an array are `name[i]`.
    pub name: &'a str,
    /// Line of its declaration, from 1.
    pub line: u32,
    /// What it is.
    #[serde(borrow)]
    pub kind: Kind<'a>,
    /// The capabilities it holds.
    #[serde(borrow)]
    pub caps: Vec<Cap<'a>, MAX_CAPS>,
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
    /// A frame of 4K (12), 2M (21) or 1G (30); with `paddr` usually a device's registers.
    Frame {
        /// log2 of the size in bytes.
        size_bits: u8,
        /// Physical address, if the text names one.
        paddr: Option<u64>,
    },
    /// An endpoint.
    Endpoint,
    /// A notification.
    Notification,
    /// An interrupt line.
    Irq {
        /// Number at the interrupt controller.
        number: u32,
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
    /// A process server.
    WasmServer(WasmServer),
    /// A guest.
    WasmGuest(#[serde(borrow)] WasmGuest<'a>),
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
    /// When a guest that holds `processes` asks for it by name.
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

/// One capability of an object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cap<'a> {
    /// Name of the slot, as in `memory: ut_x`; a decimal number for a numeric slot.
    pub slot: &'a str,
    /// Line in the text, from 1.
    pub line: u32,
    /// The object that it designates.
    pub target: ObjectId,
    /// What it allows.
    pub rights: Rights,
    /// Badge, 0 if none.
    pub badge: u64,
}

/// Rights of a capability, as the letters R, W, G and P of capDL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// R
    pub read: bool,
    /// W
    pub write: bool,
    /// G (or X)
    pub grant: bool,
    /// P
    pub grant_reply: bool,
}

/// Why a blob was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobError {
    /// Not a postcard message of this type.
    Undecodable,
    /// [`Spec::magic`] differs.
    NotASpec,
    /// [`Spec::version`] differs: the tool and this program are of different builds.
    OtherVersion(u32),
}

impl<'a> Spec<'a> {
    /// Reads a blob; bytes after the message are ignored, since it is padded to whole pages.
    ///
    /// # Errors
    /// See [`BlobError`].
    pub fn read(bytes: &'a [u8]) -> Result<Self, BlobError> {
        check_header(bytes)?;
        take(bytes).map(|(spec, _)| spec)
    }

    /// The object with this id.
    pub fn object(&self, id: ObjectId) -> Option<&Object<'a>> {
        self.objects.get(usize::from(id.0))
    }

    /// Every object with its id.
    pub fn iter(&self) -> impl Iterator<Item = (ObjectId, &Object<'a>)> {
        self.objects
            .iter()
            .enumerate()
            .map(|(i, o)| (ObjectId(i as u16), o))
    }
}

/// Refuses what is no spec of this [`VERSION`], before the rest is decoded to nonsense.
fn check_header(bytes: &[u8]) -> Result<(), BlobError> {
    let (magic, rest) = take::<[u8; 4]>(bytes)?;
    if magic != MAGIC {
        return Err(BlobError::NotASpec);
    }
    match take::<u32>(rest)?.0 {
        VERSION => Ok(()),
        other => Err(BlobError::OtherVersion(other)),
    }
}

/// Decodes the value that `bytes` start with; returns what is behind it as well.
fn take<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<(T, &'a [u8]), BlobError> {
    postcard::take_from_bytes(bytes).map_err(|_| BlobError::Undecodable)
}
