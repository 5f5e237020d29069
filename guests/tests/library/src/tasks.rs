// SPDX-License-Identifier: BSD-2-Clause
//! Tasks: they run, wait, and are cancelled.

use alloc::{rc::Rc, vec::Vec};
use core::{cell::Cell, future::pending, time::Duration};

use drill::{Fault, Verdict, ensure};
use userland::{
    future::{Either, Either3, join, join3, select, select_array, select3},
    task::{Cancelled, Event, spawn, yield_now},
    time::{Instant, Timer, sleep, timeout},
};

use crate::stage::{PATIENCE, Stage};

/// A thousand tasks take turns, and each answers.
pub async fn many(_: &Stage) -> Verdict {
    const TASKS: u32 = 1000;
    const TURNS: u32 = 5;
    let turns = Rc::new(Cell::new(0));
    let tasks: Vec<_> = (0..TASKS)
        .map(|number| {
            let turns = turns.clone();
            spawn(async move {
                for turn in 0..TURNS {
                    // All the others have had as many.
                    let least = turn * TASKS;
                    if turns.get() < least {
                        return Err(Fault::new("some have more turns than others"));
                    }
                    turns.set(turns.get() + 1);
                    yield_now().await;
                }
                Ok(number)
            })
        })
        .collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await.map_err(Fault::new)??;
    }
    ensure!(sum == TASKS * (TASKS - 1) / 2, "they answer {sum}");
    ensure!(turns.get() == TASKS * TURNS, "{} turns", turns.get());
    Ok(())
}

/// What is cancelled is dropped at once, whatever it waits for, and what it waited for wakes nobody.
pub async fn cancellation(_: &Stage) -> Verdict {
    let held = Rc::new(());
    let inside = || held.clone();
    let (first, second, third) = (inside(), inside(), inside());
    let tasks = [
        spawn(async move {
            pending::<()>().await;
            drop(first);
        }),
        spawn(async move {
            sleep(Duration::from_millis(1)).await;
            drop(second);
        }),
        spawn(async move {
            Event::new().wait().await;
            drop(third);
        }),
    ];
    yield_now().await;
    ensure!(Rc::strong_count(&held) == 4, "they do not run");
    for task in &tasks {
        task.cancel();
    }
    ensure!(Rc::strong_count(&held) == 1, "they are not dropped");
    sleep(Duration::from_millis(2)).await;
    for task in tasks {
        ensure!(task.await == Err(Cancelled), "a cancelled task answers");
    }
    // To drop a handle is not to cancel.
    let ran = Rc::new(Cell::new(false));
    let run = ran.clone();
    drop(spawn(async move {
        yield_now().await;
        run.set(true);
    }));
    sleep(Duration::from_millis(1)).await;
    ensure!(
        ran.get(),
        "a task of which nobody has a handle does not run"
    );
    Ok(())
}

/// The first of several, and all of them.
pub async fn select_and_join(_: &Stage) -> Verdict {
    let quick = || sleep(Duration::from_millis(1));
    let slow = || sleep(Duration::from_millis(3));
    let before = Instant::now();
    ensure!(
        matches!(select(slow(), quick()).await, Either::Second(())),
        "the slow one is first"
    );
    let three = select3(slow(), pending::<()>(), quick()).await;
    ensure!(matches!(three, Either3::Third(())), "the slow one is first");
    let ((), index) = select_array([slow(), quick(), slow()]).await;
    ensure!(index == 1, "{index} is first");
    ensure!(
        before.elapsed() < Duration::from_millis(5),
        "the slow ones keep them waiting: {:?}",
        before.elapsed()
    );
    let before = Instant::now();
    let (one, two) = join(
        async {
            slow().await;
            1
        },
        async {
            quick().await;
            2
        },
    )
    .await;
    ensure!((one, two) == (1, 2), "{one} and {two}");
    let tasks = join3(spawn(slow()), spawn(quick()), spawn(slow())).await;
    ensure!(tasks == (Ok(()), Ok(()), Ok(())), "{tasks:?}");
    let took = before.elapsed();
    ensure!(
        took >= Duration::from_millis(6) && took < Duration::from_millis(9),
        "they wait one after the other: {took:?}"
    );
    Ok(())
}

/// An id that comes for an event that is gone wakes nobody, least of all the one in its place.
pub async fn late_ids(_: &Stage) -> Verdict {
    let soon = Instant::now() + Duration::from_millis(1);
    let old = Event::new();
    let id = old.task();
    Timer::at(soon, id)?;
    drop(old);
    let event = Event::new();
    ensure!(event.task() != id, "two events of one id");
    let woken = timeout(Duration::from_millis(3), event.wait()).await;
    ensure!(woken.is_err(), "an event happens for another's sake");
    Timer::at(soon, event.task())?;
    let woken = timeout(Duration::from_millis(3), event.wait()).await;
    ensure!(woken.is_ok(), "an event does not happen");
    Ok(())
}

/// When more ids come than the mailbox holds, every event happens.
pub async fn full_mailbox(_: &Stage) -> Verdict {
    for flood in [10, 63, 64, 65, 200] {
        let events: Vec<_> = (0..8).map(|_| Event::new()).collect();
        let waiting: Vec<_> = events
            .into_iter()
            .map(|event| {
                let task = event.task();
                (task, spawn(async move { event.wait().await }))
            })
            .collect();
        yield_now().await;
        // Ids of nobody first, so that those that count are dropped if any are.
        let nobody = Event::new().task();
        let past = Instant::from_nanoseconds(0);
        for _ in 0..flood {
            Timer::at(past, nobody)?;
        }
        for (task, _) in &waiting {
            Timer::at(past, *task)?;
        }
        for (number, (_, task)) in waiting.into_iter().enumerate() {
            let happened = timeout(PATIENCE, task).await;
            ensure!(
                happened == Ok(Ok(())),
                "{number} of {flood} does not happen"
            );
        }
        // Nothing is left of it: the guest sleeps.
        let before = Instant::now();
        sleep(Duration::from_millis(1)).await;
        let late = before.elapsed();
        ensure!(late < Duration::from_millis(2), "it sleeps for {late:?}");
    }
    Ok(())
}
