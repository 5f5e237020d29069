// SPDX-License-Identifier: BSD-2-Clause
//! The process server on Linux: threads, anonymous memory and memfds in place of seL4's objects.
//!
//! It exists for speed of testing, and proves nothing about the image. What it lacks: priorities,
//! budgets counted to the page table, and a bound on anything that Linux does.
//!
//! Like `platform/sel4` this crate holds unsafe code; the file names are the same.

mod clock;
mod code;
mod device;
mod home;
mod image;
mod memory;
mod platform;
mod space;

pub use platform::Host;
