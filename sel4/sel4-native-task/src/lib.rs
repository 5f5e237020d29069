// SPDX-License-Identifier: BSD-2-Clause
//! Runtime of a native task: entry, thread-local storage, heap, output, panics, and what the spec gave it.
//!
//! ```ignore
//! #![no_std]
//! #![no_main]
//!
//! sel4_native_task::entry!(main);
//!
//! fn main(task: &Task) -> Result<(), &'static str> {
//!     let shared = task.memory("shared").ok_or("no memory `shared`")?;
//!     let bell = task.cap::<Notification>("bell").ok_or("no `bell`")?;
//!     shared.write(0, 42u32).ok_or("`shared` is read-only")?;
//!     bell.signal();
//!     Ok(())
//! }
//! ```
//!
//! A native task links with the script whose path its build script finds in
//! `DEP_SEL4_NATIVE_TASK_LINKER_SCRIPT`. docs/native-tasks.md shows all that one needs.
#![no_std]

mod channel;
mod heap;
mod memory;
mod start;
mod task;

pub mod console;

pub use channel::Channel;
pub use heap::set_global_allocator_mutex_notification;
pub use memory::{Memory, Value};
pub use native_handoff::{Given, Rights, Untyped, slot};
pub use start::exit;
pub use task::{End, Task};

#[doc(hidden)]
pub mod _private {
    pub use crate::start::run_main;
}

/// Makes a function the program's entry point: `fn(&Task) -> T`, where `T` is `()` or a `Result` with an error
/// that is displayed ([`End`]).
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        const _: () = {
            #[unsafe(no_mangle)]
            fn __sel4_native_task__main(task: &$crate::Task) -> ! {
                $crate::_private::run_main($main, task)
            }
        };
    };
}

/// Formats to the program's output ([`console`]).
#[macro_export]
macro_rules! print {
    ($($arg:tt)*) => { $crate::console::print(format_args!($($arg)*)) };
}

/// Formats a line to the program's output ([`console`]).
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($arg:tt)*) => { $crate::print!("{}\n", format_args!($($arg)*)) };
}
