// SPDX-License-Identifier: BSD-2-Clause
//! Guests that are to be ended, and such as end themselves.

use core::time::Duration;

use drill::Verdict;
use userland::{exit::ExitCode, faults, process::Command, time::Instant, wake::Task};

use crate::stage::Stage;

/// Sleeps whatever comes.
pub fn sleep(stage: &mut Stage) -> Verdict {
    stage.greet()?;
    loop {
        stage.mailbox.wait(Instant::NEVER)?;
        stage.mailbox.clear();
    }
}

/// Ends with code 5 when it is asked to.
pub fn polite(stage: &mut Stage) -> Verdict<ExitCode> {
    stage.say(1)?;
    stage.mailbox.wait_for(Task::STOP)?;
    Ok(ExitCode(5))
}

/// Keeps the processor for itself.
pub fn spin(stage: &mut Stage) -> Verdict {
    stage.greet()?;
    loop {
        core::hint::spin_loop();
    }
}

/// Waits for a child that does not end.
pub fn await_child(stage: &mut Stage) -> Verdict {
    let child = Command::module(&stage.child()).arg("sleep").start()?;
    stage.say(1)?;
    child.wait()?;
    Ok(())
}

/// Has children that spin, sleep, and have children themselves.
pub fn parent(stage: &mut Stage) -> Verdict {
    let child = stage.child();
    for role in ["spin", "sleep", "sleep"] {
        Command::module(&child).arg(role).start()?;
    }
    stage.say(1)?;
    stage.rest(Duration::from_secs(60))
}

/// Traps.
pub fn divide(_: &mut Stage) -> Verdict {
    divide_by_zero();
    Ok(())
}

#[inline(never)]
fn divide_by_zero() {
    core::hint::black_box(faults::divide(1, core::hint::black_box(0)));
}

/// Panics.
pub fn panic(stage: &mut Stage) -> Verdict {
    panic!("as {} was told", stage.start.name());
}
