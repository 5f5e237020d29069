// SPDX-License-Identifier: BSD-2-Clause
//! Tasks that do at each poll what a script says, and a server that does so at each sleep: every wake leads
//! to a poll before the next sleep, no poll comes without a wake, and the guest sleeps until the earliest
//! of its timers.

use alloc::{rc::Rc, vec::Vec};
use core::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Poll, Waker},
};

use atoll_abi::NEVER;
use proptest::prelude::*;

use super::super::*;
use crate::{
    sys::raw::answer_with,
    time::{Instant, Sleep, sleep_until},
    wake::{CAPACITY, RING, Task},
};

const TASKS: usize = 4;
/// The task of `block_on`.
const ROOT: usize = TASKS;

/// One step. Who it is about is a task's number.
#[derive(Clone, Debug)]
enum Step {
    /// An id comes: while the guest is awake, or while it sleeps.
    Comes(usize),
    /// More ids come than the mailbox holds.
    Flood,
    /// A task wakes another.
    Wakes(usize),
    /// A task sets its timer anew, or takes it back.
    SetsTimer(u64),
    DropsTimer,
    /// A poll takes long.
    Passes(u64),
    Cancels(usize),
    Yields,
    /// The poll, or the sleep, is over.
    Ends,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..TASKS).prop_map(Step::Comes),
        1 => Just(Step::Flood),
        3 => (0..=TASKS).prop_map(Step::Wakes),
        3 => (1..100_u64).prop_map(Step::SetsTimer),
        1 => Just(Step::DropsTimer),
        2 => (1..60_u64).prop_map(Step::Passes),
        1 => (0..TASKS).prop_map(Step::Cancels),
        2 => Just(Step::Yields),
        8 => Just(Step::Ends),
    ]
}

/// What is known of a task, in numbers that count what happens.
#[derive(Default)]
struct Actor {
    id: Option<Task>,
    waker: Option<Waker>,
    handle: Option<JoinHandle<()>>,
    woken: u64,
    polled: u64,
    /// When it was polled last, an id was still in the mailbox that will wake it.
    due: bool,
    timer: Option<u64>,
    gone: bool,
}

#[derive(Default)]
struct World {
    steps: Vec<Step>,
    actors: [Actor; TASKS + 1],
    count: u64,
    now: u64,
    pending: usize,
    over: bool,
}

impl World {
    fn step(&mut self) -> Option<Step> {
        self.steps.pop()
    }

    fn woken(&mut self, number: usize) {
        self.count += 1;
        self.actors[number].woken = self.count;
    }

    fn comes(&mut self, number: usize) {
        let id = self.actors[number]
            .id
            .expect("known before the first sleep");
        RING.with(|ring| ring.put(id.0));
        // A sleep and a wake that come together are one.
        self.woken(number);
        self.pending += 1;
        if self.pending > CAPACITY {
            self.flooded();
        }
    }

    fn flooded(&mut self) {
        RING.with(|ring| (0..=CAPACITY).for_each(|_| ring.put(u32::MAX - 1)));
        (0..=TASKS).for_each(|number| self.woken(number));
    }

    fn earliest(&self) -> u64 {
        let timers = self.actors.iter().filter_map(|actor| actor.timer);
        timers.min().unwrap_or(NEVER)
    }

    /// The server's side of a sleep.
    fn sleep(&mut self, deadline: u64) -> u32 {
        self.pending = 0;
        if RING.with(|ring| ring.pending()) > 0 {
            return RING.with(|ring| ring.pending());
        }
        for (number, actor) in self.actors.iter().enumerate() {
            assert!(
                actor.gone || actor.polled > actor.woken,
                "task {number} was woken and not polled"
            );
        }
        assert_eq!(deadline, self.earliest());
        loop {
            match self.step() {
                Some(Step::Comes(number)) => self.comes(number),
                Some(Step::Flood) => self.flooded(),
                Some(Step::Ends) => {}
                // Nobody is awake to do it.
                Some(_) => continue,
                None => {
                    self.over = true;
                    self.comes(ROOT);
                }
            }
            let pending = RING.with(|ring| ring.pending());
            if pending > 0 {
                return pending;
            }
            if deadline != NEVER {
                self.now = self.now.max(deadline);
                self.time_is(deadline);
                return 0;
            }
        }
    }

