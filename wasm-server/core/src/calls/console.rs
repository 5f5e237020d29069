// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::console`

use wasmtime::Caller;

use super::{Answer, Text, me};
use crate::{
    context::Context,
    platform::{Home, Platform},
};

/// Most bytes that are read at once.
const MAX_READ: usize = 256;

pub(crate) fn write<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    text: u32,
    len: u32,
) -> Answer<()> {
    let me = me(caller);
    let text = Text::read(me, text, len)?;
    Ok(me.say(None, true, format_args!("{}", text.whole()))?)
}

pub(crate) fn read<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    buffer: u32,
    len: u32,
) -> Answer<u32> {
    let me = me(caller);
    let mut bytes = [0; MAX_READ];
    let room = bytes
        .get_mut(..MAX_READ.min(len as usize))
        .unwrap_or_default();
    // What is read cannot be given back.
    me.home.write(buffer, room)?;
    let count = me.server.console_read(room);
    me.home
        .write(buffer, room.get(..count).unwrap_or_default())?;
    Ok(count as u32)
}
