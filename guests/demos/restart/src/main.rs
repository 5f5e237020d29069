// SPDX-License-Identifier: BSD-2-Clause
//! Has writers killed that have reserved a frame, and a reader that holds one, and starts others in their place:
//! the channel between them goes on as if nothing had been.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::{boxed::Box, format};
use core::{error::Error, time::Duration};

use userland::{
    Group, Groups, Rights,
    channel::{Channel, Config},
    exit::ExitCode,
    handle::Capability as _,
    info, introspect,
    process::{Child, Command, Module, Outcome},
    shm::Region,
};

/// Room for 64 frames. A channel of several writers is as large.
const PIPE: Config = Config::pipe().frames(64).data(8 << 10);
const SHARED: Config = Config::new().frames(64).data(8 << 10);

/// What those at the ends may do, but for the one channel: wait, and write to the log.
const GROUPS: Groups = Groups::NONE
    .with(Group::SharedMemory)
    .with(Group::Wake)
    .with(Group::Log);

const DONE: Outcome = Outcome::Exited(ExitCode::SUCCESS);

#[userland::entrypoint]
async fn main() -> Result<(), Box<dyn Error>> {
    let before = in_use()?;
    one_writer().await?;
    two_writers().await?;
    let after = in_use()?;
    if before != after {
        return Err(format!("{after:?} where there was {before:?}").into());
    }
    info!("nothing is left");
    Ok(())
}

/// A pipe, of which both ends are killed.
async fn one_writer() -> Result<(), Box<dyn Error>> {
    let region = Region::alloc(PIPE.pages())?;
    let channel = Channel::create(&region, &PIPE)?;
    let reader = start(&region, "reader-a", 1000, &["reader", "hang-at=1500"])?;
    let writer = start(&region, "writer-a", 300, &["writer", "to=1000", "hang"])?;
    ended(writer, Outcome::Failed).await?;
    let writer = start(
        &region,
        "writer-b",
        30_000,
        &["writer", "from=1000", "to=3000"],
    )?;
    ended(reader, Outcome::Failed).await?;
    let reader = start(&region, "reader-b", 30_000, &["reader"])?;
    ended(writer, DONE).await?;
    channel.drain();
    ended(reader, DONE).await?;
    drop(channel);
    Ok(region.close()?)
}

/// A channel with two writers, of which one is killed while it holds the place of a frame in front of those of the
/// other.
async fn two_writers() -> Result<(), Box<dyn Error>> {
    let region = Region::alloc(SHARED.pages())?;
    let channel = Channel::create(&region, &SHARED)?;
    let reader = start(&region, "reader-c", 30_000, &["reader"])?;
    let mut seen = 0;
    while channel.readers().is_empty() {
        channel.changed(&mut seen).await;
    }
    let mortal = start(&region, "writer-c", 300, &["writer", "hang"])?;
    while channel.writers().is_empty() {
        channel.changed(&mut seen).await;
    }
    let other = start(&region, "writer-d", 30_000, &["writer", "to=3000"])?;
    ended(mortal, Outcome::Failed).await?;
    ended(other, DONE).await?;
    channel.drain();
    ended(reader, DONE).await?;
    drop(channel);
    Ok(region.close()?)
}

/// Starts a process at an end of the channel in this region. Whoever hangs is ended by the server after so many
/// milliseconds.
fn start(
    region: &Region,
    name: &str,
    milliseconds: u64,
    args: &[&str],
) -> Result<Child, userland::Error> {
    let module = Module::new("restarted", 20)
        .name(name)
        .groups(GROUPS)
        .deadline(Duration::from_millis(milliseconds));
    Command::module(&module)
        .args(args.iter().copied())
        .give("channel", region, Rights::READ_WRITE)
        .spawn()
}

/// Waits for the end of a process, which is to be this one.
async fn ended(child: Child, expected: Outcome) -> Result<(), Box<dyn Error>> {
    let outcome = child.wait().await?;
    let name = child.process().info()?.name;
    info!("{name} {outcome}");
    child.close()?;
    if outcome == expected {
        Ok(())
    } else {
        Err(format!("{name} {outcome}").into())
    }
}

/// Processes, timers and capabilities that there are.
fn in_use() -> Result<[u32; 3], userland::Error> {
    let system = introspect::system()?;
    Ok([system.processes, system.timers, system.grants])
}
