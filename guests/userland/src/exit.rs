// SPDX-License-Identifier: BSD-2-Clause
//! How a guest ends.

use core::{convert::Infallible, fmt};

/// An exit code. 0 means that all went well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExitCode(pub u32);

impl ExitCode {
    /// All went well.
    pub const SUCCESS: Self = Self(0);
}

/// What the function behind [`entrypoint!`](crate::entrypoint) can return: how the guest ends.
pub trait Termination {
    /// Why the guest counts as failed.
    type Failure: fmt::Display;

    /// The exit code, or why it failed.
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

/// Ends the guest now.
#[cfg(target_family = "wasm")]
pub fn exit(code: ExitCode) -> ! {
    crate::sys::memory::exit(code.0)
}

/// Ends the guest as failed; the server writes the message to the log. Text beyond
/// [`MAX_TEXT`](crate::MAX_TEXT) bytes is cut.
#[cfg(target_family = "wasm")]
pub fn fail(message: &dyn fmt::Display) -> ! {
    use core::fmt::Write as _;
    let mut text = crate::text::Text::<{ crate::MAX_TEXT as usize }>::new();
    // Text takes everything; a Display that fails itself leaves what it wrote so far.
    let _ = write!(text, "{message}");
    crate::sys::memory::panic(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes() {
        assert_eq!(().outcome(), Ok(ExitCode(0)));
        assert_eq!(ExitCode(3).outcome(), Ok(ExitCode(3)));
        assert_eq!(Ok::<_, &str>(ExitCode(3)).outcome(), Ok(ExitCode(3)));
        assert_eq!(Err::<(), _>("why").outcome(), Err("why"));
    }
}
