// SPDX-License-Identifier: BSD-2-Clause
//! What clients may, and who may change that.

use alloc::vec::Vec;

use atoll_abi::net::{Answer, Error, Local, Reply, Rule};
use net_stack::policy::Action;
use userland::{info, warn};

use super::Door;
use crate::buffer::State;

/// Refusals at a door that are logged each; then ever fewer.
const LOGGED: u32 = 16;

impl Door {
    /// Whether the rules allow this; says which one is missing if not.
    pub(super) fn check(&self, action: &Action<'_>) -> Result<(), Error> {
        let allowed = self.rules.borrow().allow(action);
        allowed.map_err(|missing| {
            self.log_refusal(&missing);
            Error::NotAllowed
        })
    }

    pub(super) fn log_refusal(&self, missing: &Action<'_>) {
        let count = self.refused.get().wrapping_add(1);
        self.refused.set(count);
        if count <= LOGGED || count.is_power_of_two() {
            warn!(
                "refused: add `{missing}` to the argument `{}=`, if it is to be allowed",
                self.name
            );
        }
    }

    fn check_admin(&self) -> Result<(), Error> {
        if self.rules.borrow().is_admin() {
            Ok(())
        } else {
            Err(Error::NotAdministrator)
        }
    }

    pub(super) fn list_rules(&self, after: u16) -> Answer {
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

    pub(super) fn withdraw(&self, client: &str, rule: u16, is_withdrawn: bool) -> Answer {
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
