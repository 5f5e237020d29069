// SPDX-License-Identifier: BSD-2-Clause
//! Random scripts, against the reference: what each operation answers, what is in each frame, and that
//! whoever said that it is about to sleep is rung.

use core::mem::ManuallyDrop;
use std::{vec, vec::Vec};

use atoll_abi::channel::VOID;
use proptest::prelude::*;

use super::{
    reference::{At, Next, Reference},
    *,
};
use crate::channel::{WhenFull, layout::pair, reader::Found, reservation::Room};

/// One step. Who does it is the number of an end, modulo how many there are.
#[derive(Clone, Debug)]
enum Step {
    Writer {
        strong: bool,
    },
    Reader {
        strong: bool,
    },
    /// Makes room, and remembers it.
    Reserve {
        writer: usize,
        len: u32,
    },
    /// Commits so many bytes of it.
    Commit {
        writer: usize,
        len: u32,
    },
    GiveUp {
        writer: usize,
    },
    Send {
        writer: usize,
        len: u32,
    },
    /// Finds the next frame, and remembers it.
    Borrow {
        reader: usize,
    },
    Release {
        reader: usize,
    },
    Take {
        reader: usize,
    },
    /// Is about to sleep for room, or for a frame.
    WriterArms {
        writer: usize,
        len: u32,
    },
    ReaderArms {
        reader: usize,
    },
    WriterLeaves {
        writer: usize,
    },
    ReaderLeaves {
        reader: usize,
    },
    WriterDies {
        writer: usize,
    },
    ReaderDies {
        reader: usize,
    },
    WriterInspects {
        writer: usize,
    },
    ReaderInspects {
        reader: usize,
    },
    WriterDowngrades {
        writer: usize,
    },
    ReaderDowngrades {
        reader: usize,
    },
    Drain,
    Terminate,
}

const LONGEST: u32 = 80;

fn step() -> impl Strategy<Value = Step> {
    let writer = || 0..4_usize;
    let reader = writer;
    let len = || prop_oneof![Just(0), 1..20_u32, 0..LONGEST];
    prop_oneof![
        3 => any::<bool>().prop_map(|strong| Step::Writer { strong }),
        3 => any::<bool>().prop_map(|strong| Step::Reader { strong }),
        8 => (writer(), len()).prop_map(|(writer, len)| Step::Reserve { writer, len }),
        8 => (writer(), len()).prop_map(|(writer, len)| Step::Commit { writer, len }),
        2 => writer().prop_map(|writer| Step::GiveUp { writer }),
        16 => (writer(), len()).prop_map(|(writer, len)| Step::Send { writer, len }),
        6 => reader().prop_map(|reader| Step::Borrow { reader }),
        6 => reader().prop_map(|reader| Step::Release { reader }),
        24 => reader().prop_map(|reader| Step::Take { reader }),
        3 => (writer(), len()).prop_map(|(writer, len)| Step::WriterArms { writer, len }),
        3 => reader().prop_map(|reader| Step::ReaderArms { reader }),
        1 => writer().prop_map(|writer| Step::WriterLeaves { writer }),
        1 => reader().prop_map(|reader| Step::ReaderLeaves { reader }),
        1 => writer().prop_map(|writer| Step::WriterDies { writer }),
        1 => reader().prop_map(|reader| Step::ReaderDies { reader }),
        2 => writer().prop_map(|writer| Step::WriterInspects { writer }),
        2 => reader().prop_map(|reader| Step::ReaderInspects { reader }),
        1 => writer().prop_map(|writer| Step::WriterDowngrades { writer }),
        1 => reader().prop_map(|reader| Step::ReaderDowngrades { reader }),
    ]
}

fn script() -> impl Strategy<Value = Vec<Step>> {
    let end = prop_oneof![
        3 => Just(None),
        1 => Just(Some(Step::Drain)),
        1 => Just(Some(Step::Terminate)),
    ];
    let steps = || prop::collection::vec(step(), 0..150);
    (steps(), end, steps()).prop_map(|(mut steps, end, rest)| {
        steps.extend(end);
        steps.extend(rest);
        steps
    })
}

