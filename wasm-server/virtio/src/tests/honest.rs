// SPDX-License-Identifier: BSD-2-Clause
//! Any driver and any device that keep the rules, beside a model: what the driver makes available, the
//! device gets in that order, byte for byte; what it answers arrives; nothing is lost on the way.

use std::{collections::VecDeque, vec, vec::Vec};

use proptest::{collection::vec as many, prelude::*};

use super::{
    fuzz::fuzz,
    machine::{FIRST_OF_QUEUES, Machine, Mapping, PAGE, PAGES, net},
    ring::{BUFFERS, NEXT, Ring, WRITE},
};
use crate::{
    fake::Chain,
    register::{self as reg, interrupt},
};

const QUEUES: usize = 3;

#[derive(Clone, Debug)]
enum Op {
    /// A chain of buffers: place, length, whether the device writes.
    Offer(usize, Vec<(u32, u32, bool)>),
    Kick(usize),
    /// The device serves so many, from behind if so.
    Serve(usize, usize, bool),
    Collect,
    Ack,
    Wait(usize),
    /// Whether the device wants notifications.
    Want(usize, bool),
    /// Whether the driver wants interrupts.
    Quiet(usize, bool),
}

fn op() -> impl Strategy<Value = Op> {
    let queue = 0..QUEUES;
    let len = prop_oneof![1..64_u32, 1..9000_u32];
    let buffer = (BUFFERS..PAGES * PAGE, len, any::<bool>());
    prop_oneof![
        6 => (queue.clone(), many(buffer, 1..6)).prop_map(|(q, buffers)| Op::Offer(q, buffers)),
        3 => queue.clone().prop_map(Op::Kick),
        3 => (queue.clone(), 0..8_usize, any::<bool>()).prop_map(|(q, n, b)| Op::Serve(q, n, b)),
        1 => Just(Op::Collect),
        2 => Just(Op::Ack),
        1 => queue.clone().prop_map(Op::Wait),
        1 => (queue.clone(), any::<bool>()).prop_map(|(q, wants)| Op::Want(q, wants)),
        1 => (queue, any::<bool>()).prop_map(|(q, quiet)| Op::Quiet(q, quiet)),
    ]
}

/// What a chain is to the driver.
#[derive(Clone, Debug)]
struct Request {
    head: u16,
    descriptors: Vec<u16>,
    buffers: Vec<(u32, u32, bool)>,
    question: Vec<u8>,
}

/// One queue, as the driver and the device know it.
struct Side {
    ring: Ring,
    free: Vec<u16>,
    /// Made available, and not taken by the device.
    offered: VecDeque<Request>,
    taken: Vec<(Request, Chain)>,
    /// Answered, and not seen by the driver.
    answered: VecDeque<(Request, Vec<u8>)>,
    /// The device looks at the ring.
    is_awake: bool,
    wants: bool,
    /// The driver's wish, and the one that the server knows.
    quiet: bool,
    known_quiet: bool,
}

struct Model {
    m: Machine,
    sides: Vec<Side>,
    /// Bytes of the guest's memory that are in a request.
    taken: Vec<bool>,
    requests: u8,
}

impl Model {
    fn new(frames: &[u64], sizes: [u16; QUEUES]) -> Self {
        let page = |frame: &u64| {
            Some(Mapping {
                frame: *frame,
                write: true,
                is_window: false,
            })
        };
        let mut m = Machine::with_pages(net(), frames.iter().map(page).collect());
        m.negotiate(1 << 32);
        let sides = (0..).zip(sizes).map(|(queue, size)| {
            let ring = Ring::new(queue, size);
            ring.set_up(&mut m);
            Side {
                ring,
                free: (0..size).collect(),
                offered: VecDeque::new(),
                taken: vec![],
                answered: VecDeque::new(),
                is_awake: false,
                wants: true,
                quiet: false,
                known_quiet: false,
            }
        });
        let sides = sides.collect();
        m.finish();
        Self {
            m,
            sides,
            taken: vec![false; (PAGES * PAGE) as usize],
            requests: 0,
        }
    }

