// SPDX-License-Identifier: BSD-2-Clause
//! What `main` may return.

use core::fmt::Debug;

/// A value that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Never {}

/// A result of `main`: nothing, or a reason why it could not go on.
pub trait Termination {
    /// The reason.
    type Error: Debug;

    /// The reason.
    fn report(self) -> Self::Error;
}

impl Termination for ! {
    type Error = !;

    fn report(self) -> Self::Error {
        self
    }
}

impl Termination for Never {
    type Error = Self;

    fn report(self) -> Self::Error {
        self
    }
}

impl<E: Debug> Termination for Result<!, E> {
    type Error = E;

    fn report(self) -> Self::Error {
        let Err(error) = self;
        error
    }
}

impl<E: Debug> Termination for Result<Never, E> {
    type Error = E;

    fn report(self) -> Self::Error {
        match self {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }
}
