// SPDX-License-Identifier: BSD-2-Clause
//! Good guests beside the others: one whose memory nobody changes or reads, and one whose device works.

use core::time::Duration;

use drill::{Fault, Verdict};
use userland::{Rights, info, shm::Region, start::Start, time::Instant, wake::Mailbox};

use crate::{call::Memory, ground::Ground};

/// What is in the memory of the witness. The test looks for it where it must not be.
const SECRET: u64 = 0x5ec2_e75e_c2e7_1dea;
/// How often each says that all is well: after so many rounds.
const ROUNDS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(2);

/// Fills memory of its own and a region, and looks at them again and again.
pub fn witness(_: &Start) -> Verdict {
    let mut mailbox = Mailbox::open()?;
    let region = Region::alloc(4)?;
    let memory = [
        Memory::grow(4)?,
        Memory::window(&region, Rights::READ_WRITE)?,
    ];
    for memory in memory {
        memory.fill(SECRET);
    }
    loop {
        for _ in 0..ROUNDS {
            mailbox.wait_until(Instant::now() + PAUSE, || None::<()>)?;
            for memory in memory {
                if let Some(at) = memory.first_other_than(SECRET) {
                    let word = memory.double(at);
                    let text = alloc::format!("{word:#x} is at {:#x}", memory.base() + at);
                    return Err(Fault::new(text));
                }
            }
        }
        info!("all is as it was");
    }
}

/// Uses its device as it is meant to be used.
pub fn neighbour(ground: &mut Ground) -> Verdict {
    let mut mailbox = Mailbox::open()?;
    loop {
        for _ in 0..ROUNDS {
            ground.works()?;
            mailbox.wait_until(Instant::now() + PAUSE, || None::<()>)?;
        }
        info!("all works as it did");
    }
}
