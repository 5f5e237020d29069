// SPDX-License-Identifier: BSD-2-Clause
//! Says where unpredictable bytes come from, and some of them: at its start, and when a device is their source.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::String;
use core::{fmt::Write as _, time::Duration};

use userland::{
    Error,
    entropy::{self, EntropySource},
    info,
    time::sleep,
};

#[userland::entrypoint]
async fn main() -> Result<(), Error> {
    tell()?;
    while entropy::source()? == EntropySource::Seed {
        sleep(Duration::from_millis(10)).await;
    }
    tell()
}

fn tell() -> Result<(), Error> {
    let mut bytes = [0; 32];
    entropy::fill(&mut bytes)?;
    let mut text = String::new();
    for byte in bytes {
        // A string takes what there is memory for.
        let _ = write!(text, "{byte:02x}");
    }
    info!("{:?}: {text}", entropy::source()?);
    Ok(())
}
