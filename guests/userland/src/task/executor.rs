// SPDX-License-Identifier: BSD-2-Clause
//! What is ready, what waits for what, and when the guest sleeps.
//!
//! There is one state, reached through [`with`], which borrows it: so nothing in here may run code of
//! a task, be it a poll, a drop or a waker of another make. Those are handed to the caller of `with`.

use alloc::rc::Rc;
use core::{
    cell::RefCell,
    future::Future,
    mem::ManuallyDrop,
    pin::pin,
    task::{Context, Poll, Waker},
};

use atoll_abi::{Error, NEVER};

use super::{
    door,
    queue::{Queue, Work},
    signal::Signal,
    sleeper::Sleeper,
    slots::Slots,
    timers::{Key, Timers},
};
use crate::{
    mailbox::Ring,
    sys::{calls, local::local, waker},
    time::Instant,
    wake::{Mailbox, RING, Task},
};

/// Rounds between two looks at the clock while tasks are always ready and there are timers. A look is a
/// hostcall; the end of a sleep tells the time by itself.
const ROUNDS: u32 = 8;

/// The executor's.
pub(super) struct State {
    mailbox: Option<Mailbox>,
    pub(super) queue: Queue,
    events: Slots<Rc<Signal>>,
    timers: Timers,
    /// How to learn the time. Set with the first timer: a guest without timers needs no clock, nor the
    /// grant for it.
    clock: Option<fn() -> Instant>,
    /// Since the last look at the clock.
    rounds: u32,
    /// The guest was asked to stop.
    stopping: bool,
    /// Somebody is in [`block_on`].
    running: bool,
}

/// What is to be done next, where nothing is borrowed.
enum Step {
    Poll(u32, Option<Work>),
    Wake(Waker),
    /// There is nothing to do, and the guest cannot sleep.
    Stuck(Error),
}

local! {
    /// The executor of the guest.
    static STATE: RefCell<State> = RefCell::new(State::new());
}

/// Borrows the state.
#[inline]
pub(super) fn with<R>(f: impl FnOnce(&mut State) -> R) -> R {
    STATE.with(|state| f(&mut state.borrow_mut()))
}

impl State {
    const fn new() -> Self {
        Self {
            mailbox: None,
            queue: Queue::new(),
            events: Slots::new(),
            timers: Timers::new(),
            clock: None,
            rounds: 0,
            stopping: false,
            running: false,
        }
    }

    /// What to do next; sleeps until there is something.
    #[inline]
    fn next(&mut self) -> Step {
        if self.queue.is_idle() {
            self.look_at_clock();
        }
        if self.queue.is_idle() {
            self.next_wake()
        } else {
            // The guest does not sleep at the end of this poll.
            door::flush();
            self.next_in_turn()
        }
    }

    /// What to do when nothing is ready: most often there comes one id, and one task waits for it.
    #[inline]
    fn next_wake(&mut self) -> Step {
        match self.pending_or_sleep() {
            Ok(1) => match self.take_one() {
                Some((key, work)) => Step::Poll(key, work),
                None => self.next_in_turn(),
            },
            Ok(_) => self.next_in_turn(),
            Err(error) => Step::Stuck(error),
        }
    }

    /// What to do next, in rounds. Between two of them it looks at the mailbox, so that tasks that are always
    /// ready do not keep others from being woken.
    #[inline(never)]
    fn next_in_turn(&mut self) -> Step {
        loop {
            if let Some(waker) = self.queue.next_other() {
                return Step::Wake(waker);
            }
            if let Some((key, work)) = self.queue.next() {
                return Step::Poll(key, work);
            }
            self.look();
            self.look_at_clock();
            if self.queue.is_idle()
                && let Err(error) = self.pending_or_sleep()
            {
                return Step::Stuck(error);
            }
            self.queue.begin_round();
        }
    }

    // ---- Sleep

    /// How many ids are in the mailbox. If there are none, sleeps until there are, or until the first timer is
    /// due. With a ring to do there is a hostcall to make in any case, which does both.
    ///
    /// # Errors
    /// The guest has no mailbox: nothing could ever wake it.
    #[inline]
    fn pending_or_sleep(&mut self) -> Result<u32, Error> {
        let deadline = self.timers.earliest();
        let mailbox = open(&mut self.mailbox)?;
        let ids = match door::take() {
            // A ring that is refused has nobody to hear it, and the call does not sleep.
            Some((handle, bells)) => calls::wake::notify_wait(handle, bells.0, deadline)
                .or_else(|_| calls::wake::wait(deadline))?,
            None => match mailbox.pending() {
                0 => calls::wake::wait(deadline)?,
                ids => ids,
            },
        };
        // It ends without an id when the time has come.
        if ids == 0 && deadline != NEVER {
            self.time_is(deadline);
        }
        Ok(ids)
    }

