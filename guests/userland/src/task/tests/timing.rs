// SPDX-License-Identifier: BSD-2-Clause
//! Timeouts and intervals, on a clock that only goes on while the guest sleeps.

use super::*;
use crate::time::{Deadline, Elapsed, interval, timeout};

#[test]
fn what_is_ready_needs_no_clock() {
    let server = Server::new();
    let answer = block_on(timeout(Duration::from_nanos(5), async { 1 }));
    assert_eq!(answer, Ok(1));
    assert_eq!((server.calls(), server.looks.get()), (vec![], 0));
}

#[test]
fn a_timeout_ends_what_takes_too_long() {
    let server = Server::new();
    server.comes(Comes::Deadline);
    let held = Rc::new(());
    let inside = held.clone();
    block_on(async {
        let late = timeout(Duration::from_nanos(5), async move {
            let _inside = inside;
            pending::<()>().await;
        });
        assert_eq!(late.await, Err(Elapsed));
    });
    assert_eq!(Rc::strong_count(&held), 1, "it is dropped");
    assert_eq!(server.calls(), [Call::Wait(5)]);
}

#[test]
fn what_comes_in_time_takes_its_timer_back() {
    let server = Server::new();
    block_on(async {
        let event = Event::new();
        server.comes(Comes::Ids(vec![event.task()]));
        server.comes(Comes::Ids(vec![event.task()]));
        let timely = timeout(Duration::from_nanos(5), event.wait());
        assert_eq!(timely.await, Ok(()));
        event.wait().await;
    });
    assert_eq!(server.calls(), [Call::Wait(5), Call::Wait(NEVER)]);
}

#[test]
fn a_deadline_is_one_for_several_steps() {
    let server = Server::new();
    server.comes(Comes::Deadline);
    server.comes(Comes::Deadline);
    block_on(async {
        let deadline = Deadline::after(Duration::from_nanos(10));
        let step = deadline.limit(sleep(Duration::from_nanos(7)));
        assert_eq!(step.await, Ok(()));
        assert_eq!(deadline.remaining(), Duration::from_nanos(3));
        let step = deadline.limit(sleep(Duration::from_nanos(7)));
        assert_eq!(step.await, Err(Elapsed));
        assert_eq!(deadline.remaining(), Duration::ZERO);
    });
    assert_eq!(server.calls(), [Call::Wait(7), Call::Wait(10)]);
    assert_eq!(Deadline::NEVER.remaining(), Duration::MAX);
}

#[test]
fn an_interval_does_not_drift_and_skips_what_is_past() {
    let server = Server::new();
    block_on(async {
        let mut ticks = interval(Duration::from_nanos(10));
        let mut due = Vec::new();
        for busy in [0, 7, 25, 0, 0] {
            server.comes(Comes::Deadline);
            due.push(ticks.tick().await.nanoseconds());
            server.now.set(server.now.get() + busy);
        }
        assert_eq!(due, [10, 20, 30, 40, 60]);
    });
}

#[test]
fn a_tick_that_nobody_waits_for_any_more_is_not_lost() {
    let server = Server::new();
    block_on(async {
        let mut ticks = interval(Duration::from_nanos(10));
        let event = Event::new();
        server.comes(Comes::Ids(vec![event.task()]));
        let first = select(ticks.tick(), event.wait()).await;
        assert!(matches!(first, Either::Second(())));
        server.comes(Comes::Deadline);
        assert_eq!(ticks.tick().await.nanoseconds(), 10);
    });
}
