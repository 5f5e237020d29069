// SPDX-License-Identifier: BSD-2-Clause
//! Pages and paging structures.

use core::ops::{BitAnd, BitOr, Not};

use crate::{
    CapType, CapTypeForObject, CapTypeForObjectOfFixedSize, ObjectBlueprint, ObjectBlueprintArch,
    ObjectBlueprintSeL4Arch, ObjectType, abi, cap_type, sys,
};

/// Sizes of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FrameObjectType {
    /// 4 KiB.
    SmallPage,
    /// 2 MiB.
    LargePage,
    /// 1 GiB.
    HugePage,
}

impl FrameObjectType {
    /// The smallest size.
    pub const GRANULE: Self = Self::SmallPage;
    /// Address bits within a small page.
    pub const SMALL_PAGE_BITS: usize = sys::seL4_PageBits as usize;
    /// Address bits within a large page.
    pub const LARGE_PAGE_BITS: usize = sys::seL4_LargePageBits as usize;
    /// Address bits within a huge page.
    pub const HUGE_PAGE_BITS: usize = sys::seL4_HugePageBits as usize;

    /// What to retype.
    pub const fn blueprint(self) -> ObjectBlueprint {
        ObjectBlueprint::Arch(match self {
            Self::SmallPage => ObjectBlueprintArch::SmallPage,
            Self::LargePage => ObjectBlueprintArch::LargePage,
            Self::HugePage => ObjectBlueprintArch::SeL4Arch(ObjectBlueprintSeL4Arch::HugePage),
        })
    }

    /// The size with so many address bits.
    pub const fn from_bits(bits: usize) -> Option<Self> {
        Some(match bits {
            Self::SMALL_PAGE_BITS => Self::SmallPage,
            Self::LARGE_PAGE_BITS => Self::LargePage,
            Self::HUGE_PAGE_BITS => Self::HugePage,
            _ => return None,
        })
    }

    /// Address bits within the page.
    pub const fn bits(self) -> usize {
        match self {
            Self::SmallPage => Self::SMALL_PAGE_BITS,
            Self::LargePage => Self::LARGE_PAGE_BITS,
            Self::HugePage => Self::HUGE_PAGE_BITS,
        }
    }

    /// Bytes.
    pub const fn bytes(self) -> usize {
        1 << self.bits()
    }
}

/// Paging structures by level.
///
/// In seL4 5.0.0 each level is a kind of object of its own; later kernels have one kind below the
/// root. Code that goes from [`from_level`](Self::from_level) to [`blueprint`](Self::blueprint) to
/// `generic_intermediate_translation_table_map` works with both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TranslationTableObjectType {
    /// Level 3: its entries are small pages.
    PT,
    /// Level 2: its entries are large pages or PTs.
    PD,
    /// Level 1: its entries are huge pages or PDs.
    PUD,
    /// Level 0, the root of an address space.
    VSpace,
}

impl TranslationTableObjectType {
    /// What to retype.
    pub const fn blueprint(&self) -> ObjectBlueprint {
        ObjectBlueprint::Arch(match self {
            Self::PT => ObjectBlueprintArch::PT,
            Self::PD => ObjectBlueprintArch::SeL4Arch(ObjectBlueprintSeL4Arch::PD),
            Self::PUD => ObjectBlueprintArch::SeL4Arch(ObjectBlueprintSeL4Arch::PUD),
            Self::VSpace => ObjectBlueprintArch::SeL4Arch(ObjectBlueprintSeL4Arch::VSpace),
        })
    }

    /// Address bits that select an entry.
    pub const fn index_bits(&self) -> usize {
        self.blueprint().physical_size_bits() - crate::WORD_SIZE.trailing_zeros() as usize
    }

    /// The structure of a level; the root is level 0.
    pub const fn from_level(level: usize) -> Option<Self> {
        Some(match level {
            0 => Self::VSpace,
            1 => Self::PUD,
            2 => Self::PD,
            3 => Self::PT,
            _ => return None,
        })
    }

    /// The inverse of [`from_level`](Self::from_level).
    pub(crate) const fn level(&self) -> usize {
        match self {
            Self::VSpace => 0,
            Self::PUD => 1,
            Self::PD => 2,
            Self::PT => 3,
        }
    }
}

/// The shape of an address space.
pub mod vspace_levels {
    use crate::{FrameObjectType, TranslationTableObjectType};

    /// Levels of paging structures.
    pub const NUM_LEVELS: usize = 4;
    /// The first level whose entries may be pages.
    pub const HIGHEST_LEVEL_WITH_PAGE_ENTRIES: usize = 1;

