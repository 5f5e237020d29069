// SPDX-License-Identifier: BSD-2-Clause
//! What stands before a body.

use alloc::string::String;

use httparse::{EMPTY_HEADER, Header};

use crate::Status;

/// Most fields of a head.
pub(crate) const MAX_FIELDS: usize = 64;

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// There is none.
    None,
    /// So many bytes.
    Exactly(u64),
    /// It says so piece by piece.
    Chunked,
    /// It ends with the connection: only a response does.
    UntilClose,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// To get it.
    Get,
    /// To say what it would be to get it.
    Head,
    /// To have something done with what is sent.
    Post,
    /// To have what is sent put there.
    Put,
    /// To have what is there removed.
    Delete,
    /// Something else.
    Other,
}

/// A request, up to its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// What is to be done.
    pub method: Method,
    /// The path, and what is behind it; of an absolute form, too (RFC 9112, 3.2.2).
    pub target: String,
    /// Whether it is of version 1.1, and not 1.0.
    pub is_1_1: bool,
    /// Whether the connection may go on behind the answer.
    pub keeps_alive: bool,
    /// How long its body is.
    pub length: Length,
    /// Whether the client waits for a `100 Continue` before it sends the body.
    pub expects_continue: bool,
}

impl Head {
    /// Of these bytes, which end with an empty line.
    ///
    /// # Errors
    /// The status to refuse it with.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Status> {
        let mut fields = [EMPTY_HEADER; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(bytes) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return Err(Status::BadRequest),
            Err(httparse::Error::TooManyHeaders) => return Err(Status::HeadersTooLarge),
            Err(httparse::Error::Version) => return Err(version(bytes)),
            Err(_) => return Err(Status::BadRequest),
        }
        let is_1_1 = request.version == Some(1);
        let fields = Fields(request.headers);
        match fields.all("host").count() {
            1 => {}
            0 if !is_1_1 => {}
            _ => return Err(Status::BadRequest),
        }
        let length = fields.length()?;
        if length == Length::Chunked && !is_1_1 {
            return Err(Status::BadRequest);
        }
        let keeps_alive = if is_1_1 {
            !fields.has("connection", "close")
        } else {
            fields.has("connection", "keep-alive")
        };
        Ok(Self {
            method: match request.method {
                Some("GET") => Method::Get,
                Some("HEAD") => Method::Head,
                Some("POST") => Method::Post,
                Some("PUT") => Method::Put,
                Some("DELETE") => Method::Delete,
                _ => Method::Other,
            },
            target: path(request.path.unwrap_or_default()).into(),
            is_1_1,
            keeps_alive,
            length: length.unwrap_or_none(),
            expects_continue: is_1_1 && fields.has("expect", "100-continue"),
        })
    }
}

/// Why there is no version that this reader knows.
fn version(head: &[u8]) -> Status {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let version = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    match version.strip_prefix(b"HTTP/") {
        Some([major, b'.', minor, b'\r' | b'\n', ..]) | Some([major, b'.', minor])
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Status::VersionNotSupported
        }
        _ => Status::BadRequest,
    }
}

/// The path of a target that may name the host, too.
fn path(target: &str) -> &str {
    let Some(rest) = target.strip_prefix("http://") else {
        return target;
    };
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
}

/// The fields of a head.
pub(crate) struct Fields<'a>(pub &'a [Header<'a>]);

impl<'a> Fields<'a> {
    fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let same = |field: &&Header<'_>| field.name.eq_ignore_ascii_case(name);
        self.0.iter().filter(same).map(|field| field.value)
    }

    /// The elements of a list, from all fields of this name.
    fn elements(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let values = self.all(name);
        values
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
    }

    /// Whether a list has this element.
    pub fn has(&self, name: &str, element: &str) -> bool {
        self.elements(name)
            .any(|it| it.eq_ignore_ascii_case(element.as_bytes()))
    }

    /// How long the body is (RFC 9112, 6.3); `UntilClose` if nothing says it. What says it twice, and in two ways, is
    /// how requests are smuggled past others: so it is refused.
    pub fn length(&self) -> Result<Length, Status> {
        let mut codings = self.elements("transfer-encoding");
        let mut lengths = self.elements("content-length");
        if let Some(coding) = codings.next() {
            return if lengths.next().is_some() {
                Err(Status::BadRequest)
            } else if !coding.eq_ignore_ascii_case(b"chunked") || codings.next().is_some() {
                Err(Status::NotImplemented)
            } else {
                Ok(Length::Chunked)
            };
        }
        let Some(first) = lengths.next() else {
            return Ok(Length::UntilClose);
        };
        if lengths.any(|other| other != first) {
            return Err(Status::BadRequest);
        }
        number(first).map(Length::Exactly).ok_or(Status::BadRequest)
    }
}

/// A number of digits alone.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |number, byte| {
        let digit = char::from(*byte).to_digit(10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

impl Length {
    /// A request without a length has no body.
    const fn unwrap_or_none(self) -> Self {
        match self {
            Self::UntilClose => Self::None,
            other => other,
        }
    }
}
