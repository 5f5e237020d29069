// SPDX-License-Identifier: BSD-2-Clause
//! The report as a picture.

use std::fmt::{self, Write as _};

use super::content::{self, INSET, Lines, Style};
use super::graph::Node;
use super::layout::{self, MARGIN};
use super::model::{Facts, LinkKind, Owner, Piece};
use super::scene::{Curve, Line, Rect, Scene, Tab};
use super::tabs::TAB_SIZE;
use super::text::summary;
use super::words::bytes;

/// No picture is narrower: the legend has to go in.
const NARROWEST: f64 = 940.0;
/// Height of the bar that shows memory.
const BAR: f64 = 30.0;
/// Narrowest piece that is told from its neighbours.
const SLIVER: f64 = 1.5;

/// Colors of light and dark mode. What has a meaning by its color has it by its shape or place, too.
const STYLE: &str = "\
.bg{fill:#fbfbfa}
.t{fill:#1f2328}.n{fill:#1f2328;font-weight:600}.m{fill:#6a7280}
.server{fill:#f0f2f4;stroke:#8b949e}
.guest{fill:#ffffff;stroke:#57606a}
.demand{stroke-dasharray:5 3}
.task{fill:#e6f4ea;stroke:#2f7d46;stroke-width:1.6}
.device{fill:#fff3e0;stroke:#b45309}
.channel{fill:#e3f0fd;stroke:#1d6fc0}
.service{fill:#f1e9fb;stroke:#7c4dbd}
.endpoint{fill:#fdeaf1;stroke:#b03a6f}
.notification{fill:#fdf6d8;stroke:#8a7208}
.control{fill:#e0f4f2;stroke:#0f766e}.c{fill:#0f766e}
.edge{fill:none;stroke-width:1.6}
.e-device{stroke:#b45309}.e-channel{stroke:#1d6fc0}.e-service{stroke:#7c4dbd;stroke-dasharray:6 3}
.e-endpoint{stroke:#b03a6f}.e-notification{stroke:#8a7208;stroke-dasharray:2 3}
.h-device{fill:#b45309}.h-channel{fill:#1d6fc0}.h-service{fill:#7c4dbd}
.h-endpoint{fill:#b03a6f}.h-notification{fill:#8a7208}
.pill{fill:#ffffff;stroke:#c3c9d0}
.r{font-weight:700}
.R{fill:#12803c}.W{fill:#c0341d}.G{fill:#7c4dbd}.P{fill:#6a7280}
.o-server{fill:#c9d1d9}.o-guest{fill:#a7d3ae}.o-channel{fill:#a9cdf2}.o-other{fill:#e5c8a5}.o-nobody{fill:#f3b1ab}
.bar{stroke:#fbfbfa;stroke-width:1}
";

/// The same for dark mode.
const DARK: &str = "\
.bg{fill:#12161c}
.t{fill:#dfe4ea}.n{fill:#f2f5f8}.m{fill:#95a0ad}
.server{fill:#1a2029;stroke:#6b7684}
.guest{fill:#242c37;stroke:#8d98a6}
.task{fill:#1d3325;stroke:#6fc48a}
.device{fill:#38291a;stroke:#e09a4a}
.channel{fill:#16304a;stroke:#60a5ea}
.service{fill:#2f2344;stroke:#b58cf0}
.endpoint{fill:#40202f;stroke:#f08bb5}
.notification{fill:#37310f;stroke:#d8bf4a}
.control{fill:#12312f;stroke:#4fc4b8}.c{fill:#6fdccf}
.e-device{stroke:#e09a4a}.e-channel{stroke:#60a5ea}.e-service{stroke:#b58cf0}
.e-endpoint{stroke:#f08bb5}.e-notification{stroke:#d8bf4a}
.h-device{fill:#e09a4a}.h-channel{fill:#60a5ea}.h-service{fill:#b58cf0}
.h-endpoint{fill:#f08bb5}.h-notification{fill:#d8bf4a}
.pill{fill:#12161c;stroke:#3d4754}
.R{fill:#5fd389}.W{fill:#ff8f78}.G{fill:#c9a5ff}.P{fill:#95a0ad}
.o-server{fill:#4a5563}.o-guest{fill:#2f6b3d}.o-channel{fill:#25578a}.o-other{fill:#7a5a34}.o-nobody{fill:#8c3a33}
.bar{stroke:#12161c}
";

/// The picture.
pub fn picture(facts: &Facts) -> String {
    let scene = layout::scene(facts);
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = draw(&mut out, facts, &scene);
    out
}

fn draw(out: &mut String, facts: &Facts, scene: &Scene) -> fmt::Result {
    let width = scene.width.max(NARROWEST).ceil();
    let height = (scene.height + 208.0).ceil();
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" font-family=\"system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif\">"
    )?;
    writeln!(
        out,
        "<title>Who holds what in {}</title>",
        escape(&facts.spec)
    )?;
    writeln!(
        out,
        "<style>\n{STYLE}@media (prefers-color-scheme: dark) {{\n{DARK}}}\n</style>"
    )?;
    writeln!(
        out,
        "<rect class=\"bg\" width=\"{width}\" height=\"{height}\"/>"
    )?;
    text(out, MARGIN, 38.0, "n", 20.0, &facts.spec)?;
    text(out, MARGIN, 60.0, "m", 12.5, &summary(facts))?;
    for frame in &scene.frames {
        rect(out, frame.rect, "server", 10.0, &frame.lines.title)?;
    }
    for curve in &scene.curves {
        edge(out, curve)?;
    }
    for frame in &scene.frames {
        // The text of a frame begins where boxes do.
        let mut at = frame.header;
        at.x -= INSET;
        lines(out, at, &frame.lines)?;
    }
    for shape in &scene.shapes {
        let (class, round) = match shape.node {
            Node::Device(_) => ("device", 2.0),
            Node::Link(link) => match facts.links[link].kind {
                LinkKind::Channel => ("channel", shape.rect.h / 2.0),
                LinkKind::Frame => ("channel", 2.0),
                kind => (kind.name(), 12.0),
            },
            Node::Guest(guest) if facts.guests[guest].start == "demand" => ("guest demand", 6.0),
            Node::Guest(_) => ("guest", 6.0),
            Node::Task(_) => ("task", 6.0),
        };
        rect(out, shape.rect, class, round.min(22.0), &shape.lines.title)?;
        let mut at = shape.rect;
        if let Node::Link(_) = shape.node {
            // Round ends take room.
            at.x += 4.0;
        }
        lines(out, at, &shape.lines)?;
    }
    for one in &scene.tabs {
        tab(out, one)?;
    }
    memory(out, facts, scene.height + 40.0, width)?;
    legend(out, facts, scene.height + 160.0)?;
    writeln!(out, "</svg>")
}

fn rect(out: &mut String, rect: Rect, class: &str, round: f64, title: &str) -> fmt::Result {
    let Rect { x, y, w, h } = rect;
    writeln!(
        out,
        "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" rx=\"{round:.1}\"><title>{}</title></rect>",
        escape(title)
    )
}

fn text(out: &mut String, x: f64, y: f64, class: &str, size: f64, text: &str) -> fmt::Result {
    writeln!(
        out,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\">{}</text>",
        escape(text)
    )
}

fn lines(out: &mut String, at: Rect, lines: &Lines) -> fmt::Result {
    for (y, style, line) in &lines.lines {
        let class = match style {
            Style::Name => "n",
            Style::Plain => "t",
            Style::Muted => "m",
            Style::Control => "c",
        };
        text(out, at.x + INSET, at.y + y, class, style.size(), line)?;
    }
    Ok(())
}

/// A line with its arrow heads, which show where data goes: R is to the holder, W from it.
fn edge(out: &mut String, curve: &Curve) -> fmt::Result {
    let class = match curve.line {
        Line::Device => "device",
        Line::Link(LinkKind::Frame) => "channel",
        Line::Link(kind) => kind.name(),
    };
    let Curve {
        from,
        bend,
        straight,
        to,
        ..
    } = curve;
    let middle = (bend.0 + straight.0) / 2.0;
    writeln!(
        out,
        "<path class=\"edge e-{class}\" d=\"M{:.1} {:.1}L{:.1} {:.1}C{middle:.1} {:.1} {middle:.1} {:.1} {:.1} {:.1}L{:.1} {:.1}\">\
         <title>{}</title></path>",
        from.0,
        from.1,
        bend.0,
        bend.1,
        bend.1,
        straight.1,
        straight.0,
        straight.1,
        to.0,
        to.1,
        escape(&curve.title)
    )?;
    if curve.rights.contains('R') {
        head(out, class, *from, bend.0 > from.0 || straight.0 > from.0)?;
    }
    if curve.rights.contains('W') {
        head(out, class, *to, straight.0 > to.0 || bend.0 > to.0)?;
    }
    if let Some(label) = curve.label {
        pill(out, label, &curve.rights)?;
    }
    Ok(())
}

/// An arrow head that touches a box; `right`: the line is right of it.
fn head(out: &mut String, class: &str, at: (f64, f64), right: bool) -> fmt::Result {
    let back = if right { at.0 + 9.0 } else { at.0 - 9.0 };
    let (upper, lower) = (at.1 - 4.5, at.1 + 4.5);
    writeln!(
        out,
        "<path class=\"h-{class}\" d=\"M{:.1} {:.1}L{back:.1} {upper:.1}L{back:.1} {lower:.1}Z\"/>",
        at.0, at.1
    )
}

/// Who controls a guest.
fn tab(out: &mut String, tab: &Tab) -> fmt::Result {
    let Rect { x, y, w, h } = tab.rect;
    write!(
        out,
        "<g><title>{}</title><rect class=\"control\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" rx=\"4\"/>\
         <text class=\"c\" x=\"{:.1}\" y=\"{:.1}\" font-size=\"{TAB_SIZE}\" text-anchor=\"middle\">{}",
        escape(&tab.title),
        x + w / 2.0,
        y + 10.5,
        escape(&tab.who)
    )?;
    if !tab.rights.is_empty() {
        out.push(' ');
        letters(out, &tab.rights)?;
    }
    writeln!(out, "</text></g>")
}

/// Letters of rights, each in its color.
fn letters(out: &mut String, rights: &str) -> fmt::Result {
    for letter in rights.chars() {
        write!(out, "<tspan class=\"r {letter}\">{letter}</tspan>")?;
    }
    Ok(())
}

/// Letters of rights, on a background.
fn pill(out: &mut String, at: Rect, rights: &str) -> fmt::Result {
    let Rect { x, y, w, h } = at;
    write!(
        out,
        "<rect class=\"pill\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" rx=\"8\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"11\" text-anchor=\"middle\">",
        x + w / 2.0,
        y + 12.0
    )?;
    letters(out, rights)?;
    writeln!(out, "</text>")
}

/// A bar of all untypeds, by who they are for.
fn memory(out: &mut String, facts: &Facts, y: f64, width: f64) -> fmt::Result {
    let all = facts.memory.placed.iter().chain(&facts.memory.anywhere);
    let mut pieces: Vec<&Piece> = all.filter(|piece| piece.kind == "ut").collect();
    let owners = [
        (
            Owner::Server,
            "server",
            "process servers, for stacks and tables",
        ),
        (Owner::Guest, "guest", "guests"),
        (Owner::Channel, "channel", "channels"),
        (Owner::Other, "other", "native tasks and others"),
        (Owner::Nobody, "nobody", "nobody"),
    ];
    let rank = |piece: &Piece| owners.iter().position(|(owner, ..)| *owner == piece.owner);
    pieces.sort_by_key(|piece| rank(piece));
    let sum = facts.memory.untyped.max(1);
    let mut title = format!(
        "Untyped memory: {} of the machine's {}",
        bytes(facts.memory.untyped),
        bytes(facts.memory.machine)
    );
    if !facts.servers.is_empty() {
        let servers = bytes(facts.memory.servers);
        title += &format!("; the process servers themselves take {servers} about");
    }
    text(out, MARGIN, y, "n", 13.0, &title)?;
    let room = width - 2.0 * MARGIN;
    let small = pieces.len() as f64 * SLIVER;
    let mut x = MARGIN;
    for piece in &pieces {
        let class = rank(piece).map_or("other", |rank| owners[rank].1);
        // A sliver each, and the rest in proportion.
        let share = piece.bytes as f64 / sum as f64;
        let w = SLIVER + (room - small).max(0.0) * share;
        let at = Rect {
            x,
            y: y + 12.0,
            w,
            h: BAR,
        };
        let holders: Vec<_> = piece.holders.iter().map(|one| &*one.holder).collect();
        let whose = match &holders[..] {
            [] => "nobody's".into(),
            names => names.join(", "),
        };
        let label = format!("{whose} {}", bytes(piece.bytes));
        let title = format!("{}: {} of {whose}", piece.name, bytes(piece.bytes));
        rect(out, at, &format!("bar o-{class}"), 0.0, &title)?;
        if content::width(&label, 10.5) + 8.0 <= w {
            text(out, x + 5.0, y + 31.0, "t", 10.5, &label)?;
        } else if content::width(&whose, 10.5) + 8.0 <= w {
            text(out, x + 5.0, y + 31.0, "t", 10.5, &whose)?;
        }
        x += w;
    }
    let mut x = MARGIN;
    for (owner, class, name) in owners {
        let sum: u64 = pieces
            .iter()
            .filter(|piece| piece.owner == owner)
            .map(|piece| piece.bytes)
            .sum();
        if sum == 0 {
            continue;
        }
        let at = Rect {
            x,
            y: y + BAR + 24.0,
            w: 12.0,
            h: 12.0,
        };
        rect(out, at, &format!("o-{class}"), 2.0, name)?;
        let label = format!("{name}: {}", bytes(sum));
        text(out, x + 18.0, y + BAR + 34.0, "t", 11.5, &label)?;
        x += 18.0 + content::width(&label, 11.5) + 18.0;
    }
    Ok(())
}

/// What the shapes and letters mean. Of those that not every system has only what is there.
fn legend(out: &mut String, facts: &Facts, y: f64) -> fmt::Result {
    let links = |kind: LinkKind| facts.links.iter().any(|link| link.kind == kind);
    let is_controlled = facts
        .guests
        .iter()
        .any(|guest| !guest.controlled_by.is_empty());
    let mut x = MARGIN;
    for (class, round, name, is_shown) in [
        ("device", 2.0, "device", true),
        ("guest", 4.0, "guest", true),
        ("guest demand", 4.0, "guest, started on demand", true),
        ("task", 4.0, "native task", true),
        ("channel", 7.0, "channel", true),
        ("service", 5.0, "service", true),
        ("endpoint", 5.0, "endpoint", links(LinkKind::Endpoint)),
        (
            "notification",
            5.0,
            "notification",
            links(LinkKind::Notification),
        ),
        ("channel", 2.0, "frame", links(LinkKind::Frame)),
        ("control", 4.0, "who controls a guest", is_controlled),
    ] {
        if !is_shown {
            continue;
        }
        let at = Rect {
            x,
            y: y - 11.0,
            w: 24.0,
            h: 14.0,
        };
        rect(out, at, class, round, name)?;
        text(out, x + 31.0, y, "t", 11.5, name)?;
        x += 31.0 + content::width(name, 11.5) + 16.0;
    }
    let mut x = MARGIN;
    let y = y + 26.0;
    let mut names = vec![
        ("R", "reads, listens, looks up"),
        ("W", "writes, rings, drives, provides"),
        ("G", "may give to others"),
    ];
    if is_controlled {
        names = vec![
            ("R", "reads, looks up; of a guest: sees it"),
            ("W", "writes, drives, provides; starts and stops it"),
            ("G", "may give to others; gives to it and takes"),
        ];
    }
    for (letter, name) in names {
        let at = Rect {
            x,
            y: y - 12.0,
            w: 24.0,
            h: 16.0,
        };
        pill(out, at, letter)?;
        text(out, x + 31.0, y, "t", 11.5, name)?;
        x += 31.0 + content::width(name, 11.5) + 16.0;
    }
    text(out, x, y, "m", 11.5, "arrows: where data can go")
}

/// For text and attributes of XML; what XML cannot have is replaced.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '&' => escaped += "&amp;",
            '"' => escaped += "&quot;",
            '\n' | '\t' => escaped.push(' '),
            one if one.is_control() => escaped.push('\u{fffd}'),
            one => escaped.push(one),
        }
    }
    escaped
}
