// SPDX-License-Identifier: BSD-2-Clause
//! What the service, who asks it, and who replaces it agree on.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::String;

use serde::{Deserialize, Serialize};

/// A request: who asks, and the how manieth time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Ask {
    /// Number of the client.
    pub client: u32,
    /// Number of its request, from 1.
    pub number: u32,
}

/// The answer: the request's number, and the version that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// As asked.
    pub number: u32,
    /// Of the service.
    pub version: String,
}

/// The ledger is a region that outlives the service. Its word for a client is the last request that was done: it
/// is done before it is answered.
pub const fn ledger(client: u32) -> u32 {
    8 * client
}

/// Beside it is the last that the client has an answer to.
pub const fn answered(client: u32) -> u32 {
    8 * client + 4
}
