// SPDX-License-Identifier: BSD-2-Clause
//! Parts that other processes play.

use alloc::vec::Vec;
use core::{sync::atomic::Ordering, time::Duration};

use drill::{
    Fault, Verdict, ensure,
    line::{Line, Side},
    refused,
};
use userland::{
    Error, PAGE, Rights,
    handle::{Capability as _, Terms},
    module::Loaded,
    shm::Region,
    start::Start,
    time::{Instant, sleep},
};

/// Asks the service again and again, until it is to stop, and keeps account of it.
pub async fn client(start: &Start) -> Verdict {
    deployed::ask(start).await.map_err(Fault::new)
}

/// The module that it was given, and how long it is.
fn file(start: &Start) -> Verdict<(Region, u32)> {
    let region = start.region("file").ok_or_else(|| Fault::new("no file"))?;
    let len = start.args().nth(2).and_then(|len| len.parse().ok());
    Ok((region, len.ok_or_else(|| Fault::new("no length"))?))
}

/// Has no memory left for a module, then has it.
pub fn poor(start: &Start) -> Verdict {
    let (region, len) = file(start)?;
    let window = region.attach(Rights::READ)?;
    // Once, for what is kept: page tables, and slots for capabilities.
    Loaded::load_from(&window, 0, len)?.close()?;
    let mut regions = Vec::new();
    for pages in [64, 8, 1] {
        while let Ok(region) = Region::alloc(pages) {
            regions.push(region);
        }
    }
    refused(Loaded::load_from(&window, 0, len), Error::NoMemory)?;
    let mut freed = 0;
    while freed < len / PAGE + 2 {
        let region = regions.pop().ok_or_else(|| Fault::new("no region"))?;
        freed += region.size()? / PAGE;
        region.close()?;
    }
    for _ in 0..20 {
        Loaded::load_from(&window, 0, len)?.close()?;
    }
    let loaded = Loaded::load_from(&window, 0, len)?;
    refused(Loaded::load_from(&window, 0, len), Error::NoMemory)?;
    Ok(loaded.close()?)
}

/// Loads a module that others may run.
pub async fn lender(start: &Start) -> Verdict {
    let (region, len) = file(start)?;
    let line = start
        .region(drill::line::NAME)
        .ok_or_else(|| Fault::new("no line"))?;
    let line = Line::new(line, Side::Watched)?;
    let loaded = Loaded::load_from(&region.attach(Rights::READ)?, 0, len)?;
    line.put(&loaded.share(Terms::once(Rights::READ))?.to_bytes())?;
    line.say(1)?;
    let wait = async |step| -> Verdict {
        let deadline = Instant::now() + Duration::from_secs(60);
        while line.heard() < step {
            ensure!(Instant::now() < deadline, "nobody goes on");
            sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    };
    wait(1).await?;
    if start.args().nth(1) == Some("closes") {
        loaded.close()?;
        line.say(2)?;
        wait(2).await?;
    }
    Ok(())
}

/// Writes another's module while that is loaded: each time what was there, after a moment.
pub async fn scribbler(start: &Start) -> Verdict {
    let region = start.region("file").ok_or_else(|| Fault::new("no file"))?;
    let len = region.size()?;
    let window = region.attach(Rights::READ_WRITE)?;
    let mut at = 4096;
    loop {
        let word = window.load(at, Ordering::Relaxed)?;
        window.store(at, !word, Ordering::Relaxed)?;
        sleep(Duration::from_micros(300)).await;
        window.store(at, word, Ordering::Relaxed)?;
        sleep(Duration::from_micros(300)).await;
        at += 4096 + 64;
        if at >= len / 2 {
            at = 4096;
        }
    }
}
