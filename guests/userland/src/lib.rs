// SPDX-License-Identifier: BSD-2-Clause
//! The guest library.
