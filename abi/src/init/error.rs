// SPDX-License-Identifier: BSD-2-Clause
//! Why a supervisor does not do what was asked.

use crate::service_error::service_errors;

service_errors! {
    /// Why a supervisor does not do what was asked.
    "the supervisor";
    /// Its arguments do not say that the client may.
    NotAllowed = 1, "the supervisor's arguments do not allow this client to do it";
    /// It has no such member.
    NoMember = 2, "the supervisor has no member of this name";
    /// It is a group, and a guest is needed.
    NoGuest = 3, "it is a group, not a guest";
    /// It runs already.
    Running = 4, "it runs already";
    /// It does not run.
    NotRunning = 5, "it does not run";
    /// It could not be started; the member's `last_end` says why.
    NotStarted = 6, "it could not be started; the log says why";
    /// The guest has nothing in this slot, or has lost it already.
    NoSlot = 7, "it has nothing in this slot";
    /// The guest has what the spec gives it in this slot.
    NotRevoked = 8, "it has what the spec gives it in this slot";
    /// The token is none, or does not allow as much as is to be given.
    BadToken = 9, "the token is none, or allows too little";
    /// The guest can have no more capabilities.
    TooMany = 10, "the guest can have no more capabilities";
    /// The supervisor is ending all its members.
    ShuttingDown = 11, "the supervisor is ending all its members";
    /// The spec does not give the supervisor the power switch.
    NoPowerSwitch = 12, "this supervisor may not switch the machine off: ask the one at the top";
    /// The client speaks another version, or has not said which.
    OtherVersion = 13, "the supervisor speaks another version of the protocol";
    /// The supervisor lacks a right on the guest: its slot for the guest says which it has.
    NoRight = 14, "the spec does not give the supervisor this right on the guest";
}
