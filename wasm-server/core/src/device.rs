// SPDX-License-Identifier: BSD-2-Clause
//! Devices, and the guests that drive them.
//!
//! Most are virtio devices. Others are *plain*: registers and an interrupt, which the server passes on
//! and knows nothing of; they have no queues and, the spec promises, no other way to memory either.
//!
//! One guest at a time drives a device: the first that does more than look at it, until it ends or loses
//! it. What it writes into its virtqueues is checked and translated by [`wasm_virtio`]; here is when.
//!
//! A device uses memory that its guest can lose: a window ([`Guest::stop_dma`]), and all of it at its end
//! ([`Guest::release_devices`]). The order is always the same: first the memory can be named no more, then
//! the device has done what it was told of it, or is reset, and then the frames are somebody else's.

use alloc::{format, string::String, sync::Arc};
use core::{convert::Infallible, hint::spin_loop, ops::ControlFlow, sync::atomic::Ordering};

use atoll_abi::{Error, Handle, Level, Pid};
use wasm_virtio::{
    BadAddress, Device as Virtio, Error as Refused, Extent, Fault, GuestMemory, Registers as _,
    Width, register,
};

use crate::{
    Guest, Lock,
    platform::{Failure, Home, Platform},
};

/// Most devices that one guest drives: each has a bit among those of its thread's notification.
const MAX_DEVICES: usize = 8;
/// The devices of a guest; the place of each is its bit.
pub(crate) type Devices<P> = heapless::Vec<Arc<Device<P>>, MAX_DEVICES>;

/// Refusals that are explained in the log: a guest may make as many as it likes.
const MAX_REFUSALS: u32 = 16;
/// Nanoseconds that a device gets to finish with memory that goes away.
const PATIENCE: u64 = 5_000_000;

/// A device.
pub(crate) struct Device<P: Platform> {
    /// Its name in the spec.
    name: String,
    registers: P::Device,
    /// Bytes of the registers of a plain one; none: it is a virtio device.
    plain: Option<u32>,
    state: Lock<P, State<P>>,
}

/// The device as its guest sees it.
type Mediated<P> =
    Virtio<<<P as Platform>::Home as Home>::Words, <<P as Platform>::Home as Home>::QueueMemory>;

struct State<P: Platform> {
    /// None: nobody has asked yet what it is.
    virtio: Option<Mediated<P>>,
    driver: Option<Driver>,
}

/// The guest that drives a device.
#[derive(Clone, Copy)]
struct Driver {
    pid: Pid,
    /// Which of the guest's devices this one is.
    bit: u32,
    /// What the guest wants to find in its mailbox.
    task: Option<u32>,
    /// It was told, and has not asked the device since.
    is_told: bool,
    /// Calls that were refused.
    refusals: u32,
}

impl Driver {
    /// Whether the log says why it is refused something, once more.
    fn may_hear_why(&mut self) -> bool {
        self.refusals = self.refusals.saturating_add(1);
        self.refusals <= MAX_REFUSALS
    }
}

/// A guest's memory, as its devices use it.
struct Memory<'a, H>(&'a H);

impl<H: Home> GuestMemory for Memory<'_, H> {
    type Words = H::Words;

    fn private_words(&self, address: u32, len: u32) -> Option<H::Words> {
        self.0.private_words(address, len)
    }

    fn translate(
        &self,
        address: u32,
        len: u32,
        write: bool,
        each: impl FnMut(Extent) -> ControlFlow<()>,
    ) -> Result<(), BadAddress> {
        self.0
            .translate(address, len, write, each)
            .map_err(|_| BadAddress)
    }
}

impl<P: Platform> Device<P> {
    /// A virtio device that nobody drives.
    pub fn virtio(name: &str, registers: P::Device) -> Self {
        Self::new(name, registers, None)
    }

    /// A plain one with so many bytes of registers.
    pub fn plain(name: &str, registers: P::Device, bytes: u32) -> Self {
        Self::new(name, registers, Some(bytes))
    }

