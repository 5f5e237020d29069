// SPDX-License-Identifier: BSD-2-Clause
//! Capability addresses, and capabilities as typed addresses.

use core::{fmt, hash::Hash, marker::PhantomData};

use crate::{InvocationContext, IpcBuffer, NoExplicitInvocationContext, WORD_SIZE, sys};

/// The raw form of a [`CPtr`].
pub type CPtrBits = sys::seL4_CPtr;

/// An address in the calling thread's capability space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CPtr {
    bits: CPtrBits,
}

impl CPtr {
    /// The address as a number.
    pub const fn bits(self) -> CPtrBits {
        self.bits
    }

    /// The address of a number.
    pub const fn from_bits(bits: CPtrBits) -> Self {
        Self { bits }
    }

    /// The capability at this address, said to be of type `T`; the kernel checks it at each use.
    pub const fn cast<T: CapType>(self) -> Cap<T> {
        Cap::from_cptr(self)
    }
}

/// An address of which only the low `depth` bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CPtrWithDepth {
    bits: CPtrBits,
    depth: usize,
}

impl CPtrWithDepth {
    /// The address as a number.
    pub const fn bits(&self) -> CPtrBits {
        self.bits
    }

    /// How many bits of it count.
    pub const fn depth(&self) -> usize {
        self.depth
    }

    /// An address of so many bits.
    pub const fn from_bits_with_depth(bits: CPtrBits, depth: usize) -> Self {
        Self { bits, depth }
    }

    /// The address of the root itself.
    pub const fn empty() -> Self {
        Self::from_bits_with_depth(0, 0)
    }

    pub(crate) const fn depth_for_kernel(&self) -> u8 {
        // Depths beyond the word are refused by the kernel, and so is 255.
        if self.depth > u8::MAX as usize {
            u8::MAX
        } else {
            self.depth as u8
        }
    }
}

impl From<CPtr> for CPtrWithDepth {
    fn from(cptr: CPtr) -> Self {
        Self::from_bits_with_depth(cptr.bits(), 8 * WORD_SIZE)
    }
}

/// The kind of a capability.
pub trait CapType: Copy + Clone + Eq + PartialEq + Ord + PartialOrd + Hash {
    /// For messages.
    const NAME: &'static str;
}

/// A capability by its address and supposed type, with the context of its invocations.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cap<T: CapType, C = NoExplicitInvocationContext> {
    phantom: PhantomData<T>,
    invocation_context: C,
    cptr: CPtr,
}

impl<T: CapType, C> Cap<T, C> {
    /// The address.
    pub const fn cptr(&self) -> CPtr {
        self.cptr
    }

    /// The address as a number.
    pub const fn bits(&self) -> CPtrBits {
        self.cptr.bits()
    }

    /// The same capability, said to be of another type.
    pub fn cast<T1: CapType>(self) -> Cap<T1, C> {
        Cap {
            phantom: PhantomData,
            invocation_context: self.invocation_context,
            cptr: self.cptr,
        }
    }

    /// The same capability with another context.
    pub fn with<C1>(self, context: C1) -> Cap<T, C1> {
        Cap {
            phantom: PhantomData,
            invocation_context: context,
            cptr: self.cptr,
        }
    }

    /// The same capability with the implicit context.
    pub fn without_context(self) -> Cap<T> {
        self.with(NoExplicitInvocationContext::default())
    }

    /// The context.
    pub fn into_invocation_context(self) -> C {
        self.invocation_context
    }

    /// The same capability of no particular type.
    pub fn upcast(self) -> cap::Unspecified<C> {
        self.cast()
    }
}

impl<C> cap::Unspecified<C> {
    /// The same capability, said to be of type `T`.
    pub fn downcast<T: CapType>(self) -> Cap<T, C> {
        self.cast()
    }
}

impl<T: CapType> Cap<T> {
    /// The capability at an address.
    pub const fn from_cptr(cptr: CPtr) -> Self {
        Self {
            phantom: PhantomData,
            invocation_context: crate::ImplicitInvocationContext,
            cptr,
        }
    }

    /// The capability at an address.
    pub const fn from_bits(bits: CPtrBits) -> Self {
        Self::from_cptr(CPtr::from_bits(bits))
    }
}

impl<T: CapType, C: InvocationContext> Cap<T, C> {
    #[inline]
    pub(crate) fn invoke<R>(mut self, f: impl FnOnce(CPtr, &mut IpcBuffer) -> R) -> R {
        let cptr = self.cptr;
        self.invocation_context
            .with_context(|buffer| f(cptr, buffer))
    }
}

