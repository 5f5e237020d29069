// SPDX-License-Identifier: BSD-2-Clause
//! The file service: what a client and the fs guest say to each other.
//!
//! A client holds a channel with the fs guest, its *door*, under whatever name its spec gives it. It speaks
//! [`Request`] and [`Answer`] there through the guest library's request and reply (`userland::rpc`: frames of a
//! header and a postcard value). Calls are answered in the order in which they come in.
//!
//! # What a client reaches
//! The fs guest's arguments say it: *roots*, directories that the client begins with, each with [`Rights`]. A path
//! begins at a directory that the client has open, and never leaves it: `..` above it is refused with
//! [`Error::Escapes`], wherever it stands, as are symbolic links that lead there and those whose target begins with
//! `/`. What is opened has no rights that the directory has not.
//!
//! # Paths
//! Names of up to [`MAX_NAME`] bytes with `/` between them, in UTF-8; a file whose name on the disk is something else can be
//! listed and not named. An empty path is the directory itself. Leading slashes are refused, those at the end
//! ask for a directory. Symbolic links on the way are followed, [`MAX_SYMLINKS`] of them.
//!
//! A client that is an administrator, which the arguments say, too, can see the roots of all as *rules*
//! ([`Request::Rules`]), withdraw one, and restore it. What a client does below a root that is withdrawn is refused with
//! [`Error::NotAllowed`], by whatever it has open there; that stays open, and is of use again when the root is restored.
//!
//! # Buffers
//! Contents do not travel in requests. They travel in *buffers*: regions of shared memory that the client makes, out of its
//! own budget, and hands over with [`Request::Attach`]. A read or write names a buffer and a place in it. Where place in the
//! file, and length, are multiples of the block size, the device reads and writes there and nothing is
//! copied. While such a request is under way, what is at its place in the buffer is undefined; nothing else in the buffer is
//! touched.
//!
//! # What stays
//! Who sees a change, and what of it is there after a power failure, are different things. A change is seen by everyone when
//! it is answered. It survives when a [`Request::Sync`] that was made after it is answered; until then it
//! may be lost, a few seconds of changes at most. Renames, removals and new names happen completely or not at all, and what
//! was written to a file before a rename and synced is there under the new name. A write can be lost in part.
//!
//! # The disk
//! It can be taken from the fs guest while it is used. Then the fs guest ends all connections, and what was not synced is
//! lost; who connects meanwhile is refused with [`Error::NoDevice`]. When the disk is given back, clients connect again
//! and open anew what they had open, as when the fs guest is started again.

mod error;
mod listing;
#[cfg(test)]
mod tests;

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::describe::constants;
pub use crate::net::Rule;
pub use error::Error;
pub use listing::{Listed, Listing};

constants! {
    /// Version of this protocol.
    VERSION: u32 = 1;
    /// Longest name of a file, in bytes.
    MAX_NAME: u32 = 255;
    /// Longest path, in bytes; also the longest target of a symbolic link.
    MAX_PATH: u32 = 1024;
    /// Most symbolic links that are followed on the way of one path.
    MAX_SYMLINKS: u32 = 16;
    /// Pages of the largest buffer.
    MAX_BUFFER_PAGES: u32 = 16;
    /// Most rules in a page of them.
    MAX_RULES: u32 = 8;
    /// Most calls of a client that are under way at once.
    MAX_CALLS: u32 = 64;
    /// Longest message of either side, in bytes.
    MAX_MESSAGE: u32 = 4096;
}

/// What a client may do in a directory, and in all that is below: bit 0 read, bit 1 write, bit 2 create, bit 3 list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rights(u32);

impl Rights {
    /// None at all: only what a file is like can be asked.
    pub const NONE: Self = Self(0);
    /// Read the contents of files.
    pub const READ: Self = Self(1);
    /// Change the contents of files.
    pub const WRITE: Self = Self(2);
    /// Change directories: make files, directories and links, rename and remove them.
    pub const CREATE: Self = Self(4);
    /// Read directories.
    pub const LIST: Self = Self(8);
    /// Everything.
    pub const ALL: Self = Self(15);
    /// Each one, with its name.
    pub const NAMES: [(Self, &'static str); 4] = [
        (Self::READ, "read"),
        (Self::WRITE, "write"),
        (Self::CREATE, "create"),
        (Self::LIST, "list"),
    ];

    /// Whether it has all of `other`.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The rights that are in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The rights that are in both. Bits that name none are in neither.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0 & Self::ALL.0)
    }
}

