// SPDX-License-Identifier: BSD-2-Clause
//! The executor against a server that is made up: what it sleeps on, what it rings, in which order tasks
//! run.

mod model;
mod timing;

use alloc::{boxed::Box, collections::VecDeque, rc::Rc, vec, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    future::pending,
    time::Duration,
};

use atoll_abi::{Error, Handle, NEVER, to_wire};

use super::*;
use crate::{
    future::{Either, join, select},
    shm::Region,
    sys::raw::answer_with,
    time::{Instant, sleep, sleep_until},
    wake::{RING, Task},
};

/// What the guest asked of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Wait(u64),
    Notify(u64, u64),
    NotifyWait(u64, u64, u64),
}

/// What comes while the guest sleeps: these ids, or its deadline.
enum Comes {
    Ids(Vec<Task>),
    Deadline,
}

/// A server with a clock that only goes on while the guest sleeps.
#[derive(Clone, Default)]
struct Server {
    calls: Rc<RefCell<Vec<Call>>>,
    coming: Rc<RefCell<VecDeque<Comes>>>,
    now: Rc<Cell<u64>>,
    /// It has asked the guest to stop.
    stops: Rc<Cell<bool>>,
    looks: Rc<Cell<u32>>,
}

impl Server {
    fn new() -> Self {
        let server = Self::default();
        let this = server.clone();
        answer_with(move |name, args| this.answer(name, args));
        server
    }

    fn answer(&self, name: &str, args: &[u64]) -> Option<i64> {
        let note = |call| self.calls.borrow_mut().push(call);
        Some(match (name, args) {
            ("wake::register", _) => {
                RING.with(|ring| ring.clear());
                if self.stops.get() {
                    put(&[Task::STOP]);
                }
                0
            }
            ("wake::notify", [handle, bells]) => {
                note(Call::Notify(*handle, *bells));
                0
            }
            ("wake::wait", [deadline]) => {
                note(Call::Wait(*deadline));
                self.sleep(*deadline)
            }
            ("wake::notify_wait", [0xbad, ..]) => to_wire::<()>(Err(Error::Revoked)),
            ("wake::notify_wait", [handle, bells, deadline]) => {
                note(Call::NotifyWait(*handle, *bells, *deadline));
                self.sleep(*deadline)
            }
            ("time::now", []) => {
                self.looks.set(self.looks.get() + 1);
                self.now.get() as i64
            }
            _ => return None,
        })
    }

    fn sleep(&self, deadline: u64) -> i64 {
        if RING.with(|ring| ring.pending()) == 0 {
            match self.coming.borrow_mut().pop_front() {
                Some(Comes::Ids(ids)) => put(&ids),
                Some(Comes::Deadline) => self.now.set(deadline.max(self.now.get())),
                None => panic!("the guest would sleep for ever: {:?}", self.calls),
            }
        }
        RING.with(|ring| ring.pending()).into()
    }

    fn comes(&self, what: Comes) {
        self.coming.borrow_mut().push_back(what);
    }

    fn calls(&self) -> Vec<Call> {
        self.calls.take()
    }
}

fn put(ids: &[Task]) {
    RING.with(|ring| ids.iter().for_each(|id| ring.put(id.0)));
}

#[test]
fn it_sleeps_only_when_nothing_is_ready() {
    let server = Server::new();
    block_on(async {
        let event = Event::new();
        put(&[event.task()]);
        event.wait().await;
        assert_eq!(server.calls(), []);
        server.comes(Comes::Ids(vec![Task(77), event.task()]));
        event.wait().await;
        assert_eq!(server.calls(), [Call::Wait(NEVER)]);
    });
}

#[test]
fn what_happens_twice_may_be_seen_once_and_what_happened_before_is_seen() {
    let server = Server::new();
    block_on(async {
        let event = Event::new();
        server.comes(Comes::Ids(vec![event.task(), event.task()]));
        let other = Event::new();
        server.comes(Comes::Ids(vec![other.task()]));
        event.wait().await;
        let first = select(event.wait(), other.wait()).await;
        assert!(matches!(first, Either::Second(())));
    });
}

