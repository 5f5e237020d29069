// SPDX-License-Identifier: BSD-2-Clause
//! The report as text.

use std::fmt::{self, Write as _};

use super::model::{
    Device, Facts, Guest, Held, Holder, Link, LinkKind, Object, Owner, Piece, RAM, Server, Task,
};
use super::reach::{Peer, Reach, Way};
use super::words::{bytes, hex};

/// Where the second column of a block begins, at most.
const COLUMN: usize = 34;

/// The whole report.
pub fn text(facts: &Facts) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = Report(facts).write(&mut out);
    out
}

/// One line of a block: what is on the left, and what it is.
type Row = (String, String);

struct Report<'a>(&'a Facts);

impl Report<'_> {
    fn write(&self, out: &mut String) -> fmt::Result {
        let facts = self.0;
        writeln!(out, "Who holds what in {}", facts.spec)?;
        writeln!(out, "{}\n", summary(facts))?;
        for server in &facts.servers {
            self.server(out, server)?;
            let guests = facts.guests.iter();
            for guest in guests.filter(|guest| guest.server == server.name) {
                self.guest(out, guest)?;
            }
        }
        for task in &facts.tasks {
            self.task(out, task)?;
        }
        for link in &facts.links {
            self.link(out, link)?;
        }
        for device in &facts.devices {
            self.device(out, device)?;
        }
        self.others(out)?;
        self.memory(out)
    }

    fn title(&self, out: &mut String, title: &str, line: u32) -> fmt::Result {
        let place = format!("{}:{line}", self.0.spec);
        let width = 100usize.saturating_sub(place.chars().count() + 1);
        writeln!(out, "{title:<width$} {place}")
    }

    fn server(&self, out: &mut String, server: &Server) -> fmt::Result {
        self.title(out, &format!("PROCESS SERVER {}", server.name), server.line)?;
        let mut rows = vec![
            (
                "runs".into(),
                format!(
                    "at priority {}, restart: {}",
                    server.priority, server.restart
                ),
            ),
            (
                "is made of".into(),
                format!(
                    "{} about, {} of it heap",
                    bytes(server.made_of),
                    bytes(server.heap)
                ),
            ),
        ];
        rows.extend(server.holds.iter().map(held));
        block(out, &rows)
    }

    fn guest(&self, out: &mut String, guest: &Guest) -> fmt::Result {
        let title = format!("GUEST {} of {}", guest.name, guest.server);
        self.title(out, &title, guest.line)?;
        let mut rows = vec![("runs".into(), runs(guest))];
        if !guest.after.is_empty() {
            rows.push(("starts after".into(), guest.after.join(", ")));
        }
        if !guest.args.is_empty() {
            rows.push(("arguments".into(), quoted(&guest.args)));
        }
        if !guest.env.is_empty() {
            rows.push(("environment".into(), quoted(&guest.env)));
        }
        for cap in &guest.holds {
            let (left, mut right) = held(cap);
            if cap.slot == "memory" {
                right += &format!(", of which {}", budget(guest));
            }
            rows.push((left, right));
        }
        let groups = match &guest.groups[..] {
            [] => "nothing but its own handles".into(),
            groups => groups.join(", "),
        };
        rows.push(("may call".into(), groups));
        let holder = |holder: &Holder| format!("{} ({})", holder.holder, holder.rights);
        let holders: Vec<_> = guest.controlled_by.iter().map(holder).collect();
        if !holders.is_empty() {
            rows.push(("controlled by".into(), holders.join(", ")));
        }
        rows.extend(ways(&guest.peers, &guest.reaches));
        block(out, &rows)
    }

    fn task(&self, out: &mut String, task: &Task) -> fmt::Result {
        self.title(out, &format!("NATIVE TASK {}", task.name), task.line)?;
        let runs = format!(
            "program {} at priority {}, restart: {}",
            task.program, task.priority, task.restart
        );
        let made = format!(
            "{} of stack, {} of heap",
            bytes(task.stack),
            bytes(task.heap)
        );
        let mut rows = vec![("runs".into(), runs), ("is made of".into(), made)];
        if !task.args.is_empty() {
            rows.push(("arguments".into(), quoted(&task.args)));
        }
        rows.extend(task.holds.iter().map(held));
        rows.extend(ways(&task.peers, &task.reaches));
        block(out, &rows)
    }

    fn link(&self, out: &mut String, link: &Link) -> fmt::Result {
        let kind = link.kind.name().to_uppercase();
        let title = match link.bytes {
            Some(size) => format!("{kind} {} of {}", link.name, bytes(size)),
            None => format!("{kind} {}", link.name),
        };
        self.title(out, &title, link.line)?;
        let mut rows = self.holds(&link.name);
        for holder in &link.holders {
            rows.push((
                format!("{}.{}", holder.holder, holder.slot),
                match &*holder.data {
                    "" => verbs(link, &holder.rights),
                    data => format!("{}, {data}", verbs(link, &holder.rights)),
                },
            ));
        }
        if link.holders.is_empty() {
            rows.push(("is held by".into(), "nobody".into()));
        }
        block(out, &rows)
    }

    /// What is in an object's own section: the memory of a channel, the notification of an interrupt.
    fn holds(&self, name: &str) -> Vec<Row> {
        let object = self.0.object(name);
        object.map_or_else(Vec::new, |object| object.holds.iter().map(held).collect())
    }

    fn device(&self, out: &mut String, device: &Device) -> fmt::Result {
        let title = format!("DEVICE {}: {}", device.name, device.what);
        self.title(out, &title, device.line)?;
        let mut rows: Vec<_> = device
            .holders
            .iter()
            .map(|holder| {
                let what = match &*holder.rights {
                    "" => "holds it".into(),
                    rights => format!("({rights})"),
                };
                (format!("{}.{}", holder.holder, holder.slot), what)
            })
            .collect();
        rows.extend(self.holds(&device.name));
        if device.holders.is_empty() {
            rows.push(("is held by".into(), "nobody".into()));
        }
        let mut reached = Vec::new();
        for guest in &self.0.guests {
            let mut ways = guest.reaches.iter();
            let way = ways.find(|way| way.device == device.name && !way.through.is_empty());
            if let Some(way) = way {
                let via: Vec<_> = way.through.iter().map(|hop| &*hop.guest).collect();
                reached.push(format!("{} through {}", guest.name, via.join(", ")));
            }
        }
        if !reached.is_empty() {
            rows.push(("is reached by".into(), reached.join("; ")));
        }
        block(out, &rows)
    }

    /// Objects that no block above is about, and that are not memory.
    fn others(&self, out: &mut String) -> fmt::Result {
        let facts = self.0;
        let shown = |object: &&Object| {
            let has_block = facts.servers.iter().any(|one| one.name == object.name)
                || facts.guests.iter().any(|one| one.name == object.name)
                || facts.tasks.iter().any(|one| one.name == object.name)
                || facts.links.iter().any(|one| one.name == object.name)
                || facts.devices.iter().any(|one| one.name == object.name);
            !has_block && object.kind != "ut"
        };
        let (holding, others): (Vec<&Object>, Vec<&Object>) = facts
            .objects
            .iter()
            .filter(shown)
            .partition(|object| !object.holds.is_empty());
        for object in holding {
            let title = format!("{} {}", object.kind.to_uppercase(), object.name);
            self.title(out, &title, object.line)?;
            let mut rows = vec![("is".into(), described(object))];
            rows.extend(object.holds.iter().map(held));
            block(out, &rows)?;
        }
        if others.is_empty() {
            return Ok(());
        }
        writeln!(out, "KERNEL OBJECTS")?;
        let rows: Vec<_> = others
            .iter()
            .map(|object| (object.name.clone(), described(object)))
            .collect();
        block(out, &rows)
    }

    fn memory(&self, out: &mut String) -> fmt::Result {
        let memory = &self.0.memory;
        writeln!(out, "MEMORY")?;
        let mut rows = Vec::new();
        let ram_end = RAM + memory.machine;
        let mut ram = Some((
            format!("{} .. {}", hex(RAM), hex(ram_end)),
            format!("the machine's memory, {}", bytes(memory.machine)),
        ));
        for piece in &memory.placed {
            let start = piece.start.unwrap_or_default();
            if start >= RAM {
                rows.extend(ram.take());
            }
            rows.push((
                format!("{} .. {}", hex(start), hex(start + piece.bytes)),
                format!(
                    "{}, {}: {}",
                    piece.name,
                    kind(piece),
                    holders(&piece.holders)
                ),
            ));
        }
        rows.extend(ram);
        for piece in &memory.anywhere {
            rows.push((
                format!("  {} anywhere", bytes(piece.bytes)),
                format!(
                    "{}, {}: {}",
                    piece.name,
                    kind(piece),
                    holders(&piece.holders)
                ),
            ));
        }
        block(out, &rows)?;
        let by = |owner| {
            let pieces = memory.anywhere.iter().chain(&memory.placed);
            let mine = pieces.filter(|piece| piece.kind == "ut" && piece.owner == owner);
            mine.map(|piece| piece.bytes).sum::<u64>()
        };
        let mut rows: Vec<Row> = [
            ("guests", by(Owner::Guest)),
            ("channels", by(Owner::Channel)),
            ("process servers, for stacks and tables", by(Owner::Server)),
            ("process servers themselves, about", memory.servers),
            ("others", by(Owner::Other)),
            ("nobody", by(Owner::Nobody)),
        ]
        .into_iter()
        .filter(|&(_, sum)| sum > 0)
        .map(|(whose, sum)| (bytes(sum), format!("for {whose}")))
        .collect();
        let sum = memory.untyped + memory.servers;
        rows.push((bytes(sum), format!("of {}", bytes(memory.machine))));
        block(out, &rows)
    }
}

