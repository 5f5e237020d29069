// SPDX-License-Identifier: BSD-2-Clause
//! What reports say, and that pictures have room for it.

use std::fs;
use std::path::PathBuf;

use capdl::language::{self, Options};

use super::graph::Node;
use super::layout::{self, Rect, Scene};
use super::model::{Device, Facts, Guest, Holder, Link, Memory, Server, Task};
use super::{json, svg, text};

const HELLO: &str = r#"arch aarch64
objects {
  server   = wasm_server (prio: 200, heap: 6M)
  pool     = ut (24 bits)
  uart     = frame (4k, paddr: 0x09000000)
  spare    = ut (20 bits, paddr: 0x48000000)
  bell     = notification
  hello    = wasm_guest (module: "hello", args: ["<world> & \"all\""], deadline: 2s)
  ut_hello = ut (20 bits)
}
caps {
  server { memory: pool  console: uart (RW) }
  hello  { memory: ut_hello  log }
}
"#;

const TALK: &str = r#"arch aarch64
objects {
  server = wasm_server
  pool   = ut (22 bits)
  slots  = frame (4k, paddr: 0x0a003000)
  irq    = irq
  nic    = virtio_device (mmio: slots + 0xe00, irq: irq)
  clock  = service
  pipe   = channel (64k)
  ut_pipe = ut (17 bits)
  net    = wasm_guest (module: "net", restart: permanent)
  ut_net = ut (21 bits)
  user   = wasm_guest (module: "user", start: demand)
  ut_user = ut (20 bits)
  reader = wasm_guest (module: "reader")
  ut_reader = ut (20 bits)
}
caps {
  server { memory: pool  slots: slots (RW)  irq: irq }
  pipe   { memory: ut_pipe }
  net    { memory: ut_net  nic: nic (RW)  clock: clock (W)  devices  wake  singletons }
  user   { memory: ut_user  clock: clock (R)  out: pipe (WG)  singletons }
  reader { memory: ut_reader  in: pipe (R) }
}
irq maps { 79: irq }
"#;

/// The facts of a spec that is right.
pub fn facts(file: &str, text: &str) -> Facts {
    let options = Options::default();
    let objects = language::check(file, text, &options);
    let objects = objects.unwrap_or_else(|report| panic!("{}", report.render(false)));
    Facts::new(file, text, &objects, |module| {
        (module == "hello").then_some(128 << 10)
    })
}

/// The specs of this repository.
pub fn specs() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../capdl");
    let mut specs = Vec::new();
    for folder in ["specs", "fixtures/accepted"].map(|name| folder.join(name)) {
        for file in fs::read_dir(folder).unwrap() {
            let file = file.unwrap().path();
            if file.extension().is_some_and(|ending| ending == "cdl") {
                let text = fs::read_to_string(&file).unwrap();
                specs.push((file.display().to_string(), text));
            }
        }
    }
    assert!(specs.len() > 20);
    specs.sort();
    specs
}

#[test]
fn one_guest() {
    let expected = r#"Who holds what in hello.cdl
1 process server, 1 guest, 1 device, no channels, no services; 26 MiB of 512 MiB are given away

PROCESS SERVER server                                                                    hello.cdl:3
  runs                at priority 200, restart: permanent
  is made of          8 MiB about, 6 MiB of it heap
  memory: pool        16 MiB of untyped memory
  console: uart (RW)  frame of 4 KiB at 0x09000000

GUEST hello of server                                                                    hello.cdl:8
  runs              module hello at priority 100, starts with its server, restart: temporary, for 2000 ms at most
  arguments         "<world> & \"all\""
  memory: ut_hello  1 MiB of untyped memory, of which 64 KiB (7 %) are its stack, 128 KiB (13 %) what its module starts with
  may call          log
  talks to          nobody
  reaches           no device

DEVICE uart: frame of 4 KiB at 0x09000000                                                hello.cdl:5
  server.console  (RW)

KERNEL OBJECTS
  bell  notification: held by nobody

MEMORY
  0x09000000 .. 0x09001000  uart, frame: server.console (RW)
  0x40000000 .. 0x60000000  the machine's memory, 512 MiB
  0x48000000 .. 0x48100000  spare, untyped: held by nobody
    16 MiB anywhere         pool, untyped: server.memory
    1 MiB anywhere          ut_hello, untyped: hello.memory

  1 MiB   for guests
  16 MiB  for process servers, for stacks and tables
  8 MiB   for process servers themselves, about
  1 MiB   for nobody
  26 MiB  of 512 MiB

"#;
    let found = text::text(&facts("hello.cdl", HELLO));
    assert_eq!(found, expected, "{found}");
}

