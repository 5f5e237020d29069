// SPDX-License-Identifier: BSD-2-Clause
//! A client: what it asks for, and what it may.

use alloc::{collections::BTreeMap, rc::Rc, string::String};
use core::{cell::RefCell, fmt::Write as _};

use atoll_abi::{
    Error as Refused, Rights,
    init::{Answer, Condition, Error, Health, MAX_PAGE, Member, Reply, Request, VERSION, What},
    message::{Name, Text},
};
use supervise::{Door as Policy, Kind as NodeKind, Refusal};
use userland::{
    debug,
    handle::{self, Capability as _, Token},
    info,
    rpc::{self, Caller, ServeError, Server},
    shm::Region,
    task::spawn,
    warn,
};

use crate::{health::Pulse, keeper::Keeper};

/// A door, and those who came in.
struct Door {
    keeper: Rc<Keeper>,
    slot: String,
    may_control: bool,
    /// The connections that have said which version they speak.
    greeted: RefCell<BTreeMap<u32, ()>>,
}

/// Serves a client at its door.
pub fn open(keeper: &Rc<Keeper>, client: &Policy, region: &Region) -> Result<(), ServeError> {
    let limits = rpc::Limits {
        connections: 4,
        per_process: 2,
        calls: 8,
        pages: 2,
    };
    let server = Server::<Request, Answer>::open(region, "init")?.limits(limits);
    let door = Rc::new(Door {
        keeper: keeper.clone(),
        slot: client.slot.clone(),
        may_control: client.may_control,
        greeted: RefCell::default(),
    });
    spawn(async move {
        let slot = door.slot.clone();
        let serve = move |request, caller| door.clone().answer(request, caller);
        match server.serve(serve).await {
            Ok(never) => match never {},
            Err(error) => warn!("{slot} is not served any more: {error}"),
        }
    });
    Ok(())
}

impl Door {
    async fn answer(self: Rc<Self>, request: Request, caller: Caller) -> Answer {
        if let Request::Hello { version } = request {
            if version != VERSION {
                return Err(Error::OtherVersion);
            }
            self.greet(&caller);
            return Ok(Reply::Welcome {
                may_control: self.may_control,
            });
        }
        if !self.greeted.borrow().contains_key(&caller.connection()) {
            return Err(Error::OtherVersion);
        }
        let sees = matches!(request, Request::List { .. } | Request::Changed { .. });
        if !sees && !self.may_control {
            warn!(
                "{}: refused; the argument `{}=control` would allow it",
                caller.name(),
                self.slot
            );
            return Err(Error::NotAllowed);
        }
        let keeper = &self.keeper;
        match request {
            Request::Hello { .. } => Err(Error::OtherVersion),
            Request::List { after } => Ok(self.list(after)),
            Request::Changed { seen } => Ok(Reply::Changed {
                count: keeper.changed(seen).await,
            }),
            Request::Start { member } => {
                let id = self.find(&member)?;
                keeper.with(|it| it.start(id)).map_err(refusal)?;
                keeper.nudge();
                self.until_it_runs(id).await
            }
            Request::Stop { member } => {
                let id = self.find(&member)?;
                keeper.with(|it| it.stop(id)).map_err(refusal)?;
                keeper.nudge();
                self.until(|| match keeper.with(|it| it.condition(id)) {
                    Condition::Down | Condition::GivenUp => Some(Ok(Reply::Done)),
                    _ => None,
                })
                .await
            }
            Request::Restart { member } => {
                let id = self.find(&member)?;
                let before = keeper.process_of(id).0;
                let now = userland::time::Instant::now().nanoseconds() / 1_000_000;
                keeper.with(|it| it.restart(id, now)).map_err(refusal)?;
                keeper.nudge();
                // One that runs has to go first.
                self.until(|| {
                    let is_before = before.is_some() && keeper.process_of(id).0 == before;
                    (!is_before).then_some(())
                })
                .await;
                self.until_it_runs(id).await
            }
            Request::Revoke { member, slot } => {
                let taken = self.guest(&member, |guest| guest.take(&slot))?;
                info!(
                    "{} takes {slot} from {member}: {}",
                    caller.name(),
                    outcome(taken)
                );
                taken.map(|()| Reply::Done).map_err(|error| match error {
                    Refused::Denied => Error::NoRight,
                    _ => Error::NoSlot,
                })
            }
            Request::Restore { member, slot } => {
                let restored = self.guest(&member, |guest| guest.restore(&slot))?;
                info!(
                    "{} gives {slot} back to {member}: {}",
                    caller.name(),
                    outcome(restored)
                );
                restored.map(|()| Reply::Done).map_err(|error| match error {
                    Refused::Denied => Error::NoRight,
                    Refused::NotFound => Error::NotRevoked,
                    _ => Error::TooMany,
                })
            }
            Request::Give {
                member,
                slot,
                token,
                rights,
            } => self.give(&member, &slot, token, rights),
            Request::Shutdown => {
                if !self.keeper.may_switch_off() {
                    warn!(
                        "{} asks for the end of the system: refused; ask the supervisor at the top, with the grant \
                         `power`",
                        caller.name()
                    );
                    return Err(Error::NoPowerSwitch);
                }
                info!("{} ends the system", caller.name());
                keeper.with(|it| it.shut_down());
                keeper.nudge();
                // If this is answered at all, it could not be.
                self.until(|| (!keeper.with(|it| it.is_shutting_down())).then_some(()))
                    .await;
                Err(Error::NoPowerSwitch)
            }
        }
    }

