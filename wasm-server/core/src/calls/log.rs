// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::log`

use atoll_abi::Level;
use wasmtime::Caller;

use super::{Answer, Text, me};
use crate::{context::Context, platform::Platform};

pub(crate) fn write<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    level: Level,
    text: u32,
    len: u32,
) -> Answer<()> {
    let me = me(caller);
    for (n, line) in Text::read(me, text, len)?.lines().enumerate() {
        me.say(Some(level), n == 0, format_args!("{line}"))?;
    }
    Ok(())
}
