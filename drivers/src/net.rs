// SPDX-License-Identifier: BSD-2-Clause
//! The driver of a network device (virtio 1.2, section 5.1), with buffers.
//!
//! A frame is looked at where the device has put it, and written where the device takes it from; the device has the
//! rest of the buffers meanwhile. What was queued goes to the device with [`Nic::flush`], and what
//! the device has done is seen after [`Nic::ack`]: one hostcall for many frames.
//!
//! ```no_run
//! use drivers::{Error, net::Nic};
//! use userland::{device::Device, task::Event};
//!
//! /// Sends every frame back, with the addresses exchanged.
//! async fn reflect(device: Device) -> Result<(), Error> {
//!     let interrupt = Event::new();
//!     device.listen(interrupt.task())?;
//!     let mut nic = Nic::new(device)?;
//!     loop {
//!         nic.ack()?;
//!         while let Some((frame, slot)) = nic.receive() {
//!             slot.send(frame.len(), |answer| {
//!                 answer.copy_from_slice(frame);
//!                 if let Some((to, rest)) = answer.split_at_mut_checked(6)
//!                     && let Some(from) = rest.get_mut(..6)
//!                 {
//!                     to.swap_with_slice(from);
//!                 }
//!             });
//!         }
//!         nic.flush()?;
//!         interrupt.wait().await;
//!     }
//! }
//! ```
#![forbid(unsafe_code)]

use alloc::{rc::Rc, vec::Vec};
use core::mem::take;

use userland::device::Device;

use crate::{
    Error,
    virtio::{
        Line, Registers,
        frames::{Frames, QUEUE, ROOM, Sender},
    },
};

/// Frames that can wait in each direction.
pub const BUFFERS: usize = QUEUE;

/// The longest frame that can be sent or received, from the addresses on and without the check sequence.
pub const MAX_FRAME: usize = ROOM;

/// The queue of frames that are to be sent (virtio 1.2, section 5.1.2).
const TRANSMIT: u16 = 1;
/// Buffers that are handed back to be received into at a time: a quarter, so that the device has three always.
const FEW: usize = QUEUE / 4;

/// Where `virtio_net_config.status` is in the configuration space, and its bit `VIRTIO_NET_S_LINK_UP`.
const STATUS: u32 = 6;
const LINK_UP: u32 = 1;
/// The bit of the interrupt status that tells of a configuration change (virtio 1.2, section 4.2.2).
const CONFIGURATION: u32 = 2;

/// What becomes of frames that found no place, be it that they were to be sent, or that they were received and could
/// not have been answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// There are none.
    None,
    /// There is a place now.
    Goes,
    /// There is an interrupt when there is a place.
    Waits,
}

/// A network device. See the example of [`net`](crate::net).
///
/// Once the device has failed, it sends and receives nothing any more, and [`Nic::flush`] and [`Nic::ack`] say why;
/// another [`Nic`] for the same device begins anew.
pub struct Nic<R: Registers = Device> {
    frames: Frames<R>,
    line: Rc<Line<R>>,
    /// Buffers that are to be received into again; the last is of the frame that was looked at last.
    returned: Vec<u16>,
    /// There was no place for a frame that was to be sent.
    is_full: bool,
    /// What the queues were found to be.
    fault: Option<Error>,
}

impl<R: Registers> Nic<R> {
    /// Resets the device, sets it up and lets it receive.
    ///
    /// # Errors
    /// [`Error::WrongType`], and see [`Error`].
    pub fn new(registers: R) -> Result<Self, Error> {
        let (frames, line) = Frames::new(registers)?;
        let nic = Self {
            frames,
            line,
            returned: Vec::with_capacity(QUEUE),
            is_full: false,
            fault: None,
        };
        nic.line.set_interrupts(TRANSMIT, false);
        nic.line.kick()?;
        Ok(nic)
    }

    /// Its address.
    pub fn mac(&self) -> [u8; 6] {
        self.frames.mac()
    }

