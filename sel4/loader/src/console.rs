// SPDX-License-Identifier: BSD-2-Clause
//! Text on the machine's PL011 (Arm DDI 0183), by polling; QEMU has set it up.

use core::fmt;

/// QEMU's `virt` machine has it here.
const BASE: usize = 0x0900_0000;
/// Data register.
const DR: usize = 0x00;
/// Flag register.
const FR: usize = 0x18;
/// Transmit FIFO full.
const FR_TXFF: u32 = 1 << 5;

/// The console.
pub struct Console;

impl Console {
    fn put(byte: u8) {
        let register = |offset| core::ptr::with_exposed_provenance_mut::<u32>(BASE + offset);
        // SAFETY: the registers are device memory, mapped (or the MMU is off), that nothing else uses;
        // reading the flags has no effect, writing data sends one byte.
        unsafe {
            while register(FR).read_volatile() & FR_TXFF != 0 {}
            register(DR).write_volatile(u32::from(byte));
        }
    }
}

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                Self::put(b'\r');
            }
            Self::put(byte);
        }
        Ok(())
    }
}
