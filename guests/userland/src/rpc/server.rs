// SPDX-License-Identifier: BSD-2-Clause
//! The service: its doors, and who comes in.

use alloc::{rc::Rc, string::String, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    convert::Infallible,
    future::{Future, poll_fn},
    marker::PhantomData,
    pin::Pin,
    task::Poll,
};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    connection::{Caller, Connection},
    error::{Refusal, ServeError},
    owned::Owned,
    request::Requests,
    wire::{DOOR, Hello, MAX_HELLO, VERSION},
};
use crate::{
    Error, Handle, PAGE, Pid, Rights,
    channel::{Channel, Place, ReadError, Reader, Strength, Watch},
    handle::{self, Capability as _, Token},
    port::codec::{Copy, decode},
    shm::Region,
    start,
    task::{JoinHandle, spawn, yield_now},
};

/// Clients that are let in before other tasks have their turn.
const BURST: u32 = 8;

/// How much a service takes on. What is beyond is refused with [`Refusal::Busy`].
///
/// ```
/// use userland::rpc::Limits;
///
/// let limits = Limits { connections: 4, ..Limits::default() };
/// assert!(limits.calls >= 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// Connections of one process at a time.
    pub per_process: usize,
    /// Calls at a time that a connection has begun and that are not answered.
    pub calls: u32,
    /// Pages of a connection's region: bounds the length of messages.
    pub pages: u32,
}

impl Default for Limits {
    /// 64 connections, 4 of each process, 16 calls each, 1 MiB.
    fn default() -> Self {
        Self {
            connections: 64,
            per_process: 4,
            calls: 16,
            pages: 16,
        }
    }
}

/// A service that is asked `Q` and answers `R`. See the example of [`rpc`](crate::rpc).
pub struct Server<Q, R> {
    doors: Vec<Door>,
    name: String,
    limits: Limits,
    of: PhantomData<fn(Q) -> R>,
}

/// A door, and the end of its channel that no other service has.
struct Door {
    region: Region,
    channel: Channel,
    reader: Reader,
}

impl Door {
    fn open(region: &Region, name: &str) -> Result<Self, ServeError> {
        let channel = Channel::create(region, &DOOR)?;
        let reader = channel.reader(Strength::Strong, name)?;
        Ok(Self {
            region: Region::from_handle(region.handle()),
            channel,
            reader,
        })
    }

    /// How often there was a service at this door.
    fn generation(&self, me: Pid) -> u32 {
        let mut ends = self.channel.readers().into_iter();
        ends.find(|end| end.owner == me)
            .map_or(0, |end| end.generation)
    }
}

