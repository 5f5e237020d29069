// SPDX-License-Identifier: BSD-2-Clause
//! A serial line behind a PL011 (Arm DDI 0183), by interrupt both ways.
//!
//! The driver never waits: it takes what has come, sends what there is room for, and says which interrupts it has
//! asked for. Whoever has it calls [`Pl011::turn`] at each interrupt and whenever there is something to send.
//!
//! ```no_run
//! use drivers::pl011::Pl011;
//! use userland::{device::{Device, Registers}, handle::Capability, start::Start, task::Event};
//!
//! /// Sends back what comes.
//! async fn echo(start: &Start) -> Result<(), drivers::Error> {
//!     let handle = start.handle("uart").ok_or(userland::Error::NotFound)?;
//!     let interrupt = Event::new();
//!     let registers = Registers::new(Device::from_handle(handle))?;
//!     registers.device().listen(interrupt.task())?;
//!     let mut uart = Pl011::new(registers)?;
//!     let mut waiting = Vec::new();
//!     loop {
//!         let mut came = Vec::new();
//!         let sent = uart.turn(&waiting, |byte| came.push(byte))?;
//!         waiting.drain(..sent);
//!         waiting.append(&mut came);
//!         if waiting.is_empty() || sent == 0 {
//!             uart.acknowledge()?;
//!             interrupt.wait().await;
//!         }
//!     }
//! }
//! ```
//!
//! The speed of the line is what it was: whoever started the machine has set it. What came before the driver did is
//! taken, too: by the first turn, for which there may be no interrupt.

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use userland::device::{Registers, Width};

use crate::Error;

/// Data.
const DR: u32 = 0x000;
/// Flags.
const FR: u32 = 0x018;
/// Line control.
const LCR_H: u32 = 0x02c;
/// Control.
const CR: u32 = 0x030;
/// Levels of the FIFOs at which they interrupt.
const IFLS: u32 = 0x034;
/// Which interrupts may come.
const IMSC: u32 = 0x038;
/// Clears interrupts.
const ICR: u32 = 0x044;
/// The first two bytes of what the device says it is, a byte each.
const PERIPH_ID: [u32; 2] = [0xfe0, 0xfe4];

/// It has not sent all yet.
const FR_BUSY: u32 = 1 << 3;
/// Nothing has come.
const FR_RXFE: u32 = 1 << 4;
/// No room for more to send.
const FR_TXFF: u32 = 1 << 5;
/// All has gone out of the FIFO.
const FR_TXFE: u32 = 1 << 7;
/// FIFOs.
const LCR_H_FEN: u32 = 1 << 4;
/// The device, its transmitter, its receiver.
const CR_ON: u32 = 1 << 0 | 1 << 8 | 1 << 9;
/// Interrupts when something has come, when there is room, when something has come and nothing came since, and
/// when something came for which there was no room.
const RX: u32 = 1 << 4;
const TX: u32 = 1 << 5;
const RT: u32 = 1 << 6;
const OE: u32 = 1 << 10;
const ALL: u32 = 0x7ff;
/// Receive when an eighth has come, send when an eighth is left.
const LEVELS: u32 = 0;
/// Bits of data above the byte: framing, parity, break; and overrun.
const DR_BROKEN: u32 = 0x7 << 8;
const DR_OVERRUN: u32 = 1 << 11;

/// Bytes that fit the FIFO of any revision when it is empty.
const FIFO: usize = 16;
/// Most bytes that are taken or sent in one turn.
const BURST: usize = 256;
/// How often it is asked whether it has sent all, before it is set up.
const PATIENCE: u32 = 100_000;

/// The registers, by offset.
pub trait Access {
    /// Reads one.
    ///
    /// # Errors
    /// The server refuses.
    fn read(&self, offset: u32) -> Result<u32, userland::Error>;

    /// Writes one.
    ///
    /// # Errors
    /// The server refuses.
    fn write(&self, offset: u32, value: u32) -> Result<(), userland::Error>;

    /// Lets the next interrupt come.
    ///
    /// # Errors
    /// The server refuses.
    fn acknowledge(&self) -> Result<(), userland::Error>;
}

impl Access for Registers {
    fn read(&self, offset: u32) -> Result<u32, userland::Error> {
        Self::read(self, offset, Width::Word)
    }

    fn write(&self, offset: u32, value: u32) -> Result<(), userland::Error> {
        Self::write(self, offset, Width::Word, value)
    }

    fn acknowledge(&self) -> Result<(), userland::Error> {
        self.device().ack().map(drop)
    }
}

