// SPDX-License-Identifier: BSD-2-Clause
//! What takes two guests: processes, services, notices, rings.

use core::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use drill::{Fault, Verdict, ensure};
use userland::{
    Error, Rights,
    exit::ExitCode,
    future::{join3, select},
    handle::{self, Capability as _},
    info,
    process::{Child, Command, Outcome, Process},
    shm::{Region, Window},
    singleton::{self, Service},
    start::Start,
    task::{self, Event, ring_before_sleep, spawn},
    time::{Instant, Timer, sleep, timeout},
    wake::Bells,
};

use crate::stage::{PATIENCE, Stage, exits, outcome};

/// Ends with the code that it is told.
pub fn code(start: &Start) -> Verdict<ExitCode> {
    let code = start.args().nth(1).and_then(|code| code.parse().ok());
    code.map(ExitCode).ok_or_else(|| Fault::new("no code"))
}

/// Several children at once, each awaited.
pub async fn children(stage: &Stage) -> Verdict {
    for round in 0..3 {
        let spawn = |code| stage.command("code").arg(code).spawn();
        let (one, two, three) = (spawn("1")?, spawn("2")?, spawn("3")?);
        let verdicts = join3(exits(one, 1), exits(three, 3), exits(two, 2)).await;
        verdicts
            .0
            .and(verdicts.1)
            .and(verdicts.2)
            .map_err(|fault| Fault::new(format_args!("round {round}: {fault}")))?;
    }
    // One that has ended before anybody waits.
    let child = stage.command("code").arg("4").spawn()?;
    sleep(Duration::from_millis(5)).await;
    exits(child, 4).await?;
    // Nobody can start what is not there.
    let missing = Command::guest("nobody").spawn().map(drop);
    ensure!(missing == Err(Error::NotFound), "{missing:?}");
    Ok(())
}

/// Sleeps for long.
pub async fn sleeper() -> Verdict<ExitCode> {
    sleep(Duration::from_secs(3600)).await;
    Ok(ExitCode(1))
}

/// To wait for a child can be given up, and begun again; one that does not stop is ended.
pub async fn child_that_sleeps(stage: &Stage) -> Verdict {
    let child = stage.spawn("sleeper")?;
    for _ in 0..3 {
        let ended = timeout(Duration::from_millis(2), child.wait()).await;
        ensure!(ended.is_err(), "{ended:?}");
    }
    let grace = Duration::from_millis(5);
    let before = Instant::now();
    let outcome = child.stop(grace).await?;
    let took = before.elapsed();
    ensure!(
        outcome == Outcome::Failed && took >= grace,
        "{outcome} after {took:?}"
    );
    Ok(child.close()?)
}

/// Works until it is asked to stop.
pub async fn patient() -> Verdict<ExitCode> {
    let work = async {
        loop {
            sleep(Duration::from_millis(1)).await;
        }
    };
    select(work, task::stopping()).await;
    ensure!(task::stop_requested(), "a stop that is over");
    Ok(ExitCode(7))
}

/// Who is asked to stop learns of it, and ends by itself.
pub async fn stop(stage: &Stage) -> Verdict {
    let child = stage.spawn("patient")?;
    sleep(Duration::from_millis(5)).await;
    let outcome = timeout(PATIENCE, child.stop(2 * PATIENCE)).await;
    let outcome = outcome.map_err(Fault::new)??;
    ensure!(outcome == Outcome::Exited(ExitCode(7)), "{outcome}");
    Ok(child.close()?)
}

/// As well who is asked before its first instruction.
pub async fn early_stop(stage: &Stage) -> Verdict {
    // It runs when this guest sleeps.
    let module = stage.module().prio(50);
    let child = Command::module(&module).arg("patient").spawn()?;
    let outcome = timeout(PATIENCE, child.stop(2 * PATIENCE)).await;
    let outcome = outcome.map_err(Fault::new)??;
    ensure!(outcome == Outcome::Exited(ExitCode(7)), "{outcome}");
    Ok(child.close()?)
}

/// Has a full mailbox when it is asked to stop.
pub async fn flooded() -> Verdict<ExitCode> {
    let nobody = Event::new();
    for _ in 0..64 {
        Timer::at(Instant::from_nanoseconds(0), nobody.task())?;
    }
    // Without a look at the mailbox.
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(20) {
        core::hint::spin_loop();
    }
    task::stopping().await;
    Ok(ExitCode(7))
}

/// As well who has no room for it.
pub async fn stop_and_full_mailbox(stage: &Stage) -> Verdict {
    let child = stage.spawn("flooded")?;
    sleep(Duration::from_millis(8)).await;
    let outcome = timeout(PATIENCE, child.stop(2 * PATIENCE)).await;
    let outcome = outcome.map_err(Fault::new)??;
    ensure!(outcome == Outcome::Exited(ExitCode(7)), "{outcome}");
    Ok(child.close()?)
}

/// Waits for a process that it was given. Ends with 9 if the capability is lost meanwhile.
pub async fn watcher(start: &Start) -> Verdict<ExitCode> {
    let process: Process = given(start, "other")?;
    match Child::new(process)?.wait().await {
        Err(Error::Revoked) => Ok(ExitCode(9)),
        Ok(Outcome::Exited(code)) => Ok(code),
        other => Err(Fault::new(format_args!("{other:?}"))),
    }
}

