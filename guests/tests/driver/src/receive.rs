// SPDX-License-Identifier: BSD-2-Clause
//! A network device that fills buffers, up to the end of whoever gave them, and those who look at that memory
//! afterwards.

use alloc::vec::Vec;
use core::time::Duration;

use drill::{
    Fault, Verdict, ensure,
    line::{self, Line, Side},
};
use userland::{PAGE, Rights, start::Start, time::Instant};

use crate::{
    call::{self, Memory},
    ground::{FRAME, Ground, PATIENCE},
    queue::Descriptor,
};

/// Frames that have landed when a receiver says so.
const ENOUGH: u32 = 64;
/// How long memory is watched.
const WATCH: Duration = Duration::from_millis(100);
/// What it is filled with, then.
const CALM: u64 = 0x0ca1_0ca1_0ca1_0ca1;

/// So many new pages of the guest's own.
pub fn memory(pages: u32) -> Verdict<Memory> {
    Ok(Memory::grow(pages)?)
}

/// Buffers that are filled again and again.
#[derive(Debug)]
pub struct Receiver {
    landed: u32,
}

impl Receiver {
    /// Starts the device, with all of this memory as buffers.
    pub fn start(ground: &mut Ground, memory: Memory) -> Verdict<Self> {
        ground.bring_up()?;
        let count = (memory.len() / FRAME).min(ground.queues[0].size().into());
        for index in 0..count {
            let buffer = Descriptor::of(memory.part(index * FRAME, FRAME), true);
            ground.queues[0].describe(index as u16, buffer);
            ground.queues[0].offer(index as u16);
        }
        ground.kick(0)?;
        Ok(Self { landed: 0 })
    }

    /// Gives back to the device what it has filled.
    pub fn again(&mut self, ground: &mut Ground) -> Verdict {
        let mut has_any = false;
        while let Some((head, _)) = ground.queues[0].take() {
            self.landed = self.landed.wrapping_add(1);
            ground.queues[0].offer(head);
            has_any = true;
        }
        if has_any {
            ground.kick(0)?;
        }
        Ok(())
    }

    /// How many frames have come.
    pub const fn landed(&self) -> u32 {
        self.landed
    }

    /// Goes on until so many have come.
    fn until(&mut self, ground: &mut Ground, count: u32) -> Verdict {
        let end = Instant::now() + PATIENCE;
        while self.landed < count {
            let came = call::wait(ground.device.handle, 0, end.nanoseconds())?;
            ensure!(came, "{} frames came, not {count}", self.landed);
            self.again(ground)?;
        }
        Ok(())
    }
}

/// Receives into its own memory, or into a window if it was given a region, and says when that goes well; then it
/// does as its argument says, with the buffers where they are.
pub fn receive(ground: &mut Ground) -> Verdict {
    let region = ground.start.region("window");
    let memory = match &region {
        Some(region) => Memory::window(region, Rights::READ_WRITE)?,
        None => memory(4)?,
    };
    let line = ground.start.region(line::NAME);
    let line = line.ok_or_else(|| Fault::new("there is no line"))?;
    let line = Line::new(line, Side::Watched)?;
    let mut receiver = Receiver::start(ground, memory)?;
    receiver.until(ground, ENOUGH)?;
    line.say(1)?;
    let how: Vec<_> = ground
        .start
        .args()
        .skip(2)
        .map(alloc::string::String::from)
        .collect();
    match how.first().map(|how| &**how) {
        Some("exit") => Ok(()),
        Some("panic") => panic!("as it was told"),
        Some("reset") => {
            ground.device.reset()?;
            is_calm(&[memory])
        }
        Some("detach") => {
            memory.detach()?;
            // What was a window is private now.
            is_calm(&[memory])?;
            line.say(2)?;
            is_calm(&[memory])
        }
        _ => loop {
            // When the memory is gone, so is the device's use of it, and an error is the answer to that.
            let more = receiver.landed().wrapping_add(ENOUGH);
            if receiver.until(ground, more).is_err() {
                ground.device.is_broken()?;
                return ground.works();
            }
        },
    }
}

/// All the memory that there is, new and of somebody who is gone, stays as it is made.
pub fn watch(_: &Start) -> Verdict {
    let mut pages = Vec::with_capacity(64);
    while let Ok(page) = Memory::grow(1) {
        ensure!(
            page.first_other_than(0).is_none(),
            "new memory is not zeroed"
        );
        pages.push(page);
        if pages.len() == pages.capacity() {
            break;
        }
    }
    ensure!(pages.len() > 4, "{} pages are left", pages.len());
    is_calm(&pages)
}

/// Nobody else writes there.
pub fn is_calm(memory: &[Memory]) -> Verdict {
    for memory in memory {
        memory.fill(CALM);
    }
    let end = Instant::now() + WATCH;
    while Instant::now() < end {
        for memory in memory {
            if let Some(at) = memory.first_other_than(CALM) {
                let word = memory.double(at);
                let at = memory.base() + at;
                let text = alloc::format!("somebody has written {word:#x} to {at:#x}");
                return Err(Fault::new(text));
            }
        }
    }
    Ok(())
}

/// Windows onto so many new regions of a page each.
pub fn windows(regions: &[userland::shm::Region]) -> Verdict<Vec<Memory>> {
    let windows = regions
        .iter()
        .map(|region| Memory::window(region, Rights::READ_WRITE));
    let windows: Vec<_> = windows.collect::<Result<_, _>>()?;
    ensure!(
        windows.iter().all(|window| window.len() == PAGE),
        "a region of another size"
    );
    Ok(windows)
}
