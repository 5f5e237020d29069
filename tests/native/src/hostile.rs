// SPDX-License-Identifier: BSD-2-Clause
//! A task that tries everything that it was not given. What the kernel answers, it prints; what the kernel takes as a
//! fault is tried in one life each.

use sel4::cap_type::{CNode, Endpoint, Granule, IrqHandler, Notification, Tcb, Untyped};
use sel4::{
    CPtr, Cap, CapRights, CapType, Error, MessageInfo, ObjectBlueprint, VmAttributes,
    with_ipc_buffer_mut,
};
use sel4_native_task::{Task, println};

use crate::{Result, machine};

/// Slots of the task's CNode that it starts with: its own six, and those behind [`FIRST_GIVEN`].
const OWN: u64 = 6;
const FIRST_GIVEN: u64 = 8;

/// Whether a capability is one to an untyped: a Retype of nothing is refused for another reason.
pub fn is_untyped(task: &Task, cptr: u64) -> bool {
    let into = task.cnode().absolute_cptr_for_self();
    let slot = task.free_slots().start as usize;
    let made =
        Cap::<Untyped>::from_bits(cptr).untyped_retype(&ObjectBlueprint::Endpoint, &into, slot, 0);
    made == Err(Error::RangeError)
}

fn slot(task: &Task, cptr: u64) -> sel4::AbsoluteCPtr {
    task.cnode().absolute_cptr(CPtr::from_bits(cptr))
}

/// A call, which the kernel answers with an error where a send would be lost.
fn probe<T: CapType>(cap: Cap<T>) -> u64 {
    cap.call(MessageInfo::new(0, 0, 0, 0)).label()
}

fn say(what: &str, result: sel4::Result<()>) {
    match result {
        Ok(()) => println!("hostile: {what}: DONE"),
        Err(error) => println!("hostile: {what}: {error:?}"),
    }
}

fn given<T: CapType>(task: &Task, name: &'static str) -> Result<Cap<T>> {
    task.cap(name).ok_or(name)
}

