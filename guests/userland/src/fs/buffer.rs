// SPDX-License-Identifier: BSD-2-Clause
//! Buffers: regions that the fs guest shares, and the disk reads and writes.

use alloc::{rc::Rc, vec::Vec};
use core::{
    cell::Cell,
    future::poll_fn,
    mem::{replace, take},
    task::{Poll, Waker},
};

use atoll_abi::fs::{Buffer as Id, Place, Reply, Request};

use super::{Error, Reason, service::Shared};
use crate::{
    Rights,
    handle::{Capability as _, Terms},
    rpc::Owned,
    shm::{Region, Window},
    task::spawn,
};

/// Memory that the fs guest shares: what is read from a file is put there by the disk itself, and what is written is taken
/// from there.
///
/// ```no_run
/// use userland::{fs::{Error, File, Fs}, info};
///
/// /// Looks at the end of a file, a piece at a time.
/// async fn last_byte(fs: &Fs, file: &File) -> Result<Option<u8>, Error> {
///     let buffer = fs.buffer(4).await?;
///     let (mut offset, mut last) = (0, None);
///     loop {
///         let len = file.read_into(offset, &buffer, 0, buffer.len()).await?;
///         if len == 0 {
///             return Ok(last);
///         }
///         let mut byte = [0];
///         buffer.read(len - 1, &mut byte)?;
///         last = Some(byte[0]);
///         offset += u64::from(len);
///     }
/// }
/// ```
///
/// What the disk puts into a page can be looked at in place by whoever has the region: [`Buffer::region`].
pub struct Buffer {
    shared: Rc<Shared>,
    piece: Piece,
}

/// The memory of a buffer, and what the fs guest knows it by.
struct Piece {
    window: Window,
    region: Owned,
    /// The connection in which the fs guest has it, and its number there.
    known: Cell<Option<(u32, Id)>>,
}

impl Piece {
    async fn new(shared: &Shared, pages: u32) -> Result<Self, Error> {
        let region = Owned(Region::alloc(pages)?);
        let window = region.0.attach(Rights::READ_WRITE)?;
        let piece = Self {
            window,
            region,
            known: Cell::new(None),
        };
        piece.id(shared).await?;
        Ok(piece)
    }

    /// Its number, in the connection that there is.
    async fn id(&self, shared: &Shared) -> Result<Id, Error> {
        let line = shared.ready().await?;
        if let Some((known, id)) = self.known.get()
            && known == line
        {
            return Ok(id);
        }
        let token = self.region.0.share(Terms::once(Rights::READ_WRITE))?;
        let token = token.to_bytes();
        match shared.ask(&Request::Attach { token }).await? {
            Reply::Attached(id) => {
                self.known.set(Some((line, id)));
                Ok(id)
            }
            _ => Err(Error::Unexpected),
        }
    }

    /// Some of its bytes, for a request.
    async fn place(&self, shared: &Shared, at: u32, len: u32) -> Result<Place, Error> {
        if at
            .checked_add(len)
            .is_none_or(|end| end > self.window.len())
        {
            return Err(Reason::BadBuffer.into());
        }
        let buffer = self.id(shared).await?;
        Ok(Place { buffer, at, len })
    }
}

impl Buffer {
    pub(super) async fn new(shared: &Rc<Shared>, pages: u32) -> Result<Self, Error> {
        Ok(Self {
            piece: Piece::new(shared, pages).await?,
            shared: shared.clone(),
        })
    }

    /// Some of its bytes, for a request.
    pub(super) async fn place(&self, at: u32, len: u32) -> Result<Place, Error> {
        self.piece.place(&self.shared, at, len).await
    }

    /// Bytes. See the example of [`Buffer`].
    #[expect(clippy::len_without_is_empty, reason = "it has a page at least")]
    pub const fn len(&self) -> u32 {
        self.piece.window.len()
    }

