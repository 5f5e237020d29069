// SPDX-License-Identifier: BSD-2-Clause
//! The registers, as `virtio-drivers` wants them.

use alloc::{rc::Rc, vec::Vec};
use core::{
    cell::Cell,
    ptr::with_exposed_provenance,
    sync::atomic::{AtomicU16, Ordering},
};

use userland::{
    device::{Device, Width},
    time::Instant,
};
use virtio_drivers::{
    PhysAddr,
    transport::{DeviceStatus, DeviceType, InterruptStatus},
};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::Registers;
use crate::Error;

/// Offsets of registers: virtio 1.2, section 4.2.2.
mod register {
    pub const MAGIC: u32 = 0x000;
    pub const VERSION: u32 = 0x004;
    pub const DEVICE_ID: u32 = 0x008;
    pub const DEVICE_FEATURES: u32 = 0x010;
    pub const DEVICE_FEATURES_SEL: u32 = 0x014;
    pub const DRIVER_FEATURES: u32 = 0x020;
    pub const DRIVER_FEATURES_SEL: u32 = 0x024;
    pub const QUEUE_SEL: u32 = 0x030;
    pub const QUEUE_NUM_MAX: u32 = 0x034;
    pub const QUEUE_NUM: u32 = 0x038;
    pub const QUEUE_READY: u32 = 0x044;
    pub const STATUS: u32 = 0x070;
    pub const QUEUE_DESC: u32 = 0x080;
    pub const QUEUE_DRIVER: u32 = 0x090;
    pub const QUEUE_DEVICE: u32 = 0x0a0;
    pub const CONFIG_GENERATION: u32 = 0x0fc;
    pub const CONFIG: u32 = 0x100;
}

/// "virt", as the register holds it.
const MAGIC: u32 = 0x7472_6976;
/// The version of the layout that is not the legacy one.
const VERSION: u32 = 2;
/// Bytes of configuration space that a slot has room for.
const CONFIG_LEN: usize = 0x100;
/// Queues whose interrupts can be switched.
const KNOWN: usize = 4;
/// `VIRTQ_AVAIL_F_NO_INTERRUPT` (virtio 1.2, section 2.7.6).
const NO_INTERRUPT: u16 = 1;
/// Queues whose kicks can be collected; those of higher numbers are kicked at once.
const COLLECTED: u32 = u32::BITS;

/// What a transport and the program around its driver have in common: a driver of `virtio-drivers` keeps its
/// transport to itself.
///
/// The trait of transports has no errors. So what is refused is kept here, for [`Line::check`] to tell, and the
/// driver sees a device that does nothing.
#[derive(Debug)]
pub struct Line<R: Registers = Device> {
    registers: R,
    /// Queues that are to be kicked, a bit each.
    due: Cell<u32>,
    /// The available rings of the first queues, while they are set up; 0: it is not.
    available: [Cell<PhysAddr>; KNOWN],
    /// What was refused first.
    fault: Cell<Option<userland::Error>>,
}

impl<R: Registers> Line<R> {
    /// What the device is reached by.
    pub const fn registers(&self) -> &R {
        &self.registers
    }

    /// Whether everything was taken so far.
    ///
    /// # Errors
    /// [`Error::Device`] with what was refused first.
    pub fn check(&self) -> Result<(), Error> {
        self.fault.get().map_or(Ok(()), |fault| Err(fault.into()))
    }

    /// Kicks the queues whose kicks were collected: one hostcall for each, however many buffers were added.
    ///
    /// # Errors
    /// As [`Line::check`].
    pub fn kick(&self) -> Result<(), Error> {
        let mut due = self.due.take();
        while due != 0 {
            let queue = due.trailing_zeros();
            due &= due - 1;
            self.note(self.registers.kick(queue));
        }
        self.check()
    }

