// SPDX-License-Identifier: BSD-2-Clause
//! Kernel objects that untyped memory can become.

use core::ffi::c_uint;

use crate::{CapType, TranslationTableObjectType, abi, cap_type, sys};

/// Kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectType {
    /// Smaller untyped memory.
    Untyped,
    /// Endpoint.
    Endpoint,
    /// Notification.
    Notification,
    /// Table of capabilities.
    CNode,
    /// Thread.
    Tcb,
    /// Of the architecture.
    Arch(ObjectTypeArch),
}

/// The architecture's kinds of objects.
pub type ObjectTypeArch = ObjectTypeArm;
/// The 64-bit variant's kinds of objects.
pub type ObjectTypeSeL4Arch = ObjectTypeAArch64;

/// Kinds of objects on all Arm machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectTypeArm {
    /// 4 KiB page.
    SmallPage,
    /// 2 MiB page.
    LargePage,
    /// Paging structure of the last level.
    PT,
    /// Of the variant.
    SeL4Arch(ObjectTypeSeL4Arch),
}

/// Kinds of objects on AArch64 alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectTypeAArch64 {
    /// 1 GiB page.
    HugePage,
    /// Paging structure of level 2 (not in upstream: later kernels use `PT`).
    PD,
    /// Paging structure of level 1 (not in upstream: later kernels use `PT`).
    PUD,
    /// Root of an address space.
    VSpace,
}

impl ObjectType {
    /// The kernel's number.
    pub const fn into_sys(self) -> c_uint {
        let number = match self {
            Self::Untyped => sys::seL4_UntypedObject,
            Self::Endpoint => sys::seL4_EndpointObject,
            Self::Notification => sys::seL4_NotificationObject,
            Self::CNode => sys::seL4_CapTableObject,
            Self::Tcb => sys::seL4_TCBObject,
            Self::Arch(ObjectTypeArm::SmallPage) => abi::SMALL_PAGE_OBJECT,
            Self::Arch(ObjectTypeArm::LargePage) => abi::LARGE_PAGE_OBJECT,
            Self::Arch(ObjectTypeArm::PT) => table(TranslationTableObjectType::PT).0,
            Self::Arch(ObjectTypeArm::SeL4Arch(ty)) => match ty {
                ObjectTypeAArch64::HugePage => sys::seL4_ARM_HugePageObject,
                ObjectTypeAArch64::PD => table(TranslationTableObjectType::PD).0,
                ObjectTypeAArch64::PUD => table(TranslationTableObjectType::PUD).0,
                ObjectTypeAArch64::VSpace => table(TranslationTableObjectType::VSpace).0,
            },
        };
        number as c_uint
    }
}

const fn table(ty: TranslationTableObjectType) -> (sys::seL4_Word, usize) {
    match abi::translation_table(ty.level()) {
        Some(table) => table,
        // Not reachable: vspace.rs checks all levels at compile time.
        None => (sys::seL4_UntypedObject, 0),
    }
}

/// Kind and size of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectBlueprint {
    /// Untyped memory of 2^`size_bits` bytes.
    Untyped {
        /// Logarithm of the bytes.
        size_bits: usize,
    },
    /// Endpoint.
    Endpoint,
    /// Notification.
    Notification,
    /// Table of 2^`size_bits` capabilities.
    CNode {
        /// Logarithm of the slots.
        size_bits: usize,
    },
    /// Thread.
    Tcb,
    /// Of the architecture.
    Arch(ObjectBlueprintArch),
}

/// The architecture's objects.
pub type ObjectBlueprintArch = ObjectBlueprintArm;
/// The 64-bit variant's objects.
pub type ObjectBlueprintSeL4Arch = ObjectBlueprintAArch64;

/// Objects on all Arm machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectBlueprintArm {
    /// 4 KiB page.
    SmallPage,
    /// 2 MiB page.
    LargePage,
    /// Paging structure of the last level.
    PT,
    /// Of the variant.
    SeL4Arch(ObjectBlueprintSeL4Arch),
}

/// Objects on AArch64 alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectBlueprintAArch64 {
    /// 1 GiB page.
    HugePage,
    /// Paging structure of level 2 (not in upstream: later kernels use `PT`).
    PD,
    /// Paging structure of level 1 (not in upstream: later kernels use `PT`).
    PUD,
    /// Root of an address space.
    VSpace,
}

impl ObjectBlueprint {
    /// The kind.
    pub const fn ty(self) -> ObjectType {
        match self {
            Self::Untyped { .. } => ObjectType::Untyped,
            Self::Endpoint => ObjectType::Endpoint,
            Self::Notification => ObjectType::Notification,
            Self::CNode { .. } => ObjectType::CNode,
            Self::Tcb => ObjectType::Tcb,
            Self::Arch(arch) => ObjectType::Arch(arch.ty()),
        }
    }