    fn new(name: &str, registers: P::Device, plain: Option<u32>) -> Self {
        Self {
            name: name.into(),
            registers,
            plain,
            state: Lock::<P, _>::new(State {
                virtio: None,
                driver: None,
            }),
        }
    }

    /// Whether it has no queues.
    pub const fn is_plain(&self) -> bool {
        self.plain.is_some()
    }

    /// Who drives it.
    pub fn driver(&self) -> Option<Pid> {
        self.state.lock().driver.map(|driver| driver.pid)
    }

    /// Has `f` use the device for a guest, which drives it from then on.
    ///
    /// # Errors
    /// `Busy` if another guest drives it, `TooMany` if this one drives as many as it can, `DeviceFailed` if
    /// there is none that can be driven; and those of `f`.
    #[inline]
    fn drive<R>(
        self: &Arc<Self>,
        guest: &Guest<P>,
        f: impl FnOnce(
            &mut Mediated<P>,
            &P::Device,
            &Memory<'_, P::Home>,
            &mut Driver,
        ) -> Result<R, Refusal>,
    ) -> Result<R, Error> {
        let mut state = self.state.lock();
        if state.driver.is_none_or(|driver| driver.pid != guest.pid()) {
            self.take(&mut state, guest)?;
        }
        let State {
            virtio: Some(virtio),
            driver: Some(driver),
        } = &mut *state
        else {
            return Err(self.has_no_queues());
        };
        match f(virtio, &self.registers, &Memory(&guest.home), driver) {
            Ok(answer) => Ok(answer),
            Err(refusal) => {
                let is_said = driver.may_hear_why();
                drop(state);
                Err(self.explain(guest, refusal, is_said))
            }
        }
    }

    /// What is refused of what only virtio devices have.
    const fn has_no_queues(&self) -> Error {
        if self.is_plain() {
            Error::InvalidArgument
        } else {
            Error::DeviceFailed
        }
    }

    /// Has `f` use a plain device for a guest, which drives it from then on.
    ///
    /// # Errors
    /// As [`Self::drive`].
    fn drive_plain<R>(
        self: &Arc<Self>,
        guest: &Guest<P>,
        f: impl FnOnce(&P::Device, &mut Driver) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let mut state = self.state.lock();
        if state.driver.is_none_or(|driver| driver.pid != guest.pid()) {
            self.take(&mut state, guest)?;
        }
        let driver = state.driver.as_mut().ok_or(Error::DeviceFailed)?;
        f(&self.registers, driver)
    }

    /// The width of an access to a plain device, if there is a register.
    fn plain_width(offset: u32, width: u32, bytes: u32) -> Result<Width, Error> {
        let end = offset.checked_add(width).ok_or(Error::InvalidArgument)?;
        Width::new(width)
            .filter(|_| offset.is_multiple_of(width) && end <= bytes)
            .ok_or(Error::InvalidArgument)
    }

    #[cold]
    fn take(self: &Arc<Self>, state: &mut State<P>, guest: &Guest<P>) -> Result<(), Error> {
        if state.driver.is_some() {
            return Err(Error::Busy);
        }
        if !self.is_plain() {
            self.identify(state, guest)?;
        }
        let mut devices = guest.devices.lock();
        let known = devices.iter().position(|device| Arc::ptr_eq(device, self));
        let bit = match known {
            Some(bit) => bit,
            None => {
                devices.push(self.clone()).map_err(|_| Error::TooMany)?;
                devices.len() - 1
            }
        };
        state.driver = Some(Driver {
            pid: guest.pid(),
            bit: bit as u32,
            task: None,
            is_told: false,
            refusals: 0,
        });
        Ok(())
    }

