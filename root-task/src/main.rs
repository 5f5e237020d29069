// SPDX-License-Identifier: BSD-2-Clause
//! Turns the compiled spec into seL4 objects and starts the process servers.
fn main() {}
