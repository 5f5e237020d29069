// SPDX-License-Identifier: BSD-2-Clause
//! The PL011 (Arm DDI 0183, chapter 3), polled, if the spec gives it to the server. A guest may have the same
//! device and print in the server's place.

use core::{
    fmt::{self, Write as _},
    ptr,
    sync::atomic::{AtomicU32, AtomicUsize, Ordering},
};

use lock_api::Mutex;
use wasm_handoff::{
    Words,
    commons::{LINE_BUSY, LINES_CUT},
};

use crate::{lock::WordLock, shared::Page};

/// Data register.
const DR: usize = 0x00;
/// Flag register.
const FR: usize = 0x18;
/// Integer and fractional baud rate, line control, control and interrupt mask.
const IBRD: usize = 0x24;
const FBRD: usize = 0x28;
const LCR_H: usize = 0x2c;
const CR: usize = 0x30;
const IMSC: usize = 0x38;
/// Line control: FIFOs. Without them the device loses what it has in them.
const LCR_H_FEN: u32 = 1 << 4;
/// UART, transmitter and receiver enabled.
const CR_ENABLED: u32 = 1 << 0 | 1 << 8 | 1 << 9;
/// The receive FIFO is empty.
const FR_RXFE: u32 = 1 << 4;
/// The transmit FIFO is full.
const FR_TXFF: u32 = 1 << 5;

/// Address of the registers; 0: none, and what is written is dropped.
static REGISTERS: AtomicUsize = AtomicUsize::new(0);
/// The page that this program has in common with others that print, if there are any.
static LINE: Mutex<WordLock, Option<Page>> = Mutex::new(None);

/// How often a line is written that others have cut.
const MAX_REPEATS: usize = 3;

/// The device as it was found: baud rate and line control.
static FOUND: [AtomicU32; 3] = [const { AtomicU32::new(0) }; 3];
/// What a guest has written last.
static LAST: AtomicU32 = AtomicU32::new(END);
/// The end of a line.
const END: u32 = b'\n' as u32;

/// Prints from now on through the registers mapped at this address.
///
/// # Safety
/// It is 0 or a PL011's page, mapped as device memory, read-write, for good.
pub unsafe fn init(registers: usize) {
    REGISTERS.store(registers, Ordering::Relaxed);
    if registers != 0 {
        for (place, offset) in FOUND.iter().zip([IBRD, FBRD, LCR_H]) {
            // SAFETY: the caller's promise. To read these changes nothing.
            let value =
                unsafe { ptr::with_exposed_provenance::<u32>(registers + offset).read_volatile() };
            place.store(value, Ordering::Relaxed);
        }
    }
}

/// A guest has written to a device's register at this address.
pub fn note_write(address: usize, value: u32) {
    if address == REGISTERS.load(Ordering::Relaxed) + DR {
        LAST.store(value & 0xff, Ordering::Relaxed);
    }
}

/// Prints again where a guest has printed: with the device as it was found, at the beginning of a line. It keeps the
/// FIFOs that the guest has given it, and what was typed and is in them: that is the next guest's.
pub fn again() {
    let base = REGISTERS.load(Ordering::Relaxed);
    if base == 0 {
        return;
    }
    let _guard = LINE.lock();
    let [ibrd, fbrd, lcr_h] = FOUND.each_ref().map(|place| place.load(Ordering::Relaxed));
    // SAFETY: `init` was promised that these are the registers. To read these changes nothing.
    let now = [IBRD, FBRD, LCR_H].map(|offset| unsafe {
        ptr::with_exposed_provenance::<u32>(base + offset).read_volatile()
    });
    let [_, _, line_control] = now;
    let found = [ibrd, fbrd, lcr_h | line_control & LCR_H_FEN];
    put_register(base, IMSC, 0);
    if now != found {
        // In this order: what is written to the line control makes the baud rate valid, and is to be written while
        // the device is off (3.3.6, 3.3.7). It hears nothing then.
        put_register(base, CR, 0);
        for (offset, value) in [IBRD, FBRD, LCR_H].into_iter().zip(found) {
            put_register(base, offset, value);
        }
    }
    put_register(base, CR, CR_ENABLED);
    if LAST.swap(END, Ordering::Relaxed) != END {
        let _ = Uart.write_str("\n");
    }
}

fn put_register(base: usize, offset: usize, value: u32) {
    // SAFETY: `init` was promised that these are the registers. They have an effect on the line, and nothing else.
    unsafe { ptr::with_exposed_provenance_mut::<u32>(base + offset).write_volatile(value) };
}

/// Others print, too: all have this page.
pub fn share(page: Page) {
    *LINE.lock() = Some(page);
}

/// Writes one line, whole: lines of several threads do not mix, nor do those of several servers.
pub fn line(text: fmt::Arguments<'_>) {
    match &*LINE.lock() {
        Some(others) => line_among(others, text),
        None => last_words(text),
    }
}

/// Nobody waits for a thread of another server, which may have a lower priority and never run. So whoever finds
/// another one's line begun goes on with a line of its own in the middle of that; and whose line was cut writes
/// it once more.
fn line_among(others: &Page, text: fmt::Arguments<'_>) {
    if others.load(LINE_BUSY) != 0 {
        others.store(LINES_CUT, others.load(LINES_CUT).wrapping_add(1));
        let _ = Uart.write_str("\n");
        last_words(text);
        return;
    }
    others.store(LINE_BUSY, 1);
    for _ in 0..MAX_REPEATS {
        let cut = others.load(LINES_CUT);
        last_words(text);
        if others.load(LINES_CUT) == cut {
            break;
        }
    }
    others.store(LINE_BUSY, 0);
}

/// Writes text as it is, whole.
pub fn write(text: &str) {
    let _guard = LINE.lock();
    let _ = Uart.write_str(text);
}

/// Reads what the FIFO holds; answers the number of bytes. Two readers share what comes.
pub fn read(out: &mut [u8]) -> usize {
    let base = REGISTERS.load(Ordering::Relaxed);
    if base == 0 {
        return 0;
    }
    let _guard = LINE.lock();
    let mut count = 0;
    for place in out {
        // SAFETY: `init` was promised that these are the registers. Reading takes a byte out of the FIFO
        // and changes nothing else.
        let byte = unsafe {
            let flags = ptr::with_exposed_provenance::<u32>(base + FR).read_volatile();
            if flags & FR_RXFE != 0 {
                break;
            }
            ptr::with_exposed_provenance::<u32>(base + DR).read_volatile()
        };
        // The bits above the byte are error flags: a byte that came broken is a byte all the same.
        *place = byte as u8;
        count += 1;
    }
    count
}

/// Writes one line, from a panic, say, where the lock may be held by the thread that panics.
pub fn last_words(text: fmt::Arguments<'_>) {
    let _ = Uart.write_fmt(text);
    let _ = Uart.write_str("\n");
}

struct Uart;

impl fmt::Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let base = REGISTERS.load(Ordering::Relaxed);
        if base == 0 {
            return Ok(());
        }
        for byte in text.bytes() {
            if byte == b'\n' {
                put(base, b'\r');
            }
            put(base, byte);
        }
        Ok(())
    }
}

fn put(base: usize, byte: u8) {
    // SAFETY: `init` was promised that these are the registers. Writing a byte to the FIFO changes
    // nothing but what the line sends.
    unsafe {
        while ptr::with_exposed_provenance::<u32>(base + FR).read_volatile() & FR_TXFF != 0 {}
        ptr::with_exposed_provenance_mut::<u32>(base + DR).write_volatile(u32::from(byte));
    }
}
