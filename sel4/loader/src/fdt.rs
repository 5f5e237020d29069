// SPDX-License-Identifier: BSD-2-Clause
//! The one question that the loader has for the device tree: which RAM is there?
//!
//! Reads the flattened format of the Devicetree Specification v0.4, chapter 5. The blob is taken as
//! an allegation: each offset and length in it is checked, and the walk ends with the blob.

use core::fmt;
use core::ops::Range;

/// `magic` of the header.
const MAGIC: u32 = 0xd00d_feed;
/// Bytes of the header, version 17.
pub const HEADER_BYTES: usize = 40;

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROP: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;

/// Why the device tree gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// There is no device tree at the address: the magic number is missing.
    Absent,
    /// An offset or a length points outside the blob, or the structure is not well formed.
    Malformed,
    /// No `memory` node covers the address asked for.
    NoMemory,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "there is no device tree at the start of RAM",
            Self::Malformed => "the device tree is malformed",
            Self::NoMemory => "the device tree has no memory node for the start of RAM",
        })
    }
}

/// The blob's length in bytes, from its header (the first [`HEADER_BYTES`] bytes).
///
/// # Errors
/// [`Error::Absent`] without the magic number, [`Error::Malformed`] if the length does not even cover
/// the header.
pub fn total_size(header: &[u8]) -> Result<usize, Error> {
    if be32(header, 0)? != MAGIC {
        return Err(Error::Absent);
    }
    match be32(header, 4)? as usize {
        size if size >= HEADER_BYTES => Ok(size),
        _ => Err(Error::Malformed),
    }
}

/// The range of RAM that contains the physical address `address`.
///
/// # Errors
/// [`Error`], as its variants say.
pub fn memory_containing(blob: &[u8], address: u64) -> Result<Range<u64>, Error> {
    let blob = blob.get(..total_size(blob)?).ok_or(Error::Malformed)?;
    let strings = section(blob, be32(blob, 12)?, be32(blob, 32)?)?;
    let mut structure = Cursor {
        rest: section(blob, be32(blob, 8)?, be32(blob, 36)?)?,
    };

    // Cells of an address and of a size in the root's children; the values are the specification's
    // defaults (section 2.3.5).
    let (mut address_cells, mut size_cells) = (2, 1);
    // 1 within the root, 2 within a child of it.
    let mut depth = 0_usize;
    let mut is_memory = false;
    let mut reg: &[u8] = &[];
    loop {
        match structure.word()? {
            BEGIN_NODE => {
                structure.name()?;
                depth += 1;
                (is_memory, reg) = (false, &[]);
            }
            END_NODE => {
                if depth == 2 && is_memory {
                    for entry in reg.chunks_exact(4 * (address_cells + size_cells)) {
                        let (start, size) = entry.split_at(4 * address_cells);
                        let start = cells(start)?;
                        let end = start.checked_add(cells(size)?).ok_or(Error::Malformed)?;
                        if (start..end).contains(&address) {
                            return Ok(start..end);
                        }
                    }
                }
                depth = depth.checked_sub(1).ok_or(Error::Malformed)?;
                // What follows belongs to the parent, whose own properties came first.
                (is_memory, reg) = (false, &[]);
            }
            PROP => {
                let length = structure.word()? as usize;
                let name = string(strings, structure.word()? as usize)?;
                let value = structure.bytes(length)?;
                match (depth, name) {
                    (1, b"#address-cells") => address_cells = cell_count(value)?,
                    (1, b"#size-cells") => size_cells = cell_count(value)?,
                    (2, b"device_type") => is_memory = value == b"memory\0",
                    (2, b"reg") => reg = value,
                    _ => {}
                }
            }
            NOP => {}
            END => return Err(Error::NoMemory),
            _ => return Err(Error::Malformed),
        }
    }
}

/// What is left of the structure block.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn word(&mut self) -> Result<u32, Error> {
        be32(self.bytes(4)?, 0)
    }

    /// `length` bytes; the cursor goes on to the next multiple of four.
    fn bytes(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let padded = length.checked_next_multiple_of(4).ok_or(Error::Malformed)?;
        let taken = self.rest.get(..length).ok_or(Error::Malformed)?;
        self.rest = self.rest.get(padded..).ok_or(Error::Malformed)?;
        Ok(taken)
    }

    /// A node's name.
    fn name(&mut self) -> Result<&'a [u8], Error> {
        let length = string(self.rest, 0)?.len();
        self.bytes(length + 1)
    }
}

fn section(blob: &[u8], offset: u32, size: u32) -> Result<&[u8], Error> {
    let start = offset as usize;
    let end = start.checked_add(size as usize).ok_or(Error::Malformed)?;
    blob.get(start..end).ok_or(Error::Malformed)
}

/// The string at `offset`, without the zero byte that ends it.
fn string(strings: &[u8], offset: usize) -> Result<&[u8], Error> {
    let tail = strings.get(offset..).ok_or(Error::Malformed)?;
    tail.split(|byte| *byte == 0)
        .next()
        .filter(|text| text.len() < tail.len())
        .ok_or(Error::Malformed)
}

fn be32(bytes: &[u8], offset: usize) -> Result<u32, Error> {
    let tail = bytes.get(offset..).ok_or(Error::Malformed)?;
    tail.first_chunk()
        .map(|word| u32::from_be_bytes(*word))
        .ok_or(Error::Malformed)
}

/// An address or a size of one or two cells.
fn cells(bytes: &[u8]) -> Result<u64, Error> {
    match bytes.len() {
        4 => be32(bytes, 0).map(u64::from),
        8 => Ok(u64::from(be32(bytes, 0)?) << 32 | u64::from(be32(bytes, 4)?)),
        _ => Err(Error::Malformed),
    }
}

