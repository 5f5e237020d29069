// SPDX-License-Identifier: BSD-2-Clause
//! A hostile guest at work.

use core::time::Duration;

use drill::{
    Fault, Verdict, ensure,
    line::{Line, Side},
};
use userland::{
    exit::ExitCode,
    process::{Command, Outcome, Process},
    shm::Region,
    time::Instant,
    wake::Bells,
};

use crate::warden::{LINE, PATIENCE, STATE, Warden, give};

/// A process and the line to it.
pub struct Actor {
    pub process: Process,
    pub line: Line,
}

impl Actor {
    pub fn start(warden: &mut Warden, command: &mut Command) -> Verdict<Self> {
        Self::start_told(warden, command, &[])
    }

    pub fn start_told(warden: &mut Warden, command: &mut Command, message: &[u8]) -> Verdict<Self> {
        let line = Self::line(warden)?;
        line.put(message)?;
        Self::start_on(line, command)
    }

    /// A new line, to which the warden listens.
    pub fn line(warden: &Warden) -> Verdict<Line> {
        let region = Region::alloc(1)?;
        warden.mailbox.listen(&region, LINE, Bells::ALL)?;
        Ok(Line::new(region, Side::Warden)?)
    }

    pub fn start_on(line: Line, command: &mut Command) -> Verdict<Self> {
        give(command, &line);
        let process = command.start()?;
        process.watch(STATE)?;
        Ok(Self { process, line })
    }

    /// Waits until it is so far. If it ends before, its report is why not.
    pub fn until(&self, warden: &mut Warden, step: u32) -> Verdict {
        let is_there = || self.line.heard() >= step;
        let ended = |process: &Process| {
            use userland::ProcessState::{Failed, Stopped};
            matches!(process.state(), Ok(Stopped | Failed))
        };
        warden.wait("the other side", || {
            (is_there() || ended(&self.process)).then_some(())
        })?;
        ensure!(
            is_there(),
            "it did not get to step {step}: {}",
            self.process.report()?.text
        );
        Ok(())
    }

    /// How it ends.
    pub fn outcome(&self) -> Verdict<Outcome> {
        Ok(self.process.wait_until(Instant::now() + PATIENCE)?)
    }

    /// Waits for its end, which is a good one.
    pub fn succeeds(&self) -> Verdict {
        self.exits(0)
    }

    /// Waits for its end, with this code.
    pub fn exits(&self, code: u32) -> Verdict {
        match self.outcome()? {
            Outcome::Exited(ExitCode(found)) if found == code => Ok(()),
            Outcome::Exited(ExitCode(found)) => {
                Err(Fault::new(alloc::format!("exit code {found}")))
            }
            Outcome::Failed => Err(Fault::new(self.process.report()?.text)),
        }
    }

    /// Waits for its end, which is a failure for this reason.
    pub fn fails(&self, reason: &str) -> Verdict {
        let outcome = self.outcome()?;
        let report = self.process.report()?.text;
        ensure!(
            outcome == Outcome::Failed,
            "{outcome}, where `{reason}` was due"
        );
        ensure!(report.contains(reason), "{report}");
        Ok(())
    }

    /// Ends it at once, and waits for that.
    pub fn kill(&self) -> Verdict {
        self.process.stop(Duration::ZERO)?;
        self.fails("it was asked to stop, and did not in time")
    }

    /// Gives up what is left of it.
    pub fn close(self) -> Verdict {
        self.line.close()?;
        Ok(userland::handle::Capability::close(self.process)?)
    }
}
