// SPDX-License-Identifier: BSD-2-Clause
//! The guest's hand on a queue: what it stores into its rings, whatever that is.

use std::vec::Vec;

use super::machine::Machine;

pub const NEXT: u16 = 1;
pub const WRITE: u16 = 2;

/// A queue in the guest's memory.
#[derive(Clone, Debug)]
pub struct Ring {
    pub queue: u32,
    pub size: u16,
    /// Table, available and used ring.
    pub at: [u32; 3],
    /// The available index.
    pub index: u16,
    /// How far the used ring was read.
    pub seen: u16,
}

impl Ring {
    /// Where queue 0 to 2 are; what is from [`BUFFERS`] on is in none of them.
    pub fn new(queue: u32, size: u16) -> Self {
        let base = 0x3000 * queue;
        Self {
            queue,
            size,
            at: [base, base + 0x1000, base + 0x2000],
            index: 0,
            seen: 0,
        }
    }

    /// Sets it up with empty rings.
    pub fn set_up(&self, machine: &mut Machine) {
        for word in 0..=u32::from(self.size / 2) {
            machine.guest.write32(self.at[1] + 4 * word, 0);
        }
        machine.guest.write32(self.at[2], 0);
        machine
            .queue(self.queue, self.size.into(), self.at)
            .expect("a queue");
    }

    pub fn descriptor(&self, m: &Machine, i: u16, address: u64, len: u32, flags: u16, next: u16) {
        let at = self.at[0] + 16 * u32::from(i);
        m.guest.write(at, &address.to_le_bytes());
        m.guest.write32(at + 8, len);
        m.guest.write16(at + 12, flags);
        m.guest.write16(at + 14, next);
    }

    /// Puts a head into the available ring.
    pub fn offer(&mut self, m: &Machine, head: u16) {
        let at = self.at[1] + 4 + 2 * u32::from(self.index % self.size);
        m.guest.write16(at, head);
        self.set_index(m, self.index.wrapping_add(1));
    }

    pub fn set_index(&mut self, m: &Machine, index: u16) {
        self.index = index;
        m.guest.write16(self.at[1] + 2, index);
    }

    pub fn set_flags(&self, m: &Machine, flags: u16) {
        m.guest.write16(self.at[1], flags);
    }

    pub fn used_index(&self, m: &Machine) -> u16 {
        m.guest.read16(self.at[2] + 2)
    }

    /// What is new in the used ring: heads and lengths.
    pub fn used(&mut self, m: &Machine) -> Vec<(u32, u32)> {
        let mut out = Vec::new();
        while self.seen != self.used_index(m) {
            let at = self.at[2] + 4 + 8 * u32::from(self.seen % self.size);
            out.push((m.guest.read32(at), m.guest.read32(at + 4)));
            self.seen = self.seen.wrapping_add(1);
        }
        out
    }
}

/// Where buffers are.
pub const BUFFERS: u32 = 0x9000;

/// A network device that is driven, with one queue.
pub fn driven(queue: u32, size: u16) -> (Machine, Ring) {
    let mut machine = Machine::new(super::machine::net());
    let ring = Ring::new(queue, size);
    machine.negotiate(1 << 32 | 1 << 5);
    ring.set_up(&mut machine);
    machine.finish();
    (machine, ring)
}
