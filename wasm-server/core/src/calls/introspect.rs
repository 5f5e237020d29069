// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::introspect`

use atoll_abi::{
    Pid,
    message::{Echo, Holdings, HoldingsRequest, ProcessInfo, ProcessList, SystemInfo},
};
use wasmtime::Caller;

use super::{Answer, me};
use crate::{context::Context, platform::Platform};

pub(crate) fn instructions<P: Platform>(caller: &mut Caller<'_, Context<P>>) -> Answer<u32> {
    Ok(me(caller).server.platform.instructions())
}

pub(crate) fn cycles<P: Platform>(caller: &mut Caller<'_, Context<P>>) -> Answer<u64> {
    Ok(me(caller).server.platform.cycles())
}

pub(crate) fn nothing<P: Platform>(_: &mut Caller<'_, Context<P>>) -> Answer<()> {
    Ok(())
}

pub(crate) fn echo<P: Platform>(_: &mut Caller<'_, Context<P>>, echo: Echo) -> Answer<Echo> {
    Ok(echo)
}

pub(crate) fn processes<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    after: Pid,
) -> Answer<ProcessList> {
    Ok(me(caller).server.list(after, |_| true))
}

pub(crate) fn process<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    pid: Pid,
) -> Answer<ProcessInfo> {
    let server = &me(caller).server;
    let process = server.process(pid)?;
    Ok(server.process_info(&process))
}

pub(crate) fn holdings<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    request: HoldingsRequest,
) -> Answer<Holdings> {
    let guest = me(caller).server.guest(request.pid)?;
    Ok(guest.holdings(request.after))
}

pub(crate) fn system<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    (): (),
) -> Answer<SystemInfo> {
    Ok(me(caller).server.system_info())
}
