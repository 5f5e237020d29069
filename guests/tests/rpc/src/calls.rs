// SPDX-License-Identifier: BSD-2-Clause
//! Services and their clients.

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use drill::{Fault, Verdict, ensure};
use serde::{Deserialize, Serialize};
use userland::{
    Rights,
    exit::ExitCode,
    future::join_array,
    info,
    process::Child,
    rpc::{CallError, Caller, Client, ConnectError, Limits, Options, Refusal, Server},
    singleton::Service,
    start::Start,
    task::spawn,
    time::{Instant, sleep, timeout},
};

use crate::stage::{PATIENCE, Stage, exits, fault, given, kill, region};

/// Bytes of a door.
const DOOR: u32 = 1 << 16;

#[derive(Serialize, Deserialize)]
pub enum Ask {
    Square(u32),
    /// Answers after so many milliseconds.
    Wait(u32),
    Reverse(String),
    /// How many calls wait.
    Waiting,
    Panic,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Tell {
    Number(u64),
    Text(String),
}

pub type Asker = Client<Ask, Tell>;

/// Serves at the door.
pub async fn service(start: &Start) -> Verdict<ExitCode> {
    use alloc::rc::Rc;
    use core::cell::Cell;

    struct Waits(Rc<Cell<u64>>);
    impl Drop for Waits {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }

    let door = match start.capability::<Service>("service") {
        None => given(start, "door")?,
        Some(service) => {
            let door = region(DOOR)?;
            service.provide(&door, Rights::READ_WRITE)?;
            door
        }
    };
    let limits = Limits {
        calls: 4,
        per_process: 2,
        ..Limits::default()
    };
    let server = Server::<Ask, Tell>::open(&door, start.name()).map_err(fault)?;
    let waiting = Rc::new(Cell::new(0));
    let answer = move |ask, _: Caller| {
        let waiting = waiting.clone();
        async move {
            match ask {
                Ask::Square(number) => Tell::Number(u64::from(number).pow(2)),
                Ask::Wait(milliseconds) => {
                    waiting.set(waiting.get() + 1);
                    let _waits = Waits(waiting);
                    sleep(Duration::from_millis(milliseconds.into())).await;
                    Tell::Number(milliseconds.into())
                }
                Ask::Reverse(text) => Tell::Text(text.chars().rev().collect()),
                Ask::Waiting => Tell::Number(waiting.get()),
                Ask::Panic => panic!("as it was asked"),
            }
        }
    };
    let end = server.limits(limits).serve(answer).await;
    Err(end.map_or_else(fault, |never| match never {}))
}

pub async fn connect(door: &userland::shm::Region) -> Verdict<Asker> {
    Client::connect(door, Options::named("asker"))
        .await
        .map_err(fault)
}

/// Asks for some squares, several at a time.
pub async fn client(start: &Start) -> Verdict<ExitCode> {
    let door = given(start, "door")?;
    let asker = connect(&door).await?;
    squares(&asker, 200).await?;
    Ok(ExitCode(0))
}

async fn squares(asker: &Asker, count: u32) -> Verdict {
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let asker = asker.clone();
            spawn(async move {
                for number in (task..count).step_by(8) {
                    let answer = asker.call(&Ask::Square(number)).await.map_err(fault)?;
                    ensure!(
                        answer == Tell::Number(u64::from(number).pow(2)),
                        "{number} squared is no {answer:?}"
                    );
                }
                Verdict::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await.map_err(fault)??;
    }
    Ok(())
}

/// Replies come to whom they are for, in whatever order; and a call that waits keeps no other waiting.
pub async fn answers(stage: &Stage) -> Verdict {
    let door = region(DOOR)?;
    let service = stage.at_door("service", "service", &door)?;
    let asker = connect(&door).await?;
    squares(&asker, 100).await?;
    let begin = Instant::now();
    let wait = async |ms| {
        asker
            .call(&Ask::Wait(ms))
            .await
            .map(|_| begin.elapsed().as_millis())
    };
    let ends = join_array([30, 10, 20].map(wait)).await;
    for (end, due) in ends.into_iter().zip([30, 10, 20]) {
        let end = end.map_err(fault)?;
        ensure!((due..due + 8).contains(&end), "{due} ms took {end}");
    }
    kill(service).await
}

/// Clients of several processes at once.
pub async fn many_clients(stage: &Stage) -> Verdict {
    let door = region(DOOR)?;
    // The clients come before the service.
    let mut clients = Vec::new();
    for name in ["one", "two", "three"] {
        clients.push(stage.at_door("client", name, &door)?);
    }
    sleep(Duration::from_millis(5)).await;
    let service = stage.at_door("service", "service", &door)?;
    for client in clients {
        exits(client, 0).await?;
    }
    kill(service).await
}

/// A message as long as the connection was made for, and one that is longer.
pub async fn long_messages(stage: &Stage) -> Verdict {
    let door = region(DOOR)?;
    let service = stage.at_door("service", "service", &door)?;
    let options = Options::named("asker").longest(100_000);
    let asker = Asker::connect(&door, options).await.map_err(fault)?;
    for len in [0, 14, 15, 16, 17, 1000, 60_000, 99_990] {
        let text: String = (0..len)
            .map(|n| char::from(b'a' + (n % 26) as u8))
            .collect();
        let reversed = text.chars().rev().collect();
        let answer = asker.call(&Ask::Reverse(text)).await.map_err(fault)?;
        ensure!(
            answer == Tell::Text(reversed),
            "{len} bytes come back as others"
        );
    }
    let longer = "x".repeat(200_000);
    let refused = asker.call(&Ask::Reverse(longer)).await;
    ensure!(refused == Err(CallError::TooLong), "{refused:?}");
    squares(&asker, 8).await?;
    kill(service).await
}

/// Who does not wait any longer ends what the service does for it.
pub async fn deadlines(stage: &Stage) -> Verdict {
    let door = region(DOOR)?;
    let service = stage.at_door("service", "service", &door)?;
    let asker = connect(&door).await?;
    let begin = Instant::now();
    let late = asker
        .call(&Ask::Wait(60_000))
        .within(Duration::from_millis(10))
        .await;
    ensure!(late == Err(CallError::TimedOut), "{late:?}");
    ensure!(
        begin.elapsed() < Duration::from_millis(15),
        "{:?}",
        begin.elapsed()
    );
    let dropped = timeout(Duration::from_millis(5), asker.call(&Ask::Wait(60_000))).await;
    ensure!(dropped.is_err(), "{dropped:?}");
    let waiting = asker.call(&Ask::Waiting).await.map_err(fault)?;
    ensure!(waiting == Tell::Number(0), "{waiting:?} still wait");
    kill(service).await
}

/// A service that fails is another when it is there again, and its clients come back with one call.
pub async fn restart(stage: &Stage) -> Verdict {
    let door = region(DOOR)?;
    let service = stage.at_door("service", "service", &door)?;
    let asker = connect(&door).await?;
    let first = asker.generation();
    let slow = asker.clone();
    let slow = spawn(async move { slow.call(&Ask::Wait(60_000)).await });
    sleep(Duration::from_millis(1)).await;
    let failed = asker.call(&Ask::Panic).await;
    ensure!(failed == Err(CallError::Disconnected), "{failed:?}");
    let slow = slow.await.map_err(fault)?;
    ensure!(slow == Err(CallError::Disconnected), "{slow:?}");
    kill(service).await?;
    let again = stage.at_door("service", "service", &door)?;
    let (one, other) = (asker.reconnect().await, asker.reconnect().await);
    ensure!(
        one == Ok(first + 1) && other == one,
        "{first}, then {one:?}"
    );
    squares(&asker, 20).await?;
    kill(again).await
}

/// A service that is known by its name alone; who takes over has another door.
pub async fn by_name(stage: &Stage) -> Verdict {
    let name: Service = stage.given("service")?;
    let provide = || -> Verdict<Child> {
        let mut command = stage.command("service", "provider");
        Ok(command.give("service", &name, Rights::READ_WRITE).spawn()?)
    };
    let first = provide()?;
    let asker = Asker::look_up(&name, Options::named("asker"))
        .await
        .map_err(fault)?;
    let generation = asker.generation();
    squares(&asker, 20).await?;
    kill(first).await?;
    let gone = asker.call(&Ask::Square(1)).await;
    ensure!(gone == Err(CallError::Disconnected), "{gone:?}");
    let second = provide()?;
    let again = asker.reconnect().await.map_err(fault)?;
    ensure!(again > generation, "{again} after {generation}");
    squares(&asker, 20).await?;
    kill(second).await
}

/// A service that is ended at any moment leaves no call without an end.
pub async fn killed_in_between(stage: &Stage) -> Verdict {
    let door = region(DOOR)?;
    for round in 0..20_u64 {
        let service = stage.at_door("service", "service", &door)?;
        let asker = connect(&door).await?;
        let busy = asker.clone();
        let busy = spawn(async move {
            let mut calls = 0_u32;
            loop {
                match busy.call(&Ask::Square(calls)).await {
                    Ok(_) => calls += 1,
                    Err(error) => return (calls, error),
                }
            }
        });
        sleep(Duration::from_micros(500 + round * 37)).await;
        kill(service).await?;
        let end = timeout(PATIENCE, busy).await;
        let (_, error) = end
            .map_err(|_| fault("a call has no end"))?
            .map_err(fault)?;
        ensure!(error == CallError::Disconnected, "{error}");
    }
    Ok(())
}

/// No process has more connections than the service allows, and another gets one when a place is free.
pub async fn limits(stage: &Stage) -> Verdict {
    let door = region(DOOR)?;
    let service = stage.at_door("service", "service", &door)?;
    let one = connect(&door).await?;
    let two = connect(&door).await?;
    let three = Asker::connect(&door, Options::named("asker"))
        .await
        .map(drop);
    ensure!(
        three == Err(ConnectError::Refused(Refusal::Busy)),
        "{three:?}"
    );
    squares(&one, 8).await?;
    drop(one);
    sleep(Duration::from_millis(2)).await;
    squares(&connect(&door).await?, 8).await?;
    squares(&two, 8).await?;
    kill(service).await
}

/// Where no service comes, the client does not wait for ever.
pub async fn no_service(_: &Stage) -> Verdict {
    let door = region(DOOR)?;
    let options = Options::named("asker").patience(Duration::from_millis(20));
    let none = Asker::connect(&door, options).await.map(drop);
    ensure!(none == Err(ConnectError::TimedOut), "{none:?}");
    Ok(())
}

/// More than 10,000 calls a second, and 99 of 100 within a millisecond, of four tasks that ask at once.
pub async fn speed(stage: &Stage) -> Verdict {
    const CALLS: u32 = 2000;
    let door = region(DOOR)?;
    let service = stage.at_door("service", "service", &door)?;
    let asker = connect(&door).await?;
    let begin = Instant::now();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let asker = asker.clone();
            spawn(async move {
                let mut times = Vec::new();
                for number in 0..CALLS / 4 {
                    let begin = Instant::now();
                    asker.call(&Ask::Square(number)).await?;
                    times.push(begin.elapsed());
                }
                Ok::<_, CallError>(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.map_err(fault)?.map_err(fault)?);
    }
    let total = begin.elapsed();
    times.sort_unstable();
    let p99 = times[times.len() * 99 / 100];
    let rate = f64::from(CALLS) / total.as_secs_f64();
    info!("{rate:.0} calls a second, 99 of 100 within {p99:?}");
    ensure!(rate > 10_000.0, "{rate} calls a second");
    ensure!(p99 < Duration::from_millis(1), "{p99:?}");
    kill(service).await
}

/// That it is still there for those who behave.
pub async fn still_serves(asker: &Asker) -> Verdict {
    let squares = timeout(PATIENCE, squares(asker, 20)).await;
    squares.map_err(|_| Fault::new("the service does not answer"))?
}
