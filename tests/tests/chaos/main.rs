// SPDX-License-Identifier: BSD-2-Clause
//! What becomes of a system of which parts are ended at random. One program, so that the two machines run beside each
//! other: they take longer than all others.
#![forbid(unsafe_code)]

mod survivors;
mod system;
