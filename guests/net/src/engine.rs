// SPDX-License-Identifier: BSD-2-Clause
//! The stack, and when it works: after an interrupt, when a client has changed something, when its time has come.
//!
//! One interrupt stands for all that has come since the last one: frames are received until there are none, those
//! who wait for what was in them have their turn, and what they send goes out with what the stack itself sends: with
//! one hostcall for what was received and one for what is sent.

use alloc::{boxed::Box, rc::Rc, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    convert::Infallible,
    future::{Future, poll_fn},
    pin::pin,
    task::{Context, Poll, Waker},
};

use atoll_abi::net::{Error, Status};
use drivers::net::{Nic, Rest};
use net_stack::{Stack, config::Config, smoltcp::time::Instant};
use userland::{
    future::{Either, select},
    task::{Event, yield_now},
    time::{self, sleep_until},
};

use crate::wire::Wire;

/// Rounds of work before the engine looks at the device and the clock again.
const ROUNDS: u32 = 4;

pub struct Engine {
    stack: RefCell<Stack>,
    wire: RefCell<Wire>,
    /// Whoever runs, while it sleeps.
    sleeper: Cell<Option<Waker>>,
    plug: Cell<Plug>,
    /// Those who wait for the device to go.
    waiting: RefCell<Vec<Waker>>,
}

/// Whether there is a device.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plug {
    Out,
    /// Nobody has looked what it has done.
    New,
    In,
}

/// The Ethernet address of no device.
const NO_ADDRESS: [u8; 6] = [2, 0, 0, 0, 0, 0];

/// Whether this guest has lost the device, which has nothing to do with what that does.
pub const fn is_loss(error: drivers::Error) -> bool {
    use userland::Error::{BadHandle, Revoked};
    matches!(error, drivers::Error::Device(Revoked | BadHandle))
}

/// The time, as the stack counts it.
fn now() -> Instant {
    to_stack(time::Instant::now())
}

fn to_stack(time: time::Instant) -> Instant {
    // 292,000 years.
    Instant::from_micros((time.nanoseconds() / 1000) as i64)
}

fn from_stack(time: Instant) -> time::Instant {
    let micros = u64::try_from(time.total_micros()).unwrap_or(0);
    time::Instant::from_nanoseconds(micros.saturating_mul(1000))
}

impl Engine {
    /// Without a device.
    #[inline(never)]
    pub fn new(config: &Config, seed: u64) -> Rc<Self> {
        let mut wire = Wire::default();
        let mut stack = Stack::new(config, &mut wire, NO_ADDRESS, seed, now());
        stack.set_link(false);
        Rc::new(Self {
            stack: RefCell::new(stack),
            wire: RefCell::new(wire),
            sleeper: Cell::new(None),
            plug: Cell::new(Plug::Out),
            waiting: RefCell::default(),
        })
    }

    /// Goes on with this device.
    pub fn plug(&self, nic: Box<Nic>) {
        let mac = nic.mac();
        // If it cannot be read, the device has more to say about that later.
        let has_link = nic.has_link().unwrap_or(true);
        self.plug.set(Plug::New);
        self.with(|stack| {
            let mut wire = self.wire.borrow_mut();
            wire.plug(Some(nic));
            stack.set_device(&mut *wire, mac, now());
            stack.set_link(has_link);
        });
    }

    /// Goes on without a device. Connections last until they time out.
    pub fn unplug(&self) {
        self.plug.set(Plug::Out);
        self.wire.borrow_mut().plug(None);
        self.with(|stack| stack.set_link(false));
        for waker in self.waiting.take() {
            waker.wake();
        }
    }

    /// Whether there is a device.
    pub fn is_plugged(&self) -> bool {
        self.plug.get() != Plug::Out
    }