    /// Has a queue kicked with the next [`Line::kick`], though nothing was added: which also brings its used ring up
    /// to date, and has the device know of [`Line::set_interrupts`].
    pub fn mark(&self, queue: u16) {
        if u32::from(queue) < COLLECTED {
            self.due.set(self.due.get() | 1 << queue);
        }
    }

    /// Says whether the device shall interrupt for what it uses of one of the first four queues. It is told at the
    /// next kick of the queue.
    pub fn set_interrupts(&self, queue: u16, wanted: bool) {
        let Some(available) = self.available.get(usize::from(queue)).map(Cell::get) else {
            return;
        };
        if available != 0 {
            let flags = with_exposed_provenance::<AtomicU16>(available as usize);
            // SAFETY: the queue is set up, so this is its available ring, which begins with its flags: as who made
            // the transport promised. The driver, too, accesses them as an atomic.
            let flags = unsafe { &*flags };
            flags.store(if wanted { 0 } else { NO_INTERRUPT }, Ordering::Release);
        }
    }

    /// Takes the interrupt status, and brings the used rings up to date.
    ///
    /// # Errors
    /// As [`Line::check`].
    pub fn ack(&self) -> Result<u32, Error> {
        let status = self.note(self.registers.ack()).unwrap_or(0);
        self.check().map(|()| status)
    }

    /// Reads 16 bits of the configuration space.
    pub(crate) fn config(&self, offset: u32) -> Result<u32, Error> {
        let value = self
            .registers
            .read(register::CONFIG + offset, Width::Half)?;
        Ok(value)
    }

    fn note<T>(&self, result: Result<T, userland::Error>) -> Option<T> {
        if let Err(error) = result {
            self.fault.set(self.fault.get().or(Some(error)));
        }
        result.ok()
    }

    /// A word; 0 if it is refused.
    fn get(&self, offset: u32) -> u32 {
        self.note(self.registers.read(offset, Width::Word))
            .unwrap_or(0)
    }

    /// # Safety
    /// See [`Device::write`].
    unsafe fn put(&self, offset: u32, value: u32) {
        // SAFETY: as the caller promises.
        let result = unsafe { self.registers.write(offset, Width::Word, value) };
        self.note(result);
    }
}

/// When a queue is kicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kicks {
    /// When the driver says so.
    AtOnce,
    /// With [`Line::kick`].
    Collected,
    /// When the driver says so; and then the guest sleeps until the device has used something.
    Awaited,
}

/// The transport of `virtio-drivers`, over hostcalls.
#[derive(Debug)]
pub struct Transport<R: Registers = Device> {
    line: Rc<Line<R>>,
    kicks: Kicks,
    device_type: DeviceType,
}

impl<R: Registers> Transport<R> {
    /// A transport that kicks a queue whenever the driver says so.
    ///
    /// # Safety
    /// The trait of transports lets safe code say where queues are. Whoever has this one promises that they are
    /// memory that is the device's for as long as they are set up, and that they name only such memory: as the
    /// drivers of `virtio-drivers` do, with [`Hal`](super::Hal), when the transport is moved into one.
    ///
    /// # Errors
    /// [`Error::NotVirtio`], [`Error::WrongType`] for a device that `virtio-drivers` does not know, [`Error::Device`].
    pub unsafe fn new(registers: R) -> Result<Self, Error> {
        Self::with(registers, Kicks::AtOnce)
    }

    /// A transport that collects kicks until [`Line::kick`], so that many buffers need one hostcall.
    ///
    /// # Safety
    /// As [`Transport::new`].
    ///
    /// # Errors
    /// As [`Transport::new`].
    pub unsafe fn collecting(registers: R) -> Result<Self, Error> {
        Self::with(registers, Kicks::Collected)
    }

    /// A transport on which a kick sleeps until the queue has something used. For drivers that would otherwise spin,
    /// as all those of `virtio-drivers` do in calls that wait for an answer.
    ///
    /// Such a call cannot be told that the device has failed, and would spin for ever. So where
    /// a kick is refused, or the wait for it, the guest panics, which ends it with the reason in the log.
    ///
    /// # Safety
    /// As [`Transport::new`].
    ///
    /// # Errors
    /// As [`Transport::new`].
    pub unsafe fn blocking(registers: R) -> Result<Self, Error> {
        Self::with(registers, Kicks::Awaited)
    }

