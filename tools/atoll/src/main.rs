// SPDX-License-Identifier: BSD-2-Clause
//! The host tool: check, build, image.
fn main() {}
