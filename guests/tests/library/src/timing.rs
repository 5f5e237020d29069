// SPDX-License-Identifier: BSD-2-Clause
//! Sleeps, timeouts, intervals.

use alloc::{rc::Rc, vec::Vec};
use core::{cell::RefCell, future::pending, time::Duration};

use drill::{Fault, Verdict, ensure};
use userland::{
    info,
    task::{Event, spawn, yield_now},
    time::{Deadline, Elapsed, Instant, Timer, interval, sleep, sleep_until, timeout},
};

use crate::stage::Stage;

/// How late the guest may be, alone on the machine, where an instruction takes a nanosecond.
const LATE: Duration = Duration::from_micros(50);

/// A fixed permutation of the numbers below 64.
fn shuffled() -> impl Iterator<Item = u64> {
    (0..64).map(|n| n * 37 % 64)
}

/// Whatever the order in which sleeps begin, they end in that of their times, and none early.
pub async fn sleeps_in_order(_: &Stage) -> Verdict {
    let begin = Instant::now() + Duration::from_millis(2);
    let order = Rc::new(RefCell::new(Vec::new()));
    let tasks: Vec<_> = shuffled()
        .map(|n| {
            let order = order.clone();
            // Two at a time.
            let until = begin + Duration::from_micros(n / 2 * 100);
            spawn(async move {
                sleep_until(until).await;
                order.borrow_mut().push((n / 2, Instant::now() >= until));
            })
        })
        .collect();
    for task in tasks {
        task.await.map_err(Fault::new)?;
    }
    let order = order.borrow();
    ensure!(
        order.is_sorted() && order.iter().all(|(_, late)| *late),
        "they end so: {order:?}"
    );
    Ok(())
}

/// A sleep ends when its time has come, and not much later.
pub async fn sleeps_to_the_point(_: &Stage) -> Verdict {
    let mut latest = Duration::ZERO;
    for n in shuffled() {
        let until = Instant::now() + Duration::from_micros(20 * n);
        sleep_until(until).await;
        let now = Instant::now();
        ensure!(now >= until, "{:?} early", until - now);
        latest = latest.max(now - until);
    }
    info!("a sleep of this guest alone is at most {latest:?} late");
    ensure!(latest < LATE, "{latest:?} late");
    // One that is past by the time that it begins.
    let before = Instant::now();
    sleep_until(before).await;
    sleep(Duration::ZERO).await;
    ensure!(
        before.elapsed() < LATE,
        "{:?} for nothing",
        before.elapsed()
    );
    Ok(())
}

/// Tasks that are always ready do not keep others asleep.
pub async fn sleeps_among_busy_tasks(_: &Stage) -> Verdict {
    let busy: Vec<_> = (0..3)
        .map(|_| {
            spawn(async {
                loop {
                    yield_now().await;
                }
            })
        })
        .collect();
    let before = Instant::now();
    let event = Event::new();
    Timer::at(before + Duration::from_millis(1), event.task())?;
    event.wait().await;
    let woken = before.elapsed();
    sleep_until(before + Duration::from_millis(2)).await;
    let slept = before.elapsed();
    for task in busy {
        task.cancel();
    }
    let due = [
        (woken, Duration::from_millis(1)),
        (slept, Duration::from_millis(2)),
    ];
    for (took, due) in due {
        ensure!(
            took >= due && took < due + LATE,
            "{took:?}, where {due:?} was due"
        );
    }
    Ok(())
}

/// What takes too long is given up; what does not, is not.
pub async fn timeouts(_: &Stage) -> Verdict {
    let millisecond = Duration::from_millis(1);
    ensure!(
        timeout(millisecond, async { 1 }).await == Ok(1),
        "nothing takes too long"
    );
    let before = Instant::now();
    ensure!(
        timeout(millisecond, pending::<()>()).await == Err(Elapsed),
        "for ever"
    );
    let took = before.elapsed();
    ensure!(took >= millisecond && took < millisecond + LATE, "{took:?}");
    ensure!(
        timeout(3 * millisecond, sleep(millisecond)).await == Ok(()),
        "a shorter sleep"
    );
    let nested = timeout(3 * millisecond, timeout(millisecond, pending::<()>())).await;
    ensure!(nested == Ok(Err(Elapsed)), "{nested:?}");
    let deadline = Deadline::after(2 * millisecond);
    ensure!(
        deadline.limit(sleep(millisecond)).await.is_ok(),
        "the first step"
    );
    ensure!(
        deadline.limit(sleep(3 * millisecond)).await.is_err(),
        "the second step"
    );
    // Hundreds that are taken back leave nothing behind.
    for _ in 0..500 {
        timeout(Duration::from_secs(3600), yield_now())
            .await
            .map_err(Fault::new)?;
    }
    Ok(())
}

/// Ticks are whole periods apart.
pub async fn intervals(_: &Stage) -> Verdict {
    let period = Duration::from_millis(1);
    let begin = Instant::now();
    let mut ticks = interval(period);
    for n in 1..=5 {
        let due = ticks.tick().await;
        let drift = (due - begin).saturating_sub(n * period);
        ensure!(drift < LATE, "tick {n} is {drift:?} late");
        sleep(Duration::from_micros(300)).await;
    }
    sleep(3 * period).await;
    let missed = ticks.tick().await;
    ensure!(missed < Instant::now(), "it was missed");
    let next = ticks.tick().await;
    let apart = next - missed;
    ensure!(
        apart > period && apart <= 4 * period && (apart.as_nanos() % period.as_nanos()) == 0,
        "{apart:?} apart"
    );
    Ok(())
}
