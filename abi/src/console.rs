// SPDX-License-Identifier: BSD-2-Clause
//! The console: what a client and the console guest say to each other.
//!
//! A client holds a channel with the console guest, its *door*, under whatever name its spec gives it. It speaks
//! [`Request`] and [`Answer`] there through the guest library's request and reply (`userland::rpc`). The console
//! guest knows clients by the names of its own slots.
//!
//! # Output
//! What a client writes is shown as it is while the client is in the foreground. What others write is shown line by
//! line, each whole and under the client's name; an unfinished line waits for its end, for a while. Lines of the log
//! are shown in between in the same way: while somebody types, his line is taken away before, and shown again behind.
//!
//! # Input
//! What is typed goes to the client in the foreground, which asks for it ([`Request::Read`]) and waits. There are two
//! modes: in [`Mode::Line`] the console guest echoes, lets the user correct with backspace, and hands out whole lines,
//! their newline (0x0a) included, and Ctrl-C, which gives a line up, as the byte 3 by itself; in [`Mode::Raw`] bytes go through as they come, without an echo. Two keys are the
//! console guest's own in both: [`SWITCH`] goes on to the next client, and [`VIEW`] changes which lines of the
//! log are shown.
//!
//! Input comes in numbered pieces, and the console guest keeps each until the client has asked for what is behind it.
//! So a client that goes on with another console guest, to which the one before has left what it kept, gets each piece
//! once.

mod error;
#[cfg(test)]
mod tests;

use heapless::{String, Vec};
use serde::{Deserialize, Serialize};

use crate::{Level, describe::constants, message::Name};
pub use error::Error;

constants! {
    /// Version of this protocol.
    VERSION: u32 = 2;
    /// Longest message of either side, in bytes.
    MAX_MESSAGE: u32 = 1536;
    /// The key that puts the next client into the foreground: Ctrl-].
    SWITCH: u32 = 0x1d;
    /// The key that changes which lines of the log are shown: Ctrl-\.
    VIEW: u32 = 0x1c;
}

/// Most bytes that are written or read at once.
pub const MAX_BYTES: usize = 1024;
/// Most clients in a list.
pub const MAX_CLIENTS: usize = 16;

/// Bytes of a terminal.
pub type Bytes = Vec<u8, MAX_BYTES>;

/// How input comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// In lines, which the console guest echoes and lets the user correct.
    #[default]
    Line,
    /// Byte for byte, without an echo.
    Raw,
}

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(
    clippy::large_enum_variant,
    reason = "guests may have no heap to box a variant in"
)]
pub enum Request {
    /// Says which version the client speaks; answered with [`Reply::Welcome`]. The first request of a connection:
    /// any other one before it is refused with [`Error::OtherVersion`].
    Hello {
        /// [`VERSION`].
        version: u32,
    },
    /// Writes; answered with [`Reply::Done`] when all of it is at the device, or, in the background, waits for the end
    /// of its line.
    Write {
        /// What: UTF-8 with the sequences of a VT100.
        bytes: Bytes,
    },
    /// Waits for input; answered with [`Reply::Input`]. One at a time: a second is refused with [`Error::Busy`].
    Read {
        /// The number of the last piece of input that the client has: it is not handed out again, nor is what was
        /// before.
        after: u64,
    },
    /// Sets how input comes; answered with [`Reply::Done`].
    SetMode {
        /// How.
        mode: Mode,
    },
    /// Puts a client into the foreground; answered with [`Reply::Done`]. A client that is there may do it; others if
    /// the console guest's arguments say so.
    Foreground {
        /// The client; none: the caller.
        client: Option<Name>,
    },
    /// Says which lines of the log are shown; answered with [`Reply::Done`]. Who may is as with `Foreground`.
    View {
        /// The least urgent level that is shown; none: no lines.
        level: Option<Level>,
        /// Only lines of this process; none: those of all.
        process: Option<Name>,
    },
    /// Asks how things are; answered with [`Reply::Status`].
    Status,
}

/// What the console guest answers.
pub type Answer = Result<Reply, Error>;

/// What the console guest answers, if it does what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(
    clippy::large_enum_variant,
    reason = "guests may have no heap to box a variant in"
)]
pub enum Reply {
    /// It is done.
    Done,
    /// The client's name for the console guest.
    Welcome {
        /// Its slot.
        name: Name,
        /// The number of the piece of input that was handed out last: who begins goes on behind it. Who was here
        /// before, at a console guest that ended, goes on behind the one that it has.
        given: u64,
    },
    /// What was typed: at least one byte, or none at the end of the input (Ctrl-D on an empty line, in lines).
    Input {
        /// Its number.
        number: u64,
        /// What.
        bytes: Bytes,
    },
    /// How things are.
    Status(Status),
}

/// How things are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Who is in the foreground.
    pub foreground: Option<Name>,
    /// The clients, in the order in which the key goes through them.
    pub clients: Vec<Name, MAX_CLIENTS>,
    /// The least urgent level of the log that is shown.
    pub level: Option<Level>,
    /// Whose lines only.
    pub process: Option<Name>,
    /// Lines of the log that were lost before they could be shown.
    pub lost: u64,
    /// The device.
    pub device: String<32>,
}
