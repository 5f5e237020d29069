// SPDX-License-Identifier: BSD-2-Clause
//! Rights of capabilities and the guards of CNode capabilities.

use crate::{Word, abi, sys};

/// What a capability may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapRights(sys::seL4_CapRights);

impl CapRights {
    /// Rights by name. 5.0.0 has no separate right to be replied to: `grant_reply` is ignored there,
    /// and only `grant` allows a call.
    pub const fn new(grant_reply: bool, grant: bool, read: bool, write: bool) -> Self {
        Self(abi::cap_rights(grant_reply, grant, read, write))
    }

    /// The kernel's form.
    pub const fn into_inner(self) -> sys::seL4_CapRights {
        self.0
    }

    /// No rights.
    pub const fn none() -> Self {
        Self::new(false, false, false, false)
    }

    /// Every right.
    pub const fn all() -> Self {
        Self::new(true, true, true, true)
    }

    /// Read and write.
    pub const fn read_write() -> Self {
        Self::new(false, false, true, true)
    }

    /// Read.
    pub const fn read_only() -> Self {
        Self::new(false, false, true, false)
    }

    /// Write. A page mapped with this alone is accessible to nobody.
    pub const fn write_only() -> Self {
        Self::new(false, false, false, true)
    }
}

/// Builds [`CapRights`] by naming them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapRightsBuilder {
    grant_reply: bool,
    grant: bool,
    read: bool,
    write: bool,
}

impl CapRightsBuilder {
    /// Starts with no rights.
    pub const fn none() -> Self {
        Self {
            grant_reply: false,
            grant: false,
            read: false,
            write: false,
        }
    }

    /// Starts with every right.
    pub const fn all() -> Self {
        Self {
            grant_reply: true,
            grant: true,
            read: true,
            write: true,
        }
    }

    /// Sets the right to be replied to.
    pub const fn grant_reply(mut self, can: bool) -> Self {
        self.grant_reply = can;
        self
    }

    /// Sets the right to pass capabilities.
    pub const fn grant(mut self, can: bool) -> Self {
        self.grant = can;
        self
    }

    /// Sets the right to read or receive.
    pub const fn read(mut self, can: bool) -> Self {
        self.read = can;
        self
    }

    /// Sets the right to write or send.
    pub const fn write(mut self, can: bool) -> Self {
        self.write = can;
        self
    }

    /// The rights.
    pub const fn build(self) -> CapRights {
        CapRights::new(self.grant_reply, self.grant, self.read, self.write)
    }
}

/// The guard of a CNode capability: leading bits of an address that the CNode itself does not use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CNodeCapData(Word);

impl CNodeCapData {
    /// A guard of `guard_size` bits with the value `guard`. 5.0.0 keeps 18 bits of the value.
    pub const fn new(guard: Word, guard_size: usize) -> Self {
        Self(abi::cnode_cap_data(guard, guard_size))
    }

    /// The kernel's form, to be passed to `mint` in place of a badge.
    pub const fn into_word(self) -> Word {
        self.0
    }

    /// A guard of `num_bits` zeros.
    pub const fn skip(num_bits: usize) -> Self {
        Self::new(0, num_bits)
    }

    /// For a CNode of so many bits as the root of a capability space: a slot's index is its address.
    pub const fn skip_high_bits(cnode_size_bits: usize) -> Self {
        Self::skip(Word::BITS as usize - cnode_size_bits)
    }
}
