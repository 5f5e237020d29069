// SPDX-License-Identifier: BSD-2-Clause
//! Whether a promise holds, and if not, where that was seen.

use alloc::string::{String, ToString};
use core::{fmt, panic::Location};

/// A promise that does not hold, or something that had to be and was not.
#[derive(Clone, Debug)]
pub struct Fault {
    text: String,
    place: &'static Location<'static>,
}

/// What looks at a promise answers.
pub type Verdict<T = ()> = Result<T, Fault>;

impl Fault {
    /// With this text, seen where this is called.
    #[track_caller]
    pub fn new(text: impl fmt::Display) -> Self {
        Self {
            text: text.to_string(),
            place: Location::caller(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at {}", self.text, self.place)
    }
}

impl<E: core::error::Error> From<E> for Fault {
    #[track_caller]
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

/// A refusal with this error, and no other.
///
/// # Errors
/// It was none.
#[cfg(target_family = "wasm")]
#[track_caller]
pub fn refused<T>(result: Result<T, userland::Error>, wanted: userland::Error) -> Verdict {
    match result {
        Err(error) if error == wanted => Ok(()),
        Err(error) => Err(Fault::new(alloc::format!(
            "{}, where {} was due",
            error.name(),
            wanted.name()
        ))),
        Ok(_) => Err(Fault::new(alloc::format!(
            "no refusal, where {} was due",
            wanted.name()
        ))),
    }
}

/// Returns with a [`Fault`] unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr) => {
        $crate::ensure!($condition, "{}", stringify!($condition))
    };
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err($crate::Fault::new(format_args!($($text)+)));
        }
    };
}

/// Tries scenarios, each a promise with a name: functions of the stage, of which each answers a [`Verdict`] in time. Says in
/// the log which hold, and answers how many do not. Behind the stage there may be a function that says which are wanted.
///
/// Each runs in a box: the futures of all scenarios need not fit on the stack together.
#[macro_export]
macro_rules! scenarios {
    ($stage:ident: $($scenarios:tt)+) => {
        $crate::scenarios! { $stage, |_: &str| true; $($scenarios)+ }
    };
    ($stage:ident, $wants:expr; $($name:literal => $scenario:path,)+) => {{
        let wants = $wants;
        let mut failed = 0_u32;
        $(if wants($name) {
            let scenario = $crate::Box::pin($scenario(&$stage));
            failed += u32::from(!$crate::holds($name, &scenario.await));
        })+
        userland::info!("all scenarios, {failed} of them failed");
        failed
    }};
}

/// Says in the log whether a promise holds.
pub fn holds(name: &str, verdict: &Verdict) -> bool {
    match verdict {
        Ok(()) => userland::info!("ok {name}"),
        Err(fault) => userland::error!("FAILED {name}: {fault}"),
    }
    verdict.is_ok()
}