impl<Q, R> Server<Q, R>
where
    Q: DeserializeOwned + 'static,
    R: Serialize + 'static,
{
    /// Becomes the service at a door: a region of a page or more, which is empty or was a door before. Clients
    /// are let in when it serves. See the example of [`rpc`](crate::rpc).
    ///
    /// # Errors
    /// See [`ServeError`].
    pub fn open(door: &Region, name: &str) -> Result<Self, ServeError> {
        Ok(Self {
            doors: alloc::vec![Door::open(door, name)?],
            name: name.into(),
            limits: Limits::default(),
            of: PhantomData,
        })
    }

    /// Becomes the service at one more door, for clients that are to have one of their own.
    ///
    /// ```no_run
    /// # use userland::{rpc::{ServeError, Server}, shm::Region};
    /// fn open(friends: &Region, strangers: &Region) -> Result<Server<u32, u64>, ServeError> {
    ///     Server::open(friends, "squares")?.also_at(strangers)
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`ServeError`].
    pub fn also_at(mut self, door: &Region) -> Result<Self, ServeError> {
        self.doors.push(Door::open(door, &self.name)?);
        Ok(self)
    }

    /// Takes on so much, instead of what [`Limits::default`] says.
    ///
    /// ```no_run
    /// # use userland::rpc::{Limits, Server};
    /// fn one_at_a_time(server: Server<u32, u64>) -> Server<u32, u64> {
    ///     server.limits(Limits { connections: 1, calls: 1, ..Limits::default() })
    /// }
    /// ```
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Answers requests with what the handler answers. Each runs as a task of its own if it has to wait. When the
    /// client cancels the call, leaves, or the deadline is past, it is dropped. Serves until the future is
    /// dropped, which ends all connections, or a door is lost. See the example of [`rpc`](crate::rpc).
    ///
    /// # Errors
    /// [`ServeError::Door`].
    pub async fn serve<H, F>(self, handler: H) -> Result<Infallible, ServeError>
    where
        H: Fn(Q, Caller) -> F + 'static,
        F: Future<Output = R> + 'static,
    {
        let work = move |request, caller| {
            let answer = handler(request, caller);
            async move { Some(answer.await) }
        };
        self.run(work).await
    }

    /// Hands the requests out, to be answered whenever it suits. See the example of [`Requests`].
    pub fn requests(self) -> Requests<Q, R> {
        Requests::new(|handler| {
            spawn(self.run(move |request, caller| handler.take(request, caller)))
        })
    }

    /// Serves at all doors.
    async fn run<H, F>(self, work: H) -> Result<Infallible, ServeError>
    where
        H: Fn(Q, Caller) -> F + 'static,
        F: Future<Output = Option<R>> + 'static,
    {
        let me = start::pid().map_err(ServeError::Door)?;
        let hall = Rc::new(Hall::new(self.limits, me));
        // Dropped with this future: so are all connections then.
        let _connections = CloseAll(hall.clone());
        let work = Rc::new(work);
        let begin = |door| spawn(attend(door, hall.clone(), work.clone()));
        let mut doors = Tasks(self.doors.into_iter().map(begin).collect());
        let lost = poll_fn(|cx| {
            let ends = doors.0.iter_mut().map(|task| Pin::new(task).poll(cx));
            let mut errors = ends.filter_map(|end| match end {
                Poll::Ready(Ok(error)) => Some(error),
                _ => None,
            });
            errors.next().map_or(Poll::Pending, Poll::Ready)
        });
        Err(lost.await)
    }
}

/// Lets clients in at a door until that is lost.
async fn attend<Q, R, H, F>(mut door: Door, hall: Rc<Hall>, work: Rc<H>) -> ServeError
where
    Q: DeserializeOwned + 'static,
    R: Serialize + 'static,
    H: Fn(Q, Caller) -> F + 'static,
    F: Future<Output = Option<R>> + 'static,
{
    let generation = door.generation(hall.me);
    let mut copy = Copy::default();
    let mut watch = Watch::default();
    let mut seen = 0;
    let mut burst = 0;
    loop {
        let reader = &mut door.reader;
        let next = poll_fn(|cx| {
            let next = reader.poll_borrow(cx, &mut watch);
            next.map_ok(|frame| decode::<Hello>(copy.of(&frame?, MAX_HELLO)?))
        });
        let next = next.await;
        // Whoever ends rings here, too: in its connection, the ring for a request can hide that.
        hall.sweep();
        match next {
            Ok(Some(hello)) if hello.version == VERSION => {
                if let Some(connection) = hall.admit(&hello, &door.region, generation) {
                    hall.begin(connection, Some(door.region.handle()), &work);
                }
            }
            Ok(Some(_)) | Err(ReadError::Corrupt) => {}
            // A bell that rings, a frame that is none, or somebody who has the door has closed it.
            nothing => match door.region.is_held_by(hall.me) {
                Ok(true) if nothing.is_ok() => {}
                Ok(true) => door.channel.changed(&mut seen).await,
                Ok(false) => return ServeError::Door(Error::Revoked),
                Err(error) => return ServeError::Door(error),
            },
        }
        burst += 1;
        if burst == BURST {
            burst = 0;
            yield_now().await;
        }
    }
}

/// Where the connections are.
pub(super) struct Hall {
    limits: Limits,
    me: Pid,
    inside: RefCell<Vec<Inside>>,
    next: Cell<u32>,
}

/// A connection, as the hall knows it.
struct Inside {
    number: u32,
    pid: Pid,
    region: Handle,
    /// Through which it came, if that counts.
    door: Option<Handle>,
    task: Option<JoinHandle<()>>,
}

