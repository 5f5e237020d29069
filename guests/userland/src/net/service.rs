// SPDX-License-Identifier: BSD-2-Clause
//! The net guest, as this one reaches it.

use alloc::{
    rc::Rc,
    string::{String, ToString as _},
    vec::Vec,
};
use core::{
    cell::{Cell, RefCell},
    net::IpAddr,
    time::Duration,
};

use atoll_abi::net::{Answer, MAX_MESSAGE, Reply, Request, Rule, VERSION};

use super::{Error, Family, Limits, Reason, Status, buffer::Pool};
use crate::{
    rpc::{self, Client},
    shm::Region,
    start::Start,
};

/// The network, as far as this guest may use it. A clone is the same. See the example of [`net`](crate::net).
#[derive(Clone)]
pub struct Net {
    pub(super) shared: Rc<Shared>,
}

/// What the sockets have in common.
pub(super) struct Shared {
    pub client: Client<Request, Answer>,
    pub pool: RefCell<Pool>,
    pub limits: Cell<Limits>,
    /// Counts the connections with the net guest: what it was told before, it does not know any more.
    pub line: Cell<u32>,
    /// The one that has begun with a greeting.
    greeted: Cell<Option<u32>>,
    pub options: Options,
}

/// How a guest uses the network.
///
/// ```
/// use userland::net::Options;
///
/// // For few connections, each with a lot of bytes under way.
/// let options = Options::named("mirror").pages(8);
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) name: String,
    pub(super) pages: u32,
}

impl Options {
    /// The guest's name, as the net guest sees it; buffers of one page. See the example of [`Options`].
    pub fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            pages: 1,
        }
    }

    /// Makes buffers of so many pages, from 1 to 16: a page holds 16 KiB each way. See the example of [`Options`].
    #[must_use]
    pub const fn pages(mut self, pages: u32) -> Self {
        self.pages = pages;
        self
    }
}

