// SPDX-License-Identifier: BSD-2-Clause
//! A file system in memory, a client with a buffer, and what they need.

use alloc::{rc::Rc, string::String, vec::Vec};
use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use atoll_abi::fs::{
    Answer, Buffer, Create, Error, Listing, Node, Path, Place, Reply, Request, Rights, VERSION,
};
use fs_ext4::{
    FileSystem, Memory, Options,
    ram::{Bytes, RamDisk},
};

use crate::{Refusal, Rules, Session, config::Config};

/// A file system of 8 MiB.
pub fn file_system() -> FileSystem<RamDisk> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = std::format!(
        "fs-tree-{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    let path: PathBuf = std::env::temp_dir().join(name);
    let made = Command::new("/sbin/mke2fs")
        .args(["-q", "-t", "ext4", "-b", "4096"])
        .arg(&path)
        .arg("8M")
        .output()
        .expect("mke2fs is of the package e2fsprogs");
    assert!(made.status.success(), "{made:?}");
    let image = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let options = Options {
        read_only: false,
        cache: 256,
    };
    FileSystem::mount(RamDisk(image), options).unwrap()
}

/// A client that has greeted, with one buffer.
pub struct Client {
    pub session: Session,
    pub rules: Rc<Rules>,
    pub memory: Bytes,
}

pub const BUFFER: Buffer = Buffer(0);

impl Client {
    /// One whose argument says this, behind its name.
    pub fn new(fs: &mut FileSystem<RamDisk>, says: &str) -> Self {
        Self::with(fs, &[&std::format!("it={says}")])
    }

    pub fn with(fs: &mut FileSystem<RamDisk>, args: &[&str]) -> Self {
        let config = Config::parse(args.iter().copied()).unwrap();
        let rules = Rc::new(Rules::new(&config.clients[0]));
        let mut client = Self {
            session: Session::new(&config.clients[0], &rules),
            rules,
            memory: Bytes::zeroed(64 << 10),
        };
        let hello = Request::Hello { version: VERSION };
        assert!(client.ask(fs, &hello).is_ok());
        client
    }

    pub fn ask(&mut self, fs: &mut FileSystem<RamDisk>, request: &Request) -> Answer {
        let memory = &self.memory;
        self.session
            .answer(fs, request, |buffer| (buffer == BUFFER).then_some(memory))
    }

    pub fn refusal(&mut self) -> Option<Refusal> {
        self.session.refusal()
    }

    pub fn root(&mut self, fs: &mut FileSystem<RamDisk>, index: u32) -> Node {
        match self.ask(fs, &Request::Root { index }) {
            Ok(Reply::Root { node, .. }) => node,
            other => panic!("{other:?}"),
        }
    }

    pub fn open(
        &mut self,
        fs: &mut FileSystem<RamDisk>,
        at: Node,
        path: &str,
        create: Create,
        rights: Rights,
    ) -> Result<Node, Error> {
        let request = Request::Open {
            what: way(at, path),
            create,
            truncate: false,
            rights,
        };
        match self.ask(fs, &request)? {
            Reply::Opened { node, .. } => Ok(node),
            other => panic!("{other:?}"),
        }
    }

    /// Writes a file, which is made if there is none.
    pub fn put(&mut self, fs: &mut FileSystem<RamDisk>, at: Node, path: &str, bytes: &[u8]) {
        let node = self
            .open(fs, at, path, Create::IfMissing, Rights::WRITE)
            .unwrap();
        self.memory.put(0, bytes).unwrap();
        let write = Request::Write {
            node,
            offset: Some(0),
            from: place(0, bytes.len() as u32),
        };
        assert!(self.ask(fs, &write).is_ok());
        self.ask(fs, &Request::Close { node }).unwrap();
    }

    pub fn get(
        &mut self,
        fs: &mut FileSystem<RamDisk>,
        at: Node,
        path: &str,
    ) -> Result<Vec<u8>, Error> {
        let node = self.open(fs, at, path, Create::No, Rights::READ)?;
        let read = Request::Read {
            node,
            offset: 0,
            to: place(0, 4096),
        };
        let len = match self.ask(fs, &read)? {
            Reply::Moved { len, .. } => len,
            other => panic!("{other:?}"),
        };
        self.ask(fs, &Request::Close { node })?;
        Ok(self.memory.0.borrow()[..len as usize].to_vec())
    }

    pub fn list(&mut self, fs: &mut FileSystem<RamDisk>, node: Node, room: u32) -> Vec<String> {
        let (mut names, mut from) = (Vec::new(), 0);
        loop {
            let request = Request::List {
                node,
                from,
                to: place(100, room),
            };
            let Reply::Listed { len, next } = self.ask(fs, &request).unwrap() else {
                panic!("no listing")
            };
            let memory = self.memory.0.borrow();
            let listing = Listing(&memory[100..100 + len as usize]);
            names.extend(listing.map(|it| String::from_utf8(it.name.to_vec()).unwrap()));
            match next {
                Some(next) => from = next,
                None => break,
            }
        }
        names.sort();
        names
    }
}

pub fn way(at: Node, path: &str) -> Path {
    Path {
        at,
        path: path.into(),
    }
}

pub const fn place(at: u32, len: u32) -> Place {
    Place {
        buffer: BUFFER,
        at,
        len,
    }
}
