// SPDX-License-Identifier: BSD-2-Clause
//! Asks the service `deployed` again and again, until it is to stop.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::boxed::Box;
use core::error::Error;

use userland::start::Start;

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Box<dyn Error>> {
    deployed::ask(&start).await
}
