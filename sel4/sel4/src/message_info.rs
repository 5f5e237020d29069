// SPDX-License-Identifier: BSD-2-Clause
//! The description that goes with every message.

use crate::{Word, sys};

/// Label, capabilities and length of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MessageInfo(sys::seL4_MessageInfo);

impl MessageInfo {
    /// A label wider than [`label_width`](Self::label_width) is cut.
    pub const fn new(label: Word, caps_unwrapped: usize, extra_caps: usize, length: usize) -> Self {
        Self(sys::seL4_MessageInfo::new(
            label,
            caps_unwrapped as Word,
            extra_caps as Word,
            length as Word,
        ))
    }

    pub(crate) const fn from_inner(inner: sys::seL4_MessageInfo) -> Self {
        Self(inner)
    }

    /// The kernel's form.
    pub const fn into_inner(self) -> sys::seL4_MessageInfo {
        self.0
    }

    /// What the message is, as agreed between the parties or set by the kernel.
    pub const fn label(&self) -> Word {
        self.0.get_label()
    }

    /// Bit map of the capabilities that arrived as badges.
    pub const fn caps_unwrapped(&self) -> usize {
        self.0.get_caps_unwrapped() as usize
    }

    /// Number of capabilities.
    pub const fn extra_caps(&self) -> usize {
        self.0.get_extra_caps() as usize
    }

    /// Number of words.
    pub const fn length(&self) -> usize {
        self.0.get_length() as usize
    }

    /// Bits of a label.
    pub const fn label_width() -> usize {
        sys::seL4_MessageInfo::new(Word::MAX, 0, 0, 0)
            .get_label()
            .count_ones() as usize
    }
}

impl core::fmt::Debug for MessageInfo {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("MessageInfo")
            .field("label", &self.label())
            .field("caps_unwrapped", &self.caps_unwrapped())
            .field("extra_caps", &self.extra_caps())
            .field("length", &self.length())
            .finish()
    }
}

/// Builds a [`MessageInfo`] by naming its parts; what is not named is 0.
#[derive(Clone, Debug, Default)]
pub struct MessageInfoBuilder {
    label: Word,
    caps_unwrapped: usize,
    extra_caps: usize,
    length: usize,
}

impl MessageInfoBuilder {
    /// Sets the label.
    pub const fn label(mut self, label: Word) -> Self {
        self.label = label;
        self
    }

    /// Sets the bit map of unwrapped capabilities.
    pub const fn caps_unwrapped(mut self, caps_unwrapped: usize) -> Self {
        self.caps_unwrapped = caps_unwrapped;
        self
    }

    /// Sets the number of capabilities.
    pub const fn extra_caps(mut self, extra_caps: usize) -> Self {
        self.extra_caps = extra_caps;
        self
    }

    /// Sets the number of words.
    pub const fn length(mut self, length: usize) -> Self {
        self.length = length;
        self
    }

    /// The message's description.
    pub const fn build(self) -> MessageInfo {
        MessageInfo::new(
            self.label,
            self.caps_unwrapped,
            self.extra_caps,
            self.length,
        )
    }
}