    fn offer(&mut self, queue: usize, wishes: &[(u32, u32, bool)]) {
        let side = &mut self.sides[queue];
        let mut buffers = vec![];
        for &(address, len, write) in wishes {
            let end = (address + len).min(PAGES * PAGE);
            let range = address as usize..end as usize;
            // No two requests at one place: what arrives could not be told.
            if self.taken[range.clone()].contains(&true) || buffers.len() == side.free.len() {
                break;
            }
            self.taken[range].fill(true);
            buffers.push((address, end - address, write));
        }
        if buffers.is_empty() {
            return;
        }
        buffers.sort_by_key(|&(_, _, write)| write);
        self.requests = self.requests.wrapping_add(1);
        let mut question = vec![];
        for &(address, len, write) in &buffers {
            let byte = |i| if write { 0xee } else { self.requests ^ i as u8 };
            let bytes: Vec<u8> = (0..len).map(byte).collect();
            self.m.guest.write(address, &bytes);
            if !write {
                question.extend(bytes);
            }
        }
        let descriptors = side.free.split_off(side.free.len() - buffers.len());
        for (i, (&index, &(address, len, write))) in descriptors.iter().zip(&buffers).enumerate() {
            let next = descriptors.get(i + 1);
            let flags = next.map_or(0, |_| NEXT) | if write { WRITE } else { 0 };
            let next = next.copied().unwrap_or(0xffff);
            let ring = &side.ring;
            ring.descriptor(&self.m, index, address.into(), len, flags, next);
        }
        let head = descriptors[0];
        side.ring.offer(&self.m, head);
        side.offered.push_back(Request {
            head,
            descriptors,
            buffers,
            question,
        });
    }

    /// The device takes all that is available.
    fn take(&mut self, queue: usize) {
        let side = &mut self.sides[queue];
        side.is_awake |= self.m.fake.notified(queue) != 0;
        if !side.is_awake && side.wants {
            return;
        }
        while let Some(chain) = self.m.fake.take(queue) {
            let request = side.offered.pop_front().expect("what was offered");
            let each = |at: u64, len: u32, write| (0..u64::from(len)).map(move |i| (at + i, write));
            let seen = chain
                .buffers
                .iter()
                .flat_map(|b| each(b.at, b.len, b.write));
            let meant = request.buffers.iter().flat_map(|&(address, len, write)| {
                let guest = &self.m.guest;
                (address..address + len).map(move |at| (guest.physical(at).unwrap(), write))
            });
            assert!(seen.eq(meant), "{request:?} became {chain:?}");
            side.taken.push((request, chain));
        }
        side.is_awake = false;
    }

    fn serve(&mut self, queue: usize, count: usize, from_behind: bool) {
        self.take(queue);
        for _ in 0..count {
            let side = &mut self.sides[queue];
            if side.taken.is_empty() {
                break;
            }
            let at = if from_behind { side.taken.len() - 1 } else { 0 };
            let (request, chain) = side.taken.remove(at);
            assert_eq!(self.m.fake.receive(&chain), request.question);
            let writable = request.buffers.iter().filter(|b| b.2).map(|b| b.1);
            let room = writable.sum::<u32>() as usize;
            let len = room.saturating_sub(count);
            let answer: Vec<u8> = (0..len).map(|i| i as u8 ^ request.head as u8).collect();
            self.m.fake.answer(&chain, &answer);
            let interrupts = self.m.fake.put(queue, chain.id.into(), len as u32);
            assert_eq!(interrupts, !side.known_quiet);
            side.answered.push_back((request, answer));
        }
    }

