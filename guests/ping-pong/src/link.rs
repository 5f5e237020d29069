// SPDX-License-Identifier: BSD-2-Clause
//! The link: where ping offers an exchange and pong takes it up.
//!
//! | offset | word | written by |
//! |---|---|---|
//! | 0 | version, [`VERSION`]; 0 before the first offer | ping |
//! | 4 | number of the newest offer; 0 before the first | ping |
//! | 8 | number of the offer that pong took up last | pong |
//! | 12 | rounds that ping will run at full speed | ping |
//! | 16..32 | token of the newest offer | ping |
//!
//! The number of the offer is stored last, with release, and loaded first, with acquire. Ping writes
//! a further offer only if it was started again.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use userland::{Error, handle::Token, shm::Window};

use crate::Failure;

/// Layout version.
pub const VERSION: u32 = 1;

const OFFSET_VERSION: u32 = 0;
const OFFSET_OFFERED: u32 = 4;
const OFFSET_TAKEN: u32 = 8;
const OFFSET_ROUNDS: u32 = 12;
const OFFSET_TOKEN: u32 = 16;

/// An offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its number.
    pub number: u32,
    /// Stands for the exchange.
    pub token: Token,
    /// Rounds that ping will run at full speed.
    pub rounds: u32,
}

/// A view of the link.
#[derive(Debug)]
pub struct Link<'a> {
    window: &'a Window,
}

impl<'a> Link<'a> {
    /// The link that this window, readable and writable, shows.
    pub const fn new(window: &'a Window) -> Self {
        Self { window }
    }

    /// Ping's side: makes an offer; answers its number. The doorbell is the caller's to ring.
    ///
    /// # Errors
    /// The window is too small or not writable.
    pub fn offer(&self, token: &Token, rounds: u32) -> Result<u32, Error> {
        let newest = self.window.load(OFFSET_OFFERED, Relaxed)?;
        // 0 stays the number of no offer.
        let number = newest.checked_add(1).unwrap_or(1);
        self.window.store(OFFSET_VERSION, VERSION, Relaxed)?;
        self.window.store(OFFSET_ROUNDS, rounds, Relaxed)?;
        self.window.write(OFFSET_TOKEN, &token.to_bytes())?;
        self.window.store(OFFSET_OFFERED, number, Release)?;
        Ok(number)
    }

    /// Ping's side: whether pong has taken up this offer.
    ///
    /// # Errors
    /// The window is too small.
    pub fn is_taken(&self, number: u32) -> Result<bool, Error> {
        Ok(self.window.load(OFFSET_TAKEN, Acquire)? == number)
    }

    /// Pong's side: the newest offer, unless it was taken up before, perhaps by an earlier life of
    /// pong.
    ///
    /// # Errors
    /// The offer is of another version, or the window too small.
    pub fn new_offer(&self) -> Result<Option<Offer>, Failure> {
        let number = self.window.load(OFFSET_OFFERED, Acquire)?;
        if number == self.window.load(OFFSET_TAKEN, Relaxed)? {
            return Ok(None);
        }
        let version = self.window.load(OFFSET_VERSION, Relaxed)?;
        if version != VERSION {
            return Err(Failure::OtherVersion(version));
        }
        let mut token = [0; Token::BYTES];
        self.window.read(OFFSET_TOKEN, &mut token)?;
        Ok(Some(Offer {
            number,
            token: Token::from_bytes(token),
            rounds: self.window.load(OFFSET_ROUNDS, Relaxed)?,
        }))
    }

    /// Pong's side: says that it has taken up this offer, and listens to its doorbell. The link's
    /// doorbell is the caller's to ring.
    ///
    /// # Errors
    /// The window is too small or not writable.
    pub fn take(&self, number: u32) -> Result<(), Error> {
        self.window.store(OFFSET_TAKEN, number, Release)
    }
}
