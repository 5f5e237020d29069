// SPDX-License-Identifier: BSD-2-Clause
//! The spec's objects: each has one capability in the root task's CNode, with all rights, from which
//! every other derives. [`fill`](crate::fill) puts capabilities and contents into them.

use capdl::blob::{Kind, MAX_OBJECTS, ObjectId, Reader, Trigger};
use heapless::Vec;
use root_task::MAX_PROGRAMS;
use root_task::problem::{Failure, Problem};
use root_task::untyped::{Block, MIN_BITS, Pool, Purpose, Split};
use root_task::within::{Part, Whole};
use sel4::cap_type::{AsidControl, Endpoint, IrqControl};
use sel4::init_thread::slot;
use sel4::{
    CapTypeForObjectOfFixedSize, FrameObjectType, ObjectBlueprint, TranslationTableObjectType,
};

use crate::invoke::{Slots, at, cap, refused, retype};
use crate::program::Program;

/// Free memory and free slots.
pub struct Memory {
    /// Free memory.
    pub pool: Pool,
    /// Free slots of the root task's CNode.
    pub slots: Slots,
}

impl Split for Slots {
    fn split(&mut self, block: &Block) -> Result<[usize; 2], Problem> {
        let first = self.take(2)?;
        let half = ObjectBlueprint::Untyped {
            size_bits: usize::from(block.bits - 1),
        };
        retype(block.slot, half, first, 2, "split an untyped")?;
        Ok([first, first + 1])
    }
}

impl Memory {
    /// An untyped; returns its slot.
    pub fn untyped(&mut self, bits: u8, purpose: Purpose) -> Result<usize, Problem> {
        Ok(self.pool.take(bits, purpose, &mut self.slots)?.slot)
    }

    /// One object from memory of its own size; returns its slot.
    pub fn object(
        &mut self,
        blueprint: ObjectBlueprint,
        doing: &'static str,
    ) -> Result<usize, Problem> {
        let untyped = self.untyped(blueprint.physical_size_bits() as u8, Purpose::Retype)?;
        let made = self.slots.take(1)?;
        retype(untyped, blueprint, made, 1, doing)?;
        Ok(made)
    }
}

/// The slot of each object; none for those that are made of others (programs, guests, channels).
#[derive(Default)]
pub struct Objects {
    slots: Vec<Option<usize>, MAX_OBJECTS>,
    /// Objects that are declared in untypeds, and these.
    within: Vec<(ObjectId, ObjectId), MAX_OBJECTS>,
}

/// What is still to be made, apart from its size.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Want {
    /// An untyped that is handed on, which is before others of its size: it may then get one that
    /// need not be zeroed.
    Untyped(ObjectId),
    /// The untyped that a program is made of.
    Fabric(usize),
    /// Any other object.
    Other(ObjectId),
    /// The endpoint for all programs' faults.
    FaultEndpoint,
}

impl Objects {
    /// The slot of an object.
    pub fn slot(&self, id: ObjectId) -> Result<usize, Problem> {
        self.slots
            .get(usize::from(id.0))
            .copied()
            .flatten()
            .ok_or(Problem::NoObject(id.0))
    }

    /// Makes what is tied to a place: physical addresses, which others might take otherwise, and
    /// interrupts. One failure does not keep the others from being made, the console among them; the
    /// first is returned.
    pub fn make_placed(
        &mut self,
        spec: &Reader<'static>,
        memory: &mut Memory,
    ) -> Result<(), Failure> {
        let mut result = Ok(());
        for (id, object) in spec.iter() {
            let made = match object.kind {
                _ if let Some(untyped) = object.within => {
                    // The blob has no more objects than this has room for.
                    let _ = self.within.push((id, untyped));
                    Ok(None)
                }
                Kind::Untyped {
                    size_bits,
                    paddr: Some(paddr),
                } => memory
                    .pool
                    .take_at(paddr, size_bits, &mut memory.slots)
                    .map(|block| Some(block.slot)),
                Kind::Frame {
                    size_bits,
                    paddr: Some(paddr),
                    ..
                } => frame_at(memory, paddr, size_bits).map(Some),
                Kind::Irq {
                    number, trigger, ..
                } => irq_handler(memory, number, trigger).map(Some),
                _ => Ok(None),
            };
            // The same.
            let _ = self.slots.push(match made {
                Ok(slot) => slot,
                Err(problem) => {
                    result = result.and(Err(problem.of(spec.file, &object)));
                    None
                }
            });
        }
        result.and(self.make_within(spec, memory))
    }

