// SPDX-License-Identifier: BSD-2-Clause
//! Requests to a disk, one at a time, and memory for them that is not Rust's.

use alloc::rc::Rc;
use core::{
    cell::UnsafeCell,
    ptr::NonNull,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use userland::time::Instant;
use virtio_drivers::{
    BufferDirection, PhysAddr,
    queue::VirtQueue,
    transport::{DeviceType, Transport as _},
};

use super::{Hal, Line, Registers, Transport};
use crate::Error;

/// The only queue of a disk (virtio 1.2, section 5.2.2).
const QUEUE: u16 = 0;
/// Descriptors: a request has three at most.
const SIZE: usize = 4;
/// Most bytes of a request: with a header, and a status, in pages of 4 KiB that lie anywhere, less descriptors than
/// any device has.
pub(crate) const MOST: usize = 256 << 10;
/// Where `virtio_blk_config.capacity` is.
const CAPACITY: usize = 0;

bitflags::bitflags! {
    /// Features that the driver knows (virtio 1.2, sections 5.2.3 and 6).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Features: u64 {
        /// The device takes no writes.
        const RO = 1 << 5;
        /// The device has a cache that can be flushed.
        const FLUSH = 1 << 9;
        const VERSION_1 = 1 << 32;
    }
}

/// What is done with a disk (virtio 1.2, section 5.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    Read = 0,
    Write = 1,
    Flush = 4,
}

/// What a request reads or writes.
pub(crate) enum Data<'a> {
    None,
    /// The device writes there.
    In(&'a mut [u8]),
    /// The device reads there.
    Out(&'a [u8]),
    /// As many bytes at this address, which lie in a window.
    Window(usize, usize),
}

impl Data<'_> {
    /// The same, for one request of several.
    pub const fn reborrow(&mut self) -> Data<'_> {
        match self {
            Self::None => Data::None,
            Self::In(bytes) => Data::In(bytes),
            Self::Out(bytes) => Data::Out(bytes),
            Self::Window(address, len) => Data::Window(*address, *len),
        }
    }
}

/// A disk that answers requests. To drop it resets the device.
pub(crate) struct Requests<R: Registers> {
    queue: VirtQueue<Redirecting, SIZE>,
    transport: Transport<Rc<R>>,
    line: Rc<Line<Rc<R>>>,
    pub features: Features,
    /// Sectors.
    pub capacity: u64,
}

impl<R: Registers> Requests<R> {
    /// Resets the device and sets it up.
    pub fn new(registers: Rc<R>) -> Result<Self, Error> {
        // SAFETY: the transport stays in here, where queues are set up by `VirtQueue` with memory of `Hal`, and
        // name what `request` says.
        let mut transport = unsafe { Transport::new(registers) }?;
        if transport.device_type() != DeviceType::Block {
            return Err(Error::WrongType(transport.device_type() as u32));
        }
        let line = transport.line();
        let features = transport.begin_init(Features::all());
        let capacity = transport.read_consistent(|| {
            let low: u32 = transport.read_config_space(CAPACITY)?;
            let high: u32 = transport.read_config_space(CAPACITY + 4)?;
            Ok(u64::from(high) << 32 | u64::from(low))
        });
        line.check()?;
        let queue = VirtQueue::new(&mut transport, QUEUE, false, false)?;
        transport.finish_init();
        line.check()?;
        Ok(Self {
            queue,
            transport,
            line,
            features,
            capacity: capacity?,
        })
    }

    /// Makes a request, and sleeps until the device has answered or the time is over; answers the status (virtio 1.2,
    /// section 5.2.6). When this fails the device was reset, and does nothing any more.
    pub fn request(
        &mut self,
        kind: Kind,
        sector: u64,
        data: Data<'_>,
        deadline: Instant,
    ) -> Result<u8, Error> {
        let mut header = [0; 16];
        header[..4].copy_from_slice(&(kind as u32).to_le_bytes());
        header[8..].copy_from_slice(&sector.to_le_bytes());
        // What no device says.
        let mut status = [0xff];
        let redirect;
        match data {
            Data::None => self.exchange(&[&header], &mut [&mut status], deadline),
            Data::In(bytes) => self.exchange(&[&header], &mut [bytes, &mut status], deadline),
            Data::Out(bytes) => self.exchange(&[&header, bytes], &mut [&mut status], deadline),
            Data::Window(address, len) => {
                redirect = Redirect::to(address, len)?;
                // SAFETY: there is one redirect at a time, and this is its only slice.
                let bytes = unsafe { redirect.stand_in(len) };
                match kind {
                    Kind::Read => self.exchange(&[&header], &mut [bytes, &mut status], deadline),
                    _ => self.exchange(&[&header, bytes], &mut [&mut status], deadline),
                }
            }
        }?;
        Ok(status[0])
    }

