// SPDX-License-Identifier: BSD-2-Clause
//! What came with the root task: spec, module archive, programs, files.

use boot_image::root::{HEADER_BYTES, Header, MAGIC, Named, Part};
use root_task::plan::PAGE;
use root_task::problem::Problem;

use crate::raw;

/// Bytes of the boot image, and the frames they are in.
#[derive(Clone, Copy)]
pub struct Bytes {
    /// The bytes.
    pub bytes: &'static [u8],
    /// Slot of the first frame; the others follow slot by slot.
    pub frames: usize,
}

impl Bytes {
    /// How many frames.
    pub fn pages(self) -> usize {
        self.bytes.len().div_ceil(PAGE as usize)
    }
}

/// The parts of the payload.
pub struct Payload {
    /// The compiled spec.
    pub spec: Bytes,
    /// The signed module archive.
    pub archive: Bytes,
    header: Header,
    whole: Bytes,
}

impl Payload {
    /// Finds the parts.
    pub fn read(bootinfo: &sel4::BootInfoPtr) -> Result<Self, Problem> {
        let whole = raw::payload(bootinfo).ok_or(Problem::NoPayload)?;
        let header = whole.bytes.get(..HEADER_BYTES).ok_or(Problem::NoPayload)?;
        let (header, _) =
            postcard::take_from_bytes::<Header>(header).map_err(|_| Problem::NoPayload)?;
        if header.magic != MAGIC {
            return Err(Problem::NoPayload);
        }
        let spec = whole.part(header.spec, "spec")?;
        let archive = whole.part(header.archive, "module archive")?;
        Ok(Self {
            spec,
            archive,
            header,
            whole,
        })
    }

    /// A program by name.
    pub fn program(&self, name: &'static str) -> Result<&'static [u8], Problem> {
        self.named(&self.header.programs, "programs", name)?
            .ok_or(Problem::NoProgram(name))
    }

    /// A file by name.
    pub fn file(&self, name: &'static str) -> Result<&'static [u8], Problem> {
        self.named(&self.header.files, "files", name)?
            .ok_or(Problem::NoFile(name))
    }

    fn named(
        &self,
        table: &[Named],
        what: &'static str,
        name: &str,
    ) -> Result<Option<&'static [u8]>, Problem> {
        match table.iter().find(|named| named.name == name) {
            Some(named) => Ok(Some(self.whole.part(named.part, what)?.bytes)),
            None => Ok(None),
        }
    }
}

impl Bytes {
    /// A part that starts on a page of its own.
    fn part(self, part: Part, name: &'static str) -> Result<Self, Problem> {
        let range = usize::try_from(part.offset)
            .ok()
            .zip(usize::try_from(part.len).ok());
        let bytes = range
            .filter(|(offset, _)| offset.is_multiple_of(PAGE as usize))
            .and_then(|(offset, len)| self.bytes.get(offset..offset.checked_add(len)?))
            .ok_or(Problem::PayloadTruncated(name))?;
        Ok(Self {
            bytes,
            frames: self.frames + (part.offset / PAGE) as usize,
        })
    }
}
