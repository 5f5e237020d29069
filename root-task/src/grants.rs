// SPDX-License-Identifier: BSD-2-Clause
//! What the spec gives a program: what it names under the program itself, and under the guests of a server,
//! since they hold it through the server.

use capdl::blob::{Cap, CapData, Kind, Object, ObjectId, Reader, Rights};
use heapless::Vec;

use crate::common::Common;
use crate::problem::{Failure, Problem};

/// Most objects that one program is given, as [`wasm_handoff::Handoff::given`] has room for.
pub const MAX_GRANTS: usize = 64;

/// An object that a program is given.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    /// The object: an untyped, frame, interrupt, or another object of the kernel.
    pub object: ObjectId,
    /// Its name.
    pub name: &'static str,
    /// The rights; in a server, those of every capability that brought it here, together, because the server
    /// acts for all of their holders.
    pub rights: Rights,
    /// Badge or guard.
    pub data: CapData,
    /// Line of the first capability that brought it here.
    pub line: u32,
    /// Name of the object that holds that capability: the program, or one of its guests.
    pub holder: &'static str,
    /// Slot of that capability.
    pub slot: &'static str,
}

impl Grant {
    /// The capability that it is.
    pub const fn cap(&self) -> Cap<'static> {
        Cap {
            slot: self.slot,
            line: self.line,
            target: self.object,
            rights: self.rights,
            data: self.data,
        }
    }

    /// A problem with it, at the line of its capability.
    pub fn failure(&self, file: &'static str, problem: Problem) -> Failure {
        Failure {
            file,
            line: self.line,
            object: self.holder,
            slot: self.slot,
            problem,
        }
    }
}

/// Everything that one program is given; a server, each object once; a native task, each capability in its order.
pub type Grants = Vec<Grant, MAX_GRANTS>;

/// Collects what the spec gives a program.
///
/// # Errors
/// [`Problem::NoObject`], [`Problem::ChannelWithoutMemory`], [`Problem::WrongKind`],
/// [`Problem::TwoBadges`], [`Problem::TooManyGrants`], [`Problem::Covers`]
pub fn collect(
    spec: &Reader<'static>,
    program: ObjectId,
    common: &Common,
) -> Result<Grants, Failure> {
    let mut grants = Grants::new();
    for (id, holder) in spec.iter() {
        let concerns = match &holder.kind {
            Kind::WasmGuest(guest) => guest.server == program,
            _ => id == program,
        };
        if !concerns {
            continue;
        }
        for cap in &holder.caps {
            let added = match holder.kind {
                Kind::NativeTask(_) => append(spec, &mut grants, holder.name, &cap),
                _ if common.has(cap.target) => Ok(()),
                _ => add(spec, &mut grants, holder.name, &cap),
            };
            added.map_err(|problem| problem.of_cap(spec.file, holder.name, &cap))?;
        }
    }
    Ok(grants)
}

/// Checks that what can have one holder only is not given to two programs: memory, because the kernel
/// gives out an untyped once, and interrupts, because they signal one notification; nor the memory of what
/// is in `common`.
///
/// # Errors
/// [`Problem::TakenBy`]
pub fn disjoint<'a>(
    spec: &Reader<'static>,
    grants: &Grants,
    common: &Common,
    others: impl Iterator<Item = (&'static str, &'a Grants)>,
) -> Result<(), Failure> {
    for grant in grants {
        let mut channels = common.channels.iter();
        if let Some(channel) = channels.find(|channel| channel.memory == grant.object) {
            let problem = Problem::TakenBy {
                target: grant.name,
                holder: spec.object(channel.object).map_or("", |object| object.name),
            };
            return Err(grant.failure(spec.file, problem));
        }
    }
    for (holder, theirs) in others {
        for grant in grants
            .iter()
            .filter(|grant| theirs.iter().any(|their| their.object == grant.object))
        {
            let object = spec.object(grant.object);
            if matches!(
                object.map(|object| object.kind),
                Some(Kind::Untyped { .. } | Kind::Leftover | Kind::Irq { .. })
            ) {
                return Err(grant.failure(
                    spec.file,
                    Problem::TakenBy {
                        target: grant.name,
                        holder,
                    },
                ));
            }
        }
    }
    Ok(())
}

