// SPDX-License-Identifier: BSD-2-Clause
//! What is written in the picture's boxes, and how much room that takes.

use super::graph::Node;
use super::layout::{DEVICE, GUEST, LINK};
use super::model::{Facts, Guest, Holder, Server, Task};
use super::words::bytes;

/// How a line of text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A name.
    Name,
    /// What it is.
    Plain,
    /// What matters less.
    Muted,
    /// Whom it controls.
    Control,
}

/// Lines of text, from the top of their box.
#[derive(Clone, Debug)]
pub struct Lines {
    /// Base lines, from the top of the box, with what is written there.
    pub lines: Vec<(f64, Style, String)>,
    /// Height of the box.
    pub height: f64,
    /// What was left out or cut, for who points at the box.
    pub title: String,
}

/// From the side of a box to its text.
pub const INSET: f64 = 12.0;
/// Most lines of hostcall groups.
const GROUP_LINES: usize = 3;

impl Style {
    /// Font size in pixels.
    pub fn size(self) -> f64 {
        match self {
            Self::Name => 14.0,
            Self::Plain => 11.5,
            Self::Muted | Self::Control => 10.5,
        }
    }
}

impl Lines {
    fn new(width: f64, title: String, lines: Vec<(Style, String)>) -> Self {
        let mut y = 6.0;
        let mut placed = Vec::new();
        for (style, text) in lines {
            y += style.size() + 4.0;
            placed.push((y, style, fit(&text, style, width - 2.0 * INSET)));
        }
        Self {
            lines: placed,
            height: y + 10.0,
            title,
        }
    }
}

/// Of a device, guest, channel or service.
pub fn lines(facts: &Facts, node: Node) -> Lines {
    match node {
        Node::Device(device) => {
            let device = &facts.devices[device];
            let mut lines = vec![(Style::Name, device.name.clone())];
            lines.extend(device.short.iter().map(|line| (Style::Plain, line.clone())));
            if device.holders.len() != 1 {
                lines.push((Style::Muted, held_by(&device.holders)));
            }
            let title = format!(
                "{}: {}, {}",
                device.name,
                device.what,
                held_by(&device.holders)
            );
            Lines::new(DEVICE, title, lines)
        }
        Node::Link(link) => {
            let link = &facts.links[link];
            let kind = link.kind.name();
            let what = match link.bytes {
                Some(size) => format!("{kind}, {}", bytes(size)),
                None => kind.into(),
            };
            let title = format!("{kind} {}, {}", link.name, held_by(&link.holders));
            let mut lines = vec![(Style::Name, link.name.clone()), (Style::Plain, what)];
            if link.holders.is_empty() {
                lines.push((Style::Muted, held_by(&link.holders)));
            }
            Lines::new(LINK, title, lines)
        }
        Node::Guest(guest) => of_guest(facts, &facts.guests[guest]),
        Node::Task(task) => of_task(facts, &facts.tasks[task]),
    }
}

fn of_task(facts: &Facts, task: &Task) -> Lines {
    let memory = bytes(task.stack + task.heap);
    let mut lines = vec![
        (Style::Name, task.name.clone()),
        (Style::Plain, format!("native task, runs {}", task.program)),
        (
            Style::Plain,
            format!("priority {}, {memory}", task.priority),
        ),
        (Style::Plain, format!("restart {}", task.restart)),
    ];
    // What is not drawn as an edge.
    let devices = facts.devices.iter().map(|device| &device.name);
    let drawn: Vec<_> = devices
        .chain(facts.links.iter().map(|link| &link.name))
        .collect();
    let rest = task
        .holds
        .iter()
        .filter(|held| !drawn.contains(&&held.object));
    let names: Vec<&str> = rest.map(|held| &*held.object).collect();
    let names = wrap(&names, Style::Muted, GUEST - 2.0 * INSET);
    lines.extend(names.into_iter().map(|line| (Style::Muted, line)));
    let title = format!(
        "native task {}: stack {}, heap {}",
        task.name,
        bytes(task.stack),
        bytes(task.heap)
    );
    Lines::new(GUEST, title, lines)
}

fn of_guest(facts: &Facts, guest: &Guest) -> Lines {
    let budget = &guest.budget;
    let mut lines = vec![
        (Style::Name, guest.name.clone()),
        (Style::Plain, format!("runs {}", guest.module)),
        (
            Style::Plain,
            format!("priority {}, {}", guest.priority, bytes(budget.bytes)),
        ),
    ];
    let mut life = Vec::new();
    if guest.start == "demand" {
        life.push("started on demand".to_owned());
    }
    if guest.restart != "temporary" {
        life.push(format!("restart {}", guest.restart));
    }
    if let Some(deadline) = guest.deadline_ms {
        life.push(format!("ends after {deadline} ms"));
    }
    if !life.is_empty() {
        lines.push((Style::Plain, life.join(", ")));
    }
    let groups = wrap(&guest.groups, Style::Muted, GUEST - 2.0 * INSET);
    lines.extend(groups.into_iter().map(|line| (Style::Muted, line)));
    let is_held = |other: &&Guest| {
        let mut holders = other.controlled_by.iter();
        holders.any(|holder| holder.holder == guest.name)
    };
    let held: Vec<&str> = facts
        .guests
        .iter()
        .filter(is_held)
        .map(|other| &*other.name)
        .collect();
    if !held.is_empty() {
        let words: Vec<&str> = std::iter::once("controls").chain(held).collect();
        let words = wrap(&words, Style::Control, GUEST - 2.0 * INSET);
        lines.extend(words.into_iter().map(|line| (Style::Control, line)));
    }
    let mut title = format!(
        "guest {}: {} of memory, {} of it stack; may call {}",
        guest.name,
        bytes(budget.bytes),
        bytes(budget.stack),
        match &guest.groups[..] {
            [] => "nothing".into(),
            groups => groups.join(", "),
        },
    );
    if !guest.args.is_empty() {
        title += &format!("; arguments {}", guest.args.join(" "));
    }
    Lines::new(GUEST, title, lines)
}

