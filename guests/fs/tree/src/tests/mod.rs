// SPDX-License-Identifier: BSD-2-Clause
//! Clients that ask for all sorts of things, on a file system that `mke2fs` has made.

mod configs;
mod machine;
mod paths;
mod requests;
