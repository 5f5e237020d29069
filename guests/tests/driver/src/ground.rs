// SPDX-License-Identifier: BSD-2-Clause
//! Where scenarios take place: a device, its queues, memory for buffers, and the ordinary use of them,
//! which has to work whatever was tried before.

use alloc::vec::Vec;
use core::time::Duration;

use drill::{Fault, Verdict, ensure};
use userland::{PAGE, start::Start, time::Instant};

use crate::{
    call::{self, Memory},
    device::{Device, Kind},
    queue::{BYTES, Descriptor, Queue},
};

/// How long anything may take that a device does.
pub const PATIENCE: Duration = Duration::from_secs(300);
/// Bytes in front of a frame (virtio 1.2, 5.1.6).
pub const NET_HEADER: u32 = 12;
/// Room for a frame and its header.
pub const FRAME: u32 = 2048;
/// Bytes of a block.
pub const SECTOR: u32 = 512;
/// The sector that honest requests are for: all bytes of it are [`HONEST`], and no other sector's are.
pub const HONEST_SECTOR: u64 = 1;
/// What is in it, and in a frame that is sent honestly.
pub const HONEST: u8 = 0xa7;

/// A device with its queues and memory.
#[derive(Debug)]
pub struct Ground {
    pub start: Start,
    pub device: Device,
    pub queues: Vec<Queue>,
    /// Memory for buffers, a wasm page.
    pub buffers: Memory,
}

/// What a request needs around its data.
#[derive(Debug)]
pub struct Request {
    pub queue: usize,
    pub before: Vec<Descriptor>,
    pub after: Vec<Descriptor>,
    /// Whether the device writes the data.
    pub write: bool,
}

impl Ground {
    pub fn new(start: Start, kind: Kind) -> Verdict<Self> {
        let device = Device::given(&start, kind)?;
        let count = match kind {
            Kind::Net => 2,
            Kind::Block | Kind::Entropy => 1,
        };
        let memory = Memory::grow(2)?;
        let queue = |index| Queue::new(index, memory.part(index * BYTES, BYTES));
        Ok(Self {
            start,
            device,
            queues: (0..count).map(queue).collect(),
            buffers: memory.part(PAGE, PAGE),
        })
    }

    pub fn bring_up(&mut self) -> Verdict {
        self.device.bring_up(&mut self.queues)
    }

    /// Hands the device what was made available in a queue.
    pub fn kick(&self, queue: usize) -> Result<(), userland::Error> {
        self.device.kick(&self.queues[queue])
    }

    /// Waits until something of a queue was used: its first descriptor, and bytes written.
    pub fn used(&mut self, queue: usize) -> Verdict<(u16, u32)> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(used) = self.queues[queue].take() {
                return Ok(used);
            }
            let index = self.queues[queue].index();
            let came = call::wait(self.device.handle, index, end.nanoseconds())?;
            ensure!(came, "nothing of queue {index} was used in time");
        }
    }

    /// The ways in which the device moves data.
    pub fn requests(&self) -> Vec<Request> {
        let plain = |queue, write| Request {
            queue,
            before: Vec::new(),
            after: Vec::new(),
            write,
        };
        match self.device.kind {
            Kind::Net => alloc::vec![plain(0, true), plain(1, false)],
            Kind::Entropy => alloc::vec![plain(0, true)],
            Kind::Block => [true, false].map(|write| self.block(0, write)).into(),
        }
    }

    /// A request for a block device: its header at the end of the buffers, and its status behind that.
    fn block(&self, sector: u64, into_memory: bool) -> Request {
        const IN: u32 = 0;
        const OUT: u32 = 1;
        let header = self.buffers.part(PAGE - 32, 16);
        header.set_word(0, if into_memory { IN } else { OUT });
        header.set_word(4, 0);
        header.set_double(8, sector);
        let status = self.buffers.part(PAGE - 16, 8);
        status.set_byte(0, 0xff);
        Request {
            queue: 0,
            before: alloc::vec![Descriptor::of(header, false)],
            after: alloc::vec![Descriptor::new(status.base().into(), 1, true)],
            write: into_memory,
        }
    }

    /// Starts the device and uses it as it is meant to be. What it brings is what it should be.
    pub fn works(&mut self) -> Verdict {
        self.bring_up()?;
        match self.device.kind {
            Kind::Net => self.send(),
            Kind::Block => self.load(),
            Kind::Entropy => self.draw(),
        }
    }

    /// Sends a frame to all, of the protocol for local experiments.
    fn send(&mut self) -> Verdict {
        let frame = self.buffers.part(0, 128);
        frame.fill(u64::from_le_bytes([HONEST; 8]));
        for offset in 0..NET_HEADER {
            frame.set_byte(offset, 0);
        }
        let addresses = [[0xff; 6], [0x52, 0x54, 0, 0x12, 0x34, 0x56]];
        let head = addresses.into_iter().flatten().chain([0x88, 0xb5]);
        for (offset, byte) in (NET_HEADER..).zip(head) {
            frame.set_byte(offset, byte);
        }
        self.queues[1].chain(0, &[Descriptor::of(frame, false)]);
        self.queues[1].offer(0);
        self.kick(1)?;
        let used = self.used(1)?;
        ensure!(used == (0, 0), "{used:?} was used for a frame");
        Ok(())
    }

    fn load(&mut self) -> Verdict {
        let data = self.buffers.part(0, SECTOR);
        data.fill(0);
        let Request { before, after, .. } = self.block(HONEST_SECTOR, true);
        let chain = [before, alloc::vec![Descriptor::of(data, true)], after].concat();
        self.queues[0].chain(0, &chain);
        self.queues[0].offer(0);
        self.kick(0)?;
        let used = self.used(0)?;
        let status = self.buffers.byte(PAGE - 16);
        ensure!(
            used == (0, SECTOR + 1) && status == 0,
            "{used:?} with status {status} for a block"
        );
        match data.first_other_than(u64::from_le_bytes([HONEST; 8])) {
            None => Ok(()),
            Some(at) => Err(Fault::new(alloc::format!("another byte at {at}"))),
        }
    }

    fn draw(&mut self) -> Verdict {
        let data = self.buffers.part(0, 64);
        data.fill(0);
        self.queues[0].chain(0, &[Descriptor::of(data, true)]);
        self.queues[0].offer(0);
        self.kick(0)?;
        let (head, len) = self.used(0)?;
        ensure!(
            head == 0 && (1..=64).contains(&len),
            "{len} random bytes in chain {head}"
        );
        ensure!(
            data.first_other_than(0).is_some(),
            "{len} random bytes, all 0"
        );
        Ok(())
    }
}