    /// Whether it says that its link is up (virtio 1.2, section 5.1.4).
    ///
    /// # Errors
    /// As [`Nic::ack`].
    pub fn has_link(&self) -> Result<bool, Error> {
        Ok(self.line.config(STATUS)? & LINK_UP != 0)
    }

    /// Takes the interrupt, so that the next one can come, and with it what the device has done until now. Answers
    /// whether its configuration may have changed, and with it [`Nic::has_link`].
    ///
    /// # Errors
    /// [`Error::Device`] once the device has failed.
    pub fn ack(&mut self) -> Result<bool, Error> {
        let status = self.line.ack()?;
        self.check()?;
        Ok(status & CONFIGURATION != 0)
    }

    /// Lets the device have what was queued: frames to send, and buffers to receive into.
    ///
    /// # Errors
    /// As [`Nic::ack`].
    pub fn flush(&mut self) -> Result<Rest, Error> {
        // Not few at a time: the device has the others.
        if self.returned.len() >= FEW {
            for index in take(&mut self.returned) {
                let posted = self.frames.post(index);
                self.note(posted);
            }
        }
        // What was sent is taken back when a place is needed. Only who has none waits for the device.
        let was_full = take(&mut self.is_full);
        if was_full {
            self.line.set_interrupts(TRANSMIT, true);
            self.line.mark(TRANSMIT);
        }
        self.line.kick()?;
        self.check()?;
        if !was_full {
            return Ok(Rest::None);
        }
        // The device may have been quicker; then there is no interrupt to come.
        if self.frames.sender().free()?.is_none() {
            return Ok(Rest::Waits);
        }
        self.line.set_interrupts(TRANSMIT, false);
        Ok(Rest::Goes)
    }

    /// The next frame, and a place to put an answer. Nothing, if there is no such place.
    pub fn receive(&mut self) -> Option<(&[u8], Slot<'_, R>)> {
        // What cannot be answered waits.
        let free = self.free()?;
        // As many as there can be.
        for _ in 0..QUEUE {
            let taken = self.frames.take_received();
            let (index, len) = self.note(taken)??;
            self.returned.push(index);
            if len != 0 {
                let (frame, sender) = self.frames.split(index, len);
                return Some((
                    frame,
                    Slot {
                        sender,
                        index: free,
                        fault: &mut self.fault,
                    },
                ));
            }
        }
        None
    }

    /// A place for a frame, if the device has sent enough of the last ones.
    pub fn transmit(&mut self) -> Option<Slot<'_, R>> {
        let index = self.free()?;
        let (sender, fault) = (self.frames.sender(), &mut self.fault);
        Some(Slot {
            sender,
            index,
            fault,
        })
    }

    /// A place for a frame that is to be sent.
    fn free(&mut self) -> Option<u16> {
        let free = self.frames.sender().free();
        let free = self.note(free)?;
        self.is_full |= free.is_none();
        free
    }

    fn check(&self) -> Result<(), Error> {
        self.fault.map_or(Ok(()), Err)
    }

    fn note<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        match result {
            Ok(value) if self.fault.is_none() => Some(value),
            Ok(_) => None,
            Err(error) => {
                self.fault.get_or_insert(error);
                None
            }
        }
    }
}

/// A place for a frame that is to be sent. See the example of [`net`](crate::net).
pub struct Slot<'a, R: Registers = Device> {
    sender: Sender<'a, R>,
    index: u16,
    fault: &'a mut Option<Error>,
}

impl<R: Registers> Slot<'_, R> {
    /// Queues a frame of `len` bytes, which `fill` writes, from the addresses on. What is in the bytes before is what
    /// was sent earlier. One that is longer than [`MAX_FRAME`] is written, and not sent.
    pub fn send<T>(mut self, len: usize, fill: impl FnOnce(&mut [u8]) -> T) -> T {
        let (value, sent) = self.sender.send(self.index, len, fill);
        if let Err(error) = sent
            && len <= MAX_FRAME
        {
            self.fault.get_or_insert(error);
        }
        value
    }
}
