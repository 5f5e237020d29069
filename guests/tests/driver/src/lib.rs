// SPDX-License-Identifier: BSD-2-Clause
//! A virtio device and its queues for guests that write there whatever they like: nothing is checked here, that is
//! the server's to do.
#![no_std]
#![deny(unsafe_code)]
#![cfg(target_family = "wasm")]

extern crate alloc;

pub mod call;
pub mod device;
pub mod queue;
