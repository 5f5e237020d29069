// SPDX-License-Identifier: BSD-2-Clause
//! What the spec has several programs hold, and the root task therefore keeps itself: channels, a timer, a
//! console. A channel of a native task is always one of these, since it is the root task that maps it.

use capdl::blob::{Kind, Object, ObjectId, Reader};
use heapless::Vec;
use wasm_handoff::{MAX_HOLDERS, MAX_SHARED, badge};

use crate::MAX_PROGRAMS;
use crate::plan::PAGE;
use crate::problem::{Failure, Problem};

/// A channel that several programs hold, or a native task.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Its object.
    pub object: ObjectId,
    /// The untyped that its frames are made of.
    pub memory: ObjectId,
    /// Bytes.
    pub bytes: u32,
    /// The programs, in the order of their numbers.
    pub holders: Vec<Holder, MAX_PROGRAMS>,
}

/// A program that holds a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub program: u8,
    /// Whether one of its holders may write.
    pub write: bool,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Common {
    /// The channels.
    pub channels: Vec<Channel, MAX_SHARED>,
    /// The interrupt that several servers have in their slot `timer`.
    pub timer: Option<ObjectId>,
    /// These servers, a bit for the number of each.
    pub timer_users: u16,
    /// The servers that have the same frame in their slot `console`, likewise.
    pub console_users: u16,
}

/// Whether this object is a program. The number of a program is its place among them.
pub const fn is_program(object: &Object<'_>) -> bool {
    matches!(object.kind, Kind::WasmServer(_) | Kind::NativeTask(_))
}

impl Common {
    /// Finds it in a spec.
    ///
    /// # Errors
    /// [`Problem::TooManyPrograms`], [`Problem::TooManyShared`], [`Problem::ChannelWithoutMemory`],
    /// [`Problem::NoObject`], [`Problem::TwoTimers`]
    pub fn find(spec: &Reader<'static>) -> Result<Self, Failure> {
        let mut programs: Vec<ObjectId, MAX_PROGRAMS> = Vec::new();
        for (id, object) in spec.iter().filter(|(_, object)| is_program(object)) {
            programs
                .push(id)
                .map_err(|_| Problem::TooManyPrograms.of(spec.file, &object))?;
        }
        let mut common = Self::default();
        for (id, object) in spec.iter() {
            let users = Users::of(spec, id, &programs);
            match object.kind {
                Kind::Channel { bytes } if users.holders.len() > 1 || users.has_task => common
                    .add_channel(spec, (id, &object), bytes, users.holders)
                    .map_err(|problem| problem.of(spec.file, &object))?,
                Kind::Irq { .. } if users.as_timer.count_ones() > 1 => {
                    if common.timer.is_some() {
                        return Err(Problem::TwoTimers.of(spec.file, &object));
                    }
                    common.timer = Some(id);
                    common.timer_users = users.as_timer;
                }
                Kind::Frame { .. } if users.as_console.count_ones() > 1 => {
                    common.console_users |= users.as_console;
                }
                _ => {}
            }
        }
        Ok(common)
    }

