// SPDX-License-Identifier: BSD-2-Clause
//! A TCP connection of a client: one task for each direction.
//!
//! Bytes are copied twice on their way in: by the stack from the frame, where the device has put it, to the receive
//! buffer of the socket, where they are put in order; and from there to the client's pipe. So they are on
//! their way out: from the pipe to the send buffer, where they stay until the peer has acknowledged them, and
//! from there to the frame.

use alloc::rc::Rc;
use core::{cell::Cell, future::poll_fn, task::Poll, time::Duration};

use atoll_abi::net::{Error, LINGER_MS};
use net_stack::{
    ConnectionId, Flow,
    policy::{Action, Rules},
};
use userland::{
    channel::{Channel, Input, Lost, Output},
    future::{Either, Either3, select, select3},
    task::{JoinHandle, spawn},
    time::sleep,
};

use crate::{buffer::Flag, engine::Engine};

/// A connection. To drop it resets the connection.
pub struct Stream {
    shared: Rc<Shared>,
    /// What a rule has allowed.
    basis: Action<'static>,
    up: Option<JoinHandle<()>>,
    down: JoinHandle<()>,
}

struct Shared {
    engine: Rc<Engine>,
    id: ConnectionId,
    /// Both pipes, to be terminated.
    pipes: [Channel; 2],
    /// The client is done with it: there will be nothing more in its pipe.
    closes: Rc<Flag>,
    /// Counts up with what the client sends.
    moved: Cell<u32>,
    /// Why it ended, if it was this side that has ended it.
    fate: Cell<Option<Error>>,
    is_over: Cell<bool>,
}

impl Stream {
    pub fn new(
        engine: &Rc<Engine>,
        id: ConnectionId,
        ends: (Input, Output),
        basis: Action<'static>,
    ) -> Self {
        let (input, output) = ends;
        let shared = Rc::new(Shared {
            engine: engine.clone(),
            id,
            pipes: [input.channel().clone(), output.channel().clone()],
            closes: Rc::default(),
            moved: Cell::new(0),
            fate: Cell::new(None),
            is_over: Cell::new(false),
        });
        Self {
            up: Some(spawn(shared.clone().up(input))),
            down: spawn(shared.clone().down(output)),
            shared,
            basis,
        }
    }

    /// Resets it if no rule allows it any more.
    pub fn keep_to(&self, rules: &Rules) {
        if rules.allow(&self.basis).is_err() {
            self.shared.reset(Error::NotAllowed);
        }
    }

    /// Why it has ended; none if it has not, or in good order.
    pub fn fate(&self) -> Option<Error> {
        let Shared {
            engine, id, fate, ..
        } = &*self.shared;
        fate.get()
            .or_else(|| engine.with(|stack| stack.tcp_fate(*id)))
    }

    /// Sends what is in the pipe, throws away what the peer sends, and ends the connection in good order; or resets
    /// it if nothing moves for too long, or when it is told to.
    pub async fn close(mut self, abort: &Rc<Flag>) {
        self.down.cancel();
        let shared = self.shared.clone();
        shared.closes.raise();
        let Some(up) = self.up.take() else {
            return;
        };
        let sent = select3(up, shared.discard(), select(shared.stall(), abort.wait())).await;
        if matches!(sent, Either3::First(Ok(()))) && !shared.is_over.replace(true) {
            shared.engine.with(|stack| stack.tcp_close(shared.id));
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.down.cancel();
        if let Some(up) = self.up.take() {
            up.cancel();
        }
        let shared = &self.shared;
        if !shared.is_over.replace(true) {
            shared.engine.with(|stack| stack.tcp_abort(shared.id));
        }
    }
}

impl Shared {
    /// Neither side gets anything more.
    fn break_off(&self) {
        for pipe in &self.pipes {
            pipe.terminate();
        }
    }

    /// Ends it at once, for this reason if there is none yet.
    fn reset(&self, why: Error) {
        self.fate.set(self.fate.get().or(Some(why)));
        if !self.is_over.replace(true) {
            self.engine.with(|stack| stack.tcp_abort(self.id));
        }
        self.break_off();
    }

    /// From the peer to the client.
    async fn down(self: Rc<Self>, mut output: Output) {
        loop {
            let flow = self
                .engine
                .wait(|stack, waker| stack.poll_flow(self.id, waker));
            let bytes = match flow.await {
                Ok(Flow::Bytes(bytes)) => u32::try_from(bytes).unwrap_or(u32::MAX),
                Ok(Flow::Ended) => return output.finish(),
                Err(_) => return self.break_off(),
            };
            let Ok(mut room) = output.reserve(bytes).await else {
                return self.reset(Error::Aborted);
            };
            let len = room.len() as usize;
            let taken = self.engine.with(|stack| {
                stack.tcp_take(self.id, |bytes| {
                    let bytes = bytes.get(..len).unwrap_or(bytes);
                    let _ = room.write(0, bytes);
                    (bytes.len(), bytes.len())
                })
            });
            room.commit_first(taken.unwrap_or(0) as u32);
        }
    }

    /// From the client to the peer.
    async fn up(self: Rc<Self>, mut input: Input) {
        loop {
            let closes = self.closes.is_raised();
            let mut next = core::pin::pin!(input.chunk());
            let chunk = if closes {
                // Nothing will come that is not there.
                poll_fn(|cx| match next.as_mut().poll(cx) {
                    Poll::Pending => Poll::Ready(Ok(None)),
                    ready => ready,
                })
                .await
            } else {
                match select(next, self.closes.wait()).await {
                    Either::First(chunk) => chunk,
                    Either::Second(()) => continue,
                }
            };
            let chunk = match chunk {
                Ok(Some(chunk)) => chunk,
                // The client has its last frame behind it.
                Ok(None) => break,
                Err(Lost::Gone) if closes => break,
                Err(_) => return self.reset(Error::Aborted),
            };
            let room = self
                .engine
                .wait(|stack, waker| stack.poll_room(self.id, waker));
            if room.await.is_err() {
                return self.break_off();
            }
            let put = self.engine.with(|stack| {
                stack.tcp_put(self.id, |room| {
                    let len = room.len().min(chunk.len() as usize);
                    // There are as many.
                    let _ = chunk.read_at(0, &mut room[..len]);
                    (len, len)
                })
            });
            chunk.consume(put.unwrap_or(0) as u32);
            self.moved.set(self.moved.get().wrapping_add(1));
        }
        self.engine.with(|stack| stack.tcp_finish(self.id));
    }

    /// Throws away what the peer sends, for as long as it sends.
    async fn discard(&self) {
        loop {
            let flow = self
                .engine
                .wait(|stack, waker| stack.poll_flow(self.id, waker));
            if !matches!(flow.await, Ok(Flow::Bytes(_))) {
                return core::future::pending().await;
            }
            self.engine
                .with(|stack| stack.tcp_take(self.id, |bytes| (bytes.len(), ())));
        }
    }

    /// Waits until nothing moves for too long.
    async fn stall(&self) {
        loop {
            let before = self.moved.get();
            sleep(Duration::from_millis(LINGER_MS.into())).await;
            if self.moved.get() == before {
                return;
            }
        }
    }
}
