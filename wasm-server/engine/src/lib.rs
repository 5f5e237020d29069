// SPDX-License-Identifier: BSD-2-Clause
//! The one wasmtime configuration, shared by the ahead-of-time compiler and the server.
