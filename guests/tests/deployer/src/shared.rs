// SPDX-License-Identifier: BSD-2-Clause
//! Modules and memory of others.

use core::time::Duration;

use drill::{
    Verdict, ensure,
    line::{Line, Side},
    refused,
};
use userland::{
    Error, PAGE, Rights,
    handle::{self, Capability as _, Token},
    module::Loaded,
    process::{Command, Outcome},
    shm::Region,
    time::{Instant, sleep},
};

use crate::stage::{Stage, ends, exits};

/// How long to wait for another guest.
const PATIENCE: Duration = Duration::from_secs(60);

/// While the module is loaded, another writes it: what was checked is what runs.
pub async fn scribbled(stage: &Stage) -> Verdict {
    const ROUNDS: u32 = 60;
    let file = &stage.files.hostile;
    let region = region_of(file)?;
    let window = region.attach(Rights::READ_WRITE)?;
    let mut command = Command::guest("scribbler");
    command
        .arg("scribbler")
        .give("file", &region, Rights::READ_WRITE);
    let scribbler = command.start()?;
    let (mut good, mut bad) = (0, 0);
    for round in 0..ROUNDS {
        sleep(Duration::from_micros(u64::from(round) * 13)).await;
        match Loaded::load_from(&window, 0, file.len() as u32) {
            Ok(loaded) => {
                good += 1;
                exits(stage.command(&loaded, "exit", "5").start()?, 5)?;
                loaded.close()?;
            }
            Err(Error::Altered) => bad += 1,
            Err(error) => return Err(error.into()),
        }
    }
    userland::info!("{good} were whole, {bad} were not");
    ensure!(bad > 0, "nobody wrote in between");
    scribbler.stop(Duration::ZERO)?;
    ends(scribbler, Outcome::Failed)?;
    drop(window);
    Ok(region.close()?)
}

/// Who runs another's module ends with that; who could, cannot any more.
pub async fn lent(stage: &Stage) -> Verdict {
    for closes in [false, true] {
        let file = &stage.files.hostile;
        let region = region_of(file)?;
        let line = Line::new(Region::alloc(1)?, Side::Warden)?;
        let lender = stage
            .part("lender", "lender")
            .arg(if closes { "closes" } else { "ends" })
            .arg(&alloc::format!("{}", file.len()))
            .give("file", &region, Rights::READ)
            .give(drill::line::NAME, &line.region, Rights::READ_WRITE)
            .start()?;
        let deadline = Instant::now() + PATIENCE;
        while line.heard() == 0 {
            ensure!(Instant::now() < deadline, "nothing is lent");
            sleep(Duration::from_millis(1)).await;
        }
        let loaded: Loaded = handle::accept(&Token::from_bytes(line.get()?))?;
        let info = loaded.info()?;
        ensure!(info.loader != stage.pid(), "{info:?}");
        exits(stage.command(&loaded, "exit", "4").start()?, 4)?;
        let runner = stage.command(&loaded, "spin", "").start()?;
        let about = runner.info()?;
        ensure!(about.loader == Some(info.loader), "{about:?}");
        line.say(1)?;
        if closes {
            while line.heard() == 1 {
                ensure!(Instant::now() < deadline, "it does not close");
                sleep(Duration::from_millis(1)).await;
            }
            // Nothing more starts, and what runs goes on.
            refused(stage.command(&loaded, "exit", "0").start(), Error::Revoked)?;
            sleep(Duration::from_millis(5)).await;
            ensure!(
                runner.state()? != userland::ProcessState::Failed,
                "it ended: {}",
                runner.report()?.text
            );
            line.say(2)?;
        }
        exits(lender, 0)?;
        let outcome = runner.wait()?;
        let report = runner.report()?.text;
        ensure!(
            outcome == Outcome::Failed
                && report.contains("the process that loaded its module has ended"),
            "{outcome}: {report}"
        );
        runner.close()?;
        refused(stage.command(&loaded, "exit", "0").start(), Error::Revoked)?;
        refused(loaded.info(), Error::Revoked)?;
        loaded.close()?;
        line.close()?;
        region.close()?;
    }
    Ok(())
}

/// A region with these bytes.
pub fn region_of(bytes: &[u8]) -> Verdict<Region> {
    let region = Region::alloc((bytes.len() as u32).div_ceil(PAGE))?;
    for (i, part) in bytes.chunks(PAGE as usize).enumerate() {
        region.write_at(i as u32 * PAGE, part)?;
    }
    Ok(region)
}