fn add(
    spec: &Reader<'static>,
    grants: &mut Grants,
    holder: &'static str,
    cap: &Cap<'static>,
) -> Result<(), Problem> {
    let id = cap.target;
    let target = spec.object(id).ok_or(Problem::NoObject(id.0))?;
    let (id, target) = match target.kind {
        // What these capabilities allow is the server's own business: no object of the kernel
        // stands behind them.
        Kind::WasmServer(_)
        | Kind::WasmGuest(_)
        | Kind::Service
        | Kind::VirtioDevice { .. }
        | Kind::MmioDevice { .. } => {
            return Ok(());
        }
        Kind::Channel { .. } => memory_of(spec, &target)?,
        Kind::Frame { .. } if !cap.rights.read => return Err(Problem::FrameRights),
        _ => (id, target),
    };
    if let Some(known) = grants.iter_mut().find(|grant| grant.object == id) {
        if known.data != cap.data {
            return Err(Problem::TwoBadges(target.name));
        }
        known.rights = Rights {
            read: known.rights.read || cap.rights.read,
            write: known.rights.write || cap.rights.write,
            grant: known.rights.grant || cap.rights.grant,
            grant_reply: known.rights.grant_reply || cap.rights.grant_reply,
        };
        return Ok(());
    }
    push(spec, grants, holder, (id, target.name), cap)
}

/// Adds a capability of a native task, which has all of them apart.
fn append(
    spec: &Reader<'static>,
    grants: &mut Grants,
    holder: &'static str,
    cap: &Cap<'static>,
) -> Result<(), Problem> {
    let id = cap.target;
    let target = spec.object(id).ok_or(Problem::NoObject(id.0))?;
    match target.kind {
        Kind::Frame { .. } | Kind::Channel { .. } if !cap.rights.read => Err(Problem::FrameRights),
        _ => push(spec, grants, holder, (id, target.name), cap),
    }
}

