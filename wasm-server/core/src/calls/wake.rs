// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::wake`

use atoll_abi::{Error, Handle, Rights};
use wasmtime::Caller;

use super::{Answer, me};
use crate::{
    guest::Context,
    platform::{Home, Platform},
    report::Ending,
};

/// The deadline that never comes.
const NEVER: u64 = u64::MAX;

pub(crate) fn register<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    mailbox: u32,
) -> Answer<()> {
    me(caller)
        .register_mailbox(mailbox)
        .map_err(|_| Ending::Misuse("what it registers is no mailbox").into())
}

pub(crate) fn listen<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: u32,
    task: u32,
) -> Answer<()> {
    let me = me(caller);
    let cap = me.cap(handle)?;
    if !cap.rights.contains(Rights::READ) {
        return Err(Error::Denied.into());
    }
    Ok(cap.region.listen(me, task)?)
}

pub(crate) fn notify<P: Platform>(caller: &mut Caller<'_, Context<P>>, handle: u32) -> Answer<()> {
    let me = me(caller);
    let handles = me.handles.lock();
    let cap = handles.get(Handle(handle))?;
    if !cap.rights.contains(Rights::WRITE) {
        return Err(Error::Denied.into());
    }
    // The region outlives the lock on the table, which must not be held across a wake.
    let region = cap.region.clone();
    drop(handles);
    Ok(region.ring(me)?)
}

pub(crate) fn wait<P: Platform>(caller: &mut Caller<'_, Context<P>>, deadline: u64) -> Answer<u32> {
    let me = me(caller);
    let mut alarm = None;
    let pending = loop {
        match me.pending_or_park() {
            None => break Err(Ending::Misuse("it waits without a mailbox").into()),
            Some(pending @ 1..) => break Ok(pending),
            Some(0) => {}
        }
        if let Err(ending) = me.check_ending() {
            break Err(ending.into());
        }
        if deadline != NEVER {
            if me.server.platform.now() >= deadline {
                me.unpark();
                break Ok(0);
            }
            alarm.get_or_insert_with(|| me.server.wake_at(deadline, me.home.waker()));
        }
        me.home.park();
    };
    if let Some(alarm) = alarm {
        me.server.cancel(alarm);
    }
    pending
}