    /// What the kernel's retype takes as the size, for objects that come in several.
    pub const fn api_size_bits(self) -> Option<usize> {
        match self {
            Self::Untyped { size_bits } | Self::CNode { size_bits } => Some(size_bits),
            _ => None,
        }
    }

    /// Logarithm of the bytes that the object takes out of untyped memory.
    pub const fn physical_size_bits(self) -> usize {
        match self {
            Self::Untyped { size_bits } => size_bits,
            Self::Endpoint => sys::seL4_EndpointBits as usize,
            Self::Notification => sys::seL4_NotificationBits as usize,
            Self::CNode { size_bits } => sys::seL4_SlotBits as usize + size_bits,
            Self::Tcb => sys::seL4_TCBBits as usize,
            Self::Arch(arch) => arch.physical_size_bits(),
        }
    }

    /// The untyped memory that an ASID pool is made of.
    pub const fn asid_pool() -> Self {
        Self::Untyped {
            size_bits: sys::seL4_ASIDPoolBits as usize,
        }
    }
}

impl ObjectBlueprintArm {
    /// The kind.
    pub const fn ty(self) -> ObjectTypeArm {
        match self {
            Self::SmallPage => ObjectTypeArm::SmallPage,
            Self::LargePage => ObjectTypeArm::LargePage,
            Self::PT => ObjectTypeArm::PT,
            Self::SeL4Arch(arch) => ObjectTypeArm::SeL4Arch(arch.ty()),
        }
    }

    /// Logarithm of the bytes that the object takes out of untyped memory.
    pub const fn physical_size_bits(self) -> usize {
        match self {
            Self::SmallPage => sys::seL4_PageBits as usize,
            Self::LargePage => sys::seL4_LargePageBits as usize,
            Self::PT => table(TranslationTableObjectType::PT).1,
            Self::SeL4Arch(arch) => arch.physical_size_bits(),
        }
    }
}

impl ObjectBlueprintAArch64 {
    /// The kind.
    pub const fn ty(self) -> ObjectTypeAArch64 {
        match self {
            Self::HugePage => ObjectTypeAArch64::HugePage,
            Self::PD => ObjectTypeAArch64::PD,
            Self::PUD => ObjectTypeAArch64::PUD,
            Self::VSpace => ObjectTypeAArch64::VSpace,
        }
    }

    /// Logarithm of the bytes that the object takes out of untyped memory.
    pub const fn physical_size_bits(self) -> usize {
        match self {
            Self::HugePage => sys::seL4_HugePageBits as usize,
            Self::PD => table(TranslationTableObjectType::PD).1,
            Self::PUD => table(TranslationTableObjectType::PUD).1,
            Self::VSpace => table(TranslationTableObjectType::VSpace).1,
        }
    }
}

impl From<ObjectBlueprintArch> for ObjectBlueprint {
    fn from(blueprint: ObjectBlueprintArch) -> Self {
        Self::Arch(blueprint)
    }
}

impl From<ObjectBlueprintSeL4Arch> for ObjectBlueprintArch {
    fn from(blueprint: ObjectBlueprintSeL4Arch) -> Self {
        Self::SeL4Arch(blueprint)
    }
}

impl From<ObjectBlueprintSeL4Arch> for ObjectBlueprint {
    fn from(blueprint: ObjectBlueprintSeL4Arch) -> Self {
        Self::Arch(blueprint.into())
    }
}

/// Kinds of capabilities to objects.
pub trait CapTypeForObject: CapType {
    /// The object's kind.
    fn object_type() -> ObjectType;
}

/// Kinds of capabilities to objects of one size.
pub trait CapTypeForObjectOfFixedSize: CapTypeForObject {
    /// Kind and size.
    fn object_blueprint() -> ObjectBlueprint;
}

/// Kinds of capabilities to objects of several sizes.
pub trait CapTypeForObjectOfVariableSize: CapTypeForObject {
    /// Kind and size.
    fn object_blueprint(size_bits: usize) -> ObjectBlueprint;
}

macro_rules! objects {
    (fixed: $($fixed:ident)*; variable: $($variable:ident)*) => {
        $(
            impl CapTypeForObject for cap_type::$fixed {
                fn object_type() -> ObjectType {
                    ObjectType::$fixed
                }
            }

            impl CapTypeForObjectOfFixedSize for cap_type::$fixed {
                fn object_blueprint() -> ObjectBlueprint {
                    ObjectBlueprint::$fixed
                }
            }
        )*
        $(
            impl CapTypeForObject for cap_type::$variable {
                fn object_type() -> ObjectType {
                    ObjectType::$variable
                }
            }

            impl CapTypeForObjectOfVariableSize for cap_type::$variable {
                fn object_blueprint(size_bits: usize) -> ObjectBlueprint {
                    ObjectBlueprint::$variable { size_bits }
                }
            }
        )*
    };
}

objects! { fixed: Endpoint Notification Tcb; variable: Untyped CNode }
