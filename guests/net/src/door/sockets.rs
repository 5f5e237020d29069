// SPDX-License-Identifier: BSD-2-Clause
//! A client's sockets, and what else it does on the network.

use alloc::rc::Rc;
use core::net::{IpAddr, SocketAddr};

use atoll_abi::net::{Answer, Buffer, Error, Family, Listener, Local, Reply};
use net_stack::{ConnectionId, policy::Action};
use userland::future::{Either, select};

use super::{Client, Door, Listening};
use crate::{
    buffer::{Ask, Buffers, Flag, State},
    datagrams::Datagrams,
    engine::Engine,
    stream::Stream,
};

impl Door {
    /// Refuses what needs a device while there is none.
    fn check_device(&self) -> Result<(), Error> {
        match self.engine.is_plugged() {
            true => Ok(()),
            false => Err(Error::NoDevice),
        }
    }

    pub(super) fn listen(&self, client: &Client, local: Local, backlog: u16) -> Answer {
        if local.port != 0 {
            self.check(&Action::TcpListen(local.address, local.port))?;
        }
        let listeners = self.count(|client| client.listeners.borrow().len());
        if listeners >= self.limits.listeners.into() {
            return Err(Error::TooManyListeners);
        }
        if backlog == 0 {
            return Err(Error::InvalidArgument);
        }
        let backlog = backlog.min(self.limits.backlog);
        let (listener, local) = self.engine.with(|stack| stack.tcp_listen(local, backlog))?;
        // One that was chosen is checked when it is known.
        if let Err(error) = self.check(&Action::TcpListen(local.address, local.port)) {
            self.engine.with(|stack| stack.tcp_unlisten(listener));
            return Err(error);
        }
        let number = client.next.get();
        client.next.set(number.wrapping_add(1));
        let listening = Listening {
            id: listener,
            local,
            backlog,
            is_withdrawn: false,
        };
        client.listeners.borrow_mut().insert(number, listening);
        Ok(Reply::Listening {
            listener: Listener(number),
            local,
        })
    }

    pub(super) async fn accept(
        &self,
        client: &Client,
        listener: Listener,
        buffer: Buffer,
    ) -> Answer {
        let find = || {
            let listeners = client.listeners.borrow();
            let known = listeners.get(&listener.0).ok_or(Error::BadListener)?;
            if known.is_withdrawn {
                return Err(Error::NotAllowed);
            }
            Ok((known.id, known.local))
        };
        let (known, local) = find()?;
        let basis = Action::TcpListen(local.address, local.port);
        let ask = client.buffers.ask(buffer)?;
        loop {
            let accepted = self
                .engine
                .wait(|stack, waker| stack.poll_accept(known, waker));
            let id = match select(accepted, ask.aborted.wait()).await {
                // It may have been withdrawn meanwhile.
                Either::First(accepted) => match accepted {
                    Ok(id) => id,
                    Err(error) => return Err(find().err().unwrap_or(error)),
                },
                Either::Second(()) => return Err(Error::Aborted),
            };
            // One that is over already is not worth a buffer.
            if let Some(reply) = self.begin(&ask, Untold::new(&self.engine, id), basis)? {
                return Ok(reply);
            }
        }
    }

    pub(super) async fn connect(
        &self,
        client: &Client,
        peer: SocketAddr,
        local: Local,
        buffer: Buffer,
    ) -> Answer {
        self.check(&Action::TcpConnect(peer.ip(), peer.port()))?;
        self.check_device()?;
        let ask = client.buffers.ask(buffer)?;
        let id = self.engine.with(|stack| stack.tcp_connect(peer, local))?;
        let untold = Untold::new(&self.engine, id);
        let connected = self
            .engine
            .wait(|stack, waker| stack.poll_connected(id, waker));
        let connected = self.engine.while_plugged(connected);
        match select(connected, ask.aborted.wait()).await {
            Either::First(connected) => connected??,
            Either::Second(()) => return Err(Error::Aborted),
        }
        let basis = Action::TcpConnect(peer.ip(), peer.port());
        // The rule may have been withdrawn meanwhile.
        self.check(&basis)?;
        self.begin(&ask, untold, basis)?.ok_or(Error::Reset)
    }

    /// Has bytes go between a connection and a buffer; none if the connection has ended.
    fn begin(
        &self,
        ask: &Ask,
        untold: Untold,
        basis: Action<'static>,
    ) -> Result<Option<Reply>, Error> {
        let ends = self.engine.with(|stack| stack.tcp_ends(untold.id));
        let Some((local, peer)) = ends else {
            return Ok(None);
        };
        let pipes = ask.ends()?;
        let stream = Stream::new(&self.engine, untold.tell(), pipes, basis);
        ask.become_used(State::Stream(stream))?;
        Ok(Some(Reply::Connected { local, peer }))
    }