fn config() -> impl Strategy<Value = Config> {
    let frames = prop_oneof![Just(1), Just(2), Just(4), Just(16)];
    let data = prop_oneof![Just(64), Just(128), Just(512)];
    let ends = || prop_oneof![Just(1), Just(2), Just(4)];
    let credits = prop_oneof![2 => Just(0), 1 => 1..4_u32];
    let policy = prop_oneof![3 => Just(WhenFull::Park), 1 => Just(WhenFull::Drop)];
    (
        any::<bool>(),
        frames,
        data,
        (ends(), ends()),
        credits,
        policy,
    )
        .prop_map(
            |(pipe, frames, data, (writers, readers), credits, policy)| {
                let config = if pipe { Config::pipe() } else { Config::new() };
                let config = config
                    .frames(frames)
                    .data(data)
                    .when_full(policy)
                    .credits(credits);
                config.writers(writers).readers(readers)
            },
        )
}

/// Where the counters are when a script begins: near where they wrap, and elsewhere.
fn start() -> impl Strategy<Value = At> {
    let frame = prop_oneof![
        Just(0),
        (1 << 32) - 40..1_u64 << 32,
        1 << 31..(1_u64 << 31) + 9
    ];
    let position = prop_oneof![Just(0), (1 << 32) - 1000..1_u64 << 32];
    (frame, position).prop_map(|(frame, position)| At {
        frame,
        position: position & !15,
    })
}

struct Writing {
    end: Option<WriteEnd>,
    pid: u32,
    room: Option<Room>,
    /// How often the writers' bell had rung when it said that it is about to sleep, and for how much.
    armed: Option<(u32, u32)>,
}

struct Reading {
    end: Option<ReadEnd>,
    pid: u32,
    found: Option<Found>,
    armed: Option<u32>,
    /// If it is weak, or was ever: the first frame that it has not seen, at least.
    weak: Option<u64>,
    seen: u64,
    lost: u64,
    came: u64,
}

struct Test {
    place: Place,
    reference: Reference,
    writers: Vec<Writing>,
    readers: Vec<Reading>,
    pids: u32,
    /// For contents.
    count: u8,
}

impl Test {
    fn new(config: Config, start: At) -> Self {
        let (place, link) = Place::with(&config);
        let mark = pair(start.frame as u32, start.position as u32);
        link.view.tail.get().store(mark, SeqCst);
        link.view.readers.at(0).cursor.store(mark, SeqCst);
        // The frames before.
        for before in 1..=u64::from(config.geometry.frames) {
            let frame = (start.frame as u32).wrapping_sub(before as u32);
            let stamp = pair(frame.wrapping_add(1), 0);
            link.view.descriptors.at(frame).stamp.store(stamp, SeqCst);
        }
        Self {
            place,
            reference: Reference::new(config, start),
            writers: Vec::new(),
            readers: Vec::new(),
            pids: 1,
            count: 0,
        }
    }

    fn pid(&mut self) -> u32 {
        self.pids += 1;
        self.pids
    }

    fn writer(&self, number: usize) -> Option<usize> {
        pick(&self.writers, number, |writer| writer.end.is_some())
    }

    fn reader(&self, number: usize) -> Option<usize> {
        pick(&self.readers, number, |reader| reader.end.is_some())
    }

