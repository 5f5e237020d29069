// SPDX-License-Identifier: BSD-2-Clause
//! A client: what it asks for, and what it may.

mod rules;
mod sockets;

use alloc::{collections::BTreeMap, rc::Rc, string::String, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    convert::Infallible,
};

use atoll_abi::net::{Answer, Error, Limits, Local, MAX_CALLS, Reply, Request, VERSION};
use net_stack::{
    ListenerId, config,
    policy::{Action, Rules},
};
use userland::{
    debug,
    handle::Slot,
    rpc::{self, Caller, ServeError, Server},
    shm::Region,
    task::spawn,
    warn,
};

use crate::{
    buffer::{Buffers, State},
    engine::Engine,
};

/// The doors of all clients, in the order of the arguments.
#[derive(Default)]
pub struct Doors(RefCell<Vec<Rc<Door>>>);

/// A socket that listens, and where.
struct Listening {
    id: ListenerId,
    local: Local,
    backlog: u16,
    /// No rule allows it any more.
    is_withdrawn: bool,
}

/// A door, and those who came in: one client, and for a moment the one that it was before it was started again.
struct Door {
    engine: Rc<Engine>,
    name: String,
    rules: Rc<RefCell<Rules>>,
    /// The doors of all clients.
    doors: Rc<Doors>,
    limits: Limits,
    clients: RefCell<BTreeMap<u32, Rc<Client>>>,
    refused: Cell<u32>,
}

/// What the net guest keeps for a connection with a client.
struct Client {
    buffers: Rc<Buffers>,
    listeners: RefCell<BTreeMap<u32, Listening>>,
    next: Cell<u32>,
    dropped: Rc<Cell<u64>>,
    greeted: Cell<bool>,
}

/// Serves a client at its door, whenever that is in the slot.
pub fn open(
    engine: &Rc<Engine>,
    doors: &Rc<Doors>,
    client: &config::Client,
    mut slot: Slot<Region>,
) {
    let door = Rc::new(Door {
        engine: engine.clone(),
        name: client.name.clone(),
        rules: Rc::new(RefCell::new(client.rules.clone())),
        doors: doors.clone(),
        limits: client.limits,
        clients: RefCell::default(),
        refused: Cell::new(0),
    });
    doors.0.borrow_mut().push(door.clone());
    spawn(async move {
        while let Ok(region) = slot.filled().await {
            let error = match door.serve(&region).await {
                Ok(never) => match never {},
                Err(error) => error,
            };
            warn!("{} is not served any more: {error}", door.name);
            // Until there is another door.
            if slot.emptied().await.is_err() {
                return;
            }
        }
    });
}

impl Door {
    async fn serve(self: &Rc<Self>, region: &Region) -> Result<Infallible, ServeError> {
        let limits = rpc::Limits {
            connections: 4,
            per_process: 2,
            calls: MAX_CALLS,
            pages: 4,
        };
        let server = Server::<Request, Answer>::open(region, "net")?.limits(limits);
        let door = self.clone();
        server
            .serve(move |request, caller| door.clone().answer(request, caller))
            .await
    }

    async fn answer(self: Rc<Self>, request: Request, caller: Caller) -> Answer {
        let client = self.client(&caller);
        if let Request::Hello { version } = request {
            if version != VERSION {
                return Err(Error::OtherVersion);
            }
            client.greeted.set(true);
            return Ok(Reply::Welcome(self.limits));
        }
        if !client.greeted.get() {
            return Err(Error::OtherVersion);
        }
        self.engine.look_at_clock();
        match request {
            Request::Hello { .. } => Err(Error::OtherVersion),
            Request::Status { seen } => {
                let mut status = self.engine.status(seen).await;
                status.traffic.datagrams_dropped = client.dropped.get();
                Ok(Reply::Status(status))
            }
            Request::Attach { token } => {
                if self.count(|client| client.buffers.count()) >= self.limits.buffers.into() {
                    return Err(Error::TooManyBuffers);
                }
                let buffer = client.buffers.attach(token, caller.pid())?;
                Ok(Reply::Attached(buffer))
            }
            Request::Detach { buffer } => client.buffers.detach(buffer).map(|()| Reply::Done),
            Request::Listen { local, backlog } => self.listen(&client, local, backlog),
            Request::Unlisten { listener } => {
                let known = client.listeners.borrow_mut().remove(&listener.0);
                let known = known.ok_or(Error::BadListener)?;
                self.engine.with(|stack| stack.tcp_unlisten(known.id));
                Ok(Reply::Done)
            }
            Request::Accept { listener, buffer } => self.accept(&client, listener, buffer).await,
            Request::Connect {
                peer,
                local,
                buffer,
            } => self.connect(&client, peer, local, buffer).await,
            Request::Close { buffer } => self.end(&client, buffer, false).await,
            Request::Abort { buffer } => self.end(&client, buffer, true).await,
            Request::Fate { buffer } => client.buffers.with(buffer, |state| match state {
                State::Stream(stream) => Ok(Reply::Fate(stream.fate())),
                _ => Err(Error::BadBuffer),
            }),
            Request::Bind { local, buffer } => self.bind(&client, local, buffer),
            Request::MaySend { buffer, peer } => {
                let answer = client.buffers.with(buffer, |state| match state {
                    State::Datagrams(socket) => socket.may_send(peer),
                    _ => Err(Error::BadBuffer),
                });
                if answer == Err(Error::NotAllowed) {
                    self.log_refusal(&Action::UdpSend(peer.ip(), peer.port()));
                }
                answer.map(|()| Reply::Done)
            }
            Request::Resolve { name, family } => self.resolve(&name, family).await,
            Request::Ping { address, bytes } => self.ping(address, bytes).await,
            Request::Rules { after } => self.list_rules(after),
            Request::Withdraw { client, rule } => self.withdraw(&client, rule, true),
            Request::Restore { client, rule } => self.withdraw(&client, rule, false),
        }
    }

    /// What is kept for a connection: until it ends.
    fn client(self: &Rc<Self>, caller: &Caller) -> Rc<Client> {
        let number = caller.connection();
        if let Some(client) = self.clients.borrow().get(&number) {
            return client.clone();
        }
        let client = Rc::new(Client {
            buffers: Rc::default(),
            listeners: RefCell::default(),
            next: Cell::new(0),
            dropped: Rc::default(),
            greeted: Cell::new(false),
        });
        self.clients.borrow_mut().insert(number, client.clone());
        debug!(
            "{}: {} has come, process {}",
            self.name,
            caller.name(),
            caller.pid().0
        );
        let (door, left) = (self.clone(), caller.left());
        let name = String::from(caller.name());
        spawn(async move {
            left.await;
            let client = door.clients.borrow_mut().remove(&number);
            if let Some(client) = client {
                door.forget(&client);
            }
            debug!("{}: {name} is gone", door.name);
        });
        client
    }

    /// Ends all that a client had: its connections are reset.
    fn forget(&self, client: &Client) {
        for (_, listener) in client.listeners.take() {
            self.engine.with(|stack| stack.tcp_unlisten(listener.id));
        }
        client.buffers.clear();
    }

    fn count(&self, of: impl Fn(&Client) -> usize) -> usize {
        self.clients
            .borrow()
            .values()
            .map(|client| of(client))
            .sum()
    }
}
