// SPDX-License-Identifier: BSD-2-Clause
//! What a step can call: every hostcall of the table, and what a guest does by itself.

use std::{mem::size_of, sync::LazyLock};

use atoll_abi::{
    Form, Groups, Handle, Level, Param, Pid, Rights, TABLE, TimerId, for_each_hostcall,
    hostcall::Wire,
};

/// What the interpreter keeps of an answer, for later steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kept {
    /// Nothing.
    Nothing = 0,
    /// The answer is a handle.
    Handle = 1,
    /// The answer is another value: an address, a timer.
    Value = 2,
    /// The reply is a handle.
    HandleReply = 3,
    /// The reply is a token.
    TokenReply = 4,
}

/// One call.
#[derive(Debug)]
pub struct Call {
    /// Import module and name; none: the guest does it by itself.
    pub import: Option<(&'static str, &'static str)>,
    /// The module's last part and the name, `shm.attach`.
    pub name: String,
    /// Parameters of a scalar call; of a message call none.
    pub params: &'static [Param],
    /// Type of the request, if it is a message call.
    pub request: Option<&'static str>,
    /// Whether each raw parameter has 64 bits.
    pub wide: &'static [bool],
    /// What is kept of its answer.
    pub kept: Kept,
}

impl Call {
    /// Where it is in [`CALLS`].
    pub fn index(&self) -> usize {
        CALLS
            .iter()
            .position(|call| std::ptr::eq(call, self))
            .unwrap_or(0)
    }
}

/// The call of this name.
pub fn named(name: &str) -> Option<&'static Call> {
    CALLS.iter().find(|call| call.name == name)
}

macro_rules! widths {
    ($(group $group:ident $room:ident $module:literal {
        scalar { $($(#[doc = $doc:literal])+ fn $name:ident($($param:ident: $ty:ty),*) -> $answer:ty;)* }
        message { $($(#[doc = $message_doc:literal])+ fn $message:ident($request:ty) -> $reply:ty;)* }
    })+) => {
        /// Of each call of the table, which raw parameters have 64 bits.
        const WIDE: &[&[bool]] = &[$(
            $(&[$(size_of::<<$ty as Wire>::Raw>() == 8),*],)*
            $({ let _ = stringify!($message); &[false; 3] },)*
        )+];
    };
}

for_each_hostcall!(widths);

const fn param(name: &'static str) -> Param {
    Param { name, ty: "u32" }
}

/// What the interpreter does without the server.
const OWN: &[(&str, &[Param])] = &[
    ("own.grow", &[param("pages")]),
    ("own.load", &[param("address")]),
    ("own.store", &[param("address"), param("value")]),
    ("own.spin", &[param("rounds")]),
    ("own.take", &[]),
];

/// Every call, by the number that programs have for it.
pub static CALLS: LazyLock<Vec<Call>> = LazyLock::new(|| {
    let table = TABLE.iter().zip(WIDE).map(|(call, wide)| {
        let room = call.module.rsplit("::").next().unwrap_or(call.module);
        let (params, request, kept) = match call.form {
            Form::Scalar { params, answer } => (
                params,
                None,
                match answer {
                    "Handle" => Kept::Handle,
                    "u32" | "TimerId" => Kept::Value,
                    _ => Kept::Nothing,
                },
            ),
            Form::Message { request, reply } => (
                &[] as &[Param],
                Some(request),
                match reply {
                    "Handle" => Kept::HandleReply,
                    "Token" => Kept::TokenReply,
                    _ => Kept::Nothing,
                },
            ),
        };
        Call {
            import: Some((call.module, call.name)),
            name: format!("{room}.{}", call.name),
            params,
            request,
            wide,
            kept,
        }
    });
    let own = OWN.iter().map(|(name, params)| Call {
        import: None,
        name: (*name).into(),
        params,
        request: None,
        wide: &[],
        kept: Kept::Nothing,
    });
    table.chain(own).collect()
});
