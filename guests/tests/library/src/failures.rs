// SPDX-License-Identifier: BSD-2-Clause
//! How a guest fails, and what is heard of it.

use alloc::string::ToString as _;
use core::{fmt, future::pending, sync::atomic::Ordering};

use drill::{Fault, Verdict, ensure};
use userland::{
    Error, Rights, debug, error,
    exit::ExitCode,
    handle::Capability as _,
    info, log,
    shm::Region,
    start::Start,
    task::{Event, spawn, yield_now},
    wake::{Bells, Mailbox},
    warn,
};

use crate::{
    peers::given,
    stage::{PATIENCE, Stage, exits, fails},
};

/// Panics in another task than the first.
pub async fn panic_in_a_task() -> Verdict<ExitCode> {
    spawn(async {
        yield_now().await;
        panic!("as task {} was told", 2);
    });
    pending().await
}

/// A panic in any task ends the guest, with message and place; so does an error of the entry point.
pub async fn panics(stage: &Stage) -> Verdict {
    fails(
        stage.spawn("panic")?,
        "panic: as task 2 was told, at guests/tests/library/src/failures.rs:",
    )
    .await?;
    fails(stage.spawn("error")?, "as it was told").await?;
    fails(stage.spawn("bad-sink")?, "the first, at ").await?;
    fails(stage.spawn("bad-message")?, "the message, at ").await
}

/// Leaves its lines in a region, and panics.
pub fn last_words(start: &Start) -> Verdict<ExitCode> {
    let region: Region = given(start, "paper")?;
    let window = region.attach(Rights::READ_WRITE)?;
    let mut end = 4;
    log::set_sink(move |_, line| {
        if line.contains("server") {
            return Err(Error::NoMemory);
        }
        window.write(end, line.as_bytes())?;
        end += line.len() as u32;
        window.store(0, end, Ordering::Release)?;
        userland::wake::notify(&region, Bells(1))
    });
    info!("one;");
    info!("this one is for the server");
    panic!("two");
}

/// What a guest logs goes to its sink, its last words, too; the server has those in any case.
pub async fn sinks(stage: &Stage) -> Verdict {
    let paper = Region::alloc(1)?;
    let window = paper.attach(Rights::READ)?;
    let written = Event::new();
    written.listen(&paper, Bells(1))?;
    let mut command = stage.command("last-words");
    let child = command.give("paper", &paper, Rights::READ_WRITE).spawn()?;
    userland::time::timeout(PATIENCE, written.wait())
        .await
        .map_err(|_| Fault::new("nothing is written"))?;
    fails(child, "panic: two, at ").await?;
    let end = window.load(0, Ordering::Acquire)? as usize;
    ensure!((4..1000).contains(&end), "{end} bytes");
    let mut text = alloc::vec![0; end - 4];
    window.read(4, &mut text)?;
    let text = core::str::from_utf8(&text).map_err(Fault::new)?;
    ensure!(text.starts_with("one;two, at "), "{text}");
    drop(window);
    Ok(paper.close()?)
}

/// Panics where its sink panics, too.
pub fn bad_sink() -> Verdict<ExitCode> {
    log::set_sink(|_, line| panic!("the sink: {line}"));
    panic!("the first");
}

/// Panics where its message panics, too.
pub fn bad_message() -> Verdict<ExitCode> {
    struct Bad;
    impl fmt::Display for Bad {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("the message");
        }
    }
    panic!("{Bad}");
}

/// A line of each level.
pub fn speaks() -> Verdict<ExitCode> {
    error!("said at level 0");
    warn!("said at level 1");
    info!("said at level 2");
    debug!("said at level 3");
    Ok(ExitCode(7))
}

/// The environment says which lines are wanted. What is printed is looked at from outside.
pub async fn levels(stage: &Stage) -> Verdict {
    for level in ["off", "error", "warn", "info", "debug", "much", ""] {
        let module = stage
            .module()
            .name(if level.is_empty() { "unset" } else { level });
        let mut command = userland::process::Command::module(&module);
        command.arg("speaks");
        if !level.is_empty() {
            command.env("LOG", level);
        }
        exits(command.spawn()?, 7).await?;
    }
    Ok(())
}

/// Opens a mailbox of its own, and then waits as a task.
pub async fn own_mailbox() -> Verdict<ExitCode> {
    let mailbox = Mailbox::open()?;
    ensure!(
        Mailbox::open().map(drop) == Err(Error::Busy),
        "two mailboxes"
    );
    Event::new().wait().await;
    Err(Fault::new(alloc::format!("{mailbox:?}").to_string()))
}

/// A guest has one mailbox: who takes it away from its tasks is told so.
pub async fn two_mailboxes(stage: &Stage) -> Verdict {
    let _event = Event::new();
    ensure!(
        Mailbox::open().map(drop) == Err(Error::Busy),
        "two mailboxes"
    );
    fails(stage.spawn("mailbox")?, "cannot sleep: busy").await
}