/// `#address-cells` or `#size-cells`: one or two on a machine of 64 bits.
fn cell_count(value: &[u8]) -> Result<usize, Error> {
    match be32(value, 0)? {
        count @ 1..=2 => Ok(count as usize),
        _ => Err(Error::Malformed),
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    /// Writes blobs, sound ones and others.
    struct Blob {
        structure: Vec<u8>,
        strings: Vec<u8>,
    }

    impl Blob {
        fn new() -> Self {
            Self {
                structure: Vec::new(),
                strings: Vec::new(),
            }
        }

        fn word(mut self, word: u32) -> Self {
            self.structure.extend(word.to_be_bytes());
            self
        }

        fn pad(mut self) -> Self {
            self.structure
                .resize(self.structure.len().next_multiple_of(4), 0);
            self
        }

        fn node(mut self, name: &str) -> Self {
            self = self.word(BEGIN_NODE);
            self.structure.extend(name.as_bytes());
            self.structure.push(0);
            self.pad()
        }

        fn prop(mut self, name: &str, value: &[u8]) -> Self {
            let offset = self.strings.len();
            self.strings.extend(name.as_bytes());
            self.strings.push(0);
            self = self.word(PROP).word(value.len() as u32).word(offset as u32);
            self.structure.extend(value);
            self.pad()
        }

        fn cells(self, name: &str, cells: &[u32]) -> Self {
            let value: Vec<u8> = cells.iter().flat_map(|cell| cell.to_be_bytes()).collect();
            self.prop(name, &value)
        }

        fn end_node(self) -> Self {
            self.word(END_NODE)
        }

        fn finish(self) -> Vec<u8> {
            let structure_at = HEADER_BYTES + 16;
            let strings_at = structure_at + self.structure.len();
            let total = strings_at + self.strings.len();
            let header = [
                MAGIC,
                total as u32,
                structure_at as u32,
                strings_at as u32,
                HEADER_BYTES as u32,
                17,
                16,
                0,
                self.strings.len() as u32,
                self.structure.len() as u32,
            ];
            let mut blob: Vec<u8> = header.iter().flat_map(|word| word.to_be_bytes()).collect();
            blob.resize(structure_at, 0);
            blob.extend(&self.structure);
            blob.extend(&self.strings);
            blob
        }
    }

    fn machine() -> Blob {
        Blob::new()
            .node("")
            .cells("#size-cells", &[2])
            .cells("#address-cells", &[2])
    }

    #[test]
    fn finds_memory_whatever_the_order() {
        let blob = machine()
            .node("pl011@9000000")
            .cells("reg", &[0, 0x0900_0000, 0, 0x1000])
            .node("child")
            .prop("device_type", b"memory\0")
            .cells("reg", &[0, 0x4000_0000, 0, 0x1000])
            .end_node()
            .end_node()
            .word(NOP)
            .node("memory@100000000")
            .prop("device_type", b"memory\0")
            .cells("reg", &[1, 0, 0, 0x1000_0000])
            .end_node()
            .node("memory@40000000")
            .cells("reg", &[0, 0x4000_0000, 2, 0])
            .prop("device_type", b"memory\0")
            .end_node()
            .end_node()
            .word(END)
            .finish();
        assert_eq!(
            memory_containing(&blob, 0x4000_0000),
            Ok(0x4000_0000..0x2_4000_0000)
        );
        assert_eq!(
            memory_containing(&blob, 0x1_0000_0000),
            Ok(0x1_0000_0000..0x1_1000_0000)
        );
        assert_eq!(memory_containing(&blob, 0x0900_0000), Err(Error::NoMemory));
    }

    #[test]
    fn obeys_cell_counts() {
        let blob = Blob::new()
            .node("")
            .cells("#address-cells", &[1])
            .cells("#size-cells", &[1])
            .node("memory")
            .prop("device_type", b"memory\0")
            .cells("reg", &[0x1000, 0x1000, 0x4000_0000, 0x2000])
            .end_node()
            .end_node()
            .word(END)
            .finish();
        assert_eq!(
            memory_containing(&blob, 0x4000_1000),
            Ok(0x4000_0000..0x4000_2000)
        );
    }

    #[test]
    fn refuses_other_data() {
        assert_eq!(memory_containing(&[0; 64], 0), Err(Error::Absent));
        assert_eq!(memory_containing(&[], 0), Err(Error::Malformed));
        let short = machine()
            .cells("#address-cells", &[3])
            .end_node()
            .word(END)
            .finish();
        assert_eq!(memory_containing(&short, 0), Err(Error::Malformed));
        let unopened = Blob::new().end_node().word(END).finish();
        assert_eq!(memory_containing(&unopened, 0), Err(Error::Malformed));
        let overflow = machine()
            .node("memory")
            .prop("device_type", b"memory\0")
            .cells("reg", &[u32::MAX, u32::MAX, 0, 1])
            .end_node()
            .finish();
        assert_eq!(memory_containing(&overflow, 0), Err(Error::Malformed));
    }

    /// Whatever is cut off or damaged, the walk ends with an answer and does not panic.
    #[test]
    fn survives_damage() {
        let blob = machine()
            .node("memory@40000000")
            .prop("device_type", b"memory\0")
            .cells("reg", &[0, 0x4000_0000, 0, 0x1000_0000])
            .end_node()
            .end_node()
            .word(END)
            .finish();
        for length in 0..blob.len() {
            assert!(memory_containing(&blob[..length], 0x4000_0000).is_err());
        }
        for at in 0..blob.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut damaged = blob.clone();
                damaged[at] = value;
                let _ = memory_containing(&damaged, 0x4000_0000);
            }
        }
    }
}
