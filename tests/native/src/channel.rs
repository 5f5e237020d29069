// SPDX-License-Identifier: BSD-2-Clause
//! A task that shares a channel with a guest (`guests/tests/beside`), or does harm to those who do.
//!
//! The guest writes a frame at [`at::QUESTION`], then its number at [`at::ASKED`], and rings [`ASK`]; the task writes
//! the frame of the next number at [`at::ANSWER`], then at [`at::ANSWERED`] what it has answered, and rings [`ANSWER`].

use sel4::cap_type::Notification;
use sel4::{CPtr, Cap, CapRights};
use sel4_native_task::{Channel, Task, exit};

use crate::{Result, machine};

mod at {
    pub const ASKED: usize = 0;
    pub const ANSWERED: usize = 4;
    /// The process id of the task.
    pub const TASK: usize = 8;
    /// That of the guest.
    pub const GUEST: usize = 12;
    /// How many guests have gone, as the task knows.
    pub const GONE: usize = 16;
    pub const QUESTION: usize = 64;
    pub const ANSWER: usize = 4096;
}
const ASK: u32 = 1;
const ANSWER: u32 = 2;

/// Words of a ledger.
const LEDGER: usize = 512;

/// Answers; with an argument `die=N` no more than so many times, and then ends in the middle of an answer: each life in
/// another way.
pub fn answers(task: &Task) -> Result {
    let mut link = task.channel("link").ok_or("no channel")?;
    if task.channel("link").is_some() {
        return Err("a channel was given out twice");
    }
    let die = task.args().find_map(|arg| arg.strip_prefix("die="));
    let mut left: Option<u32> = die.and_then(|count| count.parse().ok());
    let memory = link.memory();
    link.listen(ASK);
    memory.store(at::TASK, task.pid()).ok_or("read-only")?;
    link.ring(ANSWER).ok_or("read-only")?;
    let mut guest = 0;
    loop {
        meet(&mut guest, &link)?;
        let asked: u32 = memory.load(at::ASKED).ok_or("small")?;
        if Some(asked) == memory.load(at::ANSWERED) {
            link.wait();
            continue;
        }
        let mut frame = [0; numbered::LEN];
        memory.copy_out(at::QUESTION, &mut frame).ok_or("small")?;
        if numbered::number(&frame) != Ok(asked) {
            // A guest has died, and another one begins to ask: it will ring.
            link.wait();
            continue;
        }
        match &mut left {
            Some(0) => end(asked),
            Some(left) => *left -= 1,
            None => {}
        }
        let answer = numbered::frame(asked.wrapping_add(1));
        memory.copy_in(at::ANSWER, &answer).ok_or("read-only")?;
        memory.store(at::ANSWERED, asked).ok_or("read-only")?;
        link.ring(ANSWER).ok_or("read-only")?;
    }
}

/// Finds out which guest is there, and whether the one before is gone.
fn meet(known: &mut u32, link: &Channel) -> Result {
    let memory = link.memory();
    if *known != 0 && !link.is_held_by(*known) {
        *known = 0;
        let gone: u32 = memory.load(at::GONE).ok_or("small")?;
        memory.store(at::GONE, gone + 1).ok_or("read-only")?;
    }
    let guest = memory.load(at::GUEST).ok_or("small")?;
    if guest != *known && link.is_held_by(guest) {
        if *known != 0 {
            return Err("two guests at once");
        }
        *known = guest;
    }
    Ok(())
}

/// Ends, in a way that depends on the number.
fn end(number: u32) -> ! {
    match number % 3 {
        0 => exit(7),
        1 => exit(0),
        _ => panic!("in the middle of an answer"),
    }
}

/// Reads along, with the right to read only; then tries more, a thing in each life.
pub fn reads(task: &Task) -> Result {
    let lives = task.memory("lives").ok_or("lives")?;
    let life = lives.read::<u32>(0).ok_or("lives")?;
    lives.write(0, life + 1).ok_or("lives")?;
    let mut link = task.channel("link").ok_or("no channel")?;
    let memory = link.memory();
    // Only when the guest and the task that answers are at it.
    link.listen(ASK | ANSWER);
    while memory.load(at::ANSWERED) < Some(100u32) {
        link.wait();
    }
    let mut frame = [0; numbered::LEN];
    memory.copy_out(at::ANSWER, &mut frame).ok_or("small")?;
    if numbered::number(&frame).is_err() {
        return Err("torn");
    }
    let held = |offset| memory.load(offset).is_some_and(|pid| link.is_held_by(pid));
    if !held(at::TASK) || !held(at::GUEST) {
        return Err("nobody is there");
    }
    if link.ring(ANSWER).is_some() || memory.write(at::ASKED, 1u32).is_some() {
        return Err("may write");
    }
    let handoff = machine::handoff().ok_or("handoff")?;
    let peer = handoff.peers.first().ok_or("nobody else")?;
    if handoff.peers.iter().any(|peer| peer.notification != 0) {
        return Err("may ring");
    }
    match life {
        0 => machine::write(memory.addr()),
        1 => machine::execute(memory.addr()),
        2 => machine::write(peer.ledger as usize),
        _ => return Ok(()),
    }
    Err("was allowed to")
}

/// Writes nonsense wherever it may, and rings without end. What it may not, it tries first.
pub fn garbage(task: &Task) -> Result {
    let link = task.channel("link").ok_or("no channel")?;
    let handoff = machine::handoff().ok_or("handoff")?;
    let cnode = task.cnode();
    let slot = |cptr| cnode.absolute_cptr(CPtr::from_bits(cptr));
    for peer in &handoff.peers {
        // No bell but that of this channel.
        let other = slot(task.free_slots().start);
        if other
            .mint(&slot(peer.notification), CapRights::all(), u64::MAX)
            .is_ok()
        {
            return Err("another badge");
        }
    }
    let own = handoff.channels.first().ok_or("no ledger")?;
    let (memory, mut random) = (link.memory(), 0x9e37_79b9_7f4a_7c15u64);
    loop {
        for word in 0..LEDGER {
            random = next(random);
            // Some are as they should be: what they say is wrong.
            let value = if random & 1 == 0 {
                random
            } else {
                random >> 60
            };
            machine::store(own.ledger as usize + word * 8, value);
        }
        for _ in 0..LEDGER {
            random = next(random);
            let place = random as usize % (memory.len() / 8) * 8;
            memory.write(place, random).ok_or("read-only")?;
        }
        for peer in &handoff.peers {
            Cap::<Notification>::from_bits(peer.notification).signal();
        }
    }
}

/// xorshift64 (Marsaglia).
const fn next(mut state: u64) -> u64 {
    state ^= state << 13;
    state ^= state >> 7;
    state ^ state << 17
}