    pub(super) fn bind(&self, client: &Client, local: Local, buffer: Buffer) -> Answer {
        let action = Action::UdpBind(local.address, local.port);
        // On a port that is chosen for it, who may send may have a socket.
        let chosen = local.port == 0 && self.rules.borrow().has_udp();
        if !chosen {
            self.check(&action)?;
        }
        let basis = (!chosen).then_some(action);
        let ask = client.buffers.ask(buffer)?;
        let pipes = ask.ends()?;
        let (id, local) = self.engine.with(|stack| stack.udp_bind(local))?;
        let socket = Datagrams::new(&self.engine, id, &self.rules, basis, &client.dropped, pipes);
        ask.become_used(State::Datagrams(socket))?;
        Ok(Reply::Bound { local })
    }

    /// Ends what there is in a buffer. When this is answered, the buffer is the client's.
    pub(super) async fn end(&self, client: &Client, buffer: Buffer, is_abort: bool) -> Answer {
        let (abort, over) = (Rc::new(Flag::default()), Rc::new(Flag::default()));
        let before = client.buffers.with(buffer, |state| {
            Ok(match state {
                State::Free => State::Free,
                State::Asked(flag) => {
                    flag.raise();
                    *state = State::Free;
                    State::Free
                }
                State::Ending(abort, over) => State::Ending(abort.clone(), over.clone()),
                _ if is_abort => core::mem::replace(state, State::Free),
                _ => {
                    let ending = State::Ending(abort.clone(), over.clone());
                    core::mem::replace(state, ending)
                }
            })
        })?;
        match before {
            State::Free | State::Asked(_) => return Ok(Reply::Done),
            State::Ending(abort, over) => {
                if is_abort {
                    abort.raise();
                }
                over.wait().await;
                return Ok(Reply::Done);
            }
            used if is_abort => {
                // Before the client is told.
                drop(used);
                return Ok(Reply::Done);
            }
            used => {
                let ended = Ended {
                    buffers: client.buffers.clone(),
                    buffer,
                    over,
                };
                match used {
                    State::Stream(stream) => stream.close(&abort).await,
                    State::Datagrams(socket) => socket.close(&abort).await,
                    _ => {}
                }
                drop(ended);
            }
        }
        Ok(Reply::Done)
    }

    pub(super) async fn resolve(&self, name: &str, family: Family) -> Answer {
        if let Ok(address) = name.parse::<IpAddr>() {
            let is_asked_for = match family {
                Family::Any => true,
                Family::V4 => address.is_ipv4(),
                Family::V6 => address.is_ipv6(),
            };
            let found = is_asked_for.then_some(address).into_iter().collect();
            return match is_asked_for {
                true => Ok(Reply::Resolved(found)),
                false => Err(Error::NameNotFound),
            };
        }
        self.check(&Action::Dns(name))?;
        self.check_device()?;
        let query = self.engine.with(|stack| stack.resolve(name, family))?;
        let _cancel = OnDrop(|| self.engine.with(|stack| stack.cancel_resolve(query)));
        let found = self
            .engine
            .wait(|stack, waker| stack.poll_resolve(query, waker));
        let found = self.engine.while_plugged(found).await?;
        found.map(Reply::Resolved)
    }

    pub(super) async fn ping(&self, address: IpAddr, bytes: u16) -> Answer {
        self.check(&Action::Icmp(address))?;
        self.check_device()?;
        let ping = self.engine.with(|stack| stack.ping(address, bytes))?;
        let _cancel = OnDrop(|| self.engine.with(|stack| stack.cancel_ping(ping)));
        let took = self
            .engine
            .wait(|stack, waker| stack.poll_ping(ping, waker));
        let took = self.engine.while_plugged(took).await??;
        Ok(Reply::Pong {
            nanoseconds: took.total_micros().saturating_mul(1000),
        })
    }
}

/// Runs when a call has ended, be it that it was cancelled.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A socket that was in a buffer has ended: says so, also where nobody waited for it.
struct Ended {
    buffers: Rc<Buffers>,
    buffer: Buffer,
    over: Rc<Flag>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.buffers.free(self.buffer);
        self.over.raise();
    }
}

/// A connection of which the client does not know. It is reset if it never does.
struct Untold {
    engine: Rc<Engine>,
    id: ConnectionId,
    is_told: bool,
}

impl Untold {
    fn new(engine: &Rc<Engine>, id: ConnectionId) -> Self {
        Self {
            engine: engine.clone(),
            id,
            is_told: false,
        }
    }

    fn tell(mut self) -> ConnectionId {
        self.is_told = true;
        self.id
    }
}

impl Drop for Untold {
    fn drop(&mut self) {
        if !self.is_told {
            self.engine.with(|stack| stack.tcp_abort(self.id));
        }
    }
}
