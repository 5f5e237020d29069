// SPDX-License-Identifier: BSD-2-Clause
//! The signed archive of ahead-of-time compiled modules.
