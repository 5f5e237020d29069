// SPDX-License-Identifier: BSD-2-Clause
//! Guests and devices, honest and not. What each check of this crate is for is in `docs/devices.md`, with
//! the test that fails without it.

mod chains;
mod devices;
mod fuzz;
mod honest;
mod hostile;
mod lying;
mod machine;
mod queues;
mod registers;
mod ring;