    fn with(registers: R, kicks: Kicks) -> Result<Self, Error> {
        let magic = registers.read(register::MAGIC, Width::Word)?;
        let version = registers.read(register::VERSION, Width::Word)?;
        if (magic, version) != (MAGIC, VERSION) {
            return Err(Error::NotVirtio { magic, version });
        }
        let id = registers.read(register::DEVICE_ID, Width::Word)?;
        let device_type = DeviceType::try_from(id).map_err(|_| Error::WrongType(id))?;
        Ok(Self {
            line: Rc::new(Line {
                registers,
                due: Cell::new(0),
                available: Default::default(),
                fault: Cell::new(None),
            }),
            kicks,
            device_type,
        })
    }

    /// What stays outside when the transport goes into a driver.
    pub fn line(&self) -> Rc<Line<R>> {
        self.line.clone()
    }

    /// Kicks a queue, and sleeps until it has something used.
    fn kick_and_wait(&self, queue: u32) {
        let registers = &self.line.registers;
        let done = registers
            .kick(queue)
            .and_then(|()| registers.wait(queue, Instant::NEVER));
        if let Err(error) = done {
            panic!("the device, while the driver waited for it: {error}");
        }
    }

    /// Writes the two halves of an address.
    ///
    /// # Safety
    /// See [`Device::write`].
    unsafe fn put_address(&self, offset: u32, address: PhysAddr) {
        // SAFETY: as the caller promises.
        unsafe {
            self.line.put(offset, address as u32);
            self.line.put(offset + 4, (address >> 32) as u32);
        }
    }
}

impl<R: Registers> virtio_drivers::transport::Transport for Transport<R> {
    fn device_type(&self) -> DeviceType {
        self.device_type
    }

    fn read_device_features(&mut self) -> u64 {
        let half = |index| {
            // SAFETY: no address.
            unsafe { self.line.put(register::DEVICE_FEATURES_SEL, index) };
            u64::from(self.line.get(register::DEVICE_FEATURES))
        };
        half(0) | half(1) << 32
    }

    fn write_driver_features(&mut self, features: u64) {
        for (index, half) in [(0, features as u32), (1, (features >> 32) as u32)] {
            // SAFETY: no address.
            unsafe {
                self.line.put(register::DRIVER_FEATURES_SEL, index);
                self.line.put(register::DRIVER_FEATURES, half);
            }
        }
    }

    fn max_queue_size(&mut self, queue: u16) -> u32 {
        // SAFETY: no address.
        unsafe { self.line.put(register::QUEUE_SEL, queue.into()) };
        self.line.get(register::QUEUE_NUM_MAX)
    }

    fn notify(&mut self, queue: u16) {
        let queue = u32::from(queue);
        match self.kicks {
            Kicks::Awaited => self.kick_and_wait(queue),
            Kicks::Collected if queue < COLLECTED => self.line.mark(queue as u16),
            _ => {
                self.line.note(self.line.registers.kick(queue));
            }
        }
    }

    fn get_status(&self) -> DeviceStatus {
        DeviceStatus::from_bits_retain(self.line.get(register::STATUS))
    }

    fn set_status(&mut self, status: DeviceStatus) {
        // SAFETY: no address.
        unsafe { self.line.put(register::STATUS, status.bits()) };
    }

    /// Devices that are not legacy ones have no such register.
    fn set_guest_page_size(&mut self, _: u32) {}

    fn requires_legacy_layout(&self) -> bool {
        false
    }