    fn greet(self: &Rc<Self>, caller: &Caller) {
        let number = caller.connection();
        if self.greeted.borrow_mut().insert(number, ()).is_some() {
            return;
        }
        debug!("{}: {} has come", self.slot, caller.name());
        let (door, left) = (self.clone(), caller.left());
        spawn(async move {
            left.await;
            door.greeted.borrow_mut().remove(&number);
        });
    }

    fn find(&self, member: &Name) -> Result<usize, Error> {
        self.keeper
            .with(|it| it.policy().find(member))
            .ok_or(Error::NoMember)
    }

    fn guest<R>(
        &self,
        member: &Name,
        f: impl FnOnce(&userland::process::Guest) -> R,
    ) -> Result<R, Error> {
        let id = self.find(member)?;
        self.keeper.guest(id).map(f).ok_or(Error::NoGuest)
    }

    async fn until<T>(&self, ready: impl Fn() -> Option<T>) -> T {
        let mut seen = 0;
        loop {
            if let Some(answer) = ready() {
                return answer;
            }
            seen = self.keeper.changed(seen).await;
        }
    }

    async fn until_it_runs(&self, id: usize) -> Answer {
        let keeper = &self.keeper;
        self.until(|| match keeper.with(|it| it.condition(id)) {
            Condition::Up => Some(Ok(Reply::Done)),
            Condition::GivenUp => Some(Err(Error::NotStarted)),
            // It may have ended well in the meantime.
            Condition::Down => Some(match keeper.with(|it| it.has_finished(id)) {
                true => Ok(Reply::Done),
                false => Err(Error::NotStarted),
            }),
            // One that nobody starts is not waited for.
            Condition::Waiting => keeper
                .with(|it| it.waits_for(id))
                .map(|_| Err(Error::NotStarted)),
            Condition::Stopping => None,
        })
        .await
    }

    fn give(&self, member: &Name, slot: &Name, token: [u8; 16], rights: Rights) -> Answer {
        let id = self.find(member)?;
        if self.keeper.guest(id).is_none() {
            return Err(Error::NoGuest);
        }
        let token = Token::from_bytes(token);
        let taken = handle::accept_any(&token).map_err(|error| match error {
            Refused::TooManyHandles | Refused::TooMany => Error::TooMany,
            _ => Error::BadToken,
        })?;
        let given = self
            .keeper
            .with_process(id, |process| process.grant(slot, &taken, rights));
        let refused = match given {
            // It lasts as long as what it comes from: this guest's handle.
            Some(Ok(())) => match self.keeper.keep(id, taken) {
                Ok(()) => return Ok(Reply::Done),
                Err(taken) => {
                    let _ = taken.close();
                    return Err(Error::TooMany);
                }
            },
            None | Some(Err(Refused::Ended)) => Error::NotRunning,
            Some(Err(Refused::Denied)) => Error::BadToken,
            Some(Err(_)) => Error::TooMany,
        };
        let _ = taken.close();
        Err(refused)
    }

    fn list(&self, after: u16) -> Reply {
        let mut page = heapless::Vec::<_, MAX_PAGE>::new();
        let count = self.keeper.with(|it| it.policy().nodes.len());
        // The group of all is nobody's business.
        for id in usize::from(after).saturating_add(1)..count {
            let Some(member) = self.describe(id) else {
                break;
            };
            if page.push(member).is_err() {
                break;
            }
        }
        Reply::Members(page)
    }

    fn describe(&self, id: usize) -> Option<Member> {
        let (pid, process, pulse) = self.keeper.process_of(id);
        self.keeper.with(|it| {
            let node = it.policy().nodes.get(id)?;
            let member = it.member(id)?;
            let what = match &node.kind {
                NodeKind::Guest(guest) => What::Guest {
                    pid,
                    process,
                    health: match (guest.health, pulse) {
                        _ if it.is_hung(id) => Health::Hung,
                        (None, _) => Health::Unwatched,
                        (Some(_), Pulse::Unknown) => Health::Unknown,
                        (Some(_), Pulse::Well) => Health::Well,
                    },
                },
                NodeKind::Group {
                    strategy,
                    most,
                    within,
                } => What::Group {
                    strategy: *strategy,
                    most: *most,
                    within_ms: *within,
                },
            };
            Some(Member {
                name: Name::try_from(&*node.name).unwrap_or_default(),
                depth: node.depth,
                what,
                restart: node.restart,
                condition: it.condition(id),
                restarts: member.restarts,
                last_end: cut(&member.last_end),
            })
        })
    }
}

fn refusal(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Running => Error::Running,
        Refusal::NotRunning => Error::NotRunning,
        Refusal::ShuttingDown => Error::ShuttingDown,
    }
}

fn outcome(done: Result<(), Refused>) -> &'static str {
    match done {
        Ok(()) => "done",
        Err(Refused::Denied) => "the spec does not let this supervisor",
        Err(_) => "refused",
    }
}

/// The first line, as far as it fits.
fn cut(text: &str) -> Text {
    let mut cut = Text::new();
    for letter in text.lines().next().unwrap_or_default().chars() {
        if cut.write_char(letter).is_err() {
            break;
        }
    }
    cut
}
