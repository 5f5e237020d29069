// SPDX-License-Identifier: BSD-2-Clause
//! Defects of seL4 5.0.0 on AArch64 that the project's patches correct. Each test fails on the unpatched
//! kernel; `remap_after_unmap` stops the machine there, and `fpu_owner_deletion` may.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use sel4::{
    CNodeCapData, CPtr, CapRights, CapTypeForObjectOfFixedSize, Error, FrameObjectType,
    ObjectBlueprint, VmAttributes, Word, cap, cap_type, init_thread::slot,
};

use crate::{
    env::{Env, PAGE, PRIORITY, data},
    machine,
    outcome::{Outcome, check_eq, expect_error},
};

/// Patch 1: the registers of a deleted thread are not saved into whatever its memory has become.
pub fn fpu_owner_deletion(env: &mut Env<'_>) -> Outcome {
    let size_bits = FrameObjectType::GRANULE.bits();
    let untyped: cap::Untyped = env.make(&ObjectBlueprint::Untyped { size_bits })?.cast();
    // The thread's TCB is the only object of this memory; the rest is made of the arena.
    let tcb: cap::Tcb = env
        .make_of(untyped, &cap_type::Tcb::object_blueprint())?
        .cast();
    let owner = env.spawn_on(tcb, PRIORITY + 1, machine::fill_fp_registers)?;
    owner.join();

    let slot = env.empty_slot();
    check_eq!(machine::recycle_then_use_fpu(untyped, slot), [0, 0]);
    let page: cap::Granule = env.in_slot(slot);
    let window = env.reserve(1);
    env.map(
        page,
        slot::VSPACE.cap(),
        window.vaddr(),
        CapRights::read_write(),
        data(),
    )?;
    let changed = (0..window.words())
        .filter(|index| window.read(*index) != 0)
        .count();
    check_eq!(changed, 0);
    Ok(())
}

/// Patch 2: an IPC buffer that would reach beyond its page is refused.
pub fn ipc_buffer_alignment(env: &mut Env<'_>) -> Outcome {
    let tcb: cap::Tcb = env.new_object()?;
    let (page, window) = env.page()?;
    let configure = |offset: usize| {
        tcb.tcb_configure(
            CPtr::from_bits(0),
            slot::CNODE.cap(),
            CNodeCapData::new(0, 0),
            slot::VSPACE.cap(),
            (window.vaddr() + offset) as Word,
            page,
        )
    };
    configure(PAGE - 1024)?;
    expect_error(configure(PAGE - 512), Error::AlignmentError)
}

/// Patch 3: mapping a page again whose page table is gone is an error.
pub fn remap_after_unmap(env: &mut Env<'_>) -> Outcome {
    const VADDR: usize = 0x1234_5678_9000;
    let page: cap::Granule = env.new_object()?;
    let vspace = slot::VSPACE.cap();
    env.map(page, vspace, VADDR, CapRights::read_write(), data())?;
    // The last object that `map` made is the page table.
    let table = env.last_made();
    table.delete()?;
    let again = page.frame_map(vspace, VADDR, CapRights::read_only(), data());
    expect_error(again, Error::FailedLookup)?;
    check_eq!(
        sel4_ext::missing_translation_table(),
        Some(sel4::TranslationTableObjectType::PT)
    );
    let table: cap::PT = env.new_object()?;
    table.pt_map(vspace, VADDR, VmAttributes::DEFAULT)?;
    page.frame_map(vspace, VADDR, CapRights::read_only(), data())?;
    Ok(())
}

/// Patch 4: a thread that is stopped just after a system call does not make it a second time.
pub fn suspend_resume(env: &mut Env<'_>) -> Outcome {
    let notification: cap::Notification = env.new_object()?;
    let badged = env.mint(notification, 1)?;
    let calls = Arc::new(AtomicU64::new(0));
    let in_thread = calls.clone();
    // Below us: its signal lets us run before it returns from the call.
    let thread = env.spawn(PRIORITY - 1, move || {
        badged.signal();
        in_thread.store(1, Ordering::Relaxed);
    })?;
    check_eq!(notification.wait().1, 1);
    check_eq!(calls.load(Ordering::Relaxed), 0);
    thread.tcb.tcb_suspend()?;
    thread.tcb.tcb_resume()?;
    thread.join();
    check_eq!(calls.load(Ordering::Relaxed), 1);
    check_eq!(notification.poll().1, 0);
    Ok(())
}
