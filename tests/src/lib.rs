// SPDX-License-Identifier: BSD-2-Clause
//! System tests: boot the image in QEMU and look at it as a user would.
