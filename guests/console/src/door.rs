// SPDX-License-Identifier: BSD-2-Clause
//! A client: who comes in at its door, and what it asks for.

use alloc::{collections::BTreeMap, rc::Rc};
use core::cell::{Cell, RefCell};

use atoll_abi::{
    console::{Answer, Bytes, Error, Reply, Request, VERSION},
    message::Name,
};
use console_terminal::ClientId;
use userland::{
    debug,
    rpc::{self, Caller, ServeError, Server},
    shm::Region,
    task::spawn,
    warn,
};

use crate::engine::{DEVICE, Engine};

/// A door, and those who came in: one client, and for a moment the one that it was before it was started again.
struct Door {
    engine: Rc<Engine>,
    client: ClientId,
    name: Name,
    connections: RefCell<BTreeMap<u32, Rc<Connection>>>,
}

/// What is kept for a connection.
#[derive(Default)]
struct Connection {
    greeted: Cell<bool>,
    reads: Cell<bool>,
}

/// Serves a client at its door.
pub fn open(
    engine: &Rc<Engine>,
    client: ClientId,
    name: &Name,
    region: &Region,
) -> Result<(), ServeError> {
    let limits = rpc::Limits {
        connections: 4,
        per_process: 2,
        calls: 8,
        pages: 2,
    };
    let server = Server::<Request, Answer>::open(region, "console")?.limits(limits);
    let door = Rc::new(Door {
        engine: engine.clone(),
        client,
        name: name.clone(),
        connections: RefCell::default(),
    });
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
        let connection = self.connection(&caller);
        if let Request::Hello { version } = request {
            if version != VERSION {
                return Err(Error::OtherVersion);
            }
            connection.greeted.set(true);
            return Ok(Reply::Welcome {
                name: self.name.clone(),
                given: self.engine.with(|terminal| terminal.given(self.client)),
            });
        }
        if !connection.greeted.get() {
            return Err(Error::OtherVersion);
        }
        let (engine, client) = (&self.engine, self.client);
        match request {
            Request::Hello { .. } => return Err(Error::OtherVersion),
            Request::Write { bytes } => self.write(&bytes).await,
            Request::Read { after } => {
                let (number, bytes) = self.read(&connection, after).await?;
                return Ok(Reply::Input { number, bytes });
            }
            Request::SetMode { mode } => engine.with(|it| it.set_mode(client, mode)),
            Request::Foreground { client: name } => {
                engine.with(|it| it.put_foreground(client, name.as_ref()))?;
            }
            Request::View { level, process } => {
                engine.with(|it| it.view(client, level, process))?;
            }
            Request::Status => {
                return Ok(Reply::Status(engine.with(|it| it.status(DEVICE))));
            }
        }
        Ok(Reply::Done)
    }

    /// Returns when all is sent.
    async fn write(&self, bytes: &Bytes) {
        let mut rest = &bytes[..];
        let mut end = 0;
        while !rest.is_empty() {
            let part = self.engine.wait(|terminal| {
                terminal
                    .has_room()
                    .then(|| terminal.write(self.client, rest))
            });
            let (count, place) = part.await;
            rest = rest.get(count..).unwrap_or_default();
            end = place;
        }
        let sent = self
            .engine
            .wait(|terminal| terminal.is_sent(end).then_some(()));
        sent.await;
    }

    /// Waits for input, as long as the client does.
    async fn read(&self, connection: &Connection, after: u64) -> Result<(u64, Bytes), Error> {
        if connection.reads.replace(true) {
            return Err(Error::Busy);
        }
        let _reading = Reading {
            door: self,
            connection,
        };
        self.engine
            .with(|terminal| terminal.set_waits(self.client, true));
        let input = self.engine.wait(|it| it.read(self.client, after));
        Ok(input.await)
    }

    /// What is kept for a connection: until it ends.
    fn connection(self: &Rc<Self>, caller: &Caller) -> Rc<Connection> {
        let number = caller.connection();
        if let Some(connection) = self.connections.borrow().get(&number) {
            return connection.clone();
        }
        let connection = Rc::new(Connection::default());
        self.connections
            .borrow_mut()
            .insert(number, connection.clone());
        self.engine
            .with(|terminal| terminal.connect(self.client, caller.pid()));
        debug!(
            "{}: {} has come, process {}",
            self.name,
            caller.name(),
            caller.pid().0
        );
        let (door, left) = (self.clone(), caller.left());
        spawn(async move {
            left.await;
            door.connections.borrow_mut().remove(&number);
            door.engine
                .with(|terminal| terminal.disconnect(door.client));
        });
        connection
    }
}

/// A call that waits for input, be it that it is cancelled.
struct Reading<'a> {
    door: &'a Door,
    connection: &'a Connection,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.connection.reads.set(false);
        self.door
            .engine
            .with(|terminal| terminal.set_waits(self.door.client, false));
    }
}
