// SPDX-License-Identifier: BSD-2-Clause
//! A UDP socket of a client: one task for each direction.

use alloc::{collections::VecDeque, rc::Rc};
use core::{
    cell::{Cell, RefCell},
    future::{Future as _, poll_fn},
    net::SocketAddr,
    task::Poll,
};

use atoll_abi::net::{Error, PEER_BYTES, Peer};
use net_stack::{
    UdpId,
    policy::{Action, Rules},
};
use userland::{
    channel::{Chunk, Input, Output},
    future::{Either, select},
    task::{JoinHandle, spawn, yield_now},
};

use crate::{buffer::Flag, engine::Engine};

/// Peers that a socket may answer without a rule, those it has heard of last.
const HEARD: usize = 64;
/// Datagrams until other tasks have their turn.
const TURN: u32 = 64;

/// A UDP socket. To drop it closes it.
pub struct Datagrams {
    shared: Rc<Shared>,
    up: Option<JoinHandle<()>>,
    down: JoinHandle<()>,
}

struct Shared {
    engine: Rc<Engine>,
    id: UdpId,
    rules: Rc<RefCell<Rules>>,
    /// What a rule has allowed, if not any for UDP has.
    basis: Option<Action<'static>>,
    heard: RefCell<VecDeque<SocketAddr>>,
    /// Datagrams of the client that were dropped, those of all its sockets.
    dropped: Rc<Cell<u64>>,
    closes: Rc<Flag>,
}

impl Datagrams {
    pub fn new(
        engine: &Rc<Engine>,
        id: UdpId,
        rules: &Rc<RefCell<Rules>>,
        basis: Option<Action<'static>>,
        dropped: &Rc<Cell<u64>>,
        ends: (Input, Output),
    ) -> Self {
        let shared = Rc::new(Shared {
            engine: engine.clone(),
            id,
            rules: rules.clone(),
            basis,
            heard: RefCell::default(),
            dropped: dropped.clone(),
            closes: Rc::default(),
        });
        Self {
            up: Some(spawn(shared.clone().up(ends.0))),
            down: spawn(shared.clone().down(ends.1)),
            shared,
        }
    }

    /// Whether a rule allows it still.
    pub fn is_allowed(&self) -> bool {
        let rules = self.shared.rules.borrow();
        match &self.shared.basis {
            Some(basis) => rules.allow(basis).is_ok(),
            None => rules.has_udp(),
        }
    }

    /// Whether it may send there, and can.
    pub fn may_send(&self, peer: SocketAddr) -> Result<(), Error> {
        if !self.shared.is_allowed(peer) {
            return Err(Error::NotAllowed);
        }
        self.shared.engine.with(|stack| stack.udp_check(peer))
    }

    /// Sends what is in the pipe, and closes it; at once when it is told to.
    pub async fn close(mut self, abort: &Rc<Flag>) {
        self.shared.closes.raise();
        if let Some(up) = self.up.take() {
            if let Either::Second(()) = select(up, abort.wait()).await {
                return;
            }
            // The engine sends what was written last.
            for _ in 0..2 {
                yield_now().await;
            }
        }
    }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        self.down.cancel();
        if let Some(up) = self.up.take() {
            up.cancel();
        }
        let shared = &self.shared;
        shared.closes.raise();
        shared.engine.with(|stack| stack.udp_close(shared.id));
    }
}

impl Shared {
    fn is_allowed(&self, peer: SocketAddr) -> bool {
        self.heard.borrow().contains(&peer)
            || self
                .rules
                .borrow()
                .allow(&Action::UdpSend(peer.ip(), peer.port()))
                .is_ok()
    }

    fn count_dropped(&self) {
        self.dropped.set(self.dropped.get().saturating_add(1));
    }

    /// Keeps in mind whom it has heard of.
    fn hear(&self, peer: SocketAddr) {
        let mut heard = self.heard.borrow_mut();
        if heard.back() == Some(&peer) {
            return;
        }
        if let Some(place) = heard.iter().position(|other| *other == peer) {
            heard.remove(place);
        } else if heard.len() == HEARD {
            heard.pop_front();
        }
        heard.push_back(peer);
    }

    /// From the network to the client. What finds no room is dropped.
    async fn down(self: Rc<Self>, mut output: Output) {
        let mut turn = TURN;
        loop {
            let output = &mut output;
            let received = self.engine.wait(|stack, waker| {
                stack.udp_receive(self.id, waker, |peer, bytes| {
                    let len =
                        PEER_BYTES + u32::try_from(bytes.len()).unwrap_or(u32::MAX - PEER_BYTES);
                    let room = output.try_reserve_frame(len);
                    let is_taken = room.is_some();
                    if let Some(mut room) = room {
                        let _ = room.write(0, &Peer(peer).to_bytes());
                        let _ = room.write(PEER_BYTES, bytes);
                        room.commit();
                    }
                    (peer, is_taken)
                })
            });
            match received.await {
                Ok((peer, is_taken)) => {
                    self.hear(peer);
                    if !is_taken {
                        self.count_dropped();
                    }
                }
                Err(_) => return,
            }
            turn -= 1;
            if turn == 0 {
                turn = TURN;
                yield_now().await;
            }
        }
    }

    /// From the client to the network.
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
            let Ok(Some(chunk)) = chunk else {
                return;
            };
            if self.send(&chunk).await.is_none() {
                self.count_dropped();
            }
            let len = chunk.len();
            chunk.consume(len);
        }
    }

    /// Sends a frame of the client's pipe as a datagram; none if it is none, or may not go there.
    async fn send(&self, chunk: &Chunk<'_>) -> Option<()> {
        let mut peer = [0; PEER_BYTES as usize];
        chunk.read_at(0, &mut peer)?;
        let Peer(peer) = Peer::from_bytes(&peer)?;
        let len = chunk.len().checked_sub(PEER_BYTES)? as usize;
        if !self.is_allowed(peer) {
            return None;
        }
        let sent = self.engine.wait(|stack, waker| {
            stack.udp_send(self.id, peer, len, waker, |room| {
                // It is as long.
                let _ = chunk.read_at(PEER_BYTES, room);
            })
        });
        sent.await.ok()
    }
}
