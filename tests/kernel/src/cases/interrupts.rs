// SPDX-License-Identifier: BSD-2-Clause
//! Interrupts.

use sel4::{cap, init_thread::slot};

use crate::{
    env::Env,
    machine::timer,
    outcome::{Outcome, check, check_eq},
};

/// The physical timer interrupts, once for each acknowledgement.
pub fn timer_interrupt(env: &mut Env<'_>) -> Outcome {
    const TICKS: u64 = 10_000;
    let notification: cap::Notification = env.new_object()?;
    let badged = env.mint(notification, 8)?;
    let handler_slot = env.empty_slot();
    slot::IRQ_CONTROL
        .cap()
        .irq_control_get(timer::IRQ, &handler_slot)?;
    let handler: cap::IrqHandler = env.in_slot(handler_slot);
    handler.irq_handler_set_notification(badged)?;
    handler.irq_handler_ack()?;
    for _ in 0..3 {
        let start = timer::now();
        timer::start(TICKS);
        check_eq!(notification.wait().1, 8);
        check!(timer::now() - start >= TICKS);
        timer::stop();
        check_eq!(notification.poll().1, 0);
        handler.irq_handler_ack()?;
    }
    check!(
        slot::IRQ_CONTROL
            .cap()
            .irq_control_get(timer::IRQ, &env.empty_slot())
            .is_err()
    );
    handler.irq_handler_clear()?;
    // It is no child of the arena.
    handler_slot.delete()?;
    Ok(())
}
