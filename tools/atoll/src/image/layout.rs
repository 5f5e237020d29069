// SPDX-License-Identifier: BSD-2-Clause
//! What goes where in the image.

use std::path::Path;

use boot_image::{loader, root};
use serde::Serialize;

use super::elf::{Program, Segment, write};
use super::{ImageError, in_file};

const PAGE: u64 = 4096;

/// The user image: the root task and its payload.
#[derive(Debug)]
pub struct User {
    /// Virtual address of its first page.
    pub vaddr: u64,
    /// Entry point of the root task.
    pub entry: u64,
    /// Whole pages.
    pub bytes: Vec<u8>,
    /// How many of the bytes are the root task's.
    pub root_task: usize,
}

/// Lays out the root task and what comes with it.
///
/// # Errors
/// A name or a table is too long, or the root task was linked wrongly.
pub fn user_image(
    root_task: &Program<'_>,
    path: &Path,
    spec: &[u8],
    archive: &[u8],
    programs: &[(&str, Vec<u8>)],
    files: &[(&str, Vec<u8>)],
) -> Result<User, ImageError> {
    let (Some(first), Some(last)) = (root_task.segments.first(), root_task.segments.last()) else {
        return Err(ImageError::Program(
            path.into(),
            super::ElfError::NoSegments,
        ));
    };
    let vaddr = first.vaddr - first.vaddr % PAGE;
    let end = payload_address(root_task, path, last.end())?;
    let size = end - vaddr;
    // A root task that lies about its size must not make us ask for all memory.
    if size > 1 << 30 {
        return Err(ImageError::Limit(format!(
            "the root task spans {} MiB of addresses",
            size >> 20
        )));
    }
    let mut bytes = vec![0; size as usize];
    for segment in &root_task.segments {
        let start = (segment.vaddr - vaddr) as usize;
        bytes[start..start + segment.data.len()].copy_from_slice(segment.data);
    }

    let mut payload = Payload::new(root::HEADER_BYTES);
    let header = root::Header {
        magic: root::MAGIC,
        spec: payload.part(spec),
        archive: payload.part(archive),
        programs: payload.named("program", programs)?,
        files: payload.named("file", files)?,
    };
    bytes.extend(payload.finish(&header)?);
    Ok(User {
        vaddr,
        entry: root_task.entry,
        bytes,
        root_task: size as usize,
    })
}

/// Lays out the whole image.
///
/// # Errors
/// It does not fit below the loader, or loader or kernel were linked wrongly.
pub fn boot_image(
    loader: &Program<'_>,
    path: &Path,
    kernel: &Program<'_>,
    user: &User,
) -> Result<Vec<u8>, ImageError> {
    let loader_end = loader.segments.iter().map(Segment::end).max().unwrap_or(0);
    if loader.symbol("__payload").map_err(in_file(path))?.is_none() {
        return Err(ImageError::NoPayloadSymbol(path.into()));
    }
    let payload_vaddr = payload_address(loader, path, loader_end)?;

    let mut payload = Payload::new(loader::HEADER_BYTES);
    let mut regions = heapless::Vec::new();
    for segment in &kernel.segments {
        let part = payload.part(segment.data);
        let region = loader::Region {
            paddr: segment.paddr,
            offset: part.offset,
            file_size: part.len,
            mem_size: segment.mem_size,
        };
        let too_many = |_| ImageError::Limit("the kernel has too many segments".into());
        regions.push(region).map_err(too_many)?;
    }
    let user_part = payload.part(&user.bytes);
    let header = loader::Header {
        magic: loader::MAGIC,
        kernel_entry: kernel.entry,
        kernel: regions,
        user: loader::UserImage {
            vaddr: user.vaddr,
            entry: user.entry,
            offset: user_part.offset,
            size: user_part.len,
        },
    };
    check_room(loader, kernel, user)?;
    let payload = payload.finish(&header)?;

    let mut segments = loader.segments.clone();
    // Physical addresses differ from virtual ones by the same amount in every segment.
    let shift = segments
        .last()
        .map_or(0, |last| last.paddr.wrapping_sub(last.vaddr));
    segments.push(Segment {
        vaddr: payload_vaddr,
        paddr: payload_vaddr.wrapping_add(shift),
        data: &payload,
        mem_size: payload.len() as u64,
        flags: object::elf::PF_R,
    });
    write(loader.entry, &segments).map_err(in_file(path))
}

/// The loader copies kernel and user image to addresses below its own: they must end there.
fn check_room(loader: &Program<'_>, kernel: &Program<'_>, user: &User) -> Result<(), ImageError> {
    let limit = loader
        .segments
        .iter()
        .map(|segment| segment.paddr)
        .min()
        .unwrap_or(0);
    let start = kernel
        .segments
        .iter()
        .map(|segment| segment.paddr)
        .min()
        .unwrap_or(0);
    let kernel_end = kernel
        .segments
        .iter()
        .map(|segment| segment.paddr + segment.mem_size)
        .max()
        .unwrap_or(0);
    let end = kernel_end.next_multiple_of(PAGE) + user.bytes.len() as u64;
    if start < limit && end > limit {
        return Err(ImageError::TooLarge {
            needed: (end - start).div_ceil(1024),
            room: (limit - start) / 1024,
        });
    }
    Ok(())
}

/// First page behind a program that ends at `end`; if the program names it `__payload`, it must
/// mean the same place.
fn payload_address(program: &Program<'_>, path: &Path, end: u64) -> Result<u64, ImageError> {
    let next = end.next_multiple_of(PAGE);
    match program.symbol("__payload").map_err(in_file(path))? {
        // Alignment at the end of a linker script can leave unused pages in between.
        Some(symbol) if symbol < next || !symbol.is_multiple_of(PAGE) => {
            Err(ImageError::PayloadMisplaced(path.into(), symbol))
        }
        Some(symbol) => Ok(symbol),
        None => Ok(next),
    }
}

/// A header and page-aligned parts.
struct Payload {
    bytes: Vec<u8>,
    header: usize,
}

impl Payload {
    fn new(header: usize) -> Self {
        let bytes = vec![0; header];
        Self { bytes, header }
    }

    /// Appends a part, padded to whole pages.
    fn part(&mut self, bytes: &[u8]) -> root::Part {
        let offset = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.bytes
            .resize(self.bytes.len().next_multiple_of(PAGE as usize), 0);
        root::Part {
            offset: offset as u64,
            len: bytes.len() as u64,
        }
    }

    /// Appends parts that are found by name.
    fn named(
        &mut self,
        what: &str,
        parts: &[(&str, Vec<u8>)],
    ) -> Result<heapless::Vec<root::Named, { root::MAX_NAMED }>, ImageError> {
        let mut table = heapless::Vec::new();
        for (name, bytes) in parts {
            let too_long = || ImageError::Limit(format!("the name of {what} `{name}` is too long"));
            let named = root::Named {
                name: heapless::String::try_from(*name).map_err(|_| too_long())?,
                part: self.part(bytes),
            };
            let too_many = |_| ImageError::Limit(format!("there are too many {what}s"));
            table.push(named).map_err(too_many)?;
        }
        Ok(table)
    }

    /// Fills in the header.
    fn finish(mut self, header: &impl Serialize) -> Result<Vec<u8>, ImageError> {
        let too_large = |_| ImageError::Limit("the table of contents is too large".into());
        postcard::to_slice(header, &mut self.bytes[..self.header]).map_err(too_large)?;
        Ok(self.bytes)
    }
}
