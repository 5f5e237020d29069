// SPDX-License-Identifier: BSD-2-Clause
//! A driver that does anything at all, while its windows come and go. After each of its steps: what the
//! device was told of is the guest's own memory, with the right to do so; what is in flight is exactly
//! that; the server has done a bounded amount of work, and written to nobody else's memory.

use std::{collections::HashMap, vec, vec::Vec};

use proptest::{collection::vec as many, prelude::*};

use super::{
    fuzz::fuzz,
    machine::{BASE, FRAMES, Machine, Mapping, PAGE, PAGES, net},
    ring::{NEXT, Ring, WRITE},
};
use crate::{
    Error, Fault, MAX_SIZE, Width,
    fake::{Buffer, Chain},
    register::{self as reg, status},
};

const QUEUES: usize = 3;
/// Pages of the guest that are windows, when they are mapped.
const WINDOWS: u32 = 8;
/// Accesses to memory in one call at most: each piece of a real queue comes of one descriptor at least,
/// of some words and not more pages than the guest has; and a chain is walked a second time for want of
/// room.
const MOST: u64 = 2 * MAX_SIZE as u64 * (8 + PAGES as u64) + 2048;

#[derive(Clone, Debug)]
enum Op {
    /// Negotiates, sets up queues with these sizes (log2), and is ready.
    Begin([u32; QUEUES]),
    Write(u32, u32, u32),
    Read(u32, u32),
    /// Somewhere in the memory.
    Poke(u32, u32),
    /// A descriptor of a queue: index, address, length, flags, next.
    Describe(usize, u16, u64, u32, u16, u16),
    Offer(usize, Vec<u16>),
    Index(usize, u16),
    Flags(usize, u16),
    Kick(u32),
    Collect,
    Ack,
    Wait(u32),
    /// The device serves one of the chains that it has, with this much noise.
    Serve(usize, usize, u32),
    /// A window comes, onto a frame, writable if so.
    Map(u32, u64, bool),
    /// A window goes; the device finishes with it in time if so.
    Unmap(u32, bool),
}

fn op() -> impl Strategy<Value = Op> {
    let queue = 0..QUEUES;
    let any_queue = prop_oneof![8 => 0..QUEUES as u32, 1 => 0..10_u32, 1 => any::<u32>()];
    let end = PAGES * PAGE;
    let address = prop_oneof![
        60 => (0..end).prop_map(u64::from),
        1 => (end - 32..end + 32).prop_map(u64::from),
        1 => 0xffff_ff00_u64..0x1_0000_0100,
        1 => BASE..BASE + 0x1_0000,
        1 => any::<u64>(),
    ];
    let len = prop_oneof![
        40 => 1..200_u32,
        20 => 1..20_000_u32,
        1 => 0..2_u32,
        1 => 0x00ff_ffff..=0x0100_0001_u32,
        1 => any::<u32>(),
    ];
    let flags = prop_oneof![
        30 => Just(0), 30 => Just(WRITE), 12 => Just(NEXT), 12 => Just(NEXT | WRITE),
        1 => any::<u16>()
    ];
    let index = prop_oneof![300 => 0..4_u16, 4 => 0..17_u16, 1 => 250..260_u16, 1 => any::<u16>()];
    let register =
        prop_oneof![8 => (0..0x40_u32).prop_map(|i| 4 * i), 1 => 0..0x420_u32, 1 => any::<u32>()];
    let value =
        prop_oneof![4 => 0..20_u32, 2 => (0..PAGES).prop_map(|i| i * PAGE), 1 => any::<u32>()];
    let width = prop_oneof![8 => Just(4), 1 => 0..9_u32];
    let sizes = (0..5_u32, 0..7_u32, 0..9_u32).prop_map(|(a, b, c)| [a, b, c]);
    let window = PAGES - WINDOWS..PAGES;
    prop_oneof![
        4 => sizes.prop_map(Op::Begin),
        2 => (register.clone(), width.clone(), value).prop_map(|(r, w, v)| Op::Write(r, w, v)),
        1 => (register, width).prop_map(|(r, w)| Op::Read(r, w)),
        1 => (0..end, any::<u32>()).prop_map(|(at, value)| Op::Poke(at, value)),
        24 => (queue.clone(), index.clone(), address, len, flags, index.clone())
            .prop_map(|(q, i, a, l, f, n)| Op::Describe(q, i, a, l, f, n)),
        12 => (queue.clone(), many(index, 1..6)).prop_map(|(q, heads)| Op::Offer(q, heads)),
        1 => (queue.clone(), any::<u16>()).prop_map(|(q, index)| Op::Index(q, index)),
        1 => (queue.clone(), any::<u16>()).prop_map(|(q, flags)| Op::Flags(q, flags)),
        12 => any_queue.clone().prop_map(Op::Kick),
        2 => Just(Op::Collect),
        2 => Just(Op::Ack),
        2 => any_queue.prop_map(Op::Wait),
        6 => (queue, 0..8_usize, any::<u32>()).prop_map(|(q, n, noise)| Op::Serve(q, n, noise)),
        4 => (window.clone(), 0..16_u64, any::<bool>()).prop_map(|(p, f, w)| Op::Map(p, f, w)),
        3 => (window, any::<bool>()).prop_map(|(p, serves)| Op::Unmap(p, serves)),
    ]
}

