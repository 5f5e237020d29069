// SPDX-License-Identifier: BSD-2-Clause
//! Which lines are wanted.

use core::{cell::Cell, fmt};

use atoll_abi::{Level, Pid};
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};

use crate::sys::{local::local, memory};

/// The variable of the environment.
const VARIABLE: &str = "LOG=";
/// Wanted if the environment does not say.
const DEFAULT: Option<Level> = Some(Level::Info);
/// Start parameters beyond this length are put on the heap to be read. Few guests have such, and those
/// that log only do not need a heap otherwise.
const USUAL: usize = 1024;

/// No line is wanted.
const OFF: u8 = 0;
/// Nobody has asked yet.
const UNKNOWN: u8 = u8::MAX;

local! {
    /// One more than the number of the highest level that is wanted.
    static WANTED: Cell<u8> = Cell::new(UNKNOWN);
}

const fn rank(level: Option<Level>) -> u8 {
    match level {
        None => OFF,
        Some(level) => level as u8 + 1,
    }
}

/// Whether lines of this level are wanted: for what takes long to find out before it is logged.
///
/// ```
/// use userland::{Level, debug, log};
///
/// # fn checksum() -> u32 { 0 }
/// if log::enabled(Level::Debug) {
///     debug!("checksum {:#x}", checksum());
/// }
/// ```
#[inline]
pub fn enabled(level: Level) -> bool {
    enabled_or_tell(level, super::put)
}

/// As [`enabled`]. If the environment makes no sense, it says so by `tell`.
#[inline]
pub(super) fn enabled_or_tell(level: Level, tell: fn(Level, &str)) -> bool {
    let mut wanted = WANTED.with(Cell::get);
    if wanted == UNKNOWN {
        wanted = ask(tell);
    }
    rank(Some(level)) <= wanted
}

/// Has lines up to this level be wanted from now on, or none, whatever the environment says.
///
/// ```
/// use userland::{Level, log};
///
/// log::set_max_level(Some(Level::Warn));
/// assert!(log::enabled(Level::Error) && !log::enabled(Level::Info));
/// log::set_max_level(None);
/// assert!(!log::enabled(Level::Error));
/// ```
pub fn set_max_level(level: Option<Level>) {
    WANTED.with(|wanted| wanted.set(rank(level)));
}

/// Asks the environment, once.
#[cold]
fn ask(tell: fn(Level, &str)) -> u8 {
    // Before there is anything to log about it.
    set_max_level(DEFAULT);
    let mut message = [0; USUAL];
    let found = match memory::params(&mut message) {
        Ok(len) if len as usize <= USUAL => find(&message),
        Ok(len) => {
            let mut message = alloc::vec![0; len as usize];
            memory::params(&mut message)
                .ok()
                .and_then(|_| find(&message))
        }
        Err(_) => None,
    };
    match found {
        Some(Ok(level)) => set_max_level(level),
        Some(Err(Unknown)) => tell(
            Level::Warn,
            "LOG is none of off, error, warn, info and debug; it is taken for info",
        ),
        None => {}
    }
    WANTED.with(Cell::get)
}

/// The variable has a value that says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unknown;

/// What the environment says, if it does.
type Wish = Option<Result<Option<Level>, Unknown>>;

/// Finds the variable in the start parameters.
fn find(message: &[u8]) -> Wish {
    let (head, _) = postcard::take_from_bytes::<Head>(message).ok()?;
    head.env.0
}

/// The start parameters as far as the environment, without a heap; see `atoll_abi::Params`.
#[derive(Deserialize)]
#[expect(dead_code, reason = "they are in front of what is wanted")]
struct Head<'a> {
    pid: Pid,
    name: &'a str,
    args: Texts,
    env: Texts,
}

/// A list of texts, and what it says of the log.
struct Texts(Wish);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Finder;

        impl<'de> Visitor<'de> for Finder {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of texts")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<Texts, A::Error> {
                let mut wish = None;
                while let Some(text) = texts.next_element::<&str>()? {
                    if let Some(value) = text.strip_prefix(VARIABLE) {
                        wish = wish.or(Some(parse(value)));
                    }
                }
                Ok(Texts(wish))
            }
        }

        from.deserialize_seq(Finder)
    }
}

fn parse(value: &str) -> Result<Option<Level>, Unknown> {
    match value {
        "off" => Ok(None),
        "error" => Ok(Some(Level::Error)),
        "warn" => Ok(Some(Level::Warn)),
        "info" => Ok(Some(Level::Info)),
        "debug" => Ok(Some(Level::Debug)),
        _ => Err(Unknown),
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::String, vec::Vec};

    use atoll_abi::Params;

    use super::*;

    fn message(args: &[&str], env: &[&str]) -> Vec<u8> {
        let texts = |texts: &[&str]| texts.iter().copied().map(String::from).collect();
        let params = Params {
            pid: Pid(7),
            name: "guest".into(),
            args: texts(args),
            env: texts(env),
            ..Params::default()
        };
        postcard::to_allocvec(&params).unwrap()
    }

    #[test]
    fn the_environment_says_what_is_wanted() {
        assert_eq!(find(&message(&[], &[])), None);
        let warn = Some(Ok(Some(Level::Warn)));
        assert_eq!(find(&message(&["LOG=debug"], &["A=b", "LOG=warn"])), warn);
        assert_eq!(find(&message(&[], &["LOG=warn", "LOG=off"])), warn);
        assert_eq!(find(&message(&[], &["LOG=off"])), Some(Ok(None)));
        assert_eq!(find(&message(&[], &["LOG=much"])), Some(Err(Unknown)));
        assert_eq!(find(&message(&[], &["LOGS=off", "XLOG=off"])), None);
    }

    #[test]
    fn what_is_cut_off_says_nothing() {
        let message = message(&["a"], &["LOG=warn"]);
        let end = message.windows(4).position(|four| four == b"warn").unwrap() + 4;
        for len in 0..end {
            assert_eq!(find(&message[..len]), None, "{len} bytes");
        }
    }

    #[test]
    fn levels_are_in_the_order_of_their_urgency() {
        set_max_level(Some(Level::Info));
        assert!(
            [Level::Error, Level::Warn, Level::Info]
                .into_iter()
                .all(enabled)
        );
        assert!(!enabled(Level::Debug));
        set_max_level(Some(Level::Debug));
        assert!(enabled(Level::Debug));
        set_max_level(None);
        assert!(!enabled(Level::Error));
    }

    #[test]
    fn without_a_server_the_default_holds() {
        assert!(enabled(Level::Info) && !enabled(Level::Debug));
    }
}
