// SPDX-License-Identifier: BSD-2-Clause
//! What timers take: to be set and to be cancelled, while others are set, and to wake a guest that
//! sleeps.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::time::Duration;

use userland::{
    Error, info, introspect,
    time::{Instant, Timer},
    wake::{Mailbox, Task},
};

const TIMER: Task = Task(1);

/// Timers that are set one after the other, each earlier than the one before, and then cancelled.
const TOGETHER: usize = 32;
/// Time between two of them; the last is far enough ahead to be cancelled.
const STEP: Duration = Duration::from_secs(10);
const ROUNDS: u32 = 100;

#[userland::entrypoint]
fn main() -> Result<(), Error> {
    let mut mailbox = Mailbox::open()?;
    // Each once unmeasured, so that nothing is done for the first time in between.
    let (mut set, mut cancel, mut fire) = (0, 0, 0);
    for round in 0..=ROUNDS {
        let costs = set_and_cancel()?;
        let fired = fire_one(&mut mailbox)?;
        if round > 0 {
            set += costs.0;
            cancel += costs.1;
            fire += fired;
        }
    }
    let timers = u64::from(ROUNDS) * TOGETHER as u64;
    info!("bench timer_set {}", set / timers);
    info!("bench timer_cancel {}", cancel / timers);
    info!("bench timer_fire {}", fire / u64::from(ROUNDS));
    Ok(())
}

/// Cycles that it takes to set some timers, and to cancel them.
fn set_and_cancel() -> Result<(u64, u64), Error> {
    let mut deadline = Instant::now() + STEP * (TOGETHER as u32 + 1);
    let mut deadlines = [deadline; TOGETHER];
    for place in &mut deadlines {
        *place = deadline;
        deadline = Instant::from_nanoseconds(deadline.nanoseconds() - STEP.as_nanos() as u64);
    }
    let mut timers = [const { None }; TOGETHER];
    let begin = introspect::cycles();
    for (timer, deadline) in timers.iter_mut().zip(deadlines) {
        *timer = Some(Timer::at(deadline, TIMER)?);
    }
    let set = introspect::cycles();
    for timer in timers.into_iter().flatten() {
        timer.cancel()?;
    }
    Ok((set - begin, introspect::cycles() - set))
}

/// Cycles from setting a timer whose time has come to its task.
fn fire_one(mailbox: &mut Mailbox) -> Result<u64, Error> {
    let now = Instant::now();
    let begin = introspect::cycles();
    Timer::at(now, TIMER)?;
    mailbox.wait_for(TIMER)?;
    Ok(introspect::cycles() - begin)
}
