// SPDX-License-Identifier: BSD-2-Clause
//! The terminal of the console guest: who writes what where, and what becomes of what is typed. It knows no hostcalls:
//! bytes to send are in [`Terminal::output`], the time comes from whoever calls, so all of it is tested without a
//! device.
//!
//! * [`config`]: what the arguments of the console guest say.
//! * [`Terminal`]: the screen, with a line at its bottom that belongs to the client in the foreground, and the lines
//!   that others put above it.
//! * `log`: the lines of the log, as they are put together, chosen and shown.
//! * `client`: what is known of each client; `editor`: the line that is typed; `input`: what was typed for it.
//! * [`Kept`]: what outlives the console guest.
//! * `plain`: text that steers no terminal.
//!
//! Nothing that comes from a client, from the log or from the keyboard makes any of this panic, and everything is
//! bounded.
#![no_std]
#![forbid(unsafe_code)]
// Whatever comes from outside, there is no panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing
    )
)]

extern crate alloc;

#[cfg(test)]
extern crate std;

mod client;
pub mod config;
mod editor;
mod input;
mod log;
mod output;
mod plain;
mod terminal;
#[cfg(test)]
mod tests;

pub use terminal::{ClientId, Kept, Terminal};
