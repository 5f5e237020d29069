// SPDX-License-Identifier: BSD-2-Clause
//! The channel that is hammered, and the guests that do.

use core::time::Duration;

use alloc::string::ToString;

use drill::{Fault, Verdict, ensure};
use userland::{
    Groups, Rights,
    channel::{Channel, Config},
    process::{Child, Command, Module, Outcome},
    shm::Region,
    start::Start,
    time::{Instant, timeout},
};

/// How long a guest may take to end, once it is to.
const PATIENCE: Duration = Duration::from_secs(20);
/// log2 of a child's memory.
const BITS: u8 = 20;

/// A channel that all parts are given.
pub struct Stage {
    groups: Groups,
    pub region: Region,
    /// When it is enough.
    pub until: Instant,
}

impl Stage {
    pub fn new(start: &Start, config: &Config) -> Verdict<Self> {
        let region = Region::alloc(config.pages())?;
        Channel::create(&region, config).map_err(Fault::new)?;
        let seconds: u64 = start
            .value("seconds")
            .unwrap_or("1")
            .parse()
            .map_err(Fault::new)?;
        Ok(Self {
            groups: start.groups(),
            region,
            until: Instant::now() + Duration::from_secs(seconds),
        })
    }

    /// A guest that plays a part until it is enough.
    pub fn start(&self, part: &str) -> Verdict<Child> {
        let module = Module::new("channels", BITS).name(part).groups(self.groups);
        let until = self.until.nanoseconds().to_string();
        let mut command = Command::module(&module);
        command.arg(part).arg("until").arg(&until);
        Ok(command
            .give("channel", &self.region, Rights::READ_WRITE)
            .spawn()?)
    }

    /// Waits until a guest has ended as it should.
    pub async fn ended(&self, child: Child) -> Verdict {
        let left = Duration::from_nanos(
            self.until
                .nanoseconds()
                .saturating_sub(Instant::now().nanoseconds()),
        );
        let name = child.process().info()?.name;
        let outcome = timeout(left + PATIENCE, child.wait()).await;
        let outcome = outcome.map_err(|_| Fault::new(format_args!("{name} does not end")))??;
        let report = child.process().report()?.text;
        ensure!(
            outcome == Outcome::Exited(userland::exit::ExitCode::SUCCESS),
            "{name} {outcome}: {report}"
        );
        Ok(child.close()?)
    }

    /// Ends a guest, whatever it does. It may have failed by itself, and then that counts.
    pub async fn kill(&self, child: Child) -> Verdict {
        let outcome = child.stop(Duration::ZERO).await?;
        let report = child.process().report()?.text;
        ensure!(!report.contains("panic"), "{outcome}: {report}");
        Ok(child.close()?)
    }
}