    /// Makes the rest, the largest first so that no memory is lost to alignment: objects and the
    /// untypeds that programs are made of. Returns the slot of the endpoint for faults.
    pub fn make_rest(
        &mut self,
        spec: &Reader<'static>,
        programs: &mut Vec<Program, MAX_PROGRAMS>,
        memory: &mut Memory,
    ) -> Result<usize, Failure> {
        let mut wants: Vec<(u8, Want), { MAX_OBJECTS + MAX_PROGRAMS + 1 }> = Vec::new();
        // Every object is wanted at most once, so there is room.
        let mut want = |bits, what| {
            let _ = wants.push((bits, what));
        };
        for (id, object) in spec.iter() {
            if object.within.is_some() || self.slots[usize::from(id.0)].is_some() {
                continue;
            }
            let bits = size_bits(&object.kind).map_err(|problem| problem.of(spec.file, &object))?;
            match (&object.kind, bits) {
                (Kind::Untyped { .. }, Some(bits)) => want(bits, Want::Untyped(id)),
                (_, Some(bits)) => want(bits, Want::Other(id)),
                (_, None) => {}
            }
        }
        for (index, program) in programs.iter().enumerate() {
            want(program.plan.bits, Want::Fabric(index));
        }
        want(0, Want::FaultEndpoint);
        wants.sort_unstable_by_key(|&(bits, what)| (core::cmp::Reverse(bits), what));

        let mut fault_endpoint = 0;
        for (bits, what) in wants {
            match what {
                Want::Untyped(id) => {
                    let made = memory.untyped(bits, Purpose::HandOn);
                    self.set(spec, id, made)?;
                }
                Want::Other(id) => {
                    let made = memory
                        .untyped(bits, Purpose::Retype)
                        .and_then(|untyped| made_of(spec, id, untyped, &mut memory.slots));
                    self.set(spec, id, made)?;
                }
                Want::Fabric(index) => {
                    let program = &mut programs[index];
                    let taken = memory.untyped(bits, Purpose::Retype).and_then(|untyped| {
                        program.fabric = untyped;
                        program.first_slot = memory.slots.take(program.slots())?;
                        Ok(())
                    });
                    taken.map_err(|problem| program.failure(spec.file, problem))?;
                }
                Want::FaultEndpoint => {
                    fault_endpoint = memory
                        .object(Endpoint::object_blueprint(), "make the endpoint for faults")
                        .map_err(Problem::of_image)?;
                }
            }
        }
        self.make_within(spec, memory)?;
        match self.within.first() {
            None => Ok(fault_endpoint),
            Some(&(id, _)) => Err(failure(spec, id, Problem::NotInUntyped)),
        }
    }

    /// Makes what is declared in untypeds that are there, and in what is made so.
    fn make_within(&mut self, spec: &Reader<'static>, memory: &mut Memory) -> Result<(), Failure> {
        let there = |objects: &Self, untyped: ObjectId| {
            let known = objects.slots.get(usize::from(untyped.0));
            known.copied().flatten().is_some()
        };
        while let Some(&(id, untyped)) = self
            .within
            .iter()
            .find(|(_, untyped)| there(self, *untyped))
        {
            let wrong = |id, problem| failure(spec, id, problem);
            let mut parts: Vec<Part, MAX_OBJECTS> = Vec::new();
            for &(id, _) in self.within.iter().filter(|(_, other)| *other == untyped) {
                let object = spec.object(id).ok_or(wrong(id, Problem::NoObject(id.0)))?;
                let bits = size_bits(&object.kind)
                    .and_then(|bits| bits.ok_or(Problem::NotInUntyped))
                    .map_err(|problem| wrong(id, problem))?;
                if let Kind::Untyped { paddr: Some(_), .. } | Kind::Frame { paddr: Some(_), .. } =
                    object.kind
                {
                    return Err(wrong(id, Problem::PlacedWithin));
                }
                // They are among those in `within`.
                let _ = parts.push(Part { id, bits });
            }
            self.within.retain(|(_, other)| *other != untyped);
            let source = self.slot(untyped).map_err(|problem| wrong(id, problem))?;
            let Some((
                name,
                Kind::Untyped {
                    size_bits: bits, ..
                },
            )) = spec
                .object(untyped)
                .map(|object| (object.name, object.kind))
            else {
                return Err(wrong(id, Problem::NotInUntyped));
            };
            Whole { name, bits }
                .order(&mut parts)
                .map_err(|(id, problem)| wrong(id, problem))?;
            for part in &parts {
                let made = made_of(spec, part.id, source, &mut memory.slots);
                self.set(spec, part.id, made)?;
            }
        }
        Ok(())
    }

