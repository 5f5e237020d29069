// SPDX-License-Identifier: BSD-2-Clause
//! The supervisor at the top: starts guests of the spec in order, starts them again when they end, asks them for their
//! health, and ends them in order, and the system with them. How is in [`supervision`].
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use supervision::{Failure, Place};
use userland::{power, start::Start};

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Failure> {
    supervision::run(start, Place::Top(power::off)).await
}
