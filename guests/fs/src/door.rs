// SPDX-License-Identifier: BSD-2-Clause
//! A client: who comes in at its door, and what it asks for.

mod rules;

use alloc::{collections::BTreeMap, rc::Rc, string::String, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    convert::Infallible,
};

use atoll_abi::fs::{Answer, Error, MAX_CALLS, Reply, Request};
use fs_tree::{Refusal, Rules, Session, config};
use userland::{
    debug,
    future::{Either, select},
    handle::Slot,
    rpc::{self, Caller, ServeError, Server},
    shm::Region,
    task::spawn,
    warn,
};

use crate::{buffer::Buffers, volume::Volume};

/// Refusals and failures at a door that are logged each; then ever fewer.
const LOGGED: u32 = 16;

/// The doors of all clients, in the order of the arguments.
#[derive(Default)]
pub struct Doors(RefCell<Vec<Rc<Door>>>);

/// A door, and those who came in: one client, and for a moment the one that it was before it was started again.
struct Door {
    volume: Rc<Volume>,
    config: config::Client,
    rules: Rc<Rules>,
    /// The doors of all clients.
    doors: Rc<Doors>,
    clients: RefCell<BTreeMap<u32, Client>>,
    logged: Cell<u32>,
}

/// What is kept for a connection with a client.
struct Client {
    session: Session,
    buffers: Buffers,
    /// Disks that were lost before it came.
    losses: u32,
}

/// Serves a client at its door, whenever that is in the slot.
pub fn open(
    volume: &Rc<Volume>,
    doors: &Rc<Doors>,
    config: &config::Client,
    mut slot: Slot<Region>,
) {
    let door = Rc::new(Door {
        volume: volume.clone(),
        config: config.clone(),
        rules: Rc::new(Rules::new(config)),
        doors: doors.clone(),
        clients: RefCell::default(),
        logged: Cell::new(0),
    });
    doors.0.borrow_mut().push(door.clone());
    spawn(async move {
        while let Ok(region) = slot.filled().await {
            let error = loop {
                let lost = door.volume.lost();
                match select(door.serve(&region), lost).await {
                    Either::First(Ok(never)) => match never {},
                    Either::First(Err(error)) => break error,
                    // All connections have ended, and with them what was open.
                    Either::Second(()) => {}
                }
            };
            warn!("{} is not served any more: {error}", door.config.name);
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
            connections: self.config.limits.connections as usize,
            per_process: 4,
            calls: MAX_CALLS,
            pages: 4,
        };
        let server = Server::<Request, Answer>::open(region, "fs")?.limits(limits);
        let door = self.clone();
        let serve = move |request: Request, caller| {
            let answer = door.answer(&request, &caller);
            core::future::ready(answer)
        };
        server.serve(serve).await
    }

    fn answer(self: &Rc<Self>, request: &Request, caller: &Caller) -> Answer {
        let number = caller.connection();
        if !self.clients.borrow().contains_key(&number) {
            self.admit(caller);
        }
        let mut clients = self.clients.borrow_mut();
        let limit = self.config.limits.buffers as usize;
        let client = clients.get_mut(&number).ok_or(Error::OtherVersion)?;
        let Client {
            session, buffers, ..
        } = client;
        let answer = match request {
            Request::Attach { token } if session.has_greeted() => {
                if buffers.len() >= limit {
                    return Err(Error::TooManyBuffers);
                }
                let buffer = buffers.attach(*token, caller.pid())?;
                return Ok(Reply::Attached(buffer));
            }
            Request::Detach { buffer } if session.has_greeted() => {
                return buffers.detach(*buffer).map(|()| Reply::Done);
            }
            Request::Rules { after } if session.has_greeted() => return self.list_rules(*after),
            Request::Withdraw { client, rule } if session.has_greeted() => {
                return self.withdraw(client, *rule, true);
            }
            Request::Restore { client, rule } if session.has_greeted() => {
                return self.withdraw(client, *rule, false);
            }
            _ => self
                .volume
                .with(|fs| session.answer(fs, request, |buffer| buffers.get(buffer)))?,
        };
        match &answer {
            Err(Error::NotAllowed) => {
                if let Some(refusal) = session.refusal() {
                    self.log(|| self.explain(&refusal));
                }
            }
            Err(error @ (Error::Io | Error::Corrupt | Error::NoDisk)) => {
                self.log(|| alloc::format!("{}: {error}", self.config.name));
            }
            _ => {}
        }
        answer
    }

    fn explain(&self, refusal: &Refusal) -> String {
        match refusal.missing {
            Some(missing) => alloc::format!(
                "refused: add `{missing}` behind `{}` in the argument `{}=`, if it is to be allowed",
                refusal.root,
                self.config.name
            ),
            None => alloc::format!(
                "refused: `{}` was withdrawn from {}",
                refusal.root,
                self.config.name
            ),
        }
    }

    /// Keeps something for a connection: until it ends.
    fn admit(self: &Rc<Self>, caller: &Caller) {
        let number = caller.connection();
        let client = Client {
            session: Session::new(&self.config, &self.rules),
            buffers: Buffers::default(),
            losses: self.volume.losses(),
        };
        self.clients.borrow_mut().insert(number, client);
        debug!(
            "{}: {} has come, process {}",
            self.config.name,
            caller.name(),
            caller.pid().0
        );
        let (door, left) = (self.clone(), caller.left());
        spawn(async move {
            left.await;
            let client = door.clients.borrow_mut().remove(&number);
            if let Some(client) = client
                && client.losses == door.volume.losses()
            {
                // Without a disk nothing is open.
                let _ = door.volume.with(|fs| client.session.end(fs));
            }
            debug!("{}: the connection {number} is gone", door.config.name);
        });
    }

    fn log(&self, line: impl FnOnce() -> String) {
        let count = self.logged.get().wrapping_add(1);
        self.logged.set(count);
        if count <= LOGGED || count.is_power_of_two() {
            warn!("{}", line());
        }
    }
}
