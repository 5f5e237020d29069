// SPDX-License-Identifier: BSD-2-Clause
//! A client: what it asks for, and what it may.

use alloc::{collections::BTreeMap, rc::Rc, string::String, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    net::{IpAddr, SocketAddr},
};

use atoll_abi::net::{
    Answer, Buffer, Error, Family, Limits, Listener, Local, MAX_CALLS, Reply, Request, Rule,
    VERSION,
};
use net_stack::{
    ConnectionId, ListenerId, config,
    policy::{Action, Rules},
};
use userland::{
    debug,
    future::{Either, select},
    info,
    rpc::{self, Caller, ServeError, Server},
    shm::Region,
    task::spawn,
    warn,
};

use crate::{
    buffer::{Ask, Buffers, Flag, State},
    datagrams::Datagrams,
    engine::Engine,
    stream::Stream,
};

/// Refusals at a door that are logged each; then ever fewer.
const LOGGED: u32 = 16;

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

/// Serves a client at its door.
pub fn open(
    engine: &Rc<Engine>,
    doors: &Rc<Doors>,
    client: &config::Client,
    region: &Region,
) -> Result<(), ServeError> {
    let limits = rpc::Limits {
        connections: 4,
        per_process: 2,
        calls: MAX_CALLS,
        pages: 4,
    };
    let server = Server::<Request, Answer>::open(region, "net")?.limits(limits);
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
        let name = door.name.clone();
        let serve = move |request, caller| door.clone().answer(request, caller);
        match server.serve(serve).await {
            Ok(never) => match never {},
            Err(error) => warn!("{name} is not served any more: {error}"),
        }
    });
    Ok(())
}

impl Door {
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

    // ---- Rules

    fn check_admin(&self) -> Result<(), Error> {
        if self.rules.borrow().is_admin() {
            Ok(())
        } else {
            Err(Error::NotAdministrator)
        }
    }

    fn list_rules(&self, after: u16) -> Answer {
        self.check_admin()?;
        let mut skip = usize::from(after);
        let mut page = heapless::Vec::new();
        for door in self.doors.0.borrow().iter() {
            let rules = door.rules.borrow();
            for (n, (text, is_withdrawn)) in rules.texts().enumerate() {
                if skip > 0 {
                    skip -= 1;
                    continue;
                }
                let rule = Rule {
                    client: cut(&door.name),
                    number: u16::try_from(n + 1).unwrap_or(u16::MAX),
                    text: cut(text),
                    is_withdrawn,
                };
                if page.push(rule).is_err() {
                    return Ok(Reply::Rules(page));
                }
            }
        }
        Ok(Reply::Rules(page))
    }

    fn withdraw(&self, client: &str, rule: u16, is_withdrawn: bool) -> Answer {
        self.check_admin()?;
        let doors = self.doors.0.borrow().clone();
        let door = doors.iter().find(|door| door.name == client);
        let door = door.ok_or(Error::NoRule)?;
        if !door.rules.borrow_mut().withdraw(rule, is_withdrawn) {
            return Err(Error::NoRule);
        }
        let what = if is_withdrawn {
            "withdrawn"
        } else {
            "restored"
        };
        info!("rule {rule} of {client} is {what} by {}", self.name);
        if is_withdrawn {
            door.keep_to_rules();
        } else {
            door.listen_again();
        }
        Ok(Reply::Done)
    }

    /// Lets those listen again who may again: their clients need not know.
    fn listen_again(&self) {
        for client in self.clients.borrow().values() {
            for listening in client.listeners.borrow_mut().values_mut() {
                let Local { address, port } = listening.local;
                let is_allowed = self.rules.borrow().allow(&Action::TcpListen(address, port));
                if !listening.is_withdrawn || is_allowed.is_err() {
                    continue;
                }
                let (local, backlog) = (listening.local, listening.backlog);
                // Where another listens meanwhile, it stays as it is.
                if let Ok((id, _)) = self.engine.with(|stack| stack.tcp_listen(local, backlog)) {
                    listening.id = id;
                    listening.is_withdrawn = false;
                }
            }
        }
    }

