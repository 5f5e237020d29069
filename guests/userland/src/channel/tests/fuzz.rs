// SPDX-License-Identifier: BSD-2-Clause
//! A hostile peer: any word of the region changes between any two accesses of the ends. No end panics,
//! reaches beyond the region, hands out bytes that are not the data ring's, or goes on for ever.
//!
//! It takes a second, or as many as `ATOLL_FUZZ_SECONDS` in the environment says. All of a run follows from
//! its number, and those from `ATOLL_FUZZ_SEED`; a run that fails is tried again with
//! `ATOLL_FUZZ_RUN=number`.

use core::cell::RefCell;
use std::{
    boxed::Box,
    env, eprintln,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    rc::Rc,
    string::String,
    time::{Duration, Instant},
    vec::Vec,
};

use atoll_abi::channel::{DRAINS, Geometry, HEADER_BYTES, TERMINATED};

use super::*;
use crate::{channel::WhenFull, sys::steps::watch};

/// Bytes around the region, which nobody is to touch.
const GUARD: u32 = 4096;
/// Of the longest region.
const LONGEST: u32 = 16 << 10;
/// Steps of a run.
const STEPS: usize = 60;

/// SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u32) -> u32 {
        (self.next() % u64::from(bound.max(1))) as u32
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u32) as usize]
    }
}

/// What is between the ends and their memory.
struct Hostile {
    random: Random,
    memory: Memory,
    /// One in so many accesses is preceded by a change; none at 0.
    rate: u32,
    /// Instead: before every access this word counts up.
    focus: Option<u32>,
    /// Accesses since the step began, and the most there may be.
    count: u64,
    most: u64,
    /// What is accessed outside: the slot of who has none, and nothing else.
    outside: Option<usize>,
    /// For who wants to know.
    accesses: u64,
}

impl Hostile {
    fn before(&mut self, address: usize, len: usize) {
        self.accesses += 1;
        self.count += 1;
        assert!(self.count <= self.most, "more than {} accesses", self.most);
        let base = self.memory.place();
        let inside = address
            .checked_sub(base)
            .filter(|offset| offset + len <= self.memory.len() as usize);
        if inside.is_none() {
            let cell = address & !63;
            assert_eq!(
                *self.outside.get_or_insert(cell),
                cell,
                "outside of the region"
            );
            let arena = base - GUARD as usize..base + (LONGEST + GUARD) as usize;
            assert!(!arena.contains(&address), "beside the region");
        }
        if let Some(focus) = self.focus {
            self.memory.word(focus).unwrap().fetch_add(1, SeqCst);
        } else if self.rate != 0 && self.random.below(self.rate) == 0 {
            self.change(inside.unwrap_or(0) as u32);
        }
    }

    /// Changes what is about to be accessed, or a word anywhere.
    fn change(&mut self, offset: u32) {
        let random = &mut self.random;
        let words = self.memory.len() / 4;
        let at = match random.below(8) {
            0..4 => (offset / 4 + random.below(2)).min(words - 1),
            4 => random.below(HEADER_BYTES / 4),
            5 => random.below(words.min(HEADER_BYTES / 4 + 64)),
            _ => random.below(words),
        };
        let other = self
            .memory
            .word(random.below(words) * 4)
            .unwrap()
            .load(SeqCst);
        let word = self.memory.word(at * 4).unwrap();
        let value = word.load(SeqCst);
        let near = random.below(40).wrapping_sub(20);
        let change = match random.below(9) {
            0 => 0,
            1 => u32::MAX,
            2 => value ^ 1 << random.below(32),
            3 => 1 << random.below(32),
            4 | 5 => value.wrapping_add(near),
            6 => other,
            7 => other.wrapping_add(near),
            _ => random.next() as u32,
        };
        word.store(change, SeqCst);
    }
}

/// A run.
struct Run {
    random: Random,
    place: Place,
    hostile: Rc<RefCell<Hostile>>,
    writers: Vec<(u32, Geometry, WriteEnd)>,
    readers: Vec<(u32, Geometry, ReadEnd)>,
    pids: u32,
}

/// What accesses a step may take: twice what each of these may be looked at for.
fn most(geometry: &Geometry, competes: bool) -> u64 {
    let slots = u64::from(geometry.writers + geometry.readers);
    let tries = if competes { 1 << 10 } else { 1 };
    let copied = u64::from(geometry.data);
    tries * (64 + 16 * slots) + 64 * u64::from(geometry.frames) + copied
}