    fn queue_set(
        &mut self,
        queue: u16,
        size: u32,
        descriptors: PhysAddr,
        driver_area: PhysAddr,
        device_area: PhysAddr,
    ) {
        // SAFETY: the addresses are of memory that is the device's, as who made the transport promised.
        unsafe {
            self.line.put(register::QUEUE_SEL, queue.into());
            self.line.put(register::QUEUE_NUM, size);
            self.put_address(register::QUEUE_DESC, descriptors);
            self.put_address(register::QUEUE_DRIVER, driver_area);
            self.put_address(register::QUEUE_DEVICE, device_area);
            self.line.put(register::QUEUE_READY, 1);
        }
        if let Some(available) = self.line.available.get(usize::from(queue)) {
            available.set(driver_area);
        }
    }

    /// Resets the device, with all its queues: a queue that is only not ready any more may have buffers under way,
    /// and drivers call this in order to free theirs.
    fn queue_unset(&mut self, _: u16) {
        // Their memory is about to go.
        self.line.available.iter().for_each(|it| it.set(0));
        // Refused only if the device is not this guest's any more, and has stopped.
        self.line.note(self.line.registers.reset());
    }

    fn queue_used(&mut self, queue: u16) -> bool {
        // SAFETY: no address.
        unsafe { self.line.put(register::QUEUE_SEL, queue.into()) };
        self.line.get(register::QUEUE_READY) != 0
    }

    fn ack_interrupt(&mut self) -> InterruptStatus {
        let status = self.line.note(self.line.registers.ack()).unwrap_or(0);
        InterruptStatus::from_bits_truncate(status)
    }

    fn read_config_generation(&self) -> u32 {
        self.line.get(register::CONFIG_GENERATION)
    }

    /// Reads with the width of the fields (virtio 1.2, section 4.2.2.2), which is how `T` is aligned.
    fn read_config_space<T: FromBytes + IntoBytes>(
        &self,
        offset: usize,
    ) -> virtio_drivers::Result<T> {
        let mut value = T::new_zeroed();
        for (offset, width, bytes) in fields::<T>(offset, value.as_mut_bytes())? {
            let read = self.line.registers.read(offset, width);
            let read = self.line.note(read).ok_or(virtio_drivers::Error::IoError)?;
            // As many as the width says, which is little endian.
            bytes.copy_from_slice(&read.to_le_bytes()[..bytes.len()]);
        }
        Ok(value)
    }

    fn write_config_space<T: IntoBytes + Immutable>(
        &mut self,
        offset: usize,
        value: T,
    ) -> virtio_drivers::Result<()> {
        let mut bytes = Vec::from(value.as_bytes());
        for (offset, width, bytes) in fields::<T>(offset, &mut bytes)? {
            let mut word = [0; 4];
            word[..bytes.len()].copy_from_slice(bytes);
            // SAFETY: no device that `virtio-drivers` knows has addresses in its configuration space.
            let written =
                unsafe { (self.line.registers).write(offset, width, u32::from_le_bytes(word)) };
            self.line
                .note(written)
                .ok_or(virtio_drivers::Error::IoError)?;
        }
        Ok(())
    }
}

/// The registers of the configuration space that a value lies in, and the bytes of each.
fn fields<T>(
    offset: usize,
    bytes: &mut [u8],
) -> virtio_drivers::Result<impl Iterator<Item = (u32, Width, &mut [u8])>> {
    let (width, step) = match align_of::<T>() {
        1 => (Width::Byte, 1),
        2 => (Width::Half, 2),
        _ => (Width::Word, 4),
    };
    if offset
        .checked_add(bytes.len())
        .is_none_or(|end| end > CONFIG_LEN)
    {
        return Err(virtio_drivers::Error::ConfigSpaceTooSmall);
    }
    if !offset.is_multiple_of(step) {
        return Err(virtio_drivers::Error::InvalidParam);
    }
    let first = register::CONFIG + offset as u32;
    Ok(bytes
        .chunks_exact_mut(step)
        .enumerate()
        .map(move |(index, bytes)| (first + (index * step) as u32, width, bytes)))
}
