// SPDX-License-Identifier: BSD-2-Clause
//! Other processes. Needs the grant `processes`.

use core::fmt;

use atoll_abi::{Error, Pid};

use crate::{exit::ExitCode, sys::calls};

/// Above every exit code: what the server answers for a process that failed.
const FAILED: u64 = 1 << 32;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Returned from its entry point (code 0), or exited with this code.
    Exited(ExitCode),
    /// Trapped, panicked or was ended by force; the log says why.
    Failed,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(ExitCode(code)) => write!(f, "exited with code {code}"),
            Self::Failed => f.write_str("failed"),
        }
    }
}

/// Starts the guest of the spec with this name, one that starts on demand.
///
/// # Errors
/// [`Error::NotFound`] if there is none, [`Error::Busy`] if it runs already, [`Error::BadModule`] or
/// [`Error::NoMemory`] if it cannot run.
pub fn start(name: &str) -> Result<Pid, Error> {
    calls::process_start(name)
}

/// Sleeps until the process has ended and all it held is reclaimed.
///
/// # Errors
/// [`Error::NotFound`] if there is no such process, or its place was taken by another since.
pub fn wait(pid: Pid) -> Result<Outcome, Error> {
    let answer = calls::process_wait(pid)?;
    Ok(if answer < FAILED {
        Outcome::Exited(ExitCode(answer as u32))
    } else {
        Outcome::Failed
    })
}
