// SPDX-License-Identifier: BSD-2-Clause
//! Another spec makes another system, and a wrong one makes none.
#![forbid(unsafe_code)]

use std::time::Duration;

use system_tests::build::{Build, Kernel, Parts};
use system_tests::console::{Entry, entries};
use system_tests::machine::{Config, Machine, SECONDS};
use system_tests::scratch::Scratch;
use system_tests::spec::{self, SpecText};

/// A running system of this spec; the image is needed no more. It counts instructions for time, so that
/// times do not depend on how busy the host is.
#[track_caller]
fn boot(spec: &SpecText) -> Machine {
    let scratch = Scratch::new();
    let image = scratch.path("changed.elf");
    let spec = scratch.write("changed.cdl", spec);
    Build::from_env().image(Kernel::Release, &spec, &image);
    let config = Config {
        counted: true,
        ..Config::default()
    };
    let machine = Machine::boot(&image, config).expect("QEMU");
    // The root task names the spec; from then on QEMU has read the image.
    machine.expect("root task: changed.cdl with", SECONDS);
    machine
}

fn time_of(line: &str) -> Duration {
    Entry::parse(line).expect("a line of the log").time
}

#[test]
fn arguments_reach_the_guest() {
    let spec = SpecText::of_demo("isolation").replace("rounds=10000", "rounds=321");
    boot(&spec).expect("ping: 321 round trips, checksum ok", SECONDS);
}

#[test]
fn priorities_are_the_specs() {
    // The system as it is: ping and pong do not wait for the spinner.
    let machine = boot(&SpecText::of_demo("isolation"));
    let talk = machine.expect("ping: pong has attached", SECONDS);
    let ended = machine.expect("spin: error: failed: ended", SECONDS);
    assert!(time_of(&talk) < time_of(&ended), "{}", machine.text());
    drop(machine);

    // Above them, it has the processor to itself until its deadline.
    let default = SpecText::of_demo("isolation");
    let (_, spin) = default.line_with("module: \"spin\"");
    let above = spin.replace("prio: 90", "prio: 150");
    let machine = boot(&SpecText::of_demo("isolation").replace(spin, &above));
    let ended = machine.expect("spin: error: failed: ended", SECONDS);
    let talk = machine.expect("ping: pong has attached", SECONDS);
    assert!(time_of(&talk) > time_of(&ended), "{}", machine.text());
}

#[test]
fn a_server_that_faults_is_reported_and_started_again_a_few_times() {
    // Too little memory for what the server needs before it has any guest.
    let spec =
        SpecText::of_demo("isolation").replace("pool   = ut (24 bits)", "pool   = ut (14 bits)");
    let (line, _) = spec.line_with("wasm_server");
    let machine = boot(&spec);
    machine.expect(
        &format!("changed.cdl:{line}: the server's own memory: "),
        SECONDS,
    );
    machine.expect("root task: server `server` faults: brk", SECONDS);
    machine.expect("root task: server `server` starts again (5 of 5)", SECONDS);
    let text = machine.end();
    assert!(!text.contains("ping:"), "a guest ran all the same:\n{text}");
}

#[test]
fn only_the_guests_of_the_spec_start() {
    let mut spec = SpecText::of_demo("isolation");
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
    let expected = ["again", "ping", "pong", "spin"];
    assert_eq!(guests, expected, "{text}");
}

#[test]
fn a_guest_with_too_little_memory_does_not_start_and_the_others_do() {
    let spec = SpecText::of_demo("isolation")
        .replace("ut_oob    = ut (20 bits)", "ut_oob    = ut (17 bits)");
    let machine = boot(&spec);
    machine.expect(
        "oob: error: failed: did not start (changed.cdl:*): its memory budget does not cover ",
        SECONDS,
    );
    machine.expect("ping: 10000 round trips, checksum ok", SECONDS);
}

#[test]
fn deadlines_are_the_specs() {
    for milliseconds in [100, 300, 1500] {
        let spec = SpecText::of_demo("isolation")
            .replace("deadline: 300ms", &format!("deadline: {milliseconds}ms"));
        let machine = boot(&spec);
        let ended = time_of(&machine.expect("spin: error: failed: ended", SECONDS));
        // All guests start together, and one of them soon says something.
        let first = entries(&machine.text()).next().expect("an entry").time;
        let off = (ended - first).abs_diff(Duration::from_millis(milliseconds));
        assert!(
            off < Duration::from_millis(20),
            "{off:?} off {milliseconds} ms:\n{}",
            machine.text()
        );
    }
}

