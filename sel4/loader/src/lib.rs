// SPDX-License-Identifier: BSD-2-Clause
//! The loader's decisions: where RAM is, and what goes where.
//!
//! Everything here works on byte slices and numbers, so it is tested on the host. The program in
//! `main.rs` carries the decisions out.
#![no_std]
#![forbid(unsafe_code)]

pub mod fdt;
pub mod plan;
