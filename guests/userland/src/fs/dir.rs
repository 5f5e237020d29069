// SPDX-License-Identifier: BSD-2-Clause
//! Directories.

use alloc::{collections::VecDeque, rc::Rc, string::String, vec, vec::Vec};

use atoll_abi::fs::{Create, Kind, Listing, Path, Reply, Request, Rights, Stat};

use super::{
    Error, File, OpenOptions, Reason,
    buffer::Lease,
    node::{Node, Opening},
};

/// A directory, and the right to what is below. See the example of [`fs`](crate::fs).
///
/// Paths are names with `/` between them. They may have `..` in them, and lead over symbolic links, as long as they
/// do not lead out of the directory: that is [`Reason::Escapes`].
pub struct Dir {
    node: Rc<Node>,
    rights: Rights,
}

/// An entry of a directory. See the example of [`fs`](crate::fs).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name. One that is no UTF-8 is shown with replacement characters, and cannot be opened.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its number: two names with one number are names of one file.
    pub inode: u32,
}

impl Dir {
    pub(super) const fn new(node: Rc<Node>, rights: Rights) -> Self {
        Self { node, rights }
    }

    pub(super) const fn node(&self) -> &Rc<Node> {
        &self.node
    }

    /// What this guest may do here.
    ///
    /// ```no_run
    /// # use userland::fs::{Dir, Rights};
    /// fn can_change(dir: &Dir) -> bool {
    ///     dir.rights().contains(Rights::WRITE)
    /// }
    /// ```
    pub const fn rights(&self) -> Rights {
        self.rights
    }

    /// Opens a file to read it.
    ///
    /// ```no_run
    /// # use userland::fs::{Dir, Error};
    /// async fn size(dir: &Dir) -> Result<u64, Error> {
    ///     Ok(dir.open("photos/2026/reef.png").await?.stat().await?.len)
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn open(&self, path: &str) -> Result<File, Error> {
        OpenOptions::new().read().open(self, path).await
    }

