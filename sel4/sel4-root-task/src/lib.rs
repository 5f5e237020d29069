// SPDX-License-Identifier: BSD-2-Clause
//! Runtime of a root task: entry, stack, thread-local storage, heap, output, panics.
//!
//! ```ignore
//! #[root_task(stack_size = 64 * 1024)]
//! fn main(bootinfo: &sel4::BootInfoPtr) -> ! { … }
//! ```
//!
//! A root task links with the script whose path its build script finds in
//! `DEP_SEL4_ROOT_TASK_LINKER_SCRIPT`:
//!
//! ```ignore
//! println!("cargo::rustc-link-arg-bins=-T{}", std::env::var("DEP_SEL4_ROOT_TASK_LINKER_SCRIPT")?);
//! ```
//!
//! Before `main` runs, the first thread has a stack with an unmapped page below it, thread-local
//! storage, and its IPC buffer. Names and signatures are upstream's; [`output`] is an addition.
#![no_std]
#![feature(never_type)]

mod heap;
mod start;
mod termination;

pub mod output;
pub mod panicking;

pub use heap::set_global_allocator_mutex_notification;
pub use sel4_root_task_macros::root_task;
pub use termination::{Never, Termination};

/// Bytes of the stack when `#[root_task]` does not say.
pub const DEFAULT_STACK_SIZE: usize = 64 * 1024;

#[doc(hidden)]
pub mod _private {
    pub use crate::{
        heap::{StaticDlmalloc, StaticHeap},
        start::{Stack, StackTop, run_main},
    };
    pub use sel4::BootInfoPtr;
}

/// What `#[root_task]` expands to.
#[macro_export]
macro_rules! declare_root_task {
    (main = $main:path $(,)?) => {
        $crate::declare_root_task!(main = $main, stack_size = $crate::DEFAULT_STACK_SIZE);
    };
    (main = $main:path, heap_size = $heap_size:expr $(,)?) => {
        $crate::declare_root_task!(
            main = $main,
            stack_size = $crate::DEFAULT_STACK_SIZE,
            heap_size = $heap_size
        );
    };
    (main = $main:path, stack_size = $stack_size:expr, heap_size = $heap_size:expr $(,)?) => {
        $crate::declare_root_task!(main = $main, stack_size = $stack_size);
        const _: () = {
            static HEAP: $crate::_private::StaticHeap<{ $heap_size }> =
                $crate::_private::StaticHeap::new();
            #[global_allocator]
            static ALLOCATOR: $crate::_private::StaticDlmalloc =
                $crate::_private::StaticDlmalloc::new(&HEAP);
        };
    };
    (main = $main:path, stack_size = $stack_size:expr $(,)?) => {
        const _: () = {
            static STACK: $crate::_private::Stack<{ $stack_size }> = $crate::_private::Stack::new();

            #[unsafe(no_mangle)]
            static __sel4_root_task__stack_top: $crate::_private::StackTop = STACK.top();

            #[unsafe(no_mangle)]
            fn __sel4_root_task__main(bootinfo: &$crate::_private::BootInfoPtr) -> ! {
                $crate::_private::run_main($main, bootinfo)
            }
        };
    };
}

/// Stops the program after printing a message.
#[macro_export]
macro_rules! abort {
    () => { $crate::panicking::abort(format_args!("aborted")) };
    ($($arg:tt)*) => { $crate::panicking::abort(format_args!($($arg)*)) };
}

/// Formats to the program's output ([`output`]).
#[macro_export]
macro_rules! debug_print {
    ($($arg:tt)*) => { $crate::output::print(format_args!($($arg)*)) };
}

/// Formats a line to the program's output ([`output`]).
#[macro_export]
macro_rules! debug_println {
    () => { $crate::debug_print!("\n") };
    ($($arg:tt)*) => { $crate::debug_print!("{}\n", format_args!($($arg)*)) };
}
