// SPDX-License-Identifier: BSD-2-Clause
//! The initial contents of thread-local storage.

use core::{alloc::Layout, fmt, ptr};

/// Two words between the thread pointer and thread-local storage.
const HEAD: usize = 2 * size_of::<usize>();

/// Offsets in ELF64 structures (System V ABI, "ELF-64 Object File Format").
mod elf {
    pub(super) const MAGIC: [u8; 4] = *b"\x7fELF";
    pub(super) const E_PHOFF: usize = 32;
    pub(super) const E_PHENTSIZE: usize = 54;
    pub(super) const E_PHNUM: usize = 56;
    pub(super) const P_TYPE: usize = 0;
    pub(super) const P_VADDR: usize = 16;
    pub(super) const P_FILESZ: usize = 32;
    pub(super) const P_MEMSZ: usize = 40;
    pub(super) const P_ALIGN: usize = 48;
    pub(super) const PT_TLS: u32 = 7;
}

/// Why a program's headers do not describe thread-local storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageError {
    /// There is no ELF header at the address.
    NotElf,
    /// Sizes or alignment contradict each other.
    BadSegment,
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotElf => "no ELF header in memory",
            Self::BadSegment => "impossible TLS segment",
        })
    }
}

impl core::error::Error for ImageError {}

/// A program's TLS segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsImage {
    start: *const u8,
    file_size: usize,
    layout: Layout,
    /// From the thread pointer to the segment's copy.
    offset: usize,
}

// SAFETY: The pointer is only read through, and what it points to is never written.
unsafe impl Send for TlsImage {}
// SAFETY: As for `Send`.
unsafe impl Sync for TlsImage {}

impl TlsImage {
    /// The segment of the running program, found through its own ELF header (`__ehdr_start`, which
    /// linkers define when the header is part of a loaded segment).
    ///
    /// # Errors
    /// When the header was not loaded, or says something impossible.
    #[cfg(all(target_arch = "aarch64", target_os = "none"))]
    pub fn of_program() -> Result<Self, ImageError> {
        unsafe extern "C" {
            static __ehdr_start: u8;
        }
        // SAFETY: The linker's symbol for this program's own headers, which stay in memory and are not
        // written. The program is not relocated.
        unsafe { Self::from_elf_header(&raw const __ehdr_start, 0) }
    }

    /// The segment of a program whose ELF header is at `header` and whose addresses are `bias` lower
    /// than where it lies. A program without such a segment has an empty image.
    ///
    /// # Errors
    /// When there is no ELF header, or an impossible segment.
    ///
    /// # Safety
    /// ELF header, program headers and TLS segment are readable and not written while the image is used.
    pub unsafe fn from_elf_header(header: *const u8, bias: usize) -> Result<Self, ImageError> {
        // SAFETY: The caller's promise. Reads are unaligned, so the address need not be aligned.
        let read = |address: *const u8| unsafe { address.cast::<u64>().read_unaligned() as usize };
        // SAFETY: As above.
        let half = |address: *const u8| unsafe { address.cast::<u16>().read_unaligned().into() };
        // SAFETY: As above.
        let word = |address: *const u8| unsafe { address.cast::<u32>().read_unaligned() };
        let at = |base: *const u8, offset: usize| base.wrapping_add(offset);

        if word(header) != u32::from_ne_bytes(elf::MAGIC) {
            return Err(ImageError::NotElf);
        }
        let table = at(header, read(at(header, elf::E_PHOFF)));
        let entry_size: usize = half(at(header, elf::E_PHENTSIZE));
        for index in 0..half(at(header, elf::E_PHNUM)) {
            let entry = at(table, index * entry_size);
            if word(at(entry, elf::P_TYPE)) == elf::PT_TLS {
                let address = read(at(entry, elf::P_VADDR));
                let start = ptr::with_exposed_provenance(address.wrapping_add(bias));
                let align = read(at(entry, elf::P_ALIGN)).max(1);
                if !address.is_multiple_of(align) {
                    return Err(ImageError::BadSegment);
                }
                let (file, memory) = (
                    read(at(entry, elf::P_FILESZ)),
                    read(at(entry, elf::P_MEMSZ)),
                );
                return Self::new(start, file, memory, align);
            }
        }
        Self::new(ptr::null(), 0, 0, 1)
    }

