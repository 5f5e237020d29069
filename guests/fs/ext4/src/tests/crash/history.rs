// SPDX-License-Identifier: BSD-2-Clause
//! What a file system had after each operation, and whether it is like that after a crash.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    rc::Rc,
    string::String,
    vec,
    vec::Vec,
};
use core::ops::{ControlFlow, RangeInclusive};

use crate::{
    FileSystem, Kind,
    tests::disk::{Cuts, FaultyDisk},
};

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Directory,
    Symlink(Vec<u8>),
    /// A file with a number of its own, whatever its names, and what is in it.
    File(u64, Rc<Vec<u8>>),
}

/// All that there is, by paths.
pub(super) type Tree = BTreeMap<String, Node>;

/// Trees by the operations that led to them.
#[derive(Clone, Default)]
pub(crate) struct History {
    pub(super) after: BTreeMap<u64, Tree>,
    /// Files to which a write failed, or may have: what is in them is from one time or another.
    pub(super) unsure: BTreeMap<u64, BTreeSet<u64>>,
}

/// A tree without what is in files, but how long they are.
pub(super) fn shape(tree: &Tree) -> BTreeMap<&String, (Kind, usize, &[u8])> {
    let shape = |node| match node {
        &Node::Directory => (Kind::Directory, 0, &[][..]),
        Node::Symlink(target) => (Kind::Symlink, target.len(), &target[..]),
        Node::File(_, bytes) => (Kind::File, bytes.len(), &[][..]),
    };
    tree.iter()
        .map(|(path, node)| (path, shape(node)))
        .collect()
}

/// All that a file system has; the numbers of files are those of their inodes.
pub(super) fn read_all(fs: &mut FileSystem<FaultyDisk>) -> Tree {
    let mut tree = Tree::new();
    let mut dirs = vec![(String::new(), fs.root())];
    while let Some((path, dir)) = dirs.pop() {
        let mut found = Vec::new();
        fs.entries(dir, 0, &mut |entry| {
            let name = String::from_utf8(entry.name.to_vec()).unwrap();
            found.push((name, entry.ino, entry.kind));
            ControlFlow::Continue(())
        })
        .unwrap();
        for (name, ino, kind) in found {
            let path = format!("{path}/{name}");
            let node = match kind {
                Kind::Directory => {
                    dirs.push((path.clone(), ino));
                    Node::Directory
                }
                Kind::Symlink => Node::Symlink(fs.read_link(ino).unwrap()),
                Kind::File => {
                    let size = fs.stat(ino).unwrap().size as usize;
                    let mut bytes = vec![0; size];
                    assert_eq!(fs.read_bytes(ino, 0, &mut bytes), Ok(size), "{path}");
                    Node::File(ino.0.into(), Rc::new(bytes))
                }
                Kind::Other => panic!("{path}"),
            };
            tree.insert(path, node);
        }
    }
    tree
}

impl History {
    pub(super) fn is_unsure(&self, file: u64) -> bool {
        self.unsure.contains_key(&file)
    }

    /// Whether a file system, mounted after power went at the moment that `cuts` is at, is as it was after one of the
    /// operations from the last that was made durable to the last that was begun. What was written to files since may
    /// be there in part.
    pub(crate) fn check(&self, fs: &mut FileSystem<FaultyDisk>, cuts: &Cuts) {
        let durable = cuts.marks.iter().rev().find(|mark| *mark % 2 == 1);
        let durable = durable.map_or(0, |mark| mark / 2);
        let begun = cuts.marks.iter().rev().find(|mark| *mark % 2 == 0);
        let begun = begun.map_or(0, |mark| mark / 2);
        let found = read_all(fs);
        let found_shape = shape(&found);
        let mut reason = String::from("no tree is like it");
        for operation in (durable..=begun).rev() {
            let Some(tree) = self.after.get(&operation) else {
                continue;
            };
            if shape(tree) != found_shape {
                continue;
            }
            match self.difference(tree, &found, operation..=begun) {
                None => return,
                Some(path) => reason = format!("{path} is not as it was"),
            }
        }
        let last: Vec<_> = self.after.get(&begun).map(shape).into_iter().collect();
        panic!("{durable} to {begun}: {reason}; there is {found_shape:#?}, last {last:#?}");
    }

    /// A file that has what it never had after one of the operations.
    fn difference(
        &self,
        tree: &Tree,
        found: &Tree,
        operations: RangeInclusive<u64>,
    ) -> Option<String> {
        for (path, node) in tree {
            let (Node::File(file, bytes), Some(Node::File(_, found))) = (node, found.get(path))
            else {
                continue;
            };
            if bytes == found {
                continue;
            }
            if self.is_unsure(*file) {
                continue;
            }
            // What was written later, in the same place.
            let mut versions: Vec<&Rc<Vec<u8>>> = Vec::new();
            for later in self.after.range(operations.clone()).map(|(_, tree)| tree) {
                for node in later.values() {
                    if let Node::File(number, bytes) = node
                        && number == file
                        && !versions.iter().any(|version| Rc::ptr_eq(version, bytes))
                    {
                        versions.push(bytes);
                    }
                }
            }
            let is_known = found.iter().enumerate().all(|(at, byte)| {
                versions.iter().any(|version| version.get(at) == Some(byte))
                    // The end of a block is cleared when a file is cut off or grows.
                    || *byte == 0 && versions.len() > 1
            });
            if !is_known {
                return Some(path.clone());
            }
        }
        None
    }
}
