// SPDX-License-Identifier: BSD-2-Clause
//! What the arguments of the fs guest say.
//!
//! ```
//! use atoll_abi::fs::Rights;
//! use fs_tree::config::Config;
//!
//! let config = Config::parse(["http=/www read", "shell=/ all, /home/me as home all", "shell.limits=open 16"]).unwrap();
//! assert_eq!(config.clients[0].roots[0].rights, Rights::READ);
//! assert_eq!(config.clients[1].roots[1].name, "home");
//! assert_eq!(config.clients[1].limits.open, 16);
//! ```
//!
//! | argument | says |
//! |---|---|
//! | `NAME=ROOTS` | a client: who holds the region in the slot of this name, and the directories that it begins with |
//! | `NAME.limits=open N, buffers N, connections N` | what each of its connections may have at a time, and how many those are |
//! | `read-only` | nothing is changed on the disk, whatever clients may do |
//! | `cache=N` | blocks of the disk that are kept in memory: 1024 if nothing is said |
//! | `sync=N` | seconds after which a change survives a power failure though nobody has asked for it: 5 if nothing is said |
//!
//! Roots have commas between them. Each is a path on the disk, perhaps `as` and a name for it, and rights: `read`, `write`,
//! `create`, `list`, or `all` of them. Without a name it is called as its path is. `admin` among them makes an administrator:
//! a client that may see what all clients begin with, withdraw it while the system runs, and restore it.

use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::fmt;

use atoll_abi::fs::Rights;

/// Blocks that are kept in memory: if nothing is said, and at least and at most.
const CACHE: (u32, u32, u32) = (1024, 64, 1 << 20);
/// Seconds until a change is synced: if nothing is said, and at most.
const SYNC: (u32, u32) = (5, 3600);

/// How much a client may have at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files and directories that are open, of each connection.
    pub open: u32,
    /// Buffers, of each connection.
    pub buffers: u32,
    /// Connections: one for each process that holds the door, and one more for a moment when it is started again.
    pub connections: u32,
}

impl Limits {
    /// If nothing is said.
    pub const DEFAULT: Self = Self {
        open: 64,
        buffers: 8,
        connections: 4,
    };
    /// At most.
    pub const MOST: Self = Self {
        open: 4096,
        buffers: 256,
        connections: 64,
    };
}

/// A directory that a client begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Where it is on the disk, from its root on.
    pub path: String,
    /// What the client knows it by.
    pub name: String,
    /// What the client may do there.
    pub rights: Rights,
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if self.name != self.path {
            write!(f, " as {}", self.name)?;
        }
        match self.rights {
            Rights::ALL => f.write_str(" all"),
            rights => write!(f, " {rights}"),
        }
    }
}

/// A client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The slot that its door is in.
    pub name: String,
    /// The directories that it begins with.
    pub roots: Vec<Root>,
    /// Whether it may see and withdraw what all begin with.
    pub is_admin: bool,
    /// What it may have at a time.
    pub limits: Limits,
}

/// What the arguments say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whether nothing is changed.
    pub is_read_only: bool,
    /// Blocks that are kept in memory.
    pub cache: u32,
    /// Seconds until a change is synced.
    pub sync: u32,
    /// Who begins where.
    pub clients: Vec<Client>,
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
    /// It is neither `read-only` nor `key=value`.
    NoValue,
    /// It is no number, or not one of these.
    Number(u32, u32),
    /// It does not say limits.
    Limits,
    /// There are limits of a client that has no roots.
    NoClient,
    /// It says what another one says.
    Twice,
    /// A root does not begin with a path from the disk's root on.
    Path,
    /// Behind a path there is something else than rights.
    Right,
    /// Two roots have one name.
    Name,
}

impl fmt::Display for BadArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "argument `{}`: ", self.argument)?;
        match self.why {
            Why::NoValue => f.write_str("write `read-only` or `key=value`"),
            Why::Number(least, most) => write!(f, "write a number from {least} to {most}"),
            Why::Limits => write!(
                f,
                "write `open N, buffers N, connections N` with numbers from 1 to {}, {} and {}",
                Limits::MOST.open,
                Limits::MOST.buffers,
                Limits::MOST.connections
            ),
            Why::NoClient => f.write_str("no argument says what this client begins with"),
            Why::Twice => f.write_str("another argument says that already"),
            Why::Path => f.write_str(
                "write paths that begin with `/` and have no `.`, `..` or empty parts, and perhaps `admin`, with commas between them",
            ),
            Why::Right => {
                f.write_str("write `PATH RIGHTS` or `PATH as NAME RIGHTS`, with rights out of `read`, `write`, `create`, `list` and `all`")
            }
            Why::Name => f.write_str("two directories have the same name; give them names with `as`"),
        }
    }
}

impl core::error::Error for BadArgument {}

fn parse_number(text: &str, (least, most): (u32, u32)) -> Result<u32, Why> {
    text.parse()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or(Why::Number(least, most))
}