/// One line: how much there is of what.
pub fn summary(facts: &Facts) -> String {
    let links = |kind: LinkKind| {
        let links = facts.links.iter().filter(|link| link.kind == kind);
        links.count()
    };
    let mut counts = vec![
        count(facts.servers.len(), "process server"),
        count(facts.guests.len(), "guest"),
        count(facts.tasks.len(), "native task"),
        count(facts.devices.len(), "device"),
        count(links(LinkKind::Channel), "channel"),
        count(links(LinkKind::Service), "service"),
    ];
    for kind in [LinkKind::Endpoint, LinkKind::Notification, LinkKind::Frame] {
        if links(kind) > 0 {
            counts.push(count(links(kind), kind.name()));
        }
    }
    if facts.tasks.is_empty() {
        counts.remove(2);
    }
    let memory = &facts.memory;
    format!(
        "{}; {} of {} are given away",
        counts.join(", "),
        bytes(memory.untyped + memory.servers),
        bytes(memory.machine)
    )
}

/// A number of things.
pub fn count(number: usize, thing: &str) -> String {
    match number {
        0 => format!("no {thing}s"),
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}

/// A capability in its slot, as the text of specs has it.
fn cap(slot: &str, object: &str, rights: &str) -> String {
    match rights {
        "" => format!("{slot}: {object}"),
        _ => format!("{slot}: {object} ({rights})"),
    }
}

fn held(held: &Held) -> Row {
    let left = cap(&held.slot, &held.object, &held.rights);
    let mut what = held.what.clone();
    if !held.data.is_empty() {
        what += &format!(", {}", held.data);
    }
    (left, what)
}

/// What an object is, and who holds it.
fn described(object: &Object) -> String {
    let mut text = format!("{}: {}", object.what, holders(&object.holders));
    if !object.used_by.is_empty() {
        text += &format!("; part of {}", object.used_by.join(", "));
    }
    text
}

fn holders(holders: &[Holder]) -> String {
    let list: Vec<_> = holders
        .iter()
        .map(|one| match &*one.rights {
            "" => format!("{}.{}", one.holder, one.slot),
            rights => format!("{}.{} ({rights})", one.holder, one.slot),
        })
        .collect();
    or_nobody(&list, "held by nobody")
}

fn or_nobody(list: &[String], nobody: &str) -> String {
    match list {
        [] => nobody.into(),
        list => list.join("; "),
    }
}

fn kind(piece: &Piece) -> &'static str {
    match piece.kind {
        "ut" => "untyped",
        kind => kind,
    }
}

