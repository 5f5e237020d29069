// SPDX-License-Identifier: BSD-2-Clause
//! Stopping virtio devices from outside: a device that a server had programmed goes on writing to
//! memory after the server is gone, and without an IOMMU nothing else keeps it from what that memory
//! becomes.
//!
//! Offsets and values are those of virtio 1.2, section 4.2.2.

use capdl::blob::VIRTIO_SLOT;

use crate::plan::PAGE;

/// `MagicValue`, R: [`MAGIC`] where there is a slot of virtio over MMIO.
pub const MAGIC_VALUE: usize = 0x000;
/// `Status`, RW: 0 written resets the device, and 0 read says that this is done (2.1.2).
pub const STATUS: usize = 0x070;
/// "virt".
pub const MAGIC: u32 = 0x7472_6976;

/// Slots in a page of registers.
pub const SLOTS: usize = PAGE as usize / VIRTIO_SLOT as usize;

/// How often the status is read before a device is given up: about a second's worth, where any that
/// works needs no more than a few microseconds.
pub const PATIENCE: u32 = 1_000_000;

/// A page of registers.
pub trait Page {
    /// Reads a register, [`MAGIC_VALUE`] or [`STATUS`], of a slot below [`SLOTS`].
    fn read(&mut self, slot: usize, register: usize) -> u32;
    /// Writes 0 to the `Status` of a slot below [`SLOTS`].
    fn reset(&mut self, slot: usize);
}

/// A device that does not stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its slot in the page.
    pub slot: usize,
    /// Its status, which should be 0.
    pub status: u32,
}

/// Resets every device of a page, and waits until each has stopped to use memory.
///
/// Every one, whatever the spec says about the page: a server that has run wild may have programmed
/// any of them.
///
/// # Errors
/// The first that does not stop; the others are reset nevertheless.
pub fn stop(page: &mut impl Page, patience: u32) -> Result<(), Running> {
    let mut result = Ok(());
    for slot in 0..SLOTS {
        if page.read(slot, MAGIC_VALUE) != MAGIC {
            continue;
        }
        page.reset(slot);
        let mut status = page.read(slot, STATUS);
        for _ in 0..patience {
            if status == 0 {
                break;
            }
            status = page.read(slot, STATUS);
        }
        if status != 0 {
            result = result.and(Err(Running { slot, status }));
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Devices that stop when their status has been read so many more times.
    struct Fake {
        magic: [u32; SLOTS],
        status: [u32; SLOTS],
        delay: [u32; SLOTS],
        reset: [bool; SLOTS],
    }

    impl Fake {
        const DRIVEN: u32 = 0xf;

        fn new() -> Self {
            Self {
                magic: [MAGIC; SLOTS],
                status: [Self::DRIVEN; SLOTS],
                delay: [0; SLOTS],
                reset: [false; SLOTS],
            }
        }
    }

    impl Page for Fake {
        fn read(&mut self, slot: usize, register: usize) -> u32 {
            match register {
                MAGIC_VALUE => self.magic[slot],
                STATUS => {
                    if self.reset[slot] {
                        match self.delay[slot].checked_sub(1) {
                            Some(left) => self.delay[slot] = left,
                            None => self.status[slot] = 0,
                        }
                    }
                    self.status[slot]
                }
                _ => panic!("register {register:#x} is read"),
            }
        }

        fn reset(&mut self, slot: usize) {
            self.reset[slot] = true;
        }
    }

    #[test]
    fn every_device_is_stopped() {
        let mut page = Fake::new();
        page.delay = [0, 1, 2, 3, 97, 98, 99, 100];
        assert_eq!(stop(&mut page, 100), Ok(()));
        assert_eq!(page.status, [0; SLOTS]);
    }

    #[test]
    fn one_that_runs_on_is_named_and_the_others_are_stopped() {
        let mut page = Fake::new();
        page.delay[2] = 102;
        page.delay[5] = u32::MAX;
        let running = Running {
            slot: 2,
            status: Fake::DRIVEN,
        };
        assert_eq!(stop(&mut page, 100), Err(running));
        assert_eq!(page.status, [0, 0, 0xf, 0, 0, 0xf, 0, 0]);
    }

    #[test]
    fn what_is_no_virtio_slot_is_left_alone() {
        let mut page = Fake::new();
        page.magic[0] = 0;
        page.magic[3] = u32::MAX;
        assert_eq!(stop(&mut page, 1), Ok(()));
        assert!(!page.reset[0] && !page.reset[3] && page.reset[7]);
    }
}
