// SPDX-License-Identifier: BSD-2-Clause
//! Responses, as a client reads them.

use httparse::EMPTY_HEADER;

use crate::{
    Length,
    head::{Fields, MAX_FIELDS},
};

/// Most bytes of a response's head.
const MAX_HEAD: usize = 16 << 10;

/// A response, up to its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub code: u16,
    /// How long the body is, as the head says: to a request for the head alone there is none.
    pub length: Length,
    /// Bytes of the head.
    pub head: usize,
}

/// This is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoResponse;

impl core::fmt::Display for NoResponse {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("this is no response of HTTP/1.1")
    }
}

impl core::error::Error for NoResponse {}

impl Response {
    /// At the begin of these bytes; none if there is not all of it yet. One that only says that another will follow
    /// (1xx) is skipped by the caller.
    ///
    /// # Errors
    /// [`NoResponse`].
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, NoResponse> {
        let mut fields = [EMPTY_HEADER; MAX_FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        let head = match response.parse(bytes) {
            Ok(httparse::Status::Complete(head)) => head,
            Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return Ok(None),
            _ => return Err(NoResponse),
        };
        let code = response.code.ok_or(NoResponse)?;
        let length = match code {
            100..200 | 204 | 304 => Length::None,
            _ => Fields(response.headers).length().map_err(|_| NoResponse)?,
        };
        Ok(Some(Self { code, length, head }))
    }
}
