// SPDX-License-Identifier: BSD-2-Clause
//! What several programs have in common, and what of it outlives each of them: the frames of channels, what
//! each program says about them to the others, the notifications they signal each other with, and one timer.
//!
//! All of it is the root task's. A program has copies of capabilities, in its own CNode, and these go with that.

use core::ops::Range;

use capdl::blob::ObjectId;
use heapless::Vec;
use root_task::MAX_PROGRAMS;
use root_task::common::{Channel, Common};
use root_task::elf::Access;
use root_task::plan::{Mapped, PAGE, PAGE_BITS};
use root_task::problem::{Failure, Problem};
use sel4::cap_type::{Granule, IrqHandler, Notification};
use sel4::init_thread::slot as root_slot;
use sel4::{CapRights, CapRightsBuilder, CapTypeForObjectOfFixedSize};
use wasm_handoff::commons::{DEADLINES, LINE_BUSY};
use wasm_handoff::deadlines::{self, NEVER};
use wasm_handoff::ledger::{self, RUNG};
use wasm_handoff::{Holder, MAX_HOLDERS, MAX_SHARED, SharedChannel, Words, badge};

use crate::System;
use crate::invoke::{at, cap, refused, retype};
use crate::objects::{Memory, Objects};
use crate::parts::Parts;
use crate::program::Role;
use crate::raw;
use crate::vspace::{Fabric, RootWindows};

/// See the module.
pub struct Shared {
    /// What the spec has in common.
    pub common: Common,
    made: Vec<Made, MAX_SHARED>,
    /// The slot of each program's notification.
    notifications: Vec<usize, MAX_PROGRAMS>,
    commons: Option<Commons>,
    /// An empty slot, to prepare capabilities in.
    spare: usize,
}

/// What a channel is made of.
struct Made {
    /// The first slot of its frames.
    frames: usize,
    /// The slot of the ledger of each holder.
    ledgers: Vec<usize, MAX_PROGRAMS>,
}

/// The page for console and timer.
struct Commons {
    frame: usize,
    page: raw::SharedPage,
    /// Slot of the timer's interrupt handler.
    timer: Option<usize>,
}

/// What a program is told of it.
#[derive(Default)]
pub struct Told {
    /// Its number.
    pub program: u8,
    /// How often it was started before.
    pub life: u8,
    /// As in the handoff.
    pub shared: Vec<SharedChannel, MAX_SHARED>,
    /// As in the handoff.
    pub holders: Vec<Holder, MAX_HOLDERS>,
    /// As in the handoff.
    pub commons: u64,
    /// As in the handoff.
    pub shares_timer: bool,
}

impl Shared {
    /// Makes everything, for so many programs. The objects of the spec are there.
    pub fn make(
        common: Common,
        programs: usize,
        spec: &capdl::blob::Reader<'static>,
        objects: &Objects,
        memory: &mut Memory,
        windows: RootWindows,
    ) -> Result<Self, Failure> {
        let mut made = Vec::new();
        for channel in &common.channels {
            let parts = Made::make(channel, objects, memory).map_err(|problem| {
                spec.object(channel.object).map_or_else(
                    || problem.clone().of_image(),
                    |object| problem.clone().of(spec.file, &object),
                )
            })?;
            // There is room for as many as there are.
            let _ = made.push(parts);
        }
        let mut notifications = Vec::new();
        for _ in 0..programs {
            let notification = memory
                .object(
                    Notification::object_blueprint(),
                    "make a program's notification",
                )
                .map_err(Problem::of_image)?;
            let _ = notifications.push(notification);
        }
        let is_used = common.timer_users | common.console_users != 0;
        let commons = is_used
            .then(|| Commons::make(&common, objects, memory, windows))
            .transpose()
            .map_err(Problem::of_image)?;
        Ok(Self {
            common,
            made,
            notifications,
            commons,
            spare: memory.slots.take(1).map_err(Problem::of_image)?,
        })
    }

    /// Slot of the notification of the program with this number.
    pub fn notification(&self, program: u8) -> Result<usize, Problem> {
        let slot = self.notifications.get(usize::from(program));
        slot.copied().ok_or(Problem::TooManyPrograms)
    }

