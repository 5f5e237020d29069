// SPDX-License-Identifier: BSD-2-Clause
//! The console guest at the real serial line: who writes what where, what becomes of keys, and what of lines when it
//! is ended in the midst of them.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::time::Duration;

use system_tests::build::{Build, Kernel};
use system_tests::console::{Entry, Level, entries};
use system_tests::machine::{Config, Machine};
use system_tests::scratch::Scratch;
use system_tests::spec::SpecText;

/// How long to wait for what must come, in seconds: each test takes some.
const SECONDS: u64 = 180;

/// The keys that are the console guest's own.
const SWITCH: &[u8] = b"\x1d";
const VIEW: &[u8] = b"\x1c";

/// What the console guest writes to take a line away.
const CLEAR: &str = "\x1b[K";

fn boot(spec: &SpecText) -> Machine {
    let scratch = Scratch::new();
    let build = Build::from_env().with_archive_of(&scratch, &["console", "talker"]);
    let image = scratch.path("console.elf");
    let spec = scratch.write("console.cdl", spec);
    build.image(Kernel::Release, &spec, &image);
    let machine = Machine::boot(&image, Config::default()).expect("QEMU");
    machine.expect("root task: console.cdl with *", SECONDS);
    machine
}

/// A system in which these guests start by themselves, beside the one that looks after the console guest.
fn with(guests: &[&str]) -> SpecText {
    guests
        .iter()
        .fold(SpecText::of_tests("console.cdl"), |spec, guest| {
            let start = |when| {
                format!("{guest} = wasm_guest (server: server, module: \"talker\", start: {when}")
            };
            spec.replace(&start("demand"), &start("boot"))
        })
}

/// Waits until this is on the screen, be it in a line that is not finished.
#[track_caller]
fn see(machine: &Machine, what: &str) {
    let found = machine.wait(what, Duration::from_secs(SECONDS), |text| {
        text.contains(what).then_some(())
    });
    if let Err(error) = found {
        panic!("{error}: `{what}`");
    }
}

/// What somebody sees: each line as it was when the next one began.
fn screen(text: &str) -> Vec<String> {
    let text = text.replace("\x1b[0m", "");
    text.lines()
        .map(|line| {
            let shown = line.rsplit(CLEAR).next().unwrap_or_default();
            shown.to_owned()
        })
        .collect()
}

#[test]
fn clients_have_the_terminal_in_turns() {
    let spec = with(&["one", "two", "three"]);
    let machine = boot(&spec);
    machine.expect("*one: is `one` for the console", SECONDS);
    machine.expect("*two: is `two` for the console", SECONDS);
    see(&machine, "one> ");
    // Echo, and what is typed can be corrected.
    machine.type_keys(b"hellx\x7fo there\x17you\r");
    machine.expect("*one: heard `hello you`", SECONDS);
    let shown = screen(&machine.text());
    assert!(
        shown.iter().any(|line| line.ends_with("one> hello you")),
        "{shown:?}"
    );
    // Who is in the background is not asked, and steers nothing.
    machine.expect("*three: in front: Some(Refused(NotAllowed))", SECONDS);
    machine.expect("three: half a line, and the rest", SECONDS);
    // By key: to the next one, whose prompt has waited.
    machine.type_keys(SWITCH);
    see(&machine, "-- two --\ntwo> ");
    machine.type_keys(b"say in colours\r");
    see(&machine, "\x1b[31min colours\x1b[0m\n");
    // By request.
    machine.type_keys(b"front three\r");
    see(&machine, "-- three --\nkeys: ");
    machine.type_keys(b"x");
    machine.expect("*three: keys [120]", SECONDS);
    machine.type_keys(b"\x03");
    machine.expect("*three: keys [3]", SECONDS);
    machine.type_keys(b"\r");
    machine.expect("*three: keys [13]", SECONDS);
    // Around, past those who are not connected.
    machine.type_keys(SWITCH);
    see(&machine, "-- one --\none> ");
    machine.type_keys(b"status\r");
    machine.expect("*one: 4 clients, one in front, 0 lost", SECONDS);
    machine.type_keys(b"front nobody\r");
    machine.expect(
        "*one: refused: the console has no client of this name",
        SECONDS,
    );
    // The end of the input is one.
    machine.type_keys(b"\x04");
    machine.expect("*one: heard the end", SECONDS);
    // What is typed goes on while lines come.
    let text = machine.text();
    machine.type_keys(b"half");
    see(&machine, "one> half");
    machine.type_keys(b" and half\r");
    machine.expect("*one: heard `half and half`", SECONDS);
    assert!(!text.contains("error: "), "{text}");
}