    // ---- Events

    /// Takes the only id, and the task that waits for it, if that is all there is to it.
    ///
    /// It does not look whether ids were dropped: with one in the mailbox, it was not full since the last
    /// look, which empties it.
    #[inline]
    fn take_one(&mut self) -> Option<(u32, Option<Work>)> {
        let task = self.mailbox.as_mut()?.take()?;
        let Some(signal) = self.events.get_mut(task.0) else {
            self.came(task);
            return None;
        };
        match signal.happens() {
            Sleeper::Task(key) => self.queue.claim(key),
            other => {
                self.queue.wake_sleeper(other);
                None
            }
        }
    }

    /// Looks at what came.
    fn look(&mut self) {
        while let Some(task) = self.mailbox.as_mut().and_then(Mailbox::take) {
            self.came(task);
        }
        let Some(mailbox) = &mut self.mailbox else {
            return;
        };
        if mailbox.overflowed() {
            // Any id may have been among those that were dropped. Every event happens then; whether there was
            // a stop, the server says. Refused if the grant was taken away, as the next sleep says.
            let _ = mailbox.reopen();
            self.happen_where(|_| true);
        }
    }

    fn came(&mut self, task: Task) {
        if task == Task::STOP {
            self.stopping = true;
            self.happen_where(Signal::is_on_stop);
        } else if let Some(signal) = self.events.get_mut(task.0) {
            self.queue.wake_sleeper(signal.happens());
        }
    }

    #[cold]
    fn happen_where(&mut self, is_it: impl Fn(&Signal) -> bool) {
        for signal in self.events.values_mut().filter(|signal| is_it(signal)) {
            self.queue.wake_sleeper(signal.happens());
        }
    }

    /// Whether the guest was asked to stop.
    pub(super) fn look_for_stop(&mut self) -> bool {
        // Without a mailbox there is no asking.
        let _ = open(&mut self.mailbox);
        self.look();
        self.stopping
    }

    /// Whether the guest was asked to stop, as far as it has looked.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Takes an event on; its id.
    ///
    /// # Panics
    /// There are too many.
    pub(super) fn add_event(&mut self, signal: &Rc<Signal>) -> u32 {
        // Before anything can come for it. Where it is refused, nothing comes, and the first sleep says so.
        let _ = open(&mut self.mailbox);
        match self.events.insert(signal.clone()) {
            Some(key) => key,
            None => panic!("more than {} events", super::slots::MAX),
        }
    }

    /// Forgets an event; answers it, to be dropped where nothing is borrowed.
    pub(super) fn remove_event(&mut self, key: u32) -> Option<Rc<Signal>> {
        self.events.remove(key)
    }

    // ---- Timers

    /// Sets a timer, of a clock.
    pub(super) fn set_timer(
        &mut self,
        deadline: Instant,
        clock: fn() -> Instant,
        waker: &Waker,
    ) -> Key {
        self.clock = Some(clock);
        self.timers.set(deadline.nanoseconds(), Sleeper::new(waker))
    }

    /// Whether a timer is still set; then whoever is behind the waker waits for it. Who waited before is to
    /// be dropped where nothing is borrowed.
    pub(super) fn poll_timer(&mut self, key: Key, waker: &Waker) -> (Poll<()>, Sleeper) {
        match self.timers.get_mut(key) {
            Some(sleeper) => (Poll::Pending, sleeper.put(waker)),
            None => (Poll::Ready(()), Sleeper::Nobody),
        }
    }

    /// Takes a timer back; answers who waited for it, to be dropped where nothing is borrowed.
    pub(super) fn cancel_timer(&mut self, key: Key) -> Option<Sleeper> {
        self.timers.cancel(key)
    }

    /// Looks at the clock now and then, if there is a reason to.
    #[inline]
    fn look_at_clock(&mut self) {
        if self.timers.earliest() != NEVER {
            self.rounds += 1;
            if self.rounds >= ROUNDS
                && let Some(clock) = self.clock
            {
                self.time_is(clock().nanoseconds());
            }
        }
    }

