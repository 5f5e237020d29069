// SPDX-License-Identifier: BSD-2-Clause
//! Starts drivers, one after the other, and says how each ended.

use alloc::string::String;
use core::time::Duration;

use drill::{
    Fault, Verdict, ensure,
    line::{self, Line, Side},
};
use userland::{
    ProcessState, Rights, error,
    handle::Capability as _,
    info,
    process::{Command, Outcome, Process},
    shm::Region,
    start::Start,
    time::Instant,
    wake::{Bells, Mailbox, Task},
};

use crate::{
    ground::PATIENCE,
    receive::{is_calm, windows},
};

/// What drivers try, with which devices.
const SCENARIOS: &[(&str, &[&str])] = &[
    ("bad-buffers", ALL),
    ("knots", ALL),
    ("longest", ALL),
    ("bad-indices", ALL),
    ("foreign-fields", ALL),
    ("same-again", ALL),
    ("bad-places", ALL),
    ("bad-sizes", ALL),
    ("live-queues", ALL),
    ("neighbours", ALL),
    ("odd-accesses", ALL),
    ("read-only", ALL),
    ("features", ALL),
    ("wrong-time", ALL),
    ("guessed", ALL),
    ("closed", ALL),
    ("kicks", ALL),
    ("acks", ALL),
    ("resets", ALL),
];
const ALL: &[&str] = &["nic", "blk"];

/// Every scenario with every device that it is for; and one of a guest that may only look.
pub fn scenarios(start: &Start) -> Verdict {
    let wanted = |name: &str| start.value("only").is_none_or(|only| only == name);
    let mut count = 0;
    for (name, devices) in SCENARIOS.iter().filter(|(name, _)| wanted(name)) {
        for device in *devices {
            say(
                name,
                device,
                ended_well(Command::guest("driver").args([*name, *device])),
            );
            count += 1;
        }
    }
    if wanted("looker") {
        say("looker", "nic", ended_well(&mut Command::guest("looker")));
        count += 1;
    }
    info!("{count} scenarios, all done");
    Ok(())
}

fn say(name: &str, device: &str, verdict: Verdict) {
    match verdict {
        Ok(()) => info!("ok {name} {device}"),
        Err(fault) => error!("FAILED {name} {device}: {fault}"),
    }
}

/// Starts it, and waits until it has ended, which it does by itself and with code 0.
fn ended_well(command: &mut Command) -> Verdict {
    let process = command.start()?;
    let outcome = process.wait()?;
    let report: String = process.report()?.text.as_str().into();
    process.close()?;
    ensure!(
        outcome == Outcome::Exited(userland::exit::ExitCode::SUCCESS),
        "{outcome}: {report}"
    );
    Ok(())
}

/// What comes with a ring of the line.
const LINE: Task = Task(1);

/// How buffers go while the device fills them.
#[derive(Clone, Copy, Debug)]
enum End {
    /// Their owner is killed, or ends so.
    Owner(&'static str),
    /// Their owner resets the device.
    Reset,
    /// They are in a window, which goes so.
    Window(Gone),
}

#[derive(Clone, Copy, Debug)]
enum Gone {
    Detached,
    Revoked,
    Closed,
    WithItsGuest,
}

const ENDS: [End; 8] = [
    End::Owner("kill"),
    End::Owner("exit"),
    End::Owner("panic"),
    End::Reset,
    End::Window(Gone::Detached),
    End::Window(Gone::Revoked),
    End::Window(Gone::Closed),
    End::Window(Gone::WithItsGuest),
];

/// Has buffers go in every way while the device fills them, again and again. Nobody who has the memory next sees
/// the device write there.
pub fn dma_stops(start: &Start) -> Verdict {
    let rounds: u32 = start
        .value("rounds")
        .and_then(|n| n.parse().ok())
        .unwrap_or(1);
    let mut mailbox = Mailbox::open()?;
    for round in 0..rounds {
        for end in ENDS {
            // The device is anywhere in a frame.
            let delay = Duration::from_micros(u64::from(round) * 137 % 3000);
            one_end(&mut mailbox, end, delay)
                .map_err(|fault| Fault::new(alloc::format!("round {round}, {end:?}: {fault}")))?;
        }
        info!("round {round} is done");
    }
    info!("{rounds} rounds, and memory stays as it is");
    Ok(())
}

/// A driver that has frames land, and this guest's end of the line to it.
struct Flooded {
    process: Process,
    line: Line,
}

impl Flooded {
    fn start(mailbox: &mut Mailbox, how: &str, window: Option<&Region>) -> Verdict<Self> {
        let region = Region::alloc(1)?;
        mailbox.listen(&region, LINE, Bells::ALL)?;
        let mut command = Command::guest("driver");
        command.args(["receive", "nic", how]);
        command.give(line::NAME, &region, Rights::READ_WRITE);
        if let Some(window) = window {
            command.give("window", window, Rights::READ_WRITE);
        }
        let mut flooded = Self {
            process: command.start()?,
            line: Line::new(region, Side::Warden)?,
        };
        flooded.until(mailbox, 1)?;
        Ok(flooded)
    }

