// SPDX-License-Identifier: BSD-2-Clause
//! Runtime of a seL4 root task.
