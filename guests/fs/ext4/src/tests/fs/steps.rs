// SPDX-License-Identifier: BSD-2-Clause
//! One thing after the other is done to a file system and to its model.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format, vec,
    vec::Vec,
};
use core::{fmt, ops::ControlFlow, time::Duration};

use crate::{
    Error, Ino,
    tests::{
        disk::{Dice, FaultyDisk, Window},
        fs::{
            Rig,
            model::{Model, What},
        },
    },
};

/// Bytes that are not shown.
#[derive(PartialEq)]
struct Hidden(Vec<u8>);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// Somebody who reads a directory in pieces.
pub(super) struct Walk {
    dir: u32,
    next: u64,
    /// Names that were there from the beginning on.
    stayed: BTreeSet<Vec<u8>>,
    /// Names that have come or gone since.
    moved: BTreeSet<Vec<u8>>,
    seen: BTreeMap<Vec<u8>, u32>,
}

pub(super) struct Run {
    pub(super) rig: Rig,
    pub(super) model: Model,
    dice: Dice,
    pub(super) walks: Vec<Walk>,
    uptime: u64,
    /// How often there was no space.
    pub(super) full: usize,
    /// The disk fails sometimes. Then nothing was done.
    pub(super) can_fail: bool,
    /// What is in files may be anything, where there was something.
    pub(super) is_vague: bool,
}

impl Run {
    pub(super) fn new(image: Vec<u8>, seed: u64) -> Self {
        let mut rig = Rig::new(image);
        let lost = rig.at("lost+found").unwrap();
        let model = Model::new(rig.fs.root().0, lost.0, rig.fs.block_size() as usize);
        Self {
            rig,
            model,
            dice: Dice::new(seed),
            walks: Vec::new(),
            uptime: 0,
            full: 0,
            can_fail: false,
            is_vague: false,
        }
    }

    pub(super) fn roll(&mut self, end: u64) -> u64 {
        self.dice.below(end)
    }

    /// One of these that the model has; rarely one that it has not.
    pub(super) fn any(&mut self, is: impl Fn(&Model, u32) -> bool) -> u32 {
        if self.roll(200) == 0 {
            return self.roll(120) as u32;
        }
        let model = &self.model;
        let all = model
            .nodes
            .keys()
            .copied()
            .filter(|ino| is(model, *ino))
            .collect::<Vec<_>>();
        match all.len() {
            0 => self.model.root,
            len => all[self.roll(len as u64) as usize],
        }
    }

    pub(super) fn dir(&mut self) -> u32 {
        self.any(|model, ino| model.nodes[&ino].is_directory())
    }

    pub(super) fn file(&mut self) -> u32 {
        let only_files = self.roll(50) > 0;
        self.any(|model, ino| !only_files || matches!(model.nodes[&ino].what, What::File(_)))
    }

    /// A name: of something in the directory, or a new one.
    pub(super) fn name(&mut self, dir: u32, is_known: bool) -> Vec<u8> {
        if let Ok(entries) = self.model.entries(dir)
            && is_known
            && !entries.is_empty()
        {
            let len = entries.len() as u64;
            let at = self.dice.below(len) as usize;
            return entries.keys().nth(at).unwrap().clone();
        }
        match self.roll(100) {
            0 => b"..".to_vec(),
            1 => vec![b'x'; 256],
            2 => b"a/b".to_vec(),
            3..20 => {
                let len = 1 + self.roll(254) as usize;
                let mut name = format!("{:04}", self.roll(50)).into_bytes();
                name.resize(len.max(4), b'l');
                name
            }
            _ => format!("n{}", self.roll(60)).into_bytes(),
        }
    }

    fn bytes(&mut self) -> Vec<u8> {
        let len = match self.roll(12) {
            0 => 0,
            1..4 => self.roll(100),
            4..8 => self.roll(9_000),
            8..10 => 4096 * self.roll(16),
            10 => self.roll(80_000),
            _ => self.roll(600_000),
        };
        let first = self.roll(256) as usize;
        (0..len as usize)
            .map(|at| (first + at + at / 253) as u8)
            .collect()
    }

    fn offset(&mut self, ino: u32) -> u64 {
        let size = self.model.file(ino).map_or(0, |file| file.size);
        match self.roll(16) {
            0..5 => size,
            5..8 => self.roll(size + 1),
            8..11 => self.roll(size / 4096 + 1) * 4096,
            11..15 => self.roll(400_000),
            _ => 1 << self.roll(45),
        }
    }

    /// That both did the same; or there was no space for it, which there can only be when there is not much: answers
    /// whether it was done.
    #[track_caller]
    pub(super) fn same<T: PartialEq + fmt::Debug>(
        &mut self,
        is: Result<T, Error>,
        should: Result<T, Error>,
    ) -> bool {
        if is == Err(Error::NoSpace) && should.is_ok() {
            let space = self.rig.fs.space().unwrap();
            let enough = 800_000 / u64::from(space.block_size);
            assert!(
                space.free_blocks < enough || space.free_inodes == 0,
                "{space:?}"
            );
            self.full += 1;
            return false;
        }
        self.equal(is, should)
    }

