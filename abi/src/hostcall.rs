// SPDX-License-Identifier: BSD-2-Clause
//! What a hostcall is: how its arguments and its answer travel.
//!
//! A *scalar* call takes numbers and answers an `i64`: a value from 0 up, or the negated number of an
//! [`Error`]. A *message* call takes the address and length of a postcard message and the address of
//! [`MAX_REPLY`](crate::MAX_REPLY) bytes for the reply, and answers the reply's length or an error
//! likewise. Addresses are offsets in the caller's linear memory. Misuse (an address outside the memory,
//! a message that does not decode) is a trap of the caller; a refusal is an error.

use crate::{Error, Group, Groups, Handle, Pid, Rights, TimerId};

/// A parameter of a scalar call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// Its Rust type, which is [`Wire`].
    pub ty: &'static str,
}

/// How a call passes what it takes and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In registers.
    Scalar {
        /// What it takes.
        params: &'static [Param],
        /// Type of the value it answers, which is [`Answer`].
        answer: &'static str,
    },
    /// As postcard messages.
    Message {
        /// Type of what it takes.
        request: &'static str,
        /// Type of what it answers.
        reply: &'static str,
    },
}

/// The description of one hostcall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hostcall {
    /// The group that gates it.
    pub group: Group,
    /// Import module.
    pub module: &'static str,
    /// Import name.
    pub name: &'static str,
    /// How it is called.
    pub form: Form,
    /// What it does.
    pub doc: &'static str,
}

/// A parameter of a scalar call.
pub trait Wire: Sized {
    /// `u32` or `u64`.
    type Raw;
    /// As a number.
    fn to_raw(self) -> Self::Raw;
    /// Back from what is said to be one; none: it is not.
    fn from_raw(raw: Self::Raw) -> Option<Self>;
}

/// A value that a scalar call answers.
pub trait Answer: Sized {
    /// As a number below 2^63.
    fn to_answer(self) -> u64;
    /// Back from that number; none: the server is of another version.
    fn from_answer(answer: u64) -> Option<Self>;
}

impl Answer for () {
    fn to_answer(self) -> u64 {
        0
    }
    fn from_answer(_: u64) -> Option<Self> {
        Some(())
    }
}

impl Answer for bool {
    fn to_answer(self) -> u64 {
        self.into()
    }
    fn from_answer(answer: u64) -> Option<Self> {
        match answer {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

macro_rules! numbers {
    ($($ty:ty: $raw:ty, |$value:ident| $to:expr, |$number:ident| $from:expr;)+) => {$(
        impl Wire for $ty {
            type Raw = $raw;
            fn to_raw(self) -> $raw {
                let $value = self;
                $to
            }
            fn from_raw($number: $raw) -> Option<Self> {
                $from
            }
        }

        impl Answer for $ty {
            fn to_answer(self) -> u64 {
                u64::from(self.to_raw())
            }
            fn from_answer(answer: u64) -> Option<Self> {
                Self::from_raw(<$raw>::try_from(answer).ok()?)
            }
        }
    )+};
}

numbers! {
    u32: u32, |value| value, |number| Some(number);
    u64: u64, |value| value, |number| Some(number);
    Handle: u32, |handle| handle.0, |number| Some(Self(number));
    Pid: u32, |pid| pid.0, |number| Some(Self(number));
    Rights: u32, |rights| rights.bits(), |number| Self::from_bits(number);
    Groups: u32, |groups| groups.bits(), |number| Some(Self::from_bits(number));
    TimerId: u64, |timer| timer.0, |number| Some(Self(number));
}

/// Encodes what a call answers.
pub fn to_wire<T: Answer>(result: Result<T, Error>) -> i64 {
    match result {
        Ok(value) => (value.to_answer() & i64::MAX as u64) as i64,
        Err(error) => -i64::from(error.number()),
    }
}

/// Decodes what a call answered. A number that nothing has is taken as [`Error::InvalidArgument`]:
/// the server is newer than this guest.
///
/// # Errors
/// Whatever the call refused with.
pub fn from_wire<T: Answer>(wire: i64) -> Result<T, Error> {
    if wire >= 0 {
        T::from_answer(wire as u64).ok_or(Error::InvalidArgument)
    } else {
        let number = u32::try_from(wire.unsigned_abs()).unwrap_or(0);
        Err(Error::from_number(number).unwrap_or(Error::InvalidArgument))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_round_trip() {
        assert_eq!(from_wire::<Handle>(to_wire(Ok(Handle(7)))), Ok(Handle(7)));
        assert_eq!(
            from_wire::<u32>(to_wire(Err::<u32, _>(Error::Revoked))),
            Err(Error::Revoked)
        );
        assert_eq!(from_wire::<u32>(i64::MIN), Err(Error::InvalidArgument));
        assert_eq!(from_wire::<u32>(i64::MAX), Err(Error::InvalidArgument));
        assert_eq!(from_wire::<Rights>(8), Err(Error::InvalidArgument));
        assert_eq!(from_wire::<bool>(to_wire(Ok(true))), Ok(true));
        assert_eq!(from_wire::<bool>(2), Err(Error::InvalidArgument));
    }
}
