// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::shm`

use alloc::sync::Arc;

use atoll_abi::{Error, Handle, MAX_REGION_PAGES, MAX_TRANSFER, PAGE, Pid, Rights};
use wasmtime::{Caller, Extern};

use super::{Answer, me};
use crate::{
    Guest,
    context::Context,
    grant::Grant,
    platform::{BadAddress, Home, Platform},
};

/// Bytes that are copied at once.
const PIECE: usize = 512;

pub(crate) fn alloc<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    pages: u32,
) -> Answer<Handle> {
    if pages == 0 || pages > MAX_REGION_PAGES {
        return Err(Error::InvalidArgument.into());
    }
    Ok(me(caller).make_region(pages * PAGE)?)
}

pub(crate) fn attach<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
    rights: Rights,
) -> Answer<u32> {
    let me = me(caller).clone();
    if !rights.contains(Rights::READ) || rights.contains(Rights::GRANT) {
        return Err(Error::InvalidArgument.into());
    }
    let grant = me.grant_allowing(handle, rights)?;
    let memory = caller.get_export("memory").and_then(Extern::into_memory);
    let write = rights.contains(Rights::WRITE);
    Ok(me.attach(&grant, write, |pages| {
        memory?.grow(&mut *caller, pages).ok()
    })?)
}

pub(crate) fn detach<P: Platform>(caller: &mut Caller<'_, Context<P>>, address: u32) -> Answer<()> {
    Ok(me(caller).detach(address)?)
}

pub(crate) fn size<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
) -> Answer<u32> {
    Ok(me(caller).grant(handle)?.resource.region()?.bytes)
}

pub(crate) fn holds<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
    process: Pid,
) -> Answer<bool> {
    let grant = me(caller).grant_allowing(handle, Rights::READ)?;
    Ok(grant.resource.region()?.is_held_by(process))
}

/// The capability for a copy.
fn source<P: Platform>(
    guest: &Guest<P>,
    handle: Handle,
    rights: Rights,
    offset: u32,
    len: u32,
) -> Answer<Arc<Grant<P>>> {
    if len > MAX_TRANSFER {
        return Err(Error::InvalidArgument.into());
    }
    let grant = guest.grant_allowing(handle, rights)?;
    if !grant.resource.region()?.has(offset, len) {
        return Err(Error::OutOfRange.into());
    }
    Ok(grant)
}

/// The pieces of a copy: how far it is, and how many bytes come next.
fn pieces(len: u32) -> impl Iterator<Item = (u32, usize)> {
    (0..len)
        .step_by(PIECE)
        .map(move |done| (done, PIECE.min((len - done) as usize)))
}

pub(crate) fn read<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
    offset: u32,
    buffer: u32,
    len: u32,
) -> Answer<()> {
    let me = me(caller);
    source(me, handle, Rights::READ, offset, len)?;
    for (done, count) in pieces(len) {
        let mut bytes = [0; PIECE];
        let bytes = bytes.get_mut(..count).unwrap_or_default();
        let address = buffer.checked_add(done).ok_or(BadAddress)?;
        // All is let go of before the guest's memory is written, where the guest may end.
        me.grant(handle)?
            .resource
            .region()?
            .copy(|region| me.server.platform.read_region(region, offset + done, bytes))?;
        me.home.write(address, bytes)?;
    }
    Ok(())
}

pub(crate) fn write<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
    offset: u32,
    buffer: u32,
    len: u32,
) -> Answer<()> {
    let me = me(caller);
    let grant = source(me, handle, Rights::WRITE, offset, len)?;
    for (done, count) in pieces(len) {
        let mut bytes = [0; PIECE];
        let bytes = bytes.get_mut(..count).unwrap_or_default();
        let address = buffer.checked_add(done).ok_or(BadAddress)?;
        me.home.read(address, bytes)?;
        grant.live()?.resource.region()?.copy(|region| {
            me.server
                .platform
                .write_region(region, offset + done, bytes)
        })?;
    }
    Ok(())
}
