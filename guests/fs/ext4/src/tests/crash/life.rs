// SPDX-License-Identifier: BSD-2-Clause
//! A file system in use, with a model of it after each operation.

use alloc::{collections::BTreeSet, format, rc::Rc, string::String, vec, vec::Vec};
use core::{cell::RefCell, time::Duration};

use super::history::{History, Node, Tree, read_all, shape};
use crate::{
    Error, FileSystem, Ino, New,
    tests::disk::{Dice, FaultyDisk, Window},
};

/// Somebody who uses a file system.
pub(crate) struct Life {
    disk: FaultyDisk,
    fs: FileSystem<FaultyDisk>,
    dice: Dice,
    tree: Tree,
    history: History,
    operation: u64,
    next_file: u64,
    /// Files that were written since the last time that all was made durable.
    written: BTreeSet<u64>,
    held: Vec<Ino>,
}

/// An operation on the tree that is not on the file system yet.
enum Change {
    Put(String, Node),
    Remove(String),
    Move(String, String),
    Set(u64, Rc<Vec<u8>>),
}

impl Life {
    pub(crate) fn new(disk: &FaultyDisk, seed: u64) -> Self {
        let mut fs = FileSystem::mount(disk.clone(), super::OPTIONS).unwrap();
        fs.settle().unwrap();
        let tree = Tree::from([(String::from("/lost+found"), Node::Directory)]);
        let mut history = History::default();
        history.after.insert(0, tree.clone());
        Self {
            disk: disk.clone(),
            fs,
            dice: Dice::new(seed),
            tree,
            history,
            operation: 0,
            next_file: 0,
            written: BTreeSet::new(),
            held: Vec::new(),
        }
    }

    pub(crate) fn history(&self) -> History {
        self.history.clone()
    }

    /// Does some operations, and makes all durable now and then.
    pub(crate) fn go_on(&mut self, operations: u64) {
        for _ in 0..operations {
            self.operation += 1;
            self.disk.mark(2 * self.operation);
            self.fs.set_uptime(Duration::from_millis(self.operation));
            let mut touched = Vec::new();
            match self.operate(&mut touched) {
                Ok(changes) => {
                    for change in changes {
                        self.apply(change);
                    }
                }
                Err(Error::NoSpace) => {}
                Err(Error::Disk(_)) => self.are_unsure(touched),
                Err(error) => panic!("{}: {error:?}", self.operation),
            }
            self.history.after.insert(self.operation, self.tree.clone());
            match self.dice.below(14) {
                0..2 => {
                    let done = self.fs.sync();
                    self.synced(done);
                }
                2 => {
                    let done = self.fs.settle();
                    self.synced(done);
                }
                _ => {}
            }
        }
    }

    /// Makes all durable, and looks at it.
    pub(crate) fn end(&mut self) {
        for ino in core::mem::take(&mut self.held) {
            self.fs.release(ino).unwrap();
        }
        self.fs.settle().unwrap();
        let found = read_all(&mut self.fs);
        assert_eq!(shape(&found), shape(&self.tree));
        for (path, node) in &self.tree {
            if let (Node::File(file, bytes), Node::File(_, found)) = (node, &found[path])
                && !self.history.is_unsure(*file)
            {
                assert!(bytes == found, "{path}");
            }
        }
    }

    fn synced(&mut self, done: Result<(), Error>) {
        match done {
            Ok(()) => {
                self.disk.mark(2 * self.operation + 1);
                self.written.clear();
            }
            // What was written past the cache may be lost.
            Err(Error::Disk(_)) => {
                let written = self.written.iter().copied().collect();
                self.are_unsure(written);
            }
            Err(error) => panic!("{}: {error:?}", self.operation),
        }
    }

