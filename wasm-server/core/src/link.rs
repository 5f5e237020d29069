// SPDX-License-Identifier: BSD-2-Clause
//! The hostcalls as wasmtime imports, made from the table in `atoll-abi`.

use atoll_abi::{Handle, Pid, to_wire};
use wasmtime::{Caller, Engine, Linker};

use crate::{calls, guest::Context, platform::Platform};

macro_rules! define {
    ($(group $group:ident $rust:ident $module:literal {
        $($(#[doc = $doc:literal])+ fn $name:ident($($param:ident: $ty:ty),*) -> $answer:ty;)+
    })+) => {
        /// A linker that has every hostcall. That a guest links only what it was granted is checked
        /// where its module is prepared.
        pub(crate) fn linker<P: Platform>(engine: &Engine) -> wasmtime::Result<Linker<Context<P>>> {
            let mut linker = Linker::new(engine);
            $($(
                linker.func_wrap(
                    $module,
                    stringify!($name),
                    |mut caller: Caller<'_, Context<P>>, $($param: $ty),*| -> wasmtime::Result<i64> {
                        match calls::$rust::$name(&mut caller, $($param),*) {
                            Ok(answer) => Ok(to_wire::<$answer>(Ok(answer))),
                            Err(calls::Refusal::Error(error)) => Ok(to_wire::<$answer>(Err(error))),
                            Err(calls::Refusal::End(ending)) => Err(ending.into()),
                        }
                    },
                )?;
            )+)+
            Ok(linker)
        }
    };
}

atoll_abi::for_each_hostcall!(define);
