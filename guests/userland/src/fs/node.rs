// SPDX-License-Identifier: BSD-2-Clause
//! What is open at the fs guest, and is opened anew when there is another one.

use alloc::{boxed::Box, rc::Rc, string::String};
use core::{cell::Cell, future::Future, pin::Pin};

use atoll_abi::fs::{Create, Node as Id, Path, Reply, Request, Rights, Stat};

use super::{
    Error,
    service::{Root, Shared},
};
use crate::task::spawn;

/// A file or a directory that is open. To drop it closes it.
pub(super) struct Node {
    pub shared: Rc<Shared>,
    origin: Origin,
    /// The connection in which it is open, and its number there.
    open: Cell<(u32, Id)>,
}

/// Where it was opened.
enum Origin {
    /// It is a directory that the guest begins with.
    Root(u32),
    Below {
        parent: Rc<Node>,
        path: String,
        rights: Rights,
        /// What tells it from another one that has its name later.
        identity: (u32, u32),
    },
}

/// How something is opened.
pub(super) struct Opening<'a> {
    pub path: &'a str,
    pub create: Create,
    pub truncate: bool,
    pub rights: Rights,
}

impl Node {
    pub fn root(shared: &Rc<Shared>, root: &Root) -> Rc<Self> {
        Rc::new(Self {
            shared: shared.clone(),
            origin: Origin::Root(root.index),
            open: Cell::new((shared.line(), root.id)),
        })
    }

    /// Opens what is below.
    pub async fn open(self: &Rc<Self>, opening: &Opening<'_>) -> Result<(Rc<Self>, Stat), Error> {
        let (line, id, stat) = self.ask_to_open(opening).await?;
        let node = Self {
            shared: self.shared.clone(),
            origin: Origin::Below {
                parent: self.clone(),
                path: opening.path.into(),
                rights: opening.rights,
                identity: (stat.inode, stat.generation),
            },
            open: Cell::new((line, id)),
        };
        Ok((Rc::new(node), stat))
    }

    async fn ask_to_open(&self, opening: &Opening<'_>) -> Result<(u32, Id, Stat), Error> {
        let at = self.id().await?;
        let request = Request::Open {
            what: Path {
                at,
                path: opening.path.into(),
            },
            create: opening.create,
            truncate: opening.truncate,
            rights: opening.rights,
        };
        let line = self.shared.line();
        match self.shared.ask(&request).await? {
            Reply::Opened { node, stat } => Ok((line, node, stat)),
            _ => Err(Error::Unexpected),
        }
    }

    /// Its number, in the connection that there is.
    pub async fn id(&self) -> Result<Id, Error> {
        let line = self.shared.ready().await?;
        match self.open.get() {
            (known, id) if known == line => Ok(id),
            _ => self.reopen(line).await,
        }
    }

    /// Opens it anew. The parent first: boxed, since this is what that does, too.
    fn reopen(&self, line: u32) -> Pin<Box<dyn Future<Output = Result<Id, Error>> + '_>> {
        Box::pin(async move {
            let (line, id) = match &self.origin {
                Origin::Root(index) => (line, self.shared.root(*index).await?.id),
                Origin::Below {
                    parent,
                    path,
                    rights,
                    identity,
                } => {
                    let opening = Opening {
                        path,
                        create: Create::No,
                        truncate: false,
                        rights: *rights,
                    };
                    let opened = parent.ask_to_open(&opening).await;
                    let (line, id, stat) = opened.map_err(|error| match error {
                        Error::Fs(super::Reason::NotFound) => Error::Gone,
                        other => other,
                    })?;
                    if (stat.inode, stat.generation) != *identity {
                        self.close(line, id);
                        return Err(Error::Gone);
                    }
                    (line, id)
                }
            };
            self.open.set((line, id));
            Ok(id)
        })
    }

    /// What is below.
    pub async fn path(&self, path: &str) -> Result<Path, Error> {
        Ok(Path {
            at: self.id().await?,
            path: path.into(),
        })
    }

    /// Asks for something that is only done.
    pub async fn done(&self, request: &Request) -> Result<(), Error> {
        match self.shared.ask(request).await? {
            Reply::Done => Ok(()),
            _ => Err(Error::Unexpected),
        }
    }

    /// Asks what something is like.
    pub async fn stat(&self, request: &Request) -> Result<Stat, Error> {
        match self.shared.ask(request).await? {
            Reply::Stat(stat) => Ok(stat),
            _ => Err(Error::Unexpected),
        }
    }

    fn close(&self, line: u32, node: Id) {
        let shared = self.shared.clone();
        if line == shared.line() {
            spawn(async move {
                // When the fs guest is gone, so is what was open there.
                let _ = shared.ask(&Request::Close { node }).await;
            });
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Origin::Below { .. } = self.origin {
            let (line, id) = self.open.get();
            self.close(line, id);
        }
    }
}
