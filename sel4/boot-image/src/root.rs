// SPDX-License-Identifier: BSD-2-Clause
//! What follows the root task's segments in the user image: spec, module archive, programs, files.
//!
//! It starts at the first page after the root task's image (`__payload` in its linker script): a
//! postcard [`Header`] padded to [`HEADER_BYTES`], then the parts, each page aligned, at the offsets
//! that the header names. The kernel gives the root task one 4 KiB frame capability for each of
//! these pages, so a part can be handed on without copying it.

use heapless::{String, Vec};
use serde::{Deserialize, Serialize};

/// Room for the encoded [`Header`].
pub const HEADER_BYTES: usize = 4096;
/// Most programs, and most other files.
pub const MAX_NAMED: usize = 32;
/// [`Header::magic`].
pub const MAGIC: [u8; 8] = *b"ATOLLROO";

/// Table of contents.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: [u8; 8],
    /// The compiled spec (`capdl::blob`).
    pub spec: Part,
    /// The signed module archive (`wasm-archive`).
    pub archive: Part,
    /// ELF files: `wasm-server` and native tasks.
    pub programs: Vec<Named, MAX_NAMED>,
    /// Other files, which frames are filled with.
    pub files: Vec<Named, MAX_NAMED>,
}

/// A run of bytes in the payload; the rest of its last page is zero.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Part {
    /// From the start of the payload; page aligned.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
}

/// A file by name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Named {
    /// Its name.
    pub name: String<32>,
    /// Its bytes.
    pub part: Part,
}