impl core::ops::BitOr for Rights {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl core::fmt::Display for Rights {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut separator = "";
        for (_, name) in Self::NAMES
            .iter()
            .filter(|(right, _)| self.contains(*right))
        {
            write!(f, "{separator}{name}")?;
            separator = " ";
        }
        match separator {
            "" => f.write_str("nothing"),
            _ => Ok(()),
        }
    }
}

/// A file or directory that the client has open: its number among those of this client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Node(pub u32);

/// A buffer that the fs guest holds: its number among those of this client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Buffer(pub u32);

/// A path from a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Path {
    /// The directory.
    pub at: Node,
    /// The way from there.
    pub path: String,
}

/// Bytes of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The buffer.
    pub buffer: Buffer,
    /// Where they begin in it.
    pub at: u32,
    /// How many.
    pub len: u32,
}

/// What becomes of a path that is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Create {
    /// It has to be there.
    #[default]
    No,
    /// If it is not there, an empty file is made.
    IfMissing,
    /// An empty file is made, and there must have been nothing.
    New,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A file with contents.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Something else: a device node, a socket, a pipe.
    Other,
}

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Says which version the client speaks; answered with [`Reply::Welcome`]. The first request of a connection:
    /// any other one before it is refused with [`Error::OtherVersion`].
    Hello {
        /// [`VERSION`].
        version: u32,
    },
    /// Opens one of the directories that the client begins with; answered with [`Reply::Root`].
    Root {
        /// Which, from 0 up.
        index: u32,
    },
    /// Hands a region over; answered with [`Reply::Attached`].
    Attach {
        /// A share token for it, to read and to write.
        token: [u8; 16],
    },
    /// Has a buffer let go of; answered with [`Reply::Done`].
    Detach {
        /// Which.
        buffer: Buffer,
    },
    /// Opens a file or a directory; answered with [`Reply::Opened`].
    Open {
        /// What.
        what: Path,
        /// Whether it is made; needs [`Rights::CREATE`] then.
        create: Create,
        /// Whether its contents are removed; needs [`Rights::WRITE`].
        truncate: bool,
        /// What the client wants to do with it: what it may not do is refused.
        rights: Rights,
    },
    /// Closes one; answered with [`Reply::Done`].
    Close {
        /// Which.
        node: Node,
    },
    /// Reads a file; answered with [`Reply::Moved`]: less than was asked for at its end. Needs [`Rights::READ`].
    Read {
        /// Which.
        node: Node,
        /// From where.
        offset: u64,
        /// Where to.
        to: Place,
    },
    /// Writes to a file, all of it; answered with [`Reply::Moved`]. Needs [`Rights::WRITE`].
    Write {
        /// Which.
        node: Node,
        /// Where to; none for its end, whatever others write at the same time.
        offset: Option<u64>,
        /// What.
        from: Place,
    },
    /// Makes a file so long: cut off, or with zeros at its end; answered with [`Reply::Done`]. Needs [`Rights::WRITE`].
    Resize {
        /// Which.
        node: Node,
        /// Its length in bytes.
        len: u64,
    },
    /// Asks what an open file or directory is like; answered with [`Reply::Stat`].
    Stat {
        /// Which.
        node: Node,
    },
    /// Asks what a file is like; answered with [`Reply::Stat`].
    StatAt {
        /// Which.
        what: Path,
        /// Whether a symbolic link at the end is followed.
        follow: bool,
    },
    /// Makes a directory; answered with [`Reply::Done`]. Needs [`Rights::CREATE`].
    CreateDirectory {
        /// Which.
        what: Path,
    },
    /// Makes a symbolic link; answered with [`Reply::Done`]. Needs [`Rights::CREATE`].
    CreateSymlink {
        /// Which.
        what: Path,
        /// What it says.
        target: String,
    },
    /// Makes another name of a file; answered with [`Reply::Done`]. Needs [`Rights::CREATE`] at both ends, and at the
    /// new one no right that the old one has not.
    Link {
        /// The file.
        from: Path,
        /// Its new name.
        to: Path,
    },
    /// Asks what a symbolic link says; answered with [`Reply::Target`]. Needs [`Rights::READ`].
    ReadLink {
        /// Which.
        what: Path,
    },
    /// Removes a name, and with the last one the file, when nobody has it open any more; answered with
    /// [`Reply::Done`]. Needs [`Rights::CREATE`].
    Remove {
        /// Which.
        what: Path,
        /// Whether it is a directory, an empty one, or something else.
        directory: bool,
    },
    /// Gives a file or directory another name, at once; what had this name is no more. Answered with [`Reply::Done`]. Needs
    /// [`Rights::CREATE`] at both ends, and at the new one no right that the old one has not.
    Rename {
        /// Which.
        from: Path,
        /// Its new name.
        to: Path,
    },
    /// Lists a directory into a buffer, as a [`Listing`]; answered with [`Reply::Listed`]. Needs [`Rights::LIST`].
    List {
        /// Which.
        node: Node,
        /// 0, or where an earlier listing ended.
        from: u64,
        /// Where to.
        to: Place,
    },
    /// Answered with [`Reply::Done`] when all that was answered before survives a power failure. Needs no right but that
    /// the node is open.
    Sync {
        /// What is of interest. As it is, all is synced.
        node: Node,
    },
    /// Asks how much there is on the disk; answered with [`Reply::Space`].
    Space,
    /// Asks an administrator's question, which rules there are; answered with [`Reply::Rules`].
    Rules {
        /// How many the client knows.
        after: u16,
    },
    /// Withdraws a rule, as an administrator; answered with [`Reply::Done`]. From then on all that its client does below
    /// that directory is refused with [`Error::NotAllowed`], also with what it has open.
    Withdraw {
        /// Whose.
        client: String,
        /// Its number.
        rule: u16,
    },
    /// Restores a rule that was withdrawn, as an administrator; answered with [`Reply::Done`]. What the client has open
    /// is of use again.
    Restore {
        /// Whose.
        client: String,
        /// Its number.
        rule: u16,
    },
}

