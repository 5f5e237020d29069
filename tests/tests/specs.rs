// SPDX-License-Identifier: BSD-2-Clause
//! Another spec makes another system, and a wrong one makes none.
#![forbid(unsafe_code)]

use std::time::Duration;

use system_tests::build::{Build, Kernel, Parts};
use system_tests::console::{Entry, entries};
use system_tests::machine::{Config, Machine};
use system_tests::scratch::Scratch;
use system_tests::spec::SpecText;

const SECONDS: u64 = 90;

/// A running system of this spec; the image is needed no more.
#[track_caller]
fn boot(spec: &SpecText) -> Machine {
    let scratch = Scratch::new();
    let image = scratch.path("changed.elf");
    let spec = scratch.write("changed.cdl", spec);
    Build::from_env().image(Kernel::Release, &spec, &image);
    let machine = Machine::boot(&image, Config::default()).expect("QEMU");
    // The root task names the spec; from then on QEMU has read the image.
    machine.expect("root task: changed.cdl with", SECONDS);
    machine
}

fn time_of(line: &str) -> Duration {
    Entry::parse(line).expect("a line of the log").time
}

#[test]
fn arguments_reach_the_guest() {
    let spec = SpecText::default_system().replace("rounds=10000", "rounds=321");
    boot(&spec).expect("ping: 321 round trips, checksum ok", SECONDS);
}

#[test]
fn priorities_are_the_specs() {
    // The system as it is: ping and pong do not wait for the spinner.
    let machine = boot(&SpecText::default_system());
    let talk = machine.expect("ping: pong has attached", SECONDS);
    let ended = machine.expect("spin: error: failed: ended", SECONDS);
    assert!(time_of(&talk) < time_of(&ended), "{}", machine.text());
    drop(machine);

    // Above them, it has the processor to itself until its deadline.
    let default = SpecText::default_system();
    let (_, spin) = default.line_with("module: \"spin\"");
    let above = spin.replace("prio: 90", "prio: 150");
    let machine = boot(&SpecText::default_system().replace(spin, &above));
    let ended = machine.expect("spin: error: failed: ended", SECONDS);
    let talk = machine.expect("ping: pong has attached", SECONDS);
    assert!(time_of(&talk) > time_of(&ended), "{}", machine.text());
}

#[test]
fn only_the_guests_of_the_spec_start() {
    let mut spec = SpecText::default_system();
    for guest in ["oob", "divide", "recurse", "trap"] {
        spec = spec
            .without_lines(&format!("ut_{guest} "))
            .without_lines(&format!("  {guest} "));
    }
    // A second spinner, of the same module.
    let spec = spec
        .replace(
            "  spin      = ",
            "  again     = wasm_guest (server: server, module: \"spin\", prio: 90, stack: 64k, deadline: 100ms)\n  \
             ut_again  = ut (20 bits)\n  spin      = ",
        )
        .replace("  spin    {", "  again   { memory: ut_again  log }\n  spin    {");
    let machine = boot(&spec);
    machine.expect("ping: 10000 round trips, checksum ok", SECONDS);
    machine.expect("spin: error: failed: ended", SECONDS);
    machine.expect("again: error: failed: ended", SECONDS);
    let text = machine.end();
    let mut guests: Vec<_> = entries(&text).map(|entry| entry.guest).collect();
    guests.sort_unstable();
    guests.dedup();
    assert_eq!(guests, ["again", "ping", "pong", "spin"], "{text}");
}

#[test]
fn a_guest_with_too_little_memory_does_not_start_and_the_others_do() {
    let spec =
        SpecText::default_system().replace("ut_oob    = ut (20 bits)", "ut_oob    = ut (17 bits)");
    let machine = boot(&spec);
    machine.expect(
        "oob: error: did not start: its memory budget does not cover * (changed.cdl:",
        SECONDS,
    );
    machine.expect("ping: 10000 round trips, checksum ok", SECONDS);
}

#[test]
fn the_last_deadline_of_the_spec_counts() {
    let spec = SpecText::default_system().replace("deadline: 300ms", "deadline: 1500ms");
    let machine = boot(&spec);
    let began = machine.expect("spin: about to spin", SECONDS);
    let ended = machine.expect("spin: error: failed: ended", SECONDS);
    let lived = time_of(&ended) - time_of(&began);
    assert!(lived > Duration::from_millis(1000), "{lived:?}");
}

/// A change that makes the spec wrong: the changed line is the wrong one.
struct Mistake {
    from: &'static str,
    to: &'static str,
    /// What the message is about.
    about: &'static str,
}

const MISTAKES: [Mistake; 6] = [
    Mistake {
        from: "pool  console",
        to: "pol  console",
        about: "pol",
    },
    Mistake {
        from: "ut_oob  log }",
        to: "ut_oob  lok }",
        about: "lok",
    },
    Mistake {
        from: "module: \"ping\"",
        to: "module: \"pnig\"",
        about: "pnig",
    },
    Mistake {
        from: "ut_trap   = ut (20 bits)",
        to: "ut_trap   = utt (20 bits)",
        about: "utt",
    },
    Mistake {
        from: "oob     { memory: ut_oob  log }",
        to: "oob     { memory: ut_oob }",
        about: "log",
    },
    Mistake {
        from: "prio: 200",
        to: "prio: 2000",
        about: "2000",
    },
];

#[test]
fn a_wrong_spec_stops_the_build_and_is_explained() {
    let build = Build::from_env();
    for Mistake { from, to, about } in MISTAKES {
        let scratch = Scratch::new();
        let text = SpecText::default_system().replace(from, to);
        let spec = scratch.write("wrong.cdl", &text);
        let image = scratch.path("wrong.elf");
        let parts = Parts {
            spec: &spec,
            archive: &build.archive,
            server: &build.server(),
            imports_known: true,
        };
        let output = build.try_image(Kernel::Release, parts, &image);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "`{to}` was accepted");
        assert!(
            !image.exists(),
            "there is an image although `{to}` was refused"
        );
        assert_explained(&said, &text, to, about);

        let modules = build.guests.display().to_string();
        let output = build.atoll(["check", &spec.display().to_string(), "--modules", &modules]);
        assert!(!output.status.success(), "`{to}` passed the check");
        let checked = String::from_utf8_lossy(&output.stderr);
        assert_explained(&checked, &text, to, about);
    }
}

#[test]
fn the_default_spec_passes_the_check() {
    let build = Build::from_env();
    let spec = system_tests::spec::default_path().display().to_string();
    let modules = build.guests.display().to_string();
    let output = build.atoll(["check", &spec, "--modules", &modules]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Finds place, line, caret and hint in what the tool said.
#[track_caller]
fn assert_explained(said: &str, spec: &SpecText, wrong: &str, about: &str) {
    let (number, line) = spec.line_with(wrong);
    let lines: Vec<_> = said.lines().collect();
    let place = format!("wrong.cdl:{number}:");
    let shown = lines.iter().any(|l| {
        let column = l.split_once(&place).map(|(_, rest)| rest);
        column.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    });
    assert!(shown, "no `{place}COLUMN` in:\n{said}");
    let at = lines
        .iter()
        .position(|l| l.trim_end().ends_with(line.trim_end()));
    let at = at.unwrap_or_else(|| panic!("line {number} is not shown in:\n{said}"));
    assert!(
        lines[at + 1].contains('^'),
        "no caret below the line in:\n{said}"
    );
    assert!(said.contains("help"), "no hint in:\n{said}");
    assert!(said.contains(about), "no word of `{about}` in:\n{said}");
}
