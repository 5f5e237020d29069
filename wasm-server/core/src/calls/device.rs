// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::device`

use atoll_abi::{Error, Handle, Rights};
use wasmtime::Caller;

use super::{Answer, me};
use crate::{context::Context, platform::Platform};

/// The device behind a handle.
fn device<P: Platform>(
    caller: &Caller<'_, Context<P>>,
    handle: Handle,
    rights: Rights,
) -> Result<core::convert::Infallible, Error> {
    me(caller).grant_allowing(handle, rights)?;
    // Nothing that a guest can hold is one.
    Err(Error::WrongKind)
}

pub(crate) fn read<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
    _offset: u32,
    _width: u32,
) -> Answer<u32> {
    match device(caller, handle, Rights::READ)? {}
}

pub(crate) fn write<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
    _offset: u32,
    _width: u32,
    _value: u32,
) -> Answer<()> {
    match device(caller, handle, Rights::WRITE)? {}
}

pub(crate) fn kick<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
    _queue: u32,
) -> Answer<()> {
    match device(caller, handle, Rights::WRITE)? {}
}

pub(crate) fn ack<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
) -> Answer<u32> {
    match device(caller, handle, Rights::WRITE)? {}
}

pub(crate) fn listen<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
    _task: u32,
) -> Answer<()> {
    match device(caller, handle, Rights::WRITE)? {}
}

pub(crate) fn wait<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
    _queue: u32,
    _deadline: u64,
) -> Answer<bool> {
    match device(caller, handle, Rights::WRITE)? {}
}
