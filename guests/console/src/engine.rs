// SPDX-License-Identifier: BSD-2-Clause
//! The device, the log and the terminal, and when each has its turn: after an interrupt, when there are lines, when a
//! client has changed something, when a line is to be shown that nobody finishes.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::pin,
    task::{Poll, Waker},
};

use atoll_abi::message::Name;
use console_terminal::{ClientId, Terminal, config::Config};
use drivers::pl011::Pl011;
use userland::{
    logs::{self, Printer},
    task::{Event, stopping, yield_now},
    time::{Instant, sleep_until},
    warn,
};

use crate::{Failure, memory::Memory};

/// What the device is, for people.
pub const DEVICE: &str = "PL011";

pub struct Engine {
    terminal: RefCell<Terminal>,
    uart: RefCell<Pl011>,
    printer: Printer,
    memory: Memory,
    /// The last entry of the log that the terminal has.
    last: Cell<u64>,
    /// A client has changed something.
    is_dirty: Cell<bool>,
    /// Whoever runs, while it sleeps.
    sleeper: Cell<Option<Waker>>,
    /// Calls of clients that wait.
    waiting: RefCell<Vec<Waker>>,
}

/// What a turn came to.
struct Turn {
    /// There is more to do at once.
    goes_on: bool,
    /// Nothing is on its way any more.
    is_done: bool,
}

impl Engine {
    pub fn new(config: &Config, uart: Pl011, printer: Printer, memory: Memory) -> Self {
        let mut terminal = Terminal::new(config);
        let (kept, typed) = memory.left();
        // More than there were keys in earlier lives.
        terminal.restore(kept, Instant::now().nanoseconds());
        for byte in typed {
            terminal.typed(byte);
        }
        terminal.begin_log(printer.begin());
        Self {
            terminal: RefCell::new(terminal),
            uart: RefCell::new(uart),
            last: Cell::new(printer.begin()),
            printer,
            memory,
            is_dirty: Cell::new(false),
            sleeper: Cell::new(None),
            waiting: RefCell::default(),
        }
    }

    /// The clients.
    pub fn clients(&self) -> Vec<(ClientId, Name)> {
        let terminal = self.terminal.borrow();
        let clients = terminal.clients().map(|(id, name)| (id, name.clone()));
        clients.collect()
    }

    /// Lets `f` work on the terminal. What it changed is seen to soon.
    pub fn with<R>(&self, f: impl FnOnce(&mut Terminal) -> R) -> R {
        let result = f(&mut self.terminal.borrow_mut());
        self.is_dirty.set(true);
        if let Some(sleeper) = self.sleeper.take() {
            sleeper.wake();
        }
        result
    }

    /// Waits for what the terminal has now or later.
    pub fn wait<T>(
        &self,
        mut find: impl FnMut(&mut Terminal) -> Option<T>,
    ) -> impl Future<Output = T> {
        poll_fn(move |cx| {
            let found = find(&mut self.terminal.borrow_mut());
            match found {
                Some(found) => {
                    self.with(|_| ());
                    Poll::Ready(found)
                }
                None => {
                    self.waiting.borrow_mut().push(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
    }

    /// Works until the guest is asked to stop.
    pub async fn run(&self, interrupt: &Event, news: &Event) -> Result<(), Failure> {
        let mut stop = pin!(stopping());
        let mut is_stopping = false;
        let mut overruns = 0;
        for round in 0_u64.. {
            self.is_dirty.set(false);
            let turn = self.turn(round, is_stopping)?;
            let waiting = self.waiting.take();
            let has_clients = !waiting.is_empty();
            for waker in waiting {
                waker.wake();
            }
            if is_stopping && turn.is_done {
                break;
            }
            if turn.goes_on {
                yield_now().await;
                continue;
            }
            if has_clients {
                // Those who were woken may have something for the next turn.
                yield_now().await;
                if self.is_dirty.get() {
                    continue;
                }
            }
            let lost = self.uart.borrow().overruns();
            if lost > overruns {
                overruns = lost;
                warn!("keys came faster than they were taken: some are lost");
                continue;
            }
            // What has come since the turn interrupts again.
            self.uart.borrow().acknowledge()?;
            let deadline = self.terminal.borrow().deadline();
            let until = deadline.map_or(Instant::NEVER, Instant::from_nanoseconds);
            let mut timer = pin!(sleep_until(until));
            poll_fn(|cx| {
                is_stopping |= stop.as_mut().poll(cx).is_ready();
                let woken = [interrupt.poll(cx), news.poll(cx), timer.as_mut().poll(cx)];
                let has_cause = woken.iter().any(Poll::is_ready);
                if has_cause || is_stopping || self.is_dirty.get() {
                    return Poll::Ready(());
                }
                self.sleeper.set(Some(cx.waker().clone()));
                Poll::Pending
            })
            .await;
            self.sleeper.set(None);
        }
        Ok(())
    }

    /// One turn for each.
    fn turn(&self, round: u64, is_stopping: bool) -> Result<Turn, Failure> {
        let mut terminal = self.terminal.borrow_mut();
        terminal.set_time(Instant::now().nanoseconds());
        // Clients and the log have their turns by turns, if both want one.
        let is_the_logs = round.is_multiple_of(2) || self.waiting.borrow().is_empty();
        let mut has_more = false;
        if !is_stopping && is_the_logs {
            has_more = self.take_entries(&mut terminal)?;
        } else if !is_stopping {
            has_more = true;
        }
        if !has_more {
            terminal.settle();
        }
        let mut typed = Vec::new();
        let sent = self.uart.borrow_mut().turn(terminal.output(), |byte| {
            // At once: the device has it no longer.
            self.memory.typed(byte);
            typed.push(byte);
        })?;
        terminal.sent(sent);
        for byte in &typed {
            terminal.typed(*byte);
        }
        // Before anybody is given what was typed.
        if let Some(kept) = terminal.changed() {
            self.memory.keep(kept);
        }
        if let Some(number) = terminal.printed() {
            self.printer.acknowledge(number).map_err(|error| {
                Box::<dyn core::error::Error>::from(String::from(match error {
                    userland::Error::NotFound => "the server prints again: it was kept waiting",
                    _ => "the log is not to be printed any more",
                }))
            })?;
        }
        let is_done = terminal.output().is_empty();
        let can_go_on = sent > 0 && !is_done;
        Ok(Turn {
            goes_on: can_go_on || !typed.is_empty() || has_more && terminal.has_room(),
            is_done,
        })
    }

    /// Takes a few entries of the log, if there is room; answers whether there may be more.
    fn take_entries(&self, terminal: &mut Terminal) -> Result<bool, userland::Error> {
        if !terminal.has_room() {
            return Ok(true);
        }
        let page = logs::page(self.last.get())?;
        for entry in &page.entries {
            terminal.entry(entry);
            self.last.set(entry.number);
        }
        Ok(!page.entries.is_empty())
    }
}
