// SPDX-License-Identifier: BSD-2-Clause
//! What `ps`, `top` and benchmarks need. Needs the grant `introspect`.

pub use atoll_abi::message::{Echo, Holding, Kind, SystemInfo, Text};
use atoll_abi::{Error, Handle, Pid, message::HoldingsRequest};

use crate::{
    list,
    process::{ProcessEntry, ProcessInfo},
    sys::calls,
};

/// The processor's cycle counter; where the machine counts instructions instead, those. 0 if the grant
/// was taken away.
#[inline]
pub fn cycles() -> u64 {
    calls::introspect::cycles().unwrap_or_default()
}

/// A scalar call that does nothing: what one costs.
#[inline]
pub fn nothing() {
    // Refused only when the grant was taken away, which is nothing, too.
    let _ = calls::introspect::nothing();
}

/// A message call that answers what it gets: what one costs.
///
/// # Errors
/// [`Error::NotGranted`] if the grant was taken away.
#[inline]
pub fn echo(message: &Echo) -> Result<Echo, Error> {
    calls::introspect::echo(message)
}

/// Every process, in the order of their ids.
pub fn processes() -> impl Iterator<Item = Result<ProcessEntry, Error>> {
    list::entries(
        Pid::default(),
        |entry: &ProcessEntry| entry.pid,
        |after| calls::introspect::processes(&after).map(|page| page.processes),
    )
}

/// What there is to know of a process.
///
/// # Errors
/// [`Error::NotFound`] if there is none of this id.
pub fn process(pid: Pid) -> Result<ProcessInfo, Error> {
    calls::introspect::process(&pid)
}

/// What a process holds, in the order of its table.
pub fn holdings(pid: Pid) -> impl Iterator<Item = Result<Holding, Error>> {
    list::entries(
        Handle::default(),
        |holding: &Holding| holding.handle,
        move |after| {
            calls::introspect::holdings(&HoldingsRequest { pid, after }).map(|page| page.holdings)
        },
    )
}

/// What the server uses.
///
/// # Errors
/// [`Error::NotGranted`] if the grant was taken away.
pub fn system() -> Result<SystemInfo, Error> {
    calls::introspect::system(&())
}
