// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::module`

use alloc::{format, sync::Arc};

use atoll_abi::{Error, Handle, Level, MAX_MODULE, Rights, message::ModuleInfo};
use wasmtime::Caller;

use super::{Answer, Refusal, me};
use crate::{
    context::Context,
    loaded::Loaded,
    modules::Refused,
    platform::{BadAddress, Blank, Home, Platform},
    resource::Resource,
};

/// Bytes that are copied at once.
const PIECE: usize = 1024;

/// Why a module is not loaded.
enum Why {
    /// It is refused.
    Module(Refused),
    /// The guest has no such memory, or is to end.
    Caller(Refusal),
}

impl From<Refused> for Why {
    fn from(refused: Refused) -> Self {
        Self::Module(refused)
    }
}

pub(crate) fn load<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    bytes: u32,
    len: u32,
) -> Answer<Handle> {
    let me = me(caller);
    if u64::from(bytes) + u64::from(len) > me.home.size() {
        return Err(BadAddress.into());
    }
    if len == 0 {
        return Err(Error::CutShort.into());
    }
    if len > MAX_MODULE {
        return Err(Error::TooLong.into());
    }
    me.server.room()?;
    // What is checked is the copy: the guest, or whoever shares its window, may write the original meanwhile.
    let loaded = Loaded::new(me, len, |blank| {
        let mut done = 0;
        while done < len {
            // It may be much.
            me.check_ending().map_err(|e| Why::Caller(e.into()))?;
            let mut room = [0; PIECE];
            let count = PIECE.min((len - done) as usize);
            let part = room.get_mut(..count).unwrap_or_default();
            let read = me.home.read(bytes + done, part);
            read.map_err(|e| Why::Caller(e.into()))?;
            let written = blank.write(done, part);
            written.map_err(|failure| Refused::from(Error::from(failure)))?;
            done += count as u32;
        }
        Ok(())
    });
    let loaded = match loaded {
        Ok(loaded) => Arc::new(loaded),
        Err(Why::Caller(refusal)) => return Err(refusal),
        Err(Why::Module(refused)) => {
            if let Some(why) = &refused.why {
                let text = format!("a module was not loaded: {why}");
                me.server.log(me.name(), Level::Warn, &text);
            }
            return Err(refused.error.into());
        }
    };
    let handle = me.receive_new(Resource::Module(loaded.clone()));
    Ok(handle.inspect_err(|_| loaded.close())?)
}

pub(crate) fn info<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
) -> Answer<ModuleInfo> {
    let grant = me(caller).grant_allowing(handle, Rights::READ)?;
    Ok(grant.resource.module()?.info()?)
}
