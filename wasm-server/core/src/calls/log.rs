// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::log`

use atoll_abi::{Error, Level};
use wasmtime::Caller;

use super::{Answer, me};
use crate::{guest::Context, platform::Platform};

pub(crate) fn write<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    level: u32,
    text: u32,
    len: u32,
) -> Answer<()> {
    let level = Level::from_wire(level).ok_or(Error::InvalidArgument)?;
    let me = me(caller);
    me.log(level, &super::text(me, text, len)?);
    Ok(())
}
