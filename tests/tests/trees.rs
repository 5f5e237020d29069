// SPDX-License-Identifier: BSD-2-Clause
//! Groups of each strategy, a supervisor under the supervisor, and what comes of it when members end at any place of
//! the tree, up to the top, and when the end of all is interrupted.
#![forbid(unsafe_code)]

use system_tests::build::{Build, Kernel};
use system_tests::console::entries;
use system_tests::machine::{Config, LIMIT, Machine};
use system_tests::scratch::Scratch;
use system_tests::spec;

/// What the guest that ends members finds to hold.
const PROMISES: &[&str] = &[
    "ok all run",
    "ok strategies",
    "ok kinds",
    "ok given up",
    "ok asked below",
    "ok below",
    "ok escalation",
    "ok interrupted",
];
/// What is said of a guest that was ended by force.
const KILLED: &str = "(ended: it was asked to stop, and did not in time)";
const AGAIN: &str = "(ended: it was asked to stop, and did not in time) and is started again";

/// What a supervisor says, and which guests begin, in a step of the guest that ends members.
#[track_caller]
fn said<'a>(text: &'a str, step: &str, guest: &str) -> Vec<&'a str> {
    let begin = format!("step: {step}");
    let mut found = entries(text)
        .skip_while(|entry| !(entry.guest == "inspector" && entry.text == begin))
        .skip(1)
        .take_while(|entry| entry.guest != "inspector" || entry.text.starts_with("ok "))
        .peekable();
    assert!(
        found.peek().is_some(),
        "nothing in the step `{step}`:\n{text}"
    );
    let lines = found.filter_map(|entry| match guest {
        "" => (entry.text == "begins").then_some(entry.guest),
        guest => (entry.guest == guest).then_some(entry.text),
    });
    lines.collect()
}

/// The supervisor says just this in a step, and these begin, in this order.
#[track_caller]
fn assert_step(text: &str, step: &str, lines: &[&str], begin: &[&str]) {
    assert_eq!(said(text, step, "init"), lines, "init in `{step}`:\n{text}");
    assert_eq!(said(text, step, ""), begin, "{step}:\n{text}");
}

#[test]
fn what_fails_is_started_again_by_the_rules_of_its_place() {
    let scratch = Scratch::new();
    let build = Build::from_env().with_archive_of(&scratch, &["init", "supervisor", "governed"]);
    let image = scratch.path("trees.elf");
    build.image(Kernel::Release, &spec::test_path("trees.cdl"), &image);
    let machine = Machine::boot(&image, Config::default()).expect("QEMU");
    // One that has failed leaves the system as it is.
    let over = machine.wait("the end", LIMIT, |text| {
        let mut said = entries(text).filter(|entry| entry.guest == "inspector");
        said.find_map(|entry| match entry.text {
            "step: the end" => Some(Ok(())),
            text if text.starts_with("FAILED") => Some(Err(text.to_owned())),
            _ => None,
        })
    });
    if !matches!(over, Ok(Ok(()))) {
        panic!("{over:?}:\n{}", machine.end());
    }
    let (status, text) = machine.expect_end(LIMIT.as_secs());
    assert!(status.success(), "{status}:\n{text}");
    for promise in PROMISES {
        let is_kept = entries(&text).any(|it| it.guest == "inspector" && it.text == *promise);
        assert!(is_kept, "{promise}:\n{text}");
    }

    // Strategies: who else is ended, the last one first, and who begins then.
    let failed = |name: &str| format!("{name} has ended {AGAIN}");
    assert_step(&text, "one_for_one", &[&failed("s2")], &["s2"]);
    let lines = [&*failed("e2"), "e3 has ended", "e1 has ended"];
    assert_step(&text, "one_for_all", &lines, &["e1", "e2", "e3"]);
    let lines = [&*failed("r2"), "r3 has ended"];
    assert_step(&text, "rest_for_one", &lines, &["r2", "r3"]);

    // Kinds of restart, for those that fail and those that end well.
    assert_step(&text, "permanent failed", &[&failed("always")], &["always"]);
    let line = "always has ended (exited with code 0) and is started again";
    assert_step(&text, "permanent ended well", &[line], &["always"]);
    let line = failed("sometimes");
    assert_step(&text, "transient failed", &[&line], &["sometimes"]);
    let line = "sometimes has ended (exited with code 0)";
    assert_step(&text, "transient ended well", &[line], &[]);
    let line = format!("once has ended {KILLED}");
    assert_step(&text, "temporary failed", &[&line], &[]);
    assert_step(&text, "temporary by hand", &[], &["once"]);
    let line = "once has ended (exited with code 0)";
    assert_step(&text, "temporary ended well", &[line], &[]);

    // A group that is given up.
    assert_step(&text, "within the intensity", &[&failed("d1")], &["d1"]);
    let lines = [
        &*format!("d1 has ended {KILLED}"),
        "restarts in doomed come too often: it is given up until somebody starts it",
        "d2 has ended",
    ];
    assert_step(&text, "given up", &lines, &[]);
    let lines = [
        &*failed("heir"),
        "heir waits for d1, which is given up until somebody starts it",
    ];
    assert_step(&text, "who needs it waits", &lines, &[]);
    assert_step(&text, "started by hand", &[], &["d1", "d2", "heir"]);
    let lines = [
        "mute did not answer within 1s, nor ever before: it is ended. Who is asked for its health serves \
         `userland::health`, with the grants `shared_memory` and `wake`",
        "mute has ended (it did not answer when it was asked for its health)",
        "restarts in quiet come too often: it is given up until somebody starts it",
    ];
    assert_step(&text, "mute", &lines, &[]);
    below(&text);
    escalation(&text);
    the_end(&text);
}

