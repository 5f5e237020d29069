// SPDX-License-Identifier: BSD-2-Clause
//! A supervisor, such as init, as its clients see it. Needs the grants `shared_memory`, `wake` and `time`, and a channel
//! with the supervisor whose arguments say what this guest may do there.

use alloc::vec::Vec;
use core::fmt;

pub use atoll_abi::init::{Condition, Error as Reason, Health, Member, Restart, Strategy, What};
use atoll_abi::{
    Rights,
    init::{Answer, MAX_MESSAGE, Reply, Request, VERSION},
};

use crate::{
    handle::{Capability, Terms},
    rpc::{self, CallError, Client, ConnectError},
    shm::Region,
    start::Start,
    text::bounded,
};

/// Why something was not done.
///
/// ```
/// use userland::init::{Error, Reason};
///
/// assert_eq!(Error::Init(Reason::NoMember).to_string(), "the supervisor has no member of this name");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// This guest has no such channel.
    NoDoor,
    /// The supervisor cannot be reached.
    Connect(ConnectError),
    /// It did not answer.
    Call(CallError),
    /// It refuses.
    Init(Reason),
    /// It answers something else than was asked.
    Protocol,
    /// This guest cannot do its part.
    Guest(crate::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDoor => f.write_str("there is no channel with a supervisor in this slot"),
            Self::Connect(error) => write!(f, "the supervisor: {error}"),
            Self::Call(error) => write!(f, "the supervisor: {error}"),
            Self::Init(reason) => write!(f, "{reason}"),
            Self::Protocol => f.write_str("the supervisor speaks something else"),
            Self::Guest(error) => write!(f, "{error}"),
        }
    }
}

impl core::error::Error for Error {}

impl From<crate::Error> for Error {
    fn from(error: crate::Error) -> Self {
        Self::Guest(error)
    }
}

/// A connection with a supervisor.
///
/// ```no_run
/// use userland::{info, init::{Error, Init}, start::Start};
///
/// async fn look(start: &Start) -> Result<(), Error> {
///     let init = Init::open(start, "init").await?;
///     for member in init.members().await? {
///         info!("{}: {:?}, started again {} times", member.name, member.condition, member.restarts);
///     }
///     if init.may_control() {
///         init.restart("net").await?;
///     }
///     Ok(())
/// }
/// ```
pub struct Init {
    client: Client<Request, Answer>,
    may_control: bool,
}

impl Init {
    /// Connects through the channel in this slot. See the example of [`Init`].
    ///
    /// # Errors
    /// [`Error::NoDoor`], [`Error::Connect`], [`Error::Call`], [`Error::Init`].
    pub async fn open(start: &Start, slot: &str) -> Result<Self, Error> {
        let door: Region = start.region(slot).ok_or(Error::NoDoor)?;
        Self::at(&door, start.name()).await
    }