struct Attack {
    m: Machine,
    rings: Vec<Ring>,
    /// Chains that the device has, and those that it has served and the server has not seen yet.
    held: Vec<Vec<Chain>>,
    served: Vec<Vec<Chain>>,
    /// Contents of the frames that are not the guest's now.
    others: HashMap<u64, Vec<u8>>,
}

impl Attack {
    fn new() -> Self {
        let page = |page| {
            (page < PAGES - WINDOWS).then_some(Mapping {
                // Some in a row, some not.
                frame: u64::from(page + page / 3),
                write: true,
                is_window: false,
            })
        };
        let m = Machine::with_pages(net(), (0..PAGES).map(page).collect());
        let others = (0..FRAMES).map(|frame| (frame, m.memory.frame(frame)));
        let mut attack = Self {
            others: others.collect(),
            rings: (0..)
                .map(|queue| Ring::new(queue, 8))
                .take(QUEUES)
                .collect(),
            held: vec![vec![]; QUEUES],
            served: vec![vec![]; QUEUES],
            m,
        };
        for page in 0..PAGES - WINDOWS {
            let frame = attack.m.guest.mapping(page).unwrap().frame;
            attack.others.remove(&frame);
        }
        attack
    }

    /// The guest's address of a byte, if it has it, and may write there if need be.
    fn address(&self, at: u64, write: bool) -> Option<u32> {
        let frame = (at - BASE) / u64::from(PAGE);
        let mut pages = (0..PAGES).map(|page| (page, self.m.guest.mapping(page)));
        let (page, _) = pages.find(|(_, mapping)| {
            mapping.is_some_and(|mapping| mapping.frame == frame && (mapping.write || !write))
        })?;
        Some(page * PAGE + (at % u64::from(PAGE)) as u32)
    }

    /// The device takes all that there is, and all of it is the guest's.
    fn check(&mut self) {
        for queue in 0..QUEUES {
            if self.m.fake.rings(queue).is_none() {
                self.held[queue].clear();
                self.served[queue].clear();
            }
            while let Some(chain) = self.m.fake.take(queue) {
                self.held[queue].push(chain);
            }
        }
        assert_eq!(self.m.fake.complaints(), Vec::<&str>::new());
        let chains = self.held.iter().chain(&self.served).flatten();
        let mut flies = vec![];
        for &Buffer { at, len, write } in chains.flat_map(|chain| &chain.buffers) {
            let mut done = 0;
            while done < len {
                let at = at + u64::from(done);
                let address = self.address(at, write).expect("a page of the guest's");
                let here = (len - done).min(PAGE - address % PAGE);
                flies.push((address, address + here));
                done += here;
            }
        }
        // What is in flight: each page, and each edge of something that is.
        let touched = |from, to| flies.iter().any(|&(start, end)| start < to && from < end);
        for page in 0..PAGES {
            let start = page * PAGE;
            let expected = touched(start, start + PAGE);
            assert_eq!(self.m.device.in_flight(start, PAGE), expected, "{page}");
        }
        for &(start, end) in flies.iter().take(8) {
            for at in [start.saturating_sub(1), start, end - 1, end] {
                assert_eq!(self.m.device.in_flight(at, 1), touched(at, at + 1), "{at}");
            }
        }
    }

