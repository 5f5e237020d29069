// SPDX-License-Identifier: BSD-2-Clause
//! Notifications and endpoints.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use sel4::{
    CapRights, ImplicitReplyAuthority, MessageInfo, MessageInfoBuilder, NUM_MESSAGE_REGISTERS,
    Word, cap,
};

use crate::{
    env::{Env, PRIORITY, Thread},
    outcome::{Outcome, check, check_eq},
};

/// Badges are collected, taken once, and wake a waiter.
pub fn notification_badges(env: &mut Env<'_>) -> Outcome {
    let notification: cap::Notification = env.new_object()?;
    let (one, four) = (env.mint(notification, 1)?, env.mint(notification, 4)?);
    check_eq!(notification.poll().1, 0);
    one.signal();
    four.signal();
    one.signal();
    check_eq!(notification.wait().1, 5);
    check_eq!(notification.poll().1, 0);
    four.signal();
    check_eq!(notification.poll().1, 4);

    let seen = Arc::new(AtomicU64::new(0));
    let in_thread = seen.clone();
    let thread = env.spawn(PRIORITY + 1, move || {
        in_thread.store(notification.wait().1, Ordering::Relaxed);
    })?;
    check_eq!(seen.load(Ordering::Relaxed), 0);
    four.signal();
    check_eq!(seen.load(Ordering::Relaxed), 4);
    thread.join();
    Ok(())
}

/// Patches 10 and 11: one call signals and waits, with the rights that either takes.
pub fn signal_and_wait(env: &mut Env<'_>) -> Outcome {
    const ROUNDS: u64 = 100;
    let (ours, theirs): (cap::Notification, cap::Notification) =
        (env.new_object()?, env.new_object()?);
    let (to_us, to_them) = (env.mint(ours, 2)?, env.mint(theirs, 4)?);

    // Who finds its own bits set does not sleep; the other's are set.
    to_us.signal();
    check_eq!(ours.wait_after_signal(to_them).1, 2);
    check_eq!((theirs.poll().1, ours.poll().1), (4, 0));
    // Nothing is signalled without the right to.
    let mute = env.copy(theirs, CapRights::read_only())?;
    to_us.signal();
    check_eq!(ours.wait_after_signal(mute).1, 2);
    check_eq!(theirs.poll().1, 0);
    // Nor is anything lost if both are one.
    check_eq!(ours.wait_after_signal(to_us).1, 2);

    // In turns with threads of the same priority, of a higher and of a lower one.
    for priority in [PRIORITY, PRIORITY + 1, PRIORITY - 1] {
        let turns = Arc::new(AtomicU64::new(0));
        let in_thread = turns.clone();
        let thread = env.spawn(priority, move || {
            let mut badge = theirs.wait().1;
            for _ in 1..ROUNDS {
                in_thread.fetch_add(badge, Ordering::Relaxed);
                badge = theirs.wait_after_signal(to_us).1;
            }
            in_thread.fetch_add(badge, Ordering::Relaxed);
            to_us.signal();
        })?;
        for turn in 1..=ROUNDS {
            check_eq!(ours.wait_after_signal(to_them).1, 2);
            check_eq!(turns.load(Ordering::Relaxed), 4 * turn);
        }
        thread.join();
        check_eq!((ours.poll().1, theirs.poll().1), (0, 0));
    }

    // Of two that wait, each signal wakes one; who waits for two signals gets both.
    let woken = Arc::new(AtomicU64::new(0));
    let mut waits = |priority| {
        let in_thread = woken.clone();
        env.spawn(priority, move || {
            let badge = theirs.wait().1;
            in_thread.fetch_add(badge, Ordering::Relaxed);
            to_us.signal();
        })
    };
    let threads = [waits(PRIORITY)?, waits(PRIORITY + 1)?];
    // The one of our priority gets to its wait.
    sel4::r#yield();
    for signals in 1..=2 {
        check_eq!(ours.wait_after_signal(to_them).1, 2);
        check_eq!(woken.load(Ordering::Relaxed), 4 * signals);
    }
    threads.iter().for_each(Thread::join);
    check_eq!((ours.poll().1, theirs.poll().1), (0, 0));
    Ok(())
}

/// Words, label and badge reach the receiver; the reply reaches the caller.
pub fn call_and_reply(env: &mut Env<'_>) -> Outcome {
    let endpoint: cap::Endpoint = env.new_object()?;
    let badged = env.mint(endpoint, 77)?;
    check_eq!(endpoint.nb_recv(()).1, 0);
    endpoint.nb_send(MessageInfo::new(1, 0, 0, 0));

    env.spawn(PRIORITY, move || {
        let (mut info, mut badge) = endpoint.recv(());
        for _ in 0..3 {
            let reply = MessageInfo::new(info.label() + badge, 0, 0, info.length());
            sel4::with_ipc_buffer_mut(|buffer| {
                buffer.msg_regs_mut()[..info.length()]
                    .iter_mut()
                    .for_each(|word| *word += 1);
            });
            (info, badge) = endpoint.reply_recv(reply, ());
        }
    })?;
    for length in [0, 1, 4] {
        let words = [10, 20, 30, 40];
        let reply = badged.call_with_mrs(MessageInfo::new(5, 0, 0, length), &words[..length]);
        check_eq!((reply.info.label(), reply.info.length()), (82, length));
        for (index, word) in words[..length].iter().enumerate() {
            check_eq!(reply.msg[index], word + 1);
        }
    }
    let sum = MessageInfoBuilder::default().label(9).length(2).build();
    endpoint.send_with_mrs(sum, [1, 2]);
    Ok(())
}

