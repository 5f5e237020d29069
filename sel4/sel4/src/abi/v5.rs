// SPDX-License-Identifier: BSD-2-Clause
//! seL4 5.0.0.

use sel4_sys::{
    seL4_ARM_LargePageObject, seL4_ARM_PageDirectoryObject, seL4_ARM_PageGlobalDirectoryObject,
    seL4_ARM_PageTableObject, seL4_ARM_PageUpperDirectoryObject, seL4_ARM_SmallPageObject,
    seL4_CPtr, seL4_CapData, seL4_CapData_Badge, seL4_CapData_Guard, seL4_CapRights, seL4_Error,
    seL4_IPCBuffer, seL4_InvalidCapability, seL4_PGDBits, seL4_PUDBits, seL4_PageDirBits,
    seL4_PageTableBits, seL4_RangeError, seL4_Word,
};

/// As stubs return it.
type KernelResult = Result<(), seL4_Error>;

/// The paging structure at a level: object type and size. The root is level 0.
pub(crate) const fn translation_table(level: usize) -> Option<(seL4_Word, usize)> {
    Some(match level {
        0 => (seL4_ARM_PageGlobalDirectoryObject, seL4_PGDBits as usize),
        1 => (seL4_ARM_PageUpperDirectoryObject, seL4_PUDBits as usize),
        2 => (seL4_ARM_PageDirectoryObject, seL4_PageDirBits as usize),
        3 => (seL4_ARM_PageTableObject, seL4_PageTableBits as usize),
        _ => return None,
    })
}

pub(crate) const SMALL_PAGE_OBJECT: seL4_Word = seL4_ARM_SmallPageObject;
pub(crate) const LARGE_PAGE_OBJECT: seL4_Word = seL4_ARM_LargePageObject;

/// There is no right to be replied to apart from `grant`. Leaving it out withholds authority, where
/// widening it to `grant` would add the passing of capabilities.
pub(crate) const fn cap_rights(
    _grant_reply: bool,
    grant: bool,
    read: bool,
    write: bool,
) -> seL4_CapRights {
    seL4_CapRights::new(grant as seL4_Word, read as seL4_Word, write as seL4_Word)
}

/// No guard at all is the word 0, which the kernel takes for "leave the guard as it is", as in later
/// versions.
pub(crate) const fn cnode_cap_data(guard: seL4_Word, guard_size: usize) -> seL4_Word {
    if guard == 0 && guard_size == 0 {
        return 0;
    }
    seL4_CapData_Guard::new(guard, guard_size as seL4_Word).0[0]
}

/// A word given to `mint` or `mutate`: a badge, or what [`cnode_cap_data`] made. The kernel ignores
/// what does not fit, which would mix up two badges; so that is refused here.
pub(crate) fn cap_data(word: seL4_Word) -> Result<seL4_CapData, seL4_Error> {
    let badge = seL4_CapData_Badge::new(word);
    let as_guard = seL4_CapData_Guard([word]);
    let guard = seL4_CapData_Guard::new(as_guard.get_guard_bits(), as_guard.get_guard_size());
    if badge.0[0] == word || guard.0[0] == word {
        Ok(seL4_CapData([word]))
    } else {
        Err(seL4_RangeError)
    }
}

/// A page that is mapped already has a separate invocation, which takes the address from the
/// capability: mapping again is for other rights at the same address. At another address, which later
/// kernels refuse, the page stays where it is.
pub(crate) fn page_map(
    buffer: &mut seL4_IPCBuffer,
    page: seL4_CPtr,
    vspace: seL4_CPtr,
    vaddr: seL4_Word,
    rights: seL4_CapRights,
    attributes: seL4_Word,
) -> KernelResult {
    match buffer.seL4_ARM_Page_Map(page, vspace, vaddr, rights, attributes) {
        // The page capability itself, argument 0, is what the kernel objects to.
        Err(error) if error == seL4_InvalidCapability && buffer.msg[0] == 0 => {
            buffer.seL4_ARM_Page_Remap(page, vspace, rights, attributes)
        }
        result => result,
    }
}

pub(crate) fn translation_table_map(
    buffer: &mut seL4_IPCBuffer,
    level: usize,
    table: seL4_CPtr,
    vspace: seL4_CPtr,
    vaddr: seL4_Word,
    attributes: seL4_Word,
) -> KernelResult {
    match level {
        1 => buffer.seL4_ARM_PageUpperDirectory_Map(table, vspace, vaddr, attributes),
        2 => buffer.seL4_ARM_PageDirectory_Map(table, vspace, vaddr, attributes),
        3 => buffer.seL4_ARM_PageTable_Map(table, vspace, vaddr, attributes),
        _ => Err(sel4_sys::seL4_IllegalOperation),
    }
}

/// The kernel's own `Configure` also sets both priorities, which the interface of later kernels leaves
/// alone; so this is done by the two invocations that it combines otherwise.
pub(crate) fn tcb_configure(
    buffer: &mut seL4_IPCBuffer,
    tcb: seL4_CPtr,
    fault_ep: seL4_Word,
    cspace: (seL4_CPtr, seL4_Word),
    vspace: seL4_CPtr,
    ipc_buffer: (seL4_Word, seL4_CPtr),
) -> KernelResult {
    buffer.seL4_TCB_SetIPCBuffer(tcb, ipc_buffer.0, ipc_buffer.1)?;
    tcb_set_space(buffer, tcb, fault_ep, cspace, vspace)
}

pub(crate) fn tcb_set_space(
    buffer: &mut seL4_IPCBuffer,
    tcb: seL4_CPtr,
    fault_ep: seL4_Word,
    cspace: (seL4_CPtr, seL4_Word),
    vspace: seL4_CPtr,
) -> KernelResult {
    let data = seL4_CapData([cspace.1]);
    buffer.seL4_TCB_SetSpace(tcb, fault_ep, cspace.0, data, vspace, seL4_CapData([0]))
}

/// Checked against the caller's own maximum; there is no authority to name.
pub(crate) fn tcb_set_priority(
    buffer: &mut seL4_IPCBuffer,
    tcb: seL4_CPtr,
    _authority: seL4_CPtr,
    priority: seL4_Word,
) -> KernelResult {
    let priority = u8::try_from(priority).map_err(|_| seL4_RangeError)?;
    buffer.seL4_TCB_SetPriority(tcb, priority)
}

/// Checked against the caller's own maximum; there is no authority to name.
pub(crate) fn tcb_set_mc_priority(
    buffer: &mut seL4_IPCBuffer,
    tcb: seL4_CPtr,
    _authority: seL4_CPtr,
    mcp: seL4_Word,
) -> KernelResult {
    let mcp = u8::try_from(mcp).map_err(|_| seL4_RangeError)?;
    buffer.seL4_TCB_SetMCPriority(tcb, mcp)
}

/// One invocation in later kernels, two here.
pub(crate) fn tcb_set_sched_params(
    buffer: &mut seL4_IPCBuffer,
    tcb: seL4_CPtr,
    authority: seL4_CPtr,
    mcp: seL4_Word,
    priority: seL4_Word,
) -> KernelResult {
    tcb_set_mc_priority(buffer, tcb, authority, mcp)?;
    tcb_set_priority(buffer, tcb, authority, priority)
}