impl Net {
    /// Connects to the net guest: this guest's slot of this name is a channel with it. See the example of
    /// [`net`](crate::net).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn open(slot: &str) -> Result<Self, Error> {
        let start = Start::read().map_err(|_| Error::NoDoor)?;
        let door = start.region(slot).ok_or(Error::NoDoor)?;
        Self::at(&door, Options::named(start.name())).await
    }

    /// Connects to the net guest through this channel.
    ///
    /// ```no_run
    /// use userland::{net::{Error, Net, Options}, start::Start};
    ///
    /// async fn open(start: &Start) -> Result<Net, Error> {
    ///     let door = start.region("uplink").ok_or(Error::NoDoor)?;
    ///     Net::at(&door, Options::named(start.name()).pages(4)).await
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn at(door: &Region, options: Options) -> Result<Self, Error> {
        let connection = rpc::Options::named(&options.name).longest(MAX_MESSAGE);
        let client = Client::connect(door, connection).await?;
        let net = Self::over(client, options);
        net.ready().await?;
        Ok(net)
    }

    /// With this connection.
    pub(super) fn over(client: Client<Request, Answer>, options: Options) -> Self {
        let none = Limits {
            buffers: 0,
            listeners: 0,
            backlog: 0,
        };
        Self {
            shared: Rc::new(Shared {
                client,
                pool: RefCell::default(),
                limits: Cell::new(none),
                line: Cell::new(0),
                greeted: Cell::new(None),
                options,
            }),
        }
    }

    /// How much this guest may have at a time.
    ///
    /// ```no_run
    /// # use userland::net::Net;
    /// fn connections(net: &Net) -> u16 {
    ///     net.limits().buffers
    /// }
    /// ```
    pub fn limits(&self) -> Limits {
        self.shared.limits.get()
    }

    /// How the interface is set up now.
    ///
    /// ```no_run
    /// # use userland::{info, net::{Error, Net}};
    /// async fn show(net: &Net) -> Result<(), Error> {
    ///     for subnet in &net.status().await?.addresses {
    ///         info!("reachable at {subnet}");
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn status(&self) -> Result<Status, Error> {
        self.status_after(None).await
    }

    /// How the interface is set up, when it is another way than this.
    ///
    /// ```no_run
    /// # use userland::{info, net::{Error, Net}};
    /// async fn follow(net: &Net) -> Result<(), Error> {
    ///     let mut status = net.status().await?;
    ///     loop {
    ///         info!("the link is {}", if status.has_link { "up" } else { "down" });
    ///         status = net.changed(&status).await?;
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn changed(&self, from: &Status) -> Result<Status, Error> {
        self.status_after(Some(from.generation)).await
    }

    /// Waits until the interface has all the addresses that the net guest's arguments ask for.
    ///
    /// ```no_run
    /// use core::time::Duration;
    /// use userland::{net::{Error, Net, Reason, Status}, time::timeout};
    ///
    /// async fn wait(net: &Net) -> Result<Status, Error> {
    ///     let status = timeout(Duration::from_secs(10), net.configured()).await;
    ///     status.map_err(|_| Reason::NotConfigured)?
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn configured(&self) -> Result<Status, Error> {
        let mut status = self.status().await?;
        while !status.is_configured {
            status = self.changed(&status).await?;
        }
        Ok(status)
    }

    async fn status_after(&self, seen: Option<u32>) -> Result<Status, Error> {
        match self.ask_anew(&Request::Status { seen }).await? {
            Reply::Status(status) => Ok(status),
            _ => Err(Error::Unexpected),
        }
    }

    /// The addresses of a name, one at least; of an address as text, that address.
    ///
    /// ```no_run
    /// # use userland::{info, net::{Error, Net}};
    /// async fn show(net: &Net) -> Result<(), Error> {
    ///     for address in net.resolve("example.org").await? {
    ///         info!("{address}");
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Error> {
        self.resolve_to(name, Family::Any).await
    }

    /// As [`Net::resolve`], only addresses of this family.
    ///
    /// ```no_run
    /// # use core::net::IpAddr;
    /// # use userland::net::{Error, Family, Net};
    /// async fn newer(net: &Net) -> Result<Vec<IpAddr>, Error> {
    ///     net.resolve_to("example.org", Family::V6).await
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn resolve_to(&self, name: &str, family: Family) -> Result<Vec<IpAddr>, Error> {
        let name = name.try_into().map_err(|_| Reason::BadName)?;
        match self.ask_anew(&Request::Resolve { name, family }).await? {
            Reply::Resolved(addresses) => Ok(addresses.to_vec()),
            _ => Err(Error::Unexpected),
        }
    }

    /// Sends an ICMP echo request of so many bytes, and waits for the reply; answers how long that took.
    ///
    /// ```no_run
    /// use core::{net::IpAddr, time::Duration};
    /// use userland::{net::Net, time::timeout};
    ///
    /// async fn is_there(net: &Net, address: IpAddr) -> bool {
    ///     matches!(timeout(Duration::from_secs(1), net.ping(address, 56)).await, Ok(Ok(_)))
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn ping(&self, address: IpAddr, bytes: u16) -> Result<Duration, Error> {
        match self.ask_anew(&Request::Ping { address, bytes }).await? {
            Reply::Pong { nanoseconds } => Ok(Duration::from_nanos(nanoseconds)),
            _ => Err(Error::Unexpected),
        }
    }

    /// The rules of all clients of the net guest, if its arguments say that this one is an administrator.
    ///
    /// ```no_run
    /// # use userland::{info, net::{Error, Net}};
    /// async fn show(net: &Net) -> Result<(), Error> {
    ///     for rule in net.rules().await? {
    ///         info!("{} {}: {}", rule.client, rule.number, rule.text);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn rules(&self) -> Result<Vec<Rule>, Error> {
        let mut rules = Vec::new();
        loop {
            let after = u16::try_from(rules.len()).map_err(|_| Error::Unexpected)?;
            match self.ask_anew(&Request::Rules { after }).await? {
                Reply::Rules(page) if page.is_empty() => return Ok(rules),
                Reply::Rules(page) => rules.extend(page),
                _ => return Err(Error::Unexpected),
            }
        }
    }

    /// Withdraws a rule of a client, as an administrator: what only it allowed has ended when this returns.
    ///
    /// ```no_run
    /// # use userland::net::{Error, Net};
    /// /// Nobody connects to the web server for a while.
    /// async fn pause(net: &Net, work: impl Future<Output = ()>) -> Result<(), Error> {
    ///     net.withdraw_rule("http", 1).await?;
    ///     work.await;
    ///     net.restore_rule("http", 1).await
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn withdraw_rule(&self, client: &str, rule: u16) -> Result<(), Error> {
        let client = client.try_into().map_err(|_| Reason::NoRule)?;
        self.done(&Request::Withdraw { client, rule }).await
    }

    /// Restores a rule that was withdrawn. See the example of [`Net::withdraw_rule`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn restore_rule(&self, client: &str, rule: u16) -> Result<(), Error> {
        let client = client.try_into().map_err(|_| Reason::NoRule)?;
        self.done(&Request::Restore { client, rule }).await
    }

    async fn done(&self, request: &Request) -> Result<(), Error> {
        match self.ask_anew(request).await? {
            Reply::Done => Ok(()),
            _ => Err(Error::Unexpected),
        }
    }

    /// Asks the net guest that there is, which may be another one than before.
    pub(super) async fn ask_anew(&self, request: &Request) -> Result<Reply, Error> {
        self.ready().await?;
        self.shared.ask(request).await
    }

    /// Sees to it that there is a connection, and that it has begun with a greeting.
    pub(super) async fn ready(&self) -> Result<(), Error> {
        let shared = &*self.shared;
        if !shared.client.is_connected() {
            // Whoever waits for the connection has counted before it is there: so what is handed over in it
            // counts as its own.
            shared.line.set(shared.line.get().wrapping_add(1));
            shared.pool.take();
            shared.client.reconnect().await?;
        }
        let line = shared.line.get();
        if shared.greeted.get() == Some(line) {
            return Ok(());
        }
        match shared.ask(&Request::Hello { version: VERSION }).await? {
            Reply::Welcome(limits) => {
                shared.limits.set(limits);
                shared.greeted.set(Some(line));
                Ok(())
            }
            _ => Err(Error::Unexpected),
        }
    }
}

impl Shared {
    pub async fn ask(&self, request: &Request) -> Result<Reply, Error> {
        Ok(self.client.call(request).await??)
    }
}

impl core::fmt::Debug for Net {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Net")
            .field("name", &self.shared.options.name.to_string())
            .finish_non_exhaustive()
    }
}
