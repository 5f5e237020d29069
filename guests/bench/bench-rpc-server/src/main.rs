// SPDX-License-Identifier: BSD-2-Clause
//! What a request and its reply take: the side that answers (see `bench-rpc-client`).
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::boxed::Box;
use core::error::Error;

use userland::{
    exit::{ExitCode, exit},
    rpc::Server,
    start::Start,
};

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Box<dyn Error>> {
    let door = start.region("door").ok_or("the spec gives me no door")?;
    let server = Server::<u64, u64>::open(&door, start.name())?;
    let end = server.serve(|number, _| async move {
        if number == u64::MAX {
            // The client is done.
            exit(ExitCode::SUCCESS);
        }
        number + 1
    });
    Ok(end.await.map(drop)?)
}
