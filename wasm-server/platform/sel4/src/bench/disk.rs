// SPDX-License-Identifier: BSD-2-Clause
//! What a disk costs without guests and without a file system: a task of native code that drives a disk of its own, with the
//! same library as the guest `fs`, and reads and writes as much as the guest `bench-fs` does, on sectors.
//!
//! Results are the instructions of the whole machine meanwhile, those of the kernel included.

use alloc::{format, string::String};
use core::{ptr, ptr::NonNull, slice};

use capdl::blob::{Reader, VIRTIO_SLOT};
use sel4::cap;
use virtio_drivers::{
    PAGE_SIZE,
    queue::VirtQueue,
    transport::{
        DeviceStatus, Transport as _,
        mmio::{MmioTransport, VirtIOHeader},
    },
};
use wasm_handoff::Handoff;

use super::{
    dma::{self, Pages},
    line,
    native::{self, Device},
};
use crate::{clock, console};

/// The name of the device in the spec.
const DEVICE: &str = "native-disk";

/// Bytes of a long piece, and of a short one.
const PIECE: usize = 256 << 10;
const SHORT: usize = 4 << 10;
/// How many of them.
const PIECES: u64 = 128;
const SHORTS: u64 = 1024;
/// Parts of what is timed.
const PARTS: u64 = 8;
/// The sector where they begin: behind what the disk's file system begins with.
const BEGIN: u64 = (64 << 20) / SECTOR;
const SECTOR: u64 = 512;

/// Kinds of requests, and the status of one that was done (virtio 1.2, section 5.2.6).
const READ: u32 = 0;
const WRITE: u32 = 1;
const FLUSH: u32 = 4;
const OK: u8 = 0;

/// Features: a cache that can be flushed, and the interface of virtio 1 (sections 5.2.3 and 6).
const FEATURES: u64 = 1 << 9 | 1 << 32;

/// Starts the task if the spec has a device for it.
///
/// # Errors
/// What is missing, for people.
pub fn start(pool: cap::Untyped, spec: &Reader<'_>, handoff: &Handoff) -> Result<(), String> {
    native::start(pool, spec, handoff, DEVICE, task)
}

extern "C" fn task(argument: usize) -> ! {
    // SAFETY: the argument of a task, which it has for itself.
    let device = unsafe { native::begin(argument) };
    if let Err(error) = Disk::new(&device).and_then(measure) {
        console::line(format_args!("native disk: {error}"));
    }
    device.rest()
}

struct Disk<'a> {
    device: &'a Device,
    transport: MmioTransport<'static>,
    queue: VirtQueue<Pages, 4>,
    /// What is read and written.
    data: &'static mut [u8],
    /// Of a request (virtio 1.2, section 5.2.6).
    header: &'static mut [u8],
    status: &'static mut [u8],
}

/// Takes memory for the device.
fn memory(len: usize) -> Result<&'static mut [u8], String> {
    let pages = dma::take(len.div_ceil(PAGE_SIZE)).ok_or("no memory for buffers")?;
    // SAFETY: the pages are nobody else's, for good, and zeroed.
    Ok(unsafe { slice::from_raw_parts_mut(pages.as_ptr(), len) })
}

impl<'a> Disk<'a> {
    fn new(device: &'a Device) -> Result<Self, String> {
        let registers = ptr::with_exposed_provenance_mut::<VirtIOHeader>(device.registers);
        let registers = NonNull::new(registers).ok_or("no registers")?;
        // SAFETY: the root task mapped them for good, and nobody else was given this device.
        let transport = unsafe { MmioTransport::new(registers, VIRTIO_SLOT as usize) };
        let mut transport = transport.map_err(|error| format!("{error}"))?;
        let known = DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER;
        transport.set_status(DeviceStatus::empty());
        transport.set_status(known);
        let features = transport.read_device_features() & FEATURES;
        transport.write_driver_features(features);
        transport.set_status(known | DeviceStatus::FEATURES_OK);
        let queue = VirtQueue::new(&mut transport, 0, false, false);
        let queue = queue.map_err(|error| format!("{error}"))?;
        transport.finish_init();
        // Cannot fail: the capability is the server's for good.
        let _ = device.irq.irq_handler_ack();
        Ok(Self {
            device,
            transport,
            queue,
            data: memory(PIECE)?,
            header: memory(16)?,
            status: memory(1)?,
        })
    }

