// SPDX-License-Identifier: BSD-2-Clause
//! Output: to the PL011 once the spec has named its frame; before, and without, to the kernel's debug
//! console, which release kernels lack.

use capdl::blob::{Kind, Reader};
use root_task::plan::PAGE_BITS;
use root_task::problem::Failure;
use sel4_root_task::output::set_output;

use crate::objects::Objects;
use crate::raw;
use crate::vspace::RootWindows;

pub use sel4_root_task::{debug_print as print, debug_println as println};

/// Physical address of the first PL011 of QEMU's `virt` machine.
const PL011: u64 = 0x0900_0000;

/// Maps the UART for the root task, if the spec has a frame with it.
pub fn start(
    spec: &Reader<'static>,
    objects: &Objects,
    windows: RootWindows,
) -> Result<(), Failure> {
    let uart = spec.iter().find(|(_, object)| {
        matches!(
            object.kind,
            Kind::Frame {
                paddr: Some(PL011),
                size_bits: PAGE_BITS,
                ..
            }
        )
    });
    let Some((id, object)) = uart else {
        return Ok(());
    };
    objects
        .slot(id)
        .and_then(|slot| raw::start_uart(slot, windows))
        .map_err(|problem| problem.of(spec.file, &object))?;
    set_output(write);
    Ok(())
}

fn write(bytes: &[u8]) {
    for &byte in bytes {
        // Terminals want both.
        if byte == b'\n' {
            raw::uart_write(b'\r');
        }
        raw::uart_write(byte);
    }
}
