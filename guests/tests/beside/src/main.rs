// SPDX-License-Identifier: BSD-2-Clause
//! A guest that shares a channel with a native task (`tests/native/src/channel.rs`, which says how the bytes lie). The first
//! argument says what it does; the region is in the slot `channel`.
//!
//! * `asks` has the task answer frames, one at a time: `rounds=N`, over any number of lives of the task. With `die=N` it
//!   fails after so many.
//! * `suffers` looks `rounds=N` times at a channel into which the task writes nonsense.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::{boxed::Box, format};
use core::{
    error::Error,
    sync::atomic::Ordering::{Acquire, Release},
};

use userland::{
    Pid, Rights,
    channel::{Channel, Config, Reader, Strength},
    info,
    shm::{Region, Window},
    start::Start,
    time::Instant,
    wake::{Bells, Mailbox, Task, notify},
};

type Verdict = Result<(), Box<dyn Error>>;

/// As `tests/native/src/channel.rs` has them.
mod at {
    pub const ASKED: u32 = 0;
    pub const ANSWERED: u32 = 4;
    pub const TASK: u32 = 8;
    pub const GUEST: u32 = 12;
    pub const GONE: u32 = 16;
    pub const QUESTION: u32 = 64;
    pub const ANSWER: u32 = 4096;
}
const ASK: Bells = Bells(1);
const ANSWER: Bells = Bells(2);

const LINK: Task = Task(1);

#[userland::entrypoint]
fn main(start: Start) -> Verdict {
    let region = start.region("channel").ok_or("I was given no channel")?;
    match start.args().next().unwrap_or_default() {
        "asks" => asks(&start, &region),
        "suffers" => suffers(&start, &region),
        other => Err(format!("there is no part {other}").into()),
    }
}

fn asks(start: &Start, region: &Region) -> Verdict {
    let rounds: u32 = start.value("rounds").unwrap_or("1000").parse()?;
    let die: u32 = start.value("die").unwrap_or("0").parse()?;
    let mut mailbox = Mailbox::open()?;
    mailbox.listen(region, LINK, ANSWER)?;
    let window = region.attach(Rights::READ_WRITE)?;
    let mut task = SeenTask::default();
    // One before may have asked, and not lived to see the answer.
    let first = window.load(at::ASKED, Acquire)?;
    window.store(at::GUEST, start.pid().0, Release)?;
    for round in 0..rounds {
        let number = first.wrapping_add(round).wrapping_add(1);
        window.write(at::QUESTION, &numbered::frame(number))?;
        window.store(at::ASKED, number, Release)?;
        notify(region, ASK)?;
        while window.load(at::ANSWERED, Acquire)? != number {
            task.look(region, &window)?;
            mailbox.wait(Instant::NEVER)?;
            mailbox.clear();
        }
        let mut answer = [0; numbered::LEN];
        window.read(at::ANSWER, &mut answer)?;
        if numbered::number(&answer)? != number.wrapping_add(1) {
            return Err(format!("the answer to {number} is wrong").into());
        }
        if round + 1 == die {
            let gone = window.load(at::GONE, Acquire)?;
            return Err(format!("dies after {die} rounds, as {gone} before").into());
        }
    }
    let gone = window.load(at::GONE, Acquire)?;
    let (lives, deaths) = (task.lives, task.deaths);
    info!(
        "{rounds} rounds with {lives} lives of the task, {deaths} ends seen; it saw {gone} of mine"
    );
    // It is there as long as this guest listens.
    Ok(mailbox.wait_for(Task::STOP)?)
}

/// What is known of the task.
#[derive(Default)]
struct SeenTask {
    pid: u32,
    lives: u32,
    deaths: u32,
}

impl SeenTask {
    fn look(&mut self, region: &Region, window: &Window) -> Verdict {
        if self.pid != 0 && !region.is_held_by(Pid(self.pid))? {
            (self.pid, self.deaths) = (0, self.deaths + 1);
        }
        // The page may still have the one that is gone.
        let pid = window.load(at::TASK, Acquire)?;
        if pid != self.pid && region.is_held_by(Pid(pid))? {
            (self.pid, self.lives) = (pid, self.lives + 1);
        }
        Ok(())
    }
}

fn suffers(start: &Start, region: &Region) -> Verdict {
    const CONFIG: Config = Config::new().frames(64).data(8 << 10);
    let rounds: u32 = start.value("rounds").unwrap_or("1000").parse()?;
    let mut mailbox = Mailbox::open()?;
    mailbox.listen(region, LINK, Bells::ALL)?;
    let window = region.attach(Rights::READ_WRITE)?;
    let (mut made, mut refused) = (0u32, 0u32);
    let mut reader = None;
    for _ in 0..rounds {
        mailbox.wait(Instant::NEVER)?;
        mailbox.clear();
        // Whatever it says about processes.
        for word in 0..8 {
            region.is_held_by(Pid(window.load(word * 4, Acquire)?))?;
        }
        // A channel that was good when it was made, and one of its readers, whatever has become of them.
        if reader.as_mut().is_some_and(is_refused) {
            (reader, refused) = (None, refused + 1);
        }
        if reader.is_none() {
            window.store(0, 0, Release)?;
            let channel = Channel::create(region, &CONFIG)?;
            reader = Some(channel.reader(Strength::Weak, "suffers")?);
            made += 1;
        }
    }
    info!("{rounds} looks at {made} channels, of which {refused} were refused");
    Ok(())
}

/// Takes what frames there seem to be, and none too many; answers whether it is a channel no more.
fn is_refused(reader: &mut Reader) -> bool {
    for _ in 0..100 {
        match reader.try_borrow() {
            Ok(Some(frame)) => {
                let mut bytes = [0; numbered::LEN];
                let _ = frame.read(&mut bytes);
            }
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
    false
}
