// SPDX-License-Identifier: BSD-2-Clause
//! What was typed and nobody has taken yet.

use alloc::collections::VecDeque;
use core::{
    cell::{Cell, RefCell},
    future::poll_fn,
    task::{Poll, Waker},
};

/// Most bytes that are kept for who reads later; more are dropped.
const MAX_TYPED: usize = 64 << 10;
/// Ctrl-C.
const INTERRUPT: u8 = 3;

/// The bytes that a session's terminal sends.
#[derive(Default)]
pub struct Keyboard {
    typed: RefCell<VecDeque<u8>>,
    reader: RefCell<Option<Waker>>,
    /// Somebody waits to be interrupted.
    interruptible: Cell<bool>,
    interrupted: Cell<bool>,
    interrupter: RefCell<Option<Waker>>,
    /// Nothing more comes.
    over: Cell<bool>,
}

fn wake(waker: &RefCell<Option<Waker>>) {
    let waker = waker.borrow_mut().take();
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Keyboard {
    /// Takes what came from the terminal.
    pub fn typed(&self, byte: u8) {
        if byte == INTERRUPT && self.interruptible.get() {
            self.typed.borrow_mut().clear();
            self.interrupted.set(true);
            wake(&self.interrupter);
            return;
        }
        let mut typed = self.typed.borrow_mut();
        if typed.len() < MAX_TYPED {
            typed.push_back(byte);
        }
        drop(typed);
        wake(&self.reader);
    }

    /// The terminal is gone.
    pub fn end(&self) {
        self.over.set(true);
        wake(&self.reader);
        wake(&self.interrupter);
    }

    /// Whether the terminal is gone.
    pub fn is_over(&self) -> bool {
        self.over.get()
    }

    /// Whether there is a byte that was not taken yet.
    pub fn has_more(&self) -> bool {
        !self.typed.borrow().is_empty()
    }

    /// The next byte; none when nothing more comes.
    pub async fn byte(&self) -> Option<u8> {
        poll_fn(|cx| {
            if let Some(byte) = self.typed.borrow_mut().pop_front() {
                return Poll::Ready(Some(byte));
            }
            if self.over.get() {
                return Poll::Ready(None);
            }
            *self.reader.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Waits for Ctrl-C, or the end of the terminal. While somebody waits here, nobody reads that key.
    pub async fn interrupt(&self) {
        let _waits = Waits::new(self);
        poll_fn(|cx| {
            if self.interrupted.replace(false) || self.over.get() {
                return Poll::Ready(());
            }
            *self.interrupter.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// Somebody who waits to be interrupted.
struct Waits<'a>(&'a Keyboard);

impl<'a> Waits<'a> {
    fn new(keyboard: &'a Keyboard) -> Self {
        keyboard.interruptible.set(true);
        keyboard.interrupted.set(false);
        Self(keyboard)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.interruptible.set(false);
    }
}