/// What the fs guest answers.
pub type Answer = Result<Reply, Error>;

/// What the fs guest answers, if it does what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// It is done.
    Done,
    /// How much the client may have.
    Welcome(Limits),
    /// A directory that the client begins with.
    Root {
        /// It is open, and cannot be closed.
        node: Node,
        /// What the fs guest's arguments call it.
        name: String,
        /// What the client may do there.
        rights: Rights,
    },
    /// The region is a buffer now.
    Attached(Buffer),
    /// It is open.
    Opened {
        /// What to name it by.
        node: Node,
        /// What it is like.
        stat: Stat,
    },
    /// Bytes were read or written.
    Moved {
        /// Where in the file.
        offset: u64,
        /// How many.
        len: u32,
    },
    /// What a file is like.
    Stat(Stat),
    /// What a symbolic link says.
    Target(String),
    /// A part of a directory.
    Listed {
        /// Bytes of it.
        len: u32,
        /// Where it goes on; none if that was all.
        next: Option<u64>,
    },
    /// How much there is on the disk.
    Space(Space),
    /// Rules; none is the end.
    Rules(Vec<Rule>),
}

/// How much a client may have at a time. What is more is refused with an error that says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Directories that it begins with.
    pub roots: u32,
    /// Open files and directories, beside those.
    pub open: u32,
    /// Buffers.
    pub buffers: u32,
    /// Bytes of a block: multiples of it are moved without a copy.
    pub block: u32,
}

/// A time, as the disk has it. The machine has no clock that tells the day: times are those of the
/// last change of the file system before the fs guest was started, plus what has gone by since.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Time {
    /// Seconds since 1970-01-01 00:00 UTC.
    pub seconds: i64,
    /// And so many nanoseconds.
    pub nanoseconds: u32,
}

/// What a file is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    /// Its number: two names with one number are names of one file.
    pub inode: u32,
    /// Tells a file from one that had its number before.
    pub generation: u32,
    /// What it is.
    pub kind: Kind,
    /// Its length in bytes.
    pub len: u64,
    /// Bytes that it takes on the disk.
    pub allocated: u64,
    /// How many names it has.
    pub links: u32,
    /// When its contents changed.
    pub modified: Time,
    /// When anything of it changed.
    pub changed: Time,
    /// When it was read, as far as that is kept.
    pub accessed: Time,
}

/// How much there is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// Bytes of a block, the least that a file takes.
    pub block: u32,
    /// Blocks for files.
    pub blocks: u64,
    /// Those that are free.
    pub free_blocks: u64,
    /// Files that there can be.
    pub files: u64,
    /// Those that there are not.
    pub free_files: u64,
    /// Whether nothing can be changed.
    pub is_read_only: bool,
}