#[test]
fn a_guest_whose_deadline_is_over_before_it_runs_is_ended_all_the_same() {
    // Ping and pong have the processor until then.
    let spec = SpecText::of_demo("isolation").replace("deadline: 300ms", "deadline: 1ms");
    let machine = boot(&spec);
    machine.expect("spin: error: failed: ended", SECONDS);
    let text = machine.end();
    assert!(!text.contains("about to spin"), "{text}");
}

/// A change that makes the spec wrong.
struct Mistake {
    from: &'static str,
    to: &'static str,
    /// What is pointed at: the first line with the first, and in it the second.
    line: &'static str,
    mark: &'static str,
    hint: &'static str,
}

const MISTAKES: [Mistake; 6] = [
    Mistake {
        from: "pool  console",
        to: "pol  console",
        line: "pol  console",
        mark: "pol",
        hint: "did you mean `pool`?",
    },
    Mistake {
        from: "ut_oob  log }",
        to: "ut_oob  lok }",
        line: "ut_oob  lok }",
        mark: "lok",
        hint: "did you mean `log`?",
    },
    Mistake {
        from: "module: \"ping\"",
        to: "module: \"pnig\"",
        line: "module: \"pnig\"",
        mark: "\"pnig\"",
        hint: "did you mean `ping`?",
    },
    Mistake {
        from: "ut_trap   = ut (20 bits)",
        to: "ut_trap   = utt (20 bits)",
        line: "utt (20 bits)",
        mark: "utt",
        hint: "did you mean `ut`?",
    },
    Mistake {
        from: "oob     { memory: ut_oob  log }",
        to: "oob     { memory: ut_oob }",
        line: "module: \"out-of-bounds\"",
        mark: "\"out-of-bounds\"",
        hint: "add `log` to the capabilities of `oob`",
    },
    Mistake {
        from: "prio: 200",
        to: "prio: 2000",
        line: "prio: 2000",
        mark: "2000",
        hint: "priorities go from 1 to 254",
    },
];

#[test]
fn a_wrong_spec_stops_the_build_and_is_explained() {
    let build = Build::from_env();
    for mistake in MISTAKES {
        let to = mistake.to;
        let scratch = Scratch::new();
        let text = SpecText::of_demo("isolation").replace(mistake.from, to);
        let spec = scratch.write("wrong.cdl", &text);
        let image = scratch.path("wrong.elf");
        let parts = Parts {
            spec: &spec,
            archive: &build.archive,
            server: &build.server(),
            imports_known: true,
        };
        let output = build.try_image(Kernel::Release, parts, &image);
        assert!(!output.status.success(), "`{to}` was accepted");
        assert!(!image.exists(), "`{to}` was refused, and there is an image");
        assert_explained(&output.stderr, &text, &mistake);

        let modules = build.guests.display().to_string();
        let output = build.atoll(["check", &spec.display().to_string(), "--modules", &modules]);
        assert!(!output.status.success(), "`{to}` passed the check");
        assert_explained(&output.stderr, &text, &mistake);
    }
}

#[test]
fn the_default_spec_passes_the_check() {
    let build = Build::from_env();
    let spec = spec::default_path().display().to_string();
    let modules = build.guests.display().to_string();
    let output = build.atoll(["check", &spec, "--modules", &modules]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Finds place, line, carets and hint in what the tool said.
#[track_caller]
fn assert_explained(said: &[u8], spec: &SpecText, mistake: &Mistake) {
    let said = String::from_utf8_lossy(said);
    let (number, line) = spec.line_with(mistake.line);
    let column = line.find(mistake.mark).expect("the mark") + 1;
    let place = format!("wrong.cdl:{number}:{column}");
    let mut lines = said.lines().skip_while(|line| !line.ends_with(&place));
    assert!(lines.next().is_some(), "no `{place}` in:\n{said}");

    let shown = lines.find(|shown| shown.ends_with(line));
    let shown = shown.unwrap_or_else(|| panic!("line {number} is not shown in:\n{said}"));
    let below = lines.next().unwrap_or_default();
    let carets = below.find('^').zip(below.rfind('^'));
    let first = shown.len() - line.len() + column - 1;
    let last = first + mistake.mark.len() - 1;
    assert_eq!(
        carets,
        Some((first, last)),
        "carets below the mistake in:\n{said}"
    );

    let hint = lines.find_map(|line| line.split_once("help: "));
    assert_eq!(
        hint.map(|(_, hint)| hint),
        Some(mistake.hint),
        "the hint in:\n{said}"
    );
}
