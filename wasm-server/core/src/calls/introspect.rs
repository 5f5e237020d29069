// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::introspect`

use atoll_abi::{
    Pid,
    message::{
        ChannelFill, Echo, FillRequest, Fills, Holdings, HoldingsRequest, ProcessInfo, ProcessList,
        SystemInfo,
    },
};
use wasm_state::fill::fill_at;
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

pub(crate) fn fill<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    request: FillRequest,
) -> Answer<Fills> {
    let server = &me(caller).server;
    let grant = server.guest(request.pid)?.grant(request.handle)?;
    let region = grant.resource.region()?;
    let look = |offset| {
        fill_at(offset, region.bytes, |at, out| {
            let copied = region.copy(|frames| server.platform.read_region(frames, at, out));
            copied.ok()
        })
    };
    let mut channels = heapless::Vec::new();
    if let Some((first, end)) = look(0) {
        let half = (region.bytes / 2) & !63;
        let second = (end <= half).then(|| look(half)).flatten();
        // There is room for both.
        channels.extend(
            [Some(first), second.map(|(fill, _)| fill)]
                .into_iter()
                .flatten()
                .map(|fill| ChannelFill {
                    frames: fill.frames,
                    bytes: fill.bytes,
                    most_frames: fill.most_frames,
                    most_bytes: fill.most_bytes,
                    writers: fill.writers,
                    readers: fill.readers,
                }),
        );
    }
    Ok(Fills { channels })
}

pub(crate) fn system<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    (): (),
) -> Answer<SystemInfo> {
    Ok(me(caller).server.system_info())
}
