// SPDX-License-Identifier: BSD-2-Clause
//! Ten thousand guests, one after the other: what they used is there again when they have ended.
#![forbid(unsafe_code)]

use system_tests::build::{Build, Kernel};
use system_tests::console::{Entry, Level, entries};
use system_tests::machine::{Config, LIMIT, Machine};
use system_tests::scratch::Scratch;
use system_tests::spec;

fn is_end(entry: &Entry<'_>) -> bool {
    entry.level == Level::Error || entry.text.contains("nothing is left")
}

#[test]
fn nothing_is_left_of_ten_thousand_guests() {
    let scratch = Scratch::new();
    let build = Build::from_env().with_archive_of(&scratch, &["hostile", "cycles"]);
    let image = scratch.path("cycles.elf");
    build.image(Kernel::Release, &spec::test_path("cycles.cdl"), &image);
    let config = Config {
        counted: true,
        ..Config::default()
    };
    let machine = Machine::boot(&image, config).expect("QEMU");
    let end = |text: &str| {
        entries(text)
            .find(|entry| entry.guest == "cycles" && is_end(entry))
            .map(drop)
    };
    let waited = machine.wait("the last cycle", LIMIT, end);
    let text = machine.end();
    waited.unwrap_or_else(|error| panic!("{error}:\n{text}"));
    assert!(
        text.contains("10000 cycles, and nothing is left of them"),
        "{text}"
    );
    assert!(
        !text.contains("panicked") && !text.contains("faults"),
        "{text}"
    );
}