    fn add_channel(
        &mut self,
        spec: &Reader<'static>,
        (id, channel): (ObjectId, &Object<'static>),
        bytes: u32,
        holders: Vec<Holder, MAX_PROGRAMS>,
    ) -> Result<(), Problem> {
        let memory = channel.caps.slot("memory");
        let memory = memory.ok_or(Problem::ChannelWithoutMemory(channel.name))?;
        let memory = memory.target;
        let object = spec.object(memory).ok_or(Problem::NoObject(memory.0))?;
        if !matches!(object.kind, Kind::Untyped { .. }) {
            return Err(Problem::WrongKind {
                target: object.name,
                wanted: "an untyped",
            });
        }
        let channel = Channel {
            object: id,
            memory,
            bytes,
            holders,
        };
        self.channels
            .push(channel)
            .map_err(|_| Problem::TooManyShared)?;
        let too_many = |program| {
            let channels = self.channels.iter().filter(|channel| channel.has(program));
            let others = channels.map(|channel| channel.holders.len() - 1).sum();
            let others: usize = others;
            others > MAX_HOLDERS
        };
        if (0..MAX_PROGRAMS as u8).any(too_many) {
            return Err(Problem::TooManyShared);
        }
        Ok(())
    }

    /// Whether a program is given this not for itself, but in common with others.
    pub fn has(&self, id: ObjectId) -> bool {
        self.timer == Some(id) || self.channels.iter().any(|channel| channel.object == id)
    }

    /// Whether this program shares console or timer.
    pub fn is_user(&self, program: u8) -> bool {
        (self.timer_users | self.console_users) >> program & 1 != 0
    }

    /// How many pages a program has mapped of what is common: ledgers, its own and others', and the one for
    /// console and timer.
    pub fn pages(&self, program: u8) -> usize {
        let channels = self.channels.iter().filter(|channel| channel.has(program));
        let ledgers: usize = channels.map(|channel| channel.holders.len()).sum();
        ledgers + usize::from(self.is_user(program))
    }

    /// The bit with which a program's notification is signalled for a channel.
    pub fn signal(&self, program: u8, channel: ObjectId) -> u8 {
        let mut channels = self.channels.iter().filter(|channel| channel.has(program));
        let place = channels.position(|other| other.object == channel);
        badge::FIRST_CHANNEL + (place.unwrap_or(0) % usize::from(badge::CHANNELS)) as u8
    }
}

impl Channel {
    /// Its pages.
    pub const fn pages(&self) -> usize {
        self.bytes as usize / PAGE as usize
    }

    /// Whether the program with this number holds it.
    pub fn has(&self, program: u8) -> bool {
        self.holders.iter().any(|holder| holder.program == program)
    }
}

/// The programs that use an object.
struct Users {
    holders: Vec<Holder, MAX_PROGRAMS>,
    /// Whether one of the holders is a native task.
    has_task: bool,
    as_timer: u16,
    as_console: u16,
}

impl Users {
    fn of(spec: &Reader<'static>, id: ObjectId, programs: &[ObjectId]) -> Self {
        let mut users = Self {
            holders: Vec::new(),
            has_task: false,
            as_timer: 0,
            as_console: 0,
        };
        for (number, &program) in (0u8..).zip(programs) {
            let mut held = None;
            for (holder, object) in spec.iter() {
                let is_of_it = match &object.kind {
                    Kind::WasmGuest(guest) => guest.server == program,
                    _ => holder == program,
                };
                let is_server = matches!(object.kind, Kind::WasmServer(_));
                let is_task = matches!(object.kind, Kind::NativeTask(_));
                for cap in object.caps.iter().filter(|_| is_of_it) {
                    if cap.target != id {
                        continue;
                    }
                    held = Some(held.unwrap_or(false) | cap.rights.write);
                    users.has_task |= is_task;
                    match cap.slot {
                        "timer" if is_server => users.as_timer |= 1 << number,
                        "console" if is_server => users.as_console |= 1 << number,
                        _ => {}
                    }
                }
            }
            if let Some(write) = held {
                // There are no more programs than this has room for.
                let _ = users.holders.push(Holder {
                    program: number,
                    write,
                });
            }
        }
        users
    }
}

#[cfg(test)]
mod tests {
    use capdl::blob::Rights;

    use super::*;
    use crate::grants::tests::{NONE, R, RW, guest, server, spec, task, untyped};

    fn channel() -> Kind<'static> {
        Kind::Channel { bytes: 65536 }
    }

    fn holders(common: &Common, channel: usize) -> std::vec::Vec<(u8, bool)> {
        let holders = common.channels[channel].holders.iter();
        holders
            .map(|holder| (holder.program, holder.write))
            .collect()
    }