/// Messages longer than the registers pass through the buffers.
pub fn long_messages(env: &mut Env<'_>) -> Outcome {
    const LENGTH: usize = NUM_MESSAGE_REGISTERS;
    let endpoint: cap::Endpoint = env.new_object()?;
    env.spawn(PRIORITY, move || {
        endpoint.recv(());
        sel4::with_ipc_buffer_mut(|buffer| {
            buffer.msg_regs_mut().iter_mut().for_each(|word| *word *= 3)
        });
        ImplicitReplyAuthority::<sel4::ImplicitInvocationContext>::default()
            .reply(MessageInfo::new(0, 0, 0, LENGTH));
    })?;
    sel4::with_ipc_buffer_mut(|buffer| {
        for (index, word) in buffer.msg_regs_mut().iter_mut().enumerate() {
            *word = index as Word;
        }
    });
    let reply = endpoint.call(MessageInfo::new(0, 0, 0, LENGTH));
    check_eq!(reply.length(), LENGTH);
    let words = sel4::with_ipc_buffer(|buffer| {
        let words = buffer.msg_regs().iter().enumerate();
        words
            .filter(|(index, word)| **word == 3 * *index as Word)
            .count()
    });
    check_eq!(words, LENGTH);
    Ok(())
}

/// A capability that is sent arrives where the receiver said.
pub fn capability_transfer(env: &mut Env<'_>) -> Outcome {
    let endpoint: cap::Endpoint = env.new_object()?;
    let notification: cap::Notification = env.new_object()?;
    env.spawn(PRIORITY, move || {
        sel4::with_ipc_buffer_mut(|buffer| buffer.caps_or_badges_mut()[0] = notification.bits());
        endpoint.send(MessageInfo::new(3, 0, 1, 0));
    })?;
    let target = env.empty_slot();
    sel4::with_ipc_buffer_mut(|buffer| buffer.set_recv_slot(&target));
    check_eq!(sel4::with_ipc_buffer(|buffer| buffer.recv_slot()), target);
    let (info, _) = endpoint.recv(());
    check_eq!((info.label(), info.extra_caps()), (3, 1));
    env.in_slot::<sel4::cap_type::Notification>(target).signal();
    // An unbadged signal leaves no bits; the copy must be a notification all the same.
    env.copy(
        env.in_slot::<sel4::cap_type::Notification>(target),
        CapRights::all(),
    )?;
    Ok(())
}

/// A caller that is kept is answered later.
pub fn saved_caller(env: &mut Env<'_>) -> Outcome {
    let endpoint: cap::Endpoint = env.new_object()?;
    let seen = Arc::new(AtomicU64::new(0));
    let in_thread = seen.clone();
    let caller = env.spawn(PRIORITY + 1, move || {
        let reply = endpoint.call_with_mrs(MessageInfo::new(0, 0, 0, 1), [5]);
        in_thread.store(reply.msg[0], Ordering::Relaxed);
    })?;
    let received = endpoint.recv_with_mrs(());
    check_eq!(received.msg[0], 5);
    let slot = env.empty_slot();
    slot.save_caller()?;
    check_eq!(endpoint.nb_recv(()).1, 0);
    let reply: cap::Endpoint = env.in_slot(slot);
    reply.send_with_mrs(MessageInfo::new(0, 0, 0, 1), [6]);
    caller.join();
    check_eq!(seen.load(Ordering::Relaxed), 6);
    Ok(())
}

/// A signal reaches a thread that receives from an endpoint, by the bound notification.
pub fn bound_notification(env: &mut Env<'_>) -> Outcome {
    let endpoint: cap::Endpoint = env.new_object()?;
    let notification: cap::Notification = env.new_object()?;
    let badged = env.mint(notification, 0x55)?;
    let seen = Arc::new(AtomicU64::new(0));
    let in_thread = seen.clone();
    let (thread, mut registers) = env.prepare(PRIORITY + 1, None, move || {
        in_thread.store(endpoint.recv(()).1, Ordering::Relaxed);
    })?;
    thread.tcb.tcb_bind_notification(notification)?;
    check!(thread.tcb.tcb_bind_notification(notification).is_err());
    thread.tcb.tcb_write_all_registers(true, &mut registers)?;
    badged.signal();
    thread.join();
    check_eq!(seen.load(Ordering::Relaxed), 0x55);
    thread.tcb.tcb_unbind_notification()?;
    check!(thread.tcb.tcb_unbind_notification().is_err());
    Ok(())
}