    /// Asks the device what it is, if nobody has.
    fn identify<'a>(
        &self,
        state: &'a mut State<P>,
        guest: &Guest<P>,
    ) -> Result<&'a mut Mediated<P>, Error> {
        match &mut state.virtio {
            Some(virtio) => Ok(virtio),
            none => {
                let virtio = Virtio::new(&self.registers).map_err(|unsupported| {
                    let text = format!("{}: {unsupported}", self.name);
                    guest.server.log(guest.name(), Level::Error, &text);
                    Error::DeviceFailed
                })?;
                Ok(none.insert(virtio))
            }
        }
    }

    /// What a guest is told of a refusal; which rule it broke, whoever reads the log.
    #[cold]
    fn explain(&self, guest: &Guest<P>, refusal: Refusal, is_said: bool) -> Error {
        let text = match &refusal {
            // Memory for a queue, or its interrupt: the platform knows.
            Refused::NoMemory(failure) => format!("{}: {failure}", self.name),
            other => format!("{}: {other}", self.name),
        };
        let (level, error) = match refusal {
            Refused::NoRegister | Refused::InvalidValue | Refused::NotReady => {
                (Level::Debug, Error::InvalidArgument)
            }
            Refused::Busy => (Level::Debug, Error::Busy),
            Refused::NeedsReset => (Level::Debug, Error::DeviceFailed),
            Refused::NoTables => (Level::Warn, Error::TooMany),
            Refused::NoMemory(failure) => (Level::Warn, Error::from(failure)),
            Refused::Broken(Fault::Driver { .. } | Fault::Withdrawn) => {
                (Level::Warn, Error::BadQueue)
            }
            Refused::Broken(Fault::Device(_)) | Refused::Stuck => {
                (Level::Error, Error::DeviceFailed)
            }
        };
        if is_said {
            guest.server.log(guest.name(), level, &text);
        }
        error
    }

    /// Reads a register. Who only looks does not drive the device, unless it is a plain one: that may change
    /// with what is read.
    pub fn read(self: &Arc<Self>, guest: &Guest<P>, offset: u32, width: u32) -> Result<u32, Error> {
        if let Some(bytes) = self.plain {
            let width = Self::plain_width(offset, width, bytes)?;
            return self.drive_plain(guest, |registers, _| Ok(registers.read(offset, width)));
        }
        let width = Width::new(width).ok_or(Error::InvalidArgument)?;
        let mut state = self.state.lock();
        let virtio = self.identify(&mut state, guest)?;
        virtio
            .read(&self.registers, offset, width)
            .map_err(|refusal| {
                let driver = state.driver.as_mut();
                let mut own = driver.filter(|driver| driver.pid == guest.pid());
                let is_said = own.as_mut().is_some_and(|driver| driver.may_hear_why());
                drop(state);
                self.explain(guest, widen(refusal), is_said)
            })
    }

    /// Writes a register.
    pub fn write(
        self: &Arc<Self>,
        guest: &Guest<P>,
        offset: u32,
        width: u32,
        value: u32,
    ) -> Result<(), Error> {
        if let Some(bytes) = self.plain {
            let width = Self::plain_width(offset, width, bytes)?;
            return self.drive_plain(guest, |registers, _| {
                registers.write(offset, width, value);
                Ok(())
            });
        }
        let width = Width::new(width).ok_or(Error::InvalidArgument)?;
        self.drive(guest, |virtio, registers, memory, driver| {
            let make_queue = || guest.home.make_queue_memory();
            virtio.write(registers, memory, make_queue, offset, width, value)?;
            // A reset takes an interrupt back that has come, too.
            if matches!(offset, register::INTERRUPT_ACK | register::STATUS) {
                driver.is_told = false;
                guest.server.platform.unmask(registers);
            }
            Ok(())
        })
    }

    /// See [`wasm_virtio::Device::kick`].
    #[inline]
    pub fn kick(self: &Arc<Self>, guest: &Guest<P>, queue: u32) -> Result<(), Error> {
        self.drive(guest, |virtio, registers, memory, _| {
            virtio.kick(registers, memory, queue).map_err(widen)
        })
    }

    /// See [`wasm_virtio::Device::ack`]. A plain device's driver has quieted it before.
    #[inline]
    pub fn ack(self: &Arc<Self>, guest: &Guest<P>) -> Result<u32, Error> {
        if self.is_plain() {
            return self.drive_plain(guest, |registers, driver| {
                driver.is_told = false;
                guest.server.platform.unmask(registers);
                Ok(0)
            });
        }
        self.drive(guest, |virtio, registers, memory, driver| {
            driver.is_told = false;
            let reasons = virtio.ack(registers, memory).map_err(widen)?;
            if reasons != 0 {
                guest.server.platform.unmask(registers);
            }
            Ok(reasons)
        })
    }

    /// Brings the used rings up to date; answers whether this one has something new: see
    /// [`wasm_virtio::Device::wait`]. If not, an interrupt will end the guest's sleep.
    pub fn has_news(self: &Arc<Self>, guest: &Guest<P>, queue: u32) -> Result<bool, Error> {
        self.drive(guest, |virtio, registers, memory, driver| {
            let has_news = virtio.wait(registers, memory, queue).map_err(widen)?;
            if has_news {
                return Ok(true);
            }
            interrupt(guest, registers, driver)?;
            driver.is_told = false;
            virtio.ack(registers, memory).map_err(widen)?;
            guest.server.platform.unmask(registers);
            virtio.wait(registers, memory, queue).map_err(widen)
        })
    }

    /// Has `task` put into the guest's mailbox whenever there is an interrupt.
    pub fn listen(self: &Arc<Self>, guest: &Guest<P>, task: u32) -> Result<(), Error> {
        if self.is_plain() {
            return self.drive_plain(guest, |registers, driver| {
                interrupt(guest, registers, driver).map_err(|_| Error::NoMemory)?;
                driver.task = Some(task);
                driver.is_told = false;
                Ok(())
            });
        }
        self.drive(guest, |_, registers, _, driver| {
            interrupt(guest, registers, driver)?;
            driver.task = Some(task);
            driver.is_told = false;
            Ok(())
        })
    }

    /// The guest's task, if it is to be told that the device may have used something, which it is not
    /// told again until it has asked the device.
    fn tell(
        &self,
        guest: &Guest<P>,
        is_due: impl FnOnce(Option<&Mediated<P>>) -> bool,
    ) -> Option<u32> {
        let mut state = self.state.lock();
        let State { virtio, driver } = &mut *state;
        let driver = driver.as_mut()?;
        let task = driver
            .task
            .filter(|_| driver.pid == guest.pid() && !driver.is_told)?;
        is_due(virtio.as_ref()).then(|| {
            driver.is_told = true;
            task
        })
    }

    /// The guest drives it no more, and it accesses no memory any more.
    pub fn release(&self, guest: &Guest<P>) {
        let mut state = self.state.lock();
        let Some(driver) = state.driver.filter(|driver| driver.pid == guest.pid()) else {
            return;
        };
        state.driver = None;
        guest
            .interrupts
            .fetch_and(!(1 << driver.bit), Ordering::Relaxed);
        // A plain device uses no memory. What it is to do without a driver is its next driver's business.
        let reset = state.virtio.as_mut().map(|v| v.reset(&self.registers));
        if matches!(reset, Some(Err(_))) {
            self.is_stuck(guest);
        } else {
            // With the memory of its queues.
            state.virtio = None;
        }
    }

    /// Returns when the device has nothing of this range of the guest's memory, which cannot be named any
    /// more.
    fn stop_dma(&self, guest: &Guest<P>, address: u32, bytes: u32) {
        let mut state = self.state.lock();
        let State {
            virtio: Some(virtio),
            driver: Some(driver),
        } = &mut *state
        else {
            return;
        };
        if driver.pid != guest.pid() || !virtio.in_flight(address, bytes) {
            return;
        }
        let (registers, memory) = (&self.registers, Memory(&guest.home));
        let platform = &guest.server.platform;
        let until = platform.now().saturating_add(PATIENCE);
        while virtio.collect(registers, &memory).is_ok()
            && virtio.in_flight(address, bytes)
            && platform.now() < until
        {
            spin_loop();
        }
        if virtio.in_flight(address, bytes) {
            virtio.break_off(registers, Fault::Withdrawn);
        }
        if virtio.in_flight(address, bytes) {
            self.is_stuck(guest);
        }
        let task = driver.task;
        drop(state);
        // It finds used buffers, or that the device needs a reset.
        if let Some(task) = task {
            guest.wake_for(task);
        }
    }

    /// The device does not let itself be stopped: it may access what it was told of for ever.
    #[cold]
    fn is_stuck(&self, guest: &Guest<P>) {
        guest.server.quarantine.store(true, Ordering::Release);
        let text = format!(
            "{}: the device does not complete its reset, and may still write to memory; from now on no \
             memory of any guest is used again",
            self.name
        );
        guest.server.log(guest.name(), Level::Error, &text);
    }
}