    #[test]
    fn what_several_programs_hold_is_common() {
        let timer = Kind::Irq {
            number: 30,
            trigger: None,
        };
        let uart = Kind::Frame {
            size_bits: 12,
            paddr: Some(0x0900_0000),
            fill: Vec::new(),
        };
        let own: &[(&'static str, u16, Rights)] = &[("timer", 8, NONE), ("console", 9, RW)];
        let spec = spec(&[
            ("a", server(), own),
            ("ga", guest(0), &[("one", 4, R), ("both", 5, R)]),
            ("b", server(), own),
            ("gb", guest(2), &[("both", 5, R)]),
            ("one", channel(), &[("memory", 7, NONE)]),
            ("both", channel(), &[("memory", 7, NONE)]),
            ("gc", guest(2), &[("both", 5, RW)]),
            ("ut", untyped(), &[]),
            ("timer", timer, &[]),
            ("uart", uart, &[]),
            ("c", server(), &[]),
        ]);
        let common = Common::find(&spec).unwrap();
        assert_eq!(common.channels.len(), 1);
        assert_eq!(common.channels[0].object, ObjectId(5));
        assert_eq!(common.channels[0].memory, ObjectId(7));
        assert_eq!(holders(&common, 0), [(0, false), (1, true)]);
        assert_eq!((common.timer_users, common.console_users), (3, 3));
        assert!(common.has(ObjectId(5)) && common.has(ObjectId(8)));
        assert!(!common.has(ObjectId(4)) && !common.has(ObjectId(9)));
        assert_eq!([0, 1, 2].map(|program| common.pages(program)), [3, 3, 0]);
    }

    #[test]
    fn channels_of_native_tasks_are_common_whoever_else_holds_them() {
        let spec = spec(&[
            ("a", server(), &[]),
            ("t", task(), &[("alone", 4, R), ("both", 5, RW)]),
            ("ga", guest(0), &[("both", 5, R), ("servers", 6, RW)]),
            ("ut", untyped(), &[]),
            ("alone", channel(), &[("memory", 3, NONE)]),
            ("both", channel(), &[("memory", 3, NONE)]),
            ("servers", channel(), &[("memory", 3, NONE)]),
        ]);
        let common = Common::find(&spec).unwrap();
        assert_eq!(holders(&common, 0), [(1, false)]);
        assert_eq!(holders(&common, 1), [(0, false), (1, true)]);
        assert_eq!(common.channels.len(), 2);
        assert_eq!((common.pages(0), common.pages(1)), (2, 3));
    }

    #[test]
    fn channels_have_bits_of_their_own_as_far_as_there_are() {
        let mut objects = std::vec::Vec::from([
            ("a", server(), &[][..]),
            ("b", server(), &[][..]),
            ("ut", untyped(), &[][..]),
        ]);
        let memory: &'static [(&'static str, u16, Rights)] = &[("memory", 2, NONE)];
        let count = usize::from(badge::CHANNELS) + 2;
        for _ in 0..count {
            objects.push(("link", channel(), memory));
        }
        let caps: std::vec::Vec<_> = (0..count as u16).map(|i| ("link", 3 + i, RW)).collect();
        objects.push(("ga", guest(0), caps.leak()));
        let (last, _) = (objects[objects.len() - 1].clone(), ());
        objects.push(("gb", guest(1), last.2));
        let common = Common::find(&spec(&objects)).unwrap();
        let bits = |program| -> std::vec::Vec<u8> {
            let channels = common.channels.iter();
            channels
                .map(|channel| common.signal(program, channel.object))
                .collect()
        };
        let expected: std::vec::Vec<u8> = (1..=26).chain([1, 2]).collect();
        assert_eq!(bits(0), expected);
        assert_eq!(bits(1), expected);
    }

    #[test]
    fn more_than_there_is_room_for_is_refused() {
        let mut objects = std::vec::Vec::from([
            ("a", server(), &[][..]),
            ("b", server(), &[][..]),
            ("ut", untyped(), &[][..]),
        ]);
        let memory: &'static [(&'static str, u16, Rights)] = &[("memory", 2, NONE)];
        for _ in 0..=MAX_SHARED {
            objects.push(("link", channel(), memory));
        }
        let caps = |from: usize, to: usize| -> &'static [_] {
            let caps: std::vec::Vec<_> = (from..to).map(|i| ("link", 3 + i as u16, RW)).collect();
            caps.leak()
        };
        for server in [0, 1] {
            objects.push(("g", guest(server), caps(0, 20)));
            objects.push(("h", guest(server), caps(20, MAX_SHARED + 1)));
        }
        let failure = Common::find(&spec(&objects)).unwrap_err();
        assert_eq!(failure.problem, Problem::TooManyShared);
    }
}