/// Who waits with a capability that is taken away is woken.
pub async fn lost_while_waiting(stage: &Stage) -> Verdict {
    let other = stage.spawn("sleeper")?;
    let mut command = stage.command("watcher");
    let watcher = command
        .give("other", other.process(), Rights::READ)
        .spawn()?;
    sleep(Duration::from_millis(5)).await;
    other.process().revoke()?;
    exits(watcher, 9).await?;
    other.stop(Duration::ZERO).await?;
    other.close()?;
    Ok(())
}

/// Provides the service that it was given, a region with a word in it, until it is asked to stop.
pub async fn provider(start: &Start) -> Verdict<ExitCode> {
    let door: Service = given(start, "door")?;
    sleep(Duration::from_millis(3)).await;
    let region = Region::alloc(1)?;
    region.write_at(0, b"word")?;
    door.provide(&region, Rights::READ)?;
    task::stopping().await;
    Ok(ExitCode(7))
}

/// A lookup waits until somebody provides the service, be it a second one after the first is gone.
pub async fn services(stage: &Stage) -> Verdict {
    let door: Service = given(&stage.start, "door")?;
    let nobody = timeout(Duration::from_millis(2), singleton::lookup::<Region>(&door)).await;
    ensure!(nobody.is_err(), "{nobody:?}");
    for _ in 0..2 {
        let mut command = stage.command("provider");
        let provider = command.give("door", &door, Rights::WRITE).spawn()?;
        let region: Region = timeout(PATIENCE, singleton::lookup(&door))
            .await
            .map_err(Fault::new)??;
        let mut word = [0; 4];
        region.read_at(0, &mut word)?;
        ensure!(&word == b"word", "{word:?}");
        // Of another kind than is looked for.
        let wrong = singleton::lookup::<Service>(&door).await.map(drop);
        ensure!(wrong == Err(Error::WrongKind), "{wrong:?}");
        provider.process().stop(2 * PATIENCE)?;
        exits(provider, 7).await?;
        region.close()?;
    }
    Ok(())
}

/// Waits for a gift, and then for its loss.
pub async fn noticed() -> Verdict<ExitCode> {
    let mut notices = handle::notices()?;
    for expected in [handle::Event::Granted, handle::Event::Revoked] {
        let notice = notices.next().await?;
        ensure!(
            notice.event == expected && notice.name == "gift",
            "{:?} of {}",
            notice.event,
            notice.name
        );
    }
    Ok(ExitCode(7))
}

/// Who waits for notices gets them.
pub async fn notices(stage: &Stage) -> Verdict {
    let child = stage.spawn("noticed")?;
    let region = Region::alloc(1)?;
    sleep(Duration::from_millis(5)).await;
    child.process().grant("gift", &region, Rights::READ)?;
    sleep(Duration::from_millis(5)).await;
    child.process().take("gift")?;
    exits(child, 7).await?;
    Ok(region.close()?)
}

/// Rounds that two guests throw a number to and fro.
const ROUNDS: u32 = 2000;
const CALL: Bells = Bells(1);
const ANSWER: Bells = Bells(2);

fn word(window: &Window) -> Verdict<&AtomicU32> {
    Ok(window.word(0)?)
}

/// Adds one to the number in a region whenever it is even.
pub async fn echo(start: &Start) -> Verdict<ExitCode> {
    let region: Region = given(start, "court")?;
    let window = region.attach(Rights::READ_WRITE)?;
    let called = Event::new();
    called.listen(&region, CALL)?;
    loop {
        let number = word(&window)?.load(Ordering::Acquire);
        if number % 2 == 0 {
            called.wait().await;
            continue;
        }
        word(&window)?.store(number + 1, Ordering::Release);
        ring_before_sleep(&region, ANSWER);
        if number + 1 == 2 * ROUNDS {
            return Ok(ExitCode(7));
        }
    }
}

/// Two guests that answer each other, with a ring at the end of each poll; others run meanwhile.
pub async fn rings(stage: &Stage) -> Verdict {
    let region = Region::alloc(1)?;
    let window = region.attach(Rights::READ_WRITE)?;
    let answered = Event::new();
    answered.listen(&region, ANSWER)?;
    let mut command = stage.command("echo");
    let child = command.give("court", &region, Rights::READ_WRITE).spawn()?;
    let other = spawn(async {
        for _ in 0..50 {
            sleep(Duration::from_micros(200)).await;
        }
    });
    let before = Instant::now();
    for round in 0..ROUNDS {
        word(&window)?.store(2 * round + 1, Ordering::Release);
        ring_before_sleep(&region, CALL);
        let back = async {
            while word(&window)?.load(Ordering::Acquire) == 2 * round + 1 {
                answered.wait().await;
            }
            Verdict::Ok(())
        };
        timeout(PATIENCE, back)
            .await
            .map_err(|_| Fault::new(format_args!("no answer in round {round}")))??;
        let number = word(&window)?.load(Ordering::Acquire);
        ensure!(number == 2 * round + 2, "{number} in round {round}");
    }
    info!("{ROUNDS} rounds in {:?}", before.elapsed());
    other.await.map_err(Fault::new)?;
    let outcome = outcome(&child).await?;
    ensure!(outcome == Outcome::Exited(ExitCode(7)), "{outcome}");
    child.close()?;
    drop(window);
    Ok(region.close()?)
}

/// A capability that this guest was given at its start.
pub fn given<T: handle::Capability>(start: &Start, name: &str) -> Verdict<T> {
    let capability = start.capability(name);
    capability.ok_or_else(|| Fault::new(format_args!("{name} was not given")))
}
