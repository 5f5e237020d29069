// SPDX-License-Identifier: BSD-2-Clause
//! Files.

use alloc::rc::Rc;

use atoll_abi::fs::{Create, Reply, Request, Rights, Stat};

use super::{Buffer, Dir, Error, Reason, buffer::Lease, node::Node, node::Opening};

/// How a file is opened.
///
/// ```no_run
/// use userland::fs::{Dir, Error, File, OpenOptions};
///
/// /// Takes a name that nobody has taken.
/// async fn lock(dir: &Dir) -> Result<File, Error> {
///     OpenOptions::new().write().create_new().open(dir, "lock").await
/// }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    create: Create,
    truncate: bool,
    rights: Rights,
}

impl OpenOptions {
    /// For nothing but to see what it is like. See the example of [`OpenOptions`].
    pub fn new() -> Self {
        Self::default()
    }

    /// To read it.
    ///
    /// ```
    /// # use userland::fs::OpenOptions;
    /// let options = OpenOptions::new().read();
    /// ```
    #[must_use]
    pub fn read(mut self) -> Self {
        self.rights = self.rights | Rights::READ;
        self
    }

    /// To write it. See the example of [`OpenOptions`].
    #[must_use]
    pub fn write(mut self) -> Self {
        self.rights = self.rights | Rights::WRITE;
        self
    }

    /// To have an empty file made if there is none.
    ///
    /// ```
    /// # use userland::fs::OpenOptions;
    /// let log = OpenOptions::new().write().create();
    /// ```
    #[must_use]
    pub const fn create(mut self) -> Self {
        self.create = Create::IfMissing;
        self
    }

    /// To have an empty file made, and fail if there is one. See the example of [`OpenOptions`].
    #[must_use]
    pub const fn create_new(mut self) -> Self {
        self.create = Create::New;
        self
    }

    /// To have what is in it removed.
    ///
    /// ```
    /// # use userland::fs::OpenOptions;
    /// let anew = OpenOptions::new().write().create().truncate();
    /// ```
    #[must_use]
    pub const fn truncate(mut self) -> Self {
        self.truncate = true;
        self
    }

    /// Opens a file. See the example of [`OpenOptions`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn open(self, dir: &Dir, path: &str) -> Result<File, Error> {
        let opening = Opening {
            path,
            create: self.create,
            truncate: self.truncate,
            rights: self.rights,
        };
        let (node, stat) = dir.node().open(&opening).await?;
        match stat.kind {
            super::Kind::File => Ok(File { node }),
            _ => Err(Reason::IsDirectory.into()),
        }
    }
}

/// An open file. To drop it closes it; what was written and not synced is made durable within seconds. See the
/// example of [`fs`](crate::fs).
pub struct File {
    node: Rc<Node>,
}

