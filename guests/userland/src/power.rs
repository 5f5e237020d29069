// SPDX-License-Identifier: BSD-2-Clause
//! The machine's power switch. Needs the grant `power`.

use crate::{Error, sys::calls};

/// Switches the machine off, at once and whatever runs. What others have not written to disks is lost: a
/// supervisor ends them first.
///
/// ```no_run
/// use userland::{error, power};
///
/// fn good_night() {
///     let error = power::off();
///     error!("still here: {error}");
/// }
/// ```
///
/// Returns only if it cannot be: [`Error::NoSwitch`] where the kernel has none.
pub fn off() -> Error {
    // The switch has done nothing, if it answers.
    calls::power::off().err().unwrap_or(Error::NoSwitch)
}