/// Everything that the kernel answers.
pub fn attempts(task: &Task) -> Result {
    let free = task.free_slots().start;
    let into = slot(task, free);

    let unwritable = given::<Endpoint>(task, "ep_r")?;
    println!("hostile: send without W: label {}", probe(unwritable));
    let unsignalled = given::<Notification>(task, "ntfn_r")?;
    println!("hostile: signal without W: label {}", probe(unsignalled));

    // A copy has no more than what it is a copy of.
    say(
        "copy with more rights",
        into.copy(&slot(task, unwritable.bits()), CapRights::all()),
    );
    println!(
        "hostile: send through it: label {}",
        probe(Cap::<Endpoint>::from_bits(free))
    );
    say("delete it", into.delete());

    // Badges stay. A badge can be given once, to a capability without.
    let badged = given::<Endpoint>(task, "ep_w")?;
    say(
        "another badge",
        into.mint(&slot(task, badged.bits()), CapRights::all(), 99),
    );
    say(
        "another badge in place",
        into.mutate(&slot(task, badged.bits()), 99),
    );
    let badged = given::<Notification>(task, "ntfn_w")?;
    say(
        "another badge of a notification",
        into.mint(&slot(task, badged.bits()), CapRights::all(), 99),
    );

    // Without G a capability stays behind: the partner says what has come.
    let endpoint = given::<Endpoint>(task, "ep_w")?;
    with_ipc_buffer_mut(|buffer| buffer.caps_or_badges_mut()[0] = unsignalled.bits());
    endpoint.send(MessageInfo::new(0, 0, 1, 0));

    // What was not given is not there.
    let cnode = task.cnode().absolute_cptr_for_self();
    let untyped = Cap::<Untyped>::from_bits(free).untyped_retype(
        &ObjectBlueprint::Endpoint,
        &cnode,
        free as usize + 1,
        1,
    );
    say("an untyped that was not given", untyped);
    say(
        "an interrupt that was not given",
        Cap::<IrqHandler>::from_bits(free).irq_handler_ack(),
    );
    let frame = Cap::<Granule>::from_bits(free);
    let mapped = frame.frame_map(
        task.vspace(),
        0x7000_0000,
        CapRights::read_only(),
        VmAttributes::DEFAULT,
    );
    say("a frame that was not given", mapped);
    let priority = task.tcb().tcb_set_priority(task.tcb(), 200);
    say("a higher priority", priority);
    let retyped = given::<Tcb>(task, "thread")?
        .cast::<Untyped>()
        .untyped_retype(&ObjectBlueprint::Endpoint, &cnode, free as usize, 1);
    say("a thread as an untyped", retyped);
    let other = given::<Tcb>(task, "thread")?.tcb_set_priority(task.tcb(), 200);
    say("a higher priority for another thread", other);

    // Which slots have anything in them.
    let mut found = 0;
    for cptr in 0..task.free_slots().end {
        if cptr != free && into.copy(&slot(task, cptr), CapRights::all()).is_ok() {
            found += 1;
            into.delete().map_err(|_| "delete")?;
        }
    }
    let known = OWN + task.given().len() as u64;
    let expected = task.given().first().map(|given| given.cptr) == Some(FIRST_GIVEN);
    println!("hostile: {found} slots of {known} are taken, in order: {expected}");

    // A CNode of 16 slots, in which the spec has filled two, behind a guard of 8 bits.
    let node = given::<CNode>(task, "node")?;
    let in_node =
        |guard: u64, index: u64| node.absolute_cptr_from_bits_with_depth(guard << 4 | index, 12);
    let mut filled = 0;
    for index in 0..16 {
        if into.copy(&in_node(0xa5, index), CapRights::all()).is_ok() {
            filled += 1;
            into.delete().map_err(|_| "delete")?;
        }
    }
    println!("hostile: {filled} slots of the CNode are filled");
    say(
        "the CNode behind another guard",
        into.copy(&in_node(0xa4, 1), CapRights::all()),
    );

    // A frame to read is mapped to read, whatever is asked for.
    let readable = task.memory("frame_r").ok_or("frame_r")?;
    println!(
        "hostile: write by the library: {:?}",
        readable.write(0, 1u32)
    );
    println!("hostile: done");
    Ok(())
}

/// Receives what `attempts` sends.
pub fn partner(task: &Task) -> Result {
    let endpoint = given::<Endpoint>(task, "ep")?;
    let free = task.free_slots().start;
    with_ipc_buffer_mut(|buffer| buffer.set_recv_slot(&slot(task, free)));
    let (info, badge) = endpoint.recv(());
    let copied = slot(task, free + 1).copy(&slot(task, free), CapRights::all());
    println!(
        "partner: badge {badge}, {} capabilities, slot {}",
        info.extra_caps(),
        if copied.is_ok() { "filled" } else { "empty" }
    );
    Ok(())
}

/// What the kernel takes as faults, one in each life.
pub fn faults(task: &Task) -> Result {
    let lives = task.memory("lives").ok_or("lives")?;
    let life = lives.read::<u32>(0).ok_or("lives")?;
    lives.write(0, life + 1).ok_or("lives")?;
    let frame = task.memory("frame_r").ok_or("frame_r")?;
    println!("faults: life {life}");
    match life {
        0 => {
            given::<Endpoint>(task, "ep_w")?.recv(());
        }
        1 => {
            given::<Notification>(task, "ntfn_w")?.wait();
        }
        2 => machine::write(frame.addr()),
        3 => machine::execute(frame.addr()),
        4 => machine::write(main_address()),
        _ => return Ok(()),
    }
    println!("faults: DONE");
    Ok(())
}

/// Code of the program.
fn main_address() -> usize {
    faults as *const () as usize & !3
}

/// Calls without G or P: there is no answer, and it does not go on.
pub fn stopped(task: &Task) -> Result {
    println!("stopped: calls");
    given::<Endpoint>(task, "ep_w")?.call(MessageInfo::new(0, 0, 0, 0));
    println!("stopped: DONE");
    Ok(())
}
