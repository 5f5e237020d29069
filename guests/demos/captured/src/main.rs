// SPDX-License-Identifier: BSD-2-Clause
//! Writes its log to the channel `log`, and to nothing else: it is not granted the server's. Its last line is what
//! it panics with.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use userland::{
    channel::OpenError,
    log::{
        self,
        captured::{info, warn},
    },
    start::Start,
};

#[userland::entrypoint]
fn main(start: Start) -> Result<(), OpenError> {
    if !log::to_channel(&start)? {
        panic!("the spec gives me no log");
    }
    info!("my lines go to whoever reads them");
    warn!("and now I fail");
    panic!("as I said");
}
