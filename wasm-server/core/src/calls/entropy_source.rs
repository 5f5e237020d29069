// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::entropy_source`

use atoll_abi::{Error, MAX_TRANSFER};
use sha2::{Digest, Sha256};
use wasmtime::Caller;

use super::{Answer, me};
use crate::{
    context::Context,
    platform::{BadAddress, Home, Platform},
};

pub(crate) fn feed<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    bytes: u32,
    len: u32,
) -> Answer<()> {
    if len > MAX_TRANSFER {
        return Err(Error::InvalidArgument.into());
    }
    let me = me(caller);
    // Hashed before the lock is taken, which everybody needs who makes a token.
    let mut hash = Sha256::new();
    let mut done = 0;
    while done < len {
        let mut room = [0; 256];
        let count = room.len().min((len - done) as usize);
        let part = room.get_mut(..count).unwrap_or_default();
        let address = bytes.checked_add(done).ok_or(BadAddress)?;
        me.home.read(address, part)?;
        hash.update(&*part);
        done += count as u32;
    }
    let digest = hash.finalize().into();
    me.server.random.lock().mix(&digest, len);
    Ok(())
}
