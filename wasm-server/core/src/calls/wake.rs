// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::wake`

use atoll_abi::{Handle, NEVER, ProcessState, Rights};
use wasm_state::mailbox::Ring;
use wasmtime::Caller;

use super::{Answer, me};
use crate::{
    Guest,
    context::Context,
    platform::{Home, Platform},
    region::{Bells, Sleepers},
    report::Ending,
    server::Due,
};

pub(crate) fn register<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    mailbox: u32,
) -> Answer<()> {
    let ring = me(caller).register_mailbox(mailbox)?;
    caller.data_mut().mailbox = Some(ring);
    let me = me(caller);
    // It was asked when it had no mailbox, or the one it had was full. Who asks at this moment has changed
    // the state before, or puts the task into this mailbox.
    if me.process.state() == ProcessState::Stopping {
        me.ask_to_stop();
    }
    Ok(())
}

pub(crate) fn listen<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
    task: u32,
    bells: u32,
) -> Answer<()> {
    let me = me(caller);
    let bells = Bells::new(bells)?;
    me.server.room()?;
    let grant = me.grant_allowing(handle, Rights::READ)?;
    Ok(grant.resource.region()?.listen(me, task, bells, &grant)?)
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
    bells: u32,
) -> Answer<()> {
    let mut sleepers = Sleepers::none();
    me(caller).ring(handle, Bells::new(bells)?, &mut sleepers)?;
    sleepers.wake();
    Ok(())
}

pub(crate) fn notify_wait<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
    bells: u32,
    deadline: u64,
) -> Answer<u32> {
    let mut sleepers = Sleepers::none();
    me(caller).ring(handle, Bells::new(bells)?, &mut sleepers)?;
    wake_and_wait(caller, &mut sleepers, deadline)
}

pub(crate) fn wait<P: Platform>(caller: &mut Caller<'_, Context<P>>, deadline: u64) -> Answer<u32> {
    wake_and_wait(caller, &mut Sleepers::none(), deadline)
}

#[inline]
fn wake_and_wait<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    sleepers: &mut Sleepers<P>,
    deadline: u64,
) -> Answer<u32> {
    let Context { guest, mailbox, .. } = caller.data();
    let Some(mailbox) = mailbox else {
        sleepers.wake();
        return Err(Ending::Misuse("it waits without a mailbox").into());
    };
    guest.look_at_devices();
    if deadline != NEVER {
        return Ok(wait_until(guest, mailbox, sleepers, deadline)?);
    }
    let keep_waiting = || guest.check_ending().map(|()| true);
    Ok(guest.wait_for_wakes(mailbox, sleepers, keep_waiting)?)
}

/// Apart, so that who waits for ever saves no registers for it.
#[inline(never)]
fn wait_until<P: Platform>(
    me: &Guest<P>,
    mailbox: &Ring<<P::Home as Home>::Words>,
    sleepers: &mut Sleepers<P>,
    deadline: u64,
) -> Result<u32, Ending> {
    let mut alarm = None;
    let pending = me.wait_for_wakes(mailbox, sleepers, || {
        me.check_ending()?;
        if me.server.platform.now() >= deadline {
            return Ok(false);
        }
        if alarm.is_none() {
            let due = Due::Wake(me.home.waker());
            // There is room: it was reserved.
            alarm = me.server.set_alarm(deadline, due).ok();
        }
        Ok(true)
    });
    if let Some(alarm) = alarm {
        me.server.alarms.cancel(alarm);
    }
    pending
}
