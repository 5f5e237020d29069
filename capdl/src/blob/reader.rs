// SPDX-License-Identifier: BSD-2-Clause
//! Reading a blob object by object.

use heapless::Vec;

use super::{BlobError, MAGIC, MAX_OBJECTS, Object, ObjectId, VERSION, take};

/// A compiled spec, decoded object by object: all of it at once would take hundreds of kilobytes, this takes
/// four bytes an object.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    /// Name of the source file, for messages.
    pub file: &'a str,
    /// ed25519 public key that the module archive must be signed with.
    pub archive_key: [u8; 32],
    /// Where each object starts in `bytes`.
    offsets: Vec<u32, MAX_OBJECTS>,
}

impl<'a> Reader<'a> {
    /// Checks a whole blob; bytes behind the message are ignored, since it is padded to whole pages.
    ///
    /// # Errors
    /// See [`BlobError`].
    pub fn new(bytes: &'a [u8]) -> Result<Self, BlobError> {
        type Head<'a> = ([u8; 4], u32, &'a str, [u8; 32]);
        check_header(bytes)?;
        let ((_, _, file, archive_key), rest) = take::<Head<'a>>(bytes)?;
        let (count, mut rest) = take::<u32>(rest)?;
        let mut offsets = Vec::new();
        for _ in 0..count {
            offsets
                .push((bytes.len() - rest.len()) as u32)
                .map_err(|_| BlobError::Undecodable)?;
            let object;
            (object, rest) = take::<Object<'a>>(rest)?;
            if !object.caps.is_whole() {
                return Err(BlobError::Undecodable);
            }
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

#[cfg(test)]
mod tests;
