// SPDX-License-Identifier: BSD-2-Clause
//! Untyped memory and CNodes.

use sel4::{
    CNodeCapData, CPtrWithDepth, CapRights, Error, ObjectBlueprint, Word, cap, init_thread::slot,
};

use crate::{
    env::Env,
    outcome::{Outcome, check, check_eq, expect_error},
};

/// What was made of a small untyped comes back, again and again.
pub fn retype_and_revoke(env: &mut Env<'_>) -> Outcome {
    let size_bits = 12;
    let untyped: cap::Untyped = env.make(&ObjectBlueprint::Untyped { size_bits })?.cast();
    let notification = ObjectBlueprint::Notification;
    let count = 1 << (size_bits - notification.physical_size_bits());
    let first = env.empty_slot().path().bits() as usize;
    let root = slot::CNODE.cap().absolute_cptr_for_self();
    for _ in 0..20 {
        untyped.untyped_retype(&notification, &root, first, count)?;
        let last = cap::Notification::from_bits((first + count - 1) as Word);
        last.signal();
        check_eq!(last.poll().1, 0);
        let again = untyped.untyped_retype(&notification, &root, first + count, 1);
        expect_error(again, Error::NotEnoughMemory)?;
        env.slot_of(untyped).revoke()?;
    }
    Ok(())
}

/// More than is there is refused, and the rest stays usable.
pub fn untyped_runs_out(env: &mut Env<'_>) -> Outcome {
    let untyped: cap::Untyped = env
        .make(&ObjectBlueprint::Untyped { size_bits: 12 })?
        .cast();
    expect_error(env_make(env, untyped, 13), Error::NotEnoughMemory)?;
    env_make(env, untyped, 11)?;
    expect_error(env_make(env, untyped, 12), Error::NotEnoughMemory)?;
    env_make(env, untyped, 11)?;
    expect_error(env_make(env, untyped, 4), Error::NotEnoughMemory)
}

fn env_make(
    env: &mut Env<'_>,
    untyped: cap::Untyped,
    size_bits: usize,
) -> sel4::Result<cap::Unspecified> {
    env.make_of(untyped, &ObjectBlueprint::Untyped { size_bits })
}

/// Slots are taken, given and emptied as asked.
pub fn copy_mint_move_delete(env: &mut Env<'_>) -> Outcome {
    let original: cap::Notification = env.new_object()?;
    let copy = env.copy(original, CapRights::all())?;
    copy.signal();
    check_eq!(original.poll().1, 0);

    let occupied = env
        .slot_of(copy)
        .copy(&env.slot_of(original), CapRights::all());
    expect_error(occupied, Error::DeleteFirst)?;

    let target = env.empty_slot();
    target.move_(&env.slot_of(copy))?;
    expect_error(env.copy(copy, CapRights::all()), Error::FailedLookup)?;
    let moved: cap::Notification = env.in_slot(target);

    // Revoking the original deletes what came of it.
    env.slot_of(original).revoke()?;
    expect_error(env.copy(moved, CapRights::all()), Error::FailedLookup)?;
    env.slot_of(original).delete()?;
    expect_error(env.copy(original, CapRights::all()), Error::FailedLookup)
}

/// A capability at a path through a second CNode with a guard.
pub fn cnode_guards(env: &mut Env<'_>) -> Outcome {
    const RADIX: usize = 4;
    const GUARD: Word = 0b101;
    const GUARD_BITS: usize = 3;
    let plain: cap::CNode = env
        .make(&ObjectBlueprint::CNode { size_bits: RADIX })?
        .cast();
    let guarded = env.mint(plain, CNodeCapData::new(GUARD, GUARD_BITS).into_word())?;
    let notification: cap::Notification = env.new_object()?;

    let path = CPtrWithDepth::from_bits_with_depth(GUARD << RADIX | 9, GUARD_BITS + RADIX);
    guarded
        .absolute_cptr(path)
        .copy(&env.slot_of(notification), CapRights::all())?;
    // Through the same CNode without a guard, it is in slot 9.
    let direct = plain.absolute_cptr_from_bits_with_depth(9, RADIX);
    let out = env.empty_slot();
    out.copy(&direct, CapRights::all())?;
    env.in_slot::<sel4::cap_type::Notification>(out).signal();
    check_eq!(notification.poll().1, 0);

    // Moved, it gets another guard.
    let target = env.empty_slot();
    target.mutate(
        &env.slot_of(guarded),
        CNodeCapData::new(0b011, GUARD_BITS).into_word(),
    )?;
    let guarded: cap::CNode = env.in_slot(target);
    let path = CPtrWithDepth::from_bits_with_depth(0b011 << RADIX | 9, GUARD_BITS + RADIX);
    env.empty_slot()
        .copy(&guarded.absolute_cptr(path), CapRights::all())?;
    let wrong = CPtrWithDepth::from_bits_with_depth(0b100 << RADIX | 9, GUARD_BITS + RADIX);
    let copy = env
        .empty_slot()
        .copy(&guarded.absolute_cptr(wrong), CapRights::all());
    check!(copy.is_err());
    direct.delete()?;
    Ok(())
}

/// A badge that the kernel would cut is refused.
pub fn badge_too_wide(env: &mut Env<'_>) -> Outcome {
    let notification: cap::Notification = env.new_object()?;
    let widest = (1 << 28) - 1;
    env.mint(notification, widest)?.signal();
    check_eq!(notification.poll().1, widest);
    expect_error(env.mint(notification, widest + 1), Error::RangeError)?;
    expect_error(env.mint(notification, Word::MAX), Error::RangeError)
}
