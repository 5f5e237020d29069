// SPDX-License-Identifier: BSD-2-Clause
//! A service is replaced while clients ask it, and the old one comes back when the new one fails.

use core::{sync::atomic::Ordering, time::Duration};

use deployed::{answered, ledger};
use drill::{Fault, Verdict, ensure, refused};
use userland::{
    Error, Group, Groups, Rights,
    handle::Capability as _,
    info,
    module::Loaded,
    process::{Child, Command, Module, Outcome},
    shm::{Region, Window},
    singleton::Service,
    time::{Instant, sleep, timeout},
};

use crate::stage::{BITS, Stage};

const CLIENTS: u32 = 3;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a new version is on probation.
const PROBATION: Duration = Duration::from_millis(100);

/// What the service needs, and no more.
const GROUPS: Groups = Groups::NONE
    .with(Group::SharedMemory)
    .with(Group::Wake)
    .with(Group::Time)
    .with(Group::Log)
    .with(Group::Singletons);

/// A version that runs.
struct Running {
    loaded: Loaded,
    child: Child,
}

/// What all versions have in common.
struct Deployment<'a> {
    stage: &'a Stage,
    service: Service,
    ledger: Region,
    window: Window,
}

impl Deployment<'_> {
    /// Starts a version, which stands by.
    fn start(&self, file: &[u8]) -> Result<Running, Error> {
        let loaded = Loaded::load(file)?;
        let module = Module::loaded(&loaded, "service", BITS)
            .groups(GROUPS)
            .limits(self.stage.limits());
        let child = Command::module(&module)
            .give("service", &self.service, Rights::READ_WRITE)
            .give("ledger", &self.ledger, Rights::READ_WRITE)
            .spawn()?;
        Ok(Running { loaded, child })
    }

    /// Ends a version; whoever stands by takes over.
    async fn end(&self, running: Running) -> Verdict {
        let end = timeout(PATIENCE, running.child.stop(Duration::from_millis(50)));
        end.await.map_err(|_| Fault::new("it does not end"))??;
        running.child.close()?;
        Ok(running.loaded.close()?)
    }

    /// The requests of each client that were answered.
    fn answered(&self) -> Verdict<[u32; CLIENTS as usize]> {
        let mut all = [0; CLIENTS as usize];
        for (client, place) in all.iter_mut().enumerate() {
            *place = self
                .window
                .load(answered(client as u32), Ordering::Acquire)?;
        }
        Ok(all)
    }

    /// Waits until every client has so many answers more.
    async fn goes_on(&self, more: u32) -> Verdict {
        let before = self.answered()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self.answered()?;
            if now
                .iter()
                .zip(before)
                .all(|(now, before)| *now >= before + more)
            {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{now:?} after {before:?}");
            sleep(Duration::from_millis(2)).await;
        }
    }
}

pub async fn deploy(stage: &Stage) -> Verdict {
    let before = stage.used()?;
    let ledger_region = Region::alloc(1)?;
    let all = Deployment {
        stage,
        service: stage.given("service")?,
        window: ledger_region.attach(Rights::READ_WRITE)?,
        ledger: ledger_region,
    };
    let [one, two, four] = &stage.files.versions;
    let first = all.start(one)?;
    let mut clients = alloc::vec::Vec::new();
    for client in 0..CLIENTS {
        let name = alloc::format!("client-{client}");
        let mut command = stage.part("client", &name);
        command
            .arg(&alloc::format!("client={client}"))
            .give("service", &all.service, Rights::READ)
            .give("ledger", &all.ledger, Rights::READ_WRITE);
        clients.push(command.spawn()?);
    }
    all.goes_on(50).await?;
    info!("version 1 serves");

    let generation = all.service.generation()?;
    let second = all.start(two)?;
    // The new one stands by before the old one goes.
    all.goes_on(10).await?;
    all.end(first).await?;
    all.goes_on(50).await?;
    ensure!(all.service.generation()? > generation, "nobody took over");
    info!("version 2 serves");

    // An altered version 3 is not even started.
    let generation = all.service.generation()?;
    let mut three = two.clone();
    let middle = three.len() / 2;
    three[middle] ^= 4;
    refused(all.start(&three).map(drop), Error::Altered)?;
    all.goes_on(20).await?;
    info!("version 3 was altered, and version 2 serves");

    // Version 4 fails, soon after it has taken over; version 2 was kept.
    let fourth = all.start(four)?;
    all.goes_on(10).await?;
    let kept = second.loaded;
    let end = timeout(PATIENCE, second.child.stop(Duration::from_millis(50))).await;
    end.map_err(|_| Fault::new("it does not end"))??;
    second.child.close()?;
    match timeout(PROBATION, fourth.child.wait()).await {
        Err(_) => return Err(Fault::new("version 4 does not fail")),
        Ok(outcome) => ensure!(outcome? == Outcome::Failed, "version 4 has ended"),
    }
    let report = fourth.child.process().report()?.text;
    ensure!(report.contains("version 4 was a mistake"), "{report}");
    fourth.child.close()?;
    fourth.loaded.close()?;
    let module = Module::loaded(&kept, "service", BITS)
        .groups(GROUPS)
        .limits(stage.limits());
    let again = Command::module(&module)
        .give("service", &all.service, Rights::READ_WRITE)
        .give("ledger", &all.ledger, Rights::READ_WRITE)
        .spawn()?;
    let about = again.process().info()?;
    ensure!(
        about.module == "service" && about.version == "2",
        "{about:?}"
    );
    all.goes_on(50).await?;
    ensure!(
        all.service.generation()? > generation + 1,
        "nobody took over"
    );
    info!("version 4 has failed, and version 2 serves again");

    for client in clients {
        let end = timeout(PATIENCE, client.stop(PATIENCE)).await;
        let outcome = end.map_err(|_| Fault::new("a client does not end"))??;
        let report = client.process().report()?.text;
        ensure!(
            outcome == Outcome::Exited(userland::exit::ExitCode(0)),
            "{outcome}: {report}"
        );
        client.close()?;
    }
    // What was answered was done.
    for (client, answers) in all.answered()?.into_iter().enumerate() {
        let done = all.window.load(ledger(client as u32), Ordering::Acquire)?;
        ensure!(
            done == answers || done == answers + 1,
            "{answers} answers of {done} that are done"
        );
    }
    all.end(Running {
        loaded: kept,
        child: again,
    })
    .await?;
    drop(all.window);
    all.ledger.close()?;
    let after = stage.used()?;
    ensure!(after.modules == before.modules, "{after:?}");
    Ok(())
}
