// SPDX-License-Identifier: BSD-2-Clause
//! The root_task attribute.
