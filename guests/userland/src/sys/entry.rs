// SPDX-License-Identifier: BSD-2-Clause
//! Where a guest begins, and how it ends when it panics.

use core::{fmt, panic::PanicInfo};

use crate::exit::{ExitCode, Termination, exit, fail};

/// Names the function that the guest begins with: without parameters, and with a result that
/// implements [`Termination`](crate::exit::Termination). When it returns, the guest ends.
#[macro_export]
macro_rules! entrypoint {
    ($main:path) => {
        // The attribute counts as unsafe since a name can collide. The server starts what has this
        // name, and nothing else in a guest has it.
        #[unsafe(no_mangle)]
        extern "C" fn _start() {
            $crate::__finish($main());
        }
    };
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
struct Panic<'a>(&'a PanicInfo<'a>);

impl fmt::Display for Panic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.message())?;
        match self.0.location() {
            Some(place) => write!(f, ", at {place}"),
            None => Ok(()),
        }
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    fail(&Panic(info))
}
