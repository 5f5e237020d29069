// SPDX-License-Identifier: BSD-2-Clause
//! A supervisor under another one, of which it is a member: as `init`, for guests of its own, but for the power switch.
//! How is in [`supervision`].
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use supervision::{Failure, Place};
use userland::start::Start;

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Failure> {
    supervision::run(start, Place::BelowAnother).await
}
