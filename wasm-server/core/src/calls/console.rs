// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::console`

use core::fmt::Write as _;

use wasmtime::Caller;

use super::{Answer, Text, me};
use crate::{
    context::Context,
    platform::{Home, Platform},
};

/// Most bytes that are read at once.
const MAX_READ: usize = 256;

/// Text for the console, in pieces.
struct Console<'a, P>(&'a P);

impl<P: Platform> core::fmt::Write for Console<'_, P> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.0.console_write(text);
        Ok(())
    }
}

pub(crate) fn write<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    text: u32,
    len: u32,
) -> Answer<()> {
    let me = me(caller);
    let text = Text::read(me, text, len)?;
    // A console takes everything.
    let _ = write!(Console(me.server.platform()), "{}", text.whole());
    Ok(())
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
    let count = me.server.platform.console_read(room);
    me.home
        .write(buffer, room.get(..count).unwrap_or_default())?;
    Ok(count as u32)
}
