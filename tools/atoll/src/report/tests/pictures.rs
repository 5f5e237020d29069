// SPDX-License-Identifier: BSD-2-Clause
//! Pictures have room for everything.

use super::super::graph::Node;
use super::super::model::{
    Budget, Device, Facts, Guest, Holder, Link, LinkKind, Memory, Server, Task,
};
use super::super::scene::{Curve, Rect, Scene};
use super::super::{content, layout, tabs};
use super::{facts, specs};

#[test]
fn pictures_of_specs_have_room_for_everything() {
    for (file, spec) in specs() {
        check(&file, &facts(&file, &spec));
    }
}

#[test]
fn pictures_of_any_system_have_room_for_everything() {
    for seed in 0..300 {
        check(&format!("system {seed}"), &any_system(seed));
    }
}

/// Nothing is where something else is.
fn check(name: &str, facts: &Facts) {
    let scene = layout::scene(facts);
    assert_eq!(scene.frames.len(), facts.servers.len());
    let boxes: Vec<Rect> = scene.shapes.iter().map(|shape| shape.rect).collect();
    let labels: Vec<Rect> = scene
        .curves
        .iter()
        .filter_map(|curve| curve.label)
        .collect();
    for (at, a) in boxes.iter().enumerate() {
        assert!(a.x >= 0.0 && a.y >= 0.0, "{name}: {a:?}");
        assert!(
            a.right() <= scene.width && a.bottom() <= scene.height,
            "{name}: {a:?}"
        );
        for b in &boxes[at + 1..] {
            assert!(
                !overlap(a, b),
                "{name}: {a:?} and {b:?}\n{:?}",
                scene.shapes
            );
        }
        for label in &labels {
            assert!(!overlap(a, label), "{name}: {a:?} and label {label:?}");
        }
        for frame in &scene.frames {
            let node = scene.shapes[at].node;
            assert!(
                !overlap(a, &frame.header),
                "{name}: {a:?} and header {frame:?}"
            );
            let inside = within(a, &frame.rect);
            match node {
                Node::Guest(guest) => {
                    let server = &facts.servers[scene
                        .frames
                        .iter()
                        .position(|f| f.rect == frame.rect)
                        .unwrap()];
                    assert_eq!(
                        inside,
                        facts.guests[guest].server == server.name,
                        "{name}: {a:?} {frame:?}"
                    );
                }
                Node::Device(_) | Node::Task(_) => {
                    assert!(!overlap(a, &frame.rect), "{name}: {a:?} {frame:?}")
                }
                Node::Link(_) => assert!(
                    inside || !overlap(a, &frame.rect),
                    "{name}: {a:?} {frame:?}"
                ),
            }
        }
    }
    for (at, a) in labels.iter().enumerate() {
        for b in &labels[at + 1..] {
            assert!(!overlap(a, b), "{name}: labels {a:?} and {b:?}");
        }
    }
    for (at, a) in scene.frames.iter().enumerate() {
        for b in &scene.frames[at + 1..] {
            assert!(!overlap(&a.rect, &b.rect), "{name}: {a:?} and {b:?}");
        }
    }
    text_fits(name, &scene);
    tabs_are_beside_all_else(name, facts, &scene);
    for curve in &scene.curves {
        for (x, y) in points(curve) {
            for rect in &boxes {
                let inside = x > rect.x && x < rect.right() && y > rect.y && y < rect.bottom();
                assert!(!inside, "{name}: {curve:?} crosses {rect:?}");
            }
        }
    }
    // As many edges as capabilities of guests to devices and links, and some of native tasks. Who holds a guest has tabs.
    let capabilities: usize = facts.guests.iter().map(|guest| guest.holds.len()).sum();
    let of_guests = scene.curves.iter().filter(|curve| curve.label.is_some());
    if !facts.objects.is_empty() {
        let to_memory = facts.guests.iter().flat_map(|guest| &guest.holds);
        let to_memory = to_memory
            .filter(|held| held.slot == "memory" || held.what.starts_with("guest that"))
            .count();
        assert!(of_guests.count() >= capabilities - to_memory, "{name}");
    }
}