impl<T: CapType, C> fmt::Debug for Cap<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple(T::NAME).field(&self.bits()).finish()
    }
}

macro_rules! cap_types {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Kinds of capabilities.
        pub mod cap_type {
            $(
                $(#[$doc])*
                #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
                pub struct $name;

                impl $crate::CapType for $name {
                    const NAME: &'static str = stringify!($name);
                }
            )*

            /// The smallest page.
            pub type Granule = SmallPage;
        }

        /// Capabilities by kind.
        pub mod cap {
            use crate::{Cap, NoExplicitInvocationContext, cap_type};

            $(
                $(#[$doc])*
                pub type $name<C = NoExplicitInvocationContext> = Cap<cap_type::$name, C>;
            )*

            /// The smallest page.
            pub type Granule<C = NoExplicitInvocationContext> = Cap<cap_type::Granule, C>;
        }
    };
}

cap_types! {
    /// Untyped memory.
    Untyped,
    /// Endpoint.
    Endpoint,
    /// Notification.
    Notification,
    /// Thread.
    Tcb,
    /// Table of capabilities.
    CNode,
    /// Authority to make interrupt handlers.
    IrqControl,
    /// One interrupt.
    IrqHandler,
    /// Authority to make ASID pools.
    AsidControl,
    /// Pool of address space identifiers.
    AsidPool,
    /// Authority over scheduling domains.
    DomainSet,
    /// An empty slot.
    Null,
    /// Anything.
    Unspecified,
    /// A page of any size.
    UnspecifiedPage,
    /// A paging structure of any level below the root.
    UnspecifiedIntermediateTranslationTable,
    /// A 4 KiB page.
    SmallPage,
    /// A 2 MiB page.
    LargePage,
    /// A 1 GiB page.
    HugePage,
    /// A paging structure whose entries are 4 KiB pages.
    PT,
    /// The root of an address space.
    VSpace,
}

/// A slot: a path in the capability space of a CNode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AbsoluteCPtr<C = NoExplicitInvocationContext> {
    root: cap::CNode<C>,
    path: CPtrWithDepth,
}

impl<C> AbsoluteCPtr<C> {
    /// The slot at `path` below `root`.
    pub const fn new(root: cap::CNode<C>, path: CPtrWithDepth) -> Self {
        Self { root, path }
    }

    /// Where the path starts.
    pub const fn root(&self) -> &cap::CNode<C> {
        &self.root
    }

    /// Where the path starts.
    pub fn into_root(self) -> cap::CNode<C> {
        self.root
    }

    /// The path.
    pub const fn path(&self) -> &CPtrWithDepth {
        &self.path
    }

    /// The same slot with another context.
    pub fn with<C1>(self, context: C1) -> AbsoluteCPtr<C1> {
        AbsoluteCPtr {
            root: self.root.with(context),
            path: self.path,
        }
    }

    /// The same slot with the implicit context.
    pub fn without_context(self) -> AbsoluteCPtr {
        self.with(NoExplicitInvocationContext::default())
    }
}

/// What can be a path to a slot.
pub trait HasCPtrWithDepth {
    /// The path.
    fn cptr_with_depth(self) -> CPtrWithDepth;
}

impl HasCPtrWithDepth for CPtr {
    fn cptr_with_depth(self) -> CPtrWithDepth {
        self.into()
    }
}

impl<T: CapType, C> HasCPtrWithDepth for Cap<T, C> {
    fn cptr_with_depth(self) -> CPtrWithDepth {
        self.cptr().into()
    }
}

impl HasCPtrWithDepth for CPtrWithDepth {
    fn cptr_with_depth(self) -> CPtrWithDepth {
        self
    }
}

impl<C> cap::CNode<C> {
    /// The slot at `path` below this CNode.
    pub fn absolute_cptr<T: HasCPtrWithDepth>(self, path: T) -> AbsoluteCPtr<C> {
        AbsoluteCPtr::new(self, path.cptr_with_depth())
    }

    /// The slot at the low `depth` bits of `bits` below this CNode.
    pub fn absolute_cptr_from_bits_with_depth(
        self,
        bits: CPtrBits,
        depth: usize,
    ) -> AbsoluteCPtr<C> {
        self.absolute_cptr(CPtrWithDepth::from_bits_with_depth(bits, depth))
    }

    /// This CNode itself, as the destination of a retype.
    pub fn absolute_cptr_for_self(self) -> AbsoluteCPtr<C> {
        self.absolute_cptr(CPtrWithDepth::empty())
    }
}
