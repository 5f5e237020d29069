// SPDX-License-Identifier: BSD-2-Clause
//! What `ps`, `top` and benchmarks need. Needs the grant `introspect`. See the example of [`processes`].

pub use atoll_abi::message::{ChannelFill, Echo, Holding, Kind, SystemInfo, Text};
use atoll_abi::{
    Error, Handle, Pid,
    message::{FillRequest, HoldingsRequest},
};

use crate::{
    list,
    process::{ProcessEntry, ProcessInfo},
    sys::calls,
};

/// The processor's cycle counter; where the machine counts instructions instead, those. 0 if the grant
/// was taken away.
///
/// ```
/// use userland::introspect::cycles;
///
/// fn cost(work: impl FnOnce()) -> u64 {
///     let before = cycles();
///     work();
///     cycles() - before
/// }
/// # assert_eq!(cost(|| ()), 0);
/// ```
#[inline]
pub fn cycles() -> u64 {
    calls::introspect::cycles().unwrap_or_default()
}

/// Instructions that the processor has executed, for this guest and for all others, for the server and for
/// the kernel, since somebody first asked; modulo 2^32, and without the time it slept. 0 where the machine
/// does not count them, or without the grant.
///
/// ```no_run
/// use userland::introspect::instructions;
///
/// fn measure(work: impl FnOnce()) -> u32 {
///     let before = instructions();
///     work();
///     instructions().wrapping_sub(before)
/// }
/// # measure(|| {});
/// ```
pub fn instructions() -> u32 {
    calls::introspect::instructions().unwrap_or_default()
}

/// A scalar call that does nothing: what one costs.
///
/// ```
/// use userland::introspect::{cycles, nothing};
///
/// let before = cycles();
/// nothing();
/// let cost = cycles() - before;
/// # assert_eq!(cost, 0);
/// ```
#[inline]
pub fn nothing() {
    // Refused only when the grant was taken away, which is nothing, too.
    let _ = calls::introspect::nothing();
}

/// A message call that answers what it gets: what one costs.
///
/// ```no_run
/// use userland::{Error, introspect::{self, Echo}};
///
/// fn check() -> Result<(), Error> {
///     let message = Echo { number: 7, text: Default::default() };
///     assert_eq!(introspect::echo(&message)?, message);
///     Ok(())
/// }
/// ```
///
/// # Errors
/// [`Error::NotGranted`] if the grant was taken away.
#[inline]
pub fn echo(message: &Echo) -> Result<Echo, Error> {
    calls::introspect::echo(message)
}

/// Every process, in the order of their ids.
///
/// ```no_run
/// use userland::{Error, info, introspect};
///
/// fn ps() -> Result<(), Error> {
///     for process in introspect::processes() {
///         let process = process?;
///         info!("{} {} {:?}", process.pid.0, process.name, process.state);
///     }
///     Ok(())
/// }
/// ```
pub fn processes() -> impl Iterator<Item = Result<ProcessEntry, Error>> {
    list::entries(
        Pid::default(),
        |entry: &ProcessEntry| entry.pid,
        |after| calls::introspect::processes(&after).map(|page| page.processes),
    )
}

/// What there is to know of a process.
///
/// ```no_run
/// use userland::{Error, Pid, introspect};
///
/// fn memory_of(pid: Pid) -> Result<u64, Error> {
///     Ok(introspect::process(pid)?.usage.spent)
/// }
/// ```
///
/// # Errors
/// [`Error::NotFound`] if there is none of this id.
pub fn process(pid: Pid) -> Result<ProcessInfo, Error> {
    calls::introspect::process(&pid)
}

/// What a process holds, in the order of its table.
///
/// ```no_run
/// use userland::{Error, Pid, info, introspect};
///
/// fn caps(pid: Pid) -> Result<(), Error> {
///     for holding in introspect::holdings(pid) {
///         info!("{:?}", holding?);
///     }
///     Ok(())
/// }
/// ```
pub fn holdings(pid: Pid) -> impl Iterator<Item = Result<Holding, Error>> {
    list::entries(
        Handle::default(),
        |holding: &Holding| holding.handle,
        move |after| {
            calls::introspect::holdings(&HoldingsRequest { pid, after }).map(|page| page.holdings)
        },
    )
}

/// How full the channels are in a region that a process holds: none if there is no channel, two if they lie in its
/// halves, as those of a connection do. What is in them is not shown. The guests that share the region write the words
/// that this is taken from.
///
/// ```no_run
/// use userland::{Error, Pid, info, introspect::{self, Kind}};
///
/// fn channels(pid: Pid) -> Result<(), Error> {
///     for holding in introspect::holdings(pid) {
///         let holding = holding?;
///         if holding.kind == Kind::Region {
///             for fill in introspect::fill(pid, holding.handle)? {
///                 info!("{}: {} of {} bytes", holding.name, fill.bytes, fill.most_bytes);
///             }
///         }
///     }
///     Ok(())
/// }
/// ```
///
/// # Errors
/// [`Error::NotFound`] if there is no such process, [`Error::BadHandle`], [`Error::Revoked`], [`Error::WrongKind`].
pub fn fill(pid: Pid, handle: Handle) -> Result<impl Iterator<Item = ChannelFill>, Error> {
    let fills = calls::introspect::fill(&FillRequest { pid, handle })?;
    Ok(fills.channels.into_iter())
}

/// What the server uses.
///
/// ```no_run
/// use userland::{Error, info, introspect};
///
/// fn top() -> Result<(), Error> {
///     let system = introspect::system()?;
///     info!("{} processes, {} timers", system.processes, system.timers);
///     Ok(())
/// }
/// ```
///
/// # Errors
/// [`Error::NotGranted`] if the grant was taken away.
pub fn system() -> Result<SystemInfo, Error> {
    calls::introspect::system(&())
}