    /// The slots of the frames of a channel.
    pub fn frames(&self, channel: ObjectId) -> Result<Range<usize>, Problem> {
        let mut all = self.common.channels.iter().zip(&self.made);
        let found = all.find(|(of, _)| of.object == channel);
        let (of, made) = found.ok_or(Problem::NoObject(channel.0))?;
        Ok(made.frames..made.frames + of.pages())
    }

    /// Gives a program what it has in common with others. A server gets the frames of channels, which it maps itself;
    /// a native task has had them mapped.
    pub fn give(
        &self,
        program: u8,
        role: Role,
        parts: &mut Parts,
        fabric: &mut Fabric,
    ) -> Result<Told, Problem> {
        let mut told = Told {
            program,
            ..Told::default()
        };
        for (channel, made) in self.common.channels.iter().zip(&self.made) {
            let Some(own) = channel.holders.iter().find(|h| h.program == program) else {
                continue;
            };
            let mut shared = SharedChannel {
                object: channel.object.0,
                frames: match role {
                    Role::Server => give_frames(parts, made.frames, channel, own.write)?,
                    Role::Task => 0,
                },
                write: own.write,
                ledger: 0,
                signal: self.common.signal(program, channel.object),
            };
            for (holder, &ledger) in channel.holders.iter().zip(&made.ledgers) {
                if holder.program == program {
                    shared.ledger = map(parts, fabric, ledger, Access::Write)?;
                    continue;
                }
                let other = Holder {
                    object: channel.object.0,
                    program: holder.program,
                    ledger: map(parts, fabric, ledger, Access::Read)?,
                    notification: match role {
                        // Who may only read does not ring. Of a server's guests that end, the others are told.
                        Role::Task if !own.write => 0,
                        _ => self.give_signal(parts, holder.program, channel)?,
                    },
                };
                told.holders
                    .push(other)
                    .map_err(|_| Problem::TooManyShared)?;
            }
            told.shared
                .push(shared)
                .map_err(|_| Problem::TooManyShared)?;
        }
        if let Some(commons) = self
            .commons
            .as_ref()
            .filter(|_| self.common.is_user(program))
        {
            told.commons = map(parts, fabric, commons.frame, Access::Write)?;
            told.shares_timer = self.common.timer_users >> program & 1 != 0;
        }
        Ok(told)
    }

    /// Lets the program signal another one for a channel; answers the slot.
    fn give_signal(&self, parts: &mut Parts, other: u8, channel: &Channel) -> Result<u64, Problem> {
        let slot = parts.take()?;
        let bit = self.common.signal(other, channel.object);
        let rights = CapRightsBuilder::none().write(true).build();
        parts
            .own()
            .at(slot)
            .mint(&at(self.notification(other)?), rights, 1 << bit)
            .map_err(refused("let the program signal another"))?;
        Ok(slot)
    }

    /// Cleans up after a program, of which nothing is left that could write: nobody in it holds a channel any
    /// more, and the others are told.
    pub fn leave(program: u8, system: &mut System) -> Result<(), Problem> {
        let System {
            shared, scratch, ..
        } = system;
        if let Some(commons) = shared
            .commons
            .as_ref()
            .filter(|_| shared.common.is_user(program))
        {
            commons.page.store(DEADLINES + usize::from(program), NEVER);
            // It may have been its own.
            commons.page.store(LINE_BUSY, 0);
        }
        for (channel, made) in shared.common.channels.iter().zip(&shared.made) {
            let place = channel.holders.iter().position(|h| h.program == program);
            let Some(&ledger) = place.and_then(|place| made.ledgers.get(place)) else {
                continue;
            };
            let before = scratch.read(ledger, RUNG * 8)?.unwrap_or(0);
            let mut page = [0; PAGE as usize];
            for (bytes, word) in page.chunks_exact_mut(8).zip(ledger::cleared(before)) {
                bytes.copy_from_slice(&word.to_ne_bytes());
            }
            scratch.write(ledger, 0, &page, false)?;
            for other in channel.holders.iter().filter(|h| h.program != program) {
                let bit = shared.common.signal(other.program, channel.object);
                shared.signal(other.program, 1 << bit)?;
            }
        }
        Ok(())
    }

