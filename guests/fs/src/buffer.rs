// SPDX-License-Identifier: BSD-2-Clause
//! The buffers of a client: regions that it hands in, which the device reads and writes.

use alloc::collections::BTreeMap;

use atoll_abi::fs::{Buffer, Error, MAX_BUFFER_PAGES};
use userland::{
    PAGE, Pid, Rights,
    handle::{self, Capability as _, Token},
    shm::{Region, Window},
};

/// A region that a client has handed in. The parts are dropped in this order: the window, then the handle.
pub struct Memory {
    window: Window,
    _region: Held,
}

/// A capability that is given up with this.
struct Held(Region);

impl Drop for Held {
    fn drop(&mut self) {
        // It may be lost already.
        let _ = Region::from_handle(self.0.handle()).close();
    }
}

impl Memory {
    /// Takes up a region. What it is, the server says, and not the client.
    fn accept(token: [u8; 16], client: Pid) -> Option<Self> {
        let region = Held(handle::accept::<Region>(&Token::from_bytes(token)).ok()?);
        let size = region.0.size().ok()?;
        // Whose memory it is, counts: it goes away with this client.
        let is_clients = region.0.is_held_by(client) == Ok(true);
        if size > MAX_BUFFER_PAGES * PAGE || !is_clients {
            return None;
        }
        let window = region.0.attach(Rights::READ_WRITE).ok()?;
        Some(Self {
            window,
            _region: region,
        })
    }

    pub const fn window(&self) -> &Window {
        &self.window
    }
}

impl fs_ext4::Memory for Memory {
    fn len(&self) -> u32 {
        self.window.len()
    }

    fn put(&self, at: u32, bytes: &[u8]) -> Option<()> {
        self.window.write(at, bytes).ok()
    }

    fn get(&self, at: u32, bytes: &mut [u8]) -> Option<()> {
        self.window.read(at, bytes).ok()
    }
}

/// The buffers of one client.
#[derive(Default)]
pub struct Buffers {
    memory: BTreeMap<u32, Memory>,
    next: u32,
}

impl Buffers {
    pub fn len(&self) -> usize {
        self.memory.len()
    }

    pub fn attach(&mut self, token: [u8; 16], client: Pid) -> Result<Buffer, Error> {
        let memory = Memory::accept(token, client).ok_or(Error::UnsuitableBuffer)?;
        while self.memory.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let number = self.next;
        self.next = number.wrapping_add(1);
        self.memory.insert(number, memory);
        Ok(Buffer(number))
    }

    pub fn detach(&mut self, buffer: Buffer) -> Result<(), Error> {
        let memory = self.memory.remove(&buffer.0);
        memory.map(drop).ok_or(Error::BadBuffer)
    }

    pub fn get(&self, buffer: Buffer) -> Option<&Memory> {
        self.memory.get(&buffer.0)
    }
}
