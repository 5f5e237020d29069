// SPDX-License-Identifier: BSD-2-Clause
//! The hostcalls where there is no server: on the machine that builds guests, for tests and for the
//! examples of the documentation. Each refuses with [`Error::NotGranted`](crate::Error::NotGranted).
//!
//! A unit test can put an answer of its own in place: see `answer_with`.
//!
//! # Safety
//! As for the hostcalls themselves. These touch no memory.

use atoll_abi::{Error, Groups, Handle, Level, Pid, Rights, TimerId, hostcall::Wire, to_wire};

macro_rules! stand_ins {
    ($(group $group:ident $room:ident $module:literal {
        scalar { $($(#[doc = $doc:literal])+ fn $name:ident($($param:ident: $ty:ty),*) -> $answer:ty;)* }
        message { $($(#[doc = $message_doc:literal])+ fn $message:ident($request:ty) -> $reply:ty;)* }
    })+) => {$(
        #[doc = concat!("What stands in for the imports from `", $module, "`.")]
        pub mod $room {
            #[allow(unused_imports, reason = "not every group takes every type")]
            use super::*;

            $(
                $(#[doc = $doc])+
                pub unsafe fn $name($($param: <$ty as Wire>::Raw),*) -> i64 {
                    answer(concat!(stringify!($room), "::", stringify!($name)), &[$(u64::from($param)),*])
                }
            )*
            $(
                $(#[doc = $message_doc])+
                pub unsafe fn $message(request: u32, len: u32, reply: u32) -> i64 {
                    answer(
                        concat!(stringify!($room), "::", stringify!($message)),
                        &[request.into(), len.into(), reply.into()],
                    )
                }
            )*
        }
    )+};
}

atoll_abi::for_each_hostcall!(stand_ins);

const REFUSAL: Result<(), Error> = Err(Error::NotGranted);

#[cfg(not(test))]
fn answer(_call: &str, _args: &[u64]) -> i64 {
    to_wire(REFUSAL)
}

#[cfg(test)]
pub(crate) use fake::{answer, answer_with};

/// A server that a unit test makes up.
#[cfg(test)]
mod fake {
    use alloc::boxed::Box;
    use core::cell::RefCell;

    use super::{REFUSAL, to_wire};

    type Server = Box<dyn FnMut(&str, &[u64]) -> Option<i64>>;

    std::thread_local! {
        static SERVER: RefCell<Option<Server>> = const { RefCell::new(None) };
    }

    /// Has this answer the hostcalls of this thread from now on, each by its name, `wake::wait`, and its
    /// arguments. What it answers with none is refused.
    pub(crate) fn answer_with(server: impl FnMut(&str, &[u64]) -> Option<i64> + 'static) {
        SERVER.set(Some(Box::new(server)));
    }

    pub(crate) fn answer(call: &str, args: &[u64]) -> i64 {
        let answer = SERVER.with_borrow_mut(|server| server.as_mut()?(call, args));
        answer.unwrap_or_else(|| to_wire(REFUSAL))
    }
}
