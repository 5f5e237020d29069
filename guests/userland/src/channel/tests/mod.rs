// SPDX-License-Identifier: BSD-2-Clause
//! Channels without a server: in memory of this process, among peers that are numbers.

mod duplex;
mod ends;
mod fuzz;
mod own;
mod properties;
mod reference;
mod threads;
mod waits;

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use std::sync::{
    Condvar, Mutex,
    atomic::{AtomicU32, Ordering::SeqCst},
};

use super::{
    Config, Frame, OpenError, ReadEnd, ReadError, Strength, WriteEnd, WriteError,
    link::{Link, Peers},
    memory::Memory,
    open::{find, make},
};

/// Who there is, and what was rung.
#[derive(Default)]
pub(super) struct World {
    /// Those that are gone.
    dead: Mutex<Vec<u32>>,
    /// How often each bell was rung.
    rings: [AtomicU32; 2],
    bell: (Mutex<u64>, Condvar),
}

impl World {
    fn kill(&self, pid: u32) {
        self.dead.lock().unwrap().push(pid);
        self.ring(3);
    }

    fn ring(&self, bells: u32) {
        for (i, rings) in self.rings.iter().enumerate() {
            rings.fetch_add(bells >> i & 1, SeqCst);
        }
        *self.bell.0.lock().unwrap() += 1;
        self.bell.1.notify_all();
    }

    fn rings(&self) -> [u32; 2] {
        [0, 1].map(|i| self.rings[i].load(SeqCst))
    }
}

/// One of those that hold the region.
struct Peer {
    pid: u32,
    world: Arc<World>,
}

impl Peers for Peer {
    fn me(&self) -> u32 {
        self.pid
    }

    fn holds(&self, pid: u32) -> bool {
        !self.world.dead.lock().unwrap().contains(&pid)
    }

    fn ring(&self, bells: u32) {
        self.world.ring(bells);
    }
}

/// A region, and who shares it.
pub(super) struct Place {
    memory: Memory,
    world: Arc<World>,
}

impl Place {
    /// A region of zeros.
    fn new(bytes: u32) -> Self {
        Self {
            memory: Memory::leak(bytes),
            world: Arc::default(),
        }
    }

    fn peer(&self, pid: u32) -> Box<dyn Peers> {
        Box::new(Peer {
            pid,
            world: self.world.clone(),
        })
    }

    /// What a peer that brings this configuration gets.
    fn create(&self, pid: u32, config: &Config) -> Result<Arc<Link>, OpenError> {
        make(&self.memory, config, &*self.peer(pid))?;
        find(&self.memory, self.peer(pid)).map(Arc::new)
    }

    /// A channel of its own.
    fn with(config: &Config) -> (Self, Arc<Link>) {
        let place = Self::new(config.bytes());
        let link = place.create(1, config).unwrap();
        (place, link)
    }

    /// The channel as another peer sees it.
    fn link(&self, pid: u32) -> Arc<Link> {
        Arc::new(find(&self.memory, self.peer(pid)).unwrap())
    }

    fn writer(&self, pid: u32) -> WriteEnd {
        WriteEnd::new(&self.link(pid), Strength::Strong, "writer").unwrap()
    }

    fn writer_if_free(&self, pid: u32) -> Option<WriteEnd> {
        WriteEnd::new(&self.link(pid), Strength::Strong, "writer")
    }

    fn reader(&self, pid: u32) -> ReadEnd {
        ReadEnd::new(&self.link(pid), Strength::Strong, "reader").unwrap()
    }

    fn weak_reader(&self, pid: u32) -> ReadEnd {
        ReadEnd::new(&self.link(pid), Strength::Weak, "weak").unwrap()
    }
}

fn content(frame: &Frame<'_>) -> Vec<u8> {
    let mut bytes = std::vec![0; frame.len() as usize];
    frame.read(&mut bytes).unwrap();
    bytes
}

/// The next frame, released.
fn take(reader: &mut ReadEnd) -> Result<Option<Vec<u8>>, ReadError> {
    Ok(reader.try_borrow()?.map(|frame| content(&frame)))
}
