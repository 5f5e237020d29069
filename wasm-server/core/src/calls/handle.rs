// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::handle`

use atoll_abi::{
    Error, Handle, Rights,
    message::{Event, HandleInfo, Notice, ShareRequest, Token},
};
use wasmtime::Caller;

use super::{Answer, me};
use crate::{context::Context, platform::Platform};

pub(crate) fn rights<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
) -> Answer<Rights> {
    Ok(me(caller).grant(handle)?.rights)
}

pub(crate) fn close<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
) -> Answer<()> {
    Ok(me(caller).close(handle)?)
}

pub(crate) fn revoke<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
) -> Answer<()> {
    let me = me(caller);
    let grant = me.grant(handle)?;
    me.server.cut(&grant, false, Event::Revoked);
    Ok(())
}

pub(crate) fn watch<P: Platform>(caller: &mut Caller<'_, Context<P>>, task: u32) -> Answer<()> {
    me(caller).set_notice_task(task);
    Ok(())
}

pub(crate) fn share<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    request: ShareRequest,
) -> Answer<Token> {
    let me = me(caller);
    if request.uses == 0 {
        return Err(Error::InvalidArgument.into());
    }
    let needed = request.rights.union(Rights::GRANT);
    let source = me.grant_allowing(request.handle, needed)?;
    Ok(me
        .server
        .share(me, &source, request.rights, request.uses, request.expires)?)
}

pub(crate) fn accept<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    token: Token,
) -> Answer<Handle> {
    let me = me(caller);
    Ok(me.server.accept(me, &token)?)
}

pub(crate) fn withdraw<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    token: Token,
) -> Answer<()> {
    let me = me(caller);
    Ok(me.server.withdraw_token(me, &token)?)
}

pub(crate) fn info<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
) -> Answer<HandleInfo> {
    Ok(me(caller).handle_info(handle)?)
}

pub(crate) fn notice<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    (): (),
) -> Answer<Option<Notice>> {
    Ok(me(caller).take_news())
}