#[test]
fn who_talks_to_whom() {
    let facts = facts("talk.cdl", TALK);
    let found = text::text(&facts);
    let block = |title: &str| {
        let mut blocks = found.split("\n\n");
        let block = blocks.find(|block| block.starts_with(title)).expect(title);
        let (_, rows) = block.split_once('\n').unwrap();
        // How wide the first column is shows another test.
        let squeezed = rows.lines().map(|row| {
            let words: Vec<&str> = row.split_whitespace().collect();
            words.join(" ")
        });
        squeezed.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        block("GUEST net "),
        "runs module net at priority 100, starts with its server, restart: permanent
memory: ut_net 2 MiB of untyped memory, of which 64 KiB (4 %) are its stack
nic: nic (RW) virtio device at slots + 0xe00, interrupt 79
clock: clock (W) service
may call devices, wake, singletons
talks to user through clock (answers)
reaches nic itself (RW)"
    );
    let user = block("GUEST user ");
    for line in [
        "talks to net through clock (asks); reader through pipe (to only)",
        "reaches nic through net (clock)",
        "starts when a guest asks for it",
    ] {
        assert!(user.contains(line), "{user}");
    }
    let reader = block("GUEST reader ");
    for line in [
        "talks to user through pipe (from only)",
        "reaches nic through user (pipe), then net (clock)",
        "may call nothing but its own handles",
    ] {
        assert!(reader.contains(line), "{reader}");
    }
    assert_eq!(
        block("SERVICE clock"),
        "net.clock (W) provides it\nuser.clock (R) looks it up"
    );
    assert_eq!(
        block("CHANNEL pipe of 64 KiB"),
        "memory: ut_pipe 128 KiB of untyped memory\n\
         user.out (WG) writes, shares it\n\
         reader.in (R) reads"
    );
    assert_eq!(
        block("DEVICE nic"),
        "net.nic (RW)\nis reached by user through net; reader through user, net"
    );
}

/// Every object is named, and every capability is in its holder's block, with its slot and rights.
#[test]
fn every_capability_is_in_the_text() {
    let mut count = 0;
    for (file, spec) in specs() {
        let facts = facts(&file, &spec);
        let found = text::text(&facts);
        let blocks: Vec<&str> = found.split("\n\n").collect();
        for object in &facts.objects {
            assert!(found.contains(&object.name), "{file}: {}", object.name);
            for holder in &object.holders {
                let rights = match &*holder.rights {
                    "" => String::new(),
                    rights => format!(" ({rights})"),
                };
                let line = format!("  {}: {}{rights} ", holder.slot, object.name);
                let end_of_title = [" ", "\n", ":"].map(|end| format!(" {}{end}", holder.holder));
                let mine = blocks.iter().filter(|block| {
                    let title = format!("{}\n", block.lines().next().unwrap_or_default());
                    end_of_title.iter().any(|end| title.contains(end))
                });
                // A link's holders are listed by the link.
                let by_object = format!("  {}.{} ", holder.holder, holder.slot);
                let listed = mine.into_iter().any(|block| block.contains(&line));
                assert!(
                    listed || found.contains(&by_object),
                    "{file}: {}.{}: {}\n{found}",
                    holder.holder,
                    holder.slot,
                    object.name
                );
                count += 1;
            }
        }
        for guest in &facts.guests {
            for group in &guest.groups {
                assert!(found.contains(group), "{file}: {group}");
            }
        }
    }
    assert!(count > 200, "{count}");
}

