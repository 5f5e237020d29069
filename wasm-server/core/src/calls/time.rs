// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::time`

use wasmtime::Caller;

use super::{Answer, me};
use crate::{guest::Context, platform::Platform};

pub(crate) fn now<P: Platform>(caller: &mut Caller<'_, Context<P>>) -> Answer<u64> {
    Ok(me(caller).server.platform.now())
}
