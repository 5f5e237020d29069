// SPDX-License-Identifier: BSD-2-Clause
//! Status codes (RFC 9110, 15).

use core::fmt;

macro_rules! statuses {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $reason:literal;)+) => {
        /// A status code that a server answers with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Status {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Status {
            /// Its number.
            pub const fn code(self) -> u16 {
                match self {
                    $(Self::$name => $code,)+
                }
            }

            /// What it is called.
            pub const fn reason(self) -> &'static str {
                match self {
                    $(Self::$name => $reason,)+
                }
            }
        }
    };
}

statuses! {
    /// All is well.
    Ok = 200, "OK";
    /// It was not there, and now is.
    Created = 201, "Created";
    /// It is done, and there is nothing to show.
    NoContent = 204, "No Content";
    /// It is there, with a slash behind its name.
    MovedPermanently = 301, "Moved Permanently";
    /// This is no request.
    BadRequest = 400, "Bad Request";
    /// It is not for clients to have or to do.
    Forbidden = 403, "Forbidden";
    /// There is no such thing here.
    NotFound = 404, "Not Found";
    /// It is not for this method.
    MethodNotAllowed = 405, "Method Not Allowed";
    /// The request did not come in time.
    RequestTimeout = 408, "Request Timeout";
    /// What is there does not go with it.
    Conflict = 409, "Conflict";
    /// The body is longer than this server takes.
    ContentTooLarge = 413, "Content Too Large";
    /// The request's first line is longer than this server takes.
    UriTooLong = 414, "URI Too Long";
    /// The request's head is longer than this server takes.
    HeadersTooLarge = 431, "Request Header Fields Too Large";
    /// The server cannot do it.
    InternalError = 500, "Internal Server Error";
    /// The body comes in a way that this server does not know.
    NotImplemented = 501, "Not Implemented";
    /// The server cannot do it now.
    Unavailable = 503, "Service Unavailable";
    /// The request is of another version than 1.0 or 1.1.
    VersionNotSupported = 505, "HTTP Version Not Supported";
    /// There is no room for it.
    InsufficientStorage = 507, "Insufficient Storage";
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code(), self.reason())
    }
}
