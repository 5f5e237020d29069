// SPDX-License-Identifier: BSD-2-Clause
//! Writing a blob object by object.

extern crate alloc;

use alloc::vec::Vec;

use super::{Cap, Caps, Kind, MAGIC, Object, ObjectId, VERSION};

/// Writes what a [`Reader`](super::Reader) reads.
#[derive(Clone, Debug)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Starts the spec of a text, with so many objects; none if there are too many.
    pub fn new(file: &str, key: &[u8; 32], objects: usize) -> Option<Self> {
        let count = u32::try_from(objects).ok()?;
        let head = (MAGIC, VERSION, file, key, count);
        let bytes = postcard::to_extend(&head, Vec::new()).ok()?;
        Some(Self { bytes })
    }

    /// Adds the next object and its capabilities.
    pub fn object<'a>(
        &mut self,
        (name, line): (&str, u32),
        within: Option<ObjectId>,
        kind: Kind<'_>,
        caps: impl IntoIterator<Item = Cap<'a>>,
    ) -> Option<()> {
        let mut room = Vec::new();
        for cap in caps {
            room = postcard::to_extend(&cap, room).ok()?;
        }
        let object = Object {
            name,
            line,
            within,
            kind,
            caps: Caps::of(&room),
        };
        self.bytes = postcard::to_extend(&object, core::mem::take(&mut self.bytes)).ok()?;
        Some(())
    }

    /// The message.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}
