// SPDX-License-Identifier: BSD-2-Clause
//! What a supervisor decides, without a guest around it: which members there are and how they are looked after
//! ([`Policy`], the supervisor's arguments), and what is to be done when ([`Supervisor`]).
//!
//! The supervisor is told what happens (a member runs, has ended, is asked to stop) and answers what is to be done.
//! It knows no hostcall and has no clock of its own, so tests can play years of failures in a moment.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod policy;
mod state;
#[cfg(test)]
mod tests;

pub use policy::{Door, GuestPolicy, Kind, Node, Policy, PolicyError};
pub use state::{Action, End, Failure, Member, Refusal, Supervisor};
