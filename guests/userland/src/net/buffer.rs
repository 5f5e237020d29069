// SPDX-License-Identifier: BSD-2-Clause
//! Buffers: regions that are handed to the net guest once, and serve one socket after the other.

use alloc::{rc::Rc, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    future::poll_fn,
    mem::take,
    task::{Context, Poll, Waker},
};

use atoll_abi::net::{Buffer as Id, Reply, Request};

use super::{Error, Net, Reason, service::Shared};
use crate::{
    Rights,
    channel::{Duplex, Input, Lost, Output},
    handle::{Capability as _, Terms, Token},
    rpc::Owned,
    shm::Region,
    task::{JoinHandle, spawn},
};

/// The buffers that no socket has.
#[derive(Default)]
pub(super) struct Pool {
    free: Vec<Buffer>,
    /// How many there are, those in use included.
    count: usize,
    /// Those who wait for one.
    waiting: Vec<Waker>,
}

/// A region that the net guest holds, too. The parts are dropped in this order.
pub(super) struct Buffer {
    id: Id,
    /// Of which connection with the net guest.
    line: u32,
    duplex: Duplex,
    _region: Owned,
}

impl Pool {
    fn wake(&mut self) {
        for waker in take(&mut self.waiting) {
            waker.wake();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // Those who wait are to look at the pool that there is instead.
        self.wake();
    }
}

/// What becomes of a buffer whose socket is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The net guest has not been told of a socket, or has said that there is none.
    Free,
    /// There may be a socket: none that is to go on.
    Abort,
    /// There is a socket, which ends in good order.
    Close,
}

/// A buffer that a socket has, or is to have.
pub(super) struct Lease {
    shared: Rc<Shared>,
    buffer: RefCell<Option<Buffer>>,
    pub ending: Cell<Ending>,
    /// The end of an input that nobody reads any more. While the socket lives it stays: to the net guest, a
    /// client whose input is gone is gone.
    pub unread: RefCell<Option<Input>>,
}

impl Net {
    /// A buffer; when there are as many as there may be, waits for one if this says so.
    pub(super) async fn lease(&self, waits: bool) -> Result<Lease, Error> {
        let shared = &self.shared;
        loop {
            self.ready().await?;
            if let Some(buffer) = shared.take_free() {
                return Ok(Lease {
                    shared: shared.clone(),
                    buffer: RefCell::new(Some(buffer)),
                    ending: Cell::new(Ending::Free),
                    unread: RefCell::new(None),
                });
            }
            if shared.pool.borrow().count < usize::from(self.limits().buffers) {
                // As a task: who waits for it may go, and it would be known to the net guest only.
                shared.pool.borrow_mut().count += 1;
                match spawn(add(shared.clone(), shared.line.get())).await {
                    Ok(result) => result?,
                    Err(_) => return Err(Error::Gone),
                }
            } else if waits {
                let mut asked = false;
                poll_fn(|cx| shared.poll_wait(cx, &mut asked)).await;
            } else {
                return Err(Reason::TooManyBuffers.into());
            }
        }
    }
}

/// Makes one more buffer.
async fn add(shared: Rc<Shared>, line: u32) -> Result<(), Error> {
    let made = make(&shared, line).await;
    if line == shared.line.get() {
        match made {
            Ok(buffer) => shared.put_back(buffer),
            Err(error) => {
                shared.forget(line);
                return Err(error);
            }
        }
    }
    Ok(())
}

async fn make(shared: &Shared, line: u32) -> Result<Buffer, Error> {
    let (duplex, region, token) = shared.allocate()?;
    let token = token.to_bytes();
    match shared.ask(&Request::Attach { token }).await? {
        Reply::Attached(id) => Ok(Buffer {
            id,
            line,
            duplex,
            _region: region,
        }),
        _ => Err(Error::Unexpected),
    }
}

impl Shared {
    /// A region for a buffer, and the token with which the net guest takes it up.
    fn allocate(&self) -> Result<(Duplex, Owned, Token), Error> {
        #[cfg(test)]
        if let Some(made) = super::tests::allocate() {
            return Ok(made);
        }
        let region = Owned(Region::alloc(self.options.pages)?);
        let duplex = Duplex::new(&region.0)?;
        let token = region.0.share(Terms::once(Rights::READ_WRITE))?;
        Ok((duplex, region, token))
    }

