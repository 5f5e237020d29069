// SPDX-License-Identifier: BSD-2-Clause
//! The decisions of the root task, apart from the system calls that carry them out: which memory an
//! object comes from, what the spec gives a program, where things go in its VSpace, what a
//! fault means.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod common;
pub mod elf;
pub mod fault;
pub mod grants;
pub mod plan;
pub mod problem;
pub mod registers;
pub mod untyped;
pub mod within;

/// Most programs in one system: process servers and native tasks.
pub const MAX_PROGRAMS: usize = capdl::blob::MAX_PROGRAMS;

// Numbers of programs are in process ids and in tables of theirs.
const _: () = assert!(MAX_PROGRAMS == wasm_handoff::MAX_PROGRAMS);
