// SPDX-License-Identifier: BSD-2-Clause
//! The process server on seL4.
fn main() {}
