// SPDX-License-Identifier: BSD-2-Clause
//! The hostcalls, one file a group, one function a call.
//!
//! Every argument is the guest's word. A function answers a value, refuses with an error, or ends the
//! guest ([`Refusal`]).

pub(crate) mod guest;
pub(crate) mod introspect;
pub(crate) mod log;
pub(crate) mod process;
pub(crate) mod shm;
pub(crate) mod time;
pub(crate) mod wake;

use alloc::{string::String, sync::Arc};

use atoll_abi::{Error, MAX_TEXT};
use wasmtime::Caller;

use crate::{
    Guest,
    guest::Context,
    platform::{BadAddress, Home, Platform},
    report::Ending,
};

/// Why a call gives no value.
pub(crate) enum Refusal {
    /// The guest gets an error.
    Error(Error),
    /// The guest ends.
    End(Ending),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<Ending> for Refusal {
    fn from(ending: Ending) -> Self {
        Self::End(ending)
    }
}

impl From<BadAddress> for Refusal {
    fn from(_: BadAddress) -> Self {
        Self::End(Ending::Misuse("an address outside its memory"))
    }
}

/// What a call answers.
type Answer<T> = Result<T, Refusal>;

/// The guest that calls.
fn me<'a, P: Platform>(caller: &'a Caller<'_, Context<P>>) -> &'a Arc<Guest<P>> {
    &caller.data().guest
}

/// Text of the guest. Longer text is cut, and what is not UTF-8 or would steer a terminal is replaced.
fn text<P: Platform>(guest: &Guest<P>, address: u32, len: u32) -> Answer<String> {
    let mut buffer = [0; MAX_TEXT];
    let bytes = &mut buffer[..MAX_TEXT.min(len as usize)];
    guest.home.read(address, bytes)?;
    Ok(String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| {
            if c.is_control() && c != '\n' && c != '\t' {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect())
}
