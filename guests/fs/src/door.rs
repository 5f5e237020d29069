// SPDX-License-Identifier: BSD-2-Clause
//! A client: who comes in at its door, and what it asks for.

use alloc::{collections::BTreeMap, rc::Rc, string::String};
use core::cell::{Cell, RefCell};

use atoll_abi::fs::{Answer, Error, MAX_CALLS, Reply, Request};
use fs_tree::{Refusal, Session, config};
use userland::{
    debug,
    rpc::{self, Caller, ServeError, Server},
    shm::Region,
    task::spawn,
    warn,
};

use crate::{buffer::Buffers, volume::Volume};

/// Refusals and failures at a door that are logged each; then ever fewer.
const LOGGED: u32 = 16;

/// A door, and those who came in: one client, and for a moment the one that it was before it was started again.
struct Door {
    volume: Rc<Volume>,
    config: config::Client,
    clients: RefCell<BTreeMap<u32, Client>>,
    logged: Cell<u32>,
}

/// What is kept for a connection with a client.
struct Client {
    session: Session,
    buffers: Buffers,
}

/// Serves a client at its door.
pub fn open(
    volume: &Rc<Volume>,
    config: &config::Client,
    region: &Region,
) -> Result<(), ServeError> {
    let limits = rpc::Limits {
        connections: config.limits.connections as usize,
        per_process: 4,
        calls: MAX_CALLS,
        pages: 4,
    };
    let server = Server::<Request, Answer>::open(region, "fs")?.limits(limits);
    let door = Rc::new(Door {
        volume: volume.clone(),
        config: config.clone(),
        clients: RefCell::default(),
        logged: Cell::new(0),
    });
    spawn(async move {
        let name = door.config.name.clone();
        let serve = move |request: Request, caller| {
            let answer = door.answer(&request, &caller);
            core::future::ready(answer)
        };
        match server.serve(serve).await {
            Ok(never) => match never {},
            Err(error) => warn!("{name} is not served any more: {error}"),
        }
    });
    Ok(())
}

impl Door {
    fn answer(self: &Rc<Self>, request: &Request, caller: &Caller) -> Answer {
        let number = caller.connection();
        if !self.clients.borrow().contains_key(&number) {
            self.admit(caller);
        }
        let mut clients = self.clients.borrow_mut();
        let limit = self.config.limits.buffers as usize;
        let Client { session, buffers } = clients.get_mut(&number).ok_or(Error::OtherVersion)?;
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
            _ => self
                .volume
                .with(|fs| session.answer(fs, request, |buffer| buffers.get(buffer))),
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
        alloc::format!(
            "refused: add `{}` behind `{}` in the argument `{}=`, if it is to be allowed",
            refusal.missing,
            refusal.root,
            self.config.name
        )
    }

    /// Keeps something for a connection: until it ends.
    fn admit(self: &Rc<Self>, caller: &Caller) {
        let number = caller.connection();
        let client = Client {
            session: Session::new(&self.config),
            buffers: Buffers::default(),
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
            if let Some(client) = client {
                door.volume.with(|fs| client.session.end(fs));
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
