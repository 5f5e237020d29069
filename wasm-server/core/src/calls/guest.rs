// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::guest`

use wasmtime::Caller;

use super::{Answer, me, text};
use crate::{
    guest::Context,
    platform::{Home, Platform},
    report::Ending,
};

pub(crate) fn params<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    buffer: u32,
    len: u32,
) -> Answer<u32> {
    let me = me(caller);
    if me.params.len() <= len as usize {
        me.home.write(buffer, &me.params)?;
    }
    Ok(me.params.len() as u32)
}

pub(crate) fn exit<P: Platform>(_: &mut Caller<'_, Context<P>>, code: u32) -> Answer<()> {
    Err(Ending::Exit(code).into())
}

pub(crate) fn panic<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    message: u32,
    len: u32,
) -> Answer<()> {
    Err(Ending::Panic(text(me(caller), message, len)?).into())
}