/// Each guest that others hold has tabs, on its own border and nothing else's.
fn tabs_are_beside_all_else(name: &str, facts: &Facts, scene: &Scene) {
    for shape in &scene.shapes {
        let Node::Guest(guest) = shape.node else {
            continue;
        };
        let guest = &facts.guests[guest];
        let mine: Vec<_> = scene
            .tabs
            .iter()
            .filter(|tab| overlap(&tab.rect, &shape.rect))
            .collect();
        let named = mine.iter().filter(|tab| !tab.rights.is_empty()).count();
        let more = mine.iter().find(|tab| tab.rights.is_empty());
        let more = more.map_or(0, |tab| tab.who[1..].parse::<usize>().unwrap());
        assert_eq!(named + more, guest.controlled_by.len(), "{name}: {mine:?}");
        for (tab, holder) in mine.iter().zip(&guest.controlled_by) {
            assert!(tab.title.contains(&holder.holder), "{name}: {tab:?}");
        }
    }
    let labels = scene.curves.iter().filter_map(|curve| curve.label);
    let headers = scene.frames.iter().map(|frame| frame.header);
    let others: Vec<Rect> = labels.chain(headers).collect();
    for (at, tab) in scene.tabs.iter().enumerate() {
        let width = content::width(&tab.who, tabs::TAB_SIZE);
        assert!(width <= tab.rect.w && tab.rect.y >= 0.0, "{name}: {tab:?}");
        for other in scene.tabs[at + 1..]
            .iter()
            .map(|tab| &tab.rect)
            .chain(&others)
        {
            assert!(!overlap(&tab.rect, other), "{name}: {tab:?} {other:?}");
        }
        let boxes = scene.shapes.iter();
        let touched = boxes.filter(|shape| overlap(&tab.rect, &shape.rect));
        assert_eq!(touched.count(), 1, "{name}: {tab:?}");
    }
}

fn overlap(a: &Rect, b: &Rect) -> bool {
    a.x < b.right() && b.x < a.right() && a.y < b.bottom() && b.y < a.bottom()
}

fn within(a: &Rect, b: &Rect) -> bool {
    a.x >= b.x && a.y >= b.y && a.right() <= b.right() && a.bottom() <= b.bottom()
}

fn text_fits(name: &str, scene: &Scene) {
    for shape in &scene.shapes {
        for (y, style, line) in &shape.lines.lines {
            let width = content::width(line, style.size());
            assert!(
                width <= shape.rect.w - 12.0,
                "{name}: {line:?} in {:?}",
                shape.rect
            );
            assert!(*y < shape.rect.h, "{name}: {line:?} in {:?}", shape.rect);
        }
    }
}

/// Points of an edge, from one end to the other.
fn points(curve: &Curve) -> Vec<(f64, f64)> {
    let Curve {
        from,
        bend,
        straight,
        to,
        ..
    } = *curve;
    let middle = (bend.0 + straight.0) / 2.0;
    let level = |a: (f64, f64), b: (f64, f64)| {
        (0..=10).map(move |i| (a.0 + (b.0 - a.0) * f64::from(i) / 10.0, a.1))
    };
    let mut points: Vec<_> = level(from, bend).collect();
    points.extend((0..=40).map(|i| {
        let t = f64::from(i) / 40.0;
        let u = 1.0 - t;
        let x = u * u * u * bend.0 + 3.0 * u * t * middle + t * t * t * straight.0;
        let y = (u * u * u + 3.0 * u * u * t) * bend.1 + (3.0 * u * t * t + t * t * t) * straight.1;
        (x, y)
    }));
    points.extend(level(straight, to));
    points
}

