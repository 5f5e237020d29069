// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::introspect`

use wasmtime::Caller;

use super::{Answer, me};
use crate::{guest::Context, platform::Platform};

pub(crate) fn cycles<P: Platform>(caller: &mut Caller<'_, Context<P>>) -> Answer<u64> {
    Ok(me(caller).server.platform.cycles())
}

pub(crate) fn nothing<P: Platform>(_: &mut Caller<'_, Context<P>>) -> Answer<()> {
    Ok(())
}
