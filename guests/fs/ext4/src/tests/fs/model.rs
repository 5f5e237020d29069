// SPDX-License-Identifier: BSD-2-Clause
//! What a file system should do, without a disk: as simple as can be.

use alloc::{boxed::Box, collections::BTreeMap, vec, vec::Vec};

use crate::{Error, Kind};

const PAGE: u64 = 1024;

/// Contents of a file: where there is no page, there are zeros.
#[derive(Clone, Default)]
pub(super) struct Contents {
    pub(super) size: u64,
    pages: BTreeMap<u64, Box<[u8]>>,
}

impl Contents {
    pub(super) fn read(&self, offset: u64, len: u64) -> Vec<u8> {
        let len = self.size.saturating_sub(offset).min(len);
        let mut bytes = vec![0; len as usize];
        let end = offset + len;
        for (number, page) in self.pages.range(offset / PAGE..end.div_ceil(PAGE)) {
            let start = number * PAGE;
            let (from, to) = (start.max(offset), (start + PAGE).min(end));
            if from < to {
                let part = &page[(from - start) as usize..(to - start) as usize];
                bytes[(from - offset) as usize..(to - offset) as usize].copy_from_slice(part);
            }
        }
        bytes
    }

    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        for (at, byte) in bytes.iter().enumerate() {
            let at = offset + at as u64;
            let page = self.pages.entry(at / PAGE);
            page.or_insert_with(|| vec![0; PAGE as usize].into())[(at % PAGE) as usize] = *byte;
        }
        if !bytes.is_empty() {
            self.size = self.size.max(offset + bytes.len() as u64);
        }
    }

    pub(super) fn truncate(&mut self, size: u64) {
        self.size = size;
        self.pages.split_off(&size.div_ceil(PAGE));
        if let Some(page) = self.pages.get_mut(&(size / PAGE)) {
            page[(size % PAGE) as usize..].fill(0);
        }
    }

    /// Places where there is something.
    pub(super) fn places(&self) -> impl Iterator<Item = u64> {
        self.pages.keys().map(|number| number * PAGE)
    }
}

#[derive(Clone)]
pub(super) enum What {
    File(Contents),
    Directory {
        entries: BTreeMap<Vec<u8>, u32>,
        parent: u32,
    },
    Symlink(Vec<u8>),
}

#[derive(Clone)]
pub(super) struct Node {
    pub(super) what: What,
    pub(super) links: u32,
    pub(super) held: u32,
}

impl Node {
    pub(super) fn kind(&self) -> Kind {
        match self.what {
            What::File(_) => Kind::File,
            What::Directory { .. } => Kind::Directory,
            What::Symlink(_) => Kind::Symlink,
        }
    }

    pub(super) fn is_directory(&self) -> bool {
        self.kind() == Kind::Directory
    }
}

/// All that there is, by the numbers of inodes, which the file system chooses.
#[derive(Clone)]
pub(super) struct Model {
    pub(super) nodes: BTreeMap<u32, Node>,
    pub(super) root: u32,
    /// Bytes of a block: a symbolic link's target is shorter.
    pub(super) block_size: usize,
}

fn check_name(name: &[u8]) -> Result<(), Error> {
    let is_bad = name.is_empty()
        || name == b"."
        || name == b".."
        || name.len() > 255
        || name.contains(&b'/')
        || name.contains(&0);
    if is_bad { Err(Error::BadName) } else { Ok(()) }
}

impl Model {
    pub(super) fn new(root: u32, lost: u32, block_size: usize) -> Self {
        let directory = |parent, entries, links| Node {
            what: What::Directory { entries, parent },
            links,
            held: 0,
        };
        let entries = BTreeMap::from([(b"lost+found".to_vec(), lost)]);
        let nodes = BTreeMap::from([
            (root, directory(root, entries, 3)),
            (lost, directory(root, BTreeMap::new(), 2)),
        ]);
        Self {
            nodes,
            root,
            block_size,
        }
    }

    pub(super) fn node(&self, ino: u32) -> Result<&Node, Error> {
        self.nodes.get(&ino).ok_or(Error::Stale)
    }

    fn node_mut(&mut self, ino: u32) -> Result<&mut Node, Error> {
        self.nodes.get_mut(&ino).ok_or(Error::Stale)
    }

    pub(super) fn entries(&self, dir: u32) -> Result<&BTreeMap<Vec<u8>, u32>, Error> {
        match &self.node(dir)?.what {
            What::Directory { entries, .. } => Ok(entries),
            _ => Err(Error::NotDirectory),
        }
    }

    fn entries_mut(&mut self, dir: u32) -> Result<&mut BTreeMap<Vec<u8>, u32>, Error> {
        let node = self.node_mut(dir)?;
        match &mut node.what {
            What::Directory { .. } if node.links == 0 => Err(Error::Stale),
            What::Directory { entries, .. } => Ok(entries),
            _ => Err(Error::NotDirectory),
        }
    }

    pub(super) fn lookup(&self, dir: u32, name: &[u8]) -> Result<(u32, Kind), Error> {
        let entries = self.entries(dir)?;
        check_name(name)?;
        let ino = *entries.get(name).ok_or(Error::NotFound)?;
        Ok((ino, self.node(ino)?.kind()))
    }

