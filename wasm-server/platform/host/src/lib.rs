// SPDX-License-Identifier: BSD-2-Clause
//! The process server on Linux threads: for tests.
