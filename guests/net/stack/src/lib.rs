// SPDX-License-Identifier: BSD-2-Clause
//! The network stack of the net guest: smoltcp, what the spec says about addresses and rules, and the sockets that
//! clients have. It knows no hostcalls: frames come from whatever is a [`Device`](smoltcp::phy::Device), the time
//! from whoever calls, so that all of it is tested against another stack in the same process.
//!
//! * [`config`] and [`policy`]: what the arguments of the net guest say.
//! * [`Stack`]: the interface, its addresses, and one round of work.
//! * `tcp`, `udp`, `ping`, `resolve`: what clients ask for. They wait with wakers, and do not copy: bytes are read
//!   and written where smoltcp has them.
//!
//! Nothing that comes from the network or from a client makes any of this panic.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(test)]
extern crate std;

pub mod config;
mod lease;
mod ping;
pub mod policy;
mod ports;
mod resolve;
mod stack;
mod table;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;
mod wakers;

pub use ping::PingId;
pub use resolve::QueryId;
pub use smoltcp;
pub use stack::{Counts, FRAMES_PER_ROUND, Stack};
pub use tcp::{ConnectionId, Flow, ListenerId};
pub use udp::UdpId;