#[test]
fn lines_are_shown_by_their_level() {
    let machine = boot(&with(&["one", "levels"]));
    machine.expect("levels: in two lines", SECONDS);
    machine.expect("*levels: debug: exited with code 0", SECONDS);
    let text = machine.text();
    let shown = screen(&text).join("\n");
    let said: Vec<_> = entries(&shown)
        .filter(|entry| entry.guest == "levels")
        .map(|entry| (entry.level, entry.text))
        .collect();
    let wanted = [
        (Level::Error, "this is an error"),
        (Level::Info, "of two lines"),
        (Level::Warning, "this is a warning"),
        (
            Level::Info,
            "this is news, \u{fffd}[2J\u{fffd}and steers nothing",
        ),
        (Level::Debug, "this is a detail"),
        (Level::Debug, "exited with code 0"),
    ];
    assert_eq!(said, wanted, "{text}");
    machine.expect("levels: text as \u{fffd}[31mit is", SECONDS);
    // The key.
    see(&machine, "one> ");
    machine.type_keys(VIEW);
    see(&machine, "-- log: without debug lines --");
    machine.type_keys(VIEW);
    see(&machine, "-- log: warnings and errors --");
    machine.type_keys(b"not shown\r");
    see(&machine, "one> not shown\none> ");
    machine.type_keys(b"view 3\r");
    machine.type_keys(b"shown\r");
    machine.expect("*one: heard `shown`", SECONDS);
    assert!(
        !machine.text().contains("heard `not shown`"),
        "{}",
        machine.text()
    );
}

/// The numbered lines of a flood, as they came.
fn numbers(text: &str, guest: &str) -> Vec<u32> {
    screen(text)
        .iter()
        .filter_map(|line| {
            let entry = Entry::parse(line)?;
            let rest = entry.text.strip_prefix("line ")?;
            let whole = rest.ends_with("which is as long as lines are");
            let number = rest.split(' ').next()?.parse().ok()?;
            (entry.guest == guest && whole).then_some(number)
        })
        .collect()
}

/// The numbered lines of the writer, as they came.
fn written(text: &str) -> Vec<u32> {
    screen(text)
        .iter()
        .filter_map(|line| {
            let number = line.strip_prefix("writer: written ")?.split(' ').next()?;
            number.parse().ok()
        })
        .collect()
}

/// Those that no later one stood before, without those that were shown again.
fn first_times(numbers: &[u32]) -> Vec<u32> {
    let mut last = 0;
    let mut new = Vec::new();
    for number in numbers {
        if *number > last {
            last = *number;
            new.push(last);
        }
    }
    new
}

/// Every line with the name of a flood in it is one of its lines, and nothing else; but for `cut` that end too
/// early.
#[track_caller]
fn none_is_torn(text: &str, cut: usize) {
    let mut torn = Vec::new();
    for line in screen(text) {
        let is_whole = Entry::parse(&line).is_some_and(|entry| {
            entry.text.starts_with("line ") && entry.text.ends_with("which is as long as lines are")
        });
        if line.contains("flood[") && !is_whole && !line.contains("exited with code 0") {
            assert!(
                line.matches("flood[").count() == 1 && line.starts_with('['),
                "{line}"
            );
            torn.push(line);
        }
    }
    assert!(torn.len() <= cut, "{torn:#?}");
}

const FLOODS: [&str; 4] = ["flood[0]", "flood[1]", "flood[2]", "flood[3]"];