/// Why a device refuses, of a call that may make a queue.
type Refusal = Refused<Failure>;

fn widen(error: Refused<Infallible>) -> Refusal {
    error.widen()
}

/// Has the device interrupt the guest's sleep.
fn interrupt<P: Platform>(
    guest: &Guest<P>,
    registers: &P::Device,
    driver: &Driver,
) -> Result<(), Refusal> {
    let bit = 1 << driver.bit;
    if guest.interrupts.load(Ordering::Relaxed) & bit == 0 {
        let platform = &guest.server.platform;
        platform
            .interrupt(registers, &guest.home, driver.bit)
            .map_err(Refused::NoMemory)?;
        guest.interrupts.fetch_or(bit, Ordering::Relaxed);
    }
    Ok(())
}

impl<P: Platform> Guest<P> {
    /// Some of its devices have interrupted, a bit each: puts their tasks into the mailbox. On the guest's
    /// own thread, which is awake.
    #[inline]
    pub(crate) fn note_interrupts(&self, interrupts: u32) {
        if interrupts != 0 {
            self.tell_of_interrupts(interrupts);
        }
    }

    #[inline(never)]
    fn tell_of_interrupts(&self, interrupts: u32) {
        for (bit, device) in (0..).zip(self.devices()) {
            if interrupts & 1 << bit != 0
                && let Some(task) = device.tell(self, |_| true)
            {
                // It is awake, and looks.
                let _ = self.put_wake(task);
            }
        }
    }

