// SPDX-License-Identifier: BSD-2-Clause
//! Bodies, as they come.

use crate::{Length, Status};

/// Most bytes of a chunk's first line: its size and extensions.
const MAX_CHUNK_LINE: u32 = 256;
/// Most bytes of the fields behind the last chunk.
const MAX_TRAILERS: u32 = 4096;

/// Finds the bytes of a body in what comes.
#[derive(Clone, Debug)]
pub struct Body {
    state: State,
    /// How many more there may be, in chunks.
    limit: u64,
}

/// The next piece of what came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes of the body.
    Data(&'a [u8]),
    /// Nothing, and more is to come.
    Nothing,
    /// The body has ended.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many bytes are left.
    Exactly(u64),
    /// All that comes.
    UntilClose,
    /// In a chunk's first line: the size so far, whether it has a digit, where in the line it is, bytes of the line.
    Size {
        size: u64,
        has_digit: bool,
        at: At,
        len: u32,
    },
    /// Behind the CR of that line.
    SizeEnd(u64),
    /// So many bytes of the chunk are left.
    Chunk(u64),
    /// Behind a chunk.
    ChunkCr,
    ChunkLf,
    /// In the fields behind the last chunk: bytes of the line, and of all.
    Trailer {
        line: u32,
        all: u32,
    },
    /// Behind the CR of that line.
    TrailerEnd {
        line: u32,
        all: u32,
    },
    End,
}

/// Where in a chunk's first line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Size,
    /// White space before an extension.
    Blank,
    Extension,
}

impl At {
    /// Behind one more byte, that is no digit of the size.
    const fn behind(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Size | Self::Blank, b' ' | b'\t') => Some(Self::Blank),
            (_, b';') => Some(Self::Extension),
            (Self::Extension, byte) if is_text(byte) => Some(Self::Extension),
            _ => None,
        }
    }
}

const SIZE: State = State::Size {
    size: 0,
    has_digit: false,
    at: At::Size,
    len: 0,
};

impl Body {
    /// A body of this length; one in chunks has at most `limit` bytes.
    pub const fn new(length: Length, limit: u64) -> Self {
        let state = match length {
            Length::None | Length::Exactly(0) => State::End,
            Length::Exactly(len) => State::Exactly(len),
            Length::Chunked => SIZE,
            Length::UntilClose => State::UntilClose,
        };
        Self { state, limit }
    }

    /// Whether nothing more belongs to it.
    pub fn is_over(&self) -> bool {
        self.state == State::End
    }

    /// Whether it may end where the connection does.
    pub const fn may_end(&self) -> bool {
        matches!(self.state, State::End | State::UntilClose)
    }

    /// The next piece of what came, and how much of that it took.
    ///
    /// # Errors
    /// [`Status::BadRequest`] for what is no body in chunks, [`Status::ContentTooLarge`], and
    /// [`Status::HeadersTooLarge`] for what is behind the last chunk.
    pub fn take<'a>(&mut self, bytes: &'a [u8]) -> Result<(usize, Piece<'a>), Status> {
        let mut taken = 0;
        loop {
            let rest = bytes.get(taken..).unwrap_or_default();
            match &mut self.state {
                State::End => return Ok((taken, Piece::End)),
                State::UntilClose => {
                    return Ok((bytes.len(), data(rest)));
                }
                State::Exactly(left) => {
                    let (piece, len) = up_to(rest, left);
                    if *left == 0 {
                        self.state = State::End;
                    }
                    return Ok((taken + len, data(piece)));
                }
                State::Chunk(left) => {
                    let (piece, len) = up_to(rest, left);
                    if *left == 0 {
                        self.state = State::ChunkCr;
                    }
                    return Ok((taken + len, data(piece)));
                }
                _ => {
                    let Some(byte) = rest.first() else {
                        return Ok((taken, Piece::Nothing));
                    };
                    self.state = self.behind(*byte)?;
                    taken += 1;
                }
            }
        }
    }

    /// Where it is behind one more byte that is none of the body.
    fn behind(&mut self, byte: u8) -> Result<State, Status> {
        Ok(match (self.state, byte) {
            (State::Size { len, .. }, _) if len >= MAX_CHUNK_LINE => {
                return Err(Status::BadRequest);
            }
            (
                State::Size {
                    size,
                    has_digit: true,
                    ..
                },
                b'\r',
            ) => State::SizeEnd(size),
            (
                State::Size {
                    size,
                    at: At::Size,
                    len,
                    ..
                },
                digit,
            ) if digit.is_ascii_hexdigit() => {
                let digit = char::from(digit).to_digit(16).unwrap_or_default();
                let size = size.checked_mul(16).ok_or(Status::ContentTooLarge)?;
                State::Size {
                    size: size | u64::from(digit),
                    has_digit: true,
                    at: At::Size,
                    len: len + 1,
                }
            }
            // An extension, or white space before one.
            (
                State::Size {
                    size,
                    has_digit: true,
                    at,
                    len,
                },
                byte,
            ) => State::Size {
                size,
                has_digit: true,
                at: at.behind(byte).ok_or(Status::BadRequest)?,
                len: len + 1,
            },
            (State::SizeEnd(0), b'\n') => State::Trailer { line: 0, all: 0 },
            (State::SizeEnd(size), b'\n') => {
                let left = self.limit.checked_sub(size);
                self.limit = left.ok_or(Status::ContentTooLarge)?;
                State::Chunk(size)
            }
            (State::ChunkCr, b'\r') => State::ChunkLf,
            (State::ChunkLf, b'\n') => SIZE,
            (State::Trailer { all, .. }, _) if all >= MAX_TRAILERS => {
                return Err(Status::HeadersTooLarge);
            }
            (State::Trailer { line, all }, b'\r') => State::TrailerEnd { line, all },
            (State::Trailer { line, all }, byte) if is_text(byte) => State::Trailer {
                line: line + 1,
                all: all + 1,
            },
            (State::TrailerEnd { line: 0, .. }, b'\n') => State::End,
            (State::TrailerEnd { all, .. }, b'\n') => State::Trailer { line: 0, all },
            _ => return Err(Status::BadRequest),
        })
    }
}

/// What may be in a line.
const fn is_text(byte: u8) -> bool {
    byte >= b' ' && byte != 0x7f || byte == b'\t'
}

const fn data(bytes: &[u8]) -> Piece<'_> {
    if bytes.is_empty() {
        Piece::Nothing
    } else {
        Piece::Data(bytes)
    }
}

/// As many of these bytes as are left, and how many that are.
fn up_to<'a>(bytes: &'a [u8], left: &mut u64) -> (&'a [u8], usize) {
    let len = usize::try_from(*left)
        .unwrap_or(usize::MAX)
        .min(bytes.len());
    *left -= len as u64;
    (bytes.get(..len).unwrap_or_default(), len)
}