    /// Wakes those whose time has come.
    fn time_is(&mut self, now: u64) {
        self.rounds = 0;
        while let Some(sleeper) = self.timers.due(now) {
            self.queue.wake_sleeper(sleeper);
        }
    }
}

/// Opens the mailbox, unless it is open.
///
/// # Errors
/// Those of [`Mailbox::open`].
#[inline]
fn open(mailbox: &mut Option<Mailbox>) -> Result<&mut Mailbox, Error> {
    match mailbox {
        Some(mailbox) => Ok(mailbox),
        closed => Ok(closed.insert(Mailbox::open()?)),
    }
}

/// Makes an event happen, as its id in the mailbox does.
pub(crate) fn happen(event: Task) {
    with(|state| state.came(event));
}

/// Has a task be polled. What its waker does.
pub(crate) fn wake(key: u32) {
    with(|state| state.queue.wake(key));
}

/// Runs a future, and the tasks that were spawned, until the future is done; answers what it answers.
/// When nothing is ready, the guest sleeps.
///
/// Tasks that are not done by then stay as they are; another `block_on` goes on with them.
///
/// ```
/// use userland::task::{block_on, spawn};
///
/// let sum = block_on(async {
///     let one = spawn(async { 1 });
///     let two = spawn(async { 2 });
///     one.await.unwrap() + two.await.unwrap()
/// });
/// assert_eq!(sum, 3);
/// ```
///
/// # Panics
/// Within a task: there it would keep the others from running, and is not needed, since a task can
/// `await`. And if there is something to wait for and the guest has no mailbox, because the grant `wake`
/// was taken away or because it opened a [`Mailbox`] by itself.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let _root = Root::new();
    loop {
        let (key, work) = match with(State::next) {
            Step::Poll(key, work) => (key, work),
            Step::Wake(waker) => {
                waker.wake();
                continue;
            }
            Step::Stuck(error) => {
                panic!("cannot sleep: {error}; does another part of the guest hold the mailbox?")
            }
        };
        // It holds nothing, and to drop it would be a call.
        let waker = ManuallyDrop::new(waker::of(key));
        let cx = &mut Context::from_waker(&waker);
        door::set_polling(true);
        // Whatever is dropped here is dropped where nothing is borrowed.
        match work {
            Some(mut work) => {
                let done = work.as_mut().poll(cx).is_ready();
                door::set_polling(false);
                if done {
                    drop(work);
                    drop(with(|state| state.queue.remove(key)));
                } else {
                    drop(with(|state| state.queue.put_back(key, work)));
                }
            }
            None => {
                let result = future.as_mut().poll(cx);
                door::set_polling(false);
                if let Poll::Ready(result) = result {
                    return result;
                }
            }
        }
    }
}

/// The task that [`block_on`] polls itself.
struct Root(u32);

impl Root {
    fn new() -> Self {
        with(|state| {
            assert!(
                !state.running,
                "block_on within a task: the task has to await the future instead"
            );
            let key = state
                .queue
                .add(None)
                .expect("more tasks than there are ids");
            state.running = true;
            Self(key)
        })
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        door::set_polling(false);
        door::flush();
        with(|state| {
            state.running = false;
            // It has no work of its own.
            let _ = state.queue.remove(self.0);
        });
    }
}

/// Has the whole guest sleep until an id comes, which is kept for whoever it is for, or until the deadline: for
/// what cannot await.
///
/// # Errors
/// The guest has no mailbox.
pub(crate) fn doze(deadline: Instant) -> Result<(), Error> {
    door::flush();
    STATE.with(|state| {
        let Ok(mut state) = state.try_borrow_mut() else {
            // The executor itself has failed, so this is the end of the guest: ids are for nobody.
            RING.with(Ring::clear);
            return calls::wake::wait(deadline.nanoseconds()).map(drop);
        };
        open(&mut state.mailbox)?;
        state.look();
        calls::wake::wait(deadline.nanoseconds())?;
        state.look();
        Ok(())
    })
}

/// Drops every task, one after the other.
pub(crate) fn cancel_all() {
    while let Some(work) = with(|state| {
        let key = state.queue.any()?;
        Some(state.queue.remove(key))
    }) {
        drop(work);
    }
}