    /// Looks whether its devices have used something, because an interrupt finds nobody who sleeps. On the
    /// guest's own thread.
    #[inline]
    pub(crate) fn look_at_devices(&self) {
        if self.interrupts.load(Ordering::Relaxed) != 0 {
            for device in self.devices() {
                if let Some(task) = device.tell(self, |it| it.is_some_and(Mediated::<P>::has_used))
                {
                    let _ = self.put_wake(task);
                }
            }
        }
    }

    /// Returns when no device has anything of a range of its memory.
    pub(crate) fn stop_dma(&self, address: u32, bytes: u32) {
        for device in self.devices() {
            device.stop_dma(self, address, bytes);
        }
    }

    /// Stops driving the device behind a handle, which the guest has lost: whoever learns of the loss by a call can use
    /// the memory that the device had for something else.
    #[cold]
    pub(crate) fn let_go(&self, handle: Handle) {
        let grant = match self.handles.lock().get(handle) {
            Ok(holding) => holding.grant.clone(),
            Err(_) => return,
        };
        if let Ok(device) = grant.resource.device()
            && !self.holds(&grant.resource)
        {
            device.release(self);
        }
    }

    /// Takes all devices away from it. Its thread has finished.
    pub(crate) fn release_devices(&self) {
        for device in self.devices() {
            device.release(self);
        }
        self.devices.lock().clear();
    }

    fn devices(&self) -> Devices<P> {
        self.devices.lock().clone()
    }
}