    /// Ends what no rule allows any more.
    fn keep_to_rules(&self) {
        let clients: Vec<_> = self.clients.borrow().values().cloned().collect();
        for client in clients {
            for listening in client.listeners.borrow_mut().values_mut() {
                let action = Action::TcpListen(listening.local.address, listening.local.port);
                if !listening.is_withdrawn && self.rules.borrow().allow(&action).is_err() {
                    listening.is_withdrawn = true;
                    self.engine.with(|stack| stack.tcp_unlisten(listening.id));
                }
            }
            client.buffers.end_those(|state| match state {
                State::Stream(stream) => {
                    stream.keep_to(&self.rules.borrow());
                    false
                }
                State::Datagrams(socket) => !socket.is_allowed(),
                _ => false,
            });
        }
    }

    fn count(&self, of: impl Fn(&Client) -> usize) -> usize {
        self.clients
            .borrow()
            .values()
            .map(|client| of(client))
            .sum()
    }

    /// Whether the rules allow this; says which one is missing if not.
    fn check(&self, action: &Action<'_>) -> Result<(), Error> {
        let allowed = self.rules.borrow().allow(action);
        allowed.map_err(|missing| {
            self.log_refusal(&missing);
            Error::NotAllowed
        })
    }

    fn log_refusal(&self, missing: &Action<'_>) {
        let count = self.refused.get().wrapping_add(1);
        self.refused.set(count);
        if count <= LOGGED || count.is_power_of_two() {
            warn!(
                "refused: add `{missing}` to the argument `{}=`, if it is to be allowed",
                self.name
            );
        }
    }

    fn listen(&self, client: &Client, local: Local, backlog: u16) -> Answer {
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

    async fn accept(&self, client: &Client, listener: Listener, buffer: Buffer) -> Answer {
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

    async fn connect(
        &self,
        client: &Client,
        peer: SocketAddr,
        local: Local,
        buffer: Buffer,
    ) -> Answer {
        self.check(&Action::TcpConnect(peer.ip(), peer.port()))?;
        let ask = client.buffers.ask(buffer)?;
        let id = self.engine.with(|stack| stack.tcp_connect(peer, local))?;
        let untold = Untold::new(&self.engine, id);
        let connected = self
            .engine
            .wait(|stack, waker| stack.poll_connected(id, waker));
        match select(connected, ask.aborted.wait()).await {
            Either::First(connected) => connected?,
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

    fn bind(&self, client: &Client, local: Local, buffer: Buffer) -> Answer {
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
    async fn end(&self, client: &Client, buffer: Buffer, is_abort: bool) -> Answer {
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

    async fn resolve(&self, name: &str, family: Family) -> Answer {
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
        let query = self.engine.with(|stack| stack.resolve(name, family))?;
        let _cancel = OnDrop(|| self.engine.with(|stack| stack.cancel_resolve(query)));
        let found = self
            .engine
            .wait(|stack, waker| stack.poll_resolve(query, waker));
        found.await.map(Reply::Resolved)
    }

    async fn ping(&self, address: IpAddr, bytes: u16) -> Answer {
        self.check(&Action::Icmp(address))?;
        let ping = self.engine.with(|stack| stack.ping(address, bytes))?;
        let _cancel = OnDrop(|| self.engine.with(|stack| stack.cancel_ping(ping)));
        let took = self
            .engine
            .wait(|stack, waker| stack.poll_ping(ping, waker));
        let took = took.await?;
        Ok(Reply::Pong {
            nanoseconds: took.total_micros().saturating_mul(1000),
        })
    }
}

/// As much of a text as there is room for.
fn cut<const N: usize>(text: &str) -> heapless::String<N> {
    let mut kept = heapless::String::new();
    for char in text.chars() {
        if kept.push(char).is_err() {
            break;
        }
    }
    kept
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