    fn set(
        &mut self,
        spec: &Reader<'static>,
        id: ObjectId,
        made: Result<usize, Problem>,
    ) -> Result<(), Failure> {
        self.slots[usize::from(id.0)] = Some(made.map_err(|problem| failure(spec, id, problem))?);
        Ok(())
    }
}

/// The problem of an object of the spec.
pub fn failure(spec: &Reader<'static>, id: ObjectId, problem: Problem) -> Failure {
    match spec.object(id) {
        Some(object) => problem.of(spec.file, &object),
        None => Problem::NoObject(id.0).of_image(),
    }
}

/// What to retype for an object; none for one that is not made of untyped memory, or in more than one step.
fn blueprint(kind: &Kind<'_>) -> Result<Option<ObjectBlueprint>, Problem> {
    Ok(Some(match *kind {
        Kind::Untyped { size_bits, .. } => ObjectBlueprint::Untyped {
            size_bits: size_bits.max(MIN_BITS).into(),
        },
        Kind::Frame { size_bits, .. } => frame_type(size_bits)?.blueprint(),
        Kind::Endpoint => ObjectBlueprint::Endpoint,
        Kind::Notification => ObjectBlueprint::Notification,
        Kind::CNode { size_bits } => ObjectBlueprint::CNode {
            size_bits: size_bits.into(),
        },
        Kind::PageTable { level } => TranslationTableObjectType::from_level(level.into())
            .ok_or(Problem::TableLevel(level))?
            .blueprint(),
        Kind::Tcb(_) => ObjectBlueprint::Tcb,
        _ => return Ok(None),
    }))
}

/// The untyped that becomes an ASID pool.
fn asid_pool_memory() -> ObjectBlueprint {
    ObjectBlueprint::Untyped {
        size_bits: ObjectBlueprint::asid_pool().physical_size_bits(),
    }
}

/// log2 of the bytes of an object; none for one that takes no untyped memory of its own.
fn size_bits(kind: &Kind<'_>) -> Result<Option<u8>, Problem> {
    let blueprint = match kind {
        Kind::AsidPool => Some(asid_pool_memory()),
        _ => blueprint(kind)?,
    };
    Ok(blueprint.map(|blueprint| blueprint.physical_size_bits() as u8))
}

/// Makes an object of an untyped that has room for it; returns its slot.
fn made_of(
    spec: &Reader<'static>,
    id: ObjectId,
    untyped: usize,
    slots: &mut Slots,
) -> Result<usize, Problem> {
    let object = spec.object(id).ok_or(Problem::NoObject(id.0))?;
    let made = slots.take(1)?;
    if let Some(blueprint) = blueprint(&object.kind)? {
        retype(untyped, blueprint, made, 1, "make it")?;
    } else {
        let pool = slots.take(1)?;
        retype(untyped, asid_pool_memory(), pool, 1, "make it")?;
        cap::<AsidControl>(slot::ASID_CONTROL.index())
            .asid_control_make_pool(cap(pool), &at(made))
            .map_err(refused("make an ASID pool"))?;
    }
    Ok(made)
}

/// The type of frames of `2^bits` bytes.
pub fn frame_type(bits: u8) -> Result<FrameObjectType, Problem> {
    FrameObjectType::from_bits(bits.into()).ok_or(Problem::FrameSize(bits))
}

fn frame_at(memory: &mut Memory, paddr: u64, bits: u8) -> Result<usize, Problem> {
    let blueprint = frame_type(bits)?.blueprint();
    let block = memory.pool.take_at(paddr, bits, &mut memory.slots)?;
    let made = memory.slots.take(1)?;
    retype(
        block.slot,
        blueprint,
        made,
        1,
        "make a frame of these registers",
    )?;
    Ok(made)
}

fn irq_handler(
    memory: &mut Memory,
    number: u32,
    trigger: Option<Trigger>,
) -> Result<usize, Problem> {
    // What the kernel sets up at its start, and has no call to change.
    if trigger == Some(Trigger::Edge) {
        return Err(Problem::EdgeTrigger);
    }
    let made = memory.slots.take(1)?;
    cap::<IrqControl>(slot::IRQ_CONTROL.index())
        .irq_control_get(number.into(), &at(made))
        .map_err(|error| match error {
            sel4::Error::RangeError => Problem::NoIrq(number),
            sel4::Error::RevokeFirst => Problem::IrqTaken(number),
            other => refused("give out this interrupt")(other),
        })?;
    Ok(made)
}
