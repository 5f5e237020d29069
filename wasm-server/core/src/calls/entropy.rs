// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::entropy`

use atoll_abi::{Error, MAX_TRANSFER, message::EntropySource};
use wasmtime::Caller;

use super::{Answer, me};
use crate::{
    context::Context,
    platform::{Home, Platform},
};

pub(crate) fn fill<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    buffer: u32,
    len: u32,
) -> Answer<()> {
    if len > MAX_TRANSFER {
        return Err(Error::InvalidArgument.into());
    }
    let me = me(caller);
    let mut random = me.server.random.lock().fork();
    let mut done = 0;
    while done < len {
        let mut bytes = [0; 256];
        let count = bytes.len().min((len - done) as usize);
        let bytes = bytes.get_mut(..count).unwrap_or_default();
        random.fill(bytes);
        let address = buffer
            .checked_add(done)
            .ok_or(crate::platform::BadAddress)?;
        me.home.write(address, bytes)?;
        done += count as u32;
    }
    Ok(())
}

pub(crate) fn source<P: Platform>(caller: &mut Caller<'_, Context<P>>) -> Answer<EntropySource> {
    Ok(me(caller).server.random.lock().source())
}
