// SPDX-License-Identifier: BSD-2-Clause
//! The capDL language of Atoll.
#![cfg_attr(not(feature = "language"), no_std)]
#![forbid(unsafe_code)]

pub mod blob;
