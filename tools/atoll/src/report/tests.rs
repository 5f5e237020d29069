// SPDX-License-Identifier: BSD-2-Clause
//! What reports say, and that pictures have room for it.

use std::fs;
use std::path::PathBuf;

use capdl::language::{self, Options};

use super::model::Facts;
use super::{json, svg, text};

mod pictures;

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

const TASKS: &str = r#"arch aarch64
objects {
  uart   = frame (4k, paddr: 0x09000000)
  shared = frame (4k)
  bell   = notification
  port   = ep
  alone  = notification
  lone   = frame (4k)
  serve  = native_task (program: "serve")
  ask    = native_task (program: "ask")
}
caps {
  serve { uart: uart (RW)  port: port (R)  bell: bell (R)  shared: shared (R)  lone: lone (RW) }
  ask   { port: port (WG, badge: 7)  bell: bell (W, badge: 1)  shared: shared (RW) }
}
"#;

const SUPERVISED: &str = r#"arch aarch64
objects {
  server = wasm_server
  pool   = ut (22 bits)
  init   = wasm_guest (module: "init")
  ut_init = ut (20 bits)
  user   = wasm_guest (module: "user", start: demand)
  ut_user = ut (20 bits)
}
caps {
  server { memory: pool }
  init   { memory: ut_init  user: user (RWG)  processes }
  user   { memory: ut_user  log }
}
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

/// Native tasks talk through what the kernel has: that is in the text, and drawn.
#[test]
fn tasks_that_talk() {
    let facts = facts("tasks.cdl", TASKS);
    let found = text::text(&facts);
    for part in [
        "2 native tasks, 1 device, no channels, no services, 1 endpoint, 1 notification, 1 frame",
        "ENDPOINT port ",
        "  ask.port    (WG) sends, calls and hands over, badge 0x7\n",
        "NOTIFICATION bell ",
        "  serve.bell  (R) waits\n",
        "FRAME shared of 4 KiB ",
        "serve through shared (to only); serve through bell (to only); serve through port (both ways)",
        "reaches               uart through serve (shared)",
        "alone  notification: held by nobody",
        "lone   frame of 4 KiB: serve.lone (RW)",
    ] {
        let (squeezed, part) = (squeeze(&found), squeeze(part));
        assert!(squeezed.contains(&part), "{part}\n{found}");
    }
    let picture = svg::picture(&facts);
    for part in [
        "edge e-endpoint",
        "edge e-notification",
        "<title>ask.port: port (WG, badge 0x7)</title>",
        "<title>frame shared, held by serve, ask</title>",
    ] {
        assert!(picture.contains(part), "{part}\n{picture}");
    }
    assert!(!picture.contains("frame lone,") && !picture.contains("notification alone,"));
}

/// Blanks are one.
fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Who controls a guest is on its box, and whom it controls in its own.
#[test]
fn supervisors() {
    let facts = facts("supervised.cdl", SUPERVISED);
    let found = text::text(&facts);
    assert!(
        squeeze(&found).contains("controlled by init (RWG)"),
        "{found}"
    );
    let picture = svg::picture(&facts);
    for part in ["<title>init.user: user (RWG)</title>", ">controls user<"] {
        assert!(picture.contains(part), "{part}\n{picture}");
    }
    let plain = svg::picture(&super::tests::facts("hello.cdl", HELLO));
    assert!(!plain.contains("controls"), "{plain}");
}