    /// Copies bytes out. See the example of [`Buffer`].
    ///
    /// # Errors
    /// [`Error::Buffer`] if there are not as many.
    pub fn read(&self, at: u32, bytes: &mut [u8]) -> Result<(), Error> {
        Ok(self.piece.window.read(at, bytes)?)
    }

    /// Copies bytes in. See the example of [`File::write_from`](super::File::write_from).
    ///
    /// # Errors
    /// [`Error::Buffer`] if they do not fit.
    pub fn write(&self, at: u32, bytes: &[u8]) -> Result<(), Error> {
        Ok(self.piece.window.write(at, bytes)?)
    }

    /// The region, for others to see.
    ///
    /// ```no_run
    /// use userland::{Rights, fs::{Buffer, Error}, handle::{Capability as _, Terms, Token}};
    ///
    /// fn lend(buffer: &Buffer) -> Result<Token, Error> {
    ///     Ok(buffer.region().share(Terms::once(Rights::READ))?)
    /// }
    /// ```
    pub const fn region(&self) -> &Region {
        &self.piece.region.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some((line, buffer)) = self.piece.known.get()
            && line == self.shared.line()
        {
            let shared = self.shared.clone();
            spawn(async move {
                // When the fs guest is gone, it has let go.
                let _ = shared.ask(&Request::Detach { buffer }).await;
            });
        }
    }
}

/// Buffers for reads and writes of this guest's own bytes.
#[derive(Default)]
pub(super) struct Pool {
    free: Vec<Piece>,
    /// How many there are, those in use included.
    count: u32,
    waiting: Vec<Waker>,
}

impl Pool {
    fn wake(&mut self) {
        take(&mut self.waiting).into_iter().for_each(Waker::wake);
    }
}

/// A buffer of the pool. To drop it gives it back; one that did not come to be is not counted any more.
pub(super) struct Lease {
    shared: Rc<Shared>,
    piece: Option<Piece>,
}

impl Lease {
    /// A buffer; when there are as many as there may be, waits for one.
    pub async fn new(shared: &Rc<Shared>) -> Result<Self, Error> {
        loop {
            shared.ready().await?;
            let free = shared.pool.borrow_mut().free.pop();
            if let Some(free) = free {
                return Ok(Self {
                    shared: shared.clone(),
                    piece: Some(free),
                });
            }
            // Half of them are left for buffers of the guest's own.
            let most = shared.limits().buffers.div_ceil(2);
            if shared.pool.borrow().count < most {
                shared.pool.borrow_mut().count += 1;
                let mut lease = Self {
                    shared: shared.clone(),
                    piece: None,
                };
                lease.piece = Some(Piece::new(shared, shared.options.pages).await?);
                return Ok(lease);
            }
            let mut has_waited = false;
            poll_fn(|cx| {
                if replace(&mut has_waited, true) {
                    return Poll::Ready(());
                }
                shared.pool.borrow_mut().waiting.push(cx.waker().clone());
                Poll::Pending
            })
            .await;
        }
    }

    /// Bytes.
    pub fn len(&self) -> u32 {
        self.piece.as_ref().map_or(0, |piece| piece.window.len())
    }

    fn piece(&self) -> Result<&Piece, Error> {
        self.piece.as_ref().ok_or(Error::Unexpected)
    }

    /// The first so many bytes, for a request.
    pub async fn place(&self, len: u32) -> Result<Place, Error> {
        self.piece()?.place(&self.shared, 0, len).await
    }

    /// Copies from its begin.
    pub fn read(&self, bytes: &mut [u8]) -> Result<(), Error> {
        Ok(self.piece()?.window.read(0, bytes)?)
    }

    /// Copies to its begin.
    pub fn write(&self, bytes: &[u8]) -> Result<(), Error> {
        Ok(self.piece()?.window.write(0, bytes)?)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut pool = self.shared.pool.borrow_mut();
        match self.piece.take() {
            Some(piece) => pool.free.push(piece),
            None => pool.count = pool.count.saturating_sub(1),
        }
        pool.wake();
    }
}
