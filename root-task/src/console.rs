// SPDX-License-Identifier: BSD-2-Clause
//! Output: to the PL011 when the spec names its frame, otherwise to the kernel's debug console, which
//! only debug kernels have.

use core::fmt;

use capdl::blob::{Kind, Reader};
use root_task::plan::PAGE_BITS;
use root_task::problem::Failure;

use crate::objects::Objects;
use crate::raw;
use crate::vspace::RootWindows;

/// Physical address of the first PL011 of QEMU's `virt` machine.
const PL011: u64 = 0x0900_0000;

/// Maps the UART for the root task, if the spec has a frame with it.
pub fn start(
    spec: &Reader<'static>,
    objects: &Objects,
    windows: RootWindows,
) -> Result<(), Failure> {
    for (id, object) in spec.iter() {
        if matches!(
            object.kind,
            Kind::Frame {
                paddr: Some(PL011),
                size_bits: PAGE_BITS
            }
        ) {
            let slot = objects
                .slot(id)
                .map_err(|problem| problem.of(spec.file, &object))?;
            raw::start_uart(slot, windows).map_err(|problem| problem.of(spec.file, &object))?;
        }
    }
    Ok(())
}

/// Where [`println!`] goes.
pub struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            // Terminals want the carriage return; the kernel's own console adds it.
            if !(byte != b'\n' || raw::uart_write(b'\r')) || !raw::uart_write(byte) {
                sel4_root_task::debug_print!("{}", char::from(byte));
            }
        }
        Ok(())
    }
}

/// Prints a line.
macro_rules! println {
    ($($arg:tt)*) => {{
        use core::fmt::Write as _;
        // Console output never fails.
        let _ = writeln!($crate::console::Console, $($arg)*);
    }};
}

/// Prints.
macro_rules! print {
    ($($arg:tt)*) => {{
        use core::fmt::Write as _;
        // Console output never fails.
        let _ = write!($crate::console::Console, $($arg)*);
    }};
}

pub(crate) use {print, println};
