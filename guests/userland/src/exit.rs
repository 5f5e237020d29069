// SPDX-License-Identifier: BSD-2-Clause
//! How a guest ends: by what its entry point returns, at once with a code, or as failed. See the examples of
//! [`ExitCode`], [`exit`] and [`fail`].

use core::{
    cell::Cell,
    convert::Infallible,
    fmt::{self, Write as _},
};

use crate::{log, sys::local::local, task, text::Text};

/// An exit code. 0 means that all went well.
///
/// ```no_run
/// #![no_main]
///
/// use userland::exit::ExitCode;
///
/// #[userland::entrypoint]
/// fn main() -> ExitCode {
///     ExitCode(3)
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExitCode(pub u32);

impl ExitCode {
    /// All went well.
    ///
    /// ```
    /// # use userland::exit::ExitCode;
    /// assert_eq!(ExitCode::SUCCESS, ExitCode(0));
    /// ```
    pub const SUCCESS: Self = Self(0);
}

/// What the function behind [`entrypoint`](macro@crate::entrypoint) can return: how the guest ends.
///
/// ```
/// use userland::{Error, exit::{ExitCode, Termination}};
///
/// assert_eq!(().outcome(), Ok(ExitCode::SUCCESS));
/// assert_eq!(ExitCode(3).outcome(), Ok(ExitCode(3)));
/// assert_eq!(Err::<(), _>(Error::NotFound).outcome(), Err(Error::NotFound));
/// ```
#[diagnostic::on_unimplemented(
    message = "an entry point cannot return `{Self}`",
    label = "says nothing about how the guest ends",
    note = "it may return nothing, an `ExitCode`, `Infallible` if it never does, or a `Result` of one of them \
            whose error can be displayed"
)]
pub trait Termination {
    /// Why the guest counts as failed.
    type Failure: fmt::Display;

    /// The exit code, or why it failed. See the example of [`Termination`].
    ///
    /// # Errors
    /// The failure, which the server writes to the log.
    fn outcome(self) -> Result<ExitCode, Self::Failure>;
}

impl Termination for () {
    type Failure = Infallible;

    fn outcome(self) -> Result<ExitCode, Infallible> {
        Ok(ExitCode::SUCCESS)
    }
}

impl Termination for Infallible {
    type Failure = Infallible;

    fn outcome(self) -> Result<ExitCode, Infallible> {
        match self {}
    }
}

impl Termination for ExitCode {
    type Failure = Infallible;

    fn outcome(self) -> Result<ExitCode, Infallible> {
        Ok(self)
    }
}

impl<T: Termination<Failure = Infallible>, E: fmt::Display> Termination for Result<T, E> {
    type Failure = E;

    fn outcome(self) -> Result<ExitCode, E> {
        self.map(|value| {
            let Ok(code) = value.outcome();
            code
        })
    }
}

/// Ends the guest now. What it holds is reclaimed, but no destructor runs.
///
/// ```no_run
/// use userland::exit::{ExitCode, exit};
///
/// fn give_up() -> ! {
///     exit(ExitCode(2))
/// }
/// ```
pub fn exit(code: ExitCode) -> ! {
    crate::sys::memory::exit(code.0)
}

/// Ends the guest as failed; the server writes the message to the log. Text beyond
/// [`MAX_TEXT`](crate::MAX_TEXT) bytes is cut. A panic, and an entry point that returns an error, do the same.
///
/// ```no_run
/// use userland::{Error, exit::fail};
///
/// fn give_up(error: Error) -> ! {
///     fail(&format_args!("no way to go on: {error}"))
/// }
/// ```
pub fn fail(message: &dyn fmt::Display) -> ! {
    crate::sys::memory::panic(last_words(message).as_str().as_bytes())
}

type Words = Text<{ crate::MAX_TEXT as usize }>;

/// How far a failure is.
#[derive(Default)]
#[expect(
    clippy::large_enum_variant,
    reason = "there may be no heap left to box it in"
)]
enum Failure {
    /// There is none.
    #[default]
    None,
    /// Its message is being formatted.
    Formatting,
    /// This is its message.
    Told(Words),
    /// It was formatting, and failed again.
    Again,
}

local! {
    /// Kept, since to tell of a failure may fail: then the first is the one to report.
    static FAILURE: Cell<Failure> = Cell::new(Failure::None);
}

/// What is to be reported of a failure, after it was given to the sink of the log.
fn last_words(message: &dyn fmt::Display) -> Words {
    let format = || {
        let mut words = Words::new();
        // Text takes everything; a Display that fails itself leaves what it wrote so far.
        let _ = write!(words, "{message}");
        words
    };
    match FAILURE.with(|failure| failure.replace(Failure::Formatting)) {
        Failure::None => {
            let words = format();
            FAILURE.with(|failure| failure.set(Failure::Told(words.clone())));
            log::put_last(words.as_str());
            // The sink may have left a ring for the end of the poll, which does not come.
            task::flush();
            words
        }
        // The message itself panics: this is why.
        Failure::Formatting => {
            FAILURE.with(|failure| failure.set(Failure::Again));
            format()
        }
        Failure::Told(words) => words,
        Failure::Again => Words::new(),
    }
}

#[cfg(test)]
mod tests {
    use alloc::{rc::Rc, string::String, vec::Vec};
    use core::cell::RefCell;

    use super::*;
    use crate::Level;

    #[test]
    fn outcomes() {
        assert_eq!(().outcome(), Ok(ExitCode(0)));
        assert_eq!(ExitCode(3).outcome(), Ok(ExitCode(3)));
        assert_eq!(Ok::<_, &str>(ExitCode(3)).outcome(), Ok(ExitCode(3)));
        assert_eq!(Err::<(), _>("why").outcome(), Err("why"));
    }

    #[test]
    fn a_failure_is_told_to_the_sink_and_reported() {
        let lines = Rc::new(RefCell::new(Vec::new()));
        let sink = lines.clone();
        log::set_sink(move |level, line| {
            sink.borrow_mut().push((level, String::from(line)));
            Ok(())
        });
        let words = last_words(&format_args!("because of {}", 42));
        assert_eq!(words.as_str(), "because of 42");
        let expected = (Level::Error, String::from("because of 42"));
        assert_eq!(*lines.borrow(), [expected]);
    }

    #[test]
    fn the_first_failure_is_reported_when_the_sink_fails_too() {
        log::set_sink(|_, _| {
            assert_eq!(last_words(&"the sink").as_str(), "the first");
            Ok(())
        });
        assert_eq!(last_words(&"the first").as_str(), "the first");
    }

    #[test]
    fn a_message_that_panics_is_reported_by_why() {
        struct Bad;
        impl fmt::Display for Bad {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                assert_eq!(last_words(&"why").as_str(), "why");
                Ok(())
            }
        }
        last_words(&Bad);
    }
}
