// SPDX-License-Identifier: BSD-2-Clause
//! Drives virtio devices as no honest driver does, as its arguments say: a role, and a device. One role is
//! one promise of the server; the guest ends with code 0 if the promise held, as far as it can see that. Other
//! roles are those who watch, and who start the others.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod chains;
mod ground;
mod handles;
mod receive;
mod registers;
mod rings;
mod stage;
mod storm;
mod watch;

use drill::{Fault, Verdict};
use driver::{call, device, queue};
use userland::start::Start;

use device::Kind;
use ground::Ground;

/// Names, and what each is.
type Roles<T> = &'static [(&'static str, T)];

/// Roles with a device.
const DRIVERS: Roles<fn(&mut Ground) -> Verdict> = &[
    ("bad-buffers", chains::bad_buffers),
    ("knots", chains::knots),
    ("longest", chains::longest),
    ("bad-indices", rings::bad_indices),
    ("foreign-fields", rings::foreign_fields),
    ("same-again", rings::same_again),
    ("bad-places", rings::bad_places),
    ("bad-sizes", rings::bad_sizes),
    ("live-queues", rings::live_queues),
    ("neighbours", registers::neighbours),
    ("odd-accesses", registers::odd_accesses),
    ("read-only", registers::read_only),
    ("features", registers::features),
    ("wrong-time", registers::wrong_time),
    ("guessed", handles::guessed),
    ("closed", handles::closed),
    ("kicks", storm::kicks),
    ("acks", storm::acks),
    ("resets", storm::resets),
    ("interrupts", storm::interrupts),
    ("receive", receive::receive),
    ("neighbour", watch::neighbour),
];

/// Roles without one, or with one that is only looked at.
const OTHERS: Roles<fn(&Start) -> Verdict> = &[
    ("looker", handles::looker),
    ("watch", receive::watch),
    ("witness", watch::witness),
    ("clock", storm::clock),
    ("scenarios", stage::scenarios),
    ("dma-stops", stage::dma_stops),
];

#[userland::entrypoint]
fn main(start: Start) -> Verdict {
    let role = start.args().next().unwrap_or_default();
    if let Some((_, role)) = OTHERS.iter().find(|(name, _)| *name == role) {
        return role(&start);
    }
    let Some((_, role)) = DRIVERS.iter().find(|(name, _)| *name == role) else {
        return Err(Fault::new(alloc::format!("no role `{role}`")));
    };
    let kind = match start.args().nth(1) {
        Some("nic") => Kind::Net,
        Some("blk") => Kind::Block,
        Some("rng") => Kind::Entropy,
        other => return Err(Fault::new(alloc::format!("no device {other:?}"))),
    };
    role(&mut Ground::new(start, kind)?)
}
