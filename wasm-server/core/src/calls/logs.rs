// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::logs`

use atoll_abi::message::LogEntries;
use wasmtime::Caller;

use super::{Answer, me};
use crate::{context::Context, platform::Platform};

pub(crate) fn watch<P: Platform>(caller: &mut Caller<'_, Context<P>>, task: u32) -> Answer<()> {
    Ok(me(caller).watch_log(task)?)
}

pub(crate) fn print<P: Platform>(caller: &mut Caller<'_, Context<P>>) -> Answer<u64> {
    Ok(me(caller).print_log()?)
}

pub(crate) fn printed<P: Platform>(caller: &mut Caller<'_, Context<P>>, number: u64) -> Answer<()> {
    Ok(me(caller).note_printed(number)?)
}

pub(crate) fn read<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    after: u64,
) -> Answer<LogEntries> {
    Ok(me(caller).read_log(after))
}