    fn content(&mut self, len: u32) -> Vec<u8> {
        self.count = self.count.wrapping_add(1);
        (0..len as u8)
            .map(|i| self.count ^ i.wrapping_mul(7))
            .collect()
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Writer { strong } => self.add_writer(strong),
            Step::Reader { strong } => self.add_reader(strong),
            Step::Reserve { writer, len } => {
                if let Some(i) = self.writer(writer) {
                    self.reserve(i, len);
                }
            }
            Step::Commit { writer, len } => {
                if let Some(i) = self.writer(writer) {
                    self.commit(i, len);
                }
            }
            Step::Send { writer, len } => {
                if let Some(i) = self.writer(writer) {
                    self.reserve(i, len);
                    self.commit(i, len);
                }
            }
            Step::GiveUp { writer } => {
                if let Some(i) = self.writer(writer) {
                    let writer = &mut self.writers[i];
                    if let (Some(end), Some(room)) = (&mut writer.end, writer.room.take()) {
                        drop(end.reservation(room));
                        self.reference.stamp(i, None, 0);
                    }
                }
            }
            Step::Borrow { reader } => {
                if let Some(i) = self.reader(reader) {
                    self.borrow(i);
                }
            }
            Step::Release { reader } => {
                if let Some(i) = self.reader(reader) {
                    self.release(i);
                }
            }
            Step::Take { reader } => {
                if let Some(i) = self.reader(reader) {
                    self.borrow(i);
                    self.release(i);
                }
            }
            Step::WriterArms { writer, len } => {
                if let Some(i) = self.writer(writer) {
                    self.inspect_readers(i);
                    let writer = &mut self.writers[i];
                    if let Some(end) = &writer.end {
                        end.arm();
                    }
                    let rings = self.place.world.rings()[1];
                    let waits = self.reserve(i, len) == Some(WriteError::Full);
                    self.writers[i].armed = waits.then_some((rings, len));
                }
            }
            Step::ReaderArms { reader } => {
                if let Some(i) = self.reader(reader) {
                    self.inspect_writers(i);
                    let reader = &mut self.readers[i];
                    if let Some(end) = &reader.end {
                        end.arm();
                    }
                    let rings = self.place.world.rings()[0];
                    let waits = self.borrow(i) == Some(Next::Nothing);
                    self.readers[i].armed = waits.then_some(rings);
                }
            }
            Step::WriterLeaves { writer } => {
                if let Some(i) = self.writer(writer) {
                    // A guest that leaves has no reservation: that borrows the end.
                    if self.writers[i].room.is_none() {
                        self.writers[i].end = None;
                        let party = &mut self.reference.writers[i];
                        (party.seated, party.alive) = (false, false);
                    }
                }
            }
            Step::ReaderLeaves { reader } => {
                if let Some(i) = self.reader(reader) {
                    self.readers[i].end = None;
                    let party = &mut self.reference.readers[i];
                    (party.seated, party.alive) = (false, false);
                }
            }
            Step::WriterDies { writer } => {
                if let Some(i) = self.writer(writer) {
                    core::mem::forget(self.writers[i].end.take());
                    self.place.world.kill(self.writers[i].pid);
                    self.reference.writers[i].alive = false;
                    self.reference.abandon(i);
                }
            }
            Step::ReaderDies { reader } => {
                if let Some(i) = self.reader(reader) {
                    core::mem::forget(self.readers[i].end.take());
                    self.place.world.kill(self.readers[i].pid);
                    self.reference.readers[i].alive = false;
                }
            }
            Step::WriterInspects { writer } => {
                if let Some(i) = self.writer(writer) {
                    self.inspect_readers(i);
                }
            }
            Step::ReaderInspects { reader } => {
                if let Some(i) = self.reader(reader) {
                    self.inspect_writers(i);
                }
            }
            Step::WriterDowngrades { writer } => {
                if let Some(i) = self.writer(writer) {
                    if let Some(end) = &mut self.writers[i].end {
                        end.downgrade();
                    }
                    self.reference.writers[i].strong = false;
                }
            }
            Step::ReaderDowngrades { reader } => {
                if let Some(i) = self.reader(reader) {
                    self.downgrade_reader(i);
                }
            }
            Step::Drain => {
                self.place.link(1).end(atoll_abi::channel::DRAINS);
                self.reference.drains = true;
            }
            Step::Terminate => {
                self.place.link(1).end(atoll_abi::channel::TERMINATED);
                self.reference.terminated = true;
            }
        }
    }

    fn add_writer(&mut self, strong: bool) {
        let pid = self.pid();
        let end = WriteEnd::new(&self.place.link(pid), strength(strong), "writer");
        assert_eq!(
            end.is_some(),
            self.reference.add_writer(strong),
            "a slot for a writer"
        );
        if end.is_some() {
            self.writers.push(Writing {
                end,
                pid,
                room: None,
                armed: None,
            });
        }
    }

    fn add_reader(&mut self, strong: bool) {
        let pid = self.pid();
        let end = ReadEnd::new(&self.place.link(pid), strength(strong), "reader");
        assert_eq!(
            end.is_some(),
            self.reference.add_reader(strong),
            "a slot for a reader"
        );
        if end.is_some() {
            let is_strong = strong || self.reference.is_pipe();
            let came = self.reference.readers.last().unwrap().at.frame;
            self.readers.push(Reading {
                end,
                pid,
                found: None,
                armed: None,
                weak: (!is_strong).then_some(came),
                seen: 0,
                lost: 0,
                came,
            });
        }
    }

    /// What there is instead of room.
    fn reserve(&mut self, i: usize, len: u32) -> Option<WriteError> {
        let writer = &mut self.writers[i];
        let (Some(end), None) = (&mut writer.end, &writer.room) else {
            return None;
        };
        let mut expected = self.reference.reserve(i, u64::from(len));
        let got = end.claim_room(len);
        if self.reference.is_pipe() && expected == Err(WriteError::Closed) && got.is_ok() {
            // It may not have looked yet, since it has room.
            self.reference.drains = false;
            let terminated = core::mem::take(&mut self.reference.terminated);
            expected = self.reference.reserve(i, u64::from(len));
            (self.reference.drains, self.reference.terminated) = (true, terminated);
        }
        assert_eq!(
            got.as_ref().map(drop).map_err(|error| *error),
            expected,
            "room for {len}"
        );
        assert_eq!(end.dropped(), self.reference.writers[i].dropped);
        let error = got.as_ref().err().copied();
        writer.room = got.ok();
        error
    }

    fn commit(&mut self, i: usize, len: u32) {
        if self.writers[i].room.is_none() {
            return;
        }
        let bytes = self.content(len);
        let writer = &mut self.writers[i];
        let (Some(end), Some(room)) = (&mut writer.end, writer.room.take()) else {
            return;
        };
        let mut reservation = end.reservation(room);
        let len = len.min(reservation.len());
        let bytes = bytes[..len as usize].to_vec();
        reservation.write(0, &bytes).unwrap();
        reservation.commit_first(len);
        let tail = self.reference.tail.frame as u32;
        let place = self.place.link(1).view.descriptors.at(tail).place.load();
        self.reference.stamp(i, Some(bytes), place as u32);
    }

    /// What a strong one finds.
    fn borrow(&mut self, i: usize) -> Option<Next> {
        let reader = &mut self.readers[i];
        let (Some(end), None) = (&mut reader.end, &reader.found) else {
            return None;
        };
        let found = end.find();
        let mut next = None;
        if reader.weak.is_none() {
            let got = match &found {
                // Not to be released yet.
                Ok(Some(found)) => {
                    Next::Frame(content(&ManuallyDrop::new(end.frame(found.clone()))))
                }
                Ok(None) => Next::Nothing,
                Err(ReadError::Closed) => Next::Closed,
                Err(error) => panic!("{error}"),
            };
            assert_eq!(got, self.reference.next(i), "next of reader {i}");
            next = Some(got);
        }
        reader.found = found.ok().flatten();
        next
    }

    fn release(&mut self, i: usize) {
        let reader = &mut self.readers[i];
        let (Some(end), Some(found)) = (&mut reader.end, reader.found.take()) else {
            return;
        };
        let frame = end.frame(found);
        let bytes = content(&frame);
        let released = frame.release();
        reader.lost += u64::from(end.take_lost());
        let Some(next) = &mut reader.weak else {
            released.unwrap();
            reader.seen += 1;
            return self.reference.release(i);
        };
        if released.is_ok() {
            reader.seen += 1;
            let number = self.reference.find(*next, &bytes);
            let number = number.unwrap_or_else(|| panic!("no frame from {next} on is {bytes:?}"));
            *next = number + 1;
        }
    }

    fn downgrade_reader(&mut self, i: usize) {
        let reader = &mut self.readers[i];
        let Some(end) = &mut reader.end else { return };
        end.downgrade();
        if !self.reference.is_pipe() && reader.weak.is_none() {
            reader.weak = Some(self.reference.readers[i].at.frame);
            self.reference.readers[i].strong = false;
        }
    }

    fn inspect_readers(&mut self, i: usize) {
        if let Some(end) = &self.writers[i].end {
            end.inspect();
            self.reference.bury();
        }
    }

    fn inspect_writers(&mut self, i: usize) {
        let reader = &mut self.readers[i];
        let Some(end) = &mut reader.end else { return };
        end.inspect();
        self.reference.bury_writers();
        let stamps = &self.place.link(1).view.descriptors;
        // Where a weak one is, this cannot know: what it did shows.
        let is_void = |frame: u64| {
            let frame = frame as u32;
            stamps.at(frame).stamp.load(SeqCst) == pair(frame.wrapping_add(1), VOID)
        };
        let next = self.reference.readers[i].at.frame;
        match reader.weak {
            None => self.reference.give_up(|frame| frame == next),
            Some(_) => self.reference.give_up(is_void),
        }
    }

    /// Whoever said that it is about to sleep, and has something to do now, was rung.
    fn check_rings(&mut self) {
        let rings = self.place.world.rings();
        for (i, reader) in self.readers.iter_mut().enumerate() {
            let (Some(armed), None) = (reader.armed, reader.weak) else {
                continue;
            };
            if rings[0] != armed || reader.end.is_none() || reader.found.is_some() {
                reader.armed = None;
            } else {
                let next = self.reference.clone().next(i);
                assert_eq!(next, Next::Nothing, "reader {i} was not rung");
            }
        }
        for (i, writer) in self.writers.iter_mut().enumerate() {
            let Some((armed, len)) = writer.armed else {
                continue;
            };
            if rings[1] != armed || writer.end.is_none() || writer.room.is_some() {
                writer.armed = None;
            } else {
                let room = self.reference.clone().reserve(i, u64::from(len));
                assert_eq!(room, Err(WriteError::Full), "writer {i} was not rung");
            }
        }
    }

    /// What a weak reader did not see it knows of.
    fn check_lost(&mut self) {
        if self.reference.drains || self.reference.terminated || self.reference.has_reserved() {
            return;
        }
        for i in 0..self.readers.len() {
            while self.readers[i].end.is_some() {
                self.borrow(i);
                if self.readers[i].found.is_none() {
                    break;
                }
                self.release(i);
            }
            let reader = &mut self.readers[i];
            let Some(end) = &mut reader.end else { continue };
            let told = reader.seen + reader.lost + u64::from(end.take_lost());
            let passed = self.reference.tail.frame - reader.came;
            let voids = self.reference.voids();
            assert!(
                told <= passed && passed <= told + voids,
                "reader {i} saw or lost {told} of {passed}, of which {voids} were given up"
            );
        }
    }
}

/// The one with this number among those that there are.
fn pick<T>(all: &[T], number: usize, is_there: impl Fn(&T) -> bool) -> Option<usize> {
    let there: Vec<usize> = (0..all.len()).filter(|i| is_there(&all[*i])).collect();
    there.get(number % there.len().max(1)).copied()
}

const fn strength(strong: bool) -> Strength {
    if strong {
        Strength::Strong
    } else {
        Strength::Weak
    }
}

/// How many scripts; `PROPTEST_CASES` in the environment says otherwise.
fn cases() -> u32 {
    let cases = std::env::var("PROPTEST_CASES");
    cases
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(512)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn the_ends_do_as_the_reference(config in config(), start in start(), script in script()) {
        let mut test = Test::new(config, start);
        for step in &script {
            test.step(step);
            test.check_rings();
        }
        test.check_lost();
    }
}