    fn time_is(&mut self, now: u64) {
        for number in 0..=TASKS {
            if self.actors[number].timer.is_some_and(|timer| timer <= now) {
                self.actors[number].timer = None;
                self.woken(number);
            }
        }
    }
}

/// A task, or the root: does at each poll what the script says.
fn act(world: Rc<RefCell<World>>, number: usize) -> impl Future<Output = ()> {
    let event = Event::new();
    world.borrow_mut().actors[number].id = Some(event.task());
    let mut sleep: Option<Pin<alloc::boxed::Box<Sleep>>> = None;
    poll_fn(move |cx| {
        let mut this = world.borrow_mut();
        let me = &this.actors[number];
        assert!(!me.gone, "task {number} is polled after its end");
        assert!(
            me.woken > me.polled || me.due || me.timer.is_some_and(|timer| timer <= this.now),
            "task {number} is polled without a wake"
        );
        this.count += 1;
        let count = this.count;
        this.actors[number].polled = count;
        this.actors[number].due = RING.with(|ring| ring.may_hold(event.task().0));
        this.actors[number].waker = Some(cx.waker().clone());
        if number == ROOT && this.over {
            return Poll::Ready(());
        }
        // Whatever has happened is taken, so that the next one wakes.
        while event.poll(cx).is_ready() {}
        if let Some(timer) = &mut sleep
            && timer.as_mut().poll(cx).is_ready()
        {
            let due = this.actors[number].timer.take();
            assert!(
                due.is_none_or(|timer| timer <= this.now),
                "task {number} slept too short"
            );
            sleep = None;
        }
        while let Some(step) = this.step() {
            match step {
                Step::Ends => break,
                Step::Comes(other) => this.comes(other),
                Step::Flood => this.flooded(),
                Step::Wakes(other) => {
                    if let Some(waker) = this.actors[other].waker.clone() {
                        waker.wake();
                        this.woken(other);
                    }
                }
                Step::SetsTimer(time) => {
                    let deadline = this.now + time;
                    sleep = None;
                    let mut timer =
                        alloc::boxed::Box::pin(sleep_until(Instant::from_nanoseconds(deadline)));
                    assert!(timer.as_mut().poll(cx).is_pending());
                    sleep = Some(timer);
                    this.actors[number].timer = Some(deadline);
                }
                Step::Passes(time) => this.now += time,
                Step::DropsTimer => {
                    sleep = None;
                    this.actors[number].timer = None;
                }
                Step::Yields => {
                    cx.waker().wake_by_ref();
                    this.woken(number);
                }
                Step::Cancels(other) => {
                    let actor = &mut this.actors[other];
                    if let Some(handle) = actor.handle.take() {
                        actor.gone = true;
                        actor.timer = None;
                        handle.cancel();
                        if other == number {
                            break;
                        }
                    }
                }
            }
        }
        Poll::Pending
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_wake_is_a_poll_and_no_poll_is_without(steps in prop::collection::vec(step(), 0..300)) {
        let world = Rc::new(RefCell::new(World { steps, ..World::default() }));
        let server = world.clone();
        answer_with(move |name, args| Some(match (name, args) {
            ("wake::register", _) => 0,
            ("wake::wait", [deadline]) => server.borrow_mut().sleep(*deadline).into(),
            ("time::now", _) => server.borrow().now as i64,
            _ => return None,
        }));
        for number in 0..TASKS {
            world.borrow_mut().woken(number);
            let handle = spawn(act(world.clone(), number));
            world.borrow_mut().actors[number].handle = Some(handle);
        }
        world.borrow_mut().woken(ROOT);
        block_on(act(world.clone(), ROOT));
        cancel_all();
        let over = world.borrow().over;
        prop_assert!(over);
    }
}
