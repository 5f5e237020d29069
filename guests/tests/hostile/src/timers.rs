// SPDX-License-Identifier: BSD-2-Clause
//! Timers: thousands, cancelled ones, others'.

use alloc::vec::Vec;
use core::time::Duration;

use drill::{Fault, Verdict, ensure, refused};
use userland::{
    Error,
    time::{Instant, Timer},
    wake::Task,
};

use crate::{call, stage::Stage};

/// Times, two timers at each.
const TIMES: u32 = 2000;
/// Between one and the next.
const APART: Duration = Duration::from_micros(100);
/// No divisor of the number of times, so that all come, in no order.
const STRIDE: u32 = 997;

/// Each comes when it is due and not before, those of one time in the order they were set.
pub fn in_order(stage: &mut Stage) -> Verdict {
    let first = Instant::now() + Duration::from_millis(200);
    let due = |time: u32| first + APART * time;
    for n in 0..TIMES {
        let time = n * STRIDE % TIMES;
        Timer::at(due(time), Task(2 * time))?;
        Timer::at(due(time), Task(2 * time + 1))?;
    }
    ensure!(Instant::now() < first, "setting them took too long");
    let mut next = 0;
    while next < 2 * TIMES {
        ensure!(
            stage.mailbox.wait(first + Duration::from_secs(10))? > 0,
            "{next} never came"
        );
        ensure!(
            !stage.mailbox.overflowed(),
            "behind {next}, too many at once"
        );
        for task in stage.mailbox.drain() {
            ensure!(task == Task(next), "{task:?}, where {next} was due");
            ensure!(Instant::now() >= due(next / 2), "{next} came early");
            next += 1;
        }
    }
    Ok(())
}

fn set(at: Instant, task: u32) -> Result<u64, Error> {
    call::plain("atoll::time", "at", &[at.nanoseconds(), task.into()])
}

fn cancel(timer: u64) -> Result<u64, Error> {
    call::plain("atoll::time", "cancel", &[timer])
}

/// What was cancelled does not come, and is cancelled once.
pub fn cancelled(stage: &mut Stage) -> Verdict {
    const COUNT: u32 = 50;
    let due = Instant::now() + Duration::from_millis(20);
    let timers: Vec<u64> = (0..COUNT).map(|n| set(due, n)).collect::<Result<_, _>>()?;
    for timer in timers.iter().step_by(2) {
        cancel(*timer)?;
        refused(cancel(*timer), Error::NotFound)?;
    }
    let mut came = Vec::new();
    while stage.mailbox.wait(due + Duration::from_millis(50))? > 0 {
        came.extend(stage.mailbox.drain());
    }
    let wanted: Vec<Task> = (1..COUNT).step_by(2).map(Task).collect();
    ensure!(came == wanted, "{came:?}");
    timers
        .iter()
        .try_for_each(|timer| refused(cancel(*timer), Error::NotFound))
}

/// Others' timers cannot be cancelled; the warden looks whether its own comes.
pub fn guessed(stage: &mut Stage) -> Verdict {
    const SLOT_BITS: u32 = 20;
    let own = set(Instant::now() + Duration::from_secs(60), 0)?;
    let number = own >> SLOT_BITS;
    for number in number.saturating_sub(64)..number + 64 {
        for slot in 0..256 {
            let guess = number << SLOT_BITS | slot;
            if guess != own {
                refused(cancel(guess), Error::NotFound)?;
            }
        }
    }
    for bit in 0..u64::BITS {
        refused(cancel(own ^ 1 << bit), Error::NotFound)?;
    }
    let lost = |_| Fault::new("its own is gone");
    cancel(own).map(drop).map_err(lost)?;
    stage.say(1)
}
