// SPDX-License-Identifier: BSD-2-Clause
//! Inputs: what each guest is to do, as text and as the program that the interpreter runs.
//!
//! ```text
//! guest a
//! handle.share h0 030100
//! shm.attach 4096 3
//! session.create 0173/0000 at 4096 3 8192
//! ```
//!
//! A line is a call and its arguments: numbers, `h2` for the handle that was answered two handles ago,
//! `v2` likewise for another value. A message call has its request instead, in pieces divided by `/` (the
//! encoding of numbers in it is postcard's): bytes in hexadecimal, handles as above, `t2` for the third
//! token. Behind `at` come its raw arguments, where they are not the usual ones.

use std::fmt::{self, Write as _};

use crate::calls::{Call, named};

/// Guests with a script: those that start with the server, then those that are started on demand.
pub const GUESTS: [&str; 5] = ["a", "b", "c", "d0", "d1"];
/// Most pieces of a request.
pub const MAX_PIECES: usize = 255;
/// Where the interpreter has requests.
pub const REQUEST: u64 = 0x1000;
/// Where the interpreter has replies put.
pub const REPLY: u64 = 0x2000;

/// An argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// This number.
    Number(u64),
    /// The handle that was answered so many handles ago.
    Handle(u8),
    /// Another value that was answered so many values ago.
    Kept(u8),
    /// The length of the request.
    Length,
}

/// A part of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// These bytes, at most 255.
    Bytes(Vec<u8>),
    /// A handle, as [`Value::Handle`].
    Handle(u8),
    /// A token.
    Token(u8),
}

/// One call.
#[derive(Clone, Debug)]
pub struct Step {
    /// What is called.
    pub call: &'static Call,
    /// Of a scalar call its arguments, of a message call the raw ones or none.
    pub arguments: Vec<Value>,
    /// Of a message call.
    pub request: Vec<Piece>,
}

/// What each of [`GUESTS`] does.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// In the order of [`GUESTS`].
    pub scripts: [Vec<Step>; GUESTS.len()],
}

impl Input {
    /// Reads the text. Calls that no longer exist are left out.
    ///
    /// # Errors
    /// What is wrong, with the number of the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut input = Self::default();
        let mut guest = 0;
        for (n, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or("").trim();
            if let Some(name) = line.strip_prefix("guest ") {
                let place = GUESTS.iter().position(|guest| *guest == name);
                guest = place.ok_or_else(|| format!("line {}: no guest {name}", n + 1))?;
            } else if !line.is_empty() {
                let step = Step::parse(line).map_err(|why| format!("line {}: {why}", n + 1))?;
                input.scripts[guest].extend(step);
            }
        }
        Ok(input)
    }

    /// Steps of all guests.
    pub fn len(&self) -> usize {
        self.scripts.iter().map(Vec::len).sum()
    }

    /// Whether nobody does anything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (guest, script) in GUESTS.iter().zip(&self.scripts) {
            if !script.is_empty() {
                writeln!(f, "guest {guest}")?;
            }
            for step in script {
                writeln!(f, "{step}")?;
            }
        }
        Ok(())
    }
}

impl Step {
    /// The step of a line; none if there is no such call.
    fn parse(line: &str) -> Result<Option<Self>, String> {
        let mut words = line.split_whitespace().peekable();
        let Some(call) = words.next().and_then(named) else {
            return Ok(None);
        };
        let mut request = Vec::new();
        if call.request.is_some() {
            if let Some(pieces) = words.next_if(|word| *word != "at") {
                request = pieces
                    .split('/')
                    .map(Piece::parse)
                    .collect::<Result<_, _>>()?;
            }
            words.next_if_eq(&"at");
        }
        Ok(Some(Self {
            call,
            request,
            arguments: words.map(Value::parse).collect::<Result<_, _>>()?,
        }))
    }

    fn program(&self, out: &mut Vec<u8>) {
        let pieces = &self.request[..self.request.len().min(MAX_PIECES)];
        out.push(pieces.len() as u8);
        for piece in pieces {
            match piece {
                Piece::Bytes(bytes) => {
                    let bytes = &bytes[..bytes.len().min(255)];
                    out.extend([0, bytes.len() as u8]);
                    out.extend(bytes);
                }
                Piece::Handle(ago) => out.extend([1, *ago]),
                Piece::Token(n) => out.extend([2, *n]),
            }
        }
        let usual = [Value::Number(REQUEST), Value::Length, Value::Number(REPLY)];
        let arguments = match self.call.request {
            Some(_) if self.arguments.is_empty() => &usual[..],
            _ => &self.arguments[..self.arguments.len().min(7)],
        };
        out.push(arguments.len() as u8);
        for argument in arguments {
            match argument {
                Value::Number(number) => {
                    out.push(0);
                    varint(*number, out);
                }
                Value::Handle(ago) => out.extend([1, *ago]),
                Value::Kept(ago) => out.extend([2, *ago]),
                Value::Length => out.push(3),
            }
        }
        out.extend([self.call.index() as u8, self.call.kept as u8]);
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.call.name)?;
        for (n, piece) in self.request.iter().enumerate() {
            f.write_char(if n == 0 { ' ' } else { '/' })?;
            write!(f, "{piece}")?;
        }
        if self.call.request.is_some() && !self.arguments.is_empty() {
            f.write_str(" at")?;
        }
        self.arguments
            .iter()
            .try_for_each(|argument| write!(f, " {argument}"))
    }
}

/// What was kept, by letter and number.
fn kept(word: &str, letter: char) -> Option<u8> {
    word.strip_prefix(letter)?.parse().ok()
}

impl Value {
    fn parse(word: &str) -> Result<Self, String> {
        if word == "len" {
            return Ok(Self::Length);
        }
        let number = || word.parse().ok().map(Self::Number);
        kept(word, 'h')
            .map(Self::Handle)
            .or_else(|| kept(word, 'v').map(Self::Kept))
            .or_else(number)
            .ok_or_else(|| format!("{word} is no argument"))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Handle(ago) => write!(f, "h{ago}"),
            Self::Kept(ago) => write!(f, "v{ago}"),
            Self::Length => f.write_str("len"),
        }
    }
}

impl Piece {
    fn parse(word: &str) -> Result<Self, String> {
        let bytes = || {
            let pairs = (0..word.len()).step_by(2);
            let byte = |at| u8::from_str_radix(word.get(at..at + 2)?, 16).ok();
            pairs.map(byte).collect::<Option<_>>().map(Self::Bytes)
        };
        kept(word, 'h')
            .map(Self::Handle)
            .or_else(|| kept(word, 't').map(Self::Token))
            .or_else(bytes)
            .ok_or_else(|| format!("{word} is no part of a request"))
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Self::Handle(ago) => write!(f, "h{ago}"),
            Self::Token(n) => write!(f, "t{n}"),
        }
    }
}

/// Adds a number in the encoding that programs share with postcard.
pub fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The program of a script, as the interpreter's argument.
pub fn program(script: &[Step]) -> String {
    let mut bytes = Vec::new();
    for step in script {
        step.program(&mut bytes);
    }
    let letter = |nibble| char::from(b'a' + nibble);
    bytes
        .iter()
        .flat_map(|byte| [letter(byte >> 4), letter(byte & 15)])
        .collect()
}
