// SPDX-License-Identifier: BSD-2-Clause
//! What can go wrong, each as a sentence that names the spec's line, the object and what was missing.

use core::fmt;

use capdl::blob;

/// A [`Problem`] and the place in the spec that it belongs to.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The spec's file; empty for what concerns the boot image rather than the spec.
    pub file: &'static str,
    /// Line of the object or of its capability, from 1.
    pub line: u32,
    /// Name of the object.
    pub object: &'static str,
    /// Slot of the capability, empty for the object itself.
    pub slot: &'static str,
    /// What was wrong.
    pub problem: Problem,
}

/// What was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The payload's header does not decode or is not one.
    NoPayload,
    /// The payload names bytes that the image does not have.
    PayloadTruncated(&'static str),
    /// The compiled spec was refused.
    Spec(blob::BlobError),
    /// The boot image lacks a program.
    NoProgram(&'static str),
    /// The boot image lacks a file that a frame is filled with.
    NoFile(&'static str),
    /// A program of the boot image cannot be loaded.
    Program(&'static str, crate::elf::ElfError),
    /// No untyped is large enough.
    NoMemory {
        /// log2 of the size in bytes.
        bits: u8,
        /// The same of the largest that is left.
        largest: Option<u8>,
    },
    /// No untyped has this physical memory.
    NoMemoryAt {
        /// Physical address.
        paddr: u64,
        /// log2 of the size in bytes.
        bits: u8,
    },
    /// An untyped has no room for an object that is declared in it.
    Full {
        /// The untyped.
        untyped: &'static str,
        /// log2 of the object's bytes.
        bits: u8,
        /// Bytes that are left.
        room: u64,
    },
    /// An object is to be at a physical address, and of a certain untyped.
    PlacedWithin,
    /// An object is declared in something that is no untyped, or in itself.
    NotInUntyped,
    /// An untyped is given away although objects are declared in it.
    Covers(&'static str),
    /// There are no page tables of this level.
    TableLevel(u8),
    /// The machine has no such interrupt.
    NoIrq(u32),
    /// Somebody has the interrupt.
    IrqTaken(u32),
    /// An interrupt is to tell by edges.
    EdgeTrigger,
    /// A right to be replied to, alone.
    GrantReply,
    /// A slot that the object does not have.
    NoSuchSlot {
        /// How many there are, numbered from 0.
        slots: usize,
    },
    /// Less slots than there are untypeds left.
    LeftoverSlots {
        /// Untypeds that are left.
        left: usize,
        /// Slots for them.
        slots: usize,
    },
    /// More bytes are filled in than the frame has.
    FillBeyond,
    /// A thread lacks a capability that it needs to run.
    ThreadWithout(&'static str),
    /// A thread's IPC buffer is at an address that is not aligned, or has no frame.
    BufferAddress(u64),
    /// No ASID is left in the pool that it would come from.
    NoAsid,
    /// More separate pieces of memory than the root task can account for.
    TooManyPieces,
    /// More page tables than the root task can account for.
    TooManyTables,
    /// The root task's CNode is full.
    NoSlots,
    /// A CNode with so many slots, in bits, is full.
    NoSlotsIn(usize),
    /// The kernel refused an invocation.
    Refused {
        /// What was asked, to complete "the kernel refused to".
        doing: &'static str,
        /// Why.
        why: &'static str,
    },
    /// A capability names an object that is not in the blob.
    NoObject(u16),
    /// A frame of a size that the architecture lacks.
    FrameSize(u8),
    /// The rights to a frame or a channel cannot be expressed in a page table.
    FrameRights,
    /// Something else is wanted here.
    WrongKind {
        /// The object that is named.
        target: &'static str,
        /// What it would have to be.
        wanted: &'static str,
    },
    /// A channel has no `memory` capability.
    ChannelWithoutMemory(&'static str),
    /// An object can have one holder only, and has one.
    TakenBy {
        /// The object.
        target: &'static str,
        /// The program that has it.
        holder: &'static str,
    },
    /// One holder, one object, two badges.
    TwoBadges(&'static str),
    /// More than the message to a program has room for.
    TooManyGrants,
    /// More channels in several programs, or more programs that hold them, than there is room for.
    TooManyShared,
    /// Two interrupts that are the timers of several servers each.
    TwoTimers,
    /// Virtio devices in more pages than the root task has windows for, which is this many.
    TooManyRegisterPages(usize),
    /// A virtio device that does not stop.
    DeviceRuns {
        /// The frame of its registers.
        page: &'static str,
        /// Where in the frame they are.
        offset: u32,
        /// Its status.
        status: u32,
    },
    /// More programs than there are tables for.
    TooManyPrograms,
    /// Something does not fit where it belongs in a program's VSpace.
    NoRoom {
        /// What.
        what: &'static str,
        /// Its bytes.
        bytes: u64,
        /// Bytes there are.
        room: u64,
    },
}

impl Problem {
    /// The problem of an object of the spec.
    pub fn of(self, file: &'static str, object: &blob::Object<'static>) -> Failure {
        Failure {
            file,
            line: object.line,
            object: object.name,
            slot: "",
            problem: self,
        }
    }

    /// The problem of a capability that an object of the spec holds.
    pub fn of_cap(
        self,
        file: &'static str,
        holder: &'static str,
        cap: &blob::Cap<'static>,
    ) -> Failure {
        Failure {
            file,
            line: cap.line,
            object: holder,
            slot: cap.slot,
            problem: self,
        }
    }

    /// The problem of the boot image.
    pub fn of_image(self) -> Failure {
        Failure {
            file: "",
            line: 0,
            object: "",
            slot: "",
            problem: self,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.file.is_empty() {
            return write!(f, "boot image: {}", self.problem);
        }
        write!(f, "{}:{}: {}: ", self.file, self.line, self.object)?;
        if !self.slot.is_empty() {
            write!(f, "{}: ", self.slot)?;
        }
        self.problem.fmt(f)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoPayload => {
                f.write_str("no payload follows the root task, or it is of another build")
            }
            Self::PayloadTruncated(part) => write!(f, "the payload ends before its {part}"),
            Self::Spec(blob::BlobError::Undecodable) => {
                f.write_str("the compiled spec does not decode")
            }
            Self::Spec(blob::BlobError::NotASpec) => {
                f.write_str("the spec's place holds something else")
            }
            Self::Spec(blob::BlobError::OtherVersion(version)) => {
                write!(
                    f,
                    "the spec was compiled as version {version}, not {}",
                    blob::VERSION
                )
            }
            Self::NoProgram(name) => {
                write!(f, "needs the program `{name}`, which the boot image lacks")
            }
            Self::NoFile(name) => {
                write!(f, "needs the file `{name}`, which the boot image lacks")
            }
            Self::Program(name, ref error) => {
                write!(f, "cannot load the program `{name}`: {error}")
            }
            Self::NoMemory {
                bits,
                largest: Some(largest),
            } => {
                write!(
                    f,
                    "needs an untyped of 2^{bits} bytes; the largest left is 2^{largest}"
                )
            }
            Self::NoMemory {
                bits,
                largest: None,
            } => {
                write!(f, "needs an untyped of 2^{bits} bytes; none is left")
            }
            Self::NoMemoryAt { paddr, bits } => write!(
                f,
                "needs the 2^{bits} bytes at physical address {paddr:#x}; they are no free memory or \
                 device of this machine, or not aligned"
            ),
            Self::Full {
                untyped,
                bits,
                room,
            } => write!(
                f,
                "needs 2^{bits} bytes of `{untyped}`, which has {room} left"
            ),
            Self::PlacedWithin => f.write_str(
                "has a physical address, which says what memory it is made of, and is declared in an untyped",
            ),
            Self::NotInUntyped => f.write_str("is declared in something that is no untyped"),
            Self::Covers(untyped) => write!(
                f,
                "`{untyped}` has objects declared in it, which revoking it would end: it cannot be given to a program"
            ),
            Self::TableLevel(level) => {
                write!(f, "is a page table of level {level}; there are 0 to 3")
            }
            Self::NoIrq(number) => write!(f, "needs interrupt {number}, which the machine lacks"),
            Self::IrqTaken(number) => {
                write!(f, "needs interrupt {number}, which another object has")
            }
            Self::EdgeTrigger => {
                f.write_str("is to tell by edges; this kernel has all interrupts tell by level")
            }
            Self::GrantReply => f.write_str(
                "this kernel has no right P of its own: a caller needs G, which includes it",
            ),
            Self::NoSuchSlot { slots } => write!(f, "is no slot: there are 0 to {}", slots - 1),
            Self::LeftoverSlots { left, slots } => write!(
                f,
                "needs {left} slots for the untypeds that are left; there are {slots}"
            ),
            Self::FillBeyond => f.write_str("is filled beyond its end"),
            Self::ThreadWithout(slot) => {
                write!(f, "is to run, but has no capability `{slot}`")
            }
            Self::BufferAddress(addr) => write!(
                f,
                "has its IPC buffer at {addr:#x}, which is not aligned or has no `ipc_buffer_slot`"
            ),
            Self::NoAsid => f.write_str(
                "needs an ASID, and the root task's pool is used up; an `asid_pool` can give it one",
            ),
            Self::TooManyPieces => write!(
                f,
                "memory is split into more than {} pieces",
                crate::untyped::MAX_BLOCKS
            ),
            Self::TooManyTables => {
                write!(f, "needs more than {} page tables", crate::plan::MAX_TABLES)
            }
            Self::NoSlots => f.write_str("needs more slots than the root task's CNode has left"),
            Self::NoSlotsIn(bits) => {
                write!(f, "needs more than the 2^{bits} slots of its CNode")
            }
            Self::Refused { doing, why } => write!(f, "the kernel refused to {doing}: {why}"),
            Self::NoObject(id) => {
                write!(f, "names object number {id}, which the compiled spec lacks")
            }
            Self::FrameSize(bits) => {
                write!(
                    f,
                    "is a frame of 2^{bits} bytes; the architecture has 2^12, 2^21 and 2^30"
                )
            }
            Self::FrameRights => f.write_str(
                "the rights to memory must be R or RW: page tables have no other that users could use",
            ),
            Self::WrongKind { target, wanted } => write!(f, "`{target}` is not {wanted}"),
            Self::ChannelWithoutMemory(channel) => {
                write!(
                    f,
                    "channel `{channel}` has no capability `memory` to an untyped"
                )
            }
            Self::TakenBy { target, holder } => {
                write!(
                    f,
                    "`{target}` is given to `{holder}` already; memory and interrupts have one holder"
                )
            }
            Self::TwoBadges(target) => {
                write!(
                    f,
                    "`{target}` reaches its server with two different badges; give it one"
                )
            }
            Self::TooManyGrants => {
                write!(
                    f,
                    "gives its program more than {} objects",
                    crate::grants::MAX_GRANTS
                )
            }
            Self::TooManyShared => write!(
                f,
                "is held by several programs, as more than {} channels are, or as more than {} times some \
                 program shares one with another",
                wasm_handoff::MAX_SHARED,
                wasm_handoff::MAX_HOLDERS
            ),
            Self::TwoTimers => {
                f.write_str("is the timer of several servers, which have another in common already")
            }
            Self::TooManyRegisterPages(most) => write!(
                f,
                "is in one page of registers more than the {most} there is room for"
            ),
            Self::DeviceRuns {
                page,
                offset,
                status,
            } => write!(
                f,
                "the virtio device at `{page}` + {offset:#x} was reset and has not stopped (status \
                 {status:#x}): it may still write to memory"
            ),
            Self::TooManyPrograms => write!(
                f,
                "is one program more than the {} there is room for",
                crate::MAX_PROGRAMS
            ),
            Self::NoRoom { what, bytes, room } => {
                write!(
                    f,
                    "needs {bytes} bytes for {what}; its VSpace has {room} for that"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_line_object_and_what_is_missing() {
        let failure = Failure {
            file: "capdl/specs/default.cdl",
            line: 12,
            object: "ut_ping",
            slot: "",
            problem: Problem::NoMemory {
                bits: 21,
                largest: Some(19),
            },
        };
        assert_eq!(
            failure.to_string(),
            "capdl/specs/default.cdl:12: ut_ping: needs an untyped of 2^21 bytes; the largest left is 2^19"
        );
        let failure = Failure {
            slot: "memory",
            problem: Problem::NoObject(7),
            ..failure
        };
        assert_eq!(
            failure.to_string(),
            "capdl/specs/default.cdl:12: ut_ping: memory: names object number 7, which the compiled spec lacks"
        );
        assert_eq!(
            Problem::PayloadTruncated("spec").of_image().to_string(),
            "boot image: the payload ends before its spec"
        );
    }
}
