// SPDX-License-Identifier: BSD-2-Clause
//! The hostcalls, one file a group, one function a call.
//!
//! Every argument is the guest's word. A function answers a value, refuses with an error, or ends the
//! guest ([`Refusal`]). One that writes to the guest's memory holds nothing then that has to be dropped: it
//! may not come back from that (see [`Home`]). Scalar calls allocate nothing, unless they make something that lasts.

pub(crate) mod console;
pub(crate) mod device;
pub(crate) mod entropy;
pub(crate) mod entropy_source;
pub(crate) mod guest;
pub(crate) mod handle;
pub(crate) mod introspect;
pub(crate) mod log;
pub(crate) mod logs;
pub(crate) mod module;
pub(crate) mod power;
pub(crate) mod process;
pub(crate) mod session;
pub(crate) mod shm;
pub(crate) mod singleton;
pub(crate) mod time;
pub(crate) mod wake;

mod text;

use alloc::sync::Arc;

use atoll_abi::{Error, MAX_REPLY, MAX_REQUEST};
use serde::{Serialize, de::DeserializeOwned};
use wasmtime::Caller;

use crate::{
    Guest,
    context::Context,
    platform::{BadAddress, Home, Platform},
    report::Ending,
};

use text::Text;

/// Bytes of most messages.
const SHORT: usize = 256;

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
pub(crate) fn me<'a, P: Platform>(caller: &'a Caller<'_, Context<P>>) -> &'a Arc<Guest<P>> {
    &caller.data().guest
}

/// A message call: what `call` answers to the request at an address goes to the [`MAX_REPLY`] bytes at
/// another; answers its length.
pub(crate) fn message<P: Platform, Q: DeserializeOwned, R: Serialize>(
    caller: &mut Caller<'_, Context<P>>,
    request: u32,
    len: u32,
    reply: u32,
    call: impl FnOnce(&mut Caller<'_, Context<P>>, Q) -> Answer<R>,
) -> Answer<i64> {
    if len > MAX_REQUEST {
        return Err(Ending::Misuse("a message that is too long").into());
    }
    // Before anything is done: what is done and not told would be lost. The memory never shrinks.
    if u64::from(reply) + u64::from(MAX_REPLY) > me(caller).home.size() {
        return Err(BadAddress.into());
    }
    let question = decode(me(caller), request, len)?;
    let answer = call(caller, question)?;
    let mut buffer = [0; MAX_REPLY as usize];
    let bytes = postcard::to_slice(&answer, &mut buffer).map_err(|_| Error::TooLarge)?;
    me(caller).home.write(reply, bytes)?;
    Ok(bytes.len() as i64)
}

/// A message of the guest. Most are short.
fn decode<P: Platform, Q: DeserializeOwned>(guest: &Guest<P>, request: u32, len: u32) -> Answer<Q> {
    match len as usize {
        len @ ..=SHORT => decode_in::<P, Q, SHORT>(guest, request, len),
        len => decode_in::<P, Q, { MAX_REQUEST as usize }>(guest, request, len),
    }
}

/// Apart, so that the buffer is off the stack when the call is made.
#[inline(never)]
fn decode_in<P: Platform, Q: DeserializeOwned, const N: usize>(
    guest: &Guest<P>,
    request: u32,
    len: usize,
) -> Answer<Q> {
    let mut buffer = [0; N];
    let bytes = buffer.get_mut(..len).ok_or(Error::InvalidArgument)?;
    guest.home.read(request, bytes)?;
    postcard::from_bytes(bytes).map_err(|_| Ending::Misuse("a message that does not decode").into())
}
