// SPDX-License-Identifier: BSD-2-Clause
//! What the kernel gives to the first thread.

use core::{marker::PhantomData, ops::Range};

use crate::{CPtr, CPtrBits, Cap, CapType, cap_type, sys};

/// A slot of the first thread's root CNode. Its index is its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot<T: CapType = cap_type::Unspecified> {
    phantom: PhantomData<T>,
    index: usize,
}

impl<T: CapType> Slot<T> {
    const fn from_sys(index: sys::seL4_Word) -> Self {
        Self::from_index(index as usize)
    }

    /// The slot with an index.
    pub const fn from_index(index: usize) -> Self {
        Self {
            phantom: PhantomData,
            index,
        }
    }

    /// The index.
    pub const fn index(self) -> usize {
        self.index
    }

    /// The address.
    pub const fn cptr_bits(self) -> CPtrBits {
        self.index as CPtrBits
    }

    /// The address.
    pub const fn cptr(self) -> CPtr {
        CPtr::from_bits(self.cptr_bits())
    }

    /// The capability in the slot.
    pub const fn cap(self) -> Cap<T> {
        Cap::from_cptr(self.cptr())
    }

    /// The same slot, said to hold another kind of capability.
    pub const fn cast<T1: CapType>(self) -> Slot<T1> {
        Slot::from_index(self.index)
    }

    /// The same slot with no particular kind of capability.
    pub const fn upcast(self) -> Slot {
        self.cast()
    }
}

impl Slot {
    /// The same slot, said to hold a kind of capability.
    pub const fn downcast<T: CapType>(self) -> Slot<T> {
        self.cast()
    }
}

/// A run of slots.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SlotRegion<T: CapType = cap_type::Unspecified> {
    phantom: PhantomData<T>,
    range: Range<usize>,
}

impl<T: CapType> SlotRegion<T> {
    pub(crate) const fn from_sys(region: sys::seL4_SlotRegion) -> Self {
        Self {
            phantom: PhantomData,
            range: region.start as usize..region.end as usize,
        }
    }

    /// The first index.
    pub const fn start(&self) -> usize {
        self.range.start
    }

    /// The index after the last.
    pub const fn end(&self) -> usize {
        self.range.end
    }

    /// All indices.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// The number of slots.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// The slot at `i`, counted from the first.
    ///
    /// # Panics
    /// Beyond the last.
    pub fn index(&self, i: usize) -> Slot<T> {
        assert!(i < self.len(), "slot index out of range");
        Slot::from_index(self.range.start + i)
    }
}

/// Slots with a fixed meaning.
pub mod slot {
    use super::Slot;
    use crate::{cap_type, sys};

    macro_rules! slots {
        ($($(#[$doc:meta])* $name:ident: $ty:ident = $index:ident;)*) => {
            $($(#[$doc])* pub const $name: Slot<cap_type::$ty> = Slot::from_sys(sys::$index);)*
        };
    }

    slots! {
        /// Always empty.
        NULL: Null = seL4_CapNull;
        /// The first thread.
        TCB: Tcb = seL4_CapInitThreadTCB;
        /// Its root CNode.
        CNODE: CNode = seL4_CapInitThreadCNode;
        /// Its address space.
        VSPACE: VSpace = seL4_CapInitThreadVSpace;
        /// Interrupts.
        IRQ_CONTROL: IrqControl = seL4_CapIRQControl;
        /// ASID pools.
        ASID_CONTROL: AsidControl = seL4_CapASIDControl;
        /// The pool of its own address space.
        ASID_POOL: AsidPool = seL4_CapInitThreadASIDPool;
        /// The page that describes the machine.
        BOOT_INFO_FRAME: Granule = seL4_CapBootInfoFrame;
        /// The page of its IPC buffer.
        IPC_BUFFER: Granule = seL4_CapInitThreadIPCBuffer;
        /// Scheduling domains.
        DOMAIN_SET: DomainSet = seL4_CapDomain;
    }
}

/// Stops the first thread.
///
/// # Panics
/// When somebody resumes it.
pub fn suspend_self<T>() -> T {
    let result = slot::TCB.cap().tcb_suspend();
    panic!("the first thread goes on after suspending itself: {result:?}")
}