#[test]
fn an_id_of_an_event_that_is_gone_wakes_nobody() {
    let server = Server::new();
    block_on(async {
        let old = Event::new();
        let id = old.task();
        drop(old);
        let event = Event::new();
        assert_ne!(event.task(), id);
        server.comes(Comes::Ids(vec![id]));
        server.comes(Comes::Ids(vec![event.task()]));
        event.wait().await;
        assert_eq!(server.calls(), [Call::Wait(NEVER); 2]);
    });
}

#[test]
fn a_full_mailbox_makes_every_event_happen() {
    let server = Server::new();
    block_on(async {
        let (one, two) = (Event::new(), Event::new());
        server.comes(Comes::Ids(vec![Task(99); 65]));
        join(one.wait(), two.wait()).await;
    });
}

#[test]
fn a_ring_is_deferred_to_the_sleep() {
    let server = Server::new();
    let region = Region::from_handle(Handle(5));
    block_on(async {
        let event = Event::new();
        server.comes(Comes::Ids(vec![event.task()]));
        ring_before_sleep(&region, Bells(1));
        ring_before_sleep(&region, Bells(2));
        assert_eq!(server.calls(), []);
        event.wait().await;
        assert_eq!(server.calls(), [Call::NotifyWait(5, 3, NEVER)]);
    });
}

#[test]
fn a_ring_is_not_kept_back_by_others() {
    let server = Server::new();
    let region = Region::from_handle(Handle(5));
    let other = Region::from_handle(Handle(6));
    block_on(async {
        spawn(async {});
        ring_before_sleep(&region, Bells(1));
        yield_now().await;
        assert_eq!(server.calls(), [Call::Notify(5, 1)]);

        // Of two regions one can go with the sleep.
        let event = Event::new();
        server.comes(Comes::Ids(vec![event.task()]));
        ring_before_sleep(&region, Bells(1));
        ring_before_sleep(&other, Bells(1));
        event.wait().await;
        let expected = [Call::Notify(5, 1), Call::NotifyWait(6, 1, NEVER)];
        assert_eq!(server.calls(), expected);

        ring_before_sleep(&region, Bells(4));
    });
    // At the latest when nobody polls any more.
    assert_eq!(server.calls(), [Call::Notify(5, 4)]);
    ring_before_sleep(&region, Bells(8));
    assert_eq!(server.calls(), [Call::Notify(5, 8)]);
}

#[test]
fn a_ring_that_is_refused_does_not_keep_the_guest_from_sleeping() {
    let server = Server::new();
    block_on(async {
        let event = Event::new();
        server.comes(Comes::Ids(vec![event.task()]));
        ring_before_sleep(&Region::from_handle(Handle(0xbad)), Bells(1));
        event.wait().await;
        assert_eq!(server.calls(), [Call::Wait(NEVER)]);
    });
}

