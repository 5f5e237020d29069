// SPDX-License-Identifier: BSD-2-Clause
//! The capDL language of Atoll.
//!
//! [`blob`] is the compiled form of a spec, which the root task and the servers read; it needs
//! neither std nor a heap. [`language`] (feature `language`, host only) makes it from text: parser,
//! checker and compiler. The language itself is described there.
#![cfg_attr(not(feature = "language"), no_std)]
#![forbid(unsafe_code)]

pub mod blob;
#[cfg(feature = "language")]
pub mod language;