impl Inside {
    /// Whether the client has its connection still, and the door that it came through. So whoever takes the door from
    /// a client takes what was made through it, too.
    fn is_there(&self) -> bool {
        let holds = |region| {
            let held = Region::from_handle(region).is_held_by(self.pid);
            held.unwrap_or(false)
        };
        holds(self.region) && self.door.is_none_or(holds)
    }
}

impl Hall {
    pub(super) const fn new(limits: Limits, me: Pid) -> Self {
        Self {
            limits,
            me,
            inside: RefCell::new(Vec::new()),
            next: Cell::new(0),
        }
    }

    /// Takes up the connection that a client hands in; tells the client if there is no place for it.
    fn admit(&self, hello: &Hello, door: &Region, generation: u32) -> Option<Connection> {
        // A token that is none is refused, and whoever sent it hears nothing.
        let token = Token::from_bytes(hello.token);
        let region = Owned(handle::accept::<Region>(&token).ok()?);
        let pid = Pid(hello.pid);
        // Who it is, is what it says; that this one holds the region and the door, the server says.
        if pid == self.me || !region.is_held_by(pid) || door.is_held_by(pid) != Ok(true) {
            return None;
        }
        let size = region.0.size().ok()?;
        if size > self.limits.pages.saturating_mul(PAGE) {
            return None;
        }
        let place = Place::new(&region.0, Rights::READ_WRITE).ok()?;
        self.welcome(&place, region, pid, generation)
    }

    /// As [`Self::admit`], of a region that is attached.
    pub(super) fn welcome(
        &self,
        place: &Place,
        region: Owned,
        pid: Pid,
        generation: u32,
    ) -> Option<Connection> {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        let connection = Connection::new(place, region, pid, number, self.limits.calls)?;
        let inside = self.inside.borrow();
        let same = inside.iter().filter(|other| other.pid == pid).count();
        if inside.len() >= self.limits.connections || same >= self.limits.per_process {
            connection.turn_away(Refusal::Busy);
            return None;
        }
        drop(inside);
        connection.welcome(generation).then_some(connection)
    }

    /// Serves a connection until its end.
    pub(super) fn begin<Q, R, H, F>(
        self: &Rc<Self>,
        connection: Connection,
        door: Option<Handle>,
        work: &Rc<H>,
    ) where
        Q: DeserializeOwned + 'static,
        R: Serialize + 'static,
        H: Fn(Q, Caller) -> F + 'static,
        F: Future<Output = Option<R>> + 'static,
    {
        let (number, pid) = (connection.caller().connection(), connection.caller().pid());
        let region = connection.region();
        let (hall, work) = (Rc::downgrade(self), work.clone());
        let inside = Inside {
            number,
            pid,
            region,
            door,
            task: None,
        };
        // Before it begins: it may end at once.
        self.inside.borrow_mut().push(inside);
        let task = spawn(async move {
            connection.serve(&*work).await;
            if let Some(hall) = hall.upgrade() {
                hall.inside.borrow_mut().retain(|it| it.number != number);
            }
        });
        let mut all = self.inside.borrow_mut();
        if let Some(inside) = all.iter_mut().find(|it| it.number == number) {
            inside.task = Some(task);
        }
    }

    /// Closes the connections of those that are gone, or that have lost the door.
    pub(super) fn sweep(&self) {
        let is_gone = |it: &mut Inside| !it.is_there();
        let gone: Vec<_> = self.inside.borrow_mut().extract_if(.., is_gone).collect();
        for task in gone.into_iter().filter_map(|it| it.task) {
            task.cancel();
        }
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.inside.borrow().len()
    }

    pub(super) fn close_all(&self) {
        for inside in self.inside.take() {
            if let Some(task) = inside.task {
                task.cancel();
            }
        }
    }
}

/// Ends all connections with the service.
struct CloseAll(Rc<Hall>);

impl Drop for CloseAll {
    fn drop(&mut self) {
        self.0.close_all();
    }
}

/// Tasks that end with their owner.
struct Tasks<T>(Vec<JoinHandle<T>>);

impl<T> Drop for Tasks<T> {
    fn drop(&mut self) {
        for task in &self.0 {
            task.cancel();
        }
    }
}
