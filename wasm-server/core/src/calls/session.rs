// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::session`

use alloc::{sync::Arc, vec::Vec};

use atoll_abi::{
    Error, Handle, Rights,
    message::{SessionInfo, SessionRequest},
};
use wasmtime::Caller;

use super::{Answer, me};
use crate::{context::Context, platform::Platform, resource::Resource, session::Session};

pub(crate) fn create<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    request: SessionRequest,
) -> Answer<Handle> {
    let me = me(caller);
    me.server.room()?;
    if !request.groups.is_subset_of(me.groups()) {
        return Err(Error::NotGranted.into());
    }
    let mut holds = Vec::new();
    for entitlement in &request.holds {
        let needed = entitlement.rights.union(Rights::GRANT);
        let grant = me.grant_allowing(entitlement.handle, needed)?;
        holds.push((grant.resource.clone(), entitlement.rights));
    }
    let parent = me.process.session.clone();
    let session = Session::new(
        request.name,
        parent,
        request.groups,
        request.processes,
        holds,
    )?;
    Ok(me.receive_new(Resource::Session(Arc::new(session)))?)
}

pub(crate) fn info<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
) -> Answer<SessionInfo> {
    let grant = me(caller).grant_allowing(handle, Rights::READ)?;
    Ok(grant.resource.session()?.info())
}

pub(crate) fn end<P: Platform>(caller: &mut Caller<'_, Context<P>>, handle: Handle) -> Answer<()> {
    let me = me(caller);
    let grant = me.grant_allowing(handle, Rights::WRITE)?;
    me.server.end_session(grant.resource.session()?);
    Ok(())
}
