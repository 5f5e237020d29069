// SPDX-License-Identifier: BSD-2-Clause
//! Pages and address spaces.

use sel4::{
    CapRights, Error, FrameObjectType, ObjectBlueprint, TranslationTableObjectType, VmAttributes,
    cap, init_thread::slot,
};
use sel4_ext::FrameCacheExt;

use crate::{
    cases::faults::{Observed, observe},
    env::{Env, PAGE, data},
    machine::Window,
    outcome::{Outcome, check, check_eq, expect_error},
};

/// Far from anything mapped, all levels are missing, and each is told.
pub fn map_missing_levels(env: &mut Env<'_>) -> Outcome {
    const VADDR: usize = 0x4321_8765_4000;
    let page: cap::Granule = env.new_object()?;
    for level in 1..=3 {
        let mapped = page.frame_map(slot::VSPACE.cap(), VADDR, CapRights::read_write(), data());
        expect_error(mapped, Error::FailedLookup)?;
        let missing = sel4_ext::missing_translation_table();
        check_eq!(missing, TranslationTableObjectType::from_level(level));
        let table = missing.map(|table| (table, env.make(&table.blueprint())));
        let Some((ty, table)) = table else {
            return Ok(());
        };
        let table: cap::UnspecifiedIntermediateTranslationTable = table?.cast();
        let attributes = VmAttributes::DEFAULT;
        table.generic_intermediate_translation_table_map(
            ty,
            slot::VSPACE.cap(),
            VADDR,
            attributes,
        )?;
    }
    page.frame_map(slot::VSPACE.cap(), VADDR, CapRights::read_write(), data())?;
    let window = Window::new(VADDR, PAGE);
    window.write(3, 7);
    check_eq!(window.read(3), 7);

    let second: cap::PT = env.new_object()?;
    let again = second.pt_map(slot::VSPACE.cap(), VADDR, VmAttributes::DEFAULT);
    expect_error(again, Error::DeleteFirst)
}

/// Rights of a mapped page change without unmapping it, and hold.
pub fn map_again_with_other_rights(env: &mut Env<'_>) -> Outcome {
    let (page, window) = env.page()?;
    window.write(0, 1);

    page.frame_map(
        slot::VSPACE.cap(),
        window.vaddr(),
        CapRights::read_only(),
        data(),
    )?;
    check_eq!(window.read(0), 1);
    let write = observe(env, move || window.write(0, 2))?;
    check!(matches!(write, Observed::Vm { addr, prefetch: false } if addr == window.vaddr()));

    page.frame_map(
        slot::VSPACE.cap(),
        window.vaddr(),
        CapRights::read_write(),
        data(),
    )?;
    window.write(0, 3);
    check_eq!(window.read(0), 3);
    let fetch = observe(env, move || {
        window.call();
    })?;
    check!(matches!(fetch, Observed::Vm { addr, prefetch: true } if addr == window.vaddr()));

    page.frame_unmap()?;
    let read = observe(env, move || {
        window.read(0);
    })?;
    check!(matches!(read, Observed::Vm { addr, prefetch: false } if addr == window.vaddr()));
    Ok(())
}

/// Two mappings of one page, by two capabilities.
pub fn shared_page(env: &mut Env<'_>) -> Outcome {
    let (page, first) = env.page()?;
    let copy = env.copy(page, CapRights::read_only())?;
    let second = env.reserve(1);
    env.map(
        copy,
        slot::VSPACE.cap(),
        second.vaddr(),
        CapRights::read_write(),
        data(),
    )?;
    check_eq!(page.frame_get_address()?, copy.frame_get_address()?);
    first.write(5, 0x1234);
    check_eq!(second.read(5), 0x1234);
    // The copy's own rights are the limit, whatever the mapping asks for.
    let write = observe(env, move || second.write(5, 0))?;
    check!(matches!(write, Observed::Vm { addr, .. } if addr == second.vaddr() + 40));
    check_eq!(first.read(5), 0x1234);
    Ok(())
}

