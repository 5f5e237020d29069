// SPDX-License-Identifier: BSD-2-Clause
//! The fs guest, as this one reaches it.

use alloc::{
    rc::Rc,
    string::{String, ToString as _},
    vec::Vec,
};
use core::cell::{Cell, RefCell};

use atoll_abi::fs::{Answer, Limits, MAX_MESSAGE, Node as Id, Reply, Request, VERSION};

use super::{Buffer, Dir, Error, Rights, Rule, Space, buffer::Pool, node::Node};
use crate::{
    rpc::{self, Client},
    shm::Region,
    start::Start,
};

/// The files that this guest may use. A clone is the same. See the example of [`fs`](crate::fs).
#[derive(Clone)]
pub struct Fs {
    pub(super) shared: Rc<Shared>,
}

/// What all that is open has in common.
pub(super) struct Shared {
    client: Client<Request, Answer>,
    pub pool: RefCell<Pool>,
    limits: Cell<Limits>,
    /// Counts the connections with the fs guest: what it was told before, it does not know any more.
    line: Cell<u32>,
    /// The one that has begun with a greeting.
    greeted: Cell<Option<u32>>,
    pub options: Options,
}

/// How a guest uses files.
///
/// ```
/// use userland::fs::Options;
///
/// // For reads and writes of long pieces.
/// let options = Options::named("backup").pages(8);
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    name: String,
    pub(super) pages: u32,
}

impl Options {
    /// The guest's name, as the fs guest sees it; buffers of one page. See the example of [`Options`].
    pub fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            pages: 1,
        }
    }

    /// Makes buffers of so many pages, from 1 to 16: a page is 64 KiB. See the example of [`Options`].
    #[must_use]
    pub const fn pages(mut self, pages: u32) -> Self {
        self.pages = pages;
        self
    }
}

/// A directory that this guest begins with. See the example of [`Fs::roots`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// What it is called.
    pub name: String,
    /// What this guest may do there.
    pub rights: Rights,
    pub(super) index: u32,
    pub(super) id: Id,
}

impl Fs {
    /// Connects to the fs guest: this guest's slot of this name is a channel with it. See the example of
    /// [`fs`](crate::fs).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn open(slot: &str) -> Result<Self, Error> {
        let start = Start::read().map_err(|_| Error::NoDoor)?;
        let door = start.region(slot).ok_or(Error::NoDoor)?;
        Self::at(&door, Options::named(start.name())).await
    }

    /// Connects to the fs guest through this channel.
    ///
    /// ```no_run
    /// use userland::{fs::{Error, Fs, Options}, start::Start};
    ///
    /// async fn open(start: &Start) -> Result<Fs, Error> {
    ///     let door = start.region("archive").ok_or(Error::NoDoor)?;
    ///     Fs::at(&door, Options::named(start.name()).pages(4)).await
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn at(door: &Region, options: Options) -> Result<Self, Error> {
        let connection = rpc::Options::named(&options.name).longest(MAX_MESSAGE);
        let client = Client::connect(door, connection).await?;
        let none = Limits {
            roots: 0,
            open: 0,
            buffers: 0,
            block: 1,
        };
        let fs = Self {
            shared: Rc::new(Shared {
                client,
                pool: RefCell::default(),
                limits: Cell::new(none),
                line: Cell::new(0),
                greeted: Cell::new(None),
                options,
            }),
        };
        fs.shared.ready().await?;
        Ok(fs)
    }

    /// Bytes of a block: reads and writes of whole blocks, at multiples of it, need no copy in the fs guest.
    ///
    /// ```no_run
    /// # use userland::fs::Fs;
    /// fn round_up(fs: &Fs, len: u32) -> u32 {
    ///     len.next_multiple_of(fs.block())
    /// }
    /// ```
    pub fn block(&self) -> u32 {
        self.shared.limits.get().block
    }

    /// The directories that this guest begins with.
    ///
    /// ```no_run
    /// # use userland::{fs::{Error, Fs}, info};
    /// async fn show(fs: &Fs) -> Result<(), Error> {
    ///     for root in fs.roots().await? {
    ///         info!("{}: {}", root.name, root.rights);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn roots(&self) -> Result<Vec<Root>, Error> {
        self.shared.ready().await?;
        let mut roots = Vec::new();
        for index in 0..self.shared.limits.get().roots {
            roots.push(self.shared.root(index).await?);
        }
        Ok(roots)
    }

    /// The directory that this guest begins with and that has this name. See the example of [`fs`](crate::fs).
    ///
    /// # Errors
    /// [`Error::NoRoot`], and see [`Error`].
    pub async fn root(&self, name: &str) -> Result<Dir, Error> {
        let mut roots = self.roots().await?.into_iter();
        let root = roots.find(|root| root.name == name).ok_or(Error::NoRoot)?;
        Ok(Dir::new(Node::root(&self.shared, &root), root.rights))
    }

    /// A buffer that the fs guest shares, of so many pages from 1 to 16. See the example of [`Buffer`].
    ///
    /// # Errors
    /// [`Error::Buffer`], and see [`Error`].
    pub async fn buffer(&self, pages: u32) -> Result<Buffer, Error> {
        Buffer::new(&self.shared, pages).await
    }

    /// How much there is on the disk.
    ///
    /// ```no_run
    /// # use userland::fs::{Error, Fs};
    /// async fn is_nearly_full(fs: &Fs) -> Result<bool, Error> {
    ///     let space = fs.space().await?;
    ///     Ok(space.free_blocks < space.blocks / 20)
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn space(&self) -> Result<Space, Error> {
        self.shared.ready().await?;
        match self.shared.ask(&Request::Space).await? {
            Reply::Space(space) => Ok(space),
            _ => Err(Error::Unexpected),
        }
    }
}

