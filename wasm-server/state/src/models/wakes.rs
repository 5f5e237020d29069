// SPDX-License-Identifier: BSD-2-Clause
//! A guest that empties its mailbox and waits, and two others that ring.

use std::{sync::Arc, vec::Vec};

use atoll_abi::mailbox::{
    OFFSET_CAPACITY, OFFSET_HEAD, OFFSET_OVERFLOW, OFFSET_RING, OFFSET_TAIL, OFFSET_VERSION,
    VERSION, bytes,
};
use loom::{
    sync::{
        Mutex,
        atomic::{
            AtomicBool, AtomicU32, AtomicUsize,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
    },
    thread,
};

use super::{Notification, check};
use crate::mailbox::{Mail, Mailbox, Memory};

/// What a guest is, as far as its wakes go.
struct Guest {
    mailbox: Mailbox<Mutex<Mail>>,
    memory: Words,
    notification: Notification,
    /// Sleeps, and wakes by ringers: not loom's, so that counting them orders nothing.
    sleeps: Count,
    wakes: Count,
}

/// The memory, of which all is mailbox.
struct Words(Vec<AtomicU32>);

impl Words {
    fn word(&self, address: u32) -> Option<&AtomicU32> {
        self.0.get(address as usize / 4)
    }
}

impl Memory for Words {
    fn is_private(&self, _: u32, _: u32) -> bool {
        true
    }

    fn load(&self, address: u32) -> Option<u32> {
        Some(self.word(address)?.load(Acquire))
    }

    fn store(&self, address: u32, value: u32) -> Option<()> {
        self.word(address)?.store(value, Release);
        Some(())
    }
}

impl Guest {
    fn new(capacity: u32) -> Arc<Self> {
        let words = (0..bytes(capacity) / 4).map(|_| AtomicU32::new(0)).collect();
        let guest = Self {
            mailbox: Mailbox::new(Mutex::default()),
            memory: Words(words),
            notification: Notification::default(),
            sleeps: Count::default(),
            wakes: Count::default(),
        };
        guest.memory.store(OFFSET_VERSION, VERSION);
        guest.memory.store(OFFSET_CAPACITY, capacity);
        guest.mailbox.register(&guest.memory, 0).unwrap();
        Arc::new(guest)
    }

    /// What whoever rings does.
    fn ring(&self, id: u32) {
        if self.mailbox.put(&self.memory, id) {
            self.wakes.add(1);
            self.notification.signal();
        }
    }
}
