// SPDX-License-Identifier: BSD-2-Clause
//! Native tasks for tests/tests/native.rs: their first argument is what they do.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

mod channel;
mod hostile;
mod machine;

use alloc::string::String;

use sel4::cap_type::{Endpoint, Notification};
use sel4::{MessageInfo, with_ipc_buffer_mut};
use sel4_native_task::{Task, console, exit, println};

sel4_native_task::entry!(main);

type Result<T = ()> = core::result::Result<T, &'static str>;

fn main(task: &Task) -> Result {
    if let Some(uart) = task.memory("uart") {
        console::init(uart);
    }
    match task.args().next() {
        Some("ask") => ask(task),
        Some("watch") => watch(task),
        Some("given") => given(task),
        Some("left") => left(task),
        Some("serve") => serve(task),
        Some("call") => call(task),
        Some("answer") => answer(task),
        Some("end") => exit(0),
        Some("fail") => exit(7),
        Some("panic") => panic!("a native task panics"),
        Some("hostile") => hostile::attempts(task),
        Some("faults") => hostile::faults(task),
        Some("partner") => hostile::partner(task),
        Some("stopped") => hostile::stopped(task),
        Some("answers") => channel::answers(task),
        Some("reads") => channel::reads(task),
        Some("garbage") => channel::garbage(task),
        _ => Err("which test?"),
    }
}

/// Asks native/echo.
fn ask(task: &Task) -> Result {
    let shared = task.memory("shared").ok_or("shared")?;
    let request = task.cap::<Notification>("request").ok_or("request")?;
    let answer = task.cap::<Notification>("answer").ok_or("answer")?;
    for text in ["hello", "native tasks"] {
        shared.copy_in(4, text.as_bytes()).ok_or("room")?;
        shared.store(0, text.len() as u32).ok_or("room")?;
        request.signal();
        let (_, badge) = answer.wait();
        let mut bytes = alloc::vec![0; shared.load::<u32>(0).ok_or("length")? as usize];
        shared.copy_out(4, &mut bytes).ok_or("text")?;
        let text = String::from_utf8(bytes).map_err(|_| "no text")?;
        println!("ask: {text}, badge {badge}");
    }
    println!("ask: done");
    Ok(())
}

/// Waits for a thread that the spec describes piece by piece.
fn watch(task: &Task) -> Result {
    let (_, badge) = task.cap::<Notification>("bell").ok_or("bell")?.wait();
    let value = task.memory("shared").ok_or("shared")?.load::<u64>(0);
    println!(
        "watch: badge {badge:#x}, value {:#x}",
        value.ok_or("value")?
    );
    Ok(())
}

/// Says what it was given.
fn given(task: &Task) -> Result {
    println!("given: {}", task.name());
    for argument in task.args() {
        println!("given: argument `{argument}`");
    }
    for given in task.given() {
        println!(
            "given: {} in {}, {} bytes, {}{}{}{}, {}",
            given.name,
            given.cptr,
            given.len,
            if given.rights.read { 'R' } else { '-' },
            if given.rights.write { 'W' } else { '-' },
            if given.rights.grant { 'G' } else { '-' },
            if given.rights.grant_reply { 'P' } else { '-' },
            if given.vaddr == 0 {
                "not mapped"
            } else {
                "mapped"
            }
        );
    }
    Ok(())
}

/// Says which untypeds were left.
fn left(task: &Task) -> Result {
    let (mut memory, mut devices, mut pieces) = (0u64, 0u64, 0);
    for untyped in task.left() {
        let bytes = 1u64 << untyped.bits;
        if untyped.device {
            devices += bytes;
        } else {
            memory += bytes;
        }
        pieces += 1;
        // Each can be used: at least looked at.
        if !hostile::is_untyped(task, untyped.cptr) {
            return Err("one is no untyped");
        }
    }
    println!("left: {pieces} pieces, {memory} bytes of memory, {devices} of devices");
    Ok(())
}

/// Answers calls with twice what they say.
fn serve(task: &Task) -> Result {
    let endpoint = task.cap::<Endpoint>("service").ok_or("service")?;
    loop {
        let (_, badge) = endpoint.recv(());
        with_ipc_buffer_mut(|buffer| {
            buffer.msg_regs_mut()[0] *= 2;
            buffer.msg_regs_mut()[1] = badge;
            sel4::reply(buffer, MessageInfo::new(0, 0, 0, 2));
        });
    }
}

/// Answers one call, if there is somebody to be answered.
fn answer(task: &Task) -> Result {
    let endpoint = task.cap::<Endpoint>("service").ok_or("service")?;
    endpoint.recv(());
    println!("answer: somebody calls");
    with_ipc_buffer_mut(|buffer| sel4::reply(buffer, MessageInfo::new(0, 0, 0, 0)));
    Ok(())
}

/// Calls that.
fn call(task: &Task) -> Result {
    let endpoint = task.cap::<Endpoint>("service").ok_or("service")?;
    let answer = endpoint.call_with_mrs(MessageInfo::new(0, 0, 0, 1), [21]);
    println!("call: {} for badge {}", answer.msg[0], answer.msg[1]);
    Ok(())
}
