// SPDX-License-Identifier: BSD-2-Clause
//! seL4 capabilities, invocations and messages, with the interface of the upstream Rust bindings.