#[test]
fn programs_can_read_it() {
    let facts = facts("talk.cdl", TALK);
    let value: serde_json::Value = serde_json::from_str(&json(&facts)).unwrap();
    assert_eq!(
        value["guests"][1]["reaches"][0]["through"][0]["guest"],
        "net"
    );
    assert_eq!(value["objects"][0]["type"], "wasm_server");
    assert_eq!(value["memory"]["placed"][0]["start"], 0x0a00_3000);
}

#[test]
fn pictures_are_xml() {
    let mut pictures: Vec<_> = specs()
        .into_iter()
        .map(|(file, spec)| facts(&file, &spec))
        .collect();
    pictures.push(facts("a<&\"'\u{1}>.cdl", HELLO));
    for facts in &pictures {
        let picture = svg::picture(facts);
        let xml = roxmltree::Document::parse(&picture);
        let xml = xml.unwrap_or_else(|error| panic!("{}: {error}", facts.spec));
        let texts: Vec<&str> = xml.descendants().filter_map(|node| node.text()).collect();
        for name in facts.servers.iter().map(|server| &server.name) {
            assert!(texts.contains(&&**name), "{}: {name}", facts.spec);
        }
    }
    let odd = svg::picture(pictures.last().unwrap());
    let xml = roxmltree::Document::parse(&odd).unwrap();
    let texts: Vec<&str> = xml.descendants().filter_map(|node| node.text()).collect();
    assert!(texts.contains(&"a<&\"'\u{fffd}>.cdl"), "{texts:?}");
    assert!(
        texts
            .iter()
            .any(|text| text.ends_with("arguments <world> & \"all\"")),
        "{texts:?}"
    );
}

/// The book's picture is this one. `UPDATE_EXPECT=1` draws it anew.
#[test]
fn the_book_has_the_default_system() {
    let top = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let name = "capdl/specs/default.cdl";
    let text = fs::read_to_string(top.join(name)).unwrap();
    let facts = facts(name, &text);
    let page = fs::read_to_string(top.join("docs/tools.md")).unwrap();
    let report = text::text(&facts);
    let mut blocks = report.split("\n\n");
    let block = blocks
        .find(|block| block.starts_with("GUEST http "))
        .unwrap();
    assert!(
        page.contains(block),
        "docs/tools.md has another than:\n{block}"
    );
    let picture = svg::picture(&facts);
    let book = top.join("docs/default-system.svg");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&book, &picture).unwrap();
    }
    assert!(
        fs::read_to_string(&book).unwrap() == picture,
        "run `UPDATE_EXPECT=1 cargo test -p atoll` and look at docs/default-system.svg"
    );
}

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
    for curve in &scene.curves {
        for (x, y) in points(curve) {
            for rect in &boxes {
                let inside = x > rect.x && x < rect.right() && y > rect.y && y < rect.bottom();
                assert!(!inside, "{name}: {curve:?} crosses {rect:?}");
            }
        }
    }
    // As many edges as capabilities of guests to devices and links, and some of native tasks. Who holds a guest is in
    // the text.
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

fn overlap(a: &Rect, b: &Rect) -> bool {
    a.x < b.right() && b.x < a.right() && a.y < b.bottom() && b.y < a.bottom()
}

fn within(a: &Rect, b: &Rect) -> bool {
    a.x >= b.x && a.y >= b.y && a.right() <= b.right() && a.bottom() <= b.bottom()
}

fn text_fits(name: &str, scene: &Scene) {
    for shape in &scene.shapes {
        for (y, style, line) in &shape.lines.lines {
            let width = super::content::width(line, style.size());
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
fn points(curve: &layout::Curve) -> Vec<(f64, f64)> {
    let layout::Curve {
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
            bytes: (link % 3 > 0).then_some(1 << 16),
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
    Facts {
        spec: "any".into(),
        servers: (0..servers).map(server).collect(),
        guests: (0..guests)
            .map(|guest| any_guest(guest, (guest * 7 + seed as usize) % servers))
            .collect(),
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
        budget: super::model::Budget {
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
