// SPDX-License-Identifier: BSD-2-Clause
//! Steps that change directories.

use alloc::{collections::BTreeMap, vec};

use crate::{
    Error, Ino, New,
    tests::fs::{
        model::{Contents, What},
        steps::Run,
    },
};

impl Run {
    pub(super) fn create(&mut self) {
        let dir = self.dir();
        let is_known = self.roll(20) == 0;
        let name = self.name(dir, is_known);
        let target = match self.roll(4) {
            0 => vec![b't'; self.model.block_size - 1],
            1 => vec![b't'; 60],
            _ => vec![b't'; self.roll(90) as usize],
        };
        let (new, what) = match self.roll(10) {
            0..2 => {
                let entries = BTreeMap::new();
                let what = What::Directory {
                    entries,
                    parent: dir,
                };
                (New::Directory, what)
            }
            2 => (New::Symlink(&target), What::Symlink(target.clone())),
            _ => (New::File, What::File(Contents::default())),
        };
        let mut should = self.model.can_create(dir, &name);
        if should.is_ok() && matches!(&what, What::Symlink(target) if target.is_empty()) {
            should = Err(Error::BadName);
        }
        let made = self.rig.fs.create(Ino(dir), &name, new);
        if self.same(made.map(|_| ()), should) {
            self.model.create(dir, &name, made.unwrap().0, what);
            self.moved(dir, &name);
        }
    }

    pub(super) fn remove(&mut self) {
        let dir = self.dir();
        let is_known = self.roll(20) > 0;
        let name = self.name(dir, is_known);
        let found = self
            .model
            .lookup(dir, &name)
            .map(|(ino, _)| self.model.nodes[&ino].is_directory());
        let directory = found.unwrap_or(false) ^ (self.roll(20) == 0);
        let mut model = self.model.clone();
        let should = model.remove(dir, &name, directory);
        let is = if directory {
            self.rig.fs.remove_dir(Ino(dir), &name)
        } else {
            self.rig.fs.unlink(Ino(dir), &name)
        };
        if self.equal(is, should) {
            self.model = model;
            self.moved(dir, &name);
        }
    }

    pub(super) fn rename(&mut self) {
        let from = self.dir();
        let to = if self.roll(2) == 0 { from } else { self.dir() };
        let name = self.name(from, true);
        let is_known = self.roll(3) == 0;
        let new = self.name(to, is_known);
        let mut model = self.model.clone();
        let should = model.rename(from, &name, to, &new);
        let is = self.rig.fs.rename(Ino(from), &name, Ino(to), &new);
        let is_replaced = self.model.lookup(to, &new).is_ok();
        let is_nothing = self.model.lookup(from, &name) == self.model.lookup(to, &new);
        if self.same(is, should) {
            self.model = model;
            if !is_nothing {
                self.moved(from, &name);
                if !is_replaced {
                    self.moved(to, &new);
                }
            }
        }
    }

    pub(super) fn link(&mut self) {
        let (ino, dir) = (self.file(), self.dir());
        let name = self.name(dir, false);
        let mut model = self.model.clone();
        let should = model.link(ino, dir, &name);
        let is = self.rig.fs.link(Ino(ino), Ino(dir), &name);
        if self.same(is, should) {
            self.model = model;
            self.moved(dir, &name);
        }
    }
}
