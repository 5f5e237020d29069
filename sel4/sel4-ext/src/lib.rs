// SPDX-License-Identifier: BSD-2-Clause
//! What this project needs of seL4 and the upstream bindings do not offer, on top of the `sel4` crate's
//! public interface.
#![no_std]
#![forbid(unsafe_code)]

use core::ops::Range;

use sel4::{
    Cap, CapTypeForFrameObject, Error, InvocationContext, IpcBuffer, Result,
    TranslationTableObjectType, Word, sys, vspace_levels,
};

/// After `frame_map` or the mapping of a paging structure has failed with
/// [`Error::FailedLookup`]: the paging structure that is missing.
///
/// It has to be asked before the thread's next invocation, which overwrites the message. `None` means
/// that something else was not found (an address space without an ASID, say). To map a page wherever
/// it goes:
///
/// ```ignore
/// while let Err(error) = page.frame_map(vspace, vaddr, rights, attributes) {
///     let missing = (error == Error::FailedLookup).then(missing_translation_table).flatten();
///     let table = missing.ok_or(error)?;
///     let cap = allocate(table.blueprint())?;
///     cap.generic_intermediate_translation_table_map(table, vspace, vaddr, VmAttributes::DEFAULT)?;
/// }
/// ```
///
/// Upper structures are found missing first, so an intermediate mapping in this loop does not fail.
///
/// # Panics
/// When the calling thread has no IPC buffer.
pub fn missing_translation_table() -> Option<TranslationTableObjectType> {
    sel4::with_ipc_buffer(missing_translation_table_in)
}

/// As [`missing_translation_table`], for invocations with an explicit IPC buffer.
pub fn missing_translation_table_in(ipc_buffer: &IpcBuffer) -> Option<TranslationTableObjectType> {
    // The kernel tells how many address bits were left to translate.
    let bits_left = *ipc_buffer
        .msg_regs()
        .get(sys::SEL4_MAPPING_LOOKUP_LEVEL as usize)? as usize;
    let level = (1..vspace_levels::NUM_LEVELS)
        .find(|level| vspace_levels::span_bits(*level) == bits_left)?;
    TranslationTableObjectType::from_level(level)
}

/// Cache maintenance by page capability. Offsets are bytes within the page; the page must be mapped
/// through this capability in the calling thread's or another address space.
pub trait FrameCacheExt {
    /// `seL4_ARM_Page_Unify_Instruction`: makes written code visible to instruction fetch.
    ///
    /// # Errors
    /// The kernel's, for a page that is not mapped or a range outside it.
    fn frame_unify_instruction(self, range: Range<usize>) -> Result<()>;

    /// `seL4_ARM_Page_Clean_Data`: writes cached data back to memory.
    ///
    /// # Errors
    /// As for [`frame_unify_instruction`](Self::frame_unify_instruction).
    fn frame_clean_data(self, range: Range<usize>) -> Result<()>;

    /// `seL4_ARM_Page_CleanInvalidate_Data`: writes cached data back and drops it.
    ///
    /// # Errors
    /// As for [`frame_unify_instruction`](Self::frame_unify_instruction).
    fn frame_clean_invalidate_data(self, range: Range<usize>) -> Result<()>;
}

type Flush = fn(
    &mut sys::seL4_IPCBuffer,
    sys::seL4_CPtr,
    Word,
    Word,
) -> core::result::Result<(), sys::seL4_Error>;

fn flush<T: CapTypeForFrameObject, C: InvocationContext>(
    cap: Cap<T, C>,
    range: Range<usize>,
    operation: Flush,
) -> Result<()> {
    let cptr = cap.bits();
    let result = cap.into_invocation_context().with_context(|buffer| {
        operation(
            buffer.inner_mut(),
            cptr,
            range.start as Word,
            range.end as Word,
        )
    });
    result.map_err(|error| Error::from_sys(error).unwrap_or(Error::InvalidCapability))
}

impl<T: CapTypeForFrameObject, C: InvocationContext> FrameCacheExt for Cap<T, C> {
    fn frame_unify_instruction(self, range: Range<usize>) -> Result<()> {
        flush(
            self,
            range,
            sys::seL4_IPCBuffer::seL4_ARM_Page_Unify_Instruction,
        )
    }

    fn frame_clean_data(self, range: Range<usize>) -> Result<()> {
        flush(self, range, sys::seL4_IPCBuffer::seL4_ARM_Page_Clean_Data)
    }

    fn frame_clean_invalidate_data(self, range: Range<usize>) -> Result<()> {
        flush(
            self,
            range,
            sys::seL4_IPCBuffer::seL4_ARM_Page_CleanInvalidate_Data,
        )
    }
}
