// SPDX-License-Identifier: BSD-2-Clause
//! Rights of a handle.

/// A set of rights. A derived handle never has more than the one it came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Rights(u32);

impl Rights {
    /// None at all.
    pub const NONE: Self = Self(0);
    /// Read what it designates, listen to its doorbell.
    pub const READ: Self = Self(1);
    /// Write what it designates, ring its doorbell.
    pub const WRITE: Self = Self(2);
    /// Share it with others.
    pub const GRANT: Self = Self(4);
    /// Read and write.
    pub const READ_WRITE: Self = Self(3);
    /// Everything.
    pub const ALL: Self = Self(7);

    /// The set with this number, if it names rights only.
    pub const fn from_wire(bits: u32) -> Option<Self> {
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
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
