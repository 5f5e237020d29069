// SPDX-License-Identifier: BSD-2-Clause
//! A device that says anything at all, under a driver that keeps the rules. After each step: the guest's
//! used rings hold only what it had made available and not got back, with lengths that fit; nothing else of
//! its memory was written by the server; and the server has not asked the device for ever.

use std::{boxed::Box, vec, vec::Vec};

use proptest::{collection::vec as many, prelude::*};

use super::{
    fuzz::fuzz,
    machine::{BASE, Machine, PAGE, PAGES, net},
    ring::{BUFFERS, NEXT, Ring, WRITE},
};
use crate::{
    Error, Fault,
    register::{self as reg, status},
};

const QUEUES: usize = 2;
/// Accesses to registers in one call at most: the polls of a reset, and those around them.
const MOST: u64 = 10_100;

#[derive(Clone, Debug)]
enum Op {
    /// The driver: so many chains of so many descriptors, and a kick.
    Send(usize, usize, u32),
    Collect,
    Ack,
    Wait(usize),
    Status,
    Begin,
    /// The device: serves what it has, truly.
    Serve(usize, u32),
    /// Puts an entry of its own invention.
    Put(usize, u32, u32),
    SetUsed(usize, u16),
    SetStatus(u32),
    Interrupt(u32),
    /// Overwrites part of the queue's pages: which, where.
    Scribble(usize, bool, u32, u64),
    /// Registers at one offset, or all, read as this, or are true again.
    Lie(Option<(Option<u32>, u32)>),
    Stick(bool),
}

fn op() -> impl Strategy<Value = Op> {
    let queue = 0..QUEUES;
    let len = prop_oneof![4 => 0..0x100_u32, 1 => any::<u32>()];
    let id = prop_oneof![4 => 0..16_u32, 1 => 16..300_u32, 1 => any::<u32>()];
    let used = prop_oneof![4 => 0..8_u16, 1 => any::<u16>()];
    let bits = prop_oneof![4 => 0..0x90_u32, 1 => any::<u32>()];
    let register = prop_oneof![
        1 => Just(None),
        8 => (0..0x40_u32).prop_map(|i| Some(4 * i)),
        4 => Just(Some(reg::STATUS)),
    ];
    let lie = (register, bits.clone());
    prop_oneof![
        12 => (queue.clone(), 1..4_usize, 1..4_u32).prop_map(|(q, n, d)| Op::Send(q, n, d)),
        6 => Just(Op::Collect),
        6 => Just(Op::Ack),
        4 => queue.clone().prop_map(Op::Wait),
        2 => Just(Op::Status),
        6 => Just(Op::Begin),
        20 => (queue.clone(), len.clone()).prop_map(|(q, len)| Op::Serve(q, len)),
        2 => (queue.clone(), id, len).prop_map(|(q, id, len)| Op::Put(q, id, len)),
        1 => (queue.clone(), used).prop_map(|(q, index)| Op::SetUsed(q, index)),
        1 => bits.clone().prop_map(Op::SetStatus),
        3 => bits.prop_map(Op::Interrupt),
        2 => (queue, any::<bool>(), 0..PAGE / 8, any::<u64>())
            .prop_map(|(q, rings, at, value)| Op::Scribble(q, rings, at, value)),
        2 => prop_oneof![2 => Just(None), 1 => lie.prop_map(Some)].prop_map(Op::Lie),
        1 => prop_oneof![3 => Just(false), 1 => Just(true)].prop_map(Op::Stick),
    ]
}

/// A chain that the driver waits for.
#[derive(Clone, Debug)]
struct Request {
    /// The first is the head.
    descriptors: Vec<u16>,
    room: u32,
}

struct Victim {
    m: Machine,
    rings: Vec<Ring>,
    free: Vec<Vec<u16>>,
    waiting: Vec<Vec<Request>>,
    /// The guest's memory as it should be, but for its used rings.
    expected: Vec<u8>,
}

impl Victim {
    fn new() -> Self {
        let mut victim = Self {
            m: Machine::new(net()),
            rings: vec![Ring::new(0, 16), Ring::new(1, 8)],
            free: vec![vec![]; QUEUES],
            waiting: vec![vec![]; QUEUES],
            expected: vec![],
        };
        victim.begin();
        victim
    }

    /// Begins again, as far as the device lets it.
    fn begin(&mut self) {
        if self.m.write(reg::STATUS, 0).is_err() {
            return;
        }
        for (queue, ring) in self.rings.iter_mut().enumerate() {
            (ring.index, ring.seen) = (0, 0);
            self.free[queue] = (0..ring.size).collect();
            self.waiting[queue].clear();
            self.m.guest.write(ring.at[2], &[0; 4]);
            self.m.guest.write(ring.at[1], &[0; 4]);
        }
        for value in [1, 3] {
            let _ = self.m.write(reg::STATUS, value);
        }
        let _ = self.m.write(reg::DRIVER_FEATURES_SEL, 1);
        let _ = self.m.write(reg::DRIVER_FEATURES, 1);
        let _ = self.m.write(reg::STATUS, 11);
        for ring in &self.rings {
            let _ = self.m.queue(ring.queue, ring.size.into(), ring.at);
        }
        let _ = self.m.write(reg::STATUS, 15);
        self.expected = self.m.guest.read(0, PAGES * PAGE);
    }

