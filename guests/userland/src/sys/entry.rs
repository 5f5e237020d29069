// SPDX-License-Identifier: BSD-2-Clause
//! Where a guest begins, and how it ends when it panics.

#[cfg(target_family = "wasm")]
use core::{fmt, panic::PanicInfo};

use crate::{
    exit::{ExitCode, Termination, exit, fail},
    start::Start,
    task,
};

/// What [`entrypoint`](crate::entrypoint) makes of a function: where the server starts.
#[doc(hidden)]
#[macro_export]
macro_rules! __entrypoint {
    ($main:ident()) => {
        $crate::__entrypoint!(@start $crate::__finish($main()));
    };
    ($main:ident(start)) => {
        $crate::__entrypoint!(@start $crate::__finish($crate::__with_start($main)));
    };
    (@start $run:expr) => {
        // The attribute counts as unsafe since a name can collide. The server starts what has this
        // name, and nothing else in a guest has it. Elsewhere it is the C library's.
        #[cfg(target_family = "wasm")]
        #[unsafe(no_mangle)]
        extern "C" fn _start() {
            $run;
        }
    };
}

/// Runs an entry point that takes what the guest was told.
pub fn with_start<T: Termination>(main: impl FnOnce(Start) -> T) -> T {
    match Start::read() {
        Ok(start) => main(start),
        Err(error) => fail(&format_args!("cannot read the start parameters: {error}")),
    }
}

/// Runs an entry point that is `async`. What is left of other tasks is dropped, which lets their peers know.
pub fn run<T>(main: impl Future<Output = T>) -> T {
    let result = task::block_on(main);
    task::cancel_all();
    result
}

/// Ends the guest the way the result of its entry point says.
pub fn finish(result: impl Termination) {
    match result.outcome() {
        // To return from `_start` is to exit with code 0.
        Ok(ExitCode::SUCCESS) => {}
        Ok(code) => exit(code),
        Err(failure) => fail(&failure),
    }
}

/// A panic's message, then its place, on one line.
#[cfg(target_family = "wasm")]
struct Panic<'a>(&'a PanicInfo<'a>);

#[cfg(target_family = "wasm")]
impl fmt::Display for Panic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.message())?;
        match self.0.location() {
            Some(place) => write!(f, ", at {place}"),
            None => Ok(()),
        }
    }
}

#[cfg(target_family = "wasm")]
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    fail(&Panic(info))
}
