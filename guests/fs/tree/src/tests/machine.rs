// SPDX-License-Identifier: BSD-2-Clause
//! A disk in memory, a client with a buffer, and what they need.

use alloc::{rc::Rc, string::String, vec, vec::Vec};
use core::cell::RefCell;
use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use atoll_abi::fs::{
    Answer, Buffer, Create, Error, Listing, Node, Path, Place, Reply, Request, Rights, VERSION,
};
use fs_ext4::{Disk, DiskError, FileSystem, Memory, Options, SECTOR};

use crate::{Refusal, Session, config::Config};

#[derive(Clone)]
pub struct Bytes(pub Rc<RefCell<Vec<u8>>>);

impl Memory for Bytes {
    fn len(&self) -> u32 {
        self.0.borrow().len() as u32
    }

    fn put(&self, at: u32, bytes: &[u8]) -> Option<()> {
        let mut memory = self.0.borrow_mut();
        let place = memory.get_mut(at as usize..)?.get_mut(..bytes.len())?;
        place.copy_from_slice(bytes);
        Some(())
    }

    fn get(&self, at: u32, bytes: &mut [u8]) -> Option<()> {
        let memory = self.0.borrow();
        bytes.copy_from_slice(memory.get(at as usize..)?.get(..bytes.len())?);
        Some(())
    }
}

pub struct RamDisk(pub Vec<u8>);

impl RamDisk {
    fn place(&mut self, sector: u64, len: usize) -> Result<&mut [u8], DiskError> {
        let begin = sector as usize * SECTOR;
        self.0
            .get_mut(begin..begin + len)
            .ok_or(DiskError::OutOfRange)
    }
}

impl Disk for RamDisk {
    type Memory = Bytes;

    fn sectors(&self) -> u64 {
        (self.0.len() / SECTOR) as u64
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn read(&mut self, sector: u64, into: &mut [u8]) -> Result<(), DiskError> {
        into.copy_from_slice(self.place(sector, into.len())?);
        Ok(())
    }

    fn write(&mut self, sector: u64, from: &[u8]) -> Result<(), DiskError> {
        self.place(sector, from.len())?.copy_from_slice(from);
        Ok(())
    }

    fn read_to(&mut self, sector: u64, memory: &Bytes, at: u32, len: u32) -> Result<(), DiskError> {
        let bytes = self.place(sector, len as usize)?;
        memory.put(at, bytes).ok_or(DiskError::Memory)
    }

    fn write_from(
        &mut self,
        sector: u64,
        memory: &Bytes,
        at: u32,
        len: u32,
    ) -> Result<(), DiskError> {
        let bytes = self.place(sector, len as usize)?;
        memory.get(at, bytes).ok_or(DiskError::Memory)
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        Ok(())
    }
}

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
        let mut client = Self {
            session: Session::new(&config.clients[0]),
            memory: Bytes(Rc::new(RefCell::new(vec![0; 64 << 10]))),
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