/// What a supervisor under the supervisor does.
#[track_caller]
fn below(text: &str) {
    let failed = |name: &str| format!("{name} has ended {AGAIN}");
    assert_step(text, "killed below", &[&failed("apps")], &[]);
    let lines = ["x runs already", "y runs already"];
    assert_eq!(said(text, "killed below", "apps"), lines, "{text}");

    assert_step(text, "restarted below", &["apps has ended"], &["x", "y"]);
    let lines = [
        "ends, and its members before that",
        "y has ended",
        "x has ended",
        "all have ended",
    ];
    assert_eq!(said(text, "restarted below", "apps"), lines, "{text}");

    assert_step(text, "a member below", &[], &["x"]);
    let why = "(panic: restarts came too often)";
    let again = format!("apps has ended {why} and is started again");
    for step in ["gives up below", "gives up below again"] {
        assert_step(text, step, &[&again], &["x", "y"]);
        let lines = [
            &*format!("x has ended {KILLED}"),
            "y has ended",
            "restarts come too often: gives up; all have ended",
        ];
        assert_eq!(said(text, step, "apps")[..3], lines, "{text}");
    }
    let lines = [
        &*format!("apps has ended {why}"),
        "restarts in nest come too often: it is given up until somebody starts it",
    ];
    assert_step(text, "given up with all below", &lines, &[]);
    assert_step(text, "started by hand below", &[], &["x", "y"]);
    let refused = "inspector asks for the end of the system: refused; ask the supervisor at the top, with the grant \
                   `power`";
    assert!(
        entries(text).any(|entry| entry.guest == "apps" && entry.text == refused),
        "{text}"
    );
}

/// From a member to the top.
#[track_caller]
fn escalation(text: &str) {
    let failed = format!("i1 has ended {AGAIN}");
    let inner = "restarts in inner come too often: outer decides";
    let outer = "restarts in outer come too often: all decides";
    for step in [
        "within the inner intensity",
        "again within it",
        "once more within it",
        "the last time within it",
    ] {
        assert_step(text, step, &[&failed], &["i1"]);
    }
    let lines = [&*failed, inner, "behind has ended", "i2 has ended"];
    for step in ["the inner one fails", "the inner one fails again"] {
        assert_eq!(said(text, step, "init"), lines, "{step}:\n{text}");
        // One that has failed often comes after a pause.
        let begin = said(text, step, "");
        let orders = [["i2", "i1", "behind"], ["i1", "i2", "behind"]];
        assert!(orders.iter().any(|order| begin == order), "{step}:\n{text}");
    }
    let lines = [
        &*failed,
        inner,
        outer,
        "behind has ended",
        "i2 has ended",
        "before has ended",
    ];
    let step = "the outer one fails";
    assert_eq!(said(text, step, "init"), lines, "{text}");
    let begin = said(text, step, "");
    let is_in_order = begin.len() == 4 && begin[0] == "before" && begin[3] == "behind";
    assert!(is_in_order, "{begin:?}:\n{text}");

    let lines = said(text, "all fails", "init");
    let ended = format!("i1 has ended {KILLED}");
    let first = [
        &*ended,
        inner,
        outer,
        "restarts come too often: gives up; what runs goes on",
        "failed: panic: restarts came too often",
    ];
    assert_eq!(lines[..first.len()], first, "{text}");
}

/// The end of all, once interrupted and once not.
#[track_caller]
fn the_end(text: &str) {
    let lines = said(text, "an end that is interrupted", "init");
    assert_eq!(lines[0], "inspector ends the system", "{text}");
    let slow = format!("slow has ended {AGAIN}");
    for line in ["apps runs already", "slow runs already", &slow] {
        assert!(lines.contains(&line), "{line}:\n{text}");
    }
    let begin = said(text, "an end that is interrupted", "");
    assert_eq!(begin, [""; 0], "{text}");

    // In the reverse order of their start, those of the supervisor below before it.
    let begin = entries(text).position(|entry| entry.text == "step: the end");
    let begin = begin.expect("the end");
    let end = || entries(text).skip(begin);
    assert!(end().all(|entry| entry.text != "begins"), "{text}");
    let ends: Vec<&str> = end()
        .filter(|entry| ["init", "apps"].contains(&entry.guest))
        .filter_map(|entry| entry.text.split_once(" has ended"))
        .map(|(name, _)| name)
        .filter(|name| !name.starts_with('e'))
        .collect();
    let order = [
        "slow",
        "y",
        "x",
        "apps",
        "heir",
        "once",
        "sometimes",
        "always",
        "d2",
        "d1",
        "behind",
        "i2",
        "i1",
        "before",
        "r3",
        "r2",
        "r1",
        "s3",
        "s2",
        "s1",
    ];
    assert_eq!(ends, order, "{text}");
    let slow = format!("slow has ended {KILLED}");
    assert!(end().any(|entry| entry.text == slow), "{text}");
    let off = end().last().map(|entry| entry.text);
    let switch = "all have ended: switches the machine off";
    assert_eq!(off, Some(switch), "{text}");
}