    /// Connects through this channel, under a name for the supervisor's log.
    ///
    /// ```no_run
    /// use userland::{init::{Error, Init}, shm::Region};
    ///
    /// async fn end_it(door: &Region) -> Result<(), Error> {
    ///     Init::at(door, "watchdog").await?.shutdown().await
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`Init::open`].
    pub async fn at(door: &Region, name: &str) -> Result<Self, Error> {
        let options = rpc::Options::named(name).longest(MAX_MESSAGE);
        let client = Client::connect(door, options)
            .await
            .map_err(Error::Connect)?;
        let mut init = Self {
            client,
            may_control: false,
        };
        init.greet().await?;
        Ok(init)
    }

    async fn greet(&mut self) -> Result<(), Error> {
        match self.ask(&Request::Hello { version: VERSION }).await? {
            Reply::Welcome { may_control } => {
                self.may_control = may_control;
                Ok(())
            }
            _ => Err(Error::Protocol),
        }
    }

    async fn ask(&self, request: &Request) -> Result<Reply, Error> {
        let answer = self.client.call(request).await.map_err(Error::Call)?;
        answer.map_err(Error::Init)
    }

    async fn have_done(&self, request: &Request) -> Result<(), Error> {
        match self.ask(request).await? {
            Reply::Done => Ok(()),
            _ => Err(Error::Protocol),
        }
    }

    /// Whether this guest may do more than see. See the example of [`Init`].
    pub fn may_control(&self) -> bool {
        self.may_control
    }

    /// Connects again, after the supervisor was started again.
    ///
    /// ```no_run
    /// use userland::init::{Error, Init};
    ///
    /// /// Asks once more if the supervisor went away meanwhile.
    /// async fn start(init: &mut Init, member: &str) -> Result<(), Error> {
    ///     match init.start(member).await {
    ///         Err(Error::Call(_)) => {
    ///             init.reconnect().await?;
    ///             init.start(member).await
    ///         }
    ///         other => other,
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`Init::open`].
    pub async fn reconnect(&mut self) -> Result<(), Error> {
        self.client.reconnect().await.map_err(Error::Connect)?;
        self.greet().await
    }

    /// All members, in the order of their tree. See the example of [`Init`].
    ///
    /// # Errors
    /// [`Error::Call`], [`Error::Init`].
    pub async fn members(&self) -> Result<Vec<Member>, Error> {
        let mut members = Vec::new();
        loop {
            let after = u16::try_from(members.len()).map_err(|_| Error::Protocol)?;
            let Reply::Members(page) = self.ask(&Request::List { after }).await? else {
                return Err(Error::Protocol);
            };
            if page.is_empty() {
                return Ok(members);
            }
            members.extend(page);
        }
    }

    /// Waits until something is another than it was when the count was `seen`; answers the count.
    ///
    /// ```no_run
    /// use userland::{info, init::{Error, Init}};
    ///
    /// async fn follow(init: &Init) -> Result<(), Error> {
    ///     let mut seen = 0;
    ///     loop {
    ///         seen = init.changed(seen).await?;
    ///         info!("{} members", init.members().await?.len());
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::Call`], [`Error::Init`].
    pub async fn changed(&self, seen: u32) -> Result<u32, Error> {
        match self.ask(&Request::Changed { seen }).await? {
            Reply::Changed { count } => Ok(count),
            _ => Err(Error::Protocol),
        }
    }

    /// Starts a member and what it needs. See the example of [`Init::reconnect`].
    ///
    /// # Errors
    /// [`Error::Call`], [`Error::Init`].
    pub async fn start(&self, member: &str) -> Result<(), Error> {
        let member = bounded(member)?;
        self.have_done(&Request::Start { member }).await
    }

    /// Stops a member, and what needs it, until somebody asks.
    ///
    /// ```no_run
    /// use userland::init::{Error, Init};
    ///
    /// async fn rest(init: &Init) -> Result<(), Error> {
    ///     init.stop("ping").await
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::Call`], [`Error::Init`].
    pub async fn stop(&self, member: &str) -> Result<(), Error> {
        let member = bounded(member)?;
        self.have_done(&Request::Stop { member }).await
    }

    /// Stops a member, if it runs, and starts it. See the example of [`Init`].
    ///
    /// # Errors
    /// [`Error::Call`], [`Error::Init`].
    pub async fn restart(&self, member: &str) -> Result<(), Error> {
        let member = bounded(member)?;
        self.have_done(&Request::Restart { member }).await
    }

    /// Takes what the spec gave a guest in a slot, or the supervisor gave it, for good.
    ///
    /// ```no_run
    /// use userland::init::{Error, Init};
    ///
    /// /// The web server has no files for a while.
    /// async fn unplug(init: &Init, work: impl AsyncFnOnce()) -> Result<(), Error> {
    ///     init.revoke("http", "fs").await?;
    ///     work().await;
    ///     init.restore("http", "fs").await
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::Call`], [`Error::Init`].
    pub async fn revoke(&self, member: &str, slot: &str) -> Result<(), Error> {
        let (member, slot) = (bounded(member)?, bounded(slot)?);
        self.have_done(&Request::Revoke { member, slot }).await
    }

    /// Gives a guest back what the spec gives it in a slot. See the example of [`Init::revoke`].
    ///
    /// # Errors
    /// [`Error::Call`], [`Error::Init`].
    pub async fn restore(&self, member: &str, slot: &str) -> Result<(), Error> {
        let (member, slot) = (bounded(member)?, bounded(slot)?);
        self.have_done(&Request::Restore { member, slot }).await
    }

    /// Gives a guest a capability of this one, for as long as it runs. Needs the right to grant.
    ///
    /// ```no_run
    /// use userland::{Rights, init::{Error, Init}, shm::Region};
    ///
    /// async fn lend(init: &Init, region: &Region) -> Result<(), Error> {
    ///     init.give("reader", "story", region, Rights::READ).await
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::Guest`] if it cannot be shared, [`Error::Call`], [`Error::Init`].
    pub async fn give(
        &self,
        member: &str,
        slot: &str,
        capability: &impl Capability,
        rights: Rights,
    ) -> Result<(), Error> {
        // The supervisor hands it on.
        let token = capability.share(Terms::once(rights.union(Rights::GRANT)))?;
        let request = Request::Give {
            member: bounded(member)?,
            slot: bounded(slot)?,
            token: token.to_bytes(),
            rights,
        };
        let answer = self.have_done(&request).await;
        if answer.is_err() {
            // It may have been taken up.
            let _ = token.withdraw();
        }
        answer
    }

    /// Ends everything in order, and switches the machine off. See the example of [`Init::at`].
    ///
    /// # Errors
    /// [`Error::Init`] if that cannot be; [`Error::Call`], also when this guest is about to be ended.
    pub async fn shutdown(&self) -> Result<(), Error> {
        self.have_done(&Request::Shutdown).await
    }
}
