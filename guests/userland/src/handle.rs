// SPDX-License-Identifier: BSD-2-Clause
//! Capabilities, whatever they are for. Every guest may do this with those that it holds.
//!
//! A capability is a value of a type that is [`Capability`]: a [`Region`](crate::shm::Region), a
//! [`Process`](crate::process::Process), a [`Session`](crate::session::Session) or a
//! [`Service`](crate::singleton::Service). To drop the value is not to give the capability up: it stays
//! in the guest's table until [`Capability::close`], or until it is taken away, of which a [`notice`]
//! tells. One with the right to grant can be handed on: as a [`Token`], or to another process by name.

use core::fmt;

#[cfg(target_family = "wasm")]
pub use atoll_abi::message::{Event, HandleInfo, Notice};
use atoll_abi::{Handle, Rights, message::Kind};

use crate::time::Instant;
#[cfg(target_family = "wasm")]
use crate::{Error, sys::calls, wake::Task};

/// What a handle of the guest's table designates.
pub trait Capability: Sized {
    /// What kind of thing it is for.
    const KIND: Kind;

    /// The capability behind this handle, which is not asked about: one of another kind shows at the
    /// first call, as [`Error::WrongKind`](crate::Error::WrongKind).
    fn from_handle(handle: Handle) -> Self;

    /// Its handle.
    fn handle(&self) -> Handle;

    /// Gives it up, and takes back all that was derived from it. One that was lost has a place in the
    /// table, too, until it is closed.
    ///
    /// # Errors
    /// [`Error::BadHandle`].
    #[cfg(target_family = "wasm")]
    fn close(self) -> Result<(), Error> {
        calls::handle::close(self.handle())
    }

    /// Takes back all that was derived from it: by tokens, by grants, by starting processes with it.
    /// Whoever holds that gets a notice, windows show private zeros, waiters wake. This one stays.
    ///
    /// # Errors
    /// [`Error::BadHandle`], [`Error::Revoked`].
    #[cfg(target_family = "wasm")]
    fn revoke(&self) -> Result<(), Error> {
        calls::handle::revoke(self.handle())
    }

    /// Makes a token for it.
    ///
    /// # Errors
    /// [`Error::Denied`] without the right to grant, or for rights that it has not;
    /// [`Error::TooManyTokens`], [`Error::TooMany`], [`Error::InvalidArgument`] for no uses,
    /// [`Error::Revoked`].
    #[cfg(target_family = "wasm")]
    fn share(&self, terms: Terms) -> Result<Token, Error> {
        calls::handle::share(&atoll_abi::message::ShareRequest {
            handle: self.handle(),
            rights: terms.rights,
            uses: terms.uses,
            expires: terms.expires.map(Instant::nanoseconds),
        })
        .map(|token| Token(token.bytes))
    }

    /// What it allows.
    ///
    /// # Errors
    /// [`Error::BadHandle`], [`Error::Revoked`].
    #[cfg(target_family = "wasm")]
    fn rights(&self) -> Result<Rights, Error> {
        calls::handle::rights(self.handle())
    }

    /// What the server knows of the handle; of one that was lost, how.
    ///
    /// # Errors
    /// [`Error::BadHandle`].
    #[cfg(target_family = "wasm")]
    fn handle_info(&self) -> Result<HandleInfo, Error> {
        calls::handle::info(&self.handle())
    }
}

/// Implements [`Capability`] for a type that is its handle.
macro_rules! capability {
    ($name:ident) => {
        impl $crate::handle::Capability for $name {
            const KIND: atoll_abi::message::Kind = atoll_abi::message::Kind::$name;

            fn from_handle(handle: $crate::Handle) -> Self {
                Self { handle }
            }

            fn handle(&self) -> $crate::Handle {
                self.handle
            }
        }
    };
}

pub(crate) use capability;

/// On what terms a capability is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What the token gives, at most.
    pub rights: Rights,
    /// How often it can be taken up, from 1.
    pub uses: u32,
    /// When the token, and what was taken up with it, ends.
    pub expires: Option<Instant>,
}

impl Terms {
    /// These rights, for one to take up, without an end.
    pub const fn once(rights: Rights) -> Self {
        Self {
            rights,
            uses: 1,
            expires: None,
        }
    }
}

/// Stands for a capability that one guest gives another. Whoever knows its bits, which nobody can
/// guess, can take the capability up.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; Token::BYTES]);

impl Token {
    /// Bytes of a token.
    pub const BYTES: usize = 16;

    /// A token that came as bytes.
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes to hand over.
    pub const fn to_bytes(&self) -> [u8; Self::BYTES] {
        self.0
    }

    /// Makes it worthless. What was taken up with it stays.
    ///
    /// # Errors
    /// [`Error::BadToken`] if it is none, or not of this guest.
    #[cfg(target_family = "wasm")]
    pub fn withdraw(self) -> Result<(), Error> {
        calls::handle::withdraw(&self.wire())
    }

    #[cfg(target_family = "wasm")]
    const fn wire(&self) -> atoll_abi::message::Token {
        atoll_abi::message::Token { bytes: self.0 }
    }
}

impl fmt::Debug for Token {
    /// Without the bits: they are a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Takes up what a token stands for. One for something else than a `T` is used up, too.
///
/// # Errors
/// [`Error::BadToken`] if there is no such token, or it was used up; [`Error::WrongKind`],
/// [`Error::TooManyHandles`], [`Error::TooMany`], [`Error::NotEntitled`].
#[cfg(target_family = "wasm")]
pub fn accept<T: Capability>(token: &Token) -> Result<T, Error> {
    of_kind(calls::handle::accept(&token.wire())?)
}

/// The capability behind a handle that just came; closed again if it is for something else.
#[cfg(target_family = "wasm")]
pub(crate) fn of_kind<T: Capability>(handle: Handle) -> Result<T, Error> {
    let kind = calls::handle::info(&handle).map(|info| info.kind);
    match kind {
        Ok(kind) if kind == T::KIND => Ok(T::from_handle(handle)),
        other => {
            // The reason to report is why it is closed.
            let _ = calls::handle::close(handle);
            Err(other.err().unwrap_or(Error::WrongKind))
        }
    }
}

/// Takes the next notice: of a capability that was given to this guest, or taken from it.
///
/// # Errors
/// None that a guest of this version meets.
#[cfg(target_family = "wasm")]
pub fn notice() -> Result<Option<Notice>, Error> {
    calls::handle::notice(&())
}

/// Has `task` put into the mailbox whenever there is a [`notice`].
///
/// # Errors
/// None that a guest of this version meets.
#[cfg(target_family = "wasm")]
pub fn watch(task: Task) -> Result<(), Error> {
    calls::handle::watch(task.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_keeps_its_secret() {
        let token = Token::from_bytes([0xab; 16]);
        assert_eq!(alloc::format!("{token:?}"), "Token(..)");
    }
}