#[test]
fn no_line_is_lost_or_torn_while_four_guests_flood() {
    const LINES: u32 = 600;
    let spec = with(&["one", "writer", "flood[4]", "reader"])
        .replace("flood=0", &format!("flood={LINES}"))
        .replace("writer=0", "writer=200");
    let machine = boot(&spec);
    see(&machine, "one> ");
    machine.type_keys(b"typed meanwhile");
    for flood in FLOODS {
        machine.expect(&format!("*{flood}: debug: exited with code 0"), SECONDS);
    }
    machine.expect("*writer: has written 200", SECONDS);
    machine.type_keys(b" and whole\r");
    machine.expect("*one: heard `typed meanwhile and whole`", SECONDS);
    machine.expect("*reader: printing: Some(Busy)", SECONDS);
    let reader = machine.expect("*reader: has read * entries, * were lost", SECONDS);
    let text = machine.text();
    for flood in FLOODS {
        let all: Vec<_> = (1..=LINES).collect();
        assert_eq!(numbers(&text, flood), all, "{flood}");
    }
    none_is_torn(&text, 0);
    assert_eq!(written(&text), (1..=200).collect::<Vec<_>>());
    assert!(!text.contains("lines of the log were lost"), "{text}");
    drop(reader);
}

#[test]
fn it_is_ended_again_and_again_and_every_line_is_there() {
    const LINES: u32 = 600;
    const ENDS: usize = 12;
    const ALONE: &str = "keeper: leaves the console guest alone";
    let spec = with(&["one", "two", "writer", "flood[4]"])
        .replace("flood=0", &format!("flood={LINES}"))
        .replace("writer=0", "writer=300")
        .replace("keeper=0", &format!("keeper={ENDS}"));
    let machine = boot(&spec);
    // In the midst of things.
    for _ in 0..20 {
        machine.type_keys(b"x");
        std::thread::sleep(Duration::from_millis(100));
    }
    let limit = Duration::from_secs(SECONDS);
    // The last life is the one that shows the prompt.
    let ready = machine.wait("the last life", limit, |text| {
        let (_, later) = text.split_once(ALONE)?;
        later.contains("one> ").then_some(())
    });
    ready.expect("a console guest that is left alone");
    for flood in FLOODS {
        machine.expect(&format!("*{flood}: debug: exited with code 0"), SECONDS);
    }
    machine.expect("*writer: has written 300", SECONDS);
    // Whoever was in front is, and goes on.
    machine.type_keys(b"\x15status\r");
    machine.expect("*one: 4 clients, one in front, 0 lost", SECONDS);
    machine.type_keys(SWITCH);
    see(&machine, "-- two --\ntwo> ");
    let text = machine.text();
    for flood in FLOODS {
        let seen = numbers(&text, flood);
        let once = first_times(&seen);
        assert_eq!(once, (1..=LINES).collect::<Vec<_>>(), "{flood}");
        // What was on its way when it ended is shown again.
        assert!(
            seen.len() - once.len() <= 2 * ENDS * 32,
            "{flood}: {}",
            seen.len()
        );
    }
    // One at each end; each time the next line begins a new one.
    none_is_torn(&text, ENDS);
    let written = first_times(&written(&text));
    assert_eq!(written, (1..=300).collect::<Vec<_>>());
}

/// What is said at the end of each life of the console guest.
const ENDED: &str = "has ended the console guest";

#[test]
fn who_was_in_the_foreground_is_again() {
    // Lives of the console guest, each long enough to type something.
    let spec = with(&["one", "two"]).replace("keeper=0", "keeper=1000");
    let machine = boot(&spec);
    see(&machine, "two: is `two` for the console");
    machine.type_keys(SWITCH);
    see(&machine, "-- two --");
    // Three lives later, and in the next one, nobody has typed anything.
    let ends = |text: &str| text.matches(ENDED).count();
    let lives = ends(&machine.text()) + 3;
    let later = machine.wait("two's prompt", Duration::from_secs(SECONDS), |text| {
        let (at, _) = text.match_indices(ENDED).nth(lives - 1)?;
        let later = &text[at..];
        (ends(later) > 2).then(|| later.to_owned())
    });
    let later = later.expect("more lives");
    assert!(
        later.contains("two> ") && !later.contains("one> "),
        "{later}"
    );
}

