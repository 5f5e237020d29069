// SPDX-License-Identifier: BSD-2-Clause
//! Requests and replies between guests. Needs the grants `shared_memory`, `wake` and `time`.
//!
//! A service has a door: a region that the spec gives to it and its clients, or that clients look up as a
//! [`Service`](crate::singleton::Service). A client makes a region of its own for its connection, with a pipe for
//! requests and one for replies, and hands it to the service through the door. From then on the two share that
//! region with nobody.
//!
//! ```no_run
//! use core::time::Duration;
//! use serde::{Deserialize, Serialize};
//! use userland::{info, rpc::{Client, Options, Server}, shm::Region};
//!
//! #[derive(Serialize, Deserialize)]
//! enum Question {
//!     Add(u32, u32),
//!     Divide(u32, u32),
//! }
//! type Answer = Option<u32>;
//!
//! async fn serve(door: &Region) -> Result<(), Box<dyn core::error::Error>> {
//!     let server = Server::<Question, Answer>::open(door, "calculator")?;
//!     server
//!         .serve(|question, _caller| async move {
//!             match question {
//!                 Question::Add(a, b) => a.checked_add(b),
//!                 Question::Divide(a, b) => a.checked_div(b),
//!             }
//!         })
//!         .await?;
//!     Ok(())
//! }
//!
//! async fn ask(door: &Region) -> Result<(), Box<dyn core::error::Error>> {
//!     let client = Client::<Question, Answer>::connect(door, Options::named("pupil")).await?;
//!     let sum = client.call(&Question::Add(2, 3)).within(Duration::from_secs(1)).await?;
//!     info!("2 + 3 = {sum:?}");
//!     Ok(())
//! }
//! ```
//!
//! # What a client meets
//! Several calls can be under way at once, from several tasks; the service may answer them in any order. To drop
//! a call is to cancel it: the service drops what it does for it. A call may have a deadline, which the service
//! knows too. When the service ends, calls end with [`CallError::Disconnected`]; [`Client::reconnect`] waits for the
//! service to be there again, and says by a generation that it is another.
//!
//! A connection lasts no longer than the client holds the door that it came through: whoever takes the door from a client
//! ends its connections. When a door that was in a slot of the client is given back, it connects again through that.
//!
//! # Who trusts whom
//! In its connection, neither side has to trust the other: each can make the connection useless, and nothing
//! else. A client that does not read replies waits for itself. At the door it is different: whoever holds that
//! region can write it, take up what another client hands in, or pretend to be the service. Clients that
//! distrust each other get a door each ([`Server::also_at`]).

mod calls;
mod client;
mod connection;
mod error;
mod knock;
mod owned;
mod porch;
mod request;
mod server;
#[cfg(all(test, not(loom)))]
mod tests;
mod wire;

pub use calls::Call;
pub use client::{Client, Options};
pub use connection::Caller;
pub use error::{CallError, ConnectError, Refusal, ServeError};
pub use request::{Request, Requests};
pub use server::{Limits, Server};

pub(crate) use owned::Owned;
#[cfg(all(test, not(loom)))]
pub(crate) use tests::meet;
