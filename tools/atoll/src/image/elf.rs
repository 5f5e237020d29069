// SPDX-License-Identifier: BSD-2-Clause
//! Reading the programs of the image, and writing the image: 64-bit little-endian ELF, executable,
//! AArch64.

use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader, Sym};
use object::write::elf::{ProgramHeader as NewProgramHeader, Writer};
use thiserror::Error;

type Header = elf::FileHeader64<Endianness>;

/// Why a file is no program for the image.
#[derive(Debug, Error)]
pub enum ElfError {
    /// The file's structure is broken.
    #[error("not a valid 64-bit ELF file")]
    Malformed(#[from] object::read::Error),
    /// It is for something else.
    #[error("not an AArch64 program (little endian, statically linked, at a fixed address)")]
    OtherKind,
    /// It has nothing to load.
    #[error("it has no loadable segment")]
    NoSegments,
    /// Segments must be in the order of their addresses, apart from each other.
    #[error("its segments at {0:#x} and {1:#x} overlap or are out of order")]
    Overlap(u64, u64),
    /// More bytes in the file than in memory, or behind the end of the address space.
    #[error("its segment at {0:#x} has an impossible size")]
    Size(u64),
    /// The image cannot be written.
    #[error("cannot write the ELF file: {0}")]
    Write(String),
}

/// A loadable segment.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Virtual address.
    pub vaddr: u64,
    /// Physical address.
    pub paddr: u64,
    /// What the file has of it.
    pub data: &'a [u8],
    /// Bytes in memory; those behind `data` are zero.
    pub mem_size: u64,
    /// `PF_R`, `PF_W`, `PF_X`.
    pub flags: u32,
}

impl Segment<'_> {
    /// Virtual address of the first byte behind it.
    pub fn end(&self) -> u64 {
        self.vaddr + self.mem_size
    }
}

/// A program.
#[derive(Debug)]
pub struct Program<'a> {
    bytes: &'a [u8],
    header: &'a Header,
    endian: Endianness,
    /// Entry point.
    pub entry: u64,
    /// The loadable segments, by address.
    pub segments: Vec<Segment<'a>>,
}

impl<'a> Program<'a> {
    /// Reads the headers.
    ///
    /// # Errors
    /// See [`ElfError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ElfError> {
        let header = Header::parse(bytes)?;
        let endian = header.endian()?;
        if endian != Endianness::Little
            || header.e_machine(endian) != elf::EM_AARCH64
            || header.e_type(endian) != elf::ET_EXEC
        {
            return Err(ElfError::OtherKind);
        }
        let mut segments: Vec<Segment<'a>> = Vec::new();
        for program_header in header.program_headers(endian, bytes)? {
            let mem_size = program_header.p_memsz(endian);
            if program_header.p_type(endian) != elf::PT_LOAD || mem_size == 0 {
                continue;
            }
            let vaddr = program_header.p_vaddr(endian);
            let paddr = program_header.p_paddr(endian);
            let data = program_header
                .data(endian, bytes)
                .map_err(|()| ElfError::Size(vaddr))?;
            let fits = |start: u64| start.checked_add(mem_size).is_some();
            if data.len() as u64 > mem_size || !fits(vaddr) || !fits(paddr) {
                return Err(ElfError::Size(vaddr));
            }
            if let Some(last) = segments.last()
                && last.end() > vaddr
            {
                return Err(ElfError::Overlap(last.vaddr, vaddr));
            }
            let flags = program_header.p_flags(endian);
            segments.push(Segment {
                vaddr,
                paddr,
                data,
                mem_size,
                flags,
            });
        }
        if segments.is_empty() {
            return Err(ElfError::NoSegments);
        }
        Ok(Self {
            bytes,
            header,
            endian,
            entry: header.e_entry(endian),
            segments,
        })
    }

    /// Value of a symbol.
    ///
    /// # Errors
    /// The symbol table is broken.
    pub fn symbol(&self, name: &str) -> Result<Option<u64>, ElfError> {
        let sections = self.header.sections(self.endian, self.bytes)?;
        let symbols = sections.symbols(self.endian, self.bytes, elf::SHT_SYMTAB)?;
        for symbol in symbols.iter() {
            let defined = symbol.st_shndx(self.endian) != elf::SHN_UNDEF;
            if defined && symbols.symbol_name(self.endian, symbol)? == name.as_bytes() {
                return Ok(Some(symbol.st_value(self.endian)));
            }
        }
        Ok(None)
    }

    /// The same program without what no segment needs: sections, symbols, debug information. What
    /// stays keeps its place in the file, so that a loader finds the same headers and segments.
    pub fn stripped(&self) -> Result<Vec<u8>, ElfError> {
        let headers = self.header.e_phoff(self.endian)
            + u64::from(self.header.e_phnum(self.endian))
                * u64::from(self.header.e_phentsize(self.endian));
        let mut end = headers;
        for program_header in self.header.program_headers(self.endian, self.bytes)? {
            let (offset, size) = program_header.file_range(self.endian);
            let range_end = offset
                .checked_add(size)
                .ok_or(ElfError::Size(program_header.p_vaddr(self.endian)))?;
            end = end.max(range_end);
        }
        let kept = usize::try_from(end)
            .ok()
            .and_then(|end| self.bytes.get(..end));
        let mut stripped = kept.ok_or(ElfError::Size(self.entry))?.to_vec();
        // e_shoff; e_shentsize, e_shnum and e_shstrndx.
        for field in [0x28..0x30, 0x3a..0x40] {
            stripped[field].fill(0);
        }
        Ok(stripped)
    }
}

/// Writes an executable of these segments and nothing else.
///
/// # Errors
/// It would be larger than the format allows.
pub fn write(entry: u64, segments: &[Segment<'_>]) -> Result<Vec<u8>, ElfError> {
    const PAGE: u64 = 4096;
    let failed = |error: object::write::Error| ElfError::Write(error.to_string());
    let mut out = Vec::new();
    let mut writer = Writer::new(Endianness::Little, true, &mut out);

    writer.reserve_file_header();
    writer.reserve_program_headers(segments.len() as u32);
    let mut offsets = Vec::new();
    for segment in segments {
        // Loaders want the offset in the file to be that in memory, up to whole pages.
        let reserved = writer.reserved_len() as u64;
        let offset = reserved + segment.vaddr.wrapping_sub(reserved) % PAGE;
        writer.reserve_until(offset as usize);
        writer.reserve(segment.data.len(), 1);
        offsets.push(offset);
    }

    writer
        .write_file_header(&object::write::elf::FileHeader {
            os_abi: elf::ELFOSABI_NONE,
            abi_version: 0,
            e_type: elf::ET_EXEC,
            e_machine: elf::EM_AARCH64,
            e_entry: entry,
            e_flags: 0,
        })
        .map_err(failed)?;
    writer.write_align_program_headers();
    for (segment, &offset) in segments.iter().zip(&offsets) {
        writer.write_program_header(&NewProgramHeader {
            p_type: elf::PT_LOAD,
            p_flags: segment.flags,
            p_offset: offset,
            p_vaddr: segment.vaddr,
            p_paddr: segment.paddr,
            p_filesz: segment.data.len() as u64,
            p_memsz: segment.mem_size,
            p_align: PAGE,
        });
    }
    for (segment, &offset) in segments.iter().zip(&offsets) {
        writer.pad_until(offset as usize);
        writer.write(segment.data);
    }
    Ok(out)
}
