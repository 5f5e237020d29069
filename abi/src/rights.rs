// SPDX-License-Identifier: BSD-2-Clause
//! Rights of a handle.

/// A set of rights: bit 0 read, bit 1 write, bit 2 grant. A derived handle never has more than the one
/// it came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Rights(u32);

/// A number that names no set of rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRights;

impl core::fmt::Display for NoRights {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("no set of rights")
    }
}

impl Rights {
    /// None at all.
    pub const NONE: Self = Self(0);
    /// See what it designates: read a region and listen to its doorbell, await a process, look a service up.
    pub const READ: Self = Self(1);
    /// Change what it designates: write a region and ring its doorbell, stop a process, provide a service.
    pub const WRITE: Self = Self(2);
    /// Give it to others; for a process also: give things to it and take them from it.
    pub const GRANT: Self = Self(4);
    /// Read and write.
    pub const READ_WRITE: Self = Self(3);
    /// Everything.
    pub const ALL: Self = Self(7);

    /// The set with this number, if it names rights only.
    pub const fn from_bits(bits: u32) -> Option<Self> {
        if bits & !Self::ALL.0 == 0 {
            Some(Self(bits))
        } else {
            None
        }
    }

    /// Its number.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether it has all of `other`.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The rights that are in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The rights that are in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl TryFrom<u32> for Rights {
    type Error = NoRights;

    fn try_from(bits: u32) -> Result<Self, NoRights> {
        Self::from_bits(bits).ok_or(NoRights)
    }
}

impl From<Rights> for u32 {
    fn from(rights: Rights) -> Self {
        rights.0
    }
}