fn parse_limits(text: &str) -> Result<Limits, Why> {
    let mut limits = Limits::DEFAULT;
    for part in text.split(',') {
        let (what, number) = part.trim().split_once(' ').ok_or(Why::Limits)?;
        let (limit, most) = match what {
            "open" => (&mut limits.open, Limits::MOST.open),
            "buffers" => (&mut limits.buffers, Limits::MOST.buffers),
            "connections" => (&mut limits.connections, Limits::MOST.connections),
            _ => return Err(Why::Limits),
        };
        *limit = parse_number(number.trim(), (1, most)).map_err(|_| Why::Limits)?;
    }
    Ok(limits)
}

fn parse_right(word: &str) -> Option<Rights> {
    let named = Rights::NAMES.iter().find(|(_, name)| *name == word);
    named
        .map(|(right, _)| *right)
        .or_else(|| (word == "all").then_some(Rights::ALL))
}

fn parse_root(text: &str) -> Result<Root, Why> {
    let mut words = text.split_whitespace().peekable();
    let path = words.next().ok_or(Why::Path)?;
    let parts = path.strip_prefix('/').ok_or(Why::Path)?;
    let is_name = |part: &str| !matches!(part, "" | "." | "..");
    if !parts.is_empty() && !parts.split('/').all(is_name) {
        return Err(Why::Path);
    }
    let name = match words.next_if_eq(&"as") {
        Some(_) => words.next().ok_or(Why::Right)?,
        None => path,
    };
    let rights = words.try_fold(Rights::NONE, |all, word| Some(all | parse_right(word)?));
    let rights = rights.filter(|rights| *rights != Rights::NONE);
    Ok(Root {
        path: path.into(),
        name: name.into(),
        rights: rights.ok_or(Why::Right)?,
    })
}

/// The directories, and whether it is an administrator.
fn parse_roots(text: &str) -> Result<(Vec<Root>, bool), Why> {
    let is_admin = |part: &&str| part.trim() == "admin";
    let roots = text.split(',').filter(|part| !is_admin(part));
    let roots: Vec<_> = roots.map(parse_root).collect::<Result<_, _>>()?;
    match text.split(',').filter(is_admin).count() {
        0 | 1 => {}
        _ => return Err(Why::Twice),
    }
    for (index, root) in roots.iter().enumerate() {
        let before = roots.get(..index).unwrap_or_default();
        if before.iter().any(|other| other.name == root.name) {
            return Err(Why::Name);
        }
    }
    Ok((roots, text.split(',').any(|part| is_admin(&part))))
}

/// Keeps a value that is said once.
fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Why> {
    match place.replace(value) {
        Some(_) => Err(Why::Twice),
        None => Ok(()),
    }
}

impl Config {
    /// Reads the arguments.
    ///
    /// # Errors
    /// [`BadArgument`], the first one.
    pub fn parse<'a>(args: impl IntoIterator<Item = &'a str>) -> Result<Self, BadArgument> {
        let (mut read_only, mut cache, mut sync) = (None, None, None);
        let mut clients: Vec<Client> = Vec::new();
        let mut limits: Vec<(&str, &str, Limits)> = Vec::new();
        for argument in args {
            let mut read = || -> Result<(), Why> {
                if argument.trim() == "read-only" {
                    return once(&mut read_only, ());
                }
                let (key, value) = argument.split_once('=').ok_or(Why::NoValue)?;
                let (key, value) = (key.trim(), value.trim());
                match key {
                    "cache" => once(&mut cache, parse_number(value, (CACHE.1, CACHE.2))?),
                    "sync" => once(&mut sync, parse_number(value, (1, SYNC.1))?),
                    _ => match key.strip_suffix(".limits") {
                        Some(name) if limits.iter().any(|(_, other, _)| *other == name) => {
                            Err(Why::Twice)
                        }
                        Some(name) => {
                            limits.push((argument, name, parse_limits(value)?));
                            Ok(())
                        }
                        None if clients.iter().any(|other| other.name == key) => Err(Why::Twice),
                        None => {
                            let (roots, is_admin) = parse_roots(value)?;
                            clients.push(Client {
                                name: key.into(),
                                roots,
                                is_admin,
                                limits: Limits::DEFAULT,
                            });
                            Ok(())
                        }
                    },
                }
            };
            read().map_err(|why| bad(argument, why))?;
        }
        for (argument, name, limits) in limits {
            let client = clients.iter_mut().find(|client| client.name == name);
            let client = client.ok_or_else(|| bad(argument, Why::NoClient))?;
            client.limits = limits;
        }
        Ok(Self {
            is_read_only: read_only.is_some(),
            cache: cache.unwrap_or(CACHE.0),
            sync: sync.unwrap_or(SYNC.0),
            clients,
        })
    }
}

fn bad(argument: &str, why: Why) -> BadArgument {
    BadArgument {
        argument: argument.to_owned(),
        why,
    }
}
