// SPDX-License-Identifier: BSD-2-Clause
//! The tests.

mod capabilities;
pub mod defects;
mod faults;
mod interrupts;
mod memory;
mod messages;
mod mutexes;
mod threads;

use crate::{env::Env, outcome::Outcome};

/// A test.
pub type Test = fn(&mut Env<'_>) -> Outcome;

macro_rules! tests {
    ($($module:ident: $($name:ident)*;)*) => {
        /// All tests by name.
        pub const ALL: &[(&str, Test)] = &[$($((stringify!($name), $module::$name)),*),*];
    };
}

tests! {
    capabilities: retype_and_revoke untyped_runs_out copy_mint_move_delete cnode_guards badge_too_wide;
    memory: map_missing_levels map_again_with_other_rights shared_page used_memory_is_zeroed execute_new_code address_spaces;
    threads: thread_local_variables registers_round_trip priorities priority_above_maximum fp_registers stack_guard heap_contention;
    messages: notification_badges signal_and_wait call_and_reply long_messages capability_transfer saved_caller bound_notification;
    faults: vm_fault user_exception unknown_syscall cap_fault;
    interrupts: timer_interrupt;
    mutexes: mutex_contention mutex_kinds;
    defects: fpu_owner_deletion ipc_buffer_alignment remap_after_unmap suspend_resume;
}
