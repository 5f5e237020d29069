// SPDX-License-Identifier: BSD-2-Clause
//! Buffers of frames that are either the program's or the device's, and who has which.

use alloc::{boxed::Box, rc::Rc};
use core::{ptr::NonNull, slice};

use virtio_drivers::{
    BufferDirection, Hal as _, PAGE_SIZE, PhysAddr,
    device::net::VirtIONetRaw,
    transport::{DeviceType, Transport as _},
};

use super::{Hal, Line, Registers, Transport};
use crate::Error;

/// Buffers in each queue.
pub(crate) const QUEUE: usize = 128;
/// Bytes of a buffer, of which two share a page: so none crosses a page, and each is one descriptor for the
/// device, too.
pub(crate) const BUFFER: usize = 2048;
/// Bytes before the frame: `virtio_net_hdr` (virtio 1.2, section 5.1.6).
const HEADER: usize = 12;
/// Bytes that a frame can have.
pub(crate) const ROOM: usize = BUFFER - HEADER;

const PAGES: usize = QUEUE * BUFFER / PAGE_SIZE;

type Raw<R> = VirtIONetRaw<Hal, Transport<R>, QUEUE>;

/// Where a buffer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The program's.
    Here,
    /// With the device, which reads or writes so many bytes of it.
    Device { len: usize },
}

/// The buffers of one queue. Which are the device's, `places` says, and only those that are not are
/// ever borrowed.
struct Pool {
    memory: (PhysAddr, NonNull<u8>),
    places: [Place; QUEUE],
    /// The buffer that went to the device under each token.
    by_token: [Option<u16>; QUEUE],
}

impl Pool {
    fn new(direction: BufferDirection) -> Result<Self, Error> {
        let memory = Hal::dma_alloc(PAGES, direction);
        if memory.0 == 0 {
            return Err(virtio_drivers::Error::DmaError.into());
        }
        Ok(Self {
            memory,
            places: [Place::Here; QUEUE],
            by_token: [None; QUEUE],
        })
    }

    /// The first `len` bytes of a buffer.
    ///
    /// # Safety
    /// Nobody else borrows the buffer, and the device has it only if the slice is not looked at.
    unsafe fn buffer<'a>(&self, index: u16, len: usize) -> &'a mut [u8] {
        let index = usize::from(index);
        assert!(index < QUEUE && len <= BUFFER);
        // SAFETY: inside the pool's memory, which is initialised; that it is not borrowed, the caller promises.
        unsafe { slice::from_raw_parts_mut(self.memory.1.as_ptr().add(index * BUFFER), len) }
    }

    /// Notes that a buffer went to the device.
    fn lend(&mut self, index: u16, len: usize, token: u16) {
        self.places[usize::from(index)] = Place::Device { len };
        self.by_token[usize::from(token)] = Some(index);
    }

    /// The buffer that went to the device under this token, and how much of it; none if there is none.
    fn lent(&self, token: u16) -> Option<(u16, usize)> {
        let index = (*self.by_token.get(usize::from(token))?)?;
        match self.places[usize::from(index)] {
            Place::Device { len } => Some((index, len)),
            Place::Here => None,
        }
    }

    /// Notes that it is back.
    fn take_back(&mut self, index: u16, token: u16) {
        self.places[usize::from(index)] = Place::Here;
        self.by_token[usize::from(token)] = None;
    }

    fn is_here(&self, index: u16) -> bool {
        self.places[usize::from(index)] == Place::Here
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: from `dma_alloc`, with as many pages. No slice outlives the pool's owner, and that resets the
        // device before the pool goes.
        unsafe { Hal::dma_dealloc(self.memory.0, self.memory.1, PAGES) };
    }
}

/// A network device's queues, with buffers.
pub(crate) struct Frames<R: Registers> {
    /// Dropped before the pools, as the first field: it resets the device, which has none of the buffers then.
    raw: Box<Raw<R>>,
    received: Pool,
    sent: Pool,
    /// Where the search for a free buffer to send begins.
    next: u16,
}

impl<R: Registers> Frames<R> {
    /// Sets the device up, and queues all buffers to receive.
    pub fn new(registers: R) -> Result<(Self, Rc<Line<R>>), Error> {
        // SAFETY: the transport goes to a driver of `virtio-drivers` that has `Hal` for its memory and keeps the
        // transport to itself.
        let transport = unsafe { Transport::collecting(registers) }?;
        if transport.device_type() != DeviceType::Network {
            return Err(Error::WrongType(transport.device_type() as u32));
        }
        let line = transport.line();
        let raw = Raw::new(transport);
        // What was refused says more than what the driver made of it.
        line.check()?;
        let mut frames = Self {
            raw: Box::new(raw?),
            received: Pool::new(BufferDirection::DeviceToDriver)?,
            sent: Pool::new(BufferDirection::DriverToDevice)?,
            next: 0,
        };
        for index in 0..QUEUE as u16 {
            frames.post(index)?;
        }
        Ok((frames, line))
    }

    pub fn mac(&self) -> [u8; 6] {
        self.raw.mac_address()
    }