/// A system that no checker has seen: up to three servers, thirty guests, twenty links of any of them.
fn any_system(seed: u64) -> Facts {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let servers = 1 + next(3);
    let guests = next(31);
    let tasks = seed as usize % 4;
    let holder = |guest: usize, rights: usize| Holder {
        holder: if guest < guests {
            format!("guest{guest}")
        } else {
            format!("task{}", guest - guests)
        },
        slot: "slot".into(),
        rights: ["R", "W", "RW", "RWG"][rights].into(),
        data: String::new(),
        line: 1,
    };
    let mut holders = |most: usize| {
        let all = guests + tasks;
        let count = if all == 0 { 0 } else { next(most + 1) };
        let mut held: Vec<usize> = (0..count).map(|_| next(all)).collect();
        held.sort_unstable();
        held.dedup();
        held.into_iter()
            .map(|guest| holder(guest, next(4)))
            .collect::<Vec<_>>()
    };
    let mut links = Vec::new();
    for link in 0..(seed % 21) {
        links.push(Link {
            name: format!("link{link}"),
            line: 1,
            kind: match link % 6 {
                0 => LinkKind::Service,
                3 => LinkKind::Endpoint,
                4 => LinkKind::Notification,
                5 => LinkKind::Frame,
                _ => LinkKind::Channel,
            },
            bytes: matches!(link % 6, 1 | 2 | 5).then_some(1 << 16),
            holders: holders(if link % 7 == 0 { 20 } else { 3 }),
        });
    }
    let mut devices = Vec::new();
    for device in 0..(seed / 21 % 7) {
        let mut held = holders(2);
        if device % 2 == 0 {
            held = vec![Holder {
                holder: "server0".into(),
                ..holder(0, 2)
            }];
        }
        devices.push(Device {
            name: format!("device{device}"),
            line: 1,
            what: "virtio device".into(),
            short: vec!["virtio, interrupt 70".into(), "slots + 0x200".into()],
            holders: held,
        });
    }
    let mut all: Vec<Guest> = (0..guests)
        .map(|guest| any_guest(guest, (guest * 7 + seed as usize) % servers))
        .collect();
    for guest in all.iter_mut().skip(1) {
        guest.controlled_by = (0..seed as usize % 5)
            .map(|by| holder(by, by % 4))
            .collect();
    }
    Facts {
        spec: "any".into(),
        servers: (0..servers).map(server).collect(),
        guests: all,
        tasks: (0..tasks).map(any_task).collect(),
        devices,
        links,
        objects: Vec::new(),
        memory: Memory {
            machine: 1 << 29,
            placed: Vec::new(),
            anywhere: Vec::new(),
            untyped: 0,
            servers: 0,
        },
    }
}

fn server(server: usize) -> Server {
    Server {
        name: format!("server{server}"),
        line: 1,
        priority: 200,
        heap: 1 << 23,
        restart: "permanent",
        memory: 1 << 24,
        made_of: 1 << 24,
        holds: Vec::new(),
    }
}

fn any_task(task: usize) -> Task {
    Task {
        name: format!("task{task}"),
        line: 1,
        program: "program".into(),
        priority: 100,
        stack: 1 << 16,
        heap: 1 << 20,
        restart: "permanent",
        args: Vec::new(),
        holds: Vec::new(),
        peers: Vec::new(),
        reaches: Vec::new(),
    }
}

fn any_guest(guest: usize, server: usize) -> Guest {
    let all = [
        "processes",
        "shared_memory",
        "entropy_source",
        "wake",
        "time",
        "sessions",
        "log",
    ];
    Guest {
        name: format!("guest{guest}"),
        line: 1,
        server: format!("server{server}"),
        module: format!("a-module-{}", "x".repeat(guest)),
        priority: 100,
        after: Vec::new(),
        start: if guest.is_multiple_of(4) {
            "demand"
        } else {
            "boot"
        },
        restart: if guest.is_multiple_of(3) {
            "transient"
        } else {
            "temporary"
        },
        deadline_ms: (guest.is_multiple_of(5)).then_some(100_000),
        args: Vec::new(),
        env: Vec::new(),
        budget: Budget {
            bytes: 1 << 20,
            stack: 1 << 16,
            linear: None,
        },
        groups: all[..guest % (all.len() + 1)].to_vec(),
        holds: Vec::new(),
        controlled_by: Vec::new(),
        peers: Vec::new(),
        reaches: Vec::new(),
    }
}