    fn send(&mut self, queue: usize, chains: usize, descriptors: u32) {
        for _ in 0..chains {
            if self.free[queue].len() < descriptors as usize {
                break;
            }
            let at = self.free[queue].len() - descriptors as usize;
            let indexes = self.free[queue].split_off(at);
            let ring = &mut self.rings[queue];
            let mut room = 0;
            for (i, &index) in indexes.iter().enumerate() {
                let next = indexes.get(i + 1).copied();
                // The first is for the device to read.
                let write = if i == 0 { 0 } else { WRITE };
                let flags = write | next.map_or(0, |_| NEXT);
                room += if i == 0 { 0 } else { 0x40 };
                let address = BUFFERS + 0x1000 * queue as u32 + 0x40 * u32::from(index);
                let next = next.unwrap_or(0);
                ring.descriptor(&self.m, index, address.into(), 0x40, flags, next);
            }
            ring.offer(&self.m, indexes[0]);
            self.waiting[queue].push(Request {
                descriptors: indexes,
                room,
            });
        }
        self.expected = self.m.guest.read(0, PAGES * PAGE);
    }

    /// What the guest finds, whatever the device said.
    fn look(&mut self) {
        for queue in 0..QUEUES {
            for (head, len) in self.rings[queue].used(&self.m) {
                let waiting = &mut self.waiting[queue];
                let mut which = waiting.iter();
                let at = which.position(|request| u32::from(request.descriptors[0]) == head);
                let request = waiting.remove(at.expect("something that was made available"));
                assert!(len <= request.room, "{len} of {request:?}");
                self.free[queue].extend(request.descriptors);
            }
        }
        let now = self.m.guest.read(0, PAGES * PAGE);
        for ring in &self.rings {
            let start = ring.at[2] as usize;
            let used = start..start + 4 + 8 * usize::from(ring.size);
            self.expected[used.clone()].copy_from_slice(&now[used]);
        }
        assert!(now == self.expected, "memory that is not a used ring's");
    }

    /// What the driver was answered.
    fn answered(&mut self, result: Result<(), Error>) {
        match result {
            Ok(()) | Err(Error::NeedsReset | Error::NotReady) => {}
            Err(Error::Broken(Fault::Device(_))) => {
                assert!(self.m.device.status() & status::DEVICE_NEEDS_RESET != 0);
                assert_eq!(self.m.kick(0), Err(Error::NeedsReset));
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn scribble(&mut self, queue: usize, rings: bool, at: u32, value: u64) {
        if let Some([table, available, _]) = self.m.fake.rings(queue) {
            let page = if rings { available } else { table };
            assert!(page >= BASE);
            let at = page + 8 * u64::from(at);
            self.m.memory.store(at, &value.to_le_bytes());
        }
    }

    fn step(&mut self, op: Op) {
        let before = self.m.accesses_of_registers.get();
        match op {
            Op::Send(queue, chains, descriptors) => {
                self.send(queue, chains, descriptors);
                let result = self.m.kick(queue as u32);
                self.answered(result);
            }
            Op::Collect => {
                let result = self.m.collect();
                self.answered(result);
            }
            Op::Ack => {
                let result = self.m.ack();
                self.answered(result.map(|_| ()));
            }
            Op::Wait(queue) => {
                let result = self.m.wait(queue as u32);
                self.answered(result.map(|_| ()));
            }
            Op::Status => {
                self.m.read(reg::STATUS).unwrap();
            }
            Op::Begin => self.begin(),
            Op::Serve(queue, len) => {
                while let Some(chain) = self.m.fake.take(queue) {
                    let writable = chain.buffers.iter().filter(|buffer| buffer.write);
                    let room: u32 = writable.map(|buffer| buffer.len.min(0x40)).sum();
                    self.m.fake.put(queue, chain.id.into(), len.min(room));
                }
            }
            Op::Put(queue, id, len) => {
                self.m.fake.put(queue, id, len);
            }
            Op::SetUsed(queue, index) => self.m.fake.set_used(queue, index),
            Op::SetStatus(status) => self.m.fake.set_status(status),
            Op::Interrupt(reasons) => self.m.fake.set_interrupt(reasons),
            Op::Scribble(queue, rings, at, value) => self.scribble(queue, rings, at, value),
            Op::Lie(None) => self.m.fake.set_lie(None),
            Op::Lie(Some((at, reads))) => {
                self.m.fake.set_lie(Some(Box::new(move |offset, value| {
                    if at.is_none_or(|at| at == offset) {
                        reads
                    } else {
                        value
                    }
                })))
            }
            Op::Stick(is_stuck) => self.m.fake.set_stuck(is_stuck),
        }
        let registers = self.m.accesses_of_registers.get() - before;
        assert!(registers <= 5 * MOST, "{registers} accesses to registers");
        self.look();
    }
}

#[test]
fn the_guest_is_told_nothing_false() {
    fuzz(many(op(), 1..150), |ops| {
        let mut victim = Victim::new();
        ops.into_iter().for_each(|op| victim.step(op));
    });
}