    /// Whether something can be created there.
    pub(super) fn can_create(&mut self, dir: u32, name: &[u8]) -> Result<(), Error> {
        let entries = self.entries_mut(dir)?;
        check_name(name)?;
        if entries.contains_key(name) {
            Err(Error::Exists)
        } else {
            Ok(())
        }
    }

    /// Creates what can be created, with this number.
    pub(super) fn create(&mut self, dir: u32, name: &[u8], ino: u32, what: What) {
        self.entries_mut(dir).unwrap().insert(name.to_vec(), ino);
        let mut links = 1;
        if matches!(what, What::Directory { .. }) {
            links = 2;
            self.node_mut(dir).unwrap().links += 1;
        }
        let node = Node {
            what,
            links,
            held: 0,
        };
        assert!(self.nodes.insert(ino, node).is_none(), "{ino} is in use");
    }

    pub(super) fn link(&mut self, ino: u32, dir: u32, name: &[u8]) -> Result<(), Error> {
        let node = self.node(ino)?;
        if node.is_directory() {
            return Err(Error::IsDirectory);
        }
        if node.links == 0 {
            return Err(Error::Stale);
        }
        self.can_create(dir, name)?;
        self.entries_mut(dir)?.insert(name.to_vec(), ino);
        self.node_mut(ino)?.links += 1;
        Ok(())
    }

    fn drop_link(&mut self, ino: u32) {
        let node = self.nodes.get_mut(&ino).unwrap();
        node.links = if node.is_directory() {
            0
        } else {
            node.links - 1
        };
        self.drop_unused(ino);
    }

    fn drop_unused(&mut self, ino: u32) {
        if self
            .nodes
            .get(&ino)
            .is_some_and(|node| node.links == 0 && node.held == 0)
        {
            self.nodes.remove(&ino);
        }
    }

    fn check_empty(&self, ino: u32) -> Result<(), Error> {
        match &self.node(ino)?.what {
            What::Directory { entries, .. } if !entries.is_empty() => Err(Error::NotEmpty),
            _ => Ok(()),
        }
    }

    pub(super) fn remove(&mut self, dir: u32, name: &[u8], directory: bool) -> Result<(), Error> {
        let entries = self.entries_mut(dir)?;
        check_name(name)?;
        let ino = *entries.get(name).ok_or(Error::NotFound)?;
        match (self.node(ino)?.is_directory(), directory) {
            (true, false) => return Err(Error::IsDirectory),
            (false, true) => return Err(Error::NotDirectory),
            _ => {}
        }
        self.check_empty(ino)?;
        self.entries_mut(dir)?.remove(name);
        if directory {
            self.node_mut(dir)?.links -= 1;
        }
        self.drop_link(ino);
        Ok(())
    }

    pub(super) fn rename(
        &mut self,
        from: u32,
        name: &[u8],
        to: u32,
        new: &[u8],
    ) -> Result<(), Error> {
        self.entries_mut(from)?;
        self.entries_mut(to)?;
        check_name(name)?;
        check_name(new)?;
        let ino = *self.entries(from)?.get(name).ok_or(Error::NotFound)?;
        let is_directory = self.node(ino)?.is_directory();
        if is_directory {
            let mut at = to;
            while at != self.root {
                if at == ino {
                    return Err(Error::IntoItself);
                }
                let What::Directory { parent, .. } = self.node(at)?.what else {
                    panic!()
                };
                at = parent;
            }
        }
        if let Some(old) = self.entries(to)?.get(new).copied() {
            if old == ino {
                return Ok(());
            }
            match (is_directory, self.node(old)?.is_directory()) {
                (true, false) => return Err(Error::NotDirectory),
                (false, true) => return Err(Error::IsDirectory),
                _ => {}
            }
            self.check_empty(old)?;
            if is_directory {
                self.node_mut(to)?.links -= 1;
            }
            self.drop_link(old);
        }
        self.entries_mut(from)?.remove(name);
        self.entries_mut(to)?.insert(new.to_vec(), ino);
        if is_directory {
            self.node_mut(from)?.links -= 1;
            self.node_mut(to)?.links += 1;
            if let What::Directory { parent, .. } = &mut self.node_mut(ino)?.what {
                *parent = to;
            }
        }
        Ok(())
    }

    pub(super) fn file(&mut self, ino: u32) -> Result<&mut Contents, Error> {
        match &mut self.node_mut(ino)?.what {
            What::File(contents) => Ok(contents),
            What::Directory { .. } => Err(Error::IsDirectory),
            What::Symlink(_) => Err(Error::WrongKind),
        }
    }

    pub(super) fn hold(&mut self, ino: u32) -> Result<(), Error> {
        self.node_mut(ino)?.held += 1;
        Ok(())
    }

    pub(super) fn release(&mut self, ino: u32) -> Result<(), Error> {
        let node = self.node_mut(ino)?;
        node.held = node.held.checked_sub(1).ok_or(Error::Stale)?;
        self.drop_unused(ino);
        Ok(())
    }

    /// The file system was mounted again: nobody holds anything.
    pub(super) fn release_all(&mut self) {
        for ino in self.nodes.keys().copied().collect::<Vec<_>>() {
            if let Some(node) = self.nodes.get_mut(&ino) {
                node.held = 0;
            }
            self.drop_unused(ino);
        }
    }
}