    /// The timer that programs share has fired.
    pub fn timer_fired(&self) -> Result<(), Problem> {
        let Some(commons) = &self.commons else {
            return Ok(());
        };
        let due = deadlines::fire(&commons.page, raw::ticks(), raw::set_timer);
        if let Some(timer) = commons.timer {
            cap::<IrqHandler>(timer)
                .irq_handler_ack()
                .map_err(refused("let the timer's next interrupt come"))?;
        }
        // Only who shares it has a deadline, but anybody of them can say whose.
        for program in
            (0..MAX_PROGRAMS as u8).filter(|n| (due & self.common.timer_users) >> n & 1 != 0)
        {
            self.signal(program, badge::TIMER)?;
        }
        Ok(())
    }

    fn signal(&self, program: u8, badge: u64) -> Result<(), Problem> {
        let spare = at(self.spare);
        let rights = CapRightsBuilder::none().write(true).build();
        spare
            .mint(&at(self.notification(program)?), rights, badge)
            .map_err(refused("signal a program"))?;
        cap::<Notification>(self.spare).signal();
        spare.delete().map_err(refused("signal a program"))
    }
}

impl Made {
    fn make(channel: &Channel, objects: &Objects, memory: &mut Memory) -> Result<Self, Problem> {
        let count = channel.pages();
        let frames = memory.slots.take(count)?;
        let untyped = objects.slot(channel.memory)?;
        retype(
            untyped,
            Granule::object_blueprint(),
            frames,
            count,
            "make the frames of a channel",
        )?;
        let mut ledgers = Vec::new();
        for _ in &channel.holders {
            let ledger = memory.object(Granule::object_blueprint(), "make a page of a channel")?;
            // There is room for one of each program.
            let _ = ledgers.push(ledger);
        }
        Ok(Self { frames, ledgers })
    }
}

impl Commons {
    fn make(
        common: &Common,
        objects: &Objects,
        memory: &mut Memory,
        windows: RootWindows,
    ) -> Result<Self, Problem> {
        let frame = memory.object(
            Granule::object_blueprint(),
            "make a page that servers have in common",
        )?;
        let page = raw::map_shared(frame, windows)?;
        for program in 0..MAX_PROGRAMS {
            page.store(DEADLINES + program, NEVER);
        }
        let timer = common.timer.map(|irq| objects.slot(irq)).transpose()?;
        if let Some(timer) = timer {
            let notification = memory.object(
                Notification::object_blueprint(),
                "make a notification for the timer",
            )?;
            root_slot::TCB
                .cap()
                .tcb_bind_notification(cap(notification))
                .map_err(refused("receive signals with messages"))?;
            let badged = memory.slots.take(1)?;
            at(badged)
                .mint(&at(notification), CapRights::all(), badge::ROOT_TIMER)
                .map_err(refused("receive the timer's interrupt"))?;
            let handler = cap::<IrqHandler>(timer);
            handler
                .irq_handler_set_notification(cap(badged))
                .and_then(|()| handler.irq_handler_ack())
                .map_err(refused("receive the timer's interrupt"))?;
        }
        Ok(Self { frame, page, timer })
    }
}

/// Gives a server the frames of a channel, in slots in a row; answers the first.
fn give_frames(
    parts: &mut Parts,
    frames: usize,
    channel: &Channel,
    write: bool,
) -> Result<u64, Problem> {
    let rights = if write {
        CapRights::read_write()
    } else {
        CapRights::read_only()
    };
    let first = parts.next;
    for frame in frames..frames + channel.pages() {
        let slot = parts.take()?;
        parts
            .own()
            .at(slot)
            .copy(&at(frame), rights)
            .map_err(refused("give the program a frame of a channel"))?;
    }
    Ok(first)
}

/// Maps a copy of a frame's capability where the next frame goes; answers where.
fn map(
    parts: &mut Parts,
    fabric: &mut Fabric,
    frame: usize,
    access: Access,
) -> Result<u64, Problem> {
    let vaddr = parts.windows.place(Mapped::Frame(PAGE_BITS))?;
    parts.space.cover(fabric, vaddr, PAGE, PAGE_BITS)?;
    parts.map_copy(frame, vaddr, access)?;
    Ok(vaddr)
}
