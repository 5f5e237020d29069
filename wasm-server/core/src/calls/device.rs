// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::device`

use alloc::sync::Arc;

use atoll_abi::{Error, Handle, NEVER, Rights};
use wasmtime::Caller;

use super::{Answer, me};
use crate::{
    context::Context,
    device::Device,
    grant::Grant,
    platform::{Home, Platform},
    server::Due,
};

/// Uses the device behind a handle.
#[inline]
fn with<P: Platform, R>(
    caller: &Caller<'_, Context<P>>,
    handle: Handle,
    rights: Rights,
    f: impl FnOnce(&Arc<Device<P>>) -> Result<R, Error>,
) -> Answer<R> {
    let me = me(caller);
    let grant: Arc<Grant<P>> = match me.grant_allowing(handle, rights) {
        Ok(grant) => grant,
        Err(error) => {
            if error == Error::Revoked {
                me.let_go(handle);
            }
            return Err(error.into());
        }
    };
    Ok(f(grant.resource.device()?)?)
}

pub(crate) fn read<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
    offset: u32,
    width: u32,
) -> Answer<u32> {
    with(caller, handle, Rights::READ, |device| {
        device.read(me(caller), offset, width)
    })
}

pub(crate) fn write<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
    offset: u32,
    width: u32,
    value: u32,
) -> Answer<()> {
    with(caller, handle, Rights::WRITE, |device| {
        device.write(me(caller), offset, width, value)
    })
}

pub(crate) fn kick<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
    queue: u32,
) -> Answer<()> {
    with(caller, handle, Rights::WRITE, |device| {
        device.kick(me(caller), queue)
    })
}

pub(crate) fn ack<P: Platform>(caller: &mut Caller<'_, Context<P>>, handle: Handle) -> Answer<u32> {
    with(caller, handle, Rights::WRITE, |device| {
        device.ack(me(caller))
    })
}

pub(crate) fn listen<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
    task: u32,
) -> Answer<()> {
    with(caller, handle, Rights::WRITE, |device| {
        device.listen(me(caller), task)
    })
}

pub(crate) fn wait<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
    queue: u32,
    deadline: u64,
) -> Answer<bool> {
    let me = me(caller);
    let mut alarm = None;
    let answer = loop {
        // Each time anew: it may be lost meanwhile.
        match with(caller, handle, Rights::WRITE, |device| {
            device.has_news(me, queue)
        }) {
            Ok(false) => {}
            answer => break answer,
        }
        if let Err(ending) = me.check_ending() {
            break Err(ending.into());
        }
        if deadline != NEVER {
            if me.server.platform.now() >= deadline {
                break Ok(false);
            }
            if alarm.is_none() {
                let due = Due::Wake(me.home.waker());
                // There is room: it was reserved.
                alarm = me.server.set_alarm(deadline, due).ok();
            }
        }
        me.sleep();
    };
    if let Some(alarm) = alarm {
        me.server.alarms.cancel(alarm);
    }
    answer
}
