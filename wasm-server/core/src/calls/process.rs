// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::process`

use atoll_abi::Pid;
use wasmtime::Caller;

use super::{Answer, me, text};
use crate::{
    guest::{Context, Outcome},
    platform::{Home, Platform},
};

pub(crate) fn start<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    name: u32,
    len: u32,
) -> Answer<Pid> {
    let me = me(caller);
    Ok(me.server.start(&text(me, name, len)?)?)
}

pub(crate) fn wait<P: Platform>(caller: &mut Caller<'_, Context<P>>, pid: u32) -> Answer<u64> {
    let me = me(caller);
    let other = me.server.guest(Pid(pid))?;
    // Once: the list of those to wake is kept until the other is gone.
    let mut outcome = other.outcome_or_wake(&me.home.waker());
    loop {
        if let Some(outcome) = outcome {
            return Ok(match outcome {
                Outcome::Exited(code) => u64::from(code),
                Outcome::Failed(_) => 1 << 32,
            });
        }
        me.check_ending()?;
        me.home.park();
        outcome = other.outcome();
    }
}