    fn new(
        start: *const u8,
        file_size: usize,
        mem_size: usize,
        align: usize,
    ) -> Result<Self, ImageError> {
        let bad = ImageError::BadSegment;
        if file_size > mem_size || !align.is_power_of_two() {
            return Err(bad);
        }
        let offset = HEAD.checked_next_multiple_of(align).ok_or(bad)?;
        let size = offset.checked_add(mem_size).ok_or(bad)?;
        let layout = Layout::from_size_align(size, align.max(HEAD)).map_err(|_| bad)?;
        Ok(Self {
            start,
            file_size,
            layout,
            offset,
        })
    }

    /// Size and alignment of a thread's block.
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// Fills in the block at `block` for a new thread, and returns that thread's thread pointer.
    ///
    /// # Safety
    /// `block` is writable memory of the [`layout`](Self::layout), used by nothing else, and stays so
    /// for as long as the thread runs.
    pub unsafe fn initialize(&self, block: *mut u8) -> usize {
        debug_assert!(block.addr().is_multiple_of(self.layout.align()));
        // SAFETY: The block has `layout.size()` bytes, of which `offset..offset + file_size` is a part;
        // the image is readable (`from_elf_header`) and apart from the block, which nothing else uses.
        unsafe {
            block.write_bytes(0, self.layout.size());
            if self.file_size > 0 {
                let target = block.add(self.offset);
                ptr::copy_nonoverlapping(self.start, target, self.file_size);
            }
        }
        block.expose_provenance()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(align(64))]
    struct Block([u8; 256]);

    /// An ELF header with one program header of the given type, sizes and alignment.
    fn program(kind: u32, data: &[u8], mem_size: usize, align: u64) -> [u8; 128] {
        let mut bytes = [0; 128];
        bytes[..4].copy_from_slice(&elf::MAGIC);
        bytes[elf::E_PHOFF] = 64;
        bytes[elf::E_PHENTSIZE] = 56;
        bytes[elf::E_PHNUM] = 1;
        let entry = &mut bytes[64..];
        entry[..4].copy_from_slice(&kind.to_ne_bytes());
        let mut put = |offset: usize, value: u64| {
            entry[offset..offset + 8].copy_from_slice(&value.to_ne_bytes());
        };
        put(elf::P_VADDR, data.as_ptr().expose_provenance() as u64);
        put(elf::P_FILESZ, data.len() as u64);
        put(elf::P_MEMSZ, mem_size as u64);
        put(elf::P_ALIGN, align);
        bytes
    }

    fn image(bytes: &[u8]) -> Result<TlsImage, ImageError> {
        // SAFETY: The headers and the data they name live as long as the test.
        unsafe { TlsImage::from_elf_header(bytes.as_ptr(), 0) }
    }

    #[test]
    fn copies_data_and_zeroes_the_rest() {
        let data = Block([7; 256]);
        let image = image(&program(elf::PT_TLS, &data.0[..5], 40, 32)).unwrap();
        assert_eq!(
            (image.layout().size(), image.layout().align()),
            (32 + 40, 32)
        );
        let mut block = Block([0xff; 256]);
        // SAFETY: 256 bytes aligned to 64.
        let pointer = unsafe { image.initialize(block.0.as_mut_ptr()) };
        assert_eq!(pointer, block.0.as_ptr().addr());
        assert_eq!(block.0[32..37], [7; 5]);
        assert!(block.0[..32].iter().all(|byte| *byte == 0));
        assert!(block.0[37..72].iter().all(|byte| *byte == 0));
        assert_eq!(block.0[72], 0xff);
    }

    #[test]
    fn small_alignments_follow_the_head_directly() {
        let data = Block([1; 256]);
        let image = image(&program(elf::PT_TLS, &data.0[..1], 8, 4)).unwrap();
        assert_eq!(
            (image.offset, image.layout().size(), image.layout().align()),
            (16, 24, 16)
        );
    }

    #[test]
    fn a_program_without_segment_has_an_empty_image() {
        assert_eq!(image(&program(1, &[], 8, 4)).unwrap().layout().size(), HEAD);
    }

    #[test]
    fn refuses_impossible_headers() {
        let data = Block([0; 256]);
        let bad = Err(ImageError::BadSegment);
        assert_eq!(image(&program(elf::PT_TLS, &data.0[..8], 4, 8)), bad);
        assert_eq!(image(&program(elf::PT_TLS, &data.0[..8], 8, 3)), bad);
        assert_eq!(image(&program(elf::PT_TLS, &data.0[1..2], 8, 64)), bad);
        assert_eq!(image(&program(elf::PT_TLS, &data.0, usize::MAX, 8)), bad);
        assert_eq!(image(&[0; 128]), Err(ImageError::NotElf));
    }
}
