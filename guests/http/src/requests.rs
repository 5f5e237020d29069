// SPDX-License-Identifier: BSD-2-Clause
//! The requests of a connection.

use alloc::vec::Vec;

use crate::{Body, Head, Length, Piece, Status};

/// What a server takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of a head.
    pub head: usize,
    /// Most bytes of a body.
    pub body: u64,
}

/// Takes apart what a client sends: one request, its body, the next request, in whatever pieces they come and
/// however many at once. After an error the connection cannot go on: where the next request begins is not known.
#[derive(Debug)]
pub struct Requests {
    limits: Limits,
    /// What came and is not taken yet, from `start`.
    buffer: Vec<u8>,
    start: usize,
    /// Up to where there is no end of a head.
    searched: usize,
    body: Option<Body>,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// More is to be fed in.
    More,
    /// A request begins.
    Request(Head),
    /// Bytes of its body.
    Data(&'a [u8]),
    /// The request has ended.
    End,
}

impl Requests {
    /// Nothing has come yet.
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            body: None,
        }
    }

    /// How many bytes may be fed in.
    pub fn room(&self) -> usize {
        let kept = self.buffer.len() - self.start;
        // One more than a head may have shows that it is too long.
        (self.limits.head + 1).saturating_sub(kept)
    }

    /// Takes what came; no more than there is [room](Self::room) for, or a head that is too long is found late.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.searched = self.searched.saturating_sub(self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether nothing of a request has come that is not answered.
    pub fn is_idle(&self) -> bool {
        self.body.is_none() && self.rest().iter().all(|byte| matches!(byte, b'\r' | b'\n'))
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// What comes next.
    ///
    /// # Errors
    /// The status to refuse the request with.
    pub fn step(&mut self) -> Result<Step<'_>, Status> {
        let Some(body) = &mut self.body else {
            return self.next_head();
        };
        if body.is_over() {
            self.body = None;
            return Ok(Step::End);
        }
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let (taken, piece) = body.take(rest)?;
        self.start += taken;
        Ok(match piece {
            Piece::Data(bytes) => Step::Data(bytes),
            Piece::Nothing => Step::More,
            Piece::End => {
                self.body = None;
                Step::End
            }
        })
    }

    fn next_head(&mut self) -> Result<Step<'_>, Status> {
        // Lines before a request are skipped (RFC 9112, 2.2).
        let blank = self.rest().iter();
        let blank = blank
            .take_while(|byte| matches!(byte, b'\r' | b'\n'))
            .count();
        self.start += blank;
        self.searched = self.searched.max(self.start);
        let Some(len) = self.head_len() else {
            let kept = self.buffer.len() - self.start;
            return if kept <= self.limits.head {
                Ok(Step::More)
            } else {
                Err(self.too_long())
            };
        };
        if len > self.limits.head {
            return Err(self.too_long());
        }
        let head = Head::parse(self.rest().get(..len).unwrap_or_default())?;
        if matches!(head.length, Length::Exactly(len) if len > self.limits.body) {
            return Err(Status::ContentTooLarge);
        }
        self.start += len;
        self.searched = self.start;
        self.body = Some(Body::new(head.length, self.limits.body));
        Ok(Step::Request(head))
    }

    /// What of a head is too long.
    fn too_long(&self) -> Status {
        let mut first = self.rest().iter().take(self.limits.head);
        if first.any(|byte| *byte == b'\n') {
            Status::HeadersTooLarge
        } else {
            Status::UriTooLong
        }
    }

    /// The length of the head, once there is its last, empty line.
    fn head_len(&mut self) -> Option<usize> {
        let ends = |at: &usize| {
            let behind = self.buffer.get(at + 1..).unwrap_or_default();
            matches!(behind, [b'\n', ..] | [b'\r', b'\n', ..])
        };
        let lines =
            (self.searched..self.buffer.len()).filter(|at| self.buffer.get(*at) == Some(&b'\n'));
        let mut last = None;
        for at in lines {
            if ends(&at) {
                let empty = if self.buffer.get(at + 1) == Some(&b'\n') {
                    1
                } else {
                    2
                };
                return Some(at + 1 + empty - self.start);
            }
            last = Some(at);
        }
        // The last line's end may be that of the head, when there is more.
        self.searched = match last {
            Some(at) if at + 3 > self.buffer.len() => at,
            _ => self.buffer.len(),
        };
        None
    }
}
