// SPDX-License-Identifier: BSD-2-Clause
//! The arguments of a supervisor.
//!
//! ```text
//! group NAME STRATEGY [MOST/PERIOD] [permanent|transient|temporary] [in GROUP]
//! GUEST[,GUEST…] [permanent|transient|temporary] [in GROUP] [after MEMBER,…] [health=TIME] [stop=TIME] [manual]
//! SLOT=see|control
//! ```
//!
//! With `;` between them, several are in one argument.
//! The group `all` is there without being declared; it may be, to say how it is restarted. Times are `500ms` or `2s`.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use atoll_abi::init::{Restart, Strategy};

/// The group that all members are in.
pub const ROOT: &str = "all";
/// Most members, groups among them.
const MAX_NODES: usize = 64;
/// Restarts within [`PERIOD`] that a group allows if nothing is said.
const MOST: u16 = 5;
/// Milliseconds.
const PERIOD: u32 = 10_000;
/// Milliseconds that a guest gets to end well.
const GRACE: u32 = 2_000;

/// An argument that says nothing, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError(String);

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for PolicyError {}

/// How a guest is looked after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestPolicy {
    /// Milliseconds in which it has to answer, if it is asked for its health.
    pub health: Option<u32>,
    /// Milliseconds that it gets to end well.
    pub grace: u32,
    /// Whether it is started only when somebody asks.
    pub is_manual: bool,
}

/// What a member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A guest.
    Guest(GuestPolicy),
    /// A group.
    Group {
        /// Who is started again with a member.
        strategy: Strategy,
        /// More restarts than these ...
        most: u16,
        /// ... within so many milliseconds: then the group fails.
        within: u32,
    },
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// When it is started again.
    pub restart: Restart,
    /// What it is.
    pub kind: Kind,
    /// The group that it is in; the first node alone is in none.
    pub parent: Option<usize>,
    /// How many groups it is in, the first not counted.
    pub depth: u8,
    /// Those that run before it.
    pub after: Vec<usize>,
}

/// What a client may, by the slot of the channel with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// The slot.
    pub slot: String,
    /// Whether the client may do more than see.
    pub may_control: bool,
}

/// How all members are looked after.
///
/// The nodes are in the order of their start: a group in front of its members, those that others need in front of
/// these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The members; the first is the group of all.
    pub nodes: Vec<Node>,
    /// The clients.
    pub doors: Vec<Door>,
}

/// A member as its argument says.
struct Said<'a> {
    argument: &'a str,
    node: Node,
    parent: Option<&'a str>,
    after: Vec<&'a str>,
}

fn wrong<T>(argument: &str, why: &str) -> Result<T, PolicyError> {
    Err(PolicyError(format!("the argument `{argument}`: {why}")))
}

impl Policy {
    /// Reads the arguments.
    ///
    /// # Errors
    /// What is wrong with one of them, with its text.
    pub fn parse<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<Self, PolicyError> {
        let mut said: Vec<Said<'a>> = Vec::new();
        let mut doors: Vec<Door> = Vec::new();
        for argument in arguments.into_iter().flat_map(|all| all.split(';')) {
            let argument = argument.trim();
            let mut words = argument.split_whitespace();
            match words.next() {
                None => return wrong(argument, "it says nothing"),
                Some("group") => said.push(group(argument, words)?),
                Some(word) if word.contains('=') => doors.push(door(argument, word, words.next())?),
                Some(names) => {
                    for name in names.split(',') {
                        said.push(guest(argument, name, words.clone())?);
                    }
                }
            }
        }
        if !said.iter().any(|one| one.node.name == ROOT) {
            let root = Kind::Group {
                strategy: Strategy::OneForOne,
                most: MOST,
                within: PERIOD,
            };
            said.push(Said {
                argument: "",
                node: node(ROOT, root),
                parent: None,
                after: Vec::new(),
            });
        }
        if said.len() > MAX_NODES {
            let why = format!("there are {} members, {MAX_NODES} are possible", said.len());
            return Err(PolicyError(why));
        }
        Ok(Self {
            nodes: arrange(said)?,
            doors,
        })
    }

    /// The member of this name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.name == name)
    }

    /// Whether a member is a group, or in it, however deep.
    pub fn is_within(&self, member: usize, group: usize) -> bool {
        let parent = |id: &usize| self.nodes.get(*id).and_then(|node| node.parent);
        core::iter::successors(Some(member), parent).any(|id| id == group)
    }
}

