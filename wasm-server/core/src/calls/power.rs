// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::power`

use atoll_abi::Error;
use wasmtime::Caller;

use super::{Answer, me};
use crate::{context::Context, platform::Platform};

pub(crate) fn off<P: Platform>(caller: &mut Caller<'_, Context<P>>) -> Answer<()> {
    me(caller).server.platform.power_off();
    // The switch did nothing.
    Err(Error::NoSwitch.into())
}