    /// That both did the same; or nothing, because the disk has failed: answers whether it was done.
    #[track_caller]
    pub(super) fn equal<T: PartialEq + fmt::Debug>(
        &self,
        is: Result<T, Error>,
        should: Result<T, Error>,
    ) -> bool {
        if self.can_fail && matches!(is, Err(Error::Disk(_))) {
            return false;
        }
        assert_eq!(is, should);
        is.is_ok()
    }

    /// Something that comes or goes.
    pub(super) fn moved(&mut self, dir: u32, name: &[u8]) {
        for walk in self.walks.iter_mut().filter(|walk| walk.dir == dir) {
            walk.stayed.remove(name);
            walk.moved.insert(name.to_vec());
        }
    }

    fn write(&mut self) {
        let ino = self.file();
        let (bytes, offset) = (self.bytes(), self.offset(ino));
        let longest = u64::from(u32::MAX) * self.model.block_size as u64;
        let should = match self.model.file(ino) {
            Ok(_) if offset + bytes.len() as u64 > longest => Err(Error::TooLarge),
            other => other.map(|_| ()),
        };
        let is = if self.roll(3) == 0 {
            self.rig
                .fs
                .write_bytes(Ino(ino), offset, &bytes)
                .map(|len| assert_eq!(len, bytes.len()))
        } else {
            let at = self.roll(700) as u32;
            let mut window = vec![0x55; at as usize];
            window.extend_from_slice(&bytes);
            let (window, len) = (Window::new(window), bytes.len() as u32);
            self.rig
                .fs
                .write(Ino(ino), offset, &window, at, len)
                .map(|it| assert_eq!(it, len))
        };
        let has_failed = matches!(is, Err(Error::Disk(_)));
        if self.same(is, should) {
            self.model.file(ino).unwrap().write(offset, &bytes);
        } else if has_failed && let Ok(before) = self.model.file(ino).cloned() {
            // What was there before may be half overwritten.
            let len = before.size.saturating_sub(offset).min(bytes.len() as u64);
            let mut found = vec![0; len as usize];
            while self
                .rig
                .fs
                .read_bytes(Ino(ino), offset, &mut found)
                .is_err()
            {}
            let old = before.read(offset, len);
            for (at, byte) in found.iter().enumerate() {
                assert!(self.is_vague || *byte == old[at] || *byte == bytes[at]);
            }
            self.model.file(ino).unwrap().write(offset, &found);
        }
    }

    fn truncate(&mut self) {
        let ino = self.file();
        let size = if self.roll(5) == 0 {
            0
        } else {
            self.offset(ino)
        };
        let longest = u64::from(u32::MAX) * self.model.block_size as u64;
        let should = match self.model.file(ino) {
            Ok(_) if size > longest => Err(Error::TooLarge),
            other => other.map(|_| ()),
        };
        let is = self.rig.fs.truncate(Ino(ino), size);
        if self.same(is, should) {
            self.model.file(ino).unwrap().truncate(size);
        }
    }

    fn read(&mut self) {
        let ino = self.file();
        let offset = self.offset(ino);
        let len = if self.roll(3) == 0 {
            self.roll(200_000)
        } else {
            self.roll(5_000)
        };
        let mut should = self.model.file(ino).map(|file| file.read(offset, len));
        let mut is = self.read_somehow(ino, offset, len);
        if self.is_vague {
            let zeros = |bytes: Vec<u8>| vec![0; bytes.len()];
            (is, should) = (is.map(zeros), should.map(zeros));
        }
        self.equal(is.map(Hidden), should.map(Hidden));
    }

    fn read_somehow(&mut self, ino: u32, offset: u64, len: u64) -> Result<Vec<u8>, Error> {
        if self.roll(2) == 0 {
            let mut bytes = vec![1; len as usize];
            let is = self.rig.fs.read_bytes(Ino(ino), offset, &mut bytes);
            is.map(|len| {
                bytes.truncate(len);
                bytes
            })
        } else {
            let at = self.roll(300) as usize;
            let window = Window::new(vec![0xdb; at + len as usize + 9]);
            let is = self
                .rig
                .fs
                .read(Ino(ino), offset, &window, at as u32, len as u32);
            let window = window.0.into_inner();
            let end = at + is.unwrap_or(0) as usize;
            // A disk that fails may have filled some of what was asked for.
            let behind = if is.is_ok() { end } else { at + len as usize };
            let mut others = window[..at].iter().chain(&window[behind..]);
            assert!(others.all(|byte| *byte == 0xdb));
            is.map(|_| window[at..end].to_vec())
        }
    }

