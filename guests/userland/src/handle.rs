// SPDX-License-Identifier: BSD-2-Clause
//! Capabilities, whatever they are for. Every guest may do this with those that it holds.
//!
//! A capability is a value of a type that is [`Capability`]: a [`Region`](crate::shm::Region), a
//! [`Process`](crate::process::Process), a [`Session`](crate::session::Session) or a
//! [`Service`](crate::singleton::Service). To drop the value is not to give the capability up: it stays
//! in the guest's table until [`Capability::close`], or until it is taken away, of which a [`notice`]
//! tells: [`notices`] are for every task that wants to see them, and a [`Slot`] is what they say of one capability. One with the right to grant can be handed on: as a [`Token`], or to another process by name. See the
//! example of [`Capability`].

mod notices;
mod slot;

use core::fmt;

pub use atoll_abi::message::{Event, HandleInfo, Notice};
use atoll_abi::{Handle, Rights, message::Kind};

use crate::{Error, sys::calls, time::Instant, wake::Task};
pub use notices::{Notices, notices};
pub use slot::Slot;
pub(crate) use slot::renewed;

/// What a handle of the guest's table designates.
///
/// ```no_run
/// use userland::{Error, Rights, handle::{self, Capability, Terms, Token}, info, shm::Region};
///
/// /// Makes what another guest can take up once: a capability to read.
/// fn offer(region: &Region) -> Result<Token, Error> {
///     info!("handle {:?} allows {:?}", region.handle(), region.rights()?);
///     region.share(Terms::once(Rights::READ))
/// }
///
/// /// What the other guest does.
/// fn use_it(token: &Token) -> Result<(), Error> {
///     let region: Region = handle::accept(token)?;
///     region.read_at(0, &mut [0; 16])?;
///     region.close()
/// }
/// ```
pub trait Capability: Sized {
    /// What kind of thing it is for.
    ///
    /// ```
    /// use userland::{handle::Capability, introspect::Kind, shm::Region};
    ///
    /// assert_eq!(Region::KIND, Kind::Region);
    /// ```
    const KIND: Kind;

    /// The capability behind this handle, which is not asked about: one of another kind shows at the
    /// first call, as [`Error::WrongKind`].
    ///
    /// ```
    /// use userland::{Handle, handle::Capability, shm::Region};
    ///
    /// let region = Region::from_handle(Handle(7));
    /// assert_eq!(region.handle(), Handle(7));
    /// ```
    fn from_handle(handle: Handle) -> Self;

    /// Its handle. See the example of [`Capability::from_handle`].
    fn handle(&self) -> Handle;

    /// Gives it up, and takes back all that was derived from it. One that was lost has a place in the
    /// table, too, until it is closed. See the example of [`Capability`].
    ///
    /// # Errors
    /// [`Error::BadHandle`].
    fn close(self) -> Result<(), Error> {
        calls::handle::close(self.handle())
    }

    /// Takes back all that was derived from it: by tokens, by grants, by starting processes with it.
    /// Whoever holds that gets a notice, windows show private zeros, waiters wake. This one stays.
    ///
    /// ```no_run
    /// use userland::{Error, handle::Capability, shm::Region};
    ///
    /// /// From now on this guest is the only one to see it.
    /// fn keep_to_oneself(region: &Region) -> Result<(), Error> {
    ///     region.revoke()
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::BadHandle`], [`Error::Revoked`].
    fn revoke(&self) -> Result<(), Error> {
        calls::handle::revoke(self.handle())
    }

    /// Makes a token for it. See the example of [`Capability`].
    ///
    /// # Errors
    /// [`Error::Denied`] without the right to grant, or for rights that it has not;
    /// [`Error::TooManyTokens`], [`Error::TooMany`], [`Error::InvalidArgument`] for no uses,
    /// [`Error::Revoked`].
    fn share(&self, terms: Terms) -> Result<Token, Error> {
        calls::handle::share(&atoll_abi::message::ShareRequest {
            handle: self.handle(),
            rights: terms.rights,
            uses: terms.uses,
            expires: terms.expires.map(Instant::nanoseconds),
        })
        .map(|token| Token(token.bytes))
    }

    /// What it allows. See the example of [`Capability`].
    ///
    /// # Errors
    /// [`Error::BadHandle`], [`Error::Revoked`].
    fn rights(&self) -> Result<Rights, Error> {
        calls::handle::rights(self.handle())
    }

    /// What the server knows of the handle; of one that was lost, how.
    ///
    /// ```no_run
    /// use userland::{Error, handle::Capability, info, shm::Region};
    ///
    /// fn explain(region: &Region) -> Result<(), Error> {
    ///     info!("{:?}", region.handle_info()?);
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::BadHandle`].
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
///
/// ```
/// use core::time::Duration;
/// use userland::{Rights, handle::Terms, time::Instant};
///
/// /// For three to read, for a minute.
/// fn terms() -> Terms {
///     Terms {
///         rights: Rights::READ,
///         uses: 3,
///         expires: Some(Instant::now() + Duration::from_secs(60)),
///     }
/// }
/// # assert_eq!(terms().uses, 3);
/// ```
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
    /// These rights, for one to take up, without an end. See the example of [`Capability`].
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
///
/// ```
/// use userland::handle::Token;
///
/// let bytes = [7; Token::BYTES];
/// let token = Token::from_bytes(bytes);
/// assert_eq!(token.to_bytes(), bytes);
/// assert_eq!(format!("{token:?}"), "Token(..)", "a secret");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; Token::BYTES]);

impl Token {
    /// Bytes of a token. See the example of [`Token`].
    pub const BYTES: usize = 16;

