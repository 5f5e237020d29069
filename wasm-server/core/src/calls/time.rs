// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::time`

use atoll_abi::{Error, TimerId};
use wasm_state::alarm::Alarm;
use wasmtime::Caller;

use super::{Answer, me};
use crate::{context::Context, guest::uncount, platform::Platform, server::Due};

pub(crate) fn now<P: Platform>(caller: &mut Caller<'_, Context<P>>) -> Answer<u64> {
    Ok(me(caller).server.platform.now())
}

pub(crate) fn at<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    deadline: u64,
    task: u32,
) -> Answer<TimerId> {
    let me = me(caller);
    let due = Due::Task(me.pid(), task);
    Ok(TimerId(me.set_timer(deadline, due)?))
}

pub(crate) fn cancel<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    timer: TimerId,
) -> Answer<()> {
    let me = me(caller);
    let alarm = Alarm::from_wire(timer.0).ok_or(Error::NotFound)?;
    // Others' timers, and those that are no tasks, are none.
    let is_it = |due: &Due<P>| matches!(due, Due::Task(pid, _) if *pid == me.pid());
    me.server
        .alarms
        .cancel_if(alarm, is_it)
        .ok_or(Error::NotFound)?;
    uncount(&me.counters.timers);
    Ok(())
}
