// SPDX-License-Identifier: BSD-2-Clause
//! The client.

use alloc::{
    boxed::Box,
    rc::{Rc, Weak},
    string::String,
    vec::Vec,
};
use core::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    marker::PhantomData,
    pin::Pin,
    task::{Poll, Waker},
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    calls::{Call, Line, Table},
    error::ConnectError,
    knock::{Link, knock},
    owned::Owned,
    porch::Porch,
};
use crate::{
    Error,
    channel::Channel,
    handle::{self, Capability as _},
    shm::Region,
    singleton::{self, Service},
    task::{JoinHandle, spawn},
    time::Deadline,
};

/// Asks a service: sends it a `Q` and gets an `R` back. See the example of [`rpc`](crate::rpc).
///
/// A clone asks through the same connection.
pub struct Client<Q, R> {
    shared: Rc<Shared<R>>,
    of: PhantomData<fn(&Q)>,
}

/// What the clones have in common.
pub(super) struct Shared<R> {
    pub line: RefCell<Line<R>>,
    door: Box<dyn Door>,
    options: Options,
    turn: Turn,
}

/// How a client connects.
///
/// ```
/// use core::time::Duration;
/// use userland::rpc::Options;
///
/// let options = Options::named("shell").patience(Duration::from_secs(1)).longest(64 << 10);
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) name: String,
    patience: Duration,
    pub(super) longest: u32,
}

impl Options {
    /// The client's name, as the service sees it: it waits 5 seconds for the service, and a message has at most 8
    /// KiB. See the example of [`Options`].
    pub fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            patience: Duration::from_secs(5),
            longest: 8 << 10,
        }
    }

    /// Waits so long for the service. See the example of [`Options`].
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Makes room for requests and replies of so many bytes: four times as much memory, and more. See the example
    /// of [`Options`].
    #[must_use]
    pub const fn longest(mut self, bytes: u32) -> Self {
        self.longest = bytes;
        self
    }
}

/// A way to the door of a service. A trait, so that a guest that has no services does not import their calls.
trait Door {
    fn find(&self) -> Pin<Box<dyn Future<Output = Result<Found, Error>> + '_>>;

    /// How many have provided it so far, if that is known: each of them has another door.
    fn generation(&self) -> Option<u32> {
        None
    }
}

enum Found {
    /// It is there for good.
    Lent(Region),
    /// It is to be closed.
    Own(Owned),
}

impl Found {
    const fn region(&self) -> &Region {
        match self {
            Self::Lent(region) | Self::Own(Owned(region)) => region,
        }
    }
}

impl Door for Region {
    fn find(&self) -> Pin<Box<dyn Future<Output = Result<Found, Error>> + '_>> {
        // It may have been taken from this guest and given back.
        Box::pin(async {
            Ok(Found::Lent(Self::from_handle(handle::renewed(
                self.handle(),
            ))))
        })
    }
}

impl Door for Service {
    fn find(&self) -> Pin<Box<dyn Future<Output = Result<Found, Error>> + '_>> {
        Box::pin(async {
            singleton::lookup(self)
                .await
                .map(|it| Found::Own(Owned(it)))
        })
    }

    fn generation(&self) -> Option<u32> {
        // Refused when the grant is taken away: then there is no other provider for this guest.
        Self::generation(self).ok()
    }
}