    /// The server has seen what a queue has used, or all have.
    fn saw(&mut self, result: Result<(), Error>, queue: Option<u32>) {
        match (result, queue) {
            (Ok(()), Some(queue)) => self.served[queue as usize].clear(),
            (Ok(()), None) => self.served.iter_mut().for_each(Vec::clear),
            (Err(Error::Broken(fault)), _) => {
                assert!(matches!(fault, Fault::Driver { .. }), "{fault}");
                self.assert_broken();
            }
            (Err(Error::NotReady | Error::NeedsReset), _) => {}
            (Err(error), _) => panic!("{error}"),
        }
    }

    fn assert_broken(&mut self) {
        let now = self.m.read(reg::STATUS).unwrap();
        assert!(now & status::DEVICE_NEEDS_RESET != 0);
        assert_eq!(self.m.fake.status(), 0);
    }

    fn begin(&mut self, sizes: [u32; QUEUES]) {
        self.m.negotiate(1 << 32);
        // The device was reset.
        self.held.iter_mut().for_each(Vec::clear);
        self.served.iter_mut().for_each(Vec::clear);
        for (ring, bits) in self.rings.iter_mut().zip(sizes) {
            (ring.size, ring.index, ring.seen) = (1 << bits, 0, 0);
            // Something good to begin with.
            for i in 0..ring.size {
                let address = 0x9000 + 0x180 * u64::from(i);
                ring.descriptor(&self.m, i, address, 0x200, WRITE * (i & 1), 0);
            }
            ring.set_up(&mut self.m);
        }
        self.m.finish();
    }

    fn write(&mut self, register: u32, width: u32, value: u32) {
        let Some(width) = Width::new(width) else {
            return;
        };
        let result = self.m.write_as(register, width, value);
        if let Err(Error::Broken(fault)) = result {
            assert!(matches!(fault, Fault::Driver { .. }), "{fault}");
            self.assert_broken();
        } else if register == reg::QUEUE_NOTIFY && result.is_ok() {
            self.saw(Ok(()), Some(value));
        }
    }

    fn serve(&mut self, queue: usize, which: usize, noise: u32) {
        if self.held[queue].is_empty() {
            return;
        }
        let which = which % self.held[queue].len();
        let chain = self.held[queue].remove(which);
        self.m.fake.receive(&chain);
        let writable = chain.buffers.iter().filter(|buffer| buffer.write);
        let len = writable.map(|buffer| buffer.len).sum::<u32>().min(noise);
        let mut byte = noise;
        let bytes = (0..len).map(|_| {
            byte = byte.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (byte >> 24) as u8
        });
        self.m.fake.answer(&chain, &bytes.collect::<Vec<u8>>());
        self.m.fake.put(queue, chain.id.into(), len);
        self.served[queue].push(chain);
    }

    fn map(&mut self, page: u32, frame: u64, write: bool) {
        let frame = 24 + frame;
        let is_free = self.others.contains_key(&frame);
        if is_free && self.m.guest.mapping(page).is_none() {
            self.assert_untouched(frame);
            self.others.remove(&frame);
            self.m.guest.pages.borrow_mut()[page as usize] = Some(Mapping {
                frame,
                write,
                is_window: true,
            });
        }
    }

