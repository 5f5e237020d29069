// SPDX-License-Identifier: BSD-2-Clause
//! A client: what it has open, and what becomes of its requests.

mod requests;

use alloc::{
    collections::{BTreeMap, btree_map::Entry},
    rc::Rc,
    string::String,
    vec::Vec,
};

use atoll_abi::fs::{Answer, Buffer, Error, Limits, Node, Reply, Request, Rights, VERSION};
use fs_ext4::{Disk, FileSystem, Ino, Kind};

use crate::{Rules, config, error::told, path};

/// Why a client was refused something, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The directory that it began with.
    pub root: String,
    /// The rights that are missing; none: what it might do there was withdrawn.
    pub missing: Option<Rights>,
}

/// What a client has open.
#[derive(Clone, Debug)]
struct Open {
    ino: Ino,
    kind: Kind,
    rights: Rights,
    /// Which of the roots it is below.
    root: u32,
}

/// A client. What it has open is held until [`Session::end`].
#[derive(Debug)]
pub struct Session {
    roots: Vec<config::Root>,
    rules: Rc<Rules>,
    limits: config::Limits,
    has_greeted: bool,
    /// The first ones are roots that were asked for, with the number of the root.
    open: BTreeMap<u32, Open>,
    next: u32,
    refusal: Option<Refusal>,
}

impl Session {
    /// One that has nothing open. The rules are those of this client.
    pub fn new(client: &config::Client, rules: &Rc<Rules>) -> Self {
        Self {
            roots: client.roots.clone(),
            rules: rules.clone(),
            limits: client.limits,
            has_greeted: false,
            open: BTreeMap::new(),
            next: client.roots.len() as u32,
            refusal: None,
        }
    }

    /// Closes all that is open.
    pub fn end<D: Disk>(mut self, fs: &mut FileSystem<D>) {
        for open in core::mem::take(&mut self.open).into_values() {
            // What it fails to free now, the next mount frees.
            let _ = fs.release(open.ino);
        }
    }

    /// Whether the client has said which version it speaks.
    pub const fn has_greeted(&self) -> bool {
        self.has_greeted
    }

    /// What was missing, if the last request was refused for that.
    pub fn refusal(&mut self) -> Option<Refusal> {
        self.refusal.take()
    }

    /// Does what a request asks for. `buffers`: the memory of those that the client has handed in. Requests that hand buffers in
    /// and out are not for this.
    pub fn answer<'b, D: Disk>(
        &mut self,
        fs: &mut FileSystem<D>,
        request: &Request,
        buffers: impl Fn(Buffer) -> Option<&'b D::Memory>,
    ) -> Answer
    where
        D::Memory: 'b,
    {
        if let Request::Hello { version } = request {
            if *version != VERSION {
                return Err(Error::OtherVersion);
            }
            self.has_greeted = true;
            return Ok(Reply::Welcome(Limits {
                roots: self.roots.len() as u32,
                open: self.limits.open,
                buffers: self.limits.buffers,
                block: fs.block_size(),
            }));
        }
        if !self.has_greeted {
            return Err(Error::OtherVersion);
        }
        self.dispatch(fs, request, buffers)
    }

    /// Opens one of the roots.
    fn root<D: Disk>(&mut self, fs: &mut FileSystem<D>, index: u32) -> Answer {
        let root = self.roots.get(index as usize);
        let root = root.ok_or(Error::NotFound)?.clone();
        if let Entry::Vacant(place) = self.open.entry(index) {
            let at = fs.root();
            let way = path::walk(fs, at, root.path.trim_start_matches('/'), true)?;
            let (ino, kind) = way.found()?;
            if kind != Kind::Directory {
                return Err(Error::NotDirectory);
            }
            fs.hold(ino).map_err(told)?;
            place.insert(Open {
                ino,
                kind,
                rights: root.rights,
                root: index,
            });
        }
        Ok(Reply::Root {
            node: Node(index),
            name: root.name,
            rights: root.rights,
        })
    }

    fn is_root(&self, number: u32) -> bool {
        (number as usize) < self.roots.len()
    }

    /// What is open by this number, if that is below what the client may use.
    fn node(&mut self, node: Node) -> Result<Open, Error> {
        let open = self.open.get(&node.0).ok_or(Error::BadNode)?.clone();
        if self.rules.allow(open.root) {
            return Ok(open);
        }
        self.refuse(open.root, None);
        Err(Error::NotAllowed)
    }

    /// Keeps why something is refused.
    fn refuse(&mut self, root: u32, missing: Option<Rights>) {
        let root = self.roots.get(root as usize);
        self.refusal = Some(Refusal {
            root: root.map(|root| root.name.clone()).unwrap_or_default(),
            missing,
        });
    }

    /// Refuses what the rights do not cover, and keeps which for the log.
    fn check(&mut self, open: &Open, needed: Rights) -> Result<(), Error> {
        if open.rights.contains(needed) {
            return Ok(());
        }
        let missing = Rights::NAMES
            .iter()
            .map(|(right, _)| *right)
            .filter(|right| needed.contains(*right) && !open.rights.contains(*right))
            .fold(Rights::NONE, Rights::union);
        self.refuse(open.root, Some(missing));
        Err(Error::NotAllowed)
    }

    /// An open file of which these rights are needed.
    fn file(&mut self, node: Node, needed: Rights) -> Result<Ino, Error> {
        let open = self.node(node)?;
        match open.kind {
            Kind::File => {}
            Kind::Directory => return Err(Error::IsDirectory),
            _ => return Err(Error::WrongKind),
        }
        self.check(&open, needed)?;
        Ok(open.ino)
    }

    /// An open directory of which these rights are needed.
    fn directory(&mut self, node: Node, needed: Rights) -> Result<Open, Error> {
        let open = self.node(node)?;
        if open.kind != Kind::Directory {
            return Err(Error::NotDirectory);
        }
        self.check(&open, needed)?;
        Ok(open)
    }
}
