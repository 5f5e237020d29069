// SPDX-License-Identifier: BSD-2-Clause
//! Why a guest ended, in words.

use alloc::string::String;
use core::fmt::{self, Write as _};

use wasmtime::{FrameInfo, Trap, WasmBacktrace};

use crate::{guest::Reason, process::Outcome};

/// A guest's end that is no trap of its code: travels as the error of a hostcall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It asked for it.
    Exit(u32),
    /// It panicked, with this message.
    Panic(String),
    /// The server ended it.
    Ended(Reason),
    /// It misused this hostcall.
    Misuse(&'static str),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "exit with code {code}"),
            Self::Panic(message) => write!(f, "panic: {message}"),
            Self::Ended(reason) => write!(f, "ended: {}", words(*reason)),
            Self::Misuse(what) => write!(f, "misuse of a hostcall: {what}"),
        }
    }
}

impl core::error::Error for Ending {}

const fn words(reason: Reason) -> &'static str {
    match reason {
        Reason::Deadline => "it ran past the deadline of its spec",
        Reason::Stopped => "it was asked to stop, and did not in time",
        Reason::ParentEnded => "its parent, whose memory it used, has ended",
        Reason::SessionEnded => "its session was ended",
        Reason::LoaderEnded => "the process that loaded its module has ended",
    }
}

/// What a guest's error means. `module` names it in the backtrace.
pub(crate) fn outcome(error: &wasmtime::Error, module: &str) -> Outcome {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = match (error.downcast_ref::<Ending>(), error.downcast_ref::<Trap>()) {
        (Some(Ending::Exit(code)), _) => return Outcome::Exited(*code),
        (Some(ending), _) => write!(text, "{ending}"),
        (None, Some(trap)) => write!(text, "trap: {}", reason(*trap)),
        (None, None) => write!(text, "{:#}", error),
    };
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
        let mut frames = backtrace
            .frames()
            .iter()
            .map(|frame| place(frame, module))
            .peekable();
        while let Some(frame) = frames.next() {
            let mut more = 0;
            while frames.next_if_eq(&frame).is_some() {
                more += 1;
            }
            let _ = write!(text, "\n    at {frame}");
            if more > 0 {
                let _ = write!(text, ", {more} times more");
            }
        }
    }
    Outcome::Failed(text)
}

/// Where a frame is, by module, function and offsets.
fn place(frame: &FrameInfo, module: &str) -> String {
    let mut text = String::new();
    let _ = match frame.func_name() {
        Some(name) => write!(text, "{module}!{:#}", rustc_demangle::demangle(name)),
        None => write!(text, "{module}!function {}", frame.func_index()),
    };
    if let Some(offset) = frame.func_offset() {
        let _ = write!(text, " + {offset:#x}");
    }
    if let Some(offset) = frame.module_offset() {
        let _ = write!(text, " (wasm offset {offset:#x})");
    }
    text
}

/// wasmtime's names, without its prefix.
fn reason(trap: Trap) -> &'static str {
    match trap {
        Trap::StackOverflow => "stack overflow",
        Trap::MemoryOutOfBounds => "out of bounds memory access",
        Trap::HeapMisaligned => "misaligned atomic access",
        Trap::TableOutOfBounds => "out of bounds table access",
        Trap::IndirectCallToNull => "indirect call to null",
        Trap::BadSignature => "indirect call with another signature",
        Trap::IntegerOverflow => "integer overflow",
        Trap::IntegerDivisionByZero => "integer division by zero",
        Trap::BadConversionToInteger => "conversion of a float that no integer holds",
        Trap::UnreachableCodeReached => "unreachable",
        _ => "another trap",
    }
}
