// SPDX-License-Identifier: BSD-2-Clause
//! A supervisor and its members: order, restarts, health, what clients ask for, and the end of all.
#![forbid(unsafe_code)]

use system_tests::build::{Build, Kernel};
use system_tests::console::entries;
use system_tests::machine::{Config, LIMIT, Machine};
use system_tests::scratch::Scratch;
use system_tests::spec;

/// What the client that may do everything finds to hold.
const PROMISES: &[&str] = &[
    "ok tree",
    "ok restart",
    "ok stop and start",
    "ok revoke and restore",
    "ok give",
    "ok health",
    "ok a new init",
];

#[test]
fn members_are_looked_after_until_the_machine_is_off() {
    let scratch = Scratch::new();
    let build = Build::from_env().with_archive_of(&scratch, &["init", "governed"]);
    let image = scratch.path("init.elf");
    build.image(Kernel::Release, &spec::test_path("init.cdl"), &image);
    let machine = Machine::boot(&image, Config::default()).expect("QEMU");
    let (status, text) = machine.expect_end(LIMIT.as_secs());
    assert!(status.success(), "{status}:\n{text}");
    let said = |guest: &str, what: &str| {
        entries(&text).any(|entry| entry.guest == guest && entry.text.contains(what))
    };
    for promise in PROMISES {
        assert!(said("steward", promise), "{promise}:\n{text}");
    }
    assert!(said("viewer", "ok sees, and nothing else"), "{text}");
    assert!(said("init", "hanger did not answer within 200ms"), "{text}");
    assert!(said("init", "top runs already"), "{text}");
    // In the reverse order of their start, each when the one before has ended. The one that hangs may do so then.
    let end = text.find("ends the system").expect("the end of the system");
    let ends: Vec<&str> = entries(&text[end..])
        .filter(|entry| entry.guest == "init")
        .filter_map(|entry| entry.text.split_once(" has ended"))
        .map(|(name, _)| name)
        .collect();
    let order = ["steward", "stubborn", "top", "b", "a"];
    let ends: Vec<&str> = ends
        .into_iter()
        .filter(|name| order.contains(name))
        .collect();
    assert_eq!(ends, order, "{text}");
    let forced = "stubborn has ended (ended: it was asked to stop, and did not in time)";
    assert!(said("init", forced), "{text}");
    for polite in ["top", "b", "a"] {
        let asked = entries(&text[end..])
            .any(|entry| entry.guest == polite && entry.text == "ends as it was asked to");
        assert!(asked, "{polite}:\n{text}");
    }
}