    fn look(&mut self) {
        let dir = self.dir();
        let is_known = self.roll(4) > 0;
        let name = self.name(dir, is_known);
        let should = self
            .model
            .lookup(dir, &name)
            .map(|(ino, kind)| (Ino(ino), kind));
        let is = self.rig.fs.lookup(Ino(dir), &name);
        self.equal(is, should);
        let ino = self.any(|_, _| true);
        self.stat(ino);
        let is = self.rig.fs.read_link(Ino(ino));
        let should = self.model.node(ino).and_then(|node| match &node.what {
            What::Symlink(target) => Ok(target.clone()),
            _ => Err(Error::WrongKind),
        });
        self.equal(is, should);
    }

    pub(super) fn stat(&mut self, ino: u32) {
        let is = self.rig.fs.stat(Ino(ino));
        let Ok(node) = self.model.node(ino) else {
            return assert_eq!(is, Err(Error::Stale));
        };
        let is = is.unwrap();
        assert_eq!((is.kind, is.links), (node.kind(), node.links));
        match &node.what {
            What::File(contents) => assert_eq!(is.size, contents.size),
            What::Symlink(target) => assert_eq!(is.size, target.len() as u64),
            What::Directory { .. } => {}
        }
    }

    fn hold(&mut self) {
        let ino = self.any(|_, _| true);
        if self.roll(2) == 0 {
            let is = self.rig.fs.hold(Ino(ino));
            let mut model = self.model.clone();
            let should = model.hold(ino);
            if self.equal(is, should) {
                self.model = model;
            }
        } else {
            let ino = self.any(|model, ino| model.nodes[&ino].held > 0);
            let is = self.rig.fs.release(Ino(ino));
            let mut model = self.model.clone();
            let should = model.release(ino);
            if self.equal(is, should) {
                self.model = model;
            }
        }
    }

    /// Somebody goes on reading a directory.
    fn walk(&mut self) {
        self.walks
            .retain(|walk| self.model.entries(walk.dir).is_ok());
        if self.walks.len() < 4 {
            let dir = self.dir();
            let Ok(entries) = self.model.entries(dir) else {
                return;
            };
            let stayed = entries.keys().cloned().collect();
            self.walks.push(Walk {
                dir,
                next: 0,
                stayed,
                moved: BTreeSet::new(),
                seen: BTreeMap::new(),
            });
        }
        let at = self.roll(self.walks.len() as u64) as usize;
        let count = 1 + self.roll(8);
        let walk = &mut self.walks[at];
        let mut left = count;
        let model = &self.model;
        let entries = model.entries(walk.dir).unwrap();
        let is_done = self.rig.fs.entries(Ino(walk.dir), walk.next, &mut |entry| {
            if left == 0 {
                return ControlFlow::Break(());
            }
            left -= 1;
            let ino = entries.get(entry.name).expect("an entry that is not there");
            assert_eq!((entry.ino.0, entry.kind), (*ino, model.nodes[ino].kind()));
            assert!(entry.next > walk.next);
            walk.next = entry.next;
            *walk.seen.entry(entry.name.to_vec()).or_insert(0) += 1;
            ControlFlow::Continue(())
        });
        if self.equal(is_done, Ok(())) && left > 0 {
            let walk = self.walks.remove(at);
            for name in &walk.stayed {
                assert_eq!(walk.seen.get(name), Some(&1), "{name:?}");
            }
            for (name, count) in walk.seen {
                assert!(count == 1 || walk.moved.contains(&name), "{name:?}");
            }
        }
    }

    fn mount_again(&mut self) {
        if self.roll(2) == 0 {
            self.rig.fs.sync().unwrap();
        } else {
            self.rig.fs.settle().unwrap();
            assert!(!self.rig.fs.is_dirty());
        }
        let disk = FaultyDisk::new(self.rig.disk.image());
        self.rig = Rig::mount(disk).unwrap();
        self.walks.clear();
        self.model.release_all();
    }

    pub(super) fn step(&mut self) {
        self.uptime += self.roll(1000);
        self.rig.fs.set_uptime(Duration::from_millis(self.uptime));
        match self.roll(1000) {
            0..170 => self.create(),
            170..290 => self.remove(),
            290..390 => self.rename(),
            390..430 => self.link(),
            430..650 => self.write(),
            650..700 => self.truncate(),
            700..800 => self.read(),
            800..860 => self.look(),
            860..910 => self.hold(),
            910..985 => self.walk(),
            985..992 => {
                let is = self.rig.fs.sync();
                self.equal(is, Ok(()));
            }
            992..996 => {
                let is = self.rig.fs.settle();
                self.equal(is, Ok(()));
            }
            _ if self.can_fail => {}
            _ => self.mount_again(),
        }
    }
}
