// SPDX-License-Identifier: BSD-2-Clause
//! What the server and its guests agree on.
#![no_std]