fn runs(guest: &Guest) -> String {
    let mut text = format!(
        "module {} at priority {}, starts {}, restart: {}",
        guest.module,
        guest.priority,
        match guest.start {
            "boot" => "with its server",
            _ => "when a guest asks for it",
        },
        guest.restart
    );
    if let Some(deadline) = guest.deadline_ms {
        text += &format!(", for {deadline} ms at most");
    }
    text
}

fn budget(guest: &Guest) -> String {
    let budget = &guest.budget;
    let share = |part: u64| {
        let percent = (part * 100).div_ceil(budget.bytes.max(1));
        format!("{} ({percent} %)", bytes(part))
    };
    let mut text = format!("{} are its stack", share(budget.stack));
    if let Some(linear) = budget.linear {
        text += &format!(", {} what its module starts with", share(linear));
    }
    text
}

fn quoted(strings: &[String]) -> String {
    let quoted: Vec<_> = strings.iter().map(|one| format!("{one:?}")).collect();
    quoted.join(", ")
}

fn ways(peers: &[Peer], reaches: &[Reach]) -> [Row; 2] {
    let talks = peers.iter().map(|peer| {
        let how = match peer.way {
            Way::Sends => "to only",
            Way::Receives => "from only",
            Way::Both => "both ways",
            Way::Asks => "asks",
            Way::Answers => "answers",
        };
        format!("{} through {} ({how})", peer.guest, peer.through)
    });
    let talks: Vec<_> = talks.collect();
    let reaches: Vec<_> = reaches.iter().map(reach).collect();
    [
        ("talks to".into(), or_nobody(&talks, "nobody")),
        ("reaches".into(), or_nobody(&reaches, "no device")),
    ]
}

