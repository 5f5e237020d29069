// SPDX-License-Identifier: BSD-2-Clause
//! The lock of every table in the server, wasmtime's included.

use crate::pool::Notifications;

/// One word that makes no system call unless somebody has to sleep.
pub type WordLock = wasm_lock::WordLock<Notifications>;
