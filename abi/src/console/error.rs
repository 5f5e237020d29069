// SPDX-License-Identifier: BSD-2-Clause
//! Why the console guest does not do what was asked.

use crate::service_error::service_errors;

service_errors! {
    /// Why the console guest does not do what was asked.
    "the console guest";
    /// The client is not in the foreground, and the console guest's arguments do not say that it may.
    NotAllowed = 1, "only who is in the foreground may do this";
    /// There is no such client.
    NoClient = 2, "the console has no client of this name";
    /// The client waits for input already.
    Busy = 3, "this client waits for input already";
    /// The client speaks another version, or has not said which.
    OtherVersion = 4, "the console guest speaks another version of the protocol";
}
