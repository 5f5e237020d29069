// SPDX-License-Identifier: BSD-2-Clause
//! Mutexes that sleep on seL4 notifications.
