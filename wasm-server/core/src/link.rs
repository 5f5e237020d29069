// SPDX-License-Identifier: BSD-2-Clause
//! The hostcalls as wasmtime imports, made from the table in `atoll-abi`.
//!
//! What a call allocates is the server's; what becomes of it in wasmtime is the guest's
//! ([`Home::charged`]).

use atoll_abi::{
    Error, Group, Groups, Handle, Level, Pid, ProcessState, Rights, TimerId,
    hostcall::Wire,
    message::{
        Echo, EntropySource, Events, EventsRequest, FillRequest, Fills, GrantRequest, HandleInfo,
        Holdings, HoldingsRequest, LogEntries, ModuleInfo, Notice, ProcessInfo, ProcessList,
        Report, SessionInfo, SessionRequest, ShareRequest, StartRequest, SystemInfo, TakeRequest,
        Token,
    },
    to_wire,
};
use wasmtime::{Caller, Engine, Linker};

use crate::{
    calls::{self, Refusal, me},
    context::Context,
    platform::{Home, Platform},
    report::Ending,
};

/// Whether the group was taken away since the guest was linked.
#[inline(always)]
fn check<P: Platform>(caller: &Caller<'_, Context<P>>, group: Group) -> Result<(), Refusal> {
    if group.grant().is_none() || me(caller).may_call(group) {
        Ok(())
    } else {
        Err(Error::NotGranted.into())
    }
}

/// A parameter that the guest says is one.
fn param<T: Wire>(raw: T::Raw) -> Result<T, Refusal> {
    T::from_raw(raw).ok_or_else(|| Error::InvalidArgument.into())
}

/// Inlined, so that a value need not travel together with what a refusal may be.
#[inline(always)]
fn answer<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    result: Result<i64, Refusal>,
) -> wasmtime::Result<i64> {
    match result {
        Ok(answer) => Ok(answer),
        Err(refusal) => refuse(caller, refusal),
    }
}

#[cold]
fn refuse<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    refusal: Refusal,
) -> wasmtime::Result<i64> {
    match refusal {
        Refusal::Error(error) => Ok(to_wire::<()>(Err(error))),
        Refusal::End(ending @ Ending::Exit(_)) => {
            let error = wasmtime::Error::new(ending);
            Err(match caller.data_mut().no_frames.take() {
                Some(backtrace) => error.context(backtrace),
                None => error,
            })
        }
        Refusal::End(ending) => Err(ending.into()),
    }
}

macro_rules! define {
    ($(group $group:ident $room:ident $module:literal {
        scalar { $($(#[doc = $doc:literal])+ fn $name:ident($($param:ident: $ty:ty),*) -> $answer:ty;)* }
        message { $($(#[doc = $message_doc:literal])+ fn $message:ident($request:ty) -> $reply:ty;)* }
    })+) => {
        /// A linker that has every hostcall. That a guest links only what it was granted is checked
        /// where its module is prepared.
        pub(crate) fn linker<P: Platform>(engine: &Engine) -> wasmtime::Result<Linker<Context<P>>> {
            let mut linker = Linker::new(engine);
            $(
                $(linker.func_wrap(
                    $module,
                    stringify!($name),
                    |mut caller: Caller<'_, Context<P>>, $($param: <$ty as Wire>::Raw),*| {
                        let result = P::Home::uncharged(|| {
                            check(&caller, Group::$group)?;
                            $(let $param = param::<$ty>($param)?;)*
                            let answer: $answer = calls::$room::$name(&mut caller, $($param),*)?;
                            Ok(to_wire(Ok(answer)))
                        });
                        answer(&mut caller, result)
                    },
                )?;)*
                $(linker.func_wrap(
                    $module,
                    stringify!($message),
                    |mut caller: Caller<'_, Context<P>>, request: u32, len: u32, reply: u32| {
                        let result = P::Home::uncharged(|| {
                            check(&caller, Group::$group)?;
                            calls::message::<P, $request, $reply>(
                                &mut caller, request, len, reply, calls::$room::$message,
                            )
                        });
                        answer(&mut caller, result)
                    },
                )?;)*
            )+
            Ok(linker)
        }
    };
}

atoll_abi::for_each_hostcall!(define);
