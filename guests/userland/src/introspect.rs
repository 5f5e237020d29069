// SPDX-License-Identifier: BSD-2-Clause
//! What benchmarks need. Needs the grant `introspect`.

use crate::sys::calls;

/// The processor's cycle counter; where the machine counts instructions instead, those.
pub fn cycles() -> u64 {
    calls::cycles()
}

/// A hostcall that does nothing: what one costs.
pub fn nothing() {
    calls::nothing();
}