/// The device. See the example of [`pl011`](crate::pl011).
pub struct Pl011<A = Registers> {
    access: A,
    /// Interrupts that it has asked for.
    mask: u32,
    /// What came before it had FIFOs.
    early: Vec<u32>,
    overruns: u64,
    broken: u64,
}

impl<A: Access> Pl011<A> {
    /// Sets the device up. What it was to send before is sent.
    ///
    /// # Errors
    /// [`Error::WrongType`] with what it says it is, if that is no PL011; [`Error::TimedOut`] if it sends for ever;
    /// [`Error::Device`].
    pub fn new(access: A) -> Result<Self, Error> {
        let [low, high] = PERIPH_ID.map(|offset| access.read(offset));
        let id = low? & 0xff | (high? & 0xf) << 8;
        if id != 0x011 {
            return Err(Error::WrongType(id));
        }
        access.write(IMSC, 0)?;
        let mut left = PATIENCE;
        while access.read(FR)? & FR_BUSY != 0 {
            left = left.checked_sub(1).ok_or(Error::TimedOut)?;
        }
        let line = access.read(LCR_H)?;
        let mut early = Vec::new();
        if line & LCR_H_FEN == 0 {
            // It loses what is there when it gets FIFOs.
            while early.len() < FIFO && access.read(FR)? & FR_RXFE == 0 {
                early.push(access.read(DR)?);
            }
            // Line control is written while the device is off (3.3.7).
            access.write(CR, 0)?;
            access.write(LCR_H, line | LCR_H_FEN)?;
        }
        access.write(IFLS, LEVELS)?;
        access.write(ICR, ALL)?;
        access.write(CR, CR_ON)?;
        let mut device = Self {
            access,
            mask: 0,
            early,
            overruns: 0,
            broken: 0,
        };
        device.ask_for(RX | RT | OE)?;
        Ok(device)
    }

    fn ask_for(&mut self, mask: u32) -> Result<(), Error> {
        if mask != self.mask {
            self.access.write(IMSC, mask)?;
            self.mask = mask;
        }
        Ok(())
    }

    /// Takes what has come, and sends of these bytes what there is room for; answers how many. An interrupt comes
    /// when there is more to take, or, if not all were sent, room.
    ///
    /// It takes and sends no more than 256 bytes at once: the others' turn comes, too.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn turn(&mut self, bytes: &[u8], take: impl FnMut(u8)) -> Result<usize, Error> {
        // First: what comes from here on interrupts again.
        self.access.write(ICR, RX | RT | TX | OE)?;
        self.receive(take)?;
        let sent = self.send(bytes.get(..BURST).unwrap_or(bytes))?;
        let more = if sent < bytes.len() { TX } else { 0 };
        self.ask_for(RX | RT | OE | more)?;
        Ok(sent)
    }

    fn receive(&mut self, mut take: impl FnMut(u8)) -> Result<(), Error> {
        for data in core::mem::take(&mut self.early) {
            self.came(data, &mut take);
        }
        for _ in 0..BURST {
            if self.access.read(FR)? & FR_RXFE != 0 {
                break;
            }
            let data = self.access.read(DR)?;
            self.came(data, &mut take);
        }
        Ok(())
    }

    /// Whoever takes it has it at once: no call is between, at which the guest could end.
    #[inline(always)]
    fn came(&mut self, data: u32, take: &mut impl FnMut(u8)) {
        // A break, or a byte that came broken, is nothing that was typed.
        if data & DR_BROKEN == 0 {
            take(data as u8);
        } else {
            self.broken += 1;
        }
        if data & DR_OVERRUN != 0 {
            self.overruns += 1;
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        let mut sent = 0;
        while sent < bytes.len() {
            let flags = self.access.read(FR)?;
            let room = match flags {
                _ if flags & FR_TXFE != 0 => FIFO,
                _ if flags & FR_TXFF == 0 => 1,
                _ => break,
            };
            for byte in bytes.iter().skip(sent).take(room) {
                self.access.write(DR, u32::from(*byte))?;
                sent += 1;
            }
        }
        Ok(sent)
    }

    /// Lets the next interrupt come.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn acknowledge(&self) -> Result<(), Error> {
        Ok(self.access.acknowledge()?)
    }

    /// How often bytes were lost because they came faster than they were taken.
    pub const fn overruns(&self) -> u64 {
        self.overruns
    }

    /// Bytes that came broken: breaks, wrong parity, no stop bit.
    pub const fn broken(&self) -> u64 {
        self.broken
    }
}
