// SPDX-License-Identifier: BSD-2-Clause
//! What the arguments of the console guest say.
//!
//! ```
//! use console_terminal::config::Config;
//!
//! let config = Config::parse(["shell=foreground", "top", "log=info"]).unwrap();
//! assert_eq!(config.clients[0].name, "shell");
//! assert!(config.clients[0].is_first && !config.clients[1].is_first);
//! ```
//!
//! | argument | says |
//! |---|---|
//! | `NAME` | a client: who holds the region in the slot of this name |
//! | `NAME=foreground` | it is in the foreground at first |
//! | `NAME=control` | it may say who is in the foreground, and which lines of the log are shown, from the background too |
//! | `NAME=foreground control` | both |
//! | `log=error`, `warn`, `info`, `debug` or `none` | the least urgent lines of the log that are shown at first: `debug`, which is all, if nothing is said |
//! | `colour=on` | names and levels in colours |

use alloc::{borrow::ToOwned as _, string::String, vec::Vec};
use core::fmt;

use atoll_abi::{Level, console::MAX_CLIENTS, message::Name};

/// A client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The slot that its door is in.
    pub name: Name,
    /// It is in the foreground at first.
    pub is_first: bool,
    /// It may control from the background.
    pub controls: bool,
}

/// What the arguments say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The clients, in the order in which the key goes through them.
    pub clients: Vec<Client>,
    /// The least urgent level of the log that is shown; none: no lines.
    pub level: Option<Level>,
    /// Names and levels are shown in colours.
    pub colour: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            clients: Vec::new(),
            level: Some(Level::Debug),
            colour: false,
        }
    }
}

/// An argument that says nothing sensible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadArgument {
    /// The argument.
    pub argument: String,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It names no slot.
    Name,
    /// It does not say what a client is or may.
    Client,
    /// It names no level.
    Level,
    /// It does not say whether there are colours.
    Colour,
    /// It says what another one says.
    Twice,
    /// There are too many clients.
    TooMany,
    /// Another client is in the foreground at first.
    Foreground,
}

impl fmt::Display for BadArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "argument `{}`: ", self.argument)?;
        match self.why {
            Why::Name => f.write_str(
                "write the name of the slot that the client's channel is in, up to 32 bytes",
            ),
            Why::Client => {
                f.write_str("write `NAME`, `NAME=foreground`, `NAME=control`, or both words")
            }
            Why::Level => f.write_str("write `error`, `warn`, `info`, `debug` or `none`"),
            Why::Colour => f.write_str("write `on` or `off`"),
            Why::Twice => f.write_str("another argument says that already"),
            Why::TooMany => write!(f, "there can be {MAX_CLIENTS} clients"),
            Why::Foreground => f.write_str("another client is in the foreground at first"),
        }
    }
}

impl core::error::Error for BadArgument {}

fn level(text: &str) -> Option<Option<Level>> {
    Some(match text {
        "error" => Some(Level::Error),
        "warn" => Some(Level::Warn),
        "info" => Some(Level::Info),
        "debug" => Some(Level::Debug),
        "none" => None,
        _ => return None,
    })
}

fn client(name: &str, words: &str) -> Result<Client, Why> {
    let is_printable = !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic());
    let mut client = Client {
        name: Name::try_from(name).map_err(|_| Why::Name)?,
        is_first: false,
        controls: false,
    };
    if !is_printable {
        return Err(Why::Name);
    }
    for word in words.split_whitespace() {
        let flag = match word {
            "foreground" => &mut client.is_first,
            "control" => &mut client.controls,
            _ => return Err(Why::Client),
        };
        if core::mem::replace(flag, true) {
            return Err(Why::Client);
        }
    }
    Ok(client)
}

impl Config {
    /// Reads the arguments.
    ///
    /// # Errors
    /// [`BadArgument`], the first one.
    pub fn parse<'a>(args: impl IntoIterator<Item = &'a str>) -> Result<Self, BadArgument> {
        let mut config = Self::default();
        let (mut has_level, mut has_colour) = (false, false);
        for argument in args {
            let bad = |why| BadArgument {
                argument: argument.to_owned(),
                why,
            };
            let (key, value) = match argument.split_once('=') {
                Some((key, value)) => (key.trim(), Some(value.trim())),
                None => (argument.trim(), None),
            };
            let is_again = match (key, value) {
                ("log", Some(value)) => {
                    config.level = level(value).ok_or_else(|| bad(Why::Level))?;
                    core::mem::replace(&mut has_level, true)
                }
                ("log", None) => return Err(bad(Why::Level)),
                ("colour", value) => {
                    config.colour = match value {
                        Some("on") => true,
                        Some("off") => false,
                        _ => return Err(bad(Why::Colour)),
                    };
                    core::mem::replace(&mut has_colour, true)
                }
                (_, Some("")) => return Err(bad(Why::Client)),
                (name, words) => {
                    let client = client(name, words.unwrap_or_default()).map_err(bad)?;
                    let is_again = config.clients.iter().any(|it| it.name == client.name);
                    if client.is_first && config.clients.iter().any(|it| it.is_first) {
                        return Err(bad(Why::Foreground));
                    }
                    config.clients.push(client);
                    is_again
                }
            };
            if is_again {
                return Err(bad(Why::Twice));
            }
            if config.clients.len() > MAX_CLIENTS {
                return Err(bad(Why::TooMany));
            }
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString as _;

    #[test]
    fn as_in_the_spec() {
        let config = Config::parse(["log=warn", "shell=foreground control", "top", "colour=on"]);
        let config = config.unwrap();
        assert_eq!((config.level, config.colour), (Some(Level::Warn), true));
        let [shell, top] = &config.clients[..] else {
            panic!("{config:?}");
        };
        assert_eq!(
            (shell.name.as_str(), shell.is_first, shell.controls),
            ("shell", true, true)
        );
        assert_eq!(
            (top.name.as_str(), top.is_first, top.controls),
            ("top", false, false)
        );
        assert_eq!(Config::parse([]), Ok(Config::default()));
        assert_eq!(Config::parse(["log=none"]).unwrap().level, None);
    }

    #[test]
    fn what_is_refused() {
        let long = "x".repeat(33);
        for (args, why) in [
            (&["a=background"][..], Why::Client),
            (&["a="], Why::Client),
            (&["a=foreground foreground"], Why::Client),
            (&[""], Why::Name),
            (&["a b"], Why::Name),
            (&["a\u{1b}"], Why::Name),
            (&[&long], Why::Name),
            (&["log=loud"], Why::Level),
            (&["log"], Why::Level),
            (&["log=info", "log=info"], Why::Twice),
            (&["colour"], Why::Colour),
            (&["a", "a"], Why::Twice),
            (&["a=foreground", "b=foreground"], Why::Foreground),
        ] {
            let error = Config::parse(args.iter().copied()).unwrap_err();
            assert_eq!(error.why, why, "{args:?}");
            let last = args.last().unwrap();
            assert!(error.to_string().contains(*last), "{error}");
        }
        let many: Vec<_> = (0..=MAX_CLIENTS).map(|n| std::format!("c{n}")).collect();
        let error = Config::parse(many.iter().map(String::as_str)).unwrap_err();
        assert_eq!(error.why, Why::TooMany);
    }

    proptest! {
        #[test]
        fn any_text_is_arguments_or_not(args in prop::collection::vec("[a-z= ]{0,30}", 0..4)) {
            let _ = Config::parse(args.iter().map(String::as_str));
        }
    }
}
