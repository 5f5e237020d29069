// SPDX-License-Identifier: BSD-2-Clause
//! Reading a blob object by object.

use heapless::Vec;

use super::{BlobError, MAX_OBJECTS, Object, ObjectId, check_header, take};

/// A compiled spec, read object by object: a decoded [`Spec`](super::Spec) takes hundreds of kilobytes, this
/// four bytes an object.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    /// [`Spec::file`](super::Spec::file).
    pub file: &'a str,
    /// [`Spec::archive_key`](super::Spec::archive_key).
    pub archive_key: [u8; 32],
    /// Where each object starts in `bytes`.
    offsets: Vec<u32, MAX_OBJECTS>,
}

impl<'a> Reader<'a> {
    /// Checks a whole blob, as [`Spec::read`](super::Spec::read) does.
    ///
    /// # Errors
    /// See [`BlobError`].
    pub fn new(bytes: &'a [u8]) -> Result<Self, BlobError> {
        type Head<'a> = ([u8; 4], u32, &'a str, [u8; 32]);
        check_header(bytes)?;
        // From here on this follows the fields of `Spec` in their order; a sequence is its length
        // and its elements.
        let ((_, _, file, archive_key), rest) = take::<Head<'a>>(bytes)?;
        let (count, mut rest) = take::<u32>(rest)?;
        let mut offsets = Vec::new();
        for _ in 0..count {
            offsets
                .push((bytes.len() - rest.len()) as u32)
                .map_err(|_| BlobError::Undecodable)?;
            (_, rest) = take::<Object<'a>>(rest)?;
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
mod tests {
    extern crate std;

    use super::*;
    use crate::blob::{Cap, Kind, MAGIC, Restart, Rights, Spec, Start, VERSION, WasmGuest};
    use crate::blob::{Group, Groups, Limits};

    /// Runs a test on a stack that a whole `Spec` fits on several times.
    fn with_room(test: impl FnOnce() + Send + 'static) {
        std::thread::Builder::new()
            .stack_size(32 << 20)
            .spawn(test)
            .unwrap()
            .join()
            .unwrap();
    }

    const GROUPS: Groups = Groups::NONE.with(Group::Time).with(Group::Introspect);
    const LIMITS: Limits = Limits {
        children: 3,
        ..Limits::DEFAULT
    };

    /// Encodes a spec of `count` untypeds, a guest and a service into `room` and returns the message.
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
            caps.push(Cap {
                slot: "memory",
                line: 9,
                target: ObjectId(i),
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
        let kind = Kind::WasmGuest(WasmGuest {
            server: ObjectId(1),
            module: "m",
            prio: 100,
            stack: 65536,
            deadline_ms: Some(1 << 20),
            start: Start::Demand,
            restart: Restart::Transient,
            groups: GROUPS,
            limits: LIMITS,
            args: Vec::new(),
            env: Vec::new(),
        });
        for (name, kind) in [("guest", kind), ("clock", Kind::Service)] {
            let object = Object {
                name,
                line: 1000,
                kind,
                caps: Vec::new(),
            };
            spec.objects.push(object).unwrap();
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
            assert_eq!(reader.iter().count(), 42);
            for ((id, read), (other, object)) in reader.iter().zip(spec.iter()) {
                assert_eq!(id, other);
                assert_eq!(read.line, object.line);
                assert_eq!(
                    read.caps.first().map(|cap| cap.target),
                    object.caps.first().map(|cap| cap.target)
                );
            }
            let Some(Kind::WasmGuest(guest)) = reader.object(ObjectId(40)).map(|o| o.kind) else {
                panic!("no guest")
            };
            assert_eq!((guest.groups, guest.limits), (GROUPS, LIMITS));
            let service = reader.object(ObjectId(41)).map(|o| o.kind);
            assert!(matches!(service, Some(Kind::Service)));
            assert!(reader.object(ObjectId(42)).is_none());
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