fn reach(reach: &Reach) -> String {
    let rights = &reach.rights;
    if reach.through.is_empty() {
        return match &**rights {
            "" => format!("{} itself", reach.device),
            rights => format!("{} itself ({rights})", reach.device),
        };
    }
    let hops = reach.through.iter();
    let hops = hops.map(|hop| format!("{} ({})", hop.guest, hop.link));
    let hops: Vec<_> = hops.collect();
    format!("{} through {}", reach.device, hops.join(", then "))
}

/// What rights on a link mean.
fn verbs(link: &Link, rights: &str) -> String {
    let names = match link.kind {
        LinkKind::Channel | LinkKind::Frame => {
            [('R', "reads"), ('W', "writes"), ('G', "shares it")]
        }
        LinkKind::Service => [
            ('R', "looks it up"),
            ('W', "provides it"),
            ('G', "shares it"),
        ],
        LinkKind::Endpoint => [
            ('R', "receives"),
            ('W', "sends"),
            ('G', "calls and hands over"),
        ],
        LinkKind::Notification => [('R', "waits"), ('W', "signals"), ('G', "shares it")],
    };
    let verbs = names.iter().filter(|(letter, _)| rights.contains(*letter));
    let verbs: Vec<_> = verbs.map(|(_, verb)| *verb).collect();
    format!("({rights}) {}", verbs.join(", "))
}

/// Writes lines of two columns, and an empty one.
fn block(out: &mut String, rows: &[Row]) -> fmt::Result {
    let widths = rows.iter().map(|(left, _)| left.chars().count());
    let width = widths.filter(|&width| width <= COLUMN).max().unwrap_or(0);
    for (left, right) in rows {
        writeln!(out, "  {left:<width$}  {right}")?;
    }
    writeln!(out)
}