impl Run {
    fn new(number: u64, arena: &Memory) -> Self {
        let mut random = Random(number);
        let config = if random.below(3) == 0 {
            Config::pipe()
        } else {
            Config::new()
        };
        let config = config
            .frames(random.pick(&[1, 2, 4, 16, 64]))
            .data(random.pick(&[64, 128, 512, 4096]))
            .writers(random.pick(&[1, 2, 4]))
            .readers(random.pick(&[1, 2, 4]))
            .credits(random.pick(&[0, 0, 1, 3, u32::MAX]))
            .when_full(random.pick(&[WhenFull::Park, WhenFull::Park, WhenFull::Drop]));
        let config = if random.below(4) == 0 {
            config.taps()
        } else {
            config
        };
        let len = (config.bytes() + random.pick(&[0, 64, 1024])).min(LONGEST);
        let memory = arena.part(GUARD, len).unwrap();
        for offset in (0..len).step_by(4) {
            memory.word(offset).unwrap().store(0, SeqCst);
        }
        let place = Place {
            memory,
            world: Arc::default(),
        };
        place.create(1, &config).unwrap();
        let hostile = Hostile {
            random: Random(random.next()),
            memory,
            rate: random.pick(&[0, 1, 2, 6, 20, 100, 500]),
            focus: match random.below(8) {
                0 => Some(64 + 4 * random.below(2)),
                1 => Some(4 * random.below(len / 4)),
                _ => None,
            },
            count: 0,
            most: 0,
            outside: None,
            accesses: 0,
        };
        Self {
            random,
            place,
            hostile: Rc::new(RefCell::new(hostile)),
            writers: Vec::new(),
            readers: Vec::new(),
            pids: 1,
        }
    }

    fn run(&mut self) {
        let hostile = self.hostile.clone();
        watch(Some(Box::new(move |address, len| {
            hostile.borrow_mut().before(address, len);
        })));
        for _ in 0..4 {
            self.add();
        }
        for _ in 0..STEPS {
            self.step();
        }
        let largest = Geometry {
            frames: 64,
            data: 4096,
            writers: 4,
            readers: 4,
        };
        for (_, geometry, end) in self.writers.drain(..) {
            allow(&self.hostile, &geometry, false);
            drop(end);
        }
        for (_, geometry, end) in self.readers.drain(..) {
            allow(&self.hostile, &geometry, false);
            drop(end);
        }
        allow(&self.hostile, &largest, false);
        watch(None);
    }

    fn step(&mut self) {
        let (writers, readers) = (self.writers.len() as u32, self.readers.len() as u32);
        match self.random.below(24) {
            0 | 1 => self.add(),
            2..12 if writers != 0 => {
                let i = self.random.below(writers) as usize;
                self.write(i);
            }
            12..22 if readers != 0 => {
                let i = self.random.below(readers) as usize;
                self.read(i);
            }
            22 => match self.random.below(40) {
                0 => self.end(DRAINS),
                1 => self.end(TERMINATED),
                2..10 => {
                    let pid = 1 + self.random.below(self.pids);
                    self.place.world.kill(pid);
                }
                _ => {}
            },
            _ => {}
        }
    }

    /// A guest opens the channel, whatever it has become, and takes an end.
    fn add(&mut self) {
        self.pids += 1;
        let pid = self.pids;
        let opened = {
            let header = Geometry {
                frames: 1,
                data: 64,
                writers: 1,
                readers: 1,
            };
            allow(&self.hostile, &header, false);
            find(&self.place.memory, self.place.peer(pid))
        };
        let Ok(link) = opened else { return };
        let link = Arc::new(link);
        let geometry = link.view.geometry;
        allow(&self.hostile, &geometry, false);
        let strength = self.random.pick(&[Strength::Strong, Strength::Weak]);
        match self.random.below(9) {
            0..4 => {
                let end = WriteEnd::new(&link, strength, "writer");
                self.writers.extend(end.map(|end| (pid, geometry, end)));
            }
            4..8 => {
                let end = ReadEnd::new(&link, strength, "a reader with a name that is cut");
                self.readers.extend(end.map(|end| (pid, geometry, end)));
            }
            _ => self
                .readers
                .push((pid, geometry, ReadEnd::without_slot(&link))),
        }
    }

    fn write(&mut self, i: usize) {
        let random = &mut self.random;
        let (_, geometry, end) = &mut self.writers[i];
        allow(&self.hostile, geometry, true);
        let len = match random.below(4) {
            0 => random.below(4),
            1 => random.next() as u32,
            _ => random.below(geometry.data / 2 + 2),
        };
        let copies = random.below(4) != 0;
        match random.below(20) {
            0 => end.arm(),
            1 => end.inspect(),
            2 => end.downgrade(),
            3 => {
                end.dropped();
            }
            4 => {
                drop(self.writers.swap_remove(i));
            }
            5 => core::mem::forget(self.writers.swap_remove(i)),
            _ => {
                let Ok(mut reservation) = end.try_reserve(len) else {
                    return;
                };
                check_slice(
                    &self.place,
                    geometry,
                    reservation.address(),
                    reservation.len(),
                );
                assert_eq!(reservation.len(), len);
                let mut bytes = [0xaa; LONGEST as usize];
                let offset = if copies { 0 } else { random.below(len + 1) };
                let bytes = &mut bytes[..(len - offset) as usize];
                reservation.write(offset, bytes).unwrap();
                assert_eq!(
                    reservation.write(offset + 1, bytes).is_some(),
                    bytes.is_empty() && offset < len
                );
                match random.below(8) {
                    0 => drop(reservation),
                    1 => core::mem::forget(reservation),
                    2 => reservation.commit_first(random.next() as u32),
                    _ => reservation.commit(),
                }
            }
        }
    }