fn node(name: &str, kind: Kind) -> Node {
    Node {
        name: name.to_string(),
        restart: Restart::Permanent,
        kind,
        parent: None,
        depth: 0,
        after: Vec::new(),
    }
}

fn check_name(argument: &str, name: &str) -> Result<(), PolicyError> {
    if name.is_empty() || name.len() > 32 {
        return wrong(argument, "a name has 1 to 32 bytes");
    }
    Ok(())
}

fn restart(word: &str) -> Option<Restart> {
    Some(match word {
        "permanent" => Restart::Permanent,
        "transient" => Restart::Transient,
        "temporary" => Restart::Temporary,
        _ => return None,
    })
}

fn milliseconds(argument: &str, text: &str) -> Result<u32, PolicyError> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1),
        None => (text.strip_suffix('s').unwrap_or(""), 1000),
    };
    let time = number.parse::<u32>().ok().and_then(|n| n.checked_mul(unit));
    match time {
        Some(time) if time > 0 => Ok(time),
        _ => wrong(
            argument,
            &format!("`{text}` is no time; write `500ms` or `2s`"),
        ),
    }
}

fn group<'a>(
    argument: &'a str,
    mut words: impl Iterator<Item = &'a str>,
) -> Result<Said<'a>, PolicyError> {
    let Some(name) = words.next() else {
        return wrong(argument, "write `group NAME one_for_one`");
    };
    check_name(argument, name)?;
    let strategy = match words.next() {
        Some("one_for_one") => Strategy::OneForOne,
        Some("one_for_all") => Strategy::OneForAll,
        Some("rest_for_one") => Strategy::RestForOne,
        _ => {
            return wrong(
                argument,
                "write `one_for_one`, `one_for_all` or `rest_for_one`",
            );
        }
    };
    let (mut most, mut within) = (MOST, PERIOD);
    let mut kind = Restart::Permanent;
    let mut parent = None;
    while let Some(word) = words.next() {
        if let Some(how) = restart(word) {
            kind = how;
        } else if word == "in" {
            parent = words.next();
            if parent.is_none() {
                return wrong(argument, "write `in GROUP`");
            }
        } else if let Some((count, period)) = word.split_once('/') {
            let Ok(count) = count.parse() else {
                return wrong(
                    argument,
                    &format!("`{word}`: write so many restarts within a time as `5/10s`"),
                );
            };
            (most, within) = (count, milliseconds(argument, period)?);
        } else {
            return wrong(argument, &format!("`{word}` says nothing of a group"));
        }
    }
    if name == ROOT && parent.is_some() {
        return wrong(argument, "the group of all is in no other");
    }
    let mut node = node(
        name,
        Kind::Group {
            strategy,
            most,
            within,
        },
    );
    node.restart = kind;
    Ok(Said {
        argument,
        node,
        parent,
        after: Vec::new(),
    })
}

fn guest<'a>(
    argument: &'a str,
    name: &'a str,
    mut words: impl Iterator<Item = &'a str>,
) -> Result<Said<'a>, PolicyError> {
    check_name(argument, name)?;
    let mut policy = GuestPolicy {
        health: None,
        grace: GRACE,
        is_manual: false,
    };
    let mut kind = Restart::Permanent;
    let (mut parent, mut after) = (None, Vec::new());
    while let Some(word) = words.next() {
        if let Some(how) = restart(word) {
            kind = how;
        } else if let Some(time) = word.strip_prefix("health=") {
            policy.health = Some(milliseconds(argument, time)?);
        } else if let Some(time) = word.strip_prefix("stop=") {
            policy.grace = milliseconds(argument, time)?;
        } else {
            match (word, words.next()) {
                ("manual", next) => {
                    policy.is_manual = true;
                    // What comes next is another word.
                    if let Some(next) = next {
                        return wrong(
                            argument,
                            &format!("`manual` comes last, not in front of `{next}`"),
                        );
                    }
                }
                ("in", Some(group)) => parent = Some(group),
                ("after", Some(names)) => after.extend(names.split(',')),
                ("in" | "after", None) => {
                    return wrong(argument, &format!("write a name behind `{word}`"));
                }
                _ => return wrong(argument, &format!("`{word}` says nothing of a guest")),
            }
        }
    }
    let mut node = node(name, Kind::Guest(policy));
    node.restart = kind;
    Ok(Said {
        argument,
        node,
        parent,
        after,
    })
}