    /// Waits for what needs a device, for as long as there is one.
    pub async fn while_plugged<T>(&self, what: impl Future<Output = T>) -> Result<T, Error> {
        let unplugged = poll_fn(|cx| {
            if !self.is_plugged() {
                return Poll::Ready(());
            }
            let mut waiting = self.waiting.borrow_mut();
            if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
            Poll::Pending
        });
        match select(unplugged, what).await {
            Either::First(()) => Err(Error::NoDevice),
            Either::Second(done) => Ok(done),
        }
    }

    /// Lets `f` work on the stack. What it changed is sent soon.
    pub fn with<R>(&self, f: impl FnOnce(&mut Stack) -> R) -> R {
        let mut stack = self.stack.borrow_mut();
        let result = f(&mut stack);
        if stack.is_dirty()
            && let Some(sleeper) = self.sleeper.take()
        {
            sleeper.wake();
        }
        result
    }

    /// Has what is begun next count from now on, and not from the last round, which may be long ago.
    pub fn look_at_clock(&self) {
        self.stack.borrow_mut().time_is(now());
    }

    /// Waits for what the stack can answer now or later.
    pub fn wait<T>(
        &self,
        mut poll: impl FnMut(&mut Stack, &Waker) -> Poll<T>,
    ) -> impl Future<Output = T> {
        poll_fn(move |cx| self.with(|stack| poll(stack, cx.waker())))
    }

    /// How the interface is set up, once it is another way than when it was `seen`.
    pub async fn status(&self, seen: Option<u32>) -> Status {
        let mut status = self
            .wait(|stack, waker| {
                let status = stack.status();
                if Some(status.generation) == seen {
                    stack.register_for_status(waker);
                    return Poll::Pending;
                }
                Poll::Ready(status)
            })
            .await;
        status.traffic = self.wire.borrow().traffic();
        status
    }

    /// Works until the device fails. To lose it is no failure.
    pub async fn run(&self, interrupt: &Event) -> drivers::Error {
        loop {
            match self.work(interrupt).await {
                Err(error) if is_loss(error) => self.unplug(),
                Err(error) => return error,
            }
        }
    }

    async fn work(&self, interrupt: &Event) -> Result<Infallible, drivers::Error> {
        let mut interrupted = true;
        loop {
            if self.plug.get() == Plug::New {
                self.plug.set(Plug::In);
                interrupted = true;
            }
            if interrupted && let Some(is_up) = self.wire.borrow_mut().take()? {
                self.stack.borrow_mut().set_link(is_up);
            }
            let now = now();
            for _ in 0..ROUNDS {
                let more = self.round(now);
                // Those who were woken add to what goes out.
                yield_now().await;
                if !more && !self.stack.borrow().is_dirty() {
                    break;
                }
            }
            let rest = self.wire.borrow_mut().give()?;
            let deadline = self.stack.borrow_mut().poll_at(now);
            let until = match (rest, deadline) {
                (Rest::Goes, _) => {
                    interrupted = false;
                    continue;
                }
                (Rest::None, Some(deadline)) => from_stack(deadline),
                // What finds no place waits for the device, and not for the time.
                (Rest::Waits, _) | (_, None) => time::Instant::NEVER,
            };
            interrupted = self.sleep(interrupt, until).await;
        }
    }

    /// One round of the stack; answers whether there may be more to receive.
    fn round(&self, now: Instant) -> bool {
        let mut wire = self.wire.borrow_mut();
        self.stack.borrow_mut().poll(now, &mut *wire)
    }

    /// Sleeps until there is something to do; answers whether there was an interrupt.
    async fn sleep(&self, interrupt: &Event, until: time::Instant) -> bool {
        let mut timer = pin!(sleep_until(until));
        let interrupted = poll_fn(|cx: &mut Context<'_>| {
            if interrupt.poll(cx).is_ready() {
                return Poll::Ready(true);
            }
            if self.stack.borrow().is_dirty() || timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(false);
            }
            self.sleeper.set(Some(cx.waker().clone()));
            Poll::Pending
        });
        let interrupted = interrupted.await;
        self.sleeper.set(None);
        interrupted
    }
}