    fn take_free(&self) -> Option<Buffer> {
        self.pool.borrow_mut().free.pop()
    }

    /// Takes back a buffer that is free; one of a connection that is no more is closed.
    fn put_back(&self, buffer: Buffer) {
        if buffer.line == self.line.get() {
            let mut pool = self.pool.borrow_mut();
            pool.free.push(buffer);
            pool.wake();
        }
    }

    /// A buffer is no more.
    fn forget(&self, line: u32) {
        if line == self.line.get() {
            let mut pool = self.pool.borrow_mut();
            pool.count = pool.count.saturating_sub(1);
            pool.wake();
        }
    }

    /// Waits until one may be free.
    fn poll_wait(&self, cx: &Context<'_>, asked: &mut bool) -> Poll<()> {
        if core::mem::replace(asked, true) {
            return Poll::Ready(());
        }
        self.pool.borrow_mut().waiting.push(cx.waker().clone());
        Poll::Pending
    }

    /// Ends what the net guest has in a buffer, which is free then.
    async fn end(
        self: Rc<Self>,
        buffer: Buffer,
        ending: Ending,
        unread: Option<Input>,
    ) -> Result<(), Error> {
        let request = match ending {
            Ending::Close => Request::Close { buffer: buffer.id },
            _ => Request::Abort { buffer: buffer.id },
        };
        let answer = self.ask(&request).await;
        // Before the buffer serves the next socket.
        drop(unread);
        match answer {
            Ok(_) => {
                self.put_back(buffer);
                Ok(())
            }
            Err(error) => {
                self.forget(buffer.line);
                Err(error)
            }
        }
    }
}

impl Lease {
    /// The buffer's name.
    pub fn id(&self) -> Id {
        self.buffer
            .borrow()
            .as_ref()
            .map_or(Id(u32::MAX), |it| it.id)
    }

    /// Clears it, and takes this guest's ends.
    pub fn begin(&self) -> Result<(Input, Output), Error> {
        match &*self.buffer.borrow() {
            Some(buffer) => Ok(buffer.duplex.begin(&self.shared.options.name)?),
            None => Err(Error::Ended),
        }
    }

    /// Asks for what is to become of it; the socket is there when this is answered.
    pub async fn ask(&self, request: &Request) -> Result<Reply, Error> {
        self.ending.set(Ending::Abort);
        let answer = self.shared.ask(request).await;
        match &answer {
            Ok(_) => self.ending.set(Ending::Close),
            Err(Error::Net(_)) => self.ending.set(Ending::Free),
            Err(_) => {}
        }
        answer
    }

    /// Asks something about the socket.
    pub async fn ask_about(&self, request: &Request) -> Result<Reply, Error> {
        self.shared.ask(request).await
    }

    /// Why bytes were lost.
    pub async fn fate(&self, lost: Lost) -> Error {
        match lost {
            Lost::Gone => Error::Gone,
            Lost::Corrupt => Error::Unexpected,
            Lost::Terminated => {
                let buffer = self.id();
                match self.ask_about(&Request::Fate { buffer }).await {
                    Ok(Reply::Fate(Some(reason))) => reason.into(),
                    Ok(Reply::Fate(None)) => Reason::Reset.into(),
                    Ok(_) => Error::Unexpected,
                    Err(error) => error,
                }
            }
        }
    }

    /// Begins with the end; none if there is nothing to end.
    fn end(&self) -> Option<JoinHandle<Result<(), Error>>> {
        let buffer = self.buffer.take()?;
        let unread = self.unread.take();
        match self.ending.get() {
            Ending::Free => {
                drop(unread);
                self.shared.put_back(buffer);
                None
            }
            ending => Some(spawn(self.shared.clone().end(buffer, ending, unread))),
        }
    }

    /// Ends what there is, and waits until that is done. It is done though nobody waits.
    pub async fn ended(&self) -> Result<(), Error> {
        match self.end() {
            Some(end) => end.await.unwrap_or(Err(Error::Gone)),
            None => Ok(()),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // It goes on by itself.
        let _ = self.end();
    }
}