    fn exchange<'a>(
        &mut self,
        inputs: &'a [&'a [u8]],
        outputs: &'a mut [&'a mut [u8]],
        deadline: Instant,
    ) -> Result<(), Error> {
        let result = self.attempt(inputs, outputs, deadline);
        if result.is_err() {
            // The buffers are the caller's again when this returns. Refused only if the device is not this guest's
            // any more, and has stopped.
            self.transport.queue_unset(QUEUE);
        }
        result
    }

    fn attempt<'a>(
        &mut self,
        inputs: &'a [&'a [u8]],
        outputs: &'a mut [&'a mut [u8]],
        deadline: Instant,
    ) -> Result<(), Error> {
        // SAFETY: the buffers are borrowed until this returns. If they were not popped by then, the caller of this
        // resets the device before it lets go of them.
        let token = unsafe { self.queue.add(inputs, outputs)? };
        let registers = self.line.registers();
        registers.kick(QUEUE.into())?;
        while !self.queue.can_pop() {
            if !registers.wait(QUEUE.into(), deadline)? {
                return Err(Error::TimedOut);
            }
        }
        // SAFETY: the same buffers.
        unsafe { self.queue.pop_used(token, inputs, outputs)? };
        Ok(())
    }
}

impl<R: Registers> Drop for Requests<R> {
    fn drop(&mut self) {
        // Before the queue's memory goes.
        self.transport.queue_unset(QUEUE);
    }
}

/// Bytes that stand for those of a window.
///
/// `virtio-drivers` takes buffers as slices, and of memory that others write there are none. So it is given a
/// slice of memory that nobody looks at, and [`Redirecting`] tells the device the window's address
/// instead. It is never touched, and so no frames are ever made for it.
struct StandIn {
    is_taken: AtomicBool,
    target: AtomicUsize,
    bytes: UnsafeCell<[u8; MOST]>,
}

// SAFETY: the bytes are reached through a `Redirect` only, of which there is one at a time.
unsafe impl Sync for StandIn {}

static STAND_IN: StandIn = StandIn {
    is_taken: AtomicBool::new(false),
    target: AtomicUsize::new(0),
    bytes: UnsafeCell::new([0; MOST]),
};

/// For as long as there is one, the stand-in stands for a window.
struct Redirect;

impl Redirect {
    fn to(address: usize, len: usize) -> Result<Self, Error> {
        if len > MOST {
            return Err(virtio_drivers::Error::InvalidParam.into());
        }
        while STAND_IN.is_taken.swap(true, Ordering::Acquire) {
            // A guest has one thread, and a request returns before the next begins. Tests have more.
            core::hint::spin_loop();
        }
        STAND_IN.target.store(address, Ordering::Relaxed);
        Ok(Self)
    }

    /// # Safety
    /// Called once for a redirect.
    #[expect(clippy::mut_from_ref, reason = "there is one redirect at a time")]
    unsafe fn stand_in(&self, len: usize) -> &mut [u8] {
        // SAFETY: static, initialised, as long (see `to`), and nobody else's while this redirect is there.
        unsafe { core::slice::from_raw_parts_mut(STAND_IN.bytes.get().cast(), len) }
    }
}

impl Drop for Redirect {
    fn drop(&mut self) {
        STAND_IN.is_taken.store(false, Ordering::Release);
    }
}

/// [`Hal`], but that the stand-in's address for the device is the window's.
struct Redirecting;

// SAFETY: as `Hal`, which does it all. The memory that a redirect leads to is a window of the guest's, mapped for good,
// and no Rust reference to it exists but to atomics: so the device may write it at any time.
unsafe impl virtio_drivers::Hal for Redirecting {
    fn dma_alloc(pages: usize, direction: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        Hal::dma_alloc(pages, direction)
    }

    unsafe fn dma_dealloc(address: PhysAddr, block: NonNull<u8>, pages: usize) -> i32 {
        // SAFETY: as the caller promises.
        unsafe { Hal::dma_dealloc(address, block, pages) }
    }

    unsafe fn mmio_phys_to_virt(address: PhysAddr, size: usize) -> NonNull<u8> {
        // SAFETY: as the caller promises.
        unsafe { Hal::mmio_phys_to_virt(address, size) }
    }

    unsafe fn share(buffer: NonNull<[u8]>, direction: BufferDirection) -> PhysAddr {
        if buffer.cast::<u8>().as_ptr() == STAND_IN.bytes.get().cast() {
            return STAND_IN.target.load(Ordering::Relaxed) as PhysAddr;
        }
        // SAFETY: as the caller promises.
        unsafe { Hal::share(buffer, direction) }
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}