    /// Makes a request and sleeps until it is done.
    fn ask(&mut self, kind: u32, sector: u64, len: usize) -> Result<(), String> {
        self.header[..4].copy_from_slice(&kind.to_le_bytes());
        self.header[8..].copy_from_slice(&sector.to_le_bytes());
        let data = &mut self.data[..len];
        // A descriptor each; a buffer of no bytes there is not.
        let (inputs, outputs): (&[&[u8]], &mut [&mut [u8]]) = match kind {
            READ => (&[self.header], &mut [data, self.status]),
            WRITE => (&[self.header, data], &mut [self.status]),
            _ => (&[self.header], &mut [self.status]),
        };
        // SAFETY: nobody looks at the buffers until they are popped.
        let token = unsafe { self.queue.add(inputs, outputs) };
        let token = token.map_err(|error| format!("{error}"))?;
        self.transport.notify(0);
        while !self.queue.can_pop() {
            self.device.interrupt.wait();
            self.transport.ack_interrupt();
            let _ = self.device.irq.irq_handler_ack();
        }
        // SAFETY: the same buffers.
        let popped = unsafe { self.queue.pop_used(token, inputs, outputs) };
        popped.map_err(|error| format!("{error}"))?;
        match &*self.status {
            [OK] => Ok(()),
            other => Err(format!("the disk has answered {other:?}")),
        }
    }

    fn pieces(&mut self, kind: u32, meter: &mut Meter) -> Result<(), String> {
        for piece in 0..PIECES {
            self.ask(kind, BEGIN + piece * PIECE as u64 / SECTOR, PIECE)?;
            meter.step();
        }
        Ok(())
    }

    fn shorts(&mut self, kind: u32, places: &mut Places, meter: &mut Meter) -> Result<(), String> {
        for _ in 0..SHORTS {
            self.ask(kind, BEGIN + places.next() / SECTOR, SHORT)?;
            meter.step();
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), String> {
        self.ask(FLUSH, 0, 0)
    }
}

/// The places of short pieces, as the guest has them.
struct Places(u32);

impl Places {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let count = PIECES * (PIECE / SHORT) as u64;
        (self.0 >> 8) as u64 % count * SHORT as u64
    }
}

/// What is measured, from here on, as the guest does it.
struct Meter {
    instructions: u32,
    /// Operations that a part has, of which there are [`PARTS`].
    part: u64,
    done: u64,
    begin: u64,
    /// Nanoseconds that the fastest part took.
    fastest: u64,
}

impl Meter {
    fn start(count: u64) -> Self {
        Self {
            instructions: clock::instructions(),
            part: count / PARTS,
            done: 0,
            begin: clock::now(),
            fastest: u64::MAX,
        }
    }

    fn step(&mut self) {
        self.done += 1;
        if self.done.is_multiple_of(self.part) {
            let now = clock::now();
            self.fastest = self.fastest.min(now - self.begin);
            self.begin = now;
        }
    }

    fn stop(self, name: &str, count: u64) {
        let spent = clock::instructions().wrapping_sub(self.instructions);
        line(&format!("{name}_native"), u64::from(spent) / count);
        line(&format!("{name}_time_native"), self.fastest * PARTS / count);
    }
}

fn measure(mut disk: Disk<'_>) -> Result<(), String> {
    let mib = (PIECES * PIECE as u64) >> 20;
    disk.data.fill(0x5a);
    // Until all guests have begun to wait.
    disk.pieces(WRITE, &mut Meter::start(PIECES))?;
    disk.flush()?;

    let mut meter = Meter::start(PIECES);
    disk.pieces(WRITE, &mut meter)?;
    disk.flush()?;
    meter.stop("fs_seq_write", mib);

    let mut meter = Meter::start(PIECES);
    disk.pieces(READ, &mut meter)?;
    meter.stop("fs_seq_read", mib);

    let mut places = Places(1);
    let mut meter = Meter::start(SHORTS);
    disk.shorts(READ, &mut places, &mut meter)?;
    meter.stop("fs_random_read", SHORTS);

    let mut meter = Meter::start(SHORTS);
    disk.shorts(WRITE, &mut places, &mut meter)?;
    disk.flush()?;
    meter.stop("fs_random_write", SHORTS);
    console::line(format_args!("bench done"));
    Ok(())
}
