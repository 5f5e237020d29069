// SPDX-License-Identifier: BSD-2-Clause
//! The loadable segments of a program: AArch64 ELF, statically linked, no page both writable and
//! executable (ELF-64 Object File Format 1.5; ELF for the Arm 64-bit Architecture).

use core::fmt;

use heapless::Vec;

use crate::plan::PAGE;

/// Most segments of a program.
pub const MAX_SEGMENTS: usize = 8;

/// What the pages of a segment allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read and execute.
    Execute,
    /// Read.
    Read,
    /// Read and write.
    Write,
}

/// One loadable segment.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Virtual address of its first byte.
    pub vaddr: u64,
    /// Bytes in memory; those beyond `data` are zero.
    pub size: u64,
    /// Bytes from the file.
    pub data: &'a [u8],
    /// What its pages allow.
    pub access: Access,
}

/// A program.
#[derive(Clone, Debug)]
pub struct Elf<'a> {
    /// Virtual address at which it starts.
    pub entry: u64,
    /// Its segments by address.
    pub segments: Vec<Segment<'a>, MAX_SEGMENTS>,
}

/// Why a program was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElfError {
    /// Not an ELF file, or cut short.
    NotElf,
    /// Not an AArch64 executable with fixed addresses.
    NotExecutable,
    /// More than [`MAX_SEGMENTS`] segments.
    TooManySegments,
    /// Writable and executable.
    WritableCode(u64),
    /// Outside the room for programs in the VSpace.
    OutOfRange(u64),
    /// Two segments want the same page, so it could not have the rights of both.
    SharedPage(u64),
    /// It starts outside its code.
    Entry(u64),
}

const PT_LOAD: u32 = 1;
const PF_X: u32 = 1;
const PF_W: u32 = 2;
const ET_EXEC: u16 = 2;
const EM_AARCH64: u16 = 183;
/// Bytes of a program header.
const PHDR: usize = 56;

impl<'a> Elf<'a> {
    /// Reads a program whose segments all lie in `start..end`.
    ///
    /// # Errors
    /// See [`ElfError`].
    pub fn read(file: &'a [u8], start: u64, end: u64) -> Result<Self, ElfError> {
        // Class 64, little endian, version 1.
        if file.get(..7) != Some(b"\x7fELF\x02\x01\x01".as_slice()) {
            return Err(ElfError::NotElf);
        }
        if half(file, 16)? != ET_EXEC
            || half(file, 18)? != EM_AARCH64
            || usize::from(half(file, 54)?) != PHDR
        {
            return Err(ElfError::NotExecutable);
        }
        let table = usize::try_from(long(file, 32)?).map_err(|_| ElfError::NotElf)?;
        let mut elf = Self {
            entry: long(file, 24)?,
            segments: Vec::new(),
        };
        for i in 0..usize::from(half(file, 56)?) {
            let header = table
                .checked_add(i * PHDR)
                .and_then(|at| file.get(at..))
                .ok_or(ElfError::NotElf)?;
            if word(header, 0)? != PT_LOAD || long(header, 40)? == 0 {
                continue;
            }
            let segment = Segment::read(file, header)?;
            let last = segment
                .vaddr
                .checked_add(segment.size - 1)
                .ok_or(ElfError::OutOfRange(segment.vaddr))?;
            if segment.vaddr < start || last >= end {
                return Err(ElfError::OutOfRange(segment.vaddr));
            }
            if elf.segments.iter().any(|other| segment.shares_page(other)) {
                return Err(ElfError::SharedPage(segment.vaddr));
            }
            elf.segments
                .push(segment)
                .map_err(|_| ElfError::TooManySegments)?;
        }
        let code = |s: &Segment<'_>| {
            s.access == Access::Execute && elf.entry.wrapping_sub(s.vaddr) < s.size
        };
        if !elf.segments.iter().any(code) {
            return Err(ElfError::Entry(elf.entry));
        }
        elf.segments.sort_unstable_by_key(|segment| segment.vaddr);
        Ok(elf)
    }
}

impl<'a> Segment<'a> {
    fn read(file: &'a [u8], header: &[u8]) -> Result<Self, ElfError> {
        let offset = usize::try_from(long(header, 8)?).map_err(|_| ElfError::NotElf)?;
        let in_file = usize::try_from(long(header, 32)?).map_err(|_| ElfError::NotElf)?;
        let end = offset.checked_add(in_file).ok_or(ElfError::NotElf)?;
        let data = file.get(offset..end).ok_or(ElfError::NotElf)?;
        let (vaddr, size) = (long(header, 16)?, long(header, 40)?);
        if size < in_file as u64 {
            return Err(ElfError::NotElf);
        }
        let flags = word(header, 4)?;
        let access = match (flags & PF_W != 0, flags & PF_X != 0) {
            (true, true) => return Err(ElfError::WritableCode(vaddr)),
            (true, false) => Access::Write,
            (false, true) => Access::Execute,
            (false, false) => Access::Read,
        };
        Ok(Self {
            vaddr,
            size,
            data,
            access,
        })
    }

    /// Address of its first page.
    pub fn first_page(&self) -> u64 {
        self.vaddr & !(PAGE - 1)
    }

    /// How many pages it touches.
    pub fn pages(&self) -> u64 {
        (self.vaddr + self.size - self.first_page()).div_ceil(PAGE)
    }

    /// What the file puts on page `index`: where on the page, and the bytes.
    pub fn page(&self, index: u64) -> (usize, &'a [u8]) {
        let page = self.first_page() + index * PAGE;
        let from = page.max(self.vaddr) - self.vaddr;
        let to = (page + PAGE - self.vaddr).min(self.data.len() as u64);
        let bytes = self
            .data
            .get(from as usize..to as usize)
            .unwrap_or_default();
        ((page.max(self.vaddr) - page) as usize, bytes)
    }

