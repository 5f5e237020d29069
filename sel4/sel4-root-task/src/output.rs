// SPDX-License-Identifier: BSD-2-Clause
//! Where `debug_print!`, panics and `abort!` write. Not in upstream.
//!
//! Debug kernels have a console of their own. Release kernels have none: there, output is dropped
//! until the program has mapped a UART and calls [`set_output`].

use core::{
    fmt, mem, ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

/// Writes bytes somewhere. It may be called by any thread and while the program panics, so it should
/// neither lock nor allocate.
pub type Output = fn(&[u8]);

static OUTPUT: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Sends all output to `output` from now on.
pub fn set_output(output: Output) {
    OUTPUT.store(output as *mut (), Ordering::Release);
}

/// Writes bytes to the program's output.
pub fn write(bytes: &[u8]) {
    let output = OUTPUT.load(Ordering::Acquire);
    if !output.is_null() {
        // SAFETY: What is not null was stored by `set_output`, out of the same type.
        let output: Output = unsafe { mem::transmute::<*mut (), Output>(output) };
        output(bytes);
        return;
    }
    kernel_console(bytes);
}

#[cfg(sel4_printing)]
fn kernel_console(bytes: &[u8]) {
    bytes.iter().copied().for_each(sel4::debug_put_char);
}

#[cfg(not(sel4_printing))]
fn kernel_console(_bytes: &[u8]) {}

struct Writer;

impl fmt::Write for Writer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write(text.as_bytes());
        Ok(())
    }
}

/// Formats to the program's output.
pub fn print(arguments: fmt::Arguments<'_>) {
    // `Writer` has no errors of its own; one in a `Display` loses the rest of that message.
    let _ = fmt::write(&mut Writer, arguments);
}
