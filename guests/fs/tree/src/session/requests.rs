// SPDX-License-Identifier: BSD-2-Clause
//! The requests, one by one.

use alloc::{string::String, vec::Vec};
use core::ops::ControlFlow;

use atoll_abi::fs::{
    Answer, Buffer, Create, Error, Listed, MAX_PATH, Node, Path, Place, Reply, Request, Rights,
    Space,
};
use fs_ext4::{Disk, FileSystem, Ino, Kind, Memory as _, New};

use super::{Open, Session};
use crate::{
    error::{self, told},
    path::{Way, walk},
};

/// Most bytes of a listing that are made at a time.
const LISTING: usize = 16 << 10;

/// What is to be opened.
struct Opening<'a> {
    what: &'a Path,
    create: Create,
    truncate: bool,
    rights: Rights,
}

impl Session {
    pub(super) fn dispatch<'b, D: Disk>(
        &mut self,
        fs: &mut FileSystem<D>,
        request: &Request,
        buffers: impl Fn(Buffer) -> Option<&'b D::Memory>,
    ) -> Answer
    where
        D::Memory: 'b,
    {
        // The memory of a place, if it is inside.
        let memory = |place: &Place| {
            let memory = buffers(place.buffer).ok_or(Error::BadBuffer)?;
            let end = place.at.checked_add(place.len);
            match end.is_some_and(|end| end <= memory.len()) {
                true => Ok(memory),
                false => Err(Error::BadBuffer),
            }
        };
        match request {
            Request::Hello { .. }
            | Request::Attach { .. }
            | Request::Detach { .. }
            | Request::Rules { .. }
            | Request::Withdraw { .. }
            | Request::Restore { .. } => Err(Error::InvalidArgument),
            Request::Root { index } => self.root(fs, *index),
            Request::Open {
                what,
                create,
                truncate,
                rights,
            } => {
                let opening = Opening {
                    what,
                    create: *create,
                    truncate: *truncate,
                    rights: *rights,
                };
                self.open(fs, &opening)
            }
            Request::Close { node } => {
                if self.is_root(node.0) {
                    return Err(Error::BadNode);
                }
                let open = self.open.remove(&node.0).ok_or(Error::BadNode)?;
                fs.release(open.ino).map_err(told)?;
                Ok(Reply::Done)
            }
            Request::Read { node, offset, to } => {
                let ino = self.file(*node, Rights::READ)?;
                let memory = memory(to)?;
                let len = fs.read(ino, *offset, memory, to.at, to.len).map_err(told)?;
                Ok(Reply::Moved {
                    offset: *offset,
                    len,
                })
            }
            Request::Write { node, offset, from } => {
                let ino = self.file(*node, Rights::WRITE)?;
                let memory = memory(from)?;
                let offset = match offset {
                    Some(offset) => *offset,
                    None => fs.stat(ino).map_err(told)?.size,
                };
                let len = fs
                    .write(ino, offset, memory, from.at, from.len)
                    .map_err(told)?;
                Ok(Reply::Moved { offset, len })
            }
            Request::Resize { node, len } => {
                let ino = self.file(*node, Rights::WRITE)?;
                fs.truncate(ino, *len).map_err(told)?;
                Ok(Reply::Done)
            }
            Request::Stat { node } => {
                let ino = self.node(*node)?.ino;
                let stat = fs.stat(ino).map_err(told)?;
                Ok(Reply::Stat(error::stat(&stat)))
            }
            Request::StatAt { what, follow } => {
                let (_, way) = self.way(fs, what, Rights::NONE, *follow)?;
                let (ino, _) = way.found()?;
                let stat = fs.stat(ino).map_err(told)?;
                Ok(Reply::Stat(error::stat(&stat)))
            }
            Request::CreateDirectory { what } => self.make(fs, what, New::Directory),
            Request::CreateSymlink { what, target } => {
                if target.is_empty() || target.len() > MAX_PATH as usize || target.contains('\0') {
                    return Err(Error::BadPath);
                }
                self.make(fs, what, New::Symlink(target.as_bytes()))
            }
            Request::Link { from, to } => self.link(fs, from, to),
            Request::ReadLink { what } => {
                let (_, way) = self.way(fs, what, Rights::READ, false)?;
                let (ino, kind) = way.found()?;
                if kind != Kind::Symlink {
                    return Err(Error::WrongKind);
                }
                let target = fs.read_link(ino).map_err(told)?;
                let target = String::from_utf8(target).map_err(|_| Error::BadPath)?;
                match target.len() <= MAX_PATH as usize {
                    true => Ok(Reply::Target(target)),
                    false => Err(Error::BadPath),
                }
            }
            Request::Remove { what, directory } => {
                let (_, way) = self.way(fs, what, Rights::CREATE, false)?;
                let (parent, name) = way.entry(*directory)?;
                match directory {
                    true => fs.remove_dir(parent, name.as_bytes()),
                    false => fs.unlink(parent, name.as_bytes()),
                }
                .map_err(told)?;
                Ok(Reply::Done)
            }
            Request::Rename { from, to } => self.rename(fs, from, to),
            Request::List { node, from, to } => {
                let memory = memory(to)?;
                self.list(fs, *node, *from, memory, to)
            }
            Request::Sync { node } => {
                self.node(*node)?;
                fs.sync().map_err(told)?;
                Ok(Reply::Done)
            }
            Request::Space => {
                let space = fs.space().map_err(told)?;
                Ok(Reply::Space(Space {
                    block: space.block_size,
                    blocks: space.blocks,
                    free_blocks: space.free_blocks,
                    files: space.inodes,
                    free_files: space.free_inodes,
                    is_read_only: fs.is_read_only(),
                }))
            }
        }
    }

    /// Follows a path from a directory of which these rights are needed.
    fn way<D: Disk>(
        &mut self,
        fs: &mut FileSystem<D>,
        what: &Path,
        needed: Rights,
        follow: bool,
    ) -> Result<(Open, Way), Error> {
        let at = self.directory(what.at, needed)?;
        let way = walk(fs, at.ino, &what.path, follow)?;
        Ok((at, way))
    }

    fn open<D: Disk>(&mut self, fs: &mut FileSystem<D>, opening: &Opening<'_>) -> Answer {
        let count = self.open.keys().filter(|node| !self.is_root(**node));
        if count.count() >= self.limits.open as usize {
            return Err(Error::TooManyOpen);
        }
        let rights = opening.rights.intersection(Rights::ALL);
        let (at, way) = self.way(fs, opening.what, rights, true)?;
        if opening.truncate {
            self.check(&at, Rights::WRITE)?;
        }
        let (ino, kind) = match (way.found(), opening.create) {
            (Err(Error::NotFound), Create::IfMissing | Create::New) => {
                self.check(&at, Rights::CREATE)?;
                let (parent, name) = way.entry(false)?;
                let made = fs.create(parent, name.as_bytes(), New::File);
                (made.map_err(told)?, Kind::File)
            }
            (Ok(_), Create::New) => return Err(Error::Exists),
            (found, _) => found?,
        };
        if !matches!(kind, Kind::File | Kind::Directory) {
            return Err(Error::WrongKind);
        }
        let is_file = kind == Kind::File;
        if opening.truncate && !is_file {
            return Err(Error::IsDirectory);
        }
        // Before anything is lost.
        fs.hold(ino).map_err(told)?;
        let opened = self.opened(fs, ino, opening.truncate);
        let stat = match opened {
            Ok(stat) => stat,
            Err(error) => {
                let _ = fs.release(ino);
                return Err(told(error));
            }
        };
        let node = Node(self.free_number());
        let open = Open {
            ino,
            kind,
            rights,
            root: at.root,
        };
        self.open.insert(node.0, open);
        Ok(Reply::Opened {
            node,
            stat: error::stat(&stat),
        })
    }

    fn opened<D: Disk>(
        &self,
        fs: &mut FileSystem<D>,
        ino: Ino,
        truncate: bool,
    ) -> Result<fs_ext4::Stat, fs_ext4::Error> {
        if truncate {
            fs.truncate(ino, 0)?;
        }
        fs.stat(ino)
    }

    /// A number that no open file has.
    fn free_number(&mut self) -> u32 {
        loop {
            let number = self.next;
            self.next = self.next.wrapping_add(1).max(self.roots.len() as u32);
            if !self.open.contains_key(&number) {
                return number;
            }
        }
    }

    fn make<D: Disk>(&mut self, fs: &mut FileSystem<D>, what: &Path, new: New<'_>) -> Answer {
        let (_, way) = self.way(fs, what, Rights::CREATE, false)?;
        if let Way::Directory(_) = way {
            return Err(Error::Exists);
        }
        let (parent, name) = way.entry(matches!(new, New::Directory))?;
        fs.create(parent, name.as_bytes(), new).map_err(told)?;
        Ok(Reply::Done)
    }

    /// Both ends of a link or a rename. Who moves a file where it has more rights would give itself those.
    fn ends<D: Disk>(
        &mut self,
        fs: &mut FileSystem<D>,
        from: &Path,
        to: &Path,
    ) -> Result<(Way, Way), Error> {
        let (old, from) = self.way(fs, from, Rights::CREATE, false)?;
        let (new, to) = self.way(fs, to, Rights::CREATE, false)?;
        self.check(&old, new.rights)?;
        Ok((from, to))
    }

    fn link<D: Disk>(&mut self, fs: &mut FileSystem<D>, from: &Path, to: &Path) -> Answer {
        let (from, to) = self.ends(fs, from, to)?;
        let (ino, kind) = from.found()?;
        if kind == Kind::Directory {
            return Err(Error::IsDirectory);
        }
        if let Way::Directory(_) = to {
            return Err(Error::Exists);
        }
        let (parent, name) = to.entry(false)?;
        fs.link(ino, parent, name.as_bytes()).map_err(told)?;
        Ok(Reply::Done)
    }

    fn rename<D: Disk>(&mut self, fs: &mut FileSystem<D>, from: &Path, to: &Path) -> Answer {
        let (from, to) = self.ends(fs, from, to)?;
        let (_, kind) = from.found()?;
        let is_directory = kind == Kind::Directory;
        let (old, name) = from.entry(is_directory)?;
        let (new, new_name) = to.entry(is_directory)?;
        fs.rename(old, name.as_bytes(), new, new_name.as_bytes())
            .map_err(told)?;
        Ok(Reply::Done)
    }

    fn list<D: Disk>(
        &mut self,
        fs: &mut FileSystem<D>,
        node: Node,
        from: u64,
        memory: &D::Memory,
        to: &Place,
    ) -> Answer {
        let open = self.directory(node, Rights::LIST)?;
        let mut room = Vec::new();
        let size = LISTING.min(to.len as usize);
        room.try_reserve_exact(size).map_err(|_| Error::NoMemory)?;
        room.resize(size, 0);
        let (mut len, mut next, mut is_full) = (0, from, false);
        let mut put = |entry: fs_ext4::Entry<'_>| {
            let listed = Listed {
                inode: entry.ino.0,
                kind: error::kind(entry.kind),
                name: entry.name,
            };
            match room.get_mut(len..).and_then(|room| listed.put(room)) {
                Some(bytes) => {
                    len += bytes;
                    next = entry.next;
                    ControlFlow::Continue(())
                }
                None => {
                    is_full = true;
                    ControlFlow::Break(())
                }
            }
        };
        fs.entries(open.ino, from, &mut put).map_err(told)?;
        if is_full && len == 0 {
            // Not even one entry fits.
            return Err(Error::InvalidArgument);
        }
        let listing = room.get(..len).unwrap_or_default();
        memory.put(to.at, listing).ok_or(Error::BadBuffer)?;
        Ok(Reply::Listed {
            len: len as u32,
            next: is_full.then_some(next),
        })
    }
}
