// SPDX-License-Identifier: BSD-2-Clause
//! The compiled spec: what the host tool writes and the root task and the servers read.
//!
//! One postcard message. Strings borrow from the message and tables are bounded, so that a reader
//! needs no heap. Objects refer to each other by [`ObjectId`], their index in [`Spec::objects`];
//! the checker has resolved every name, range and array of the text before this is written, but a
//! reader still treats an index out of range as an error ([`Spec::object`]).

use heapless::Vec;
use serde::{Deserialize, Serialize};

/// First bytes of the blob, so that a wrong payload is named as such.
pub const MAGIC: [u8; 4] = *b"CDLB";
/// Changes whenever a type below does.
pub const VERSION: u32 = 1;

/// Most objects in one system.
pub const MAX_OBJECTS: usize = 192;
/// Most capabilities in one object.
pub const MAX_CAPS: usize = 32;
/// Most arguments, and most environment entries, of one guest.
pub const MAX_STRINGS: usize = 16;

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
    /// What it designates.
    pub target: Target,
    /// What it allows.
    pub rights: Rights,
    /// Badge, 0 if none.
    pub badge: u64,
}

/// What a capability designates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// An object of the spec.
    Object(ObjectId),
    /// A group of hostcalls (guests only).
    Hostcalls(HostcallGroup),
}

/// The hostcall groups that a guest can be granted, each by its name in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostcallGroup {
    /// `processes`
    Processes,
    /// `shared_memory`
    SharedMemory,
    /// `wake`
    Wake,
    /// `time`
    Time,
    /// `log`
    Log,
    /// `introspect`: what benchmarks and `top` need.
    Introspect,
}

impl HostcallGroup {
    /// Every group.
    pub const ALL: [Self; 6] = [
        Self::Processes,
        Self::SharedMemory,
        Self::Wake,
        Self::Time,
        Self::Log,
        Self::Introspect,
    ];

    /// Its name in the text.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Processes => "processes",
            Self::SharedMemory => "shared_memory",
            Self::Wake => "wake",
            Self::Time => "time",
            Self::Log => "log",
            Self::Introspect => "introspect",
        }
    }
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
        // The header first: the rest of another version would decode to nonsense.
        let (magic, rest) =
            postcard::take_from_bytes::<[u8; 4]>(bytes).map_err(|_| BlobError::Undecodable)?;
        if magic != MAGIC {
            return Err(BlobError::NotASpec);
        }
        let (version, _) =
            postcard::take_from_bytes::<u32>(rest).map_err(|_| BlobError::Undecodable)?;
        if version != VERSION {
            return Err(BlobError::OtherVersion(version));
        }
        postcard::take_from_bytes(bytes)
            .map(|(spec, _)| spec)
            .map_err(|_| BlobError::Undecodable)
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

/// The same message, read object by object: a decoded [`Spec`] takes hundreds of kilobytes, this
/// four bytes an object.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    /// [`Spec::file`].
    pub file: &'a str,
    /// [`Spec::archive_key`].
    pub archive_key: [u8; 32],
    /// Where each object starts in `bytes`.
    offsets: Vec<u32, MAX_OBJECTS>,
}

