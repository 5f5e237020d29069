// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::guest`

use alloc::string::ToString;

use atoll_abi::Groups;
use wasmtime::Caller;

use super::{Answer, Text, me};
use crate::{
    context::Context,
    platform::{Home, Platform},
    report::Ending,
};

pub(crate) fn params<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    buffer: u32,
    len: u32,
) -> Answer<u32> {
    let me = me(caller);
    let params = me.params();
    if params.len() <= len as usize {
        me.home.write(buffer, &params)?;
    }
    Ok(params.len() as u32)
}

pub(crate) fn exit<P: Platform>(_: &mut Caller<'_, Context<P>>, code: u32) -> Answer<()> {
    Err(Ending::Exit(code).into())
}

pub(crate) fn panic<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    message: u32,
    len: u32,
) -> Answer<()> {
    let text = Text::read(me(caller), message, len)?;
    Err(Ending::Panic(text.whole().to_string()).into())
}

pub(crate) fn groups<P: Platform>(caller: &mut Caller<'_, Context<P>>) -> Answer<Groups> {
    Ok(me(caller).groups())
}
