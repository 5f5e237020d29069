// SPDX-License-Identifier: BSD-2-Clause
//! The line that a user types at a VT100: from the bytes that his terminal sends to the bytes that it shows.
//!
//! * [`Keys`]: bytes to keys, escape sequences and UTF-8 included.
//! * [`Editor`]: keys to a line, with a history, a search in it, and completion.
//! * [`Telnet`]: what a terminal behind a TCP connection says between the bytes of its user.
//!
//! Nothing here reads or writes: bytes go in, text to be shown comes out. Whatever the bytes are, all of it stays
//! bounded and nothing panics, and what is on the screen is what is in the line: that is tested against a model of a
//! screen.
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

mod buffer;
mod editor;
mod history;
mod keys;
mod telnet;
#[cfg(test)]
mod tests;

pub use buffer::MAX_LINE;
pub use editor::{Editor, Step};
pub use history::{History, MAX_HISTORY};
pub use keys::{Key, Keys};
pub use telnet::{GREETING, Heard, Telnet};
