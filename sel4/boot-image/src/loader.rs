// SPDX-License-Identifier: BSD-2-Clause
//! What the host tool appends to the loader: the kernel's segments and the user image, already
//! laid out, so that the loader parses no ELF.
//!
//! The payload starts at the first page after the loader's own image (`__payload` in its linker
//! script): a postcard [`Header`] padded to [`HEADER_BYTES`], then the data that the regions name
//! by their offset from the start of the payload.
use heapless::Vec;
use serde::{Deserialize, Serialize};

/// Room for the encoded [`Header`].
pub const HEADER_BYTES: usize = 4096;
/// [`Header::magic`].
pub const MAGIC: [u8; 8] = *b"ATOLLPAY";
/// Physical address of the loader's image; its linker script repeats it. Whatever the loader copies
/// (kernel, user image, for some kernels the device tree) has to end before it.
pub const LOADER_BASE: u64 = 0x4400_0000;

/// The payload's table of contents.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: [u8; 8],
    /// Virtual address at which the kernel is entered.
    pub kernel_entry: u64,
    /// What to copy (and zero) before that: the kernel's segments.
    pub kernel: Vec<Region, 8>,
    /// The root task's image and what follows it.
    pub user: UserImage,
}

/// Bytes to place at a physical address.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Region {
    /// Physical address.
    pub paddr: u64,
    /// Offset of the bytes in the payload.
    pub offset: u64,
    /// Bytes to copy.
    pub file_size: u64,
    /// Bytes in all; what is beyond `file_size` is zeroed.
    pub mem_size: u64,
}

/// The user image: the root task's segments flattened into one run of pages, with the root task's
/// own payload right behind. The loader puts it on the first page after the kernel.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct UserImage {
    /// Virtual address of its first page.
    pub vaddr: u64,
    /// Virtual address of the root task's entry point.
    pub entry: u64,
    /// Offset of the bytes in the payload; page aligned.
    pub offset: u64,
    /// Bytes; a multiple of the page size.
    pub size: u64,
}
