// SPDX-License-Identifier: BSD-2-Clause
//! File systems that mke2fs makes, on disks that fail and lose power, with e2fsck as the judge.

mod crash;
pub(crate) mod disk;
mod fs;
mod linux;
mod mounting;
mod power;
mod replay;
mod store;
pub(crate) mod tools;
mod workload;
