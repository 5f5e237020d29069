// SPDX-License-Identifier: BSD-2-Clause
//! Much of what is allowed: kicks, acknowledgements, resets, interrupts; and a clock beside it.

use core::time::Duration;

use drill::{Verdict, ensure};
use userland::{
    info,
    start::Start,
    time::Instant,
    wake::{Mailbox, Task},
};

use crate::{
    call,
    ground::Ground,
    receive::{Receiver, memory},
};

/// How often anything is done that is done too often.
const OFTEN: u32 = 20_000;
/// Of what takes the device longer.
const RESETS: u32 = 500;

/// Kicks for nothing, and for the same again.
pub fn kicks(ground: &mut Ground) -> Verdict {
    ground.bring_up()?;
    for _ in 0..OFTEN {
        for queue in 0..ground.queues.len() {
            ground.kick(queue)?;
        }
    }
    ground.works()?;
    for _ in 0..OFTEN {
        ground.kick(0)?;
        call::ack(ground.device.handle)?;
    }
    ground.works()
}

/// Acknowledgements of what has not happened.
pub fn acks(ground: &mut Ground) -> Verdict {
    ground.device.reset()?;
    for _ in 0..OFTEN {
        let status = call::ack(ground.device.handle)?;
        ensure!(status == 0, "an interrupt {status:#x} of a device at rest");
    }
    ground.works()
}

/// Resets, with nothing and with something in flight.
pub fn resets(ground: &mut Ground) -> Verdict {
    for round in 0..RESETS {
        ground.device.reset()?;
        if round % 2 == 0 {
            ground.bring_up()?;
            ground.kick(0)?;
        }
    }
    ground.works()
}

/// What comes with an interrupt.
const INTERRUPT: Task = Task(1);

/// Takes every frame that comes, and asks for the next at once. Says after how many interrupts it stops.
pub fn interrupts(ground: &mut Ground) -> Verdict {
    let wanted: u32 = ground
        .start
        .value("interrupts")
        .and_then(|n| n.parse().ok())
        .unwrap_or(1000);
    let mut mailbox = Mailbox::open()?;
    let handle = ground.device.handle;
    call::listen(handle, INTERRUPT.0)?;
    let mut receiver = Receiver::start(ground, memory(1)?)?;
    let mut count = 0;
    while count < wanted {
        mailbox.wait_for(INTERRUPT)?;
        if call::ack(handle)? != 0 {
            count += 1;
        }
        receiver.again(ground)?;
    }
    info!("{count} interrupts, {} frames", receiver.landed());
    Ok(())
}

/// Says how late it is woken, at most, by a clock that ticks each millisecond.
pub fn clock(_: &Start) -> Verdict {
    const TICKS: u32 = 500;
    let mut mailbox = Mailbox::open()?;
    loop {
        let mut latest = Duration::ZERO;
        let mut next = Instant::now();
        for _ in 0..TICKS {
            next += Duration::from_millis(1);
            mailbox.wait_until(next, || None::<()>)?;
            latest = latest.max(Instant::now() - next);
        }
        info!("late by {} ns at most", latest.as_nanos());
    }
}
