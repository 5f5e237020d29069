// SPDX-License-Identifier: BSD-2-Clause
//! What a user says to the shell, and how it is answered: [`parse`] makes pipelines of a line, [`COMMANDS`] is what can
//! be said, which `help`, completion and `docs/shell.md` are made from, [`Table`] and [`Size`] are for people to read.
//!
//! Nothing here runs anything. Everything is bounded, and no line makes it panic.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

extern crate alloc;

#[cfg(test)]
extern crate std;

mod commands;
mod near;
mod options;
mod parse;
mod path;
mod table;

pub use commands::{Argument, COMMANDS, Command, SECTIONS, Section, command, reference};
pub use near::nearest;
pub use options::{Misuse, Options};
pub use parse::{
    Call, Join, MAX_LINE, MAX_PARTS, MAX_STAGES, MAX_WORDS, Mistake, Part, Pipeline, Redirect,
    Word, parse, word_begin,
};
pub use path::resolve;
pub use table::{Align, Duration, Size, Table, clip};
