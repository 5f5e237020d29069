// SPDX-License-Identifier: BSD-2-Clause
//! The native task's network device: frames are received and sent where they lie.

use alloc::{boxed::Box, format, rc::Rc, string::String, vec::Vec};
use core::{cell::Cell, ops::Range, ptr, ptr::NonNull, slice};

use capdl::blob::VIRTIO_SLOT;
use smoltcp::{
    phy::{self, DeviceCapabilities, Medium},
    time::Instant,
};
use virtio_drivers::{
    PAGE_SIZE,
    device::net::VirtIONetRaw,
    transport::mmio::{MmioTransport, VirtIOHeader},
};

use crate::bench::dma::{self, Pages};

/// Buffers in each queue, as the guest has them, and bytes of each.
const QUEUE: usize = 128;
const BUFFER: usize = 2048;
/// Longest frame, without its check sequence.
const MAX_FRAME: usize = 1514;

type Raw = VirtIONetRaw<Pages, MmioTransport<'static>, QUEUE>;
type Buffer = &'static mut [u8];

/// See the module.
pub struct Nic {
    raw: Box<Raw>,
    /// By the token under which the device has them.
    receiving: [Option<Buffer>; QUEUE],
    sending: [Option<Buffer>; QUEUE],
    free: Vec<Buffer>,
    /// One whose frame was looked at, and that the device gets back.
    looked_at: Rc<Cell<Option<Buffer>>>,
    /// The length of the header in front of each frame.
    header: usize,
}

/// Sets the device up whose registers are at an address.
///
/// # Errors
/// What is wrong with it.
pub fn open(registers: usize) -> Result<Nic, String> {
    let header = NonNull::new(ptr::with_exposed_provenance_mut::<VirtIOHeader>(registers))
        .ok_or("no registers")?;
    // SAFETY: the root task mapped them for good, and nobody else was given this device.
    let transport = unsafe { MmioTransport::new(header, VIRTIO_SLOT as usize) }
        .map_err(|error| format!("{error}"))?;
    let raw = Raw::new(transport).map_err(|error| format!("{error}"))?;
    let mut free = Vec::new();
    for _ in 0..2 * QUEUE * BUFFER / PAGE_SIZE {
        let page = dma::take(1).ok_or("no memory for buffers")?;
        for half in 0..PAGE_SIZE / BUFFER {
            // SAFETY: the page is nobody else's, for good, and zeroed; each half is taken once.
            free.push(unsafe {
                slice::from_raw_parts_mut(page.as_ptr().add(half * BUFFER), BUFFER)
            });
        }
    }
    let mut nic = Nic {
        raw: Box::new(raw),
        receiving: [const { None }; QUEUE],
        sending: [const { None }; QUEUE],
        free,
        looked_at: Rc::default(),
        header: 0,
    };
    nic.header = nic
        .raw
        .fill_buffer_header(&mut [0; 64])
        .map_err(|error| format!("{error}"))?;
    for _ in 0..QUEUE {
        let buffer = nic.free.pop().ok_or("no memory for buffers")?;
        nic.give(buffer);
    }
    Ok(nic)
}

impl Nic {
    pub fn mac(&self) -> [u8; 6] {
        self.raw.mac_address()
    }

    /// Takes the interrupt.
    pub fn ack(&mut self) {
        self.raw.ack_interrupt();
    }

    /// Takes back what was sent, and gives back what was received.
    pub fn flush(&mut self) {
        if let Some(buffer) = self.looked_at.take() {
            self.give(buffer);
        }
        while let Some(token) = self.raw.poll_transmit() {
            let Some(buffer) = self.sending[usize::from(token)].take() else {
                return;
            };
            // SAFETY: the buffer that the token was given for.
            let _ = unsafe { self.raw.transmit_complete(token, buffer) };
            self.free.push(buffer);
        }
    }

    fn give(&mut self, buffer: Buffer) {
        // SAFETY: nobody touches the buffer until it is taken back with its token.
        match unsafe { self.raw.receive_begin(buffer) } {
            Ok(token) => self.receiving[usize::from(token)] = Some(buffer),
            Err(_) => self.free.push(buffer),
        }
    }
}

/// A frame that was received.
pub struct Received {
    buffer: Buffer,
    frame: Range<usize>,
    looked_at: Rc<Cell<Option<Buffer>>>,
}

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, look: F) -> R {
        let answer = look(&self.buffer[self.frame]);
        self.looked_at.set(Some(self.buffer));
        answer
    }
}

/// Room for a frame to send.
pub struct Room<'a>(&'a mut Nic);

impl phy::TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        let nic = self.0;
        let Some(buffer) = nic.free.pop() else {
            return write(&mut Vec::from_iter(core::iter::repeat_n(0, len)));
        };
        let end = nic.header + len;
        let answer = write(&mut buffer[nic.header..end]);
        // SAFETY: nobody touches the buffer until it is taken back with its token.
        match unsafe { nic.raw.transmit_begin(&buffer[..end]) } {
            Ok(token) => nic.sending[usize::from(token)] = Some(buffer),
            Err(_) => nic.free.push(buffer),
        }
        answer
    }
}

impl phy::Device for Nic {
    type RxToken<'a> = Received;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, Room<'_>)> {
        self.flush();
        if self.free.is_empty() {
            return None;
        }
        let token = self.raw.poll_receive()?;
        let buffer = self.receiving[usize::from(token)].take()?;
        // SAFETY: the buffer that the token was given for.
        let (start, len) = unsafe { self.raw.receive_complete(token, buffer) }.ok()?;
        let received = Received {
            buffer,
            frame: start..start + len,
            looked_at: self.looked_at.clone(),
        };
        Some((received, Room(self)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Room<'_>> {
        self.flush();
        (!self.free.is_empty()).then_some(Room(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = MAX_FRAME;
        capabilities
    }
}
