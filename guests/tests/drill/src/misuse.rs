// SPDX-License-Identifier: BSD-2-Clause
//! Every way to misuse every hostcall that takes addresses.

use alloc::vec::Vec;
use core::fmt;

use atoll_abi::{Form, Hostcall, MAX_REQUEST, TABLE};

/// Somewhere in a guest's address space, relative to what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// So many bytes before the end of the guest's memory.
    BeforeEnd(u32),
    /// So many bytes before the end of all addresses, which is not in its memory.
    BeforeTop(u32),
}

/// What is wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trick {
    /// The address that a scalar call is given.
    Address(Place),
    /// Where the request is said to be.
    Request(Place),
    /// Where the reply is to go.
    Reply(Place),
    /// The request is longer than any.
    TooLong,
    /// The request is empty.
    Truncated,
    /// The request is of ones.
    Garbage,
}

/// One misuse of one hostcall, for which the guest ends.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its place in the table.
    pub index: usize,
    /// The call.
    pub call: &'static Hostcall,
    /// What is wrong.
    pub trick: Trick,
    /// What the server says of it.
    pub reason: &'static str,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {:?}",
            self.call.module, self.call.name, self.trick
        )
    }
}

/// Bytes that a scalar call is told to read or write; more than it does at a time.
pub const LEN: u32 = 4096;

/// Beside the end of the memory: within a byte of it, with room for a part of what is copied but not for
/// all of it, behind it, and where the end of the range is at its beginning.
const PLACES: [Place; 4] = [
    Place::BeforeEnd(1),
    Place::BeforeEnd(600),
    Place::BeforeTop(1),
    Place::BeforeTop(LEN / 2),
];

const OUTSIDE: &str = "an address outside its memory";

/// Whether a parameter of this name is an address.
pub fn is_address(param: &str) -> bool {
    ["buffer", "bytes", "text", "message", "mailbox"].contains(&param)
}

/// All of them.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (index, call) in TABLE.iter().enumerate() {
        let mut add = |trick, reason| {
            cases.push(Case {
                index,
                call,
                trick,
                reason,
            });
        };
        match call.form {
            Form::Scalar { params, .. } => {
                for param in params.iter().filter(|param| is_address(param.name)) {
                    for place in PLACES {
                        // What is short fits there.
                        let fits = place == Place::BeforeEnd(600) && is_short(call);
                        match param.name {
                            "mailbox" => {
                                add(Trick::Address(place), "what it registers is no mailbox")
                            }
                            _ if fits => {}
                            _ => add(Trick::Address(place), OUTSIDE),
                        }
                    }
                }
            }
            Form::Message { request, .. } => {
                for place in [
                    Place::BeforeEnd(1),
                    Place::BeforeTop(1),
                    Place::BeforeTop(8),
                ] {
                    add(Trick::Request(place), OUTSIDE);
                }
                for place in [PLACES[0], Place::BeforeEnd(1023), Place::BeforeTop(512)] {
                    add(Trick::Reply(place), OUTSIDE);
                }
                add(Trick::TooLong, "a message that is too long");
                let undecodable = "a message that does not decode";
                // Nothing is always there; a token may be of any bits.
                if request != "()" {
                    add(Trick::Truncated, undecodable);
                }
                if !["()", "Token"].contains(&request) {
                    add(Trick::Garbage, undecodable);
                }
            }
        }
    }
    cases
}

/// Whether the call touches few bytes, however many it is told.
fn is_short(call: &Hostcall) -> bool {
    [("atoll::guest", "params"), ("atoll::console", "read")].contains(&(call.module, call.name))
}

const _: () = assert!(LEN <= MAX_REQUEST);