    /// Opens a file to write it, empty: it is made if there is none. See the example of [`fs`](crate::fs).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create(&self, path: &str) -> Result<File, Error> {
        let options = OpenOptions::new().write().create().truncate();
        options.open(self, path).await
    }

    /// Opens a directory, with these rights, which have to be among those of this one.
    ///
    /// ```no_run
    /// # use userland::fs::{Dir, Error, Rights};
    /// /// For those who only look.
    /// async fn public(home: &Dir) -> Result<Dir, Error> {
    ///     home.open_dir("public", Rights::READ | Rights::LIST).await
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn open_dir(&self, path: &str, rights: Rights) -> Result<Self, Error> {
        let opening = Opening {
            path,
            create: Create::No,
            truncate: false,
            rights,
        };
        let (node, stat) = self.node.open(&opening).await?;
        match stat.kind {
            Kind::Directory => Ok(Self { node, rights }),
            _ => Err(Reason::NotDirectory.into()),
        }
    }

    /// All that is in a file. See the example of [`fs`](crate::fs).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn read(&self, path: &str) -> Result<Vec<u8>, Error> {
        let file = self.open(path).await?;
        let len = file.stat().await?.len;
        let len = usize::try_from(len).map_err(|_| Reason::TooLarge)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).map_err(|_| Reason::TooLarge)?;
        bytes.resize(len, 0);
        let read = file.read_at(0, &mut bytes).await?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Makes a file that holds these bytes, in place of what had the name. Who looks at it sees what was there or
    /// these bytes, also after a power failure.
    ///
    /// ```no_run
    /// # use userland::fs::{Dir, Error};
    /// async fn save(home: &Dir, settings: &str) -> Result<(), Error> {
    ///     home.replace("settings", settings.as_bytes()).await
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`]. A path longer than that of `path` and `.new` is needed meanwhile.
    pub async fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        let new = alloc::format!("{path}.new");
        let file = self.create(&new).await?;
        file.write_at(0, bytes).await?;
        file.sync().await?;
        self.rename(&new, self, path).await?;
        file.sync().await
    }

    /// What a file or directory is like; a symbolic link is followed.
    ///
    /// ```no_run
    /// # use userland::fs::{Dir, Error, Kind};
    /// async fn is_directory(dir: &Dir, path: &str) -> Result<bool, Error> {
    ///     Ok(dir.stat(path).await?.kind == Kind::Directory)
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn stat(&self, path: &str) -> Result<Stat, Error> {
        self.stat_at(path, true).await
    }

    /// What a file, a directory or a symbolic link is like.
    ///
    /// ```no_run
    /// # use userland::fs::{Dir, Error, Kind};
    /// async fn is_link(dir: &Dir, path: &str) -> Result<bool, Error> {
    ///     Ok(dir.stat_link(path).await?.kind == Kind::Symlink)
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn stat_link(&self, path: &str) -> Result<Stat, Error> {
        self.stat_at(path, false).await
    }

    async fn stat_at(&self, path: &str, follow: bool) -> Result<Stat, Error> {
        let what = self.node.path(path).await?;
        self.node.stat(&Request::StatAt { what, follow }).await
    }

    async fn at(&self, path: &str, request: impl FnOnce(Path) -> Request) -> Result<(), Error> {
        let what = self.node.path(path).await?;
        self.node.done(&request(what)).await
    }

    /// Makes a directory.
    ///
    /// ```no_run
    /// # use userland::fs::{Dir, Error, Reason};
    /// async fn ensure(dir: &Dir, path: &str) -> Result<(), Error> {
    ///     match dir.create_dir(path).await {
    ///         Err(Error::Fs(Reason::Exists)) => Ok(()),
    ///         other => other,
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_dir(&self, path: &str) -> Result<(), Error> {
        self.at(path, |what| Request::CreateDirectory { what })
            .await
    }

    /// Makes a symbolic link that says `target`.
    ///
    /// ```no_run
    /// # use userland::fs::{Dir, Error};
    /// async fn latest(dir: &Dir) -> Result<(), Error> {
    ///     dir.symlink("backup-17", "latest").await
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn symlink(&self, target: &str, path: &str) -> Result<(), Error> {
        let target = target.into();
        self.at(path, |what| Request::CreateSymlink { what, target })
            .await
    }

    /// What a symbolic link says.
    ///
    /// ```no_run
    /// # use userland::{fs::{Dir, Error}, info};
    /// async fn show(dir: &Dir) -> Result<(), Error> {
    ///     info!("latest -> {}", dir.read_link("latest").await?);
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn read_link(&self, path: &str) -> Result<String, Error> {
        let what = self.node.path(path).await?;
        match self.node.shared.ask(&Request::ReadLink { what }).await? {
            Reply::Target(target) => Ok(target),
            _ => Err(Error::Unexpected),
        }
    }

    /// Gives a file a second name, below a directory that may be another one.
    ///
    /// ```no_run
    /// # use userland::fs::{Dir, Error};
    /// async fn keep(inbox: &Dir, archive: &Dir) -> Result<(), Error> {
    ///     inbox.hard_link("letter", archive, "letter").await
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn hard_link(&self, path: &str, to: &Self, name: &str) -> Result<(), Error> {
        let to = to.node.path(name).await?;
        self.at(path, |from| Request::Link { from, to }).await
    }

    /// Gives a file or directory another name, below a directory that may be another one, in place of what has it.
    ///
    /// ```no_run
    /// # use userland::fs::{Dir, Error};
    /// async fn done(queue: &Dir, finished: &Dir, job: &str) -> Result<(), Error> {
    ///     queue.rename(job, finished, job).await
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn rename(&self, path: &str, to: &Self, name: &str) -> Result<(), Error> {
        let to = to.node.path(name).await?;
        self.at(path, |from| Request::Rename { from, to }).await
    }

    /// Removes a file or a symbolic link. Who has it open keeps it until it is closed.
    ///
    /// ```no_run
    /// # use userland::fs::{Dir, Error};
    /// async fn tidy(dir: &Dir) -> Result<(), Error> {
    ///     dir.remove_file("draft").await?;
    ///     dir.remove_dir("drafts").await
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn remove_file(&self, path: &str) -> Result<(), Error> {
        self.remove(path, false).await
    }

    /// Removes a directory, which has to be empty. See the example of [`Dir::remove_file`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn remove_dir(&self, path: &str) -> Result<(), Error> {
        self.remove(path, true).await
    }

    async fn remove(&self, path: &str, directory: bool) -> Result<(), Error> {
        self.at(path, |what| Request::Remove { what, directory })
            .await
    }

    /// What is in the directory, in no order. See the example of [`fs`](crate::fs).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn entries(&self) -> Result<Entries, Error> {
        let mut entries = Entries {
            node: self.node.clone(),
            read: VecDeque::new(),
            next: Some(0),
        };
        entries.more().await?;
        Ok(entries)
    }

    /// Returns when all that was done before survives a power failure.
    ///
    /// ```no_run
    /// # use userland::fs::{Dir, Error};
    /// async fn make(dir: &Dir) -> Result<(), Error> {
    ///     dir.create_dir("inbox").await?;
    ///     dir.sync().await
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn sync(&self) -> Result<(), Error> {
        let node = self.node.id().await?;
        self.node.done(&Request::Sync { node }).await
    }
}

/// What is in a directory. Entries that come and go meanwhile may be seen or not, all others are seen once. See the
/// example of [`fs`](crate::fs).
pub struct Entries {
    node: Rc<Node>,
    read: VecDeque<Entry>,
    next: Option<u64>,
}

impl Entries {
    /// The next one, if there is one. See the example of [`fs`](crate::fs).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn next(&mut self) -> Result<Option<Entry>, Error> {
        while self.read.is_empty() && self.next.is_some() {
            self.more().await?;
        }
        Ok(self.read.pop_front())
    }

    async fn more(&mut self) -> Result<(), Error> {
        let Some(from) = self.next else { return Ok(()) };
        let lease = Lease::new(&self.node.shared).await?;
        let to = lease.place(lease.len()).await?;
        let node = self.node.id().await?;
        let request = Request::List { node, from, to };
        let (len, next) = match self.node.shared.ask(&request).await? {
            Reply::Listed { len, next } if len <= lease.len() => (len, next),
            _ => return Err(Error::Unexpected),
        };
        let mut bytes = vec![0; len as usize];
        lease.read(&mut bytes)?;
        let entries = Listing(&bytes).map(|listed| Entry {
            name: String::from_utf8_lossy(listed.name).into_owned(),
            kind: listed.kind,
            inode: listed.inode,
        });
        self.read.extend(entries);
        self.next = next;
        Ok(())
    }
}
