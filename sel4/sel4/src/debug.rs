// SPDX-License-Identifier: BSD-2-Clause
//! What debug builds of the kernel offer.

#[cfg(sel4_printing)]
mod printing {
    use core::fmt;

    /// Writes a byte to the kernel's console.
    pub fn debug_put_char(byte: u8) {
        crate::sys::syscalls::debug_put_char(byte);
    }

    /// The kernel's console as a writer.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct DebugWrite;

    impl fmt::Write for DebugWrite {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            text.bytes().for_each(debug_put_char);
            Ok(())
        }
    }

    /// Formats to the kernel's console.
    #[macro_export]
    macro_rules! debug_print {
        ($($arg:tt)*) => {{
            // The console never fails.
            let _ = core::fmt::Write::write_fmt(&mut $crate::DebugWrite, format_args!($($arg)*));
        }};
    }

    /// Formats a line to the kernel's console.
    #[macro_export]
    macro_rules! debug_println {
        () => { $crate::debug_print!("\n") };
        ($($arg:tt)*) => { $crate::debug_print!("{}\n", format_args!($($arg)*)) };
    }
}
#[cfg(sel4_printing)]
pub use printing::{DebugWrite, debug_put_char};

/// Ends the machine.
#[cfg(sel4_debug_build)]
pub fn debug_halt() {
    crate::sys::syscalls::debug_halt();
}

#[cfg(sel4_debug_build)]
impl<T: crate::CapType, C> crate::Cap<T, C> {
    /// The kernel's number for the kind of the capability; 0 for an empty slot.
    pub fn debug_identify(self) -> u32 {
        crate::sys::syscalls::debug_cap_identify(self.bits()) as u32
    }
}