    /// Hands a buffer to the device, to receive into. One that it has stays there.
    pub fn post(&mut self, index: u16) -> Result<(), Error> {
        if !self.received.is_here(index) {
            return Ok(());
        }
        // SAFETY: the buffer is here and nobody borrows it: a borrow of it borrows `self`. From now on it is
        // not borrowed, because its place says `Device`; and it stays allocated until the device was reset.
        let token = unsafe {
            let buffer = self.received.buffer(index, BUFFER);
            self.raw.receive_begin(buffer)?
        };
        self.received.lend(index, BUFFER, token);
        Ok(())
    }

    /// Takes the next received frame: the buffer that it is in, and its length there; that may be 0.
    pub fn take_received(&mut self) -> Result<Option<(u16, usize)>, Error> {
        let Some(token) = self.raw.poll_receive() else {
            return Ok(None);
        };
        // A token that was not given out: nothing more can come of this queue.
        let (index, len) = (self.received.lent(token)).ok_or(virtio_drivers::Error::WrongToken)?;
        // SAFETY: the same buffer that this token was given for. The used ring says that the device is
        // done with it.
        let result = unsafe {
            let buffer = self.received.buffer(index, len);
            self.raw.receive_complete(token, buffer)
        };
        match result {
            // One without even a header is popped, too, and as good as an empty one.
            Ok(_) | Err(virtio_drivers::Error::IoError) => {}
            Err(error) => return Err(error.into()),
        }
        self.received.take_back(index, token);
        let (header, len) = result.unwrap_or((HEADER, 0));
        let fits = header == HEADER && len <= ROOM;
        Ok(Some((index, if fits { len } else { 0 })))
    }

    /// The two halves: the bytes of a frame that was received, and the means to send one.
    pub fn split(&mut self, index: u16, len: usize) -> (&[u8], Sender<'_, R>) {
        let frame: &[u8] = if self.received.is_here(index) {
            // SAFETY: the buffer is here, and stays so while `self` is borrowed: the other half does not reach this
            // pool.
            unsafe { self.received.buffer(index, BUFFER) }
        } else {
            &[]
        };
        let frame = frame.get(HEADER..HEADER + len).unwrap_or(&[]);
        let sender = Sender {
            raw: &mut self.raw,
            sent: &mut self.sent,
            next: &mut self.next,
        };
        (frame, sender)
    }

    /// The means to send.
    pub fn sender(&mut self) -> Sender<'_, R> {
        self.split(0, 0).1
    }
}

/// Sends frames.
pub(crate) struct Sender<'a, R: Registers> {
    raw: &'a mut Raw<R>,
    sent: &'a mut Pool,
    next: &'a mut u16,
}

impl<R: Registers> Sender<'_, R> {
    /// Takes back what the device has sent.
    fn reclaim(&mut self) -> Result<(), Error> {
        while let Some(token) = self.raw.poll_transmit() {
            let (index, len) = (self.sent.lent(token)).ok_or(virtio_drivers::Error::WrongToken)?;
            // SAFETY: the same buffer that this token was given for. The used ring says that the device is done
            // with it.
            unsafe {
                let buffer = self.sent.buffer(index, len);
                self.raw.transmit_complete(token, buffer)?;
            }
            self.sent.take_back(index, token);
        }
        Ok(())
    }

    /// A buffer that the device does not have, if there is one.
    pub fn free(&mut self) -> Result<Option<u16>, Error> {
        let start = *self.next;
        if self.sent.is_here(start) {
            return Ok(Some(start));
        }
        // Buffers come back in the order in which they went, mostly.
        self.reclaim()?;
        let all = (0..QUEUE as u16).map(|index| (start + index) % QUEUE as u16);
        Ok(all.into_iter().find(|index| self.sent.is_here(*index)))
    }

    /// Sends a frame of `len` bytes that `fill` writes, out of a buffer that is [free](Self::free); a frame that has
    /// no room there is filled in all the same, and not sent.
    pub fn send<T>(
        &mut self,
        index: u16,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> T,
    ) -> (T, Result<(), Error>) {
        if len > ROOM || !self.sent.is_here(index) {
            let value = fill(&mut alloc::vec![0; len]);
            return (value, Err(virtio_drivers::Error::InvalidParam.into()));
        }
        // SAFETY: the buffer is here, and is not borrowed elsewhere while `self` is.
        let buffer = unsafe { self.sent.buffer(index, HEADER + len) };
        let header = self.raw.fill_buffer_header(buffer);
        let value = fill(&mut buffer[HEADER..]);
        if header != Ok(HEADER) {
            // A device of the legacy interface, which the transport does not take.
            return (value, Err(virtio_drivers::Error::Unsupported.into()));
        }
        // SAFETY: from now on the buffer is not borrowed, because its place says `Device`; and it stays allocated
        // until the device was reset.
        match unsafe { self.raw.transmit_begin(buffer) } {
            Ok(token) => {
                self.sent.lend(index, HEADER + len, token);
                *self.next = (index + 1) % QUEUE as u16;
                (value, Ok(()))
            }
            Err(error) => (value, Err(error.into())),
        }
    }
}