#[test]
fn sleeps_end_in_the_order_of_their_times() {
    let server = Server::new();
    let order = Rc::new(RefCell::new(Vec::new()));
    block_on(async {
        let tasks: Vec<_> = [30, 10, 20, 10]
            .into_iter()
            .enumerate()
            .map(|(number, time)| {
                let order = order.clone();
                server.comes(Comes::Deadline);
                spawn(async move {
                    sleep(Duration::from_nanos(time)).await;
                    order.borrow_mut().push(number);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(*order.borrow(), [1, 3, 2, 0]);
    let expected = [10, 20, 30].map(Call::Wait);
    assert_eq!(server.calls(), expected);
    assert_eq!(server.looks.get(), 4, "no look but where a sleep begins");
}

#[test]
fn a_sleep_that_is_dropped_wakes_nobody() {
    let server = Server::new();
    block_on(async {
        let event = Event::new();
        server.comes(Comes::Ids(vec![event.task()]));
        let first = select(sleep_until(Instant::from_nanoseconds(10)), event.wait()).await;
        assert!(matches!(first, Either::Second(())));
        server.comes(Comes::Ids(vec![event.task()]));
        event.wait().await;
        assert_eq!(server.calls(), [Call::Wait(10), Call::Wait(NEVER)]);
    });
}

#[test]
fn sleeps_end_although_others_are_always_ready() {
    let server = Server::new();
    block_on(async {
        let busy = spawn(async {
            loop {
                yield_now().await;
            }
        });
        let slept = spawn(sleep_until(Instant::from_nanoseconds(10)));
        server.now.set(9);
        for _ in 0..50 {
            yield_now().await;
        }
        assert!(!slept.is_finished());
        server.now.set(10);
        for _ in 0..10 {
            yield_now().await;
        }
        assert!(slept.is_finished());
        busy.cancel();
    });
    assert_eq!(server.calls(), []);
    assert!(server.looks.get() < 10, "{} looks", server.looks.get());
}

#[test]
fn ids_are_seen_although_others_are_always_ready() {
    let _server = Server::new();
    block_on(async {
        let event = Event::new();
        let task = event.task();
        let seen = spawn(async move { event.wait().await });
        for _ in 0..3 {
            yield_now().await;
        }
        put(&[task]);
        for _ in 0..3 {
            yield_now().await;
        }
        assert!(seen.is_finished());
    });
}

#[test]
fn a_stop_is_seen_by_all_who_wait_for_it_and_stays() {
    let server = Server::new();
    block_on(async {
        let other = spawn(stopping());
        assert!(!stop_requested());
        // A full mailbox is no stop.
        server.comes(Comes::Ids(vec![Task(1); 65]));
        server.comes(Comes::Ids(vec![Task::STOP]));
        stopping().await;
        other.await.unwrap();
        assert_eq!(server.calls(), [Call::Wait(NEVER); 2]);
        stopping().await;
        assert!(stop_requested());
    });
}

#[test]
fn a_stop_that_was_dropped_from_a_full_mailbox_is_seen() {
    let server = Server::new();
    block_on(async {
        let _event = Event::new();
        assert!(!stop_requested());
        server.stops.set(true);
        server.comes(Comes::Ids(vec![Task(1); 65]));
        stopping().await;
    });
}

#[test]
fn a_stop_before_the_mailbox_is_open_is_seen() {
    let server = Server::new();
    server.stops.set(true);
    block_on(stopping());
    assert_eq!(server.calls(), []);
}

#[test]
fn a_stop_is_seen_without_an_await() {
    let _server = Server::new();
    let _event = Event::new();
    assert!(!stop_requested());
    put(&[Task::STOP]);
    assert!(stop_requested());
}

#[test]
fn who_awaits_a_task_that_is_cancelled_is_told() {
    let _server = Server::new();
    block_on(async {
        let task = Rc::new(RefCell::new(spawn(pending::<()>())));
        let awaited = task.clone();
        let waiter = spawn(async move {
            core::future::poll_fn(|cx| core::pin::Pin::new(&mut *awaited.borrow_mut()).poll(cx))
                .await
        });
        yield_now().await;
        task.borrow().cancel();
        assert_eq!(waiter.await, Ok(Err(Cancelled)));
    });
}

#[test]
fn a_task_that_cancels_itself_is_dropped_after_its_poll() {
    let _server = Server::new();
    let held = Rc::new(());
    block_on(async {
        let own: Rc<RefCell<Option<JoinHandle<()>>>> = Rc::default();
        let (inside, handle) = (held.clone(), own.clone());
        let task = spawn(async move {
            handle.take().unwrap().cancel();
            assert_eq!(Rc::strong_count(&inside), 2);
            pending::<()>().await;
        });
        own.replace(Some(task));
        yield_now().await;
        assert_eq!(Rc::strong_count(&held), 1);
    });
}

#[test]
fn a_drop_may_do_what_a_task_does() {
    struct Last(Option<Event>);
    impl Drop for Last {
        fn drop(&mut self) {
            drop(self.0.take());
            spawn(async {});
            drop(Event::new());
            let _ = stop_requested();
        }
    }
    let _server = Server::new();
    block_on(async {
        let held = Last(Some(Event::new()));
        let task = spawn(async move {
            let _held = held;
            pending::<()>().await;
        });
        yield_now().await;
        task.cancel();
        yield_now().await;
        let held = Last(None);
        spawn(async move { drop(held) });
        yield_now().await;
        spawn(async {
            let _held = Last(None);
            pending::<()>().await;
        });
        yield_now().await;
    });
    cancel_all();
}

#[test]
fn tasks_go_on_in_the_next_block_on() {
    let _server = Server::new();
    let task = spawn(async { 1 });
    assert_eq!(block_on(async { 2 }), 2);
    assert_eq!(block_on(task), Ok(1));
}

#[test]
#[should_panic(expected = "block_on within a task")]
fn block_on_within_a_task_is_refused() {
    block_on(async { block_on(async {}) });
}

#[test]
#[should_panic(expected = "cannot sleep: the hostcall group is not granted")]
fn a_guest_that_nothing_can_wake_says_so() {
    block_on(pending::<()>());
}

#[test]
fn what_is_over_makes_room() {
    let _server = Server::new();
    block_on(async {
        for _ in 0..2 * slots::MAX {
            drop(Event::new());
        }
        for _ in 0..slots::MAX / 1000 * 2 {
            let tasks: Vec<_> = (0..1000).map(|_| spawn(async {})).collect();
            for task in tasks {
                assert_eq!(task.await, Ok(()));
            }
        }
        // One more than is there at the same time.
        let events: Vec<_> = (0..slots::MAX).map(|_| Event::new()).collect();
        drop(events);
        Event::new();
    });
}

/// Of two that ask, one after the other, the last is woken.
#[test]
fn the_last_waker_is_woken() {
    struct Count(std::sync::atomic::AtomicU32);
    impl alloc::task::Wake for Count {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let counts = [0; 2].map(|count| std::sync::Arc::new(Count(count.into())));
    let wakers = counts.clone().map(core::task::Waker::from);
    let server = Server::new();
    block_on(async {
        let (event, other) = (Event::new(), Event::new());
        let mut sleep = sleep_until(Instant::from_nanoseconds(5));
        for waker in &wakers {
            let cx = &mut core::task::Context::from_waker(waker);
            assert!(event.poll(cx).is_pending());
            assert!(core::pin::Pin::new(&mut sleep).poll(cx).is_pending());
        }
        server.comes(Comes::Ids(vec![event.task()]));
        server.comes(Comes::Deadline);
        server.comes(Comes::Ids(vec![other.task()]));
        other.wait().await;
    });
    let woken = counts.map(|count| count.0.load(std::sync::atomic::Ordering::Relaxed));
    assert_eq!(woken, [0, 2]);
}

/// Wakers of another make: a future that polls others by itself, each with a waker of its own.
#[test]
fn wakers_of_another_make_are_woken() {
    struct Through(std::sync::Arc<std::sync::Mutex<(u32, Option<core::task::Waker>)>>);
    impl alloc::task::Wake for Through {
        fn wake(self: std::sync::Arc<Self>) {
            let mut inside = self.0.lock().unwrap();
            inside.0 += 1;
            if let Some(waker) = inside.1.take() {
                waker.wake();
            }
        }
    }
    let server = Server::new();
    let shared = std::sync::Arc::new(std::sync::Mutex::new((0, None)));
    let waker = core::task::Waker::from(std::sync::Arc::new(Through(shared.clone())));
    block_on(async {
        let event = Event::new();
        server.comes(Comes::Ids(vec![event.task()]));
        let mut inner = Box::pin(event.wait());
        core::future::poll_fn(|cx| {
            shared.lock().unwrap().1 = Some(cx.waker().clone());
            inner
                .as_mut()
                .poll(&mut core::task::Context::from_waker(&waker))
        })
        .await;
    });
    assert_eq!(shared.lock().unwrap().0, 1);
}
