// SPDX-License-Identifier: BSD-2-Clause
//! Several futures at once: the first of them, or all.
//!
//! From [`embassy_futures`], which needs neither a heap nor a task for it. The one who loses a
//! [`select()`] is dropped, and with it what it waited for; futures that are ready at the same time are
//! asked in the order that they are given.
//!
//! ```
//! use core::future::pending;
//! use userland::{future::{Either, join, select}, task::block_on};
//!
//! block_on(async {
//!     let first = select(async { 1 }, pending::<&str>()).await;
//!     assert!(matches!(first, Either::First(1)));
//!
//!     assert_eq!(join(async { 1 }, async { "two" }).await, (1, "two"));
//! });
//! ```

pub use embassy_futures::{
    join::{join, join_array, join3, join4, join5},
    select::{
        Either, Either3, Either4, Either5, Either6, select, select_array, select_slice, select3,
        select4, select5, select6,
    },
};
