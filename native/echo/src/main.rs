// SPDX-License-Identifier: BSD-2-Clause
//! A native task: whenever `request` is signalled, it turns the text in `shared` to capitals and signals
//! `answer`. The text is a length of 32 bits, then so many bytes.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use sel4::cap_type::Notification;
use sel4_native_task::Task;

sel4_native_task::entry!(main);

fn main(task: &Task) -> Result<(), &'static str> {
    let shared = task.memory("shared").ok_or("no memory `shared`")?;
    let request = task.cap::<Notification>("request").ok_or("no `request`")?;
    let answer = task.cap::<Notification>("answer").ok_or("no `answer`")?;
    loop {
        request.wait();
        // Whoever shares the memory may change the length and the text meanwhile: they are read once.
        let len = shared.load::<u32>(0).ok_or("`shared` is too small")?;
        for at in (4..shared.len()).take(len as usize) {
            let byte = shared.read::<u8>(at).unwrap_or_default();
            shared
                .write(at, byte.to_ascii_uppercase())
                .ok_or("`shared` is read-only")?;
        }
        shared.store(0, len);
        answer.signal();
    }
}
