// SPDX-License-Identifier: BSD-2-Clause
//! Locks the registry crate that carries the seL4 source; compiles nothing.