    /// Address bits that a structure of this level covers.
    pub const fn span_bits(level: usize) -> usize {
        step_bits(level) + TranslationTableObjectType::PT.index_bits()
    }

    /// Address bits that one entry of a structure of this level covers.
    pub const fn step_bits(level: usize) -> usize {
        FrameObjectType::SMALL_PAGE_BITS
            + (NUM_LEVELS - 1 - level) * TranslationTableObjectType::PT.index_bits()
    }
}

/// Memory attributes of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VmAttributes(sys::seL4_ARM_VMAttributes);

impl VmAttributes {
    /// Device memory: not cached, in order.
    pub const NONE: Self = Self(0);
    /// Ordinary memory.
    pub const DEFAULT: Self = Self(sys::seL4_ARM_Default_VMAttributes);
    /// Cached.
    pub const PAGE_CACHEABLE: Self = Self(sys::seL4_ARM_PageCacheable);
    /// Without effect on AArch64.
    pub const PARITY_ENABLED: Self = Self(sys::seL4_ARM_ParityEnabled);
    /// No instruction fetch.
    pub const EXECUTE_NEVER: Self = Self(sys::seL4_ARM_ExecuteNever);

    /// The kernel's form.
    pub const fn into_inner(self) -> sys::seL4_ARM_VMAttributes {
        self.0
    }

    /// Whether all attributes of `rhs` are set.
    pub const fn has(self, rhs: Self) -> bool {
        self.0 & rhs.0 == rhs.0
    }
}

impl Default for VmAttributes {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Not for VmAttributes {
    type Output = Self;
    fn not(self) -> Self {
        Self(!self.0)
    }
}

impl BitOr for VmAttributes {
    type Output = Self;
    fn bitor(self, rhs: Self) -> Self {
        Self(self.0 | rhs.0)
    }
}

impl BitAnd for VmAttributes {
    type Output = Self;
    fn bitand(self, rhs: Self) -> Self {
        Self(self.0 & rhs.0)
    }
}

/// Kinds of capabilities to pages.
pub trait CapTypeForFrameObject: CapType {}

/// Kinds of capabilities to pages of a known size.
pub trait CapTypeForFrameObjectOfFixedSize: CapTypeForFrameObject {
    /// The size.
    const FRAME_OBJECT_TYPE: FrameObjectType;
}

/// Kinds of capabilities to paging structures.
pub trait CapTypeForTranslationTableObject: CapType {
    /// The level.
    const TRANSLATION_TABLE_OBJECT_TYPE: TranslationTableObjectType;
}

impl CapTypeForFrameObject for cap_type::UnspecifiedPage {}

macro_rules! frames {
    ($($name:ident)*) => {
        $(
            impl CapTypeForFrameObject for cap_type::$name {}

            impl CapTypeForFrameObjectOfFixedSize for cap_type::$name {
                const FRAME_OBJECT_TYPE: FrameObjectType = FrameObjectType::$name;
            }

            impl CapTypeForObject for cap_type::$name {
                fn object_type() -> ObjectType {
                    FrameObjectType::$name.blueprint().ty()
                }
            }

            impl CapTypeForObjectOfFixedSize for cap_type::$name {
                fn object_blueprint() -> ObjectBlueprint {
                    FrameObjectType::$name.blueprint()
                }
            }
        )*
    };
}

macro_rules! translation_tables {
    ($($name:ident)*) => {
        $(
            impl CapTypeForTranslationTableObject for cap_type::$name {
                const TRANSLATION_TABLE_OBJECT_TYPE: TranslationTableObjectType =
                    TranslationTableObjectType::$name;
            }

            impl CapTypeForObject for cap_type::$name {
                fn object_type() -> ObjectType {
                    TranslationTableObjectType::$name.blueprint().ty()
                }
            }

            impl CapTypeForObjectOfFixedSize for cap_type::$name {
                fn object_blueprint() -> ObjectBlueprint {
                    TranslationTableObjectType::$name.blueprint()
                }
            }
        )*
    };
}

frames! { SmallPage LargePage HugePage }
translation_tables! { PT VSpace }

// `level` and the kernel's table of structures agree.
const _: () = {
    let mut level = 0;
    while level < vspace_levels::NUM_LEVELS {
        assert!(abi::translation_table(level).is_some());
        level += 1;
    }
    assert!(vspace_levels::span_bits(0) == 48);
    assert!(vspace_levels::step_bits(1) == FrameObjectType::HUGE_PAGE_BITS);
    assert!(vspace_levels::step_bits(2) == FrameObjectType::LARGE_PAGE_BITS);
};
