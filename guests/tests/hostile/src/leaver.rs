// SPDX-License-Identifier: BSD-2-Clause
//! Roles of one who shares a region with the warden, rings its bells, and leaves.

use drill::{Fault, Verdict};
use userland::{
    Rights, faults,
    handle::Capability as _,
    shm::Region,
    time::Instant,
    wake::{self, Bells},
};

use crate::{
    call,
    stage::{BELL, Stage},
};

/// Holds a region under two names, and leaves it the way the argument says.
pub fn leave(stage: &mut Stage) -> Verdict {
    let first: Region = stage.given("first")?;
    let second: Region = stage.given("second")?;
    // Left as it is, for the server to take away.
    core::mem::forget(second.attach(Rights::READ_WRITE)?);
    stage.mailbox.listen(&first, BELL, Bells::ALL)?;
    stage.say(1)?;
    stage.until(1)?;
    match stage.word(1).as_str() {
        "exit" => Ok(()),
        "panic" => panic!("as it was told"),
        "trap" => faults::unreachable(),
        "abandon" => {
            call::breach(&second, "read")?;
            Err(Fault::new("the server wrote to a read-only window"))
        }
        "close" => {
            first.close()?;
            stage.say(2)?;
            stage.until(2)?;
            second.close()?;
            stage.say(3)?;
            stage.until(3)
        }
        _ => stage.until(u32::MAX),
    }
}

/// Rings the bells of the warden's region: each by itself, those of the warden with others, and then in
/// turn with the warden.
pub fn ring(stage: &mut Stage) -> Verdict {
    const OURS: u32 = 0b1010_0000;
    const FIRST: Bells = Bells(1);
    let region: Region = stage.given("bell")?;
    for bit in 0..u32::BITS {
        wake::notify(&region, Bells(1 << bit))?;
    }
    wake::notify(&region, Bells(!OURS))?;
    stage.say(1)?;
    stage.until(1)?;
    wake::notify(&region, Bells::ALL)?;
    stage.say(2)?;
    stage.until(2)?;
    stage.mailbox.listen(&region, BELL, FIRST)?;
    stage.say(3)?;
    stage.mailbox.wait_for(BELL)?;
    loop {
        stage.mailbox.notify_wait(&region, FIRST, Instant::NEVER)?;
        while !stage.mailbox.drain().any(|id| id == BELL) {
            stage.mailbox.wait(Instant::NEVER)?;
        }
    }
}