fn door(argument: &str, word: &str, next: Option<&str>) -> Result<Door, PolicyError> {
    let (slot, may_control) = match (word.split_once('='), next) {
        (Some((slot, "see")), None) if !slot.is_empty() => (slot, false),
        (Some((slot, "control")), None) if !slot.is_empty() => (slot, true),
        _ => return wrong(argument, "a client is `SLOT=see` or `SLOT=control`"),
    };
    Ok(Door {
        slot: slot.to_string(),
        may_control,
    })
}

/// Some of those of whom each needs another one, in the order in which they need each other.
fn circle(all: &[usize], needs: impl Fn(usize, usize) -> bool) -> Vec<usize> {
    let mut path: Vec<usize> = all.first().copied().into_iter().collect();
    while let Some(&last) = path.last() {
        let next = all
            .iter()
            .find(|other| **other != last && needs(last, **other));
        let Some(&next) = next else { break };
        if let Some(start) = path.iter().position(|id| *id == next) {
            path.drain(..start);
            break;
        }
        path.push(next);
    }
    path
}

/// Puts the members into the order of their start, with their places for their names.
fn arrange(said: Vec<Said<'_>>) -> Result<Vec<Node>, PolicyError> {
    let find = |name: &str| said.iter().position(|one| one.node.name == name);
    let root = find(ROOT).unwrap_or(0);
    let mut parents = Vec::new();
    let mut afters = Vec::new();
    for (id, one) in said.iter().enumerate() {
        if find(&one.node.name) != Some(id) {
            return wrong(
                one.argument,
                &format!("there is another `{}`", one.node.name),
            );
        }
        let parent = match one.parent {
            None if id == root => None,
            None => Some(root),
            Some(name) => match find(name) {
                Some(group) if matches!(said[group].node.kind, Kind::Group { .. }) => Some(group),
                _ => return wrong(one.argument, &format!("there is no group `{name}`")),
            },
        };
        parents.push(parent);
        let mut after = Vec::new();
        for name in &one.after {
            match find(name) {
                Some(other) if other != id => after.push(other),
                _ => return wrong(one.argument, &format!("there is no other member `{name}`")),
            }
        }
        afters.push(after);
    }
    let path = |id: usize| -> Vec<usize> {
        core::iter::successors(Some(id), |id| parents.get(*id).copied().flatten())
            .take(said.len() + 1)
            .collect()
    };
    for (id, one) in said.iter().enumerate() {
        let path = path(id);
        if path.last() != Some(&root) {
            return wrong(one.argument, "the group is in itself");
        }
        if afters[id].iter().any(|other| path.contains(other)) {
            return wrong(one.argument, "it is to run after a group that it is in");
        }
    }
    // A member of a group waits for all that anything within it waits for, outside of it.
    let needs = |id: usize, other: usize| {
        (0..said.len()).any(|inner| {
            path(inner).contains(&id)
                && afters[inner]
                    .iter()
                    .any(|wanted| path(*wanted).contains(&other))
        })
    };
    let mut order = Vec::new();
    let mut open = Vec::from([root]);
    while let Some(id) = open.pop() {
        order.push(id);
        let mut children: Vec<usize> = (0..said.len())
            .filter(|child| parents[*child] == Some(id))
            .collect();
        let mut sorted = Vec::new();
        while !children.is_empty() {
            let free = children.iter().position(|&child| {
                children
                    .iter()
                    .all(|&other| child == other || !needs(child, other))
            });
            let Some(free) = free else {
                let circle = circle(&children, needs);
                let first = circle.first().map_or("", |&id| said[id].argument);
                let names = circle.iter().map(|&id| format!("`{}`", said[id].node.name));
                let names: Vec<String> = names.collect();
                let why = format!("{} wait for each other", names.join(", "));
                return wrong(first, &why);
            };
            sorted.push(children.remove(free));
        }
        open.extend(sorted.into_iter().rev());
    }
    let place = |id: usize| order.iter().position(|other| *other == id).unwrap_or(0);
    let nodes = order.iter().map(|&id| Node {
        parent: parents[id].map(place),
        depth: path(id).len().saturating_sub(2) as u8,
        after: afters[id].iter().map(|&other| place(other)).collect(),
        ..said[id].node.clone()
    });
    Ok(nodes.collect())
}