    /// As the server does it: nothing names the page any more, then the device is done with it.
    fn unmap(&mut self, page: u32, serves: bool) {
        let mapping = self.m.guest.pages.borrow_mut()[page as usize].take();
        let Some(mapping) = mapping else { return };
        let start = page * PAGE;
        if serves && self.m.device.in_flight(start, PAGE) {
            for queue in 0..QUEUES {
                // It is the guest's until then.
                while let Some(chain) = self.held[queue].pop() {
                    self.m.fake.put(queue, chain.id.into(), 0);
                    self.served[queue].push(chain);
                }
            }
            let result = self.m.collect();
            self.saw(result, None);
        }
        if self.m.device.in_flight(start, PAGE) {
            self.m.device.break_off(&self.m.fake, Fault::Withdrawn);
            self.assert_broken();
        }
        assert!(!self.m.device.in_flight(start, PAGE));
        let contents = self.m.memory.frame(mapping.frame);
        self.others.insert(mapping.frame, contents);
    }

    fn assert_untouched(&self, frame: u64) {
        assert!(self.m.memory.frame(frame) == self.others[&frame], "{frame}");
    }

    fn step(&mut self, op: Op) {
        self.m.memory.dma.borrow_mut().clear();
        let before = self.m.memory.accesses.get();
        let registers = self.m.accesses_of_registers.get();
        match op {
            Op::Begin(sizes) => self.begin(sizes),
            Op::Write(register, width, value) => self.write(register, width, value),
            Op::Read(register, width) => {
                if let Some(width) = Width::new(width) {
                    let _ = self.m.read_as(register, width);
                }
            }
            Op::Poke(at, value) => self.m.guest.write32(at, value),
            Op::Describe(queue, index, address, len, flags, next) => {
                let ring = &self.rings[queue];
                ring.descriptor(&self.m, index, address, len, flags, next);
            }
            Op::Offer(queue, heads) => {
                for head in heads {
                    self.rings[queue].offer(&self.m, head);
                }
            }
            Op::Index(queue, index) => self.rings[queue].set_index(&self.m, index),
            Op::Flags(queue, flags) => self.rings[queue].set_flags(&self.m, flags),
            Op::Kick(queue) => {
                let result = self.m.kick(queue);
                if result == Err(Error::NeedsReset) {
                    // It tries something else.
                    self.begin([3, 4, 6]);
                }
                self.saw(result, Some(queue));
            }
            Op::Collect => {
                let result = self.m.collect();
                self.saw_all(result);
            }
            Op::Ack => {
                let result = self.m.ack();
                self.saw_all(result.map(|_| ()));
            }
            Op::Wait(queue) => {
                let result = self.m.wait(queue);
                self.saw(result.map(|_| ()), Some(queue));
            }
            Op::Serve(queue, which, noise) => self.serve(queue, which, noise),
            Op::Map(page, frame, write) => self.map(page, frame, write),
            Op::Unmap(page, serves) => self.unmap(page, serves),
        }
        let work = self.m.memory.accesses.get() - before;
        assert!(work <= QUEUES as u64 * MOST, "{work} accesses");
        let registers = self.m.accesses_of_registers.get() - registers;
        assert!(registers < 150, "{registers} accesses to registers");
        self.check();
    }

    /// All queues were looked at, if the device is driven at all.
    fn saw_all(&mut self, result: Result<(), Error>) {
        const DEAD: u32 = status::DEVICE_NEEDS_RESET | status::FAILED;
        let now = self.m.device.status();
        if result.is_err() || now & (DEAD | status::DRIVER_OK) == status::DRIVER_OK {
            self.saw(result, None);
        }
    }
}

#[test]
fn only_the_guests_own_memory() {
    fuzz(many(op(), 1..150), |ops| {
        let mut attack = Attack::new();
        attack.step(Op::Begin([3, 4, 4]));
        ops.into_iter().for_each(|op| attack.step(op));
        let queues: Vec<u64> = attack.m.taken.borrow().clone();
        for frame in (0..FRAMES).filter(|frame| !queues.contains(frame)) {
            if attack.others.contains_key(&frame) {
                attack.assert_untouched(frame);
            }
        }
    });
}