impl File {
    /// Reads from here; answers how many bytes, which are less than asked for at the end of the file.
    ///
    /// ```no_run
    /// # use userland::fs::{Error, File};
    /// async fn magic(file: &File) -> Result<Option<[u8; 4]>, Error> {
    ///     let mut bytes = [0; 4];
    ///     let len = file.read_at(0, &mut bytes).await?;
    ///     Ok((len == 4).then_some(bytes))
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<usize, Error> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let lease = Lease::new(&self.node.shared).await?;
        let mut done = 0;
        for piece in bytes.chunks_mut(lease.len() as usize) {
            let to = lease.place(piece.len() as u32).await?;
            let request = Request::Read {
                node: self.node.id().await?,
                offset: offset.saturating_add(done as u64),
                to,
            };
            let len = self.moved(&request).await?.1 as usize;
            let read = piece.get_mut(..len).ok_or(Error::Unexpected)?;
            lease.read(read)?;
            done += len;
            if len < piece.len() {
                break;
            }
        }
        Ok(done)
    }

    /// Writes all bytes, from here on. If it fails, some may be written. See the example of [`fs`](crate::fs).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        self.write(Some(offset), bytes).await.map(|_| ())
    }

    /// Writes all bytes at the end of the file, behind what others have written there; answers where they are. What is
    /// longer than the guest's buffers ([`Options::pages`](super::Options::pages)) goes there in pieces.
    ///
    /// ```no_run
    /// # use userland::fs::{Error, File};
    /// async fn record(journal: &File, line: &str) -> Result<(), Error> {
    ///     journal.append(line.as_bytes()).await?;
    ///     journal.sync().await
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn append(&self, bytes: &[u8]) -> Result<u64, Error> {
        self.write(None, bytes).await
    }

    async fn write(&self, to: Option<u64>, bytes: &[u8]) -> Result<u64, Error> {
        if bytes.is_empty() {
            return Ok(to.unwrap_or(self.stat().await?.len));
        }
        let lease = Lease::new(&self.node.shared).await?;
        let (mut begin, mut done) = (to, 0);
        for piece in bytes.chunks(lease.len() as usize) {
            lease.write(piece)?;
            let request = Request::Write {
                node: self.node.id().await?,
                offset: to.map(|offset| offset.saturating_add(done)),
                from: lease.place(piece.len() as u32).await?,
            };
            let (offset, _) = self.moved(&request).await?;
            begin = begin.or(Some(offset));
            done += piece.len() as u64;
        }
        begin.ok_or(Error::Unexpected)
    }

    /// Reads from here into a buffer; answers how many bytes, which are less than asked for at the end of the file. See
    /// the example of [`Buffer`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn read_into(
        &self,
        offset: u64,
        buffer: &Buffer,
        at: u32,
        len: u32,
    ) -> Result<u32, Error> {
        let to = buffer.place(at, len).await?;
        let node = self.node.id().await?;
        let request = Request::Read { node, offset, to };
        Ok(self.moved(&request).await?.1)
    }

    /// Writes bytes of a buffer, from here on: all of them, or it fails.
    ///
    /// ```no_run
    /// # use userland::fs::{Error, File, Fs};
    /// async fn blank(fs: &Fs, file: &File) -> Result<(), Error> {
    ///     let buffer = fs.buffer(1).await?;
    ///     buffer.write(0, b"page one")?;
    ///     file.write_from(0, &buffer, 0, fs.block()).await
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn write_from(
        &self,
        offset: u64,
        buffer: &Buffer,
        at: u32,
        len: u32,
    ) -> Result<(), Error> {
        let from = buffer.place(at, len).await?;
        let request = Request::Write {
            node: self.node.id().await?,
            offset: Some(offset),
            from,
        };
        self.moved(&request).await.map(|_| ())
    }

    async fn moved(&self, request: &Request) -> Result<(u64, u32), Error> {
        let asked = match request {
            Request::Read { to: place, .. } | Request::Write { from: place, .. } => place.len,
            _ => 0,
        };
        match self.node.shared.ask(request).await? {
            Reply::Moved { offset, len } if len <= asked => Ok((offset, len)),
            _ => Err(Error::Unexpected),
        }
    }

    /// What it is like.
    ///
    /// ```no_run
    /// # use userland::fs::{Error, File};
    /// async fn len(file: &File) -> Result<u64, Error> {
    ///     Ok(file.stat().await?.len)
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn stat(&self) -> Result<Stat, Error> {
        let node = self.node.id().await?;
        self.node.stat(&Request::Stat { node }).await
    }

    /// Makes it so long: cut off, or with zeros at its end.
    ///
    /// ```no_run
    /// # use userland::fs::{Error, File};
    /// async fn clear(file: &File) -> Result<(), Error> {
    ///     file.set_len(0).await
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn set_len(&self, len: u64) -> Result<(), Error> {
        let node = self.node.id().await?;
        self.node.done(&Request::Resize { node, len }).await
    }

    /// Returns when all that was done before survives a power failure. See the example of [`fs`](crate::fs).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn sync(&self) -> Result<(), Error> {
        let node = self.node.id().await?;
        self.node.done(&Request::Sync { node }).await
    }
}