impl<Q: Serialize, R: DeserializeOwned + 'static> Client<Q, R> {
    /// Connects to the service that has this door. See the example of [`rpc`](crate::rpc).
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(door: &Region, options: Options) -> Result<Self, ConnectError> {
        Self::at(Box::new(Region::from_handle(door.handle())), options).await
    }

    /// Connects to a service of this name: what it provides is its door. Needs the grant `singletons`.
    ///
    /// ```no_run
    /// use userland::{rpc::{Client, ConnectError, Options}, singleton::Service};
    ///
    /// async fn find(clock: &Service) -> Result<Client<(), u64>, ConnectError> {
    ///     Client::look_up(clock, Options::named("sleeper")).await
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn look_up(service: &Service, options: Options) -> Result<Self, ConnectError> {
        Self::at(Box::new(Service::from_handle(service.handle())), options).await
    }

    async fn at(door: Box<dyn Door>, options: Options) -> Result<Self, ConnectError> {
        let client = Self {
            shared: Rc::new(Shared {
                line: RefCell::new(Line {
                    link: None,
                    watch: None,
                    generation: 0,
                    calls: Table::new(),
                }),
                door,
                options,
                turn: Turn::default(),
            }),
            of: PhantomData,
        };
        client.reconnect().await?;
        Ok(client)
    }

    /// Connects again if it is not connected, and answers the generation of the service: another one is another
    /// incarnation, which does not know what the one before was told. Several tasks may do so at once; one
    /// connects.
    ///
    /// ```no_run
    /// use userland::rpc::{CallError, Client, ConnectError};
    ///
    /// /// Asks until there is an answer. For questions that may be asked twice.
    /// async fn ask(client: &Client<u32, u64>, number: u32) -> Result<u64, CallError> {
    ///     loop {
    ///         match client.call(&number).await {
    ///             Err(CallError::Disconnected) => {
    ///                 client.reconnect().await.map_err(|_| CallError::Disconnected)?;
    ///             }
    ///             other => return other,
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn reconnect(&self) -> Result<u32, ConnectError> {
        let shared = &*self.shared;
        let _turn = shared.turn.take().await;
        if self.is_connected() {
            return Ok(self.generation());
        }
        let deadline = Deadline::after(shared.options.patience);
        let connected = deadline.limit(async {
            let found = shared.door.find().await;
            let found = found.map_err(|error| ConnectError::Door(error.into()))?;
            let porch = Porch::at(found.region());
            let porch = porch.map_err(|error| ConnectError::Door(error.into()))?;
            let channel = porch.channel().await?;
            let (link, welcome) = knock(&porch, &channel, &shared.options).await?;
            let at = At {
                channel,
                _porch: porch,
                _found: found,
            };
            Ok::<_, ConnectError>((link, welcome, at))
        });
        let (link, welcome, at) = connected.await.map_err(|_| ConnectError::TimedOut)??;
        let mut line = shared.line.borrow_mut();
        line.link = Some(link);
        let generation = shared.door.generation().unwrap_or(welcome.generation);
        line.generation = generation;
        line.calls.limit = welcome.limit as usize;
        let watch = spawn(watch(at, Rc::downgrade(&self.shared)));
        line.watch = Some(Watching(watch));
        Ok(generation)
    }

    /// Asks.
    ///
    /// ```no_run
    /// use userland::{future::join, rpc::{CallError, Client}};
    ///
    /// /// Both at once.
    /// async fn two(client: &Client<u32, u64>) -> Result<u64, CallError> {
    ///     let (one, other) = join(client.call(&1), client.call(&2)).await;
    ///     Ok(one? + other?)
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`CallError`](super::CallError).
    #[inline]
    pub fn call<'a>(&'a self, request: &'a Q) -> Call<'a, Q, R> {
        Call::new(&self.shared, request)
    }

    /// Which incarnation of the service it is, or was, connected to: how many there have been at this door, or
    /// how many have provided the service that was looked up.
    ///
    /// ```no_run
    /// # use userland::{info, rpc::Client};
    /// fn tell(client: &Client<u32, u64>) {
    ///     info!("started {} times so far", client.generation());
    /// }
    /// ```
    pub fn generation(&self) -> u32 {
        self.shared.line.borrow().generation
    }

    /// Whether it is connected, as far as it knows: a call finds out.
    ///
    /// ```no_run
    /// # use userland::rpc::Client;
    /// fn state(client: &Client<u32, u64>) -> &'static str {
    ///     if client.is_connected() { "connected" } else { "not connected" }
    /// }
    /// ```
    pub fn is_connected(&self) -> bool {
        self.shared.line.borrow().link.is_some()
    }
}

impl<Q, R> Clone for Client<Q, R> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            of: PhantomData,
        }
    }
}

#[cfg(test)]
impl<Q, R> Client<Q, R> {
    /// One with this connection.
    pub(super) fn over(link: Link, limit: usize) -> Self {
        let mut calls = Table::new();
        calls.limit = limit;
        let line = Line {
            link: Some(link),
            watch: None,
            generation: 1,
            calls,
        };
        Self {
            shared: Rc::new(Shared {
                line: RefCell::new(line),
                door: Box::new(Region::from_handle(crate::Handle(0))),
                options: Options::named("test"),
                turn: Turn::default(),
            }),
            of: PhantomData,
        }
    }
}

/// The door behind which the service is. The parts are dropped in this order.
struct At {
    channel: Channel,
    _porch: Rc<Porch>,
    _found: Found,
}

/// Looks after the service whenever the door's bell rings, which it does when a process ends that has the door:
/// in the connection, the ring for a reply can hide that.
async fn watch<R: 'static>(at: At, shared: Weak<Shared<R>>) {
    let mut seen = 0;
    loop {
        at.channel.changed(&mut seen).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let mut line = shared.line.borrow_mut();
        if !line.link.as_ref().is_some_and(Link::is_alive) {
            line.disconnect();
            return;
        }
    }
}

/// The task that does so; it ends with this.
pub(super) struct Watching(JoinHandle<()>);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// One at a time.
#[derive(Default)]
struct Turn {
    taken: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

impl Turn {
    async fn take(&self) -> Taken<'_> {
        poll_fn(|cx| {
            if self.taken.replace(true) {
                self.waiting.borrow_mut().push(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(Taken(self))
        })
        .await
    }
}

struct Taken<'a>(&'a Turn);

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.taken.set(false);
        for waker in self.0.waiting.take() {
            waker.wake();
        }
    }
}