fn push(
    spec: &Reader<'static>,
    grants: &mut Grants,
    holder: &'static str,
    (object, name): (ObjectId, &'static str),
    cap: &Cap<'static>,
) -> Result<(), Problem> {
    // Taking it back would end them, whoever has them.
    if spec.iter().any(|(_, other)| other.within == Some(object)) {
        return Err(Problem::Covers(name));
    }
    let grant = Grant {
        object,
        name,
        rights: cap.rights,
        data: cap.data,
        line: cap.line,
        holder,
        slot: cap.slot,
    };
    grants.push(grant).map_err(|_| Problem::TooManyGrants)
}

/// The untyped that a channel's memory comes from.
fn memory_of(
    spec: &Reader<'static>,
    channel: &Object<'static>,
) -> Result<(ObjectId, Object<'static>), Problem> {
    let memory = channel.caps.slot("memory");
    let id = memory
        .ok_or(Problem::ChannelWithoutMemory(channel.name))?
        .target;
    let object = spec.object(id).ok_or(Problem::NoObject(id.0))?;
    match object.kind {
        Kind::Untyped { .. } => Ok((id, object)),
        _ => Err(Problem::WrongKind {
            target: object.name,
            wanted: "an untyped",
        }),
    }
}

#[cfg(test)]
pub(crate) mod tests {

    use capdl::blob::{
        CapData, Groups, Limits, NativeTask, Restart, Start, WasmGuest, WasmServer, Writer,
    };

    use super::*;

    pub const R: Rights = Rights {
        read: true,
        write: false,
        grant: false,
        grant_reply: false,
    };
    pub const RW: Rights = Rights {
        read: true,
        write: true,
        grant: false,
        grant_reply: false,
    };
    pub const NONE: Rights = Rights {
        read: false,
        write: false,
        grant: false,
        grant_reply: false,
    };

    pub type Caps<'a> = &'a [(&'static str, u16, Rights)];

    /// Compiles objects to a blob that lives as long as the tests.
    pub fn spec(objects: &[(&'static str, Kind<'static>, Caps<'_>)]) -> Reader<'static> {
        let mut writer = Writer::new("t.cdl", &[0; 32], objects.len()).unwrap();
        for ((name, kind, caps), i) in objects.iter().zip(0..) {
            let caps = caps.iter().map(|&(slot, target, rights)| Cap {
                slot,
                line: 100 + i,
                target: ObjectId(target),
                rights,
                data: CapData::None,
            });
            writer
                .object((name, i + 1), None, kind.clone(), caps)
                .unwrap();
        }
        Reader::new(writer.finish().leak()).unwrap()
    }

    pub fn server() -> Kind<'static> {
        Kind::WasmServer(WasmServer {
            prio: 200,
            heap: 1 << 20,
            restart: Restart::Permanent,
        })
    }

    pub fn task() -> Kind<'static> {
        Kind::NativeTask(NativeTask {
            program: "p",
            prio: 1,
            stack: 4096,
            heap: 4096,
            restart: Restart::Temporary,
            args: Vec::new(),
        })
    }

    pub fn guest(server: u16) -> Kind<'static> {
        Kind::WasmGuest(WasmGuest {
            server: ObjectId(server),
            module: "m",
            prio: 1,
            stack: 4096,
            deadline_ms: None,
            start: Start::Boot,
            rank: 0,
            restart: Restart::Temporary,
            groups: Groups::NONE,
            limits: Limits::DEFAULT,
            args: Vec::new(),
            env: Vec::new(),
        })
    }

    pub fn untyped() -> Kind<'static> {
        Kind::Untyped {
            size_bits: 20,
            paddr: None,
        }
    }

    fn objects(grants: &Grants) -> std::vec::Vec<u16> {
        grants.iter().map(|grant| grant.object.0).collect()
    }

    #[test]
    fn gives_what_is_named_and_nothing_else() {
        let channel = Kind::Channel { bytes: 65536 };
        let spec = spec(&[
            ("a", server(), &[("memory", 2, NONE), ("other", 3, NONE)]),
            ("b", server(), &[]),
            ("pool", untyped(), &[]),
            (
                "guest",
                guest(0),
                &[("memory", 4, NONE), ("link", 5, RW), ("clock", 10, R)],
            ),
            ("ut_guest", untyped(), &[]),
            ("link", channel, &[("memory", 6, NONE)]),
            ("ut_link", untyped(), &[]),
            ("stranger", guest(1), &[("memory", 8, NONE)]),
            ("ut_stranger", untyped(), &[]),
            ("unused", untyped(), &[]),
            ("clock", Kind::Service, &[]),
        ]);
        let a = collect(&spec, ObjectId(0), &Common::default()).unwrap();
        let b = collect(&spec, ObjectId(1), &Common::default()).unwrap();
        assert_eq!(objects(&a), [2, 4, 6]);
        assert_eq!(objects(&b), [8]);
        disjoint(&spec, &b, &Common::default(), [("a", &a)].into_iter()).unwrap();
    }

    #[test]
    fn a_task_has_its_channels_as_they_are_written() {
        let spec = spec(&[
            ("t", task(), &[("in", 1, R), ("out", 1, RW)]),
            (
                "link",
                Kind::Channel { bytes: 65536 },
                &[("memory", 2, NONE)],
            ),
            ("ut", untyped(), &[]),
        ]);
        let grants = collect(&spec, ObjectId(0), &Common::find(&spec).unwrap()).unwrap();
        let rights: std::vec::Vec<_> = grants.iter().map(|grant| grant.rights).collect();
        assert_eq!((objects(&grants), rights), ([1, 1].into(), [R, RW].into()));
    }

    #[test]
    fn unites_the_rights_of_all_holders() {
        let frame = Kind::Frame {
            size_bits: 12,
            paddr: Some(0x0900_0000),
            fill: Vec::new(),
        };
        let spec = spec(&[
            ("a", server(), &[("x", 1, R)]),
            ("uart", frame, &[]),
            ("guest", guest(0), &[("uart", 1, RW)]),
        ]);
        let grants = collect(&spec, ObjectId(0), &Common::default()).unwrap();
        assert_eq!(
            (grants.len(), grants[0].rights, grants[0].line),
            (1, RW, 100)
        );
    }

    #[test]
    fn memory_has_one_server() {
        let spec = spec(&[
            ("a", server(), &[("memory", 2, NONE)]),
            ("b", server(), &[("memory", 2, NONE)]),
            ("pool", untyped(), &[]),
        ]);
        let a = collect(&spec, ObjectId(0), &Common::default()).unwrap();
        let b = collect(&spec, ObjectId(1), &Common::default()).unwrap();
        let failure = disjoint(&spec, &b, &Common::default(), [("a", &a)].into_iter()).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "t.cdl:101: b: memory: `pool` is given to `a` already; memory and interrupts have one holder"
        );
    }

    #[test]
    fn says_what_is_wrong() {
        let channel = Kind::Channel { bytes: 65536 };
        let frame = Kind::Frame {
            size_bits: 12,
            paddr: Some(0x0900_0000),
            fill: Vec::new(),
        };
        let problem = |spec: Reader<'static>| {
            collect(&spec, ObjectId(0), &Common::default())
                .unwrap_err()
                .problem
        };
        let dangling = spec(&[("a", server(), &[("x", 9, R)])]);
        assert_eq!(problem(dangling), Problem::NoObject(9));
        let bare = spec(&[
            ("a", server(), &[("x", 1, R)]),
            ("link", channel.clone(), &[]),
        ]);
        assert_eq!(problem(bare), Problem::ChannelWithoutMemory("link"));
        let odd = spec(&[
            ("a", server(), &[("x", 1, R)]),
            ("link", channel, &[("memory", 0, R)]),
        ]);
        assert_eq!(
            problem(odd),
            Problem::WrongKind {
                target: "a",
                wanted: "an untyped"
            }
        );
        let write_only = Rights {
            write: true,
            ..NONE
        };
        let unreadable = spec(&[
            ("a", server(), &[("x", 1, write_only)]),
            ("uart", frame, &[]),
        ]);
        assert_eq!(problem(unreadable), Problem::FrameRights);
    }
}