    fn are_unsure(&mut self, files: Vec<u64>) {
        for file in files.into_iter().chain(self.written.iter().copied()) {
            let unsure = self.history.unsure.entry(file).or_default();
            unsure.insert(self.operation);
        }
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Put(path, node) => {
                self.tree.insert(path, node);
            }
            Change::Remove(path) => {
                self.tree.remove(&path);
            }
            Change::Move(from, to) => {
                let below = format!("{from}/");
                let moved: Vec<String> = self
                    .tree
                    .keys()
                    .filter(|path| **path == from || path.starts_with(&below))
                    .cloned()
                    .collect();
                for path in moved {
                    let node = self.tree.remove(&path).unwrap();
                    self.tree
                        .insert(format!("{to}{}", &path[from.len()..]), node);
                }
            }
            Change::Set(file, bytes) => {
                for node in self.tree.values_mut() {
                    if let Node::File(number, contents) = node
                        && *number == file
                    {
                        *contents = bytes.clone();
                    }
                }
            }
        }
    }

    fn any(&mut self, is_wanted: impl Fn(&Node) -> bool) -> Option<(String, Node)> {
        let found: Vec<_> = self
            .tree
            .iter()
            .filter(|(path, node)| *path != "/lost+found" && is_wanted(node))
            .collect();
        let count = found.len() as u64;
        if count == 0 {
            return None;
        }
        let (path, node) = found[self.dice.below(count) as usize];
        Some((path.clone(), node.clone()))
    }

    /// A name in some directory that may be taken.
    fn name(&mut self) -> String {
        let dir = match self.dice.below(3) {
            0 => String::new(),
            _ => {
                let found = self.any(|node| *node == Node::Directory);
                found.map_or(String::new(), |(path, _)| path)
            }
        };
        // Some are long, so that directories have several blocks.
        let number = self.dice.below(24);
        let long = if number.is_multiple_of(3) {
            "-and-so-on".repeat(12)
        } else {
            String::new()
        };
        format!("{dir}/{number}{long}")
    }

    fn at(&mut self, path: &str) -> Result<Ino, Error> {
        let mut at = self.fs.root();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            at = self.fs.lookup(at, name.as_bytes())?.0;
        }
        Ok(at)
    }

    /// The directory that a path is in, and the name there.
    fn place<'a>(&mut self, path: &'a str) -> Result<(Ino, &'a [u8]), Error> {
        let (dir, name) = path.rsplit_once('/').unwrap();
        Ok((self.at(dir)?, name.as_bytes()))
    }

    fn bytes(&mut self, len: u64) -> Vec<u8> {
        let seed = self.dice.roll() as u8;
        (0..len)
            .map(|at| (at as u8).wrapping_mul(7) ^ seed | 1)
            .collect()
    }

    /// Does something; answers what it led to. `touched` gets the files of which the contents may be another even if it
    /// fails.
    fn operate(&mut self, touched: &mut Vec<u64>) -> Result<Vec<Change>, Error> {
        let is_file = |node: &Node| matches!(node, Node::File(..));
        match self.dice.below(20) {
            0..4 => self.create(),
            4..9 => {
                let Some((path, Node::File(file, bytes))) = self.any(is_file) else {
                    return self.create();
                };
                touched.push(file);
                self.write(&path, file, &bytes)
            }
            9..11 => {
                let Some((path, Node::File(file, bytes))) = self.any(is_file) else {
                    return self.create();
                };
                let size = match self.dice.below(3) {
                    0 => 0,
                    1 => self.dice.below(bytes.len() as u64 + 1),
                    _ => bytes.len() as u64 + self.dice.below(5000),
                };
                touched.push(file);
                let ino = self.at(&path)?;
                self.fs.truncate(ino, size)?;
                let mut bytes = bytes.to_vec();
                bytes.resize(size as usize, 0);
                Ok(vec![Change::Set(file, Rc::new(bytes))])
            }
            11..14 => {
                let Some((path, _)) = self.any(|node| *node != Node::Directory) else {
                    return self.create();
                };
                let ino = self.at(&path)?;
                if self.dice.below(4) == 0 && self.fs.hold(ino).is_ok() {
                    self.held.push(ino);
                }
                let (dir, name) = self.place(&path)?;
                self.fs.unlink(dir, name)?;
                Ok(vec![Change::Remove(path)])
            }
            14..17 => self.rename(),
            17 => {
                let Some((path, node)) = self.any(is_file) else {
                    return self.create();
                };
                let new = self.name();
                if self.tree.contains_key(&new) {
                    return Ok(Vec::new());
                }
                let ino = self.at(&path)?;
                let (dir, name) = self.place(&new)?;
                self.fs.link(ino, dir, name)?;
                Ok(vec![Change::Put(new, node)])
            }
            18 => {
                let Some((path, _)) = self.any(|node| *node == Node::Directory) else {
                    return self.create();
                };
                let (dir, name) = self.place(&path)?;
                match self.fs.remove_dir(dir, name) {
                    Err(Error::NotEmpty) => Ok(Vec::new()),
                    done => done.map(|()| vec![Change::Remove(path)]),
                }
            }
            _ => {
                if let Some(ino) = self.held.pop() {
                    // It is released, even if it cannot be freed now.
                    match self.fs.release(ino) {
                        Ok(()) | Err(Error::Disk(_)) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
                Ok(Vec::new())
            }
        }
    }

    fn create(&mut self) -> Result<Vec<Change>, Error> {
        let path = self.name();
        if self.tree.contains_key(&path) {
            return Ok(Vec::new());
        }
        let target = path.repeat(1 + self.dice.below(2) as usize).into_bytes();
        let (new, node) = match self.dice.below(6) {
            0 if path.len() < 200 => (New::Directory, Node::Directory),
            1 => (New::Symlink(&target), Node::Symlink(target.clone())),
            _ => {
                self.next_file += 1;
                (New::File, Node::File(self.next_file, Rc::default()))
            }
        };
        let (dir, name) = self.place(&path)?;
        match self.fs.create(dir, name, new) {
            Err(Error::BadName) => Ok(Vec::new()),
            done => done.map(|_| vec![Change::Put(path, node)]),
        }
    }

    fn write(&mut self, path: &str, file: u64, bytes: &[u8]) -> Result<Vec<Change>, Error> {
        let size = bytes.len() as u64;
        let offset = match self.dice.below(4) {
            0..2 => size,
            2 => self.dice.below(size + 1),
            _ => self.dice.below(size + 9000),
        };
        let len = match self.dice.below(3) {
            0 => 1 + self.dice.below(100),
            1 => 1 + self.dice.below(6000),
            _ => 1 + self.dice.below(40_000),
        };
        let written = self.bytes(len);
        let ino = self.at(path)?;
        self.written.insert(file);
        if self.dice.below(2) == 0 {
            self.fs.write_bytes(ino, offset, &written)?;
        } else {
            let memory = Window(RefCell::new(written.clone()));
            self.fs.write(ino, offset, &memory, 0, len as u32)?;
        }
        let mut bytes = bytes.to_vec();
        let end = (offset + len) as usize;
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[offset as usize..end].copy_from_slice(&written);
        Ok(vec![Change::Set(file, Rc::new(bytes))])
    }

    fn rename(&mut self) -> Result<Vec<Change>, Error> {
        let Some((from, node)) = self.any(|_| true) else {
            return self.create();
        };
        let to = match self.dice.below(2) {
            0 => self.name(),
            // In the place of another.
            _ => match self.any(|_| true) {
                Some((path, _)) => path,
                None => return Ok(Vec::new()),
            },
        };
        if to == from || to.starts_with(&format!("{from}/")) || from.starts_with(&format!("{to}/"))
        {
            return Ok(Vec::new());
        }
        let (from_dir, name) = self.place(&from)?;
        let (to_dir, new) = self.place(&to)?;
        match self.fs.rename(from_dir, name, to_dir, new) {
            Err(
                Error::NotEmpty
                | Error::IsDirectory
                | Error::NotDirectory
                | Error::Exists
                | Error::WrongKind,
            ) => Ok(Vec::new()),
            Err(error) => Err(error),
            Ok(()) => {
                // Two names of one file stay.
                if let (Node::File(a, _), Some(Node::File(b, _))) = (&node, self.tree.get(&to))
                    && a == b
                {
                    return Ok(Vec::new());
                }
                Ok(vec![Change::Move(from, to)])
            }
        }
    }
}
