// SPDX-License-Identifier: BSD-2-Clause
//! The process server without its platform.
