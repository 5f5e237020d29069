// SPDX-License-Identifier: BSD-2-Clause
//! Tries the guest library where it is to work. One scenario is one promise of its; a line of the log says
//! whether it holds. Scenarios that need another guest start this one again, which plays the role that its
//! first argument names.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod failures;
mod memory;
mod peers;
mod stage;
mod tasks;
mod timing;

use drill::{Fault, scenarios};
use stage::Stage;
use userland::{exit::ExitCode, start::Start};

#[userland::entrypoint]
async fn main(start: Start) -> Result<ExitCode, Fault> {
    if let Some(role) = start.args().next()
        && !role.contains('=')
    {
        return play(role, &start).await;
    }
    let stage = Stage::new(start)?;
    let failed = scenarios! { stage, |name: &str| stage.wants(name);
        "many-tasks" => tasks::many,
        "cancellation" => tasks::cancellation,
        "select-and-join" => tasks::select_and_join,
        "late-ids" => tasks::late_ids,
        "full-mailbox" => tasks::full_mailbox,
        "sleeps-in-order" => timing::sleeps_in_order,
        "sleeps-to-the-point" => timing::sleeps_to_the_point,
        "sleeps-among-busy-tasks" => timing::sleeps_among_busy_tasks,
        "timeouts" => timing::timeouts,
        "intervals" => timing::intervals,
        "children" => peers::children,
        "child-that-sleeps" => peers::child_that_sleeps,
        "stop" => peers::stop,
        "early-stop" => peers::early_stop,
        "stop-and-full-mailbox" => peers::stop_and_full_mailbox,
        "lost-while-waiting" => peers::lost_while_waiting,
        "services" => peers::services,
        "notices" => peers::notices,
        "rings" => peers::rings,
        "heap-and-windows" => memory::heap_and_windows,
        "no-memory" => memory::no_memory,
        "panics" => failures::panics,
        "sinks" => failures::sinks,
        "levels" => failures::levels,
        "two-mailboxes" => failures::two_mailboxes,
    };
    Ok(ExitCode(failed))
}

async fn play(role: &str, start: &Start) -> Result<ExitCode, Fault> {
    match role {
        "code" => peers::code(start),
        "sleeper" => peers::sleeper().await,
        "patient" => peers::patient().await,
        "flooded" => peers::flooded().await,
        "watcher" => peers::watcher(start).await,
        "provider" => peers::provider(start).await,
        "noticed" => peers::noticed().await,
        "echo" => peers::echo(start).await,
        "hog" => memory::hog(),
        "glutton" => memory::glutton(),
        "panic" => failures::panic_in_a_task().await,
        "last-words" => failures::last_words(start),
        "bad-sink" => failures::bad_sink(),
        "bad-message" => failures::bad_message(),
        "error" => Err(Fault::new("as it was told")),
        "speaks" => failures::speaks(),
        "mailbox" => failures::own_mailbox().await,
        _ => Err(Fault::new("it does not know that role")),
    }
}
