// SPDX-License-Identifier: BSD-2-Clause
//! In place of the process server: says in which state it finds the device in slot 29, leaves it in another,
//! and faults. What started it is to have stopped the device when it starts it again.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

mod machine;

use core::fmt::Write as _;

use machine::{Page, fault};
use wasm_handoff::{Handoff, MAGIC};

/// The slot's registers in the second page that it is given; the first is the UART's.
const SLOT: usize = 0xa00;
/// `Status`; virtio 1.2, 4.2.2.
const STATUS: usize = SLOT + 0x070;
/// ACKNOWLEDGE and DRIVER.
const FOUND_BY_A_DRIVER: u32 = 3;

/// Registers of the PL011 (Arm DDI 0183G, 3.2).
const DATA: usize = 0x00;
const FLAGS: usize = 0x18;
const TRANSMIT_FULL: u32 = 1 << 5;

struct Uart(Page);

impl core::fmt::Write for Uart {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for byte in text.bytes() {
            while self.0.read(FLAGS) & TRANSMIT_FULL != 0 {}
            self.0.write(DATA, byte.into());
        }
        Ok(())
    }
}

/// Runs with the message from who started it.
fn main(handoff: &[u8]) -> ! {
    let handoff = postcard::from_bytes::<Handoff>(handoff);
    let Some(handoff) = handoff.ok().filter(|handoff| handoff.magic == MAGIC) else {
        fault()
    };
    let mut pages = handoff.given.iter().filter(|given| given.vaddr != 0);
    let (Some(uart), Some(registers)) = (pages.next(), pages.next()) else {
        fault()
    };
    let mut uart = Uart(Page::at(uart.vaddr));
    let device = Page::at(registers.vaddr);
    let found = device.read(STATUS);
    device.write(STATUS, FOUND_BY_A_DRIVER);
    let left = device.read(STATUS);
    // The UART takes everything.
    let _ = writeln!(uart, "runaway: found {found:#x}, left {left:#x}");
    fault()
}
