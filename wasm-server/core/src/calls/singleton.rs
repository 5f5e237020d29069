// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::singleton`

use atoll_abi::{Error, Handle, Rights, message::Event};
use wasmtime::Caller;

use super::{Answer, me};
use crate::{
    Guest, authority::Receipt, context::Context, grant::Holder, platform::Platform,
    service::Provider, watch::Watcher,
};

pub(crate) fn provide<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    service: Handle,
    offer: Handle,
    rights: Rights,
) -> Answer<()> {
    line_up(me(caller), service, offer, rights, false)
}

pub(crate) fn stand_by<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    service: Handle,
    offer: Handle,
    rights: Rights,
) -> Answer<()> {
    line_up(me(caller), service, offer, rights, true)
}

fn line_up<P: Platform>(
    me: &Guest<P>,
    service: Handle,
    offer: Handle,
    rights: Rights,
    stand_by: bool,
) -> Answer<()> {
    let server = &me.server;
    server.room()?;
    let by = me.grant_allowing(service, Rights::WRITE)?;
    let service = by.resource.service()?;
    if service.has(me.pid()) {
        return Err(Error::Busy.into());
    }
    let source = me.grant_allowing(offer, rights.union(Rights::GRANT))?;
    let holder = Holder::Offer(service.clone());
    let offer = server.registry.lock().derive(&source, rights, holder)?;
    let provider = Provider {
        pid: me.pid(),
        by: by.clone(),
        offer: offer.clone(),
    };
    let is_first = service
        .provide(provider, stand_by)
        .inspect_err(|_| server.cut(&offer, true, Event::Revoked))?;
    server.tell_of(service, is_first);
    Ok(())
}

pub(crate) fn withdraw<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    service: Handle,
) -> Answer<()> {
    let me = me(caller);
    let by = me.grant_allowing(service, Rights::WRITE)?;
    let service = by.resource.service()?;
    let pid = me.pid();
    let (provider, was_first) = service
        .withdraw(|provider| provider.pid == pid)
        .ok_or(Error::NotFound)?;
    me.server.cut(&provider.offer, true, Event::SourceExited);
    me.server.tell_of(service, was_first);
    Ok(())
}

pub(crate) fn lookup<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    service: Handle,
) -> Answer<Handle> {
    let me = me(caller);
    let grant = me.grant_allowing(service, Rights::READ)?;
    let offer = grant.resource.service()?.offer()?;
    Ok(me.receive_from(Receipt::ASKED, &offer, offer.rights)?)
}

pub(crate) fn generation<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    service: Handle,
) -> Answer<u32> {
    let grant = me(caller).grant_allowing(service, Rights::READ)?;
    Ok(grant.resource.service()?.generation())
}

pub(crate) fn watch<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    service: Handle,
    task: u32,
) -> Answer<()> {
    let me = me(caller);
    let grant = me.grant_allowing(service, Rights::READ)?;
    let service = grant.resource.service()?;
    let pid = me.pid();
    Ok(service.watchers.add(Watcher { pid, task }, &grant)?)
}
