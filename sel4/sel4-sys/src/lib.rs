// SPDX-License-Identifier: BSD-2-Clause
//! The ABI of the selected seL4 kernel, generated from its own interface files.
