// SPDX-License-Identifier: BSD-2-Clause
//! The hostcalls as the server defines them: imports made from the table in `atoll-abi`.
//!
//! A scalar call takes numbers and answers a value from 0 up, or the negated number of an
//! [`Error`](crate::Error); a message call takes the address and the length of its request and the
//! address of [`MAX_REPLY`](atoll_abi::MAX_REPLY) bytes for the reply, and answers the reply's length
//! or an error likewise.
//!
//! # Safety
//! A call reads and writes the guest's memory at the addresses that it is given, whatever is there.

use atoll_abi::{Groups, Handle, Level, Pid, Rights, TimerId, hostcall::Wire};

macro_rules! imports {
    ($(group $group:ident $room:ident $module:literal {
        scalar { $($(#[doc = $doc:literal])+ fn $name:ident($($param:ident: $ty:ty),*) -> $answer:ty;)* }
        message { $($(#[doc = $message_doc:literal])+ fn $message:ident($request:ty) -> $reply:ty;)* }
    })+) => {$(
        #[doc = concat!("The imports from `", $module, "`.")]
        pub mod $room {
            #[allow(unused_imports, reason = "not every group takes every type")]
            use super::*;

            #[link(wasm_import_module = $module)]
            #[allow(clashing_extern_declarations, reason = "the same name of another module")]
            unsafe extern "C" {
                $($(#[doc = $doc])+ pub fn $name($($param: <$ty as Wire>::Raw),*) -> i64;)*
                $($(#[doc = $message_doc])+ pub fn $message(request: u32, len: u32, reply: u32) -> i64;)*
            }
        }
    )+};
}

atoll_abi::for_each_hostcall!(imports);