    /// A token that came as bytes. See the example of [`Token`].
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes to hand over. See the example of [`Token`].
    pub const fn to_bytes(&self) -> [u8; Self::BYTES] {
        self.0
    }

    /// Makes it worthless. What was taken up with it stays.
    ///
    /// ```no_run
    /// use userland::{Error, handle::Token};
    ///
    /// /// If nobody has taken it up by now, nobody will.
    /// fn take_back(token: Token) -> Result<(), Error> {
    ///     match token.withdraw() {
    ///         Err(Error::BadToken) => Ok(()), // somebody has
    ///         other => other,
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::BadToken`] if it is none, or not of this guest.
    pub fn withdraw(self) -> Result<(), Error> {
        calls::handle::withdraw(&self.wire())
    }

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
/// See the example of [`Capability`].
///
/// # Errors
/// [`Error::BadToken`] if there is no such token, or it was used up; [`Error::WrongKind`],
/// [`Error::TooManyHandles`], [`Error::TooMany`], [`Error::NotEntitled`].
pub fn accept<T: Capability>(token: &Token) -> Result<T, Error> {
    of_kind(calls::handle::accept(&token.wire())?)
}

/// Takes up what a token stands for, whatever that is.
///
/// ```no_run
/// use userland::{Error, Rights, handle::{Any, Capability, Token, accept_any}, process::Process};
///
/// /// Hands on whatever the token is for; it lasts as long as what is answered.
/// fn forward(token: &Token, to: &Process) -> Result<Any, Error> {
///     let any = accept_any(token)?;
///     to.grant("present", &any, Rights::READ)?;
///     Ok(any)
/// }
/// ```
///
/// # Errors
/// As [`accept`].
pub fn accept_any(token: &Token) -> Result<Any, Error> {
    calls::handle::accept(&token.wire()).map(Any::from_handle)
}

/// A capability that is not looked at: to be handed on, or given up. See the example of [`accept_any`].
#[derive(Debug, PartialEq, Eq)]
pub struct Any {
    handle: Handle,
}

impl Capability for Any {
    /// What most are for; it is not asked about.
    const KIND: Kind = Kind::Region;

    fn from_handle(handle: Handle) -> Self {
        Self { handle }
    }

    fn handle(&self) -> Handle {
        self.handle
    }
}

/// The capability behind a handle that just came; closed again if it is for something else.
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

/// Takes the next notice: of a capability that was given to this guest, or taken from it. In a guest where a task reads
/// [`notices`], that has them already.
///
/// ```no_run
/// use userland::{Error, handle, info};
///
/// fn look() -> Result<(), Error> {
///     while let Some(notice) = handle::notice()? {
///         info!("{}: {:?}", notice.name, notice.event);
///     }
///     Ok(())
/// }
/// ```
///
/// # Errors
/// None that a guest of this version meets.
pub fn notice() -> Result<Option<Notice>, Error> {
    calls::handle::notice(&())
}

/// Has `task` put into the mailbox whenever there is a [`notice`].
///
/// ```no_run
/// use userland::{Error, handle, time::Instant, wake::{Mailbox, Task}};
///
/// /// For a guest without tasks; one with them awaits `handle::notices()`.
/// fn first_notice(mailbox: &mut Mailbox) -> Result<handle::Notice, Error> {
///     handle::watch(Task(3))?;
///     loop {
///         if let Some(notice) = handle::notice()? {
///             return Ok(notice);
///         }
///         mailbox.wait_for(Task(3))?;
///     }
/// }
/// ```
///
/// # Errors
/// None that a guest of this version meets.
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
