// SPDX-License-Identifier: BSD-2-Clause
//! The capabilities of an object.

use serde::{Deserialize, Serialize};

use super::{ObjectId, take};

/// One capability of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cap<'a> {
    /// Name of the slot, as in `memory: ut_x`; a decimal number for a numeric slot.
    pub slot: &'a str,
    /// Line in the text, from 1.
    pub line: u32,
    /// The object that it designates.
    pub target: ObjectId,
    /// What it allows.
    pub rights: Rights,
    /// What else there is to it.
    pub data: CapData,
}

/// What a capability has besides an object and rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CapData {
    /// Nothing.
    #[default]
    None,
    /// Of an endpoint or a notification: its badge, not 0.
    Badge(u64),
    /// Of a CNode: its guard.
    Guard {
        /// Bits of the guard.
        bits: u8,
        /// The guard.
        value: u64,
    },
    /// Of a frame in a page table: mapped without caches.
    Uncached,
}

impl Cap<'_> {
    /// Its badge, 0 if it has none.
    pub const fn badge(&self) -> u64 {
        match self.data {
            CapData::Badge(badge) => badge,
            _ => 0,
        }
    }

    /// The number of its slot, if that is one.
    pub fn number(&self) -> Option<u64> {
        self.slot.parse().ok()
    }
}

/// Rights of a capability, as the letters R, W, G and P of capDL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// R
    pub read: bool,
    /// W
    pub write: bool,
    /// G (or X)
    pub grant: bool,
    /// P
    pub grant_reply: bool,
}

/// The capabilities of an object: their postcard messages, one behind the other, so that a page table with
/// 512 entries takes no more room than it needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caps<'a>(&'a [u8]);

impl<'a> Caps<'a> {
    /// Those that were written to these bytes.
    pub const fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Each of them, in the order of the text.
    pub const fn iter(&self) -> Iter<'a> {
        Iter(self.0)
    }

    /// The one in a slot.
    pub fn slot(&self, name: &str) -> Option<Cap<'a>> {
        self.iter().find(|cap| cap.slot == name)
    }

    /// Whether all of the bytes are capabilities.
    pub(super) fn is_whole(&self) -> bool {
        let mut rest = self.iter();
        while rest.next().is_some() {}
        rest.0.is_empty()
    }
}

impl<'a> IntoIterator for &Caps<'a> {
    type Item = Cap<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// See [`Caps::iter`].
#[derive(Clone, Debug)]
pub struct Iter<'a>(&'a [u8]);

impl<'a> Iterator for Iter<'a> {
    type Item = Cap<'a>;

    fn next(&mut self) -> Option<Cap<'a>> {
        let (cap, rest) = take(self.0).ok()?;
        self.0 = rest;
        Some(cap)
    }
}
