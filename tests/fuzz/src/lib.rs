// SPDX-License-Identifier: BSD-2-Clause
//! A fuzzer of the hostcalls.
//!
//! Guests run scripts of hostcalls with arguments of every sort, several at once in one server on
//! Linux, with a channel and a service between them. An input that shows something new (an answer of a
//! call, an answer after another call, an end) is kept and changed further. After each run nothing may
//! be left of any guest, and bystanders must not have noticed.
//!
//! Scripts follow from the seed; which thread runs when is up to Linux.
#![forbid(unsafe_code)]

pub mod calls;
pub mod campaign;
pub mod corpus;
pub mod generate;
pub mod guests;
pub mod random;
pub mod script;
pub mod shape;
pub mod system;
mod values;
