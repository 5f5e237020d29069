// SPDX-License-Identifier: BSD-2-Clause
//! Groups of hostcalls, which specs and parents grant.

use serde::{Deserialize, Serialize};

macro_rules! groups {
    ($($(#[doc = $doc:literal])+ $name:ident $grant:expr;)+) => {
        /// A group of hostcalls. A guest links the calls of a group only if it is granted the group.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum Group {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Group {
            /// Every group.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The reserved name of specs that grants it; none: every guest has it.
            pub const fn grant(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => $grant,)+
                }
            }
        }
    };
}

groups! {
    /// What every guest may do with itself.
    Guest None;
    /// What every guest may do with the capabilities it holds.
    Handles None;
    /// Other processes.
    Processes Some("processes");
    /// Shared regions.
    SharedMemory Some("shared_memory");
    /// The wake mailbox.
    Wake Some("wake");
    /// Clock and timers.
    Time Some("time");
    /// Sessions of processes.
    Sessions Some("sessions");
    /// Services that one process provides under a name.
    Singletons Some("singletons");
    /// Unpredictable bytes.
    Entropy Some("entropy");
    /// The log.
    Log Some("log");
    /// The console, as it is.
    Console Some("console");
    /// What `ps`, `top` and benchmarks need.
    Introspect Some("introspect");
    /// Devices that the guest owns.
    Devices Some("devices");
    /// Feeding the generator that unpredictable bytes come from.
    EntropySource Some("entropy_source");
    /// Modules that the guest has as bytes.
    Modules Some("modules");
    /// The lines of the log, those of others too, and who prints them.
    Logs Some("logs");
    /// The machine's power switch.
    Power Some("power");
}

impl Group {
    /// The group that this name of specs grants.
    pub fn named(grant: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|group| group.grant() == Some(grant))
    }
}

/// A set of gated groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Groups(u32);

impl Groups {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// The set with this number. Bits that no group has are kept, and grant nothing.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Its number: bit n is the n-th group.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// With one more.
    #[must_use]
    pub const fn with(self, group: Group) -> Self {
        Self(self.0 | 1 << group as u32)
    }

    /// Whether a guest with these grants may call the group.
    pub const fn contains(self, group: Group) -> bool {
        group.grant().is_none() || self.0 & 1 << group as u32 != 0
    }

    /// The groups in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The groups in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that `other` has not.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether `other` has all of them.
    pub const fn is_subset_of(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Its gated groups, in the order of [`Group::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Group> {
        Group::ALL
            .iter()
            .copied()
            .filter(move |group| group.grant().is_some() && self.contains(*group))
    }
}

impl FromIterator<Group> for Groups {
    fn from_iter<I: IntoIterator<Item = Group>>(groups: I) -> Self {
        groups.into_iter().fold(Self::NONE, Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::{Group, Groups};

    #[test]
    fn what_is_not_gated_is_in_every_set() {
        assert!(Groups::NONE.contains(Group::Guest) && Groups::NONE.contains(Group::Handles));
        assert_eq!(Groups::NONE.iter().count(), 0);
        let both: Groups = [Group::Wake, Group::Log].into_iter().collect();
        assert!(both.iter().eq([Group::Wake, Group::Log]));
        assert!(!Groups::NONE.with(Group::Log).contains(Group::Wake));
    }

    #[test]
    fn names_round_trip() {
        for group in Group::ALL {
            if let Some(name) = group.grant() {
                assert_eq!(Group::named(name), Some(*group));
            }
        }
        assert_eq!(Group::named("guest"), None);
    }
}
