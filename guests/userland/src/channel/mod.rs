// SPDX-License-Identifier: BSD-2-Clause
//! Channels: frames of bytes, from many writers to many readers, through a region that all of them hold.
//!
//! A channel is made by its guests. The server backs the region with memory and rings its doorbell; what a
//! frame is, and whose turn it is, the guests agree on through the region alone (layout:
//! `atoll_abi::channel`). So a frame takes no hostcall unless somebody sleeps.
//!
//! Every reader sees every frame, in one order, with the [`WriterId`] of who wrote it. How an end stands
//! to those of the other side is its [`Strength`]:
//!
//! | | strong | weak |
//! |---|---|---|
//! | reader | holds writers back: when there is no room, they wait, or their frames are dropped ([`WhenFull`]) | is overtaken, and told how many frames it lost |
//! | writer | keeps the channel open: when the last one has gone, readers read what is there and find it closed | does not |
//!
//! A [`Config::pipe`] has one writer and one reader, which holds it back; a frame takes a third of what it
//! takes otherwise. In it, who comes after one that has gone goes on where that one stopped.
//!
//! Nothing has to be copied: a writer fills the frame where it is ([`WriteEnd::try_reserve`]), and a reader
//! reads it there ([`ReadEnd::try_borrow`]). What is in the region, others can change at any time. So
//! there are no references to it, only copies of parts: check what was copied, and do not copy it again.
//!
//! A peer may end at any moment. The room that it had reserved is given up, the slot that it had is given to
//! the next, and its generation tells that from it ([`EndInfo`]). A hostile peer can make the channel
//! useless, and no more.
//!
//! ```no_run
//! use userland::{channel::{Channel, Config, Strength}, info, shm::Region, task::spawn};
//!
//! # async fn run() -> Result<(), Box<dyn core::error::Error>> {
//! let config = Config::pipe();
//! let region = Region::alloc(config.pages())?;
//! let channel = Channel::create(&region, &config)?;
//! let mut writer = channel.writer(Strength::Strong, "counter")?;
//! let mut reader = channel.reader(Strength::Strong, "printer")?;
//! spawn(async move {
//!     for i in 0..10u32 {
//!         if writer.send(&i.to_le_bytes()).await.is_err() {
//!             break;
//!         }
//!     }
//! });
//! while let Some(frame) = reader.next().await? {
//!     info!("{:?}", frame.to_vec());
//! }
//! # Ok(())
//! # }
//! ```

#[cfg(not(loom))]
#[expect(clippy::module_inception, reason = "the thing itself")]
mod channel;
#[cfg(not(loom))]
mod config;
#[cfg(not(loom))]
mod duplex;
#[cfg(not(loom))]
mod exchange;
pub(crate) mod layout;
mod link;
mod memory;
#[cfg(all(test, loom))]
mod models;
#[cfg(not(loom))]
mod open;
#[cfg(not(loom))]
mod poll;
mod reader;
mod reservation;
mod sync;
#[cfg(all(test, not(loom)))]
mod tests;
mod wait;
mod writer;

#[cfg(not(loom))]
pub use channel::{Channel, EndInfo, Taken};
#[cfg(not(loom))]
pub use config::{Config, WhenFull};
#[cfg(not(loom))]
pub use duplex::{Chunk, Duplex, DuplexError, Input, Lost, Output};
#[cfg(not(loom))]
pub use exchange::{Exchange, ExchangeError};
#[cfg(not(loom))]
pub use open::OpenError;
pub use wait::{Reader, Writer};
#[cfg(not(loom))]
pub(crate) use {channel::Place, poll::Watch};

pub use reader::{Frame, Overtaken, ReadEnd, ReadError};
pub use reservation::Reservation;
pub use writer::{WriteEnd, WriteError, WriterId};

/// How an end stands to those of the other side.
///
/// ```no_run
/// use userland::channel::{Channel, Reader, Strength, Taken};
///
/// /// Looks at what goes by, and keeps nobody waiting.
/// fn onlooker(channel: &Channel) -> Result<Reader, Taken> {
///     channel.reader(Strength::Weak, "onlooker")
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// A reader holds writers back; a writer keeps the channel open.
    Strong,
    /// A reader is overtaken; a writer does not keep the channel open.
    Weak,
}