    fn shares_page(&self, other: &Segment<'_>) -> bool {
        let end = |s: &Segment<'_>| s.first_page() + s.pages() * PAGE;
        self.first_page() < end(other) && other.first_page() < end(self)
    }
}

fn half(bytes: &[u8], at: usize) -> Result<u16, ElfError> {
    field(bytes, at).map(u16::from_le_bytes)
}

fn word(bytes: &[u8], at: usize) -> Result<u32, ElfError> {
    field(bytes, at).map(u32::from_le_bytes)
}

fn long(bytes: &[u8], at: usize) -> Result<u64, ElfError> {
    field(bytes, at).map(u64::from_le_bytes)
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], ElfError> {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .ok_or(ElfError::NotElf)
}

impl fmt::Display for ElfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotElf => f.write_str("it is not an ELF file, or cut short"),
            Self::NotExecutable => {
                f.write_str("it is not an AArch64 executable of fixed addresses (ET_EXEC)")
            }
            Self::TooManySegments => write!(f, "it has more than {MAX_SEGMENTS} segments"),
            Self::WritableCode(at) => {
                write!(f, "its segment at {at:#x} is both writable and executable")
            }
            Self::OutOfRange(at) => {
                write!(f, "its segment at {at:#x} is outside the room for programs")
            }
            Self::SharedPage(at) => write!(f, "its segment at {at:#x} shares a page with another"),
            Self::Entry(at) => write!(f, "its entry point {at:#x} is outside its code"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 0x1_0000;
    const END: u64 = 0x4000_0000;

    /// `(flags, vaddr, file size, memory size)`; every segment's bytes start at file offset 0.
    fn file(entry: u64, segments: &[(u32, u64, u64, u64)]) -> std::vec::Vec<u8> {
        let mut f = std::vec::Vec::from(*b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
        f.extend(2u16.to_le_bytes());
        f.extend(183u16.to_le_bytes());
        f.extend(1u32.to_le_bytes());
        f.extend(entry.to_le_bytes());
        f.extend(64u64.to_le_bytes());
        f.extend(0u64.to_le_bytes());
        f.extend(0u32.to_le_bytes());
        for half in [64u16, 56, segments.len() as u16, 0, 0, 0] {
            f.extend(half.to_le_bytes());
        }
        for &(flags, vaddr, in_file, size) in segments {
            f.extend(PT_LOAD.to_le_bytes());
            f.extend(flags.to_le_bytes());
            for long in [0, vaddr, vaddr, in_file, size, PAGE] {
                f.extend(long.to_le_bytes());
            }
        }
        f.resize(0x3000, 0xaa);
        f
    }

    const RX: u32 = 5;
    const RW: u32 = 6;

    #[test]
    fn pages_of_a_segment() {
        let file = file(
            0x20_0100,
            &[
                (RX, 0x20_0100, 0x1f80, 0x1f80),
                (RW, 0x20_3000, 0x10, 0x2010),
            ],
        );
        let elf = Elf::read(&file, START, END).unwrap();
        let [text, data] = &elf.segments[..] else {
            panic!("two segments")
        };
        assert_eq!(
            (text.access, text.first_page(), text.pages()),
            (Access::Execute, 0x20_0000, 3)
        );
        assert_eq!(text.page(0), (0x100, &file[..0xf00]));
        assert_eq!(text.page(1), (0, &file[0xf00..0x1f00]));
        assert_eq!(text.page(2), (0, &file[0x1f00..0x1f80]));
        assert_eq!((data.access, data.pages()), (Access::Write, 3));
        assert_eq!(data.page(0), (0, &file[..0x10]));
        assert_eq!(data.page(1).1.len(), 0);
        assert_eq!(data.page(2).1.len(), 0);
    }

    #[test]
    fn refuses_what_it_cannot_protect() {
        let read = |segments: &[_]| {
            Elf::read(&file(0x20_0000, segments), START, END)
                .map(|_| ())
                .unwrap_err()
        };
        assert_eq!(
            read(&[(7, 0x20_0000, 16, 16)]),
            ElfError::WritableCode(0x20_0000)
        );
        assert_eq!(
            read(&[(RX, 0x20_0000, 16, 16), (RW, 0x20_0800, 16, 16)]),
            ElfError::SharedPage(0x20_0800)
        );
        assert_eq!(read(&[(RX, 0x100, 16, 16)]), ElfError::OutOfRange(0x100));
        assert_eq!(
            read(&[(RX, END - 8, 16, 16)]),
            ElfError::OutOfRange(END - 8)
        );
        assert_eq!(
            read(&[(RX, u64::MAX, 16, 16)]),
            ElfError::OutOfRange(u64::MAX)
        );
        assert_eq!(read(&[(RW, 0x20_0000, 16, 16)]), ElfError::Entry(0x20_0000));
        assert_eq!(read(&[(RX, 0x20_0000, 17, 16)]), ElfError::NotElf);
        assert_eq!(read(&[(RX, 0x20_0000, 0x4000, 0x4000)]), ElfError::NotElf);
        let many: std::vec::Vec<_> = (0..9).map(|i| (RX, 0x20_0000 + i * PAGE, 16, 16)).collect();
        assert_eq!(read(&many), ElfError::TooManySegments);
    }

    #[test]
    fn refuses_every_truncation() {
        let whole = file(0x20_0000, &[(RX, 0x20_0000, 0x200, 0x200)]);
        for len in 0..0x200 {
            assert_eq!(
                Elf::read(&whole[..len], START, END).map(|_| ()),
                Err(ElfError::NotElf),
                "{len} bytes"
            );
        }
        assert!(Elf::read(&whole[..0x200], START, END).is_ok());
    }
}
