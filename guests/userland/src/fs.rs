// SPDX-License-Identifier: BSD-2-Clause
//! Files, through the fs guest. Needs the grants `shared_memory`, `wake` and `time`.
//!
//! A guest that may use files shares a channel with the fs guest, whose arguments say which directories it begins with,
//! and what it may do there. It opens that channel by the name of its slot; from there on a [`Dir`] is a capability: what
//! is below can be reached, and nothing else, whatever a path or a link says.
//!
//! ```no_run
//! #![no_main]
//!
//! use userland::{fs::{Error, Fs}, info};
//!
//! #[userland::entrypoint]
//! async fn main() -> Result<(), Error> {
//!     let fs = Fs::open("fs").await?;
//!     let home = fs.root("home").await?;
//!     let mut entries = home.entries().await?;
//!     while let Some(entry) = entries.next().await? {
//!         info!("{}", entry.name);
//!     }
//!     let counter = home.read("counter").await.unwrap_or_default();
//!     let next = counter.len() as u64 + 1;
//!     info!("this is visit {next}");
//!     let file = home.create("counter").await?;
//!     file.write_at(0, &vec![b'|'; next as usize]).await?;
//!     // Now it survives a power failure.
//!     file.sync().await
//! }
//! ```
//!
//! # What it costs
//! A request and a reply, and for [`File::read_at`] and [`File::write_at`] a copy between a buffer that the fs guest
//! shares and the bytes of this guest. With a [`Buffer`] of one's own there is no copy: the disk reads and writes
//! there ([`File::read_into`], [`File::write_from`]), best in multiples of [`Fs::block`].
//!
//! # When the fs guest ends
//! What was under way ends with an error, and nobody knows whether it was done. The next request waits for the fs guest to be
//! there again, opens anew what it needs, and goes on; if what was open is not there any more, it
//! ends with [`Error::Gone`].
//!
//! The protocol is in `atoll_abi::fs`.

mod buffer;
mod dir;
mod error;
mod file;
mod node;
mod service;

pub use atoll_abi::fs::{Create, Error as Reason, Kind, Rights, Rule, Space, Stat, Time};

pub use buffer::Buffer;
pub use dir::{Dir, Entries, Entry};
pub use error::Error;
pub use file::{File, OpenOptions};
pub use service::{Fs, Options, Root};
