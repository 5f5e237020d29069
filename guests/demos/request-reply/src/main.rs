// SPDX-License-Identifier: BSD-2-Clause
//! A service that calculates, and a client that asks it.
//!
//! The first argument is the part that the guest has: `service`, `client`, or `patient` for a client that puts up
//! with a service that fails. They meet at the region `door`.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod client;
mod service;

use alloc::boxed::Box;
use core::error::Error;

use serde::{Deserialize, Serialize};
use userland::start::Start;

/// What can be asked.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Question {
    /// The sum of two numbers.
    Add(u32, u32),
    /// The first number divided by the second.
    Divide(u32, u32),
    /// 0, after so many milliseconds.
    Wait(u32),
    /// No answer: the service is to fail.
    Fail,
}

/// The result, if it is a number.
type Answer = Option<u32>;

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Box<dyn Error>> {
    let door = start.region("door").ok_or("the spec gives me no door")?;
    match start.args().next() {
        Some("service") => service::run(&start, &door).await,
        Some("patient") => client::patient(&start, &door).await,
        _ => client::run(&start, &door).await,
    }
}