    fn until(&mut self, mailbox: &mut Mailbox, step: u32) -> Verdict {
        let Self { process, line } = self;
        let is_over = || {
            let ended = process
                .state()
                .is_ok_and(|state| matches!(state, ProcessState::Stopped | ProcessState::Failed));
            (line.heard() >= step || ended).then(|| line.heard())
        };
        process.watch(LINE)?;
        let heard = mailbox.wait_until(Instant::now() + PATIENCE, is_over)?;
        if heard.is_some_and(|heard| heard >= step) {
            return Ok(());
        }
        let report = process.report()?;
        Err(Fault::new(alloc::format!(
            "step {step} did not come: {}",
            report.text
        )))
    }

    /// Waits for its end, and takes back the line.
    fn end(self) -> Verdict<Outcome> {
        let outcome = self.process.wait()?;
        self.process.close()?;
        self.line.close()?;
        Ok(outcome)
    }
}

fn one_end(mailbox: &mut Mailbox, end: End, delay: Duration) -> Verdict {
    let rest = |mailbox: &mut Mailbox| {
        let until = Instant::now() + delay;
        mailbox.wait_until(until, || None::<()>).map(drop)
    };
    match end {
        End::Owner(how) => {
            let flooded = Flooded::start(mailbox, how, None)?;
            if how == "kill" {
                rest(mailbox)?;
                flooded.process.stop(Duration::ZERO)?;
            }
            flooded.end()?;
            // Its memory is the next one's, from which the same guest gets its own.
            ended_well(Command::guest("driver").args(["watch", "nic"]))
        }
        End::Reset => {
            let flooded = Flooded::start(mailbox, "reset", None)?;
            let outcome = flooded.end()?;
            ensure!(outcome == DONE, "{outcome}");
            Ok(())
        }
        End::Window(gone) => {
            let region = Region::alloc(1)?;
            let own = windows(core::slice::from_ref(&region))?;
            let how = match gone {
                Gone::Detached => "detach",
                _ => "go on",
            };
            let mut flooded = Flooded::start(mailbox, how, Some(&region))?;
            rest(mailbox)?;
            ensure!(
                own.iter()
                    .all(|window| window.first_other_than(0).is_some()),
                "frames came, and none to the window"
            );
            match gone {
                Gone::Detached => flooded.until(mailbox, 2)?,
                Gone::Revoked => region.revoke()?,
                Gone::WithItsGuest => {
                    flooded.process.stop(Duration::ZERO)?;
                    flooded.process.wait()?;
                }
                Gone::Closed => {}
            }
            if !matches!(gone, Gone::Closed) {
                // Nobody but this guest has the region, and it sees that.
                is_calm(&own)?;
            }
            region.close()?;
            // The same frames, in part at least.
            let next = [Region::alloc(1)?, Region::alloc(1)?];
            let watched = is_calm(&windows(&next)?);
            for region in next {
                region.close()?;
            }
            watched?;
            let outcome = flooded.end()?;
            let is_well = match gone {
                Gone::WithItsGuest => outcome == Outcome::Failed,
                Gone::Detached | Gone::Revoked | Gone::Closed => outcome == DONE,
            };
            ensure!(is_well, "{outcome}");
            Ok(())
        }
    }
}

const DONE: Outcome = Outcome::Exited(userland::exit::ExitCode::SUCCESS);
