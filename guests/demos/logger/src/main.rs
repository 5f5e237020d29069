// SPDX-License-Identifier: BSD-2-Clause
//! Shows the lines that other guests write to the channel `logs` on the console, and says how many are missing.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::{boxed::Box, format};
use core::error::Error;

use userland::{channel::Strength, console, log::Collector, start::Start, warn};

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Box<dyn Error>> {
    let logs = start.region("logs").ok_or("the spec gives me no logs")?;
    let mut collector = Collector::open(&logs, Strength::Strong, start.name())?;
    loop {
        match collector.next().await {
            Ok(Some(entry)) => {
                if entry.lost > 0 {
                    warn!("{} lines of {} are lost", entry.lost, entry.name);
                }
                console::write(&format!("{entry}"))?;
            }
            Ok(None) => return Ok(()),
            Err(error) => warn!("{error}"),
        }
    }
}