impl<'a> Reader<'a> {
    /// Checks a whole blob, as [`Spec::read`] does.
    ///
    /// # Errors
    /// See [`BlobError`].
    pub fn new(bytes: &'a [u8]) -> Result<Self, BlobError> {
        type Head<'a> = ([u8; 4], u32, &'a str, [u8; 32]);
        let (magic, rest) =
            postcard::take_from_bytes::<[u8; 4]>(bytes).map_err(|_| BlobError::Undecodable)?;
        if magic != MAGIC {
            return Err(BlobError::NotASpec);
        }
        let (version, _) =
            postcard::take_from_bytes::<u32>(rest).map_err(|_| BlobError::Undecodable)?;
        if version != VERSION {
            return Err(BlobError::OtherVersion(version));
        }
        // From here on this follows the fields of `Spec` in their order; a sequence is its length
        // and its elements.
        let ((_, _, file, archive_key), rest) =
            postcard::take_from_bytes::<Head<'a>>(bytes).map_err(|_| BlobError::Undecodable)?;
        let (count, mut rest) =
            postcard::take_from_bytes::<u32>(rest).map_err(|_| BlobError::Undecodable)?;
        let mut offsets = Vec::new();
        for _ in 0..count {
            offsets
                .push((bytes.len() - rest.len()) as u32)
                .map_err(|_| BlobError::Undecodable)?;
            (_, rest) = postcard::take_from_bytes::<Object<'a>>(rest)
                .map_err(|_| BlobError::Undecodable)?;
        }
        Ok(Self {
            bytes,
            file,
            archive_key,
            offsets,
        })
    }

    /// The object with this id.
    pub fn object(&self, id: ObjectId) -> Option<Object<'a>> {
        let offset = *self.offsets.get(usize::from(id.0))?;
        postcard::from_bytes(self.bytes.get(offset as usize..)?).ok()
    }

    /// Every object with its id.
    pub fn iter(&self) -> impl Iterator<Item = (ObjectId, Object<'a>)> {
        (0..self.offsets.len() as u16)
            .filter_map(|i| Some((ObjectId(i), self.object(ObjectId(i))?)))
    }
}

#[cfg(test)]
mod reader_tests {
    extern crate std;

    use super::*;

    /// Runs a test on a stack that a whole `Spec` fits on several times.
    fn with_room(test: impl FnOnce() + Send + 'static) {
        std::thread::Builder::new()
            .stack_size(32 << 20)
            .spawn(test)
            .unwrap()
            .join()
            .unwrap();
    }

    /// Encodes a spec of `count` objects into `room` and returns the message.
    fn message(room: &mut [u8], count: u16) -> &[u8] {
        let mut spec = Spec {
            magic: MAGIC,
            version: VERSION,
            file: "a.cdl",
            archive_key: [7; 32],
            objects: Vec::new(),
        };
        for i in 0..count {
            let mut caps = Vec::new();
            let target = Target::Object(ObjectId(i));
            caps.push(Cap {
                slot: "memory",
                line: 9,
                target,
                rights: Rights::default(),
                badge: 3,
            })
            .unwrap();
            let kind = Kind::Untyped {
                size_bits: i as u8,
                paddr: Some(1 << 40),
            };
            spec.objects
                .push(Object {
                    name: "ut",
                    line: 300 + u32::from(i),
                    kind,
                    caps,
                })
                .unwrap();
        }
        postcard::to_slice(&spec, room).unwrap()
    }

    #[test]
    fn reads_what_spec_reads() {
        with_room(|| {
            let mut room = [0; 4096];
            let bytes = message(&mut room, 40);
            let reader = Reader::new(bytes).unwrap();
            let spec = Spec::read(bytes).unwrap();
            assert_eq!(
                (reader.file, reader.archive_key),
                (spec.file, spec.archive_key)
            );
            assert_eq!(reader.iter().count(), 40);
            for ((id, read), (other, object)) in reader.iter().zip(spec.iter()) {
                assert_eq!(id, other);
                assert_eq!(
                    (read.line, read.caps[0].target),
                    (object.line, object.caps[0].target)
                );
            }
            assert!(reader.object(ObjectId(40)).is_none());
        });
    }

    #[test]
    fn refuses_every_truncation() {
        with_room(|| {
            let mut room = [0; 4096];
            let bytes = message(&mut room, 3);
            for len in 0..bytes.len() {
                assert!(Reader::new(&bytes[..len]).is_err(), "{len} bytes");
            }
        });
    }

    #[test]
    fn refuses_another_version() {
        with_room(|| {
            let mut room = [0; 4096];
            let len = message(&mut room, 1).len();
            room[4] = VERSION as u8 + 1;
            assert_eq!(
                Reader::new(&room[..len]).err(),
                Some(BlobError::OtherVersion(VERSION + 1))
            );
            room[0] = b'X';
            assert_eq!(Reader::new(&room[..len]).err(), Some(BlobError::NotASpec));
        });
    }
}
