// SPDX-License-Identifier: BSD-2-Clause
//! Guests whose lines another one reads.

use alloc::{collections::BTreeMap, format, string::String};

use drill::{Verdict, ensure};
use userland::{
    Level, Rights,
    channel::{Channel, Config, Strength, WhenFull},
    console,
    exit::ExitCode,
    log::{self, Collector, Entry},
    process::{Child, Outcome},
    shm::Region,
    start::Start,
    time::timeout,
};

use crate::stage::{PATIENCE, Stage, exits, fault, region};

const LINES: u32 = 10_000;

/// Says as many lines as its second argument says, and how many there were.
pub fn speaks(start: &Start) -> Verdict<ExitCode> {
    use log::captured::{info, warn};

    let lines: u32 = start
        .value("lines")
        .and_then(|count| count.parse().ok())
        .ok_or_else(|| fault("nobody says how many lines"))?;
    ensure!(log::to_channel(start).map_err(fault)?, "it has no log");
    for n in 0..lines {
        info!("line {n} of {}", start.name());
    }
    warn!("that was all");
    Ok(ExitCode(4))
}

/// Says something, and panics.
pub fn panics(start: &Start) -> Verdict<ExitCode> {
    ensure!(log::to_channel(start).map_err(fault)?, "it has no log");
    for n in 0..600 {
        log::captured::info!("line {n} before the end");
    }
    panic!("the last line");
}

fn speaker(stage: &Stage, name: &str, logs: &Region, lines: u32) -> Verdict<Child> {
    let mut command = stage.command_with("speaks", name, stage.groups());
    command.arg(&format!("lines={lines}"));
    Ok(command.give("log", logs, Rights::READ_WRITE).spawn()?)
}

async fn next(collector: &mut Collector) -> Verdict<Entry> {
    let entry = timeout(PATIENCE, collector.next()).await;
    let entry = entry.map_err(|_| fault("there is no line"))?;
    entry
        .map_err(fault)?
        .ok_or_else(|| fault("the log is closed"))
}

/// A guest's lines come with its name, their level and time, and can be shown on the console.
pub async fn capture(stage: &Stage) -> Verdict {
    let logs = region(1)?;
    let mut collector = Collector::open(&logs, Strength::Strong, "logger").map_err(fault)?;
    let child = speaker(stage, "captured", &logs, 3)?;
    let mut last = None;
    for n in 0..4 {
        let entry = next(&mut collector).await?;
        ensure!(entry.name == "captured", "{entry:?}");
        ensure!(entry.pid == child.process().info()?.pid, "{entry:?}");
        ensure!(Some(entry.time) > last, "{entry:?} after {last:?}");
        ensure!(
            (entry.level == Level::Warn) == (n == 3) && entry.lost == 0,
            "{entry:?}"
        );
        last = Some(entry.time);
        console::write(&format!("{entry}"))?;
    }
    exits(child, 4).await?;
    // Another that has the same place is told from it.
    let child = speaker(stage, "captured", &logs, 1)?;
    let entry = next(&mut collector).await?;
    ensure!(entry.writer.generation() == 2, "{:?}", entry.writer);
    next(&mut collector).await?;
    exits(child, 4).await
}

/// Three guests write as fast as they can: all lines come, those of each in order.
pub async fn three_guests(stage: &Stage) -> Verdict {
    let logs = region(1)?;
    let mut collector = Collector::open(&logs, Strength::Strong, "logger").map_err(fault)?;
    let mut children = alloc::vec::Vec::new();
    for name in ["alpha", "beta", "gamma"] {
        children.push(speaker(stage, name, &logs, LINES)?);
    }
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let mut ended = 0;
    while ended < 3 {
        let entry = next(&mut collector).await?;
        ensure!(entry.lost == 0, "{entry:?}");
        if entry.level == Level::Warn {
            ended += 1;
            continue;
        }
        let count = seen.entry(entry.name.clone()).or_default();
        ensure!(
            entry.text == format!("line {count} of {}", entry.name),
            "{entry:?}, where line {count} was due"
        );
        *count += 1;
    }
    ensure!(seen.values().all(|count| *count == LINES), "{seen:?}");
    for child in children {
        exits(child, 4).await?;
    }
    // Where nobody reads, lines are dropped, and counted.
    let logs = region(1)?;
    let config = Config::new().when_full(WhenFull::Drop);
    Channel::create(&logs, &config).map_err(fault)?;
    let mut collector = Collector::open(&logs, Strength::Strong, "logger").map_err(fault)?;
    exits(speaker(stage, "dropped", &logs, 1000)?, 4).await?;
    let mut lines = 0;
    while collector.try_next().map_err(fault)?.is_some() {
        lines += 1;
    }
    ensure!(lines == 256, "{lines} lines of a channel for 256");
    Ok(())
}

/// What a guest panics with is its last line, although the channel was full.
pub async fn last_line(stage: &Stage) -> Verdict {
    let logs = region(1)?;
    let mut collector = Collector::open(&logs, Strength::Strong, "logger").map_err(fault)?;
    let mut command = stage.command("panics", "dying");
    let child = command.give("log", &logs, Rights::READ_WRITE).spawn()?;
    let mut lines = 0;
    let last = loop {
        let entry = next(&mut collector).await?;
        if entry.level == Level::Error {
            break entry;
        }
        lines += 1;
    };
    ensure!(lines == 600, "{lines} lines before the last");
    ensure!(last.text.starts_with("the last line, at "), "{last:?}");
    let outcome = timeout(PATIENCE, child.wait()).await.map_err(fault)??;
    ensure!(outcome == Outcome::Failed, "{outcome}");
    ensure!(collector.try_next() == Ok(None), "more after the end");
    child.close()?;
    Ok(())
}