/// What an administrator does.
impl Fs {
    /// The rules of all clients of the fs guest, if its arguments say that this one is an administrator: the directories
    /// that each begins with.
    ///
    /// ```no_run
    /// # use userland::{fs::{Error, Fs}, info};
    /// async fn show(fs: &Fs) -> Result<(), Error> {
    ///     for rule in fs.rules().await? {
    ///         info!("{} {}: {}", rule.client, rule.number, rule.text);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn rules(&self) -> Result<Vec<Rule>, Error> {
        self.shared.ready().await?;
        let mut rules = Vec::new();
        loop {
            let after = u16::try_from(rules.len()).map_err(|_| Error::Unexpected)?;
            match self.shared.ask(&Request::Rules { after }).await? {
                Reply::Rules(page) if page.is_empty() => return Ok(rules),
                Reply::Rules(page) => rules.extend(page),
                _ => return Err(Error::Unexpected),
            }
        }
    }

    /// Withdraws a rule of a client, as an administrator: when this returns, the client is refused whatever it asks for
    /// there, also with what it has open.
    ///
    /// ```no_run
    /// # use userland::fs::{Error, Fs};
    /// /// Nobody sees the files of the web server for a while.
    /// async fn hide(fs: &Fs, work: impl Future<Output = ()>) -> Result<(), Error> {
    ///     fs.withdraw_rule("http", 1).await?;
    ///     work.await;
    ///     fs.restore_rule("http", 1).await
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn withdraw_rule(&self, client: &str, rule: u16) -> Result<(), Error> {
        let client = client.into();
        self.done(&Request::Withdraw { client, rule }).await
    }

    /// Restores a rule that was withdrawn. See the example of [`Fs::withdraw_rule`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn restore_rule(&self, client: &str, rule: u16) -> Result<(), Error> {
        let client = client.into();
        self.done(&Request::Restore { client, rule }).await
    }

    async fn done(&self, request: &Request) -> Result<(), Error> {
        self.shared.ready().await?;
        match self.shared.ask(request).await? {
            Reply::Done => Ok(()),
            _ => Err(Error::Unexpected),
        }
    }
}

impl Shared {
    pub async fn ask(&self, request: &Request) -> Result<Reply, Error> {
        Ok(self.client.call(request).await??)
    }

    /// Sees to it that there is a connection, and that it has begun with a greeting; answers which it is.
    pub async fn ready(&self) -> Result<u32, Error> {
        if !self.client.is_connected() {
            // Whoever waits for the connection has counted before it is there: so what is opened in it counts as
            // its own.
            self.line.set(self.line.get().wrapping_add(1));
            self.client.reconnect().await?;
        }
        let line = self.line.get();
        if self.greeted.get() == Some(line) {
            return Ok(line);
        }
        match self.ask(&Request::Hello { version: VERSION }).await? {
            Reply::Welcome(limits) => {
                self.limits.set(limits);
                self.greeted.set(Some(line));
                Ok(line)
            }
            _ => Err(Error::Unexpected),
        }
    }

    /// The connection there is now, or was last.
    pub const fn line(&self) -> u32 {
        self.line.get()
    }

    pub const fn limits(&self) -> Limits {
        self.limits.get()
    }

    pub async fn root(&self, index: u32) -> Result<Root, Error> {
        match self.ask(&Request::Root { index }).await? {
            Reply::Root { node, name, rights } => Ok(Root {
                name,
                rights,
                index,
                id: node,
            }),
            _ => Err(Error::Unexpected),
        }
    }
}

impl core::fmt::Debug for Fs {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Fs")
            .field("name", &self.shared.options.name.to_string())
            .finish_non_exhaustive()
    }
}
