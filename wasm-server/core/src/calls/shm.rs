// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::shm`

use alloc::sync::Arc;

use atoll_abi::{Error, Handle, PAGE, Rights, TOKEN_BYTES};
use wasmtime::{Caller, Extern};

use super::{Answer, me};
use crate::{
    guest::{Context, RegionCap},
    platform::{Home, Platform},
    region::Region,
};

/// Most wasm pages of one region.
const MAX_PAGES: u32 = 1024;

pub(crate) fn alloc<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    pages: u32,
) -> Answer<Handle> {
    if pages == 0 || pages > MAX_PAGES {
        return Err(Error::InvalidArgument.into());
    }
    let me = me(caller);
    let bytes = pages * PAGE;
    let backing = me.home.make_region(bytes).map_err(Error::from)?;
    let region = Arc::new(Region::new(backing, bytes, Some(me.pid)));
    Ok(me.handles.lock().insert(RegionCap {
        region,
        rights: Rights::ALL,
    })?)
}

pub(crate) fn share<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: u32,
    rights: u32,
    token: u32,
) -> Answer<()> {
    let me = me(caller);
    let rights = Rights::from_wire(rights).ok_or(Error::InvalidArgument)?;
    let cap = me.cap(handle)?;
    if !cap.rights.contains(rights.union(Rights::GRANT)) {
        return Err(Error::Denied.into());
    }
    let bytes = me.server.tokens.lock().issue(cap.region, rights, me.pid)?;
    Ok(me.home.write(token, &bytes)?)
}

pub(crate) fn accept<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    token: u32,
) -> Answer<Handle> {
    let me = me(caller);
    let mut bytes = [0; TOKEN_BYTES];
    me.home.read(token, &mut bytes)?;
    let shared = me.server.tokens.lock().redeem(&bytes)?;
    // Refused later if the region is gone by then.
    Ok(me.handles.lock().insert(RegionCap {
        region: shared.region,
        rights: shared.rights,
    })?)
}

pub(crate) fn attach<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: u32,
    rights: u32,
) -> Answer<u32> {
    let me = me(caller).clone();
    let rights = Rights::from_wire(rights).ok_or(Error::InvalidArgument)?;
    let cap = me.cap(handle)?;
    if !rights.contains(Rights::READ) || rights.contains(Rights::GRANT) {
        return Err(Error::InvalidArgument.into());
    }
    if !cap.rights.contains(rights) {
        return Err(Error::Denied.into());
    }
    let backing = cap.region.backing()?;
    let memory = caller
        .get_export("memory")
        .and_then(Extern::into_memory)
        .ok_or(Error::NoAddressSpace)?;
    me.home
        .stage(Some((&backing, rights.contains(Rights::WRITE))));
    let grown = memory.grow(&mut *caller, u64::from(cap.region.bytes / PAGE));
    me.home.stage(None);
    let address = grown
        .map_err(|_| Error::NoAddressSpace)?
        .wrapping_mul(u64::from(PAGE)) as u32;
    if let Err(error) = cap.region.add_window(&me, address) {
        me.home.unmap(address, cap.region.bytes);
        return Err(error.into());
    }
    Ok(address)
}

pub(crate) fn detach<P: Platform>(caller: &mut Caller<'_, Context<P>>, address: u32) -> Answer<()> {
    let me = me(caller);
    // The table is not locked while a window goes away, which takes a while.
    let regions = me
        .handles
        .lock()
        .iter()
        .map(|cap| cap.region.clone())
        .collect::<alloc::vec::Vec<_>>();
    if regions
        .iter()
        .any(|region| region.remove_window(me, address))
    {
        Ok(())
    } else {
        Err(Error::NotFound.into())
    }
}

pub(crate) fn size<P: Platform>(caller: &mut Caller<'_, Context<P>>, handle: u32) -> Answer<u32> {
    Ok(me(caller).cap(handle)?.region.bytes)
}
