// SPDX-License-Identifier: BSD-2-Clause
//! Where `print!` and panics write: to a PL011 UART that the spec gave the task, once [`init`] has said which;
//! before, and without, to the debug console that debug kernels have.

use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::Memory;

/// Address of the UART's registers, or 0.
static UART: AtomicUsize = AtomicUsize::new(0);

/// Registers of the PL011 (Arm DDI 0183G, 3.2).
mod pl011 {
    pub const BYTES: usize = 0x1000;
    pub const DATA: usize = 0x00;
    pub const FLAGS: usize = 0x18;
    pub const FLAG_TX_FULL: u32 = 1 << 5;
}

/// Sends all output to a UART from now on: a page of registers of a PL011 that somebody has set up, as the root task
/// does with the one that the spec has.
pub fn init(uart: Memory) {
    if uart.is_writable() && uart.len() >= pl011::BYTES {
        UART.store(uart.addr(), Ordering::Relaxed);
    }
}

struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let uart = Memory::registers(UART.load(Ordering::Relaxed), pl011::BYTES);
        for byte in text.bytes() {
            match uart {
                // Terminals want both.
                Some(uart) if byte == b'\n' => {
                    put(uart, b'\r');
                    put(uart, byte);
                }
                Some(uart) => put(uart, byte),
                None => kernel_console(byte),
            }
        }
        Ok(())
    }
}

fn put(uart: Memory, byte: u8) {
    while uart
        .read::<u32>(pl011::FLAGS)
        .is_some_and(|flags| flags & pl011::FLAG_TX_FULL != 0)
    {}
    let _ = uart.write(pl011::DATA, u32::from(byte));
}

#[cfg(sel4_printing)]
fn kernel_console(byte: u8) {
    sel4::debug_put_char(byte);
}

#[cfg(not(sel4_printing))]
fn kernel_console(_byte: u8) {}

/// Formats to the program's output.
pub fn print(arguments: fmt::Arguments<'_>) {
    // `Console` has no errors of its own; one in a `Display` loses the rest of that message.
    let _ = fmt::write(&mut Console, arguments);
}