    fn read(&mut self, i: usize) {
        let random = &mut self.random;
        let (_, geometry, end) = &mut self.readers[i];
        allow(&self.hostile, geometry, false);
        match random.below(20) {
            0 => end.arm(),
            1..4 => end.inspect(),
            4 => end.downgrade(),
            5 => {
                end.take_lost();
            }
            6 => {
                drop(self.readers.swap_remove(i));
            }
            7 => core::mem::forget(self.readers.swap_remove(i)),
            _ => {
                let Ok(Some(frame)) = end.try_borrow() else {
                    return;
                };
                check_slice(&self.place, geometry, frame.address(), frame.len());
                let len = frame.len() as usize;
                let mut bytes = [0; LONGEST as usize];
                frame.read(&mut bytes[..len]).unwrap();
                assert!(frame.read(&mut bytes[..=len]).is_none());
                let offset = random.below(len as u32 + 1);
                frame
                    .read_at(offset, &mut bytes[offset as usize..len])
                    .unwrap();
                match random.below(8) {
                    0 => core::mem::forget(frame),
                    1 => drop(frame),
                    _ => drop(frame.release()),
                }
            }
        }
    }

    fn end(&mut self, how: u32) {
        let header = Geometry {
            frames: 1,
            data: 64,
            writers: 1,
            readers: 1,
        };
        allow(&self.hostile, &header, false);
        if let Ok(link) = find(&self.place.memory, self.place.peer(1)) {
            link.end(how);
        }
    }
}

/// A step begins.
fn allow(hostile: &RefCell<Hostile>, geometry: &Geometry, competes: bool) {
    let mut hostile = hostile.borrow_mut();
    hostile.count = 0;
    hostile.most = most(geometry, competes);
}

/// What an end hands out is in the data ring.
fn check_slice(place: &Place, geometry: &Geometry, address: usize, len: u32) {
    let ring = place.memory.place() + geometry.data_at() as usize;
    let end = ring + geometry.data as usize;
    assert!(
        ring <= address && address + len as usize <= end,
        "{len} bytes at {address:#x} are not in {ring:#x} to {end:#x}"
    );
}

/// Runs one; how many accesses it took.
fn run(number: u64, arena: &Memory) -> u64 {
    let mut run = Run::new(number, arena);
    let result = catch_unwind(AssertUnwindSafe(|| run.run()));
    watch(None);
    if let Err(panic) = result {
        eprintln!("run it again with ATOLL_FUZZ_RUN={number}");
        // What is left of it would look at the channel again.
        core::mem::forget(run);
        resume_unwind(panic);
    }
    for offset in (0..GUARD).step_by(4) {
        for guard in [offset, GUARD + LONGEST + offset] {
            assert_eq!(
                arena.word(guard).unwrap().load(SeqCst),
                0x5a5a_5a5a,
                "run {number}"
            );
        }
    }
    run.hostile.borrow().accesses
}

fn number(name: &str) -> Option<u64> {
    let value: String = env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {value}")),
    )
}

#[test]
fn survives_a_hostile_peer() {
    let arena = Memory::leak(LONGEST + 2 * GUARD);
    for offset in (0..GUARD).step_by(4) {
        for guard in [offset, GUARD + LONGEST + offset] {
            arena.word(guard).unwrap().store(0x5a5a_5a5a, SeqCst);
        }
    }
    if let Some(number) = number("ATOLL_FUZZ_RUN") {
        run(number, &arena);
        return;
    }
    let time = Duration::from_secs(number("ATOLL_FUZZ_SECONDS").unwrap_or(1));
    let mut numbers = Random(number("ATOLL_FUZZ_SEED").unwrap_or(1));
    let (start, mut runs, mut accesses) = (Instant::now(), 0_u64, 0);
    while start.elapsed() < time {
        accesses += run(numbers.next(), &arena);
        runs += 1;
    }
    let speed = runs as f64 / start.elapsed().as_secs_f64();
    eprintln!("{runs} runs, {speed:.0} a second; {accesses} accesses");
}
