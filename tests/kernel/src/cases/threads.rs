// SPDX-License-Identifier: BSD-2-Clause
//! Threads: thread-local storage, registers, priorities.

use alloc::{sync::Arc, vec::Vec};
use core::{
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use sel4::{Error, cap, init_thread::slot};

use crate::{
    cases::faults::{Observed, observe},
    env::{Env, PRIORITY},
    machine,
    outcome::{Outcome, check, check_eq, expect_error},
};

#[repr(align(64))]
struct Aligned(Cell<u64>);

#[thread_local]
static INITIALISED: Aligned = Aligned(Cell::new(41));
#[thread_local]
static ZERO: Cell<u64> = Cell::new(0);

/// Each thread has its own variables, with their initial values and alignment.
pub fn thread_local_variables(env: &mut Env<'_>) -> Outcome {
    const ROUNDS: u64 = 1000;
    let good = Arc::new(AtomicUsize::new(0));
    let mut threads = Vec::new();
    for step in 1..=2_u64 {
        let good = good.clone();
        threads.push(env.spawn(PRIORITY, move || {
            let aligned = (&raw const INITIALISED).addr().is_multiple_of(64);
            let initial = INITIALISED.0.get() == 41 && ZERO.get() == 0;
            for _ in 0..ROUNDS {
                INITIALISED.0.set(INITIALISED.0.get() + step);
                ZERO.set(ZERO.get() + 1);
                sel4::r#yield();
            }
            let counted = INITIALISED.0.get() == 41 + step * ROUNDS && ZERO.get() == ROUNDS;
            good.fetch_add(
                usize::from(aligned && initial && counted),
                Ordering::Relaxed,
            );
        })?);
    }
    threads.iter().for_each(|thread| thread.join());
    check_eq!(good.load(Ordering::Relaxed), 2);
    check_eq!(INITIALISED.0.get(), 41);
    check!(sel4::ipc_buffer_is_thread_local());
    Ok(())
}

/// What is written into a stopped thread's registers is read back, and used when it runs.
pub fn registers_round_trip(env: &mut Env<'_>) -> Outcome {
    let ran = Arc::new(AtomicU64::new(0));
    let in_thread = ran.clone();
    let (thread, mut registers) = env.prepare(PRIORITY + 1, None, move || {
        in_thread.store(1, Ordering::Relaxed);
    })?;
    // All but those that start the thread.
    for index in 3..=30 {
        *registers.gpr_mut(index) = 0x1000 + index as u64;
    }
    thread.tcb.tcb_write_all_registers(false, &mut registers)?;
    let read = thread.tcb.tcb_read_all_registers(false)?;
    for index in 0..=30 {
        check_eq!(read.gpr(index), registers.gpr(index));
    }
    check_eq!((read.pc(), read.sp()), (registers.pc(), registers.sp()));
    check_eq!(ran.load(Ordering::Relaxed), 0);
    let few = thread.tcb.tcb_read_registers(false, 2)?;
    check_eq!((few.pc(), few.sp()), (registers.pc(), registers.sp()));
    check_eq!(*few.gpr(28), 0);

    thread.tcb.tcb_resume()?;
    thread.join();
    check_eq!(ran.load(Ordering::Relaxed), 1);
    Ok(())
}

/// A thread above ours runs as soon as it can, one below only when we wait.
pub fn priorities(env: &mut Env<'_>) -> Outcome {
    let order = Arc::new(AtomicU64::new(0));
    let append = |order: &AtomicU64, digit| {
        order.store(
            order.load(Ordering::Relaxed) * 10 + digit,
            Ordering::Relaxed,
        )
    };
    let (low, high) = (order.clone(), order.clone());
    let low = env.spawn(PRIORITY - 1, move || append(&low, 3))?;
    let high = env.spawn(PRIORITY + 1, move || append(&high, 1))?;
    append(&order, 2);
    low.join();
    high.join();
    check_eq!(order.load(Ordering::Relaxed), 123);
    Ok(())
}

/// A thread cannot give more than its own maximum.
pub fn priority_above_maximum(env: &mut Env<'_>) -> Outcome {
    let tcb: cap::Tcb = env.new_object()?;
    let errors = Arc::new(AtomicUsize::new(0));
    let in_thread = errors.clone();
    env.spawn(PRIORITY, move || {
        let above = tcb.tcb_set_priority(slot::TCB.cap(), PRIORITY + 1);
        let maximum = tcb.tcb_set_mc_priority(slot::TCB.cap(), PRIORITY + 1);
        let own = tcb.tcb_set_priority(slot::TCB.cap(), PRIORITY);
        let count = usize::from(above == Err(Error::RangeError))
            + usize::from(maximum == Err(Error::RangeError))
            + usize::from(own == Ok(()));
        in_thread.store(count, Ordering::Relaxed);
    })?
    .join();
    // With the authority of the first thread a later kernel lets it; 5.0.0 asks for the caller's own.
    check_eq!(errors.load(Ordering::Relaxed), 3);
    expect_error(
        tcb.tcb_set_priority(slot::TCB.cap(), 256),
        Error::RangeError,
    )
}

/// Floating-point registers belong to the thread, also where they are switched late.
pub fn fp_registers(env: &mut Env<'_>) -> Outcome {
    let good = Arc::new(AtomicUsize::new(0));
    let mut threads = Vec::new();
    for seed in [0x1111_0000_u64, 0x2222_0000, 0x3333_0000] {
        let good = good.clone();
        threads.push(env.spawn(PRIORITY, move || {
            let intact = (0..50)
                .all(|round| machine::fp_registers_survive(seed + 16 * round, sel4::r#yield));
            good.fetch_add(usize::from(intact), Ordering::Relaxed);
        })?);
    }
    threads.iter().for_each(|thread| thread.join());
    check_eq!(good.load(Ordering::Relaxed), 3);
    Ok(())
}

/// Below the first thread's stack lies a page that faults.
pub fn stack_guard(env: &mut Env<'_>) -> Outcome {
    let below = machine::own_stack_bottom() - 8;
    let read = observe(env, move || {
        machine::read_at(below);
    })?;
    check!(matches!(read, Observed::Vm { addr, .. } if addr == below));
    Ok(())
}

/// Threads that allocate at once wait for each other.
pub fn heap_contention(env: &mut Env<'_>) -> Outcome {
    let notification: cap::Notification = env.new_object()?;
    sel4_root_task::set_global_allocator_mutex_notification(notification);
    let good = Arc::new(AtomicUsize::new(0));
    let mut threads = Vec::new();
    for seed in 0..3_usize {
        let good = good.clone();
        threads.push(env.spawn(PRIORITY, move || {
            let mut intact = true;
            for round in 0..200 {
                let value = (seed * 1000 + round) as u8;
                let block: Vec<u8> = core::iter::repeat_n(value, 1 + round * 7).collect();
                sel4::r#yield();
                intact &= block.iter().all(|byte| *byte == value);
            }
            good.fetch_add(usize::from(intact), Ordering::Relaxed);
        })?);
    }
    threads.iter().for_each(|thread| thread.join());
    // The notification ends with this test.
    sel4_root_task::set_global_allocator_mutex_notification(slot::NULL.cap().cast());
    check_eq!(good.load(Ordering::Relaxed), 3);
    Ok(())
}