/// Of a server, at the top of its frame.
pub fn server(facts: &Facts, server: &Server) -> Lines {
    let guests = facts.guests.iter();
    let guests = guests.filter(|guest| guest.server == server.name).count();
    let title = format!("process server {}, restart {}", server.name, server.restart);
    let lines = vec![
        (Style::Name, server.name.clone()),
        (
            Style::Plain,
            format!("process server, {}", super::text::count(guests, "guest")),
        ),
        (
            Style::Plain,
            format!("priority {}, heap {}", server.priority, bytes(server.heap)),
        ),
        (
            Style::Plain,
            format!("{} for stacks and tables", bytes(server.memory)),
        ),
    ];
    let mut lines = Lines::new(GUEST + 2.0 * INSET, title, lines);
    lines.height -= 4.0;
    lines
}

fn held_by(holders: &[Holder]) -> String {
    match holders {
        [] => "held by nobody".into(),
        holders => {
            let names: Vec<_> = holders.iter().map(|one| &*one.holder).collect();
            format!("held by {}", names.join(", "))
        }
    }
}

/// Words in lines of this width; what does not go into a few lines is counted.
fn wrap(words: &[&str], style: Style, room: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let joined = lines.last().map(|line| format!("{line} {word}"));
        match joined {
            Some(joined) if width(&joined, style.size()) <= room => {
                lines.pop();
                lines.push(joined);
            }
            _ if lines.len() == GROUP_LINES => {
                let more = format!(" +{}", words.len() - at);
                if let Some(last) = lines.last_mut() {
                    let room = room - width(&more, style.size());
                    *last = fit(last, style, room) + &more;
                }
                break;
            }
            _ => lines.push((*word).to_owned()),
        }
    }
    lines
}

/// A text, cut where the room ends.
pub fn fit(text: &str, style: Style, room: f64) -> String {
    let size = style.size() * if style == Style::Name { 1.1 } else { 1.0 };
    cut(text, size, room)
}

/// A text of this size, cut where the room ends.
pub fn cut(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut kept: String = text.into();
    while !kept.is_empty() && width(&kept, size) + size > room {
        kept.pop();
    }
    kept + "…"
}

/// The width of a text in the widest of the usual fonts without serifs, DejaVu Sans and Verdana.
pub fn width(text: &str, size: f64) -> f64 {
    let ems = text.chars().map(|one| match one {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' => 0.36,
        'f' | 'r' | 't' | '(' | ')' | '[' | ']' | '-' | '/' | 'I' => 0.46,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '+' | '=' | '<' | '>' => 1.0,
        'A'..='Z' | '_' => 0.76,
        ' '..='~' => 0.66,
        _ => 1.0,
    });
    ems.sum::<f64>() * size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut() {
        let long = "a-guest-with-a-name-that-nobody-would-want-to-type";
        let cut = fit(long, Style::Name, 192.0);
        assert!(
            cut.ends_with('…') && long.starts_with(cut.trim_end_matches('…')),
            "{cut}"
        );
        assert!(width(&cut, Style::Name.size() * 1.1) <= 192.0, "{cut}");
        assert_eq!(fit("net", Style::Name, 192.0), "net");
        assert_eq!(fit("net", Style::Name, 0.0), "…");
    }

    #[test]
    fn groups_are_wrapped_and_the_rest_counted() {
        let all: Vec<&str> = capdl::blob::Group::ALL
            .iter()
            .filter_map(|group| group.grant())
            .collect();
        let lines = wrap(&all, Style::Muted, 192.0);
        assert_eq!(lines.len(), GROUP_LINES);
        for line in &lines {
            assert!(width(line, Style::Muted.size()) <= 192.0, "{line}");
        }
        let shown: usize = lines.iter().map(|line| line.split(' ').count()).sum();
        let last = lines[2].rsplit('+').next().unwrap();
        // The count may have cut a word.
        assert!(
            shown - 1 + last.parse::<usize>().unwrap() >= all.len(),
            "{lines:?}"
        );
        assert_eq!(wrap(&["log"], Style::Muted, 192.0), ["log"]);
    }
}
