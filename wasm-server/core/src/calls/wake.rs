// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::wake`

use atoll_abi::{Handle, NEVER, Rights};
use wasmtime::Caller;

use super::{Answer, me};
use crate::{
    context::Context,
    platform::{Home, Platform},
    server::Due,
};

pub(crate) fn register<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    mailbox: u32,
) -> Answer<()> {
    Ok(me(caller).register_mailbox(mailbox)?)
}

pub(crate) fn listen<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
    task: u32,
) -> Answer<()> {
    let me = me(caller);
    me.server.room()?;
    let grant = me.grant_allowing(handle, Rights::READ)?;
    Ok(grant.resource.region()?.listen(me, task, &grant)?)
}

pub(crate) fn unlisten<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
) -> Answer<()> {
    let grant = me(caller).grant(handle)?;
    Ok(grant.resource.region()?.unlisten(&grant)?)
}

pub(crate) fn notify<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
) -> Answer<()> {
    let me = me(caller);
    // The table is not locked across a wake.
    let grant = me.grant_allowing(handle, Rights::WRITE)?;
    grant.resource.region()?.ring(me);
    Ok(())
}

pub(crate) fn wait<P: Platform>(caller: &mut Caller<'_, Context<P>>, deadline: u64) -> Answer<u32> {
    let me = me(caller);
    let mut alarm = None;
    let pending = me.wait_for_wakes(|| {
        me.check_ending()?;
        if deadline != NEVER {
            if me.server.platform.now() >= deadline {
                return Ok(false);
            }
            if alarm.is_none() {
                let due = Due::Wake(me.home.waker());
                // There is room: it was reserved.
                alarm = me.server.set_alarm(deadline, due).ok();
            }
        }
        Ok(true)
    });
    if let Some(alarm) = alarm {
        me.server.alarms.cancel(alarm);
    }
    Ok(pending?)
}
