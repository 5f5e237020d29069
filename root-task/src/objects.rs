// SPDX-License-Identifier: BSD-2-Clause
//! The spec's objects: each has one capability in the root task's CNode, with all rights, from which
//! every other derives.

use capdl::blob::{Kind, MAX_OBJECTS, Object, ObjectId, Reader};
use heapless::Vec;
use root_task::MAX_PROGRAMS;
use root_task::problem::{Failure, Problem};
use root_task::untyped::{Block, Pool, Purpose, Split};
use sel4::cap_type::{Endpoint, IrqControl, Notification};
use sel4::init_thread::slot;
use sel4::{CapTypeForObjectOfFixedSize, FrameObjectType, ObjectBlueprint};

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

/// The slot of each object; none for those that are made of others (servers, guests, channels).
#[derive(Default)]
pub struct Objects {
    slots: Vec<Option<usize>, MAX_OBJECTS>,
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
        for (_, object) in spec.iter() {
            let made = match object.kind {
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
                Kind::Irq { number, .. } => irq_handler(memory, number).map(Some),
                _ => Ok(None),
            };
            // The blob has no more objects than this has room for.
            let _ = self.slots.push(match made {
                Ok(slot) => slot,
                Err(problem) => {
                    result = result.and(Err(problem.of(spec.file, &object)));
                    None
                }
            });
        }
        result
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
            match object.kind {
                Kind::Untyped {
                    size_bits,
                    paddr: None,
                } => want(size_bits, Want::Untyped(id)),
                Kind::Frame {
                    size_bits,
                    paddr: None,
                    ..
                } => want(size_bits, Want::Other(id)),
                Kind::Endpoint | Kind::Notification => want(0, Want::Other(id)),
                _ => {}
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
                    let made = self.small(spec, id, memory);
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
        Ok(fault_endpoint)
    }

    fn set(
        &mut self,
        spec: &Reader<'static>,
        id: ObjectId,
        made: Result<usize, Problem>,
    ) -> Result<(), Failure> {
        let object = spec
            .object(id)
            .ok_or_else(|| Problem::NoObject(id.0).of_image())?;
        self.slots[usize::from(id.0)] =
            Some(made.map_err(|problem| problem.of(spec.file, &object))?);
        Ok(())
    }

    /// A frame, endpoint or notification of memory.
    fn small(
        &self,
        spec: &Reader<'static>,
        id: ObjectId,
        memory: &mut Memory,
    ) -> Result<usize, Problem> {
        let Object { kind, .. } = spec.object(id).ok_or(Problem::NoObject(id.0))?;
        match kind {
            Kind::Endpoint => memory.object(Endpoint::object_blueprint(), "make an endpoint"),
            Kind::Notification => {
                memory.object(Notification::object_blueprint(), "make a notification")
            }
            Kind::Frame { size_bits, .. } => {
                memory.object(frame_type(size_bits)?.blueprint(), "make a frame")
            }
            _ => Err(Problem::NoObject(id.0)),
        }
    }
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

fn irq_handler(memory: &mut Memory, number: u32) -> Result<usize, Problem> {
    let made = memory.slots.take(1)?;
    cap::<IrqControl>(slot::IRQ_CONTROL.index())
        .irq_control_get(number.into(), &at(made))
        .map_err(refused("give out this interrupt"))?;
    Ok(made)
}
