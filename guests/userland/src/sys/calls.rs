// SPDX-License-Identifier: BSD-2-Clause
//! A typed function for each hostcall, made from the table in `atoll-abi`.

use core::cell::UnsafeCell;

use atoll_abi::{
    Error, Groups, Handle, Level, MAX_REPLY, MAX_REQUEST, Pid, ProcessState, Rights, TimerId,
    from_wire,
    hostcall::Wire,
    message::{
        Echo, EntropySource, Events, EventsRequest, FillRequest, Fills, GrantRequest, HandleInfo,
        Holdings, HoldingsRequest, LogEntries, ModuleInfo, Notice, ProcessInfo, ProcessList,
        Report, SessionInfo, SessionRequest, ShareRequest, StartRequest, SystemInfo, TakeRequest,
        Token,
    },
};
use serde::{Serialize, de::DeserializeOwned};

use super::raw;

macro_rules! calls {
    ($(group $group:ident $room:ident $module:literal {
        scalar { $($(#[doc = $doc:literal])+ fn $name:ident($($param:ident: $ty:ident),*) -> $answer:ty;)* }
        message { $($(#[doc = $message_doc:literal])+ fn $message:ident($request:ty) -> $reply:ty;)* }
    })+) => {$(
        #[doc = concat!("The calls of `", $module, "`.")]
        pub(crate) mod $room {
            #[allow(unused_imports, reason = "not every group takes every type")]
            use super::*;

            $(scalar! { [$($param: $ty),*] $(#[doc = $doc])+ fn $room $name($($param: $ty),*) -> $answer; })*

            $(
                $(#[doc = $message_doc])+
                pub(crate) fn $message(request: &$request) -> Result<$reply, Error> {
                    exchange(request, |request, len, reply| {
                        // SAFETY: `exchange` hands over a request and room for the longest reply.
                        unsafe { raw::$room::$message(request, len, reply) }
                    })
                }
            )*
        }
    )+};
}

/// Defines a scalar call. It is safe if no parameter can be an address: none is a `u32`, but for those
/// that are known for something else.
macro_rules! scalar {
    ([task: u32 $(, $($rest:tt)+)?] $($call:tt)+) => { scalar! { [$($($rest)+)?] $($call)+ } };
    ([code: u32 $(, $($rest:tt)+)?] $($call:tt)+) => { scalar! { [$($($rest)+)?] $($call)+ } };
    ([pages: u32 $(, $($rest:tt)+)?] $($call:tt)+) => { scalar! { [$($($rest)+)?] $($call)+ } };
    ([bells: u32 $(, $($rest:tt)+)?] $($call:tt)+) => { scalar! { [$($($rest)+)?] $($call)+ } };
    ([queue: u32 $(, $($rest:tt)+)?] $($call:tt)+) => { scalar! { [$($($rest)+)?] $($call)+ } };
    ([offset: u32 $(, $($rest:tt)+)?] $($call:tt)+) => { scalar! { [$($($rest)+)?] $($call)+ } };
    ([width: u32 $(, $($rest:tt)+)?] $($call:tt)+) => { scalar! { [$($($rest)+)?] $($call)+ } };
    ([$address:ident: u32 $(, $($rest:tt)+)?]
        $(#[doc = $doc:literal])+ fn $room:ident $name:ident($($param:ident: $ty:ident),*) -> $answer:ty;) => {
        $(#[doc = $doc])+
        ///
        /// # Safety
        /// The call may read and write the bytes at the addresses it is given.
        #[inline]
        pub(crate) unsafe fn $name($($param: $ty),*) -> Result<$answer, Error> {
            // SAFETY: the types are the server's, since both come from one table; the addresses are
            // the caller's to answer for.
            from_wire(unsafe { raw::$room::$name($($param.to_raw()),*) })
        }
    };
    ([$number:ident: $wire:ident $(, $($rest:tt)+)?] $($call:tt)+) => { scalar! { [$($($rest)+)?] $($call)+ } };
    ([] $(#[doc = $doc:literal])+ fn $room:ident $name:ident($($param:ident: $ty:ident),*) -> $answer:ty;) => {
        $(#[doc = $doc])+
        #[inline]
        pub(crate) fn $name($($param: $ty),*) -> Result<$answer, Error> {
            // SAFETY: the types are the server's, since both come from one table; without an address
            // the call touches no memory of the guest but its mailbox, which `register` gave away.
            from_wire(unsafe { raw::$room::$name($($param.to_raw()),*) })
        }
    };
}

atoll_abi::for_each_hostcall!(calls);

/// Where messages are put on their way: bytes of request and reply.
struct Buffers(UnsafeCell<([u8; MAX_REQUEST as usize], [u8; MAX_REPLY as usize])>);

// SAFETY: a guest has one thread, so there is nobody to share it with.
unsafe impl Sync for Buffers {}

static BUFFERS: Buffers = Buffers(UnsafeCell::new((
    [0; MAX_REQUEST as usize],
    [0; MAX_REPLY as usize],
)));

/// Makes a message call: `call` is handed address and length of the request and the address of room
/// for the longest reply.
fn exchange<T: DeserializeOwned>(
    request: &impl Serialize,
    call: impl FnOnce(u32, u32, u32) -> i64,
) -> Result<T, Error> {
    // SAFETY: the only reference: there is one thread, and what is called from here (the codec of
    // messages that are ABI types, and a hostcall) does not come back here.
    let (room, reply) = unsafe { &mut *BUFFERS.0.get() };
    // The longest fit; see the tests of `atoll_abi::message`.
    let request = postcard::to_slice(request, room).map_err(|_| Error::InvalidArgument)?;
    let answer = call(
        request.as_ptr().expose_provenance() as u32,
        request.len() as u32,
        reply.as_mut_ptr().expose_provenance() as u32,
    );
    let len: u32 = from_wire(answer)?;
    let reply = reply.get(..len as usize).ok_or(Error::InvalidArgument)?;
    postcard::from_bytes(reply).map_err(|_| Error::InvalidArgument)
}
