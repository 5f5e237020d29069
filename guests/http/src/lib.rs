// SPDX-License-Identifier: BSD-2-Clause
//! HTTP/1.1 (RFC 9110, RFC 9112) without input and output: what comes is fed in, in whatever pieces; what goes out is
//! bytes. So all of it is tested where there is no network.
//!
//! [`Requests`] takes a server's side apart, [`Response`] a client's, and both read bodies with [`Body`]. Whatever a
//! peer sends is a request or a [`Status`] to refuse it with; how much of it is kept is bounded.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;

mod body;
pub mod files;
mod head;
mod requests;
mod response;
pub mod site;
mod status;
#[cfg(test)]
mod tests;
mod url;

pub use body::{Body, Piece};
pub use head::{Head, Length, Method};
pub use requests::{Limits, Requests, Step};
pub use response::{NoResponse, Response};
pub use status::Status;
pub use url::{BadUrl, Url};
