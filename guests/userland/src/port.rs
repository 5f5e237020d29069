// SPDX-License-Identifier: BSD-2-Clause
//! Channels of values: postcard in each frame.
//!
//! A [`Sender`] writes values of a type that can be serialized, a [`Receiver`] reads them. What the type is, is
//! between those who share the channel. A receiver copies a frame to memory of its own before it looks at it: so
//! what others write meanwhile changes nothing. A frame that is no such value is an error of that message; the
//! next one can be received.
//!
//! ```no_run
//! use serde::{Deserialize, Serialize};
//! use userland::{channel::{Channel, Config, Strength}, info, port::{Receiver, Sender}, shm::Region};
//!
//! #[derive(Debug, Serialize, Deserialize)]
//! struct Reading {
//!     sensor: u32,
//!     celsius: f32,
//! }
//!
//! async fn measure(region: &Region) -> Result<(), Box<dyn core::error::Error>> {
//!     let channel = Channel::create(region, &Config::new())?;
//!     let mut readings = Sender::new(&channel, Strength::Strong, "thermometer")?;
//!     readings.send(&Reading { sensor: 1, celsius: 21.5 }).await?;
//!     Ok(())
//! }
//!
//! async fn show(region: &Region) -> Result<(), Box<dyn core::error::Error>> {
//!     let channel = Channel::opened(region).await?;
//!     let mut readings = Receiver::<Reading>::new(&channel, Strength::Strong, "display")?;
//!     while let Some(reading) = readings.receive().await? {
//!         let who = readings.sender_of(&reading);
//!         info!("{}: {:?}", who.map_or("one that left".into(), |end| end.name), reading.value);
//!     }
//!     Ok(())
//! }
//! ```

pub(crate) mod codec;
mod receiver;
mod sender;
#[cfg(test)]
mod tests;

pub use receiver::{Message, ReceiveError, Receiver};
pub use sender::{SendError, Sender};