    /// The server has looked at a queue, and the driver looks at it now.
    fn look(&mut self, queue: usize, waits: bool) {
        let side = &mut self.sides[queue];
        side.known_quiet = side.quiet && !waits;
        for (head, len) in side.ring.used(&self.m) {
            let (request, answer) = side.answered.pop_front().expect("an answer");
            assert_eq!((head, len as usize), (request.head.into(), answer.len()));
            let mut left = &answer[..];
            for &(address, len, write) in &request.buffers {
                self.taken[address as usize..(address + len) as usize].fill(false);
                if !write {
                    continue;
                }
                let here = left.len().min(len as usize);
                let bytes = self.m.guest.read(address, len);
                assert_eq!(bytes[..here], left[..here]);
                assert!(bytes[here..].iter().all(|&byte| byte == 0xee));
                left = &left[here..];
            }
            side.free.extend(request.descriptors);
        }
        assert!(side.answered.is_empty(), "answers that did not arrive");
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Offer(queue, wishes) => self.offer(queue, &wishes),
            Op::Kick(queue) => {
                self.m.kick(queue as u32).unwrap();
                self.look(queue, false);
            }
            Op::Serve(queue, count, from_behind) => self.serve(queue, count, from_behind),
            Op::Collect => {
                self.m.collect().unwrap();
                (0..QUEUES).for_each(|queue| self.look(queue, false));
            }
            Op::Ack => {
                let wanted = self.m.fake.interrupt();
                assert_eq!(self.m.ack(), Ok(wanted));
                assert!(wanted & !interrupt::USED == 0 && self.m.fake.interrupt() == 0);
                (0..QUEUES).for_each(|queue| self.look(queue, false));
            }
            Op::Wait(queue) => {
                self.m.wait(queue as u32).unwrap();
                self.look(queue, true);
            }
            Op::Want(queue, wants) => {
                self.m.fake.want_notifications(queue, wants);
                // It looks once more whenever it changes its mind.
                self.sides[queue].wants = wants;
                self.sides[queue].is_awake = true;
            }
            Op::Quiet(queue, quiet) => {
                self.sides[queue].ring.set_flags(&self.m, quiet.into());
                self.sides[queue].quiet = quiet;
            }
        }
    }

    /// Everything that was offered gets its answer.
    fn finish(&mut self) {
        (0..QUEUES).for_each(|queue| self.step(Op::Kick(queue)));
        let left = |model: &Self| -> usize {
            let of = |side: &Side| side.offered.len() + side.taken.len();
            model.sides.iter().map(of).sum()
        };
        while left(self) > 0 {
            let before = left(self);
            (0..QUEUES).for_each(|queue| self.serve(queue, usize::MAX, false));
            // The interrupt alone has what waited for room go on.
            self.step(Op::Ack);
            assert!(left(self) < before, "nobody was told of {before}");
        }
        assert!(!self.taken.contains(&true));
        assert!(!self.m.device.in_flight(0, u32::MAX));
        assert_eq!(self.m.fake.complaints(), Vec::<&str>::new());
        assert_eq!(self.m.read(reg::STATUS), Ok(15));
        // Frames of nobody, before and between those of the queues.
        let untouched = |frame| self.m.memory.frame(frame).iter().all(|&byte| byte == 0x5a);
        let others = (FIRST_OF_QUEUES - 10..FIRST_OF_QUEUES).chain([61, 63, 65, 67, 69]);
        assert!(others.into_iter().all(untouched));
    }
}

/// Which frames the guest's pages have: anything from all in a row to none beside another.
fn frames() -> impl Strategy<Value = Vec<u64>> {
    let all: Vec<u64> = (0..FIRST_OF_QUEUES - 10).collect();
    prop_oneof![
        Just(all.clone()).prop_shuffle(),
        Just(all.clone()),
        Just(all.into_iter().rev().collect::<Vec<u64>>())
    ]
    .prop_map(|mut frames| {
        frames.truncate(PAGES as usize);
        frames
    })
}

#[test]
fn everything_arrives() {
    let size = |most: u32| (0..=most).prop_map(|bits| 1_u16 << bits);
    let sizes = (size(4), size(6), size(8));
    fuzz(
        (frames(), sizes, many(op(), 1..120)),
        |(frames, (a, b, c), ops)| {
            let mut model = Model::new(&frames, [a, b, c]);
            ops.into_iter().for_each(|op| model.step(op));
            model.finish();
        },
    );
}