/// Memory that was used is zero when something is made of it again, to the last word and no further.
pub fn used_memory_is_zeroed(env: &mut Env<'_>) -> Outcome {
    let blueprint = ObjectBlueprint::Untyped { size_bits: 13 };
    let untyped: cap::Untyped = env.make(&blueprint)?.cast();
    let make = |env: &mut Env<'_>| {
        let page: cap::Granule = env.make_of(untyped, &cap_type_of_page())?.downcast();
        let window = env.reserve(1);
        let vspace = slot::VSPACE.cap();
        env.map(
            page,
            vspace,
            window.vaddr(),
            CapRights::read_write(),
            data(),
        )?;
        sel4::Result::Ok((page, window))
    };
    // What is behind it in memory.
    let (_, neighbour) = env.page()?;
    neighbour.write(0, 5);
    for pages in [1, 2] {
        let mut places = [0; 2];
        for place in places.iter_mut().take(pages) {
            let (page, window) = make(env)?;
            for word in 0..window.words() {
                check_eq!(window.read(word), 0);
                window.write(word, !0);
            }
            *place = page.frame_get_address()?;
        }
        env.slot_of(untyped).revoke()?;
        let (again, window) = make(env)?;
        check_eq!(again.frame_get_address()?, places[0]);
        for word in 0..window.words() {
            check_eq!(window.read(word), 0);
        }
        window.write(0, 9);
        env.slot_of(untyped).revoke()?;
    }
    check_eq!(neighbour.read(0), 5);
    Ok(())
}

fn cap_type_of_page() -> ObjectBlueprint {
    use sel4::CapTypeForObjectOfFixedSize as _;
    sel4::cap_type::Granule::object_blueprint()
}

/// Code that was just written runs once its page is made executable instead of writable.
pub fn execute_new_code(env: &mut Env<'_>) -> Outcome {
    let (page, window) = env.page()?;
    for value in [1_u64, 2] {
        let vspace = slot::VSPACE.cap();
        page.frame_map(vspace, window.vaddr(), CapRights::read_write(), data())?;
        // mov x0, #value; ret (Arm ARM, C6.2: MOVZ and RET).
        window.write(0, 0xd65f_03c0_d280_0000 | value << 5);
        page.frame_unify_instruction(0..PAGE)?;
        page.frame_map(
            vspace,
            window.vaddr(),
            CapRights::read_only(),
            VmAttributes::DEFAULT,
        )?;
        check_eq!(window.call(), value);
        let write = observe(env, move || window.write(0, 0))?;
        check!(matches!(
            write,
            Observed::Vm {
                prefetch: false,
                ..
            }
        ));
    }
    Ok(())
}

/// A new address space needs an identifier; then pages can be mapped in it, large ones as well.
pub fn address_spaces(env: &mut Env<'_>) -> Outcome {
    let vspace: cap::VSpace = env.new_object()?;
    let page: cap::Granule = env.new_object()?;
    let early = page.frame_map(vspace, PAGE, CapRights::read_write(), data());
    check!(early.is_err());
    check_eq!(sel4_ext::missing_translation_table(), None);

    let memory: cap::Untyped = env.make(&ObjectBlueprint::asid_pool())?.cast();
    let pool = env.empty_slot();
    slot::ASID_CONTROL
        .cap()
        .asid_control_make_pool(memory, &pool)?;
    let pool: cap::AsidPool = env.in_slot(pool);
    pool.asid_pool_assign(vspace)?;
    check!(pool.asid_pool_assign(vspace).is_err());

    env.map(page, vspace, PAGE, CapRights::read_write(), data())?;
    let other: cap::VSpace = env.new_object()?;
    slot::ASID_POOL.cap().asid_pool_assign(other)?;
    check!(
        page.frame_map(other, PAGE, CapRights::read_write(), data())
            .is_err()
    );

    let large = FrameObjectType::LargePage;
    check_eq!(large.bytes(), 2 << 20);
    check_eq!(FrameObjectType::from_bits(large.bits()), Some(large));
    Ok(())
}
