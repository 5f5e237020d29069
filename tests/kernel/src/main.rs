// SPDX-License-Identifier: BSD-2-Clause
//! Tests of the kernel and of the `sel4` crates, as a root task.
//!
//! The part `spec` of the root task's payload chooses: one test name a line; an empty one runs all.
//! Output is `run  NAME` before each test, `test NAME ... ok` or `test NAME ... FAILED: REASON` and at the end one line
//! `N passed, M failed`. Then the machine ends through semihosting where QEMU offers it.
//!
//! The tests of [`cases::defects`] each show a defect of seL4 5.0.0 that this project's kernel does not
//! have. On an unpatched kernel they fail, and some stop the machine: run them one at a time there.
#![no_std]
#![no_main]
#![feature(thread_local)]
#![deny(unsafe_code)]

extern crate alloc;

mod cases;
mod env;
mod machine;
mod outcome;

use env::Env;
use sel4::BootInfoPtr;
use sel4_root_task::{debug_println, panicking, root_task};

#[root_task(stack_size = 256 * 1024, heap_size = 4 * 1024 * 1024)]
fn main(bootinfo: &BootInfoPtr) -> ! {
    panicking::set_hook(&|info| {
        debug_println!("test FAILED: {info}");
        debug_println!("0 passed, 1 failed");
        machine::exit(false);
    });
    let mut env = Env::new(bootinfo);
    machine::start_output(&mut env);
    let chosen = machine::spec(bootinfo);
    let is_chosen =
        |name: &str| chosen.trim().is_empty() || chosen.lines().any(|line| line.trim() == name);

    let (mut passed, mut failed) = (0, 0);
    for (name, test) in cases::ALL.iter().filter(|(name, _)| is_chosen(name)) {
        // A whole line, so that what a debug kernel prints in between does not tear the result.
        debug_println!("run  {name}");
        let outcome = test(&mut env);
        match outcome.and_then(|()| env.clean_up()) {
            Ok(()) => {
                passed += 1;
                debug_println!("test {name} ... ok");
            }
            Err(failure) => {
                failed += 1;
                debug_println!("test {name} ... FAILED: {failure}");
            }
        }
    }
    for line in chosen
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        if !cases::ALL.iter().any(|(name, _)| *name == line) {
            failed += 1;
            debug_println!("test {line} ... FAILED: there is no such test");
        }
    }
    debug_println!("{passed} passed, {failed} failed");
    machine::exit(failed == 0)
}