#[test]
fn the_server_prints_for_a_printer_that_does_not() {
    let spec = with(&["flood[4]", "reader"])
        .replace("flood=0", "flood=200")
        .replace("args: [\"reader\"]", "args: [\"hung\"]")
        // Nobody starts the console guest.
        .replace("prio: 160, args", "start: demand, prio: 160, args");
    let machine = boot(&spec);
    machine.expect(
        "*reader: error: it has printed nothing for 3 s: the server prints again",
        SECONDS,
    );
    for flood in FLOODS {
        machine.expect(&format!("*{flood}: debug: exited with code 0"), SECONDS);
    }
    machine.expect("*reader: acknowledges: Some(NotFound)", SECONDS);
    let text = machine.text();
    machine.expect("*reader: prints from * on", SECONDS);
    for flood in FLOODS {
        assert_eq!(
            numbers(&text, flood),
            (1..=200).collect::<Vec<_>>(),
            "{flood}"
        );
    }
    none_is_torn(&text, 0);
}

/// What a client has heard: what it says in the log of it, each once, whole.
fn heard(text: &str, client: &str, before: &str, behind: &str) -> String {
    let shown = screen(text).join("\n");
    let mut heard = BTreeMap::new();
    for entry in entries(&shown).filter(|entry| entry.guest == client) {
        let what = entry.text.strip_prefix(before);
        // One that was cut off when the console guest ended is shown again.
        if let Some(what) = what.and_then(|what| what.strip_suffix(behind)) {
            heard.insert(entry.time, format!("{what} "));
        }
    }
    heard.into_values().collect()
}

/// Types these keys, one by one, while the console guest is ended again and again; answers all that was shown when the
/// client has told of `last`.
fn typed_in_many_lives(machine: &Machine, keys: &[u8], last: &str) -> String {
    for key in keys {
        machine.type_keys(&[*key]);
        std::thread::sleep(Duration::from_millis(15));
    }
    let lives = machine.text().matches(ENDED).count();
    assert!(lives > 20, "{lives} lives");
    let limit = Duration::from_secs(SECONDS);
    let text = machine.wait(last, limit, |text| {
        let line = text.lines().any(|line| line.ends_with(last));
        line.then(|| text.to_owned())
    });
    text.unwrap_or_else(|error| panic!("{error}: `{last}` in {}", machine.text()))
}

#[test]
fn lines_that_are_typed_while_it_is_ended_are_heard_once() {
    let machine = boot(&with(&["one"]).replace("keeper=0", "keeper=1000"));
    see(&machine, "one: is `one` for the console");
    let lines: Vec<_> = (100..300).map(|n| format!("{n}\r")).collect();
    let last = "one: heard `299`";
    let text = typed_in_many_lives(&machine, lines.concat().as_bytes(), last);
    let wanted: String = (100..300).map(|n| format!("{n} ")).collect();
    assert_eq!(heard(&text, "one", "heard `", "`"), wanted);
}

#[test]
fn keys_that_are_typed_while_it_is_ended_are_heard_once() {
    let spec = with(&["three"]).replace("keeper=0", "keeper=1000").replace(
        "one=foreground\", \"two\", \"three",
        "one\", \"two\", \"three=foreground",
    );
    let machine = boot(&spec);
    see(&machine, "three: in front: None");
    let keys: Vec<_> = (0..600)
        .map(|n: u16| b'a' + (n % 26) as u8)
        .chain([b'!'])
        .collect();
    let text = typed_in_many_lives(&machine, &keys, "33]");
    let wanted: String = keys.iter().map(|key| format!("{key} ")).collect();
    let heard = heard(&text, "three", "keys [", "]");
    assert_eq!(heard.replace(',', ""), wanted);
}
